"""Stitch: tie an identification to a contact, and the visitor's browser to that contact.

A contact is founded by the first identifier that names it; once an identifier has an owner it keeps it. Two contacts
are never merged here: what would need it is a Conflict, told to whoever asked. Nothing depends on the order in which
things arrived (docs/adr/0009).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select

from tracker.clock import local_day
from tracker.db.schema import (
    contacts,
    crm_changes,
    identifications,
    identifiers,
    links,
    visit_hits,
    visits,
)
from tracker.db.store import Tx
from tracker.db.writes import among, chunks, drop, insert_once, lock, upsert
from tracker.errors import Conflict, NotFound
from tracker.identity.graph import Named, spans
from tracker.identity.normalise import company_domain_of
from tracker.identity.told import NOTHING, Said, told_of
from tracker.ids import derive
from tracker.vocabulary import CrmChangeKind, IdentificationKind, IdentifierKind


@dataclass(frozen=True, slots=True)
class Identification:
    """Somebody was named.

    email, crm_id   normalised; at least one
    visitor_no      the browser on which it happened, if any
    hit_seq         the hit that is the evidence, if any
    evidence        what the row's id is derived from: the same evidence is the same row
    conversation    of a chat on the site's pages, which one; a contact has it once as a lead event
    """

    site_id: int
    kind: IdentificationKind
    occurred_at: datetime
    evidence: str
    email: str | None = None
    crm_id: str | None = None
    visitor_no: int | None = None
    hit_seq: int | None = None
    conversation: str | None = None


def owner_of(tx: Tx, site_id: int, email: str | None, crm_id: str | None) -> str | None:
    """The contact that these identifiers name, or None; raises Conflict where they name two, or a second CRM id."""
    named = [(IdentifierKind.EMAIL, email), (IdentifierKind.CRM_ID, crm_id)]
    owners = {kind: owner for kind, value in named if value and (owner := owner_by(tx, site_id, kind, value))}
    if len(set(owners.values())) > 1:
        raise Conflict(f"CRM id {crm_id!r} and e-mail {email!r} are two contacts", field="crm_id")
    owner = next(iter(owners.values()), None)
    if owner and crm_id and IdentifierKind.CRM_ID not in owners:
        other = tx.execute(
            select(identifiers.c.value).where(
                identifiers.c.contact_id == owner, identifiers.c.kind == IdentifierKind.CRM_ID.value
            )
        ).scalar()
        if other is not None:
            raise Conflict(f"the contact of e-mail {email!r} has another CRM id, {other!r}", field="crm_id")
    return owner


def owner_by(tx: Tx, site_id: int, kind: IdentifierKind, value: str) -> str | None:
    """The contact that owns one identifier."""
    return tx.execute(
        select(identifiers.c.contact_id).where(
            identifiers.c.site_id == site_id, identifiers.c.kind == kind.value, identifiers.c.value == value
        )
    ).scalar()


def stitch(tx: Tx, one: Identification, timezone: str) -> str:
    """The contact of an identification, founded if need be; the row is written once. Call relink and refresh after.

    raises  Conflict: the identifiers belong to two contacts
    """
    contact_id = owner_of(tx, one.site_id, one.email, one.crm_id)
    if contact_id is None:
        contact_id = founded_by(one)
        insert_once(tx, contacts, [contact_row(one, contact_id, timezone)])
    insert_once(tx, identifiers, [identifier_row(one, kind, value, contact_id) for kind, value in names_of(one)])
    write_identifications(tx, [(one, contact_id)])
    return contact_id


def stitch_all(tx: Tx, ones: Sequence[Identification], timezone: str) -> list[str]:
    """The contact of each of these identifications of one site, as stitch gives it for one after the other.

    ones  with one identifier each, so that nobody is named as two; held by lock_names
    """
    if not ones:
        return []
    owners = owners_by(tx, ones[0].site_id, {name for one in ones for name in names_of(one)})
    contact_rows: list[dict[str, Any]] = []
    identifier_rows: list[dict[str, Any]] = []
    found: list[str] = []
    for one in ones:
        ((kind, value),) = names_of(one)
        if (kind, value) not in owners:
            owners[kind, value] = founded_by(one)
            contact_rows.append(contact_row(one, owners[kind, value], timezone))
            identifier_rows.append(identifier_row(one, kind, value, owners[kind, value]))
        found.append(owners[kind, value])
    insert_once(tx, contacts, contact_rows)
    insert_once(tx, identifiers, identifier_rows)
    write_identifications(tx, list(zip(ones, found, strict=True)))
    return found


def names_of(one: Identification) -> list[tuple[IdentifierKind, str]]:
    """The identifiers that an identification gives."""
    given = ((IdentifierKind.EMAIL, one.email), (IdentifierKind.CRM_ID, one.crm_id))
    return [(kind, value) for kind, value in given if value]


def founded_by(one: Identification) -> str:
    """The id of the contact that an identification founds: of the e-mail address where both are given."""
    kind, value = ("email", one.email) if one.email else ("crm_id", one.crm_id)
    return derive("contact", one.site_id, kind, value or "")


def owners_by(
    tx: Tx, site_id: int, names: Iterable[tuple[IdentifierKind, str]]
) -> dict[tuple[IdentifierKind, str], str]:
    """The contacts that own these identifiers."""
    wanted = set(names)
    rows = tx.execute(
        select(identifiers.c.kind, identifiers.c.value, identifiers.c.contact_id).where(
            identifiers.c.site_id == site_id,
            identifiers.c.kind.in_([kind.value for kind in IdentifierKind]),
            among(tx, identifiers.c.value, sorted({value for _, value in wanted})),
        )
    )
    return {(IdentifierKind(kind), value): owner for kind, value, owner in rows if (kind, value) in wanted}


def contact_row(one: Identification, contact_id: str, timezone: str) -> dict[str, Any]:
    """The row of a contact that is new."""
    return {
        "contact_id": contact_id,
        "site_id": one.site_id,
        "email": one.email,
        "crm_id": one.crm_id,
        "company_domain": company_domain_of(one.email),
        "properties": {},
        "lead_at": one.occurred_at,
        "lead_day": local_day(one.occurred_at, timezone),
        "updated_at": one.occurred_at,
    }


def identifier_row(one: Identification, kind: IdentifierKind, value: str, contact_id: str) -> dict[str, Any]:
    """The row of one identifier."""
    return {"site_id": one.site_id, "kind": kind.value, "value": value, "contact_id": contact_id}


def write_identifications(tx: Tx, named: Sequence[tuple[Identification, str]]) -> None:
    """Keep each evidence once, under the earliest time at which it was told."""
    ids = [derive("identification", one.site_id, one.evidence) for one, _ in named]
    known: dict[str, datetime] = {
        row.identification_id: row.occurred_at
        for row in tx.execute(
            select(identifications.c.identification_id, identifications.c.occurred_at).where(
                among(tx, identifications.c.identification_id, ids)
            )
        )
    }
    rows = [
        {
            "identification_id": identification_id,
            "site_id": one.site_id,
            "contact_id": contact_id,
            "visitor_no": one.visitor_no,
            "hit_seq": one.hit_seq,
            "kind": one.kind.value,
            "conversation": one.conversation,
            "occurred_at": min(one.occurred_at, known.get(identification_id, one.occurred_at)),
        }
        for identification_id, (one, contact_id) in zip(ids, named, strict=True)
    ]
    upsert(tx, identifications, rows)


def relink(tx: Tx, visitor_nos: Iterable[int]) -> set[str]:
    """Share these visitors' time anew among the contacts named on them; return all contacts that have or had a part."""
    named: dict[int, list[Named]] = {}
    rows = tx.execute(
        select(
            identifications.c.visitor_no,
            identifications.c.occurred_at,
            identifications.c.contact_id,
            visits.c.started_at,
        )
        .outerjoin(visit_hits, visit_hits.c.hit_seq == identifications.c.hit_seq)
        .outerjoin(visits, visits.c.visit_id == visit_hits.c.visit_id)
        .where(among(tx, identifications.c.visitor_no, sorted(set(visitor_nos))))
    )
    for number, occurred_at, contact_id, started_at in rows:
        named.setdefault(number, []).append(Named(occurred_at, started_at or occurred_at, contact_id))
    if not named:
        return set()
    touched = set(tx.execute(select(links.c.contact_id).where(among(tx, links.c.visitor_no, sorted(named)))).scalars())
    new = [
        {
            "visitor_no": number,
            "position": position,
            "contact_id": span.contact_id,
            "from_at": span.from_at,
            "to_at": span.to_at,
        }
        for number, ones in named.items()
        for position, span in enumerate(spans(ones))
    ]
    drop(tx, links.c.visitor_no, sorted(named))
    tx.execute(insert(links), new)
    return touched | {str(row["contact_id"]) for row in new}


def refresh(tx: Tx, contact_ids: Iterable[str], timezone: str) -> None:
    """Derive the contacts' rows from their evidence: identifications, forms and what the CRM said, in time order."""
    for some in chunks(sorted(set(contact_ids))):
        lock(
            tx,
            select(contacts.c.contact_id).where(contacts.c.contact_id.in_(some)).order_by(contacts.c.contact_id),
        )
        said = crm_says(tx, some)
        told = told_of(tx, some, timezone)
        leads: dict[str, datetime] = {}
        for contact_id, occurred_at in tx.execute(
            select(identifications.c.contact_id, identifications.c.occurred_at).where(
                identifications.c.contact_id.in_(some)
            )
        ):
            leads[contact_id] = min(occurred_at, leads.get(contact_id, occurred_at))
        rows = tx.execute(select(contacts).where(contacts.c.contact_id.in_(some))).mappings().all()
        upsert(tx, contacts, [refreshed(row, said, told, leads, timezone) for row in rows])


def refreshed(
    row: Mapping[Any, Any],
    said: Mapping[str, Mapping[str, Any]],
    told: Mapping[str, Mapping[str, Said]],
    leads: Mapping[str, datetime],
    timezone: str,
) -> dict[str, Any]:
    """One contact's row from its evidence: what a CRM says (also that there is none), else what was told first."""
    contact_id = row["contact_id"]
    crm = said.get(contact_id, {})
    first = {name: one.value for name, one in told.get(contact_id, NOTHING).items()}
    email = crm.get("email") or row["email"]
    lead_at = leads.get(contact_id, row["lead_at"])
    return {
        "contact_id": contact_id,
        "site_id": row["site_id"],
        "email": email,
        "crm_id": crm.get("crm_id") or row["crm_id"],
        "phone": crm.get("phone", first.get("phone")),
        "name": crm.get("name", first.get("name")),
        "company_name": crm.get("company_name", first.get("company_name")),
        "company_domain": crm.get("company_domain") or company_domain_of(email),
        "properties": crm.get("properties", {}),
        "lead_at": lead_at,
        "lead_day": local_day(lead_at, timezone),
        "updated_at": crm.get("changed_at", lead_at),
    }


def crm_says(tx: Tx, contact_ids: list[str]) -> dict[str, dict[str, Any]]:
    """Per contact the fields that the CRM gave, the later over the earlier."""
    said: dict[str, dict[str, Any]] = {}
    rows = tx.execute(
        select(crm_changes.c.key, crm_changes.c.payload, crm_changes.c.changed_at)
        .where(crm_changes.c.kind == CrmChangeKind.CONTACT.value, crm_changes.c.key.in_(contact_ids))
        .order_by(crm_changes.c.changed_at, crm_changes.c.seq)
    )
    for key, payload, changed_at in rows:
        known = said.setdefault(key, {})
        properties = {**known.get("properties", {}), **payload.get("properties", {})}
        said[key] = {**known, **payload, "properties": properties, "changed_at": changed_at}
    return said


def find_contact(tx: Tx, site_id: int, *, contact_id: str = "", email: str = "", crm_id: str = "") -> str:
    """The id of a known contact by one of its names; raises NotFound."""
    if contact_id:
        query = select(contacts.c.contact_id).where(contacts.c.site_id == site_id, contacts.c.contact_id == contact_id)
        found: str | None = tx.execute(query).scalar()
    else:
        found = owner_of(tx, site_id, email or None, crm_id or None)
    if found is None:
        raise NotFound(f"no contact {contact_id or email or crm_id!r}")
    return found
