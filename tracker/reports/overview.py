"""The overview: the closed loop of a period on one page, against another period, and what made the difference.

The figures are the Source report's: it is asked once for each period, by channel, source and campaign, and its rows are
added up here. The page, the API and the mails all come through `read_overview`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from tracker.access.sites import Site
from tracker.attribution.credit import MICRO
from tracker.attribution.models import MODELS
from tracker.db.store import Tx
from tracker.errors import Invalid
from tracker.reports.asking import ask
from tracker.reports.catalogue import METRIC, Unit
from tracker.reports.query import Against, Query, given_in
from tracker.reports.source import Series, Sums, lines_of, open_source
from tracker.reports.table import UNATTRIBUTED, Before, Figures, Meta, Number, Row, to_numbers
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

    query    its by is BY, and it is set against an earlier period
    earlier  that period and its totals
    trends   each figure of the loop by bucket: days, or months ('2026-04') of a long period
    """

    query: Query
    earlier: Before
    meta: Meta
    totals: Figures
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
        lines = lines_of(self.sums, self.buckets, metric, self.query.currency, MOST_LINES)
        return Series(metric, self.buckets, tuple(lines))


def ask_overview(tx: Tx, args: Mapping[str, str], site: Site, today: str) -> Query:
    """A question from a request's parameters (PARAMETERS; empty ones count as not given); raises Invalid(field=…).

    today   the site's day: the period is the 28 days up to it where none is given
    """
    given = {"compare": Against.PREVIOUS.value} | given_in(args, PARAMETERS)
    if "from" not in given and "to" not in given:
        given |= {"from": back(today, USUAL_DAYS - 1), "to": today}
    query = ask(tx, given, site, today)
    if MODELS[query.model].is_global:
        raise Invalid(f"{query.model.value} knows channels alone, and no sources; use another model", field="model")
    return replace(query, by=BY)


def read_overview(tx: Tx, query: Query, now: datetime) -> Overview:
    """The closed loop of a period: reads the facts of each of its two periods once, and once more for the days."""
    source = open_source(tx, query)
    table = source.table(now)
    assert table.before is not None
    buckets, sums = source.over_time()
    unattributed = sum((row.figures for row in table.rows if row.is_unattributed), Figures())
    health = tracked(tx, query.site_id, query.timezone, now, table.totals, unattributed)
    return Overview(
        query=query,
        earlier=table.before,
        meta=table.meta,
        totals=table.totals,
        steps=steps_of(table.totals),
        channels=tuple(channels_of(table.rows)),
        buckets=buckets,
        trends=trends_of(sums, buckets, query.currency),
        sums=sums,
        changes=tuple(changed(metric, table.rows) for metric in explained(query)),
        health=health,
        signs=signs_of(health, now),
    )


# --- pure parts -----------------------------------------------------------------------------------------------------


def back(day: str, n: int) -> str:
    """The day so many days before; not before the first there is."""
    return date.fromordinal(max(1, date.fromisoformat(day).toordinal() - n)).isoformat()


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


def channels_of(rows: Sequence[Row]) -> list[ChannelRow]:
    """A row a channel that had anything in a period: by revenue, leads, visits and name; unattributed last."""
    found: dict[str | None, tuple[Figures, Figures]] = {}
    for row in rows:
        key = None if row.is_unattributed else row.values[0]
        now, before = found.get(key, (Figures(), Figures()))
        found[key] = (now + row.figures, before + (row.before or Figures()))
    channels = [ChannelRow(key or UNATTRIBUTED, key is None, *both) for key, both in found.items()]
    channels.sort(key=lambda row: row.channel)
    for name in ("visits", "new_leads", "revenue"):
        channels.sort(key=lambda row, name=name: row.figures.of(name) or 0, reverse=True)  # type: ignore[misc]
    return sorted(channels, key=lambda row: row.is_unattributed)


def trends_of(sums: Sums, buckets: Sequence[str], currency: str | None) -> dict[str, tuple[Number, ...]]:
    """Each figure of the loop by bucket."""
    by_bucket: dict[str, Figures] = {}
    for (bucket, _), figures in sums.figures.items():
        by_bucket[bucket] = by_bucket.get(bucket, Figures()) + figures
    numbers = [to_numbers(by_bucket.get(bucket, Figures()), currency, LOOP) for bucket in buckets]
    return {key: tuple(one[key] for one in numbers) for key in LOOP}


def changed(metric: str, rows: Sequence[Row]) -> WhatChanged:
    """How a figure changed, by channel and by source."""
    named: list[tuple[Values, Row]] = [(None if row.is_unattributed else row.values, row) for row in rows]
    after = [(values, int(row.figures.of(metric) or 0)) for values, row in named]
    before = [(values, int((row.before or Figures()).of(metric) or 0)) for values, row in named]

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
