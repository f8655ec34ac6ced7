"""Somebody finds a person, sets a stage, merges their other contact and splits it again; on a phone in Japanese."""

from playwright.sync_api import expect

from tests.browser.conftest import NewContext
from tests.browser.test_policy_page import PASSWORD, is_well_made, pytestmark
from tests.live import Live
from tests.walks import START, World, walk
from tests.world import CHEAP
from tracker import flow
from tracker.access.sites import site_by_id
from tracker.access.users import add_user
from tracker.db.store import begin

__all__ = ["pytestmark"]


def test_a_person_is_found_moved_merged_and_split(live: Live, new_context: NewContext) -> None:
    world = World(live.store)
    walk(world)
    other = {"email": "other@kyoto.example", "name": "Other Sato", "crm_id": "other-1"}
    with begin(live.store) as tx:
        flow.contact_said(tx, site_by_id(tx, 1), other, START, START)
        add_user(tx, "alice@acme.example", PASSWORD, now=START, hasher=CHEAP)
    page = new_context(viewport={"width": 390, "height": 844}).new_page()
    page.goto(f"{live.origin}/login?next=/contacts&lang=ja")
    page.locator("input[name=email]").fill("alice@acme.example")
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("form button").first.click()
    page.wait_for_url("**/contacts*")
    is_well_made(page)
    page.locator("input[name=q]").fill("Other")
    page.locator("form.search button").click()
    page.locator("a.row-link").click()
    page.locator("select[name=stage]").select_option("salesqualifiedlead")
    page.get_by_role("button", name="ステージを変更").click()
    expect(page.locator("li.step-stage")).to_be_visible()
    is_well_made(page)
    page.get_by_role("link", name="別のコンタクトと統合").click()
    page.locator("input[name=q]").fill("@")
    page.locator("form.search button").click()
    is_well_made(page)
    page.get_by_role("link", name="比較").or_(page.get_by_role("link", name="比べる")).first.click()
    is_well_made(page)
    page.get_by_role("button", name="2件を統合する").click()
    expect(page.locator("#merged-title")).to_be_visible()
    is_well_made(page)
    page.locator(".merged button").click()
    expect(page.locator("#merged-title")).to_have_count(0)
    page.locator(".facts a").first.click()
    page.wait_for_url("**/companies/*")
    is_well_made(page)
