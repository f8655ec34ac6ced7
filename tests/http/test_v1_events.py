"""POST /api/v1/events: hits that a server saw, and touches off the web."""

from datetime import timedelta
from typing import Any

from sqlalchemy import select

from tests.world import START, Program, World
from tracker.db.schema import hits, identifications, touchpoints, visits
from tracker.db.store import reading
from tracker.ids import is_uuid7, uuid7

PAGE = {"kind": "page", "visitor": "server-visitor-0001", "url": "https://www.acme.example/?utm_source=news"}
BOOTH = {
    "kind": "offline",
    "contact": {"email": "hana@kyoto.example"},
    "name": "Tea fair, booth 12",
    "source": "Tea-Fair",
    "medium": "event",
    "campaign": "fair-2026",
}


def send(program: Program, *events: dict[str, Any]) -> dict[str, Any]:
    answer = program.post("/events", {"events": list(events)})
    assert answer.status_code == 202, answer.text
    found = answer.json
    assert found is not None
    return dict(found)


def test_events_are_in_the_journal_before_the_answer(world: World, crm: Program) -> None:
    taken = send(crm, PAGE, BOOTH)
    assert (taken["accepted"], taken["duplicates"]) == (2, 0)
    assert [one["status"] for one in taken["events"]] == ["accepted", "accepted"]
    assert all(is_uuid7(one["id"]) for one in taken["events"])
    with reading(world.store) as tx:
        rows = tx.execute(select(hits.c.hit_id, hits.c.origin, hits.c.occurred_at)).all()
    assert {row.hit_id for row in rows} == {one["id"] for one in taken["events"]}
    assert {(row.origin, row.occurred_at) for row in rows} == {("api", START)}


def test_the_same_id_or_reference_again_is_the_same_event(world: World, crm: Program) -> None:
    own = uuid7(1, b"0123456789")
    first = send(crm, {**BOOTH, "id": own}, {**BOOTH, "reference": "booth-1"})
    world.clock.forward(days=1)
    again = send(crm, {**BOOTH, "id": own}, {**BOOTH, "reference": "booth-1"}, {**BOOTH, "reference": "booth-2"})
    assert (again["accepted"], again["duplicates"]) == (1, 2)
    assert [one["status"] for one in again["events"]] == ["duplicate", "duplicate", "accepted"]
    assert [one["id"] for one in again["events"][:2]] == [one["id"] for one in first["events"]]
    assert send(crm, {**BOOTH, "id": own})["accepted"] == 0


def test_the_same_reference_twice_in_one_call_is_one_event(crm: Program) -> None:
    taken = send(crm, {**BOOTH, "reference": "r"}, {**BOOTH, "reference": "r"})
    assert [one["status"] for one in taken["events"]] == ["accepted", "duplicate"]


def test_another_sites_reference_is_another_event(crm: Program, carol: Program) -> None:
    mine, hers = send(crm, {**BOOTH, "reference": "r"}), send(carol, {**BOOTH, "reference": "r"})
    assert hers["accepted"] == 1
    assert mine["events"][0]["id"] != hers["events"][0]["id"]


def test_a_booth_is_a_touch_and_a_lead_with_the_source_it_names(world: World, crm: Program) -> None:
    send(crm, {**BOOTH, "occurred_at": "2026-03-15T10:30:00+09:00"})
    world.fold()
    with reading(world.store) as tx:
        touch = tx.execute(select(touchpoints)).mappings().one()
    assert (touch["kind"], touch["source"], touch["medium"], touch["campaign"]) == (
        "offline",
        "tea-fair",
        "event",
        "fair-2026",
    )
    assert touch["day"] == "2026-03-15"
    contact = crm.get("/contacts?email=hana@kyoto.example").json
    assert contact is not None
    assert contact["data"][0]["lead_day"] == "2026-03-15"


def test_a_call_without_a_source_is_offline_under_its_own_name(world: World, crm: Program) -> None:
    send(crm, {"kind": "call", "contact": {"email": "ken@osaka.example", "phone": "03 1234 5678"}})
    world.fold()
    with reading(world.store) as tx:
        touch = tx.execute(select(touchpoints)).mappings().one()
    assert (touch["channel"], touch["source"], touch["medium"]) == ("offline", "(call)", "call")
    contact = crm.get("/contacts?email=ken@osaka.example").json
    assert contact is not None
    assert contact["data"][0]["phone"] == "+81312345678"


def test_a_known_contact_may_be_named_by_id_or_crm_id(world: World, crm: Program) -> None:
    person = crm.put("/contacts", {"crm_id": "003-17"}).json
    assert person is not None
    send(crm, {"kind": "chat", "contact": {"id": person["id"]}}, {"kind": "chat", "contact": {"crm_id": "003-17"}})
    world.fold()
    with reading(world.store) as tx:
        named = tx.execute(select(identifications.c.contact_id).where(identifications.c.kind == "chat")).scalars()
        assert set(named) == {person["id"]}


def test_a_servers_pages_make_visits_and_an_identify_names_their_visitor(world: World, crm: Program) -> None:
    at = [(START - timedelta(days=400) + timedelta(minutes=n)).isoformat() for n in range(3)]
    # As a cookie has it that the snippet wrote; the page below as one that an answer set.
    web = {"visitor": f"{PAGE['visitor']}.381", "url": "https://www.acme.example/signup"}
    send(
        crm,
        {**web, "kind": "identify", "contact": {"email": "hana@kyoto.example"}, "occurred_at": at[2]},
        {**web, "kind": "event", "name": "trial", "props": {"plan": "team", "seats": 3}, "occurred_at": at[1]},
        {**PAGE, "referrer": "https://www.google.com/", "title": "Tea", "occurred_at": at[0], "ip": "203.0.113.9"},
    )
    world.fold()
    with reading(world.store) as tx:
        visit = tx.execute(select(visits)).mappings().one()
        touch = tx.execute(select(touchpoints)).mappings().one()
    assert (visit["n_hits"], visit["n_pages"], visit["bot"]) == (3, 1, None)
    assert (touch["source"], touch["day"]) == ("news", "2025-02-25")
    contact = crm.get("/contacts?email=hana@kyoto.example").json
    assert contact is not None
    way = crm.get(f"/contacts/{contact['data'][0]['id']}/journey").json
    assert way is not None
    assert [one["kind"] for one in way["data"]] == ["visit", "page", "event", "identify"]
    assert way["data"][2]["props"] == {"plan": "team", "seats": "3"}


def test_a_clock_a_little_ahead_is_set_to_now(world: World, crm: Program) -> None:
    send(crm, {**PAGE, "occurred_at": "2026-04-01T03:04:59Z"})
    with reading(world.store) as tx:
        assert tx.execute(select(hits.c.occurred_at)).scalars().all() == [START]


def test_a_wrong_event_among_good_ones_leaves_nothing(world: World, crm: Program) -> None:
    answer = crm.post("/events", {"events": [PAGE, BOOTH, {**BOOTH, "contact": {"crm_id": "nobody"}}]})
    assert answer.status_code == 422
    with reading(world.store) as tx:
        assert tx.execute(select(hits)).all() == []


def test_a_site_cannot_name_another_sites_contact(crm: Program, carol: Program) -> None:
    person = crm.put("/contacts", {"crm_id": "003-17"}).json
    assert person is not None
    for name in ({"id": person["id"]}, {"crm_id": "003-17"}):
        answer = carol.post("/events", {"events": [{"kind": "call", "contact": name}]})
        assert answer.status_code == 422
