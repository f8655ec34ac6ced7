"""The people a site can name, a page at a time: found by what they are and where they came from, in several orders.

What their touches and deals come to stands on their rows (attribution/reach.py), so a page reads its own rows only, and
no filter joins anything. Called by the pages, by the API, and for files.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Column, ColumnElement, and_, func, or_, select

from tracker.access.sites import Site
from tracker.attribution.attribute import touches_of
from tracker.attribution.path import Touch as PathTouch
from tracker.attribution.path import path_of
from tracker.attribution.reach import AROUND
from tracker.clock import from_ms, parse_day, to_ms
from tracker.db.schema import contacts, deal_contacts, deal_entries, deals, identifiers
from tracker.db.store import Tx
from tracker.db.writes import On, chunks, holds
from tracker.errors import Invalid, NotFound
from tracker.lifecycle.stages import SHIPPED, Stages, one_of_the_sites
from tracker.vocabulary import Channel, IdentifierKind

TOLD = ("touchpoint_id", "hit_id", "occurred_at", "channel", "source", "medium", "campaign")
MOST_TEXT = 200
FEW = 2_000
MOST_SCORE = 1_000_000_000
NO_STAGE = "none"
LAST_MS = 253_402_300_799_000  # the year 9999
HEX = re.compile(r"[0-9a-f]{6,32}")
NUMBER = re.compile(r"[-+]?[0-9]{1,10}")
DIALLED = re.compile(r"[-+() .0-9]{5,30}")


class Which(StrEnum):
    """Of a person's touches the one that a channel or a source is asked of."""

    FIRST = "first"
    LAST = "last"
    ANY = "any"


class Order(StrEnum):
    """What a list of people begins with: the newest lead, the latest touch, the highest score, the most revenue."""

    LEAD = "lead"
    LAST = "last"
    SCORE = "score"
    REVENUE = "revenue"


SORTED_BY: Mapping[Order, Column[Any]] = {
    Order.LEAD: contacts.c.lead_at,
    Order.LAST: contacts.c.last_at,
    Order.SCORE: contacts.c.score,
    Order.REVENUE: contacts.c.revenue_minor,
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which people. What is empty or None asks nothing.

    search       in a name, an e-mail address, a company, a phone number or a CRM id; or the beginning of a contact's id
    by_company   whether the search may look at companies and ids alone: for readers who may not see people
    stage        of the life cycle; NO_STAGE: nobody told
    which        of what touch channel and source are asked; both of ANY may be of two touches
    from_day …   of the lead, in the site's zone, both included
    """

    search: str = ""
    by_company: bool = False
    stage: str = ""
    which: Which = Which.FIRST
    channel: str = ""
    source: str = ""
    score_from: int | None = None
    score_to: int | None = None
    from_day: str | None = None
    to_day: str | None = None
    has_deal: bool | None = None
    country: str = ""
    changed_since: datetime | None = None


def wanted_by(args: Mapping[str, str], stages: Stages = SHIPPED) -> Wanted:
    """Which people an address asks for: q, stage, touch, channel, source, score_from, score_to, deal, country.

    stages  which the site has
    raises  Invalid: a value that cannot be meant, with its name as the field
    """
    given = {name: value.strip() for name, value in args.items()}
    stage, channel, deal = given.get("stage", ""), given.get("channel", ""), given.get("deal", "")
    country = given.get("country", "").upper()
    if stage and stage != NO_STAGE:
        one_of_the_sites(stages, stage)
    if channel and channel not in set(Channel):
        raise Invalid(f"unknown channel {channel[:40]!r}", field="channel")
    if deal not in ("", "with", "without"):
        raise Invalid(f"{deal[:40]!r} is neither 'with' nor 'without'", field="deal")
    if country and not re.fullmatch("[A-Z]{2}", country):
        raise Invalid(f"{country[:40]!r} is no country's code of two letters", field="country")
    which = given.get("touch") or Which.FIRST.value
    if which not in set(Which):
        raise Invalid(f"{which[:40]!r} is no touch to ask of", field="touch")
    return Wanted(
        search=given.get("q", "")[:MOST_TEXT],
        stage=stage,
        which=Which(which),
        channel=channel,
        source=given.get("source", "")[:MOST_TEXT].lower(),
        score_from=number_of(given.get("score_from", ""), "score_from"),
        score_to=number_of(given.get("score_to", ""), "score_to"),
        has_deal={"": None, "with": True, "without": False}[deal],
        country=country,
        from_day=parse_day(given["from"], "from") if given.get("from") else None,
        to_day=parse_day(given["to"], "to") if given.get("to") else None,
    )


def number_of(text: str, field: str) -> int | None:
    """A whole number, None for ''; raises Invalid."""
    if not text:
        return None
    if not NUMBER.fullmatch(text) or abs(int(text)) > MOST_SCORE:
        raise Invalid(f"{text[:40]!r} is not a whole number", field=field)
    return int(text)


def order_by(text: str) -> Order:
    """An order by its word; '' is the newest lead first; raises Invalid."""
    if text and text not in set(Order):
        raise Invalid(f"{text[:40]!r} is no order; take one of {', '.join(Order)}", field="sort")
    return Order(text or Order.LEAD)


def conditions(on: On, site: Site, wanted: Wanted) -> list[ColumnElement[bool]]:
    """What a contact's row must be."""
    row = contacts.c
    found = [row.site_id == site.site_id]
    if wanted.search:
        found.append(named(on, site, wanted.search, wanted.by_company))
    if wanted.stage:
        found.append(row.stage.is_(None) if wanted.stage == NO_STAGE else row.stage == wanted.stage)
    if wanted.channel:
        found.append(touched(wanted.which, "channel", wanted.channel))
    if wanted.source:
        found.append(touched(wanted.which, "source", wanted.source))
    if wanted.score_from is not None:
        found.append(row.score >= wanted.score_from)
    if wanted.score_to is not None:
        found.append(row.score <= wanted.score_to)
    if wanted.from_day:
        found.append(row.lead_day >= wanted.from_day)
    if wanted.to_day:
        found.append(row.lead_day <= wanted.to_day)
    if wanted.has_deal is not None:
        found.append(row.n_deals > 0 if wanted.has_deal else row.n_deals == 0)
    if wanted.country:
        found.append(row.country == wanted.country)
    if wanted.changed_since is not None:
        found.append(row.updated_at >= wanted.changed_since)
    return found


def touched(which: Which, name: str, word: str) -> ColumnElement[bool]:
    """Whether the first, the latest or any touch has this channel or source."""
    if which is Which.ANY:
        return contacts.c[f"touch_{name}s"].contains(f"{AROUND}{word}{AROUND}", autoescape=True)
    return contacts.c[f"{which.value}_{name}"] == word


def named(on: On, site: Site, search: str, by_company: bool) -> ColumnElement[bool]:
    """Whether a text is in what names a contact; every address of theirs is found, if it is whole."""
    row, text = contacts.c, search.lower()
    found = [
        holds(on, row.company_name, text),
        holds(on, row.company_domain, text),
    ]
    if HEX.fullmatch(text):
        found.append(row.contact_id.startswith(text))
    if by_company:
        return or_(*found)
    found += [
        holds(on, row.email, text),
        holds(on, row.name, text),
        holds(on, row.crm_id, text),
        row.contact_id.in_(
            select(identifiers.c.contact_id).where(
                identifiers.c.site_id == site.site_id,
                identifiers.c.kind.in_([kind.value for kind in IdentifierKind]),
                identifiers.c.value.in_([search, text]),
            )
        ),
    ]
    digits = "".join(character for character in text if character in "0123456789").lstrip("0")
    if DIALLED.fullmatch(text) and len(digits) >= 4:
        found.append(row.phone.contains(digits))
    return or_(*found)


@dataclass(frozen=True, slots=True)
class ListedTouch:
    """A touch as a list shows it; texts come from strangers."""

    channel: str
    source: str
    medium: str
    campaign: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Listed:
    """One contact in the list. `revenue` holds (currency, minor units) of its deals' ledgers, by currency."""

    contact_id: str
    name: str | None
    email: str | None
    company: str | None
    company_domain: str | None
    phone: str | None
    crm_id: str | None
    stage: str | None
    score: int | None
    country: str | None
    first: ListedTouch | None
    last: ListedTouch | None
    lead_at: datetime
    n_visits: int
    n_deals: int
    revenue: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Found:
    """A page of people, and how many there are. Cursors: of the pages before and after; None where there is none."""

    people: tuple[Listed, ...]
    n: int
    previous_cursor: str | None
    next_cursor: str | None


Key = tuple[int | None, str]


def count_people(tx: Tx, site: Site, wanted: Wanted) -> int:
    """How many there are."""
    given = scanned(tx, site, wanted) if is_narrow(wanted) else conditions(tx, site, wanted)
    return int(tx.execute(select(func.count()).select_from(contacts).where(*given)).scalar_one())


def is_narrow(wanted: Wanted) -> bool:
    """Whether anything is asked of them."""
    return replace(wanted, by_company=False) != Wanted()


def scanned(tx: Tx, site: Site, wanted: Wanted) -> list[ColumnElement[bool]]:
    """What a contact's row must be, for who reads all of them.

    The site is added to nothing, so that the table is read as it lies, and not row by row by an index that begins with
    the site, which takes four times as long.
    """
    return [contacts.c.site_id + 0 == site.site_id, *conditions(tx, site, wanted)[1:]]


def list_people(tx: Tx, site: Site, wanted: Wanted, order: Order, cursor: str | None, limit: int) -> Found:
    """A page of these people; who has no value to sort by comes last. raises Invalid: a cursor that is none.

    cursor  of a page that was read, of the same order
    """
    backwards, key = parsed(cursor)
    few = few_of(tx, site, wanted, order) if is_narrow(wanted) else None
    if few is None:
        n = count_people(tx, site, wanted)
        rows = rows_after(tx, site, wanted, order, key, limit + 1, backwards=backwards)
    else:
        n = len(few)
        rows = rows_among(tx, few, key, limit + 1, backwards=backwards)
    is_more = len(rows) > limit
    rows = rows[:limit]
    if backwards:
        rows.reverse()
    before = is_more if backwards else key is not None
    after = backwards or is_more
    return Found(
        people=tuple(shown(tx, rows)),
        n=n,
        previous_cursor=cursor_of("b", order, rows[0]) if before and rows else None,
        next_cursor=cursor_of("a", order, rows[-1]) if after and rows else None,
    )


def few_of(tx: Tx, site: Site, wanted: Wanted, order: Order) -> list[Key] | None:
    """The keys of these people in their order; None where they are more than FEW.

    Many are found soon in the order of an index. Few would be looked for through all of it, row by row out of place; to
    read the table once as it lies, and sort them here, is several times quicker.
    """
    column = SORTED_BY[order]
    query = select(column, contacts.c.contact_id).where(*scanned(tx, site, wanted)).limit(FEW + 1)
    keys = [(to_ms(one) if isinstance(one, datetime) else one, contact_id) for one, contact_id in tx.execute(query)]
    return None if len(keys) > FEW else sorted(keys, key=falling, reverse=True)


def falling(key: Key) -> tuple[bool, int, str]:
    """What keys are sorted by, the highest first."""
    value, contact_id = key
    return value is not None, value or 0, contact_id


def rows_among(tx: Tx, few: Sequence[Key], key: Key | None, limit: int, *, backwards: bool) -> list[Mapping[Any, Any]]:
    """Rows of these beyond a key, the nearest first."""
    if key is None:
        own = list(few[:limit])
    elif backwards:
        own = [one for one in reversed(few) if falling(one) > falling(key)][:limit]
    else:
        own = [one for one in few if falling(one) < falling(key)][:limit]
    ids = [contact_id for _, contact_id in own]
    rows = tx.execute(select(contacts).where(contacts.c.contact_id.in_(ids))).mappings()
    by_id = {row["contact_id"]: row for row in rows}
    return [by_id[one] for one in ids]


def all_people(tx: Tx, site: Site, wanted: Wanted, order: Order, most: int, step: int = 500) -> Iterator[Listed]:
    """These people in their order, at most so many; some are read at a time."""
    key: Key | None = None
    while most > 0 and (rows := rows_after(tx, site, wanted, order, key, min(step, most))):
        yield from shown(tx, rows)
        key, most = key_of(order, rows[-1]), most - len(rows)


def rows_after(
    tx: Tx, site: Site, wanted: Wanted, order: Order, key: Key | None, limit: int, *, backwards: bool = False
) -> list[Mapping[Any, Any]]:
    """Rows beyond a key in an order, the nearest first."""
    column, row_id = SORTED_BY[order], contacts.c.contact_id
    ends = (column.asc(), row_id.asc()) if backwards else (column.desc(), row_id.desc())
    found: list[Mapping[Any, Any]] = []
    for part in parts_of(order, key, backwards):
        query = select(contacts).where(*conditions(tx, site, wanted), *part).order_by(*ends)
        found += tx.execute(query.limit(limit - len(found))).mappings().all()
        if len(found) >= limit:
            break
    return found


def parts_of(order: Order, key: Key | None, backwards: bool) -> list[list[ColumnElement[bool]]]:
    """The rows beyond a key, as ranges of one index, the nearest first: who has a value, then who has none."""
    column, row_id = SORTED_BY[order], contacts.c.contact_id
    with_one, without = column.is_not(None), column.is_(None)
    if key is None:
        return [[with_one], [without]] if column.nullable else [[]]
    value, contact_id = key
    beyond = row_id > contact_id if backwards else row_id < contact_id
    if value is None:
        return [[without, beyond], [with_one]] if backwards else [[without, beyond]]
    bound = from_ms(value) if order in (Order.LEAD, Order.LAST) else value
    nearer = column > bound if backwards else column < bound
    own = [column >= bound if backwards else column <= bound, or_(nearer, and_(column == bound, beyond))]
    return [own] if backwards or not column.nullable else [own, [without]]


def key_of(order: Order, row: Mapping[Any, Any]) -> Key:
    """Where a row stands in an order."""
    value = row[SORTED_BY[order].name]
    return (to_ms(value) if isinstance(value, datetime) else value), row["contact_id"]


def cursor_of(way: str, order: Order, row: Mapping[Any, Any]) -> str:
    """A cursor: 'a' after this row, 'b' before it."""
    value, contact_id = key_of(order, row)
    return f"{way}.{'' if value is None else value}.{contact_id}"


def parsed(cursor: str | None) -> tuple[bool, Key | None]:
    """Whether a cursor goes backwards, and from which row; raises Invalid."""
    if not cursor:
        return False, None
    found = re.fullmatch(r"([ab])\.(-?[0-9]{1,15})?\.([0-9a-f]{1,64})", cursor)
    if found is None or abs(int(found[2] or 0)) > LAST_MS:
        raise Invalid("is no cursor of this list", field="cursor")
    return found[1] == "b", (int(found[2]) if found[2] else None, found[3])


def shown(tx: Tx, rows: Sequence[Mapping[Any, Any]]) -> list[Listed]:
    """Rows as a list shows them."""
    ids = [row["contact_id"] for row in rows]
    touches, money = touches_of(tx, ids, TOLD), money_of(tx, ids)
    return [listed(row, touches.get(row["contact_id"], []), money.get(row["contact_id"], {})) for row in rows]


def person_listed(tx: Tx, site: Site, contact_id: str) -> Listed:
    """One contact as a list shows it; raises NotFound."""
    query = select(contacts).where(contacts.c.site_id == site.site_id, contacts.c.contact_id == contact_id)
    found = shown(tx, tx.execute(query).mappings().all())
    if not found:
        raise NotFound(f"no contact {contact_id[:40]!r}")
    return found[0]


def money_of(tx: Tx, ids: Sequence[str]) -> dict[str, dict[str | None, tuple[int, int]]]:
    """Per contact and currency the number of deals and the sum of their ledgers; currency None: nothing booked."""
    query = (
        select(
            deal_contacts.c.contact_id,
            deal_entries.c.currency,
            func.count(deal_contacts.c.deal_id.distinct()),
            func.coalesce(func.sum(deal_entries.c.amount_minor), 0),
        )
        .outerjoin(deal_entries, deal_entries.c.deal_id == deal_contacts.c.deal_id)
        .where(deal_contacts.c.contact_id.in_(ids))
        .group_by(deal_contacts.c.contact_id, deal_entries.c.currency)
    )
    found: dict[str, dict[str | None, tuple[int, int]]] = {}
    for contact_id, currency, n, total in tx.execute(query):
        found.setdefault(contact_id, {})[currency] = (int(n), int(total))
    return found


def listed(
    row: Mapping[Any, Any], touches: Sequence[Mapping[Any, Any]], money: Mapping[str | None, tuple[int, int]]
) -> Listed:
    """A contact's row with its first and latest touch."""
    by_id = {touch["touchpoint_id"]: touch for touch in touches}
    latest = max((touch["occurred_at"] for touch in touches), default=row["lead_at"])
    way = path_of([PathTouch(t["touchpoint_id"], t["hit_id"], t["occurred_at"]) for t in touches], latest)
    same = ("contact_id", "name", "company_domain", "phone", "crm_id", "stage", "score", "country", "lead_at")
    return Listed(
        email=row["email"] or row["crm_id"],
        company=row["company_name"] or row["company_domain"],
        first=touch_of(by_id[way[0].touchpoint_id]) if way else None,
        last=touch_of(by_id[way[-1].touchpoint_id]) if way else None,
        n_visits=row["n_visits"],
        n_deals=row["n_deals"],
        revenue=tuple(sorted((currency, total) for currency, (_, total) in money.items() if currency)),
        **{name: row[name] for name in same},
    )


def touch_of(row: Mapping[Any, Any]) -> ListedTouch:
    """A touchpoint's row as the list shows it."""
    return ListedTouch(row["channel"], row["source"], row["medium"], row["campaign"], row["occurred_at"])


def person_on(tx: Tx, deal_ids: Sequence[str]) -> dict[str, str]:
    """Per deal one contact whose journey leads to it: the first that the CRM names, else one of its company."""
    found: dict[str, str] = {}
    for some in chunks(deal_ids):
        by_company = (
            select(deals.c.deal_id, func.min(contacts.c.contact_id))
            .join(contacts, contacts.c.company_domain == deals.c.company_domain)
            .where(deals.c.deal_id.in_(some), contacts.c.site_id == deals.c.site_id)
            .group_by(deals.c.deal_id)
        )
        named = (
            select(deal_contacts.c.deal_id, func.min(deal_contacts.c.contact_id))
            .where(deal_contacts.c.deal_id.in_(some))
            .group_by(deal_contacts.c.deal_id)
        )
        for query in (by_company, named):
            found |= {row[0]: row[1] for row in tx.execute(query)}
    return found
