"""Facts of a little site, written down as tables and put into lists or into a database: the reports' tests read them.

A scenario is a piece of Markdown: a heading, tables named Visits, Touches, Conversions, Ledger and Costs, and questions
("Asked: by=channel&model=first") each followed by the table that the report must give.
"""

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from sqlalchemy import insert

from tracker.clock import from_ms, to_ms
from tracker.db.schema import (
    contacts,
    conversions,
    costs,
    deal_entries,
    deals,
    links,
    paths,
    sites,
    touchpoints,
    visitors,
)
from tracker.db.store import Tx
from tracker.ids import derive
from tracker.money import parse_amount, tie_number
from tracker.reports.engines.memory import Arrival, CostRow, Facts, Link, PathRow, Touchpoint
from tracker.reports.scans import Conversion, Entry
from tracker.vocabulary import NOT_SET

SITE_ID = 1
Cells = dict[str, str]


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a scenario, and the report that must come: a row per line, only the columns given."""

    args: dict[str, str | list[str]]
    rows: tuple[Cells, ...]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A heading, the facts below it, and what is asked of them."""

    name: str
    facts: Facts
    questions: tuple[Question, ...]


@dataclass
class Section:
    """A heading with its tables, as read."""

    name: str
    tables: dict[str, list[Cells]] = field(default_factory=dict)
    questions: list[tuple[str, list[Cells]]] = field(default_factory=list)


def scenarios(file: Path) -> list[Scenario]:
    """The scenarios of a Markdown file, in order."""
    return [
        Scenario(
            section.name,
            facts_of(section.tables),
            tuple(Question(args_of(text), tuple(rows)) for text, rows in section.questions),
        )
        for section in sections(file.read_text("utf-8"))
    ]


def args_of(query: str) -> dict[str, str | list[str]]:
    """The parameters of an address; those given several times as a list."""
    return {name: texts[0] if len(texts) == 1 else list(texts) for name, texts in parse_qs(query).items()}


def sections(text: str) -> list[Section]:
    """Headings with tables below them."""
    found: list[Section] = []
    target: list[Cells] | None = None
    head: list[str] | None = None
    for line in text.splitlines():
        if line.startswith("## "):
            found.append(Section(line[3:].strip()))
            target = None
        elif line.startswith("|") and target is not None:
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            if head is None:
                head = cells
            elif not set(line) <= set("|-: "):
                target.append(dict(zip(head, cells, strict=True)))
        elif found and (named := re.match(r"(Visits|Touches|Conversions|Ledger|Costs|Asked|Table):\s*(.*)", line)):
            target, head = [], None
            if named[1] == "Asked":
                found[-1].questions.append((named[2].strip("` "), target))
            else:
                found[-1].tables[named[1]] = target
    return [section for section in found if section.tables or section.questions]


def table(text: str, heading: str) -> list[Cells]:
    """The table named `Table:` under a heading."""
    return next(section.tables["Table"] for section in sections(text) if section.name == heading)


def instant_ms(text: str) -> int:
    """'2026-04-01' (noon) or '2026-04-01 09:30', UTC, as milliseconds."""
    day, _, clock = text.partition(" ")
    return to_ms(datetime.fromisoformat(f"{day}T{clock or '12:00'}").replace(tzinfo=UTC))


def arrival_of(cells: Cells) -> Arrival:
    """The dimensions of a row; those it does not give are not set."""
    names = ("channel", "source", "medium", "campaign", "term", "content", "landing_page", "referring_host", "country")
    return Arrival(**{name: cells.get(name) or NOT_SET for name in names}, device=cells.get("device") or "desktop")


def facts_of(tables: dict[str, list[Cells]]) -> Facts:
    """The facts that tables tell.

    Visits: visit, at, visitor (a number), lead (the day the visitor's contact became a lead), channel, source …
    Touches: the same with `kind`. Conversions: conversion, kind, at, lead, deal, path (touches by name), n
    Ledger: deal, at, kind, amount, currency. Costs: day, channel, source, …, amount, currency
    """
    facts = Facts()
    by_name: dict[str, Touchpoint] = {}
    for cells in [*tables.get("Visits", ()), *tables.get("Touches", ())]:
        name, at = cells.get("visit") or cells["touch"], instant_ms(cells["at"])
        is_visit = cells.get("kind", "visit") == "visit"
        visitor_no = int(cells["visitor"]) if is_visit else None
        touch = Touchpoint(
            name,
            cells.get("kind", "visit"),
            visitor_no,
            at,
            cells["at"][:10],
            arrival_of(cells),
            cells.get("rules", "1"),
        )
        by_name[name] = touch
        facts.touchpoints.append(touch)
        if visitor_no is not None and cells.get("lead") and visitor_no not in {one.visitor_no for one in facts.links}:
            facts.links.append(Link(visitor_no, f"person {visitor_no}", cells["lead"]))
    for cells in tables.get("Conversions", ()):
        one = conversion_of(cells)
        facts.conversions.append(one)
        for position, name in enumerate(filter(None, re.split(r"\s*>\s*", cells.get("path", "")))):
            facts.paths.append(PathRow(one.conversion_id, position, by_name[name]))
    positions: dict[str, int] = {}
    for cells in tables.get("Ledger", ()):
        deal_id = cells["deal"]
        positions[deal_id] = positions.get(deal_id, -1) + 1
        facts.entries.append(
            Entry(
                deal_id,
                positions[deal_id],
                cells["kind"],
                minor(cells["amount"], cells["currency"]),
                cells["currency"],
                cells["at"][:10],
            )
        )
    for cells in tables.get("Costs", ()):
        amount = minor(cells["amount"], cells["currency"])
        facts.costs.append(CostRow(cells["day"], arrival_of(cells), amount, cells["currency"]))
    return facts


def conversion_of(cells: Cells) -> Conversion:
    """A row of Conversions."""
    return Conversion(
        cells["conversion"],
        cells["kind"],
        instant_ms(cells["at"]),
        cells["at"][:10],
        cells.get("lead") or None,
        cells.get("contact") or None,
        cells.get("deal") or None,
        int(cells.get("n") or 1),
        cells.get("by") == "company",
    )


def minor(amount: str, currency: str) -> int:
    """Minor units of a signed amount."""
    return parse_amount(amount.lstrip("-"), currency) * (-1 if amount.startswith("-") else 1)


# --- into a database ------------------------------------------------------------------------------------------------


def store_facts(tx: Tx, facts: Facts, currency: str | None = "JPY") -> None:
    """Put facts into an empty database, with the rows that they need around them."""
    now = datetime(2026, 11, 1, tzinfo=UTC)

    def put(into: Any, rows: Iterable[dict[str, Any]]) -> None:
        listed = list(rows)
        if listed:
            tx.execute(insert(into), listed)

    put(sites, [{
        "site_id": SITE_ID, "key": "acme", "name": "Acme", "hosts": ["acme.example"], "timezone": "UTC",
        "currency": currency, "visit_gap_s": 1800, "lease_s": 1800, "lease_rest_s": 3600, "created_at": now,
        "tracking": {},
    }])  # fmt: skip
    numbers = {touch.visitor_no for touch in facts.touchpoints} | {link.visitor_no for link in facts.links}
    put(
        visitors,
        ({"visitor_no": n, "site_id": SITE_ID, "visitor_id": f"browser-{n}"} for n in sorted(numbers - {None})),
    )
    put(touchpoints, map(touch_row, facts.touchpoints))
    put(contacts, [
        {"contact_id": contact_id, "site_id": SITE_ID, "email": f"{contact_id.replace(' ', '')}@example.org",
         "properties": {}, "lead_at": now, "lead_day": lead_day, "updated_at": now}
        for contact_id, lead_day in {link.contact_id: link.lead_day for link in facts.links}.items()
    ])  # fmt: skip
    places: dict[int, int] = {}
    for link in facts.links:
        places[link.visitor_no] = places.get(link.visitor_no, -1) + 1
        put(links, [{
            "visitor_no": link.visitor_no, "position": places[link.visitor_no], "contact_id": link.contact_id,
            "from_at": at(link.from_ms), "to_at": at(link.to_ms),
        }])  # fmt: skip
    put(deals, [
        {"deal_id": deal_id, "site_id": SITE_ID, "reference": f"ref {deal_id}", "name": None, "status": "won",
         "type": "new", "amount_minor": 0, "refunded_minor": 0, "currency": "JPY", "created_at": now, "changed_at": now}
        for deal_id in sorted({entry.deal_id for entry in facts.entries} | deal_ids(facts))
    ])  # fmt: skip
    put(deal_entries, ({**entry._asdict(), "site_id": SITE_ID, "occurred_at": now} for entry in facts.entries))
    put(conversions, map(conversion_row, facts.conversions))
    kinds = {one.conversion_id: one for one in facts.conversions}
    put(paths, (path_row(row, kinds[row.conversion_id]) for row in facts.paths))
    put(costs, (cost_row(i, row) for i, row in enumerate(facts.costs)))


def deal_ids(facts: Facts) -> set[str]:
    """The deals that conversions name."""
    return {one.deal_id for one in facts.conversions if one.deal_id}


def at(milliseconds: int | None) -> datetime | None:
    """An instant, or none."""
    return None if milliseconds is None else from_ms(milliseconds)


def touch_row(touch: Touchpoint) -> dict[str, Any]:
    """A row of touchpoints."""
    return {
        "touchpoint_id": touch.touchpoint_id, "site_id": SITE_ID, "kind": touch.kind, "hit_seq": 1, "hit_id": "",
        "visitor_no": touch.visitor_no, "contact_id": None, "occurred_at": at(touch.occurred_ms), "day": touch.day,
        **flat(touch.arrival), "landing_url": f"https://acme.example{touch.arrival.landing_page}", "click_ids": [],
        "browser": "", "os": "", "rule": "", "rules_version": touch.rules_version,
    }  # fmt: skip


def flat(arrival: Arrival) -> dict[str, Any]:
    """The flat columns of an arrival."""
    return asdict(arrival)


def conversion_row(one: Conversion) -> dict[str, Any]:
    """A row of conversions."""
    row = one._asdict()
    occurred_at = at(row.pop("converted_ms"))
    moments = {f"{name}_at": at(row.pop(f"{name}_ms")) for name in ("lead", "deal", "last_win")}
    return {**row, **moments, "site_id": SITE_ID, "occurred_at": occurred_at, "by_company": bool(one.by_company)}


def path_row(row: PathRow, one: Conversion) -> dict[str, Any]:
    """A row of paths."""
    return {
        "conversion_id": row.conversion_id, "position": row.position, "site_id": SITE_ID, "kind": one.kind,
        "conversion_at": at(one.converted_ms), "conversion_day": one.day, "lead_day": one.lead_day,
        "touchpoint_id": row.touchpoint.touchpoint_id, "touched_at": at(row.touchpoint.occurred_ms),
        "touch_day": row.touchpoint.day, "scope": row.scope,
        "tie": tie_number(row.conversion_id, row.touchpoint.touchpoint_id), **flat(row.touchpoint.arrival),
    }  # fmt: skip


def cost_row(number: int, row: CostRow) -> dict[str, Any]:
    """A row of costs."""
    arrival = asdict(row.arrival)
    return {
        "cost_id": derive("cost", number), "site_id": SITE_ID, "day": row.day, "amount_minor": row.amount_minor,
        "currency": row.currency, "updated_at": datetime(2026, 11, 1, tzinfo=UTC),
        **{name: arrival[name] for name in ("channel", "source", "medium", "campaign")},
        **{f"told_{name}": arrival[name] for name in ("source", "medium", "campaign")},
    }  # fmt: skip
