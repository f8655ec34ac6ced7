"""Path analysis on a page, and the conversions behind its figures. The figures are tracker.reports'; here they are
put into words and links."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby

from babel.numbers import format_percent
from flask import Response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from api.context import here
from api.languages import chosen
from api.pages.deal import CREDITED_BY
from api.pages.files import answer_file, files_of
from api.pages.frame import Note, Page, address, kept_arguments
from api.pages.masked import deal_word, person_word
from api.pages.pathfiles import band_text, sheets_of_paths
from api.pages.routes import routes
from api.pages.shown import NOTHING, Cell, count, money, period_of, ratio
from api.trust import Audience, audience, site_seen
from tracker.access.sites import Site
from tracker.attribution.terms import DirectPolicy
from tracker.clock import local_day
from tracker.db.store import Tx, reading
from tracker.errors import NotFound
from tracker.reports.catalogue import NOTES
from tracker.reports.keeping import engine_of
from tracker.reports.pathrows import WHICH, PathBehind, PathRows, conversions_behind, parse_which
from tracker.reports.pathshown import path_key, to_json
from tracker.reports.pathtables import Group, Move, Place, Role, Spread, Stop
from tracker.reports.pathways import BASES, KINDS, PARAMETERS, Asked, PathReport, ask_paths, path_report
from tracker.vocabulary import Dimension

PAGE_ROWS = 50
# Of a long path the page shows so many steps at its beginning and at its end.
AT_START, AT_END = 6, 5
ASKED = (*PARAMETERS, "policy")


@dataclass(frozen=True, slots=True)
class ShownStep:
    """A value, and how often it stands there after itself; `n_hidden`: so many steps are left out instead."""

    value: str
    times: int = 1
    n_hidden: int = 0


@dataclass(frozen=True, slots=True)
class ShownPath:
    """A line of the frequent paths; `kind`: path, rest or unattributed."""

    kind: str
    steps: tuple[ShownStep, ...]
    n: Cell
    share: str
    share_percent: float
    revenue: Cell | None


@dataclass(frozen=True, slots=True)
class ShownBar:
    """A line of a distribution."""

    label: str
    n: Cell
    percent: float


@dataclass(frozen=True, slots=True)
class ShownSpread:
    median: str
    p90: str
    bars: tuple[ShownBar, ...]


@dataclass(frozen=True, slots=True)
class ShownRole:
    """A line of the parts; `value` is '' for all others together."""

    value: str
    n_others: int
    cells: dict[str, Cell]


@dataclass(frozen=True, slots=True)
class ShownMove:
    before: Place
    after: Place
    step: int
    n: Cell
    share: str


@dataclass(frozen=True, slots=True)
class ShownQuery:
    """What was asked, and what could be."""

    period: str
    from_day: date
    to_day: date
    kind: str
    by: str
    basis: str
    repeats: str
    steps: int
    kinds: tuple[str, ...]
    dimensions: tuple[str, ...]
    bases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ShownRow:
    """A conversion behind a figure. `href`: what explains it, the deal's page or the lead's; None: nothing can."""

    at: datetime
    name: str
    reference: str
    href: str | None
    steps: tuple[ShownStep, ...]
    touches: str
    days: str
    times: int
    revenue: str | None


def asked(tx: Tx, site: Site, today: str) -> tuple[str, Asked]:
    """The preset and the question that this page's address asks; raises Invalid."""
    args = {name: request.args.get(name, "") for name in (*ASKED, "period")}
    word, from_day, to_day = period_of(tx, args, site.site_id, today)
    wanted = {name: args[name] for name in ASKED} | {"from": from_day, "to": to_day}
    return word, ask_paths(tx, wanted, site, today)


@routes.get("/reports/paths")
@audience(Audience.PEOPLE)
def pathways() -> ResponseReturnValue:
    """Path analysis; without any site, what to do next."""
    site = site_seen()
    if site is None:
        return render_template("no_site.html")
    now = here().now()
    with reading(here().engine) as tx:
        word, question = asked(tx, site, local_day(now, site.timezone))
        report = path_report(engine_of(tx), question, now)
    return render_template(
        "pathways.html",
        report=report,
        query=shown_query(word, question),
        tiles=tiles_of(report),
        paths=paths_of(report),
        touches=spread_of(report.touches, "touches"),
        days=spread_of(report.days, "days"),
        roles=roles_of(report),
        transitions=[move_of(one) for one in report.transitions],
        flow=[move_of(one) for one in report.flow],
        notes=notes_of(report),
        downloads=files_of("pages.pathways_file"),
    )


@routes.get("/reports/paths.<form>")
@audience(Audience.PEOPLE)
def pathways_file(form: str) -> ResponseReturnValue:
    """The same as a file: the frequent paths as CSV, all tables as XLSX or JSON."""
    site = site_seen()
    if site is None:
        return Response(status=404)
    now = here().now()
    with reading(here().engine) as tx:
        _, question = asked(tx, site, local_day(now, site.timezone))
        report = path_report(engine_of(tx), question, now)
    parts = ("paths", question.query.from_day, question.query.to_day)
    return answer_file(form, parts, lambda: sheets_of_paths(report), as_json=lambda: to_json(report))


@routes.get("/reports/paths/rows")
@audience(Audience.PEOPLE)
def pathways_rows() -> ResponseReturnValue:
    """A page of the conversions behind a figure."""
    site = site_seen()
    if site is None:
        raise NotFound("no site")
    with reading(here().engine) as tx:
        word, question = asked(tx, site, local_day(here().now(), site.timezone))
        which = parse_which(request.args)
        found = conversions_behind(tx, question, which, request.args.get("cursor") or None, PAGE_ROWS)
    currency = question.query.currency
    return render_template(
        "pathways_rows.html",
        query=shown_query(word, question),
        which=which,
        figure=count(found.n),
        revenue=None if found.revenue_minor is None else money(found.revenue_minor, currency or ""),
        rows=[row_of(one, currency) for one in found.rows],
        page=page_of(found),
        back_href=address(url_for("pages.pathways"), kept_arguments(*WHICH)),
    )


# --- into words -----------------------------------------------------------------------------------------------------


def rows_href(**which: str | int | None) -> str:
    """The address of the conversions behind a figure of this page."""
    kept = kept_arguments(*WHICH)
    given = {name: value for name, value in which.items() if value is not None}
    return address(url_for("pages.pathways_rows"), {**kept, **given})


def figure(n: int, **which: str | int | None) -> Cell:
    """A count that leads to its conversions."""
    return Cell(n, count(n), rows_href(**which) if n else None)


def money_cell(amount_minor: int | None, currency: str | None, **which: str | int | None) -> Cell:
    """An amount that leads to its conversions; a dash where there is no money."""
    if amount_minor is None or currency is None:
        return Cell(None, NOTHING)
    return Cell(amount_minor, money(amount_minor, currency), rows_href(**which) if amount_minor else None)


def percent(share: float | None) -> str:
    """A share with one decimal."""
    return NOTHING if share is None else str(format_percent(share, "#,##0.0%", locale=chosen()))


def shown_query(word: str, question: Asked) -> ShownQuery:
    """What was asked."""
    query = question.query
    return ShownQuery(
        period=word,
        from_day=date.fromisoformat(query.from_day),
        to_day=date.fromisoformat(query.to_day),
        kind=question.kind.value,
        by=query.by[0].value,
        basis=query.basis.value,
        repeats=question.repeats.value,
        steps=question.steps,
        kinds=tuple(kind.value for kind in KINDS),
        dimensions=tuple(name.value for name in Dimension),
        bases=tuple(basis.value for basis in BASES),
    )


def tiles_of(report: PathReport) -> list[tuple[str, Cell]]:
    """The figures above all others."""
    totals, currency = report.totals, report.asked.query.currency
    found = [
        (gettext("Conversions"), figure(totals.conversions)),
        (gettext("With a path"), Cell(totals.explained, count(totals.explained))),
        (gettext("Touches, median"), Cell(None, number(report.touches.median))),
        (gettext("Days, median"), Cell(None, number(report.days.median))),
    ]
    if totals.revenue_minor is not None:
        found.append((gettext("Revenue"), money_cell(totals.revenue_minor, currency)))
    return found


def number(size: float | None) -> str:
    """A number of a distribution."""
    return NOTHING if size is None else count(size)


def steps_of(values: Sequence[str]) -> tuple[ShownStep, ...]:
    """A path's steps, equal neighbours together; of a long one the beginning and the end."""
    steps = tuple(ShownStep(value, len(list(those))) for value, those in groupby(values))
    if len(steps) <= AT_START + AT_END + 1:
        return steps
    hidden = sum(one.times for one in steps[AT_START:-AT_END])
    return (*steps[:AT_START], ShownStep("", n_hidden=hidden), *steps[-AT_END:])


def paths_of(report: PathReport) -> list[ShownPath]:
    """The frequent paths, then all others, then those that no touch explains."""
    groups, currency = report.groups, report.asked.query.currency
    has_money = report.totals.revenue_minor is not None
    most = max((group.n for group in (*groups.shown, groups.unattributed)), default=0)

    def line(kind: str, group: Group, **which: str | int | None) -> ShownPath:
        is_listed = kind != "rest"
        revenue = money_cell(group.revenue_minor, currency, **which)
        return ShownPath(
            kind,
            steps_of(group.values),
            figure(group.n, **which) if is_listed else Cell(group.n, count(group.n)),
            percent(report.share(group.n)),
            100 * group.n / most if most and is_listed else 0,
            None if not has_money else revenue if is_listed else Cell(revenue.value, revenue.text),
        )

    found = [line("path", group, path=path_key(group.values)) for group in groups.shown]
    if groups.n_rest:
        found.append(line("rest", groups.rest))
    if groups.unattributed.n or groups.unattributed.revenue_minor:
        found.append(line("unattributed", groups.unattributed, unattributed=1))
    return found


def spread_of(spread: Spread, name: str) -> ShownSpread:
    """A distribution with a bar a band; empty bands at the end are left out."""
    bands = list(spread.bands)
    while bands and not bands[-1].n:
        bands.pop()
    most = max((band.n for band in bands), default=0)
    bars = []
    for band in bands:
        bars.append(ShownBar(band_text(band), figure(band.n, **{name: band.first}), 100 * band.n / most))
    return ShownSpread(number(spread.median), number(spread.p90), tuple(bars))


def roles_of(report: PathReport) -> list[ShownRole]:
    """The parts of the values, then of all others together."""
    currency = report.asked.query.currency
    parts = {"n": "any", "first": "first", "assist": "assist", "last": "last", "only": "only"}

    def line(one: Role, n_others: int) -> ShownRole:
        named = {} if n_others else {"value": one.value}
        cells = {}
        for name, part in parts.items():
            n = int(getattr(one, name))
            cells[name] = Cell(n, count(n)) if n_others else figure(n, **named, part=part)
        cells["ratio"] = Cell(None, NOTHING) if one.ratio is None else Cell(one.ratio, ratio(one.ratio))
        for name, amount, part in (
            ("assist_revenue", one.assist_minor, "assist"),
            ("closing_revenue", one.closing_minor, "closing"),
        ):
            found = money_cell(amount, currency, **named, part=part)
            cells[name] = Cell(found.value, found.text) if n_others else found
        return ShownRole(one.value, n_others, cells)

    found = [line(one, 0) for one in report.roles]
    if report.roles_rest is not None:
        found.append(line(report.roles_rest, report.n_values - len(report.roles)))
    return found


def move_of(one: Move) -> ShownMove:
    """A transition; one that names both of its places leads to its conversions."""
    stops = {one.before.stop, one.after.stop}
    which: dict[str, str | int | None] = {
        "before": one.before.value,
        "after": one.after.value,
        "start": 1 if one.before.stop is Stop.START else None,
        "end": 1 if one.after.stop is Stop.CONVERSION else None,
        "step": one.step or None,
    }
    is_named = not stops & {Stop.OTHER, Stop.FURTHER}
    n = figure(one.n, **which) if is_named else Cell(one.n, count(one.n))
    return ShownMove(one.before, one.after, one.step, n, percent(one.share))


def notes_of(report: PathReport) -> list[Note]:
    """What the reader must know."""
    found = []
    if report.unconverted:
        codes, text = ", ".join(one.currency for one in report.unconverted), NOTES["unconverted"]
        found.append(Note(gettext(text) % {"currencies": codes}, is_warning=True))
    if report.direct is DirectPolicy.LAST_RESORT:
        found.append(Note(gettext("Direct visits are on a path only when nothing else is.")))
    return found


def row_of(one: PathBehind, currency: str | None) -> ShownRow:
    """A conversion in the reader's language."""
    kept = {name: value for name, value in kept_arguments().items() if name in CREDITED_BY}
    href = url_for("pages.conversion", conversion_id=one.conversion_id) if not one.deal_id else None
    if one.reference:
        href = url_for("pages.deal", reference=one.reference)
    name = deal_word(one.reference or "", one.name)
    if one.contact:
        name = person_word(one.contact.contact_id, one.contact.name, one.contact.email)
    return ShownRow(
        at=one.occurred_at,
        name=name or one.reference or NOTHING,
        reference=one.reference or "",
        href=address(href, kept) if href else None,
        steps=steps_of(one.values),
        touches=count(one.n_touches),
        days=number(one.days),
        times=one.times,
        revenue=None if one.revenue_minor is None else money(one.revenue_minor, currency or ""),
    )


def page_of(found: PathRows) -> Page:
    """Paging: on by cursor, back to the first page."""
    kept = kept_arguments()
    first = address(request.path, kept) if request.args.get("cursor") else None
    after = address(request.path, {**kept, "cursor": found.next_cursor}) if found.next_cursor else None
    return Page(first, after, found.n_rows)
