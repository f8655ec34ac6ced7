"""How likely people are to recommend the company: the score of a period and by month, the comments, the surveys."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from api.context import here
from api.pages.contacts import offset_asked, page_of
from api.pages.files import answer_file, files_of
from api.pages.frame import site_named
from api.pages.opportunities import share
from api.pages.programmes import MailPeriod
from api.pages.routes import routes
from api.pages.shown import count, period_of
from api.trust import Audience, actor, audience, sees_people, site_seen
from tracker.access import audit
from tracker.access.sites import Site
from tracker.clock import local_day
from tracker.db.store import Tx, begin, reading
from tracker.errors import Invalid
from tracker.ids import new_link_id
from tracker.reports.satisfaction import (
    AskedAnswers,
    Comment,
    answers_by_survey,
    comments,
    first_answer_day,
    satisfaction,
)
from tracker.reports.sheet import CellKind, CellValue, Sheet, SheetColumn
from tracker.survey.nps import Attitude, Nps
from tracker.survey.surveys import Survey, add_survey, change_survey, surveys_of, written
from tracker.vocabulary import Audited, Role

PAGE_ROWS = 30


@dataclass(frozen=True, slots=True)
class ShownNps:
    """A score as the page shows it; shares are of 100, for the bar; '' where there is none."""

    label: str
    score: str
    low: str
    high: str
    n: int
    counts: Mapping[str, int]
    shares: Mapping[str, float]
    texts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ShownComment:
    """An answer; who is '' where it names nobody. Texts are strangers'."""

    who: str
    href: str | None
    score: int
    attitude: str
    comment: str
    at: datetime
    counts: bool


@dataclass(frozen=True, slots=True)
class ShownSurvey:
    """A survey with its address."""

    survey: Survey
    address: str
    n_answers: int


@routes.get("/surveys")
@audience(Audience.PEOPLE)
def surveys() -> ResponseReturnValue:
    """The score, its months, the comments, and the surveys."""
    site = site_seen()
    if site is None:
        return render_template("no_site.html")
    return surveys_page(site)


def surveys_page(site: Site, errors: Mapping[str, str] | None = None, wrong_id: str = "") -> str:
    """The page, with what was wrong in a form: of a survey by its id, '' for a new one."""
    word = request.args.get("who", "")
    attitude = Attitude(word) if word in set(Attitude) else None
    is_allowed = sees_people()
    with reading(here().engine) as tx:
        asked, period = asked_for(tx, site)
        found = satisfaction(tx, asked)
        told = comments(tx, asked, attitude) if is_allowed else []
        known = surveys_of(tx, site.site_id)
        numbers = answers_by_survey(tx, site.site_id)
    base = (here().settings.base_url or request.url_root).rstrip("/")
    offset = offset_asked()
    return render_template(
        "surveys.html",
        query=period,
        timezone=site.timezone,
        whole=shown(found.whole, ""),
        months=[shown(one, month) for month, one in reversed(found.months)],
        who=attitude.value if attitude else "",
        attitudes=[one.value for one in Attitude],
        comments=[shown_comment(one) for one in told[offset : offset + PAGE_ROWS]],
        page=page_of(offset, PAGE_ROWS, len(told)),
        surveys=[ShownSurvey(one, f"{base}/nps/{one.survey_id}", numbers.get(one.survey_id, 0)) for one in known],
        chosen=next((one for one in known if one.survey_id == asked.survey_id), None),
        may_tell=is_allowed,
        downloads=files_of("pages.answers_file") if is_allowed and found.whole.n else None,
        errors=errors or {},
        wrong_id=wrong_id,
        form=request.form if errors else {},
    )


@routes.post("/surveys")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def make_survey() -> ResponseReturnValue:
    """Make a survey."""
    site, form, now = site_named(), request.form, here().now()
    try:
        with begin(here().engine) as tx:
            made = add_survey(
                tx,
                site.site_id,
                new_link_id(),
                form.get("name", ""),
                form.get("question", ""),
                for_anybody=bool(form.get("for_anybody")),
                now=now,
            )
            details = audit.difference({}, written(made))
            audit.note(tx, site.site_id, actor(), Audited.SURVEY, made.survey_id, now=now, details=details)
    except Invalid as error:
        return surveys_page(site, wrong_with(error)), 422
    flash(gettext("The survey is open. Send its address to those whom you want to ask."), "success")
    return redirect(url_for("pages.surveys", site=site.key) + "#surveys")


@routes.post("/surveys/of/<survey_id>")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def save_survey(survey_id: str) -> ResponseReturnValue:
    """Change a survey: its words, whether it is open, for whom it is."""
    site, form, now = site_named(), request.form, here().now()
    try:
        with begin(here().engine) as tx:
            before, after = change_survey(
                tx,
                site.site_id,
                survey_id,
                name=form.get("name", ""),
                question=form.get("question", ""),
                is_open=bool(form.get("is_open")),
                for_anybody=bool(form.get("for_anybody")),
            )
            details = audit.difference(written(before), written(after))
            audit.note(tx, site.site_id, actor(), Audited.SURVEY, survey_id, now=now, details=details)
    except Invalid as error:
        return surveys_page(site, wrong_with(error), survey_id), 422
    flash(gettext("Saved."), "success")
    return redirect(url_for("pages.surveys", site=site.key) + "#surveys")


@routes.get("/surveys/answers.<form>")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def answers_file(form: str) -> ResponseReturnValue:
    """The answers of the period as a file: csv, xlsx or json."""
    site, now = site_named(), here().now()
    with reading(here().engine) as tx:
        asked, _ = asked_for(tx, site)
        told = comments(tx, asked, None, with_text=False)
    columns = [
        SheetColumn(gettext("When"), CellKind.INSTANT, "answered_at"),
        SheetColumn(gettext("Score"), CellKind.COUNT, "score"),
        SheetColumn(gettext("Comment"), key="comment"),
        SheetColumn(gettext("Name"), key="name"),
        SheetColumn(gettext("E-mail"), key="email"),
        SheetColumn(gettext("Contact"), key="contact"),
        SheetColumn(gettext("Counts in the score"), key="counts"),
    ]
    rows: list[list[CellValue]] = [
        [
            one.answered_at,
            one.score,
            one.comment,
            one.name,
            one.email or None,
            one.contact_id,
            gettext("yes") if one.counts else gettext("no: answered again later"),
        ]
        for one in told
    ]
    sheet = Sheet(gettext("Answers"), columns, rows)
    answer = answer_file(form, ["nps", asked.from_day, asked.to_day], lambda: [sheet])
    with begin(here().engine) as tx:
        details = {"form": form, "rows": len(rows)}
        audit.note(tx, site.site_id, actor(), Audited.EXPORT, "answers", now=now, details=details)
    return answer


def asked_for(tx: Tx, site: Site) -> tuple[AskedAnswers, MailPeriod]:
    """The days and the survey that the address asks for; a year where it says no days. Raises Invalid."""
    today = local_day(here().now(), site.timezone)
    given = {"period": "last_12_months", **request.args} if not is_dated() else dict(request.args)
    word, first, last = period_of(tx, given, site.site_id, today)
    if word == "all_time":
        first = first_answer_day(tx, site.site_id) or last
    survey_id = request.args.get("survey") or None
    period = MailPeriod(word, date.fromisoformat(first), date.fromisoformat(last))
    return AskedAnswers(site.site_id, first, last, survey_id), period


def is_dated() -> bool:
    """Whether the address says which days."""
    return any(name in request.args for name in ("period", "from", "to"))


def wrong_with(error: Invalid) -> dict[str, str]:
    """What is wrong in a form, by its field."""
    if error.field == "question":
        return {"question": gettext("At most 500 characters.")}
    if "surveys" in error.message:
        return {"name": gettext("There are very many surveys already.")}
    return {"name": gettext("Give a name of at most 200 characters.")}


def shown(one: Nps, label: str) -> ShownNps:
    """A score in the reader's form."""
    parts = one.shares or (0.0, 0.0, 0.0)
    numbers = (one.n_promoters, one.n_passives, one.n_detractors)

    def points(number: int | None) -> str:
        return "" if number is None else signed(number)

    return ShownNps(
        label=label,
        score=points(one.score),
        low=points(one.low),
        high=points(one.high),
        n=one.n,
        counts=dict(zip((each.value for each in Attitude), numbers, strict=True)),
        shares={each.value: round(100 * part, 2) for each, part in zip(Attitude, parts, strict=True)},
        texts={each.value: share(part) if one.n else "" for each, part in zip(Attitude, parts, strict=True)},
    )


def signed(number: int) -> str:
    """Points with their sign: '+30', '−5', '0'."""
    return f"+{count(number)}" if number > 0 else count(number).replace("-", "−")


def shown_comment(one: Comment) -> ShownComment:
    """An answer in the reader's form."""
    href = url_for("pages.contact", contact_id=one.contact_id) if one.contact_id else None
    return ShownComment(
        who=one.name or one.email,
        href=href,
        score=one.score,
        attitude=one.attitude.value,
        comment=one.comment,
        at=one.answered_at,
        counts=one.counts,
    )
