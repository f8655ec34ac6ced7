"""A report as JSON, CSV and text: exact money, defused formulas, nothing that steers a terminal."""

import csv
import io
from datetime import UTC, datetime

import pytest

from tracker.attribution.terms import DirectPolicy
from tracker.reports.catalogue import DIMENSION, METRICS, NOTES, Unit
from tracker.reports.exchange import Unconverted
from tracker.reports.table import (
    BOM,
    Figures,
    Meta,
    Note,
    Row,
    Table,
    columns_of,
    defused,
    printable,
    shown,
    to_number,
)
from tracker.reports.where import Filter
from tracker.vocabulary import Basis, Dimension, Model, PathScope

FIGURES = Figures(
    visits=1234,
    visitors=1000,
    form=333_333,
    new_leads=2_000_000,
    sales=500_000,
    revenue_minor=-150_050,
    cost_minor=10_000,
)


def table(values: tuple[str, ...] = ("google", "spring"), currency: str | None = "EUR") -> Table:
    by = (Dimension.SOURCE, Dimension.CAMPAIGN)
    meta = Meta(
        model=Model.LINEAR,
        basis=Basis.ACTIVITY,
        currency=currency,
        from_day="2026-04-01",
        to_day="2026-04-30",
        by=by,
        direct=DirectPolicy.LAST_RESORT,
        lookback_days=None,
        timezone="Asia/Tokyo",
        rules_versions=("2026-11-01",),
        unconverted=(Unconverted("VND", -5, 7),),
        notes=(Note("unconverted", (("currencies", "VND"),)),),
        generated_at=datetime(2026, 11, 21, 12, tzinfo=UTC),
        policy_version=3,
        fit_version=2,
        scope=PathScope.COMPANY,
        where=(Filter(Dimension.TERM, ("=1+1", "x"), excludes=True),),
    )
    rows = (Row(values, False, FIGURES), Row(("unattributed",) * 2, True, Figures()))
    return Table(columns_of(by), rows, FIGURES, meta)


def test_json_has_rows_totals_and_the_rule_they_carry() -> None:
    given = table().to_json()
    assert given["rows"][0] == {
        "source": "google",
        "campaign": "spring",
        "is_unattributed": False,
        "visits": 1234,
        "visitors": 1000,
        "form": 0.333333,
        "call": 0,
        "chat": 0,
        "offline": 0,
        "lead_events": 0.333333,
        "new_leads": 2,
        "mql": 0,
        "sql": 0,
        "deals": 0,
        "sales": 0.5,
        "customers": 0,
        "revenue": "-1500.50",
        "revenue_minor": -150_050,
        "cost": "100.00",
        "cost_minor": 10_000,
        "cost_per_lead": "50.00",
        "cost_per_lead_minor": 5_000,
        "cost_per_mql": None,
        "cost_per_mql_minor": None,
        "cost_per_sql": None,
        "cost_per_sql_minor": None,
        "cost_per_customer": None,
        "cost_per_customer_minor": None,
        "roi": -16.005,
        "roas": -15.005,
    }
    assert given["rows"][1]["is_unattributed"] is True
    assert given["rows"][1]["roi"] is None
    assert given["totals"]["revenue_minor"] == -150_050
    assert given["meta"] == {
        "model": "linear",
        "basis": "activity",
        "currency": "EUR",
        "from": "2026-04-01",
        "to": "2026-04-30",
        "by": ["source", "campaign"],
        "direct": "last_resort",
        "lookback_days": None,
        "timezone": "Asia/Tokyo",
        "scope": "company",
        "rules_versions": ["2026-11-01"],
        "policy_version": 3,
        "fit_version": 2,
        "where": {"not_term": ["=1+1", "x"]},
        "unconverted": [{"currency": "VND", "revenue": "-5", "revenue_minor": -5, "cost": "7", "cost_minor": 7}],
        "notes": [
            {
                "code": "unconverted",
                "text": "Amounts in VND have no exchange rate and stand apart; they are in no figure.",
            }
        ],
        "generated_at": "2026-11-21T12:00:00.000Z",
    }


def test_whole_counts_are_integers() -> None:
    assert type(table().to_json()["rows"][0]["new_leads"]) is int
    assert to_number(1_500_000, Unit.CREDIT) == 1.5


def test_without_a_currency_there_is_no_money() -> None:
    row = table(currency=None).to_json()["rows"][0]
    assert (row["revenue"], row["revenue_minor"], row["cost"], row["cost_minor"]) == (None,) * 4
    assert shown(FIGURES, "revenue", None) == "–"


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text.removeprefix(BOM), newline="")))


def test_csv_has_a_byte_order_mark_the_keys_and_a_line_a_row() -> None:
    text = table().to_csv()
    assert text.startswith("\ufeffsource,campaign,visits,")
    head, first, last = read(text)
    assert head == ["source", "campaign", *(metric.key for metric in METRICS)]
    assert dict(zip(head, first, strict=True))["revenue"] == "-1500.50"
    assert dict(zip(head, last, strict=True))["roi"] == ""


def test_csv_can_have_another_languages_headers() -> None:
    assert read(table().to_csv({"source": "参照元", "visits": "訪問"}))[0][:3] == ["参照元", "campaign", "訪問"]


@pytest.mark.parametrize(
    "hostile",
    [
        "=HYPERLINK(1)",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "  =1",
        "＝1",
        "＋1",
        "－1",
        "＠1",
    ],
)
def test_a_strangers_formula_is_defused_and_our_negative_numbers_stay_numbers(hostile: str) -> None:
    row = read(table((hostile, 'a"b,c\nd')).to_csv())[1]
    assert row[0] == f"'{hostile}"
    assert row[1] == 'a"b,c\nd'
    assert row[2 + [metric.key for metric in METRICS].index("revenue")] == "-1500.50"


def test_harmless_texts_stay_as_they_are() -> None:
    for text in ("google", "(not set)", "a=b", "春の=キャンペーン", "", "1-2"):
        assert defused(text) == text


def test_the_terminal_gets_columns_totals_and_no_control_characters() -> None:
    text = table(("\x1b[31mred\x1b[0m\a", "[bold]x[/bold]\n\u202etxt")).to_text()
    assert "\x1b" not in text
    assert "\a" not in text
    assert "\u202e" not in text
    assert "[bold]x[/bold]" in text
    assert "Total" in text
    assert "-1,500.50" in text
    assert "0.33" in text
    assert "-1600%" in text or "-1,600%" in text
    assert printable("日本 é") == "日本 é"


def test_the_terminal_says_by_which_rule_the_numbers_came() -> None:
    assert table().to_text().splitlines()[-3:] == [
        (
            "2026-04-01 to 2026-04-30 (Asia/Tokyo), model linear, basis activity, direct last_resort, currency EUR, "
            "policy 3, fit 2"
        ),
        "not_term: =1+1, x",
        "- Amounts in VND have no exchange rate and stand apart; they are in no figure.",
    ]


def test_money_below_one_keeps_its_sign() -> None:
    assert shown(Figures(revenue_minor=-50), "revenue", "EUR") == "-0.50"
    assert shown(Figures(revenue_minor=-1_234_567), "revenue", "JPY") == "-1,234,567"


def test_every_metric_and_dimension_is_defined() -> None:
    assert [entry.key for entry in DIMENSION.values()] == list(Dimension)
    for entry in (*METRICS, *DIMENSION.values()):
        assert entry.label
        assert entry.definition.endswith(".")
    for code in NOTES:
        names = ("days", "currencies", "last_day", "n", "version", "channels", "dimensions", "from_day", "to_day")
        values = tuple((name, "1") for name in names)
        assert "%" not in Note(code, values).text()
