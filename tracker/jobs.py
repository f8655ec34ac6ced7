"""All background work on one page, and the loop that does it."""

import gc
import logging
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from multiprocessing import get_context

from sqlalchemy import Engine

from tracker import clock, flow, staging
from tracker.attribution.recredited import forget_marks, has_full_sites
from tracker.calls.leases import forget_leases, has_old_leases
from tracker.channels.rules import classify
from tracker.collect.spent import forget_old, n_old
from tracker.config import Settings
from tracker.costs.importing import forget_drafts, has_old_drafts
from tracker.db.store import Tx, begin, checkpoint, connect, reading
from tracker.db.writes import has_one_writer
from tracker.identity.normalise import company_domain_of
from tracker.lifecycle.drafts import forget_stage_drafts, has_old_stage_drafts
from tracker.phones import phone_of
from tracker.retention import prune
from tracker.urls import read_arrival
from tracker.visits.agents import read_agent
from tracker.visits.park import is_of_a_hit
from tracker.visits.waiting import NOTHING_AHEAD

log = logging.getLogger("minamoto.work")
# How long a job that runs beside may go on when the loop ends.
LEAVE_S = 20.0


def never_full(done: int, settings: Settings) -> bool:
    """Of a job that rests whatever it did."""
    return False


@dataclass(frozen=True, slots=True)
class Job:
    """One kind of background work; `run` returns how much it did, 0 when there was nothing to do.

    A job that is handed to another process is made of functions of modules alone.

    rest_s   how long it rests then; None: MINAMOTO_FOLD_INTERVAL_S
    pause_s  how long it rests after it did something, for others have to write, too
    is_full  whether so much was done that more waits, and there is no pause
    """

    name: str
    run: Callable[[Engine, Settings], int]
    rest_s: float | None = None
    pause_s: float = 0.0
    is_full: Callable[[int, Settings], bool] = never_full


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


def prune_journal(engine: Engine, settings: Settings) -> int:
    """Take some page views that are too old out of the journal; returns 0 when none is."""
    return prune(engine, settings.hit_retention_days, clock.now())


def look_again(engine: Engine, settings: Settings) -> int:
    """Derive the stages and points of some of those whom time alone has changed; returns of how many."""
    return when_due(engine, settings, staging.has_due, staging.look_again)


def restage(engine: Engine, settings: Settings) -> int:
    """Derive the stages of the next people of a site whose definitions or stages are others; returns of how many."""
    return when_due(engine, settings, lambda tx, now: staging.has_to_restage(tx), staging.restage_some)


def when_due(
    engine: Engine,
    settings: Settings,
    is_due: Callable[[Tx, datetime], bool],
    do: Callable[[Tx, int, datetime], int],
) -> int:
    """Do some of what is due by now, and take the writer's place only if anything is."""
    now = clock.now()
    with reading(engine) as tx:
        if not is_due(tx, now):
            return 0
    with begin(engine) as tx:
        return do(tx, settings.fold_batch, now)


def forget_links(engine: Engine, settings: Settings) -> int:
    """Delete the used tokens of links between domains that do not open any more; returns how many."""
    return forget(engine, n_old, forget_old)


def forget_old_leases(engine: Engine, settings: Settings) -> int:
    """Delete leases of phone numbers of which no call is told any more; returns how many."""
    return forget(engine, has_old_leases, forget_leases)


def forget_cost_files(engine: Engine, settings: Settings) -> int:
    """Delete files of costs that nobody decided about for a day; returns how many."""
    return forget(engine, has_old_drafts, forget_drafts)


def forget_stage_files(engine: Engine, settings: Settings) -> int:
    """Delete files of stages that nobody decided about for a day; returns how many."""
    return forget(engine, has_old_stage_drafts, forget_stage_drafts)


def forget_old_marks(engine: Engine, settings: Settings) -> int:
    """Delete the oldest marks of what was credited anew where there are very many; returns how many."""
    return forget(engine, lambda tx, now: has_full_sites(tx), lambda tx, now: forget_marks(tx))


def forget(engine: Engine, is_due: Callable[[Tx, datetime], int], delete: Callable[[Tx, datetime], int]) -> int:
    """Delete what is too old by now, and take the writer's place only if there is any; returns how many."""
    now = clock.now()
    with reading(engine) as tx:
        if not is_due(tx, now):
            return 0
    with begin(engine) as tx:
        return delete(tx, now)


JOBS = (
    # Small batches cost almost as much as large ones: what comes meanwhile is folded together.
    Job("fold hits", fold_hits, pause_s=0.2, is_full=lambda done, settings: done >= settings.fold_batch),
    Job("derive stages anew", restage, rest_s=1.0, is_full=lambda done, settings: done > 0),
    Job("look at people again", look_again, rest_s=5.0, pause_s=0.2),
    Job("tidy the log", tidy_log),
    Job("prune the journal", prune_journal, rest_s=60.0, pause_s=0.2),
    Job("forget used links", forget_links, rest_s=86_400.0, pause_s=86_400.0),
    Job("forget marks", forget_old_marks, rest_s=3_600.0, pause_s=3_600.0),
    Job("forget cost files", forget_cost_files, rest_s=3_600.0, pause_s=3_600.0),
    Job("forget stage files", forget_stage_files, rest_s=3_600.0, pause_s=3_600.0),
    Job("forget leases", forget_old_leases, rest_s=86_400.0, pause_s=86_400.0),
)


def drain(engine: Engine, settings: Settings) -> int:
    """Do all work that waits now and return how many hits were folded."""
    done = 0
    while folded := fold_hits(engine, settings):
        done += folded
    for job in (restage, look_again):
        while job(engine, settings):
            pass
    return done


def prune_all(engine: Engine, settings: Settings) -> int:
    """Take all page views that are too old out of the journal; returns in how many steps."""
    done = 0
    while prune_journal(engine, settings):
        done += 1
    return done


def work(engine: Engine, settings: Settings, stop: threading.Event, more: Sequence[Job] = ()) -> None:
    """Run the jobs until `stop` is set; an error is logged and the job is tried again after a rest.

    more  jobs beside JOBS, which the caller knows of and this module may not; each in a thread of its own, so that one
          that waits for another machine keeps no hit waiting
    """
    threads = [threading.Thread(target=run_in_turn, args=((job,), engine, settings, stop), daemon=True) for job in more]
    for thread in threads:
        thread.start()
    run_in_turn(JOBS, engine, settings, stop)
    for thread in threads:
        thread.join(LEAVE_S)


def run_in_turn(jobs: Sequence[Job], engine: Engine, settings: Settings, stop: threading.Event) -> None:
    """Run jobs one after the other, each when it is due, until `stop` is set."""
    due = dict.fromkeys((job.name for job in jobs), 0.0)
    while not stop.wait(max(0.0, min(due.values()) - time.monotonic())):
        for job in jobs:
            if time.monotonic() < due[job.name]:
                continue
            rest = settings.fold_interval_s if job.rest_s is None else job.rest_s
            try:
                if done := job.run(engine, settings):
                    rest = 0.0 if job.is_full(done, settings) else job.pause_s
            except Exception as error:  # noqa: BLE001 - whatever failed, the loop goes on
                # Not its message: it may quote a visitor's address.
                frames = "".join(traceback.format_tb(error.__traceback__))
                log.error("job failed: %s: %s\n%s", job.name, type(error).__name__, frames)
                rest = 5.0
            due[job.name] = time.monotonic() + rest


def work_until_told(settings: Settings, parent: int | None = None, more: Sequence[Job] = ()) -> None:
    """Work in this process until it is interrupted or terminated, or until the process that began it is gone.

    parent  the process id of whoever began it, if it has to end with that
    """
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    if parent is not None:
        threading.Thread(target=outlive, args=(parent, stop), daemon=True).start()
    read_lists()
    work(connect(settings.database_url, synchronous=settings.sqlite_synchronous), settings, stop, more)


def read_lists() -> None:
    """Read what the fold looks things up in, which takes a second, before a transaction would have to wait for it."""
    read_agent("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
    classify(read_arrival("https://www.example.com/?utm_source=google", "https://www.google.com/", ()))
    company_domain_of("name@example.com")
    phone_of("03-1234-5678", "Asia/Tokyo")
    gc.collect()
    gc.freeze()


def outlive(parent: int, stop: threading.Event) -> None:
    """Set `stop` when this process has another parent: the one that began it was killed."""
    while not stop.wait(1.0):
        if os.getppid() != parent:
            stop.set()


class WorkBeside:
    """The work loop in a process of its own, begun again whenever it ends; used as a context.

    The fold computes: in the server's own process it would take the interpreter from the beacons.
    """

    def __init__(self, settings: Settings, more: Sequence[Job] = ()) -> None:
        self._settings, self._more = settings, tuple(more)
        self._ended = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="minamoto-work", daemon=True)

    def __enter__(self) -> None:
        self._keeper.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._keeper.join()

    def _keep(self) -> None:
        """Keep one process at work."""
        while not self._ended.is_set():
            args = (self._settings, os.getpid(), self._more)
            process = get_context("spawn").Process(target=work_until_told, args=args)
            process.start()
            while process.is_alive() and not self._ended.wait(0.2):
                pass
            if self._ended.is_set():
                process.terminate()
                process.join(30)
                return
            log.error("the work loop ended with %s; it begins again", process.exitcode)
            self._ended.wait(1.0)
