"""Imports of costs by command: taken in, listed, taken back; the audit log says so."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from tests.units.conftest import Command
from tracker.db.schema import audit, costs
from tracker.db.store import reading

pytestmark = [pytest.mark.parametrize("store_url", ["sqlite"], indirect=True), pytest.mark.usefixtures("two_sites")]
HEAD = "date,source,medium,campaign,cost\n"


def total(store: Engine) -> int:
    with reading(store) as tx:
        return int(tx.execute(select(func.coalesce(func.sum(costs.c.amount_minor), 0))).scalar_one())


def taken_in(command: Command, folder: Path, name: str, rows: str) -> str:
    """Import a file; gives the import's id."""
    file = folder / name
    file.write_text(HEAD + rows)
    told = command("import", "costs", str(file), "--site", "acmekey")
    assert told.exit_code == 0, told.output
    return told.output.splitlines()[-1].removeprefix("import: ")


def test_an_import_is_listed_and_taken_back_to_what_was_before(command: Command, store: Engine, tmp_path: Path) -> None:
    first = taken_in(command, tmp_path, "april.csv", "2026-04-01,a,b,c,100\n2026-04-02,a,b,c,50\n")
    second = taken_in(command, tmp_path, "again.csv", "2026-04-01,a,b,c,120\n2026-04-03,a,b,c,7\n")
    assert total(store) == 177
    listed = [line.split("\t") for line in command("import", "list", "--site", "acmekey").output.splitlines()]
    assert [(line[0], *line[2:]) for line in listed] == [
        (second, "2 of 2 stand", "2026-04-01 to 2026-04-03", "127 JPY", "again.csv"),
        (first, "1 of 2 stand", "2026-04-01 to 2026-04-02", "150 JPY", "april.csv"),
    ]
    assert command("import", "undo", second, "--site", "otherkey").exit_code == 1
    assert total(store) == 177
    done = command("import", "undo", second, "--site", "acmekey")
    assert done.output.splitlines() == ["taken back: 2", "stand again: 1"]
    assert total(store) == 150
    assert "taken back already" in command("import", "undo", second, "--site", "acmekey").output
    assert "taken back" in command("import", "list", "--site", "acmekey").output
    with reading(store) as tx:
        rows = tx.execute(select(audit).order_by(audit.c.audit_id)).all()
    assert [(row.actor, row.subject, row.details.get("undone")) for row in rows] == [
        ("command line", "april.csv", None),
        ("command line", "again.csv", None),
        ("command line", "again.csv", second),
    ]
