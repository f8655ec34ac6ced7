"""What stands on every page: the site that is looked at, who looks, the links around it. See templates/layout.html."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from flask import Flask, current_app, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import generate_csrf

from api.languages import chosen
from api.pages.routes import routes
from api.trust import (
    Audience,
    audience,
    least_role,
    logged_in,
    role_seen,
    sees_people,
    site_seen,
    sites_open,
)
from tracker.access.roles import may
from tracker.access.sites import Site
from tracker.errors import NotFound
from tracker.vocabulary import Role


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
    overview: str | None = None
    source: str | None = None
    opportunities: str | None = None
    paths: str | None = None
    contacts: str | None = None
    companies: str | None = None
    funnel: str | None = None
    scorecard: str | None = None
    accounts: str | None = None
    segments: str | None = None
    definitions: str | None = None
    stages: str | None = None
    actions: str | None = None
    programmes: str | None = None
    surveys: str | None = None
    costs: str | None = None
    calls: str | None = None
    tracking: str | None = None
    install: str | None = None
    views: str | None = None
    digests: str | None = None
    team: str | None = None
    audit: str | None = None
    password: str | None = None
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
    endpoint = request.endpoint or ""
    return {
        "lang": chosen(),
        "asset": asset,
        "site": site,
        "sites": [SiteLink(one.name, same_page(one, role), one == site) for one, role in sites_open().values()],
        "user": user,
        "links": links(user is not None),
        "csrf_token": generate_csrf,
        "tab": TABS.get(endpoint.removeprefix("pages."), ""),
        "sees_people": user is not None and sees_people(),
    }


# Which tab each page belongs to; a page that is not here belongs to none.
TABS = {
    "overview": "overview",
    "source": "source",
    "source_rows": "source",
    "compare": "source",
    "policy": "source",
    "try_settings": "source",
    "save_settings": "source",
    "deal": "source",
    "conversion": "source",
    "touch": "source",
    "opportunities": "opportunities",
    "opportunities_rows": "opportunities",
    "opportunity_stages": "opportunities",
    "save_opportunity_stages": "opportunities",
    "pathways": "paths",
    "pathways_rows": "paths",
    "contacts": "contacts",
    "contact": "contacts",
    "companies": "contacts",
    "company": "contacts",
    "funnel": "funnel",
    "funnel_rows": "funnel",
    "scorecard": "scorecard",
    "scorecard_rows": "scorecard",
    "save_target": "scorecard",
    "accounts": "accounts",
    "account_form": "accounts",
    "save_account": "accounts",
    "accounts_import": "accounts",
    "preview_accounts": "accounts",
    "account_roles": "accounts",
    "save_account_roles": "accounts",
    "segments": "segments",
    "segment": "segments",
    "make_segment": "segments",
    "save_segment_of": "segments",
    "definitions": "definitions",
    "definition": "definitions",
    "definition_new": "definitions",
    "change_draft": "definitions",
    "save_new_definition": "definitions",
    "definition_try": "definitions",
    "definition_drift": "definitions",
    "scores": "definitions",
    "stages": "stages",
    "save_stages": "stages",
    "save_stage_settings": "stages",
    "stages_import": "stages",
    "send_stage_file": "stages",
    "stage_file": "stages",
    "actions": "actions",
    "make_action": "actions",
    "programmes": "programmes",
    "programme": "programmes",
    "programme_rows": "programmes",
    "save_programme": "programmes",
    "make_mail_link": "programmes",
    "mails_import": "programmes",
    "send_mails": "programmes",
    "surveys": "surveys",
    "make_survey": "surveys",
    "save_survey": "surveys",
    "answers_import": "surveys",
    "send_answers": "surveys",
    "costs": "costs",
    "cost_new": "costs",
    "save_cost": "costs",
    "cost": "costs",
    "change_cost": "costs",
    "costs_import": "costs",
    "send_costs": "costs",
    "costs_draft": "costs",
    "read_otherwise": "costs",
    "load_costs": "costs",
    "costs_names": "costs",
    "name_campaign": "costs",
    "add_cost_rule": "costs",
    "calls": "calls",
    "tracking": "tracking",
    "install": "tracking",
    "check_site": "tracking",
}
# What the frame links to, by the name of the link; the least role is the page's own.
LINKED = {
    "overview": "overview",
    "source": "source",
    "opportunities": "opportunities",
    "paths": "pathways",
    "contacts": "contacts",
    "companies": "companies",
    "funnel": "funnel",
    "scorecard": "scorecard",
    "accounts": "accounts",
    "segments": "segments",
    "definitions": "definitions",
    "stages": "stages",
    "actions": "actions",
    "programmes": "programmes",
    "surveys": "surveys",
    "costs": "costs",
    "calls": "calls",
    "tracking": "tracking",
    "install": "install",
    "views": "views",
    "digests": "digests",
    "team": "team",
    "audit": "audit_log",
    "password": "password",
    "log_out": "logout",
}


# What stays in the address when another site is looked at; the rest names things of the one that is left.
KEPT_ON_SWITCH = frozenset(
    ("period", "from", "to", "by", "model", "basis", "compare", "grain", "sort", "metric", "columns", "scope", "direct")
)


def same_page(site: Site, role: Role) -> str:
    """The page that is looked at, of another site; its list, where it is about one thing; else the Source report."""
    endpoint = (request.endpoint or "").removeprefix("pages.")
    if request.method != "GET" or endpoint not in {*LINKED.values(), "policy", "compare"}:
        endpoint = LINKED.get(TABS.get(endpoint, ""), "source")
    if f"pages.{endpoint}" not in current_app.view_functions or endpoint == "logout":
        endpoint = "source"
    if not may(role, least_role(current_app, f"pages.{endpoint}")):
        endpoint = "source"
    kept = {name: value for name, value in request.args.items() if name in KEPT_ON_SWITCH}
    return address(url_for(f"pages.{endpoint}"), {**kept, "site": site.key})


def links(is_inside: bool) -> Links:
    """The links of the frame, for somebody logged in or not: to pages that they may open."""
    if not is_inside:
        return Links(home=url_for("pages.login"))
    found = {name: url_for(f"pages.{view}") for name, view in LINKED.items() if may_open(f"pages.{view}")}
    return Links(home=url_for("pages.overview"), api_docs="/api/docs", **found)


def may_open(endpoint: str) -> bool:
    """Whether the reader's role on the site is enough for a page."""
    if endpoint not in current_app.view_functions:
        return False
    least = least_role(current_app, endpoint)
    return least is Role.VIEWER or may(role_seen(), least)


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
    """The front page is the overview."""
    return redirect(url_for("pages.overview"))
