"""The outbox: all that has to leave, written by the transaction that decided it, and sent by whoever claims it.

The same is put in once, by its key. Who sends an item claims it for a while, so that one whose sender dies is taken up
again; so it may arrive twice, under the same message id. It fails for now, and is tried again ever later, or for good,
and waits for a person. What is in it is written and read here alone.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import CursorResult, RowMapping, func, select, update

from tracker.db.schema import outbox
from tracker.db.store import Tx
from tracker.db.writes import among, insert_once, skip_claimed
from tracker.ids import derive
from tracker.vocabulary import ActionKind, OutboxState

# How long a claimed item is its sender's alone: longer than sending may take.
LEASE = timedelta(minutes=2)
PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 30, 60, 120))
LONGEST_PAUSE = timedelta(hours=4)
MOST_TRIES = 20
# What the work loop hands over; a CRM fetches its tasks itself, and a segment is joined at once.
SENT_BY_US = (ActionKind.WEBHOOK, ActionKind.SLACK, ActionKind.EMAIL)


@dataclass(frozen=True, slots=True)
class Put:
    """Something that has to leave.

    key      what it follows from: within a site the same key is put in once
    state    WAITING; SKIPPED, and then `error` says why; SENT where it is done already
    payload  plain data, and of people their ids only: the rest is read when it is sent
    """

    key: str
    kind: ActionKind
    action_id: str
    subject: str
    payload: Mapping[str, Any]
    state: OutboxState = OutboxState.WAITING
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """Something in the outbox. error: of the last try, a word and nobody's data; n_tries: this one included."""

    outbox_id: int
    site_id: int
    key: str
    kind: ActionKind
    action_id: str
    subject: str
    payload: Mapping[str, Any]
    state: OutboxState
    not_before: datetime
    n_tries: int
    error: str | None
    put_at: datetime
    settled_at: datetime | None

    @property
    def message_id(self) -> str:
        """What the receiver knows it by, however often it comes."""
        return f"act_{derive('outbox', self.site_id, self.key)}"


def put(tx: Tx, site_id: int, wanted: Sequence[Put], now: datetime) -> list[Put]:
    """Put these in, each once by its key; gives those that were not in it yet."""
    by_key = {one.key: one for one in wanted}
    if not by_key:
        return []
    known = select(outbox.c.key).where(outbox.c.site_id == site_id, among(tx, outbox.c.key, list(by_key)))
    for key in tx.execute(known).scalars():
        del by_key[key]
    insert_once(tx, outbox, [row_of(site_id, one, now) for one in by_key.values()])
    return list(by_key.values())


def row_of(site_id: int, one: Put, now: datetime) -> dict[str, Any]:
    """What is inserted."""
    return {
        "site_id": site_id,
        "key": one.key,
        "kind": one.kind.value,
        "action_id": one.action_id,
        "subject": one.subject,
        "payload": dict(one.payload),
        "state": one.state.value,
        "not_before": now,
        "n_tries": 0,
        "error": one.error,
        "put_at": now,
        "settled_at": None if one.state is OutboxState.WAITING else now,
    }


def has_due(tx: Tx, now: datetime) -> bool:
    """Whether anything is to be sent now, without taking it."""
    return tx.execute(due(now).with_only_columns(outbox.c.outbox_id).limit(1)).first() is not None


def due(now: datetime) -> Any:
    """What we have to send by now, the longest overdue first."""
    return (
        select(outbox)
        .where(
            outbox.c.state == OutboxState.WAITING.value,
            outbox.c.not_before <= now,
            outbox.c.kind.in_([kind.value for kind in SENT_BY_US]),
        )
        .order_by(outbox.c.not_before, outbox.c.outbox_id)
    )


def claim(tx: Tx, now: datetime) -> Item | None:
    """Take what is due for sending, one that no other worker has; None when there is none.

    It counts as tried, and is due again after the lease unless it is settled.
    """
    row = tx.execute(skip_claimed(tx, due(now).limit(1))).mappings().one_or_none()
    return None if row is None else taken(tx, item_of(row), now)


def claim_one(tx: Tx, outbox_id: int, now: datetime) -> Item | None:
    """Take a certain item that waits, due or not; None where another worker has it or it is settled."""
    query = due(now).where(outbox.c.outbox_id == outbox_id).limit(1)
    row = tx.execute(skip_claimed(tx, query)).mappings().one_or_none()
    return None if row is None else taken(tx, item_of(row), now)


def taken(tx: Tx, item: Item, now: datetime) -> Item:
    """The item as this worker's."""
    n_tries, until = item.n_tries + 1, now + LEASE
    change(tx, [item.outbox_id], n_tries=n_tries, not_before=until)
    return Item(**{**fields_of(item), "n_tries": n_tries, "not_before": until})


def settle_sent(tx: Tx, item: Item, now: datetime) -> bool:
    """The receiver took it; False where it was settled meanwhile."""
    done = update(outbox).where(
        outbox.c.outbox_id == item.outbox_id, outbox.c.state.in_((OutboxState.WAITING.value, OutboxState.BURIED.value))
    )
    return rows_of(tx.execute(done.values(state=OutboxState.SENT.value, error=None, settled_at=now))) == 1


def settle_failed(
    tx: Tx, item: Item, error: str, now: datetime, *, is_final: bool = False, after_s: int | None = None
) -> OutboxState:
    """It did not go out: it is tried again later, or never where that is final or was the last try. Gives its state.

    error    a word
    after_s  how long the receiver asks to be left alone
    Of a claim that has run out nothing is kept: another worker has it.
    """
    is_last = is_final or item.n_tries >= MOST_TRIES
    state = OutboxState.BURIED if is_last else OutboxState.WAITING
    own = (
        outbox.c.outbox_id == item.outbox_id,
        outbox.c.state == OutboxState.WAITING.value,
        outbox.c.n_tries == item.n_tries,
    )
    again = now + max(pause_after(item.n_tries), timedelta(seconds=after_s or 0))
    values = {"state": state.value, "error": error[:100], "not_before": again, "settled_at": now if is_last else None}
    tx.execute(update(outbox).where(*own).values(values))
    return state


def pause_after(n_tries: int) -> timedelta:
    """How long to wait after so many tries."""
    return PAUSES[n_tries - 1] if n_tries <= len(PAUSES) else LONGEST_PAUSE


def hold(tx: Tx, action_id: str, until: datetime) -> None:
    """Nothing of an action goes out before then: its receiver is away, and each try would keep others waiting."""
    waiting = (outbox.c.action_id == action_id, outbox.c.state == OutboxState.WAITING.value)
    tx.execute(update(outbox).where(*waiting, outbox.c.not_before < until).values(not_before=until))


def skip_waiting(tx: Tx, action_id: str, why: str, now: datetime) -> int:
    """What waits of an action does not go out; returns how much that is."""
    waiting = (outbox.c.action_id == action_id, outbox.c.state == OutboxState.WAITING.value)
    values = {"state": OutboxState.SKIPPED.value, "error": why, "settled_at": now}
    return rows_of(tx.execute(update(outbox).where(*waiting).values(values)))


def wait_again(tx: Tx, item: Item, now: datetime) -> None:
    """What was buried or skipped is to go out after all, with all its tries."""
    again = {"state": OutboxState.WAITING.value, "n_tries": 0, "not_before": now, "error": None, "settled_at": None}
    change(tx, [item.outbox_id], **again)


def change(tx: Tx, outbox_ids: Iterable[int], **values: Any) -> None:
    """Set columns of items."""
    tx.execute(update(outbox).where(outbox.c.outbox_id.in_(list(outbox_ids))).values(**values))


def find_item(tx: Tx, site_id: int, outbox_id: int) -> Item | None:
    """One item of a site."""
    query = select(outbox).where(outbox.c.site_id == site_id, outbox.c.outbox_id == outbox_id)
    row = tx.execute(query).mappings().one_or_none()
    return None if row is None else item_of(row)


def items_of(
    tx: Tx,
    site_id: int,
    limit: int,
    *,
    action_id: str | None = None,
    before: int | None = None,
    state: OutboxState | None = None,
    kind: ActionKind | None = None,
) -> list[Item]:
    """A site's items, the newest first; those put in before item `before`, of one action, state or kind."""
    query = select(outbox).where(outbox.c.site_id == site_id)
    if action_id is not None:
        query = query.where(outbox.c.action_id == action_id)
    if before is not None:
        query = query.where(outbox.c.outbox_id < before)
    if state is not None:
        query = query.where(outbox.c.state == state.value)
    if kind is not None:
        query = query.where(outbox.c.kind == kind.value)
    rows = tx.execute(query.order_by(outbox.c.outbox_id.desc()).limit(limit)).mappings()
    return [item_of(row) for row in rows]


def counts_by_action(tx: Tx, site_id: int, action_ids: Collection[str]) -> dict[str, dict[OutboxState, int]]:
    """Per action how many items are in each state."""
    found: dict[str, dict[OutboxState, int]] = {action_id: {} for action_id in action_ids}
    query = (
        select(outbox.c.action_id, outbox.c.state, func.count())
        .where(outbox.c.site_id == site_id, outbox.c.action_id.in_(list(action_ids)))
        .group_by(outbox.c.action_id, outbox.c.state)
    )
    for action_id, state, n in tx.execute(query):
        found[action_id][OutboxState(state)] = n
    return found


def counts_by_state(tx: Tx) -> dict[OutboxState, int]:
    """How many items of all sites are in each state; read from an index alone."""
    query = select(outbox.c.state, func.count()).group_by(outbox.c.state)
    found = {OutboxState(state): n for state, n in tx.execute(query)}
    return {state: found.get(state, 0) for state in OutboxState}


def rows_of(result: Any) -> int:
    """How many rows a statement changed."""
    assert isinstance(result, CursorResult)
    return result.rowcount


def fields_of(item: Item) -> dict[str, Any]:
    """An item's fields by name."""
    return {name: getattr(item, name) for name in Item.__dataclass_fields__}


def item_of(row: RowMapping) -> Item:
    """A row as a record."""
    return Item(**{**row, "kind": ActionKind(row["kind"]), "state": OutboxState(row["state"])})
