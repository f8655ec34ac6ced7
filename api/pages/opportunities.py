"""The Opportunity report's page, and its downloads. The figures are tracker.reports'; here they are put into words."""

from dataclasses import dataclass
from datetime import date, datetime
from math import sqrt

from babel.numbers import format_percent
from flask import Response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from api.context import here
from api.languages import chosen as language
from api.pages.files import answer_file, files_of
from api.pages.frame import Note, address, kept_arguments
from api.pages.routes import routes
from api.pages.shown import NOTHING, Cell, count, money, period_of
from api.pages.source import COMMON_CURRENCIES, WARNINGS, can_be_asked
from api.trust import Audience, audience, is_owner, sees_people, site_seen
from tracker.access.sites import Site
from tracker.attribution.credit import MICRO
from tracker.attribution.models import MODELS
from tracker.clock import local_day, parse_day
from tracker.db.store import Tx, reading
from tracker.deals.probability import WHOLE_BP
from tracker.reports.catalogue import DIMENSION, Unit, message
from tracker.reports.opportunity import Asked, Figures, Report, Source, StageLine, Stuck, shown_pipeline
from tracker.reports.opportunity_facts import CREDITED_BY, ask_opportunities, opportunity_report
from tracker.reports.opportunity_shown import (
    FIGURES,
    IN_CELL,
    cells_sheet,
    kept,
    number_of,
    sheets_of,
    to_json,
    without_people,
)
from tracker.vocabulary import Model

ASKED = ("as_of", "pipeline", *CREDITED_BY)
TILES = ("deals", "amount", "expected", "stuck", "won", "won_amount", "win_rate")
IN_STAGE = (
    "deals",
    "people",
    "amount",
    "expected",
    "median_days",
    "p90_days",
    "stuck",
    "entered",
    "reached",
    "conversion",
)
# What the cells of the heat map can show; the colour follows it.
SHOWN_IN_CELL = ("amount", "deals", "expected", "people", "stuck", "conversion")
HEATS = 5
# So many sources are lines of the page; all are in the files.
MOST_SOURCES, MOST_STUCK = 100, 20


@dataclass(frozen=True, slots=True)
class ShownFigure:
    """A tile or a column: its name, its meaning, its unit for the template."""

    key: str
    label: str
    definition: str
    unit: str


@dataclass(frozen=True, slots=True)
class Tile:
    figure: ShownFigure
    cell: Cell


@dataclass(frozen=True, slots=True)
class ShownStage:
    """A line of the stages. `percent`: the bar's length; `chance`: its probability, and where that is from."""

    name: str
    percent: float
    cells: dict[str, Cell]
    chance: str
    chance_from: str
    n_closed: int
    usual_median: str
    usual_p90: str
    n_stays: int


@dataclass(frozen=True, slots=True)
class HeatCell:
    """A cell of the heat map; heat 0 (nothing) to HEATS."""

    cell: Cell
    n_deals: str
    heat: int


@dataclass(frozen=True, slots=True)
class HeatRow:
    """A source with its cells by stage, and the total over all."""

    value: str
    is_unattributed: bool
    cells: tuple[HeatCell, ...]
    total: Cell
    n_deals: str


@dataclass(frozen=True, slots=True)
class ClosedRow:
    """What was won and lost of a source."""

    value: str
    is_unattributed: bool
    cells: dict[str, Cell]


@dataclass(frozen=True, slots=True)
class ShownStuck:
    text: str
    href: str
    stage: str
    days: int
    usual_days: int
    amount: str


@dataclass(frozen=True, slots=True)
class ShownReason:
    text: str
    n: Cell
    amount: str
    percent: float


@dataclass(frozen=True, slots=True)
class Choice:
    """A pipeline that can be looked at."""

    value: str
    name: str
    n_open: int
    is_current: bool


@dataclass(frozen=True, slots=True)
class ShownQuestion:
    """What was asked, and what could be."""

    period: str
    from_day: date
    to_day: date
    as_of: date
    today: date
    by: str
    model: str
    currency: str
    cell: str
    cells: tuple[ShownFigure, ...]
    dimensions: tuple[str, ...]
    models: tuple[str, ...]
    currencies: tuple[str, ...]
    pipelines: tuple[Choice, ...]
    timezone: str
    policy_version: int
    generated_at: datetime


def asked(tx: Tx, site: Site, today: str) -> tuple[str, Asked]:
    """The preset and the question that this page's address asks; the period's presets end on its day."""
    args = {name: request.args.get(name, "") for name in ASKED}
    as_of = min(parse_day(args["as_of"] or today, "as_of"), today)
    days = {name: request.args.get(name, "") for name in ("period", "from", "to")}
    word, from_day, to_day = period_of(tx, days, site.site_id, as_of)
    to_day = min(to_day, as_of)
    wanted = args | {"as_of": as_of, "from": min(from_day, to_day), "to": to_day}
    return word, ask_opportunities(tx, wanted, site, today)


@routes.get("/reports/opportunities")
@audience(Audience.PEOPLE)
def opportunities() -> ResponseReturnValue:
    """The Opportunity report; without any site, what to do next."""
    site = site_seen()
    if site is None:
        return render_template("no_site.html")
    now = here().now()
    today = local_day(now, site.timezone)
    with reading(here().engine) as tx:
        word, question = asked(tx, site, today)
        report = readable(opportunity_report(tx, question, now))
    chosen = request.args.get("cell", "")
    chosen = chosen if chosen in SHOWN_IN_CELL else "amount" if report.totals.amount_minor else "deals"
    return render_template(
        "opportunities.html",
        query=shown_question(word, report, chosen, today),
        tiles=[Tile(figure_of(key), cell_of(report, report.totals, key, href(key))) for key in TILES],
        over_all=cell_of(report, report.totals, chosen, href(chosen)) if chosen != "conversion" else None,
        columns=[figure_of(key) for key in IN_STAGE],
        stages=[shown_stage(line, report) for line in report.stages],
        heat=heat_of(report, chosen),
        n_left_out=max(0, len(report.sources) - MOST_SOURCES),
        closed_columns=[figure_of(key) for key in ("won", "won_amount", "lost", "lost_amount", "win_rate")],
        closed=closed_of(report),
        stuck=[shown_stuck(one, report) for one in report.stuck[:MOST_STUCK]],
        n_stuck=len(report.stuck),
        stuck_href=href("stuck"),
        reasons=reasons_of(report),
        notes=[
            Note(note.text(gettext), is_warning=note.code in {*WARNINGS, "no_probability"}) for note in report.notes
        ],
        n_known=report.n_known,
        downloads=files_of("pages.opportunities_file", "cell"),
        may_change=is_owner(),
        stages_href=address(url_for("pages.opportunity_stages"), {"pipeline": shown_pipeline(report.pipeline)}),
    )


@routes.get("/reports/opportunities.<form>")
@audience(Audience.PEOPLE)
def opportunities_file(form: str) -> ResponseReturnValue:
    """The same report as a file: csv, xlsx or json."""
    site = site_seen()
    if site is None:
        return Response(status=404)
    now = here().now()
    with reading(here().engine) as tx:
        _, question = asked(tx, site, local_day(now, site.timezone))
        report = readable(opportunity_report(tx, question, now))
    return answer_file(
        form,
        ("opportunities", question.as_of),
        lambda: sheets_of(report, gettext) if form == "xlsx" else [cells_sheet(report, gettext)],
        as_json=lambda: to_json(report),
    )


def readable(report: Report) -> Report:
    """The report as this reader may see it."""
    return report if sees_people() else without_people(report)


def figure_of(key: str) -> ShownFigure:
    """A figure's name and meaning."""
    metric = FIGURES[key]
    unit = {Unit.MONEY: "money", Unit.RATIO: "ratio"}.get(metric.unit, "count")
    return ShownFigure(key, gettext(metric.label), gettext(metric.definition), unit)


def text_of(figures: Figures, key: str, currency: str | None) -> str:
    """A figure in the reader's language."""
    found = number_of(figures, key, currency)
    if found is None:
        return NOTHING
    unit = FIGURES[key].unit
    if unit is Unit.MONEY:
        return money(int(found), currency or "")
    return share(found) if unit is Unit.RATIO else count(found)


def share(number: float) -> str:
    """A share of a whole: '12.5%'."""
    return str(format_percent(number, "#,##0.#%", locale=language()))


def cell_of(report: Report, figures: Figures, key: str, link: str | None) -> Cell:
    """A figure, leading to its deals; what is nothing leads nowhere, and neither does the win rate."""
    number = kept(figures, key)
    return Cell(number, text_of(figures, key, report.currency), link if number and key != "win_rate" else None)


def href(metric: str, stage: str | None = None, source: Source | None = None) -> str:
    """The address of the deals behind a figure."""
    named = {"metric": metric}
    if stage is not None:
        named["stage"] = stage
    if source is not None:
        named |= {"unattributed": "1"} if source.is_unattributed else {"is": source.value}
    return address(url_for("pages.opportunities_rows"), kept_arguments("cell") | named)


def stage_name(line: StageLine) -> str:
    """What the page calls a stage."""
    return line.label or line.stage or gettext("(not set)")


def shown_stage(line: StageLine, report: Report) -> ShownStage:
    """A stage with its figures over all sources."""
    most = max((one.totals.deals for one in report.stages), default=0)
    chance = line.chance
    words = {
        "told": gettext("as told"),
        "measured": gettext("measured"),
        "site": gettext("of the whole site"),
    }
    usual = line.usual
    return ShownStage(
        name=stage_name(line),
        percent=100 * line.totals.deals / most if most else 0,
        cells={key: cell_of(report, line.totals, key, href(key, line.stage)) for key in IN_STAGE},
        chance=NOTHING if chance.probability_bp is None else share(chance.probability_bp / WHOLE_BP),
        chance_from="" if chance.probability_bp is None else words[chance.source],
        n_closed=0 if chance.source == "told" else chance.n_closed,
        usual_median=NOTHING if usual.median is None else count(usual.median),
        usual_p90=NOTHING if usual.p90 is None else count(usual.p90),
        n_stays=usual.n,
    )


def heat_of(report: Report, key: str) -> list[HeatRow]:
    """The heat map: sources by stages."""
    peak = max((kept(figures, key) or 0 for line in report.stages for figures in line.cells), default=0)
    found = []
    for place, (source, total) in enumerate(zip(report.sources, report.by_source, strict=True)):
        figures = [line.cells[place] for line in report.stages]
        if not total.deals and not any(kept(one, key) for one in figures):
            continue
        cells = [
            HeatCell(
                cell_of(report, own, key, href(key, line.stage, source)),
                deals_text(own),
                heat(kept(own, key) or 0, peak),
            )
            for own, line in zip(figures, report.stages, strict=True)
        ]
        over_all = Cell(None, NOTHING) if key == "conversion" else cell_of(report, total, key, href(key, None, source))
        found.append(HeatRow(source.value, source.is_unattributed, tuple(cells), over_all, deals_text(total)))
        if len(found) == MOST_SOURCES:
            break
    return found


def heat(number: float, peak: float) -> int:
    """How warm a cell is: by the square root, so that small ones are seen beside one that is great."""
    if number <= 0 or peak <= 0:
        return 0
    return max(1, round(HEATS * sqrt(number / peak)))


def deals_text(figures: Figures) -> str:
    """How many open deals stand behind a cell, in words; '' for none."""
    if not figures.deals:
        return ""
    text = message("%(n)s deal") if figures.deals == MICRO else message("%(n)s deals")
    return str(gettext(text, n=text_of(figures, "deals", None)))


def closed_of(report: Report) -> list[ClosedRow]:
    """What was won and lost, by source; the totals last."""
    keys = ("won", "won_amount", "lost", "lost_amount", "win_rate")
    found = [
        ClosedRow(
            source.value,
            source.is_unattributed,
            {key: cell_of(report, own, key, href(key, None, source)) for key in keys},
        )
        for source, own in zip(report.sources, report.by_source, strict=True)
        if own.won or own.lost
    ]
    totals = ClosedRow(
        "", is_unattributed=False, cells={key: cell_of(report, report.totals, key, href(key)) for key in keys}
    )
    return [*found[:MOST_SOURCES], totals] if found else []


def shown_stuck(one: Stuck, report: Report) -> ShownStuck:
    """A stuck deal."""
    names = {line.stage: stage_name(line) for line in report.stages}
    amount = NOTHING if one.amount_minor is None else money(one.amount_minor, report.currency or "")
    return ShownStuck(
        one.name or one.reference,
        url_for("pages.deal", reference=one.reference),
        names[one.stage],
        one.days,
        one.usual_days,
        amount,
    )


def reasons_of(report: Report) -> list[ShownReason]:
    """Why deals were lost; only who may see people may look which."""
    most = max((one.n_deals for one in report.reasons), default=0)
    kept_now = kept_arguments("cell")
    return [
        ShownReason(
            one.text,
            Cell(
                one.n_deals,
                count(one.n_deals),
                address(url_for("pages.opportunities_rows"), kept_now | {"metric": "lost", "reason": one.text})
                if sees_people()
                else None,
            ),
            NOTHING if report.currency is None else money(one.amount_minor, report.currency),
            100 * one.n_deals / most,
        )
        for one in report.reasons
    ]


def shown_question(word: str, report: Report, chosen: str, today: str) -> ShownQuestion:
    """What was asked, and what could be."""
    question, query = report.asked, report.asked.query
    currency = query.currency or ""
    currencies = dict.fromkeys([code for code in (currency, *COMMON_CURRENCIES) if code]) if currency else {}
    pipelines = tuple(
        Choice(shown_pipeline(one.name), one.name, one.n_open, one.name == report.pipeline) for one in report.pipelines
    )
    return ShownQuestion(
        period=word,
        from_day=date.fromisoformat(query.from_day),
        to_day=date.fromisoformat(query.to_day),
        as_of=date.fromisoformat(question.as_of),
        today=date.fromisoformat(today),
        by=query.by[0].value,
        model=query.model.value,
        currency=currency,
        cell=chosen,
        cells=tuple(figure_of(key) for key in SHOWN_IN_CELL),
        dimensions=tuple(key.value for key in DIMENSION),
        models=tuple(one.value for one in Model if not MODELS[one].is_global and can_be_asked(one, query)),
        currencies=tuple(currencies),
        pipelines=pipelines,
        timezone=query.timezone,
        policy_version=query.policy_version,
        generated_at=report.generated_at,
    )


assert set(IN_STAGE) == set(IN_CELL)
