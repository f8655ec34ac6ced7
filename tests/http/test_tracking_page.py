"""The tracking page: what came in, what did not and what to do about it, and how far hits are on their way."""

from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, insert, select

from tests.http.test_pages import client as client  # noqa: PLC0414 - a fixture
from tests.http.test_pages import log_in
from tests.http.test_pages import world as world  # noqa: PLC0414 - a fixture
from tests.people import SQLITE_ONLY
from tests.walks import START, World
from tracker.collect.journal import Refused, count_refusals
from tracker.db.schema import hits, hits_parked, hits_waiting
from tracker.db.store import begin
from tracker.vocabulary import Refusal

pytestmark = SQLITE_ONLY
NOW = START + timedelta(days=40)


def seen(client: FlaskClient, language: str = "en") -> str:
    log_in(client)
    return client.get(f"/tracking?lang={language}").text


def test_hits_that_wait_a_moment_are_told_and_nothing_is_asked_of_the_reader(client: FlaskClient, world: World) -> None:
    world.send("v", [world.hit(NOW, "/"), world.hit(NOW, "/b")])
    page = seen(client)
    assert "2 hits wait" in page
    assert "within seconds" in page
    assert "background work" not in page
    world.fold()
    page = client.get("/tracking").text
    assert "Every hit is in the reports." in page
    assert "hits wait" not in page


def test_a_fold_that_is_behind_says_since_when_and_where_to_look(client: FlaskClient, world: World) -> None:
    world.send("v", [world.hit(NOW - timedelta(hours=3), "/")])
    page = seen(client)
    assert "1 hit waits, for 3 hours." in page
    assert "<code>minamoto work</code>" in page
    assert "3 時間" in client.get("/tracking?lang=ja").text


def test_hits_set_aside_are_told_with_their_error_and_what_to_do(client: FlaskClient, world: World) -> None:
    world.send("v", [world.hit(NOW, "/"), world.hit(NOW, "/b")])
    with begin(world.store) as tx:
        first = tx.execute(select(func.min(hits.c.seq))).scalar_one()
        tx.execute(hits_waiting.delete().where(hits_waiting.c.seq == first))
        tx.execute(insert(hits_parked), [{"seq": first, "error": "<b>Error"}])
    world.fold()
    page = seen(client)
    assert "1 hit could not be processed and was set aside." in page
    assert "<code>minamoto rebuild</code>" in page
    assert "<code>&lt;b&gt;Error</code>" in page
    assert "Every hit is in the reports." not in page


@pytest.mark.parametrize(("language", "nothing"), [("en", "Nothing to do."), ("ja", "対応は不要です。")])
def test_every_reason_is_named_explained_and_has_its_advice(
    client: FlaskClient, world: World, language: str, nothing: str
) -> None:
    world.send("v", [world.hit(NOW, "/")])
    with begin(world.store) as tx:
        count_refusals(tx, {Refused.on(world.site.site_id, reason, NOW, "Asia/Tokyo"): 1 for reason in Refusal})
    page = seen(client, language)
    rows = page.split('<tr><th scope="row" class="label">')[1:]
    assert len(rows) == len(Refusal)
    words = {row.split("</span>")[0] for row in rows}
    assert len(words) == len(Refusal)
    for row in rows:
        why = row.split('<small class="why">')[1].split("</small>")[0]
        assert why.removesuffix(nothing).strip()
        assert why.endswith(nothing) or "<b>" in why
    assert sum("<b>" in row for row in rows) == 7
    advised = sum("MINAMOTO_" in row or "/readyz" in row for row in rows)
    assert advised == 4
