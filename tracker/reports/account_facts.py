"""What is read of target accounts: their people, their titles, their deals, their touches by week. Writes nothing.

Each is one statement over all accounts, however many they are, but for touches, which are read of those shown.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select

from tracker.access.sites import Site
from tracker.clock import zone
from tracker.companies.accounts import Account
from tracker.companies.roles import TITLES, Role, roles_in
from tracker.db.schema import (
    accounts,
    companies,
    company_changes,
    contacts,
    deal_contacts,
    deal_entries,
    deals,
    links,
    touchpoints,
)
from tracker.db.store import Tx
from tracker.db.writes import chunks
from tracker.reports.exchange import Exchange
from tracker.reports.keeping import engine_of
from tracker.reports.opportunity import NOTHING, Asked, Source, pipelines_of, source_of, stand
from tracker.reports.opportunity_credit import credited_of
from tracker.reports.opportunity_facts import ask_opportunities, read_ways, stages_told
from tracker.reports.opportunity_ways import NO_CHANCE

WEEKS = 12
MONTHS = 12


@dataclass(frozen=True, slots=True)
class Standing:
    """An account, and what is known of the company: its name as the CRM tells it, its stage and since when."""

    account: Account
    name: str | None
    stage: str | None
    stage_at: datetime | None


@dataclass(frozen=True, slots=True)
class People:
    """The people of a company: how many, how many of them have points; sums and the highest; their latest touch."""

    n: int = 0
    n_points: int = 0
    points: int | None = None
    top_points: int | None = None
    score: int | None = None
    top_score: int | None = None
    last_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DealOn:
    """The deals of accounts.

    of_domain  by account its deals
    expected   by open deal what it promises, in the site's currency; 0 where that cannot be said
    booked     by deal the sum of its ledger in that currency
    """

    of_domain: Mapping[str, frozenset[str]] = field(default_factory=dict)
    expected: Mapping[str, int] = field(default_factory=dict)
    booked: Mapping[str, int] = field(default_factory=dict)
    n_blind: int = 0
    unconverted: tuple[str, ...] = ()

    def since(self, today: str) -> str:
        """The first day of the weeks of engagement."""
        return first_day(today)


@dataclass(frozen=True, slots=True)
class Engaged:
    """Touches of an account's people by week, the oldest first; the last week ends today."""

    weeks: tuple[int, ...]

    @property
    def n(self) -> int:
        return sum(self.weeks)


def first_day(today: str) -> str:
    """The first day of the weeks that end today."""
    return (date.fromisoformat(today) - timedelta(days=7 * WEEKS - 1)).isoformat()


def read_accounts(tx: Tx, site_id: int) -> list[Standing]:
    """A site's accounts, by domain."""
    known = and_(companies.c.site_id == accounts.c.site_id, companies.c.domain == accounts.c.domain)
    query = (
        select(*accounts.c, companies.c.name.label("company_name"), companies.c.stage, companies.c.stage_at)
        .select_from(accounts.outerjoin(companies, known))
        .where(accounts.c.site_id == site_id)
        .order_by(accounts.c.domain)
    )
    return [
        Standing(
            Account(row["domain"], row["name"], row["tier"], row["owner"], row["added_by"], row["added_at"]),
            row["company_name"],
            row["stage"],
            row["stage_at"],
        )
        for row in tx.execute(query).mappings()
    ]


def people_of(tx: Tx, site_id: int) -> dict[str, People]:
    """By account its people."""
    row = contacts.c
    query = (
        select(
            row.company_domain,
            func.count(),
            func.count(row.points),
            func.sum(row.points),
            func.max(row.points),
            func.sum(row.score),
            func.max(row.score),
            func.max(row.last_at),
        )
        .join(accounts, and_(accounts.c.site_id == row.site_id, accounts.c.domain == row.company_domain))
        .where(accounts.c.site_id == site_id, row.site_id == site_id)
        .group_by(row.company_domain)
    )
    return {
        domain: People(n, n_points, number(points), top, number(score), top_score, last_at)
        for domain, n, n_points, points, top, score, top_score, last_at in tx.execute(query)
    }


def number(value: object) -> int | None:
    """A sum, which PostgreSQL gives as a decimal."""
    return None if value is None else int(str(value))


def titles() -> ColumnElement[str]:
    """What a contact is at their company, as the CRM tells it."""
    return func.coalesce(*(func.nullif(contacts.c.properties[name].as_string(), "") for name in TITLES))


def known_roles(tx: Tx, site_id: int, roles: Sequence[Role]) -> dict[str, frozenset[str]]:
    """By account the roles that its people's titles are of."""
    title = titles()
    query = (
        select(contacts.c.company_domain, title)
        .join(accounts, and_(accounts.c.site_id == contacts.c.site_id, accounts.c.domain == contacts.c.company_domain))
        .where(accounts.c.site_id == site_id, contacts.c.site_id == site_id, title.is_not(None))
        .distinct()
    )
    found: dict[str, frozenset[str]] = {}
    for domain, text in tx.execute(query):
        found[domain] = found.get(domain, frozenset()) | roles_in(str(text), roles)
    return found


def read_deals(tx: Tx, site: Site, today: str) -> DealOn:
    """The deals of a site's accounts, and what they promise and brought."""
    of_domain: dict[str, set[str]] = {}
    for query in deals_by_account(site.site_id):
        for domain, deal_id in tx.execute(query):
            of_domain.setdefault(domain, set()).add(deal_id)
    on = {deal_id for own in of_domain.values() for deal_id in own}
    if not on:
        return DealOn()
    asked = ask_opportunities(tx, {}, site, today)
    exchange = Exchange(asked.query.currency)
    promise = {deal_id: minor for deal_id, minor in promises(tx, asked, exchange) if deal_id in on}
    sums = (
        select(deal_entries.c.deal_id, func.sum(deal_entries.c.amount_minor))
        .where(deal_entries.c.site_id == site.site_id, deal_entries.c.currency == site.currency)
        .group_by(deal_entries.c.deal_id)
    )
    booked = {deal_id: int(total) for deal_id, total in tx.execute(sums) if deal_id in on}
    return DealOn(
        {domain: frozenset(own) for domain, own in of_domain.items()},
        {deal_id: minor or 0 for deal_id, minor in promise.items()},
        booked,
        sum(minor is None for minor in promise.values()),
        tuple(one.currency for one in exchange.unconverted),
    )


def deals_by_account(site_id: int) -> tuple[Select[Any], ...]:
    """Statements that give (domain, deal): of deals that name their company, and of those that only name people."""
    told = (
        select(accounts.c.domain, deals.c.deal_id)
        .join(deals, and_(deals.c.site_id == accounts.c.site_id, deals.c.company_domain == accounts.c.domain))
        .where(accounts.c.site_id == site_id)
    )
    by_people = (
        select(accounts.c.domain, deals.c.deal_id)
        .select_from(deals)
        .join(deal_contacts, deal_contacts.c.deal_id == deals.c.deal_id)
        .join(contacts, contacts.c.contact_id == deal_contacts.c.contact_id)
        .join(accounts, and_(accounts.c.site_id == contacts.c.site_id, accounts.c.domain == contacts.c.company_domain))
        .where(deals.c.site_id == site_id, deals.c.company_domain.is_(None), accounts.c.site_id == site_id)
        .distinct()
    )
    return told, by_people


def promises(tx: Tx, asked: Asked, exchange: Exchange) -> Iterable[tuple[str, int | None]]:
    """By deal that stands open at the end of the day: what it promises, as the Opportunity report counts it."""
    told = stages_told(tx, asked.query.site_id)
    ways = read_ways(tx, asked.query.site_id, asked.as_of)
    for pipeline in pipelines_of(ways, told):
        history = ways.history(pipeline.name, told.get(pipeline.name, ()))
        for way in history.open:
            chance = history.chances.get(way.stands.stage, NO_CHANCE)
            yield way.deal_id, stand(way, asked, exchange, chance, NOTHING).expected_minor


# --- by source ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SourceLine:
    """What the open deals of accounts promise by a source: by tier in their order, and in all."""

    source: Source
    tiers: tuple[int, ...]
    total_minor: int


def by_source(
    tx: Tx, asked: Asked, promised: Mapping[str, tuple[frozenset[str], int]], tiers: Sequence[str]
) -> list[SourceLine]:
    """The same shared over sources by what led to each deal's creation, the most promising first; it adds up."""
    if not promised:
        return []
    credited = credited_of(engine_of(tx), asked.query)
    deal_ids = sorted(promised)
    found: dict[int, dict[str | None, int]] = {}
    for place, code, minor in credited.shares(deal_ids, [promised[one][1] for one in deal_ids]):
        own = found.setdefault(code, {})
        for tier in (None, *promised[deal_ids[place]][0]):
            own[tier] = own.get(tier, 0) + minor
    lines = [
        SourceLine(source_of(code, credited.values), tuple(own.get(tier, 0) for tier in tiers), own[None])
        for code, own in found.items()
        if own[None]
    ]
    return sorted(lines, key=lambda one: (one.source.is_unattributed, -one.total_minor, one.source.value))


# --- over time ------------------------------------------------------------------------------------------------------


def engaged_of(tx: Tx, site: Site, domains: Sequence[str], today: str) -> dict[str, Engaged]:
    """Of each of these companies the touches of its people by week."""
    since = datetime.combine(date.fromisoformat(first_day(today)), time(), zone(site.timezone))
    found = {domain: [0] * WEEKS for domain in domains}
    seen, row = touchpoints.c, contacts.c
    held = and_(
        seen.visitor_no == links.c.visitor_no,
        seen.occurred_at >= since,
        or_(links.c.from_at.is_(None), seen.occurred_at >= links.c.from_at),
        or_(links.c.to_at.is_(None), seen.occurred_at < links.c.to_at),
    )
    for some in chunks(domains):
        own = (row.site_id == site.site_id, row.company_domain.in_(some))
        counted = select(row.company_domain, seen.day, func.count())
        visits = counted.join(links, links.c.contact_id == row.contact_id).join(touchpoints, held)
        others = counted.join(touchpoints, and_(seen.contact_id == row.contact_id, seen.occurred_at >= since))
        for query in (visits, others):
            for domain, day, n in tx.execute(query.where(*own).group_by(row.company_domain, seen.day)):
                week = WEEKS - 1 - (date.fromisoformat(today) - date.fromisoformat(day)).days // 7
                if 0 <= week < WEEKS:
                    found[domain][week] += n
    return {domain: Engaged(tuple(weeks)) for domain, weeks in found.items()}


@dataclass(frozen=True, slots=True)
class Months:
    """How many accounts came into each stage for the first time, month by month, the oldest first ('YYYY-MM')."""

    months: tuple[str, ...]
    stages: Mapping[str, tuple[int, ...]]


def months_of(tx: Tx, site_id: int, today: str) -> Months:
    """The accounts' ways through the stages, over the year that ends today."""
    last = int(today[:4]) * 12 + int(today[5:7]) - 1
    months = tuple(f"{n // 12:04d}-{n % 12 + 1:02d}" for n in range(last - MONTHS + 1, last + 1))
    row = company_changes.c
    query = (
        select(row.domain, row.stage, func.min(row.day))
        .join(accounts, and_(accounts.c.site_id == row.site_id, accounts.c.domain == row.domain))
        .where(row.site_id == site_id)
        .group_by(row.domain, row.stage)
    )
    found: dict[str, list[int]] = {}
    for _, stage, day in tx.execute(query):
        counts = found.setdefault(stage, [0] * MONTHS)
        if day[:7] in months:
            counts[months.index(day[:7])] += 1
    return Months(months, {stage: tuple(counts) for stage, counts in found.items()})
