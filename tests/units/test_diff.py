"""Two runs beside each other: what is credited otherwise, and the cause by its name."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.units.conftest import Command
from tests.world import START, World
from tracker.attribution.policy import SHIPPED, ChannelRule, Policy
from tracker.clock import local_day
from tracker.db.store import reading
from tracker.errors import Invalid
from tracker.reports.diff import (
    CAUSES,
    REVENUE,
    Credited,
    Run,
    Share,
    differences,
    read,
    record,
    to_text,
    written,
)
from tracker.reports.query import parse_query
from tracker.vocabulary import ConversionKind

PAID, MAIL = ("paid_search",), ("email",)
MADE = Credited("deal_won", "c1", "D-1", "p1", (4, 1, 2, None), ("t1", "t2"), ("a", "b"), (), (Share(PAID, 1_000_000),))


def run(*credited: Credited, **more: object) -> Run:
    given = {"policy_version": 0, "fit_version": None, "currency": "EUR", "asked": {"model": "first"}, "site": "acme"}
    return Run(format=1, made_at="2026-04-01", credited=credited, **{**given, **more})  # type: ignore[arg-type]


MOVED = replace(MADE, shares=(Share(MAIL, 1_000_000),))
CASES = [
    (run(MADE), run(MADE, policy_version=1), None),
    (run(MADE), run(), ("gone",)),
    (run(), run(MADE), ("new",)),
    (run(MADE), run(replace(MOVED, ledger=("0 won",))), ("ledger",)),
    (run(MADE), run(replace(MOVED, contact_id="p2")), ("contact",)),
    (run(MADE), run(replace(MOVED, path=("t0", "t1", "t2"), names=("z", "a", "b"))), ("touches_added",)),
    (run(MADE), run(replace(MOVED, path=("t2",), names=("b",))), ("touches_gone",)),
    (run(MADE), run(replace(MOVED, names=("a", "c"))), ("touches_renamed",)),
    (run(MADE), run(replace(MOVED, moments=(4, 3, 2, None))), ("moved_in_time",)),
    (run(MADE), run(MOVED, policy_version=1), ("policy",)),
    (run(MADE), run(MOVED, fit_version=1), ("fit",)),
    (run(MADE), run(MOVED, asked={"model": "last"}), ("question",)),
    (run(MADE), run(replace(MOVED, contact_id="p2"), policy_version=1), ("contact", "policy")),
    (run(MADE), run(MOVED), ("unexplained",)),
]


def test_each_cause_is_named_by_what_differs() -> None:
    for before, after, causes in CASES:
        found = differences(before, after)
        assert [one.causes for one in found] == ([] if causes is None else [causes])
        assert read(written(before), "x") == before
    assert {cause for _, _, causes in CASES for cause in causes or ()} == set(CAUSES)


def test_runs_that_cannot_be_set_against_each_other_are_refused() -> None:
    for other in (run(site="other"), run(currency="JPY")):
        with pytest.raises(Invalid):
            differences(run(MADE), other)
    for text in (b"", b"[]", b'{"format": 1}', written(run(MADE)).replace(b'"format":1', b'"format":9')):
        with pytest.raises(Invalid):
            read(text, "x.run")


def test_texts_of_strangers_do_not_steer_the_terminal() -> None:
    hostile = replace(MADE, name="\x1b[2J", shares=(Share(("\x1b]0;x",), 1),))
    assert "\x1b" not in to_text(run(hostile), run(MADE), differences(run(hostile), run(MADE)))
    assert "Nothing is credited otherwise." in to_text(run(MADE), run(MADE), [])


def recorded(world: World, policy: Policy = SHIPPED, version: int = 0) -> Run:
    today = local_day(world.clock(), world.acme.timezone)
    args = {"from": "2026-04-01", "to": "2026-04-30", "model": "first"}
    with reading(world.store) as tx:
        query = parse_query(args, world.acme, today, policy=policy, policy_version=version)
        return record(tx, world.acme.key, query, START)


def test_a_refund_a_late_touch_and_a_policy_are_told_apart(store: Engine) -> None:
    world = World(store)
    crm = world.program(world.token)
    contact_id = world.walk()
    world.clock.forward(days=1)
    crm.put("/deals/D-1", {"amount": "100", "currency": "EUR", "status": "won", "contacts": [{"id": contact_id}]})
    crm.put("/deals/D-2", {"amount": "5", "currency": "EUR", "status": "won"})
    first = recorded(world)
    assert differences(first, recorded(world)) == []

    world.clock.forward(days=1)
    crm.put("/deals/D-2", {"refunded": "5"})
    refunded = recorded(world)
    (refund,) = differences(first, refunded)
    assert (refund.kind, refund.name, refund.causes) == (REVENUE, "D-2", ("ledger",))
    assert refund.shares == ((None, 500, 0),)

    ruled = recorded(world, Policy(rules=(ChannelRule({"campaign": "spring"}, "brand"),)), 1)
    moved = differences(refunded, ruled)
    assert {one.kind for one in moved} == {
        *(kind for kind in ConversionKind if kind in {"form", "lead"}),
        "customer",
        "deal_won",
        "deal_created",
        REVENUE,
    }
    assert {one.causes for one in moved} == {("policy",)}
    assert moved[0].shares == ((("brand",), 0, 10_000), (PAID, 10_000, 0))

    fair = {
        "kind": "offline",
        "occurred_at": "2026-04-01T00:00:00Z",
        "name": "Fair",
        "source": "fair",
        "medium": "event",
    }
    earlier = {"reference": "fair", "contact": {"email": "hana@kyoto.example"}, **fair}
    assert crm.post("/events", {"events": [earlier]}).status_code == 202
    world.fold()
    late = {one.kind: one.causes for one in differences(refunded, recorded(world))}
    assert "touches_added" in late[REVENUE]


def test_the_command_line_keeps_runs_and_tells_what_changed(store: Engine, command: Command, tmp_path: Path) -> None:
    world = World(store)
    contact_id = world.walk()
    deal = {"amount": "100", "currency": "EUR", "status": "won", "contacts": [{"id": contact_id}]}
    world.program(world.token).put("/deals/D-1", deal)

    def call(*words: str, code: int = 0) -> str:
        answer = command(*words)
        assert answer.exit_code == code, answer.output
        return answer.output

    question = (
        "report",
        "source",
        "--site",
        "acmekey",
        "--from",
        "2026-04-01",
        "--to",
        "2026-04-30",
        "--model",
        "first",
    )
    before, after = str(tmp_path / "1.run"), str(tmp_path / "2.run")
    call(*question, "--record", before)
    known = json.loads(call("policy", "show", "--site", "acmekey"))
    file = tmp_path / "policy.json"
    file.write_text(json.dumps({**known, "rules": [{"where": {"campaign": "spring"}, "channel": "brand"}]}))
    assert "policy in force: 1" in call("policy", "set", str(file), "--site", "acmekey", "--note", "Brand apart")
    assert "\tcommand line\tBrand apart" in call("policy", "list", "--site", "acmekey")
    call(*question, "--record", after)
    told = call("diff", before, after)
    assert "policy: another version of the policy" in told
    assert "paid_search: 100.00 -> 0.00" in told
    period = ("--from", "2026-04-01", "--to", "2026-04-30", "--model", "first", "--format", "json")
    found = json.loads(call("diff", "--site", "acmekey", "--policy", "0", "--policy", "1", *period))
    assert found["causes"] == {"policy": 6}
    assert found["differences"] == json.loads(call("diff", before, after, "--format", "json"))["differences"]
    call("diff", before, code=2)
    call("diff", before, str(file), code=1)
    file.write_text('{"colour": 1}')
    assert "colour" in call("policy", "set", str(file), "--site", "acmekey", code=1)
