"""The companies of people and deals, for programs: found and ordered as on the page, and as a file."""

from dataclasses import replace
from typing import Literal

from flask import Response
from pydantic import Field

from api.context import here
from api.trust import token_site
from api.v1.contract import operation
from api.v1.fields import CONTROL, At, Out
from api.v1.files import as_file
from api.v1.paging import PageArgs, PageOut, cursor_of, key_of
from tracker.access.sites import Site
from tracker.clock import format_instant, local_day
from tracker.db.store import reading
from tracker.errors import Invalid
from tracker.lifecycle.settled import stages_of
from tracker.money import plain
from tracker.reports.companies import (
    MOST_IN_FILE,
    MOST_OFFSET,
    Company,
    CompanyOrder,
    all_companies,
    companies_sheet,
    list_companies,
)
from tracker.reports.sheet import to_csv, to_xlsx

LIST = "companies"
OrderWord = Literal["last", "people", "open", "revenue"]
FormatWord = Literal["json", "csv", "xlsx"]


class CompaniesArgs(PageArgs):
    """Which companies, in what order, and as what."""

    q: str | None = Field(
        None, max_length=200, pattern=CONTROL, description="A part of the domain or of the name.", examples=["kyoto"]
    )
    sort: OrderWord = Field(
        "last",
        description="What the list begins with: the latest touch, the most people, open amount, revenue.",
        examples=["revenue"],
    )
    format: FormatWord = Field(
        "json",
        description=f"csv or xlsx: the whole list as a file, at most {MOST_IN_FILE:,} companies, without pages.",
        examples=["json"],
    )


class CompanyOut(Out):
    """A company: the domain that people and deals are of."""

    domain: str = Field(description="The domain of its people's addresses, or as a CRM told.", examples=["acme.co.jp"])
    name: str | None = Field(description="What most of its people's records call it.", examples=["Acme K.K."])
    people: int = Field(description="How many people are of it.", examples=[12])
    stages: dict[str, int] = Field(
        description="How many of them are in each stage of the life cycle; stages without anybody are left out.",
        examples=[{"lead": 9, "customer": 3}],
    )
    deals: int = Field(description="How many deals are of it, or of its people.", examples=[2])
    open_amount: str | None = Field(
        description="Amounts of its open deals in the site's currency; null without a deal.", examples=["1500.00"]
    )
    open_amount_minor: int | None = Field(description="The same in minor units.", examples=[150000])
    revenue: str | None = Field(
        description="What its deals have booked in the site's currency; null without a deal.", examples=["900.00"]
    )
    revenue_minor: int | None = Field(description="The same in minor units.", examples=[90000])
    currency: str | None = Field(description="ISO 4217; the site's.", examples=["EUR"])
    first_at: At | None = Field(description="The first touch of its people.")
    last_at: At | None = Field(description="Their latest touch.")


class CompaniesOut(PageOut):
    """Companies in the order asked for."""

    n_companies: int = Field(description="How many there are in all.", examples=[40])
    data: list[CompanyOut] = Field(description="The rows.")


@operation(
    "GET",
    "/companies",
    tag="Contacts",
    args=CompaniesArgs,
    gives=CompaniesOut,
    csv=True,
    xlsx=True,
    sample="/companies?q=kyoto&sort=revenue",
)
def get_companies(args: CompaniesArgs) -> CompaniesOut | Response:
    """Find companies by a part of their domain or name, or list all.

    Amounts are in the site's currency; deals in others are counted. Companies without what is sorted by come last. A
    cursor is a place in the order: what changes in the order between two pages may come twice or not at all.
    """
    site, order, search = token_site(), CompanyOrder(args.sort), args.q or ""
    if args.format != "json":
        return whole_file(site, search, order, args.format)
    after = key_of(LIST, args.cursor, int)
    offset = after[0] if after else 0
    if not 0 <= offset <= MOST_OFFSET:
        raise Invalid("is no cursor of this list; take next_cursor as it came", field="cursor")
    with reading(here().engine) as tx:
        found = list_companies(tx, site, search, order, offset, args.limit)
    on = offset + args.limit
    return CompaniesOut(
        n_companies=found.n,
        data=[company_out(one, site) for one in found.companies],
        next_cursor=cursor_of(LIST, on) if on < found.n else None,
    )


def whole_file(site: Site, search: str, order: CompanyOrder, form: str) -> Response:
    """The list as a file, whose columns are called as in JSON."""
    now = here().now()
    with reading(here().engine) as tx:
        rows = list(all_companies(tx, site, search, order, MOST_IN_FILE))
        stages = stages_of(tx, site.site_id)
    sheet = companies_sheet(rows, site, stages)
    sheet = replace(sheet, columns=[replace(column, label=column.key) for column in sheet.columns])
    name = f"companies-{local_day(now, site.timezone)}"
    if form == "csv":
        return as_file(to_csv(sheet, site.timezone), name, form)
    return as_file(to_xlsx([sheet], made_at=now, timezone=site.timezone), name, form)


def company_out(one: Company, site: Site) -> CompanyOut:
    """A company as the API gives it."""
    currency = site.currency
    has_money = bool(one.n_deals and currency)
    return CompanyOut(
        domain=one.domain,
        name=one.name,
        people=one.n_people,
        stages=dict(one.stages),
        deals=one.n_deals,
        open_amount=plain(one.open_minor, currency) if has_money and currency else None,
        open_amount_minor=one.open_minor if has_money else None,
        revenue=plain(one.revenue_minor, currency) if has_money and currency else None,
        revenue_minor=one.revenue_minor if has_money else None,
        currency=currency,
        first_at=None if one.first_at is None else format_instant(one.first_at),
        last_at=None if one.last_at is None else format_instant(one.last_at),
    )
