"""What came in and what was refused, for the tracking page."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as time_of_day

from sqlalchemy import func, select

from tracker.clock import local_day, zone
from tracker.db.schema import hits, refusals, visits
from tracker.db.store import Tx
from tracker.vocabulary import Refusal


@dataclass(frozen=True, slots=True)
class Hit:
    """The last hit that was taken; the URL is a stranger's."""

    at: datetime
    kind: str
    url: str


def last_hit(tx: Tx, site_id: int) -> Hit | None:
    """The hit of a site that came last; None before the first."""
    query = select(hits.c.received_at, hits.c.kind, hits.c.url).where(hits.c.site_id == site_id)
    row = tx.execute(query.order_by(hits.c.received_at.desc(), hits.c.seq.desc()).limit(1)).one_or_none()
    return None if row is None else Hit(*row)


def count_intake(
    tx: Tx, site_id: int, timezone: str, from_day: str, today: str
) -> tuple[int, dict[str, dict[str, int]]]:
    """How many hits were taken today, and the refused ones by reason and day since from_day.

    Visits of crawlers are taken and flagged; they stand under the reason `bot`. Beacons with an unknown site key or
    that could not be read belong to no site and are shown to every site (reasons unknown_site, malformed, too_large,
    and what was rate_limited or found us busy before its site was known).
    """
    start = datetime.combine(date.fromisoformat(today), time_of_day(), zone(timezone))
    taken = tx.execute(select(func.count()).where(hits.c.site_id == site_id, hits.c.received_at >= start)).scalar_one()
    refused: dict[str, dict[str, int]] = {}
    for reason, day, n in tx.execute(
        select(refusals.c.reason, refusals.c.day, func.sum(refusals.c.n))
        .where(refusals.c.site_id.in_([0, site_id]), refusals.c.day >= from_day)
        .group_by(refusals.c.reason, refusals.c.day)
    ):
        refused.setdefault(reason, {})[day] = int(n)
    since = start - timedelta(days=(date.fromisoformat(today) - date.fromisoformat(from_day)).days)
    for started_at, n in tx.execute(
        select(visits.c.started_at, visits.c.n_hits).where(
            visits.c.site_id == site_id, visits.c.bot.is_not(None), visits.c.started_at >= since
        )
    ):
        by_day = refused.setdefault(Refusal.BOT.value, {})
        by_day[local_day(started_at, timezone)] = by_day.get(local_day(started_at, timezone), 0) + n
    return taken, refused
