"""A running Minamoto for tests: the real application on a real socket, with a clock that the test sets."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Thread

from sqlalchemy import Engine
from werkzeug.serving import make_server

from api import create_app
from tests.world import CHEAP
from tracker.config import Settings
from tracker.jobs import drain

SECRET = "a secret of the tests, 32 characters long"


class Clock:
    """Tells the time from the instant it is set to, and goes on from there as the real one does."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    @property
    def at(self) -> datetime:
        return self.set_to + timedelta(milliseconds=int((time.monotonic() - self.set_when) * 1000))

    @at.setter
    def at(self, instant: datetime) -> None:
        self.set_to, self.set_when = instant, time.monotonic()

    def __call__(self) -> datetime:
        return self.at


class Live:
    """The application under `origin`, its clock and its store."""

    def __init__(self, store: Engine, url: str, at: datetime | None = None) -> None:
        self.store = store
        self.settings = Settings(database_url=url, secret_key=SECRET)
        self.clock = Clock(at or datetime(2026, 4, 1, 3, 0, tzinfo=UTC))
        app = create_app(self.settings, engine=store, now=self.clock, hasher=CHEAP)
        self.server = make_server("127.0.0.1", 0, app, threaded=True)
        self.origin = f"http://127.0.0.1:{self.server.server_port}"

    def fold(self) -> int:
        """Do the background work that waits."""
        return drain(self.store, self.settings)


@contextmanager
def running(store: Engine, url: str) -> Iterator[Live]:
    """Serve until the test ends."""
    live = Live(store, url)
    thread = Thread(target=live.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield live
    finally:
        live.server.shutdown()
        thread.join()
        live.server.server_close()
