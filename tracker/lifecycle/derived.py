"""What the ways of people (record.py) and of companies (company.py) have in common: scene, rows, what is new."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tracker.clock import local_day
from tracker.db.store import Tx
from tracker.lifecycle.changes import Change
from tracker.lifecycle.rules import Asked, Version
from tracker.lifecycle.settled import stages_of
from tracker.lifecycle.stages import Stages
from tracker.lifecycle.versions import versions_in_force

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scene:
    """What holds for all people and companies of a site at a time."""

    site_id: int
    timezone: str
    versions: Sequence[Version]
    stages: Stages
    now: datetime


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a derivation came to.

    changed  who has other changes than before; of people not those that only name another version now
    moves    the rows that were not there before
    """

    changed: set[str] = field(default_factory=set)
    moves: list[Row] = field(default_factory=list)

    def add(self, other: "Recorded") -> None:
        """Take in what a part came to."""
        self.changed.update(other.changed)
        self.moves.extend(other.moves)


def scene_of(tx: Tx, site_id: int, timezone: str, now: datetime) -> Scene:
    """What holds for a site now."""
    return Scene(site_id, timezone, versions_in_force(tx, site_id), stages_of(tx, site_id), now)


def rows_of(scene: Scene, whose: Mapping[str, str], changes: Sequence[Change], asked: Asked | None) -> list[Row]:
    """The rows of somebody's changes; whose: the column that names them."""
    return [
        {
            **whose,
            "position": position,
            "site_id": scene.site_id,
            "stage_before": None if change.before is None else str(change.before),
            "stage": str(change.stage),
            "occurred_at": change.at,
            "day": local_day(change.at, scene.timezone),
            "cause": change.cause.value,
            "decided_by": change.by,
            "version": change.version,
            "evidence": asked.proof(change.firing)
            if asked and change.firing
            else [list(one) for one in change.evidence],
        }
        for position, change in enumerate(changes)
    ]


def steps_in(rows: Sequence[Row]) -> list[tuple[str, datetime]]:
    """Where somebody's way led, and when."""
    return [(row["stage"], row["occurred_at"]) for row in rows]


def moves_in(found: Mapping[str, Sequence[Row]], known: Mapping[str, Sequence[Row]]) -> list[Row]:
    """The changes that were not known: of another stage or another instant."""
    before = {one: set(steps_in(known.get(one, ()))) for one in found}
    return [row for one, rows in found.items() for row in rows if (row["stage"], row["occurred_at"]) not in before[one]]
