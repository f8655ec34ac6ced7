"""What a contact's points are made of: the parts by the version of the definitions that is in force."""

from dataclasses import dataclass
from datetime import datetime

from tracker.clock import to_ms
from tracker.db.store import Tx
from tracker.identity.stitch import names_by
from tracker.lifecycle.conditions import Facts
from tracker.lifecycle.facts import facts_of
from tracker.lifecycle.rules import counting_at
from tracker.lifecycle.score import Part, parts_at
from tracker.lifecycle.versions import versions_in_force


@dataclass(frozen=True, slots=True)
class Points:
    """A contact's points at an instant. parts: by rule, in the definition's order; their sum is the points."""

    points: int
    version: int
    parts: tuple[Part, ...]


def points_of(tx: Tx, site_id: int, contact_id: str, now: datetime) -> Points | None:
    """The points of a contact; None where no version with points is in force, or the contact is merged."""
    versions, at = versions_in_force(tx, site_id), to_ms(now)
    counts = counting_at(versions, at)
    if counts is None or not counts.definition.points:
        return None
    own = {contact_id: set(names_by(tx, [contact_id]).get(contact_id, {}).values())}
    told = facts_of(tx, site_id, own, counts.definition.kinds).get(contact_id)
    if told is None:
        return None
    parts = parts_at(counts.definition.points, Facts(told.facts), at)
    return Points(sum(one.points for one in parts), counts.version, tuple(parts))
