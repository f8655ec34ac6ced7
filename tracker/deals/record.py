"""Record what the CRM says of a deal: its states, its people and its ledger, derived anew from all its changes.

The same reference again is an amendment, never a second deal; the same words again change nothing. Who the named
people are is told by the caller (identity finds them), and credit follows in flow.py.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select

from tracker.clock import local_day
from tracker.db.schema import crm_changes, deal_contacts, deal_entries, deal_states, deals
from tracker.db.store import Tx
from tracker.db.writes import chunks, upsert
from tracker.deals.ledger import Change, Deal, Recorded, replay
from tracker.deals.states import State, states_of
from tracker.ids import derive
from tracker.vocabulary import CrmChangeKind


@dataclass(frozen=True, slots=True)
class DealSaid:
    """What one call said of a deal: `fields` in the API's words, only those given, already of the right types."""

    site_id: int
    reference: str
    changed_at: datetime
    received_at: datetime
    fields: Mapping[str, Any]


def deal_id_of(site_id: int, reference: str) -> str:
    """A deal's id follows from the site and the CRM's reference."""
    return derive("deal", site_id, reference)


def history(tx: Tx, site_id: int, reference: str) -> list[Change]:
    """All that was said of a deal, in the order in which it happened."""
    return histories(tx, site_id, [reference]).get(reference, [])


def histories(tx: Tx, site_id: int, references: Iterable[str]) -> dict[str, list[Change]]:
    """The same of several deals, by reference; those of which nothing was said are left out."""
    found: dict[str, list[Change]] = {}
    row = crm_changes.c
    for some in chunks(references):
        query = select(row.key, row.changed_at, row.seq, row.payload).where(
            row.site_id == site_id, row.kind == CrmChangeKind.DEAL.value, row.key.in_(some)
        )
        for reference, *change in tx.execute(query.order_by(row.changed_at, row.seq)):
            found.setdefault(reference, []).append(Change(*change))
    return found


def hear(tx: Tx, said: DealSaid, default_currency: str) -> bool:
    """Keep what was said if it changes the deal; return whether it does.

    raises  Invalid: the deal would contradict itself; nothing is kept
    """
    known = history(tx, said.site_id, said.reference)
    newest = Change(said.changed_at, max((change.seq for change in known), default=0) + 1, said.fields)
    after = replay([*known, newest], default_currency)
    if known and same(replay(known, default_currency), after):
        return False
    row = {
        "site_id": said.site_id,
        "kind": CrmChangeKind.DEAL.value,
        "key": said.reference,
        "payload": dict(said.fields),
        "changed_at": said.changed_at,
        "received_at": said.received_at,
    }
    tx.execute(insert(crm_changes), [row])
    return True


def same(before: Recorded, after: Recorded) -> bool:
    """Whether two replays tell the same deal and the same way to it, but for when it was last spoken of."""
    if before.entries != after.entries or stands(before.deal) != stands(after.deal):
        return False
    return states_of(before.steps) == states_of(after.steps)


def stands(deal: Deal) -> tuple[Any, ...]:
    """All of a deal but when it was last spoken of."""
    return tuple(getattr(deal, name) for name in Deal.__dataclass_fields__ if name != "changed_at")


def record(
    tx: Tx,
    site_id: int,
    reference: str,
    *,
    default_currency: str,
    timezone: str,
    people: Callable[[str, str, datetime], str],
) -> set[str]:
    """Derive the deal's rows from its history; return the contacts that have or had a part in it.

    people  gives the contact id of one reference (by 'id', 'email' or 'crm_id'; value; when it was first said)
    """
    changes = history(tx, site_id, reference)
    recorded = replay(changes, default_currency)
    deal_id, deal = deal_id_of(site_id, reference), recorded.deal
    # Everybody ever named is known from then on, also who is on the deal no more.
    ever = {ref: people(*ref, at) for ref, at in first_named(changes).items()}
    named = {ever[ref] for ref in deal.contacts}
    before = set(tx.execute(select(deal_contacts.c.contact_id).where(deal_contacts.c.deal_id == deal_id)).scalars())
    upsert(tx, deals, [deal_row(site_id, deal_id, reference, deal)])
    if named != before:
        tx.execute(delete(deal_contacts).where(deal_contacts.c.deal_id == deal_id))
        if named:
            tx.execute(insert(deal_contacts), [{"deal_id": deal_id, "contact_id": one} for one in sorted(named)])
    tx.execute(delete(deal_entries).where(deal_entries.c.deal_id == deal_id))
    rows = [
        {
            "deal_id": deal_id,
            "position": position,
            "site_id": site_id,
            "kind": entry.kind.value,
            "amount_minor": entry.amount_minor,
            "currency": entry.currency,
            "occurred_at": entry.occurred_at,
            "day": local_day(entry.occurred_at, timezone),
        }
        for position, entry in enumerate(recorded.entries)
    ]
    if rows:
        tx.execute(insert(deal_entries), rows)
    tx.execute(delete(deal_states).where(deal_states.c.deal_id == deal_id))
    states = states_of(recorded.steps)
    tx.execute(insert(deal_states), [state_row(site_id, deal_id, n, one, timezone) for n, one in enumerate(states)])
    return set(ever.values()) | before


def first_named(changes: Sequence[Change]) -> dict[tuple[str, str], datetime]:
    """Everybody whom these changes, in time order, name, and when first."""
    found: dict[tuple[str, str], datetime] = {}
    for change in changes:
        for ref in change.fields.get("contacts", ()):
            found.setdefault((ref["by"], ref["value"]), change.changed_at)
    return found


def state_row(site_id: int, deal_id: str, position: int, state: State, timezone: str) -> dict[str, Any]:
    """The row of one of a deal's states."""
    return {
        "deal_id": deal_id,
        "position": position,
        "site_id": site_id,
        "from_at": state.from_at,
        "to_at": state.to_at,
        "from_day": local_day(state.from_at, timezone),
        "to_day": None if state.to_at is None else local_day(state.to_at, timezone),
        "pipeline": state.pipeline,
        "stage": state.stage,
        "stage_at": state.stage_at,
        "status": state.status.value,
        "amount_minor": state.amount_minor,
        "currency": state.currency,
        "probability_bp": state.probability_bp,
        "lost_reason": state.lost_reason,
        "closed_day": None if state.closed_at is None else local_day(state.closed_at, timezone),
    }


def deal_row(site_id: int, deal_id: str, reference: str, deal: Deal) -> dict[str, Any]:
    """The deal's row."""
    return {
        "deal_id": deal_id,
        "site_id": site_id,
        "reference": reference,
        "name": deal.name,
        "pipeline": deal.pipeline,
        "stage": deal.stage,
        "probability_bp": deal.probability_bp,
        "lost_reason": deal.lost_reason,
        "status": deal.status.value,
        "type": deal.type.value,
        "amount_minor": deal.amount_minor,
        "refunded_minor": deal.refunded_minor,
        "currency": deal.currency,
        "company_domain": deal.company_domain,
        "created_at": deal.created_at,
        "closed_at": deal.closed_at,
        "changed_at": deal.changed_at,
    }
