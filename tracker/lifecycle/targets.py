"""What a site wants a figure of its scorecard to be, from a month on.

Which figures there are, and what their numbers mean, the reports say (reports/scorecard_metrics.py).
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select

from tracker.db.schema import targets
from tracker.db.store import Tx
from tracker.db.writes import upsert


@dataclass(frozen=True, slots=True)
class TargetTold:
    """A figure is to be so much from a month ('2026-04') on. value: in its small units; None: take the target away."""

    metric: str
    from_month: str
    value: int | None


def target_told(tx: Tx, site_id: int, metric: str, from_month: str) -> int | None:
    """The target that was set for exactly this month; None where none was."""
    query = select(targets.c.value).where(
        targets.c.site_id == site_id, targets.c.metric == metric, targets.c.from_month == from_month
    )
    return tx.execute(query).scalar()


def tell_target(tx: Tx, site_id: int, told: TargetTold, by: str, now: datetime) -> bool:
    """Set a target, or take away the one of that month, so that the one before it holds; whether anything changed.

    by  who, for people to read: 'user alice@acme.example'
    """
    if told.value == target_told(tx, site_id, told.metric, told.from_month):
        return False
    if told.value is None:
        tx.execute(
            delete(targets).where(
                targets.c.site_id == site_id, targets.c.metric == told.metric, targets.c.from_month == told.from_month
            )
        )
        return True
    key = {"site_id": site_id, "metric": told.metric, "from_month": told.from_month}
    upsert(tx, targets, [{**key, "value": told.value, "saved_by": by, "saved_at": now}])
    return True
