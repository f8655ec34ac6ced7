"""Any facts: the engines scan alike, the report is what plain loops make of them, and nothing is lost or made up."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine as Store
from sqlalchemy import delete

from tests.facts import SITE_ID, store_facts
from tracker.attribution.credit import MICRO, rest_tie
from tracker.attribution.models import MODELS, weigh
from tracker.attribution.policy import ChannelRule, Policy
from tracker.attribution.terms import SCALE, DirectPolicy, Fit, Hazard
from tracker.attribution.touches import DAY_MS, Touch, Way
from tracker.clock import to_ms
from tracker.db.schema import metadata
from tracker.db.store import Tx
from tracker.money import split, tie_number
from tracker.reports.catalogue import COUNTED, DIMENSION, METRICS, Unit
from tracker.reports.engines.memory import Arrival, CostRow, Facts, Link, MemoryEngine, PathRow, Touchpoint, values_of
from tracker.reports.engines.sql import SqlEngine
from tracker.reports.exchange import Exchange
from tracker.reports.query import Query
from tracker.reports.rows import Behind, DealBehind, LeadBehind, VisitBehind, rows_behind
from tracker.reports.scans import DAY, MONTH, WHOLE, Conversion, Entry, Scope
from tracker.reports.source import Source, scope_of
from tracker.reports.table import Figures, Row
from tracker.reports.where import Filter
from tracker.vocabulary import NOT_SET, Basis, ConversionKind, Dimension, EntryKind, Model

NOW = datetime(2026, 11, 1, tzinfo=UTC)
FIRST = date(2026, 3, 25)
DAYS = st.integers(0, 14).map(lambda offset: (FIRST + timedelta(days=offset)).isoformat())
CURRENCIES = st.sampled_from(["JPY", "USD", "KWD", "VND"])
BY = [(one,) for one in Dimension] + list(permutations(Dimension, 2))
ARRIVALS = st.builds(
    Arrival,
    channel=st.sampled_from(["direct", "email", "paid_search"]),
    source=st.sampled_from(["_x", "B", "a", "ｇ", "é", "unattributed"]),
    campaign=st.sampled_from([NOT_SET, "spring"]),
    term=st.sampled_from([NOT_SET, "crm"]),
)
unhurried = settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


MOMENTS = st.one_of(
    st.none(), DAYS.map(lambda day: to_ms(datetime.fromisoformat(f"{day}T12:00:00+00:00")))
)  # of a lead, of a deal, of the customer's last win
# The models that credit path by path.
OF_PATHS = [name for name, model in MODELS.items() if not model.is_global]
FIT = Fit(
    1,
    {1: {"email": SCALE // 3, "paid_search": SCALE // 7}},
    Hazard(3 * DAY_MS, SCALE // 50, {"email": SCALE // 20, "direct": SCALE // 90}),
    {},
)


@st.composite
def worlds(draw: st.DrawFn) -> Facts:
    """A few visitors, some of them people with conversions, deals and ledgers, and some costs."""
    facts = Facts()
    n_touches = draw(st.integers(0, 7))
    for i in range(n_touches):
        day = draw(DAYS)
        at = to_ms(datetime.fromisoformat(f"{day}T{draw(st.sampled_from([0, 12, 23])):02d}:00:00+00:00"))
        visitor_no = draw(st.integers(1, 3))
        arrival, version = draw(ARRIVALS), draw(st.sampled_from(["1", "2", "3"]))
        kind = draw(st.sampled_from(["visit", "visit", "visit", "call"]))
        visitor = visitor_no if kind == "visit" else None
        facts.touchpoints.append(Touchpoint(f"touch {i}", kind, visitor, at, day, arrival, version))
    for visitor_no in draw(st.sets(st.integers(1, 3))):
        half = draw(st.one_of(st.none(), st.integers(0, 14))) if draw(st.booleans()) else None
        cut = None if half is None else to_ms(datetime.combine(FIRST + timedelta(days=half), datetime.min.time(), UTC))
        # The day a contact became a lead is the contact's own.
        lead_days = {f"person {n}": (FIRST + timedelta(days=n)).isoformat() for n in range(1, 8)}
        facts.links.append(Link(visitor_no, f"person {visitor_no}", lead_days[f"person {visitor_no}"], None, cut))
        if cut is not None:
            facts.links.append(Link(visitor_no, f"person {visitor_no + 3}", lead_days[f"person {visitor_no + 3}"], cut))
    for i in range(draw(st.integers(0, 6))):
        kind = draw(st.sampled_from(ConversionKind))
        is_deal = kind in {ConversionKind.DEAL_CREATED, ConversionKind.DEAL_WON}
        add_conversion(draw, facts, i, kind, f"deal {i}" if is_deal else None)
    for name in draw(st.sets(st.sampled_from([f"deal {i}" for i in range(6)]))):
        for position in range(draw(st.integers(1, 3))):
            amount = draw(st.one_of(st.integers(-200, 1_000), st.integers(-(9 * 10**15), 9 * 10**15)))
            facts.entries.append(Entry(name, position, EntryKind.AMENDED, amount, draw(CURRENCIES), draw(DAYS)))
    seen = set()
    for _ in range(draw(st.integers(0, 4))):
        row = CostRow(draw(DAYS), draw(ARRIVALS), draw(st.integers(0, 10_000)), draw(CURRENCIES))
        key = (row.day, row.arrival.source, row.arrival.medium, row.arrival.campaign)
        if key not in seen:
            facts.costs.append(row)
        seen.add(key)
    return facts


def add_conversion(draw: st.DrawFn, facts: Facts, i: int, kind: ConversionKind, deal_id: str | None) -> None:
    """One conversion and its path: some of the touches that were not later."""
    day = draw(DAYS)
    at = to_ms(datetime.fromisoformat(f"{day}T12:00:00+00:00"))
    one = Conversion(
        f"conversion {i}",
        kind,
        at,
        day,
        draw(st.one_of(st.none(), DAYS)),
        None if deal_id else f"person {1 + i % 3}",
        deal_id,
        int(kind != ConversionKind.DEAL_WON or draw(st.integers(0, 3)) > 0),
        bool(deal_id) and draw(st.booleans()),
        draw(MOMENTS),
        draw(MOMENTS),
        draw(MOMENTS),
    )
    facts.conversions.append(one)
    earlier = sorted(
        (touch for touch in facts.touchpoints if touch.occurred_ms <= at and draw(st.booleans())),
        key=lambda touch: touch.occurred_ms,
    )
    facts.paths.extend(PathRow(one.conversion_id, position, touch) for position, touch in enumerate(earlier))


# What LIKE and patterns of files would take for more than it is, letters whose case only some know, and what all match.
RULES = st.builds(
    ChannelRule,
    st.dictionaries(
        st.sampled_from(["channel", "source", "campaign", "term", "device"]),
        st.sampled_from(["*", "b", "_*", "%", "A*", "*É", "é", "?", "[a-z]", "\\*", "(not set)", "*i*", "Paid_search"]),
        min_size=1,
        max_size=2,
    ),
    st.sampled_from(["", "brand", "email", "direct"]),
)
POLICIES = st.builds(Policy, rules=st.lists(RULES, max_size=3).map(tuple))
# Values that there are, that differ in case alone or that only LIKE would find, and what a rule may have named.
ASKED_VALUES = [
    "direct",
    "email",
    "brand",
    "a",
    "A",
    "_x",
    "é",
    "unattributed",
    "spring",
    "crm",
    NOT_SET,
    "%",
    "desktop",
]
WHERES = st.lists(
    st.builds(
        Filter,
        st.sampled_from(Dimension),
        st.lists(st.sampled_from(ASKED_VALUES), min_size=1, max_size=4, unique=True).map(tuple),
        st.booleans(),
    ),
    max_size=2,
    unique_by=lambda one: one.parameter,
).map(tuple)

PERIODS = st.tuples(DAYS, DAYS).map(sorted)
QUERIES = st.builds(
    lambda period, **asked: Query(SITE_ID, "UTC", period[0], period[1], fit=FIT, **asked),
    PERIODS,
    by=st.sampled_from(BY),
    model=st.sampled_from(OF_PATHS),
    basis=st.sampled_from(Basis),
    currency=st.sampled_from(["JPY", "USD", "VND", None]),
    direct=st.sampled_from(DirectPolicy),
    lookback_days=st.sampled_from([None, 3]),
    sort=st.sampled_from(["revenue", "visits", "roi", "new_leads"]),
    descending=st.booleans(),
    policy=POLICIES,
    where=st.one_of(st.just(()), WHERES),
)


@contextmanager
def stored(store: Store, facts: Facts) -> Iterator[Tx]:
    """The facts in an otherwise empty database, for one look."""
    with store.connect() as tx, tx.begin() as transaction:
        for table in reversed(metadata.sorted_tables):
            tx.execute(delete(table))
        store_facts(tx, facts)
        yield tx
        transaction.rollback()


@unhurried
@given(facts=worlds(), query=QUERIES, bucket=st.sampled_from([WHOLE, MONTH, DAY]))
def test_the_engines_scan_alike(store: Store, facts: Facts, query: Query, bucket: int) -> None:
    scope = replace(scope_of(query), by=query.by, bucket=bucket)
    lists = MemoryEngine(facts)
    with stored(store, facts) as tx:
        tables = SqlEngine(tx)
        assert tables.visits(scope) == lists.visits(scope)
        assert sorted(tables.conversions(scope)) == sorted(lists.conversions(scope))
        assert tables.entries(scope) == lists.entries(scope)
        assert tables.costs(scope, query.currency) == lists.costs(scope, query.currency)
        assert touch_rows(tables, scope) == touch_rows(lists, scope)


@pytest.mark.parametrize("basis", [Basis.ACTIVITY, Basis.LEAD_COHORT])
def test_the_tables_name_every_version_of_the_rules_that_classed_a_rows_visits(store: Store, basis: Basis) -> None:
    day, arrival = FIRST.isoformat(), Arrival("email")
    at = to_ms(datetime.combine(FIRST, datetime.min.time(), UTC))
    facts = Facts(links=[Link(1, "person 1", day)])
    for version in ("1", "2", "3", "4"):
        facts.touchpoints.append(Touchpoint(f"touch {version}", "visit", 1, at, day, arrival, version))
    scope = Scope(SITE_ID, basis, day, day, (Dimension.CHANNEL,))
    with stored(store, facts) as tx:
        assert SqlEngine(tx).visits(scope) == MemoryEngine(facts).visits(scope)
        assert SqlEngine(tx).visits(scope).rules_versions == ("1", "2", "3", "4")


def touch_rows(engine: SqlEngine | MemoryEngine, scope: Scope) -> list[tuple[object, ...]]:
    found = engine.touches(scope)
    columns = [
        found.conversion_ids,
        found.positions,
        found.touchpoint_ids,
        found.touched_ms,
        found.scopes,
        found.ties,
        *found.words.values(),
    ]
    if scope.basis is Basis.TOUCH_COHORT:
        columns.append(found.touch_days)
    return sorted(zip(*columns, strict=True))


# --- the report by plain loops --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Credit:
    """What one touch (None: nobody's) was credited: a metric's column and an amount."""

    touch: Touchpoint | None
    column: str
    amount: int


def plain_credits(facts: Facts, query: Query) -> list[Credit]:
    """Every credit of a query, by the plain models and the plain split, one thing after the other."""
    scope = scope_of(query)
    found: list[Credit] = []
    columns = {kind: name for name, kind in COUNTED.items()}
    paths: dict[str, list[Touchpoint]] = {}
    for row in sorted(facts.paths, key=lambda row: row.position):
        paths.setdefault(row.conversion_id, []).append(row.touchpoint)

    def put(column: str, one: Conversion | None, before: int, after: int) -> None:
        path = paths.get(one.conversion_id, []) if one else []
        weights, rest = weigh(query.terms, way_of(query, one, path)) if one else ([], 0)
        if not any(weights) and not rest:
            found.append(Credit(None, column, after - before))
            return
        keys = [tie_number(one.conversion_id if one else "", touch.touchpoint_id) for touch in path]
        path, weights, keys = [*path, None], [*weights, rest], [*keys, rest_tie(keys)]
        parts = zip(path, split(after, weights, keys), split(before, weights, keys), strict=True)
        found.extend(Credit(touch, column, later - earlier) for touch, later, earlier in parts)

    def is_meant(one: Conversion | None, day: str) -> bool:
        if query.basis is Basis.ACTIVITY:
            return scope.has(day)
        if query.basis is Basis.LEAD_COHORT:
            return one is not None and scope.has(one.lead_day)
        return one is not None

    for one in facts.conversions:
        if one.n and is_meant(one, one.day):
            put(columns[ConversionKind(one.kind)], one, 0, MICRO)
    wins = {one.deal_id: one for one in facts.conversions if one.kind == ConversionKind.DEAL_WON}
    nets: dict[tuple[str, str], int] = {}
    for entry in sorted(facts.entries):
        amount = Exchange(query.currency).convert(entry.amount_minor, entry.currency, entry.day)
        before = nets.get((entry.deal_id, entry.currency), 0)
        nets[entry.deal_id, entry.currency] = before + (amount or 0)
        if amount is not None and is_meant(wins.get(entry.deal_id), entry.day):
            put("revenue_minor", wins.get(entry.deal_id), before, before + amount)
    if query.basis is Basis.TOUCH_COHORT:
        found = [credit for credit in found if credit.touch and scope.has(credit.touch.day)]
    return found


def way_of(query: Query, one: Conversion, path: list[Touchpoint]) -> Way:
    """A path as the plain models see it."""
    closes_ms = one.converted_ms if one.kind == ConversionKind.DEAL_WON else None
    moments = [
        moment if moment is None or moment <= one.converted_ms else None for moment in (one.lead_ms, one.deal_ms)
    ]
    names = [own_channel(touch.arrival, query) for touch in path]
    return Way(
        [
            Touch(touch.touchpoint_id, touch.occurred_ms, name or touch.arrival.channel, is_excluded=name is None)
            for touch, name in zip(path, names, strict=True)
        ],
        one.converted_ms,
        query.terms.earliest_ms(one.kind, one.converted_ms, one.last_win_ms),
        *moments,
        closes_ms,
    )


def own_channel(arrival: Arrival, query: Query) -> str | None:
    """The channel of an arrival under the site's own rules, one character after the other; None: excluded."""
    for rule in query.policy.rules:
        if all(is_meant(pattern, getattr(arrival, name)) for name, pattern in rule.where.items()):
            return rule.channel or None
    return arrival.channel


def is_meant(pattern: str, text: str) -> bool:
    """Whether a text is what a pattern means, by trying every place for what stands behind a star."""
    if pattern.startswith("*"):
        return any(is_meant(pattern[1:], text[place:]) for place in range(len(text) + 1))
    if not pattern or not text:
        return pattern == text
    small = [one.lower() if one.isascii() else one for one in (pattern[0], text[0])]
    return small[0] == small[1] and is_meant(pattern[1:], text[1:])


def renamed(arrival: Arrival, query: Query) -> Arrival:
    """An arrival under the site's own channel; one that is excluded keeps its own."""
    return replace(arrival, channel=own_channel(arrival, query) or arrival.channel)


def renamed_costs(facts: Facts, query: Query) -> list[CostRow]:
    """The costs under the site's own channels, by what costs know."""
    unknown = dict.fromkeys(("term", "content", "landing_page", "referring_host", "device", "country"), NOT_SET)
    return [replace(cost, arrival=renamed(replace(cost.arrival, **unknown), query)) for cost in facts.costs]


def is_asked(arrival: Arrival, query: Query, *, costs: bool = False) -> bool:
    """Whether an arrival meets a query's filters; costs know no browser and no page."""
    for one in query.where:
        is_known = not costs or DIMENSION[one.dimension].has_cost
        value = getattr(arrival, one.dimension) if is_known else NOT_SET
        if (value in one.values) is one.excludes:
            return False
    return True


def plain_figures(facts: Facts, query: Query) -> dict[tuple[str, ...] | None, dict[str, int]]:
    """The figures of each row that is not empty."""
    scope = scope_of(query)
    rows: dict[tuple[str, ...] | None, dict[str, int]] = {}

    def add(values: tuple[str, ...] | None, column: str, amount: int) -> None:
        rows.setdefault(values, {})
        rows[values][column] = rows[values].get(column, 0) + amount

    touches = [replace(touch, arrival=renamed(touch.arrival, query)) for touch in facts.touchpoints]
    touches = [touch for touch in touches if is_asked(touch.arrival, query)]
    for count in MemoryEngine(Facts(touches, facts.links)).visits(replace(scope, rules=(), where=())).rows:
        add(count.values, "visits", count.n_visits)
        add(count.values, "visitors", count.n_visitors)
    for credit in plain_credits(facts, query):
        arrival = renamed(credit.touch.arrival, query) if credit.touch else None
        if query.where and (arrival is None or not is_asked(arrival, query)):
            continue
        add(values_of(arrival, query.by) if arrival else None, credit.column, credit.amount)
    for cost in renamed_costs(facts, query):
        amount = Exchange(query.currency).convert(cost.amount_minor, cost.currency, cost.day)
        if scope.has(cost.day) and amount is not None and is_asked(cost.arrival, query, costs=True):
            known = [DIMENSION[name].has_cost for name in query.by]
            values = zip(values_of(cost.arrival, query.by), known, strict=True)
            add(tuple(value if is_known else NOT_SET for value, is_known in values), "cost_minor", amount)
    return {values: figures for values, figures in rows.items() if any(figures.values())}


def told(rows: tuple[Row, ...]) -> dict[tuple[str, ...] | None, dict[str, int]]:
    """The same of a report."""
    found = {}
    for row in rows:
        figures = {one.name: getattr(row.figures, one.name) for one in fields(Figures)}
        if any(figures.values()):
            found[None if row.is_unattributed else row.values] = {k: v for k, v in figures.items() if v}
    return found


@unhurried
@given(facts=worlds(), query=QUERIES)
def test_the_report_is_what_plain_loops_make_of_the_facts(facts: Facts, query: Query) -> None:
    expected = {
        values: {name: amount for name, amount in figures.items() if amount}
        for values, figures in plain_figures(facts, query).items()
    }
    assert told(Source(MemoryEngine(facts), query).table(NOW).rows) == expected


# --- nothing is lost ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", OF_PATHS)
@settings(unhurried, max_examples=20)
@given(facts=worlds(), query=QUERIES)
def test_totals_are_those_of_the_ledger_the_costs_and_the_conversions_however_they_are_split(
    model: Model, facts: Facts, query: Query
) -> None:
    scope = scope_of(query)
    own = {"JPY": 0, "USD": 0, "KWD": 0, "VND": 0}
    revenue, cost = dict(own), dict(own)
    for entry in facts.entries:
        revenue[entry.currency] += entry.amount_minor if scope.has(entry.day) else 0
    for row in facts.costs:
        cost[row.currency] += row.amount_minor if scope.has(row.day) else 0
    for by in BY[:: len(BY) // 5]:
        # In the dong nothing converts: each total is its own currency's alone, and the others stand apart.
        asked = Query(SITE_ID, "UTC", query.from_day, query.to_day, by, model, currency="VND", fit=FIT)
        table = Source(MemoryEngine(facts), asked).table(NOW)
        apart = {one.currency: (one.revenue_minor, one.cost_minor) for one in table.meta.unconverted}
        assert table.totals.revenue_minor == revenue["VND"]
        assert table.totals.cost_minor == cost["VND"]
        for code in ("JPY", "USD", "KWD"):
            assert apart.get(code, (0, 0)) == (revenue[code], cost[code])
        for key, kind in COUNTED.items():
            n = sum(one.n for one in facts.conversions if one.kind == kind and scope.has(one.day))
            assert getattr(table.totals, key) == n * MICRO


@settings(unhurried, max_examples=15)
@given(facts=worlds(), query=QUERIES, name=st.sampled_from(Dimension))
def test_a_report_falls_apart_into_those_of_each_value_and_what_no_touch_explains(
    facts: Facts, query: Query, name: Dimension
) -> None:
    engine, whole = MemoryEngine(facts), replace(query, by=(name,), where=())
    table = Source(engine, whole).table(NOW)
    values = tuple(row.values[0] for row in table.rows if not row.is_unattributed)
    parts = [row.figures for row in table.rows if row.is_unattributed]
    for value in values:
        only = Source(engine, replace(query, where=(Filter(name, (value,)),))).table(NOW).totals
        rest = Source(engine, replace(query, where=(Filter(name, (value,), excludes=True),))).table(NOW).totals
        others = [Filter(name, tuple(one for one in values if one != value))] if len(values) > 1 else []
        if others:
            assert rest == Source(engine, replace(query, where=tuple(others))).table(NOW).totals
        parts.append(only)
    for metric in METRICS:
        if not metric.unit.is_quotient and metric.key != "visitors":
            assert sum(one.of(metric.key) or 0 for one in parts) == table.totals.of(metric.key), metric.key


@unhurried
@given(facts=worlds(), query=QUERIES)
def test_rows_add_up_to_the_totals_and_a_chart_to_its_table(facts: Facts, query: Query) -> None:
    table = Source(MemoryEngine(facts), query).table(NOW)
    together = sum((row.figures for row in table.rows), Figures())
    for metric in METRICS:
        if metric.unit.is_quotient or metric.key == "visitors":
            continue
        total = table.totals.of(metric.key)
        assert together.of(metric.key) == total
        if metric.unit is Unit.MONEY and query.currency is None:
            continue
        lines = Source(MemoryEngine(facts), query).series(metric.key, most=2).lines
        charted = sum(float(number or 0) for line in lines for number in line.numbers)
        scale = {"JPY": 1, "USD": 100, "VND": 1}[query.currency or "JPY"] if metric.unit is Unit.MONEY else 1
        scale = MICRO if metric.unit is Unit.CREDIT else scale
        assert charted * scale == pytest.approx(total, rel=1e-9, abs=4)


@settings(unhurried, max_examples=15)
@given(facts=worlds(), query=QUERIES)
def test_the_rows_behind_every_figure_add_up_to_it(store: Store, facts: Facts, query: Query) -> None:
    facts.entries[:] = [entry for entry in facts.entries if abs(entry.amount_minor) < 10**15]
    with stored(store, facts) as tx:
        table = Source(SqlEngine(tx), query).table(NOW)
        cells = [(None if row.is_unattributed else row.values, row.figures) for row in table.rows]
        for values, figures in [*cells, ((), table.totals)]:
            for metric in METRICS:
                if not metric.unit.is_quotient:
                    assert behind(tx, query, metric.key, values) == figures.of(metric.key), (metric.key, values)


def behind(tx: Tx, query: Query, metric: str, values: tuple[str, ...] | None) -> int:
    """What the rows of all pages add up to; each page holds two."""
    page = rows_behind(tx, query, metric, values, limit=2)
    rows, first = list(page.rows), page
    while page.next_cursor:
        page = rows_behind(tx, query, metric, values, page.next_cursor, limit=2)
        rows += page.rows
        assert (page.n_rows, page.figure) == (first.n_rows, first.figure)
    assert len(rows) == first.n_rows == len(set(rows))
    added = sum(map(credit_of, rows))
    if metric == "visitors":
        added = len({row.visitor_id for row in rows if isinstance(row, VisitBehind)})
    assert added == first.figure
    return added


def credit_of(row: Behind) -> int:
    """The amount that a row adds to its figure."""
    if isinstance(row, LeadBehind | DealBehind):
        return row.credit_micro
    return 1 if isinstance(row, VisitBehind) else row.credit_minor
