"""Rates of the day, of the last banking day before it, or none; amounts converted once and exactly."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker.rates import Rate, find_rate, last_day


def test_it_gives_the_rate_of_the_day() -> None:
    rate = find_rate("USD", "JPY", "2026-04-02")
    assert rate == Rate("USD", "JPY", Decimal("1.1525"), Decimal("183.94"), "2026-04-02", False)
    assert rate.value == Decimal("159.600867679")
    assert rate.source == "ECB"


@pytest.mark.parametrize("day", ["2026-04-03", "2026-04-05", "2026-04-06"])
def test_it_takes_the_last_banking_day_over_easter(day: str) -> None:
    rate = find_rate("EUR", "USD", day)
    assert rate is not None
    assert (rate.rate_day, rate.to_per_euro, rate.is_late) == ("2026-04-02", Decimal("1.1525"), False)


def test_it_goes_through_the_euro_both_ways() -> None:
    there, back = find_rate("USD", "EUR", "2026-04-02"), find_rate("EUR", "USD", "2026-04-02")
    assert there is not None
    assert back is not None
    assert there.convert(115_250, 2, 2) == 100_000
    assert back.convert(100_000, 2, 2) == 115_250


def test_the_same_currency_needs_no_table() -> None:
    rate = find_rate("VND", "VND", "1970-01-01")
    assert rate is not None
    assert rate.convert(-7, 0, 0) == -7


def test_days_after_the_table_take_its_last_quotes_and_say_so() -> None:
    rate, known = find_rate("EUR", "JPY", "9999-12-31"), find_rate("EUR", "JPY", last_day())
    assert rate is not None
    assert known is not None
    assert (rate.rate_day, rate.to_per_euro) == (last_day(), known.to_per_euro)
    assert (rate.is_late, known.is_late) == (True, False)


@pytest.mark.parametrize(
    ("currency", "day"),
    [
        ("VND", "2026-04-02"),  # never quoted
        ("USD", "1998-12-31"),  # before the euro
        ("RUB", "2022-03-20"),  # suspended on 2022-03-01
        ("ISK", "2012-06-01"),  # not quoted from 2008 to 2018
        ("DEM", "2026-04-02"),
    ],
)
def test_a_currency_without_quotes_has_no_rate(currency: str, day: str) -> None:
    assert find_rate(currency, "JPY", day) is None
    assert find_rate("JPY", currency, day) is None


def test_a_suspended_currency_keeps_its_rate_for_ten_days() -> None:
    rate = find_rate("RUB", "EUR", "2022-03-10")
    assert rate is not None
    assert rate.rate_day == "2022-03-01"


def test_halves_go_to_the_even_unit() -> None:
    rate = Rate("A", "B", Decimal("2"), Decimal("1"), "2026-04-02", False)
    assert [rate.convert(amount, 0, 0) for amount in (1, 3, 5, 7, -1, -3)] == [0, 2, 2, 4, 0, -2]


@settings(deadline=None)
@given(
    amount=st.integers(-(9 * 10**15), 9 * 10**15),
    quotes=st.tuples(*[st.decimals("0.0001", "30000", places=4)] * 2),
    places=st.tuples(*[st.sampled_from([0, 2, 3])] * 2),
)
def test_it_rounds_once_halves_to_even(amount: int, quotes: tuple[Decimal, Decimal], places: tuple[int, int]) -> None:
    rate = Rate("A", "B", *quotes, "2026-04-02", False)
    exact = Fraction(amount) / 10 ** places[0] * Fraction(quotes[1]) / Fraction(quotes[0]) * 10 ** places[1]
    assert rate.convert(amount, *places) == round(exact)
    assert rate.convert(-amount, *places) == -rate.convert(amount, *places)
