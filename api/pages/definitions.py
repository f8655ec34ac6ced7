"""The definitions of a site: what is in force, every version there was, one of them, its signatures."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from api.context import here
from api.pages.frame import address, site_named
from api.pages.routes import routes
from api.pages.rule_words import points_sentence, points_text, sentence_of
from api.pages.shown import word
from api.trust import Audience, actor, audience, sees_people, site_seen
from tracker.access import audit
from tracker.db.store import Tx, begin, reading
from tracker.errors import Conflict, Invalid
from tracker.lifecycle.difference import differences
from tracker.lifecycle.rules import Definition, Rule
from tracker.lifecycle.score import PointRule
from tracker.lifecycle.settled import lifecycle_of, restage
from tracker.lifecycle.versions import Saved, parsed, saved_version, saved_versions, sign, withdraw
from tracker.reports.trial import in_force
from tracker.staging import n_left
from tracker.vocabulary import Audited, Role, Side

FIRST_SHOWN = 50


@dataclass(frozen=True, slots=True)
class ShownRule:
    """A rule in the reader's words: where it leads and when. The name is the site's people's."""

    name: str
    stage: str
    text: str


@dataclass(frozen=True, slots=True)
class ShownPoints:
    """What something is worth, in the reader's words."""

    name: str
    points: str
    text: str


@dataclass(frozen=True, slots=True)
class ShownDefinition:
    """What a version says."""

    rules: tuple[ShownRule, ...]
    points: tuple[ShownPoints, ...]


@dataclass(frozen=True, slots=True)
class ShownSide:
    """A side and its signature. by: '' while it has not signed"""

    side: str
    by: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class ShownVersion:
    """A saved version. state: open, in_force, coming, replaced, withdrawn; reason and saved_by are people's words"""

    version: int
    state: str
    reason: str
    saved_by: str
    saved_at: datetime
    from_at: datetime
    sides: tuple[ShownSide, ...]
    href: str


@dataclass(frozen=True, slots=True)
class ShownDifference:
    """What changed in one rule: sentences before and after, None where there is none."""

    verdict: str
    name: str
    before: str | None
    after: str | None


@routes.get("/definitions")
@audience(Audience.PEOPLE)
def definitions() -> ResponseReturnValue:
    """What is in force, and all versions, open ones first."""
    site = site_seen()
    if site is None:
        return render_template("no_site.html")
    now = here().now()
    with reading(here().engine) as tx:
        saved = saved_versions(tx, site.site_id)
        counts = in_force(tx, site.site_id, now)
        left, settled = n_left(tx, site.site_id), lifecycle_of(tx, site.site_id)
    number = counts.version if counts else None
    shown = [version_shown(one, number, now) for one in saved]
    shown.sort(key=lambda one: one.state != "open")
    return render_template(
        "definitions.html",
        counts=definition_shown(counts.definition) if counts else None,
        number=number,
        versions=shown[: None if request.args.get("all") else FIRST_SHOWN],
        n_versions=len(shown),
        left=left,
        needs_sign_off=settled.needs_sign_off,
        may_change=sees_people(),
    )


@routes.get("/definitions/<int:version>")
@audience(Audience.PEOPLE)
def definition(version: int) -> ResponseReturnValue:
    """One version: its sentences, its text, what it says otherwise than the one before, and its signatures."""
    site = site_named()
    now = here().now()
    with reading(here().engine) as tx:
        one = saved_version(tx, site.site_id, version)
        counts = in_force(tx, site.site_id, now)
        before = before_of(tx, site.site_id, one)
        left = n_left(tx, site.site_id)
    told = parsed(one.text)
    return render_template(
        "definition.html",
        one=version_shown(one, counts.version if counts else None, now),
        text=one.text,
        shown=definition_shown(told),
        before=before.version if before else None,
        differences=differences_shown(parsed(before.text) if before else Definition(), told),
        is_past=one.from_at < one.saved_at,
        left=left,
        me=actor(),
        may_change=sees_people(),
    )


@routes.post("/definitions/<int:version>/sign")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def sign_definition(version: int) -> ResponseReturnValue:
    """Agree to a version for one side; with the second one it counts, and everybody is derived anew."""
    site, now = site_named(), here().now()
    told = request.form.get("side", "")
    if told not in set(Side):
        raise Invalid("marketing or sales", field="side")
    try:
        with begin(here().engine) as tx:
            signed = sign(tx, site.site_id, version, Side(told), by=actor(), now=now)
            details = {"side": told}
            audit.note(tx, site.site_id, actor(), Audited.SIGN_OFF, str(version), now=now, details=details)
            if signed.signed_at is not None:
                restage(tx, site.site_id)
    except Conflict as error:
        flash(conflict_text(error), "error")
    else:
        if signed.signed_at is None:
            flash(gettext("Signed. It counts when the other side has signed, too."), "success")
        else:
            flash(gettext("Both sides have signed: the definition counts. Everybody is being counted anew."), "success")
    return redirect(address(url_for("pages.definition", version=version), {"site": site.key}))


@routes.post("/definitions/<int:version>/withdraw")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def withdraw_definition(version: int) -> ResponseReturnValue:
    """Take back a version that has not been signed by both."""
    site, now = site_named(), here().now()
    try:
        with begin(here().engine) as tx:
            withdraw(tx, site.site_id, version, now=now)
            details = {"withdrawn": True}
            audit.note(tx, site.site_id, actor(), Audited.DEFINITION, str(version), now=now, details=details)
    except Conflict as error:
        flash(conflict_text(error), "error")
    else:
        flash(gettext("The definition is withdrawn."), "success")
    return redirect(address(url_for("pages.definition", version=version), {"site": site.key}))


def conflict_text(error: Conflict) -> str:
    """Why somebody cannot sign, or withdraw."""
    if error.field != "side":
        return str(gettext("It is signed by both sides already, or withdrawn."))
    if "two people" in error.message:
        return str(gettext("Marketing and sales are signed for by two people: ask somebody of the other side."))
    return str(gettext("This side has signed already."))


# --- in the reader's words ------------------------------------------------------------------------------------------


def before_of(tx: Tx, site_id: int, one: Saved) -> Saved | None:
    """The version that counted before one, or would have: the latest older one that both have signed."""
    older = [each for each in saved_versions(tx, site_id) if each.version < one.version]
    return next((each for each in older if each.signed_at is not None), None)


def version_shown(one: Saved, in_force_now: int | None, now: datetime) -> ShownVersion:
    """A saved version in the reader's words."""
    signed = {each.side: each for each in one.sign_offs}
    if one.withdrawn_at is not None:
        state = "withdrawn"
    elif one.signed_at is None:
        state = "open"
    elif one.version == in_force_now:
        state = "in_force"
    else:
        state = "coming" if one.from_at > now else "replaced"
    return ShownVersion(
        one.version,
        state,
        one.reason,
        one.saved_by,
        one.saved_at,
        one.from_at,
        tuple(
            ShownSide(side.value, signed[side].signed_by, signed[side].signed_at)
            if side in signed
            else ShownSide(side.value, "", None)
            for side in Side
        ),
        url_for("pages.definition", version=one.version),
    )


def definition_shown(told: Definition) -> ShownDefinition:
    """What a definition says, in the reader's words."""
    return ShownDefinition(
        tuple(ShownRule(one.name, one.stage, sentence_of(one)) for one in told.rules),
        tuple(ShownPoints(one.name, points_text(one.points), points_sentence(one)) for one in told.points),
    )


def differences_shown(before: Definition, after: Definition) -> Sequence[ShownDifference]:
    """What changed, in the reader's words."""
    return [
        ShownDifference(one.verdict.value, one.name, one_shown(one.before), one_shown(one.after))
        for one in differences(before, after)
    ]


def one_shown(one: Rule | PointRule | None) -> str | None:
    """A rule or points as one sentence."""
    if one is None:
        return None
    if isinstance(one, PointRule):
        return str(gettext("%(points)s: %(text)s", points=points_text(one.points), text=points_sentence(one)))
    return str(gettext("%(stage)s: %(text)s", stage=word("stage_word", one.stage), text=sentence_of(one)))
