"""The work loop's job that sends what follows changes of stage."""

from sqlalchemy import Engine

from api.acting import MOST_AT_ONCE, send_due
from api.mail.sending import writer
from tracker import clock
from tracker.config import Settings
from tracker.jobs import Job


def send_actions(engine: Engine, settings: Settings) -> int:
    """Send what waits now; returns how many items were tried."""
    return send_due(engine, settings, clock.now, lambda: writer(settings, engine))


def is_full(done: int, settings: Settings) -> bool:
    """Whether more may wait."""
    return done >= MOST_AT_ONCE


# The work loop is handed it by whoever begins it (tracker/jobs.py may not know of the edge).
SEND_ACTIONS = Job("send actions", send_actions, rest_s=2.0, is_full=is_full)
