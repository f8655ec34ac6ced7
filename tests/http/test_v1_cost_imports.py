"""GET /api/v1/costs/imports and taking one back: as on the page, and written down."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.world import START, Program, World
from tracker.costfiles import import_file
from tracker.db.schema import audit
from tracker.db.store import begin, reading

HEAD = "date,source,medium,campaign,cost\n"


@pytest.fixture
def imports(world: World, tmp_path: Path) -> list[str]:
    """Two imports, the second over the first; their ids."""
    ids = []
    for n, rows in enumerate(("2026-04-01,a,b,c,100\n2026-04-02,a,b,c,50\n", "2026-04-01,a,b,c,120\n")):
        file = tmp_path / f"file{n}.csv"
        file.write_text(HEAD + rows)
        now = START + timedelta(days=20 + n)
        with begin(world.store) as tx:
            *_, last = import_file(tx, world.acme, file, {}, now)
        ids.append(last.removeprefix("import: "))
    world.clock.forward(days=30)
    return ids


def amounts(program: Program) -> list[tuple[str, str]]:
    found = program.get("/costs").json
    assert found is not None
    return [(row["day"], row["amount"]) for row in found["data"]]


def test_imports_are_listed_the_newest_first_and_paged(imports: list[str], crm: Program) -> None:
    found = crm.get("/costs/imports?limit=1").json
    assert found is not None
    (newest,) = found["data"]
    assert newest == {
        "id": imports[1],
        "file": "file1.csv",
        "platform": "own",
        "rows": 1,
        "costs": 1,
        "standing": 1,
        "sums": [{"amount": "120.00", "amount_minor": 12_000, "currency": "EUR"}],
        "from_day": "2026-04-01",
        "to_day": "2026-04-01",
        "imported_by": "command line",
        "imported_at": "2026-04-22T03:00:00.000Z",
        "undone_by": None,
        "undone_at": None,
    }
    rest = crm.get(f"/costs/imports?cursor={found['next_cursor']}").json
    assert rest is not None
    assert [(one["id"], one["standing"], one["costs"]) for one in rest["data"]] == [(imports[0], 1, 2)]
    assert rest["next_cursor"] is None


def test_an_import_is_taken_back_once_and_what_it_replaced_stands(
    world: World, imports: list[str], crm: Program
) -> None:
    assert amounts(crm) == [("2026-04-01", "120.00"), ("2026-04-02", "50.00")]
    done = crm.post(f"/costs/imports/{imports[1]}/undo", {"reason": "twice"}).json
    assert done is not None
    assert (done["undone"], done["restored"], done["data"]["standing"]) == (1, 1, 0)
    assert done["data"]["undone_by"].startswith("token ")
    assert amounts(crm) == [("2026-04-01", "100.00"), ("2026-04-02", "50.00")]
    assert crm.post(f"/costs/imports/{imports[1]}/undo", {}).status_code == 409
    with reading(world.store) as tx:
        last = tx.execute(select(audit).order_by(audit.c.audit_id.desc()).limit(1)).one()
    assert (last.actor, last.subject) == (done["data"]["undone_by"], "file1.csv")
    assert last.details == {"undone": imports[1], "rows": 1, "of": 1, "back": 1, "reason": "twice"}


def test_imports_of_another_site_are_not_there(imports: list[str], crm: Program, carol: Program) -> None:
    assert carol.get("/costs/imports").json == {"data": [], "next_cursor": None}
    assert carol.post(f"/costs/imports/{imports[1]}/undo", {}).status_code == 404
    assert crm.post("/costs/imports/nothing/undo", {}).status_code == 404
    assert len(amounts(crm)) == 2
