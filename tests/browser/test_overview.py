"""The overview in a real browser: its chart, its comparison, its way to the rows and back, and on a phone."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewContext
from tests.browser.test_pathways import opened, wide
from tests.facts import store_facts
from tests.http.test_pathways_page import facts
from tests.live import Live
from tests.people import cheap_hash
from tests.world import START
from tracker.db.schema import users
from tracker.db.store import begin

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)]
APRIL = "period=custom&from=2026-04-01&to=2026-04-30"


def seeded(live: Live) -> None:
    row = {"email": "alice@acme.example", "password_hash": cheap_hash("correct horse"), "role": "owner"}
    with begin(live.store) as tx:
        store_facts(tx, facts())
        tx.execute(users.insert(), [row | {"language": "en", "created_at": START}])


def test_a_marketer_reads_the_loop_compares_and_opens_a_figure(live: Live, new_context: NewContext) -> None:
    seeded(live)
    page: Page = new_context(viewport={"width": 1280, "height": 900}).new_page()
    heard = opened(live, page, f"/overview?{APRIL}&lang=en")
    chart = page.locator("#chart .chart svg")
    expect(chart).to_be_visible()
    expect(page.locator("#chart-title")).to_contain_text("Revenue by channel")
    page.locator(".switch a", has_text="Visits").click()
    expect(page.locator("#chart-title")).to_contain_text("Visits by channel")
    page.locator("details.menu summary", has_text="against").click()
    page.get_by_role("link", name="The year before").click()
    page.wait_for_url("**compare=year*")
    expect(page.locator("details.menu summary", has_text="against")).to_contain_text("2025")
    page.go_back()
    expect(page.locator("details.menu summary", has_text="against")).to_contain_text("Mar")
    shown = page.locator(".loop li", has_text="Revenue").locator("strong").inner_text()
    page.locator(".loop a", has_text="Revenue").click()
    page.wait_for_url("**/reports/source/rows*")
    expect(page.locator("h1, .figure-text").first).to_be_visible()
    expect(page.locator("main")).to_contain_text(shown)
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(f"{live.origin}/overview?{APRIL}&lang=ja")
    expect(page.locator("h1")).to_have_text("概要")
    assert wide(page) == 390
    assert heard == []
