"""What deeds and attributes are worth (points.md); and of any: the parts add up, and no rule passes its cap."""

import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.spec.test_definitions import at, fact_of
from tracker.lifecycle.conditions import DAY_MS, Did, Fact, Facts, Has, Not
from tracker.lifecycle.definition import read_definition
from tracker.lifecycle.score import PointRule, capped, parts_at, points_at, points_over_time, steps_of
from tracker.lifecycle.stages import SHIPPED
from tracker.vocabulary import FactKind

PAGE = (Path(__file__).parent / "points.md").read_text(encoding="utf-8")
CASES = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))


def rows_of(table: str) -> list[list[str]]:
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.mark.parametrize("case", CASES)
def test_points_add_up_fade_and_are_capped(case: str) -> None:
    text, told, expected = re.fullmatch(
        r"\s*```toml\n(.*?)```\s*(.*?)\n\n(\| on \| points.*)", CASES[case], re.DOTALL
    ).groups()  # type: ignore[union-attr]
    rules = read_definition(text, SHIPPED.names).points
    facts = Facts([fact for day, what in rows_of(told) if isinstance(fact := fact_of(day, what), Fact)])
    found = []
    for day, *_ in rows_of(expected):
        parts = parts_at(rules, facts, at(day))
        assert sum(part.points for part in parts) == points_at(points_over_time(rules, facts), at(day)), day
        shown = ", ".join(f"{part.name} {part.points}" for part in sorted(parts, key=lambda one: one.name == "form"))
        found.append([day, str(sum(part.points for part in parts)), shown])
    assert found == rows_of(expected)


RULES = st.lists(
    st.builds(
        PointRule,
        name=st.uuids().map(str),
        points=st.integers(-30, 30).filter(bool),
        each=st.sampled_from([Did(FactKind.PAGE, ("/a",)), Did(FactKind.PAGE), Did(FactKind.FORM)]),
        cap=st.none() | st.integers(1, 40),
        half_life_days=st.none() | st.integers(1, 20),
    )
    | st.builds(
        PointRule,
        name=st.uuids().map(str),
        points=st.integers(-30, 30).filter(bool),
        when=st.sampled_from([Has("x", is_=("1",)), Not(Did(FactKind.FORM, within_days=5))]),
    ),
    max_size=5,
)
FACTS = st.lists(
    st.builds(Fact, st.integers(0, 60).map(lambda day: day * DAY_MS), st.just("page"), st.sampled_from(["/a", "/b"]))
    | st.builds(Fact, st.integers(0, 60).map(lambda day: day * DAY_MS), st.just("form"), st.just("f"))
    | st.builds(
        Fact,
        st.integers(0, 60).map(lambda day: day * DAY_MS),
        st.just("attribute"),
        st.just("x"),
        st.sampled_from([{"value": "1"}, {"value": ""}]),
    ),
    max_size=12,
)


@given(rules=RULES, told=FACTS, day=st.integers(0, 200))
def test_the_parts_add_up_and_no_rule_passes_its_cap(rules: list[PointRule], told: list[Fact], day: int) -> None:
    facts, now = Facts(told), day * DAY_MS
    over_time, parts = points_over_time(rules, facts), parts_at(rules, facts, now)
    assert sum(part.points for part in parts) == points_at(over_time, now)
    assert all(one[0] < two[0] and one[1] != two[1] for one, two in pairwise(over_time))
    for rule in rules:
        own = capped(sum(change for since, change in steps_of(rule, facts) if since <= now), rule.cap)
        assert rule.cap is None or abs(own) <= rule.cap
        assert own == next((part.points for part in parts if part.name == rule.name), 0)
