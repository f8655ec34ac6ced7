"""Whose source: for each person of a site the value of the one touch that names where they came from.

The first and the latest touch are plain: of all touches that no rule of the site takes off the paths. The last one
before the lead is the eligible one, as the Source report credits new leads by its usual model. A company's source is
that of its oldest contact.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import BigInteger, Select, func, literal, select, type_coerce

from tracker.attribution.models import weigh_all
from tracker.attribution.policy import namer
from tracker.db.schema import contacts, conversions, links, paths, touchpoints
from tracker.db.store import Tx
from tracker.reports.columns import conversions_of, walks_of
from tracker.reports.crediting import walk, ways
from tracker.reports.engines.sql import FETCH, whose
from tracker.reports.funnel import Touch
from tracker.reports.keeping import engine_of
from tracker.reports.query import Query
from tracker.reports.scans import Conversion, Scope, Touches
from tracker.reports.where import meets
from tracker.vocabulary import Basis, ConversionKind

LEAD = ConversionKind.LEAD.value
ALWAYS = ("0001-01-01", "9999-12-31")
# Words of the first and the latest touch that stand on their contact.
ON_CONTACTS = {"channel", "source"}
IS_A_VISIT = func.coalesce(touchpoints.c.contact_id, "") == ""


@dataclass(frozen=True, slots=True)
class Sources:
    """The source of each person who has a touch.

    values  of the query's dimension; codes: by contact the place in `values`
    taken   the contacts whose touch meets the query's filters; None: there are none
    """

    values: Sequence[str]
    codes: Mapping[str, int]
    taken: frozenset[str] | None


def sources_of(tx: Tx, query: Query, touch: Touch) -> Sources:
    """Everybody's source by the query's one dimension.

    What was before the leads is kept as long as the paths are, for readers alone; whose browser is whose may change
    without any path, so first and latest touches are read each time.
    """
    scope = Scope(query.site_id, Basis.ACTIVITY, *ALWAYS, query.by, rules=query.policy.rules, where=query.where)
    if touch is not Touch.LEAD:
        return at_an_end(tx, scope, touch)
    question = ("funnel", query.by, query.where, repr(query.policy))
    return engine_of(tx).once(query.site_id, question, lambda: before_leads(tx, query, scope))


# --- the first and the latest ---------------------------------------------------------------------------------------


def at_an_end(tx: Tx, scope: Scope, touch: Touch) -> Sources:
    """The sources by the first or the latest touch."""
    names, name = scope.words, namer(scope.rules)
    by, is_first = scope.by[0].value, touch is Touch.FIRST
    values: dict[str, int] = {}
    known: dict[tuple[str, ...], tuple[int, bool] | None] = {}

    def judge(words: tuple[str, ...]) -> tuple[int, bool] | None:
        """The place of the value, and whether the filters are met; None: a rule takes the touch away."""
        own = dict(zip(names, words, strict=True))
        channel = name(own)
        if channel is None:
            return None
        own["channel"] = channel
        return values.setdefault(own[by], len(values)), meets(scope.where, own)

    best: dict[str, tuple[tuple[int, str, str], tuple[int, bool]]] = {}
    for query in touches_at(scope, touch):
        for some in tx.execute(query).partitions(FETCH):
            for contact_id, at_ms, hit_id, touchpoint_id, *told in some:
                words = tuple(told)
                if words not in known:
                    known[words] = judge(words)
                if (found := known[words]) is None:
                    continue
                key = (at_ms, hit_id, touchpoint_id)
                kept = best.get(contact_id)
                if kept is None or (key < kept[0] if is_first else key > kept[0]):
                    best[contact_id] = (key, found)
    taken = frozenset(one for one, (_, (_, takes)) in best.items() if takes) if scope.where else None
    return Sources(list(values), {one: code for one, (_, (code, _)) in best.items()}, taken)


def touches_at(scope: Scope, touch: Touch) -> list[Select[Any]]:
    """Everybody's touches of the first or the latest instant; where a rule may take one away, all of them.

    When they were stands on each contact's row, and so do their channel and source (attribution/reach.py).
    """
    moment = contacts.c[f"{touch.value}_at"]
    may_go = any(not rule.channel for rule in scope.rules)
    if not may_go and set(scope.words) <= ON_CONTACTS:
        words = [contacts.c[f"{touch.value}_{name}"] for name in scope.words]
        alone = select(contacts.c.contact_id, literal(0), literal(""), literal(""), *words)
        return [alone.where(contacts.c.site_id + 0 == scope.site_id, moment.is_not(None))]
    told = [type_coerce(touchpoints.c.occurred_at, BigInteger), touchpoints.c.hit_id, touchpoints.c.touchpoint_id]
    told += [touchpoints.c[name] for name in scope.words]
    is_meant = [contacts.c.site_id == scope.site_id] + ([] if may_go else [touchpoints.c.occurred_at == moment])
    linked = (
        select(contacts.c.contact_id, *told)
        .select_from(contacts)
        .join(links, links.c.contact_id == contacts.c.contact_id)
        .join(touchpoints, whose())
        .where(*is_meant, IS_A_VISIT)
    )
    own = (
        select(contacts.c.contact_id, *told)
        .select_from(touchpoints)
        .join(contacts, contacts.c.contact_id == touchpoints.c.contact_id)
        .where(*is_meant, touchpoints.c.contact_id.is_not(None))
    )
    return [linked, own]


# --- before the lead ------------------------------------------------------------------------------------------------


def before_leads(tx: Tx, query: Query, scope: Scope) -> Sources:
    """The sources by the last eligible touch before the lead."""
    found = leads_in(tx, scope)
    touches = touches_before(tx, scope)
    walked = walk(scope, walks_of(scope, found, touches))
    columns = conversions_of(found)
    way = ways(query.terms, columns, walked)
    weights, _ = weigh_all(query.terms, way)
    chosen = np.flatnonzero(weights > 0)
    owners, codes = walked.owners[chosen].tolist(), walked.codes[chosen].tolist()
    takes = None if walked.takes is None else walked.takes[chosen].tolist()
    people = [found[owner].contact_id or "" for owner in owners]
    return Sources(
        [values[0] for values in walked.values],
        dict(zip(people, codes, strict=True)),
        None if takes is None else frozenset(one for one, taken in zip(people, takes, strict=True) if taken),
    )


def leads_in(tx: Tx, scope: Scope) -> list[Conversion]:
    """Everybody's becoming a lead."""
    table = conversions.c
    at = type_coerce(table.occurred_at, BigInteger)
    columns = (table.conversion_id, table.kind, at, table.day, table.lead_day, table.contact_id)
    rows = tx.execute(select(*columns).where(table.site_id == scope.site_id, table.kind == LEAD))
    return [
        Conversion(one, kind, at_ms, day, lead_day, contact_id, None, 1, False, at_ms)
        for one, kind, at_ms, day, lead_day, contact_id in rows
    ]


def touches_before(tx: Tx, scope: Scope) -> Touches:
    """The touches before everybody became a lead."""
    table = paths.c
    at = type_coerce(table.touched_at, BigInteger)
    columns = (table.conversion_id, table.position, at, *(table[name] for name in scope.words))
    found: list[list[Any]] = [[] for _ in columns]
    query = select(*columns).where(table.site_id == scope.site_id, table.kind == LEAD)
    for some in tx.execute(query).partitions(FETCH):
        for column, cells in zip(found, zip(*some, strict=True), strict=True):
            column.extend(cells)
    n = len(found[0])
    words = dict(zip(scope.words, found[3:], strict=True))
    return Touches(found[0], found[1], [""] * n, found[2], [""] * n, [0] * n, [0] * n, words)


# --- companies ------------------------------------------------------------------------------------------------------


def oldest_contacts(tx: Tx, site_id: int) -> dict[str, str]:
    """By company its oldest contact."""
    row = contacts.c
    rows = tx.execute(
        select(row.company_domain, row.contact_id)
        .where(row.site_id == site_id, row.company_domain.is_not(None))
        .order_by(row.lead_at.desc(), row.contact_id.desc())
    )
    return {row[0]: row[1] for row in rows}
