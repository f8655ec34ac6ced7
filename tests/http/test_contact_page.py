"""One contact's page: who told the name, how pages were read, chats in the visit they were in."""

import re
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from tests.people import ON_BOTH, SQLITE_ONLY
from tests.world import ALICE, PASSWORD, START, World
from tracker.access.sites import set_tracking
from tracker.access.tracking import changed
from tracker.db.schema import contacts
from tracker.db.store import begin, reading

pytestmark = SQLITE_ONLY
HANA = "hana@kyoto.example"
HOSTILE = '"><script>alert(1)</script>'


@pytest.fixture
def client(world: World) -> FlaskClient:
    """Alice's browser, logged in; the site takes names and companies."""
    world.people()
    with begin(world.store) as tx:
        set_tracking(tx, world.acme, changed(world.acme.tracking, {"fields": ["phone", "name", "company"]}))
    browser = world.app.test_client()
    token = re.search(r'name="csrf_token" value="([^"]+)"', browser.get("/login").text)
    assert token
    browser.post("/login", data={"email": ALICE, "password": PASSWORD, "csrf_token": token[1], "next": ""})
    return browser


def contact_id(world: World) -> str:
    world.fold()
    with reading(world.store) as tx:
        return tx.execute(select(contacts.c.contact_id)).scalar_one()


def page_of(client: FlaskClient, world: World, language: str = "en") -> str:
    answer = client.get(f"/contacts/{contact_id(world)}?site=acmekey&lang={language}")
    assert answer.status_code == 200
    return answer.text


def events(html: str) -> list[str]:
    """What is listed inside the visits, as it reads."""
    items = re.findall(r'<li class="event .*?</li>', html, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]*>", " ", item).split()) for item in items]


def form(world: World, minute: int, **more: Any) -> dict[str, Any]:
    about = {"form": {"id": "contact"}, "identifiers": {"email": HANA}}
    return world.hit("form", "/contact", START + timedelta(minutes=minute), title="Contact", **about | more)


def test_a_journey_says_how_long_and_how_far_down_a_page_was_read(client: FlaskClient, world: World) -> None:
    for title, engaged, scroll in [("a", 42_400, 80), ("b", 185_000, 0), ("c", 3_700_000, 100)]:
        page = world.hit("page", "/", title=title)
        world.browse("v", page)
        world.clock.forward(minutes=2)
        leave = world.hit("leave", "/", page=page["id"], engaged=engaged, scroll=scroll)
        assert world.browse("v", leave).status_code == 204
    world.browse("v", world.hit("page", "/", title="d"))
    world.clock.forward(minutes=2)
    world.browse("v", form(world, 8))
    assert events(page_of(client, world))[:4] == [
        "12:00 a / · 42 s, 80% read",
        "12:02 b / · 3 min 5 s",
        "12:04 c / · 1 h 1 min, 100% read",
        "12:06 d /",
    ]
    japanese = events(page_of(client, world, "ja"))
    assert "42秒、80%まで閲覧" in japanese[0]
    assert "3分5秒" in japanese[1]


def test_a_chat_stands_in_the_visit_it_was_in(client: FlaskClient, world: World) -> None:
    chat = {"chat": {"provider": "crisp", "id": "s-1"}, "identifiers": {"email": HANA}}
    world.browse("v", world.hit("page", "/", title="Tea"), world.hit("chat", "/", title="Tea", **chat))
    html = page_of(client, world)
    assert events(html) == ["12:00 Tea /", "12:00 Chat Tea crisp /"]
    assert "ch-offline" not in html


@ON_BOTH
def test_name_and_company_stand_with_what_told_them(client: FlaskClient, world: World) -> None:
    world.browse("v", form(world, 0, fields={"name": "Hana Sato", "company": "Kyoto Tea"}))
    html = page_of(client, world)
    assert re.search(r'<h1 title="from a form">.*Hana Sato', html)
    assert re.search(r'<li title="from a form">.*Kyoto Tea', html)
    world.program(world.token).put("/contacts", {"email": HANA, "name": "佐藤花"})
    html = page_of(client, world, "ja")
    assert re.search(r'<h1 title="CRMから">.*佐藤花', html)
    assert re.search(r'<li title="フォームから">.*Kyoto Tea', html)


def test_programs_hear_the_same(client: FlaskClient, world: World) -> None:
    page = world.hit("page", "/", title="Tea")
    leave = world.hit("leave", "/", page=page["id"], engaged=42_500, scroll=80)
    world.browse("v", page, leave, form(world, 1, fields={"name": "Hana Sato", "company": "Kyoto Tea"}))
    crm, who = world.program(world.token), contact_id(world)
    told = crm.get(f"/contacts/{who}").json
    assert told
    assert (told["name"], told["company_name"]) == ("Hana Sato", "Kyoto Tea")
    way = crm.get(f"/contacts/{who}/journey").json
    assert way
    assert [(one["kind"], one["engaged_s"], one["scroll"]) for one in way["data"]] == [
        ("visit", None, None),
        ("page", 42.5, 80),
        ("form", None, None),
    ]


def test_what_strangers_told_is_only_ever_text(client: FlaskClient, world: World) -> None:
    chat = {"chat": {"provider": HOSTILE, "id": HOSTILE}, "identifiers": {"email": HANA}}
    told = {"name": HOSTILE, "company": HOSTILE}
    world.browse("v", form(world, 0, fields=told, form={"id": HOSTILE, "provider": HOSTILE}))
    world.browse("v", world.hit("chat", "/", title=HOSTILE, fields=told, **chat))
    html = page_of(client, world)
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert" in html


def test_the_page_of_who_is_merged_leads_to_the_one_that_stays_for_now(client: FlaskClient, world: World) -> None:
    stays, crm = world.walk(), world.program(world.token)
    other = crm.put("/contacts", {"email": "hana@home.example"}).json
    assert other is not None
    assert crm.post(f"/contacts/{other['id']}/merge", {"into": {"id": stays}}).status_code == 200
    answer = client.get(f"/contacts/{other['id']}?site=acmekey&_scheme=javascript")
    assert (answer.status_code, answer.location) == (302, f"/contacts/{stays}?site=acmekey")
    crm.post(f"/contacts/{other['id']}/split", {})
    assert client.get(f"/contacts/{other['id']}?site=acmekey").status_code == 200
