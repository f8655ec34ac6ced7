"""The figures of the Source report's table as the page shows them: text, the rows behind, the change.

A page has over a thousand of them, so what is the same for all is made once, and numbers are written without Babel.
"""

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from urllib.parse import urlencode

from flask import url_for
from flask_babel import gettext

from api.languages import chosen
from api.pages.narrowing import pairs_kept
from api.pages.shown import NOTHING, money
from tracker.money import exponent
from tracker.reports.catalogue import METRIC, Unit
from tracker.reports.query import Query
from tracker.reports.table import Figures, Table, change, to_number

CENT, TENTH = Decimal("0.01"), Decimal("0.1")


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of the table. change: how it is against the earlier period, '' where none stands beside.

    tone    good, bad or flat: whether the change is welcome; was: what it was, as text
    """

    value: float | int | None
    text: str
    href: str | None = None
    change: str = ""
    tone: str = "flat"
    was: str = ""


class Writer:
    """Writes the figures of one report."""

    def __init__(self, query: Query, table: Table) -> None:
        self._by = query.by
        self._currency = table.meta.currency
        self._metrics = table.metrics
        self._has_before = table.before is not None
        base = url_for("pages.source_rows")
        kept = urlencode(pairs_kept("chart", "compare", "columns", "sort", "dir"))
        self._behind = {key: f"{base}?{kept}{'&' if kept else ''}metric={key}" for key in METRIC}
        self._language = chosen()

    def cells(self, figures: Figures, before: Figures | None, values: tuple[str, ...] | None) -> tuple[Figure, ...]:
        """A row's figures in the order of the columns. values: (): the totals; None: what no touch explains."""
        if values is None:
            row = "&unattributed=1"
        else:
            named = urlencode([(f"is_{name.value}", value) for name, value in zip(self._by, values, strict=False)])
            row = f"&{named}" if named else ""
        return tuple(self.figure(figures, before, key, row) for key in self._metrics)

    def figure(self, figures: Figures, before: Figures | None, key: str, row: str = "") -> Figure:
        """One figure; a quotient has no rows of its own behind it."""
        unit, kept = METRIC[key].unit, figures.of(key)
        text = self._text(kept, unit)
        href = None if kept is None or text == NOTHING or unit.is_quotient else self._behind[key] + row
        if not self._has_before:
            return Figure(kept, text, href)
        earlier = (before or Figures()).of(key)
        changed, tone = self._change(earlier, kept, key)
        return Figure(kept, text, href, changed, tone, self._text(earlier, unit))

    def _text(self, kept: float | None, unit: Unit) -> str:
        if kept is None or (unit.is_money and self._currency is None):
            return NOTHING
        return written(kept, unit, self._currency or "", self._language)

    def _change(self, earlier: float | None, kept: float | None, key: str) -> tuple[str, str]:
        """How a figure changed, and whether that is welcome."""
        one = change(earlier, kept)
        if one.amount is None or not (earlier or kept):
            return "", "flat"
        if one.amount == 0:
            return "±0%", "flat"
        is_more = one.amount > 0
        tone = "flat" if key == "cost" else "good" if is_more is not (METRIC[key].unit is Unit.PRICE) else "bad"
        return (gettext("new") if one.ratio is None else shown_change(one.ratio)), tone


def written(kept: float, unit: Unit, currency: str, language: str) -> str:
    """A number as shown.money, shown.ratio and shown.count write it for the reader, in a twentieth of the time.

    Both languages group digits alike; where an amount has its sign is looked up once for each currency.
    """
    if unit.is_money:
        amount = abs(int(kept))
        before, after, decimals = around(currency, kept < 0, language)
        if decimals is None:
            return money(int(kept), currency)
        whole, rest = divmod(amount, 10**decimals)
        return f"{before}{whole:,}{f'.{rest:0{decimals}}' if decimals else ''}{after}"
    number = kept if unit is Unit.RATIO else to_number(kept, unit) or 0
    if unit is not Unit.RATIO and float(number).is_integer():
        return f"{int(number):,}"
    return rounded(number, CENT)


@lru_cache(maxsize=1_000)
def around(currency: str, is_negative: bool, language: str) -> tuple[str, str, int | None]:
    """What stands before and behind an amount's digits, and how many decimals they have (None: only Babel knows)."""
    decimals = exponent(currency)
    text = money((-1 if is_negative else 1) * 10**decimals, currency)
    before, digits, after = text.partition(f"1{f'.{0:0{decimals}}' if decimals else ''}")
    is_like = bool(digits) and not any(one.isdigit() for one in before + after)
    return before, after, decimals if is_like else None


def rounded(number: float | Decimal, step: Decimal) -> str:
    """A number with its digits grouped, rounded half to even."""
    return f"{Decimal(str(number)).quantize(step, ROUND_HALF_EVEN):,}"


def shown_change(share: float) -> str:
    """A change: '+12.5%', '−3.1%'."""
    text = rounded(Decimal(str(share)) * 100, TENTH).removesuffix(".0")
    return f"{'+' if share > 0 else ''}{text}%".replace("-", "−")
