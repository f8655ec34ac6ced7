"""Accept beacons: refuse each with a reason, or write its hits into the journal before anyone is answered.

`judge` says what is to be written for a beacon; `accept_all` writes it for many in one transaction. What follows from a
hit (visits, people, credit) is the fold's work.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from tracker.collect.address import country_of, is_loopback
from tracker.collect.filters import Arriving, refuse
from tracker.collect.journal import Refused, append_all, count_refusals
from tracker.collect.payload import Hit, Unreadable, WireBeacon, hits_of, parse_beacon
from tracker.db.store import Tx
from tracker.vocabulary import Refusal


class SiteFacts(Struct, frozen=True):
    """What accept must know of a site.

    gpc, dnt  whether Global Privacy Control and Do Not Track are honoured
    fields    what a form may tell of a person beside the e-mail address: phone, name, company
    """

    site_id: int
    hosts: tuple[str, ...]
    timezone: str
    gpc: bool = True
    dnt: bool = False
    fields: tuple[str, ...] = ("phone",)


class Arrived(Struct, frozen=True):
    """A beacon as it came.

    beacon       what was read, or why it could not be
    headers      of the request, names in lower case; those that the filters and the hit need
    address      of the client; used for the country and dropped
    """

    beacon: WireBeacon | Refusal
    headers: Mapping[str, str]
    address: str
    received_at: datetime

    @property
    def n_hits(self) -> int:
        """How many hits it counts for; one that could not be read for 1."""
        return 1 if isinstance(self.beacon, Refusal) else len(self.beacon.hits)


class Taken(Struct, frozen=True):
    """What became of a beacon: how many of its hits are in the journal, and the reason for those that are not."""

    n_taken: int
    refusal: Refusal | None


class Judged(Struct, frozen=True):
    """What is to be written for a beacon: its hits, and how many were refused why."""

    site_id: int
    zone: str
    hits: list[Hit]
    refusal: Refusal | None
    n_refused: int


def read_beacon(body: bytes) -> WireBeacon | Refusal:
    """What a body says in the wire format, or malformed."""
    try:
        return parse_beacon(body)
    except Unreadable:
        return Refusal.MALFORMED


def accept_all(
    tx: Tx, arrived: Sequence[Arrived], *, sites: Mapping[str, SiteFacts], max_age: timedelta
) -> list[Taken]:
    """Take some beacons in few statements; gives what became of each, in their order.

    sites    every site by its key
    max_age  hits from browsers that are older are refused
    A refusal is counted under its reason and changes nothing else.
    """
    judged = [judge(one, sites, max_age) for one in arrived]
    new = append_all(tx, [(one.site_id, hit) for one in judged for hit in one.hits])
    refused: Counter[Refused] = Counter()
    again: Counter[int] = Counter()
    for one, came in zip(judged, arrived, strict=True):
        again[one.site_id] += len(one.hits)
        if one.refusal is not None:
            refused[Refused.on(one.site_id, one.refusal, came.received_at, one.zone)] += one.n_refused
    again.subtract(new)
    for one, came in zip(judged, arrived, strict=True):
        if n := again.pop(one.site_id, 0):
            refused[Refused.on(one.site_id, Refusal.DUPLICATE, came.received_at, one.zone)] += n
    count_refusals(tx, refused)
    return [Taken(len(one.hits), one.refusal) for one in judged]


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
    """Take one beacon from its bytes, which are within the size limit; see accept_all."""
    arrived = Arrived(read_beacon(body), headers, address, now)
    return accept_all(tx, [arrived], sites=sites, max_age=max_age)[0]


def judge(arrived: Arrived, sites: Mapping[str, SiteFacts], max_age: timedelta) -> Judged:
    """What to write for a beacon; reads and writes nothing."""
    beacon = arrived.beacon
    if isinstance(beacon, Refusal):
        return Judged(0, "UTC", [], beacon, 1)
    site = sites.get(beacon.site)
    if site is None:
        return Judged(0, "UTC", [], Refusal.UNKNOWN_SITE, 1)
    reason = refuse(Arriving(beacon, arrived.headers, site.hosts, site.gpc, site.dnt))
    if reason is not None:
        return Judged(site.site_id, site.timezone, [], reason, len(beacon.hits))
    taken, n_too_old = hits_of(
        beacon,
        received_at=arrived.received_at,
        max_age=max_age,
        user_agent=arrived.headers.get("user-agent"),
        country=country_of(arrived.address),
        loopback=is_loopback(arrived.address),
        fields=site.fields,
    )
    return Judged(site.site_id, site.timezone, taken, Refusal.TOO_OLD if n_too_old else None, n_too_old)
