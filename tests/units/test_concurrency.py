"""Several web processes and fold workers at once, on PostgreSQL: nothing is lost and nothing counted twice."""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from datetime import datetime, timedelta
from itertools import count

import pytest
from sqlalchemy import Engine, event, func, select, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from tests.walks import START, World
from tracker import flow
from tracker.access.sites import Site, site_by_id
from tracker.db.schema import contacts, deals, hits, identifiers, touchpoints, visit_hits
from tracker.db.store import Tx, begin, reading
from tracker.errors import Conflict, MinamotoError
from tracker.identity.merge import Decision
from tracker.ids import derive
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


Word = Callable[[Tx, int], object]
WAITS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


class Colleagues:
    """Hana and Ken of one company, with a deal of hers and one of both; what may be said of them, each time anew."""

    def __init__(self, store: Engine) -> None:
        self.world = World(store)
        emails = ["hana@kyoto.example", "ken@kyoto.example"]
        for reference, named in (("D-1", emails[:1]), ("D-2", emails)):
            people = [{"by": "email", "value": email} for email in named]
            self.world.deal(reference, START, amount="100", company_domain="kyoto.example", contacts=people)
        self.hana, self.ken = (derive("contact", self.world.site.site_id, "email", email) for email in emails)

    def site(self, tx: Tx) -> Site:
        return site_by_id(tx, self.world.site.site_id)

    def at(self, n: int) -> datetime:
        return START + timedelta(minutes=n)

    def contact(self, tx: Tx, n: int) -> None:
        fields = {"email": "hana@kyoto.example", "name": f"Hana {n}"}
        flow.contact_said(tx, self.site(tx), fields, self.at(n), self.at(n))

    def deal(self, tx: Tx, n: int) -> None:
        flow.deal_said(tx, self.site(tx), "D-2", {"amount": str(100 + n)}, self.at(n), self.at(n))

    def deal_by_id(self, tx: Tx, n: int) -> None:
        by, value = flow.name_of(tx, self.site(tx), contact_id=self.hana)
        fields = {"amount": str(100 + n), "contacts": [{"by": by, "value": value}]}
        flow.deal_said(tx, self.site(tx), "D-1", fields, self.at(n), self.at(n))

    def merge(self, tx: Tx, n: int) -> None:
        into = self.ken if n // 2 % 2 else None
        one = Decision(self.world.site.site_id, self.hana, into, "alice", self.at(n))
        (flow.contact_merged if into else flow.contact_split)(tx, self.site(tx), one, self.at(n))

    def hits(self, tx: Tx, n: int) -> None:
        flow.hits_arrived(tx, 100, one_by_one=False)

    def rebuild(self, tx: Tx, n: int) -> None:
        rebuild(tx, 100)

    def form(self, n: int) -> None:
        """A hit to be folded that names Hana."""
        hit = self.world.hit(self.at(n), "/", kind="form", identifiers={"email": "hana@kyoto.example"})
        self.world.send("v", [hit])


@contextmanager
def stopped_before(store: Engine, nth: int, then: Callable[[], None]) -> Iterator[list[int]]:
    """Do something else before this thread's nth statement; yields a list that is empty until that was done."""
    mine, n, done = threading.get_ident(), count(1), list[int]()

    def stop(*_: object) -> None:
        if threading.get_ident() == mine and not done and next(n) == nth:
            done.append(nth)
            then()

    event.listen(store, "before_cursor_execute", stop)
    try:
        yield done
    finally:
        event.remove(store, "before_cursor_execute", stop)


def met(store: Engine, nth: int, one: Word, other: Word) -> bool:
    """Do `one`, and before its nth statement let `other` go as far as it can; whether it has so many statements."""
    errors: list[Exception] = []

    def run() -> None:
        try:
            with begin(store) as tx:
                other(tx, 2 * nth + 1)
        except Exception as error:  # noqa: BLE001 - raised below
            errors.append(error)

    thread = threading.Thread(target=run)

    def until_it_waits() -> None:
        thread.start()
        with store.connect().execution_options(isolation_level="AUTOCOMMIT") as looking:
            while thread.is_alive() and not looking.execute(text(WAITS)).scalar_one():
                pass

    with stopped_before(store, nth, until_it_waits) as done, begin(store) as tx:
        one(tx, 2 * nth)
    if done:
        thread.join()
    if errors:
        raise errors[0]
    return bool(done)


PAIRS = [("contact", "deal"), ("deal", "contact"), ("deal_by_id", "merge"), ("hits", "deal"), ("hits", "rebuild")]
# Before its first statements, when it reads who is who, and now and then while it writes.
MOMENTS = (3, 4, *range(10, 46, 6))


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_two_words_on_one_customer_both_count_whenever_they_meet(store: Engine, one: str, other: str) -> None:
    said = Colleagues(store)
    for nth in MOMENTS:
        said.form(nth)
        if not met(store, nth, getattr(said, one), getattr(said, other)):
            break
    said.world.fold()
    before = said.world.facts()
    with begin(store) as tx:
        rebuild(tx, 100)
    assert said.world.facts() == before
