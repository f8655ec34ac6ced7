"""A site's own stages by the API: read, settled, and words on many people at once."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from tests.world import START, Program, World
from tracker.db.schema import audit, crm_changes, lifecycles, stage_changes
from tracker.db.store import begin, reading
from tracker.flow import stage_said
from tracker.lifecycle.stages import SHIPPED
from tracker.stagefiles.planning import plan, take_in
from tracker.stagefiles.reading import read_stages
from tracker.vocabulary import Audited, StageCause

NAMES = list(SHIPPED.names)


def settled(crm: Program, names: list[str], **more: Any) -> dict[str, Any]:
    answer = crm.put("/stages", {"stages": [{"stage": name} for name in names], **more})
    assert answer.status_code == 200, answer.text
    assert answer.json is not None
    return dict(answer.json)


def told(crm: Program, *changes: dict[str, str]) -> dict[str, Any]:
    answer = crm.post("/stages/changes", {"changes": list(changes)})
    assert answer.status_code == 200, answer.text
    assert answer.json is not None
    return dict(answer.json)


def test_stages_are_settled_and_told_again_change_nothing(world: World, crm: Program) -> None:
    first = crm.get("/stages").json
    assert first is not None
    assert [one["stage"] for one in first["stages"]] == NAMES
    assert (first["needs_sign_off"], first["people_follow_company"], first["is_restaging"]) == (True, False, False)
    mine = [*NAMES[:4], "trial", *NAMES[4:]]
    found = settled(crm, mine, needs_sign_off=False)
    assert (found["changed"], found["needs_sign_off"], found["is_restaging"]) == (True, False, True)
    assert [one["stage"] for one in found["stages"]] == mine
    assert settled(crm, mine, needs_sign_off=False)["changed"] is False
    blank = crm.put("/stages", {"stages": [{"stage": name, "label": " "} for name in mine]}).json
    assert blank is not None
    assert blank["changed"] is False
    with reading(world.store) as tx:
        query = select(audit.c.actor, audit.c.details).where(audit.c.action == Audited.STAGES.value)
        noted = tx.execute(query.order_by(audit.c.audit_id)).all()
    assert [actor for actor, _ in noted] == ["token crm", "token crm"]
    assert noted[1].details == {"before": {"needs_sign_off": True}, "after": {"needs_sign_off": False}}


def test_a_stage_that_somebody_is_in_or_that_is_counted_is_not_taken_away(crm: Program) -> None:
    crm.put("/contacts", {"email": "hana@kyoto.example", "stage": "evangelist"})
    without = crm.put("/stages", {"stages": [{"stage": name} for name in NAMES if name != "evangelist"]})
    assert without.status_code == 409
    assert "1 people" in without.text
    for names in (
        [*NAMES[:1], *NAMES[2:]],
        ["customer", *[name for name in NAMES if name != "customer"]],
        [*NAMES, "lead"],
    ):
        refused = crm.put("/stages", {"stages": [{"stage": name} for name in names]})
        assert refused.status_code == 422
        assert refused.json is not None
        assert refused.json["errors"][0]["field"] == "stages"
    found = crm.get("/stages").json
    assert found is not None
    assert [one["people"] for one in found["stages"]] == [0, 0, 0, 0, 0, 0, 1, 0]


def test_words_on_many_people_are_answered_one_by_one(world: World, crm: Program) -> None:
    hana = crm.put("/contacts", {"email": "hana@kyoto.example", "crm_id": "7"}).json
    crm.put("/contacts", {"email": "ken@kyoto.example", "stage": "customer"})
    assert hana is not None
    world.clock.forward(days=10)
    changes = [
        {"email": "hana@kyoto.example", "stage": "lead", "at": "2026-04-02T00:00:00Z"},
        {"crm_id": "7", "stage": "marketingqualifiedlead", "at": "2026-04-05T00:00:00Z"},
        {"id": hana["id"], "stage": "customer"},
        {"email": "ken@kyoto.example", "stage": "lead"},
        {"email": "ken@kyoto.example", "stage": "customer", "at": "2026-04-08T00:00:00Z"},
        {"email": "nobody@kyoto.example", "stage": "lead"},
        {"email": "ken@kyoto.example", "stage": "hot"},
        {"email": "ken@kyoto.example", "stage": "other"},
    ]
    found = told(crm, *changes)
    assert [(one["outcome"], one["before"], one["goes_back"], one["reason"]) for one in found["data"]] == [
        ("changed", None, False, None),
        ("changed", "lead", False, None),
        ("changed", "marketingqualifiedlead", False, None),
        ("changed", "customer", True, None),
        ("unchanged", "customer", False, None),
        ("refused", None, False, "unknown_person"),
        ("refused", None, False, "unknown_stage"),
        ("refused", None, False, "twice"),
    ]
    assert (found["changed"], found["unchanged"], found["refused"]) == (4, 1, 3)
    times = crm.get(f"/contacts/{hana['id']}").json
    assert times is not None
    assert [one["in_all_s"] for one in times["stage_times"]] == [3 * 86_400.0, 6 * 86_400.0 + 10_800.0, 0.0]
    assert times["stage"] == "customer"
    with reading(world.store) as tx:
        n_words = len(tx.execute(select(crm_changes)).all())
        query = select(stage_changes.c.cause, stage_changes.c.decided_by).where(stage_changes.c.stage == "lead")
        assert set(tx.execute(query).all()) == {("api", "token crm")}
    again = told(crm, *changes)
    assert again["changed"] == 0
    with reading(world.store) as tx:
        assert len(tx.execute(select(crm_changes)).all()) == n_words


def test_people_of_another_site_are_nobody(world: World, crm: Program) -> None:
    found = crm.put("/contacts", {"email": "hana@kyoto.example"}).json
    assert found is not None
    with begin(world.store) as tx:
        rows = read_stages(b"Contact,Stage\n%b,lead\n" % found["id"].encode(), SHIPPED, "UTC", world.clock()).rows
        theirs = plan(tx, world.other, rows, world.clock())
        assert [one.why for one in theirs.wrong] == ["unknown_person"]
        assert take_in(tx, world.other, theirs, "file x", StageCause.IMPORT, world.clock()) == set()


@pytest.mark.parametrize("at", ["2026-04-02T00:00:00Z", "2026-04-11T03:00:00Z"])
def test_many_words_at_once_come_to_the_same_as_one_by_one(world: World, crm: Program, at: str) -> None:
    """Also of people who are merged: who is split off again takes along what was said of them."""
    ids = []
    for who in ("hana", "sato", "ken", "kato"):
        answer = crm.put("/contacts", {"email": f"{who}@kyoto.example", "stage": "lead"}).json
        assert answer is not None
        ids.append(answer["id"])
    crm.post(f"/contacts/{ids[1]}/merge", {"into": {"id": ids[0]}})
    crm.post(f"/contacts/{ids[3]}/merge", {"into": {"id": ids[2]}})
    world.clock.at = START + timedelta(days=10)
    told(crm, {"email": "sato@kyoto.example", "stage": "customer", "at": at})
    with begin(world.store) as tx:
        when = START + timedelta(days=10) if at.startswith("2026-04-11") else START + timedelta(hours=21)
        stage_said(tx, world.acme, ids[3], "customer", "token crm", StageCause.API, when, world.clock())
    ways = []
    for contact_id in (ids[0], ids[2]):
        found = crm.get(f"/contacts/{contact_id}").json
        assert found is not None
        ways.append([(one["stage"], one["entered_at"]) for one in found["stage_times"]])
    assert ways[0] == ways[1]
    assert ways[0][-1] == ("customer", at.replace("Z", ".000Z"))
    crm.post(f"/contacts/{ids[1]}/split", {})
    kept = [crm.get(f"/contacts/{contact_id}").json for contact_id in (ids[0], ids[1])]
    assert [one["stage"] for one in kept if one] == ["lead", "customer"]


def test_following_the_company_has_everybody_derived_anew(world: World, crm: Program) -> None:
    settled(crm, NAMES, people_follow_company=True)
    with reading(world.store) as tx:
        assert tx.execute(select(lifecycles.c.people_follow_company, lifecycles.c.restaged_id)).all() == [(True, "")]
