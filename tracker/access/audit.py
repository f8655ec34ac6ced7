"""The audit log: who changed what, when. Written in the transaction of the change, never changed afterwards."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, insert, select

from tracker.db.schema import audit
from tracker.db.store import Tx
from tracker.vocabulary import Audited

COMMAND_LINE = "command line"
MOST_ACTORS = 200


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


@dataclass(frozen=True, slots=True)
class Asked:
    """Which lines of the log are wanted.

    everywhere  also those that are about no site: users of all sites, sites, tokens; for who may do all everywhere
    action      only of this kind; actor: only of this one; None: of any
    """

    site_id: int
    everywhere: bool = False
    action: Audited | None = None
    actor: str | None = None


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

    site_id  None: it is about the installation, and only who may do all on every site reads it
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


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What of two states differs, as a note's details: {"before": {name: value}, "after": {name: value}}."""
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return {"before": {name: before.get(name) for name in names}, "after": {name: after.get(name) for name in names}}


def entries(tx: Tx, asked: Asked, limit: int, before: int | None = None, after: int | None = None) -> list[Entry]:
    """Lines of the log, newest first: the newest of all, those right before an entry, or those right after one."""
    query = select(audit).where(*wanted(asked))
    if after is not None:
        rows = tx.execute(query.where(audit.c.audit_id > after).order_by(audit.c.audit_id).limit(limit)).mappings()
        return [entry_of(row) for row in rows][::-1]
    if before is not None:
        query = query.where(audit.c.audit_id < before)
    rows = tx.execute(query.order_by(audit.c.audit_id.desc()).limit(limit)).mappings()
    return [entry_of(row) for row in rows]


def actors(tx: Tx, asked: Asked) -> list[str]:
    """Who stands in the log that the reader may see, whatever they asked for; sorted, at most MOST_ACTORS."""
    mine = Asked(asked.site_id, asked.everywhere)
    query = select(audit.c.actor).distinct().where(*wanted(mine)).order_by(audit.c.actor).limit(MOST_ACTORS)
    return list(tx.execute(query).scalars())


def wanted(asked: Asked) -> list[ColumnElement[bool]]:
    """The conditions of what is asked for."""
    own = audit.c.site_id == asked.site_id
    conditions = [own | audit.c.site_id.is_(None) if asked.everywhere else own]
    if asked.action is not None:
        conditions.append(audit.c.action == asked.action.value)
    if asked.actor is not None:
        conditions.append(audit.c.actor == asked.actor)
    return conditions


def entry_of(row: RowMapping) -> Entry:
    """A row as a record."""
    return Entry(**{**row, "action": Audited(row["action"])})
