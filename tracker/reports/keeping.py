"""Which sites' paths this process keeps in memory, and that they are current: docs/adr/0033.

Every answer is what the asking transaction itself would read: what was recredited since is read again first, and a
transaction that is older than what is kept gets nothing, and reads the tables.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from threading import Lock
from weakref import WeakKeyDictionary

from sqlalchemy import Engine as Store
from sqlalchemy import func, select

from tracker.attribution.recredited import DAY, EVERYTHING, Seen, seen, told_since
from tracker.db.schema import conversions, paths, touchpoints
from tracker.db.store import Tx
from tracker.reports.columns import Scan
from tracker.reports.engines.sql import SqlEngine
from tracker.reports.held import CONVERSION_BYTES, TOUCH_BYTES, Held, View
from tracker.reports.heldvisits import VISIT_BYTES
from tracker.reports.packed import Ambiguous
from tracker.reports.remembered import Found
from tracker.reports.scans import Engine, Scope, VisitCounts
from tracker.vocabulary import Basis

MIB = 1 << 20
# So many writes are remembered, for transactions that are older than what is kept.
MOST_APPLIED = 10_000
KEEPERS: WeakKeyDictionary[Store, "Keeper"] = WeakKeyDictionary()


@dataclass
class Kept:
    """What is kept of a site, and for which transactions it is right.

    read      what the transaction saw that read everything; up_to: the one that last brought it up to date
    applied   the writes in between: a transaction that sees all of these sees the same paths
    """

    held: Held
    read: Seen
    up_to: Seen
    applied: set[int] = field(default_factory=set)
    shown: View | None = None

    def view(self) -> View:
        """What is kept, as it stands; the same one as long as nothing of it changes."""
        if self.shown is None:
            self.shown = self.held.view()
        return self.shown

    def is_right_for(self, now: Seen) -> bool:
        """Whether what is kept holds nothing that a transaction does not see."""
        return now.covers(self.up_to) or (now.covers(self.read) and all(map(now.sees, self.applied)))


@dataclass
class Place:
    """Where one site is kept: who reads or brings it up to date has the lock."""

    lock: Lock = field(default_factory=Lock)
    kept: Kept | None = None


class Keeper:
    """The sites whose paths one process keeps of one store.

    most_mb  how many megabytes they may take together, about; the one longest not asked for goes first
    """

    def __init__(self, most_mb: int) -> None:
        self._most = most_mb * MIB
        self._places: OrderedDict[int, Place] = OrderedDict()
        self._guard = Lock()

    def view(self, tx: Tx, site_id: int) -> View | None:
        """A site's paths as a reading transaction sees them; None: it must read the tables itself.

        One thread reads a site for the first time, or what is new of it; those that come meanwhile wait.
        """
        with self._guard:
            place = self._places.setdefault(site_id, Place())
            self._places.move_to_end(site_id)
        with place.lock:
            try:
                place.kept = self._current(tx, site_id, place.kept)
            except Ambiguous:
                place.kept = None
            except BaseException:
                place.kept = None
                raise
            kept = place.kept
            if kept is None or not kept.is_right_for(seen(tx, site_id)):
                return None
            view = kept.view()
        self._make_room()
        return view

    def _current(self, tx: Tx, site_id: int, kept: Kept | None) -> Kept | None:
        """What is kept, brought up to date if the transaction is not older than it; None: too much to keep."""
        now = seen(tx, site_id)
        if kept is not None:
            if not now.covers(kept.up_to):
                return kept
            told = told_since(tx, site_id, kept.up_to, now)
            days = {what.removeprefix(DAY) for what, _ in told if what.startswith(DAY)}
            ids = {what for what, _ in told if not what.startswith(DAY)}
            if EVERYTHING not in ids and not kept.held.is_worn(len(ids)):
                if told:
                    kept.shown = None
                    kept.held.read_again(tx, ids, days)
                kept.up_to = now
                kept.applied |= {revision for _, revision in told}
                if len(kept.applied) > MOST_APPLIED:
                    kept.read, kept.applied = now, set()
                return kept
        if self._is_too_much(tx, site_id):
            return None
        return Kept(Held(tx, site_id), now, now)

    def _is_too_much(self, tx: Tx, site_id: int) -> bool:
        """Whether a site alone would take more than there is."""
        size = 0
        for table, row_bytes in ((conversions, CONVERSION_BYTES), (paths, TOUCH_BYTES), (touchpoints, VISIT_BYTES)):
            query = select(func.count()).select_from(table).where(table.c.site_id == site_id)
            size += row_bytes * tx.execute(query).scalar_one()
        return size > self._most

    def _make_room(self) -> None:
        """Let go of sites, the one longest not asked for first, until the rest has room."""
        with self._guard:
            sizes = {
                site_id: kept.held.nbytes for site_id, place in self._places.items() if (kept := place.kept) is not None
            }
            too_much = sum(sizes.values()) - self._most
            for site_id, size in sizes.items():
                if too_much <= 0:
                    break
                self._places.pop(site_id)
                too_much -= size


class HeldEngine(SqlEngine):
    """The facts as one reading transaction sees them, paths from memory where they are kept."""

    def __init__(self, tx: Tx, keeper: Keeper) -> None:
        super().__init__(tx)
        self._keeper = keeper
        self._views: dict[int, View | None] = {}

    def visits(self, scope: Scope) -> VisitCounts:
        """See reports/scans.py; those of a lead cohort are found through people, in the tables."""
        view = None if scope.basis is Basis.LEAD_COHORT else self._view(scope.site_id)
        return super().visits(scope) if view is None else view.visits.counts(scope)

    def scan(self, scope: Scope) -> Scan:
        """See reports/scans.py."""
        view = self._view(scope.site_id)
        if view is not None:
            return view.scan(scope)
        return super().scan(scope)

    def once(self, site_id: int, question: Hashable, find: Callable[[], Found]) -> Found:
        """See reports/scans.py; kept as long as the paths are."""
        view = self._view(site_id)
        return find() if view is None else view.answers.once(question, find)

    def _view(self, site_id: int) -> View | None:
        """Asked for once: a transaction that reads sees the same from its beginning to its end."""
        if site_id not in self._views:
            self._views[site_id] = self._keeper.view(self.tx, site_id)
        return self._views[site_id]


def keep_paths(store: Store, most_mb: int) -> None:
    """From now on keep paths of this store in this process's memory; 0: no more."""
    if most_mb:
        KEEPERS[store] = Keeper(most_mb)
    else:
        KEEPERS.pop(store, None)


def engine_of(tx: Tx) -> Engine:
    """Who scans the facts for a transaction: only one that writes nothing may share what it reads."""
    return HeldEngine(tx, KEEPERS[tx.engine]) if is_kept(tx) else SqlEngine(tx)


def is_kept(tx: Tx) -> bool:
    """Whether this transaction only reads, from a store of which this process keeps what it read."""
    return tx.engine in KEEPERS and bool(tx.get_execution_options().get("reading", False))
