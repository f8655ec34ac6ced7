"""Roles: what a user may do on each site, and who may see people.

A role on every site stands with the user; `members` says otherwise for one site. Nobody without a role sees a site.
A site that has an owner keeps one: the last cannot be taken away or lowered.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, delete, func, select, update

from tracker.access.sites import Site
from tracker.access.users import User
from tracker.db.schema import members, sites, users
from tracker.db.store import Tx
from tracker.db.writes import upsert
from tracker.errors import Conflict
from tracker.vocabulary import Role

ORDER = tuple(Role)


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody who sees a site. everywhere: their role is one on every site; general: what they may do elsewhere."""

    user_id: int
    email: str
    role: Role
    everywhere: bool
    general: Role | None


def roles_of(tx: Tx, user: User, known: Sequence[Site]) -> dict[int, Role]:
    """The role of a user on each of these sites that they may see, by site_id."""
    query = select(members.c.site_id, members.c.role).where(members.c.user_id == user.user_id)
    own = {site_id: Role(role) for site_id, role in tx.execute(query)}
    everywhere = Role(user.role) if user.role else None
    found = {site.site_id: own.get(site.site_id, everywhere) for site in known}
    return {site_id: role for site_id, role in found.items() if role is not None}


def may(role: Role | None, least: Role) -> bool:
    """Whether a role allows what `least` and those above it may do."""
    return role is not None and ORDER.index(role) <= ORDER.index(least)


def members_of(tx: Tx, site_id: int) -> list[Member]:
    """Everybody who sees a site: owners first, then analysts and viewers, each by address."""
    own = and_(members.c.user_id == users.c.user_id, members.c.site_id == site_id)
    query = select(users.c.user_id, users.c.email, users.c.role, members.c.role.label("own")).join_from(
        users, members, own, isouter=True
    )
    rows = tx.execute(query.where((users.c.role.is_not(None)) | (members.c.role.is_not(None))))
    found = [
        Member(row.user_id, row.email, Role(row.own or row.role), row.own is None, Role(row.role) if row.role else None)
        for row in rows
    ]
    return sorted(found, key=lambda one: (ORDER.index(one.role), one.email))


def set_role(tx: Tx, user_id: int, site_id: int, role: Role | None, now: datetime) -> None:
    """What a user may do on one site from now on; None: what their role on every site says, or nothing.

    raises  Conflict: it is the site's last owner
    """
    hold_sites(tx)
    had = owned(tx)
    tx.execute(delete(members).where(members.c.user_id == user_id, members.c.site_id == site_id))
    if role is not None:
        row = {"user_id": user_id, "site_id": site_id, "role": role.value, "added_at": now}
        upsert(tx, members, [row])
    check_owned(tx, had)


def set_role_everywhere(tx: Tx, user_id: int, role: Role | None) -> None:
    """What a user may do on every site where they are no member, also on those to come; None: nothing there.

    raises  Conflict: it is some site's last owner
    """
    hold_sites(tx)
    had = owned(tx)
    tx.execute(update(users).where(users.c.user_id == user_id).values(role=None if role is None else role.value))
    check_owned(tx, had)


def hold_sites(tx: Tx) -> None:
    """Wait for whoever else changes roles: two owners who lower each other at once would leave none."""
    tx.execute(select(sites.c.site_id).order_by(sites.c.site_id).with_for_update(key_share=True)).all()


def owned(tx: Tx) -> set[int]:
    """The sites that have an owner."""
    own = and_(members.c.user_id == users.c.user_id, members.c.site_id == sites.c.site_id)
    effective = func.coalesce(members.c.role, users.c.role)
    query = select(sites.c.site_id).distinct().select_from(sites).join(users, sites.c.site_id.is_not(None))
    return set(tx.execute(query.join(members, own, isouter=True).where(effective == Role.OWNER.value)).scalars())


def check_owned(tx: Tx, before: set[int]) -> None:
    """Raise Conflict if a site that had an owner has none any more."""
    if before - owned(tx):
        raise Conflict("this is the last owner of a site; make somebody else an owner first", field="role")
