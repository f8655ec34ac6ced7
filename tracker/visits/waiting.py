"""The hits that wait: claimed, read from the journal, and their visitors numbered.

What can be known of them without writing is read and worked out before the writing transaction begins: on SQLite that
one keeps the collector waiting, so it must be short.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from msgspec import Struct
from sqlalchemy import Select, select

from tracker.clock import from_ms
from tracker.db.schema import hits, hits_waiting, visitors
from tracker.db.store import Tx
from tracker.db.writes import (
    GIVEN,
    among,
    drop,
    each_found,
    insert_new,
    listed_rows,
    lock,
    plan_anew,
    raw,
    read,
    skip_claimed,
)
from tracker.visits.agents import Agent, known_agents


class FoldedHit(Struct, frozen=True):
    """A hit as the journal has it, with its visitor's number; at_ms is when it happened, in milliseconds since 1970."""

    visitor_no: int | None
    seq: int
    site_id: int
    hit_id: str
    kind: str
    origin: str
    at_ms: int
    url: str
    referrer: str | None
    user_agent: str | None
    country: str | None
    details: Mapping[str, Any]

    @property
    def occurred_at(self) -> datetime:
        """When it happened."""
        return from_ms(self.at_ms)


Row = Sequence[Any]
# A row of the journal as hit_of takes it; the visitor's id stands last.
COLUMNS = [
    hits.c[name]
    for name in (
        "seq",
        "site_id",
        "hit_id",
        "kind",
        "origin",
        "occurred_at",
        "url",
        "referrer",
        "user_agent",
        "country",
        "details",
        "visitor_id",
    )
]


@dataclass(frozen=True, slots=True)
class Ahead:
    """What was read of hits before they are folded: rows of the journal by seq, and parsed user agents by text."""

    rows: Mapping[int, Row] = field(default_factory=dict)
    agents: Mapping[str, Agent] = field(default_factory=dict)


NOTHING_AHEAD = Ahead()
NO_DETAILS: Mapping[str, Any] = MappingProxyType({})


def hit_of(row: Row, visitor_no: int | None) -> FoldedHit:
    """A row of COLUMNS as a hit."""
    seq, site_id, hit_id, kind, origin, at_ms, url, referrer, user_agent, country, details, _ = row
    return FoldedHit(
        visitor_no,
        seq,
        site_id,
        hit_id,
        kind,
        origin,
        at_ms,
        url,
        referrer,
        user_agent,
        country,
        NO_DETAILS if details == "{}" else json.loads(details),
    )


def claim(tx: Tx, limit: int) -> list[int]:
    """The seqs of up to `limit` waiting hits, oldest first; held against other workers until the transaction ends."""
    plan_anew(tx)
    return [seq for (seq,) in read(tx, oldest_waiting(tx.dialect.name, limit))]


@lru_cache(maxsize=8)
def oldest_waiting(dialect: str, limit: int) -> Select[Any]:
    """The query of claim."""
    seq = hits_waiting.c.seq
    return skip_claimed(dialect, select(seq).order_by(seq).limit(limit))


def read_ahead(tx: Tx, limit: int) -> Ahead:
    """What waits and is not claimed here: the rows, and the agents that are known of them."""
    query = whole_hits(tx.dialect.name).join(hits_waiting, hits_waiting.c.seq == hits.c.seq)
    rows = {row[0]: row for row in tx.execute(query.order_by(hits_waiting.c.seq).limit(limit)).all()}
    return Ahead(rows, known_agents(tx, {row[8] or "" for row in rows.values()}))


@lru_cache(maxsize=2)
def whole_hits(dialect: str) -> Select[Any]:
    """The journal's rows as hit_of takes them."""
    return select(*[raw(dialect, column) for column in COLUMNS])


def wait_no_more(tx: Tx, seqs: Sequence[int]) -> None:
    """These hits are folded or parked."""
    drop(tx, hits_waiting.c.seq, seqs)


def read_hits(tx: Tx, seqs: Iterable[int], ahead: Ahead) -> Ahead:
    """The journal's rows of these hits; those that were read ahead are not read again, for they never change."""
    seqs = list(seqs)
    unread = [seq for seq in seqs if seq not in ahead.rows]
    rows = dict(ahead.rows)
    if unread:
        query = whole_hits(tx.dialect.name).where(among(tx, hits.c.seq, unread))
        rows |= {row[0]: row for row in tx.execute(query).all()}
    return replace(ahead, rows={seq: rows[seq] for seq in seqs if seq in rows})


def sites_of(ahead: Ahead) -> set[int]:
    """The sites of these hits."""
    return {row[1] for row in ahead.rows.values()}


def number_visitors(tx: Tx, rows: Sequence[Row]) -> tuple[dict[tuple[int, str], int], frozenset[int]]:
    """The dense number of each (site, visitor id) of these rows, and which are new beyond doubt.

    Holds the visitors against other workers. New ones are inserted in order of their ids, then all are held in order of
    their numbers; so no two workers wait for each other.
    """
    keys = {(row[1], row[-1]) for row in rows if row[-1]}
    if not keys:
        return {}, frozenset()
    query, wanted = numbers_of(tx.dialect.name), sorted(keys)
    numbers = {(site_id, visitor_id): number for number, site_id, visitor_id in read(tx, query, wanted)}
    missing = sorted(keys - numbers.keys())
    made = insert_new(tx, visitors, ("site_id", "visitor_id"), missing)
    if missing:
        numbers = {(site_id, visitor_id): number for number, site_id, visitor_id in read(tx, query, wanted)}
    new = frozenset(number for key, number in numbers.items() if key in made)
    held = sorted(set(numbers.values()) - new)
    if held:
        no = visitors.c.visitor_no
        lock(tx, select(no).where(among(tx, no, GIVEN)).order_by(no), held)
    return numbers, new


@lru_cache(maxsize=2)
def numbers_of(dialect: str) -> Select[Any]:
    """The query of number_visitors, of GIVEN (site, visitor id)."""
    wanted = listed_rows(dialect, GIVEN, ("site_id", "visitor_id"), words=("visitor_id",))
    query = select(visitors.c.visitor_no, visitors.c.site_id, visitors.c.visitor_id)
    same = (visitors.c.site_id == wanted.c.site_id, visitors.c.visitor_id == wanted.c.visitor_id)
    return each_found(dialect, wanted, query.where(*same))
