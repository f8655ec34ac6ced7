"""Files of costs: kept as sent until somebody has seen what they hold, then taken in as a whole, and taken back.

What is loaded is read from the kept file, never from what a browser says that it holds; the choices how to read it
stand with it. So what was shown is what is loaded.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, delete, func, insert, or_, select, update

from tracker.costs.choices import Choices, read_choices, written
from tracker.costs.load import cost_id_of, give_back, hold, load
from tracker.costs.reading import MOST_BYTES
from tracker.costs.rows import Cost
from tracker.costs.understand import Understood
from tracker.db.schema import cost_drafts, cost_imports, costs
from tracker.db.store import Tx
from tracker.db.writes import among, chunks, lock
from tracker.errors import Conflict, Invalid, NotFound
from tracker.ids import derive
from tracker.urls import clean_text
from tracker.vocabulary import AdPlatform

KEPT = timedelta(days=1)
MOST_DRAFTS = 20  # of one site; the oldest goes
Totals = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Draft:
    """A file that nobody has decided about. `content` is as it was sent; `name` its sender's word."""

    draft_id: str
    name: str
    content: bytes
    choices: Choices
    sent_by: str
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class Imported:
    """A file that was taken in.

    n_rows, n_costs  rows of the file, and the costs that they made
    n_standing       how many of these no later word has replaced
    totals           by currency, in minor units
    undone_at        when it was taken back
    """

    import_id: str
    name: str
    platform: AdPlatform
    n_rows: int
    n_costs: int
    n_standing: int
    totals: Totals
    from_day: str
    to_day: str
    imported_by: str
    imported_at: datetime
    undone_by: str | None
    undone_at: datetime | None


@dataclass(frozen=True, slots=True)
class Undone:
    """An import that was taken back.

    n_stood  how many of its costs stood until then
    n_back   in the place of how many of these stands again what the import had replaced
    """

    imported: Imported
    n_stood: int
    n_back: int


@dataclass(frozen=True, slots=True)
class Replaced:
    """Costs whose place others would take: how many, and their money by currency."""

    n_costs: int
    totals: Totals


def keep_draft(tx: Tx, site_id: int, name: str, content: bytes, choices: Choices, by: str, now: datetime) -> str:
    """Keep a file until it is decided about, at most a day; returns its id."""
    if len(content) > MOST_BYTES:
        raise Invalid(f"the file has more than {MOST_BYTES // 1024 // 1024} MB", field="file")
    forget_drafts(tx, now)
    newest = select(cost_drafts.c.draft_id).where(cost_drafts.c.site_id == site_id)
    kept = newest.order_by(cost_drafts.c.sent_at.desc(), cost_drafts.c.draft_id).limit(MOST_DRAFTS - 1)
    known = tx.execute(kept).scalars().all()
    tx.execute(delete(cost_drafts).where(cost_drafts.c.site_id == site_id, cost_drafts.c.draft_id.not_in(known)))
    draft_id = derive("cost draft", site_id, now.isoformat(), zlib.crc32(content), by)
    row = {
        "draft_id": draft_id,
        "site_id": site_id,
        "name": clean_text(name, 200) or "costs.csv",
        "content": zlib.compress(content, 1),
        "choices": written(choices),
        "sent_by": by,
        "sent_at": now,
    }
    tx.execute(delete(cost_drafts).where(cost_drafts.c.draft_id == draft_id))
    tx.execute(insert(cost_drafts), [row])
    return draft_id


def forget_drafts(tx: Tx, now: datetime) -> int:
    """Delete files that nobody decided about for a day; returns how many."""
    return tx.execute(delete(cost_drafts).where(cost_drafts.c.sent_at < now - KEPT)).rowcount


def has_old_drafts(tx: Tx, now: datetime) -> int:
    """Whether forget_drafts has anything to do."""
    old = select(func.count()).select_from(cost_drafts).where(cost_drafts.c.sent_at < now - KEPT)
    return tx.execute(old).scalar_one()


def draft_of(tx: Tx, site_id: int, draft_id: str) -> Draft:
    """A file by its id; raises NotFound, also where it was decided about."""
    query = select(cost_drafts).where(cost_drafts.c.site_id == site_id, cost_drafts.c.draft_id == draft_id)
    row = tx.execute(query).one_or_none()
    if row is None:
        raise NotFound("there is no such file; it was imported, dropped, or is older than a day")
    content = zlib.decompress(row.content)
    return Draft(row.draft_id, row.name, content, read_choices(row.choices), row.sent_by, row.sent_at)


def choose(tx: Tx, site_id: int, draft_id: str, choices: Choices) -> None:
    """Have a file read otherwise."""
    which = (cost_drafts.c.site_id == site_id, cost_drafts.c.draft_id == draft_id)
    tx.execute(update(cost_drafts).where(*which).values(choices=written(choices)))


def drop_draft(tx: Tx, site_id: int, draft_id: str) -> bool:
    """Forget a file; returns whether there was one."""
    which = (cost_drafts.c.site_id == site_id, cost_drafts.c.draft_id == draft_id)
    return tx.execute(delete(cost_drafts).where(*which)).rowcount > 0


def to_replace(tx: Tx, site_id: int, new: Sequence[Cost]) -> Replaced:
    """The costs that these would take the place of."""
    n, sums = 0, dict[str, int]()
    ids = [cost_id_of(site_id, one.day, one.source, one.medium, one.campaign) for one in new]
    for some in chunks(ids, 5_000):
        query = select(costs.c.currency, func.count(), func.sum(costs.c.amount_minor))
        for currency, n_own, minor in tx.execute(
            query.where(among(tx, costs.c.cost_id, some)).group_by(costs.c.currency)
        ):
            n += n_own
            sums[currency] = sums.get(currency, 0) + int(minor)
    return Replaced(n, tuple(sorted(sums.items())))


def take_in(
    tx: Tx, site_id: int, name: str, choices: Choices, found: Understood, by: str, now: datetime, key: str
) -> str:
    """Load all costs of a file, or none; returns the import's id.

    key     what tells this import from all others, such as the draft's id: the same again is refused
    raises  Invalid: rows cannot be read and nobody said to go on without them; there are no costs
            Conflict: it was taken in already
    """
    if found.faulty and not choices.without_faulty:
        raise Invalid(
            f"{len(found.faulty)} rows cannot be read, the first in line {found.faulty[0].line}", field="file"
        )
    if not found.costs or found.period is None:
        raise Invalid("there are no costs in this file", field="file")
    totals = [[currency, minor] for currency, _, minor in found.totals]
    import_id = derive("cost import", site_id, key)
    hold(tx, site_id)
    if tx.execute(select(cost_imports.c.import_id).where(cost_imports.c.import_id == import_id)).first():
        raise Conflict("this file was imported already")
    row = {
        "import_id": import_id,
        "site_id": site_id,
        "name": clean_text(name, 200) or "costs.csv",
        "platform": choices.platform.value,
        "mapping": written(choices),
        "n_rows": len(found.rows),
        "n_costs": len(found.costs),
        "totals": totals,
        "from_day": found.period[0],
        "to_day": found.period[1],
        "imported_by": by,
        "imported_at": now,
    }
    tx.execute(insert(cost_imports), [row])
    load(tx, site_id, found.costs, now, import_id)
    return import_id


def imports_of(tx: Tx, site_id: int, limit: int, after: tuple[datetime, str] | None = None) -> list[Imported]:
    """A site's imports, the newest first.

    after  (imported_at, import_id) of the last one that was read
    """
    query = select(cost_imports).where(cost_imports.c.site_id == site_id)
    if after is not None:
        at, import_id = after
        is_same = and_(cost_imports.c.imported_at == at, cost_imports.c.import_id > import_id)
        query = query.where(or_(cost_imports.c.imported_at < at, is_same))
    newest = query.order_by(cost_imports.c.imported_at.desc(), cost_imports.c.import_id).limit(limit)
    rows = tx.execute(newest).mappings().all()
    standing = standing_of(tx, [row["import_id"] for row in rows])
    return [imported_of(row, standing.get(row["import_id"], 0)) for row in rows]


def standing_of(tx: Tx, import_ids: Sequence[str]) -> dict[str, int]:
    """How many costs of each import stand; an import of which none does is not named."""
    count = select(costs.c.import_id, func.count()).where(among(tx, costs.c.import_id, import_ids))
    return {row[0]: row[1] for row in tx.execute(count.group_by(costs.c.import_id))}


def imported_of(row: Mapping[Any, Any], n_standing: int) -> Imported:
    """A row of cost_imports."""
    known = {name: row[name] for name in Imported.__dataclass_fields__ if name not in {"n_standing", "totals"}}
    totals = tuple((str(currency), int(minor)) for currency, minor in row["totals"])
    return Imported(**{**known, "platform": AdPlatform(row["platform"])}, n_standing=n_standing, totals=totals)


def undo(tx: Tx, site_id: int, import_id: str, by: str, now: datetime) -> Undone:
    """Take an import back: the costs are as if it had never been, but for those that a later word replaced.

    raises  NotFound: there is no such import; Conflict: it was taken back already
    """
    hold(tx, site_id)
    which = (cost_imports.c.site_id == site_id, cost_imports.c.import_id == import_id)
    lock(tx, select(cost_imports.c.import_id).where(*which))
    if import_of(tx, site_id, import_id).undone_at is not None:
        raise Conflict("this import was taken back already")
    n_stood, n_back = give_back(tx, import_id)
    tx.execute(update(cost_imports).where(*which).values(undone_by=by, undone_at=now))
    return Undone(import_of(tx, site_id, import_id), n_stood, n_back)


def import_of(tx: Tx, site_id: int, import_id: str) -> Imported:
    """An import by its id; raises NotFound."""
    which = (cost_imports.c.site_id == site_id, cost_imports.c.import_id == import_id)
    row = tx.execute(select(cost_imports).where(*which)).mappings().one_or_none()
    if row is None:
        raise NotFound("there is no such import")
    return imported_of(row, standing_of(tx, [import_id]).get(import_id, 0))
