"""The data-driven models against brute force, against slower formulations, and under what must not change them."""

from collections import Counter
from fractions import Fraction
from itertools import combinations, pairwise, permutations
from math import factorial

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tracker.attribution import hazard, markov, ragged, shapley
from tracker.attribution.touches import DAY_MS

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# A busy machine makes no example wrong.
unhurried = settings(deadline=None, max_examples=40)

N_CHANNELS = 4
PATHS = st.lists(st.lists(st.integers(0, N_CHANNELS - 1), max_size=7), max_size=8)
ORDERS = st.sampled_from(markov.ORDERS)


def csr(paths: list[list[int]]) -> tuple[Ints, Ints]:
    offsets = np.cumsum([0, *map(len, paths)], dtype=np.int64)
    return offsets, np.array([code for path in paths for code in path], dtype=np.int64)


def ints(values: list[int]) -> Ints:
    return np.array(values, dtype=np.int64)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[list[int]], list[int], list[int]]:
    """Paths with how often each converted and did not."""
    paths = draw(PATHS)
    counts = st.lists(st.integers(0, 3), min_size=len(paths), max_size=len(paths))
    return paths, draw(counts), draw(counts)


def generated(n: int, n_channels: int, seed: int) -> tuple[Ints, Ints, Ints]:
    """Paths of 0 to many touches whose channels follow one another by habit, a tenth of them converting."""
    random = np.random.default_rng(seed)
    lengths = random.geometric(0.3, n) - 1
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    codes = random.integers(0, n_channels, int(offsets[-1]))
    again = random.random(len(codes)) < 0.5
    codes[1:][again[1:]] = (codes[:-1][again[1:]] + random.integers(0, 2, int(again[1:].sum()))) % n_channels
    converted = (random.random(n) < 0.02 + 0.03 * lengths).astype(np.int64)
    return offsets, codes, converted


# --- Markov -----------------------------------------------------------------------------------------------------------

State = tuple[int, ...]


def literal_chain(
    paths: list[list[int]], converted: list[int], nulls: list[int], order: int
) -> dict[State | str, Counter[State | str]]:
    """The steps of each path with its windows written out; runs of one state are not merged."""
    steps: dict[State | str, Counter[State | str]] = {}
    for path, yes, no in zip(paths, converted, nulls, strict=True):
        if path:
            windows = [tuple(path[i : i + order]) for i in range(max(1, len(path) - order + 1))]
            for before, after in pairwise(["start", *windows]):
                steps.setdefault(before, Counter())[after] += yes + no
            steps.setdefault(windows[-1], Counter()).update({"converted": yes, "null": no})
    return {before: after for before, after in steps.items() if after.total()}


def p_by_elimination(steps: dict[State | str, Counter[State | str]], removed: int | None) -> Fraction:
    """The chance to convert by exact elimination of one state after the other; a removed channel leads to nothing."""
    chances = {
        before: {after: Fraction(n, followers.total()) for after, n in followers.items()}
        for before, followers in steps.items()
        if before == "start" or removed not in before
    }
    for state in [state for state in chances if state != "start"]:
        leaving = chances.pop(state)
        stays = leaving.pop(state, Fraction(0))
        assert stays < 1
        for followers in chances.values():
            if state in followers:
                enters = followers.pop(state)
                for after, chance in leaving.items():
                    followers[after] = followers.get(after, Fraction(0)) + enters * chance / (1 - stays)
    return chances.get("start", {}).get("converted", Fraction(0))


@unhurried
@given(world=worlds(), order=ORDERS)
def test_removal_effects_are_those_of_removing_each_channel_literally(
    world: tuple[list[list[int]], list[int], list[int]], order: int
) -> None:
    paths, converted, nulls = world
    chain = markov.count(*csr(paths), ints(converted), N_CHANNELS, order, ints(nulls))
    steps = literal_chain(paths, converted, nulls, order)
    p = p_by_elimination(steps, None)
    assert markov.p_conversion(chain) == pytest.approx(float(p), abs=1e-15)
    touched = [i for i, path in enumerate(paths) if path]
    n, n_yes = sum(converted[i] + nulls[i] for i in touched), sum(converted[i] for i in touched)
    assert p == (Fraction(n_yes, n) if n else 0)
    expected = [1 - p_by_elimination(steps, channel) / p if p else Fraction(0) for channel in range(N_CHANNELS)]
    found = markov.removal_effects(chain)
    assert found.tolist() == pytest.approx([float(one) for one in expected], abs=1e-12)
    assert all(0 <= effect <= 1 for effect in found)


def effects_by_walking(chain: markov.Chain) -> Floats:
    """Walk forward from the start with and without each channel, all walkers at once, until nobody is under way."""
    states, number = np.unique(np.concatenate((chain.before, chain.after)), return_inverse=True)
    before, after = number[: len(chain.n)], number[len(chain.n) :]
    chance = chain.n / np.bincount(before, weights=chain.n)[before]
    start, end = (int(np.searchsorted(states, one)) for one in (markov.START, markov.CONVERTED))
    found = []
    for removed in (None, *range(chain.n_channels)):
        base, rest, bars = chain.n_channels + 1, np.maximum(states, 0), np.zeros(len(states), dtype=np.bool_)
        while removed is not None and rest.any():
            bars |= rest % base == removed + 1
            rest = rest // base
        under_way = np.zeros(len(states))
        under_way[start], arrived = 1.0, 0.0
        while under_way.sum() > 1e-15:
            under_way = np.bincount(after, weights=under_way[before] * chance, minlength=len(states))
            arrived += under_way[end]
            under_way[bars | (states < 0)] = 0.0
        found.append(arrived)
    return 1 - np.array(found[1:]) / found[0]


@pytest.mark.parametrize(("order", "n_channels"), [(1, 12), (1, 60), (2, 12), (3, 7), (3, 14)])
def test_removal_effects_of_ten_thousand_paths_are_those_of_walking(order: int, n_channels: int) -> None:
    offsets, codes, converted = generated(10_000, n_channels, seed=order)
    chain = markov.count(offsets, codes, converted, n_channels, order)
    touched = np.diff(offsets) > 0
    assert chain.n_paths == touched.sum()
    assert markov.p_conversion(chain) == pytest.approx(converted[touched].mean(), abs=1e-15)
    assert markov.removal_effects(chain) == pytest.approx(effects_by_walking(chain), abs=1e-9)


@pytest.mark.parametrize("order", [2, 3])
def test_sweeping_a_few_channels_at_a_time_gives_what_inverting_gives(order: int) -> None:
    chain = markov.count(*generated(2_000, 6, seed=5), 6, order)
    inverted = markov.removal_effects(chain, dense=len(chain.n))
    assert markov.removal_effects(chain, dense=0) == pytest.approx(inverted, abs=1e-11)
    few = 2 * len(np.unique(chain.before))
    assert markov.removal_effects(chain, dense=0, at_once=few) == pytest.approx(inverted, abs=1e-11)


def test_robots_that_go_round_in_circles_do_not_keep_the_sweeps_from_the_end() -> None:
    offsets, codes, converted = generated(2_000, 4, seed=6)
    paths = [codes[first:end].tolist() for first, end in pairwise(offsets.tolist())]
    # Channels that hardly anybody else uses: walkers there go round a thousand times.
    paths += [[4, 5] * 1_000, [6, 7, 8] * 1_000]
    chain = markov.count(*csr(paths), np.append(converted, [1, 1]), 9, 2)
    inverted = markov.removal_effects(chain, dense=len(chain.n))
    assert markov.removal_effects(chain, dense=0) == pytest.approx(inverted, abs=1e-10)


@unhurried
@given(world=worlds(), order=ORDERS, data=st.data())
def test_neither_names_nor_order_of_paths_change_removal_effects(
    world: tuple[list[list[int]], list[int], list[int]], order: int, data: st.DataObject
) -> None:
    paths, converted, nulls = world
    renamed = data.draw(st.permutations(range(N_CHANNELS)))
    shuffled = data.draw(st.permutations(range(len(paths))))
    found = markov.removal_effects(markov.count(*csr(paths), ints(converted), N_CHANNELS, order, ints(nulls)))
    other = markov.count(
        *csr([[renamed[code] for code in paths[i]] for i in shuffled]),
        ints([converted[i] for i in shuffled]),
        N_CHANNELS,
        order,
        ints([nulls[i] for i in shuffled]),
    )
    assert markov.removal_effects(other)[list(renamed)] == pytest.approx(found, abs=1e-12)


@unhurried
@given(one=worlds(), other=worlds(), order=ORDERS)
def test_chains_add_up_and_what_was_added_can_be_taken_away(
    one: tuple[list[list[int]], list[int], list[int]],
    other: tuple[list[list[int]], list[int], list[int]],
    order: int,
) -> None:
    def chain_of(*some: tuple[list[list[int]], list[int], list[int]]) -> markov.Chain:
        paths, converted, nulls = ([item for world in some for item in world[i]] for i in range(3))
        return markov.count(*csr(paths), ints(converted), N_CHANNELS, order, ints(nulls))

    def told(chain: markov.Chain) -> list[tuple[int, int, int]]:
        return list(zip(chain.before.tolist(), chain.after.tolist(), chain.n.tolist(), strict=True))

    both = markov.add(chain_of(one), chain_of(other))
    assert told(both) == told(chain_of(one, other))
    assert told(markov.subtract(both, chain_of(other))) == told(chain_of(one))


def test_paths_that_are_not_in_a_chain_cannot_be_taken_from_it() -> None:
    one, other = (markov.count(*csr([[code]]), ints([1]), 2) for code in (0, 1))
    with pytest.raises(ValueError, match="not in the chain"):
        markov.subtract(one, other)
    with pytest.raises(ValueError, match="same channels"):
        markov.add(one, markov.count(*csr([[0]]), ints([1]), 3))


@pytest.mark.parametrize(
    ("codes", "converted", "order"), [([2], [1], 1), ([-1], [1], 1), ([0], [-1], 1), ([0], [1], 0), ([0], [1], 4)]
)
def test_numbers_that_cannot_be_are_refused(codes: list[int], converted: list[int], order: int) -> None:
    with pytest.raises(ValueError, match=r"channel number|0 or more|order"):
        markov.count(*csr([codes]), ints(converted), 2, order)


@pytest.mark.parametrize("order", markov.ORDERS)
def test_a_path_says_the_same_told_once_as_two_conversions_or_twice(order: int) -> None:
    once = markov.count(*csr([[0, 1, 0], [1]]), ints([2, 0]), 2, order, ints([1, 3]))
    twice = markov.count(*csr([[0, 1, 0]] * 3 + [[1]] * 3), ints([1, 1, 0, 0, 0, 0]), 2, order)
    assert (once.before.tolist(), once.after.tolist(), once.n.tolist()) == (
        twice.before.tolist(),
        twice.after.tolist(),
        twice.n.tolist(),
    )


@pytest.mark.parametrize("order", markov.ORDERS)
def test_pieces_do_not_change_what_is_counted(order: int) -> None:
    n = 5 * (ragged.PIECE // 4)
    random = np.random.default_rng(0)
    offsets, codes = np.arange(0, n + 1, 5), random.integers(0, 3, n)
    assert len(list(ragged.pieces(offsets))) > 1
    chain = markov.count(offsets, codes, np.ones(len(offsets) - 1, dtype=np.int64), 3, order)
    windows = [codes.reshape(-1, 5)[:, i : i + order] for i in range(6 - order)]
    keys = [(window + 1) @ (4 ** np.arange(order - 1, -1, -1)) for window in windows]
    assert chain.n_paths == len(offsets) - 1
    for state in np.unique(keys[0])[:5].tolist():
        assert chain.n[(chain.before == 0) & (chain.after == state)].sum() == (keys[0] == state).sum()
        stepped = sum(int(((one == state) & (other != state)).sum()) for one, other in pairwise(keys))
        assert chain.n[(chain.before == state) & (chain.after > 0)].sum() == stepped


@given(effects=st.lists(st.floats(0, 1)))
def test_scaled_effects_are_whole_numbers_between_nothing_and_all(effects: list[float]) -> None:
    found = markov.scaled(np.array(effects, dtype=np.float64)).tolist()
    assert all(0 <= one <= 1 << 30 for one in found)
    assert all(abs(one / (1 << 30) - effect) <= 2**-31 for one, effect in zip(found, effects, strict=True))


# --- Shapley ----------------------------------------------------------------------------------------------------------


def worth(paths: list[list[int]], values: list[int], coalition: frozenset[int]) -> int:
    return sum(value for path, value in zip(paths, values, strict=True) if path and set(path) <= coalition)


@unhurried
@given(world=worlds())
def test_shapley_is_the_mean_over_all_orders_in_which_channels_could_join(
    world: tuple[list[list[int]], list[int], list[int]],
) -> None:
    paths, values, _ = world
    sums = [0] * N_CHANNELS
    for joining in permutations(range(N_CHANNELS)):
        for i, channel in enumerate(joining):
            before = frozenset(joining[:i])
            sums[channel] += worth(paths, values, before | {channel}) - worth(paths, values, before)
    expected = [Fraction(one, factorial(N_CHANNELS)) for one in sums]
    found = shapley.totals(*csr(paths), ints(values), N_CHANNELS)
    assert found.tolist() == pytest.approx([float(one) for one in expected], abs=1e-12)
    by_position = shapley.totals_by_position(*csr(paths), ints(values), N_CHANNELS, n_positions=3)
    assert by_position.sum(axis=1) == pytest.approx(found, abs=1e-12)


def test_shapley_of_ten_thousand_paths_is_that_over_all_coalitions() -> None:
    n_channels = 8
    offsets, codes, converted = generated(10_000, n_channels, seed=3)
    sets = np.zeros(len(offsets) - 1, dtype=np.int64)
    np.bitwise_or.at(sets, ragged.owners(offsets), 1 << codes)
    by_set = np.bincount(sets, weights=converted, minlength=1 << n_channels)
    by_set[0] = 0.0
    within = np.array([sum(by_set[one] for one in range(1 << n_channels) if one & ~all_ == 0) for all_ in range(256)])
    expected = np.zeros(n_channels)
    for channel in range(n_channels):
        others = [one for one in range(n_channels) if one != channel]
        for size in range(n_channels):
            share = factorial(size) * factorial(n_channels - size - 1) / factorial(n_channels)
            for some in combinations(others, size):
                mask = sum(1 << one for one in some)
                expected[channel] += share * (within[mask | 1 << channel] - within[mask])
    found = shapley.totals(offsets, codes, converted, n_channels)
    assert found == pytest.approx(expected, abs=1e-9)
    assert found.sum() == pytest.approx(converted[np.diff(offsets) > 0].sum(), abs=1e-9)


@unhurried
@given(world=worlds(), data=st.data())
def test_the_order_of_paths_does_not_change_a_bit_of_shapley_nor_do_names(
    world: tuple[list[list[int]], list[int], list[int]], data: st.DataObject
) -> None:
    paths, values, _ = world
    renamed = data.draw(st.permutations(range(N_CHANNELS)))
    shuffled = data.draw(st.permutations(range(len(paths))))
    found = shapley.totals(*csr(paths), ints(values), N_CHANNELS)
    other = shapley.totals(
        *csr([[renamed[code] for code in paths[i]] for i in shuffled]), ints([values[i] for i in shuffled]), N_CHANNELS
    )
    assert other[list(renamed)].tolist() == found.tolist()


RUNS = st.lists(st.sampled_from([1, 1, 1, 2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43]), max_size=16)


@unhurried
@given(many=st.lists(RUNS, max_size=5), data=st.data())
def test_both_forms_weigh_a_path_alike_by_distinct_channels(many: list[list[int]], data: st.DataObject) -> None:
    paths = [
        data.draw(st.permutations([code for code, times in enumerate(runs) for _ in range(times)])) for runs in many
    ]
    plain = [shapley.weights(path) for path in paths]
    assert shapley.weights_all(*csr(paths)).tolist() == [weight for path in plain for weight in path]
    for path, found in zip(paths, plain, strict=True):
        assert all(weight > 0 for weight in found)
        by_channel = Counter(dict.fromkeys(path, 0))
        for code, weight in zip(path, found, strict=True):
            by_channel[code] += weight
        assert len(path) >= 168 or len(set(by_channel.values())) <= 1


def test_weights_of_a_path_with_very_many_touches_are_rounded_alike() -> None:
    times = [3, 5, 7, 11, 13, 16, 17, 19, 23, 29, 31, 37]
    path = [code for code, n in enumerate(times) for _ in range(n)]
    found = shapley.weights(path)
    assert found[0] == round(shapley.SCALE / 3)
    assert shapley.weights_all(*csr([[1, 1, 2], path, [0]])).tolist() == [1, 1, 2, *found, 1]
    sums = [found[path.index(code)] * n for code, n in enumerate(times)]
    assert max(abs(one - shapley.SCALE) for one in sums) <= 37 / 2
    short = path[: sum(times[:10])]
    assert len(short) < 168
    assert {found_ * short.count(code) for code, found_ in zip(short, shapley.weights(short), strict=True)} == {
        shapley.weights(short)[0] * 3
    }


@unhurried
@given(paths=PATHS)
def test_occurrences_are_counted_alike_for_one_path_and_for_many(paths: list[list[int]]) -> None:
    expected = [path.count(code) for path in paths for code in path]
    assert [n for path in paths for n in ragged.occurrences(path)] == expected
    assert ragged.occurrences_all(*csr(paths)).tolist() == expected


@given(lengths=st.lists(st.integers(0, 9)), size=st.integers(1, 20))
def test_pieces_are_all_paths_in_order(lengths: list[int], size: int) -> None:
    offsets = np.cumsum([0, *lengths], dtype=np.int64)
    found = list(ragged.pieces(offsets, size))
    assert [i for first, end in found for i in range(first, end)] == list(range(len(lengths)))
    for first, end in found:
        assert end > first
        assert offsets[end] - offsets[first] <= size or offsets[end - 1] - offsets[first] < size


# --- hazard -----------------------------------------------------------------------------------------------------------

PERSON = st.tuples(
    st.lists(st.tuples(st.integers(0, N_CHANNELS - 1), st.integers(0, 30 * DAY_MS)), max_size=5),
    st.integers(0, 20 * DAY_MS),
    st.booleans(),
)
HALF_LIVES, SILENCE_DAYS = (1, 4), 6


def people_of(
    people: list[tuple[list[tuple[int, int]], int, bool]],
) -> tuple[Ints, Ints, Ints, Ints, Ints]:
    """offsets, codes, touched_ms, until_ms, converted; the gaps between touches are given."""
    offsets, codes = csr([[code for code, _ in touches] for touches, _, _ in people])
    times = [np.cumsum([gap for _, gap in touches], dtype=np.int64) for touches, _, _ in people]
    until = [int(own[-1]) + rest if len(own) else rest for own, (_, rest, _) in zip(times, people, strict=True)]
    touched = np.concatenate([np.zeros(0, dtype=np.int64), *times])
    return offsets, codes, touched, ints(until), ints([int(converted) for *_, converted in people])


def literal_days(
    people: list[tuple[list[tuple[int, int]], int, bool]], half_life: int
) -> list[tuple[list[float], int]]:
    """Each day of each person as (1, adstock of each channel) and whether it brought a conversion."""
    rows: list[tuple[list[float], int]] = []
    for touches, rest, converted in people:
        at, own = 0, []
        for code, gap in touches:
            at += gap
            own.append((code, at))
        if not own:
            continue
        days = [(code, (ms - own[0][1]) // DAY_MS) for code, ms in own]
        end = (at + rest - own[0][1]) // DAY_MS
        for day in range(end + 1):
            behind = [(code, touched) for code, touched in days if touched <= day]
            if day - behind[-1][1] > SILENCE_DAYS:
                break
            x = [1.0] + [0.0] * N_CHANNELS
            for code, touched in behind:
                x[1 + code] += 0.5 ** ((day - touched) / half_life)
            rows.append((x, int(converted and day == end)))
    return rows


@unhurried
@given(people=st.lists(PERSON, max_size=6))
def test_sums_in_closed_form_are_those_over_every_single_day(
    people: list[tuple[list[tuple[int, int]], int, bool]],
) -> None:
    found = hazard.tally(*people_of(people), N_CHANNELS, HALF_LIVES, SILENCE_DAYS)
    for i, half_life in enumerate(HALF_LIVES):
        rows = literal_days(people, half_life)
        x = np.array([row for row, _ in rows], dtype=np.float64).reshape(len(rows), N_CHANNELS + 1)
        y = np.array([brought for _, brought in rows], dtype=np.float64)
        assert found.gram[i] == pytest.approx(x.T @ x, rel=1e-12, abs=1e-12)
        assert found.target[i] == pytest.approx(x.T @ y, rel=1e-12, abs=1e-12)
        assert (found.days_at_risk, found.n_conversions) == (len(rows), int(y.sum()))
    assert found.n_people == sum(bool(touches) for touches, _, _ in people)


@unhurried
@given(one=st.lists(PERSON, max_size=4), other=st.lists(PERSON, max_size=4))
def test_sums_of_people_add_up(
    one: list[tuple[list[tuple[int, int]], int, bool]], other: list[tuple[list[tuple[int, int]], int, bool]]
) -> None:
    apart = hazard.add(*(hazard.tally(*people_of(some), N_CHANNELS, HALF_LIVES) for some in (one, other)))
    together = hazard.tally(*people_of(one + other), N_CHANNELS, HALF_LIVES)
    assert apart.gram == pytest.approx(together.gram, rel=1e-12)
    assert apart.target == pytest.approx(together.target, rel=1e-12)
    assert (apart.n_people, apart.n_conversions, apart.days_at_risk) == (
        together.n_people,
        together.n_conversions,
        together.days_at_risk,
    )


def test_sums_of_other_half_lives_cannot_be_added() -> None:
    with pytest.raises(ValueError, match="half-lives"):
        hazard.add(*(hazard.tally(*people_of([]), 1, half_lives) for half_lives in ((1,), (2,))))


@pytest.mark.parametrize(("touched", "until"), [([2, 1], 3), ([1, 2], 1)])
def test_touches_out_of_order_or_after_the_end_are_refused(touched: list[int], until: int) -> None:
    with pytest.raises(ValueError, match="order of their times"):
        hazard.tally(*csr([[0, 0]]), ints(touched), ints([until]), ints([1]), 1)
    # The order counts within a person, not from one to the next.
    assert hazard.tally(*csr([[0], [0]]), ints([2, 1]), ints([2, 1]), ints([1, 0]), 1).n_people == 2


def test_a_machine_with_hundreds_of_touches_is_left_out_of_the_hazard_and_counted() -> None:
    person = ([(0, 0), (1, DAY_MS)], DAY_MS, True)
    machine = ([(2, 1_000)] * 201, 0, True)
    found, alone = (hazard.fit(*people_of(some), N_CHANNELS) for some in ([person, machine], [person]))
    assert (found.n_people, found.n_left_out) == (1, 1)
    assert (found.baseline, found.betas.tolist()) == (alone.baseline, alone.betas.tolist())


@unhurried
@given(data=st.data(), n=st.integers(1, 6), rows=st.integers(1, 8))
def test_least_squares_without_negatives_meet_their_conditions(data: st.DataObject, n: int, rows: int) -> None:
    numbers = st.integers(-5, 5).map(float)
    x = np.array(data.draw(st.lists(st.lists(numbers, min_size=n, max_size=n), min_size=rows, max_size=rows)))
    y = np.array(data.draw(st.lists(numbers, min_size=rows, max_size=rows)))
    gram, target = x.T @ x, x.T @ y
    found = hazard.nonnegative(gram, target)
    slope = gram @ found - target
    assert (found >= 0).all()
    assert slope.min() >= -1e-8
    assert np.abs(slope * found).max() <= 1e-7
    assert (found[np.diag(gram) == 0] == 0).all()


def simulated(n: int, baseline: float, betas: list[float], half_life: int, seed: int) -> tuple[Ints, ...]:
    """People who are touched by chance for a month and convert by a known hazard; all end with their conversion."""
    random = np.random.default_rng(seed)
    n_days, n_channels = 30, len(betas)
    adstock, under_way = np.zeros((n, n_channels)), np.ones(n, dtype=np.bool_)
    until, converted = np.full(n, n_days - 1), np.zeros(n, dtype=np.int64)
    found: list[tuple[Ints, Ints, int]] = []
    for day in range(n_days):
        adstock *= 0.5 ** (1 / half_life)
        for channel in range(n_channels):
            # The first day's touch is what makes a person known.
            touched = under_way & (random.random(n) < 0.06)
            if day == 0:
                touched |= np.arange(n) % n_channels == channel
            adstock[touched, channel] += 1
            found.append((np.flatnonzero(touched), np.full(int(touched.sum()), channel), day))
        buys = under_way & (random.random(n) < baseline + adstock @ np.array(betas))
        until[buys], converted[buys] = day, 1
        under_way &= ~buys
    whose = np.concatenate([who for who, _, _ in found])
    codes = np.concatenate([channel for _, channel, _ in found])
    days = np.concatenate([np.full(len(who), day) for who, _, day in found])
    order = np.lexsort((days, whose))
    offsets = np.searchsorted(whose[order], np.arange(n + 1))
    return offsets, codes[order], days[order] * DAY_MS, until * DAY_MS, converted


def test_the_hazard_finds_the_effects_of_a_world_in_which_they_are_known() -> None:
    betas, half_life = [0.02, 0.0, 0.01, 0.005], 4
    fits = [hazard.fit(*simulated(20_000, 0.003, betas, half_life, seed), 4) for seed in range(2)]
    assert [fit.half_life_days for fit in fits] == [half_life] * 2
    found = np.mean([[fit.baseline, *fit.betas] for fit in fits], axis=0)
    assert found == pytest.approx([0.003, *betas], abs=0.001)


def test_the_hazard_gives_nothing_to_touches_where_nothing_works() -> None:
    fit = hazard.fit(*simulated(25_000, 0.004, [0.0, 0.0, 0.0], 4, seed=9), 3)
    assert fit.baseline == pytest.approx(0.004, rel=0.1)
    assert fit.betas == pytest.approx([0.0] * 3, abs=0.001)


@unhurried
@given(people=st.lists(PERSON, max_size=6), renamed=st.permutations(range(N_CHANNELS)))
def test_names_of_channels_do_not_change_the_squares_of_a_hazard(
    people: list[tuple[list[tuple[int, int]], int, bool]], renamed: list[int]
) -> None:
    assume(any(touches for touches, _, _ in people))
    others = [([(renamed[code], gap) for code, gap in touches], rest, yes) for touches, rest, yes in people]
    fits = [hazard.fit(*people_of(some), N_CHANNELS, (4,)) for some in (people, others)]
    sums = hazard.tally(*people_of(people), N_CHANNELS, (4,))
    squares = []
    for fit, names in zip(fits, (range(N_CHANNELS), renamed), strict=True):
        beta = np.array([fit.baseline, *fit.betas[list(names)]])
        squares.append(float(beta @ sums.gram[0] @ beta - 2 * beta @ sums.target[0]))
    assert squares[0] == pytest.approx(squares[1], abs=1e-10)


def test_without_people_or_conversions_nothing_has_an_effect() -> None:
    for people in ([], [([(0, 0)], DAY_MS, False)]):
        fit = hazard.fit(*people_of(people), 2)
        assert (fit.half_life_days, fit.baseline, fit.betas.tolist(), fit.n_conversions) == (1, 0.0, [0.0, 0.0], 0)
        assert hazard.scaled(fit)[0] == 0
        assert hazard.scaled(fit)[1].tolist() == [0, 0]


def test_a_fitted_hazard_is_scaled_to_its_largest_number() -> None:
    fit = hazard.HazardFit(4, 0.01, np.array([0.04, 0.0, 0.02]), 1, 0, 1, 1)
    assert hazard.scaled(fit)[0] == 1 << 28
    assert hazard.scaled(fit)[1].tolist() == [1 << 30, 0, 1 << 29]
