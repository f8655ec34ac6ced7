"""The overview: the closed loop of a period on one page, against another period, and what made the difference.

The figures are the Source report's: it is asked once for each period, by channel, source and campaign, and its rows are
added up here. The page, the API and the mails all come through `read_overview`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum

from tracker.access.sites import Site
from tracker.attribution.credit import MICRO
from tracker.attribution.models import MODELS
from tracker.db.store import Tx
from tracker.errors import Invalid
from tracker.reports.asking import ask
from tracker.reports.catalogue import METRIC, Unit
from tracker.reports.query import Query, given_in
from tracker.reports.source import Series, Sums, lines_of, open_source
from tracker.reports.table import UNATTRIBUTED, Figures, Meta, Number, Row, Table, to_numbers
from tracker.reports.tracked import Sign, Tracked, signs_of, tracked
from tracker.reports.what_changed import Part, Values, parts_of, summed
from tracker.vocabulary import Dimension

PARAMETERS = ("from", "to", "compare", "model", "currency")
USUAL_DAYS = 28
# The closed loop, from the visit to what it was worth.
LOOP = ("visits", "new_leads", "mql", "sql", "deals", "sales", "revenue", "cost", "roas")
STEPS = ("visits", "new_leads", "mql", "sql", "deals", "sales")
# Steps of which a site may know nothing at all.
TOLD = ("mql", "sql")
CHARTED = ("visits", "new_leads", "deals", "sales", "revenue", "cost")
BY_CHANNEL = ("visits", "new_leads", "deals", "sales", "revenue", "cost", "roas")
EXPLAINED = ("revenue", "new_leads", "cost")
BY = (Dimension.CHANNEL, Dimension.SOURCE, Dimension.CAMPAIGN)
CHANNEL_AT, SOURCE_AT = (0,), (1, 2)
MOST_LINES = 8


class Compare(StrEnum):
    """Which period the figures are set against: the days just before, or the same days a year earlier."""

    PREVIOUS = "previous"
    YEAR = "year"


@dataclass(frozen=True, slots=True)
class Asked:
    """A checked question: the period's query and that of the period it is set against."""

    query: Query
    before: Query
    compare: Compare


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the funnel. ratio: of the step before it that has any, within the period; None for the first,
    and for a stage that nobody told of."""

    metric: str
    number: float
    ratio: float | None


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """What a channel brought in the period, and in the one before."""

    channel: str
    is_unattributed: bool
    figures: Figures
    before: Figures


@dataclass(frozen=True, slots=True)
class WhatChanged:
    """How a figure changed, and by which channels and which sources; each list adds up to the change."""

    metric: str
    before: int
    after: int
    channels: tuple[Part, ...]
    sources: tuple[Part, ...]

    @property
    def delta(self) -> int:
        """The whole change."""
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class Overview:
    """The closed loop of a period.

    trends   each figure of the loop by bucket: days, or months ('2026-04') of a long period
    """

    asked: Asked
    meta: Meta
    totals: Figures
    before: Figures
    steps: tuple[Step, ...]
    channels: tuple[ChannelRow, ...]
    buckets: tuple[str, ...]
    trends: Mapping[str, tuple[Number, ...]]
    sums: Sums
    changes: tuple[WhatChanged, ...]
    health: Tracked
    signs: tuple[Sign, ...]

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all happened in the period."""
        return not self.channels

    def series(self, metric: str) -> Series:
        """A figure over time, stacked by channel; raises Invalid for one that is not charted."""
        if metric not in CHARTED:
            raise Invalid(f"unknown metric {metric[:40]!r}; use one of {', '.join(CHARTED)}", field="chart")
        lines = lines_of(self.sums, self.buckets, metric, self.asked.query.currency, MOST_LINES)
        return Series(metric, self.buckets, tuple(lines))


def ask_overview(tx: Tx, args: Mapping[str, str], site: Site, today: str) -> Asked:
    """A question from a request's parameters (PARAMETERS; empty ones count as not given); raises Invalid(field=…).

    today   the site's day: the period is the 28 days up to it where none is given
    """
    given = given_in(args, PARAMETERS)
    text = given.pop("compare", Compare.PREVIOUS.value)
    if text not in set(Compare):
        raise Invalid(f"{text[:40]!r} is no comparison; use {', '.join(Compare)}", field="compare")
    if "from" not in given and "to" not in given:
        given |= {"from": back(today, USUAL_DAYS - 1), "to": today}
    query = replace(ask(tx, given, site, today), by=BY)
    if MODELS[query.model].is_global:
        raise Invalid(f"{query.model.value} knows channels alone, and no sources; use another model", field="model")
    from_day, to_day = period_before(query.from_day, query.to_day, Compare(text))
    return Asked(query, replace(query, from_day=from_day, to_day=to_day), Compare(text))


def read_overview(tx: Tx, asked: Asked, now: datetime) -> Overview:
    """The closed loop of a period: reads the facts of each of its two periods once, and once more for the days."""
    source = open_source(tx, asked.query)
    table, earlier = source.table(now), open_source(tx, asked.before).table(now)
    buckets, sums = source.over_time()
    query = asked.query
    unattributed = sum((row.figures for row in table.rows if row.is_unattributed), Figures())
    health = tracked(tx, query.site_id, query.timezone, now, table.totals, unattributed)
    return Overview(
        asked=asked,
        meta=table.meta,
        totals=table.totals,
        before=earlier.totals,
        steps=steps_of(table.totals),
        channels=tuple(channels_of(table, earlier)),
        buckets=buckets,
        trends=trends_of(sums, buckets, query.currency),
        sums=sums,
        changes=tuple(changed(metric, table, earlier) for metric in explained(query)),
        health=health,
        signs=signs_of(health, now),
    )


# --- pure parts -----------------------------------------------------------------------------------------------------


def back(day: str, n: int) -> str:
    """The day so many days before; not before the first there is."""
    return date.fromordinal(max(1, date.fromisoformat(day).toordinal() - n)).isoformat()


def period_before(from_day: str, to_day: str, compare: Compare) -> tuple[str, str]:
    """The period that one is set against: as many days just before it, or the same days a year earlier.

    The 29th of February is set against the 28th.
    """
    if compare is Compare.YEAR:
        return year_before(from_day), year_before(to_day)
    n = (date.fromisoformat(to_day) - date.fromisoformat(from_day)).days + 1
    return back(from_day, n), back(from_day, 1)


def year_before(day: str) -> str:
    """The same day a year earlier."""
    one = date.fromisoformat(day)
    if one.year == date.min.year:
        return date.min.isoformat()
    is_leap_day = (one.month, one.day) == (2, 29)
    return one.replace(year=one.year - 1, day=28 if is_leap_day else one.day).isoformat()


def explained(query: Query) -> tuple[str, ...]:
    """The figures whose changes are told: those in money only where there is a currency."""
    return tuple(key for key in EXPLAINED if query.currency or not METRIC[key].unit.is_money)


def number_of(figures: Figures, key: str) -> float:
    """A count as a number, whole where it is one."""
    kept = figures.of(key) or 0
    if METRIC[key].unit is not Unit.CREDIT:
        return kept
    return int(kept) // MICRO if kept % MICRO == 0 else kept / MICRO


def steps_of(totals: Figures) -> tuple[Step, ...]:
    """The funnel of a period; a step that nobody told of is passed over by the ratio of the next."""
    found, last = [], 0.0
    for key in STEPS:
        number = number_of(totals, key)
        is_told = number or key not in TOLD
        found.append(Step(key, number, number / last if last and is_told else None))
        last = number or last
    return tuple(found)


def figures_by(rows: Sequence[Row]) -> dict[str | None, Figures]:
    """The rows of a report added up by channel; None for what no touch explains."""
    found: dict[str | None, Figures] = {}
    for row in rows:
        key = None if row.is_unattributed else row.values[0]
        found[key] = found.get(key, Figures()) + row.figures
    return found


def channels_of(table: Table, earlier: Table) -> list[ChannelRow]:
    """A row a channel that had anything in a period: by revenue, leads, visits and name; unattributed last."""
    now, before = figures_by(table.rows), figures_by(earlier.rows)
    rows = [
        ChannelRow(key or UNATTRIBUTED, key is None, now.get(key, Figures()), before.get(key, Figures()))
        for key in {**now, **before}
    ]
    rows.sort(key=lambda row: row.channel)
    for name in ("visits", "new_leads", "revenue"):
        rows.sort(key=lambda row, name=name: row.figures.of(name) or 0, reverse=True)  # type: ignore[misc]
    return sorted(rows, key=lambda row: row.is_unattributed)


def trends_of(sums: Sums, buckets: Sequence[str], currency: str | None) -> dict[str, tuple[Number, ...]]:
    """Each figure of the loop by bucket."""
    by_bucket: dict[str, Figures] = {}
    for (bucket, _), figures in sums.figures.items():
        by_bucket[bucket] = by_bucket.get(bucket, Figures()) + figures
    numbers = [to_numbers(by_bucket.get(bucket, Figures()), currency) for bucket in buckets]
    return {key: tuple(one[key] for one in numbers) for key in LOOP}


def changed(metric: str, table: Table, earlier: Table) -> WhatChanged:
    """How a figure changed from one table to another, by channel and by source."""

    def amounts(one: Table) -> list[tuple[Values, int]]:
        return [(None if row.is_unattributed else row.values, int(row.figures.of(metric) or 0)) for row in one.rows]

    before, after = amounts(earlier), amounts(table)

    def parts(places: tuple[int, ...]) -> tuple[Part, ...]:
        return parts_of(summed(before, places), summed(after, places))

    return WhatChanged(
        metric=metric,
        before=sum(amount for _, amount in before),
        after=sum(amount for _, amount in after),
        channels=parts(CHANNEL_AT),
        sources=parts(SOURCE_AT),
    )


def grain_of(buckets: Sequence[str]) -> str:
    """What a bucket is: a day, or a month where there are more than a quarter of them."""
    return "month" if buckets and len(buckets[0]) < len("2026-04-01") else "day"
