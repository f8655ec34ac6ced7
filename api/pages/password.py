"""Passwords: set with a link that an owner made, and changed by who knows the old one."""

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from api.context import here
from api.languages import chosen
from api.pages.routes import routes
from api.pages.session import TRIES, limiter
from api.trust import Audience, actor, audience, logged_in, open_session
from tracker.access import audit
from tracker.access.users import (
    LONGEST_PASSWORD,
    SHORTEST_PASSWORD,
    PasswordLink,
    check_password,
    find_link,
    set_password,
    use_link,
)
from tracker.db.store import begin, reading
from tracker.errors import Denied, Invalid, NotFound
from tracker.vocabulary import Audited


@routes.get("/password")
@audience(Audience.PEOPLE)
def password() -> ResponseReturnValue:
    """The form that changes one's own password."""
    return own_form()


@routes.post("/password")
@limiter.limit(TRIES)
@audience(Audience.PEOPLE)
def change_password() -> ResponseReturnValue:
    """Change one's own password: the old one is asked for, and every other log-in ends."""
    user = logged_in()
    if user is None:
        raise Denied("log in first")
    with reading(here().engine) as tx:
        known = check_password(tx, user.email, request.form.get("old", "")[:LONGEST_PASSWORD], here().hasher)
    if known is None:
        return own_form(old=gettext("This is not your password.")), 422
    new = request.form.get("new", "")
    try:
        with begin(here().engine) as tx:
            changed = set_password(tx, user.user_id, new, here().hasher)
            audit.note(tx, None, actor(), Audited.PASSWORD, user.email, now=here().now())
    except Invalid:
        return own_form(new=too_short()), 422
    open_session(changed, chosen())
    flash(gettext("Your password is changed. Everywhere else you have to log in again."), "success")
    return redirect(url_for("pages.password"))


@routes.get("/password/new")
@audience(Audience.ANYONE)
def new_password() -> ResponseReturnValue:
    """The form that a link leads to."""
    return link_form(request.args.get("link", ""))


@routes.post("/password/new")
@limiter.limit(TRIES)
@audience(Audience.ANYONE)
def set_new_password() -> ResponseReturnValue:
    """Set the password of a link's user; who has one keeps it, unless the link is for a new one."""
    secret, now = request.form.get("link", "")[:200], here().now()
    try:
        with begin(here().engine) as tx:
            link = find_link(tx, secret, now=now)
            new = request.form.get("new", "")
            if use_link(tx, secret, new, now=now, hasher=here().hasher) and link is not None:
                audit.note(tx, None, f"user {link.email}", Audited.PASSWORD, link.email, now=now)
    except Invalid:
        return link_form(secret, too_short(), 422)
    except NotFound:
        return link_form("")
    flash(said_of(link), "success")
    return redirect(url_for("pages.login"))


def said_of(link: PasswordLink | None) -> str:
    """What is told when a link was used: the same whether the user had a password before or not."""
    if link is not None and link.replaces:
        return str(gettext("Your password is set. Log in with it."))
    return str(gettext("You can log in now. If you had a password here before, it has not changed."))


def too_short() -> str:
    """Why a new password was refused."""
    return str(gettext("Give at least %(n)s characters.", n=SHORTEST_PASSWORD))


def own_form(**errors: str) -> str:
    """The page that changes one's own password; errors by the field that they stand at."""
    return render_template("password.html", link=None, secret="", shortest=SHORTEST_PASSWORD, errors=errors)


def link_form(secret: str, error: str = "", status: int = 200) -> ResponseReturnValue:
    """The page of a link; one that is no longer good says what to do."""
    with reading(here().engine) as tx:
        link = find_link(tx, secret[:200], now=here().now())
    if link is None:
        return render_template("password_gone.html"), 404
    errors = {"new": error} if error else {}
    page = render_template("password.html", link=link, secret=secret, shortest=SHORTEST_PASSWORD, errors=errors)
    return page, status
