"""A contact's way: every touch, page, event, identification, deal change and ledger entry, in order.

Reads the facts and the journals; writes and decides nothing. Whose a touch is, attribution tells (links and
their spans); what a deal's changes made of it, its ledger tells. Called by the API and by the contact's page.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import select

from tracker.access.sites import Site
from tracker.attribution.attribute import deals_of, touches_of
from tracker.attribution.path import Touch as PathTouch
from tracker.attribution.path import path_of
from tracker.clock import local_day, zone
from tracker.db.schema import (
    contacts,
    conversions,
    deal_contacts,
    deal_entries,
    deals,
    hits,
    identifications,
    identifiers,
    links,
    retention,
    visit_hits,
    visits,
)
from tracker.db.store import Tx
from tracker.db.writes import chunks
from tracker.deals.ledger import Change, Deal, apply
from tracker.deals.record import histories
from tracker.errors import NotFound
from tracker.identity.stitch import staying
from tracker.reports.calls import calls_of_contact
from tracker.reports.catalogue import message
from tracker.reports.stages import StageStep, stages_of
from tracker.visits.engagement import Engagement, engagement_of
from tracker.visits.fold import HITS_OF_VISIT
from tracker.vocabulary import Channel, ConversionKind, DealStatus, HitKind, IdentificationKind, TouchKind

IDENTIFIED = "identified"
DEAL = "deal"
CREATED = "created"
STAGE = "stage"
STATUS = "status"
AMOUNT = "amount"
# What the reader of the attribution fields should know, by code.
NOTES = {
    "lead_direct_skipped": message(
        "The last visits before the lead were direct: the lead touch is the one before them."
    ),
    "last_direct_skipped": message("The latest visits were direct: the latest touch is the one before them."),
    "no_touch": message("No visit and no other touch of this contact is known."),
    "no_touch_before_lead": message("No touch is known from before the contact became a lead."),
    "shared_browser": message("A browser of this contact was somebody else's, too; each has the visits of their time."),
    "page_views_gone": message(
        "Page views before %(day)s are no longer kept; the visits of that time stand as they are."
    ),
}
# What is told of a call to the telephone's door.
CALL = ("number", "caller", "duration_s", "answered", "traced")
# What comes first of one instant: the visit before its pages, the form before whom it names, then deals, last a stage,
# which may follow from one.
ORDER = ("visit", "call", "chat", "offline", "page", "event", "form", "identify", IDENTIFIED, DEAL, STAGE)


@dataclass(frozen=True, slots=True)
class Touch:
    """A touchpoint as it is stored. Names are '(not set)' where nothing said them.

    click_ids  (parameter, value)
    """

    touchpoint_id: str
    kind: TouchKind
    occurred_at: datetime
    day: str
    channel: str
    source: str
    medium: str
    campaign: str
    term: str
    content: str
    landing_page: str
    landing_url: str
    referring_host: str
    referrer: str | None
    click_ids: tuple[tuple[str, str], ...]
    device: str
    browser: str
    os: str
    country: str
    rule: str
    rules_version: str
    hit_id: str
    hit_seq: int

    @property
    def is_direct(self) -> bool:
        """Whether nothing told where it came from."""
        return self.channel == Channel.DIRECT.value


@dataclass(frozen=True, slots=True)
class Visit:
    """A visit of the contact; `touch` is how it began, and of a sealed one the pages are no longer known."""

    visit_id: str
    touch: Touch
    started_at: datetime
    ended_at: datetime
    n_pages: int
    n_hits: int
    sealed: bool = False


@dataclass(frozen=True, slots=True)
class DealStep:
    """What happened to a deal.

    kind            'created', 'stage', 'status', 'amount' (as the CRM told it) or an EntryKind (as booked)
    amount_minor    the deal's new amount, or the signed entry; None where money is not what changed
    from_*, to_*    of a stage or a status; None where it is not what changed
    by_company      the CRM names nobody on the deal; it came here by the contact's company
    """

    kind: str
    reference: str
    name: str | None
    currency: str
    amount_minor: int | None = None
    from_stage: str | None = None
    to_stage: str | None = None
    from_status: DealStatus | None = None
    to_status: DealStatus | None = None
    by_company: bool = False


TimedStep = tuple[datetime, DealStep]


@dataclass(frozen=True, slots=True)
class JourneyItem:
    """One moment of a journey.

    kind     'visit', 'call', 'chat', 'offline' (touches), 'page', 'event', 'form', 'identify', 'chat' (hits inside
             a visit), 'identified' (a CRM named the contact), 'deal' or 'stage' (of the contact's life cycle)
    key      unique in the journey, and the same when it is read again
    title    page title, form or event name, or what names the contact; '' if there is none
    url      of the page; '' if there is none
    detail   form id or event name beside the title, the named identifier; '' if there is none
    props    what else an event carried
    visit_id the visit it was in, if any
    touch    of a touch, the touch
    deal     of a deal's step, the step
    stage    of a change of the contact's stage, the change
    engaged  of a page view that told it when it was left: how long it was seen and how far down
    """

    at: datetime
    kind: str
    key: str
    title: str = ""
    url: str = ""
    detail: str = ""
    props: tuple[tuple[str, str], ...] = ()
    visit_id: str | None = None
    touch: Touch | None = None
    deal: DealStep | None = None
    stage: StageStep | None = None
    engaged: Engagement | None = None

    @property
    def order(self) -> tuple[datetime, int, str]:
        """Where it stands in the journey."""
        kind = "form" if self.kind == "chat" and self.touch is None else self.kind  # a chat in a visit is as a form
        return self.at, ORDER.index(kind), self.key


@dataclass(frozen=True, slots=True)
class Journey:
    """A contact's way: its visits and all its moments, both oldest first."""

    contact_id: str
    visits: tuple[Visit, ...]
    items: tuple[JourneyItem, ...]


def journey(tx: Tx, site: Site, contact_id: str) -> Journey:
    """The whole journey of a contact of a site; raises NotFound."""
    contact_id = staying(tx, contact_id)
    known = select(contacts.c.contact_id).where(contacts.c.site_id == site.site_id, contacts.c.contact_id == contact_id)
    if tx.execute(known).scalar() is None:
        raise NotFound(f"no contact {contact_id[:40]!r}")
    touches = touches_in_order(tx, contact_id)
    own = visits_of(tx, touches)
    items = [
        *visit_items(own),
        *hit_items(tx, own),
        *offline_items(tx, touches),
        *(hit_item(row, None) for row in calls_of_contact(tx, contact_id)),
        *identified_items(tx, contact_id),
        *deal_items(tx, site, contact_id),
        *stage_items(tx, contact_id),
    ]
    return Journey(contact_id, own, tuple(sorted(items, key=lambda item: item.order)))


def touches_in_order(tx: Tx, contact_id: str) -> tuple[Touch, ...]:
    """All touches of a contact until now, in path order."""
    rows = touches_of(tx, [contact_id]).get(contact_id, [])
    by_id = {row["touchpoint_id"]: row for row in rows}
    latest = max((row["occurred_at"] for row in rows), default=None)
    if latest is None:
        return ()
    ordered = path_of([PathTouch(row["touchpoint_id"], row["hit_id"], row["occurred_at"]) for row in rows], latest)
    return tuple(touch_of(by_id[touch.touchpoint_id]) for touch in ordered)


def touch_of(row: Mapping[Any, Any]) -> Touch:
    """A row as a record."""
    same = [name for name in Touch.__dataclass_fields__ if name not in ("kind", "click_ids")]
    pairs = tuple((param, value) for param, value in row["click_ids"])
    return Touch(kind=TouchKind(row["kind"]), click_ids=pairs, **{name: row[name] for name in same})


def visits_of(tx: Tx, touches: Sequence[Touch]) -> tuple[Visit, ...]:
    """The visits that these touches began."""
    by_id = {touch.touchpoint_id: touch for touch in touches if touch.kind is TouchKind.VISIT}
    found: dict[str, Visit] = {}
    for some in chunks(by_id):
        for row in tx.execute(select(visits).where(visits.c.visit_id.in_(some))).mappings():
            found[row["visit_id"]] = Visit(
                visit_id=row["visit_id"],
                touch=by_id[row["visit_id"]],
                started_at=row["started_at"],
                ended_at=row["ended_at"],
                n_pages=row["n_pages"],
                n_hits=row["n_hits"],
                sealed=row["sealed"],
            )
    return tuple(found[visit_id] for visit_id in by_id if visit_id in found)


def visit_items(own: Iterable[Visit]) -> list[JourneyItem]:
    """How each visit began."""
    return [
        JourneyItem(
            at=visit.started_at,
            kind=visit.touch.kind.value,
            key=f"visit {visit.visit_id}",
            url=visit.touch.landing_url,
            visit_id=visit.visit_id,
            touch=visit.touch,
        )
        for visit in own
    ]


def hit_items(tx: Tx, own: Sequence[Visit]) -> list[JourneyItem]:
    """What was done in the visits."""
    found: list[JourneyItem] = []
    for some in chunks(visit.visit_id for visit in own):
        query = (
            select(visits.c.visit_id, hits)
            .select_from(visits)
            .join(visit_hits, HITS_OF_VISIT)
            .join(hits, hits.c.seq == visit_hits.c.hit_seq)
            .where(visits.c.visit_id.in_(some))
        )
        rows = tx.execute(query).mappings().all()
        engaged = engagement_of(tx, [row["seq"] for row in rows if row["kind"] == HitKind.PAGE])
        found += [replace(hit_item(row, row["visit_id"]), engaged=engaged.get(row["seq"])) for row in rows]
    return found


def hit_item(row: Mapping[Any, Any], visit_id: str | None, touch: Touch | None = None) -> JourneyItem:
    """A hit of the journal as a moment."""
    details = row["details"]
    form, named, chat = details.get("form", {}), details.get("identifiers", {}), details.get("chat", {})
    call = {name: details["call"][name] for name in CALL if name in details.get("call", {})}
    provider = form.get("provider") or chat.get("provider") or ""
    told = str(details.get("name") or form.get("name") or form.get("id") or provider)
    told = told or str(call.get("caller", ""))
    return JourneyItem(
        at=row["occurred_at"],
        kind=row["kind"],
        key=f"hit {row['hit_id']}",
        title=row["title"] or told,
        url=row["url"],
        detail=(told if row["title"] else "") or str(named.get("email") or named.get("crm_id") or ""),
        props=tuple((str(name), plain_prop(value)) for name, value in {**details.get("props", {}), **call}.items()),
        visit_id=visit_id,
        touch=touch,
    )


def plain_prop(value: object) -> str:
    """A property as text, as JSON would write it."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def offline_items(tx: Tx, touches: Sequence[Touch]) -> list[JourneyItem]:
    """The touches that were no web visit, with what the client told of them."""
    by_seq = {touch.hit_seq: touch for touch in touches if touch.kind is not TouchKind.VISIT}
    found: list[JourneyItem] = []
    for some in chunks(by_seq):
        for row in tx.execute(select(hits).where(hits.c.seq.in_(some))).mappings():
            found.append(hit_item(row, None, by_seq[row["seq"]]))
    return found


def identified_items(tx: Tx, contact_id: str) -> list[JourneyItem]:
    """When a CRM named the contact, each moment once; what a hit named is that hit's moment."""
    named = tx.execute(
        select(identifiers.c.value)
        .where(identifiers.c.contact_id == contact_id)
        .order_by(identifiers.c.kind.desc(), identifiers.c.value)
    ).scalars()
    detail = next(iter(named), "")
    rows = tx.execute(
        select(identifications)
        .where(identifications.c.contact_id == contact_id, identifications.c.hit_seq.is_(None))
        .order_by(identifications.c.identification_id)
    ).mappings()
    found = {
        row["occurred_at"]: JourneyItem(
            at=row["occurred_at"],
            kind=IDENTIFIED,
            key=f"identification {row['identification_id']}",
            title=row["kind"],
            detail=detail,
        )
        for row in rows
    }
    return list(found.values())


def deal_items(tx: Tx, site: Site, contact_id: str) -> list[JourneyItem]:
    """The deals that the contact is on: how they moved, and what was booked."""
    ids = sorted(deals_of(tx, site.site_id, [contact_id]))
    named: set[str] = set()
    found: list[JourneyItem] = []
    for some in chunks(ids):
        query = select(deal_contacts.c.deal_id).where(
            deal_contacts.c.contact_id == contact_id, deal_contacts.c.deal_id.in_(some)
        )
        named |= set(tx.execute(query).scalars())
    for row, steps in steps_of_deals(tx, site.site_id, ids):
        found += [
            JourneyItem(
                at=at,
                kind=DEAL,
                key=f"deal {row['reference']} {n:06d}",
                title=row["name"] or row["reference"],
                deal=replace(step, by_company=row["deal_id"] not in named),
            )
            for n, (at, step) in enumerate(steps)
        ]
    return found


def steps_of_deals(
    tx: Tx, site_id: int, deal_ids: Iterable[str]
) -> Iterator[tuple[Mapping[Any, Any], list[TimedStep]]]:
    """Deals with how each moved and what was booked, a few statements for hundreds of them."""
    for some in chunks(deal_ids):
        rows = tx.execute(select(deals).where(deals.c.deal_id.in_(some))).mappings().all()
        changes = histories(tx, site_id, [row["reference"] for row in rows])
        entries: dict[str, list[Mapping[Any, Any]]] = {}
        booked = select(deal_entries).where(deal_entries.c.deal_id.in_(some)).order_by(deal_entries.c.position)
        for entry in tx.execute(booked).mappings():
            entries.setdefault(entry["deal_id"], []).append(entry)
        for row in rows:
            told = told_steps(row, changes.get(row["reference"], []))
            yield row, [*told, *booked_steps(row, entries.get(row["deal_id"], []))]


def stage_items(tx: Tx, contact_id: str) -> list[JourneyItem]:
    """How the contact moved through the stages."""
    return [
        JourneyItem(at=step.at, kind=STAGE, key=f"stage {step.position:06d}", title=step.stage, stage=step)
        for step in stages_of(tx, contact_id)
    ]


def told_steps(row: Mapping[Any, Any], changes: Sequence[Change]) -> list[TimedStep]:
    """How a deal moved as the CRM told it; what the ledger has booked (wins and after) is left to it."""
    if not changes:
        return []
    at = changes[0].changed_at
    before = apply(Deal(currency=row["currency"], created_at=at, changed_at=at), changes[0])
    plain = DealStep(CREATED, row["reference"], row["name"], before.currency)
    steps = [(row["created_at"], replace(plain, amount_minor=before.amount_minor, to_stage=before.stage))]
    if before.status is DealStatus.LOST:
        steps.append((at, replace(plain, kind=STATUS, from_status=DealStatus.OPEN, to_status=before.status)))
    for change in changes[1:]:
        after, at = apply(before, change), change.changed_at
        if after.stage != before.stage:
            steps.append((at, replace(plain, kind=STAGE, from_stage=before.stage, to_stage=after.stage)))
        if DealStatus.WON not in (before.status, after.status):
            if after.status != before.status:
                step = replace(plain, kind=STATUS, from_status=before.status, to_status=after.status)
                steps.append((at, step))
            if (after.amount_minor, after.currency) != (before.amount_minor, before.currency):
                step = replace(plain, kind=AMOUNT, currency=after.currency, amount_minor=after.amount_minor)
                steps.append((at, step))
        before = after
    return steps


def booked_steps(row: Mapping[Any, Any], entries: Iterable[Mapping[Any, Any]]) -> list[TimedStep]:
    """A deal's ledger."""
    return [
        (
            entry["occurred_at"],
            DealStep(
                kind=entry["kind"],
                reference=row["reference"],
                name=row["name"],
                currency=entry["currency"],
                amount_minor=entry["amount_minor"],
            ),
        )
        for entry in entries
    ]


@dataclass(frozen=True, slots=True)
class Fields:
    """What a CRM stores of a contact's way (docs/crm-fields.md).

    first            the first touch as it is stored
    lead, last       the last touch that was not direct, at or before the moment of the lead, and until now; a
                     direct one where there is no other; None where there is none at all
    click_ids        (parameter, value): of each parameter the latest, by parameter
    days_to_convert  days in the site's zone from the first touch to the lead; None without a touch before it
    days_to_win      the same to the first deal won
    lead_type        what made the contact a lead: form, identify, call, chat, offline or crm
    lead_form        the name, else the id, else the provider, of the form that did
    kept_since       the day from which on page views are kept; None where all of the contact's are there
    stage            of the life cycle, since stage_at; None: nobody told
    score            as the CRM says
    notes            keys of NOTES
    """

    contact_id: str
    first: Touch | None
    lead: Touch | None
    last: Touch | None
    click_ids: tuple[tuple[str, str], ...]
    n_visits: int
    n_pages: int
    lead_at: datetime
    days_to_convert: int | None
    days_to_win: int | None
    lead_type: IdentificationKind
    lead_form: str | None
    kept_since: str | None
    stage: str | None
    stage_at: datetime | None
    score: int | None
    notes: tuple[str, ...]


def attribution_fields(tx: Tx, site: Site, contact_id: str) -> Fields:
    """The attribution fields of a contact of a site, of the one that stays where it is merged; raises NotFound."""
    contact_id = staying(tx, contact_id)
    row = tx.execute(
        select(contacts.c.lead_at, contacts.c.lead_day, contacts.c.stage, contacts.c.stage_at, contacts.c.score).where(
            contacts.c.site_id == site.site_id, contacts.c.contact_id == contact_id
        )
    ).one_or_none()
    if row is None:
        raise NotFound(f"no contact {contact_id[:40]!r}")
    touches = touches_in_order(tx, contact_id)
    before = [touch for touch in touches if touch.occurred_at <= row.lead_at]
    own = visits_of(tx, touches)
    lead_type, lead_form = lead_of(tx, contact_id)
    first_day = before[0].day if before else None
    lead, last = last_non_direct(before), last_non_direct(touches)
    kept_since = first_day_kept(tx, site) if any(visit.sealed for visit in own) else None
    notes = {
        "lead_direct_skipped": bool(before) and lead is not before[-1],
        "last_direct_skipped": bool(touches) and last is not touches[-1],
        "no_touch": not touches,
        "no_touch_before_lead": bool(touches) and not before,
        "shared_browser": is_shared(tx, contact_id),
        "page_views_gone": kept_since is not None,
    }
    return Fields(
        contact_id=contact_id,
        first=touches[0] if touches else None,
        lead=lead,
        last=last,
        click_ids=tuple(sorted({pair[0]: pair[1] for touch in touches for pair in touch.click_ids}.items())),
        n_visits=len(own),
        n_pages=sum(visit.n_pages for visit in own),
        lead_at=row.lead_at,
        days_to_convert=days_between(first_day, row.lead_day),
        days_to_win=days_between(touches[0].day if touches else None, first_win(tx, site, contact_id)),
        lead_type=lead_type,
        lead_form=lead_form,
        kept_since=kept_since,
        stage=row.stage,
        stage_at=row.stage_at,
        score=row.score,
        notes=tuple(code for code, applies in notes.items() if applies),
    )


def first_day_kept(tx: Tx, site: Site) -> str | None:
    """The first day, in the site's zone, whose page views are all there; None where all of them are."""
    horizon_at = tx.execute(select(retention.c.horizon_at).where(retention.c.site_id == site.site_id)).scalar()
    if horizon_at is None:
        return None
    day = date.fromisoformat(local_day(horizon_at, site.timezone))
    began = datetime.combine(day, time(), zone(site.timezone))
    return (day if began >= horizon_at else day + timedelta(days=1)).isoformat()


def last_non_direct(touches: Sequence[Touch]) -> Touch | None:
    """The last touch that was not direct; the last one where all were; None where there is none."""
    named = [touch for touch in touches if not touch.is_direct]
    return next(iter((named or list(touches))[-1:]), None)


def days_between(from_day: str | None, to_day: str | None) -> int | None:
    """Days from one to the other; None where one is missing or the second came first."""
    if from_day is None or to_day is None or to_day < from_day:
        return None
    return (date.fromisoformat(to_day) - date.fromisoformat(from_day)).days


def lead_of(tx: Tx, contact_id: str) -> tuple[IdentificationKind, str | None]:
    """What made the contact a lead, and by which form."""
    kind, details = tx.execute(
        select(identifications.c.kind, hits.c.details)
        .outerjoin(hits, hits.c.seq == identifications.c.hit_seq)
        .where(identifications.c.contact_id == contact_id)
        .order_by(identifications.c.occurred_at, identifications.c.identification_id)
        .limit(1)
    ).one()
    form = (details or {}).get("form", {})
    return IdentificationKind(kind), form.get("name") or form.get("id") or form.get("provider") or None


def first_win(tx: Tx, site: Site, contact_id: str) -> str | None:
    """The day on which the first of the contact's deals was won."""
    days: list[str] = []
    for some in chunks(sorted(deals_of(tx, site.site_id, [contact_id]))):
        query = select(conversions.c.day).where(
            conversions.c.deal_id.in_(some),
            conversions.c.kind == ConversionKind.DEAL_WON.value,
            conversions.c.n == 1,
        )
        days += tx.execute(query).scalars()
    return min(days, default=None)


def is_shared(tx: Tx, contact_id: str) -> bool:
    """Whether a browser of the contact was at another time somebody else's."""
    own = select(links.c.visitor_no).where(links.c.contact_id == contact_id)
    other = select(links.c.contact_id).where(links.c.visitor_no.in_(own), links.c.contact_id != contact_id)
    return tx.execute(other.limit(1)).scalar() is not None
