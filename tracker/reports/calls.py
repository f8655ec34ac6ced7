"""The calls of a site, newest first: when, which number, how far each was followed back and to whom it is credited.

Reads what the fold has derived, and of the journal what was told of each call. A page goes on after the last row's key.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, select

from tracker.db.schema import calls, contacts, hits, paths
from tracker.db.store import Tx
from tracker.vocabulary import Traced


@dataclass(frozen=True, slots=True)
class Call:
    """One call. Texts are strangers'.

    caller       E.164; None where it was withheld
    answered     None where nobody told
    n_candidates visitors who may have called; 0 but for an ambiguous call
    channel …    of the last touch on its way: the visitor's last one, or its own; None where there is none
    """

    call_id: str
    started_at: datetime
    traced: Traced
    number: str
    caller: str | None
    duration_s: int | None
    answered: bool | None
    n_candidates: int
    contact_id: str | None
    contact_name: str | None
    channel: str | None
    source: str | None
    medium: str | None
    campaign: str | None


@dataclass(frozen=True, slots=True)
class Count:
    """How many calls of a period were followed how far."""

    traced: Traced
    n: int


def list_calls(tx: Tx, site_id: int, offset: int, limit: int) -> tuple[list[Call], int]:
    """Some calls of a site, and how many there are in all."""
    n: int = tx.execute(select(func.count()).where(calls.c.site_id == site_id)).scalar_one()
    last = (
        select(func.max(paths.c.position))
        .where(paths.c.conversion_id == calls.c.call_id)
        .correlate(calls)
        .scalar_subquery()
    )
    query = (
        select(
            calls,
            hits.c.details,
            contacts.c.name,
            contacts.c.email,
            paths.c.channel,
            paths.c.source,
            paths.c.medium,
            paths.c.campaign,
        )
        .join(hits, hits.c.seq == calls.c.hit_seq)
        .outerjoin(contacts, contacts.c.contact_id == calls.c.contact_id)
        .outerjoin(paths, and_(paths.c.conversion_id == calls.c.call_id, paths.c.position == last))
        .where(calls.c.site_id == site_id)
        .order_by(calls.c.occurred_at.desc(), calls.c.call_id)
        .offset(offset)
        .limit(limit)
    )
    return [call_of(row) for row in tx.execute(query).mappings()], n


def call_of(row: Mapping[Any, Any]) -> Call:
    """A row as a record."""
    told = row["details"]["call"]
    return Call(
        call_id=row["call_id"],
        started_at=row["occurred_at"],
        traced=Traced(row["traced"]),
        number=told["number"],
        caller=told.get("caller"),
        duration_s=told.get("duration_s"),
        answered=told.get("answered"),
        n_candidates=len(told.get("candidates", ())),
        contact_id=row["contact_id"],
        contact_name=row["name"] or row["email"],
        channel=row["channel"],
        source=row["source"],
        medium=row["medium"],
        campaign=row["campaign"],
    )


def count_calls(tx: Tx, site_id: int, since: datetime) -> list[Count]:
    """How far the calls since then were followed, each way once."""
    query = select(calls.c.traced, func.count()).where(calls.c.site_id == site_id, calls.c.occurred_at >= since)
    found = {row[0]: row[1] for row in tx.execute(query.group_by(calls.c.traced))}
    return [Count(traced, found.get(traced.value, 0)) for traced in Traced]


def calls_of_contact(tx: Tx, contact_id: str) -> list[Mapping[Any, Any]]:
    """The hits of a contact's calls that are no touches of their own, as rows of the journal."""
    query = select(hits).join(calls, calls.c.hit_seq == hits.c.seq)
    query = query.where(calls.c.contact_id == contact_id, calls.c.touchpoint_id.is_(None))
    return list(tx.execute(query.order_by(hits.c.occurred_at, hits.c.hit_id)).mappings())
