"""Import a file: of what became of mails, or of answers to a survey. What cannot be read is left out and counted."""

from collections.abc import Mapping, Sequence

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext

from api.context import here
from api.pages.frame import site_named
from api.pages.routes import routes
from api.pages.shown import count
from api.trust import Audience, actor, audience
from tracker.access.sites import Site
from tracker.db.store import begin
from tracker.errors import Invalid
from tracker.reactions import answers_file, mail_file, take_answers_file, take_mail_file
from tracker.uploaded import MOST_BYTES
from tracker.vocabulary import Role

SENDING = ("pages.send_mails", "pages.send_answers")
MOST_LINES = 8


@routes.url_value_preprocessor
def allow_large_files(endpoint: str | None, values: object) -> None:
    """These files may be larger than what else is sent; said before anything of the request is read."""
    if endpoint in SENDING:
        request.max_content_length = MOST_BYTES + 65_536


@routes.get("/programmes/import")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def mails_import() -> ResponseReturnValue:
    """Choose a file of mails."""
    return import_page(site_named(), "mail")


@routes.post("/programmes/import")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def send_mails() -> ResponseReturnValue:
    """Take a file of mails in."""
    site, (name, content), now = site_named(), file_sent(), here().now()
    try:
        found = mail_file(content, site, now)
    except Invalid as error:
        return import_page(site, "mail", wrong_with(error)), 422
    if not found.events:
        return import_page(site, "mail", nothing_in(found.refused, found.lines)), 422
    with begin(here().engine) as tx:
        n_new = take_mail_file(tx, site, name, found, actor(), now)
    tell(len(found.events), n_new, found.refused, found.lines)
    return redirect(url_for("pages.programmes", site=site.key, period="all_time"))


@routes.get("/surveys/import")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def answers_import() -> ResponseReturnValue:
    """Choose a file of answers."""
    return import_page(site_named(), "nps")


@routes.post("/surveys/import")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def send_answers() -> ResponseReturnValue:
    """Take a file of answers in."""
    site, (name, content), now = site_named(), file_sent(), here().now()
    try:
        found = answers_file(content, site, now)
    except Invalid as error:
        return import_page(site, "nps", wrong_with(error)), 422
    if not found.answers:
        return import_page(site, "nps", nothing_in(found.refused, found.lines)), 422
    with begin(here().engine) as tx:
        n_new = take_answers_file(tx, site, name, found, actor(), now)
    tell(len(found.answers), n_new, found.refused, found.lines)
    return redirect(url_for("pages.surveys", site=site.key, period="all_time"))


def file_sent() -> tuple[str, bytes]:
    """The name and the bytes of the file in the form; of none, ''."""
    sent = request.files.get("file")
    return ("", b"") if sent is None else (sent.filename or "", sent.read(MOST_BYTES + 1))


def import_page(site: Site, kind: str, error: str | None = None) -> str:
    """Where a file is chosen; kind: mail or nps."""
    return render_template("mails_import.html", kind=kind, error=error, most_mb=MOST_BYTES // 1024 // 1024)


def wrong_with(error: Invalid) -> str:
    """Why a file cannot be read, in the reader's language."""
    text = error.message
    if "empty" in text:
        return str(gettext("Choose a file; this one is empty."))
    if "columns" in text:
        named = text.partition("columns ")[2]
        return str(gettext("No line names the columns that are needed: %(names)s.", names=named))
    if "MB" in text or "more than" in text:
        return str(gettext("The file is too large. Export a shorter period."))
    if "no text" in text:
        return str(gettext("This is no text file. Export as CSV, in UTF-8 or Shift_JIS."))
    return str(gettext("The file cannot be read as CSV: %(why)s", why=text))


def nothing_in(refused: Mapping[str, int], lines: Sequence[tuple[int, str]]) -> str:
    """What to say of a file without a single row that can be read."""
    return " ".join([gettext("No row of this file can be read."), *reasons(refused, lines)])


def tell(n_read: int, n_new: int, refused: Mapping[str, int], lines: Sequence[tuple[int, str]]) -> None:
    """Say what came of a file, and what was left out of it."""
    read = ngettext("One row was read", "%(n)s rows were read", n_read, n=count(n_read))
    flash(gettext("%(read)s; %(new)s of them are new.", read=read, new=count(n_new)), "success")
    for text in reasons(refused, lines):
        flash(text, "info")


def reasons(refused: Mapping[str, int], lines: Sequence[tuple[int, str]]) -> list[str]:
    """Why rows were left out, with the lines of the first ones."""
    words = {
        "no_email": gettext("Without a readable e-mail address"),
        "email_unreadable": gettext("With an unreadable e-mail address"),
        "no_programme": gettext("Without a programme"),
        "no_time": gettext("Without a readable day or time"),
        "ahead": gettext("More than a day ahead"),
        "kind_unknown": gettext("Of an unknown kind"),
        "other_kind": gettext("Of a kind that is not counted"),
        "no_score": gettext("Without a score of 0 to 10"),
    }
    found = []
    for reason, n in sorted(refused.items()):
        own = [str(line) for line, why in lines if why == reason]
        shown = ", ".join(own[:MOST_LINES]) + (", …" if len(own) > MOST_LINES else "")
        found.append(
            gettext("%(why)s: %(n)s (line %(lines)s).", why=words.get(str(reason), reason), n=count(n), lines=shown)
        )
    return found
