"""POST /m/e?ask: what a visitor's page asks the collector, and the answer as JSON.

One body, one dispatcher, many questions (QUESTIONS). A question passes the same door as a beacon: size, wire format,
rates, Global Privacy Control, the site's own hosts; refused ones get the beacon's status and X-Minamoto. Who asks names
the visitor by an id that only that visitor's browser has, and hears of nobody else.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec
from flask import Response, current_app, jsonify
from msgspec import Meta, Struct

from api.context import Context
from api.door import AWAY, facts_of
from tracker.access.sites import Site, find_site
from tracker.calls.leases import Asking, Terms, lend
from tracker.clock import to_ms
from tracker.collect.accept import Arrived, Taken, judge
from tracker.collect.address import surroundings_of
from tracker.collect.crossing import issue, open_token
from tracker.collect.filters import is_own
from tracker.collect.payload import URL_LIMIT, WireBeacon, WireHit
from tracker.collect.spent import spend
from tracker.db.store import begin, reading
from tracker.errors import NotFound
from tracker.phones import phone_of, written
from tracker.urls import clean_text, host_of
from tracker.visits.touches import touches_of
from tracker.vocabulary import Refusal

Headers = list[tuple[str, str]]


class Question(Struct, frozen=True):
    """The body of a question: what every question has, and what some have."""

    v: Literal[1]
    site: Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]{1,40}\Z")]
    visitor: Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]{16,64}\Z")]
    ask: Annotated[str, Meta(max_length=40)]
    url: Annotated[str, Meta(max_length=8_192)] = ""
    referrer: Annotated[str, Meta(max_length=8_192)] = ""
    token: Annotated[str, Meta(max_length=400)] = ""
    shown: Annotated[list[Annotated[str, Meta(max_length=40)]], Meta(max_length=20)] = []


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that was let in.

    headers  those that api/door.py reads, names in lower case
    address  of the client, believed as the door does; not to be stored
    """

    site: Site
    question: Question
    headers: Mapping[str, str]
    address: str
    now: datetime


def touches(context: Context, asked: Asked) -> Mapping[str, Any]:
    """First and last touch of this visitor, the page that asks among them."""
    site, question = asked.site, asked.question
    with reading(context.engine) as tx:
        return touches_of(
            tx,
            site.site_id,
            site.hosts,
            timedelta(seconds=site.visit_gap_s),
            visitor_id=question.visitor,
            url=question.url,
            referrer=question.referrer,
            now=asked.now,
        )


def link(context: Context, asked: Asked) -> dict[str, Any]:
    """A token for a link to another of the site's domains."""
    about = asked.headers.get("user-agent", ""), surroundings_of(asked.address)
    return {"link": issue(secret(), asked.site.key, asked.question.visitor, *about, asked.now)}


def join(context: Context, asked: Asked) -> dict[str, Any]:
    """The visitor in a link's token, once; nothing where it does not open, or was used."""
    about = asked.headers.get("user-agent", ""), surroundings_of(asked.address)
    token = asked.question.token
    visitor = open_token(secret(), token, asked.site.key, *about, asked.now)
    if visitor is None:
        return {}
    with begin(context.engine) as tx:
        return {"visitor": visitor} if spend(tx, token, asked.now) else {}


def secret() -> str:
    """The installation's secret."""
    return str(current_app.config["SECRET_KEY"])


def number(context: Context, asked: Asked) -> Mapping[str, Any]:
    """The phone numbers that this visitor is shown in the place of those on the page, and until when (milliseconds)."""
    site, question = asked.site, asked.question
    terms = Terms(site.site_id, site.hosts, timedelta(seconds=site.lease_s), timedelta(seconds=site.lease_rest_s))
    shown = {told for text in question.shown if (told := phone_of(text, site.timezone))}
    url, referrer = clean_text(question.url, URL_LIMIT) or "", clean_text(question.referrer, URL_LIMIT)
    with begin(context.engine) as tx:
        lent = lend(tx, terms, Asking(question.visitor, url, referrer, shown if question.shown else None), asked.now)
    numbers = [
        {"replace": written(one.shown).national, "with": new.number, "written": [new.national, new.international]}
        for one, new in ((one, written(one.number)) for one in lent)
    ]
    return {"numbers": numbers, "until": to_ms(asked.now + terms.lease)}


Answer = Callable[[Context, Asked], Mapping[str, Any]]
# Each opens its own transaction, `reading` if it writes nothing.
QUESTIONS: dict[str, Answer] = {"number": number, "touches": touches, "link": link, "join": join}


def read_question(body: bytes) -> Question | Refusal:
    """What a body asks, or malformed."""
    try:
        question = DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Refusal.MALFORMED
    return question if question.ask in QUESTIONS else Refusal.MALFORMED


DECODER = msgspec.json.Decoder(Question)


def answer(context: Context, body: bytes | Refusal, headers: dict[str, str], peer: str, scheme: str) -> Response:
    """The answer to a question, or its refusal.

    body     within the size limit, or why it was not read
    headers  of the request, names in lower case
    peer     who connected; scheme: http or https, of the connection
    """
    door = context.door
    question = body if isinstance(body, Refusal) else read_question(body)
    arrived = door.came(as_beacon(question, headers), headers, peer, scheme)
    wait = door.wait_s(arrived)
    if wait:
        return told(*door.answer(arrived, Taken(0, Refusal.RATE_LIMITED), wait))
    try:
        found = None if isinstance(question, Refusal) else site_of(context, question.site)
        refusal = question if isinstance(question, Refusal) else refuse(arrived, found)
        if refusal is None and found is not None and not isinstance(question, Refusal):
            asked = Asked(found, question, arrived.headers, arrived.address, arrived.received_at)
            said = QUESTIONS[question.ask](context, asked)
            _, answered = door.answer(arrived, Taken(0, None))
            return told(200, answered, said)
    except AWAY:
        door.count(arrived, Refusal.BUSY)
        return told(*door.answer(arrived, None))
    reason = refusal or Refusal.UNKNOWN_SITE
    door.count(arrived, reason)
    return told(*door.answer(arrived, Taken(0, reason)))


def site_of(context: Context, key: str) -> Site | None:
    """The site of a key, or None."""
    with reading(context.engine) as tx:
        try:
            return find_site(tx, key)
        except NotFound:
            return None


def as_beacon(question: Question | Refusal, headers: Mapping[str, str]) -> WireBeacon | Refusal:
    """A question as a beacon of one page view, so that the same steps refuse both.

    A page that does not tell its address is where its browser says, which a page cannot write.
    """
    if isinstance(question, Refusal):
        return question
    hit = WireHit(id="", kind="page", at=0, url=question.url or headers.get("origin", ""))
    return WireBeacon(v=1, site=question.site, visitor=question.visitor, sent_at=0, hits=[hit])


def refuse(arrived: Arrived, site: Site | None) -> Refusal | None:
    """Why a question is not answered: what a beacon of that page is refused for, and a page of another origin."""
    if site is None:
        return Refusal.UNKNOWN_SITE
    origin = host_of(arrived.headers.get("origin", ""))
    if origin and not is_own(origin, site.hosts):
        return Refusal.FOREIGN_HOST
    return judge(arrived, {site.key: facts_of(site)}, timedelta.max).refusal


def told(status: int, headers: Headers, said: Mapping[str, Any] | None = None) -> Response:
    """The response; its body is JSON, or empty for a refusal."""
    response = Response() if said is None else jsonify(said)
    response.status_code = status
    for name, value in headers:
        response.headers[name] = value
    return response
