"""Touchpoints that were no web visit: a call, a chat, a booth or seminar that an API client reports."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import exists, select, update

from tracker.channels.rules import RULES_VERSION, canonical_names, classify_names
from tracker.clock import local_day
from tracker.db.schema import identifications, touchpoints
from tracker.db.store import Tx
from tracker.db.writes import upsert
from tracker.ids import derive
from tracker.visits.fold import SiteRules
from tracker.visits.waiting import FoldedHit
from tracker.vocabulary import NOT_SET, Channel, Device, HitKind, TouchKind

OFFLINE_KINDS = {
    HitKind.CALL: TouchKind.CALL,
    HitKind.CHAT: TouchKind.CHAT,
    HitKind.OFFLINE: TouchKind.OFFLINE,
}


def touch(tx: Tx, events: Sequence[tuple[FoldedHit, str | None]], rules: SiteRules) -> None:
    """Write the touchpoint of each (event, contact id) once; of a call that is nobody's without a contact."""
    upsert(tx, touchpoints, [event_row(hit, contact_id, rules) for hit, contact_id in events])


def touch_anew(tx: Tx, contact_ids: Iterable[str]) -> None:
    """Give those of these contacts' touches that were no web visit to whom their events name now."""
    event = identifications.c.hit_seq == touchpoints.c.hit_seq
    named = select(identifications.c.contact_id).where(event).scalar_subquery()
    own = touchpoints.c.contact_id.in_(sorted(contact_ids))
    tx.execute(update(touchpoints).where(own, exists().where(event)).values(contact_id=named))


def event_row(hit: FoldedHit, contact_id: str | None, rules: SiteRules) -> dict[str, Any]:
    """The touchpoint of one event: its source as the client named it, else its kind and name, channel offline.

    What a call's number told (tracker/calls/arrival.py) has its channel with it.
    """
    told = hit.details.get("arrival", {})
    kind = OFFLINE_KINDS[HitKind(hit.kind)]
    named = bool(told.get("source"))
    source, medium = (told["source"], told.get("medium") or kind.value) if named else (f"({kind.value})", kind.value)
    if named and "channel" not in told:
        source, medium = canonical_names(source, medium)
    campaign = told.get("campaign") or hit.details.get("name") or NOT_SET
    return {
        "touchpoint_id": derive("touch", hit.site_id, hit.hit_id),
        "site_id": hit.site_id,
        "kind": kind.value,
        "hit_seq": hit.seq,
        "hit_id": hit.hit_id,
        "visitor_no": None,
        "contact_id": contact_id,
        "occurred_at": hit.occurred_at,
        "day": local_day(hit.occurred_at, rules.timezone),
        "channel": told.get("channel") or channel_of(source, medium, campaign, named),
        "source": source,
        "medium": medium,
        "campaign": campaign,
        "term": told.get("term") or NOT_SET,
        "content": told.get("content") or NOT_SET,
        "landing_page": NOT_SET,
        "landing_url": hit.url,
        "referring_host": NOT_SET,
        "referrer": None,
        "click_ids": [],
        "device": Device.OTHER.value,
        "browser": "",
        "os": "",
        "country": hit.country or NOT_SET,
        "rule": "told by the number" if "channel" in told else "told by the API" if named else "offline event",
        "rules_version": RULES_VERSION,
    }


def channel_of(source: str, medium: str, campaign: str, named: bool) -> str:
    """The channel of what a client told of an event."""
    return classify_names(source, medium, campaign) if named else Channel.OFFLINE.value
