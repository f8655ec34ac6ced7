"""PUT and GET /api/v1/contacts: people as the CRM tells of them."""

import pytest
from sqlalchemy import func, select

from tests.world import Program, World
from tracker.clock import format_instant
from tracker.db.schema import contacts, crm_changes, identifiers
from tracker.db.store import reading

HANA = {"email": "Hana@Kyoto.example ", "crm_id": "003-17", "name": "Hana Sato"}


def test_a_new_contact_is_201_and_comes_back_normalised(crm: Program) -> None:
    answer = crm.put(
        "/contacts",
        {
            **HANA,
            "phone": "03-1234-5678",
            "company_name": "Kyoto  Tea K.K.",
            "company_domain": "https://www.tea.kyoto.example/",
            "properties": {"plan": "team", "seats": 12, "rate": 0.5, "trial": True},
        },
    )
    assert answer.status_code == 201
    contact = answer.json
    assert contact is not None
    assert len(contact.pop("id")) == 32
    assert contact.pop("journey_url").startswith("http://localhost/contacts/")
    assert contact == {
        "email": "hana@kyoto.example",
        "emails": ["hana@kyoto.example"],
        "crm_id": "003-17",
        "phone": "+81312345678",
        "name": "Hana Sato",
        "company_name": "Kyoto Tea K.K.",
        "company_domain": "kyoto.example",
        "properties": {"plan": "team", "seats": 12, "rate": 0.5, "trial": True},
        "stage": None,
        "stage_at": None,
        "score": None,
        "lead_at": "2026-04-01T03:00:00.000Z",
        "lead_day": "2026-04-01",
        "updated_at": "2026-04-01T03:00:00.000Z",
        "merged": [],
    }


def test_the_same_words_again_are_200_and_add_nothing(world: World, crm: Program) -> None:
    first = crm.put("/contacts", HANA)
    world.clock.forward(days=1)
    again = crm.put("/contacts", HANA)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json == first.json
    with reading(world.store) as tx:
        assert tx.execute(select(func.count()).select_from(crm_changes)).scalar() == 1


def test_some_of_the_same_words_again_add_nothing_either(world: World, crm: Program) -> None:
    first = crm.put("/contacts", {**HANA, "properties": {"a": 1, "b": "x"}}).json
    world.clock.forward(days=1)
    for words in ({"properties": {"a": 1}}, {"properties": {}}, {"name": "Hana Sato"}, {"phone": None}):
        assert crm.put("/contacts", {"crm_id": "003-17", **words}).json == first
    changed = crm.put("/contacts", {"crm_id": "003-17", "properties": {"a": 2}}).json
    assert changed is not None
    assert changed["properties"] == {"a": 2, "b": "x"}


def test_fields_not_given_stay_and_null_takes_away(crm: Program) -> None:
    crm.put("/contacts", {**HANA, "phone": "+81 3 1234 5678", "properties": {"a": 1, "b": 2}})
    amended = crm.put("/contacts", {"crm_id": "003-17", "name": None, "properties": {"b": 3}}).json
    assert amended is not None
    assert (amended["email"], amended["name"], amended["phone"]) == ("hana@kyoto.example", None, "+81312345678")
    assert amended["properties"] == {"a": 1, "b": 3}


def test_older_words_do_not_win_over_newer_ones(crm: Program) -> None:
    crm.put("/contacts", {**HANA, "changed_at": "2026-03-20T00:00:00Z"})
    late = crm.put("/contacts", {"crm_id": "003-17", "name": "Hana Ito", "changed_at": "2026-03-01T00:00:00Z"}).json
    assert late is not None
    assert late["name"] == "Hana Sato"


def test_the_same_words_told_late_were_true_earlier(crm: Program) -> None:
    crm.put("/contacts", {**HANA, "changed_at": "2026-03-20T00:00:00Z"})
    late = crm.put("/contacts", {**HANA, "changed_at": "2026-03-10T00:00:00Z"}).json
    assert late is not None
    assert (late["lead_at"], late["updated_at"]) == ("2026-03-10T00:00:00.000Z",) * 2


def test_a_contact_is_a_lead_since_the_crm_knew_it(crm: Program) -> None:
    contact = crm.put("/contacts", {**HANA, "created_at": "2026-03-31T23:30:00+09:00"}).json
    assert contact is not None
    assert (contact["lead_at"], contact["lead_day"]) == ("2026-03-31T14:30:00.000Z", "2026-03-31")


def test_one_crm_id_cannot_be_two_contacts(world: World, crm: Program) -> None:
    crm.put("/contacts", {"email": "hana@kyoto.example", "crm_id": "003-17"})
    crm.put("/contacts", {"email": "ken@osaka.example", "crm_id": "003-18"})
    for clash in (
        {"email": "ken@osaka.example", "crm_id": "003-17", "name": "Half-written"},
        {"email": "hana@kyoto.example", "crm_id": "003-99", "name": "Half-written"},
    ):
        answer = crm.put("/contacts", clash)
        assert answer.status_code == 409
        assert answer.mimetype == "application/problem+json"
        problem = answer.json
        assert problem is not None
        assert [one["field"] for one in problem["errors"]] == ["crm_id"]
    with reading(world.store) as tx:
        assert tx.execute(select(func.count()).where(contacts.c.name == "Half-written")).scalar() == 0
        assert tx.execute(select(func.count()).select_from(identifiers)).scalar() == 4


def test_a_crm_id_and_an_address_given_together_are_tied(crm: Program) -> None:
    by_id = crm.put("/contacts", {"crm_id": "003-17"}).json
    both = crm.put("/contacts", HANA)
    found = crm.get("/contacts?email=hana@kyoto.example").json
    assert by_id is not None
    assert both.json is not None
    assert found is not None
    assert both.status_code == 200
    assert by_id["id"] == both.json["id"] == found["data"][0]["id"]


def test_a_contact_is_found_by_its_id_its_addresses_and_its_crm_id(crm: Program) -> None:
    contact = crm.put("/contacts", HANA).json
    crm.put("/contacts", {"email": "hana@home.example", "crm_id": "003-17"})
    assert contact is not None
    whole = crm.get(f"/contacts/{contact['id']}").json
    assert whole is not None
    assert (whole.pop("stage_times"), whole.pop("points")) == ([], None)
    assert whole["emails"] == ["hana@home.example", "hana@kyoto.example"]
    for name in ("email=hana@kyoto.example", "email=HANA@home.example", "crm_id=003-17"):
        found = crm.get(f"/contacts?{name}").json
        assert found == {"next_cursor": None, "data": [whole]}
    assert crm.get("/contacts?email=nobody@kyoto.example").json == {"next_cursor": None, "data": []}


def test_a_list_is_paged_newest_lead_first_while_rows_come_and_go(world: World, crm: Program) -> None:
    for n in range(7):
        world.clock.forward(minutes=0 if n % 2 else 1)  # some became leads in the same instant
        crm.put("/contacts", {"email": f"n{n}@acme.example"})
    seen: list[str] = []
    cursor = ""
    while True:
        page = crm.get(f"/contacts?limit=3{cursor}").json
        assert page is not None
        seen += [row["email"] for row in page["data"]]
        if page["next_cursor"] is None:
            break
        world.clock.forward(minutes=1)
        crm.put("/contacts", {"email": f"late{len(seen)}@acme.example"})
        cursor = f"&cursor={page['next_cursor']}"
    assert sorted(seen) == [f"n{n}@acme.example" for n in range(7)]
    assert seen[0] in ("n6@acme.example",)
    assert set(seen[-2:]) == {"n0@acme.example", "n1@acme.example"}


@pytest.mark.parametrize("path", ["/contacts/{id}", "/contacts/{id}/attribution", "/contacts/{id}/journey"])
def test_an_unknown_contact_is_404(crm: Program, path: str) -> None:
    for contact_id in ("0" * 32, "x", "a%00b", "..", "é"):
        answer = crm.get(path.format(id=contact_id))
        assert answer.status_code == 404, contact_id
        assert answer.mimetype == "application/problem+json"


def test_another_sites_token_sees_nobody(crm: Program, carol: Program) -> None:
    contact = crm.put("/contacts", HANA).json
    assert contact is not None
    assert carol.get("/contacts").json == {"next_cursor": None, "data": []}
    assert carol.get("/contacts?crm_id=003-17").json == {"next_cursor": None, "data": []}
    for path in ("", "/attribution", "/journey"):
        assert carol.get(f"/contacts/{contact['id']}{path}").status_code == 404
    assert carol.put("/contacts", {"crm_id": "003-17"}).status_code == 201
    assert crm.get("/contacts?crm_id=003-17").json == {"next_cursor": None, "data": [contact]}


def test_a_list_is_narrowed_by_stage_touch_score_and_change(world: World) -> None:
    crm = world.program(world.token)
    world.walk()
    since = format_instant(world.clock.forward(days=1))
    told = {"email": "ken@osaka.example", "stage": "customer", "score": 70}
    assert crm.put("/contacts", told).status_code == 201
    for query, emails in {
        "stage=customer": ["ken@osaka.example"],
        "touch=first&channel=paid_search": ["hana@kyoto.example"],
        "touch=last&channel=paid_search": [],
        "touch=any&source=newsletter": ["hana@kyoto.example"],
        "score_from=70&score_to=70": ["ken@osaka.example"],
        "score_from=71": [],
        f"changed_since={since}": ["ken@osaka.example"],
        "stage=customer&source=google": [],
    }.items():
        found = crm.get(f"/contacts?{query}").json
        assert found is not None
        assert [one["email"] for one in found["data"]] == emails, query
    for wrong in ("stage=best", "channel=carrier_pigeon", "touch=middle", "score_from=x"):
        assert crm.get(f"/contacts?{wrong}").status_code == 422, wrong
