"""Invented worlds in which it is known what each channel causes, and what a tracker would see of them.

A world is run day by day over people with an intent of their own that nobody sees. Channels reach them, by chance, by
intent, by other channels, or because they came before; touches add to the chance to convert, or add nothing. The truth
of a world is not guessed from what was seen: the world is run again with channels switched off, with the same dice, and
a person's chance to convert is taken in closed form. A channel's effect is its Shapley value of that game over what is
switched on: the mean of what it adds, over all orders in which channels could have been switched on.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from tracker.attribution.touches import DAY_MS, Ints, Paths

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

# A visit not later than this after another is what retargeting can follow.
FOLLOWS_DAYS = 7
# 1 May 2026, UTC: when every world begins.
BEGINS_MS = 1_777_593_600_000
DIRECT = "direct"
CHUNK = 10_000


@dataclass(frozen=True, slots=True)
class Source:
    """How a channel comes upon people, and what it does to them. Rates are a day.

    reach           rate of touches of a person of intent 1
    drawn           power of the intent that the rate goes with: 0 by chance, 1 in proportion
    follows         rate more for who came by any channel in the last FOLLOWS_DAYS
    fed             rate more per unit of another channel's effect that is left, by channel
    effect          what a touch adds to the rate of conversion on its own day
    half_life_days  how long until that has halved
    """

    reach: float = 0.0
    drawn: float = 0.0
    follows: float = 0.0
    fed: Mapping[str, float] = field(default_factory=dict)
    effect: float = 0.0
    half_life_days: float = 4.0


@dataclass(frozen=True, slots=True)
class World:
    """A world and its truth's causes.

    says        what is true in it, one sentence
    base        rate of conversion a day of a person of intent 1, without any touch
    together    what two channels add to the rate when both are fresh, by pair
    multiplies  effects are factors of the person's own rate: who does not want it is not persuaded
    moment      how many times a person's intent is higher in the week in which it matters to them
    arrivals    by which channel people come to convert, if nothing brought them that day; the rest comes direct
    capture     what its marketers declare as demand capture
    closes_days mean of the days from a person's decision, the conversion, until it is on record as won; 0: at once
    """

    name: str
    says: str
    sources: Mapping[str, Source]
    base: float = 0.002
    together: Mapping[tuple[str, str], float] = field(default_factory=dict)
    multiplies: bool = False
    moment: float = 3.0
    arrivals: Mapping[str, float] = field(default_factory=dict)
    capture: frozenset[str] = frozenset()
    closes_days: float = 0.0
    n_days: int = 30

    @property
    def names(self) -> tuple[str, ...]:
        """Its channels, in their order, direct the last."""
        return (*self.sources, DIRECT)

    @property
    def players(self) -> tuple[str, ...]:
        """The channels that can change a conversion at all, by themselves or through others."""
        found = {name for name, source in self.sources.items() if source.effect}
        found |= {name for pair in self.together for name in pair}
        while more := {fed for name in found for fed in self.sources[name].fed} - found:
            found |= more
        # Who follows is moved by everybody.
        if any(self.sources[name].follows for name in found):
            found = set(self.sources)
        return tuple(name for name in self.sources if name in found)

    def renamed(self, new: Mapping[str, str]) -> "World":
        """The same world under other names; direct keeps its own."""

        def keys(values: Mapping[str, float]) -> dict[str, float]:
            return {new.get(name, name): value for name, value in values.items()}

        return replace(
            self,
            sources={new[name]: replace(one, fed=keys(one.fed)) for name, one in self.sources.items()},
            together={(new[one], new[other]): value for (one, other), value in self.together.items()},
            arrivals=keys(self.arrivals),
            capture=frozenset(new.get(name, name) for name in self.capture),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Dice:
    """All chance of some people's lives, so that a world can be run again with the same.

    intents    days by people
    touches    days by people by channels, 0 to 1
    """

    intents: Floats
    touches: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Lives:
    """What happened: touches, days by people by channels; rates of conversion, days by people."""

    touches: Bools
    rates: Floats


@dataclass(frozen=True, eq=False)
class Seen:
    """What a tracker has of a world: a path per person who came at all.

    paths      those who did not convert end with the world's last day
    converted  per path
    """

    paths: Paths
    converted: Bools

    @cached_property
    def journeys(self) -> Paths:
        """The paths that led to a conversion."""
        return chosen(self.paths, self.converted)


@dataclass(frozen=True, slots=True)
class Truth:
    """What channels cause, in conversions a person.

    effects     by channel: the Shapley value
    with_all, with_none  conversions with every channel, and with none
    """

    effects: Mapping[str, float]
    with_all: float
    with_none: float

    @property
    def incremental(self) -> float:
        """The share of conversions that would not have come without channels, 0 to 1."""
        return (self.with_all - self.with_none) / self.with_all


def dice(world: World, n_people: int, rng: np.random.Generator) -> Dice:
    """Roll for some people: intents of mean 1 before their moment, most people's small and some people's large."""
    levels = rng.gamma(0.7, 1 / 0.7, n_people)
    begins = rng.uniform(-7, world.n_days, n_people)
    days = np.arange(world.n_days)[:, None]
    is_moment = (days >= begins) & (days < begins + 7)
    intents = levels * (1 + (world.moment - 1) * is_moment)
    shape = (world.n_days, n_people, len(world.sources))
    return Dice(intents.astype(np.float32), rng.random(shape, dtype=np.float32))


def live(world: World, rolled: Dice, on: frozenset[str]) -> Lives:
    """Run a world in which only these channels are switched on."""
    sources = list(world.sources.values())
    names = list(world.sources)
    _, n_people, n = rolled.touches.shape
    is_on = np.array([name in on for name in names])
    keeps = np.array([0.5 ** (1 / one.half_life_days) for one in sources], dtype=np.float32)
    feeds = [(names.index(by), i, more) for i, one in enumerate(sources) for by, more in one.fed.items()]
    follows = np.array([one.follows for one in sources], dtype=np.float32)
    drawn = [(i, one.reach, one.drawn) for i, one in enumerate(sources)]
    left = np.zeros((n_people, n), dtype=np.float32)
    since = np.full(n_people, FOLLOWS_DAYS + 1)
    touches = np.zeros(rolled.touches.shape, dtype=np.bool_)
    rates = np.zeros(rolled.intents.shape, dtype=np.float32)
    for day, intent in enumerate(rolled.intents):
        reach = np.outer(since <= FOLLOWS_DAYS, follows)
        for i, rate, power in drawn:
            reach[:, i] += rate * intent**power
        for by, i, more in feeds:
            reach[:, i] += more * left[:, by]
        touches[day] = (rolled.touches[day] < -np.expm1(-reach)) & is_on
        left = left * keeps + touches[day]
        since = np.where(touches[day].any(axis=1), 1, since + 1)
        rates[day] = rate_of(world, names, left, intent)
    return Lives(touches, rates)


def rate_of(world: World, names: Sequence[str], left: Floats, intent: Floats) -> Floats:
    """People's rates of conversion on a day, by what is left of their touches."""
    own = world.base * intent
    effects = np.array([one.effect for one in world.sources.values()], dtype=np.float32)
    both = [
        strength * np.minimum(left[:, names.index(one)], 1) * np.minimum(left[:, names.index(other)], 1)
        for (one, other), strength in world.together.items()
    ]
    if world.multiplies:
        # Saturating: a second fresh touch does not double what the first does.
        factor = np.prod(1 + effects / world.base * (1 - np.exp(-left)), axis=1)
        return np.asarray(own * factor + sum(both), dtype=np.float32)
    # Not a product of matrices: for so few channels threads cost more than they bring.
    return np.asarray(own + (left * effects).sum(axis=1) + sum(both), dtype=np.float32)


# --- truth ----------------------------------------------------------------------------------------------------------


def truth(world: World, n_people: int, seed: int, players: Sequence[str] | None = None) -> Truth:
    """Run the world with every set of its players switched on and off; the others cannot change a conversion.

    players  None: the world's; more of them change nothing but the time it takes
    """
    playing = world.players if players is None else tuple(players)
    others = frozenset(world.sources) - frozenset(playing)
    sets = [frozenset(some) for size in range(len(playing) + 1) for some in combinations(playing, size)]
    worth = dict.fromkeys(sets, 0.0)
    rng = np.random.default_rng((seed, 1))
    for n in portions(n_people):
        rolled = dice(world, n, rng)
        for some in sets:
            total = live(world, rolled, some | others).rates.sum(axis=0, dtype=np.float64)
            worth[some] += float(-np.expm1(-total).sum()) / n_people
    return Truth(
        {name: shapley(name, playing, worth) for name in world.names},
        worth[frozenset(playing)],
        worth[frozenset()],
    )


def shapley(name: str, players: Sequence[str], worth: Mapping[frozenset[str], float]) -> float:
    """The mean of what a player adds, over all orders of the players; 0 for who does not play."""
    if name not in players:
        return 0.0
    others = [one for one in players if one != name]
    return sum(
        (worth[frozenset(some) | {name}] - worth[frozenset(some)]) / len(players) / comb(len(others), size)
        for size in range(len(players))
        for some in combinations(others, size)
    )


def portions(n: int) -> Iterator[int]:
    """n in portions that memory likes."""
    for begin in range(0, n, CHUNK):
        yield min(CHUNK, n - begin)


# --- what is seen ---------------------------------------------------------------------------------------------------


def seen(world: World, n_people: int, seed: int) -> Seen:
    """Run a world once with everything switched on, as a tracker sees it.

    Each person converts at most once and has no touches after. Who converts is on the site: if no channel brought them
    that day, they come by one of `arrivals`, or direct.
    """
    rng = np.random.default_rng((seed, 2))
    parts = [look(world, n, rng) for n in portions(n_people)]
    return joined([part.paths for part in parts], np.concatenate([part.converted for part in parts]))


def look(world: World, n_people: int, rng: np.random.Generator) -> Seen:
    """`seen` of one portion."""
    rolled = dice(world, n_people, rng)
    lives = live(world, rolled, frozenset(world.sources))
    converts = rng.random(lives.rates.shape) < -np.expm1(-lives.rates)
    converted = converts.any(axis=0)
    ends = np.where(converted, converts.argmax(axis=0), world.n_days - 1)
    touches = np.zeros((world.n_days, n_people, len(world.names)), dtype=np.bool_)
    touches[:, :, :-1] = lives.touches & (np.arange(world.n_days)[:, None] <= ends)[:, :, None]
    arrive(world, touches, ends, converted, rng)
    day, person, channel = np.nonzero(touches)
    # Visits are spread over the first half of a day, conversions follow in the second.
    touched = BEGINS_MS + day * DAY_MS + rng.integers(0, DAY_MS // 2, len(day))
    order = np.lexsort((touched, person))
    until = BEGINS_MS + ends * DAY_MS + rng.integers(DAY_MS // 2, DAY_MS, n_people)
    if world.closes_days:
        waits = np.where(converted, rng.exponential(world.closes_days, n_people), 2 * world.closes_days)
        until = until + (waits * DAY_MS).astype(np.int64)
    offsets = np.concatenate(([0], np.cumsum(np.bincount(person, minlength=n_people)))).astype(np.int64)
    came = np.diff(offsets) > 0
    found = paths(world.names, offsets, touched[order], channel[order], until, rng)
    return Seen(chosen(found, came), converted[came])


def arrive(world: World, touches: Bools, ends: Ints, converted: Bools, rng: np.random.Generator) -> None:
    """Bring those to the site who convert on a day on which nothing brought them."""
    people = np.flatnonzero(converted)
    people = people[~touches[ends[people], people].any(axis=1)]
    chances = np.array([world.arrivals.get(name, 0.0) for name in world.names])
    chances[-1] = 1 - chances.sum()
    touches[ends[people], people, rng.choice(len(chances), len(people), p=chances)] = True


def paths(
    names: Sequence[str], offsets: Ints, touched: Ints, channels: Ints, until: Ints, rng: np.random.Generator
) -> Paths:
    """Paths in which the lead and the deal came at some moment between the first touch and the close."""
    n = len(until)
    first = np.where(np.diff(offsets) > 0, np.append(touched, 0)[offsets[:-1]], until)
    lead = first + (rng.random(n) * (until - first)).astype(np.int64)
    deal = lead + (rng.random(n) * (until - lead)).astype(np.int64)
    return Paths(
        offsets=offsets,
        touched_ms=touched.astype(np.int64),
        channels=channels.astype(np.int64),
        names=names,
        scopes=np.zeros(len(touched), dtype=np.int64),
        is_excluded=np.zeros(len(touched), dtype=np.bool_),
        converted_ms=until,
        earliest_ms=np.zeros(n, dtype=np.int64),
        lead_ms=lead,
        deal_ms=deal,
        close_ms=until,
    )


def chosen(found: Paths, mask: Bools) -> Paths:
    """Some of the paths, whole."""
    kept = np.repeat(mask, np.diff(found.offsets))
    return replace(
        found.only(kept),
        offsets=np.concatenate(([0], np.cumsum(np.diff(found.offsets)[mask]))).astype(np.int64),
        converted_ms=found.converted_ms[mask],
        earliest_ms=found.earliest_ms[mask],
        lead_ms=found.lead_ms[mask],
        deal_ms=found.deal_ms[mask],
        close_ms=found.close_ms[mask],
    )


def joined(parts: Sequence[Paths], converted: Bools) -> Seen:
    """Paths of several portions as one."""

    def all_of(name: str) -> NDArray[np.generic]:
        return np.concatenate([getattr(part, name) for part in parts])

    lengths = np.concatenate([np.diff(part.offsets) for part in parts])
    arrays = ("touched_ms", "channels", "scopes", "is_excluded")
    moments = ("converted_ms", "earliest_ms", "lead_ms", "deal_ms", "close_ms")
    whole = Paths(
        offsets=np.concatenate(([0], np.cumsum(lengths))).astype(np.int64),
        names=parts[0].names,
        **{name: all_of(name) for name in (*arrays, *moments)},
    )
    return Seen(whole, converted)
