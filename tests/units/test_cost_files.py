"""Reading files of costs: what is refused, what is asked for, what a choice changes."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from tracker.costs import amounts, days
from tracker.costs.choices import checked, guess, read_choices, written
from tracker.costs.entry import Unentered, entered
from tracker.costs.naming import CostRule, Naming, nearest, read_rules
from tracker.costs.reading import MOST_BYTES, MOST_COLUMNS, read_sheet
from tracker.costs.understand import Understood, understand
from tracker.errors import Invalid
from tracker.vocabulary import AdPlatform, CostFault, CostLeftOut

LAST_DAY = "2026-04-30"
FILES = Path(__file__).parents[1] / "spec" / "costs"
HEAD = "date,source,medium,campaign,cost,currency,clicks\n"


def read(text: str | bytes, **choices: object) -> Understood:
    sheet = read_sheet(text if isinstance(text, bytes) else text.encode())
    return understand(sheet, replace(guess(sheet, "EUR"), **choices), LAST_DAY)  # type: ignore[arg-type]


def rows(*lines: str) -> Understood:
    return read(HEAD + "\n".join(lines))


def faults(found: Understood) -> list[tuple[int, str]]:
    return [(one.line, one.fault.value) for one in found.faulty]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b" \r\n\r\n", "empty"),
        (b"a," * (MOST_COLUMNS + 1), "columns"),
        (b"," * 10_000 + b"x", "columns"),
        (b"date,cost\n2026-04-01,1\x00", "NUL"),
        (b"\xff\xfe\x00\xd8", "utf-16"),
        (b'date,cost\n"2026-04-01,1', "line 2"),
        (b"date,cost\n" + b"x" * 5_000 + b",1", "4000 characters"),
        (b"date,cost\n" + b"x" * 200_000 + b",1", "line 2"),
        (b"\x81\x8d\x8f\x90\x9d", "no text"),
        (b"x" * (MOST_BYTES + 1), "10 MB"),
    ],
    ids=["empty", "blank", "wide", "wider", "nul", "half a pair", "open quote", "long", "longer", "bytes", "large"],
)
def test_what_is_no_table_is_refused_with_a_reason(content: bytes, why: str) -> None:
    with pytest.raises(Invalid, match=why):
        read_sheet(content)


def test_a_file_of_more_rows_than_are_taken_is_refused() -> None:
    with pytest.raises(Invalid, match="200000 rows"):
        read_sheet(b"a,b\n" + b"1,2\n" * 200_100)


def test_formulas_and_controls_are_names_like_any_and_no_amounts() -> None:
    found = rows(
        '2026-04-01,=1+1,@x,"=HYPERLINK(""http://x"")",1,,', "2026-04-01,a,b,c,=1+1,,", "2026-04-01,a,b,\x07bell,2,,"
    )
    assert [one.campaign for one in found.costs] == ['=HYPERLINK("http://x")', "bell"]
    assert faults(found) == [(3, "amount_unreadable")]


def test_huge_numbers_are_refused_by_row() -> None:
    found = rows(
        "2026-04-01,a,b,c," + "9" * 59 + ",,",
        "2026-04-01,a,b,d," + "9" * 3_000 + ",,",
        "2026-04-01,a,b,e,1,," + "9" * 30,
    )
    assert faults(found) == [(2, "amount_too_large"), (3, "amount_unreadable"), (4, "count_unreadable")]


def test_amounts_that_can_be_two_are_asked_for() -> None:
    text = HEAD + "2026-04-01,a,b,c,1.234,,\n2026-04-01,a,b,d,5,,"
    assert faults(read(text)) == [(2, "amount_unclear")]
    assert [one.amount_minor for one in read(text, numbers=amounts.COMMA).costs] == [123_400, 500]
    assert [one.amount_minor for one in read(text, numbers=amounts.POINT).costs] == [123, 500]
    # Another row tells.
    assert [one.amount_minor for one in read(text + '\n2026-04-01,a,b,e,"7,50",,').costs] == [123_400, 500, 750]


def test_days_that_can_be_two_are_asked_for() -> None:
    text = HEAD + "01/02/2026,a,b,c,1,,"
    assert faults(read(text)) == [(2, "day_unclear")]
    assert read(text, dates=days.DMY).period == ("2026-02-01", "2026-02-01")
    assert read(text, dates=days.MDY).period == ("2026-01-02", "2026-01-02")
    assert read(text + "\n25/03/2026,a,b,c,1,,").period == ("2026-02-01", "2026-03-25")


def test_rows_of_one_day_and_name_are_added_up() -> None:
    found = rows("2026-04-01,FB,cpc,a,1.10,,3", "2026-04-01,facebook,CPC,a,2.20,,", "2026-04-02,fb,cpc,a,0,,1")
    assert [(one.day, one.source, one.amount_minor, one.clicks) for one in found.costs] == [
        ("2026-04-01", "facebook", 330, 3),
        ("2026-04-02", "facebook", 0, 1),
    ]


def test_a_correction_lowers_its_day_and_not_below_nothing() -> None:
    found = rows("2026-04-01,a,b,c,10,,", "2026-04-01,a,b,c,-4,,", "2026-04-02,a,b,c,1,,", "2026-04-02,a,b,c,-1.01,,")
    assert [(one.day, one.amount_minor) for one in found.costs] == [("2026-04-01", 600)]
    assert faults(found) == [(4, "amount_negative"), (5, "amount_negative")]


def test_two_currencies_of_one_day_and_name_are_not_added_up() -> None:
    found = rows(
        "2026-04-01,a,b,c,10,USD,", "2026-04-01,a,b,c,10,JPY,", "2026-04-01,a,b,d,10,XXQ,", "2026-04-01,a,b,e,10 JPY,,"
    )
    assert [(one.campaign, one.currency) for one in found.costs] == [("c", "USD"), ("e", "JPY")]
    assert faults(found) == [(3, "currencies_differ"), (4, "currency_unknown")]


def test_a_row_that_goes_takes_its_part_of_other_days_along() -> None:
    text = "start date,end date,source,medium,campaign,cost\n"
    # The first row lifts both days above nothing, and is itself of a currency that the second day has not.
    text += (
        "2026-04-01,2026-04-02,a,b,c,10 JPY\n2026-04-01,2026-04-01,a,b,c,-3 JPY\n2026-04-02,2026-04-02,a,b,c,-9 JPY\n"
    )
    found = read(text)
    assert found.costs == ()
    assert faults(found) == [(2, "amount_negative"), (3, "amount_negative"), (4, "amount_negative")]


def test_a_range_that_goes_backwards_or_takes_years_is_told() -> None:
    found = read("start date,end date,source,medium,cost\n2026-04-02,2026-04-01,a,b,1\n2020-01-01,2026-04-01,a,b,1")
    assert faults(found) == [(2, "days_wrong"), (3, "days_wrong")]


def test_a_row_without_any_name_amid_the_others_is_no_total() -> None:
    text = "Day,Campaign,Cost\n2026-04-01,a,1\n,,5\n2026-04-01,b,1\n,,7"
    found = read(text)
    assert faults(found) == [(3, CostFault.NO_DAY.value)]
    assert [(out.line, out.why, out.amount) for out in found.left_out] == [(5, CostLeftOut.TOTAL, Decimal(7))]


def test_a_campaign_may_be_called_total() -> None:
    found = read("Day,Campaign,Cost\n2026-04-01,Total: brand,1\n2026-04-01,Totally,2")
    assert [one.campaign for one in found.costs] == ["Total: brand", "Totally"]


def test_names_longer_than_are_kept_are_told() -> None:
    assert faults(rows("2026-04-01,a,b," + "x" * 256 + ",1,,")) == [(2, "name_too_long")]
    assert rows("2026-04-01,a,b," + "x" * 255 + ",1,,").faulty == ()


def test_a_file_that_nobody_knows_is_read_as_it_is_said() -> None:
    sheet = read_sheet((FILES / "own_semicolon.csv").read_bytes())
    choices = guess(sheet, "EUR")
    assert choices.platform is AdPlatform.OWN
    with pytest.raises(Invalid, match="which column"):
        checked(choices, sheet)
    columns = {"day": 0, "source": 1, "medium": 2, "campaign": 3, "cost": 4}
    found = understand(sheet, read_choices(written(replace(choices, columns=columns))), LAST_DAY)
    assert [(one.day, one.campaign, one.amount_minor) for one in found.costs] == [
        ("2026-04-01", "April", 123_456),
        ("2026-04-02", "April", 1_250),
    ]


@pytest.mark.parametrize(
    ("columns", "field"),
    [
        ({"day": 0, "cost": 99}, "cost"),
        ({"day": 0, "cost": 0}, "day"),
        ({"cost": 1}, "day"),
        ({"day": 0, "cost": -1}, "cost"),
    ],
)
def test_columns_that_are_not_there_or_twice_are_refused(columns: dict[str, int], field: str) -> None:
    sheet = read_sheet(b"a,b\n1,2")
    with pytest.raises(Invalid) as error:
        checked(replace(guess(sheet, "EUR"), columns=columns, source="a", medium="b"), sheet)
    assert error.value.field == field


@pytest.mark.parametrize(
    ("form", "errors"),
    [
        ({}, {"day": "missing", "source": "missing", "medium": "missing", "amount": "missing", "currency": "missing"}),
        ({"day": "2026-02-30"}, {"day": "day"}),
        ({"day": "2026-05-02"}, {"day": "ahead"}),
        ({"until": "2026-03-31"}, {"until": "range"}),
        ({"amount": "-1"}, {"amount": "amount"}),
        ({"amount": "1.234"}, {"amount": "amount"}),
        ({"amount": "1.5", "currency": "JPY"}, {"amount": "amount"}),
        ({"currency": "YEN"}, {"currency": "currency"}),
        ({"clicks": "1.5"}, {"clicks": "count"}),
        ({"source": "x" * 256}, {"source": "long"}),
    ],
)
def test_an_entry_says_which_field_is_wrong(form: dict[str, str], errors: dict[str, str]) -> None:
    good = {"day": "2026-04-01", "source": "a", "medium": "b", "amount": "1,234.50", "currency": "EUR"}
    with pytest.raises(Unentered) as error:
        entered({**good, **form} if form else {}, "2026-05-01")
    assert error.value.errors == errors


def test_the_first_rule_that_fits_names_a_cost() -> None:
    told = [
        {"told_source": "google", "told_campaign": "Brand *", "campaign": "brand"},
        {"told_campaign": "*", "told_source": "FB", "source": "fb", "medium": "paid_social"},
        {"told_campaign": "\\*new\\*", "campaign": "new"},
        {"told_campaign": "brand jp", "campaign": "never"},
    ]
    naming = Naming(read_rules(told))
    assert naming.name(("google", "cpc", "BRAND JP")) == ("google", "cpc", "brand")
    assert naming.name(("google", "cpc", "*NEW*")) == ("google", "cpc", "new")
    assert naming.name(("google", "cpc", "xnewx")) == ("google", "cpc", "xnewx")
    assert naming.name(("bing", "cpc", "Brand JP")) == ("bing", "cpc", "never")


def test_rules_that_say_nothing_or_twice_the_same_are_refused() -> None:
    with pytest.raises(Invalid, match="no name"):
        read_rules([{"told_campaign": "a"}])
    with pytest.raises(Invalid, match="rule 0"):
        read_rules([{"told_campaign": "a", "campaign": "x"}, {"told_campaign": "A", "campaign": "y"}])
    with pytest.raises(Invalid, match="at most"):
        read_rules([{"told_campaign": str(n), "campaign": "x"} for n in range(1_001)])


def test_the_nearest_name_is_found_whatever_stands_between_its_words() -> None:
    known = ["spring_sale_2026", "summer_sale_2026", "春のセール", "brand"]
    assert nearest("Spring Sale 2026", known)[0] == "spring_sale_2026"
    assert nearest("【春のセール】", known) == ("春のセール",)
    assert nearest("completely other", known) == ()


def test_a_rule_that_leaves_a_name_empty_keeps_it_as_told() -> None:
    naming = Naming([CostRule("*", "*", "*", medium="CPC")])
    assert naming.name(("a", "b", "c")) == ("a", "cpc", "c")
