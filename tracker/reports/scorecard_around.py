"""What stands around the scorecard's figures: channels and campaigns by what they cost, where nurture stops, how new
leads score, what people said with their answers, and the rows behind figures that no other page opens.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from datetime import time as time_of_day
from typing import Any

from sqlalchemy import Select, and_, case, func, select

from tracker.access.sites import Site
from tracker.clock import parse_day, to_ms, zone
from tracker.db.schema import (
    company_changes,
    contacts,
    conversions,
    deal_entries,
    deals,
    identifiers,
    mail_events,
    nps_answers,
    stage_changes,
)
from tracker.db.store import Tx
from tracker.db.writes import chunks
from tracker.errors import Invalid
from tracker.identity.stitch import crm_says, names_by
from tracker.lifecycle.conditions import Facts
from tracker.lifecycle.facts import facts_of
from tracker.lifecycle.record import kinds_asked
from tracker.lifecycle.rules import Asked as Rules
from tracker.lifecycle.settled import stages_of
from tracker.lifecycle.versions import versions_in_force
from tracker.reports.asking import ask
from tracker.reports.opportunity_ways import days_between
from tracker.reports.scorecard import UPSOLD, lost_months, profile_of, reopened_months
from tracker.reports.scorecard_facts import WITH_CONTACTS, Asked, person_of, programmes_of, ways_back
from tracker.reports.scorecard_shown import Spent
from tracker.reports.source import open_source
from tracker.reports.table import Figures
from tracker.vocabulary import Dimension, IdentifierKind, MailKind, Programme, Scope

SPLITS = (Dimension.CHANNEL, Dimension.CAMPAIGN)
MOST_SOURCES = 5
MOST_STOPS = 3
MOST_COMMENTS = 6
# Figures whose rows this page opens itself; those of the others stand in the Source report.
WITH_ROWS = ("reopened_leads", "days_to_customer", "churn", "company_churn", "upsell_share")
# The scores of contacts at an instant: who has none is missing.
Scores = Callable[[Tx, int, Sequence[str], datetime], Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Stop:
    """A step of a nurture programme after which people stopped.

    n_got      people to whom it was delivered in the month
    n_stopped  those of them to whom no later step has been delivered since; step_after: the one that would have come
    """

    programme: str
    step: str
    step_after: str
    n_got: int
    n_stopped: int


@dataclass(frozen=True, slots=True)
class Profile:
    """The leads opened in a month by score at that month's end: by scorecard.SCORE_BANDS, who has none last."""

    month: str
    n_leads: int
    n_by_band: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Comment:
    """What somebody said with their answer. contact_id, email: '' where nobody is named."""

    day: str
    score: int
    comment: str
    contact_id: str
    email: str


@dataclass(frozen=True, slots=True)
class Behind:
    """A row behind a figure: a person, a company or a deal, and when it counted.

    before, stage   for a change of stage; days: since they became a lead; amount_minor with its currency: of a deal
    """

    kind: str
    key: str
    day: str
    name: str | None = None
    before: str | None = None
    stage: str | None = None
    days: int | None = None
    amount_minor: int | None = None
    currency: str | None = None


# --- channels and campaigns -----------------------------------------------------------------------------------------


def spent_by(tx: Tx, site: Site, asked: Asked, now: datetime) -> dict[Dimension, tuple[Spent, ...]]:
    """By SPLITS the channels and the campaigns with the greatest cost in the month: as the Source report says."""
    args = {"from": asked.from_day, "to": asked.to_day, "by": ",".join(SPLITS)}
    rows = open_source(tx, ask(tx, args, site, asked.to_day)).table(now).rows
    found = {}
    for place, split in enumerate(SPLITS):
        sums: dict[tuple[str, bool], Figures] = {}
        for row in rows:
            key = row.values[place], row.is_unattributed
            sums[key] = sums.get(key, Figures()) + row.figures
        paid = [Spent(*key, figures) for key, figures in sums.items() if figures.cost_minor > 0]
        found[split] = tuple(sorted(paid, key=lambda one: (-one.figures.cost_minor, one.value))[:MOST_SOURCES])
    return found


# --- where nurture stops --------------------------------------------------------------------------------------------


def stops_of(tx: Tx, asked: Asked) -> tuple[Stop, ...]:
    """The steps of nurture programmes after which most people stopped, the most first; never a last step."""
    known = {
        name: steps
        for name, (audience, _, steps) in programmes_of(tx, asked.site_id).items()
        if audience is Programme.NURTURE and len(steps) > 1
    }
    if not known:
        return ()
    each = steps_got(asked, known).subquery()
    counted = (
        select(each.c.programme, each.c.place, func.count())
        .where(each.c.was_now == 1, each.c.place >= 0, each.c.person.is_not(None))
        .group_by(each.c.programme, each.c.place)
    )
    got = {(name, place): n for name, place, n in tx.execute(counted)}
    furthest = (
        select(each.c.programme, func.max(each.c.place).label("ever"))
        .add_columns(func.max(case((each.c.was_now == 1, each.c.place), else_=-1)).label("now"))
        .where(each.c.person.is_not(None))
        .group_by(each.c.programme, each.c.person)
        .subquery()
    )
    stopped = (
        select(furthest.c.programme, furthest.c.now, func.count())
        .where(furthest.c.ever == furthest.c.now, furthest.c.now >= 0)
        .group_by(furthest.c.programme, furthest.c.now)
    )
    found = [
        Stop(name, known[name][place], known[name][place + 1], got[name, place], n)
        for name, place, n in tx.execute(stopped)
        if place + 1 < len(known[name])
    ]
    return tuple(sorted(found, key=lambda one: (-one.n_stopped, one.programme, one.step))[:MOST_STOPS])


def steps_got(asked: Asked, known: Mapping[str, Sequence[str]]) -> Select[Any]:
    """Which steps of these programmes each person got since the month began, and whether in the month.

    known  by programme its steps in order; a step's place is its number, -1 for one that is none of them
    """
    events = mail_events.c
    places = [
        (and_(events.programme == name, events.step == step), place)
        for name, steps in known.items()
        for place, step in enumerate(steps)
    ]
    place = case(*places, else_=-1)
    was_now = func.max(case((events.day <= asked.to_day, 1), else_=0))
    return (
        select(events.programme, person_of().label("person"), place.label("place"), was_now.label("was_now"))
        .select_from(WITH_CONTACTS)
        .where(
            events.site_id == asked.site_id,
            events.day >= asked.from_day,
            events.kind == MailKind.DELIVERED.value,
            events.programme.in_(sorted(known)),
        )
        .group_by(events.programme, "person", "place")
    )


# --- how leads score ------------------------------------------------------------------------------------------------


def crm_scores(tx: Tx, contact_ids: Sequence[str], at: datetime) -> dict[str, int]:
    """The scores that the CRM had told of these contacts by then."""
    found: dict[str, int] = {}
    for some in chunks(contact_ids):
        for contact_id, fields in crm_says(tx, some, until=at).items():
            if isinstance(fields.get("score"), int):
                found[contact_id] = fields["score"]
    return found


def rule_scores(tx: Tx, site_id: int, contact_ids: Sequence[str], at: datetime) -> dict[str, int]:
    """The points that these contacts had then by the definition in force; none where it had no points to give."""
    versions, found = versions_in_force(tx, site_id), dict[str, int]()
    if not any(one.definition.points and one.from_at <= to_ms(at) for one in versions):
        return found
    for some in chunks(contact_ids):
        names = names_by(tx, some)
        records = {one: set(names.get(one, {}).values()) for one in some}
        for contact_id, told in facts_of(tx, site_id, records, kinds_asked(versions)).items():
            points, _ = Rules(versions, Scope.CONTACT, told.known_at, Facts(told.facts)).points_at(to_ms(at))
            if points is not None:
                found[contact_id] = points
    return found


def scores_then(tx: Tx, site_id: int, contact_ids: Sequence[str], at: datetime) -> Mapping[str, int]:
    """The scores of contacts at an instant: points by the definition in force then, else what the CRM had told."""
    points = rule_scores(tx, site_id, contact_ids, at)
    return points or crm_scores(tx, contact_ids, at)


def profiles_of(tx: Tx, asked: Asked, scores: Scores = scores_then) -> tuple[Profile, ...]:
    """The profiles of the month, of the month before and of the year before.

    scores  tells the scores at the end of a month
    """
    return tuple(
        profile_in(tx, asked, month, scores) for month in (asked.months[-1], asked.months[-2], asked.months[0])
    )


def profile_in(tx: Tx, asked: Asked, month: str, scores: Scores) -> Profile:
    """The leads opened in one month."""
    own = Asked(asked.site_id, asked.timezone, asked.currency, month)
    query = select(conversions.c.contact_id).where(
        conversions.c.site_id == asked.site_id,
        conversions.c.day.between(own.from_day, own.to_day),
        conversions.c.kind == "lead",
    )
    people = [one for one in tx.execute(query).scalars() if one]
    told = scores(tx, asked.site_id, people, end_of(own.to_day, asked.timezone))
    return Profile(month, len(people), profile_of(told.get(one) for one in people))


def end_of(day: str, timezone: str) -> datetime:
    """The last instant of a day in a zone."""
    after = datetime.combine(
        datetime.fromisoformat(parse_day(day)).date() + timedelta(1), time_of_day(), zone(timezone)
    )
    return after - timedelta(milliseconds=1)


# --- answers --------------------------------------------------------------------------------------------------------


def comments_of(tx: Tx, asked: Asked, most: int = MOST_COMMENTS) -> tuple[Comment, ...]:
    """The latest comments of the month, with whose address or invitation it was."""
    named = and_(
        identifiers.c.site_id == nps_answers.c.site_id,
        identifiers.c.kind == IdentifierKind.EMAIL.value,
        identifiers.c.value == nps_answers.c.email,
    )
    query = (
        select(nps_answers.c.day, nps_answers.c.score, nps_answers.c.comment)
        .add_columns(func.coalesce(nps_answers.c.contact_id, identifiers.c.contact_id, ""), nps_answers.c.email)
        .select_from(nps_answers.outerjoin(identifiers, named))
        .where(
            nps_answers.c.site_id == asked.site_id,
            nps_answers.c.day.between(asked.from_day, asked.to_day),
            nps_answers.c.comment != "",
        )
        .order_by(nps_answers.c.answered_at.desc(), nps_answers.c.answer_id)
        .limit(most)
    )
    return tuple(Comment(*row) for row in tx.execute(query))


# --- the rows behind ------------------------------------------------------------------------------------------------


def behind(tx: Tx, asked: Asked, metric: str) -> list[Behind]:
    """The rows behind one of WITH_ROWS, by day; raises Invalid for another."""
    if metric == "days_to_customer":
        return customers_behind(tx, asked)
    if metric == "upsell_share":
        return deals_behind(tx, asked)
    if metric not in WITH_ROWS:
        raise Invalid(f"no rows behind {metric[:40]!r}; use one of {', '.join(WITH_ROWS)}", field="metric")
    stages = stages_of(tx, asked.site_id)
    table, key = (company_changes, "domain") if metric == "company_churn" else (stage_changes, "contact_id")
    months = reopened_months if metric == "reopened_leads" else lost_months
    found = []
    for one, way in ways_back(tx, table, key, asked, stages):
        if asked.month in months(way, stages):
            day, before, stage = [change for change in way if change[0][:7] == asked.month][-1]
            found.append(Behind("company" if table is company_changes else "contact", one, day, None, before, stage))
    return named(tx, sorted(found, key=lambda row: (row.day, row.key)))


def customers_behind(tx: Tx, asked: Asked) -> list[Behind]:
    """The new customers of the month, with the days that each took; the fastest first."""
    query = select(conversions.c.contact_id, conversions.c.day, conversions.c.lead_day).where(
        conversions.c.site_id == asked.site_id,
        conversions.c.day.between(asked.from_day, asked.to_day),
        conversions.c.kind == "customer",
        conversions.c.lead_day.is_not(None),
    )
    rows = [Behind("contact", one, day, days=max(0, days_between(lead, day))) for one, day, lead in tx.execute(query)]
    return named(tx, sorted(rows, key=lambda row: (row.days or 0, row.day, row.key)))


def deals_behind(tx: Tx, asked: Asked) -> list[Behind]:
    """What upsell and cross-sell deals brought in the month."""
    query = (
        select(
            deals.c.reference, deal_entries.c.day, deals.c.name, deal_entries.c.amount_minor, deal_entries.c.currency
        )
        .join(deals, deals.c.deal_id == deal_entries.c.deal_id)
        .where(
            deal_entries.c.site_id == asked.site_id,
            deal_entries.c.day.between(asked.from_day, asked.to_day),
            deals.c.type.in_(UPSOLD),
        )
        .order_by(deal_entries.c.day, deals.c.reference, deal_entries.c.position)
    )
    return [
        Behind("deal", reference, day, name, amount_minor=amount, currency=currency)
        for reference, day, name, amount, currency in tx.execute(query)
    ]


def named(tx: Tx, rows: Sequence[Behind]) -> list[Behind]:
    """The rows with what people are called."""
    people = sorted({row.key for row in rows if row.kind == "contact"})
    names: dict[str, str | None] = {}
    for some in chunks(people):
        query = select(contacts.c.contact_id, func.coalesce(contacts.c.name, contacts.c.email))
        names |= {row[0]: row[1] for row in tx.execute(query.where(contacts.c.contact_id.in_(some)))}
    return [Behind(row.kind, row.key, row.day, names.get(row.key), row.before, row.stage, row.days) for row in rows]
