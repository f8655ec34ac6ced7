"""The same question answered in two to four ways, side by side: models, date bases, look-backs, versions of the policy.

Each column is a whole Source report of its own; here they are zipped by row, and each is set against the first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tracker.access.sites import Site
from tracker.clock import local_day
from tracker.db.store import Tx
from tracker.errors import Invalid
from tracker.money import plain
from tracker.reports.asking import ask
from tracker.reports.catalogue import METRIC, Unit
from tracker.reports.query import PARAMETERS, Asked, Query
from tracker.reports.source import open_source
from tracker.reports.table import Change, Figures, Meta, Number, Table, change, to_number

# What a column may have of its own.
OWN = ("model", "basis", "direct", "lookback_days", "scope", "policy")
FEWEST, MOST = 2, 4
PARAMETER = "columns"
METRIC_PARAMETER = "metric"
LONGEST = 600

Values = tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Column:
    """One way to answer: what was asked of it alone, and the rule that its numbers carry."""

    asked: Mapping[str, str]
    query: Query
    meta: Meta


@dataclass(frozen=True, slots=True)
class Compared:
    """One row: a figure per column, as it is kept (minor units, millionths, counts), and how each is off the first."""

    values: Values
    figures: tuple[int | float | None, ...]
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Columns side by side.

    rows      those that differ most first; the one that no touch explains last
    is_whole  whether the totals of all columns are the same: a column by visit cohort leaves out what no touch explains
    """

    metric: str
    columns: tuple[Column, ...]
    rows: tuple[Compared, ...]
    totals: Compared
    currency: str | None

    @property
    def is_whole(self) -> bool:
        """Whether every column shares out the same."""
        return len(set(self.totals.figures)) == 1


def compare(tx: Tx, args: Asked, site: Site, now: datetime) -> Comparison:
    """The comparison that a request's parameters ask for: those of the Source report, `columns` and `metric`.

    columns  as parse_columns reads them; what they do not say, the other parameters say for all
    raises   Invalid
    """
    metric = text_of(args, METRIC_PARAMETER) or "revenue"
    if metric not in METRIC:
        raise Invalid(f"unknown metric {metric[:40]!r}", field=METRIC_PARAMETER)
    asked = parse_columns(text_of(args, PARAMETER))
    shared = {name: value for name, value in args.items() if name not in {PARAMETER, METRIC_PARAMETER}}
    for name in shared:
        if name not in PARAMETERS or name == "compare":
            raise Invalid(f"unknown parameter {name[:40]!r}", field=name[:40])
    today = local_day(now, site.timezone)
    queries = [ask(tx, {**shared, **own}, site, today) for own in asked]
    tables = [open_source(tx, query).table(now) for query in queries]
    columns = tuple(Column(own, query, table.meta) for own, query, table in zip(asked, queries, tables, strict=True))
    return Comparison(metric, columns, rows_of(tables, metric), totals_of(tables, metric), queries[0].currency)


def text_of(args: Asked, name: str) -> str:
    """What a parameter says that stands once."""
    given = args.get(name, "")
    return (given if isinstance(given, str) else "".join(given)).strip()


def parse_columns(text: str) -> list[dict[str, str]]:
    """What each column asks for: 'model:linear;model:first,lookback_days:30' -> two; raises Invalid."""
    if len(text) > LONGEST:
        raise Invalid("is longer than any comparison", field=PARAMETER)
    parts = [part.strip() for part in text.split(";") if part.strip()]
    if not FEWEST <= len(parts) <= MOST:
        raise Invalid(
            f"{len(parts)} columns; give {FEWEST} to {MOST}, as in model:linear;model:first,lookback_days:30",
            field=PARAMETER,
        )
    found = []
    for part in parts:
        own: dict[str, str] = {}
        for pair in part.split(","):
            name, colon, value = (word.strip() for word in pair.partition(":"))
            if not colon or name not in OWN or not value or name in own:
                raise Invalid(
                    f"{pair[:40]!r} is not one of {', '.join(OWN)}, each once, with a colon and its value",
                    field=PARAMETER,
                )
            own[name] = value
        found.append(own)
    return found


def written(columns: Sequence[Mapping[str, str]]) -> str:
    """Columns as parse_columns reads them."""
    return ";".join(",".join(f"{name}:{value}" for name, value in own.items()) for own in columns)


def rows_of(tables: Sequence[Table], metric: str) -> tuple[Compared, ...]:
    """The rows of all tables, zipped."""
    sides = [{None if row.is_unattributed else row.values: row.figures for row in table.rows} for table in tables]
    rows = [
        compared(values, [side.get(values, Figures()) for side in sides], metric)
        for values in dict.fromkeys(values for side in sides for values in side)
    ]

    def weight(row: Compared) -> tuple[bool, float, float, tuple[str, ...]]:
        return (
            row.values is None,
            -max(abs(change.amount or 0) for change in row.changes),
            -(row.figures[0] or 0),
            row.values or (),
        )

    return tuple(sorted(rows, key=weight))


def totals_of(tables: Sequence[Table], metric: str) -> Compared:
    """The totals of all tables."""
    return compared((), [table.totals for table in tables], metric)


def compared(values: Values, figures: Sequence[Figures], metric: str) -> Compared:
    """One row's figure in each column, and how far it is from the first."""
    kept = tuple(one.of(metric) for one in figures)
    return Compared(values, kept, tuple(change(kept[0], one) for one in kept))


def to_json(found: Comparison) -> dict[str, Any]:
    """{"metric", "columns", "rows", "totals", "is_whole"}; money in major units beside …_minor."""
    by = found.columns[0].query.by
    return {
        "metric": found.metric,
        "currency": found.currency,
        "columns": [{"asked": dict(one.asked), "meta": one.meta.to_json()} for one in found.columns],
        "rows": [
            {
                **{
                    name.value: value for name, value in zip(by, row.values or ("unattributed",) * len(by), strict=True)
                },
                "is_unattributed": row.values is None,
                **numbers_of(row, found),
            }
            for row in found.rows
        ],
        "totals": numbers_of(found.totals, found),
        "is_whole": found.is_whole,
    }


def numbers_of(row: Compared, found: Comparison) -> dict[str, Any]:
    """A row's figures and changes as JSON gives them."""
    unit = METRIC[found.metric].unit
    numbers: dict[str, Any] = {
        "figures": [number_of(one, unit, found.currency) for one in row.figures],
        "changes": [number_of(one.amount, unit, found.currency) for one in row.changes],
        "change_ratios": [None if one.ratio is None else round(one.ratio, 6) for one in row.changes],
    }
    if unit.is_money:
        is_known = found.currency is not None
        numbers["figures_minor"] = [one if is_known else None for one in row.figures]
        numbers["changes_minor"] = [one.amount if is_known else None for one in row.changes]
    return numbers


def number_of(kept: int | float | None, unit: Unit, currency: str | None) -> Number:
    """One figure as JSON gives it."""
    if unit.is_money:
        return None if currency is None or kept is None else plain(int(kept), currency)
    return to_number(kept, unit)
