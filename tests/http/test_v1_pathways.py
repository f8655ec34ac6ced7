"""GET /api/v1/reports/paths and the conversions behind it."""

import csv
import io
from typing import Any
from urllib.parse import quote

from tests.http.test_v1_reports import PERIOD, sold
from tests.world import Program, World

WON = f"{PERIOD}&kind=deal_won"


def got(crm: Program, path: str) -> dict[str, Any]:
    answer = crm.get(path)
    assert answer.status_code == 200, answer.text
    found = answer.json
    assert found is not None
    return dict(found)


def test_a_sale_stands_on_its_path_with_its_money(world: World, crm: Program) -> None:
    sold(world, crm)
    found = got(crm, f"/reports/paths?{WON}")
    (line,) = found["paths"]
    assert (line["steps"], line["conversions"], line["revenue"]) == (["paid_search", "email"], 1, "800.01")
    assert (found["unattributed"]["conversions"], found["unattributed"]["revenue"]) == (1, "5.00")
    assert found["totals"] == {"conversions": 2, "with_path": 1, "revenue": "805.01", "revenue_minor": 80501}
    assert found["totals"]["revenue"] == got(crm, f"/reports/source?{PERIOD}")["totals"]["revenue"]
    assert (found["touches"]["median"], found["days"]["median"]) == (2, 3.0)
    assert [one["stop"] for one in (found["transitions"][-1]["before"], found["flow"][-1]["after"])] == [
        "start",
        "conversion",
    ]


def test_a_path_leads_to_its_conversions(world: World, crm: Program) -> None:
    sold(world, crm)
    (line,) = got(crm, f"/reports/paths?{WON}")["paths"]
    behind = got(crm, f"/reports/paths/conversions?{WON}&path={line['path']}")
    (one,) = behind["data"]
    assert (one["deal"], one["steps"], one["revenue"], one["times"]) == ("D-1", ["paid_search", "email"], "800.01", 1)
    assert (behind["conversions"], behind["revenue_minor"]) == (1, 80001)
    lead = got(crm, f"/reports/paths/conversions?{PERIOD}&value=email&part=closing")["data"]
    assert [(one["kind"], one["deal"], one["revenue"]) for one in lead] == [("lead", None, None)]
    assert lead[0]["contact"] == got(crm, "/contacts?email=hana@kyoto.example")["data"][0]["id"]


def test_a_value_that_calls_itself_a_stop_stays_a_value(world: World, crm: Program) -> None:
    walk = world.hit("page", "/?utm_source=start&utm_medium=email&utm_campaign=%3D1%2B1%20%3E%20conversion")
    form = world.hit("form", "/contact", identifiers={"email": "eve@kyoto.example"}, form={"id": "f"})
    world.browse("eve", walk, form)
    world.fold()
    found = got(crm, f"/reports/paths?{PERIOD}&by=source")
    assert {"value": "start", "stop": None} in [move["after"] for move in found["transitions"]]
    behind = got(crm, f"/reports/paths/conversions?{PERIOD}&by=source&before=start&after=conversion")
    assert behind["data"] == []
    table = crm.get(f"/reports/paths?{PERIOD}&by=campaign&format=csv")
    assert table.headers["Content-Disposition"] == 'attachment; filename="paths-2026-04-01-2026-04-30.csv"'
    lines = list(csv.DictReader(io.StringIO(table.data.decode("utf-8-sig"))))
    assert [(line["path"], line["is_path"]) for line in lines] == [("'=1+1 > conversion", "1"), ("unattributed", "0")]
    value = quote("=1+1 > conversion")
    assert got(crm, f"/reports/paths/conversions?{PERIOD}&by=campaign&value={value}")["conversions"] == 1


def test_another_site_sees_nothing_of_it(world: World, crm: Program, carol: Program) -> None:
    sold(world, crm)
    (line,) = got(crm, f"/reports/paths?{WON}")["paths"]
    assert got(carol, f"/reports/paths?{WON}")["paths"] == []
    assert got(carol, f"/reports/paths/conversions?{WON}&path={line['path']}")["data"] == []


REFUSED = {
    "basis=touch_cohort": "basis",
    "by=channel,source": "by",
    "kind=form": "kind",
    "limit=0": "limit",
    "limit=201": "limit",
    "steps=11": "steps",
    "values=x": "values",
    "repeats=some": "repeats",
    "sort=share": "sort",
    "model=first": "model",
    "format=xml": "format",
    "policy=9": "policy",
    "lookback_days=0": "lookback_days",
}


def test_what_cannot_be_asked_is_refused_by_its_name(crm: Program) -> None:
    for query, field in REFUSED.items():
        answer = crm.get(f"/reports/paths?{query}")
        assert answer.status_code == (404 if field == "policy" else 422), query
        told = answer.json
        assert told is not None
        assert [one["field"] for one in told["errors"]] == [field]


def test_a_figure_that_is_none_is_refused(crm: Program) -> None:
    for query in ("part=closer", "touches=many", "days=-1", "step=x", "cursor=AAAA"):
        assert crm.get(f"/reports/paths/conversions?{query}").status_code == 422, query
