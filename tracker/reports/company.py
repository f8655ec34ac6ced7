"""One company: its people, its deals, and what they all did, in one order of time.

Called by the company's page. Writes nothing.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from tracker.access.sites import Site
from tracker.attribution.attribute import touches_of
from tracker.db.schema import contacts
from tracker.db.store import Tx
from tracker.reports.companies import Company, deals_named, read_company
from tracker.reports.journey import DealStep, steps_of_deals
from tracker.reports.people import Listed, ListedTouch, shown, touch_of
from tracker.vocabulary import DealStatus, TouchKind

LEAD = "lead"
DEAL = "deal"
# Of a larger company these are shown, the latest first.
MOST_PEOPLE = 200
MOST_DEALS = 200


@dataclass(frozen=True, slots=True)
class CompanyDeal:
    """A deal as a list shows it; amount in minor units of its currency."""

    reference: str
    name: str | None
    stage: str | None
    status: DealStatus
    amount_minor: int
    currency: str
    created_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class CompanyStep:
    """One moment: a touch or the first naming of a person, or a step of a deal.

    kind        a TouchKind, 'lead' or 'deal'
    contact_id  whose it is; None for a deal's
    """

    at: datetime
    kind: str
    key: str
    contact_id: str | None = None
    touch: ListedTouch | None = None
    deal: DealStep | None = None


@dataclass(frozen=True, slots=True)
class CompanyRead:
    """A company with its people, the latest touch first, its deals, the last changed first, and all steps in order."""

    company: Company
    people: tuple[Listed, ...]
    deals: tuple[CompanyDeal, ...]
    steps: tuple[CompanyStep, ...]


def company_of(tx: Tx, site: Site, domain: str) -> CompanyRead:
    """The company of a domain; raises NotFound."""
    found = read_company(tx, site, domain)
    row = contacts.c
    query = select(contacts).where(row.site_id == site.site_id, row.company_domain == domain)
    query = query.order_by(row.last_at.desc().nulls_last(), row.contact_id).limit(MOST_PEOPLE)
    people = shown(tx, tx.execute(query).mappings().all())
    own = deals_named(tx, site, [domain]).get(domain, {}).values()
    latest = sorted(own, key=lambda one: (one.changed_at, one.deal_id), reverse=True)[:MOST_DEALS]
    same = [name for name in CompanyDeal.__dataclass_fields__ if name != "status"]
    steps = [*touch_steps(tx, people), *deal_steps(tx, site.site_id, [one.deal_id for one in latest])]
    return CompanyRead(
        company=found,
        people=tuple(people),
        deals=tuple(
            CompanyDeal(status=DealStatus(one.status), **{name: getattr(one, name) for name in same}) for one in latest
        ),
        steps=tuple(sorted(steps, key=lambda step: (step.at, step.kind == DEAL, step.key))),
    )


def touch_steps(tx: Tx, people: list[Listed]) -> list[CompanyStep]:
    """What these people did, each touch once, and when each could first be named."""
    found = {
        f"lead {one.contact_id}": CompanyStep(one.lead_at, LEAD, f"~lead {one.contact_id}", one.contact_id)
        for one in people
    }
    for contact_id, rows in sorted(touches_of(tx, [one.contact_id for one in people]).items()):
        for row in rows:
            step = CompanyStep(
                at=row["occurred_at"],
                kind=TouchKind(row["kind"]).value,
                key=row["touchpoint_id"],
                contact_id=contact_id,
                touch=touch_of(row),
            )
            found.setdefault(row["touchpoint_id"], step)
    return list(found.values())


def deal_steps(tx: Tx, site_id: int, deal_ids: list[str]) -> list[CompanyStep]:
    """How these deals moved, and what was booked."""
    found = []
    for row, steps in steps_of_deals(tx, site_id, deal_ids):
        found += [
            CompanyStep(at=at, kind=DEAL, key=f"{row['reference']} {n:06d}", deal=step)
            for n, (at, step) in enumerate(steps)
        ]
    return found
