"""Costs that no visit explains: campaigns as platforms call them, of which no visit bears the name.

Their money is in every total; but beside a campaign's visits and leads it is missing. The visits' nearest names are
offered, so that a rule (costs/naming.py) can join the two.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import func, select

from tracker.costs.naming import nearest
from tracker.db.schema import costs, touchpoints
from tracker.db.store import Tx
from tracker.vocabulary import NOT_SET

LOOK_BACK_DAYS = 90
MOST_NAMES = 400  # of one source, that a name is compared with


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A campaign that no visit names, with its money in one currency.

    told_*    as it was told; source, medium, campaign as the site's rules name it
    nearest   campaigns of visits whose names are like it, the likest first: (source, medium, campaign)
    """

    told_source: str
    told_medium: str
    told_campaign: str
    source: str
    medium: str
    campaign: str
    currency: str
    amount_minor: int
    n_costs: int
    from_day: str
    to_day: str
    nearest: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Matching:
    """What is unmatched, the most money first, and how many campaigns there are in all, since a day."""

    since: str
    unmatched: tuple[Unmatched, ...]
    n_unmatched: int
    n_campaigns: int


NAMES = ("source", "medium", "campaign")
TOLD = ("told_source", "told_medium", "told_campaign")


def unmatched_costs(tx: Tx, site_id: int, since: str, limit: int, offset: int = 0) -> Matching:
    """The campaigns with costs since a day that no touch since that day bears the names of.

    since  YYYY-MM-DD in the site's zone
    """
    query = (
        select(
            *(costs.c[name] for name in (*TOLD, *NAMES)),
            costs.c.currency,
            func.sum(costs.c.amount_minor),
            func.count(),
            func.min(costs.c.day),
            func.max(costs.c.day),
        )
        .where(costs.c.site_id == site_id, costs.c.day >= since)
        .group_by(*(costs.c[name] for name in (*TOLD, *NAMES)), costs.c.currency)
    )
    told = [Unmatched(*row[:7], int(row[7]), *row[8:]) for row in tx.execute(query)]
    seen = names_of_visits(tx, site_id, since, sorted({one.source for one in told}))
    missing = [one for one in told if (one.source, one.medium, one.campaign) not in seen and one.campaign != NOT_SET]
    missing.sort(key=lambda one: (-one.amount_minor, one.currency, one.told_source, one.told_campaign))
    page = [with_nearest(one, seen) for one in missing[offset : offset + limit]]
    n_campaigns = len({(one.source, one.medium, one.campaign) for one in told})
    return Matching(since, tuple(page), len(missing), n_campaigns)


def names_of_visits(tx: Tx, site_id: int, since: str, sources: Sequence[str]) -> dict[tuple[str, str, str], int]:
    """The source, medium and campaign of touches since a day, of these sources, and how many bear each."""
    if not sources:
        return {}
    columns = [touchpoints.c[name] for name in NAMES]
    query = select(*columns, func.count()).where(touchpoints.c.site_id == site_id, touchpoints.c.day >= since)
    rows = tx.execute(query.where(touchpoints.c.source.in_(sources)).group_by(*columns))
    return {(row[0], row[1], row[2]): row[3] for row in rows}


def with_nearest(one: Unmatched, seen: dict[tuple[str, str, str], int]) -> Unmatched:
    """The same with names of visits of its source that are like its own."""
    own = {names: n for names, n in seen.items() if names[0] == one.source and names[2] != NOT_SET}
    often = sorted(own, key=lambda names: (-own[names], names))[:MOST_NAMES]
    by_campaign: dict[str, tuple[str, str, str]] = {}
    for names in often:
        by_campaign.setdefault(names[2], names)
    like = nearest(one.campaign, by_campaign)
    found = tuple(by_campaign[name] for name in like)
    return replace(one, nearest=found)


def campaigns_known(tx: Tx, site_id: int, since: str, limit: int) -> list[str]:
    """Names of campaigns that visits bear since a day, those of most visits first."""
    query = (
        select(touchpoints.c.campaign)
        .where(touchpoints.c.site_id == site_id, touchpoints.c.day >= since, touchpoints.c.campaign != NOT_SET)
        .group_by(touchpoints.c.campaign)
        .order_by(func.count().desc(), touchpoints.c.campaign)
    )
    return list(tx.execute(query.limit(limit)).scalars())
