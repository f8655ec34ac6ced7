"""(pure) Tables of paths: which are frequent, how long, who opens, helps and closes, what follows what.

Paths come end to end as numbers of values, in path order; every table counts each conversion once and loses none.
pathways.py fills them from the facts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from heapq import nsmallest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.attribution.credit import SAFE, exact, group_sums
from tracker.attribution.touches import DAY_MS, Ints

Amounts = NDArray[Any]
# Big-endian, so that the bytes of paths stand in the order of their values.
CODE = np.dtype(">i4")
TOUCH_BANDS = ((1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 10), (11, 20), (21, 50), (51, None))
DAY_BANDS = (
    (0, 0), (1, 1), (2, 3), (4, 7), (8, 14), (15, 30), (31, 60), (61, 90), (91, 180), (181, 365), (366, None)
)  # fmt: skip


class Stop(StrEnum):
    """What stands in a transition or a flow beside a value: where paths begin, where they end, what is not shown."""

    START = "start"
    CONVERSION = "conversion"
    OTHER = "other"
    FURTHER = "further"


@dataclass(frozen=True, slots=True)
class Place:
    """A value, or a stop."""

    value: str | None = None
    stop: Stop | None = None


@dataclass(frozen=True, slots=True)
class Steps:
    """Many paths end to end: path i is codes[offsets[i]:offsets[i + 1]], the numbers of its values; it may be empty.

    values  in the order of their texts; codes are places in it
    """

    offsets: Ints
    codes: Ints
    values: Sequence[str]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def owners(self) -> Ints:
        """Per step: the number of its path."""
        return np.repeat(np.arange(len(self), dtype=np.int64), np.diff(self.offsets))

    def merged(self) -> "Steps":
        """The same paths with equal neighbours as one step."""
        owners = self.owners
        is_new = np.ones(len(self.codes), dtype=np.bool_)
        is_new[1:] = (owners[1:] != owners[:-1]) | (self.codes[1:] != self.codes[:-1])
        lengths = np.bincount(owners[is_new], minlength=len(self)).astype(np.int64)
        return Steps(np.concatenate(([0], np.cumsum(lengths))).astype(np.int64), self.codes[is_new], self.values)


@dataclass(frozen=True, slots=True)
class Group:
    """Conversions that came by the same path (() for none, or for several). revenue_minor: None where there is none."""

    values: tuple[str, ...]
    n: int
    revenue_minor: int | None


@dataclass(frozen=True, slots=True)
class Groups:
    """The first groups, what all others add up to, and the conversions without a path."""

    shown: tuple[Group, ...]
    n_rest: int
    rest: Group
    unattributed: Group


@dataclass(frozen=True, slots=True)
class Band:
    """How many conversions lie between two numbers, both included; `last` None: no end."""

    first: int
    last: int | None
    n: int


@dataclass(frozen=True, slots=True)
class Spread:
    """A distribution. Median and p90 are those of a conversion (nearest rank); None without any."""

    median: float | None
    p90: float | None
    bands: tuple[Band, ...]


@dataclass(frozen=True, slots=True)
class Role:
    """What a value did on the paths it is on; only + last + assist = n.

    first   it began a path on which others are, too (such a path is also counted under assist or last)
    assist  it is on the path, and another closed it
    last    it closed a path on which others are, too
    only    nothing else is on the path
    """

    value: str
    n: int
    first: int
    assist: int
    last: int
    only: int
    assist_minor: int | None
    closing_minor: int | None

    @property
    def closing(self) -> int:
        """The conversions that it closed."""
        return self.last + self.only

    @property
    def ratio(self) -> float | None:
        """Conversions that it helped to, to one that it closed; None where it closed none."""
        return self.assist / self.closing if self.closing else None


@dataclass(frozen=True, slots=True)
class Move:
    """From one place to the next. `share`: of all that leave the first; `step`: of a flow, the place on the path."""

    before: Place
    after: Place
    n: int
    share: float
    step: int = 0


def distinct(numbers: Ints) -> tuple[Ints, Ints]:
    """The different numbers in their order, and how often each is there."""
    # np.unique hashes where nothing else is asked of it: 70 times the time of a sort for millions of them.
    ordered = np.sort(numbers)
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1]))) if len(ordered) else ordered
    return ordered[starts], np.diff(np.append(starts, len(ordered)))


# --- frequent paths -------------------------------------------------------------------------------------------------


def path_bytes(steps: Steps, which: Iterable[int] | None = None) -> list[bytes]:
    """Per path (or of these) something that is equal for equal paths only, and in the order of their values."""
    raw, size = steps.codes.astype(CODE).tobytes(), CODE.itemsize
    ends = steps.offsets.tolist()
    return [raw[ends[i] * size : ends[i + 1] * size] for i in (range(len(steps)) if which is None else which)]


def values_in(path: bytes, values: Sequence[str]) -> tuple[str, ...]:
    """The values of a path given as bytes."""
    return tuple(values[code] for code in np.frombuffer(path, dtype=CODE).tolist())


def equal_paths(steps: Steps) -> tuple[Ints, Ints]:
    """Per path the number of its group of equal ones, and per group one of its paths.

    A path whose steps fit into one integer as digits is that integer; only longer ones are compared as bytes.
    """
    base, sizes = max(2, len(steps.values) + 1), np.diff(steps.offsets)
    most = 1
    while base ** (most + 1) < SAFE:
        most += 1
    behind = np.repeat(steps.offsets[1:], sizes) - np.arange(len(steps.codes)) - 1
    powers = np.array([base**i for i in range(most)], dtype=np.int64)
    is_long = sizes > most
    digits = np.where(np.repeat(is_long, sizes), 0, (steps.codes + 1) * powers[np.minimum(behind, most - 1)])
    # The running sum may go round; its differences do not, for each is below SAFE.
    running = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(digits)))
    numbers = running[steps.offsets[1:]] - running[steps.offsets[:-1]]
    long = np.flatnonzero(is_long)
    places: dict[bytes, int] = {}
    numbers[long] = [-1 - places.setdefault(path, len(places)) for path in path_bytes(steps, long.tolist())]
    _, firsts, groups = np.unique(numbers, return_index=True, return_inverse=True)
    return groups.astype(np.int64), firsts.astype(np.int64)


def frequent(steps: Steps, counted: Ints, amounts: Amounts | None, limit: int, by_revenue: bool = False) -> Groups:
    """The most frequent paths, or those of the most revenue; equal ones by the other, then by their values.

    counted  per path 1, or 0: its conversion counts elsewhere, only its amount is here
    amounts  minor units per path, or None
    """
    groups, firsts = equal_paths(steps)
    n_of = np.bincount(groups, weights=counted, minlength=len(firsts)).astype(np.int64)
    sums = exact([0] * len(firsts) if amounts is None else group_sums(amounts, groups, len(firsts)))
    is_empty = (np.diff(steps.offsets) == 0)[firsts]
    found = np.flatnonzero(~is_empty & ((n_of != 0) | (sums != 0)))
    rank, other = (sums, n_of) if by_revenue else (n_of, sums)
    likely = found
    if len(found) > limit:
        likely = found[rank[found] >= np.partition(rank[found], len(found) - limit)[len(found) - limit]]
    keys = zip(
        (-rank[likely]).tolist(), (-other[likely]).tolist(), path_bytes(steps, firsts[likely].tolist()), strict=True
    )
    shown = nsmallest(limit, zip(keys, likely.tolist(), strict=True))

    def group(path: bytes, those: Iterable[int]) -> Group:
        numbers = list(those)
        revenue = None if amounts is None else sum(int(one) for one in sums[numbers].tolist())
        return Group(values_in(path, steps.values), int(n_of[numbers].sum()), revenue)

    listed = {i for _, i in shown}
    return Groups(
        shown=tuple(group(path, [i]) for (*_, path), i in shown),
        n_rest=len(found) - len(shown),
        rest=group(b"", (i for i in found.tolist() if i not in listed)),
        unattributed=group(b"", np.flatnonzero(is_empty).tolist()),
    )


# --- lengths and times ----------------------------------------------------------------------------------------------


def spread(sizes: Ints, unit: int, bands: Sequence[tuple[int, int | None]], digits: int = 0) -> Spread:
    """How sizes are distributed, told in a unit: bands of whole units (rounded down), median and p90."""
    whole = sizes // unit
    found = tuple(
        Band(first, last, int(np.count_nonzero((whole >= first) & ((last is None) | (whole <= (last or 0))))))
        for first, last in bands
    )
    ordered = np.sort(sizes)

    def rank(percent: int) -> float | None:
        if not len(ordered):
            return None
        size = int(ordered[-(-percent * len(ordered) // 100) - 1]) / unit
        return round(size, digits) if digits else int(size)

    return Spread(rank(50), rank(90), found)


def lengths(n_touches: Ints) -> Spread:
    """Touches per path."""
    return spread(n_touches, 1, TOUCH_BANDS)


def delays(waited_ms: Ints) -> Spread:
    """Days of 24 hours from the first touch to the conversion."""
    return spread(waited_ms, DAY_MS, DAY_BANDS, digits=2)


# --- roles ----------------------------------------------------------------------------------------------------------


def roles(steps: Steps, counted: Ints, amounts: Amounts | None) -> list[Role]:
    """What each value did, the one on the most conversions first. Arguments as for `frequent`."""
    if not len(steps.codes):
        return []
    size, walked = len(steps.values), np.diff(steps.offsets) > 0
    first, last = np.full(len(steps), -1), np.full(len(steps), -1)
    first[walked] = steps.codes[steps.offsets[:-1][walked]]
    last[walked] = steps.codes[steps.offsets[1:][walked] - 1]
    pairs, _ = distinct(steps.owners * size + steps.codes)
    owner, code = pairs // size, pairs % size
    is_only = np.bincount(owner, minlength=len(steps))[owner] == 1
    closes = code == last[owner]

    def count(which: NDArray[np.bool_]) -> list[int]:
        found = np.bincount(code[which], weights=counted[owner[which]], minlength=size)
        return [int(n) for n in found]

    def money(which: NDArray[np.bool_]) -> list[int | None]:
        return [None] * size if amounts is None else [*group_sums(amounts[owner[which]], code[which], size)]

    columns = zip(
        steps.values,
        count(np.ones(len(pairs), dtype=np.bool_)),
        count((code == first[owner]) & ~is_only),
        count(~closes),
        count(closes & ~is_only),
        count(is_only),
        money(~closes),
        money(closes),
        strict=True,
    )
    found = [Role(*one) for one in columns]
    kept = [one for one in found if one.n or one.assist_minor or one.closing_minor]
    return sorted(kept, key=lambda one: (-one.n, -(one.closing_minor or 0), one.value))


# --- what follows what ----------------------------------------------------------------------------------------------


def folded(steps: Steps, named: Sequence[str]) -> Steps:
    """The same paths with only these values; all others have the number len(named). The order is that of `named`."""
    places = {value: i for i, value in enumerate(named)}
    table = np.array([places.get(value, len(named)) for value in steps.values] or [0], dtype=np.int64)
    return Steps(steps.offsets, table[steps.codes], named)


def only_counted(steps: Steps, counted: Ints) -> Steps:
    """The paths whose conversions count."""
    sizes = np.where(counted > 0, np.diff(steps.offsets), 0)
    kept = np.repeat(counted > 0, np.diff(steps.offsets))
    return Steps(np.concatenate(([0], np.cumsum(sizes))).astype(np.int64), steps.codes[kept], steps.values)


def transitions(steps: Steps) -> list[Move]:
    """What follows what on folded paths, from the start to the conversion; the most frequent first.

    What comes to a value leaves it: as many as leave the start arrive at the conversion.
    """
    other = len(steps.values)
    start, end = other + 1, other + 2
    before, after, _ = _moves(steps, start, end)
    return _counted(before, after, np.zeros(len(before), dtype=np.int64), steps.values)


def flow(steps: Steps, n_steps: int) -> list[Move]:
    """The first steps of folded paths: from the value at each step to that at the next, to the conversion, or, after
    the last step that is shown, further. Move.step counts from 1."""
    other = len(steps.values)
    start, end, further = other + 1, other + 2, other + 3
    before, after, step = _moves(steps, start, end)
    shown = (step >= 1) & (step <= n_steps)
    before, after, step = before[shown], after[shown], step[shown]
    after = np.where((step == n_steps) & (after != end), further, after)
    return _counted(before, after, step, steps.values)


def _moves(steps: Steps, start: int, end: int) -> tuple[Ints, Ints, Ints]:
    """Every move of every path that is not empty: from, to, and which step of its path it leaves (0: the start)."""
    sizes = np.diff(steps.offsets)
    sizes = sizes[sizes > 0]
    lasts = np.cumsum(sizes)
    firsts = lasts - sizes
    # Each path is its steps with the end behind them; what stands before a step is the step before, or the start.
    after = np.insert(steps.codes, lasts, end)
    before = np.insert(steps.codes, firsts, start)
    step = np.arange(len(after), dtype=np.int64) - np.repeat(firsts + np.arange(len(sizes)), sizes + 1)
    return before, after, step


def _counted(before: Ints, after: Ints, step: Ints, values: Sequence[str]) -> list[Move]:
    """Equal moves together, with their share of all that leave the same place at the same step."""
    other = len(values)
    width = other + 4
    stops = {other: Stop.OTHER, other + 1: Stop.START, other + 2: Stop.CONVERSION, other + 3: Stop.FURTHER}
    cells, numbers = distinct((step * width + before) * width + after)
    leaving: dict[int, int] = {}
    for cell, n in zip(cells.tolist(), numbers.tolist(), strict=True):
        leaving[cell // width] = leaving.get(cell // width, 0) + n

    def place(code: int) -> Place:
        return Place(stop=stops[code]) if code in stops else Place(values[code])

    ranked = sorted(
        zip(cells.tolist(), numbers.tolist(), strict=True), key=lambda one: (one[0] // width // width, -one[1], one[0])
    )
    return [
        Move(
            place(cell // width % width),
            place(cell % width),
            n,
            n / leaving[cell // width],
            cell // width // width,
        )
        for cell, n in ranked
    ]
