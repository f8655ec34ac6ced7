"""(pure) Markov: by how much fewer paths convert when a channel is taken away, in closed form and not by simulation.

Paths become a chain: start, states, conversion or null. A state of order m is the last m channels in a row (a path with
fewer touches is one state); the same state twice in a row is one, which changes no probability. The removal effect of a
channel is 1 - P(conversion without it) / P(conversion), where a step into a state with the channel leads to null
(Anderl et al. 2016, "Mapping the customer journey", with ChannelAttribution's conventions). An association, not an
effect: what somebody without this touch would have done is not in the data.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tracker.attribution.ragged import Floats, Ints, pieces
from tracker.attribution.terms import SCALE

ORDERS = (1, 2, 3)
# A window of channels a, b, … is the number whose digits in base n_channels + 1 are a + 1, b + 1, …
START, CONVERTED, NULL = 0, -1, -2
# Up to so many states the chain is inverted; above it is swept.
DENSE = 1_000
# Numbers that a sweep works on at a time, and sweeps between two looks ahead: 64 MB.
SWEPT, SWEEPS = 1 << 20, 6


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """How often one state followed another: sums over paths, so chains can be added and subtracted.

    before, after  windows of channels, or START, CONVERTED, NULL; by (before, after) rising, no pair twice
    n              > 0: how often, exact
    """

    order: int
    n_channels: int
    before: Ints
    after: Ints
    n: Ints

    @property
    def n_paths(self) -> int:
        """The conversions and nulls."""
        return int(self.n[self.before == START].sum())

    @property
    def n_converted(self) -> int:
        """The conversions."""
        return int(self.n[self.after == CONVERTED].sum())


def count(
    offsets: Ints, codes: Ints, converted: Ints, n_channels: int, order: int = 1, nulls: Ints | None = None
) -> Chain:
    """Count the transitions of many paths.

    codes      numbers of channels, 0 to n_channels - 1, in the order of each path
    converted  per path: how many conversions it stands for, >= 0
    nulls      per path: how many that did not convert, >= 0; None: 1 where there is no conversion
    order      1 to 3
    raises     ValueError: negative counts, numbers out of range, windows that 62 bits do not hold
    A path without touches tells nothing of channels and is left out.
    """
    nulls = (converted == 0).astype(np.int64) if nulls is None else nulls
    if order not in ORDERS or (n_channels + 1) ** (order + 1) >= 1 << 62:
        raise ValueError(f"order {order} of {n_channels} channels: an order is one of {ORDERS}, of some channels")
    if min(converted.min(initial=0), nulls.min(initial=0), codes.min(initial=0)) < 0:
        raise ValueError("conversions, nulls and channel numbers are 0 or more")
    if codes.max(initial=-1) >= n_channels:
        raise ValueError(f"channel number {codes.max()} of {n_channels}")
    base = n_channels + 1
    spaces = (base**order, base ** (order + 1), base**order, base**order)
    # By piece: first states, steps, last states before a conversion, last states before a null.
    found: tuple[list[tuple[Ints, Ints]], ...] = ([], [], [], [])
    for first, end in pieces(offsets):
        some = offsets[first : end + 1]
        kept = np.diff(some) > 0
        begins, ends = some[:-1][kept] - some[0], some[1:][kept] - some[0]
        digits = codes[int(some[0]) : int(some[-1])] + 1
        yes, no = converted[first:end][kept], nulls[first:end][kept]
        opening = window_keys(digits, begins, np.minimum(ends, begins + order), base, order)
        closing = window_keys(digits, np.maximum(begins, ends - order), ends, base, order)
        found[0].append(tally(opening, yes + no, spaces[0]))
        found[1].append(moves_of(digits, begins, ends, base, order, yes + no))
        found[2].append(tally(closing, yes, spaces[2]))
        found[3].append(tally(closing, no, spaces[3]))
    opens, moves, converts, closes = (summed(parts, space) for parts, space in zip(found, spaces, strict=True))
    parts = [
        (np.full_like(opens[0], START), *opens),
        (moves[0] // base, moves[0] % base**order, moves[1]),
        (converts[0], np.full_like(converts[0], CONVERTED), converts[1]),
        (closes[0], np.full_like(closes[0], NULL), closes[1]),
    ]
    return merged(order, n_channels, parts)


def summed(parts: Sequence[tuple[Ints, Ints]], space: int) -> tuple[Ints, Ints]:
    """Keys of several pieces, each once and rising, and their sums."""
    none = np.zeros(0, dtype=np.int64)
    keys, n = (np.concatenate([none, *(part[i] for part in parts)]) for i in range(2))
    return tally(keys, n, space)


def window_keys(digits: Ints, begins: Ints, ends: Ints, base: int, order: int) -> Ints:
    """The numbers of windows of 1 to `order` digits."""
    keys = np.zeros(len(begins), dtype=np.int64)
    for step in range(order):
        places = begins + step
        keys = np.where(places < ends, keys * base + digits[np.minimum(places, ends - 1)], keys)
    return keys


def moves_of(digits: Ints, begins: Ints, ends: Ints, base: int, order: int, n_each: Ints) -> tuple[Ints, Ints]:
    """How often each window of order + 1 digits occurs within the paths; such a window is a step between two states."""
    if len(digits) <= order:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    keys = digits[: len(digits) - order].copy()
    for step in range(1, order + 1):
        keys *= base
        keys += digits[step : len(digits) - order + step]
    # The last places of a path begin no window; a shorter path's reach into such places of the path before.
    for step in range(1, order + 1):
        places = np.maximum(ends - step, 0)
        keys[places[places < len(keys)]] = 0
    times = None if (n_each == 1).all() else np.repeat(n_each, ends - begins)[: len(keys)]
    windows, n = tally(keys, times, base ** (order + 1))
    # One channel all through: the state stays as it is.
    same = sum(base**step for step in range(order + 1))
    kept = windows % same != 0
    return windows[kept], n[kept]


def tally(keys: Ints, times: Ints | None, space: int) -> tuple[Ints, Ints]:
    """The distinct keys of 0 to space - 1, rising, and how often each occurs; a key that never does is left out.

    times  per key how often it counts; None: once
    """
    if times is not None and (times == 1).all():
        times = None
    if times is not None and int(times.sum()) < 1 << 53 and space <= 4 * len(keys):
        n = np.bincount(keys, weights=times).astype(np.int64)
        return np.flatnonzero(n), n[n > 0]
    if times is None and space <= 4 * len(keys):
        n = np.bincount(keys)
        return np.flatnonzero(n), n[n > 0]
    order = None if times is None else np.argsort(keys, kind="stable")
    ordered = np.sort(keys) if order is None else keys[order]
    begins = np.flatnonzero(np.concatenate(([len(keys) > 0], ordered[1:] != ordered[:-1])))
    if order is None or times is None:
        return ordered[begins], np.diff(np.concatenate((begins, [len(keys)])))
    n = np.add.reduceat(times[order], begins) if len(begins) else begins
    return ordered[begins][n > 0], n[n > 0]


def merged(order: int, n_channels: int, parts: Iterable[tuple[Ints, Ints, Ints]]) -> Chain:
    """Transitions from several places as one chain."""
    found = list(parts)
    none = np.zeros(0, dtype=np.int64)
    before, after, n = (np.concatenate([none, *(part[i] for part in found)]) for i in range(3))
    by = np.lexsort((after, before))
    before, after, n = before[by], after[by], n[by]
    is_new = np.ones(len(n), dtype=np.bool_)
    is_new[1:] = (before[1:] != before[:-1]) | (after[1:] != after[:-1])
    begins = np.flatnonzero(is_new)
    sums = np.add.reduceat(n, begins) if len(begins) else none
    if sums.min(initial=0) < 0:
        raise ValueError("paths were subtracted that are not in the chain")
    kept = sums > 0
    return Chain(order, n_channels, before[begins][kept], after[begins][kept], sums[kept])


def add(one: Chain, other: Chain) -> Chain:
    """The chain of both's paths. ValueError: of other orders or channels."""
    return combined(one, other, 1)


def subtract(one: Chain, other: Chain) -> Chain:
    """The chain without the paths of `other`. ValueError: they are not in it; of other orders or channels."""
    return combined(one, other, -1)


def combined(one: Chain, other: Chain, sign: int) -> Chain:
    """One chain and another one times 1 or -1."""
    if (one.order, one.n_channels) != (other.order, other.n_channels):
        raise ValueError("chains of one order and of the same channels can be added")
    parts = [(one.before, one.after, one.n), (other.before, other.after, sign * other.n)]
    return merged(one.order, one.n_channels, parts)


def p_conversion(chain: Chain) -> float:
    """The probability that a walk through the chain converts, 0 to 1; without any path 0.

    For every order this is the share of the paths that converted: each state is left as often as it is entered.
    """
    return chain.n_converted / chain.n_paths if chain.n_paths else 0.0


# --- removal --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """A chain as probabilities over its S states.

    states       windows, rising
    visits       expected visits of a walk to each state: exactly what was counted, for each state is left as often as
                 it is entered
    before, after, chance   the steps between states, by number of state
    converts     chance of each state to convert next
    first        chance of each state to be the first
    p            probability of conversion
    """

    states: Ints
    visits: Floats
    before: Ints
    after: Ints
    chance: Floats
    converts: Floats
    first: Floats
    p: float


def walk_of(chain: Chain) -> Walk:
    """The probabilities of a chain with at least one path."""
    states = np.unique(chain.before[chain.before > START])
    number = np.searchsorted(states, chain.before)
    leaves = chain.before > START
    left = np.bincount(number[leaves], weights=chain.n[leaves], minlength=len(states))
    inner, opens, converts = leaves & (chain.after > START), chain.before == START, chain.after == CONVERTED

    def by_state(windows: Ints, n: Ints) -> Floats:
        found = np.bincount(np.searchsorted(states, windows), weights=n, minlength=len(states))
        return np.asarray(found, dtype=np.float64)

    return Walk(
        states=states,
        visits=left / chain.n_paths,
        before=number[inner],
        after=np.searchsorted(states, chain.after[inner]),
        chance=chain.n[inner] / left[number[inner]],
        converts=by_state(chain.before[converts], chain.n[converts]) / left,
        first=by_state(chain.after[opens], chain.n[opens]) / chain.n_paths,
        p=p_conversion(chain),
    )


def removal_effects(chain: Chain, dense: int = DENSE, at_once: int = SWEPT) -> Floats:
    """By which share conversions fall when a channel is removed: n_channels numbers, 0 to 1.

    A channel that no path has has 0, one that no walk converts without has 1; without any conversion all are 0. A chain
    that looks back one touch forgets the rest: a channel only on paths that did not convert may lead where others did.
    To about 1e-12: by one inverse for order 1 and for chains of up to `dense` states; by sweeps above, of as many
    channels together as `at_once` numbers hold.
    """
    effects = np.zeros(chain.n_channels)
    if not chain.n_converted:
        return effects
    walk = walk_of(chain)
    digits = digits_of(walk.states, chain.n_channels + 1, chain.order)
    seen = np.unique(digits[digits >= 0])
    if chain.order == 1 or len(walk.states) <= dense:
        effects[seen] = inverted(walk, digits, seen)
    else:
        width = max(1, at_once // len(walk.states))
        for begin in range(0, len(seen), width):
            some = seen[begin : begin + width]
            effects[some] = swept(walk, digits, some, chain.n_channels + 1, chain.order)
    return np.clip(effects, 0.0, 1.0)


def digits_of(states: Ints, base: int, order: int) -> Ints:
    """The channels of each window, a column a place from the last on; -1 where a window is shorter."""
    found, rest = np.empty((len(states), order), dtype=np.int64), states
    for place in range(order):
        found[:, place] = rest % base - 1
        rest = rest // base
    return found


def inverted(walk: Walk, digits: Ints, seen: Ints) -> Floats:
    """The effects of these channels by one inverse N of the chain, and a block of it per channel.

    Where A are the states with the channel, conversions through A are visits[A] N[A,A]^-1 h[A]: entries into A by the
    state entered first, times the conversions from there.
    """
    n = len(walk.states)
    steps = np.eye(n)
    steps[walk.before, walk.after] -= walk.chance
    inverse = np.linalg.inv(steps)
    h = inverse @ walk.converts
    if digits.shape[1] == 1:
        return np.asarray(walk.visits * h / (np.diag(inverse) * walk.p), dtype=np.float64)
    effects = np.empty(len(seen))
    for i, channel in enumerate(seen.tolist()):
        block = np.flatnonzero((digits == channel).any(axis=1))
        entries = np.linalg.solve(inverse[np.ix_(block, block)], h[block])
        effects[i] = walk.visits[block] @ entries / walk.p
    return effects


def swept(walk: Walk, digits: Ints, some: Ints, base: int, order: int) -> Floats:
    """The effects of some channels by sweeps: a column a channel, of the chance to convert from each state without it.

    A window that follows another begins with its last channels; so the windows with one ending lead only to those with
    one beginning, and a sweep is one small product per ending. What a column still lacks at the start is at most visits
    times its last change, whatever it began with; so the end is known to be one.
    """
    stays = np.ones((len(walk.states), len(some)))
    for place in range(order):
        stays *= digits[:, place : place + 1] != some
    blocks = list(blocks_of(walk, base, order))
    enough = 1e-14 * (10 + float(walk.visits.sum())) * walk.p
    seen = [walk.converts[:, None] * stays]
    while True:
        h = seen[-1].copy()
        for rows, begin, end, chances in blocks:
            h[rows] = (chances @ h[begin:end] + walk.converts[rows, None]) * stays[rows]
        if (walk.visits @ np.abs(h - seen[-1])).max(initial=0.0) <= enough:
            return np.asarray(1 - walk.first @ h / walk.p, dtype=np.float64)
        seen.append(h)
        if len(seen) > SWEEPS:
            seen = [extrapolated(seen)]


def extrapolated(seen: Sequence[Floats]) -> Floats:
    """Where the last sweeps lead to: per column the mean of them whose change is least (reduced rank extrapolation).

    Without it a few states that hardly anybody leaves, such as a robot's, would take as many sweeps as it has touches.
    """
    changes = np.stack([after - before for before, after in pairwise(seen)])
    products = np.einsum("isc,jsc->cij", changes, changes)
    sizes = np.maximum(np.trace(products, axis1=1, axis2=2), np.finfo(np.float64).tiny)
    products = products / sizes[:, None, None] + 1e-15 * np.eye(len(changes))
    shares = np.linalg.solve(products, np.ones((len(products), len(changes), 1)))[:, :, 0]
    shares /= shares.sum(axis=1, keepdims=True)
    return np.asarray(np.einsum("ci,isc->sc", shares, np.stack(seen[1:])), dtype=np.float64)


def blocks_of(walk: Walk, base: int, order: int) -> Iterable[tuple[Ints, int, int, Floats]]:
    """Per ending of windows: the states with it, from where to where the states are that begin with it, the chances."""
    endings = walk.states[walk.before] % base ** (order - 1)
    by = np.argsort(endings, kind="stable")
    begins = np.flatnonzero(np.concatenate(([len(by) > 0], np.diff(endings[by]) != 0)))
    for some in np.split(by, begins[1:]) if len(begins) else ():
        rows, row = np.unique(walk.before[some], return_inverse=True)
        begin, end = int(walk.after[some].min()), int(walk.after[some].max()) + 1
        chances = np.zeros((len(rows), end - begin))
        chances[row, walk.after[some] - begin] = walk.chance[some]
        yield rows, begin, end, chances


def scaled(effects: Floats) -> Ints:
    """Removal effects as whole numbers of 2^-30, each 0 to 2^30: what a fit keeps and weights are made of."""
    return np.clip(np.rint(effects * SCALE), 0, SCALE).astype(np.int64)
