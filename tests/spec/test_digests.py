"""When a report goes out, and about which days (digests.md)."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from tests.facts import table
from tracker.digests.due import State, is_due, last_whole, next_due
from tracker.vocabulary import Every

TEXT = (Path(__file__).parent / "digests.md").read_text("utf-8")


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize("row", table(TEXT, "About which days"), ids=lambda row: row["why"])
def test_the_period_a_report_is_about(row: dict[str, str]) -> None:
    period = last_whole(Every(row["every"]), instant(row["now"]), row["zone"])
    assert f"{period.from_day} to {period.to_day}" == row["about"]
    assert period.due_at <= instant(row["now"])
    following = next_due(Every(row["every"]), instant(row["now"]), row["zone"])
    assert following > date.fromisoformat(period.to_day)
    assert (following.weekday() == 0) if row["every"] == "week" else (following.day == 1)


@pytest.mark.parametrize("row", table(TEXT, "Whether it is sent"), ids=lambda row: row["why"])
def test_whether_a_report_is_sent(row: dict[str, str]) -> None:
    period = last_whole(Every.WEEK, instant(row["now"]), "UTC")
    tried = instant(row["tried"]) if row["tried"] else None
    state = State(instant(row["ordered"]), row["settled to"] or None, tried, int(row["failed"]))
    assert is_due(period, state, instant(row["now"])) is (row["sent"] == "yes")
