"""Roles: what a user may do on each site, and who may see people.

A role on every site stands with the user; `members` says otherwise for one site. Nobody without a role sees a site.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select

from tracker.access.sites import Site
from tracker.access.users import User
from tracker.db.schema import members
from tracker.db.store import Tx
from tracker.db.writes import upsert
from tracker.vocabulary import Role

ORDER = tuple(Role)


def roles_of(tx: Tx, user: User, sites: Sequence[Site]) -> dict[int, Role]:
    """The role of a user on each of these sites that they may see, by site_id."""
    query = select(members.c.site_id, members.c.role).where(members.c.user_id == user.user_id)
    own = {site_id: Role(role) for site_id, role in tx.execute(query)}
    everywhere = Role(user.role) if user.role else None
    found = {site.site_id: own.get(site.site_id, everywhere) for site in sites}
    return {site_id: role for site_id, role in found.items() if role is not None}


def may(role: Role | None, least: Role) -> bool:
    """Whether a role allows what `least` and those above it may do."""
    return role is not None and ORDER.index(role) <= ORDER.index(least)


def set_role(tx: Tx, user_id: int, site_id: int, role: Role | None, now: datetime) -> None:
    """What a user may do on one site from now on; None: what their role on every site says, or nothing."""
    tx.execute(delete(members).where(members.c.user_id == user_id, members.c.site_id == site_id))
    if role is not None:
        row = {"user_id": user_id, "site_id": site_id, "role": role.value, "added_at": now}
        upsert(tx, members, [row])
