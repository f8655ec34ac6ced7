"""Answers side by side: one question in two to four ways, row by row, with the change against the first."""

from dataclasses import dataclass
from datetime import date

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from api.context import here
from api.pages.files import answer_file, files_of
from api.pages.frame import Note
from api.pages.narrowing import OURS, Chip, chips_of, cleared, filter_added, link, pairs_kept
from api.pages.pathfiles import sheets_of_comparison
from api.pages.routes import routes
from api.pages.shown import NOTHING, Cell, count, money, percent, period_of, ratio, word
from api.pages.source import filters_told
from api.trust import Audience, audience, site_seen
from tracker.access.sites import Site
from tracker.attribution.policies import versions_of
from tracker.clock import local_day
from tracker.db.store import Tx, reading
from tracker.errors import Invalid, NotFound
from tracker.reports.catalogue import DIMENSION, METRIC, METRICS, Unit
from tracker.reports.compare import MOST, Column, Compared, Comparison, compare, to_json, written
from tracker.reports.table import UNATTRIBUTED, Change, to_number
from tracker.reports.where import FILTERS, ONLY
from tracker.vocabulary import Basis, Dimension, Model

SLOTS = range(MOST)
OWN = ("model", "basis", "lookback_days", "policy")
USUAL = "model:first;model:last_non_direct;model:linear"
SHARED = ("by", "currency")
MOST_VERSIONS = 50
# What a filter changes, by the codes of the notes (catalogue.NOTES).
OF_FILTERS = frozenset({"filtered", "costs_unknown"})


@dataclass(frozen=True, slots=True)
class ShownColumn:
    """One way to answer, and where its own report is. `lookback_days` and `policy` are texts, empty where not asked."""

    model: str
    basis: str
    lookback_days: str
    policy: str
    policy_version: int
    href: str


@dataclass(frozen=True, slots=True)
class ShownRow:
    """A row: the first dimension's value; a figure and its change for each column, the change empty for the first.

    only_href  the page narrowed to this value; None where no touch has it, or it is narrowed to it already
    """

    label: str
    value: str
    only_href: str | None
    cells: tuple[tuple[Cell, str, str], ...]


@dataclass(frozen=True, slots=True)
class ShownQuery:
    """What is common to all columns, and what could be asked."""

    period: str
    from_day: date
    to_day: date
    by: tuple[str, ...]
    metric: str
    chips: tuple[Chip, ...]
    cleared: str
    channels: tuple[str, ...]
    dimensions: tuple[str, ...]
    metrics: tuple[tuple[str, str], ...]


@routes.get("/reports/compare", endpoint="compare")
@audience(Audience.PEOPLE)
def compare_page() -> ResponseReturnValue:
    """The comparison that the address asks for; without columns, three models."""
    site = site_seen()
    if site is None:
        return render_template("no_site.html")
    if (narrowed := filter_added()) is not None:
        return redirect(request.path + narrowed)
    with reading(here().engine) as tx:
        period, args = asked(tx, site)
        found = compared(tx, args)
        versions = [one.version for one in versions_of(tx, site.site_id, MOST_VERSIONS)]
    return render_template(
        "compare.html",
        query=shown_query(period, args, found),
        slots=slots_of(found),
        columns=[column_shown(one, args) for one in found.columns],
        rows=[row_shown(one, found, args) for one in found.rows],
        totals=row_shown(found.totals, found, args),
        is_whole=found.is_whole,
        notes=notes_of(found),
        metric_label=gettext(METRIC[found.metric].label),
        models=tuple(Model),
        bases=tuple(Basis),
        versions=[*versions, 0],
        timezone=site.timezone,
        downloads=files_of("pages.compare_file"),
    )


def asked(tx: Tx, site: Site) -> tuple[str, dict[str, str]]:
    """The preset and the parameters that this page's address asks for."""
    today = local_day(here().now(), site.timezone)
    period, from_day, to_day = period_of(tx, dict(request.args), site.site_id, today)
    args = {name: request.args.get(name, "") for name in SHARED} | {"from": from_day, "to": to_day}
    args["by"] = args["by"] if args["by"] in tuple(Dimension) else Dimension.CHANNEL.value
    args["metric"] = request.args.get("metric", "")
    return period, args


@routes.get("/reports/compare.<form>", endpoint="compare_file")
@audience(Audience.PEOPLE)
def compare_file(form: str) -> ResponseReturnValue:
    """The same comparison as a file: csv, xlsx or json."""
    site = site_seen()
    if site is None:
        raise NotFound("no site")
    with reading(here().engine) as tx:
        _, args = asked(tx, site)
        found = compared(tx, args)
    names = [column_name(one) for one in found.columns]
    by = gettext(DIMENSION[Dimension(args["by"])].label)
    about = [
        (gettext("Period"), f"{args['from']} – {args['to']} ({site.timezone})"),
        *(
            (name, gettext("Attribution settings, version %(n)s", n=one.meta.policy_version))
            for name, one in zip(names, found.columns, strict=True)
        ),
        (gettext("Currency"), found.currency or "–"),
        *filters_told(found.columns[0].query.where),
        *((gettext("Note"), note.text) for note in notes_of(found)),
    ]
    parts = ("compare", args["from"], args["to"])
    return answer_file(
        form, parts, lambda: sheets_of_comparison(found, names, by, about), as_json=lambda: to_json(found)
    )


def column_name(column: Column) -> str:
    """One way to answer, in the reader's words: its model, dates, look-back and settings."""
    own = column.asked
    texts = [word("model_word", column.query.model.value), word("basis_word", column.query.basis.value)]
    if own.get("lookback_days"):
        texts.append(gettext("%(n)s days", n=own["lookback_days"]))
    if own.get("policy"):
        texts.append(gettext("version %(n)s", n=column.meta.policy_version))
    return " · ".join(texts)


def compared(tx: Tx, args: dict[str, str]) -> Comparison:
    """The comparison; what cannot be made is said, and the usual one shown in its place."""
    site = site_seen()
    assert site is not None
    wanted = request.args.get("columns") or columns_chosen() or USUAL
    try:
        return compare(tx, {**narrowed(args), "columns": wanted}, site, here().now())
    except (Invalid, NotFound) as error:
        # Of a dimension and of a filter: some models know channels alone.
        if error.field not in {"columns", "policy", "metric", "by", *OWN, *FILTERS}:
            raise
        flash(
            gettext("This model has not been fitted on this site's paths yet.")
            if error.field == "model"
            else gettext("These cannot be compared; here are three models."),
            "error",
        )
        return compare(tx, {**narrowed(args), "metric": "", "columns": USUAL}, site, here().now())


def narrowed(args: dict[str, str]) -> dict[str, str | list[str]]:
    """The parameters with the filters of this page's address."""
    return {**args, **{name: request.args.getlist(name) for name in FILTERS}}


def notes_of(found: Comparison) -> list[Note]:
    """What the filters do to the figures of all columns."""
    return [Note(note.text(gettext)) for note in found.columns[0].meta.notes if note.code in OF_FILTERS]


def columns_chosen() -> str:
    """The columns that the form asks for, as compare.parse_columns reads them; '' where it asks for less than two."""
    chosen = []
    for slot in SLOTS:
        own = {name: request.args.get(f"{name}_{slot}", "").strip() for name in OWN}
        if own["model"]:
            chosen.append({name: value for name, value in own.items() if value})
    return written(chosen) if len(chosen) > 1 else ""


def slots_of(found: Comparison) -> list[dict[str, str]]:
    """What stands in the form: the columns there are, then empty ones."""
    filled = [{"model": one.query.model.value, **one.asked} for one in found.columns]
    empty = dict.fromkeys(OWN, "")
    return [{**empty, **(filled[slot] if slot < len(filled) else {})} for slot in SLOTS]


def shown_query(word: str, args: dict[str, str], found: Comparison) -> ShownQuery:
    """What was asked of all columns."""
    return ShownQuery(
        period=word,
        from_day=date.fromisoformat(args["from"]),
        to_day=date.fromisoformat(args["to"]),
        by=(args["by"],),
        metric=found.metric,
        chips=chips_of(found.columns[0].query),
        cleared=cleared(),
        channels=tuple(sorted(OURS[Dimension.CHANNEL] - {UNATTRIBUTED})),
        dimensions=tuple(Dimension(key).value for key in DIMENSION),
        metrics=tuple((metric.key, gettext(metric.label)) for metric in METRICS),
    )


def asked_of(column: Column, args: dict[str, str]) -> list[tuple[str, str]]:
    """The parameters of a column's own Source report."""
    kept = {name: args[name] for name in (*SHARED, "from", "to") if args[name]}
    filters = [(one.parameter, value) for one in column.query.where for value in one.values]
    return [("period", "custom"), *kept.items(), *column.asked.items(), *filters]


def column_shown(column: Column, args: dict[str, str]) -> ShownColumn:
    """One column's head."""
    return ShownColumn(
        model=column.query.model.value,
        basis=column.query.basis.value,
        lookback_days=column.asked.get("lookback_days", ""),
        policy=column.asked.get("policy", ""),
        policy_version=column.meta.policy_version,
        href=url_for("pages.source") + link(asked_of(column, args)),
    )


def row_shown(row: Compared, found: Comparison, args: dict[str, str]) -> ShownRow:
    """One row in the reader's language; each figure leads to the rows behind it."""
    unit = METRIC[found.metric].unit
    cells = []
    for i, column in enumerate(found.columns):
        kept = row.figures[i]
        href = None if unit.is_quotient or not kept else behind(column, args, found.metric, row)
        is_first = i == 0
        cells.append(
            (
                Cell(kept, figure_text(kept, unit, found.currency), href),
                "" if is_first else change_text(row.changes[i], unit, found.currency),
                "" if is_first or row.changes[i].ratio is None else percent(row.changes[i].ratio or 0),
            )
        )
    value = UNATTRIBUTED if row.values is None else "".join(row.values[:1])
    return ShownRow(value if row.values is None else args["by"], value, only_href(row, args["by"]), tuple(cells))


def only_href(row: Compared, by: str) -> str | None:
    """This page narrowed to a row's value, by the dimension of the rows."""
    if not row.values:
        return None
    parameter = f"{ONLY}{by}"
    if request.args.getlist(parameter) == [row.values[0]]:
        return None
    return link([*pairs_kept(parameter), (parameter, row.values[0])])


def behind(column: Column, args: dict[str, str], metric: str, row: Compared) -> str:
    """The address of the rows behind a figure."""
    named = {"unattributed": "1"} if row.values is None else {f"is_{args['by']}": one for one in row.values}
    return url_for("pages.source_rows") + link([*asked_of(column, args), ("metric", metric), *named.items()])


def figure_text(kept: float | None, unit: Unit, currency: str | None) -> str:
    """A figure, or the difference of two."""
    if kept is None or (unit.is_money and currency is None):
        return NOTHING
    if unit.is_money:
        return money(int(kept), currency or "")
    return ratio(kept) if unit is Unit.RATIO else count(to_number(kept, unit) or 0)


def change_text(change: Change, unit: Unit, currency: str | None) -> str:
    """A difference with its sign."""
    text = figure_text(change.amount, unit, currency)
    return f"+{text}" if change.amount and change.amount > 0 and text != NOTHING else text
