"""Whoever installs the tag checks the site, opens it, and reads within seconds what came; on a computer, on a phone."""

import re
from collections.abc import Iterator
from contextlib import closing
from types import SimpleNamespace

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewContext
from tests.browser.origins import Document, Website
from tests.live import Live
from tests.walks import AGENT
from tests.world import CHEAP
from tracker.access.sites import add_site
from tracker.access.tracking import Tracking
from tracker.access.users import add_user
from tracker.db.store import begin

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)]
PASSWORD = "correct horse"


@pytest.fixture
def live(live: Live) -> Live:
    """With a user."""
    with begin(live.store) as tx:
        add_user(tx, "alice@acme.example", PASSWORD, now=live.clock(), hasher=CHEAP)
    return live


@pytest.fixture
def shop(live: Live) -> Iterator[Website]:
    """A site on this machine with the tag in its head."""
    with closing(Website(SimpleNamespace(origin=live.origin))) as site:  # type: ignore[arg-type]
        tag = f'<script async src="{live.origin}/m.js?site=KEY"></script>'
        site.pages["/"] = Document(f"<!doctype html><head><title>Shop</title>{tag}</head><body>Welcome")
        policy = {"Content_Security_Policy": "default-src 'self'"}
        site.pages["/strict"] = Document(f"<!doctype html><head>{tag}</head><body>", policy)
        yield site


def opened(live: Live, page: Page, tracking: Tracking, language: str = "en") -> None:
    """Somebody who has logged in, on the installing page."""
    with begin(live.store) as tx:
        add_site(tx, "Shop", ["localhost"], now=live.clock(), key="KEY", tracking=tracking)
    page.goto(f"{live.origin}/login?next=/install&lang={language}")
    page.locator("input[name=email]").fill("alice@acme.example")
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("form button").first.click()
    page.wait_for_url("**/install*")


def check(page: Page, address: str) -> None:
    page.locator("input[name=url]").fill(address)
    page.get_by_role("button", name=re.compile("Check|確認する")).click()


def test_a_marketer_sees_the_tag_found_and_the_hit_come_in(live: Live, shop: Website, new_context: NewContext) -> None:
    page = new_context(user_agent=AGENT, viewport={"width": 1280, "height": 900}).new_page()
    opened(live, page, Tracking(consent="none"))
    check(page, shop.at(host="localhost"))
    expect(page.get_by_text("The tag is on the page.")).to_be_visible()
    expect(page.get_by_text("No Content-Security-Policy stands in the way.")).to_be_visible()
    expect(page.get_by_text("Nothing has come yet.")).to_be_visible()
    for expected in ("Open the site by the same link once more.", "The browser has kept the cookie"):
        with page.expect_popup() as popup:
            page.get_by_role("link", name="Open my site").click()
        popup.value.wait_for_function("!!window.minamoto && minamoto.loaded")
        page.bring_to_front()
        expect(page.get_by_text("A hit has come from")).to_be_visible()
        expect(page.get_by_text(expected)).to_be_visible()
    assert Axe().run(page).violations_count == 0


def test_a_policy_that_stands_in_the_way_is_named_with_the_line_to_add(
    live: Live, shop: Website, new_context: NewContext
) -> None:
    page = new_context(user_agent=AGENT, viewport={"width": 390, "height": 844}).new_page()
    opened(live, page, Tracking(), "ja")
    check(page, shop.at("/strict", host="localhost"))
    expect(page.get_by_text(f"script-src 'self' {live.origin}")).to_be_visible()
    expect(page.get_by_text(f"connect-src 'self' {live.origin}")).to_be_visible()
    expect(page.get_by_text("このサイトは先に同意を求める設定です。")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_settings_are_saved_and_reach_the_snippet(live: Live, shop: Website, new_context: NewContext) -> None:
    page = new_context(user_agent=AGENT).new_page()
    opened(live, page, Tracking())
    page.get_by_label("Until the visitor refuses").check()
    page.get_by_label("Calendly").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    script = page.request.get(f"{live.origin}/m.js?site=KEY").text()
    assert '"consent":"opt-out"' in script
    assert "calendly" in script
