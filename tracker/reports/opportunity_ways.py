"""(pure) The ways of deals through their stages up to a day: where each stands, what is usual, what a stage promises.

All of it is of the end of a day, from states that began by then; what came later does not exist yet.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from tracker.deals.probability import share_bp
from tracker.vocabulary import DealStatus

OPEN, WON = DealStatus.OPEN.value, DealStatus.WON.value
# A stage's own history counts from so many deals on, for its probability and for what is usual in it.
LEAST = 10
# So many pipelines' histories are kept beside the ways.
MOST_KNOWN = 32
# Where the probability of a stage is from: the CRM's word of the stage, its own history, the whole site's.
TOLD, MEASURED, SITE = "told", "measured", "site"


class StateRow(NamedTuple):
    """A state of a deal from a day on, in the site's zone. closed_day: on which it was won or lost; None while open."""

    deal_id: str
    from_day: str
    pipeline: str
    stage: str
    status: str
    amount_minor: int
    currency: str
    probability_bp: int | None
    lost_reason: str | None
    closed_day: str | None


class Stay(NamedTuple):
    """A deal in a stage, as long as neither the stage nor the status changed; to_day None: it is still there."""

    pipeline: str
    stage: str
    status: str
    from_day: str
    to_day: str | None

    @property
    def is_open(self) -> bool:
        return self.status == OPEN


@dataclass(frozen=True, slots=True)
class Way:
    """A deal's stays up to a day, at least one, and how it stands at that day's end."""

    stays: tuple[Stay, ...]
    stands: StateRow

    @property
    def deal_id(self) -> str:
        return self.stands.deal_id

    @property
    def is_open(self) -> bool:
        return self.stands.status == OPEN

    @property
    def since(self) -> str:
        """The day on which it entered the stage it stands in."""
        return self.stays[-1].from_day

    @property
    def closed_day(self) -> str:
        """The day on which it was won or lost, as was known at the way's end; '' for an open deal."""
        return self.stands.closed_day or ""


class ToldStage(NamedTuple):
    """A stage of a pipeline as a CRM or a user told of it; probability in ten-thousandths, None: measure it."""

    stage: str
    label: str | None
    probability_bp: int | None


@dataclass(frozen=True, slots=True)
class Chance:
    """A stage's probability, where it is from, and of how many closed deals; None where there is none at all."""

    probability_bp: int | None
    source: str
    n_closed: int


@dataclass(frozen=True, slots=True)
class Usual:
    """How many days deals stayed in a stage that they left: nearest ranks, None without any."""

    n: int
    median: int | None
    p90: int | None

    @property
    def limit(self) -> int | None:
        """Who is longer in the stage is stuck; None where too few have left it to say."""
        return self.p90 if self.n >= LEAST else None


NO_CHANCE = Chance(None, SITE, 0)


@dataclass(frozen=True, slots=True)
class Entry:
    """That a deal entered a stage on a day, and whether it came further by the end: to a later stage, or was won."""

    way: Way
    stage: str
    day: str
    reached: bool


@dataclass(frozen=True, slots=True)
class History:
    """What the ways say of one pipeline.

    stages   in their order; chances: by stage; usual: by stage of which a stay has ended
    open, closed  the deals that stand in it
    entries  everything that deals entered in it, deal after deal, each in its order
    """

    stages: tuple[str, ...]
    chances: Mapping[str, Chance]
    usual: Mapping[str, Usual]
    open: tuple[Way, ...]
    closed: tuple[Way, ...]
    entries: tuple[Entry, ...]


class Ways(tuple[Way, ...]):
    """The ways of a site's deals up to a day; what they say of a pipeline is found once, however often it is asked."""

    def history(self, pipeline: str, told: Sequence[ToldStage]) -> History:
        """What they say of a pipeline; told: its stages as somebody told of them."""
        known: dict[tuple[str, tuple[ToldStage, ...]], History] = self.__dict__.setdefault("known", {})
        asked = pipeline, tuple(told)
        if (found := known.get(asked)) is None:
            if len(known) >= MOST_KNOWN:  # whoever asks may name any pipeline
                known.clear()
            known[asked] = found = history_of(self, *asked)
        return found


def history_of(ways: Sequence[Way], pipeline: str, told: Sequence[ToldStage]) -> History:
    """What ways say of a pipeline."""
    stages = stage_order(ways, pipeline, told)
    own = [way for way in ways if way.stands.pipeline == pipeline]
    return History(
        stages=tuple(stages),
        chances=chances(ways, pipeline, stages, told),
        usual=usual(ways, pipeline),
        open=tuple(way for way in own if way.is_open),
        closed=tuple(way for way in own if not way.is_open),
        entries=tuple(entries(ways, pipeline, stages)),
    )


def ways_of(rows: Iterable[StateRow], day: str) -> Ways:
    """The ways up to the end of a day; deals that began later are left out.

    rows  those of a deal together, in their order
    """
    found: list[Way] = []
    for _, group in groupby(rows, key=itemgetter(0)):
        own = [row for row in group if row.from_day <= day]
        if own:
            found.append(Way(tuple(stays_of(own)), own[-1]))
    return Ways(found)


def stays_of(rows: Sequence[StateRow]) -> Iterator[Stay]:
    """States that follow each other as stays."""
    begun = rows[0]
    for row in rows[1:]:
        if row[2:5] != begun[2:5]:
            yield Stay(begun.pipeline, begun.stage, begun.status, begun.from_day, row.from_day)
            begun = row
    yield Stay(begun.pipeline, begun.stage, begun.status, begun.from_day, None)


def days_between(first: str, last: str) -> int:
    """Whole days from one day to another."""
    return ordinal(last) - ordinal(first)


@lru_cache(maxsize=4_096)
def ordinal(day: str) -> int:
    """A day's number; the same few days are asked for again and again."""
    return date.fromisoformat(day).toordinal()


def rank(ordered: Sequence[int], percent: int) -> int | None:
    """The value at a percentile, by nearest rank; None without any."""
    return ordered[-(-percent * len(ordered) // 100) - 1] if ordered else None


def usual(ways: Iterable[Way], pipeline: str) -> dict[str, Usual]:
    """By stage of a pipeline: how long open deals stayed in it before they left it."""
    lengths: dict[str, list[int]] = {}
    for way in ways:
        for stay in way.stays:
            if stay.is_open and stay.pipeline == pipeline and stay.to_day is not None:
                lengths.setdefault(stay.stage, []).append(days_between(stay.from_day, stay.to_day))
    return {stage: Usual(len(own), rank(sorted(own), 50), rank(sorted(own), 90)) for stage, own in lengths.items()}


def stage_order(ways: Iterable[Way], pipeline: str, told: Sequence[ToldStage] = ()) -> list[str]:
    """The stages of a pipeline in which deals stood open, those that were told first and in their order.

    A told stage in which deals were only ever won or lost is no step on the way; one that nobody was in yet is.
    The others follow in the order in which deals typically enter them: see typical_order.
    """
    histories: list[list[str]] = []
    closed: set[str] = set()
    for way in ways:
        entered = dict.fromkeys(stay.stage for stay in way.stays if stay.is_open and stay.pipeline == pipeline)
        closed.update(stay.stage for stay in way.stays if not stay.is_open and stay.pipeline == pipeline)
        if entered:
            histories.append(list(entered))
    seen = typical_order(histories)
    first = [one.stage for one in told if one.stage in seen or one.stage not in closed]
    return [*first, *(stage for stage in seen if stage not in first)]


def typical_order(histories: Iterable[Sequence[str]]) -> list[str]:
    """Stages in the order in which they are typically entered.

    histories  per deal: the different stages that it entered, in that order
    Two stages stand to each other as in most of the deals that entered both. A stage's place is by how many others it
    comes before, less those it comes after; ties by name. (Their mean place in the histories would put a stage late
    only because many deals have just come to it.)
    """
    before: dict[tuple[str, str], int] = {}
    stages: set[str] = set()
    for history in histories:
        stages.update(history)
        for i, one in enumerate(history):
            for other in history[i + 1 :]:
                before[one, other] = before.get((one, other), 0) + 1
    scores = dict.fromkeys(stages, 0)
    for (one, other), n in before.items():
        if n > before.get((other, one), 0):
            scores[one] += 1
            scores[other] -= 1
    return sorted(stages, key=lambda stage: (-scores[stage], stage))


def chances(ways: Sequence[Way], pipeline: str, stages: Sequence[str], told: Sequence[ToldStage]) -> dict[str, Chance]:
    """By stage its probability: as told, else measured.

    Measured: of the deals that ever stood open in the stage and are closed, the share that is won; where fewer than
    LEAST have closed, of all closed deals of the site.
    """
    known = {one.stage: one.probability_bp for one in told if one.probability_bp is not None}
    closed: dict[str, int] = {}
    won: dict[str, int] = {}
    n_closed = n_won = 0
    for way in ways:
        if way.is_open:
            continue
        is_won = way.stands.status == WON
        n_closed, n_won = n_closed + 1, n_won + is_won
        for stage in {stay.stage for stay in way.stays if stay.is_open and stay.pipeline == pipeline}:
            closed[stage] = closed.get(stage, 0) + 1
            won[stage] = won.get(stage, 0) + is_won
    whole = Chance(share_bp(n_won, n_closed), SITE, n_closed) if n_closed else NO_CHANCE
    found: dict[str, Chance] = {}
    for stage in stages:
        n = closed.get(stage, 0)
        if stage in known:
            found[stage] = Chance(known[stage], TOLD, n)
        else:
            found[stage] = Chance(share_bp(won[stage], n), MEASURED, n) if n >= LEAST else whole
    return found


def entries(ways: Iterable[Way], pipeline: str, stages: Sequence[str]) -> Iterator[Entry]:
    """All that deals entered in a pipeline.

    A deal reached the next stage when it entered any later one afterwards, or was won.
    """
    places: Mapping[str, int] = {stage: place for place, stage in enumerate(stages)}
    for way in ways:
        furthest = -1
        found: list[Entry] = []
        for stay in reversed(way.stays):
            place = places.get(stay.stage, -1)
            is_here = stay.is_open and stay.pipeline == pipeline
            if is_here and place >= 0:
                found.append(Entry(way, stay.stage, stay.from_day, furthest > place))
            if stay.status == WON:
                furthest = len(places)
            elif is_here:
                furthest = max(furthest, place)
        yield from reversed(found)


def entered_in(found: Iterable[Entry], from_day: str, to_day: str) -> Iterator[Entry]:
    """Each deal once for each stage that it entered in a period, in both days and what is between."""
    seen: set[tuple[str, str]] = set()
    for one in found:
        if from_day <= one.day <= to_day:
            key = one.way.deal_id, one.stage
            if key not in seen:
                seen.add(key)
                yield one
