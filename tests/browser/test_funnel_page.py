"""The Funnel report in a real browser: read it, choose two stages, open whom a figure counts, go back; on a phone."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewContext
from tests.browser.test_pathways import opened, wide
from tests.funnels import scenarios, store_scenario
from tests.live import Live
from tests.people import cheap_hash
from tests.world import START
from tracker.db.schema import users
from tracker.db.store import begin

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)]
SPEC = scenarios(Path(__file__).parents[1] / "spec" / "funnel.md")
STUCK = next(one for one in SPEC if one.name.startswith("Stuck"))
PERIOD = "period=custom&from=2026-03-01&to=2026-04-30"


def seeded(live: Live) -> None:
    row = {"email": "alice@acme.example", "password_hash": cheap_hash("correct horse"), "role": "owner"}
    with begin(live.store) as tx:
        store_scenario(tx, STUCK)
        tx.execute(users.insert(), [row | {"language": "en", "created_at": START}])


def test_a_marketer_reads_the_funnel_and_opens_whom_it_counts(live: Live, new_context: NewContext) -> None:
    seeded(live)
    page: Page = new_context(viewport={"width": 1280, "height": 900}).new_page()
    heard = opened(live, page, f"/reports/funnel?{PERIOD}&lang=en")
    expect(page.locator(".funnel tbody tr").first).to_contain_text("14")
    page.locator("details.menu summary", has_text="To stage").click()
    page.get_by_role("link", name="MQL", exact=True).click()
    page.wait_for_url("**to_stage=marketingqualifiedlead*")
    shown = page.locator(".tiles a", has_text="of these now MQL")
    number = shown.locator("strong").inner_text()
    shown.click()
    page.wait_for_url("**/reports/funnel/rows*")
    expect(page.locator(".figure-text")).to_have_text(number)
    expect(page.locator("tbody tr")).to_have_count(int(number))
    page.go_back()
    page.wait_for_url("**/reports/funnel?*")
    expect(page.locator("details.menu summary", has_text="To stage")).to_contain_text("MQL")
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(f"{live.origin}/reports/funnel?{PERIOD}&lang=ja")
    expect(page.locator("h1")).to_have_text("ファネル")
    assert wide(page) == 390
    assert heard == []
