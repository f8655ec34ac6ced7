"""How long pages were seen: told by leaves, which change nothing else."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select

from tests.walks import START, World
from tracker.db.schema import engagements, hits, visitors
from tracker.db.store import begin, reading
from tracker.rebuild import rebuild
from tracker.retention import prune
from tracker.visits.engagement import engagement_of

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
CRAWLER = "Mozilla/5.0 (compatible; Googlebot/2.1)"


@pytest.fixture
def world(store: Engine) -> World:
    return World(store)


def leave(world: World, page: dict[str, Any], minute: float, engaged_s: int, scroll: int) -> dict[str, Any]:
    at = START + minute * MINUTE
    return world.hit(at, "/", kind="leave", page=page["id"], engaged=engaged_s * 1000, scroll=scroll)


def seen(world: World) -> dict[str, tuple[int, int]]:
    """Seconds and percent by the page's path."""
    with reading(world.store) as tx:
        urls: dict[int, str] = dict(tx.execute(select(hits.c.seq, hits.c.url)).all())  # type: ignore[arg-type]
        found = engagement_of(tx, urls)
    return {urls[seq].partition(".example")[2]: (one.engaged_ms // 1000, one.scroll) for seq, one in found.items()}


def everything_else(world: World) -> dict[str, Any]:
    return {name: rows for name, rows in world.facts().items() if name != "engagements"}


def test_the_largest_that_was_told_of_a_page_counts_whatever_came_first(world: World) -> None:
    front, prices = world.hit(START, "/"), world.hit(START + MINUTE, "/prices")
    told = [leave(world, front, 1, 20, 90), leave(world, prices, 2, 5, 10), leave(world, prices, 3, 60, 40)]
    world.send("v", told[1:])
    world.fold()
    assert seen(world) == {}
    world.send("v", [prices, told[0], front])
    world.fold()
    assert seen(world) == {"/": (20, 90), "/prices": (60, 40)}
    world.send("v", [leave(world, front, 4, 12, 95), *told])
    world.fold()
    assert seen(world) == {"/": (20, 95), "/prices": (60, 40)}


def test_a_leave_begins_extends_and_cuts_no_visit_and_is_no_touch(world: World) -> None:
    pages = [world.hit(START, "/?utm_source=news"), world.hit(START + 29 * MINUTE, "/b")]
    world.send("v", pages)
    world.fold()
    before = everything_else(world)
    again = leave(world, pages[1], 45, 900, 100) | {
        "url": "https://www.acme.example/?gclid=x",
        "referrer": "https://g.co/",
    }
    world.send("v", [leave(world, pages[0], 29, 5, 5), again])
    world.fold()
    assert everything_else(world) == before
    world.send("v", [world.hit(START + 60 * MINUTE, "/c")])
    world.fold()
    assert len(world.facts()["visits"]) == 2  # from the last page on it is 31 minutes, from the leave 15


@pytest.mark.parametrize("whose", ["a visitor that is known", "one that is not"])
def test_a_leave_of_somebody_elses_page_tells_nothing_of_it(world: World, whose: str) -> None:
    page = world.hit(START, "/")
    world.send("v", [page])
    if whose == "a visitor that is known":
        world.send("w", [world.hit(START, "/w")])
    world.fold()
    before = everything_else(world)
    world.send("w", [leave(world, page, 1, 999, 100)])
    world.fold()
    assert seen(world) == {}
    assert everything_else(world) == before


def test_what_a_crawler_tells_is_not_kept(world: World) -> None:
    page = world.hit(START, "/")
    world.send("v", [page])
    world.send("v", [leave(world, page, 1, 9, 9)], agent=CRAWLER)
    world.fold()
    assert seen(world) == {}
    with reading(world.store) as tx:
        assert tx.execute(select(engagements)).all() == []


def test_a_rebuild_gives_the_same(world: World) -> None:
    page = world.hit(START, "/")
    world.send("v", [leave(world, page, 2, 30, 50), page])
    world.fold()
    before = world.facts()
    assert before["engagements"]
    with begin(world.store) as tx:
        rebuild(tx, 1)
    assert world.facts() == before


def test_leaves_go_from_the_journal_with_their_pages(world: World) -> None:
    midnight = START.replace(hour=0)
    old, kept = world.hit(START, "/old"), world.hit(midnight + DAY - 5 * MINUTE, "/across")
    world.send("v", [old, leave(world, old, 1, 9, 9), leave(world, old, 2, 10, 9)])
    day_after = [world.hit(midnight + DAY + MINUTE, "/across2"), world.hit(midnight + 9 * DAY, "/newest")]
    across = world.hit(midnight + DAY - MINUTE, "/", kind="leave", page=kept["id"], engaged=7_000, scroll=70)
    nobodys = leave(world, old, 3, 1, 1) | {"page": "01890a5d-ac96-774b-bcce-b302099a8057"}
    world.send("w", [kept, across])
    world.send("w", [nobodys])
    world.send("w", day_after[:1])
    world.send("w", day_after[1:])
    world.fold()
    while prune(world.store, 30, midnight + 31 * DAY + timedelta(hours=4), 1):
        pass
    with reading(world.store) as tx:
        left = [url.partition(".example")[2] for url in tx.execute(select(hits.c.url).order_by(hits.c.seq)).scalars()]
        assert tx.execute(select(visitors)).all()
    assert left == ["/across", "/", "/across2", "/newest"]
    assert seen(world) == {"/across": (7, 70)}
    before = world.facts()
    with begin(world.store) as tx:
        rebuild(tx, 2)
    assert world.facts() == before
    while prune(world.store, 30, midnight + 33 * DAY + timedelta(hours=4), 1):
        pass
    assert seen(world) == {}
    with reading(world.store) as tx:
        assert tx.execute(select(hits.c.url)).scalars().all() == ["https://www.acme.example/newest"]
        assert tx.execute(select(engagements)).all() == []


def test_the_journals_last_hit_stays_though_it_is_a_leave_and_goes_when_another_came(world: World) -> None:
    page = world.hit(START, "/")
    world.send("v", [page])
    world.send("v", [leave(world, page, 1, 9, 9)])
    world.fold()
    long_after = START.replace(hour=0) + 40 * DAY + timedelta(hours=4)
    while prune(world.store, 30, long_after):
        pass
    with reading(world.store) as tx:
        assert tx.execute(select(hits.c.kind)).scalars().all() == ["leave"]
    world.send("v", [world.hit(START + 39 * DAY, "/later")])
    world.fold()
    while prune(world.store, 30, long_after + DAY):
        pass
    with reading(world.store) as tx:
        assert tx.execute(select(hits.c.kind)).scalars().all() == ["page"]
        assert tx.execute(select(engagements)).all() == []
