"""PUT and GET /api/v1/costs: what sources were paid."""

from typing import Any

from sqlalchemy import func, select

from tests.world import Program, World
from tracker.db.schema import costs, sites
from tracker.db.store import reading

ROW = {"day": "2026-04-01", "source": "Google", "medium": "CPC", "campaign": "Spring", "amount": "120.50"}


def listed(program: Program, query: str = "") -> list[dict[str, Any]]:
    found = program.get(f"/costs{query}").json
    assert found is not None
    return list(found["data"])


def test_costs_are_kept_by_day_and_names_with_their_channel(crm: Program) -> None:
    answer = crm.put("/costs", {"costs": [{**ROW, "currency": "eur", "clicks": 310, "impressions": 12000}]})
    assert answer.status_code == 200
    assert answer.json == {"loaded": 1}
    assert listed(crm) == [
        {
            "day": "2026-04-01",
            "channel": "paid_search",
            "source": "google",
            "medium": "cpc",
            "campaign": "Spring",
            "told_source": "google",
            "told_medium": "cpc",
            "told_campaign": "Spring",
            "amount": "120.50",
            "amount_minor": 12050,
            "currency": "EUR",
            "clicks": 310,
            "impressions": 12000,
            "updated_at": "2026-04-01T03:00:00.000Z",
        }
    ]


def test_a_cost_that_a_rule_renamed_says_under_which_names_it_was_told(crm: Program) -> None:
    crm.put("/costs", {"costs": [ROW]})
    crm.put("/costs/rules", {"rules": [{"told_campaign": "Spring", "source": "yahoo", "campaign": "haru"}]})
    (cost,) = listed(crm, "?source=yahoo")
    assert [cost[name] for name in ("source", "medium", "campaign")] == ["yahoo", "cpc", "haru"]
    assert [cost[f"told_{name}"] for name in ("source", "medium", "campaign")] == ["google", "cpc", "Spring"]
    again = {name: cost[f"told_{name}"] for name in ("source", "medium", "campaign")}
    crm.put("/costs", {"costs": [{**again, "day": cost["day"], "amount": "1"}]})
    assert [row["amount"] for row in listed(crm)] == ["1.00"]


def test_the_same_day_and_names_replace_and_never_add(world: World, crm: Program) -> None:
    for amount in ("120.50", "120.50", "99.99"):
        crm.put("/costs", {"costs": [{**ROW, "amount": amount}]})
    assert [row["amount"] for row in listed(crm)] == ["99.99"]


def test_no_campaign_is_not_set_and_an_amount_may_be_minor_units(crm: Program) -> None:
    crm.put("/costs", {"costs": [{"day": "2026-04-01", "source": "line", "medium": "cpc", "amount_minor": 7}]})
    assert [(row["campaign"], row["amount"]) for row in listed(crm)] == [("(not set)", "0.07")]


def test_a_wrong_row_among_good_ones_leaves_nothing(world: World, crm: Program) -> None:
    good = [{**ROW, "campaign": f"c{n}"} for n in range(20)]
    answer = crm.put("/costs", {"costs": [*good, {**ROW, "amount": "-1"}]})
    assert answer.status_code == 422
    assert listed(crm) == []


def test_a_thousand_rows_are_taken_at_once(world: World, crm: Program) -> None:
    rows = [{**ROW, "campaign": f"c{n}"} for n in range(1_000)]
    assert crm.put("/costs", {"costs": rows}).json == {"loaded": 1_000}
    with reading(world.store) as tx:
        assert tx.execute(select(func.count()).select_from(costs)).scalar() == 1_000


def test_costs_are_listed_by_day_and_source_and_paged(crm: Program) -> None:
    days = ["2026-03-30", "2026-03-31", "2026-04-01"]
    rows = [{**ROW, "day": day, "source": source} for day in days for source in ("google", "bing")]
    crm.put("/costs", {"costs": rows})
    assert len(listed(crm, "?from=2026-03-31")) == 4
    assert len(listed(crm, "?from=2026-03-31&to=2026-03-31")) == 2
    assert {row["source"] for row in listed(crm, "?source=BING")} == {"bing"}
    seen: list[tuple[str, str]] = []
    cursor = ""
    for _ in range(3):
        page = crm.get(f"/costs?limit=2{cursor}").json
        assert page is not None
        seen += [(row["day"], row["source"]) for row in page["data"]]
        cursor = f"&cursor={page['next_cursor']}"
    assert cursor == "&cursor=None"
    assert [day for day, _ in seen] == sorted(day for day, _ in seen)
    assert set(seen) == {(day, source) for day in days for source in ("google", "bing")}


def test_the_first_cost_settles_a_sites_currency(world: World, carol: Program) -> None:
    assert carol.put("/costs", {"costs": [ROW]}).status_code == 422
    assert carol.put("/costs", {"costs": [{**ROW, "currency": "USD"}]}).status_code == 200
    assert carol.put("/costs", {"costs": [{**ROW, "campaign": "b"}]}).status_code == 200
    assert {row["currency"] for row in listed(carol)} == {"USD"}
    with reading(world.store) as tx:
        assert tx.execute(select(sites.c.currency).where(sites.c.key == "carolkey")).scalar() == "USD"


def test_another_site_sees_and_replaces_nothing(crm: Program, carol: Program) -> None:
    crm.put("/costs", {"costs": [ROW]})
    carol.put("/costs", {"costs": [{**ROW, "amount": "1", "currency": "JPY"}]})
    assert [row["amount"] for row in listed(crm)] == ["120.50"]
    assert [row["amount"] for row in listed(carol)] == ["1"]


def test_today_may_have_begun_elsewhere(crm: Program) -> None:
    # It is noon of 1 April in the site's zone, and 2 April nowhere but close to it.
    assert crm.put("/costs", {"costs": [{**ROW, "day": "2026-04-02"}]}).status_code == 200
    assert crm.put("/costs", {"costs": [{**ROW, "day": "2026-04-03"}]}).status_code == 422
