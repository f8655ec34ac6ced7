"""GET /r/LINK: leads to one address only, counts people's clicks, and says nothing of whom a link is for."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from api.website.routes import KEPT, Pace
from tests.people import SQLITE_ONLY
from tests.world import AGENT, Program, World
from tracker.access.sites import set_tracking
from tracker.access.tracking import changed
from tracker.collect.rate import RateLimit
from tracker.db.schema import mail_events
from tracker.db.store import begin, reading

pytestmark = SQLITE_ONLY
URL = "https://www.acme.example/tour?a=1#top"
HEADERS = {"User-Agent": AGENT}


@pytest.fixture
def link(crm: Program) -> str:
    answer = crm.post("/mail/links", {"programme": "welcome", "step": "2", "url": URL})
    assert answer.json is not None
    return str(answer.json["id"])


@pytest.fixture
def reader(world: World) -> FlaskClient:
    return world.app.test_client()


def clicks(world: World) -> list[Any]:
    with reading(world.store) as tx:
        return list(tx.execute(select(mail_events.c.email, mail_events.c.contact_id, mail_events.c.step)).all())


def test_it_leads_on_with_its_source_and_counts_the_click(world: World, reader: FlaskClient, link: str) -> None:
    answer = reader.get(f"/r/{link}", headers=HEADERS)
    assert (answer.status_code, answer.headers["Location"]) == (
        302,
        "https://www.acme.example/tour?a=1&utm_source=email&utm_medium=email&utm_campaign=welcome&utm_content=2#top",
    )
    assert (answer.headers["Cache-Control"], "Set-Cookie" in answer.headers) == ("no-store", False)
    assert [tuple(one) for one in clicks(world)] == [("", None, "2")]


def test_nothing_in_the_request_changes_where_it_leads(reader: FlaskClient, link: str) -> None:
    there = reader.get(f"/r/{link}", headers=HEADERS).headers["Location"]
    for query in (
        "url=https://evil.example",
        "next=//evil.example&utm_source=x",
        "c=%0d%0aLocation:%20https://evil.example",
        "c=" + "A" * 3_000,
        "c=é",
    ):
        answer = reader.get(f"/r/{link}?{query}", headers={**HEADERS, "Host": "evil.example"})
        assert (answer.status_code, answer.headers["Location"]) == (302, there)
    for unknown in ("nothing", "x" * 500, "%00", "..%2f", link + "x"):
        assert reader.get(f"/r/{unknown}", headers=HEADERS).status_code == 404


def test_a_personal_link_is_its_persons_and_cannot_be_read_or_moved(
    world: World, crm: Program, reader: FlaskClient, link: str
) -> None:
    person = (crm.put("/contacts", {"email": "hana@kyoto.example", "crm_id": "C-1"}).json or {})["id"]
    mine = (crm.get(f"/mail/links/{link}/for?contact={person}").json or {})["link"]
    theirs = (crm.get(f"/mail/links/{link}/for?email=Ken@Kyoto.example").json or {})["link"]
    for address in (mine, theirs):
        for readable in ("hana", "kyoto", person, "a2VuQ"):
            assert readable not in address
    other = (crm.post("/mail/links", {"programme": "other", "url": URL}).json or {})["id"]
    token = mine.partition("?c=")[2]
    for address in (mine, theirs, f"/r/{other}?c={token}", f"/r/{link}?c={token[:-2]}"):
        assert reader.get(address, headers=HEADERS).status_code == 302
    assert [tuple(one)[:2] for one in clicks(world)] == [
        ("hana@kyoto.example", person),
        ("ken@kyoto.example", None),
        ("", None),
        ("", None),
    ]


def test_who_is_nobody_or_minds_is_led_on_and_not_counted(world: World, reader: FlaskClient, link: str) -> None:
    for headers in (
        {"User-Agent": "Googlebot/2.1 (+http://www.google.com/bot.html)"},
        {"User-Agent": ""},
        {"User-Agent": "curl/8.0"},
        {**HEADERS, "Sec-Purpose": "prefetch;prerender"},
        {**HEADERS, "Purpose": "prefetch"},
        {**HEADERS, "Sec-GPC": "1"},
    ):
        assert reader.get(f"/r/{link}", headers=headers).status_code == 302
        assert clicks(world) == [], headers


def test_asking_for_the_head_counts_nothing(world: World, reader: FlaskClient, link: str) -> None:
    assert reader.head(f"/r/{link}", headers=HEADERS).status_code == 302
    assert clicks(world) == []


def test_where_the_site_does_not_honour_it_who_minds_is_counted(world: World, reader: FlaskClient, link: str) -> None:
    with begin(world.store) as tx:
        set_tracking(tx, world.acme, changed(world.acme.tracking, {"gpc": False}))
    assert reader.get(f"/r/{link}", headers={**HEADERS, "Sec-GPC": "1"}).status_code == 302
    assert len(clicks(world)) == 1


def test_one_address_is_led_on_more_often_than_it_is_counted(world: World, reader: FlaskClient, link: str) -> None:
    world.app.extensions[KEPT][Pace.CLICKS] = RateLimit(3 / 60, burst_s=60)
    for _ in range(5):
        assert reader.get(f"/r/{link}", headers=HEADERS).status_code == 302
    assert len(clicks(world)) == 3
    world.clock.forward(minutes=1)
    reader.get(f"/r/{link}", headers=HEADERS)
    assert len(clicks(world)) == 4
