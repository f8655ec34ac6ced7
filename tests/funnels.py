"""Ways through the stages, written down as tables and put into lists or into a database: the Funnel report's tests read
them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
from sqlalchemy import insert, update

from tests.facts import SITE_ID, Cells, store_facts
from tracker.clock import from_ms, to_ms
from tracker.db.schema import company_changes, contacts, stage_changes
from tracker.db.store import Tx
from tracker.reports.columns import NOBODY
from tracker.reports.engines.memory import Arrival, Facts, Link, PathRow, Touchpoint
from tracker.reports.funnel import Asked, Browsers, Report, Scene, Touch, report_of
from tracker.reports.funnel import Facts as Ready
from tracker.reports.funnel_ways import Changes, Line, ways_of
from tracker.reports.query import parse_query, period_before
from tracker.reports.scans import Conversion
from tracker.vocabulary import NOT_SET, Scope, Stage

# A change: whose, into which stage, at which instant (milliseconds), on which day.
Change = tuple[str, str, int, str]
LINE = Line(tuple(stage.value for stage in Stage))
SHORT = {"mql": Stage.MQL.value, "sql": Stage.SQL.value}
YEAR = 2026


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, which part of the report is looked at, and what must stand there."""

    args: dict[str, str]
    rows: tuple[Cells, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.rows[0]) if self.rows else ()


@dataclass
class Scenario:
    """Ways with the touches of who goes them, and what is asked of them. `companies`: the ways are of companies."""

    name: str
    ways: dict[str, tuple[Change, ...]] = field(default_factory=dict)
    touches: dict[str, tuple[Touchpoint, ...]] = field(default_factory=dict)
    leads: dict[str, int] = field(default_factory=dict)
    people: dict[str, tuple[str, ...]] = field(default_factory=dict)
    strangers: list[Touchpoint] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)

    @property
    def changes(self) -> Changes:
        rows = [(who, n, *change[1:]) for who in sorted(self.ways) for n, change in enumerate(self.ways[who])]
        return Changes(*(list(column) for column in zip(*rows, strict=True)))


def scenarios(file: Path) -> list[Scenario]:
    """The scenarios of a Markdown file."""
    found = []
    for name, text in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", file.read_text("utf-8"), re.DOTALL | re.MULTILINE):
        one = Scenario(name)
        for label, args, table in re.findall(
            r"^(Ways|People|Visits|Asked):[ ]*`?([^`\n]*)`?\n\n?((?:\|.*\n?)+)", text, re.MULTILINE
        ):
            rows = cells_of(table)
            if label == "Asked":
                one.questions.append(Question(dict(parse_qsl(args)), tuple(rows)))
            else:
                for row in rows:
                    READERS[label](one, row)
        found.append(one)
    return found


def cells_of(table: str) -> list[Cells]:
    cells = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in table.strip().splitlines()]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


def instant(text: str) -> int:
    """'04-01' (noon) or '04-01 09:30' of 2026, UTC."""
    day, _, clock = text.partition(" ")
    return to_ms(datetime.fromisoformat(f"{YEAR}-{day}T{clock or '12:00'}").replace(tzinfo=UTC))


def day_of(at_ms: int) -> str:
    return f"{from_ms(at_ms):%Y-%m-%d}"


def names_of(who: str) -> list[str]:
    """'W1-10' is ten."""
    spread = re.fullmatch(r"(\w*?)(\d+)-(\d+)", who)
    return [who] if spread is None else [f"{spread[1]}{n}" for n in range(int(spread[2]), int(spread[3]) + 1)]


def read_way(one: Scenario, row: Cells) -> None:
    """who, way ('lead 04-01, mql 04-05'), touches ('email 03-30 > paid_search 04-02'), company."""
    for who in names_of(row["who"]):
        changes = []
        for step in filter(None, re.split(r",\s*", row["way"])):
            stage, _, when = step.partition(" ")
            at_ms = instant(when)
            changes.append((who, SHORT.get(stage, stage), at_ms, day_of(at_ms)))
        if changes:
            one.ways[who] = tuple(changes)
        if "." not in who:
            lead_ms = instant(row["named"]) if row.get("named") else changes[0][2]
            add_person(one, who, lead_ms, row.get("touches", ""))


def read_person(one: Scenario, row: Cells) -> None:
    """who, company, named, touches: of a company's people."""
    add_person(one, row["who"], instant(row["named"]), row["touches"])
    one.people[row["company"]] = (*one.people.get(row["company"], ()), row["who"])


def add_person(one: Scenario, who: str, lead_ms: int, touches: str) -> None:
    number = len(one.leads) + 1
    one.leads[who] = lead_ms
    one.touches[who] = tuple(touches_of(touches, f"{who}-", number))


def read_visit(one: Scenario, row: Cells) -> None:
    """visitor (a number), touches: of somebody who is nobody yet."""
    one.strangers += touches_of(row["touches"], f"stranger{row['visitor']}-", 900 + int(row["visitor"]))


def touches_of(text: str, prefix: str, number: int) -> Iterator[Touchpoint]:
    for place, step in enumerate(filter(None, re.split(r"\s*>\s*", text))):
        channel, _, when = step.partition(" ")
        at_ms = instant(when)
        words = dict.fromkeys(("source", "medium", "campaign", "term", "content", "landing_page"), NOT_SET)
        arrival = Arrival(channel=channel, referring_host=NOT_SET, country=NOT_SET, device="desktop", **words)
        yield Touchpoint(f"{prefix}{place}", "visit", number, at_ms, day_of(at_ms), arrival, "1")


READERS = {"Ways": read_way, "People": read_person, "Visits": read_visit}


# --- on lists ---------------------------------------------------------------------------------------------------------


class Acme:
    site_id = SITE_ID
    timezone = "UTC"
    currency = "JPY"


def asked_of(args: dict[str, str]) -> Asked:
    own = {name: args[name] for name in ("from", "to", "compare", "only_channel", "not_channel") if name in args}
    start, end = args.get("from_stage", "lead"), args.get("to_stage", "customer")
    return Asked(
        parse_query(own, Acme()),
        Scope(args.get("scope", "contact")),
        Touch(args.get("touch", "first")),
        SHORT.get(start, start),
        SHORT.get(end, end),
    )


def channel_of(scenario: Scenario, who: str, touch: Touch) -> str | None:
    """Whose channel, as plainly as it can be said."""
    touches = sorted(scenario.touches.get(who, ()), key=lambda one: one.occurred_ms)
    if touch is Touch.LEAD:
        lead_ms = scenario.leads[who]
        touches = [one for one in touches if lead_ms - 90 * 86_400_000 < one.occurred_ms <= lead_ms]
        touches = [one for one in touches if one.arrival.channel != "direct"] or touches
    if not touches:
        return None
    return touches[0 if touch is Touch.FIRST else -1].arrival.channel


def on_lists(scenario: Scenario, args: dict[str, str]) -> Report:
    """The report of what is written down, without a database."""
    asked = asked_of(args)
    ways = ways_of(scenario.changes, LINE)
    whose = [owner_of(scenario, one) for one in ways.ids]
    channels = [channel_of(scenario, who, asked.touch) if who else None for who in whose]
    values = sorted({one for one in channels if one})
    codes = np.array([values.index(one) if one else NOBODY for one in channels], dtype=np.int64)
    where = asked.query.where
    takes = None
    if where:
        takes = np.array([bool(one) and all(f.takes(one) for f in where) for one in channels], dtype=np.bool_)
    days = None
    if asked.query.against:
        days = period_before(asked.query.from_day, asked.query.to_day, asked.query.against)
    is_company = asked.scope is Scope.COMPANY
    ready = Ready(
        LINE,
        ways,
        values,
        codes,
        takes,
        None if is_company else browsers_of(scenario, asked, ways.ids, asked.query.from_day, asked.query.to_day),
        browsers_of(scenario, asked, ways.ids, *days) if days and not is_company else None,
        len(scenario.people) if is_company else len(scenario.leads),
    )
    return report_of(ready, Scene(ready, asked, from_ms(instant(args["now"]))), days)


def owner_of(scenario: Scenario, key: str) -> str | None:
    """A person themselves; of a company the oldest one."""
    if key in scenario.leads:
        return key
    return min(scenario.people.get(key, ()), key=lambda who: (scenario.leads[who], who), default=None)


def browsers_of(scenario: Scenario, asked: Asked, ids: Any, first: str, last: str) -> Browsers:
    visits = [one for own in scenario.touches.values() for one in own] + scenario.strangers
    visits = [one for one in visits if first <= one.day <= last]
    visits = [one for one in visits if all(f.takes(one.arrival.channel) for f in asked.query.where)]
    numbers = {who: n for n, who in enumerate(scenario.leads, 1)}
    known = set(numbers.values())
    by_value: dict[str, set[int]] = {}
    for one in visits:
        by_value.setdefault(one.arrival.channel, set()).add(one.visitor_no or 0)
    places = list(ids)
    return Browsers(
        len({one.visitor_no for one in visits}),
        {value: len(own) for value, own in by_value.items()},
        {value: np.array(sorted(own & known), dtype=np.int64) for value, own in by_value.items()},
        np.array(list(numbers.values()), dtype=np.int64),
        np.array([places.index(who) if who in places else NOBODY for who in numbers], dtype=np.int64),
    )


# --- into a database --------------------------------------------------------------------------------------------------


def store_scenario(tx: Tx, scenario: Scenario) -> None:
    """Put a scenario into an empty database."""
    facts = Facts()
    for number, (who, lead_ms) in enumerate(scenario.leads.items(), 1):
        own = scenario.touches[who]
        facts.touchpoints.extend(own)
        facts.links.append(Link(number, who, day_of(lead_ms)))
        facts.conversions.append(
            Conversion(f"lead {who}", "lead", lead_ms, day_of(lead_ms), day_of(lead_ms), who, None, 1, False, lead_ms)
        )
        before = sorted((one for one in own if one.occurred_ms <= lead_ms), key=lambda one: one.occurred_ms)
        facts.paths.extend(PathRow(f"lead {who}", place, touch) for place, touch in enumerate(before))
    facts.touchpoints.extend(scenario.strangers)
    store_facts(tx, facts)
    domains = {who: domain for domain, people in scenario.people.items() for who in people}
    for who, lead_ms in scenario.leads.items():
        touches = sorted(scenario.touches[who], key=lambda one: one.occurred_ms)
        row = {"lead_at": from_ms(lead_ms), "company_domain": domains.get(who)}
        for which, touch in zip(("first", "last"), (touches[0], touches[-1]) if touches else (), strict=False):
            arrival = touch.arrival
            row |= {f"{which}_at": from_ms(touch.occurred_ms), f"{which}_channel": arrival.channel}
            row[f"{which}_source"] = arrival.source
        if who in scenario.ways:
            _, stage, at_ms, _ = scenario.ways[who][-1]
            row |= {"stage": stage, "stage_at": from_ms(at_ms)}
        tx.execute(update(contacts).where(contacts.c.contact_id == who).values(**row))
    for who, changes in scenario.ways.items():
        is_company = who not in scenario.leads
        rows = [
            {"domain" if is_company else "contact_id": who, "position": n, "site_id": SITE_ID, "stage_before": None,
             "stage": stage, "occurred_at": from_ms(at_ms), "day": day, "cause": "crm", "decided_by": "crm",
             "evidence": []}
            for n, (_, stage, at_ms, day) in enumerate(changes)
        ]  # fmt: skip
        tx.execute(insert(company_changes if is_company else stage_changes), rows)
