"""A site and its visitors for tests that walk hits through the whole house."""

import json
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, select

from tracker import flow
from tracker.access.sites import add_site, site_by_id
from tracker.collect.accept import SiteFacts, Taken, accept
from tracker.collect.journal import append
from tracker.collect.payload import Hit
from tracker.db.store import begin, reading
from tracker.ids import uuid7
from tracker.rebuild import DERIVED
from tracker.vocabulary import HitKind, Origin, Stage

START = datetime(2026, 4, 1, 3, 0, tzinfo=UTC)
AGENT = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36"


class World:
    """A site with visitors, for one test."""

    def __init__(self, store: Engine) -> None:
        self.store = store
        self.n = 0
        self.pages: list[str] = []  # the ids of the page views
        with begin(store) as tx:
            self.site = add_site(
                tx,
                "Acme",
                ["www.acme.example"],
                now=START,
                timezone="Asia/Tokyo",
                currency="EUR",
                key="acmekey",
            )

    def hit(self, at: datetime, url: str, referrer: str = "", kind: str = "page", **more: object) -> dict[str, object]:
        self.n += 1
        milliseconds = int(at.timestamp() * 1000)
        hit = {"id": uuid7(milliseconds, self.n.to_bytes(10, "big")), "kind": kind, "at": milliseconds}
        if kind == "page":
            self.pages.append(str(hit["id"]))
        return {**hit, "url": f"https://www.acme.example{url}", "referrer": referrer, **more}

    def send(
        self,
        visitor: str,
        hits: list[dict[str, object]],
        now: datetime | None = None,
        agent: str = AGENT,
        fields: tuple[str, ...] = ("phone",),
    ) -> Taken:
        sent = max(int(str(hit["at"])) for hit in hits)
        body = {"v": 1, "site": "acmekey", "visitor": visitor.ljust(16, "0"), "sent_at": sent, "hits": hits}
        with begin(self.store) as tx:
            return accept(
                tx,
                json.dumps(body).encode(),
                headers={"user-agent": agent},
                address="203.0.113.9",
                sites={"acmekey": SiteFacts(self.site.site_id, self.site.hosts, self.site.timezone, fields=fields)},
                now=now or datetime.fromtimestamp(sent / 1000, UTC),
                max_age=timedelta(days=7),
            )

    def fold(self, batch: int = 1000) -> None:
        with begin(self.store) as tx:
            while flow.hits_arrived(tx, batch, one_by_one=False):
                pass

    def deal(self, reference: str, at: datetime, **fields: object) -> bool:
        with begin(self.store) as tx:
            return flow.deal_said(tx, site_by_id(tx, self.site.site_id), reference, fields, at, at)

    def stage(self, email: str, at: datetime, stage: Stage) -> None:
        """A CRM tells of a contact's stage, the day after."""
        with begin(self.store) as tx:
            site = site_by_id(tx, self.site.site_id)
            flow.contact_said(tx, site, {"email": email}, at, at + timedelta(days=1), stage)

    def call(self, visitor: str, at: datetime, found: dict[str, object], email: str, number: str) -> None:
        """A telephone system told of a call, and this was found; the same number is the same call."""
        details: dict[str, object] = {"call": {"number": "+81355556666", "caller": f"+8190{at:%H%M}0000", **found}}
        hit = Hit(
            hit_id=number,
            visitor_id=visitor.ljust(16, "0") if found["traced"] == "visitor" else None,
            kind=HitKind.CALL,
            origin=Origin.API,
            occurred_at=at,
            received_at=at,
            url="",
            referrer=None,
            title=None,
            user_agent=None,
            country=None,
            consent="none",
            details=details | ({"identifiers": {"email": email}} if email else {}),
        )
        with begin(self.store) as tx:
            append(tx, self.site.site_id, [hit])

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
