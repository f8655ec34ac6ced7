"""The visitor's cookie in a real browser: who sets it, how long it lasts, and that there is one id whoever does.

`safari` puts Safari's cap on what scripts write into Chromium: 7 days. What an answer sets it leaves alone.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page
from sqlalchemy import Engine, func, select

from tests.browser.conftest import NewContext, Noises
from tests.browser.nginx import Nginx, block_of
from tests.browser.origins import UNANSWERED, Collector, Website
from tests.live import running
from tracker.access.sites import add_site
from tracker.db.schema import visits
from tracker.db.store import begin, reading

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("noises")]

DAY_S = 86_400
# What document.cookie = '…' does in Safari, and a list of all that was written.
SAFARI = """
    const { get, set } = Object.getOwnPropertyDescriptor(Document.prototype, 'cookie');
    window.written = [];
    Object.defineProperty(document, 'cookie', { get, set(line) {
        window.written.push(line);
        set.call(document, line.replace(/Max-Age=(\\d+)/, (_, age) => 'Max-Age=' + Math.min(age, 7 * 86400)));
    } });
"""
BLOCKED = "Object.defineProperty(document, 'cookie', { get: () => '', set() {} })"

At = Callable[..., str]


@pytest.fixture
def context(new_context: NewContext) -> BrowserContext:
    """One visitor; our own nginx signs its certificate itself."""
    return new_context(ignore_https_errors=True)


@pytest.fixture
def safari(context: BrowserContext) -> None:
    context.add_init_script(SAFARI)


@pytest.fixture
def nginx(tmp_path: Path, website: Website, collector: Collector) -> Iterator[Nginx]:
    """The site's own server, with the block of docs/first-party.md as it stands there."""
    block = block_of("first-party.md", "nginx")
    assert block.count("http://127.0.0.1:8000/") == 2
    website.put("/", at="", prefix="/tea")
    website.put("/b", at="", prefix="/tea")
    block = block.replace("http://127.0.0.1:8000", collector.origin)
    with closing(Nginx(tmp_path, site=website.origin, block=block)) as nginx:
        yield nginx


def cookie_of(context: BrowserContext) -> dict[str, object]:
    """The one _mnm that there is; empty if there is none."""
    found = [dict(cookie) for cookie in context.cookies() if str(cookie["name"]).startswith("_mn")]
    assert len(found) <= 1, found
    return found[0] if found else {}


def days_left(context: BrowserContext) -> float:
    return (float(str(cookie_of(context)["expires"])) - time.time()) / DAY_S


def settled(page: Page) -> None:
    """Until every hit of this page is answered, and the answers have been read."""
    page.wait_for_function(f"{UNANSWERED}.length === 0")


def visit(page: Page, address: str, collector: Collector, nth: int) -> str:
    """Look at a page until its view is answered; gives the visitor's id."""
    page.goto(address)
    collector.hit("page", nth)
    settled(page)
    return collector.visitors()[-1]


def days_go_by(context: BrowserContext, days: int) -> None:
    """The browser's cookies get older by so many days; what is over is gone."""
    kept = [dict(cookie) for cookie in context.cookies()]
    context.clear_cookies()
    for cookie in kept:
        cookie["expires"] = float(str(cookie["expires"])) - days * DAY_S
    context.add_cookies([cookie for cookie in kept if cookie["expires"] > time.time()])  # type: ignore[misc]


# ---- A path of the site's own server


@pytest.mark.usefixtures("safari")
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_path_of_the_sites_own_server_sets_a_cookie_that_lasts(
    page: Page, nginx: Nginx, collector: Collector, scheme: str
) -> None:
    visitor = visit(page, nginx.at("/", scheme), collector, 1)
    cookie = cookie_of(page.context)
    assert re.fullmatch("[0-9]{26}", visitor)
    assert (cookie["value"], cookie["domain"], cookie["path"]) == (visitor, ".shop.test", "/")
    assert (cookie["sameSite"], cookie["secure"], cookie["httpOnly"]) == ("Lax", scheme == "https", False)
    assert 394 < days_left(page.context) < 396
    assert any(line.startswith("_mnm=") for line in page.evaluate("written")), "it has waited for the answer"

    assert visit(page, nginx.at("/b", scheme), collector, 2) == visitor
    assert page.evaluate("written") == [], "the snippet has written over the answer's cookie"
    assert cookie_of(page.context)["value"] == visitor
    assert {request.path for request in collector.requests} == {"/m.js", "/m/e"}


def test_the_site_s_server_tells_who_asked_and_keeps_the_cookies(
    page: Page, nginx: Nginx, collector: Collector
) -> None:
    page.context.add_cookies([{"name": "session", "value": "secret", "url": nginx.at()}])
    visit(page, nginx.at("/", "https"), collector, 1)
    headers = {name.lower(): value for name, value in collector.beacons()[0].headers.items()}
    assert {name: headers[name] for name in ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host")} == {
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-proto": "https",
        "x-forwarded-host": "www.shop.test",
    }
    assert headers["sec-fetch-site"] == "same-origin"
    assert "cookie" not in headers


@pytest.mark.parametrize("path", ["/tea/", "/tea/m", "/tea/metrics", "/tea/m/e/x", "/m.js", "/m/e"])
def test_the_site_s_server_hands_on_nothing_else(page: Page, nginx: Nginx, collector: Collector, path: str) -> None:
    page.goto(nginx.at(path))
    assert collector.requests == []


@pytest.mark.usefixtures("safari")
def test_in_safari_a_journey_goes_on_after_a_week(page: Page, nginx: Nginx, collector: Collector) -> None:
    first = visit(page, nginx.at("/?gclid=Cj0"), collector, 1)
    page.goto("about:blank")
    days_go_by(page.context, 10)
    assert visit(page, nginx.at("/b"), collector, 2) == first
    days_go_by(page.context, 390)
    assert visit(page, nginx.at("/b"), collector, 3) == first


@pytest.mark.usefixtures("safari")
def test_in_safari_a_collector_of_another_site_loses_the_visitor_after_a_week(
    page: Page, website: Website, collector: Collector
) -> None:
    website.put("/")
    first = visit(page, website.at(), collector, 1)
    page.goto("about:blank")
    days_go_by(page.context, 6)
    assert visit(page, website.at(), collector, 2) == first
    page.goto("about:blank")
    days_go_by(page.context, 10)
    assert visit(page, website.at(), collector, 3) != first


# ---- A subdomain, another site


@pytest.mark.usefixtures("safari")
def test_a_subdomain_of_the_site_sets_it_too(page: Page, website: Website, collector: Collector) -> None:
    website.put("/", at=collector.at("track.shop.test"))
    visitor = visit(page, website.at(), collector, 1)
    cookie = cookie_of(page.context)
    assert (cookie["value"], cookie["domain"]) == (visitor, ".shop.test")
    assert days_left(page.context) > 394
    assert visit(page, website.at("/", "blog.shop.test"), collector, 2) == visitor
    assert page.evaluate("written") == []
    assert len(collector.offers()) == 2, "a hit came twice: the page could not read the answer"


@pytest.mark.parametrize(
    ("page_host", "collector_host"),
    [
        ("www.shop.test", "track.other.test"),
        ("www.shop.co.jp", "track.other.co.jp"),
        ("a.github.io", "b.github.io"),
        ("shop.test", "evilshop.test"),
    ],
)
def test_another_sites_collector_gets_no_cookies_and_sets_none(
    page: Page, website: Website, collector: Collector, page_host: str, collector_host: str
) -> None:
    website.put("/", at=collector.at(collector_host))
    page.context.add_cookies([{"name": "theirs", "value": "1", "url": collector.at(collector_host)}])
    visitor = visit(page, website.at("/", page_host), collector, 1)
    assert re.fullmatch(visitor + r"\.[0-9]{3}", str(cookie_of(page.context)["value"]))
    assert "Cookie" not in collector.beacons()[0].headers
    visit(page, website.at("/", page_host), collector, 2)
    assert set(collector.visitors()) == {visitor}
    assert len(collector.offers()) == 2


def test_a_site_that_moves_its_collector_away_keeps_its_visitors(
    page: Page, website: Website, collector: Collector
) -> None:
    website.put("/", at=collector.at("track.shop.test"))
    visitor = visit(page, website.at(), collector, 1)
    days_go_by(page.context, 300)
    website.put("/", at=collector.at("track.other.test"))
    assert visit(page, website.at(), collector, 2) == visitor
    assert str(cookie_of(page.context)["value"]).startswith(f"{visitor}.")
    assert days_left(page.context) > 394


# ---- Whatever goes wrong: one id, no surprise


@pytest.mark.usefixtures("safari")
def test_without_the_answers_cookie_the_snippets_own_stays(page: Page, nginx: Nginx, collector: Collector) -> None:
    collector.sets_cookies = False
    visitor = visit(page, nginx.at(), collector, 1)
    assert str(cookie_of(page.context)["value"]).startswith(f"{visitor}.")
    days_go_by(page.context, 5)
    assert visit(page, nginx.at(), collector, 2) == visitor
    assert 6 < days_left(page.context) < 8, "each visit renews it"
    collector.sets_cookies = True
    assert visit(page, nginx.at(), collector, 3) == visitor
    assert days_left(page.context) > 394


@pytest.mark.usefixtures("safari")
def test_when_the_answers_cookie_is_lost_the_snippet_begins_anew(
    page: Page, nginx: Nginx, collector: Collector
) -> None:
    first = visit(page, nginx.at(), collector, 1)
    page.context.clear_cookies()
    collector.sets_cookies = False
    second = visit(page, nginx.at(), collector, 2)
    assert second != first
    assert str(cookie_of(page.context)["value"]).startswith(f"{second}.")


def test_tabs_that_open_before_the_first_answer_have_one_id(
    page: Page, nginx: Nginx, website: Website, collector: Collector
) -> None:
    collector.slow.clear()
    page.goto(nginx.at())
    collector.hit("page", 1)
    other = page.context.new_page()
    other.goto(nginx.at("/b"))
    collector.hit("page", 2)
    collector.slow.set()
    settled(page)
    settled(other)
    assert len(set(collector.visitors())) == 1
    assert cookie_of(page.context)["value"] == collector.visitors()[0]


def test_a_browser_without_cookies_is_not_given_one(page: Page, nginx: Nginx, collector: Collector) -> None:
    page.context.add_init_script(BLOCKED)
    visit(page, nginx.at(), collector, 1)
    assert cookie_of(page.context) == {}


def test_a_cookie_that_was_deleted_is_not_brought_back_by_an_open_page(
    page: Page, nginx: Nginx, collector: Collector
) -> None:
    visit(page, nginx.at(), collector, 1)
    page.context.clear_cookies()
    page.evaluate("minamoto('event', 'later')")
    collector.hit("event")
    settled(page)
    assert cookie_of(page.context) == {}


def test_consent_withdrawn_before_the_answer_leaves_no_visitor(page: Page, nginx: Nginx, collector: Collector) -> None:
    collector.slow.clear()
    page.goto(nginx.at())
    collector.hit("page")
    page.evaluate("minamoto('consent', false)")
    with page.expect_event("requestfinished", lambda request: request.url.endswith("/m/e")):
        collector.slow.set()
    page.wait_for_function("document.cookie === '_mnmoff=1'")
    assert cookie_of(page.context)["value"] == "1"  # the refusal, and no visitor


def test_a_page_left_before_the_answer_to_what_was_withdrawn_leaves_no_visitor(
    page: Page, nginx: Nginx, collector: Collector
) -> None:
    collector.slow.clear()
    page.goto(nginx.at())
    collector.hit("page")
    page.evaluate("minamoto('consent', false)")
    page.goto("about:blank")
    collector.slow.set()
    page.goto(nginx.at("/b"))
    page.wait_for_function("minamoto.loaded && document.cookie === '_mnmoff=1'")
    assert len(collector.hits()) == 1


def test_no_cookie_comes_before_consent(page: Page, nginx: Nginx, website: Website, collector: Collector) -> None:
    website.put("/", at="", prefix="/tea", data_consent="opt-in")
    page.goto(nginx.at())
    page.wait_for_function("!!window.minamoto && minamoto.loaded")
    assert (collector.beacons(), page.context.cookies()) == ([], [])
    page.evaluate("minamoto('consent', true)")
    collector.hit("page")
    settled(page)
    assert cookie_of(page.context)["value"] == collector.visitors()[0]


def test_a_proxy_that_answers_for_everybody_costs_the_cookie_and_no_hit(
    page: Page, website: Website, collector: Collector, noises: Noises
) -> None:
    noises.expected = "error:"
    collector.for_everybody = True
    website.put("/", at=collector.at("track.shop.test"))
    page.goto(website.at())
    collector.hit("page")
    page.wait_for_function(f"{UNANSWERED}.length === 1")
    page.evaluate("minamoto('event', 'next')")
    collector.hit("event")
    settled(page)
    assert [hit["kind"] for hit in collector.offers()] == ["page", "page", "event"]
    assert len(collector.hits()) == 2
    assert str(cookie_of(page.context)["value"]).startswith(f"{collector.visitors()[0]}.")


# ---- All the way: nginx, the browser, and the real Minamoto


@pytest.mark.usefixtures("safari")
@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_a_week_between_two_visits_makes_no_second_visitor(
    page: Page, tmp_path: Path, store: Engine, store_url: str
) -> None:
    with running(store, store_url) as live, closing(Collector()) as nobody, closing(Website(nobody)) as website:
        with begin(store) as tx:
            add_site(tx, "Shop", ["www.shop.test"], now=live.clock(), key="KEY")
        website.put("/", at="", prefix="/tea")
        block = block_of("first-party.md", "nginx").replace("http://127.0.0.1:8000", live.origin)
        with closing(Nginx(tmp_path, site=website.origin, block=block)) as nginx:
            with page.expect_response("**/m/e") as taken:
                page.goto(nginx.at("/?gclid=Cj0", "https"))
            assert taken.value.status == 204
            assert days_left(page.context) > 394
            page.goto("about:blank")
            days_go_by(page.context, 10)
            live.clock.at += timedelta(days=10)
            with page.expect_response("**/m/e") as taken:
                page.goto(nginx.at("/", "https"))
            assert taken.value.status == 204
        live.fold()
        with reading(store) as tx:
            told = tx.execute(select(func.count(), func.count(visits.c.visitor_no.distinct())).select_from(visits))
            assert tuple(told.one()) == (2, 1)


def test_the_documented_rewrites_lead_to_the_two_addresses() -> None:
    """What no server here can run is at least spelt alike."""
    text = (Path(__file__).parents[2] / "docs" / "first-party.md").read_text(encoding="utf-8")
    pairs = re.findall(r"source: '(/\S+)', destination: 'https://track.example.com(/\S+)'", text)
    assert pairs == [("/tea/m.js", "/m.js"), ("/tea/m/e", "/m/e")]
    (worker,) = re.findall(r"PATHS = \{ (.*) \}", text)
    assert json.loads("{" + worker.replace("'", '"') + "}") == dict(pairs)
    assert "fetch(MINAMOTO + PATHS[pathname] + search," in text


def test_the_query_goes_along_to_both_addresses(page: Page, nginx: Nginx, collector: Collector) -> None:
    page.goto(nginx.at("/tea/m.js?site=KEY"))
    page.goto(nginx.at("/tea/m/e?b=%7B%7D"))
    assert [request.path for request in collector.requests] == ["/m.js?site=KEY", "/m/e?b=%7B%7D"]
