"""(pure) The scorecard: what a month brought in nurturing, converting and keeping people, beside a year of months.

Facts by month in, series out: thirteen months of every figure, with its target and its usual band. Who reads the facts
is scorecard_facts; what each figure means stands in scorecard_metrics.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from tracker.lifecycle.stages import Stages
from tracker.reports.bands import MONTHS, Band, Side, band_of, within
from tracker.reports.lift import banded
from tracker.reports.opportunity_ways import rank
from tracker.reports.periods import month_end, month_start
from tracker.reports.scorecard_metrics import METRICS, WHOLE, Better, Metric
from tracker.vocabulary import DealType, Programme, Stage

UPSOLD = (DealType.UPSELL.value, DealType.CROSS_SELL.value)
# Whose share is what: which count stands above the line, which counted kind or cost below.
PER = {"cost_per_mql": "mql", "cost_per_sql": "sql", "cost_per_customer": "customers"}
PROMOTERS, DETRACTORS = 9, 6
# From which score on to which a lead falls into a band of the profile.
SCORE_BANDS = ((None, 19), (20, 39), (40, 59), (60, 79), (80, None))

# One change of a stage: its day, the stage before (None: none), the stage.
Change = tuple[str, str | None, str]


@dataclass(frozen=True, slots=True)
class Mailed:
    """What a programme did in a month: people whom a mail of it reached, who opened one, who clicked in one."""

    month: str
    programme: str
    audience: Programme
    n_reached: int
    n_opened: int
    n_clicked: int


@dataclass(frozen=True, slots=True)
class Stayed:
    """How many were customers when a month began, and how many of them no longer were when it ended."""

    n_before: int
    n_lost: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What the months hold, by month ('2026-04'); money in minor units of the site's currency.

    counts    by figure ('new_leads', 'reopened_leads', 'mql', 'sql', 'customers') and month
    since     by figure, 'cost' and 'revenue' too: the month of its first fact; before it nothing is known
    costs, revenue   by month; revenue by the deal's type, too
    days      by month: from lead to customer, of each new customer
    people, companies   customers and those lost
    answers   by month: the scores of NPS, one a person
    """

    counts: Mapping[str, Mapping[str, int]]
    since: Mapping[str, str]
    costs: Mapping[str, int] = field(default_factory=dict)
    revenue: Mapping[tuple[str, str], int] = field(default_factory=dict)
    days: Mapping[str, Sequence[int]] = field(default_factory=dict)
    people: Mapping[str, Stayed] = field(default_factory=dict)
    companies: Mapping[str, Stayed] = field(default_factory=dict)
    mails: Sequence[Mailed] = ()
    answers: Mapping[str, Sequence[int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure is to be from a month on, in its own small units."""

    metric: str
    from_month: str
    value: int


@dataclass(frozen=True, slots=True)
class Point:
    """A figure in a month; None: not known, or undefined. part, whole: of a quotient, what it is made of."""

    month: str
    value: int | None
    part: int | None = None
    whole: int | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """A figure over thirteen months, the one that is looked at last.

    target   what it is to be in that month; None: nobody said
    band     its usual band, of the twelve months before; None: too few are known
    """

    metric: Metric
    points: tuple[Point, ...]
    target: int | None
    band: Band | None

    @property
    def now(self) -> Point:
        """The month that is looked at."""
        return self.points[-1]

    @property
    def before(self) -> Point:
        """The month before it."""
        return self.points[-2]

    @property
    def year_before(self) -> Point:
        """The same month of the year before."""
        return self.points[0]

    @property
    def alert(self) -> Side | None:
        """On which side the month has left the band; None where it has not."""
        return self.band.side(self.now.value) if self.band else None

    @property
    def is_welcome(self) -> bool | None:
        """Whether leaving the band is good news; None where it has not, or it is neither."""
        side, better = self.alert, self.metric.better
        if side is None or better is Better.NEITHER:
            return None
        return (side is Side.ABOVE) == (better is Better.UP)

    @property
    def is_met(self) -> bool | None:
        """Whether the month's target is met; None without one, or where the figure is not known."""
        if self.target is None or self.now.value is None or self.metric.better is Better.NEITHER:
            return None
        over = self.now.value - self.target
        return over >= 0 if self.metric.better is Better.UP else over <= 0


# --- months ---------------------------------------------------------------------------------------------------------


def months_until(month: str) -> tuple[str, ...]:
    """The thirteen months up to one, the oldest first."""
    last = date.fromisoformat(f"{month}-01")
    return tuple(month_start(last, back).isoformat()[:7] for back in range(MONTHS, -1, -1))


def last_day(month: str) -> str:
    """The last day of a month."""
    return month_end(date.fromisoformat(f"{month}-01")).isoformat()


# --- stages ---------------------------------------------------------------------------------------------------------


def is_away(stages: Stages, before: str | None, stage: str) -> bool:
    """Whether a change takes somebody out of the way forward: to an earlier stage, to `other`, or to an unknown one."""
    if stage == Stage.OTHER or stage not in stages:
        return True
    return (
        before is not None and before != Stage.OTHER and before in stages and stages.rank(stage) < stages.rank(before)
    )


def reopened_months(changes: Iterable[Change], stages: Stages) -> set[str]:
    """The months in which one person was reopened.

    changes  all of one person, in order
    Who had been in `lead` or beyond and was taken out of the way forward is reopened by the next change that is none
    such and brings them into `lead` or beyond again.
    """
    found: set[str] = set()
    was_in = is_out = False
    for day, before, stage in changes:
        if is_away(stages, before, stage):
            is_out = was_in
        elif is_out and is_lead(stages, stage):
            found.add(day[:7])
            is_out = False
        was_in = was_in or is_lead(stages, stage)
    return found


def is_lead(stages: Stages, stage: str) -> bool:
    """Whether a stage is `lead` or beyond, and not `other`."""
    return stage in stages and stage != Stage.OTHER and stages.rank(stage) >= stages.rank(Stage.LEAD)


def lost_months(changes: Iterable[Change], stages: Stages) -> set[str]:
    """The months in which one customer, a person or a company, was lost: one when it began, none when it ended."""
    customers = stages.beyond_a_win
    at_end: dict[str, bool] = {}
    at_start: dict[str, bool] = {}
    is_one = False
    for day, _, stage in changes:
        at_start.setdefault(day[:7], is_one)
        is_one = stage in customers
        at_end[day[:7]] = is_one
    return {month for month, was_one in at_start.items() if was_one and not at_end[month]}


# --- figures --------------------------------------------------------------------------------------------------------


def series_of(facts: Facts, months: Sequence[str], targets: Iterable[Target], currency: str | None) -> list[Series]:
    """Every figure's series, in the order of METRICS.

    months  as months_until gives them; targets: all of the site. currency None: figures in money are unknown
    """
    wanted = sorted(targets, key=lambda one: one.from_month)
    found = []
    for metric in METRICS:
        points = tuple(point_of(facts, metric.key, month, has_money=currency is not None) for month in months)
        own = [one.value for one in wanted if one.metric == metric.key and one.from_month <= months[-1]]
        band = within(band_of([point.value for point in points[:-1]], metric.least), *metric.ends)
        found.append(Series(metric, points, own[-1] if own else None, band))
    return found


def point_of(facts: Facts, key: str, month: str, *, has_money: bool) -> Point:
    """A figure in a month."""
    if key in facts.counts:
        return Point(month, known(facts, key, month, facts.counts[key].get(month, 0)))
    cost = facts.costs.get(month, 0) if has_money else 0
    revenue = sum(amount for (own, _), amount in facts.revenue.items() if own == month) if has_money else 0
    match key:
        case "cost":
            return Point(month, known(facts, key, month, cost) if has_money else None)
        case "revenue":
            return Point(month, known(facts, key, month, revenue) if has_money else None)
        case "roi":
            return quotient(month, revenue - cost, cost, scale=WHOLE)
        case "upsell_share":
            sold_more = sum(facts.revenue.get((month, one), 0) for one in UPSOLD) if has_money else 0
            return quotient(month, sold_more, max(revenue, 0), scale=WHOLE)
        case "cost_per_mql" | "cost_per_sql" | "cost_per_customer":
            n = facts.counts[PER[key]].get(month, 0)
            return quotient(month, cost, n) if cost > 0 else Point(month, None, cost, n)
        case "days_to_customer" | "days_to_customer_p90":
            days = sorted(facts.days.get(month, ()))
            return Point(month, rank(days, 90 if key.endswith("p90") else 50), whole=len(days))
        case "churn" | "company_churn":
            stayed = (facts.people if key == "churn" else facts.companies).get(month, Stayed(0, 0))
            return quotient(month, stayed.n_lost, stayed.n_before, scale=WHOLE)
        case "nps":
            return nps_of(month, facts.answers.get(month, ()))
        case _:
            return rate_of(facts, key, month)


def known(facts: Facts, key: str, month: str, number: int) -> int | None:
    """A count or a sum of a month; None before the month of the first fact of it."""
    return number if key in facts.since and facts.since[key] <= month else None


def quotient(month: str, part: int, whole: int, scale: int = 1) -> Point:
    """part / whole, rounded half up to the figure's small unit; undefined over nothing."""
    value = None if whole <= 0 else (2 * part * scale + whole) // (2 * whole)
    return Point(month, value, part, whole)


def nps_of(month: str, scores: Sequence[int]) -> Point:
    """Promoters less detractors over all who answered."""
    promoters = sum(score >= PROMOTERS for score in scores)
    detractors = sum(score <= DETRACTORS for score in scores)
    return quotient(month, promoters - detractors, len(scores), scale=WHOLE)


def rate_of(facts: Facts, key: str, month: str) -> Point:
    """An open or click rate of the programmes for an audience: people of one programme each, added up."""
    audience, _, what = key.partition("_")
    own = [one for one in facts.mails if one.month == month and one.audience == audience]
    done = sum(one.n_opened if what == "open" else one.n_clicked for one in own)
    return quotient(month, done, sum(one.n_reached for one in own), scale=WHOLE)


def profile_of(scores: Iterable[int | None]) -> tuple[int, ...]:
    """How many leads fall into each of SCORE_BANDS; who has no score comes last."""
    told = list(scores)
    known = [score for score in told if score is not None]
    begins = [least for least, _ in SCORE_BANDS if least is not None]
    return (*banded(known, begins), len(told) - len(known))
