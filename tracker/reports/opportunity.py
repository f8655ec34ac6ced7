"""(pure) The Opportunity report: the stages of a pipeline by source, as of the end of any day.

Open deals stand where they stood on that day; what entered a stage, and what was won or lost, is of a period up to
it. Deals are shared over their sources by what led to their creation; shares add up to the deals. Amounts are each
converted once: those of open deals at the day's rate, those of closed ones at that of the day on which they closed.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from tracker.attribution.credit import MICRO, group_sums
from tracker.attribution.touches import Ints
from tracker.deals.probability import expected_minor
from tracker.reports.columns import NOBODY
from tracker.reports.exchange import Exchange, Unconverted
from tracker.reports.opportunity_ways import (
    NO_CHANCE,
    TOLD,
    WON,
    Chance,
    History,
    ToldStage,
    Usual,
    Way,
    Ways,
    days_between,
    entered_in,
    rank,
)
from tracker.reports.query import Query
from tracker.reports.table import UNATTRIBUTED, Note
from tracker.vocabulary import NOT_SET, DealStatus

ALL = None  # in the place of a stage: all of them ('' is that of deals without one)
NOTHING = Usual(0, None, None)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked: the credit and the period of `query` (its one dimension, its model, its currency), and of which
    pipeline ('' for deals without one; None: the one with the most deals) as of the end of which day."""

    query: Query
    as_of: str
    pipeline: str | None = None


class Shares(Protocol):
    """Who shares deals over sources: opportunity_credit.Credited."""

    @property
    def values(self) -> Sequence[str]: ...
    def parts(self, deal_ids: Sequence[str], amounts: Sequence[int]) -> tuple[Ints, Ints, NDArray[Any]]: ...
    def shares(self, deal_ids: Sequence[str], amounts: Sequence[int]) -> Iterator[tuple[int, int, int]]: ...


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the report is made of. people: by deal the contacts that the CRM names on it."""

    ways: Ways
    told: Mapping[str, Sequence[ToldStage]]
    credited: Shares
    people: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of a stage, a source, or both. Deals are in millionths, money in the report's currency.

    deals, amount, expected, stuck  of the open deals
    people                          different contacts named on them
    median_days, p90_days           how long these deals have been in their stage; None without any
    entered, reached                the deals that entered the stage in the period, and those of them that came further
    """

    deals: int = 0
    amount_minor: int = 0
    expected_minor: int = 0
    stuck: int = 0
    entered: int = 0
    reached: int = 0
    won: int = 0
    won_minor: int = 0
    lost: int = 0
    lost_minor: int = 0
    people: int = 0
    median_days: int | None = None
    p90_days: int | None = None

    @property
    def conversion(self) -> float | None:
        """The share of those that entered that came further; None where nobody entered."""
        return self.reached / self.entered if self.entered else None

    @property
    def win_rate(self) -> float | None:
        """The share of the closed deals that was won; None where none closed."""
        closed = self.won + self.lost
        return self.won / closed if closed else None


@dataclass(frozen=True, slots=True)
class Source:
    """One value of the dimension; `is_unattributed`: what no touch explains."""

    value: str
    is_unattributed: bool = False


@dataclass(frozen=True, slots=True)
class StageLine:
    """A stage. `cells` stand in the order of the report's sources; `usual`: of all stays that have ended."""

    stage: str
    label: str | None
    chance: Chance
    usual: Usual
    totals: Figures
    cells: tuple[Figures, ...]


@dataclass(frozen=True, slots=True)
class Stuck:
    """A deal that has been in its stage for longer than nine in ten were before; the reader of facts names it."""

    deal_id: str
    stage: str
    days: int
    usual_days: int
    amount_minor: int | None
    reference: str = ""
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """Why deals were lost, in the CRM's words ('': it gave none)."""

    text: str
    n_deals: int
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A pipeline, and how many deals stand open in it."""

    name: str
    n_open: int


@dataclass(frozen=True, slots=True)
class Report:
    """The report. `totals` and `by_source` are over all stages; entered and reached are of single stages only."""

    asked: Asked
    pipeline: str
    pipelines: tuple[Pipeline, ...]
    sources: tuple[Source, ...]
    stages: tuple[StageLine, ...]
    totals: Figures
    by_source: tuple[Figures, ...]
    stuck: tuple[Stuck, ...]
    reasons: tuple[Reason, ...]
    unconverted: tuple[Unconverted, ...]
    notes: tuple[Note, ...]
    generated_at: datetime
    n_known: int

    @property
    def currency(self) -> str | None:
        return self.asked.query.currency


class Item(NamedTuple):
    """A deal's part in a figure before it is shared: name of the figure, and how much."""

    deal_id: str
    stage: str | None
    name: str
    amount: int


@dataclass(frozen=True, slots=True)
class Standing:
    """An open deal as the report counts it. amount_minor, expected_minor: None without a rate, or without a chance."""

    way: Way
    days: int
    is_stuck: bool
    amount_minor: int | None
    expected_minor: int | None

    @property
    def stage(self) -> str:
        return self.way.stands.stage


@dataclass(frozen=True, slots=True)
class Scene:
    """The deals of the asked pipeline and what is known of its stages: what both the report and its rows start from."""

    pipeline: str
    pipelines: tuple[Pipeline, ...]
    history: History
    told: Mapping[str, ToldStage]
    standing: tuple[Standing, ...]
    closed: tuple[tuple[Way, int | None], ...]


def pipelines_of(ways: Iterable[Way], told: Iterable[str] = ()) -> tuple[Pipeline, ...]:
    """The pipelines in which deals stand or that were told of: those with the most open deals first, then the most."""
    found: dict[str, list[int]] = {name: [0, 0] for name in told}
    for way in ways:
        counts = found.setdefault(way.stands.pipeline, [0, 0])
        counts[0] += way.is_open
        counts[1] += 1
    order = sorted(found, key=lambda name: (-found[name][0], -found[name][1], name))
    return tuple(Pipeline(name, found[name][0]) for name in order)


def set_scene(facts: Facts, asked: Asked, exchange: Exchange) -> Scene:
    """What stands in the asked pipeline at the end of the day, and what was closed in the period."""
    known = pipelines_of(facts.ways, facts.told)
    pipeline = asked.pipeline if asked.pipeline is not None else (known[0].name if known else "")
    told = facts.told.get(pipeline, ())
    own = facts.ways.history(pipeline, told)
    chance, limits = own.chances, own.usual
    standing = [
        stand(way, asked, exchange, chance.get(way.stands.stage, NO_CHANCE), limits.get(way.stands.stage, NOTHING))
        for way in own.open
    ]
    first, last = asked.query.from_day, asked.query.to_day
    closed = [(way, changed(way, way.closed_day, exchange)) for way in own.closed if first <= way.closed_day <= last]
    return Scene(pipeline, known, own, {one.stage: one for one in told}, tuple(standing), tuple(closed))


def stand(way: Way, asked: Asked, exchange: Exchange, chance: Chance, limits: Usual) -> Standing:
    """An open deal as the report counts it: its own probability before its stage's."""
    days = days_between(way.since, asked.as_of)
    amount = changed(way, asked.as_of, exchange)
    own = way.stands.probability_bp if way.stands.probability_bp is not None else chance.probability_bp
    expected = None if amount is None or own is None else expected_minor(amount, own)
    return Standing(way, days, limits.limit is not None and days > limits.limit, amount, expected)


def changed(way: Way, day: str, exchange: Exchange) -> int | None:
    """A deal's amount in the report's currency at a day's rate; what has none is None, and told."""
    state = way.stands
    amount = exchange.convert(state.amount_minor, state.currency, day)
    if amount is None:
        exchange.leave_out(state.currency, revenue_minor=state.amount_minor)
    return amount


def items_of(scene: Scene, facts: Facts, asked: Asked) -> Iterator[Item]:
    """All that is shared over sources."""
    for one in scene.standing:
        deal_id = one.way.deal_id
        yield Item(deal_id, one.stage, "deals", MICRO)
        yield Item(deal_id, one.stage, "amount_minor", one.amount_minor or 0)
        yield Item(deal_id, one.stage, "expected_minor", one.expected_minor or 0)
        if one.is_stuck:
            yield Item(deal_id, one.stage, "stuck", MICRO)
    query = asked.query
    for entered in entered_in(scene.history.entries, query.from_day, query.to_day):
        yield Item(entered.way.deal_id, entered.stage, "entered", MICRO)
        if entered.reached:
            yield Item(entered.way.deal_id, entered.stage, "reached", MICRO)
    for way, amount in scene.closed:
        name = "won" if way.stands.status == WON else "lost"
        yield Item(way.deal_id, ALL, name, MICRO)
        yield Item(way.deal_id, ALL, f"{name}_minor", amount or 0)


Cell = tuple[str | None, int]  # a stage (ALL: all of them), and the number of a value, NOBODY or TOGETHER
TOGETHER = NOBODY - 1
Kind = tuple[str | None, str]  # a stage, and the name of a figure


def report_of(
    facts: Facts, asked: Asked, exchange: Exchange, notes: Callable[[], Sequence[Note]], now: datetime
) -> Report:
    """The report of a question.

    exchange  into the query's currency; it then knows what has no rate
    notes     what else the reader must know, asked when all has been converted
    """
    scene = set_scene(facts, asked, exchange)
    sums = added(list(items_of(scene, facts, asked)), facts.credited)
    seen = crowds(scene.standing, facts)
    codes = in_order({code for _, code in sums} - {TOGETHER}, sums, facts.credited.values)

    def figures(stage: str | None, code: int) -> Figures:
        return Figures(**sums.get((stage, code), {}), **seen.get((stage, code), {}))

    lines = tuple(
        StageLine(
            stage,
            scene.told[stage].label if stage in scene.told else None,
            scene.history.chances[stage],
            scene.history.usual.get(stage, NOTHING),
            figures(stage, TOGETHER),
            tuple(figures(stage, code) for code in codes),
        )
        for stage in scene.history.stages
    )
    return Report(
        asked,
        scene.pipeline,
        scene.pipelines,
        tuple(source_of(code, facts.credited.values) for code in codes),
        lines,
        figures(ALL, TOGETHER),
        tuple(figures(ALL, code) for code in codes),
        tuple(stuck_of(scene)),
        tuple(reasons_of(scene.closed)),
        exchange.unconverted,
        (*notes(), *own_notes(scene)),
        now,
        len(facts.ways),
    )


def added(items: Sequence[Item], credited: Shares) -> dict[Cell, dict[str, int]]:
    """The figures by stage and source; those of open deals also over all stages, each also over all sources."""
    found: dict[Cell, dict[str, int]] = {}

    def add(cell: Cell, name: str, amount: int) -> None:
        own = found.setdefault(cell, {})
        own[name] = own.get(name, 0) + amount

    def place(kind: Kind, code: int, amount: int) -> None:
        stage, name = kind
        if amount:
            add((stage, code), name, amount)
        if amount and stage is not ALL and name not in {"entered", "reached"}:
            add((ALL, code), name, amount)

    together: dict[Kind, int] = {}
    for item in items:
        kind = item.stage, item.name
        together[kind] = together.get(kind, 0) + item.amount
    for kind, amount in together.items():
        place(kind, TOGETHER, amount)
    kinds = {kind: number for number, kind in enumerate(together)}
    of_item = np.array([kinds[item.stage, item.name] for item in items], dtype=np.int64)
    places, codes, parts = credited.parts([one.deal_id for one in items], [one.amount for one in items])
    size, listed = len(credited.values) + 1, list(kinds)
    cells, groups = np.unique(of_item[places] * size + codes + 1, return_inverse=True)
    for cell, amount in zip(cells.tolist(), group_sums(parts, groups, len(cells)), strict=True):
        place(listed[cell // size], cell % size - 1, amount)
    return found


def crowds(standing: Sequence[Standing], facts: Facts) -> dict[Cell, dict[str, Any]]:
    """What cannot be added up, by stage and source: the different people, and how long the deals have been there."""
    members: dict[Cell, list[Standing]] = {}
    for one in standing:
        for stage in (one.stage, ALL):
            members.setdefault((stage, TOGETHER), []).append(one)
    for number, code, _ in facts.credited.shares([one.way.deal_id for one in standing], [MICRO] * len(standing)):
        for stage in (standing[number].stage, ALL):
            members.setdefault((stage, code), []).append(standing[number])
    found: dict[Cell, dict[str, Any]] = {}
    for cell, own in members.items():
        days = sorted(one.days for one in own)
        people = {person for one in own for person in facts.people.get(one.way.deal_id, ())}
        found[cell] = {"people": len(people), "median_days": rank(days, 50), "p90_days": rank(days, 90)}
    return found


def in_order(codes: Iterable[int], sums: Mapping[Cell, Mapping[str, int]], values: Sequence[str]) -> list[int]:
    """Sources by the amount of their open deals, then their number, then what was won; what nobody earned last."""

    def key(code: int) -> tuple[bool, int, int, int, str]:
        own = sums.get((ALL, code), {})
        size = own.get("amount_minor", 0), own.get("deals", 0), own.get("won_minor", 0)
        return code == NOBODY, -size[0], -size[1], -size[2], "" if code == NOBODY else values[code]

    return sorted(codes, key=key)


def source_of(code: int, values: Sequence[str]) -> Source:
    """A source by its number."""
    return Source(UNATTRIBUTED, is_unattributed=True) if code == NOBODY else Source(values[code])


def stuck_of(scene: Scene) -> list[Stuck]:
    """The stuck deals, the one with the greatest amount first."""
    found = [
        Stuck(one.way.deal_id, one.stage, one.days, scene.history.usual[one.stage].p90 or 0, one.amount_minor)
        for one in scene.standing
        if one.is_stuck
    ]
    return sorted(found, key=lambda one: (-(one.amount_minor or 0), -one.days, one.deal_id))


def reasons_of(closed: Iterable[tuple[Way, int | None]]) -> list[Reason]:
    """Why deals were lost, the most frequent first; where the CRM gave no reason last."""
    found: dict[str, tuple[int, int]] = {}
    for way, amount in closed:
        if way.stands.status == DealStatus.LOST.value:
            text = way.stands.lost_reason or ""
            n, total = found.get(text, (0, 0))
            found[text] = n + 1, total + (amount or 0)
    order = sorted(found, key=lambda text: (not text, -found[text][0], -found[text][1], text))
    return [Reason(text, *found[text]) for text in order]


def own_notes(scene: Scene) -> Iterator[Note]:
    """What the reader must know of these deals."""
    blind = sum(
        one.way.stands.probability_bp is None and scene.history.chances.get(one.stage, NO_CHANCE).probability_bp is None
        for one in scene.standing
    )
    if blind:
        yield Note("no_probability", (("n", str(blind)),))
    chances = scene.history.chances.values()
    if any(chance.source != TOLD and chance.probability_bp is not None for chance in chances):
        yield Note("measured_probability")


def shown_pipeline(name: str) -> str:
    """A pipeline's name in addresses and files; that of deals without one is (not set)."""
    return name or NOT_SET
