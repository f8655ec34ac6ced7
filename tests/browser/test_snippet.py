"""The snippet in a real browser: page views, cookie, delivery, commands, consent."""

import json
import re
import time
from uuid import UUID

import pytest
from playwright.sync_api import BrowserContext, Page, Route

from tests.browser.conftest import NewContext, Noises
from tests.browser.origins import SNIPPET, UNANSWERED, Collector, Document, Website

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("noises")]

STUB = """<script>
    window.minamoto = window.minamoto || function () { (minamoto.q = minamoto.q || []).push(arguments) };
</script>"""
SEND = "<form method=post action=/thanks><input name=mail value=a@b.test><button>Send</button></form>"
CAMPAIGN = (
    "/?utm_source=google&utm_medium=cpc&utm_campaign=%E6%98%A5%20sale&utm_term=a+b&gclid=Cj0K_x-1&wbraid=w1"
    "&fbclid=IwAR0&msclkid=5f&li_fat_id=a-b&x=1#top"
)
GPC = "<script>Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', { get: () => true })</script>"


def visitor_cookie(context: BrowserContext) -> dict[str, object]:
    """The visitor's cookie with all its attributes; empty if there is none."""
    return next((dict(cookie) for cookie in context.cookies() if cookie["name"] == "_mnm"), {})


def kept(page: Page) -> str:
    """All that scripts have left on the device for this page's origin."""
    return str(page.evaluate("document.cookie + Object.keys(sessionStorage) + Object.keys(localStorage)"))


def titles(collector: Collector) -> list[str]:
    return [hit["title"] for hit in collector.offers()]


# ---- Page views


def test_a_page_view_carries_address_referrer_and_title(page: Page, website: Website, collector: Collector) -> None:
    website.put("/", title="Prices 価格")
    page.goto(website.at(CAMPAIGN), referer="https://www.google.com/")
    hit = collector.hit("page")
    assert hit["url"] == website.at(CAMPAIGN)
    assert hit["referrer"] == "https://www.google.com/"
    assert hit["title"] == "Prices 価格"
    assert abs(hit["at"] / 1000 - time.time()) < 60


def test_a_beacon_has_the_wire_format_and_needs_no_preflight(
    page: Page, website: Website, collector: Collector
) -> None:
    website.put("/")
    page.context.add_cookies([{"name": "collectors_own", "value": "1", "url": collector.origin}])
    page.goto(website.at())
    collector.hit("page")
    (request,) = collector.beacons()
    assert request.method == "POST"
    assert request.path == "/m/e"
    assert request.headers["Content-Type"].startswith("text/plain")
    assert "Cookie" not in request.headers
    beacon = json.loads(request.body)
    assert set(beacon) == {"v", "site", "visitor", "sent_at", "consent", "hits"}
    assert (beacon["v"], beacon["site"], beacon["consent"]) == (1, "KEY", "none")
    assert set(beacon["hits"][0]) == {"id", "kind", "at", "url", "title", "referrer"}
    assert beacon["sent_at"] >= beacon["hits"][0]["at"]


def test_the_collector_may_live_under_a_path_of_the_site(page: Page, collector: Collector) -> None:
    tag = '<script async src="/some/where/m.js" data-site="KEY"></script>'
    collector.page = f"<!doctype html><title>Same origin</title>{tag}"
    page.goto(f"{collector.origin}/page")
    collector.hit("page")
    assert [request.path for request in collector.beacons()] == ["/some/where/m/e"]


def test_each_hit_has_a_uuid7_of_its_own_that_tells_its_time(
    page: Page, website: Website, collector: Collector
) -> None:
    website.put("/")
    page.goto(website.at())
    collector.hit("page")
    page.evaluate("for (let i = 0; i < 50; i += 1) minamoto('event', 'e' + i)")
    collector.hit("event", 50)
    hits = collector.hits()
    ids = [UUID(hit["id"]) for hit in hits]
    assert len(set(ids)) == 51
    assert {(each.version, each.variant) for each in ids} == {(7, "specified in RFC 4122")}
    assert [each.int >> 80 for each in ids] == [hit["at"] for hit in hits]
    assert len({hit["at"] for hit in hits}) == 51, "two hits of one moment have no order"


def test_hits_of_the_same_moment_travel_together(page: Page, website: Website, collector: Collector) -> None:
    website.put("/", head=STUB + "<script>minamoto('event', 'a'); minamoto('event', 'b')</script>")
    page.goto(website.at())
    collector.hit("event", 2)
    assert len(collector.beacons()) == 1
    assert [hit["kind"] for hit in collector.hits()] == ["page", "event", "event"]


def test_two_tags_on_one_page_count_once(page: Page, website: Website, collector: Collector) -> None:
    website.put("/", f'<script src="{collector.origin}/m.js" data-site="KEY"></script>')
    page.goto(website.at())
    page.wait_for_function("!!window.minamoto && minamoto.loaded")
    page.wait_for_load_state("load")
    page.evaluate("minamoto('event', 'end')")
    collector.hit("event")
    assert len(collector.hits("page")) == 1


APP = """<script>
  const go = (how, to, title) => { history[how]({}, '', to); setTimeout(() => { document.title = title }) };
</script>"""


def test_each_step_of_a_single_page_app_is_a_page_view(page: Page, website: Website, collector: Collector) -> None:
    website.put("/", APP, title="Home")
    page.goto(website.at(), referer="https://www.bing.com/")
    collector.hit("page")
    page.evaluate("go('pushState', '/prices?plan=pro', 'Prices')")
    collector.hit("page", 2)
    page.evaluate("go('replaceState', '/prices?plan=team', 'Team')")
    collector.hit("page", 3)
    page.evaluate("history.back()")
    collector.hit("page", 4)
    steps = [(hit["url"], hit["referrer"]) for hit in collector.hits("page")]
    assert steps == [
        (website.at("/"), "https://www.bing.com/"),
        (website.at("/prices?plan=pro"), website.at("/")),
        (website.at("/prices?plan=team"), website.at("/prices?plan=pro")),
        (website.at("/"), website.at("/prices?plan=team")),
    ]
    assert [hit["title"] for hit in collector.hits("page")][:3] == ["Home", "Prices", "Team"]


def test_a_change_of_state_or_hash_is_no_page_view(page: Page, website: Website, collector: Collector) -> None:
    website.put("/")
    page.goto(website.at("/?a=1"))
    collector.hit("page")
    page.evaluate("""
        history.replaceState({ n: 1 }, '');
        history.pushState({ n: 2 }, '', location.href);
        history.pushState({ n: 3 }, '', '#part');
        location.hash = 'other';
        minamoto('event', 'end');
    """)
    collector.hit("event")
    assert len(collector.hits("page")) == 1


def test_a_page_that_history_refuses_gets_its_error(page: Page, website: Website, collector: Collector) -> None:
    website.put("/")
    page.goto(website.at())
    collector.hit("page")
    step = "try { history.pushState({}, '', 'https://elsewhere.test/') } catch (error) { error.name }"
    assert page.evaluate(step) == "SecurityError"


def test_a_prerendered_page_counts_when_it_is_shown(
    page: Page, website: Website, collector: Collector, beacons: list[str]
) -> None:
    prerendering = "Object.defineProperty(document, 'prerendering', { get: () => window.hidden !== false })"
    website.put("/", head=f"{STUB}<script>{prerendering}; minamoto('event', 'early')</script>")
    page.goto(website.at(), wait_until="load")
    assert (beacons, collector.beacons(), page.context.cookies()) == ([], [], [])
    page.evaluate("window.hidden = false; document.dispatchEvent(new Event('prerenderingchange'))")
    collector.hit("event")
    assert [hit["kind"] for hit in collector.hits()] == ["page", "event"]


def test_a_page_that_comes_back_from_the_cache_counts_again(page: Page, website: Website, collector: Collector) -> None:
    website.put("/")
    page.goto(website.at(), referer="https://www.google.com/")
    collector.hit("page")
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    # Not Google again: the visitor has pressed "back".
    assert collector.hit("page", 2)["referrer"] == website.at()


# ---- The visitor's cookie


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("www.shop.test", ".shop.test"),
        ("a.b.shop.test", ".shop.test"),
        ("shop.test", ".shop.test"),
        ("www.example.co.jp", ".example.co.jp"),
        ("localhost", "localhost"),
        ("127.0.0.1", "127.0.0.1"),
    ],
)
def test_the_cookie_belongs_to_the_whole_site_and_to_no_more(
    page: Page, website: Website, collector: Collector, host: str, domain: str
) -> None:
    website.put("/")
    page.goto(website.at("/", host))
    collector.hit("page")
    cookie = visitor_cookie(page.context)
    assert cookie["domain"] == domain
    assert (cookie["path"], cookie["sameSite"], cookie["secure"], cookie["httpOnly"]) == (
        "/",
        "Lax",
        False,
        False,
    )
    assert re.fullmatch(r"[0-9]{26}(\.[0-9]{3})?", str(cookie["value"]))
    assert str(cookie["value"]).startswith(collector.visitors()[0])
    assert abs(float(str(cookie["expires"])) - time.time() - 395 * 86_400) < 60


def test_the_cookie_is_secure_on_https(page: Page) -> None:
    def serve(route: Route) -> None:
        if route.request.url.endswith("/m.js"):
            route.fulfill(content_type="text/javascript", body=SNIPPET)
        elif route.request.url.endswith("/m/e"):
            route.fulfill(status=204)
        else:
            tag = '<script async src="/m.js" data-site="KEY"></script>'
            route.fulfill(content_type="text/html", body=f"<!doctype html><title>Safe</title>{tag}")

    page.context.route("https://www.shop.test/**", serve)
    with page.expect_request("**/m/e"):
        page.goto("https://www.shop.test/")
    assert visitor_cookie(page.context)["secure"] is True
    assert visitor_cookie(page.context)["domain"] == ".shop.test"


def test_a_visitor_keeps_the_id_on_all_pages_and_hosts_of_a_site(
    page: Page, website: Website, collector: Collector
) -> None:
    places = [("/", "www.shop.test"), ("/b", "www.shop.test"), ("/", "blog.shop.test")]
    for nth, (path, host) in enumerate(places, 1):
        website.put(path)
        page.goto(website.at(path, host))
        collector.hit("page", nth)
    assert len(set(collector.visitors())) == 1
    page.goto(website.at("/", "www.other.test"))
    collector.hit("page", 4)
    assert len(set(collector.visitors())) == 2


def test_each_visit_renews_the_cookie(page: Page, website: Website, collector: Collector) -> None:
    old = {"name": "_mnm", "value": "x" * 22, "domain": ".shop.test", "path": "/", "expires": time.time() + 900}
    page.context.add_cookies([old])
    website.put("/")
    page.goto(website.at())
    collector.hit("page")
    (cookie,) = page.context.cookies()
    assert (str(cookie["value"]).partition(".")[0], cookie["domain"]) == ("x" * 22, ".shop.test")
    assert cookie["expires"] > time.time() + 394 * 86_400
    assert collector.visitors() == ["x" * 22]


def test_two_browsers_are_two_visitors(new_context: NewContext, website: Website, collector: Collector) -> None:
    website.put("/")
    for nth in (1, 2):
        new_context().new_page().goto(website.at())
        collector.hit("page", nth)
    assert len(set(collector.visitors())) == 2


def test_a_page_without_cookies_and_storage_still_counts(page: Page, website: Website, collector: Collector) -> None:
    """A sandboxed frame: reading document.cookie or sessionStorage throws a SecurityError."""
    website.put("/inner")
    frame = website.at("/inner")
    outer = f'<!doctype html><title>outer</title><iframe sandbox="allow-scripts" src="{frame}"></iframe>'
    website.pages["/"] = Document(outer)
    page.goto(website.at())
    assert collector.hit("page")["url"] == frame
    page.frames[1].evaluate("minamoto('event', 'again')")
    collector.hit("event")
    assert re.fullmatch(r"[0-9]{26}", collector.visitors()[0])
    assert len(set(collector.visitors())) == 1


def test_a_page_whose_storage_throws_still_counts(page: Page, website: Website, collector: Collector) -> None:
    trap = "{ get() { throw new DOMException('denied', 'SecurityError') }, set() { throw new Error('denied') } }"
    traps = f"""<script>
        Object.defineProperty(document, 'cookie', {trap});
        Object.defineProperty(window, 'sessionStorage', {trap});
    </script>"""
    website.put("/", head=traps)
    page.goto(website.at())
    assert UUID(collector.hit("page")["id"]).version == 7
    assert re.fullmatch(r"[0-9]{26}", collector.visitors()[0])


def test_a_foreign_cookie_with_our_name_is_replaced(page: Page, website: Website, collector: Collector) -> None:
    website.put("/")
    page.context.add_cookies([{"name": "_mnm", "value": "<b>", "domain": ".shop.test", "path": "/"}])
    page.goto(website.at())
    collector.hit("page")
    assert re.fullmatch(r"[0-9]{26}", collector.visitors()[0])
    assert str(visitor_cookie(page.context)["value"]).startswith(collector.visitors()[0])


# ---- Delivery


@pytest.mark.parametrize("missing", ["visibilitychange", "pagehide"])
def test_a_hit_leaves_with_the_page(page: Page, website: Website, collector: Collector, missing: str) -> None:
    """Browsers differ in which of the two events they send; one is enough."""
    stop = f"addEventListener('{missing}', (event) => event.stopImmediatePropagation(), true)"
    website.put("/", head=f"<script>{stop}</script>")
    page.goto(website.at())
    collector.hit("page")
    page.evaluate("minamoto('event', 'last'); location.href = '/away'")
    assert collector.hit("event")["name"] == "last"
    page.wait_for_url("**/away")  # a context that is closed on the way to a page may never close


def test_a_hit_leaves_with_the_tab(page: Page, website: Website, collector: Collector) -> None:
    website.put("/")
    page.goto(website.at())
    collector.hit("page")
    page.evaluate("minamoto('event', 'last')")
    page.close(run_before_unload=True)
    assert collector.hit("event")["name"] == "last"


@pytest.mark.parametrize("trouble", ["429", "500", "503", "no answer"])
def test_what_the_collector_could_not_take_comes_again_under_the_same_id(
    page: Page, noises: Noises, website: Website, collector: Collector, trouble: str
) -> None:
    noises.expected = "Failed to load resource"
    collector.status, collector.deaf = (204, True) if trouble == "no answer" else (int(trouble), False)
    website.put("/", title="first")
    website.put("/second", title="second")
    page.goto(website.at())
    lost = collector.hit("page")
    # One more request that fails: when the page knows of it, the snippet knows of its own.
    page.evaluate("url => fetch(url, { method: 'POST' }).catch(() => 0)", collector.origin)
    assert page.evaluate(f"{UNANSWERED}[0].id") == lost["id"]
    collector.status, collector.deaf = 204, False
    page.goto(website.at("/second"))
    collector.wait_for(lambda: titles(collector)[-1] == "second")
    assert titles(collector)[-2:] == ["first", "second"]
    assert {json.dumps(hit) for hit in collector.offers() if hit["title"] == "first"} == {json.dumps(lost)}

    n_before = len(collector.offers())
    page.wait_for_function(f"{UNANSWERED}.length === 0")
    page.goto(website.at("/second"))
    collector.wait_for(lambda: len(collector.offers()) > n_before)
    assert titles(collector)[n_before:] == ["second"]


@pytest.mark.parametrize("status", [400, 403, 404, 413])
def test_what_the_collector_refuses_is_not_offered_again(
    page: Page, noises: Noises, website: Website, collector: Collector, status: int
) -> None:
    noises.expected = "Failed to load resource"
    collector.status = status
    website.put("/", title="first")
    website.put("/second", title="second")
    page.goto(website.at())
    collector.hit("page")
    page.wait_for_function(f"{UNANSWERED}.length === 0")
    page.goto(website.at("/second"))
    collector.hit("page", 2)
    assert titles(collector) == ["first", "second"]


def test_a_slow_collector_delays_nothing(page: Page, website: Website, collector: Collector) -> None:
    website.put("/", SEND)
    collector.slow.clear()
    page.goto(website.at(), wait_until="load")
    collector.hit("page")
    page.click("button")
    page.wait_for_url("**/thanks")
    assert collector.hit("form")["identifiers"] == {"email": "a@b.test"}


def test_it_needs_only_two_permissions_of_a_content_security_policy(
    page: Page, website: Website, collector: Collector
) -> None:
    policy = f"default-src 'none'; script-src {collector.origin}; connect-src {collector.origin}"
    website.put("/", SEND, csp=f"{policy}; form-action 'self'; base-uri 'none'; require-trusted-types-for 'script'")
    page.goto(website.at())
    collector.hit("page")
    page.click("button")
    assert collector.hit("form")["identifiers"] == {"email": "a@b.test"}


def test_a_page_with_broken_prototypes_works_and_counts(page: Page, website: Website, collector: Collector) -> None:
    broken = """<script>
        Array.prototype.last = function () { return this[this.length - 1] };
        Object.prototype.extra = function () { return 1 };
        const fetched = window.fetch;
        window.fetch = function (...values) { window.told = values[1]; return fetched.apply(this, values) };
    </script>"""
    website.put("/", head=broken)
    page.goto(website.at())
    collector.hit("page")
    page.evaluate("""
        HTMLFormElement.prototype.submit = () => {};
        history.pushState = () => { throw new Error('mine') };
        JSON.stringify = () => { throw new Error('mine') };
        minamoto('event', 'x');
        document.dispatchEvent(new Event('visibilitychange'));
    """)
    assert page.evaluate("told.keepalive") is True


# ---- Commands


def test_commands_given_before_the_script_has_loaded_are_kept(
    page: Page, website: Website, collector: Collector
) -> None:
    early = """<script>
        minamoto('event', 'demo', { seats: 3 });
        minamoto('identify', { email: 'Jo@Acme.test', phone: 1234567890 });
    </script>"""
    website.put("/", head=STUB + early)
    page.goto(website.at())
    event = collector.hit("event")
    assert (event["name"], event["props"], event["url"]) == ("demo", {"seats": 3}, website.at())
    assert collector.hit("identify")["identifiers"] == {"email": "Jo@Acme.test", "phone": "1234567890"}


def test_props_are_flat_and_never_spoil_the_beacon(page: Page, website: Website, collector: Collector) -> None:
    website.put("/")
    page.goto(website.at())
    collector.hit("page")
    page.evaluate("""
        const loop = {}; loop.self = { loop };
        minamoto('event', 'loop', { big: 1n });
        minamoto('event', '');
        minamoto('nonsense', 1);
        minamoto('identify');
        minamoto();
        const odd = { list: [1, 'b'], deep: { a: 1 }, no: null, not: NaN, yes: true, gone: undefined };
        minamoto('event', 'x'.repeat(999), odd);
    """)
    hit = collector.hit("event")
    assert hit["name"] == "x" * 100
    assert hit["props"] == {"list": "1,b", "deep": "[object Object]", "no": None, "not": None, "yes": True}
    assert [each["kind"] for each in collector.hits()] == ["page", "event"]


def test_half_a_character_in_a_title_becomes_none(page: Page, website: Website, collector: Collector) -> None:
    website.put("/", "<script>document.title = 'cut \\ud83d'</script>")
    page.goto(website.at())
    assert collector.hit("page")["title"] == "cut "
    assert "\\ud83d" not in collector.beacons()[0].body


def test_the_page_command_counts_a_view(page: Page, website: Website, collector: Collector) -> None:
    website.put("/")
    page.goto(website.at())
    collector.hit("page")
    page.evaluate("minamoto('page')")
    assert collector.hit("page", 2)["url"] == website.at()


# ---- Consent


def test_global_privacy_control_stores_and_sends_nothing(
    page: Page, website: Website, collector: Collector, beacons: list[str]
) -> None:
    page.context.add_cookies([{"name": "_mnm", "value": "x" * 22, "domain": ".shop.test", "path": "/"}])
    website.put("/", SEND, head=GPC + STUB)
    page.goto(website.at())
    page.wait_for_function("!minamoto.q")
    page.evaluate(
        "minamoto('consent', true); minamoto('event', 'x'); minamoto('page'); history.pushState({}, '', '/b')"
    )
    assert kept(page) == ""
    page.click("button")
    page.wait_for_url("**/thanks")
    assert website.posts()[0].form() == {"mail": "a@b.test"}
    assert (beacons, collector.beacons(), page.context.cookies()) == ([], [], [])


def test_opt_in_stores_and_sends_nothing_without_consent(
    page: Page, website: Website, collector: Collector, beacons: list[str]
) -> None:
    form = "<form method=get action=/thanks><input name=mail value=a@b.test><button>Send</button></form>"
    website.put("/", form, data_consent="opt-in")
    page.goto(website.at())
    page.wait_for_function("!!window.minamoto")
    page.evaluate(
        "minamoto('event', 'x'); minamoto('identify', { email: 'a@b.test' }); history.pushState({}, '', '/b')"
    )
    assert kept(page) == ""
    page.click("button")
    page.wait_for_url("**/thanks?*")
    assert kept(page) == ""
    assert (beacons, collector.beacons(), page.context.cookies()) == ([], [], [])


def test_consent_sends_what_the_page_saw_from_the_start(page: Page, website: Website, collector: Collector) -> None:
    website.put("/", data_consent="opt-in")
    page.goto(website.at(CAMPAIGN), referer="https://www.google.com/")
    page.wait_for_function("!!window.minamoto")
    page.evaluate("history.pushState({}, '', '/b'); minamoto('consent', true)")
    first, second = collector.hit("page"), collector.hit("page", 2)
    assert (first["url"], first["referrer"]) == (website.at(CAMPAIGN), "https://www.google.com/")
    assert second["url"] == website.at("/b")
    assert json.loads(collector.beacons()[0].body)["consent"] == "granted"

    page.goto(website.at("/"))  # the cookie remembers the consent
    collector.hit("page", 3)
    assert set(collector.visitors()) == {str(visitor_cookie(page.context)["value"]).partition(".")[0]}


def test_refusal_clears_the_cookie_and_ends_everything(page: Page, website: Website, collector: Collector) -> None:
    website.put("/", data_consent="opt-in")
    page.goto(website.at())
    page.wait_for_function("!!window.minamoto")
    page.evaluate("minamoto('consent', true)")
    collector.hit("page")
    page.evaluate("minamoto('consent', false)")
    assert kept(page) == "_mnmoff=1"
    (cookie,) = page.context.cookies()
    assert 0 < cookie["expires"] - time.time() <= 60  # as long as an answer may be under way
    page.evaluate("minamoto('event', 'unseen'); history.pushState({}, '', '/unseen')")
    page.evaluate("history.pushState({}, '', '/seen'); minamoto('consent', true)")
    assert collector.hit("page", 2)["url"] == website.at("/seen")
    assert len(collector.hits()) == 2
    assert len(set(collector.visitors())) == 2


def test_refusal_before_the_script_has_loaded_stores_nothing(
    page: Page, website: Website, collector: Collector, beacons: list[str]
) -> None:
    website.put("/", head=STUB + "<script>minamoto('consent', false)</script>")
    page.goto(website.at())
    page.wait_for_function("minamoto.loaded")
    page.goto(website.at("/away"))
    assert (beacons, collector.beacons()) == ([], [])
    assert [cookie["name"] for cookie in page.context.cookies()] == ["_mnmoff"]  # the refusal, and no visitor
