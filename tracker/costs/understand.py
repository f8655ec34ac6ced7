"""(pure) From a sheet and how it is to be read to costs: each row understood, or told with its line and the reason.

Rows of one day and name are added up, a row of several days is shared out over them, and the sum of what comes out
is the sum of what went in, to the minor unit.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

from tracker.channels.rules import canonical_names
from tracker.costs import amounts, days
from tracker.costs.amounts import EXACT, currency_of, minor_units, rounded
from tracker.costs.choices import LONGEST_NAME, Choices, checked
from tracker.costs.platforms import (
    CAMPAIGN,
    CLICKS,
    COST,
    CURRENCY,
    DAY,
    IMPRESSIONS,
    MEDIUM,
    SOURCE,
    UNTIL,
    is_total,
)
from tracker.costs.reading import MOST_ROWS, Line, Sheet
from tracker.costs.rows import Cost
from tracker.errors import Invalid
from tracker.money import CURRENCIES, LIMIT_MINOR, split, tie_key
from tracker.urls import clean_text
from tracker.vocabulary import NOT_SET, CostFault, CostLeftOut

MOST_DAYS = 366  # that one row may be shared out over


@dataclass(frozen=True, slots=True)
class Told:
    """A row as understood. `amount` is exact, in major units; `until` the last day of a row of several."""

    line: int
    day: str
    until: str
    source: str
    medium: str
    campaign: str
    amount: Decimal
    currency: str
    clicks: int | None
    impressions: int | None


@dataclass(frozen=True, slots=True)
class Faulty:
    """A row that cannot be taken: its line in the file, why, and the text that is wrong."""

    line: int
    fault: CostFault
    text: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A line that is no row. `amount` is what a line of totals says."""

    line: int
    why: CostLeftOut
    text: str
    amount: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Understood:
    """What a file holds.

    costs       what would be loaded: one for each day and name, in order
    totals      by currency: the exact sum of the rows read, in minor units, and the sum of the costs
    shared_out  how many rows were of several days
    numbers, dates  what was taken to stand before decimals, and to come first in a day; None: no row needed it
    """

    rows: tuple[Told, ...]
    faulty: tuple[Faulty, ...]
    left_out: tuple[LeftOut, ...]
    costs: tuple[Cost, ...]
    totals: tuple[tuple[str, Decimal, int], ...]
    shared_out: int
    numbers: str | None
    dates: str | None

    @property
    def period(self) -> tuple[str, str] | None:
        """The first and the last day of the costs."""
        return (self.costs[0].day, self.costs[-1].day) if self.costs else None


class Wrong(Exception):
    """A row cannot be taken."""

    def __init__(self, fault: CostFault, text: str = "") -> None:
        super().__init__(fault.value)
        self.fault, self.text = fault, text


@dataclass(slots=True)
class Reader:
    """Reads the rows of one sheet; remembers what it has read, for days and names repeat.

    last_day  the last day that may have begun, YYYY-MM-DD
    """

    choices: Choices
    numbers: str | None
    dates: str | None
    last_day: str
    days: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    canonical: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)

    def cell(self, line: Line, role: str) -> str:
        """What a line says in a column; '' where it has none."""
        place = self.choices.columns.get(role)
        return line.cells[place].strip() if place is not None and place < len(line.cells) else ""

    def left_out(self, line: Line, *, is_edge: bool) -> LeftOut | None:
        """Why a line is no row, or None. At the edges of a file a line without any name is that of its totals."""
        amount, is_day = self.cell(line, COST), self.is_day(line)
        if is_day:
            has_none = amount.strip(" -–—") == ""
            return LeftOut(line.number, CostLeftOut.NO_AMOUNT, text_of(line)) if has_none else None
        cells = [cell.strip() for cell in line.cells if cell.strip()]
        named = self.cell(line, CAMPAIGN)
        is_nameless = is_edge and CAMPAIGN in self.choices.columns and not named and not self.cell(line, DAY)
        if is_total(cells[0]) or is_total(named) or (is_nameless and amount):
            return LeftOut(line.number, CostLeftOut.TOTAL, text_of(line), self.sum_told(amount))
        if len(cells) == 1 and not amount:
            return LeftOut(line.number, CostLeftOut.NOTE, text_of(line))
        return None

    def is_day(self, line: Line) -> bool:
        """Whether a line's day is one."""
        try:
            self.day(self.cell(line, DAY))
        except Wrong as wrong:
            return wrong.fault in {CostFault.DAY_UNCLEAR, CostFault.DAY_AHEAD}
        return True

    def sum_told(self, text: str) -> Decimal | None:
        """The amount of a line of totals, if it can be read."""
        try:
            return amounts.number(text, self.numbers or amounts.POINT)
        except ValueError:
            return None

    def row(self, line: Line) -> Told:
        """A line as understood; raises Wrong."""
        day = self.day(self.cell(line, DAY))
        until = self.day(self.cell(line, UNTIL)) if self.cell(line, UNTIL) else day
        if until < day or (date.fromisoformat(until) - date.fromisoformat(day)).days >= MOST_DAYS:
            raise Wrong(CostFault.DAYS_WRONG, f"{day} – {until}")
        source, medium = self.name(line, SOURCE), self.name(line, MEDIUM)
        if not source or not medium:
            raise Wrong(CostFault.NO_SOURCE)
        if (source, medium) not in self.canonical:
            self.canonical[source, medium] = canonical_names(source, medium)
        source, medium = self.canonical[source, medium]
        text = self.cell(line, COST)
        currency = self.currency(line, text)
        return Told(
            line=line.number,
            day=day,
            until=until,
            source=source,
            medium=medium,
            campaign=self.name(line, CAMPAIGN) or NOT_SET,
            amount=self.amount(text, currency),
            currency=currency,
            clicks=self.count(self.cell(line, CLICKS)),
            impressions=self.count(self.cell(line, IMPRESSIONS)),
        )

    def day(self, text: str) -> str:
        """A day; raises Wrong."""
        if not text:
            raise Wrong(CostFault.NO_DAY)
        if text not in self.days:
            if self.dates is None and days.is_unclear(text):
                raise Wrong(CostFault.DAY_UNCLEAR, text)
            try:
                self.days[text] = days.day(text, self.dates)
            except ValueError:
                raise Wrong(CostFault.DAY_UNREADABLE, text) from None
        if self.days[text] > self.last_day:
            raise Wrong(CostFault.DAY_AHEAD, text)
        return self.days[text]

    def name(self, line: Line, role: str) -> str:
        """A source, a medium or a campaign; raises Wrong where it is too long."""
        text = self.cell(line, role) or {SOURCE: self.choices.source, MEDIUM: self.choices.medium}.get(role, "")
        if text not in self.names:
            self.names[text] = clean_text(text, LONGEST_NAME + 1) or ""
        found = self.names[text]
        if len(found) > LONGEST_NAME:
            raise Wrong(CostFault.NAME_TOO_LONG, found)
        return found.lower() if role in (SOURCE, MEDIUM) else found

    def currency(self, line: Line, amount: str) -> str:
        """A row's currency: its own, that of its amount, or the one chosen; raises Wrong."""
        own = self.cell(line, CURRENCY).upper()
        currency = own or currency_of(amount) or self.choices.currency
        if not currency:
            raise Wrong(CostFault.NO_CURRENCY)
        if currency not in CURRENCIES:
            raise Wrong(CostFault.CURRENCY_UNKNOWN, own)
        return currency

    def amount(self, text: str, currency: str) -> Decimal:
        """An amount; raises Wrong."""
        try:
            if self.numbers is None and amounts.numbers_of([text]) is None:
                raise Wrong(CostFault.AMOUNT_UNCLEAR, text)
            found = amounts.number(text, self.numbers or amounts.POINT)
        except ValueError:
            raise Wrong(CostFault.AMOUNT_UNREADABLE, text) from None
        if found is None:
            raise Wrong(CostFault.AMOUNT_UNREADABLE, text)
        if abs(minor_units(found, currency)) > LIMIT_MINOR:
            raise Wrong(CostFault.AMOUNT_TOO_LARGE, text)
        return found

    def count(self, text: str) -> int | None:
        """Clicks or impressions; raises Wrong."""
        try:
            return amounts.whole_number(text, self.numbers or amounts.POINT)
        except ValueError:
            raise Wrong(CostFault.COUNT_UNREADABLE, text) from None


def understand(sheet: Sheet, choices: Choices, last_day: str) -> Understood:
    """Read all rows of a sheet.

    last_day  the last day that may have begun, YYYY-MM-DD
    raises    Invalid: the choices cannot be (a column that is not there), or the rows are of too many days
    """
    checked(choices, sheet)
    body = sheet.lines[choices.header + 1 :]
    if len(body) > MOST_ROWS:
        raise Invalid(f"the file has more than {MOST_ROWS} rows", field="file")
    place, when = choices.columns[COST], choices.columns[DAY]
    numbers = choices.numbers or amounts.numbers_of(line.cells[place] for line in body if place < len(line.cells))
    dates = choices.dates or days.order_of(line.cells[when] for line in body if when < len(line.cells))
    reader = Reader(choices, numbers, dates, last_day)
    left_out = [LeftOut(line.number, CostLeftOut.ABOVE, text_of(line)) for line in sheet.lines[: choices.header]]
    rows: list[Told] = []
    faulty: list[Faulty] = []
    for n, line in enumerate(body):
        if out := reader.left_out(line, is_edge=n in (0, len(body) - 1)):
            left_out.append(out)
            continue
        try:
            rows.append(reader.row(line))
        except Wrong as wrong:
            faulty.append(Faulty(line.number, wrong.fault, wrong.text[:LONGEST_NAME]))
    kept, odd = agreeing(rows)
    costs, totals = added_up(kept)
    return Understood(
        rows=tuple(kept),
        faulty=tuple(sorted([*faulty, *odd], key=lambda one: one.line)),
        left_out=tuple(left_out),
        costs=costs,
        totals=totals,
        shared_out=sum(row.until != row.day for row in kept),
        numbers=numbers,
        dates=dates,
    )


def text_of(line: Line) -> str:
    """A line as one text."""
    return " ".join(cell.strip() for cell in line.cells if cell.strip())[:LONGEST_NAME]


Key = tuple[str, str, str, str]


def agreeing(rows: Sequence[Told]) -> tuple[list[Told], list[Faulty]]:
    """The rows whose days and names each have one currency and no negative sum, and the others as faulty."""
    faulty: list[Faulty] = []
    rows = list(rows)
    while True:
        currencies, sums = sums_by_key(rows)
        kept: list[Told] = []
        n_before = len(faulty)
        for row in rows:
            keys = [key_of(row, day) for day in days_between(row.day, row.until)]
            if any(currencies[key] != row.currency for key in keys):
                faulty.append(Faulty(row.line, CostFault.CURRENCIES_DIFFER, row.currency))
            elif any(sums[key] < 0 for key in keys):
                faulty.append(Faulty(row.line, CostFault.AMOUNT_NEGATIVE, str(row.amount)))
            elif any(sums[key] > LIMIT_MINOR for key in keys):
                faulty.append(Faulty(row.line, CostFault.AMOUNT_TOO_LARGE, str(row.amount)))
            else:
                kept.append(row)
        # A row of several days that goes takes its part out of other days' sums, too.
        if len(faulty) == n_before:
            return kept, faulty
        rows = kept


def sums_by_key(rows: Sequence[Told]) -> tuple[dict[Key, str], dict[Key, Decimal]]:
    """The currency that comes first, and the sum, of each day and name; raises Invalid where they are too many."""
    currencies: dict[Key, str] = {}
    sums: dict[Key, Decimal] = {}
    n = 0
    for row in rows:
        for day, minor in parts_of(row):
            n += 1
            key = key_of(row, day)
            currencies.setdefault(key, row.currency)
            sums[key] = EXACT.add(sums[key], minor) if key in sums else minor
        if n > MOST_ROWS:
            raise Invalid(f"shared out over their days, these are more than {MOST_ROWS} rows", field="file")
    return currencies, sums


def key_of(row: Told, day: str) -> Key:
    """What names a cost."""
    return (day, row.source, row.medium, row.campaign)


def parts_of(row: Told) -> list[tuple[str, Decimal]]:
    """The days of a row and what each has of its amount, in minor units, exactly."""
    exact = minor_units(row.amount, row.currency)
    if row.until == row.day:
        return [(row.day, exact)]
    span = days_between(row.day, row.until)
    whole = int(exact)
    shares = split(whole, [1] * len(span), [tie_key(row.campaign, day) for day in span])
    parts = [Decimal(share) for share in shares]
    parts[0] += exact - whole
    return list(zip(span, parts, strict=True))


def days_between(first: str, last: str) -> list[str]:
    """The days from the first to the last."""
    if first == last:
        return [first]
    start, end = date.fromisoformat(first), date.fromisoformat(last)
    return [(start + timedelta(days=n)).isoformat() for n in range((end - start).days + 1)]


def shared(number: int | None, row: Told, what: str) -> list[int | None]:
    """A count of a row shared out over its days."""
    if row.until == row.day:
        return [number]
    span = days_between(row.day, row.until)
    if number is None:
        return [None] * len(span)
    return list(split(number, [1] * len(span), [tie_key(what, row.campaign, day) for day in span]))


def added_up(rows: Iterable[Told]) -> tuple[tuple[Cost, ...], tuple[tuple[str, Decimal, int], ...]]:
    """One cost for each day and name, in their order, and the sums by currency."""
    amounts_of: dict[Key, Decimal] = {}
    counts_of: dict[Key, tuple[int | None, int | None]] = {}
    currency_of_key: dict[Key, str] = {}
    read: dict[str, Decimal] = {}
    for row in rows:
        exact = minor_units(row.amount, row.currency)
        read[row.currency] = EXACT.add(read.get(row.currency, Decimal(0)), exact)
        clicks, views = shared(row.clicks, row, CLICKS), shared(row.impressions, row, IMPRESSIONS)
        for n, (day, minor) in enumerate(parts_of(row)):
            key = key_of(row, day)
            currency_of_key[key] = row.currency
            amounts_of[key] = EXACT.add(amounts_of[key], minor) if key in amounts_of else minor
            known = counts_of.get(key, (None, None))
            counts_of[key] = (plus(known[0], clicks[n]), plus(known[1], views[n]))
    costs: list[Cost] = []
    totals = []
    for currency, exact in sorted(read.items()):
        keys = sorted(key for key, own in currency_of_key.items() if own == currency)
        whole = rounded([amounts_of[key] for key in keys], [tie_key(*key) for key in keys])
        costs += [Cost(*key, minor, currency, *counts_of[key]) for key, minor in zip(keys, whole, strict=True)]
        totals.append((currency, exact, sum(whole)))
    return tuple(sorted(costs, key=lambda one: (one.day, one.source, one.medium, one.campaign))), tuple(totals)


def plus(one: int | None, other: int | None) -> int | None:
    """The sum of two counts, of which any may be unknown."""
    return other if one is None else one if other is None else one + other


def sum_of(costs: Iterable[Cost]) -> Mapping[str, int]:
    """The sums of costs by currency, in minor units."""
    sums: Counter[str] = Counter()
    for cost in costs:
        sums[cost.currency] += cost.amount_minor
    return sums
