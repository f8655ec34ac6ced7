"""The Opportunity report for programs: the same question and the same figures as on the page."""

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
from tracker.reports.opportunity_facts import ask_opportunities, opportunity_report
from tracker.reports.opportunity_shown import cells_sheet, sheets_of, to_json
from tracker.reports.sheet import to_csv, to_xlsx

FORMATS = ("json", "csv", "xlsx")


def word(description: str, example: str, most: int = 40, **more: Any) -> Any:
    """A parameter; its value is checked by the report, so the words are the same everywhere."""
    return Field(None, max_length=most, pattern=CONTROL, description=description, examples=[example], **more)


class OpportunityArgs(Args):
    """What is asked of the report, and as what it is given."""

    as_of: str | None = word("The day at whose end the deals are looked at; today when not given.", "2026-04-30")
    from_day: str | None = word("First day of the period of what moved, won and lost.", "2026-04-01", alias="from")
    to_day: str | None = word("Its last day; as_of when not given, and not after it.", "2026-04-30", alias="to")
    pipeline: str | None = word(
        "The pipeline as deals name it, (not set) for deals without one; when not given, that with the most deals.",
        "sales",
        most=255,
    )
    by: str | None = word("What a source is: channel (when not given) or another dimension of the reports.", "campaign")
    model: str | None = word(
        "Attribution model by which deals are shared over what led to their creation; last_non_direct when not given.",
        "linear",
    )
    currency: str | None = word("ISO 4217 currency of the amounts; the site's when not given.", "EUR")
    direct: str | None = word("last_resort or counts; as the site's policy says when not given.", "last_resort")
    lookback_days: str | None = word("Days within which touches count; as the policy says when not given.", "90")
    scope: str | None = word("contact, deal or company; as the policy says when not given.", "deal")
    policy: str | None = word("Version of the site's attribution policy; the one in force when not given.", "0")
    format: str | None = word("json (when not given), csv: stages by source, or xlsx: all tables.", "json")


class OpportunityReport(Out):
    """An Opportunity report. Deals are numbers, shares of one with decimals; money a decimal string beside …_minor."""

    stages: list[dict[str, Any]] = Field(
        description="The stages in order: probability in percent and where it is from, what is usual, the figures.",
        examples=[[{"stage": "offer", "probability": "35.5", "deals": 3, "amount": "4500.00", "conversion": 0.5}]],
    )
    cells: list[dict[str, Any]] = Field(
        description="One object for each stage and source in which there is anything.",
        examples=[[{"stage": "offer", "channel": "paid_search", "is_unattributed": False, "deals": 1.5}]],
    )
    sources: list[dict[str, Any]] = Field(
        description="The sources over all stages, with what was won and lost in the period; unattributed last.",
        examples=[[{"channel": "paid_search", "is_unattributed": False, "deals": 2, "won": 1, "win_rate": 0.5}]],
    )
    totals: dict[str, Any] = Field(
        description="The same over all sources: each sum is exact.", examples=[{"deals": 3, "amount": "4500.00"}]
    )
    stuck: list[dict[str, Any]] = Field(
        description="Deals longer in their stage than nine in ten were before, the greatest amount first.",
        examples=[[{"reference": "D-1", "stage": "offer", "days": 40, "usual_days": 21}]],
    )
    reasons: list[dict[str, Any]] = Field(
        description="Why deals of the period were lost; null: no reason was told.",
        examples=[[{"reason": "Too expensive", "deals": 2, "amount": "1000.00"}]],
    )
    pipelines: list[dict[str, Any]] = Field(
        description="The site's pipelines and how many deals stand open in each.",
        examples=[[{"name": "sales", "open_deals": 3}]],
    )
    meta: dict[str, Any] = Field(
        description="The rule behind the numbers: day, period, pipeline, model, currency, versions, notes.",
        examples=[{"as_of": "2026-04-30", "pipeline": "sales", "model": "last_non_direct"}],
    )


@operation(
    "GET",
    "/reports/opportunities",
    tag="Reports",
    args=OpportunityArgs,
    gives=OpportunityReport,
    csv=True,
    xlsx=True,
    sample="/reports/opportunities?as_of=2026-04-30&from=2026-04-01&to=2026-04-30&by=channel",
)
def get_opportunity_report(args: OpportunityArgs) -> OpportunityReport | Response:
    """The Opportunity report: a pipeline's stages by source, as of the end of any day.

    Open deals, people, amounts and expected revenue are of that day; what entered a stage, was won or lost is of the
    period, the last 30 days up to it when not given.
    """
    context, site = here(), token_site()
    now = context.now()
    if (args.format or "json") not in FORMATS:
        raise Invalid("use json, csv or xlsx", field="format")
    asked = {name: value for name, value in request.args.items() if name not in {"site", "format"}}
    with reading(context.engine) as tx:
        question = ask_opportunities(tx, asked, site, local_day(now, site.timezone))
        report = opportunity_report(tx, question, now)
    name = f"opportunities-{question.as_of}"
    if args.format == "csv":
        return as_file(to_csv(cells_sheet(report, keyed=True), site.timezone), name, "csv")
    if args.format == "xlsx":
        return as_file(to_xlsx(sheets_of(report), made_at=now, timezone=site.timezone), name, "xlsx")
    return OpportunityReport(**to_json(report))
