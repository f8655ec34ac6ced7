"""Rebuilding from what CRMs said, in the orders in which CRMs say it."""

from datetime import timedelta

from sqlalchemy import Engine, func, select

from tests.walks import START, World
from tracker import flow
from tracker.access.sites import site_by_id
from tracker.db.schema import hits_waiting
from tracker.db.store import begin
from tracker.rebuild import rebuild, wait_again

HOUR = timedelta(hours=1)


def test_whom_a_deal_names_later_keeps_the_owner_that_was_told_in_between(store: Engine) -> None:
    world = World(store)
    world.deal("D-1", START, amount="10.00", currency="EUR")
    for n, fields in enumerate([{"crm_id": "X"}, {"crm_id": "X", "email": "hana@kyoto.example"}], 1):
        with begin(store) as tx:
            site = site_by_id(tx, world.site.site_id)
            flow.contact_said(tx, site, fields, START + n * HOUR, START + n * HOUR)
    world.deal("D-1", START + 3 * HOUR, contacts=[{"by": "email", "value": "hana@kyoto.example"}])
    before = world.facts()
    with begin(store) as tx:
        rebuild(tx, 100)
    assert len(before["contacts"]) == 1
    assert world.facts() == before


def test_hits_that_come_in_while_a_rebuild_begins_wait_once(store: Engine) -> None:
    world = World(store)
    world.send("v", [world.hit(START, "/")])
    world.fold()
    world.send("v", [world.hit(START + HOUR, "/pricing")])
    with begin(store) as tx:
        wait_again(tx)
        assert tx.execute(select(func.count()).select_from(hits_waiting)).scalar_one() == 2
