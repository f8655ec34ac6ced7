"""What follows a change of stage: once per change, sent again after a failure or a crash, and to nobody who may not."""

import base64
import hmac
import json
import pickle
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, func, select

from api.acting import send_due
from api.sender import SEND_ACTIONS
from tests.mailserver import MailServer, mail_server
from tests.people import ON_BOTH, SQLITE_ONLY, add_cheap_user
from tests.receiver import Receiver, receiving
from tests.world import ALICE, World
from tracker import outbox
from tracker.actions.act import NEWS_LIVES, on, try_again
from tracker.actions.listing import Action, actions_of, add_action, remove_action, switch
from tracker.actions.moved import StageMoved
from tracker.actions.signing import secret_of
from tracker.config import Settings
from tracker.db.schema import outbox as outbox_table
from tracker.db.schema import segment_people, segments
from tracker.db.store import begin, reading
from tracker.errors import Conflict
from tracker.outbox import LEASE, MOST_TRIES, Item
from tracker.secret import seal
from tracker.vocabulary import ActionKind, OutboxState, Role, Scope, StageCause

pytestmark = SQLITE_ONLY
KEY = b"k" * 32
OWN = Settings(
    secret_key="s" * 40,
    fold_batch=100,
    webhook_private=True,
    base_url="https://minamoto.acme.example",
)


@pytest.fixture
def world(store: Engine) -> World:
    return World(store, settings=OWN)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def action(world: World, kind: ActionKind, target: str, stage: str = "customer", **more: Any) -> Action:
    """An action of Acme's since now."""
    given = {"scope": Scope.CONTACT, "is_on": True, "saved_by": f"user {ALICE}", "secret": None, **more}
    with begin(world.store) as tx:
        n = len(actions_of(tx, world.acme.site_id))
        one = Action(
            action_id=f"action{n}",
            site_id=world.acme.site_id,
            name=f"Action {n}",
            stage=stage,
            kind=kind,
            target=target,
            since_at=world.clock(),
            **given,
        )
        add_action(tx, one)
    return one


def webhook(world: World, receiver: Receiver, **more: Any) -> Action:
    return action(
        world, ActionKind.WEBHOOK, f"{receiver.origin}/hook", secret=seal(OWN.secret_key, secret_of(KEY)), **more
    )


def moved(world: World, who: str, stage: str = "customer", at: datetime | None = None, **more: Any) -> StageMoved:
    given = {"scope": Scope.CONTACT, "before": "lead", "cause": StageCause.CRM, "decided_by": "crm", **more}
    return StageMoved(subject=who, stage=stage, at=at or world.clock(), **given)


def told(world: World, *moves: StageMoved) -> int:
    with begin(world.store) as tx:
        return on(tx, world.acme.site_id, moves, world.clock())


def items(world: World) -> list[Item]:
    with reading(world.store) as tx:
        return outbox.items_of(tx, world.acme.site_id, 100)[::-1]


def send(world: World, own: Settings = OWN) -> int:
    return send_due(world.store, own, world.clock, lambda: world.app)


def hana(world: World) -> str:
    body = {"email": "hana@kyoto.example", "crm_id": "C-7", "name": "Hana Sato", "changed_at": "2026-04-01T00:00:00Z"}
    return str((world.program(world.token).put("/contacts", body).json or {})["id"])


@ON_BOTH
def test_a_webhook_arrives_signed_and_once(world: World, receiver: Receiver) -> None:
    who = hana(world)
    webhook(world, receiver)
    assert told(world, moved(world, who)) == 1
    assert told(world, moved(world, who)) == 0
    assert send(world) == 1
    assert send(world) == 0
    ((path, headers, body),) = receiver.taken
    assert path == "/hook"
    said = json.loads(body)
    assert said["contact"] == {"id": who, "email": "hana@kyoto.example", "crm_id": "C-7", "name": "Hana Sato"}
    assert (said["from"], said["to"], said["site"], said["test"]) == ("lead", "customer", "acmekey", False)
    assert said["id"] == headers["webhook-id"]
    signed = f"{said['id']}.{headers['webhook-timestamp']}.".encode() + body
    assert headers["webhook-signature"] == "v1," + base64.b64encode(hmac.digest(KEY, signed, "sha256")).decode()
    assert [one.state for one in items(world)] == [OutboxState.SENT]
    assert "hana" not in json.dumps(dict(items(world)[0].payload))


@ON_BOTH
def test_who_dies_between_sending_and_settling_sends_again_under_the_same_id(world: World, receiver: Receiver) -> None:
    who = hana(world)
    webhook(world, receiver)
    told(world, moved(world, who))
    with begin(world.store) as tx:
        assert outbox.claim(tx, world.clock()) is not None
    assert send(world) == 0  # another worker leaves it alone meanwhile
    world.clock.at += LEASE
    assert send(world) == 1
    world.clock.at += LEASE
    with begin(world.store) as tx:
        outbox.change(tx, [items(world)[0].outbox_id], state="waiting", settled_at=None)
    assert send(world) == 1
    first, second = (headers["webhook-id"] for _, headers, _ in receiver.taken)
    assert first == second


@ON_BOTH
def test_of_two_workers_one_sends_it(world: World, receiver: Receiver) -> None:
    webhook(world, receiver)
    told(world, moved(world, hana(world)))
    with begin(world.store) as tx:
        first = outbox.claim(tx, world.clock())
    with begin(world.store) as tx:
        assert outbox.claim(tx, world.clock()) is None
    assert first is not None
    world.clock.at += LEASE
    with begin(world.store) as tx:
        second = outbox.claim(tx, world.clock())
        assert second is not None
        outbox.settle_failed(tx, first, "late", world.clock())  # its claim has run out: nothing of it is kept
    assert items(world)[0].error is None
    with begin(world.store) as tx:
        assert outbox.settle_sent(tx, second, world.clock())
        outbox.settle_failed(tx, second, "late", world.clock())
    assert items(world)[0].state is OutboxState.SENT


def test_what_fails_is_tried_ever_later_and_then_waits_for_a_person(world: World, receiver: Receiver) -> None:
    webhook(world, receiver)
    told(world, moved(world, hana(world)))
    receiver.status = 500
    pauses = []
    for _ in range(MOST_TRIES):
        assert send(world) == 1
        (item,) = items(world)
        pauses.append((item.not_before - world.clock()) / timedelta(minutes=1))
        world.clock.at = item.not_before
    assert pauses[:8] == [1, 5, 15, 30, 60, 120, 240, 240]
    assert (item.state, item.n_tries, item.error) == (OutboxState.BURIED, MOST_TRIES, "HTTP 500")
    assert send(world) == 0
    receiver.status = 200
    with begin(world.store) as tx:
        try_again(tx, item, world.clock())
    assert send(world) == 1
    (item,) = items(world)
    assert (item.state, item.n_tries, item.error) == (OutboxState.SENT, 1, None)
    with begin(world.store) as tx, pytest.raises(Conflict):
        try_again(tx, item, world.clock())


@ON_BOTH
def test_a_receiver_that_is_away_keeps_only_its_own_waiting(world: World, receiver: Receiver) -> None:
    who = hana(world)
    webhook(world, receiver, stage="")
    with receiving() as other:
        webhook(world, other, stage="")
        stages = ("lead", "customer", "evangelist")
        told(world, *(moved(world, who, stage, before=None) for stage in stages))
        receiver.status, receiver.headers = 503, {"Retry-After": "7200"}
        assert send(world) == 4
        assert (len(receiver.taken), len(other.taken)) == (1, 3)
        first, *rest = [one for one in items(world) if one.state is OutboxState.WAITING]
    assert first.not_before - world.clock() == timedelta(hours=2)
    assert {one.not_before - world.clock() for one in rest} == {timedelta(minutes=1)}
    receiver.status, receiver.headers = 200, {}
    world.clock.forward(minutes=1)
    assert send(world) == 2


def test_an_address_that_is_gone_or_may_not_be_asked_is_not_tried_again(world: World, receiver: Receiver) -> None:
    who = hana(world)
    webhook(world, receiver)
    receiver.status = 410
    told(world, moved(world, who))
    send(world)
    told(world, moved(world, who, at=world.clock.forward(minutes=1)))
    send(world, OWN.model_copy(update={"webhook_private": False}))
    told(world, moved(world, who, at=world.clock.forward(minutes=1)))
    send(world, OWN.model_copy(update={"secret_key": "another" * 8}))
    found = [(one.state, one.error) for one in items(world)]
    assert found == [
        (OutboxState.BURIED, "HTTP 410"),
        (OutboxState.BURIED, "no_address"),
        (OutboxState.BURIED, "secret_unreadable"),
    ]
    assert len(receiver.taken) == 1


def test_only_what_is_meant_and_new_does_something(world: World, receiver: Receiver) -> None:
    who = hana(world)
    started = world.clock()
    webhook(world, receiver)
    assert told(world, moved(world, who, at=started - timedelta(seconds=1))) == 0  # before the action was made
    assert told(world, moved(world, who, "lead")) == 0
    assert told(world, moved(world, "kyoto.example", scope=Scope.COMPANY)) == 0
    assert told(world) == 0
    world.clock.forward(days=3, seconds=1)
    assert told(world, moved(world, who, at=started)) == 1
    late = items(world)[0]
    assert (late.state, late.error) == (OutboxState.SKIPPED, "found_late")
    assert send(world) == 0
    with begin(world.store) as tx:
        try_again(tx, late, world.clock())
    assert send(world) == 1
    assert told(world, moved(world, who, at=world.clock() - NEWS_LIVES)) == 1
    assert items(world)[1].state is OutboxState.WAITING


def test_who_is_switched_off_or_deleted_sends_nothing_more(world: World, receiver: Receiver) -> None:
    who = hana(world)
    one = webhook(world, receiver)
    told(world, moved(world, who))
    with begin(world.store) as tx:
        assert switch(tx, one, world.clock(), is_on=False) == 1
    asleep = world.clock.forward(minutes=1)
    assert told(world, moved(world, who, at=asleep)) == 0
    world.clock.forward(minutes=1)
    with begin(world.store) as tx:
        (off,) = actions_of(tx, world.acme.site_id)
        switch(tx, off, world.clock(), is_on=True)
    assert told(world, moved(world, who, at=asleep)) == 0
    assert told(world, moved(world, who)) == 1
    with begin(world.store) as tx:
        remove_action(tx, one, world.clock())
    assert send(world) == 0
    assert [one.error for one in items(world)] == ["switched_off", "deleted"]
    assert receiver.taken == []


@ON_BOTH
def test_a_segment_is_joined_at_once_and_not_again_by_a_replay(world: World) -> None:
    who = hana(world)
    with begin(world.store) as tx:
        row = {"segment_id": "s1", "site_id": world.acme.site_id, "name": "New customers", "text": ""}
        tx.execute(segments.insert(), [{**row, "saved_by": "x", "saved_at": world.clock()}])
    action(world, ActionKind.SEGMENT, "s1")
    told(world, moved(world, who))
    members = select(segment_people.c.contact_id)
    with begin(world.store) as tx:
        assert tx.execute(members).scalars().all() == [who]
        tx.execute(delete(segment_people))
    told(world, moved(world, who))
    with reading(world.store) as tx:
        assert tx.execute(members).scalars().all() == []
    assert items(world)[0].state is OutboxState.SENT


def test_a_line_for_slack_is_escaped_and_leads_to_the_person(world: World, receiver: Receiver) -> None:
    who = hana(world)
    add_cheap_user(world, ALICE, Role.OWNER, "ja")
    body = {"email": "hana@kyoto.example", "name": "<!here> & 花", "changed_at": "2026-04-01T01:00:00Z"}
    world.program(world.token).put("/contacts", body)
    sealed = seal(OWN.secret_key, f"{receiver.origin}/T0/B0/x")
    action(world, ActionKind.SLACK, "127.0.0.1", secret=sealed)
    told(world, moved(world, who))
    assert send(world) == 1
    ((path, _, sent),) = receiver.taken
    assert path == "/T0/B0/x"
    text = json.loads(sent)["text"]
    link = f"<https://minamoto.acme.example/contacts/{who}?site=acmekey|&lt;!here&gt; &amp; 花>"
    assert link in text
    assert "顧客" in text


def test_a_mail_speaks_its_readers_language_and_goes_to_nobody_who_may_not_see_people(world: World) -> None:
    who = hana(world)
    evil = {
        "email": "hana@kyoto.example",
        "name": "Hana\r\nBcc: eve@evil.example",
        "changed_at": "2026-04-01T01:00:00Z",
    }
    world.program(world.token).put("/contacts", evil)
    add_cheap_user(world, ALICE, Role.OWNER, "ja")
    add_cheap_user(world, "viewer@acme.example", Role.VIEWER)
    for to in (ALICE, "sales@acme.example", "viewer@acme.example"):
        action(world, ActionKind.EMAIL, to)
    with mail_server() as (mails, port):
        own = OWN.model_copy(update={"smtp_url": f"smtp://127.0.0.1:{port}", "mail_from": "m@acme.example"})
        told(world, moved(world, who))
        assert send(world, own) == 3
        check_mails(mails, who)
    found = {one.error for one in items(world) if one.state is OutboxState.BURIED}
    assert found == {"may_not_see_people"}


def check_mails(mails: MailServer, who: str) -> None:
    assert mails.recipients == [ALICE, "sales@acme.example"]
    for mail in mails.taken:
        assert mail["Bcc"] is None
        assert f"https://minamoto.acme.example/contacts/{who}?site=acmekey" in str(mail.get_content())
        assert "顧客" in str(mail.get_content())
    assert len({mail["Message-ID"] for mail in mails.taken}) == 2


def test_who_is_gone_by_then_is_told_to_nobody(world: World, receiver: Receiver) -> None:
    webhook(world, receiver)
    told(world, moved(world, "f" * 32))
    send(world)
    assert (items(world)[0].error, receiver.taken) == ("person_gone", [])


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_replays_in_any_order_put_each_change_in_once(world: World, data: st.DataObject) -> None:
    """Whatever is derived anew, as often and in whatever parts: an item for each action and change, no more."""
    with begin(world.store) as tx:
        tx.execute(delete(outbox_table))
        known = actions_of(tx, world.acme.site_id)
    if not known:
        action(world, ActionKind.CRM_TASK, "Call", "")
        action(world, ActionKind.CRM_TASK, "Write", "customer")
    changes = st.builds(
        lambda who, stage, minutes: moved(world, who, stage, world.clock() + timedelta(minutes=minutes), before=None),
        st.sampled_from(("a", "b")),
        st.sampled_from(("lead", "customer")),
        st.integers(0, 3),
    )
    replays = data.draw(st.lists(st.lists(changes, max_size=6), max_size=5))
    for moves in replays:
        told(world, *moves)
    every = {move for moves in replays for move in moves}
    with reading(world.store) as tx:
        n = tx.execute(select(func.count()).select_from(outbox_table)).scalar_one()
    assert n == len(every) + sum(move.stage == "customer" for move in every)


def test_the_job_can_be_handed_to_a_process_of_its_own() -> None:
    assert pickle.loads(pickle.dumps(SEND_ACTIONS)) == SEND_ACTIONS
