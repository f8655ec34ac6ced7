"""A visitor goes from one of a site's domains to another by a link, and nobody else does by it."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, select

from api import create_app
from tests.live import SECRET
from tests.walks import AGENT
from tests.world import Clock
from tracker.access.sites import add_site
from tracker.config import Settings
from tracker.db.schema import spent_links
from tracker.db.store import begin, reading

NOW = datetime(2026, 4, 1, 3, 0, tzinfo=UTC)
HANA, STRANGER = "hana".ljust(26, "0"), "stranger".ljust(26, "0")
BRAND, SHOP = "https://www.brand.example/tea", "https://shop.example/"


class Net:
    """A collector behind a proxy that tells whose request it is."""

    def __init__(self, client: FlaskClient, clock: Clock) -> None:
        self.client, self.clock = client, clock

    def ask(self, ask: str, *, agent: str = AGENT, address: str = "203.0.113.9", **told: Any) -> dict[str, Any]:
        body = {"v": 1, "site": "acmekey", "visitor": HANA, "url": BRAND, "ask": ask} | told
        headers = {"User-Agent": agent, "X-Forwarded-For": address}
        answer = self.client.post("/m/e?ask", data=json.dumps(body), content_type="text/plain", headers=headers)
        assert answer.status_code == 200, answer.headers.get("X-Minamoto")
        assert answer.headers["Cache-Control"] == "no-store"
        return dict(answer.get_json())

    def link(self, **told: Any) -> str:
        return str(self.ask("link", **told)["link"])

    def join(self, token: str, **told: Any) -> dict[str, Any]:
        return self.ask("join", token=token, **({"visitor": STRANGER, "url": SHOP} | told))


@pytest.fixture
def net(store: Engine, store_url: str) -> Iterator[Net]:
    with begin(store) as tx:
        add_site(tx, "Acme", ["www.brand.example", "shop.example"], now=NOW, key="acmekey")
        add_site(tx, "Other", ["other.example"], now=NOW, key="otherkey")
    clock = Clock(NOW)
    settings = Settings(database_url=store_url, secret_key=SECRET, trusted_proxies="127.0.0.1")
    with create_app(settings, engine=store, now=clock).test_client() as client:
        yield Net(client, clock)


def test_the_visitor_keeps_their_id_on_the_other_domain(net: Net, store: Engine) -> None:
    token = net.link()
    assert HANA not in token
    net.clock.forward(seconds=3)
    assert net.join(token, address="203.0.113.77") == {"visitor": HANA}
    with reading(store) as tx:
        assert token not in str(tx.execute(select(spent_links)).all())


def test_whoever_comes_second_by_the_same_link_keeps_an_id_of_their_own(net: Net) -> None:
    token = net.link()
    assert [net.join(token) for _ in range(3)] == [{"visitor": HANA}, {}, {}]


@pytest.mark.parametrize(
    "whose",
    [
        {"address": "198.51.100.9"},
        {"address": "2001:db8::1"},
        {"agent": AGENT + " Edg/140"},
        {"site": "otherkey", "url": "https://other.example/"},
    ],
)
def test_it_opens_for_nobody_else_and_is_still_good_for_the_visitor(net: Net, whose: dict[str, Any]) -> None:
    token = net.link()
    assert net.join(token, **whose) == {}
    assert net.join(token) == {"visitor": HANA}


@pytest.mark.parametrize("text", ["", "x", "a.b.c.d", "." * 300, "\x00", "源"])
def test_what_is_no_token_gives_nobody(net: Net, store: Engine, text: str) -> None:
    assert net.join(text) == {}
    with reading(store) as tx:
        assert tx.execute(select(spent_links)).all() == []


def test_after_two_minutes_it_opens_for_nobody(net: Net) -> None:
    early, late = net.link(), net.link()
    net.clock.forward(minutes=2)
    assert net.join(early) == {"visitor": HANA}
    net.clock.forward(milliseconds=1)
    assert net.join(late) == {}
