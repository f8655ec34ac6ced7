"""The Source report in a real browser: from one row into the next by keyboard and mouse, and back again."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NewContext
from tests.browser.test_pathways import PASSWORD, opened, wide
from tests.facts import store_facts
from tests.live import Live
from tests.spec.test_source import SCENARIOS
from tests.world import CHEAP
from tracker.access.users import add_user
from tracker.db.store import begin

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)]


def test_a_row_is_drilled_into_set_beside_the_period_before_and_left_by_going_back(
    live: Live, new_context: NewContext
) -> None:
    with begin(live.store) as tx:
        store_facts(tx, SCENARIOS[0].facts)
        add_user(tx, "alice@acme.example", PASSWORD, now=live.clock(), hasher=CHEAP)
    page = new_context(viewport={"width": 1280, "height": 900}).new_page()
    heard = opened(live, page, "/reports/source?period=custom&from=2026-04-01&to=2026-04-30&model=first&lang=en")
    rows = page.locator("table.report tbody tr")
    expect(rows).to_have_count(4)
    page.get_by_role("button", name="Paid search").focus()
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Campaign", exact=True).click()
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text("spring")
    expect(page.locator(".chip")).to_contain_text("Paid search")
    page.locator("summary", has_text="Compared with").click()
    page.get_by_role("link", name="Period before").click()
    expect(rows.first.locator(".delta").first).to_contain_text("new")
    page.locator("summary", has_text="Columns").click()
    page.get_by_label("Forms", exact=True).check()
    page.get_by_role("button", name="Apply").last.click()
    expect(page.locator("table.report th.num")).to_have_count(14)
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        assert wide(page) == width
    page.get_by_role("link", name=re.compile("Take this filter away")).click()
    expect(rows).to_have_count(3)
    for _ in range(4):
        page.go_back()
    expect(rows).to_have_count(4)
    expect(page.locator(".chip")).to_have_count(0)
    assert heard == []
