"""Saved views: a report's address under a name, for oneself or for all who may see the site, and a link to it.

A link leads only to pages of SAVABLE, whose address url_for makes, and only who may see the view's site is led there.
"""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl, urlencode

from flask import Flask, current_app, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from api.context import here
from api.pages.frame import address, may_open, site_named
from api.pages.routes import routes
from api.trust import Audience, actor, audience, is_owner, logged_in, sees_people, site_seen, sites_open
from tracker.access.views import (
    LONGEST_NAME,
    View,
    change_view,
    delete_view,
    find_view,
    save_view,
    views_open,
)
from tracker.db.store import begin, reading
from tracker.errors import Conflict, Denied, Invalid, NotFound
from tracker.ids import new_view_id

# The pages that can be kept under a name: their addresses say all that they show.
SAVABLE = (
    "overview",
    "source",
    "source_rows",
    "compare",
    "opportunities",
    "opportunities_rows",
    "scorecard",
    "scorecard_rows",
    "pathways",
    "pathways_rows",
    "funnel",
    "funnel_rows",
    "contacts",
    "companies",
    "accounts",
    "costs",
    "calls",
)
# What is no part of a view: whose site (the view knows), which page of a list, which language.
PASSING = frozenset({"site", "cursor", "lang"})
# What people searched for may name somebody.
SEARCHED = frozenset({"q"})
MOST_PARAMETERS = 100


@dataclass(frozen=True, slots=True)
class ViewLink:
    """A view in a page's menu."""

    name: str
    href: str
    is_shared: bool
    is_current: bool


@dataclass(frozen=True, slots=True)
class ViewsHere:
    """The views of the page that is shown. `current`: the name of the one that it is, or ''."""

    page: str
    query: str
    current: str
    links: tuple[ViewLink, ...]
    may_share: bool


@dataclass(frozen=True, slots=True)
class ShownView:
    """A view in the list of all; `page` is a name of SAVABLE, '' of a page that there is no more."""

    view_id: str
    name: str
    page: str
    href: str
    url: str
    is_shared: bool
    saved_at: datetime
    saved_by: str
    is_own: bool
    may_change: bool


@dataclass(frozen=True, slots=True)
class Draft:
    """What a form that was refused said, and why."""

    page: str
    query: str
    name: str
    is_shared: bool
    error: str
    view_id: str = ""


def register(app: Flask) -> None:
    """Give the templates the menu of a page's views; nothing is read for pages that have none."""
    app.context_processor(lambda: {"views_here": views_here})


def pages_known() -> dict[str, str]:
    """The paths of the pages that can be saved, and their names."""
    rules = {rule.endpoint: rule.rule for rule in current_app.url_map.iter_rules() if not rule.arguments}
    return {rules[f"pages.{name}"]: name for name in SAVABLE if f"pages.{name}" in rules}


def pairs_of(query: str) -> list[tuple[str, str]]:
    """The parameters of a query that are part of a view, in their order."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=MOST_PARAMETERS)
    except ValueError as error:
        raise Invalid("there are too many parameters to be saved", field="query") from error
    return [(name, value) for name, value in pairs if name not in PASSING]


def views_here() -> ViewsHere | None:
    """The views of this request's page; None where there can be none."""
    if "views_here" not in g:
        g.views_here = read_views_here()
    found = g.views_here
    assert found is None or isinstance(found, ViewsHere)
    return found


def read_views_here() -> ViewsHere | None:
    """As views_here, read anew."""
    site, user = site_seen(), logged_in()
    path = request.url_rule.rule if request.url_rule else ""
    if site is None or user is None or path not in pages_known():
        return None
    shown = sorted((name, value) for name, value in request.args.items(multi=True) if name not in PASSING)
    with reading(here().engine) as tx:
        found = views_open(tx, site.site_id, user.user_id, path)
    links = tuple(
        ViewLink(one.name, link_to(one), one.is_shared, sorted(pairs_of(one.query)) == shown) for one in found
    )
    current = next((one.name for one in links if one.is_current), "")
    query = urlencode([(name, value) for name, value in request.args.items(multi=True) if name not in PASSING])
    return ViewsHere(pages_known()[path], query, current, links, sees_people())


def link_to(view: View) -> str:
    """The address that leads to a view."""
    return url_for("pages.open_view", view_id=view.view_id)


@routes.get("/v/<view_id>")
@audience(Audience.PEOPLE)
def open_view(view_id: str) -> ResponseReturnValue:
    """Lead to the page that a view keeps, if the reader may see its site; to nothing else."""
    view, key = view_seen(view_id)
    name = pages_known().get(view.page)
    if name is None or not may_open(f"pages.{name}"):
        raise NotFound("there is no such view", field="view")
    hidden = frozenset() if sees_people() else SEARCHED
    query = urlencode([(one, value) for one, value in pairs_of(view.query) if one not in hidden])
    return redirect(address_of(name, query, key))


def address_of(page: str, query: str, site_key: str) -> str:
    """A page of SAVABLE with its parameters, on a site."""
    return f"{url_for(f'pages.{page}')}?{urlencode([*pairs_of(query), ('site', site_key)])}"


def view_seen(view_id: str) -> tuple[View, str]:
    """A view of a site that the reader may see, and the site's key; raises NotFound."""
    with reading(here().engine) as tx:
        view = find_view(tx, view_id)
    for key, (site, _) in sites_open().items():
        if site.site_id == view.site_id:
            return view, key
    raise NotFound("there is no such view", field="view")


@routes.get("/views")
@audience(Audience.PEOPLE)
def views() -> ResponseReturnValue:
    """The reader's views and those that others share."""
    return list_shown()


def list_shown(draft: Draft | None = None) -> ResponseReturnValue:
    """The list, with a form that was refused."""
    site, user = site_seen(), logged_in()
    if site is None or user is None:
        return render_template("no_site.html")
    with reading(here().engine) as tx:
        found = views_open(tx, site.site_id, user.user_id)
    known, base = pages_known(), request.host_url.rstrip("/")
    shown = [
        ShownView(
            view_id=one.view_id,
            name=one.name,
            page=known.get(one.page, ""),
            href=link_to(one),
            url=f"{base}{link_to(one)}",
            is_shared=one.is_shared,
            saved_at=one.saved_at,
            saved_by=one.saved_by if sees_people() else "",
            is_own=one.user_id == user.user_id,
            may_change=may_change(one),
        )
        for one in found
    ]
    html = render_template("views.html", views=shown, draft=draft, may_share=sees_people(), longest=LONGEST_NAME)
    return html, 200 if draft is None else 422


def may_change(view: View) -> bool:
    """Whether the reader may change a view: it is theirs, or shared on a site of which they are an owner."""
    user = logged_in()
    return user is not None and (view.user_id == user.user_id or (view.is_shared and is_owner()))


@routes.post("/views")
@audience(Audience.PEOPLE)
def keep_view() -> ResponseReturnValue:
    """Save the view that the form names."""
    site, user = site_named(), logged_in()
    assert user is not None
    page, name = request.form.get("page", ""), request.form.get("name", "")
    paths = {one: path for path, one in pages_known().items()}
    if page not in paths:
        raise Invalid("there is no such page", field="page")
    is_shared = request.form.get("shared") == "1" and sees_people()
    query = ""
    try:
        query = urlencode(pairs_of(request.form.get("query", "")))
        with begin(here().engine) as tx:
            save_view(
                tx,
                new_view_id(),
                site.site_id,
                user.user_id,
                name=name,
                page=paths[page],
                query=query,
                is_shared=is_shared,
                actor=actor(),
                now=here().now(),
            )
    except (Invalid, Conflict) as error:
        return list_shown(Draft(page, query, name, is_shared, reason(error)))
    flash(gettext("The view is saved."), "success")
    return redirect(address_of(page, query, site.key))


@routes.post("/views/<view_id>")
@audience(Audience.PEOPLE)
def rename_view(view_id: str) -> ResponseReturnValue:
    """Give a view another name, share it or keep it for oneself."""
    view = view_to_change(view_id)
    name = request.form.get("name", "")
    is_shared = request.form.get("shared") == "1" and (sees_people() or view.is_shared)
    try:
        with begin(here().engine) as tx:
            change_view(tx, view, name=name, is_shared=is_shared, actor=actor(), now=here().now())
    except (Invalid, Conflict) as error:
        return list_shown(Draft("", "", name, is_shared, reason(error), view.view_id))
    flash(gettext("Saved."), "success")
    return redirect(address(url_for("pages.views"), {"site": site_named().key}))


@routes.post("/views/<view_id>/delete")
@audience(Audience.PEOPLE)
def remove_view(view_id: str) -> ResponseReturnValue:
    """Delete a view."""
    view = view_to_change(view_id)
    with begin(here().engine) as tx:
        delete_view(tx, view, actor=actor(), now=here().now())
    flash(gettext("The view is deleted."), "success")
    return redirect(address(url_for("pages.views"), {"site": site_named().key}))


def view_to_change(view_id: str) -> View:
    """A view of the site that is looked at, which the reader may change; raises NotFound or Denied."""
    site = site_named()
    view, _ = view_seen(view_id)
    user = logged_in()
    assert user is not None
    if view.site_id != site.site_id or not (view.is_shared or view.user_id == user.user_id):
        raise NotFound("there is no such view", field="view")
    if not may_change(view):
        raise Denied("only who saved the view or an owner may change it")
    return view


def reason(error: Invalid | Conflict) -> str:
    """Why a view was refused, in the reader's language."""
    if isinstance(error, Conflict):
        return str(gettext("You have a view of this name on this page already."))
    if error.field == "name":
        return str(gettext("Give it a name of at most %(n)s characters.", n=LONGEST_NAME))
    return str(gettext("This page has too many settings to be saved, or you have too many views: delete one first."))
