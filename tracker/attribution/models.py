"""Which share of an outcome each touch of its path earned: the attribution models by their names.

A model is a pure function from a path to non-negative integer weights. Each exists twice: a plain one for one path,
which is the definition and is read aloud, and a vectorised one for a million paths, which must equal it
(tests/properties/test_credit.py). Reports and explanations call `weigh` and `weigh_all`; nothing is stored, so any
model under any terms can be asked of all history at once. Formulas and worked tables: docs/attribution.md.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from tracker.attribution import decay, learned, milestones, simple
from tracker.attribution.standing import eligible, eligible_all
from tracker.attribution.terms import Terms
from tracker.attribution.touches import Ints, Paths, Way
from tracker.vocabulary import Model


class Family(StrEnum):
    """What a model's figures may be called: RULE credit; DATA_DRIVEN data-driven credit, an association; INCREMENTAL
    estimated incremental."""

    RULE = "rule"
    DATA_DRIVEN = "data_driven"
    INCREMENTAL = "incremental"


def nothing(way: Way, terms: Terms) -> int:
    """The rest of a model that gives all to touches."""
    return 0


def nothing_all(paths: Paths, terms: Terms) -> Ints:
    """`nothing` for many paths."""
    return np.zeros(len(paths), dtype=np.int64)


@dataclass(frozen=True, slots=True)
class AttributionModel:
    """A model under both its forms. `label` and `formula` are English gettext messages.

    weights      a path of n >= 0 eligible touches -> n integers >= 0
    weights_all  the same for many paths at once, one array over all touches
    rest         what of the same path is nobody's: the baseline; rest_all: per path
    is_global    it shares all outcomes together (reports/globally.py): of a single path it says only whether a touch
                 explains it, and its weights are nobody's credit
    """

    name: Model
    label: str
    formula: str
    weights: Callable[[Way, Terms], list[int]]
    weights_all: Callable[[Paths, Terms], Ints]
    family: Family = Family.RULE
    rest: Callable[[Way, Terms], int] = nothing
    rest_all: Callable[[Paths, Terms], Ints] = nothing_all
    is_global: bool = False


MODELS: dict[Model, AttributionModel] = {
    model.name: model
    for model in (
        AttributionModel(Model.FIRST, "First touch", "100 % to the first touch", simple.first, simple.first_all),
        AttributionModel(Model.LAST, "Last touch", "100 % to the last touch", simple.last, simple.last_all),
        AttributionModel(
            Model.LAST_NON_DIRECT,
            "Last non-direct touch",
            "100 % to the last touch that was not direct",
            simple.last_non_direct,
            simple.last_non_direct_all,
        ),
        AttributionModel(Model.LINEAR, "Linear", "the same share to every touch", simple.linear, simple.linear_all),
        AttributionModel(
            Model.TIME_DECAY,
            "Time decay",
            "half as much for every half-life before the last touch",
            decay.time_decay,
            decay.time_decay_all,
        ),
        AttributionModel(
            Model.POSITION,
            "Position 40/20/40",
            "40 % to the first touch, 40 % to the last, 20 % shared between",
            *milestones.by_position(2, 1, 2),
        ),
        AttributionModel(
            Model.LEAD_U,
            "Lead U 40/40/20",
            "40 % to the first touch, 40 % to the one that made the lead, 20 % shared between",
            *milestones.fixed(milestones.LEAD_U),
        ),
        AttributionModel(
            Model.LEAD_U_50,
            "Lead U 50/50",
            "50 % to the first touch, 50 % to the one that made the lead",
            *milestones.fixed(milestones.LEAD_U_50),
        ),
        AttributionModel(
            Model.W_SHAPE,
            "W 30/30/30/10",
            "30 % each to first touch, lead and deal, 10 % shared between",
            *milestones.fixed(milestones.W_SHAPE),
        ),
        AttributionModel(
            Model.FULL_PATH,
            "Full path 22.5×4/10",
            "22.5 % each to first touch, lead, deal and close, 10 % shared between",
            *milestones.fixed(milestones.FULL_PATH),
        ),
        AttributionModel(
            Model.J_SHAPE,
            "J 20/20/60",
            "20 % to the first touch, 60 % to the last, 20 % shared between",
            *milestones.by_position(1, 1, 3),
        ),
        AttributionModel(
            Model.INVERSE_J,
            "Inverse J 60/20/20",
            "60 % to the first touch, 20 % to the last, 20 % shared between",
            *milestones.by_position(3, 1, 1),
        ),
        AttributionModel(
            Model.CUSTOM, "Custom", "the site's own shares by milestone", milestones.custom, milestones.custom_all
        ),
        AttributionModel(
            Model.MARKOV,
            "Markov, per deal",
            "by the removal effects of the channels on the path",
            learned.markov,
            learned.markov_all,
            Family.DATA_DRIVEN,
        ),
        AttributionModel(
            Model.MARKOV_GLOBAL,
            "Markov, global",
            "all outcomes together by the removal effects of all channels",
            simple.linear,
            simple.linear_all,
            Family.DATA_DRIVEN,
            is_global=True,
        ),
        AttributionModel(
            Model.SHAPLEY,
            "Shapley",
            "the same to each distinct channel on the path",
            learned.shapley,
            learned.shapley_all,
            Family.DATA_DRIVEN,
        ),
        AttributionModel(
            Model.HAZARD,
            "Hazard with baseline",
            "by the fitted effects at the conversion, beside a baseline",
            learned.hazard,
            learned.hazard_all,
            Family.INCREMENTAL,
            learned.baseline,
            learned.baseline_all,
        ),
    )
}


def weigh(terms: Terms, way: Way) -> tuple[list[int], int]:
    """The weight of each touch of a whole path, 0 where it may not earn; and what is nobody's.

    All 0 if none may earn: nothing explains it. A model that knows none of the touches that may shares equally.
    """
    mask = eligible(way, terms)
    chosen = replace(way, touches=[touch for touch, may in zip(way.touches, mask, strict=True) if may])
    if not chosen.touches:
        return [0] * len(mask), 0
    model = MODELS[terms.model]
    found, rest = model.weights(chosen, terms), model.rest(chosen, terms)
    if not any(found) and not rest:
        found = [1] * len(found)
    if terms.measured and not model.is_global:
        percents = [terms.measured.get(touch.channel, 100) for touch in chosen.touches]
        scaled = [weight * percent for weight, percent in zip(found, percents, strict=True)]
        rest = 100 * rest + max(0, 100 * sum(found) - sum(scaled))
        found = scaled
    weights = iter(found)
    return [next(weights) if may else 0 for may in mask], rest


def weigh_all(terms: Terms, paths: Paths) -> tuple[Ints, Ints]:
    """`weigh` for many paths: one array over all touches, and one over the paths for what is nobody's."""
    mask = eligible_all(paths, terms)
    chosen = paths if mask.all() else paths.only(mask)
    model = MODELS[terms.model]
    found, rest = model.weights_all(chosen, terms), model.rest_all(chosen, terms)
    rest = np.where(np.diff(chosen.offsets) > 0, rest, 0)
    blank = (sums_of(found, chosen) == 0) & (rest == 0)
    if blank.any():
        found = np.where(np.repeat(blank, np.diff(chosen.offsets)), 1, found)
    if terms.measured and not model.is_global:
        percents = np.array([terms.measured.get(name, 100) for name in paths.names] or [100], dtype=np.int64)
        scaled = found * percents[chosen.channels]
        rest = 100 * rest + np.maximum(0, 100 * sums_of(found, chosen) - sums_of(scaled, chosen))
        found = scaled
    weights = np.zeros(len(mask), dtype=np.int64)
    weights[mask] = found
    return weights, rest


def sums_of(weights: Ints, paths: Paths) -> Ints:
    """Per path: the sum of its weights."""
    running = np.concatenate(([0], np.cumsum(weights)))
    return np.asarray(np.diff(running[paths.offsets]), dtype=np.int64)
