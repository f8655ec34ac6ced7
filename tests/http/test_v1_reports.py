"""GET /api/v1/reports/source: the same report as everywhere."""

import csv
import io
from typing import Any

from openpyxl import load_workbook

from tests.world import Program, World
from tracker.reports.catalogue import METRIC, METRICS

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


def test_it_is_narrowed_by_filters_that_may_be_given_several_times(world: World, crm: Program) -> None:
    sold(world, crm)
    found = report(crm, f"{PERIOD}&model=linear&only_channel=email&only_channel=paid_search&not_campaign=april")
    assert [row["channel"] for row in found["rows"]] == ["paid_search"]
    assert found["meta"]["where"] == {"only_channel": ["email", "paid_search"], "not_campaign": ["april"]}
    assert {note["code"] for note in found["meta"]["notes"]} >= {"filtered"}
    whole = report(crm, f"{PERIOD}&model=linear")
    assert found["rows"][0] == next(row for row in whole["rows"] if row["channel"] == "paid_search")
    refused = crm.get(f"/reports/source?{PERIOD}&{'&'.join(f'only_source={n}' for n in range(21))}")
    assert (refused.status_code, refused.json and refused.json["errors"][0]["field"]) == (422, "only_source")


def test_an_earlier_period_stands_beside_and_only_the_columns_asked_for(world: World, crm: Program) -> None:
    sold(world, crm)
    asked = "from=2026-04-02&to=2026-04-03&compare=previous&columns=visits&columns=revenue,cost&model=last"
    found = report(crm, asked)
    meta = found["meta"]
    assert (meta["compare"], meta["before_from"], meta["before_to"]) == ("previous", "2026-03-31", "2026-04-01")
    ads = next(row for row in found["rows"] if row["channel"] == "paid_search")
    assert ads == {
        "channel": "paid_search",
        "is_unattributed": False,
        "visits": 0,
        "revenue": "0.00",
        "revenue_minor": 0,
        "cost": "0.00",
        "cost_minor": 0,
        "before": {"visits": 1, "revenue": "0.00", "revenue_minor": 0, "cost": "100.00", "cost_minor": 10_000},
        "change": {"visits": -1.0, "revenue": None, "cost": -1.0},
    }
    lines = crm.get(f"/reports/source?{asked}&format=csv").data.decode("utf-8-sig").splitlines()
    assert lines[0].split(",")[:4] == ["channel", "visits", "visits_before", "visits_change"]


def test_a_workbook_has_the_figures_of_the_json(world: World, crm: Program) -> None:
    sold(world, crm)
    asked = f"{PERIOD}&by=channel,campaign&model=linear&compare=year"
    answer = crm.get(f"/reports/source?{asked}&format=xlsx")
    assert answer.mimetype.endswith("spreadsheetml.sheet")
    head, *rows = list(load_workbook(io.BytesIO(answer.data))["source"].iter_rows(values_only=True))
    found = report(crm, asked)
    expected = [
        {
            **row,
            **{f"{name}_before": row["before"][name] for name in keys},
            **{f"{k}_change": row["change"][k] for k in keys},
        }
        for keys in [[metric.key for metric in METRICS]]
        for row in [*found["rows"], {**found["totals"], "channel": "Total", "campaign": ""}]
    ]
    assert len(rows) == len(expected)
    for row, other in zip(rows, expected, strict=True):
        for name, cell in zip(head, row, strict=True):
            wanted = other[str(name)]
            is_money = isinstance(wanted, str) and METRIC.get(str(name).removesuffix("_before"), None)
            assert (cell or 0) == ((float(wanted) if is_money else wanted) or 0), name
