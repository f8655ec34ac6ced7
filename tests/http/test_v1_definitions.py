"""Definitions for programs: proposed, tried, read; signed by people only."""

from sqlalchemy import select

from tests.world import Program, World
from tracker.db.schema import audit
from tracker.db.store import begin, reading
from tracker.lifecycle.settled import Lifecycle, lifecycle_of, save_lifecycle
from tracker.lifecycle.versions import sign
from tracker.vocabulary import Side

RULE = '[[rule]]\nname = "asked"\nstage = "marketingqualifiedlead"\nwhen = { form = "contact" }\n'
FROM = "2026-01-01T00:00:00Z"


def propose(crm: Program, **more: object) -> int:
    answer = crm.post("/definitions", {"text": RULE, "reason": "agreed", "from_at": FROM, **more})
    assert answer.status_code == 201, answer.text
    assert answer.json is not None
    return int(answer.json["version"])


def test_a_version_is_proposed_and_tried_but_counts_only_when_people_have_signed(world: World, crm: Program) -> None:
    hana = world.walk()
    tried = crm.post("/definitions/try", {"text": RULE}).json or {}
    assert tried["people"] == [{"id": hana, "before": None, "after": "marketingqualifiedlead"}]
    assert tried["moves"] == [{"before": None, "after": "marketingqualifiedlead", "people": 1}]
    assert tried["months"] == [{"month": "2026-04", "people": [0, 1]}]
    assert (tried["sample"], tried["against"]) == ({"n_all": 1, "every": 1, "n_people": 1}, None)
    version = propose(crm)
    found = crm.get(f"/definitions/{version}").json or {}
    assert (found["state"], found["is_in_force"], found["sign_offs"]) == ("open", False, [])
    assert (found["saved_by"], found["text"], found["from_at"]) == ("token crm", RULE, "2026-01-01T00:00:00.000Z")
    assert crm.post(f"/definitions/{version}/sign", {"side": "sales"}).status_code == 404
    with begin(world.store) as tx:
        sign(tx, world.acme.site_id, version, Side.MARKETING, by="user a", now=world.clock())
        sign(tx, world.acme.site_id, version, Side.SALES, by="user b", now=world.clock())
        assert tx.execute(select(audit.c.action, audit.c.actor)).all() == [("definition", "token crm")]
    listed = crm.get("/definitions").json or {}
    assert (listed["in_force"], listed["data"][0]["state"]) == (version, "signed")
    drift = crm.get("/definitions/drift").json or {}
    assert (drift["columns"], drift["months"]) == (["counted", "version 1"], [{"month": "2026-04", "people": [1, 1]}])
    again = crm.post("/definitions/try", {"version": version, "reading": "as_dated", "stage": "lead"}).json or {}
    assert (again["n_elsewhere"], again["months"]) == (1, [])


def test_where_nobody_has_to_sign_a_version_counts_at_once(world: World, crm: Program) -> None:
    with begin(world.store) as tx:
        save_lifecycle(tx, world.acme.site_id, Lifecycle(needs_sign_off=False))
    assert (crm.get(f"/definitions/{propose(crm)}").json or {})["is_in_force"] is True
    with reading(world.store) as tx:
        assert lifecycle_of(tx, world.acme.site_id).restaged_id == "", "everybody is to be derived anew"


def test_what_cannot_be_read_is_refused_with_its_field(world: World, crm: Program) -> None:
    for path, body, field in (
        ("/definitions", {"text": "[[rule]]", "reason": "x"}, "text"),
        ("/definitions", {"text": RULE.replace("marketing", "no"), "reason": "x"}, "text"),
        ("/definitions", {"text": RULE, "reason": " "}, "reason"),
        ("/definitions/try", {"text": RULE, "version": 1}, "text"),
        ("/definitions/try", {}, "text"),
        ("/definitions/try", {"text": RULE, "stage": "nowhere"}, "stage"),
    ):
        answer = crm.post(path, body)
        assert (answer.status_code, [one["field"] for one in (answer.json or {})["errors"]]) == (422, [field]), body
    assert crm.post("/definitions/try", {"version": 7}).status_code == 404
    assert crm.get("/definitions/drift?stage=nowhere").status_code == 422
    assert world.program(world.carols_token).get("/definitions").json == {"in_force": None, "data": []}
