"""What sources were paid: told by day, all rows of a call or none."""

from datetime import date, datetime, timedelta

from pydantic import Field

from api.context import here
from api.errors import FieldError, InvalidFields
from api.trust import token_site
from api.v1.contract import operation
from api.v1.fields import Amount, Args, At, Body, Count, Currency, Day, Line, Minor, Out, Word
from api.v1.money import minor_of
from api.v1.paging import PageArgs, PageOut, cursor_of, key_of
from tracker.access.sites import Site, settle_currency
from tracker.clock import format_instant, local_day
from tracker.costs.load import load
from tracker.costs.rows import Cost
from tracker.db.store import begin, reading
from tracker.errors import Invalid
from tracker.money import plain
from tracker.reports import records
from tracker.vocabulary import NOT_SET

LIST = "costs"
MOST_ROWS = 1_000
EXAMPLE = {
    "costs": [
        {
            "day": "2026-04-01",
            "source": "google",
            "medium": "cpc",
            "campaign": "spring",
            "amount": "120.50",
            "currency": "EUR",
            "clicks": 310,
            "impressions": 12000,
        }
    ]
}


class CostIn(Body):
    """Spend of one source and campaign on one day."""

    day: Day = Field(description="Day in the site's zone; not in the future.")
    source: Word = Field(description="As in utm_source; kept in lower case.", examples=["google"])
    medium: Word = Field(description="As in utm_medium; kept in lower case.", examples=["cpc"])
    campaign: Line | None = Field(None, description="As in utm_campaign.", examples=["spring"])
    amount: Amount | None = Field(None, description="Spend in major units, never negative. Give this or amount_minor.")
    amount_minor: Minor | None = Field(None, description="Spend in minor units (yen, cents).", examples=[12050])
    currency: Currency | None = Field(None, description="ISO 4217; the site's when not given.")
    clicks: Count | None = Field(None, description="Clicks the platform counted.", examples=[310])
    impressions: Count | None = Field(None, description="Views the platform counted.", examples=[12000])


class CostsIn(Body):
    """Costs; the same day, source, medium and campaign replaces what was known."""

    costs: list[CostIn] = Field(
        min_length=1, max_length=MOST_ROWS, description="The rows, all taken or none; no two with the same key."
    )


class CostsLoaded(Out):
    """What was taken."""

    loaded: int = Field(description="Rows that stand now.", examples=[1])


class CostOut(Out):
    """Spend of one source and campaign on one day."""

    day: Day = Field(description="Day in the site's zone.")
    channel: str = Field(description="Channel under the rules of when it was told.", examples=["paid_search"])
    source: str = Field(description="Source, as the site calls it by its rules.", examples=["google"])
    medium: str = Field(description="Medium, likewise.", examples=["cpc"])
    campaign: str = Field(description="Campaign, likewise, or (not set).", examples=["spring"])
    told_source: str = Field(
        description="Source under which it was told; the told names are its key.", examples=["google"]
    )
    told_medium: str = Field(description="Medium under which it was told.", examples=["cpc"])
    told_campaign: str = Field(description="Campaign under which it was told.", examples=["Spring Sale 2026"])
    amount: str = Field(description="Spend in major units.", examples=["120.50"])
    amount_minor: int = Field(description="Spend in minor units.", examples=[12050])
    currency: str = Field(description="ISO 4217.", examples=["EUR"])
    clicks: int | None = Field(description="Clicks the platform counted.", examples=[310])
    impressions: int | None = Field(description="Views the platform counted.", examples=[12000])
    updated_at: At = Field(description="When it was last told.")


class Costs(PageOut):
    """Costs by day."""

    data: list[CostOut] = Field(description="The rows.")


class CostsArgs(PageArgs):
    """Which costs."""

    from_day: Day | None = Field(None, alias="from", description="First day.")
    to_day: Day | None = Field(None, alias="to", description="Last day.")
    source: Word | None = Field(None, description="Only this source, as the site calls it.", examples=["google"])


@operation("PUT", "/costs", tag="Costs", body=CostsIn, gives=CostsLoaded, sample="/costs", example=EXAMPLE)
def put_costs(body: CostsIn, args: Args) -> CostsLoaded:
    """Tell of costs, up to 1,000 rows, all or nothing.

    A row takes the place of what was known for its day, source, medium and campaign, so a platform's corrected figures
    are simply sent again.
    """
    context, site = here(), token_site()
    now = context.now()
    rows = rows_of(body, site, now)
    with begin(context.engine) as tx:
        loaded = load(tx, site.site_id, rows, now)
        settle_currency(tx, site, rows[0].currency)
    return CostsLoaded(loaded=loaded)


def rows_of(body: CostsIn, site: Site, now: datetime) -> list[Cost]:
    """The rows, checked together; raises InvalidFields with all that was wrong."""
    tomorrow = (date.fromisoformat(local_day(now, site.timezone)) + timedelta(days=1)).isoformat()
    rows: list[Cost] = []
    wrong: list[FieldError] = []
    seen: dict[tuple[str, ...], int] = {}
    for n, row in enumerate(body.costs):
        try:
            cost = cost_of(row, site, tomorrow)
        except Invalid as error:
            wrong.append(FieldError(f"costs.{n}.{error.field}", error.message))
            continue
        key = (cost.day, cost.source, cost.medium, cost.campaign)
        if key in seen:
            wrong.append(FieldError(f"costs.{n}", f"has the day and the names of costs.{seen[key]}; add them up"))
        seen.setdefault(key, n)
        rows.append(cost)
    if wrong:
        raise InvalidFields(wrong)
    return rows


def cost_of(row: CostIn, site: Site, tomorrow: str) -> Cost:
    """One row; raises Invalid under the name of its field. A day that has begun somewhere is not the future."""
    if row.day > tomorrow:
        raise Invalid(f"{row.day} is in the future", field="day")
    currency = row.currency or site.currency
    if currency is None:
        raise Invalid("the first cost of a site needs a currency", field="currency")
    amount_minor = minor_of(row.amount, row.amount_minor, currency)
    if amount_minor is None:
        raise Invalid("is missing", field="amount")
    return Cost(
        day=row.day,
        source=row.source.lower(),
        medium=row.medium.lower(),
        campaign=row.campaign or NOT_SET,
        amount_minor=amount_minor,
        currency=currency,
        clicks=row.clicks,
        impressions=row.impressions,
    )


@operation(
    "GET",
    "/costs",
    tag="Costs",
    args=CostsArgs,
    gives=Costs,
    sample="/costs?from=2026-04-01&to=2026-04-30&source=google",
)
def list_costs(args: CostsArgs) -> Costs:
    """List costs by day."""
    after = key_of(LIST, args.cursor, str, str)
    with reading(here().engine) as tx:
        rows = records.list_costs(
            tx,
            token_site().site_id,
            args.limit + 1,
            from_day=args.from_day,
            to_day=args.to_day,
            source=args.source,
            after=(after[0], after[1]) if after else None,
        )
    shown = rows[: args.limit]
    more = cursor_of(LIST, shown[-1].day, shown[-1].cost_id) if len(rows) > args.limit else None
    return Costs(data=[cost_out(row) for row in shown], next_cursor=more)


def cost_out(cost: records.CostRecord) -> CostOut:
    """A row as the API gives it."""
    return CostOut(
        day=cost.day,
        channel=cost.channel,
        source=cost.source,
        medium=cost.medium,
        campaign=cost.campaign,
        told_source=cost.told_source,
        told_medium=cost.told_medium,
        told_campaign=cost.told_campaign,
        amount=plain(cost.amount_minor, cost.currency),
        amount_minor=cost.amount_minor,
        currency=cost.currency,
        clicks=cost.clicks,
        impressions=cost.impressions,
        updated_at=format_instant(cost.updated_at),
    )
