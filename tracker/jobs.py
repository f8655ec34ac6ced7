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
from tracker.db.store import begin

log = logging.getLogger("minamoto.work")


@dataclass(frozen=True, slots=True)
class Job:
    """One kind of background work; `run` returns how much it did, 0 when there was nothing to do."""

    name: str
    run: Callable[[Engine, Settings], int]


def fold_hits(engine: Engine, settings: Settings) -> int:
    """Fold one batch of the hits that wait."""
    with begin(engine) as tx:
        return flow.hits_arrived(tx, settings.fold_batch)


JOBS = (Job("fold hits", fold_hits),)


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
