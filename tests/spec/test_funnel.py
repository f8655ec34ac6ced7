"""Ways through the stages in, the Funnel report out (funnel.md): on lists, on SQLite and PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine as Store

from tests.facts import SITE_ID
from tests.funnels import Question, Scenario, instant, on_lists, scenarios, store_scenario
from tracker.access.sites import site_by_id
from tracker.clock import from_ms
from tracker.db.store import Tx, begin
from tracker.reports.funnel import Report
from tracker.reports.funnel_facts import ask_funnel, funnel_report
from tracker.reports.funnel_rows import Which, people_behind
from tracker.reports.funnel_shown import to_json
from tracker.vocabulary import Stage

SCENARIOS = scenarios(Path(__file__).parent / "funnel.md")
SHORT = {Stage.MQL.value: "mql", Stage.SQL.value: "sql"}
LONG = {short: name for name, short in SHORT.items()}
OWN = ("now", "show", "stage", "of")


def lines(report: Report, question: Question) -> list[dict[str, str]]:
    """The part of the report that the question looks at, only the columns that it gives."""
    given = to_json(report)
    show = question.args["show"]
    rows: list[dict[str, Any]]
    if show == "visitors":
        rows = [{"stage": name, "reached": n} for name, n in given["visitors"]["reached_by_stage"].items()]
        rows = [{"stage": "(all)", "reached": given["visitors"]["visitors"]}, *rows]
    elif show == "months":
        rows = [
            {**one, "month": month["month"], "of": month["reached"]}
            for month in given["months"]
            for one in month["stages"]
        ]
    elif show == "sources":
        rows = [*given["sources"], {**given["totals"], "channel": "(total)"}]
    else:
        rows = given[show]
    found = [{name: text(row, name) for name in question.columns} for row in rows]
    key = question.columns[0]
    wanted = {line[key] for line in question.rows}
    return found if show == "sources" else [line for line in found if line[key] in wanted]


def text(row: dict[str, Any], name: str) -> str:
    if name.startswith("before "):
        return text(row["before"], name.removeprefix("before "))
    if name.startswith("usual "):
        return text(row["usual"], name.removeprefix("usual "))
    found = row[name]
    if name == "channel" and row.get("is_unattributed"):
        return "(unattributed)"
    if isinstance(found, bool):
        return "yes" if found else ""
    if isinstance(found, float) and found.is_integer():
        found = int(found)
    return "" if found is None else SHORT.get(str(found), str(found))


def expected(question: Question) -> list[dict[str, str]]:
    return list(question.rows)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_the_report_on_lists(scenario: Scenario) -> None:
    assert scenario.questions
    for question in scenario.questions:
        if question.args["show"] != "people":
            assert lines(on_lists(scenario, question.args), question) == expected(question), question.args


class TakenBack(Exception):
    """Ends a transaction without a trace."""


@contextmanager
def taken_back(store: Store) -> Iterator[Tx]:
    with suppress(TakenBack), begin(store) as tx:
        yield tx
        raise TakenBack


def asked_in(tx: Tx, question: Question) -> Any:
    args = {name: LONG.get(value, value) for name, value in question.args.items() if name not in OWN}
    return ask_funnel(tx, args, site_by_id(tx, SITE_ID))


def people(tx: Tx, question: Question) -> list[dict[str, str]]:
    """Who stands behind the figure that the question names as metric:stage:then."""
    metric, stage, then = (LONG.get(part, part) for part in (question.args["of"] + "::").split(":")[:3])
    now = from_ms(instant(question.args["now"]))
    found, cursor = [], None
    while True:
        page = people_behind(tx, asked_in(tx, question), Which(metric, stage, then), now, cursor, limit=2)
        found += page.rows
        cursor = page.next_cursor
        if cursor is None:
            break
    assert page.n_rows == len(found)
    return [
        {
            "who": one.key,
            "at": f"{one.at:%m-%d}",
            "days": "" if one.days is None else f"{one.days:g}",
            "stage": SHORT.get(one.stage or "", one.stage or ""),
            "channel": one.source or "(unattributed)",
        }
        for one in found
    ]


def test_the_report_on_a_database(store: Store) -> None:
    """All scenarios on one store: each is put there and taken back."""
    for scenario in SCENARIOS:
        with taken_back(store) as tx:
            store_scenario(tx, scenario)
            for question in scenario.questions:
                now = from_ms(instant(question.args["now"]))
                if question.args["show"] == "people":
                    found = people(tx, question)
                    found = [{name: row[name] for name in question.columns} for row in found]
                else:
                    found = lines(funnel_report(tx, asked_in(tx, question), now), question)
                assert found == expected(question), (scenario.name, question.args)
