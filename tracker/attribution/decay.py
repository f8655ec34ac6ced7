"""(pure) Time decay in integers: what is left of an effect after a while, to 2^-30, the same on every machine.

Halving is continuous. The 4,096th parts of a half-life are a table, between them is a straight line (wrong by less than
4e-9); NumPy's and libm's exponentials differ in the last bit from machine to machine, and credits must not.
"""

from decimal import Decimal, localcontext
from functools import lru_cache

import numpy as np

from tracker.attribution.terms import SCALE, Terms
from tracker.attribution.touches import Ints, Paths, Way

STEPS, PARTS = 4_096, 1_024
# 2^30 is gone after so many halvings.
GONE = 31


@lru_cache(maxsize=1)
def table() -> tuple[int, ...]:
    """2^30 * 2^(-j / STEPS) for j = 0 .. STEPS, rounded."""
    with localcontext() as context:
        context.prec = 24
        step = Decimal(2) ** (Decimal(-1) / STEPS)
        value, found = Decimal(SCALE), []
        for _ in range(STEPS + 1):
            found.append(int(value.to_integral_value()))
            value *= step
    return tuple(found)


def left(age_ms: int, half_life_ms: int) -> int:
    """What is left of 2^30 after age_ms >= 0."""
    halvings, rest = divmod(age_ms, half_life_ms)
    if halvings >= GONE:
        return 0
    step, part = divmod(rest * STEPS * PARTS // half_life_ms, PARTS)
    high, low = table()[step], table()[step + 1]
    value = high * PARTS + (low - high) * part
    return (value + (PARTS << halvings >> 1)) // (PARTS << halvings)


def left_all(age_ms: Ints, half_life_ms: int) -> Ints:
    """`left` for many ages."""
    halvings, rest = np.divmod(age_ms, half_life_ms)
    step, part = np.divmod(rest * (STEPS * PARTS) // half_life_ms, PARTS)
    known = np.array(table(), dtype=np.int64)
    high = known[step]
    value = high * PARTS + (known[step + 1] - high) * part
    by = np.int64(PARTS) << np.minimum(halvings, GONE)
    return np.asarray(np.where(halvings >= GONE, 0, (value + (by >> 1)) // by), dtype=np.int64)


def time_decay(way: Way, terms: Terms) -> list[int]:
    """Half as much for every half-life that a touch is earlier than the last one."""
    if not way.touches:
        return []
    end = way.touches[-1].touched_ms
    return [left(end - touch.touched_ms, terms.half_life_ms) for touch in way.touches]


def time_decay_all(paths: Paths, terms: Terms) -> Ints:
    """`time_decay` for many paths."""
    lengths = np.diff(paths.offsets)
    ends = paths.touched_ms[paths.offsets[1:][lengths > 0] - 1]
    return left_all(np.repeat(ends, lengths[lengths > 0]) - paths.touched_ms, terms.half_life_ms)
