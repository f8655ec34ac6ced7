"""The deals behind one figure of the Opportunity report; what they were credited adds up to the figure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tracker.db.store import Tx
from tracker.errors import Invalid
from tracker.reports.columns import NOBODY
from tracker.reports.exchange import Exchange
from tracker.reports.opportunity import ALL, Asked, Facts, Item, Scene, items_of, set_scene
from tracker.reports.opportunity_facts import facts_of, stages_told
from tracker.reports.opportunity_shown import FIGURES, KEPT_AS
from tracker.reports.opportunity_ways import NO_CHANCE, Way, days_between
from tracker.reports.rows import MOST_ROWS, deal_names, paged, parse_cursor

# Figures that are made of deals which another one counts.
COUNTED_BY = {
    "people": "deals",
    "median_days": "deals",
    "p90_days": "deals",
    "conversion": "entered",
}


@dataclass(frozen=True, slots=True)
class Which:
    """Which figure: of a stage (None: all), and of a source (None: all together). reason: of the lost, why."""

    metric: str
    stage: str | None = None
    value: str | None = None
    is_unattributed: bool = False
    reason: str | None = None

    @property
    def is_total(self) -> bool:
        """Whether it is over all sources."""
        return self.value is None and not self.is_unattributed


@dataclass(frozen=True, slots=True)
class DealBehind:
    """A deal behind a figure, as it stood at the end of the day.

    since        the day on which it entered the stage it stands in, a closed deal: was won or lost
    days         how long it has been in its stage; None for a closed deal
    probability  in ten-thousandths, its own or its stage's; None: there is none, or the deal is closed
    credit       its part in the figure: millionths, or minor units of the report's currency
    """

    deal_id: str
    reference: str
    name: str | None
    stage: str
    status: str
    since: str
    days: int | None
    amount_minor: int
    currency: str
    probability_bp: int | None
    lost_reason: str | None
    n_people: int
    credit: int


@dataclass(frozen=True, slots=True)
class Rows:
    """One page of deals. n_rows: on all pages; figure: what all their credits add up to; n_people: different ones.

    labels  what the pages call a stage, where that is another word
    """

    rows: tuple[DealBehind, ...]
    n_rows: int
    figure: int
    n_people: int
    next_cursor: str | None
    labels: Mapping[str, str]


def deals_behind(tx: Tx, asked: Asked, which: Which, cursor: str | None = None, limit: int = 50) -> Rows:
    """The deals behind a figure, the greatest part first; raises Invalid: an unknown metric, a wrong cursor."""
    if which.metric not in FIGURES or which.metric == "win_rate":
        raise Invalid(f"no deals stand behind {which.metric[:40]!r}", field="metric")
    if not 1 <= limit <= MOST_ROWS:
        raise Invalid(f"{limit} rows; ask for 1 to {MOST_ROWS}", field="limit")
    after = parse_cursor(cursor)
    facts = facts_of(tx, asked, stages_told(tx, asked.query.site_id))
    scene = set_scene(facts, asked, Exchange(asked.query.currency))
    counted = COUNTED_BY.get(which.metric, which.metric)
    name = KEPT_AS.get(counted, counted)
    items = [
        one
        for one in items_of(scene, facts, asked)
        if one.name == name and (which.stage is None or one.stage in {which.stage, ALL})
    ]
    ways = {way.deal_id: way for way in facts.ways}
    credits_ = credited(items, facts, which)
    if which.reason is not None:
        credits_ = {one: part for one, part in credits_.items() if (ways[one].stands.lost_reason or "") == which.reason}
    page, following = paged([([part, deal_id], (deal_id, part)) for deal_id, part in credits_.items()], after, limit)
    names = deal_names(tx, (deal_id for deal_id, _ in page))
    rows = [behind(ways[one], scene, facts, asked, names[one], part) for one, part in page]
    people = {person for deal_id in credits_ for person in facts.people.get(deal_id, ())}
    labels = {one.stage: one.label for one in scene.told.values() if one.label}
    return Rows(tuple(rows), len(credits_), sum(credits_.values()), len(people), following, labels)


def credited(items: Sequence[Item], facts: Facts, which: Which) -> Mapping[str, int]:
    """By deal: its part in the figure, where that is not nothing or the figure is that of all sources."""
    found: dict[str, int] = {}
    if which.is_total:
        for one in items:
            found[one.deal_id] = found.get(one.deal_id, 0) + one.amount
        return found
    values = facts.credited.values
    if not which.is_unattributed and which.value not in values:
        return found
    code = NOBODY if which.is_unattributed else list(values).index(which.value or "")
    for number, own, part in facts.credited.shares([one.deal_id for one in items], [one.amount for one in items]):
        if own == code:
            deal_id = items[number].deal_id
            found[deal_id] = found.get(deal_id, 0) + part
    return found


def behind(way: Way, scene: Scene, facts: Facts, asked: Asked, name: tuple[str, str | None], part: int) -> DealBehind:
    """A deal as a row."""
    state = way.stands
    own = state.probability_bp
    chance = own if own is not None else scene.history.chances.get(state.stage, NO_CHANCE).probability_bp
    return DealBehind(
        way.deal_id,
        *name,
        stage=state.stage,
        status=state.status,
        since=way.since if way.is_open else way.closed_day,
        days=days_between(way.since, asked.as_of) if way.is_open else None,
        amount_minor=state.amount_minor,
        currency=state.currency,
        probability_bp=chance if way.is_open else None,
        lost_reason=state.lost_reason,
        n_people=len(facts.people.get(way.deal_id, ())),
        credit=part,
    )


assert set(COUNTED_BY) <= set(FIGURES)
