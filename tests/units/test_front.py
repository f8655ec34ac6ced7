"""The server's way in as an event loop calls it: who sends slowly or leaves half-way holds nobody up."""

import asyncio
import json
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote

import pytest
from sqlalchemy import Engine, func, select

from api import create_app
from api.website.front import Front
from tests.live import SECRET, Clock
from tests.walks import AGENT
from tracker.access.sites import add_site
from tracker.config import Settings
from tracker.db.schema import hits
from tracker.db.store import begin, reading
from tracker.ids import new_uuid7

NOW = datetime(2026, 4, 1, 3, 0, tzinfo=UTC)
Answered = TypeVar("Answered")
NOW_MS = int(NOW.timestamp() * 1000)


@pytest.fixture
def front(store: Engine, store_url: str) -> Iterator[Front]:
    with begin(store) as tx:
        add_site(tx, "Acme", ["www.acme.example"], now=NOW, key="acmekey")
    app = create_app(Settings(database_url=store_url, secret_key=SECRET), engine=store, now=Clock(NOW))
    front = Front(app, body_within_s=0.05)
    yield front
    app.extensions["minamoto"].door.close()


def beacon() -> bytes:
    hit = {"id": new_uuid7(NOW_MS), "kind": "page", "at": NOW_MS, "url": "https://www.acme.example/"}
    return json.dumps({"v": 1, "site": "acmekey", "visitor": "v" * 22, "sent_at": NOW_MS, "hits": [hit]}).encode()


async def ask(
    front: Front,
    parts: list[bytes],
    path: str = "/m/e",
    method: str = "POST",
    leaves: bool = False,
    query: bytes = b"",
) -> int:
    """Send a request in parts and then fall silent, or leave; gives the status of the answer."""
    length = str(sum(map(len, parts)) + (1 if leaves or len(parts) > 1 else 0)).encode()
    headers = [(b"host", b"x"), (b"user-agent", AGENT.encode()), (b"content-length", length)]
    scope = {"type": "http", "method": method, "path": path, "headers": headers, "client": ("203.0.113.9", 1)}
    scope |= {"query_string": query, "http_version": "1.1", "scheme": "http"}
    left = [{"type": "http.request", "body": part, "more_body": len(parts) > 1 or leaves} for part in parts]
    answered: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if left:
            return left.pop(0)
        if not leaves:
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        answered.append(message)

    await front(scope, receive, send)
    assert answered[-1]["type"] == "http.response.body"
    return int(answered[0]["status"])


def run(asked: Coroutine[Any, Any, Answered]) -> Answered:
    """Run it in a thread of its own: in this one a browser's driver may have an event loop."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(asyncio.run, asked).result()


def test_what_a_page_asks_and_what_comes_as_an_image_is_answered_too(front: Front, store: Engine) -> None:
    touches = b'{"v":1,"site":"acmekey","visitor":"vvvvvvvvvvvvvvvv","ask":"touches","url":"https://www.acme.example/"}'
    assert run(ask(front, [touches], query=b"ask")) == 200
    assert run(ask(front, [touches])) == 400
    assert n_hits(store) == 0
    image = b"b=" + quote(beacon()).encode()
    assert run(ask(front, [b""], method="GET", query=image)) == 200
    assert run(ask(front, [beacon()], query=b"again=1")) == 204
    assert n_hits(store) == 2


def n_hits(store: Engine) -> int:
    with reading(store) as tx:
        return tx.execute(select(func.count()).select_from(hits)).scalar_one()


def test_many_at_once_are_each_answered_and_each_there(front: Front, store: Engine) -> None:
    async def spike() -> list[int]:
        return list(await asyncio.gather(*[ask(front, [beacon()]) for _ in range(200)]))

    assert run(spike()) == [204] * 200
    assert n_hits(store) == 200


def test_who_sends_slowly_is_sent_away_and_holds_nobody_up(front: Front, store: Engine) -> None:
    async def ask_all() -> tuple[list[int], int]:
        slow = [asyncio.create_task(ask(front, [beacon()[:20], b'"'])) for _ in range(300)]
        quick = await ask(front, [beacon()])
        return list(await asyncio.gather(*slow)), quick

    slow, quick = run(ask_all())
    assert quick == 204
    assert set(slow) == {400}
    assert n_hits(store) == 1


def test_a_slow_page_request_never_reaches_a_thread(front: Front) -> None:
    async def ask_all() -> list[int]:
        slow = [asyncio.create_task(ask(front, [b"e", b"m"], "/login")) for _ in range(40)]
        quick = await ask(front, [b""], "/login", "GET")
        return [quick, *await asyncio.gather(*slow)]

    assert run(ask_all()) == [200] + [400] * 40


def test_who_leaves_half_way_is_malformed(front: Front, store: Engine) -> None:
    assert run(ask(front, [beacon()[:-1]], leaves=True)) == 400
    assert n_hits(store) == 0
