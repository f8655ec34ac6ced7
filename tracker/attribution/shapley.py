"""(pure) Shapley: each conversion shared equally among the distinct channels on its path, in closed form.

The game: a set of channels is worth all conversions whose paths keep within the set. Its dividends are the conversions
themselves, by the set of channels on their path, so the Shapley value needs no coalitions: a path's conversion is split
equally over its channels (Zhao, Mahboobi, Bagheri 2018, "Shapley Value Methods for Attribution Modeling", section 3;
ordered: section 4). An association, not an effect: paths that did not convert play no part.
"""

from collections.abc import Iterator, Sequence
from math import lcm

import numpy as np

from tracker.attribution.ragged import Floats, Ints, occurrences, occurrences_all, owners, pieces, runs
from tracker.attribution.terms import SCALE

# Weights of paths whose exact ones would be larger than EXACT_UP_TO are rounded to units of 1 / SCALE.
EXACT_UP_TO = 1 << 40
# Numbers that add up to this have a least common multiple below 2^62: Landau's function of 256 is 4.2e15.
LONG = 256


def weights(codes: Sequence[int]) -> list[int]:
    """The weight of each touch of one path: every distinct channel earns the same, split over its own touches.

    codes    n >= 0 numbers of channels, in path order
    returns  n integers > 0, exact in ratio; of a path whose channels come so often that the smallest exact ones exceed
             2^40 (never below 168 touches): 2^30 over the occurrences, rounded to the nearest
    """
    times = occurrences(codes)
    whole = lcm(*set(times))
    if whole <= EXACT_UP_TO:
        return [whole // each for each in times]
    return [(SCALE + each // 2) // each for each in times]


def weights_all(offsets: Ints, codes: Ints) -> Ints:
    """`weights` for many paths, one array over all touches."""
    times = occurrences_all(offsets, codes)
    lengths = np.diff(offsets)
    found = np.ones(len(codes), dtype=np.int64)
    is_repeated = np.zeros(len(lengths), dtype=np.bool_)
    is_repeated[owners(offsets)[times > 1]] = True
    for i in np.flatnonzero(is_repeated & (lengths > LONG)).tolist():
        first, end = int(offsets[i]), int(offsets[i + 1])
        found[first:end] = weights(codes[first:end].tolist())
    short = is_repeated & (lengths <= LONG)
    mask = np.repeat(short, lengths)
    if mask.any():
        kept, each = lengths[short], times[mask]
        whole = np.lcm.reduceat(each, np.concatenate(([0], np.cumsum(kept)[:-1])))
        wholes = np.repeat(whole, kept)
        found[mask] = np.where(wholes <= EXACT_UP_TO, wholes // each, (SCALE + each // 2) // each)
    return found


def totals(offsets: Ints, codes: Ints, values: Ints, n_channels: int) -> Floats:
    """Each channel's Shapley value over all paths.

    values   per path: conversions, or any integer that is to be shared; 0 for a path that did not convert
    returns  n_channels numbers that add up to the values of all paths with a touch, to 1e-15 of their size. The order
             of the paths does not change a bit of them while the values stay below 2^53 in sum
    """
    most = min(n_channels, int(np.diff(offsets).max(initial=0))) + 1
    # By number of distinct channels: whole numbers until the last step.
    shared = np.zeros(n_channels * most)
    for own, some, worth in with_value(offsets, codes, values):
        order, bounds = runs(own, some)
        firsts = order[bounds[:-1]]
        whose = owners(own)[firsts]
        n_distinct = np.bincount(whose, minlength=len(worth))[whose]
        shared += np.bincount(some[firsts] * most + n_distinct, weights=worth[whose], minlength=len(shared))
    sizes = np.maximum(1, np.arange(most))
    return np.asarray((shared.reshape(n_channels, most) / sizes).sum(axis=1), dtype=np.float64)


def totals_by_position(offsets: Ints, codes: Ints, values: Ints, n_channels: int, n_positions: int) -> Floats:
    """The ordered form: each channel's value by the position on the path at which it was earned.

    A channel's share of a path is split equally over its touches there.
    n_positions  positions >= 1; the last one takes all later touches, too
    returns      n_channels rows of n_positions; a row adds up to the channel's entry of `totals`
    """
    found = np.zeros(n_channels * n_positions)
    for own, some, worth in with_value(offsets, codes, values):
        whose = owners(own)
        order, bounds = runs(own, some)
        lengths = np.diff(bounds)
        times = np.empty(len(whose), dtype=np.int64)
        times[order] = np.repeat(lengths, lengths)
        n_distinct = np.bincount(whose[order[bounds[:-1]]], minlength=len(worth))
        places = np.minimum(np.arange(len(whose)) - own[:-1][whose], n_positions - 1)
        earned = worth[whose] / (n_distinct[whose] * times)
        found += np.bincount(some * n_positions + places, weights=earned, minlength=len(found))
    return found.reshape(n_channels, n_positions)


def with_value(offsets: Ints, codes: Ints, values: Ints) -> Iterator[tuple[Ints, Ints, Ints]]:
    """The paths with a value other than 0, a piece at a time: their offsets from 0 on, codes and values."""
    for first, end in pieces(offsets):
        kept = np.flatnonzero(values[first:end]) + first
        lengths = offsets[kept + 1] - offsets[kept]
        own = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
        places = np.repeat(offsets[kept] - own[:-1], lengths) + np.arange(own[-1])
        yield own, codes[places], values[kept]
