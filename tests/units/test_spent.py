"""A link's token is used once, also where two pages use it at the same time."""

import threading
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, select

from tracker.collect.crossing import LIFE
from tracker.collect.spent import KEPT, forget_old, n_old, spend
from tracker.db.schema import spent_links
from tracker.db.store import begin, reading

NOW = datetime(2026, 4, 1, 3, 0, tzinfo=UTC)


def test_a_token_is_used_once_and_another_is_another(store: Engine) -> None:
    outcomes = []
    for token in ("one", "one", "other", "one", "other"):
        with begin(store) as tx:
            outcomes.append(spend(tx, token, NOW))
    assert outcomes == [True, False, True, False, False]


def test_of_many_at_the_same_time_one_may_use_it(store: Engine) -> None:
    outcomes: list[bool] = []
    start = threading.Barrier(6)

    def use() -> None:
        start.wait()
        with begin(store) as tx:
            outcomes.append(spend(tx, "one", NOW))

    threads = [threading.Thread(target=use) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [False] * 5 + [True]


def test_what_did_not_come_to_be_committed_is_not_used(store: Engine) -> None:
    try:
        with begin(store) as tx:
            assert spend(tx, "one", NOW)
            raise ConnectionError
    except ConnectionError:
        pass
    with begin(store) as tx:
        assert spend(tx, "one", NOW)


def test_used_ones_are_forgotten_when_they_do_not_open_any_more(store: Engine) -> None:
    assert KEPT > LIFE
    with begin(store) as tx:
        spend(tx, "old", NOW)
        spend(tx, "new", NOW + timedelta(minutes=1))
    at = NOW + KEPT + timedelta(seconds=1)
    with begin(store) as tx:
        assert n_old(tx, at) == 1
        forget_old(tx, at)
        assert n_old(tx, at) == 0
    with reading(store) as tx:
        assert len(tx.execute(select(spent_links)).all()) == 1
