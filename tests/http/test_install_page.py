"""The installing page: the tag, the check in words, and the settings, which only an owner may change."""

import json
import re
from collections.abc import Iterator
from contextlib import closing

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.browser.origins import Collector, Website
from tests.people import ON_BOTH, SQLITE_ONLY
from tests.world import AGENT, ALICE, BOB, PASSWORD, World
from tracker.access.sites import add_site, find_site, set_tracking
from tracker.access.tracking import ADAPTERS, Tracking
from tracker.checkhit import new_nonce
from tracker.clock import to_ms
from tracker.db.store import begin, reading

pytestmark = SQLITE_ONLY


@pytest.fixture
def client(world: World) -> FlaskClient:
    """A browser of somebody who has not logged in yet."""
    world.people()
    return world.app.test_client()


@pytest.fixture
def website() -> Iterator[Website]:
    """A web server on this machine."""
    with closing(Collector()) as collector, closing(Website(collector)) as website:
        yield website


def token_of(page: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found
    return found[1]


def log_in(client: FlaskClient, email: str = ALICE) -> None:
    form = {"email": email, "password": PASSWORD, "csrf_token": token_of(client.get("/login").text)}
    assert client.post("/login", data=form).status_code == 302


def post(client: FlaskClient, path: str, **form: object) -> TestResponse:
    token = token_of(client.get("/install").text)
    return client.post(path, data={"csrf_token": token, **form})


def settings_of(world: World, key: str = "acmekey") -> Tracking:
    with reading(world.store) as tx:
        return find_site(tx, key).tracking


def test_the_page_gives_the_tag_of_the_site(client: FlaskClient) -> None:
    log_in(client)
    page = client.get("/install").text
    assert "&lt;script async src=&#34;http://localhost/m.js?site=acmekey&#34;&gt;&lt;/script&gt;" in page
    assert "www.acme.example" in page
    other = client.get("/install?site=carolkey").text
    assert "/m.js?site=carolkey&#34;" in other
    assert "acme.example" not in other.replace(ALICE, "")


@ON_BOTH
def test_an_owner_sets_what_the_snippet_does(client: FlaskClient, world: World) -> None:
    log_in(client)
    answer = post(client, "/install/settings", consent="opt-out", dnt="1", fields=["name"], parts=["tcf", "hubspot"])
    assert answer.status_code == 302
    assert settings_of(world) == Tracking(
        consent="opt-out", gpc=False, dnt=True, fields=("name",), parts=("hubspot", "tcf")
    )
    assert "Saved." in client.get("/install").text
    assert settings_of(world, "carolkey") == Tracking()


def test_the_page_shows_every_setting_as_it_is(client: FlaskClient, world: World) -> None:
    log_in(client)
    everything = Tracking(consent="none", clicks=("outbound",), hash=True, parts=ADAPTERS)  # type: ignore[arg-type]
    with begin(world.store) as tx:
        set_tracking(tx, world.acme, everything)
    page = client.get("/install").text
    shown = {name: set() for name in ("consent", "gpc", "dnt", "fields", "clicks", "hash", "parts")}  # type: ignore[var-annotated]
    for name, value, checked in re.findall(r'name="(\w+)" value="([\w-]+)"( checked)?', page):
        if checked and name in shown:
            shown[name].add(value)
    assert shown == {
        "consent": {"none"},
        "gpc": {"1"},
        "dnt": set(),
        "fields": {"phone"},
        "clicks": {"outbound"},
        "hash": {"1"},
        "parts": set(ADAPTERS),
    }


def test_a_reader_sees_the_settings_and_changes_none(client: FlaskClient, world: World) -> None:
    log_in(client, BOB)
    assert "Only an owner can change this." in client.get("/install").text
    assert post(client, "/install/settings", consent="none").status_code == 403
    assert settings_of(world) == Tracking()


@pytest.mark.parametrize("form", [{}, {"consent": "maybe"}, {"consent": "none", "parts": "../m"}])
def test_settings_that_are_none_are_refused(client: FlaskClient, world: World, form: dict[str, str]) -> None:
    log_in(client)
    assert post(client, "/install/settings", **form).status_code == 422
    assert settings_of(world) == Tracking()


def test_a_form_without_its_token_changes_nothing(client: FlaskClient, world: World) -> None:
    log_in(client)
    assert client.post("/install/settings", data={"consent": "none"}).status_code == 400
    assert client.post("/install/check", data={"url": "https://www.acme.example/"}).status_code == 400
    assert settings_of(world) == Tracking()


def test_settings_go_to_the_site_that_the_form_names(client: FlaskClient, world: World) -> None:
    log_in(client)
    page = client.get("/install").text
    client.get("/install?site=carolkey")  # in another tab
    form = {"csrf_token": token_of(page), "consent": "none", "gpc": "1", "fields": "phone"}
    assert client.post("/install/settings?site=acmekey", data=form).status_code == 302
    assert client.post("/install/settings?site=nobody", data=form).status_code == 404
    assert (settings_of(world).consent, settings_of(world, "carolkey").consent) == ("none", "opt-in")


# ---- Check my site: the page


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://www.evil.example/", "is not one of this site’s hosts"),
        ("https://user:secret@www.acme.example/", "This is no web address."),
        ("ftp://www.acme.example/", "This is no web address."),
        ("https://www.acme.example:22/", "is not looked at, only 80 and 443"),
        ("javascript://www.acme.example/%0aalert(1)", "This is no web address."),
        ("", "This is no web address."),
        ("https://169.254.169.254/latest/meta-data", "is not one of this site’s hosts"),
    ],
)
def test_only_the_sites_own_pages_are_fetched(client: FlaskClient, url: str, said: str) -> None:
    log_in(client)
    answer = post(client, "/install/check", url=url)
    assert answer.status_code == 200
    assert said in answer.text
    assert "javascript:" not in re.sub(r'value="[^"]*"', "", answer.text)


def local_site(world: World, website: Website, consent: str = "none") -> None:
    with begin(world.store) as tx:
        site = add_site(tx, "Here", ["localhost"], now=world.clock(), key="herekey")
        set_tracking(tx, site, Tracking(consent=consent))  # type: ignore[arg-type]


def test_a_page_is_checked_in_words(client: FlaskClient, world: World, website: Website) -> None:
    log_in(client)
    local_site(world, website)
    client.get("/install?site=herekey")
    website.put("/bare")
    answer = post(client, "/install/check?site=herekey", url=f"http://localhost:{website.port}/bare")
    assert "There is a tag with another key" in answer.text
    assert website.requests[-1].path == "/bare"
    japanese = client.get("/install?lang=ja").text
    assert "サイトを確認" in japanese


# ---- Check my site: the hit


def tried(world: World, nonce: str, site: str = "acmekey", **changed: str) -> None:
    hit = world.hit("page", f"/?minamoto_check={nonce}") | changed
    beacon = {"v": 1, "site": site, "visitor": "v" * 22, "sent_at": hit["at"], "hits": [hit]}
    headers = {"User-Agent": AGENT}
    world.app.test_client().post("/m/e", data=json.dumps(beacon), content_type="text/plain", headers=headers)


def test_the_page_that_waits_is_told_of_a_hit(client: FlaskClient, world: World) -> None:
    log_in(client)
    nonce = new_nonce(to_ms(world.clock()))
    before = client.get(f"/install/heard/{nonce}").json
    assert before is not None
    assert before["n"] == 0
    assert "Nothing has come yet." in before["html"]
    assert "This site asks for consent first." in before["html"]
    tried(world, nonce)
    after = client.get(f"/install/heard/{nonce}").json
    assert after is not None
    assert after["n"] == 1
    assert "A hit has come from" in after["html"]
    assert "in Safari 7" in after["html"]
    assert "Open the site by the same link once more." in after["html"]
    assert "without consent" in after["html"]
    tried(world, nonce)
    assert "The browser has kept the cookie" in client.get(f"/install/heard/{nonce}").text
    assert "The browser has kept the cookie" in client.get(f"/install?check={nonce}").text


def test_the_page_that_waits_is_told_why_a_hit_was_refused(client: FlaskClient, world: World) -> None:
    log_in(client)
    nonce = new_nonce(to_ms(world.clock()))
    tried(world, nonce, url=f"https://<b>stage.example/?minamoto_check={nonce}")
    tried(world, nonce, url=f"https://stage.example/?minamoto_check={nonce}")
    found = client.get(f"/install/heard/{nonce}").text
    assert "was refused: Not one of your hosts" in found
    assert "stage.example" in found
    assert "<b>" not in found


def test_a_browser_that_sends_global_privacy_control_is_told_so(client: FlaskClient, world: World) -> None:
    log_in(client)
    nonce = new_nonce(to_ms(world.clock()))
    there = {"Sec-GPC": "1"}
    assert "Global Privacy Control." in client.get(f"/install/heard/{nonce}", headers=there).text
    with begin(world.store) as tx:
        set_tracking(tx, world.acme, Tracking(gpc=False))
    assert "Global Privacy Control." not in client.get(f"/install/heard/{nonce}", headers=there).text


def test_what_is_no_check_is_not_found(client: FlaskClient) -> None:
    log_in(client)
    assert client.get("/install/heard/1").status_code == 404
    assert client.get("/install?check=%3Cscript%3E").status_code == 200
