"""What is known of a contact's touches and deals together, on the contact's row, so that lists find and sort by it.

Derived with the contact's paths, by attribute(), from the same touches; read by reports/people.py.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, func, select, update

from tracker.attribution.path import Touch, path_of
from tracker.db.schema import contacts, deal_contacts, deal_entries, sites
from tracker.db.store import Tx
from tracker.db.writes import chunks
from tracker.vocabulary import TouchKind

# Stands around each word of a list in one text, so that a whole word can be looked for; no word has it within.
AROUND = "\n"
KEPT = (
    "first_at",
    "first_channel",
    "first_source",
    "last_at",
    "last_channel",
    "last_source",
    "touch_channels",
    "touch_sources",
    "country",
    "n_visits",
    "n_deals",
    "revenue_minor",
)

Touches = Mapping[str, Sequence[Mapping[Any, Any]]]


def reach(tx: Tx, people: Iterable[str], deal_ids: Iterable[str], touches: Touches) -> None:
    """Write what these contacts reached, and what those did whom a CRM names on these deals, where it is other.

    touches  of all these people at least: rows with kind, hit_id and what contacts are found by
    """
    mine = sorted(set(people))
    for some in chunks(mine):
        renew(tx, {one: of_touches(touches.get(one, ())) for one in some}, some)
    others: set[str] = set()
    for some in chunks(sorted(set(deal_ids))):
        named = select(deal_contacts.c.contact_id).where(deal_contacts.c.deal_id.in_(some))
        others |= set(tx.execute(named).scalars())
    for some in chunks(sorted(others.difference(mine))):
        renew(tx, {one: {} for one in some}, some)


def renew(tx: Tx, found: Mapping[str, Mapping[str, Any]], some: Sequence[str]) -> None:
    """Write what was found of these contacts, with their deals, where a row says otherwise."""
    deals = of_deals(tx, some)
    columns = [contacts.c.contact_id, *(contacts.c[name] for name in KEPT)]
    rows = tx.execute(select(*columns).where(contacts.c.contact_id.in_(some)).order_by(contacts.c.contact_id))
    others = []
    for row in rows.mappings().all():
        n_deals, revenue_minor = deals.get(row["contact_id"], (0, 0))
        now = {**row, **found[row["contact_id"]], "n_deals": n_deals, "revenue_minor": revenue_minor}
        if now != dict(row):
            others.append({"whose": now.pop("contact_id"), **now})
    if others:
        tx.execute(update(contacts).where(contacts.c.contact_id == bindparam("whose")), others)


def of_touches(touches: Sequence[Mapping[Any, Any]]) -> dict[str, Any]:
    """What the touches of a contact say together; country: of the latest visit that knows it."""
    by_id = {row["touchpoint_id"]: row for row in touches}
    latest = max((row["occurred_at"] for row in touches), default=None)
    way = [] if latest is None else path_of([Touch(i, r["hit_id"], r["occurred_at"]) for i, r in by_id.items()], latest)
    rows = [by_id[touch.touchpoint_id] for touch in way]
    first, last = (rows[0], rows[-1]) if rows else ({}, {})
    return {
        "first_at": first.get("occurred_at"),
        "first_channel": first.get("channel"),
        "first_source": first.get("source"),
        "last_at": last.get("occurred_at"),
        "last_channel": last.get("channel"),
        "last_source": last.get("source"),
        "touch_channels": in_one(row["channel"] for row in rows),
        "touch_sources": in_one(row["source"] for row in rows),
        "country": next((row["country"] for row in reversed(rows) if len(row["country"]) == 2), None),
        "n_visits": sum(row["kind"] == TouchKind.VISIT for row in rows),
    }


def in_one(words: Iterable[str]) -> str:
    """Each of these words once, in one text."""
    found = sorted({word.replace(AROUND, " ") for word in words})
    return AROUND + AROUND.join(found) + AROUND if found else ""


def of_deals(tx: Tx, people: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Per contact that is named on deals: how many, and the sum of their ledgers in the site's currency."""
    query = (
        select(
            deal_contacts.c.contact_id,
            func.count(deal_contacts.c.deal_id.distinct()),
            func.coalesce(func.sum(deal_entries.c.amount_minor).filter(deal_entries.c.currency == sites.c.currency), 0),
        )
        .select_from(deal_contacts)
        .join(contacts, contacts.c.contact_id == deal_contacts.c.contact_id)
        .join(sites, sites.c.site_id == contacts.c.site_id)
        .outerjoin(deal_entries, deal_entries.c.deal_id == deal_contacts.c.deal_id)
        .where(deal_contacts.c.contact_id.in_(people))
        .group_by(deal_contacts.c.contact_id)
    )
    return {contact_id: (int(n), int(total)) for contact_id, n, total in tx.execute(query)}
