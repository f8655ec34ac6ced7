"""A contact's way through the stages of the life cycle, as it is shown."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from tracker.db.schema import stage_changes
from tracker.db.store import Tx
from tracker.vocabulary import Stage, StageCause


@dataclass(frozen=True, slots=True)
class StageStep:
    """A contact came from one stage (None: nobody had told of any) into another.

    position  0 for the first
    by        who decided it, for people to read: 'crm', 'user alice@acme.example', a deal's reference
    """

    position: int
    at: datetime
    before: Stage | None
    stage: Stage
    cause: StageCause
    by: str


def stages_of(tx: Tx, contact_id: str) -> tuple[StageStep, ...]:
    """The changes of a contact's stage, oldest first; of one that is merged none."""
    rows = tx.execute(
        select(stage_changes).where(stage_changes.c.contact_id == contact_id).order_by(stage_changes.c.position)
    ).mappings()
    return tuple(
        StageStep(
            position=row["position"],
            at=row["occurred_at"],
            before=None if row["stage_before"] is None else Stage(row["stage_before"]),
            stage=Stage(row["stage"]),
            cause=StageCause(row["cause"]),
            by=row["decided_by"],
        )
        for row in rows
    )
