"""Merge and split: two contacts are one person, and two again if that was wrong.

Somebody decides it: a CRM that merged its own records, or a user; never an address, a name or a device. A decision is a
row of the journal, and the latest of a contact stands. While it does, the rows of the one that is merged bear the id of
the one that stays, beside its own, so a split gives back exactly what there was (docs/adr/0032).
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update

from tracker.db.schema import contacts, crm_changes, identifications, identifiers, merges
from tracker.db.store import Tx
from tracker.db.writes import insert_once
from tracker.errors import Conflict, Invalid
from tracker.identity.graph import following
from tracker.identity.stitch import (
    Identification,
    Name,
    contact_row,
    found,
    founded_id,
    names_by,
    owners_by,
    staying,
)
from tracker.vocabulary import CrmChangeKind, IdentificationKind, IdentifierKind


@dataclass(frozen=True, slots=True)
class Decision:
    """That a contact is the same person as another, or is not after all.

    contact_id   the one that is merged, or was
    into_id      the one that stays; None splits them
    decided_by   a user's e-mail address, a program's token, the CRM: for people to read
    """

    site_id: int
    contact_id: str
    into_id: str | None
    decided_by: str
    decided_at: datetime

    @property
    def kind(self) -> CrmChangeKind:
        """What the journal calls it."""
        return CrmChangeKind.SPLIT if self.into_id is None else CrmChangeKind.MERGE


@dataclass(frozen=True, slots=True)
class Moved:
    """What a decision moved: the contacts that had or have it, and the browsers that may change hands."""

    people: frozenset[str]
    visitor_nos: frozenset[int]


def to_merge(tx: Tx, one: Decision) -> Decision | None:
    """A merge as it is to be kept, into the one that stays in the end; None where it would change nothing.

    raises  Invalid: into itself; Conflict: it is merged into somebody else
    """
    assert one.into_id is not None
    if one.contact_id == one.into_id:
        raise Invalid("a contact cannot be merged into itself", field="into")
    stays, into_id = staying(tx, one.contact_id), staying(tx, one.into_id)
    if stays == into_id or is_older(tx, one):
        return None
    if stays != one.contact_id:
        raise Conflict(
            f"contact {one.contact_id} is merged into {stays}: merge that one, or split this one off first",
            field="contact_id",
        )
    return replace(one, into_id=into_id)


def to_split(tx: Tx, one: Decision) -> Decision | None:
    """A split as it is to be kept; None where it would change nothing.

    raises  Conflict: others are merged into this contact, which itself is not
    """
    if staying(tx, one.contact_id) != one.contact_id:
        return None if is_older(tx, one) else one
    others = members(tx, [one.contact_id]) - {one.contact_id}
    if others:
        raise Conflict(
            f"contact {one.contact_id} is the one that stays: split off who was merged into it: "
            f"{', '.join(sorted(others))}",
            field="contact_id",
        )
    return None


def is_older(tx: Tx, one: Decision) -> bool:
    """Whether a later decision on the contact is known."""
    latest: datetime | None = tx.execute(
        select(crm_changes.c.changed_at)
        .where(
            crm_changes.c.site_id == one.site_id,
            crm_changes.c.kind.in_([CrmChangeKind.MERGE.value, CrmChangeKind.SPLIT.value]),
            crm_changes.c.key == one.contact_id,
        )
        .order_by(crm_changes.c.changed_at.desc())
        .limit(1)
    ).scalar()
    return latest is not None and latest > one.decided_at


def keep(tx: Tx, one: Decision, received_at: datetime) -> None:
    """Write a decision into the journal; both contacts by the names that founded them, so a rebuild finds them."""
    named = {"contact": one.contact_id, **({"into": one.into_id} if one.into_id else {})}
    payload: dict[str, Any] = {"decided_by": one.decided_by}
    for role, contact_id in named.items():
        kind, value = founder_of(tx, one.site_id, contact_id)
        payload[role] = {"by": kind.value, "value": value}
    row = {
        "site_id": one.site_id,
        "kind": one.kind.value,
        "key": one.contact_id,
        "payload": payload,
        "changed_at": one.decided_at,
        "received_at": received_at,
    }
    tx.execute(insert(crm_changes), [row])


def founder_of(tx: Tx, site_id: int, contact_id: str) -> Name:
    """The identifier that founded a contact."""
    own = names_by(tx, [staying(tx, contact_id)])
    return next(name for names in own.values() for name in names if founded_id(site_id, name) == contact_id)


def told_again(tx: Tx, site_id: int, payload: Mapping[str, Any], decided_at: datetime, timezone: str) -> Decision:
    """A decision of the journal; whom only hits name, which are not folded yet, is founded here."""
    ids = {
        role: own_named(tx, site_id, IdentifierKind(ref["by"]), ref["value"], decided_at, timezone)
        for role in ("contact", "into")
        if (ref := payload.get(role))
    }
    return Decision(site_id, ids["contact"], ids.get("into"), payload["decided_by"], decided_at)


def own_named(tx: Tx, site_id: int, kind: IdentifierKind, value: str, at: datetime, timezone: str) -> str:
    """The contact whose own an identifier is, founded if need be, with no identification: that is the hits'."""
    owner = owners_by(tx, site_id, [(kind, value)]).get((kind, value))
    if owner is None:
        email, crm_id = (value, None) if kind is IdentifierKind.EMAIL else (None, value)
        first = Identification(site_id, IdentificationKind.CRM, at, "", email, crm_id)
        owner = found(tx, first, timezone)
    return owner.own_id


def take_effect(tx: Tx, one: Decision, timezone: str) -> Moved:
    """Give what is the contact's own, and of those merged into it, to whom it is from now on.

    Links, touches, calls and deals follow from that; then let `leave` go who stays no more.
    """
    before = staying(tx, one.contact_id)
    group = members(tx, [before])
    own = sorted(following(known_merges(tx, group), one.contact_id))
    if one.into_id is None:
        tx.execute(delete(merges).where(merges.c.contact_id == one.contact_id))
        insert_once(tx, contacts, [contact_row(one.site_id, one.contact_id, one.decided_at, timezone)])
    else:
        insert_once(tx, merges, [asdict(one)])
    after = staying(tx, one.contact_id)
    for table in (identifiers, identifications):
        tx.execute(update(table).where(table.c.contact_id == before, table.c.own_id.in_(own)).values(contact_id=after))
    return Moved(frozenset({before, after}), frozenset(visitors_of(tx, [after])))


def leave(tx: Tx, contact_ids: Iterable[str]) -> None:
    """Let go the rows of those of these contacts that are merged; a split makes them anew."""
    gone = select(merges.c.contact_id).where(merges.c.contact_id.in_(sorted(contact_ids)))
    tx.execute(delete(contacts).where(contacts.c.contact_id.in_(gone)))


def members(tx: Tx, contact_ids: Iterable[str]) -> set[str]:
    """These contacts and all that are merged into them."""
    return {own_id for names in names_by(tx, contact_ids).values() for own_id in names.values()}


def known_merges(tx: Tx, contact_ids: Iterable[str]) -> dict[str, str]:
    """Of these contacts those that are merged, and into which."""
    query = select(merges.c.contact_id, merges.c.into_id).where(merges.c.contact_id.in_(sorted(contact_ids)))
    return {row.contact_id: row.into_id for row in tx.execute(query)}


def visitors_of(tx: Tx, contact_ids: Iterable[str]) -> set[int]:
    """The browsers on which these contacts were named."""
    number = identifications.c.visitor_no
    query = select(number).distinct().where(identifications.c.contact_id.in_(sorted(contact_ids)), number.is_not(None))
    return set(tx.execute(query).scalars())
