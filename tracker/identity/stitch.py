"""Stitch: tie an identification to a contact, and the visitor's browser to that contact.

A contact is founded by the first identifier that names it; once an identifier has an owner it keeps it. Two contacts
are never merged here: what would need it is a Conflict, told to whoever asked. Nothing depends on the order in which
things arrived (docs/adr/0009). While a contact is merged (merge.py), its rows bear the other's id as contact_id and its
own as own_id.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Text, bindparam, insert, literal, select, update

from tracker.clock import local_day
from tracker.db.schema import (
    contacts,
    crm_changes,
    identifications,
    identifiers,
    links,
    merges,
    sites,
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


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose an identifier is; own_id: whose it would be if nobody were merged."""

    contact_id: str
    own_id: str


Name = tuple[IdentifierKind, str]


def owner_of(tx: Tx, site_id: int, email: str | None, crm_id: str | None) -> Owner | None:
    """Whom these identifiers name, or None; raises Conflict where they name two, or a second CRM id.

    Of two that are merged its own is the e-mail address's.
    """
    named = [(IdentifierKind.EMAIL, email), (IdentifierKind.CRM_ID, crm_id)]
    owners = owners_by(tx, site_id, [(kind, value) for kind, value in named if value])
    found = {kind: owner for (kind, _), owner in sorted(owners.items(), reverse=True)}
    contact_ids = [owner.contact_id for owner in found.values()]
    if len(set(contact_ids)) > 1:
        mail, crm = contact_ids
        raise Conflict(
            f"CRM id {crm_id!r} and e-mail {email!r} are two contacts: send one of the two, or, if they are one "
            f"person, first POST /contacts/{mail}/merge with the body "
            f'{{"into": {{"id": "{crm}"}}}}',
            field="crm_id",
        )
    owner = next(iter(found.values()), None)
    if owner and crm_id and IdentifierKind.CRM_ID not in found:
        other = tx.execute(
            select(identifiers.c.value)
            .where(identifiers.c.contact_id == owner.contact_id, identifiers.c.kind == IdentifierKind.CRM_ID.value)
            .order_by(identifiers.c.value)
        ).scalar()
        if other is not None:
            raise Conflict(
                f"the contact of e-mail {email!r} has another CRM id, {other!r}: if they are one person, tell of "
                f"{crm_id!r} alone and merge the two",
                field="crm_id",
            )
    return owner


def stitch(tx: Tx, one: Identification, timezone: str) -> str:
    """The contact of an identification, founded if need be; the row is written once. Call relink and refresh after.

    raises  Conflict: the identifiers belong to two contacts
    """
    owner = owner_of(tx, one.site_id, one.email, one.crm_id) or found(tx, one, timezone)
    insert_once(tx, identifiers, [identifier_row(one.site_id, name, owner) for name in names_of(one)])
    write_identifications(tx, [(one, owner)])
    return owner.contact_id


def found(tx: Tx, one: Identification, timezone: str) -> Owner:
    """Found the contact of an identification whose names nobody has."""
    owner = founded_by(one)
    insert_once(tx, contacts, [contact_row(one.site_id, owner.own_id, one.occurred_at, timezone)])
    insert_once(tx, identifiers, [identifier_row(one.site_id, name, owner) for name in names_of(one)])
    return owner


def stitch_all(tx: Tx, ones: Sequence[Identification], timezone: str) -> list[str]:
    """The contact of each of these identifications of one site, as stitch gives it for one after the other.

    ones  with one identifier each, so that nobody is named as two; held by lock_names
    """
    if not ones:
        return []
    owners = owners_by(tx, ones[0].site_id, {name for one in ones for name in names_of(one)})
    contact_rows: list[dict[str, Any]] = []
    identifier_rows: list[dict[str, Any]] = []
    named: list[tuple[Identification, Owner]] = []
    for one in ones:
        (name,) = names_of(one)
        if name not in owners:
            owners[name] = founded_by(one)
            contact_rows.append(contact_row(one.site_id, owners[name].own_id, one.occurred_at, timezone))
            identifier_rows.append(identifier_row(one.site_id, name, owners[name]))
        named.append((one, owners[name]))
    insert_once(tx, contacts, contact_rows)
    insert_once(tx, identifiers, identifier_rows)
    write_identifications(tx, named)
    return [owner.contact_id for _, owner in named]


def names_of(one: Identification) -> list[Name]:
    """The identifiers that an identification gives."""
    given = ((IdentifierKind.EMAIL, one.email), (IdentifierKind.CRM_ID, one.crm_id))
    return [(kind, value) for kind, value in given if value]


def founded_by(one: Identification) -> Owner:
    """The contact that an identification founds: its id is that of the e-mail address where both are given."""
    contact_id = founded_id(one.site_id, names_of(one)[0])
    return Owner(contact_id, contact_id)


def founded_id(site_id: int, name: Name) -> str:
    """The id of the contact that an identifier founds."""
    return derive("contact", site_id, name[0].value, name[1])


def owners_by(tx: Tx, site_id: int, names: Iterable[Name]) -> dict[Name, Owner]:
    """Whose these identifiers are; what nobody has is missing."""
    wanted = set(names)
    rows = tx.execute(
        select(identifiers.c.kind, identifiers.c.value, identifiers.c.contact_id, identifiers.c.own_id).where(
            identifiers.c.site_id == site_id,
            identifiers.c.kind.in_([kind.value for kind in IdentifierKind]),
            among(tx, identifiers.c.value, sorted({value for _, value in wanted})),
        )
    )
    return {(IdentifierKind(kind), value): Owner(*ids) for kind, value, *ids in rows if (kind, value) in wanted}


def names_by(tx: Tx, contact_ids: Iterable[str]) -> dict[str, dict[Name, str]]:
    """Per contact all that names it, and whose own each is: its own, or one's that is merged into it."""
    found: dict[str, dict[Name, str]] = {}
    for some in chunks(contact_ids):
        rows = tx.execute(
            select(identifiers.c.contact_id, identifiers.c.kind, identifiers.c.value, identifiers.c.own_id)
            .where(identifiers.c.contact_id.in_(some))
            .order_by(identifiers.c.kind.desc(), identifiers.c.value)
        )
        for contact_id, kind, value, own_id in rows:
            found.setdefault(contact_id, {})[IdentifierKind(kind), value] = own_id
    return found


def contact_row(site_id: int, contact_id: str, at: datetime, timezone: str) -> dict[str, Any]:
    """The row of a contact that is new; refresh gives it what is known."""
    return {
        "contact_id": contact_id,
        "site_id": site_id,
        "properties": {},
        "lead_at": at,
        "lead_day": local_day(at, timezone),
        "updated_at": at,
    }


def identifier_row(site_id: int, name: Name, owner: Owner) -> dict[str, Any]:
    """The row of one identifier."""
    kind, value = name
    row = {"site_id": site_id, "kind": kind.value, "value": value}
    return {**row, "contact_id": owner.contact_id, "own_id": owner.own_id}


def write_identifications(tx: Tx, named: Sequence[tuple[Identification, Owner]]) -> None:
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
            "contact_id": owner.contact_id,
            "own_id": owner.own_id,
            "visitor_no": one.visitor_no,
            "hit_seq": one.hit_seq,
            "kind": one.kind.value,
            "conversation": one.conversation,
            "occurred_at": min(one.occurred_at, known.get(identification_id, one.occurred_at)),
        }
        for identification_id, (one, owner) in zip(ids, named, strict=True)
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
        names = names_by(tx, some)
        said = crm_says(tx, some, names)
        told = told_of(tx, some, timezone)
        leads: dict[str, datetime] = {}
        for contact_id, occurred_at in tx.execute(
            select(identifications.c.contact_id, identifications.c.occurred_at).where(
                identifications.c.contact_id.in_(some)
            )
        ):
            leads[contact_id] = min(occurred_at, leads.get(contact_id, occurred_at))
        rows = tx.execute(select(contacts).where(contacts.c.contact_id.in_(some))).mappings().all()
        # Whom nothing names is merged, and about to go.
        known = [row for row in rows if row["contact_id"] in names]
        now = [(row, refreshed(row, names, said, told, leads, timezone)) for row in known]
        # To write a row again as it is would touch each of the indexes by which lists of people are found.
        others = [
            {"whose": new.pop("contact_id"), **new}
            for row, new in now
            if any(row[name] != value for name, value in new.items())
        ]
        if others:
            tx.execute(update(contacts).where(contacts.c.contact_id == bindparam("whose")), others)


def refreshed(
    row: Mapping[Any, Any],
    names: Mapping[str, Mapping[Name, str]],
    said: Mapping[str, Mapping[str, Any]],
    told: Mapping[str, Mapping[str, Said]],
    leads: Mapping[str, datetime],
    timezone: str,
) -> dict[str, Any]:
    """One contact's row from its evidence: what a CRM says (also that there is none), else what was told first."""
    contact_id = row["contact_id"]
    crm = said.get(contact_id, {})
    first = {name: one.value for name, one in told.get(contact_id, NOTHING).items()}
    founders = [name for name, own_id in names[contact_id].items() if founded_id(row["site_id"], name) == own_id]
    founders.sort(key=lambda name: names[contact_id][name] != contact_id)
    emails = [value for kind, value in founders if kind is IdentifierKind.EMAIL]
    email = crm.get("email") or next(iter(emails), None)
    domains = [company_domain_of(one) for one in (email, *others_of(names[contact_id], contact_id, emails))]
    lead_at = leads.get(contact_id, row["lead_at"])
    return {
        "contact_id": contact_id,
        "site_id": row["site_id"],
        "email": email,
        "crm_id": crm.get("crm_id") or next((value for kind, value in founders if kind is IdentifierKind.CRM_ID), None),
        "phone": crm.get("phone", first.get("phone")),
        "name": crm.get("name", first.get("name")),
        "company_name": crm.get("company_name", first.get("company_name")),
        "company_domain": crm.get("company_domain") or next(filter(None, domains), None),
        "properties": crm.get("properties", {}),
        "score": crm.get("score"),
        "lead_at": lead_at,
        "lead_day": local_day(lead_at, timezone),
        "updated_at": crm.get("changed_at", lead_at),
    }


def others_of(names: Mapping[Name, str], contact_id: str, emails: Iterable[str]) -> list[str]:
    """Those of a contact's addresses that are the own of somebody merged into it."""
    return [email for email in emails if names[IdentifierKind.EMAIL, email] != contact_id]


def crm_says(
    tx: Tx,
    contact_ids: Iterable[str],
    names: Mapping[str, Mapping[Name, str]] | None = None,
    until: datetime | None = None,
) -> dict[str, dict[str, Any]]:
    """Per contact the fields that the CRM gave, the later over the earlier, also of those merged into it.

    names  what names_by gives of the contacts
    until  only what it said of the time up to then
    """
    of_contact = names_by(tx, contact_ids) if names is None else names
    whose = {own_id: contact_id for contact_id, own in of_contact.items() for own_id in own.values()}
    said: dict[str, dict[str, Any]] = {}
    for own_id, payload, changed_at in words_of(tx, whose, until):
        contact_id = whose[own_id]
        known = said.setdefault(contact_id, {})
        said[contact_id] = added(known, named_by_own(payload, known, contact_id, of_contact[contact_id]), changed_at)
    return said


def crm_said(tx: Tx, own_id: str, until: datetime) -> dict[str, Any]:
    """The fields that the CRM gave of a contact by its own names, of the time up to then."""
    said: dict[str, Any] = {}
    for _, payload, changed_at in words_of(tx, [own_id], until):
        said = added(said, payload, changed_at)
    return said


def words_of(tx: Tx, own_ids: Iterable[str], until: datetime | None = None) -> list[Any]:
    """What CRMs said of contacts by their own names, as (own_id, payload, changed_at), in order of time."""
    found: list[Any] = []
    for some in chunks(sorted(own_ids)):
        query = select(crm_changes.c.key, crm_changes.c.payload, crm_changes.c.changed_at, crm_changes.c.seq)
        found += tx.execute(
            query.where(
                crm_changes.c.site_id.in_(select(sites.c.site_id)),  # the index begins with the site
                crm_changes.c.kind == CrmChangeKind.CONTACT.value,
                crm_changes.c.key.in_(some),
            )
        ).all()
    ordered = sorted(found, key=lambda row: (row[2], row[3]))
    return [(own_id, payload, at) for own_id, payload, at, _ in ordered if until is None or at <= until]


def is_news(said: Mapping[str, Any], fields: Mapping[str, Any]) -> bool:
    """Whether a CRM's words add to what it said of a contact before; of properties only those given count."""
    given = {**fields, **{f"properties {name}": value for name, value in fields.get("properties", {}).items()}}
    known = {**said, **{f"properties {name}": value for name, value in said.get("properties", {}).items()}}
    return any(known.get(name) != value for name, value in given.items() if name != "properties")


def added(known: Mapping[str, Any], payload: Mapping[str, Any], changed_at: datetime) -> dict[str, Any]:
    """What is known of a contact with later words over it, as of when they last added anything.

    Of properties only those given change.
    """
    if known and not is_news(known, payload):
        return dict(known)
    properties = {**known.get("properties", {}), **payload.get("properties", {})}
    return {**known, **payload, "properties": properties, "changed_at": changed_at}


def named_by_own(
    payload: Mapping[str, Any], known: Mapping[str, Any], contact_id: str, own: Mapping[Name, str]
) -> dict[str, Any]:
    """Words without a name that is another contact's since the two were split, or that is less its own than the known.

    A merged contact has two CRM ids: the one of who stays is shown.
    """
    names = {(kind, str(payload[kind.value])) for kind in IdentifierKind if payload.get(kind.value)}
    crm_id = (IdentifierKind.CRM_ID, known.get("crm_id", ""))
    lost = {kind.value for kind, value in names if (kind, value) not in own}
    if own.get(crm_id) == contact_id and any(own.get(name) != contact_id for name in names if name[0] is crm_id[0]):
        lost.add("crm_id")
    return {name: value for name, value in payload.items() if name not in lost}


def find_contact(tx: Tx, site_id: int, *, contact_id: str = "", email: str = "", crm_id: str = "") -> str:
    """The id of a known contact by one of its names, of the one that stays where it is merged; raises NotFound."""
    if contact_id:
        stays = staying(tx, contact_id)
        query = select(contacts.c.contact_id).where(contacts.c.site_id == site_id, contacts.c.contact_id == stays)
        found_id: str | None = tx.execute(query).scalar()
    else:
        owner = owner_of(tx, site_id, email or None, crm_id or None)
        found_id = owner.contact_id if owner else None
    if found_id is None:
        raise NotFound(f"no contact {(contact_id or email or crm_id)[:40]!r}")
    return found_id


def own_name(tx: Tx, site_id: int, contact_id: str) -> Name:
    """What names a contact itself, though it be merged: it may be split again; raises NotFound.

    One statement, so that a merge at the same moment is seen wholly or not at all.
    """
    one = select(literal(contact_id, Text).label("contact_id")).cte(recursive=True)
    whose = one.union(select(merges.c.into_id).join(one, merges.c.contact_id == one.c.contact_id))
    query = select(identifiers.c.kind, identifiers.c.value).where(
        identifiers.c.site_id == site_id,
        identifiers.c.contact_id.in_(select(whose.c.contact_id)),
        identifiers.c.own_id == contact_id,
    )
    row = tx.execute(query.order_by(identifiers.c.kind.desc(), identifiers.c.value).limit(1)).one_or_none()
    if row is None:
        raise NotFound(f"no contact {contact_id[:40]!r}")
    return IdentifierKind(row.kind), row.value


def staying(tx: Tx, contact_id: str) -> str:
    """Who stays of a contact that may be merged: itself, or whom it was merged into in the end."""
    into: str | None = contact_id
    while into is not None:
        contact_id, into = into, tx.execute(select(merges.c.into_id).where(merges.c.contact_id == into)).scalar()
    return contact_id
