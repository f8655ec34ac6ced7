"""Record how far people are: keep what is said of their stage, and derive their changes from all of it.

The rows follow from the journal and the deals, so running it again, or in another order, gives the same. Who is who is
told by the caller (identity knows), and credit follows in flow.py.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update

from tracker.clock import local_day
from tracker.db.schema import contacts, crm_changes, deal_contacts, deals, stage_changes
from tracker.db.store import Tx
from tracker.db.writes import chunks, lock
from tracker.lifecycle.changes import Change, Win, Word, changes_of, news_of
from tracker.vocabulary import CrmChangeKind, DealStatus, StageCause

# Contacts by their ids, each with its own id and those of the contacts that are merged into it.
Records = Mapping[str, Collection[str]]


@dataclass(frozen=True, slots=True)
class StageSaid:
    """What one call said of a contact's stage.

    own_id  the contact's own id, also while it is merged
    """

    site_id: int
    own_id: str
    stage: str
    cause: StageCause
    by: str
    at: datetime
    received_at: datetime


def hear(tx: Tx, said: StageSaid, contact_id: str, own_ids: Collection[str]) -> bool:
    """Keep what was said unless it is known or changes nothing; return whether it was kept.

    contact_id  the one that stays; own_ids: of it and of those merged into it
    """
    known = words_of(tx, said.site_id, {contact_id: own_ids}).get(contact_id, [])
    if not is_news(said, known, wins_of(tx, [contact_id]).get(contact_id, [])):
        return False
    row = {
        "site_id": said.site_id,
        "kind": CrmChangeKind.STAGE.value,
        "key": said.own_id,
        "payload": {"stage": str(said.stage), "by": said.by, "cause": said.cause.value},
        "changed_at": said.at,
        "received_at": said.received_at,
    }
    tx.execute(insert(crm_changes), [row])
    return True


def is_news(said: StageSaid, known: Sequence[Word], wins: Sequence[Win]) -> bool:
    """Whether a word must be kept.

    Said of the present it must change something. Said of the past it may do so only when a word from in between comes
    later, so it is kept unless it is known.
    """
    word = Word(said.at, said.stage, said.cause, said.by, said.own_id)
    if word in known:
        return False
    if said.at < said.received_at:
        return True
    if word.cause is StageCause.CRM:
        return word in news_of([*known, word])
    return changes_of([*known, word], wins) != changes_of(known, wins)


def record(tx: Tx, site_id: int, timezone: str, records: Records) -> set[str]:
    """Derive the stages of these contacts; return those whose changes are others than they were.

    records  a contact without an own id is merged into another: its rows go
    """
    return {one for some in chunks(sorted(records)) for one in record_some(tx, site_id, timezone, some, records)}


def record_some(tx: Tx, site_id: int, timezone: str, contact_ids: Sequence[str], records: Records) -> set[str]:
    """The same, of so many as one statement may name."""
    own = {one: records[one] for one in contact_ids}
    # Nobody else derives them from less than is known when this is written.
    held = select(contacts.c.contact_id).where(contacts.c.contact_id.in_(contact_ids)).order_by(contacts.c.contact_id)
    lock(tx, held)
    words, wins = words_of(tx, site_id, own), wins_of(tx, contact_ids)
    found = {
        one: [
            row_of(site_id, one, position, change, timezone)
            for position, change in enumerate(changes_of(words.get(one, ()), wins.get(one, ())))
        ]
        if own[one]
        else []
        for one in contact_ids
    }
    known: dict[str, list[dict[str, Any]]] = {}
    query = select(stage_changes).where(stage_changes.c.contact_id.in_(contact_ids))
    for row in tx.execute(query.order_by(stage_changes.c.contact_id, stage_changes.c.position)).mappings():
        known.setdefault(row["contact_id"], []).append(dict(row))
    others = [one for one in contact_ids if found[one] != known.get(one, [])]
    write(tx, {one: found[one] for one in others})
    return set(others)


def write(tx: Tx, found: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Replace the changes of these contacts, and where they stand."""
    if not found:
        return
    tx.execute(delete(stage_changes).where(stage_changes.c.contact_id.in_(sorted(found))))
    if rows := [row for own in found.values() for row in own]:
        tx.execute(insert(stage_changes), rows)
    stands = update(contacts).where(contacts.c.contact_id == bindparam("whose"))
    stands = stands.values(stage=bindparam("now_in"), stage_at=bindparam("since"))
    latest = {one: own[-1] if own else {"stage": None, "occurred_at": None} for one, own in found.items()}
    tx.execute(
        stands,
        [{"whose": one, "now_in": row["stage"], "since": row["occurred_at"]} for one, row in sorted(latest.items())],
    )


def row_of(site_id: int, contact_id: str, position: int, change: Change, timezone: str) -> dict[str, Any]:
    """The row of one change."""
    return {
        "contact_id": contact_id,
        "position": position,
        "site_id": site_id,
        "stage_before": None if change.before is None else str(change.before),
        "stage": str(change.stage),
        "occurred_at": change.at,
        "day": local_day(change.at, timezone),
        "cause": change.cause.value,
        "decided_by": change.by,
        "version": None,
        "evidence": [],
    }


def words_of(tx: Tx, site_id: int, records: Records) -> dict[str, list[Word]]:
    """Per contact what was said of its stage, also of those merged into it."""
    whose = {own_id: contact_id for contact_id, own_ids in records.items() for own_id in own_ids}
    found: dict[str, list[Word]] = {}
    for some in chunks(sorted(whose)):
        query = select(crm_changes.c.key, crm_changes.c.payload, crm_changes.c.changed_at).where(
            crm_changes.c.site_id == site_id,
            crm_changes.c.kind == CrmChangeKind.STAGE.value,
            crm_changes.c.key.in_(some),
        )
        for own_id, told, at in tx.execute(query):
            word = Word(at, told["stage"], StageCause(told["cause"]), told["by"], own_id)
            found.setdefault(whose[own_id], []).append(word)
    return found


def wins_of(tx: Tx, contact_ids: Iterable[str]) -> dict[str, list[Win]]:
    """Per contact the won deals that name it."""
    query = (
        select(deal_contacts.c.contact_id, deals.c.closed_at, deals.c.reference)
        .join(deals, deals.c.deal_id == deal_contacts.c.deal_id)
        .where(
            deal_contacts.c.contact_id.in_(sorted(contact_ids)),
            deals.c.status == DealStatus.WON.value,
            deals.c.closed_at.is_not(None),
        )
    )
    found: dict[str, list[Win]] = {}
    for contact_id, closed_at, reference in tx.execute(query):
        found.setdefault(contact_id, []).append(Win(closed_at, reference))
    return found
