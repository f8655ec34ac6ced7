"""(pure) Weights of the data-driven models: removal effects, Shapley, and a hazard with its baseline.

What was learned is frozen in the terms; so a deal's credit changes only through its own path or through a new fit.
Shapley's closed form needs no fit.
"""

import numpy as np

from tracker.attribution import shapley as coalitions
from tracker.attribution.decay import left, left_all
from tracker.attribution.ragged import occurrences, occurrences_all
from tracker.attribution.terms import SCALE, Terms
from tracker.attribution.touches import Ints, Paths, Way


def markov(way: Way, terms: Terms) -> list[int]:
    """The removal effect of each touch's channel, shared equally by the touches of that channel on the path."""
    names, codes = codes_of(way)
    times = occurrences(codes)
    return [rounded(terms.effects.get(names[code], 0), each) for code, each in zip(codes, times, strict=True)]


def markov_all(paths: Paths, terms: Terms) -> Ints:
    """`markov` for many paths."""
    effects = np.array([terms.effects.get(name, 0) for name in paths.names] or [0], dtype=np.int64)
    times = occurrences_all(paths.offsets, paths.channels)
    return np.asarray((2 * effects[paths.channels] + times) // (2 * times), dtype=np.int64)


def rounded(effect: int, n: int) -> int:
    """One of n equal parts of an effect, to the nearest whole number, halves up."""
    return (2 * effect + n) // (2 * n)


def shapley(way: Way, terms: Terms) -> list[int]:
    """The same to each distinct channel on the path, shared equally by its touches."""
    return coalitions.weights(codes_of(way)[1])


def shapley_all(paths: Paths, terms: Terms) -> Ints:
    """`shapley` for many paths."""
    return coalitions.weights_all(paths.offsets, paths.channels)


def codes_of(way: Way) -> tuple[list[str], list[int]]:
    """The channels of a path, and per touch the number of its own."""
    places: dict[str, int] = {}
    codes = [places.setdefault(touch.channel, len(places)) for touch in way.touches]
    return list(places), codes


def hazard(way: Way, terms: Terms) -> list[int]:
    """The fitted effect of each touch's channel, as far as it had decayed at the conversion."""
    assert terms.hazard is not None
    known = terms.hazard
    ages = [way.converted_ms - touch.touched_ms for touch in way.touches]
    return [
        known.effects.get(touch.channel, 0) * left(age, known.half_life_ms) // SCALE
        for touch, age in zip(way.touches, ages, strict=True)
    ]


def hazard_all(paths: Paths, terms: Terms) -> Ints:
    """`hazard` for many paths."""
    assert terms.hazard is not None
    known = terms.hazard
    effects = np.array([known.effects.get(name, 0) for name in paths.names] or [0], dtype=np.int64)
    ages = np.repeat(paths.converted_ms, np.diff(paths.offsets)) - paths.touched_ms
    return np.asarray(effects[paths.channels] * left_all(ages, known.half_life_ms) // SCALE, dtype=np.int64)


def baseline(way: Way, terms: Terms) -> int:
    """What would have come anyway."""
    return terms.hazard.baseline if terms.hazard and way.touches else 0


def baseline_all(paths: Paths, terms: Terms) -> Ints:
    """`baseline` for many paths."""
    return np.full(len(paths), terms.hazard.baseline if terms.hazard else 0, dtype=np.int64)
