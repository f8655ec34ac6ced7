"""A site's visits kept in memory, as columns; those of a day that changed are read again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.attribution.touches import Bools
from tracker.db.store import Tx
from tracker.reports.columns import day_number, day_text, only, within
from tracker.reports.engines.sql import n_distinct
from tracker.reports.heldwords import Words
from tracker.reports.loading import VISITS, Read, read_all, read_some
from tracker.reports.packed import Grown
from tracker.reports.scans import MONTH, WHOLE, Scope, VisitCount, VisitCounts

Column = NDArray[Any]
KINDS = {"visitors": np.int64, "days": np.int32, "seen": np.int32, "versions": np.int16}
VISIT_BYTES = 18


@dataclass(frozen=True, slots=True)
class VisitView:
    """The visits as they were at a moment; alive: per row whether it still holds."""

    words: Words
    versions: Sequence[str]
    alive: Bools
    columns: dict[str, Column]

    def counts(self, scope: Scope) -> VisitCounts:
        """The visits of a scope by their own day: see scans.Engine.visits."""
        mask = self.alive & within(scope, self.columns["days"])
        if scope.where:
            codes, combinations = self.words.only(scope.words)
            takes = np.fromiter(map(scope.takes(), combinations), dtype=np.bool_, count=len(combinations))
            # Rows of another thread's words may be there already; none of ours has them.
            mask &= takes[codes][self.columns["seen"]]
        own = {name: only(column, mask) for name, column in self.columns.items()}
        codes, combinations = self.words.only(scope.grouped)
        named, numbers = scope.naming(), dict[tuple[str, ...], int]()
        value_of = np.array([numbers.setdefault(named(one), len(numbers)) for one in combinations], dtype=np.int64)
        values = list(numbers)
        groups = value_of[codes][own["seen"]]
        cuts, cut = cut_by(own["days"], scope.bucket)
        if scope.bucket != WHOLE:
            groups += cut * len(values)
        visits, visitors = counted(groups, own["visitors"], len(cuts) * len(values))
        rows = []
        for group in np.flatnonzero(visits).tolist():
            bucket, value = divmod(group, len(values))
            rows.append(VisitCount(cuts[bucket], values[value], int(visits[group]), int(visitors[group])))
        versions = sorted(self.versions[i] for i in np.flatnonzero(np.bincount(own["versions"])).tolist())
        return VisitCounts(tuple(sorted(rows)), len(groups), n_distinct(own["visitors"]), tuple(versions))


def cut_by(days: Column, bucket: int) -> tuple[list[str], Column]:
    """The buckets that these days fall into, and per day the number of its bucket."""
    if bucket == WHOLE:
        return [""], np.zeros(0, dtype=np.int64)
    if not len(days):
        return [], np.zeros(0, dtype=np.int64)
    # 20260401 // 100 is a month.
    step = 100 if bucket == MONTH else 1
    first = int(days.min()) // step
    places = days // step - first
    there = np.flatnonzero(np.bincount(places))
    number = np.zeros(int(there[-1]) + 1, dtype=np.int64)
    number[there] = np.arange(len(there))
    return [day_text((one + first) * step + (step > 1))[:bucket] for one in there.tolist()], number[places]


def counted(groups: Column, visitors: Column, n_groups: int) -> tuple[Column, Column]:
    """Per group its visits, and the different visitors among them.

    One number names group and visitor, and sorting these is the quickest way to see which are there twice.
    """
    n = int(visitors.max(initial=0)) + 1
    pairs = groups * n + visitors
    pairs.sort()
    is_first = np.ones(len(pairs), dtype=np.bool_)
    np.not_equal(pairs[1:], pairs[:-1], out=is_first[1:])
    return np.bincount(groups, minlength=n_groups), np.bincount(pairs[is_first] // n, minlength=n_groups)


class HeldVisits:
    """One site's visits. Used by one thread at a time; the views that it gives, by any number."""

    def __init__(self, tx: Tx, site_id: int) -> None:
        self._site_id, self._words = site_id, Words()
        self._versions: dict[str, int] = {}
        found = self._together([self._columns(read) for read in read_all(tx, VISITS, site_id)])
        self._own = {name: Grown(column) for name, column in found.items()}
        self._alive = np.ones(len(found["days"]), dtype=np.bool_)

    @property
    def nbytes(self) -> int:
        """About what they take in memory."""
        return sum(column.nbytes for column in self._own.values()) + self._words.nbytes

    def view(self) -> VisitView:
        """The visits as they are now."""
        columns = {name: column.now for name, column in self._own.items()}
        return VisitView(self._words, list(self._versions), self._alive, columns)

    def read_again(self, tx: Tx, days: Sequence[str]) -> None:
        """Bring the visits of these days up to date."""
        if not days:
            return
        alive = self._alive & ~np.isin(self._own["days"].now, [day_number(day) for day in days])
        found = self._together([self._columns(read) for read in read_some(tx, VISITS, days, self._site_id)])
        if 2 * np.count_nonzero(alive) < len(alive):
            self._own = {name: Grown(column.now[alive]) for name, column in self._own.items()}
            alive = alive[alive]
        for name, column in found.items():
            self._own[name].put(column)
        self._alive = np.concatenate((alive, np.ones(len(found["days"]), dtype=np.bool_)))

    def _columns(self, read: Read) -> dict[str, Column]:
        words, versions = read.texts
        known = self._versions
        return {
            "visitors": read.number(0),
            "days": read.number(1).astype(np.int32),
            "seen": self._words.number(words),
            "versions": np.array([known.setdefault(one, len(known)) for one in versions], dtype=np.int16),
        }

    @staticmethod
    def _together(found: Sequence[dict[str, Column]]) -> dict[str, Column]:
        """Columns read one lot after the other, together."""
        return {
            name: np.concatenate([np.zeros(0, dtype=kind), *(own[name] for own in found)])
            for name, kind in KINDS.items()
        }
