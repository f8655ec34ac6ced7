"""Path analysis for programs: the same question and the same tables as on the page."""

from typing import Any

from flask import Response, request
from pydantic import Field

from api.context import here
from api.trust import token_site
from api.v1.contract import operation
from api.v1.fields import CONTROL, Args, At, Out
from api.v1.files import as_file
from api.v1.paging import PageOut
from tracker.clock import format_instant, local_day
from tracker.db.store import reading
from tracker.errors import Invalid
from tracker.money import plain
from tracker.reports.keeping import engine_of
from tracker.reports.pathrows import WHICH, PathBehind, conversions_behind, parse_which
from tracker.reports.pathshown import MOST_TOLD, to_csv, to_json
from tracker.reports.pathways import ask_paths, path_report
from tracker.vocabulary import ConversionKind

FORMATS = ("json", "csv")
LONGEST = 2_000
PAGE_ROWS = 50


def word(description: str, example: str, most: int = 40, **more: Any) -> Any:
    """A parameter; its value is checked by the report, so the words are the same everywhere."""
    return Field(None, max_length=most, pattern=CONTROL, description=description, examples=[example], **more)


class PathArgs(Args):
    """What is asked of path analysis."""

    from_day: str | None = word("First day in the site's zone.", "2026-04-01", alias="from")
    to_day: str | None = word("Last day; today when not given.", "2026-04-30", alias="to")
    kind: str | None = word("lead (when not given), mql, sql, deal_created, deal_won or customer.", "deal_won")
    by: str | None = word("What a step is: channel (when not given) or another dimension of the reports.", "campaign")
    basis: str | None = word(
        "Which date counts: activity (when not given), the conversion's own, or lead_cohort, the day its contact "
        "became a lead.",
        "activity",
    )
    currency: str | None = word("ISO 4217 currency of the revenue; the site's when not given.", "EUR")
    direct: str | None = word("last_resort or counts; as the site's policy says when not given.", "last_resort")
    lookback_days: str | None = word("Days within which touches count; as the policy says when not given.", "90")
    scope: str | None = word("contact, deal or company; as the policy says when not given.", "deal")
    policy: str | None = word("Version of the site's attribution policy; the one in force when not given.", "0")
    repeats: str | None = word(
        "merged (when not given): equal touches after each other are one step; kept: they are as many.", "merged"
    )
    sort: str | None = word("Paths by conversions (when not given) or by revenue.", "revenue")
    limit: str | None = word("How many paths and roles are listed, 1 to 200; 20 when not given.", "20")
    values: str | None = word("How many values transitions and flow name, 1 to 30; 10 when not given.", "10")
    steps: str | None = word("How many steps the flow shows, 1 to 10; 5 when not given.", "5")


class PathReportArgs(PathArgs):
    """What is asked, and as what it is given."""

    format: str | None = word("json (when not given), or csv: the paths alone, formulas defused.", "json")


class Paths(Out):
    """A path analysis."""

    totals: dict[str, Any] = Field(
        description="All conversions of the period, those with a path, and the revenue of the Source report.",
        examples=[{"conversions": 6, "with_path": 5, "revenue": "1917.01", "revenue_minor": 191701}],
    )
    paths: list[dict[str, Any]] = Field(
        description="The most frequent paths: `path` names it, `steps` are its values (the first 100 of `n_steps`).",
        examples=[[{"path": "0f3c5a1e", "steps": ["paid_search", "email"], "n_steps": 2, "conversions": 2}]],
    )
    rest: dict[str, Any] = Field(
        description="How many other paths there are, and what they add up to.",
        examples=[{"paths": 12, "conversions": 14, "share": 0.233333}],
    )
    unattributed: dict[str, Any] = Field(
        description="Conversions that no touch explains.", examples=[{"conversions": 1, "share": 0.166667}]
    )
    touches: dict[str, Any] = Field(
        description="Touches per path: median and p90 (nearest rank), and the conversions between two numbers, both "
        "included.",
        examples=[{"median": 2, "p90": 3, "bands": [{"first": 1, "last": 1, "conversions": 1}]}],
    )
    days: dict[str, Any] = Field(
        description="Days of 24 hours from the first touch to the conversion, in the same way.",
        examples=[{"median": 8.0, "p90": 9.0, "bands": [{"first": 4, "last": 7, "conversions": 2}]}],
    )
    roles: list[dict[str, Any]] = Field(
        description="What each value did: on how many conversions it began the path, helped another to close, closed "
        "it, or was alone. assist_per_closing is null where it closed none.",
        examples=[[{"value": "email", "conversions": 4, "first": 0, "assist": 1, "last": 3, "only": 0}]],
    )
    roles_rest: dict[str, Any] = Field(
        description="How many other values there are, and what they add up to.", examples=[{"values": 0}]
    )
    transitions: list[dict[str, Any]] = Field(
        description="What follows what, start and conversion included; `share` is of all that leave `before`. A place "
        "is a value or a stop: start, conversion, other (the values that are not named).",
        examples=[
            [
                {
                    "before": {"value": None, "stop": "start"},
                    "after": {"value": "email", "stop": None},
                    "n": 3,
                    "share": 0.6,
                }
            ]
        ],
    )
    flow: list[dict[str, Any]] = Field(
        description="The same for the first steps, step by step; what goes on after the last one shown goes `further`.",
        examples=[[{"step": 1, "after": {"value": None, "stop": "conversion"}, "n": 2, "share": 1.0}]],
    )
    meta: dict[str, Any] = Field(
        description="The rule behind the numbers: kind, dimension, period, basis, direct, look-back, scope, policy, "
        "what could not be converted.",
        examples=[{"kind": "deal_won", "by": "channel", "basis": "activity", "currency": "EUR"}],
    )


class WhichArgs(PathArgs):
    """What was asked, and which of its figures is meant; all conversions where none is."""

    path: str | None = word("The `path` of one of the paths.", "0f3c5a1e0f3c5a1e0f3c5a1e0f3c5a1e")
    unattributed: str | None = word("1: those without a path.", "1")
    value: str | None = word("A value of the roles.", "email", LONGEST)
    part: str | None = word("Its part: any (when not given), first, assist, last, only or closing.", "assist")
    touches: str | None = word("The `first` of a band of touches.", "2")
    days: str | None = word("The `first` of a band of days.", "4")
    before: str | None = word("Of a transition: the value it leaves.", "email", LONGEST)
    after: str | None = word("The value it comes to.", "paid_search", LONGEST)
    start: str | None = word("1: it leaves the start.", "1")
    end: str | None = word("1: it comes to the conversion.", "1")
    step: str | None = word("Of the flow: the step that it leaves.", "1")
    cursor: str | None = word("`next_cursor` of the page before; leave the other parameters.", "WzE3NzVd", 500)


class PathConversion(Out):
    """A conversion with its path."""

    kind: str = Field(description="lead, mql, sql, deal_created, deal_won or customer.", examples=["deal_won"])
    at: At = Field(description="When it happened.")
    contact: str | None = Field(
        description="The contact's id; null for a deal.", examples=["5f0c1f0e8a0b4c1d9e2f3a4b5c6d7e8f"]
    )
    deal: str | None = Field(description="The deal's reference; null for a lead.", examples=["D-1"])
    times: int = Field(
        description="How often it is in the figure: once, of a transition as often as its path goes it, 0 where only "
        "its revenue is.",
        examples=[1],
    )
    steps: list[str] = Field(
        description="Its path: the first 100 of n_steps values.", examples=[["paid_search", "email"]]
    )
    n_steps: int = Field(description="Steps on its path.", examples=[2])
    touches: int = Field(description="Touches on its path.", examples=[3])
    days: float | None = Field(description="Days from the first touch; null without a path.", examples=[9.0])
    revenue: str | None = Field(
        description="What its ledger booked in the report, in major units; null where there is no money.",
        examples=["1500.00"],
    )
    revenue_minor: int | None = Field(description="The same in minor units.", examples=[150000])


class PathConversions(PageOut):
    """The conversions behind a figure, newest first."""

    data: list[PathConversion] = Field(description="The conversions.")
    conversions: int = Field(description="The figure: what `times` adds up to over all pages.", examples=[2])
    revenue_minor: int | None = Field(
        description="What `revenue_minor` adds up to over all pages; null where there is no money.", examples=[150000]
    )


@operation(
    "GET",
    "/reports/paths",
    tag="Reports",
    args=PathReportArgs,
    gives=Paths,
    csv=True,
    sample="/reports/paths?from=2026-04-01&to=2026-04-30&kind=deal_won&by=channel",
)
def get_path_report(args: PathReportArgs) -> Paths | Response:
    """Path analysis: by which paths people came to the conversions of a period, and what each source did on the way.

    Without a period it is the last 30 days. Conversions and revenue are those of the Source report.
    """
    context, site = here(), token_site()
    now = context.now()
    if (args.format or "json") not in FORMATS:
        raise Invalid("use json or csv", field="format")
    asked = {name: value for name, value in request.args.items() if name not in {"site", "format"}}
    with reading(context.engine) as tx:
        question = ask_paths(tx, asked, site, local_day(now, site.timezone))
        report = path_report(engine_of(tx), question, now)
    if args.format == "csv":
        return as_file(to_csv(report), f"paths-{question.query.from_day}-{question.query.to_day}", "csv")
    return Paths(**to_json(report))


@operation(
    "GET",
    "/reports/paths/conversions",
    tag="Reports",
    args=WhichArgs,
    gives=PathConversions,
    sample="/reports/paths/conversions?from=2026-04-01&to=2026-04-30&kind=deal_won&value=email&part=assist",
)
def list_path_conversions(args: WhichArgs) -> PathConversions:
    """The conversions behind a figure of path analysis, newest first; their counts and amounts add up to it."""
    context, site = here(), token_site()
    asked = {name: value for name, value in request.args.items() if name not in {"site", "cursor", *WHICH}}
    with reading(context.engine) as tx:
        question = ask_paths(tx, asked, site, local_day(context.now(), site.timezone))
        found = conversions_behind(tx, question, parse_which(request.args), args.cursor, PAGE_ROWS)
    currency = question.query.currency
    return PathConversions(
        data=[conversion_out(one, currency) for one in found.rows],
        conversions=found.n,
        revenue_minor=found.revenue_minor,
        next_cursor=found.next_cursor,
    )


def conversion_out(one: PathBehind, currency: str | None) -> PathConversion:
    """A conversion as the API gives it."""
    has_money = one.revenue_minor is not None and currency is not None
    return PathConversion(
        kind=ConversionKind(one.kind).value,
        at=format_instant(one.occurred_at),
        contact=one.contact.contact_id if one.contact else None,
        deal=one.reference,
        times=one.times,
        steps=list(one.values[:MOST_TOLD]),
        n_steps=len(one.values),
        touches=one.n_touches,
        days=one.days,
        revenue=plain(one.revenue_minor or 0, currency or "") if has_money else None,
        revenue_minor=one.revenue_minor,
    )
