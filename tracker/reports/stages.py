"""A contact's way through the stages of the life cycle, as it is shown."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from tracker.clock import from_ms
from tracker.db.schema import stage_changes
from tracker.db.store import Tx
from tracker.lifecycle.times import StageTime, stage_times
from tracker.vocabulary import StageCause


@dataclass(frozen=True, slots=True)
class Proof:
    """A fact that decided a change: when it was, what kind it is of, and what it says. text: a stranger's, perhaps."""

    at: datetime
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class StageStep:
    """A contact came from one stage (None: nobody had told of any) into another.

    position  0 for the first
    by        who decided it, for people to read: 'crm', 'user alice@acme.example', a deal's reference, a rule's name
    version   of the definition that decided it
    evidence  the facts that decided it, by time
    """

    position: int
    at: datetime
    before: str | None
    stage: str
    cause: StageCause
    by: str
    version: int | None = None
    evidence: tuple[Proof, ...] = ()


def stages_of(tx: Tx, contact_id: str) -> tuple[StageStep, ...]:
    """The changes of a contact's stage, oldest first; of one that is merged none."""
    rows = tx.execute(
        select(stage_changes).where(stage_changes.c.contact_id == contact_id).order_by(stage_changes.c.position)
    ).mappings()
    return tuple(
        StageStep(
            position=row["position"],
            at=row["occurred_at"],
            before=row["stage_before"],
            stage=row["stage"],
            cause=StageCause(row["cause"]),
            by=row["decided_by"],
            version=row["version"],
            evidence=tuple(Proof(from_ms(ms), kind, text) for ms, kind, text in row["evidence"]),
        )
        for row in rows
    )


def times_of(tx: Tx, contact_id: str, now: datetime) -> list[StageTime]:
    """How long a contact was in each stage, until now; of one that is merged nothing."""
    return stage_times([(step.at, step.stage) for step in stages_of(tx, contact_id)], now)
