"""The overview in the reader's language, with its links: for the page and for the mails.

A mail gives the address of the installation before each path.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from flask import current_app, url_for
from flask_babel import gettext

from api.pages.frame import address, may_open
from api.pages.shown import NOTHING, Cell, count, money, percent, ratio
from api.pages.source import TEMPLATE_UNIT, Chart, ShownSeries
from tracker.reports.catalogue import METRIC, Unit
from tracker.reports.overview import (
    BY_CHANNEL,
    CHARTED,
    LOOP,
    Overview,
    WhatChanged,
    grain_of,
)
from tracker.reports.source import Series
from tracker.reports.table import UNATTRIBUTED, Figures, Number, to_number
from tracker.reports.tracked import SIGNS, Sign
from tracker.reports.what_changed import Part

# A higher cost is neither good nor bad; of all others more is better.
NEUTRAL = frozenset({"cost"})
SPARK_WIDTH, SPARK_HEIGHT = 100, 24


@dataclass(frozen=True, slots=True)
class Change:
    """A change against the earlier period. direction: 'up', 'down' or 'same'; tone: 'good', 'bad' or ''."""

    text: str
    direction: str
    tone: str
    before: str


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure of the loop with its change and its line over time (points of an SVG polyline)."""

    key: str
    label: str
    definition: str
    cell: Cell
    change: Change | None
    points: str


@dataclass(frozen=True, slots=True)
class ShownStep:
    """A step of the funnel; percent: of the step before it, for the bar, at most 100."""

    label: str
    cell: Cell
    ratio: str
    percent: float


@dataclass(frozen=True, slots=True)
class ShownRow:
    """A channel's figures with their changes; href: the Source report of the channel's sources."""

    channel: str
    href: str | None
    cells: dict[str, Cell]
    changes: dict[str, Change | None]


@dataclass(frozen=True, slots=True)
class ShownPart:
    """What a source did to a change. names: its words, '' twice for several together; percent: of the greatest."""

    names: tuple[str, ...]
    is_unattributed: bool
    n: int
    before: str
    after: Cell
    delta: str
    direction: str
    percent: float


@dataclass(frozen=True, slots=True)
class ShownChange:
    """How a figure changed, with its two lists of parts."""

    key: str
    label: str
    before: str
    after: str
    delta: str
    change: Change | None
    channels: tuple[ShownPart, ...]
    sources: tuple[ShownPart, ...]


@dataclass(frozen=True, slots=True)
class ShownSign:
    """What is wrong, what to do, and where."""

    key: str
    text: str
    advice: str
    href: str | None


@dataclass(frozen=True, slots=True)
class ShownQuery:
    period: str
    from_day: date
    to_day: date
    before_from: date
    before_to: date
    compare: str
    chart: str


# --- links ----------------------------------------------------------------------------------------------------------


class Linker:
    """Addresses of what stands behind the figures. In mails base stands before each path, and each names the site."""

    def __init__(self, found: Overview, base: str = "", site_key: str = "") -> None:
        query, before = found.query, found.earlier
        self.base = base
        self._rows, self._report = url_for("pages.source_rows"), url_for("pages.source")
        self._site = {"site": site_key} if site_key else {}
        asked_for = self._site | {"model": query.model.value} | ({"currency": query.currency} if query.currency else {})
        self._now = {"period": "custom", "from": query.from_day, "to": query.to_day, **asked_for}
        self._before = {"period": "custom", "from": before.from_day, "to": before.to_day, **asked_for}

    def rows(
        self, metric: str, values: tuple[str, ...] | None, by: tuple[str, ...] = ("channel",), *, earlier: bool = False
    ) -> str:
        """The rows behind a figure of the period, or of the one before. values: (): all; None: unattributed."""
        kept = dict(self._before if earlier else self._now) | {"by": ",".join(by), "metric": metric}
        if values is None:
            return self.base + address(self._rows, kept | {"unattributed": "1"})
        return self.base + address(
            self._rows, kept | {f"is_{name}": value for name, value in zip(by, values, strict=False)}
        )

    def report(self, **more: str) -> str:
        """The Source report of the period."""
        return self.base + address(self._report, self._now | more)

    def page(self, endpoint: str) -> str | None:
        """A page of this application, if there is one and the reader may open it; whoever opens a mail may log in."""
        is_open = endpoint in current_app.view_functions if self.base else may_open(endpoint)
        return self.base + address(url_for(endpoint), self._site) if is_open else None


SIGN_PAGES = {
    Sign.NO_HIT: "pages.install",
    Sign.QUIET: "pages.install",
    Sign.FEWER_HITS: "pages.tracking",
    Sign.REFUSED: "pages.tracking",
    Sign.NO_JOURNEY: "",
    Sign.UNATTRIBUTED: "",
    Sign.NO_DEAL: "docs",
    Sign.CRM_SILENT: "docs",
    Sign.NO_COST: "pages.costs",
    Sign.COSTS_END: "pages.costs",
}
API_DOCS = "/api/docs"


def sign_of(sign: Sign, links: Linker) -> ShownSign:
    """A sign in the reader's language, with the page where something can be done about it."""
    text, advice = SIGNS[sign]
    where = SIGN_PAGES[sign]
    if where == "docs":
        href: str | None = links.base + API_DOCS
    elif not where:
        href = links.rows("revenue" if sign is Sign.UNATTRIBUTED else "new_leads", None)
    else:
        href = links.page(where)
    return ShownSign(sign.value, gettext(text), gettext(advice), href)


# --- into words -----------------------------------------------------------------------------------------------------


def shown_query(word: str, found: Overview, metric: str) -> ShownQuery:
    """What was asked."""
    query, before = found.query, found.earlier
    return ShownQuery(
        period=word,
        from_day=date.fromisoformat(query.from_day),
        to_day=date.fromisoformat(query.to_day),
        before_from=date.fromisoformat(before.from_day),
        before_to=date.fromisoformat(before.to_day),
        compare=before.against,
        chart=metric,
    )


def amount(kept: int | float | None, metric: str, currency: str | None) -> str:
    """A figure as a text, without a link; '—' where it is undefined."""
    unit = METRIC[metric].unit
    if kept is None or (unit.is_money and currency is None):
        return NOTHING
    if unit.is_money:
        return str(money(int(kept), currency or ""))
    return ratio(kept) if unit is Unit.RATIO else count(to_number(kept, unit) or 0)


def signed(kept: int, metric: str, currency: str | None) -> str:
    """A difference with its sign: '+¥1,500', '−3'."""
    text = amount(abs(kept), metric, currency)
    return f"+{text}" if kept > 0 else f"−{text}" if kept < 0 else text


def share(number: float) -> str:
    """A share as percent, without a sign of its own."""
    return percent(number).removeprefix("+")


def change_of(metric: str, now: Figures, before: Figures, currency: str | None = "") -> Change | None:
    """How a figure changed; None where there was nothing before to compare with, or is nothing now."""
    after, earlier = now.of(metric), before.of(metric)
    if after is None or earlier is None or not earlier:
        return None
    by = (after - earlier) / abs(earlier)
    direction = "up" if by > 0 else "down" if by < 0 else "same"
    tone = "" if metric in NEUTRAL or direction == "same" else "good" if by > 0 else "bad"
    return Change(percent(by), direction, tone, amount(earlier, metric, currency) if currency != "" else "")


def changes_of(now: Figures, before: Figures) -> dict[str, Change | None]:
    """The changes of a row of the table."""
    return {key: change_of(key, now, before) for key in BY_CHANNEL}


def tiles_of(found: Overview, links: Linker) -> list[Tile]:
    """The closed loop, figure by figure."""
    currency = found.query.currency
    return [
        Tile(
            key,
            gettext(METRIC[key].label),
            gettext(METRIC[key].definition),
            cell_of(found.totals, key, found, links, ()),
            change_of(key, found.totals, found.earlier.totals, currency),
            points_of(found.trends[key]),
        )
        for key in LOOP
    ]


def cell_of(figures: Figures, key: str, found: Overview, links: Linker, values: tuple[str, ...] | None) -> Cell:
    """A figure with the rows behind it; ROAS leads to the report."""
    kept = figures.of(key)
    text = amount(kept, key, found.query.currency)
    if text == NOTHING:
        return Cell(None, text)
    return Cell(kept, text, links.report(sort=key) if METRIC[key].unit.is_quotient else links.rows(key, values))


def cells_of(figures: Figures, found: Overview, links: Linker, values: tuple[str, ...] | None) -> dict[str, Cell]:
    """The figures of a row of the table."""
    return {key: cell_of(figures, key, found, links, values) for key in BY_CHANNEL}


def rows_of(found: Overview, links: Linker) -> list[ShownRow]:
    """The table by channel."""
    return [
        ShownRow(
            UNATTRIBUTED if row.is_unattributed else row.channel,
            None if row.is_unattributed else links.report(only_channel=row.channel, by="source"),
            cells_of(row.figures, found, links, None if row.is_unattributed else (row.channel,)),
            changes_of(row.figures, row.before),
        )
        for row in found.channels
    ]


def steps_of(found: Overview, links: Linker) -> list[ShownStep]:
    """The funnel: each step with its share of the step before."""
    return [
        ShownStep(
            gettext(METRIC[step.metric].label),
            cell_of(found.totals, step.metric, found, links, ()),
            NOTHING if step.ratio is None else share(step.ratio),
            100.0 if not i else min(100.0, max(0.0, round(100 * (step.ratio or 0), 2))),
        )
        for i, step in enumerate(found.steps)
    ]


def changed(one: WhatChanged, found: Overview, links: Linker) -> ShownChange:
    """A change in words."""
    currency = found.query.currency
    return ShownChange(
        key=one.metric,
        label=gettext(METRIC[one.metric].label),
        before=amount(one.before, one.metric, currency),
        after=amount(one.after, one.metric, currency),
        delta=signed(one.delta, one.metric, currency),
        change=change_of(one.metric, found.totals, found.earlier.totals, currency),
        channels=shown_parts(one, one.channels, ("channel",), links, currency),
        sources=shown_parts(one, one.sources, ("source", "campaign"), links, currency),
    )


def shown_parts(
    one: WhatChanged, parts: Sequence[Part], by: tuple[str, ...], links: Linker, currency: str | None
) -> tuple[ShownPart, ...]:
    """What made the change; each leads to its rows, of the period before where there are none now."""
    most = max((abs(part.delta) for part in parts), default=0) or 1

    def shown(part: Part) -> ShownPart:
        href = None if part.is_rest else links.rows(one.metric, part.values, by, earlier=not part.after)
        return ShownPart(
            names=part.values or (),
            is_unattributed=part.values is None,
            n=part.n,
            before=amount(part.before, one.metric, currency),
            after=Cell(part.after, amount(part.after, one.metric, currency), href),
            delta=signed(part.delta, one.metric, currency),
            direction="up" if part.delta > 0 else "down",
            percent=round(100 * abs(part.delta) / most, 1),
        )

    return tuple(shown(part) for part in parts)


def points_of(numbers: Sequence[Number]) -> str:
    """A line over time as the points of an SVG polyline; '' where there is nothing to draw."""
    heights = [float(number or 0) for number in numbers]
    low, high = min(0.0, *heights, 0.0), max(0.0, *heights, 0.0)
    if len(heights) < 2 or high == low:
        return ""
    step, scale = SPARK_WIDTH / (len(heights) - 1), (SPARK_HEIGHT - 2) / (high - low)
    return " ".join(f"{i * step:.1f},{SPARK_HEIGHT - 1 - (one - low) * scale:.1f}" for i, one in enumerate(heights))


def bars_of(numbers: Sequence[int]) -> list[float]:
    """The heights of bars, in percent of the highest."""
    most = max(numbers, default=0) or 1
    return [round(100 * number / most, 1) for number in numbers]


def chart_of(lines: Series, found: Overview) -> Chart:
    """The chart: money in major units."""
    return Chart(
        metric=lines.metric,
        metrics=CHARTED,
        unit=TEMPLATE_UNIT[METRIC[lines.metric].unit],
        currency=found.query.currency or "",
        grain=grain_of(lines.buckets),
        days=tuple(date.fromisoformat(bucket if len(bucket) == 10 else f"{bucket}-01") for bucket in lines.buckets),
        series=tuple(
            ShownSeries(
                key=UNATTRIBUTED if line.is_unattributed else "other" if line.is_rest else line.value,
                name=line.value,
                values=tuple(float(number or 0) for number in line.numbers),
            )
            for line in lines.lines
        ),
    )
