"""GET /api/v1/reports/source: the same report as everywhere."""

import csv
import io
from typing import Any

from tests.world import Program, World
from tracker.reports.catalogue import METRICS

PERIOD = "from=2026-04-01&to=2026-04-30"


def sold(world: World, crm: Program) -> None:
    """Hana's way ends in a deal won and a part of it refunded; the ad had a cost."""
    contact_id = world.walk()
    world.clock.forward(days=1)
    deal = {"amount": "1000.01", "currency": "EUR", "status": "won", "contacts": [{"id": contact_id}]}
    crm.put("/deals/D-1", deal)
    world.clock.forward(days=1)
    crm.put("/deals/D-1", {"refunded": "200.00"})
    crm.put("/deals/D-2", {"amount": "5", "currency": "EUR", "status": "won"})
    row = {"day": "2026-04-01", "source": "google", "medium": "cpc", "campaign": "spring", "amount": "100.00"}
    crm.put("/costs", {"costs": [row]})


def report(crm: Program, query: str) -> dict[str, Any]:
    answer = crm.get(f"/reports/source?{query}")
    assert answer.status_code == 200, answer.text
    found = answer.json
    assert found is not None
    return dict(found)


def revenue_by_channel(found: dict[str, Any]) -> dict[str, str]:
    return {row["channel"]: row["revenue"] for row in found["rows"] if row["revenue_minor"]}


def test_each_model_shares_the_same_money_in_its_own_way(world: World, crm: Program) -> None:
    sold(world, crm)
    expected = {
        "first": {"paid_search": "800.01", "unattributed": "5.00"},
        "last": {"email": "800.01", "unattributed": "5.00"},
        "last_non_direct": {"email": "800.01", "unattributed": "5.00"},
    }
    for model, shares in expected.items():
        found = report(crm, f"{PERIOD}&model={model}")
        assert revenue_by_channel(found) == shares, model
        assert found["totals"]["revenue"] == "805.01"
        assert found["totals"]["cost"] == "100.00"
        assert (found["meta"]["model"], found["meta"]["currency"]) == (model, "EUR")
    linear = report(crm, f"{PERIOD}&model=linear&by=channel,campaign")
    assert sum(row["revenue_minor"] for row in linear["rows"]) == 80501
    assert {(row["channel"], row["campaign"]) for row in linear["rows"]} >= {
        ("paid_search", "spring"),
        ("email", "april"),
    }


def test_without_a_period_it_is_the_last_30_days_of_the_sites_zone(world: World, crm: Program) -> None:
    meta = report(crm, "")["meta"]
    assert (meta["from"], meta["to"], meta["timezone"]) == ("2026-03-03", "2026-04-01", "Asia/Tokyo")


def test_every_metric_of_the_catalogue_is_in_every_row(world: World, crm: Program) -> None:
    sold(world, crm)
    found = report(crm, PERIOD)
    keys = {metric.key for metric in METRICS}
    assert all(keys <= set(row) for row in [*found["rows"], found["totals"]])


def test_csv_has_a_line_a_row_and_formulas_are_defused(world: World, crm: Program) -> None:
    world.browse("eve", world.hit("page", "/?utm_source=%3Dcmd%7C%27%2FC%20calc%27&utm_medium=email"))
    world.fold()
    answer = crm.get(f"/reports/source?{PERIOD}&by=source&format=csv")
    assert answer.mimetype == "text/csv"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="source-2026-04-01-2026-04-30.csv"'
    lines = list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"))))
    assert [line["source"][:5] for line in lines] == ["'=cmd"]


def test_another_site_reads_its_own_report(world: World, crm: Program, carol: Program) -> None:
    sold(world, crm)
    found = report(carol, PERIOD)
    assert found["rows"] == []
    assert found["totals"]["visits"] == 0
