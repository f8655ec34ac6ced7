"""The scorecard's page, its files, the rows behind its figures, and the targets that an analyst sets."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from flask import current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from api.context import here
from api.pages.files import answer_file, files_of
from api.pages.frame import Note, address, may_open, site_named
from api.pages.masked import deal_word, person_word, short_word, told
from api.pages.routes import routes
from api.pages.scorecardwords import figure_of, phases_of, spent_of, text_of
from api.pages.shown import NOTHING, count, money, percent, word
from api.trust import Audience, actor, audience, sees_people, site_seen
from tracker.access import audit
from tracker.access.sites import Site
from tracker.clock import local_day
from tracker.db.store import begin, reading
from tracker.errors import Invalid, NotFound
from tracker.lifecycle.targets import TargetTold, target_told, tell_target
from tracker.reports.periods import month_start
from tracker.reports.scorecard import SCORE_BANDS, Mailed, Target
from tracker.reports.scorecard_around import (
    Behind,
    Comment,
    Profile,
    Stop,
    behind,
    comments_of,
    profiles_of,
    spent_by,
    stops_of,
)
from tracker.reports.scorecard_facts import (
    MONTH,
    PARAMETERS,
    Asked,
    Score,
    ask_scorecard,
    read_scorecard,
    targets_of,
)
from tracker.reports.scorecard_metrics import METRIC, METRICS, Unit
from tracker.reports.scorecard_shown import (
    figures_sheet,
    mails_sheet,
    months_sheet,
    parse_target,
)
from tracker.vocabulary import Audited, Programme, Role

MONTHS_OFFERED = 24
MOST_ROWS = 500


@dataclass(frozen=True, slots=True)
class MonthChoice:
    """A month of the menu."""

    word: str
    day: date
    is_current: bool


@dataclass(frozen=True, slots=True)
class ShownMails:
    """A programme in the month."""

    programme: str
    label: str
    href: str | None
    is_nurture: bool
    n_reached: str
    opened: str
    clicked: str
    open_rate: str
    click_rate: str


@dataclass(frozen=True, slots=True)
class ShownStop:
    """A step after which people stopped. percent: of who got it, for the bar."""

    programme: str
    href: str | None
    step: str
    step_after: str
    n_got: str
    n_stopped: str
    share: str
    percent: float


@dataclass(frozen=True, slots=True)
class ShownBand:
    """A band of scores: what it is called, how many leads of the three months it has, and their shares."""

    label: str
    counts: tuple[str, ...]
    percents: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ShownComment:
    """What somebody said; who is '' where nobody is named."""

    day: date
    score: int
    text: str
    who: str
    href: str | None


@dataclass(frozen=True, slots=True)
class ShownRow:
    """A row behind a figure."""

    text: str
    href: str | None
    day: date
    before: str | None
    stage: str | None
    days: int | None
    amount: str


@dataclass(frozen=True, slots=True)
class ShownTarget:
    """A target that was set."""

    label: str
    metric: str
    from_month: date
    text: str


@dataclass(frozen=True, slots=True)
class TargetForm:
    """The form as it was filled in; errors: what is wrong, by the field's name."""

    metric: str = ""
    value: str = ""
    from_month: str = ""
    errors: Mapping[str, str] | None = None


def asked_here(site: Site) -> Asked:
    """The question that this page's address asks; raises Invalid."""
    args = {name: request.args.get(name, "") for name in PARAMETERS}
    return ask_scorecard(args, site, local_day(here().now(), site.timezone))


@routes.get("/reports/scorecard")
@audience(Audience.PEOPLE)
def scorecard() -> ResponseReturnValue:
    """The page."""
    site = site_seen()
    if site is None:
        raise NotFound("no site")
    return shown(site, asked_here(site), TargetForm())


def shown(site: Site, asked: Asked, form: TargetForm) -> str:
    """The page with its form."""
    now = here().now()
    with reading(here().engine) as tx:
        found = read_scorecard(tx, asked, now)
        spent = spent_by(tx, site, asked, now)
        stops, profiles = stops_of(tx, asked), profiles_of(tx, asked)
        comments = comments_of(tx, asked) if sees_people() else ()
        known = targets_of(tx, site.site_id)
    return render_template(
        "scorecard.html",
        month=date.fromisoformat(asked.from_day),
        months=[date.fromisoformat(f"{month}-01") for month in asked.months],
        choices=choices_of(asked, site),
        alerts=[figure_of(one, asked) for one in found.alerts],
        phases=phases_of(found.series, asked),
        is_empty=found.is_empty,
        mails=[mails_shown(one, found) for one in found.mails],
        stops=[stop_shown(one, found) for one in stops],
        spent={split.value: [spent_of(one, split.value, asked) for one in rows] for split, rows in spent.items()},
        bands=bands_of(profiles),
        profile_months=[date.fromisoformat(f"{one.month}-01") for one in profiles],
        profile_counts=[count(one.n_leads) for one in profiles],
        comments=[comment_shown(one) for one in comments],
        surveys_href=url_for("pages.surveys") if may_open("pages.surveys") else None,
        currency=asked.currency,
        timezone=asked.timezone,
        notes=[Note(note.text(gettext), is_warning=True) for note in found.notes],
        made_at=now,
        metrics=[(one.key, gettext(one.label), unit_word(one.unit, asked.currency)) for one in METRICS],
        targets=[target_shown(one, asked) for one in known],
        form=form,
        may_set=may_open("pages.save_target"),
        post_href=address(url_for("pages.save_target"), {"month": asked.month, "site": site.key}),
        downloads=files_of("pages.scorecard_file"),
    )


@routes.get("/reports/scorecard.<form>")
@audience(Audience.PEOPLE)
def scorecard_file(form: str) -> ResponseReturnValue:
    """The same figures as a file; comments are in none."""
    site = site_seen()
    if site is None:
        raise NotFound("no site")
    asked = asked_here(site)
    with reading(here().engine) as tx:
        found = read_scorecard(tx, asked, here().now())
    return answer_file(
        form,
        ("scorecard", asked.month),
        lambda: [
            months_sheet(found.series, asked.currency, say=gettext, name=gettext("Months")),
            figures_sheet(found.series, asked.currency, say=gettext, name=gettext("Scorecard")),
            mails_sheet(found.mails, say=gettext, name=gettext("Programmes")),
        ],
    )


@routes.get("/reports/scorecard/rows")
@audience(Audience.PEOPLE)
def scorecard_rows() -> ResponseReturnValue:
    """The people, companies or deals behind ?metric= of a month."""
    site = site_seen()
    if site is None:
        raise NotFound("no site")
    asked, metric = asked_here(site), request.args.get("metric", "reopened_leads")
    with reading(here().engine) as tx:
        rows = behind(tx, asked, metric)
    return render_template(
        "scorecard_rows.html",
        label=gettext(METRIC[metric].label),
        definition=gettext(METRIC[metric].definition),
        metric=metric,
        month=date.fromisoformat(asked.from_day),
        rows=[row_shown(one) for one in rows[:MOST_ROWS]],
        n_rows=len(rows),
        back_href=address(url_for("pages.scorecard"), {"month": asked.month}),
    )


@routes.post("/reports/scorecard/target")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def save_target() -> ResponseReturnValue:
    """Set a target, or take one away; what is wrong is said beside its field."""
    site = site_named()
    asked = asked_here(site)
    metric, value, from_month = (request.form.get(name, "").strip()[:80] for name in ("metric", "value", "from_month"))
    form = TargetForm(metric, value, from_month)
    told_, errors = read_form(form, site)
    if told_ is None:
        filled = TargetForm(form.metric, form.value, form.from_month, errors)
        return shown(site, asked, filled), 422
    now = here().now()
    with begin(here().engine) as tx:
        before = target_told(tx, site.site_id, told_.metric, told_.from_month)
        if tell_target(tx, site.site_id, told_, actor(), now):
            details = {"from_month": told_.from_month, "before": before, "after": told_.value}
            audit.note(tx, site.site_id, actor(), Audited.TARGET, told_.metric, now=now, details=details)
    flash(gettext("The target is taken away.") if told_.value is None else gettext("The target is saved."), "success")
    return redirect(address(url_for("pages.scorecard"), {"month": asked.month, "site": site.key}) + "#targets")


def read_form(form: TargetForm, site: Site) -> tuple[TargetTold | None, dict[str, str]]:
    """What the form says, or what is wrong with it."""
    errors: dict[str, str] = {}
    value = None
    if form.metric not in METRIC:
        errors["metric"] = gettext("Choose a figure.")
    if not MONTH.fullmatch(form.from_month):
        errors["from_month"] = gettext("Write the month as 2026-04.")
    if form.value and not errors.get("metric"):
        try:
            value = parse_target(form.metric, form.value, site.currency)
        except Invalid:
            errors["value"] = gettext(
                "Write a number that the figure can have, with at most two decimals; of what is counted a whole one."
            )
    return (None if errors else TargetTold(form.metric, form.from_month, value)), errors


# --- into words -----------------------------------------------------------------------------------------------------


def choices_of(asked: Asked, site: Site) -> list[MonthChoice]:
    """The months that can be asked for, the latest first."""
    today = date.fromisoformat(local_day(here().now(), site.timezone))
    months = [month_start(today, back) for back in range(1, MONTHS_OFFERED + 1)]
    return [MonthChoice(one.isoformat()[:7], one, one.isoformat()[:7] == asked.month) for one in months]


def unit_word(unit: Unit, currency: str | None) -> str:
    """In what a target of this unit is written."""
    match unit:
        case Unit.MONEY:
            return currency or NOTHING
        case Unit.SHARE:
            return "%"
        case Unit.DAYS:
            return str(gettext("days"))
        case _:
            return ""


def programme_href(name: str) -> str | None:
    """The page of a programme, where there is one that the reader may open."""
    if "pages.programme" in current_app.view_functions and may_open("pages.programme"):
        return url_for("pages.programme", name=name)
    return url_for("pages.programmes") if may_open("pages.programmes") else None


def rate(part: int, whole: int) -> str:
    """A share as percent."""
    return percent(part / whole).removeprefix("+") if whole else NOTHING


def mails_shown(one: Mailed, found: Score) -> ShownMails:
    """A programme in the reader's language."""
    return ShownMails(
        one.programme,
        found.labels.get(one.programme) or one.programme,
        programme_href(one.programme),
        one.audience is Programme.NURTURE,
        count(one.n_reached),
        count(one.n_opened),
        count(one.n_clicked),
        rate(one.n_opened, one.n_reached),
        rate(one.n_clicked, one.n_reached),
    )


def stop_shown(one: Stop, found: Score) -> ShownStop:
    """A step in the reader's language."""
    return ShownStop(
        found.labels.get(one.programme) or one.programme,
        programme_href(one.programme),
        one.step,
        one.step_after,
        count(one.n_got),
        count(one.n_stopped),
        rate(one.n_stopped, one.n_got),
        100 * one.n_stopped / one.n_got if one.n_got else 0,
    )


def bands_of(profiles: tuple[Profile, ...]) -> list[ShownBand]:
    """The score bands, the highest first, who has no score last."""
    order = [*reversed(range(len(SCORE_BANDS))), len(SCORE_BANDS)]
    return [
        ShownBand(
            band_word(place),
            tuple(count(one.n_by_band[place]) for one in profiles),
            tuple(100 * one.n_by_band[place] / one.n_leads if one.n_leads else 0.0 for one in profiles),
        )
        for place in order
    ]


def band_word(place: int) -> str:
    """What a band of scores is called."""
    if place == len(SCORE_BANDS):
        return str(gettext("No score"))
    least, most = SCORE_BANDS[place]
    if least is None:
        return str(gettext("%(n)s or less", n=most))
    if most is None:
        return str(gettext("%(n)s or more", n=least))
    return f"{least}–{most}"


def comment_shown(one: Comment) -> ShownComment:
    """What somebody said, for who may see people."""
    href = url_for("pages.contact", contact_id=one.contact_id) if one.contact_id else None
    who = told(one.email) or (short_word(one.contact_id) if one.contact_id else "")
    return ShownComment(date.fromisoformat(one.day), one.score, told(one.comment), who, href)


def row_shown(one: Behind) -> ShownRow:
    """A row behind a figure; who may not see people reads short ids."""
    if one.kind == "company":
        text, href = one.key, url_for("pages.company", domain=one.key)
    elif one.kind == "deal":
        text, href = deal_word(one.key, one.name), url_for("pages.deal", reference=one.key)
    else:
        text, href = person_word(one.key, one.name), url_for("pages.contact", contact_id=one.key)
    amount = "" if one.amount_minor is None else money(one.amount_minor, one.currency or "")
    before, stage = (None if name is None else word("stage_word", name) for name in (one.before, one.stage))
    return ShownRow(text, href, date.fromisoformat(one.day), before, stage, one.days, amount)


def target_shown(one: Target, asked: Asked) -> ShownTarget:
    """A target in the reader's language."""
    metric = METRIC[one.metric]
    text = text_of(metric, one.value, asked.currency)
    return ShownTarget(gettext(metric.label), one.metric, date.fromisoformat(f"{one.from_month}-01"), text)
