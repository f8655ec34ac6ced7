"""Markov's global form: all outcomes together, by channel, exact at the totals, with nothing behind one figure."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine as Store

from tests.facts import SITE_ID, Cells, facts_of, sections, store_facts
from tracker.attribution.policy import Measured, Policy
from tracker.attribution.terms import SCALE, Fit, Terms
from tracker.db.store import begin, reading
from tracker.errors import Invalid
from tracker.reports.engines.memory import MemoryEngine
from tracker.reports.engines.sql import SqlEngine
from tracker.reports.explain import models_asked
from tracker.reports.globally import shared
from tracker.reports.query import Query, parse_query
from tracker.reports.rows import rows_behind
from tracker.reports.source import Source
from tracker.reports.table import Figures, Table
from tracker.vocabulary import Model

unhurried = settings(deadline=None)
NOW = datetime(2026, 11, 1, tzinfo=UTC)
PAGE = (Path(__file__).parents[2] / "docs" / "models.md").read_text("utf-8")
WORDS = st.sampled_from(["display", "email", "sms", "referral"])


def lines(text: str) -> list[Cells]:
    """The table named `Shared:` of the page."""
    return next(one for one in sections(text.replace("\nShared:", "\nTable:")) if one.name == "Markov, global").tables[
        "Table"
    ]


def amounts(text: str) -> dict[str, float]:
    return {name: float(number) for name, number in (one.split() for one in text.split(", ") if one)}


def terms(effects: dict[str, float], measured: dict[str, float]) -> Terms:
    return Terms(
        Model.MARKOV_GLOBAL,
        effects={name: round(effect * SCALE) for name, effect in effects.items()},
        measured={name: int(percent) for name, percent in measured.items()},
    )


def total(figures: dict[tuple[str, tuple[str, ...] | None], Figures], of: Terms) -> dict[str | None, int]:
    found: dict[str | None, int] = {}
    for (_, values), _, amount in shared(figures, of):
        name = values[0] if values else None
        found[name] = found.get(name, 0) + amount
    return found


@pytest.mark.parametrize("cells", lines(PAGE))
def test_outcomes_are_shared_by_all_channels_effects(cells: Cells) -> None:
    """The channel that the outcomes came by plays no part: here it is one without any effect."""
    told = [int(one) for one in cells["outcomes"].split(" then ")]
    figures = {(f"2026-{i + 1:02}", ("direct",)): Figures(revenue_minor=amount) for i, amount in enumerate(told)}
    found = total(figures, terms(amounts(cells["effects"]), amounts(cells["measured"])))
    expected: dict[str | None, float] = {**amounts(cells["shares"]), None: int(cells["unattributed"] or 0)}
    assert {name: found.get(name, 0) for name in {*found, *expected}} == {
        name: expected.get(name, 0) for name in {*found, *expected}
    }


@unhurried
@given(
    effects=st.dictionaries(WORDS, st.integers(0, SCALE)),
    measured=st.dictionaries(WORDS, st.integers(0, 300)),
    months=st.lists(st.tuples(st.integers(-(10**6), 10**6), st.integers(-(10**3), 10**3)), max_size=5),
)
def test_months_add_up_to_the_whole_and_channels_to_what_is_shared(
    effects: dict[str, int], measured: dict[str, int], months: list[tuple[int, int]]
) -> None:
    of = Terms(Model.MARKOV_GLOBAL, effects=effects, measured=measured)
    figures = {
        (f"2026-{i:02}", values): Figures(revenue_minor=amount, sales=amount // 2)
        for i, pair in enumerate(months)
        for values, amount in zip((("email",), None), pair, strict=True)
    }
    whole = {
        ("", ("email",)): Figures(revenue_minor=sum(pair[0] for pair in months), sales=sum(p[0] // 2 for p in months))
    }
    nobodys = Figures(revenue_minor=sum(pair[1] for pair in months), sales=sum(pair[1] // 2 for pair in months))
    found, expected = total(figures, of), total({**whole, ("", None): nobodys}, of)
    assert {name: amount for name, amount in found.items() if amount} == {
        name: amount for name, amount in expected.items() if amount
    }
    assert sum(found.values()) == sum(a + b + a // 2 + b // 2 for a, b in months)


# --- the report -----------------------------------------------------------------------------------------------------

TABLES = next(
    section.tables
    for section in sections("""
## A little site

Touches:
| touch | kind | at | channel |
| --- | --- | --- | --- |
| t1 | offline | 2026-04-01 | display |
| t2 | offline | 2026-04-05 | email |

Conversions:
| conversion | kind | at | deal | path |
| --- | --- | --- | --- | --- |
| c1 | deal_won | 2026-04-10 | D1 | t1 > t2 |
| c2 | deal_won | 2026-04-11 | D2 | t1 |
| c3 | deal_won | 2026-05-12 | D3 | |

Ledger:
| deal | at | kind | amount | currency |
| --- | --- | --- | --- | --- |
| D1 | 2026-04-10 | won | 1000 | JPY |
| D2 | 2026-04-11 | won | 500 | JPY |
| D3 | 2026-05-12 | won | 77 | JPY |
""")
)


def query(**changes: object) -> Query:
    effects = {"display": SCALE // 4, "email": SCALE // 2}
    asked = {"from_day": "2026-04-01", "to_day": "2026-05-31", "currency": "JPY", **changes}
    return Query(SITE_ID, "UTC", model=Model.MARKOV_GLOBAL, fit=Fit(1, {1: effects}, None, {}), **asked)  # type: ignore[arg-type]


def revenue(table: Table) -> dict[str | None, int]:
    return {None if row.is_unattributed else row.values[0]: row.figures.revenue_minor for row in table.rows}


def test_a_report_shares_all_that_is_explained(store: Store) -> None:
    facts = facts_of(TABLES)
    with begin(store) as tx:
        store_facts(tx, facts)
    with reading(store) as tx:
        for engine in (SqlEngine(tx), MemoryEngine(facts)):
            table = Source(engine, query()).table(NOW)
            assert revenue(table) == {"email": 1000, "display": 500, None: 77}
            assert table.totals.revenue_minor == 1577
            assert table.totals.sales == 3_000_000
            assert "data_driven" in [note.code for note in table.meta.notes]
            chart = Source(engine, query(to_day="2026-09-30")).series("revenue")
            assert {line.value: line.numbers[:2] for line in chart.lines} == {
                "email": ("1000", "0"),
                "display": ("500", "0"),
                "unattributed": ("0", "77"),
            }


def test_what_an_experiment_did_not_confirm_is_nobodys() -> None:
    measured = Policy(measured=(Measured("email", 40, 30, 50, "2026-01-01", "2026-01-31"),))
    table = Source(MemoryEngine(facts_of(TABLES)), query(policy=measured)).table(NOW)
    assert revenue(table) == {"email": 400, "display": 500, None: 677}


def test_the_total_can_be_opened_and_one_channels_figure_cannot(store: Store) -> None:
    with begin(store) as tx:
        store_facts(tx, facts_of(TABLES))
    with reading(store) as tx:
        assert rows_behind(tx, query(), "revenue", ()).figure == 1577
        for values in (("email",), None):
            with pytest.raises(Invalid, match="shares all deals together") as refused:
                rows_behind(tx, query(), "revenue", values)
            assert refused.value.field == "model"
        assert rows_behind(tx, query(), "visits", ("email",)).n_rows == 0


def test_nobody_is_told_which_deals_moved_under_it() -> None:
    with pytest.raises(Invalid, match="no figure of a single one"):
        _ = Source(MemoryEngine(facts_of(TABLES)), query()).credits


@pytest.mark.parametrize("by", ["campaign", "channel,source"])
def test_only_channels_can_be_asked_for(by: str) -> None:
    asked = {"model": "markov_global", "by": by, "from": "2026-04-01", "to": "2026-04-30"}
    with pytest.raises(Invalid, match="use by=channel") as refused:
        parse_query(asked, query(), fit=query().fit)  # type: ignore[arg-type]
    assert refused.value.field == "by"


def test_it_needs_a_fit_as_markov_does() -> None:
    asked = {"model": "markov_global", "from": "2026-04-01", "to": "2026-04-30"}
    refusal = Fit(1, {}, None, {"markov": "it takes 100 won deals"})
    with pytest.raises(Invalid, match=r"markov_global has not been fitted .*: it takes 100 won deals"):
        parse_query(asked, query(), fit=refusal)  # type: ignore[arg-type]


def test_a_single_deal_is_not_explained_by_it() -> None:
    assert Model.MARKOV_GLOBAL not in models_asked(None)
    assert len(models_asked(None)) == len(Model) - 1
    with pytest.raises(Invalid, match="is no model of a single path"):
        models_asked("first,markov_global")
