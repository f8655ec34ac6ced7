"""Which share of an outcome each touch of its path earned: attribution models, the direct policy and the look-back.

A model is a pure function from a path to non-negative integer weights. Each exists twice: a plain one for one path,
which is the definition and is read aloud, and a vectorised one for a million paths, which must equal it
(tests/properties/test_credit.py). Reports and explanations call this; nothing is stored, so any model, look-back or
policy can be asked of all history at once. Formulas and worked tables: docs/attribution.md.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from tracker.vocabulary import LEAD_EVENTS, Channel, ConversionKind, Model

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

DAY_MS = 86_400_000
# Before every touch: the look-back that has no limit.
ALWAYS_MS = -(1 << 62)
LEAD_LOOKBACK_DAYS = 90


class DirectPolicy(StrEnum):
    """What a direct touch may earn: LAST_RESORT only when nothing else is on the path, COUNTS like any other."""

    LAST_RESORT = "last_resort"
    COUNTS = "counts"


@dataclass(frozen=True, slots=True)
class Touch:
    """One touch of a path, as models see it. `touched_ms` is milliseconds since 1970 (UTC)."""

    touchpoint_id: str
    touched_ms: int
    channel: str

    @property
    def is_direct(self) -> bool:
        """Whether nothing told where it came from."""
        return self.channel == Channel.DIRECT


@dataclass(frozen=True, slots=True)
class Paths:
    """Many paths end to end: path i is touches offsets[i] .. offsets[i + 1] - 1, in path order; it may be empty.

    offsets     n + 1 rising integers, from 0 to the number of touches
    touched_ms  per touch
    is_direct   per touch
    """

    offsets: Ints
    touched_ms: Ints
    is_direct: Bools

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def owners(self) -> Ints:
        """Per touch: the number of its path."""
        return np.repeat(np.arange(len(self), dtype=np.int64), np.diff(self.offsets))


@dataclass(frozen=True, slots=True)
class AttributionModel:
    """A model under both its forms. `label` and `formula` are English gettext messages.

    weights      a path of n >= 0 eligible touches -> n integers >= 0, not all 0 unless n == 0
    weights_all  the same for many paths at once, one array over all touches
    """

    name: Model
    label: str
    formula: str
    weights: Callable[[Sequence[Touch]], list[int]]
    weights_all: Callable[[Paths], Ints]


# --- the models, plain ----------------------------------------------------------------------------------------------


def first(path: Sequence[Touch]) -> list[int]:
    """All to the first touch."""
    return [int(i == 0) for i in range(len(path))]


def last(path: Sequence[Touch]) -> list[int]:
    """All to the last touch."""
    return [int(i == len(path) - 1) for i in range(len(path))]


def last_non_direct(path: Sequence[Touch]) -> list[int]:
    """All to the last touch that was not direct; if all were direct, to the last."""
    named = [i for i, touch in enumerate(path) if not touch.is_direct]
    chosen = named[-1] if named else len(path) - 1
    return [int(i == chosen) for i in range(len(path))]


def linear(path: Sequence[Touch]) -> list[int]:
    """The same to every touch."""
    return [1] * len(path)


# --- the models, vectorised -----------------------------------------------------------------------------------------


def first_all(paths: Paths) -> Ints:
    """`first` for many paths."""
    weights = np.zeros(len(paths.touched_ms), dtype=np.int64)
    weights[paths.offsets[:-1][np.diff(paths.offsets) > 0]] = 1
    return weights


def last_all(paths: Paths) -> Ints:
    """`last` for many paths."""
    weights = np.zeros(len(paths.touched_ms), dtype=np.int64)
    weights[paths.offsets[1:][np.diff(paths.offsets) > 0] - 1] = 1
    return weights


def last_non_direct_all(paths: Paths) -> Ints:
    """`last_non_direct` for many paths."""
    chosen = np.where(np.diff(paths.offsets) > 0, paths.offsets[1:] - 1, -1)
    best = np.full(len(paths), -1, dtype=np.int64)
    named = np.flatnonzero(~paths.is_direct)
    np.maximum.at(best, paths.owners[named], named)
    chosen = np.where(best >= 0, best, chosen)
    weights = np.zeros(len(paths.touched_ms), dtype=np.int64)
    weights[chosen[chosen >= 0]] = 1
    return weights


def linear_all(paths: Paths) -> Ints:
    """`linear` for many paths."""
    return np.ones(len(paths.touched_ms), dtype=np.int64)


MODELS: dict[Model, AttributionModel] = {
    model.name: model
    for model in (
        AttributionModel(Model.FIRST, "First touch", "100 % to the first touch", first, first_all),
        AttributionModel(Model.LAST, "Last touch", "100 % to the last touch", last, last_all),
        AttributionModel(
            Model.LAST_NON_DIRECT,
            "Last non-direct touch",
            "100 % to the last touch that was not direct",
            last_non_direct,
            last_non_direct_all,
        ),
        AttributionModel(Model.LINEAR, "Linear", "the same share to every touch", linear, linear_all),
    )
}


# --- which touches may earn -----------------------------------------------------------------------------------------


def lookback_days(kind: str, asked: int | None = None) -> int | None:
    """The look-back of a kind of conversion in days: what the reader asked for, else 90 for leads, none for deals."""
    if asked is not None:
        return asked
    return LEAD_LOOKBACK_DAYS if kind in {*LEAD_EVENTS, ConversionKind.LEAD} else None


def earliest_ms(converted_ms: int, days: int | None) -> int:
    """A touch earns only if it is later than this instant (milliseconds); days of 24 hours, None for no limit."""
    return ALWAYS_MS if days is None else converted_ms - days * DAY_MS


def eligible(path: Sequence[Touch], earliest: int, direct: DirectPolicy) -> list[bool]:
    """Which touches of a path may earn credit: inside the look-back first, then by the direct policy."""
    inside = [touch.touched_ms > earliest for touch in path]
    if direct is DirectPolicy.COUNTS:
        return inside
    named = [is_in and not touch.is_direct for touch, is_in in zip(path, inside, strict=True)]
    return named if any(named) else inside


def eligible_all(paths: Paths, earliest: Ints, direct: DirectPolicy) -> Bools:
    """`eligible` for many paths; `earliest` has one instant per path."""
    inside = paths.touched_ms > np.repeat(earliest, np.diff(paths.offsets))
    if direct is DirectPolicy.COUNTS:
        return inside
    named = inside & ~paths.is_direct
    has_named = np.zeros(len(paths), dtype=np.bool_)
    has_named[paths.owners[named]] = True
    return np.where(np.repeat(has_named, np.diff(paths.offsets)), named, inside)


def weigh(model: Model, path: Sequence[Touch], earliest: int, direct: DirectPolicy) -> list[int]:
    """The weight of each touch of a full path: 0 where it may not earn. All 0 if none may: nothing explains it."""
    mask = eligible(path, earliest, direct)
    weights = iter(MODELS[model].weights([touch for touch, may in zip(path, mask, strict=True) if may]))
    return [next(weights) if may else 0 for may in mask]


def weigh_all(model: Model, paths: Paths, earliest: Ints, direct: DirectPolicy) -> Ints:
    """`weigh` for many paths, one array over all touches."""
    mask = eligible_all(paths, earliest, direct)
    kept = np.concatenate(([0], np.cumsum(mask)))[paths.offsets]
    chosen = Paths(kept, paths.touched_ms[mask], paths.is_direct[mask])
    weights = np.zeros(len(mask), dtype=np.int64)
    weights[mask] = MODELS[model].weights_all(chosen)
    return weights
