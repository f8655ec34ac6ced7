"""The pages: who gets in, what a hostile UTM value cannot do, and both languages."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, select

from api import create_app
from tests.live import SECRET, Clock
from tests.people import SQLITE_ONLY
from tests.walks import START, World, walk
from tests.world import CHEAP
from tracker.access.users import add_user
from tracker.config import Settings
from tracker.db.schema import users
from tracker.db.store import begin

pytestmark = SQLITE_ONLY
PERIOD = "from=2026-04-01&to=2026-12-31"
HOSTILE = '"><script>alert(1)</script>'


@pytest.fixture
def world(store: Engine) -> World:
    return World(store)


@pytest.fixture
def client(world: World, store_url: str) -> Iterator[FlaskClient]:
    clock = Clock(START + timedelta(days=40))
    with begin(world.store) as tx:
        add_user(tx, "alice@acme.example", "correct horse", now=START, hasher=CHEAP)
    app = create_app(Settings(database_url=store_url, secret_key=SECRET), engine=world.store, now=clock, hasher=CHEAP)
    with app.test_client() as client:
        yield client


def log_in(client: FlaskClient, password: str = "correct horse", wanted: str = "") -> int:
    page = client.get("/login").text
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token
    form = {"email": "alice@acme.example", "password": password, "csrf_token": token[1], "next": wanted}
    answer = client.post("/login", data=form)
    client.went = answer.headers.get("Location")  # type: ignore[attr-defined]
    return answer.status_code


def test_nobody_reads_a_page_without_logging_in(client: FlaskClient) -> None:
    for path in ("/", "/reports/source", "/reports/source.csv", "/reports/source/rows", "/contacts", "/tracking"):
        answer = client.get(path)
        assert answer.status_code == 302, path
        assert answer.headers["Location"].startswith("/login?next=")


def test_a_wrong_password_and_an_unknown_user_are_told_the_same(client: FlaskClient) -> None:
    assert log_in(client, "wrong password") == 401
    assert client.get("/reports/source").status_code == 302


def test_a_password_is_checked_by_the_strong_hash_that_is_shipped(world: World, store_url: str) -> None:
    with begin(world.store) as tx:
        add_user(tx, "alice@acme.example", "correct horse", now=START)
        assert "$argon2id$" in tx.execute(select(users.c.password_hash)).scalar_one()
    browser = create_app(Settings(database_url=store_url, secret_key=SECRET), engine=world.store).test_client()
    assert [log_in(browser, password) for password in ("wrong password", "correct horse")] == [401, 302]


def test_a_form_without_its_token_is_refused(client: FlaskClient) -> None:
    form = {"email": "alice@acme.example", "password": "correct horse"}
    assert client.post("/login", data=form).status_code == 400
    assert client.get("/contacts").status_code == 302


@pytest.mark.parametrize(
    "wanted", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_log_in_never_leads_to_another_host(client: FlaskClient, wanted: str) -> None:
    assert log_in(client, wanted=wanted) == 302
    assert client.went == "/overview"  # type: ignore[attr-defined]


def test_logging_out_closes_the_session(client: FlaskClient) -> None:
    log_in(client)
    page = client.get("/reports/source").text
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token
    assert client.post("/logout", data={"csrf_token": token[1]}).status_code == 302
    assert client.get("/reports/source").status_code == 302


def test_the_source_report_shows_the_money_under_the_right_channel(client: FlaskClient, world: World) -> None:
    walk(world)
    log_in(client)
    page = client.get(f"/reports/source?{PERIOD}&model=first").text.partition('<table class="report')[2]
    row = re.search(r"<tr[^>]*>(?:(?!</tr>).)*Paid search.*?</tr>", page, re.S)
    assert row
    assert "€1,000.00" in row[0]


def test_both_languages_are_spoken(client: FlaskClient, world: World) -> None:
    walk(world)
    log_in(client)
    english = client.get(f"/reports/source?{PERIOD}&lang=en").text
    japanese = client.get(f"/reports/source?{PERIOD}&lang=ja").text
    assert 'lang="en"' in english
    assert "Paid search" in english
    assert 'lang="ja"' in japanese
    assert "Paid search" not in japanese


def test_a_hostile_utm_value_is_only_ever_text(client: FlaskClient, world: World) -> None:
    hit = world.hit(START, f"/?utm_source={HOSTILE}&utm_medium=cpc&utm_campaign=%3D1%2B1")
    form = world.hit(
        START + timedelta(minutes=1),
        "/contact",
        kind="form",
        title=HOSTILE,
        form={"name": HOSTILE},
        identifiers={"email": "hana@kyoto.example"},
    )
    world.send("v", [hit, form])
    world.fold()
    log_in(client)
    for by in ("source", "campaign,source", "landing_page"):
        page = client.get(f"/reports/source?{PERIOD}&by={by}")
        assert page.status_code == 200
        assert "<script>alert" not in page.text
    table = client.get(f"/reports/source.csv?{PERIOD}&by=campaign").text
    assert "'=1+1" in table
    people = client.get("/contacts?q=hana").text
    link = re.search(r'href="(/contacts/[0-9a-f]+)"', people)
    assert link
    for page in (people, client.get(link[1]).text):
        assert "<script>alert" not in page


@pytest.mark.parametrize(
    "query",
    [
        "from=2026-13-01&to=2026-04-01",
        "period=never",
        "by=nothing",
        "by=channel,channel",
        "model=best",
        "currency=XXY",
        "sort=x",
        "from=2026-04-02&to=2026-04-01",
        "period=last_7_days&_external=1&_anchor=x&endpoint=y&values=z",
        "cursor=-1",
    ],
)
def test_a_strange_address_is_answered_and_never_breaks(client: FlaskClient, query: str) -> None:
    log_in(client)
    assert client.get(f"/reports/source?{query}").status_code in (200, 422)
    assert client.get(f"/contacts?{query}").status_code in (200, 422)


def test_a_contact_of_nobody_is_not_found(client: FlaskClient) -> None:
    log_in(client)
    assert client.get("/contacts/0123").status_code == 404


def test_every_page_carries_the_policy_without_inline_script(client: FlaskClient, world: World) -> None:
    walk(world)
    log_in(client)
    for path in (f"/reports/source?{PERIOD}", "/contacts", "/tracking", "/login", "/api/docs"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        assert not re.search(r"<script(?![^>]*(?:src=|application/json))", answer.text), path
        assert " style=" not in answer.text, path


def test_tracking_tells_what_came_and_what_was_refused(client: FlaskClient, world: World) -> None:
    now = START + timedelta(days=40)
    world.send("v", [world.hit(now, "/")])
    world.send("v", [world.hit(now, "/") | {"url": "https://evil.example/"}])
    world.send("b", [world.hit(now, "/")], agent="Googlebot/2.1")
    world.fold()
    log_in(client)
    page = client.get("/tracking?lang=en").text
    assert "/m.js?site=acmekey&#34;" in page
    assert "Hits are coming in" in page
    assert page.count('<tr><th scope="row" class="label">') == 2
