"""A new definition: the rule builder and the text, two tabs of one form that say the same; tried, then saved."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from api.context import here
from api.pages.definition_trial import ShownTrial, trial_shown
from api.pages.definitions import definition_shown
from api.pages.frame import address, site_named
from api.pages.routes import routes
from api.pages.rule_form import (
    DEED_KINDS,
    GROUPS,
    Draft,
    Node,
    PointsDraft,
    RuleDraft,
    act,
    drafted,
    read_draft,
    told_by,
)
from api.pages.rule_words import error_text
from api.pages.stage_words import stages_seen
from api.trust import Audience, actor, audience, site_seen
from tracker.access import audit
from tracker.access.sites import Site
from tracker.clock import parse_day, zone
from tracker.db.store import Tx, begin, reading
from tracker.errors import Invalid
from tracker.lifecycle.definition import read_definition, written
from tracker.lifecycle.difference import line_of
from tracker.lifecycle.draft import draft_text
from tracker.lifecycle.rules import Definition
from tracker.lifecycle.settled import lifecycle_of, restage
from tracker.lifecycle.versions import LONGEST_REASON, Saved, save_definition, saved_version, saved_versions
from tracker.reports.trial import UNSAVED, Ask, Reading, Tried, in_force, try_definition
from tracker.vocabulary import Audited, Role, Scope

BUILDER, TEXT = "builder", "text"
LONGEST_ADDED = 2_000


@dataclass(slots=True)
class Form:
    """The form as it stands.

    tab      BUILDER or TEXT; draft: what the builder shows, text: what the text field does
    source   the text that the builder was made from, with its comments, as long as it says the same
    when     'now' or 'day'; day: 'YYYY-MM-DD' as it was typed
    errors   what is wrong, by field: text, reason, day, builder; line: of the text
    at       where the reader was, as an id of the page
    """

    tab: str = BUILDER
    draft: Draft = field(default_factory=Draft)
    text: str = ""
    source: str = ""
    reason: str = ""
    when: str = "now"
    day: str = ""
    errors: dict[str, str] = field(default_factory=dict)
    line: int | None = None
    at: str = ""


@routes.get("/definitions/new")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def definition_new() -> ResponseReturnValue:
    """A new version, from the one in force, from ?base=, or from the shipped draft."""
    site = site_seen()
    if site is None:
        return render_template("no_site.html")
    with reading(here().engine) as tx:
        text = text_asked(tx, site, here().now())
    form = Form(text=text, source=text, tab=TEXT if request.args.get("tab") == TEXT else BUILDER)
    form.draft = drafted(read_definition(text, None))
    return page_of(site, form)


def text_asked(tx: Tx, site: Site, now: datetime) -> str:
    """The text to begin with, and what an address adds to it, such as points that history suggests."""
    text, more = text_to_change(tx, site, now), request.args.get("add", "")[:LONGEST_ADDED]
    if not more:
        return text
    added = f"{text.rstrip()}\n\n{more}"
    read_definition(added, None)
    return added


def text_to_change(tx: Tx, site: Site, now: datetime) -> str:
    """The text to begin with: of a version, of the one in force, or the shipped draft."""
    told = request.args.get("base", "")
    if told == "draft":
        return draft_text()
    if told:
        return saved_version(tx, site.site_id, int(told) if told.isdecimal() and len(told) < 6 else -1).text
    counts = in_force(tx, site.site_id, now)
    return saved_version(tx, site.site_id, counts.version).text if counts else draft_text()


@routes.post("/definitions/draft")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def change_draft() -> ResponseReturnValue:
    """What the form's buttons do: add, remove, turn to the other tab, try. Nothing is saved."""
    site, form = site_named(), form_told()
    deed = request.form.get("do", "")
    if deed == "try":
        told = told_of(form, site)
        if told is None:
            return page_of(site, form), 422
        now, from_at = here().now(), from_at_of(form, site)
        if form.errors:
            return page_of(site, form), 422
        with reading(here().engine) as tx:
            tried = Tried(UNSAVED, told, from_at or now)
            trial = trial_shown(tx, site, try_definition(tx, site, tried, Ask(), now), Reading.ALL_ALONG, UNSAVED)
        return page_of(site, form, trial, told)
    if deed in (BUILDER, TEXT):
        turn(form, deed)
    elif form.tab == BUILDER:
        form.at = act(form.draft, deed, request.form.get(f"{deed.partition(':')[2]}-new", ""))
    return page_of(site, form), 422 if form.errors else 200


@routes.post("/definitions")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def save_new_definition() -> ResponseReturnValue:
    """Save what the form says as a new version; it counts when both sides have signed it."""
    site, form, now = site_named(), form_told(), here().now()
    told = told_of(form, site)
    from_at = from_at_of(form, site)
    if not form.reason.strip() or len(form.reason) > LONGEST_REASON:
        form.errors["reason"] = gettext("Say why, in 1 to %(n)s characters.", n=LONGEST_REASON)
    if told is None or form.errors:
        return page_of(site, form), 422
    try:
        with begin(here().engine) as tx:
            saved = save_definition(
                tx, site.site_id, text_of(form, told), reason=form.reason, by=actor(), now=now, from_at=from_at
            )
            note_saved(tx, site, saved, now)
    except Invalid as error:
        form.errors[error.field if error.field in ("reason", "text") else "text"] = error.message
        return page_of(site, form), 422
    if saved.signed_at is not None:
        flash(gettext("Version %(n)s counts. Everybody is being counted anew.", n=saved.version), "success")
    else:
        flash(
            gettext("Version %(n)s is saved. It counts when marketing and sales have signed it.", n=saved.version),
            "success",
        )
    return redirect(address(url_for("pages.definition", version=saved.version), {"site": site.key}))


def note_saved(tx: Tx, site: Site, saved: Saved, now: datetime) -> None:
    """Write it down; where nobody has to sign, everybody is derived anew."""
    details = {"reason": saved.reason, "from_at": saved.from_at.isoformat()}
    audit.note(tx, site.site_id, actor(), Audited.DEFINITION, str(saved.version), now=now, details=details)
    if saved.signed_at is not None:
        restage(tx, site.site_id)


# --- the form -------------------------------------------------------------------------------------------------------


def form_told() -> Form:
    """The form as it was sent."""
    given = request.form
    tab = TEXT if given.get("tab") == TEXT else BUILDER
    form = Form(
        tab=tab,
        text=given.get("text", "").replace("\r\n", "\n"),
        source=given.get("source", "").replace("\r\n", "\n"),
        reason=given.get("reason", "").replace("\r\n", "\n"),
        when="day" if given.get("when") == "day" else "now",
        day=given.get("day", "").strip(),
    )
    if tab == BUILDER:
        form.draft = read_draft(given, given.getlist)
    return form


def turn(form: Form, tab: str) -> None:
    """Turn to the other tab, if what stands in this one can be read."""
    if tab == form.tab:
        return
    if tab == TEXT:
        told = told_by(form.draft)
        if told is None:
            form.errors["builder"] = gettext("Something is missing: see below. Then turn to the text.")
            return
        form.text = text_of(form, told)
        form.tab = TEXT
        return
    told = read_text(form)
    if told is not None:
        form.draft, form.source, form.tab = drafted(told), form.text, BUILDER


def read_text(form: Form, stages: tuple[str, ...] | None = None) -> Definition | None:
    """What the text says; None: what is wrong, and in which line, stands in the form."""
    try:
        return read_definition(form.text, stages)
    except Invalid as error:
        # A text may have nothing yet; the builder can begin with that.
        form.errors["text"], form.line = error.message, line_of(error.message, form.text)
        return None


def text_of(form: Form, told: Definition) -> str:
    """The text to keep: what was written, comments and all, as long as it says the same."""
    if form.tab == TEXT:
        return form.text
    try:
        if form.source and read_definition(form.source, None) == told:
            return form.source
    except Invalid:
        pass
    return written(told)


def told_of(form: Form, site: Site) -> Definition | None:
    """The definition that the form says, for the site's stages; None: what is wrong stands in the form."""
    names = stages_seen().names
    if form.tab == TEXT:
        return read_text(form, names)
    found = told_by(form.draft)
    if found is None:
        form.errors["builder"] = gettext("Something is missing: see below.")
        return None
    try:
        return read_definition(written(found), names)
    except Invalid as error:
        place_error(form.draft, error.message)
        form.errors["builder"] = error_text(error.message) or error.message
        return None


def place_error(draft: Draft, message: str) -> None:
    """Put an error beside the rule that it names."""
    named: list[RuleDraft | PointsDraft] = [*draft.rules, *draft.points]
    for one in named:
        if one.name and repr(one.name) in message.partition(": ")[0]:
            one.error = message


def from_at_of(form: Form, site: Site) -> datetime | None:
    """From when on it shall count; None: from now on. What is wrong with the day stands in the form."""
    if form.when == "now":
        return None
    try:
        day = datetime.fromisoformat(parse_day(form.day))
        found = day.replace(tzinfo=zone(site.timezone)).astimezone(UTC)
    except (Invalid, OverflowError, ValueError):
        form.errors["day"] = gettext("Give a day, such as 2026-04-01.")
        return None
    if not 1990 <= found.year <= 2100:
        form.errors["day"] = gettext("Give a day from 1990 to 2100.")
        return None
    return found


def page_of(site: Site, form: Form, trial: ShownTrial | None = None, told: Definition | None = None) -> str:
    """The page."""
    now = here().now()
    with reading(here().engine) as tx:
        settled = lifecycle_of(tx, site.site_id)
        versions = [one.version for one in saved_versions(tx, site.site_id)][:20]
    from_at = from_at_of(Form(when=form.when, day=form.day), site)
    return render_template(
        "definition_new.html",
        form=form,
        trial=trial,
        shown=definition_shown(told) if told else None,
        versions=versions,
        stages=stages_seen().names,
        kinds=DEED_KINDS,
        groups=GROUPS,
        scopes=tuple(Scope),
        wrong=wrong_text,
        is_past=from_at is not None and from_at < now,
        needs_sign_off=settled.needs_sign_off,
    )


def wrong_text(one: Node | RuleDraft | PointsDraft) -> tuple[str, str]:
    """What is wrong with a part of the form: in the reader's language, and in the text form's own words else."""
    if not one.error:
        return "", ""
    found = error_text(one.error)
    return (found, "") if found else ("", one.error)
