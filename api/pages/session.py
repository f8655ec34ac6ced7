"""Log in and out. A failed try says the same for unknown users and wrong passwords, and takes as long."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from flask import redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

from api.context import here
from api.languages import chosen
from api.pages.routes import routes
from api.trust import Audience, audience, open_session
from tracker.access.users import check_password
from tracker.db.store import reading
from tracker.demo.prepare import USER, folder_of, password_of


@dataclass(frozen=True, slots=True)
class DemoLogin:
    """What the log-in page of a demo shows."""

    email: str
    password: str


TRIES = "10 per minute; 60 per hour"
limiter = Limiter(get_remote_address, storage_uri="memory://", default_limits=[])


@routes.record_once
def set_limits(state: object) -> None:
    """Count the tries of each address in this process."""
    limiter.init_app(state.app)  # type: ignore[attr-defined]


def safe_next(wanted: str) -> str:
    """Where to go after log-in: a path of this application, never another host."""
    parts = urlsplit(wanted.replace("\\", "/"))
    if parts.scheme or parts.netloc or not parts.path.startswith("/") or parts.path.startswith("//"):
        return url_for("pages.overview")
    return wanted


@routes.get("/login")
@audience(Audience.ANYONE)
def login() -> ResponseReturnValue:
    """The log-in form."""
    return form(email="", wanted=request.args.get("next", ""), error=None)


@routes.post("/login")
@limiter.limit(TRIES)
@audience(Audience.ANYONE)
def log_in() -> ResponseReturnValue:
    """Check a password and open a session."""
    email, wanted = request.form.get("email", "")[:320], request.form.get("next", "")[:2_000]
    with reading(here().engine) as tx:
        user = check_password(tx, email, request.form.get("password", "")[:1_000], here().hasher)
    if user is None:
        return form(email, wanted, gettext("E-mail or password is not right.")), 401
    open_session(user, chosen())
    return redirect(safe_next(wanted))


def form(email: str, wanted: str, error: str | None) -> str:
    """The page of the log-in form."""
    return render_template("login.html", email=email, next=wanted, error=error, demo_login=demo_login())


def demo_login() -> DemoLogin | None:
    """The demo's user and password, so that nobody has to look for them; None on any other installation."""
    own = here().settings
    password = password_of(folder_of(own)) if own.demo else None
    return DemoLogin(USER, password) if password else None


@routes.post("/logout")
@audience(Audience.PEOPLE)
def logout() -> ResponseReturnValue:
    """Close the session."""
    session.clear()
    return redirect(url_for("pages.login"))
