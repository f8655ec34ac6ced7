"""What the installation says of itself: whether it can take and fold hits now, asked so that no answer is waited for.

Called by the routes for whoever watches (api/health.py) and by the tracking page. Reads counts, sizes and times;
nothing of a visitor, a contact or a log-in is in any of it.
"""

import shutil
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from dataclasses import field as with_default
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Generic, TypeVar

from sqlalchemy import Engine, func, select

from tracker.config import Settings
from tracker.db.schema import hits, hits_waiting, pulse, refusals, retention
from tracker.db.sizes import journal_of, store_bytes
from tracker.db.store import Tx, begin, reading
from tracker.db.upgrade import head, revision_in
from tracker.db.writes import upsert
from tracker.outbox import counts_by_state
from tracker.visits.park import parked
from tracker.vocabulary import OutboxState

ANSWER_WITHIN_S = 2.0
FRESH_S = 1.0
MB = 1_000_000
Seen = TypeVar("Seen")
Figure = float | int | str | None


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must be well for the installation to be ready.

    figures  what was found and its limit, by name; None: not known, or nothing to be known here
    """

    name: str
    ok: bool
    figures: Mapping[str, Figure] = with_default(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Backlog:
    """The hits that the fold has still to take.

    oldest_at  when the oldest of those that wait was received; None when none waits
    n_parked   those that could not be folded and were set aside
    """

    n_waiting: int
    oldest_at: datetime | None
    n_parked: int

    def lag_s(self, now: datetime) -> float:
        """How long the oldest has waited, in seconds; 0 when none waits."""
        return 0.0 if self.oldest_at is None else max(0.0, (now - self.oldest_at).total_seconds())


def backlog(tx: Tx) -> Backlog:
    """How many hits of all sites wait for the fold, and since when."""
    n_waiting, oldest = tx.execute(select(func.count(), func.min(hits_waiting.c.seq))).one()
    oldest_at = tx.execute(select(hits.c.received_at).where(hits.c.seq == oldest)).scalar()
    return Backlog(n_waiting, oldest_at, parked(tx).n)


class Watch(Generic[Seen]):
    """Has a look in a thread of its own, one at a time, and gives what was seen within a bound.

    Who asks while a look is under way shares it, so a store that hangs holds one thread and not one for each question.

    look   what to do; may take for ever
    """

    def __init__(self, look: Callable[[], Seen], fresh_s: float = FRESH_S) -> None:
        self._look, self._fresh_s = look, fresh_s
        self._guard = threading.Lock()
        self._last: Future[Seen] | None = None
        self._began_at = self._done_at = 0.0

    def ask(self, within_s: float = ANSWER_WITHIN_S) -> Seen | None:
        """What was seen, at most `fresh_s` ago; None when the look takes longer than `within_s` or fails.

        Of a look that is overdue already everybody is told so at once.
        """
        with self._guard:
            last = self._last
            if last is None or (last.done() and time.monotonic() - self._done_at > self._fresh_s):
                last = self._last = Future()
                self._began_at = time.monotonic()
                threading.Thread(target=self._run, args=(last,), name="minamoto-watch", daemon=True).start()
            patience_s = self._began_at + within_s - time.monotonic()
        try:
            return last.result(max(0.0, patience_s))
        except Exception:  # noqa: BLE001 - late or failed: either way nothing was seen
            return None

    def _run(self, told: Future[Seen]) -> None:
        try:
            found = self._look()
        except BaseException as error:  # noqa: BLE001 - whoever asked is told by the future
            self._done_at = time.monotonic()
            told.set_exception(error)
        else:
            self._done_at = time.monotonic()
            told.set_result(found)


@dataclass(frozen=True, slots=True)
class StoreFigures:
    """What the store knows, of all sites and whichever processes served them.

    refused      hits refused, by reason, since the beginning
    n_taken      hits taken since the beginning (tracker/db/sizes.py says how true that is)
    n_kept       hits in the journal, about
    oldest_at    when the oldest hit still there was received
    horizon_at   the earliest day from which on a site's page views are kept; None where all are
    n_bytes      of the whole database
    free_bytes   on the disk of the SQLite file; None for PostgreSQL
    outbox       how many items of the outbox are in each state
    """

    refused: Mapping[str, int]
    n_taken: int
    n_kept: int
    oldest_at: datetime | None
    horizon_at: datetime | None
    n_pruned: int
    backlog: Backlog
    lag_s: float
    n_bytes: int
    free_bytes: int | None
    outbox: Mapping[OutboxState, int]


def figures_of(engine: Engine, now: datetime) -> StoreFigures:
    """Read the store's figures; counts and sizes that it keeps anyway, so the journal's length makes no difference."""
    with reading(engine) as tx:
        by_reason = select(refusals.c.reason, func.sum(refusals.c.n)).group_by(refusals.c.reason)
        refused = {reason: int(n) for reason, n in tx.execute(by_reason)}
        horizon_at, n_pruned = tx.execute(
            select(func.min(retention.c.horizon_at), func.sum(retention.c.n_pruned))
        ).one()
        n_taken, n_kept = journal_of(tx, int(n_pruned or 0))
        waits = backlog(tx)
        return StoreFigures(
            refused=refused,
            n_taken=n_taken,
            n_kept=n_kept,
            oldest_at=tx.execute(select(hits.c.received_at).order_by(hits.c.seq).limit(1)).scalar(),
            horizon_at=horizon_at,
            n_pruned=int(n_pruned or 0),
            backlog=waits,
            lag_s=waits.lag_s(now),
            n_bytes=store_bytes(tx),
            free_bytes=free_bytes(engine),
            outbox=counts_by_state(tx),
        )


@dataclass(frozen=True, slots=True)
class Readiness:
    """What was found, check by check."""

    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether all is well."""
        return all(check.ok for check in self.checks)


class Doctor:
    """Asks an installation how it is."""

    def __init__(self, engine: Engine, settings: Settings, now: Callable[[], datetime]) -> None:
        self._engine, self._settings, self._now = engine, settings, now
        self._store = Watch(self._look)
        self._figures = Watch(lambda: figures_of(engine, now()))

    def readiness(self, within_s: float = ANSWER_WITHIN_S) -> Readiness:
        """Whether hits can be taken and folded; answers within the bound whatever the store does."""
        seen = self._store.ask(within_s)
        if seen is None:
            away: dict[str, Figure] = {"answer_s": None, "limit_s": within_s}
            seen = (Check("store", False, away), Check("schema", False), Check("fold", False))
        return Readiness((*seen, check_disk(self._engine, self._settings.ready_disk_mb)))

    def figures(self, within_s: float = ANSWER_WITHIN_S) -> StoreFigures | None:
        """What the store knows; None when it does not tell within the bound."""
        return self._figures.ask(within_s)

    def _look(self) -> tuple[Check, ...]:
        settings, now = self._settings, self._now()
        return (
            check_store(self._engine, now),
            check_schema(self._engine),
            check_fold(self._engine, now, settings.ready_fold_lag_s),
        )


def check_store(engine: Engine, now: datetime) -> Check:
    """A committed write: neither a full nor a read-only disk lets it pass."""
    started = time.monotonic()
    with begin(engine) as tx:
        upsert(tx, pulse, [{"pulse_id": 1, "beaten_at": now}])
    return Check("store", True, {"answer_s": round(time.monotonic() - started, 3), "limit_s": ANSWER_WITHIN_S})


newest = cache(head)


def check_schema(engine: Engine) -> Check:
    """Whether the tables are this release's."""
    with reading(engine) as tx:
        stands = revision_in(tx)
    return Check("schema", stands == newest(), {"revision": stands, "head": newest()})


def check_fold(engine: Engine, now: datetime, limit_s: float) -> Check:
    """Whether the fold keeps up; a limit of 0 is none."""
    with reading(engine) as tx:
        found = backlog(tx)
    lag_s = found.lag_s(now)
    counts = {"n_waiting": found.n_waiting, "n_parked": found.n_parked}
    figures = {"lag_s": round(lag_s, 1), "limit_s": limit_s or None, **counts}
    return Check("fold", not limit_s or lag_s <= limit_s, figures)


def check_disk(engine: Engine, limit_mb: int) -> Check:
    """Whether the disk of the SQLite file has room; another machine's disk is that machine's to watch."""
    free = free_bytes(engine)
    figures = {"free_mb": None if free is None else free // MB, "limit_mb": limit_mb or None}
    return Check("disk", free is None or free >= limit_mb * MB, figures)


def free_bytes(engine: Engine) -> int | None:
    """Free space where the SQLite file is, for who runs this process; None for PostgreSQL."""
    if engine.dialect.name != "sqlite" or not engine.url.database or engine.url.database == ":memory:":
        return None
    try:
        return shutil.disk_usage(Path(engine.url.database).absolute().parent).free
    except OSError:
        return 0
