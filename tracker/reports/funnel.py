"""(pure) The Funnel report: who came into each stage in a period, who of them came further, and how long it took.

*Entered* counts each coming into a stage, *reached* each person once, when they first came into it or a later one.
What is reached later is looked at as of now, however the period was. Everybody stands under one source, so the
figures of the sources add up to the totals; browsers alone can stand under several.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from tracker.attribution.touches import DAY_MS, Bools, Ints
from tracker.clock import from_ms, local_day, to_ms
from tracker.reports.columns import NOBODY, day_number
from tracker.reports.funnel_ways import (
    NOTHING,
    Line,
    Spread,
    Ways,
    reaches,
    some_ways,
    spread_of,
    spreads_of,
    usual_stays,
)
from tracker.reports.periods import month_end, month_start
from tracker.reports.query import Query
from tracker.vocabulary import Scope, Stage

# Cohorts are shown of so many months up to the period's end, and of more where the period is longer.
FEW_MONTHS, MOST_MONTHS = 12, 36


class Touch(StrEnum):
    """Whose touch names a person's source: the first, the latest, or the last eligible one before they were a lead."""

    FIRST = "first"
    LAST = "last"
    LEAD = "lead"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked: period, dimension, filters and the period beside it of `query`; of people or of companies.

    from_stage, to_stage  on the line, in this order
    """

    query: Query
    scope: Scope
    touch: Touch
    from_stage: str
    to_stage: str


@dataclass(frozen=True, slots=True)
class Browsers:
    """The browsers of a period's visits.

    n         different ones; by_value: under each value of the dimension, where one can stand under several
    named     by value the numbers of those that belong to somebody by now
    owned     per browser and person whose it is or was: its number; owners: the place of that person among the ways,
              NOBODY for who is in no stage
    """

    n: int
    by_value: Mapping[str, int]
    named: Mapping[str, Ints]
    owned: Ints
    owners: Ints

    @property
    def all_named(self) -> Ints:
        """The numbers of all that belong to somebody, each once, rising."""
        parts = list(self.named.values())
        return np.unique(np.concatenate(parts)) if parts else np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the report is made of.

    codes     per way: the place of its source in `values`, NOBODY where no touch explains it
    takes     per way: whether it meets the filters; None: there are none
    browsers, browsers_before  of the period and of the one beside it; None for companies, which have no browsers
    n_staged, n_all  how many people (companies) are in a stage, and how many there are
    """

    line: Line
    ways: Ways
    values: Sequence[str]
    codes: Ints
    takes: Bools | None
    browsers: Browsers | None
    browsers_before: Browsers | None = None
    n_all: int = 0


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of a stage.

    entered       comings into the stage in the period, each; people: how many did
    reached       who first came into it or a later one in the period; advanced: of these, who has reached the next
    timed         how long these took from stage to stage, without those who came into both at one step
    standing      who is in the stage now; stuck: of these, who is in it for longer than usual
    ripe          of `reached`, whose usual time is over; dropped: of these, who has come no further
    """

    entered: int = 0
    people: int = 0
    reached: int = 0
    advanced: int = 0
    timed: Spread = NOTHING
    standing: int = 0
    stuck: int = 0
    ripe: int = 0
    dropped: int = 0

    @property
    def conversion(self) -> float | None:
        """The share of those who reached the stage that has reached the next; None where nobody did."""
        return share(self.advanced, self.reached)

    @property
    def drop_off(self) -> float | None:
        """The share of those whose usual time is over that has come no further."""
        return share(self.dropped, self.ripe)


@dataclass(frozen=True, slots=True)
class Pair:
    """From one stage to a later one: who reached the first in the period, who of them has reached the second, and how
    long that took, of those who did not come into both at one step."""

    reached: int
    converted: int
    timed: Spread = NOTHING

    @property
    def conversion(self) -> float | None:
        return share(self.converted, self.reached)


@dataclass(frozen=True, slots=True)
class StageLine:
    """A stage. usual: how long those had been in it who moved on, ever; before: in the period beside."""

    name: str
    is_on_line: bool
    is_last: bool
    usual: Spread
    figures: Figures
    before: Figures | None


@dataclass(frozen=True, slots=True)
class SourceLine:
    """One value of the dimension: per stage who entered and who reached it, and the asked pair.

    visitors, named  browsers, and those of them that belong to somebody; None where none are counted
    """

    value: str
    is_unattributed: bool
    entered: tuple[int, ...]
    reached: tuple[int, ...]
    pair: Pair
    before: Pair | None
    visitors: int | None
    named: int | None


@dataclass(frozen=True, slots=True)
class VisitorLine:
    """The browsers of the period, and per stage of the line those whose person has reached it by now."""

    visitors: int
    named: int
    converted: tuple[int, ...]
    visitors_before: int | None
    named_before: int | None


@dataclass(frozen=True, slots=True)
class MonthLine:
    """Who reached the asked stage in a month, and who of them has reached each later one.

    is_young  per later stage: whether the usual time to it is not over for all of the month
    """

    month: str
    reached: int
    converted: tuple[int, ...]
    is_young: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """The report. pairs: by place on the line of the first and of the second stage, all in the period."""

    asked: Asked
    line: Line
    stages: tuple[StageLine, ...]
    sources: tuple[SourceLine, ...]
    pairs: Mapping[tuple[int, int], Pair]
    pair_before: Pair | None
    visitors: VisitorLine | None
    months: tuple[MonthLine, ...]
    before_days: tuple[str, str] | None
    n_all: int
    n_staged: int
    generated_at: datetime

    @property
    def pair(self) -> Pair:
        """That from the asked stage to the asked one."""
        return self.pairs[self.place(self.asked.from_stage), self.place(self.asked.to_stage)]

    def place(self, name: str) -> int:
        """The place of a stage on the line."""
        return self.steps.index(name)

    @property
    def steps(self) -> tuple[str, ...]:
        """The stages of the line."""
        return tuple(self.line.names[place] for place in self.line.on_line)


def share(part: int, whole: int) -> float | None:
    """A part of a whole; None of nothing."""
    return part / whole if whole else None


class Scene:
    """The ways that meet the filters, and what is known of them: what both the report and its rows start from.

    places    the line's stages among all
    reached   per stage and way the change by which it was first reached, or NOBODY; all_reached: of all ways
    usual     per stage how long those had been in it who moved on; limits: what is usual in milliseconds, where who is
              longer in it is stuck: before customer, on the line
    """

    def __init__(self, facts: Facts, asked: Asked, now: datetime) -> None:
        self.line, self.asked, self.now_ms, self.values = facts.line, asked, to_ms(now), facts.values
        self.all_ways = facts.ways
        takes = facts.takes
        self.chosen = np.arange(len(facts.ways)) if takes is None else np.flatnonzero(takes)
        self.ways = facts.ways if takes is None else some_ways(facts.ways, takes)
        self.codes: Ints = facts.codes[self.chosen]
        self.places = facts.line.on_line
        self.owners = self.ways.owners
        self.reached = reaches(self.ways, facts.line)
        self.all_reached = self.reached if takes is None else reaches(facts.ways, facts.line)
        self.usual = usual_stays(facts.ways, facts.line)
        self.limits = tuple(self._limit(place) for place in range(len(facts.line.names)))

    def _limit(self, place: int) -> int | None:
        names = [self.line.names[one] for one in self.places]
        before = names[: names.index(Stage.CUSTOMER)] if Stage.CUSTOMER in names else names
        return self.usual[place].limit_ms if self.line.names[place] in before else None

    def in_period(self, first: str, last: str) -> Bools:
        """Per change whether it was in these days; one place more, at the end, for NOBODY."""
        found = (self.ways.days >= day_number(first)) & (self.ways.days <= day_number(last))
        return np.append(found, False)

    def cohort(self, place: int, within: Bools) -> Bools:
        """Per way whether it reached a stage by one of these changes."""
        return np.asarray(within[self.reached[place]], dtype=np.bool_)

    def has_reached(self, place: int) -> Bools:
        """Per way whether it has reached a stage by now."""
        return np.asarray(self.reached[place] >= 0, dtype=np.bool_)

    def following(self, place: int) -> int | None:
        """The next stage of the line; None after the last, and for what is not on it."""
        if place not in self.places or place == self.places[-1]:
            return None
        return self.places[self.places.index(place) + 1]

    def lasted(self, cohort: Bools, first: int, second: int) -> tuple[Ints, Ints]:
        """Of a cohort the ways that came from one stage to another by more than one step, and how long it took."""
        start, end = self.reached[first], self.reached[second]
        ways = np.flatnonzero(cohort & (end >= 0) & (start != end))
        return ways, self.ways.at_ms[end[ways]] - self.ways.at_ms[start[ways]]

    def entries(self, place: int, within: Bools) -> Ints:
        """The changes into a stage among these."""
        return np.flatnonzero((self.ways.stages == place) & within[:-1])

    def standing(self, place: int) -> Bools:
        """Per way whether it stands in a stage."""
        return np.asarray(self.ways.stages[self.ways.lasts] == place, dtype=np.bool_)

    def stuck(self, place: int) -> Bools:
        """Of those who stand in a stage who has been in it for longer than usual."""
        limit, found = self.limits[place], np.zeros(len(self.ways), dtype=np.bool_)
        if limit is not None:
            found = self.standing(place) & (self.now_ms - self.ways.at_ms[self.ways.lasts] > limit)
        return found

    def ripe(self, place: int, cohort: Bools) -> Bools:
        """Of a cohort of a stage those for whom the stage's usual time is over."""
        limit = self.limits[place]
        if limit is None or not len(self.ways.at_ms):
            return np.zeros(len(self.ways), dtype=np.bool_)
        found: Bools = cohort & (self.now_ms - self.ways.at_ms[self.reached[place]] > limit)
        return found

    def dropped(self, place: int, cohort: Bools) -> Bools:
        """Of those the ones that have come no further."""
        following = self.following(place)
        found = self.ripe(place, cohort)
        return found if following is None else found & ~self.has_reached(following)

    def pair(self, cohort: Bools, first: int, second: int) -> Pair:
        """From one stage to another, of a cohort."""
        _, lasted = self.lasted(cohort, first, second)
        return Pair(int(cohort.sum()), int((cohort & self.has_reached(second)).sum()), spread_of(lasted))


def report_of(facts: Facts, scene: Scene, before_days: tuple[str, str] | None) -> Report:
    """The report of a scene; before_days: the period beside it."""
    asked, query = scene.asked, scene.asked.query
    within = scene.in_period(query.from_day, query.to_day)
    earlier = scene.in_period(*before_days) if before_days else None
    places = scene.places
    cohorts = {place: scene.cohort(place, within) for place in places}
    pairs = {
        (i, j): scene.pair(cohorts[first], first, second)
        for i, first in enumerate(places)
        for j, second in enumerate(places)
        if i < j
    }
    start, end = (facts.line.names.index(name) for name in (asked.from_stage, asked.to_stage))
    return Report(
        asked,
        facts.line,
        tuple(stage_line(scene, place, within, earlier) for place in range(len(facts.line.names))),
        source_lines(scene, facts.browsers, within, earlier),
        pairs,
        None if earlier is None else scene.pair(scene.cohort(start, earlier), start, end),
        visitor_line(scene, facts),
        month_lines(scene, facts, start),
        before_days,
        facts.n_all,
        len(facts.ways),
        from_ms(scene.now_ms),
    )


def stage_line(scene: Scene, place: int, within: Bools, earlier: Bools | None) -> StageLine:
    """A stage."""
    return StageLine(
        scene.line.names[place],
        place in scene.places,
        place == scene.places[-1],
        scene.usual[place],
        figures_of(scene, place, within),
        None if earlier is None else figures_of(scene, place, earlier),
    )


def figures_of(scene: Scene, place: int, within: Bools) -> Figures:
    """The figures of a stage."""
    entries = scene.entries(place, within)
    cohort = scene.cohort(place, within)
    following = scene.following(place)
    pair = None if following is None else scene.pair(cohort, place, following)
    return Figures(
        entered=len(entries),
        people=len(np.unique(scene.owners[entries])),
        reached=int(cohort.sum()),
        advanced=pair.converted if pair else 0,
        timed=pair.timed if pair else NOTHING,
        standing=int(scene.standing(place).sum()),
        stuck=int(scene.stuck(place).sum()),
        ripe=int(scene.ripe(place, cohort).sum()),
        dropped=int(scene.dropped(place, cohort).sum()),
    )


# --- by source --------------------------------------------------------------------------------------------------------


def source_lines(
    scene: Scene, browsers: Browsers | None, within: Bools, earlier: Bools | None
) -> tuple[SourceLine, ...]:
    """A line for each source of which there is anything; the most who reached the asked stage first, nobody's last."""
    start, end = (scene.line.names.index(name) for name in (scene.asked.from_stage, scene.asked.to_stage))
    entered = [counted(scene, scene.codes[scene.owners[scene.entries(place, within)]]) for place in all_places(scene)]
    reached = [counted(scene, scene.codes[scene.cohort(place, within)]) for place in all_places(scene)]
    pairs = pairs_by_code(scene, scene.cohort(start, within), start, end)
    before = {} if earlier is None else pairs_by_code(scene, scene.cohort(start, earlier), start, end)
    codes = {int(code) for column in (*entered, *reached) for code in np.flatnonzero(column) - 1}
    names = {code: scene.values[code] for code in codes | set(before) if code != NOBODY}
    seen = dict(browsers.by_value) if browsers else {}
    known = {value: code for code, value in names.items()}
    missing = [value for value in seen if value not in known]
    lines = [
        SourceLine(
            names.get(code, ""),
            code == NOBODY,
            tuple(int(column[code + 1]) for column in entered),
            tuple(int(column[code + 1]) for column in reached),
            pairs.get(code, Pair(0, 0)),
            None if earlier is None else before.get(code, Pair(0, 0)),
            None if browsers is None or code == NOBODY else seen.get(names[code], 0),
            None if browsers is None or code == NOBODY else n_named(browsers, names[code]),
        )
        for code in sorted(codes | set(before))
    ]
    none = (0,) * len(scene.line.names)
    lines += [
        SourceLine(
            value,
            False,
            none,
            none,
            Pair(0, 0),
            None if earlier is None else Pair(0, 0),
            seen[value],
            n_named(browsers, value),
        )
        for value in missing
        if browsers
    ]
    return tuple(
        sorted(lines, key=lambda one: (one.is_unattributed, -one.pair.reached, -(one.visitors or 0), one.value))
    )


def all_places(scene: Scene) -> range:
    """The places of all stages."""
    return range(len(scene.line.names))


def counted(scene: Scene, codes: Ints) -> NDArray[np.int64]:
    """How many of each code; the first is NOBODY's."""
    return np.bincount(codes + 1, minlength=len(scene.values) + 1)


def pairs_by_code(scene: Scene, cohort: Bools, first: int, second: int) -> dict[int, Pair]:
    """The pair by source."""
    reached = counted(scene, scene.codes[cohort])
    converted = counted(scene, scene.codes[cohort & scene.has_reached(second)])
    ways, lasted = scene.lasted(cohort, first, second)
    timed = spreads_of(lasted, scene.codes[ways])
    return {
        int(code): Pair(int(reached[code + 1]), int(converted[code + 1]), timed.get(int(code), NOTHING))
        for code in np.flatnonzero(reached) - 1
    }


# --- browsers ---------------------------------------------------------------------------------------------------------


def n_named(browsers: Browsers, value: str) -> int:
    """How many different browsers of a source belong to somebody."""
    return len(np.unique(browsers.named.get(value, np.zeros(0, dtype=np.int64))))


def visitor_line(scene: Scene, facts: Facts) -> VisitorLine | None:
    """The browsers of the period; a browser has reached what any person of it has.

    Who is known by name is a lead, so that whatever comes no later than lead is reached by all that belong to somebody.
    """
    browsers = facts.browsers
    if browsers is None:
        return None
    named = browsers.all_named
    leads = scene.line.ranks[scene.line.names.index(Stage.LEAD)]
    converted = []
    for place in scene.places:
        if scene.line.ranks[place] <= leads:
            converted.append(len(named))
            continue
        is_there = np.append(scene.all_reached[place] >= 0, False)[browsers.owners]
        converted.append(int(np.isin(named, browsers.owned[is_there]).sum()))
    before = facts.browsers_before
    return VisitorLine(
        browsers.n,
        len(named),
        tuple(converted),
        None if before is None else before.n,
        None if before is None else len(before.all_named),
    )


# --- months -----------------------------------------------------------------------------------------------------------


def months_of(first_day: str, last_day: str) -> tuple[str, ...]:
    """The months whose cohorts are shown: those of the period, at least FEW_MONTHS and at most MOST_MONTHS up to it."""
    last = date.fromisoformat(last_day)
    n = (last.year - int(first_day[:4])) * 12 + last.month - int(first_day[5:7]) + 1
    n = min(max(n, FEW_MONTHS), MOST_MONTHS, last.year * 12 + last.month - 12)
    return tuple(month_start(last, back).isoformat()[:7] for back in reversed(range(n)))


def month_lines(scene: Scene, facts: Facts, start: int) -> tuple[MonthLine, ...]:
    """Who reached the asked stage by month, and how far they have come; months before the first of all are left out."""
    query, later = scene.asked.query, scene.places[scene.places.index(start) + 1 :]
    limits = accumulate((one.limit_ms or 0 for one in usual_ways(scene, facts.ways, start, later)), max)
    # What too few have reached takes no less than what comes before it.
    usual_days = [limit / DAY_MS for limit in limits]
    months = np.append(scene.ways.days // 100, 0)[scene.reached[start]]
    is_there = {place: scene.has_reached(place) for place in later}
    today = date.fromisoformat(local_day(from_ms(scene.now_ms), query.timezone)).toordinal()
    found: list[MonthLine] = []
    for month in months_of(query.from_day, min(query.to_day, date.fromordinal(today).isoformat())):
        cohort = np.asarray(months == int(month.replace("-", "")), dtype=np.bool_)
        if not found and not cohort.any():
            continue
        last = month_end(date.fromisoformat(f"{month}-01")).toordinal()
        found.append(
            MonthLine(
                month,
                int(cohort.sum()),
                tuple(int((cohort & is_there[place]).sum()) for place in later),
                tuple(last + days >= today for days in usual_days),
            )
        )
    return tuple(found)


def usual_ways(scene: Scene, ways: Ways, start: int, later: Sequence[int]) -> list[Spread]:
    """How long it has ever taken from a stage to each of these, of all ways, whatever the filters."""
    found = []
    for place in later:
        begin, end = scene.all_reached[start], scene.all_reached[place]
        both = np.flatnonzero((end >= 0) & (end != begin))
        found.append(spread_of(ways.at_ms[end[both]] - ways.at_ms[begin[both]]))
    return found
