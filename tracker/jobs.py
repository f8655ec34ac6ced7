"""All background work on one page, and the loop that does it."""

import logging
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Engine

from tracker import flow
from tracker.config import Settings
from tracker.db.store import begin, checkpoint, reading
from tracker.db.writes import has_one_writer
from tracker.visits.park import is_of_a_hit
from tracker.visits.waiting import NOTHING_AHEAD

log = logging.getLogger("minamoto.work")


@dataclass(frozen=True, slots=True)
class Job:
    """One kind of background work; `run` returns how much it did, 0 when there was nothing to do."""

    name: str
    run: Callable[[Engine, Settings], int]


def fold_hits(engine: Engine, settings: Settings) -> int:
    """Fold one batch of the hits that wait; returns how many wait no more."""
    return fold_batch(engine, settings.fold_batch)


def fold_batch(engine: Engine, limit: int) -> int:
    """Fold up to `limit` hits in one transaction; where one of them makes that fail, in a second one without it.

    On SQLite a writing transaction keeps the collector waiting. So what waits is read and worked out before it begins,
    and where nothing waits none begins.
    """
    try:
        ahead = NOTHING_AHEAD
        if has_one_writer(engine):
            with reading(engine) as tx:
                ahead = flow.look_ahead(tx, limit)
            if not ahead.rows:
                return 0
        with begin(engine) as tx:
            return flow.hits_arrived(tx, limit, one_by_one=False, ahead=ahead)
    except Exception as error:
        if not is_of_a_hit(error):
            raise
        log.warning("a hit cannot be folded (%s); looking for it", type(error).__name__)
    with begin(engine) as tx:
        return flow.hits_arrived(tx, limit)


def tidy_log(engine: Engine, settings: Settings) -> int:
    """Keep SQLite's write-ahead log short, so that no commit has to."""
    checkpoint(engine)
    return 0


JOBS = (Job("fold hits", fold_hits), Job("tidy the log", tidy_log))


def drain(engine: Engine, settings: Settings) -> int:
    """Do all work that waits now and return how many hits were folded."""
    done = 0
    while folded := fold_hits(engine, settings):
        done += folded
    return done


def work(engine: Engine, settings: Settings, stop: threading.Event, arrived: threading.Event) -> None:
    """Run the jobs until `stop` is set; an error is logged and the job is tried again after a rest.

    arrived  set by whoever took hits in this process, so that they need not wait for the next round
    """
    due = dict.fromkeys((job.name for job in JOBS), 0.0)
    while not stop.is_set():
        for job in JOBS:
            if time.monotonic() < due[job.name]:
                continue
            rest = settings.fold_interval_s
            try:
                if job.run(engine, settings):
                    rest = 0.0
            except Exception as error:  # noqa: BLE001 - whatever failed, the loop goes on
                # Not its message: it may quote a visitor's address.
                frames = "".join(traceback.format_tb(error.__traceback__))
                log.error("job failed: %s: %s\n%s", job.name, type(error).__name__, frames)
                rest = 5.0
            due[job.name] = time.monotonic() + rest
        if arrived.wait(max(0.0, min(due.values()) - time.monotonic())):
            arrived.clear()
            due = dict.fromkeys(due, 0.0)
