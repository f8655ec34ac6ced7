"""The way in under strain: rates, proxies, a store that is slow or away. Nothing is lost in silence."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, select, text
from werkzeug.test import TestResponse

from api import create_app
from api.door import Door
from tests.live import SECRET, Clock
from tests.patience import wait_until
from tests.walks import AGENT
from tracker.access.sites import add_site
from tracker.config import Settings
from tracker.db.schema import hits, refusals
from tracker.db.store import begin, connect, reading
from tracker.ids import new_uuid7

NOW = datetime(2026, 4, 1, 3, 0, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
PATIENCE_S = 30


@dataclass
class Collector:
    """An application whose beacons come from many clients at once."""

    store: Engine
    url: str
    app: Any
    door: Door

    def send(self, peer: str = "203.0.113.9", n_hits: int = 1, site: str = "acmekey", **headers: str) -> TestResponse:
        one = {"kind": "page", "at": NOW_MS, "url": "https://www.acme.example/"}
        beacon = {"v": 1, "site": site, "visitor": "v" * 22, "sent_at": NOW_MS}
        body = json.dumps(beacon | {"hits": [one | {"id": new_uuid7(NOW_MS)} for _ in range(n_hits)]})
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        client = self.app.test_client()
        answer: TestResponse = client.post(
            "/m/e", data=body, headers={"User-Agent": AGENT} | named, environ_base={"REMOTE_ADDR": peer}
        )
        return answer

    def journal(self) -> list[Any]:
        with reading(self.store) as tx:
            return list(tx.execute(select(hits)))

    def refused(self) -> dict[str, int]:
        """The counters, the last ones written."""
        self.door.close()
        with reading(self.store) as tx:
            return {row.reason: row.n for row in tx.execute(select(refusals.c.reason, refusals.c.n))}


Make = Callable[..., Collector]


@pytest.fixture
def collector(store: Engine, store_url: str) -> Iterator[Make]:
    with begin(store) as tx:
        add_site(tx, "Acme", ["www.acme.example"], now=NOW, timezone="Asia/Tokyo", key="acmekey")
        add_site(tx, "Other", ["www.acme.example"], now=NOW, key="otherkey")
    made: list[Collector] = []

    def make(**settings: Any) -> Collector:
        app = create_app(Settings(database_url=store_url, secret_key=SECRET, **settings), engine=store, now=Clock(NOW))
        made.append(Collector(store, store_url, app, app.extensions["minamoto"].door))
        return made[-1]

    yield make
    for one in made:
        one.door.close()


@contextmanager
def kept_busy(url: str) -> Iterator[None]:
    """Somebody else holds the store, and lets nobody write."""
    engine = connect(url)
    with begin(engine) as tx:
        if engine.dialect.name == "postgresql":
            tx.execute(text("LOCK TABLE hits IN ACCESS EXCLUSIVE MODE"))
        yield
    engine.dispose()


def test_one_address_beyond_its_rate_is_told_when_to_come_again_and_others_are_not_held_up(collector: Make) -> None:
    door = collector(rate_per_address=2)  # ten seconds' worth at once: 20 hits
    assert door.send(n_hits=20).status_code == 204
    answer = door.send(n_hits=20)
    assert (answer.status_code, answer.headers["X-Minamoto"], answer.data) == (429, "rate_limited", b"")
    assert 1 <= int(answer.headers["Retry-After"]) <= 11
    assert door.send(peer="203.0.113.10").status_code == 204
    assert len(door.journal()) == 21
    assert door.refused() == {"rate_limited": 20}


def test_one_site_beyond_its_rate_does_not_hold_up_the_other(collector: Make) -> None:
    door = collector(rate_per_site=2)
    assert door.send().status_code == 204, "from here on the site is known"
    answers = [door.send(peer=f"203.0.113.{n}", n_hits=19).status_code for n in range(4)]
    assert answers == [204, 429, 429, 429]
    assert door.send(site="otherkey").status_code == 204
    assert door.refused() == {"rate_limited": 57}


def test_the_client_is_who_a_trusted_proxy_says_and_nobody_else(collector: Make) -> None:
    door = collector(trusted_proxies="10.0.0.0/8", rate_per_address=1)
    japan, germany = "133.242.0.3", "78.46.0.1"
    door.send(peer="10.1.1.1", X_Forwarded_For=f"127.0.0.1, {japan}")
    door.send(peer=germany, X_Forwarded_For=japan)
    assert [row.country for row in door.journal()] == ["JP", "DE"]
    # Each visitor behind the proxy has a rate of their own; who writes the header themselves has one alone.
    assert [door.send("10.1.1.1", 9, X_Forwarded_For=f"198.51.100.{n}").status_code for n in range(9)] == [204] * 9
    assert 429 in [door.send(germany, 9, X_Forwarded_For=f"198.51.100.{n}").status_code for n in range(9)]


def test_a_page_believes_scheme_and_host_from_a_trusted_proxy_alone(collector: Make) -> None:
    said = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "track.acme.example", "X-Forwarded-For": "198.51.100.7"}
    for peer, expected in (("10.1.1.1", "https://track.acme.example"), ("203.0.113.9", "http://localhost")):
        app = collector(trusted_proxies="10.0.0.0/8").app
        seen: list[str] = []
        app.before_request(lambda seen=seen: seen.append(_request_root()))
        app.test_client().get("/login", headers=said, environ_base={"REMOTE_ADDR": peer})
        assert seen[0].rstrip("/") == expected


def _request_root() -> str:
    from flask import request

    return request.host_url


def test_a_store_that_is_held_up_is_503_and_service_resumes_by_itself(collector: Make) -> None:
    door = collector(answer_within_s=1.0)
    wait_until(lambda: door.send().status_code == 204)
    with kept_busy(door.url):
        answer = door.send()
        assert (answer.status_code, answer.headers["X-Minamoto"], answer.data) == (503, "busy", b"")
        assert int(answer.headers["Retry-After"]) >= 1
    wait_until(lambda: door.send().status_code == 204)
    assert door.refused()["busy"] >= 1


def test_beyond_the_queue_who_comes_is_sent_away_at_once_and_the_others_are_taken(collector: Make) -> None:
    door = collector(answer_within_s=PATIENCE_S, queue_beacons=3)
    assert door.send().status_code == 204
    with ThreadPoolExecutor(8) as threads:
        with kept_busy(door.url):
            first = threads.submit(door.send)
            wait_until(lambda: door.door.commit._running and door.door.commit.n_waiting == 0)
            others = [threads.submit(door.send) for _ in range(3)]
            wait_until(lambda: door.door.commit.n_waiting == 3)
            assert door.send().status_code == 503
        assert [one.result(PATIENCE_S).status_code for one in (first, *others)] == [204] * 4
    assert len(door.journal()) == 5
    assert door.refused() == {"busy": 1}


def test_a_store_that_fails_is_503_and_what_it_says_is_not_logged(
    collector: Make, store: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    door = collector()
    with begin(store) as tx:
        tx.execute(text("ALTER TABLE hits_waiting RENAME TO hits_away"))
    for _ in range(5):
        assert door.send().status_code == 503
        door.door.commit.kick()  # a batch without hits, as counters bring, does not say that hits are taken again
    with begin(store) as tx:
        tx.execute(text("ALTER TABLE hits_away RENAME TO hits_waiting"))
    assert door.send().status_code == 204
    assert len(door.journal()) == 1, "a transaction that fails keeps nothing"
    logged = [record.getMessage() for record in caplog.records if record.name == "minamoto.collect"]
    assert len(logged) == 2, "said once, and once that it is back"
    assert not any("acme" in line for line in logged)


def test_the_same_hit_in_one_batch_and_again_is_one_hit_and_counted(collector: Make) -> None:
    door = collector()
    hit = {"id": new_uuid7(NOW_MS), "kind": "page", "at": NOW_MS, "url": "https://www.acme.example/"}
    body = json.dumps({"v": 1, "site": "acmekey", "visitor": "v" * 22, "sent_at": NOW_MS, "hits": [hit, hit]})
    client = door.app.test_client()
    assert [client.post("/m/e", data=body, headers={"User-Agent": AGENT}).status_code for _ in range(3)] == [204] * 3
    assert len(door.journal()) == 1
    assert door.refused() == {"duplicate": 5}
