"""What the usual periods mean (periods.md)."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.clock import local_day
from tracker.errors import Invalid
from tracker.reports.periods import PERIODS, days_of

LINES = [
    [cell.strip() for cell in line.strip().strip("|").split("|")]
    for line in (Path(__file__).parent / "periods.md").read_text().splitlines()
    if line.startswith("| 2")
]
WEEK = {"Monday": 0, "Sunday": 6}


@pytest.mark.parametrize(("at", "zone", "week", "period", "first", "last", "why"), LINES)
def test_a_period_has_the_days_of_the_site(
    at: str, zone: str, week: str, period: str, first: str, last: str, why: str
) -> None:
    today = date.fromisoformat(local_day(datetime.fromisoformat(at).replace(tzinfo=UTC), zone))
    found = days_of(period, today, WEEK[week])
    assert tuple(day.isoformat() for day in found) == (first, last), why


def test_every_period_has_its_line() -> None:
    assert {line[3] for line in LINES} == set(PERIODS)


@given(st.dates(date(1990, 1, 1), date(2100, 1, 1)), st.integers(0, 6))
def test_periods_end_today_or_before_and_follow_one_another(today: date, first_weekday: int) -> None:
    found = {word: days_of(word, today, first_weekday) for word in PERIODS}
    assert all(first <= last <= today for first, last in found.values())
    for unit in ("week", "month", "quarter", "year"):
        assert found[f"last_{unit}"][1] + timedelta(1) == found[f"this_{unit}"][0]
    assert found["this_week"][0].weekday() == first_weekday


def test_an_unknown_period_is_refused() -> None:
    with pytest.raises(Invalid, match="unknown period"):
        days_of("next_month", date(2026, 1, 1))
