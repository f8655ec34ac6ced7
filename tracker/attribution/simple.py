"""(pure) The models that every tool has: first, last, last non-direct, linear. Plain, and vectorised."""

import numpy as np

from tracker.attribution.terms import Terms
from tracker.attribution.touches import Ints, Paths, Way
from tracker.vocabulary import Channel


def first(way: Way, terms: Terms) -> list[int]:
    """All to the first touch."""
    return [int(i == 0) for i in range(len(way.touches))]


def last(way: Way, terms: Terms) -> list[int]:
    """All to the last touch."""
    return [int(i == len(way.touches) - 1) for i in range(len(way.touches))]


def last_non_direct(way: Way, terms: Terms) -> list[int]:
    """All to the last touch that was not direct; if all were direct, to the last."""
    named = [i for i, touch in enumerate(way.touches) if not touch.is_direct]
    chosen = named[-1] if named else len(way.touches) - 1
    return [int(i == chosen) for i in range(len(way.touches))]


def linear(way: Way, terms: Terms) -> list[int]:
    """The same to every touch."""
    return [1] * len(way.touches)


def first_all(paths: Paths, terms: Terms) -> Ints:
    """`first` for many paths."""
    weights = np.zeros(len(paths.touched_ms), dtype=np.int64)
    weights[paths.offsets[:-1][np.diff(paths.offsets) > 0]] = 1
    return weights


def last_all(paths: Paths, terms: Terms) -> Ints:
    """`last` for many paths."""
    weights = np.zeros(len(paths.touched_ms), dtype=np.int64)
    weights[paths.offsets[1:][np.diff(paths.offsets) > 0] - 1] = 1
    return weights


def last_non_direct_all(paths: Paths, terms: Terms) -> Ints:
    """`last_non_direct` for many paths."""
    chosen = np.where(np.diff(paths.offsets) > 0, paths.offsets[1:] - 1, -1)
    best = np.full(len(paths), -1, dtype=np.int64)
    named = np.flatnonzero(~paths.of(Channel.DIRECT))
    np.maximum.at(best, paths.owners[named], named)
    chosen = np.where(best >= 0, best, chosen)
    weights = np.zeros(len(paths.touched_ms), dtype=np.int64)
    weights[chosen[chosen >= 0]] = 1
    return weights


def linear_all(paths: Paths, terms: Terms) -> Ints:
    """`linear` for many paths."""
    return np.ones(len(paths.touched_ms), dtype=np.int64)
