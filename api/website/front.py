"""The server's way in: one async callable (ASGI) that takes beacons itself and gives everything else to Flask.

A beacon waits for its commit as a future on the event loop, so thousands can wait without a thread each, and the pages
keep theirs. Flask's routing alone would cost several times what a beacon does.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from a2wsgi import WSGIMiddleware
from flask import Flask

from api.context import Context
from api.door import READ, Door
from api.health import PATHS
from tracker.collect.accept import Arrived, Taken
from tracker.collect.commit import Waiting
from tracker.vocabulary import Refusal

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
NAMES = {name.encode(): name for name in READ}
THREADS = 16
WATCHERS = 4
BODY_WITHIN_S = 10.0
PAGES_TAKE = 6  # times as long: their bodies are larger
TICK_S = 0.25


class Front:
    """The application as an ASGI server calls it; a body that is not there within body_within_s is given up."""

    def __init__(self, app: Flask, *, body_within_s: float = BODY_WITHIN_S) -> None:
        context = app.extensions["minamoto"]
        assert isinstance(context, Context)
        self._door: Door = context.door
        self._body_within_s = body_within_s
        self._flask: Any = WSGIMiddleware(app, workers=THREADS)  # type: ignore[arg-type]
        self._watched: Any = WSGIMiddleware(app, workers=WATCHERS)  # type: ignore[arg-type]
        self._most_bytes: int = app.config["MAX_CONTENT_LENGTH"]
        self._told: deque[tuple[asyncio.Future[Taken | None], Taken | None]] = deque()
        self._settling = False
        self._waiting: deque[tuple[float, Waiting[Arrived, Taken], asyncio.Future[Taken | None]]] = deque()
        self._reading: dict[asyncio.Task[Any], float] = {}
        self._ticking: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
        elif scope["path"] == "/m/e" and scope["method"] == "POST" and not scope.get("query_string"):
            await self._take(scope, receive, send)
        else:
            await self._pass_on(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Start and end with the server; what waits is committed before it ends."""
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            else:
                await asyncio.get_running_loop().run_in_executor(None, self._door.close)
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _take(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One beacon."""
        headers = {NAMES[name]: value.decode("latin-1") for name, value in scope["headers"] if name in NAMES}
        door = self._door
        body: bytes | Refusal = Refusal.TOO_LARGE
        if not door.is_too_large(headers):
            sent = await self._read(receive, door.settings.max_beacon_bytes, self._body_within_s)
            # Who left half-way may still read; without an answer the server would tell them 500.
            body = Refusal.MALFORMED if sent is None else sent
        client = scope.get("client")
        arrived = door.arrive(body, headers, client[0] if client else "", scope.get("scheme", "http"))
        wait = door.wait_s(arrived)
        if wait:
            status, answered = door.answer(arrived, Taken(0, Refusal.RATE_LIMITED), wait)
        else:
            taken = await self._commit(arrived, 0 if isinstance(body, Refusal) else len(body))
            if taken is None:
                door.count(arrived, Refusal.BUSY)
            status, answered = door.answer(arrived, taken)
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answered],
            }
        )
        await send({"type": "http.response.body", "body": b""})

    async def _commit(self, arrived: Arrived, n_bytes: int) -> Taken | None:
        """Wait until a beacon is in the journal; None when there is no room, or it took too long."""
        future: asyncio.Future[Taken | None] = asyncio.get_running_loop().create_future()
        place = self._door.enter(arrived, n_bytes, lambda taken: self._tell(future, taken))
        if place is None:
            return None
        self._waiting.append((time.monotonic() + self._door.settings.answer_within_s, place, future))
        self._watch()
        return await future

    async def _read(self, receive: Receive, most: int, within_s: float) -> bytes | None:
        """A request's body, at most one byte more than `most`; None when the client went away or was too slow."""
        task = asyncio.current_task()
        assert task is not None
        self._reading[task] = time.monotonic() + within_s
        self._watch()
        parts: list[bytes] = []
        n_bytes = 0
        try:
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    return None
                parts.append(message.get("body", b""))
                n_bytes += len(parts[-1])
                if n_bytes > most or not message.get("more_body", False):
                    return b"".join(parts)[: most + 1]
        except asyncio.CancelledError:
            if task in self._reading:
                raise
            task.uncancel()
            return None
        finally:
            self._reading.pop(task, None)

    def _watch(self) -> None:
        """Have somebody look who waits too long: one timer for all costs less than one each."""
        if self._ticking is None:
            self._ticking = asyncio.create_task(self._tick())

    def _tell(self, future: "asyncio.Future[Taken | None]", taken: Taken | None) -> None:
        """Called in the committing thread: wake the event loop once for all that a commit has told."""
        self._told.append((future, taken))
        if not self._settling:
            self._settling = True
            future.get_loop().call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        """Give the outcomes to those who wait."""
        self._settling = False
        while self._told:
            future, taken = self._told.popleft()
            if not future.done():
                future.set_result(taken)

    async def _tick(self) -> None:
        """Send away who has waited too long, and hang up on who sends too slowly; runs while there is anybody."""
        while self._waiting or self._reading:
            await asyncio.sleep(TICK_S)
            at = time.monotonic()
            for task in [task for task, until in self._reading.items() if until <= at]:
                del self._reading[task]
                task.cancel()
            while self._waiting and (self._waiting[0][2].done() or self._waiting[0][0] <= at):
                _, place, future = self._waiting.popleft()
                if not future.done():
                    place.given_up = True
                    future.set_result(None)
            self._door.tick()
        self._ticking = None

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Everything else: Flask, in a thread, once the whole body is there, so that slow clients hold no thread."""
        if scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await (self._watched if scope["path"] in PATHS else self._flask)(scope, receive, send)
            return
        body = await self._read(receive, self._most_bytes, PAGES_TAKE * self._body_within_s)
        if body is None:
            await send({"type": "http.response.start", "status": 400, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        given = [{"type": "http.request", "body": body, "more_body": False}]

        async def whole() -> dict[str, Any]:
            return given.pop() if given else await receive()

        await self._flask(scope, whole, send)
