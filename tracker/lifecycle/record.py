"""Record how far people are: keep what is said of their stage, and derive their changes from all of it.

The rows follow from the journals, the deals and the definitions, so running it again, or in another order, gives the
same. Who is who is told by the caller (identity knows), and credit follows in flow.py.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update

from tracker.clock import from_ms, to_ms
from tracker.db.schema import contacts, crm_changes, deal_contacts, deals, due, stage_changes
from tracker.db.store import Tx
from tracker.db.writes import chunks, lock, upsert
from tracker.lifecycle.changes import Win, Word, changes_of, news_of
from tracker.lifecycle.company import company_words
from tracker.lifecycle.conditions import Facts
from tracker.lifecycle.derived import Recorded, Row, Scene, moves_in, rows_of, scene_of, steps_in
from tracker.lifecycle.facts import Records, Told, facts_of
from tracker.lifecycle.rules import Asked, Version
from tracker.vocabulary import CrmChangeKind, DealStatus, FactKind, Scope, StageCause


@dataclass(frozen=True, slots=True)
class StageSaid:
    """What one call said of a contact's stage.

    own_id  the contact's own id, also while it is merged
    """

    site_id: int
    own_id: str
    stage: str
    cause: StageCause
    by: str
    at: datetime
    received_at: datetime


def hear(tx: Tx, said: StageSaid, contact_id: str, own_ids: Collection[str]) -> bool:
    """Keep what was said unless it is known or changes nothing; return whether it was kept.

    contact_id  the one that stays; own_ids: of it and of those merged into it
    """
    known = words_of(tx, said.site_id, {contact_id: own_ids}).get(contact_id, [])
    stands = tx.execute(select(contacts.c.stage).where(contacts.c.contact_id == contact_id)).scalar()
    if not is_news(said, known, wins_of(tx, [contact_id]).get(contact_id, []), stands):
        return False
    row = {
        "site_id": said.site_id,
        "kind": CrmChangeKind.STAGE.value,
        "key": said.own_id,
        "payload": {"stage": str(said.stage), "by": said.by, "cause": said.cause.value},
        "changed_at": said.at,
        "received_at": said.received_at,
    }
    tx.execute(insert(crm_changes), [row])
    return True


def is_news(said: StageSaid, known: Sequence[Word], wins: Sequence[Win], stands: str | None) -> bool:
    """Whether a word must be kept; stands: the stage in which the person is, also by a rule.

    Said of the present it must change something. Said of the past it may do so only when a word from in between comes
    later, so it is kept unless it is known.
    """
    word = Word(said.at, said.stage, said.cause, said.by, said.own_id)
    if word in known:
        return False
    if said.at < said.received_at:
        return True
    if word.cause is StageCause.CRM:
        return word in news_of([*known, word])
    return stands != said.stage or changes_of([*known, word], wins) != changes_of(known, wins)


def record(tx: Tx, site_id: int, timezone: str, records: Records, now: datetime) -> Recorded:
    """Derive the stages and points of these contacts as of now.

    records  a contact without an own id is merged into another: its rows go
    """
    scene, found = scene_of(tx, site_id, timezone, now), Recorded()
    for some in chunks(sorted(records)):
        found.add(record_some(tx, scene, some, records))
    return found


def record_some(tx: Tx, scene: Scene, contact_ids: Sequence[str], records: Records) -> Recorded:
    """The same, of so many as one statement may name."""
    own = {one: records[one] for one in contact_ids}
    # Nobody else derives them from less than is known when this is written.
    held = select(contacts.c.contact_id).where(contacts.c.contact_id.in_(contact_ids)).order_by(contacts.c.contact_id)
    lock(tx, held)
    ways = ways_of(tx, scene, own)
    found = {one: ways[one].rows if one in ways else [] for one in contact_ids}
    known: dict[str, list[Row]] = {}
    query = select(stage_changes).where(stage_changes.c.contact_id.in_(contact_ids))
    for row in tx.execute(query.order_by(stage_changes.c.contact_id, stage_changes.c.position)).mappings():
        known.setdefault(row["contact_id"], []).append(dict(row))
    others = [one for one in contact_ids if found[one] != known.get(one, [])]
    write(tx, {one: found[one] for one in others})
    if scene.versions:
        write_points(tx, scene, contact_ids, ways)
    # Whose changes only name another version of the definitions now are credited as before.
    changed = {one for one in others if steps_in(found[one]) != steps_in(known.get(one, []))}
    return Recorded(changed, moves_in({one: found[one] for one in changed}, known))


@dataclass(frozen=True, slots=True)
class Way:
    """How somebody went through the stages, as rows; their points now; when something changes by itself (ms)."""

    rows: list[Row]
    points: int | None = None
    due_at: int | None = None


def ways_of(tx: Tx, scene: Scene, records: Records) -> dict[str, Way]:
    """The way of each of these contacts as it follows from all that is known; of one that is merged none."""
    own = {one: own_ids for one, own_ids in records.items() if own_ids}
    words, wins = words_of(tx, scene.site_id, own), wins_of(tx, own)
    for contact_id, more in company_words(tx, scene.site_id, own).items():
        words.setdefault(contact_id, []).extend(more)
    if not scene.versions:
        ways = {one: changes_of(words.get(one, ()), wins.get(one, ()), (), scene.stages) for one in own}
        return {one: Way(rows_of(scene, {"contact_id": one}, changes, None)) for one, changes in ways.items()}
    told = facts_of(tx, scene.site_id, own, kinds_asked(scene.versions))
    return {
        one: way_of(scene, one, told[one], words.get(one, ()), wins.get(one, ())) if one in told else Way([])
        for one in own
    }


def kinds_asked(versions: Iterable[Version]) -> set[FactKind]:
    """Which facts any of these versions asks for."""
    return {kind for one in versions for kind in one.definition.kinds}


def way_of(scene: Scene, contact_id: str, told: Told, words: Sequence[Word], wins: Sequence[Win]) -> Way:
    """One contact's way, of all that is known of it."""
    asked = Asked(scene.versions, Scope.CONTACT, told.known_at, Facts(told.facts))
    now = to_ms(scene.now)
    firings = asked.firings(again=bool(words))
    spoken = [one for one in firings if one.at <= now]
    changes = changes_of(words, wins, spoken, scene.stages)
    rows = rows_of(scene, {"contact_id": contact_id}, changes, asked)
    stands = scene.stages.rank(changes[-1].stage if changes else None)
    points, fades_at = asked.points_at(now)
    later = [one.at for one in firings if one.at > now and scene.stages.rank(one.rule.stage) > stands]
    return Way(rows, points, min([*later, *([fades_at] if fades_at else [])], default=None))


def write_points(tx: Tx, scene: Scene, contact_ids: Sequence[str], ways: Mapping[str, Way]) -> None:
    """Keep the points of these contacts, and when one of them is to be looked at again."""
    rows = tx.execute(
        select(contacts.c.contact_id, contacts.c.points).where(contacts.c.contact_id.in_(contact_ids))
    ).all()
    others = [
        {"whose": one, "now_has": ways[one].points} for one, known in rows if one in ways and ways[one].points != known
    ]
    if others:
        change = update(contacts).where(contacts.c.contact_id == bindparam("whose"))
        tx.execute(change.values(points=bindparam("now_has")), others)
    waits = {one: ways[one].due_at for one in contact_ids if one in ways and ways[one].due_at is not None}
    gone = [one for one in contact_ids if one not in waits]
    tx.execute(delete(due).where(due.c.contact_id.in_(gone)))
    upsert(
        tx,
        due,
        [{"contact_id": one, "site_id": scene.site_id, "due_at": from_ms(at)} for one, at in waits.items() if at],
    )


def write(tx: Tx, found: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Replace the changes of these contacts, and where they stand."""
    if not found:
        return
    tx.execute(delete(stage_changes).where(stage_changes.c.contact_id.in_(sorted(found))))
    if rows := [row for own in found.values() for row in own]:
        tx.execute(insert(stage_changes), rows)
    stands = update(contacts).where(contacts.c.contact_id == bindparam("whose"))
    stands = stands.values(stage=bindparam("now_in"), stage_at=bindparam("since"))
    latest = {one: own[-1] if own else {"stage": None, "occurred_at": None} for one, own in found.items()}
    tx.execute(
        stands,
        [{"whose": one, "now_in": row["stage"], "since": row["occurred_at"]} for one, row in sorted(latest.items())],
    )


def words_of(tx: Tx, site_id: int, records: Records) -> dict[str, list[Word]]:
    """Per contact what was said of its stage, also of those merged into it."""
    whose = {own_id: contact_id for contact_id, own_ids in records.items() for own_id in own_ids}
    found: dict[str, list[Word]] = {}
    for some in chunks(sorted(whose)):
        query = select(crm_changes.c.key, crm_changes.c.payload, crm_changes.c.changed_at).where(
            crm_changes.c.site_id == site_id,
            crm_changes.c.kind == CrmChangeKind.STAGE.value,
            crm_changes.c.key.in_(some),
        )
        for own_id, told, at in tx.execute(query):
            proof = tuple(tuple(one) for one in told.get("evidence", ()))
            version = told.get("version")
            word = Word(at, told["stage"], StageCause(told["cause"]), told["by"], own_id, None, version, proof)
            found.setdefault(whose[own_id], []).append(word)
    return found


def wins_of(tx: Tx, contact_ids: Iterable[str]) -> dict[str, list[Win]]:
    """Per contact the won deals that name it."""
    query = (
        select(deal_contacts.c.contact_id, deals.c.closed_at, deals.c.reference)
        .join(deals, deals.c.deal_id == deal_contacts.c.deal_id)
        .where(
            deal_contacts.c.contact_id.in_(sorted(contact_ids)),
            deals.c.status == DealStatus.WON.value,
            deals.c.closed_at.is_not(None),
        )
    )
    found: dict[str, list[Win]] = {}
    for contact_id, closed_at, reference in tx.execute(query):
        found.setdefault(contact_id, []).append(Win(closed_at, reference))
    return found
