"""One visitor walked through the whole house, on both stores."""

from datetime import timedelta

from sqlalchemy import Engine, select

from tests.walks import START, World, walk
from tracker.collect.accept import Taken
from tracker.db.schema import conversions, deal_entries, deals, paths, touchpoints, visits
from tracker.db.store import begin, reading
from tracker.rebuild import rebuild
from tracker.vocabulary import Refusal


def test_a_visitor_becomes_a_lead_and_the_deal_has_the_whole_way(store: Engine) -> None:
    world = World(store)
    walk(world)
    with reading(store) as tx:
        ways = tx.execute(
            select(paths.c.kind, paths.c.position, paths.c.channel, paths.c.campaign).order_by(
                paths.c.kind, paths.c.position
            )
        ).all()
        assert [tuple(row) for row in ways] == [
            (kind, position, channel, campaign)
            for kind in ("customer", "deal_created", "deal_won", "form", "lead")
            for position, (channel, campaign) in enumerate([("paid_search", "spring"), ("email", "april")])
        ]
        assert tx.execute(select(touchpoints.c.day).order_by(touchpoints.c.occurred_at)).scalars().all() == [
            "2026-04-01",
            "2026-04-03",
        ]
        assert tx.execute(select(visits.c.n_pages, visits.c.n_hits).order_by(visits.c.started_at)).all() == [
            (2, 2),
            (1, 2),
        ]


def test_an_amendment_and_a_refund_move_the_ledger_to_the_cent(store: Engine) -> None:
    world = World(store)
    walk(world)
    later = START + timedelta(days=30)
    assert world.deal("D-1", later, amount="1200.50")
    assert world.deal("D-1", later + timedelta(days=1), refunded="200.25")
    assert not world.deal("D-1", later + timedelta(days=2), refunded="200.25")
    with reading(store) as tx:
        entries = tx.execute(select(deal_entries.c.kind, deal_entries.c.amount_minor).order_by(deal_entries.c.position))
        assert [tuple(row) for row in entries] == [
            ("won", 100_000),
            ("amended", 20_050),
            ("refunded", -20_025),
        ]
        assert tx.execute(select(deals.c.reference)).scalars().all() == ["D-1"]


def test_a_rebuild_gives_the_same_rows(store: Engine) -> None:
    world = World(store)
    walk(world)
    before = world.facts()
    assert before["conversions"]
    assert before["paths"]
    with begin(store) as tx:
        rebuild(tx, 2)
    assert world.facts() == before


def test_the_same_hits_and_words_again_change_nothing(store: Engine) -> None:
    world = World(store)
    walk(world)
    before = world.facts()
    world.n = 0
    walk(world)
    assert world.facts() == before


def test_a_beacon_for_another_host_is_refused_and_counted(store: Engine) -> None:
    world = World(store)
    foreign = world.hit(START, "/") | {"url": "https://evil.example/"}
    assert world.send("v", [foreign]) == Taken(0, Refusal.FOREIGN_HOST)


def test_a_crawlers_visit_is_kept_flagged_and_is_no_touchpoint(store: Engine) -> None:
    world = World(store)
    world.send("v", [world.hit(START, "/")], agent="Mozilla/5.0 (compatible; Googlebot/2.1)")
    world.fold()
    with reading(store) as tx:
        assert tx.execute(select(visits.c.bot)).scalars().all() == ["Googlebot/"]
        assert tx.execute(select(touchpoints)).all() == []
        assert tx.execute(select(conversions)).all() == []
