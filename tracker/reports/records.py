"""Contacts, deals and costs as they stand, one or a page at a time: what the API gives back to a CRM.

A page goes on after the last row's key, so rows that come or go meanwhile shift nothing. Writes nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, or_, select

from tracker.access.sites import Site
from tracker.db.schema import contacts, costs, crm_changes, deal_contacts, deal_entries, deals, identifiers, merges
from tracker.db.store import Tx
from tracker.db.writes import chunks
from tracker.deals.record import deal_id_of
from tracker.errors import NotFound
from tracker.identity.stitch import crm_says, names_by, staying
from tracker.identity.told import NOTHING, told_of
from tracker.vocabulary import (
    CrmChangeKind,
    DealStatus,
    DealType,
    EntryKind,
    IdentificationKind,
    IdentifierKind,
)


@dataclass(frozen=True, slots=True)
class Merged:
    """A contact that is merged into another, since when and by whose decision."""

    contact_id: str
    into_id: str
    decided_by: str
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class Contact:
    """A person. `email` is the address the CRM gave last, else the first known; `emails` are all of them.

    stage   of the life cycle, since stage_at; None: nobody told
    score   as the CRM says
    merged  who is merged into it, at once or by way of others, by time
    """

    contact_id: str
    email: str | None
    emails: tuple[str, ...]
    crm_id: str | None
    phone: str | None
    name: str | None
    company_name: str | None
    company_domain: str | None
    properties: Mapping[str, Any]
    stage: str | None
    stage_at: datetime | None
    score: int | None
    lead_at: datetime
    lead_day: str
    updated_at: datetime
    merged: tuple[Merged, ...]


@dataclass(frozen=True, slots=True)
class Person:
    """A contact as a deal names it."""

    contact_id: str
    email: str | None
    crm_id: str | None


@dataclass(frozen=True, slots=True)
class DealRecord:
    """A deal as it stands; amounts in minor units of its currency."""

    deal_id: str
    reference: str
    name: str | None
    pipeline: str | None
    stage: str | None
    probability_bp: int | None
    lost_reason: str | None
    status: DealStatus
    type: DealType
    amount_minor: int
    refunded_minor: int
    currency: str
    company_domain: str | None
    created_at: datetime
    closed_at: datetime | None
    changed_at: datetime
    people: tuple[Person, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """What one call said of a deal, in the journal's words."""

    seq: int
    changed_at: datetime
    received_at: datetime
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Booked:
    """A ledger entry; `net_minor` is the sum of this currency's entries up to it, by date."""

    position: int
    occurred_at: datetime
    day: str
    kind: EntryKind
    amount_minor: int
    net_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class CostRecord:
    """Spend of one source and campaign on one day, by the site's names; amount in minor units of its currency."""

    cost_id: str
    day: str
    channel: str
    source: str
    medium: str
    campaign: str
    told_source: str
    told_medium: str
    told_campaign: str
    amount_minor: int
    currency: str
    clicks: int | None
    impressions: int | None
    updated_at: datetime


def read_contact(tx: Tx, site_id: int, contact_id: str) -> Contact:
    """One contact of a site, or the one that stays of it where it is merged; raises NotFound."""
    query = select(contacts).where(contacts.c.site_id == site_id, contacts.c.contact_id == staying(tx, contact_id))
    found = contacts_of(tx, tx.execute(query).mappings().all())
    if not found:
        raise NotFound(f"no contact {contact_id[:40]!r}")
    return found[0]


def evidence_of(tx: Tx, site: Site, who: Contact) -> dict[str, IdentificationKind]:
    """What told of a contact its phone, name and company_name, by these names; those that it has not are missing."""
    told = told_of(tx, [who.contact_id], site.timezone).get(who.contact_id, NOTHING)
    by_crm = crm_says(tx, [who.contact_id]).get(who.contact_id, {})
    return {
        name: told[name].kind if name in told and name not in by_crm else IdentificationKind.CRM
        for name in ("phone", "name", "company_name")
        if getattr(who, name)
    }


def named_contacts(tx: Tx, site_id: int, kind: IdentifierKind, value: str) -> list[Contact]:
    """The contact that an identifier names, or nobody."""
    query = (
        select(contacts)
        .join(identifiers, identifiers.c.contact_id == contacts.c.contact_id)
        .where(identifiers.c.site_id == site_id, identifiers.c.kind == kind.value, identifiers.c.value == value)
    )
    return contacts_of(tx, tx.execute(query).mappings().all())


def list_contacts(
    tx: Tx,
    site_id: int,
    limit: int,
    after: tuple[datetime, str] | None = None,
    given: Sequence[ColumnElement[bool]] = (),
) -> list[Contact]:
    """Contacts of a site, the newest lead first.

    after  (lead_at, contact_id) of the last one that was read
    given  what else their rows must be
    """
    query = select(contacts).where(contacts.c.site_id == site_id, *given)
    if after is not None:
        lead_at, contact_id = after
        earlier = and_(contacts.c.lead_at == lead_at, contacts.c.contact_id > contact_id)
        query = query.where(or_(contacts.c.lead_at < lead_at, earlier))
    query = query.order_by(contacts.c.lead_at.desc(), contacts.c.contact_id).limit(limit)
    return contacts_of(tx, tx.execute(query).mappings().all())


def contacts_of(tx: Tx, rows: Sequence[Mapping[Any, Any]]) -> list[Contact]:
    """Rows as records, with all the addresses that name each, and who is merged into it."""
    names = names_by(tx, [row["contact_id"] for row in rows])
    merged = merged_among(tx, {own_id for own in names.values() for own_id in own.values()})
    same = [name for name in Contact.__dataclass_fields__ if name not in ("emails", "merged")]
    found: list[Contact] = []
    for row in rows:
        own = names.get(row["contact_id"], {})
        found.append(
            Contact(
                emails=tuple(value for kind, value in own if kind is IdentifierKind.EMAIL),
                merged=tuple(one for one in merged if one.contact_id in own.values()),
                **{name: row[name] for name in same},
            )
        )
    return found


def merged_among(tx: Tx, contact_ids: Iterable[str]) -> list[Merged]:
    """Those of these contacts that are merged, by time."""
    found: list[Merged] = []
    for some in chunks(sorted(contact_ids)):
        query = select(*(merges.c[name] for name in Merged.__dataclass_fields__))
        found += [Merged(*row) for row in tx.execute(query.where(merges.c.contact_id.in_(some)))]
    return sorted(found, key=lambda one: (one.decided_at, one.contact_id))


def read_deal(tx: Tx, site_id: int, reference: str) -> DealRecord:
    """One deal of a site; raises NotFound."""
    found = find_deal(tx, site_id, reference)
    if found is None:
        raise NotFound(f"no deal {reference[:80]!r}")
    return found


def find_deal(tx: Tx, site_id: int, reference: str) -> DealRecord | None:
    """One deal of a site, or None."""
    query = select(deals).where(deals.c.site_id == site_id, deals.c.reference == reference)
    return next(iter(deals_in(tx, tx.execute(query).mappings().all())), None)


def list_deals(
    tx: Tx,
    site_id: int,
    limit: int,
    *,
    status: DealStatus | None = None,
    contact_id: str | None = None,
    changed_since: datetime | None = None,
    after: tuple[datetime, str] | None = None,
) -> list[DealRecord]:
    """Deals of a site, the one that was changed the longest ago first: who reads on misses no change.

    after  (changed_at, deal_id) of the last one that was read
    """
    query = select(deals).where(deals.c.site_id == site_id)
    if status is not None:
        query = query.where(deals.c.status == status.value)
    if contact_id is not None:
        named = select(deal_contacts.c.deal_id).where(deal_contacts.c.contact_id == staying(tx, contact_id))
        query = query.where(deals.c.deal_id.in_(named))
    if changed_since is not None:
        query = query.where(deals.c.changed_at >= changed_since)
    if after is not None:
        changed_at, deal_id = after
        later = and_(deals.c.changed_at == changed_at, deals.c.deal_id > deal_id)
        query = query.where(or_(deals.c.changed_at > changed_at, later))
    query = query.order_by(deals.c.changed_at, deals.c.deal_id).limit(limit)
    return deals_in(tx, tx.execute(query).mappings().all())


def deals_in(tx: Tx, rows: Sequence[Mapping[Any, Any]]) -> list[DealRecord]:
    """Rows as records, with their people."""
    people: dict[str, list[Person]] = {}
    for some in chunks(row["deal_id"] for row in rows):
        query = (
            select(deal_contacts.c.deal_id, contacts.c.contact_id, contacts.c.email, contacts.c.crm_id)
            .join(contacts, contacts.c.contact_id == deal_contacts.c.contact_id)
            .where(deal_contacts.c.deal_id.in_(some))
            .order_by(contacts.c.contact_id)
        )
        for deal_id, *person in tx.execute(query):
            people.setdefault(deal_id, []).append(Person(*person))
    same = [name for name in DealRecord.__dataclass_fields__ if name not in ("people", "status", "type")]
    return [
        DealRecord(
            status=DealStatus(row["status"]),
            type=DealType(row["type"]),
            people=tuple(people.get(row["deal_id"], ())),
            **{name: row[name] for name in same},
        )
        for row in rows
    ]


def deal_history(tx: Tx, site_id: int, reference: str) -> list[Told | Booked]:
    """All that was told of a deal and all that was booked for it, in order; raises NotFound."""
    read_deal(tx, site_id, reference)
    told = tx.execute(
        select(crm_changes).where(
            crm_changes.c.site_id == site_id,
            crm_changes.c.kind == CrmChangeKind.DEAL.value,
            crm_changes.c.key == reference,
        )
    ).mappings()
    entries = tx.execute(
        select(deal_entries)
        .where(deal_entries.c.deal_id == deal_id_of(site_id, reference))
        .order_by(deal_entries.c.occurred_at, deal_entries.c.position)
    ).mappings()
    nets: dict[str, int] = {}
    booked: list[Told | Booked] = []
    for row in entries:
        nets[row["currency"]] = nets.get(row["currency"], 0) + row["amount_minor"]
        booked.append(
            Booked(
                position=row["position"],
                occurred_at=row["occurred_at"],
                day=row["day"],
                kind=EntryKind(row["kind"]),
                amount_minor=row["amount_minor"],
                net_minor=nets[row["currency"]],
                currency=row["currency"],
            )
        )
    said = [Told(row["seq"], row["changed_at"], row["received_at"], row["payload"]) for row in told]
    return sorted([*said, *booked], key=place)


def place(step: Told | Booked) -> tuple[datetime, int, int]:
    """Where a step stands in a history: what was told comes before what was booked in the same instant."""
    if isinstance(step, Told):
        return step.changed_at, 0, step.seq
    return step.occurred_at, 1, step.position


def list_costs(
    tx: Tx,
    site_id: int,
    limit: int,
    *,
    from_day: str | None = None,
    to_day: str | None = None,
    source: str | None = None,
    after: tuple[str, str] | None = None,
) -> list[CostRecord]:
    """Costs of a site by day.

    after  (day, cost_id) of the last one that was read
    """
    names = list(CostRecord.__dataclass_fields__)
    query = select(*(costs.c[name] for name in names)).where(costs.c.site_id == site_id)
    if from_day is not None:
        query = query.where(costs.c.day >= from_day)
    if to_day is not None:
        query = query.where(costs.c.day <= to_day)
    if source is not None:
        query = query.where(costs.c.source == source.lower())
    if after is not None:
        day, cost_id = after
        query = query.where(or_(costs.c.day > day, and_(costs.c.day == day, costs.c.cost_id > cost_id)))
    rows: Sequence[Row[Any]] = tx.execute(query.order_by(costs.c.day, costs.c.cost_id).limit(limit)).all()
    return [CostRecord(**row._mapping) for row in rows]
