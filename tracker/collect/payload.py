"""(pure) The wire format, version 1: from the bytes of a beacon to checked hits (docs/snippet.md#wire-format).

Decides limits, types and when a hit happened by the server's clock. Does not know sites or the database; called by
accept and by the API's events.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from tracker.ids import is_uuid7
from tracker.urls import clean_text
from tracker.vocabulary import HitKind, Origin

URL_LIMIT = 2_048
TITLE_LIMIT = 512
TEXT_LIMIT = 255
AGENT_LIMIT = 512
MOST_HITS = 64
MOST_PROPS = 20
ENGAGED_LIMIT_MS = 24 * 60 * 60 * 1_000
ALL_FIELDS = ("phone", "name", "company")
TELLING_KINDS = ("form", "identify", "chat")


class Unreadable(ValueError):
    """The bytes are not the wire format."""


Milliseconds = Annotated[int, Meta(ge=0, le=253_402_300_799_000)]  # the year 9999


class WireForm(Struct, frozen=True):
    id: str = ""
    name: str = ""
    action: str = ""
    provider: str = ""


class WireIdentifiers(Struct, frozen=True):
    email: Annotated[str, Meta(max_length=320)] = ""
    phone: Annotated[str, Meta(max_length=40)] = ""


class WireFields(Struct, frozen=True):
    """What else a form, a chat or the page told of the person."""

    name: str = ""
    company: str = ""


class WireChat(Struct, frozen=True):
    """One conversation, as its provider names it."""

    provider: str = ""
    id: str = ""


class WireHit(Struct, frozen=True):
    id: str
    kind: Literal["page", "form", "identify", "event", "leave", "chat"]
    at: Milliseconds
    url: str = ""
    referrer: str = ""
    title: str = ""
    form: WireForm | None = None
    identifiers: WireIdentifiers | None = None
    name: Annotated[str, Meta(max_length=100)] = ""
    props: dict[str, str | int | float | bool | None] = {}
    fields: WireFields | None = None
    chat: WireChat | None = None
    page: Annotated[str, Meta(max_length=36)] = ""
    engaged: Annotated[float, Meta(ge=0)] = 0
    scroll: Annotated[float, Meta(ge=0)] = 0


class WireBeacon(Struct, frozen=True):
    v: Literal[1]
    site: Annotated[str, Meta(max_length=40)]
    visitor: Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]{16,64}\Z")]
    sent_at: Milliseconds
    hits: Annotated[list[WireHit], Meta(min_length=1, max_length=MOST_HITS)]
    consent: Literal["none", "granted"] = "none"


class Hit(Struct, frozen=True):
    """One row for the journal, checked and cleaned; `details` holds what only some kinds have."""

    hit_id: str
    visitor_id: str | None
    kind: HitKind
    origin: Origin
    occurred_at: datetime
    received_at: datetime
    url: str
    referrer: str | None
    title: str | None
    user_agent: str | None
    country: str | None
    consent: str
    details: dict[str, Any]


DECODER = msgspec.json.Decoder(WireBeacon)


def parse_beacon(body: bytes) -> WireBeacon:
    """Read a beacon's JSON; raises Unreadable for anything that is not the wire format."""
    try:
        beacon = DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable from error
    for hit in beacon.hits:
        if not is_uuid7(hit.id) or not has_its_own(hit):
            raise Unreadable
    return beacon


def has_its_own(hit: WireHit) -> bool:
    """Whether a hit has what its kind is nothing without."""
    match hit.kind:
        case "form" | "identify":
            return hit.identifiers is not None
        case "event":
            return bool(hit.name.strip())
        case "chat":
            return hit.chat is not None and bool(clean_text(hit.chat.provider, TEXT_LIMIT))
        case "leave":
            return is_uuid7(hit.page)
    return True


def happened_at(at: int, sent_at: int, received_at: datetime, max_age: timedelta) -> datetime | None:
    """When a hit happened by our clock: as long before now as it was before it was sent, by the sender's clock.

    Never in the future, whatever the sender's clock says; None when it is older than max_age.
    """
    age = timedelta(milliseconds=max(0, sent_at - at))
    return None if age > max_age else received_at - age


def hits_of(
    beacon: WireBeacon,
    *,
    received_at: datetime,
    max_age: timedelta,
    user_agent: str | None,
    country: str | None,
    loopback: bool = False,
    fields: Collection[str] = ALL_FIELDS,
) -> tuple[list[Hit], int]:
    """The hits of a beacon, ready for the journal, and how many were too old to take.

    fields  what the site lets forms tell of a person beside the e-mail address: phone, name, company
    """
    taken: list[Hit] = []
    for wire in beacon.hits:
        occurred_at = happened_at(wire.at, beacon.sent_at, received_at, max_age)
        if occurred_at is None:
            continue
        taken.append(
            Hit(
                hit_id=wire.id,
                visitor_id=beacon.visitor,
                kind=HitKind(wire.kind),
                origin=Origin.BROWSER,
                occurred_at=occurred_at,
                received_at=received_at,
                url=clean_text(wire.url, URL_LIMIT) or "",
                referrer=clean_text(wire.referrer, URL_LIMIT),
                title=clean_text(wire.title, TITLE_LIMIT),
                user_agent=clean_agent(user_agent),
                country=country,
                consent=beacon.consent,
                details=details_of(wire, fields) | ({"loopback": True} if loopback else {}),
            )
        )
    return taken, len(beacon.hits) - len(taken)


@lru_cache(maxsize=4_096)
def clean_agent(text: str | None) -> str | None:
    """A user agent string, cleaned; a few thousand of them bring most hits."""
    return clean_text(text, AGENT_LIMIT)


def details_of(wire: WireHit, fields: Collection[str] = ALL_FIELDS) -> dict[str, Any]:
    """What only some kinds of hit carry, cleaned: the form, whom it names, an event's name and properties, …"""
    details: dict[str, Any] = {}
    if wire.form is not None:
        form = {"id": wire.form.id, "name": wire.form.name, "action": wire.form.action, "provider": wire.form.provider}
        details["form"] = cleaned(form, TEXT_LIMIT)
    if wire.identifiers is not None:
        named = {"email": wire.identifiers.email, "phone": wire.identifiers.phone if "phone" in fields else ""}
        details["identifiers"] = cleaned(named, 320)
    if wire.fields is not None and wire.kind in TELLING_KINDS:
        said = {"name": wire.fields.name, "company": wire.fields.company}
        if told := cleaned({key: text for key, text in said.items() if key in fields}, TEXT_LIMIT):
            details["fields"] = told
    if wire.kind == "event":
        details["name"] = clean_text(wire.name, 100)
        details["props"] = {
            key: clean_text(value, TEXT_LIMIT) if isinstance(value, str) else value
            for raw, value in list(wire.props.items())[:MOST_PROPS]
            if (key := clean_text(raw, 60))
        }
    if wire.kind == "chat" and wire.chat is not None:
        details["chat"] = cleaned({"provider": wire.chat.provider, "id": wire.chat.id}, TEXT_LIMIT)
    if wire.kind == "leave":
        details["page"] = wire.page
        details["engaged_ms"] = round(min(wire.engaged, ENGAGED_LIMIT_MS))
        details["scroll"] = round(min(wire.scroll, 100))
    return details


def cleaned(told: Mapping[str, str], limit: int) -> dict[str, str]:
    """These texts cleaned and cut to so many characters, without those that are empty."""
    return {key: text for key, value in told.items() if (text := clean_text(value, limit))}
