"""Whom an item of the outbox is about, as they are known now: nothing of a person is kept in the outbox but the id."""

from collections.abc import Collection

from sqlalchemy import select

from tracker.actions.messages import Subject
from tracker.db.schema import companies, contacts, merges
from tracker.db.store import Tx
from tracker.db.writes import among
from tracker.vocabulary import Scope

MOST_MERGES = 20


def people_of(tx: Tx, site_id: int, contact_ids: Collection[str]) -> dict[str, Subject]:
    """These contacts by the ids they were put in under; of one that is merged the one that stays; unknown: left out."""
    stays = {one: one for one in contact_ids}
    for _ in range(MOST_MERGES):
        query = select(merges.c.contact_id, merges.c.into_id).where(
            merges.c.site_id == site_id, among(tx, merges.c.contact_id, sorted(set(stays.values())))
        )
        into = {row.contact_id: row.into_id for row in tx.execute(query)}
        if not into:
            break
        stays = {one: into.get(by, by) for one, by in stays.items()}
    of = contacts.c
    rows = tx.execute(
        select(of.contact_id, of.name, of.email, of.crm_id).where(
            of.site_id == site_id, among(tx, of.contact_id, sorted(set(stays.values())))
        )
    )
    known = {row.contact_id: Subject(Scope.CONTACT, row.contact_id, row.name, row.email, row.crm_id) for row in rows}
    return {one: known[by] for one, by in stays.items() if by in known}


def companies_of(tx: Tx, site_id: int, domains: Collection[str]) -> dict[str, Subject]:
    """These companies by their domains; of one that nobody told of, its domain is all there is."""
    query = select(companies.c.domain, companies.c.name).where(
        companies.c.site_id == site_id, among(tx, companies.c.domain, sorted(set(domains)))
    )
    names = {row.domain: row.name for row in tx.execute(query)}
    return {domain: Subject(Scope.COMPANY, domain, names.get(domain)) for domain in domains}


def subjects_of(tx: Tx, site_id: int, wanted: Collection[tuple[Scope, str]]) -> dict[tuple[Scope, str], Subject]:
    """People and companies, each by scope and key; people who are not there any more are left out."""
    people = people_of(tx, site_id, [key for scope, key in wanted if scope is Scope.CONTACT])
    firms = companies_of(tx, site_id, [key for scope, key in wanted if scope is Scope.COMPANY])
    return {(Scope.CONTACT, key): one for key, one in people.items()} | {
        (Scope.COMPANY, key): one for key, one in firms.items()
    }
