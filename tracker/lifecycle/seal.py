"""Keep what rules decided by page views that are about to leave the journal: it could not be decided again.

Such a change becomes a word of its own in the journal of words, with its version and its facts, and stands from then on
whatever is derived anew, also under other definitions.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import and_, exists, insert, select

from tracker.db.schema import contacts, crm_changes, stage_changes
from tracker.db.store import Tx
from tracker.lifecycle.conditions import All, Any, Condition, Did, Not, asks_for_points
from tracker.lifecycle.rules import Definition, Rule, Version
from tracker.lifecycle.score import halves_of
from tracker.lifecycle.versions import versions_in_force
from tracker.vocabulary import CrmChangeKind, FactKind, StageCause

EVER = timedelta(days=36_500)
NEVER = timedelta(0)


def seal(tx: Tx, site_id: int, horizon_at: datetime, now: datetime) -> int:
    """Keep what rules decided by page views from before an instant; returns how many changes.

    Of people alone: a company's stage is decided again from what is left.
    """
    reach = reach_by_rule(versions_in_force(tx, site_id))
    if not any(reach.values()):
        return 0
    row, word = stage_changes.c, crm_changes.c
    kept = exists().where(
        word.site_id == site_id,
        word.kind == CrmChangeKind.STAGE.value,
        word.key == row.contact_id,
        word.changed_at == row.occurred_at,
    )
    query = (
        select(row.contact_id, row.stage, row.occurred_at, row.decided_by, row.version, row.evidence)
        .join(contacts, and_(contacts.c.contact_id == row.contact_id, contacts.c.first_at < horizon_at))
        .where(row.site_id == site_id, row.cause == StageCause.RULE.value, ~kept)
        .order_by(row.contact_id, row.position)
    )
    rows = [
        {
            "site_id": site_id,
            "kind": CrmChangeKind.STAGE.value,
            "key": one.contact_id,
            "payload": {
                "stage": one.stage,
                "by": one.decided_by,
                "cause": StageCause.RULE.value,
                "version": one.version,
                "evidence": one.evidence,
            },
            "changed_at": one.occurred_at,
            "received_at": now,
        }
        for one in tx.execute(query)
        if one.occurred_at - reach.get((one.version, one.decided_by), EVER) < horizon_at
    ]
    if rows:
        tx.execute(insert(crm_changes), rows)
    return len(rows)


def reach_by_rule(versions: Iterable[Version]) -> dict[tuple[int | None, str], timedelta]:
    """By version and rule how far back it looks at page views; nothing where it does not."""
    return {
        (one.version, rule.name): reach_of_rule(one.definition, rule)
        for one in versions
        for rule in one.definition.rules
    }


def reach_of_rule(definition: Definition, rule: Rule) -> timedelta:
    """How far back a rule looks at page views, itself or through points."""
    by_points = max((reach_of_points(definition, place) for place in range(len(definition.points))), default=NEVER)
    return max(reach_of(rule.when), by_points if asks_for_points(rule.when) else NEVER)


def reach_of_points(definition: Definition, place: int) -> timedelta:
    """How far back points look at page views: until nothing is left of a deed's."""
    one = definition.points[place]
    if one.each is None:
        return reach_of(one.when) if one.when else NEVER
    if one.each.kind is not FactKind.PAGE:
        return NEVER
    return timedelta(milliseconds=halves_of(one)[-1][0]) if one.half_life_days else EVER


def reach_of(condition: Condition) -> timedelta:
    """How far back a condition looks at page views."""
    match condition:
        case Did(kind=FactKind.PAGE, within_days=within_days):
            return EVER if within_days is None else timedelta(days=within_days)
        case All(of) | Any(of):
            return max(reach_of(one) for one in of)
        case Not(one):
            return reach_of(one)
        case _:
            return NEVER
