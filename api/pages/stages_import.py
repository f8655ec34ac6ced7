"""Import a file of stages: send it, see who would come from which stage into which, take it in."""

from dataclasses import dataclass
from datetime import datetime

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext

from api.context import here
from api.pages.frame import site_named
from api.pages.routes import routes
from api.pages.shown import count
from api.trust import Audience, actor, audience
from tracker import flow
from tracker.access import audit
from tracker.db.store import begin, reading
from tracker.errors import Invalid
from tracker.lifecycle.drafts import drop_stage_draft, keep_stage_draft, stage_draft_of
from tracker.lifecycle.settled import stages_of
from tracker.stagefiles.planning import Plan, Planned, plan, take_in
from tracker.stagefiles.reading import MOST_BYTES, MOST_ROWS, StageFile, Wrong, WrongRow, read_stages
from tracker.vocabulary import Audited, Role, StageCause

MOST_SHOWN = 100  # changes, and lines that cannot be taken
SENDING = "pages.send_stage_file"


@dataclass(frozen=True, slots=True)
class ShownChange:
    """What a line would change. at: None: from now on."""

    line: int
    name: str
    told: str
    href: str
    before: str | None
    stage: str
    at: datetime | None
    goes_back: bool


@dataclass(frozen=True, slots=True)
class ShownWrong:
    """A line that cannot be taken; texts are the file's, cut."""

    line: int
    why: str
    text: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What a file would do."""

    n_rows: int
    n_changes: int
    n_back: int
    n_unchanged: int
    n_wrong: int
    changes: tuple[ShownChange, ...]
    wrong: tuple[ShownWrong, ...]


@routes.url_value_preprocessor
def allow_stage_files(endpoint: str | None, values: object) -> None:
    """Files may be larger than what else is sent; said before anything of the request is read."""
    if endpoint == SENDING:
        request.max_content_length = MOST_BYTES + 65_536


@routes.get("/stages/import")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def stages_import() -> ResponseReturnValue:
    """Choose a file."""
    site_named()
    return start_page()


@routes.post("/stages/import")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def send_stage_file() -> ResponseReturnValue:
    """Keep a file until it has been looked at."""
    site, now = site_named(), here().now()
    sent = request.files.get("file")
    content = sent.read(MOST_BYTES + 1) if sent is not None else b""
    name = (sent.filename or "") if sent is not None else ""
    try:
        with reading(here().engine) as tx:
            stages = stages_of(tx, site.site_id)
        read_stages(content, stages, site.timezone, now)
    except Invalid as error:
        return start_page(file_error(error)), 422
    with begin(here().engine) as tx:
        draft_id = keep_stage_draft(tx, site.site_id, name, content, actor(), now)
    return redirect(url_for("pages.stage_file", draft_id=draft_id, site=site.key))


@routes.get("/stages/import/<draft_id>")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def stage_file(draft_id: str) -> ResponseReturnValue:
    """What a file would change."""
    site, now = site_named(), here().now()
    with reading(here().engine) as tx:
        draft = stage_draft_of(tx, site.site_id, draft_id)
        told = read_stages(draft.content, stages_of(tx, site.site_id), site.timezone, now)
        found = plan(tx, site, told.rows, now)
    return render_template("stages_preview.html", draft=draft, preview=preview_of(told, found))


@routes.post("/stages/import/<draft_id>/load")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def load_stage_file(draft_id: str) -> ResponseReturnValue:
    """Take a file in, without the lines that cannot be taken."""
    site, now = site_named(), here().now()
    with reading(here().engine) as tx:
        draft = stage_draft_of(tx, site.site_id, draft_id)
        told = read_stages(draft.content, stages_of(tx, site.site_id), site.timezone, now)
    with begin(here().engine) as tx:
        flow.take_turn(tx, site)
        found = plan(tx, site, told.rows, now)
        changed = take_in(tx, site, found, f"file {draft.name}", StageCause.IMPORT, now)
        drop_stage_draft(tx, site.site_id, draft_id)
        details = {"people": len(changed), "changes": len(found.changes), "rows": len(told.rows) + len(told.wrong)}
        audit.note(tx, site.site_id, actor(), Audited.STAGE, draft.name, now=now, details=details)
    n = len(changed)
    flash(ngettext("%(n)s person’s stage was set.", "%(n)s people’s stages were set.", n, n=count(n)), "success")
    return redirect(url_for("pages.stages", site=site.key))


@routes.post("/stages/import/<draft_id>/drop")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def drop_stage_file(draft_id: str) -> ResponseReturnValue:
    """Forget a file that was sent."""
    site = site_named()
    with begin(here().engine) as tx:
        drop_stage_draft(tx, site.site_id, draft_id)
    flash(gettext("The file was dropped; nothing was imported."), "info")
    return redirect(url_for("pages.stages_import", site=site.key))


def start_page(error: str | None = None) -> str:
    """Where a file is chosen."""
    most_mb = MOST_BYTES // 1024 // 1024
    return render_template("stages_import.html", error=error, most_mb=most_mb, most_rows=MOST_ROWS)


def file_error(error: Invalid) -> str:
    """Why a file was refused, in the reader's language."""
    if error.field == "stage":
        return str(gettext("The first line has no column “Stage”, or several."))
    if error.field == "at":
        return str(gettext("The first line has several columns for the date."))
    if error.field == "person":
        return str(gettext("The first line has no column “E-mail”, “CRM id” or “Contact”."))
    return str(gettext("The file cannot be read: %(why)s", why=error.message))


def preview_of(told: StageFile, found: Plan) -> Preview:
    """What a file would do, cut to what fits on a page; who goes back comes first."""
    changes = sorted(found.changes, key=lambda one: (not one.goes_back, one.row.line))
    wrong = sorted([*told.wrong, *found.wrong], key=lambda one: one.line)
    return Preview(
        n_rows=len(told.rows) + len(told.wrong),
        n_changes=len(changes),
        n_back=sum(one.goes_back for one in changes),
        n_unchanged=len(found.planned) - len(changes),
        n_wrong=len(wrong),
        changes=tuple(change_shown(one) for one in changes[:MOST_SHOWN]),
        wrong=tuple(wrong_shown(one) for one in wrong[:MOST_SHOWN]),
    )


def change_shown(one: Planned) -> ShownChange:
    """One change in the reader's form."""
    return ShownChange(
        line=one.row.line,
        name=one.person.name or one.person.email or one.row.who.text,
        told=one.row.who.text,
        href=url_for("pages.contact", contact_id=one.person.contact_id),
        before=one.before,
        stage=one.row.stage,
        at=one.row.at,
        goes_back=one.goes_back,
    )


def wrong_shown(one: WrongRow) -> ShownWrong:
    """One line that cannot be taken, and why."""
    why = {
        Wrong.NOBODY: gettext("names nobody: no e-mail address and no id"),
        Wrong.UNKNOWN_PERSON: gettext("nobody is known by this"),
        Wrong.NO_STAGE: gettext("says no stage"),
        Wrong.UNKNOWN_STAGE: gettext("is none of the site’s stages"),
        Wrong.BAD_DATE: gettext("is no date that begins with the year, such as 2026-04-01"),
        Wrong.FUTURE: gettext("lies in the future"),
        Wrong.TWICE: gettext("is there a second time without a date"),
    }[one.why]
    return ShownWrong(one.line, str(why), one.text)
