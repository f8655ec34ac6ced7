"""How long page views are kept: those of closed visits older than a number of days leave the journal, in small steps.

What was derived of them stands: visits, touchpoints, people, conversions and paths, so every report says the same. Such
a visit is marked `sealed`; a rebuild leaves it as it is. What names somebody (a form, a call, an event) stays in
the journal as long as the contact does. Hits from before a site's horizon are refused on every way in, so no visit is
sealed that a hit could still come to. docs/adr/0025 says why. Called by the work loop, the API, the log import.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Engine, and_, exists, func, or_, select, update

from tracker.access.sites import Site, all_sites
from tracker.clock import EPOCH
from tracker.db.schema import calls, engagements, hits, hits_waiting, identifications, retention, visit_hits, visits
from tracker.db.store import Tx, begin, reading
from tracker.db.writes import among, drop, upsert
from tracker.lifecycle.seal import seal
from tracker.visits.engagement import LEAVES_OF_PAGE
from tracker.visits.fold import HITS_OF_VISIT

HITS_AT_A_TIME = 100
VISITS_AT_A_TIME = 200
LOOKED_AT_A_TIME = 2_000
FEW_WAITING = 1_000


@dataclass(frozen=True, slots=True)
class State:
    """How far a site's journal is pruned; a row of `retention`.

    horizon_at            hits from before it are refused
    swept_at, swept_id    visits up to here, in order of (started_at, visit_id), were looked at
    open_at               when the first of them began that had not ended then; looked at again under the next horizon
    swept_seq             hits up to here that are in no visit were looked at
    """

    site_id: int
    horizon_at: datetime
    swept_at: datetime
    swept_id: str
    open_at: datetime | None
    swept_seq: int
    n_pruned: int


@dataclass(frozen=True, slots=True)
class Step:
    """What one step does: seal these visits, take these hits out of the journal, and remember how far it came."""

    before: State
    after: State
    seal: tuple[str, ...] = ()
    seqs: tuple[int, ...] = ()


def horizon_for(days: int, now: datetime) -> datetime | None:
    """The beginning, in UTC, of the first day that is kept; None where everything is (0 days)."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - timedelta(days=days) if days else None


def kept_since(tx: Tx, site_id: int) -> datetime | None:
    """From when on hits of a site may be told; None: however old. It holds until the writing transaction ends."""
    row = select(retention.c.horizon_at).where(retention.c.site_id == site_id)
    found: datetime | None = tx.execute(row.with_for_update(read=True, key_share=True)).scalar()
    return found


def prune(engine: Engine, days: int, now: datetime, n_hits: int = HITS_AT_A_TIME) -> int:
    """Do one small step of what is to be pruned; returns 0 when there is nothing to do, or somebody else is doing it.

    days    how many are kept; 0: nothing is pruned
    n_hits  that leave in one transaction at the most: on SQLite it keeps the collector waiting
    """
    aim = horizon_for(days, now)
    if aim is None:
        return 0
    move_horizons(engine, aim, now)
    with reading(engine) as tx:
        step = next_step(tx, aim, n_hits)
    if step is None:
        return 0
    with begin(engine) as tx:
        return take(tx, step)


def move_horizons(engine: Engine, aim: datetime, now: datetime) -> None:
    """Move each site's horizon forward, unless a hit from before it waits: its visit is not known yet.

    What rules decided by what is about to leave is kept first.
    """
    with reading(engine) as tx:
        sites = all_sites(tx)
        if not behind(tx, sites, aim) or waits_from_before(tx, aim):
            return
    with begin(engine) as tx:
        late = behind(tx, sites, aim)
        held = tx.execute(
            select(retention.c.site_id).where(retention.c.site_id.in_(late)).with_for_update(skip_locked=True)
        )
        free = set(held.scalars()) | (set(late) - known(tx).keys())
        if not free or waits_from_before(tx, aim):
            return
        states = known(tx)
        for site_id in sorted(free):
            seal(tx, site_id, aim, now)
        upsert(tx, retention, [row_of(moved(states.get(site_id), site_id, aim)) for site_id in sorted(free)])


def moved(state: State | None, site_id: int, aim: datetime) -> State:
    """A site's state under its next horizon: what had not ended under the last one is looked at again."""
    if state is None:
        return State(site_id, aim, EPOCH, "", None, 0, 0)
    if state.open_at is None:
        return replace(state, horizon_at=aim)
    return replace(state, horizon_at=aim, swept_at=state.open_at, swept_id="", open_at=None)


def behind(tx: Tx, sites: Sequence[Site], aim: datetime) -> list[int]:
    """The sites whose horizon is before that, or that have none and something from before it."""
    states = known(tx)
    return [
        site.site_id
        for site in sites
        if (states[site.site_id].horizon_at < aim if site.site_id in states else has_from_before(tx, site.site_id, aim))
    ]


def has_from_before(tx: Tx, site_id: int, aim: datetime) -> bool:
    """Whether a site has a visit that began, or a hit that came, before that."""
    visit = select(visits.c.visit_id).where(visits.c.site_id == site_id, visits.c.started_at < aim)
    hit = select(hits.c.seq).where(hits.c.site_id == site_id, hits.c.received_at < aim)
    return any(tx.execute(query.limit(1)).first() is not None for query in (visit, hit))


def waits_from_before(tx: Tx, aim: datetime) -> bool:
    """Whether a hit from before that waits for the fold, or so many wait that it takes long to know."""
    few = select(hits_waiting.c.seq).limit(FEW_WAITING + 1)
    seqs = tx.execute(few).scalars().all()
    if len(seqs) > FEW_WAITING:
        return True
    earliest = tx.execute(select(func.min(hits.c.occurred_at)).where(among(tx, hits.c.seq, seqs))).scalar()
    return earliest is not None and earliest < aim


def known(tx: Tx) -> dict[int, State]:
    """The state of each site that has one."""
    rows = tx.execute(select(*[retention.c[name] for name in State.__slots__]))
    return {row.site_id: State(*row) for row in rows}


def row_of(state: State) -> dict[str, object]:
    """A state as its row."""
    return {name: getattr(state, name) for name in State.__slots__}


def next_step(tx: Tx, aim: datetime, n_hits: int) -> Step | None:
    """What is to be done next, of any site; None when nothing is.

    aim  nothing from after it leaves, also where the horizon was once later
    """
    states = known(tx)
    newest = tx.execute(select(func.max(hits.c.seq))).scalar() or 0
    for site in all_sites(tx):
        state = states.get(site.site_id)
        if state is None:
            continue
        upto = min(state.horizon_at, aim)
        gap = timedelta(seconds=site.visit_gap_s)
        step = step_through_visits(tx, state, upto - gap, newest, n_hits)
        step = step or step_through_others(tx, state, upto, newest, n_hits)
        if step is not None:
            return step
    return None


def step_through_visits(tx: Tx, state: State, until: datetime, newest: int, n_hits: int) -> Step | None:
    """The next visits that ended so long before the horizon that no hit can come to them any more.

    newest  the journal's last hit, which stays whatever it is, for the next one's number follows from it
    """
    started, visit_id = visits.c.started_at, visits.c.visit_id
    rows = tx.execute(
        select(visit_id, started, visits.c.ended_at, visits.c.sealed, visits.c.n_hits)
        .where(
            visits.c.site_id == state.site_id,
            started >= state.swept_at,
            or_(started > state.swept_at, visit_id > state.swept_id),
            started < until,
        )
        .order_by(started, visit_id)
        .limit(VISITS_AT_A_TIME)
    ).all()
    if not rows:
        return None
    upto = 1
    while upto < len(rows) and sum(row.n_hits for row in rows[: upto + 1]) <= n_hits:
        upto += 1
    taken = rows[:upto]
    of_newest = tx.execute(select(visit_hits.c.visit_id).where(visit_hits.c.hit_seq == newest)).scalar()
    closed = [row for row in taken if row.ended_at < until and row.visit_id != of_newest]
    closed_ids = [row.visit_id for row in closed]
    leaves = leaves_in(tx, closed_ids, newest, n_hits)  # before their pages: without those nobody finds them
    seqs = (*leaves, *prunable(tx, closed_ids, n_hits - len(leaves)))
    step = Step(state, state, tuple(row.visit_id for row in closed if not row.sealed), seqs)
    if len(seqs) == n_hits:  # there may be more of them
        return replace(step, after=replace(state, n_pruned=state.n_pruned + len(seqs)))
    begun = [row.started_at for row in taken if row not in closed]
    after = replace(
        state,
        swept_at=taken[-1].started_at,
        swept_id=taken[-1].visit_id,
        open_at=min([*begun, *([state.open_at] if state.open_at else [])], default=None),
        n_pruned=state.n_pruned + len(seqs),
    )
    return replace(step, after=after)


def prunable(tx: Tx, visit_ids: Sequence[str], n_hits: int) -> tuple[int, ...]:
    """Up to so many hits of these visits that name nobody."""
    query = (
        select(visit_hits.c.hit_seq)
        .select_from(visits)
        .join(visit_hits, HITS_OF_VISIT)
        .where(
            among(tx, visits.c.visit_id, visit_ids),
            ~exists().where(identifications.c.hit_seq == visit_hits.c.hit_seq),
        )
    )
    return tuple(tx.execute(query.limit(n_hits)).scalars())


def leaves_in(tx: Tx, visit_ids: Sequence[str], newest: int, n_hits: int) -> tuple[int, ...]:
    """Up to so many leaves of the pages of these visits."""
    query = (
        select(engagements.c.hit_seq)
        .select_from(visits)
        .join(visit_hits, HITS_OF_VISIT)
        .join(hits, hits.c.seq == visit_hits.c.hit_seq)
        .join(engagements, LEAVES_OF_PAGE)
        .where(among(tx, visits.c.visit_id, visit_ids), engagements.c.hit_seq != newest)
    )
    return tuple(tx.execute(query.limit(n_hits)).scalars())


def has_its_page() -> ColumnElement[bool]:
    """That a hit is a leave of a page view that is still in the journal, and goes with it."""
    page, seen = hits.alias("page"), visit_hits.alias("seen")
    return (
        select(page.c.seq)
        .join(seen, seen.c.hit_seq == page.c.seq)
        .join(
            engagements,
            and_(
                engagements.c.site_id == page.c.site_id,
                engagements.c.page_id == page.c.hit_id,
                engagements.c.visitor_no == seen.c.visitor_no,
            ),
        )
        .where(engagements.c.hit_seq == hits.c.seq)
        .exists()
    )


def step_through_others(tx: Tx, state: State, until: datetime, newest: int, n_hits: int) -> Step | None:
    """The next old hits that are in no visit and name nobody: a chat of somebody unknown, a leave without its page."""
    rows = tx.execute(
        select(hits.c.seq, hits.c.received_at)
        .where(hits.c.seq > state.swept_seq, hits.c.seq < newest)
        .order_by(hits.c.seq)
        .limit(LOOKED_AT_A_TIME)
    ).all()
    n_old = next((n for n, row in enumerate(rows) if row.received_at >= until), len(rows))
    if not n_old:
        return None
    query = select(hits.c.seq).where(
        hits.c.site_id == state.site_id,
        hits.c.seq > state.swept_seq,
        hits.c.seq <= rows[n_old - 1].seq,
        ~exists().where(visit_hits.c.hit_seq == hits.c.seq),
        ~exists().where(identifications.c.hit_seq == hits.c.seq),
        ~exists().where(calls.c.hit_seq == hits.c.seq),
        ~exists().where(hits_waiting.c.seq == hits.c.seq),
        ~has_its_page(),
    )
    seqs = tuple(tx.execute(query.order_by(hits.c.seq).limit(n_hits)).scalars())
    upto = seqs[-1] if len(seqs) == n_hits else rows[n_old - 1].seq
    after = replace(state, swept_seq=upto, n_pruned=state.n_pruned + len(seqs))
    return Step(state, after, seqs=seqs)


def take(tx: Tx, step: Step) -> int:
    """Do a step; 0 if somebody else works on the site, or has moved on since the step was thought out."""
    row = select(*[retention.c[name] for name in State.__slots__]).where(retention.c.site_id == step.before.site_id)
    held = tx.execute(row.with_for_update(key_share=True, skip_locked=True)).one_or_none()
    if held is None or State(*held) != step.before:
        return 0
    if step.seal:
        tx.execute(update(visits).where(among(tx, visits.c.visit_id, step.seal)).values(sealed=True))
    drop(tx, engagements.c.hit_seq, step.seqs)
    drop(tx, visit_hits.c.hit_seq, step.seqs)
    drop(tx, hits.c.seq, step.seqs)
    upsert(tx, retention, [row_of(step.after)])
    return max(1, len(step.seqs))
