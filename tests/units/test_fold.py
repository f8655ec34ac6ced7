"""What the fold leaves alone, and hits of one instant, on both stores."""

from datetime import timedelta

from sqlalchemy import Engine, select, update

from tests.walks import START, World
from tracker.db.schema import touchpoints, visits
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
