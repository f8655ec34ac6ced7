"""(pure) Models by position and by milestone: fixed shares for the touches that stood at the moments that matter.

Milestones: the first touch; the last one at or before the lead, the deal's creation, the close. One touch that holds
several takes the sum. A missing one gives its share to the others, and so does a middle without touches. Middle touches
are those before the model's last milestone; later ones get nothing. Weights are shares times the number of middle
touches, so they are exact.
"""

from collections.abc import Callable, Sequence

import numpy as np

from tracker.attribution.terms import Shares, Terms
from tracker.attribution.touches import NEVER_MS, Ints, Paths, Way

LEAD_U = Shares(first=4_000, lead=4_000, middle=2_000)
LEAD_U_50 = Shares(first=5_000, lead=5_000)
W_SHAPE = Shares(first=3_000, lead=3_000, deal=3_000, middle=1_000)
FULL_PATH = Shares(first=2_250, lead=2_250, deal=2_250, close=2_250, middle=1_000)

Plain = Callable[[Way, Terms], list[int]]
Vectorised = Callable[[Paths, Terms], Ints]


def held(way: Way) -> dict[str, int]:
    """The milestones that a path has, by their names in Shares, and which touch holds each."""
    found = {"first": 0} if way.touches else {}
    for name, moment in (("lead", way.lead_ms), ("deal", way.deal_ms), ("close", way.close_ms)):
        before = [i for i, touch in enumerate(way.touches) if moment is not None and touch.touched_ms <= moment]
        if before:
            found[name] = before[-1]
    return found


def by_milestones(way: Way, shares: Shares) -> list[int]:
    """The weights of a path under these shares."""
    places = {name: place for name, place in held(way).items() if getattr(shares, name)}
    last = max(places.values(), default=-1)
    middle = [i for i in range(last) if i not in places.values()] if shares.middle else []
    weights = [0] * len(way.touches)
    for name, place in places.items():
        weights[place] += getattr(shares, name) * max(1, len(middle))
    for i in middle:
        weights[i] = shares.middle
    return weights


def by_milestones_all(paths: Paths, shares: Shares) -> Ints:
    """`by_milestones` for many paths."""
    lengths, starts = np.diff(paths.offsets), paths.offsets[:-1]
    places: list[tuple[Ints, int]] = []
    if shares.first:
        places.append((np.where(lengths > 0, starts, -1), shares.first))
    for moments, part in ((paths.lead_ms, shares.lead), (paths.deal_ms, shares.deal), (paths.close_ms, shares.close)):
        if part:
            before = np.concatenate(
                ([0], np.cumsum(paths.touched_ms <= np.repeat(moments, lengths) if len(lengths) else []))
            )
            n_before = np.diff(before[paths.offsets]).astype(np.int64)
            n_before[moments == NEVER_MS] = 0
            places.append((np.where(n_before > 0, starts + n_before - 1, -1), part))
    weights = np.zeros(len(paths.touched_ms), dtype=np.int64)
    last = np.max([place for place, _ in places], axis=0) if places else np.full(len(paths), -1)
    holds = np.zeros(len(weights), dtype=np.bool_)
    for place, _ in places:
        holds[place[place >= 0]] = True
    factor = np.ones(len(paths), dtype=np.int64)
    if shares.middle:
        is_middle = ~holds & (np.arange(len(weights)) < np.repeat(last, lengths))
        running = np.concatenate(([0], np.cumsum(is_middle)))
        factor = np.maximum(1, np.diff(running[paths.offsets]))
        weights[is_middle] = shares.middle
    for place, part in places:
        has = place >= 0
        np.add.at(weights, place[has], part * factor[has])
    return weights


def fixed(shares: Shares) -> tuple[Plain, Vectorised]:
    """Both forms of a model with these shares."""
    return lambda way, terms: by_milestones(way, shares), lambda paths, terms: by_milestones_all(paths, shares)


def custom(way: Way, terms: Terms) -> list[int]:
    """The site's own shares."""
    return by_milestones(way, terms.custom)


def custom_all(paths: Paths, terms: Terms) -> Ints:
    """`custom` for many paths."""
    return by_milestones_all(paths, terms.custom)


def by_position(first: int, middle: int, last: int) -> tuple[Plain, Vectorised]:
    """Both forms of a model that gives the first and the last touch fixed parts and shares one out between.

    Without touches between, their part goes to the ends in proportion.
    """

    def plain(way: Way, terms: Terms) -> list[int]:
        n = len(way.touches)
        return ends(n, first, middle, last)

    def vectorised(paths: Paths, terms: Terms) -> Ints:
        lengths = np.diff(paths.offsets)
        factor = np.maximum(1, lengths - 2)
        weights = np.full(len(paths.touched_ms), middle, dtype=np.int64)
        several, one = lengths > 1, lengths == 1
        weights[paths.offsets[:-1][several]] = first * factor[several]
        weights[paths.offsets[1:][several] - 1] = last * factor[several]
        weights[paths.offsets[:-1][one]] = 1
        return weights

    return plain, vectorised


def ends(n: int, first: int, middle: int, last: int) -> list[int]:
    """Weights of n touches by position."""
    if n < 2:
        return [1] * n
    factor = max(1, n - 2)
    return [first * factor, *[middle] * (n - 2), last * factor]


def names_of(places: Sequence[str]) -> tuple[str, ...]:
    """Milestones in the order in which they come."""
    return tuple(name for name in ("first", "lead", "deal", "close") if name in places)
