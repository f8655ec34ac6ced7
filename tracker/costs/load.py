"""Load costs: the same site, day, source, medium and campaign is replaced, never added twice."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from tracker.channels.rules import classify_names
from tracker.db.schema import costs
from tracker.db.store import Tx
from tracker.db.writes import upsert
from tracker.ids import derive


@dataclass(frozen=True, slots=True)
class Cost:
    """Spend of one source and campaign on one day; amount in minor units of its currency."""

    day: str
    source: str
    medium: str
    campaign: str
    amount_minor: int
    currency: str
    clicks: int | None = None
    impressions: int | None = None


def load(tx: Tx, site_id: int, rows: Sequence[Cost], now: datetime) -> int:
    """Put these costs in the place of what was known for their keys; the last of equal keys wins. Returns the count."""
    by_key = {
        derive("cost", site_id, row.day, row.source.lower(), row.medium.lower(), row.campaign): row for row in rows
    }
    upsert(
        tx,
        costs,
        [
            {
                "cost_id": cost_id,
                "site_id": site_id,
                "day": row.day,
                "channel": classify_names(row.source, row.medium, row.campaign),
                "source": row.source.lower(),
                "medium": row.medium.lower(),
                "campaign": row.campaign,
                "amount_minor": row.amount_minor,
                "currency": row.currency,
                "clicks": row.clicks,
                "impressions": row.impressions,
                "updated_at": now,
            }
            for cost_id, row in by_key.items()
        ],
    )
    return len(by_key)


def reclassify(tx: Tx, site_id: int) -> None:
    """Give every cost of a site its channel under today's rules."""
    rows = tx.execute(select(costs).where(costs.c.site_id == site_id)).mappings().all()
    upsert(
        tx,
        costs,
        [{**row, "channel": classify_names(row["source"], row["medium"], row["campaign"])} for row in rows],
    )
