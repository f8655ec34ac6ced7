"""Facts in, tables of path analysis out: on lists in memory, on SQLite and on PostgreSQL (pathways.md)."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine as Store

from tests.facts import Cells, Scenario, scenarios, store_facts
from tests.spec.test_source import Site, text
from tracker.db.store import begin, reading
from tracker.money import plain
from tracker.reports.engines.memory import MemoryEngine
from tracker.reports.engines.sql import SqlEngine
from tracker.reports.pathtables import Band, Group, Move, Place, Role, Spread
from tracker.reports.pathways import PathReport, parse_asked, path_report
from tracker.reports.scans import Engine

NOW = datetime(2026, 11, 1, tzinfo=UTC)
SCENARIOS = scenarios(Path(__file__).parent / "pathways.md")


def yen(minor: int | None) -> str:
    return "" if minor is None else plain(minor, "JPY")


def ratio(number: float | None) -> str:
    return "" if number is None else text(round(number, 6))


def place(one: Place) -> str:
    return f"({one.stop.value})" if one.stop else str(one.value)


def path_line(report: PathReport, name: str, group: Group) -> Cells:
    return {
        "path": name,
        "conversions": str(group.n),
        "share": ratio(report.share(group.n)),
        "revenue": yen(group.revenue_minor),
    }


def paths(report: PathReport) -> Iterator[Cells]:
    groups, totals = report.groups, report.totals
    for group in groups.shown:
        yield path_line(report, " > ".join(group.values), group)
    if groups.n_rest:
        yield path_line(report, "(rest)", groups.rest)
    if groups.unattributed.n or groups.unattributed.revenue_minor:
        yield path_line(report, "(unattributed)", groups.unattributed)
    yield path_line(report, "(total)", Group((), totals.conversions, totals.revenue_minor)) | {"share": ""}


def band(one: Band) -> str:
    return f"{one.first}" if one.first == one.last else f"{one.first}-{'' if one.last is None else one.last}"


def spread(found: Spread, name: str) -> Iterator[Cells]:
    for one in found.bands:
        if one.n:
            yield {name: band(one), "conversions": str(one.n)}
    for key in ("median", "p90"):
        number = getattr(found, key)
        yield {name: key, "conversions": "" if number is None else str(number)}


def role(one: Role) -> Cells:
    return {
        "value": one.value or "(rest)",
        "conversions": str(one.n),
        **{name: str(getattr(one, name)) for name in ("first", "assist", "last", "only")},
        "ratio": ratio(one.ratio),
        "assist_revenue": yen(one.assist_minor),
        "closing_revenue": yen(one.closing_minor),
    }


def move(one: Move) -> Cells:
    return {
        "step": str(one.step),
        "before": place(one.before),
        "after": place(one.after),
        "conversions": str(one.n),
        "share": ratio(one.share),
    }


def table(report: PathReport, name: str) -> list[Cells]:
    """One table of a report as text."""
    rest = [report.roles_rest] if report.roles_rest else []
    tables = {
        "paths": lambda: paths(report),
        "touches": lambda: spread(report.touches, "touches"),
        "days": lambda: spread(report.days, "days"),
        "roles": lambda: map(role, [*report.roles, *rest]),
        "transitions": lambda: map(move, report.transitions),
        "flow": lambda: map(move, report.flow),
    }
    return list(tables[name]())


def check(scenario: Scenario, engine: Engine) -> None:
    for question in scenario.questions:
        args = dict(question.args)
        found = table(
            path_report(engine, parse_asked({k: v for k, v in args.items() if k != "table"}, Site()), NOW),
            args["table"],
        )
        columns = question.rows[0] if question.rows else {}
        assert [{key: line[key] for key in columns} for line in found] == list(question.rows), question.args


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_the_paths_on_lists(scenario: Scenario) -> None:
    check(scenario, MemoryEngine(scenario.facts))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_the_paths_on_a_database(scenario: Scenario, store: Store) -> None:
    with begin(store) as writing:
        store_facts(writing, scenario.facts)
    with reading(store) as tx:
        check(scenario, SqlEngine(tx))
