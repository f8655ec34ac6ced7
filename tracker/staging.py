"""The score of the life cycle: what follows when anything is told of people or companies that their stages hang on.

Stages and points are derived, whoever moved is announced, and the caller credits anew those whose changes are others.
flow.py calls it after a hit or a word; the work loop, when time alone changes something or definitions do.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select

from tracker import clock
from tracker.access.sites import Site, site_by_id
from tracker.actions import act
from tracker.actions.moved import StageMoved
from tracker.attribution.attribute import attribute
from tracker.db.schema import contacts, due, identifiers, lifecycles, links
from tracker.db.store import Tx
from tracker.db.writes import chunks, lock_sites
from tracker.identity.stitch import names_by
from tracker.lifecycle import company
from tracker.lifecycle import record as lifecycle
from tracker.lifecycle.settled import end_restage, restage, restaged_upto
from tracker.lifecycle.versions import versions_in_force
from tracker.vocabulary import IdentifierKind, Scope, StageCause

# A replay tells of what happened just now; what it finds out of the past is history.
NEWS = timedelta(days=3)
FEW_COMPANIES = 50
Move = Mapping[str, Any]


def own_ids_of(tx: Tx, contact_ids: Collection[str]) -> dict[str, set[str]]:
    """Per contact its own id and those of the contacts merged into it; none of one that is itself merged."""
    names = names_by(tx, contact_ids)
    return {contact_id: set(names.get(contact_id, {}).values()) for contact_id in contact_ids}


def stages_changed(
    tx: Tx, site: Site, contact_ids: Iterable[str], now: datetime | None = None, *, announce: bool = True
) -> set[str]:
    """Facts, words, wins or who is who may be others than they were: derive these contacts' stages and points.

    now       None: the present
    announce  False while everything is derived anew
    returns   those whose changes are others: they are to be credited anew
    """
    people = set(contact_ids)
    if not people:
        return set()
    moment = now or clock.now()
    recorded = lifecycle.record(tx, site.site_id, site.timezone, own_ids_of(tx, people), moment)
    if announce:
        tell_of(tx, site, Scope.CONTACT, recorded.moves, moment)
    return recorded.changed


def tell_of(tx: Tx, site: Site, scope: Scope, moves: Sequence[Move], now: datetime) -> None:
    """Let the site's actions know who moved, in this transaction."""
    moved = [
        StageMoved(
            scope,
            one["contact_id"] if scope is Scope.CONTACT else one["domain"],
            one["stage_before"],
            one["stage"],
            one["occurred_at"],
            StageCause(one["cause"]),
            one["decided_by"],
            one["version"],
        )
        for one in moves
    ]
    act.on(tx, site.site_id, moved, now)


def has_rules(tx: Tx, site_id: int, scope: Scope | None = None) -> bool:
    """Whether definitions of a site count, or will; of a scope: whether there are rules of it."""
    versions = versions_in_force(tx, site_id)
    return (
        bool(versions)
        if scope is None
        else any(rule.scope is scope for one in versions for rule in one.definition.rules)
    )


def people_did(tx: Tx, site: Site, contact_ids: Iterable[str], now: datetime | None = None) -> set[str]:
    """These people did something, or something was told of them: derive their stages, and those of their companies.

    returns  the people whose changes are others than they were; where the site has no definitions only of those who
             follow a company
    """
    people = set(contact_ids)
    if people and not has_rules(tx, site.site_id):
        return stages_changed(tx, site, company.followers(tx, people), now)
    if not people:
        return set()
    changed = stages_changed(tx, site, people, now)
    if has_rules(tx, site.site_id, Scope.COMPANY):
        changed |= companies_changed(tx, site, company.companies_of(tx, people), now)
    return changed


def concerned(tx: Tx, site: Site, contact_ids: Iterable[str]) -> set[str]:
    """The companies whose stages may hang on these people: to be asked before and after they change."""
    if has_rules(tx, site.site_id, Scope.COMPANY):
        return company.companies_of(tx, contact_ids)
    return company.winners(tx, contact_ids)


def concerned_by_deal(tx: Tx, site: Site, deal_id: str) -> set[str]:
    """The companies whose stages may hang on a deal: to be asked before and after it changes."""
    if has_rules(tx, site.site_id, Scope.COMPANY):
        return company.companies_on(tx, deal_id)
    return company.winning(tx, deal_id)


def companies_changed(tx: Tx, site: Site, domains: Iterable[str], now: datetime | None = None) -> set[str]:
    """Facts, words or wins of companies may be others than they were: derive their stages, and those of their people.

    returns  the people whose stages may be others now: they are to be credited anew
    """
    known = set(domains)
    if not known:
        return set()
    moment = now or clock.now()
    people = people_by_company(tx, site, known) if has_rules(tx, site.site_id, Scope.COMPANY) else {}
    recorded = company.record_companies(tx, site.site_id, site.timezone, known, moment, people)
    tell_of(tx, site, Scope.COMPANY, recorded.moves, moment)
    followers = set(company.people_of(tx, site.site_id, recorded.changed)) if recorded.changed else set()
    stages_changed(tx, site, followers, moment)
    return followers


def people_by_company(tx: Tx, site: Site, domains: Iterable[str]) -> dict[str, dict[str, set[str]]]:
    """Per company its people, each with its own ids."""
    found: dict[str, dict[str, set[str]]] = {}
    for some in chunks(sorted(domains)):
        rows = tx.execute(
            select(contacts.c.contact_id, contacts.c.company_domain).where(
                contacts.c.site_id == site.site_id, contacts.c.company_domain.in_(some)
            )
        ).all()
        own = own_ids_of(tx, [row.contact_id for row in rows])
        for contact_id, domain in rows:
            found.setdefault(domain, {})[contact_id] = own[contact_id]
    return found


def people_of_browsers(tx: Tx, visitor_nos: Iterable[int]) -> set[str]:
    """Whose these browsers are or were."""
    found: set[str] = set()
    for some in chunks(sorted(set(visitor_nos))):
        found.update(tx.execute(select(links.c.contact_id).where(links.c.visitor_no.in_(some))).scalars())
    return found


def facts_told(
    tx: Tx, site: Site, *, emails: Iterable[str] = (), contact_ids: Iterable[str] = (), now: datetime | None = None
) -> None:
    """Mails, answers and the like were told of people by address or by id: derive their stages, and credit anew."""
    if not has_rules(tx, site.site_id):
        return
    lock_sites(tx, [site.site_id], alone=True)
    people = set(contact_ids)
    for some in chunks(sorted(set(emails))):
        query = select(identifiers.c.contact_id).where(
            identifiers.c.site_id == site.site_id,
            identifiers.c.kind == IdentifierKind.EMAIL.value,
            identifiers.c.value.in_(some),
        )
        people.update(tx.execute(query).scalars())
    attribute(tx, site.site_id, site.timezone, people_did(tx, site, people, now))


def tiers_told(tx: Tx, site: Site, domains: Collection[str]) -> None:
    """Companies became target accounts, or none: rules may ask for their tier, so derive their people's stages anew.

    Of very many companies everybody is derived anew by the work loop.
    """
    if not domains or not has_rules(tx, site.site_id):
        return
    lock_sites(tx, [site.site_id], alone=True)
    if len(domains) > FEW_COMPANIES:
        restage(tx, site.site_id)
        return
    people = people_did(tx, site, company.people_of(tx, site.site_id, domains))
    attribute(tx, site.site_id, site.timezone, people)


# --- when time passes, and when definitions change -------------------------------------------------------------------


def has_due(tx: Tx, now: datetime) -> bool:
    """Whether anybody is to be looked at again by now."""
    return tx.execute(select(due.c.contact_id).where(due.c.due_at <= now).limit(1)).first() is not None


def look_again(tx: Tx, limit: int, now: datetime) -> int:
    """Derive anew the stages and points of those whom time has changed; returns of how many."""
    rows = tx.execute(
        select(due.c.site_id, due.c.contact_id).where(due.c.due_at <= now).order_by(due.c.due_at).limit(limit)
    ).all()
    lock_sites(tx, sorted({row.site_id for row in rows}), alone=True)
    for site_id in sorted({row.site_id for row in rows}):
        site, people = site_by_id(tx, site_id), [row.contact_id for row in rows if row.site_id == site_id]
        # Whoever is gone meanwhile, merged into another, waits no more.
        tx.execute(delete(due).where(due.c.contact_id.in_(people)))
        attribute(tx, site_id, site.timezone, people_did(tx, site, people, now))
    return len(rows)


def has_to_restage(tx: Tx) -> bool:
    """Whether everybody of some site is being derived anew."""
    return tx.execute(select(lifecycles.c.site_id).where(lifecycles.c.restaged_id.is_not(None))).first() is not None


def restage_some(tx: Tx, limit: int, now: datetime) -> int:
    """Derive anew the stages of the next people of a site whose definitions or stages changed; returns of how many."""
    query = select(lifecycles.c.site_id).where(lifecycles.c.restaged_id.is_not(None)).order_by(lifecycles.c.site_id)
    site_id = tx.execute(query.limit(1)).scalar()
    if site_id is None:
        return 0
    lock_sites(tx, [site_id], alone=True)
    upto, site = restaged_upto(tx, site_id), site_by_id(tx, site_id)
    if upto is None:  # another worker ended it meanwhile
        return 0
    if not upto:
        restage_companies(tx, site, now)
    people = list(
        tx.execute(
            select(contacts.c.contact_id)
            .where(contacts.c.site_id == site_id, contacts.c.contact_id > upto)
            .order_by(contacts.c.contact_id)
            .limit(limit)
        ).scalars()
    )
    recorded = lifecycle.record(tx, site_id, site.timezone, own_ids_of(tx, people), now)
    fresh = [move for move in recorded.moves if move["occurred_at"] > now - NEWS]
    tell_of(tx, site, Scope.CONTACT, fresh, now)
    attribute(tx, site_id, site.timezone, recorded.changed)
    end_restage(tx, site_id, people[-1] if len(people) == limit else None)
    return max(1, len(people))


def restage_companies(tx: Tx, site: Site, now: datetime, *, announce: bool = True) -> None:
    """Derive anew the stages of all companies of a site, before its people's; announce what happened just now."""
    known = set(company.all_companies(tx, site.site_id))
    if has_rules(tx, site.site_id, Scope.COMPANY):
        known |= set(
            tx.execute(
                select(contacts.c.company_domain)
                .where(contacts.c.site_id == site.site_id, contacts.c.company_domain.is_not(None))
                .distinct()
            ).scalars()
        )
    asks = has_rules(tx, site.site_id, Scope.COMPANY)
    for some in chunks(sorted(known)):
        people = people_by_company(tx, site, some) if asks else {}
        recorded = company.record_companies(tx, site.site_id, site.timezone, some, now, people)
        if announce:
            tell_of(tx, site, Scope.COMPANY, [one for one in recorded.moves if one["occurred_at"] > now - NEWS], now)


def n_left(tx: Tx, site_id: int) -> int:
    """How many people are yet to be derived anew; 0 where nothing is under way."""
    upto = restaged_upto(tx, site_id)
    if upto is None:
        return 0
    query = select(func.count()).select_from(contacts)
    return tx.execute(query.where(contacts.c.site_id == site_id, contacts.c.contact_id > upto)).scalar_one()
