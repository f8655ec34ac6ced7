"""Credit for any paths and amounts: the vectorised forms give what the plain ones give, and everything adds up."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker.attribution.credit import Weighted, changes, group_sums, share, share_entries
from tracker.attribution.models import ALWAYS_MS, MODELS, DirectPolicy, Paths, Touch, weigh, weigh_all
from tracker.money import split, tie_key
from tracker.vocabulary import Model

# A busy machine makes no example wrong.
unhurried = settings(deadline=None)

CHANNELS = st.sampled_from(["direct", "email", "paid_search"])
TIMES = st.integers(0, 50)
JOURNEYS = st.lists(
    st.lists(st.tuples(CHANNELS, TIMES), max_size=6).map(lambda steps: sorted(steps, key=lambda s: s[1]))
)
EARLIEST = st.one_of(st.just(ALWAYS_MS), st.integers(-1, 51))
# Ordinary amounts, the largest that is accepted, and beyond 64 bits.
AMOUNTS = st.one_of(st.integers(-10_000, 10_000), st.integers(-(9 * 10**15), 9 * 10**15), st.integers(-(2**70), 2**70))
WEIGHTS = st.lists(st.one_of(st.integers(0, 4), st.integers(0, 2**31)), max_size=6)


def paths_of(journeys: list[list[Touch]]) -> Paths:
    touches = [touch for path in journeys for touch in path]
    return Paths(
        np.cumsum([0, *(len(path) for path in journeys)], dtype=np.int64),
        np.array([touch.touched_ms for touch in touches], dtype=np.int64),
        np.array([touch.is_direct for touch in touches], dtype=np.bool_),
    )


def weighted_of(weights: list[list[int]]) -> Weighted:
    """Paths of these weights; the ids of conversions and touches are told from their places."""
    return Weighted(
        np.cumsum([0, *map(len, weights)], dtype=np.int64),
        np.array([weight for path in weights for weight in path], dtype=np.int64),
        [f"conversion {i}" for i in range(len(weights))],
        [f"touch {i}.{j}" for i, path in enumerate(weights) for j in range(len(path))],
    )


def plain_share(amount: int, number: int, weights: list[int]) -> list[int]:
    if sum(weights) == 0:
        return [0] * len(weights)
    keys = [tie_key(f"conversion {number}", f"touch {number}.{j}") for j in range(len(weights))]
    return split(amount, weights, keys)


@pytest.mark.parametrize("model", Model)
@unhurried
@given(steps=JOURNEYS, data=st.data(), direct=st.sampled_from(DirectPolicy))
def test_a_vectorised_model_weighs_as_its_plain_form_does(
    model: Model, steps: list[list[tuple[str, int]]], data: st.DataObject, direct: DirectPolicy
) -> None:
    journeys = [[Touch(f"{i}", at, channel) for i, (channel, at) in enumerate(path)] for path in steps]
    earliest = data.draw(st.lists(EARLIEST, min_size=len(journeys), max_size=len(journeys)))
    plain = [weigh(model, path, limit, direct) for path, limit in zip(journeys, earliest, strict=True)]
    found = weigh_all(model, paths_of(journeys), np.array(earliest, dtype=np.int64), direct)
    assert found.tolist() == [weight for path in plain for weight in path]


@pytest.mark.parametrize("model", Model)
@unhurried
@given(path=st.lists(st.tuples(CHANNELS, TIMES), min_size=1), earliest=EARLIEST, direct=st.sampled_from(DirectPolicy))
def test_some_touch_earns_exactly_when_one_is_inside_the_look_back(
    model: Model, path: list[tuple[str, int]], earliest: int, direct: DirectPolicy
) -> None:
    touches = [Touch(f"{i}", at, channel) for i, (channel, at) in enumerate(path)]
    weights = weigh(model, touches, earliest, direct)
    assert min(weights) >= 0
    assert (sum(weights) > 0) is any(touch.touched_ms > earliest for touch in touches)
    assert not any(weight for touch, weight in zip(touches, weights, strict=True) if touch.touched_ms <= earliest)


def test_every_model_is_registered() -> None:
    assert list(MODELS) == list(Model)


@unhurried
@given(weights=st.lists(WEIGHTS, min_size=1, max_size=8), data=st.data())
def test_shares_are_those_of_the_plain_split(weights: list[list[int]], data: st.DataObject) -> None:
    which = data.draw(st.lists(st.integers(0, len(weights) - 1), max_size=12))
    amounts = data.draw(st.lists(AMOUNTS, min_size=len(which), max_size=len(which)))
    shares = share(amounts, np.array(which, dtype=np.int64), weighted_of(weights))
    found = [shares.shares[first:end].tolist() for first, end in pairwise(shares.offsets.tolist())]
    assert found == [plain_share(amount, i, weights[i]) for amount, i in zip(amounts, which, strict=True)]
    for amount, i, parts in zip(amounts, which, found, strict=True):
        assert sum(parts) == (amount if sum(weights[i]) else 0)


@unhurried
@given(weights=WEIGHTS.filter(any), amount=AMOUNTS)
def test_a_negative_amount_takes_back_what_the_positive_gave(weights: list[int], amount: int) -> None:
    paths, first = weighted_of([weights]), np.array([0], dtype=np.int64)
    given_, taken = share([amount], first, paths).shares, share([-amount], first, paths).shares
    assert given_.tolist() == [-part for part in taken.tolist()]


@unhurried
@given(weights=WEIGHTS.filter(any), ledger=st.lists(AMOUNTS, max_size=6))
def test_the_credits_of_a_ledger_add_up_to_the_share_of_its_net(weights: list[int], ledger: list[int]) -> None:
    before, after = changes(ledger)
    which = np.zeros(len(ledger), dtype=np.int64)
    shares = share_entries(before, after, which, weighted_of([weights])).shares.reshape(len(ledger), len(weights))
    assert [sum(int(part) for part in entry) for entry in shares] == ledger
    sums = [sum(int(part) for part in touch) for touch in shares.T]
    assert sums == plain_share(sum(ledger), 0, weights)


@unhurried
@given(weights=WEIGHTS.filter(any), ledger=st.lists(AMOUNTS, min_size=1, max_size=4))
def test_a_full_refund_leaves_nothing_with_any_touch(weights: list[int], ledger: list[int]) -> None:
    refunded = [*ledger, -sum(ledger)]
    before, after = changes(refunded)
    which = np.zeros(len(refunded), dtype=np.int64)
    shares = share_entries(before, after, which, weighted_of([weights])).shares.reshape(len(refunded), len(weights))
    assert [sum(int(part) for part in touch) for touch in shares.T] == [0] * len(weights)


@unhurried
@given(amounts=st.lists(AMOUNTS, min_size=1), data=st.data())
def test_sums_of_groups_are_exact_whatever_their_size(amounts: list[int], data: st.DataObject) -> None:
    groups = data.draw(st.lists(st.integers(0, 3), min_size=len(amounts), max_size=len(amounts)))
    dtype = np.int64 if all(abs(amount) < 2**62 for amount in amounts) else object
    found = group_sums(np.array(amounts, dtype=dtype), np.array(groups), 4)
    assert found == [sum(a for a, g in zip(amounts, groups, strict=True) if g == group) for group in range(4)]


def test_no_place_on_the_path_is_favoured_by_odd_units() -> None:
    n = 6_000
    paths = weighted_of([[1, 1, 1]] * n)
    odd = share([1] * n, np.arange(n, dtype=np.int64), paths).shares.reshape(n, 3).sum(axis=0)
    assert odd.sum() == n
    assert all(0.31 * n < units < 0.36 * n for units in odd)
