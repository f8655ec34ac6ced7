"""The audit log: who changed what, when; for owners. What was told about a change is shown as before → after."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from api.context import here
from api.pages.files import FORMS, answer_file
from api.pages.frame import Page, address, kept_arguments, site_named
from api.pages.routes import routes
from api.trust import Audience, audience, is_owner_everywhere, site_seen
from tracker.access.audit import COMMAND_LINE, Asked, Entry, actors, entries
from tracker.access.sites import Site
from tracker.clock import local_day
from tracker.db.store import reading
from tracker.reports.catalogue import message
from tracker.reports.sheet import CellKind, Sheet, SheetColumn
from tracker.vocabulary import Audited, Role

PAGE_ROWS = 50
MOST_ROWS = 50_000
MOST_CHARACTERS = 300
CURSOR = re.compile(r"(?P<way>[ab])(?P<id>[0-9]{1,18})")

WORDS: Mapping[str, str] = {
    Audited.USER: message("User"),
    Audited.MEMBER: message("Role"),
    Audited.PASSWORD: message("Password"),
    Audited.SITE: message("Site"),
    Audited.TOKEN: message("API token"),
    Audited.TRACKING: message("What the snippet does"),
    Audited.NUMBERS: message("Phone numbers"),
    Audited.POLICY: message("Attribution settings"),
    Audited.MERGE: message("Contacts merged"),
    Audited.SPLIT: message("Contacts split"),
    Audited.STAGE: message("Stage set by hand"),
    Audited.COSTS: message("Costs"),
    Audited.COST_RULES: message("Campaign names"),
    Audited.PIPELINE: message("Pipeline"),
    Audited.VIEW: message("Saved view"),
    Audited.DIGEST: message("Report by mail"),
    Audited.STAGES: message("Stages"),
    Audited.DEFINITION: message("Definition"),
    Audited.SIGN_OFF: message("Sign-off"),
    Audited.SEGMENT: message("Segment"),
    Audited.ACTION: message("Action"),
    Audited.PROGRAMME: message("Mail programme"),
    Audited.SURVEY: message("Survey"),
    Audited.ACCOUNT: message("Target account"),
    Audited.TARGET: message("Target"),
    Audited.EXPORT: message("Export of people"),
}
# What the details of a change are called; a name that is not here is shown as it is stored.
LABELS: Mapping[str, str] = {
    "campaign": message("Campaign"),
    "clicks": message("Clicks that are events"),
    "company": message("Company"),
    "consent": message("Consent"),
    "currency": message("Currency"),
    "dnt": message("Do Not Track"),
    "every": message("How often"),
    "fields": message("Fields of a form"),
    "from_day": message("From"),
    "gpc": message("Global Privacy Control"),
    "hash": message("Changes behind # are page views"),
    "hosts": message("Hosts"),
    "lease_s": message("A visitor holds a number for, in seconds"),
    "lease_rest_s": message("Then it rests for, in seconds"),
    "link": message("Link to set a password"),
    "medium": message("Medium"),
    "n_rows": message("Number of rows"),
    "name": message("Name"),
    "note": message("Note"),
    "number": message("Number"),
    "page": message("Page"),
    "parts": message("Adapters"),
    "role": message("Role"),
    "rows": message("Number of rows"),
    "shown": message("In the place of"),
    "source": message("Source"),
    "stage": message("Stage"),
    "to_day": message("To"),
    "token": message("API token"),
    "version": message("Version"),
}
VALUES: Mapping[str, str] = {
    Role.OWNER: message("Owner"),
    Role.ANALYST: message("Analyst"),
    Role.VIEWER: message("Viewer"),
    "made": message("made"),
    "revoked": message("revoked"),
    "week": message("every week"),
    "month": message("every month"),
}
WORDED = ("role", "link", "every", "token")


@dataclass(frozen=True, slots=True)
class Change:
    """One detail: its name, and what it was and is; before None: nothing is told of that. Texts are strangers'."""

    label: str
    before: str | None
    after: str


@dataclass(frozen=True, slots=True)
class ShownEntry:
    """A line of the log in the reader's words; is_general: it is about all sites."""

    at: datetime
    actor: str
    action: str
    subject: str
    is_general: bool
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """An entry of a filter."""

    value: str
    label: str
    is_current: bool


@routes.get("/audit")
@audience(Audience.PEOPLE, least=Role.OWNER)
def audit_log() -> ResponseReturnValue:
    """The log, newest first; ?action= and ?actor= ask for some of it."""
    site = site_seen()
    if site is None:
        return render_template("no_site.html")
    asked, before, after = asked_for(site), cursor_of("b"), cursor_of("a")
    with reading(here().engine) as tx:
        found = entries(tx, asked, PAGE_ROWS + 1, before, after)
        known = actors(tx, asked)
    more, found = len(found) > PAGE_ROWS, (found[-PAGE_ROWS:] if after is not None else found[:PAGE_ROWS])
    return render_template(
        "audit_log.html",
        entries=[entry_shown(one) for one in found],
        actions=[Choice(word, gettext(WORDS[word]), asked.action == word) for word in Audited],
        actors=[Choice(one, actor_text(one), asked.actor == one) for one in known],
        is_filtered=bool(asked.action or asked.actor),
        downloads=[(form, address(url_for("pages.audit_file", form=form), kept_arguments("cursor"))) for form in FORMS],
        page=page_of(found, more if after is not None else before is not None, more if after is None else True),
    )


@routes.get("/audit.<form>")
@audience(Audience.PEOPLE, least=Role.OWNER)
def audit_file(form: str) -> Response:
    """The same lines as a file: csv, xlsx or json; all of them, at most 50,000."""
    site = site_named()

    def sheets() -> list[Sheet]:
        with reading(here().engine) as tx:
            found = entries(tx, asked_for(site), MOST_ROWS)
        return [sheet_of(found)]

    return answer_file(form, ("audit", local_day(here().now(), site.timezone)), sheets)


def asked_for(site: Site) -> Asked:
    """Which lines the address asks for; what names nothing asks for nothing."""
    action = request.args.get("action", "")
    return Asked(
        site.site_id,
        everywhere=is_owner_everywhere(),
        action=Audited(action) if action in set(Audited) else None,
        actor=request.args.get("actor", "")[:340] or None,
    )


def cursor_of(way: str) -> int | None:
    """The entry before (b) or after (a) which the page begins, as ?cursor= says."""
    found = CURSOR.fullmatch(request.args.get("cursor", ""))
    return int(found["id"]) if found and found["way"] == way else None


def page_of(shown: list[Entry], has_newer: bool, has_older: bool) -> Page:
    """The links to newer and older lines."""
    if not shown:
        return Page()

    def to(cursor: str) -> str:
        return address(request.path, {**kept_arguments(), "cursor": cursor})

    newer = to(f"a{shown[0].audit_id}") if has_newer else None
    return Page(newer, to(f"b{shown[-1].audit_id}") if has_older else None)


def entry_shown(one: Entry) -> ShownEntry:
    """A line in the reader's language."""
    return ShownEntry(
        at=one.at,
        actor=actor_text(one.actor),
        action=gettext(WORDS[one.action]),
        subject=one.subject,
        is_general=one.site_id is None,
        changes=tuple(changes_of(one.details)),
    )


def actor_text(actor: str) -> str:
    """Who it was: an address, a token by its name, or the command line."""
    kind, _, name = actor.partition(" ")
    if kind == "user":
        return name
    if kind == "token":
        return str(gettext("token %(name)s", name=name))
    return str(gettext("command line")) if actor == COMMAND_LINE else actor


def changes_of(details: Mapping[str, Any]) -> Iterator[Change]:
    """The details one by one: what changed first, then what else was told."""
    before, after = details.get("before"), details.get("after")
    if isinstance(before, Mapping) or isinstance(after, Mapping):
        was, now = (one if isinstance(one, Mapping) else {} for one in (before, after))
        for name in {**was, **now}:
            yield Change(label_of(name), text_of(was.get(name), name), text_of(now.get(name), name))
    elif "after" in details or "before" in details:
        yield Change("", text_of(before), text_of(after))
    for name, value in details.items():
        if name not in ("before", "after"):
            yield Change(label_of(name), None, text_of(value, name))


def label_of(name: str) -> str:
    """What a detail is called."""
    return gettext(LABELS[name]) if name in LABELS else name


def text_of(value: Any, name: str = "") -> str:
    """A value as people read it: nothing, yes or no, words with commas between; cut."""
    if value is None or value in ("", [], {}):
        return "—"
    if isinstance(value, bool):
        return str(gettext("yes") if value else gettext("no"))
    if isinstance(value, Mapping):
        text = ", ".join(f"{key}: {text_of(one)}" for key, one in value.items())
    elif isinstance(value, list | tuple):
        text = ", ".join(text_of(one) for one in value)
    else:
        text = gettext(VALUES[value]) if name in WORDED and value in VALUES else str(value)
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}…"


def sheet_of(found: list[Entry]) -> Sheet:
    """The lines as a table."""
    columns = (
        SheetColumn(gettext("When"), CellKind.INSTANT, "at"),
        SheetColumn(gettext("Changed by"), key="actor"),
        SheetColumn(gettext("What"), key="action"),
        SheetColumn(gettext("Of what"), key="subject"),
        SheetColumn(gettext("What was changed"), key="change"),
    )
    shown = [entry_shown(one) for one in found]
    rows = [(one.at, one.actor, one.action, one.subject, "; ".join(map(change_text, one.changes))) for one in shown]
    return Sheet(gettext("Audit log"), columns, rows)


def change_text(change: Change) -> str:
    """A detail in one line."""
    text = change.after if change.before is None else f"{change.before} → {change.after}"
    return f"{change.label}: {text}" if change.label else text


assert set(WORDS) == set(Audited)
