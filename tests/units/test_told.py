"""Name, company and phone number as forms and chats told them: the first stands, and a CRM's word goes before it."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select

from tests.walks import START, World
from tracker import flow
from tracker.db.schema import contacts
from tracker.db.store import begin, reading
from tracker.rebuild import rebuild
from tracker.reports.records import evidence_of, read_contact

MINUTE = timedelta(minutes=1)
HANA = "hana@kyoto.example"
ALL = ("phone", "name", "company")
# What was told, in order of time: how (kind), and what | name, company, phone that stand | and by what each
CASES: dict[str, tuple[list[tuple[str, dict[str, Any]]], tuple[Any, ...], dict[str, str]]] = {
    "nothing": ([("form", {})], (None, None, None), {}),
    "a form": (
        [("form", {"name": "Hana Sato", "company": "Kyoto Tea", "phone": "03-1234-5678"})],
        ("Hana Sato", "Kyoto Tea", "+81312345678"),
        {"name": "form", "company_name": "form", "phone": "form"},
    ),
    "the first that was told of each": (
        [("chat", {"name": "Hana"}), ("form", {"name": "Hana Sato", "company": "Kyoto Tea"})],
        ("Hana", "Kyoto Tea", None),
        {"name": "chat", "company_name": "form"},
    ),
    "a CRM before forms": (
        [("form", {"name": "hana", "company": "tea"}), ("crm", {"name": "Hana Sato"})],
        ("Hana Sato", "tea", None),
        {"name": "crm", "company_name": "form"},
    ),
    "and after them": (
        [("crm", {"name": "Hana Sato", "company_name": "Kyoto Tea K.K."}), ("form", {"name": "x", "company": "y"})],
        ("Hana Sato", "Kyoto Tea K.K.", None),
        {"name": "crm", "company_name": "crm"},
    ),
    "a CRM that says there is none": (
        [("form", {"name": "qwerty", "phone": "03-1234-5678"}), ("crm", {"name": None, "phone": None})],
        (None, None, None),
        {},
    ),
    "what is no phone number": ([("identify", {"phone": "call me"})], (None, None, None), {}),
}


def tell(world: World, minute: int, kind: str, told: dict[str, Any]) -> None:
    at = START + minute * MINUTE
    if kind == "crm":
        with begin(world.store) as tx:
            flow.contact_said(tx, world.site, {"email": HANA, **told}, at, at)
        return
    chat = {"chat": {"provider": "crisp", "id": "s"}} if kind == "chat" else {}
    named = {"email": HANA, "phone": told.get("phone", "")}
    hit = world.hit(at, "/", kind=kind, identifiers=named, fields=told | {"phone": ""}, **chat)
    world.send("v", [hit], fields=ALL)


@pytest.mark.parametrize("is_backwards", [False, True], ids=["in order", "backwards"])
@pytest.mark.parametrize("case", CASES)
def test_of_a_contact_stands_what_was_told(store: Engine, case: str, is_backwards: bool) -> None:
    told, stands, evidence = CASES[case]
    world = World(store)
    for minute, (kind, what) in sorted(enumerate(told), reverse=is_backwards):
        tell(world, minute, kind, what)
        world.fold()
    with reading(store) as tx:
        ((contact_id, *found),) = tx.execute(
            select(contacts.c.contact_id, contacts.c.name, contacts.c.company_name, contacts.c.phone)
        )
        by = evidence_of(tx, world.site, read_contact(tx, world.site.site_id, contact_id))
    assert tuple(found) == stands
    assert {name: kind.value for name, kind in by.items()} == evidence
    before = world.facts()
    with begin(store) as tx:
        rebuild(tx, 1)
    assert world.facts() == before
