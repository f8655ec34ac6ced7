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
    """A row as understood. `amount` is exact, in major units, `minor` the same in minor units; `until` the last day of
    a row of several."""

    line: int
    day: str
    until: str
    source: str
    medium: str
    campaign: str
    amount: Decimal
    minor: Decimal
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


Words = Mapping[str, str]  # what a line says, by the columns' roles


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
    sources: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    places: tuple[tuple[str, int], ...] = field(init=False)

    def __post_init__(self) -> None:
        self.places = tuple(self.choices.columns.items())

    def words(self, line: Line) -> Words:
        """What a line says, without the columns that it has not."""
        cells, n = line.cells, len(line.cells)
        return {role: cells[place].strip() for role, place in self.places if place < n}

    def left_out(self, line: Line, words: Words, *, is_edge: bool) -> LeftOut | None:
        """Why a line is no row, or None. At the edges of a file a line without any name is that of its totals."""
        amount = words.get(COST, "")
        if self.is_day(words.get(DAY, "")):
            has_none = amount.strip(" -–—") == ""
            return LeftOut(line.number, CostLeftOut.NO_AMOUNT, text_of(line)) if has_none else None
        cells = [cell.strip() for cell in line.cells if cell.strip()]
        named = words.get(CAMPAIGN, "")
        is_nameless = is_edge and CAMPAIGN in self.choices.columns and not named and not words.get(DAY)
        if is_total(cells[0]) or is_total(named) or (is_nameless and amount):
            return LeftOut(line.number, CostLeftOut.TOTAL, text_of(line), self.sum_told(amount))
        if len(cells) == 1 and not amount:
            return LeftOut(line.number, CostLeftOut.NOTE, text_of(line))
        return None

    def is_day(self, text: str) -> bool:
        """Whether a text is a day."""
        try:
            self.day(text)
        except Wrong as wrong:
            return wrong.fault in {CostFault.DAY_UNCLEAR, CostFault.DAY_AHEAD}
        return True

    def sum_told(self, text: str) -> Decimal | None:
        """The amount of a line of totals, if it can be read."""
        try:
            return amounts.number(text, self.numbers or amounts.POINT)
        except ValueError:
            return None

    def row(self, line: Line, words: Words) -> Told:
        """A line as understood; raises Wrong."""
        day = self.day(words.get(DAY, ""))
        until = self.day(words[UNTIL]) if words.get(UNTIL) else day
        if until != day and not 0 <= (date.fromisoformat(until) - date.fromisoformat(day)).days < MOST_DAYS:
            raise Wrong(CostFault.DAYS_WRONG, f"{day} – {until}")
        source, medium = self.source(words.get(SOURCE, ""), words.get(MEDIUM, ""))
        text = words.get(COST, "")
        currency = self.currency(words.get(CURRENCY, ""), text)
        amount, minor = self.amount(text, currency)
        return Told(
            line=line.number,
            day=day,
            until=until,
            source=source,
            medium=medium,
            campaign=self.name(words.get(CAMPAIGN, "")) or NOT_SET,
            amount=amount,
            minor=minor,
            currency=currency,
            clicks=self.count(words.get(CLICKS, "")),
            impressions=self.count(words.get(IMPRESSIONS, "")),
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

    def source(self, source: str, medium: str) -> tuple[str, str]:
        """A row's source and medium, or those chosen, as visits have them; raises Wrong."""
        if (source, medium) not in self.sources:
            named = self.name(source or self.choices.source).lower()
            by = self.name(medium or self.choices.medium).lower()
            if not named or not by:
                raise Wrong(CostFault.NO_SOURCE)
            self.sources[source, medium] = canonical_names(named, by)
        return self.sources[source, medium]

    def name(self, text: str) -> str:
        """A name in plain characters; raises Wrong where it is too long."""
        if text not in self.names:
            self.names[text] = clean_text(text, LONGEST_NAME + 1) or ""
        found = self.names[text]
        if len(found) > LONGEST_NAME:
            raise Wrong(CostFault.NAME_TOO_LONG, found)
        return found

    def currency(self, told: str, amount: str) -> str:
        """A row's currency: its own, that of its amount, or the one chosen; raises Wrong."""
        own = told.upper()
        currency = own or currency_of(amount) or self.choices.currency
        if not currency:
            raise Wrong(CostFault.NO_CURRENCY)
        if currency not in CURRENCIES:
            raise Wrong(CostFault.CURRENCY_UNKNOWN, own)
        return currency

    def amount(self, text: str, currency: str) -> tuple[Decimal, Decimal]:
        """An amount in major and in minor units; raises Wrong."""
        try:
            if self.numbers is None and amounts.numbers_of([text]) is None:
                raise Wrong(CostFault.AMOUNT_UNCLEAR, text)
            found = amounts.number(text, self.numbers or amounts.POINT)
        except ValueError:
            raise Wrong(CostFault.AMOUNT_UNREADABLE, text) from None
        if found is None:
            raise Wrong(CostFault.AMOUNT_UNREADABLE, text)
        minor = minor_units(found, currency)
        if abs(minor) > LIMIT_MINOR:
            raise Wrong(CostFault.AMOUNT_TOO_LARGE, text)
        return found, minor

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
        words = reader.words(line)
        if out := reader.left_out(line, words, is_edge=n in (0, len(body) - 1)):
            left_out.append(out)
            continue
        try:
            rows.append(reader.row(line, words))
        except Wrong as wrong:
            faulty.append(Faulty(line.number, wrong.fault, wrong.text[:LONGEST_NAME]))
    kept, odd, sums = agreeing(rows)
    costs, totals = added_up(kept, sums)
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


@dataclass(slots=True)
class Sum:
    """What rows of one day and name add up to: exactly, in minor units of the currency that came first."""

    currency: str
    minor: Decimal
    clicks: int | None
    impressions: int | None
    is_mixed: bool = False  # rows of another currency are in it

    def add(self, currency: str, minor: Decimal, clicks: int | None, impressions: int | None) -> None:
        """Add a row's part."""
        self.is_mixed = self.is_mixed or currency != self.currency
        self.minor = EXACT.add(self.minor, minor)
        self.clicks, self.impressions = plus(self.clicks, clicks), plus(self.impressions, impressions)

    @property
    def is_right(self) -> bool:
        """Whether this can be a cost."""
        return not self.is_mixed and 0 <= self.minor <= LIMIT_MINOR


Sums = Mapping[Key, Sum]


def agreeing(rows: Sequence[Told]) -> tuple[list[Told], list[Faulty], Sums]:
    """The rows whose days and names each have one currency and no negative sum, the others as faulty, and the sums."""
    faulty: list[Faulty] = []
    kept = list(rows)
    while True:
        sums = sums_by_key(kept)
        if all(one.is_right for one in sums.values()):
            return kept, faulty, sums
        # A row of several days that goes takes its part out of other days' sums, too.
        rows, kept = kept, []
        for row in rows:
            fault = fault_of(row, sums)
            if fault is None:
                kept.append(row)
            else:
                is_mixed = fault is CostFault.CURRENCIES_DIFFER
                faulty.append(Faulty(row.line, fault, row.currency if is_mixed else str(row.amount)))


def fault_of(row: Told, sums: Sums) -> CostFault | None:
    """Why a row does not agree with the others of its days and names."""
    found = [sums[key_of(row, day)] for day in days_between(row.day, row.until)]
    if any(one.currency != row.currency for one in found):
        return CostFault.CURRENCIES_DIFFER
    if any(one.minor < 0 for one in found):
        return CostFault.AMOUNT_NEGATIVE
    return CostFault.AMOUNT_TOO_LARGE if any(one.minor > LIMIT_MINOR for one in found) else None


def sums_by_key(rows: Sequence[Told]) -> Sums:
    """The sums of each day and name; raises Invalid where they are too many."""
    sums: dict[Key, Sum] = {}
    n = 0
    for row in rows:
        for day, minor, clicks, views in parts_of(row):
            n += 1
            key = key_of(row, day)
            known = sums.get(key)
            if known is None:
                sums[key] = Sum(row.currency, minor, clicks, views)
            else:
                known.add(row.currency, minor, clicks, views)
        if n > MOST_ROWS:
            raise Invalid(f"shared out over their days, these are more than {MOST_ROWS} rows", field="file")
    return sums


def key_of(row: Told, day: str) -> Key:
    """What names a cost."""
    return (day, row.source, row.medium, row.campaign)


Part = tuple[str, Decimal, int | None, int | None]


def parts_of(row: Told) -> Iterable[Part]:
    """The days of a row and what each has of its amount, in minor units, exactly, and of its counts."""
    if row.until == row.day:
        return ((row.day, row.minor, row.clicks, row.impressions),)
    span = days_between(row.day, row.until)
    whole = int(row.minor)
    shares = split(whole, [1] * len(span), [tie_key(row.campaign, day) for day in span])
    parts = [Decimal(share) for share in shares]
    parts[0] += row.minor - whole
    clicks = shared(row.clicks, row, CLICKS, span)
    return zip(span, parts, clicks, shared(row.impressions, row, IMPRESSIONS, span), strict=True)


def days_between(first: str, last: str) -> list[str]:
    """The days from the first to the last."""
    if first == last:
        return [first]
    start, end = date.fromisoformat(first), date.fromisoformat(last)
    return [(start + timedelta(days=n)).isoformat() for n in range((end - start).days + 1)]


def shared(number: int | None, row: Told, what: str, span: Sequence[str]) -> Sequence[int | None]:
    """A count of a row shared out over its days."""
    if number is None:
        return [None] * len(span)
    return split(number, [1] * len(span), [tie_key(what, row.campaign, day) for day in span])


def added_up(rows: Iterable[Told], sums: Sums) -> tuple[tuple[Cost, ...], tuple[tuple[str, Decimal, int], ...]]:
    """One cost for each day and name, in their order, and the sums by currency."""
    read: dict[str, Decimal] = {}
    for row in rows:
        read[row.currency] = EXACT.add(read.get(row.currency, Decimal(0)), row.minor)
    whole = {key: int(one.minor) for key, one in sums.items()}
    fine: dict[str, list[Key]] = {}  # by currency, what is finer than its smallest unit
    for key, one in sums.items():
        if one.minor != whole[key]:
            fine.setdefault(one.currency, []).append(key)
    for keys in fine.values():
        parts = [sums[key].minor for key in keys]
        whole |= zip(keys, rounded(parts, [tie_key(*key) for key in keys]), strict=True)
    costs = tuple(
        Cost(*key, whole[key], one.currency, one.clicks, one.impressions)
        for key, one in sorted(sums.items(), key=lambda item: item[0])
    )
    loaded = sum_of(costs)
    return costs, tuple((currency, exact, loaded[currency]) for currency, exact in sorted(read.items()))


def plus(one: int | None, other: int | None) -> int | None:
    """The sum of two counts, of which any may be unknown."""
    return other if one is None else one if other is None else one + other


def sum_of(costs: Iterable[Cost]) -> Mapping[str, int]:
    """The sums of costs by currency, in minor units."""
    sums: Counter[str] = Counter()
    for cost in costs:
        sums[cost.currency] += cost.amount_minor
    return sums
