"""(pure) The scorecard as files and JSON, and targets as people write them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from tracker.errors import Invalid
from tracker.money import exponent, parse_amount, plain
from tracker.reports.catalogue import message
from tracker.reports.scorecard import SCORE_BANDS, Mailed, Series
from tracker.reports.scorecard_metrics import METRIC, WHOLE, Metric, Unit
from tracker.reports.sheet import CellKind, CellValue, Sheet, SheetColumn
from tracker.reports.table import Figures, Note

KIND_OF = {
    Unit.COUNT: CellKind.COUNT,
    Unit.DAYS: CellKind.COUNT,
    Unit.MONEY: CellKind.MONEY,
    Unit.SHARE: CellKind.PERCENT,
    Unit.RATIO: CellKind.RATIO,
    Unit.POINTS: CellKind.RATIO,
}
MOST_TARGET = 9_000_000_000_000
Say = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Spent:
    """A channel or a campaign that cost something in the month."""

    value: str
    is_unattributed: bool
    figures: Figures


# --- numbers --------------------------------------------------------------------------------------------------------


def number_of(metric: Metric, value: int | None, currency: str | None) -> int | float | str | None:
    """A figure as the API writes it: counts and days whole, money a decimal string, shares and ratios of 1, points."""
    if value is None:
        return None
    match metric.unit:
        case Unit.COUNT | Unit.DAYS:
            return value
        case Unit.MONEY:
            return None if currency is None else plain(value, currency)
        case Unit.POINTS:
            return value / 100
        case _:
            return value / WHOLE


def parse_target(metric: str, told: str | int | Decimal, currency: str | None) -> int:
    """A target in the figure's small units, from how people write it; raises Invalid.

    told  a count, days, an amount in major units; for shares percent (25 is a quarter), for ratios and points as shown
    """
    if metric not in METRIC:
        raise Invalid(f"unknown figure {metric[:40]!r}; use one of {', '.join(METRIC)}", field="metric")
    unit = METRIC[metric].unit
    if unit is Unit.MONEY:
        if currency is None:
            raise Invalid("the site has no currency yet", field="value")
        return parse_amount(told, currency, "value")
    try:
        number = Decimal(str(told).strip().removesuffix("%").strip())
    except InvalidOperation:
        raise Invalid(f"{str(told)[:40]!r} is no number", field="value") from None
    if not number.is_finite() or number.adjusted() > 12:
        raise Invalid(f"{str(told)[:40]!r} is no number that can be reached", field="value")
    small = number * (WHOLE if unit is Unit.RATIO else 1 if unit in {Unit.COUNT, Unit.DAYS} else WHOLE // 100)
    if small != small.to_integral_value():
        places = "whole numbers" if unit in {Unit.COUNT, Unit.DAYS} else "fewer decimals"
        raise Invalid(f"{str(told)[:40]} is too fine; write {places}", field="value")
    least = -WHOLE if unit in {Unit.POINTS, Unit.RATIO} else 0
    most = WHOLE if unit in {Unit.SHARE, Unit.POINTS} else MOST_TARGET
    if not least <= small <= most:
        raise Invalid(f"{str(told)[:40]} is out of range", field="value")
    return int(small)


def written(metric: str, value: int, currency: str | None) -> str:
    """A target as people write it: what parse_target reads."""
    unit = METRIC[metric].unit
    if unit is Unit.MONEY:
        return plain(value, currency or "")
    by = WHOLE if unit is Unit.RATIO else 1 if unit in {Unit.COUNT, Unit.DAYS} else WHOLE // 100
    text = f"{Decimal(value) / by:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


# --- JSON -----------------------------------------------------------------------------------------------------------


def series_to_json(one: Series, currency: str | None) -> dict[str, Any]:
    """A figure with its thirteen months."""

    def out(value: int | None) -> int | float | str | None:
        return number_of(one.metric, value, currency)

    parts = {"part": one.now.part, "whole": one.now.whole} if one.metric.unit in {Unit.SHARE, Unit.POINTS} else {}
    return {
        "figure": one.metric.key,
        "phase": one.metric.phase.value,
        "unit": one.metric.unit.value,
        "better": one.metric.better.value,
        "value": out(one.now.value),
        **parts,
        "before": out(one.before.value),
        "year_before": out(one.year_before.value),
        "values": [out(point.value) for point in one.points],
        "target": out(one.target),
        "target_met": one.is_met,
        "band": None if one.band is None else {"low": out(one.band.low), "high": out(one.band.high), "n": one.band.n},
        "alert": None if one.alert is None else one.alert.value,
    }


def mail_to_json(one: Mailed, label: str | None) -> dict[str, Any]:
    """What a programme did in the month."""
    return {
        "programme": one.programme,
        "label": label,
        "audience": one.audience.value,
        "reached": one.n_reached,
        "opened": one.n_opened,
        "clicked": one.n_clicked,
    }


def spent_to_json(one: Spent, name: str, currency: str | None) -> dict[str, Any]:
    """A channel or a campaign."""
    figures = one.figures
    money = {
        "cost": None if currency is None else plain(figures.cost_minor, currency),
        "revenue": None if currency is None else plain(figures.revenue_minor, currency),
    }
    roi = figures.of("roi")
    return {
        name: one.value,
        "is_unattributed": one.is_unattributed,
        **money,
        "roi": None if roi is None else round(roi, 6),
    }


def note_to_json(note: Note) -> dict[str, Any]:
    """A remark."""
    return {"code": note.code, "text": note.text()}


def band_names() -> tuple[str, ...]:
    """The bands of the profile by name: 'below 20', '20-39', …, '80 and more', 'no score'."""
    names = []
    for least, most in SCORE_BANDS:
        names.append(f"up_to_{most}" if least is None else f"from_{least}" if most is None else f"{least}_to_{most}")
    return (*names, "none")


# --- files ----------------------------------------------------------------------------------------------------------


def months_sheet(
    series: Sequence[Series], currency: str | None, *, keyed: bool = False, say: Say = str, name: str = "Months"
) -> Sheet:
    """A line a month, a column a figure. keyed: columns are called by their keys."""
    columns = [SheetColumn("month" if keyed else say(message("Month")), key="month")]
    for one in series:
        own = currency or "" if one.metric.unit is Unit.MONEY else None
        label = one.metric.key if keyed else say(one.metric.label)
        columns.append(SheetColumn(label, KIND_OF[one.metric.unit], one.metric.key, own))
    rows = [
        [point.month, *(cell(one, one.points[place].value, currency) for one in series)]
        for place, point in enumerate(series[0].points)
    ]
    about = [(say(one.metric.label), say(one.metric.definition)) for one in series]
    return Sheet(name, columns, rows, about)


def figures_sheet(series: Sequence[Series], currency: str | None, *, say: Say, name: str) -> Sheet:
    """A line a figure: its month, the one before, the year before, its target, its band and whether it left it."""
    names = (
        message("Figure"),
        message("Unit"),
        message("Month"),
        message("Month before"),
        message("Year before"),
        message("Target"),
        message("Usual from"),
        message("Usual to"),
        message("Alert"),
    )
    columns = [SheetColumn(say(text), CellKind.RATIO if 1 < n < 8 else CellKind.TEXT) for n, text in enumerate(names)]
    rows: list[list[CellValue]] = []
    for one in series:
        band = one.band
        values = (
            one.now.value, one.before.value, one.year_before.value, one.target,
            band.low if band else None, band.high if band else None,
        )  # fmt: skip
        unit = currency or "" if one.metric.unit is Unit.MONEY else one.metric.unit.value
        numbers = [major(one.metric, value, currency) for value in values]
        rows.append([say(one.metric.label), unit, *numbers, one.alert.value if one.alert else ""])
    return Sheet(name, columns, rows)


def mails_sheet(mails: Sequence[Mailed], *, say: Say, name: str) -> Sheet:
    """A line a programme."""
    names = (
        message("Programme"),
        message("For"),
        message("People reached"),
        message("Opened"),
        message("Clicked"),
        message("Open rate"),
        message("Click rate"),
    )
    kinds = [CellKind.TEXT] * 2 + [CellKind.COUNT] * 3 + [CellKind.PERCENT] * 2
    columns = [SheetColumn(say(text), kind) for text, kind in zip(names, kinds, strict=True)]
    rows: list[list[CellValue]] = [
        [
            one.programme, one.audience.value, one.n_reached, one.n_opened, one.n_clicked,
            share_of(one.n_opened, one.n_reached), share_of(one.n_clicked, one.n_reached),
        ]
        for one in mails
    ]  # fmt: skip
    return Sheet(name, columns, rows)


def cell(one: Series, value: int | None, currency: str | None) -> CellValue:
    """A figure as a sheet takes it: money in minor units."""
    if one.metric.unit is Unit.MONEY:
        return value if currency else None
    found = number_of(one.metric, value, currency)
    return found if not isinstance(found, str) else None


def major(metric: Metric, value: int | None, currency: str | None) -> int | float | None:
    """A figure in its large unit, for a column in which figures of several units stand."""
    if value is None or metric.unit is not Unit.MONEY:
        found = number_of(metric, value, currency)
        return None if isinstance(found, str) else found
    return None if currency is None else value / 10 ** exponent(currency)


def share_of(part: int, whole: int) -> float | None:
    """A share; None of nothing."""
    return part / whole if whole else None
