"""Fold hits into visits and touchpoints: once each, in the order in which they happened, whatever order they came in.

A visitor's visits are cut anew from the visit before the earliest new hit onwards; everything older stands. The outcome
is a function of the visitor's hits alone, so a late hit, a retry and a rebuild all end in the same rows.
Says nothing about people or money: flow.py composes those.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import delete, select

from tracker.channels.rules import Classified, classify
from tracker.clock import local_day
from tracker.db.schema import hits, hits_waiting, touchpoints, visit_hits, visitors, visits
from tracker.db.store import Tx
from tracker.db.writes import chunks, insert_once, lock, skip_claimed, upsert
from tracker.ids import derive
from tracker.urls import EXCLUDED_REFERRERS, Arrival, read_arrival
from tracker.visits.agents import Agent, agents_of
from tracker.visits.boundary import Step, cut
from tracker.vocabulary import NOT_SET, Device, HitKind, Origin, TouchKind

WEB_KINDS = (HitKind.PAGE, HitKind.FORM, HitKind.IDENTIFY, HitKind.EVENT)
# A crawler's word, and a developer's headless browser's: from this very machine it is a test and no crawler.
AUTOMATION = ("HeadlessChrome",)


@dataclass(frozen=True, slots=True)
class SiteRules:
    """What the fold must know of a site."""

    site_id: int
    hosts: tuple[str, ...]
    timezone: str
    gap: timedelta


@dataclass(frozen=True, slots=True)
class FoldedHit:
    """A hit as the journal has it, with its visitor's number."""

    visitor_no: int | None
    seq: int
    site_id: int
    hit_id: str
    kind: str
    origin: str
    occurred_at: datetime
    url: str
    referrer: str | None
    user_agent: str | None
    country: str | None
    details: Mapping[str, Any]


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

    hits       those folded, in (occurred_at, hit_id) order
    bots       visitor numbers whose newest hits are a crawler's: their forms name nobody
    """

    hits: tuple[FoldedHit, ...]
    bots: frozenset[int]


# In the order of FoldedHit's fields, which follow the visitor's number.
COLUMNS = [hits.c[field.name] for field in fields(FoldedHit) if field.name != "visitor_no"]


def fold(tx: Tx, sites: Callable[[int], SiteRules], limit: int) -> Folded:
    """Claim up to `limit` waiting hits and fold them. Idempotent: a hit folded before gives the same rows again."""
    claimed = claim(tx, limit)
    by_visitor: dict[int, list[FoldedHit]] = {}
    for hit in claimed:
        if hit.visitor_no is not None and hit.kind in WEB_KINDS:
            by_visitor.setdefault(hit.visitor_no, []).append(hit)
    bots = fold_visitors(tx, sites, by_visitor)
    for some in chunks(hit.seq for hit in claimed):
        tx.execute(delete(hits_waiting).where(hits_waiting.c.seq.in_(some)))
    return Folded(tuple(sorted(claimed, key=lambda hit: (hit.occurred_at, hit.hit_id))), bots)


def claim(tx: Tx, limit: int) -> list[FoldedHit]:
    """Take the waiting hits that no other worker holds, and hold their visitors until the transaction ends."""
    query = select(hits_waiting.c.seq).order_by(hits_waiting.c.seq).limit(limit)
    seqs = tx.execute(skip_claimed(tx, query)).scalars().all()
    query_hits = select(hits.c.visitor_id, *COLUMNS)
    rows = [row for some in chunks(seqs) for row in tx.execute(query_hits.where(hits.c.seq.in_(some)))]
    numbers = number_visitors(tx, {(row.site_id, row.visitor_id) for row in rows if row.visitor_id})
    return [FoldedHit(numbers.get((row.site_id, row.visitor_id)), *row[1:]) for row in rows]


def number_visitors(tx: Tx, keys: set[tuple[int, str]]) -> dict[tuple[int, str], int]:
    """The dense number of each (site, visitor id), given out at first sight; holds the rows against other workers."""
    if not keys:
        return {}
    insert_once(tx, visitors, [{"site_id": site, "visitor_id": visitor} for site, visitor in sorted(keys)])
    numbers: dict[tuple[int, str], int] = {}
    for some in chunks({visitor for _, visitor in keys}):
        rows = tx.execute(
            select(visitors.c.site_id, visitors.c.visitor_id, visitors.c.visitor_no).where(
                visitors.c.visitor_id.in_(some)
            )
        )
        numbers |= {(site, visitor): number for site, visitor, number in rows if (site, visitor) in keys}
    for some in chunks(sorted(numbers.values())):
        lock(
            tx,
            select(visitors.c.visitor_no).where(visitors.c.visitor_no.in_(some)).order_by(visitors.c.visitor_no),
        )
    return numbers


def fold_visitors(
    tx: Tx, sites: Callable[[int], SiteRules], by_visitor: Mapping[int, Sequence[FoldedHit]]
) -> frozenset[int]:
    """Cut the visits of these visitors anew where their new hits touch them; return the visitors that are crawlers."""
    stand = standing(tx, by_visitor)
    agents = agents_of(tx, {hit.user_agent or "" for own in stand.values() for hit in own.hits})
    visit_rows: list[dict[str, Any]] = []
    touch_rows: list[dict[str, Any]] = []
    hit_rows: list[dict[str, Any]] = []
    gone: list[str] = []
    bots: set[int] = set()
    for visitor_no, own in stand.items():
        rules = sites(own.hits[0].site_id)
        stood = Counter(own.visit_of.values())
        for visit in cut_visits(own.hits, rules):
            visit_id = visit_id_of(visit[0])
            agent = agents[visit[0].user_agent or ""]
            bot = bot_of(visit[0], agent)
            if bot is not None:
                bots.add(visitor_no)
            n_stood = stood.pop(visit_id, 0)
            new = [hit for hit in visit if own.visit_of.get(hit.seq) != visit_id]
            if not new and n_stood == len(visit):
                continue
            visit_rows.append(visit_row(visit_id, visit, bot))
            hit_rows += [hit_row(hit, visit_id) for hit in new]
            if bot is None and not n_stood:
                touch_rows.append(touch_row(visit_id, visit[0], rules, agent))
        gone += stood
    for some in chunks(gone):
        tx.execute(delete(touchpoints).where(touchpoints.c.touchpoint_id.in_(some)))
        tx.execute(delete(visits).where(visits.c.visit_id.in_(some)))
    upsert(tx, visits, visit_rows)
    upsert(tx, visit_hits, hit_rows)
    upsert(tx, touchpoints, touch_rows)
    return frozenset(bots)


def standing(tx: Tx, by_visitor: Mapping[int, Sequence[FoldedHit]]) -> dict[int, Standing]:
    """Per visitor the new hits, and every visit from the one before the earliest of them onwards."""
    earliest = {number: min(hit.occurred_at for hit in some) for number, some in by_visitor.items()}
    found = {number: {hit.seq: hit for hit in some} for number, some in by_visitor.items()}
    visit_of: dict[int, dict[int, str]] = {number: {} for number in by_visitor}
    for some in chunks(earliest):
        touched = touched_visits(tx, {number: earliest[number] for number in some})
        if not touched:
            continue
        wanted: dict[int, int] = {}
        rows = tx.execute(
            select(visit_hits.c.visitor_no, visit_hits.c.hit_seq, visit_hits.c.visit_id).where(
                visit_hits.c.visitor_no.in_(some), visit_hits.c.occurred_at >= min(touched.values())
            )
        )
        for number, seq, visit_id in rows:
            if visit_id in touched:
                visit_of[number][seq] = visit_id
                if seq not in found[number]:
                    wanted[seq] = number
        for seqs in chunks(wanted):
            for row in tx.execute(select(*COLUMNS).where(hits.c.seq.in_(seqs))):
                number = wanted[row.seq]
                found[number][row.seq] = FoldedHit(number, *row)
    return {
        number: Standing(tuple(sorted(some.values(), key=lambda hit: (hit.occurred_at, hit.hit_id))), visit_of[number])
        for number, some in found.items()
    }


def touched_visits(tx: Tx, earliest: Mapping[int, datetime]) -> dict[str, datetime]:
    """The visits that new hits since `earliest` (by visitor) may change, and when each began.

    A visit that began in the same instant as the hit may have to begin with the hit: the one before it decides.
    """
    rows = tx.execute(
        select(visits.c.visitor_no, visits.c.visit_id, visits.c.started_at).where(visits.c.visitor_no.in_(earliest))
    ).all()
    since: dict[int, datetime] = {}
    for number, _, started_at in rows:
        if started_at < earliest[number]:
            since[number] = max(started_at, since.get(number, started_at))
    return {
        visit_id: started_at
        for number, visit_id, started_at in rows
        if started_at >= since.get(number, earliest[number])
    }


def cut_visits(own: Sequence[FoldedHit], rules: SiteRules) -> list[list[FoldedHit]]:
    """One visitor's hits, in order, as visits."""
    by_id = {hit.hit_id: hit for hit in own}
    steps = [step_of(hit, rules) for hit in own]
    return [[by_id[step.hit_id] for step in visit] for visit in cut(steps, rules.gap)]


def step_of(hit: FoldedHit, rules: SiteRules) -> Step:
    """A hit as the boundary sees it."""
    campaign, other_site = brought_by(hit.url, hit.referrer, rules.hosts)
    return Step(hit.hit_id, hit.occurred_at, hit.kind == HitKind.PAGE, campaign, other_site)


@lru_cache(maxsize=8_192)
def brought_by(
    url: str, referrer: str | None, hosts: tuple[str, ...]
) -> tuple[tuple[object, ...] | None, tuple[str, str | None] | None]:
    """The campaign and the other site that a hit came by; remembered, for a visit's pages repeat them."""
    arrival = arrival_of(url, referrer, hosts)
    brings = arrival.tagged or bool(arrival.click_ids)
    return (
        arrival.campaign_key if brings else None,
        (arrival.landing_url, arrival.referrer) if arrival.referring_host else None,
    )


@lru_cache(maxsize=8_192)
def arrival_of(url: str, referrer: str | None, hosts: tuple[str, ...]) -> Arrival:
    """What a hit's address and referrer tell; remembered for its touchpoint."""
    return read_arrival(url, referrer, frozenset(hosts), EXCLUDED_REFERRERS)


def bot_of(hit: FoldedHit, agent: Agent) -> str | None:
    """Which crawler sent a hit, or None. A server that reports for a visitor need not name a user agent."""
    if hit.origin in (Origin.API, Origin.DEMO) and not agent.text:
        return None
    if agent.bot in AUTOMATION and hit.details.get("loopback"):
        return None
    return agent.bot


def visit_row(visit_id: str, visit: Sequence[FoldedHit], bot: str | None) -> dict[str, Any]:
    """The row of one visit."""
    first = visit[0]
    return {
        "visit_id": visit_id,
        "site_id": first.site_id,
        "visitor_no": first.visitor_no,
        "started_at": first.occurred_at,
        "ended_at": visit[-1].occurred_at,
        "n_hits": len(visit),
        "n_pages": sum(hit.kind == HitKind.PAGE for hit in visit),
        "bot": bot,
    }


def visit_id_of(first: FoldedHit) -> str:
    """A visit's id follows from its first hit."""
    return derive("visit", first.site_id, first.hit_id)


def hit_row(hit: FoldedHit, visit_id: str) -> dict[str, Any]:
    """Which visit a hit is in."""
    return {
        "hit_seq": hit.seq,
        "visit_id": visit_id,
        "visitor_no": hit.visitor_no,
        "occurred_at": hit.occurred_at,
    }


def touch_row(visit_id: str, hit: FoldedHit, rules: SiteRules, agent: Agent) -> dict[str, Any]:
    """The touchpoint that a visit's first hit is: its arrival, classified, flat."""
    arrival = arrival_of(hit.url, hit.referrer, rules.hosts)
    found = classify(arrival)
    return {
        "touchpoint_id": visit_id,
        "site_id": hit.site_id,
        "kind": TouchKind.VISIT.value,
        "hit_seq": hit.seq,
        "hit_id": hit.hit_id,
        "visitor_no": hit.visitor_no,
        "contact_id": None,
        "occurred_at": hit.occurred_at,
        "day": local_day(hit.occurred_at, rules.timezone),
        **dimensions(found),
        "landing_page": arrival.landing_page,
        "landing_url": arrival.landing_url,
        "referring_host": arrival.referring_host or NOT_SET,
        "referrer": arrival.referrer,
        "click_ids": [list(pair) for pair in arrival.click_ids],
        "device": agent.device if agent.text else Device.OTHER.value,
        "browser": agent.browser,
        "os": agent.os,
        "country": hit.country or NOT_SET,
    }


def dimensions(found: Classified) -> dict[str, str]:
    """The columns that the classification fills."""
    return {
        "channel": found.channel,
        "source": found.source,
        "medium": found.medium,
        "campaign": found.campaign,
        "term": found.term,
        "content": found.content,
        "rule": found.rule,
        "rules_version": found.rules_version,
    }
