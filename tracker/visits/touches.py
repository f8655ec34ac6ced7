"""The first and the last touch of one visitor as known this very moment: for a page that asks, and fills its forms.

By the fold's own rules; what the fold has not reached yet counts, too: the page that asks, and hits that wait. A direct
visit is named only where there is nothing else, as in reports (docs/attribution.md).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, select

from tracker.clock import from_ms, to_ms
from tracker.db.schema import hits, hits_waiting, touchpoints, visitors
from tracker.db.store import Tx
from tracker.urls import URL_LIMIT, clean_text
from tracker.visits.fold import arrival_of, came_by
from tracker.vocabulary import NOT_SET, Channel, HitKind

MOST_WAITING = 2_000  # of the newest hits that wait so many are looked through; the fold is seldom further behind
NAMES = ("channel", "source", "medium", "campaign", "term", "content")


@dataclass(frozen=True, slots=True)
class Seen:
    """A touch with what it is told by, `words` in the order of NAMES; landing_url and referrer tell touches apart."""

    at: datetime
    words: tuple[str, ...]
    landing_page: str
    landing_url: str
    referrer: str | None
    click_ids: Sequence[Sequence[str]]

    @property
    def is_direct(self) -> bool:
        """Whether nothing told where the visitor came from."""
        return self.words[0] == Channel.DIRECT.value

    def told(self) -> dict[str, str]:
        """By name what is known of it; instants in ISO 8601, click ids under their parameters' names."""
        facts = {str(param): str(value) for param, value in self.click_ids} | dict(zip(NAMES, self.words, strict=True))
        facts |= {"landing_page": self.landing_page, "referrer": self.referrer or ""}
        facts["at"] = self.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {name: value for name, value in facts.items() if value and value != NOT_SET}


def touches_of(
    tx: Tx,
    site_id: int,
    hosts: tuple[str, ...],
    gap: timedelta,
    *,
    visitor_id: str,
    url: str,
    referrer: str,
    now: datetime,
) -> dict[str, dict[str, str]]:
    """{"first": {...}, "last": {...}} of a visitor; see Seen.told.

    gap            after so long without a hit a visit is over
    url, referrer  of the page that asks: where it was landed on; '' if it does not tell
    A visitor that nobody has heard of has the page that asks for both; without that, both are empty.
    """
    known = folded(tx, site_id, visitor_id)
    for came_at, came_url, came_referrer in [*waiting(tx, site_id, visitor_id), (now, url, referrer)]:
        address = clean_text(came_url, URL_LIMIT)
        if address is None:
            continue
        came = arrived(address, clean_text(came_referrer, URL_LIMIT), hosts, came_at)
        if not known or (brings(address, came_referrer, hosts) and not is_same(known[-1], came, gap)):
            known.append(came)
    counting = [seen for seen in known if not seen.is_direct] or known
    if not counting:
        return {"first": {}, "last": {}}
    return {"first": counting[0].told(), "last": counting[-1].told()}


def folded(tx: Tx, site_id: int, visitor_id: str) -> list[Seen]:
    """The touches that the fold has made of this browser, oldest first."""
    columns = [touchpoints.c[name] for name in (*NAMES, "landing_page", "landing_url", "referrer", "click_ids")]
    query = (
        select(touchpoints.c.occurred_at, *columns)
        .join(visitors, visitors.c.visitor_no == touchpoints.c.visitor_no)
        .where(and_(visitors.c.site_id == site_id, visitors.c.visitor_id == visitor_id))
        .order_by(touchpoints.c.occurred_at, touchpoints.c.hit_id)
    )
    return [Seen(at, tuple(row[:6]), *row[6:]) for at, *row in tx.execute(query)]


def waiting(tx: Tx, site_id: int, visitor_id: str) -> list[tuple[datetime, str, str]]:
    """When, where and from where this browser saw pages that are not folded yet, oldest first."""
    newest = select(hits_waiting.c.seq).order_by(hits_waiting.c.seq.desc()).limit(MOST_WAITING).subquery()
    query = (
        select(hits.c.occurred_at, hits.c.url, hits.c.referrer)
        .join(newest, newest.c.seq == hits.c.seq)
        .where(hits.c.site_id == site_id, hits.c.visitor_id == visitor_id, hits.c.kind == HitKind.PAGE.value)
        .order_by(hits.c.occurred_at, hits.c.hit_id)
    )
    return [(at, url, referrer or "") for at, url, referrer in tx.execute(query)]


def arrived(url: str, referrer: str | None, hosts: tuple[str, ...], at: datetime) -> Seen:
    """The touch that a page view would be if a visit began with it."""
    *words, _, _, landing_page, landing_url, _, came_from, click_ids = came_by(url, referrer, hosts)
    return Seen(from_ms(to_ms(at)), tuple(words), landing_page, landing_url, came_from, json.loads(click_ids))


def brings(url: str, referrer: str, hosts: tuple[str, ...]) -> bool:
    """Whether a page view carries campaign data or comes from another site."""
    return arrival_of(url, clean_text(referrer, URL_LIMIT), hosts).starts_visit


def is_same(last: Seen, came: Seen, gap: timedelta) -> bool:
    """Whether a page view is the one that the last touch began with: reloaded, or asking when it is folded already."""
    same = (last.landing_url, last.referrer) == (came.landing_url, came.referrer)
    return same and came.at - last.at <= gap
