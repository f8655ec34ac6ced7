"""Stages and scores of people, from a CRM's word to the figures that count them and the rows behind those."""

from typing import Any

from sqlalchemy import select

from tests.people import SQLITE_ONLY, browser_of
from tests.world import Program, World
from tracker.db.schema import crm_changes
from tracker.db.store import reading

HANA = "hana@kyoto.example"
PERIOD = "from=2026-04-01&to=2026-12-31"


def figures(crm: Program, query: str) -> dict[str, tuple[float, ...]]:
    """Per channel MQL, SQL and customers, where any of them is counted."""
    found = crm.get(f"/reports/source?{PERIOD}&{query}").json
    assert found is not None
    rows = {row["channel"]: (row["mql"], row["sql"], row["customers"]) for row in found["rows"]}
    total = {"total": tuple(found["totals"][name] for name in ("mql", "sql", "customers"))}
    return {name: counted for name, counted in {**rows, **total}.items() if any(counted)}


def told(crm: Program, **fields: Any) -> dict[str, Any]:
    answer = crm.put("/contacts", {"email": HANA, **fields})
    assert answer.status_code == 200, answer.text
    assert answer.json is not None
    return dict(answer.json)


def test_stages_are_counted_and_credited_like_leads(world: World, crm: Program) -> None:
    contact_id = world.walk()
    assert figures(crm, "model=first") == {}  # and what is kept in memory from now on is brought up to date
    world.clock.forward(days=1)
    told(crm, stage="marketingqualifiedlead", score=42)
    told(crm, stage="marketingqualifiedlead")
    assert figures(crm, "model=first") == {"paid_search": (1, 0, 0), "total": (1, 0, 0)}
    world.clock.forward(days=100)
    told(crm, stage="salesqualifiedlead")
    crm.put("/deals/D-1", {"amount": 9, "currency": "EUR", "status": "won", "contacts": [{"id": contact_id}]})
    assert figures(crm, "model=first") == {"paid_search": (1, 1, 1), "total": (1, 1, 1)}
    assert figures(crm, "model=linear") == {
        "paid_search": (0.5, 0.5, 0.5),
        "email": (0.5, 0.5, 0.5),
        "total": (1, 1, 1),
    }
    assert figures(crm, "model=last&lookback_days=90") == {
        "email": (1, 0, 0),
        "unattributed": (0, 1, 1),
        "total": (1, 1, 1),
    }
    ways = crm.get(f"/reports/paths?{PERIOD}&kind=customer").json
    assert ways is not None
    assert [(one["steps"], one["conversions"]) for one in ways["paths"]] == [(["paid_search", "email"], 1)]
    crm.put("/deals/D-1", {"status": "lost"})
    assert figures(crm, "model=last") == {"email": (1, 1, 0), "total": (1, 1, 0)}


def test_a_stage_and_a_score_are_given_back_everywhere(world: World, crm: Program) -> None:
    contact_id = world.walk()
    world.clock.forward(days=1)
    now = told(crm, stage="marketingqualifiedlead", score=42)
    since = "2026-04-04T03:04:00.000Z"
    assert (now["stage"], now["stage_at"], now["score"]) == ("marketingqualifiedlead", since, 42)
    flat = crm.get(f"/contacts/{contact_id}/attribution").json
    assert flat is not None
    assert (flat["stage"], flat["stage_at"], flat["score"]) == ("marketingqualifiedlead", since, 42)
    told(crm, stage="lead", changed_at="2026-04-03T23:00:00Z")
    by_crm = {"cause": "crm", "by": "crm", "version": None, "evidence": []}
    journey = crm.get(f"/contacts/{contact_id}/journey").json
    assert journey is not None
    assert [(one["at"], one["stage"]) for one in journey["data"] if one["kind"] == "stage"] == [
        ("2026-04-03T23:00:00.000Z", {"from_stage": None, "to_stage": "lead", **by_crm}),
        (since, {"from_stage": "lead", "to_stage": "marketingqualifiedlead", **by_crm}),
    ]
    world.clock.forward(days=2)
    times = crm.get(f"/contacts/{contact_id}").json
    assert times is not None
    assert [
        (one["stage"], one["times_entered"], one["exited_at"], one["this_time_s"], one["in_all_s"])
        for one in times["stage_times"]
    ] == [("lead", 1, since, 14_640.0, 14_640.0), ("marketingqualifiedlead", 1, None, 172_800.0, 172_800.0)]
    assert told(crm, score=None)["score"] is None
    assert told(crm, name="Hana Sato")["stage"] == "marketingqualifiedlead"


def test_a_nightly_word_is_kept_once(world: World, crm: Program) -> None:
    crm.put("/contacts", {"email": HANA, "stage": "lead", "score": 7})
    for _ in range(3):
        world.clock.forward(days=1)
        assert told(crm, stage="lead", score=7)["stage_at"] == "2026-04-01T03:00:00.000Z"
    with reading(world.store) as tx:
        assert tx.execute(select(crm_changes.c.kind).order_by(crm_changes.c.seq)).scalars().all() == [
            "contact",
            "stage",
        ]


@SQLITE_ONLY
def test_an_mql_is_explained_under_every_model(world: World, crm: Program) -> None:
    world.walk()
    world.clock.forward(days=1)
    told(crm, stage="marketingqualifiedlead")
    rows = opened(world, "/reports/source/rows?metric=mql&model=linear&" + PERIOD)
    conversion_id = rows.split('href="/conversions/')[1][:32]
    found = crm.get(f"/conversions/{conversion_id}/explain?model=first,linear").json
    assert found is not None
    assert (found["kind"], [one["name"] for one in found["milestones"]]) == ("mql", ["lead"])
    assert "New MQL" in opened(world, f"/conversions/{conversion_id}")


def opened(world: World, path: str) -> str:
    answer = browser_of(world, email=f"reader{len(path)}@acme.example").get(path)
    assert answer.status_code == 200
    return answer.text
