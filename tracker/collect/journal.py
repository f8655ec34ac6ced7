"""Append hits to the journal, each once, and count what was refused."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import insert

from tracker.clock import local_day
from tracker.collect.payload import Hit
from tracker.db.schema import hits, hits_waiting, refusals
from tracker.db.store import Tx
from tracker.db.writes import add_up, insert_for
from tracker.vocabulary import Refusal


def append(tx: Tx, site_id: int, new: Sequence[Hit]) -> int:
    """Write the hits that are not in the journal yet, and that they wait for the fold; return how many were new.

    A hit id that is there already, or twice in `new`, is the same hit: nothing changes.
    """
    distinct = {hit.hit_id: hit for hit in reversed(new)}
    rows = [
        {
            "site_id": site_id,
            "hit_id": hit.hit_id,
            "visitor_id": hit.visitor_id,
            "kind": hit.kind.value,
            "origin": hit.origin.value,
            "occurred_at": hit.occurred_at,
            "received_at": hit.received_at,
            "url": hit.url,
            "referrer": hit.referrer,
            "title": hit.title,
            "user_agent": hit.user_agent,
            "country": hit.country,
            "consent": hit.consent,
            "details": hit.details,
        }
        for hit in sorted(distinct.values(), key=lambda hit: (hit.occurred_at, hit.hit_id))
    ]
    if not rows:
        return 0
    statement = insert_for(tx, hits).on_conflict_do_nothing().returning(hits.c.seq)
    waiting = [{"seq": seq} for seq in tx.execute(statement, rows).scalars()]
    if waiting:
        tx.execute(insert(hits_waiting), waiting)
    return len(waiting)


def count_refusal(tx: Tx, site_id: int, reason: Refusal, now: datetime, n: int = 1, zone: str = "UTC") -> None:
    """Count n refused hits of a site (0: unknown) under the day and the reason."""
    row = {"site_id": site_id, "day": local_day(now, zone), "reason": reason.value, "n": n}
    add_up(tx, refusals, row, "n")
