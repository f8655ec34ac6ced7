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
from tracker.db.schema import hits, identifications, metadata, visit_hits, visits
from tracker.db.store import begin, connect, reading
from tracker.rebuild import rebuild
from tracker.reports.query import parse_query
from tracker.reports.source import source_report
from tracker.retention import prune
from tracker.vocabulary import Basis, Model

PAGES = ("/", "/pricing", "/?utm_source=google&utm_medium=cpc&gclid=A1", "/?utm_source=news&utm_medium=email")
REFERRERS = ("", "https://www.google.com/", "https://note.com/x", "https://www.acme.example/")
WHO = ("hana@kyoto.example", "ken@osaka.example", "", "mari@gmail.com")
CRAWLER = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
MIDNIGHT = START.replace(hour=0)
DAYS = 6

# Mostly near one another, so that visits have several hits and some lie across a day's end.
minutes = st.one_of(st.integers(0, DAYS * 1440), st.integers(1320, 1560), st.integers(2800, 2960))
page = st.tuples(st.just("page"), st.sampled_from("abc"), minutes, st.sampled_from(PAGES), st.sampled_from(REFERRERS))
form = st.tuples(st.just("form"), st.sampled_from("abc"), minutes, st.sampled_from(WHO))
deal = st.tuples(st.just("deal"), st.sampled_from(WHO[:2]), minutes, st.sampled_from(["open", "won"]))
happenings = st.lists(st.one_of(page, page, page, form, deal), min_size=1, max_size=25)
later = st.lists(st.one_of(page, page, form), max_size=6)
asked = st.fixed_dictionaries(
    {
        "from": st.just("2026-03-25"),
        "to": st.just("2026-04-20"),
        "by": st.sampled_from(["channel", "source,campaign", "landing_page"]),
        "model": st.sampled_from([model.value for model in Model]),
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
    hit = (
        world.hit(at, one[3], one[4])
        if one[0] == "page"
        else world.hit(at, "/contact", kind="form", identifiers={"email": one[3]})
    )
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
        query = parse_query(args, site_by_id(tx, world.site.site_id))
        return source_report(tx, query, START + timedelta(days=30)).to_json()


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
        assert stands(pruned, without=("visit_hits",)) == stands(whole, without=("visit_hits",))
        with begin(pruned.store) as tx:
            rebuild(tx, 3)
        assert stands(pruned, without=("visit_hits",)) == stands(whole, without=("visit_hits",))

        prune_all(pruned, horizon, n_hits)
        assert stands(pruned, without=("visit_hits",)) == stands(whole, without=("visit_hits",))
        assert report(pruned, args) == report(whole, args)
        assert only_evidence_is_left(pruned, horizon)
        kept, facts = left(pruned), pruned.facts()
        assert prune_all(pruned, horizon, n_hits) == 0
        with begin(pruned.store) as tx:
            rebuild(tx, 3)
        assert (left(pruned), pruned.facts()) == (kept, facts)

        for world in (whole, pruned):
            for one in after:
                told(world, one, horizon)
            world.fold(2)
        assert stands(pruned, without=("visit_hits",)) == stands(whole, without=("visit_hits",))
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
