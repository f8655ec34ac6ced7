"""The Source report for programs: the same query and the same table as on the page and on the command line."""

from typing import Any

from flask import Response, request
from pydantic import Field

from api.context import here
from api.trust import token_site
from api.v1.contract import operation
from api.v1.fields import CONTROL, Args, Out
from tracker.clock import local_day
from tracker.db.store import reading
from tracker.errors import Invalid
from tracker.reports.asking import ask
from tracker.reports.source import source_report

FORMATS = ("json", "csv")
OWN = ("site", "format")


class AskArgs(Args):
    """What is asked of the report; checked by the report itself, so the words are the same everywhere."""

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
        description="Last day; today when not given.",
        examples=["2026-04-30"],
    )
    by: str | None = Field(
        None,
        max_length=100,
        pattern=CONTROL,
        examples=["channel,campaign"],
        description="One or two of channel, source, medium, campaign, term, content, landing_page; "
        "channel when not given.",
    )
    model: str | None = Field(
        None,
        max_length=40,
        pattern=CONTROL,
        examples=["last_non_direct"],
        description="first, last, last_non_direct (when not given) or linear.",
    )
    basis: str | None = Field(
        None,
        max_length=40,
        pattern=CONTROL,
        examples=["activity"],
        description="Which date counts: activity (when not given), touch_cohort or lead_cohort.",
    )
    currency: str | None = Field(
        None,
        max_length=40,
        pattern=CONTROL,
        examples=["EUR"],
        description="ISO 4217 currency of the figures; the site's when not given.",
    )
    direct: str | None = Field(
        None,
        max_length=40,
        pattern=CONTROL,
        examples=["last_resort"],
        description="last_resort: direct touches earn only when nothing else is on the path; "
        "counts: they earn like any other. When not given, what the site's policy says.",
    )
    lookback_days: str | None = Field(
        None,
        max_length=40,
        pattern=CONTROL,
        examples=["90"],
        description="Days before the conversion within which touches count; when not given what the site's policy "
        "says: 90 for leads and no limit for money, if it says nothing else.",
    )
    scope: str | None = Field(
        None,
        max_length=40,
        pattern=CONTROL,
        examples=["deal"],
        description="Whose touches count for a deal: contact, deal or company; when not given, what the site's policy "
        "says.",
    )
    policy: str | None = Field(
        None,
        max_length=40,
        pattern=CONTROL,
        examples=["0"],
        description="The version of the site's attribution policy to report as of: 0 is that of a new site; the one "
        "in force when not given.",
    )


class ReportArgs(AskArgs):
    """What is asked of the report, and how it is to be given."""

    sort: str | None = Field(
        None,
        max_length=40,
        pattern=CONTROL,
        examples=["revenue"],
        description="A metric or a dimension of the report; revenue when not given.",
    )
    order: str | None = Field(
        None,
        max_length=40,
        pattern=CONTROL,
        examples=["desc"],
        description="desc or asc; desc for metrics, asc for dimensions when not given.",
    )
    format: str | None = Field(
        None,
        max_length=40,
        pattern=CONTROL,
        examples=["json"],
        description="json (when not given), or csv: without totals, formulas defused.",
    )


class SourceReport(Out):
    """A Source report."""

    rows: list[dict[str, Any]] = Field(
        description="One object a row: the dimensions; is_unattributed (what no touch explains); the metrics. "
        "Counts are numbers, money a decimal string beside …_minor, ratios numbers or null.",
        examples=[[{"channel": "paid_search", "is_unattributed": False, "visits": 12, "revenue": "1500.00"}]],
    )
    totals: dict[str, Any] = Field(
        description="The metrics over all rows: revenue is the ledger's, cost what was imported.",
        examples=[{"visits": 12, "revenue": "1500.00", "revenue_minor": 150000}],
    )
    meta: dict[str, Any] = Field(
        description="The rule behind the numbers: model, basis, currency, period, direct, look-back, versions of "
        "rules, policy and fit, what could not be converted, notes.",
        examples=[{"model": "last_non_direct", "basis": "activity", "currency": "EUR"}],
    )


@operation(
    "GET",
    "/reports/source",
    tag="Reports",
    args=ReportArgs,
    gives=SourceReport,
    csv=True,
    sample="/reports/source?from=2026-04-01&to=2026-04-30&by=channel,campaign&model=linear",
)
def get_source_report(args: ReportArgs) -> SourceReport | Response:
    """The Source report: what each source brought, from visits to revenue, and what it cost.

    Without a period it is the last 30 days. Totals equal the CRM's revenue and the imported cost; what no touch
    explains stands in rows of its own.
    """
    context, site = here(), token_site()
    now = context.now()
    if (args.format or "json") not in FORMATS:
        raise Invalid("use json or csv", field="format")
    asked = {name: value for name, value in request.args.items() if name not in OWN}
    with reading(context.engine) as tx:
        query = ask(tx, asked, site, local_day(now, site.timezone))
        table = source_report(tx, query, now)
    if args.format == "csv":
        name = f"source-{query.from_day}-{query.to_day}.csv"
        answer = Response(table.to_csv(), mimetype="text/csv")
        answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return answer
    return SourceReport(**table.to_json())
