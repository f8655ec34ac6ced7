"""Programmes of mails: what became of each, a programme step by step, whom it is for, and links that count clicks."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from api.context import here
from api.pages.contacts import offset_asked, page_of
from api.pages.files import answer_file, files_of
from api.pages.frame import Note, address, kept_arguments, site_named
from api.pages.masked import address_seen, short_word
from api.pages.opportunities import share
from api.pages.routes import routes
from api.pages.shown import count, period_of
from api.trust import Audience, actor, audience, sees_people, site_seen
from tracker.access import audit
from tracker.access.sites import Site
from tracker.clock import local_day
from tracker.db.store import Tx, begin, reading
from tracker.errors import Invalid, NotFound
from tracker.ids import new_link_id
from tracker.mailing.links import add_link, links_of
from tracker.mailing.programmes import MailProgramme, find_programme, steps_in, tell_programme, written
from tracker.reports.mails import Asked, MailFigures, first_mail_day, programme_lines, total_of
from tracker.reports.mailsteps import MOST_PEOPLE, WHAT, After, Behind, StepLine, people_behind, step_lines
from tracker.reports.sheet import CellKind, CellValue, Sheet, SheetColumn
from tracker.urls import clean_text
from tracker.vocabulary import Audited, Programme, Role

PAGE_ROWS = 50
MOST_NAME = 255
# The columns of figures: what rows() calls it, the number, the share beside it.
FIGURES = (
    ("sent", "n_sent", None),
    ("delivered", "n_delivered", None),
    ("opened", "n_opened", "open_ratio"),
    ("machine", "n_machine", None),
    ("clicked", "n_clicked", "click_ratio"),
    ("click_to_open", None, "click_to_open_ratio"),
    ("unsubscribed", "n_unsubscribed", "unsubscribe_ratio"),
    ("spam", "n_spam", None),
    ("bounced", "n_bounced", "bounce_ratio"),
    ("other", "n_other_clicks", None),
)


@dataclass(frozen=True, slots=True)
class MailCell:
    """A figure of mails: how many people, which share, where they are; '' where there is none."""

    number: int | None
    text: str
    share: str
    href: str | None = None


@dataclass(frozen=True, slots=True)
class ProgrammeRow:
    """A programme, or a sum of them, as the page shows it; names are strangers'."""

    name: str
    label: str
    href: str | None
    n_steps: int
    cells: Mapping[str, MailCell]


@dataclass(frozen=True, slots=True)
class ProgrammeGroup:
    """The programmes for one kind of people."""

    audience: str
    rows: tuple[ProgrammeRow, ...]
    total: ProgrammeRow | None


@dataclass(frozen=True, slots=True)
class StepRow:
    """A step of a programme. after: by the word of After; width: how many of a hundred stopped."""

    step: str
    cells: Mapping[str, MailCell]
    after: Mapping[str, MailCell]
    stopped_share: float
    days: str
    is_worst: bool


@dataclass(frozen=True, slots=True)
class MailPeriod:
    """The days that a page is about, for period_menu."""

    period: str
    from_day: date
    to_day: date


@dataclass(frozen=True, slots=True)
class BehindRow:
    """Somebody behind a number."""

    who: str
    email: str
    href: str | None
    step: str
    at: datetime


@dataclass(frozen=True, slots=True)
class LinkRow:
    """A link of the programme."""

    link_id: str
    address: str
    step: str
    url: str
    saved_at: datetime


@routes.get("/programmes")
@audience(Audience.PEOPLE)
def programmes() -> ResponseReturnValue:
    """The programmes with what became of their mails in a period; nurture and customers apart."""
    site = site_seen()
    if site is None:
        return render_template("no_site.html")
    with reading(here().engine) as tx:
        asked, period = asked_for(tx, site)
        lines = programme_lines(tx, asked)
    groups = []
    for whom in Programme:
        own = [one for one in lines if one.programme.audience is whom]
        rows = tuple(programme_row(one.programme, one.figures) for one in own)
        total = ProgrammeRow("", "", None, 0, cells_of(total_of(own, whom), None)) if len(own) > 1 else None
        groups.append(ProgrammeGroup(whom.value, rows, total))
    return render_template(
        "programmes.html",
        query=period,
        timezone=site.timezone,
        groups=groups,
        is_any=bool(lines),
        may_tell=sees_people(),
        downloads=files_of("pages.programmes_file"),
    )


@routes.get("/programmes/of/<path:name>")
@audience(Audience.PEOPLE)
def programme(name: str) -> ResponseReturnValue:
    """One programme: its steps and where people stop, whom it is for, its links."""
    return programme_page(site_named(), name)


def programme_page(
    site: Site, name: str, errors: Mapping[str, str] | None = None, form: Mapping[str, str] | None = None
) -> str:
    """The page, with what was wrong in a form beside its field."""
    now = here().now()
    with reading(here().engine) as tx:
        one = find_programme(tx, site.site_id, name)
        asked, period = asked_for(tx, site, name)
        lines = step_lines(tx, asked, one, now)
        links = links_of(tx, site.site_id, name)
    total = sum((line.figures for line in lines), MailFigures())
    base = (here().settings.base_url or request.url_root).rstrip("/")
    return render_template(
        "programme.html",
        programme=one,
        query=period,
        timezone=site.timezone,
        total=cells_of(total, one.name),
        steps=step_rows(one.name, lines),
        mail_links=[
            LinkRow(link.link_id, f"{base}/r/{link.link_id}", link.step, address_seen(link.url), link.saved_at)
            for link in links
        ],
        notes=[Note(gettext("Opens are a hint, no proof: many mail programs load no pictures, others load all."))],
        may_tell=sees_people(),
        errors=errors or {},
        form=form or {},
        back_href=address(url_for("pages.programmes"), kept_arguments("programme", "site", "step", "what")),
    )


@routes.post("/programmes/settings")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def save_programme() -> ResponseReturnValue:
    """Say whom a programme is for, what it is called, in which order its steps are."""
    site, form = site_named(), request.form
    name = form.get("programme", "")
    try:
        whom = Programme(form.get("audience", ""))
    except ValueError:
        return programme_page(site, name, {"audience": gettext("Choose one of the two.")}, form), 422
    label = clean_text(form.get("label", ""), MOST_NAME + 1)
    told = MailProgramme(name, whom, label, steps_in(form.get("steps", "")))
    now = here().now()
    try:
        with begin(here().engine) as tx:
            before = find_programme(tx, site.site_id, name)
            tell_programme(tx, site.site_id, told)
            details = audit.difference(written(before), written(told))
            audit.note(tx, site.site_id, actor(), Audited.PROGRAMME, name, now=now, details=details)
    except Invalid:
        wrong = gettext("At most 100 steps of 255 characters, each once.")
        return programme_page(site, name, {"steps": wrong}, form), 422
    flash(gettext("Saved."), "success")
    return redirect(programme_href(name, site))


@routes.post("/programmes/links")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def make_mail_link() -> ResponseReturnValue:
    """Make a link of this programme."""
    site, name, now = site_named(), request.form.get("programme", ""), here().now()
    step = clean_text(request.form.get("step", ""), MOST_NAME) or ""
    link_id = new_link_id()
    try:
        with begin(here().engine) as tx:
            find_programme(tx, site.site_id, name)
            link = add_link(tx, site.site_id, name, step, request.form.get("url", ""), link_id=link_id, now=now)
            details = {"link": link.link_id, "url": link.url, "step": link.step}
            audit.note(tx, site.site_id, actor(), Audited.PROGRAMME, name, now=now, details=details)
    except Invalid:
        wrong = gettext("Write a whole address that begins with https:// or http://.")
        return programme_page(site, name, {"url": wrong}, request.form), 422
    flash(gettext("The link is there. Copy it into the mail."), "success")
    return redirect(programme_href(name, site) + "#links")


@routes.get("/programmes/rows")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def programme_rows() -> ResponseReturnValue:
    """Who is behind a number: ?programme=, ?what=, and ?step= where it is about one."""
    site, what = site_named(), request.args.get("what", "sent")
    if what not in WHAT and what not in set(After):
        raise NotFound("there is no such number", field="what")
    step = request.args.get("step")
    with reading(here().engine) as tx:
        one = find_programme(tx, site.site_id, request.args.get("programme", ""))
        asked, period = asked_for(tx, site, one.name)
        people = people_behind(tx, asked, one, what, step, here().now())
    offset = offset_asked()
    return render_template(
        "programme_rows.html",
        programme=one,
        query=period,
        timezone=site.timezone,
        what=what,
        step=step,
        people=[behind_row(person) for person in people[offset : offset + PAGE_ROWS]],
        is_cut=len(people) == MOST_PEOPLE,
        page=page_of(offset, PAGE_ROWS, len(people)),
        back_href=address(programme_href(one.name, site), days_kept()),
    )


@routes.get("/programmes.<form>")
@audience(Audience.PEOPLE)
def programmes_file(form: str) -> ResponseReturnValue:
    """The same figures as a file: csv, xlsx or json."""
    site = site_named()
    with reading(here().engine) as tx:
        asked, _ = asked_for(tx, site)
        lines = programme_lines(tx, asked)
    columns = [
        SheetColumn(gettext("Programme"), key="programme"),
        SheetColumn(gettext("For"), key="audience"),
        *(SheetColumn(label, kind, key) for key, label, kind, _ in file_columns()),
    ]
    rows: list[list[CellValue]] = [
        [
            one.programme.label or one.programme.name,
            one.programme.audience.value,
            *(getattr(one.figures, name) for _, _, _, name in file_columns()),
        ]
        for one in lines
    ]
    about = [(gettext("Rates"), gettext("Of people, over those whom a mail was delivered to. Opens are a hint."))]
    sheet = Sheet(gettext("Mail programmes"), columns, rows, about)
    return answer_file(form, ["programmes", asked.from_day, asked.to_day], lambda: [sheet])


def file_columns() -> list[tuple[str, str, CellKind, str]]:
    """The figures of a file: key, label, kind, the field of MailFigures."""
    number, part = CellKind.COUNT, CellKind.PERCENT
    return [
        ("sent", gettext("Sent"), number, "n_sent"),
        ("delivered", gettext("Delivered"), number, "n_delivered"),
        ("opened", gettext("Opened"), number, "n_opened"),
        ("open_ratio", gettext("Open rate"), part, "open_ratio"),
        ("machine_opened", gettext("Opened by machines"), number, "n_machine"),
        ("clicked", gettext("Clicked"), number, "n_clicked"),
        ("click_ratio", gettext("Click rate"), part, "click_ratio"),
        ("click_to_open_ratio", gettext("Clicked of opened"), part, "click_to_open_ratio"),
        ("unsubscribed", gettext("Unsubscribed"), number, "n_unsubscribed"),
        ("unsubscribe_ratio", gettext("Unsubscribe rate"), part, "unsubscribe_ratio"),
        ("spam", gettext("Called spam"), number, "n_spam"),
        ("bounced", gettext("Came back"), number, "n_bounced"),
        ("bounce_ratio", gettext("Bounce rate"), part, "bounce_ratio"),
        ("other_clicks", gettext("Other clicks"), number, "n_other_clicks"),
    ]


def asked_for(tx: Tx, site: Site, name: str | None = None) -> tuple[Asked, MailPeriod]:
    """The days that the address asks for; raises Invalid."""
    word, first, last = period_of(tx, dict(request.args), site.site_id, local_day(here().now(), site.timezone))
    if word == "all_time":
        first = first_mail_day(tx, site.site_id) or last
    period = MailPeriod(word, date.fromisoformat(first), date.fromisoformat(last))
    return Asked(site.site_id, first, last, name), period


def programme_href(name: str, site: Site) -> str:
    """The page of a programme."""
    return address(url_for("pages.programme", name=name), {"site": site.key})


def days_kept() -> dict[str, str]:
    """The period of this page, for the address of another."""
    return {name: request.args[name] for name in ("period", "from", "to") if name in request.args}


def programme_row(one: MailProgramme, figures: MailFigures) -> ProgrammeRow:
    """A programme in the reader's form."""
    href = address(url_for("pages.programme", name=one.name), days_kept())
    return ProgrammeRow(one.name, one.label or one.name, href, len(one.steps), cells_of(figures, one.name))


def cells_of(figures: MailFigures, name: str | None, step: str | None = None) -> dict[str, MailCell]:
    """Figures in the reader's form; name: whose rows are behind them, None where nobody's are."""
    found = {}
    for key, number, ratio in FIGURES:
        n = getattr(figures, number) if number else None
        part = getattr(figures, ratio) if ratio else None
        href = None if name is None or not n or key == "other" else rows_href(name, key, step)
        text = count(n) if n is not None else share(part) if part is not None else ""
        found[key] = MailCell(n, text, share(part) if part is not None and n is not None else "", href)
    return found


def rows_href(name: str, what: str, step: str | None) -> str | None:
    """Where the people behind a number are, for who may see them."""
    if not sees_people():
        return None
    named = {"programme": name, "what": what, **({} if step is None else {"step": step}), **days_kept()}
    return address(url_for("pages.programme_rows"), named)


def step_rows(name: str, lines: list[StepLine]) -> list[StepRow]:
    """The steps in the reader's form; marked is the one at which most of its people stop."""
    rows = []
    for line in lines:
        n = sum(line.after.values())
        after = {
            one.value: MailCell(
                line.after[one],
                count(line.after[one]),
                share(line.after[one] / n) if n else "",
                rows_href(name, one.value, line.step) if line.after[one] else None,
            )
            for one in After
        }
        stopped = line.after[After.STOPPED] / n if n else 0.0
        days = "" if line.days is None else count(round(line.days, 1))
        rows.append(StepRow(line.step, cells_of(line.figures, name, line.step), after, stopped, days, False))
    worst = max(rows, key=lambda row: row.stopped_share, default=None)
    if worst is None or not worst.stopped_share:
        return rows
    return [replace(row, is_worst=row is worst) for row in rows]


def behind_row(one: Behind) -> BehindRow:
    """Somebody in the reader's form."""
    known = one.name or one.address or (short_word(one.contact_id) if one.contact_id else "")
    href = url_for("pages.contact", contact_id=one.contact_id) if one.contact_id else None
    return BehindRow(known, one.address, href, one.step, one.at)
