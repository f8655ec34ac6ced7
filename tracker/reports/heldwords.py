"""The words of touches and visits kept in memory: each different combination once, as numbers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec.json import decode
from numpy.typing import NDArray

from tracker.reports.packed import Grown
from tracker.vocabulary import FLAT

Column = NDArray[Any]
# For how many choices of columns the combinations are kept.
MOST_ASKED = 8


class Words:
    """The different combinations of flat words on touches, and the different words, each with a number.

    Many threads may read while one adds: a combination is there only when its words are.
    """

    def __init__(self) -> None:
        self._of_text: dict[str, int] = {}
        self._of_word: list[dict[str, int]] = [{} for _ in FLAT]
        self._table = Grown(np.zeros((0, len(FLAT)), dtype=np.int32))
        self._asked: dict[tuple[str, ...], tuple[Column, list[tuple[str, ...]]]] = {}

    def number(self, texts: Sequence[str]) -> Column:
        """The number of each combination (a JSON list of words)."""
        known, rows = self._of_text, []
        for text in dict.fromkeys(texts):
            if text not in known:
                known[text] = len(known)
                words: list[str] = decode(text)
                rows.append([of.setdefault(word, len(of)) for of, word in zip(self._of_word, words, strict=True)])
        if rows:
            self._table.put(np.array(rows, dtype=np.int32))
        return np.array([known[text] for text in texts], dtype=np.int32)

    def only(self, names: tuple[str, ...]) -> tuple[Column, list[tuple[str, ...]]]:
        """Per combination the number of what it has in these columns; and what each number stands for."""
        table = self._table.now
        asked = self._asked.get(names)
        if asked is not None and len(asked[0]) == len(table):
            return asked
        places = [FLAT.index(name) for name in names]
        listed = [list(self._of_word[place]) for place in places]
        codes = np.zeros(len(table), dtype=np.int64)
        for place, own in zip(places, listed, strict=True):
            _, codes = np.unique(codes * max(1, len(own)) + table[:, place], return_inverse=True)
        _, firsts = np.unique(codes, return_index=True)
        cells = [
            [own[word] for word in table[firsts, place].tolist()] for own, place in zip(listed, places, strict=True)
        ]
        self._asked = {**dict(list(self._asked.items())[-MOST_ASKED:]), names: (codes, list(zip(*cells, strict=True)))}
        return self._asked[names]

    @property
    def nbytes(self) -> int:
        """About what they take in memory."""
        return 400 * len(self._of_text)
