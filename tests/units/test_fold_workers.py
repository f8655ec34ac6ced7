"""Fold workers beside writers that commit late, a CRM that names the same people, and kill -9."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select, text

from tests.walks import START, World
from tracker import flow
from tracker.access.sites import site_by_id
from tracker.collect.journal import append
from tracker.collect.payload import Hit
from tracker.db.schema import contacts, hits, identifiers, visit_hits, visits
from tracker.db.store import Tx, begin, reading
from tracker.ids import uuid7
from tracker.jobs import fold_batch
from tracker.rebuild import rebuild, waiting
from tracker.vocabulary import HitKind, Origin

ROOT = Path(__file__).parents[2]
HOUR = timedelta(hours=1)
postgresql = pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)


def page_view(n: int) -> Hit:
    at = START + timedelta(minutes=n)
    return Hit(
        hit_id=uuid7(int(at.timestamp() * 1000), n.to_bytes(10, "big")),
        visitor_id="v".ljust(16, "0"),
        kind=HitKind.PAGE,
        origin=Origin.BROWSER,
        occurred_at=at,
        received_at=at,
        url="https://www.acme.example/",
        referrer=None,
        title=None,
        user_agent=None,
        country=None,
        consent="granted",
        details={},
    )


def fold_all(store: Engine) -> None:
    while fold_batch(store, 4):
        pass


def blocked(store: Engine) -> bool:
    """Whether somebody waits for a lock in this database."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with reading(store) as tx:
        return bool(tx.execute(text(query)).scalar_one())


def meanwhile(store: Engine, held: Callable[[Tx], object], work: Callable[[], object]) -> None:
    """Do `held` in a transaction, and let `work` run into what it holds before it commits."""
    errors: list[Exception] = []

    def run() -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - raised below
            errors.append(error)

    thread = threading.Thread(target=run)
    with begin(store) as tx:
        held(tx)
        thread.start()
        while thread.is_alive() and not blocked(store):
            pass
        was_blocked = thread.is_alive()
    thread.join()
    assert not errors, errors
    assert was_blocked


@postgresql
def test_a_hit_whose_transaction_commits_late_is_folded_late(store: Engine) -> None:
    world = World(store)
    with store.connect() as late:
        transaction = late.begin()
        append(late, world.site.site_id, [page_view(1)])
        with begin(store) as tx:
            append(tx, world.site.site_id, [page_view(2)])
        fold_all(store)
        with reading(store) as tx:
            folded = tx.execute(select(visit_hits.c.hit_seq)).scalars().all()
        transaction.commit()
    with reading(store) as tx:
        first, second = tx.execute(select(hits.c.seq).order_by(hits.c.occurred_at)).scalars()
    assert first < second  # a cursor over seq would be past it
    assert folded == [second]
    fold_all(store)
    with reading(store) as tx:
        assert tx.execute(select(visit_hits.c.hit_seq).order_by(visit_hits.c.hit_seq)).scalars().all() == [
            first,
            second,
        ]
        assert tx.execute(select(visits.c.n_hits)).scalars().all() == [2]


def form(world: World, visitor: str, email: str, at: timedelta = timedelta(0)) -> None:
    world.send(visitor, [world.hit(START + at, "/", kind="form", identifiers={"email": email})])


@postgresql
def test_a_form_and_a_crm_call_that_tie_one_address_at_once_name_one_contact(store: Engine) -> None:
    world = World(store)
    site_id = world.site.site_id
    with begin(store) as tx:
        flow.contact_said(tx, site_by_id(tx, site_id), {"crm_id": "C-1"}, START, START)
    form(world, "v", "hana@kyoto.example", HOUR)
    told = {"crm_id": "C-1", "email": "hana@kyoto.example"}
    meanwhile(
        store,
        lambda tx: flow.contact_said(tx, site_by_id(tx, site_id), told, START, START),
        lambda: fold_batch(store, 100),
    )
    with reading(store) as tx:
        assert tx.execute(select(func.count()).select_from(contacts)).scalar_one() == 1
        owners = tx.execute(select(identifiers.c.contact_id)).scalars().all()
        assert set(owners) == set(tx.execute(select(contacts.c.contact_id)).scalars())
    before = world.facts()
    with begin(store) as tx:
        rebuild(tx, 100)
    assert world.facts() == before


@postgresql
def test_two_workers_that_bring_the_same_people_in_another_order_both_go_on(store: Engine) -> None:
    world = World(store)
    people = [f"p{n}@kyoto.example" for n in range(8)]
    for n, email in enumerate(people + people[::-1]):
        form(world, f"v{n}", email, n * timedelta(minutes=1))
    meanwhile(store, lambda tx: flow.hits_arrived(tx, 8), lambda: fold_batch(store, 8))
    with reading(store) as tx:
        assert waiting(tx) == 0
        assert tx.execute(select(func.count()).select_from(contacts)).scalar_one() == 8
    before = world.facts()
    with begin(store) as tx:
        rebuild(tx, 100)
    assert world.facts() == before


# Folds, and stops for ever before its nth statement, so that a kill finds it there.
FOLDER = """
import sys, threading
from sqlalchemy import event
from tracker.db.store import connect
from tracker.jobs import fold_batch
store, nth, seen = connect(sys.argv[1]), int(sys.argv[2]), []
@event.listens_for(store, "before_cursor_execute")
def stop(*_):
    seen.append(1)
    if len(seen) == nth:
        print("here", flush=True)
        threading.Event().wait()
while fold_batch(store, 6):
    pass
"""


@pytest.mark.parametrize("nth", [3, 9, 14, 19, 24, 33, 55])
def test_a_fold_that_was_killed_is_finished_by_the_next_without_counting_twice(
    store: Engine, store_url: str, nth: int
) -> None:
    world = World(store)
    for n in range(4):
        at = START + n * HOUR
        world.send(f"v{n % 2}", [world.hit(at, "/?utm_source=news"), world.hit(at + timedelta(minutes=1), "/pricing")])
        form(world, f"v{n % 2}", f"p{n % 3}@kyoto.example", n * HOUR + timedelta(minutes=2))
    arguments = [sys.executable, "-c", FOLDER, store_url, str(nth)]
    with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=os.environ) as folder:
        assert folder.stdout is not None
        assert folder.stdout.readline() == "here\n"
        folder.send_signal(signal.SIGKILL)
    while True:  # PostgreSQL may still hold for a moment what the dead one held
        fold_all(store)
        with reading(store) as tx:
            if not waiting(tx):
                break
    with reading(store) as tx:
        assert tx.execute(select(func.count()).select_from(visit_hits)).scalar_one() == 12
        assert tx.execute(select(func.sum(visits.c.n_hits))).scalar_one() == 12
    after_the_kill = world.facts()
    with begin(store) as tx:
        rebuild(tx, 100)
    assert world.facts() == after_the_kill
