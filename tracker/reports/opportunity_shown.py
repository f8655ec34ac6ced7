"""(pure) The Opportunity report as it is given: the names of its figures and what they mean, as data and as tables.

Whoever may not see people gets it by `without_people`: no names of deals, which often are people's, and no reason of
loss that few deals share.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from tracker.clock import format_instant
from tracker.deals.probability import percent_text
from tracker.money import plain
from tracker.reports.catalogue import DIMENSION, Metric, Unit, message
from tracker.reports.opportunity import Figures, Reason, Report, StageLine, shown_pipeline
from tracker.reports.sheet import CellKind, CellValue, Sheet, SheetColumn, csv_cell
from tracker.reports.table import Number, printable, to_number

FIGURES = {
    metric.key: metric
    for metric in (
        Metric("deals", Unit.CREDIT, message("Open deals"), message("Deals that stood open in the stage on that day.")),
        Metric(
            "people",
            Unit.COUNT,
            message("People on deals"),
            message(
                "Different contacts whom the CRM names on these deals. Who is on deals of two sources stands in both "
                "and once in the total."
            ),
        ),
        Metric(
            "amount",
            Unit.MONEY,
            message("Deal amount"),
            message("What these deals would bring, as the CRM said by that day, at that day's exchange rate."),
        ),
        Metric(
            "expected",
            Unit.MONEY,
            message("Expected revenue"),
            message(
                "Each deal's amount times its probability: its own from the CRM, else the stage's as told, else the "
                "share of deals that were won of those that had been in the stage; rounded for each deal."
            ),
        ),
        Metric(
            "median_days",
            Unit.COUNT,
            message("Days in stage (median)"),
            message("How many days the open deals have been in their stage: half of them no longer than this."),
        ),
        Metric(
            "p90_days",
            Unit.COUNT,
            message("Days in stage (p90)"),
            message("How many days the open deals have been in their stage: nine in ten no longer than this."),
        ),
        Metric(
            "stuck",
            Unit.CREDIT,
            message("Stuck deals"),
            message(
                "Open deals that have been in their stage for longer than nine in ten stays before lasted. Only where "
                "at least ten stays have ended."
            ),
        ),
        Metric(
            "entered",
            Unit.CREDIT,
            message("Entered"),
            message("Deals that entered the stage in the period, each once, however they went on."),
        ),
        Metric(
            "reached",
            Unit.CREDIT,
            message("Came further"),
            message("Of the deals that entered, those that came to a later stage or were won by that day."),
        ),
        Metric(
            "conversion",
            Unit.RATIO,
            message("Stage conversion"),
            message(
                "The share of the deals that entered the stage in the period and came further. A stage that was "
                "skipped counts as passed. Empty where none entered."
            ),
        ),
        Metric(
            "won",
            Unit.CREDIT,
            message("Won"),
            message(
                "Deals with a closing day in the period that stood won on the as-of day, by what was known then. As of "
                "today, those of all pipelines are the Sales of the Source report."
            ),
        ),
        Metric(
            "won_amount",
            Unit.MONEY,
            message("Amount won"),
            message("The amounts of these deals before refunds, each at the rate of the day on which it closed."),
        ),
        Metric(
            "lost",
            Unit.CREDIT,
            message("Lost"),
            message("Deals with a closing day in the period that stood lost on the as-of day, by what was known then."),
        ),
        Metric(
            "lost_amount",
            Unit.MONEY,
            message("Amount lost"),
            message("The amounts of these deals, each at the rate of the day on which it closed."),
        ),
        Metric(
            "win_rate",
            Unit.RATIO,
            message("Win rate"),
            message("Won / (won + lost) of the period. Empty where no deal closed."),
        ),
    )
}
KEPT_AS = {
    "amount": "amount_minor",
    "expected": "expected_minor",
    "won_amount": "won_minor",
    "lost_amount": "lost_minor",
}
IN_CELL = (
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
OVER_ALL = ("deals", "people", "amount", "expected", "stuck", "won", "won_amount", "lost", "lost_amount", "win_rate")
KIND_OF = {
    Unit.COUNT: CellKind.COUNT,
    Unit.CREDIT: CellKind.COUNT,
    Unit.MONEY: CellKind.MONEY,
    Unit.RATIO: CellKind.PERCENT,
}
# Reasons of loss that fewer deals share could tell of one person.
FEW = 3
Translate = Callable[[str], str]


def kept(figures: Figures, key: str) -> int | float | None:
    """A figure as it is kept: millionths, minor units, days, a share."""
    number: int | float | None = getattr(figures, KEPT_AS.get(key, key))
    return number


def number_of(figures: Figures, key: str, currency: str | None) -> int | float | None:
    """A figure as files give it: deals as numbers, money in minor units and empty without a currency."""
    unit, found = FIGURES[key].unit, kept(figures, key)
    if unit is Unit.MONEY:
        return found if currency is not None else None
    return to_number(found, unit)


def numbers_of(figures: Figures, keys: Sequence[str], currency: str | None) -> dict[str, Number]:
    """Figures as JSON gives them: money as a decimal string in major units beside …_minor."""
    found: dict[str, Number] = {}
    for key in keys:
        number = number_of(figures, key, currency)
        if FIGURES[key].unit is Unit.MONEY:
            found[key] = None if number is None else plain(int(number), currency or "")
            found[f"{key}_minor"] = number
        else:
            found[key] = number
    return found


def without_people(report: Report) -> Report:
    """The report for who may not see people: see the module."""
    many = [one for one in report.reasons if one.n_deals >= FEW or not one.text]
    few = [one for one in report.reasons if one.n_deals < FEW and one.text]
    if few:
        rest = Reason("…", sum(one.n_deals for one in few), sum(one.amount_minor for one in few))
        many = [*many, rest]
    return replace(report, stuck=tuple(replace(one, name=None) for one in report.stuck), reasons=tuple(many))


def to_json(report: Report) -> dict[str, Any]:
    """{"stages", "cells", "sources", "totals", "stuck", "reasons", "pipelines", "meta"}: docs/opportunities.md."""
    currency, name = report.currency, report.asked.query.by[0].value

    def named(place: int) -> dict[str, Any]:
        source = report.sources[place]
        return {name: source.value, "is_unattributed": source.is_unattributed}

    return {
        "stages": [stage_json(line, currency) for line in report.stages],
        "cells": [
            {"stage": line.stage, **named(place), **numbers_of(figures, IN_CELL, currency)}
            for line in report.stages
            for place, figures in enumerate(line.cells)
            if figures != Figures()
        ],
        "sources": [
            {**named(place), **numbers_of(figures, OVER_ALL, currency)}
            for place, figures in enumerate(report.by_source)
        ],
        "totals": numbers_of(report.totals, OVER_ALL, currency),
        "stuck": [
            {
                "reference": one.reference,
                "name": one.name,
                "stage": one.stage,
                "days": one.days,
                "usual_days": one.usual_days,
                **money_json("amount", one.amount_minor, currency),
            }
            for one in report.stuck
        ],
        "reasons": [
            {"reason": one.text or None, "deals": one.n_deals, **money_json("amount", one.amount_minor, currency)}
            for one in report.reasons
        ],
        "pipelines": [{"name": shown_pipeline(one.name), "open_deals": one.n_open} for one in report.pipelines],
        "meta": meta_json(report),
    }


def money_json(key: str, amount_minor: int | None, currency: str | None) -> dict[str, Any]:
    """An amount in major units beside its minor ones."""
    if amount_minor is None or currency is None:
        return {key: None, f"{key}_minor": None}
    return {key: plain(amount_minor, currency), f"{key}_minor": amount_minor}


def stage_json(line: StageLine, currency: str | None) -> dict[str, Any]:
    """A stage with its figures over all sources."""
    chance = line.chance
    return {
        "stage": line.stage,
        "label": line.label,
        "probability": None if chance.probability_bp is None else percent_text(chance.probability_bp),
        "probability_from": None if chance.probability_bp is None else chance.source,
        "closed_deals": chance.n_closed,
        "usual": {"stays": line.usual.n, "median_days": line.usual.median, "p90_days": line.usual.p90},
        **numbers_of(line.totals, IN_CELL, currency),
    }


def meta_json(report: Report) -> dict[str, Any]:
    """The rule that the numbers carry."""
    query = report.asked.query
    terms = query.terms
    return {
        "as_of": report.asked.as_of,
        "from": query.from_day,
        "to": query.to_day,
        "pipeline": shown_pipeline(report.pipeline),
        "by": query.by[0].value,
        "model": query.model.value,
        "currency": query.currency,
        "direct": terms.direct.value,
        "lookback_days": query.lookback_days,
        "scope": terms.scope.value,
        "timezone": query.timezone,
        "policy_version": query.policy_version,
        "fit_version": query.fit.version if query.fit is not None and query.learns else None,
        "unconverted": [
            {
                "currency": one.currency,
                "amount": plain(one.revenue_minor, one.currency),
                "amount_minor": one.revenue_minor,
            }
            for one in report.unconverted
        ],
        "notes": [{"code": note.code, "text": note.text()} for note in report.notes],
        "generated_at": format_instant(report.generated_at),
    }


# --- tables for files -------------------------------------------------------------------------------------------------


def sheets_of(report: Report, translate: Translate = str) -> list[Sheet]:
    """The report as tables: stages by source first, then stages, sources, stuck deals and reasons of loss."""
    return [
        replace(cells_sheet(report, translate), about=about_of(report, translate)),
        stages_sheet(report, translate),
        sources_sheet(report, translate),
        stuck_sheet(report, translate),
        reasons_sheet(report, translate),
    ]


def figure_columns(keys: Sequence[str], currency: str | None, translate: Translate) -> list[SheetColumn]:
    """The columns of figures."""
    return [SheetColumn(translate(FIGURES[key].label), KIND_OF[FIGURES[key].unit], key, currency or "") for key in keys]


def cells_sheet(report: Report, translate: Translate = str, *, keyed: bool = False) -> Sheet:
    """A row for each stage and source in which there is anything; `keyed`: the columns are called as in JSON."""
    currency, by = report.currency, report.asked.query.by[0]
    columns = [
        SheetColumn(translate(message("Stage")), key="stage"),
        SheetColumn(translate(DIMENSION[by].label), key=by.value),
        *figure_columns(IN_CELL, currency, translate),
    ]
    rows = [
        [line.label or line.stage, source.value, *row_of(figures, IN_CELL, currency)]
        for line in report.stages
        for source, figures in zip(report.sources, line.cells, strict=True)
        if figures != Figures()
    ]
    if keyed:
        columns = [replace(column, label=column.key) for column in columns]
    return Sheet(translate(message("Stages by source")), columns, rows)


def row_of(figures: Figures, keys: Sequence[str], currency: str | None) -> list[CellValue]:
    """Figures as cells."""
    return [number_of(figures, key, currency) for key in keys]


def stages_sheet(report: Report, translate: Translate) -> Sheet:
    """A row for each stage."""
    columns = [
        SheetColumn(translate(message("Stage")), key="stage"),
        SheetColumn(translate(message("Probability")), CellKind.PERCENT, "probability"),
        *figure_columns(IN_CELL, report.currency, translate),
    ]
    rows: list[list[CellValue]] = [
        [
            line.label or line.stage,
            None if line.chance.probability_bp is None else line.chance.probability_bp / 10_000,
            *row_of(line.totals, IN_CELL, report.currency),
        ]
        for line in report.stages
    ]
    return Sheet(translate(message("Stages")), columns, rows)


def sources_sheet(report: Report, translate: Translate) -> Sheet:
    """A row for each source, over all stages, with what was won and lost; and the totals."""
    by = report.asked.query.by[0]
    columns = [
        SheetColumn(translate(DIMENSION[by].label), key=by.value),
        *figure_columns(OVER_ALL, report.currency, translate),
    ]
    rows: list[list[CellValue]] = [
        [source.value, *row_of(figures, OVER_ALL, report.currency)]
        for source, figures in zip(report.sources, report.by_source, strict=True)
    ]
    totals = [translate(message("Total")), *row_of(report.totals, OVER_ALL, report.currency)]
    return Sheet(translate(message("Sources")), columns, rows, totals=totals)


def stuck_sheet(report: Report, translate: Translate) -> Sheet:
    """The stuck deals."""
    labels = {one.stage: one.label or one.stage for one in report.stages}
    columns = [
        SheetColumn(translate(message("Reference")), key="reference"),
        SheetColumn(translate(message("Deal")), key="name"),
        SheetColumn(translate(message("Stage")), key="stage"),
        SheetColumn(translate(message("Days in stage")), CellKind.COUNT, "days"),
        SheetColumn(translate(message("Usual days")), CellKind.COUNT, "usual_days"),
        SheetColumn(translate(FIGURES["amount"].label), CellKind.MONEY, "amount", report.currency or ""),
    ]
    rows: list[list[CellValue]] = [
        [one.reference, one.name, labels.get(one.stage, one.stage), one.days, one.usual_days, one.amount_minor]
        for one in report.stuck
    ]
    return Sheet(translate(FIGURES["stuck"].label), columns, rows)


def reasons_sheet(report: Report, translate: Translate) -> Sheet:
    """Why deals were lost."""
    columns = [
        SheetColumn(translate(message("Reason of loss")), key="reason"),
        SheetColumn(translate(message("Deals")), CellKind.COUNT, "deals"),
        SheetColumn(translate(FIGURES["amount"].label), CellKind.MONEY, "amount", report.currency or ""),
    ]
    rows: list[list[CellValue]] = [
        [
            one.text or translate(message("No reason told")),
            one.n_deals,
            None if report.currency is None else one.amount_minor,
        ]
        for one in report.reasons
    ]
    return Sheet(translate(message("Reasons of loss")), columns, rows)


def about_of(report: Report, translate: Translate) -> list[tuple[str, str]]:
    """What is to be known about the figures, for a file's last page."""
    query = report.asked.query
    rule: Mapping[str, str] = {
        message("As of"): report.asked.as_of,
        message("Period"): f"{query.from_day} – {query.to_day}",
        message("Pipeline"): shown_pipeline(report.pipeline),
        message("Attribution model"): query.model.value,
        message("Currency"): query.currency or "–",
        message("Time zone"): query.timezone,
    }
    lines = [(translate(name), text) for name, text in rule.items()]
    lines += [("", note.text(translate)) for note in report.notes]
    keys = dict.fromkeys((*IN_CELL, *OVER_ALL))
    return [*lines, *((translate(FIGURES[key].label), translate(FIGURES[key].definition)) for key in keys)]


# --- for the terminal -------------------------------------------------------------------------------------------------


def to_text(report: Report, width: int = 200) -> str:
    """For the terminal: the tables that have rows, and the rule they carry."""
    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=False, legacy_windows=False)
    query = report.asked.query
    with console.capture() as capture:
        for sheet in sheets_of(report):
            if sheet.rows:
                console.print(grid_of(sheet))
        console.print(
            Text(
                f"as of {report.asked.as_of}, {query.from_day} to {query.to_day} ({query.timezone}), pipeline "
                f"{printable(shown_pipeline(report.pipeline))}, model {query.model.value}, "
                f"currency {query.currency or '–'}, policy {query.policy_version}"
            )
        )
        for note in report.notes:
            console.print(Text(f"- {note.text()}"))
    return capture.get().strip("\n") + "\n"


def grid_of(sheet: Sheet) -> Grid:
    """A table for the terminal; its texts cannot steer it."""
    grid = Grid(box=SIMPLE_HEAD, title=sheet.name, title_justify="left", title_style="", pad_edge=False)
    for column in sheet.columns:
        justify: Any = "left" if column.kind is CellKind.TEXT else "right"
        grid.add_column(Text(column.label), justify=justify, overflow="fold")
    for row in sheet.rows:
        cells = [csv_cell(column, value, "UTC") for column, value in zip(sheet.columns, row, strict=True)]
        grid.add_row(*(Text(printable(str(cell))) for cell in cells))
    return grid
