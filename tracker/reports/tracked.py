"""Is what the reports are made of whole: what came in lately, what was refused, what the CRM and the costs said last.

`tracked` reads it for the overview; `signs_of` (pure) says what is wrong, by a code that the edge puts into words.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from enum import StrEnum
from itertools import pairwise

from sqlalchemy import exists, func, select

from tracker.attribution.credit import MICRO
from tracker.clock import local_day, zone
from tracker.db.schema import costs, crm_changes, deals, hits, refusals, visits
from tracker.db.store import Tx
from tracker.reports.catalogue import message
from tracker.reports.table import Figures
from tracker.vocabulary import Refusal

DAYS = 14
QUIET = timedelta(days=1)
STALE_DAYS = 7
# Below so many leads, hits or so little of it a share says nothing.
FEW_LEADS, FEW_HITS = 10, 100
LEAST_WITH_JOURNEY, MOST_UNATTRIBUTED, MOST_REFUSED, FALLEN = 0.7, 0.3, 0.1, 0.5
# What is refused because it should be: nobody has to do anything about it.
EXPECTED = frozenset({Refusal.PREFETCH, Refusal.OPTED_OUT, Refusal.DUPLICATE, Refusal.BOT, Refusal.NOT_A_PAGE})


class Sign(StrEnum):
    """What may be wrong with the tracking; each has its words and its advice on the page."""

    NO_HIT = "no_hit"
    QUIET = "quiet"
    FEWER_HITS = "fewer_hits"
    REFUSED = "refused"
    NO_JOURNEY = "no_journey"
    UNATTRIBUTED = "unattributed"
    NO_DEAL = "no_deal"
    CRM_SILENT = "crm_silent"
    NO_COST = "no_cost"
    COSTS_END = "costs_end"


# What each says, and what to do about it.
SIGNS = {
    Sign.NO_HIT: (
        message("No hit has come yet."),
        message("Put the tag on the site, then check it there."),
    ),
    Sign.QUIET: (
        message("No hit has come for more than a day."),
        message("Check whether the tag is still on the site's pages."),
    ),
    Sign.FEWER_HITS: (
        message("Yesterday less than half of the usual hits came."),
        message("Look whether pages were published without the tag, or the consent banner was changed."),
    ),
    Sign.REFUSED: (
        message("More than a tenth of the hits is refused."),
        message("The tracking page tells the reasons, and what to do about each."),
    ),
    Sign.NO_JOURNEY: (
        message("Many new leads have no visit before them."),
        message("Put the tag on every landing page and form, and name leads by the e-mail address that they give."),
    ),
    Sign.UNATTRIBUTED: (
        message("Much of the revenue cannot be traced to a source."),
        message("Look at those deals: often they name no contact, or their people never gave an address on the site."),
    ),
    Sign.NO_DEAL: (
        message("No deal has been told yet."),
        message("Let the CRM send its deals, so that revenue comes back to its source."),
    ),
    Sign.CRM_SILENT: (
        message("The CRM has told nothing for a week."),
        message("Check whether its connection still works."),
    ),
    Sign.NO_COST: (
        message("No cost has been told yet."),
        message("Import the cost of the campaigns, so that ROAS can be told."),
    ),
    Sign.COSTS_END: (
        message("The last cost is more than a week old."),
        message("Import what the campaigns have cost since."),
    ),
}


@dataclass(frozen=True, slots=True)
class Tracked:
    """What came in, by the site's days; the shares are of the period that is looked at.

    days, n_hits     the last 14 days, today last, and the hits taken on each
    refused          hits refused in these days by reason, the most first; crawlers' among them
    last_hit_at      when the last hit was taken; crm_at: when the CRM last told anything; None: never
    last_cost_day    the last day with a cost; None: there is none
    has_deals        whether any deal was ever told
    journey_ratio    the share of new leads with a touch before; None without leads. n_leads: how many there are
    unattributed_ratio  the share of the revenue that no touch explains; None without revenue
    """

    days: tuple[str, ...]
    n_hits: tuple[int, ...]
    refused: tuple[tuple[str, int], ...]
    last_hit_at: datetime | None
    crm_at: datetime | None
    last_cost_day: str | None
    has_deals: bool
    n_leads: float
    journey_ratio: float | None
    unattributed_ratio: float | None

    @property
    def n_refused(self) -> int:
        """Hits refused in these days, for whatever reason."""
        return sum(n for _, n in self.refused)

    @property
    def is_new(self) -> bool:
        """Whether a site still lacks hits, deals or costs."""
        return self.last_hit_at is None or not self.has_deals or self.last_cost_day is None


def tracked(tx: Tx, site_id: int, timezone: str, now: datetime, totals: Figures, unattributed: Figures) -> Tracked:
    """What came in lately; `totals` and `unattributed` are the Source report's of the period that is looked at."""
    today = date.fromisoformat(local_day(now, timezone))
    days = tuple((today - timedelta(back)).isoformat() for back in range(DAYS - 1, -1, -1))
    starts = [
        datetime.combine(date.fromisoformat(day), time_of_day(), zone(timezone))
        for day in (*days, (today + timedelta(1)).isoformat())
    ]
    counts = [
        select(func.count())
        .where(hits.c.site_id == site_id, hits.c.received_at >= first, hits.c.received_at < end)
        .scalar_subquery()
        for first, end in pairwise(starts)
    ]
    n_hits = tx.execute(select(*counts)).one()
    last_hit_at = tx.execute(select(func.max(hits.c.received_at)).where(hits.c.site_id == site_id)).scalar()
    crm_at = tx.execute(
        select(crm_changes.c.received_at)
        .where(crm_changes.c.site_id + 0 == site_id)  # backwards from the last, and not through all of the site
        .order_by(crm_changes.c.seq.desc())
        .limit(1)
    ).scalar()
    has_deals = tx.execute(select(exists().where(deals.c.site_id == site_id))).scalar_one()
    leads, revenue = totals.new_leads, totals.revenue_minor
    return Tracked(
        days=days,
        n_hits=tuple(n_hits),
        refused=refused_since(tx, site_id, days[0], starts[0]),
        last_hit_at=last_hit_at,
        crm_at=crm_at,
        last_cost_day=tx.execute(select(func.max(costs.c.day)).where(costs.c.site_id == site_id)).scalar(),
        has_deals=bool(has_deals),
        n_leads=leads / MICRO,
        journey_ratio=(leads - unattributed.new_leads) / leads if leads else None,
        unattributed_ratio=unattributed.revenue_minor / revenue if revenue > 0 else None,
    )


def refused_since(tx: Tx, site_id: int, day: str, at: datetime) -> tuple[tuple[str, int], ...]:
    """Hits refused from a day on, by reason, the most first; crawlers' hits are taken, and stand under `bot`."""
    by_reason = select(refusals.c.reason, func.sum(refusals.c.n)).where(
        refusals.c.site_id.in_([0, site_id]), refusals.c.day >= day
    )
    found = {reason: int(n) for reason, n in tx.execute(by_reason.group_by(refusals.c.reason))}
    crawled = tx.execute(
        select(func.sum(visits.c.n_hits)).where(
            visits.c.site_id == site_id, visits.c.bot.is_not(None), visits.c.started_at >= at
        )
    ).scalar()
    if crawled:
        found[Refusal.BOT.value] = found.get(Refusal.BOT.value, 0) + int(crawled)
    return tuple(sorted(((reason, n) for reason, n in found.items() if n), key=lambda one: (-one[1], one[0])))


def signs_of(seen: Tracked, now: datetime) -> tuple[Sign, ...]:
    """What should be looked at, the gravest first; of a site that is being set up only what concerns its hits."""
    found = []
    if seen.last_hit_at is None:
        found.append(Sign.NO_HIT)
    elif now - seen.last_hit_at > QUIET:
        found.append(Sign.QUIET)
    elif has_fallen(seen.n_hits):
        found.append(Sign.FEWER_HITS)
    n_lost = sum(n for reason, n in seen.refused if reason not in EXPECTED)
    n_taken = sum(seen.n_hits)
    if n_lost + n_taken >= FEW_HITS and n_lost > MOST_REFUSED * (n_lost + n_taken):
        found.append(Sign.REFUSED)
    if seen.journey_ratio is not None and seen.n_leads >= FEW_LEADS and seen.journey_ratio < LEAST_WITH_JOURNEY:
        found.append(Sign.NO_JOURNEY)
    if seen.unattributed_ratio is not None and seen.unattributed_ratio > MOST_UNATTRIBUTED:
        found.append(Sign.UNATTRIBUTED)
    if not seen.has_deals:
        found.append(Sign.NO_DEAL)
    elif seen.crm_at is not None and now - seen.crm_at > timedelta(STALE_DAYS):
        found.append(Sign.CRM_SILENT)
    if seen.last_cost_day is None:
        found.append(Sign.NO_COST)
    elif date.fromisoformat(seen.days[-1]) - date.fromisoformat(seen.last_cost_day) > timedelta(STALE_DAYS):
        found.append(Sign.COSTS_END)
    return tuple(found)


def has_fallen(n_hits: Sequence[int]) -> bool:
    """Whether yesterday's hits were less than half of what the seven days before had on average."""
    week = n_hits[-9:-2]
    usual = sum(week) / len(week)
    return usual >= FEW_HITS and n_hits[-2] < FALLEN * usual
