"""Sending what is in the outbox, for the work loop and for the button that tries an action.

Each item is claimed in a transaction, sent without one, and settled in another: so what is sent and not settled goes
out again, under the same message id. A receiver that is away keeps only its own items waiting.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import Flask
from sqlalchemy import Engine, select

from api.mail.compose import speaking
from api.mail.moves import Told, mail_of, slack_text
from tracker import outbox
from tracker.access.roles import members_of
from tracker.access.sites import Site, site_by_id
from tracker.access.users import LANGUAGES
from tracker.actions import act
from tracker.actions.listing import DELETED, Action, find_action
from tracker.actions.messages import Subject, Verdict, body_of, slack_body, verdict_of
from tracker.actions.signing import headers_of
from tracker.actions.subjects import subjects_of
from tracker.clock import Clock
from tracker.config import Settings
from tracker.connectors.outgoing import post
from tracker.db.schema import users
from tracker.db.store import Tx, begin, reading
from tracker.digests.post import Outcome, deliver, server_of
from tracker.errors import NotFound, Unready
from tracker.lifecycle.settled import stages_of
from tracker.lifecycle.stages import Stages
from tracker.outbox import Item
from tracker.secret import secret_key, unsealed
from tracker.vocabulary import ActionKind, Role, Scope

log = logging.getLogger("minamoto.actions")
MOST_AT_ONCE = 100
# While a receiver is away, the rest that is for it waits.
REST = timedelta(minutes=1)
NOBODY = "0" * 32
EXAMPLE = {
    Scope.CONTACT: Subject(Scope.CONTACT, NOBODY, "Hanako Rei", "hanako@example.com", None),
    Scope.COMPANY: Subject(Scope.COMPANY, "example.com", "Example K.K."),
}


@dataclass(frozen=True, slots=True)
class Parcel:
    """What sending an item takes, read once. language: of whom it is for."""

    item: Item
    action: Action
    site: Site
    stages: Stages
    about: Subject
    language: str

    @property
    def told(self) -> Told:
        """The change that it tells of."""
        asked = act.read(self.item)
        return Told(self.site, self.stages, asked.moved, self.about, asked.is_test)


class Unsendable(Exception):
    """An item that cannot be sent, and why."""


def send_due(engine: Engine, settings: Settings, now: Clock, app: Callable[[], Flask]) -> int:
    """Send what is due and no other worker has, MOST_AT_ONCE at the most; returns how many items were tried.

    app  gives the application that writes, when the first text is to be written
    """
    for done in range(MOST_AT_ONCE):
        with reading(engine) as tx:
            if not outbox.has_due(tx, now()):
                return done
        with begin(engine) as tx:
            item = outbox.claim(tx, now())
        if item is None:
            return done
        send_one(engine, settings, item, now, app)
    return MOST_AT_ONCE


def send_one(engine: Engine, settings: Settings, item: Item, now: Clock, app: Callable[[], Flask]) -> Verdict:
    """Send a claimed item and settle it; an item that fails in an unforeseen way keeps no other from going."""
    try:
        verdict = sent(engine, settings, item, now(), app)
    except Unsendable as why:
        verdict = Verdict(str(why), is_final=True)
    except Exception as error:  # noqa: BLE001 - told by its class: its text may quote a person
        log.error("an action cannot be done: %s", type(error).__name__)
        verdict = Verdict(type(error).__name__)
    is_test = bool(item.payload.get("test"))
    with begin(engine) as tx:
        if not verdict.error:
            outbox.settle_sent(tx, item, now())
        else:
            is_final = verdict.is_final or is_test
            outbox.settle_failed(tx, item, verdict.error, now(), is_final=is_final, after_s=verdict.after_s)
            if verdict.is_everyones:
                outbox.hold(tx, item.action_id, now() + REST)
    return verdict


def sent(engine: Engine, settings: Settings, item: Item, now: datetime, app: Callable[[], Flask]) -> Verdict:
    """Hand an item over; raises Unsendable."""
    with reading(engine) as tx:
        parcel = packed(tx, item)
    if item.kind is ActionKind.WEBHOOK:
        told = parcel.told
        body = body_of(item.message_id, parcel.site.key, told.moved, told.about, is_test=told.is_test)
        headers = headers_of(secret_in(settings, parcel.action), item.message_id, now, body)
        return posted(parcel.action.target, body, headers, settings)
    with speaking(app(), settings, parcel.language):
        if item.kind is ActionKind.SLACK:
            body = slack_body(slack_text(parcel.told, settings))
            return posted(secret_in(settings, parcel.action), body, {}, settings)
        return mailed(parcel, settings, now)


def posted(url: str, body: bytes, headers: dict[str, str], settings: Settings) -> Verdict:
    """What came of a POST."""
    answer = post(url, body, headers, may_be_private=settings.webhook_private)
    return verdict_of(answer.status, answer.fault, is_final=answer.is_final, after_s=answer.after_s)


def mailed(parcel: Parcel, settings: Settings, now: datetime) -> Verdict:
    """What came of a mail."""
    if not settings.smtp_url:
        raise Unsendable("no_mail_server")
    mail = mail_of(parcel.told, settings, parcel.action.target, parcel.item.message_id, now)
    delivery = deliver(server_of(settings.smtp_url), mail)
    if delivery.outcome is Outcome.SENT:
        return Verdict()
    return Verdict(delivery.kind or "SMTP", delivery.outcome is Outcome.NEVER, is_everyones=delivery.is_servers)


def packed(tx: Tx, item: Item) -> Parcel:
    """Read what sending an item takes; raises Unsendable: the action or the person is gone, or who gets it may not."""
    try:
        action = find_action(tx, item.site_id, item.action_id)
    except NotFound:
        raise Unsendable(DELETED) from None
    asked = act.read(item)
    scope = asked.moved.scope
    if asked.is_test:
        about: Subject | None = EXAMPLE[scope]
    else:
        about = subjects_of(tx, item.site_id, [(scope, item.subject)]).get((scope, item.subject))
    if about is None:
        raise Unsendable("person_gone")
    if action.kind is ActionKind.EMAIL and is_viewer(tx, action):
        raise Unsendable("may_not_see_people")
    site = site_by_id(tx, item.site_id)
    return Parcel(item, action, site, stages_of(tx, item.site_id), about, language_of(tx, action))


def is_viewer(tx: Tx, action: Action) -> bool:
    """Whether a mail would go to somebody who sees the site, and no people."""
    return any(one.email == action.target and one.role is Role.VIEWER for one in members_of(tx, action.site_id))


def language_of(tx: Tx, action: Action) -> str:
    """The language of whom an action writes to, if they log in here; else of who made it."""
    asked = [action.target.lower(), action.saved_by.partition(" ")[2]]
    found = {row.email: row.language for row in tx.execute(select(users).where(users.c.email.in_(asked)))}
    return next((found[one] for one in asked if one in found), LANGUAGES[0])


def secret_in(settings: Settings, action: Action) -> str:
    """An action's secret; raises Unsendable where it cannot be read any more."""
    try:
        return unsealed(secret_key(settings), action.secret or b"")
    except Unready:
        raise Unsendable("secret_unreadable") from None
