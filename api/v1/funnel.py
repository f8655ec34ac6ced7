"""The Funnel report for programs: the same question and the same figures as on the page."""

from typing import Any

from flask import Response
from pydantic import Field

from api.context import here
from api.trust import token_site
from api.v1.contract import operation
from api.v1.fields import CONTROL, Out
from api.v1.files import as_file
from api.v1.narrowed import FilterArgs, report_args
from tracker.clock import local_day
from tracker.db.store import reading
from tracker.errors import Invalid
from tracker.reports.funnel_facts import ask_funnel, funnel_report
from tracker.reports.funnel_shown import sheets_of, sources_sheet, to_json
from tracker.reports.sheet import to_csv, to_xlsx

FORMATS = ("json", "csv", "xlsx")


def word(description: str, example: str, most: int = 64, **more: Any) -> Any:
    """A parameter; its value is checked by the report, so the words are the same everywhere."""
    return Field(None, max_length=most, pattern=CONTROL, description=description, examples=[example], **more)


class FunnelArgs(FilterArgs):
    """What is asked of the report, and as what it is given."""

    from_day: str | None = word("First day; 30 days up to the last when not given.", "2026-04-01", alias="from")
    to_day: str | None = word("Last day; today when not given.", "2026-04-30", alias="to")
    scope: str | None = word("contact (when not given): people; or company.", "company")
    from_stage: str | None = word("The stage that is started from; lead when not given.", "lead")
    to_stage: str | None = word("A later stage; customer when not given.", "salesqualifiedlead")
    by: str | None = word("What a source is: channel (when not given) or another dimension of the reports.", "campaign")
    touch: str | None = word(
        "Whose touch names a person's source: first (when not given), last, or lead: the last eligible one before "
        "the lead.",
        "lead",
    )
    compare: str | None = word("previous or year: an earlier period beside.", "previous")
    policy: str | None = word("Version of the site's attribution policy; the one in force when not given.", "0")
    format: str | None = word("json (when not given), csv: by source, or xlsx: all tables.", "json")


class FunnelReport(Out):
    """A Funnel report. Shares are numbers from 0 to 1, null of nothing; times are days with one decimal."""

    stages: list[dict[str, Any]] = Field(
        description="The stages in order: who entered and reached each in the period, who came on, who stands there.",
        examples=[[{"stage": "lead", "entered": 12, "reached": 10, "conversion": 0.5, "standing": 4, "stuck": 1}]],
    )
    pairs: list[dict[str, Any]] = Field(
        description="From each stage to each later one: of those who reached the first in the period.",
        examples=[[{"from_stage": "lead", "to_stage": "customer", "reached": 10, "converted": 1, "conversion": 0.1}]],
    )
    sources: list[dict[str, Any]] = Field(
        description="The sources with the asked pair and every stage; unattributed last.",
        examples=[[{"channel": "paid_search", "is_unattributed": False, "reached": 4, "converted": 1}]],
    )
    totals: dict[str, Any] = Field(
        description="The asked pair over all sources: each sum but that of browsers is exact.",
        examples=[{"reached": 10, "converted": 1, "conversion": 0.1, "timed": 1, "median_days": 12.5}],
    )
    visitors: dict[str, Any] | None = Field(
        description="The browsers of the period, and how far their people have come; null for companies.",
        examples=[{"visitors": 800, "named": 20, "conversion": 0.025}],
    )
    months: list[dict[str, Any]] = Field(
        description="Who reached the first stage by month, and how far they have come by now.",
        examples=[[{"month": "2026-04", "reached": 10, "stages": [{"stage": "customer", "is_young": True}]}]],
    )
    meta: dict[str, Any] = Field(
        description="The rule behind the numbers: period, scope, stages, touch, filters, versions, notes.",
        examples=[{"from": "2026-04-01", "to": "2026-04-30", "scope": "contact", "touch": "first"}],
    )


@operation(
    "GET",
    "/reports/funnel",
    tag="Reports",
    args=FunnelArgs,
    gives=FunnelReport,
    csv=True,
    xlsx=True,
    sample="/reports/funnel?from=2026-04-01&to=2026-04-30&from_stage=lead&to_stage=customer&by=channel",
)
def get_funnel_report(args: FunnelArgs) -> FunnelReport | Response:
    """The Funnel report: who entered and reached each stage in a period, who came further, and how long it took.

    What is reached later counts up to now, however the period was. A person stands under one source.
    """
    context, site = here(), token_site()
    now = context.now()
    if (args.format or "json") not in FORMATS:
        raise Invalid("use json, csv or xlsx", field="format")
    with reading(context.engine) as tx:
        asked = ask_funnel(tx, report_args(("site", "format")), site, local_day(now, site.timezone))
        report = funnel_report(tx, asked, now)
    name = f"funnel-{asked.query.from_day}-{asked.query.to_day}"
    if args.format == "csv":
        return as_file(to_csv(sources_sheet(report, keyed=True), site.timezone), name, "csv")
    if args.format == "xlsx":
        return as_file(to_xlsx(sheets_of(report), made_at=now, timezone=site.timezone), name, "xlsx")
    return FunnelReport(**to_json(report))
