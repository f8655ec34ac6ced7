"""Any facts: path analysis is what plain loops make of them, loses nothing, and its rows add up to its figures."""

import math
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby, pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine as Store

from tests.facts import SITE_ID
from tests.properties.test_engines import PERIODS, stored, unhurried, way_of, worlds
from tracker.attribution.credit import MICRO
from tracker.attribution.standing import eligible
from tracker.attribution.terms import DirectPolicy
from tracker.attribution.touches import DAY_MS
from tracker.db.store import Tx
from tracker.reports.engines.memory import Facts, MemoryEngine, Touchpoint, values_of
from tracker.reports.engines.sql import SqlEngine
from tracker.reports.exchange import Exchange
from tracker.reports.pathrows import Part, Which, conversions_behind
from tracker.reports.pathshown import path_key, to_json
from tracker.reports.pathtables import DAY_BANDS, TOUCH_BANDS, Band, Group, Move, Place, Role, Steps, Stop, frequent
from tracker.reports.pathways import BASES, KINDS, Asked, PathReport, Repeats, path_report
from tracker.reports.query import Query
from tracker.reports.scans import Conversion
from tracker.reports.source import Source, scope_of
from tracker.vocabulary import Basis, ConversionKind, Dimension, Model

NOW = datetime(2026, 11, 1, tzinfo=UTC)
FIGURE = {
    ConversionKind.LEAD: "new_leads",
    ConversionKind.MQL: "mql",
    ConversionKind.SQL: "sql",
    ConversionKind.DEAL_CREATED: "deals",
    ConversionKind.DEAL_WON: "sales",
    ConversionKind.CUSTOMER: "customers",
}
ASKED = st.builds(
    lambda period, by, basis, currency, direct, days, **more: Asked(
        Query(SITE_ID, "UTC", *period, (by,), basis=basis, currency=currency, direct=direct, lookback_days=days),
        **more,
    ),
    PERIODS,
    st.sampled_from([Dimension.CHANNEL, Dimension.SOURCE]),
    st.sampled_from(BASES),
    st.sampled_from(["JPY", "VND", None]),
    st.sampled_from(DirectPolicy),
    st.sampled_from([None, 3]),
    kind=st.sampled_from([*KINDS, ConversionKind.DEAL_WON]),
    repeats=st.sampled_from(Repeats),
    by_revenue=st.booleans(),
    limit=st.sampled_from([1, 20]),
    values=st.sampled_from([1, 10]),
    steps=st.sampled_from([1, 2, 5]),
)


@dataclass(frozen=True, slots=True)
class Trod:
    """One conversion: its values touch by touch, whether it counts, its money, how long it took."""

    one: Conversion
    values: tuple[str, ...]
    n: int
    minor: int
    waited_ms: int

    def path(self, asked: Asked) -> tuple[str, ...]:
        merged = tuple(value for value, _ in groupby(self.values))
        return merged if asked.repeats is Repeats.MERGED else self.values


def trods(facts: Facts, asked: Asked) -> list[Trod]:
    """The conversions of a question by plain loops."""
    query, scope = asked.query, scope_of(asked.query)
    paths: dict[str, list[Touchpoint]] = {}
    for row in sorted(facts.paths, key=lambda row: row.position):
        paths.setdefault(row.conversion_id, []).append(row.touchpoint)
    money: Counter[str] = Counter()
    wins = {one.deal_id: one for one in facts.conversions if one.kind == ConversionKind.DEAL_WON}
    for entry in facts.entries if asked.has_money else ():
        win = wins.get(entry.deal_id)
        amount = Exchange(query.currency).convert(entry.amount_minor, entry.currency, entry.day)
        is_meant = scope.has(entry.day) if query.basis is Basis.ACTIVITY else bool(win and scope.has(win.lead_day))
        if amount is not None and is_meant:
            money[entry.deal_id] += amount
    found = []
    for one in facts.conversions:
        if one.kind != asked.kind:
            continue
        way = way_of(query, one, paths.get(one.conversion_id, []))
        touches = [
            touch
            for touch, earns in zip(paths.get(one.conversion_id, []), eligible(way, query.terms), strict=True)
            if earns
        ]
        day = one.day if query.basis is Basis.ACTIVITY else one.lead_day
        waited = one.converted_ms - touches[0].occurred_ms if touches else 0
        values = tuple(values_of(touch.arrival, query.by)[0] for touch in touches)
        found.append(Trod(one, values, one.n * scope.has(day), money.pop(one.deal_id or "", 0), waited))
    template = Conversion("", ConversionKind.DEAL_WON, 0, "", None, None, None, 0, False)
    found += [Trod(template, (), 0, amount, 0) for amount in money.values()]
    return [one for one in found if one.n or one.minor]


def asked_of(facts: Facts, asked: Asked) -> PathReport:
    return path_report(MemoryEngine(facts), asked, NOW)


@unhurried
@given(facts=worlds(), asked=ASKED)
def test_the_paths_are_what_plain_loops_make_of_the_facts(facts: Facts, asked: Asked) -> None:
    found, report = trods(facts, asked), asked_of(facts, asked)
    groups: dict[tuple[str, ...], list[Trod]] = {}
    for one in found:
        groups.setdefault(one.path(asked), []).append(one)

    def group(values: tuple[str, ...], those: list[Trod]) -> Group:
        return Group(values, sum(o.n for o in those), sum(o.minor for o in those) if asked.has_money else None)

    unattributed = groups.pop((), [])
    every = [one for one in (group(*item) for item in groups.items()) if one.n or one.revenue_minor]
    by_money = asked.by_revenue and asked.has_money
    keys = (lambda one: (-one.revenue_minor, -one.n)) if by_money else (lambda one: (-one.n, -(one.revenue_minor or 0)))
    every.sort(key=lambda one: (*keys(one), one.values))
    assert list(report.groups.shown) == every[: asked.limit]
    assert report.groups.n_rest == len(every[asked.limit :])
    assert report.groups.rest.n == sum(one.n for one in every[asked.limit :])
    assert report.groups.rest.revenue_minor == (
        sum(one.revenue_minor or 0 for one in every[asked.limit :]) if asked.has_money else None
    )
    assert report.groups.unattributed == group((), unattributed)


@unhurried
@given(
    paths=st.lists(st.lists(st.sampled_from([0, 1, 2_998, 2_999]), max_size=9), max_size=12), limit=st.integers(1, 4)
)
def test_paths_of_many_steps_among_many_values_are_told_apart(paths: list[list[int]], limit: int) -> None:
    values = [f"{number:04}" for number in range(3_000)]
    offsets = np.cumsum([0, *map(len, paths)], dtype=np.int64)
    steps = Steps(offsets, np.array([code for path in paths for code in path], dtype=np.int64), values)
    amounts = np.arange(len(paths), dtype=np.int64)
    found = frequent(steps, np.ones(len(paths), dtype=np.int64), amounts, limit)
    groups: dict[tuple[str, ...], list[int]] = {}
    for i, path in enumerate(paths):
        groups.setdefault(tuple(values[code] for code in path), []).append(i)
    empty = groups.pop((), [])
    every = sorted(
        (Group(path, len(those), sum(those)) for path, those in groups.items()),
        key=lambda one: (-one.n, -(one.revenue_minor or 0), one.values),
    )
    assert list(found.shown) == every[:limit]
    assert (found.n_rest, found.rest.n) == (len(every[limit:]), sum(one.n for one in every[limit:]))
    assert found.unattributed == Group((), len(empty), sum(empty))


@unhurried
@given(facts=worlds(), asked=ASKED)
def test_lengths_and_days_are_those_of_the_conversions_with_a_path(facts: Facts, asked: Asked) -> None:
    report = asked_of(facts, asked)
    walked = [one for one in trods(facts, asked) if one.n and one.values]
    touches = sorted(len(one.values) for one in walked)
    days = sorted(one.waited_ms for one in walked)
    for spread, sizes in ((report.touches, touches), (report.days, [size / DAY_MS for size in days])):
        assert sum(band.n for band in spread.bands) == len(sizes)
        for band in spread.bands:
            last = math.inf if band.last is None else band.last
            assert band.n == sum(band.first <= math.floor(size) <= last for size in sizes)
        for number, part in ((spread.median, 0.5), (spread.p90, 0.9)):
            expected = round(sizes[math.ceil(part * len(sizes)) - 1], 2) if sizes else None
            assert number == expected
    assert [(band.first, band.last) for band in report.touches.bands] == list(TOUCH_BANDS)
    assert [(band.first, band.last) for band in report.days.bands] == list(DAY_BANDS)


@unhurried
@given(facts=worlds(), asked=ASKED)
def test_each_value_plays_the_parts_that_plain_loops_see(facts: Facts, asked: Asked) -> None:
    asked = replace(asked, limit=20)
    found, report = trods(facts, asked), asked_of(facts, asked)
    expected = {}
    for value in {value for one in found for value in one.values}:
        on = [one for one in found if value in one.values]
        only = [one for one in on if set(one.values) == {value}]
        last = [one for one in on if one.values[-1] == value]
        assist = [one for one in on if one.values[-1] != value]
        expected[value] = Role(
            value,
            sum(one.n for one in on),
            sum(one.n for one in on if one.values[0] == value and one not in only),
            sum(one.n for one in assist),
            sum(one.n for one in last if one not in only),
            sum(one.n for one in only),
            sum(one.minor for one in assist) if asked.has_money else None,
            sum(one.minor for one in last) if asked.has_money else None,
        )
    kept = {name: one for name, one in expected.items() if one.n or one.assist_minor or one.closing_minor}
    assert {one.value: one for one in report.roles} == kept
    assert sum(one.closing for one in report.roles) == report.totals.explained
    for one in report.roles:
        assert one.only + one.last + one.assist == one.n
        assert one.ratio == (one.assist / one.closing if one.closing else None)


@unhurried
@given(facts=worlds(), asked=ASKED)
def test_what_comes_to_a_value_leaves_it(facts: Facts, asked: Asked) -> None:
    report = asked_of(facts, asked)
    into, out = Counter[Place](), Counter[Place]()
    for move in report.transitions:
        out[move.before] += move.n
        into[move.after] += move.n
    start, end = Place(stop=Stop.START), Place(stop=Stop.CONVERSION)
    assert out.pop(start, 0) == into.pop(end, 0) == report.totals.explained
    assert into == out
    for place in {move.before for move in report.transitions}:
        assert math.isclose(sum(move.share for move in report.transitions if move.before == place), 1)
    flows = Counter[tuple[int, Place]](), Counter[tuple[int, Place]]()
    for move in report.flow:
        flows[1][move.step, move.before] += move.n
        if move.after.stop not in {Stop.CONVERSION, Stop.FURTHER}:
            flows[0][move.step + 1, move.after] += move.n
    begun = {key: n for key, n in flows[1].items() if key[0] == 1}
    assert sum(begun.values()) == report.totals.explained
    assert flows[0] == Counter({key: n for key, n in flows[1].items() if key[0] > 1})
    ends = sum(move.n for move in report.flow if move.after.stop in {Stop.CONVERSION, Stop.FURTHER})
    assert ends == report.totals.explained


@unhurried
@given(facts=worlds(), asked=ASKED)
def test_moves_are_those_that_plain_loops_count(facts: Facts, asked: Asked) -> None:
    asked = replace(asked, values=10)
    paths = [one.path(asked) for one in trods(facts, asked) if one.n and one.values]
    moves: Counter[tuple[Place, Place]] = Counter()
    flows: Counter[tuple[int, Place, Place]] = Counter()
    for path in paths:
        places = [Place(stop=Stop.START), *map(Place, path), Place(stop=Stop.CONVERSION)]
        moves.update(pairwise(places))
        for step, (before, after) in enumerate(pairwise(places)):
            if 1 <= step < asked.steps or (step == asked.steps and after.stop):
                flows[step, before, after] += 1
            elif step == asked.steps:
                flows[step, before, Place(stop=Stop.FURTHER)] += 1
    report = asked_of(facts, asked)
    assert {(move.before, move.after): move.n for move in report.transitions} == moves
    assert {(move.step, move.before, move.after): move.n for move in report.flow} == flows


@unhurried
@given(facts=worlds(), asked=ASKED, model=st.sampled_from([Model.FIRST, Model.LINEAR, Model.POSITION]))
def test_conversions_and_money_are_those_of_the_source_report(facts: Facts, asked: Asked, model: Model) -> None:
    report = asked_of(facts, asked)
    table = Source(MemoryEngine(facts), replace(asked.query, model=model)).table(NOW)
    nobody = sum(row.figures.of(FIGURE[asked.kind]) or 0 for row in table.rows if row.is_unattributed)
    assert report.totals.conversions * MICRO == table.totals.of(FIGURE[asked.kind])
    assert report.groups.unattributed.n * MICRO == nobody
    assert report.totals.conversions == report.totals.explained + report.groups.unattributed.n
    groups = [*report.groups.shown, report.groups.rest, report.groups.unattributed]
    assert sum(one.n for one in groups) == report.totals.conversions
    if asked.has_money:
        assert report.totals.revenue_minor == table.totals.revenue_minor
        assert sum(one.revenue_minor or 0 for one in groups) == report.totals.revenue_minor
        left = sum(row.figures.revenue_minor for row in table.rows if row.is_unattributed)
        assert report.groups.unattributed.revenue_minor == left
    else:
        assert {one.revenue_minor for one in groups} == {None}


@settings(unhurried, max_examples=12)
@given(facts=worlds(), asked=ASKED)
def test_the_engines_tell_the_same_and_the_rows_behind_add_up(store: Store, facts: Facts, asked: Asked) -> None:
    facts.entries[:] = [entry for entry in facts.entries if abs(entry.amount_minor) < 10**15]
    with stored(store, facts) as tx:
        report = path_report(SqlEngine(tx), asked, NOW)
        assert to_json(report) == to_json(asked_of(facts, asked))
        totals, nobody = report.totals, report.groups.unattributed
        assert behind(tx, asked, Which()) == (totals.conversions, totals.revenue_minor)
        assert behind(tx, asked, Which(is_unattributed=True)) == (nobody.n, nobody.revenue_minor)
        for group in report.groups.shown:
            assert behind(tx, asked, Which(path=path_key(group.values))) == (group.n, group.revenue_minor)
        for one in report.roles:
            parts = {Part.ANY: one.n, Part.FIRST: one.first, Part.LAST: one.last, Part.ONLY: one.only}
            assert {part: behind(tx, asked, Which(value=one.value, part=part))[0] for part in parts} == parts
            assist = behind(tx, asked, Which(value=one.value, part=Part.ASSIST))
            assert assist == (one.assist, one.assist_minor)
            closing = behind(tx, asked, Which(value=one.value, part=Part.CLOSING))
            assert closing == (one.closing, one.closing_minor)
        bands: list[tuple[Band, Which]] = [(band, Which(touches=band.first)) for band in report.touches.bands]
        bands += [(band, Which(days=band.first)) for band in report.days.bands]
        for band, which in bands:
            assert behind(tx, asked, which)[0] == band.n
        for move in [*report.transitions, *report.flow]:
            if not {move.before.stop, move.after.stop} & {Stop.OTHER, Stop.FURTHER}:
                assert behind(tx, asked, which_move(move))[0] == move.n


def which_move(move: Move) -> Which:
    return Which(
        before=move.before.value,
        after=move.after.value,
        is_start=move.before.stop is Stop.START,
        is_end=move.after.stop is Stop.CONVERSION,
        step=move.step or None,
    )


def behind(tx: Tx, asked: Asked, which: Which) -> tuple[int, int | None]:
    """What the rows of all pages add up to; each page holds three."""
    page = conversions_behind(tx, asked, which, limit=3)
    rows, first = list(page.rows), page
    while page.next_cursor:
        page = conversions_behind(tx, asked, which, page.next_cursor, limit=3)
        rows += page.rows
    assert len(rows) == first.n_rows == len(set(rows))
    n = sum(one.times for one in rows)
    revenue = sum(one.revenue_minor or 0 for one in rows) if asked.has_money else None
    assert (n, revenue) == (first.n, first.revenue_minor)
    return n, revenue
