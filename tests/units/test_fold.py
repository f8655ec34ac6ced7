"""What the fold leaves alone, and hits of one instant, on both stores."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine, delete, select, update

from tests.walks import AGENT, START, World
from tracker.db.schema import contacts, touchpoints, visit_hits, visits
from tracker.db.store import begin, reading
from tracker.rebuild import rebuild

SPRING, NEWS = "?utm_source=google&utm_campaign=spring", "?utm_source=news&utm_campaign=june"


def test_hits_of_one_instant_stay_in_the_visits_that_they_were_cut_into(store: Engine) -> None:
    world = World(store)
    five, six = START + timedelta(minutes=5), START + timedelta(minutes=6)
    # The spring page's reload and the newsletter's landing fall into one instant: the second begins a visit.
    world.send("v", [world.hit(START, "/" + SPRING), world.hit(five, "/" + SPRING), world.hit(five, "/" + NEWS)])
    world.fold()
    world.send("v", [world.hit(six, "/pricing")])
    world.fold()
    before = world.facts()
    with reading(store) as tx:
        assert tx.execute(select(visits.c.n_hits).order_by(visits.c.started_at)).scalars().all() == [2, 2]
    with begin(store) as tx:
        rebuild(tx, 10)
    assert world.facts() == before


def test_a_late_hit_moves_the_hits_of_a_visit_and_takes_the_old_one_away(store: Engine) -> None:
    world = World(store)
    world.send("v", [world.hit(START + timedelta(minutes=20), "/pricing")])
    world.fold()
    world.send("v", [world.hit(START, "/" + SPRING)])
    world.fold()
    with reading(store) as tx:
        assert tx.execute(select(visits.c.n_hits)).scalars().all() == [2]
        assert tx.execute(select(touchpoints.c.campaign)).scalars().all() == ["spring"]


def test_a_visit_that_nothing_changes_is_not_written_again(store: Engine) -> None:
    world = World(store)
    world.send("v", [world.hit(START, "/" + SPRING)])
    world.fold()
    with begin(store) as tx:
        tx.execute(update(visits).values(n_pages=99))
    world.send("v", [world.hit(START + timedelta(hours=2), "/pricing")])
    world.fold()
    with reading(store) as tx:
        assert tx.execute(select(visits.c.n_pages).order_by(visits.c.started_at)).scalars().all() == [99, 1]


def test_a_visit_that_ended_more_than_the_gap_before_is_not_even_read(store: Engine) -> None:
    world = World(store)
    world.send("v", [world.hit(START, "/" + SPRING), world.hit(START + timedelta(minutes=5), "/pricing")])
    world.fold()
    with begin(store) as tx:  # as if its page views had left the journal
        tx.execute(delete(visit_hits))
    world.send("v", [world.hit(START + timedelta(minutes=36), "/pricing")])
    world.fold()
    with reading(store) as tx:
        assert tx.execute(select(visits.c.n_hits).order_by(visits.c.started_at)).scalars().all() == [2, 1]
    world.send("v", [world.hit(START + timedelta(minutes=66), "/about")])
    world.fold()
    with reading(store) as tx:
        assert tx.execute(select(visits.c.n_hits).order_by(visits.c.started_at)).scalars().all() == [2, 2]


@pytest.mark.parametrize("batch", [1, 100])
def test_a_form_names_somebody_by_its_own_browser_whatever_was_there_before(store: Engine, batch: int) -> None:
    world = World(store)
    world.send("v", [world.hit(START, "/")], agent="Mozilla/5.0 (compatible; Googlebot/2.1)")
    for n, agent in enumerate([AGENT, "Mozilla/5.0 (compatible; Googlebot/2.1)"]):
        who = {"email": f"p{n}@kyoto.example"}
        world.send("v", [world.hit(START + timedelta(days=2, hours=n), "/", kind="form", identifiers=who)], agent=agent)
    world.fold(batch)
    with reading(store) as tx:
        assert tx.execute(select(contacts.c.email)).scalars().all() == ["p0@kyoto.example"]
