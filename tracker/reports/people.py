"""The people a site can name, a page at a time, with the touches and the money that a list of them shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, or_, select

from tracker.access.sites import Site
from tracker.attribution.attribute import touches_of
from tracker.attribution.path import Touch as PathTouch
from tracker.attribution.path import path_of
from tracker.db.schema import contacts, deal_contacts, deal_entries, deals
from tracker.db.store import Tx
from tracker.db.writes import chunks
from tracker.vocabulary import TouchKind


@dataclass(frozen=True, slots=True)
class ListedTouch:
    """A touch as a list shows it; texts come from strangers."""

    channel: str
    source: str
    medium: str
    campaign: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Listed:
    """One contact in the list. `revenue` holds (currency, minor units) of its deals' ledgers, by currency."""

    contact_id: str
    name: str | None
    email: str | None
    company: str | None
    first: ListedTouch | None
    last: ListedTouch | None
    lead_at: datetime
    n_visits: int
    n_deals: int
    revenue: tuple[tuple[str, int], ...]


def list_people(tx: Tx, site: Site, search: str, offset: int, limit: int) -> tuple[list[Listed], int]:
    """Contacts, newest lead first, whose e-mail, name or company holds the search text; and how many there are."""
    found = matching(select(contacts), site, search)
    n = tx.execute(matching(select(func.count()).select_from(contacts), site, search)).scalar_one()
    ordered = found.order_by(contacts.c.lead_at.desc(), contacts.c.contact_id).offset(offset).limit(limit)
    rows = tx.execute(ordered).mappings().all()
    ids = [row["contact_id"] for row in rows]
    touches = touches_of(tx, ids)
    money = money_of(tx, ids)
    return [listed(row, touches.get(row["contact_id"], []), money.get(row["contact_id"], {})) for row in rows], n


def matching(query: Select[Any], site: Site, search: str) -> Select[Any]:
    """The contacts of a site that a search text names."""
    query = query.where(contacts.c.site_id == site.site_id)
    text = search.strip().lower()
    if not text:
        return query
    return query.where(
        or_(
            contacts.c.email.contains(text, autoescape=True),
            func.lower(contacts.c.name).contains(text, autoescape=True),
            func.lower(contacts.c.company_name).contains(text, autoescape=True),
            contacts.c.company_domain.contains(text, autoescape=True),
        )
    )


def money_of(tx: Tx, ids: Sequence[str]) -> dict[str, dict[str | None, tuple[int, int]]]:
    """Per contact and currency the number of deals and the sum of their ledgers; currency None: nothing booked."""
    query = (
        select(
            deal_contacts.c.contact_id,
            deal_entries.c.currency,
            func.count(deal_contacts.c.deal_id.distinct()),
            func.coalesce(func.sum(deal_entries.c.amount_minor), 0),
        )
        .outerjoin(deal_entries, deal_entries.c.deal_id == deal_contacts.c.deal_id)
        .where(deal_contacts.c.contact_id.in_(ids))
        .group_by(deal_contacts.c.contact_id, deal_entries.c.currency)
    )
    found: dict[str, dict[str | None, tuple[int, int]]] = {}
    for contact_id, currency, n, total in tx.execute(query):
        found.setdefault(contact_id, {})[currency] = (int(n), int(total))
    return found


def listed(
    row: Mapping[Any, Any], touches: Sequence[Mapping[Any, Any]], money: Mapping[str | None, tuple[int, int]]
) -> Listed:
    """A contact's row with its first and latest touch."""
    by_id = {touch["touchpoint_id"]: touch for touch in touches}
    latest = max((touch["occurred_at"] for touch in touches), default=row["lead_at"])
    way = path_of([PathTouch(t["touchpoint_id"], t["hit_id"], t["occurred_at"]) for t in touches], latest)
    return Listed(
        contact_id=row["contact_id"],
        name=row["name"],
        email=row["email"] or row["crm_id"],
        company=row["company_name"] or row["company_domain"],
        first=touch_of(by_id[way[0].touchpoint_id]) if way else None,
        last=touch_of(by_id[way[-1].touchpoint_id]) if way else None,
        lead_at=row["lead_at"],
        n_visits=sum(touch["kind"] == TouchKind.VISIT for touch in by_id.values()),
        n_deals=sum(n for n, _ in money.values()),
        revenue=tuple(sorted((currency, total) for currency, (_, total) in money.items() if currency)),
    )


def touch_of(row: Mapping[Any, Any]) -> ListedTouch:
    """A touchpoint's row as the list shows it."""
    return ListedTouch(row["channel"], row["source"], row["medium"], row["campaign"], row["occurred_at"])


def person_on(tx: Tx, deal_ids: Sequence[str]) -> dict[str, str]:
    """Per deal one contact whose journey leads to it: the first that the CRM names, else one of its company."""
    found: dict[str, str] = {}
    for some in chunks(deal_ids):
        by_company = (
            select(deals.c.deal_id, func.min(contacts.c.contact_id))
            .join(contacts, contacts.c.company_domain == deals.c.company_domain)
            .where(deals.c.deal_id.in_(some), contacts.c.site_id == deals.c.site_id)
            .group_by(deals.c.deal_id)
        )
        named = (
            select(deal_contacts.c.deal_id, func.min(deal_contacts.c.contact_id))
            .where(deal_contacts.c.deal_id.in_(some))
            .group_by(deal_contacts.c.deal_id)
        )
        for query in (by_company, named):
            found |= {row[0]: row[1] for row in tx.execute(query)}
    return found
