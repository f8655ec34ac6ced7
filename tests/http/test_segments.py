"""Segments: whoever fits now, lists that actions fill, files and audiences, for people and programs."""

import csv
import hashlib
import io
import re
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import insert

from tests.people import ON_BOTH, SQLITE_ONLY, browser_of, send
from tests.world import Program, World
from tracker.actions.act import on
from tracker.actions.listing import Action, add_action
from tracker.actions.moved import StageMoved
from tracker.db.schema import contacts, identifiers, stage_changes
from tracker.db.store import Tx, begin, reading
from tracker.errors import Conflict
from tracker.ids import derive
from tracker.reports.segment_people import STEP, count_in, page_of
from tracker.segments.listing import Segment, find_segment, remove_segment, save_segment, take_out
from tracker.vocabulary import ActionKind, Role, Scope, StageCause

pytestmark = SQLITE_ONLY
HOSTILE = '"><script>alert(1)</script>'
LEADS = 'when = { attribute = "stage", is = "lead" }'


def told(crm: Program, email: str, stage: str | None = None, **more: Any) -> str:
    """A CRM tells of somebody; gives their id."""
    body = {"email": email, "changed_at": "2026-04-01T00:00:00Z", **({"stage": stage} if stage else {}), **more}
    return str((crm.put("/contacts", body).json or {})["id"])


def saved(world: World, text: str, name: str = "Some") -> Segment:
    one = Segment("seg1", world.acme.site_id, name, text, "user x@y.example", world.clock())
    with begin(world.store) as tx:
        save_segment(tx, one)
    return one


def who(world: World, one: Segment, limit: int = 50) -> list[str]:
    """The addresses in a segment, through all its pages."""
    found, after = [], ""
    with reading(world.store) as tx:
        while True:
            page = page_of(tx, world.acme, one, world.clock(), after, limit)
            found += [person.email or "" for person in page.people]
            assert len(page.people) <= limit
            if page.next_id is None:
                return sorted(found)
            after = page.next_id


@ON_BOTH
def test_a_filter_has_whoever_fits_now(world: World, crm: Program) -> None:
    world.walk("hana@kyoto.example")  # saw /pricing
    for email, stage in (("hana@kyoto.example", "lead"), ("rei@kyoto.example", "lead"), ("jun@kyoto.example", "other")):
        told(crm, email, stage)
    world.clock.forward(days=3)
    seen = 'when.all = [ { attribute = "stage", is = "lead" }, { page = "/pricing*", within_days = 30 } ]'
    both = saved(world, seen)
    assert who(world, both) == ["hana@kyoto.example"]
    touched = Segment("x", world.acme.site_id, "x", 'when = { touch = "paid_search" }', "", world.clock())
    assert who(world, touched) == ["hana@kyoto.example"]
    leads = Segment("y", world.acme.site_id, "y", LEADS, "", world.clock())
    assert who(world, leads) == who(world, leads, limit=1) == ["hana@kyoto.example", "rei@kyoto.example"]
    world.clock.forward(days=40)
    assert who(world, both) == []
    told(crm, "rei@kyoto.example", "customer", changed_at=world.clock().isoformat())
    assert who(world, leads) == ["hana@kyoto.example"]
    assert who(world, Segment("z", world.other.site_id, "z", LEADS, "", world.clock())) == ["hana@kyoto.example"]


@ON_BOTH
def test_a_list_has_whom_an_action_put_in_also_after_a_merge(world: World, crm: Program) -> None:
    hana, rei = told(crm, "hana@kyoto.example"), told(crm, "rei@kyoto.example")
    one = saved(world, "")
    given = (world.acme.site_id, "In", Scope.CONTACT, "customer", ActionKind.SEGMENT, "seg1", True)
    with begin(world.store) as tx:
        add_action(tx, Action("a1", *given, world.clock(), "user x@y.example"))
        moves = [
            StageMoved(Scope.CONTACT, each, None, "customer", world.clock(), StageCause.CRM, "crm")
            for each in (hana, rei)
        ]
        assert on(tx, world.acme.site_id, moves, world.clock()) == 2
        with pytest.raises(Conflict):
            remove_segment(tx, one)
    assert who(world, one) == ["hana@kyoto.example", "rei@kyoto.example"]
    world.clock.forward(minutes=1)
    assert crm.post(f"/contacts/{rei}/merge", {"other": hana, "reason": "the same"}).status_code in {200, 422}
    with begin(world.store) as tx:
        assert count_in(tx, world.acme, one, world.clock()).is_whole
        take_out(tx, one, [hana, rei])
    assert who(world, one) == []


def test_a_long_list_is_looked_at_some_at_a_time(world: World) -> None:
    with begin(world.store) as tx:
        add_many(tx, world, STEP + 5)
    one = saved(world, LEADS)
    assert len(who(world, one, limit=150)) == STEP + 5
    with reading(world.store) as tx:
        assert count_in(tx, world.acme, one, world.clock()).n == STEP + 5
        some = count_in(tx, world.acme, one, world.clock(), most=STEP)
    assert (some.n, some.is_whole) == (STEP, False)


def add_many(tx: Tx, world: World, n: int) -> None:
    """So many leads at once, without their history."""
    at, site_id = world.clock(), world.acme.site_id
    ids = [derive("contact", number) for number in range(n)]
    known = {"site_id": site_id, "lead_at": at, "lead_day": "2026-04-01", "updated_at": at, "properties": {}}
    tx.execute(
        insert(contacts), [{**known, "contact_id": one, "email": f"{one}@x.example", "stage": "lead"} for one in ids]
    )
    named = {"site_id": site_id, "kind": "email"}
    tx.execute(
        insert(identifiers), [{**named, "value": f"{one}@x.example", "contact_id": one, "own_id": one} for one in ids]
    )
    change = {
        "site_id": site_id,
        "position": 0,
        "stage": "lead",
        "occurred_at": at,
        "day": "2026-04-01",
        "cause": "crm",
    }
    tx.execute(
        insert(stage_changes), [{**change, "contact_id": one, "decided_by": "crm", "evidence": []} for one in ids]
    )


def made(browser: FlaskClient, **form: str) -> str:
    """Make a segment; gives its address."""
    answer = send(browser, "/segments?site=acmekey", {"name": "Leads", "kind": "filter", **form})
    assert answer.status_code == 302, answer.text
    return answer.headers["Location"].partition("?")[0]


def test_the_fields_of_the_form_become_a_filter_and_its_people_are_shown(world: World, crm: Program) -> None:
    world.walk("hana@kyoto.example")
    told(crm, "hana@kyoto.example", "lead", name=f"Hana {HOSTILE}", phone="+81 90 1234 5678")
    world.clock.forward(days=3)
    browser = browser_of(world, Role.ANALYST)
    path = made(browser, stage="lead", channel="paid_search", page="/pricing*", days="30")
    page = browser.get(path)
    assert "<small>1</small>" in page.text
    assert "Hana &#34;&gt;&lt;script&gt;" in page.text
    assert 'page = "/pricing*"' in page.text.replace("&#34;", '"')
    assert "<small>1</small>" in browser.get("/segments").text
    rows = list(csv.DictReader(io.StringIO(browser.get(f"{path}/people.csv").text.lstrip("\ufeff"))))
    assert [row["E-mail"] for row in rows] == ["hana@kyoto.example"]
    for platform, phone in (("google", "+819012345678"), ("meta", "819012345678")):
        answer = browser.get(f"{path}/audience.csv?for={platform}")
        header, row = csv.reader(io.StringIO(answer.text))
        assert [one.lower() for one in header] == ["email", "phone"]
        assert row == [hashlib.sha256(one.encode()).hexdigest() for one in ("hana@kyoto.example", phone)]
        assert f"audience-{platform}-Leads" in answer.headers["Content-Disposition"]
    assert browser.get(f"{path}/audience.csv?for=nobody").status_code == 422


def test_what_cannot_be_asked_is_refused_beside_its_field(world: World) -> None:
    browser = browser_of(world, Role.ANALYST)
    made(browser, text=LEADS)
    for form, said in (
        ({"name": "Other"}, "Choose a stage, a source or a page"),
        ({"name": "Leads", "stage": "lead"}, "Another segment has this name"),
        ({"name": "", "stage": "lead"}, "Write a name"),
        ({"name": "Days", "page": "/x", "days": "many"}, "Write a number of days"),
        ({"name": "Text", "text": "when = { nothing = 1 }"}, "The condition cannot be read"),
        ({"name": "Text", "text": "when = ["}, "The condition cannot be read"),
    ):
        answer = send(browser, "/segments", {"kind": "filter", **form})
        assert answer.status_code == 422, form
        assert said in answer.text
    viewer = browser_of(world, Role.VIEWER)
    assert viewer.get("/segments").status_code == 403


def test_a_segment_is_changed_and_deleted(world: World) -> None:
    browser = browser_of(world, Role.ANALYST)
    path = made(browser, text=LEADS)
    segment_id = path.rpartition("/")[2]
    assert send(browser, path, {"name": "Renamed", "text": "when = ["}).status_code == 422
    customers = LEADS.replace("lead", "customer")
    assert send(browser, path, {"name": "Renamed", "text": customers}).status_code == 302
    with reading(world.store) as tx:
        assert find_segment(tx, world.acme.site_id, segment_id).text == customers
    assert send(browser, f"{path}/remove", {}).status_code == 302
    assert browser.get(path).status_code == 404


@ON_BOTH
def test_programs_list_segments_and_page_through_their_people(world: World, crm: Program, carol: Program) -> None:
    for number in range(5):
        told(crm, f"p{number}@kyoto.example", "lead")
    saved(world, LEADS)
    assert crm.get("/segments").json["data"][0]["condition"] == LEADS  # type: ignore[index]
    found, cursor = [], ""
    while True:
        page: dict[str, Any] = crm.get(f"/segments/seg1/people?limit=2{cursor}").json or {}
        found += [one["email"] for one in page["data"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert sorted(found) == [f"p{number}@kyoto.example" for number in range(5)]
    assert carol.get("/segments").json == {"data": []}
    assert carol.get("/segments/seg1/people").status_code == 404


def test_who_is_found_is_as_of_now_and_not_of_later(world: World, crm: Program) -> None:
    told(crm, "hana@kyoto.example", "lead", changed_at=(world.clock() + timedelta(hours=2)).isoformat())
    one = saved(world, 'when = { attribute = "stage", known = true }')
    assert who(world, one) == []
    world.clock.forward(hours=3)
    assert who(world, one) == ["hana@kyoto.example"]
    assert re.fullmatch("[0-9a-f]{32}", told(crm, "hana@kyoto.example"))
