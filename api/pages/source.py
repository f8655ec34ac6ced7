"""The Source report's page, and its downloads. The figures are tracker.reports'; here they are put into words."""

from dataclasses import dataclass
from datetime import date, datetime

from babel import Locale
from flask import Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from api.context import here
from api.languages import chosen
from api.pages.figures import Figure, Writer
from api.pages.files import FORMS, answer_file
from api.pages.frame import Note, Page
from api.pages.narrowing import OURS, Chip, Drill, Drills, chips_of, cleared, filter_added, link, pairs_kept
from api.pages.routes import routes
from api.pages.shown import NOTHING, period_of, word
from api.trust import Audience, audience, site_seen
from tracker.access.sites import Site
from tracker.attribution.models import MODELS
from tracker.attribution.policy import terms_of
from tracker.clock import local_day
from tracker.db.store import Tx, reading
from tracker.errors import Invalid
from tracker.reports.asking import ask
from tracker.reports.catalogue import DIMENSION, METRIC, METRICS, USUAL, Unit
from tracker.reports.query import Query
from tracker.reports.sheet import sheet_of
from tracker.reports.source import Line, Series, open_source, source_report
from tracker.reports.table import UNATTRIBUTED, Column, Meta, Part, Table
from tracker.reports.where import FILTERS, Where
from tracker.vocabulary import Basis, Dimension, Model

# The tiles above the chart; those of RARE only where there is any.
TILES = ("visits", "new_leads", "mql", "sql", "deals", "sales", "customers", "revenue", "cost", "cost_per_lead", "roas")
RARE = frozenset({"mql", "sql", "deals", "customers", "cost_per_lead"})
# Rows on one page of the table.
PAGE_ROWS = 100
CHARTED = tuple(metric.key for metric in METRICS if not metric.unit.is_quotient and metric.key != "visitors")
COMMON_CURRENCIES = ("JPY", "USD", "EUR")
ASKED = ("by", "model", "basis", "currency", "direct", "lookback_days", "scope", "policy", "sort", "compare")
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
    """cells: in the order of the columns; share: how long its bar is, in hundredths; drills: a number per label."""

    labels: tuple[Label, ...]
    cells: tuple[Figure, ...]
    share: float = 0
    drills: tuple[int, ...] = ()


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
    """One page of a report. totals: in the order of the columns; tiles: by metric, also of those that are no column."""

    columns: tuple[ShownColumn, ...]
    rows: tuple[ShownRow, ...]
    totals: tuple[Figure, ...]
    tiles: dict[str, tuple[str, Figure]]
    meta: ShownMeta
    drills: tuple[Drill, ...]
    page: Page
    has_unattributed: bool


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
    lookback_days: int | None
    scope: str
    direct: str
    compare: str
    columns: tuple[str, ...]
    is_usual: bool
    metrics: tuple[tuple[str, str], ...]
    is_global: bool
    chips: tuple[Chip, ...]
    cleared: str
    channels: tuple[str, ...]
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


def asked(tx: Tx, site: Site, today: str) -> tuple[str, Query]:
    """The preset and the query that this page's address asks for; raises Invalid."""
    args = {name: request.args.get(name, "") for name in (*ASKED, "period", "from", "to")}
    word, from_day, to_day = period_of(tx, args, site.site_id, today)
    wanted: dict[str, str | list[str]] = {"from": from_day, "to": to_day}
    wanted |= {name: args[name] for name in ASKED}
    wanted["order"] = request.args.get("dir", "")
    wanted["columns"] = request.args.getlist("columns") or list(USUAL)
    wanted |= {name: request.args.getlist(name) for name in FILTERS}
    return word, ask(tx, wanted, site, today)


@routes.get("/reports/source")
@audience(Audience.PEOPLE)
def source() -> ResponseReturnValue:
    """The Source report; without any site, what to do next."""
    site = site_seen()
    if site is None:
        return render_template("no_site.html")
    if (narrowed := filter_added()) is not None:
        return redirect(request.path + narrowed)
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
        query=shown_query(word, query, table),
        chart=shown_chart(lines, query) if lines else None,
        downloads={form: download(form) for form in FORMS},
    )


@routes.get("/reports/source.<form>")
@audience(Audience.PEOPLE)
def source_file(form: str) -> ResponseReturnValue:
    """The same report as a file, with the columns of the page and all rows: csv, xlsx or json."""
    site = site_seen()
    if site is None:
        return Response(status=404)
    now = here().now()
    with reading(here().engine) as tx:
        _, query = asked(tx, site, local_day(now, site.timezone))
        table = source_report(tx, query, now)
    labels = {column.key: label_of(column) for column in table.columns}
    return answer_file(
        form,
        ("source", query.from_day, query.to_day),
        lambda: [sheet_of(table, gettext("Source report"), labels, about_of(table), gettext("Total"))],
        as_csv=lambda: table.to_csv(labels),
        as_json=table.to_json,
    )


def label_of(column: Column) -> str:
    """What stands above a column of a file."""
    label = str(gettext(column.label))
    if column.part is Part.BEFORE:
        return str(gettext("%(metric)s, before", metric=label))
    return str(gettext("%(metric)s, change", metric=label)) if column.part is Part.CHANGE else label


def about_of(table: Table) -> list[tuple[str, str]]:
    """The rule that the figures carry, for the second sheet of a workbook."""
    meta = table.meta
    return [
        (gettext("Period"), f"{meta.from_day} – {meta.to_day} ({meta.timezone})"),
        (gettext("Attribution model"), word("model_word", meta.model.value)),
        (gettext("Date basis"), word("basis_word", meta.basis.value)),
        (gettext("Currency"), meta.currency or NOTHING),
        *filters_told(meta.where),
        *((gettext("Note"), note.text(gettext)) for note in meta.notes),
        *((gettext(METRIC[key].label), gettext(METRIC[key].definition)) for key in table.metrics),
    ]


def filters_told(where: Where) -> list[tuple[str, str]]:
    """Filters in the reader's language, for a file: value by value."""
    return [
        (
            gettext("Not") if one.excludes else gettext("Filter"),
            f"{gettext(DIMENSION[one.dimension].label)}: {named(one.dimension, value)}",
        )
        for one in where
        for value in one.values
    ]


def named(name: Dimension, value: str) -> str:
    """A value of a dimension in the reader's language, for a file."""
    macro = {Dimension.CHANNEL: "channel_word", Dimension.DEVICE: "device_word"}.get(name)
    return word(macro, value) if macro else displayed(name, value)


def download(form: str) -> str:
    """The address of this report as a file."""
    return url_for("pages.source_file", form=form) + link(pairs_kept())


def shown_report(table: Table, query: Query) -> ShownReport:
    """One page of a report in the reader's language."""
    writer = Writer(query, table)
    first, page = page_of(len(table.rows))
    drills = Drills(query, () if MODELS[query.model].is_global else tuple(DIMENSION))
    sizes = [row.figures.of(query.sort) or 0 for row in table.rows] if query.sort in METRIC else [0]
    rows = []
    for row in table.rows[first : first + PAGE_ROWS]:
        values = None if row.is_unattributed else row.values
        labels = tuple(
            Label(name.value, UNATTRIBUTED if row.is_unattributed else value, displayed(name, value))
            for name, value in zip(query.by, row.values, strict=True)
        )
        size = row.figures.of(query.sort) or 0 if query.sort in METRIC else 0
        share = max(0.6, round(100 * size / max(sizes), 1)) if size > 0 else 0
        ways = () if values is None else tuple(drills.number(values[: i + 1]) for i in range(len(values)))
        rows.append(ShownRow(labels, writer.cells(row.figures, row.before, values), share, ways))
    columns = tuple(
        ShownColumn(key, gettext(METRIC[key].label), TEMPLATE_UNIT[METRIC[key].unit], gettext(METRIC[key].definition))
        for key in table.metrics
    )
    earlier = table.before.totals if table.before else None
    tiles = {
        key: (gettext(METRIC[key].label), writer.figure(table.totals, earlier, key))
        for key in TILES
        if key not in RARE or table.totals.of(key)
    }
    return ShownReport(
        columns=columns,
        rows=tuple(rows),
        totals=writer.cells(table.totals, earlier, ()),
        tiles=tiles,
        meta=shown_meta(table.meta),
        drills=tuple(drills.found),
        page=page,
        has_unattributed=any(row.is_unattributed for row in table.rows[first : first + PAGE_ROWS]),
    )


def page_of(n_rows: int) -> tuple[int, Page]:
    """The first row of the page that ?cursor= names, and its neighbours."""
    given = request.args.get("cursor", "")
    first = int(given) if given.isascii() and given.isdigit() and len(given) < 8 else 0
    first = min(first - first % PAGE_ROWS, max(0, n_rows - 1) // PAGE_ROWS * PAGE_ROWS)
    kept = pairs_kept()
    before = link([*kept, ("cursor", str(first - PAGE_ROWS))]) if first else None
    after = link([*kept, ("cursor", str(first + PAGE_ROWS))]) if first + PAGE_ROWS < n_rows else None
    return first, Page(before, after, n_rows)


def displayed(name: Dimension, value: str) -> str:
    """A value as readers know it: a country by its name."""
    if name is Dimension.COUNTRY and len(value) == 2:
        return str(Locale(chosen()).territories.get(value, value))
    return value


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


def shown_query(word: str, query: Query, table: Table) -> ShownQuery:
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
        lookback_days=query.lookback_days,
        scope=query.scope.value if query.scope else "",
        direct=query.direct.value if query.direct else "",
        compare=query.against.value if query.against else "",
        columns=table.metrics,
        is_usual=query.columns == USUAL,
        metrics=tuple((metric.key, gettext(metric.label)) for metric in METRICS),
        is_global=MODELS[query.model].is_global,
        chips=chips_of(query),
        cleared=cleared(),
        channels=tuple(sorted(OURS[Dimension.CHANNEL] - {UNATTRIBUTED})),
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


def key_of(line: Line, name: Dimension) -> str:
    """What a line of the chart is known by; a stranger's value is never taken for one of our words."""
    if line.is_unattributed:
        return UNATTRIBUTED
    if line.is_rest:
        return "other"
    return f"={line.value}" if name is not Dimension.CHANNEL and line.value in {"other", UNATTRIBUTED} else line.value


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
                key=key_of(line, query.by[0]),
                name=displayed(query.by[0], line.value),
                values=tuple(float(number or 0) for number in line.numbers),
            )
            for line in lines.lines
        ),
    )
