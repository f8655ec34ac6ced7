"""Deals as a CRM tells of them, written down as tables and put into lists or into a database: the Opportunity report's
tests read them."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from sqlalchemy import insert

from tests.facts import SITE_ID, Cells, facts_of, store_facts
from tracker.db.schema import contacts, deal_contacts, deal_states
from tracker.db.store import Tx
from tracker.deals.ledger import Change, replay
from tracker.deals.pipelines import StageTold, tell_pipeline
from tracker.deals.probability import parse_probability
from tracker.deals.record import state_row
from tracker.deals.states import State, states_of
from tracker.reports.engines.memory import Facts
from tracker.reports.opportunity_ways import StateRow, ToldStage

NOW = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, which part of the report is looked at, and what must stand there."""

    args: dict[str, str]
    show: str
    rows: tuple[Cells, ...]
    columns: tuple[str, ...]


@dataclass
class Scenario:
    """Deals with their states, people and paths, the stages that were told, and what is asked of them."""

    name: str
    states: dict[str, tuple[State, ...]]
    people: dict[str, tuple[str, ...]]
    facts: Facts
    told: dict[str, list[ToldStage]]
    questions: list[Question] = field(default_factory=list)

    @property
    def rows(self) -> list[StateRow]:
        return [
            StateRow(
                deal_id,
                f"{one.from_at:%Y-%m-%d}",
                one.pipeline,
                one.stage,
                one.status.value,
                one.amount_minor,
                one.currency,
                one.probability_bp,
                one.lost_reason,
                None if one.closed_at is None else f"{one.closed_at:%Y-%m-%d}",
            )
            for deal_id in sorted(self.states)
            for one in self.states[deal_id]
        ]


def scenarios(file: Path) -> list[Scenario]:
    """The scenarios of a Markdown file, in order."""
    parts = re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", file.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    return [scenario_of(name, text) for name, text in parts]


def scenario_of(name: str, text: str) -> Scenario:
    """One heading's tables."""
    tables: dict[str, list[Cells]] = {}
    questions: list[Question] = []
    pieces = re.split(r"^(Deals|Pipeline|Asked):(.*)$", text, flags=re.MULTILINE)
    for kind, head, body in zip(pieces[1::3], pieces[2::3], pieces[3::3], strict=True):
        columns, rows = table_of(body)
        if kind == "Asked":
            args = dict(parse_qsl(head.strip("` ")))
            questions.append(Question(args, args.pop("show"), tuple(rows), columns))
        else:
            tables[kind] = rows
    told = [
        ToldStage(one["stage"], one["label"] or None, parse_probability(one["probability"]))
        for one in tables.get("Pipeline", ())
    ]
    return told_of(name, tables["Deals"], {"": told} if told else {}, questions)


def table_of(text: str) -> tuple[tuple[str, ...], list[Cells]]:
    """A table's columns and rows."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return tuple(lines[0]), [dict(zip(lines[0], line, strict=True)) for line in lines[2:]]


def each(name: str) -> Iterator[str]:
    """'W1-10' as W1 to W10."""
    found = re.fullmatch(r"(\D+)(\d+)-(\d+)", name)
    return (f"{found[1]}{n}" for n in range(int(found[2]), int(found[3]) + 1)) if found else iter([name])


def at(day: str) -> datetime:
    return datetime.fromisoformat(f"2026-{day}T12:00:00").replace(tzinfo=UTC)


def change_of(seq: int, line: Cells) -> Change:
    """What was said: name=value, a value as far as the next name."""
    fields: dict[str, Any] = {}
    for name, value in re.findall(r"(\w+)=(.*?)(?=\s\w+=|$)", line["said"]):
        fields[name] = at(value).isoformat() if name in ("closed_at", "created_at") else value.strip() or None
    return Change(at(line["changed"]), seq, fields)


def told_of(name: str, lines: Iterable[Cells], told: dict[str, list[ToldStage]], questions: list[Question]) -> Scenario:
    """A scenario of what the CRM said."""
    changes: dict[str, list[Change]] = {}
    people: dict[str, tuple[str, ...]] = {}
    visits: list[Cells] = []
    conversions: list[Cells] = []
    for seq, line in enumerate(lines):
        for deal_id in each(line["deal"]):
            if deal_id not in changes:
                path = [one for one in re.split(r"\s*>\s*", line.get("path", "")) if one]
                names = [f"{deal_id} {place} {channel}" for place, channel in enumerate(path)]
                visits += [
                    {
                        "visit": own,
                        "at": f"2026-01-01 0{place}:00",
                        "visitor": f"{len(visits) + place}",
                        "channel": word,
                    }
                    for place, (own, word) in enumerate(zip(names, path, strict=True))
                ]
                created = {"conversion": f"created {deal_id}", "kind": "deal_created", "deal": deal_id}
                conversions.append({**created, "at": f"2026-{line['changed']}", "path": " > ".join(names)})
                people[deal_id] = tuple(one.strip() for one in line.get("people", "").split(",") if one.strip())
            changes.setdefault(deal_id, []).append(change_of(seq, line))
    states = {deal_id: states_of(replay(own, "JPY").steps) for deal_id, own in changes.items()}
    facts = facts_of({"Visits": visits, "Conversions": conversions})
    return Scenario(name, states, people, facts, told, questions)


def store_scenario(tx: Tx, scenario: Scenario) -> None:
    """Put a scenario into an empty database."""
    store_facts(tx, scenario.facts)
    everybody = sorted({person for own in scenario.people.values() for person in own})
    for person in everybody:
        row = {"contact_id": person, "site_id": SITE_ID, "properties": {}, "lead_at": NOW, "lead_day": "2026-01-01"}
        tx.execute(insert(contacts), [{**row, "updated_at": NOW}])
    for deal_id, own in scenario.states.items():
        tx.execute(insert(deal_states), [state_row(SITE_ID, deal_id, n, one, "UTC") for n, one in enumerate(own)])
        for person in scenario.people[deal_id]:
            tx.execute(insert(deal_contacts), [{"deal_id": deal_id, "contact_id": person}])
    for pipeline, stages in scenario.told.items():
        tell_pipeline(tx, SITE_ID, pipeline, [StageTold(*one) for one in stages], NOW)
