"""What a period is set against (period_before.md), and that the mail's periods have the calendar's before them."""

import re
from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tracker.digests.due import last_whole
from tracker.errors import Invalid
from tracker.reports.periods import whole_months
from tracker.reports.query import Against, period_before
from tracker.vocabulary import Every

LINES = re.findall(
    r"^\| (\S+ to \S+) \| (\S+ to \S+) \| (\S+ to \S+) \| (.+) \|$",
    (Path(__file__).parent / "period_before.md").read_text("utf-8"),
    re.MULTILINE,
)
days = st.dates(date(1900, 1, 1), date(2100, 12, 31))


def before(first: date, last: date, against: Against = Against.PREVIOUS) -> tuple[date, date]:
    found = period_before(first.isoformat(), last.isoformat(), against)
    return date.fromisoformat(found[0]), date.fromisoformat(found[1])


def month_end(day: date) -> date:
    return day.replace(day=monthrange(day.year, day.month)[1])


@pytest.mark.parametrize(("period", "previous", "year", "why"), LINES, ids=lambda text: text)
def test_what_a_period_is_set_against(period: str, previous: str, year: str, why: str) -> None:
    first, last = period.split(" to ")
    assert " to ".join(period_before(first, last, Against.PREVIOUS)) == previous, why
    assert " to ".join(period_before(first, last, Against.YEAR)) == year, why


def test_the_table_was_read() -> None:
    assert len(LINES) > 20


@given(days, st.integers(0, 1500))
@example(date(1900, 1, 1), 30)
def test_the_period_before_ends_the_day_before_and_is_as_long(first: date, n: int) -> None:
    last = first + timedelta(n)
    earlier = before(first, last)
    assert earlier[1] == first - timedelta(1)
    assert whole_months(*earlier) == whole_months(first, last) or not whole_months(first, last)
    if not whole_months(first, last):
        assert earlier[1] - earlier[0] == last - first


@given(days, st.integers(0, 40), st.sampled_from(Against))
def test_whole_months_are_set_against_as_many_whole_months(day: date, more: int, against: Against) -> None:
    first = day.replace(day=1)
    last = month_end(first)
    for _ in range(more):
        last = month_end(last + timedelta(1))
    assert whole_months(first, last) == more + 1
    assert whole_months(*before(first, last, against)) == more + 1


@given(days, st.integers(0, 1500))
def test_the_year_before_begins_and_ends_a_year_earlier(first: date, n: int) -> None:
    last = first + timedelta(n)
    for day, earlier in zip((first, last), before(first, last, Against.YEAR), strict=True):
        assert (earlier.year, earlier.month) == (day.year - 1, day.month)
        assert earlier.day == day.day or {day.day, earlier.day} == {28, 29}


@given(st.integers(0, 50_000_000), st.sampled_from(Every))
def test_a_mail_is_compared_with_the_mail_before_it(minutes: int, every: Every) -> None:
    """The week with the week before, the month with the month before: what the mail before was about."""
    now = datetime(1990, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    period = last_whole(every, now, "Asia/Tokyo")
    earlier = last_whole(every, period.due_at - timedelta(minutes=1), "Asia/Tokyo")
    assert period_before(period.from_day, period.to_day, Against.PREVIOUS) == (earlier.from_day, earlier.to_day)


@pytest.mark.parametrize("period", ["0001-01-01 0001-01-31", "0001-01-01 0001-12-31", "0001-01-02 0001-01-03"])
@pytest.mark.parametrize("against", Against)
def test_nothing_is_before_the_calendar(period: str, against: Against) -> None:
    with pytest.raises(Invalid, match="nothing is before"):
        period_before(*period.split(), against)
