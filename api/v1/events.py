"""Hits that a server saw, and touches off the web: written into the journal before the answer, folded like any other.

A web event (page, form, identify, event) belongs to a visitor's browser and says where it was by its URL. A call, a
chat or an offline event is a touch of a contact, with the source that the client names.
"""

import ipaddress
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator
from sqlalchemy import select

from api.context import here
from api.errors import FieldError, InvalidFields
from api.trust import token_site
from api.v1.contract import operation
from api.v1.fields import Args, Body, ContactId, Email, Flat, Instant, Key, Line, Out, Short, refuse
from tracker import flow
from tracker.access.sites import Site
from tracker.clock import to_ms
from tracker.collect.address import country_of
from tracker.collect.journal import append
from tracker.collect.payload import AGENT_LIMIT, MOST_PROPS, TITLE_LIMIT, URL_LIMIT, Hit
from tracker.db.schema import hits
from tracker.db.store import Tx, begin
from tracker.db.writes import chunks
from tracker.errors import MinamotoError
from tracker.identity.stitch import find_contact
from tracker.ids import new_uuid7, uuid7_of
from tracker.retention import kept_since
from tracker.urls import clean_text
from tracker.vocabulary import Consent, HitKind, Origin

MOST_EVENTS = 500
AHEAD = timedelta(minutes=5)
WEB = ("page", "form", "identify", "event")
SOURCE_NAMES = ("source", "medium", "campaign", "term", "content")
Kind = Literal["page", "form", "identify", "event", "call", "chat", "offline"]
EXAMPLE = {
    "events": [
        {
            "reference": "booth-2026-0417",
            "kind": "offline",
            "occurred_at": "2026-04-17T10:30:00+09:00",
            "contact": {"email": "hana@kyoto.example"},
            "name": "Tea fair, booth 12",
            "source": "tea-fair",
            "medium": "event",
            "campaign": "fair-2026",
        }
    ]
}


class EventContact(Body):
    """Whom an event names: exactly one of email, id and crm_id, and a phone number if there is one."""

    email: Email | None = Field(None, description="E-mail address; founds the contact if nobody has it.")
    id: ContactId | None = Field(None, description="The contact's id; must be known.")
    crm_id: Key | None = Field(None, description="The CRM's id; must be known.", examples=["003-17"])
    phone: Short | None = Field(None, description="Phone number; joins nobody.", examples=["+81 3 1234 5678"])

    @model_validator(mode="after")
    def one_name(self) -> Self:
        """A phone number alone may be a whole office's."""
        if sum(value is not None for value in (self.email, self.id, self.crm_id)) != 1:
            raise refuse("give exactly one of email, id and crm_id")
        return self


class EventForm(Body):
    """Which form was sent."""

    id: Line | None = Field(None, description="The form's id.", examples=["contact"])
    name: Line | None = Field(None, description="The form's name.", examples=["Contact us"])
    action: Line | None = Field(None, description="Where it was sent.", examples=["/contact"])


class EventIn(Body):
    """One event."""

    id: str | None = Field(
        None,
        pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$",
        description="UUIDv7 made by the sender, in lower case: the same id again is the same event.",
        examples=["01890a5d-ac96-774b-bcce-b302099a8057"],
    )
    reference: Key | None = Field(
        None,
        description="Instead of an id, any text that is the sender's alone: the same reference again is the same "
        "event. With neither, sending it again makes another event.",
        examples=["booth-2026-0417"],
    )
    kind: Kind = Field(
        description="page, form, identify and event happen in a browser: they need visitor and url. call, chat and "
        "offline are touches of their own: they need contact.",
        examples=["offline"],
    )
    occurred_at: Instant | None = Field(
        None,
        description="When it happened, at most 5 minutes ahead; now when not given. A call, chat or offline event "
        "however long ago, the others since the day from which on page views are kept.",
    )
    visitor: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_-]{16,64}(\.[0-9]{1,9})?$",
        description="The browser: the value of its cookie _mnm, or an id of the server's own. A dot and what follows "
        "is not part of the id.",
        examples=["Yk3vJ0c7T9qWm2xR5bN8dA"],
    )
    contact: EventContact | None = Field(
        None, description="Whom it names; identify, call, chat and offline need it, page and event have none."
    )
    url: str | None = Field(
        None,
        max_length=URL_LIMIT,
        description="Full address of the page, with its utm_* tags and click ids.",
        examples=["https://www.kyoto.example/pricing?utm_source=news&utm_medium=email"],
    )
    referrer: str | None = Field(
        None,
        max_length=URL_LIMIT,
        description="Full address of the page before.",
        examples=["https://www.google.com/"],
    )
    title: str | None = Field(None, max_length=TITLE_LIMIT, description="The page's title.", examples=["Pricing"])
    name: Short | None = Field(None, description="What it was; an event needs it.", examples=["Tea fair, booth 12"])
    props: Flat | None = Field(None, description=f"More of an event, flat, at most {MOST_PROPS} entries.")
    source: Line | None = Field(
        None, description="Of a call, chat or offline event: who brought it.", examples=["tea-fair"]
    )
    medium: Line | None = Field(None, description="By which means.", examples=["event"])
    campaign: Line | None = Field(None, description="For which campaign.", examples=["fair-2026"])
    term: Line | None = Field(None, description="Which keyword.", examples=["green tea"])
    content: Line | None = Field(None, description="Which ad or link.", examples=["banner-b"])
    form: EventForm | None = Field(None, description="Of a form: which.")
    user_agent: str | None = Field(
        None,
        max_length=AGENT_LIMIT,
        description="The browser's; without one the device is `other`.",
        examples=["Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0 Safari/537.36"],
    )
    ip: str | None = Field(
        None,
        max_length=45,
        description="The browser's address: its country is kept, the address is not.",
        examples=["203.0.113.9"],
    )

    @model_validator(mode="after")
    def makes_sense(self) -> Self:
        """Each kind has what it needs, and nothing that would be dropped in silence."""
        if self.id is not None and self.reference is not None:
            raise refuse("give id or reference, not both", "reference")
        if self.kind in WEB:
            self.check_web()
        elif self.contact is None:
            raise refuse(f"is missing: a {self.kind} is somebody's", "contact")
        if self.form is not None and self.kind != "form":
            raise refuse("is only a form's", "form")
        if self.ip is not None and not is_ip(self.ip):
            raise refuse("is no IP address", "ip")
        if self.props is not None and len(self.props) > MOST_PROPS:
            raise refuse(f"has more than {MOST_PROPS} entries", "props")
        return self

    def check_web(self) -> None:
        """What happened in a browser names the browser and the page; its source stands in the address."""
        if self.visitor is None:
            raise refuse(f"is missing: a {self.kind} happens in a browser", "visitor")
        if not is_address(self.url):
            raise refuse("is missing or no address; write https://www.example.com/page", "url")
        if self.kind in ("page", "event") and self.contact is not None:
            raise refuse(f"a {self.kind} names nobody; send an identify event", "contact")
        if self.kind == "identify" and self.contact is None:
            raise refuse("is missing", "contact")
        if self.kind == "event" and not self.name:
            raise refuse("is missing", "name")
        for name in SOURCE_NAMES:
            if getattr(self, name) is not None:
                raise refuse(f"put utm_{name} into the url", name)


class EventsIn(Body):
    """Events, all taken or none."""

    events: list[EventIn] = Field(min_length=1, max_length=MOST_EVENTS, description="The events, in any order.")


class EventTaken(Out):
    """One event's outcome."""

    id: str = Field(description="The event's id.", examples=["01890a5d-ac96-774b-bcce-b302099a8057"])
    status: Literal["accepted", "duplicate"] = Field(
        description="duplicate: it was in the journal already, and stays as it was.", examples=["accepted"]
    )


class EventsTaken(Out):
    """What became of the events; they are in the journal, and folded within seconds."""

    accepted: int = Field(description="New in the journal.", examples=[1])
    duplicates: int = Field(description="There already.", examples=[0])
    events: list[EventTaken] = Field(description="Each event's outcome, in the order they were sent.")


@operation(
    "POST",
    "/events",
    tag="Events",
    body=EventsIn,
    gives=EventsTaken,
    status=202,
    sample="/events",
    example=EXAMPLE,
)
def post_events(body: EventsIn, args: Args) -> EventsTaken:
    """Tell of events, up to 500, all or nothing; they are in the journal when this answers.

    Visits, contacts and credit follow within seconds, whatever the order in which events arrive.
    """
    context, site = here(), token_site()
    now = context.now()
    with begin(context.engine) as tx:
        since = kept_since(tx, site.site_id)
        new = hits_of(tx, site, body.events, now, since)
        known = ids_in(tx, site.site_id, [hit.hit_id for hit in new])
        append(tx, site.site_id, new)
    taken: list[EventTaken] = []
    for hit in new:
        taken.append(EventTaken(id=hit.hit_id, status="duplicate" if hit.hit_id in known else "accepted"))
        known.add(hit.hit_id)
    n_new = sum(one.status == "accepted" for one in taken)
    return EventsTaken(accepted=n_new, duplicates=len(taken) - n_new, events=taken)


def ids_in(tx: Tx, site_id: int, hit_ids: Sequence[str]) -> set[str]:
    """Which of these hits are in the journal."""
    known: set[str] = set()
    for some in chunks(hit_ids):
        query = select(hits.c.hit_id).where(hits.c.site_id == site_id, hits.c.hit_id.in_(some))
        known |= set(tx.execute(query).scalars())
    return known


def hits_of(tx: Tx, site: Site, events: Sequence[EventIn], now: datetime, since: datetime | None) -> list[Hit]:
    """The events as hits for the journal; raises InvalidFields with all that was wrong.

    since  from when on what happened in browsers may be told: visits from before it are sealed
    """
    new: list[Hit] = []
    wrong: list[FieldError] = []
    for n, event in enumerate(events):
        if event.occurred_at is not None and event.occurred_at > now + AHEAD:
            wrong.append(FieldError(f"events.{n}.occurred_at", "is more than 5 minutes ahead"))
            continue
        if since and event.kind in WEB and (event.occurred_at or now) < since:
            why = f"is too old: what happened in browsers before {since:%Y-%m-%d} is no longer kept"
            wrong.append(FieldError(f"events.{n}.occurred_at", why))
            continue
        try:
            identifiers = identifiers_of(tx, site, event.contact)
        except MinamotoError as error:
            wrong.append(FieldError(f"events.{n}.contact", error.message))
            continue
        new.append(hit_of(site, event, identifiers, now))
    if wrong:
        raise InvalidFields(wrong)
    return new


def identifiers_of(tx: Tx, site: Site, contact: EventContact | None) -> dict[str, str]:
    """How the journal names the contact; raises NotFound for an id that nobody has."""
    if contact is None:
        return {}
    if contact.crm_id is not None:
        find_contact(tx, site.site_id, crm_id=contact.crm_id)
    by, value = flow.name_of(
        tx, site, contact_id=contact.id or "", email=contact.email or "", crm_id=contact.crm_id or ""
    )
    return {by: value, **({"phone": contact.phone} if contact.phone else {})}


def hit_of(site: Site, event: EventIn, identifiers: dict[str, str], now: datetime) -> Hit:
    """One event as a hit; a clock that is a little ahead is set to now."""
    occurred_at = min(event.occurred_at or now, now)
    return Hit(
        hit_id=id_of(site, event, occurred_at),
        visitor_id=event.visitor and event.visitor.partition(".")[0],
        kind=HitKind(event.kind),
        origin=Origin.API,
        occurred_at=occurred_at,
        received_at=now,
        url=clean_text(event.url, URL_LIMIT) or "",
        referrer=clean_text(event.referrer, URL_LIMIT),
        title=clean_text(event.title, TITLE_LIMIT),
        user_agent=clean_text(event.user_agent, AGENT_LIMIT),
        country=country_of(event.ip) if event.ip else None,
        consent=Consent.NONE.value,
        details=details_of(event, identifiers),
    )


def id_of(site: Site, event: EventIn, occurred_at: datetime) -> str:
    """The event's id: its own, one that follows from its reference alone, or a fresh one."""
    if event.id is not None:
        return event.id
    if event.reference is None:
        return new_uuid7(to_ms(occurred_at))
    return uuid7_of("event", site.site_id, event.reference)


def details_of(event: EventIn, identifiers: dict[str, str]) -> dict[str, Any]:
    """What only some kinds carry, as the fold expects it."""
    arrival = {name: value for name in SOURCE_NAMES if (value := getattr(event, name))}
    form = event.form.model_dump(exclude_none=True) if event.form else {}
    parts = {
        "identifiers": identifiers,
        "arrival": arrival,
        "form": form,
        "name": event.name,
        "props": event.props,
    }
    return {name: part for name, part in parts.items() if part}


def is_address(url: str | None) -> bool:
    """Whether a text is a web address with a host."""
    try:
        parts = urlsplit(url or "")
        return parts.scheme.lower() in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


def is_ip(text: str) -> bool:
    """Whether a text is an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
