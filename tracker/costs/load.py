"""Load costs: the same site, day, source, medium and campaign is replaced, never added twice."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select

from tracker.channels.rules import canonical_names, classify_names
from tracker.db.schema import costs
from tracker.db.store import Tx
from tracker.db.writes import upsert
from tracker.errors import Invalid
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
    """Put these costs in the place of what was known for their keys; returns how many they are.

    Sources and media get the names that visits have ('FB' and 'facebook' are one source).
    raises  Invalid: two rows are of one day, source, medium and campaign; nothing is written
    """
    by_key: dict[str, Cost] = {}
    for n, given in enumerate(rows):
        source, medium = canonical_names(given.source, given.medium)
        row = replace(given, source=source, medium=medium)
        cost_id = derive("cost", site_id, row.day, source, medium, row.campaign)
        if cost_id in by_key:
            same = f"{row.day}, {source}, {medium}, {row.campaign}"
            raise Invalid(f"two rows are of {same}; send their sum", field=f"costs.{n}")
        by_key[cost_id] = row
    upsert(
        tx,
        costs,
        [
            {
                "cost_id": cost_id,
                "site_id": site_id,
                "day": row.day,
                "told_source": row.source,
                "told_medium": row.medium,
                "told_campaign": row.campaign,
                "channel": classify_names(row.source, row.medium, row.campaign),
                "source": row.source,
                "medium": row.medium,
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
