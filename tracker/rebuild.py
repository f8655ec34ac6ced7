"""Rebuild: derive everything anew from the journals under today's rules, in one transaction.

Until it commits, reports show what was; if it fails, nothing has changed. What CRMs said is told again first, then the
hits are folded: an identifier keeps its owner either way (docs/adr/0009), so the same journals give the same rows.
"""

from collections.abc import Callable

from sqlalchemy import delete, func, insert, select

from tracker import flow
from tracker.access.sites import Site, all_sites
from tracker.attribution.attribute import attribute
from tracker.clock import parse_instant
from tracker.costs.load import reclassify
from tracker.db.schema import (
    contacts,
    conversions,
    crm_changes,
    deal_contacts,
    deal_entries,
    deals,
    hits,
    hits_parked,
    hits_waiting,
    identifications,
    identifiers,
    links,
    paths,
    touchpoints,
    visit_hits,
    visits,
)
from tracker.db.store import Tx
from tracker.db.writes import chunks
from tracker.identity.stitch import refresh
from tracker.vocabulary import CrmChangeKind

# Children before parents, as their foreign keys ask.
DERIVED = (
    paths,
    conversions,
    deal_entries,
    deal_contacts,
    deals,
    links,
    identifications,
    identifiers,
    contacts,
    touchpoints,
    visit_hits,
    visits,
)

Progress = Callable[[int], None]


def rebuild(tx: Tx, batch: int, progress: Progress = lambda _: None) -> int:
    """Derive all facts of all sites again; returns the number of hits folded.

    batch     hits folded at a time; bounds the memory
    progress  is called with the number of hits folded so far
    """
    for table in DERIVED:
        tx.execute(delete(table))
    tx.execute(delete(hits_waiting))
    tx.execute(delete(hits_parked))  # under today's rules they may do
    sites = all_sites(tx)
    for site in sites:
        retell(tx, site)
        reclassify(tx, site.site_id)
    wait_again(tx)
    done = 0
    while folded := flow.hits_arrived(tx, batch, credit=False):
        done += folded
        progress(done)
    for site in sites:
        people = tx.execute(select(contacts.c.contact_id).where(contacts.c.site_id == site.site_id)).scalars().all()
        for some in chunks(people):
            attribute(tx, site.site_id, site.timezone, some)
        alone = tx.execute(select(deals.c.deal_id).where(deals.c.site_id == site.site_id)).scalars().all()
        for some in chunks(alone):
            attribute(tx, site.site_id, site.timezone, (), some)
    return done


def wait_again(tx: Tx) -> None:
    """Let every hit of the journal wait for the fold; those that came in meanwhile wait already."""
    new = select(hits.c.seq).where(hits.c.seq.not_in(select(hits_waiting.c.seq)))
    tx.execute(insert(hits_waiting).from_select(["seq"], new))


def retell(tx: Tx, site: Site) -> None:
    """Tell again what the CRMs said of a site's contacts and deals, in the order in which they were heard."""
    changes = tx.execute(
        select(crm_changes.c.kind, crm_changes.c.key, crm_changes.c.payload, crm_changes.c.changed_at)
        .where(crm_changes.c.site_id == site.site_id)
        .order_by(crm_changes.c.seq)
    ).all()
    references: dict[str, None] = {}
    for kind, key, payload, changed_at in changes:
        if kind == CrmChangeKind.CONTACT:
            since = parse_instant(payload["created_at"]) if payload.get("created_at") else changed_at
            by = "email" if payload.get("email") else "crm_id"
            flow.contact_named(tx, site, by, payload[by], since, payload)
            continue
        # Whom a deal names later must not be founded before what was said of them in between.
        for ref in payload.get("contacts", ()):
            flow.contact_named(tx, site, ref["by"], ref["value"], changed_at)
        references[key] = None
    for reference in references:
        flow.deal_changed(tx, site, reference, credit=False)
    people = tx.execute(select(contacts.c.contact_id).where(contacts.c.site_id == site.site_id)).scalars().all()
    refresh(tx, people, site.timezone)


def waiting(tx: Tx) -> int:
    """How many hits are in the journal and not folded yet."""
    return tx.execute(select(func.count()).select_from(hits_waiting)).scalar_one()
