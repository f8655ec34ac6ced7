"""Serve the application with granian; the work loop runs in a thread of the same process unless told otherwise.

On SQLite there is one process, because two writers would starve each other; on PostgreSQL there may be several.
"""

import logging
import threading
from typing import Any

from granian import Granian
from granian.constants import Interfaces
from sqlalchemy.engine import make_url

from api import create_app
from tracker.config import Settings, settings
from tracker.db.store import connect
from tracker.errors import Invalid
from tracker.jobs import work

THREADS = 16


def load_web() -> Any:
    """The application alone; called in the server's process."""
    return create_app(settings())


def load_web_and_work() -> Any:
    """The application, and the work loop in a thread beside it; called in the server's process."""
    own = settings()
    engine = connect(own.database_url, synchronous=own.sqlite_synchronous)
    arrived = threading.Event()
    app = create_app(own, engine=engine, wake=arrived.set)
    loop = threading.Thread(
        target=work, args=(engine, own, threading.Event(), arrived), name="minamoto-work", daemon=True
    )
    loop.start()
    return app


def serve(own: Settings, host: str, port: int, *, workers: int, with_work: bool) -> None:
    """Serve until interrupted. raises Invalid: several processes on SQLite."""
    if workers > 1 and make_url(own.database_url).get_backend_name() == "sqlite":
        raise Invalid("SQLite has one writing process; use PostgreSQL for --workers above 1", field="workers")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    server = Granian(
        "minamoto",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        blocking_threads=THREADS,
        log_access=False,
        respawn_failed_workers=True,
    )
    server.serve(target_loader=load_web_and_work if with_work else load_web, wrap_loader=False)
