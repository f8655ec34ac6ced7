"""Target accounts: which companies a site wants to win, told and given back with what is known of them."""

from dataclasses import replace
from typing import Annotated, Literal

from flask import Response
from pydantic import AfterValidator, Field

from api.context import here
from api.trust import actor, token_site
from api.v1.contract import operation
from api.v1.fields import CONTROL, Args, At, Body, Line, Out, Path, any_text, refuse
from api.v1.files import as_file
from api.v1.paging import PageArgs, PageOut, cursor_of, key_of
from tracker.access import audit
from tracker.access.sites import Site
from tracker.accountfiles import domain_of
from tracker.clock import format_instant, local_day
from tracker.companies import accounts
from tracker.companies.accounts import LONGEST_TIER, Account, Told
from tracker.db.store import begin, reading
from tracker.errors import Invalid
from tracker.money import plain
from tracker.reports.account_facts import WEEKS
from tracker.reports.accounts import (
    MOST_IN_FILE,
    AccountOrder,
    AccountRow,
    Accounts,
    Wanted,
    accounts_report,
    with_engagement,
)
from tracker.reports.accounts_shown import accounts_sheet
from tracker.reports.companies import MOST_OFFSET
from tracker.reports.sheet import to_csv, to_xlsx
from tracker.staging import tiers_told
from tracker.vocabulary import Audited

LIST = "accounts"
OrderWord = Literal["tier", "name", "score", "last", "people", "coverage", "expected", "revenue"]
FormatWord = Literal["json", "csv", "xlsx"]
EXAMPLE = {"tier": "A", "name": "Kyoto Tea", "owner": "Ken Ito"}


def account_domain(value: str) -> str:
    """The registrable domain of a company; refused where it is none."""
    try:
        return domain_of(value)
    except Invalid as error:
        raise refuse(error.message) from None


class AccountPath(Path):
    """Which company."""

    domain: Annotated[
        str,
        Field(
            max_length=253,
            description="The company's domain; the registrable one is taken.",
            examples=["kyoto.example"],
        ),
        AfterValidator(account_domain),
    ]


class AccountIn(Body):
    """What is decided of a target account. Fields that are not given stay as they are."""

    tier: (
        Annotated[str, Field(min_length=1, max_length=LONGEST_TIER, pattern=CONTROL), AfterValidator(any_text)] | None
    ) = Field(None, description="Its tier, the site's own word; needed of a new account.", examples=["A"])
    name: Line | None = Field(None, description="What to call it. Null takes it away.", examples=["Kyoto Tea"])
    owner: Line | None = Field(None, description="Who looks after it. Null takes it away.", examples=["Ken Ito"])


class AccountTold(Out):
    """A target account as it was decided."""

    domain: str = Field(description="The company's domain.", examples=["kyoto.example"])
    name: str | None = Field(description="What it is called here.", examples=["Kyoto Tea"])
    tier: str = Field(description="Its tier, the site's own word.", examples=["A"])
    owner: str | None = Field(description="Who looks after it.", examples=["Ken Ito"])
    added_by: str = Field(description="Who named it first.", examples=["token crm"])
    added_at: At = Field(description="When that was.")


class AccountOut(AccountTold):
    """A target account with what is known of it."""

    stage: str | None = Field(description="The company's stage; null: nobody told.", examples=["opportunity"])
    stage_at: At | None = Field(description="Since when it is in it.")
    people: int = Field(description="How many people of it can be named.", examples=[4])
    roles: list[str] = Field(
        description="The wanted roles in which somebody there is known.", examples=[["Marketing", "Sales"]]
    )
    score: int | None = Field(
        description="The sum of its people's points, or of the CRM's scores while nobody has points.", examples=[120]
    )
    top_score: int | None = Field(description="The highest of one person.", examples=[80])
    touches: list[int] = Field(
        description=f"Touches of its people in each of the last {WEEKS} weeks; the last one ends today.",
        examples=[[0, 2, 1, 0, 0, 3, 0, 0, 1, 5, 2, 4]],
    )
    last_at: At | None = Field(description="Their latest touch.")
    open_deals: int = Field(description="How many of its deals stand open.", examples=[1])
    expected: str | None = Field(
        description="What these promise: amount times probability, in the site's currency; null while it has none.",
        examples=["750.00"],
    )
    expected_minor: int | None = Field(description="The same in minor units.", examples=[75000])
    revenue: str | None = Field(description="What its deals have booked, in the site's currency.", examples=["900.00"])
    revenue_minor: int | None = Field(description="The same in minor units.", examples=[90000])
    currency: str | None = Field(description="ISO 4217; the site's.", examples=["EUR"])


class AccountRemoved(Out):
    """A company that is no target account any more."""

    domain: str = Field(description="The company's domain.", examples=["kyoto.example"])
    tier: str = Field(description="The tier in which it was.", examples=["A"])


class AccountsArgs(PageArgs):
    """Which accounts, in what order, and as what."""

    q: str | None = Field(
        None, max_length=200, pattern=CONTROL, description="A part of the domain or of the name.", examples=["kyoto"]
    )
    tier: str | None = Field(
        None, max_length=100, pattern=CONTROL, description="Only those of this tier.", examples=["A"]
    )
    stage: str | None = Field(
        None,
        max_length=100,
        pattern=CONTROL,
        description="Only those in this stage; none: without one.",
        examples=["opportunity"],
    )
    owner: str | None = Field(
        None,
        max_length=300,
        pattern=CONTROL,
        description="Only those that this owner looks after.",
        examples=["Ken Ito"],
    )
    people: Literal["none"] | None = Field(None, description="none: only those without known people.")
    sort: OrderWord = Field(
        "tier", description="What the list begins with; tier: by tier, then by expected revenue.", examples=["expected"]
    )
    format: FormatWord = Field(
        "json",
        description=f"csv or xlsx: the whole list as a file, at most {MOST_IN_FILE:,} accounts, without pages.",
        examples=["json"],
    )


class AccountsOut(PageOut):
    """Target accounts in the order asked for."""

    n_accounts: int = Field(description="How many there are in all, as asked for.", examples=[40])
    data: list[AccountOut] = Field(description="The rows.")


@operation(
    "GET",
    "/accounts",
    tag="Contacts",
    args=AccountsArgs,
    gives=AccountsOut,
    csv=True,
    xlsx=True,
    sample="/accounts?tier=A&sort=expected",
)
def get_accounts(args: AccountsArgs) -> AccountsOut | Response:
    """List the target accounts with their people, their engagement and what their deals promise.

    A cursor is a place in the order: what changes in the order between two pages may come twice or not at all.
    """
    site, now = token_site(), here().now()
    wanted = Wanted(
        search=(args.q or "").strip(),
        tier=args.tier or "",
        stage=args.stage or "",
        owner=args.owner or "",
        without_people=args.people is not None,
        order=AccountOrder(args.sort),
    )
    after = key_of(LIST, args.cursor, int)
    offset = after[0] if after else 0
    if not 0 <= offset <= MOST_OFFSET:
        raise Invalid("is no cursor of this list; take next_cursor as it came", field="cursor")
    with reading(here().engine) as tx:
        report = accounts_report(tx, site, wanted, now)
        first, last = (offset, offset + args.limit) if args.format == "json" else (0, MOST_IN_FILE)
        rows = with_engagement(tx, site, report.rows[first:last], now)
    if args.format != "json":
        return whole_file(site, report, rows, args.format)
    more = cursor_of(LIST, last) if last < len(report.rows) else None
    return AccountsOut(n_accounts=len(report.rows), data=[account_out(one, site) for one in rows], next_cursor=more)


def whole_file(site: Site, report: Accounts, rows: list[AccountRow], form: str) -> Response:
    """The list as a file, whose columns are called as in JSON."""
    now = here().now()
    sheet = accounts_sheet(report, rows, site.currency)
    sheet = replace(sheet, columns=[replace(column, label=column.key) for column in sheet.columns])
    name = f"accounts-{local_day(now, site.timezone)}"
    if form == "csv":
        return as_file(to_csv(sheet, site.timezone), name, form)
    return as_file(to_xlsx([sheet], made_at=now, timezone=site.timezone), name, form)


@operation(
    "PUT",
    "/accounts/<domain>",
    tag="Contacts",
    path=AccountPath,
    body=AccountIn,
    gives=AccountTold,
    also={201: "The account is new."},
    sample="/accounts/kyoto.example",
    example=EXAMPLE,
)
def put_account(domain: str, body: AccountIn, args: Args) -> tuple[AccountTold, int]:
    """Name a company that the site wants to win, or change what was decided of it.

    The company needs no people and no deals yet. Free-mail domains are no company's.
    """
    site, now = token_site(), here().now()
    given = {name: getattr(body, name) or "" for name in ("name", "owner") if name in body.model_fields_set}
    with begin(here().engine) as tx:
        changed = accounts.save(tx, site.site_id, [Told(domain, body.tier, **given)], actor(), now)
        for before, after in changed:
            details = audit.difference(accounts.plain(before), accounts.plain(after))
            audit.note(tx, site.site_id, actor(), Audited.ACCOUNT, domain, now=now, details=details)
        known = accounts.read(tx, site.site_id, [domain])[domain]
        tiers_told(tx, site, [domain])
    is_new = any(before is None for before, _ in changed)
    return AccountTold(**told_of(known)), 201 if is_new else 200


@operation(
    "DELETE",
    "/accounts/<domain>",
    tag="Contacts",
    path=AccountPath,
    gives=AccountRemoved,
    sample="/accounts/kyoto.example",
)
def delete_account(domain: str, args: Args) -> AccountRemoved:
    """Take a company off the list of target accounts; all that is known of it stays."""
    site, now = token_site(), here().now()
    with begin(here().engine) as tx:
        before = accounts.remove(tx, site.site_id, domain)
        details = {"before": accounts.plain(before), "after": {}}
        audit.note(tx, site.site_id, actor(), Audited.ACCOUNT, domain, now=now, details=details)
        tiers_told(tx, site, [domain])
    return AccountRemoved(domain=domain, tier=before.tier)


def told_of(one: Account) -> dict[str, str | None]:
    """What was decided of an account, as the API gives it."""
    return {**accounts.plain(one), "added_by": one.added_by, "added_at": format_instant(one.added_at)}


def account_out(one: AccountRow, site: Site) -> AccountOut:
    """An account as the API gives it."""
    currency = site.currency
    return AccountOut(
        **{**told_of(one.account), "name": one.name},
        stage=one.stage,
        stage_at=None if one.stage_at is None else format_instant(one.stage_at),
        people=one.n_people,
        roles=list(one.roles),
        score=one.score,
        top_score=one.top_score,
        touches=list(one.engaged.weeks) if one.engaged else [],
        last_at=None if one.last_at is None else format_instant(one.last_at),
        open_deals=one.n_open,
        expected=plain(one.expected_minor, currency) if currency else None,
        expected_minor=one.expected_minor if currency else None,
        revenue=plain(one.revenue_minor, currency) if currency else None,
        revenue_minor=one.revenue_minor if currency else None,
        currency=currency,
    )
