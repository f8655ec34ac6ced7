"""The definitions of a site, version after version: saved, signed by both sides, withdrawn, in force.

Append only but for two dates: when a version was signed by all who have to, and when it was withdrawn before that.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from sqlalchemy import func, insert, select, update

from tracker.clock import to_ms
from tracker.db.schema import definitions, sign_offs
from tracker.db.store import Tx
from tracker.db.writes import lock_names
from tracker.errors import Conflict, Invalid, NotFound
from tracker.lifecycle.definition import read_definition
from tracker.lifecycle.rules import Definition, Version
from tracker.lifecycle.settled import lifecycle_of, stages_of
from tracker.vocabulary import Side

LONGEST_REASON = 1_000
MOST_VERSIONS = 1_000


@dataclass(frozen=True, slots=True)
class SignOff:
    """One side agreed."""

    side: Side
    signed_by: str
    signed_at: datetime


@dataclass(frozen=True, slots=True)
class Saved:
    """A saved version.

    from_at       from when on it counts, once it is signed
    signed_at     when the last side that has to agree did; None: it does not count
    withdrawn_at  it was taken back before it was signed
    """

    version: int
    text: str
    reason: str
    saved_by: str
    saved_at: datetime
    from_at: datetime
    signed_at: datetime | None
    withdrawn_at: datetime | None
    sign_offs: tuple[SignOff, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether it waits to be signed."""
        return self.signed_at is None and self.withdrawn_at is None


def versions_in_force(tx: Tx, site_id: int) -> list[Version]:
    """The signed versions of a site, oldest first, each with when it begins to count, also in the future."""
    rows = tx.execute(
        select(definitions.c.version, definitions.c.text, definitions.c.from_at)
        .where(definitions.c.site_id == site_id, definitions.c.signed_at.is_not(None))
        .order_by(definitions.c.version)
    ).all()
    return [Version(version, to_ms(from_at), parsed(text)) for version, text, from_at in rows]


@lru_cache(maxsize=256)
def parsed(text: str) -> Definition:
    """A saved text, whatever stages it names: a rule that leads to one taken away since then does nothing."""
    return read_definition(text, None)


def saved_versions(tx: Tx, site_id: int) -> list[Saved]:
    """All versions of a site, the newest first, with who signed them."""
    signed: dict[int, list[SignOff]] = {}
    for row in tx.execute(select(sign_offs).where(sign_offs.c.site_id == site_id).order_by(sign_offs.c.signed_at)):
        signed.setdefault(row.version, []).append(SignOff(Side(row.side), row.signed_by, row.signed_at))
    rows = tx.execute(
        select(definitions).where(definitions.c.site_id == site_id).order_by(definitions.c.version.desc())
    ).mappings()
    return [
        Saved(
            **{name: value for name, value in row.items() if name != "site_id"},
            sign_offs=tuple(signed.get(row["version"], ())),
        )
        for row in rows
    ]


def saved_version(tx: Tx, site_id: int, version: int) -> Saved:
    """One version; raises NotFound(field="version")."""
    found = next((one for one in saved_versions(tx, site_id) if one.version == version), None)
    if found is None:
        raise NotFound(f"this site has no definition {version}", field="version")
    return found


def save_definition(
    tx: Tx, site_id: int, text: str, *, reason: str, by: str, now: datetime, from_at: datetime | None = None
) -> Saved:
    """Save a new version; it counts at once where nobody has to sign it, else when both sides have.

    text     TOML, for the site's stages
    reason   why it is changed, in a sentence or some
    from_at  from when on it counts; None: from now on. In the past it says anew what was then, once it is signed
    raises   Invalid: field text, reason or from_at; nothing is kept
    """
    if not reason.strip() or len(reason) > LONGEST_REASON:
        raise Invalid(f"say why, in 1 to {LONGEST_REASON} characters", field="reason")
    read_definition(text, stages_of(tx, site_id).names)
    lock_names(tx, [f"definitions {site_id}"])
    newest = tx.execute(select(func.max(definitions.c.version)).where(definitions.c.site_id == site_id)).scalar() or 0
    if newest >= MOST_VERSIONS:
        raise Invalid(f"there are {MOST_VERSIONS} versions already", field="text")
    row = {
        "site_id": site_id,
        "version": newest + 1,
        "text": text,
        "reason": reason.strip(),
        "saved_by": by[:200],
        "saved_at": now,
        "from_at": from_at or now,
        "signed_at": None if lifecycle_of(tx, site_id).needs_sign_off else now,
        "withdrawn_at": None,
    }
    tx.execute(insert(definitions), [row])
    return saved_version(tx, site_id, newest + 1)


def sign(tx: Tx, site_id: int, version: int, side: Side, *, by: str, now: datetime) -> Saved:
    """One side agrees to a version; with the second one it counts.

    raises  NotFound; Conflict: it was withdrawn or is signed already, by this side or by this user for the other one
    """
    lock_names(tx, [f"definitions {site_id}"])
    known = saved_version(tx, site_id, version)
    if not known.is_open:
        raise Conflict("it is signed already, or withdrawn", field="version")
    if any(one.side is side for one in known.sign_offs):
        raise Conflict(f"{side.value} has signed it already", field="side")
    if any(one.signed_by == by for one in known.sign_offs):
        raise Conflict("marketing and sales are signed for by two people", field="side")
    row = {"site_id": site_id, "version": version, "side": side.value, "signed_by": by[:200], "signed_at": now}
    tx.execute(insert(sign_offs), [row])
    if {one.side for one in known.sign_offs} | {side} == set(Side):
        change(tx, site_id, version, signed_at=now)
    return saved_version(tx, site_id, version)


def withdraw(tx: Tx, site_id: int, version: int, *, now: datetime) -> None:
    """Take a version back that is not signed yet; raises NotFound, Conflict."""
    lock_names(tx, [f"definitions {site_id}"])
    if not saved_version(tx, site_id, version).is_open:
        raise Conflict("it is signed already, or withdrawn", field="version")
    change(tx, site_id, version, withdrawn_at=now)


def change(tx: Tx, site_id: int, version: int, **dates: datetime) -> None:
    """Set one of the two dates of a version."""
    tx.execute(
        update(definitions).where(definitions.c.site_id == site_id, definitions.c.version == version).values(**dates)
    )
