"""The Source report: what each source brought, from visits to revenue, and what it cost.

Scans of visits, conversions, ledgers and costs are zipped by key in Python, so nothing is joined and nothing counted
twice. The totals are the scans' own totals, not the sum of the rows, wherever the two could differ (visitors).
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

import numpy as np

from tracker.attribution.credit import group_sums
from tracker.attribution.models import MODELS, Family
from tracker.attribution.terms import DirectPolicy
from tracker.attribution.touches import Ints
from tracker.clock import local_day
from tracker.db.store import Tx
from tracker.errors import Invalid
from tracker.reports.catalogue import DIMENSION, METRIC
from tracker.reports.columns import KINDS, day_text
from tracker.reports.crediting import Credits, Lines, credit
from tracker.reports.exchange import Exchange
from tracker.reports.globally import check_single, shared
from tracker.reports.keeping import engine_of
from tracker.reports.query import Query, period_before
from tracker.reports.remembered import Found
from tracker.reports.scans import DAY, MONTH, WHOLE, Engine, Scope, VisitCounts
from tracker.reports.table import (
    DIMENSIONS,
    FIGURE_OF_KIND,
    UNATTRIBUTED,
    Before,
    Figures,
    Meta,
    Note,
    Number,
    Row,
    Table,
    columns_of,
    to_numbers,
)
from tracker.reports.where import meets, unknown_to_costs
from tracker.vocabulary import Basis, Dimension

# A key of the zip: a bucket and the values of the dimensions; None for what no touch explains.
Key = tuple[str, tuple[str, ...] | None]
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


@dataclass(frozen=True, slots=True)
class Brought:
    """What visits, paths and ledgers come to, before costs: the same as long as these are the same.

    figures       what is added up; left_out: knows what could not be converted; both for twins only
    n_by_company  deals that are shared over their company's people
    """

    figures: "Sums"
    n_visitors: int
    rules_versions: tuple[str, ...]
    left_out: Exchange
    n_by_company: int


class Source:
    """One question put to the facts: its table and its charts; the paths are weighed once for all of them."""

    def __init__(self, engine: Engine, query: Query) -> None:
        self.engine = engine
        self.query = query
        self._left_out = Exchange(query.currency)
        self._credits: Credits | None = None

    def table(self, now: datetime) -> Table:
        """The Source report, with the earlier period beside it where the query asks for one."""
        table, query = self._of_period(now), self.query
        if query.against is None:
            return table
        from_day, to_day = period_before(query.from_day, query.to_day, query.against)
        earlier = Source(self.engine, replace(query, from_day=from_day, to_day=to_day))
        return beside(table, earlier._of_period(now), query)

    def _of_period(self, now: datetime) -> Table:
        """The report of the query's own period."""
        query, brought = self.query, self._brought(WHOLE)
        sums, exchange = brought.figures.twin(), brought.left_out.twin()
        self._add_costs(sums, scope_of(query), exchange)
        rows = [
            Row(values if values is not None else (UNATTRIBUTED,) * len(query.by), values is None, figures)
            for (_, values), figures in sums.figures.items()
        ]
        together = sum((row.figures for row in rows), Figures())
        totals = replace(together, visitors=brought.n_visitors)
        meta = meta_of(query, brought, exchange, now)
        return Table(columns_of(query.by, query.columns), tuple(in_order(rows, query)), totals, meta)

    def series(self, metric: str, most: int = 8) -> Series:
        """One metric over time, stacked by the first dimension; raises Invalid for an unknown metric.

        most  how many lines at the most before the others are added up in one; visitors who came by several of those
              are counted in it more than once
        """
        if metric not in METRIC:
            raise Invalid(f"unknown metric {metric[:40]!r}", field="metric")

        def find() -> Series:
            buckets, sums = self.over_time()
            return Series(metric, buckets, tuple(lines_of(sums, buckets, metric, self.query.currency, most)))

        if metric == "cost" or METRIC[metric].unit.is_quotient:  # costs are read each time
            return find()
        return self._once(("series", metric, most), find)

    def over_time(self) -> tuple[tuple[str, ...], "Sums"]:
        """Every figure over time: the buckets of a chart, and the figures by bucket and the first dimension.

        lines_of makes lines of a metric of them
        """
        buckets, size = buckets_of(self.query)
        sums = self._brought(size).figures.twin()
        self._add_costs(sums, scope_of(self.query, size), Exchange(self.query.currency))
        return buckets, sums

    @property
    def credits(self) -> Credits:
        """Every credit that the answer is made of; raises Invalid for a model that knows no single deal."""
        check_single(self.query.model)
        return self._credited()

    def _credited(self) -> Credits:
        """The credits of the whole scope, made when first asked for."""
        if self._credits is None:
            scope = scope_of(self.query)
            if MODELS[self.query.model].is_global:
                scope = replace(scope, where=())  # all outcomes are shared together before they are narrowed
            self._credits = credit(self.engine, self.query, scope, self._left_out)
        return self._credits

    def _brought(self, bucket: int) -> Brought:
        """What visits and credits come to, whole or by bucket."""
        return self._once(("brought", bucket), lambda: self._bring(bucket))

    def _once(self, what: tuple[Hashable, ...], find: Callable[[], Found]) -> Found:
        """Something that visits, paths and ledgers alone make of the query: see scans.Engine.once."""
        query = self.query
        if query.basis is Basis.LEAD_COHORT:  # whose visits are found through people, of whom nothing is kept
            return find()
        # What only says how it is shown is no part of the question.
        asked = replace(query, sort="", descending=True, columns=(), against=None)
        return self.engine.once(query.site_id, (*what, *asked.key), find)

    def _bring(self, bucket: int) -> Brought:
        scope, sums = scope_of(self.query, bucket), Sums()
        visits = self._add_visits(sums, scope)
        self._add_credits(sums, scope)
        credits_ = self._credited()
        found = credits_.conversions
        has_entries = np.isin(found.deals[found.by_company], credits_.entries.deals)
        return Brought(
            figures=sums,
            n_visitors=visits.n_visitors,
            rules_versions=visits.rules_versions,
            left_out=self._left_out.twin(),
            n_by_company=len(np.unique(found.deals[found.by_company][has_entries])),
        )

    def _add_credits(self, sums: "Sums", scope: Scope) -> None:
        if not MODELS[self.query.model].is_global:
            add_credits(sums, self._credited(), scope)
            return
        own = Sums()
        add_credits(own, self._credited(), scope)
        for key, name, amount in shared(own.figures, self.query.terms):
            _, values = key
            if not scope.where or (values and meets(scope.where, {Dimension.CHANNEL: values[0]})):
                sums.add(key, name, amount)

    def _add_visits(self, sums: "Sums", scope: Scope) -> VisitCounts:
        visits = self.engine.visits(scope)
        for count in visits.rows:
            sums.add((count.bucket, count.values), "visits", count.n_visits)
            sums.add((count.bucket, count.values), "visitors", count.n_visitors)
        return visits

    def _add_costs(self, sums: "Sums", scope: Scope, exchange: Exchange) -> None:
        for cost in self.engine.costs(scope, self.query.currency):
            amount = exchange.convert(cost.amount_minor, cost.currency, cost.day)
            if amount is None:
                exchange.leave_out(cost.currency, cost_minor=cost.amount_minor)
            else:
                sums.add((cost.day[: scope.bucket], cost.values), "cost_minor", amount)


class Sums:
    """Figures added up by key."""

    def __init__(self) -> None:
        self._found: dict[Key, dict[str, int]] = {}

    def add(self, key: Key, name: str, amount: int) -> None:
        """Add to one of a key's figures."""
        figures = self._found.setdefault(key, {})
        figures[name] = figures.get(name, 0) + amount

    def twin(self) -> "Sums":
        """Others with the same figures so far."""
        twin = Sums()
        twin._found = {key: dict(own) for key, own in self._found.items()}
        return twin

    @property
    def figures(self) -> dict[Key, Figures]:
        """What was added up."""
        return {key: Figures(**numbers) for key, numbers in self._found.items()}


def open_source(tx: Tx, query: Query) -> Source:
    """A question put to the facts as this transaction sees them, for whoever wants both its table and a chart."""
    return Source(engine_of(tx), query)


def source_report(tx: Tx, query: Query, now: datetime) -> Table:
    """The Source report of a query."""
    return open_source(tx, query).table(now)


def source_series(tx: Tx, query: Query, metric: str, most: int = 8) -> Series:
    """One metric of the report over time; see Source.series."""
    return open_source(tx, query).series(metric, most)


def scope_of(query: Query, bucket: int = WHOLE) -> Scope:
    """The facts a query is about; a series needs only its first dimension."""
    by = query.by if bucket == WHOLE else query.by[:1]
    rules, where = query.policy.rules, query.where
    return Scope(query.site_id, query.basis, query.from_day, query.to_day, by, bucket, rules, where)


def add_credits(sums: Sums, credits_: Credits, scope: Scope) -> None:
    """Add the credit lines up by bucket, values (of the scope's dimensions, the credits' first) and figure."""
    values, codes = credits_.walked.values, credits_.walked.codes
    names = sorted({FIGURE_OF_KIND[kind] for kind in KINDS})
    figure_of = np.array([names.index(FIGURE_OF_KIND[kind]) for kind in KINDS], dtype=np.int64)
    figure = figure_of[credits_.conversions.kinds]
    for lines, wanted in ((credits_.counts, names), (credits_.money, ["revenue_minor"])):
        is_count = lines is credits_.counts
        figures = figure[lines.subjects] if is_count else np.zeros(len(lines.subjects), dtype=np.int64)
        buckets, in_bucket = bucketed(credits_, lines, scope)
        # One integer per line names bucket, values (0: nobody's) and figure.
        cells = (in_bucket * (len(values) + 1) + codes[lines.touches] + 1) * len(wanted) + figures
        found, groups = np.unique(cells, return_inverse=True)
        amounts = group_sums(lines.amounts, groups, len(found))
        for cell, amount in zip(found.tolist(), amounts, strict=True):
            rest, place = divmod(cell, len(wanted))
            bucket, code = divmod(rest, len(values) + 1)
            own = values[code - 1][: len(scope.by)] if code else None
            sums.add((buckets[bucket], own), wanted[place], amount)


def bucketed(credits_: Credits, lines: Lines, scope: Scope) -> tuple[list[str], Ints]:
    """The buckets there are, and per line the one it falls into: by the touch, by the lead, or by its own day."""
    if scope.bucket == WHOLE:
        return [""], np.zeros(len(lines.subjects), dtype=np.int64)
    is_count = lines is credits_.counts
    if scope.basis is Basis.TOUCH_COHORT:
        days, numbers = credits_.walked.days, lines.touches
    elif scope.basis is Basis.LEAD_COHORT:
        days = credits_.conversions.lead_days
        numbers = lines.subjects if is_count else credits_.wins[lines.subjects]
    else:
        days, numbers = (credits_.conversions if is_count else credits_.entries).days, lines.subjects
    # 20260401 // 100 is a month.
    found, codes = np.unique(days // (100 if scope.bucket == MONTH else 1), return_inverse=True)
    texts = [day_text(one * 100 + 1 if scope.bucket == MONTH else one)[: scope.bucket] for one in found.tolist()]
    return texts, codes[numbers]


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


def beside(table: Table, earlier: Table, query: Query) -> Table:
    """A report with an earlier one beside it: rows of either, in the order of the first."""
    assert query.against is not None
    was = {(row.values, row.is_unattributed): row.figures for row in earlier.rows}
    rows = [replace(row, before=was.pop((row.values, row.is_unattributed), Figures())) for row in table.rows]
    rows += [Row(values, is_unattributed, Figures(), figures) for (values, is_unattributed), figures in was.items()]
    notes = [Note("earlier_period", (("from_day", earlier.meta.from_day), ("to_day", earlier.meta.to_day)))]
    if query.basis is not Basis.ACTIVITY:
        notes.append(Note("older_cohort"))
    if earlier.meta.unconverted and query.currency is not None:
        codes = ", ".join(one.currency for one in earlier.meta.unconverted)
        notes.append(Note("unconverted_before", (("currencies", codes),)))
    return Table(
        columns_of(query.by, query.columns, has_before=True),
        tuple(in_order(rows, query)),
        table.totals,
        replace(table.meta, notes=(*table.meta.notes, *notes)),
        Before(query.against.value, earlier.meta.from_day, earlier.meta.to_day, earlier.totals),
    )


def meta_of(query: Query, brought: Brought, exchange: Exchange, now: datetime) -> Meta:
    """What the report says about itself."""
    notes: list[Note] = []
    if query.where:
        notes.append(Note("filtered"))
    if unknown := unknown_to_costs(query.where):
        labels = ", ".join(DIMENSION[name].label for name in unknown)
        notes.append(Note("costs_unknown", ((DIMENSIONS, labels),)))
    if query.terms.direct is DirectPolicy.LAST_RESORT:
        notes.append(Note("direct_last_resort"))
    notes += model_notes(query)
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
    if brought.n_by_company:
        notes.append(Note("by_company", (("n", str(brought.n_by_company)),)))
    if len(brought.rules_versions) > 1:
        notes.append(Note("several_rules"))
    return Meta(
        model=query.model,
        basis=query.basis,
        currency=query.currency,
        from_day=query.from_day,
        to_day=query.to_day,
        by=query.by,
        direct=query.terms.direct,
        lookback_days=query.lookback_days,
        timezone=query.timezone,
        rules_versions=brought.rules_versions,
        unconverted=exchange.unconverted,
        notes=tuple(notes),
        generated_at=now,
        policy_version=query.policy_version,
        scope=query.terms.scope,
        where=query.where,
        fit_version=query.fit.version if query.fit is not None and query.learns else None,
    )


def model_notes(query: Query) -> Iterator[Note]:
    """What the model's figures may be called, and what it learned from."""
    family, terms = MODELS[query.model].family, query.terms
    if family is not Family.RULE:
        yield Note(family.value)
    if query.fit is not None and (terms.effects or terms.hazard):
        yield Note("fitted", (("version", str(query.fit.version)),))
    if terms.measured:
        yield Note("measured", (("channels", ", ".join(sorted(terms.measured))),))


def lines_of(sums: Sums, buckets: Sequence[str], metric: str, currency: str | None, most: int) -> Iterator[Line]:
    """The lines of a chart: the greatest first, the others added up, what no touch explains at the end.

    Who has nothing of the metric has no line.
    """
    by_value: dict[tuple[str, ...] | None, dict[str, Figures]] = {}
    for (bucket, values), figures in sums.figures.items():
        by_value.setdefault(values, {})[bucket] = figures
    by_value = {values: own for values, own in by_value.items() if any(one.of(metric) for one in own.values())}

    def numbers(own: Mapping[str, Figures]) -> tuple[Number, ...]:
        return tuple(to_numbers(own.get(bucket, Figures()), currency, (metric,))[metric] for bucket in buckets)

    weight = "revenue" if METRIC[metric].unit.is_quotient else metric
    sizes = {values: sum(int(one.of(weight) or 0) for one in own.values()) for values, own in by_value.items()}
    named = sorted((values for values in by_value if values is not None), key=lambda one: (-sizes[one], one))
    n_shown = len(named) if len(named) <= most else most - 1
    for values in named[:n_shown]:
        yield Line(values[0], False, False, numbers(by_value[values]))
    if rest := named[n_shown:]:
        together = {
            bucket: sum((by_value[values].get(bucket, Figures()) for values in rest), Figures()) for bucket in buckets
        }
        yield Line(OTHERS, False, True, numbers(together))
    if None in by_value:
        yield Line(UNATTRIBUTED, True, False, numbers(by_value[None]))


def buckets_of(query: Query) -> tuple[tuple[str, ...], int]:
    """Every day or month of the period, and how many characters name one."""
    first, last = date.fromisoformat(query.from_day), date.fromisoformat(query.to_day)
    n = (last - first).days + 1
    size = DAY if n <= MOST_DAILY else MONTH
    days = (date.fromordinal(first.toordinal() + i).isoformat()[:size] for i in range(n))
    return tuple(dict.fromkeys(days)), size
