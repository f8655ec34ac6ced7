"""Whether who did it became a customer more often (lift.md)."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.reports.lift import banded, compared, lift_of, lifts_of, points_for, suggested

LINES = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (Path(__file__).parent / "lift.md").read_text().splitlines()
    if line[2:3].isdigit()
]


@pytest.mark.parametrize("line", LINES, ids=[line[-1] for line in LINES])
def test_lift_has_an_interval_and_suggests_points(line: list[str]) -> None:
    found = lift_of(*map(int, line[:4]))
    shown = ["" if one is None else f"{one:.2f}" for one in (found.ratio, found.low, found.high)]
    assert [*shown, str(points_for(found))] == line[4:8]


def test_of_many_that_were_looked_at_each_has_to_speak_more_clearly() -> None:
    alone, one_of_many = lift_of(300, 60, 300, 35), lift_of(300, 60, 300, 35, n_looked_at=200)
    assert alone.is_above
    assert not one_of_many.is_above
    noise = {f"page {n}": (300, 60, 300, 35) for n in range(200)}
    assert suggested(noise) == []
    clear = {"demo": (1000, 300, 1000, 100), "careers": (1000, 50, 1000, 200), "known": (1000, 300, 1000, 100)}
    assert [(deed, points) for deed, _, points in suggested(compared(clear, ["known"]))] == [
        ("careers", -20),
        ("demo", 16),
    ]


@given(st.lists(st.tuples(st.frozensets(st.sampled_from("abc")), st.booleans())))
def test_each_person_is_in_one_of_the_two_groups(people: list[tuple[frozenset[str], bool]]) -> None:
    for n_did, won_did, n_not, won_not in lifts_of(people).values():
        assert n_did + n_not == len(people)
        assert won_did + won_not == sum(won for _, won in people)


def test_bands_hold_everybody_once() -> None:
    assert banded([-5, 0, 1, 19, 20, 49, 50, 99, 100, 300], [0, 1, 20, 50, 100]) == [1, 1, 2, 2, 2, 2]
