"""(pure) Hazard: how much likelier a day is to bring a conversion after a touch than without, from everybody's days.

People are watched from their first touch. On each day the chance to convert is taken to be

    baseline + sum over channels of beta * adstock,  adstock = sum over the channel's touches of 2^-(age / half-life),

fitted by least squares without negative coefficients (an additive hazard, Lin and Ying 1994, on a grid of days). Days
without conversion count, those of people who never converted, too: who converts soon is not mistaken for who was
touched little. What no touch explains stays with the baseline, so that all touches together may earn less than 100 %.

Estimated incremental, not measured: it would be an effect if who is touched when did not depend on whether they were
about to convert anyway. People search for a brand because they want to buy; such channels get too much here, as
elsewhere, unless the site declares them demand capture. Only experiments tell.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.attribution.ragged import Floats, Ints, owners, pieces
from tracker.attribution.terms import SCALE
from tracker.attribution.touches import DAY_MS

Bools = NDArray[np.bool_]

HALF_LIVES_DAYS = (1, 2, 4, 8, 16)
SILENCE_DAYS = 90
MOST_TOUCHES = 200


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """What a fit needs of people's days: sums over people, so sums can be added, whatever their number.

    half_lives_days    H half-lives
    gram               H matrices of n_channels + 1 squared: sum over days of x x', x = (1, adstock of each channel)
    target             H vectors: the sum of x over the days that brought a conversion
    n_people           who was counted; n_left_out: who was not, for more touches than a person has
    n_conversions      conversions while at risk
    days_at_risk       days of people, of the conversion too
    """

    half_lives_days: tuple[int, ...]
    gram: Floats
    target: Floats
    n_people: int
    n_left_out: int
    n_conversions: int
    days_at_risk: int


@dataclass(frozen=True, slots=True, eq=False)
class HazardFit:
    """A fitted hazard, in conversions a day and person.

    half_life_days  how long until an effect has halved
    baseline        chance of a day without any touch, >= 0
    betas           per channel: what a touch adds on its own day, >= 0; 0 for a channel never seen
    """

    half_life_days: int
    baseline: float
    betas: Floats
    n_people: int
    n_left_out: int
    n_conversions: int
    days_at_risk: int


def fit(
    offsets: Ints,
    codes: Ints,
    touched_ms: Ints,
    until_ms: Ints,
    converted: Ints,
    n_channels: int,
    half_lives_days: tuple[int, ...] = HALF_LIVES_DAYS,
) -> HazardFit:
    """Fit the hazard to paths with their times; arguments as in `tally`."""
    return solve(tally(offsets, codes, touched_ms, until_ms, converted, n_channels, half_lives_days))


def tally(
    offsets: Ints,
    codes: Ints,
    touched_ms: Ints,
    until_ms: Ints,
    converted: Ints,
    n_channels: int,
    half_lives_days: tuple[int, ...] = HALF_LIVES_DAYS,
    silence_days: int = SILENCE_DAYS,
    most_touches: int = MOST_TOUCHES,
) -> Sums:
    """Sum up people's days at risk, in closed form: time and memory go by touches, not by days.

    offsets, codes  people end to end: person i has touches offsets[i] .. offsets[i + 1] - 1; those without are left out
    touched_ms      per touch: milliseconds since 1970, rising within a person
    until_ms        per person: when they converted, or until when the data tells that they did not
    converted       per person: more than 0 if they converted at until_ms
    silence_days    nobody is watched longer than this after a touch: what comes later (touches, a conversion) is left
                    out, for a year without a word says little about a day
    most_touches    who has more is left out: a machine, or many people
    raises          ValueError: a person's touches are not in order, or later than until_ms
    A day is 24 hours from the first touch on; a touch counts on its own day in full, and so does a conversion.
    """
    n_half, k = len(half_lives_days), n_channels + 1
    gram, target = np.zeros((n_half, k, k)), np.zeros((n_half, k))
    counts = np.zeros(4, dtype=np.int64)
    for first, end in pieces(offsets):
        begin, stop = int(offsets[first]), int(offsets[end])
        own = offsets[first : end + 1] - begin
        some = watched(own, touched_ms[begin:stop], until_ms[first:end], converted[first:end] > 0, silence_days)
        lengths = np.diff(own)
        is_counted = (lengths > 0) & (lengths <= most_touches)
        counts += [
            int(is_counted.sum()),
            int((lengths > most_touches).sum()),
            int((some.converts & is_counted).sum()),
            int(some.n_days[is_counted].sum()),
        ]
        kept = some.is_seen & is_counted[owners(own)]
        for i, half_life in enumerate(half_lives_days):
            add_days(gram[i], target[i], some, owners(own), codes[begin:stop], kept, 0.5 ** (1 / half_life))
    gram[:, 0, 0], target[:, 0] = counts[3], counts[2]
    gram[:, 1:, 0] = gram[:, 0, 1:]
    return Sums(half_lives_days, gram, target, *counts.tolist())


@dataclass(frozen=True, slots=True, eq=False)
class Watched:
    """What is seen of some people.

    days      per touch: days since the person's first touch
    is_seen   per touch: before the person's first long silence
    n_days    per person: days at risk
    converts  per person: whether the last of these days brought a conversion
    """

    days: Ints
    is_seen: Bools
    n_days: Ints
    converts: Bools


def watched(offsets: Ints, touched_ms: Ints, until_ms: Ints, converted: Bools, silence_days: int) -> Watched:
    """Count the days of some people, up to their first long silence."""
    whose, lengths = owners(offsets), np.diff(offsets)
    some = np.flatnonzero(lengths > 0)
    if ((np.diff(touched_ms) < 0) & (whose[1:] == whose[:-1])).any() or (touched_ms > until_ms[whose]).any():
        raise ValueError("a person's touches come in the order of their times, none after the end")
    begins = np.zeros(len(lengths), dtype=np.int64)
    begins[some] = touched_ms[offsets[:-1][some]]
    days = (touched_ms - begins[whose]) // DAY_MS
    until = np.where(lengths > 0, (until_ms - begins) // DAY_MS, -1)
    is_late = np.zeros(len(days), dtype=np.bool_)
    is_late[1:] = (np.diff(days) > silence_days + 1) & (whose[1:] == whose[:-1])
    breaks = np.where(lengths > 0, offsets[1:], 0)
    late = np.flatnonzero(is_late)
    np.minimum.at(breaks, whose[late], late)
    is_seen = np.arange(len(days)) < breaks[whose]
    last = np.zeros(len(lengths), dtype=np.int64)
    last[some] = days[breaks[some] - 1]
    reach = last + silence_days
    is_whole = (breaks == offsets[1:]) & (until <= reach)
    return Watched(days, is_seen, np.where(is_whole, until, reach) + 1, converted & is_whole)


def add_days(
    gram: Floats,
    target: Floats,
    some: Watched,
    whose: Ints,
    codes: Ints,
    kept: Bools,
    rate: float,
) -> None:
    """Add people's days to one half-life's sums, channels' parts only.

    A touch's adstock falls by `rate` a day, so its sum over the days left is a geometric series, and so is the sum of
    the product of two touches' from the later one on: a pair of touches is one number.
    """
    k = len(target)
    whose, codes, days = whose[kept], codes[kept], some.days[kept]
    left = some.n_days[whose] - days
    powers = rate ** np.arange(int(left.max(initial=0)) + 1, dtype=np.float64)
    gram[0, 1:] += np.bincount(codes, weights=1 - powers[left], minlength=k - 1) / (1 - rate)
    ends = some.converts[whose]
    target[1:] += np.bincount(codes[ends], weights=powers[left[ends] - 1], minlength=k - 1)
    series = (1 - powers[left] ** 2) / (1 - rate**2)
    pairs = np.zeros((k - 1) ** 2)
    later, lag = np.flatnonzero(whose[1:] == whose[:-1]) + 1, 1
    while len(later):
        earlier = later - lag
        products = series[later] * powers[days[later] - days[earlier]]
        np.add.at(pairs, codes[earlier] * (k - 1) + codes[later], products)
        lag += 1
        later = later[later >= lag]
        later = later[whose[later] == whose[later - lag]]
    # A pair counts from both its sides, a touch with itself once.
    square = pairs.reshape(k - 1, k - 1)
    gram[1:, 1:] += np.diag(np.bincount(codes, weights=series, minlength=k - 1)) + square + square.T


def add(one: Sums, other: Sums) -> Sums:
    """The sums of both's people. ValueError: of other half-lives or channels."""
    if one.half_lives_days != other.half_lives_days or one.gram.shape != other.gram.shape:
        raise ValueError("sums of the same half-lives and channels can be added")
    return Sums(
        one.half_lives_days,
        one.gram + other.gram,
        one.target + other.target,
        one.n_people + other.n_people,
        one.n_left_out + other.n_left_out,
        one.n_conversions + other.n_conversions,
        one.days_at_risk + other.days_at_risk,
    )


def solve(sums: Sums) -> HazardFit:
    """The half-life whose squares are least (of equals the shortest), with its coefficients."""
    best, least = 0, np.inf
    found = [nonnegative(gram, target) for gram, target in zip(sums.gram, sums.target, strict=True)]
    for i, beta in enumerate(found):
        # The squares that are left, without those of the days themselves, which all half-lives share.
        squares = float(beta @ sums.gram[i] @ beta - 2 * beta @ sums.target[i])
        if squares < least - 1e-12 * abs(least if np.isfinite(least) else 0):
            best, least = i, squares
    return HazardFit(
        half_life_days=sums.half_lives_days[best],
        baseline=float(found[best][0]),
        betas=found[best][1:],
        n_people=sums.n_people,
        n_left_out=sums.n_left_out,
        n_conversions=sums.n_conversions,
        days_at_risk=sums.days_at_risk,
    )


def nonnegative(gram: Floats, target: Floats) -> Floats:
    """The x >= 0 that minimises x' gram x - 2 x' target.

    gram     symmetric, positive semi-definite; a variable whose diagonal is 0 stays 0
    returns  x with x >= 0, gradient gram x - target >= 0, and 0 in their product, to 1e-9 of the sizes involved
    Active sets after Lawson and Hanson 1974, chapter 23, on the normal equations (Bro and de Jong 1997).
    """
    sizes = np.sqrt(np.diag(gram))
    is_used = sizes > 0
    scale = np.where(is_used, sizes, 1.0)
    a, b = gram / np.outer(scale, scale), target / scale
    x, passive, refused = np.zeros(len(b)), np.zeros(len(b), dtype=np.bool_), ~is_used
    tolerance = 1e-12 * max(1.0, float(np.abs(b).max(initial=0.0)))
    squares = 0.0
    while True:
        slope = np.where(passive | refused, -np.inf, b - a @ x)
        if slope.max(initial=-np.inf) <= tolerance:
            return np.asarray(x / scale, dtype=np.float64)
        chosen = int(slope.argmax())
        trial, tried = descended(a, b, x, passive | (np.arange(len(b)) == chosen))
        found = float(trial @ a @ trial - 2 * trial @ b)
        # Without a gain it is rounding alone that favours the chosen one, and would for ever.
        refused = ~is_used if found < squares else refused | (np.arange(len(b)) == chosen)
        if found < squares:
            x, passive, squares = trial, tried, found


def descended(a: Floats, b: Floats, x: Floats, passive: Bools) -> tuple[Floats, Bools]:
    """From x >= 0 to the least squares of these variables, or as far as none is negative, without those at 0; and who
    is left."""
    passive = passive.copy()
    while True:
        trial = np.zeros(len(b))
        trial[passive] = np.linalg.lstsq(a[np.ix_(passive, passive)], b[passive], rcond=1e-12)[0]
        low = np.flatnonzero(passive & (trial <= 0))
        if not len(low):
            return trial, passive
        ratios = x[low] / np.maximum(x[low] - trial[low], np.finfo(np.float64).tiny)
        x = np.maximum(x + ratios.min() * (trial - x), 0.0)
        out = low[ratios <= ratios.min()]
        passive[out], x[out] = False, 0.0


def scaled(found: HazardFit) -> tuple[int, Ints]:
    """The baseline and the effect per channel as whole numbers, the largest of them 2^30: only their ratios matter."""
    largest = max(found.baseline, float(found.betas.max(initial=0.0)))
    if largest <= 0:
        return 0, np.zeros(len(found.betas), dtype=np.int64)
    return round(found.baseline / largest * SCALE), np.rint(found.betas / largest * SCALE).astype(np.int64)
