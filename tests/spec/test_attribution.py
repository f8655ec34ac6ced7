"""An outcome in, the credit of each touch out (attribution*.md): by the plain models, by their vectorised twins, and by
the Source report over lists, SQLite and PostgreSQL. The tables of docs/attribution.md and docs/models.md run here, too.
"""

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from tests.databases import drop_database, fresh_database, postgres_url, why_no_postgres
from tests.facts import SITE_ID, Cells, instant_ms, sections, store_facts
from tracker.attribution.credit import MICRO, Weighted, changes, rest_tie, share_entries, with_rest
from tracker.attribution.models import weigh, weigh_all
from tracker.attribution.policy import ChannelRule, Custom, Measured, Policy
from tracker.attribution.terms import SCALE, DirectPolicy, Fit, Hazard
from tracker.attribution.touches import DAY_MS, SCOPES, Touch, Way, paths_of
from tracker.clock import from_ms
from tracker.db.store import begin, connect, reading
from tracker.money import exponent, split, tie_number
from tracker.reports.engines.memory import Arrival, Facts, MemoryEngine, PathRow, Touchpoint
from tracker.reports.engines.sql import SqlEngine
from tracker.reports.query import Query
from tracker.reports.scans import Conversion, Engine, Entry
from tracker.reports.source import Source
from tracker.vocabulary import ConversionKind, Dimension, EntryKind, Model, PathScope

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs"
FILES = (HERE / "attribution.md", HERE / "attribution_models.md", DOCS / "attribution.md", DOCS / "models.md")
NOW = datetime(2026, 11, 1, tzinfo=UTC)
# Outcomes so far apart that a report's period has one of them.
APART_DAYS = 400
COLUMN = {
    ConversionKind.FORM: "form",
    ConversionKind.LEAD: "new_leads",
    ConversionKind.DEAL_CREATED: "deals",
    ConversionKind.DEAL_WON: "revenue_minor",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The facts of a line: several lines may ask about one. Its name is what ties are hashed from."""

    name: str
    kind: ConversionKind
    touches: tuple[Touch, ...]
    converted_ms: int
    amounts: tuple[int, ...]
    currency: str
    lead_ms: int | None
    deal_ms: int | None
    last_win_ms: int | None

    @property
    def ties(self) -> list[int]:
        return [tie_number(self.name, touch.touchpoint_id) for touch in self.touches]


@dataclass(frozen=True, slots=True)
class Case:
    """One line: an outcome, what is asked, and the credit in its smallest units; None where nothing explains it."""

    outcome: Outcome
    query: Query
    credit: list[int] | None
    rest: int

    @property
    def way(self) -> Way:
        """The path as the plain models see it."""
        own = self.outcome
        excluded = {rule.where["channel"] for rule in self.query.policy.rules}
        moments = [ms if ms is None or ms <= own.converted_ms else None for ms in (own.lead_ms, own.deal_ms)]
        return Way(
            [replace(touch, is_excluded=touch.channel in excluded) for touch in own.touches],
            own.converted_ms,
            self.query.terms.earliest_ms(own.kind, own.converted_ms, own.last_win_ms),
            *moments,
            own.converted_ms if own.kind is ConversionKind.DEAL_WON else None,
        )


# --- lines as they are written ------------------------------------------------------------------------------------


def moment_ms(text: str) -> int | None:
    """'04-05' or '04-05 12:30' of 2026, or with its own year."""
    return instant_ms(text if re.match(r"\d{4}-", text) else f"2026-{text}") if text else None


def touch_of(name: str, step: str) -> Touch:
    """'email 04-05 (company)'."""
    matched = re.fullmatch(r"(\w+) ([\d:\- ]+?)(?: \((\w+)\))?", step)
    assert matched, step
    scope = SCOPES.index(PathScope(matched[3] or "contact"))
    return Touch(name, moment_ms(matched[2]) or 0, matched[1], scope)


def outcome_of(cells: Cells) -> Outcome:
    told = [cells.get(name, "") for name in ("path", "outcome", "amount", "currency", "lead", "deal", "last win")]
    name = " | ".join(told)
    steps = told[0].split(" > ") if told[0] else ()
    kind, day = told[1].split(" ", 1)
    converted_ms = moment_ms(day)
    assert converted_ms
    currency = told[3] or "JPY"
    amounts = tuple(units(one, kind, currency) for one in told[2].split(" then "))
    touches = tuple(touch_of(f"touch {i + 1} of {name}", step) for i, step in enumerate(steps))
    moments = [moment_ms(text) for text in told[4:]]
    return Outcome(name, ConversionKind(kind), touches, converted_ms, amounts, currency, *moments)


def units(text: str, kind: str, currency: str) -> int:
    """Minor units of money, millionths of anything else."""
    places = exponent(currency) if kind == ConversionKind.DEAL_WON else 6
    return int(Decimal(text).scaleb(places))


def numbers(text: str) -> dict[str, Decimal]:
    """'email 40, referral 250'."""
    return {name: Decimal(number) for name, number in (one.split() for one in text.split(", ") if one)}


def query_of(cells: Cells, currency: str) -> Query:
    """What a line asks, under the policy that it tells."""
    told = {name: text for name, text in cells.items() if text}
    model = Model(cells["model"])
    half_life = int(told.get("half-life", 7))
    shares = {name: int(part * 100) for name, part in numbers(told.get("shares", "")).items()}
    policy = Policy(
        capture=tuple(name for name in told.get("capture", "").split(", ") if name),
        half_life_days=half_life,
        custom=Custom(**{"first": 0, "lead": 0, "deal": 0, "middle": 0, **shares}) if shares else Custom(),
        upsells=told.get("upsells", "full"),
        rules=tuple(ChannelRule({"channel": name}) for name in told.get("excluded", "").split(", ") if name),
        measured=tuple(
            Measured(name, int(percent), 0, 0, "2026-01-01", "2026-01-31")
            for name, percent in numbers(told.get("measured", "")).items()
        ),
    )
    effects = {name: int(effect * SCALE) for name, effect in numbers(told.get("effects", "")).items()}
    hazard = Hazard(half_life * DAY_MS, int(Decimal(told.get("baseline", 0)) * SCALE), effects)
    return Query(
        SITE_ID,
        "UTC",
        "2026-01-01",
        "2026-12-31",
        by=(Dimension.CONTENT,),
        model=model,
        currency=currency,
        direct=DirectPolicy(told["direct"]) if "direct" in told else None,
        lookback_days=int(told["look-back"]) if "look-back" in told else None,
        scope=PathScope(told["scope"]) if "scope" in told else None,
        policy=policy,
        fit=Fit(1, {1: effects}, hazard, {}),
    )


def case_of(cells: Cells) -> Case:
    outcome = outcome_of(cells)
    told = cells["credit"]
    credit = None if told == "-" else [units(one, outcome.kind, outcome.currency) for one in told.split(" > ")]
    rest = units(cells.get("unattributed") or "0", outcome.kind, outcome.currency)
    return Case(outcome, query_of(cells, outcome.currency), credit, rest)


LINES = {
    f"{section.name}: {cells['model']} {cells['path']} ({i})": case_of(cells)
    for file in FILES
    if file.exists()
    for section in sections(file.read_text("utf-8"))
    for i, cells in enumerate(section.tables.get("Table", ()))
    if "credit" in cells
}
CASES = [pytest.param(case, id=name) for name, case in LINES.items()]
OUTCOMES = list({case.outcome.name: case.outcome for case in LINES.values()}.values())
PLACES = {outcome.name: i for i, outcome in enumerate(OUTCOMES)}


# --- the models ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_the_plain_model_credits_each_touch(case: Case) -> None:
    weights, rest = weigh(case.query.terms, case.way)
    if case.credit is None:
        assert (sum(weights), rest) == (0, 0)
        return
    ties = case.outcome.ties
    found = split(sum(case.outcome.amounts), [*weights, rest], [*ties, rest_tie(ties)])
    assert found == [*case.credit, case.rest]


@pytest.mark.parametrize("case", CASES)
def test_its_vectorised_twin_credits_the_same(case: Case) -> None:
    """Between two paths that nothing explains: no credit strays to a neighbour."""
    lonely = replace(case.way, touches=())
    paths = paths_of([lonely, case.way, lonely])
    weights, rest = weigh_all(case.query.terms, paths)
    weighted, _ = with_rest(Weighted(paths.offsets, weights, np.array(case.outcome.ties, dtype=np.int64)), rest)
    amounts = case.outcome.amounts
    before, after = changes(amounts)
    shares = share_entries(before, after, np.ones(len(amounts), dtype=np.int64), weighted).shares
    by_entry = shares.reshape(len(amounts), -1).tolist()
    assert [sum(entry) for entry in by_entry] == ([0] * len(amounts) if case.credit is None else list(amounts))
    found = [sum(own) for own in zip(*by_entry, strict=True)]
    assert found == ([0] * (len(case.way.touches) + 1) if case.credit is None else [*case.credit, case.rest])
    assert weighted.totals.astype(bool).tolist() == [False, case.credit is not None, False]


# --- the report ---------------------------------------------------------------------------------------------------


def all_facts() -> Facts:
    """The outcomes of all lines in one site, each in a time of its own."""
    facts = Facts()
    for outcome in OUTCOMES:
        add_facts(facts, outcome, PLACES[outcome.name] * APART_DAYS * DAY_MS)
    return facts


def add_facts(facts: Facts, outcome: Outcome, later_ms: int) -> None:
    """One outcome, so much later than it is written."""
    is_win = outcome.kind is ConversionKind.DEAL_WON
    day = day_of(outcome.converted_ms + later_ms)

    def moved(moment: int | None) -> int | None:
        return None if moment is None else moment + later_ms

    facts.conversions.append(
        Conversion(
            outcome.name,
            outcome.kind,
            outcome.converted_ms + later_ms,
            day,
            None,
            None,
            outcome.name if outcome.kind in {ConversionKind.DEAL_WON, ConversionKind.DEAL_CREATED} else None,
            1,
            False,
            moved(outcome.lead_ms),
            moved(outcome.deal_ms),
            moved(outcome.last_win_ms),
        )
    )
    for i, touch in enumerate(outcome.touches):
        at = touch.touched_ms + later_ms
        place = Arrival(touch.channel, content=f"touch {i + 1}")
        point = Touchpoint(touch.touchpoint_id, "offline", None, at, day_of(at), place)
        facts.touchpoints.append(point)
        facts.paths.append(PathRow(outcome.name, i, point, touch.scope))
    for i, amount in enumerate(outcome.amounts if is_win else ()):
        kind = EntryKind.AMENDED if i else EntryKind.WON
        entered = day_of(outcome.converted_ms + later_ms + i * DAY_MS)
        facts.entries.append(Entry(outcome.name, i, kind, amount, outcome.currency, entered))


def day_of(milliseconds: int) -> str:
    return from_ms(milliseconds).date().isoformat()


@pytest.fixture(scope="module", params=["lists", "sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """All outcomes, ready to be asked about."""
    if request.param == "lists":
        yield MemoryEngine(all_facts())
        return
    made = None
    if request.param == "sqlite":
        path = tmp_path_factory.mktemp("lines") / "store.sqlite3"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        url = f"sqlite:///{path}"
    else:
        template, server = request.getfixturevalue("postgres_template"), postgres_url()
        if template is None or server is None:
            if os.environ.get("CI"):
                pytest.fail(why_no_postgres())
            pytest.skip(why_no_postgres())
        url = made = fresh_database(server, template=template)
    store = connect(url)
    with begin(store) as tx:
        store_facts(tx, all_facts())
    with reading(store) as tx:
        yield SqlEngine(tx)
    store.dispose()
    if made:
        drop_database(made)


@pytest.mark.parametrize("case", CASES)
def test_the_report_credits_each_touch(case: Case, engine: Engine) -> None:
    outcome = case.outcome
    first_ms = outcome.converted_ms + PLACES[outcome.name] * APART_DAYS * DAY_MS
    query = replace(case.query, from_day=day_of(first_ms), to_day=day_of(first_ms + 9 * DAY_MS))
    table = Source(engine, query).table(NOW)
    column = COLUMN[outcome.kind]
    found = {None if row.is_unattributed else row.values[0]: getattr(row.figures, column) for row in table.rows}
    total = sum(outcome.amounts)
    expected: dict[str | None, int] = {None: total if case.credit is None else case.rest}
    expected |= {f"touch {i + 1}": amount for i, amount in enumerate(case.credit or ())}
    assert {name: amount for name, amount in found.items() if amount} == {
        name: amount for name, amount in expected.items() if amount
    }
    assert getattr(table.totals, column) == total
    if outcome.kind is ConversionKind.DEAL_WON:
        assert table.totals.sales == MICRO
