"""Rebuild: derive everything anew from the journals under today's rules, in one transaction.

Until it commits, reports show what was; if it fails, nothing has changed. What CRMs said is told again first, then the
hits are folded: an identifier keeps its owner either way (docs/adr/0009), so the same journals give the same rows.
Sealed visits, whose page views have left the journal (tracker/retention.py), stand as they are; whom they named is
named again.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Column, Table, and_, delete, func, insert, select

from tracker import clock, flow
from tracker.access.sites import Site, all_sites
from tracker.attribution.attribute import attribute
from tracker.attribution.recredited import tell_all
from tracker.clock import parse_instant
from tracker.costs.load import reclassify
from tracker.db.schema import (
    calls,
    companies,
    company_changes,
    contacts,
    conversions,
    crm_changes,
    deal_contacts,
    deal_entries,
    deal_states,
    deals,
    due,
    engagements,
    hits,
    hits_parked,
    hits_waiting,
    identifications,
    identifiers,
    links,
    merges,
    paths,
    retention,
    stage_changes,
    touchpoints,
    visit_hits,
    visits,
)
from tracker.db.store import Tx, roomy
from tracker.db.writes import chunks, lock, lock_sites, raw
from tracker.identity.stitch import refresh
from tracker.staging import restage_companies, stages_changed
from tracker.visits.fold import Folded
from tracker.visits.waiting import COLUMNS, hit_of
from tracker.vocabulary import CrmChangeKind

# Children before parents, as their foreign keys ask.
DERIVED = (
    paths,
    conversions,
    deal_states,
    deal_entries,
    deal_contacts,
    deals,
    calls,
    links,
    identifications,
    identifiers,
    merges,
    due,
    company_changes,
    companies,
    stage_changes,
    contacts,
    touchpoints,
    engagements,
    visit_hits,
    visits,
)

SEALED = select(visits.c.visit_id).where(visits.c.sealed)
# Which column of a table names the visit that a row belongs to: the rows of sealed visits stay.
KEPT: Mapping[Table, Column[Any]] = {
    touchpoints: touchpoints.c.touchpoint_id,
    visit_hits: visit_hits.c.visit_id,
    visits: visits.c.visit_id,
}
# A parked hit from before the horizon belongs to a visit that may be sealed.
TOO_LATE = (
    select(hits.c.seq)
    .join(hits_parked, hits_parked.c.seq == hits.c.seq)
    .join(retention, and_(retention.c.site_id == hits.c.site_id, hits.c.occurred_at < retention.c.horizon_at))
)

Progress = Callable[[int], None]


def rebuild(tx: Tx, batch: int, progress: Progress = lambda _: None) -> int:
    """Derive all facts of all sites again; returns the number of hits folded.

    batch     hits folded at a time; bounds the memory, but for what is kept of a SQLite file (store.roomy)
    progress  is called with the number of hits folded so far
    """
    with roomy(tx):
        return _rebuild(tx, batch, progress)


def _rebuild(tx: Tx, batch: int, progress: Progress) -> int:
    lock(tx, select(retention.c.site_id).order_by(retention.c.site_id))  # nothing is pruned meanwhile
    tx.execute(delete(hits_waiting))  # workers who hold some of them end first
    sites = all_sites(tx)
    lock_sites(tx, [site.site_id for site in sites], alone=True)
    named = named_in_sealed(tx)
    for table in DERIVED:
        kept = KEPT.get(table)
        tx.execute(delete(table) if kept is None else delete(table).where(kept.not_in(SEALED)))
    tx.execute(delete(hits_parked).where(hits_parked.c.seq.not_in(TOO_LATE)))  # under today's rules they may do
    for site in sites:
        retell(tx, site)
        reclassify(tx, site.site_id)
    name_again(tx, sites, named)
    wait_again(tx)
    done = 0
    while folded := flow.hits_arrived(tx, batch, credit=False):
        done += folded
        progress(done)
    now = clock.now()
    for site in sites:
        flow.companies_again(tx, site)
        restage_companies(tx, site, now, announce=False)
        people = tx.execute(select(contacts.c.contact_id).where(contacts.c.site_id == site.site_id)).scalars().all()
        for some in chunks(people):
            stages_changed(tx, site, some, now, announce=False)
            attribute(tx, site.site_id, site.timezone, some, anew=True)
        alone = tx.execute(select(deals.c.deal_id).where(deals.c.site_id == site.site_id)).scalars().all()
        for some in chunks(alone):
            attribute(tx, site.site_id, site.timezone, (), some, anew=True)
        told = tx.execute(
            select(calls.c.call_id).where(calls.c.site_id == site.site_id, calls.c.contact_id.is_(None))
        ).scalars()
        for some in chunks(told.all()):
            attribute(tx, site.site_id, site.timezone, (), call_ids=some, anew=True)
        tell_all(tx, site.site_id)
    return done


def wait_again(tx: Tx) -> None:
    """Let every hit of the journal wait for the fold, but for those in sealed visits.

    Those that came in meanwhile wait already.
    """
    new = select(hits.c.seq).where(
        hits.c.seq.not_in(select(hits_waiting.c.seq)),
        hits.c.seq.not_in(select(visit_hits.c.hit_seq).where(visit_hits.c.visit_id.in_(SEALED))),
        hits.c.seq.not_in(select(hits_parked.c.seq)),
    )
    tx.execute(insert(hits_waiting).from_select(["seq"], new))


def named_in_sealed(tx: Tx) -> list[int]:
    """The hits in sealed visits that name somebody."""
    query = (
        select(identifications.c.hit_seq)
        .join(visit_hits, visit_hits.c.hit_seq == identifications.c.hit_seq)
        .where(visit_hits.c.visit_id.in_(SEALED))
    )
    return list(tx.execute(query.order_by(identifications.c.hit_seq)).scalars())


def name_again(tx: Tx, sites: Iterable[Site], seqs: Sequence[int]) -> None:
    """Name whom these hits of sealed visits name, without cutting the visits anew."""
    of_site = {site.site_id: site for site in sites}
    for some in chunks(seqs):
        query = (
            select(visit_hits.c.visitor_no, *[raw(tx, column) for column in COLUMNS])
            .join(hits, hits.c.seq == visit_hits.c.hit_seq)
            .where(hits.c.seq.in_(some))
        )
        found = sorted((hit_of(row, number) for number, *row in tx.execute(query)), key=lambda hit: hit.at_ms)
        for site_id in {hit.site_id for hit in found}:
            own = tuple(hit for hit in found if hit.site_id == site_id)
            flow.people_named(tx, of_site[site_id], Folded(own, frozenset(), frozenset()))


def retell(tx: Tx, site: Site) -> None:
    """Tell again what the CRMs said of a site's contacts and deals, and who was merged, in the order of hearing."""
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
        if kind in (CrmChangeKind.MERGE, CrmChangeKind.SPLIT):
            flow.decided_again(tx, site, payload, changed_at)
            continue
        # Of somebody whom perhaps only hits name, of companies with their people: derived when hits are folded.
        if kind in (CrmChangeKind.STAGE, CrmChangeKind.COMPANY, CrmChangeKind.COMPANY_STAGE):
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
