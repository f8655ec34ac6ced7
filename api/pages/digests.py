"""Reports by mail: what a user gets of the site, how the last ones went out, and one right now."""

from dataclasses import dataclass
from datetime import date, datetime

from flask import current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from api.context import here
from api.languages import chosen
from api.mail.compose import Letter, compose
from api.pages.frame import site_named
from api.pages.routes import routes
from api.pages.session import limiter
from api.trust import Audience, actor, audience, logged_in, site_seen
from tracker.access import audit
from tracker.access.sites import Site
from tracker.access.users import LANGUAGES, User
from tracker.db.store import begin, reading
from tracker.digests.due import last_whole, next_due
from tracker.digests.orders import Order, orders_of, set_language, set_orders
from tracker.digests.post import Outcome, deliver, server_of
from tracker.errors import Invalid
from tracker.vocabulary import Audited, Every

ONE_NOW = "6 per hour"


@dataclass(frozen=True, slots=True)
class ShownOrder:
    """A report that can be ordered, and how it is."""

    every: str
    is_ordered: bool
    next_day: date
    sent_day: date | None
    tried_at: datetime | None
    n_failed: int
    error: str | None
    is_given_up: bool


@routes.get("/mail")
@audience(Audience.PEOPLE)
def digests() -> ResponseReturnValue:
    """What the reader gets of this site by mail."""
    site, user = site_seen(), reader()
    if site is None:
        return render_template("no_site.html")
    now = here().now()
    with reading(here().engine) as tx:
        known = orders_of(tx, user.user_id, site.site_id)
    return render_template(
        "digests.html",
        orders=[shown(every, known.get(every), site, now) for every in Every],
        email=user.email,
        timezone=site.timezone,
        languages=LANGUAGES,
        language=user.language if known else chosen(),
        can_send=bool(here().settings.smtp_url),
        is_any=bool(known),
    )


@routes.post("/mail")
@audience(Audience.PEOPLE)
def save_digests() -> ResponseReturnValue:
    """Order reports, or stop them."""
    site, user = site_named(), reader()
    wanted = [every for every in Every if request.form.get(every.value)]
    with begin(here().engine) as tx:
        known = orders_of(tx, user.user_id, site.site_id)
        set_orders(tx, user.user_id, site.site_id, wanted, here().now())
        set_language(tx, user.user_id, request.form.get("language") or chosen())
        details = {"before": [one.value for one in Every if one in known], "after": [one.value for one in wanted]}
        audit.note(tx, site.site_id, actor(), Audited.DIGEST, user.email, now=here().now(), details=details)
    flash(gettext("Saved.") if wanted else gettext("You get no more reports of this site."), "success")
    return redirect(url_for("pages.digests", site=site.key))


@routes.post("/mail/now")
@limiter.limit(ONE_NOW)
@audience(Audience.PEOPLE)
def send_digest() -> ResponseReturnValue:
    """Send the reader the last whole period's report, to their own address."""
    site, user, settings = site_named(), reader(), here().settings
    try:
        every = Every(request.form.get("every", ""))
    except ValueError as error:
        raise Invalid("use week or month", field="every") from error
    if not settings.smtp_url:
        raise Invalid("MINAMOTO_SMTP_URL is not set: there is no mail server", field="every")
    period = last_whole(every, here().now(), site.timezone)
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    mail = compose(app, here().engine, settings, Letter(user, site, every, period), is_once=True)
    delivery = deliver(server_of(settings.smtp_url), mail)
    if delivery.outcome is Outcome.SENT:
        flash(gettext("The report is on its way to %(email)s.", email=user.email), "success")
    else:
        flash(gettext("The mail server did not take it (%(kind)s). Ask whoever runs it.", kind=delivery.kind), "error")
    return redirect(url_for("pages.digests", site=site.key))


def reader() -> User:
    """Who is logged in."""
    user = logged_in()
    assert user is not None
    return user


def shown(every: Every, order: Order | None, site: Site, now: datetime) -> ShownOrder:
    """A report with its state."""
    return ShownOrder(
        every=every.value,
        is_ordered=order is not None,
        next_day=next_due(every, now, site.timezone),
        sent_day=date.fromisoformat(order.sent_day) if order and order.sent_day else None,
        tried_at=order.tried_at if order else None,
        n_failed=order.n_failed if order else 0,
        error=order.error if order else None,
        is_given_up=order is not None and order.is_given_up,
    )
