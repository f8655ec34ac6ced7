"""(pure) Shapley: each conversion shared equally among the distinct channels on its path, in closed form.

The game: a set of channels is worth all conversions whose paths keep within the set. Its dividends are the conversions
themselves, by the set of channels on their path, so the Shapley value needs no coalitions: a path's conversion is split
equally over its channels (Zhao, Mahboobi, Bagheri 2018, "Shapley Value Methods for Attribution Modeling", section 3;
ordered: section 4). An association, not an effect: paths that did not convert play no part.
"""

from collections.abc import Sequence
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
    for first, end in pieces(offsets):
        own = offsets[first : end + 1]
        order, bounds = runs(own, codes)
        firsts = order[bounds[:-1]]
        whose = owners(own)[firsts]
        n_distinct = np.bincount(whose, minlength=end - first)[whose]
        keys = codes[int(own[0]) : int(own[-1])][firsts] * most + n_distinct
        shared += np.bincount(keys, weights=values[first:end][whose], minlength=len(shared))
    sizes = np.maximum(1, np.arange(most))
    return np.asarray((shared.reshape(n_channels, most) / sizes).sum(axis=1), dtype=np.float64)


def totals_by_position(offsets: Ints, codes: Ints, values: Ints, n_channels: int, n_positions: int) -> Floats:
    """The ordered form: each channel's value by the position on the path at which it was earned.

    A channel's share of a path is split equally over its touches there.
    n_positions  positions >= 1; the last one takes all later touches, too
    returns      n_channels rows of n_positions; a row adds up to the channel's entry of `totals`
    """
    found = np.zeros(n_channels * n_positions)
    for first, end in pieces(offsets):
        own = offsets[first : end + 1]
        whose = owners(own)
        order, bounds = runs(own, codes)
        lengths = np.diff(bounds)
        times = np.empty(len(whose), dtype=np.int64)
        times[order] = np.repeat(lengths, lengths)
        n_distinct = np.bincount(whose[order[bounds[:-1]]], minlength=end - first)
        places = np.minimum(np.arange(len(whose)) - (own[:-1] - own[0])[whose], n_positions - 1)
        keys = codes[int(own[0]) : int(own[-1])] * n_positions + places
        earned = values[first:end][whose] / (n_distinct[whose] * times)
        found += np.bincount(keys, weights=earned, minlength=len(found))
    return found.reshape(n_channels, n_positions)
