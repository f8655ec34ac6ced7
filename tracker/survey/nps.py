"""(pure) The net promoter score: the share of 9 and 10 less the share of 0 to 6. tests/spec/nps.md.

Whoever answers twice counts once, with the latest answer. Without answers there is no score, which is not 0.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

Z95 = 1.959964


class Attitude(StrEnum):
    """What a score says."""

    PROMOTER = "promoter"
    PASSIVE = "passive"
    DETRACTOR = "detractor"


@dataclass(frozen=True, slots=True)
class Scored:
    """An answer as it counts. person: who answered, None for nobody known; order: of two at one instant the later."""

    person: str | None
    score: int
    at: datetime
    order: str = ""


@dataclass(frozen=True, slots=True)
class Nps:
    """How many people said what.

    score      -100 to 100, a whole number, halves away from zero; None without answers
    low, high  between which it is with 95 % certainty, had all been asked who could be
    """

    n_promoters: int
    n_passives: int
    n_detractors: int
    score: int | None
    low: int | None
    high: int | None

    @property
    def n(self) -> int:
        """How many people answered."""
        return self.n_promoters + self.n_passives + self.n_detractors

    @property
    def shares(self) -> tuple[float, float, float] | None:
        """Promoters, passives, detractors as shares of 1; None without answers."""
        n = self.n
        return (self.n_promoters / n, self.n_passives / n, self.n_detractors / n) if n else None


def attitude_of(score: int) -> Attitude:
    """What a score of 0 to 10 says; raises ValueError for another."""
    if not 0 <= score <= 10:
        raise ValueError(f"{score} is no score")
    return Attitude.PROMOTER if score >= 9 else Attitude.PASSIVE if score >= 7 else Attitude.DETRACTOR


def latest(answers: Iterable[Scored]) -> list[Scored]:
    """Each person's latest answer, and all of nobody known, in order of time."""
    by_person: dict[str, Scored] = {}
    nobodys: list[Scored] = []
    for one in sorted(answers, key=lambda each: (each.at, each.order)):
        if one.person is None:
            nobodys.append(one)
        else:
            by_person[one.person] = one
    return sorted([*by_person.values(), *nobodys], key=lambda each: (each.at, each.order))


def nps_of(answers: Iterable[Scored]) -> Nps:
    """The score of these answers."""
    counts = dict.fromkeys(Attitude, 0)
    for one in latest(answers):
        counts[attitude_of(one.score)] += 1
    return nps_by_counts(counts[Attitude.PROMOTER], counts[Attitude.PASSIVE], counts[Attitude.DETRACTOR])


def nps_by_counts(promoters: int, passives: int, detractors: int) -> Nps:
    """The score of so many people.

    The interval is Wald's after three answers more, a quarter of them promoters and a quarter detractors, so that few
    answers that agree do not look certain (the adjusted Wald interval of a difference of two shares).
    """
    n = promoters + passives + detractors
    if not n:
        return Nps(0, 0, 0, None, None, None)
    more = n + 3
    up, down = (promoters + 0.75) / more, (detractors + 0.75) / more
    middle, width = up - down, Z95 * math.sqrt((up + down - (up - down) ** 2) / more)
    low, high = max(-1.0, middle - width), min(1.0, middle + width)
    score = whole(100 * (promoters - detractors), n)
    return Nps(promoters, passives, detractors, score, min(score, round(100 * low)), max(score, round(100 * high)))


def whole(amount: int, by: int) -> int:
    """A quotient as a whole number, halves away from zero."""
    half_up = (2 * abs(amount) + by) // (2 * by)
    return half_up if amount >= 0 else -half_up
