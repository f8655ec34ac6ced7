"""Ways of deals that a process keeps: read once, and never older than the transaction that asks."""

from sqlalchemy import Engine

from tests.world import START, World
from tracker.db.store import begin, reading
from tracker.rebuild import rebuild
from tracker.reports.opportunity_facts import read_ways

DAY = "2026-04-30"


def tell(world: World, reference: str, **fields: str) -> None:
    told = {"amount": "100", "currency": "EUR", "stage": "offer", "changed_at": START.isoformat(), **fields}
    assert world.program(world.token).put(f"/deals/{reference}", told).status_code < 300


def test_ways_are_read_once_and_again_after_every_word(store: Engine) -> None:
    world = World(store)  # its application keeps what it reads
    tell(world, "D-1")
    with reading(store) as tx:
        ways = read_ways(tx, world.acme.site_id, DAY)
        assert [way.stands.stage for way in ways] == ["offer"]
    with reading(store) as tx:
        assert read_ways(tx, world.acme.site_id, DAY) is ways
        assert read_ways(tx, world.acme.site_id, "2026-03-01") == ()
        assert read_ways(tx, world.other.site_id, DAY) == ()
    tell(world, "D-1", stage="signing")
    with reading(store) as tx:
        assert [way.stands.stage for way in read_ways(tx, world.acme.site_id, DAY)] == ["signing"]


def test_a_transaction_from_before_a_word_does_not_see_it(store: Engine) -> None:
    world = World(store)
    tell(world, "D-1")
    with reading(store) as before:
        assert len(read_ways(before, world.acme.site_id, DAY)) == 1
        tell(world, "D-2")
        with reading(store) as after:
            assert len(read_ways(after, world.acme.site_id, DAY)) == 2
        assert len(read_ways(before, world.acme.site_id, DAY)) == 1


def test_a_rebuild_and_whoever_writes_read_the_tables(store: Engine) -> None:
    world = World(store)
    tell(world, "D-1")
    with reading(store) as tx:
        ways = read_ways(tx, world.acme.site_id, DAY)
    with begin(store) as tx:
        assert read_ways(tx, world.acme.site_id, DAY) is not ways
        rebuild(tx, 100)
    with reading(store) as tx:
        anew = read_ways(tx, world.acme.site_id, DAY)
        assert anew == ways
        assert anew is not ways
