"""A marketer imports an export, sees its sum, gives a campaign the visits' name, and takes the import back."""

from datetime import timedelta
from pathlib import Path

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
EXPORT = (
    "Day,Campaign,Currency code,Cost,Clicks,Impr.\n"
    "{day},Spring!,EUR,12.50,3,40\n{day},Spring!,EUR,2.50,1,9\nTotal: account,,EUR,15.00,4,49\n"
)


def is_well_made(page: Page) -> None:
    """Nothing for axe to find, and nothing wider than the screen, on a computer or a phone."""
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        found = Axe().run(page).response["violations"]
        assert [(one["id"], [node["html"][:160] for node in one["nodes"]]) for one in found] == []
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_an_export_is_imported_named_and_taken_back(live: Live, new_context: NewContext, tmp_path: Path) -> None:
    walk(World(live.store))
    with begin(live.store) as tx:
        add_user(tx, "alice@acme.example", PASSWORD, now=START, hasher=CHEAP)
    live.clock.at = START + timedelta(days=10)
    file = tmp_path / "april.csv"
    file.write_text(EXPORT.format(day=START.date()), encoding="utf-8")
    page = new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.goto(f"{live.origin}/login?next=/costs&lang=en")
    page.locator("input[name=email]").fill("alice@acme.example")
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("form button").first.click()
    page.wait_for_url("**/costs*")
    is_well_made(page)
    page.get_by_role("link", name="Import a file").first.click()
    is_well_made(page)
    page.locator("input[type=file]").set_input_files(file)
    page.get_by_role("button", name="Look at it").click()
    expect(page.get_by_text("the same as the file’s own total")).to_be_visible()
    is_well_made(page)
    page.get_by_role("button", name="Import 1 cost").click()
    expect(page.get_by_text("2 rows imported: €15.00.")).to_be_visible()
    page.get_by_role("link", name="Campaign names").click()
    is_well_made(page)
    page.get_by_role("button", name="Call Spring! as visits do: spring").click()
    expect(page.get_by_text("It names one cost anew.")).to_be_visible()
    page.goto(f"{live.origin}/costs?period=all_time&campaign=spring&lang=ja")
    expect(page.locator(".sums").get_by_text("€15.00")).to_be_visible()
    is_well_made(page)
    page.get_by_role("link", name="ファイルを取り込む").click()
    page.get_by_role("button", name="april.csvの取り込みを取り消す").click()
    expect(page.get_by_text("取り込みを取り消し、1件の費用を削除しました。")).to_be_visible()
    is_well_made(page)
