"""Fold hits into visits and touchpoints: once each, in the order in which they happened, whatever order they came in.

A visitor's visits are cut anew where new hits touch them: from the visit before the earliest new hit onwards, or, if
that one ended more than the gap before it, from the new hit onwards; everything older stands. The outcome is a function
of the visitor's hits alone, so a late hit, a retry and a rebuild all end in the same rows.
Says nothing about people or money: flow.py composes those.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from sqlalchemy import Select, and_, func, select

from tracker.channels.rules import classify
from tracker.checkhit import CHECK, is_check
from tracker.clock import MILLISECOND, from_ms, local_day
from tracker.db.schema import hits, touchpoints, visit_hits, visits
from tracker.db.store import Tx
from tracker.db.writes import GIVEN, among, as_one, drop, each_found, listed_rows, put, raw, read
from tracker.ids import derive
from tracker.urls import EXCLUDED_REFERRERS, Arrival, read_arrival
from tracker.visits.agents import Agent, agents_of, read_agent
from tracker.visits.boundary import Step, cut
from tracker.visits.engagement import note
from tracker.visits.waiting import COLUMNS, Ahead, FoldedHit, hit_of, number_visitors
from tracker.vocabulary import NOT_SET, Device, HitKind, Origin, TouchKind

# A visit's hits, found by the index that there is: by visitor and time.
HITS_OF_VISIT = and_(
    visit_hits.c.visitor_no == visits.c.visitor_no,
    visit_hits.c.occurred_at.between(visits.c.started_at, visits.c.ended_at),
    visit_hits.c.visit_id == visits.c.visit_id,
)
NO_VISITS: Mapping[int, str] = MappingProxyType({})
WEB_KINDS = (HitKind.PAGE, HitKind.FORM, HitKind.IDENTIFY, HitKind.EVENT)
MINUTE_MS = 60_000
# A crawler's word, and a developer's headless browser's: from this very machine it is a test and no crawler.
AUTOMATION = ("HeadlessChrome",)
VISIT = ("visit_id", "site_id", "visitor_no", "started_at", "ended_at", "n_hits", "n_pages", "bot")
VISIT_HIT = ("hit_seq", "visit_id", "visitor_no", "occurred_at")
TOUCH = (
    "touchpoint_id",
    "site_id",
    "kind",
    "hit_seq",
    "hit_id",
    "visitor_no",
    "contact_id",
    "occurred_at",
    "day",
    "channel",
    "source",
    "medium",
    "campaign",
    "term",
    "content",
    "rule",
    "rules_version",
    "landing_page",
    "landing_url",
    "referring_host",
    "referrer",
    "click_ids",
    "device",
    "browser",
    "os",
    "country",
)


@dataclass(frozen=True, slots=True)
class SiteRules:
    """What the fold must know of a site."""

    site_id: int
    hosts: tuple[str, ...]
    timezone: str
    gap: timedelta


@dataclass(frozen=True, slots=True)
class Standing:
    """What the fold looks at of one visitor: the new hits, and the folded ones that they may touch.

    hits      in (occurred_at, hit_id) order
    visit_of  the visit that each folded hit is in, by its seq; it has every hit of every visit named here
    """

    hits: tuple[FoldedHit, ...]
    visit_of: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class Folded:
    """What a fold did.

    hits      those folded, in (occurred_at, hit_id) order
    crawlers  the seqs of those that a crawler sent: its forms name nobody
    moved     visitor numbers of whom a visit began or is no more; the others' touchpoints are what they were
    days      (site, day) of the touchpoints that came or went
    """

    hits: tuple[FoldedHit, ...]
    crawlers: frozenset[int]
    moved: frozenset[int]
    days: frozenset[tuple[int, str]] = frozenset()


def fold(tx: Tx, sites: Callable[[int], SiteRules], seqs: Sequence[int], ahead: Ahead) -> Folded:
    """Fold these hits of the journal. Idempotent: a hit folded before gives the same rows again.

    ahead  with the rows of them all
    """
    rows = [ahead.rows[seq] for seq in seqs if seq in ahead.rows]
    numbers, new_visitors = number_visitors(tx, rows)
    found = [hit_of(row, numbers.get((row[1], row[-1]))) for row in rows]
    by_visitor: dict[int, list[FoldedHit]] = {}
    for hit in found:
        if hit.visitor_no is not None and is_on_the_web(hit):
            by_visitor.setdefault(hit.visitor_no, []).append(hit)
    leaves = [hit for hit in found if hit.kind == HitKind.LEAVE]
    stand = standing(tx, sites, by_visitor, new_visitors)
    seen = [*leaves, *(hit for own in stand.values() for hit in own.hits)]
    agents = agents_of(tx, {hit.user_agent or "" for hit in seen}, ahead.agents)
    moved, days = fold_visitors(tx, sites, stand, agents)
    note(tx, [hit for hit in leaves if bot_of(hit, agents[hit.user_agent or ""]) is None])
    # By each hit's own word, so that it depends on no other.
    suspect = {text for text, agent in agents.items() if agent.bot is not None}
    crawlers = frozenset(
        hit.seq
        for own in by_visitor.values()
        for hit in own
        if is_check(hit.url, hit.at_ms)
        or ((text := hit.user_agent or "") in suspect and bot_of(hit, agents[text]) is not None)
    )
    return Folded(tuple(sorted(found, key=in_order)), crawlers, moved, days)


def is_on_the_web(hit: FoldedHit) -> bool:
    """Whether a hit is part of a visit. A chat is, on the site's own pages; one that a program tells of is a touch."""
    return hit.kind in WEB_KINDS or (hit.kind == HitKind.CHAT and hit.origin == Origin.BROWSER)


def in_order(hit: FoldedHit) -> tuple[int, str]:
    """What hits are sorted by: when they happened; those of one instant by their ids."""
    return hit.at_ms, hit.hit_id


def fold_visitors(
    tx: Tx, sites: Callable[[int], SiteRules], stand: Mapping[int, Standing], agents: Mapping[str, Agent]
) -> tuple[frozenset[int], frozenset[tuple[int, str]]]:
    """Cut the visits of these visitors anew where new hits touch them; return whose touchpoints came or went, and
    the (site, day) of each.
    """
    visit_rows: list[tuple[Any, ...]] = []
    touch_rows: list[tuple[Any, ...]] = []
    hit_rows: list[tuple[Any, ...]] = []
    gone: list[str] = []
    moved: set[int] = set()
    for visitor_no, own in stand.items():
        rules = sites(own.hits[0].site_id)
        stood = Counter(own.visit_of.values()) if own.visit_of else {}
        for visit in cut_visits(own.hits, rules):
            first = visit[0]
            visit_id = visit_id_of(first.site_id, first.hit_id)
            n_stood = stood.pop(visit_id, 0)
            new = [hit for hit in visit if own.visit_of.get(hit.seq) != visit_id] if n_stood else visit
            if not new and n_stood == len(visit):
                continue
            agent = agents[first.user_agent or ""]
            bot = bot_of(first, agent)
            visit_rows.append(visit_row(visit_id, visit, bot))
            hit_rows += [(hit.seq, visit_id, visitor_no, hit.at_ms) for hit in new]
            if not n_stood:
                moved.add(visitor_no)
                if bot is None:
                    touch_rows.append(touch_row(visit_id, first, rules, agent))
        if stood:
            moved.add(visitor_no)
            gone += stood
    days = {(row[TOUCH.index("site_id")], row[TOUCH.index("day")]) for row in touch_rows} | days_of(tx, gone)
    drop(tx, touchpoints.c.touchpoint_id, gone)
    drop(tx, visits.c.visit_id, gone)
    put(tx, visits, VISIT, visit_rows)
    put(tx, visit_hits, VISIT_HIT, hit_rows)
    put(tx, touchpoints, TOUCH, touch_rows)
    return frozenset(moved), frozenset(days)


def days_of(tx: Tx, touchpoint_ids: Sequence[str]) -> set[tuple[int, str]]:
    """The (site, day) of each of these touchpoints."""
    if not touchpoint_ids:
        return set()
    table = touchpoints.c
    query = select(table.site_id, table.day).where(among(tx, table.touchpoint_id, touchpoint_ids))
    return {(site_id, day) for site_id, day in tx.execute(query)}


def standing(
    tx: Tx,
    sites: Callable[[int], SiteRules],
    by_visitor: Mapping[int, Sequence[FoldedHit]],
    new_visitors: frozenset[int],
) -> dict[int, Standing]:
    """Per visitor the new hits, and every visit that they may touch."""
    touched = touched_visits(
        tx,
        {
            number: (min(hit.at_ms for hit in some), sites(some[0].site_id).gap // MILLISECOND)
            for number, some in by_visitor.items()
            if number not in new_visitors
        },
    )
    found = {number: {hit.seq: hit for hit in some} for number, some in by_visitor.items()}
    visit_of: dict[int, dict[int, str]] = {}
    for number, visit_id, *row in hits_since(tx, {number: min(own.values()) for number, own in touched.items()}):
        if visit_id in touched[number]:
            visit_of.setdefault(number, {})[row[0]] = visit_id
            if row[0] not in found[number]:
                found[number][row[0]] = hit_of(row, number)
    return {
        number: Standing(tuple(sorted(some.values(), key=in_order)), visit_of.get(number, NO_VISITS))
        for number, some in found.items()
    }


def touched_visits(tx: Tx, earliest: Mapping[int, tuple[int, int]]) -> dict[int, dict[str, int]]:
    """The visits that new hits may change, by visitor, and when each began (milliseconds).

    earliest  by visitor its earliest new hit and the gap that ends a visit, in milliseconds

    Those that began with that hit or later, and the one before it unless it ended more than the gap before: a gap ends
    a visit whatever was in it. One that began in the hit's very instant may have to begin with the hit, so the one
    before it decides.
    """
    if not earliest:
        return {}
    rows = read(tx, visits_near(tx.dialect.name), [(number, at) for number, (at, _) in earliest.items()])
    ended: dict[int, int] = {}
    for number, _, started_ms, ended_ms in rows:
        if started_ms < earliest[number][0]:
            ended[number] = max(ended_ms, ended.get(number, ended_ms))
    found: dict[int, dict[str, int]] = {}
    for number, visit_id, started_ms, _ in rows:
        at_ms, gap_ms = earliest[number]
        if started_ms >= at_ms or ended[number] >= at_ms - gap_ms:
            found.setdefault(number, {})[visit_id] = started_ms
    return found


@lru_cache(maxsize=2)
def visits_near(dialect: str) -> Select[Any]:
    """The query of touched_visits, of GIVEN (visitor's number, instant): the last visit before it and all since."""
    wanted = listed_rows(dialect, GIVEN, ("visitor_no", "at_ms"))
    before = visits.alias("before")
    last = (
        select(func.max(raw(dialect, before.c.started_at)))
        .where(before.c.visitor_no == wanted.c.visitor_no, raw(dialect, before.c.started_at) < wanted.c.at_ms)
        .correlate_except(before)
        .scalar_subquery()
    )
    started, ended = raw(dialect, visits.c.started_at), raw(dialect, visits.c.ended_at)
    since = func.coalesce(last, wanted.c.at_ms)
    query = select(visits.c.visitor_no, visits.c.visit_id, started, ended)
    return each_found(dialect, wanted, query.where(visits.c.visitor_no == wanted.c.visitor_no, started >= since))


def hits_since(tx: Tx, since: Mapping[int, int]) -> Iterable[Sequence[Any]]:
    """The folded hits of these visitors since an instant each: (visitor's number, visit, *COLUMNS)."""
    if not since:
        return []
    return tx.execute(visit_hits_since(tx.dialect.name), {"given": as_one(since.items())}).all()


@lru_cache(maxsize=2)
def visit_hits_since(dialect: str) -> Select[Any]:
    """The query of hits_since, of GIVEN (visitor's number, instant)."""
    wanted = listed_rows(dialect, GIVEN, ("visitor_no", "since_ms"))
    query = (
        select(visit_hits.c.visitor_no, visit_hits.c.visit_id, *[raw(dialect, column) for column in COLUMNS])
        .select_from(visit_hits.join(hits, hits.c.seq == visit_hits.c.hit_seq))
        .where(
            visit_hits.c.visitor_no == wanted.c.visitor_no,
            raw(dialect, visit_hits.c.occurred_at) >= wanted.c.since_ms,
        )
    )
    return each_found(dialect, wanted, query)


def cut_visits(own: Sequence[FoldedHit], rules: SiteRules) -> list[list[FoldedHit]]:
    """One visitor's hits, in order, as visits."""
    if len(own) == 1:
        return [list(own)]
    by_id = {hit.hit_id: hit for hit in own}
    steps = [step_of(hit, rules) for hit in own]
    return [[by_id[step.hit_id] for step in visit] for visit in cut(steps, rules.gap)]


def step_of(hit: FoldedHit, rules: SiteRules) -> Step:
    """A hit as the boundary sees it."""
    campaign, other_site = brought_by(hit.url, hit.referrer, rules.hosts)
    return Step(hit.hit_id, hit.occurred_at, hit.kind == HitKind.PAGE, campaign, other_site)


def brought_by(
    url: str, referrer: str | None, hosts: tuple[str, ...]
) -> tuple[tuple[object, ...] | None, tuple[str, str | None] | None]:
    """The campaign and the other site that a hit came by; None and None for most, who came from the page before."""
    if "?" not in url and "#" not in url:
        host_end = url.find("/", len("https://")) + 1
        if not referrer or (host_end and url.startswith("http") and referrer.startswith(url[:host_end])):
            return None, None
    return arrived_by(url, referrer, hosts)


@lru_cache(maxsize=8_192)
def arrived_by(
    url: str, referrer: str | None, hosts: tuple[str, ...]
) -> tuple[tuple[object, ...] | None, tuple[str, str | None] | None]:
    """What brought_by gives, of the whole address; remembered, for a visit's pages repeat it."""
    arrival = arrival_of(url, referrer, hosts)
    brings = arrival.tagged or bool(arrival.click_ids)
    return (
        arrival.campaign_key if brings else None,
        (arrival.landing_url, arrival.referrer) if arrival.referring_host else None,
    )


@lru_cache(maxsize=8_192)
def arrival_of(url: str, referrer: str | None, hosts: tuple[str, ...]) -> Arrival:
    """What a hit's address and referrer tell; remembered for its touchpoint."""
    return read_arrival(url, referrer, hosts, EXCLUDED_REFERRERS)


def bot_of(hit: FoldedHit, agent: Agent) -> str | None:
    """Which crawler sent a hit, or None. A server that reports for a visitor need not name a user agent."""
    if is_check(hit.url, hit.at_ms):
        return CHECK
    if hit.origin in (Origin.API, Origin.DEMO) and not agent.text:
        return None
    if agent.bot in AUTOMATION and hit.details.get("loopback"):
        return None
    return agent.bot


def visit_row(visit_id: str, visit: Sequence[FoldedHit], bot: str | None) -> tuple[Any, ...]:
    """The row of one visit, as VISIT."""
    first = visit[0]
    n_pages = sum(hit.kind == HitKind.PAGE for hit in visit)
    return (visit_id, first.site_id, first.visitor_no, first.at_ms, visit[-1].at_ms, len(visit), n_pages, bot)


@lru_cache(maxsize=8_192)
def visit_id_of(site_id: int, hit_id: str) -> str:
    """A visit's id follows from its first hit."""
    return derive("visit", site_id, hit_id)


@lru_cache(maxsize=8_192)
def day_of(minute: int, zone: str) -> str:
    """The day in a zone of a minute since 1970. Clocks are put forward and back at whole minutes."""
    return local_day(from_ms(minute * MINUTE_MS), zone)


def touch_row(visit_id: str, hit: FoldedHit, rules: SiteRules, agent: Agent) -> tuple[Any, ...]:
    """The touchpoint that a visit's first hit is, as TOUCH: its arrival, classified, flat."""
    return (
        visit_id,
        hit.site_id,
        TouchKind.VISIT.value,
        hit.seq,
        hit.hit_id,
        hit.visitor_no,
        None,
        hit.at_ms,
        day_of(hit.at_ms // MINUTE_MS, rules.timezone),
        *came_by(hit.url, hit.referrer, rules.hosts),
        agent.device if agent.text else Device.OTHER.value,
        agent.browser,
        agent.os,
        hit.country or NOT_SET,
    )


@lru_cache(maxsize=8_192)
def came_by(url: str, referrer: str | None, hosts: tuple[str, ...]) -> tuple[Any, ...]:
    """The columns of a touchpoint that its address and referrer decide, in TOUCH's order from channel to click_ids."""
    arrival = arrival_of(url, referrer, hosts)
    found = classify(arrival)
    return (
        found.channel,
        found.source,
        found.medium,
        found.campaign,
        found.term,
        found.content,
        found.rule,
        found.rules_version,
        arrival.landing_page,
        arrival.landing_url,
        arrival.referring_host or NOT_SET,
        arrival.referrer,
        json.dumps(arrival.click_ids),
    )


def warm(ahead: Ahead, sites: Callable[[int], SiteRules]) -> None:
    """Work out what the fold of these rows will ask for, so that it finds the answers ready."""
    for row in ahead.rows.values():
        site = sites(row[1])
        _, other_site = brought_by(row[6], row[7], site.hosts)
        if row[3] == HitKind.LEAVE:
            pass  # begins nothing
        elif other_site is not None or "?" in row[6] or not row[7]:  # it may begin a visit
            came_by(row[6], row[7], site.hosts)
            visit_id_of(row[1], row[2])
            day_of(row[5] // MINUTE_MS, site.timezone)
        text = row[8] or ""
        if text not in ahead.agents:
            read_agent(text)
