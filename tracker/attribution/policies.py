"""The policies of a site, version after version: which one is in force, which there were, a new one in their place.

Append only: a version that was saved can be asked for for ever. Version 0 is the shipped one, which is nowhere stored.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select

from tracker.attribution.policy import SHIPPED, Policy, read_policy, written
from tracker.db.schema import policies
from tracker.db.store import Tx
from tracker.db.writes import lock_names
from tracker.errors import Conflict, Invalid, NotFound

LONGEST_NOTE = 500


@dataclass(frozen=True, slots=True)
class Version:
    """A saved policy: what changed in the words of who saved it, who that was (a person's address or a program's
    name), and when."""

    version: int
    policy: Policy
    note: str
    saved_by: str
    saved_at: datetime


def policy_in_force(tx: Tx, site_id: int, version: int | None = None) -> tuple[int, Policy]:
    """The number and the policy in force, or that of a version; raises NotFound(field="policy")."""
    if version == 0:
        return 0, SHIPPED
    query = select(policies.c.version, policies.c.policy).where(policies.c.site_id == site_id)
    if version is not None:
        query = query.where(policies.c.version == version)
    row = tx.execute(query.order_by(policies.c.version.desc()).limit(1)).one_or_none()
    if row is not None:
        return row.version, read_policy(row.policy)
    if version is not None:
        raise NotFound(f"this site has no policy {version}", field="policy")
    return 0, SHIPPED


def version_of(tx: Tx, site_id: int, version: int) -> Version | None:
    """One saved policy with who saved it; None for the shipped one and for what there is not."""
    return next((one for one in versions_of(tx, site_id, 1, version + 1) if one.version == version), None)


def versions_of(tx: Tx, site_id: int, limit: int | None = None, before: int | None = None) -> list[Version]:
    """The saved policies of a site, the newest first.

    limit   how many at the most
    before  only those older than this version
    """
    query = select(policies).where(policies.c.site_id == site_id)
    if before is not None:
        query = query.where(policies.c.version < before)
    rows = tx.execute(query.order_by(policies.c.version.desc()).limit(limit)).mappings()
    return [
        Version(row["version"], read_policy(row["policy"]), row["note"], row["saved_by"], row["saved_at"])
        for row in rows
    ]


def save_policy(
    tx: Tx, site_id: int, policy: Policy, *, note: str, by: str, now: datetime, based_on: int | None = None
) -> int:
    """Put a policy in force and give its version; the policy that is in force already makes no new version.

    policy    as attribution.settled.changed made it
    note      what changed, in a sentence; empty or at most 500 characters
    by        who saves it
    based_on  the version that was changed; raises Conflict where another has come into force since
    """
    if len(note) > LONGEST_NOTE:
        raise Invalid(f"has {len(note)} characters; at most {LONGEST_NOTE}", field="note")
    lock_names(tx, [f"policy {site_id}"])
    version, known = policy_in_force(tx, site_id)
    if known == policy:
        return version
    if based_on is not None and based_on != version:
        raise Conflict(f"policy {version} came into force meanwhile; look at it, then save again", field="based_on")
    row = {
        "site_id": site_id,
        "version": version + 1,
        "policy": written(policy),
        "note": note.strip(),
        "saved_by": by[:200],
        "saved_at": now,
    }
    tx.execute(insert(policies), [row])
    return version + 1
