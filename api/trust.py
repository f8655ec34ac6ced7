"""Who may ask: each route names its audience, and a request is checked against it before its view runs.

A route without an audience answers nobody; a test walks the map of routes.
"""

import hmac
from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from typing import Any

from flask import Flask, current_app, g, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFProtect

from api.context import here
from tracker.access.roles import may, roles_of
from tracker.access.sites import Site, all_sites, find_site, site_by_id
from tracker.access.tokens import Token, find_token
from tracker.access.users import User, find_user
from tracker.config import Settings
from tracker.db.store import reading
from tracker.errors import Denied, Invalid, NotFound
from tracker.vocabulary import Role


class Audience(StrEnum):
    """Who a route is for.

    ANYONE: public; WEBSITE: a visitor's browser on a tracked site; CRM: a bearer token; PEOPLE: a logged-in user;
    MONITOR: the bearer of MINAMOTO_METRICS_TOKEN, which is known without asking the store.
    """

    ANYONE = "anyone"
    MONITOR = "monitor"
    WEBSITE = "website"
    CRM = "crm"
    PEOPLE = "people"


View = Callable[..., Any]


def audience(who: Audience, *, least: Role = Role.VIEWER, password: bool = False) -> Callable[[View], View]:
    """Mark a view with its audience; put it right above the function, below the route.

    least     of PEOPLE: the least role on the site that they look at; who may less is refused
    password  its token may come as the password of HTTP Basic, too: for who can only be given an address
    """

    def mark(view: View) -> View:
        @wraps(view)
        def checked(*args: Any, **kwargs: Any) -> Any:
            return view(*args, **kwargs)

        checked.audience = who  # type: ignore[attr-defined]
        checked.least = least  # type: ignore[attr-defined]
        checked.takes_password = password  # type: ignore[attr-defined]
        return checked

    return mark


def audience_of(app: Flask, endpoint: str) -> Audience | None:
    """The audience of an endpoint; Flask's own static files are public."""
    if endpoint == "static" or endpoint.startswith("openapi."):
        return Audience.ANYONE
    return getattr(app.view_functions[endpoint], "audience", None)


def register(app: Flask) -> None:
    """Check every request; forms of people carry a CSRF token, the other audiences have no cookies to abuse."""
    csrf = CSRFProtect()
    app.config["WTF_CSRF_CHECK_DEFAULT"] = False
    csrf.init_app(app)

    @app.before_request
    def check() -> ResponseReturnValue | None:
        if request.endpoint is None:
            return None
        who = audience_of(current_app, request.endpoint)
        if who is None:
            raise Denied("this route names no audience")
        if who is Audience.CRM:
            check_token(bearer() or (password() if takes_password(current_app, request.endpoint) else ""))
        if who is Audience.MONITOR and not may_see_figures(here().settings):
            raise Denied("send the header Authorization: Bearer and MINAMOTO_METRICS_TOKEN, which must be set")
        if who is Audience.PEOPLE and logged_in() is None:
            if request.method == "GET":
                return redirect(url_for("pages.login", next=request.full_path.rstrip("?")))
            raise Denied("log in first")
        if who is Audience.PEOPLE:
            check_role(least_role(current_app, request.endpoint))
        if request.blueprint in ("pages", "demo"):
            csrf.protect()
        return None


def bearer() -> str:
    """What the request bears in its header Authorization; '' if nothing."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else ""


def password() -> str:
    """The password of the request's header Authorization: Basic; '' if there is none."""
    given = request.authorization
    return str(given.password or "") if given is not None and given.type == "basic" else ""


def takes_password(app: Flask, endpoint: str | None) -> bool:
    """Whether an endpoint takes its token as a password, too."""
    return bool(getattr(app.view_functions.get(endpoint or ""), "takes_password", False))


def may_see_figures(settings: Settings) -> bool:
    """Whether the request bears the token of who watches the installation; nobody does while none is set."""
    return bool(settings.metrics_token) and hmac.compare_digest(bearer().encode(), settings.metrics_token.encode())


def check_token(secret: str) -> None:
    """Find the request's token and site; both are then in `g`."""
    if not secret:
        raise Denied("send the header Authorization: Bearer TOKEN")
    with reading(here().engine) as tx:
        token = find_token(tx, secret)
        if token is None:
            raise Denied("this token is unknown or revoked")
        g.token = token
        wanted = request.args.get("site")
        if token.site_id is not None:
            site = site_by_id(tx, token.site_id)
            if wanted and not hmac.compare_digest(wanted.encode(), site.key.encode()):
                raise NotFound("this token is for another site", field="site")
        elif wanted:
            site = find_site(tx, wanted)
        else:
            known = all_sites(tx)
            if len(known) != 1:
                raise Invalid("this token serves every site: add ?site=KEY", field="site")
            site = known[0]
        g.site = site


def token_site() -> Site:
    """The site that the request's token speaks for."""
    site = g.site
    assert isinstance(site, Site)
    return site


def least_role(app: Flask, endpoint: str) -> Role:
    """The least role that a page asks for."""
    return getattr(app.view_functions[endpoint], "least", Role.VIEWER)


def check_role(least: Role) -> None:
    """Raise Denied if the reader may not do on the site that they look at what takes this role."""
    if least is not Role.VIEWER and not may(role_seen(), least):
        raise Denied(f"this takes the role {least.value} on this site; an owner can give it to you")


def is_owner() -> bool:
    """Whether the reader may change what the site does."""
    return may(role_seen(), Role.OWNER)


def is_owner_everywhere() -> bool:
    """Whether the reader may do all on every site, also on those to come: they let others in everywhere, too."""
    user = logged_in()
    return is_owner() and user is not None and user.role == Role.OWNER


def sees_people() -> bool:
    """Whether the reader may see who somebody is: names, addresses, phone numbers."""
    return may(role_seen(), Role.ANALYST)


def actor() -> str:
    """Who does this, as the audit log writes it."""
    user = logged_in()
    if user is not None:
        return f"user {user.email}"
    token = g.get("token")
    return f"token {token.name}" if isinstance(token, Token) else "nobody"


def sites_open() -> dict[str, tuple[Site, Role]]:
    """The sites that the reader may see, oldest first, by their keys, and what they may do there."""
    if "sites_open" not in g:
        user, g.sites_open = logged_in(), {}
        if user is not None:
            with reading(here().engine) as tx:
                known = all_sites(tx)
                roles = roles_of(tx, user, known)
            g.sites_open = {site.key: (site, roles[site.site_id]) for site in known if site.site_id in roles}
    found: dict[str, tuple[Site, Role]] = g.sites_open
    return found


def site_seen() -> Site | None:
    """The site this user looks at: ?site=KEY, else the one looked at last, else the oldest; None without any."""
    found = seen()
    return None if found is None else found[0]


def role_seen() -> Role | None:
    """What the reader may do on the site that they look at; without any site, what they may do on every one."""
    user, found = logged_in(), seen()
    if found is not None:
        return found[1]
    return Role(user.role) if user is not None and user.role else None


def seen() -> tuple[Site, Role] | None:
    """The site that the reader looks at, and their role there; remembers the site that the address names."""
    by_key = sites_open()
    wanted = request.args.get("site")
    found = by_key.get(wanted or session.get("site") or "") or next(iter(by_key.values()), None)
    if found is not None and wanted and session.get("site") != found[0].key:
        session["site"] = found[0].key
    return found


def open_session(user: User, language: str) -> None:
    """Let somebody in: from now on this browser is theirs."""
    session.clear()
    session.permanent = True
    session["user_id"], session["session_no"] = user.user_id, user.session_no
    session["language"] = language


def logged_in() -> User | None:
    """The user of this request, or None; a log-in under a password that was changed since has ended."""
    if "user" not in g:
        user_id = session.get("user_id")
        g.user = None
        if isinstance(user_id, int):
            with reading(here().engine) as tx:
                found = find_user(tx, user_id)
            g.user = found if found is not None and found.session_no == session.get("session_no", 0) else None
    user = g.user
    assert user is None or isinstance(user, User)
    return user
