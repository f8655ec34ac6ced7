"""Paths kept in memory: whatever is written, by whomever, in whichever order it is committed, they are what the tables
say to the transaction that asks."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine as Store
from sqlalchemy import delete, insert

from tests.facts import SITE_ID, conversion_row, path_row, store_facts, touch_row
from tests.properties.test_engines import DAYS, MOMENTS, QUERIES, worlds
from tracker.attribution.credit import Weighted, share
from tracker.attribution.policy import ChannelRule
from tracker.attribution.recredited import day_mark, forget_marks, tell, tell_all
from tracker.clock import to_ms
from tracker.db.schema import conversions, deal_entries, deals, metadata, paths, recredited, touchpoints, visitors
from tracker.db.store import Tx, begin, reading
from tracker.money import split
from tracker.reports.columns import Scan
from tracker.reports.engines.memory import Arrival, Facts, PathRow, Touchpoint
from tracker.reports.engines.sql import SqlEngine
from tracker.reports.keeping import HeldEngine, Keeper, engine_of, keep_paths
from tracker.reports.packed import Ambiguous, Finder, Ids, Packer
from tracker.reports.query import Query
from tracker.reports.scans import DAY, MONTH, WHOLE, Conversion, Entry, Scope
from tracker.reports.source import Source
from tracker.vocabulary import Basis, ConversionKind, Dimension, EntryKind

unhurried = settings(
    deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
AT = datetime(2026, 11, 1, tzinfo=UTC)
EVER = Scope(SITE_ID, Basis.ACTIVITY, "2000-01-01", "2099-12-31", (Dimension.SOURCE, Dimension.TERM))


def plain(scan: Scan) -> tuple[list[Any], ...]:
    """A scan as lists in one order, touches with the conversion that they led to."""
    ids = [one.conversion_id for one in scan.conversions]
    walks, bounds = scan.walks, scan.walks.offsets.tolist()
    touches = [
        (
            ids[i],
            place - bounds[i],
            int(walks.touched_ms[place]),
            int(walks.scopes[place]),
            int(walks.ties[place]),
            walks.words[walks.seen[place]],
        )
        for i in range(len(ids))
        for place in range(bounds[i], bounds[i + 1])
    ]
    wins = {one.deal_id: one.conversion_id for one in scan.conversions if one.kind == ConversionKind.DEAL_WON}
    number = dict(zip(scan.conversions.deals.tolist(), (one.deal_id for one in scan.conversions), strict=True))
    for deal, entry in zip(scan.entries.deals.tolist(), scan.entries, strict=True):
        assert entry.deal_id not in wins or number[deal] == entry.deal_id
    return sorted(scan.conversions), sorted(touches), sorted(scan.entries)


def emptied(store: Store) -> None:
    with begin(store) as tx:
        for table in reversed(metadata.sorted_tables):
            tx.execute(delete(table))


# --- every scan -----------------------------------------------------------------------------------------------------


@unhurried
@given(
    facts=worlds(),
    query=QUERIES,
    bucket=st.sampled_from([WHOLE, MONTH, DAY]),
    rules=st.sampled_from([(), (ChannelRule({"source": "a"}, "referral"), ChannelRule({"term": "crm"}, ""))]),
)
def test_kept_paths_give_the_scans_and_reports_of_the_tables(
    store: Store, facts: Facts, query: Query, bucket: int, rules: tuple[ChannelRule, ...]
) -> None:
    emptied(store)
    with begin(store) as tx:
        store_facts(tx, facts)
    scope = Scope(SITE_ID, query.basis, query.from_day, query.to_day, query.by, bucket, rules, query.where)
    now = to_datetime("2026-11-01")
    with reading(store) as tx:
        kept, tables = HeldEngine(tx, Keeper(64)), SqlEngine(tx)
        assert plain(kept.scan(scope)) == plain(tables.scan(scope))
        assert kept.visits(scope) == tables.visits(scope)
        assert Source(kept, query).table(now) == Source(tables, query).table(now)
        assert Source(kept, query).series("revenue") == Source(tables, query).series("revenue")
        assert Source(kept, query).series("new_leads") == Source(tables, query).series("new_leads")


def to_datetime(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


# --- every order of writing and reading -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Rewrite:
    """A conversion as it is from now on, with a path and, if it is a deal's, a ledger; None: it is gone."""

    number: int
    kind: ConversionKind
    moments: tuple[int | None, int | None, int | None]
    day: str | None
    touches: tuple[Arrival, ...]
    amounts: tuple[int, ...]
    n: int


ARRIVALS = st.builds(
    Arrival,
    channel=st.sampled_from(["direct", "email"]),
    source=st.sampled_from(["a", 'tab\t"quote"', "back\\slash\\n", "行\n中", "\x1f", "[1]", "\\\\"]),
    term=st.sampled_from(["x", "🎉", "'; --"]),
)
REWRITES = st.builds(
    Rewrite,
    st.integers(0, 5),
    st.sampled_from(ConversionKind),
    st.tuples(MOMENTS, MOMENTS, MOMENTS),
    st.one_of(DAYS, DAYS, st.none()),
    st.lists(ARRIVALS, max_size=3).map(tuple),
    st.lists(st.integers(-(10**15), 10**15), max_size=3).map(tuple),
    st.integers(0, 1),
)
# By either of two writers, or both at once; the readers look in between, one of them with what it saw first.
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, 1), REWRITES),
        st.tuples(st.just("visit"), st.integers(0, 1), DAYS, st.lists(ARRIVALS, max_size=3)),
        st.tuples(st.just("commit"), st.integers(0, 1), st.booleans()),
        st.tuples(st.just("look"), st.booleans()),
        st.tuples(st.just("begin to look")),
        st.tuples(st.just("everything")),
        st.tuples(st.just("forget"), st.integers(0, 3)),
    ),
    max_size=14,
)


def rewrite(tx: Tx, one: Rewrite) -> None:
    """Write a conversion as attribution does: replace its rows, mark it."""
    # Each kind's own ids: two writers do not meet at a deal, which they lock.
    conversion_id = f"{one.number:032x}" if one.number % 2 else f"conversion {one.number}"
    is_deal = one.number > 2
    deal_id = f"deal {one.number}" if is_deal else None
    for table in (paths, conversions):
        tx.execute(delete(table).where(table.c.conversion_id == conversion_id))
    if is_deal:
        tx.execute(delete(deal_entries).where(deal_entries.c.deal_id == deal_id))
    if one.day is not None:
        at = to_ms(to_datetime(one.day))
        kind = ConversionKind.DEAL_WON if is_deal else ConversionKind.LEAD
        row = Conversion(conversion_id, kind, at, one.day, one.day, None, deal_id, one.n, is_deal, *one.moments)
        tx.execute(insert(conversions), [conversion_row(row)])
        touches = [
            Touchpoint(f"touch {one.number} {i}", "visit", 1, at - 10 + i, one.day, arrival)
            for i, arrival in enumerate(one.touches)
        ]
        if touches:
            walked = [path_row(PathRow(conversion_id, i, touch, i % 3), row) for i, touch in enumerate(touches)]
            tx.execute(insert(paths), walked)
        if is_deal and one.amounts:
            entries = [
                Entry(deal_id or "", i, EntryKind.AMENDED, amount, "JPY", one.day)._asdict()
                for i, amount in enumerate(one.amounts)
            ]
            when = to_datetime(one.day)
            tx.execute(insert(deal_entries), [{**row, "site_id": SITE_ID, "occurred_at": when} for row in entries])
    tell(tx, SITE_ID, [conversion_id])


class Stage:
    """Two writers and a reader that stays; SQLite has one writer at a time."""

    def __init__(self, store: Store) -> None:
        self.store, self.keeper = store, Keeper(64)
        self.writers: dict[int, tuple[Tx, ExitStack, set[int]]] = {}
        self.staying = ExitStack()
        self.reader: Tx | None = None

    def write(self, who: int, one: Rewrite) -> None:
        others = {number for other, (*_, numbers) in self.writers.items() if other != who for number in numbers}
        if one.number in others or (self.store.dialect.name == "sqlite" and self.writers.keys() - {who}):
            return  # it would wait
        tx, _, numbers = self.writing(who)
        numbers.add(one.number)
        rewrite(tx, one)

    def writing(self, who: int) -> tuple[Tx, ExitStack, set[int]]:
        """A writer's transaction, begun if need be, and the conversions that it wrote."""
        if who not in self.writers:
            stack = ExitStack()
            self.writers[who] = (stack.enter_context(self.store.connect()), stack, set())
            stack.enter_context(self.writers[who][0].begin())
        return self.writers[who]

    def visit(self, who: int, day: str, arrivals: list[Arrival]) -> None:
        """The visits of a day are others: those of each writer its own."""
        if self.store.dialect.name == "sqlite" and self.writers.keys() - {who}:
            return
        tx, *_ = self.writing(who)
        tx.execute(delete(touchpoints).where(touchpoints.c.day == day, touchpoints.c.hit_id == str(who)))
        at = to_ms(to_datetime(day))
        for i, arrival in enumerate(arrivals):
            row = touch_row(Touchpoint(f"{who} {day} {i}", "visit", 1 + i % 2, at, day, arrival, str(i)))
            tx.execute(insert(touchpoints), [{**row, "hit_id": str(who)}])
        tell(tx, SITE_ID, [day_mark(day)])

    def commit(self, who: int, is_kept: bool) -> None:
        if who in self.writers:
            tx, stack, _ = self.writers.pop(who)
            (tx.commit if is_kept else tx.rollback)()
            stack.close()

    def alone(self, work: Any) -> None:
        if not self.writers:
            with begin(self.store) as tx:
                work(tx)

    def begin_to_look(self) -> None:
        self.staying.close()
        self.reader = self.staying.enter_context(reading(self.store))
        SqlEngine(self.reader).scan(EVER)  # its snapshot is that of its first statement

    def look(self, stays: bool) -> None:
        if stays and self.reader is not None:
            self.compare(self.reader)
        else:
            with reading(self.store) as tx:
                self.compare(tx)

    def compare(self, tx: Tx) -> None:
        kept, tables = HeldEngine(tx, self.keeper), SqlEngine(tx)
        assert plain(kept.scan(EVER)) == plain(tables.scan(EVER))
        assert kept.visits(EVER) == tables.visits(EVER)
        asked = Query(SITE_ID, "UTC", EVER.from_day, EVER.to_day, currency="JPY")
        assert Source(kept, asked).table(AT) == Source(tables, asked).table(AT)
        assert Source(kept, asked).series("new_leads") == Source(tables, asked).series("new_leads")

    def close(self) -> None:
        self.staying.close()
        for who in list(self.writers):
            self.commit(who, False)


@contextmanager
def staged(store: Store) -> Iterator[Stage]:
    emptied(store)
    facts = Facts()
    with begin(store) as tx:
        store_facts(tx, facts)
        tx.execute(insert(visitors), [{"visitor_no": n, "site_id": SITE_ID, "visitor_id": str(n)} for n in (1, 2)])
        when = to_datetime("2026-11-01")
        tx.execute(insert(deals), [
            {"deal_id": f"deal {n}", "site_id": SITE_ID, "reference": f"{n}", "status": "won", "type": "new",
             "amount_minor": 0, "refunded_minor": 0, "currency": "JPY", "created_at": when, "changed_at": when}
            for n in range(3, 6)
        ])  # fmt: skip
    stage = Stage(store)
    try:
        yield stage
    finally:
        stage.close()


ONE = Rewrite(1, ConversionKind.LEAD, (None, None, None), "2026-04-01", (Arrival("email"),), (), 1)


@settings(unhurried, max_examples=20)
@given(steps=STEPS)
@example(steps=[("write", 0, ONE), ("commit", 0, True)])
@example(steps=[("visit", 0, "2026-04-01", [Arrival("email")]), ("commit", 0, True)])
@example(steps=[("visit", 0, "2026-04-01", [Arrival("email")] * 3), ("commit", 0, True)])
def test_whatever_is_written_and_whenever_it_is_committed_kept_paths_are_what_each_transaction_sees(
    store: Store, steps: list[tuple[Any, ...]]
) -> None:
    with staged(store) as stage:
        stage.look(False)
        for name, *given_ in steps:
            match name:
                case "write":
                    stage.write(*given_)
                case "visit":
                    stage.visit(*given_)
                case "commit":
                    stage.commit(*given_)
                case "look":
                    stage.look(*given_)
                case "begin to look":
                    stage.begin_to_look()
                case "everything":
                    stage.alone(lambda tx: tell_all(tx, SITE_ID))
                case "forget":
                    stage.alone(lambda tx, most=given_[0]: forget_marks(tx, most))
        stage.look(True)
        stage.look(False)


def test_a_write_that_began_before_and_commits_after_another_is_not_missed(store: Store) -> None:
    with staged(store) as stage:
        stage.write(0, ONE)
        stage.write(
            1 if store.dialect.name == "postgresql" else 0,
            Rewrite(2, ConversionKind.LEAD, (None, None, None), "2026-04-02", (), (), 1),
        )
        stage.commit(1, True)  # on SQLite, which has one writer, there is no such writer
        stage.look(False)
        stage.commit(0, True)
        with reading(store) as tx:
            assert len(HeldEngine(tx, stage.keeper).scan(EVER).conversions) == 2


def test_a_transaction_that_is_older_than_what_is_kept_sees_what_it_saw(store: Store) -> None:
    with staged(store) as stage:
        stage.look(False)
        stage.begin_to_look()
        stage.write(0, ONE)
        stage.visit(0, "2026-04-01", [Arrival("email")])
        stage.commit(0, True)
        stage.look(False)
        stage.look(True)
        assert stage.reader is not None
        assert len(HeldEngine(stage.reader, stage.keeper).scan(EVER).conversions) == 0
        with reading(store) as tx:
            assert len(HeldEngine(tx, stage.keeper).scan(EVER).conversions) == 1


def test_what_a_reader_missed_before_its_mark_was_forgotten_it_reads_anew(store: Store) -> None:
    with staged(store) as stage:
        stage.look(False)
        for number in range(6):
            stage.write(0, Rewrite(number, ConversionKind.LEAD, (None, None, None), "2026-04-01", (), (), 1))
            stage.commit(0, True)
        stage.alone(lambda tx: forget_marks(tx, 1))
        with reading(store) as tx:
            assert tx.execute(recredited.select()).all()
            assert len(HeldEngine(tx, stage.keeper).scan(EVER).conversions) == 6


# --- who keeps ------------------------------------------------------------------------------------------------------


def test_a_site_that_has_no_room_is_read_from_the_tables(store: Store) -> None:
    keeper = Keeper(64)
    with staged(store) as stage:
        stage.write(0, ONE)
        stage.commit(0, True)
        with reading(store) as tx:
            assert keeper.view(tx, SITE_ID) is not None
            assert Keeper(0).view(tx, SITE_ID) is None
            assert len(HeldEngine(tx, Keeper(0)).scan(EVER).conversions) == 1


def test_only_transactions_that_read_share_what_is_kept(store: Store) -> None:
    keep_paths(store, 64)
    with reading(store) as tx:
        assert isinstance(engine_of(tx), HeldEngine)
    with begin(store) as tx:
        assert not isinstance(engine_of(tx), HeldEngine)
    keep_paths(store, 0)
    with reading(store) as tx:
        assert not isinstance(engine_of(tx), HeldEngine)


# --- its parts ------------------------------------------------------------------------------------------------------

HEX = st.text("0123456789abcdef", min_size=32, max_size=32)


@given(ids=st.lists(st.one_of(HEX, st.text(max_size=40), HEX.map(str.upper), st.just("")), max_size=6))
def test_packed_ids_are_the_ids_that_they_were(ids: list[str]) -> None:
    packer = Packer()
    zero = "0" * 32  # no id of ours: it stands for none
    texts = ["" if one == zero else one for one in ids]
    assert list(Ids(packer, packer.pack(ids))) == texts
    backwards = np.arange(len(ids))[::-1]
    assert Ids(packer, packer.pack(ids)).some(backwards) == texts[::-1]
    assert Ids(packer, packer.pack(ids), np.append(backwards, -1)).some(np.arange(len(ids) + 1)) == [*texts[::-1], ""]


def test_two_ids_that_begin_alike_are_not_taken_for_one() -> None:
    packer = Packer()
    one, other = packer.pack(["ab" * 8 + "00" * 8]), packer.pack(["ab" * 8 + "11" * 8])
    with pytest.raises(Ambiguous):
        Finder(np.concatenate((one, other)))
    for act in (Finder.find, Finder.put):
        with pytest.raises(Ambiguous):
            act(Finder(one), other)
    with pytest.raises(Ambiguous):
        Finder(packer.pack([])).put(np.concatenate((one, other)))


@settings(deadline=None)
@given(
    weights=st.lists(st.lists(st.integers(0, 3), min_size=28, max_size=40), min_size=1, max_size=3),
    amount=st.integers(-10_000, 10_000),
)
def test_long_paths_are_shared_as_short_ones_are(weights: list[list[int]], amount: int) -> None:
    ties = [[(7 * i) % 5 for i in range(len(path))] for path in weights]
    paths_ = Weighted(
        np.cumsum([0, *map(len, weights)], dtype=np.int64),
        np.array([weight for path in weights for weight in path], dtype=np.int64),
        np.array([tie for path in ties for tie in path], dtype=np.int64),
    )
    found = share([amount] * len(weights), np.arange(len(weights)), paths_)
    for i, (path, keys) in enumerate(zip(weights, ties, strict=True)):
        own = found.shares[found.offsets[i] : found.offsets[i + 1]].tolist()
        assert own == (split(amount, path, keys) if any(path) else [0] * len(path))
