"""What campaigns are called, by the API, on both databases; and what follows for costs, old and new."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from tests.world import START, Program, World
from tracker.costfiles import import_file
from tracker.costs.choices import guess
from tracker.costs.importing import draft_of, forget_drafts, has_old_drafts, imports_of, keep_draft, undo
from tracker.costs.reading import read_sheet
from tracker.db.schema import audit, costs
from tracker.db.store import begin, reading
from tracker.rebuild import rebuild

ROW = {"day": "2026-04-01", "source": "google", "medium": "cpc", "campaign": "Spring Sale", "amount": "120.50"}
RULES = {"rules": [{"told_source": "google", "told_campaign": "spring *", "campaign": "spring"}]}
FILE = Path(__file__).parents[1] / "spec" / "costs" / "google_ads_en.csv"


def names(program: Program) -> list[tuple[str, str, str]]:
    listed: Any = program.get("/costs").json
    return sorted((row["campaign"], row["channel"], row["amount"]) for row in listed["data"])


def test_a_rule_names_old_costs_at_once_and_new_ones_when_they_come(world: World, crm: Program) -> None:
    crm.put("/costs", {"costs": [ROW, {**ROW, "campaign": "spring", "amount": "1"}]})
    saved: Any = crm.put("/costs/rules", RULES).json
    assert saved["renamed"] == 1
    crm.put("/costs", {"costs": [{**ROW, "campaign": "SPRING tea", "amount": "2"}]})
    assert names(crm) == [
        ("spring", "paid_search", "1.00"),
        ("spring", "paid_search", "120.50"),
        ("spring", "paid_search", "2.00"),
    ]
    with begin(world.store) as tx:
        rebuild(tx, 100)
    assert {name for name, _, _ in names(crm)} == {"spring"}
    # The same word again replaces the same row, whatever it is called.
    crm.put("/costs", {"costs": [{**ROW, "amount": "5"}]})
    assert sorted(amount for _, _, amount in names(crm)) == ["1.00", "2.00", "5.00"]
    cleared: Any = crm.put("/costs/rules", {"rules": []}).json
    assert cleared == {"rules": [], "renamed": 2}
    assert {name for name, _, _ in names(crm)} == {"SPRING tea", "Spring Sale", "spring"}


def test_a_rule_may_change_the_channel(crm: Program) -> None:
    crm.put("/costs", {"costs": [ROW]})
    crm.put("/costs/rules", {"rules": [{"told_campaign": "*", "medium": "display"}]})
    assert names(crm) == [("Spring Sale", "display", "120.50")]


def test_rules_are_read_back_in_order_and_are_a_sites_own(world: World, crm: Program, carol: Program) -> None:
    two = {"rules": [*RULES["rules"], {"told_campaign": "b", "source": "Bing"}]}
    crm.put("/costs/rules", two)
    found: Any = crm.get("/costs/rules").json
    assert [rule["told_campaign"] for rule in found["rules"]] == ["spring *", "b"]
    assert found["rules"][1] == {
        "told_source": "*", "told_medium": "*", "told_campaign": "b", "source": "bing", "medium": None, "campaign": None
    }  # fmt: skip
    assert carol.get("/costs/rules").json == {"rules": []}
    crm.put("/costs/rules", two)  # the same again is no change
    with reading(world.store) as tx:
        assert tx.execute(select(audit.c.actor)).scalars().all() == ["token crm"]


def test_campaigns_that_no_visit_names_are_listed_with_the_nearest(world: World, crm: Program) -> None:
    world.walk()
    crm.put(
        "/costs",
        {"costs": [{**ROW, "campaign": "Spring 1"}, {**ROW, "campaign": "spring"}, {**ROW, "campaign": "qqq"}]},
    )
    found: Any = crm.get("/costs/unmatched").json
    assert (found["n_unmatched"], found["n_campaigns"]) == (2, 3)
    by_name = {one["campaign"]: one for one in found["data"]}
    assert by_name["Spring 1"]["nearest"] == [{"source": "google", "medium": "cpc", "campaign": "spring"}]
    assert by_name["qqq"]["nearest"] == []
    assert by_name["qqq"]["amount"] == "120.50"


def test_a_file_of_the_command_line_is_taken_in_and_back(world: World) -> None:
    now = START + timedelta(days=20)
    with begin(world.store) as tx:
        *told, last = list(import_file(tx, world.acme, FILE, {}, now))
    assert last.startswith("import: ")
    assert told == [
        *("platform: google_ads", "rows: 3", "left out: 3", "costs: 3", "days: 2026-04-01 to 2026-04-02"),
        *("replaced: 0", "sum: 2259.75 EUR"),
    ]
    with begin(world.store) as tx:
        later = now + timedelta(days=1)
        assert "replaced: 3" in list(import_file(tx, world.acme, FILE, {}, later))
        second, first = imports_of(tx, world.acme.site_id, 10)
        assert (second.n_standing, first.n_standing, second.totals) == (3, 0, (("EUR", 225_975),))
        assert undo(tx, world.acme.site_id, first.import_id, "x", later).n_stood == 0
        assert undo(tx, world.acme.site_id, second.import_id, "x", later).n_stood == 3
        assert tx.execute(select(func.count()).select_from(costs)).scalar_one() == 0


def test_a_file_that_nobody_decides_about_is_kept_for_a_day(world: World) -> None:
    content = FILE.read_bytes()
    choices = guess(read_sheet(content), "EUR")
    with begin(world.store) as tx:
        draft_id = keep_draft(tx, world.acme.site_id, "a.csv", content, choices, "x", START)
        draft = draft_of(tx, world.acme.site_id, draft_id)
        assert (draft.content, draft.choices, draft.name) == (content, choices, "a.csv")
        assert has_old_drafts(tx, START + timedelta(hours=23)) == 0
        assert forget_drafts(tx, START + timedelta(hours=25)) == 1
