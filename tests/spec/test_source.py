"""Facts in, Source report out: on lists in memory, on SQLite and on PostgreSQL (source.md)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine as Store

from tests.facts import SITE_ID, Cells, Question, Scenario, scenarios, store_facts
from tracker.db.store import begin, reading
from tracker.reports.engines.memory import Facts, MemoryEngine
from tracker.reports.engines.sql import SqlEngine
from tracker.reports.query import parse_query
from tracker.reports.scans import Engine
from tracker.reports.source import Source
from tracker.reports.table import Table

NOW = datetime(2026, 11, 1, tzinfo=UTC)
SCENARIOS = scenarios(Path(__file__).parent / "source.md")
On = Callable[[Facts], Engine]


@dataclass(frozen=True, slots=True)
class Site:
    site_id: int = SITE_ID
    timezone: str = "UTC"
    currency: str | None = "JPY"


@pytest.fixture
def in_memory() -> On:
    return MemoryEngine


@pytest.fixture
def in_store(store: Store) -> Iterator[On]:
    with reading(store) as tx:

        def put(facts: Facts) -> Engine:
            with begin(store) as writing:
                store_facts(writing, facts)
            return SqlEngine(tx)

        yield put


def shown(table: Table, question: Question) -> list[Cells]:
    """The columns that the question names, as text, with the totals as the last line."""
    given = table.to_json()
    lines = []
    for row in given["rows"]:
        names = {name: f"({row[name]})" if row["is_unattributed"] else row[name] for name in given["meta"]["by"]}
        lines.append({**row, **names, **compared(row)})
    by = given["meta"]["by"]
    lines.append({**given["totals"], **dict.fromkeys(by, ""), by[0]: "(total)", **compared(given["totals"])})
    return [{key: text(line[key]) for key in question.rows[0]} for line in lines]


def compared(row: dict[str, Any]) -> dict[str, Any]:
    """What stands beside a row from an earlier period: `visits before`, `visits change`."""
    return {f"{name} {part}": row[part][name] for part in ("before", "change") for name in row.get(part, ())}


def text(number: object) -> str:
    """A figure as the tables write it: nothing for undefined, ratios without a needless .0; money is text already."""
    if number is None:
        return ""
    return f"{int(number)}" if isinstance(number, float) and number.is_integer() else f"{number}"


def check(scenario: Scenario, on: On) -> None:
    engine = on(scenario.facts)
    for question in scenario.questions:
        found = shown(Source(engine, parse_query(question.args, Site())).table(NOW), question)
        assert found == list(question.rows), question.args


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_the_report_on_lists(scenario: Scenario, in_memory: On) -> None:
    check(scenario, in_memory)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_the_report_on_a_database(scenario: Scenario, in_store: On) -> None:
    check(scenario, in_store)
