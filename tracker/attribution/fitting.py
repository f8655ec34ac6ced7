"""(pure) What models learn from a site's own paths, or why they cannot: removal effects by order, and a hazard.

Under the site's policy: only touches that may earn are seen, and channels are the site's own. A model is refused where
there is too little to learn from, with the reason in words; figures of few deals would look as exact as any.
Formulas and worked worlds: docs/models.md. Paths are read, and what was learned is kept, by fits.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tracker.attribution import hazard, markov
from tracker.attribution.policy import Policy, terms_of
from tracker.attribution.standing import NAMED, eligible_all, ranks_of
from tracker.attribution.terms import Fit, Hazard, Terms
from tracker.attribution.touches import DAY_MS, Bools, Ints, Paths
from tracker.vocabulary import Model

LEAST_CONVERTED, LEAST_LOST, LEAST_CHANNELS = 100, 100, 2
# Chains of order 2 and 3 have a state for every pair and triple of channels.
MOST_CHANNELS = 50
BLANK = Fit(0, {order: {} for order in markov.ORDERS}, Hazard(DAY_MS, 0, {}), {})


@dataclass(frozen=True, slots=True)
class Journeys:
    """The paths that are learned from: won deals, and people who bought nothing.

    paths        their `converted_ms` of people who bought nothing is their last touch; look-backs are not in them yet
    last_win_ms  per path: the customer's last win before an upsell or its like, else ALWAYS_MS
    until_ms     per path: when the deal was won, or until when it is known that nobody bought
    converted    per path: whether it is a won deal's
    """

    paths: Paths
    last_win_ms: Ints
    until_ms: Ints
    converted: Bools


@dataclass(frozen=True, slots=True)
class Learned:
    """What came out.

    effects      per order of the chain: removal effect by channel in units of 2^-30
    refusals     by model: why it, or an order of it, was not fitted
    n_converted  won deals with a touch that may earn; n_paths: with the people who bought nothing; n_touches: of both
    """

    effects: Mapping[int, Mapping[str, int]]
    hazard: Hazard | None
    refusals: Mapping[str, str]
    n_paths: int
    n_converted: int
    n_touches: int

    @property
    def is_nothing(self) -> bool:
        """Whether every model was refused."""
        return not self.effects and self.hazard is None


def learn(journeys: Journeys, policy: Policy) -> Learned:
    """Fit all that can be learned from these paths under a policy."""
    seen = seen_under(journeys, terms_of(policy, Model.MARKOV, BLANK))
    refusals: dict[str, str] = {}
    effects: dict[int, Mapping[str, int]] = {}
    why = too_little(seen)
    if why:
        refusals[Model.MARKOV] = why
    else:
        effects = effects_of(seen)
        if len(effects) < len(markov.ORDERS):
            n = len(used_channels(seen))
            refusals[Model.MARKOV] = f"orders 2 and 3 are fitted for up to {MOST_CHANNELS} channels; here are {n}"
    found = learn_hazard(journeys, terms_of(policy, Model.HAZARD, BLANK))
    if isinstance(found, str):
        refusals[Model.HAZARD] = found
    lengths = np.diff(seen.paths.offsets)
    return Learned(
        effects=effects,
        hazard=None if isinstance(found, str) else found,
        refusals=refusals,
        n_paths=int((lengths > 0).sum()),
        n_converted=n_won(seen),
        n_touches=int(lengths.sum()),
    )


def seen_under(journeys: Journeys, terms: Terms) -> Journeys:
    """The same with the touches alone that may earn, channels numbered in the order of their names."""
    known = journeys.paths
    earliest_ms = known.earliest_ms
    if terms.money_days is not None:
        earliest_ms = np.maximum(earliest_ms, known.converted_ms - terms.money_days * DAY_MS)
    if terms.since_last_win:
        earliest_ms = np.maximum(earliest_ms, journeys.last_win_ms)
    bounded = replace(known, earliest_ms=earliest_ms)
    kept = bounded.only(eligible_all(bounded, terms))
    names = sorted({kept.names[code] for code in np.unique(kept.channels).tolist()})
    places = {name: i for i, name in enumerate(names)}
    codes = np.array([places.get(name, -1) for name in kept.names] or [-1], dtype=np.int64)
    return replace(journeys, paths=replace(kept, channels=codes[kept.channels], names=names))


def n_won(seen: Journeys) -> int:
    """The won deals with a touch."""
    return int((has_touch(seen) & seen.converted).sum())


def has_touch(seen: Journeys) -> Bools:
    """Per path: whether it has a touch."""
    return np.asarray(np.diff(seen.paths.offsets) > 0, dtype=np.bool_)


def used_channels(seen: Journeys) -> tuple[str, ...]:
    """The channels on these paths."""
    return tuple(seen.paths.names)


def too_little(seen: Journeys) -> str:
    """Why nothing can be learned from these; empty where it can."""
    if (n := n_won(seen)) < LEAST_CONVERTED:
        return f"it takes {LEAST_CONVERTED} won deals with a touch that may earn; here are {n}"
    if len(channels := used_channels(seen)) < LEAST_CHANNELS:
        return f"it takes {LEAST_CHANNELS} channels; all touches came by {channels[0]}"
    return ""


def effects_of(seen: Journeys) -> dict[int, Mapping[str, int]]:
    """Removal effects by channel, for each order that can be fitted."""
    names = used_channels(seen)
    paths, converted = seen.paths, seen.converted.astype(np.int64)
    found: dict[int, Mapping[str, int]] = {}
    for order in markov.ORDERS:
        if order == 1 or len(names) <= MOST_CHANNELS:
            chain = markov.count(paths.offsets, paths.channels, converted, len(names), order)
            effects = markov.scaled(markov.removal_effects(chain))
            found[order] = dict(zip(names, effects.tolist(), strict=True))
    return found


def learn_hazard(journeys: Journeys, terms: Terms) -> Hazard | str:
    """The hazard of these paths under these terms, or why there is none."""
    return hazard_of(of_their_own(seen_under(journeys, terms), terms))


def of_their_own(seen: Journeys, terms: Terms) -> Journeys:
    """The same without touches that earn as a last resort only: on a path of such alone they are mostly the visit that
    bought, and would look as if they had made it."""
    paths = seen.paths
    is_own = (ranks_of(paths.names, terms) == NAMED)[paths.channels]
    return replace(seen, paths=paths.only(is_own))


def from_the_next_day(seen: Journeys) -> Journeys:
    """The same with every touch a day later; those that are then later than the end are left out.

    The visit that buys begins on the day of the deal, whatever brought the buyer: counted from its own day, a touch
    looks like the cause of what it only belongs to.
    """
    paths = seen.paths
    moved = paths.touched_ms + DAY_MS
    in_time = np.asarray(moved <= np.repeat(seen.until_ms, np.diff(paths.offsets)), dtype=np.bool_)
    return replace(seen, paths=replace(paths.only(in_time), touched_ms=moved[in_time]))


def hazard_of(seen: Journeys) -> Hazard | str:
    """The fitted hazard, or why there is none."""
    if why := too_little(seen):
        return why
    n_lost = int((has_touch(seen) & ~seen.converted).sum())
    if n_lost < LEAST_LOST:
        return f"it takes {LEAST_LOST} people with a touch who bought nothing; here are {n_lost}"
    names = used_channels(seen)
    later = from_the_next_day(seen)
    paths = later.paths
    fitted = hazard.fit(
        paths.offsets,
        paths.channels,
        paths.touched_ms,
        later.until_ms,
        later.converted.astype(np.int64),
        len(names),
    )
    if fitted.n_conversions < LEAST_CONVERTED:
        return (
            f"it takes {LEAST_CONVERTED} deals won within {hazard.SILENCE_DAYS} days after a touch; "
            f"here are {fitted.n_conversions}"
        )
    # What a touch would have done on its own day, told by the days after.
    fresh = replace(fitted, betas=fitted.betas * 2 ** (1 / fitted.half_life_days))
    baseline, effects = hazard.scaled(fresh)
    return Hazard(fitted.half_life_days * DAY_MS, baseline, dict(zip(names, effects.tolist(), strict=True)))


# --- as it is stored ------------------------------------------------------------------------------------------------


def written(learned: Learned) -> dict[str, Any]:
    """What was learned as JSON values."""
    known = learned.hazard
    return {
        "effects": {str(order): dict(effects) for order, effects in learned.effects.items()},
        "hazard": known
        and {"half_life_ms": known.half_life_ms, "baseline": known.baseline, "effects": dict(known.effects)},
    }


def read(version: int, learned: Mapping[str, Any], refusals: Mapping[str, str]) -> Fit:
    """A fit from what `written` gave."""
    known = learned["hazard"]
    return Fit(
        version=version,
        effects={int(order): effects for order, effects in learned["effects"].items()},
        hazard=Hazard(known["half_life_ms"], known["baseline"], known["effects"]) if known else None,
        refusals=refusals,
    )
