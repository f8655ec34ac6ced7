"""Page views leave the journal, and nothing derived of them changes: not then, not by a rebuild, not by new hits."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from tests.walks import START, World
from tracker.access.sites import site_by_id
from tracker.attribution.models import MODELS
from tracker.attribution.terms import Fit, Hazard
from tracker.attribution.touches import DAY_MS
from tracker.db.schema import engagements, hits, identifications, metadata, visit_hits, visits
from tracker.db.store import begin, connect, reading
from tracker.rebuild import rebuild
from tracker.reports.query import parse_query
from tracker.reports.source import source_report
from tracker.retention import prune
from tracker.visits.engagement import Engagement, engagement_of
from tracker.vocabulary import Basis

PAGES = ("/", "/pricing", "/?utm_source=google&utm_medium=cpc&gclid=A1", "/?utm_source=news&utm_medium=email")
REFERRERS = ("", "https://www.google.com/", "https://note.com/x", "https://www.acme.example/")
WHO = ("hana@kyoto.example", "ken@osaka.example", "", "mari@gmail.com")
CRAWLER = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
MIDNIGHT = START.replace(hour=0)
DAYS = 6
NO_PAGE = "01890a5d-ac96-774b-bcce-b302099a8057"
GOES = ("visit_hits", "engagements")  # with the page views

# Mostly near one another, so that visits have several hits and some lie across a day's end.
minutes = st.one_of(st.integers(0, DAYS * 1440), st.integers(1320, 1560), st.integers(2800, 2960))
page = st.tuples(st.just("page"), st.sampled_from("abc"), minutes, st.sampled_from(PAGES), st.sampled_from(REFERRERS))
form = st.tuples(st.just("form"), st.sampled_from("abc"), minutes, st.sampled_from(WHO))
chat = st.tuples(
    st.just("chat"), st.sampled_from("abc"), minutes, st.sampled_from(WHO), st.sampled_from(["s-1", "s-2"])
)
leave = st.tuples(
    st.just("leave"), st.sampled_from("abc"), minutes, st.integers(0, 9), st.integers(0, 99), st.integers(0, 100)
)
deal = st.tuples(st.just("deal"), st.sampled_from(WHO[:2]), minutes, st.sampled_from(["open", "won"]))
happenings = st.lists(st.one_of(page, page, page, form, chat, leave, leave, deal), min_size=1, max_size=25)
later = st.lists(st.one_of(page, page, form, leave), max_size=6)
FIT = Fit(1, {1: {"direct": 1, "referral": 3}}, Hazard(DAY_MS, 1, {"direct": 1, "referral": 3}), {})
asked = st.fixed_dictionaries(
    {
        "from": st.just("2026-03-25"),
        "to": st.just("2026-04-20"),
        "by": st.sampled_from(["channel", "source,campaign", "landing_page"]),
        "model": st.sampled_from([model.value for model in MODELS if not MODELS[model].is_global]),
        "basis": st.sampled_from([basis.value for basis in Basis]),
    }
)


def told(world: World, one: tuple[Any, ...], since: datetime) -> None:
    """One thing happens; `c` is a crawler's browser."""
    at = since + timedelta(minutes=one[2])
    if one[0] == "deal":
        named = [{"by": "email", "value": one[1]}]
        world.deal(f"D {one[1]}", at, amount="100", status=one[3], contacts=named)
        return
    if one[0] == "page":
        hit = world.hit(at, one[3], one[4])
    elif one[0] == "leave":
        page_id = world.pages[one[3] % len(world.pages)] if world.pages else NO_PAGE
        hit = world.hit(at, "/", kind="leave", page=page_id, engaged=one[4], scroll=one[5])
    elif one[0] == "chat":
        hit = world.hit(at, "/", kind="chat", chat={"provider": "p", "id": one[4]}, identifiers={"email": one[3]})
    else:
        hit = world.hit(at, "/contact", kind="form", identifiers={"email": one[3]})
    agent = {"agent": CRAWLER} if one[1] == "c" else {}
    world.send(one[1], [hit], **agent)


def stands(world: World, *, without: tuple[str, ...] = ()) -> dict[str, list[Any]]:
    """Everything derived, but for the mark of sealed visits."""
    found: dict[str, list[Any]] = {}
    for name, rows in world.facts().items():
        columns = [column.name for column in metadata.tables[name].columns]
        if name not in without:
            found[name] = [
                tuple(value for column, value in zip(columns, row, strict=True) if column != "sealed") for row in rows
            ]
            found[name].sort(key=repr)
    return found


def report(world: World, args: dict[str, str]) -> dict[str, Any]:
    """A report as it is told to programs."""
    with reading(world.store) as tx:
        query = parse_query(args, site_by_id(tx, world.site.site_id), fit=FIT)
        return source_report(tx, query, START + timedelta(days=30)).to_json()


def seen(world: World) -> dict[str, Engagement]:
    """How long each page view that is in the journal was seen, by its hit."""
    with reading(world.store) as tx:
        ids = {row.seq: row.hit_id for row in tx.execute(select(hits.c.seq, hits.c.hit_id))}
        return {ids[seq]: engaged for seq, engaged in engagement_of(tx, ids).items()}


def seen_alike(whole: World, pruned: World) -> bool:
    """Whether of each page view that is still there both tell the same."""
    with reading(pruned.store) as tx:
        there = set(tx.execute(select(hits.c.hit_id)).scalars())
    return seen(pruned) == {hit_id: engaged for hit_id, engaged in seen(whole).items() if hit_id in there}


def left(world: World) -> set[int]:
    with reading(world.store) as tx:
        return set(tx.execute(select(hits.c.seq)).scalars())


def prune_all(world: World, horizon: datetime, n_hits: int) -> int:
    """Prune up to a horizon; returns in how many steps."""
    n = 0
    while prune(world.store, 1, horizon + timedelta(days=1, hours=5), n_hits):
        n += 1
    return n


@contextmanager
def two_worlds(template: Path) -> Iterator[list[World]]:
    """Two sites that will be told the same."""
    folder = Path(tempfile.mkdtemp())
    try:
        worlds = []
        for name in ("whole", "pruned"):
            shutil.copy(template, folder / name)
            worlds.append(World(connect(f"sqlite:///{folder / name}")))
        yield worlds
        for world in worlds:
            world.store.dispose()
    finally:
        shutil.rmtree(folder)


@settings(
    max_examples=20,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    before=happenings,
    after=later,
    day=st.integers(0, DAYS + 1),
    n_hits=st.integers(1, 4),
    n_steps=st.integers(0, 6),
    args=asked,
)
def test_all_figures_stay_when_page_views_leave(
    sqlite_template: Path,
    before: list[tuple[Any, ...]],
    after: list[tuple[Any, ...]],
    day: int,
    n_hits: int,
    n_steps: int,
    args: dict[str, str],
) -> None:
    horizon = MIDNIGHT + timedelta(days=day)
    with two_worlds(sqlite_template) as (whole, pruned):
        for world in (whole, pruned):
            for one in before:
                told(world, one, MIDNIGHT)
            world.fold(3)
        # A rebuild between two steps finds visits that are sealed and have some of their hits yet.
        for _ in range(n_steps):
            prune(pruned.store, 1, horizon + timedelta(days=1), n_hits)
        assert stands(pruned, without=GOES) == stands(whole, without=GOES)
        assert seen_alike(whole, pruned)
        with begin(pruned.store) as tx:
            rebuild(tx, 3)
        assert stands(pruned, without=GOES) == stands(whole, without=GOES)
        assert seen_alike(whole, pruned)

        prune_all(pruned, horizon, n_hits)
        assert stands(pruned, without=GOES) == stands(whole, without=GOES)
        assert seen_alike(whole, pruned)
        assert report(pruned, args) == report(whole, args)
        assert only_evidence_is_left(pruned, horizon)
        assert no_leave_outstays_its_page(pruned, horizon)
        kept, facts = left(pruned), pruned.facts()
        assert prune_all(pruned, horizon, n_hits) == 0
        with begin(pruned.store) as tx:
            rebuild(tx, 3)
        assert (left(pruned), pruned.facts()) == (kept, facts)

        for world in (whole, pruned):
            for one in after:
                told(world, one, horizon)
            world.fold(2)
        assert stands(pruned, without=GOES) == stands(whole, without=GOES)
        assert seen_alike(whole, pruned)
        assert report(pruned, args) == report(whole, args)


def only_evidence_is_left(world: World, horizon: datetime) -> bool:
    """Of closed visits from before the horizon only those hits are there that name somebody, and the newest visit's."""
    gap = timedelta(seconds=world.site.visit_gap_s)
    in_visits = select(hits.c.seq).join(visit_hits, visit_hits.c.hit_seq == hits.c.seq)
    closed = in_visits.join(visits, visits.c.visit_id == visit_hits.c.visit_id).where(visits.c.ended_at < horizon - gap)
    newest = select(func.max(hits.c.seq)).scalar_subquery()
    of_newest = select(visit_hits.c.visit_id).where(visit_hits.c.hit_seq == newest)
    with reading(world.store) as tx:
        there = set(tx.execute(closed.where(visits.c.visit_id.not_in(of_newest))).scalars())
        naming = set(tx.execute(select(identifications.c.hit_seq)).scalars())
        sealed = set(tx.execute(select(visits.c.ended_at).where(visits.c.sealed)).scalars())
    return there <= naming and all(ended_at < horizon - gap for ended_at in sealed)


def no_leave_outstays_its_page(world: World, horizon: datetime) -> bool:
    """Of leaves from before the horizon only those are there whose page is, and the journal's last hit.

    The journal is looked through up to the first hit from after the horizon: what a clock set back put behind it waits.
    """
    with reading(world.store) as tx:
        newest = tx.execute(select(func.max(hits.c.seq))).scalar()
        first_late = select(func.coalesce(func.min(hits.c.seq), newest)).where(hits.c.received_at >= horizon)
        leaves = select(hits.c.seq).where(hits.c.kind == "leave", hits.c.seq < first_late.scalar_subquery())
        pages_there = hits.alias("page")
        told = select(engagements.c.hit_seq).join(pages_there, pages_there.c.hit_id == engagements.c.page_id)
        return set(tx.execute(leaves).scalars()) <= set(tx.execute(told).scalars())
