"""Saved views: a page of the reports with its parameters, under a name; its saver's alone or the whole site's."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, insert, or_, select, update

from tracker.access import audit
from tracker.db.schema import users, views
from tracker.db.store import Tx
from tracker.errors import Conflict, Invalid, NotFound
from tracker.vocabulary import Audited

LONGEST_NAME = 80
LONGEST_QUERY = 4000
MOST_VIEWS = 200  # of one user on one site


@dataclass(frozen=True, slots=True)
class View:
    """A saved view. page: a path of this application; query: its parameters; saved_by: a user's address."""

    view_id: str
    site_id: int
    user_id: int
    name: str
    page: str
    query: str
    is_shared: bool
    saved_at: datetime
    saved_by: str


def checked_name(name: str) -> str:
    """A view's name without white space around it; raises Invalid for none or a long one."""
    plain = " ".join(name.split())
    if not plain:
        raise Invalid("give the view a name", field="name")
    if len(plain) > LONGEST_NAME:
        raise Invalid(f"a name has at most {LONGEST_NAME} characters", field="name")
    return plain


def save_view(
    tx: Tx,
    view_id: str,
    site_id: int,
    user_id: int,
    *,
    name: str,
    page: str,
    query: str,
    is_shared: bool,
    actor: str,
    now: datetime,
) -> View:
    """Keep a view; raises Conflict if the user has one of this name on the page, Invalid for a bad name or too many.

    page   a path that the caller has checked
    query  parameters without the site
    """
    plain = checked_name(name)
    if len(query) > LONGEST_QUERY:
        raise Invalid("there are too many parameters to be saved", field="query")
    own = (views.c.site_id == site_id) & (views.c.user_id == user_id)
    if tx.execute(select(func.count()).select_from(views).where(own)).scalar_one() >= MOST_VIEWS:
        raise Invalid(f"you have {MOST_VIEWS} views; delete one first", field="query")
    refuse_double(tx, own, page, plain, view_id)
    row = {
        "view_id": view_id,
        "site_id": site_id,
        "user_id": user_id,
        "name": plain,
        "page": page,
        "query": query,
        "is_shared": is_shared,
        "saved_at": now,
    }
    tx.execute(insert(views), [row])
    if is_shared:
        after = {"name": plain, "page": page, "is_shared": True}
        audit.note(tx, site_id, actor, Audited.VIEW, view_id, now=now, details={"after": after})
    return find_view(tx, view_id)


def refuse_double(tx: Tx, own: Any, page: str, name: str, view_id: str) -> None:
    """Raise Conflict if another view of the user bears the name on this page."""
    double = select(views.c.view_id).where(own, views.c.page == page, views.c.name == name, views.c.view_id != view_id)
    if tx.execute(double).first() is not None:
        raise Conflict("you have a view of this name on this page already", field="name")


def change_view(tx: Tx, view: View, *, name: str, is_shared: bool, actor: str, now: datetime) -> None:
    """Give a view another name, share it or keep it for oneself from now on."""
    plain = checked_name(name)
    own = (views.c.site_id == view.site_id) & (views.c.user_id == view.user_id)
    refuse_double(tx, own, view.page, plain, view.view_id)
    tx.execute(update(views).where(views.c.view_id == view.view_id).values(name=plain, is_shared=is_shared))
    after = {"name": plain, "is_shared": is_shared}
    before = {"name": view.name, "is_shared": view.is_shared}
    if (view.is_shared or is_shared) and after != before:
        details = {"before": before, "after": after}
        audit.note(tx, view.site_id, actor, Audited.VIEW, view.view_id, now=now, details=details)


def delete_view(tx: Tx, view: View, *, actor: str, now: datetime) -> None:
    """Forget a view; its link leads nowhere then."""
    tx.execute(delete(views).where(views.c.view_id == view.view_id))
    if view.is_shared:
        before = {"name": view.name, "page": view.page, "is_shared": True}
        audit.note(tx, view.site_id, actor, Audited.VIEW, view.view_id, now=now, details={"before": before})


SAVED = select(
    *(views.c[name] for name in ("view_id", "site_id", "user_id", "name", "page", "query", "is_shared", "saved_at")),
    users.c.email.label("saved_by"),
).join(users, users.c.user_id == views.c.user_id)


def find_view(tx: Tx, view_id: str) -> View:
    """The view of an id; raises NotFound."""
    row = tx.execute(SAVED.where(views.c.view_id == view_id)).mappings().first()
    if row is None:
        raise NotFound("there is no such view", field="view")
    return View(**row)


def views_open(tx: Tx, site_id: int, user_id: int, page: str | None = None) -> list[View]:
    """The user's own views of a site and those that others share, by page and name; of one page if it is given."""
    query = SAVED.where(views.c.site_id == site_id, or_(views.c.user_id == user_id, views.c.is_shared.is_(True)))
    if page is not None:
        query = query.where(views.c.page == page)
    rows = tx.execute(query.order_by(views.c.page, views.c.name, views.c.view_id)).mappings()
    return [View(**row) for row in rows]
