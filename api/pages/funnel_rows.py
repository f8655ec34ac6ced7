"""The people or companies behind one figure of the Funnel report, and as a file."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from babel.numbers import format_decimal
from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from api.context import here
from api.languages import chosen as language
from api.pages.files import FORMS, answer_file
from api.pages.frame import Page
from api.pages.funnel_asked import asked
from api.pages.masked import person_word
from api.pages.narrowing import link, pairs_kept
from api.pages.routes import routes
from api.pages.shown import NOTHING, count, word
from api.trust import Audience, actor, audience, sees_people, site_seen
from tracker.access import audit
from tracker.access.sites import Site
from tracker.clock import local_day
from tracker.db.store import begin, reading
from tracker.errors import NotFound
from tracker.reports.catalogue import message
from tracker.reports.funnel import Asked
from tracker.reports.funnel_rows import MOST_ROWS, Behind, Rows, Which, people_behind
from tracker.reports.periods import month_end
from tracker.reports.sheet import CellKind, CellValue, Sheet, SheetColumn
from tracker.vocabulary import Audited, Role, Scope, Stage

PAGE_ROWS = 50
OWN = ("metric", "stage", "then", "month", "is", "unattributed")
# What a figure's page is called.
TITLES = {
    "entered": message("Entered the stage"),
    "reached": message("Reached the stage"),
    "converted": message("Came from stage to stage"),
    "standing": message("In the stage now"),
    "stuck": message("Stuck"),
    "ripe": message("The stage’s usual time is over"),
    "dropped": message("Came no further"),
    "named": message("Visitors who became people"),
}
# What `at` and `days` of a row are.
AT = {
    "entered": message("Entered the stage"),
    "reached": message("Reached"),
    "converted": message("Reached the later stage"),
    "standing": message("In the stage since"),
    "stuck": message("In the stage since"),
    "ripe": message("Reached"),
    "dropped": message("Reached"),
    "named": message("Lead since"),
}
DAYS = {
    "converted": message("Time taken"),
    "standing": message("Time in stage"),
    "stuck": message("Time in stage"),
    "ripe": message("Time since"),
    "dropped": message("Time since"),
}


@dataclass(frozen=True, slots=True)
class PersonRow:
    """A person or a company. Names are untrusted, and a person's is a short id for who may not see people."""

    name: str
    href: str
    company: str
    company_href: str | None
    at: datetime
    days: str
    usual_days: str
    of_stage: str | None
    stage: str | None
    source: str | None


@dataclass(frozen=True, slots=True)
class ShownWhich:
    """Which figure, in the reader's words; stages as stored."""

    metric: str
    title: str
    at: str
    days: str
    text: str
    stage: str
    to_stage: str
    value: str | None
    is_unattributed: bool
    from_day: date | None
    to_day: date | None


def days_word(days: float | None) -> str:
    """A time in days, in hours where it is shorter than one."""
    if days is None:
        return NOTHING
    if days >= 1:
        return str(gettext("%(n)s d", n=tenth(days)))
    return str(gettext("%(n)s h", n=tenth(24 * days)))


def tenth(number: float) -> str:
    """A number with at most one decimal."""
    return str(format_decimal(number, "#,##0.#", locale=language()))


def which_asked() -> Which:
    """The figure that the address names; stage= without a name is all of them."""
    args = request.args
    return Which(
        args.get("metric", "reached"),
        args.get("stage", Stage.LEAD.value),
        args.get("then", ""),
        args.get("month", ""),
        args.get("is"),
        args.get("unattributed") == "1",
    )


@routes.get("/reports/funnel/rows")
@audience(Audience.PEOPLE)
def funnel_rows() -> ResponseReturnValue:
    """A page of the people behind ?metric= of a stage and a source."""
    site = site_seen()
    if site is None:
        raise NotFound("no site")
    which = which_asked()
    question, found = read(site, which, request.args.get("cursor") or None, PAGE_ROWS)
    return render_template(
        "funnel_rows.html",
        which=shown_which(which, question, found),
        by=question.query.by[0].value,
        scope=question.scope.value,
        rows=[person_row(one, question.scope) for one in found.rows],
        page=page_of(found),
        back_href=url_for("pages.funnel") + link(pairs_kept(*OWN)),
        downloads={form: url_for("pages.funnel_rows_file", form=form) + link(pairs_kept()) for form in FORMS}
        if sees_people() and found.n_rows
        else None,
        most_in_file=MOST_ROWS,
    )


def read(site: Site, which: Which, cursor: str | None, limit: int) -> tuple[Asked, Rows]:
    """What is asked, and so many of the rows."""
    now = here().now()
    with reading(here().engine) as tx:
        _, question = asked(tx, site, local_day(now, site.timezone))
        return question, people_behind(tx, question, which, now, cursor, limit)


@routes.get("/reports/funnel/rows.<form>")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def funnel_rows_file(form: str) -> ResponseReturnValue:
    """The same people as a file: csv, xlsx or json; of very many the latest."""
    site = site_seen()
    if site is None or form not in FORMS:
        raise NotFound("no such file", field="form")
    which, now = which_asked(), here().now()
    question, found = read(site, which, None, MOST_ROWS)
    columns = columns_of(which, question)
    sheet = Sheet(gettext(TITLES[which.metric]), columns, [cells_of(one, question) for one in found.rows])
    answer = answer_file(form, ["funnel", which.metric, local_day(now, site.timezone)], lambda: [sheet])
    told = {name: value for name, value in request.args.items() if value and name != "cursor"}
    with begin(here().engine) as tx:
        details = {"form": form, "rows": len(found.rows), "asked": told}
        audit.note(tx, site.site_id, actor(), Audited.EXPORT, "funnel", now=now, details=details)
    return answer


def person_row(one: Behind, scope: Scope) -> PersonRow:
    """A row in the reader's form."""
    is_company = scope is Scope.COMPANY
    domain = None if is_company else one.company_domain
    return PersonRow(
        name=(one.name or one.key) if is_company else person_word(one.key, one.name, one.email),
        href=url_for("pages.company", domain=one.key) if is_company else url_for("pages.contact", contact_id=one.key),
        company=one.key if is_company else one.company or "",
        company_href=url_for("pages.company", domain=domain) if domain else None,
        at=one.at,
        days=days_word(one.days),
        usual_days=days_word(one.usual_days),
        of_stage=one.of_stage,
        stage=one.stage,
        source=one.source,
    )


def shown_which(which: Which, question: Asked, found: Rows) -> ShownWhich:
    """The figure in words; a list that stands as of today has no days."""
    first: str | None = question.query.from_day
    last: str | None = question.query.to_day
    if which.month:
        first = f"{which.month}-01"
        last = month_end(date.fromisoformat(first)).isoformat()
    if which.metric in {"standing", "stuck"}:
        first = last = None
    return ShownWhich(
        which.metric,
        gettext(TITLES[which.metric]),
        gettext(AT[which.metric]),
        gettext(DAYS[which.metric]) if which.metric in DAYS else "",
        count(found.figure),
        "" if which.metric == "named" else which.stage,
        which.to_stage if which.metric == "converted" else "",
        which.value,
        which.is_unattributed,
        date.fromisoformat(first) if first else None,
        date.fromisoformat(last) if last else None,
    )


def page_of(found: Rows) -> Page:
    """Paging: on by cursor, back to the first page."""
    kept = pairs_kept()
    first = request.path + link(kept) if request.args.get("cursor") else None
    after = request.path + link([*kept, ("cursor", found.next_cursor)]) if found.next_cursor else None
    return Page(first, after, found.n_rows)


# --- as a file --------------------------------------------------------------------------------------------------------


def columns_of(which: Which, question: Asked) -> Sequence[SheetColumn]:
    """The columns of the file."""
    is_company = question.scope is Scope.COMPANY
    who = [
        SheetColumn(gettext("Company’s domain") if is_company else gettext("Contact"), key="id"),
        SheetColumn(gettext("Name"), key="name"),
    ]
    if not is_company:
        who += [SheetColumn(gettext("E-mail"), key="email"), SheetColumn(gettext("Company"), key="company")]
    return [
        *who,
        SheetColumn(gettext("Stage of the figure"), key="of_stage"),
        SheetColumn(gettext(AT[which.metric]), CellKind.INSTANT, "at"),
        SheetColumn(gettext(DAYS.get(which.metric, message("Days"))), CellKind.RATIO, "days"),
        SheetColumn(gettext("Usual days (p90)"), CellKind.RATIO, "usual_days"),
        SheetColumn(gettext("Stage now"), key="stage"),
        SheetColumn(gettext("Source"), key="source"),
    ]


def cells_of(one: Behind, question: Asked) -> list[CellValue]:
    """One row's cells."""
    who: list[CellValue] = [one.key, one.name]
    if question.scope is Scope.CONTACT:
        who += [one.email, one.company]
    called = [word("stage_word", name) if name else None for name in (one.of_stage, one.stage)]
    return [
        *who,
        called[0],
        one.at,
        rounded(one.days),
        rounded(one.usual_days),
        called[1],
        one.source or gettext("Unattributed"),
    ]


def rounded(days: float | None) -> float | None:
    """Days with one decimal."""
    return None if days is None else round(days, 1)
