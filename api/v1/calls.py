"""Phone calls, told by the telephone system when they end: whose they are follows from who was shown the number.

JSON of anybody's making, or the form that Twilio posts to a number's status callback. A call is counted once, at its
end; the journal's hit is never changed, so what is told while a call goes on is only answered.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Annotated, Any, Literal, Self

from flask import request
from pydantic import Field, model_validator
from sqlalchemy import select

from api.context import here
from api.errors import FieldError, InvalidFields
from api.trust import token_site
from api.v1.contract import operation
from api.v1.events import AHEAD, EventContact, identifiers_of
from api.v1.fields import Args, Body, Instant, Key, Line, Out, refuse
from api.v1.reading import FORM
from tracker.access.sites import Site
from tracker.calls.leases import trace
from tracker.calls.match import Found
from tracker.calls.numbers import Number
from tracker.collect.journal import append
from tracker.collect.payload import Hit
from tracker.db.schema import hits
from tracker.db.store import Tx, begin
from tracker.errors import Denied, MinamotoError
from tracker.ids import uuid7_of
from tracker.phones import caller_of, phone_of
from tracker.urls import clean_text
from tracker.vocabulary import Consent, HitKind, Origin, Traced

LONGEST_S = 86_400
# https://www.twilio.com/docs/voice/api/call-resource#call-status-values
TWILIO_ENDED = ("completed", "busy", "no-answer", "canceled", "failed")
EXAMPLE = {
    "reference": "pbx-2026-0417-0031",
    "number": "+81355556666",
    "caller": "+819012345678",
    "started_at": "2026-04-17T10:30:00+09:00",
    "duration_s": 63,
    "answered": True,
}


class CallIn(Body):
    """One call."""

    reference: Key = Field(
        description="The telephone system's id of the call: the same reference again is the same call, counted once.",
        examples=["pbx-2026-0417-0031"],
    )
    number: Annotated[str, Field(min_length=1, max_length=100)] = Field(
        description="The number that was called. One that the site does not have is kept, too.",
        examples=["+81355556666"],
    )
    caller: Line | None = Field(
        None,
        description="The number that called; empty or `anonymous` where it is withheld. It joins nobody, and is the "
        "contact's phone number where the caller is one.",
        examples=["+819012345678"],
    )
    started_at: Instant | None = Field(
        None, description="When it began to ring, at most 5 minutes ahead; now less its duration when not given."
    )
    duration_s: int | None = Field(
        None, ge=0, le=LONGEST_S, description="How long it lasted, in seconds.", examples=[63]
    )
    answered: bool | None = Field(
        None, description="Whether somebody answered; a missed call is a lead, too.", examples=[True]
    )
    ended: bool = Field(
        True, description="false: it goes on. It is counted when it is told again, with its end.", examples=[True]
    )
    direction: Literal["inbound", "outbound"] = Field(
        "inbound", description="Only a call to the site counts; of an outbound one nothing is kept."
    )
    contact: EventContact | None = Field(
        None, description="Who called, where the telephone system or the CRM knows it."
    )

    @model_validator(mode="after")
    def is_text(self) -> Self:
        """A number of spaces is none."""
        if clean_text(self.number, 100) is None:
            raise refuse("is empty", "number")
        return self

    @classmethod
    def from_form(cls, form: Mapping[str, str]) -> dict[str, Any]:
        """What Twilio posts of a call, as a body. https://www.twilio.com/docs/voice/twiml#twilios-request-to-your-application

        A leg that Twilio dials itself (to whoever answers) is outbound: it has a parent.
        """
        wrong = [FieldError(name, "is missing") for name in ("CallSid", "CallStatus", "To") if not form.get(name)]
        if wrong:
            raise InvalidFields(wrong)
        duration = form.get("CallDuration", "")
        ended_at = twilio_instant(form.get("Timestamp", ""))
        duration_s = min(int(duration), LONGEST_S) if duration.isascii() and duration.isdigit() and duration else None
        is_inbound = form.get("Direction", "inbound") == "inbound" and not form.get("ParentCallSid")
        body: dict[str, Any] = {
            "reference": form["CallSid"],
            "number": form["To"],
            "caller": form.get("From", ""),
            "duration_s": duration_s,
            "answered": form["CallStatus"] == "completed",
            "ended": form["CallStatus"] in TWILIO_ENDED,
            "direction": "inbound" if is_inbound else "outbound",
        }
        if ended_at is not None:
            body["started_at"] = (ended_at - timedelta(seconds=duration_s or 0)).isoformat()
        return body


class CallTaken(Out):
    """What became of a call."""

    id: str | None = Field(
        description="Its id in the journal; null where nothing was kept.",
        examples=["01890a5d-ac96-774b-bcce-b302099a8057"],
    )
    status: Literal["accepted", "duplicate", "waiting", "ignored"] = Field(
        description="duplicate: it was told before, and stays as it was. waiting: it goes on. ignored: outbound.",
        examples=["accepted"],
    )
    traced: Traced | None = Field(
        description="How far it was followed back: to one visitor, to several (`ambiguous`: credited to what their "
        "sources share), to the number's own source, or not at all.",
        examples=["visitor"],
    )


@operation(
    "POST",
    "/calls",
    tag="Calls",
    body=CallIn,
    gives=CallTaken,
    status=202,
    refuses=(403,),
    password=True,
    sample="/calls",
    example=EXAMPLE,
)
def post_calls(body: CallIn, args: Args) -> CallTaken:
    """Tell of a phone call; it is in the journal when this answers, traced by who was shown its number.

    Also takes the form that Twilio posts to a number's status callback, with the token as the password of the address:
    `https://minamoto:TOKEN@HOST/api/v1/calls`.
    """
    context, site = here(), token_site()
    if request.mimetype == FORM and context.settings.twilio_auth_token:
        check_signature(context.settings.twilio_auth_token)
    if body.direction == "outbound":
        return CallTaken(id=None, status="ignored", traced=None)
    if not body.ended:
        return CallTaken(id=None, status="waiting", traced=None)
    now = context.now()
    with begin(context.engine) as tx:
        hit_id = uuid7_of("call", site.site_id, body.reference)
        known = tx.execute(
            select(hits.c.details).where(hits.c.site_id == site.site_id, hits.c.hit_id == hit_id)
        ).scalar()
        if known is not None:
            return CallTaken(id=hit_id, status="duplicate", traced=Traced(known["call"]["traced"]))
        hit, found = hit_of(tx, site, body, hit_id, now)
        append(tx, site.site_id, [hit])
    return CallTaken(id=hit_id, status="accepted", traced=found.traced)


def hit_of(tx: Tx, site: Site, body: CallIn, hit_id: str, now: datetime) -> tuple[Hit, Found]:
    """A call as a hit, with what is found of it now; raises InvalidFields."""
    started_at = body.started_at or now - timedelta(seconds=body.duration_s or 0)
    if started_at > now + AHEAD:
        raise InvalidFields([FieldError("started_at", "is more than 5 minutes ahead")])
    started_at = min(started_at, now)
    try:
        identifiers = identifiers_of(tx, site, body.contact)
    except MinamotoError as error:
        raise InvalidFields([FieldError("contact", error.message)]) from None
    called = phone_of(body.number, site.timezone) or clean_text(body.number, 100) or ""
    found, number = trace(tx, site.site_id, called, started_at, timedelta(seconds=site.lease_rest_s))
    details: dict[str, Any] = {"call": call_of(site, body, called, found, number)}
    if identifiers:
        details["identifiers"] = identifiers
    hit = Hit(
        hit_id=hit_id,
        visitor_id=found.visitor_id,
        kind=HitKind.CALL,
        origin=Origin.API,
        occurred_at=started_at,
        received_at=now,
        url="",
        referrer=None,
        title=None,
        user_agent=None,
        country=None,
        consent=Consent.NONE.value,
        details=details,
    )
    return hit, found


def call_of(site: Site, body: CallIn, called: str, found: Found, number: Number | None) -> dict[str, Any]:
    """What the journal keeps of a call: its facts, and what was found."""
    caller = caller_of(body.caller or "", site.timezone)
    told: dict[str, Any] = {
        "reference": body.reference,
        "number": called,
        "caller": caller,
        "duration_s": body.duration_s,
        "answered": body.answered,
        "traced": found.traced.value,
    }
    if number is not None and number.source is not None:
        told["origin"] = {"source": number.source, "medium": number.medium, "campaign": number.campaign}
    if found.traced is Traced.AMBIGUOUS:
        told["candidates"] = [
            {"visitor": one.visitor_id, "url": one.url, "referrer": one.referrer} for one in found.candidates
        ]
    return {name: value for name, value in told.items() if value is not None}


# --- Twilio ----------------------------------------------------------------------------------------------------------


def twilio_instant(text: str) -> datetime | None:
    """When a status was reached ('Tue, 31 Mar 2026 10:30:00 +0000'); None where it is not told."""
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return at if at.tzinfo else None


def check_signature(auth_token: str) -> None:
    """Refuse a form that Twilio has not signed; raises Denied."""
    signature = request.headers.get("X-Twilio-Signature", "")
    fields = [(name, value) for name, values in request.form.lists() for value in values]
    for url in addresses():
        if hmac.compare_digest(signature_of(auth_token, url, fields).encode(), signature.encode()):
            return
    raise Denied("X-Twilio-Signature is not Twilio's; is MINAMOTO_TWILIO_AUTH_TOKEN that of the account?")


def addresses() -> list[str]:
    """This request's address as Twilio may have signed it: with and without its port."""
    plain = request.url
    host = request.host
    bare = host.rsplit(":", 1)[0] if ":" in host and not host.endswith("]") else host
    return [plain, plain.replace(host, bare, 1)]


def signature_of(auth_token: str, url: str, fields: Iterable[tuple[str, str]]) -> str:
    """Twilio's signature of a form. https://www.twilio.com/docs/usage/security#validating-requests"""
    signed = url + "".join(name + value for name, value in sorted(fields))
    return base64.b64encode(hmac.new(auth_token.encode(), signed.encode(), hashlib.sha1).digest()).decode()
