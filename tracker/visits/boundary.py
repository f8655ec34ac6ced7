"""(pure) When a new visit begins: after a gap, or when a hit brings new campaign data or comes from another site.

Works on one visitor's hits in the order in which they happened, whatever order they arrived in. No cut at midnight.
"""

from collections.abc import Hashable, Sequence
from datetime import datetime, timedelta

from msgspec import Struct


class Step(Struct, frozen=True):
    """One hit as the boundary sees it.

    campaign     what campaign data its URL carries; None without any
    other_site   the page and the other, not excluded, site that it was reached from; None without one
    """

    hit_id: str
    occurred_at: datetime
    is_page: bool
    campaign: Hashable | None
    other_site: Hashable | None


def cut(steps: Sequence[Step], gap: timedelta) -> list[list[Step]]:
    """Cut a visitor's hits into visits.

    steps    sorted by (occurred_at, hit_id)
    gap      a visit ends when no hit came for this long (site setting, 30 minutes as shipped)
    returns  the visits in order, each with at least one step; every step is in exactly one

    A reload, or the next page on the same tagged address, brings nothing new.
    """
    visits: list[list[Step]] = []
    campaign: Hashable | None = None
    seen: set[Hashable] = set()
    for step in steps:
        new_campaign = step.is_page and step.campaign is not None and step.campaign != campaign
        new_site = step.is_page and step.campaign is None and step.other_site not in (None, *seen)
        if not visits or step.occurred_at - visits[-1][-1].occurred_at > gap or new_campaign or new_site:
            visits.append([])
            campaign, seen = step.campaign, set()
        visits[-1].append(step)
        seen.add(step.other_site)
    return visits
