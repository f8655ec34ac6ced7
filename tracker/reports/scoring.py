"""What points tell: which rules give them, which deeds go with becoming a customer, and what no rule looks at yet.

Of the people who became leads in a period, each seen for a month: what they had done by then is set against whether
they became customers after it. Who was one by then is left out, so nothing that follows from buying speaks for it. Of
very many people every n-th is read. Writes nothing; nothing is applied by it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from sqlalchemy import func, select

from tracker.access.sites import Site
from tracker.clock import to_ms, zone
from tracker.db.schema import contacts, stage_changes
from tracker.db.store import Tx
from tracker.db.writes import chunks
from tracker.identity.stitch import names_by
from tracker.lifecycle.conditions import Did, Fact, Facts, Has, counted, holds_at, is_one, is_so, spans_of
from tracker.lifecycle.definition import inline, quoted
from tracker.lifecycle.facts import Told, facts_of
from tracker.lifecycle.rules import Asked, Version, counting_at
from tracker.lifecycle.score import PointRule, steps_of
from tracker.lifecycle.versions import versions_in_force
from tracker.reports.lift import Lift, compared, lift_of, lifts_of, suggested
from tracker.vocabulary import FactKind, Scope, Stage

SEEN_FOR = timedelta(days=30)
# Who became a lead later than this ago may yet become a customer.
OLD_ENOUGH = timedelta(days=90)
MOST_PEOPLE = 3_000
# A value that so few share would name somebody.
FEWEST_SHARING = 20
MOST_SUGGESTED = 20
LONGEST_VALUE = 60
LOOKED_AT = frozenset(
    {
        FactKind.PAGE,
        FactKind.FORM,
        FactKind.EVENT,
        FactKind.OFFLINE,
        FactKind.CHAT,
        FactKind.CALL,
        FactKind.TOUCH,
        FactKind.ATTRIBUTE,
    }
)
# Of these no two people have the same, or a rule by them would be about persons.
NAMING = ("name", "phone", "company_name", "company_domain", "company.name", "email_domain")


@dataclass(frozen=True, slots=True)
class Deed:
    """What somebody did, or what was so of them: kind and text, of an attribute its name and value."""

    kind: str
    text: str
    value: str = ""

    @property
    def toml(self) -> str:
        """A condition that asks for it."""
        if self.kind == FactKind.ATTRIBUTE:
            return inline(Has(self.text, is_=(self.value,)))
        return inline(Did(FactKind(self.kind), (self.text,)))


@dataclass(frozen=True, slots=True)
class RuleMoves:
    """One rule of points: how many of all points it gave, for how many people; and the lift of who got any."""

    name: str
    points: int
    n_given: int
    n_people: int
    share: float | None
    lift: Lift


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Points that the site's own history suggests. toml: as a definition has them."""

    deed: Deed
    points: int
    lift: Lift
    toml: str


@dataclass(frozen=True, slots=True)
class Scoring:
    """What points tell of a period's leads.

    n_leads      who became a lead; n_read: of them that were read; n_old_enough: in time to have become customers
    version      of the definitions in force; None: none is
    rules        of that version; stage_rules: name, stage and lift of its rules on stages
    n_looked_at  how many deeds were compared for the suggestions
    """

    from_day: str
    to_day: str
    n_leads: int
    n_read: int
    n_old_enough: int
    version: int | None
    rules: tuple[RuleMoves, ...]
    stage_rules: tuple[tuple[str, str, Lift], ...]
    suggestions: tuple[Suggestion, ...]
    n_looked_at: int


@dataclass(frozen=True, slots=True)
class Seen:
    """One lead, a month after: what they had done, which rules had spoken, and whether they became a customer."""

    deeds: frozenset[Deed]
    rules: frozenset[str]
    has_won: bool


def scoring_of(tx: Tx, site: Site, from_day: str, to_day: str, now: datetime, most: int = MOST_PEOPLE) -> Scoring:
    """What points tell of those who became leads on these days, both included, in the site's zone.

    most  people that are read
    """
    ids, n_leads = leads_of(tx, site, from_day, to_day, most)
    versions = versions_in_force(tx, site.site_id)
    counts = counting_at(versions, to_ms(now))
    since = to_ms(datetime.combine(date.fromisoformat(from_day), time(), zone(site.timezone)))
    given: dict[str, list[int]] = {}
    seen: list[Seen] = []
    for told, won_at in people_of(tx, site, ids, counts):
        if counts is not None:
            add_given(given, counts, told, (since, to_ms(now)))
        one = seen_after(counts, told, won_at, to_ms(now))
        if one is not None:
            seen.append(one)
    by_rule = lifts_of((one.rules, one.has_won) for one in seen)
    deeds = {deed.toml: deed for one in seen for deed in one.deeds}
    by_deed = lifts_of((frozenset(deed.toml for deed in one.deeds), one.has_won) for one in seen)
    shared = {toml: counts_ for toml, counts_ in by_deed.items() if counts_[0] >= FEWEST_SHARING}
    covered = [toml for toml in shared if counts is not None and is_covered(counts, deeds[toml])]
    looked_at = compared(shared, covered)
    return Scoring(
        from_day,
        to_day,
        n_leads,
        len(ids),
        len(seen),
        None if counts is None else counts.version,
        () if counts is None else tuple(rule_moves(counts, given, by_rule, len(seen))),
        ()
        if counts is None
        else tuple(
            (rule.name, rule.stage, lift(by_rule, f"rule {rule.name}", len(seen)))
            for rule in counts.definition.rules
            if rule.scope is Scope.CONTACT
        ),
        tuple(
            Suggestion(deeds[toml], points, found, points_toml(deeds[toml], points))
            for toml, found, points in suggested(looked_at)[:MOST_SUGGESTED]
        ),
        len(looked_at),
    )


def leads_of(tx: Tx, site: Site, from_day: str, to_day: str, most: int) -> tuple[list[str], int]:
    """Who became a lead on these days, every n-th where there are very many; and how many there are."""
    row = contacts.c
    here = (row.site_id == site.site_id, row.lead_day >= from_day, row.lead_day <= to_day)
    n_leads = tx.execute(select(func.count()).select_from(contacts).where(*here)).scalar_one()
    step = max(1, -(-n_leads // most))
    ids = tx.execute(select(row.contact_id).where(*here).order_by(row.contact_id)).scalars()
    return [one for place, one in enumerate(ids) if place % step == 0], n_leads


def people_of(tx: Tx, site: Site, ids: Sequence[str], counts: Version | None) -> Iterator[tuple[Told, int | None]]:
    """Of each what is known of them, and when they first became a customer (ms; None: never)."""
    kinds = LOOKED_AT | (counts.definition.kinds if counts else frozenset())
    for some in chunks(ids):
        names = names_by(tx, some)
        told = facts_of(tx, site.site_id, {one: set(names.get(one, {}).values()) for one in some}, kinds)
        first = (
            select(stage_changes.c.contact_id, func.min(stage_changes.c.occurred_at))
            .where(stage_changes.c.contact_id.in_(some), stage_changes.c.stage == Stage.CUSTOMER.value)
            .group_by(stage_changes.c.contact_id)
        )
        won = {contact_id: to_ms(at) for contact_id, at in tx.execute(first)}
        for contact_id in some:
            if contact_id in told:
                yield told[contact_id], won.get(contact_id)


def seen_after(counts: Version | None, told: Told, won_at: int | None, now: int) -> Seen | None:
    """What somebody had done a month after they became a lead; None: too young, or a customer by then."""
    at = told.known_at + to_ms_of(SEEN_FOR)
    if told.known_at + to_ms_of(OLD_ENOUGH) > now or (won_at is not None and won_at <= at):
        return None
    asked = Asked([counts] if counts else [], Scope.CONTACT, told.known_at, Facts(told.facts))
    return Seen(deeds_by(told, at), rules_by(asked, counts, at) if counts else frozenset(), won_at is not None)


def to_ms_of(time: timedelta) -> int:
    """A duration in milliseconds."""
    return int(time.total_seconds() * 1_000)


def deeds_by(told: Told, at: int) -> frozenset[Deed]:
    """What somebody had done by then, and how they were then."""
    found: set[Deed] = set()
    values: dict[str, str] = {}
    for fact in sorted(told.facts, key=lambda one: one.at):
        if fact.at > at:
            break
        if fact.kind == FactKind.ATTRIBUTE:
            values[fact.text] = fact.more["value"]
        elif fact.kind in LOOKED_AT and fact.text:
            found.add(Deed(fact.kind, fact.text.replace("*", "")[:200]))
    found |= {
        Deed(FactKind.ATTRIBUTE.value, name, value)
        for name, value in values.items()
        if value and len(value) <= LONGEST_VALUE and name not in NAMING
    }
    return frozenset(found)


def rules_by(asked: Asked, counts: Version, at: int) -> frozenset[str]:
    """Which rules had spoken by then: of points and of stages."""
    found = {f"points {rule.name}" for rule in counts.definition.points if has_given(rule, asked.facts, at)}
    points = asked.points_under(counts)
    for rule in counts.definition.rules:
        spans = spans_of(rule.when, asked.facts, points)
        if any(since <= at and until > asked.known_at for since, until in spans):
            found.add(f"rule {rule.name}")
    return frozenset(found)


def has_given(rule: PointRule, facts: Facts, at: int) -> bool:
    """Whether a rule of points had given any by then."""
    if rule.each is not None:
        return any(fact.at <= at for fact in counted(rule.each, facts))
    return rule.when is not None and holds_at(spans_of(rule.when, facts, lambda: ()), at)


def add_given(given: dict[str, list[int]], counts: Version, told: Told, between: tuple[int, int]) -> None:
    """Add up what each rule gave somebody: points, how often, of how many people."""
    since, until = between
    facts = Facts(told.facts)
    for rule in counts.definition.points:
        steps = [
            change
            for at, change in steps_of(rule, facts)
            if since <= at <= until and (change > 0) == (rule.points > 0) and change
        ]
        if steps:
            own = given.setdefault(rule.name, [0, 0, 0])
            own[0] += sum(steps)
            own[1] += len(steps)
            own[2] += 1


def rule_moves(
    counts: Version, given: Mapping[str, Sequence[int]], by_rule: Mapping[str, tuple[int, int, int, int]], n: int
) -> Iterator[RuleMoves]:
    """What each rule of points gave, in the definition's order."""
    total = sum(abs(own[0]) for own in given.values())
    for rule in counts.definition.points:
        points, n_given, n_people = given.get(rule.name, (0, 0, 0))
        share = abs(points) / total if total else None
        yield RuleMoves(rule.name, points, n_given, n_people, share, lift(by_rule, f"points {rule.name}", n))


def lift(by_rule: Mapping[str, tuple[int, int, int, int]], key: str, n: int) -> Lift:
    """The lift of a rule; of one that never spoke there is none."""
    return lift_of(*by_rule.get(key, (0, 0, n, 0)))


def is_covered(counts: Version, deed: Deed) -> bool:
    """Whether a rule of points looks at a deed already."""
    for rule in counts.definition.points:
        one = rule.each or rule.when
        if isinstance(one, Did) and one.kind == deed.kind and deed.kind != FactKind.ATTRIBUTE:
            fact = Fact(0, deed.kind, deed.text)
            if counted(Did(one.kind, one.patterns), Facts([fact])) and is_one(Did(one.kind, one.patterns), fact):
                return True
        if isinstance(one, Has) and deed.kind == FactKind.ATTRIBUTE and one.attribute == deed.text:
            return is_so(one, deed.value)
    return False


def points_toml(deed: Deed, points: int) -> str:
    """A suggestion as a definition has it."""
    name = f"{deed.kind} {deed.text}{' = ' + deed.value if deed.value else ''}"[:120]
    how = "when" if deed.kind == FactKind.ATTRIBUTE else "each"
    return f"[[points]]\nname = {quoted(name)}\npoints = {points}\n{how} = {deed.toml}\n"
