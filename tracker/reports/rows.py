"""The rows behind one figure of the Source report: its visits, its leads, its deals, its ledger entries or its costs.

The same query, crediting and conversion as the report itself, so the credits of all rows add up to the figure. Newest
first, a page at a time; a page goes on after the last row's key.
"""

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, false, func, select, true, tuple_

from tracker.attribution.credit import exact, group_sums
from tracker.attribution.touches import Ints
from tracker.clock import from_ms, to_ms
from tracker.db.schema import contacts, costs, deals, links, touchpoints, visitors
from tracker.db.store import Tx
from tracker.db.writes import chunks
from tracker.errors import Invalid
from tracker.reports.catalogue import COUNTED, DIMENSION, METRIC
from tracker.reports.columns import KINDS, NOBODY
from tracker.reports.crediting import Credits, Lines, credit
from tracker.reports.engines.sql import channel_of, costs_met, visits_of
from tracker.reports.exchange import Exchange
from tracker.reports.globally import check_single
from tracker.reports.keeping import engine_of
from tracker.reports.query import Query
from tracker.reports.source import scope_of
from tracker.vocabulary import LEAD_EVENTS, NOT_SET, Dimension

Values = tuple[str, ...] | None
MOST_ROWS = 500


@dataclass(frozen=True, slots=True)
class ContactSeen:
    """A contact as a list names it."""

    contact_id: str
    email: str | None
    name: str | None


@dataclass(frozen=True, slots=True)
class VisitBehind:
    """A visit. `contact`: whose browser it was at that time, if it can be named. Texts are strangers'."""

    touchpoint_id: str
    started_at: datetime
    visitor_id: str
    channel: str
    source: str
    medium: str
    campaign: str
    landing_page: str
    landing_url: str
    referrer: str | None
    contact: ContactSeen | None


@dataclass(frozen=True, slots=True)
class LeadBehind:
    """A form, call, chat, offline contact or new lead, and what part of it the figure was credited, in millionths."""

    conversion_id: str
    kind: str
    occurred_at: datetime
    contact: ContactSeen | None
    credit_micro: int


@dataclass(frozen=True, slots=True)
class DealBehind:
    """A deal created or won, and what part of it the figure was credited, in millionths."""

    conversion_id: str
    kind: str
    occurred_at: datetime
    deal_id: str
    reference: str
    name: str | None
    credit_micro: int


@dataclass(frozen=True, slots=True)
class EntryBehind:
    """An entry of a deal's ledger: its amount in the deal's currency, and the figure's credit in the report's."""

    deal_id: str
    reference: str
    name: str | None
    position: int
    kind: str
    day: str
    amount_minor: int
    currency: str
    credit_minor: int


@dataclass(frozen=True, slots=True)
class CostBehind:
    """A cost as imported, and what it is in the report's currency."""

    cost_id: str
    day: str
    channel: str
    source: str
    medium: str
    campaign: str
    amount_minor: int
    currency: str
    clicks: int | None
    impressions: int | None
    credit_minor: int


Behind = VisitBehind | LeadBehind | DealBehind | EntryBehind | CostBehind


@dataclass(frozen=True, slots=True)
class Rows:
    """One page of rows, all of one kind.

    n_rows       on all pages
    figure       what the rows of all pages add up to: visits, visitors, millionths, or minor units
    next_cursor  where the next page begins; None on the last
    """

    rows: tuple[Behind, ...]
    n_rows: int
    figure: int
    next_cursor: str | None


def rows_behind(tx: Tx, query: Query, metric: str, values: Values, cursor: str | None = None, limit: int = 50) -> Rows:
    """The rows behind one figure.

    values  the row it stands in, a value per dimension; () for the totals; None for what no touch explains
    cursor  the `next_cursor` of the page before
    raises  Invalid: an unknown metric, a ratio (open what it is made of), a wrong cursor or limit
    """
    if metric not in METRIC or METRIC[metric].unit.is_quotient:
        raise Invalid(f"no rows stand behind {metric[:40]!r}; open revenue or cost", field="metric")
    if values and len(values) != len(query.by):
        raise Invalid(f"{len(values)} values for {len(query.by)} dimensions", field="values")
    if not 1 <= limit <= MOST_ROWS:
        raise Invalid(f"{limit} rows; ask for 1 to {MOST_ROWS}", field="limit")
    after = parse_cursor(cursor)
    if metric in {"visits", "visitors"}:
        return visit_rows(tx, query, metric, values, after, limit)
    if metric == "cost":
        return cost_rows(tx, query, values, after, limit)
    if values != () or query.where:
        check_single(query.model)
    credits_ = credit(engine_of(tx), query, scope_of(query), Exchange(query.currency))
    if metric == "revenue":
        return entry_rows(tx, credits_, values, after, limit)
    kinds = {kind.value for kind in (LEAD_EVENTS if metric == "lead_events" else (COUNTED[metric],))}
    is_lead = metric not in {"deals", "sales"}
    return conversion_rows(tx, credits_, kinds, values, after, limit, named=lead_rows if is_lead else deal_rows)


# --- visits ---------------------------------------------------------------------------------------------------------


def visit_rows(tx: Tx, query: Query, metric: str, values: Values, after: list[Any], limit: int) -> Rows:
    """The visits of a figure. Those of one visitor are as many rows; `figure` of visitors counts each once."""
    if values is None:
        return Rows((), 0, 0, None)
    _, found = visits_of(scope_of(query))
    table = touchpoints.c
    words: dict[str, ColumnElement[Any]] = {
        **dict(table.items()),
        "channel": channel_of(query.policy.rules, touchpoints).label("channel"),
    }
    found = found.where(*(words[name] == value for name, value in zip(query.by, values, strict=False)))
    counted = func.count(table.visitor_no.distinct()) if metric == "visitors" else func.count()
    n_rows, figure = tx.execute(found.add_columns(func.count(), counted)).one()
    key = (table.day, table.occurred_at, table.touchpoint_id)
    if after:
        if [type(part) for part in after] != [str, int, str] or not 0 <= after[1] < 1 << 47:
            raise wrong_cursor()
        before = (after[0], from_ms(after[1]), after[2])
        found = found.where(table.day <= after[0], tuple_(*key) < before)
    columns = (words[name] for name in VISIT_COLUMNS)
    page = tx.execute(
        found.add_columns(*key, table.visitor_no, visitors.c.visitor_id, *columns)
        .join(visitors, visitors.c.visitor_no == table.visitor_no)
        .order_by(*(column.desc() for column in key))
        .limit(limit + 1)
    ).all()
    page, last = page[:limit], page[limit - 1] if len(page) > limit else None
    people = owners_of(tx, [(row.visitor_no, row.occurred_at) for row in page])
    rows = tuple(
        VisitBehind(
            touchpoint_id=row.touchpoint_id,
            started_at=row.occurred_at,
            visitor_id=row.visitor_id,
            contact=contact,
            **{name: row._mapping[name] for name in VISIT_COLUMNS},
        )
        for row, contact in zip(page, people, strict=True)
    )
    cursor = None if last is None else make_cursor([last.day, to_ms(last.occurred_at), last.touchpoint_id])
    return Rows(rows, n_rows, figure, cursor)


VISIT_COLUMNS = ("channel", "source", "medium", "campaign", "landing_page", "landing_url", "referrer")


def owners_of(tx: Tx, visits: Sequence[tuple[int, datetime]]) -> list[ContactSeen | None]:
    """Per visit (visitor number, start): the contact that the browser belonged to then."""
    spans: dict[int, list[Any]] = {}
    for some in chunks({visitor_no for visitor_no, _ in visits}):
        for row in tx.execute(select(links).where(links.c.visitor_no.in_(some))):
            spans.setdefault(row.visitor_no, []).append(row)
    owners = [
        next(
            (
                span.contact_id
                for span in spans.get(visitor_no, ())
                if (span.from_at is None or at >= span.from_at) and (span.to_at is None or at < span.to_at)
            ),
            None,
        )
        for visitor_no, at in visits
    ]
    seen = contacts_seen(tx, owners)
    return [seen.get(owner or "") for owner in owners]


def contacts_seen(tx: Tx, contact_ids: Iterable[str | None]) -> dict[str, ContactSeen]:
    """Contacts by their ids."""
    table = contacts.c
    found: dict[str, ContactSeen] = {}
    for some in chunks({one for one in contact_ids if one}):
        for row in tx.execute(select(table.contact_id, table.email, table.name).where(table.contact_id.in_(some))):
            found[row.contact_id] = ContactSeen(row.contact_id, row.email, row.name)
    return found


# --- credited conversions and entries -------------------------------------------------------------------------------


def credited(credits_: Credits, lines: Lines, values: Values) -> tuple[Ints, NDArray[Any]]:
    """Numbers of conversions (or entries), and what each brought to the rows meant by the values: never nothing."""
    walked = credits_.walked
    if values is None:
        mask = lines.touches == NOBODY
    elif values == ():
        mask = np.ones(len(lines.touches), dtype=np.bool_)
    elif values in walked.values:
        mask = (walked.codes[lines.touches] == walked.values.index(values)) & (lines.touches != NOBODY)
    else:
        mask = np.zeros(len(lines.touches), dtype=np.bool_)
    subjects, groups = np.unique(lines.subjects[mask], return_inverse=True)
    sums = exact(group_sums(lines.amounts[mask], groups, len(subjects)))
    is_something = np.asarray(sums != 0, dtype=np.bool_)
    return subjects[is_something], sums[is_something]


def conversion_rows(
    tx: Tx,
    credits_: Credits,
    kinds: set[str],
    values: Values,
    after: list[Any],
    limit: int,
    *,
    named: Callable[[Tx, list[tuple[Any, int]]], Sequence[LeadBehind | DealBehind]],
) -> Rows:
    """The conversions of these kinds behind a figure; `named` puts names to a page of (conversion, credit)."""
    conversions = credits_.conversions
    numbers, amounts = credited(credits_, credits_.counts, values)
    wanted = np.isin(conversions.kinds[numbers], [KINDS.index(kind) for kind in kinds])
    numbers, amounts = numbers[wanted], amounts[wanted]
    near = newest(conversions.converted_ms[numbers], after, limit)
    found = [
        ([one.converted_ms, one.conversion_id], (one, amount))
        for one, amount in zip(map(conversions.__getitem__, numbers[near]), amounts[near].tolist(), strict=True)
    ]
    page, cursor = paged(found, after, limit)
    return Rows(tuple(named(tx, page)), len(numbers), sum(amounts.tolist()), cursor)


def newest(moments: Ints, after: list[Any], limit: int) -> Ints:
    """The places of the moments among which a page and one row more are; of equal ones all, for ids tell them apart."""
    if after and not isinstance(after[0], int):
        raise wrong_cursor()
    places = np.flatnonzero(moments <= after[0]) if after else np.arange(len(moments))
    n = limit + 1 + (int(np.count_nonzero(moments == after[0])) if after else 0)
    if len(places) <= n:
        return places
    found = moments[places]
    least = np.partition(found, len(found) - n)[len(found) - n]
    return np.asarray(places[found >= least], dtype=np.int64)


def lead_rows(tx: Tx, page: list[tuple[Any, int]]) -> list[LeadBehind]:
    """Lead events and new leads with their contacts."""
    people = contacts_seen(tx, (one.contact_id for one, _ in page))
    return [
        LeadBehind(one.conversion_id, one.kind, from_ms(one.converted_ms), people.get(one.contact_id or ""), amount)
        for one, amount in page
    ]


def deal_rows(tx: Tx, page: list[tuple[Any, int]]) -> list[DealBehind]:
    """Deals created or won with their names."""
    names = deal_names(tx, (one.deal_id for one, _ in page))
    return [
        DealBehind(
            one.conversion_id,
            one.kind,
            from_ms(one.converted_ms),
            one.deal_id,
            *names[one.deal_id],
            credit_micro=amount,
        )
        for one, amount in page
    ]


def entry_rows(tx: Tx, credits_: Credits, values: Values, after: list[Any], limit: int) -> Rows:
    """The ledger entries behind a revenue."""
    found = [
        ([entry.day, entry.deal_id, entry.position], (entry, amount))
        for number, amount in zip(*map(np.ndarray.tolist, credited(credits_, credits_.money, values)), strict=True)
        for entry in [credits_.entries[number]]
    ]
    page, cursor = paged(found, after, limit)
    names = deal_names(tx, (entry.deal_id for entry, _ in page))
    rows = tuple(
        EntryBehind(
            entry.deal_id,
            *names[entry.deal_id],
            position=entry.position,
            kind=entry.kind,
            day=entry.day,
            amount_minor=entry.amount_minor,
            currency=entry.currency,
            credit_minor=amount,
        )
        for entry, amount in page
    )
    return Rows(rows, len(found), sum(amount for _, (_, amount) in found), cursor)


def deal_names(tx: Tx, deal_ids: Iterable[str]) -> dict[str, tuple[str, str | None]]:
    """The reference and name of deals by their ids."""
    found: dict[str, tuple[str, str | None]] = {}
    for some in chunks(set(deal_ids)):
        query = select(deals.c.deal_id, deals.c.reference, deals.c.name).where(deals.c.deal_id.in_(some))
        found |= {deal_id: (reference, name) for deal_id, reference, name in tx.execute(query)}
    return found


# --- costs ----------------------------------------------------------------------------------------------------------


def cost_rows(tx: Tx, query: Query, values: Values, after: list[Any], limit: int) -> Rows:
    """The costs of a figure; those without a rate are in no figure and not here."""
    if values is None:
        return Rows((), 0, 0, None)
    table = costs.c
    words: dict[str, ColumnElement[Any]] = {
        **dict(table.items()),
        "channel": channel_of(query.policy.rules, costs).label("channel"),
    }
    rows = tx.execute(
        select(*(words[name] for name in COST_COLUMNS)).where(
            table.site_id == query.site_id,
            table.day.between(query.from_day, query.to_day),
            *costs_met(scope_of(query)),
            *(costs_with(words, name, value) for name, value in zip(query.by, values, strict=False)),
        )
    )
    exchange = Exchange(query.currency)
    found: list[tuple[list[Any], CostBehind]] = []
    for row in rows:
        amount = exchange.convert(row.amount_minor, row.currency, row.day)
        if amount is not None:
            found.append(([row.day, row.cost_id], CostBehind(**row._mapping, credit_minor=amount)))
    page, cursor = paged(found, after, limit)
    return Rows(tuple(page), len(found), sum(one.credit_minor for _, one in found), cursor)


COST_COLUMNS = [name for name in CostBehind.__dataclass_fields__ if name != "credit_minor"]


def costs_with(words: Mapping[str, ColumnElement[Any]], name: Dimension, value: str) -> ColumnElement[bool]:
    """The costs that stand in the row of a value; all, or none, where costs do not know the dimension."""
    if DIMENSION[name].has_cost:
        return words[name] == value
    return true() if value == NOT_SET else false()


# --- pages ----------------------------------------------------------------------------------------------------------

Item = TypeVar("Item")


def paged(found: list[tuple[list[Any], Item]], after: list[Any], limit: int) -> tuple[list[Item], str | None]:
    """A page of (key, item), the greatest keys first, and the cursor of the next."""
    found.sort(key=lambda pair: pair[0], reverse=True)
    try:
        rest = [pair for pair in found if pair[0] < after] if after else found
    except TypeError as error:
        raise wrong_cursor() from error
    page = rest[:limit]
    return [item for _, item in page], make_cursor(page[-1][0]) if len(rest) > limit else None


def make_cursor(key: list[Any]) -> str:
    """A row's key as opaque text."""
    return base64.urlsafe_b64encode(json.dumps(key, separators=(",", ":")).encode()).decode().rstrip("=")


def parse_cursor(cursor: str | None) -> list[Any]:
    """The key in a cursor, [] for the first page; raises Invalid."""
    if not cursor:
        return []
    try:
        key = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error, RecursionError) as error:
        raise wrong_cursor() from error
    if not isinstance(key, list) or not all(type(part) in {int, str} for part in key):
        raise wrong_cursor()
    return key


def wrong_cursor() -> Invalid:
    """The error of a cursor that is none of ours."""
    return Invalid("this cursor is not one of ours; begin without it", field="cursor")
