"""Two periods in, the parts of the change out (what_changed.md); and whatever changed, the parts add up to it."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker.reports.what_changed import MOST_PARTS, Part, Values, parts_of, summed

UNATTRIBUTED = "(unattributed)"
SCENARIOS = re.split(r"^## ", (Path(__file__).parent / "what_changed.md").read_text("utf-8"), flags=re.MULTILINE)[1:]


def table(text: str, name: str) -> list[list[str]]:
    """The cells of the table of that name, without its head."""
    lines = text.split(f"{name}:\n", 1)[1].strip().splitlines()
    rows = []
    for line in lines[2:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def named(part: Part) -> str:
    return UNATTRIBUTED if part.values is None else "(other)" if part.is_rest else part.values[0]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda text: text.splitlines()[0])
def test_the_parts_of_a_change(scenario: str) -> None:
    rows = table(scenario, "Table")
    keys: dict[str, Values] = {row[0]: None if row[0] == UNATTRIBUTED else (row[0],) for row in rows}
    before = {keys[name]: int(was) for name, was, _ in rows if was != "0"}
    after = {keys[name]: int(now) for name, _, now in rows if now != "0"}
    most = re.search(r"^Most: (\d+)", scenario, re.MULTILINE)
    parts = parts_of(before, after, int(most[1]) if most else MOST_PARTS)
    found = [[named(part), str(part.before), str(part.after), str(part.delta)] for part in parts]
    assert found == table(scenario, "Parts")


values = st.none() | st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("xyz"))
figures = st.dictionaries(values, st.integers(-(10**15), 10**15), max_size=20)


@given(figures, figures, st.integers(0, 8))
@settings(max_examples=150, deadline=None)
def test_the_parts_add_up_to_the_whole_change(before: dict[Values, int], after: dict[Values, int], most: int) -> None:
    parts = parts_of(before, after, most)
    assert sum(part.delta for part in parts) == sum(after.values()) - sum(before.values())
    assert len(parts) <= most + 1
    shown = [abs(part.delta) for part in parts if not part.is_rest]
    assert shown == sorted(shown, reverse=True)
    by_source = parts_of(summed(before.items(), (0,)), summed(after.items(), (0,)), most)
    assert sum(part.delta for part in by_source) == sum(part.delta for part in parts)
