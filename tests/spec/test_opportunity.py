"""What the CRM says of deals in, the Opportunity report out (opportunity.md): on lists, on SQLite and PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine as Store

from tests.facts import SITE_ID
from tests.pipelines import NOW, Question, Scenario, scenarios, store_scenario
from tracker.access.sites import Site, site_by_id
from tracker.db.store import Tx, begin, reading
from tracker.reports.engines.memory import MemoryEngine
from tracker.reports.exchange import Exchange
from tracker.reports.opportunity import Asked, Facts, Report, report_of
from tracker.reports.opportunity_credit import credited_of
from tracker.reports.opportunity_facts import ask_opportunities, opportunity_report
from tracker.reports.opportunity_shown import to_json
from tracker.reports.opportunity_ways import ways_of
from tracker.reports.query import parse_query

SCENARIOS = scenarios(Path(__file__).parent / "opportunity.md")
TODAY = "2026-05-31"


class Acme:
    site_id = SITE_ID
    timezone = "UTC"
    currency = "JPY"


def asked_of(question: Question) -> Asked:
    args = {"from": question.args["from"], "to": question.args["to"], "model": question.args.get("model", "linear")}
    pipeline = question.args.get("pipeline")
    return Asked(parse_query(args, Acme()), question.args["as_of"], "" if pipeline == "(not set)" else pipeline)


def on_lists(scenario: Scenario, question: Question) -> Report:
    asked = asked_of(question)
    credited = credited_of(MemoryEngine(scenario.facts), asked.query)
    facts = Facts(ways_of(scenario.rows, asked.as_of), scenario.told, credited, scenario.people)
    report = report_of(facts, asked, Exchange("JPY"), list, NOW)
    return replace(report, stuck=tuple(replace(one, reference=one.deal_id) for one in report.stuck))


def lines(report: Report, question: Question) -> list[dict[str, str]]:
    """The part of the report that the question looks at, only the columns that it gives."""
    given = to_json(report)
    rows: list[dict[str, Any]] = given[question.show]
    if question.show == "sources":
        rows = [*rows, {**given["totals"], "channel": "(total)"}]
    return [{name: text(row, name) for name in question.columns} for row in rows]


def text(row: dict[str, Any], name: str) -> str:
    found = row[name]
    if name == "channel" and row.get("is_unattributed"):
        return f"({found})"
    if isinstance(found, float) and found.is_integer():
        found = int(found)
    return "" if found is None else str(found).removeprefix("ref ")


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_the_report_on_lists(scenario: Scenario) -> None:
    for question in scenario.questions:
        assert lines(on_lists(scenario, question), question) == list(question.rows), question.args


class TakenBack(Exception):
    """Ends a transaction without a trace."""


@contextmanager
def taken_back(store: Store) -> Iterator[Tx]:
    with suppress(TakenBack), begin(store) as tx:
        yield tx
        raise TakenBack


def test_the_report_on_a_database(store: Store) -> None:
    """All scenarios on one store: each is put there and taken back."""
    for scenario in SCENARIOS:
        with taken_back(store) as tx:
            store_scenario(tx, scenario)
            site: Site = site_by_id(tx, SITE_ID)
            for question in scenario.questions:
                args = {"model": "linear", **question.args}
                report = opportunity_report(tx, ask_opportunities(tx, args, site, TODAY), NOW)
                assert lines(report, question) == list(question.rows), (scenario.name, question.args)


def test_what_has_no_rate_is_in_no_figure_and_is_told(store: Store) -> None:
    scenario = next(one for one in SCENARIOS if one.name.startswith("Two currencies"))
    with begin(store) as tx:
        store_scenario(tx, scenario)
    with reading(store) as tx:
        asked = ask_opportunities(tx, scenario.questions[0].args, site_by_id(tx, SITE_ID), TODAY)
        meta = to_json(opportunity_report(tx, asked, NOW))["meta"]
    assert meta["unconverted"] == [{"currency": "KWD", "amount": "7.000", "amount_minor": 7000}]
    assert "unconverted" in [note["code"] for note in meta["notes"]]
