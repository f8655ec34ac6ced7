"""(pure) A report as it is shown: columns, rows, totals and what it says about itself; to JSON, CSV and plain text.

Values of dimensions come from strangers: a CSV cell that a spreadsheet would take for a formula is defused, and the
terminal gets no control characters.
"""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from operator import add, attrgetter
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, JustifyMethod
from rich.table import Table as Grid
from rich.text import Text

from tracker.attribution.credit import MICRO
from tracker.attribution.terms import DirectPolicy
from tracker.clock import format_instant
from tracker.money import plain
from tracker.reports.catalogue import COUNTED, DIMENSION, METRIC, NOTES, Unit
from tracker.reports.exchange import Unconverted
from tracker.reports.where import Where
from tracker.vocabulary import Basis, Channel, Dimension, Model, PathScope

Number = int | float | str | None
# What spreadsheets begin a formula with, full-width forms (which Japanese ones accept) and white space before it too.
FORMULA = tuple("=+-@\t\r\n＝＋－＠")
BOM = "\ufeff"
DIMENSIONS = "dimensions"
# Characters of the terminal: what a label takes before it is folded, and more than any table takes.
LABEL_WIDTH, WIDEST = 48, 10_000


@dataclass(frozen=True, slots=True)
class Figures:
    """The numbers of one row. Conversions are micro-conversions, money is minor units of the report's currency."""

    visits: int = 0
    visitors: int = 0
    form: int = 0
    call: int = 0
    chat: int = 0
    offline: int = 0
    new_leads: int = 0
    mql: int = 0
    sql: int = 0
    deals: int = 0
    sales: int = 0
    customers: int = 0
    revenue_minor: int = 0
    cost_minor: int = 0

    @property
    def lead_events(self) -> int:
        """Forms, calls, chats and offline contacts, in micro-conversions."""
        return self.form + self.call + self.chat + self.offline

    @property
    def cost_per_lead(self) -> int | None:
        """Minor units for a new lead; None without cost or leads."""
        return price(self.cost_minor, self.new_leads)

    @property
    def cost_per_mql(self) -> int | None:
        """Minor units for a marketing qualified lead."""
        return price(self.cost_minor, self.mql)

    @property
    def cost_per_sql(self) -> int | None:
        """Minor units for a sales qualified lead."""
        return price(self.cost_minor, self.sql)

    @property
    def cost_per_customer(self) -> int | None:
        """Minor units for a customer."""
        return price(self.cost_minor, self.customers)

    @property
    def roi(self) -> float | None:
        """(Revenue - cost) / cost; None without cost."""
        return None if self.cost_minor == 0 else (self.revenue_minor - self.cost_minor) / self.cost_minor

    @property
    def roas(self) -> float | None:
        """Revenue / cost; None without cost."""
        return None if self.cost_minor == 0 else self.revenue_minor / self.cost_minor

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(*map(add, ALL(self), ALL(other)))

    def of(self, key: str) -> int | float | None:
        """A metric's number as it is kept: micro-conversions, minor units, a ratio."""
        number: int | float | None = getattr(self, f"{key}_minor" if METRIC[key].unit is Unit.MONEY else key)
        return number


# Every figure of a row, in the order of its fields.
ALL: Callable[[Figures], tuple[int, ...]] = attrgetter(*(one.name for one in fields(Figures)))


class Part(StrEnum):
    """Which of a metric's columns it is, where an earlier period stands beside."""

    NOW = "now"
    BEFORE = "before"
    CHANGE = "change"


@dataclass(frozen=True, slots=True)
class Column:
    """One column: a dimension (unit None) or a metric. `label` is an English gettext message.

    part  the metric itself, what it was in the earlier period, or the change as a share of that (0.5: half more)
    """

    key: str
    label: str
    unit: Unit | None
    metric: str = ""
    part: Part = Part.NOW

    def kept(self, figures: Figures, before: Figures | None = None) -> int | float | None:
        """A row's number in the column as it is kept: micro-conversions, minor units, a ratio."""
        metric = self.metric or self.key
        if self.part is Part.NOW:
            return figures.of(metric)
        earlier = (before or Figures()).of(metric)
        return earlier if self.part is Part.BEFORE else change(earlier, figures.of(metric)).ratio


@dataclass(frozen=True, slots=True)
class Change:
    """A figure less another, and the same as a share of the other's size; None: undefined."""

    amount: int | float | None
    ratio: float | None


@dataclass(frozen=True, slots=True)
class Row:
    """One row: a value per dimension, and its figures. `is_unattributed`: what no touch explains.

    before  its figures in the earlier period, where one stands beside
    """

    values: tuple[str, ...]
    is_unattributed: bool
    figures: Figures
    before: Figures | None = None


@dataclass(frozen=True, slots=True)
class Before:
    """The earlier period beside a report: days in the site's zone, both inclusive, and its totals."""

    against: str
    from_day: str
    to_day: str
    totals: Figures


@dataclass(frozen=True, slots=True)
class Note:
    """Something the reader must know. `code` is a key of catalogue.NOTES; `values` fill its text.

    Of `values`, what is named DIMENSIONS are labels of dimensions, translated with the text.
    """

    code: str
    values: tuple[tuple[str, str], ...] = ()

    def text(self, translate: Callable[[str], str] = str) -> str:
        """The note as a sentence."""
        values = dict(self.values)
        if DIMENSIONS in values:
            values[DIMENSIONS] = ", ".join(map(translate, values[DIMENSIONS].split(", ")))
        return translate(NOTES[self.code]) % values


@dataclass(frozen=True, slots=True)
class Meta:
    """The rule that the numbers carry. `fit_version` is of a model that learns."""

    model: Model
    basis: Basis
    currency: str | None
    from_day: str
    to_day: str
    by: tuple[Dimension, ...]
    direct: DirectPolicy
    lookback_days: int | None
    timezone: str
    rules_versions: tuple[str, ...]
    unconverted: tuple[Unconverted, ...]
    notes: tuple[Note, ...]
    generated_at: datetime
    policy_version: int = 0
    fit_version: int | None = None
    scope: PathScope = PathScope.DEAL
    where: Where = ()

    def to_text(self) -> str:
        """As lines for the terminal: one of words, one per note."""
        days = "" if self.lookback_days is None else f", look-back {self.lookback_days} days"
        rule = (
            f"{self.from_day} to {self.to_day} ({self.timezone}), model {self.model.value}, basis {self.basis.value}, "
            f"direct {self.direct.value}{days}, currency {self.currency or '–'}, policy {self.policy_version}"
            f"{'' if self.fit_version is None else f', fit {self.fit_version}'}"
        )
        filters = [f"{one.parameter}: {', '.join(map(printable, one.values))}" for one in self.where]
        return "\n".join([rule, *filters, *(f"- {note.text()}" for note in self.notes)])

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "model": self.model.value,
            "basis": self.basis.value,
            "currency": self.currency,
            "from": self.from_day,
            "to": self.to_day,
            "by": [name.value for name in self.by],
            "direct": self.direct.value,
            "lookback_days": self.lookback_days,
            "timezone": self.timezone,
            "scope": self.scope.value,
            "rules_versions": list(self.rules_versions),
            "policy_version": self.policy_version,
            "fit_version": self.fit_version,
            "where": {one.parameter: list(one.values) for one in self.where},
            "unconverted": [
                {
                    "currency": one.currency,
                    "revenue": plain(one.revenue_minor, one.currency),
                    "revenue_minor": one.revenue_minor,
                    "cost": plain(one.cost_minor, one.currency),
                    "cost_minor": one.cost_minor,
                }
                for one in self.unconverted
            ],
            "notes": [{"code": note.code, "text": note.text()} for note in self.notes],
            "generated_at": format_instant(self.generated_at),
        }


@dataclass(frozen=True, slots=True)
class Table:
    """A report. Rows are in the order asked for, the unattributed one last.

    before  the earlier period beside it, if one was asked for; its rows stand among `rows`
    """

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    totals: Figures
    meta: Meta
    before: Before | None = None

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that are shown, in their order."""
        return tuple(one.key for one in self.columns if one.unit is not None and one.part is Part.NOW)

    def numbers(self, figures: Figures, before: Figures | None) -> dict[str, Any]:
        """A row's (or the totals') figures as JSON gives them; with an earlier period its figures and the changes."""
        currency, names = self.meta.currency, self.metrics
        found: dict[str, Any] = dict(to_numbers(figures, currency, names))
        if self.before is not None:
            earlier = before or Figures()
            found["before"] = to_numbers(earlier, currency, names)
            found["change"] = {name: ratio_of(change(earlier.of(name), figures.of(name))) for name in names}
        return found

    def to_json(self) -> dict[str, Any]:
        """{"rows": […], "totals": {…}, "meta": {…}}.

        Counts are numbers, whole ones integers; money is a decimal string in major units beside `…_minor`, an
        integer; ratios are numbers or null. Without a currency money is null. With an earlier period rows and totals
        have `before` (its figures) and `change` (shares, null where it had nothing), and meta says which period it is.
        """
        rows = [
            {
                **{name.value: value for name, value in zip(self.meta.by, row.values, strict=True)},
                "is_unattributed": row.is_unattributed,
                **self.numbers(row.figures, row.before),
            }
            for row in self.rows
        ]
        meta = self.meta.to_json()
        if (earlier := self.before) is not None:
            meta |= {"compare": earlier.against, "before_from": earlier.from_day, "before_to": earlier.to_day}
        return {
            "rows": rows,
            "totals": self.numbers(self.totals, earlier.totals if earlier else None),
            "meta": meta,
        }

    def to_csv(self, labels: Mapping[str, str] | None = None) -> str:
        """UTF-8 with a byte order mark, CRLF, one line a row, no totals; formulas defused.

        labels  what stands above each column, by key; the keys themselves where not given
        """
        text = io.StringIO()
        writer = csv.writer(text)
        names = labels or {}
        writer.writerow([defused(names.get(column.key, column.key)) for column in self.columns])
        for row in self.rows:
            cells: list[Number] = [defused(value) for value in row.values]
            cells += [
                to_written(column.kept(row.figures, row.before), column.unit, self.meta.currency)
                for column in self.columns[len(row.values) :]
            ]
            writer.writerow(["" if cell is None else cell for cell in cells])
        return BOM + text.getvalue()

    def to_text(self, labels: Mapping[str, str] | None = None, width: int = 200) -> str:
        """For the terminal: aligned columns rounded to two decimals, the totals, and the rule they carry."""
        names = labels or {}
        grid = Grid(box=SIMPLE_HEAD, show_footer=True, pad_edge=False)
        columns = [column for column in self.columns if column.part is Part.NOW]
        earlier = self.before.totals if self.before else None
        for i, column in enumerate(columns):
            is_number = column.unit is not None
            total = self._shown(self.totals, earlier, column.key) if is_number else ("" if i else "Total")
            label = names.get(column.key, column.label)
            justify: JustifyMethod = "right" if is_number else "left"
            most = None if is_number else LABEL_WIDTH
            grid.add_column(Text(label), footer=Text(total), justify=justify, overflow="fold", max_width=most)
        for row in self.rows:
            cells = [printable(value) for value in row.values]
            cells += [self._shown(row.figures, row.before, name) for name in self.metrics]
            grid.add_row(*(Text(cell) for cell in cells))
        console = Console(
            file=io.StringIO(), width=WIDEST, color_system=None, force_terminal=False, legacy_windows=False
        )
        # Numbers are never broken: a table with many columns is wider than asked.
        console.width = max(width, console.measure(grid).maximum)
        with console.capture() as capture:
            console.print(grid)
        rule = [self.meta.to_text()]
        if self.before is not None:
            rule.insert(0, f"Changes are against {self.before.from_day} to {self.before.to_day}.")
        return "\n".join([capture.get().strip("\n"), *rule, ""])

    def _shown(self, figures: Figures, before: Figures | None, key: str) -> str:
        """A metric as a short text, with its change where an earlier period stands beside: '12 (+50%)'."""
        text = shown(figures, key, self.meta.currency)
        if self.before is None:
            return text
        ratio = change((before or Figures()).of(key), figures.of(key)).ratio
        return text if ratio is None else f"{text} ({ratio:+.0%})"


def price(cost_minor: int, n_micro: int) -> int | None:
    """Minor units for one of something that is counted in millionths, half up; None without cost or count."""
    if cost_minor == 0 or n_micro <= 0:
        return None
    return (2 * cost_minor * MICRO + n_micro) // (2 * n_micro)


def columns_of(by: Sequence[Dimension], metrics: Sequence[str] = (), *, has_before: bool = False) -> tuple[Column, ...]:
    """The columns of a report by these dimensions; metrics: their keys in order, () for all."""
    found = [Column(name.value, DIMENSION[name].label, None) for name in by]
    for metric in (METRIC[key] for key in metrics or METRIC):
        found.append(Column(metric.key, metric.label, metric.unit))
        if has_before:
            found.append(Column(f"{metric.key}_before", metric.label, metric.unit, metric.key, Part.BEFORE))
            found.append(Column(f"{metric.key}_change", metric.label, Unit.RATIO, metric.key, Part.CHANGE))
    return tuple(found)


def change(first: int | float | None, other: int | float | None) -> Change:
    """How far a figure is from the first."""
    if first is None or other is None:
        return Change(None, None)
    return Change(other - first, None if first == 0 else (other - first) / abs(first))


def ratio_of(one: Change) -> float | None:
    """A change's share as JSON gives it."""
    return None if one.ratio is None else round(one.ratio, 6)


def to_numbers(figures: Figures, currency: str | None, metrics: Sequence[str] = ()) -> dict[str, Number]:
    """Metrics as JSON gives them; () for every one."""
    numbers: dict[str, Number] = {}
    for metric in (METRIC[key] for key in metrics or METRIC):
        kept = figures.of(metric.key)
        numbers[metric.key] = to_written(kept, metric.unit, currency)
        if metric.unit.is_money:
            numbers[f"{metric.key}_minor"] = None if currency is None else kept
    return numbers


def to_written(kept: int | float | None, unit: Unit | None, currency: str | None) -> Number:
    """One figure as JSON and CSV give it: money in major units; None where it is undefined."""
    if unit is not None and unit.is_money:
        return None if kept is None or currency is None else plain(int(kept), currency)
    return to_number(kept, unit or Unit.COUNT)


def to_number(kept: int | float | None, unit: Unit) -> int | float | None:
    """A count, a credit or a ratio as a number: whole credits as integers, others with at most six decimals."""
    if unit is Unit.CREDIT and kept is not None:
        return int(kept) // MICRO if kept % MICRO == 0 else round(kept / MICRO, 6)
    return None if kept is None else (round(kept, 6) if unit is Unit.RATIO else kept)


def shown(figures: Figures, key: str, currency: str | None) -> str:
    """A metric as a short text: '1,234', '0.33', '1,500.00', '250 %'; '–' where undefined."""
    unit, kept = METRIC[key].unit, figures.of(key)
    if kept is None or (unit.is_money and currency is None):
        return "–"
    if unit.is_money:
        whole, _, decimals = plain(int(kept), currency or "").partition(".")
        return f"{'-' if whole == '-0' else ''}{int(whole):,}{'.' if decimals else ''}{decimals}"
    if unit is Unit.RATIO:
        return f"{kept:.0%}"
    number = to_number(kept, unit) or 0
    return f"{number:,}" if isinstance(number, int) else f"{number:,.2f}"


def defused(cell: str) -> str:
    """A text that no spreadsheet takes for a formula: an apostrophe stands before what looks like one."""
    return f"'{cell}" if cell.lstrip(" ").startswith(FORMULA) else cell


def printable(cell: str) -> str:
    """A text that cannot steer a terminal."""
    return "".join(character if character.isprintable() else "\ufffd" for character in cell)


UNATTRIBUTED = Channel.UNATTRIBUTED.value
FIGURE_OF_KIND = {kind.value: key for key, kind in COUNTED.items()}
