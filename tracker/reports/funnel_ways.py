"""(pure) The ways of people or companies through the stages, column by column: who reached which stage when, and how
long they stayed.

A way is a row of changes in their order. Stages of the line come one after the other: whoever comes into one has
reached all before it, too. `other` is beside the line, and a stage that the site has taken away is nowhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tracker.attribution.touches import DAY_MS, Bools, Ints
from tracker.reports.columns import NOBODY, day_numbers
from tracker.vocabulary import Stage

# What is usual is said from so many on.
LEAST = 10


@dataclass(frozen=True, slots=True)
class Line:
    """A site's stages in their order, and the line that they make.

    names    all stages
    on_line  their places, without `other`
    """

    names: tuple[str, ...]

    @property
    def on_line(self) -> tuple[int, ...]:
        return tuple(place for place, name in enumerate(self.names) if name != Stage.OTHER)

    @property
    def ranks(self) -> Ints:
        """Per stage its place on the line, NOBODY beside it; one place more, at the end, for a stage of no name."""
        found = np.full(len(self.names) + 1, NOBODY, dtype=np.int64)
        found[list(self.on_line)] = np.arange(len(self.on_line))
        return found


@dataclass(frozen=True, slots=True)
class Ways:
    """Ways one after the other: that of ids[i] is changes offsets[i] .. offsets[i + 1] - 1, in their order.

    stages  per change: the place of its stage among the site's, NOBODY for one that was taken away
    at_ms   per change; days: as numbers (20260401)
    """

    ids: Sequence[str]
    offsets: Ints
    stages: Ints
    at_ms: Ints
    days: Ints

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def owners(self) -> Ints:
        """Per change: the number of its way."""
        return np.repeat(np.arange(len(self), dtype=np.int64), np.diff(self.offsets))

    @property
    def lasts(self) -> Ints:
        """Per way: its last change."""
        return np.asarray(self.offsets[1:] - 1, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Changes:
    """Changes column by column, in any order: whose, the place in that way, stage, instant (milliseconds), day."""

    whose: Sequence[str]
    positions: Sequence[int]
    stages: Sequence[str]
    at_ms: Sequence[int]
    days: Sequence[str]


def ways_of(changes: Changes, line: Line) -> Ways:
    """The ways that changes make."""
    numbers: dict[str, int] = {}
    n, places = len(changes.whose), {name: place for place, name in enumerate(line.names)}
    owners = np.fromiter((numbers.setdefault(one, len(numbers)) for one in changes.whose), dtype=np.int64, count=n)
    stages = np.fromiter((places.get(name, NOBODY) for name in changes.stages), dtype=np.int64, count=n)
    order = np.lexsort((np.array(changes.positions, dtype=np.int64), owners))
    return Ways(
        list(numbers),
        np.searchsorted(owners[order], np.arange(len(numbers) + 1)).astype(np.int64),
        stages[order],
        np.array(changes.at_ms, dtype=np.int64)[order],
        np.asarray(day_numbers(changes.days), dtype=np.int64)[order],
    )


def some_ways(ways: Ways, chosen: Bools) -> Ways:
    """Some of the ways."""
    lengths = np.diff(ways.offsets)
    kept = np.repeat(chosen, lengths)
    return Ways(
        [ways.ids[i] for i in np.flatnonzero(chosen).tolist()],
        np.concatenate(([0], np.cumsum(lengths[chosen]))).astype(np.int64),
        ways.stages[kept],
        ways.at_ms[kept],
        ways.days[kept],
    )


def reaches(ways: Ways, line: Line) -> Ints:
    """Per stage and way: the change by which the stage was first reached, NOBODY where it was not.

    A stage of the line is reached by the first change into it or a later one, `other` by the first into itself.
    """
    ranks = line.ranks
    of_change, owners = ranks[ways.stages], ways.owners
    found = np.full((len(line.names), len(ways)), NOBODY, dtype=np.int64)
    for place in range(len(line.names)):
        is_there = of_change >= ranks[place] if ranks[place] >= 0 else ways.stages == place
        changes = np.flatnonzero(is_there)
        first = firsts(owners[changes])
        found[place, owners[changes[first]]] = changes[first]
    return found


def firsts(owners: Ints) -> Bools:
    """Per item of a rising column: whether it is the first of its owner."""
    found = np.ones(len(owners), dtype=np.bool_)
    found[1:] = owners[1:] != owners[:-1]
    return found


@dataclass(frozen=True, slots=True)
class Spread:
    """How long it took, of n: half of them no longer than the median, nine in ten no longer than p90; milliseconds.

    Nearest ranks; None without any.
    """

    n: int = 0
    median_ms: int | None = None
    p90_ms: int | None = None

    @property
    def limit_ms(self) -> int | None:
        """What is usual; None where too few have shown it."""
        return self.p90_ms if self.n >= LEAST else None

    @property
    def median_days(self) -> float | None:
        """In days, with one decimal."""
        return in_days(self.median_ms)

    @property
    def p90_days(self) -> float | None:
        """In days, with one decimal."""
        return in_days(self.p90_ms)


NOTHING = Spread()


def in_days(lasted_ms: int | None) -> float | None:
    """Milliseconds as days with one decimal."""
    return None if lasted_ms is None else round(lasted_ms / DAY_MS, 1)


def spread_of(lasted_ms: Ints) -> Spread:
    """The spread of durations."""
    n = len(lasted_ms)
    if not n:
        return NOTHING
    ordered = np.sort(lasted_ms)
    return Spread(n, int(ordered[(n + 1) // 2 - 1]), int(ordered[-(-9 * n // 10) - 1]))


def spreads_of(lasted_ms: Ints, codes: Ints) -> Mapping[int, Spread]:
    """The spreads of durations by their codes."""
    if not len(codes):
        return {}
    order = np.argsort(codes, kind="stable")
    found, starts = np.unique(codes[order], return_index=True)
    parts = np.split(lasted_ms[order], starts[1:])
    return {int(code): spread_of(part) for code, part in zip(found, parts, strict=True)}


def moved_on(ways: Ways, line: Line) -> Bools:
    """Per change: whether the next change of the same way led to a later stage of the line."""
    ranks = line.ranks[ways.stages]
    found = np.zeros(len(ranks), dtype=np.bool_)
    found[:-1] = (ranks[:-1] >= 0) & (ranks[1:] > ranks[:-1])
    found[ways.lasts] = False
    return found


def usual_stays(ways: Ways, line: Line) -> tuple[Spread, ...]:
    """Per stage: how long those had been in it who then moved on to a later one."""
    places = np.flatnonzero(moved_on(ways, line))
    lasted = ways.at_ms[places + 1] - ways.at_ms[places]
    found = spreads_of(lasted, ways.stages[places])
    return tuple(found.get(place, NOTHING) for place in range(len(line.names)))
