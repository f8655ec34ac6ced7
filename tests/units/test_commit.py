"""Many bring, one transaction: each is told its own outcome after it, and what has no room is told at once."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tracker.collect.commit import Away, Bounds, GroupCommit, Waiting

ROOMY = Bounds(n_batch=8, wait_s=0, n_waiting=1_000, n_bytes=1_000_000)
PATIENCE_S = 30


class Store:
    """Doubles numbers; the first batch waits until the test opens it."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.entered, self.opened = threading.Event(), threading.Event()

    def work(self, numbers: Sequence[int]) -> list[int]:
        self.batches.append(list(numbers))
        if len(self.batches) == 1:
            self.entered.set()
            assert self.opened.wait(PATIENCE_S)
        return [2 * number for number in numbers]


class Told:
    """What somebody was told."""

    def __init__(self) -> None:
        self.outcomes: list[int | None] = []
        self.came = threading.Event()

    def __call__(self, outcome: int | None) -> None:
        self.outcomes.append(outcome)
        self.came.set()


def bring(
    commit: GroupCommit[int, int], number: int, weight: int = 1, n_bytes: int = 1
) -> tuple[bool, Told, Waiting[int, int]]:
    told = Told()
    place: Waiting[int, int] = Waiting(number, weight, n_bytes, told)
    return commit.put(place), told, place


def group(work: Callable[[Sequence[int]], Sequence[int]], bounds: Bounds = ROOMY) -> GroupCommit[int, int]:
    return GroupCommit(work, lambda number: -number, bounds)


def held(store: Store, bounds: Bounds = ROOMY) -> GroupCommit[int, int]:
    """A group commit that is busy with its first batch, [0]."""
    commit = group(store.work, bounds)
    bring(commit, 0)
    assert store.entered.wait(PATIENCE_S)
    return commit


def test_who_comes_during_a_commit_shares_the_next_one() -> None:
    store = Store()
    commit = held(store)
    others = [bring(commit, number) for number in range(1, 11)]
    assert not any(told.outcomes for _, told, _ in others), "told before the commit"
    store.opened.set()
    commit.close()
    assert [told.outcomes for _, told, _ in others] == [[2 * number] for number in range(1, 11)]
    assert [len(batch) for batch in store.batches] == [1, 8, 2]
    assert (commit.figures.n_batches, commit.figures.n_taken, commit.n_waiting) == (3, 11, 0)


def test_a_batch_is_full_by_weight_and_a_heavy_thing_goes_alone() -> None:
    store = Store()
    commit = held(store)
    for number, weight in [(1, 5), (2, 4), (3, 20), (4, 8), (5, 1)]:
        bring(commit, number, weight)
    store.opened.set()
    commit.close()
    assert store.batches == [[0], [1], [2], [3], [4], [5]]


def test_there_is_no_room_beyond_the_bounds_and_again_when_some_have_gone() -> None:
    for bounds in (replace(ROOMY, n_waiting=2), replace(ROOMY, n_bytes=20)):
        store = Store()
        commit = held(store, bounds)
        assert [bring(commit, number, n_bytes=10)[0] for number in (1, 2, 3)] == [True, True, False]
        assert commit.figures.n_turned_away == 1
        store.opened.set()
        commit.close()
        assert store.batches == [[0], [1, 2]]


def test_who_has_given_up_is_not_committed() -> None:
    store = Store()
    commit = held(store)
    (_, _, gone), (_, stayed, _) = bring(commit, 1), bring(commit, 2)
    gone.given_up = True
    store.opened.set()
    commit.close()
    assert store.batches == [[0], [2]]
    assert stayed.outcomes == [4]


def test_one_that_cannot_be_done_spoils_no_other() -> None:
    store = Store()

    def work(numbers: Sequence[int]) -> list[int]:
        if 3 in numbers:
            raise ValueError("three")
        return store.work(numbers)

    commit = held_by(work, store)
    brought = [bring(commit, number) for number in (1, 2, 3, 4)]
    store.opened.set()
    commit.close()
    assert [told.outcomes for _, told, _ in brought] == [[2], [4], [-3], [8]]


def held_by(work: Callable[[Sequence[int]], Sequence[int]], store: Store) -> GroupCommit[int, int]:
    commit = group(work)
    bring(commit, 0)
    assert store.entered.wait(PATIENCE_S)
    return commit


def test_a_store_that_is_away_keeps_nothing_and_service_resumes_by_itself() -> None:
    away = True

    def work(numbers: Sequence[int]) -> list[int]:
        if away:
            raise Away
        return list(numbers)

    commit = group(work)
    _, told, _ = bring(commit, 1)
    assert told.came.wait(PATIENCE_S)
    assert told.outcomes == [None]
    away = False
    _, told, _ = bring(commit, 2)
    assert told.came.wait(PATIENCE_S)
    assert told.outcomes == [2]
    assert commit.figures.n_away == 1


def test_a_kick_calls_for_work_though_nobody_waits() -> None:
    called = threading.Event()
    commit = group(lambda numbers: called.set() or list(numbers))  # type: ignore[func-returns-value]
    commit.kick()
    assert called.wait(PATIENCE_S)
    commit.close()


@settings(max_examples=60, deadline=None)
@given(
    things=st.lists(st.tuples(st.integers(1, 999), st.integers(1, 12)), max_size=60),
    n_batch=st.integers(1, 10),
    bad=st.sets(st.integers(1, 999), max_size=3),
)
def test_everybody_is_told_once_and_in_whole_batches(
    things: list[tuple[int, int]], n_batch: int, bad: set[int]
) -> None:
    kept: list[int] = []

    def work(numbers: Sequence[int]) -> list[int]:
        if bad & set(numbers):
            raise ValueError
        kept.extend(numbers)
        return [2 * number for number in numbers]

    commit = group(work, replace(ROOMY, n_batch=n_batch))
    brought = [(number, bring(commit, number, weight)[1]) for number, weight in things]
    commit.close()
    assert [told.outcomes for _, told in brought] == [[-n if n in bad else 2 * n] for n, _ in brought]
    assert kept == [number for number, _ in things if number not in bad]
