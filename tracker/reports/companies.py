"""The companies of a site's people and deals, by their domains: who and what is there, and what they brought.

A company is a domain (of its people's addresses, or as a CRM told it); free-mail domains are none. A deal is of the
company that the CRM names on it, else of those of its people. Amounts are in the site's currency; what is in others is
given on the company itself. Called by the pages, by the API, and for files.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Label, Select, Subquery, and_, case, exists, func, or_, select, union, union_all

from tracker.access.sites import Site
from tracker.clock import to_ms
from tracker.db.schema import accounts, companies, contacts, deal_contacts, deal_entries, deals
from tracker.db.store import Tx
from tracker.db.writes import chunks, holds
from tracker.errors import Invalid, NotFound
from tracker.lifecycle.settled import stages_of as stages_of_site
from tracker.lifecycle.stages import Stages
from tracker.reports.catalogue import message
from tracker.reports.sheet import CellKind, CellValue, Sheet, SheetColumn
from tracker.vocabulary import DealStatus

MOST_OFFSET = 10_000_000
FEW = 2_000
MOST_IN_FILE = 50_000


class CompanyOrder(StrEnum):
    """What a list of companies begins with: the latest touch, the most people, open amount, revenue."""

    LAST = "last"
    PEOPLE = "people"
    OPEN = "open"
    REVENUE = "revenue"


@dataclass(frozen=True, slots=True)
class Company:
    """One company.

    name        as the CRM calls it, else as most of its people's records do; None where none does
    stages      (stage, people), in the order of the life cycle
    open_minor, revenue_minor  in the site's currency: amounts of open deals, sums of all ledgers
    """

    domain: str
    name: str | None
    n_people: int
    stages: tuple[tuple[str, int], ...]
    n_deals: int
    open_minor: int
    revenue_minor: int
    first_at: datetime | None
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class Companies:
    """A page of companies, and how many there are."""

    companies: tuple[Company, ...]
    n: int


def company_order(text: str) -> CompanyOrder:
    """An order by its word; '' is the latest touch first; raises Invalid."""
    if text and text not in set(CompanyOrder):
        raise Invalid(f"{text[:40]!r} is no order; take one of {', '.join(CompanyOrder)}", field="sort")
    return CompanyOrder(text or CompanyOrder.LAST)


def list_companies(tx: Tx, site: Site, search: str, order: CompanyOrder, offset: int, limit: int) -> Companies:
    """Some companies, whose domain or name holds the search text; those without what is sorted by come last."""
    offset = min(offset, MOST_OFFSET)
    few = few_of(tx, site, search) if search.strip() else None
    if few is not None:
        found = sorted(companies_of(tx, site, few, with_names=False), key=lambda one: standing(one, order))
        domains = [one.domain for one in found[offset : offset + limit]]
        return Companies(tuple(companies_of(tx, site, domains)), len(few))
    given = people_given(tx, site, search)
    n_people = int(tx.execute(select(func.count(contacts.c.company_domain.distinct())).where(*given)).scalar_one())
    n_alone = int(tx.execute(select(func.count()).select_from(of_deals_alone(tx, site, search))).scalar_one())
    domains = domains_by(tx, site, search, order, offset, limit)
    return Companies(tuple(companies_of(tx, site, domains)), n_people + n_alone)


def domains_by(tx: Tx, site: Site, search: str, order: CompanyOrder, offset: int, limit: int) -> list[str]:
    """A page of companies in an order: those that have what is sorted by, then the others by domain."""
    if order in (CompanyOrder.LAST, CompanyOrder.PEOPLE):
        first = people_by_company(tx, site, search)
        by = first.c.last_at if order is CompanyOrder.LAST else first.c.n_people
        rest = of_deals_alone(tx, site, search)
    else:
        first = deals_summed(tx, site, search)
        by = first.c.open_minor if order is CompanyOrder.OPEN else first.c.revenue_minor
        rest = (
            select(contacts.c.company_domain.label("domain"))
            .where(*people_given(tx, site, search), contacts.c.company_domain.not_in(select(first.c.domain)))
            .union(told_alone(tx, site, search).where(companies.c.domain.not_in(select(first.c.domain))))
            .subquery()
        )
    chosen = select(first.c.domain).order_by(by.desc().nulls_last(), first.c.domain).offset(offset).limit(limit)
    domains = list(tx.execute(chosen).scalars())
    if len(domains) < limit:
        n_first = int(tx.execute(select(func.count()).select_from(first)).scalar_one())
        others = select(rest.c.domain).order_by(rest.c.domain).offset(max(0, offset - n_first))
        domains += tx.execute(others.limit(limit - len(domains))).scalars()
    return domains


def few_of(tx: Tx, site: Site, search: str) -> list[str] | None:
    """The companies that a text names; None where they are more than FEW, to be found by reading all in order."""
    text, row = search.strip().lower(), contacts.c
    # Added to nothing, so that the table is read as it lies and not by an index that begins with the site.
    is_named = or_(holds(tx, row.company_domain, text), holds(tx, row.company_name, text))
    of_people = select(row.company_domain).where(
        row.site_id + 0 == site.site_id, row.company_domain.is_not(None), is_named
    )
    told = select(deals.c.company_domain).where(
        deals.c.site_id == site.site_id, holds(tx, deals.c.company_domain, text)
    )
    by_crm = select(companies.c.domain).where(
        companies.c.site_id == site.site_id, or_(holds(tx, companies.c.domain, text), holds(tx, companies.c.name, text))
    )
    found = list(tx.execute(union(of_people, told, by_crm).limit(FEW + 1)).scalars())
    return None if len(found) > FEW else found


def standing(one: Company, order: CompanyOrder) -> tuple[bool, float, str]:
    """What companies are sorted by in an order, lowest first."""
    value: float | None = {
        CompanyOrder.LAST: to_ms(one.last_at) if one.last_at else None,
        CompanyOrder.PEOPLE: one.n_people or None,
        CompanyOrder.OPEN: one.open_minor if one.n_deals else None,
        CompanyOrder.REVENUE: one.revenue_minor if one.n_deals else None,
    }[order]
    return value is None, -(value or 0), one.domain


def of_deals_alone(tx: Tx, site: Site, search: str) -> Subquery:
    """The companies that deals name, or that a CRM told of, and nobody is of."""
    domain = deals.c.company_domain
    nobody = ~exists().where(contacts.c.site_id == site.site_id, contacts.c.company_domain == domain)
    query = select(domain.label("domain")).where(deals.c.site_id == site.site_id, domain.is_not(None), nobody)
    if search.strip():
        query = query.where(named(tx, site, search, domain))
    return query.union(told_alone(tx, site, search)).subquery()


def told_alone(tx: Tx, site: Site, search: str) -> Select[Any]:
    """The companies that a CRM told of and nobody is of."""
    domain = companies.c.domain
    nobody = ~exists().where(contacts.c.site_id == site.site_id, contacts.c.company_domain == domain)
    query = select(domain.label("domain")).where(companies.c.site_id == site.site_id, nobody)
    return query.where(named(tx, site, search, domain)) if search.strip() else query


def people_given(tx: Tx, site: Site, search: str) -> list[ColumnElement[bool]]:
    """What the rows are of people whose companies a text names."""
    given = [contacts.c.site_id == site.site_id, contacts.c.company_domain.is_not(None)]
    return [*given, named(tx, site, search, contacts.c.company_domain)] if search.strip() else given


def read_company(tx: Tx, site: Site, domain: str) -> Company:
    """One company; raises NotFound where nobody and no deal is of this domain and nobody told of it."""
    found = companies_of(tx, site, [domain])
    if not found[0].n_people and not found[0].n_deals and not is_told(tx, site, domain):
        raise NotFound(f"no company {domain[:80]!r}")
    return found[0]


def is_told(tx: Tx, site: Site, domain: str) -> bool:
    """Whether a CRM told of a company, or a user named it as a target account."""
    told = (
        select(table.c.domain).where(table.c.site_id == site.site_id, table.c.domain == domain)
        for table in (companies, accounts)
    )
    return any(tx.execute(query).first() is not None for query in told)


def people_by_company(tx: Tx, site: Site, search: str, domains: Sequence[str] | None = None) -> Subquery:
    """The companies of people: how many they are, their first and their latest touch."""
    row = contacts.c
    given = [*people_given(tx, site, search), *of_these(row.company_domain, domains)]
    columns: list[Label[Any]] = [
        row.company_domain.label("domain"),
        func.count().label("n_people"),
        func.max(row.last_at).label("last_at"),
    ]
    if domains is not None:  # it stands in no index
        columns.append(func.min(row.first_at).label("first_at"))
    return select(*columns).where(*given).group_by(row.company_domain).subquery()


def deals_summed(tx: Tx, site: Site, search: str) -> Subquery:
    """The companies of deals: how many these are, and their amounts."""
    own = deals_by_company(site)
    query = select(
        own.c.domain,
        func.count().label("n_deals"),
        func.sum(own.c.open_minor).label("open_minor"),
        func.sum(own.c.revenue_minor).label("revenue_minor"),
    )
    if search.strip():
        query = query.where(named(tx, site, search, own.c.domain))
    return query.group_by(own.c.domain).subquery()


def of_these(column: ColumnElement[Any], domains: Sequence[str] | None) -> list[ColumnElement[bool]]:
    """That a column holds one of these domains; nothing for None."""
    return [] if domains is None else [column.in_(domains)]


def named(tx: Tx, site: Site, search: str, domain: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a text is in a company's domain or in one of its names."""
    text, row = search.strip().lower(), contacts.c
    by_name = select(row.company_domain).where(
        row.site_id == site.site_id, row.company_domain.is_not(None), holds(tx, row.company_name, text)
    )
    by_crm = select(companies.c.domain).where(companies.c.site_id == site.site_id, holds(tx, companies.c.name, text))
    return or_(holds(tx, domain, text), domain.in_(by_name), domain.in_(by_crm))


def deals_by_company(site: Site) -> Subquery:
    """(domain, deal, open and booked amounts): a deal without a company is of each one that its people are of."""
    columns = (deals.c.deal_id, deals.c.status, deals.c.currency, deals.c.amount_minor)
    told = select(deals.c.company_domain.label("domain"), *columns).where(
        deals.c.site_id == site.site_id, deals.c.company_domain.is_not(None)
    )
    by_people = (
        select(contacts.c.company_domain.label("domain"), *columns)
        .join(deal_contacts, deal_contacts.c.contact_id == contacts.c.contact_id)
        .join(deals, deals.c.deal_id == deal_contacts.c.deal_id)
        .where(
            deals.c.site_id == site.site_id, deals.c.company_domain.is_(None), contacts.c.company_domain.is_not(None)
        )
        .distinct()
    )
    whose = union_all(told, by_people).subquery()
    booked = (
        select(func.sum(deal_entries.c.amount_minor))
        .where(deal_entries.c.deal_id == whose.c.deal_id, deal_entries.c.currency == site.currency)
        .scalar_subquery()
    )
    is_open = and_(whose.c.status == DealStatus.OPEN.value, whose.c.currency == site.currency)
    return select(
        whose.c.domain,
        whose.c.deal_id,
        case((is_open, whose.c.amount_minor), else_=0).label("open_minor"),
        func.coalesce(booked, 0).label("revenue_minor"),
    ).subquery()


def deals_named(tx: Tx, site: Site, domains: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The same of some companies: per domain the rows of its deals by their ids.

    Step by step: in one statement SQLite would begin with all deals that name no company.
    """
    found: dict[str, dict[str, Any]] = {}
    for some in chunks(domains):
        told = select(deals).where(deals.c.site_id == site.site_id, deals.c.company_domain.in_(some))
        for row in tx.execute(told):
            found.setdefault(row.company_domain, {})[row.deal_id] = row
        people = select(contacts.c.contact_id, contacts.c.company_domain).where(
            contacts.c.site_id == site.site_id, contacts.c.company_domain.in_(some)
        )
        domain_of: dict[str, str] = {row.contact_id: row.company_domain for row in tx.execute(people)}
        whose: dict[str, set[str]] = {}
        for ids in chunks(domain_of):
            named_on = select(deal_contacts.c.deal_id, deal_contacts.c.contact_id)
            for deal_id, contact_id in tx.execute(named_on.where(deal_contacts.c.contact_id.in_(ids))):
                whose.setdefault(deal_id, set()).add(domain_of[contact_id])
        for ids in chunks(whose):
            for row in tx.execute(select(deals).where(deals.c.deal_id.in_(ids))):
                if row.company_domain is None:
                    for domain in whose[row.deal_id]:
                        found.setdefault(domain, {})[row.deal_id] = row
    return found


def booked_on(tx: Tx, deal_ids: Iterable[str], currency: str | None) -> dict[str, int]:
    """Per deal the sum of its ledger in a currency."""
    found: dict[str, int] = {}
    for some in chunks(deal_ids):
        query = (
            select(deal_entries.c.deal_id, func.sum(deal_entries.c.amount_minor))
            .where(deal_entries.c.deal_id.in_(some), deal_entries.c.currency == currency)
            .group_by(deal_entries.c.deal_id)
        )
        found |= {deal_id: int(total) for deal_id, total in tx.execute(query)}
    return found


def companies_of(tx: Tx, site: Site, domains: Sequence[str], *, with_names: bool = True) -> list[Company]:
    """The companies of these domains, in this order; or only their figures."""
    shown = domains if with_names else ()
    names, stages = names_of(tx, site, shown), stages_of(tx, site, shown)
    people: dict[str, Any] = {}
    for some in chunks(domains):
        people |= {row.domain: row for row in tx.execute(select(people_by_company(tx, site, "", some)))}
    own_deals = deals_named(tx, site, domains)
    booked = booked_on(tx, {deal_id for own in own_deals.values() for deal_id in own}, site.currency)
    found = []
    for domain in domains:
        own, on = people.get(domain), own_deals.get(domain, {})
        open_ones = [
            one.amount_minor
            for one in on.values()
            if one.status == DealStatus.OPEN.value and one.currency == site.currency
        ]
        found.append(
            Company(
                domain=domain,
                name=names.get(domain),
                n_people=int(own.n_people) if own else 0,
                stages=stages.get(domain, ()),
                n_deals=len(on),
                open_minor=sum(open_ones),
                revenue_minor=sum(booked.get(deal_id, 0) for deal_id in on),
                first_at=own.first_at if own else None,
                last_at=own.last_at if own else None,
            )
        )
    return found


def names_of(tx: Tx, site: Site, domains: Sequence[str]) -> dict[str, str]:
    """Per company the name that the CRM gave it, else the one that most of its people have; of several the first."""
    row, found = contacts.c, dict[str, tuple[int, str]]()
    for some in chunks(domains):
        query = (
            select(row.company_domain, row.company_name, func.count())
            .where(row.site_id == site.site_id, row.company_domain.in_(some), row.company_name.is_not(None))
            .group_by(row.company_domain, row.company_name)
        )
        for domain, name, n in tx.execute(query):
            found[domain] = min((-int(n), name), found.get(domain, (0, "")))
        told = select(companies.c.domain, companies.c.name).where(
            companies.c.site_id == site.site_id, companies.c.domain.in_(some), companies.c.name.is_not(None)
        )
        found |= {domain: (0, name) for domain, name in tx.execute(told)}
    return {domain: name for domain, (_, name) in found.items()}


def stages_of(tx: Tx, site: Site, domains: Sequence[str]) -> dict[str, tuple[tuple[str, int], ...]]:
    """Per company how many of its people are in each stage, in the site's order."""
    if not domains:
        return {}
    row, found, stages = contacts.c, dict[str, dict[str, int]](), stages_of_site(tx, site.site_id)
    for some in chunks(domains):
        query = (
            select(row.company_domain, row.stage, func.count())
            .where(row.site_id == site.site_id, row.company_domain.in_(some), row.stage.is_not(None))
            .group_by(row.company_domain, row.stage)
        )
        for domain, stage, n in tx.execute(query):
            found.setdefault(domain, {})[stage] = int(n)
    return {
        domain: tuple(sorted(own.items(), key=lambda one: (stages.rank(one[0]), one[0])))
        for domain, own in found.items()
    }


def all_companies(tx: Tx, site: Site, search: str, order: CompanyOrder, most: int) -> Iterator[Company]:
    """These companies in their order, at most so many."""
    yield from list_companies(tx, site, search, order, 0, most).companies


# --- as a file ------------------------------------------------------------------------------------------------------


def companies_sheet(
    rows: Iterable[Company], site: Site, stages: Stages, translate: Callable[[str], str] = str
) -> Sheet:
    """Companies as a table, with a column for each of the site's stages."""
    amount = site.currency or ""
    stage = translate(message("Stage"))
    columns = [
        SheetColumn(translate(message("Company")), key="name"),
        SheetColumn(translate(message("Company’s domain")), key="domain"),
        SheetColumn(translate(message("People")), CellKind.COUNT, "people"),
        *(SheetColumn(f"{stage}: {name}", CellKind.COUNT, name) for name in stages.names),
        SheetColumn(translate(message("Deals")), CellKind.COUNT, "deals"),
        SheetColumn(translate(message("Open amount")), CellKind.MONEY, "open", currency=amount),
        SheetColumn(translate(message("Revenue")), CellKind.MONEY, "revenue", currency=amount),
        SheetColumn(translate(message("First touch")), CellKind.INSTANT, "first_at"),
        SheetColumn(translate(message("Latest touch")), CellKind.INSTANT, "last_at"),
    ]
    return Sheet(translate(message("Companies")), columns, [list(cells_of(one, stages)) for one in rows])


def cells_of(one: Company, of: Stages) -> Iterator[CellValue]:
    """One company's cells."""
    stages = dict(one.stages)
    yield from (one.name, one.domain, one.n_people)
    yield from (stages.get(stage, 0) for stage in of.names)
    yield one.n_deals
    yield from (one.open_minor, one.revenue_minor) if one.n_deals else (None, None)
    yield from (one.first_at, one.last_at)
