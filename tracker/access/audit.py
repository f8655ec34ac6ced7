"""The audit log: who changed what, when. Written in the transaction of the change, never changed afterwards."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select

from tracker.db.schema import audit
from tracker.db.store import Tx
from tracker.vocabulary import Audited

COMMAND_LINE = "command line"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log. actor: 'user alice@acme.example', 'token crm' or 'command line'; site_id None: all sites."""

    audit_id: int
    site_id: int | None
    at: datetime
    actor: str
    action: Audited
    subject: str
    details: Mapping[str, Any]


def note(
    tx: Tx,
    site_id: int | None,
    actor: str,
    action: Audited,
    subject: str,
    *,
    now: datetime,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Write down a change, with the change itself.

    subject  what was changed, in at most 200 characters: a contact's id, a file's name, a version
    details  plain data; {"before": …, "after": …} where there was something before. No password, no token
    """
    row = {
        "site_id": site_id,
        "at": now,
        "actor": actor[:340],
        "action": action.value,
        "subject": subject[:200],
        "details": dict(details or {}),
    }
    tx.execute(insert(audit), [row])


def entries(tx: Tx, site_id: int, limit: int, before: int | None = None) -> list[Entry]:
    """The log of a site and of the installation, newest first, from before an entry on."""
    query = select(audit).where((audit.c.site_id == site_id) | audit.c.site_id.is_(None))
    if before is not None:
        query = query.where(audit.c.audit_id < before)
    rows = tx.execute(query.order_by(audit.c.audit_id.desc()).limit(limit)).mappings()
    return [Entry(**{**row, "action": Audited(row["action"])}) for row in rows]
