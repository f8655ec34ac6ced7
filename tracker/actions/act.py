"""What follows a change of stage: each action that is meant puts one item into the outbox, once per change.

Called where changes are recorded, in their transaction, as often as they are derived anew: the key says which change of
whom an item follows from, so the same does nothing twice. Where a site has no action it costs one look at an index.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tracker import outbox
from tracker.actions.listing import Action, actions_on
from tracker.actions.moved import StageMoved
from tracker.clock import from_ms, to_ms
from tracker.db.schema import segment_people
from tracker.db.store import Tx
from tracker.db.writes import insert_once
from tracker.errors import Conflict
from tracker.outbox import Item, Put
from tracker.vocabulary import ActionKind, OutboxState, Scope, StageCause

# What was found out later than this after it happened goes out only when a person says so: nobody wants to be told in
# June to call who came in May.
NEWS_LIVES = timedelta(days=3)
FOUND_LATE = "found_late"


@dataclass(frozen=True, slots=True)
class Asked:
    """What an item is about. is_test: nothing happened, somebody looks whether it arrives."""

    moved: StageMoved
    is_test: bool = False


def on(tx: Tx, site_id: int, moves: Iterable[StageMoved], now: datetime) -> int:
    """People or companies came into stages: put what a site does about it into the outbox; returns how many items.

    moves  all changes that were derived, old and new: what was put in before is left as it stands
    """
    told = tuple(moves)
    if not told:
        return 0
    wanted = [
        put_of(action, move, now) for action in actions_on(tx, site_id) for move in told if is_meant(action, move)
    ]
    new = outbox.put(tx, site_id, wanted, now)
    join(tx, [one for one in new if one.kind is ActionKind.SEGMENT and one.state is OutboxState.SENT], now)
    return len(new)


def is_meant(action: Action, move: StageMoved) -> bool:
    """Whether an action does something about a change."""
    return (
        action.is_on
        and action.scope is move.scope
        and action.stage in {"", move.stage}
        and move.stage != move.before
        and move.at >= action.since_at
    )


def put_of(action: Action, move: StageMoved, now: datetime) -> Put:
    """What an action puts in for a change."""
    key = f"{action.action_id} {move.subject} {move.stage} {to_ms(move.at)}"
    state, error = OutboxState.WAITING, None
    if now - move.at > NEWS_LIVES:
        state, error = OutboxState.SKIPPED, FOUND_LATE
    elif action.kind is ActionKind.SEGMENT:
        state = OutboxState.SENT
    return Put(key, action.kind, action.action_id, move.subject, written(move, action), state, error)


def join(tx: Tx, items: Sequence[Put], now: datetime) -> None:
    """Put the people of these items into their segments."""
    rows = [{"segment_id": one.payload["segment"], "contact_id": one.subject, "added_at": now} for one in items]
    insert_once(tx, segment_people, rows)


def put_test(tx: Tx, action: Action, move: StageMoved, now: datetime) -> Item:
    """Put a marked example of an action in, at once in its sender's hands; a CRM's task waits to be fetched."""
    key = f"test {action.action_id} {to_ms(now)}"
    payload = {**written(move, action), "test": True}
    outbox.put(tx, action.site_id, [Put(key, action.kind, action.action_id, move.subject, payload)], now)
    (item,) = outbox.items_of(tx, action.site_id, 1, action_id=action.action_id)
    return outbox.claim_one(tx, item.outbox_id, now) or item


def try_again(tx: Tx, item: Item, now: datetime) -> None:
    """What failed for good or was skipped is done after all, for somebody said so; raises Conflict otherwise."""
    if item.state not in {OutboxState.BURIED, OutboxState.SKIPPED}:
        raise Conflict("it waits already, or went out")
    if item.kind is ActionKind.SEGMENT:
        join(tx, [Put(item.key, item.kind, item.action_id, item.subject, item.payload)], now)
        outbox.change(tx, [item.outbox_id], state=OutboxState.SENT.value, error=None, settled_at=now)
    else:
        outbox.wait_again(tx, item, now)


def written(move: StageMoved, action: Action) -> dict[str, Any]:
    """A change as the outbox keeps it: of people no more than their ids."""
    segment = {"segment": action.target} if action.kind is ActionKind.SEGMENT else {}
    return {
        "scope": move.scope.value,
        "from": move.before,
        "to": move.stage,
        "at": to_ms(move.at),
        "cause": move.cause.value,
        "by": move.decided_by,
        "version": move.version,
        **segment,
    }


def read(item: Item) -> Asked:
    """What an item is about."""
    kept: Mapping[str, Any] = item.payload
    moved = StageMoved(
        Scope(kept["scope"]),
        item.subject,
        kept["from"],
        kept["to"],
        from_ms(kept["at"]),
        StageCause(kept["cause"]),
        kept["by"],
        kept["version"],
    )
    return Asked(moved, bool(kept.get("test")))
