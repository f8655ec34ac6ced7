"""The overview as JSON and CSV: what the API gives and the page's downloads hold."""

import csv
import io
from collections.abc import Callable, Mapping
from typing import Any

from tracker.clock import format_instant
from tracker.money import plain
from tracker.reports.catalogue import METRIC
from tracker.reports.overview import LOOP, Overview, WhatChanged
from tracker.reports.table import BOM, UNATTRIBUTED, Figures, Number, defused, to_number, to_numbers
from tracker.reports.tracked import Tracked
from tracker.reports.what_changed import Part

Json = dict[str, Any]
TOTAL = "(total)"


def to_json(found: Overview) -> Json:
    """Plain data: {"totals", "before", "funnel", "channels", "trend", "changes", "health", "meta"}.

    Numbers are written as in the Source report: money as a decimal string in major units beside `…_minor`.
    """
    currency, earlier = found.query.currency, found.earlier
    return {
        "totals": figures_of(found.totals, currency),
        "before": figures_of(earlier.totals, currency),
        "funnel": [
            {"metric": step.metric, "number": step.number, "ratio": rounded(step.ratio)} for step in found.steps
        ],
        "channels": [
            {
                "channel": row.channel,
                "is_unattributed": row.is_unattributed,
                **figures_of(row.figures, currency),
                "before": figures_of(row.before, currency),
            }
            for row in found.channels
        ],
        "trend": {"buckets": list(found.buckets), **{key: list(line) for key, line in found.trends.items()}},
        "changes": [change_to_json(one, currency) for one in found.changes],
        "health": health_to_json(found.health, [sign.value for sign in found.signs]),
        "meta": {
            **found.meta.to_json(),
            "by": ["channel"],
            "compare": earlier.against,
            "before_from": earlier.from_day,
            "before_to": earlier.to_day,
        },
    }


def figures_of(figures: Figures, currency: str | None) -> dict[str, Number]:
    """The figures of the loop, as the Source report writes them."""
    numbers = to_numbers(figures, currency)
    return {key: numbers[key] for name in LOOP for key in (name, f"{name}_minor") if key in numbers}


def rounded(ratio: float | None) -> float | None:
    """A ratio with at most six decimals."""
    return None if ratio is None else round(ratio, 6)


def change_to_json(one: WhatChanged, currency: str | None) -> Json:
    """A change and its parts."""
    unit = METRIC[one.metric].unit

    def amounts(before: int, after: int, delta: int) -> Json:
        kept = {"before": before, "after": after, "change": delta}
        if not unit.is_money:
            return {name: to_number(amount, unit) for name, amount in kept.items()}
        text = {name: plain(amount, currency or "") for name, amount in kept.items()}
        return text | {f"{name}_minor": amount for name, amount in kept.items()}

    def part(own: Part, names: tuple[str, ...]) -> Json:
        values = own.values or ("(other)" if own.is_rest else UNATTRIBUTED,) * len(names)
        marks = {"is_unattributed": own.values is None, "n_rows": own.n}
        return dict(zip(names, values, strict=True)) | marks | amounts(own.before, own.after, own.delta)

    return {
        "metric": one.metric,
        **amounts(one.before, one.after, one.delta),
        "channels": [part(own, ("channel",)) for own in one.channels],
        "sources": [part(own, ("source", "campaign")) for own in one.sources],
    }


def health_to_json(seen: Tracked, signs: list[str]) -> Json:
    """What came in, and what is wrong with it."""
    return {
        "signs": signs,
        "days": list(seen.days),
        "hits": list(seen.n_hits),
        "refused": dict(seen.refused),
        "last_hit_at": format_instant(seen.last_hit_at) if seen.last_hit_at else None,
        "crm_at": format_instant(seen.crm_at) if seen.crm_at else None,
        "last_cost_day": seen.last_cost_day,
        "journey_ratio": rounded(seen.journey_ratio),
        "unattributed_ratio": rounded(seen.unattributed_ratio),
    }


def columns_of() -> tuple[str, ...]:
    """The keys of the columns of the file: the channel, each figure, each figure of the period before."""
    return ("channel", *IN_FILE, *(f"{key}_before" for key in IN_FILE))


IN_FILE = LOOP


def to_rows(found: Overview, channel: Callable[[str], str] = str, total: str = TOTAL) -> list[list[Number]]:
    """The table by channel, the total first: numbers as the API gives them, in the order of columns_of.

    channel  what a channel is called; `total` what stands in the total's place
    """
    currency = found.query.currency

    def line(name: str, now: Figures, before: Figures) -> list[Number]:
        numbers = [to_numbers(figures, currency) for figures in (now, before)]
        return [name, *(one[key] for one in numbers for key in IN_FILE)]

    rows = [line(total, found.totals, found.earlier.totals)]
    return rows + [line(channel(row.channel), row.figures, row.before) for row in found.channels]


def to_csv(
    found: Overview,
    labels: Mapping[str, str] | None = None,
    channel: Callable[[str], str] = str,
    total: str = TOTAL,
) -> str:
    """UTF-8 with a byte order mark, CRLF: the total, then a line a channel; formulas defused. labels: by column."""
    text, names = io.StringIO(), labels or {}
    writer = csv.writer(text)
    writer.writerow([defused(names.get(key, key)) for key in columns_of()])
    for row in to_rows(found, channel, total):
        writer.writerow([defused(str(row[0])), *("" if cell is None else cell for cell in row[1:])])
    return BOM + text.getvalue()
