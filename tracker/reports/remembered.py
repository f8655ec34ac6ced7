"""(pure) Answers kept beside the facts that they are made of, and gone with them: for those who ask the same again.

Whoever keeps facts that no longer change (keeping.py) has one of these for them; a chart, a table and a file of one
report then share what was found once.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, TypeVar

Found = TypeVar("Found")


class Remembered:
    """The latest answers by their questions. Used by any number of threads; two that ask at once may both find it.

    most  so many are kept; the one longest not asked for goes first
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._found: OrderedDict[Hashable, Any] = OrderedDict()
        self._guard = Lock()

    def once(self, question: Hashable, find: Callable[[], Found]) -> Found:
        """The answer to a question, found where it is not there; answers must never be changed by who gets them."""
        with self._guard:
            if question in self._found:
                self._found.move_to_end(question)
                kept: Found = self._found[question]
                return kept
        found = find()
        with self._guard:
            self._found[question] = found
            while len(self._found) > self._most:
                self._found.popitem(last=False)
        return found
