"""(pure) What models see: a path's touches with the moments that matter on its way; one path, or a million at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.vocabulary import Channel, PathScope

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

DAY_MS = 86_400_000
# Before every touch: the look-back that has no limit.
ALWAYS_MS = -(1 << 62)
# After every touch: a moment that has not come.
NEVER_MS = 1 << 62

SCOPES = tuple(PathScope)


@dataclass(frozen=True, slots=True)
class Touch:
    """One touch of a path. `touched_ms` is milliseconds since 1970 (UTC).

    channel      as the site's rules name it
    scope        the narrowest scope that it belongs to: its index in SCOPES
    is_excluded  a rule of the site takes it off every path
    """

    touchpoint_id: str
    touched_ms: int
    channel: str
    scope: int = 0
    is_excluded: bool = False

    @property
    def is_direct(self) -> bool:
        """Whether nothing told where it came from."""
        return self.channel == Channel.DIRECT


@dataclass(frozen=True, slots=True)
class Way:
    """One path in its order, and the moments on its way (milliseconds); None: it has not come, or came later than
    the conversion.

    earliest_ms  a touch earns only if it is later
    lead_ms      the (oldest) contact was named; deal_ms: the deal was created; close_ms: it was won
    converted_ms when it led to its outcome
    """

    touches: Sequence[Touch]
    converted_ms: int
    earliest_ms: int = ALWAYS_MS
    lead_ms: int | None = None
    deal_ms: int | None = None
    close_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Paths:
    """Many paths end to end: path i is touches offsets[i] .. offsets[i + 1] - 1, in path order; it may be empty.

    offsets                    n + 1 rising integers, from 0 to the number of touches
    touched_ms                 per touch
    channels                   per touch: the number of its channel in `names`
    scopes, is_excluded        per touch, as in Touch
    converted_ms, earliest_ms  per path, as in Way
    lead_ms, deal_ms, close_ms per path; NEVER_MS where it has not come by then
    """

    offsets: Ints
    touched_ms: Ints
    channels: Ints
    names: Sequence[str]
    scopes: Ints
    is_excluded: Bools
    converted_ms: Ints
    earliest_ms: Ints
    lead_ms: Ints
    deal_ms: Ints
    close_ms: Ints

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def owners(self) -> Ints:
        """Per touch: the number of its path."""
        return np.repeat(np.arange(len(self), dtype=np.int64), np.diff(self.offsets))

    def of(self, channel: str) -> Bools:
        """Per touch: whether it came by this channel."""
        return self.marked({channel})

    def marked(self, channels: set[str] | frozenset[str]) -> Bools:
        """Per touch: whether it came by one of these channels."""
        return np.array([name in channels for name in self.names] or [False], dtype=np.bool_)[self.channels]

    def only(self, mask: Bools) -> "Paths":
        """The same paths with these touches alone."""
        kept = np.concatenate(([0], np.cumsum(mask)))[self.offsets]
        return Paths(
            kept,
            self.touched_ms[mask],
            self.channels[mask],
            self.names,
            self.scopes[mask],
            self.is_excluded[mask],
            self.converted_ms,
            self.earliest_ms,
            self.lead_ms,
            self.deal_ms,
            self.close_ms,
        )


def paths_of(ways: Sequence[Way]) -> Paths:
    """Ways as one record of arrays: for tests, spec tables and a handful of paths."""
    touches = [touch for way in ways for touch in way.touches]
    names = sorted({touch.channel for touch in touches})

    def moments(found: Sequence[int | None]) -> Ints:
        return np.array([NEVER_MS if one is None else one for one in found], dtype=np.int64)

    return Paths(
        offsets=np.cumsum([0, *(len(way.touches) for way in ways)], dtype=np.int64),
        touched_ms=np.array([touch.touched_ms for touch in touches], dtype=np.int64),
        channels=np.array([names.index(touch.channel) for touch in touches], dtype=np.int64),
        names=names,
        scopes=np.array([touch.scope for touch in touches], dtype=np.int64),
        is_excluded=np.array([touch.is_excluded for touch in touches], dtype=np.bool_),
        converted_ms=np.array([way.converted_ms for way in ways], dtype=np.int64),
        earliest_ms=np.array([way.earliest_ms for way in ways], dtype=np.int64),
        lead_ms=moments([way.lead_ms for way in ways]),
        deal_ms=moments([way.deal_ms for way in ways]),
        close_ms=moments([way.close_ms for way in ways]),
    )
