"""The attribution policy over the API: saved as versions, tried before, asked for as of; and answers side by side."""

from typing import Any

from tests.http.test_v1_reports import PERIOD, report, revenue_by_channel, sold
from tests.world import Program, World

BRAND = {"where": {"campaign": "SPR*"}, "channel": "brand_search"}


def saved(crm: Program, policy: dict[str, Any], **more: Any) -> dict[str, Any]:
    answer = crm.put("/policy", {"policy": policy, **more})
    assert answer.status_code == 200, answer.text
    return dict(answer.json or {})


def test_a_new_site_has_the_shipped_policy_which_nobody_saved(crm: Program) -> None:
    found = crm.get("/policy").json
    assert found is not None
    assert (found["version"], found["saved_by"], found["saved_at"]) == (0, None, None)
    assert found["policy"]["lead_days"] == 90
    assert crm.get("/policies").json == {"data": [], "next_cursor": None}


def test_a_saved_policy_is_a_version_with_who_when_and_why(world: World, crm: Program) -> None:
    saved(crm, {"lead_days": 30}, note="Leads are quick")
    world.clock.forward(days=1)
    found = saved(crm, {"rules": [BRAND]}, based_on=1)
    assert (found["version"], found["saved_by"]) == (2, "crm")
    assert (found["policy"]["lead_days"], found["policy"]["rules"]) == (30, [BRAND])
    versions = crm.get("/policies").json or {}
    assert [(one["version"], one["note"]) for one in versions["data"]] == [(2, ""), (1, "Leads are quick")]
    assert (crm.get("/policy?policy=1").json or {})["policy"]["rules"] == []


def test_versions_are_listed_page_by_page(crm: Program) -> None:
    for days in (1, 2, 3):
        saved(crm, {"lead_days": days})
    page = crm.get("/policies?limit=2").json or {}
    rest = crm.get(f"/policies?limit=2&cursor={page['next_cursor']}").json or {}
    assert [one["version"] for one in page["data"] + rest["data"]] == [3, 2, 1]
    assert rest["next_cursor"] is None


def test_the_same_policy_again_makes_no_version(crm: Program) -> None:
    assert saved(crm, {"lead_days": 30})["version"] == 1
    assert saved(crm, {"lead_days": 30}, note="again")["version"] == 1
    assert saved(crm, {}, based_on=0)["version"] == 1


def test_a_policy_based_on_an_older_version_is_refused(crm: Program) -> None:
    saved(crm, {"lead_days": 30})
    answer = crm.put("/policy", {"policy": {"lead_days": 60}, "based_on": 0})
    assert answer.status_code == 409
    assert (crm.get("/policy").json or {})["version"] == 1


def test_another_site_has_its_own_policy(crm: Program, carol: Program) -> None:
    saved(crm, {"lead_days": 30})
    assert (carol.get("/policy").json or {})["version"] == 0
    assert carol.get("/policy?policy=1").status_code == 404
    assert carol.get("/reports/source?policy=1").status_code == 404


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"rules": [{"where": {}, "channel": "x"}]}, "rules.0.where"),
    ({"custom": {"first": 9_999}}, "custom"),
    ({"models": {"best": {"lead_days": 1}}}, "models.best"),
    ({"capture": ["Brand Search"]}, "capture"),
    ({"capture": ["unattributed"]}, "capture"),
    (
        {
            "measured": [
                {
                    "channel": "email",
                    "percent": 40,
                    "low": 50,
                    "high": 60,
                    "from_day": "2026-04-01",
                    "to_day": "2026-04-30",
                }
            ]
        },
        "measured.0.percent",
    ),
]


def test_what_may_not_stand_in_a_policy_is_named_and_nothing_is_saved(crm: Program) -> None:
    for policy, field in WRONG:
        for method, path in (("POST", "/policy/try"), ("PUT", "/policy")):
            answer = crm.call(method, path, {"policy": policy})
            assert answer.status_code == 422
            assert [one["field"] for one in (answer.json or {})["errors"]] == [field]
    assert (crm.get("/policy").json or {})["version"] == 0


def test_visits_cost_and_revenue_stand_under_the_sites_own_channel(world: World, crm: Program) -> None:
    sold(world, crm)
    saved(crm, {"rules": [BRAND]})
    found = report(crm, f"{PERIOD}&model=first")
    rows = {row["channel"]: row for row in found["rows"]}
    assert "paid_search" not in rows
    brand = rows["brand_search"]
    assert (brand["visits"], brand["visitors"], brand["cost"], brand["revenue"]) == (1, 1, "100.00", "800.01")
    assert found["meta"]["policy_version"] == 1


def test_an_excluded_touch_never_earns_and_its_visit_still_happened(world: World, crm: Program) -> None:
    sold(world, crm)
    saved(crm, {"rules": [{"where": {"campaign": "spring"}, "channel": ""}]})
    rows = {row["channel"]: row for row in report(crm, f"{PERIOD}&model=linear")["rows"]}
    assert (rows["paid_search"]["visits"], rows["paid_search"]["cost"]) == (1, "100.00")
    assert rows["paid_search"]["revenue_minor"] == 0
    assert rows["email"]["revenue"] == "800.01"


def test_a_report_can_be_had_as_of_any_version(world: World, crm: Program) -> None:
    sold(world, crm)
    before = report(crm, PERIOD)
    saved(crm, {"capture": ["email"]})
    assert revenue_by_channel(report(crm, PERIOD)) == {"paid_search": "800.01", "unattributed": "5.00"}
    as_of = report(crm, f"{PERIOD}&policy=0")
    assert as_of["rows"] == before["rows"]
    assert as_of["meta"]["policy_version"] == 0


def test_a_policy_is_tried_without_being_saved(world: World, crm: Program) -> None:
    sold(world, crm)
    body = {"policy": {"capture": ["email"]}}
    found = crm.post(f"/policy/try?{PERIOD}", body).json
    assert found is not None
    moved = {tuple(row["values"] or ()): (row["before"]["revenue"], row["after"]["revenue"]) for row in found["rows"]}
    assert moved[("email",)] == ("800.01", "0.00")
    assert moved[("paid_search",)] == ("0.00", "800.01")
    assert found["totals"]["before"] == found["totals"]["after"]
    (deal,) = found["deals"]
    assert (deal["reference"], deal["moved"]) == ("D-1", "800.01")
    assert sorted((one["values"], one["before"], one["after"]) for one in deal["shifts"]) == [
        (["email"], "800.01", "0.00"),
        (["paid_search"], "0.00", "800.01"),
    ]
    assert found["moved"] == {"form": 1, "lead": 1, "customer": 1, "deal_created": 1, "deal_won": 1, "revenue": 1}
    assert (crm.get("/policy").json or {})["version"] == 0


def test_what_is_in_force_tried_again_moves_nothing(world: World, crm: Program) -> None:
    sold(world, crm)
    found = crm.post(f"/policy/try?{PERIOD}&model=linear", {"policy": {}}).json or {}
    assert (found["moved"], found["deals"]) == ({}, [])
    assert all(row["before"] == row["after"] for row in found["rows"])


def test_a_policy_tried_as_a_change_of_an_older_version(world: World, crm: Program) -> None:
    sold(world, crm)
    saved(crm, {"capture": ["email"]})
    found = crm.post(f"/policy/try?{PERIOD}&policy=0", {"policy": {"capture": ["email"]}}).json or {}
    assert [deal["reference"] for deal in found["deals"]] == ["D-1"]


def test_models_stand_side_by_side_with_the_change(world: World, crm: Program) -> None:
    sold(world, crm)
    found = crm.get(f"/reports/compare?{PERIOD}&columns=model:first;model:linear;model:last").json
    assert found is not None
    rows = {row["channel"]: row for row in found["rows"]}
    assert rows["paid_search"]["figures"] == ["800.01", "400.00", "0.00"]
    assert rows["paid_search"]["changes"] == ["0.00", "-400.01", "-800.01"]
    assert rows["paid_search"]["change_ratios"] == [0.0, -0.500006, -1.0]
    assert rows["email"]["change_ratios"] == [None, None, None]
    assert found["rows"][-1]["is_unattributed"]
    assert found["totals"]["figures_minor"] == [80501] * 3
    assert found["is_whole"]
    assert [column["asked"] for column in found["columns"]] == [
        {"model": "first"},
        {"model": "linear"},
        {"model": "last"},
    ]


def test_versions_of_the_policy_stand_side_by_side(world: World, crm: Program) -> None:
    sold(world, crm)
    saved(crm, {"rules": [BRAND]})
    found = crm.get(f"/reports/compare?{PERIOD}&columns=policy:0;policy:1&model=first&metric=cost").json or {}
    rows = {row["channel"]: row["figures"] for row in found["rows"] if any(row["figures_minor"])}
    assert rows == {"paid_search": ["100.00", "0.00"], "brand_search": ["0.00", "100.00"]}


def test_columns_that_leave_something_out_are_not_called_whole(world: World, crm: Program) -> None:
    sold(world, crm)
    found = crm.get(f"/reports/compare?{PERIOD}&columns=basis:activity;basis:touch_cohort").json or {}
    assert found["totals"]["figures"] == ["805.01", "800.01"]
    assert not found["is_whole"]


REFUSED = [
    ("columns=model:first", "columns"),
    ("columns=model:first;model:linear;model:last;model:first;model:linear", "columns"),
    ("columns=model:first;from:2026-04-01", "columns"),
    ("columns=model:first;model", "columns"),
    ("columns=model:first;model:last,model:linear", "columns"),
    ("columns=model:first;model:best", "model"),
    ("columns=model:first;policy:x", "policy"),
    ("columns=model:first;model:last&metric=fame", "metric"),
    ("columns=model:first;model:last&from=x", "from"),
]


def test_a_comparison_that_cannot_be_made_is_refused(crm: Program) -> None:
    for query, field in REFUSED:
        answer = crm.get(f"/reports/compare?{query}")
        assert answer.status_code == 422, query
        assert [one["field"] for one in (answer.json or {})["errors"]] == [field]
