"""Chats on a site's pages: part of the visit, a lead event once a conversation, whatever came first."""

import random
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select

from tests.walks import START, World
from tracker.collect.journal import append
from tracker.collect.payload import Hit
from tracker.db.schema import contacts, conversions, identifications, paths, touchpoints, visits
from tracker.db.store import begin, reading
from tracker.rebuild import rebuild
from tracker.reports.journey import attribution_fields, journey
from tracker.vocabulary import HitKind, Origin

MINUTE = timedelta(minutes=1)
AD = "/?utm_source=google&utm_medium=cpc&gclid=A1"


@pytest.fixture
def world(store: Engine) -> World:
    return World(store)


def chat(world: World, minute: float, *, talk: str = "s-1", email: str = "", **more: Any) -> dict[str, Any]:
    named = {"identifiers": {"email": email}} if email else {}
    about = {"kind": "chat", "chat": {"provider": "crisp", "id": talk}}
    return world.hit(START + minute * MINUTE, "/help", **about, **named, **more)


def lead_events(world: World) -> list[tuple[str, float]]:
    """Address and minute of each chat that counts."""
    with reading(world.store) as tx:
        rows = tx.execute(
            select(contacts.c.email, conversions.c.occurred_at)
            .join(conversions, conversions.c.contact_id == contacts.c.contact_id)
            .where(conversions.c.kind == "chat")
            .order_by(conversions.c.occurred_at, contacts.c.email)
        )
        return [(email, (at - START) / MINUTE) for email, at in rows]


def test_a_chat_with_an_address_makes_a_lead_of_the_visit_it_was_in(world: World) -> None:
    world.send("v", [world.hit(START, AD), chat(world, 5, email="hana@kyoto.example")])
    world.fold()
    assert lead_events(world) == [("hana@kyoto.example", 5)]
    with reading(world.store) as tx:
        assert tx.execute(select(touchpoints.c.kind)).scalars().all() == ["visit"]
        assert tx.execute(select(visits.c.n_hits, visits.c.n_pages)).all() == [(2, 1)]
        assert set(tx.execute(select(paths.c.kind, paths.c.channel)).all()) == {
            ("chat", "paid_search"),
            ("lead", "paid_search"),
        }


def test_a_chat_without_an_address_is_in_the_journey_once_the_visitor_is_known(world: World) -> None:
    world.send("v", [world.hit(START, AD), chat(world, 5)])
    world.fold()
    assert lead_events(world) == []
    world.send("v", [world.hit(START + 9 * MINUTE, "/", kind="form", identifiers={"email": "hana@kyoto.example"})])
    world.fold()
    with reading(world.store) as tx:
        (contact_id,) = tx.execute(select(contacts.c.contact_id)).scalars()
        way = journey(tx, world.site, contact_id)
    assert [item.kind for item in way.items] == ["visit", "page", "chat", "form"]
    (told,) = [item for item in way.items if item.kind == "chat"]
    assert (told.touch, told.visit_id, told.title) == (None, way.visits[0].visit_id, "crisp")
    assert lead_events(world) == []


# Each chat as minute, conversation, address, visitor | what counts as a lead event: address and minute
CASES: dict[str, tuple[list[tuple[float, str, str, str]], list[tuple[str, float]]]] = {
    "the address came later in it": (
        [(1, "s-1", "", "v"), (4, "s-1", "a@x.example", "v")],
        [("a@x.example", 4)],
    ),
    "told on three pages, it is one": (
        [(1, "s-1", "a@x.example", "v"), (2, "s-1", "a@x.example", "v"), (9, "s-1", "A@X.example", "v")],
        [("a@x.example", 1)],
    ),
    "gone on with on the telephone, it is one": (
        [(1, "s-1", "a@x.example", "v"), (300, "s-1", "a@x.example", "w")],
        [("a@x.example", 1)],
    ),
    "another conversation is another": (
        [(1, "s-1", "a@x.example", "v"), (2, "s-2", "a@x.example", "v")],
        [("a@x.example", 1), ("a@x.example", 2)],
    ),
    "two people in one conversation have it both": (
        [(1, "s-1", "a@x.example", "v"), (2, "s-1", "b@x.example", "v")],
        [("a@x.example", 1), ("b@x.example", 2)],
    ),
    "what its provider gives no id counts as told": (
        [(1, "", "a@x.example", "v"), (2, "", "a@x.example", "v")],
        [("a@x.example", 1), ("a@x.example", 2)],
    ),
}


@pytest.mark.parametrize("shuffled", [False, True], ids=["in order", "shuffled"])
@pytest.mark.parametrize("case", CASES)
def test_a_conversation_counts_once_for_a_contact(world: World, case: str, shuffled: bool) -> None:
    told, counted = CASES[case]
    chats = [(visitor, chat(world, minute, talk=talk, email=email)) for minute, talk, email, visitor in told]
    if shuffled:
        random.Random(case).shuffle(chats)
    for visitor, hit in chats:
        world.send(visitor, [hit])
        world.fold()
    assert lead_events(world) == counted
    before = world.facts()
    with begin(world.store) as tx:
        rebuild(tx, 1)
    assert world.facts() == before


def test_a_chat_that_a_program_tells_of_is_a_touch_of_its_own_also_with_a_visitor(world: World) -> None:
    world.send("v", [world.hit(START, AD)])
    at = START + 9 * MINUTE
    told = Hit(
        hit_id=str(world.hit(at, "/")["id"]),
        visitor_id="v".ljust(16, "0"),
        kind=HitKind.CHAT,
        origin=Origin.API,
        occurred_at=at,
        received_at=at,
        url="",
        referrer=None,
        title=None,
        user_agent=None,
        country=None,
        consent="none",
        details={"identifiers": {"email": "a@x.example"}, "chat": {"provider": "crisp", "id": "s-1"}},
    )
    with begin(world.store) as tx:
        append(tx, world.site.site_id, [told])
    world.fold()
    assert lead_events(world) == [("a@x.example", 9)]
    with reading(world.store) as tx:
        kinds = select(touchpoints.c.kind, touchpoints.c.channel).order_by(touchpoints.c.occurred_at)
        assert tx.execute(kinds).all() == [("visit", "paid_search"), ("chat", "offline")]
        assert tx.execute(select(visits.c.n_hits)).scalars().all() == [1]


def test_a_form_without_a_name_has_its_providers(world: World) -> None:
    asked = {"form": {"provider": "typeform"}, "identifiers": {"email": "a@x.example"}}
    world.send("v", [world.hit(START, "/", kind="form", **asked)])
    world.fold()
    with reading(world.store) as tx:
        (contact_id,) = tx.execute(select(contacts.c.contact_id)).scalars()
        assert attribution_fields(tx, world.site, contact_id).lead_form == "typeform"
        assert [one.title for one in journey(tx, world.site, contact_id).items if one.kind == "form"] == ["typeform"]


def test_every_browser_of_a_conversation_is_the_contacts(world: World) -> None:
    world.send("v", [world.hit(START, AD), chat(world, 1, email="a@x.example")])
    world.send("w", [chat(world, 300, email="a@x.example")])
    world.fold()
    with reading(world.store) as tx:
        rows = tx.execute(select(identifications.c.visitor_no, identifications.c.conversation)).all()
    assert (len({number for number, _ in rows}), {talk for _, talk in rows}) == (2, {"crisp s-1"})
