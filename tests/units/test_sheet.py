"""Tables as files: a spreadsheet reads back what was written, and takes nothing for more than it is."""

import csv
import io
import json
import zipfile
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook

from tracker.errors import Invalid
from tracker.money import LIMIT_MINOR, exponent
from tracker.reports.sheet import EXACT, Amount, CellKind, Sheet, SheetColumn, to_csv, to_json, to_xlsx

MADE = datetime(2026, 4, 1, 0, 30, tzinfo=UTC)
HOSTILE = (
    "=1+1",
    "@SUM(A1)",
    "+cmd|' /C calc'!A0",
    "-2+3",
    "＝1+1",
    "{=1+1}",
    "https://evil.example/",
    "internal:Sheet1!A1",
    "<r><t>x</t></is></c><c r='Z9'><f>1+1</f></c></r>",
    "</t></is></c>",
    "_x0041_",
    "a & b < c > \"d\" 'e'",
    "123456789012345678901",
    "1e5",
    "TRUE",
    "日本語　全角",
    "\ttab",
    " two  spaces ",
)


def read_back(data: bytes, name: str = "") -> list[list[Any]]:
    book = load_workbook(io.BytesIO(data))
    page = book[name] if name else book.worksheets[0]
    return [[cell.value for cell in row] for row in page.iter_rows()]


def of_one(kind: CellKind, *values: Any, currency: str | None = None) -> Sheet:
    return Sheet("One", [SheetColumn("Value", kind, "value", currency)], [[value] for value in values])


@pytest.mark.parametrize("text", HOSTILE)
def test_a_strangers_text_stays_text(text: str) -> None:
    data = to_xlsx([of_one(CellKind.TEXT, text)], made_at=MADE)
    (_, row), cell = read_back(data), load_workbook(io.BytesIO(data)).worksheets[0]["A2"]
    assert row[0].rstrip(" ") == text.rstrip(" ").replace("_x0041_", "_x005F_x0041_") or row[0] == text
    assert cell.data_type in ("s", "inlineStr")
    assert cell.hyperlink is None


@given(st.lists(st.text(max_size=40), max_size=6))
@settings(max_examples=15, deadline=None)
def test_no_text_makes_a_formula_or_breaks_the_file(texts: list[str]) -> None:
    data = to_xlsx([of_one(CellKind.TEXT, *texts)], made_at=MADE)
    with zipfile.ZipFile(io.BytesIO(data)) as parts:
        page = parts.read("xl/worksheets/sheet1.xml")
    assert b"<f>" not in page
    assert b"<hyperlink" not in page
    assert len(read_back(data)) == len(texts) + 1


def test_a_text_that_cannot_stand_in_a_file_is_shown_as_far_as_it_can() -> None:
    data = to_xlsx([of_one(CellKind.TEXT, "a\x00b\ud800c\uffff", "x" * 40_000, "𠮷" * 20_000)], made_at=MADE)
    _, (first,), (second,), (third,) = read_back(data)
    assert first == "a\ufffdb\ufffdc\ufffd"
    assert 32_000 <= len(second) <= 32_767
    assert 15_000 <= len(third) <= 16_384


@pytest.mark.parametrize(
    ("minor", "currency", "text", "pattern"),
    [
        (150_000, "JPY", "150000", "#,##0"),
        (-1, "USD", "-0.01", "#,##0.00"),
        (EXACT, "JPY", "999999999999999", "#,##0"),
        (EXACT, "USD", "9999999999999.99", "#,##0.00"),
        (EXACT - 1, "BHD", "999999999999.998", "#,##0.000"),
        (-EXACT, "CLF", "-99999999999.9999", "#,##0.0000"),
    ],
)
def test_money_is_read_back_to_the_smallest_unit(minor: int, currency: str, text: str, pattern: str) -> None:
    data = to_xlsx([of_one(CellKind.MONEY, minor, currency=currency)], made_at=MADE)
    cell = load_workbook(io.BytesIO(data)).worksheets[0]["A2"]
    assert Decimal(repr(cell.value)) == Decimal(text)
    assert cell.number_format == pattern


@given(st.lists(st.tuples(st.integers(-EXACT, EXACT), st.sampled_from(["JPY", "USD", "BHD", "CLF"])), max_size=30))
@settings(max_examples=15, deadline=None)
def test_any_amount_of_fifteen_digits_is_exact(amounts: list[tuple[int, str]]) -> None:
    rows = read_back(to_xlsx([of_one(CellKind.MONEY, *(Amount(*one) for one in amounts))], made_at=MADE))[1:]
    found = [Decimal(repr(row[0])).scaleb(exponent(one[1])) for row, one in zip(rows, amounts, strict=True)]
    assert found == [minor for minor, _ in amounts]


def test_what_a_cell_cannot_hold_exactly_is_a_text() -> None:
    rows = read_back(to_xlsx([of_one(CellKind.MONEY, EXACT + 1, LIMIT_MINOR, currency="USD")], made_at=MADE))
    assert rows[1:] == [["10000000000000.00"], ["90000000000000.00"]]


def test_days_and_instants_are_dates_in_the_sites_zone() -> None:
    at = datetime(2026, 3, 31, 15, 30, 5, tzinfo=UTC)
    both = Sheet(
        "Both",
        [SheetColumn("Day", CellKind.DAY), SheetColumn("At", CellKind.INSTANT)],
        [["2026-03-31", at], [date(1850, 1, 1), None], ["no day", None]],
    )
    rows = read_back(to_xlsx([both], made_at=MADE, timezone="Asia/Tokyo"))
    assert rows[1] == [datetime.fromisoformat("2026-03-31"), datetime.fromisoformat("2026-04-01T00:30:05")]
    assert rows[2] == ["1850-01-01", None]
    assert rows[3] == ["no day", None]
    assert "2026-04-01T00:30:05+09:00" in to_csv(both, "Asia/Tokyo")


def test_a_sheet_has_a_frozen_header_a_filter_totals_and_the_rule_of_its_figures() -> None:
    columns = [SheetColumn("Source"), SheetColumn("Share", CellKind.PERCENT), SheetColumn("ROAS", CellKind.RATIO)]
    rows = [["google", 0.25, 1.5], ["(direct)", 0.75, None]]
    table = Sheet("Sources", columns, rows, [("Model", "First touch"), ("Days", "=1+1")], ["Total", 1.0, None])
    book = load_workbook(io.BytesIO(to_xlsx([table], made_at=MADE)))
    page = book["Sources"]
    assert page.freeze_panes == "A2"
    assert page.auto_filter.ref == "A1:C3"
    assert page["A1"].font.b
    assert page["A4"].font.b
    assert page["B4"].value == 1
    assert page["C4"].value is None
    assert page["B2"].number_format == "0.0%"
    assert page["C2"].number_format == "0.00"
    assert [[cell.value for cell in row] for row in book["About"].iter_rows()] == [
        ["Model", "First touch"],
        ["Days", "=1+1"],
    ]


def test_sheets_have_names_that_spreadsheets_allow() -> None:
    wanted = ["a/b:c", "A B C", "'", "History", "x" * 50, "x" * 60, "経路"]
    data = to_xlsx([Sheet(name, [SheetColumn("A")], []) for name in wanted], made_at=MADE)
    names = load_workbook(io.BytesIO(data)).sheetnames
    assert names == ["a b c", "A B C 2", "Sheet", "History 2", "x" * 26, f"{'x' * 26} 2", "経路"]


def test_no_value_is_an_empty_cell_and_a_number_that_is_none_too() -> None:
    counts = of_one(CellKind.COUNT, None, float("nan"), float("inf"), 0, 1.25)
    assert read_back(to_xlsx([counts], made_at=MADE))[1:] == [[None], [None], [None], [0], [1.25]]
    assert to_csv(counts).split("\r\n")[1:6] == ['""', '""', '""', "0", "1.25"]


def test_more_rows_than_fit_are_refused() -> None:
    assert len(read_back(to_xlsx([of_one(CellKind.TEXT, "a", "b")], made_at=MADE, most_rows=2))) == 3
    with pytest.raises(Invalid, match="take CSV"):
        to_xlsx([of_one(CellKind.TEXT, "a", "b", "c")], made_at=MADE, most_rows=2)


def test_csv_and_json_say_the_same() -> None:
    table = Sheet(
        "Deals",
        [
            SheetColumn("Name", key="name"),
            SheetColumn("Amount", CellKind.MONEY, "amount"),
            SheetColumn("Revenue", CellKind.MONEY, "revenue", "USD"),
        ],
        [["=evil", Amount(1500, "JPY"), 12345], ["b", None, None]],
        [("Model", "Linear")],
    )
    assert list(csv.reader(io.StringIO(to_csv(table)[1:]))) == [
        ["Name", "Amount", "Revenue"],
        ["'=evil", "1500", "123.45"],
        ["b", "", ""],
    ]
    told = json.loads(json.dumps(to_json(table)))
    assert told["rows"][0] == {
        "name": "=evil",
        "amount": "1500",
        "amount_minor": 1500,
        "amount_currency": "JPY",
        "revenue": "123.45",
        "revenue_minor": 12345,
    }
    assert told["rows"][1]["revenue"] is None
    assert told["about"] == [{"name": "Model", "text": "Linear"}]
