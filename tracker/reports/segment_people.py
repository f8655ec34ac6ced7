"""Who is in a segment now: people are looked at in the order of their ids, some at a time, so that a list of any length
takes bounded memory, and a page bounded time.

A filter is the definitions' language (lifecycle/definition.py), asked of now (lifecycle/asking.py).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from tracker.access.sites import Site
from tracker.db.schema import contacts, merges, segment_people
from tracker.db.store import Tx
from tracker.db.writes import among
from tracker.identity.stitch import names_by
from tracker.lifecycle.asking import holding
from tracker.lifecycle.conditions import All, Condition, Has
from tracker.lifecycle.definition import read_condition
from tracker.reports.people import Listed, shown
from tracker.segments.listing import Segment

STEP = 400
# As many people are looked at for one page, and for a count, at the most.
MOST_LOOKED_AT = 5_000
MOST_COUNTED = 20_000


@dataclass(frozen=True, slots=True)
class SegmentPage:
    """A page of a segment's people. next_id: where to go on; None: these were the last."""

    people: tuple[Listed, ...]
    next_id: str | None


@dataclass(frozen=True, slots=True)
class Counted:
    """How many are in a segment. is_whole: all people were looked at; else at least so many; n_looked: at how many."""

    n: int
    is_whole: bool
    n_looked: int = 0


def ids_in(tx: Tx, site: Site, one: Segment, now: datetime, after: str = "") -> Iterator[tuple[list[str], str | None]]:
    """The people of a segment after an id, in order of id: some at a time, each time with how far was looked.

    The last time that is None: nobody is left to be looked at.
    """
    condition = read_condition(one.text) if one.is_filter else None
    while True:
        ids = candidates(tx, site, one, condition, after)
        after = ids[-1] if len(ids) == STEP else ""
        yield ids if condition is None else fitting(tx, site, condition, ids, now), after or None
        if not after:
            return


def candidates(tx: Tx, site: Site, one: Segment, condition: Condition | None, after: str) -> list[str]:
    """The next people who may be in it: of a list its own, of a filter those in its stages."""
    row = contacts.c
    query = select(row.contact_id).where(row.site_id == site.site_id, row.contact_id > after)
    if condition is None:
        # Who is merged by now is in the list as the one that stays.
        listed = select(segment_people.c.contact_id).where(segment_people.c.segment_id == one.segment_id)
        into = select(merges.c.into_id).where(merges.c.site_id == site.site_id, merges.c.contact_id.in_(listed))
        query = query.where(row.contact_id.in_(listed) | row.contact_id.in_(into))
        query = query.where(row.contact_id.not_in(select(merges.c.contact_id).where(merges.c.site_id == site.site_id)))
    elif stages := stages_asked(condition):
        query = query.where(func.lower(row.stage).in_(stages))
    return list(tx.execute(query.order_by(row.contact_id).limit(STEP)).scalars())


def stages_asked(condition: Condition) -> list[str]:
    """The stages in which whoever fits must be; [] where any may do."""
    for one in condition.of if isinstance(condition, All) else (condition,):
        if isinstance(one, Has) and one.attribute == "stage" and one.is_:
            return sorted({word.strip().lower() for word in one.is_})
    return []


def fitting(tx: Tx, site: Site, condition: Condition, ids: Sequence[str], now: datetime) -> list[str]:
    """Those of these people of whom the condition holds now, in their order."""
    own = {one: set(names.values()) for one, names in names_by(tx, ids).items()}
    found = holding(tx, site.site_id, own, condition, now)
    return [one for one in ids if one in found]


def page_of(tx: Tx, site: Site, one: Segment, now: datetime, after: str, limit: int) -> SegmentPage:
    """The next people of a segment, `limit` at the most; fewer where many had to be looked at, and more may follow."""
    ids: list[str] = []
    next_id: str | None = after
    for place, (found, looked) in enumerate(ids_in(tx, site, one, now, after), 1):
        ids += found
        next_id = looked
        if len(ids) > limit or place * STEP >= MOST_LOOKED_AT:
            break
    if len(ids) > limit:
        ids = ids[:limit]
        next_id = ids[-1]
    return SegmentPage(tuple(people_by(tx, ids)), next_id)


def count_in(tx: Tx, site: Site, one: Segment, now: datetime, most: int = MOST_COUNTED) -> Counted:
    """How many are in a segment now, of about the first `most` people who may be."""
    n = place = 0
    for place, (found, looked) in enumerate(ids_in(tx, site, one, now), 1):
        n += len(found)
        if looked is not None and place * STEP >= most:
            return Counted(n, is_whole=False, n_looked=place * STEP)
    return Counted(n, is_whole=True, n_looked=place * STEP)


def everybody_in(tx: Tx, site: Site, one: Segment, now: datetime, most: int) -> Iterator[Listed]:
    """The people of a segment in order of id, `most` at the most."""
    left = most
    for found, _ in ids_in(tx, site, one, now):
        yield from people_by(tx, found[:left])
        left -= len(found)
        if left <= 0:
            return


def addresses_in(tx: Tx, site: Site, one: Segment, now: datetime) -> Iterator[tuple[str | None, str | None]]:
    """E-mail address and phone number of each of a segment's people."""
    for found, _ in ids_in(tx, site, one, now):
        query = select(contacts.c.email, contacts.c.phone).where(among(tx, contacts.c.contact_id, found))
        for row in tx.execute(query.order_by(contacts.c.contact_id)):
            yield row.email, row.phone


def people_by(tx: Tx, ids: Sequence[str]) -> list[Listed]:
    """People by their ids, in order of id."""
    rows = tx.execute(select(contacts).where(among(tx, contacts.c.contact_id, ids)).order_by(contacts.c.contact_id))
    return shown(tx, rows.mappings().all())
