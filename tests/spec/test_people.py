"""Whose a browser was: who was named when, and whose each visit is. V1, V2 … are visits an hour apart."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.identity.graph import Named, spans

START = datetime(2026, 4, 1, tzinfo=UTC)
VISITS = {f"V{n}": START + timedelta(hours=n) for n in range(1, 6)}

# named: visit and minute and who | whose: each visit V1..V5
CASES = {
    "the first one named has all that came before": ("V3+10 Hana", "Hana Hana Hana Hana Hana"),
    "named again adds nothing": ("V2+1 Hana ; V4+1 Hana", "Hana Hana Hana Hana Hana"),
    "another has the browser from that visit on": ("V2+1 Hana ; V4+5 Ken", "Hana Hana Hana Ken Ken"),
    "the first comes back": ("V1+1 Hana ; V3+1 Ken ; V5+1 Hana", "Hana Hana Ken Ken Hana"),
    "two named in one visit both came by it": ("V3+1 Hana ; V3+2 Ken", "Hana Hana Hana&Ken Ken Ken"),
    "late news is put where it belongs": ("V4+1 Ken ; V2+1 Hana", "Hana Hana Hana Ken Ken"),
}


def named_of(told: str) -> list[Named]:
    found = []
    for line in told.split(" ; "):
        when, who = line.split()
        visit, minute = when.split("+")
        found.append(Named(VISITS[visit] + timedelta(minutes=int(minute)), VISITS[visit], who))
    return found


def whose(named: list[Named], instant: datetime) -> str:
    return "&".join(
        sorted(
            {
                span.contact_id
                for span in spans(named)
                if (span.from_at is None or span.from_at <= instant) and (span.to_at is None or instant < span.to_at)
            }
        )
    )


@pytest.mark.parametrize("case", CASES)
def test_a_browser_is_shared_by_time(case: str) -> None:
    told, expected = CASES[case]
    assert " ".join(whose(named_of(told), started) for started in VISITS.values()) == expected


@given(st.lists(st.tuples(st.integers(0, 20), st.sampled_from("ABC")), min_size=1, max_size=8), st.randoms())
def test_any_order_of_arrival_gives_the_same_owners_and_every_moment_has_one(told, random) -> None:  # type: ignore[no-untyped-def]
    named = [Named(START + timedelta(minutes=10 * n), START + timedelta(hours=n // 3), who) for n, who in told]
    shuffled = list(named)
    random.shuffle(shuffled)
    assert spans(shuffled) == spans(named)
    assert all(whose(named, START + timedelta(minutes=7 * n)) for n in range(-2, 60))
