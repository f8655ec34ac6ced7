"""Many words on people's stages at once: what a file of them would change, and taking it in.

The same as flow.stage_said for each of them, in so many statements as there are hundreds of people.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from tracker import flow
from tracker.access.sites import Site
from tracker.attribution.attribute import attribute
from tracker.db.schema import contacts, identifiers, merges, stage_changes
from tracker.db.store import Tx
from tracker.db.writes import chunks
from tracker.lifecycle.hearing import hear_all
from tracker.lifecycle.record import StageSaid
from tracker.lifecycle.settled import stages_of
from tracker.lifecycle.stages import Stages, one_of_the_sites
from tracker.stagefiles.reading import Named, StageRow, Wrong, WrongRow
from tracker.staging import stages_changed
from tracker.vocabulary import IdentifierKind, StageCause


@dataclass(frozen=True, slots=True)
class Person:
    """Whom a line is about. contact_id: who stays; own_id: of whom it is said; names: as the store knows them."""

    contact_id: str
    own_id: str
    name: str | None
    email: str | None


@dataclass(frozen=True, slots=True)
class Planned:
    """What a line would do.

    before     in which stage the person is, or was at that time; None: in none
    goes_back  to a stage that comes before it
    """

    row: StageRow
    person: Person
    before: str | None
    goes_back: bool

    @property
    def changes(self) -> bool:
        """Whether it says anything new."""
        return self.before != self.row.stage


@dataclass(frozen=True, slots=True)
class Plan:
    """What many lines would do, in their order; `wrong` are those of which nobody can tell whom they mean."""

    planned: tuple[Planned, ...]
    wrong: tuple[WrongRow, ...]

    @property
    def changes(self) -> tuple[Planned, ...]:
        """The lines that say anything new."""
        return tuple(one for one in self.planned if one.changes)


def plan(tx: Tx, site: Site, rows: Sequence[StageRow], now: datetime) -> Plan:
    """What these lines would do: from which stage to which, and of whom nothing is known."""
    stages = stages_of(tx, site.site_id)
    people = people_named(tx, site, [row.who for row in rows])
    wrong: list[WrongRow] = []
    told: list[tuple[StageRow, Person]] = []
    undated: set[str] = set()
    for row in rows:
        person = people.get(row.who)
        if person is None:
            wrong.append(WrongRow(row.line, Wrong.UNKNOWN_PERSON, row.who.text))
        elif row.at is None and person.contact_id in undated:
            wrong.append(WrongRow(row.line, Wrong.TWICE, row.who.text))
        else:
            told.append((row, person))
            undated |= {person.contact_id} if row.at is None else set()
    known = known_ways(tx, {person.contact_id for _, person in told})
    return Plan(tuple(planned(told, known, stages, now)), tuple(wrong))


def planned(
    told: Iterable[tuple[StageRow, Person]],
    known: Mapping[str, Sequence[tuple[datetime, str]]],
    stages: Stages,
    now: datetime,
) -> list[Planned]:
    """What each line would do, in the lines' order; a person's lines follow each other by their dates.

    known  (since when, stage) per contact, oldest first
    """
    ways = {contact_id: list(steps) for contact_id, steps in known.items()}
    found: list[Planned] = []
    for row, person in sorted(told, key=lambda one: (one[0].at or now, stages.rank(one[0].stage), one[0].line)):
        way = ways.setdefault(person.contact_id, [])
        at = row.at or now
        place = next((n for n in range(len(way), 0, -1) if way[n - 1][0] <= at), 0)
        before = way[place - 1][1] if place else None
        way.insert(place, (at, row.stage))
        found.append(Planned(row, person, before, stages.rank(row.stage) < stages.rank(before)))
    return sorted(found, key=lambda one: one.row.line)


def take_in(tx: Tx, site: Site, plan: Plan, by: str, cause: StageCause, now: datetime) -> set[str]:
    """Say all that is new of a plan; returns the contacts whose stages are others now.

    by      who says it, for people to read: 'file stages.csv'
    raises  Invalid: the site has not got one of these stages
    """
    said = [
        StageSaid(site.site_id, one.person.own_id, one.row.stage, cause, by, one.row.at or now, now)
        for one in plan.changes
    ]
    return stages_said(tx, site, said, {one.person.own_id: one.person.contact_id for one in plan.changes})


def stages_said(tx: Tx, site: Site, said: Sequence[StageSaid], stays: Mapping[str, str]) -> set[str]:
    """Somebody said of many contacts in which stage they are: keep what is news, derive their stages, credit anew.

    stays    per own id the contact that stays
    returns  the contacts of which anything was kept
    raises   Invalid: the site has not got one of these stages
    """
    flow.take_turn(tx, site)
    stages = stages_of(tx, site.site_id)
    for name in sorted({one.stage for one in said}):
        one_of_the_sites(stages, name)
    heard = {stays[own_id] for own_id in hear_all(tx, said)}
    if heard:
        stages_changed(tx, site, heard)
        for some in chunks(sorted(heard), 2_000):
            attribute(tx, site.site_id, site.timezone, set(some))
    return heard


def people_named(tx: Tx, site: Site, wanted: Iterable[Named]) -> dict[Named, Person]:
    """Whom these names are of; those that nobody is known by are missing."""
    asked = list(dict.fromkeys(wanted))
    own = owners(tx, site, IdentifierKind.EMAIL, {one.email for one in asked if one.email})
    by_crm = owners(tx, site, IdentifierKind.CRM_ID, {one.crm_id for one in asked if one.crm_id})
    by_id = staying_of(tx, {one.contact_id for one in asked if one.contact_id})
    who: dict[Named, tuple[str, str]] = {}
    for one in asked:
        found = (
            ((by_id[one.contact_id], one.contact_id) if one.contact_id else None)
            or by_crm.get(one.crm_id)
            or own.get(one.email)
        )
        if found:
            who[one] = found
    rows = rows_of(tx, site, {contact_id for contact_id, _ in who.values()})
    return {
        one: Person(contact_id, own_id, *rows[contact_id])
        for one, (contact_id, own_id) in who.items()
        if contact_id in rows
    }


def owners(tx: Tx, site: Site, kind: IdentifierKind, values: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Per identifier the contact that stays, and whose own it is."""
    found: dict[str, tuple[str, str]] = {}
    columns = identifiers.c
    for some in chunks(sorted(values)):
        query = select(columns.value, columns.contact_id, columns.own_id).where(
            columns.site_id == site.site_id, columns.kind == kind.value, columns.value.in_(some)
        )
        found |= {value: (contact_id, own_id) for value, contact_id, own_id in tx.execute(query)}
    return found


def staying_of(tx: Tx, contact_ids: Iterable[str]) -> dict[str, str]:
    """Per contact who stays of it."""
    found = {one: one for one in contact_ids}
    asked = set(found)
    while asked:
        into: dict[str, str] = {}
        for some in chunks(sorted(asked)):
            query = select(merges.c.contact_id, merges.c.into_id).where(merges.c.contact_id.in_(some))
            into |= {row.contact_id: row.into_id for row in tx.execute(query)}
        found = {one: into.get(stays, stays) for one, stays in found.items()}
        asked = set(into.values())
    return found


def rows_of(tx: Tx, site: Site, contact_ids: Iterable[str]) -> dict[str, tuple[str | None, str | None]]:
    """Per contact of the site its name and its address."""
    found: dict[str, tuple[str | None, str | None]] = {}
    for some in chunks(sorted(contact_ids)):
        query = select(contacts.c.contact_id, contacts.c.name, contacts.c.email).where(
            contacts.c.site_id == site.site_id, contacts.c.contact_id.in_(some)
        )
        found |= {contact_id: (name, email) for contact_id, name, email in tx.execute(query)}
    return found


def known_ways(tx: Tx, contact_ids: Iterable[str]) -> dict[str, list[tuple[datetime, str]]]:
    """Per contact the stages it came into, and when, oldest first."""
    found: dict[str, list[tuple[datetime, str]]] = {}
    row: Any = stage_changes.c
    for some in chunks(sorted(contact_ids)):
        query = select(row.contact_id, row.occurred_at, row.stage).where(row.contact_id.in_(some))
        for contact_id, at, stage in tx.execute(query.order_by(row.contact_id, row.position)):
            found.setdefault(contact_id, []).append((at, stage))
    return found
