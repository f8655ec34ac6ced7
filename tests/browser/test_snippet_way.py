"""The snippet and a running Minamoto: several domains, late consent, hidden fields, and how pages were read."""

import re
from collections.abc import Callable
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from tests.browser.conftest import NewContext
from tests.browser.origins import Document, Website
from tests.live import Live
from tests.patience import wait_until
from tracker.access.sites import add_site, set_tracking
from tracker.access.tracking import Tracking
from tracker.db.schema import engagements, hits, paths, visitors
from tracker.db.store import begin, reading

pytestmark = pytest.mark.browser

TEA, SHOP = "www.tea.test", "shop.test"
AD = "/?utm_source=google&utm_medium=cpc&utm_campaign=spring"
FORM = '<form action="/thanks" method="post"><input type=email name=email><button>Send</button></form>'


@pytest.fixture
def site(live: Live) -> Callable[..., Website]:
    """A site of two domains; on every page of it stand the tag and what the test puts there."""

    def opened(consent: str, **bodies: str) -> Website:
        with begin(live.store) as tx:
            new = add_site(tx, "Tea", [TEA, SHOP], now=live.clock(), timezone="Asia/Tokyo", key="KEY")
            set_tracking(tx, new, Tracking(consent=consent))  # type: ignore[arg-type]
        website = Website(SimpleNamespace(origin=live.origin))  # type: ignore[arg-type]
        tag = f'<script async src="{live.origin}/m.js?site=KEY"></script>'
        for path in ("/", "/prices", "/contact", "/thanks"):
            body = bodies.get(path.strip("/") or "home", "").replace("PORT", str(website.port))
            website.pages[path] = Document(f"<!doctype html><title>{path}</title>{tag}{body}")
        return website

    return opened


def told(live: Live, kind: str) -> list[tuple[str, str]]:
    """Per hit of a kind its visitor and its page's address, in the order of the journal."""
    with reading(live.store) as tx:
        query = select(hits.c.visitor_id, hits.c.url).where(hits.c.kind == kind).order_by(hits.c.seq)
        return [(visitor_id, url) for visitor_id, url in tx.execute(query)]


def send(page: Page, live: Live) -> None:
    """Fill in the form, and wait until its hit is in the journal and folded."""
    page.fill("[name=email]", "hana@kyoto.example")
    page.click("button")
    page.wait_for_url("**/thanks")
    wait_until(lambda: len(told(live, "form")) == 1)
    live.fold()


def credited(live: Live) -> list[tuple[str, str, str]]:
    """What the form is credited to: the touches of its path."""
    with reading(live.store) as tx:
        query = select(paths.c.channel, paths.c.source, paths.c.campaign).where(paths.c.kind == "form")
        return [tuple(row) for row in tx.execute(query)]


def test_a_visitor_stays_one_on_the_sites_other_domain_and_a_shared_link_is_nobody_else(
    page: Page, live: Live, site: Callable[..., Website], new_context: NewContext
) -> None:
    website = site("none", home=f'<a href="http://{SHOP}:PORT/contact">Shop</a>', contact=FORM)
    page.goto(website.at(AD, TEA))
    wait_until(lambda: len(told(live, "page")) == 1)
    with page.expect_response(re.compile(r"/m/e\?ask")):
        page.hover("a")
    with page.expect_navigation() as way:
        page.click("a")
    shared = way.value.request.url
    assert "_mnl=" in shared
    wait_until(lambda: len(told(live, "page")) == 2)
    assert page.url == website.at("/contact", SHOP)

    stranger = new_context().new_page()
    stranger.goto(shared)
    wait_until(lambda: len(told(live, "page")) == 3)
    (first, _), (second, address), (other, _) = told(live, "page")
    assert (first == second, first == other, address) == (True, False, website.at("/contact", SHOP))

    send(page, live)
    assert credited(live) == [("paid_search", "google", "spring")]


def test_consent_two_pages_later_still_tells_the_ad(page: Page, live: Live, site: Callable[..., Website]) -> None:
    website = site("opt-in", home='<a href="/prices">Prices</a>', prices='<a href="/contact">Contact</a>', contact=FORM)
    page.goto(website.at(AD, TEA))
    for path in ("/prices", "/contact"):
        page.wait_for_function("minamoto.loaded")
        page.click("a")
        page.wait_for_url(lambda url, path=path: urlsplit(url).path == path)
    page.wait_for_function("minamoto.loaded && !location.search")
    assert (told(live, "page"), page.context.cookies()) == ([], [])
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0
    page.evaluate("minamoto('consent', true)")
    wait_until(lambda: len(told(live, "page")) == 2)
    send(page, live)
    assert credited(live) == [("paid_search", "google", "spring")]
    with reading(live.store) as tx:
        assert tx.execute(select(visitors.c.visitor_id)).all() == [(told(live, "page")[0][0],)]


def test_a_hidden_field_has_the_words_of_the_reports(page: Page, live: Live, site: Callable[..., Website]) -> None:
    fields = '<input type=hidden id=a name=first_channel><input type=hidden id=b data-m-fill="last.campaign">'
    website = site("none", home='<a href="/contact">Contact</a>', contact=FORM.replace("<button", f"{fields}<button"))
    page.goto(website.at(AD, TEA))
    wait_until(lambda: len(told(live, "page")) == 1)
    page.click("a")
    expect(page.locator("#a")).to_have_value("paid_search")
    expect(page.locator("#b")).to_have_value("spring")


def test_how_far_a_page_was_read_is_known_once_it_is_left(page: Page, live: Live, site: Callable[..., Website]) -> None:
    website = site("none", home='<p style="height:5000px">Long</p><a href="/prices">Prices</a>')
    page.goto(website.at("/", TEA))
    wait_until(lambda: len(told(live, "page")) == 1)
    page.keyboard.press("End")
    page.wait_for_function("scrollY > 3000")
    page.click("a")
    wait_until(lambda: len(told(live, "leave")) >= 1)
    live.fold()
    with reading(live.store) as tx:
        read = tx.execute(select(engagements.c.scroll, engagements.c.engaged_ms)).all()
    assert max(scroll for scroll, _ in read) >= 99
    assert all(0 <= engaged_ms < 60_000 for _, engaged_ms in read)
