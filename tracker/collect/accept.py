"""Accept a beacon: refuse it with a reason, or write its hits into the journal before anyone answers.

Called by the beacon route with the transaction it commits before it answers. What follows from a hit (visits, people,
credit) is the fold's work.
"""

import ipaddress
from collections.abc import Mapping
from datetime import datetime, timedelta

import iptocc
from msgspec import Struct

from tracker.collect.filters import Arriving, refuse
from tracker.collect.journal import append, count_refusal
from tracker.collect.payload import Refused, hits_of, parse_beacon
from tracker.db.store import Tx
from tracker.vocabulary import Refusal


class SiteFacts(Struct, frozen=True):
    """What accept must know of a site."""

    site_id: int
    hosts: tuple[str, ...]
    timezone: str


class Taken(Struct, frozen=True):
    """What became of a beacon: how many hits are new in the journal, and the reason for those that are not."""

    n_new: int
    refusal: Refusal | None


def accept(
    tx: Tx,
    body: bytes,
    *,
    headers: Mapping[str, str],
    address: str,
    sites: Mapping[str, SiteFacts],
    now: datetime,
    max_age: timedelta,
) -> Taken:
    """Take one beacon. A refusal is counted under its reason and changes nothing else.

    body     the wire format, already within the size limit
    headers  of the request, names in lower case
    address  of the client; used for the country and dropped
    sites    every site by its key
    """
    try:
        beacon = parse_beacon(body)
    except Refused as refused:
        count_refusal(tx, 0, refused.reason, now)
        return Taken(0, refused.reason)
    site = sites.get(beacon.site)
    if site is None:
        count_refusal(tx, 0, Refusal.UNKNOWN_SITE, now)
        return Taken(0, Refusal.UNKNOWN_SITE)
    reason = refuse(Arriving(beacon, headers, site.hosts))
    if reason is not None:
        count_refusal(tx, site.site_id, reason, now, len(beacon.hits), site.timezone)
        return Taken(0, reason)
    taken, n_too_old = hits_of(
        beacon,
        received_at=now,
        max_age=max_age,
        user_agent=headers.get("user-agent"),
        country=country_of(address),
        loopback=is_loopback(address),
    )
    if n_too_old:
        count_refusal(tx, site.site_id, Refusal.TOO_OLD, now, n_too_old, site.timezone)
    return Taken(append(tx, site.site_id, taken), Refusal.TOO_OLD if n_too_old else None)


def is_loopback(address: str) -> bool:
    """Whether the request came from this very machine: a developer's test, not a visitor from outside."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def country_of(address: str) -> str | None:
    """The ISO 3166 code of the country an address is registered in; None for private and unknown ones."""
    try:
        country = iptocc.country_code(str(ipaddress.ip_address(address)))
    except (ValueError, OverflowError):
        return None
    return str(country) if country else None
