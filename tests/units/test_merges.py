"""Merges and splits of people with calls; and beside the fold and a CRM, on PostgreSQL: a rebuild derives the same."""

import random
import threading
from copy import copy
from datetime import timedelta

import pytest
from sqlalchemy import Engine, func, select

from tests.units.test_concurrency import again, together
from tests.walks import START, World
from tracker import flow
from tracker.access.sites import site_by_id
from tracker.db.schema import calls, crm_changes
from tracker.db.store import begin, reading
from tracker.errors import Conflict
from tracker.identity.merge import Decision
from tracker.ids import derive
from tracker.rebuild import rebuild, waiting

ROUNDS = 6
PEOPLE = [f"p{n}@kyoto.example" for n in range(3)]


def test_calls_follow_whom_they_named_and_whose_browser_it_was(store: Engine) -> None:
    world, minute = World(store), timedelta(minutes=1)
    hana, ken = PEOPLE[:2]
    world.send("v", [world.hit(START, "/"), world.hit(START + minute, "/c", kind="form", identifiers={"email": hana})])
    world.call("v", START + 2 * minute, {"traced": "visitor"}, "", number="by the browser")
    world.call("v", START + 3 * minute, {"traced": "unknown"}, hana, number="by its caller")
    world.call("w", START + 4 * minute, {"traced": "unknown"}, ken, number="of the other")
    world.fold()
    before = world.facts()
    decided(world, hana, ken, 1)
    assert owners_of_calls(store) == [ken, ken, ken]
    merged = world.facts()
    with begin(store) as tx:
        rebuild(tx, 2)
    assert world.facts() == merged
    decided(world, hana, None, 2)
    assert owners_of_calls(store) == [hana, hana, ken]
    assert world.facts() == before


def owners_of_calls(store: Engine) -> list[str]:
    """The address of the contact of each call, in order of time."""
    own = {derive("contact", 1, "email", email): email for email in PEOPLE}
    with reading(store) as tx:
        return [own[one] for one in tx.execute(select(calls.c.contact_id).order_by(calls.c.occurred_at)).scalars()]


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_decisions_beside_hits_and_deals_give_what_a_rebuild_gives(store: Engine) -> None:
    world, done = World(store), threading.Event()
    sent = threading.Barrier(3, action=done.set)
    for email in PEOPLE:
        with begin(store) as tx:
            flow.contact_said(tx, site_by_id(tx, world.site.site_id), {"email": email}, START, START)

    def visit() -> None:
        choose, own = random.Random(1), copy(world)
        own.n = 10_000
        for n in range(ROUNDS):
            at = START + timedelta(minutes=choose.randrange(2_000))
            page = own.hit(at, choose.choice(["/", "/?utm_source=news&utm_medium=email", "/?gclid=A1"]))
            form = own.hit(at, "/c", kind="form", identifiers={"email": choose.choice(PEOPLE)})
            own.send(f"v{choose.randrange(3)}", [page, form] if n % 2 == 0 else [page])
        sent.wait()

    def sell() -> None:
        choose = random.Random(9)
        for n in range(ROUNDS):
            fields = {"amount": str(100 + n), "contacts": [{"by": "email", "value": choose.choice(PEOPLE)}]}
            again(lambda fields=fields, n=n: world.deal(f"D-{n % 3}", START + timedelta(days=3, minutes=n), **fields))
        sent.wait()

    def decide() -> None:
        choose = random.Random(4)
        for n in range(ROUNDS):
            pair = choose.sample(PEOPLE, 2)
            again(lambda pair=pair, n=n: decided(world, pair[0], pair[1] if n % 2 else None, n))
        sent.wait()

    def fold() -> None:
        while True:
            last = done.is_set()
            with begin(store) as tx:
                folded = flow.hits_arrived(tx, 4, one_by_one=False)
            if last and not folded:
                return

    together(visit, sell, decide, lambda: again(fold), lambda: again(fold))
    world.fold()
    with reading(store) as tx:
        assert waiting(tx) == 0
        of_kind = select(func.count()).where(crm_changes.c.kind == "merge")
        assert tx.execute(of_kind).scalar_one() > 0
    before = world.facts()
    with begin(store) as tx:
        rebuild(tx, 100)
    assert world.facts() == before


def decided(world: World, email: str, into: str | None, n: int) -> None:
    """Merge a contact into another, or split it from whom it is merged into; by the ids they have of their own."""
    at = START + timedelta(days=9, minutes=n)
    try:
        with begin(world.store) as tx:
            site = site_by_id(tx, world.site.site_id)
            own = [derive("contact", site.site_id, "email", one) for one in (email, into) if one]
            one = Decision(site.site_id, own[0], own[1] if into else None, "alice@acme.example", at)
            (flow.contact_merged if into else flow.contact_split)(tx, site, one, at)
    except Conflict:
        pass
