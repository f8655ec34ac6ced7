"""(pure) How a file of costs is to be read: which column is what, what its numbers and days mean, whose costs they are.

Guessed from the file, changed by whoever imports it, and kept with what was imported.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tracker.costs.amounts import NUMBERS, currency_of
from tracker.costs.days import ORDERS
from tracker.costs.platforms import (
    BY_PLATFORM,
    COST,
    DAY,
    NEEDED,
    OWN,
    ROLES,
    SOURCE,
    UNTIL,
    columns_of,
    known_by,
    plain_name,
)
from tracker.costs.reading import ENCODINGS, Sheet, header_of
from tracker.errors import Invalid
from tracker.money import check_currency
from tracker.urls import clean_text
from tracker.vocabulary import AdPlatform

LONGEST_NAME = 255
EACH_DAY = ("day", "日")
LOOKED_AT = 200  # rows in which a currency is looked for


@dataclass(frozen=True, slots=True)
class Choices:
    """How a file is read.

    header            the line of the sheet that names the columns, counted from 0
    columns           which column is what: ROLES to numbers from 0
    numbers, dates    what stands before decimals, and what comes first in 01/04/2026; None: as the file tells
    currency          of the rows that bear none
    source, medium    of the rows that bear none
    without_faulty    whether the rest is taken where some rows cannot be read
    """

    platform: AdPlatform
    encoding: str
    delimiter: str
    header: int
    columns: Mapping[str, int] = field(default_factory=dict)
    numbers: str | None = None
    dates: str | None = None
    currency: str | None = None
    source: str = ""
    medium: str = ""
    without_faulty: bool = False


def guess(sheet: Sheet, currency: str | None, platform: AdPlatform | None = None, header: int | None = None) -> Choices:
    """How a file is most likely to be read.

    currency  the site's, for a file that names none
    platform  whose file it is, if somebody said so; header likewise the line of the columns' names
    """
    header = header_of(sheet, platform) if header is None else header
    names = names_of(sheet, header)
    found = platform or known_by(names) or AdPlatform.OWN
    layout = BY_PLATFORM[found]
    columns = columns_of(layout, names)
    for role, place in columns_of(OWN, names).items():
        if platform and place not in columns.values():
            columns.setdefault(role, place)
    if UNTIL in columns and DAY in columns and plain_name(names[columns[DAY]]) in EACH_DAY:
        del columns[UNTIL]  # of the report, then, and not of the row
    return Choices(
        platform=found,
        encoding=sheet.encoding,
        delimiter=sheet.delimiter,
        header=header,
        columns=columns,
        currency=borne(sheet, header, columns.get(COST), currency) or layout.currency or currency,
        source=layout.source,
        medium=layout.medium,
    )


def names_of(sheet: Sheet, header: int) -> tuple[str, ...]:
    """The names of the columns; raises Invalid where the file has no such line."""
    if not 0 <= header < len(sheet.lines):
        raise Invalid(f"the file has {len(sheet.lines)} lines", field="header")
    return sheet.lines[header].cells


def borne(sheet: Sheet, header: int, place: int | None, currency: str | None) -> str | None:
    """The currency that the cost column's name bears, or else its amounts, if they agree.

    currency  the site's: '¥' is yen, unless it counts in yuan
    """
    if place is None:
        return None
    named = currency_of(names_of(sheet, header)[place])
    if named:
        return named
    cells = [line.cells[place] for line in sheet.lines[header + 1 :][:LOOKED_AT] if place < len(line.cells)]
    told = {currency_of(cell) for cell in cells} - {None}
    if not told and currency != "CNY" and any(mark in cell for cell in cells for mark in "¥￥"):
        return "JPY"
    return told.pop() if len(told) == 1 else None


def checked(choices: Choices, sheet: Sheet) -> Choices:
    """The same choices in their plain form; raises Invalid under the name of what cannot be."""
    names = names_of(sheet, choices.header)
    width = max(len(names), *(len(line.cells) for line in sheet.lines[choices.header :][:LOOKED_AT]))
    for role, place in choices.columns.items():
        if role not in ROLES or not 0 <= place < width:
            raise Invalid("there is no such column", field=role)
    places: Sequence[int] = list(choices.columns.values())
    twice = next((role for role, place in choices.columns.items() if places.count(place) > 1), None)
    if twice is not None:
        raise Invalid("two of these are the same column", field=twice)
    missing = next((role for role in NEEDED if role not in choices.columns), None)
    if missing is not None:
        raise Invalid("say which column it is", field=missing)
    if choices.numbers not in {None, *NUMBERS} or choices.dates not in {None, *ORDERS}:
        raise Invalid("there is no such format", field="numbers" if choices.dates in {None, *ORDERS} else "dates")
    for name in ("source", "medium"):
        text = clean_text(getattr(choices, name), LONGEST_NAME + 1) or ""
        if len(text) > LONGEST_NAME:
            raise Invalid(f"has more than {LONGEST_NAME} characters", field=name)
        if not text and name not in choices.columns:
            raise Invalid("is missing", field=name)
    if choices.currency:
        check_currency(choices.currency)
    return choices


def written(choices: Choices) -> dict[str, Any]:
    """Choices as plain data."""
    return {**asdict(choices), "platform": choices.platform.value, "columns": dict(choices.columns)}


def read_choices(told: Mapping[str, Any]) -> Choices:
    """Choices as `written` gave them."""
    return Choices(**{**told, "platform": AdPlatform(told["platform"])})


def is_readable(choices: Choices) -> bool:
    """Whether all that is needed was found."""
    has_names = SOURCE in choices.columns or bool(choices.source)
    return has_names and all(role in choices.columns for role in NEEDED) and choices.encoding in ENCODINGS
