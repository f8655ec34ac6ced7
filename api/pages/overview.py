"""The overview's page and its files; the figures are tracker.reports.overview's, the words overviewwords'."""

from datetime import date

from flask import render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from api.context import here
from api.pages.files import answer_file, files_of
from api.pages.frame import Note
from api.pages.overviewwords import (
    Linker,
    ShownRow,
    bars_of,
    cells_of,
    changed,
    changes_of,
    chart_of,
    rows_of,
    share,
    shown_query,
    sign_of,
    steps_of,
    tiles_of,
)
from api.pages.routes import routes
from api.pages.shown import period_of
from api.pages.source import WARNINGS
from api.trust import Audience, audience, site_seen
from tracker.access.sites import Site
from tracker.clock import local_day
from tracker.db.store import Tx, reading
from tracker.errors import NotFound
from tracker.reports.catalogue import METRIC, Unit
from tracker.reports.overview import (
    BY_CHANNEL,
    LOOP,
    PARAMETERS,
    Overview,
    ask_overview,
    read_overview,
)
from tracker.reports.overviewshown import columns_of, to_csv, to_json
from tracker.reports.query import Query
from tracker.reports.sheet import CellKind, Sheet, SheetColumn
from tracker.reports.table import Figures, to_number

KIND_OF = {
    Unit.COUNT: CellKind.COUNT,
    Unit.CREDIT: CellKind.COUNT,
    Unit.MONEY: CellKind.MONEY,
    Unit.RATIO: CellKind.RATIO,
}


def asked(tx: Tx, site: Site, today: str) -> tuple[str, Query]:
    """The preset and the question that this page's address asks; raises Invalid."""
    args = {name: request.args.get(name, "") for name in (*PARAMETERS, "period")}
    if not (args["period"] or args["from"] or args["to"]):
        args["period"] = "last_28_days"
    word, from_day, to_day = period_of(tx, args, site.site_id, today)
    wanted = {name: args[name] for name in PARAMETERS} | {"from": from_day, "to": to_day}
    return word, ask_overview(tx, wanted, site, today)


@routes.get("/overview")
@audience(Audience.PEOPLE)
def overview() -> ResponseReturnValue:
    """The front page; without any site, what to do next."""
    site = site_seen()
    if site is None:
        return render_template("no_site.html")
    now = here().now()
    with reading(here().engine) as tx:
        word, question = asked(tx, site, local_day(now, site.timezone))
        found = read_overview(tx, question, now)
    metric = request.args.get("chart") or ("revenue" if found.totals.revenue_minor else "visits")
    links = Linker(found)
    return render_template(
        "overview.html",
        found=found,
        query=shown_query(word, found, metric),
        metrics={key: (gettext(METRIC[key].label), gettext(METRIC[key].definition)) for key in LOOP},
        tiles=tiles_of(found, links),
        steps=steps_of(found, links),
        chart=None if found.is_empty else chart_of(found.series(metric), found),
        columns=BY_CHANNEL,
        rows=rows_of(found, links),
        totals=ShownRow(
            "", None, cells_of(found.totals, found, links, ()), changes_of(found.totals, found.earlier.totals)
        ),
        changes=[changed(one, found, links) for one in found.changes],
        health=found.health,
        bars=bars_of(found.health.n_hits),
        last_cost_day=date.fromisoformat(found.health.last_cost_day) if found.health.last_cost_day else None,
        signs=[sign_of(one, links) for one in found.signs],
        journey=None if found.health.journey_ratio is None else share(found.health.journey_ratio),
        unattributed=None if found.health.unattributed_ratio is None else share(found.health.unattributed_ratio),
        without_journey_href=links.rows("new_leads", None),
        unattributed_href=links.rows("revenue", None),
        notes=[Note(one.text(gettext), is_warning=True) for one in found.meta.notes if one.code in WARNINGS],
        downloads=files_of("pages.overview_file"),
        source_href=links.report(),
    )


@routes.get("/overview.<form>")
@audience(Audience.PEOPLE)
def overview_file(form: str) -> ResponseReturnValue:
    """The same figures as a file."""
    site = site_seen()
    if site is None:
        raise NotFound("no site")
    now = here().now()
    with reading(here().engine) as tx:
        _, question = asked(tx, site, local_day(now, site.timezone))
        found = read_overview(tx, question, now)
    labels = {key: label_of(key) for key in columns_of()}
    total = gettext("Total")
    return answer_file(
        form,
        ("overview", question.from_day, question.to_day),
        lambda: [sheet_of(found, labels, total)],
        as_csv=lambda: to_csv(found, labels, total=total),
        as_json=lambda: to_json(found),
    )


def label_of(key: str) -> str:
    """What stands above a column of the file."""
    metric = key.removesuffix("_before")
    if metric not in METRIC:
        return str(gettext("Channel"))
    label = gettext(METRIC[metric].label)
    return str(gettext("%(metric)s, before", metric=label) if key.endswith("_before") else label)


def sheet_of(found: Overview, labels: dict[str, str], total: str) -> Sheet:
    """The table by channel for a spreadsheet."""
    currency = found.query.currency
    columns = [SheetColumn(labels["channel"], key="channel")]
    for key in columns_of()[1:]:
        kind = KIND_OF[METRIC[key.removesuffix("_before")].unit]
        columns.append(SheetColumn(labels[key], kind, key, currency if kind is CellKind.MONEY else None))

    def kept(name: str, now: Figures, before: Figures) -> list[str | int | float | None]:
        numbers = [figures.of(key) for figures in (now, before) for key in LOOP]
        units = [METRIC[key].unit for key in (*LOOP, *LOOP)]
        return [name, *(cell_number(number, unit, currency) for number, unit in zip(numbers, units, strict=True))]

    rows = [kept(row.channel, row.figures, row.before) for row in found.channels]
    about = [
        (gettext("Period"), f"{found.query.from_day} – {found.query.to_day}"),
        (gettext("Compared with"), f"{found.earlier.from_day} – {found.earlier.to_day}"),
        *((gettext(METRIC[key].label), gettext(METRIC[key].definition)) for key in LOOP),
    ]
    return Sheet(gettext("Overview"), columns, rows, about, totals=kept(total, found.totals, found.earlier.totals))


def cell_number(kept: int | float | None, unit: Unit, currency: str | None) -> int | float | None:
    """A figure as a sheet takes it."""
    if unit.is_money:
        return int(kept or 0) if currency and kept is not None else None
    return to_number(kept, unit)
