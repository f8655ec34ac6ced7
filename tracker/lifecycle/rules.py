"""(pure) When the rules of a site's definitions come true for somebody.

A rule is asked under the version that is in force at that time, from when the person could first be named. It speaks
when it comes true, when a version comes into force under which it is true, and each time that somebody does again what
it asks for: so that who was sent back comes again only when they do something. changes.py decides what follows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from tracker.lifecycle.conditions import (
    AFTER_ALL,
    Condition,
    Facts,
    Points,
    Proof,
    both,
    deeds_of,
    kinds_of,
    spans_of,
)
from tracker.lifecycle.score import PointRule, points_over_time
from tracker.vocabulary import FactKind, Scope


@dataclass(frozen=True, slots=True)
class Rule:
    """What leads to a stage.

    from_stages  only who is in one of these; empty: whoever is before the stage
    """

    name: str
    stage: str
    when: Condition
    scope: Scope = Scope.CONTACT
    from_stages: tuple[str, ...] = ()


@dataclass(frozen=True)
class Definition:
    """What a version says: the rules and what is worth how many points."""

    rules: tuple[Rule, ...] = ()
    points: tuple[PointRule, ...] = ()

    @cached_property
    def kinds(self) -> frozenset[FactKind]:
        """Which facts decide."""
        asked = [rule.when for rule in self.rules] + [one.each or one.when for one in self.points]
        return frozenset(kind for one in asked if one is not None for kind in kinds_of(one))


@dataclass(frozen=True, slots=True)
class Version:
    """A definition that counts from an instant (milliseconds) on, until a newer one does."""

    version: int
    from_at: int
    definition: Definition


def in_force(versions: Sequence[Version]) -> list[tuple[Version, int, int]]:
    """Each version with when it counts, [from, to): the newest whose time has come does."""
    found, until = [], AFTER_ALL
    for one in sorted(versions, key=lambda each: -each.version):
        if one.from_at < until:
            found.append((one, one.from_at, until))
            until = one.from_at
    return found[::-1]


def counting_at(versions: Sequence[Version], at: int) -> Version | None:
    """The version that counts at an instant."""
    return next((one for one, since, until in in_force(versions) if since <= at < until), None)


@dataclass(frozen=True, slots=True)
class Firing:
    """A rule speaks.

    has_begun  only because a version came into force
    """

    at: int
    rule: Rule
    version: int
    has_begun: bool


@dataclass(frozen=True)
class Asked:
    """The rules of all versions, asked of one person or company.

    known_at  before it nobody is in a stage
    """

    versions: Sequence[Version]
    scope: Scope
    known_at: int
    facts: Facts
    points: dict[int, Points] = field(default_factory=dict)

    @cached_property
    def in_force(self) -> list[tuple[Version, int, int]]:
        """Each version with when it counts."""
        return in_force(self.versions)

    def points_under(self, version: Version) -> Points:
        """The points by a version's rules, over time; found once."""
        known = self.points.get(version.version)
        if known is None:
            found: list[Sequence[tuple[int, int]]] = []

            def known() -> Sequence[tuple[int, int]]:
                if not found:
                    found.append(points_over_time(version.definition.points, self.facts))
                return found[0]

            self.points[version.version] = known
        return known

    def firings(self, *, again: bool) -> list[Firing]:
        """All times at which rules speak, also those that are yet to come if nothing more happens; in no order.

        again  also when somebody does again what a rule asks for: needed of who may have been sent back
        """
        found: list[Firing] = []
        for version, since, until in self.in_force:
            begins = max(since, self.known_at)
            if begins >= until:
                continue
            points, counts = self.points_under(version), [(begins, until)]
            for rule in version.definition.rules:
                if rule.scope is not self.scope:
                    continue
                spans = both(counts, spans_of(rule.when, self.facts, points))
                found += [Firing(at, rule, version.version, at == since > self.known_at) for at, _ in spans]
                if again and spans:
                    deeds = both([(at, at + 1) for at in sorted(deeds_of(rule.when, self.facts))], spans)
                    starts = {at for at, _ in spans}
                    found += [Firing(at, rule, version.version, False) for at, _ in deeds if at not in starts]
        return found

    def proof(self, firing: Firing) -> list[list[int | str]]:
        """The facts that made a rule true."""
        version = next(one for one in self.versions if one.version == firing.version)
        proof = Proof(firing.at)
        proof.add(firing.rule.when, self.facts, self.points_under(version))
        return proof.listed()

    def points_at(self, now: int) -> tuple[int | None, int | None]:
        """The points now by the version in force, and when they next change by themselves; None without rules."""
        counts = counting_at(self.versions, now)
        later = [since for one, since, _ in self.in_force if since > now and one.definition.points]
        if counts is None or not counts.definition.points:
            return None, min(later, default=None)
        points = 0
        for at, n in self.points_under(counts)():
            if at > now:
                later.append(at)
                break
            points = n
        return points, min(later, default=None)
