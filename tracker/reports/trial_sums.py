"""(pure) What a definition would change: people's ways under one reading beside those under another, added up.

A way is somebody's changes of stage in their order. *Entered* counts each coming into a stage, *reached* each person
once who came into it or into a later one, *first* each person in the month in which they first came into that stage:
as MQLs are counted.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tracker.clock import local_day
from tracker.lifecycle.changes import Change
from tracker.lifecycle.stages import Stages
from tracker.vocabulary import Stage

MOST_PEOPLE = 200


@dataclass(frozen=True, slots=True)
class Mover:
    """Somebody who would stand elsewhere; None: in no stage."""

    contact_id: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Move:
    """How many would stand in `after` who stand in `before`."""

    before: str | None
    after: str | None
    n: int


@dataclass(frozen=True, slots=True)
class StageSum:
    """A stage under both readings, A and B."""

    stage: str
    reached: tuple[int, int]
    entered: tuple[int, int]


@dataclass(frozen=True, slots=True)
class MonthSum:
    """A month ('2026-04') and who first came into the stage in it, under each reading."""

    month: str
    n: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """What a trial found.

    n_people    whose ways were looked at; n_elsewhere: of these, who would stand elsewhere
    n_otherwise of these, whose way differs at all: the same stage, but at another time or by another way
    movers      the first of those who would stand elsewhere, by id
    """

    n_people: int
    n_elsewhere: int
    n_otherwise: int
    moves: tuple[Move, ...]
    movers: tuple[Mover, ...]
    stages: tuple[StageSum, ...]
    months: tuple[MonthSum, ...]


@dataclass(slots=True)
class FirstEntries:
    """Per month how many first came into a stage; of as many months as there are, whoever many people."""

    stage: str
    timezone: str
    by_month: Counter[str] = field(default_factory=Counter)

    def add(self, way: Sequence[Change]) -> None:
        """Count one person's way."""
        first = next((change for change in way if change.stage == self.stage), None)
        if first is not None:
            self.by_month[local_day(first.at, self.timezone)[:7]] += 1


def months_of(series: Sequence[FirstEntries]) -> tuple[MonthSum, ...]:
    """All months from the first to the last in which anybody came, those without anybody too."""
    seen = sorted({month for one in series for month in one.by_month})
    if not seen:
        return ()
    return tuple(
        MonthSum(month, tuple(one.by_month[month] for one in series)) for month in months_between(seen[0], seen[-1])
    )


def months_between(first: str, last: str) -> list[str]:
    """'2025-11', '2026-01' -> both and '2025-12'."""
    year, month = map(int, first.split("-"))
    found = []
    while (name := f"{year:04}-{month:02}") <= last:
        found.append(name)
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    return found


class Tally:
    """Adds up people one after the other, in memory that does not grow with them."""

    def __init__(self, stages: Stages, timezone: str, stage: str = Stage.MQL, most: int = MOST_PEOPLE) -> None:
        self.stages, self.most = stages, most
        self.first = (FirstEntries(stage, timezone), FirstEntries(stage, timezone))
        self.moves: Counter[tuple[str | None, str | None]] = Counter()
        self.movers: list[Mover] = []
        self.reached: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
        self.entered: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
        self.n_people = self.n_otherwise = 0

    def add(self, contact_id: str, a: Sequence[Change], b: Sequence[Change]) -> None:
        """One person's way under both readings."""
        self.n_people += 1
        for side, way in enumerate((a, b)):
            self.first[side].add(way)
            self.entered[side].update(change.stage for change in way)
            self.reached[side].update(reached_by(way, self.stages))
        if steps(a) != steps(b):
            self.n_otherwise += 1
        before, after = stands(a), stands(b)
        if before != after:
            self.moves[before, after] += 1
            if len(self.movers) < self.most:
                self.movers.append(Mover(contact_id, before, after))

    def result(self) -> Result:
        """What came of it: moves by the order of the stages, all stages of the site, months without a gap."""
        rank = self.stages.rank
        moves = sorted(self.moves.items(), key=lambda one: (rank(one[0][0]), rank(one[0][1]), str(one[0])))
        return Result(
            self.n_people,
            sum(self.moves.values()),
            self.n_otherwise,
            tuple(Move(before, after, n) for (before, after), n in moves),
            tuple(self.movers),
            tuple(StageSum(one, pair_of(self.reached, one), pair_of(self.entered, one)) for one in self.stages.names),
            months_of(self.first),
        )


def pair_of(counters: tuple[Counter[str], Counter[str]], stage: str) -> tuple[int, int]:
    """A stage's number under both readings."""
    return counters[0][stage], counters[1][stage]


def stands(way: Sequence[Change]) -> str | None:
    """The stage in which a way ends."""
    return way[-1].stage if way else None


def steps(way: Iterable[Change]) -> list[tuple[str, object]]:
    """The stages of a way and when they were come into; not who said so."""
    return [(change.stage, change.at) for change in way]


def reached_by(way: Sequence[Change], stages: Stages) -> list[str]:
    """The stages that somebody reached: those up to the furthest they came into; `other` only if they came into it."""
    came = {change.stage for change in way}
    on_line = [one for one in stages.names if one != Stage.OTHER]
    furthest = max((place for place, one in enumerate(on_line) if one in came), default=-1)
    return on_line[: furthest + 1] + [one for one in stages.names if one == Stage.OTHER and one in came]
