"""(pure) Whether those who did something became customers more often than those who did not: lift, with its interval.

An association, never a cause: who means to buy looks at prices. Of a share p1 = a / n1 of those who did and p0 = b / n0
of those who did not, the lift is p1 / p0. The interval is that of the logarithm of a ratio of two shares (Katz,
Baptista, Azen and Pike 1978), exp(ln(p1/p0) ± z sqrt(1/a - 1/n1 + 1/b - 1/n0)); where nobody or everybody became one,
half a person is added to each of the four counts first (Haldane 1956, Anscombe 1956).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, log, log2, sqrt
from statistics import NormalDist

# Fewer in one of the two groups say nothing.
FEWEST = 10
CONFIDENCE = 0.95
MOST_POINTS = 20


@dataclass(frozen=True, slots=True)
class Lift:
    """How often who did something became a customer, beside those who did not.

    n_did, n_not        people; won_did, won_not: of them, who became customers
    ratio, low, high    the lift and its interval; None: too few did, or too few did not
    """

    n_did: int
    won_did: int
    n_not: int
    won_not: int
    ratio: float | None
    low: float | None
    high: float | None

    @property
    def is_above(self) -> bool:
        """Whether the whole interval lies above 1."""
        return self.low is not None and self.low > 1

    @property
    def is_below(self) -> bool:
        """Whether the whole interval lies below 1."""
        return self.high is not None and self.high < 1


def lift_of(n_did: int, won_did: int, n_not: int, won_not: int, n_looked_at: int = 1) -> Lift:
    """The lift of two groups.

    n_looked_at  of how many comparisons this is one: the interval of each is so much wider that all of them hold
                 together at 95 % (Bonferroni)
    """
    if min(n_did, n_not) < FEWEST:
        return Lift(n_did, won_did, n_not, won_not, None, None, None)
    a, n1, b, n0 = float(won_did), float(n_did), float(won_not), float(n_not)
    if 0 in (a, b) or a == n1 or b == n0:
        a, n1, b, n0 = a + 0.5, n1 + 1, b + 0.5, n0 + 1
    ratio = (a / n1) / (b / n0)
    z = NormalDist().inv_cdf(1 - (1 - CONFIDENCE) / max(1, n_looked_at) / 2)
    margin = z * sqrt(1 / a - 1 / n1 + 1 / b - 1 / n0)
    return Lift(n_did, won_did, n_not, won_not, ratio, exp(log(ratio) - margin), exp(log(ratio) + margin))


def lifts_of(people: Iterable[tuple[frozenset[str], bool]]) -> dict[str, tuple[int, int, int, int]]:
    """Per deed how many did it, of them became customers, did not, of them became customers.

    people  of each what they did, and whether they became a customer
    """
    n_all = won_all = 0
    did: dict[str, list[int]] = {}
    for deeds, has_won in people:
        n_all += 1
        won_all += has_won
        for deed in deeds:
            own = did.setdefault(deed, [0, 0])
            own[0] += 1
            own[1] += has_won
    return {deed: (n, won, n_all - n, won_all - won) for deed, (n, won) in did.items()}


def points_for(lift: Lift) -> int:
    """Points that a lift suggests: 10 for each doubling, within 20 either way; 0 where the interval holds 1."""
    if lift.ratio is None or not (lift.is_above or lift.is_below):
        return 0
    return max(-MOST_POINTS, min(MOST_POINTS, round(10 * log2(lift.ratio))))


def compared(
    found: Mapping[str, tuple[int, int, int, int]], covered: Iterable[str]
) -> dict[str, tuple[int, int, int, int]]:
    """Deeds that no rule covers and that can be compared: enough did them, and enough did not."""
    known = set(covered)
    return {deed: counts for deed, counts in found.items() if deed not in known and min(counts[0], counts[2]) >= FEWEST}


def suggested(found: Mapping[str, tuple[int, int, int, int]]) -> list[tuple[str, Lift, int]]:
    """Those of these deeds that speak clearly, the most points first; points are never 0.

    Each interval is as wide as the number of deeds asks for.
    """
    lifts = [(deed, lift_of(*counts, n_looked_at=len(found))) for deed, counts in found.items()]
    worth = [(deed, lift, points_for(lift)) for deed, lift in lifts]
    return sorted((one for one in worth if one[2]), key=lambda one: (-abs(one[2]), one[0]))


def banded(points: Sequence[int], bands: Sequence[int]) -> list[int]:
    """How many are in each band; bands: where each but the first begins, rising."""
    found = [0] * (len(bands) + 1)
    for one in points:
        found[sum(one >= begins for begins in bands)] += 1
    return found
