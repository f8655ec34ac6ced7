"""POST /api/v1/contacts/{id}/merge and /split: one person, two contacts, and back."""

from typing import Any

import pytest
from sqlalchemy import func, select

from tests.world import Program, World
from tracker.db.schema import conversions, crm_changes, paths
from tracker.db.store import begin, reading
from tracker.rebuild import DERIVED, rebuild

WORK, HOME = "hana@kyoto.example", "hana@home.example"
# What is told of one contact, and of none in a list.
ALONE: dict[str, object] = {"stage_times": [], "points": None}


def facts(world: World) -> dict[str, list[Any]]:
    with reading(world.store) as tx:
        return {table.name: sorted(map(tuple, tx.execute(select(table))), key=repr) for table in DERIVED}


def contact(crm: Program, **by: str) -> dict[str, Any]:
    ((name, value),) = by.items()
    found = crm.get(f"/contacts?{name}={value}").json
    assert found is not None
    return dict(found["data"][0])


def told(crm: Program, **fields: Any) -> str:
    answer = crm.put("/contacts", fields)
    assert answer.status_code in (200, 201), answer.json
    return str((answer.json or {})["id"])


def merge(crm: Program, contact_id: str, **into: Any) -> dict[str, Any]:
    answer = crm.post(f"/contacts/{contact_id}/merge", {"into": into, "decided_by": "alice@acme.example"})
    assert answer.status_code == 200, answer.json
    return dict(answer.json or {})


def refusal(crm: Program, path: str, body: Any) -> tuple[int, list[str]]:
    answer = crm.post(path, body)
    problem = answer.json or {}
    return answer.status_code, [one["field"] for one in problem.get("errors", [])]


def two_walks(world: World) -> tuple[str, str]:
    """Hana comes by an ad at work; weeks later from home, by another browser, and calls. Returns both contacts' ids."""
    at_work = world.walk(WORK, "work")
    world.clock.forward(days=20)
    world.browse("home", world.hit("page", "/?utm_source=facebook&utm_medium=paid_social&utm_campaign=summer"))
    world.clock.forward(minutes=2)
    world.browse("home", world.hit("form", "/contact", form={"id": "c"}, identifiers={"email": HOME}))
    world.clock.forward(minutes=2)
    fair = {"kind": "offline", "contact": {"email": HOME}, "name": "Fair", "source": "fair", "medium": "event"}
    assert world.program(world.token).post("/events", {"events": [fair]}).status_code == 202
    world.fold()
    return at_work, contact(world.program(world.token), email=HOME)["id"]


def campaigns(world: World, kind: str) -> list[list[str]]:
    """The campaigns on the path of each conversion of this kind."""
    with reading(world.store) as tx:
        ids = tx.execute(
            select(conversions.c.conversion_id).where(conversions.c.kind == kind).order_by(conversions.c.occurred_at)
        ).scalars()
        return [
            list(
                tx.execute(
                    select(paths.c.campaign).where(paths.c.conversion_id == one).order_by(paths.c.position)
                ).scalars()
            )
            for one in ids
        ]


def test_two_ways_become_one_and_two_again(world: World, crm: Program) -> None:
    at_work, at_home = two_walks(world)
    crm.put("/deals/D-1", {"amount": "900", "status": "won", "contacts": [{"id": at_home}]})
    before, journey = facts(world), crm.get(f"/contacts/{at_home}/journey").json
    assert campaigns(world, "deal_won") == [["summer", "Fair"]]
    assert len(campaigns(world, "lead")) == 2

    whole = merge(crm, at_home, id=at_work)
    assert whole["id"] == at_work
    assert whole["emails"] == [HOME, WORK]
    assert (whole["lead_at"], whole["email"]) == ("2026-04-03T03:04:00.000Z", WORK)
    assert campaigns(world, "deal_won") == [["spring", "april", "summer", "Fair"]]
    assert campaigns(world, "lead") == [["spring", "april"]]
    assert len(campaigns(world, "form")) == 2
    deal = crm.get("/deals/D-1").json
    assert deal is not None
    assert [one["id"] for one in deal["contacts"]] == [at_work]
    merged = facts(world)
    with begin(world.store) as tx:
        rebuild(tx, 3)
    assert facts(world) == merged

    apart = crm.post(f"/contacts/{at_home}/split", {}).json
    assert apart is not None
    assert apart["emails"] == [HOME]
    assert facts(world) == before
    assert crm.get(f"/contacts/{at_home}/journey").json == journey
    with begin(world.store) as tx:
        rebuild(tx, 3)
    assert facts(world) == before


def test_whoever_asks_for_the_merged_one_is_given_the_one_that_stays(world: World, crm: Program) -> None:
    at_work, at_home = two_walks(world)
    crm.put("/deals/D-1", {"amount": "900", "contacts": [{"email": WORK}]})
    whole = merge(crm, at_home, email=WORK)
    assert whole["merged"] == [
        {
            "id": at_home,
            "into": at_work,
            "decided_by": "alice@acme.example",
            "decided_at": "2026-04-23T03:08:00.000Z",
        }
    ]
    assert crm.get(f"/contacts/{at_home}").json == {**whole, **ALONE}
    assert contact(crm, email=HOME) == contact(crm, email=WORK) == whole
    listed = crm.get("/contacts").json
    assert listed is not None
    assert listed["data"] == [whole]
    for path in ("attribution", "journey"):
        assert crm.get(f"/contacts/{at_home}/{path}").json == crm.get(f"/contacts/{at_work}/{path}").json
    deals = crm.get(f"/deals?contact={at_home}").json
    assert deals is not None
    assert [deal["reference"] for deal in deals["data"]] == ["D-1"]


def test_the_same_decision_again_changes_nothing(world: World, crm: Program) -> None:
    at_work, at_home = told(crm, email=WORK), told(crm, email=HOME)
    first = merge(crm, at_home, id=at_work)
    world.clock.forward(days=1)
    for again in ({"id": at_work}, {"email": WORK}, {"email": HOME}):
        assert merge(crm, at_home, **again) == first
    assert merge(crm, at_work, id=at_home) == first, "they are one person already"
    apart = [crm.post(f"/contacts/{at_home}/split", {}).json for _ in range(2)]
    assert apart[0] == apart[1]
    with reading(world.store) as tx:
        kinds = tx.execute(select(crm_changes.c.kind).order_by(crm_changes.c.seq)).scalars().all()
    assert kinds == ["contact", "contact", "merge", "split"]


def test_who_decided_is_the_token_where_nobody_is_named(world: World, crm: Program) -> None:
    at_work, at_home = told(crm, email=WORK), told(crm, email=HOME)
    answer = crm.post(f"/contacts/{at_home}/merge", {"into": {"id": at_work}}).json
    assert answer is not None
    assert answer["merged"][0]["decided_by"] == "crm"


def test_a_decision_that_is_told_after_a_later_one_changes_nothing(world: World, crm: Program) -> None:
    at_work, at_home = told(crm, email=WORK), told(crm, email=HOME)
    merge(crm, at_home, id=at_work)
    late = crm.post(f"/contacts/{at_home}/split", {"decided_at": "2026-03-31T00:00:00Z"}).json
    assert late is not None
    assert late["id"] == at_work


def test_a_clock_that_is_ahead_does_not_outlast_a_later_decision(world: World, crm: Program) -> None:
    at_work, at_home = told(crm, email=WORK), told(crm, email=HOME)
    ahead = {"into": {"id": at_work}, "decided_at": "2026-04-01T20:00:00Z"}
    assert crm.post(f"/contacts/{at_home}/merge", ahead).status_code == 200
    world.clock.forward(minutes=1)
    apart = crm.post(f"/contacts/{at_home}/split", {}).json
    assert apart is not None
    assert apart["id"] == at_home


def test_a_chain_is_one_person_and_each_link_opens(world: World, crm: Program) -> None:
    a, b, c = (told(crm, email=f"{name}@kyoto.example") for name in "abc")
    merge(crm, a, id=b)
    whole = merge(crm, b, id=c)
    assert (whole["id"], len(whole["emails"])) == (c, 3)
    assert crm.get(f"/contacts/{a}").json == {**whole, **ALONE}
    apart = crm.post(f"/contacts/{b}/split", {}).json
    assert apart is not None
    assert (apart["id"], apart["emails"]) == (b, ["a@kyoto.example", "b@kyoto.example"])
    assert contact(crm, email="c@kyoto.example")["emails"] == ["c@kyoto.example"]


def test_a_merge_into_a_merged_one_goes_to_the_one_that_stays(world: World, crm: Program) -> None:
    a, b, c = (told(crm, email=f"{name}@kyoto.example") for name in "abc")
    merge(crm, b, id=c)
    assert [one["into"] for one in merge(crm, a, id=b)["merged"]] == [c, c]
    crm.post(f"/contacts/{b}/split", {})
    assert contact(crm, email="a@kyoto.example")["id"] == c


def test_what_cannot_be_is_refused_and_leaves_nothing(world: World, crm: Program, carol: Program) -> None:
    a, b, c = (told(crm, email=f"{name}@kyoto.example") for name in "abc")
    theirs = told(carol, email="x@carol.example")
    merge(crm, a, id=b)
    before = facts(world)
    nobody = "0" * 32
    assert refusal(crm, f"/contacts/{c}/merge", {"into": {"id": c}}) == (422, ["into"])
    assert refusal(crm, f"/contacts/{c}/merge", {"into": {"email": "c@kyoto.example"}}) == (422, ["into"])
    assert refusal(crm, f"/contacts/{a}/merge", {"into": {"id": c}}) == (409, ["contact_id"])
    assert refusal(crm, f"/contacts/{b}/split", {}) == (409, ["contact_id"])
    for path in ("merge", "split"):
        body = {"into": {"id": c}} if path == "merge" else {}
        assert refusal(crm, f"/contacts/{nobody}/{path}", body)[0] == 404
        assert refusal(crm, f"/contacts/{theirs}/{path}", body)[0] == 404
        assert refusal(carol, f"/contacts/{a}/{path}", body)[0] == 404
        ahead = {**body, "decided_at": "2026-04-09T00:00:00Z"}
        assert refusal(crm, f"/contacts/{c}/{path}", ahead) == (422, ["decided_at"])
    for name, value in {"id": nobody, "email": "no@kyoto.example", "crm_id": "none"}.items():
        assert refusal(crm, f"/contacts/{c}/merge", {"into": {name: value}}) == (422, [f"into.{name}"])
    assert refusal(crm, f"/contacts/{c}/merge", {"into": {"id": theirs}}) == (422, ["into.id"])
    assert refusal(crm, f"/contacts/{c}/merge", {"into": {}}) == (422, ["into"])
    assert refusal(crm, f"/contacts/{c}/merge", {"into": {"id": a, "email": "a@kyoto.example"}}) == (422, ["into"])
    assert refusal(crm, f"/contacts/{c}/merge", {}) == (422, ["into"])
    assert refusal(crm, f"/contacts/{c}/split", {"why": "x"}) == (422, ["why"])
    assert facts(world) == before


def test_a_record_with_two_peoples_names_says_how_to_merge_and_is_taken_then(world: World, crm: Program) -> None:
    a, b = told(crm, email=WORK, name="Hana"), told(crm, crm_id="003-17", phone="+81312345678")
    both = {"email": WORK, "crm_id": "003-17", "company_name": "Kyoto Tea K.K."}
    answer = crm.put("/contacts", both)
    assert answer.status_code == 409
    detail = str((answer.json or {})["detail"])
    assert f"POST /contacts/{a}/merge" in detail
    assert b in detail
    merge(crm, a, id=b)
    whole = crm.put("/contacts", both).json
    assert whole is not None
    assert (whole["id"], whole["crm_id"], whole["name"]) == (b, "003-17", "Hana")
    assert (whole["phone"], whole["company_name"]) == ("+81312345678", "Kyoto Tea K.K.")
    apart = crm.post(f"/contacts/{a}/split", {}).json
    assert apart is not None
    assert (apart["crm_id"], apart["company_name"], apart["phone"]) == (None, "Kyoto Tea K.K.", None)
    assert contact(crm, crm_id="003-17")["company_name"] is None
    before = facts(world)
    with begin(world.store) as tx:
        rebuild(tx, 10)
    assert facts(world) == before
    assert crm.put("/contacts", both).status_code == 409


def test_of_two_crm_ids_that_of_who_stays_is_shown_and_both_name_the_person(world: World, crm: Program) -> None:
    old, new = told(crm, email=HOME, crm_id="003-1"), told(crm, email=WORK, crm_id="003-2")
    world.clock.forward(days=1)
    told(crm, crm_id="003-1", name="Hana")
    whole = merge(crm, old, crm_id="003-2")
    assert (whole["id"], whole["crm_id"], whole["name"]) == (new, "003-2", "Hana")
    assert contact(crm, crm_id="003-1") == whole
    assert crm.put("/contacts", {"email": HOME, "crm_id": "003-2"}).status_code == 200
    assert crm.put("/contacts", {"email": HOME, "crm_id": "003-3"}).status_code == 409


def test_a_company_of_one_of_them_is_the_persons(world: World, crm: Program) -> None:
    home, work = told(crm, email="hana@gmail.com"), told(crm, email=WORK)
    crm.put("/deals/D-1", {"amount": "900", "company_domain": "kyoto.example"})
    assert merge(crm, work, id=home)["company_domain"] == "kyoto.example"
    with reading(world.store) as tx:
        assert tx.execute(select(func.count()).where(conversions.c.by_company)).scalar() == 1
    crm.post(f"/contacts/{work}/split", {})
    assert contact(crm, email="hana@gmail.com")["company_domain"] is None


def test_a_deal_of_a_company_that_is_nobodys_now_loses_its_people_and_gets_them_back(
    world: World, crm: Program
) -> None:
    ken, hana = told(crm, email="ken@osaka.example"), told(crm, email=WORK)
    crm.put("/deals/D-1", {"amount": "900", "company_domain": "osaka.example"})
    before = facts(world)
    merge(crm, ken, id=hana)
    with reading(world.store) as tx:
        assert tx.execute(select(func.count()).where(conversions.c.by_company)).scalar() == 0
    crm.post(f"/contacts/{ken}/split", {})
    assert facts(world) == before


def test_what_is_said_by_one_of_the_names_meanwhile_is_its_own_after_a_split(world: World, crm: Program) -> None:
    at_work, at_home = told(crm, email=WORK, name="Hana"), told(crm, email=HOME)
    merge(crm, at_work, id=at_home)
    told(crm, email=HOME, name="Hana")
    told(crm, email=WORK, name="Hana Sato")
    crm.post(f"/contacts/{at_work}/split", {})
    assert [contact(crm, email=email)["name"] for email in (WORK, HOME)] == ["Hana Sato", "Hana"]
    assert merge(crm, at_work, id=at_home)["name"] == "Hana Sato"
    told(crm, email=HOME, name="Hana")
    assert contact(crm, email=WORK)["name"] == "Hana", "the CRM said so last, though not for the first time"


@pytest.mark.parametrize("by", ["id", "email"])
def test_a_deal_told_of_meanwhile_stays_with_whom_it_named(world: World, crm: Program, by: str) -> None:
    at_work, at_home = two_walks(world)
    merge(crm, at_home, id=at_work)
    person = {"id": at_home} if by == "id" else {"email": HOME}
    crm.put("/deals/D-1", {"amount": "900", "contacts": [person, {"id": at_work}]})
    assert campaigns(world, "deal_created") == [["spring", "april", "summer", "Fair"]]
    crm.post(f"/contacts/{at_home}/split", {})
    deal = crm.get("/deals/D-1").json
    assert deal is not None
    assert sorted(one["email"] for one in deal["contacts"]) == [HOME, WORK]
    crm.put("/deals/D-1", {"contacts": [person]})
    assert campaigns(world, "deal_created") == [["summer", "Fair"]]
