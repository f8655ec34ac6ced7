"""PUT and GET /api/v1/deals: the CRM's opportunities and the ledger of their money."""

from typing import Any

import pytest
from sqlalchemy import func, select

from tests.world import Program, World
from tracker.db.schema import crm_changes, deal_entries, deal_states, deals, sites
from tracker.db.store import begin, reading

DEAL = {"name": "Tea house", "amount": "1500.00", "currency": "EUR", "pipeline": "sales", "stage": "demo"}


def ledger(crm: Program, reference: str = "D-1") -> list[tuple[str, str, str]]:
    """(kind, amount, running net) of each entry, in order."""
    found = crm.get(f"/deals/{reference}/history").json
    assert found is not None
    entries = [step["entry"] for step in found["data"] if step["kind"] == "booked"]
    return [(entry["kind"], entry["amount"], entry["net"]) for entry in entries]


def put(crm: Program, reference: str = "D-1", **fields: Any) -> dict[str, Any]:
    answer = crm.put(f"/deals/{reference}", fields)
    assert answer.status_code in (200, 201), answer.text
    found = answer.json
    assert found is not None
    return dict(found)


def test_a_new_deal_is_201_and_comes_back_whole(crm: Program) -> None:
    person = crm.put("/contacts", {"email": "hana@kyoto.example", "crm_id": "003-17"}).json
    answer = crm.put(
        "/deals/D-1",
        {
            **DEAL,
            "type": "upsell",
            "contacts": [{"email": "HANA@kyoto.example"}],
            "company_domain": "www.kyoto.example",
        },
    )
    assert person is not None
    assert answer.status_code == 201
    assert answer.json == {
        "reference": "D-1",
        "name": "Tea house",
        "amount": "1500.00",
        "amount_minor": 150000,
        "refunded": "0.00",
        "refunded_minor": 0,
        "net": "1500.00",
        "net_minor": 150000,
        "currency": "EUR",
        "pipeline": "sales",
        "stage": "demo",
        "probability": None,
        "status": "open",
        "lost_reason": None,
        "type": "upsell",
        "company_domain": "kyoto.example",
        "contacts": [{"id": person["id"], "email": "hana@kyoto.example", "crm_id": "003-17"}],
        "created_at": "2026-04-01T03:00:00.000Z",
        "closed_at": None,
        "changed_at": "2026-04-01T03:00:00.000Z",
        "changed": True,
    }


def test_the_same_words_again_change_nothing(world: World, crm: Program) -> None:
    put(crm, **DEAL, contacts=[{"email": "a@acme.example"}, {"email": "b@acme.example"}])
    world.clock.forward(days=1)
    again = put(crm, **DEAL, contacts=[{"email": "b@acme.example"}, {"email": "a@acme.example"}])
    assert again["changed"] is False
    assert again["changed_at"] == "2026-04-01T03:00:00.000Z"
    with reading(world.store) as tx:
        assert tx.execute(select(func.count()).select_from(crm_changes)).scalar() == 1


def test_fields_not_given_stay_and_null_takes_text_away(crm: Program) -> None:
    put(crm, **DEAL, contacts=[{"email": "a@acme.example"}])
    after = put(crm, stage=None, amount=None, contacts=None, status=None)
    assert (after["stage"], after["name"], after["amount"], after["status"]) == (None, "Tea house", "1500.00", "open")
    assert [one["email"] for one in after["contacts"]] == ["a@acme.example"]


def test_given_people_replace_those_named_before(crm: Program) -> None:
    b = crm.put("/contacts", {"email": "b@acme.example"}).json
    assert b is not None
    put(crm, **DEAL, contacts=[{"email": "a@acme.example"}])
    after = put(crm, contacts=[{"id": b["id"]}, {"crm_id": "003-99"}])
    assert {(one["email"], one["crm_id"]) for one in after["contacts"]} == {("b@acme.example", None), (None, "003-99")}
    assert put(crm, contacts=[])["contacts"] == []


def test_won_amended_and_refunded_add_up_to_the_cent(world: World, crm: Program) -> None:
    put(crm, **DEAL)
    world.clock.forward(days=3)
    won = put(crm, status="won", stage="closed")
    assert won["closed_at"] == "2026-04-04T03:00:00.000Z"
    world.clock.forward(days=10)
    put(crm, amount="1800.50")
    world.clock.forward(days=1)
    refunded = put(crm, refunded_minor=20025)
    assert (refunded["amount"], refunded["refunded"], refunded["net"]) == ("1800.50", "200.25", "1600.25")
    assert ledger(crm) == [
        ("won", "1500.00", "1500.00"),
        ("amended", "300.50", "1800.50"),
        ("refunded", "-200.25", "1600.25"),
    ]


def test_a_won_deal_that_is_lost_is_booked_back(crm: Program) -> None:
    put(crm, **DEAL, status="won", closed_at="2026-03-20T10:00:00+09:00")
    put(crm, status="lost")
    assert ledger(crm) == [("won", "1500.00", "1500.00"), ("lost_after_won", "-1500.00", "0.00")]


def test_another_closing_day_moves_the_money_to_it(crm: Program) -> None:
    put(crm, **DEAL, status="won", closed_at="2026-03-20T10:00:00+09:00")
    put(crm, closed_at="2026-03-10T10:00:00+09:00")
    found = crm.get("/deals/D-1/history").json
    assert found is not None
    entries = [step["entry"] for step in found["data"] if step["kind"] == "booked"]
    assert [(entry["day"], entry["kind"], entry["amount"]) for entry in entries] == [
        ("2026-03-10", "redated", "1500.00"),
        ("2026-03-20", "won", "1500.00"),
        ("2026-03-20", "redated", "-1500.00"),
    ]
    assert entries[-1]["net"] == "1500.00"


@pytest.mark.parametrize(
    ("body", "amount", "amount_minor"),
    [
        ('{"amount": 10.1, "currency": "EUR"}', "10.10", 1010),
        ('{"amount": 0.07, "currency": "EUR"}', "0.07", 7),
        ('{"amount": 4503599627370497.5, "currency": "EUR"}', None, None),
        ('{"amount": 8388608.13, "currency": "EUR"}', "8388608.13", 838860813),
        ('{"amount": "1.50e2", "currency": "EUR"}', "150.00", 15000),
        ('{"amount": 1500, "currency": "jpy"}', "1500", 1500),
        ('{"amount_minor": 1500, "currency": "JPY"}', "1500", 1500),
        ('{"amount": "1.234", "currency": "KWD"}', "1.234", 1234),
        ('{"amount_minor": 9000000000000000}', "90000000000000.00", 9000000000000000),
    ],
)
def test_an_amount_is_read_exactly_from_the_json(
    crm: Program, body: str, amount: str | None, amount_minor: int | None
) -> None:
    answer = crm.put("/deals/D-1", body)
    if amount is None:
        assert answer.status_code == 422  # above what is exact in every JSON reader
        return
    deal = answer.json
    assert deal is not None
    assert (deal["amount"], deal["amount_minor"]) == (amount, amount_minor)


def test_a_currency_is_needed_once_and_settles_the_site(world: World, carol: Program) -> None:
    refused = carol.put("/deals/D-1", {"amount": "5"})
    assert refused.status_code == 422
    assert refused.json is not None
    assert refused.json["errors"][0]["field"] == "currency"
    put(carol, amount="5", currency="jpy")
    assert put(carol, "D-2", amount_minor=7)["currency"] == "JPY"
    with reading(world.store) as tx:
        assert tx.execute(select(sites.c.currency).where(sites.c.key == "carolkey")).scalar() == "JPY"


def test_words_that_come_late_are_sorted_in(crm: Program) -> None:
    put(crm, **DEAL, changed_at="2026-03-10T00:00:00Z")
    put(crm, status="won", stage="closed", changed_at="2026-03-20T00:00:00Z")
    late = put(crm, stage="offer", amount="1600", changed_at="2026-03-15T00:00:00Z")
    assert (late["stage"], late["status"], late["amount"]) == ("closed", "won", "1600.00")
    assert ledger(crm) == [("won", "1600.00", "1600.00")]


def test_an_open_deals_closing_date_is_only_a_guess(world: World, crm: Program) -> None:
    guess = put(crm, **DEAL, closed_at="2027-01-31T00:00:00Z")
    assert guess["closed_at"] is None
    won = put(crm, status="won")
    assert won["closed_at"] == "2026-04-01T03:00:00.000Z"


@pytest.mark.parametrize("first", [{}, {"status": "won"}])
def test_a_closed_deal_did_not_close_in_the_future(world: World, crm: Program, first: dict[str, str]) -> None:
    put(crm, **DEAL, **first)
    answer = crm.put("/deals/D-1", {"status": "won", "closed_at": "2026-04-03T03:00:00Z", "stage": "half-written"})
    assert answer.status_code == 422
    assert answer.json is not None
    assert answer.json["errors"][0]["field"] == "closed_at"
    stands = crm.get("/deals/D-1").json
    assert stands is not None
    assert stands["stage"] == "demo"
    assert len(ledger(crm)) == len(first)
    assert crm.put("/deals/D-1", {"status": "won", "closed_at": "2026-04-02T02:00:00Z"}).status_code == 200


def test_what_contradicts_itself_leaves_nothing_behind(world: World, crm: Program) -> None:
    put(crm, **DEAL)
    with reading(world.store) as tx:
        before = [tx.execute(select(table)).all() for table in (deals, crm_changes, deal_entries)]
    for wrong in (
        {"refunded": "1500.01", "contacts": [{"email": "new@acme.example"}]},
        {"currency": "JPY", "contacts": [{"email": "new@acme.example"}]},
        {"contacts": [{"email": "new@acme.example"}, {"id": "0" * 32}]},
    ):
        assert crm.put("/deals/D-1", wrong).status_code == 422
    with reading(world.store) as tx:
        assert [tx.execute(select(table)).all() for table in (deals, crm_changes, deal_entries)] == before
    found = crm.get("/contacts?email=new@acme.example").json
    assert found is not None
    assert found["data"] == []


def test_two_people_behind_one_crm_id_are_a_conflict_on_a_deal_too(world: World, crm: Program) -> None:
    crm.put("/contacts", {"email": "a@acme.example", "crm_id": "1"})
    deal = put(crm, **DEAL, contacts=[{"email": "a@acme.example"}, {"crm_id": "1"}])
    assert len(deal["contacts"]) == 1


def test_deals_are_listed_by_status_contact_and_change(world: World, crm: Program) -> None:
    put(crm, "D-1", **DEAL, contacts=[{"email": "a@acme.example"}])
    world.clock.forward(hours=1)
    put(crm, "D-2", **DEAL, status="won")
    world.clock.forward(hours=1)
    put(crm, "D-3", **DEAL, status="lost", contacts=[{"email": "a@acme.example"}])
    person = crm.get("/contacts?email=a@acme.example").json
    assert person is not None
    asked = {
        "": ["D-1", "D-2", "D-3"],
        "?status=won": ["D-2"],
        f"?contact={person['data'][0]['id']}": ["D-1", "D-3"],
        "?changed_since=2026-04-01T04:00:00Z": ["D-2", "D-3"],
        "?changed_since=2026-04-01T13:00:00.001+09:00": ["D-3"],  # the + arrives as a space
        "?status=open&changed_since=2026-04-01T04:00:00Z": [],
    }
    for query, references in asked.items():
        found = crm.get(f"/deals{query}").json
        assert found is not None
        assert [deal["reference"] for deal in found["data"]] == references, query


def test_a_list_of_deals_is_paged_and_a_change_moves_a_deal_to_its_end(world: World, crm: Program) -> None:
    for n in range(5):
        put(crm, f"D-{n}", **DEAL)
    first = crm.get("/deals?limit=2").json
    assert first is not None
    world.clock.forward(hours=1)
    moved = first["data"][0]["reference"]
    put(crm, moved, stage="offer")
    second = crm.get(f"/deals?limit=200&cursor={first['next_cursor']}").json
    assert second is not None
    rest = [deal["reference"] for deal in second["data"]]
    assert second["next_cursor"] is None
    assert rest[-1] == moved
    assert {*rest, first["data"][1]["reference"]} == {f"D-{n}" for n in range(5)}


def test_a_history_tells_what_was_said_and_what_was_booked(world: World, crm: Program) -> None:
    put(crm, **DEAL, contacts=[{"email": "a@acme.example"}])
    world.clock.forward(days=1)
    put(crm, status="won", amount=1600.5)
    found = crm.get("/deals/D-1/history").json
    assert found is not None
    assert [(step["kind"], step["at"][:10]) for step in found["data"]] == [
        ("told", "2026-04-01"),
        ("told", "2026-04-02"),
        ("booked", "2026-04-02"),
    ]
    assert found["data"][0]["told"]["fields"] == {
        "name": "Tea house",
        "pipeline": "sales",
        "stage": "demo",
        "currency": "EUR",
        "amount": "1500.00",
        "contacts": [{"by": "email", "value": "a@acme.example"}],
    }
    assert found["data"][1]["told"]["fields"] == {"status": "won", "amount": "1600.50"}
    pages, cursor = [], ""
    for _ in range(3):
        page = crm.get(f"/deals/D-1/history?limit=1{cursor}").json
        assert page is not None
        pages += page["data"]
        cursor = f"&cursor={page['next_cursor']}"
    assert pages == found["data"]
    assert cursor == "&cursor=None"


def test_an_unknown_deal_is_404(crm: Program) -> None:
    for path in ("/deals/D-9", "/deals/D-9/history", "/deals/a/b/c"):
        assert crm.get(path).status_code == 404


def test_another_sites_deal_of_the_same_reference_is_another_deal(crm: Program, carol: Program) -> None:
    put(crm, **DEAL)
    assert carol.get("/deals/D-1").status_code == 404
    put(carol, name="Carol's", amount=1, currency="JPY")
    mine, hers = crm.get("/deals/D-1").json, carol.get("/deals").json
    assert mine is not None
    assert hers is not None
    assert mine["name"] == "Tea house"
    assert [deal["name"] for deal in hers["data"]] == ["Carol's"]


def test_a_contact_of_another_site_is_nobody_here(crm: Program, carol: Program) -> None:
    person = carol.put("/contacts", {"email": "x@carol.example"}).json
    assert person is not None
    answer = crm.put("/deals/D-1", {**DEAL, "contacts": [{"id": person["id"]}]})
    assert answer.status_code == 422
    assert answer.json is not None
    assert answer.json["errors"][0]["field"] == "contacts.0.id"


def test_a_reference_may_hold_what_crms_put_in_it(crm: Program) -> None:
    put(crm, "%E5%95%86%E8%AB%87%20%23%201", **DEAL)
    found = crm.get("/deals").json
    assert found is not None
    assert found["data"][0]["reference"] == "商談 # 1"


def test_nothing_is_left_of_a_call_that_the_database_broke(world: World, crm: Program) -> None:
    with begin(world.store) as tx:
        tx.exec_driver_sql("DROP TABLE paths")
    answer = crm.put("/deals/D-1", {**DEAL, "status": "won"})
    assert answer.status_code in (500, 503)
    assert answer.json is not None
    assert "paths" not in answer.text
    with reading(world.store) as tx:
        assert tx.execute(select(func.count()).select_from(crm_changes)).scalar() == 0
        assert tx.execute(select(func.count()).select_from(deals)).scalar() == 0


def test_a_probability_is_kept_exactly_and_taken_away_by_null(crm: Program) -> None:
    assert put(crm, **DEAL, probability="35.50")["probability"] == "35.5"
    assert put(crm, probability=35.5)["changed"] is False
    assert put(crm, stage="offer")["probability"] == "35.5"
    assert put(crm, probability=None)["probability"] is None


@pytest.mark.parametrize("value", ["-1", 100.01, "35.555", "half", "NaN", True, "1e3000"])
def test_what_is_no_percentage_is_refused(crm: Program, value: Any) -> None:
    answer = crm.put("/deals/D-1", {**DEAL, "probability": value})
    assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, "probability")  # type: ignore[index]


def test_a_reason_of_loss_is_kept_as_told(crm: Program) -> None:
    lost = put(crm, **DEAL, status="lost", lost_reason=" Too expensive ")
    assert (lost["status"], lost["lost_reason"]) == ("lost", "Too expensive")
    assert put(crm, lost_reason=None)["lost_reason"] is None


def test_a_late_word_about_a_past_stage_changes_where_the_deal_stood(world: World, crm: Program) -> None:
    put(crm, **DEAL)
    world.clock.forward(days=9)
    put(crm, stage="closed", status="won")
    late = put(crm, stage="offer", changed_at="2026-04-04T03:00:00Z")
    assert (late["changed"], late["stage"]) == (True, "closed")
    query = select(deal_states.c.stage, deal_states.c.from_day).order_by(deal_states.c.position)
    with reading(world.store) as tx:
        stood = [tuple(row) for row in tx.execute(query)]
    assert stood == [("demo", "2026-04-01"), ("offer", "2026-04-04"), ("closed", "2026-04-10")]
