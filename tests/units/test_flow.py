"""One visitor walked through the whole house, on both stores."""

import json
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, select

from tracker import flow
from tracker.access.sites import add_site, site_by_id
from tracker.collect.accept import SiteFacts, Taken, accept
from tracker.db.schema import conversions, deal_entries, deals, paths, touchpoints, visits
from tracker.db.store import begin, reading
from tracker.ids import uuid7
from tracker.rebuild import DERIVED, rebuild
from tracker.vocabulary import Refusal

START = datetime(2026, 4, 1, 3, 0, tzinfo=UTC)
AGENT = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36"


class World:
    """A site with visitors, for one test."""

    def __init__(self, store: Engine) -> None:
        self.store = store
        self.n = 0
        with begin(store) as tx:
            self.site = add_site(
                tx, "Acme", ["www.acme.example"], now=START, timezone="Asia/Tokyo", currency="EUR", key="acmekey"
            )

    def hit(self, at: datetime, url: str, referrer: str = "", kind: str = "page", **more: object) -> dict[str, object]:
        self.n += 1
        milliseconds = int(at.timestamp() * 1000)
        hit = {"id": uuid7(milliseconds, self.n.to_bytes(10, "big")), "kind": kind, "at": milliseconds}
        return {**hit, "url": f"https://www.acme.example{url}", "referrer": referrer, **more}

    def send(self, visitor: str, hits: list[dict[str, object]], now: datetime | None = None, agent: str = AGENT) -> Taken:
        sent = max(int(str(hit["at"])) for hit in hits)
        body = {"v": 1, "site": "acmekey", "visitor": visitor.ljust(16, "0"), "sent_at": sent, "hits": hits}
        with begin(self.store) as tx:
            return accept(
                tx,
                json.dumps(body).encode(),
                headers={"user-agent": agent},
                address="203.0.113.9",
                sites={"acmekey": SiteFacts(self.site.site_id, self.site.hosts, self.site.timezone)},
                now=now or datetime.fromtimestamp(sent / 1000, UTC),
                max_age=timedelta(days=7),
            )

    def fold(self, batch: int = 1000) -> None:
        with begin(self.store) as tx:
            while flow.hits_arrived(tx, batch):
                pass

    def deal(self, reference: str, at: datetime, **fields: object) -> bool:
        with begin(self.store) as tx:
            return flow.deal_said(tx, site_by_id(tx, self.site.site_id), reference, fields, at, at)

    def facts(self) -> dict[str, list[tuple[object, ...]]]:
        with reading(self.store) as tx:
            return {table.name: sorted(map(tuple, tx.execute(select(table))), key=repr) for table in DERIVED}


def walk(world: World) -> None:
    """Ad click, two pages; two days later a newsletter and a form; a deal in three stages, amended, refunded."""
    two_days = START + timedelta(days=2)
    ad = "/?utm_source=google&utm_medium=cpc&utm_campaign=spring&gclid=Abc-1"
    world.send(
        "v",
        [
            world.hit(START, ad, "https://www.google.com/"),
            world.hit(START + timedelta(minutes=1), "/pricing", "https://www.acme.example/"),
        ],
    )
    world.fold()
    world.send("v", [world.hit(two_days, "/news?utm_source=newsletter&utm_medium=email&utm_campaign=april")])
    form = {"form": {"id": "contact"}, "identifiers": {"email": "Hana@Kyoto.example"}}
    world.send("v", [world.hit(two_days + timedelta(minutes=3), "/contact", kind="form", **form)])
    world.fold()
    contacts = [{"by": "email", "value": "hana@kyoto.example"}]
    deal = two_days + timedelta(days=1)
    world.deal("D-1", deal, amount="1000.00", currency="EUR", stage="demo", contacts=contacts)
    world.deal("D-1", deal + timedelta(days=2), stage="offer")
    world.deal("D-1", deal + timedelta(days=5), stage="closed", status="won")


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
            for kind in ("deal_created", "deal_won", "form", "lead")
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
        assert [tuple(row) for row in entries] == [("won", 100_000), ("amended", 20_050), ("refunded", -20_025)]
        assert tx.execute(select(deals.c.reference)).scalars().all() == ["D-1"]


def test_a_rebuild_gives_the_same_rows(store: Engine) -> None:
    world = World(store)
    walk(world)
    before = world.facts()
    assert before["conversions"] and before["paths"]
    with begin(store) as tx:
        rebuild(tx, 2)
    assert world.facts() == before


def test_hits_in_any_order_give_the_same_facts(store: Engine) -> None:
    world = World(store)
    walk(world)
    before = {name: [row for row in rows] for name, rows in world.facts().items()}
    twice = World.__new__(World)
    twice.__dict__ |= {"store": store, "n": 0, "site": world.site}
    walk(twice)  # the same ids again
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
