"""A little known world for tests: Alice owns the site Acme, Bob reads it, Carol's site is another and none of theirs.

Everything in it has fixed names and times; a test adds what it needs through the doors that the product has.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine
from werkzeug.test import TestResponse

from api import create_app
from tracker import jobs
from tracker.access.sites import Site, add_site
from tracker.access.tokens import add_token
from tracker.config import Settings
from tracker.db.store import begin
from tracker.ids import uuid7
from tracker.vocabulary import Role

# As cheap as argon2id can be: who tests pages has no secret to keep.
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
START = datetime(2026, 4, 1, 3, 0, tzinfo=UTC)
AGENT = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36"
PASSWORD = "correct horse battery"
ALICE = "alice@acme.example"
BOB = "bob@acme.example"


class Clock:
    """A clock that only a test moves."""

    def __init__(self, at: datetime = START) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def forward(self, **much: float) -> datetime:
        self.at += timedelta(**much)
        return self.at


@dataclass
class Program:
    """A program that calls the API with a token (or without)."""

    client: FlaskClient
    token: str | None

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> TestResponse:
        headers = dict(more.pop("headers", {}))
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        if body is not None:
            more |= {"data": body if isinstance(body, str | bytes) else json.dumps(body)}
            more.setdefault("content_type", "application/json")
        return self.client.open(f"/api/v1{path}", method=method, headers=headers, **more)

    def get(self, path: str, **more: Any) -> TestResponse:
        return self.call("GET", path, **more)

    def put(self, path: str, body: Any, **more: Any) -> TestResponse:
        return self.call("PUT", path, body, **more)

    def post(self, path: str, body: Any, **more: Any) -> TestResponse:
        return self.call("POST", path, body, **more)


@dataclass
class World:
    """The people, their sites and programs, on one store."""

    store: Engine
    clock: Clock = field(default_factory=Clock)
    settings: Settings = field(default_factory=lambda: Settings(secret_key="s" * 40, fold_batch=100))
    n_hits: int = 0

    def __post_init__(self) -> None:
        with begin(self.store) as tx:
            self.acme: Site = add_site(
                tx, "Acme", ["www.acme.example"], now=START, timezone="Asia/Tokyo", currency="EUR", key="acmekey"
            )
            self.other: Site = add_site(tx, "Carol's", ["carol.example"], now=START, key="carolkey")
            self.token = add_token(tx, "crm", site_id=self.acme.site_id, now=START)
            self.carols_token = add_token(tx, "carol", site_id=self.other.site_id, now=START)
            self.master_token = add_token(tx, "all sites", site_id=None, now=START)
        self.app: Flask = create_app(self.settings, engine=self.store, now=self.clock, hasher=CHEAP)

    def program(self, token: str | None) -> Program:
        return Program(self.app.test_client(), token)

    def people(self) -> None:
        """Let Alice and Bob log in."""
        from tests.people import add_cheap_user

        add_cheap_user(self, ALICE, Role.OWNER)
        add_cheap_user(self, BOB, Role.VIEWER)

    def fold(self) -> int:
        """Do the work that waits."""
        return jobs.drain(self.store, self.settings)

    def hit(self, kind: str, url: str, at: datetime | None = None, **more: Any) -> dict[str, Any]:
        """A hit of the wire format on Acme's site, with an id of its own."""
        self.n_hits += 1
        milliseconds = int((at or self.clock()).timestamp() * 1000)
        hit_id = uuid7(milliseconds, self.n_hits.to_bytes(10, "big"))
        whole = f"https://www.acme.example{url}"
        return {"id": hit_id, "kind": kind, "at": milliseconds, "url": whole, "referrer": "", **more}

    def browse(self, visitor: str, *hits: Mapping[str, Any], site: str = "acmekey") -> TestResponse:
        """A visitor's browser sends hits; the last one just happened."""
        sent = max(int(hit["at"]) for hit in hits)
        beacon = {
            "v": 1,
            "site": site,
            "visitor": visitor.ljust(16, "0"),
            "sent_at": sent,
            "hits": list(hits),
        }
        return self.app.test_client().post(
            "/m/e", data=json.dumps(beacon), content_type="text/plain", headers={"User-Agent": AGENT}
        )

    def walk(self, email: str = "hana@kyoto.example", visitor: str = "hana") -> str:
        """Ad click and two pages; two days later a newsletter link, then a form. Returns the contact's id."""
        ad = "/?utm_source=google&utm_medium=cpc&utm_campaign=spring&utm_term=green+tea&gclid=Abc-1"
        self.browse(visitor, self.hit("page", ad, title="Tea"))
        self.clock.forward(minutes=1)
        self.browse(visitor, self.hit("page", "/pricing", title="Pricing"))
        self.clock.forward(days=2)
        news = "/news?utm_source=newsletter&utm_medium=email&utm_campaign=april"
        self.browse(visitor, self.hit("page", news, title="News"))
        self.clock.forward(minutes=3)
        form = {"form": {"id": "contact", "name": "Contact us"}, "identifiers": {"email": email}}
        self.browse(visitor, self.hit("form", "/contact", title="Contact", **form))
        self.fold()
        found = self.program(self.token).get(f"/contacts?email={email}").json
        assert found is not None
        return str(found["data"][0]["id"])
