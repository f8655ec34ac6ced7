"""Credit for any paths and amounts: the vectorised forms give what the plain ones give, and everything adds up."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker.attribution.credit import Weighted, changes, group_sums, rest_tie, share, share_entries, with_rest
from tracker.attribution.models import MODELS, weigh, weigh_all
from tracker.attribution.standing import eligible
from tracker.attribution.terms import SCALE, DirectPolicy, Hazard, Shares, Terms
from tracker.attribution.touches import ALWAYS_MS, Touch, Way, paths_of
from tracker.money import split, tie_number
from tracker.vocabulary import Model, PathScope

# A busy machine makes no example wrong.
unhurried = settings(deadline=None)

CHANNELS = st.sampled_from(["direct", "email", "paid_search", "brand_search"])
TIMES = st.integers(0, 50)
TOUCHES = st.builds(
    Touch, st.just("touch"), TIMES, CHANNELS, scope=st.integers(0, 2), is_excluded=st.sampled_from([False, False, True])
)
MOMENTS = st.one_of(st.none(), st.integers(0, 60))
WAYS = st.builds(
    Way,
    st.lists(TOUCHES, max_size=6).map(lambda touches: sorted(touches, key=lambda touch: touch.touched_ms)),
    converted_ms=st.integers(50, 60),
    earliest_ms=st.one_of(st.just(ALWAYS_MS), st.integers(-1, 51)),
    lead_ms=MOMENTS,
    deal_ms=MOMENTS,
    close_ms=MOMENTS,
)
TERMS = st.builds(
    Terms,
    model=st.just(Model.LAST),
    direct=st.sampled_from(DirectPolicy),
    capture=st.sampled_from([frozenset(), frozenset({"brand_search"}), frozenset({"email", "direct"})]),
    scope=st.sampled_from(PathScope),
    half_life_ms=st.sampled_from([1, 7, 20, 10_000]),
    custom=st.sampled_from([Shares(10_000), Shares(0, 0, 5_000, 0, 5_000), Shares(2_000, 2_000, 2_000, 2_000, 2_000)]),
    effects=st.sampled_from([{}, {"email": SCALE // 3, "paid_search": 5}]),
    hazard=st.just(Hazard(10, SCALE // 9, {"email": SCALE // 5})),
    measured=st.sampled_from([{}, {"email": 40}, {"email": 250, "paid_search": 0}]),
)
# Ordinary amounts, the largest that is accepted, and beyond 64 bits.
AMOUNTS = st.one_of(st.integers(-10_000, 10_000), st.integers(-(9 * 10**15), 9 * 10**15), st.integers(-(2**70), 2**70))
WEIGHTS = st.lists(st.one_of(st.integers(0, 4), st.integers(0, 2**31)), max_size=6)


def weighted_of(weights: list[list[int]]) -> Weighted:
    """Paths of these weights; the ids of conversions and touches are told from their places."""
    return Weighted(
        np.cumsum([0, *map(len, weights)], dtype=np.int64),
        np.array([weight for path in weights for weight in path], dtype=np.int64),
        np.array([tie for i, path in enumerate(weights) for tie in ties_of(i, len(path))], dtype=np.int64),
    )


def ties_of(number: int, n: int) -> list[int]:
    return [tie_number(f"conversion {number}", f"touch {number}.{j}") for j in range(n)]


def plain_share(amount: int, number: int, weights: list[int]) -> list[int]:
    if sum(weights) == 0:
        return [0] * len(weights)
    return split(amount, weights, ties_of(number, len(weights)))


@pytest.mark.parametrize("model", Model)
@unhurried
@given(ways=st.lists(WAYS, max_size=5), terms=TERMS)
def test_a_vectorised_model_weighs_as_its_plain_form_does(model: Model, ways: list[Way], terms: Terms) -> None:
    terms = replace(terms, model=model)
    plain = [weigh(terms, way) for way in ways]
    weights, rest = weigh_all(terms, paths_of(ways))
    assert weights.tolist() == [weight for path, _ in plain for weight in path]
    assert rest.tolist() == [left for _, left in plain]


@pytest.mark.parametrize("model", Model)
@unhurried
@given(way=WAYS, terms=TERMS)
def test_something_is_explained_exactly_when_a_touch_may_earn(model: Model, way: Way, terms: Terms) -> None:
    terms = replace(terms, model=model)
    weights, rest = weigh(terms, way)
    may = eligible(way, terms)
    assert min([*weights, rest]) >= 0
    assert (sum(weights) + rest > 0) is any(may)
    assert not any(weight for weight, may_earn in zip(weights, may, strict=True) if not may_earn)
    if not terms.measured and model is not Model.HAZARD:
        assert rest == 0


@unhurried
@given(weights=st.lists(WEIGHTS, min_size=1, max_size=6), data=st.data())
def test_what_is_nobodys_is_shared_like_a_touch(weights: list[list[int]], data: st.DataObject) -> None:
    rest = data.draw(st.lists(st.integers(0, 2**31), min_size=len(weights), max_size=len(weights)))
    amounts = data.draw(st.lists(AMOUNTS, min_size=len(weights), max_size=len(weights)))
    paths, places = with_rest(weighted_of(weights), np.array(rest, dtype=np.int64))
    shares = share(amounts, np.arange(len(weights), dtype=np.int64), paths)
    found = [shares.shares[first:end].tolist() for first, end in pairwise(shares.offsets.tolist())]
    for i, (own, left, amount) in enumerate(zip(weights, rest, amounts, strict=True)):
        ties = ties_of(i, len(own))
        whole = [*own, left]
        assert found[i] == (split(amount, whole, [*ties, rest_tie(ties)]) if sum(whole) else [0] * len(whole))
    assert places[paths.offsets[1:] - 1].tolist() == [-1] * len(weights)


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
