"""(pure) The Funnel report as it is given: the names of its figures and what they mean, as data and as tables."""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from tracker.clock import format_instant
from tracker.reports.catalogue import DIMENSION, Metric, Unit, message
from tracker.reports.funnel import Figures, Pair, Report, SourceLine, StageLine
from tracker.reports.funnel_ways import Spread
from tracker.reports.sheet import CellKind, CellValue, Sheet, SheetColumn, csv_cell
from tracker.reports.table import UNATTRIBUTED, Note, printable
from tracker.vocabulary import Scope

FIGURES = {
    metric.key: metric
    for metric in (
        Metric(
            "entered",
            Unit.COUNT,
            message("Times entered"),
            message("How often somebody came into this very stage in the period. Who comes again is counted again."),
        ),
        Metric(
            "reached",
            Unit.COUNT,
            message("Reached"),
            message(
                "Who came into this stage or a later one for the first time in the period, each once. A stage that was "
                "skipped counts as reached; “other” is no later than any."
            ),
        ),
        Metric(
            "conversion",
            Unit.RATIO,
            message("On to the next stage"),
            message("Of those who reached the stage in the period, the share that has reached the next one by now."),
        ),
        Metric(
            "median_days",
            Unit.COUNT,
            message("Days to the next (median)"),
            message(
                "How long these took from this stage to the next: half of them no longer than this. Who came into both "
                "at one step took no time and is left out."
            ),
        ),
        Metric(
            "p90_days",
            Unit.COUNT,
            message("Days to the next (p90)"),
            message("The same: nine in ten took no longer than this."),
        ),
        Metric("standing", Unit.COUNT, message("In it now"), message("Who is in the stage today, since whenever.")),
        Metric(
            "stuck",
            Unit.COUNT,
            message("Stuck"),
            message(
                "Who has been in the stage for longer than usual today: longer than nine in ten of those who moved on "
                "to a later one. Only where ten have, and only before customer."
            ),
        ),
        Metric(
            "drop_off",
            Unit.RATIO,
            message("Drop-off"),
            message(
                "Of those who reached the stage in the period and whose usual time in it is over, the share that has "
                "come no further."
            ),
        ),
    )
}
VISITORS = message("Visitors")
VISITORS_TEXT = message(
    "Different browsers of the period’s visits, as in the Source report; those that became people belong to somebody "
    "by now, also where they did before. Who came by two sources stands in both rows and once in the total."
)
TOUCHES: Mapping[str, str] = {
    "first": message("Everybody stands under their first touch."),
    "last": message("Everybody stands under their latest touch."),
    "lead": message(
        "Everybody stands under the last eligible touch before they became a lead, as the Source report credits new "
        "leads."
    ),
}
COMPANIES = message("A company stands under the touch of its oldest contact.")
Translate = Callable[[str], str]
Words = Mapping[str, str]


def notes_of(report: Report) -> list[Note]:
    """What the reader must know."""
    found = []
    if report.asked.query.where:
        found.append(Note("filtered"))
    if report.before_days is not None:
        found.append(Note("earlier_period", tuple(zip(("from_day", "to_day"), report.before_days, strict=True))))
        found.append(Note("older_cohort"))
    return found


def rounded(number: float | None) -> float | None:
    """A share as files give it."""
    return None if number is None else round(number, 6)


# --- as data ----------------------------------------------------------------------------------------------------------


def to_json(report: Report) -> dict[str, Any]:
    """{"stages", "pairs", "sources", "totals", "visitors", "months", "meta"}: docs/funnel.md."""
    steps = report.steps
    return {
        "stages": [stage_json(one) for one in report.stages],
        "pairs": [
            {"from_stage": steps[i], "to_stage": steps[j], **pair_json(pair)} for (i, j), pair in report.pairs.items()
        ],
        "sources": [source_json(report, one) for one in report.sources],
        "totals": {**visitors_json(report), **pair_json(report.pair), **before_json(report.pair_before)},
        "visitors": browsers_json(report),
        "months": [
            {
                "month": one.month,
                "reached": one.reached,
                "stages": [
                    {"stage": name, "converted": n, "conversion": part(n, one.reached), "is_young": is_young}
                    for name, n, is_young in zip(later(report), one.converted, one.is_young, strict=True)
                ],
            }
            for one in report.months
        ],
        "meta": meta_json(report),
    }


def later(report: Report) -> tuple[str, ...]:
    """The stages after the asked first one."""
    return report.steps[report.place(report.asked.from_stage) + 1 :]


def part(n: int, whole: int) -> float | None:
    """A share as files give it."""
    return rounded(n / whole if whole else None)


def spread_json(spread: Spread) -> dict[str, Any]:
    """How long it took."""
    return {"timed": spread.n, "median_days": spread.median_days, "p90_days": spread.p90_days}


def pair_json(pair: Pair) -> dict[str, Any]:
    """From one stage to a later one."""
    return {
        "reached": pair.reached,
        "converted": pair.converted,
        "conversion": rounded(pair.conversion),
        **spread_json(pair.timed),
    }


def before_json(pair: Pair | None) -> dict[str, Any]:
    """The same in the period beside, where there is one."""
    return {} if pair is None else {"before": pair_json(pair)}


def moving_json(figures: Figures) -> dict[str, Any]:
    """What of a stage's figures is of a period."""
    return {
        "entered": figures.entered,
        "people": figures.people,
        "reached": figures.reached,
        "advanced": figures.advanced,
        "conversion": rounded(figures.conversion),
        **spread_json(figures.timed),
        "ripe": figures.ripe,
        "dropped": figures.dropped,
        "drop_off": rounded(figures.drop_off),
    }


def stage_json(line: StageLine) -> dict[str, Any]:
    """A stage."""
    usual = line.usual
    found = {
        "stage": line.name,
        "is_step": line.is_on_line,
        **moving_json(line.figures),
        "standing": line.figures.standing,
        "stuck": line.figures.stuck,
        "usual": {"n": usual.n, "median_days": usual.median_days, "p90_days": usual.p90_days},
    }
    return found if line.before is None else {**found, "before": moving_json(line.before)}


def source_json(report: Report, line: SourceLine) -> dict[str, Any]:
    """A source."""
    names = report.line.names
    return {
        report.asked.query.by[0].value: line.value or (UNATTRIBUTED if line.is_unattributed else ""),
        "is_unattributed": line.is_unattributed,
        "visitors": line.visitors,
        "named": line.named,
        **pair_json(line.pair),
        "entered_by_stage": dict(zip(names, line.entered, strict=True)),
        "reached_by_stage": dict(zip(names, line.reached, strict=True)),
        **before_json(line.before),
    }


def visitors_json(report: Report) -> dict[str, Any]:
    """The browsers of all sources; none are counted for companies."""
    line = report.visitors
    return {"visitors": None if line is None else line.visitors, "named": None if line is None else line.named}


def browsers_json(report: Report) -> dict[str, Any] | None:
    """The browsers, and how far their people have come by now."""
    line = report.visitors
    if line is None:
        return None
    found: dict[str, Any] = {
        "visitors": line.visitors,
        "named": line.named,
        "conversion": part(line.named, line.visitors),
        "reached_by_stage": dict(zip(report.steps, line.converted, strict=True)),
    }
    if line.visitors_before is not None and line.named_before is not None:
        found["before"] = {"visitors": line.visitors_before, "named": line.named_before}
    return found


def meta_json(report: Report) -> dict[str, Any]:
    """The rule that the numbers carry."""
    asked, query = report.asked, report.asked.query
    before = report.before_days or (None, None)
    return {
        "from": query.from_day,
        "to": query.to_day,
        "compare": query.against.value if query.against else None,
        "before_from": before[0],
        "before_to": before[1],
        "by": query.by[0].value,
        "touch": asked.touch.value,
        "scope": asked.scope.value,
        "from_stage": asked.from_stage,
        "to_stage": asked.to_stage,
        "filters": {one.parameter: list(one.values) for one in query.where},
        "timezone": query.timezone,
        "policy_version": query.policy_version,
        "n_all": report.n_all,
        "n_in_stages": report.n_staged,
        "notes": [{"code": note.code, "text": note.text()} for note in notes_of(report)],
        "generated_at": format_instant(report.generated_at),
    }


# --- tables for files -------------------------------------------------------------------------------------------------


def sheets_of(report: Report, translate: Translate = str, words: Words | None = None) -> list[Sheet]:
    """The report as tables: sources first, then stages, pairs of stages and months; words: what stages are called."""
    called = {name: (words or {}).get(name, name) for name in report.line.names}
    return [
        replace(sources_sheet(report, translate, called), about=about_of(report, translate, called)),
        stages_sheet(report, translate, called),
        pairs_sheet(report, translate, called),
        months_sheet(report, translate, called),
    ]


def count_of(label: str, key: str) -> SheetColumn:
    """A column of counts."""
    return SheetColumn(label, CellKind.COUNT, key)


def pair_columns(translate: Translate, keys: Sequence[str]) -> list[SheetColumn]:
    """The columns of a pair of stages."""
    return [
        count_of(translate(message("Reached the first")), keys[0]),
        count_of(translate(message("Reached the second")), keys[1]),
        SheetColumn(translate(message("Conversion rate")), CellKind.PERCENT, keys[2]),
        count_of(translate(message("Timed")), keys[3]),
        SheetColumn(translate(message("Days (median)")), CellKind.RATIO, keys[4]),
        SheetColumn(translate(message("Days (p90)")), CellKind.RATIO, keys[5]),
    ]


PAIR_KEYS = ("reached", "converted", "conversion", "timed", "median_days", "p90_days")


def pair_cells(pair: Pair) -> list[CellValue]:
    """The cells of a pair."""
    return list(pair_json(pair).values())


def sources_sheet(
    report: Report, translate: Translate = str, called: Words | None = None, *, keyed: bool = False
) -> Sheet:
    """A row for each source; `keyed`: the columns are called as in JSON."""
    names, by = report.line.names, report.asked.query.by[0]
    words = called or {name: name for name in names}
    entered, reached = translate(FIGURES["entered"].label), translate(FIGURES["reached"].label)
    columns = [
        SheetColumn(translate(DIMENSION[by].label), key=by.value),
        count_of(translate(VISITORS), "visitors"),
        count_of(translate(message("Became people")), "named"),
        *pair_columns(translate, PAIR_KEYS),
        *(count_of(f"{entered}: {words[name]}", f"entered_{name}") for name in names),
        *(count_of(f"{reached}: {words[name]}", f"reached_{name}") for name in names),
    ]
    has_before = report.pair_before is not None
    if has_before:
        before = pair_columns(translate, [f"before_{key}" for key in PAIR_KEYS])
        word = translate(message("before"))
        columns += [replace(column, label=f"{column.label}, {word}") for column in before]
    rows: list[list[CellValue]] = []
    for one in report.sources:
        name = translate(message("Unattributed")) if one.is_unattributed and not keyed else one.value or UNATTRIBUTED
        cells = [name, one.visitors, one.named, *pair_cells(one.pair), *one.entered, *one.reached]
        rows.append([*cells, *(pair_cells(one.before or Pair(0, 0)) if has_before else ())])
    if keyed:
        columns = [replace(column, label=column.key) for column in columns]
    return Sheet(translate(message("Funnel by source")), columns, rows)


def stages_sheet(report: Report, translate: Translate, called: Words) -> Sheet:
    """A row for each stage."""
    keys = ("entered", "reached", "conversion", "median_days", "p90_days", "standing", "stuck", "drop_off")
    kinds = {"conversion": CellKind.PERCENT, "drop_off": CellKind.PERCENT, "median_days": CellKind.RATIO}
    kinds["p90_days"] = CellKind.RATIO
    columns = [SheetColumn(translate(message("Stage")), key="stage")]
    columns += [SheetColumn(translate(FIGURES[key].label), kinds.get(key, CellKind.COUNT), key) for key in keys]
    columns.append(SheetColumn(translate(message("Usual days (p90)")), CellKind.RATIO, "usual_days"))
    rows: list[list[CellValue]] = []
    for one in report.stages:
        given = stage_json(one)
        rows.append([called[one.name], *(given[key] for key in keys), one.usual.p90_days])
    return Sheet(translate(message("Stages")), columns, rows)


def pairs_sheet(report: Report, translate: Translate, called: Words) -> Sheet:
    """A row for each two stages."""
    columns = [
        SheetColumn(translate(message("From stage")), key="from_stage"),
        SheetColumn(translate(message("To stage")), key="to_stage"),
        *pair_columns(translate, PAIR_KEYS),
    ]
    steps = report.steps
    rows: list[list[CellValue]] = [
        [called[steps[i]], called[steps[j]], *pair_cells(pair)] for (i, j), pair in report.pairs.items()
    ]
    return Sheet(translate(message("From stage to stage")), columns, rows)


def months_sheet(report: Report, translate: Translate, called: Words) -> Sheet:
    """A row for each month and later stage."""
    columns = [
        SheetColumn(translate(message("Month")), key="month"),
        SheetColumn(translate(message("To stage")), key="to_stage"),
        count_of(translate(message("Reached the first")), "reached"),
        count_of(translate(message("Reached the second")), "converted"),
        SheetColumn(translate(message("Conversion rate")), CellKind.PERCENT, "conversion"),
        SheetColumn(translate(message("Too young")), key="is_young"),
    ]
    rows: list[list[CellValue]] = [
        [one.month, called[name], one.reached, n, part(n, one.reached), "1" if is_young else ""]
        for one in report.months
        for name, n, is_young in zip(later(report), one.converted, one.is_young, strict=True)
    ]
    return Sheet(translate(message("By month")), columns, rows)


def about_of(report: Report, translate: Translate, called: Words) -> list[tuple[str, str]]:
    """What is to be known about the figures, for a file's last page."""
    asked, query = report.asked, report.asked.query
    rule: Mapping[str, str] = {
        message("Period"): f"{query.from_day} – {query.to_day} ({query.timezone})",
        message("From stage"): called[asked.from_stage],
        message("To stage"): called[asked.to_stage],
        message("Sources"): translate(DIMENSION[query.by[0]].label),
    }
    lines = [(translate(name), text) for name, text in rule.items()]
    lines.append(("", translate(TOUCHES[asked.touch.value])))
    if asked.scope is Scope.COMPANY:
        lines.append(("", translate(COMPANIES)))
    lines += [("", note.text(translate)) for note in notes_of(report)]
    lines.append((translate(VISITORS), translate(VISITORS_TEXT)))
    return [*lines, *((translate(one.label), translate(one.definition)) for one in FIGURES.values())]


# --- for the terminal -------------------------------------------------------------------------------------------------


def to_text(report: Report, width: int = 200) -> str:
    """For the terminal: stages, pairs and sources, and the rule they carry."""
    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=False, legacy_windows=False)
    called = {name: name for name in report.line.names}
    asked, query, line = report.asked, report.asked.query, report.visitors
    with console.capture() as capture:
        for sheet in (stages_sheet(report, str, called), short_sheet(report)):
            console.print(grid_of(sheet))
        if line is not None:
            console.print(Text(f"visitors {line.visitors}, of them became people {line.named}"))
        console.print(
            Text(
                f"{query.from_day} to {query.to_day} ({query.timezone}), {asked.scope.value}, {asked.from_stage} to "
                f"{asked.to_stage}, touch {asked.touch.value}, policy {query.policy_version}"
            )
        )
        for note in notes_of(report):
            console.print(Text(f"- {note.text()}"))
    return capture.get().strip("\n") + "\n"


def short_sheet(report: Report) -> Sheet:
    """The sources with the asked pair alone."""
    whole = sources_sheet(report, str)
    n = 3 + len(PAIR_KEYS)
    rows = [list(row)[:n] for row in whole.rows]
    total: list[CellValue] = ["Total", *visitors_json(report).values(), *pair_cells(report.pair)]
    return replace(whole, columns=list(whole.columns)[:n], rows=[*rows, total])


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
