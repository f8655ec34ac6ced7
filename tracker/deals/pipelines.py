"""Where a site's pipelines begin and end: their stages in order, as a CRM told or a user said.

Told whole: the stages that are not named any more are gone. What nobody told is taken from the deals
(reports/opportunity_ways.py). It is what holds today; no past version is kept but in the audit log.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select

from tracker.db.schema import pipeline_stages
from tracker.db.store import Tx
from tracker.db.writes import lock_names
from tracker.deals.probability import percent_text
from tracker.errors import Invalid

MOST_STAGES = 100


@dataclass(frozen=True, slots=True)
class StageTold:
    """A stage: the CRM's own word, what the pages call it (None: the same), and its chance in ten-thousandths."""

    stage: str
    label: str | None = None
    probability_bp: int | None = None


def read_pipelines(tx: Tx, site_id: int) -> dict[str, tuple[StageTold, ...]]:
    """The stages of every told pipeline of a site, in order, by the pipeline ('' for deals without one)."""
    table = pipeline_stages.c
    rows = tx.execute(
        select(table.pipeline, table.stage, table.label, table.probability_bp)
        .where(table.site_id == site_id)
        .order_by(table.pipeline, table.position)
    )
    found: dict[str, tuple[StageTold, ...]] = {}
    for pipeline, *stage in rows:
        found[pipeline] = (*found.get(pipeline, ()), StageTold(*stage))
    return found


def tell_pipeline(tx: Tx, site_id: int, pipeline: str, stages: Sequence[StageTold], now: datetime) -> bool:
    """Replace a pipeline's stages by these, in this order; none: forget it. Returns whether that changed anything.

    raises  Invalid: a stage twice, too many stages
    """
    if len({one.stage for one in stages}) != len(stages):
        raise Invalid("a stage stands twice", field="stages")
    if len(stages) > MOST_STAGES:
        raise Invalid(f"more than {MOST_STAGES} stages", field="stages")
    lock_names(tx, [f"{site_id} pipeline {pipeline}"])
    if read_pipelines(tx, site_id).get(pipeline, ()) == tuple(stages):
        return False
    table = pipeline_stages.c
    tx.execute(delete(pipeline_stages).where(table.site_id == site_id, table.pipeline == pipeline))
    rows = [
        {
            "site_id": site_id,
            "pipeline": pipeline,
            "stage": one.stage,
            "position": position,
            "label": one.label,
            "probability_bp": one.probability_bp,
            "updated_at": now,
        }
        for position, one in enumerate(stages)
    ]
    if rows:
        tx.execute(insert(pipeline_stages), rows)
    return True


def written(stages: Iterable[StageTold]) -> list[dict[str, Any]]:
    """Stages as plain data, for the audit log."""
    return [
        {
            "stage": one.stage,
            "label": one.label,
            "probability": None if one.probability_bp is None else percent_text(one.probability_bp),
        }
        for one in stages
    ]
