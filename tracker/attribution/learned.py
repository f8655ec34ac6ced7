"""(pure) Weights of the models that were fitted on a site's own paths: removal effects, and a hazard with its baseline.

What was learned is frozen in the terms; so a deal's credit changes only through its own path or through a new fit.
"""

import numpy as np

from tracker.attribution.decay import left, left_all
from tracker.attribution.terms import SCALE, Terms
from tracker.attribution.touches import Ints, Paths, Way

# Places of the table in which the channels of some paths are counted at a time.
BLOCK = 1 << 22


def markov(way: Way, terms: Terms) -> list[int]:
    """The removal effect of each touch's channel, shared equally by the touches of that channel on the path."""
    channels = [touch.channel for touch in way.touches]
    return [terms.effects.get(name, 0) // channels.count(name) for name in channels]


def markov_all(paths: Paths, terms: Terms) -> Ints:
    """`markov` for many paths."""
    effects = np.array([terms.effects.get(name, 0) for name in paths.names] or [0], dtype=np.int64)
    return np.asarray(effects[paths.channels] // repeats(paths), dtype=np.int64)


def repeats(paths: Paths) -> Ints:
    """Per touch: how many touches of its channel are on its path."""
    n_names = max(1, len(paths.names))
    found = np.zeros(len(paths.channels), dtype=np.int64)
    step = max(1, BLOCK // n_names)
    for begin in range(0, len(paths), step):
        bounds = paths.offsets[begin : begin + step + 1]
        first, end = int(bounds[0]), int(bounds[-1])
        cells = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds)) * n_names + paths.channels[first:end]
        found[first:end] = np.bincount(cells, minlength=1)[cells]
    return found


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
