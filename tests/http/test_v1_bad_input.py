"""What the API refuses, as a table: which status, which field, and that nothing is left behind."""

import csv
import json
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy import func, select

from tests.world import Program, World
from tracker.db.schema import contacts, costs, crm_changes, deals, hits
from tracker.db.store import reading

TABLE = Path(__file__).with_name("bad_input.csv")
LARGE = {"«10 kB»": "x" * 10_000, "«10,000 digits»": "9" * 10_000}


class Row(NamedTuple):
    why: str
    method: str
    path: str
    body: str
    status: str
    field: str


def rows() -> list[Row]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        return [Row(**row) for row in csv.DictReader(file)]


@cache
def body_of(row: Row) -> str | None:
    body = row.body
    for short, long in LARGE.items():
        body = body.replace(short, long)
    return None if row.method == "GET" else body


def is_untouched(world: World) -> bool:
    with reading(world.store) as tx:
        return all(
            tx.execute(select(func.count()).select_from(table)).scalar() == 0
            for table in (contacts, crm_changes, deals, costs, hits)
        )


def test_every_row_of_the_table_is_refused_with_its_status_and_field(world: World, crm: Program) -> None:
    wrong = []
    for row in rows():
        answer = crm.call(row.method, row.path, body_of(row))
        problem: dict[str, Any] = answer.json or {}
        fields = [one["field"] for one in problem.get("errors", [])]
        expected = [row.field] if row.status == "422" else []
        if (str(answer.status_code), fields) != (row.status, expected) or not is_untouched(world):
            wrong.append(f"{row.why}: {answer.status_code} {fields} instead of {row.status} {expected}")
        assert answer.mimetype == "application/problem+json"
        assert problem["status"] == answer.status_code
        assert len(answer.data) < 2_000, "a refusal never gives back what was sent"
    assert wrong == []


def test_every_wrong_field_is_named_at_once(crm: Program) -> None:
    body = {"costs": [{"day": "x", "source": 1}, {"day": "2026-04-01", "source": "a", "medium": "b", "clicks": -1}]}
    problem = crm.put("/costs", body).json
    assert problem is not None
    assert [one["field"] for one in problem["errors"]] == [
        "costs.0.day",
        "costs.0.source",
        "costs.0.medium",
        "costs.1.clicks",
    ]
    assert all(one["message"] for one in problem["errors"])


@pytest.mark.parametrize(
    ("method", "path", "field", "body"),
    [
        (
            "PUT",
            "/costs",
            "costs",
            {"costs": [{"day": "2026-04-01", "source": "a", "medium": "b", "amount": 1}] * 1_001},
        ),
        ("POST", "/events", "events", {"events": [{"kind": "call", "contact": {"email": "a@acme.example"}}] * 501}),
        ("PUT", "/deals/D-1", "contacts", {"contacts": [{"crm_id": str(n)} for n in range(101)]}),
        ("PUT", "/contacts", "properties", {"crm_id": "1", "properties": {f"p{n}": n for n in range(51)}}),
    ],
)
def test_lists_are_bounded(
    world: World, crm: Program, method: str, path: str, field: str, body: dict[str, Any]
) -> None:
    answer = crm.call(method, path, body)
    assert answer.status_code == 422
    assert answer.json is not None
    assert [one["field"] for one in answer.json["errors"]] == [field]
    assert is_untouched(world)


def test_another_content_type_is_415(crm: Program) -> None:
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        answer = crm.put("/contacts", {"crm_id": "1"}, content_type=content_type)
        assert answer.status_code == 415, content_type
        assert answer.mimetype == "application/problem+json"
    assert crm.put("/contacts", {"crm_id": "1"}, content_type="application/json; charset=utf-8").status_code == 201


def test_a_body_that_is_not_utf_8_is_400(crm: Program) -> None:
    assert crm.put("/contacts", '{"crm_id": "é"}'.encode("latin-1")).status_code == 400
    assert crm.put("/contacts", '{"crm_id": "1"}'.encode("utf-16")).status_code == 400


def test_a_huge_body_is_413(crm: Program) -> None:
    answer = crm.put("/contacts", json.dumps({"crm_id": "x" * (8 * 1024 * 1024)}))
    assert answer.status_code == 413
    assert answer.mimetype == "application/problem+json"


def test_a_deep_body_is_400_and_stops_nothing(crm: Program) -> None:
    for deep in ("[" * 1_000_000, '{"a":' * 200_000 + "1" + "}" * 200_000):
        assert crm.put("/contacts", f'{{"properties": {deep}').status_code == 400
    assert crm.put("/contacts", {"crm_id": "1"}).status_code == 201


def test_hostile_text_is_kept_as_text_and_breaks_nothing(crm: Program) -> None:
    names = ["<script>alert(1)</script>", "=HYPERLINK(1)", "'; DROP TABLE contacts; --", "\u202egnp.exe", "a\x00b\x1bc"]
    for n, name in enumerate(names):
        answer = crm.put("/contacts", {"crm_id": str(n), "name": name, "properties": {"note": name}})
        assert answer.status_code == 201
        assert answer.mimetype == "application/json"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    kept = crm.get("/contacts?limit=200").json
    assert kept is not None
    assert {row["name"] for row in kept["data"]} == {*names[:3], "gnp.exe", "abc"}
