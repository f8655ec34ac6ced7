"""What forms, chats, calls and events told of people beside their address: phone number, name, company.

Of each the first that was told stands, and gives way to what a CRM says. Read by refresh and by the contact's page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import select

from tracker.db.schema import calls, hits, identifications
from tracker.db.store import Tx
from tracker.phones import phone_of
from tracker.vocabulary import IdentificationKind


@dataclass(frozen=True, slots=True)
class Said:
    """One thing that was told of a contact, by what and when."""

    value: str
    kind: IdentificationKind
    occurred_at: datetime


NOTHING: Mapping[str, Said] = MappingProxyType({})


def told_of(tx: Tx, contact_ids: Sequence[str], timezone: str) -> Mapping[str, Mapping[str, Said]]:
    """Per contact what was told first, by column: phone (E.164), name, company_name; what nobody told is missing."""
    evidence = (hits.c.occurred_at, hits.c.hit_id, hits.c.details)
    named = (
        select(identifications.c.contact_id, identifications.c.kind, *evidence)
        .join(hits, hits.c.seq == identifications.c.hit_seq)
        .where(identifications.c.contact_id.in_(contact_ids))
    )
    # Calls of their browsers, which named nobody.
    called = (
        select(calls.c.contact_id, hits.c.kind, *evidence)
        .join(hits, hits.c.seq == calls.c.hit_seq)
        .where(calls.c.contact_id.in_(contact_ids))
    )
    rows = [*tx.execute(named), *tx.execute(called)]
    found: dict[str, dict[str, Said]] = {}
    for contact_id, kind, occurred_at, _, details in sorted(rows, key=lambda row: (row[2], row[3])):
        for name, value in values_in(details, timezone).items():
            said = Said(value, IdentificationKind(kind), occurred_at)
            found.setdefault(contact_id, {}).setdefault(name, said)
    return found


def values_in(details: Mapping[str, Any], timezone: str) -> dict[str, str]:
    """What one hit told, by column of a contact."""
    fields = details.get("fields", {})
    told = {
        "phone": phone_of(str(details.get("identifiers", {}).get("phone", "")), timezone)
        or details.get("call", {}).get("caller"),
        "name": fields.get("name"),
        "company_name": fields.get("company"),
    }
    return {name: value for name, value in told.items() if value}
