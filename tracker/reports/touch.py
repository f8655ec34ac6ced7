"""One touch down to the raw hits: what stands in the journal of the visit it began, or of the call or event it was.

The last step from a figure of a report to what was received. Of what hits told about people only that is given which
the contact's page shows, too; the rest is named as kept and not shown. Writes nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from tracker.access.sites import Site
from tracker.db.schema import hits, touchpoints, visit_hits, visits
from tracker.db.store import Tx
from tracker.errors import NotFound
from tracker.phones import phone_of
from tracker.reports.journey import CALL, Touch, Visit, plain_prop, touch_of, visits_of
from tracker.reports.records import Contact, read_contact
from tracker.reports.rows import owners_of
from tracker.visits.fold import HITS_OF_VISIT
from tracker.vocabulary import HitKind, Origin, TouchKind

# What of a hit's details anybody who sees the contact's page may read, by the part it stands in.
OPEN: Mapping[str, tuple[str, ...]] = {
    "form": ("id", "name", "action", "provider"),
    "arrival": ("source", "medium", "campaign", "term", "content"),
    "chat": ("provider",),
    "call": CALL,
    "identifiers": ("email", "crm_id"),
}
OPEN_WORDS = ("name", "page", "engaged_ms", "scroll", "loopback")
# Which detail tells which column of the contact.
TOLD: Mapping[str, str] = {
    "identifiers.phone": "phone",
    "fields.name": "name",
    "fields.company": "company_name",
}


@dataclass(frozen=True, slots=True)
class RawHit:
    """A hit as the journal has it. Texts are strangers'.

    details  (name, text) of what only some kinds carry, named form.id, props.plan …; text None: kept, and not shown
    """

    hit_id: str
    kind: HitKind
    origin: Origin
    occurred_at: datetime
    received_at: datetime
    url: str
    referrer: str | None
    title: str | None
    user_agent: str | None
    country: str | None
    consent: str
    details: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True)
class TouchRead:
    """A touch, whose it is (if they can be named), its visit (None: no web visit), and its hits, oldest first.

    A sealed visit's pages are no longer kept; what is left of it is given.
    """

    touch: Touch
    contact: Contact | None
    visit: Visit | None
    hits: tuple[RawHit, ...]


def read_touch(tx: Tx, site: Site, touchpoint_id: str) -> TouchRead:
    """A touch of a site with what was received; raises NotFound."""
    row = (
        tx.execute(
            select(touchpoints).where(
                touchpoints.c.site_id == site.site_id, touchpoints.c.touchpoint_id == touchpoint_id
            )
        )
        .mappings()
        .one_or_none()
    )
    if row is None:
        raise NotFound(f"no touch {touchpoint_id[:40]!r}")
    touch = touch_of(row)
    contact_id = row["contact_id"]
    if contact_id is None and row["visitor_no"] is not None:
        owner = owners_of(tx, [(row["visitor_no"], row["occurred_at"])])[0]
        contact_id = owner.contact_id if owner else None
    contact = read_contact(tx, site.site_id, contact_id) if contact_id else None
    own = hits.c.seq == row["hit_seq"]
    query = select(hits).where(hits.c.site_id == site.site_id, own)
    if touch.kind is TouchKind.VISIT:
        query = (
            select(hits)
            .select_from(visits)
            .join(visit_hits, HITS_OF_VISIT)
            .join(hits, hits.c.seq == visit_hits.c.hit_seq)
            .where(visits.c.visit_id == touchpoint_id)
        )
    rows = tx.execute(query.order_by(hits.c.occurred_at, hits.c.hit_id)).mappings()
    return TouchRead(
        touch=touch,
        contact=contact,
        visit=next(iter(visits_of(tx, [touch])), None),
        hits=tuple(raw_hit(one, contact, site.timezone) for one in rows),
    )


def raw_hit(row: Mapping[Any, Any], contact: Contact | None, timezone: str) -> RawHit:
    """A row of the journal."""
    same = [name for name in RawHit.__dataclass_fields__ if name not in ("kind", "origin", "details")]
    return RawHit(
        kind=HitKind(row["kind"]),
        origin=Origin(row["origin"]),
        details=tuple(details_shown(row["details"], contact, timezone)),
        **{name: row[name] for name in same},
    )


def details_shown(
    details: Mapping[str, Any], contact: Contact | None, timezone: str
) -> Iterator[tuple[str, str | None]]:
    """What only some hits carry, flat: (name, text), or (name, None) for what is kept and not shown."""
    for part, value in sorted(details.items()):
        if not isinstance(value, dict):
            yield part, plain_prop(value) if part in OPEN_WORDS else None
            continue
        for name, inner in sorted(value.items()):
            whole = f"{part}.{name}"
            is_open = part == "props" or name in OPEN.get(part, ())
            is_open |= whole in TOLD and contact is not None and is_known(TOLD[whole], inner, contact, timezone)
            yield whole, plain_prop(inner) if is_open else None


def is_known(column: str, told: object, contact: Contact, timezone: str) -> bool:
    """Whether what was told stands on the contact's page today."""
    text = plain_prop(told)
    return bool(getattr(contact, column) == ((phone_of(text, timezone) or text) if column == "phone" else text))
