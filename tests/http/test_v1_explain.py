"""The explanation and the raw hits for programs: what is asked, what is refused, what is kept to oneself."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec import structs

from tests.tea import HANA, tea_house
from tests.world import START, Program, World
from tracker.access.sites import set_tracking
from tracker.access.tracking import changed
from tracker.attribution.policies import save_policy
from tracker.attribution.policy import SHIPPED, ChannelRule, Measured
from tracker.db.store import begin
from tracker.ids import derive
from tracker.reports.touch import details_shown

HOSTILE = '"><script>alert(1)</script>'


def told(crm: Program, path: str) -> Any:
    answer = crm.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json


def amounts(found: Any, model: int = 0) -> list[str]:
    """What each touch, and at last nobody, gets from a model."""
    one = found["models"][model]
    return [part["amount"] for part in [*one["touches"], one["nobody"]]]


def settle(world: World, **words: Any) -> None:
    with begin(world.store) as tx:
        save_policy(tx, world.acme.site_id, structs.replace(SHIPPED, **words), note="", by="alice", now=world.clock())


@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ("model=best", 422, "model"),
        ("model=first,best", 422, "model"),
        ("currency=YEN", 422, "currency"),
        ("of=lost", 422, "of"),
        ("direct=maybe", 422, "direct"),
        ("scope=world", 422, "scope"),
        ("lookback_days=0", 422, "lookback_days"),
        ("policy=7", 404, "policy"),
        ("policy=new", 422, "policy"),
        ("from=2026-04-01", 422, "from"),
    ],
)
def test_a_wrong_question_is_refused_with_its_field(
    world: World, crm: Program, query: str, status: int, field: str
) -> None:
    crm.put("/deals/D-1", {"amount": 1, "status": "won"})
    answer = crm.get(f"/deals/D-1/explain?{query}")
    assert answer.status_code == status
    assert answer.json is not None
    assert [one["field"] for one in answer.json["errors"]] == [field]


def test_another_sites_deals_leads_and_touches_are_not_there(world: World, carol: Program) -> None:
    crm = tea_house(world)
    found = told(crm, "/deals/D-1/explain")
    for path in (
        "/deals/D-1/explain",
        f"/conversions/{found['conversion_id']}/explain",
        f"/touches/{found['path'][0]['touch']['id']}",
    ):
        assert crm.get(path).status_code == 200
        assert carol.get(path).status_code == 404
    for path in ("/deals/D-2/explain", "/conversions/none/explain", "/touches/none"):
        assert crm.get(path).status_code == 404


def test_models_come_as_they_were_asked_each_once(world: World) -> None:
    found = told(tea_house(world), "/deals/D-1/explain?model=linear, first,linear")
    assert [one["model"] for one in found["models"]] == ["linear", "first"]


def test_what_was_booked_in_another_currency_shows_its_rate_and_day(world: World, crm: Program) -> None:
    world.walk()
    deal = {"amount": "1000", "currency": "USD", "contacts": [HANA], "status": "won"}
    crm.put("/deals/D-1", deal | {"created_at": "2024-04-01T00:00:00Z", "closed_at": "2024-04-06T12:00:00+09:00"})
    found = told(crm, "/deals/D-1/explain?model=linear")
    line = found["ledger"][0]
    assert (line["day"], line["rate"]["day"], line["rate"]["source"]) == ("2024-04-06", "2024-04-05", "ECB")
    assert line["credited_minor"] == round(100_000 / 1.0841)
    assert found["total_minor"] == line["credited_minor"]
    assert found["currency"] == "EUR"
    assert amounts(found) == [found["total"]], "no touch is that early: all of it is nobody's"
    assert found["models"][0]["nobody"]["reasons"] == ["no_touch"]
    dong = told(crm, "/deals/D-1/explain?model=linear&currency=VND")
    assert dong["ledger"][0]["credited"] is None
    assert dong["total_minor"] == 0


def test_a_win_taken_back_leaves_nothing_and_says_that_it_does_not_count(world: World) -> None:
    crm = tea_house(world)
    assert told(crm, "/deals/D-1/explain")["counts"] is True
    crm.put("/deals/D-1", {"status": "lost"})
    found = told(crm, "/deals/D-1/explain")
    assert found["counts"] is False
    assert {line["kind"] for line in found["ledger"]} == {"won", "refunded", "lost_after_won"}
    for model, one in enumerate(found["models"]):
        assert set(amounts(found, model)) == {"0.00"}, one["model"]


def test_a_deal_that_was_never_won_is_explained_by_its_creation(world: World, crm: Program) -> None:
    world.walk()
    crm.put("/deals/D-2", {"amount": "10", "contacts": [HANA]})
    found = told(crm, "/deals/D-2/explain?model=first")
    assert (found["kind"], found["ledger"], found["total"]) == ("deal_created", [], "0.00")
    assert [touch["share"] for touch in found["models"][0]["touches"]] == ["1.000000", "0.000000"]
    assert [one["name"] for one in found["milestones"]] == ["lead", "deal"]
    assert crm.get("/deals/D-2/explain?of=won").status_code == 404


def test_a_win_and_its_creation_have_paths_of_their_own(world: World) -> None:
    crm = tea_house(world)
    created = told(crm, "/deals/D-1/explain?of=created&model=linear")
    assert (created["kind"], len(created["path"])) == ("deal_created", 2)
    assert len(told(crm, "/deals/D-1/explain?of=won&model=linear")["path"]) == 4


def test_a_lead_is_explained_too(world: World) -> None:
    crm = tea_house(world)
    lead = told(crm, "/contacts?email=hana@kyoto.example")["data"][0]
    found = told(crm, f"/conversions/{derive('lead', lead['id'])}/explain?model=lead_u")
    assert (found["kind"], found["deal"], found["ledger"]) == ("lead", None, [])
    assert [(one["how"], one["is_oldest"]) for one in found["people"]] == [("own", True)]
    assert [one["share"] for one in found["models"][0]["touches"]] == ["0.500000", "0.500000"]


def test_the_sites_own_rules_rename_and_exclude_and_are_named(world: World) -> None:
    crm = tea_house(world)
    settle(
        world,
        rules=(ChannelRule({"source": "partner.*"}, "partners"), ChannelRule({"campaign": "april"})),
        capture=("paid_search",),
    )
    found = told(crm, "/deals/D-1/explain?model=linear")
    assert found["policy_version"] == 1
    assert [(one["channel"], one["own_rule"], one["is_excluded"]) for one in found["path"]] == [
        ("paid_search", None, False),
        ("email", 2, True),
        ("direct", None, False),
        ("partners", 1, False),
    ]
    assert found["path"][3]["touch"]["channel"] == "referral"
    assert [one["standing"] for one in found["models"][0]["touches"]] == ["capture", "excluded", "direct", "earns"]
    assert amounts(found) == ["0.00", "0.00", "0.00", "810.00", "0.00"]
    before = told(crm, "/deals/D-1/explain?model=linear&policy=0")
    assert amounts(before) == ["270.00", "270.00", "0.00", "270.00", "0.00"]


def test_what_an_experiment_did_not_confirm_is_nobodys(world: World) -> None:
    crm = tea_house(world)
    settle(world, measured=(Measured("paid_search", 50, 30, 70, "2026-01-01", "2026-01-31"),))
    found = told(crm, "/deals/D-1/explain?model=first")
    assert amounts(found) == ["405.00", "0.00", "0.00", "0.00", "405.00"]
    assert found["models"][0]["nobody"]["reasons"] == ["not_confirmed"]


def test_a_look_back_bars_what_is_too_early_and_says_since_when(world: World) -> None:
    found = told(tea_house(world), "/deals/D-1/explain?model=linear&lookback_days=3&direct=counts")
    one = found["models"][0]
    assert [touch["standing"] for touch in one["touches"]] == ["too_early", "too_early", "too_early", "earns"]
    wider = told(world.program(world.token), "/deals/D-1/explain?model=linear&lookback_days=5&direct=counts")
    assert wider["models"][0]["earliest_at"] == "2026-04-05T03:00:00.000Z"
    assert [touch["standing"] for touch in wider["models"][0]["touches"]][2:] == ["earns", "earns"]


def test_colleagues_count_only_where_the_whole_company_is_asked_for(world: World) -> None:
    crm = tea_house(world)
    world.clock.at = START + timedelta(days=8)
    form = {"form": {"id": "c"}, "identifiers": {"email": "ken@kyoto.example"}}
    world.browse("ken", world.hit("form", "/?utm_source=x&utm_medium=social", **form))
    world.fold()
    crm.put("/deals/D-1", {"company_domain": "kyoto.example"})
    found = told(crm, "/deals/D-1/explain?model=linear")
    assert [(one["email"], one["how"]) for one in found["people"]] == [
        ("hana@kyoto.example", "named"),
        ("ken@kyoto.example", "colleague"),
    ]
    assert [one["standing"] for one in found["models"][0]["touches"]][-1] == "out_of_scope"
    assert found["path"][-1]["contact_id"] == found["people"][1]["id"]
    wide = told(crm, "/deals/D-1/explain?model=linear&scope=company")
    assert amounts(wide) == ["202.50", "202.50", "0.00", "202.50", "202.50", "0.00"]


def test_a_touch_gives_its_hits_as_they_were_received_page_by_page(world: World) -> None:
    crm = tea_house(world)
    touch = told(crm, "/deals/D-1/explain")["path"][1]["touch"]["id"]
    first = told(crm, f"/touches/{touch}?limit=1")
    assert (first["visit"]["pages"], first["touch"]["rule"]) == (1, "email_medium")
    then = told(crm, f"/touches/{touch}?limit=1&cursor={first['next_cursor']}")
    assert [hit["kind"] for hit in first["data"] + then["data"]] == ["page", "form"]
    assert then["next_cursor"] is None
    assert then["data"][0]["details"]["identifiers.email"] == "hana@kyoto.example"
    assert then["data"][0]["url"] == "https://www.acme.example/contact"


def test_only_what_the_contacts_page_shows_is_shown_of_people(world: World, crm: Program) -> None:
    with begin(world.store) as tx:
        set_tracking(tx, world.acme, changed(world.acme.tracking, {"fields": ["phone", "name", "company"]}))
    said = {
        "form": {"id": HOSTILE},
        "identifiers": {"email": HANA["email"], "phone": "03-1234-5678"},
        "fields": {"name": "Hana Sato", "company": "Kyoto Tea"},
    }
    world.browse("v", world.hit("form", "/contact", **said))
    world.fold()
    contact = told(crm, "/contacts?email=hana@kyoto.example")["data"][0]
    touch = told(crm, f"/contacts/{contact['id']}/journey")["data"][0]["touch"]["id"]
    shown = told(crm, f"/touches/{touch}")["data"][0]["details"]
    assert (shown["identifiers.phone"], shown["fields.name"]) == ("03-1234-5678", "Hana Sato")
    assert shown["form.id"] == HOSTILE
    crm.put("/contacts", {"email": HANA["email"], "name": "佐藤花", "phone": None})
    shown = told(crm, f"/touches/{touch}")["data"][0]["details"]
    assert {name for name, text in shown.items() if text is None} == {"identifiers.phone", "fields.name"}
    assert shown["fields.company"] == "Kyoto Tea"


def test_a_call_that_may_be_of_several_visitors_does_not_tell_of_the_others(world: World) -> None:
    call = {"number": "+81355556666", "candidates": [{"visitor": "secret", "url": "https://a.example/?utm_source=b"}]}
    assert dict(details_shown({"call": call}, None, "Asia/Tokyo")) == {
        "call.candidates": None,
        "call.number": "+81355556666",
    }
