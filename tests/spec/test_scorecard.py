"""What was told of a little company in, its scorecard out (scorecard.md, churn.md, bands.md)."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert

from tests.facts import SITE_ID, Cells, store_facts
from tracker.access.sites import site_by_id
from tracker.db.schema import (
    company_changes,
    contacts,
    conversions,
    costs,
    deal_entries,
    deals,
    definitions,
    identifiers,
    mail_events,
    mail_programmes,
    nps_answers,
    stage_changes,
)
from tracker.db.store import Tx, begin, reading
from tracker.errors import Invalid
from tracker.ids import derive
from tracker.lifecycle.stages import SHIPPED
from tracker.reports.bands import Side, band_of
from tracker.reports.engines.memory import Facts
from tracker.reports.scorecard import is_away, lost_months
from tracker.reports.scorecard_around import behind, comments_of, profiles_of, stops_of
from tracker.reports.scorecard_facts import Asked, Score, ask_scorecard, read_scorecard, stayed_of, ways_back
from tracker.reports.scorecard_metrics import METRICS, Unit
from tracker.reports.scorecard_shown import parse_target, written

FOLDER = Path(__file__).parent
NOW = datetime(2026, 5, 10, 3, 0, tzinfo=UTC)
TODAY = "2026-05-10"
TABLES = ("Stages", "Conversions", "Costs", "Ledger", "Mails", "Answers", "Figures", "Stops")


def cells_of(text: str) -> list[Cells]:
    lines = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in text.splitlines() if "|" in line]
    return [dict(zip(lines[0], line, strict=True)) for line in lines[2:]]


def scenarios() -> list[tuple[str, dict[str, list[Cells]]]]:
    """By heading the tables below it."""
    found = []
    for part in re.split(r"^## ", (FOLDER / "scorecard.md").read_text("utf-8"), flags=re.MULTILINE)[1:]:
        pieces = re.split(rf"^({'|'.join(TABLES)})\b.*:.*$", part, flags=re.MULTILINE)
        found.append((part.splitlines()[0], dict(zip(pieces[1::2], map(cells_of, pieces[2::2]), strict=True))))
    return found


SCENARIOS = scenarios()


def at(day: str) -> datetime:
    return datetime.fromisoformat(f"2026-{day}T12:00:00").replace(tzinfo=UTC)


def put(tx: Tx, into: Any, rows: Iterable[dict[str, Any]]) -> None:
    if listed := list(rows):
        tx.execute(insert(into), listed)


def change_rows(lines: Iterable[tuple[str, str, str]]) -> list[dict[str, Any]]:
    """Rows of stage_changes or company_changes, without whose they are; lines: who, day, stage."""
    ways: dict[str, list[dict[str, Any]]] = {}
    for who, day, stage in lines:
        own = ways.setdefault(who, [])
        before = own[-1]["stage"] if own else None
        own.append({"who": who, "position": len(own), "stage_before": before, "stage": stage, "day": f"2026-{day}"})
        own[-1] |= {"site_id": SITE_ID, "occurred_at": at(day), "cause": "crm", "decided_by": "crm", "evidence": []}
    return [row for own in ways.values() for row in own]


def put_changes(tx: Tx, lines: Iterable[tuple[str, str, str]]) -> None:
    """People's changes, and companies' where the name is a domain."""
    rows = change_rows(lines)
    put(tx, stage_changes, ({"contact_id": row.pop("who")} | row for row in rows if "." not in row["who"]))
    put(tx, company_changes, ({"domain": row.pop("who")} | row for row in rows if "." in row.get("who", "")))


def put_people(tx: Tx, names: Iterable[str]) -> None:
    rows = {"site_id": SITE_ID, "properties": {}, "lead_at": NOW, "lead_day": "2026-01-01", "updated_at": NOW}
    put(tx, contacts, ({"contact_id": name, "email": f"{name}@kyoto.example", **rows} for name in sorted(names)))


def store_scenario(tx: Tx, tables: dict[str, list[Cells]]) -> None:
    store_facts(tx, Facts())
    people = {row.get("who") or row.get("contact", "") for own in tables.values() for row in own} - {""}
    put_people(tx, (name for name in people if "." not in name))
    put_changes(tx, ((row["who"], row["day"], row["stage"]) for row in tables.get("Stages", ())))
    put(tx, conversions, (
        {"conversion_id": derive("test", n), "site_id": SITE_ID, "kind": row["kind"], "contact_id": row["contact"],
         "occurred_at": at(row["at"]), "day": f"2026-{row['at']}", "n": 1, "by_company": False,
         "lead_day": f"2026-{row['lead']}" if row["lead"] else None}
        for n, row in enumerate(tables.get("Conversions", ()))
    ))  # fmt: skip
    words = {"channel": "paid_search", "source": "google", "medium": "cpc", "campaign": "spring"}
    put(tx, costs, (
        {"cost_id": derive("cost", n), "site_id": SITE_ID, "day": f"2026-{row['day']}", **words,
         **{f"told_{name}": word for name, word in words.items() if name != "channel"},
         "amount_minor": int(row["amount"]), "currency": row["currency"], "updated_at": NOW}
        for n, row in enumerate(tables.get("Costs", ()))
    ))  # fmt: skip
    ledger = tables.get("Ledger", ())
    put(tx, deals, (
        {"deal_id": name, "site_id": SITE_ID, "reference": name, "status": "won", "type": kind, "amount_minor": 0,
         "refunded_minor": 0, "currency": "JPY", "created_at": NOW, "changed_at": NOW}
        for name, kind in dict.fromkeys((row["deal"], row["type"]) for row in ledger)
    ))  # fmt: skip
    put(tx, deal_entries, (
        {"deal_id": row["deal"], "position": n, "site_id": SITE_ID, "kind": "won", "amount_minor": int(row["amount"]),
         "currency": "JPY", "occurred_at": at(row["day"]), "day": f"2026-{row['day']}"}
        for n, row in enumerate(ledger)
    ))  # fmt: skip
    store_mails(tx, tables)


def store_mails(tx: Tx, tables: dict[str, list[Cells]]) -> None:
    steps = {"welcome": ["first", "second", "third"], "customers": []}
    put(tx, mail_programmes, (
        {"site_id": SITE_ID, "programme": name, "audience": "nurture" if own else "customer", "steps": own}
        for name, own in (steps.items() if "Mails" in tables else ())
    ))  # fmt: skip
    # Every other event is a link's, which knows the contact and no address.
    put(tx, mail_events, (
        {"site_id": SITE_ID, "event_id": f"e{n}", "kind": row["kind"].split()[0], "programme": row["programme"],
         "step": row["step"], "email": "" if n % 2 else f"{row['who']}@kyoto.example",
         "contact_id": row["who"] if n % 2 else None, "is_machine": "machine" in row["kind"],
         "occurred_at": at(row["day"]), "day": f"2026-{row['day']}", "received_at": NOW}
        for n, row in enumerate(tables.get("Mails", ()))
    ))  # fmt: skip
    put(tx, nps_answers, (
        {"answer_id": f"a{n}", "site_id": SITE_ID, "email": f"{row['who']}@kyoto.example" if row["who"] else "",
         "score": int(row["score"]), "comment": row["comment"], "origin": "api", "answered_at": at(row["day"]),
         "day": f"2026-{row['day']}", "received_at": NOW}
        for n, row in enumerate(tables.get("Answers", ()))
    ))  # fmt: skip


def scorecard(store: Engine, month: str = "2026-04") -> Score:
    with reading(store) as tx:
        return read_scorecard(tx, ask_scorecard({"month": month}, site_by_id(tx, SITE_ID), TODAY), NOW)


def shown(value: int | None, unit: Unit) -> str:
    """A value as the tables write it."""
    if value is None:
        return ""
    if unit in {Unit.COUNT, Unit.DAYS, Unit.MONEY}:
        return str(value)
    return f"{value / 10_000:g}" if unit is Unit.RATIO else f"{value / 100:g}{' %' if unit is Unit.SHARE else ''}"


@pytest.mark.parametrize(("name", "tables"), SCENARIOS, ids=[name for name, _ in SCENARIOS])
def test_a_little_company_has_its_scorecard(store: Engine, name: str, tables: dict[str, list[Cells]]) -> None:
    with begin(store) as tx:
        store_scenario(tx, tables)
    found = scorecard(store)
    for row in tables["Figures"]:
        series = found.of(row["figure"])
        points = {point.month: shown(point.value, series.metric.unit) for point in series.points}
        assert {month: points[month] for month in row if month != "figure"} == {
            month: cell for month, cell in row.items() if month != "figure"
        }, row["figure"]
    with reading(store) as tx:
        stops = [
            {"programme": one.programme, "step": one.step, "got": str(one.n_got), "stopped": str(one.n_stopped)}
            for one in stops_of(tx, found.asked)
        ]
    assert stops == tables.get("Stops", [])


def test_the_spec_shows_each_figure() -> None:
    assert [row["figure"] for row in SCENARIOS[0][1]["Figures"]] == [metric.key for metric in METRICS]


def test_each_figures_rows_are_as_many_as_it_counts(store: Engine) -> None:
    with begin(store) as tx:
        store_scenario(tx, SCENARIOS[0][1])
    found = scorecard(store)
    with reading(store) as tx:
        rows = {
            key: behind(tx, found.asked, key) for key in ("reopened_leads", "churn", "company_churn", "upsell_share")
        }
        march = behind(tx, ask_scorecard({"month": "2026-03"}, site_by_id(tx, SITE_ID), TODAY), "days_to_customer")
        said = comments_of(tx, found.asked)
        with pytest.raises(Invalid):
            behind(tx, found.asked, "visits")
    assert [(row.key, row.day) for row in rows["reopened_leads"]] == [("ken", "2026-04-02"), ("mai", "2026-04-25")]
    assert [(row.key, row.before, row.stage) for row in rows["churn"]] == [("rui", "customer", "other")]
    assert [row.key for row in rows["company_churn"]] == ["hinode.example"]
    assert [(row.key, row.amount_minor) for row in rows["upsell_share"]] == [("D3", 45_000), ("D4", 5_000)]
    assert [(row.key, row.days, row.name) for row in march] == [("rui", 30, "rui@kyoto.example")]
    assert [(one.score, one.comment) for one in said] == [(10, "Saves us a day a week"), (3, "Too dear")]


def test_what_has_no_rate_is_in_no_figure_and_is_told(store: Engine) -> None:
    with begin(store) as tx:
        store_scenario(tx, SCENARIOS[1][1])
    assert [note.code for note in scorecard(store).notes] == ["unconverted"]


CHURN = cells_of((FOLDER / "churn.md").read_text("utf-8"))


def way_of(row: Cells) -> list[tuple[str, str]]:
    return [(day, stage) for day, stage in (one.split() for one in row["changes"].split("; "))]


@pytest.mark.parametrize("row", CHURN, ids=[row["case"] for row in CHURN])
def test_who_is_lost_in_a_month(row: Cells) -> None:
    way = [(f"2026-{day}", None, stage) for day, stage in way_of(row)]
    assert len(lost_months(way, SHIPPED) & {"2026-04"}) == int(row["lost"])


def test_people_and_companies_are_counted_by_the_same_rule(store: Engine) -> None:
    """All cases at once: the sums are those of the table."""
    ways = [(f"{name}{n}", way_of(row)) for n, row in enumerate(CHURN) for name in ("p", "c.")]
    with begin(store) as tx:
        store_facts(tx, Facts())
        put_people(tx, (name for name, _ in ways if "." not in name))
        put_changes(tx, ((name, day, stage) for name, way in ways for day, stage in way))
    before, lost = (sum(int(row[name]) for row in CHURN) for name in ("before", "lost"))
    found = scorecard(store)
    for key in ("churn", "company_churn"):
        assert (found.of(key).now.whole, found.of(key).now.part) == (before, lost), key


def test_the_database_finds_all_who_went_back(store: Engine) -> None:
    """What the query picks out is what the plain rule picks out, for every pair of stages."""
    names = [*SHIPPED.names, "taken_away"]
    pairs = [(f"p{n}", one, other) for n, (one, other) in enumerate((a, b) for a in names for b in names if a != b)]
    with begin(store) as tx:
        store_facts(tx, Facts())
        put_people(tx, (name for name, _, _ in pairs))
        put_changes(
            tx, ((name, day, stage) for name, *way in pairs for day, stage in zip(("01-05", "02-05"), way, strict=True))
        )
        asked = ask_scorecard({"month": "2026-04"}, site_by_id(tx, SITE_ID), TODAY)
        found = {one for one, _ in ways_back(tx, stage_changes, "contact_id", asked, SHIPPED)}
        stayed = stayed_of(tx, stage_changes, asked, SHIPPED, [])
    plain = {
        name for name, *way in pairs if any(is_away(SHIPPED, before, stage) for before, stage in pairwise([None, *way]))
    }
    assert found == plain
    assert stayed["2026-04"].n_before == sum(way[-1] in SHIPPED.beyond_a_win for _, *way in pairs)


BANDS = cells_of((FOLDER / "bands.md").read_text("utf-8"))


@pytest.mark.parametrize("row", BANDS, ids=[row["case"] for row in BANDS])
def test_the_usual_band(row: Cells) -> None:
    before = [None if one == "?" else int(one) for one in row["before"].split()]
    band = band_of(before, int(row["least"]))
    assert (
        [str(band.low), str(band.high)] == [row["low"], row["high"]] if band else (row["low"], row["high"]) == ("", "")
    )
    if band:
        sides = [band.side(value) for value in (band.low - 1, band.low, None, band.high, band.high + 1)]
        assert sides == [Side.BELOW, None, None, None, Side.ABOVE]


CLICKS = '[[points]]\nname = "clicks"\npoints = 30\neach = { mail = "welcome", where = { kind = "click" } }\n'


def test_leads_are_scored_at_their_months_end_by_the_definition_in_force_then(store: Engine) -> None:
    """aki, April's lead, clicked on the 8th; without points of a definition it is the CRM's, and nobody told one."""
    with begin(store) as tx:
        store_scenario(tx, SCENARIOS[0][1])
        tx.execute(insert(identifiers), [
            {"site_id": SITE_ID, "kind": "email", "value": "aki@kyoto.example", "contact_id": "aki", "own_id": "aki"},
        ])  # fmt: skip
        before = profiles_of(tx, scorecard_asked(tx))
        tx.execute(insert(definitions), [
            {"site_id": SITE_ID, "version": 1, "text": CLICKS, "reason": "", "saved_by": "", "saved_at": NOW,
             "from_at": at("01-01"), "signed_at": NOW},
        ])  # fmt: skip
        after = profiles_of(tx, scorecard_asked(tx))
    assert [(one.month, one.n_leads) for one in before] == [("2026-04", 1), ("2026-03", 1), ("2025-04", 0)]
    assert (before[0].n_by_band, after[0].n_by_band) == ((0, 0, 0, 0, 0, 1), (0, 1, 0, 0, 0, 0))


def scorecard_asked(tx: Tx) -> Asked:
    return ask_scorecard({"month": "2026-04"}, site_by_id(tx, SITE_ID), TODAY)


class Acme:
    site_id = SITE_ID
    timezone = "UTC"
    currency = "JPY"


@pytest.mark.parametrize("month", ["2026-05", "2026-13", "2026-4", "26-04", "0001-01", "٢٠٢٦-٠٤", "2026-04-01"])
def test_a_month_that_is_none_or_is_not_over_is_refused(month: str) -> None:
    with pytest.raises(Invalid) as refused:
        ask_scorecard({"month": month}, Acme(), TODAY)
    assert refused.value.field == "month"


def test_without_a_month_it_is_the_last_whole_one() -> None:
    asked = ask_scorecard({}, Acme(), TODAY)
    assert (asked.month, asked.months[0], len(asked.months), asked.to_day) == ("2026-04", "2025-04", 13, "2026-04-30")


@pytest.mark.parametrize(
    ("metric", "text", "value"),
    [
        ("mql", "40", 40), ("cost", "1500", 1500), ("churn", "2.5", 250), ("churn", "2.5 %", 250),
        ("nps", "-12.5", -1250),
        ("roi", "1.25", 12500), ("days_to_customer", 30, 30), ("upsell_share", "100", 10_000),
    ],
)  # fmt: skip
def test_a_target_is_read_as_it_is_written(metric: str, text: str | int, value: int) -> None:
    assert parse_target(metric, text, "JPY") == value
    assert parse_target(metric, written(metric, value, "JPY"), "JPY") == value


@pytest.mark.parametrize(
    ("metric", "text"),
    [("mql", "1.5"), ("mql", "-1"), ("churn", "101"), ("nps", "101"), ("cost", "0.5"), ("roi", "NaN"), ("roi", "1e99"),
     ("roi", "1.23456"), ("visits", "3"), ("mql", ""), ("cost", "-1")],
)  # fmt: skip
def test_a_target_that_the_figure_cannot_have_is_refused(metric: str, text: str) -> None:
    with pytest.raises(Invalid):
        parse_target(metric, text, "JPY")
