"""Path analysis and a comparison as sheets of a file, with headers in the reader's language and values as stored."""

from collections.abc import Sequence

from flask_babel import gettext

from tracker.reports.catalogue import METRIC
from tracker.reports.compare import Compared, Comparison
from tracker.reports.pathshown import ARROW, MOST_TOLD
from tracker.reports.pathtables import Band, Group, Move, Place, Role, Spread
from tracker.reports.pathways import PathReport
from tracker.reports.sheet import KIND_OF, CellKind, CellValue, Sheet, SheetColumn
from tracker.reports.table import to_number


def sheets_of_paths(report: PathReport) -> list[Sheet]:
    """The tables of the page: paths, parts, what follows what, the first steps, and the two distributions."""
    about = about_paths(report)
    return [
        paths_sheet(report, about),
        parts_sheet(report),
        moves_sheet(gettext("What follows what"), report.transitions),
        moves_sheet(gettext("The first steps"), report.flow, with_step=True),
        spread_sheet(gettext("Touches"), report.touches),
        spread_sheet(gettext("Days"), report.days),
    ]


def about_paths(report: PathReport) -> list[tuple[str, str]]:
    """The rule that the numbers carry, in stored words."""
    asked = report.asked
    query = asked.query
    return [
        (gettext("Period"), f"{query.from_day} – {query.to_day} ({query.timezone})"),
        (gettext("Paths to"), asked.kind.value),
        (gettext("Steps by"), query.by[0].value),
        (gettext("Date basis"), query.basis.value),
        (gettext("Repeats"), asked.repeats.value),
        (gettext("Direct"), query.terms.direct.value),
        (gettext("Look-back in days"), str(query.terms.days(asked.kind.value))),
        (gettext("Currency"), query.currency or "–"),
        (gettext("Attribution settings, version %(n)s", n=query.policy_version), ""),
        *(
            (gettext("Without a rate, and in no figure"), f"{one.currency} {one.revenue_minor}")
            for one in report.unconverted
        ),
    ]


def paths_sheet(report: PathReport, about: Sequence[tuple[str, str]]) -> Sheet:
    """The frequent paths, then all others, then what no touch explains; `kind` tells them apart."""
    groups, totals = report.groups, report.totals
    columns = [
        SheetColumn(gettext("Path"), key="path"),
        SheetColumn(gettext("Line"), key="kind"),
        SheetColumn(gettext("Steps"), CellKind.COUNT, "n_steps"),
        SheetColumn(gettext("Conversions"), CellKind.COUNT, "conversions"),
        SheetColumn(gettext("Share"), CellKind.PERCENT, "share"),
        SheetColumn(gettext("Revenue"), CellKind.MONEY, "revenue", report.asked.query.currency or ""),
    ]

    def line(name: str, kind: str, n_steps: int | None, group: Group) -> list[CellValue]:
        return [name, kind, n_steps, group.n, report.share(group.n), money_of(report, group.revenue_minor)]

    rows = [line(ARROW.join(one.values[:MOST_TOLD]), "path", len(one.values), one) for one in groups.shown]
    if groups.n_rest:
        rows.append(line(gettext("All other paths"), "rest", None, groups.rest))
    rows.append(line(gettext("Unattributed"), "unattributed", None, groups.unattributed))
    total: list[CellValue] = [
        gettext("Total"),
        "",
        None,
        totals.conversions,
        None,
        money_of(report, totals.revenue_minor),
    ]
    return Sheet(gettext("Frequent paths"), columns, rows, about, total)


def parts_sheet(report: PathReport) -> Sheet:
    """Who opens, who helps, who closes."""
    currency = report.asked.query.currency or ""
    columns = [
        SheetColumn(gettext("Value"), key="value"),
        *(
            SheetColumn(label, CellKind.COUNT, key)
            for key, label in (
                ("conversions", gettext("Conversions")),
                ("first", gettext("First")),
                ("assist", gettext("Assist")),
                ("last", gettext("Last")),
                ("only", gettext("Only")),
            )
        ),
        SheetColumn(gettext("Assists per closing"), CellKind.RATIO, "assist_per_closing"),
        SheetColumn(gettext("Revenue assisted"), CellKind.MONEY, "assist_revenue", currency),
        SheetColumn(gettext("Revenue closed"), CellKind.MONEY, "closing_revenue", currency),
    ]

    def line(name: str, one: Role) -> list[CellValue]:
        amounts = (money_of(report, one.assist_minor), money_of(report, one.closing_minor))
        return [name, one.n, one.first, one.assist, one.last, one.only, one.ratio, *amounts]

    rows = [line(one.value, one) for one in report.roles]
    if report.roles_rest is not None:
        rows.append(line(gettext("All others"), report.roles_rest))
    return Sheet(gettext("Who opens, who helps, who closes"), columns, rows)


def moves_sheet(name: str, moves: Sequence[Move], with_step: bool = False) -> Sheet:
    """From one place to the next; the ends of paths stand in brackets."""
    columns = [
        SheetColumn(gettext("Step"), CellKind.COUNT, "step"),
        SheetColumn(gettext("Before"), key="before"),
        SheetColumn(gettext("After"), key="after"),
        SheetColumn(gettext("Times"), CellKind.COUNT, "n"),
        SheetColumn(gettext("Share"), CellKind.PERCENT, "share"),
    ]
    rows: list[list[CellValue]] = [
        [one.step, place_text(one.before), place_text(one.after), one.n, one.share] for one in moves
    ]
    return Sheet(name, columns, rows) if with_step else Sheet(name, columns[1:], [row[1:] for row in rows])


def place_text(place: Place) -> str:
    """A value, or a stop in brackets."""
    return f"({place.stop.value})" if place.stop else place.value or ""


def spread_sheet(name: str, spread: Spread) -> Sheet:
    """A distribution."""
    columns = [SheetColumn(name, key="band"), SheetColumn(gettext("Conversions"), CellKind.COUNT, "conversions")]
    return Sheet(name, columns, [[band_text(band), band.n] for band in spread.bands])


def band_text(band: Band) -> str:
    """'4', '6–10' or '51+'."""
    if band.first == band.last:
        return str(band.first)
    return f"{band.first}+" if band.last is None else f"{band.first}–{band.last}"


def money_of(report: PathReport, amount_minor: int | None) -> int | None:
    """An amount, if it is in a currency."""
    return amount_minor if report.asked.query.currency else None


def sheets_of_comparison(
    found: Comparison, names: Sequence[str], by: str, about: Sequence[tuple[str, str]]
) -> list[Sheet]:
    """Answers side by side: a figure for each column, and its change against the first.

    names  what stands above each column of figures
    by     what stands above the rows
    """
    metric = METRIC[found.metric]
    kind, currency = KIND_OF[metric.unit], found.currency or ""
    columns = [SheetColumn(by, key="value")]
    for i, name in enumerate(names):
        columns.append(SheetColumn(name, kind, f"figure_{i + 1}", currency))
        if i:
            columns.append(SheetColumn(gettext("Change: %(name)s", name=name), kind, f"change_{i + 1}", currency))
            columns.append(
                SheetColumn(gettext("Change in percent: %(name)s", name=name), CellKind.PERCENT, f"share_{i + 1}")
            )

    def cell(kept: float | None) -> CellValue:
        if kept is None or (metric.unit.is_money and found.currency is None):
            return None
        return int(kept) if metric.unit.is_money else to_number(kept, metric.unit)

    def line(name: str, row: Compared) -> list[CellValue]:
        cells: list[CellValue] = [name]
        for i, kept in enumerate(row.figures):
            cells.append(cell(kept))
            if i:
                cells += [cell(row.changes[i].amount), row.changes[i].ratio]
        return cells

    rows = [line(gettext("Unattributed") if row.values is None else row.values[0], row) for row in found.rows]
    title = gettext(metric.label)
    return [Sheet(title, columns, rows, about, line(gettext("Total"), found.totals))]
