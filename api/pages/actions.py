"""Actions: what is done when somebody comes into a stage, made by owners; and what became of each, for analysts too."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from flask import current_app, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select

from api.acting import send_one
from api.context import here
from api.pages.frame import Page, address, kept_arguments, site_named
from api.pages.routes import routes
from api.trust import Audience, actor, audience, is_owner, site_seen
from tracker import outbox
from tracker.access import audit
from tracker.access.roles import members_of
from tracker.access.sites import Site
from tracker.access.users import clean_email
from tracker.actions.act import put_test, try_again
from tracker.actions.listing import (
    LONGEST_NAME,
    LONGEST_TASK,
    Action,
    actions_of,
    add_action,
    checked,
    find_action,
    remove_action,
    switch,
)
from tracker.actions.messages import Subject
from tracker.actions.moved import StageMoved
from tracker.actions.signing import SECRET_BYTES, secret_of
from tracker.actions.subjects import subjects_of
from tracker.clock import from_ms
from tracker.config import Settings
from tracker.connectors.outgoing import LONGEST_URL, check_url
from tracker.db.schema import segments
from tracker.db.store import Tx, begin, reading
from tracker.errors import Conflict, Invalid, MinamotoError, NotFound
from tracker.ids import new_view_id
from tracker.lifecycle.settled import stages_of
from tracker.outbox import SENT_BY_US, Item
from tracker.secret import seal, secret_key
from tracker.vocabulary import ActionKind, Audited, OutboxState, Role, Scope, Stage, StageCause

SECRET = "webhook_secret"  # noqa: S105 - the name under which a session keeps it for one page
PAGE_ROWS = 30
Count = tuple[OutboxState, int, str]


@dataclass(frozen=True, slots=True)
class ShownAction:
    """An action of the list. name and target are the owner's words; counts: (state, how many, where they are)."""

    action_id: str
    name: str
    kind: ActionKind
    scope: Scope
    stage: str
    target: str
    is_on: bool
    may_test: bool
    counts: tuple[Count, ...]


@dataclass(frozen=True, slots=True)
class ShownItem:
    """A line of what became of them. who and decided_by are strangers' words; action None: it is deleted."""

    outbox_id: int
    put_at: datetime
    at: datetime
    who: str
    href: str | None
    before: str | None
    stage: str
    action: str | None
    kind: ActionKind
    state: OutboxState
    n_tries: int
    error: str | None
    next_at: datetime | None
    is_test: bool
    may_send: bool


@dataclass(frozen=True, slots=True)
class Draft:
    """What the form says. error: why it was refused, under `field`."""

    kind: ActionKind
    name: str = ""
    scope: str = Scope.CONTACT.value
    stage: str = Stage.MQL.value
    target: str = ""
    field: str = ""
    error: str = ""


@routes.get("/actions")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def actions() -> ResponseReturnValue:
    """A site's actions and the last items; ?kind= chooses what to make, ?action= and ?state= what is listed."""
    site = site_seen()
    return render_template("no_site.html") if site is None else page_of(site, Draft(kind_told(request.args)))


@routes.post("/actions")
@audience(Audience.PEOPLE, least=Role.OWNER)
def make_action() -> ResponseReturnValue:
    """Make an action; of a webhook the secret is shown on the next page, once."""
    site, form = site_named(), request.form
    draft = Draft(
        kind_told(form),
        form.get("name", "")[:LONGEST_NAME],
        form.get("scope", ""),
        form.get("stage", "")[:80],
        form.get("target", "")[:LONGEST_URL],
    )
    try:
        with begin(here().engine) as tx:
            one, secret = told(tx, site, draft)
            add_action(tx, one)
            noted(tx, one, {"after": {"kind": one.kind.value, "stage": one.stage, "target": one.shown}})
    except (Invalid, Conflict, NotFound) as error:
        refused = Draft(draft.kind, draft.name, draft.scope, draft.stage, draft.target, error.field, reason(error))
        return page_of(site, refused), 422
    if secret:
        session[SECRET] = [one.name, secret]
    flash(gettext("“%(name)s” is on from now.", name=one.name), "success")
    return redirect(url_for("pages.actions", site=site.key))


@routes.post("/actions/<action_id>/test")
@audience(Audience.PEOPLE, least=Role.OWNER)
def try_action(action_id: str) -> ResponseReturnValue:
    """Send a marked example now, and say what came of it."""
    site, context = site_named(), here()
    with begin(context.engine) as tx:
        one = find_action(tx, site.site_id, action_id)
        if one.kind is ActionKind.SEGMENT:
            raise Invalid("a segment has nothing to be tried", field="kind")
        example = example_of(one, context.now())
        item = put_test(tx, one, example, context.now())
        noted(tx, one, {"test": item.message_id})
    if one.kind not in SENT_BY_US:
        flash(gettext("An example waits for the CRM now."), "success")
    else:
        app = current_app._get_current_object()  # type: ignore[attr-defined]
        verdict = send_one(context.engine, context.settings, item, context.now, lambda: app)
        if verdict.error:
            flash(gettext("The example did not arrive: see the list."), "error")
        else:
            flash(gettext("The example arrived."), "success")
    return redirect(url_for("pages.actions", site=site.key))


@routes.post("/actions/<action_id>/switch")
@audience(Audience.PEOPLE, least=Role.OWNER)
def switch_action(action_id: str) -> ResponseReturnValue:
    """Switch an action on or off."""

    def change(tx: Tx, one: Action) -> str:
        is_on = not one.is_on
        n = switch(tx, one, here().now(), is_on=is_on)
        noted(tx, one, {"before": {"is_on": one.is_on}, "after": {"is_on": is_on}})
        if is_on:
            return str(gettext("“%(name)s” is on from now.", name=one.name))
        return said_off(one, n)

    return changed(action_id, change)


@routes.post("/actions/<action_id>/remove")
@audience(Audience.PEOPLE, least=Role.OWNER)
def remove_action_of(action_id: str) -> ResponseReturnValue:
    """Delete an action."""

    def change(tx: Tx, one: Action) -> str:
        n = remove_action(tx, one, here().now())
        noted(tx, one, {"before": {"kind": one.kind.value, "stage": one.stage, "target": one.shown}})
        return said_off(one, n)

    return changed(action_id, change)


@routes.post("/actions/items/<int:outbox_id>/again")
@audience(Audience.PEOPLE, least=Role.OWNER)
def send_again(outbox_id: int) -> ResponseReturnValue:
    """Let an item that failed or was skipped go out after all."""
    site, now = site_named(), here().now()
    with begin(here().engine) as tx:
        item = outbox.find_item(tx, site.site_id, outbox_id) if outbox_id < 2**62 else None
        if item is None:
            raise NotFound("no such item")
        one = find_action(tx, site.site_id, item.action_id)
        try_again(tx, item, now)
        noted(tx, one, {"again": item.message_id})
    flash(gettext("It goes out now."), "success")
    return redirect(address(url_for("pages.actions"), {**kept_arguments("kind"), "site": site.key}))


def changed(action_id: str, change: Callable[[Tx, Action], str]) -> ResponseReturnValue:
    """Change an action of the site, and show the list with what came of it."""
    site = site_named()
    with begin(here().engine) as tx:
        message = change(tx, find_action(tx, site.site_id, action_id))
    flash(message, "success")
    return redirect(url_for("pages.actions", site=site.key))


def said_off(one: Action, n: int) -> str:
    """That an action does nothing any more, and what that meant for those that waited."""
    text = gettext("“%(name)s” does nothing any more.", name=one.name)
    return f"{text} {gettext('%(n)s that waited will not go out.', n=n)}" if n else str(text)


def told(tx: Tx, site: Site, draft: Draft) -> tuple[Action, str]:
    """The action that the form describes, checked, and the secret that is to be shown; raises Invalid."""
    context = here()
    if draft.scope not in set(Scope):
        raise Invalid("is none", field="scope")
    one = Action(
        action_id=new_view_id(),
        site_id=site.site_id,
        name=draft.name,
        scope=Scope(draft.scope),
        stage=draft.stage,
        kind=draft.kind,
        target=draft.target,
        is_on=True,
        since_at=context.now(),
        saved_by=actor(),
    )
    target, secret, shown = target_told(tx, one, context.settings)
    sealed = seal(secret_key(context.settings), secret) if secret else None
    whole = Action(**{**{name: getattr(one, name) for name in Action.__dataclass_fields__}, "target": target})
    whole = checked(whole, stages_of(tx, site.site_id).names, may_be_private=context.settings.webhook_private)
    kept = {name: getattr(whole, name) for name in Action.__dataclass_fields__}
    return Action(**{**kept, "secret": sealed}), shown


def target_told(tx: Tx, one: Action, own: Settings) -> tuple[str, str, str]:
    """The target as it is kept, what is to be sealed, and what is to be shown once; raises Invalid."""
    if one.kind is ActionKind.WEBHOOK:
        secret = secret_of(secrets.token_bytes(SECRET_BYTES))
        return one.target, secret, secret
    if one.kind is ActionKind.SLACK:
        url = check_url(one.target, may_be_private=own.webhook_private)
        return url.split("/")[2], url, ""
    if one.kind is ActionKind.EMAIL:
        if not own.smtp_url:
            raise Invalid("no_mail_server", field="target")
        email = clean_email(one.target)
        if any(user.email == email and user.role is Role.VIEWER for user in members_of(tx, one.site_id)):
            raise Invalid("may_not_see_people", field="target")
        return email, "", ""
    return one.target, "", ""


def example_of(one: Action, now: datetime) -> StageMoved:
    """A change that nobody made."""
    subject = "0" * 32 if one.scope is Scope.CONTACT else "example.com"
    stage = one.stage or Stage.CUSTOMER.value
    return StageMoved(one.scope, subject, None, stage, now, StageCause.USER, actor())


def noted(tx: Tx, one: Action, details: Mapping[str, object]) -> None:
    """Write what was done with an action into the audit log."""
    audit.note(tx, one.site_id, actor(), Audited.ACTION, one.name, now=here().now(), details=details)


def kind_told(given: Mapping[str, str]) -> ActionKind:
    """Which kind of action is to be made."""
    word = given.get("kind", "")
    return ActionKind(word) if word in set(ActionKind) else ActionKind.WEBHOOK


def reason(error: MinamotoError) -> str:
    """Why something was refused, in the reader's language."""
    if error.message == "no_mail_server":
        return str(gettext("This installation sends no mail: it has no mail server."))
    if error.message == "may_not_see_people":
        return str(gettext("They are a viewer of this site, who may not see people."))
    texts = {
        "name": gettext("Write a name of at most %(n)s characters.", n=LONGEST_NAME),
        "stage": gettext("Choose a stage of the list."),
        "scope": gettext("Choose people or companies; a segment has people."),
        "email": gettext("This is no e-mail address."),
    }
    if isinstance(error, Conflict):
        return str(gettext("There are too many actions already. Delete one first."))
    if isinstance(error, NotFound):
        return str(gettext("Choose a segment of the list."))
    whats = gettext("This cannot be used here: an address has to begin with https:// and be one of the internet.")
    return str(texts.get(error.field, whats))


def page_of(site: Site, draft: Draft) -> str:
    """The page; `draft` is what the form says."""
    wanted = request.args.get("action", "")[:40] or None
    word = request.args.get("state", "")
    state = OutboxState(word) if word in set(OutboxState) else None
    before = request.args.get("cursor", "")
    with reading(here().engine) as tx:
        known = actions_of(tx, site.site_id)
        by_action = outbox.counts_by_action(tx, site.site_id, [one.action_id for one in known])
        found = outbox.items_of(
            tx,
            site.site_id,
            PAGE_ROWS + 1,
            action_id=wanted,
            state=state,
            before=int(before) if before.isascii() and before.isdigit() and len(before) < 18 else None,
        )
        about = subjects_of(tx, site.site_id, [(Scope(one.payload["scope"]), one.subject) for one in found])
        stages = stages_of(tx, site.site_id)
        query = select(segments.c.segment_id, segments.c.name).where(
            segments.c.site_id == site.site_id, segments.c.text == ""
        )
        lists = [(row.segment_id, row.name) for row in tx.execute(query.order_by(segments.c.name))]
    names = {one.action_id: one.name for one in known}
    segment_names = dict(lists)
    return render_template(
        "actions.html",
        actions=[shown_action(one, by_action[one.action_id], site, segment_names) for one in known],
        items=[shown_item(one, names, about, site) for one in found[:PAGE_ROWS]],
        page=pages(found),
        chosen_action=names.get(wanted or ""),
        chosen_state=state,
        is_filtered=bool(wanted or state),
        states=tuple(OutboxState),
        kinds=tuple(ActionKind),
        scopes=tuple(Scope),
        stages=stages.names,
        segments=lists,
        draft=draft,
        longest_task=LONGEST_TASK,
        secret=session.pop(SECRET, None),
        may_change=is_owner(),
        has_mail=bool(here().settings.smtp_url),
    )


def pages(found: list[Item]) -> Page:
    """Where the older ones and the newest are."""
    kept = kept_arguments("kind")
    newest = address(url_for("pages.actions"), kept) if request.args.get("cursor") else None
    if len(found) <= PAGE_ROWS:
        return Page(newest, None)
    return Page(newest, address(url_for("pages.actions"), {**kept, "cursor": found[PAGE_ROWS - 1].outbox_id}))


def shown_action(one: Action, counts: Mapping[OutboxState, int], site: Site, lists: Mapping[str, str]) -> ShownAction:
    """An action as the list shows it."""

    def where(state: OutboxState) -> str:
        return address(url_for("pages.actions"), {"site": site.key, "action": one.action_id, "state": state.value})

    return ShownAction(
        one.action_id,
        one.name,
        one.kind,
        one.scope,
        one.stage,
        lists.get(one.target, "") if one.kind is ActionKind.SEGMENT else one.shown,
        one.is_on,
        one.kind is not ActionKind.SEGMENT,
        tuple((state, counts[state], where(state)) for state in OutboxState if counts.get(state)),
    )


def shown_item(
    one: Item, names: Mapping[str, str], about: Mapping[tuple[Scope, str], Subject], site: Site
) -> ShownItem:
    """An item as the list shows it."""
    scope, is_test = Scope(one.payload["scope"]), bool(one.payload.get("test"))
    found = about.get((scope, one.subject)) if not is_test else None
    href = None
    if found is not None:
        is_company = scope is Scope.COMPANY
        path = (
            url_for("pages.company", domain=found.key) if is_company else url_for("pages.contact", contact_id=found.key)
        )
        href = address(path, {"site": site.key})
    is_known = one.action_id in names
    return ShownItem(
        one.outbox_id,
        one.put_at,
        from_ms(one.payload["at"]),
        found.shown if found else "",
        href,
        one.payload["from"],
        one.payload["to"],
        names.get(one.action_id),
        one.kind,
        one.state,
        one.n_tries,
        one.error,
        one.not_before if one.state is OutboxState.WAITING and one.kind in SENT_BY_US and one.n_tries else None,
        is_test,
        is_known and not is_test and one.state in {OutboxState.BURIED, OutboxState.SKIPPED} and is_owner(),
    )
