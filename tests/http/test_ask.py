"""What a page asks the collector: who is answered, who is refused as a beacon would be, and what touches are told."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from api import create_app
from tests.world import START, World
from tracker.db.schema import hits, refusals
from tracker.db.store import reading

PAGE = "https://www.acme.example/"
AD = "/?utm_source=google&utm_medium=cpc&utm_campaign=spring&gclid=Abc-1"
GOOGLE = "https://www.google.com/"


def a_question(**changed: Any) -> dict[str, Any]:
    question = {"v": 1, "site": "acmekey", "visitor": "hana".ljust(16, "0"), "ask": "touches", "url": PAGE}
    return question | changed


def ask(world: World, body: object = None, headers: Mapping[str, str] | None = None) -> TestResponse:
    data = body if isinstance(body, bytes) else json.dumps(body or a_question()).encode()
    return world.app.test_client().post("/m/e?ask", data=data, content_type="text/plain", headers=dict(headers or {}))


def refused(world: World) -> dict[str, int]:
    world.app.extensions["minamoto"].door.commit.kick()
    world.browse("somebody", world.hit("page", "/"))  # what is counted is written with the next commit
    with reading(world.store) as tx:
        return {row.reason: row.n for row in tx.execute(select(refusals.c.reason, refusals.c.n))}


REFUSED: dict[str, tuple[object, dict[str, str], int, str]] = {
    "broken JSON": (b"{bad", {}, 400, "malformed"),
    "no JSON object": (b"[]", {}, 400, "malformed"),
    "nothing": (b" ", {}, 400, "malformed"),
    "not UTF-8": (b'{"v":1,"site":"\xff"}', {}, 400, "malformed"),
    "nested without end": (b"[" * 60_000, {}, 400, "malformed"),
    "another version": (a_question(v=2), {}, 400, "malformed"),
    "a question that nobody knows": (a_question(ask="secrets"), {}, 400, "malformed"),
    "no question": ({**a_question(), "ask": None}, {}, 400, "malformed"),
    "a short visitor": (a_question(visitor="hana"), {}, 400, "malformed"),
    "a site with strange characters": (a_question(site="\x00"), {}, 400, "malformed"),
    "a huge body": (b"x" * 70_000, {}, 413, "too_large"),
    "an unknown site": (a_question(site="nobody"), {}, 404, "unknown_site"),
    "another host": (a_question(url="https://evil.example/"), {}, 403, "foreign_host"),
    "another origin": (a_question(), {"Origin": "https://evil.example"}, 403, "foreign_host"),
    "no address and no origin": (a_question(url=""), {}, 403, "foreign_host"),
    "no address and an origin that is hidden": (a_question(url=""), {"Origin": "null"}, 403, "foreign_host"),
    "a browser with Global Privacy Control": (a_question(), {"Sec-GPC": "1"}, 403, "opted_out"),
    "a page fetched ahead": (a_question(), {"Sec-Purpose": "prefetch"}, 403, "prefetch"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_bad_question_is_refused_as_a_beacon_is_and_counted(world: World, what: str) -> None:
    body, headers, status, reason = REFUSED[what]
    answer = ask(world, body, headers)
    assert (answer.status_code, answer.headers.get("X-Minamoto"), answer.data) == (status, reason, b"")
    assert answer.headers["Access-Control-Expose-Headers"] == "X-Minamoto"
    assert answer.headers["Cache-Control"] == "no-store"
    assert refused(world) == {reason: 1}


def test_an_answer_is_json_that_the_asking_page_may_read_and_nobody_keeps(world: World) -> None:
    own = {"Origin": "https://www.acme.example", "Host": "track.acme.example", "Sec-Fetch-Site": "same-site"}
    answer = ask(world, a_question(), own)
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    assert answer.headers["Access-Control-Allow-Origin"] == "https://www.acme.example"
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in answer.headers
    elsewhere = {"Origin": "https://www.acme.example", "Host": "track.example.net", "Sec-Fetch-Site": "cross-site"}
    assert ask(world, a_question(), elsewhere).headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("origin", ["https://www.acme.example", "https://shop.acme.example:8443"])
def test_a_page_that_hides_its_address_is_known_by_its_origin(world: World, origin: str) -> None:
    assert ask(world, a_question(url=""), {"Origin": origin}).status_code == 200


def test_a_question_writes_nothing_into_the_journal(world: World) -> None:
    ask(world)
    with reading(world.store) as tx:
        assert tx.execute(select(hits)).all() == []


def test_who_asks_too_much_is_told_to_wait(world: World) -> None:
    slow = world.settings.model_copy(update={"rate_per_address": 1})
    world.app = create_app(slow, engine=world.store, now=world.clock)
    answers = [ask(world) for _ in range(40)]  # ten at once and one a second
    late = [answer for answer in answers if answer.status_code == 429]
    assert late
    assert late[0].headers["X-Minamoto"] == "rate_limited"
    assert int(late[0].headers["Retry-After"]) >= 1


# What the visitor did before (minutes before the question, address, referrer; 'fold' or not), where the page that asks
# was landed on, and the channel, source and campaign of the first and of the last touch.
Told = tuple[str, str, str | None]
AD_TOUCH: Told = ("paid_search", "google", "spring")
DIRECT: Told = ("direct", "(direct)", None)
SEARCH: Told = ("organic_search", "google", None)
MAIL: Told = ("email", "newsletter", "april")
NEWS = "/news?utm_source=newsletter&utm_medium=email&utm_campaign=april"
TOUCHES: dict[str, tuple[list[tuple[int, str, str]], str, str, Told, Told]] = {
    "nobody knows the visitor and the page tells nothing": ([], "/", "", DIRECT, DIRECT),
    "the very first page came by an ad": ([], AD, GOOGLE, AD_TOUCH, AD_TOUCH),
    "the very first page came from a search": ([], "/", GOOGLE, SEARCH, SEARCH),
    "the page before came by an ad": ([(1, AD, GOOGLE)], "/pricing", PAGE, AD_TOUCH, AD_TOUCH),
    "an ad, then a mail": ([(5_000, AD, GOOGLE)], NEWS, "", AD_TOUCH, MAIL),
    "an ad, a mail, then a page by itself": ([(5_000, AD, GOOGLE), (600, NEWS, "")], "/", "", AD_TOUCH, MAIL),
    "direct first, then an ad: direct earns nothing": ([(5_000, "/", "")], AD, "", AD_TOUCH, AD_TOUCH),
    "direct again and again": ([(5_000, "/", "")], "/pricing", "", DIRECT, DIRECT),
    "the same page asks again": ([(1, AD, GOOGLE)], AD, GOOGLE, AD_TOUCH, AD_TOUCH),
    "the site's own page sent the visitor": ([(1, AD, GOOGLE)], "/b", "https://acme.example/", AD_TOUCH, AD_TOUCH),
    "a payment provider sent the visitor back": (
        [(9, AD, GOOGLE)],
        "/thanks",
        "https://www.paypal.com/",
        AD_TOUCH,
        AD_TOUCH,
    ),
}


@pytest.mark.parametrize("is_folded", [True, False], ids=["folded", "waiting"])
@pytest.mark.parametrize("what", TOUCHES)
def test_first_and_last_touch(world: World, what: str, is_folded: bool) -> None:
    before, url, referrer, first, last = TOUCHES[what]
    asked_at = START + timedelta(days=5)
    for minutes, path, came_from in before:
        world.clock.at = asked_at - timedelta(minutes=minutes)
        world.browse("hana", world.hit("page", path, referrer=came_from))
    world.browse("taro", world.hit("page", "/?utm_source=x&utm_medium=social", referrer="https://t.co/a"))
    if is_folded:
        world.fold()
    world.clock.at = asked_at
    found = ask(world, a_question(url=f"https://www.acme.example{url}", referrer=referrer)).json
    assert found is not None
    assert {when: (one["channel"], one["source"], one.get("campaign")) for when, one in found.items()} == {
        "first": first,
        "last": last,
    }


def test_a_touch_is_told_with_all_its_names_and_its_click_ids(world: World) -> None:
    found = ask(world, a_question(url=f"https://www.acme.example{AD}&fbclid=F1&utm_term=tea", referrer=GOOGLE)).json
    assert found is not None
    assert (
        found["first"]
        == found["last"]
        == {
            "channel": "paid_search",
            "source": "google",
            "medium": "cpc",
            "campaign": "spring",
            "term": "tea",
            "landing_page": "/",
            "referrer": GOOGLE,
            "at": world.clock.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "gclid": "Abc-1",
            "fbclid": "F1",
        }
    )


def test_a_touch_that_was_folded_keeps_its_instant(world: World) -> None:
    at = world.clock.at
    world.browse("hana", world.hit("page", AD, referrer=GOOGLE))
    world.fold()
    world.clock.forward(minutes=20)
    found = ask(world, a_question(url=f"https://www.acme.example{AD}", referrer=GOOGLE)).json
    assert found is not None
    assert found["last"]["at"] == at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_nobody_hears_of_another_sites_visitor_of_the_same_id(world: World) -> None:
    world.browse("hana", world.hit("page", AD, referrer=GOOGLE))
    world.fold()
    found = ask(world, a_question(site="carolkey", url="https://carol.example/")).json
    assert found is not None
    assert found["first"]["channel"] == "direct"


def test_what_strangers_write_into_addresses_is_only_text(world: World) -> None:
    url = PAGE + "?utm_source=%3Cscript%3E&utm_medium=\x00&gclid=" + "x" * 5_000
    answer = ask(world, a_question(url=url, referrer="javascript:alert(1)"))
    assert answer.status_code == 200
    assert len(answer.data) < 4_000
