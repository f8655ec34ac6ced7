"""Rules over a whole history are what they would be asked at each instant; automation moves forward only."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any as Anything

from hypothesis import given
from hypothesis import strategies as st

from tracker.clock import from_ms
from tracker.lifecycle.changes import Win, Word, changes_of
from tracker.lifecycle.conditions import (
    AFTER_ALL,
    BEFORE_ALL,
    DAY_MS,
    All,
    Any,
    Condition,
    Did,
    Fact,
    Facts,
    Has,
    Not,
    Scored,
    holds_at,
    spans_of,
)
from tracker.lifecycle.definition import read_condition, read_definition, written, written_condition
from tracker.lifecycle.rules import Asked, Definition, Rule, Version
from tracker.lifecycle.score import PointRule, parts_at
from tracker.lifecycle.stages import SHIPPED
from tracker.lifecycle.times import stage_times
from tracker.vocabulary import AUTOMATIC, FactKind, Scope, StageCause

days = st.integers(0, 40)
deeds = st.builds(
    Fact,
    days.map(lambda day: day * DAY_MS),
    st.sampled_from(["page", "form"]),
    st.sampled_from(["/a", "/b", "/B", "x"]),
    st.sampled_from([{}, {"page": "/a"}, {"page": "/z"}]),
)
told = st.builds(
    Fact,
    days.map(lambda day: day * DAY_MS),
    st.just("attribute"),
    st.sampled_from(["size", "land"]),
    st.sampled_from(["", "5", "50", "JP", "US"]).map(lambda value: {"value": value}),
)
facts = st.lists(deeds | told, max_size=14, unique_by=lambda fact: (fact.at, fact.kind, fact.text))
atoms = st.one_of(
    st.builds(
        Did,
        st.sampled_from([FactKind.PAGE, FactKind.FORM]),
        st.sampled_from([("*",), ("/a",), ("/b", "x"), ("/*",)]),
        st.sampled_from([(), (("page", ("/a",)),)]),
        st.integers(1, 3),
        st.none() | st.integers(1, 15),
    ),
    st.builds(Has, st.just("size"), at_least=st.sampled_from([5.0, 6.0])),
    st.builds(Has, st.just("land"), is_=st.sampled_from([("jp",), ("US", "JP")])),
    st.builds(Has, st.just("land"), is_not=st.just(("JP",))),
    st.builds(Has, st.sampled_from(["land", "size"]), is_known=st.booleans()),
    st.builds(Scored, st.sampled_from([-5, 0, 10, 20])),
)
conditions: st.SearchStrategy[Condition] = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.lists(inner, min_size=1, max_size=3).map(lambda of: All(tuple(of))),
        st.lists(inner, min_size=1, max_size=3).map(lambda of: Any(tuple(of))),
    ),
    max_leaves=5,
)
POINTS = (
    PointRule("a", 10, Did(FactKind.PAGE, ("/a",)), None, 15, 7),
    PointRule("form", -5, Did(FactKind.FORM)),
    PointRule("large", 10, None, Has("size", at_least=50)),
)


def is_so_at(condition: Condition, known: Sequence[Fact], at: int) -> bool:
    """Asked plainly, at one instant, of what had happened by then."""
    match condition:
        case All(of):
            return all(is_so_at(one, known, at) for one in of)
        case Any(of):
            return any(is_so_at(one, known, at) for one in of)
        case Not(one):
            return not is_so_at(one, known, at)
        case Scored(at_least):
            return sum(part.points for part in parts_at(POINTS, Facts(known), at)) >= at_least
        case Has():
            own = [fact for fact in known if fact.kind == "attribute" and fact.text == condition.attribute]
            values = [fact.more["value"] for fact in sorted(own, key=lambda one: one.at) if fact.at <= at]
            return is_as_asked(condition, values[-1] if values else "")
        case Did():
            window = condition.within_days
            return condition.times <= sum(
                fact.kind == condition.kind
                and any(fits_plainly(pattern, fact.text) for pattern in condition.patterns)
                and all(fact.more.get(name, "") in patterns for name, patterns in condition.where)
                and (BEFORE_ALL if window is None else at - window * DAY_MS) < fact.at <= at
                for fact in known
            )


def fits_plainly(pattern: str, text: str) -> bool:
    """The patterns of this page: any text, a beginning, or a word."""
    if pattern.endswith("*"):
        return text.lower().startswith(pattern[:-1].lower())
    return text.lower() == pattern.lower()


def is_as_asked(has: Has, value: str) -> bool:
    if has.is_known is not None:
        return bool(value) is has.is_known
    if has.is_not:
        return value != "JP"
    if has.is_:
        return value.lower() in {word.lower() for word in has.is_} and bool(value)
    return value.isdecimal() and int(value) >= (has.at_least or 0)


@given(condition=conditions, known=facts, day=st.integers(-1, 60), off=st.sampled_from([-1, 0, 1]))
def test_a_condition_holds_at_an_instant_as_it_does_when_asked_then(
    condition: Condition, known: list[Fact], day: int, off: int
) -> None:
    version = Version(1, 0, Definition((), POINTS))
    asked = Asked([version], Scope.CONTACT, 0, Facts(known))
    at = day * DAY_MS + off
    spans = spans_of(condition, asked.facts, asked.points_under(version))
    assert holds_at(spans, at) == is_so_at(condition, known, at)
    assert all(since < until for since, until in spans)
    assert all(one[1] < two[0] for one, two in pairwise(spans))
    assert not spans or (spans[0][0] >= BEFORE_ALL and spans[-1][1] <= AFTER_ALL)


@given(condition=conditions)
def test_a_condition_is_read_as_it_was_written(condition: Condition) -> None:
    assert read_condition(written_condition(condition)) == condition


stages = st.sampled_from(SHIPPED.names)
definitions = st.lists(st.tuples(stages, conditions), min_size=1, max_size=3).map(
    lambda ones: Definition(
        tuple(Rule(f"rule {place}", stage, when) for place, (stage, when) in enumerate(ones)), POINTS
    )
)
words = st.lists(
    st.builds(
        Word,
        days.map(lambda day: from_ms(day * DAY_MS)),
        stages,
        st.sampled_from([StageCause.CRM, StageCause.USER, StageCause.COMPANY]),
        st.just("somebody"),
        st.just("own"),
    ),
    max_size=4,
)
wins = st.lists(
    st.builds(Win, days.map(lambda day: from_ms(day * DAY_MS)), st.sampled_from(["D-1", "D-2"])), max_size=2
)


def derived(
    versions: Sequence[Version], known: Sequence[Fact], said: Sequence[Word], won: Sequence[Win], now: int
) -> list[Anything]:
    """The changes by then."""
    asked = Asked(versions, Scope.CONTACT, 5 * DAY_MS, Facts([fact for fact in known if fact.at <= now]))
    by_then = [word for word in said if word.at <= from_ms(now)]
    spoken = [one for one in asked.firings(again=bool(by_then)) if one.at <= now]
    return changes_of(by_then, [win for win in won if win.at <= from_ms(now)], spoken)


@given(first=definitions, second=definitions, since=days, known=facts, said=words, won=wins, now=st.integers(0, 60))
def test_automation_moves_forward_only_one_stage_is_open_and_what_was_decided_stands(
    first: Definition,
    second: Definition,
    since: int,
    known: list[Fact],
    said: list[Word],
    won: list[Win],
    now: int,
) -> None:
    versions = [Version(1, 0, first), Version(2, since * DAY_MS, second)]
    found = derived(versions, known, said, won, 60 * DAY_MS)
    assert [one.before for one in found] == [None, *(one.stage for one in found)][: len(found)]
    for one in found:
        assert one.before != one.stage
        if one.cause in AUTOMATIC and one.cause is not StageCause.DEAL:
            assert SHIPPED.rank(one.before) < SHIPPED.rank(one.stage)
        if one.firing is not None:
            assert from_ms(one.firing.at) == one.at >= from_ms(5 * DAY_MS)
            assert one.version == (2 if one.firing.at >= since * DAY_MS else 1)
    # Asked on a day it says what it says of that day later on.
    assert derived(versions, known, said, won, now * DAY_MS) == [
        one for one in found if one.at <= from_ms(now * DAY_MS)
    ]
    end = from_ms(60 * DAY_MS)
    if found:
        stays = stage_times([(one.at, one.stage) for one in found], end)
        assert sum((one.in_all for one in stays), timedelta()) == end - found[0].at
        assert sum(one.exited_at is None for one in stays) == 1


@given(definition=definitions)
def test_a_definition_is_read_as_it_was_written(definition: Definition) -> None:
    assert read_definition(written(definition), SHIPPED.names) == definition
