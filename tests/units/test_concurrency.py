"""Several web processes and fold workers at once, on PostgreSQL: nothing is lost and nothing counted twice."""

import random
import threading
from collections.abc import Callable
from copy import copy
from datetime import timedelta

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from tests.walks import START, World
from tracker import flow
from tracker.access.sites import site_by_id
from tracker.db.schema import contacts, deals, hits, identifiers, touchpoints, visit_hits
from tracker.db.store import begin, reading
from tracker.errors import Conflict, MinamotoError
from tracker.rebuild import rebuild, waiting

ROUNDS = 12
PEOPLE = [f"p{n}@kyoto.example" for n in range(4)]


def together(*works: Callable[[], None]) -> None:
    """Do these at the same time; an error in one fails the test."""
    errors: list[Exception] = []

    def run(work: Callable[[], None]) -> None:
        try:
            work()
        except (AssertionError, MinamotoError, SQLAlchemyError, threading.BrokenBarrierError) as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def again(work: Callable[[], object]) -> None:
    """As the job loop and a CRM do: what the database refused for another's sake is tried again."""
    for _ in range(20):
        try:
            work()
            return
        except OperationalError:
            continue
    raise AssertionError("refused twenty times")


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_web_processes_and_workers_at_once_give_what_a_rebuild_gives(store: Engine) -> None:
    world = World(store)
    done = threading.Event()
    sent = threading.Barrier(3, action=done.set)

    def visit(seed: int) -> None:
        choose, own = random.Random(seed), copy(world)
        own.n = seed * 10_000
        for n in range(ROUNDS):
            at = START + timedelta(minutes=choose.randrange(2_000))
            page = own.hit(at, choose.choice(["/", "/?utm_source=news&utm_medium=email", "/?gclid=A1"]))
            form = own.hit(at, "/c", kind="form", identifiers={"email": choose.choice(PEOPLE)})
            own.send(f"v{choose.randrange(3)}", [page, form] if n % 3 == 0 else [page])
        sent.wait()

    def sell() -> None:
        choose = random.Random(9)
        for n in range(ROUNDS):
            email = choose.choice(PEOPLE)
            fields = {"amount": str(100 + n), "status": "won", "contacts": [{"by": "email", "value": email}]}
            again(lambda fields=fields, n=n: world.deal(f"D-{n % 3}", START + timedelta(days=3, minutes=n), **fields))
        sent.wait()

    def fold() -> None:
        while True:
            last = done.is_set()
            with begin(store) as tx:
                folded = flow.hits_arrived(tx, 5)
            if last and not folded:
                return

    together(lambda: visit(1), lambda: visit(2), sell, lambda: again(fold), lambda: again(fold))
    world.fold()
    with reading(store) as tx:
        assert waiting(tx) == 0
        n_hits = tx.execute(select(func.count()).select_from(hits)).scalar_one()
        assert tx.execute(select(func.count()).select_from(visit_hits)).scalar_one() == n_hits
        assert tx.execute(select(func.count()).select_from(touchpoints)).scalar_one() > 3
    before = world.facts()
    with begin(store) as tx:
        rebuild(tx, 100)
    assert world.facts() == before


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_amendments_of_one_deal_at_once_are_all_in_its_ledger(store: Engine) -> None:
    world = World(store)

    def amend(n: int) -> None:
        world.deal("D-1", START + timedelta(minutes=n), amount=str(100 + n), status="won")

    together(*[lambda n=n: amend(n) for n in range(8)])
    with reading(store) as tx:
        assert tx.execute(select(deals.c.amount_minor)).scalars().all() == [10_700]
    before = world.facts()
    with begin(store) as tx:
        rebuild(tx, 100)
    assert world.facts() == before


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_one_crm_id_told_for_two_people_at_once_names_one(store: Engine) -> None:
    world = World(store)
    refused: list[str] = []

    def tell(email: str) -> None:
        try:
            with begin(store) as tx:
                site = site_by_id(tx, world.site.site_id)
                flow.contact_said(tx, site, {"email": email, "crm_id": "C-1"}, START, START)
        except Conflict:
            refused.append(email)

    together(*[lambda n=n: tell(f"p{n}@kyoto.example") for n in range(6)])
    with reading(store) as tx:
        owners = tx.execute(select(identifiers.c.contact_id).where(identifiers.c.kind == "crm_id")).scalars().all()
        assert len(owners) == 1
        named = tx.execute(select(contacts.c.contact_id).where(contacts.c.crm_id == "C-1")).scalars().all()
        assert named == owners
