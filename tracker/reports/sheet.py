"""(pure) Tables as files for a spreadsheet: XLSX, CSV and JSON of the same sheets, equal to what a page shows.

Texts come from strangers: an XLSX cell is always written as text and never as a formula, a link or markup; a CSV cell
that a spreadsheet would take for a formula is defused (table.defused).
"""

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from tracker.clock import format_instant, zone
from tracker.errors import Invalid
from tracker.money import exponent, plain
from tracker.reports.catalogue import Unit
from tracker.reports.table import BOM, Column, Figures, Part, Table, defused, to_number

# What a sheet holds: rows with the header's and the totals', and characters in a cell.
MOST_ROWS = 1_048_576 - 2
MOST_CHARACTERS = 32_767
MOST_COLUMNS = 16_384
# A cell holds a double, which keeps any decimal of 15 digits (as spreadsheets do): 2^53 would do for whole numbers, but
# not for cents, as doubles stand 0.0156 apart from 7 * 10^13 on.
EXACT = 10**15 - 1
FIRST_DAY = date(1900, 3, 1)  # days before it are another day in some spreadsheets
UNWRITABLE = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
UNNAMABLE = re.compile(r"[\[\]:*?/\\\x00-\x1f]")
ABOUT = "About"


class CellKind(StrEnum):
    """What stands in a column, and what its cells are given as; None is an empty cell anywhere.

    TEXT: str. COUNT, RATIO: int or float. PERCENT: a share, 0.125 for 12.5 %. MONEY: minor units of the column's
    currency, or an Amount. DAY: date or 'YYYY-MM-DD'. INSTANT: an aware datetime, shown in the site's zone.
    """

    TEXT = "text"
    COUNT = "count"
    RATIO = "ratio"
    PERCENT = "percent"
    MONEY = "money"
    DAY = "day"
    INSTANT = "instant"


@dataclass(frozen=True, slots=True)
class Amount:
    """Money of a row that has its own currency."""

    amount_minor: int
    currency: str


CellValue = str | int | float | date | datetime | Amount | None


@dataclass(frozen=True, slots=True)
class SheetColumn:
    """A column. label: what stands above it; key: its name in JSON, the label where not given."""

    label: str
    kind: CellKind = CellKind.TEXT
    key: str = ""
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table. totals: a last row, with a text or None where nothing is added up; about: rules the figures carry."""

    name: str
    columns: Sequence[SheetColumn]
    rows: Iterable[Sequence[CellValue]]
    about: Sequence[tuple[str, str]] = field(default=())
    totals: Sequence[CellValue] | None = None


# --- XLSX -----------------------------------------------------------------------------------------------------------


def to_xlsx(
    sheets: Sequence[Sheet],
    *,
    made_at: datetime,
    timezone: str = "UTC",
    about_name: str = ABOUT,
    most_rows: int = MOST_ROWS,
) -> bytes:
    """A workbook: the sheets in their order, then what is to be known about their figures.

    sheets     one or more; at most most_rows rows each, else Invalid
    made_at    when the figures were made
    timezone   the site's, in which instants are shown
    Numbers are cells of doubles: counts and amounts of 15 digits are exact, longer ones are texts.
    Rows are written as they come, so that a large table never stands in memory twice.
    """
    if not sheets:
        raise ValueError("no sheet")
    target = io.BytesIO()
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
        "nan_inf_to_errors": False,
    }
    with Workbook(target, options) as book:
        book.set_properties({"created": made_at.replace(tzinfo=None)})
        formats, names = Formats(book), Names()
        for sheet in sheets:
            fill(book.add_worksheet(names.fresh(sheet.name)), sheet, formats, timezone, most_rows)
        lines = list(dict.fromkeys(pair for sheet in sheets for pair in sheet.about))
        if lines:
            page = book.add_worksheet(names.fresh(about_name))
            page.set_column(0, 0, 28)
            page.set_column(1, 1, 110)
            for number, (name, text) in enumerate(lines):
                page.write_string(number, 0, cell_text(name), formats.bold)
                page.write_string(number, 1, cell_text(text), formats.wrapped)
    return target.getvalue()


class Formats:
    """The workbook's formats, each made once."""

    def __init__(self, book: Workbook) -> None:
        self.book = book
        self.known: dict[tuple[str, bool], Format] = {}
        self.bold = book.add_format({"bold": True, "valign": "top"})
        self.wrapped = book.add_format({"text_wrap": True, "valign": "top"})

    def of(self, pattern: str, is_total: bool) -> Format:
        """A number format, bold below a line for totals."""
        if (pattern, is_total) not in self.known:
            look: dict[str, Any] = {"num_format": pattern} | ({"bold": True, "top": 1} if is_total else {})
            self.known[pattern, is_total] = self.book.add_format(look)
        return self.known[pattern, is_total]


class Names:
    """Names of sheets as spreadsheets allow them: 31 characters, some not, no two that differ only in case."""

    def __init__(self) -> None:
        self.taken: set[str] = {"history"}

    def fresh(self, wanted: str) -> str:
        """A free name that is like the wanted one."""
        base = UNNAMABLE.sub(" ", UNWRITABLE.sub(" ", wanted)).strip("' ")[:26].strip("' ") or "Sheet"
        name, number = base, 1
        while name.lower() in self.taken:
            number += 1
            name = f"{base} {number}"
        self.taken.add(name.lower())
        return name


def fill(page: Worksheet, sheet: Sheet, formats: Formats, timezone: str, most_rows: int) -> None:
    """Write one sheet: header, rows, totals."""
    if len(sheet.columns) > MOST_COLUMNS:
        raise Invalid(f"{len(sheet.columns)} columns do not fit into a sheet", field="columns")
    page.freeze_panes(1, 0)
    for at, column in enumerate(sheet.columns):
        page.set_column(at, at, 30 if column.kind is CellKind.TEXT else max(14, min(30, len(column.label) + 4)))
    for at, column in enumerate(sheet.columns):
        page.write_string(0, at, cell_text(column.label), formats.bold)
    number = 0
    for number, row in enumerate(sheet.rows, 1):
        if number > most_rows:
            raise Invalid(f"more than {most_rows} rows do not fit into a sheet; take CSV", field="form")
        write_row(page, number, sheet.columns, row, formats, timezone)
    page.autofilter(0, 0, number, len(sheet.columns) - 1)
    if sheet.totals is not None:
        write_row(page, number + 1, sheet.columns, sheet.totals, formats, timezone, is_total=True)


def write_row(
    page: Worksheet,
    number: int,
    columns: Sequence[SheetColumn],
    row: Sequence[CellValue],
    formats: Formats,
    timezone: str,
    is_total: bool = False,
) -> None:
    """Write the cells of a row, each as what it is."""
    for at, (column, value) in enumerate(zip(columns, row, strict=True)):
        content, pattern = to_cell(column, value, timezone)
        look = formats.of(pattern, is_total)
        if content is None:
            if is_total:
                page.write_blank(number, at, None, look)
        elif isinstance(content, str):
            page.write_string(number, at, cell_text(content), look)
        elif isinstance(content, datetime):
            page.write_datetime(number, at, content, look)
        else:
            page.write_number(number, at, content, look)


def to_cell(column: SheetColumn, value: CellValue, timezone: str) -> tuple[str | float | datetime | None, str]:
    """What a cell holds, and its number format; what is no number of the column's kind is a text."""
    match column.kind, value:
        case _, None:
            return None, "General"
        case CellKind.MONEY, Amount() | int():
            minor, currency = parts(column, value)
            pattern = "#,##0" + (f".{'0' * exponent(currency)}" if exponent(currency) else "")
            text = plain(minor, currency)
            return (text if abs(minor) > EXACT else float(Decimal(text))), pattern
        case ((CellKind.COUNT | CellKind.RATIO | CellKind.PERCENT), int() | float()):
            if not math.isfinite(value):
                return None, "General"
            pattern = {CellKind.RATIO: "0.00", CellKind.PERCENT: "0.0%"}.get(
                column.kind, "#,##0" if float(value).is_integer() else "#,##0.00"
            )
            return (str(value) if abs(value) > EXACT else float(value)), pattern
        case ((CellKind.DAY | CellKind.INSTANT), str() | date()):
            return to_moment(column.kind, value, timezone)
        case _:
            return str(value), "General"


def to_moment(kind: CellKind, value: str | date, timezone: str) -> tuple[str | datetime, str]:
    """A day, or an instant in the site's zone, as a date of the spreadsheet."""
    if isinstance(value, datetime):
        moment = value.astimezone(zone(timezone)).replace(tzinfo=None, microsecond=0)
    else:
        try:
            found = date.fromisoformat(value) if isinstance(value, str) else value
        except ValueError:
            return str(value), "General"
        moment = datetime(found.year, found.month, found.day)  # noqa: DTZ001  a spreadsheet's dates have no zone
    if moment.date() < FIRST_DAY:
        return str(value), "General"
    return moment, "yyyy-mm-dd hh:mm" if kind is CellKind.INSTANT else "yyyy-mm-dd"


def parts(column: SheetColumn, value: Amount | int) -> tuple[int, str]:
    """Minor units and their currency."""
    if isinstance(value, Amount):
        return value.amount_minor, value.currency
    if column.currency is None:
        raise ValueError(f"the column {column.label!r} names no currency")
    return value, column.currency


def cell_text(text: str) -> str:
    """A text as a cell can hold it. What begins and ends like rich text would be taken for markup as it stands."""
    clean = UNWRITABLE.sub("\ufffd", text.replace("\r\n", "\n"))
    while len(clean.encode("utf-16-le")) > 2 * MOST_CHARACTERS:
        clean = clean[: max(MOST_CHARACTERS // 2, len(clean) - 1000)]
    return f"{clean} " if clean.startswith("<r>") and clean.endswith("</r>") else clean


# --- CSV and JSON ---------------------------------------------------------------------------------------------------


def to_csv(sheet: Sheet, timezone: str = "UTC") -> str:
    """UTF-8 with a byte order mark, CRLF, no totals; numbers plain, amounts in major units, instants with offset."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([defused(column.label) for column in sheet.columns])
    for row in sheet.rows:
        writer.writerow(
            [csv_cell(column, value, timezone) for column, value in zip(sheet.columns, row, strict=True)],
        )
    return BOM + text.getvalue()


def csv_cell(column: SheetColumn, value: CellValue, timezone: str) -> str | int | float:
    """One cell of a CSV file."""
    match column.kind, value:
        case _, None:
            return ""
        case CellKind.MONEY, Amount() | int():
            return plain(*parts(column, value))
        case _, datetime():
            return value.astimezone(zone(timezone)).isoformat(timespec="seconds")
        case _, date():
            return value.isoformat()
        case _, float():
            return round(value, 6) if math.isfinite(value) else ""
        case _, int():
            return value
        case _:
            return defused(str(value))


def to_json(sheet: Sheet) -> dict[str, Any]:
    """{"rows": […], "totals": {…} | null, "about": [{"name", "text"}]}, as the API writes numbers and instants.

    Money is a decimal string in major units beside `…_minor` and, where each row has its own, `…_currency`.
    """
    return {
        "rows": [json_row(sheet.columns, row) for row in sheet.rows],
        "totals": None if sheet.totals is None else json_row(sheet.columns, sheet.totals),
        "about": [{"name": name, "text": text} for name, text in sheet.about],
    }


def json_row(columns: Sequence[SheetColumn], row: Sequence[CellValue]) -> dict[str, Any]:
    """A row by the columns' keys."""
    found: dict[str, Any] = {}
    for column, value in zip(columns, row, strict=True):
        key = column.key or column.label
        if column.kind is CellKind.MONEY:
            minor, currency = (None, None) if not isinstance(value, Amount | int) else parts(column, value)
            found[key] = None if minor is None or currency is None else plain(minor, currency)
            found[f"{key}_minor"] = minor
            if column.currency is None:
                found[f"{key}_currency"] = currency
        elif isinstance(value, datetime):
            found[key] = format_instant(value)
        elif isinstance(value, float):
            found[key] = round(value, 6) if math.isfinite(value) else None
        else:
            found[key] = value.isoformat() if isinstance(value, date) else value
    return found


# --- a report as a sheet --------------------------------------------------------------------------------------------

KIND_OF = {
    Unit.COUNT: CellKind.COUNT,
    Unit.CREDIT: CellKind.COUNT,
    Unit.MONEY: CellKind.MONEY,
    Unit.PRICE: CellKind.MONEY,
    Unit.RATIO: CellKind.RATIO,
}


def kind_of(column: Column) -> CellKind:
    """What stands in a report's column."""
    if column.unit is None:
        return CellKind.TEXT
    return CellKind.PERCENT if column.part is Part.CHANGE else KIND_OF[column.unit]


def sheet_of(
    table: Table, name: str, labels: Mapping[str, str], about: Sequence[tuple[str, str]] = (), total: str = "Total"
) -> Sheet:
    """A report (table.Table) as a sheet: the same columns in the same order, and its totals.

    labels  what stands above each column, by key; the keys themselves where not given
    total   the word that stands before the totals
    """
    currency, n_labels = table.meta.currency, len(table.meta.by)
    columns = [
        SheetColumn(labels.get(one.key, one.key), kind_of(one), one.key, currency or "") for one in table.columns
    ]

    def cells(values: Sequence[str], figures: Figures, before: Figures | None) -> list[CellValue]:
        numbers = [
            None
            if one.unit is None or (one.unit.is_money and currency is None)
            else to_number(one.kept(figures, before), one.unit)
            for one in table.columns[n_labels:]
        ]
        return [*values, *numbers]

    rows = [cells(row.values, row.figures, row.before) for row in table.rows]
    earlier = table.before.totals if table.before else None
    return Sheet(name, columns, rows, about, cells([total, *[""] * (n_labels - 1)], table.totals, earlier))
