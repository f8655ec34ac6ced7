"""The page of actions, and the tasks that a CRM fetches: who may what, what is shown, what leaks nowhere."""

import html
import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, select

from api.acting import send_due
from tests.people import SQLITE_ONLY, browser_of, send
from tests.receiver import Receiver, receiving
from tests.world import Clock, Program, World
from tracker.actions.listing import actions_of
from tracker.clock import now
from tracker.config import Settings
from tracker.db.schema import actions, audit
from tracker.db.store import begin, reading
from tracker.outbox import claim
from tracker.vocabulary import Role

pytestmark = SQLITE_ONLY
HOSTILE = '"><script>alert(1)</script>'
TASK = {"kind": "crm_task", "scope": "contact", "stage": "lead", "target": "Call within a day", "name": "Call leads"}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture
def world(store: Engine) -> World:
    # What a CRM tells is looked at as of the present: what is older than three days would be found out late.
    return World(
        store, clock=Clock(now()), settings=Settings(secret_key="s" * 40, fold_batch=100, webhook_private=True)
    )


def make(browser: FlaskClient, **form: str) -> Any:
    return send(browser, "/actions?site=acmekey", {**TASK, **form})


def lead(world: World, email: str = "hana@kyoto.example", **more: Any) -> None:
    body = {"email": email, "stage": "lead", "changed_at": world.clock().isoformat(), **more}
    assert world.program(world.token).put("/contacts", body).status_code < 300


def work(world: World) -> int:
    world.clock.forward(minutes=1)
    return send_due(world.store, world.settings, world.clock, lambda: world.app)


def action_id(world: World) -> str:
    with reading(world.store) as tx:
        return actions_of(tx, world.acme.site_id)[0].action_id


def test_a_webhook_is_made_and_what_a_crm_tells_arrives(world: World, receiver: Receiver) -> None:
    owner = browser_of(world)
    url = f"{receiver.origin}/hook?key=private"
    assert make(owner, kind="webhook", target=url, name=f"Warehouse {HOSTILE}").status_code == 302
    page = owner.get("/actions").text
    secret = re.search(r"whsec_[\w+/]+=", html.unescape(page))
    assert secret
    assert "<script>alert" not in page
    assert "whsec_" not in owner.get("/actions").text
    lead(world, name=f"Hana {HOSTILE}")
    lead(world, name=f"Hana {HOSTILE}")
    assert work(world) == 1
    assert len(receiver.taken) == 1
    page = owner.get("/actions").text
    assert "Done 1" in page
    assert "Hana &#34;&gt;&lt;script&gt;" in page
    with reading(world.store) as tx:
        kept = tx.execute(select(actions.c.secret)).scalar_one()
        log = str(tx.execute(select(audit.c.details)).scalars().all())
    assert secret[0].encode() not in kept
    assert "whsec_" not in log
    assert "private" not in log + page


def test_slacks_address_is_kept_sealed_and_shown_to_nobody(world: World, receiver: Receiver) -> None:
    owner = browser_of(world)
    url = f"{receiver.origin}/services/T0/B0/xyz"
    assert make(owner, kind="slack", target=url, name="Channel").status_code == 302
    assert "xyz" not in owner.get("/actions").text + owner.get("/audit").text
    with reading(world.store) as tx:
        (one,) = actions_of(tx, world.acme.site_id)
        assert "xyz" not in str(tx.execute(select(actions)).all())
    assert one.target == receiver.origin.removeprefix("http://")
    assert send(owner, f"/actions/{one.action_id}/test", {}).status_code == 302
    assert receiver.taken[0][0] == "/services/T0/B0/xyz"
    assert b"[Test]" in receiver.taken[0][2]


REFUSED: tuple[tuple[dict[str, str], str], ...] = (
    ({"kind": "webhook", "target": "ftp://x.example/"}, "has to begin with https://"),
    ({"kind": "webhook", "target": "https://me:pw@x.example/"}, "has to begin with https://"),
    ({"kind": "slack", "target": "nowhere"}, "has to begin with https://"),
    ({"kind": "email", "target": "sales@acme.example"}, "has no mail server"),
    ({"kind": "segment", "target": "none"}, "Choose a segment"),
    ({"kind": "segment", "scope": "company", "target": "none"}, "a segment has people"),
    ({"stage": "unheard"}, "Choose a stage"),
    ({"scope": "planet"}, "Choose people or companies"),
    ({"name": " "}, "Write a name"),
    ({"target": "x" * 300}, "cannot be used here"),
)


def test_what_cannot_be_done_is_refused_beside_its_field(world: World) -> None:
    owner = browser_of(world)
    for form, said in REFUSED:
        answer = make(owner, **form)
        assert (answer.status_code, said in answer.text) == (422, True), form
    with reading(world.store) as tx:
        assert actions_of(tx, world.acme.site_id) == []


def test_an_example_is_marked_and_its_failure_is_told_at_once(world: World, receiver: Receiver) -> None:
    owner = browser_of(world)
    make(owner, kind="webhook", target=f"{receiver.origin}/hook")
    path = f"/actions/{action_id(world)}/test"
    assert "The example arrived." in send(owner, path, {}, follow_redirects=True).text
    assert b'"test":true' in receiver.taken[0][2]
    receiver.status = 500
    world.clock.forward(minutes=1)
    page = send(owner, path, {}, follow_redirects=True).text
    assert "The example did not arrive" in page
    assert "<code>HTTP 500</code>" in page
    world.clock.forward(days=1)
    assert work(world) == 0


def test_owners_change_and_analysts_look(world: World, receiver: Receiver) -> None:
    owner, analyst = browser_of(world), browser_of(world, Role.ANALYST)
    make(owner, kind="webhook", target=f"{receiver.origin}/hook")
    receiver.status = 410
    lead(world)
    work(world)
    page = analyst.get("/actions?state=buried").text
    assert "hana@kyoto.example" in page
    assert "Send again" not in re.sub(r"<th.*?</th>", "", page)
    assert "Make an action" not in page
    assert browser_of(world, Role.VIEWER).get("/actions").status_code == 403
    receiver.status = 200
    assert send(analyst, "/actions/items/1/again", {}).status_code == 403
    assert send(owner, "/actions/items/1/again?state=buried", {}).status_code == 302
    assert work(world) == 1
    assert send(owner, "/actions/items/1/again", {}).status_code == 409
    assert send(owner, f"/actions/{action_id(world)}/switch", {}).status_code == 302
    assert "does nothing any more" in owner.get("/actions").text
    assert send(owner, f"/actions/{action_id(world)}/remove", {}).status_code == 302
    assert "deleted" in owner.get("/actions").text


def test_a_crm_fetches_its_tasks_and_says_what_is_done(world: World, crm: Program, carol: Program) -> None:
    make(browser_of(world))
    lead(world, name="Hana", crm_id="C-7")
    assert work(world) == 0
    (task,) = (crm.get("/tasks?state=waiting").json or {})["data"]
    assert (task["task"], task["contact"]["crm_id"], task["to_stage"]) == ("Call within a day", "C-7", "lead")
    assert carol.get("/tasks").json == {"data": [], "next_cursor": None}
    assert carol.post(f"/tasks/{task['id']}/done", {}).status_code == 404
    done = crm.post(f"/tasks/{task['id']}/done", {"reference": "00T5"}).json or {}
    again = crm.post(f"/tasks/{task['id']}/done", {}).json or {}
    assert (done["changed"], again["changed"], again["data"]["state"]) == (True, False, "sent")
    assert (crm.get("/tasks?state=waiting").json or {})["data"] == []
    assert [one["kind"] for one in (crm.get("/actions/items").json or {})["data"]] == ["crm_task"]
    with reading(world.store) as tx:
        assert "00T5" in str(tx.execute(select(audit.c.details)).scalars().all())


def test_items_are_paged(world: World, crm: Program) -> None:
    make(browser_of(world))
    for number in range(3):
        lead(world, f"p{number}@kyoto.example")
    first: dict[str, Any] = crm.get("/tasks?limit=2").json or {}
    second: dict[str, Any] = crm.get(f"/tasks?limit=2&cursor={first['next_cursor']}").json or {}
    assert [len(first["data"]), len(second["data"]), second["next_cursor"]] == [2, 1, None]
    assert crm.get(f"/actions/items?cursor={first['next_cursor']}").status_code == 422
    assert crm.get("/tasks?state=gone").status_code == 422


@pytest.mark.stores("postgresql")
def test_on_postgresql_a_claim_waits_for_no_other_one(world: World, receiver: Receiver) -> None:
    owner = browser_of(world)
    make(owner, kind="webhook", target=f"{receiver.origin}/hook")
    lead(world)
    world.clock.forward(minutes=1)
    with begin(world.store) as first:
        assert claim(first, world.clock()) is not None
        with begin(world.store) as second:
            assert claim(second, world.clock()) is None
