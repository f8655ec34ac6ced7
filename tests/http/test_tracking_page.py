"""The tracking page: what came in, what did not and what to do about it, and how far hits are on their way."""

import csv
import html
import io
import re
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from openpyxl import load_workbook
from sqlalchemy import func, insert, select

from tests.http.test_pages import client as client  # noqa: PLC0414 - a fixture
from tests.http.test_pages import log_in
from tests.http.test_pages import world as world  # noqa: PLC0414 - a fixture
from tests.people import ON_BOTH, SQLITE_ONLY
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


@ON_BOTH
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


def text_of(piece: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", piece)).split())


def on_screen(page: str) -> tuple[list[str], list[list[str]]]:
    """The tiles' numbers, and the table's rows: reason, today, last 7 days, what it means."""
    tiles = re.findall(r"<dd><strong>([\d,]+)</strong>", page)
    rows = []
    for row in page.split('<tr><th scope="row" class="label">')[1:]:
        name, why, today, week = re.findall(r"<(?:span|small|td)[^>]*>(.*?)</(?:span></td>|span>|small>|td>)", row)[:4]
        rows.append([*(text_of(one).replace(",", "") for one in (name, today, week)), text_of(why)])
    return tiles, rows


@pytest.mark.parametrize(("language", "accepted"), [("en", "Accepted"), ("ja", "受信")])
def test_the_files_hold_what_the_screen_shows(client: FlaskClient, world: World, language: str, accepted: str) -> None:
    hostile = "/?utm_source==1%2B1"
    world.send("v", [world.hit(NOW, "/b"), world.hit(NOW, "/c"), world.hit(NOW, hostile)])
    yesterday, long_ago = NOW - timedelta(days=1), NOW - timedelta(days=8)
    with begin(world.store) as tx:
        counts = {(Refusal.BUSY, NOW): 1200, (Refusal.BUSY, yesterday): 34, (Refusal.TOO_OLD, yesterday): 5}
        counts |= {(Refusal.MALFORMED, long_ago): 9}
        told = {Refused.on(world.site.site_id, reason, at, "Asia/Tokyo"): n for (reason, at), n in counts.items()}
        count_refusals(tx, told)
    page = seen(client, language)
    tiles, rows = on_screen(page)
    assert tiles == ["3", "1,200"]
    assert [row[1:3] for row in rows] == [["1200", "1234"], ["0", "5"]]
    assert all(f'href="/tracking.{form}"' in page for form in ("csv", "xlsx", "json"))
    shown = [[accepted, "3", "", ""], *rows]
    as_csv = list(csv.reader(io.StringIO(client.get("/tracking.csv").get_data(as_text=True).removeprefix("\ufeff"))))
    assert [row[:4] for row in as_csv[1:]] == shown
    assert [row[4] for row in as_csv[1:]] == ["accepted", "busy", "too_old"]
    book = load_workbook(io.BytesIO(client.get("/tracking.xlsx").data))
    cells = [["" if one is None else str(one) for one in row] for row in book.worksheets[0].values]
    assert cells == as_csv
    as_json = client.get("/tracking.json").json
    assert as_json is not None
    listed = [["" if one is None else str(one) for one in row.values()] for row in as_json["rows"]]
    assert listed == as_csv[1:]
    about = {str(name): str(text) for name, text in book.worksheets[1].values}
    assert about == {line["name"]: line["text"] for line in as_json["about"]}
    assert any(text.endswith(hostile) for text in about.values())
    assert sum(text.startswith("3 (") for text in about.values()) == 1  # the fold has not taken them yet


def test_before_the_first_hit_there_is_nothing_to_take_away(client: FlaskClient) -> None:
    assert 'href="/tracking.csv"' not in seen(client)
    assert client.get("/tracking.csv").status_code == 200
    assert client.get("/tracking.pdf").status_code == 404
