"""Files of stages that were sent and that nobody has decided about: kept a day at most."""

import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, insert, select

from tracker.db.schema import stage_drafts
from tracker.db.store import Tx
from tracker.errors import NotFound
from tracker.ids import derive
from tracker.urls import clean_text

KEPT = timedelta(days=1)
MOST_DRAFTS = 10  # of one site; the oldest goes


@dataclass(frozen=True, slots=True)
class StageDraft:
    """A file as it was sent; `name` is its sender's word."""

    draft_id: str
    name: str
    content: bytes
    sent_by: str
    sent_at: datetime


def keep_stage_draft(tx: Tx, site_id: int, name: str, content: bytes, by: str, now: datetime) -> str:
    """Keep a file until it is decided about; returns its id."""
    forget_stage_drafts(tx, now)
    row = stage_drafts.c
    newest = select(row.draft_id).where(row.site_id == site_id).order_by(row.sent_at.desc(), row.draft_id)
    kept = tx.execute(newest.limit(MOST_DRAFTS - 1)).scalars().all()
    tx.execute(delete(stage_drafts).where(row.site_id == site_id, row.draft_id.not_in(kept)))
    draft_id = derive("stage draft", site_id, now.isoformat(), zlib.crc32(content), by)
    tx.execute(delete(stage_drafts).where(row.draft_id == draft_id))
    values = {
        "draft_id": draft_id,
        "site_id": site_id,
        "name": clean_text(name, 120) or "stages.csv",
        "content": zlib.compress(content, 1),
        "sent_by": by,
        "sent_at": now,
    }
    tx.execute(insert(stage_drafts), [values])
    return draft_id


def stage_draft_of(tx: Tx, site_id: int, draft_id: str) -> StageDraft:
    """A file by its id; raises NotFound, also where it was decided about."""
    which = (stage_drafts.c.site_id == site_id, stage_drafts.c.draft_id == draft_id)
    row = tx.execute(select(stage_drafts).where(*which)).one_or_none()
    if row is None:
        raise NotFound("there is no such file; it was imported, dropped, or is older than a day")
    return StageDraft(row.draft_id, row.name, zlib.decompress(row.content), row.sent_by, row.sent_at)


def drop_stage_draft(tx: Tx, site_id: int, draft_id: str) -> bool:
    """Forget a file; returns whether there was one."""
    which = (stage_drafts.c.site_id == site_id, stage_drafts.c.draft_id == draft_id)
    return tx.execute(delete(stage_drafts).where(*which)).rowcount > 0


def forget_stage_drafts(tx: Tx, now: datetime) -> int:
    """Delete files that nobody decided about for a day; returns how many."""
    return tx.execute(delete(stage_drafts).where(stage_drafts.c.sent_at < now - KEPT)).rowcount


def has_old_stage_drafts(tx: Tx, now: datetime) -> int:
    """Whether forget_stage_drafts has anything to do."""
    old = select(func.count()).select_from(stage_drafts).where(stage_drafts.c.sent_at < now - KEPT)
    return tx.execute(old).scalar_one()
