"""One contact: who, first, lead and latest touch, the deals with their ledger, and the journey."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from urllib.parse import urlsplit

from babel.numbers import format_decimal
from flask import redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_date, gettext

from api.context import here
from api.languages import chosen
from api.pages.contacts import offset_asked, page_of
from api.pages.frame import Note
from api.pages.masked import address_seen, deal_word, person_word, told
from api.pages.routes import routes
from api.pages.shown import NOTHING, Cell, money
from api.pages.stage_words import stages_seen
from api.trust import Audience, audience, sees_people, site_seen
from tracker.access.sites import Site
from tracker.clock import local_day
from tracker.db.store import Tx, reading
from tracker.errors import NotFound
from tracker.identity.stitch import names_by
from tracker.lifecycle.times import StageTime
from tracker.reports.catalogue import message
from tracker.reports.journey import (
    DEAL,
    IDENTIFIED,
    NOTES,
    STAGE,
    DealStep,
    Fields,
    Journey,
    JourneyItem,
    Touch,
    Visit,
    attribution_fields,
    journey,
)
from tracker.reports.points import points_of
from tracker.reports.records import (
    Booked,
    Contact,
    DealRecord,
    deal_history,
    evidence_of,
    list_deals,
    read_contact,
)
from tracker.reports.stages import StageStep, times_of
from tracker.vocabulary import DealStatus, EntryKind, IdentificationKind, IdentifierKind, StageCause

PAGE_STEPS = 100
MOST_DEALS = 100
INSIDE = ("page", "event", "form", "identify", "chat")
BOOKED = frozenset(kind.value for kind in EntryKind)
NAMED_BY_CRM = message("named by the CRM")


@dataclass(frozen=True, slots=True)
class ShownTouch:
    channel: str
    source: str
    medium: str
    campaign: str
    term: str
    content: str
    landing_page: str
    referrer: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ShownIdentifier:
    kind: str
    value: str
    evidence: str


@dataclass(frozen=True, slots=True)
class ShownContact:
    contact_id: str
    title: str
    title_evidence: str | None
    company: str | None
    company_evidence: str | None
    company_href: str | None
    stage: str | None
    stage_at: datetime | None
    identifiers: tuple[ShownIdentifier, ...]
    since: datetime
    first: ShownTouch | None
    lead: ShownTouch | None
    last: ShownTouch | None
    n_visits: int
    n_pages: int
    days_to_lead: int | None
    n_deals: int
    revenue: Cell | None
    click_ids: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ShownEntry:
    on: date
    kind: str
    amount: str
    note: str | None = None


@dataclass(frozen=True, slots=True)
class ShownDeal:
    href: str
    reference: str
    name: str | None
    status: str
    crm_stage: str | None
    pipeline: str | None
    amount: Cell
    closed_on: date | None
    by_company: bool
    ledger: tuple[ShownEntry, ...]


@dataclass(frozen=True, slots=True)
class ShownMerged:
    """Somebody who is merged into the contact, by whose decision."""

    contact_id: str
    names: tuple[str, ...]
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Event:
    kind: str
    at: datetime
    title: str
    path: str
    detail: str
    props: tuple[tuple[str, str], ...]
    engaged_s: int | None = None
    scroll: int | None = None


@dataclass(frozen=True, slots=True)
class Change:
    kind: str
    name: str | None
    reference: str
    amount: str | None
    from_stage: str | None
    to_stage: str | None


@dataclass(frozen=True, slots=True)
class ShownProof:
    """A fact that decided a change of stage; text: a stranger's, '' for readers who may not see people."""

    at: datetime
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class ShownStage:
    """A change of a person's stage; by: who, which deal, file or rule, '' where the cause says it."""

    before: str | None
    stage: str
    cause: str
    by: str
    version: int | None = None
    evidence: tuple[ShownProof, ...] = ()


@dataclass(frozen=True, slots=True)
class ShownStageTime:
    """A person's time in a stage, in days; exited_at: None while they are in it."""

    stage: str
    n_entered: int
    first_entered_at: datetime
    entered_at: datetime
    exited_at: datetime | None
    this_time: str
    in_all: str


@dataclass(frozen=True, slots=True)
class Step:
    kind: str
    at: datetime
    gap_days: int
    roles: tuple[str, ...] = ()
    touch: ShownTouch | None = None
    device: str = "other"
    country: str = ""
    duration_s: int = 0
    events: tuple[Event, ...] = ()
    deal: Change | None = None
    text: str = ""
    traced: str = ""
    href: str | None = None
    stage: ShownStage | None = None


@routes.get("/contacts/<contact_id>")
@audience(Audience.PEOPLE)
def contact(contact_id: str) -> ResponseReturnValue:
    """The page of one contact of the site that is looked at."""
    site = site_seen()
    if site is None:
        raise NotFound("no contact")
    offset = offset_asked()
    with reading(here().engine) as tx:
        who = read_contact(tx, site.site_id, contact_id)
        if who.contact_id != contact_id:  # not for ever: who is merged may be split off again
            return redirect(url_for("pages.contact", contact_id=who.contact_id, site=site.key))
        evidence = evidence_of(tx, site, who)
        fields = attribution_fields(tx, site, contact_id)
        way = journey(tx, site, contact_id)
        deals = deals_shown(tx, site, contact_id)
        merged = merged_shown(tx, who) if sees_people() else []
        stages = stages_seen(tx).names
        times = times_shown(tx, contact_id)
        points = points_of(tx, site.site_id, contact_id, here().now())
    steps = steps_of(way, fields, site)
    return render_template(
        "contact.html",
        contact=contact_shown(who, fields, deals, evidence),
        deals=deals,
        journey=steps[offset : offset + PAGE_STEPS],
        notes=[Note(gettext(NOTES[code], day=day_shown(fields.kept_since))) for code in fields.notes],
        page=page_of(offset, PAGE_STEPS, len(steps)),
        back_href=url_for("pages.contacts"),
        stages=stages,
        stage_times=times,
        points=points,
        merged=merged,
    )


def times_shown(tx: Tx, contact_id: str) -> list[ShownStageTime]:
    """How long the person was in each stage."""
    return [time_shown(one) for one in times_of(tx, contact_id, here().now())]


def time_shown(one: StageTime) -> ShownStageTime:
    """A time in a stage in the reader's form."""
    return ShownStageTime(
        stage=one.stage,
        n_entered=one.n_entered,
        first_entered_at=one.first_entered_at,
        entered_at=one.entered_at,
        exited_at=one.exited_at,
        this_time=days_text(one.this_time),
        in_all=days_text(one.in_all),
    )


def days_text(stay: timedelta) -> str:
    """A stay in days, with a decimal where it is short."""
    days = stay / timedelta(days=1)
    return str(format_decimal(days, "#,##0" if days >= 10 else "0.#", locale=chosen()))


def merged_shown(tx: Tx, who: Contact) -> list[ShownMerged]:
    """Who is merged into a contact, by their own names."""
    names = names_by(tx, [who.contact_id]).get(who.contact_id, {}) if who.merged else {}
    return [
        ShownMerged(
            contact_id=one.contact_id,
            names=tuple(value for (_, value), own_id in names.items() if own_id == one.contact_id),
            by=one.decided_by,
            at=one.decided_at,
        )
        for one in who.merged
    ]


def day_shown(day: str | None) -> str:
    """A day as the reader writes it; '' for none."""
    return "" if day is None else format_date(date.fromisoformat(day), "y年M月d日" if chosen() == "ja" else "d MMM y")


def contact_shown(
    who: Contact, fields: Fields, deals: Sequence[ShownDeal], evidence: Mapping[str, IdentificationKind]
) -> ShownContact:
    """The head of the page; evidence: what told the phone number, the name and the company_name."""
    named = [ShownIdentifier(IdentifierKind.EMAIL.value, email, fields.lead_type.value) for email in who.emails]
    if who.crm_id:
        named.append(ShownIdentifier(IdentifierKind.CRM_ID.value, who.crm_id, "crm"))
    if who.phone:
        named.append(ShownIdentifier("phone", who.phone, evidence["phone"].value))
    is_seen = sees_people()
    booked = [deal for deal in deals if deal.ledger]
    return ShownContact(
        contact_id=who.contact_id,
        title=person_word(who.contact_id, who.name, who.email, who.crm_id),
        title_evidence=evidence["name"].value if who.name and is_seen else None,
        company=who.company_name or who.company_domain,
        company_evidence=evidence["company_name"].value if who.company_name else None,
        company_href=url_for("pages.company", domain=who.company_domain) if who.company_domain else None,
        stage=who.stage,
        stage_at=who.stage_at,
        identifiers=tuple(named) if is_seen else (),
        since=fields.lead_at,
        first=touch_shown(fields.first),
        lead=touch_shown(fields.lead),
        last=touch_shown(fields.last),
        n_visits=fields.n_visits,
        n_pages=fields.n_pages,
        days_to_lead=fields.days_to_convert,
        n_deals=len(deals),
        revenue=Cell(len(booked), revenue_of(booked)) if booked else None,
        click_ids=fields.click_ids if is_seen else (),
    )


def revenue_of(deals: Iterable[ShownDeal]) -> str:
    """What the deals brought, by currency."""
    totals: dict[str, int] = {}
    for deal in deals:
        for currency, amount_minor in deal.amount.value or ():  # type: ignore[attr-defined]
            totals[currency] = totals.get(currency, 0) + amount_minor
    return " + ".join(money(total, currency) for currency, total in sorted(totals.items())) or NOTHING


def deals_shown(tx: Tx, site: Site, contact_id: str) -> list[ShownDeal]:
    """The deals that this contact is on, with what was booked."""
    return [
        deal_shown(deal, deal_history(tx, site.site_id, deal.reference), site, contact_id)
        for deal in list_deals(tx, site.site_id, MOST_DEALS, contact_id=contact_id)
    ]


def deal_shown(deal: DealRecord, told: Iterable[object], site: Site, contact_id: str) -> ShownDeal:
    """One deal. The amount's value is its ledger's net by currency; its text the net of what the CRM says."""
    booked = [entry for entry in told if isinstance(entry, Booked)]
    nets: dict[str, int] = {}
    for entry in booked:
        nets[entry.currency] = nets.get(entry.currency, 0) + entry.amount_minor
    return ShownDeal(
        href=url_for("pages.deal", reference=deal.reference),
        reference=deal.reference,
        name=deal_word(deal.reference, deal.name),
        status=deal.status.value,
        crm_stage=deal.stage,
        pipeline=deal.pipeline,
        amount=Cell(tuple(sorted(nets.items())), money(deal.amount_minor - deal.refunded_minor, deal.currency)),
        closed_on=date.fromisoformat(local_day(deal.closed_at, site.timezone)) if deal.closed_at else None,
        by_company=all(person.contact_id != contact_id for person in deal.people),
        ledger=tuple(
            ShownEntry(date.fromisoformat(entry.day), entry.kind.value, signed(entry.amount_minor, entry.currency))
            for entry in booked
        ),
    )


def signed(amount_minor: int, currency: str) -> str:
    """An amount with its sign also when it is positive."""
    return f"{'+' if amount_minor > 0 else ''}{money(amount_minor, currency)}"


def touch_shown(touch: Touch | None) -> ShownTouch | None:
    """A touch as the templates show it."""
    if touch is None:
        return None
    return ShownTouch(
        channel=touch.channel,
        source=touch.source,
        medium=touch.medium,
        campaign=touch.campaign,
        term=touch.term,
        content=touch.content,
        landing_page=touch.landing_page,
        referrer=address_seen(touch.referrer),
        at=touch.occurred_at,
    )


def steps_of(way: Journey, fields: Fields, site: Site) -> list[Step]:
    """The journey as steps: a visit holds what was done in it."""
    visits = {visit.visit_id: visit for visit in way.visits}
    inside: dict[str, list[JourneyItem]] = {}
    for item in way.items:
        if is_inside(item) and item.visit_id:
            inside.setdefault(item.visit_id, []).append(item)
    steps: list[Step] = []
    before: str | None = None
    for item in way.items:
        if is_inside(item) or (item.deal and is_told_twice(item, way)):
            continue
        day = local_day(item.at, site.timezone)
        gap = (date.fromisoformat(day) - date.fromisoformat(before)).days if before else 0
        before = day
        visit = visits.get(item.visit_id or "")
        steps.append(step_of(item, max(0, gap), visit, inside.get(item.visit_id or "", []), fields))
    return steps


def is_inside(item: JourneyItem) -> bool:
    """Whether a moment is shown inside its visit; a chat that is no part of one is a touch and stands by itself."""
    return item.kind in INSIDE and item.touch is None


def is_told_twice(item: JourneyItem, way: Journey) -> bool:
    """Whether a change of status says what a ledger entry of the same moment says, too."""
    deal = item.deal
    if deal is None or deal.kind != "status":
        return False
    return any(
        other.deal and other.deal.kind in BOOKED and other.deal.reference == deal.reference and other.at == item.at
        for other in way.items
    )


def step_of(item: JourneyItem, gap: int, visit: Visit | None, inside: Sequence[JourneyItem], fields: Fields) -> Step:
    """One step of the journey."""
    if item.kind == DEAL and item.deal is not None:
        return Step("deal", item.at, gap, deal=change_of(item.deal))
    if item.kind == IDENTIFIED:
        words = filter(None, (told(item.detail), gettext(NAMED_BY_CRM)))
        return Step("identified", item.at, gap, text=" – ".join(words))
    if item.kind == STAGE and item.stage is not None:
        return stage_step(item.at, gap, item.stage)
    touch = item.touch
    roles = tuple(
        role
        for role, one in (("first", fields.first), ("lead", fields.lead), ("last", fields.last))
        if one is not None and touch is not None and one.touchpoint_id == touch.touchpoint_id
    )
    return Step(
        kind=item.kind,
        at=item.at,
        gap_days=gap,
        roles=roles,
        touch=touch_shown(touch),
        device=touch.device if touch else "other",
        country=touch.country if touch and len(touch.country) == 2 else "",
        duration_s=int((visit.ended_at - visit.started_at).total_seconds()) if visit else 0,
        events=tuple(event_of(one) for one in inside),
        text=told(item.title) if item.kind == "call" else item.title,
        traced=dict(item.props).get("traced", "") if item.kind == "call" else "",
        href=url_for("pages.touch", touchpoint_id=touch.touchpoint_id) if touch else None,
    )


def stage_step(at: datetime, gap: int, step: StageStep) -> Step:
    """A change of the person's stage, and who or what made it."""
    by = {
        StageCause.CRM: "",
        StageCause.USER: told(step.by.removeprefix("user ")),
        StageCause.IMPORT: told(step.by.removeprefix("file ")),
        StageCause.API: told(step.by.removeprefix("token ")),
    }.get(step.cause, step.by)
    proofs = tuple(ShownProof(one.at, one.kind, told(one.text)) for one in step.evidence)
    shown = ShownStage(step.before, step.stage, step.cause.value, by, step.version, proofs)
    return Step("stage", at, gap, text=step.stage, stage=shown)


def event_of(item: JourneyItem) -> Event:
    """What was done in a visit."""
    seen = item.engaged
    return Event(
        item.kind,
        item.at,
        item.title,
        path_of_url(address_seen(item.url)),
        told(item.detail),
        item.props if sees_people() else (),
        engaged_s=round(seen.engaged_ms / 1000) if seen else None,
        scroll=seen.scroll if seen else None,
    )


def path_of_url(url: str) -> str:
    """An address without its scheme and host."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    return f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}" if parts.netloc else url


def change_of(deal: DealStep) -> Change:
    """What happened to a deal."""
    kind = deal.kind
    if kind == "status":
        kind = "lost" if deal.to_status is DealStatus.LOST else "reopened"
    if kind == "amount":
        kind = EntryKind.AMENDED.value
    amount = None if deal.amount_minor is None else money(deal.amount_minor, deal.currency)
    if deal.amount_minor is not None and deal.kind in BOOKED and deal.kind != EntryKind.WON:
        amount = signed(deal.amount_minor, deal.currency)
    return Change(kind, deal_word(deal.reference, deal.name), deal.reference, amount, deal.from_stage, deal.to_stage)
