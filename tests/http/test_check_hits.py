"""Check hits: whoever tries the tag out is seen at once, is told what came of it, and counts for nothing."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from api.door import STATUS
from tests.world import AGENT, START, World
from tracker.checkhit import is_check, made_ms, new_nonce, nonce_of
from tracker.collect.checks import Heard, heard_of, note
from tracker.db.schema import checks, contacts, touchpoints, visits
from tracker.db.store import begin, reading
from tracker.vocabulary import Refusal

MADE_MS = int(START.timestamp() * 1000)
NONCE = f"{MADE_MS:011x}-0123456789abcdef"


def send(
    world: World, *hits: dict[str, Any], site: str = "acmekey", headers: dict[str, str] | None = None
) -> TestResponse:
    beacon = {"v": 1, "site": site, "visitor": "v" * 22, "sent_at": hits[-1]["at"], "hits": list(hits)}
    told = {"User-Agent": AGENT} | (headers or {})
    return world.app.test_client().post("/m/e", data=json.dumps(beacon), content_type="text/plain", headers=told)


def heard(world: World) -> list[Heard]:
    with reading(world.store) as tx:
        return heard_of(tx, NONCE)


def count(world: World, table: Any) -> int:
    with reading(world.store) as tx:
        return int(tx.execute(select(func.count()).select_from(table)).scalar_one())


def test_a_check_is_kept_and_counts_for_nothing(world: World) -> None:
    url = f"/?utm_source=google&minamoto_check={NONCE}"
    form = {"form": {"id": "contact"}, "identifiers": {"email": "me@acme.example"}}
    send(world, world.hit("page", url), world.hit("form", url, **form))
    world.fold()
    with reading(world.store) as tx:
        assert tx.execute(select(visits.c.bot, visits.c.n_pages)).all() == [("Minamoto check", 1)]
    assert (count(world, touchpoints), count(world, contacts)) == (0, 0)


def test_a_link_that_is_passed_on_later_brings_a_visitor_like_any(world: World) -> None:
    world.clock.forward(minutes=61)
    send(world, world.hit("page", f"/?utm_source=google&minamoto_check={NONCE}"))
    world.fold()
    assert count(world, touchpoints) == 1


def test_what_is_taken_is_told_with_the_cookie_that_the_answer_sets(world: World) -> None:
    hit = world.hit("page", f"/?minamoto_check={NONCE}")
    near = {"Origin": "https://www.acme.example", "Host": "track.acme.example", "Sec-Fetch-Site": "same-site"}
    assert send(world, hit, headers=near).status_code == 204
    assert send(world, world.hit("page", f"/?a=b&minamoto_check={NONCE}#top")).status_code == 204
    one = Heard(NONCE, START, "acmekey", "acme.example", "v" * 22, "none", AGENT, None, True)
    first, second = heard(world)
    assert first == one
    assert (second.refusal, second.sets_cookie) == (None, False)


@pytest.mark.parametrize(
    ("site", "host", "headers", "reason"),
    [
        ("acmekey", "www.acme.example", {"Sec-GPC": "1"}, Refusal.OPTED_OUT),
        ("acmekey", "www.acme.example", {"Sec-Purpose": "prefetch"}, Refusal.PREFETCH),
        ("acmekey", "stage.example", {}, Refusal.FOREIGN_HOST),
        ("nobody", "www.acme.example", {}, Refusal.UNKNOWN_SITE),
        ("carolkey", "www.acme.example", {}, Refusal.FOREIGN_HOST),
    ],
)
def test_what_is_refused_is_told_with_its_reason(
    world: World, site: str, host: str, headers: dict[str, str], reason: Refusal
) -> None:
    hit = world.hit("page", "/") | {"url": f"https://{host}/?minamoto_check={NONCE}"}
    assert send(world, hit, site=site, headers=headers).status_code == STATUS[reason]
    (one,) = heard(world)
    assert (one.site_key, one.host, one.refusal) == (site, host.removeprefix("www."), reason)


def test_other_pages_leave_no_note_and_old_notes_go(world: World) -> None:
    send(world, world.hit("page", "/?minamoto_check=1"))
    assert count(world, checks) == 0
    send(world, world.hit("page", f"/?minamoto_check={NONCE}"))
    world.clock.forward(hours=25)
    later = new_nonce(MADE_MS + 25 * 3_600_000)
    send(world, world.hit("page", f"/?minamoto_check={later}"))
    assert heard(world) == []
    assert count(world, checks) == 1
    with begin(world.store) as tx:
        note(tx, [])


@given(st.integers(0, 2**43), st.integers(-2 * 3_600_000, 2 * 3_600_000), st.sampled_from(["", "&x=1", "#a"]))
def test_a_link_is_a_check_for_an_hour(made: int, later: int, behind: str) -> None:
    url = f"https://a.example/?minamoto_check={new_nonce(made)}{behind}"
    assert made_ms(nonce_of(url) or "") == made
    assert is_check(url, made + later) == (abs(timedelta(milliseconds=later)) <= timedelta(hours=1))


@pytest.mark.parametrize("nonce", ["", "1", "g" * 11 + "-" + "0" * 16, NONCE + "0", NONCE[1:], "<script>"])
def test_what_is_no_nonce_makes_no_check(nonce: str) -> None:
    assert nonce_of(f"https://a.example/?minamoto_check={nonce}") is None
    assert made_ms(nonce) is None
    assert not is_check(f"https://a.example/?minamoto_check={nonce}", MADE_MS)


def test_a_new_nonce_tells_when_it_was_made_and_is_like_no_other() -> None:
    some = {new_nonce(MADE_MS) for _ in range(100)}
    assert len(some) == 100
    assert {made_ms(nonce) for nonce in some} == {MADE_MS}
