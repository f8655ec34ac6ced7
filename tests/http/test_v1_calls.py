"""Calls by HTTP: told once, in JSON or as Twilio's form, traced by who was shown the number, credited and rebuilt."""

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from api.v1.calls import signature_of
from tests.world import START, Program, World
from tracker.calls.numbers import add_number
from tracker.config import Settings
from tracker.db.schema import calls, conversions, hits, paths, sites, touchpoints
from tracker.db.store import begin, reading
from tracker.rebuild import DERIVED
from tracker.rebuild import rebuild as run_rebuild

SHOWN, POOL, SECOND, PRINTED = "+81311112222", "+81355550001", "+81355550002", "+81355550009"
# What Twilio posts to the status callback of a number: https://www.twilio.com/docs/voice/twiml and
# https://www.twilio.com/docs/voice/api/call-resource#statuscallback. Every value is text.
TWILIO = {
    "AccountSid": "AC0123456789abcdef0123456789abcdef",
    "ApiVersion": "2010-04-01",
    "CallDuration": "63",
    "CallSid": "CA0123456789abcdef0123456789abcdef",
    "CallStatus": "completed",
    "Called": POOL,
    "Caller": "+819012345678",
    "CallerCountry": "JP",
    "CallbackSource": "call-progress-events",
    "Direction": "inbound",
    "Duration": "2",
    "From": "+819012345678",
    "SequenceNumber": "0",
    "Timestamp": "Wed, 01 Apr 2026 03:06:03 +0000",
    "To": POOL,
    "ToCountry": "JP",
}


@pytest.fixture
def pool(world: World) -> World:
    """Acme has one number in its pool and one in its brochure."""
    with begin(world.store) as tx:
        site_id, zone = world.acme.site_id, world.acme.timezone
        add_number(tx, site_id, zone, POOL, now=START, shown=[SHOWN])
        add_number(tx, site_id, zone, PRINTED, now=START, source="brochure", medium="print", campaign="fair")
    return world


def ask(world: World, visitor: str, url: str = "/?utm_source=google&utm_medium=cpc&utm_campaign=spring") -> str:
    """A visitor's page asks for a number; the number that is shown then."""
    body = {"v": 1, "site": "acmekey", "visitor": visitor.ljust(16, "0"), "ask": "number", "shown": ["03-1111-2222"]}
    body |= {"url": f"https://www.acme.example{url}", "referrer": ""}
    answer = world.app.test_client().post("/m/e?ask", data=json.dumps(body), content_type="text/plain")
    assert answer.status_code == 200, answer.headers
    found = answer.json
    assert found is not None
    assert found["until"] == int((world.clock() + timedelta(minutes=30)).timestamp() * 1000)
    (number,) = found["numbers"]
    assert number["replace"] == "03-1111-2222"
    return str(number["with"])


def tell(crm: Program, **more: Any) -> dict[str, Any]:
    """Tell of an answered call that begins now."""
    call = {
        "reference": "call-1",
        "number": POOL,
        "caller": "+819012345678",
        "duration_s": 63,
        "answered": True,
        **more,
    }
    answer = crm.post("/calls", call)
    assert answer.status_code == 202, answer.text
    return dict(answer.json or {})


def form(world: World, told: dict[str, str], token: str | None = None, **headers: str) -> TestResponse:
    """Post as Twilio does, with the token as the password of the address."""
    words = base64.b64encode(f"minamoto:{token or world.token}".encode()).decode()
    given = {"Authorization": f"Basic {words}", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return world.app.test_client().post("/api/v1/calls", data=told, headers=given)


def counted(world: World) -> list[tuple[Any, ...]]:
    """Every call that counts: contact's e-mail known or not, ambiguous, and its path's sources in order."""
    with reading(world.store) as tx:
        found = tx.execute(select(conversions).where(conversions.c.kind == "call").order_by(conversions.c.occurred_at))
        rows = found.mappings().all()
        way = {
            row["conversion_id"]: tx.execute(
                select(paths.c.channel, paths.c.source, paths.c.campaign)
                .where(paths.c.conversion_id == row["conversion_id"])
                .order_by(paths.c.position)
            ).all()
            for row in rows
        }
    return [
        (row["contact_id"] is not None, row["ambiguous"], [tuple(one) for one in way[row["conversion_id"]]])
        for row in rows
    ]


def facts(world: World) -> dict[str, list[Any]]:
    with reading(world.store) as tx:
        return {table.name: sorted(map(tuple, tx.execute(select(table))), key=repr) for table in DERIVED}


def test_a_call_of_an_unknown_visitor_is_credited_to_the_visitors_way(pool: World, crm: Program) -> None:
    pool.browse("hana", pool.hit("page", "/?utm_source=google&utm_medium=cpc&utm_campaign=spring"))
    assert ask(pool, "hana") == POOL
    pool.clock.forward(minutes=5)
    assert tell(crm)["traced"] == "visitor"
    pool.fold()
    assert counted(pool) == [(False, False, [("paid_search", "google", "spring")])]
    report = crm.get("/reports/source?from=2026-04-01&to=2026-04-01&by=source").json
    assert report is not None
    assert {row["source"]: row["call"] for row in report["rows"]} == {"google": 1}
    assert report["totals"]["call"] == 1


def test_once_the_visitor_is_named_the_call_is_the_contacts_and_counts_once(pool: World, crm: Program) -> None:
    pool.browse("hana", pool.hit("page", "/?utm_source=google&utm_medium=cpc&utm_campaign=spring"))
    ask(pool, "hana")
    pool.clock.forward(minutes=5)
    tell(crm)
    pool.fold()
    with reading(pool.store) as tx:
        before = tx.execute(select(conversions.c.conversion_id).where(conversions.c.kind == "call")).scalars().all()
    pool.clock.forward(days=3)
    pool.browse("hana", pool.hit("form", "/contact", identifiers={"email": "hana@kyoto.example"}))
    pool.fold()
    with reading(pool.store) as tx:
        after = tx.execute(select(conversions.c.conversion_id).where(conversions.c.kind == "call")).scalars().all()
    assert after == before
    assert counted(pool) == [(True, False, [("paid_search", "google", "spring")])]
    contact = crm.get("/contacts?email=hana@kyoto.example").json
    assert contact is not None
    assert contact["data"][0]["phone"] == "+819012345678"


def test_a_call_told_before_its_pages_arrive_ends_in_the_same_rows(pool: World, crm: Program) -> None:
    page = pool.hit("page", "/?utm_source=google&utm_medium=cpc&utm_campaign=spring")
    ask(pool, "hana")
    pool.clock.forward(minutes=5)
    tell(crm)
    pool.fold()
    assert counted(pool) == [(False, False, [])]
    pool.browse("hana", page, pool.hit("page", "/pricing"))
    pool.fold()
    assert counted(pool) == [(False, False, [("paid_search", "google", "spring")])]


def test_an_ambiguous_call_is_credited_to_what_its_candidates_share_and_says_so(pool: World, crm: Program) -> None:
    for who, campaign in (("hana", "spring"), ("ken", "brand")):
        address = f"/?utm_source=google&utm_medium=cpc&utm_campaign={campaign}"
        pool.browse(who, pool.hit("page", address))
        assert ask(pool, who, address) == POOL
    pool.clock.forward(minutes=5)
    assert tell(crm)["traced"] == "ambiguous"
    pool.fold()
    assert counted(pool) == [(False, True, [("paid_search", "google", "(not set)")])]


@pytest.mark.parametrize(
    ("number", "traced", "way"),
    [
        (PRINTED, "number", [("offline", "brochure", "fair")]),
        (POOL, "unknown", [("offline", "(call)", "(not set)")]),
        ("+81699998888", "unknown", [("offline", "(call)", "(not set)")]),
        ("reception", "unknown", [("offline", "(call)", "(not set)")]),
    ],
)
def test_a_call_without_a_visitor_is_a_touch_of_its_own_and_no_lead_is_lost(
    pool: World, crm: Program, number: str, traced: str, way: list[tuple[str, str, str]]
) -> None:
    assert tell(crm, number=number)["traced"] == traced
    pool.fold()
    assert counted(pool) == [(False, False, way)]


def test_a_call_that_names_its_caller_is_that_contacts_and_names_the_browser(pool: World, crm: Program) -> None:
    pool.browse("hana", pool.hit("page", "/?utm_source=google&utm_medium=cpc&utm_campaign=spring"))
    ask(pool, "hana")
    pool.clock.forward(minutes=5)
    tell(crm, contact={"email": "hana@kyoto.example"})
    pool.fold()
    assert counted(pool) == [(True, False, [("paid_search", "google", "spring")])]
    with reading(pool.store) as tx:
        assert tx.execute(select(touchpoints.c.kind)).scalars().all() == ["visit"]


def test_the_same_call_told_again_changes_nothing(pool: World, crm: Program) -> None:
    ask(pool, "hana")
    pool.clock.forward(minutes=5)
    first = tell(crm)
    pool.clock.forward(hours=5)
    again = tell(crm, duration_s=600, number=SECOND)
    assert (first["status"], again["status"]) == ("accepted", "duplicate")
    assert {**again, "status": "accepted"} == first
    pool.fold()
    assert len(counted(pool)) == 1


def test_a_rebuild_gives_the_same_rows_though_the_leases_are_gone(pool: World, crm: Program) -> None:
    for who in ("hana", "ken"):
        pool.browse(who, pool.hit("page", "/?utm_source=google&utm_medium=cpc&utm_campaign=spring"))
        ask(pool, who)
        pool.clock.forward(minutes=20)
    tell(crm)
    pool.clock.forward(minutes=15)
    tell(crm, reference="call-2")
    tell(crm, reference="call-3", number=PRINTED, contact={"email": "emi@nara.example"})
    pool.browse("ken", pool.hit("form", "/contact", identifiers={"email": "ken@osaka.example"}))
    pool.fold()
    before = facts(pool)
    with begin(pool.store) as tx:
        tx.exec_driver_sql("DELETE FROM leases")
        tx.exec_driver_sql("DELETE FROM numbers")
    with begin(pool.store) as tx:
        run_rebuild(tx, 2)
    assert facts(pool) == before
    assert len(before["calls"]) == 3


# --- Twilio ----------------------------------------------------------------------------------------------------------


def test_twilios_form_is_taken_with_the_token_as_password(pool: World) -> None:
    ask(pool, "hana")
    pool.clock.forward(minutes=6, seconds=5)
    answer = form(pool, TWILIO)
    assert answer.status_code == 202, answer.text
    told = dict(answer.json or {})
    assert (told["status"], told["traced"]) == ("accepted", "visitor")
    with reading(pool.store) as tx:
        row = tx.execute(select(hits)).mappings().one()
    assert row["occurred_at"] == START + timedelta(minutes=5)
    assert row["details"]["call"] == {
        "reference": TWILIO["CallSid"],
        "number": POOL,
        "caller": "+819012345678",
        "duration_s": 63,
        "answered": True,
        "traced": "visitor",
    }
    assert dict(form(pool, TWILIO).json or {})["status"] == "duplicate"


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"CallStatus": "queued"}, "waiting"),
        ({"CallStatus": "initiated"}, "waiting"),
        ({"CallStatus": "ringing"}, "waiting"),
        ({"CallStatus": "in-progress"}, "waiting"),
        ({"CallStatus": "completed"}, "accepted"),
        ({"CallStatus": "busy"}, "accepted"),
        ({"CallStatus": "no-answer"}, "accepted"),
        ({"CallStatus": "canceled"}, "accepted"),
        ({"CallStatus": "failed"}, "accepted"),
        ({"Direction": "outbound-dial", "ParentCallSid": "CA" + "1" * 32}, "ignored"),
        ({"Direction": "outbound-api"}, "ignored"),
        ({"ParentCallSid": "CA" + "1" * 32}, "ignored"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value.values()),
)
def test_a_call_counts_once_it_has_ended_and_only_if_it_came_in(pool: World, more: dict[str, str], status: str) -> None:
    assert dict(form(pool, TWILIO | more).json or {})["status"] == status
    with reading(pool.store) as tx:
        told = tx.execute(select(hits.c.details)).scalars().all()
    assert len(told) == (status == "accepted")
    if told:
        assert told[0]["call"]["answered"] is (more["CallStatus"] == "completed")


@pytest.mark.parametrize(
    "caller", ["+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253", "", "anonymous", "client:jenny"]
)
def test_a_withheld_number_is_kept_as_none(pool: World, caller: str) -> None:
    assert form(pool, TWILIO | {"From": caller}).status_code == 202
    with reading(pool.store) as tx:
        assert "caller" not in tx.execute(select(hits.c.details)).scalar_one()["call"]


def test_a_form_without_what_makes_it_a_call_is_refused_by_name(pool: World) -> None:
    answer = form(pool, {"From": "+819012345678"})
    assert answer.status_code == 422
    assert [one["field"] for one in dict(answer.json or {})["errors"]] == ["CallSid", "CallStatus", "To"]


def test_the_signature_is_the_one_that_twilio_documents() -> None:
    # The example of https://www.twilio.com/docs/usage/security#validating-requests, as its libraries' tests have it.
    fields = [("CallSid", "CA1234567890ABCDE"), ("Caller", "+12349013030"), ("Digits", "1234")]
    fields += [("From", "+12349013030"), ("To", "+18005551212")]
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    assert signature_of("12345", url, fields) == "0/KCTR6DLpKmkAf8muzZqo1nDgQ="


def test_with_an_auth_token_only_what_twilio_signed_is_taken(pool: World, crm: Program) -> None:
    signed = World.__new__(World)
    signed.__dict__.update(pool.__dict__)
    from api import create_app

    own = Settings(secret_key="s" * 40, twilio_auth_token="12345")
    signed.app = create_app(own, engine=pool.store, now=pool.clock)
    signature = signature_of("12345", "http://localhost/api/v1/calls", TWILIO.items())
    assert form(signed, TWILIO).status_code == 403
    assert form(signed, TWILIO, X_Twilio_Signature="x").status_code == 403
    assert form(signed, TWILIO | {"To": SECOND}, X_Twilio_Signature=signature).status_code == 403
    assert form(signed, TWILIO, X_Twilio_Signature=signature).status_code == 202
    assert tell(Program(signed.app.test_client(), pool.token), reference="json")["status"] == "accepted"


def test_the_password_is_taken_here_and_nowhere_else(pool: World) -> None:
    words = base64.b64encode(f"minamoto:{pool.token}".encode()).decode()
    client = pool.app.test_client()
    assert form(pool, TWILIO, token="mnm_wrong").status_code == 401
    for path in ("/contacts", "/deals", "/costs"):
        assert client.get(f"/api/v1{path}", headers={"Authorization": f"Basic {words}"}).status_code == 401
    challenges = client.post("/api/v1/calls").headers.getlist("WWW-Authenticate")
    assert challenges == ['Bearer realm="Minamoto"', 'Basic realm="Minamoto"']
    assert client.get("/api/v1/contacts").headers.getlist("WWW-Authenticate") == ['Bearer realm="Minamoto"']


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"reference": ""}, "reference"),
        ({"number": " "}, "number"),
        ({"number": None}, "number"),
        ({"duration_s": -1}, "duration_s"),
        ({"started_at": "2026-04-01T03:06:00Z"}, "started_at"),
        ({"contact": {}}, "contact"),
        ({"contact": {"crm_id": "nobody"}}, "contact"),
        ({"colour": "blue"}, "colour"),
    ],
    ids=str,
)
def test_a_wrong_call_is_refused_by_its_field(pool: World, crm: Program, more: dict[str, Any], field: str) -> None:
    answer = crm.post("/calls", {"reference": "call-1", "number": POOL, **more})
    assert answer.status_code == 422
    assert [one["field"] for one in dict(answer.json or {})["errors"]] == [field]
    with reading(pool.store) as tx:
        assert tx.execute(select(hits)).all() == []


def test_the_numbers_of_one_site_trace_nothing_of_another(pool: World, carol: Program) -> None:
    ask(pool, "hana")
    assert tell(carol)["traced"] == "unknown"


def test_the_lease_is_as_long_as_the_site_says(pool: World, crm: Program) -> None:
    with begin(pool.store) as tx:
        tx.execute(update(sites).values(lease_s=60, lease_rest_s=0))
    body = {
        "v": 1,
        "site": "acmekey",
        "visitor": "hana".ljust(16, "0"),
        "ask": "number",
        "url": "https://www.acme.example/",
    }
    pool.app.test_client().post("/m/e?ask", data=json.dumps(body), content_type="text/plain")
    pool.clock.forward(seconds=61)
    assert tell(crm)["traced"] == "unknown"
    with reading(pool.store) as tx:
        assert tx.execute(select(calls)).all() == []
