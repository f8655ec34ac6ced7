"""(pure) The usual band of a monthly figure: what it has been in the year before, and whether a month leaves it.

The band is the median of the twelve months before, give or take 3 x 1.4826 x MAD (the median of the distances from the
median), which of a figure that only varies by chance leaves out about one month in 370, and which one odd month does
not widen. Fewer than six known months have no band. Where the MAD is 0 it is a tenth of the median, and no less than
`least`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import ceil, floor
from statistics import median

MONTHS = 12
LEAST_KNOWN = 6
WIDTH = 3
# The standard deviation of a normal distribution by its MAD (https://en.wikipedia.org/wiki/Median_absolute_deviation).
BY_MAD = 1.4826
OF_A_FLAT_ONE = 0.1


class Side(StrEnum):
    """Where a month stands that is not in its band."""

    ABOVE = "above"
    BELOW = "below"


@dataclass(frozen=True, slots=True)
class Band:
    """The usual values of a month, in the figure's own whole units; both ends are in it. n: months it is made of."""

    low: int
    high: int
    n: int

    def side(self, value: int | None) -> Side | None:
        """Where a value stands that is not in the band; None within it, and for a value that is not known."""
        if value is None or self.low <= value <= self.high:
            return None
        return Side.ABOVE if value > self.high else Side.BELOW


def within(band: Band | None, least: float, most: float) -> Band | None:
    """A band without the values that a figure cannot have."""
    return None if band is None else Band(int(max(band.low, least)), int(min(band.high, most)), band.n)


def band_of(before: Sequence[int | None], least: int = 1) -> Band | None:
    """The band that the months before give, None for one that is not known; None where too few are.

    before  the months before the one that is looked at, the latest last; no more than MONTHS of them count
    least   by how much a figure that never moves may move
    """
    known = [one for one in before[-MONTHS:] if one is not None]
    if len(known) < LEAST_KNOWN:
        return None
    middle = median(known)
    mad = median(abs(one - middle) for one in known)
    reach = WIDTH * BY_MAD * mad if mad else max(OF_A_FLAT_ONE * abs(middle), least)
    return Band(ceil(middle - reach), floor(middle + reach), len(known))
