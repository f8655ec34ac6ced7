"""What stands on every page: the site that is looked at, who looks, the links around it. See templates/layout.html."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from flask import Flask, current_app, g, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import generate_csrf

from api.context import here
from api.languages import chosen
from api.pages.routes import routes
from api.trust import Audience, audience, logged_in
from tracker.access.sites import Site, all_sites
from tracker.db.store import reading
from tracker.errors import NotFound


@dataclass(frozen=True, slots=True)
class SiteLink:
    """One entry of the site switcher."""

    name: str
    href: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class Links:
    """Where the frame leads."""

    home: str
    source: str | None = None
    paths: str | None = None
    contacts: str | None = None
    calls: str | None = None
    tracking: str | None = None
    install: str | None = None
    api_docs: str | None = None
    log_out: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Paging by cursor; None where there is nothing."""

    previous_href: str | None = None
    next_href: str | None = None
    n_rows: int | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """A remark on a page's content, already in the reader's language; a warning says that figures lack something."""

    text: str
    href: str | None = None
    is_warning: bool = False


def site_seen() -> Site | None:
    """The site this user looks at: ?site=KEY, else the one looked at last, else the oldest; None without any."""
    if "site_seen" not in g:
        with reading(here().engine) as tx:
            g.sites_seen = all_sites(tx)
        by_key = {site.key: site for site in g.sites_seen}
        wanted = request.args.get("site") or session.get("site")
        found = by_key.get(wanted or "") or next(iter(g.sites_seen), None)
        if found is not None and session.get("site") != found.key and request.args.get("site"):
            session["site"] = found.key
        g.site_seen = found
    site = g.site_seen
    assert site is None or isinstance(site, Site)
    return site


def site_named() -> Site:
    """The site that the request's address names, or that was looked at last."""
    site = site_seen()
    if site is None or request.args.get("site", site.key) != site.key:
        raise NotFound("there is no such site", field="site")
    return site


def script_of(site: Site, base: str) -> str:
    """The address of the site's script, below Minamoto's own address."""
    return f"{base}/m.js?site={site.key}"


def zone_seen() -> str:
    """The time zone in which this page tells times: the site's."""
    site = site_seen() if logged_in() else None
    return site.timezone if site else "UTC"


def register(app: Flask) -> None:
    """Give every template its frame."""
    app.extensions["babel"].timezone_selector = zone_seen
    app.context_processor(framed)


def framed() -> dict[str, Any]:
    """The names that layout.html uses."""
    user = logged_in()
    site = site_seen() if user else None
    shown = g.sites_seen if user else []
    endpoint = request.endpoint or ""
    return {
        "lang": chosen(),
        "asset": asset,
        "site": site,
        "sites": [SiteLink(one.name, url_for("pages.source", site=one.key), one == site) for one in shown],
        "user": user,
        "links": links(user is not None),
        "csrf_token": generate_csrf,
        "page": TABS.get(endpoint, ""),
    }


TABS = {
    "pages.source": "source",
    "pages.source_rows": "source",
    "pages.compare": "source",
    "pages.policy": "source",
    "pages.try_settings": "source",
    "pages.save_settings": "source",
    "pages.pathways": "paths",
    "pages.pathways_rows": "paths",
    "pages.contacts": "contacts",
    "pages.contact": "contacts",
    "pages.deal": "source",
    "pages.conversion": "source",
    "pages.touch": "source",
    "pages.calls": "calls",
    "pages.tracking": "tracking",
    "pages.install": "tracking",
    "pages.check_site": "tracking",
}


def links(is_inside: bool) -> Links:
    """The links of the frame, for somebody logged in or not."""
    if not is_inside:
        return Links(home=url_for("pages.login"))
    return Links(
        home=url_for("pages.source"),
        source=url_for("pages.source"),
        paths=url_for("pages.pathways"),
        contacts=url_for("pages.contacts"),
        calls=url_for("pages.calls"),
        tracking=url_for("pages.tracking"),
        install=url_for("pages.install"),
        api_docs="/api/docs",
        log_out=url_for("pages.logout"),
    )


def asset(name: str) -> str:
    """The address of a static file with its digest, so that browsers may keep it; vendored ones bear their version."""
    if name.startswith("vendor/"):
        return url_for("static", filename=name)
    return url_for("static", filename=name, v=digest(current_app.static_folder or "", name))


def address(path: str, named: Mapping[str, str | int]) -> str:
    """A path of this application with a query. Names come from strangers too, so url_for does not see them."""
    return f"{path}?{urlencode(named)}" if named else path


def kept_arguments(*without: str) -> dict[str, str]:
    """The parameters of this page's address, without the cursor, the language, and these."""
    left_out = {"cursor", "lang", *without}
    return {name: value for name, value in request.args.items() if name not in left_out}


@lru_cache(maxsize=64)
def digest(folder: str, name: str) -> str:
    """The beginning of a static file's SHA-256."""
    return hashlib.sha256((Path(folder) / name).read_bytes()).hexdigest()[:10]


@routes.get("/")
@audience(Audience.PEOPLE)
def home() -> ResponseReturnValue:
    """The front page is the Source report."""
    return redirect(url_for("pages.source"))
