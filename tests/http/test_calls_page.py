"""The calls page: what came, how far it was followed, and the numbers, which only owners change."""

import re

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from tests.people import ON_BOTH, SQLITE_ONLY
from tests.world import ALICE, BOB, PASSWORD, START, World
from tracker.calls.numbers import add_number, list_numbers
from tracker.db.schema import sites
from tracker.db.store import begin, reading

pytestmark = SQLITE_ONLY
POOL = "+81355550001"
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def seen(world: World) -> World:
    world.people()
    with begin(world.store) as tx:
        add_number(tx, world.acme.site_id, "Asia/Tokyo", POOL, now=START, shown=["03-1111-2222"])
    return world


def log_in(world: World, who: str = ALICE) -> FlaskClient:
    client = world.app.test_client()
    form = {"email": who, "password": PASSWORD, "csrf_token": token_in(client.get("/login").text)}
    assert client.post("/login", data=form).status_code == 302
    return client


def token_in(page: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found
    return found[1]


def send(client: FlaskClient, path: str, **form: str) -> str:
    """Fill in a form of the page; the page that comes then."""
    token = token_in(client.get("/calls").text)
    answer = client.post(f"/calls{path}", data={**form, "csrf_token": token}, follow_redirects=True)
    assert answer.status_code == 200
    return answer.text


def numbers(world: World) -> list[str]:
    with reading(world.store) as tx:
        return [one.number for one in list_numbers(tx, world.acme.site_id)]


def test_a_call_shows_its_number_its_caller_and_where_it_came_from(seen: World) -> None:
    seen.program(seen.token).post(
        "/calls",
        {
            "reference": "1",
            "number": "reception" + HOSTILE,
            "caller": "+819012345678",
            "duration_s": 63,
            "answered": True,
        },
    )
    seen.program(seen.token).post("/calls", {"reference": "2", "number": POOL, "answered": False})
    client = log_in(seen)
    assert "No calls yet" in client.get("/calls").text
    seen.fold()
    page = client.get("/calls").text
    for told in ("+81 90-1234-5678", "+81 3-5555-0001", "1 min 3 s", "Missed", "Number withheld", "No clue", "(call)"):
        assert told in page, told
    assert HOSTILE not in page
    assert "番号非通知" in client.get("/calls?lang=ja").text


@ON_BOTH
def test_a_contacts_call_leads_to_the_contact_and_stands_in_the_journey(seen: World) -> None:
    call = {"reference": "1", "number": POOL, "caller": "+819012345678", "contact": {"email": "hana@kyoto.example"}}
    seen.program(seen.token).post("/calls", call)
    seen.fold()
    client = log_in(seen)
    found = re.search(r'href="(/contacts/[0-9a-f]{32})"', client.get("/calls").text)
    assert found
    assert "No clue" in client.get(found[1]).text


def test_an_owner_adds_and_removes_numbers_and_sets_how_long(seen: World) -> None:
    client = log_in(seen)
    assert "+81 3-5555-0002" in send(
        client, "/numbers", number="０３－５５５５－０００２", shown="03-1111-2222、06-1111-2222"
    )
    page = send(client, "/numbers", number="03-5555-0009", source="brochure" + HOSTILE, campaign="fair")
    assert "brochure" in page
    assert HOSTILE not in page
    assert numbers(seen) == [POOL, "+81355550002", "+81355550009"]
    send(client, "/numbers/remove", number="+81355550002")
    assert numbers(seen) == [POOL, "+81355550009"]
    send(client, "/terms", lease="45", rest="0")
    with reading(seen.store) as tx:
        found = select(sites.c.lease_s, sites.c.lease_rest_s).where(sites.c.key == "acmekey")
        assert tuple(tx.execute(found).one()) == (2700, 0)


@pytest.mark.parametrize(
    ("path", "form", "told"),
    [
        ("/numbers", {"number": "reception", "shown": "03-1111-2222"}, "no phone number"),
        ("/numbers", {"number": "03-5555-0002"}, "or a source; not both"),
        ("/numbers", {"number": POOL, "shown": "03-1111-2222"}, "already"),
        ("/numbers", {"number": "03-5555-0002", "shown": "03-1111-2222", "medium": "print"}, "needs a source"),
        ("/numbers/remove", {"number": "03-5555-0002"}, "no phone number"),
        ("/terms", {"lease": "0", "rest": "60"}, "whole minutes"),
        ("/terms", {"lease": "1.5", "rest": "60"}, "whole minutes"),
        ("/terms", {"lease": "30", "rest": "99999"}, "whole minutes"),
    ],
)
def test_what_makes_no_sense_is_told_and_changes_nothing(
    seen: World, path: str, form: dict[str, str], told: str
) -> None:
    assert told in send(log_in(seen), path, **form)
    assert numbers(seen) == [POOL]


def test_a_viewer_sees_the_numbers_and_cannot_change_them(seen: World) -> None:
    client = log_in(seen, BOB)
    page = client.get("/calls").text
    assert "+81 3-5555-0001" in page
    assert "Add a number" not in page
    for path in ("/numbers", "/numbers/remove", "/terms"):
        answer = client.post(f"/calls{path}", data={"number": POOL, "csrf_token": token_in(page)})
        assert answer.status_code == 403
    assert numbers(seen) == [POOL]


def test_a_form_without_its_token_changes_nothing(seen: World) -> None:
    client = log_in(seen)
    assert client.post("/calls/numbers/remove", data={"number": POOL}).status_code == 400
    assert numbers(seen) == [POOL]


def test_a_call_of_nobody_known_stands_behind_its_figure(seen: World) -> None:
    seen.program(seen.token).post("/calls", {"reference": "1", "number": POOL})
    seen.fold()
    client = log_in(seen)
    period = "from=2026-04-01&to=2026-04-01&by=source"
    assert "(call)" in client.get(f"/reports/source?{period}").text
    for metric in ("call", "lead_events"):
        answer = client.get(f"/reports/source/rows?{period}&metric={metric}")
        assert answer.status_code == 200
        assert "Call" in answer.text
