"""Whatever a CRM tells: the cells of the Opportunity report add up, each figure has its deals, a past day stays."""

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.facts import SITE_ID, facts_of
from tests.pipelines import NOW
from tracker.attribution.credit import MICRO
from tracker.deals.ledger import Change, replay
from tracker.deals.states import states_of
from tracker.reports.engines.memory import Facts as Stored
from tracker.reports.engines.memory import MemoryEngine
from tracker.reports.exchange import Exchange
from tracker.reports.opportunity import Asked, Facts, Figures, Report, items_of, report_of, set_scene
from tracker.reports.opportunity_credit import credited_of
from tracker.reports.opportunity_rows import Which, credited
from tracker.reports.opportunity_ways import StateRow, ToldStage, typical_order, ways_of
from tracker.reports.query import parse_query

CHANNELS = ("email", "paid_search", "referral")
STAGES = ("meeting", "offer", "contract")
START = datetime(2026, 4, 1, 12, tzinfo=UTC)
ADDED = tuple(one.name for one in fields(Figures) if one.name not in {"people", "median_days", "p90_days"})


class Acme:
    site_id = SITE_ID
    timezone = "UTC"
    currency = "JPY"


words = st.fixed_dictionaries(
    {},
    optional={
        "stage": st.sampled_from(STAGES),
        "status": st.sampled_from(["open", "open", "won", "lost"]),
        "amount": st.integers(0, 10_001).map(str),
        "probability": st.sampled_from(["0", "33.33", "100", None]),
        "lost_reason": st.sampled_from(["price", None]),
    },
)
ways = st.lists(st.tuples(st.integers(0, 40), words), min_size=1, max_size=5)
deals = st.lists(st.tuples(ways, st.lists(st.sampled_from(CHANNELS), max_size=4)), min_size=1, max_size=7)
models = st.sampled_from(["linear", "first", "position", "time_decay"])


def day(n: int) -> str:
    return f"{START + timedelta(days=n):%Y-%m-%d}"


def rows_of(told: Sequence[tuple[list[tuple[int, dict[str, str]]], list[str]]], until: int = 99) -> list[StateRow]:
    """The states of deals D0, D1 …, of what was said up to a day."""
    found = []
    for number, (said, _) in enumerate(told):
        changes = [Change(START + timedelta(days=n), seq, own) for seq, (n, own) in enumerate(said) if n <= until]
        for one in states_of(replay(changes, "JPY").steps) if changes else ():
            known = (one.pipeline, one.stage, one.status.value, one.amount_minor, one.currency)
            closed_day = None if one.closed_at is None else f"{one.closed_at:%Y-%m-%d}"
            rest = (one.probability_bp, one.lost_reason, closed_day)
            found.append(StateRow(f"D{number}", f"{one.from_at:%Y-%m-%d}", *known, *rest))
    return found


def stored(told: Sequence[tuple[object, list[str]]]) -> Stored:
    """The touches before each deal's creation."""
    visits, conversions = [], []
    for number, (_, path) in enumerate(told):
        names = [f"D{number} {place}" for place in range(len(path))]
        visits += [
            {"visit": name, "at": f"2026-01-01 0{place}:00", "visitor": f"{number}", "channel": channel}
            for place, (name, channel) in enumerate(zip(names, path, strict=True))
        ]
        one = {"conversion": f"c{number}", "kind": "deal_created", "deal": f"D{number}", "at": "2026-04-01"}
        conversions.append({**one, "path": " > ".join(names)})
    return facts_of({"Visits": visits, "Conversions": conversions})


def asked_of(model: str, as_of: int) -> Asked:
    args = {"from": day(max(0, as_of - 20)), "to": day(as_of), "model": model, "direct": "counts"}
    return Asked(parse_query(args, Acme()), day(as_of))


def facts_for(told, asked: Asked, rows: list[StateRow]) -> Facts:  # type: ignore[no-untyped-def]
    people = {f"D{number}": [f"person {number % 3}"] for number in range(len(told))}
    pipeline = {"": [ToldStage("contract", None, 5_000)]}
    return Facts(ways_of(rows, asked.as_of), pipeline, credited_of(MemoryEngine(stored(told)), asked.query), people)


def report(facts: Facts, asked: Asked) -> Report:
    return report_of(facts, asked, Exchange("JPY"), list, NOW)


@settings(max_examples=30, deadline=None)
@given(deals, models, st.integers(0, 45))
def test_cells_add_up_to_stages_and_sources_and_these_to_the_deals(told, model: str, as_of: int) -> None:  # type: ignore[no-untyped-def]
    asked = asked_of(model, as_of)
    facts = facts_for(told, asked, rows_of(told))
    found = report(facts, asked)
    for line in found.stages:
        assert summed(line.cells) == kept(line.totals)
    for place, own in enumerate(found.by_source):
        over_all = summed([line.cells[place] for line in found.stages])
        assert [over_all[name] for name in ("deals", "amount_minor", "expected_minor", "stuck")] == [
            own.deals,
            own.amount_minor,
            own.expected_minor,
            own.stuck,
        ]
    assert summed(found.by_source) == kept(found.totals)
    standing = [way.stands for way in facts.ways if way.is_open]
    assert found.totals.deals == len(standing) * MICRO
    assert found.totals.amount_minor == sum(one.amount_minor for one in standing)
    assert all(one.people <= 3 for one in found.by_source)
    assert found.totals.expected_minor <= found.totals.amount_minor


def summed(figures: Sequence[Figures]) -> dict[str, int]:
    return {name: sum(getattr(one, name) for one in figures) for name in ADDED}


def kept(figures: Figures) -> dict[str, int]:
    return {name: getattr(figures, name) for name in ADDED}


@settings(max_examples=30, deadline=None)
@given(deals, models, st.integers(0, 45))
def test_a_past_day_is_reported_later_as_it_was_on_that_day(told, model: str, as_of: int) -> None:  # type: ignore[no-untyped-def]
    asked = asked_of(model, as_of)
    then = report(facts_for(told, asked, rows_of(told, until=as_of)), asked)
    assert report(facts_for(told, asked, rows_of(told)), asked) == then


@settings(max_examples=20, deadline=None)
@given(
    deals, models, st.integers(0, 45), st.sampled_from(["deals", "amount_minor", "expected_minor", "won", "lost_minor"])
)
def test_the_deals_behind_a_figure_add_up_to_it(told, model: str, as_of: int, name: str) -> None:  # type: ignore[no-untyped-def]
    asked = asked_of(model, as_of)
    facts = facts_for(told, asked, rows_of(told))
    found = report(facts, asked)
    items = [one for one in items_of(set_scene(facts, asked, Exchange("JPY")), facts, asked) if one.name == name]
    for source, own in zip(found.sources, found.by_source, strict=True):
        which = Which(name, value=None if source.is_unattributed else source.value)
        behind = credited(items, facts, replace(which, is_unattributed=source.is_unattributed))
        assert sum(behind.values()) == getattr(own, name)


@settings(max_examples=40)
@given(st.lists(st.lists(st.integers(0, 5), unique=True).map(sorted), max_size=8), st.randoms())
def test_stages_that_all_deals_enter_in_one_order_stand_in_that_order(histories, random) -> None:  # type: ignore[no-untyped-def]
    """However many deals have only begun: where any deal has gone the whole way."""
    whole = [[str(n) for n in history] for history in [*histories, range(6)]]
    random.shuffle(whole)
    assert typical_order(whole) == [str(n) for n in range(6)]
