"""Whatever ways people go: the Funnel report says what a plain reading of them says, and its sources add up."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.facts import SITE_ID
from tracker.clock import to_ms
from tracker.reports.columns import NOBODY
from tracker.reports.funnel import Asked, Facts, Report, Scene, Touch, report_of
from tracker.reports.funnel_rows import METRICS, Which, items_of
from tracker.reports.funnel_ways import LEAST, Changes, Line, ways_of
from tracker.reports.query import parse_query
from tracker.vocabulary import Scope

NAMES = ("subscriber", "lead", "marketingqualifiedlead", "other", "salesqualifiedlead", "customer", "evangelist")
LINE = Line(NAMES)
STEPS = tuple(name for name in NAMES if name != "other")
START = datetime(2026, 4, 1, 12, tzinfo=UTC)
NOW = START + timedelta(days=60)
FIRST, LAST = "2026-04-06", "2026-04-20"
CHANNELS = ("direct", "email", "paid_search")


class Acme:
    site_id = SITE_ID
    timezone = "UTC"
    currency = "JPY"


class Step(NamedTuple):
    stage: str
    at: datetime

    @property
    def day(self) -> str:
        return f"{self.at:%Y-%m-%d}"


@dataclass(frozen=True)
class Way:
    steps: tuple[Step, ...]
    channel: str | None
    takes: bool


stages = st.sampled_from([*NAMES, "gone"])
walked = st.lists(st.tuples(st.integers(0, 30), stages), min_size=1, max_size=5).map(
    lambda found: tuple(Step(stage, START + timedelta(days=n)) for n, stage in sorted(found, key=lambda one: one[0]))
)
# Some go the same way as many others: what is usual is said from ten on.
people = st.lists(
    st.tuples(st.builds(Way, walked, st.sampled_from([*CHANNELS, None]), st.booleans()), st.sampled_from([1, 1, 11])),
    max_size=5,
).map(lambda found: [way for way, times in found for _ in range(times)])
pairs = st.integers(0, len(STEPS) - 2).flatmap(
    lambda first: st.tuples(st.just(first), st.integers(first + 1, len(STEPS) - 1))
)


def asked(first: int, second: int) -> Asked:
    query = parse_query({"from": FIRST, "to": LAST}, Acme())
    return Asked(query, Scope.CONTACT, Touch.FIRST, STEPS[first], STEPS[second])


def scene_of(ways: list[Way], question: Asked, *, narrowed: bool) -> tuple[Facts, Scene]:
    rows = [
        (f"p{n:02}", place, step.stage, to_ms(step.at), step.day)
        for n, way in enumerate(ways)
        for place, step in enumerate(way.steps)
    ]
    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(5)]
    facts = Facts(
        LINE,
        ways_of(Changes(*columns), LINE),
        CHANNELS,
        np.array([CHANNELS.index(way.channel) if way.channel else NOBODY for way in ways], dtype=np.int64),
        np.array([way.takes for way in ways], dtype=np.bool_) if narrowed else None,
        None,
    )
    return facts, Scene(facts, question, NOW)


def rank(stage: str) -> int:
    return STEPS.index(stage) if stage in STEPS else -1


def reached(way: Way, stage: str) -> int | None:
    """The number of the step by which somebody first reached a stage, read as the words say."""
    for n, step in enumerate(way.steps):
        if step.stage == stage or (stage in STEPS and rank(step.stage) > rank(stage)):
            return n
    return None


def in_period(step: Step) -> bool:
    return FIRST <= step.day <= LAST


def cohort(ways: list[Way], stage: str) -> list[Way]:
    return [way for way in ways if (n := reached(way, stage)) is not None and in_period(way.steps[n])]


def spread(lasted: list[timedelta]) -> tuple[int, int | None, int | None]:
    ordered = sorted(one // timedelta(milliseconds=1) for one in lasted)
    n = len(ordered)
    if not n:
        return 0, None, None
    return n, ordered[-(-n // 2) - 1], ordered[-(-9 * n // 10) - 1]


def timed(ways: list[Way], first: str, second: str) -> tuple[int, int | None, int | None]:
    found = []
    for way in cohort(ways, first):
        start, end = reached(way, first), reached(way, second)
        if start is not None and end is not None and start != end:
            found.append(way.steps[end].at - way.steps[start].at)
    return spread(found)


def stays(ways: list[Way], stage: str) -> list[timedelta]:
    """How long those had been in a stage who moved on."""
    return [
        after.at - step.at
        for way in ways
        for step, after in pairwise(way.steps)
        if step.stage == stage and rank(after.stage) > rank(stage) >= 0
    ]


@settings(max_examples=40, deadline=None)
@given(people, pairs, st.booleans())
def test_the_report_is_what_a_plain_reading_says(ways: list[Way], pair: tuple[int, int], narrowed: bool) -> None:
    question = asked(*pair)
    facts, scene = scene_of(ways, question, narrowed=narrowed)
    report = report_of(facts, scene, None)
    counted = [way for way in ways if way.takes or not narrowed]
    for line in report.stages:
        own = line.figures
        entries = [way for way in counted for step in way.steps if step.stage == line.name and in_period(step)]
        assert own.entered == len(entries)
        assert own.people == sum(any(s.stage == line.name and in_period(s) for s in way.steps) for way in counted)
        assert own.reached == len(cohort(counted, line.name))
        assert own.standing == sum(way.steps[-1].stage == line.name for way in counted)
        usual = spread(stays(ways, line.name))
        assert (line.usual.n, line.usual.median_ms, line.usual.p90_ms) == usual
        limit = usual[2] if usual[0] >= LEAST and -1 < rank(line.name) < rank("customer") else None
        late = timedelta(milliseconds=limit or 0)
        stuck = [way for way in counted if way.steps[-1].stage == line.name and NOW - way.steps[-1].at > late]
        assert own.stuck == (0 if limit is None else len(stuck))
    for (i, j), found in report.pairs.items():
        both = [way for way in cohort(counted, STEPS[i]) if reached(way, STEPS[j]) is not None]
        assert (found.reached, found.converted) == (len(cohort(counted, STEPS[i])), len(both))
        assert (found.timed.n, found.timed.median_ms, found.timed.p90_ms) == timed(counted, STEPS[i], STEPS[j])
    adds_up(report)


def adds_up(report: Report) -> None:
    """What the sources say together is what the totals say; nobody is in two."""
    pair = report.pair
    assert sum(one.pair.reached for one in report.sources) == pair.reached
    assert sum(one.pair.converted for one in report.sources) == pair.converted
    assert sum(one.pair.timed.n for one in report.sources) == pair.timed.n
    for place, line in enumerate(report.stages):
        assert sum(one.entered[place] for one in report.sources) == line.figures.entered
        assert sum(one.reached[place] for one in report.sources) == line.figures.reached
        assert line.figures.people <= line.figures.entered
    assert len({(one.value, one.is_unattributed) for one in report.sources}) == len(report.sources)


@settings(max_examples=20, deadline=None)
@given(people, pairs, st.booleans())
def test_each_figure_has_its_people(ways: list[Way], pair: tuple[int, int], narrowed: bool) -> None:
    question = asked(*pair)
    facts, scene = scene_of(ways, question, narrowed=narrowed)
    report = report_of(facts, scene, None)
    for place, line in enumerate(report.stages):
        for metric in set(METRICS) - {"converted", "named"}:
            found = items_of(scene, Which(metric, line.name), place)
            assert len(found) == getattr(line.figures, metric)
            assert metric == "entered" or len({one.key for one in found}) == len(found)
    found = items_of(
        scene, Which("converted", question.from_stage, question.to_stage), NAMES.index(question.from_stage)
    )
    assert len(found) == report.pair.converted
    assert sum(one.lasted_ms is not None for one in found) == report.pair.timed.n
    dropped = [one.key for place in range(len(NAMES)) for one in items_of(scene, Which("dropped", ""), place)]
    assert len(set(dropped)) == len(dropped)


@settings(max_examples=20, deadline=None)
@given(people)
def test_whoever_goes_forward_alone_has_passed_all_before(ways: list[Way]) -> None:
    forward = []
    for way in ways:
        steps: list[Step] = []
        for step in way.steps:
            if rank(step.stage) > max((rank(one.stage) for one in steps), default=-1):
                steps.append(step)
        if steps:
            forward.append(Way(tuple(steps), way.channel, way.takes))
    _, scene = scene_of(forward, asked(1, 5), narrowed=False)
    counts = [int(scene.has_reached(place).sum()) for place in scene.places]
    assert counts == sorted(counts, reverse=True)
    firsts = [scene.ways.at_ms[scene.reached[place]][scene.has_reached(scene.places[-1])] for place in scene.places]
    for before, after in pairwise(firsts):
        assert (before <= after).all()
