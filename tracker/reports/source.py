"""The Source report: what each source brought, from visits to revenue, and what it cost.

Scans of visits, conversions, ledgers and costs are zipped by key in Python, so nothing is joined and nothing counted
twice. The totals are the scans' own totals, not the sum of the rows, wherever the two could differ (visitors).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime

import numpy as np

from tracker.attribution.credit import group_sums
from tracker.attribution.models import DirectPolicy, Ints
from tracker.clock import local_day
from tracker.db.store import Tx
from tracker.errors import Invalid
from tracker.reports.catalogue import METRIC, Unit
from tracker.reports.crediting import Credits, Lines, credit
from tracker.reports.engines.sql import SqlEngine
from tracker.reports.exchange import Exchange
from tracker.reports.query import Query
from tracker.reports.scans import DAY, MONTH, WHOLE, Engine, Scope
from tracker.reports.table import (
    FIGURE_OF_KIND,
    UNATTRIBUTED,
    Figures,
    Meta,
    Note,
    Number,
    Row,
    Table,
    columns_of,
    to_numbers,
)
from tracker.vocabulary import Basis

# A key of the zip: a bucket and the values of the dimensions; None for what no touch explains.
Key = tuple[str, tuple[str, ...] | None]
NAMES = [one.name for one in fields(Figures)]
# A series by day up to a quarter, by month beyond.
MOST_DAILY = 92
OTHERS = "(other)"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart: a row of the report over time. `is_rest` holds all that stand beyond the most important."""

    value: str
    is_unattributed: bool
    is_rest: bool
    numbers: tuple[Number, ...]


@dataclass(frozen=True, slots=True)
class Series:
    """A metric over time, stacked by the report's first dimension. Buckets are days or months ('2026-04')."""

    metric: str
    buckets: tuple[str, ...]
    lines: tuple[Line, ...]
    meta: Meta


@dataclass(frozen=True, slots=True)
class Zipped:
    """All figures of a scope by key, and what the report must say about them."""

    figures: Mapping[Key, Figures]
    n_visits: int
    n_visitors: int
    rules_versions: tuple[str, ...]
    exchange: Exchange
    n_by_company: int


def source_report(tx: Tx, query: Query, now: datetime) -> Table:
    """The Source report of a query, as this transaction sees the facts."""
    return report(SqlEngine(tx), query, now)


def source_series(tx: Tx, query: Query, metric: str, now: datetime, most: int = 8) -> Series:
    """One metric of the report over time; raises Invalid for an unknown metric.

    most  how many lines at the most before the others are added up in one
    """
    return series(SqlEngine(tx), query, metric, now, most)


def report(engine: Engine, query: Query, now: datetime) -> Table:
    """The Source report from any engine."""
    zipped = zip_scans(engine, query, scope_of(query))
    rows = [
        Row(values if values is not None else (UNATTRIBUTED,) * len(query.by), values is None, figures)
        for (_, values), figures in zipped.figures.items()
    ]
    totals = sum((row.figures for row in rows), Figures())
    totals = Figures(
        **{name: getattr(totals, name) for name in NAMES if name != "visitors"}, visitors=zipped.n_visitors
    )
    return Table(columns_of(query.by), tuple(in_order(rows, query)), totals, meta_of(query, zipped, now))


def scope_of(query: Query, bucket: int = WHOLE) -> Scope:
    """The facts a query is about; a series needs only its first dimension."""
    by = query.by if bucket == WHOLE else query.by[:1]
    return Scope(query.site_id, query.basis, query.from_day, query.to_day, by, bucket)


def zip_scans(engine: Engine, query: Query, scope: Scope) -> Zipped:
    """Scan, credit, convert, and add everything up by key."""
    exchange = Exchange(query.currency)
    found: dict[Key, dict[str, int]] = {}

    def add(key: Key, name: str, amount: int) -> None:
        figures = found.setdefault(key, {})
        figures[name] = figures.get(name, 0) + amount

    visits = engine.visits(scope)
    for count in visits.rows:
        add((count.bucket, count.values), "visits", count.n_visits)
        add((count.bucket, count.values), "visitors", count.n_visitors)
    credits_ = credit(engine, query, scope, exchange)
    add_credits(add, credits_, scope)
    for cost in engine.costs(scope, query.currency):
        amount = exchange.convert(cost.amount_minor, cost.currency, cost.day)
        if amount is None:
            exchange.leave_out(cost.currency, cost_minor=cost.amount_minor)
        else:
            add((cost.day[: scope.bucket], cost.values), "cost_minor", amount)
    deals = {entry.deal_id for entry in credits_.entries}
    by_company = {one.deal_id for one in credits_.conversions if one.by_company and one.deal_id in deals}
    return Zipped(
        figures={key: Figures(**numbers) for key, numbers in found.items()},
        n_visits=visits.n_visits,
        n_visitors=visits.n_visitors,
        rules_versions=visits.rules_versions,
        exchange=exchange,
        n_by_company=len(by_company),
    )


def add_credits(add: Callable[[Key, str, int], None], credits_: Credits, scope: Scope) -> None:
    """Add the credit lines up by bucket, values and figure."""
    values, codes = credits_.walked.values, credits_.walked.codes
    kinds = [FIGURE_OF_KIND[one.kind] for one in credits_.conversions]
    names = sorted(set(kinds))
    places = {name: i for i, name in enumerate(names)}
    figure = np.array([places[name] for name in kinds], dtype=np.int64)
    for lines, wanted in ((credits_.counts, names), (credits_.money, ["revenue_minor"])):
        is_count = lines is credits_.counts
        figures = figure[lines.subjects] if is_count else np.zeros(len(lines.subjects), dtype=np.int64)
        buckets, in_bucket = bucketed(credits_, lines, scope)
        # One integer per line names bucket, values (0: nobody's) and figure.
        cells = (in_bucket * (len(values) + 1) + codes[lines.touches] + 1) * len(wanted) + figures
        found, groups = np.unique(cells, return_inverse=True)
        sums = group_sums(lines.amounts, groups, len(found))
        for cell, amount in zip(found.tolist(), sums, strict=True):
            rest, place = divmod(cell, len(wanted))
            bucket, code = divmod(rest, len(values) + 1)
            add((buckets[bucket], values[code - 1] if code else None), wanted[place], amount)


def bucketed(credits_: Credits, lines: Lines, scope: Scope) -> tuple[list[str], Ints]:
    """The buckets there are, and per line the one it falls into: by the touch, by the lead, or by its own day."""
    if scope.bucket == WHOLE:
        return [""], np.zeros(len(lines.subjects), dtype=np.int64)
    is_count = lines is credits_.counts
    days: Sequence[str]
    if scope.basis is Basis.TOUCH_COHORT:
        days, numbers = credits_.walked.days, lines.touches
    elif scope.basis is Basis.LEAD_COHORT:
        days = [one.lead_day or "" for one in credits_.conversions]
        numbers = lines.subjects if is_count else credits_.wins[lines.subjects]
    else:
        days = [one.day for one in (credits_.conversions if is_count else credits_.entries)]
        numbers = lines.subjects
    places: dict[str, int] = {}
    codes = [places.setdefault(day[: scope.bucket], len(places)) for day in days]
    return list(places), np.array(codes, dtype=np.int64)[numbers]


def in_order(rows: Sequence[Row], query: Query) -> list[Row]:
    """Rows by the sorting asked for; equal ones by revenue, leads, visits, then values; undefined ones last."""
    ordered = sorted(rows, key=lambda row: row.values)
    for key in ("visits", "lead_events", "revenue"):
        ordered.sort(key=lambda row, key=key: row.figures.of(key) or 0, reverse=True)  # type: ignore[misc]
    if query.sort in METRIC:
        ordered.sort(key=lambda row: row.figures.of(query.sort) or 0, reverse=query.descending)
        ordered.sort(key=lambda row: row.figures.of(query.sort) is None)
    else:
        place = [name.value for name in query.by].index(query.sort)
        ordered.sort(key=lambda row: row.values[place], reverse=query.descending)
    return sorted(ordered, key=lambda row: row.is_unattributed)


def meta_of(query: Query, zipped: Zipped, now: datetime) -> Meta:
    """What the report says about itself."""
    exchange = zipped.exchange
    notes: list[Note] = []
    if query.direct is DirectPolicy.LAST_RESORT:
        notes.append(Note("direct_last_resort"))
    if query.basis is Basis.TOUCH_COHORT:
        today = date.fromisoformat(local_day(now, query.timezone))
        age = (today - date.fromisoformat(query.to_day)).days
        notes.append(Note("touch_cohort", (("days", str(max(0, age))),)))
    if query.basis is Basis.LEAD_COHORT:
        notes.append(Note("lead_cohort"))
    if query.currency is None:
        notes.append(Note("no_currency"))
    elif exchange.unconverted:
        codes = ", ".join(one.currency for one in exchange.unconverted)
        notes.append(Note("unconverted", (("currencies", codes),)))
    if exchange.has_late_rates:
        notes.append(Note("late_rates", (("last_day", exchange.last_day),)))
    if zipped.n_by_company:
        notes.append(Note("by_company", (("n", str(zipped.n_by_company)),)))
    if len(zipped.rules_versions) > 1:
        notes.append(Note("several_rules"))
    return Meta(
        model=query.model,
        basis=query.basis,
        currency=query.currency,
        from_day=query.from_day,
        to_day=query.to_day,
        by=query.by,
        direct=query.direct,
        lookback_days=query.lookback_days,
        timezone=query.timezone,
        rules_versions=zipped.rules_versions,
        unconverted=exchange.unconverted,
        notes=tuple(notes),
        generated_at=now,
    )


def series(engine: Engine, query: Query, metric: str, now: datetime, most: int = 8) -> Series:
    """One metric over time from any engine; see source_series."""
    if metric not in METRIC:
        raise Invalid(f"unknown metric {metric[:40]!r}", field="metric")
    buckets, size = buckets_of(query)
    zipped = zip_scans(engine, query, scope_of(query, size))
    by_value: dict[tuple[str, ...] | None, dict[str, Figures]] = {}
    for (bucket, values), figures in zipped.figures.items():
        by_value.setdefault(values, {})[bucket] = figures
    unit = METRIC[metric].unit
    weight = "revenue" if unit is Unit.RATIO else metric
    sizes = {values: sum(int(one.of(weight) or 0) for one in own.values()) for values, own in by_value.items()}
    named = sorted((values for values in by_value if values is not None), key=lambda one: (-sizes[one], one))
    shown, rest = (named, []) if len(named) <= most else (named[: most - 1], named[most - 1 :])
    lines = [Line(values[0], False, False, numbers_of(by_value[values], buckets, metric, query)) for values in shown]
    if rest:
        together = {
            bucket: sum((by_value[values].get(bucket, Figures()) for values in rest), Figures()) for bucket in buckets
        }
        lines.append(Line(OTHERS, False, True, numbers_of(together, buckets, metric, query)))
    if None in by_value:
        lines.append(Line(UNATTRIBUTED, True, False, numbers_of(by_value[None], buckets, metric, query)))
    return Series(metric, buckets, tuple(lines), meta_of(query, zipped, now))


def numbers_of(own: Mapping[str, Figures], buckets: Sequence[str], metric: str, query: Query) -> tuple[Number, ...]:
    """A line's number in every bucket."""
    return tuple(to_numbers(own.get(bucket, Figures()), query.currency)[metric] for bucket in buckets)


def buckets_of(query: Query) -> tuple[tuple[str, ...], int]:
    """Every day or month of the period, and how many characters name one."""
    first, last = date.fromisoformat(query.from_day), date.fromisoformat(query.to_day)
    n = (last - first).days + 1
    size = DAY if n <= MOST_DAILY else MONTH
    days = (date.fromordinal(first.toordinal() + i).isoformat()[:size] for i in range(n))
    return tuple(dict.fromkeys(days)), size
