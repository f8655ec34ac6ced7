"""Ways of deals that a process keeps: read once, and never older than the transaction that asks."""

from typing import Any

from sqlalchemy import Engine

from tests.world import START, World
from tracker.access.sites import Site
from tracker.db.store import Tx, begin, reading
from tracker.deals.pipelines import StageTold, tell_pipeline
from tracker.rebuild import rebuild
from tracker.reports.opportunity import Report
from tracker.reports.opportunity_facts import ask_opportunities, opportunity_report, read_ways

DAY = "2026-04-30"


def tell(world: World, reference: str, **fields: Any) -> None:
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


def report(tx: Tx, site: Site) -> Report:
    return opportunity_report(tx, ask_opportunities(tx, {"as_of": DAY}, site, DAY), START)


def test_a_report_is_made_once_and_again_after_every_word_of_deals_stages_and_paths(store: Engine) -> None:
    world = World(store)
    hana = world.walk()
    tell(world, "D-1")
    with reading(store) as tx:
        first = report(tx, world.acme)
        assert [line.stage for line in first.stages] == ["offer"]
        assert report(tx, world.acme).stages is first.stages
    tell(world, "D-1", contacts=[{"id": hana}])
    with reading(store) as tx:
        named = report(tx, world.acme)
        assert (first.totals.people, named.totals.people) == (0, 1)
        assert not named.sources[0].is_unattributed
    with begin(store) as tx:
        tell_pipeline(tx, world.acme.site_id, "", [StageTold("offer", "Angebot", None)], START)
    with reading(store) as tx:
        assert [line.label for line in report(tx, world.acme).stages] == ["Angebot"]


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
