"""What the scorecard reads, and the question it is asked. Writes nothing.

Counts are added up by the database, by month; only the ways of those who ever went back are read whole.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, case, exists, func, literal, or_, select

from tracker.access.sites import Site
from tracker.db.schema import (
    company_changes,
    contacts,
    conversions,
    costs,
    deal_entries,
    deals,
    mail_events,
    mail_programmes,
    nps_answers,
    stage_changes,
    targets,
)
from tracker.db.store import Tx
from tracker.errors import Invalid
from tracker.lifecycle.settled import stages_of
from tracker.lifecycle.stages import Stages
from tracker.reports.catalogue import COUNTED
from tracker.reports.exchange import Exchange
from tracker.reports.opportunity_ways import days_between
from tracker.reports.periods import month_start
from tracker.reports.query import given_in
from tracker.reports.scorecard import (
    Change,
    Facts,
    Mailed,
    Series,
    Stayed,
    Target,
    last_day,
    lost_months,
    months_until,
    reopened_months,
    series_of,
)
from tracker.reports.scorecard_metrics import METRIC
from tracker.reports.table import Note
from tracker.vocabulary import MailKind, Programme, Stage

PARAMETERS = ("month",)
MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
FIRST_YEAR = "1971"
FETCH = 5_000
KINDS = {COUNTED[key].value: key for key in ("new_leads", "mql", "sql", "customers")}


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose scorecard is wanted, of which month ('2026-04')."""

    site_id: int
    timezone: str
    currency: str | None
    month: str

    @property
    def months(self) -> tuple[str, ...]:
        """The thirteen months that are shown, the oldest first."""
        return months_until(self.month)

    @property
    def from_day(self) -> str:
        """The first day of the month."""
        return f"{self.month}-01"

    @property
    def to_day(self) -> str:
        """The last day of the month."""
        return last_day(self.month)


@dataclass(frozen=True, slots=True)
class Score:
    """The scorecard's figures.

    mails  what each programme did in the month; notes: what the amounts ask to be said
    """

    asked: Asked
    series: tuple[Series, ...]
    mails: tuple[Mailed, ...]
    labels: Mapping[str, str]
    notes: tuple[Note, ...]
    made_at: datetime

    @property
    def alerts(self) -> tuple[Series, ...]:
        """The figures that have left their usual band."""
        return tuple(one for one in self.series if one.alert)

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all is known of these months."""
        return all(point.value is None for one in self.series for point in one.points)

    def of(self, key: str) -> Series:
        """One figure."""
        return next(one for one in self.series if one.metric.key == key)


def ask_scorecard(args: Mapping[str, str], site: Site, today: str) -> Asked:
    """A question from a request's parameters (PARAMETERS); raises Invalid.

    today  the site's day now: the last whole month before it is the latest that can be asked for, and asked for by
           itself where none is given
    """
    latest = month_start(date.fromisoformat(today), 1).isoformat()[:7]
    month = str(given_in(args, PARAMETERS).get("month", latest))
    if not MONTH.fullmatch(month) or month < FIRST_YEAR:
        raise Invalid(f"{month[:40]!r} is not a month; write YYYY-MM", field="month")
    if month > latest:
        raise Invalid(f"{month} is not over yet; the last whole month is {latest}", field="month")
    return Asked(site.site_id, site.timezone, site.currency, month)


def read_scorecard(tx: Tx, asked: Asked, now: datetime) -> Score:
    """The figures of thirteen months."""
    exchange = Exchange(asked.currency)
    facts = facts_of(tx, asked, exchange)
    audiences = programmes_of(tx, asked.site_id)
    return Score(
        asked=asked,
        series=tuple(series_of(facts, asked.months, targets_of(tx, asked.site_id), asked.currency)),
        mails=tuple(one for one in facts.mails if one.month == asked.month),
        labels={name: label for name, (_, label, _) in audiences.items() if label},
        notes=tuple(notes_of(exchange)),
        made_at=now,
    )


def facts_of(tx: Tx, asked: Asked, exchange: Exchange) -> Facts:
    """All that the thirteen months hold."""
    stages = stages_of(tx, asked.site_id)
    ways = list(ways_back(tx, stage_changes, "contact_id", asked, stages))
    company_ways = list(ways_back(tx, company_changes, "domain", asked, stages))
    counts = counts_of(tx, asked)
    counts["reopened_leads"] = tally(reopened_months(way, stages) for _, way in ways)
    paid, earned = costs_of(tx, asked, exchange), revenue_of(tx, asked, exchange)
    sums = {
        **counts,
        "cost": paid,
        "revenue": {month: 1 for month, _ in earned},
        "reopened_leads": changed_in(tx, asked),
    }
    return Facts(
        counts=counts,
        since=since_of(tx, asked, sums),
        costs=paid,
        revenue=earned,
        days=days_of(tx, asked),
        people=stayed_of(tx, stage_changes, asked, stages, [way for _, way in ways]),
        companies=stayed_of(tx, company_changes, asked, stages, [way for _, way in company_ways]),
        mails=mails_of(tx, asked),
        answers=answers_of(tx, asked),
    )


def tally(found: Iterable[Iterable[str]]) -> dict[str, int]:
    """How often each month is named."""
    counted: dict[str, int] = {}
    for months in found:
        for month in months:
            counted[month] = counted.get(month, 0) + 1
    return counted


def in_months(table: Table, asked: Asked) -> ColumnElement[bool]:
    """That a row is of the site and of the thirteen months."""
    return and_(table.c.site_id == asked.site_id, table.c.day.between(f"{asked.months[0]}-01", asked.to_day))


def month_of(table: Table) -> ColumnElement[str]:
    """The month of a row's day."""
    return func.substr(table.c.day, 1, 7)


# --- counts ---------------------------------------------------------------------------------------------------------


def counts_of(tx: Tx, asked: Asked) -> dict[str, dict[str, int]]:
    """New leads, MQL, SQL and customers by month."""
    month = month_of(conversions).label("month")
    query = select(conversions.c.kind, month, func.sum(conversions.c.n)).where(
        in_months(conversions, asked), conversions.c.kind.in_(KINDS)
    )
    found: dict[str, dict[str, int]] = {key: {} for key in KINDS.values()}
    for kind, own, n in tx.execute(query.group_by(conversions.c.kind, month)):
        found[KINDS[kind]][own] = int(n)
    return found


def changed_in(tx: Tx, asked: Asked) -> dict[str, int]:
    """The months with a change of stage, and how many there are."""
    month = month_of(stage_changes).label("month")
    query = select(month, func.count()).where(in_months(stage_changes, asked)).group_by(month)
    return {str(own): int(n) for own, n in tx.execute(query)}


def since_of(tx: Tx, asked: Asked, found: Mapping[str, Mapping[str, int]]) -> dict[str, str]:
    """Per figure the month of its first fact, or the first of the thirteen where there is an earlier one.

    found  by figure the months of the thirteen in which it has facts
    """
    first = f"{asked.months[0]}-01"

    def earlier(table: Table, *more: ColumnElement[bool]) -> ColumnElement[bool]:
        return exists().where(table.c.site_id == asked.site_id, table.c.day < first, *more)

    asked_for = {key: earlier(conversions, conversions.c.kind == kind) for kind, key in KINDS.items()}
    asked_for |= {
        "reopened_leads": earlier(stage_changes),
        "cost": earlier(costs),
        "revenue": earlier(deal_entries),
    }
    answers = tx.execute(select(*(one.label(key) for key, one in asked_for.items()))).mappings().one()
    since = {key: asked.months[0] for key, is_older in answers.items() if is_older}
    return {key: min(months) for key, months in found.items() if months} | since


def days_of(tx: Tx, asked: Asked) -> dict[str, list[int]]:
    """By month the days that each new customer took since they became a lead."""
    query = (
        select(conversions.c.day, conversions.c.lead_day, func.count())
        .where(in_months(conversions, asked), conversions.c.kind == "customer", conversions.c.lead_day.is_not(None))
        .group_by(conversions.c.day, conversions.c.lead_day)
    )
    found: dict[str, list[int]] = {}
    for day, lead_day, n in tx.execute(query):
        found.setdefault(day[:7], []).extend([max(0, days_between(lead_day, day))] * n)
    return found


# --- money ----------------------------------------------------------------------------------------------------------


def costs_of(tx: Tx, asked: Asked, exchange: Exchange) -> dict[str, int]:
    """All costs by month, in the site's currency."""
    found: dict[str, int] = {}
    for _, month, day, currency, amount in amounts_of(tx, costs, asked, literal("")):
        converted = exchange.convert(amount, currency, day)
        if converted is None:
            exchange.leave_out(currency, cost_minor=amount)
        else:
            found[month] = found.get(month, 0) + converted
    return found


def revenue_of(tx: Tx, asked: Asked, exchange: Exchange) -> dict[tuple[str, str], int]:
    """The ledgers' entries by month and type of their deal, in the site's currency."""
    found: dict[tuple[str, str], int] = {}
    for kind, month, day, currency, amount in amounts_of(tx, deal_entries, asked, deals.c.type):
        converted = exchange.convert(amount, currency, day)
        if converted is None:
            exchange.leave_out(currency, revenue_minor=amount)
        else:
            found[month, kind] = found.get((month, kind), 0) + converted
    return found


def amounts_of(
    tx: Tx, table: Table, asked: Asked, split: ColumnElement[Any]
) -> Iterator[tuple[str, str, str, str, int]]:
    """Amounts as (split, month, day, currency, minor units): the site's currency added up by month, others alone."""
    month, own = month_of(table).label("month"), split.label("own")
    whole = table.c.currency == (asked.currency or "")
    of_deal = table is deal_entries
    summed = select(own, month, func.min(table.c.day), table.c.currency, func.sum(table.c.amount_minor))
    single = select(own, month, table.c.day, table.c.currency, table.c.amount_minor)
    if of_deal:
        summed, single = (one.join(deals, deals.c.deal_id == table.c.deal_id) for one in (summed, single))
    summed = summed.where(in_months(table, asked), whole).group_by(own, month, table.c.currency)
    for kind, of_month, day, currency, amount in [
        *tx.execute(summed),
        *tx.execute(single.where(in_months(table, asked), ~whole)),
    ]:
        yield kind, of_month, day, currency, int(amount)


def notes_of(exchange: Exchange) -> Iterator[Note]:
    """What the currencies ask to be said."""
    if exchange.currency is None:
        yield Note("no_currency")
    elif exchange.unconverted:
        yield Note("unconverted", (("currencies", ", ".join(one.currency for one in exchange.unconverted)),))
    if exchange.has_late_rates:
        yield Note("late_rates", (("last_day", exchange.last_day),))


# --- stages ---------------------------------------------------------------------------------------------------------


def ways_back(tx: Tx, table: Table, key: str, asked: Asked, stages: Stages) -> Iterator[tuple[str, list[Change]]]:
    """The whole ways, up to the month's end, of those who were ever taken out of the way forward.

    table, key  stage_changes by contact_id, or company_changes by domain
    """
    whose = table.c[key]
    gone = select(whose).where(table.c.site_id == asked.site_id, table.c.day <= asked.to_day, went_back(table, stages))
    query = (
        select(whose, table.c.day, table.c.stage_before, table.c.stage)
        .where(table.c.site_id == asked.site_id, table.c.day <= asked.to_day, whose.in_(gone))
        .order_by(whose, table.c.position)
    )
    rows = (row for some in tx.execute(query).partitions(FETCH) for row in some)
    for one, own in groupby(rows, key=lambda row: row[0]):
        yield one, [(day, before, stage) for _, day, before, stage in own]


def went_back(table: Table, stages: Stages) -> ColumnElement[bool]:
    """The same as scorecard.is_away, asked of a row."""
    before, stage = table.c.stage_before, table.c.stage
    on_the_way = [name for name in stages.names if name != Stage.OTHER]
    ranks = {name: place for place, name in enumerate(stages.names)}
    placed = [case(ranks, value=column, else_=len(ranks)) for column in (stage, before)]
    return or_(stage.not_in(on_the_way), and_(before.in_(on_the_way), placed[0] < placed[1]))


def stayed_of(
    tx: Tx, table: Table, asked: Asked, stages: Stages, ways: Sequence[Sequence[Change]]
) -> dict[str, Stayed]:
    """By month how many customers there were when it began, and how many of them were lost in it."""
    customers = sorted(stages.beyond_a_win)
    is_one, was_one = table.c.stage.in_(customers), func.coalesce(table.c.stage_before, "").in_(customers)
    month = month_of(table).label("month")
    moved = func.sum(case((and_(is_one, ~was_one), 1), (and_(was_one, ~is_one), -1), else_=0))
    query = select(month, moved).where(
        table.c.site_id == asked.site_id, table.c.day <= asked.to_day, or_(is_one, was_one)
    )
    more = {own: int(n) for own, n in tx.execute(query.group_by(month))}
    lost = tally(lost_months(way, stages) for way in ways)
    return {
        own: Stayed(sum(n for earlier, n in more.items() if earlier < own), lost.get(own, 0)) for own in asked.months
    }


# --- mails and answers ----------------------------------------------------------------------------------------------


def programmes_of(tx: Tx, site_id: int) -> dict[str, tuple[Programme, str, tuple[str, ...]]]:
    """By programme: whom it is for, what it is called ('' for its own name), its steps in order."""
    query = select(mail_programmes).where(mail_programmes.c.site_id == site_id)
    return {
        row["programme"]: (Programme(row["audience"]), row["label"] or "", tuple(row["steps"]))
        for row in tx.execute(query).mappings()
    }


def person_of() -> ColumnElement[str]:
    """Whose mail an event is about: an address, or the contact's id; needs the contacts joined."""
    return case(
        (mail_events.c.email != "", mail_events.c.email),
        else_=func.coalesce(contacts.c.email, mail_events.c.contact_id),
    )


WITH_CONTACTS = mail_events.outerjoin(
    contacts, and_(mail_events.c.email == "", contacts.c.contact_id == mail_events.c.contact_id)
)


def mails_of(tx: Tx, asked: Asked) -> list[Mailed]:
    """By month and programme: how many different people a mail reached, how many of them opened, how many clicked."""
    month, kind = month_of(mail_events), mail_events.c.kind
    by_people = and_(kind == MailKind.OPEN.value, mail_events.c.is_machine.is_(False))
    did = {
        "reached": kind == MailKind.DELIVERED.value,
        "opened": by_people,
        "clicked": kind == MailKind.CLICK.value,
    }
    each = (
        select(
            month.label("month"),
            mail_events.c.programme,
            person_of().label("person"),
            *(func.max(case((one, 1), else_=0)).label(name) for name, one in did.items()),
        )
        .select_from(WITH_CONTACTS)
        .where(in_months(mail_events, asked), kind.in_([MailKind.DELIVERED, MailKind.OPEN, MailKind.CLICK]))
        .group_by("month", mail_events.c.programme, "person")
        .subquery()
    )
    sums = [func.sum(each.c.reached), *(func.sum(each.c.reached * each.c[name]) for name in ("opened", "clicked"))]
    query = (
        select(each.c.month, each.c.programme, *sums)
        .where(each.c.person.is_not(None))
        .group_by(each.c.month, each.c.programme)
        .order_by(each.c.month, each.c.programme)
    )
    known = programmes_of(tx, asked.site_id)
    return [
        Mailed(own, name, known[name][0] if name in known else Programme.NURTURE, *map(int, numbers))
        for own, name, *numbers in tx.execute(query)
    ]


def answers_of(tx: Tx, asked: Asked) -> dict[str, list[int]]:
    """By month the scores that were given, the latest of each person; who is not named counts each time."""
    found: dict[tuple[str, str], int] = {}
    query = (
        select(nps_answers.c.day, nps_answers.c.email, nps_answers.c.contact_id, nps_answers.c.answer_id)
        .add_columns(func.coalesce(contacts.c.email, ""), nps_answers.c.score)
        .select_from(nps_answers.outerjoin(contacts, contacts.c.contact_id == nps_answers.c.contact_id))
        .where(in_months(nps_answers, asked))
        .order_by(nps_answers.c.answered_at, nps_answers.c.received_at, nps_answers.c.answer_id)
    )
    for day, email, contact_id, answer_id, known_as, score in tx.execute(query):
        found[day[:7], email or known_as or contact_id or answer_id] = score
    answers: dict[str, list[int]] = {}
    for (month, _), score in found.items():
        answers.setdefault(month, []).append(score)
    return answers


# --- targets --------------------------------------------------------------------------------------------------------


def targets_of(tx: Tx, site_id: int) -> list[Target]:
    """A site's targets, by figure and month."""
    query = select(targets.c.metric, targets.c.from_month, targets.c.value).where(targets.c.site_id == site_id)
    rows = tx.execute(query.order_by(targets.c.metric, targets.c.from_month))
    return [Target(*row) for row in rows if row[0] in METRIC]
