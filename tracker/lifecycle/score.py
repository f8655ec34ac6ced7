"""(pure) Points: what somebody's deeds and attributes are worth by a definition's rules, over time and rule by rule.

Each deed gives its points when it happens; they halve with each half-life that has gone by since, in whole steps and
whole points towards nothing, so that each number can be said in a sentence. What a condition is worth counts while it
holds. A cap bounds what one rule gives, above and below.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tracker.lifecycle.conditions import (
    AFTER_ALL,
    BEFORE_ALL,
    DAY_MS,
    Condition,
    Did,
    Facts,
    counted,
    spans_of,
)


@dataclass(frozen=True, slots=True)
class PointRule:
    """Points for each deed (`each`) or while a condition holds (`when`): one of the two is given.

    points          may be negative
    cap             at most so many of this rule, and of negative points at least minus so many; None: no bound
    half_life_days  after which a deed's points are half of what they were; None: they stay
    """

    name: str
    points: int
    each: Did | None = None
    when: Condition | None = None
    cap: int | None = None
    half_life_days: int | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """What one rule gives. n: how many deeds of it still count."""

    name: str
    points: int
    n: int


def no_points() -> Sequence[tuple[int, int]]:
    """Of who has none."""
    return ()


def steps_of(rule: PointRule, facts: Facts) -> list[tuple[int, int]]:
    """When a rule's points, not yet capped, change by how much."""
    if rule.each is None:
        assert rule.when is not None
        found: list[tuple[int, int]] = []
        for since, until in spans_of(rule.when, facts, no_points):
            found.append((since, rule.points))
            if until < AFTER_ALL:
                found.append((until, -rule.points))
        return found
    halves = halves_of(rule)
    return [(fact.at + after, change) for fact in counted(rule.each, facts) for after, change in halves]


def halves_of(rule: PointRule) -> list[tuple[int, int]]:
    """How a deed's points change after how many milliseconds."""
    found, points = [(0, rule.points)], rule.points
    while rule.half_life_days and points:
        half = int(points / 2)  # towards nothing, also of negative points
        found.append((len(found) * rule.half_life_days * DAY_MS, half - points))
        points = half
    return found


def capped(points: int, cap: int | None) -> int:
    """Points within a rule's cap."""
    return points if cap is None else max(-cap, min(cap, points))


def points_over_time(rules: Sequence[PointRule], facts: Facts) -> list[tuple[int, int]]:
    """All points together as (since, points), oldest first, each other than the one before; none before the first."""
    steps = sorted((at, place, change) for place, rule in enumerate(rules) for at, change in steps_of(rule, facts))
    own = [0] * len(rules)
    total, found = 0, list[tuple[int, int]]()
    for at, place, change in steps:
        cap = rules[place].cap
        before = capped(own[place], cap)
        own[place] += change
        total += capped(own[place], cap) - before
        if found and found[-1][0] == at:
            found[-1] = (at, total)
        else:
            found.append((at, total))
    return [
        (max(at, BEFORE_ALL), points) for i, (at, points) in enumerate(found) if points != (found[i - 1][1] if i else 0)
    ]


def points_at(over_time: Sequence[tuple[int, int]], at: int) -> int:
    """The points at an instant."""
    points = 0
    for since, n in over_time:
        if since > at:
            break
        points = n
    return points


def parts_at(rules: Sequence[PointRule], facts: Facts, at: int) -> list[Part]:
    """What each rule gives at an instant, those that give nothing left out; their sum is the score."""
    found = []
    for rule in rules:
        points = capped(sum(change for since, change in steps_of(rule, facts) if since <= at), rule.cap)
        if points:
            deeds = counted(rule.each, facts) if rule.each else ()
            found.append(Part(rule.name, points, sum(fact.at <= at for fact in deeds)))
    return found
