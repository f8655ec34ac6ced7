"""The figures of the Source report's table as the page shows them: text, the rows behind, the change.

A page has over a thousand of them, so what is the same for all is made once, and equal numbers are written once.
"""

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlencode

from flask import url_for
from flask_babel import gettext

from api.languages import chosen
from api.pages.narrowing import pairs_kept
from api.pages.shown import NOTHING, count, money, percent, ratio
from tracker.reports.catalogue import METRIC, Unit
from tracker.reports.query import Query
from tracker.reports.table import Figures, Table, change, to_number


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
        return (gettext("new") if one.ratio is None else shown_change(one.ratio, self._language)), tone


@lru_cache(maxsize=20_000)
def written(kept: float, unit: Unit, currency: str, language: str) -> str:
    """A number as its unit and the reader's language have it; the language is only what tells the texts apart."""
    if unit.is_money:
        return money(int(kept), currency)
    if unit is Unit.RATIO:
        return ratio(kept)
    return count(to_number(kept, unit) or 0)


@lru_cache(maxsize=5_000)
def shown_change(share: float, language: str) -> str:
    """A change: '+12.5%', '−3.1%'."""
    return percent(share).replace("-", "−")
