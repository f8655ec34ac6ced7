"""The Source report for programs: the same query and the same table as on the page and on the command line."""

from typing import Annotated, Any

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
from tracker.reports.asking import ask
from tracker.reports.catalogue import METRICS
from tracker.reports.sheet import sheet_of, to_xlsx
from tracker.reports.source import source_report
from tracker.reports.table import Table
from tracker.vocabulary import Dimension

FORMATS = ("json", "csv", "xlsx")
Names = Annotated[str, Field(max_length=400, pattern=CONTROL)]
OWN = ("site", "format")


class AskArgs(FilterArgs):
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
        description=f"One or two of {', '.join(Dimension)}; channel when not given.",
    )
    model: str | None = Field(
        None,
        max_length=40,
        pattern=CONTROL,
        examples=["last_non_direct"],
        description="One of the attribution models: first, last, last_non_direct (when not given), linear …",
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
    compare: str | None = Field(
        None,
        max_length=40,
        pattern=CONTROL,
        examples=["previous"],
        description="Sets each figure against an earlier period: previous, the one just before (whole months against "
        "as many whole months, else as many days), or year, the same of the year before.",
    )
    columns: Annotated[list[Names], Field(max_length=len(METRICS))] | None = Field(
        None,
        examples=[["visits,new_leads,revenue"]],
        description="The metrics to give, in their order, with commas between or given several times; all when not "
        "given.",
    )
    format: str | None = Field(
        None,
        max_length=40,
        pattern=CONTROL,
        examples=["json"],
        description="json (when not given); csv: without totals, formulas defused; xlsx: with totals and the rule.",
    )


class SourceReport(Out):
    """A Source report."""

    rows: list[dict[str, Any]] = Field(
        description="One object a row: the dimensions; is_unattributed (what no touch explains); the metrics. "
        "Counts are numbers, money a decimal string beside …_minor, ratios numbers or null. With compare, `before` and "
        "`change`, too.",
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
    xlsx=True,
    sample="/reports/source?from=2026-04-01&to=2026-04-30&by=channel,campaign&model=linear&not_channel=direct"
    "&compare=previous",
)
def get_source_report(args: ReportArgs) -> SourceReport | Response:
    """The Source report: what each source brought, from visits to revenue, and what it cost.

    Without a period it is the last 30 days. Totals equal the CRM's revenue and the imported cost; what no touch
    explains stands in rows of its own.
    """
    context, site = here(), token_site()
    now = context.now()
    if (args.format or "json") not in FORMATS:
        raise Invalid("use json, csv or xlsx", field="format")
    with reading(context.engine) as tx:
        query = ask(tx, report_args(without=OWN), site, local_day(now, site.timezone))
        table = source_report(tx, query, now)
    name = f"source-{query.from_day}-{query.to_day}"
    if args.format == "csv":
        return as_file(table.to_csv(), name, "csv")
    if args.format == "xlsx":
        return as_file(workbook_of(table, site.timezone), name, "xlsx")
    return SourceReport(**table.to_json())


def workbook_of(table: Table, timezone: str) -> bytes:
    """A report as a workbook, the columns by their keys, and the rule that the figures carry."""
    about = [(str(i), line) for i, line in enumerate(table.meta.to_text().splitlines(), 1)]
    return to_xlsx([sheet_of(table, "source", {}, about)], made_at=table.meta.generated_at, timezone=timezone)
