"""Attribute: derive the conversions of some contacts and their deals, and store the path of each, flat.

Replaces, never adds: the rows follow from the contacts' identifications, links, touchpoints and deals, so running it
again, or in another order, gives the same rows. Credits are not stored; models weigh paths when a report reads.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, insert, or_, select

from tracker.attribution.path import Touch, path_of
from tracker.attribution.reach import reach
from tracker.attribution.recredited import tell
from tracker.attribution.touches import SCOPES
from tracker.clock import local_day
from tracker.db.schema import (
    calls,
    contacts,
    conversions,
    deal_contacts,
    deal_entries,
    deals,
    identifications,
    links,
    paths,
    stage_changes,
    touchpoints,
)
from tracker.db.store import Tx
from tracker.db.writes import GIVEN, among, as_one, chunks, has_one_writer, lock, upsert
from tracker.ids import derive
from tracker.money import tie_number
from tracker.vocabulary import (
    FLAT,
    LEAD_EVENTS,
    ConversionKind,
    DealStatus,
    DealType,
    EntryKind,
    PathScope,
    Stage,
    Traced,
)

# Who enters these stages is counted, once, at the first time.
COUNTED_STAGES = {
    Stage.MQL: ConversionKind.MQL,
    Stage.SQL: ConversionKind.SQL,
    Stage.CUSTOMER: ConversionKind.CUSTOMER,
}
# Deals with a customer who has bought before.
UPSELLS = (DealType.UPSELL.value, DealType.CROSS_SELL.value, DealType.RENEWAL.value)

Row = dict[str, Any]

# A touchpoint that is a visit's. Not IS NULL: SQLite would look all of them up by that, and then for the visitor.
IS_A_VISIT = func.coalesce(touchpoints.c.contact_id, "") == ""

# What a path takes of a touchpoint.
PATH_COLUMNS = ("touchpoint_id", "kind", "hit_id", "occurred_at", "day", *FLAT)


@dataclass(frozen=True, slots=True)
class Conversion:
    """A conversion to be, with the contacts whose touches lead to it.

    colleagues   the others of a deal's company: their touches count where a reader asks for the whole company's
    deal_at      when its deal was created; last_win_at: the customer's last win before that, for an upsell and its like
    """

    conversion_id: str
    kind: ConversionKind
    occurred_at: datetime
    people: tuple[str, ...]
    colleagues: tuple[str, ...] = ()
    contact_id: str | None = None
    deal_id: str | None = None
    hit_seq: int | None = None
    n: int = 1
    by_company: bool = False
    ambiguous: bool = False
    deal_at: datetime | None = None
    last_win_at: datetime | None = None


def attribute(
    tx: Tx,
    site_id: int,
    timezone: str,
    contact_ids: Iterable[str],
    deal_ids: Iterable[str] = (),
    call_ids: Iterable[str] = (),
    *,
    anew: bool = False,
) -> None:
    """Derive anew the conversions and paths of these contacts, of these deals, and of the deals the contacts are on.

    Writes and marks (recredited.py) those alone that are others than they were.

    deal_ids  their ledgers may have been written anew, too
    call_ids  calls of which some are nobody's: these are derived, too
    anew      everything is being derived: nothing is there yet, and the caller marks it all
    """
    people = sorted(set(contact_ids))
    deal_ids = set(deal_ids)
    call_ids = sorted(call_ids)
    if not people and not deal_ids and not call_ids:
        return
    concerned = hold(tx, site_id, people, deal_ids)
    found = [conversion for some in chunks(people) for conversion in of_contacts(tx, some)]
    found += [conversion for some in chunks(call_ids) for conversion in of_strangers(tx, some)]
    found += [conversion for some in chunks(sorted(concerned)) for conversion in of_deals(tx, site_id, some)]
    touches = touches_of(tx, everybody(found, people), PATH_COLUMNS)
    reach(tx, people, deal_ids, touches)
    rows, path_rows = rows_of(tx, site_id, timezone, found, touches)
    if anew:
        write(tx, rows, path_rows)
        return
    gone = forget(tx, people, sorted(concerned), keep=set(rows))
    others = changed(tx, rows, path_rows)
    write(tx, {one: rows[one] for one in others}, {one: path_rows[one] for one in others})
    won = {derive("deal_won", deal_id) for deal_id in deal_ids}
    tell(tx, site_id, [*gone, *others, *won.intersection(rows)])


def hold(tx: Tx, site_id: int, people: Sequence[str], deal_ids: set[str]) -> set[str]:
    """Hold these contacts, the deals they are on and the others on those, until the transaction ends; give the deals.

    Whoever works on one of them at the same time waits, and then sees what was written here: without that, two
    transactions would each derive a path that lacks the other's touch.
    """
    known: set[str] | None = None
    concerned = with_siblings(tx, deal_ids | deals_of(tx, site_id, people))
    if has_one_writer(tx):
        return concerned
    while known != concerned:
        known = concerned
        for some in chunks(sorted(set(people) | people_on(tx, site_id, known))):
            query = select(contacts.c.contact_id).where(contacts.c.contact_id.in_(some))
            lock(tx, query.order_by(contacts.c.contact_id))
        for some in chunks(sorted(known)):
            lock(tx, select(deals.c.deal_id).where(deals.c.deal_id.in_(some)).order_by(deals.c.deal_id))
        concerned = known | with_siblings(tx, deals_of(tx, site_id, people))
    return concerned


def people_on(tx: Tx, site_id: int, deal_ids: Iterable[str]) -> set[str]:
    """Everybody on these deals: named by the CRM, or of the company of a deal."""
    found: set[str] = set()
    for some in chunks(sorted(deal_ids)):
        named = select(deal_contacts.c.contact_id).where(deal_contacts.c.deal_id.in_(some))
        found |= set(tx.execute(named).scalars())
        of_company = (
            select(contacts.c.contact_id)
            .join(deals, deals.c.company_domain == contacts.c.company_domain)
            .where(deals.c.deal_id.in_(some), contacts.c.site_id == site_id)
        )
        found |= set(tx.execute(of_company).scalars())
    return found


def deals_of(tx: Tx, site_id: int, people: Sequence[str]) -> set[str]:
    """The deals these contacts are on: named by the CRM, or by their company."""
    if not people:
        return set()
    query = deals_of_given(tx.dialect.name)
    return set(tx.execute(query, {"given": as_one(people)}).scalars())


@lru_cache(maxsize=2)
def deals_of_given(dialect: str) -> Any:
    """The query of deals_of, of GIVEN contacts."""
    # Contacts are of one site. To name it here would have SQLite go through all its deals.
    of_company = (
        select(deals.c.deal_id)
        .join(
            contacts,
            and_(deals.c.company_domain == contacts.c.company_domain, deals.c.site_id == contacts.c.site_id),
        )
        .where(among(dialect, contacts.c.contact_id, GIVEN))
    )
    named = select(deal_contacts.c.deal_id).where(among(dialect, deal_contacts.c.contact_id, GIVEN))
    return named.union_all(of_company)


def with_siblings(tx: Tx, deal_ids: set[str]) -> set[str]:
    """These deals, and the upsells and their like of the same customers: their last win may be one of these."""
    found = set(deal_ids)
    for some in chunks(sorted(deal_ids)):
        found |= {deal_id for deal_id, _ in tx.execute(siblings(some, deals.c.type.in_(UPSELLS)))}
    return found


def siblings(deal_ids: Sequence[str], *conditions: ColumnElement[bool]) -> Any:
    """(deal, one of these deals) of one customer: they share a contact, or a company."""
    mine, others, own = deal_contacts.alias(), deal_contacts.alias(), deals.alias()
    by_contact = (
        select(deals.c.deal_id, mine.c.deal_id)
        .join(others, others.c.deal_id == deals.c.deal_id)
        .join(mine, mine.c.contact_id == others.c.contact_id)
        .where(mine.c.deal_id.in_(deal_ids), *conditions)
    )
    by_company = (
        select(deals.c.deal_id, own.c.deal_id)
        .join(own, and_(own.c.company_domain == deals.c.company_domain, own.c.site_id == deals.c.site_id))
        .where(own.c.deal_id.in_(deal_ids), *conditions)
    )
    return by_contact.union(by_company)


def last_wins(tx: Tx, rows: Mapping[str, Mapping[Any, Any]]) -> dict[str, datetime]:
    """The last win of the customer before each of these deals was created; only for upsells and their like.

    rows  the deals by their ids
    """
    later = sorted(deal_id for deal_id, row in rows.items() if row["type"] in UPSELLS)
    pairs = [
        pair
        for some in chunks(later)
        for pair in tx.execute(siblings(some, deals.c.status == DealStatus.WON.value)).all()
    ]
    closed = {
        deal_id: closed_at
        for some in chunks(sorted({other for other, _ in pairs}))
        for deal_id, closed_at in tx.execute(
            select(deals.c.deal_id, deals.c.closed_at).where(deals.c.deal_id.in_(some), deals.c.closed_at.is_not(None))
        )
    }
    found: dict[str, datetime] = {}
    for other, deal_id in pairs:
        won_at = closed.get(other)
        if other != deal_id and won_at is not None and won_at <= rows[deal_id]["created_at"]:
            found[deal_id] = max(won_at, found.get(deal_id, won_at))
    return found


def of_contacts(tx: Tx, people: Sequence[str]) -> list[Conversion]:
    """The lead events of these contacts, and each once as a new lead, and at each stage that counts."""
    told = tx.execute(
        select(identifications)
        .where(
            identifications.c.contact_id.in_(people),
            identifications.c.kind.in_([kind.value for kind in LEAD_EVENTS]),
        )
        .order_by(identifications.c.occurred_at, identifications.c.identification_id)
    ).mappings()
    rows: dict[tuple[str, ...], Mapping[Any, Any]] = {}
    for row in told:  # of a conversation that was told more than once the first counts
        same = (row["contact_id"], row["conversation"]) if row["conversation"] else (row["identification_id"],)
        rows.setdefault(same, row)
    found = [
        Conversion(
            conversion_id=row["identification_id"],
            kind=ConversionKind(row["kind"]),
            occurred_at=row["occurred_at"],
            people=(row["contact_id"],),
            contact_id=row["contact_id"],
            hit_seq=row["hit_seq"],
        )
        for row in rows.values()
    ]
    found = with_calls(tx, found, people)
    leads = tx.execute(select(contacts.c.contact_id, contacts.c.lead_at).where(contacts.c.contact_id.in_(people)))
    once = [(contact_id, ConversionKind.LEAD, lead_at) for contact_id, lead_at in leads]
    return found + [
        Conversion(derive(kind.value, contact_id), kind, at, (contact_id,), contact_id=contact_id)
        for contact_id, kind, at in [*once, *stages_entered(tx, people)]
    ]


def stages_entered(tx: Tx, people: Sequence[str]) -> list[tuple[str, ConversionKind, datetime]]:
    """When each of these contacts first came into each stage that counts, as (contact, kind, instant)."""
    rows = tx.execute(
        select(stage_changes.c.contact_id, stage_changes.c.stage, func.min(stage_changes.c.occurred_at))
        .where(
            stage_changes.c.contact_id.in_(people), stage_changes.c.stage.in_([stage.value for stage in COUNTED_STAGES])
        )
        .group_by(stage_changes.c.contact_id, stage_changes.c.stage)
    )
    return [(contact_id, COUNTED_STAGES[Stage(stage)], at) for contact_id, stage, at in rows]


def with_calls(tx: Tx, found: Sequence[Conversion], people: Sequence[str]) -> list[Conversion]:
    """The lead events of these contacts with the calls of their browsers; those that are ambiguous say so."""
    rows = tx.execute(select(calls).where(calls.c.contact_id.in_(people)).order_by(calls.c.call_id)).mappings()
    own = {row["call_id"]: row for row in rows}
    ambiguous = {call_id for call_id, row in own.items() if row["traced"] == Traced.AMBIGUOUS}
    named = [replace(one, ambiguous=one.conversion_id in ambiguous) for one in found]
    known = {one.conversion_id for one in found}
    return named + [of_call(row) for call_id, row in own.items() if call_id not in known]


def of_strangers(tx: Tx, call_ids: Sequence[str]) -> list[Conversion]:
    """Those of these calls that are nobody's."""
    query = select(calls).where(calls.c.call_id.in_(call_ids), calls.c.contact_id.is_(None))
    return [of_call(row) for row in tx.execute(query.order_by(calls.c.call_id)).mappings()]


def of_call(row: Mapping[Any, Any]) -> Conversion:
    """The conversion that a call is."""
    return Conversion(
        conversion_id=row["call_id"],
        kind=ConversionKind.CALL,
        occurred_at=row["occurred_at"],
        people=(row["contact_id"],) if row["contact_id"] else (),
        contact_id=row["contact_id"],
        hit_seq=row["hit_seq"],
        ambiguous=row["traced"] == Traced.AMBIGUOUS,
    )


def of_deals(tx: Tx, site_id: int, deal_ids: Sequence[str]) -> list[Conversion]:
    """Each deal's creation and its win; a win taken back stays with n = 0, for its ledger still needs its path."""
    named: dict[str, list[str]] = {}
    for deal_id, contact_id in tx.execute(
        select(deal_contacts.c.deal_id, deal_contacts.c.contact_id)
        .where(deal_contacts.c.deal_id.in_(deal_ids))
        .order_by(deal_contacts.c.contact_id)
    ):
        named.setdefault(deal_id, []).append(contact_id)
    closings = wins_of(tx, deal_ids)
    found: list[Conversion] = []
    rows = {row["deal_id"]: row for row in tx.execute(select(deals).where(deals.c.deal_id.in_(deal_ids))).mappings()}
    earlier_wins = last_wins(tx, rows)
    for deal_id, deal in rows.items():
        people = named.get(deal_id, [])
        company = colleagues(tx, site_id, deal["company_domain"]) if deal["company_domain"] else []
        by_company = not people and bool(company)
        common = {
            "people": tuple(company if by_company else people),
            "colleagues": () if by_company else tuple(one for one in company if one not in people),
            "deal_id": deal_id,
            "by_company": by_company,
            "deal_at": deal["created_at"],
            "last_win_at": earlier_wins.get(deal_id),
        }
        found.append(
            Conversion(derive("deal_created", deal_id), ConversionKind.DEAL_CREATED, deal["created_at"], **common)
        )
        if deal_id in closings:
            is_won = deal["status"] == DealStatus.WON
            found.append(
                Conversion(
                    derive("deal_won", deal_id),
                    ConversionKind.DEAL_WON,
                    deal["closed_at"] if is_won else closings[deal_id],
                    n=int(is_won),
                    **common,
                )
            )
    return found


def wins_of(tx: Tx, deal_ids: Sequence[str]) -> dict[str, datetime]:
    """When each deal with a ledger was last won or moved to another closing date."""
    rows = tx.execute(
        select(deal_entries.c.deal_id, deal_entries.c.occurred_at)
        .where(
            deal_entries.c.deal_id.in_(deal_ids),
            or_(
                deal_entries.c.kind == EntryKind.WON.value,
                and_(deal_entries.c.kind == EntryKind.REDATED.value, deal_entries.c.amount_minor > 0),
            ),
        )
        .order_by(deal_entries.c.deal_id, deal_entries.c.position)
    )
    return {row.deal_id: row.occurred_at for row in rows}


def colleagues(tx: Tx, site_id: int, company_domain: str) -> list[str]:
    """The contacts of a company."""
    query = select(contacts.c.contact_id).where(
        contacts.c.site_id == site_id, contacts.c.company_domain == company_domain
    )
    return list(tx.execute(query.order_by(contacts.c.contact_id)).scalars())


def touches_of(
    tx: Tx, people: Sequence[str], told: tuple[str, ...] = tuple(touchpoints.c.keys())
) -> dict[str, list[Mapping[Any, Any]]]:
    """Per contact its touchpoints: the visits of its browsers while they were its own, and what was no web visit.

    told  the columns that the rows have, besides `whose`
    """
    found: dict[str, list[Mapping[Any, Any]]] = {}
    if people:
        for row in tx.execute(touches_of_given(tx.dialect.name, told), {"given": as_one(people)}).mappings():
            found.setdefault(row["whose"], []).append(row)
    return found


@lru_cache(maxsize=8)
def touches_of_given(dialect: str, told: tuple[str, ...]) -> Any:
    """The query of touches_of, of GIVEN contacts."""
    columns = [touchpoints.c[name] for name in told]
    linked = (
        select(links.c.contact_id.label("whose"), *columns)
        .join(touchpoints, touchpoints.c.visitor_no == links.c.visitor_no)
        .where(
            among(dialect, links.c.contact_id, GIVEN),
            IS_A_VISIT,
            or_(links.c.from_at.is_(None), touchpoints.c.occurred_at >= links.c.from_at),
            or_(links.c.to_at.is_(None), touchpoints.c.occurred_at < links.c.to_at),
        )
    )
    own = select(touchpoints.c.contact_id.label("whose"), *columns)
    return linked.union_all(own.where(among(dialect, touchpoints.c.contact_id, GIVEN)))


def touches_of_strangers(tx: Tx, call_ids: Sequence[str]) -> dict[str, list[Mapping[Any, Any]]]:
    """Per call that is nobody's the touches of its visitor, or the one that it is itself."""
    found: dict[str, list[Mapping[Any, Any]]] = {}
    columns = [touchpoints.c[name] for name in PATH_COLUMNS]
    for some in chunks(call_ids):
        for same in (
            and_(touchpoints.c.visitor_no == calls.c.visitor_no, IS_A_VISIT),
            touchpoints.c.touchpoint_id == calls.c.touchpoint_id,
        ):
            query = select(calls.c.call_id.label("whose"), *columns).join(touchpoints, same)
            for row in tx.execute(query.where(calls.c.call_id.in_(some))).mappings():
                found.setdefault(row["whose"], []).append(row)
    return found


def everybody(found: Sequence[Conversion], people: Sequence[str]) -> list[str]:
    """These people, and those whose touches lead to these conversions."""
    return sorted(
        {person for conversion in found for person in (*conversion.people, *conversion.colleagues)} | set(people)
    )


def rows_of(
    tx: Tx,
    site_id: int,
    timezone: str,
    found: Sequence[Conversion],
    touches: Mapping[str, Sequence[Mapping[Any, Any]]],
) -> tuple[dict[str, Row], dict[str, list[Row]]]:
    """The rows of these conversions and of their paths, by conversion.

    touches  per contact, of all people on them
    """
    nobodys = [one.conversion_id for one in found if one.kind is ConversionKind.CALL and one.contact_id is None]
    strangers = touches_of_strangers(tx, nobodys)
    leads = {
        contact_id: (lead_at, contact_id, lead_day)
        for some in chunks(everybody(found, ()))
        for contact_id, lead_at, lead_day in tx.execute(
            select(contacts.c.contact_id, contacts.c.lead_at, contacts.c.lead_day).where(
                contacts.c.contact_id.in_(some)
            )
        )
    }
    rows: dict[str, Row] = {}
    path_rows: dict[str, list[Row]] = {}
    for conversion in found:
        oldest = min((leads[person] for person in conversion.people if person in leads), default=None)
        row = conversion_row(conversion, site_id, timezone, oldest)
        scopes = {person: int(oldest is not None and person != oldest[1]) for person in conversion.people}
        scopes |= dict.fromkeys(conversion.colleagues, SCOPES.index(PathScope.COMPANY))
        own = [(touch, scope) for person, scope in scopes.items() for touch in touches.get(person, ())]
        alone = [(touch, 0) for touch in strangers.get(conversion.conversion_id, ())]
        rows[conversion.conversion_id] = row
        path_rows[conversion.conversion_id] = rows_of_path(row, own or alone)
    return rows, path_rows


def changed(tx: Tx, rows: Mapping[str, Row], path_rows: Mapping[str, list[Row]]) -> list[str]:
    """Those of these conversions that are stored otherwise, or not at all."""
    known: dict[str, Row] = {}
    walked: dict[str, list[Row]] = {one: [] for one in rows}
    for some in chunks(rows):
        for row in tx.execute(select(conversions).where(conversions.c.conversion_id.in_(some))).mappings():
            known[row["conversion_id"]] = dict(row)
        told = select(paths).where(paths.c.conversion_id.in_(some)).order_by(paths.c.conversion_id, paths.c.position)
        for row in tx.execute(told).mappings():
            walked[row["conversion_id"]].append(dict(row))
    return [one for one in rows if known.get(one) != rows[one] or walked[one] != path_rows[one]]


def write(tx: Tx, rows: Mapping[str, Row], path_rows: Mapping[str, list[Row]]) -> None:
    """Replace these conversions and their paths."""
    upsert(tx, conversions, list(rows.values()))
    for some in chunks(rows):
        tx.execute(delete(paths).where(paths.c.conversion_id.in_(some)))
    if new := [row for own in path_rows.values() for row in own]:
        tx.execute(insert(paths), new)


def forget(tx: Tx, people: Sequence[str], deal_ids: Sequence[str], keep: set[str]) -> list[str]:
    """Take away the conversions of these contacts and deals that are no more; give them."""
    gone: list[str] = []
    for column, ids in ((conversions.c.contact_id, people), (conversions.c.deal_id, deal_ids)):
        for some in chunks(ids):
            known = tx.execute(select(conversions.c.conversion_id).where(column.in_(some))).scalars()
            gone += [conversion_id for conversion_id in known if conversion_id not in keep]
    for some in chunks(gone):
        tx.execute(delete(paths).where(paths.c.conversion_id.in_(some)))
        tx.execute(delete(conversions).where(conversions.c.conversion_id.in_(some)))
    return gone


def conversion_row(
    conversion: Conversion, site_id: int, timezone: str, oldest: tuple[datetime, str, str] | None
) -> dict[str, Any]:
    """The row of one conversion. oldest: of its contacts the one who became a lead first: when, who, on which day."""
    return {
        "conversion_id": conversion.conversion_id,
        "site_id": site_id,
        "kind": conversion.kind.value,
        "contact_id": conversion.contact_id,
        "deal_id": conversion.deal_id,
        "hit_seq": conversion.hit_seq,
        "occurred_at": conversion.occurred_at,
        "day": local_day(conversion.occurred_at, timezone),
        "lead_day": oldest[2] if oldest else None,
        "lead_at": oldest[0] if oldest else None,
        "deal_at": conversion.deal_at,
        "last_win_at": conversion.last_win_at,
        "n": conversion.n,
        "by_company": conversion.by_company,
        "ambiguous": conversion.ambiguous,
    }


def rows_of_path(
    conversion: Mapping[str, Any], touches: Sequence[tuple[Mapping[Any, Any], int]]
) -> list[dict[str, Any]]:
    """The flat rows of one conversion's path.

    touches  rows of touchpoints, each with its scope; of several the narrowest counts
    """
    by_id: dict[str, Mapping[Any, Any]] = {}
    scopes: dict[str, int] = {}
    for row, scope in touches:
        touchpoint_id = row["touchpoint_id"]
        by_id[touchpoint_id] = row
        scopes[touchpoint_id] = min(scope, scopes.get(touchpoint_id, scope))
    ordered = path_of(
        [Touch(row["touchpoint_id"], row["hit_id"], row["occurred_at"]) for row in by_id.values()],
        conversion["occurred_at"],
    )
    return [
        {
            "conversion_id": conversion["conversion_id"],
            "position": position,
            "site_id": conversion["site_id"],
            "kind": conversion["kind"],
            "conversion_at": conversion["occurred_at"],
            "conversion_day": conversion["day"],
            "lead_day": conversion["lead_day"],
            "touchpoint_id": touch.touchpoint_id,
            "touched_at": touch.occurred_at,
            "touch_day": by_id[touch.touchpoint_id]["day"],
            "scope": scopes[touch.touchpoint_id],
            "tie": tie_number(conversion["conversion_id"], touch.touchpoint_id),
            **{name: by_id[touch.touchpoint_id][name] for name in FLAT},
        }
        for position, touch in enumerate(ordered)
    ]
