"""The facts in SQLite or PostgreSQL: one statement a scan, the same text for both.

Reports scan flat columns by (site, day); only a lead cohort's visits need a join, through links. Distinct browsers
are counted here in Python: the database hands out each group's visitor numbers as one text, which is half the time of
COUNT(DISTINCT) over a million visits and gives the exact total in the same pass.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Integer,
    Select,
    Table,
    Text,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    or_,
    select,
    true,
    type_coerce,
)

from tracker.attribution.policy import ChannelRule, matches, small
from tracker.db.schema import contacts, conversions, costs, deal_entries, links, paths, touchpoints
from tracker.db.store import Tx
from tracker.reports.catalogue import COST_WORDS
from tracker.reports.columns import Scan, scan_of
from tracker.reports.remembered import Found
from tracker.reports.scans import WHOLE, Conversion, Cost, Entry, Scope, Touches, VisitCount, VisitCounts
from tracker.vocabulary import NOT_SET, Basis, ConversionKind, Dimension, TouchKind

Numbers = np.ndarray[Any, np.dtype[np.int64]]
WON = ConversionKind.DEAL_WON.value
# A pattern's * as LIKE writes it.
LIKE = str.maketrans({"*": "%", "%": "\\%", "_": "\\_", "\\": "\\\\"})
# Rows turned into columns at a time: fewer than the 700 new objects that wake Python's garbage collector.
FETCH = 500
# Visitor numbers are marked in a bitmap where it has at most so many places per number, and sorted where not.
SPARSE = 100


class SqlEngine:
    """The facts as one transaction sees them."""

    def __init__(self, tx: Tx) -> None:
        self.tx = tx

    def visits(self, scope: Scope) -> VisitCounts:
        """See reports/scans.py."""
        bucket, query = visits_of(scope)
        keys: list[ColumnElement[Any]] = [touchpoints.c[name] for name in scope.grouped]
        if bucket is not None:
            keys = [bucket, *keys]
        rows = self.tx.execute(
            query.add_columns(
                *keys,
                func.aggregate_strings(cast(touchpoints.c.visitor_no, Text), ","),
                func.min(touchpoints.c.rules_version),
                func.max(touchpoints.c.rules_version),
            ).group_by(*keys)
        ).all()
        groups = [visitor_numbers(row[-3]) for row in rows]
        shift, named = 0 if bucket is None else 1, scope.naming()
        found: dict[tuple[str, tuple[str, ...]], list[Numbers]] = {}
        for row, numbers in zip(rows, groups, strict=True):
            found.setdefault((row[0] if shift else "", named(row[shift:-3])), []).append(numbers)
        counts = [
            VisitCount(cut, values, sum(map(len, parts)), n_distinct(together(parts)))
            for (cut, values), parts in found.items()
        ]
        everybody = together(groups)
        versions = {version for row in rows for version in (row[-2], row[-1])}
        if any(row[-2] != row[-1] for row in rows):  # there may be others between the first and the last
            versions.update(self.tx.execute(query.add_columns(touchpoints.c.rules_version).distinct()).scalars())
        return VisitCounts(
            rows=tuple(sorted(counts)),
            n_visits=len(everybody),
            n_visitors=n_distinct(everybody),
            rules_versions=tuple(sorted(versions)),
        )

    def conversions(self, scope: Scope) -> list[Conversion]:
        """See reports/scans.py."""
        table = conversions.c
        columns = (
            table.conversion_id,
            table.kind,
            type_coerce(table.occurred_at, BigInteger),
            table.day,
            table.lead_day,
            table.contact_id,
            table.deal_id,
            table.n,
            type_coerce(table.by_company, Integer),
            type_coerce(table.lead_at, BigInteger),
            type_coerce(table.deal_at, BigInteger),
            type_coerce(table.last_win_at, BigInteger),
        )
        found: list[Conversion] = []
        for condition in concerns(scope):
            for some in self.tx.execute(select(*columns).where(condition)).partitions(FETCH):
                found += map(Conversion._make, some)
        return found

    def touches(self, scope: Scope) -> Touches:
        """See reports/scans.py."""
        table = paths.c
        columns: list[ColumnElement[Any]] = [
            table.conversion_id,
            table.position,
            table.touchpoint_id,
            type_coerce(table.touched_at, BigInteger),
            table.touch_day if scope.basis is Basis.TOUCH_COHORT else literal(""),
            table.scope,
            table.tie,
            *(table[name] for name in scope.words),
        ]
        found: list[list[Any]] = [[] for _ in columns]
        for condition in leads_to(scope):
            rows = self.tx.execute(select(*columns).where(condition))
            for some in rows.partitions(FETCH):
                for column, cells in zip(found, zip(*some, strict=True), strict=True):
                    column.extend(cells)
        words = dict(zip(scope.words, found[7:], strict=True))
        return Touches(found[0], found[1], found[2], found[3], found[4], found[5], found[6], words)

    def entries(self, scope: Scope) -> list[Entry]:
        """See reports/scans.py."""
        table = deal_entries.c
        rows = self.tx.execute(
            select(table.deal_id, table.position, table.kind, table.amount_minor, table.currency, table.day).where(
                table.site_id == scope.site_id, table.deal_id.in_(deals_of(scope))
            )
        )
        return sorted(map(Entry._make, rows))

    def scan(self, scope: Scope) -> Scan:
        """See reports/scans.py."""
        return scan_of(scope, self.conversions(scope), self.touches(scope), self.entries(scope))

    def once(self, site_id: int, question: Hashable, find: Callable[[], Found]) -> Found:
        """See reports/scans.py."""
        return find()

    def costs(self, scope: Scope, currency: str | None) -> list[Cost]:
        """See reports/scans.py."""
        table = costs.c
        known = [name for name in scope.grouped if name in COST_WORDS]
        named = scope.naming()
        words = [table[name] for name in known]
        in_period = and_(
            table.site_id == scope.site_id, table.day.between(scope.from_day, scope.to_day), *costs_met(scope)
        )
        bucket = literal("") if scope.bucket == WHOLE else func.substr(table.day, 1, scope.bucket)
        # Each cost in another currency is converted by itself; so the table is gone through once for both.
        alone = case((table.currency == (currency or ""), ""), else_=table.cost_id)
        summed = (
            select(bucket.label("cut"), alone.label("alone"), func.min(table.day), func.min(table.currency))
            .add_columns(func.sum(table.amount_minor), *words)
            .where(in_period)
            .group_by("cut", "alone", *words)
        )

        def placed(found: Sequence[Any]) -> tuple[str, ...]:
            value = dict(zip(known, found, strict=True))
            return named([value.get(name, NOT_SET) for name in scope.grouped])

        found: list[Cost] = []
        sums: dict[tuple[str, tuple[str, ...]], int] = {}
        for cut, one, day, code, amount, *rest in self.tx.execute(summed):
            if one:
                found.append(Cost(day, placed(rest), int(amount), code))
                continue
            key = (cut, placed(rest))
            sums[key] = sums.get(key, 0) + int(amount)
        found += [Cost(cut, values, amount, currency or "") for (cut, values), amount in sums.items()]
        return sorted(found)


def visits_of(scope: Scope) -> tuple[ColumnElement[Any] | None, Select[Any]]:
    """The visits of a scope as an empty SELECT with its conditions, and the expression of their bucket."""
    table = touchpoints.c
    query = select().where(table.site_id == scope.site_id, table.kind == TouchKind.VISIT.value)
    day: ColumnElement[Any] = table.day
    if scope.basis is Basis.LEAD_COHORT:
        day = contacts.c.lead_day
        query = query.select_from(touchpoints.join(links, whose()).join(contacts)).where(
            contacts.c.site_id == scope.site_id
        )
    query = query.where(day.between(scope.from_day, scope.to_day), *met(scope, touchpoints))
    return (None if scope.bucket == WHOLE else func.substr(day, 1, scope.bucket)), query


def channel_of(rules: Sequence[ChannelRule], table: Table) -> ColumnElement[Any]:
    """The channel of a table's rows under a site's own rules: what policy.namer says, as SQL.

    An excluded row keeps the shipped rules' word, as everywhere in reports. What the table does not know is (not set).
    """
    named: list[tuple[ColumnElement[bool], Any]] = []
    for rule in rules:
        if any(not matches(pattern, NOT_SET) for name, pattern in rule.where.items() if name not in table.c):
            continue
        known = [is_like(table.c[name], pattern) for name, pattern in rule.where.items() if name in table.c]
        named.append((and_(true(), *known), rule.channel or table.c.channel))
    return case(*named, else_=table.c.channel) if named else table.c.channel


def met(scope: Scope, table: Table) -> list[ColumnElement[bool]]:
    """That the rows of a table meet the filters of a scope; what the table does not know is left to the caller."""
    found: list[ColumnElement[bool]] = []
    for one in scope.where:
        if one.dimension is Dimension.CHANNEL:
            column = channel_of(scope.rules, table)
        elif one.dimension.value in table.c:
            column = table.c[one.dimension.value]
        else:
            continue
        found.append(column.not_in(one.values) if one.excludes else column.in_(one.values))
    return found


def costs_met(scope: Scope) -> list[ColumnElement[bool]]:
    """That costs meet the filters of a scope."""
    return met(scope, costs) if scope.has_costs else [false()]


def is_like(column: Column[Any], pattern: str) -> ColumnElement[bool]:
    """Whether a column is what a rule's pattern means. Both databases take A to Z alone for letters with case."""
    wanted = small(pattern)
    if "*" not in wanted:
        return func.lower(column) == wanted
    return func.lower(column).like(wanted.translate(LIKE), escape="\\")


def whose() -> ColumnElement[bool]:
    """A visit was of the contact that its browser belonged to at that time."""
    return and_(
        links.c.visitor_no == touchpoints.c.visitor_no,
        or_(links.c.from_at.is_(None), touchpoints.c.occurred_at >= links.c.from_at),
        or_(links.c.to_at.is_(None), touchpoints.c.occurred_at < links.c.to_at),
    )


def touched(scope: Scope) -> Select[Any]:
    """The conversions with a touch in the period."""
    return select(paths.c.conversion_id).where(
        paths.c.site_id == scope.site_id, paths.c.touch_day.between(scope.from_day, scope.to_day)
    )


def moved(scope: Scope) -> Select[Any]:
    """The deals whose ledger moved in the period."""
    return select(deal_entries.c.deal_id).where(
        deal_entries.c.site_id == scope.site_id, deal_entries.c.day.between(scope.from_day, scope.to_day)
    )


def earlier_wins(scope: Scope) -> ColumnElement[bool]:
    """The wins outside the period of deals whose ledger moved in it: a refund is credited to its deal's path."""
    table = conversions.c
    return and_(
        table.kind == WON,
        table.deal_id.in_(moved(scope)),
        ~table.day.between(scope.from_day, scope.to_day),
    )


# The conditions below exclude each other, and each is answered by one index. Those that name ids leave the site out:
# the ids are the site's own, and SQLite would walk the whole site instead of looking them up.


def concerns(scope: Scope) -> list[ColumnElement[bool]]:
    """The conversions of a scope."""
    table = conversions.c
    if scope.basis is Basis.TOUCH_COHORT:
        return [table.conversion_id.in_(touched(scope))]
    if scope.basis is Basis.LEAD_COHORT:
        return [and_(table.site_id == scope.site_id, table.lead_day.between(scope.from_day, scope.to_day))]
    in_period = and_(table.site_id == scope.site_id, table.day.between(scope.from_day, scope.to_day))
    return [in_period, earlier_wins(scope)]


def leads_to(scope: Scope) -> list[ColumnElement[bool]]:
    """The paths of the conversions of a scope."""
    table = paths.c
    if scope.basis is Basis.TOUCH_COHORT:
        return [table.conversion_id.in_(touched(scope))]
    if scope.basis is Basis.LEAD_COHORT:
        return [and_(table.site_id == scope.site_id, table.lead_day.between(scope.from_day, scope.to_day))]
    in_period = and_(table.site_id == scope.site_id, table.conversion_day.between(scope.from_day, scope.to_day))
    return [in_period, table.conversion_id.in_(select(conversions.c.conversion_id).where(earlier_wins(scope)))]


def deals_of(scope: Scope) -> Select[Any]:
    """The deals whose ledgers a scope needs."""
    if scope.basis is Basis.ACTIVITY:
        return moved(scope)
    return select(conversions.c.deal_id).where(conversions.c.kind == WON, *concerns(scope))


def together(parts: Sequence[Numbers]) -> Numbers:
    """Several arrays as one."""
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)


def visitor_numbers(text: str | None) -> Numbers:
    """The numbers in '12,7,12'."""
    return np.fromstring(text, dtype=np.int64, sep=",") if text else np.zeros(0, dtype=np.int64)


def n_distinct(numbers: Numbers) -> int:
    """How many different numbers there are; none is negative."""
    if len(numbers) < 2:
        return len(numbers)
    places = int(numbers.max()) + 1
    if places > SPARSE * len(numbers):
        return len(np.unique(numbers))
    seen = np.zeros(places, dtype=np.bool_)
    seen[numbers] = True
    return int(np.count_nonzero(seen))
