"""Users and roles: who sees this site and what each may do; owners let people in and take their role away.

Whether an address has an account already is told to nobody: everyone who is let in gets a link that looks the same.
"""

from collections.abc import Callable
from dataclasses import dataclass

from flask import flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from api.context import here
from api.languages import chosen
from api.pages.frame import site_named
from api.pages.routes import routes
from api.trust import Audience, actor, audience, is_owner_everywhere, logged_in, site_seen
from tracker.access import audit
from tracker.access.roles import Member, members_of, set_role, set_role_everywhere
from tracker.access.sites import Site
from tracker.access.users import LINK_LIVES, add_link, add_user, clean_email, find_user_by_email
from tracker.db.store import Tx, begin, reading
from tracker.errors import Conflict, Denied, Invalid, MinamotoError, NotFound
from tracker.vocabulary import Audited, Role

LINK = "link_made"


@dataclass(frozen=True, slots=True)
class ShownMember:
    """Somebody of the list. may_change: whether the reader may set their role or take it away."""

    email: str
    role: Role
    everywhere: bool
    is_reader: bool
    may_change: bool


@dataclass(frozen=True, slots=True)
class MadeLink:
    """A link that is shown this once."""

    email: str
    url: str
    n_days: int
    replaces: bool


@routes.get("/team")
@audience(Audience.PEOPLE, least=Role.OWNER)
def team() -> ResponseReturnValue:
    """Everybody who sees the site."""
    site = site_seen()
    return render_template("no_site.html") if site is None else page_of(site)


@routes.post("/team")
@audience(Audience.PEOPLE, least=Role.OWNER)
def add_member() -> ResponseReturnValue:
    """Let somebody in, by their address."""
    site = site_named()
    try:
        with begin(here().engine) as tx:
            email, secret = let_in(tx, site)
    except (Invalid, Conflict) as error:
        return page_of(site, reason(error)), 422
    session[LINK] = [email, secret, False]
    flash(gettext("%(email)s may see this site now.", email=email), "success")
    return redirect(url_for("pages.team", site=site.key))


@routes.post("/team/role")
@audience(Audience.PEOPLE, least=Role.OWNER)
def change_role() -> ResponseReturnValue:
    """Give somebody another role, where they have one."""

    def change(tx: Tx, site: Site, member: Member) -> str:
        set_where(tx, site, member, role_told())
        return str(gettext("Saved."))

    return changed(change)


@routes.post("/team/remove")
@audience(Audience.PEOPLE, least=Role.OWNER)
def take_member() -> ResponseReturnValue:
    """Take somebody's role away: they see nothing of the site from now on."""

    def take(tx: Tx, site: Site, member: Member) -> str:
        set_where(tx, site, member, None)
        return str(gettext("The role is taken away."))

    return changed(take)


@routes.post("/team/link")
@audience(Audience.PEOPLE, least=Role.OWNER)
def make_link() -> ResponseReturnValue:
    """A new link for somebody to set a password; only an owner of all sites can have one replaced."""

    def make(tx: Tx, site: Site, member: Member) -> str:
        replaces, now = is_owner_everywhere(), here().now()
        session[LINK] = [member.email, add_link(tx, member.user_id, replaces=replaces, now=now), replaces]
        audit.note(tx, site.site_id, actor(), Audited.PASSWORD, member.email, now=now, details={"link": "made"})
        return str(gettext("The link is made."))

    return changed(make)


def changed(change: Callable[[Tx, Site, Member], str]) -> ResponseReturnValue:
    """Do what an owner asks of somebody in the list, and show it again with what came of it."""
    site = site_named()
    try:
        with begin(here().engine) as tx:
            told = change(tx, site, member_named(tx, site))
        flash(told, "success")
    except (Invalid, Conflict, NotFound, Denied) as error:
        flash(reason(error), "error")
    return redirect(url_for("pages.home" if takes_own_away() else "pages.team", site=site.key))


def let_in(tx: Tx, site: Site) -> tuple[str, str]:
    """Make whom the form names a member, with an account if they have none: their address and the link's secret."""
    email, role, now = clean_email(request.form.get("email", "")), role_told(), here().now()
    everywhere = request.form.get("where") == "all"
    if everywhere and not is_owner_everywhere():
        raise Denied("only an owner of all sites lets somebody see all sites")
    if any(one.email == email for one in members_of(tx, site.site_id)):
        raise Conflict("is in the list already", field="email")
    user = find_user_by_email(tx, email) or add_user(tx, email, None, now=now, role=None, language=chosen())
    if everywhere:
        set_role_everywhere(tx, user.user_id, role)
    else:
        set_role(tx, user.user_id, site.site_id, role, now)
    noted(tx, None if everywhere else site, email, None, role)
    return email, add_link(tx, user.user_id, replaces=False, now=now)


def set_where(tx: Tx, site: Site, member: Member, role: Role | None) -> None:
    """Set a role where it stands: on this site, or on all of them."""
    if member.role == role:
        return
    if member.everywhere:
        set_role_everywhere(tx, member.user_id, role)
    else:
        set_role(tx, member.user_id, site.site_id, role, here().now())
    noted(tx, None if member.everywhere else site, member.email, member.role, role)


def noted(tx: Tx, site: Site | None, email: str, before: Role | None, after: Role | None) -> None:
    """Write a changed role into the audit log; without a site: on all of them."""
    details = {"before": {"role": before}, "after": {"role": after}}
    site_id = site.site_id if site else None
    audit.note(tx, site_id, actor(), Audited.MEMBER, email, now=here().now(), details=details)


def member_named(tx: Tx, site: Site) -> Member:
    """Whom the form names; raises NotFound, or Denied where only an owner of all sites may change something."""
    email = request.form.get("email", "").strip().lower()
    found = next((one for one in members_of(tx, site.site_id) if one.email == email), None)
    if found is None:
        raise NotFound("is not in the list", field="email")
    if not may_change(found):
        raise Denied("they have a role on all sites")
    return found


def may_change(member: Member) -> bool:
    """Whether the reader may: who has a role on all sites is changed by owners of all sites only."""
    return member.general is None or is_owner_everywhere()


def role_told() -> Role:
    """The role that the form names; raises Invalid."""
    word = request.form.get("role", "")
    if word not in set(Role):
        raise Invalid("is no role", field="role")
    return Role(word)


def takes_own_away() -> bool:
    """Whether the form is about the reader, who may not be an owner any more."""
    user = logged_in()
    return user is not None and request.form.get("email", "").strip().lower() == user.email


def reason(error: MinamotoError) -> str:
    """Why something was refused, in the reader's language."""
    if isinstance(error, Denied):
        return str(gettext("They have a role on all sites: only an owner of all sites can change that."))
    if isinstance(error, NotFound):
        return str(gettext("They are not in the list any more."))
    if isinstance(error, Conflict) and error.field == "role":
        return str(gettext("This is the last owner of a site. Make somebody else an owner first."))
    if isinstance(error, Conflict):
        return str(gettext("They are in the list already: change their role there."))
    if error.field == "role":
        return str(gettext("Choose a role."))
    return str(gettext("This is no e-mail address."))


def page_of(site: Site, error: str | None = None) -> str:
    """The page; `error` stands beside the form that was sent."""
    user = logged_in()
    own = user.email if user else ""
    with reading(here().engine) as tx:
        found = members_of(tx, site.site_id)
    return render_template(
        "team.html",
        members=[ShownMember(one.email, one.role, one.everywhere, one.email == own, may_change(one)) for one in found],
        roles=tuple(Role),
        link=link_made(),
        is_owner_everywhere=is_owner_everywhere(),
        error=error,
        email=request.form.get("email", "")[:320],
        role=request.form.get("role", Role.VIEWER.value),
        where=request.form.get("where", "site"),
    )


def link_made() -> MadeLink | None:
    """The link that was just made; it is shown once."""
    made = session.pop(LINK, None)
    if not made:
        return None
    email, secret, replaces = made
    url = f"{request.host_url.rstrip('/')}{url_for('pages.new_password', link=secret)}"
    return MadeLink(email, url, LINK_LIVES.days, replaces)
