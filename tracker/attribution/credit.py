"""Exact shares for a million paths at once: money.split, vectorised.

Whole minor units by largest remainder, ties by the hash of (conversion, touchpoint), so that the credits of every
deal, model and currency add up to the amount and no position on the path is favoured. int64 where it cannot
overflow, Python's integers where it could. Callers: reports. Arithmetic: docs/attribution.md#rounding.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.attribution.touches import Ints
from tracker.money import split

# One conversion in millionths: counts are shared by the same arithmetic as money.
MICRO = 1_000_000
SAFE = 2**62
# Touches of a longer path are sorted, those of shorter ones compared.
MOST_COMPARED = 32
# An odd number of 64 bits without pattern: 2^64 / golden ratio.
MIX = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class Weighted:
    """Paths with their weights: path i is touches offsets[i] .. offsets[i + 1] - 1.

    weights  per touch, integers >= 0; a path whose weights are all 0 is explained by nothing
    ties     per touch: the hash of (conversion, touchpoint) that settles equal remainders, any 64-bit integers
    """

    offsets: Ints
    weights: Ints
    ties: Ints

    @property
    def totals(self) -> Ints:
        """Per path: the sum of its weights."""
        running = np.concatenate(([0], np.cumsum(self.weights)))
        return np.asarray(np.diff(running[self.offsets]), dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Shares:
    """The shares of amounts, end to end: those of amount i are shares[offsets[i] : offsets[i + 1]].

    touches  per share: the number of its touch in Weighted
    shares   int64, or Python's integers (dtype object) where an amount has 63 bits or more
    """

    offsets: Ints
    touches: Ints
    shares: NDArray[Any]


@dataclass(frozen=True, slots=True)
class Laid:
    """Amounts laid over their paths: one place per amount and touch.

    rows     per place: the number of its amount
    touches  per place: the number of its touch
    weights  per place
    """

    offsets: Ints
    rows: Ints
    touches: Ints
    weights: Ints
    which: Ints
    paths: Weighted


def with_rest(paths: Weighted, rest: Ints) -> tuple[Weighted, Ints]:
    """The paths with one place more each, at its end, for what is nobody's; and per place its touch, -1 for those.

    rest  per path, an integer >= 0
    """
    places = paths.offsets[1:]
    ties = rest_ties(paths)
    return Weighted(
        paths.offsets + np.arange(len(paths.offsets)),
        np.insert(paths.weights, places, rest),
        np.insert(paths.ties, places, ties),
    ), np.insert(np.arange(len(paths.weights), dtype=np.int64), places, -1)


def without_idle(paths: Weighted) -> tuple[Weighted, Ints]:
    """The paths without the touches that weigh nothing, and per place its number before."""
    places = np.flatnonzero(paths.weights)
    if len(places) == len(paths.weights):
        return paths, places
    offsets = np.concatenate(([0], np.cumsum(paths.weights != 0)))[paths.offsets]
    return Weighted(offsets, paths.weights[places], paths.ties[places]), places


def rest_ties(paths: Weighted) -> Ints:
    """Per path: the tie-breaker of what is nobody's, mixed of its touches' own."""
    running = np.bitwise_xor.accumulate(np.concatenate(([0], paths.ties)).astype(np.int64))
    mixed = (running[paths.offsets[1:]] ^ running[paths.offsets[:-1]]).astype(np.uint64) * MIX
    return mixed.astype(np.int64)


def rest_tie(ties: Iterable[int]) -> int:
    """`rest_ties` of one path."""
    mixed = 0
    for tie in ties:
        mixed ^= tie
    found = (mixed % 2**64) * int(MIX) % 2**64
    return found - 2**64 if found >= 2**63 else found


def share(amounts: Sequence[int] | NDArray[Any], which: Ints, paths: Weighted) -> Shares:
    """Share each amount over the path that `which` names for it, so that its shares add up to it exactly.

    amounts  minor units or micro-conversions, any sign; a path may be named many times
    which    per amount: the number of a path
    returns  what money.split gives for each; zeros for a path that nothing explains
    """
    laid = _laid(which, paths)
    sizes = exact(amounts)
    if sizes.dtype == object:
        shares = np.zeros(len(laid.rows), dtype=object)
        _fill_plainly(shares, laid, range(len(which)), amounts)
        return Shares(laid.offsets, laid.touches, shares)
    if float(np.abs(sizes).max(initial=0)) * float(paths.weights.max(initial=0)) < SAFE:
        return Shares(laid.offsets, laid.touches, _vectorised(sizes, laid))
    heaviest = np.zeros(len(which), dtype=np.int64)
    np.maximum.at(heaviest, laid.rows, laid.weights)
    risky = np.abs(sizes).astype(np.float64) * heaviest >= SAFE
    shares = _vectorised(np.where(risky, 0, sizes), laid)
    _fill_plainly(shares, laid, np.flatnonzero(risky).tolist(), amounts)
    return Shares(laid.offsets, laid.touches, shares)


def share_entries(
    before: Sequence[int] | NDArray[Any], after: Sequence[int] | NDArray[Any], which: Ints, paths: Weighted
) -> Shares:
    """Credit each ledger entry with the share of the net after it less the share of the net before it.

    So the credits of a deal's entries add up to the share of its net, and a full refund leaves zeros.
    """
    later = share(after, which, paths)
    if not np.any(before):
        return later
    earlier = share(before, which, paths)
    return Shares(later.offsets, later.touches, later.shares - earlier.shares)


def changes(amounts: Iterable[int]) -> tuple[list[int], list[int]]:
    """The net before and the net after each signed entry of a ledger, in its order."""
    before, after, net = [], [], 0
    for amount in amounts:
        before.append(net)
        net += amount
        after.append(net)
    return before, after


def exact(amounts: Sequence[int] | NDArray[Any]) -> NDArray[Any]:
    """Integers as an array: int64, or Python's own where one has 63 bits or more."""
    if isinstance(amounts, np.ndarray) and amounts.dtype == object:
        amounts = amounts.tolist()
    if isinstance(amounts, np.ndarray):
        is_small = not len(amounts) or -SAFE < int(amounts.min()) <= int(amounts.max()) < SAFE
        return amounts if is_small else amounts.astype(object)
    is_small = not amounts or -SAFE < min(amounts) <= max(amounts) < SAFE
    return np.array(amounts, dtype=np.int64 if is_small else object)


def group_sums(amounts: NDArray[Any], groups: NDArray[Any], n: int) -> list[int]:
    """The exact sum of each of n groups, as Python's integers; groups[i] is the group of amounts[i]."""
    if amounts.dtype != object and float(np.abs(amounts.astype(np.float64)).sum()) < SAFE:
        totals = np.zeros(n, dtype=np.int64)
        np.add.at(totals, groups, amounts)
        return [int(total) for total in totals]
    sums = [0] * n
    for group, amount in zip(groups.tolist(), amounts.tolist(), strict=True):
        sums[group] += int(amount)
    return sums


def _laid(which: Ints, paths: Weighted) -> Laid:
    lengths = np.diff(paths.offsets)[which]
    offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    shifts = np.repeat(paths.offsets[:-1][which] - offsets[:-1], lengths)
    touches = np.arange(offsets[-1], dtype=np.int64) + shifts
    rows = np.repeat(np.arange(len(which), dtype=np.int64), lengths)
    return Laid(offsets, rows, touches, paths.weights[touches], which, paths)


def _vectorised(sizes: Ints, laid: Laid) -> Ints:
    """Shares of amounts that cannot overflow: floors, then one unit each to the largest remainders."""
    rows, totals = laid.rows, laid.paths.totals[laid.which]
    sums = np.maximum(totals, 1)[rows]
    scaled = np.abs(sizes)[rows] * laid.weights
    shares, remainders = scaled // sums, scaled % sums
    running = np.concatenate(([0], np.cumsum(shares)))
    left = np.where(totals > 0, np.abs(sizes), 0) - np.diff(running[laid.offsets])
    waiting = np.flatnonzero((left[rows] > 0) & (remainders > 0))
    if len(waiting):
        turn = _turns(rows[waiting], remainders[waiting], laid.paths.ties[laid.touches[waiting]])
        shares[waiting[turn < left[rows[waiting]]]] += 1
    return np.asarray(shares * np.sign(sizes)[rows], dtype=np.int64)


def _turns(rows: Ints, remainders: Ints, ties: Ints) -> Ints:
    """Per place its turn in its row, from 0: by falling remainder, then by hash, then by place.

    rows  in rising order

    Paths are short: the places of rows of one length are compared column with column, a tenth of sorting them all.
    """
    starts = np.flatnonzero(np.concatenate(([True], rows[1:] != rows[:-1])))
    lengths = np.diff(np.append(starts, len(rows)))
    turns = np.zeros(len(rows), dtype=np.int64)
    for n in range(2, MOST_COMPARED + 1):
        places = starts[lengths == n] + np.arange(n)[:, np.newaxis]
        if places.size:
            turns[places] = _turns_of_columns(remainders[places], ties[places])
    if len(places := np.flatnonzero(np.repeat(lengths > MOST_COMPARED, lengths))):
        order = places[np.lexsort((places, ties[places], -remainders[places], rows[places]))]
        turns[order] = places - np.repeat(starts, lengths)[places]
    return turns


def _turns_of_columns(remainders: Ints, ties: Ints) -> NDArray[np.int8]:
    """The turns of many rows of one length: remainders[i] and ties[i] are of the i-th place of each row."""
    turns = np.zeros(remainders.shape, dtype=np.int8)
    for i, j in combinations(range(len(turns)), 2):
        is_before = (remainders[i] > remainders[j]) | ((remainders[i] == remainders[j]) & (ties[i] <= ties[j]))
        turns[j] += is_before
        turns[i] += ~is_before
    return turns


def _fill_plainly(
    shares: NDArray[Any], laid: Laid, numbers: Iterable[int], amounts: Sequence[int] | NDArray[Any]
) -> None:
    """Share the amounts of these numbers with Python's integers, one at a time."""
    paths = laid.paths
    for i in numbers:
        first, end = int(laid.offsets[i]), int(laid.offsets[i + 1])
        weights = [int(weight) for weight in laid.weights[first:end]]
        if sum(weights):
            ties = paths.ties[laid.touches[first:end]].tolist()
            shares[first:end] = split(int(amounts[i]), weights, ties)
