"""What the CRM says of a deal, and how it stood when (deal_states.md): whatever the order in which the words come."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.deals.ledger import Change, replay
from tracker.deals.probability import parse_probability, percent_text
from tracker.deals.states import State, states_of
from tracker.money import plain
from tracker.vocabulary import DealStatus

PAGE = (Path(__file__).parent / "deal_states.md").read_text(encoding="utf-8")
CASES = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))
INSTANTS = ("created_at", "closed_at")


def lines(text: str) -> list[dict[str, str]]:
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


def at(day: str) -> datetime:
    return datetime.fromisoformat(f"2026-{day}T00:00:00").replace(tzinfo=UTC)


def change_of(seq: int, line: dict[str, str]) -> Change:
    fields: dict[str, str | None] = {}
    for word in line["said"].split():
        name, _, value = word.partition("=")
        fields[name] = at(value).isoformat() if name in INSTANTS else value or None
    return Change(at(line["changed"]), seq, fields)


def written(state: State) -> dict[str, str]:
    return {
        "from": f"{state.from_at:%m-%d}",
        "to": "" if state.to_at is None else f"{state.to_at:%m-%d}",
        "since": f"{state.stage_at:%m-%d}",
        "pipeline": state.pipeline,
        "stage": state.stage,
        "status": state.status.value,
        "amount": plain(state.amount_minor, state.currency),
        "probability": "" if state.probability_bp is None else percent_text(state.probability_bp),
        "reason": state.lost_reason or "",
        "closed": "" if state.closed_at is None else f"{state.closed_at:%m-%d}",
    }


@pytest.mark.parametrize("case", CASES)
def test_a_deal_stands(case: str) -> None:
    told, stands = CASES[case].split("Stands:")
    changes = [change_of(seq, line) for seq, line in enumerate(lines(told))]
    expected = lines(stands)
    found = [written(state) for state in states_of(replay(changes, "EUR").steps)]
    assert [{name: one[name] for name in expected[0]} for one in found] == expected


words = st.fixed_dictionaries(
    {},
    optional={
        "stage": st.sampled_from(["meeting", "offer", None]),
        "status": st.sampled_from(["open", "won", "lost"]),
        "amount": st.sampled_from(["1", "2"]),
        "probability": st.sampled_from(["0", "50.25", None]),
        "closed_at": st.integers(1, 28).map(lambda day: at(f"04-{day:02d}").isoformat()),
        "created_at": st.integers(1, 28).map(lambda day: at(f"04-{day:02d}").isoformat()),
    },
)


@given(st.lists(st.tuples(st.integers(1, 28), words), min_size=1, max_size=8), st.randoms())
def test_states_follow_each_other_without_a_gap_in_any_order_of_arrival(told, random) -> None:  # type: ignore[no-untyped-def]
    changes = [Change(at(f"04-{day:02d}"), seq, fields) for seq, (day, fields) in enumerate(told)]
    recorded = replay(changes, "EUR")
    states = states_of(recorded.steps)
    assert [one.to_at for one in states] == [*(one.from_at for one in states[1:]), None]
    assert all(one.from_at < one.to_at for one in states[:-1] if one.to_at)
    assert all(one.stage_at <= one.from_at for one in states)
    assert (states[-1].stage or None, states[-1].status) == (recorded.deal.stage, recorded.deal.status)
    assert states[-1].closed_at == recorded.deal.closed_at
    assert all((one.closed_at is None) == (one.status is DealStatus.OPEN) for one in states)
    shuffled = list(changes)
    random.shuffle(shuffled)
    assert states_of(replay(shuffled, "EUR").steps) == states


@given(st.lists(st.tuples(st.integers(1, 28), words), min_size=2, max_size=8), st.integers(1, 28))
def test_what_is_said_afterwards_changes_nothing_of_a_past_day(told, day) -> None:  # type: ignore[no-untyped-def]
    """Told on time, that is: a deal that closed in the past did so in the past. Corrected dates change nothing."""
    changes = on_time([Change(at(f"04-{n:02d}"), seq, fields) for seq, (n, fields) in enumerate(told)])
    limit = at(f"04-{day:02d}") + timedelta(hours=12)
    until = [change for change in changes if change.changed_at < limit]
    if until:
        then, now = (states_of(replay(some, "EUR").steps) for some in (until, changes))
        assert [stood(one, limit) for one in then] == [stood(one, limit) for one in now if one.from_at < limit]


def on_time(changes: list[Change]) -> list[Change]:
    """The same words without a date of creation, and without one in those that close the deal."""
    ordered = sorted(changes, key=lambda one: (one.changed_at, one.seq))
    steps = replay(changes, "EUR").steps
    closes = [
        after.status is not DealStatus.OPEN and (before is None or before.status is not after.status)
        for before, after in zip([None, *steps], steps, strict=False)
    ]
    return [
        replace(one, fields=without(one.fields, {"created_at", "closed_at"} if closing else {"created_at"}))
        for one, closing in zip(ordered, closes, strict=True)
    ]


def without(fields: Mapping[str, object], names: set[str]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if name not in names}


def stood(state: State, limit: datetime) -> tuple[object, ...]:
    to_at = None if state.to_at is None or state.to_at > limit else state.to_at
    return (state.from_at, to_at, *without(written(state), {"to"}).values())


@given(st.integers(0, 10_000))
def test_a_percentage_is_read_as_it_is_written(probability_bp: int) -> None:
    assert parse_probability(percent_text(probability_bp)) == probability_bp
