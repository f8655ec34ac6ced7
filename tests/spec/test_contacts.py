"""People in, who is listed out: by every filter, in every order, on both stores (contacts.md)."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from sqlalchemy import Engine

from tests.world import World
from tracker.db.store import reading
from tracker.reports.people import FEW, Listed, Order, list_people, order_by, wanted_by

CHANNELS = {
    "paid_search": "/?utm_source={}&utm_medium=cpc",
    "email": "/?utm_source={}&utm_medium=email",
    "direct": "/",
}


def tables() -> list[list[dict[str, str]]]:
    """The tables of the page, each as rows by their heads."""
    found: list[list[dict[str, str]]] = []
    heads: list[str] = []
    for line in (Path(__file__).parent / "contacts.md").read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|"):
            heads = []
        elif not heads:
            heads = cells
            found.append([])
        elif set(line) - set("|- "):
            found[-1].append(dict(zip(heads, cells, strict=True)))
    return found


PEOPLE, ASKED = tables()


@pytest.fixture
def told(store: Engine) -> World:
    """The people of the table."""
    world = World(store)
    crm = world.program(world.token)
    for number, row in enumerate(PEOPLE):
        lead_at = datetime.fromisoformat(f"{row['lead']}T03:00:00").replace(tzinfo=UTC)
        touches = [one for one in row["touches"].split(" > ") if one]
        for days, touch in enumerate(touches):
            channel, source = touch.split()
            world.clock.at = lead_at - timedelta(days=len(touches) - 1 - days, minutes=1)
            world.browse(f"v{number}", world.hit("page", CHANNELS[channel].format(source)))
        world.clock.at = lead_at
        if touches:
            name = {"identifiers": {"email": row["e-mail"]}}
            world.browse(f"v{number}", world.hit("identify", "/", **name))
        fields = {"name": row["person"], "company_name": row["company"], "phone": row["phone"], "stage": row["stage"]}
        given = {name: value for name, value in fields.items() if value}
        if row["score"]:
            given["score"] = int(row["score"])
        assert crm.put("/contacts", {"email": row["e-mail"], **given}).status_code == 201
        if row["revenue"]:
            deal = {
                "amount": row["revenue"],
                "currency": "EUR",
                "contacts": [{"email": row["e-mail"]}],
                "status": "won",
            }
            assert crm.put(f"/deals/{number}", deal).status_code == 201
    world.fold()
    return world


def asked(
    world: World, query: str, cursor: str | None = None, limit: int = 50
) -> tuple[list[str], str | None, str | None]:
    """The names, and the cursors of the pages before and after."""
    args = dict(parse_qsl(query))
    order = order_by(args.pop("sort", ""))
    with reading(world.store) as tx:
        found = list_people(tx, world.acme, wanted_by(args), order, cursor, limit)
    return [name_of(one) for one in found.people], found.previous_cursor, found.next_cursor


def name_of(one: Listed) -> str:
    return one.name or ""


def test_those_are_listed_whom_the_table_says(told: World) -> None:
    for row in ASKED:
        listed = [name for name in row["listed"].split(", ") if name]
        assert asked(told, row["asked"])[0] == listed, row["asked"]


def test_pages_of_one_go_forth_and_back_through_the_same_people(told: World) -> None:
    assert len(PEOPLE) < FEW
    for order in Order:
        for query in (f"sort={order.value}", f"sort={order.value}&touch=first&from=2026-01-01"):
            whole = asked(told, query)[0]
            forth, cursor = [], None
            while True:
                names, _, cursor_after = asked(told, query, cursor, 1)
                forth += names
                if cursor_after is None:
                    break
                cursor = cursor_after
            assert forth == whole, query
            back, before = [], asked(told, query, cursor, 1)[1]
            while before is not None:
                names, before, _ = asked(told, query, before, 1)
                back = names + back
            assert back == whole[:-1], query
