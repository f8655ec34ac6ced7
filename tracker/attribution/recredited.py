"""Recredited: which conversions were credited anew, and which days' visits are others, for readers that keep them in
memory.

A mark is written in the transaction that wrote the conversion. What a reader has seen is what its transaction's
snapshot shows, so a write that began before and commits after it is never missed: docs/adr/0033.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, delete, func, or_, select

from tracker.db.schema import recredited
from tracker.db.store import Tx
from tracker.db.writes import insert_once, is_postgresql

# The mark that says: everything of the site.
EVERYTHING = ""
# What the mark of a day begins with, whose visits came or went.
DAY = "day "
# Marks kept of a site; whoever has seen none of these reads everything anew, which is as quick by then.
MOST_MARKS = 100_000


@dataclass(frozen=True, slots=True)
class Seen:
    """The writes that a transaction sees: those before `end`, but for those that were still under way."""

    end: int
    under_way: frozenset[int] = frozenset()

    @property
    def horizon(self) -> int:
        """Every write before this one is seen."""
        return min(self.under_way, default=self.end)

    def sees(self, revision: int) -> bool:
        """Whether one write is seen."""
        return revision < self.end and revision not in self.under_way

    def covers(self, other: "Seen") -> bool:
        """Whether all that the other sees is seen here, too."""
        return other.end <= self.end and all(one in other.under_way for one in self.under_way if one < other.end)


def seen(tx: Tx, site_id: int) -> Seen:
    """What this transaction sees of a site's writes."""
    if is_postgresql(tx):
        text = tx.exec_driver_sql("SELECT pg_current_snapshot()::text").scalar_one()
        _, end, under_way = text.split(":")
        return Seen(int(end), frozenset(map(int, filter(None, under_way.split(",")))))
    return Seen(next_revision(tx, site_id))


def next_revision(tx: Tx, site_id: int) -> int:
    """SQLite, which has one writer: the number after the last mark's."""
    last = tx.execute(select(func.max(recredited.c.revision)).where(recredited.c.site_id == site_id)).scalar()
    return (last or 0) + 1


def revision_of(tx: Tx, site_id: int) -> int:
    """The number of this write."""
    if is_postgresql(tx):
        return int(tx.exec_driver_sql("SELECT pg_current_xact_id()::text").scalar_one())
    return next_revision(tx, site_id)


def tell(tx: Tx, site_id: int, conversion_ids: Iterable[str]) -> None:
    """Mark these conversions: they, their paths or their deals' ledgers are others in this transaction, or gone."""
    if ids := sorted(set(conversion_ids)):
        mark(tx, site_id, revision_of(tx, site_id), ids)


def tell_all(tx: Tx, site_id: int) -> None:
    """Mark everything of a site, in place of all its marks before."""
    revision = revision_of(tx, site_id)
    tx.execute(delete(recredited).where(recredited.c.site_id == site_id))
    mark(tx, site_id, revision, [EVERYTHING])


def day_mark(day: str) -> str:
    """The mark of a day's visits, beside those of conversions."""
    return DAY + day


def mark(tx: Tx, site_id: int, revision: int, ids: Iterable[str]) -> None:
    """Put marks that may be there."""
    rows = [{"site_id": site_id, "revision": revision, "conversion_id": one} for one in ids]
    insert_once(tx, recredited, rows)


def told_since(tx: Tx, site_id: int, before: Seen, now: Seen) -> set[tuple[str, int]]:
    """What was marked since a reader saw `before`, each with its write: conversions, days, EVERYTHING of the site.

    now  what this transaction sees. A mark from beyond it is of another life of the database, before a restore
    """
    table = recredited.c
    is_new = or_(
        table.revision >= before.end,
        table.revision.in_(sorted(before.under_way)),
        and_(table.conversion_id == EVERYTHING, table.revision >= before.horizon),
    )
    query = select(table.conversion_id, table.revision).where(
        table.site_id == site_id, table.revision >= before.horizon, table.revision < now.end, is_new
    )
    return {(conversion_id, revision) for conversion_id, revision in tx.execute(query)}


def full_sites(most: int = MOST_MARKS) -> Select[Any]:
    """The sites with more than twice as many marks as are kept."""
    table = recredited.c
    return select(table.site_id).group_by(table.site_id).having(func.count() > 2 * most)


def has_full_sites(tx: Tx) -> bool:
    """Whether there is anything to forget."""
    return tx.execute(full_sites(MOST_MARKS).limit(1)).first() is not None


def forget_marks(tx: Tx, most: int = MOST_MARKS) -> int:
    """Delete the oldest marks of full sites; returns how many.

    One mark for everything takes their place, just below those that are kept: a reader who has not seen a deleted
    one has a horizon below it, and so has not seen this one either. What is still under way, or began after it, stays.
    """
    table, done = recredited.c, 0
    for site_id in tx.execute(full_sites(most)).scalars().all():
        newest = select(table.revision).where(table.site_id == site_id).order_by(table.revision.desc())
        first_kept = tx.execute(newest.offset(most).limit(1)).scalar_one()
        first_kept = min(first_kept, seen(tx, site_id).horizon)
        old = delete(recredited).where(table.site_id == site_id, table.revision < first_kept)
        done += tx.execute(old).rowcount
        mark(tx, site_id, first_kept - 1, [EVERYTHING])
    return done
