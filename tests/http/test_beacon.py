"""The beacon's door: what is taken, what is refused and why; the page of the visitor never sees an error."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, func, select
from werkzeug.test import TestResponse

from api import create_app
from tests.live import SECRET, Clock
from tests.walks import AGENT
from tracker.access.sites import add_site, find_site, set_tracking
from tracker.access.tracking import changed
from tracker.config import Settings
from tracker.db.schema import hits, hits_waiting, refusals
from tracker.db.store import begin, reading
from tracker.ids import new_uuid7

NOW = datetime(2026, 4, 1, 3, 0, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
YEAR_MS = 365 * 24 * 3600 * 1000
DAY_MS = 24 * 3600 * 1000
A_PAGE = "01890a5d-ac96-774b-bcce-b302099a8057"


@pytest.fixture
def client(store: Engine, store_url: str) -> Iterator[FlaskClient]:
    with begin(store) as tx:
        add_site(tx, "Acme", ["www.acme.example"], now=NOW, timezone="Asia/Tokyo", key="acmekey")
    app = create_app(Settings(database_url=store_url, secret_key=SECRET), engine=store, now=Clock(NOW))
    with app.test_client() as client:
        yield client


def a_hit(**changed: Any) -> dict[str, Any]:
    return {"id": new_uuid7(NOW_MS), "kind": "page", "at": NOW_MS, "url": "https://www.acme.example/"} | changed


def a_beacon(*hits_in_it: dict[str, Any], **changed: Any) -> dict[str, Any]:
    beacon = {"v": 1, "site": "acmekey", "visitor": "v" * 22, "sent_at": NOW_MS}
    return beacon | {"hits": list(hits_in_it) or [a_hit()]} | changed


def send(client: FlaskClient, body: object, **headers: str) -> TestResponse:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post("/m/e", data=data, content_type="text/plain", headers={"User-Agent": AGENT} | named)


def journal(store: Engine) -> list[Any]:
    with reading(store) as tx:
        return list(tx.execute(select(hits).order_by(hits.c.seq)))


def refused(store: Engine) -> dict[str, int]:
    with reading(store) as tx:
        return {row.reason: row.n for row in tx.execute(select(refusals.c.reason, refusals.c.n))}


def test_a_taken_beacon_is_in_the_journal_when_it_is_answered(client: FlaskClient, store: Engine) -> None:
    answer = send(client, a_beacon(a_hit(), a_hit(kind="event", name="Watched", props={"s": 3})))
    assert (answer.status_code, answer.data) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert sorted(row.kind for row in journal(store)) == ["event", "page"]
    with reading(store) as tx:
        assert tx.execute(select(func.count()).select_from(hits_waiting)).scalar() == 2


def test_the_same_hit_again_is_one_hit(client: FlaskClient, store: Engine) -> None:
    one = a_hit()
    assert [send(client, a_beacon(one, one)).status_code for _ in range(3)] == [204, 204, 204]
    assert len(journal(store)) == 1


ENDLESS = json.dumps(a_beacon(a_hit(kind="leave", page=A_PAGE, engaged="endless"))).encode()
REFUSED: dict[str, tuple[object, int, str]] = {
    "broken JSON": (b"{bad", 400, "malformed"),
    "no JSON object": (b"[]", 400, "malformed"),
    "not UTF-8": (b'{"v":1,"site":"\xff\xfe"}', 400, "malformed"),
    "nothing": (b"", 400, "malformed"),
    "nested without end": (b"[" * 60_000, 400, "malformed"),
    "another version": (a_beacon(v=2), 400, "malformed"),
    "no hits": ({**a_beacon(), "hits": []}, 400, "malformed"),
    "too many hits": (a_beacon(*[a_hit() for _ in range(65)]), 400, "malformed"),
    "a number for a URL": (a_beacon(a_hit(url=5)), 400, "malformed"),
    "a time before 1970": (a_beacon(a_hit(at=-1)), 400, "malformed"),
    "a time beyond time": (a_beacon(a_hit(at=10**30)), 400, "malformed"),
    "an id that is no UUIDv7": (a_beacon(a_hit(id="1")), 400, "malformed"),
    "an unknown kind": (a_beacon(a_hit(kind="deal")), 400, "malformed"),
    "a form without identifiers": (a_beacon(a_hit(kind="form")), 400, "malformed"),
    "an event without a name": (a_beacon(a_hit(kind="event")), 400, "malformed"),
    "a chat without a provider": (a_beacon(a_hit(kind="chat")), 400, "malformed"),
    "a chat of a provider without a name": (a_beacon(a_hit(kind="chat", chat={"id": "7"})), 400, "malformed"),
    "a leave of no page": (a_beacon(a_hit(kind="leave", engaged=1, scroll=1)), 400, "malformed"),
    "a leave of a page with another's kind of id": (a_beacon(a_hit(kind="leave", page="1")), 400, "malformed"),
    "a leave before the page": (a_beacon(a_hit(kind="leave", page=A_PAGE, engaged=-1)), 400, "malformed"),
    "a leave above the page": (a_beacon(a_hit(kind="leave", page=A_PAGE, scroll=-1)), 400, "malformed"),
    "an endless leave": (ENDLESS.replace(b'"endless"', b"1e999"), 400, "malformed"),
    "a leave on another host": (
        a_beacon(a_hit(kind="leave", page=A_PAGE, url="https://a.example/")),
        403,
        "foreign_host",
    ),
    "a kind that only the API has": (a_beacon(a_hit(kind="call")), 400, "malformed"),
    "a visitor with strange characters": (a_beacon(visitor="<script>alert(1)"), 400, "malformed"),
    "a huge body": (b"x" * 70_000, 413, "too_large"),
    "an unknown site": (a_beacon(site="nobody"), 404, "unknown_site"),
    "another host": (a_beacon(a_hit(url="https://evil.example/")), 403, "foreign_host"),
    "a host that only looks alike": (
        a_beacon(a_hit(url="https://notwww.acme.example.evil.example/")),
        403,
        "foreign_host",
    ),
    "no URL": (a_beacon(a_hit(url="")), 403, "foreign_host"),
    "a hit from last month": (a_beacon(a_hit(at=NOW_MS - 8 * DAY_MS)), 400, "too_old"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_bad_input_is_refused_counted_and_changes_nothing(client: FlaskClient, store: Engine, what: str) -> None:
    body, status, reason = REFUSED[what]
    answer = send(client, body)
    assert (answer.status_code, answer.headers.get("X-Minamoto"), answer.data) == (status, reason, b"")
    assert journal(store) == []
    assert list(refused(store)) == [reason]


@pytest.mark.parametrize(
    ("headers", "reason"), [({"Sec_Purpose": "prefetch;prerender"}, "prefetch"), ({"Sec_GPC": "1"}, "opted_out")]
)
def test_what_the_browser_says_of_itself_is_heeded(
    client: FlaskClient, store: Engine, headers: dict[str, str], reason: str
) -> None:
    answer = send(client, a_beacon(), **headers)
    assert (answer.status_code, answer.headers["X-Minamoto"]) == (403, reason)
    assert refused(store) == {reason: 1}


@pytest.mark.parametrize(
    ("policy", "headers", "status"),
    [
        ({}, {"DNT": "1"}, 204),
        ({"dnt": True}, {"DNT": "1"}, 403),
        ({"dnt": True}, {"DNT": "0"}, 204),
        ({"gpc": False}, {"Sec_GPC": "1"}, 204),
        ({"gpc": False, "dnt": True}, {"Sec_GPC": "1", "DNT": "1"}, 403),
    ],
)
def test_a_sites_own_policy_decides_what_of_it_is_heeded(
    client: FlaskClient, store: Engine, policy: dict[str, bool], headers: dict[str, str], status: int
) -> None:
    with begin(store) as tx:
        site = find_site(tx, "acmekey")
        set_tracking(tx, site, changed(site.tracking, policy))
    assert send(client, a_beacon(), **headers).status_code == status
    assert len(journal(store)) == (status == 204)


def test_a_site_takes_of_a_person_what_its_settings_say(client: FlaskClient, store: Engine) -> None:
    with begin(store) as tx:
        site = find_site(tx, "acmekey")
        set_tracking(tx, site, changed(site.tracking, {"fields": ["company"]}))
    assert send(client, a_beacon(a_hit(kind="form", **PEOPLE))).status_code == 204
    (row,) = journal(store)
    assert (row.details["identifiers"], row.details["fields"]) == (JO, {"company": "Mo"})


@pytest.mark.parametrize("off_ms", [-30 * YEAR_MS, -DAY_MS, 0, DAY_MS, 14 * YEAR_MS])
def test_a_senders_clock_that_is_off_does_not_move_the_hit(client: FlaskClient, store: Engine, off_ms: int) -> None:
    hit = a_hit(at=NOW_MS + off_ms - 5_000)
    assert send(client, a_beacon(hit, sent_at=NOW_MS + off_ms)).status_code == 204
    (row,) = journal(store)
    assert abs(row.occurred_at - (row.received_at - timedelta(seconds=5))) < timedelta(seconds=1)


def test_a_hit_is_never_in_the_future(client: FlaskClient, store: Engine) -> None:
    assert send(client, a_beacon(a_hit(at=NOW_MS + YEAR_MS))).status_code == 204
    (row,) = journal(store)
    assert row.occurred_at == row.received_at


def test_old_hits_of_a_beacon_are_refused_and_the_others_taken(client: FlaskClient, store: Engine) -> None:
    answer = send(client, a_beacon(a_hit(), a_hit(at=NOW_MS - 8 * DAY_MS)))
    assert (answer.status_code, answer.headers["X-Minamoto"]) == (204, "too_old")
    assert (len(journal(store)), refused(store)) == (1, {"too_old": 1})


def test_hostile_values_are_kept_short_and_clean(client: FlaskClient, store: Engine) -> None:
    url = "https://www.acme.example/?utm_source=" + "<b>\x00\u202e" * 2_000
    assert send(client, a_beacon(a_hit(url=url, title="=1+1\x07" * 500))).status_code == 204
    (row,) = journal(store)
    assert len(row.url) <= 2_048
    assert len(row.title) <= 512
    assert not any(ord(character) < 32 or character == "\u202e" for character in row.url + row.title)


PEOPLE = {
    "identifiers": {"email": "jo@acme.example", "phone": "03-1234-5678"},
    "fields": {"name": "Jo", "company": "Mo"},
}
JO = {"email": "jo@acme.example"}
# What is told of a hit | what of it stands in the journal, where the site takes phone numbers alone
KEPT: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a form of a provider": (
        {"kind": "form", "form": {"id": "7", "provider": "hubspot"}, **PEOPLE},
        {"form": {"id": "7", "provider": "hubspot"}, "identifiers": {**JO, "phone": "03-1234-5678"}},
    ),
    "an identify": (
        {"kind": "identify", **PEOPLE},
        {"identifiers": {**JO, "phone": "03-1234-5678"}},
    ),
    "a chat without an address": (
        {"kind": "chat", "chat": {"provider": "crisp", "id": " s-1 "}},
        {"chat": {"provider": "crisp", "id": "s-1"}},
    ),
    "a chat with one": (
        {"kind": "chat", "chat": {"provider": "crisp"}, "identifiers": JO},
        {"chat": {"provider": "crisp"}, "identifiers": JO},
    ),
    "a leave": (
        {"kind": "leave", "page": A_PAGE, "engaged": 42_000.4, "scroll": 79.6},
        {"page": A_PAGE, "engaged_ms": 42_000, "scroll": 80},
    ),
    "a leave without its page's address": (
        {"kind": "leave", "page": A_PAGE, "url": ""},
        {"page": A_PAGE, "engaged_ms": 0, "scroll": 0},
    ),
    "a leave after a week in a tab": (
        {"kind": "leave", "page": A_PAGE, "engaged": 7 * DAY_MS, "scroll": 250},
        {"page": A_PAGE, "engaged_ms": DAY_MS, "scroll": 100},
    ),
    "a page that says what is not a page's": (
        {"chat": {"provider": "x"}, "page": A_PAGE, "fields": {"name": "Jo"}, "later": [1]},
        {},
    ),
}


@pytest.mark.parametrize("what", KEPT)
def test_of_a_hit_stands_in_the_journal_what_its_kind_has(client: FlaskClient, store: Engine, what: str) -> None:
    told, kept = KEPT[what]
    assert send(client, a_beacon(a_hit(**told))).status_code == 204
    assert [row.details for row in journal(store)] == [kept | {"loopback": True}]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.binary(max_size=300)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    ).map(lambda value: json.dumps(value).encode())
)
def test_no_body_breaks_the_door(client: FlaskClient, body: bytes) -> None:
    assert send(client, body).status_code in (204, 400, 403, 404, 413)


json_values = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.just([]) | st.just({})
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    beacon_part=st.dictionaries(st.sampled_from(["v", "site", "visitor", "sent_at", "consent", "x"]), json_values),
    hit_part=st.dictionaries(
        st.sampled_from("id at url referrer title form identifiers name props fields chat page engaged scroll".split()),
        json_values,
    )
    | st.fixed_dictionaries({"kind": st.sampled_from(["form", "identify", "event", "leave", "chat"]) | json_values}),
)
def test_no_beacon_that_is_almost_right_breaks_the_door(
    client: FlaskClient, beacon_part: dict[str, Any], hit_part: dict[str, Any]
) -> None:
    assert send(client, a_beacon(a_hit(**hit_part)) | beacon_part).status_code in (204, 400, 403, 404)


def test_the_snippet_is_served_and_not_sent_again(client: FlaskClient) -> None:
    answer = client.get("/m.js")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/javascript")
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    again = client.get("/m.js", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
