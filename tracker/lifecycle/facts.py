"""What rules are asked about: read from what is stored of people and companies, by kind, and only what is asked for.

Everything is dated when it happened, so that rules come true at the same time whenever they are asked. Page views that
have left the journal are not found; what rules decided by them is kept (record.py).
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Select, func, or_, select

from tracker.db.schema import (
    accounts,
    calls,
    contacts,
    crm_changes,
    deal_contacts,
    deal_states,
    deals,
    hits,
    identifications,
    identifiers,
    links,
    mail_events,
    nps_answers,
    touchpoints,
    visit_hits,
    visits,
)
from tracker.db.store import Tx
from tracker.db.writes import GIVEN, among, as_one, chunks, raw
from tracker.lifecycle.conditions import Fact
from tracker.money import exponent
from tracker.vocabulary import NOT_SET, CrmChangeKind, FactKind, HitKind, IdentifierKind

# Contacts by their ids, each with its own id and those of the contacts that are merged into it.
Records = Mapping[str, Collection[str]]
ON_PAGES = (HitKind.PAGE.value, HitKind.FORM.value, HitKind.EVENT.value)
ELSEWHERE = (HitKind.CHAT.value, HitKind.OFFLINE.value)
TITLES = ("title", "jobtitle", "job_title", "役職")
MOST_TEXT = 500


@dataclass(slots=True)
class Told:
    """What is known of one person or company.

    known_at  when they could first be named, in milliseconds
    """

    known_at: int
    domain: str | None = None
    facts: list[Fact] = field(default_factory=list)


def facts_of(tx: Tx, site_id: int, records: Records, kinds: Collection[FactKind]) -> dict[str, Told]:
    """Per contact all facts of these kinds; of one that is merged into another nothing.

    records  as many as one statement may name
    """
    ids = sorted(one for one, own in records.items() if own)
    found = {
        row.contact_id: Told(row.lead_at, row.company_domain)
        for row in tx.execute(
            select(contacts.c.contact_id, raw(tx, contacts.c.lead_at), contacts.c.company_domain).where(
                contacts.c.contact_id.in_(ids)
            )
        )
    }
    readers = {
        FactKind.PAGE: lambda: pages_of(tx, ids, [HitKind.PAGE.value]),
        FactKind.FORM: lambda: pages_of(tx, ids, [HitKind.FORM.value]),
        FactKind.EVENT: lambda: pages_of(tx, ids, [HitKind.EVENT.value]),
        FactKind.CALL: lambda: calls_of(tx, ids),
        FactKind.CHAT: lambda: named_events_of(tx, ids, HitKind.CHAT),
        FactKind.OFFLINE: lambda: named_events_of(tx, ids, HitKind.OFFLINE),
        FactKind.TOUCH: lambda: touches_of(tx, ids),
        FactKind.MAIL: lambda: mails_of(tx, site_id, ids),
        FactKind.NPS: lambda: answers_of(tx, site_id, ids),
        FactKind.DEAL: lambda: deals_of(tx, ids),
        FactKind.ATTRIBUTE: lambda: attributes_of(tx, site_id, records, found),
    }
    for kind in sorted(kinds):
        if kind in readers:
            for contact_id, fact in readers[kind]():
                if contact_id in found:
                    found[contact_id].facts.append(fact)
    return found


Facts = Iterator[tuple[str, Fact]]


def linked(columns: Sequence[Any], moment: ColumnElement[Any]) -> Select[Any]:
    """What happened in browsers while they were somebody's."""
    return select(links.c.contact_id, *columns).where(
        or_(links.c.from_at.is_(None), moment >= links.c.from_at),
        or_(links.c.to_at.is_(None), moment < links.c.to_at),
    )


def pages_of(tx: Tx, ids: Sequence[str], kinds: Sequence[str]) -> Facts:
    """Pages seen, forms sent, and what else was done on pages; of people, not of crawlers."""
    columns = [raw(tx, hits.c.occurred_at), hits.c.kind, hits.c.url, hits.c.title, raw(tx, hits.c.details)]
    query = (
        linked(columns, visit_hits.c.occurred_at)
        .join(visit_hits, visit_hits.c.visitor_no == links.c.visitor_no)
        .join(visits, visits.c.visit_id == visit_hits.c.visit_id)
        .join(hits, hits.c.seq == visit_hits.c.hit_seq)
        .where(among(tx, links.c.contact_id, GIVEN), visits.c.bot.is_(None), hits.c.kind.in_(kinds))
    )
    for contact_id, at, kind, url, title, details in tx.execute(query, {"given": as_one(ids)}):
        path = path_of(url)
        if kind == HitKind.PAGE:
            yield contact_id, Fact(at, kind, path, {"title": (title or "")[:MOST_TEXT]})
            continue
        told = json.loads(details)
        if kind == HitKind.FORM:
            form = told.get("form") or {}
            name = form.get("id", "") if isinstance(form, Mapping) else str(form)
            yield contact_id, Fact(at, kind, str(name or path)[:MOST_TEXT], {"page": path})
        else:
            yield contact_id, Fact(at, kind, str(told.get("name", ""))[:MOST_TEXT], {"page": path, **words_in(told)})


@lru_cache(maxsize=100_000)
def path_of(url: str) -> str:
    """The path of an address, without its query."""
    rest = url.partition("://")[2] or url
    path = rest[rest.find("/") :] if "/" in rest else "/"
    return path.partition("?")[0].partition("#")[0][:MOST_TEXT]


def words_in(details: Mapping[str, Any]) -> dict[str, str]:
    """What an event was told with, as text."""
    props = details.get("props") or {}
    return {str(name)[:100]: str(value)[:MOST_TEXT] for name, value in props.items()}


def named_events_of(tx: Tx, ids: Sequence[str], kind: HitKind) -> Facts:
    """Chats and events outside the web, of whom they named."""
    query = (
        select(identifications.c.contact_id, raw(tx, hits.c.occurred_at), raw(tx, hits.c.details))
        .join(hits, hits.c.seq == identifications.c.hit_seq)
        .where(identifications.c.contact_id.in_(ids), identifications.c.kind == kind.value)
    )
    for contact_id, at, details in tx.execute(query):
        told = json.loads(details)
        arrival = told.get("arrival") or {}
        more = {name: str(arrival[name])[:MOST_TEXT] for name in ("source", "medium", "campaign") if arrival.get(name)}
        text = told.get("name") or (told.get("chat") or {}).get("provider") or ""
        yield contact_id, Fact(at, kind.value, str(text)[:MOST_TEXT], {**more, **words_in(told)})


def calls_of(tx: Tx, ids: Sequence[str]) -> Facts:
    """Phone calls: those that a telephone system told of, and those that the API named somebody with."""
    seen: set[int] = set()
    told = select(calls.c.contact_id, calls.c.hit_seq, raw(tx, calls.c.occurred_at)).where(calls.c.contact_id.in_(ids))
    named = select(
        identifications.c.contact_id, identifications.c.hit_seq, raw(tx, identifications.c.occurred_at)
    ).where(identifications.c.contact_id.in_(ids), identifications.c.kind == HitKind.CALL.value)
    for query in (told, named):
        for contact_id, seq, at in tx.execute(query).all():
            if seq not in seen:
                seen.add(seq)
                yield contact_id, Fact(at, FactKind.CALL.value, "call")


def touches_of(tx: Tx, ids: Sequence[str]) -> Facts:
    """Touchpoints, by channel."""
    names = ("channel", "source", "medium", "campaign", "landing_page", "device", "country")
    columns = [raw(tx, touchpoints.c.occurred_at), *(touchpoints.c[name] for name in names)]
    own = func.coalesce(touchpoints.c.contact_id, "")
    of_browsers = (
        linked(columns, touchpoints.c.occurred_at)
        .join(touchpoints, touchpoints.c.visitor_no == links.c.visitor_no)
        .where(among(tx, links.c.contact_id, GIVEN), own == "")
    )
    of_people = select(touchpoints.c.contact_id, *columns).where(among(tx, touchpoints.c.contact_id, GIVEN))
    for query in (of_browsers, of_people):
        for contact_id, at, channel, *rest in tx.execute(query, {"given": as_one(ids)}):
            yield contact_id, Fact(at, FactKind.TOUCH.value, channel, dict(zip(names[1:], rest, strict=True)))


def addresses_of(tx: Tx, site_id: int, ids: Sequence[str]) -> dict[str, str]:
    """Whose an e-mail address is."""
    query = select(identifiers.c.value, identifiers.c.contact_id).where(
        identifiers.c.site_id == site_id,
        identifiers.c.kind == IdentifierKind.EMAIL.value,
        identifiers.c.contact_id.in_(ids),
    )
    return {row.value: row.contact_id for row in tx.execute(query)}


def mails_of(tx: Tx, site_id: int, ids: Sequence[str]) -> Facts:
    """What became of mails to them."""
    row = mail_events.c
    columns = (raw(tx, row.occurred_at), row.kind, row.programme, row.step, row.email, row.contact_id)
    for owner, (at, kind, programme, step, *_) in told_to(tx, site_id, ids, columns, row.email, row.contact_id):
        yield owner, Fact(at, FactKind.MAIL.value, programme, {"kind": kind, "step": step})


def answers_of(tx: Tx, site_id: int, ids: Sequence[str]) -> Facts:
    """How likely they recommend."""
    row = nps_answers.c
    columns = (raw(tx, row.answered_at), row.score, row.email, row.contact_id)
    for owner, (at, score, *_) in told_to(tx, site_id, ids, columns, row.email, row.contact_id):
        yield owner, Fact(at, FactKind.NPS.value, str(score))


def told_to(
    tx: Tx, site_id: int, ids: Sequence[str], columns: Sequence[Any], email: Any, contact_id: Any
) -> Iterator[tuple[str, Sequence[Any]]]:
    """Rows that are somebody's by an address or an id, each once, with whose; email and contact_id stand last."""
    owners, mine = addresses_of(tx, site_id, ids), set(ids)
    table = email.table
    for some in chunks(sorted(owners)):
        for row in tx.execute(select(*columns).where(table.c.site_id == site_id, email.in_(some))):
            yield owners[row[-2]], row
    by_id = select(*columns).where(table.c.site_id == site_id, email == "", contact_id.in_(sorted(mine)))
    for row in tx.execute(by_id):
        yield row[-1], row


def deals_of(tx: Tx, ids: Sequence[str]) -> Facts:
    """What became of the deals that name them."""
    query = (
        select(deal_contacts.c.contact_id, deals.c.deal_id, raw(tx, deals.c.created_at), deals.c.type)
        .join(deals, deals.c.deal_id == deal_contacts.c.deal_id)
        .where(deal_contacts.c.contact_id.in_(ids))
    )
    whose: dict[str, list[str]] = {}
    types: dict[str, str] = {}
    created: dict[str, int] = {}
    for contact_id, deal_id, created_at, kind in tx.execute(query):
        whose.setdefault(deal_id, []).append(contact_id)
        types[deal_id], created[deal_id] = kind, created_at
    for deal_id, fact in deal_facts(tx, types, created):
        for contact_id in whose[deal_id]:
            yield contact_id, fact


def deal_facts(tx: Tx, types: Mapping[str, str], created: Mapping[str, int]) -> Iterator[tuple[str, Fact]]:
    """What became of these deals: created, won, lost, opened again; each with its amount then."""
    row = deal_states.c
    for some in chunks(sorted(types)):
        query = select(
            row.deal_id, raw(tx, row.from_at), row.status, row.pipeline, row.stage, row.amount_minor, row.currency
        ).where(row.deal_id.in_(some))
        last: dict[str, str] = {}
        for deal_id, at, status, pipeline, stage, amount_minor, currency in tx.execute(
            query.order_by(row.deal_id, row.position)
        ):
            more = {
                "type": types[deal_id],
                "pipeline": pipeline,
                "stage": stage,
                "amount": str(amount_minor / 10 ** exponent(currency)),
                "currency": currency,
            }
            if deal_id not in last:
                yield deal_id, Fact(min(at, created[deal_id]), FactKind.DEAL.value, "created", more)
            if status != last.get(deal_id, "open"):
                yield deal_id, Fact(at, FactKind.DEAL.value, status, more)
            last[deal_id] = status


def attributes_of(tx: Tx, site_id: int, records: Records, found: Mapping[str, Told]) -> Facts:
    """What was told of people and of their companies, since when."""
    whose = {own_id: contact_id for contact_id in found for own_id in records[contact_id]}
    for own_id, fact in words_told(tx, site_id, CrmChangeKind.CONTACT, whose, ""):
        yield whose[own_id], fact
    yield from fields_of(tx, sorted(found))
    for contact_id, at, country in countries_of(tx, sorted(found)):
        yield contact_id, attribute(at, "country", country)
    by_domain: dict[str, list[str]] = {}
    for contact_id, one in found.items():
        if one.domain:
            yield contact_id, attribute(one.known_at, "company_domain", one.domain)
            by_domain.setdefault(one.domain, []).append(contact_id)
    for domain, fact in company_attributes(tx, site_id, by_domain, "company."):
        for contact_id in by_domain[domain]:
            yield contact_id, fact


def attribute(at: int, name: str, value: object) -> Fact:
    """That something is so from then on."""
    return Fact(at, FactKind.ATTRIBUTE.value, name, {"value": "" if value is None else str(value)[:MOST_TEXT]})


def words_told(tx: Tx, site_id: int, kind: CrmChangeKind, keys: Iterable[str], prefix: str) -> Facts:
    """What CRMs told of people or companies, word by word; keys: whose words."""
    for some in chunks(sorted(keys)):
        query = select(crm_changes.c.key, raw(tx, crm_changes.c.changed_at), crm_changes.c.payload, crm_changes.c.seq)
        rows = tx.execute(
            query.where(crm_changes.c.site_id == site_id, crm_changes.c.kind == kind.value, crm_changes.c.key.in_(some))
        )
        for key, at, payload, _ in sorted(rows, key=lambda row: (row[1], row[3])):
            for name, value in payload.get("properties", {}).items():
                yield key, attribute(at, f"{prefix}{name}", value)
            for name in ("name", "company_name", "company_domain", "phone"):
                if name in payload:
                    yield key, attribute(at, f"{prefix}{name}", payload[name])
            if "score" in payload:
                yield key, attribute(at, f"{prefix}crm_score", payload["score"])
            if payload.get("email"):
                yield key, attribute(at, "email_domain", payload["email"].rpartition("@")[2])


def fields_of(tx: Tx, ids: Sequence[str]) -> Facts:
    """What forms told: the fields that the site lets them send, as `form.` and the field's name."""
    query = (
        select(identifications.c.contact_id, raw(tx, hits.c.occurred_at), raw(tx, hits.c.details))
        .join(hits, hits.c.seq == identifications.c.hit_seq)
        .where(identifications.c.contact_id.in_(ids))
    )
    for contact_id, at, details in tx.execute(query):
        told = json.loads(details)
        for name, value in (told.get("fields") or {}).items():
            yield contact_id, attribute(at, f"form.{str(name)[:100]}", value)
        email = str((told.get("identifiers") or {}).get("email", ""))
        if "@" in email:
            yield contact_id, attribute(at, "email_domain", email.strip().lower().rpartition("@")[2])


def countries_of(tx: Tx, ids: Sequence[str]) -> Iterator[tuple[str, int, str]]:
    """Where visits came from, as far as it is known."""
    query = (
        linked([raw(tx, touchpoints.c.occurred_at), touchpoints.c.country], touchpoints.c.occurred_at)
        .join(touchpoints, touchpoints.c.visitor_no == links.c.visitor_no)
        .where(among(tx, links.c.contact_id, GIVEN), touchpoints.c.country != NOT_SET)
    )
    for row in tx.execute(query, {"given": as_one(ids)}):
        yield row[0], row[1], row[2]


def company_attributes(tx: Tx, site_id: int, domains: Iterable[str], prefix: str = "") -> Facts:
    """What is known of companies by their domains, since when; the tier of target accounts, too."""
    known = sorted(domains)
    yield from words_told(tx, site_id, CrmChangeKind.COMPANY, known, prefix)
    for some in chunks(known):
        query = select(accounts.c.domain, raw(tx, accounts.c.added_at), accounts.c.tier)
        for domain, at, tier in tx.execute(query.where(accounts.c.site_id == site_id, accounts.c.domain.in_(some))):
            yield domain, attribute(at, f"{prefix}tier", tier)


def facts_of_companies(
    tx: Tx, site_id: int, people: Mapping[str, Records], kinds: Collection[FactKind]
) -> dict[str, Told]:
    """Per company all facts of these kinds: of all its people together, its own attributes, and whom it has.

    people  per domain its contacts
    """
    found: dict[str, Told] = {}
    of_people = set(kinds) - {FactKind.ATTRIBUTE, FactKind.PERSON, FactKind.DEAL}
    every = {contact_id: own for records in people.values() for contact_id, own in records.items()}
    told: dict[str, Told] = {}
    for some in chunks(sorted(every)):
        told |= facts_of(tx, site_id, {one: every[one] for one in some}, of_people)
    titles = titles_of(tx, sorted(every)) if FactKind.PERSON in kinds else {}
    for domain, records in people.items():
        own = [told[one] for one in records if one in told]
        if not own:
            continue
        company = Told(min(one.known_at for one in own), domain, [fact for one in own for fact in one.facts])
        if FactKind.PERSON in kinds:
            company.facts += [
                Fact(told[one].known_at, FactKind.PERSON.value, titles.get(one, "")) for one in records if one in told
            ]
        found[domain] = company
    if FactKind.ATTRIBUTE in kinds:
        for domain, fact in company_attributes(tx, site_id, found):
            found[domain].facts.append(fact)
    if FactKind.DEAL in kinds:
        for domain, fact in deals_of_companies(tx, site_id, people, found):
            found[domain].facts.append(fact)
    return found


def deals_of_companies(tx: Tx, site_id: int, people: Mapping[str, Records], found: Iterable[str]) -> Facts:
    """What became of the deals that name a company, or its people, each once."""
    whose: dict[str, set[str]] = {}
    deal = (deals.c.deal_id, raw(tx, deals.c.created_at), deals.c.type)
    rows: dict[str, tuple[int, str]] = {}
    for some in chunks(sorted(found)):
        named = select(*deal, deals.c.company_domain).where(
            deals.c.site_id == site_id, deals.c.company_domain.in_(some)
        )
        for deal_id, created_at, kind, domain in tx.execute(named):
            whose.setdefault(deal_id, set()).add(domain)
            rows[deal_id] = (created_at, kind)
    domain_of = {contact_id: domain for domain in sorted(found) for contact_id in people[domain]}
    for some in chunks(sorted(domain_of)):
        by_people = select(*deal, deal_contacts.c.contact_id).join(
            deal_contacts, deal_contacts.c.deal_id == deals.c.deal_id
        )
        for deal_id, created_at, kind, contact_id in tx.execute(by_people.where(deal_contacts.c.contact_id.in_(some))):
            whose.setdefault(deal_id, set()).add(domain_of[contact_id])
            rows[deal_id] = (created_at, kind)
    types = {deal_id: kind for deal_id, (_, kind) in rows.items()}
    for deal_id, fact in deal_facts(tx, types, {deal_id: created_at for deal_id, (created_at, _) in rows.items()}):
        for domain in whose[deal_id]:
            yield domain, fact


def titles_of(tx: Tx, ids: Sequence[str]) -> dict[str, str]:
    """What people are at their companies, as a CRM told."""
    found: dict[str, str] = {}
    for some in chunks(ids):
        query = select(contacts.c.contact_id, contacts.c.properties).where(contacts.c.contact_id.in_(some))
        for contact_id, properties in tx.execute(query):
            lowered = {str(name).lower(): value for name, value in properties.items()}
            found[contact_id] = next((str(lowered[name]) for name in TITLES if lowered.get(name)), "")
    return found
