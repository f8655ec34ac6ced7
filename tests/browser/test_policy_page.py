"""A marketer gives brand search a channel of its own: tried, saved, set beside models; on a computer, on a phone."""

from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewContext
from tests.live import Live
from tests.walks import START, World, walk
from tests.world import CHEAP
from tracker.access.users import add_user
from tracker.db.store import begin

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)]
PASSWORD = "correct horse"


def is_well_made(page: Page) -> None:
    """Nothing for axe to find, and nothing wider than the screen."""
    found = Axe().run(page).response["violations"]
    assert [(one["id"], [node["html"][:160] for node in one["nodes"]]) for one in found] == []
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@pytest.mark.parametrize(
    ("language", "width", "words"),
    [
        ("en", 1280, ("Try on history", "Save", "Compare")),
        ("ja", 390, ("過去のデータで試算", "保存", "比較")),
    ],
)
def test_a_channel_of_ones_own_is_tried_saved_and_compared(
    live: Live, new_context: NewContext, language: str, width: int, words: tuple[str, str, str]
) -> None:
    walk(World(live.store))
    with begin(live.store) as tx:
        add_user(tx, "alice@acme.example", PASSWORD, now=START, hasher=CHEAP)
    live.clock.at = START + timedelta(days=40)
    page = new_context(viewport={"width": width, "height": 900}).new_page()
    page.goto(f"{live.origin}/login?next=/policy&lang={language}")
    page.locator("input[name=email]").fill("alice@acme.example")
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("form button").first.click()
    page.wait_for_url("**/policy*")
    is_well_made(page)
    page.locator("input[name=rule_0_pattern]").first.fill("*spring*")
    page.locator("input[name=rule_0_channel]").fill("brand_search")
    page.locator("select[name=model]").select_option("first")
    page.get_by_role("button", name=words[0], exact=True).click()
    expect(page.locator("#trial").get_by_text("brand_search").first).to_be_visible()
    is_well_made(page)
    page.get_by_role("button", name=words[1], exact=True).click()
    expect(page.locator("#versions").get_by_text("alice@acme.example")).to_be_visible()
    is_well_made(page)
    page.get_by_role("link", name=words[2], exact=True).click()
    expect(page.locator("table.compare").get_by_text("brand_search")).to_be_visible()
    page.locator("details.card > summary").click()
    is_well_made(page)
