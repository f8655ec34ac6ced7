"""Leases: a visitor asks for a number and holds it for a while; who held a number when a call began.

Asks of one site take turns (a lock on PostgreSQL, the one writer of SQLite), so no two visitors get one number while
another is free.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, insert, select, update

from tracker.calls.arrival import origin_of
from tracker.calls.match import Found, Lease, find
from tracker.calls.numbers import Number, find_number, list_numbers
from tracker.calls.pool import Origin, Own, Standing, choose
from tracker.db.schema import leases, numbers
from tracker.db.store import Tx
from tracker.db.writes import lock_names
from tracker.urls import read_arrival
from tracker.vocabulary import Traced

# A call may be told days after it happened; then whom a number was shown to is forgotten.
KEPT = timedelta(days=30)
# Of a number that is shared by more, the latest are the candidates.
MOST_CANDIDATES = 100


@dataclass(frozen=True, slots=True)
class Terms:
    """A site's terms: how long a visitor holds a number after each page view, and how long it rests then."""

    site_id: int
    hosts: tuple[str, ...]
    lease: timedelta
    rest: timedelta


@dataclass(frozen=True, slots=True)
class Asking:
    """A visitor asks. url, referrer: the page that the visitor landed on, and the page before it.

    shown  the numbers (E.164) on the page; None: all that the site shows
    """

    visitor_id: str
    url: str
    referrer: str | None
    shown: Collection[str] | None = None


@dataclass(frozen=True, slots=True)
class Lent:
    """In the place of `shown` the visitor sees `number` (both E.164)."""

    shown: str
    number: str


def lend(tx: Tx, terms: Terms, asking: Asking, now: datetime) -> list[Lent]:
    """The numbers that a visitor is shown from now on, until terms.lease after this; one for each number shown."""
    pool = [number for number in list_numbers(tx, terms.site_id) if number.is_pooled]
    wanted = sorted({shown for number in pool for shown in number.shown})
    if asking.shown is not None:
        wanted = [shown for shown in wanted if shown in asking.shown]
    if not wanted:
        return []
    lock_names(tx, [f"{terms.site_id} numbers"])
    origin = origin_of(asking.url, asking.referrer, terms.hosts)
    own = own_leases(tx, terms, asking.visitor_id, now)
    given: dict[str, Number] = {}
    for shown in wanted:
        fitting = [number for number in pool if shown in number.shown]
        again = next((number for number in given.values() if number in fitting), None)
        given[shown] = again or fitting_number(tx, fitting, origin, own, now, terms.rest)
    for number_id in sorted({number.number_id for number in given.values()}):
        write(tx, terms, asking, number_id, origin, own.get(number_id), now)
    return [Lent(shown, number.number) for shown, number in given.items()]


def fitting_number(
    tx: Tx, fitting: Sequence[Number], origin: Origin, own: dict[int, Any], now: datetime, rest: timedelta
) -> Number:
    """The number of these that the visitor is shown."""
    by_id = {number.number_id: number for number in fitting}
    last = max((row for row in own.values() if row.number_id in by_id), key=lambda row: row.until_at, default=None)
    held = Own(last.number_id, last.until_at) if last is not None else None
    chosen = choose(standing(tx, list(by_id), now), origin, held, now, rest)
    assert chosen is not None
    return by_id[chosen]


def own_leases(tx: Tx, terms: Terms, visitor_id: str, now: datetime) -> dict[int, Any]:
    """By number the visitor's last lease of it that goes on or rests."""
    rows = tx.execute(
        select(leases)
        .where(
            leases.c.site_id == terms.site_id,
            leases.c.visitor_id == visitor_id,
            leases.c.until_at > now - terms.rest,
        )
        .order_by(leases.c.until_at, leases.c.lease_id)
    )
    return {row.number_id: row for row in rows}


def standing(tx: Tx, number_ids: Sequence[int], now: datetime) -> list[Standing]:
    """How these numbers stand."""
    ended = tx.execute(
        select(leases.c.number_id, func.max(leases.c.until_at))
        .where(leases.c.number_id.in_(number_ids))
        .group_by(leases.c.number_id)
    )
    ends: dict[int, datetime] = {row[0]: row[1] for row in ended}
    holders: dict[int, int] = defaultdict(int)
    origins: dict[int, set[Origin]] = defaultdict(set)
    for number_id, origin, n in tx.execute(
        select(leases.c.number_id, leases.c.origin, func.count())
        .where(leases.c.number_id.in_(number_ids), leases.c.until_at > now)
        .group_by(leases.c.number_id, leases.c.origin)
    ):
        holders[number_id] += n
        origins[number_id].add(Origin(**json.loads(origin)))
    return [Standing(one, holders[one], frozenset(origins[one]), ends.get(one)) for one in number_ids]


def write(tx: Tx, terms: Terms, asking: Asking, number_id: int, origin: Origin, own: Any | None, now: datetime) -> None:
    """Prolong the visitor's lease of a number, or begin one; also where something new brought the visitor."""
    until_at = now + terms.lease
    if own is not None:
        came_anew = read_arrival(asking.url, asking.referrer, terms.hosts).starts_visit and (
            (own.url, own.referrer) != (asking.url, asking.referrer)
        )
        end_at = min(own.until_at, now) if came_anew else until_at
        tx.execute(update(leases).where(leases.c.lease_id == own.lease_id).values(until_at=end_at))
        if not came_anew:
            return
    row = {
        "site_id": terms.site_id,
        "number_id": number_id,
        "visitor_id": asking.visitor_id,
        "url": asking.url,
        "referrer": asking.referrer,
        "origin": json.dumps(asdict(origin), ensure_ascii=False, sort_keys=True),
        "started_at": now,
        "until_at": until_at,
    }
    tx.execute(insert(leases), [row])


def trace(tx: Tx, site_id: int, number: str, at: datetime, rest: timedelta) -> tuple[Found, Number | None]:
    """Whose a call to a number (E.164) may be, as far as is known now, and the number if the site has or had it."""
    known = find_number(tx, site_id, number)
    if known is None:
        return Found(Traced.UNKNOWN), None
    if known.source is not None:
        return Found(Traced.NUMBER), known
    rows = tx.execute(
        select(leases)
        .where(leases.c.number_id == known.number_id, leases.c.started_at <= at, leases.c.until_at > at - rest)
        .order_by(leases.c.until_at.desc(), leases.c.lease_id.desc())
        .limit(MOST_CANDIDATES)
    )
    held = [Lease(row.visitor_id, row.url, row.referrer, row.started_at, row.until_at) for row in rows]
    return find(held, at, rest), known


def forget_leases(tx: Tx, now: datetime) -> int:
    """Delete leases that ended so long ago that no call is told of them any more; returns how many."""
    ids = tx.execute(select(numbers.c.number_id)).scalars().all()
    old = delete(leases).where(leases.c.number_id.in_(ids), leases.c.until_at < now - KEPT)
    return tx.execute(old).rowcount


def has_old_leases(tx: Tx, now: datetime) -> bool:
    """Whether there is something for forget_leases to do."""
    ids = select(numbers.c.number_id)
    query = select(leases.c.lease_id).where(leases.c.number_id.in_(ids), leases.c.until_at < now - KEPT)
    return tx.execute(query.limit(1)).first() is not None
