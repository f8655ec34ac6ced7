"""Record how far companies are: their changes of stage follow from what was said of them and the deals they won.

As with people (record.py): the same words and wins give the same rows, in whatever order they came. What moves a
company forward moves its people, where the site wants it so.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, exists, insert, select, update

from tracker.clock import to_ms
from tracker.db.schema import companies, company_changes, contacts, crm_changes, deal_contacts, deals
from tracker.db.store import Tx
from tracker.db.writes import chunks, insert_once, lock
from tracker.lifecycle.changes import Win, Word, changes_of, news_of
from tracker.lifecycle.conditions import Facts, kinds_of
from tracker.lifecycle.derived import Recorded, Scene, moves_in, rows_of, scene_of
from tracker.lifecycle.facts import Records, facts_of_companies
from tracker.lifecycle.rules import Asked
from tracker.lifecycle.settled import lifecycle_of, stages_of
from tracker.lifecycle.stages import Stages
from tracker.vocabulary import CrmChangeKind, DealStatus, Scope, StageCause

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CompanyStageSaid:
    """What one call said of a company's stage. by: who, for people to read: 'crm', 'user alice@acme.example'"""

    site_id: int
    domain: str
    stage: str
    cause: StageCause
    by: str
    at: datetime
    received_at: datetime


def hear_company(tx: Tx, said: CompanyStageSaid) -> bool:
    """Keep what was said of a company's stage unless it is known or changes nothing; return whether it was kept.

    Said of the past it is kept unless it is known: a word from in between may come later.
    """
    known = words_of_companies(tx, said.site_id, [said.domain]).get(said.domain, [])
    word = Word(said.at, said.stage, said.cause, said.by, said.domain)
    if word in known:
        return False
    if said.at >= said.received_at and not is_news(tx, said, known, word):
        return False
    row = {
        "site_id": said.site_id,
        "kind": CrmChangeKind.COMPANY_STAGE.value,
        "key": said.domain,
        "payload": {"stage": str(said.stage), "by": said.by, "cause": said.cause.value},
        "changed_at": said.at,
        "received_at": said.received_at,
    }
    tx.execute(insert(crm_changes), [row])
    return True


def is_news(tx: Tx, said: CompanyStageSaid, known: Sequence[Word], word: Word) -> bool:
    """Whether a word on the present changes anything; what a CRM says for the first time does, as it may later."""
    if word.cause is StageCause.CRM:
        return word in news_of([*known, word])
    here = (companies.c.site_id == said.site_id, companies.c.domain == said.domain)
    if tx.execute(select(companies.c.stage).where(*here)).scalar() != said.stage:  # also by a rule
        return True
    wins = wins_of_companies(tx, said.site_id, [said.domain]).get(said.domain, [])
    return changes_of([*known, word], wins) != changes_of(known, wins)


def record_companies(
    tx: Tx,
    site_id: int,
    timezone: str,
    domains: Iterable[str],
    now: datetime,
    people: Mapping[str, Records] | None = None,
) -> Recorded:
    """Derive the stages of these companies as of now.

    people  per company its contacts, where rules are about companies
    """
    scene, found = scene_of(tx, site_id, timezone, now), Recorded()
    for some in chunks(sorted(set(domains))):
        found.add(record_some(tx, scene, some, {domain: (people or {}).get(domain, {}) for domain in some}))
    return found


def asked_of(tx: Tx, scene: Scene, people: Mapping[str, Records]) -> dict[str, Asked]:
    """The rules on companies, asked of each that has people."""
    rules = [rule for one in scene.versions for rule in one.definition.rules if rule.scope is Scope.COMPANY]
    if not rules:
        return {}
    kinds = {kind for rule in rules for kind in kinds_of(rule.when)}
    told = facts_of_companies(tx, scene.site_id, people, kinds)
    return {
        domain: Asked(scene.versions, Scope.COMPANY, one.known_at, Facts(one.facts)) for domain, one in told.items()
    }


def record_some(tx: Tx, scene: Scene, domains: Sequence[str], people: Mapping[str, Records]) -> Recorded:
    """The same, of so many as one statement may name."""
    site_id, upto = scene.site_id, to_ms(scene.now)
    here = (companies.c.site_id == site_id, companies.c.domain.in_(domains))
    lock(tx, select(companies.c.domain).where(*here).order_by(companies.c.domain))
    words, wins = words_of_companies(tx, site_id, domains), wins_of_companies(tx, site_id, domains)
    asked = asked_of(tx, scene, people)
    found = {}
    for domain in domains:
        own, rules = words.get(domain, []), asked.get(domain)
        spoken = [one for one in rules.firings(again=bool(own)) if one.at <= upto] if rules else []
        changes = changes_of(own, wins.get(domain, ()), spoken, scene.stages)
        found[domain] = rows_of(scene, {"domain": domain}, changes, rules)
    known: dict[str, list[dict[str, Any]]] = {}
    rows = company_changes.c
    query = select(company_changes).where(rows.site_id == site_id, rows.domain.in_(domains))
    for row in tx.execute(query.order_by(rows.domain, rows.position)).mappings():
        known.setdefault(row["domain"], []).append(dict(row))
    others = {domain: own for domain, own in found.items() if own != known.get(domain, [])}
    write(tx, site_id, others)
    return Recorded(set(others), moves_in(others, known))


def write(tx: Tx, site_id: int, found: Mapping[str, Sequence[Row]]) -> None:
    """Replace the changes of these companies, and where they stand; one that nothing is known of has no row."""
    if not found:
        return
    domains = sorted(found)
    tx.execute(
        delete(company_changes).where(company_changes.c.site_id == site_id, company_changes.c.domain.in_(domains))
    )
    if rows := [row for own in found.values() for row in own]:
        tx.execute(insert(company_changes), rows)
    new = [{"site_id": site_id, "domain": domain, "properties": {}} for domain in domains if found[domain]]
    insert_once(tx, companies, new)
    stands = update(companies).where(companies.c.site_id == site_id, companies.c.domain == bindparam("whose"))
    latest = {domain: own[-1] if own else {"stage": None, "occurred_at": None} for domain, own in found.items()}
    tx.execute(
        stands.values(stage=bindparam("now_in"), stage_at=bindparam("since")),
        [{"whose": one, "now_in": row["stage"], "since": row["occurred_at"]} for one, row in sorted(latest.items())],
    )
    told = exists().where(
        crm_changes.c.site_id == site_id,
        crm_changes.c.kind == CrmChangeKind.COMPANY.value,
        crm_changes.c.key == companies.c.domain,
    )
    bare = [domain for domain in domains if not found[domain]]
    here = (companies.c.site_id == site_id, companies.c.domain.in_(bare))
    tx.execute(delete(companies).where(*here, companies.c.stage.is_(None), companies.c.points.is_(None), ~told))


def words_of_companies(tx: Tx, site_id: int, domains: Iterable[str]) -> dict[str, list[Word]]:
    """Per company what was said of its stage."""
    found: dict[str, list[Word]] = {}
    row = crm_changes.c
    for some in chunks(sorted(set(domains))):
        query = select(row.key, row.payload, row.changed_at).where(
            row.site_id == site_id, row.kind == CrmChangeKind.COMPANY_STAGE.value, row.key.in_(some)
        )
        for domain, told, at in tx.execute(query):
            word = Word(at, told["stage"], StageCause(told["cause"]), told["by"], domain)
            found.setdefault(domain, []).append(word)
    return found


def wins_of_companies(tx: Tx, site_id: int, domains: Iterable[str]) -> dict[str, list[Win]]:
    """Per company the deals it won: those that name it, and those without a company that name its people."""
    found: dict[str, set[Win]] = {}
    won = (deals.c.site_id == site_id, deals.c.status == DealStatus.WON.value, deals.c.closed_at.is_not(None))
    for some in chunks(sorted(set(domains))):
        told = select(deals.c.company_domain, deals.c.closed_at, deals.c.reference).where(
            *won, deals.c.company_domain.in_(some)
        )
        by_people = (
            select(contacts.c.company_domain, deals.c.closed_at, deals.c.reference)
            .join(deal_contacts, deal_contacts.c.contact_id == contacts.c.contact_id)
            .join(deals, deals.c.deal_id == deal_contacts.c.deal_id)
            .where(
                *won,
                contacts.c.site_id == site_id,
                contacts.c.company_domain.in_(some),
                deals.c.company_domain.is_(None),
            )
        )
        for query in (told, by_people):
            for domain, at, reference in tx.execute(query):
                found.setdefault(domain, set()).add(Win(at, reference))
    return {domain: sorted(own, key=lambda win: (win.at, win.reference)) for domain, own in found.items()}


def winners(tx: Tx, contact_ids: Iterable[str]) -> set[str]:
    """The companies of those of these people who are named on a won deal that names no company itself."""
    found: set[str] = set()
    for some in chunks(sorted(set(contact_ids))):
        query = (
            select(contacts.c.company_domain)
            .join(deal_contacts, deal_contacts.c.contact_id == contacts.c.contact_id)
            .join(deals, deals.c.deal_id == deal_contacts.c.deal_id)
            .where(
                contacts.c.contact_id.in_(some),
                contacts.c.company_domain.is_not(None),
                deals.c.company_domain.is_(None),
                deals.c.status == DealStatus.WON.value,
            )
            .distinct()
        )
        found.update(tx.execute(query).scalars())
    return found


def winning(tx: Tx, deal_id: str) -> set[str]:
    """The companies that a deal is of, if it is won: the one that it names, else those of its people."""
    won = select(deals.c.company_domain).where(deals.c.deal_id == deal_id, deals.c.status == DealStatus.WON.value)
    row = tx.execute(won).one_or_none()
    if row is None:
        return set()
    if row.company_domain is not None:
        return {row.company_domain}
    query = select(contacts.c.company_domain).join(deal_contacts, deal_contacts.c.contact_id == contacts.c.contact_id)
    by_people = query.where(deal_contacts.c.deal_id == deal_id, contacts.c.company_domain.is_not(None))
    return set(tx.execute(by_people).scalars())


def companies_of(tx: Tx, contact_ids: Iterable[str]) -> set[str]:
    """The companies of these people."""
    found: set[str] = set()
    for some in chunks(sorted(set(contact_ids))):
        query = select(contacts.c.company_domain).where(contacts.c.contact_id.in_(some))
        found.update(tx.execute(query.where(contacts.c.company_domain.is_not(None)).distinct()).scalars())
    return found


def companies_on(tx: Tx, deal_id: str) -> set[str]:
    """The companies that a deal is of, however it stands: the one that it names, and those of its people."""
    named = select(deals.c.company_domain).where(deals.c.deal_id == deal_id)
    people = select(contacts.c.company_domain).join(deal_contacts, deal_contacts.c.contact_id == contacts.c.contact_id)
    found = {*tx.execute(named).scalars(), *tx.execute(people.where(deal_contacts.c.deal_id == deal_id)).scalars()}
    return found - {None}


def all_companies(tx: Tx, site_id: int) -> set[str]:
    """All companies of a site whose stage may follow from anything."""
    said = select(crm_changes.c.key).where(
        crm_changes.c.site_id == site_id, crm_changes.c.kind == CrmChangeKind.COMPANY_STAGE.value
    )
    won = (deals.c.site_id == site_id, deals.c.status == DealStatus.WON.value)
    told = select(deals.c.company_domain).where(*won, deals.c.company_domain.is_not(None))
    named = (
        select(contacts.c.company_domain)
        .join(deal_contacts, deal_contacts.c.contact_id == contacts.c.contact_id)
        .join(deals, deals.c.deal_id == deal_contacts.c.deal_id)
        .where(*won, deals.c.company_domain.is_(None), contacts.c.company_domain.is_not(None))
    )
    known = select(company_changes.c.domain).where(company_changes.c.site_id == site_id)
    return {domain for query in (said, told, named, known) for domain in tx.execute(query.distinct()).scalars()}


# --- what a company's way says of its people --------------------------------------------------------------------------


def company_words(tx: Tx, site_id: int, contact_ids: Iterable[str]) -> dict[str, list[Word]]:
    """Per contact what the way of its company says of it: a word of StageCause.COMPANY for each step forward.

    Nobody is in a stage before they are known: where the company stands when a person is first named counts from then
    on. Empty for a site whose people go their own way.
    """
    if not lifecycle_of(tx, site_id).people_follow_company:
        return {}
    stages = stages_of(tx, site_id)
    found: dict[str, list[Word]] = {}
    for some in chunks(sorted(set(contact_ids))):
        query = (
            select(
                contacts.c.contact_id,
                contacts.c.lead_at,
                company_changes.c.domain,
                company_changes.c.stage_before,
                company_changes.c.stage,
                company_changes.c.occurred_at,
            )
            .join(company_changes, company_changes.c.domain == contacts.c.company_domain)
            .where(company_changes.c.site_id == site_id, contacts.c.site_id == site_id, contacts.c.contact_id.in_(some))
            .order_by(contacts.c.contact_id, company_changes.c.position)
        )
        own: dict[str, list[Any]] = {}
        for row in tx.execute(query):
            own.setdefault(row.contact_id, []).append(row)
        found |= {contact_id: steps_of(rows, stages) for contact_id, rows in own.items()}
    return {contact_id: words for contact_id, words in found.items() if words}


def steps_of(rows: Sequence[Any], stages: Stages) -> list[Word]:
    """The words of a company's changes, in their order, for one of its people."""
    known_at = rows[0].lead_at
    before = [row for row in rows if row.occurred_at <= known_at][-1:]
    later = [
        row for row in rows if row.occurred_at > known_at and stages.rank(row.stage) > stages.rank(row.stage_before)
    ]
    return [
        Word(max(row.occurred_at, known_at), row.stage, StageCause.COMPANY, row.domain, "") for row in [*before, *later]
    ]


def followers(tx: Tx, contact_ids: Iterable[str]) -> set[str]:
    """Those of these people whose company is in a stage."""
    found: set[str] = set()
    for some in chunks(sorted(set(contact_ids))):
        query = (
            select(contacts.c.contact_id)
            .join(companies, companies.c.domain == contacts.c.company_domain)
            .where(
                contacts.c.contact_id.in_(some),
                companies.c.site_id == contacts.c.site_id,
                companies.c.stage.is_not(None),
            )
        )
        found.update(tx.execute(query).scalars())
    return found


def people_of(tx: Tx, site_id: int, domains: Iterable[str]) -> list[str]:
    """The people of these companies."""
    found: list[str] = []
    for some in chunks(sorted(set(domains))):
        query = select(contacts.c.contact_id).where(contacts.c.site_id == site_id, contacts.c.company_domain.in_(some))
        found += tx.execute(query).scalars()
    return found
