"""GET /api/v1/contacts/{id}/attribution and /journey: where somebody came from."""

from typing import Any

from tests.world import Program, World
from tracker.reports.journey import NOTES

HANA = "hana@kyoto.example"


def attribution(crm: Program, contact_id: str) -> dict[str, Any]:
    answer = crm.get(f"/contacts/{contact_id}/attribution")
    assert answer.status_code == 200
    found = answer.json
    assert found is not None
    return dict(found)


def moments(crm: Program, contact_id: str, query: str = "") -> list[dict[str, Any]]:
    found = crm.get(f"/contacts/{contact_id}/journey{query}").json
    assert found is not None
    return list(found["data"])


def test_the_fields_tell_the_first_the_leads_and_the_last_touch(world: World, crm: Program) -> None:
    contact_id = world.walk()
    found = attribution(crm, contact_id)
    first = {name: found[f"first_{name}"] for name in ("channel", "source", "medium", "campaign", "term", "content")}
    assert first == {
        "channel": "paid_search",
        "source": "google",
        "medium": "cpc",
        "campaign": "spring",
        "term": "green tea",
        "content": None,
    }
    assert found["first_landing_page"] == "/"
    assert found["first_landing_url"].startswith("https://www.acme.example/?utm_source=google")
    assert found["first_referrer"] is None
    assert found["first_date"] == "2026-04-01T03:00:00.000Z"
    for role in ("lead", "last"):
        assert (found[f"{role}_channel"], found[f"{role}_campaign"]) == ("email", "april")
        assert found[f"{role}_date"] == "2026-04-03T03:01:00.000Z"
    assert (found["gclid"], found["msclkid"], found["click_ids"]) == ("Abc-1", None, {"gclid": "Abc-1"})
    assert (found["visits"], found["pages_viewed"], found["days_to_convert"]) == (2, 3, 2)
    assert (found["lead_type"], found["lead_form"]) == ("form", "Contact us")
    assert (found["days_to_win"], found["notes"]) == (None, [])
    assert found["contact_id"] == contact_id


def test_a_later_touch_moves_only_the_last_fields(world: World, crm: Program) -> None:
    contact_id = world.walk()
    before = attribution(crm, contact_id)
    world.clock.forward(days=10)
    world.browse("hana", world.hit("page", "/?utm_source=bing&utm_medium=cpc&msclkid=M-2&gclid=Abc-2"))
    world.fold()
    after = attribution(crm, contact_id)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {
        *(
            f"last_{name}"
            for name in ("channel", "source", "medium", "campaign", "landing_page", "landing_url", "date")
        ),
        *("gclid", "msclkid", "click_ids", "visits", "pages_viewed"),
    }
    assert (after["last_source"], after["gclid"], after["msclkid"]) == ("bing", "Abc-2", "M-2")


def test_direct_visits_are_passed_over_for_lead_and_last_and_it_says_so(world: World, crm: Program) -> None:
    world.browse("hana", world.hit("page", "/"))
    world.clock.forward(days=1)
    world.browse("hana", world.hit("page", "/?utm_source=news&utm_medium=email"))
    world.clock.forward(days=1)
    world.browse("hana", world.hit("page", "/"))
    world.browse("hana", world.hit("form", "/contact", form={"id": "c"}, identifiers={"email": HANA}))
    world.clock.forward(days=1)
    world.browse("hana", world.hit("page", "/"))
    world.fold()
    listed = crm.get(f"/contacts?email={HANA}").json
    assert listed is not None
    found = attribution(crm, listed["data"][0]["id"])
    assert (found["first_channel"], found["lead_channel"], found["last_channel"]) == ("direct", "email", "email")
    assert found["first_source"] == "(direct)"
    assert [note["code"] for note in found["notes"]] == ["lead_direct_skipped", "last_direct_skipped"]
    assert [note["text"] for note in found["notes"]] == [NOTES[note["code"]] for note in found["notes"]]


def test_only_direct_visits_are_direct(world: World, crm: Program) -> None:
    world.browse("hana", world.hit("page", "/"))
    world.browse("hana", world.hit("form", "/contact", form={"id": "c"}, identifiers={"email": HANA}))
    world.fold()
    listed = crm.get(f"/contacts?email={HANA}").json
    assert listed is not None
    found = attribution(crm, listed["data"][0]["id"])
    assert {found[f"{role}_channel"] for role in ("first", "lead", "last")} == {"direct"}
    assert (found["notes"], found["lead_form"]) == ([], "c")


def test_a_contact_that_nobody_saw_has_no_touch(crm: Program) -> None:
    person = crm.put("/contacts", {"email": HANA}).json
    assert person is not None
    found = attribution(crm, person["id"])
    assert {found[name] for name in found if name.startswith(("first_", "last_"))} == {None}
    assert (found["lead_type"], found["visits"], found["days_to_convert"]) == ("crm", 0, None)
    assert [note["code"] for note in found["notes"]] == ["no_touch"]


def test_a_touch_after_the_crms_lead_is_no_leads_touch(world: World, crm: Program) -> None:
    crm.put("/contacts", {"email": HANA, "created_at": "2026-03-01T00:00:00Z"})
    contact_id = world.walk()
    found = attribution(crm, contact_id)
    assert (found["first_channel"], found["lead_channel"], found["last_channel"]) == ("paid_search", None, "email")
    assert (found["lead_type"], found["days_to_convert"]) == ("crm", None)
    assert [note["code"] for note in found["notes"]] == ["no_touch_before_lead"]


def test_days_to_win_count_from_the_first_touch_to_the_first_win(world: World, crm: Program) -> None:
    contact_id = world.walk()
    deal = {"amount": 1, "currency": "EUR", "status": "won", "contacts": [{"id": contact_id}]}
    world.clock.forward(days=30)
    crm.put("/deals/D-2", deal)
    crm.put("/deals/D-1", {**deal, "closed_at": "2026-04-21T00:00:00+09:00"})
    assert attribution(crm, contact_id)["days_to_win"] == 20
    crm.put("/deals/D-1", {"status": "lost"})
    assert attribution(crm, contact_id)["days_to_win"] == 32


def test_a_journey_has_everything_in_order_with_its_visits(world: World, crm: Program) -> None:
    contact_id = world.walk()
    world.clock.forward(days=1)
    crm.put("/contacts", {"email": HANA, "crm_id": "003-17"})
    deal = {"name": "Tea house", "amount": "1000.00", "currency": "EUR", "stage": "demo"}
    crm.put("/deals/D-1", {**deal, "contacts": [{"crm_id": "003-17"}]})
    world.clock.forward(days=1)
    crm.put("/deals/D-1", {"stage": "offer", "amount": "1200.00"})
    world.clock.forward(days=1)
    call = {"kind": "call", "contact": {"email": HANA}, "name": "Price"}
    crm.post("/events", {"events": [call]})
    world.fold()
    world.clock.forward(days=1)
    crm.put("/deals/D-1", {"status": "won"})
    world.clock.forward(days=1)
    crm.put("/deals/D-1", {"refunded": "200.00"})
    world.clock.forward(days=1)
    crm.put("/deals/D-2", {"amount": 5, "currency": "EUR", "status": "lost", "contacts": [{"email": HANA}]})
    told = []
    for one in moments(crm, contact_id):
        visit, deal_step = one["visit"], one["deal"]
        told.append(
            (
                one["kind"],
                one["title"] if deal_step is None else deal_step["kind"],
                one["detail"] if deal_step is None else deal_step["amount"],
                visit and (visit["number"], visit["pages"]),
            )
        )
    assert told == [
        ("visit", "", "", (1, 2)),
        ("page", "Tea", "", (1, 2)),
        ("page", "Pricing", "", (1, 2)),
        ("visit", "", "", (2, 1)),
        ("page", "News", "", (2, 1)),
        ("form", "Contact", "Contact us", (2, 1)),
        ("identified", "crm", HANA, None),
        ("deal", "created", "1000.00", None),
        ("deal", "stage", None, None),
        ("deal", "amount", "1200.00", None),
        ("call", "Price", HANA, None),
        ("deal", "won", "1200.00", None),
        ("stage", "customer", "", None),
        ("deal", "refunded", "-200.00", None),
        ("deal", "created", "5.00", None),
        ("deal", "status", None, None),
    ]


def test_a_journeys_touches_tell_where_they_came_from(world: World, crm: Program) -> None:
    contact_id = world.walk()
    touches = [one["touch"] for one in moments(crm, contact_id) if one["touch"]]
    assert [(one["kind"], one["channel"], one["source"], one["click_ids"]) for one in touches] == [
        ("visit", "paid_search", "google", {"gclid": "Abc-1"}),
        ("visit", "email", "newsletter", {}),
    ]


def test_a_journey_is_paged_without_loss(world: World, crm: Program) -> None:
    contact_id = world.walk()
    whole = moments(crm, contact_id)
    seen: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = crm.get(f"/contacts/{contact_id}/journey?limit=1{cursor}").json
        assert page is not None
        seen += page["data"]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == whole
    assert len(whole) == 6


def test_a_shared_browser_is_two_peoples_and_the_fields_say_so(world: World, crm: Program) -> None:
    hana = world.walk()
    world.clock.forward(days=1)
    world.browse("hana", world.hit("page", "/?utm_source=x&utm_medium=social"))
    world.browse("hana", world.hit("form", "/contact", form={"id": "c"}, identifiers={"email": "ken@osaka.example"}))
    world.fold()
    listed = crm.get("/contacts?email=ken@osaka.example").json
    assert listed is not None
    ken = listed["data"][0]["id"]
    assert [attribution(crm, one)["visits"] for one in (hana, ken)] == [2, 1]
    assert [note["code"] for note in attribution(crm, hana)["notes"]] == ["shared_browser"]
    assert {one["title"] for one in moments(crm, ken) if one["kind"] == "page"} == {""}


def test_a_deal_that_names_nobody_is_on_the_way_of_its_companys_people(world: World, crm: Program) -> None:
    contact_id = world.walk()
    crm.put("/deals/D-1", {"amount": 1, "currency": "EUR", "company_domain": "kyoto.example"})
    steps = [one["deal"] for one in moments(crm, contact_id) if one["deal"]]
    assert [(step["kind"], step["by_company"]) for step in steps] == [("created", True)]
