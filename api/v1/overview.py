"""The overview for programs: the closed loop of a period, the same figures as on the page and in the mails."""

from typing import Any

from flask import Response, request
from pydantic import Field

from api.context import here
from api.trust import token_site
from api.v1.contract import operation
from api.v1.fields import CONTROL, Args, Out
from api.v1.files import as_file
from tracker.clock import local_day
from tracker.db.store import reading
from tracker.errors import Invalid
from tracker.reports.overview import ask_overview, read_overview
from tracker.reports.overviewshown import to_csv, to_json

FORMATS = ("json", "csv")
OWN = ("site", "format")


class OverviewArgs(Args):
    """What is asked; checked by the report itself, so the words are the same everywhere."""

    from_day: str | None = Field(
        None,
        alias="from",
        max_length=40,
        pattern=CONTROL,
        description="First day in the site's zone.",
        examples=["2026-04-01"],
    )
    to_day: str | None = Field(
        None,
        alias="to",
        max_length=40,
        pattern=CONTROL,
        description="Last day; without both it is the last 28 days.",
        examples=["2026-04-30"],
    )
    compare: str | None = Field(
        None,
        max_length=40,
        pattern=CONTROL,
        examples=["year"],
        description="previous (when not given): the period just before, a whole month or quarter against the one "
        "before; year: the same a year before.",
    )
    model: str | None = Field(
        None,
        max_length=40,
        pattern=CONTROL,
        examples=["linear"],
        description="The model that credits; last_non_direct when not given.",
    )
    currency: str | None = Field(
        None,
        max_length=40,
        pattern=CONTROL,
        examples=["EUR"],
        description="ISO 4217 currency of the figures; the site's when not given.",
    )
    format: str | None = Field(
        None,
        max_length=40,
        pattern=CONTROL,
        examples=["json"],
        description="json (when not given), or csv: the total and a line a channel, formulas defused.",
    )


class OverviewOut(Out):
    """The closed loop of a period."""

    totals: dict[str, Any] = Field(
        description="The figures of the period, written as in the Source report.",
        examples=[{"visits": 12, "new_leads": 1, "revenue": "1500.00", "revenue_minor": 150000}],
    )
    before: dict[str, Any] = Field(
        description="The same of the earlier period.",
        examples=[{"visits": 10, "new_leads": 2, "revenue": "900.00", "revenue_minor": 90000}],
    )
    funnel: list[dict[str, Any]] = Field(
        description="The steps from visits to sales; ratio: of the step before that has any, within the period.",
        examples=[[{"metric": "new_leads", "number": 1, "ratio": 0.083333}]],
    )
    channels: list[dict[str, Any]] = Field(
        description="One object a channel: its figures, and `before` those of the earlier period.",
        examples=[[{"channel": "paid_search", "is_unattributed": False, "visits": 12, "before": {"visits": 10}}]],
    )
    trend: dict[str, Any] = Field(
        description="buckets: days, or months of more than a quarter; each figure's list is parallel to them.",
        examples=[{"buckets": ["2026-04-01", "2026-04-02"], "visits": [7, 5]}],
    )
    changes: list[dict[str, Any]] = Field(
        description="For revenue, new_leads and cost: before, after, change; and the channels, and the sources with "
        "their campaigns, that made it, the greatest first. Each list adds up to the change; all others stand together "
        "at its end as (other).",
        examples=[[{"metric": "new_leads", "before": 2, "after": 1, "change": -1, "channels": [], "sources": []}]],
    )
    health: dict[str, Any] = Field(
        description="The tracking: signs (what should be looked at), hits of 14 days, hits refused in them by reason, "
        "when the last hit and the last word of the CRM came, the last day with a cost, the share of new leads with a "
        "touch before (journey_ratio), the share of revenue that no touch explains (unattributed_ratio).",
        examples=[{"signs": ["no_cost"], "journey_ratio": 0.9, "unattributed_ratio": 0.05}],
    )
    meta: dict[str, Any] = Field(
        description="The rule behind the numbers, as in the Source report; compare, before_from and before_to tell the "
        "earlier period.",
        examples=[{"model": "last_non_direct", "compare": "previous", "before_from": "2026-03-04"}],
    )


@operation(
    "GET",
    "/reports/overview",
    tag="Reports",
    args=OverviewArgs,
    gives=OverviewOut,
    csv=True,
    sample="/reports/overview?from=2026-04-01&to=2026-04-30&compare=year",
)
def get_overview(args: OverviewArgs) -> OverviewOut | Response:
    """The overview: the closed loop of a period, what changed in it, and whether the tracking is whole.

    The figures are the Source report's. Without a period it is the last 28 days, set against the 28 days before.
    """
    context, site = here(), token_site()
    now = context.now()
    if (args.format or "json") not in FORMATS:
        raise Invalid("use json or csv", field="format")
    asked = {name: value for name, value in request.args.items() if name not in OWN}
    with reading(context.engine) as tx:
        query = ask_overview(tx, asked, site, local_day(now, site.timezone))
        found = read_overview(tx, query, now)
    if args.format == "csv":
        return as_file(to_csv(found), f"overview-{query.from_day}-{query.to_day}", "csv")
    return OverviewOut(**to_json(found))
