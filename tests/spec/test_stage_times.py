"""How long somebody was in each stage (stage_times.md); and that the times add up."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.lifecycle.times import stage_times

PAGE = (Path(__file__).parent / "stage_times.md").read_text(encoding="utf-8")
CASES = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))
NOW = datetime(2026, 5, 31, tzinfo=UTC)
INSTANTS = st.integers(0, 10_000_000).map(lambda seconds: NOW - timedelta(seconds=seconds))
WAYS = st.lists(st.tuples(INSTANTS, st.sampled_from(("lead", "customer", "trial"))), max_size=12).map(
    lambda way: sorted(way, key=lambda step: step[0])
)


def rows_of(table: str) -> list[list[str]]:
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line[:1] == "|"]
    return cells[2:]


def day(at: datetime | None) -> str:
    return at.strftime("%m-%d") if at else ""


@pytest.mark.parametrize("case", CASES)
def test_times_in_stages_are_as_the_page_says(case: str) -> None:
    told, expected = (rows_of(table) for table in CASES[case].strip().split("\n\n"))
    way = [(datetime.fromisoformat(f"2026-{on}T00:00:00+00:00"), stage) for stage, on in told]
    assert [
        [
            one.stage,
            str(one.n_entered),
            day(one.first_entered_at),
            day(one.entered_at),
            day(one.exited_at),
            str(one.this_time.days),
            str(one.in_all.days),
        ]
        for one in stage_times(way, NOW)
    ] == expected


@given(WAYS)
def test_the_times_of_all_stages_add_up_to_the_time_since_the_first_entry(way: list[tuple[datetime, str]]) -> None:
    found = stage_times(way, NOW)
    total = NOW - way[0][0] if way else timedelta()
    assert sum((one.in_all for one in found), timedelta()) == total
    assert all(timedelta() <= one.this_time <= one.in_all for one in found)
    assert sum(one.n_entered for one in found) == len(way)
    assert [one.stage for one in found if one.exited_at is None] == ([way[-1][1]] if way else [])


def test_before_the_last_change_nothing_is_counted_of_it() -> None:
    ((only,),) = [stage_times([(NOW + timedelta(days=1), "lead")], NOW)]
    assert only.this_time == only.in_all == timedelta()
