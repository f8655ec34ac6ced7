"""Exact shares for a million paths at once: money.split, vectorised.

Whole minor units by largest remainder, ties by the hash of (conversion, touchpoint), so that credits of every deal,
model and currency add up to the amount and no position on the path is favoured. int64 where it cannot overflow,
Python's integers where it could. Callers: reports. Arithmetic: docs/attribution.md#rounding.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.attribution.models import Ints
from tracker.money import split, tie_key

# One conversion in millionths: counts are shared by the same arithmetic as money.
MICRO = 1_000_000
SAFE = 2.0**62


@dataclass(frozen=True, slots=True)
class Weighted:
    """Paths with their weights: path i is touches offsets[i] .. offsets[i + 1] - 1.

    weights          per touch, integers >= 0; a path whose weights are all 0 is explained by nothing
    conversion_ids   per path
    touchpoint_ids   per touch
    """

    offsets: Ints
    weights: Ints
    conversion_ids: Sequence[str]
    touchpoint_ids: Sequence[str]

    @property
    def totals(self) -> Ints:
        """Per path: the sum of its weights."""
        running = np.concatenate(([0], np.cumsum(self.weights)))
        return np.asarray(running[self.offsets[1:]] - running[self.offsets[:-1]], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Shares:
    """The shares of amounts, end to end: amount i's are shares[offsets[i] : offsets[i + 1]].

    touches  per share: the number of its touch in Weighted
    shares   int64, or Python integers (dtype object) where an amount exceeds 63 bits
    """

    offsets: Ints
    touches: Ints
    shares: NDArray[Any]


def share(amounts: Sequence[int], which: Ints, paths: Weighted) -> Shares:
    """Share each amount over the path `which` names for it, so that its shares add up to it exactly.

    amounts  minor units or micro-conversions, any sign; a path may be named many times
    which    per amount: the number of a path
    returns  what money.split gives for each; zeros for a path explained by nothing
    """
    starts, lengths = paths.offsets[:-1][which], np.diff(paths.offsets)[which]
    offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    touches = np.arange(offsets[-1], dtype=np.int64) + np.repeat(starts - offsets[:-1], lengths)
    weights = paths.weights[touches]
    plain = Shares(offsets, touches, np.zeros(len(touches), dtype=object))
    try:
        sizes = np.array(amounts, dtype=np.int64)
    except OverflowError:
        _fill_plainly(plain, range(len(which)), amounts, which, paths)
        return plain
    heaviest = np.zeros(len(which), dtype=np.int64)
    rows = np.repeat(np.arange(len(which), dtype=np.int64), lengths)
    np.maximum.at(heaviest, rows, weights)
    risky = np.abs(sizes.astype(np.float64)) * heaviest >= SAFE
    result = Shares(offsets, touches, _vectorised(np.where(risky, 0, sizes), rows, weights, which, touches, paths))
    _fill_plainly(result, np.flatnonzero(risky).tolist(), amounts, which, paths)
    return result


def changes(amounts: Sequence[int]) -> tuple[list[int], list[int]]:
    """The net before and after each signed entry of a ledger, in its order: what a refund's credit is made from."""
    before, after, net = [], [], 0
    for amount in amounts:
        before.append(net)
        net += amount
        after.append(net)
    return before, after


def share_entries(before: Sequence[int], after: Sequence[int], which: Ints, paths: Weighted) -> Shares:
    """Credit each ledger entry with share(net after) - share(net before), under the same weights.

    So the credits of a deal's entries add up to the share of its net, and a full refund leaves zeros.
    """
    later, earlier = share(after, which, paths), share(before, which, paths)
    return Shares(later.offsets, later.touches, later.shares - earlier.shares)


def total(values: NDArray[Any]) -> int:
    """The exact sum, as a Python integer."""
    if values.dtype != object and float(np.abs(values.astype(np.float64)).sum()) < SAFE:
        return int(values.sum())
    return sum(int(value) for value in values)


def _vectorised(sizes: Ints, rows: Ints, weights: Ints, which: Ints, touches: Ints, paths: Weighted) -> Ints:
    """Shares of amounts that cannot overflow: floors, then one unit each to the largest remainders."""
    n = len(sizes)
    sums = np.maximum(paths.totals[which], 1)[rows]
    scaled = np.abs(sizes)[rows] * weights
    shares, remainders = scaled // sums, scaled % sums
    left = np.where(paths.totals[which] > 0, np.abs(sizes), 0)
    np.subtract.at(left, rows, shares)
    open_ = np.flatnonzero((left[rows] > 0) & (remainders > 0))
    if len(open_):
        order = open_[np.lexsort((-remainders[open_], rows[open_]))]
        order = _break_ties(order, remainders, rows, left, which, touches, paths)
        firsts = np.searchsorted(rows[order], np.arange(n, dtype=np.int64))
        rank = np.arange(len(order), dtype=np.int64) - firsts[rows[order]]
        shares[order[rank < left[rows[order]]]] += 1
    return np.asarray(shares * np.sign(sizes)[rows], dtype=np.int64)


def _break_ties(
    order: Ints, remainders: Ints, rows: Ints, left: Ints, which: Ints, touches: Ints, paths: Weighted
) -> Ints:
    """Put touches of equal remainder in the order of their hashes, in the rows where the cut falls between equals."""
    row = rows[order]
    firsts = np.searchsorted(row, np.arange(len(left), dtype=np.int64))
    cut = firsts + left
    tied = np.zeros(len(left), dtype=np.bool_)
    some = np.flatnonzero((left > 0) & (cut < len(order)))
    some = some[row[np.minimum(cut[some], len(order) - 1)] == some]
    tied[some] = remainders[order[cut[some] - 1]] == remainders[order[cut[some]]]
    places = np.flatnonzero(tied[row])
    if not len(places):
        return order
    conversions, touchpoints = which[row[places]].tolist(), touches[order[places]].tolist()
    hashes = np.frombuffer(
        b"".join(
            tie_key(paths.conversion_ids[path], paths.touchpoint_ids[touch])
            for path, touch in zip(conversions, touchpoints, strict=True)
        ),
        dtype=">u8",
    )
    there = order[places]
    sorted_ = order.copy()
    sorted_[places] = there[np.lexsort((there, hashes.astype(np.uint64), -remainders[there], row[places]))]
    return sorted_


def _fill_plainly(
    into: Shares, numbers: Sequence[int] | range, amounts: Sequence[int], which: Ints, paths: Weighted
) -> None:
    """Share the amounts of these numbers with Python's integers, one path at a time."""
    for i in numbers:
        path = int(which[i])
        touches = range(int(paths.offsets[path]), int(paths.offsets[path + 1]))
        weights = [int(paths.weights[touch]) for touch in touches]
        if sum(weights):
            keys = [tie_key(paths.conversion_ids[path], paths.touchpoint_ids[touch]) for touch in touches]
            into.shares[int(into.offsets[i]) : int(into.offsets[i + 1])] = split(int(amounts[i]), weights, keys)
