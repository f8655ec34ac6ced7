"""Record: the row of each call that was told, and whose it is: named with the call, else whose the browser was.

A call of a visitor whom nobody can name yet is nobody's. Once the visitor is named, ever, the call is that contact's:
the same call, under the same id. So the rows follow from the journal and from the links, in any order of arrival.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, exists, select, update

from tracker.db.schema import calls, identifications, links
from tracker.db.store import Tx
from tracker.db.writes import among, upsert
from tracker.ids import derive
from tracker.vocabulary import Traced


@dataclass(frozen=True, slots=True)
class Told:
    """A call as the journal has it."""

    site_id: int
    hit_id: str
    hit_seq: int
    visitor_no: int | None
    occurred_at: datetime
    traced: Traced

    @property
    def call_id(self) -> str:
        """Its id, which is that of the identification by the same hit and of the conversion, too."""
        return derive("identification", self.site_id, f"hit {self.hit_id}")

    @property
    def is_touch(self) -> bool:
        """Whether it is a touch of its own: a visitor's call is what the visitor's touches led to, and is none."""
        return self.traced is not Traced.VISITOR


@dataclass(frozen=True, slots=True)
class Settled:
    """What a settlement changed.

    people     contacts who have or had one of the calls that changed hands
    strangers  ids of the calls that are nobody's
    """

    people: frozenset[str]
    strangers: frozenset[str]


def keep(tx: Tx, told: Iterable[Told]) -> dict[str, str]:
    """Write the rows of calls; returns by call id the contact that was named with it."""
    given = list(told)
    ids = [one.call_id for one in given]
    if not ids:
        return {}
    query = select(identifications.c.identification_id, identifications.c.contact_id)
    named: dict[str, str] = {
        row[0]: row[1] for row in tx.execute(query.where(among(tx, identifications.c.identification_id, ids)))
    }
    upsert(tx, calls, [row_of(one, named.get(one.call_id)) for one in given])
    return named


def keep_anew(tx: Tx, contact_ids: Iterable[str]) -> None:
    """Give those of these contacts' calls that named somebody to whom they name now."""
    same = identifications.c.identification_id == calls.c.call_id
    named = select(identifications.c.contact_id).where(same).scalar_subquery()
    own = calls.c.contact_id.in_(sorted(contact_ids))
    tx.execute(update(calls).where(own, exists().where(same)).values(contact_id=named))


def row_of(one: Told, contact_id: str | None) -> dict[str, Any]:
    """The row of one call; whose it is by its visitor, settle says."""
    return {
        "call_id": one.call_id,
        "site_id": one.site_id,
        "hit_seq": one.hit_seq,
        "visitor_no": one.visitor_no if one.traced is Traced.VISITOR else None,
        "contact_id": contact_id,
        "touchpoint_id": derive("touch", one.site_id, one.hit_id) if one.is_touch else None,
        "occurred_at": one.occurred_at,
        "traced": one.traced.value,
    }


def settle(tx: Tx, visitor_nos: Iterable[int]) -> Settled:
    """Give the calls of these visitors to whom the browsers were at that time; those named with the call stay."""
    numbers = sorted(set(visitor_nos))
    if not numbers:
        return Settled(frozenset(), frozenset())
    rows = tx.execute(
        select(calls.c.call_id, calls.c.visitor_no, calls.c.contact_id, calls.c.occurred_at)
        .outerjoin(identifications, identifications.c.identification_id == calls.c.call_id)
        .where(among(tx, calls.c.visitor_no, numbers), identifications.c.identification_id.is_(None))
        .order_by(calls.c.call_id)
    ).all()
    if not rows:
        return Settled(frozenset(), frozenset())
    spans = spans_of(tx, {row.visitor_no for row in rows})
    owners = {row.call_id: owner_at(spans.get(row.visitor_no, ()), row.occurred_at) for row in rows}
    moved = [row for row in rows if owners[row.call_id] != row.contact_id]
    if moved:
        change = update(calls).where(calls.c.call_id == bindparam("one")).values(contact_id=bindparam("whose"))
        tx.execute(change, [{"one": row.call_id, "whose": owners[row.call_id]} for row in moved])
    people = {whose for row in moved for whose in (row.contact_id, owners[row.call_id]) if whose}
    return Settled(frozenset(people), frozenset(one for one, whose in owners.items() if whose is None))


def spans_of(tx: Tx, visitor_nos: Iterable[int]) -> dict[int, list[Any]]:
    """Whose these browsers were, when, in order."""
    found: dict[int, list[Any]] = {}
    query = select(links).where(among(tx, links.c.visitor_no, sorted(visitor_nos)))
    for row in tx.execute(query.order_by(links.c.visitor_no, links.c.position)):
        found.setdefault(row.visitor_no, []).append(row)
    return found


def owner_at(spans: Iterable[Any], at: datetime) -> str | None:
    """Whose a browser was at a moment; where two share it (a visit that names both), the later one's."""
    own: str | None = None
    for span in spans:
        if (span.from_at is None or span.from_at <= at) and (span.to_at is None or at < span.to_at):
            own = span.contact_id
    return own


def told_of(details: Mapping[str, Any]) -> Traced | None:
    """How far a hit's call was traced; None for a hit that is no call told to the telephone's door."""
    call = details.get("call")
    return Traced(call["traced"]) if isinstance(call, dict) else None
