"""The Source report's page, and its downloads. The figures are tracker.reports'; here they are put into words."""

import json
from dataclasses import dataclass
from datetime import date, datetime

from flask import Response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from api.context import here
from api.pages.frame import Note, address, kept_arguments
from api.pages.routes import routes
from api.pages.shown import NOTHING, Cell, count, money, period_of, ratio
from api.trust import Audience, audience, site_seen
from tracker.access.sites import Site
from tracker.attribution.models import MODELS
from tracker.attribution.policy import terms_of
from tracker.clock import local_day
from tracker.db.store import Tx, reading
from tracker.errors import Invalid
from tracker.reports.asking import ask
from tracker.reports.catalogue import DIMENSION, METRIC, METRICS, Unit
from tracker.reports.query import Query
from tracker.reports.source import Series, open_source, source_report
from tracker.reports.table import UNATTRIBUTED, Figures, Meta, Table, to_number
from tracker.vocabulary import Basis, Dimension, Model

TILES = ("visits", "new_leads", "sales", "revenue", "cost", "roas")
CHARTED = tuple(metric.key for metric in METRICS if not metric.unit.is_quotient and metric.key != "visitors")
COMMON_CURRENCIES = ("JPY", "USD", "EUR")
ASKED = ("by", "model", "basis", "currency", "direct", "lookback_days", "scope", "policy", "sort")
# The notes (catalogue.NOTES) that stand above the figures, because the figures lack something.
WARNINGS = frozenset({"unconverted", "late_rates", "no_currency", "several_rules"})
TEMPLATE_UNIT = {
    Unit.COUNT: "count",
    Unit.CREDIT: "count",
    Unit.MONEY: "money",
    Unit.PRICE: "money",
    Unit.RATIO: "ratio",
}


@dataclass(frozen=True, slots=True)
class ShownColumn:
    key: str
    label: str
    unit: str
    definition: str = ""


@dataclass(frozen=True, slots=True)
class Label:
    dimension: str
    value: str
    display: str


@dataclass(frozen=True, slots=True)
class ShownRow:
    labels: tuple[Label, ...]
    cells: dict[str, Cell]


@dataclass(frozen=True, slots=True)
class ShownMeta:
    model: str
    basis: str
    currency: str
    from_day: date
    to_day: date
    by: tuple[str, ...]
    timezone: str
    generated_at: datetime
    rules_version: str
    policy_version: int
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class ShownReport:
    columns: tuple[ShownColumn, ...]
    rows: tuple[ShownRow, ...]
    totals: dict[str, Cell]
    meta: ShownMeta


@dataclass(frozen=True, slots=True)
class ShownQuery:
    period: str
    from_day: date
    to_day: date
    by: tuple[str, ...]
    model: str
    basis: str
    currency: str
    sort: str
    dir: str
    dimensions: tuple[str, ...]
    models: tuple[str, ...]
    bases: tuple[str, ...]
    currencies: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ShownSeries:
    key: str
    name: str
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    metric: str
    metrics: tuple[str, ...]
    unit: str
    currency: str
    grain: str
    days: tuple[date, ...]
    series: tuple[ShownSeries, ...]


@dataclass(frozen=True, slots=True)
class Downloads:
    csv: str
    json: str


def asked(tx: Tx, site: Site, today: str) -> tuple[str, Query]:
    """The preset and the query that this page's address asks for; raises Invalid."""
    args = {name: request.args.get(name, "") for name in (*ASKED, "period", "from", "to")}
    word, from_day, to_day = period_of(tx, args, site.site_id, today)
    wanted = {name: args[name] for name in ASKED} | {"from": from_day, "to": to_day}
    wanted["order"] = request.args.get("dir", "")
    return word, ask(tx, wanted, site, today)


@routes.get("/reports/source")
@audience(Audience.PEOPLE)
def source() -> ResponseReturnValue:
    """The Source report; without any site, what to do next."""
    site = site_seen()
    if site is None:
        return render_template("no_site.html")
    now = here().now()
    with reading(here().engine) as tx:
        word, query = asked(tx, site, local_day(now, site.timezone))
        asked_source = open_source(tx, query)
        table = asked_source.table(now)
        metric = request.args.get("chart", "")
        metric = metric if metric in CHARTED else ("revenue" if table.totals.revenue_minor else "visits")
        lines = asked_source.series(metric) if table.rows else None
    return render_template(
        "source.html",
        report=shown_report(table, query),
        query=shown_query(word, query),
        chart=shown_chart(lines, query) if lines else None,
        downloads=Downloads(download("csv"), download("json")),
        figures=TILES,
    )


@routes.get("/reports/source.<form>")
@audience(Audience.PEOPLE)
def source_file(form: str) -> ResponseReturnValue:
    """The same report as a file: csv or json."""
    site = site_seen()
    if site is None or form not in ("csv", "json"):
        return Response(status=404)
    now = here().now()
    with reading(here().engine) as tx:
        _, query = asked(tx, site, local_day(now, site.timezone))
        table = source_report(tx, query, now)
    if form == "csv":
        labels = {column.key: gettext(column.label) for column in table.columns}
        answer = Response(table.to_csv(labels), mimetype="text/csv")
    else:
        answer = Response(json.dumps(table.to_json(), ensure_ascii=False), mimetype="application/json")
    name = f"source-{query.from_day}-{query.to_day}.{form}"
    answer.headers["Content-Disposition"] = f"attachment; filename={name}"
    return answer


def download(form: str) -> str:
    """The address of this report as a file."""
    return address(url_for("pages.source_file", form=form), kept_arguments())


def cell_of(figures: Figures, key: str, currency: str | None, href: str | None) -> Cell:
    """One figure as the page shows it; a ratio has no rows of its own behind it."""
    unit, kept = METRIC[key].unit, figures.of(key)
    if kept is None or (unit.is_money and currency is None):
        return Cell(None, NOTHING)
    if unit.is_money:
        return Cell(kept, money(int(kept), currency or ""), None if unit.is_quotient else href)
    if unit is Unit.RATIO:
        return Cell(kept, ratio(kept))
    number = to_number(kept, unit) or 0
    return Cell(number, count(number), href)


def href_of(query: Query, metric: str, values: tuple[str, ...] | None) -> str:
    """The address of the rows behind a figure. values: (): the totals; None: what no touch explains."""
    kept = kept_arguments("chart") | {"metric": metric}
    if values is None:
        return address(url_for("pages.source_rows"), kept | {"unattributed": "1"})
    named = {f"is_{name.value}": value for name, value in zip(query.by, values, strict=False)}
    return address(url_for("pages.source_rows"), kept | named)


def shown_report(table: Table, query: Query) -> ShownReport:
    """A report in the reader's language."""
    currency = table.meta.currency
    rows = []
    for row in table.rows:
        values = None if row.is_unattributed else row.values
        labels = tuple(
            Label(name.value, UNATTRIBUTED if row.is_unattributed else value, value)
            for name, value in zip(query.by, row.values, strict=True)
        )
        rows.append(ShownRow(labels, cells_of(row.figures, currency, query, values)))
    columns = tuple(
        ShownColumn(metric.key, gettext(metric.label), TEMPLATE_UNIT[metric.unit], gettext(metric.definition))
        for metric in METRICS
    )
    return ShownReport(columns, tuple(rows), cells_of(table.totals, currency, query, ()), shown_meta(table.meta))


def cells_of(figures: Figures, currency: str | None, query: Query, values: tuple[str, ...] | None) -> dict[str, Cell]:
    """All figures of a row."""
    return {
        metric.key: cell_of(figures, metric.key, currency, href_of(query, metric.key, values)) for metric in METRICS
    }


def shown_meta(meta: Meta) -> ShownMeta:
    """The rule that the numbers carry, in the reader's language."""
    return ShownMeta(
        model=meta.model.value,
        basis=meta.basis.value,
        currency=meta.currency or NOTHING,
        from_day=date.fromisoformat(meta.from_day),
        to_day=date.fromisoformat(meta.to_day),
        by=tuple(name.value for name in meta.by),
        timezone=meta.timezone,
        generated_at=meta.generated_at,
        policy_version=meta.policy_version,
        rules_version=", ".join(meta.rules_versions) or NOTHING,
        notes=tuple(Note(note.text(gettext), is_warning=note.code in WARNINGS) for note in meta.notes),
    )


def shown_query(word: str, query: Query) -> ShownQuery:
    """What was asked, and what could be."""
    currency = query.currency or ""
    currencies = dict.fromkeys([code for code in (currency, *COMMON_CURRENCIES) if code]) if currency else {}
    return ShownQuery(
        period=word,
        from_day=date.fromisoformat(query.from_day),
        to_day=date.fromisoformat(query.to_day),
        by=tuple(name.value for name in query.by),
        model=query.model.value,
        basis=query.basis.value,
        currency=currency,
        sort=query.sort,
        dir="desc" if query.descending else "asc",
        dimensions=tuple(Dimension(key).value for key in DIMENSION),
        models=tuple(model.value for model in Model if can_be_asked(model, query)),
        bases=tuple(basis.value for basis in Basis),
        currencies=tuple(currencies),
    )


def can_be_asked(model: Model, query: Query) -> bool:
    """Whether the reader may choose a model: it was fitted if it must be, and knows the report's dimensions."""
    if MODELS[model].is_global and query.by != (Dimension.CHANNEL,):
        return False
    try:
        terms_of(query.policy, model, query.fit)
    except Invalid:
        return False
    return True


def shown_chart(lines: Series, query: Query) -> Chart:
    """The chart: money in major units."""
    unit = METRIC[lines.metric].unit
    return Chart(
        metric=lines.metric,
        metrics=CHARTED,
        unit=TEMPLATE_UNIT[unit],
        currency=query.currency or "",
        grain="month" if lines.buckets and len(lines.buckets[0]) == 7 else "day",
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
