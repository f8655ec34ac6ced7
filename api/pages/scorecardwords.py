"""The scorecard in the reader's language: its figures with their lines, changes, targets and links."""

from collections.abc import Sequence
from dataclasses import dataclass

from babel.numbers import format_decimal
from flask import url_for
from flask_babel import gettext

from api.languages import chosen
from api.pages.frame import address
from api.pages.shown import NOTHING, Cell, count, money, percent, ratio
from tracker.reports.scorecard import Point, Series
from tracker.reports.scorecard_around import WITH_ROWS
from tracker.reports.scorecard_facts import Asked
from tracker.reports.scorecard_metrics import WHOLE, Better, Metric, Phase, Unit
from tracker.reports.scorecard_shown import Spent

# A line's picture: thirteen points from side to side, with room for the last one's dot.
WIDTH, HEIGHT, EDGE = 132, 36, 5
# Figures whose rows, or whose report, another page opens.
IN_SOURCE_ROWS = {"new_leads", "mql", "sql", "customers", "cost", "revenue"}
IN_SOURCE = {"cost_per_mql", "cost_per_sql", "cost_per_customer", "roi"}
FURTHER_DOWN = {
    "nurture_open": "#programmes",
    "nurture_click": "#programmes",
    "customer_open": "#programmes",
    "customer_click": "#programmes",
    "nps": "#comments",
}


@dataclass(frozen=True, slots=True)
class Line:
    """A figure's thirteen months as a picture, in its own coordinates; None where there is no band or no target.

    parts  each unbroken run of known months: the points of a polyline; dot: the last month
    """

    parts: tuple[str, ...]
    dot: tuple[float, float] | None
    band: tuple[float, float] | None
    target: float | None
    width: int = WIDTH
    height: int = HEIGHT


@dataclass(frozen=True, slots=True)
class Change:
    """A change against an earlier month. direction: 'up', 'down' or 'same'; tone: 'good', 'bad' or ''."""

    text: str
    direction: str
    tone: str
    before: str


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of the scorecard.

    of      what a share is made of: '3 / 40'; '' for others
    alert   'above' or 'below' its band, '' within it; tone: 'good', 'bad' or ''
    months  each month as a text, for the table
    """

    key: str
    label: str
    definition: str
    cell: Cell
    of: str
    before: Change | None
    year: Change | None
    target: str
    is_met: bool | None
    band: str
    alert: str
    tone: str
    line: Line
    months: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ShownSpent:
    """A channel or a campaign with its month."""

    value: str
    is_unattributed: bool
    href: str
    cost: str
    revenue: str
    roi: str


def text_of(metric: Metric, value: int | None, currency: str | None) -> str:
    """A figure as a text; '—' where it is not known."""
    if value is None or (metric.unit is Unit.MONEY and currency is None):
        return NOTHING
    match metric.unit:
        case Unit.MONEY:
            return money(value, currency or "")
        case Unit.SHARE:
            return percent(value / WHOLE).removeprefix("+")
        case Unit.RATIO:
            return ratio(value / WHOLE)
        case Unit.POINTS:
            return points(value)
        case _:
            return count(value)


def points(value: int) -> str:
    """Hundredths of a hundred with their sign: '+42', '−8'."""
    text = str(format_decimal(abs(value) / 100, "#,##0.#", locale=chosen()))
    return f"+{text}" if value > 0 else f"−{text}" if value < 0 else text


def change_of(metric: Metric, now: Point, before: Point, currency: str | None) -> Change | None:
    """How a figure changed: shares and points by their difference, all others as a share of what was."""
    if now.value is None or before.value is None:
        return None
    by = now.value - before.value
    direction = "up" if by > 0 else "down" if by < 0 else "same"
    if metric.unit in {Unit.SHARE, Unit.POINTS}:
        text = gettext("%(n)s pt", n=points(by))
    elif before.value:
        text = percent(by / abs(before.value))
    else:
        return None
    is_good = (by > 0) == (metric.better is Better.UP)
    tone = "" if not by or metric.better is Better.NEITHER else "good" if is_good else "bad"
    return Change(text, direction, tone, text_of(metric, before.value, currency))


def line_of(one: Series) -> Line:
    """The picture of a figure's months."""
    values = [point.value for point in one.points]
    shown = [value for value in values if value is not None]
    marks = [one.target] if one.target is not None else []
    ends = [one.band.low, one.band.high] if one.band else []
    least, most = min([*shown, *marks, *ends], default=0), max([*shown, *marks, *ends], default=0)
    scale = (HEIGHT - 2 * EDGE) / (most - least) if most > least else 0

    def y(value: float) -> float:
        return round(HEIGHT - EDGE - (value - least) * scale if scale else HEIGHT / 2, 1)

    step = (WIDTH - 2 * EDGE) / (len(values) - 1)
    parts: list[list[str]] = [[]]
    for place, value in enumerate(values):
        if value is None:
            parts.append([])
        else:
            parts[-1].append(f"{round(EDGE + place * step, 1):g},{y(value):g}")
    last = values[-1]
    return Line(
        parts=tuple(" ".join(part) for part in parts if part),
        dot=None if last is None else (float(WIDTH - EDGE), y(last)),
        band=(y(one.band.high), round(max(1.0, y(one.band.low) - y(one.band.high)), 1)) if one.band else None,
        target=None if one.target is None else y(one.target),
    )


def figure_of(one: Series, asked: Asked) -> Figure:
    """A row of the scorecard."""
    metric, currency = one.metric, asked.currency

    def text(value: int | None) -> str:
        return text_of(metric, value, currency)

    alert = one.alert
    return Figure(
        key=metric.key,
        label=gettext(metric.label),
        definition=gettext(metric.definition),
        cell=Cell(one.now.value, text(one.now.value), href_of(metric.key, asked)),
        of=of_what(one),
        before=change_of(metric, one.now, one.before, currency),
        year=change_of(metric, one.now, one.year_before, currency),
        target="" if one.target is None else text(one.target),
        is_met=one.is_met,
        band=""
        if one.band is None
        else gettext("%(low)s to %(high)s", low=text(one.band.low), high=text(one.band.high)),
        alert="" if alert is None else alert.value,
        tone="" if one.is_welcome is None else "good" if one.is_welcome else "bad",
        line=line_of(one),
        months=tuple(text(point.value) for point in one.points),
    )


def of_what(one: Series) -> str:
    """What a share is made of, or how many a median is of."""
    now = one.now
    if one.metric.unit is Unit.SHARE and now.part is not None and one.metric.key != "upsell_share" and now.whole:
        return f"{count(now.part)} / {count(now.whole)}"
    if one.metric.unit in {Unit.DAYS, Unit.POINTS} and now.whole:
        return str(gettext("(n = %(n)s)", n=count(now.whole)))
    return ""


def phases_of(series: Sequence[Series], asked: Asked) -> list[tuple[str, list[Figure]]]:
    """The figures by the part of the scorecard that they stand in."""
    return [(phase.value, [figure_of(one, asked) for one in series if one.metric.phase is phase]) for phase in Phase]


# --- links ----------------------------------------------------------------------------------------------------------


def period_asked(asked: Asked) -> dict[str, str]:
    """The month as a period of the other reports."""
    return {"period": "custom", "from": asked.from_day, "to": asked.to_day}


def href_of(key: str, asked: Asked) -> str | None:
    """Where the rows behind a figure are."""
    if key in WITH_ROWS or key == "days_to_customer_p90":
        metric = key.removesuffix("_p90")
        return address(url_for("pages.scorecard_rows"), {"metric": metric, "month": asked.month})
    if key in IN_SOURCE_ROWS:
        return address(url_for("pages.source_rows"), period_asked(asked) | {"by": "channel", "metric": key})
    if key in IN_SOURCE:
        return address(url_for("pages.source"), period_asked(asked) | {"columns": "all", "sort": "cost"})
    return FURTHER_DOWN.get(key)


def spent_of(one: Spent, split: str, asked: Asked) -> ShownSpent:
    """A channel or a campaign, with the Source report of it."""
    currency, figures = asked.currency, one.figures
    named = {} if one.is_unattributed else {f"only_{split}": one.value}
    roi = figures.of("roi")
    return ShownSpent(
        value=one.value,
        is_unattributed=one.is_unattributed,
        href=address(url_for("pages.source"), period_asked(asked) | {"by": "source,campaign"} | named),
        cost=NOTHING if currency is None else money(figures.cost_minor, currency),
        revenue=NOTHING if currency is None else money(figures.revenue_minor, currency),
        roi=NOTHING if roi is None else ratio(roi),
    )
