"""The score: what follows a hit, and what follows a CRM's word. Nouns never call each other; this page composes them.

Every function takes the transaction it runs in and may run again with the same input: nothing happens twice.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from msgspec import structs
from sqlalchemy import insert, select

from tracker.access.sites import Site, settle_currency, site_by_id
from tracker.attribution.attribute import attribute, deals_of, with_siblings
from tracker.attribution.recredited import day_mark, tell
from tracker.calls.arrival import arrival_of
from tracker.calls.record import Settled, Told, keep, keep_anew, settle, told_of
from tracker.clock import parse_instant
from tracker.companies import record as companies
from tracker.companies.record import CompanySaid
from tracker.db.schema import crm_changes, deal_contacts, deals
from tracker.db.store import Tx
from tracker.db.writes import lock_names, lock_sites
from tracker.deals.record import DealSaid, hear, history, record
from tracker.errors import Invalid
from tracker.identity import merge
from tracker.identity.merge import Decision
from tracker.identity.normalise import email_of
from tracker.identity.stitch import (
    Identification,
    Owner,
    crm_said,
    crm_says,
    find_contact,
    is_news,
    names_of,
    own_name,
    owner_of,
    refresh,
    relink,
    stitch,
    stitch_all,
)
from tracker.ids import derive
from tracker.lifecycle import company
from tracker.lifecycle import record as lifecycle
from tracker.lifecycle.company import CompanyStageSaid
from tracker.lifecycle.record import StageSaid
from tracker.lifecycle.settled import stages_of
from tracker.lifecycle.stages import one_of_the_sites
from tracker.staging import (
    companies_changed,
    concerned,
    concerned_by_deal,
    has_rules,
    own_ids_of,
    people_did,
    people_of_browsers,
    stages_changed,
)
from tracker.visits.fold import Folded, SiteRules, fold, is_on_the_web, warm
from tracker.visits.offline import OFFLINE_KINDS, touch, touch_anew
from tracker.visits.park import fold_or_park
from tracker.visits.waiting import (
    NOTHING_AHEAD,
    Ahead,
    FoldedHit,
    claim,
    read_ahead,
    read_hits,
    sites_of,
    wait_no_more,
)
from tracker.vocabulary import CrmChangeKind, HitKind, IdentificationKind, StageCause

# Who said what a CRM said, where people read it.
BY_CRM = "crm"
NAMING_KINDS = (HitKind.FORM, HitKind.IDENTIFY, HitKind.CALL, HitKind.CHAT, HitKind.OFFLINE)


def rules_of(site: Site) -> SiteRules:
    """What the fold must know of a site."""
    return SiteRules(site.site_id, site.hosts, site.timezone, timedelta(seconds=site.visit_gap_s))


def hits_arrived(
    tx: Tx, limit: int, *, credit: bool = True, one_by_one: bool = True, ahead: Ahead = NOTHING_AHEAD
) -> int:
    """Hits wait in the journal: cut visits, name people, credit what they did. Returns how many wait no more.

    credit      False while rebuilding, which credits everybody at its end
    one_by_one  whether a hit that cannot be folded is looked for and parked; False raises, and is faster
    ahead       what look_ahead read
    """
    seqs = claim(tx, limit)
    ahead = read_hits(tx, seqs, ahead)
    # Workers fold beside one another; whoever says who is who, or what they bought, is alone.
    lock_sites(tx, sites_of(ahead), alone=False)
    if one_by_one:
        fold_or_park(tx, seqs, lambda some: follow(tx, some, ahead, credit=credit))
    else:
        follow(tx, seqs, ahead, credit=credit)
    wait_no_more(tx, seqs)
    return len(seqs)


def look_ahead(tx: Tx, limit: int) -> Ahead:
    """Read the hits that hits_arrived will find, and work out what needs no writing."""
    ahead = read_ahead(tx, limit)
    site_of = sites_in(tx)
    warm(ahead, cache(lambda site_id: rules_of(site_of(site_id))))
    return ahead


def sites_in(tx: Tx) -> Callable[[int], Site]:
    """The site of an id, each read once."""

    @cache
    def site_of(site_id: int) -> Site:
        return site_by_id(tx, site_id)

    return site_of


def follow(tx: Tx, seqs: Sequence[int], ahead: Ahead, *, credit: bool) -> None:
    """Do all that follows from these hits, which are read."""
    site_of = sites_in(tx)
    folded = fold(tx, cache(lambda site_id: rules_of(site_of(site_id))), seqs, ahead)
    for site_id in sorted({hit.site_id for hit in folded.hits}):
        site = site_of(site_id)
        own = replace(folded, hits=tuple(hit for hit in folded.hits if hit.site_id == site_id))
        touched = people_named(tx, site, own)
        settled = calls_told(tx, site, own)
        if credit:
            tell(tx, site_id, [day_mark(day) for owner, day in folded.days if owner == site_id])
            people = touched | settled.people
            browsers = browsers_of(own) if has_rules(tx, site_id) else ()
            people |= people_did(tx, site, people | people_of_browsers(tx, browsers))
            attribute(tx, site_id, site.timezone, people, call_ids=settled.strangers)


def browsers_of(folded: Folded) -> set[int]:
    """The visitors of these hits."""
    return {hit.visitor_no for hit in folded.hits if hit.visitor_no}


def people_named(tx: Tx, site: Site, folded: Folded) -> set[str]:
    """Name the people of these hits, share their browsers among them; return all whose way may have changed."""
    named = [
        (hit, one)
        for hit in folded.hits
        if hit.kind in NAMING_KINDS and hit.seq not in folded.crawlers and (one := named_by(site, hit))
    ]
    # Another worker may name them for the first time at this very moment, too.
    lock_names(tx, [name_to_lock(site, kind, value) for _, one in named for kind, value in names_of(one)])
    people = stitch_all(tx, [one for _, one in named], site.timezone)
    events = [
        (hit, person)
        for (hit, _), person in zip(named, people, strict=True)
        if hit.kind in OFFLINE_KINDS and not is_on_the_web(hit) and told_of(hit.details) is None
    ]
    touch(tx, events, rules_of(site))
    browsers = folded.moved | {hit.visitor_no for hit, _ in named}
    touched = relink(tx, {hit.visitor_no for hit in folded.hits if hit.visitor_no and hit.visitor_no in browsers})
    refresh(tx, people, site.timezone)
    return touched | set(people)


def calls_told(tx: Tx, site: Site, folded: Folded) -> Settled:
    """Keep the calls among these hits, and give every call of these visitors to whom their browsers were.

    A call that no one visitor is known of is a touch of its own. Returns also calls that are nobody's, whose visitors'
    way may have changed.
    """
    told = [
        (hit, Told(site.site_id, hit.hit_id, hit.seq, hit.visitor_no, hit.occurred_at, traced))
        for hit in folded.hits
        if (traced := told_of(hit.details))
    ]
    named = keep(tx, [call for _, call in told])
    own = [
        (hit_with(hit, arrival_of(hit.details["call"], site.hosts)), named.get(call.call_id))
        for hit, call in told
        if call.is_touch
    ]
    touch(tx, own, rules_of(site))
    naming = {hit.visitor_no for hit in folded.hits if hit.kind in NAMING_KINDS}
    settled = settle(tx, {hit.visitor_no for hit in folded.hits if hit.visitor_no} & (folded.moved | naming))
    people = settled.people | set(named.values())
    refresh(tx, people, site.timezone)
    nobodys = {call.call_id for _, call in told if call.is_touch} - named.keys()
    return Settled(people, settled.strangers | nobodys)


def hit_with(hit: FoldedHit, arrival: Mapping[str, str]) -> FoldedHit:
    """A hit that tells what brought it."""
    return structs.replace(hit, details={**hit.details, "arrival": arrival})


def named_by(site: Site, hit: FoldedHit) -> Identification | None:
    """Whom a form, a call or an event names; None if nobody."""
    told = hit.details.get("identifiers", {})
    email = email_of(str(told.get("email", "")))
    crm_id = str(told.get("crm_id", "")) or None
    if email is None and crm_id is None:
        return None
    return Identification(
        site_id=site.site_id,
        kind=IdentificationKind(hit.kind),
        occurred_at=hit.occurred_at,
        evidence=f"hit {hit.hit_id}",
        email=email,
        crm_id=None if email else crm_id,
        visitor_no=hit.visitor_no,
        hit_seq=hit.seq,
        conversation=conversation_of(hit),
    )


def conversation_of(hit: FoldedHit) -> str | None:
    """Which conversation a chat on the site's pages is part of; None where its provider gives it no id."""
    chat = hit.details.get("chat", {})
    return f"{chat.get('provider', '')} {chat['id']}" if chat.get("id") and is_on_the_web(hit) else None


def take_turn(tx: Tx, site: Site) -> None:
    """Be alone with a site's people and deals until the transaction ends; to be called before any of them is read.

    contact_said, stage_said, deal_said, contact_merged and contact_split take their turn themselves.
    """
    lock_sites(tx, [site.site_id], alone=True)


def contact_said(
    tx: Tx,
    site: Site,
    fields: Mapping[str, Any],
    changed_at: datetime,
    received_at: datetime,
    stage: str | None = None,
) -> tuple[str, bool]:
    """A CRM told of a contact: find or found it, keep what was said. Returns its id and whether it is new.

    fields  email and/or crm_id, normalised, and what else was given
    stage   in which it is since changed_at; None: nothing was said of that
    raises  Conflict: the identifiers are two contacts'; Invalid: the site has no such stage
    """
    take_turn(tx, site)
    if stage is not None:
        one_of_the_sites(stages_of(tx, site.site_id), stage)
    email, crm_id = fields.get("email"), fields.get("crm_id")
    known = owner_of(tx, site.site_id, email, crm_id)
    before = deals_of(tx, site.site_id, [known.contact_id]) if known else set()
    since = parse_instant(fields["created_at"], "created_at") if fields.get("created_at") else changed_at
    if known is None or adds_to_known(tx, known, fields, changed_at):
        contact_id = contact_named(tx, site, "email" if email else "crm_id", email or crm_id or "", since, fields)
        own_id = known.own_id if known else contact_id
        row = {
            "site_id": site.site_id,
            "kind": CrmChangeKind.CONTACT.value,
            "key": own_id,
            "payload": dict(fields),
            "changed_at": changed_at,
            "received_at": received_at,
        }
        tx.execute(insert(crm_changes), [row])
    else:
        contact_id, own_id = known.contact_id, known.own_id
    if stage is not None:
        said_so = StageSaid(site.site_id, own_id, stage, StageCause.CRM, BY_CRM, changed_at, received_at)
        stage_heard(tx, site, said_so, contact_id)
    contacts_changed(tx, site, {contact_id}, before)
    return contact_id, known is None


def stage_said(
    tx: Tx,
    site: Site,
    contact_id: str,
    stage: str,
    by: str,
    cause: StageCause,
    at: datetime,
    received_at: datetime,
) -> bool:
    """Somebody said in which stage a contact is, since when: keep it if it is news, derive its stages, credit anew.

    contact_id  also of one that is merged: a split gives it back what was said of it
    by          who, for people to read: 'user alice@acme.example'
    at          no later than received_at
    returns     whether it was kept
    raises      NotFound: no such contact; Invalid: the site has no such stage
    """
    take_turn(tx, site)
    one_of_the_sites(stages_of(tx, site.site_id), stage)
    stays = find_contact(tx, site.site_id, contact_id=contact_id)
    said = StageSaid(site.site_id, contact_id, stage, cause, by, at, received_at)
    if not stage_heard(tx, site, said, stays):
        return False
    attribute(tx, site.site_id, site.timezone, {stays})
    return True


def stage_heard(tx: Tx, site: Site, said: StageSaid, contact_id: str) -> bool:
    """Keep a word on a contact's stage if it is news, and derive its stages; whether it was."""
    is_kept = lifecycle.hear(tx, said, contact_id, own_ids_of(tx, {contact_id})[contact_id])
    if is_kept:
        stages_changed(tx, site, {contact_id})
    return is_kept


def adds_to_known(tx: Tx, known: Owner, fields: Mapping[str, Any], at: datetime) -> bool:
    """Whether a CRM's words add to what it said of a contact until then, by its own names or of all it is."""
    said = [crm_said(tx, known.own_id, at), crm_says(tx, [known.contact_id], until=at).get(known.contact_id, {})]
    return any(is_news(words, fields) for words in said)


def name_to_lock(site: Site, by: str, value: str) -> str:
    """What stands for an identifier that may have no row yet."""
    return f"{site.site_id} {by} {value}"


def contact_named(
    tx: Tx, site: Site, by: str, value: str, at: datetime, fields: Mapping[str, Any] | None = None
) -> str:
    """The contact that a CRM names by e-mail or CRM id, founded if need be; its books tie it to that moment."""
    given = fields or {by: value}
    first = Identification(
        site_id=site.site_id,
        kind=IdentificationKind.CRM,
        occurred_at=at,
        evidence=f"crm {by} {value}",
        email=given.get("email"),
        crm_id=given.get("crm_id"),
    )
    return stitch(tx, first, site.timezone)


def contacts_changed(tx: Tx, site: Site, contact_ids: Iterable[str], deal_ids: Iterable[str] = ()) -> None:
    """Contacts were named or told of: derive their rows, and credit all they are part of anew."""
    people = set(contact_ids)
    before = concerned(tx, site, people)
    refresh(tx, people, site.timezone)
    stages_changed(tx, site, people)
    followers = companies_changed(tx, site, before | concerned(tx, site, people))
    attribute(tx, site.site_id, site.timezone, people | followers, deal_ids)


def deal_said(
    tx: Tx,
    site: Site,
    reference: str,
    fields: Mapping[str, Any],
    changed_at: datetime,
    received_at: datetime,
) -> bool:
    """A CRM told of a deal: keep it if it changes anything, then ledger, people and credit. Returns whether it did.

    raises  Invalid: the deal would contradict itself; nothing is kept
    """
    take_turn(tx, site)
    is_first = not history(tx, site.site_id, reference)
    if is_first and not fields.get("currency"):
        if site.currency is None:
            raise Invalid("the first deal of a site needs a currency", field="currency")
        fields = {**fields, "currency": site.currency}
    said = DealSaid(site.site_id, reference, changed_at, received_at, fields)
    if not hear(tx, said, str(fields.get("currency", ""))):
        return False
    if fields.get("currency"):
        settle_currency(tx, site, str(fields["currency"]))
    deal_changed(tx, site, reference)
    return True


def deal_changed(tx: Tx, site: Site, reference: str, *, credit: bool = True) -> None:
    """Derive a deal from its history: its people, its ledger, its credit."""
    deal_id = derive("deal", site.site_id, reference)
    # Whose last win it was before may be others than whose it is after.
    before = with_siblings(tx, {deal_id}) if credit else set()
    was_on = concerned_by_deal(tx, site, deal_id) if credit else set()
    people = record(
        tx,
        site.site_id,
        reference,
        default_currency="",
        timezone=site.timezone,
        people=lambda by, value, at: contact_named(tx, site, by, value, at),
    )
    refresh(tx, people, site.timezone)
    if credit:
        stages_changed(tx, site, people)
        followers = companies_changed(tx, site, was_on | concerned_by_deal(tx, site, deal_id))
        attribute(tx, site.site_id, site.timezone, people | followers, before)


def name_of(tx: Tx, site: Site, *, contact_id: str = "", email: str = "", crm_id: str = "") -> tuple[str, str]:
    """How a journal names a contact, so that a rebuild finds it again: ('email', address) or ('crm_id', id).

    raises  NotFound: a contact id that is not known
    """
    if email:
        return "email", email
    if crm_id:
        return "crm_id", crm_id
    kind, value = own_name(tx, site.site_id, contact_id)
    return kind.value, value


def contact_merged(tx: Tx, site: Site, one: Decision, received_at: datetime) -> str:
    """Somebody decided that two contacts are one person: keep it, and credit anew. Returns the id of who stays.

    raises  NotFound: one of them is not known; Invalid, Conflict: see to_merge; nothing is kept
    """
    assert one.into_id is not None
    take_turn(tx, site)
    for contact_id in (one.contact_id, one.into_id):
        find_contact(tx, site.site_id, contact_id=contact_id)
    if new := merge.to_merge(tx, one):
        merge.keep(tx, new, received_at)
        regroup(tx, site, new)
    return find_contact(tx, site.site_id, contact_id=one.contact_id)


def contact_split(tx: Tx, site: Site, one: Decision, received_at: datetime) -> str:
    """Somebody decided that a contact is another person after all: keep it, and credit anew. Returns the contact's id.

    raises  NotFound: it is not known; Conflict: see to_split; nothing is kept
    """
    take_turn(tx, site)
    find_contact(tx, site.site_id, contact_id=one.contact_id)
    if new := merge.to_split(tx, one):
        merge.keep(tx, new, received_at)
        regroup(tx, site, new)
    return find_contact(tx, site.site_id, contact_id=one.contact_id)


def regroup(tx: Tx, site: Site, one: Decision, *, credit: bool = True) -> None:
    """Let a decision take effect: derive anew all that is of the contacts it is about."""
    ends = {find_contact(tx, site.site_id, contact_id=known) for known in (one.contact_id, one.into_id) if known}
    deals_before = deals_of(tx, site.site_id, sorted(ends))
    references = references_of(tx, ends)
    was_of = concerned(tx, site, ends)
    moved = merge.take_effect(tx, one, site.timezone)
    touch_anew(tx, moved.people)
    keep_anew(tx, moved.people)
    touched = relink(tx, moved.visitor_nos)
    settled = settle(tx, moved.visitor_nos)
    for reference in references:
        deal_changed(tx, site, reference, credit=False)
    stages_changed(tx, site, moved.people, announce=credit)
    merge.leave(tx, moved.people)
    people = moved.people | touched | settled.people
    refresh(tx, people, site.timezone)
    if credit:
        people |= companies_changed(tx, site, was_of | concerned(tx, site, moved.people))
        attribute(tx, site.site_id, site.timezone, people, deals_before)


def decided_again(tx: Tx, site: Site, payload: Mapping[str, Any], decided_at: datetime) -> None:
    """A merge or a split of the journal, when all is derived anew; credit comes later."""
    regroup(tx, site, merge.told_again(tx, site.site_id, payload, decided_at, site.timezone), credit=False)


def references_of(tx: Tx, contact_ids: Iterable[str]) -> list[str]:
    """The references of the deals on which a CRM names these contacts."""
    named = select(deal_contacts.c.deal_id).where(deal_contacts.c.contact_id.in_(sorted(contact_ids)))
    return list(
        tx.execute(select(deals.c.reference).where(deals.c.deal_id.in_(named)).order_by(deals.c.deal_id)).scalars()
    )


def company_said(
    tx: Tx,
    site: Site,
    domain: str,
    fields: Mapping[str, Any] | None,
    changed_at: datetime,
    received_at: datetime,
    stage: str | None = None,
    cause: StageCause = StageCause.CRM,
    by: str = BY_CRM,
) -> bool:
    """Somebody told of a company: keep what was said, derive its row, its stages and those of its people.

    domain   the registrable one
    fields   name and properties, those that were given; None: nothing was said but the stage
    stage    in which it is since changed_at, as `by` says; None: nothing was said of that
    returns  whether anything was kept
    raises   Invalid: the site has no such stage
    """
    if stage is not None:
        one_of_the_sites(stages_of(tx, site.site_id), stage)
    take_turn(tx, site)
    is_told = fields is not None and companies.hear(
        tx, CompanySaid(site.site_id, domain, fields, changed_at, received_at)
    )
    if is_told:
        companies.record(tx, site.site_id, [domain])
        people = people_did(tx, site, company.people_of(tx, site.site_id, [domain]))
        attribute(tx, site.site_id, site.timezone, people)
    moved = stage is not None and company.hear_company(
        tx, CompanyStageSaid(site.site_id, domain, stage, cause, by, changed_at, received_at)
    )
    if moved:
        attribute(tx, site.site_id, site.timezone, companies_changed(tx, site, {domain}))
    return is_told or moved


def companies_again(tx: Tx, site: Site) -> None:
    """Derive what is known of all companies of a site, when all is derived anew; their stages come at the end."""
    companies.record(tx, site.site_id, companies.all_told(tx, site.site_id))
