"""The companies of people and deals, for programs: found and ordered as on the page, and as a file."""

from dataclasses import replace
from typing import Annotated, Any, Literal

from flask import Response
from pydantic import AfterValidator, Field

from api.context import here
from api.trust import token_site
from api.v1.contract import operation
from api.v1.fields import (
    CONTROL,
    Args,
    At,
    Body,
    Flat,
    Instant,
    Line,
    Out,
    Path,
    domain_or_refuse,
    not_in_future,
    refuse,
)
from api.v1.files import as_file
from api.v1.paging import PageArgs, PageOut, cursor_of, key_of
from tracker import flow
from tracker.access.sites import Site
from tracker.clock import format_instant, local_day
from tracker.db.store import Tx, begin, reading
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
    read_company,
)
from tracker.reports.company_told import company_told
from tracker.reports.sheet import to_csv, to_xlsx

LIST = "companies"
OrderWord = Literal["last", "people", "open", "revenue"]
FormatWord = Literal["json", "csv", "xlsx"]
EXAMPLE = {
    "name": "Kyoto Tea K.K.",
    "properties": {"industry": "food", "employees": 120},
    "stage": "salesqualifiedlead",
}


def company_domain(value: str) -> str:
    """A company's registrable domain."""
    domain = domain_or_refuse(value)
    if domain is None:
        raise refuse("is empty")
    return domain


class CompanyPath(Path):
    """Which company."""

    domain: Annotated[
        str,
        Field(
            max_length=253,
            description="The company's domain; the registrable one is taken.",
            examples=["kyoto.example"],
        ),
        AfterValidator(company_domain),
    ]


class CompanyIn(Body):
    """What a CRM knows of a company. Fields that are not given stay as they are."""

    name: Line | None = Field(None, description="The company's name. Null takes it away.", examples=["Kyoto Tea K.K."])
    properties: Flat | None = Field(
        None, description="More of the company, flat; added to what is known, name by name."
    )
    stage: str | None = Field(
        None,
        max_length=64,
        pattern=CONTROL,
        description="The company's stage in the life cycle, since `changed_at`: one of the site's.",
        examples=["opportunity"],
    )
    changed_at: Instant | None = Field(
        None,
        description="When this became true in the CRM; now when not given. Older words never win; an older `stage` "
        "takes its place in the company's history.",
    )


class StageChangeOut(Out):
    """A change of a company's stage."""

    at: At = Field(description="When it came into the stage.")
    before: str | None = Field(description="In which it was; null: nobody had told of any.", examples=["lead"])
    stage: str = Field(description="In which it is since then.", examples=["opportunity"])
    cause: str = Field(description="What moved it: crm, user, deal, import, api or rule.", examples=["crm"])
    by: str = Field(description="Who or what that was.", examples=["crm"])


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
    name: str | None = Field(
        description="As the CRM calls it, else as most of its people's records do.", examples=["Acme K.K."]
    )
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


class OneCompany(CompanyOut):
    """A company with what was told of it."""

    properties: dict[str, Any] = Field(
        description="What else the CRM told, flat.", examples=[{"industry": "food", "employees": 120}]
    )
    stage: str | None = Field(description="The company's own stage; null: nobody told.", examples=["opportunity"])
    stage_at: At | None = Field(description="Since when it is in it.")
    changes: list[StageChangeOut] = Field(description="How it came there, oldest first.")
    tier: str | None = Field(description="As a target account: its tier; null: it is none.", examples=["A"])


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


@operation(
    "PUT",
    "/companies/<domain>",
    tag="Contacts",
    path=CompanyPath,
    body=CompanyIn,
    gives=OneCompany,
    sample="/companies/kyoto.example",
    example=EXAMPLE,
)
def put_company(domain: str, body: CompanyIn, args: Args) -> OneCompany:
    """Tell of a company: its name, its properties, its stage.

    It needs no people and no deals yet. What moves a company forward moves its people forward, too, where the site
    switched that on; a deal of the company that is won makes it a customer.
    """
    site, now = token_site(), here().now()
    not_in_future(body.changed_at, now, "changed_at")
    fields: dict[str, Any] = {}
    if "name" in body.model_fields_set:
        fields["name"] = body.name
    if body.properties is not None:
        fields["properties"] = body.properties
    with begin(here().engine) as tx:
        flow.company_said(tx, site, domain, fields, body.changed_at or now, now, body.stage)
        return one_company(tx, site, domain)


@operation(
    "GET",
    "/companies/<domain>",
    tag="Contacts",
    path=CompanyPath,
    gives=OneCompany,
    sample="/companies/kyoto.example",
)
def get_company(domain: str, args: Args) -> OneCompany:
    """One company: its figures, what a CRM told of it, and its way through the stages."""
    with reading(here().engine) as tx:
        return one_company(tx, token_site(), domain)


def one_company(tx: Tx, site: Site, domain: str) -> OneCompany:
    """A company with what was told of it; raises NotFound."""
    company, told = read_company(tx, site, domain), company_told(tx, site, domain, here().now())
    return OneCompany(
        **company_out(company, site).model_dump(),
        properties=dict(told.properties),
        stage=told.stage,
        stage_at=None if told.stage_at is None else format_instant(told.stage_at),
        changes=[
            StageChangeOut(
                at=format_instant(step.at), before=step.before, stage=step.stage, cause=step.cause.value, by=step.by
            )
            for step in told.steps
        ],
        tier=told.account.tier if told.account else None,
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
