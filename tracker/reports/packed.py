"""(pure) Ids and columns packed for a million rows: 16 bytes an id, arrays that grow at their end alone.

Whoever holds a slice of such an array keeps what it has seen: later rows stand behind it.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.attribution.touches import Ints

# Two unsigned 64-bit numbers an id.
Packed = NDArray[np.uint64]
NONE = "0" * 32


class Ambiguous(Exception):
    """Two ids begin with the same 64 bits, which tells them apart here; nothing can be said."""


class Packer:
    """Packs ids of 32 hexadecimal digits into their 16 bytes; others are remembered by a hash. None is empty text."""

    def __init__(self) -> None:
        self._odd: dict[bytes, str] = {}

    def pack(self, ids: Sequence[str]) -> Packed:
        """The ids, packed."""
        joined = "".join([one or NONE for one in ids])
        raw = bytes.fromhex(joined) if self._is_plain(ids, joined) else b"".join(map(self._pack, ids))
        return np.frombuffer(raw, dtype=">u8").astype(np.uint64).reshape(-1, 2)

    def text(self, packed: Packed) -> str:
        """One id as it was."""
        raw = packed.astype(">u8").tobytes()
        return self._odd.get(raw) or ("" if not any(raw) else raw.hex())

    def texts(self, packed: Packed) -> list[str]:
        """Many ids as they were."""
        digits = packed.astype(">u8").tobytes().hex()
        found = [digits[at : at + 32] for at in range(0, len(digits), 32)]
        if self._odd:
            found = [self._odd.get(bytes.fromhex(one), one) for one in found]
        return ["" if one == NONE else one for one in found]

    @staticmethod
    def _is_plain(ids: Sequence[str], joined: str) -> bool:
        """Whether all ids are of the usual kind."""
        if len(joined) != 32 * len(ids) or not joined.isascii():
            return False
        return not joined.encode().translate(None, b"0123456789abcdef") and all(len(one) in {0, 32} for one in ids)

    def _pack(self, text: str) -> bytes:
        if self._is_plain([text], text or NONE):
            return bytes.fromhex(text or NONE)
        raw = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        self._odd[raw] = text
        return raw


class Ids(Sequence[str]):
    """Packed ids as texts.

    places  which of them, in this order, -1 for none; all if it is left out
    """

    def __init__(self, packer: Packer, packed: Packed, places: Ints | None = None) -> None:
        self._packer, self._packed, self._places = packer, packed, places

    def __len__(self) -> int:
        return len(self._packed if self._places is None else self._places)

    def __getitem__(self, i: Any) -> Any:
        place = i if self._places is None else int(self._places[i])
        return "" if place < 0 else self._packer.text(self._packed[place])

    def some(self, which: Ints) -> list[str]:
        """Those at these indices, none of which is negative."""
        places = which if self._places is None else self._places[which]
        if not (places < 0).any():
            return self._packer.texts(self._packed[places])
        return [self[int(one)] for one in which]


class Grown:
    """An array that rows are put to the end of."""

    def __init__(self, values: NDArray[Any]) -> None:
        self._room, self._n = values, len(values)

    @property
    def now(self) -> NDArray[Any]:
        """All rows so far; later ones are not in it."""
        return self._room[: self._n]

    @property
    def nbytes(self) -> int:
        """What it takes in memory."""
        return int(self._room.nbytes)

    def put(self, values: NDArray[Any]) -> None:
        """Put rows to the end."""
        end = self._n + len(values)
        if end > len(self._room):
            room = np.empty((end + end // 8 + 16, *self._room.shape[1:]), dtype=self._room.dtype)
            room[: self._n] = self._room[: self._n]
            self._room = room
        self._room[self._n : end] = values
        self._n = end


class Finder:
    """Where ids stand: each at the last place that it was put to."""

    def __init__(self, ids: Packed) -> None:
        """raises Ambiguous"""
        self._ids = Grown(ids)
        self._order = np.argsort(ids[:, 0], kind="stable")
        self._keys = ids[self._order, 0]
        if (self._keys[1:] == self._keys[:-1]).any():
            raise Ambiguous
        self._later: dict[int, int] = {}

    @property
    def ids(self) -> Packed:
        """All ids that were put, in order."""
        return self._ids.now

    @property
    def nbytes(self) -> int:
        """What it takes in memory."""
        return int(self._ids.nbytes + self._order.nbytes + self._keys.nbytes + 100 * len(self._later))

    def find(self, ids: Packed) -> Ints:
        """The place of each id, -1 for those that have none; raises Ambiguous."""
        places = np.full(len(ids), -1, dtype=np.int64)
        if len(self._keys):
            at = np.minimum(np.searchsorted(self._keys, ids[:, 0]), len(self._keys) - 1)
            is_there = self._keys[at] == ids[:, 0]
            places[is_there] = self._order[at[is_there]]
        if self._later:
            later = [
                self._later.get(key, place) for key, place in zip(ids[:, 0].tolist(), places.tolist(), strict=True)
            ]
            places = np.array(later, dtype=np.int64)
        there = np.flatnonzero(places >= 0)
        if (self.ids[places[there], 1] != ids[there, 1]).any():
            raise Ambiguous
        return places

    def put(self, ids: Packed) -> None:
        """Put ids to the end, known ones, too; raises Ambiguous."""
        self.find(ids)
        first = len(self.ids)
        for place, key in enumerate(ids[:, 0].tolist(), first):
            known = self._later.get(key)
            if known is not None and known >= first and ids[known - first, 1] != ids[place - first, 1]:
                raise Ambiguous
            self._later[key] = place
        self._ids.put(ids)

    def settle(self, ids: Packed) -> Ints:
        """The place of each id; those that have none are put to the end, each once."""
        places = self.find(ids)
        if (places < 0).any():
            new = ids[places < 0]
            _, firsts = np.unique(new[:, 0], return_index=True)
            self.put(new[np.sort(firsts)])
            places = self.find(ids)
        return places
