"""Files of costs, whatever they hold: amounts survive all ways of writing, sums are kept, only Invalid is raised."""

import csv
import io
from datetime import date, timedelta
from decimal import Decimal
from fnmatch import fnmatchcase

from hypothesis import given, settings
from hypothesis import strategies as st

from tracker.costs import amounts, days
from tracker.costs.choices import guess
from tracker.costs.entry import entered
from tracker.costs.naming import CostRule, Naming, exactly, fits, parts_of
from tracker.costs.reading import read_sheet
from tracker.costs.understand import sum_of, understand
from tracker.errors import Invalid
from tracker.money import exponent, plain

LAST_DAY = "2026-12-31"
WIDE = str.maketrans("0123456789,.-", "０１２３４５６７８９，．－")
MARKS = ("{}", "¥{}", "￥{}", "{}円", "$ {}", "US$ {}", "{} €", "EUR {}", "{} JPY", " {} ")


def grouped(digits: str, mark: str) -> str:
    """'1234567' -> '1,234,567'."""
    first = len(digits) % 3 or 3
    return mark.join([digits[:first], *(digits[n : n + 3] for n in range(first, len(digits), 3))])


@given(
    minor=st.integers(-(10**14), 10**14),
    places=st.integers(0, 4),
    numbers=st.sampled_from(amounts.NUMBERS),
    group=st.sampled_from(["", "own", " ", "'"]),
    mark=st.sampled_from(MARKS),
    is_wide=st.booleans(),
    is_bracketed=st.booleans(),
)
def test_an_amount_survives_every_way_of_writing_it(
    minor: int, places: int, numbers: str, group: str, mark: str, is_wide: bool, is_bracketed: bool
) -> None:
    exact = Decimal(minor).scaleb(-places)
    whole, _, rest = f"{abs(exact):f}".partition(".")
    before, after = (".", ",") if numbers == amounts.POINT else (",", ".")
    text = grouped(whole, after if group == "own" else group) + (before + rest if rest else "")
    sign = "" if minor >= 0 else "-"
    text = mark.format(f"({text})" if sign and is_bracketed and mark == "{}" else sign + text)
    assert amounts.number(text.translate(WIDE) if is_wide else text, numbers) == exact


@given(cents=st.lists(st.integers(0, 10**12), min_size=1, max_size=20), numbers=st.sampled_from(amounts.NUMBERS))
def test_a_column_with_decimals_tells_what_stands_before_them(cents: list[int], numbers: str) -> None:
    before, after = (".", ",") if numbers == amounts.POINT else (",", ".")
    texts = [grouped(str(n // 100), after) + f"{before}{n % 100:02d}" for n in cents]
    assert amounts.numbers_of(texts) == numbers


@given(day=st.dates(date(2000, 1, 1), date(2100, 12, 31)), order=st.sampled_from(days.ORDERS))
def test_a_day_survives_every_way_of_writing_it(day: date, order: str) -> None:
    ways = [
        day.isoformat(),
        f"{day.year}/{day.month}/{day.day}",
        f"{day.year}年{day.month}月{day.day}日",
        f"{day:%Y%m%d}",
        f"{day.day}.{day.month}.{day.year}",
        f"{day:%b} {day.day}, {day.year}",
        f"{day.day} {day:%B} {day.year}",
        f"{day.isoformat()} 00:00:00",
        f"{day:%d/%m/%Y}" if order == days.DMY else f"{day:%m/%d/%Y}",
    ]
    assert {days.day(text, order) for text in ways} == {day.isoformat()}


ROW = st.tuples(
    st.integers(0, 3),  # the day
    st.integers(0, 2),  # how many more days the row is of
    st.sampled_from(["a", "b", "c"]),
    st.integers(0, 10**9),  # in ten-thousandths
    st.sampled_from(["JPY", "EUR", "KWD"]),
)


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(ROW, min_size=1, max_size=30))
def test_the_sum_of_what_is_imported_is_the_sum_of_the_rows(rows: list[tuple[int, int, str, int, str]]) -> None:
    first = date(2026, 4, 1)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["day", "until", "campaign", "cost", "currency", "source", "medium"])
    for day, more, campaign, tenths, currency in rows:
        begin = first + timedelta(days=day)
        until = begin + timedelta(days=more)
        # One currency for each campaign: rows of one day and name cannot have two.
        name = f"{campaign} {currency}"
        writer.writerow([begin, until, name, f"{Decimal(tenths).scaleb(-4):f}", currency, "line", "cpc"])
    sheet = read_sheet(out.getvalue().encode())
    found = understand(sheet, guess(sheet, None), LAST_DAY)
    assert found.faulty == ()
    exact = {
        currency: sum(Decimal(row[3]).scaleb(exponent(currency) - 4) for row in rows if row[4] == currency)
        for currency in {row[4] for row in rows}
    }
    assert dict(sum_of(found.costs)) == {currency: int(round(total)) for currency, total in exact.items()}  # noqa: RUF046
    assert {currency: total for currency, total, _ in found.totals} == exact
    assert all(one.amount_minor >= 0 for one in found.costs)
    assert len({(one.day, one.campaign) for one in found.costs}) == len(found.costs)


@given(parts=st.lists(st.decimals(0, 10**9, places=5), min_size=1, max_size=30))
def test_rounding_keeps_the_sum_and_leaves_whole_amounts(parts: list[Decimal]) -> None:
    whole = amounts.rounded(parts, [bytes([n]) for n in range(len(parts))])
    assert sum(whole) == int(round(sum(parts)))  # noqa: RUF046 - round gives a Decimal
    assert all(abs(part - one) < 1 for part, one in zip(parts, whole, strict=True))
    assert all(part == one for part, one in zip(parts, whole, strict=True) if part == part.to_integral_value())


@given(minor=st.integers(0, 10**12), n_days=st.integers(1, 366), currency=st.sampled_from(["JPY", "USD", "KWD"]))
@settings(max_examples=20)
def test_what_is_entered_for_several_days_adds_up(minor: int, n_days: int, currency: str) -> None:
    until = date(2025, 1, 1) + timedelta(days=n_days - 1)
    form = {
        "day": "2025-01-01",
        "until": until.isoformat(),
        "source": "fair",
        "medium": "event",
        "amount": plain(minor, currency).replace(".", ",") + "0" * (exponent(currency) == 3),
        "currency": currency,
        "clicks": "7",
    }
    new = entered(form, LAST_DAY)
    assert sum(one.amount_minor for one in new.costs) == new.amount_minor == minor
    assert len(new.costs) == n_days
    assert sum(one.clicks or 0 for one in new.costs) == 7
    assert max(one.amount_minor for one in new.costs) - min(one.amount_minor for one in new.costs) <= 1


CELL = st.text(max_size=30) | st.sampled_from(
    [
        "=1+1",
        "@SUM(A1)",
        "+cmd|' /C calc'!A0",
        "9" * 50,
        "1e999",
        "NaN",
        "2026-04-01",
        "01/02/2026",
        "-",
        "合計",
        "\x00",
    ]
)
HEADS = st.sampled_from([["Day", "Campaign", "Cost"], ["日", "キャンペーン名", "コスト"], ["a", "b", "c"], []])


@settings(max_examples=60)
@given(head=HEADS, rows=st.lists(st.lists(CELL, max_size=6), max_size=8), delimiter=st.sampled_from([",", ";", "\t"]))
def test_whatever_a_file_holds_it_is_read_or_refused(head: list[str], rows: list[list[str]], delimiter: str) -> None:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows([head, *rows])
    read_or_refused(out.getvalue().encode("utf-8", "surrogatepass"))


@settings(max_examples=60)
@given(content=st.binary(max_size=200))
def test_whatever_bytes_come_they_are_read_or_refused(content: bytes) -> None:
    read_or_refused(content)


def read_or_refused(content: bytes) -> None:
    try:
        sheet = read_sheet(content)
        found = understand(sheet, guess(sheet, "JPY"), LAST_DAY)
    except Invalid:
        return
    assert dict(sum_of(found.costs)) == {currency: minor for currency, _, minor in found.totals}


PATTERN = st.text("ab*", max_size=8)


@given(pattern=PATTERN, name=st.text("ab", max_size=10))
def test_a_pattern_means_what_a_shell_means_by_its_stars(pattern: str, name: str) -> None:
    assert fits(parts_of(pattern), name) == fnmatchcase(name, pattern)


@given(name=st.text("ab*\\", max_size=10), other=st.text("ab*\\", max_size=10))
def test_a_name_taken_exactly_fits_itself_alone(name: str, other: str) -> None:
    assert fits(parts_of(exactly(name)), name)
    assert fits(parts_of(exactly(name)), other) == (name == other)


@given(
    rules=st.lists(st.tuples(PATTERN, st.text("xyz", min_size=1, max_size=2)), max_size=5),
    told=st.dictionaries(st.text("ab", max_size=5), st.integers(0, 10**6), max_size=10),
)
def test_whatever_campaigns_are_called_the_money_is_what_was_told(
    rules: list[tuple[str, str]], told: dict[str, int]
) -> None:
    naming = Naming([CostRule("*", "*", pattern, campaign=name) for pattern, name in rules])
    sums: dict[tuple[str, str, str], int] = {}
    for campaign, minor in told.items():
        names = naming.name(("google", "cpc", campaign))
        assert names[:2] == ("google", "cpc")
        sums[names] = sums.get(names, 0) + minor
    assert sum(sums.values()) == sum(told.values())


def test_a_thousand_stars_take_no_time() -> None:
    # Backtracking over this pattern would take longer than the universe is old.
    assert not fits(parts_of("a*" * 120 + "b"), "a" * 255)
