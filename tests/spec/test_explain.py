"""One deal under every model, done again by hand in docs/explain.md, on SQLite and on PostgreSQL."""

from pathlib import Path

from sqlalchemy import Engine

from tests.facts import table
from tests.tea import tea_house
from tests.world import World
from tracker.reports.explain import models_asked

PAGE = (Path(__file__).parents[2] / "docs/explain.md").read_text(encoding="utf-8")
ROWS = table(PAGE, "One deal, done again by hand")
PATH = ("ad", "newsletter", "direct", "blog")


def test_the_table_on_the_page_is_what_the_api_explains(store: Engine) -> None:
    found = tea_house(World(store)).get("/deals/D-1/explain").json
    assert found
    assert [one["channel"] for one in found["path"]] == ["paid_search", "email", "direct", "referral"]
    fitted = {one["model"]: one for one in found["models"] if one["refusal"] is None}
    shown = {row["model"].strip("`"): [row[name] for name in PATH] for row in ROWS}
    assert {name: [touch["amount"] for touch in one["touches"]] for name, one in fitted.items()} == shown
    assert {one["model"] for one in found["models"]} == set(models_asked(None))


def test_the_refund_is_what_the_sum_over_the_whole_amount_gave_less_this_one(store: Engine) -> None:
    found = tea_house(World(store)).get("/deals/D-1/explain?model=time_decay").json
    assert found
    entries = [touch["by_entry_minor"] for touch in found["models"][0]["touches"]]
    assert entries == [[21332, -2134], [26005, -2600], [0, 0], [42663, -4266]]
    assert "213.32, 260.05 and 426.63" in PAGE
    assert "−21.34, −26.00, −42.66" in PAGE


def test_the_milestones_and_what_bars_the_direct_visit_are_as_the_page_says(store: Engine) -> None:
    found = tea_house(World(store)).get("/deals/D-1/explain?model=full_path").json
    assert found
    touches = found["models"][0]["touches"]
    assert [touch["holds"] for touch in touches] == [["first"], ["lead", "deal"], [], ["close"]]
    assert [touch["standing"] for touch in touches] == ["earns", "earns", "direct", "earns"]
