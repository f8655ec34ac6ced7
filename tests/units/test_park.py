"""A hit that makes the fold fail is set aside, and only it; what is the store's fault sets nothing aside."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event, func, select, update
from sqlalchemy.exc import OperationalError

from tests.units.conftest import Command
from tests.walks import START, World
from tracker.db.schema import contacts, hits, hits_parked, visit_hits, visitors
from tracker.db.store import begin, connect, reading
from tracker.jobs import fold_batch
from tracker.rebuild import rebuild, waiting
from tracker.visits.park import Parked, parked


def count(store: Engine, table: Any) -> int:
    with reading(store) as tx:
        return tx.execute(select(func.count()).select_from(table)).scalar_one()


def spoil(world: World, nth: int, **values: object) -> None:
    """Make the nth hit of the journal one that no rule was written for."""
    with begin(world.store) as tx:
        seq = tx.execute(select(hits.c.seq).order_by(hits.c.seq).offset(nth).limit(1)).scalar_one()
        tx.execute(update(hits).where(hits.c.seq == seq).values(**values))


def send(world: World, n: int) -> None:
    for one in range(n):
        form = world.hit(
            START + timedelta(minutes=one), "/", kind="form", identifiers={"email": f"p{one}@kyoto.example"}
        )
        world.send(f"v{one}", [form])


@pytest.mark.parametrize("spoilt", [{"details": ["a list"]}, {"kind": "call", "details": {"identifiers": "text"}}])
def test_one_hit_that_cannot_be_folded_is_parked_and_the_others_are_folded(
    store: Engine, spoilt: dict[str, object]
) -> None:
    world = World(store)
    send(world, 9)
    spoil(world, 4, **spoilt)
    assert fold_batch(store, 100) == 9
    assert fold_batch(store, 100) == 0
    with reading(store) as tx:
        assert parked(tx) == Parked(1, (("AttributeError", 1),))
        assert waiting(tx) == 0
    assert count(store, visit_hits) == 8
    assert count(store, contacts) == 8


def test_several_are_found_and_told_apart_by_their_error(store: Engine) -> None:
    world = World(store)
    send(world, 9)
    for nth in (0, 5, 8):
        spoil(world, nth, details=["a list"])
    spoil(world, 6, occurred_at=START.replace(year=9999))
    with begin(store) as tx:  # one that no calendar has
        tx.exec_driver_sql("UPDATE hits SET occurred_at = occurred_at * 1000 WHERE occurred_at > 100000000000000")
    fold_batch(store, 100)
    with reading(store) as tx:
        assert parked(tx) == Parked(4, (("AttributeError", 3), ("OverflowError", 1)))
    assert count(store, visit_hits) == 5


def test_a_hit_alone_in_its_batch_is_parked_too(store: Engine) -> None:
    world = World(store)
    send(world, 1)
    spoil(world, 0, details=["a list"])
    assert fold_batch(store, 100) == 1
    assert count(store, hits_parked) == 1
    assert count(store, visitors) == 0


def test_a_rebuild_tries_parked_hits_again(store: Engine) -> None:
    world = World(store)
    send(world, 3)
    spoil(world, 1, details=["a list"])
    fold_batch(store, 100)
    with begin(store) as tx:
        rebuild(tx, 100)
    assert count(store, hits_parked) == 1
    spoil(world, 1, details={"identifiers": {"email": "p1@kyoto.example"}})
    with begin(store) as tx:
        rebuild(tx, 100)
    assert count(store, hits_parked) == 0
    assert count(store, visit_hits) == 3
    assert count(store, contacts) == 3


@pytest.fixture
def impatient(store_url: str) -> Iterator[Engine]:
    """The same store, by somebody who does not wait for locks."""
    engine = connect(store_url)

    @event.listens_for(engine, "connect")
    def refuse_to_wait(connection: Any, _record: Any) -> None:
        word = "PRAGMA busy_timeout = 0" if engine.dialect.name == "sqlite" else "SET lock_timeout = '20ms'"
        connection.execute(word)
        connection.commit()

    yield engine
    engine.dispose()


def test_a_store_that_is_busy_parks_nothing(store: Engine, impatient: Engine) -> None:
    world = World(store)
    send(world, 3)
    fold_batch(store, 100)
    for one in range(3):
        world.send(f"v{one}", [world.hit(START + timedelta(hours=3), "/")])
    with store.begin() as tx:  # out of turn; holds the visitors that the fold needs
        tx.execute(update(visitors).values(visitor_id=visitors.c.visitor_id))
        with pytest.raises(OperationalError):
            fold_batch(impatient, 100)
    with reading(store) as tx:
        assert parked(tx) == Parked(0, ())
        assert waiting(tx) == 3
    assert fold_batch(impatient, 100) == 3
    assert count(store, visit_hits) == 6


def test_the_command_that_rebuilds_says_what_is_parked(store: Engine, command: Command) -> None:
    world = World(store)
    send(world, 3)
    spoil(world, 1, details=["a list"])
    done = command("rebuild")
    assert (done.exit_code, done.stdout) == (
        0,
        "hits folded: 3\nhits parked, for they cannot be folded: 1 (AttributeError)\n",
    )
