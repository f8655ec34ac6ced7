"""What other tools get wrong, one test each. What is a matter of speed (one inverse for all channels, no sorting of
millions of keys) is measured by the benchmarks; what a fit could get wrong is in tests/units/test_fits.py.
"""

from dataclasses import replace

import numpy as np
import pytest

from tracker.attribution import hazard
from tracker.attribution.credit import Weighted, share
from tracker.attribution.models import MODELS, weigh, weigh_all
from tracker.attribution.terms import SCALE, DirectPolicy, Hazard, Terms
from tracker.attribution.touches import DAY_MS, Touch, Way, paths_of
from tracker.money import split, tie_number
from tracker.vocabulary import Model

NAMES = ("alpha", "beta", "delta", "epsilon", "gamma", "kappa", "omega", "sigma", "zeta")
EFFECTS = {name: (i + 1) * SCALE // 20 for i, name in enumerate(NAMES)}
TERMS = Terms(direct=DirectPolicy.COUNTS, effects=EFFECTS, hazard=Hazard(7 * DAY_MS, SCALE // 50, EFFECTS))
EVERY = pytest.mark.parametrize("model", Model)


def way_of(*channels: str, days: tuple[int, ...] = ()) -> Way:
    """A path a day apart, or on these days, with a milestone at each third."""
    when = [day * DAY_MS for day in days or range(len(channels))]
    touches = [Touch(f"touch {i}", at, name) for i, (at, name) in enumerate(zip(when, channels, strict=True))]
    end = max(when, default=0) + DAY_MS
    return Way(touches, end, lead_ms=end // 3, deal_ms=2 * end // 3, close_ms=end)


def credit(model: Model, amount: int, way: Way, terms: Terms = TERMS) -> list[int]:
    """What each touch earns."""
    weights, rest = weigh(replace(terms, model=model), way)
    ties = [tie_number("deal", touch.touchpoint_id) for touch in way.touches]
    return split(amount, [*weights, rest], [*ties, 0])[:-1]


@EVERY
def test_a_path_without_touches_moves_no_credit_to_the_paths_beside_it(model: Model) -> None:
    ways = [way_of(), way_of("alpha", "beta"), way_of(), way_of(), way_of("beta", "gamma", "beta"), way_of()]
    terms = replace(TERMS, model=model)
    weights, rest = weigh_all(terms, paths_of(ways))
    alone = [weigh(terms, way) for way in ways]
    assert weights.tolist() == [weight for own, _ in alone for weight in own]
    assert rest.tolist() == [left for _, left in alone]
    assert all(not any(own) and not left for (own, left), way in zip(alone, ways, strict=True) if not way.touches)


@EVERY
def test_a_channel_earns_the_same_whatever_it_is_called(model: Model) -> None:
    """No list of channels is cut off after some of the alphabet: nine are on the path."""
    way = way_of(*NAMES, *NAMES[::2])
    names = dict(zip(NAMES, reversed(NAMES), strict=True))
    effects = {names[name]: effect for name, effect in EFFECTS.items()}
    renamed = replace(way, touches=[replace(touch, channel=names[touch.channel]) for touch in way.touches])
    known = Terms(direct=TERMS.direct, effects=effects, hazard=Hazard(7 * DAY_MS, SCALE // 50, effects))
    assert credit(model, 10**6, renamed, known) == credit(model, 10**6, way)
    if MODELS[model].label.startswith(("Linear", "Time", "Markov", "Shapley", "Hazard")):
        assert min(credit(model, 10**6, way)) > 0


@EVERY
def test_no_model_gives_negative_credit(model: Model) -> None:
    for n in range(1, len(NAMES) + 1):
        for way in (way_of(*NAMES[:n]), way_of(*NAMES[:n], *NAMES[:n])):
            assert min(credit(model, 1_000, way)) >= 0
            assert max(credit(model, -1_000, way)) <= 0


def test_shares_are_not_rounded_before_the_amount_is_shared() -> None:
    """A third of the largest amount there is: six digits of a share would be wrong by billions."""
    assert credit(Model.LINEAR, 9 * 10**15 - 1, way_of("alpha", "beta", "gamma")) in (
        [3 * 10**15 - 1, 3 * 10**15, 3 * 10**15],
        [3 * 10**15, 3 * 10**15 - 1, 3 * 10**15],
        [3 * 10**15, 3 * 10**15, 3 * 10**15 - 1],
    )


@EVERY
def test_credits_are_not_rounded_one_by_one(model: Model) -> None:
    """Rounding each to the cent breaks the sum of every second deal."""
    for n in range(1, 9):
        way = way_of(*NAMES[:n])
        terms = replace(TERMS, model=model)
        weights, rest = weigh(terms, way)
        for amount in (1, 2, 99, 100, 101, 12_345, 99_999):
            ties = [tie_number("deal", touch.touchpoint_id) for touch in way.touches]
            found = split(amount, [*weights, rest], [*ties, 0])
            whole = sum(weights) + rest
            assert sum(found) == amount
            assert all(
                abs(own * whole - amount * weight) < whole for own, weight in zip(found, [*weights, rest], strict=True)
            )


def test_a_channel_that_came_again_does_not_multiply_its_removal_effect() -> None:
    once, often = way_of("alpha", "zeta"), way_of("alpha", *["zeta"] * 7)
    assert credit(Model.MARKOV, 10**6, once)[0] == credit(Model.MARKOV, 10**6, often)[0] == 100_000


def test_three_rules_that_are_called_u_are_three_models() -> None:
    way = replace(way_of("alpha", "beta", "gamma", "delta"), lead_ms=2 * DAY_MS)
    assert credit(Model.POSITION, 1_000, way) == [400, 100, 100, 400]
    assert credit(Model.LEAD_U, 1_000, way) == [400, 200, 400, 0]
    assert credit(Model.LEAD_U_50, 1_000, way) == [500, 0, 500, 0]


def test_time_decay_goes_by_time_neither_by_whole_weeks_nor_by_rank() -> None:
    a_day, six_days = way_of("alpha", "beta", days=(6, 7)), way_of("alpha", "beta", days=(1, 7))
    assert credit(Model.TIME_DECAY, 1_000, a_day) == [475, 525]
    assert credit(Model.TIME_DECAY, 1_000, six_days) == [356, 644]
    crowded = way_of("alpha", "beta", "gamma", days=(0, 0, 7))
    assert credit(Model.TIME_DECAY, 1_000, crowded) == [250, 250, 500]


def test_the_decay_of_an_old_path_does_not_vanish() -> None:
    """Counted from the outcome, weights of touches of years ago would all be 0."""
    old = replace(way_of("alpha", "beta", days=(0, 7)), converted_ms=4_000 * DAY_MS)
    assert credit(Model.TIME_DECAY, 900, old) == [300, 600]


@EVERY
def test_a_refund_is_credited_and_not_taken_for_a_huge_number(model: Model) -> None:
    way = way_of("alpha", "beta", "gamma")
    assert credit(model, -1_000, way) == [-own for own in credit(model, 1_000, way)]


def test_halves_of_a_conversion_are_not_cut_off() -> None:
    paths = paths_of([way_of("alpha", "beta")])
    weights, _ = weigh_all(replace(TERMS, model=Model.LINEAR), paths)
    shares = share([1_000_000], np.array([0]), Weighted(paths.offsets, weights, np.array([1, 2])))
    assert shares.shares.tolist() == [500_000, 500_000]


def test_shapley_of_sixty_channels_needs_no_coalitions() -> None:
    """There are 2^60 sets of them."""
    way = way_of(*(f"channel {i}" for i in range(60)))
    assert credit(Model.SHAPLEY, 6_000, way) == [100] * 60
    weights, _ = weigh_all(replace(TERMS, model=Model.SHAPLEY), paths_of([way]))
    assert len(set(weights.tolist())) == 1


def test_shapley_gives_all_of_a_deal_whose_channels_never_came_together_before() -> None:
    """Where sets that were never seen are worth 0, their channels cancel out and nothing is left to share."""
    assert sum(credit(Model.SHAPLEY, 1_000, way_of("never", "seen", "together"))) == 1_000


def test_who_converts_soon_is_not_mistaken_for_who_was_touched_little() -> None:
    """Of everybody a twentieth of those left buys each day, whatever they were touched by: the baseline explains it."""
    until, converted, left = [], [], 4_000
    for day in range(60):
        n = left // 20
        until += [day * DAY_MS] * n
        converted += [1] * n
        left -= n
    until += [59 * DAY_MS] * left
    converted += [0] * left
    n_touches = np.minimum(3, np.array(until) // DAY_MS + 1)
    offsets = np.concatenate(([0], np.cumsum(n_touches))).astype(np.int64)
    days = np.arange(offsets[-1]) - np.repeat(offsets[:-1], n_touches)
    found = hazard.fit(offsets, days % 2, days * DAY_MS, np.array(until), np.array(converted), 2)
    assert found.baseline == pytest.approx(0.05, rel=0.05)
    assert max(found.betas) < 0.005
