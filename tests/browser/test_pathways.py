"""The picture of path analysis in a real browser: drawn under the strict policy, light and dark, and on a phone."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewContext
from tests.facts import store_facts
from tests.http.test_pathways_page import HOSTILE, WON, facts
from tests.live import Live
from tests.world import CHEAP
from tracker.access.users import add_user
from tracker.db.store import begin

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)]
PASSWORD = "correct horse"


def opened(live: Live, page: Page, address: str) -> list[str]:
    """Somebody who has logged in, on a page; what the page says on the console."""
    heard: list[str] = []
    page.on("console", lambda message: heard.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.goto(f"{live.origin}/login")
    page.locator("input[name=email]").fill("alice@acme.example")
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("form button").first.click()
    page.wait_for_url("**/overview*")
    page.goto(f"{live.origin}{address}")
    return heard


def wide(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth"))


def test_the_first_steps_are_drawn_and_lead_nowhere_a_stranger_wants(live: Live, new_context: NewContext) -> None:
    with begin(live.store) as tx:
        store_facts(tx, facts())
        add_user(tx, "alice@acme.example", PASSWORD, now=live.clock(), hasher=CHEAP)
    page = new_context(viewport={"width": 1280, "height": 900}, color_scheme="dark").new_page()
    heard = opened(live, page, f"/reports/paths?{WON}&by=source&lang=en")
    picture = page.locator(".sankey svg")
    expect(picture).to_be_visible()
    expect(picture.locator("text", has_text="google").first).to_be_visible()
    expect(picture.locator("text", has_text="Conversion").first).to_be_visible()
    assert page.locator(".sankey script").count() == 0
    page.locator("summary", has_text="Picture as a table").click()
    expect(page.locator("table.moves").first.locator("bdi", has_text=HOSTILE[:20]).first).to_be_visible()
    page.locator("table.paths a.figure").first.click()
    expect(page.get_by_text("The conversions behind it")).to_be_visible()
    expect(page.locator("table.behind tbody tr")).to_have_count(3)
    page.goto(f"{live.origin}/reports/paths?{WON}&lang=ja")
    expect(page.locator(".sankey svg text", has_text="メール").first).to_be_visible()
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.set_viewport_size({"width": 375, "height": 800})
    expect(page.locator(".sankey svg")).to_be_visible()
    assert wide(page) == 375
    assert heard == []
