"""(pure) Which touches of a path may earn at all, and why the others may not; the same for every model.

In this order: a rule of the site excludes the touch; it is of people outside the scope; it is too early (look-back,
last win); something better is on the path (demand capture gives way to all but direct, direct to all).
"""

from collections.abc import Sequence
from enum import StrEnum

import numpy as np

from tracker.attribution.terms import DirectPolicy, Terms
from tracker.attribution.touches import ALWAYS_MS, SCOPES, Bools, Ints, Paths, Touch, Way
from tracker.vocabulary import Channel

NAMED, CAPTURES, RESORTS = 0, 1, 2


class Standing(StrEnum):
    """Whether a touch may earn, or what bars it."""

    EARNS = "earns"
    EXCLUDED = "excluded"
    OUT_OF_SCOPE = "out_of_scope"
    TOO_EARLY = "too_early"
    CAPTURE = "capture"
    DIRECT = "direct"


GIVES_WAY = {CAPTURES: Standing.CAPTURE, RESORTS: Standing.DIRECT}


def rank(touch: Touch, terms: Terms) -> int:
    """How far a touch gives way to others: only the lowest rank on a path earns."""
    if touch.is_direct and terms.direct is DirectPolicy.LAST_RESORT:
        return RESORTS
    return CAPTURES if touch.channel in terms.capture else NAMED


def standings(way: Way, terms: Terms) -> list[Standing]:
    """Per touch of a path whether it may earn."""
    found = [barred(touch, way, terms) for touch in way.touches]
    inside = [rank(touch, terms) for touch, bar in zip(way.touches, found, strict=True) if bar is None]
    best = min(inside, default=NAMED)
    return [
        bar or (Standing.EARNS if (own := rank(touch, terms)) == best else GIVES_WAY[own])
        for touch, bar in zip(way.touches, found, strict=True)
    ]


def barred(touch: Touch, way: Way, terms: Terms) -> Standing | None:
    """What bars a touch whatever else is on its path."""
    if touch.is_excluded:
        return Standing.EXCLUDED
    if touch.scope > SCOPES.index(terms.scope):
        return Standing.OUT_OF_SCOPE
    return None if touch.touched_ms > way.earliest_ms else Standing.TOO_EARLY


def eligible(way: Way, terms: Terms) -> list[bool]:
    """Per touch of a path whether it may earn."""
    return [one is Standing.EARNS for one in standings(way, terms)]


def eligible_all(paths: Paths, terms: Terms) -> Bools:
    """`eligible` for many paths."""
    lengths = np.diff(paths.offsets)
    inside = ~paths.is_excluded & (paths.scopes <= SCOPES.index(terms.scope))
    if (paths.earliest_ms != ALWAYS_MS).any():
        inside &= paths.touched_ms > np.repeat(paths.earliest_ms, lengths)
    ranks = ranks_of(paths.names, terms)[paths.channels]
    if not ranks.any():
        return inside
    best = np.full(len(paths), RESORTS, dtype=np.int64)
    np.minimum.at(best, paths.owners[inside], ranks[inside])
    return np.asarray(inside & (ranks == np.repeat(best, lengths)), dtype=np.bool_)


def ranks_of(names: Sequence[str], terms: Terms) -> Ints:
    """`rank` by the number of a channel."""
    found = [
        RESORTS
        if name == Channel.DIRECT and terms.direct is DirectPolicy.LAST_RESORT
        else CAPTURES
        if name in terms.capture
        else NAMED
        for name in names
    ]
    return np.array(found or [NAMED], dtype=np.int64)
