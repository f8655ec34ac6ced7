"""Sending the reports that are due: the work loop's job, the command's, and the page's button."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from flask import Flask
from sqlalchemy import Engine

from api.mail.compose import Letter, compose
from tracker import clock
from tracker.config import Settings
from tracker.db.store import begin, reading
from tracker.digests.orders import Claim, claim, due_orders, settle_failed, settle_sent
from tracker.digests.post import Delivery, Outcome, deliver, server_of
from tracker.jobs import Job

log = logging.getLogger("minamoto.mail")


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of the reports that were due."""

    n_sent: int = 0
    n_failed: int = 0


@lru_cache(maxsize=1)
def writer(settings: Settings, engine: Engine) -> Flask:
    """The application, for its words and addresses only: it serves nobody, and keeps no paths in memory."""
    from api import create_app

    return create_app(settings.model_copy(update={"paths_mb": 0}), engine=engine)


def send_due(engine: Engine, settings: Settings, now: datetime, app: Callable[[], Flask] | None = None) -> Sent:
    """Send every report that is due and that no other worker has taken; none more where the mail server is away.

    app  gives the application that composes; made when the first mail is composed, if not given
    """
    if not settings.smtp_url:
        return Sent()
    with reading(engine) as tx:
        waiting = due_orders(tx, now)
    n_sent = n_failed = 0
    for one in waiting:
        with begin(engine) as tx:
            is_ours = claim(tx, one, now)
        if not is_ours:
            continue
        delivery = send_one(app() if app else writer(settings, engine), engine, settings, one)
        with begin(engine) as tx:
            if delivery.outcome is Outcome.SENT:
                settle_sent(tx, one)
            else:
                settle_failed(tx, one, delivery.kind, is_final=delivery.outcome is Outcome.NEVER)
        n_sent += delivery.outcome is Outcome.SENT
        n_failed += delivery.outcome is not Outcome.SENT
        if delivery.is_servers:
            break
    return Sent(n_sent, n_failed)


def send_one(app: Flask, engine: Engine, settings: Settings, one: Claim) -> Delivery:
    """Compose a report and hand it to the mail server; one that cannot be composed keeps no other from going."""
    try:
        message = compose(app, engine, settings, Letter(one.user, one.site, one.order.every, one.period))
    except Exception as error:  # noqa: BLE001 - told by its class: its text may quote a visitor
        log.error("a report cannot be composed: %s", type(error).__name__)
        return Delivery(Outcome.LATER, type(error).__name__)
    delivery = deliver(server_of(settings.smtp_url), message)
    if delivery.outcome is not Outcome.SENT:
        log.warning("a report did not go out: %s", delivery.kind)
    return delivery


def send_reports(engine: Engine, settings: Settings) -> int:
    """Send the reports that are due now; returns how many went out."""
    return send_due(engine, settings, clock.now()).n_sent


# The work loop is handed it by whoever begins it (tracker/jobs.py may not know of the edge).
SEND_REPORTS = Job("send reports by mail", send_reports, rest_s=60.0)
