"""Serve the application with granian; the work loop runs in a process beside it unless told otherwise.

On SQLite there is one process, because two writers would starve each other; on PostgreSQL there may be several.
"""

import gc
import logging
import socket
from contextlib import nullcontext
from typing import Any

from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels
from sqlalchemy.engine import make_url

from api import create_app
from api.mail.sending import SEND_REPORTS
from api.sender import SEND_ACTIONS
from api.website.front import Front
from tracker.collect.cookie import registrable_domain
from tracker.config import Settings, settings
from tracker.errors import Invalid
from tracker.jobs import WorkBeside

# Requests beyond what may wait for its commit, so that those get their 503 and pages their answer.
ROOM = 512


def load_web() -> Any:
    """The application alone; called in the server's process."""
    front = Front(create_app(settings()))
    registrable_domain("www.example.com")  # reads the list of public suffixes
    # What stays for ever need not be looked through again: a full collection would hold all hits up for 0.1 s.
    gc.collect()
    gc.freeze()
    return front


def check_port(host: str, port: int) -> None:
    """Refuse a port where somebody listens: granian would share it, and half of the requests would go to the other.

    raises  Invalid
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise Invalid(
            f"cannot listen on {host}:{port} ({error.strerror}); choose another --port", field="port"
        ) from error


def serve(own: Settings, host: str, port: int, *, workers: int, with_work: bool) -> None:
    """Serve until interrupted. raises Invalid: several processes on SQLite, or a port that is taken."""
    check_port(host, port)
    if workers > 1 and make_url(own.database_url).get_backend_name() == "sqlite":
        raise Invalid("SQLite has one writing process; use PostgreSQL for --workers above 1", field="workers")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    server = Granian(
        "minamoto",
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        workers=workers,
        backlog=1_024,
        backpressure=own.queue_beacons + ROOM,
        log_access=False,
        log_level=LogLevels.error,
        respawn_failed_workers=True,
    )
    with WorkBeside(own, (SEND_REPORTS, SEND_ACTIONS)) if with_work else nullcontext():
        server.serve(target_loader=load_web, wrap_loader=False)
