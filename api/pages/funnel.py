"""The Funnel report's page, and its downloads. The figures are tracker.reports'; here they are put into words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from flask import Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from api.context import here
from api.pages.figures import shown_change
from api.pages.files import FORMS, answer_file
from api.pages.frame import Note
from api.pages.funnel_asked import asked
from api.pages.funnel_rows import PersonRow, days_word, person_row
from api.pages.narrowing import OURS, Chip, chips_of, cleared, filter_added, link, pairs_kept
from api.pages.opportunities import heat, share
from api.pages.routes import routes
from api.pages.shown import NOTHING, Cell, count, word
from api.pages.source import displayed
from api.trust import Audience, audience, site_seen
from tracker.attribution.touches import DAY_MS
from tracker.clock import local_day
from tracker.db.store import reading
from tracker.reports.catalogue import DIMENSION, Unit
from tracker.reports.funnel import (
    Asked,
    Figures,
    Pair,
    Report,
    Scene,
    SourceLine,
    StageLine,
    Touch,
    report_of,
)
from tracker.reports.funnel_facts import OWN, days_before, facts_of, funnel_report
from tracker.reports.funnel_rows import Rows, Which, behind
from tracker.reports.funnel_shown import (
    COMPANIES,
    FIGURES,
    TOUCHES,
    VISITORS,
    VISITORS_TEXT,
    notes_of,
    sheets_of,
    to_json,
)
from tracker.reports.funnel_ways import Spread
from tracker.reports.table import UNATTRIBUTED
from tracker.vocabulary import Dimension, Scope, Stage

# So many sources are lines of the page; all are in the files.
MOST_SOURCES, MOST_LISTED = 100, 10
CELLS = ("reached", "entered")
IN_STAGE = ("entered", "reached", "conversion", "median_days", "p90_days", "standing", "stuck", "drop_off")


@dataclass(frozen=True, slots=True)
class ShownFigure:
    """A column: its name, its meaning, its unit for the template."""

    key: str
    label: str
    definition: str
    unit: str


@dataclass(frozen=True, slots=True)
class Changed:
    """A figure, and how it is against the period beside; change is '' where there is none."""

    cell: Cell
    change: str = ""
    before: str = ""


@dataclass(frozen=True, slots=True)
class Tile:
    label: str
    figure: Changed


@dataclass(frozen=True, slots=True)
class Step:
    """A bar of the funnel. width, next_width: percent of the first bar's."""

    stage: str
    people: Cell
    of_first: str
    of_before: str
    width: float
    next_width: float


@dataclass(frozen=True, slots=True)
class ShownStage:
    name: str
    is_step: bool
    cells: dict[str, Changed]
    usual: str
    n_usual: int


@dataclass(frozen=True, slots=True)
class ShownSource:
    value: str
    display: str
    is_unattributed: bool
    visitors: Cell
    named: Cell
    stages: tuple[Cell, ...]
    reached: Cell
    converted: Cell
    conversion: Changed
    timed: str


@dataclass(frozen=True, slots=True)
class ShownPair:
    """A cell of the matrix; None in its place where there is no such step."""

    cell: Cell
    under: str
    title: str
    heat: int


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """stage: '' for the browsers."""

    stage: str
    n: Cell
    pairs: tuple[ShownPair | None, ...]


@dataclass(frozen=True, slots=True)
class MonthRow:
    month: date
    reached: Cell
    pairs: tuple[ShownPair, ...]
    is_young: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """The latest of who is stuck or has dropped off, and where all of them are."""

    people: tuple[PersonRow, ...]
    n: int
    href: str


@dataclass(frozen=True, slots=True)
class ShownQuery:
    """What was asked, and what could be."""

    period: str
    from_day: date
    to_day: date
    before: tuple[date, date] | None
    by: tuple[str, ...]
    touch: str
    scope: str
    from_stage: str
    to_stage: str
    compare: str
    cell: str
    steps: tuple[str, ...]
    later: tuple[str, ...]
    touches: tuple[tuple[str, str], ...]
    dimensions: tuple[str, ...]
    channels: tuple[str, ...]
    chips: tuple[Chip, ...]
    cleared: str
    timezone: str
    policy_version: int
    generated_at: datetime


@routes.get("/reports/funnel")
@audience(Audience.PEOPLE)
def funnel() -> ResponseReturnValue:
    """The Funnel report; without any site, what to do next."""
    site = site_seen()
    if site is None:
        return render_template("no_site.html")
    if (narrowed := filter_added()) is not None:
        return redirect(request.path + narrowed)
    now = here().now()
    with reading(here().engine) as tx:
        preset, question = asked(tx, site, local_day(now, site.timezone))
        facts = facts_of(tx, question)
        scene = Scene(facts, question, now)
        report = report_of(facts, scene, days_before(question.query))
        lists = {name: behind(tx, facts, scene, Which(name, ""), None, MOST_LISTED) for name in ("stuck", "dropped")}
    cell = request.args.get("cell", "")
    cell = cell if cell in CELLS else CELLS[0]
    words = Words(report)
    return render_template(
        "funnel.html",
        query=shown_query(preset, report, cell),
        tiles=words.tiles(),
        steps=words.steps(),
        columns=[figure_of(key) for key in IN_STAGE],
        visitors=words.visitors(),
        visitors_figure=ShownFigure("visitors", gettext(VISITORS), gettext(VISITORS_TEXT), "count"),
        stages=[words.stage(one) for one in report.stages],
        stage_names=report.line.names,
        sources=[words.source(one, cell) for one in report.sources[:MOST_SOURCES]],
        totals=words.totals(cell),
        n_left_out=max(0, len(report.sources) - MOST_SOURCES),
        matrix=words.matrix(),
        months=words.months(),
        stuck=listing(lists["stuck"], question, "stuck"),
        dropped=listing(lists["dropped"], question, "dropped"),
        notes=[Note(one.text(gettext)) for one in notes_of(report)],
        rule=gettext(TOUCHES[question.touch.value]),
        rule_of_companies=gettext(COMPANIES) if question.scope is Scope.COMPANY else "",
        n_in_stages=report.n_staged,
        n_without=max(0, report.n_all - report.n_staged),
        downloads={form: url_for("pages.funnel_file", form=form) + link(pairs_kept("cell")) for form in FORMS},
    )


@routes.get("/reports/funnel.<form>")
@audience(Audience.PEOPLE)
def funnel_file(form: str) -> ResponseReturnValue:
    """The same report as a file: csv (by source), xlsx or json (all tables)."""
    site = site_seen()
    if site is None:
        return Response(status=404)
    now = here().now()
    with reading(here().engine) as tx:
        _, question = asked(tx, site, local_day(now, site.timezone))
        report = funnel_report(tx, question, now)
    called = {name: word("stage_word", name) for name in report.line.names}
    parts = ("funnel", question.query.from_day, question.query.to_day)
    return answer_file(form, parts, lambda: sheets_of(report, gettext, called), as_json=lambda: to_json(report))


def figure_of(key: str) -> ShownFigure:
    """A figure's name and meaning."""
    metric = FIGURES[key]
    unit = "ratio" if metric.unit is Unit.RATIO else "count"
    return ShownFigure(key, gettext(metric.label), gettext(metric.definition), unit)


def lasted(spread: Spread) -> str:
    """Median and p90 in words: '4 d, p90 12 d'."""
    if spread.median_ms is None:
        return NOTHING
    text: str = gettext("%(median)s, p90 %(p90)s", median=time_word(spread.median_ms), p90=time_word(spread.p90_ms))
    return text


def time_word(lasted_ms: int | None) -> str:
    """A time in days, in hours where it is shorter than one."""
    return days_word(None if lasted_ms is None else lasted_ms / DAY_MS)


def share_text(number: float | None) -> str:
    """A share of a whole, or nothing."""
    return NOTHING if number is None else share(number)


def rows_href(metric: str, stage: str, **more: str) -> str:
    """The address of the people behind a figure."""
    named = [("metric", metric), ("stage", stage), *more.items()]
    return url_for("pages.funnel_rows") + link([*pairs_kept("cell"), *named])


def behind_of(n: int, metric: str, stage: str, **more: str) -> Cell:
    """A count, leading to whom it counts; nobody leads nowhere."""
    return Cell(n, count(n), rows_href(metric, stage, **more) if n else None)


def against(now: float | None, before: float | None) -> tuple[str, str]:
    """How a figure changed, and what it was; '' where nothing can be said."""
    if now is None or before is None:
        return "", ""
    if before == 0:
        return (gettext("new"), "0") if now else ("", "")
    return ("±0%" if now == before else shown_change((now - before) / before)), str(before)


class Words:
    """A report in the reader's language."""

    def __init__(self, report: Report) -> None:
        self.report, self.asked = report, report.asked
        self.has_before = report.before_days is not None

    def counted(self, cell: Cell, before: int | None) -> Changed:
        """A count beside what it was."""
        change, _ = against(float(str(cell.value)), before) if before is not None else ("", "")
        return Changed(cell, change, "" if before is None else count(before))

    def shared(self, number: float | None, before: float | None, href: str | None = None) -> Changed:
        """A share beside what it was."""
        change, _ = against(number, before)
        return Changed(Cell(number, share_text(number), href), change, share_text(before) if change else "")

    def tiles(self) -> list[Tile]:
        """The asked pair in short."""
        pair, before = self.report.pair, self.report.pair_before
        start, end = self.asked.from_stage, self.asked.to_stage
        stuck = sum(one.figures.stuck for one in self.report.stages)
        reached = behind_of(pair.reached, "reached", start)
        converted = behind_of(pair.converted, "converted", start, then=end)
        name = {"from": word("stage_word", start), "to": word("stage_word", end)}
        return [
            Tile(
                gettext("Reached %(stage)s", stage=name["from"]),
                self.counted(reached, before.reached if before else None),
            ),
            Tile(
                gettext("of these now %(stage)s", stage=name["to"]),
                self.counted(converted, before.converted if before else None),
            ),
            Tile(gettext("Conversion rate"), self.shared(pair.conversion, before.conversion if before else None)),
            Tile(gettext("Time taken (median)"), Changed(Cell(0, time_word(pair.timed.median_ms)))),
            Tile(gettext("Time taken (p90)"), Changed(Cell(0, time_word(pair.timed.p90_ms)))),
            Tile(gettext("Stuck now"), Changed(behind_of(stuck, "stuck", ""))),
        ]

    def steps(self) -> list[Step]:
        """The funnel of those who reached the asked stage."""
        names, start = self.report.steps, self.report.place(self.asked.from_stage)
        numbers = [self.report.pair.reached]
        numbers += [self.report.pairs[start, place].converted for place in range(start + 1, len(names))]
        first = numbers[0]
        found = []
        for i, n in enumerate(numbers):
            stage, following = names[start + i], numbers[i + 1] if i + 1 < len(numbers) else 0
            cell = behind_of(n, "converted", self.asked.from_stage, then=stage) if i else behind_of(n, "reached", stage)
            found.append(
                Step(
                    stage,
                    cell,
                    share_text(n / first if first else None),
                    share_text(n / numbers[i - 1] if i and numbers[i - 1] else None) if i else "",
                    100 * n / first if first else 0,
                    100 * following / first if first else 0,
                )
            )
        return found

    def visitors(self) -> dict[str, Changed] | None:
        """The browsers of the period."""
        line = self.report.visitors
        if line is None:
            return None
        seen = Cell(line.visitors, count(line.visitors), visitors_href() if line.visitors else None)
        named = behind_of(line.named, "named", "lead")
        part = line.named / line.visitors if line.visitors else None
        before = (
            line.named_before / line.visitors_before if line.visitors_before and line.named_before is not None else None
        )
        return {
            "visitors": self.counted(seen, line.visitors_before),
            "named": self.counted(named, line.named_before),
            "conversion": self.shared(part, before),
        }

    def stage(self, line: StageLine) -> ShownStage:
        """A line of the stages."""
        return ShownStage(
            line.name,
            line.is_on_line,
            {key: self.stage_cell(line, key) for key in IN_STAGE},
            time_word(line.usual.p90_ms),
            line.usual.n,
        )

    def stage_cell(self, line: StageLine, key: str) -> Changed:
        """A figure of a stage."""
        own, name, before = line.figures, line.name, line.before
        is_open = line.is_on_line and not line.is_last
        if key in {"entered", "reached"}:
            n = own.entered if key == "entered" else own.reached
            was = None if before is None else before.entered if key == "entered" else before.reached
            return self.counted(behind_of(n, key, name), was)
        if key == "conversion":
            if not is_open:
                return Changed(Cell(None, NOTHING))
            following = self.report.steps[self.report.place(name) + 1]
            href = rows_href("converted", name, then=following) if own.advanced else None
            return self.shared(own.conversion, before.conversion if before else None, href)
        if key in {"median_days", "p90_days"}:
            spread = own.timed.median_ms if key == "median_days" else own.timed.p90_ms
            return Changed(Cell(spread, time_word(spread)))
        if key == "drop_off":
            href = rows_href("dropped", name) if own.dropped else None
            return self.shared(own.drop_off, before.drop_off if before else None, href)
        return Changed(behind_of(own.standing if key == "standing" else own.stuck, key, name))

    def source(self, line: SourceLine, key: str) -> ShownSource:
        """A line of the sources."""
        which = {"unattributed": "1"} if line.is_unattributed else {"is": line.value}
        by, names = self.asked.query.by[0], self.report.line.names
        start, end = self.asked.from_stage, self.asked.to_stage
        numbers = line.reached if key == "reached" else line.entered
        return ShownSource(
            UNATTRIBUTED if line.is_unattributed else line.value,
            displayed(by, line.value),
            line.is_unattributed,
            Cell(None, NOTHING) if line.visitors is None else Cell(line.visitors, count(line.visitors)),
            Cell(None, NOTHING) if line.named is None else behind_of(line.named, "named", "lead", **which),
            tuple(behind_of(n, key, name, **which) for name, n in zip(names, numbers, strict=True)),
            behind_of(line.pair.reached, "reached", start, **which),
            behind_of(line.pair.converted, "converted", start, then=end, **which),
            self.shared(line.pair.conversion, line.before.conversion if line.before else None),
            lasted(line.pair.timed),
        )

    def totals(self, key: str) -> ShownSource:
        """The line over all sources."""
        pair, before, seen = self.report.pair, self.report.pair_before, self.visitors()
        start, end = self.asked.from_stage, self.asked.to_stage

        def number(own: Figures) -> int:
            return own.reached if key == "reached" else own.entered

        return ShownSource(
            "",
            "",
            False,
            seen["visitors"].cell if seen else Cell(None, NOTHING),
            seen["named"].cell if seen else Cell(None, NOTHING),
            tuple(behind_of(number(one.figures), key, one.name) for one in self.report.stages),
            behind_of(pair.reached, "reached", start),
            behind_of(pair.converted, "converted", start, then=end),
            self.shared(pair.conversion, before.conversion if before else None),
            lasted(pair.timed),
        )

    def matrix(self) -> list[MatrixRow]:
        """From each stage to each later one; the browsers first."""
        names, pairs, line = self.report.steps, self.report.pairs, self.report.visitors
        found = []
        if line is not None:
            named = rows_href("named", Stage.LEAD.value) if line.named else None
            seen = []
            for name, n in zip(names, line.converted, strict=True):
                text = share_text(n / line.visitors if line.visitors else None)
                seen.append(pair_of(n, line.visitors, Cell(n, text, named if name == Stage.LEAD else None), ""))
            first_cell = Cell(line.visitors, count(line.visitors), visitors_href() if line.visitors else None)
            found.append(MatrixRow("", first_cell, tuple(seen)))
        for i, name in enumerate(names[:-1]):
            first = next(one for one in self.report.stages if one.name == name)
            cells: list[ShownPair | None] = [None] * (i + 1)
            cells += [self.pair_cell(pairs[i, j], name, names[j]) for j in range(i + 1, len(names))]
            found.append(MatrixRow(name, behind_of(first.figures.reached, "reached", name), tuple(cells)))
        return found

    def pair_cell(self, pair: Pair, start: str, end: str, **more: str) -> ShownPair:
        """From a stage to a later one."""
        href = rows_href("converted", start, then=end, **more) if pair.converted else None
        title = lasted(pair.timed)
        return pair_of(
            pair.converted,
            pair.reached,
            Cell(pair.conversion, share_text(pair.conversion), href),
            "" if title == NOTHING else title,
        )

    def months(self) -> list[MonthRow]:
        """The cohorts by month, the latest first."""
        start = self.asked.from_stage
        later = self.report.steps[self.report.place(start) + 1 :]
        found = []
        for one in reversed(self.report.months):
            cells = [
                self.pair_cell(Pair(one.reached, n), start, name, month=one.month)
                for name, n in zip(later, one.converted, strict=True)
            ]
            reached = behind_of(one.reached, "reached", start, month=one.month)
            found.append(MonthRow(date.fromisoformat(f"{one.month}-01"), reached, tuple(cells), one.is_young))
        return found


def pair_of(n: int, whole: int, cell: Cell, title: str) -> ShownPair:
    """A share with what it is of."""
    text = gettext("%(n)s of %(all)s", n=count(n), all=count(whole)) if whole else ""
    return ShownPair(cell, text, title, heat(n / whole if whole else 0, 1))


def visitors_href() -> str:
    """The visits of the period's browsers, among the rows of the Source report."""
    left_out = {*OWN, "cell", "compare"}
    return url_for("pages.source_rows") + link([*pairs_kept(*left_out), ("metric", "visitors")])


def listing(found: Rows, question: Asked, metric: str) -> Listing:
    """The latest of a list of people."""
    return Listing(tuple(person_row(one, question.scope) for one in found.rows), found.n_rows, rows_href(metric, ""))


def shown_query(preset: str, report: Report, cell: str) -> ShownQuery:
    """What was asked, and what could be."""
    question, query = report.asked, report.asked.query
    names: Sequence[str] = report.steps
    first, last = report.before_days or ("", "")
    return ShownQuery(
        period=preset,
        from_day=date.fromisoformat(query.from_day),
        to_day=date.fromisoformat(query.to_day),
        before=(date.fromisoformat(first), date.fromisoformat(last)) if first else None,
        by=tuple(name.value for name in query.by),
        touch=question.touch.value,
        scope=question.scope.value,
        from_stage=question.from_stage,
        to_stage=question.to_stage,
        compare=query.against.value if query.against else "",
        cell=cell,
        steps=tuple(names),
        later=tuple(names[report.place(question.from_stage) + 1 :]),
        touches=tuple((one.value, gettext(TOUCHES[one.value])) for one in Touch),
        dimensions=tuple(Dimension(key).value for key in DIMENSION),
        channels=tuple(sorted(OURS[Dimension.CHANNEL] - {UNATTRIBUTED})),
        chips=chips_of(query),
        cleared=cleared(),
        timezone=query.timezone,
        policy_version=query.policy_version,
        generated_at=report.generated_at,
    )
