"""Mails and answers by the API: kept once, counted in people, found by who has the address now; of one site alone."""

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import Engine, func, select

from tests.world import START, Program, World
from tracker.config import Settings
from tracker.db.schema import audit, contacts, mail_events, nps_answers
from tracker.db.store import begin, reading
from tracker.rebuild import rebuild
from tracker.vocabulary import Audited

APRIL = "from=2026-04-01&to=2026-04-30"


def event(kind: str, email: str, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "programme": "welcome", "step": "1", "email": email, "occurred_at": START.isoformat(), **more}


def figures(program: Program) -> dict[str, Any]:
    answer = program.get(f"/mail/programmes?{APRIL}")
    assert answer.status_code == 200
    assert answer.json is not None
    return {one["name"]: one for one in answer.json["data"]}


def count(world: World, table: Any) -> int:
    with reading(world.store) as tx:
        return tx.execute(select(func.count()).select_from(table)).scalar_one()


def test_events_are_kept_once_and_people_of_merged_addresses_are_one(world: World, crm: Program) -> None:
    told = [event("delivered", email) for email in ("hana@kyoto.example", "hana@home.example", "ken@kyoto.example")]
    told.append(event("open", "hana@home.example", event_id="open-1"))
    assert crm.post("/mail/events", {"events": told}).json == {"accepted": 4, "duplicates": 0}
    assert crm.post("/mail/events", {"events": told}).json == {"accepted": 0, "duplicates": 4}
    assert count(world, contacts) == 0
    assert (figures(crm)["welcome"]["delivered"], figures(crm)["welcome"]["open_ratio"]) == (3, 0.333333)
    one, other = (
        (crm.put("/contacts", {"email": email}).json or {})["id"]
        for email in ("hana@kyoto.example", "hana@home.example")
    )
    assert crm.post(f"/contacts/{other}/merge", {"into": {"id": one}}).status_code == 200
    assert (figures(crm)["welcome"]["delivered"], figures(crm)["welcome"]["open_ratio"]) == (2, 0.5)
    with begin(world.store) as tx:
        rebuild(tx, 100)
    assert (figures(crm)["welcome"]["delivered"], count(world, mail_events)) == (2, 4)


def test_a_programme_is_for_those_who_are_to_buy_until_somebody_says_otherwise(world: World, crm: Program) -> None:
    crm.post("/mail/events", {"events": [event("sent", "hana@kyoto.example")]})
    assert (figures(crm)["welcome"]["audience"], figures(crm)["welcome"]["label"]) == ("nurture", None)
    told = {"audience": "customer", "label": "Welcome", "steps": ["1", "2"]}
    assert (crm.put("/mail/programmes/welcome", told).json or {})["changed"] is True
    assert (crm.put("/mail/programmes/welcome", told).json or {})["changed"] is False
    assert (figures(crm)["welcome"]["audience"], figures(crm)["welcome"]["label"]) == ("customer", "Welcome")
    twice = crm.put("/mail/programmes/welcome", {"audience": "customer", "steps": ["1", "1"]})
    assert (twice.status_code, (twice.json or {})["errors"][0]["field"]) == (422, "steps")
    with reading(world.store) as tx:
        logged = tx.execute(select(audit.c.action, audit.c.actor, audit.c.subject)).all()
    assert [tuple(one) for one in logged] == [(Audited.PROGRAMME.value, "token crm", "welcome")]


def test_another_site_sees_none_of_it(world: World, crm: Program, carol: Program) -> None:
    crm.post("/mail/events", {"events": [event("sent", "hana@kyoto.example", event_id="e1")]})
    crm.post("/nps", {"answers": [{"score": 9, "reference": "a1"}]})
    link = (crm.post("/mail/links", {"programme": "welcome", "url": "https://www.acme.example/"}).json or {})["id"]
    survey = (crm.post("/surveys", {"name": "Spring"}).json or {})["id"]
    assert figures(carol) == {}
    assert (carol.get(f"/nps?{APRIL}").json or {})["answers"] == 0
    for path in (f"/mail/links/{link}/for?email=a@b.example", f"/surveys/{survey}/for?email=a@b.example"):
        assert (crm.get(path).status_code, carol.get(path).status_code) == (200, 404)
    # The same ids are another site's own.
    assert (carol.post("/mail/events", {"events": [event("sent", "x@y.example", event_id="e1")]}).json or {})[
        "accepted"
    ]
    assert (carol.post("/nps", {"answers": [{"score": 1, "reference": "a1"}]}).json or {})["accepted"] == 1
    assert (crm.get(f"/nps?{APRIL}").json or {})["score"] == 100


@pytest.mark.stores("sqlite")
def test_sendgrid_brings_its_token_as_a_password_and_is_never_refused_for_one_event(world: World) -> None:
    posted = [
        {"event": "open", "email": "hana@kyoto.example", "timestamp": int(START.timestamp()), "sg_event_id": "1"},
        {"event": "open", "email": "nobody", "timestamp": int(START.timestamp()), "sg_event_id": "2", "category": "a"},
        {
            "event": "click",
            "email": "h@k.example",
            "timestamp": int(START.timestamp()),
            "sg_event_id": "3",
            "category": "a",
        },
    ]
    client = world.app.test_client()
    answer = client.post("/api/v1/mail/sendgrid", json=posted, auth=("minamoto", world.token))
    assert (answer.status_code, answer.json) == (
        200,
        {"accepted": 1, "duplicates": 0, "ignored": {"no_email": 1, "no_programme": 1}},
    )
    assert client.post("/api/v1/mail/sendgrid", json=posted, auth=("minamoto", "wrong")).status_code == 401
    assert client.post(f"/api/v1/mail/sendgrid?token={world.token}", json=posted).status_code == 401
    for wrong in ({"events": posted}, [1], "x"):
        assert client.post("/api/v1/mail/sendgrid", json=wrong, auth=("minamoto", world.token)).status_code == 422


@pytest.mark.stores("sqlite")
def test_where_the_key_is_set_sendgrid_has_to_sign(store: Engine) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    public = base64.b64encode(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
    world = World(store, settings=Settings(secret_key="s" * 40, sendgrid_public_key=public))
    body, at = b'[ {"event":"deferred"} ]\r\n', "1776389400"
    signature = base64.b64encode(key.sign(at.encode() + body, ec.ECDSA(SHA256()))).decode()
    headers = {
        "X-Twilio-Email-Event-Webhook-Signature": signature,
        "X-Twilio-Email-Event-Webhook-Timestamp": at,
    }
    crm = world.program(world.token)
    assert crm.post("/mail/sendgrid", body, headers=headers).status_code == 200
    assert crm.post("/mail/sendgrid", body).status_code == 403
    assert crm.post("/mail/sendgrid", body + b" ", headers=headers).status_code == 403
    assert world.program("mnm_wrong").post("/mail/sendgrid", body, headers=headers).status_code == 401


def test_answers_are_kept_once_and_the_latest_counts(world: World, crm: Program) -> None:
    hana = "hana@kyoto.example"
    first = {"reference": "1", "email": hana, "score": 3, "answered_at": "2026-03-30T10:00:00+09:00"}
    later = {"reference": "2", "email": hana, "score": 9, "answered_at": "2026-03-31T10:00:00+09:00", "comment": "ok"}
    assert crm.post("/nps", {"answers": [later, first]}).json == {"accepted": 2, "duplicates": 0}
    assert crm.post("/nps", {"answers": [later, first]}).json == {"accepted": 0, "duplicates": 2}
    assert crm.post("/nps", {"answers": [{"score": 0}, {"score": 0}]}).json == {"accepted": 2, "duplicates": 0}
    found = crm.get("/nps?from=2026-03-01&to=2026-04-30").json or {}
    assert (found["answers"], found["promoters"], found["detractors"], found["score"]) == (3, 1, 2, -33)
    assert [(one["month"], one["answers"], one["score"]) for one in found["months"]] == [
        ("2026-03", 1, 100),
        ("2026-04", 2, -100),
    ]
    assert (crm.get("/nps?from=2020-01-01&to=2020-01-31").json or {})["score"] is None
    assert (count(world, contacts), count(world, nps_answers)) == (0, 4)


WRONG = [
    ("/nps", {"answers": [{"score": 11}]}, "answers.0.score"),
    ("/nps", {"answers": [{"score": 9.5}]}, "answers.0.score"),
    ("/nps", {"answers": [{"score": 9, "contact": "0" * 32}]}, "answers.0.contact"),
    ("/nps", {"answers": [{"score": 9, "answered_at": "2026-04-09T00:00:00Z"}]}, "answers.0.answered_at"),
    ("/nps", {"answers": []}, "answers"),
    ("/mail/events", {"events": [event("read", "a@b.example")]}, "events.0.kind"),
    ("/mail/events", {"events": [event("open", "nobody")]}, "events.0.email"),
    (
        "/mail/events",
        {"events": [event("open", "a@b.example", occurred_at="2026-04-09T00:00:00Z")]},
        "events.0.occurred_at",
    ),
    ("/mail/events", {"events": [event("open", "a@b.example")] * 501}, "events"),
    ("/mail/links", {"programme": "a", "url": "javascript:alert(1)"}, "url"),
    ("/mail/links", {"programme": "a", "url": "https://x.example/\r\nX: y"}, "url"),
    ("/surveys", {"name": " "}, "name"),
]


@pytest.mark.stores("sqlite")
def test_what_is_wrong_is_refused_with_its_field_and_leaves_nothing(world: World, crm: Program) -> None:
    for path, body, field in WRONG:
        answer = crm.post(path, body)
        assert (answer.status_code, [one["field"] for one in (answer.json or {})["errors"]]) == (422, [field])
    assert (count(world, mail_events), count(world, nps_answers)) == (0, 0)
