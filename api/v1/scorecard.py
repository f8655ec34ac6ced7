"""The scorecard for programs, and the targets of its figures."""

from typing import Any

from flask import Response
from pydantic import Field

from api.context import here
from api.trust import actor, token_site
from api.v1.contract import operation
from api.v1.fields import CONTROL, Amount, Args, Body, Out
from api.v1.files import as_file
from tracker.access import audit
from tracker.access.sites import Site
from tracker.clock import format_instant, local_day
from tracker.db.store import Tx, begin, reading
from tracker.errors import Invalid
from tracker.lifecycle.targets import TargetTold, target_told, tell_target
from tracker.reports.catalogue import message
from tracker.reports.scorecard_around import comments_of, profiles_of, spent_by, stops_of
from tracker.reports.scorecard_facts import Score, ask_scorecard, read_scorecard, targets_of
from tracker.reports.scorecard_metrics import METRIC
from tracker.reports.scorecard_shown import (
    band_names,
    figures_sheet,
    mail_to_json,
    mails_sheet,
    months_sheet,
    note_to_json,
    parse_target,
    series_to_json,
    spent_to_json,
    written,
)
from tracker.reports.sheet import to_csv, to_xlsx
from tracker.vocabulary import Audited

FORMATS = ("json", "csv", "xlsx")
EXAMPLE = {"metric": "mql", "from_month": "2026-04", "value": 40}


class ScorecardArgs(Args):
    """Which month is asked for, and as what it is given."""

    month: str | None = Field(
        None,
        max_length=40,
        pattern=CONTROL,
        description="A whole month, YYYY-MM; the last one when not given.",
        examples=["2026-03"],
    )
    format: str | None = Field(
        None,
        max_length=40,
        pattern=CONTROL,
        description="json (when not given), csv: a line a month and a column a figure, or xlsx: all tables.",
        examples=["json"],
    )


class ScorecardOut(Out):
    """A scorecard: money as decimal strings, shares and ratios as numbers (0.25 is a quarter), NPS from -100 to 100."""

    month: str = Field(description="The month that is looked at.", examples=["2026-03"])
    months: list[str] = Field(description="The thirteen months of every figure's `values`.", examples=[["2026-03"]])
    figures: list[dict[str, Any]] = Field(
        description="Each figure: its value, that of the month before and of the year before, all thirteen, its "
        "target, its usual band and on which side of it the month is. null: not known, or divided by nothing. part and "
        "whole: what a share is made of.",
        examples=[[{"figure": "mql", "phase": "nurture", "value": 12, "target": 40, "alert": "below"}]],
    )
    alerts: list[str] = Field(description="The figures that left their usual band.", examples=[["mql"]])
    programmes: list[dict[str, Any]] = Field(
        description="What each programme of mails did in the month: different people reached, who opened, who clicked.",
        examples=[[{"programme": "welcome", "audience": "nurture", "reached": 40, "opened": 18, "clicked": 6}]],
    )
    stops: list[dict[str, Any]] = Field(
        description="The steps of nurture programmes after which most people stopped: who got them in the month, and "
        "to how many of those no later step has been delivered since.",
        examples=[[{"programme": "welcome", "step": "second", "got": 40, "stopped": 12}]],
    )
    channels: list[dict[str, Any]] = Field(
        description="The channels with the greatest cost of the month, as in the Source report.",
        examples=[[{"channel": "paid_search", "cost": "1200.00", "revenue": "3000.00", "roi": 1.5}]],
    )
    campaigns: list[dict[str, Any]] = Field(
        description="The campaigns with the greatest cost of the month.",
        examples=[[{"campaign": "spring", "cost": "1200.00", "revenue": "3000.00", "roi": 1.5}]],
    )
    profiles: list[dict[str, Any]] = Field(
        description="The leads opened in the month, in the one before and in that of the year before, by score at that "
        "month's end.",
        examples=[[{"month": "2026-03", "leads": 9, "bands": {"up_to_19": 4, "none": 5}}]],
    )
    comments: list[dict[str, Any]] = Field(
        description="What people said with their answers, the latest first.",
        examples=[[{"day": "2026-03-20", "score": 9, "comment": "Saves us a day a week"}]],
    )
    meta: dict[str, Any] = Field(
        description="Currency, time zone, the rule of the bands, notes, when it was made.",
        examples=[{"currency": "EUR", "timezone": "Asia/Tokyo"}],
    )


BAND_RULE = message(
    "Median of the twelve months before, give or take 3 x 1.4826 x MAD; none with fewer than six known months; where "
    "the MAD is 0 a tenth of the median, at least 1 (of shares a hundredth)."
)


@operation(
    "GET",
    "/reports/scorecard",
    tag="Reports",
    args=ScorecardArgs,
    gives=ScorecardOut,
    csv=True,
    xlsx=True,
    sample="/reports/scorecard?month=2026-03",
)
def get_scorecard(args: ScorecardArgs) -> ScorecardOut | Response:
    """The scorecard of a month: nurture, convert, expand, beside the twelve months before.

    Each figure has its target and its usual band; those that left it stand under `alerts`.
    """
    context, site = here(), token_site()
    now = context.now()
    if (args.format or "json") not in FORMATS:
        raise Invalid("use json, csv or xlsx", field="format")
    asked_for = {"month": args.month} if args.month else {}
    with reading(context.engine) as tx:
        asked = ask_scorecard(asked_for, site, local_day(now, site.timezone))
        found = read_scorecard(tx, asked, now)
        if args.format not in {"csv", "xlsx"}:
            return out_of(tx, site, found)
    sheet = months_sheet(found.series, asked.currency, keyed=True)
    name = f"scorecard-{asked.month}"
    if args.format == "csv":
        return as_file(to_csv(sheet, site.timezone), name, "csv")
    sheets = [
        sheet,
        figures_sheet(found.series, asked.currency, say=str, name="Figures"),
        mails_sheet(found.mails, say=str, name="Programmes"),
    ]
    return as_file(to_xlsx(sheets, made_at=now, timezone=site.timezone), name, "xlsx")


def out_of(tx: Tx, site: Site, found: Score) -> ScorecardOut:
    """A scorecard with all that stands around it."""
    asked = found.asked
    channels, campaigns = (
        [spent_to_json(one, split.value, asked.currency) for one in rows]
        for split, rows in spent_by(tx, site, asked, found.made_at).items()
    )
    return ScorecardOut(
        month=asked.month,
        months=list(asked.months),
        figures=[series_to_json(one, asked.currency) for one in found.series],
        alerts=[one.metric.key for one in found.alerts],
        programmes=[mail_to_json(one, found.labels.get(one.programme)) for one in found.mails],
        stops=[
            {"programme": one.programme, "step": one.step, "got": one.n_got, "stopped": one.n_stopped}
            for one in stops_of(tx, asked)
        ],
        channels=channels,
        campaigns=campaigns,
        profiles=[
            {"month": one.month, "leads": one.n_leads, "bands": dict(zip(band_names(), one.n_by_band, strict=True))}
            for one in profiles_of(tx, asked)
        ],
        comments=[{"day": one.day, "score": one.score, "comment": one.comment} for one in comments_of(tx, asked)],
        meta={
            "currency": asked.currency,
            "timezone": asked.timezone,
            "band": BAND_RULE,
            "notes": [note_to_json(note) for note in found.notes],
            "made_at": format_instant(found.made_at),
        },
    )


# --- targets --------------------------------------------------------------------------------------------------------


class TargetIn(Body):
    """What a figure of the scorecard is to be from a month on."""

    metric: str = Field(min_length=1, max_length=40, description="The figure's key.", examples=["mql"])
    from_month: str = Field(
        max_length=7,
        pattern=r"^(19[789]|2[0-9]{2})[0-9]-(0[1-9]|1[0-2])$",
        description="From when.",
        examples=["2026-04"],
    )
    value: Amount | None = Field(
        description="A count, days or an amount in major units; of shares percent (25 is a quarter), of ratios and NPS "
        "as they are shown. null: take away the target of this month, so that the one before it holds."
    )


class TargetOut(Out):
    """A target."""

    metric: str = Field(description="The figure's key.", examples=["mql"])
    from_month: str = Field(description="From when on it holds.", examples=["2026-04"])
    value: str | None = Field(description="As it is written in PUT; null: none.", examples=["40"])


class TargetChanged(TargetOut):
    """A target after it was told."""

    changed: bool = Field(description="False: it stood so already; nothing was written.", examples=[True])


class TargetsOut(Out):
    """All targets of a site."""

    targets: list[TargetOut] = Field(description="By figure and month.")


@operation("PUT", "/targets", tag="Reports", body=TargetIn, gives=TargetChanged, sample="/targets", example=EXAMPLE)
def put_target(body: TargetIn, args: Args) -> TargetChanged:
    """Say what a figure of the scorecard is to be from a month on; it holds until the next one."""
    context, site = here(), token_site()
    now = context.now()
    if body.metric not in METRIC:
        raise Invalid(f"unknown figure {body.metric!r}; use one of {', '.join(METRIC)}", field="metric")
    value = None if body.value is None else parse_target(body.metric, body.value, site.currency)
    with begin(context.engine) as tx:
        before = target_told(tx, site.site_id, body.metric, body.from_month)
        told = TargetTold(body.metric, body.from_month, value)
        changed = tell_target(tx, site.site_id, told, actor(), now)
        if changed:
            details = {"from_month": body.from_month, "before": before, "after": value}
            audit.note(tx, site.site_id, actor(), Audited.TARGET, body.metric, now=now, details=details)
    shown = None if value is None else written(body.metric, value, site.currency)
    return TargetChanged(metric=body.metric, from_month=body.from_month, value=shown, changed=changed)


@operation("GET", "/targets", tag="Reports", gives=TargetsOut, sample="/targets")
def get_targets(args: Args) -> TargetsOut:
    """All targets of the scorecard's figures."""
    context, site = here(), token_site()
    with reading(context.engine) as tx:
        known = targets_of(tx, site.site_id)
    return TargetsOut(
        targets=[
            TargetOut(metric=one.metric, from_month=one.from_month, value=written(one.metric, one.value, site.currency))
            for one in known
        ]
    )
