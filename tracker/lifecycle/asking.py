"""Of whom a condition holds now: what a segment and a search by behaviour ask. Writes nothing."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import select

from tracker.clock import to_ms
from tracker.db.schema import stage_changes
from tracker.db.store import Tx
from tracker.db.writes import chunks
from tracker.lifecycle.conditions import Condition, Fact, Facts, asks_for_points, holds_at, kinds_of, spans_of
from tracker.lifecycle.facts import Records, attribute, facts_of
from tracker.lifecycle.rules import Asked, Version, counting_at
from tracker.lifecycle.score import no_points
from tracker.lifecycle.versions import versions_in_force
from tracker.vocabulary import FactKind, Scope

STAGE = "stage"


def holding(tx: Tx, site_id: int, records: Records, condition: Condition, now: datetime) -> set[str]:
    """Those of these contacts of whom a condition holds at an instant.

    records   any number; one that is merged into another is nobody
    condition  as read_condition reads it; may ask for the attribute `stage`, and for points by the version in force
    """
    versions = versions_in_force(tx, site_id) if asks_for_points(condition) else []
    kinds = kinds_of(condition) | {kind for one in versions for kind in one.definition.kinds}
    found: set[str] = set()
    for some in chunks(sorted(one for one, own in records.items() if own)):
        told = facts_of(tx, site_id, {one: records[one] for one in some}, kinds)
        if FactKind.ATTRIBUTE in kinds:
            for contact_id, fact in stages_of(tx, some):
                if contact_id in told:
                    told[contact_id].facts.append(fact)
        found |= {one for one, known in told.items() if holds(condition, versions, known.known_at, known.facts, now)}
    return found


def holds(
    condition: Condition, versions: Sequence[Version], known_at: int, facts: Sequence[Fact], now: datetime
) -> bool:
    """Whether a condition holds of somebody at an instant; before they could be named it does not."""
    at = to_ms(now)
    if at < known_at:
        return False
    asked = Asked(versions, Scope.CONTACT, known_at, Facts(facts))
    counts = counting_at(versions, at)
    return holds_at(spans_of(condition, asked.facts, asked.points_under(counts) if counts else no_points), at)


def stages_of(tx: Tx, contact_ids: Sequence[str]) -> Iterator[tuple[str, Fact]]:
    """In which stage they were since when, as an attribute."""
    row = stage_changes.c
    query = select(row.contact_id, row.occurred_at, row.stage).where(row.contact_id.in_(contact_ids))
    for contact_id, at, stage in tx.execute(query.order_by(row.contact_id, row.position)):
        yield contact_id, attribute(to_ms(at), STAGE, stage)
