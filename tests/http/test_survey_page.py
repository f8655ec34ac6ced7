"""The page of a survey: no cookie, no script, in the reader's language; answers are of whom the invitation names."""

import re
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from tests.people import SQLITE_ONLY
from tests.world import Program, World
from tracker.db.schema import nps_answers, surveys
from tracker.db.store import begin, reading

pytestmark = SQLITE_ONLY


@pytest.fixture
def reader(world: World) -> FlaskClient:
    return world.app.test_client()


def survey_of(crm: Program, **more: Any) -> str:
    return str((crm.post("/surveys", {"name": "Spring", **more}).json or {})["id"])


def kept(world: World) -> list[tuple[Any, ...]]:
    columns = (nps_answers.c.score, nps_answers.c.email, nps_answers.c.comment, nps_answers.c.survey_id)
    with reading(world.store) as tx:
        return [tuple(one) for one in tx.execute(select(*columns).order_by(nps_answers.c.answered_at)).all()]


def test_it_asks_in_the_readers_language_without_cookie_or_script(
    world: World, crm: Program, reader: FlaskClient
) -> None:
    path = f"/nps/{survey_of(crm)}"
    for headers, query, lang, word in (
        ({}, "", "en", "How likely are you to recommend Acme"),
        ({"Accept-Language": "ja"}, "", "ja", "Acmeを友人や同僚に"),
        ({"Accept-Language": "ja"}, "?lang=en", "en", "How likely"),
        ({"Accept-Language": "en"}, "?lang=ja", "ja", "すすめる"),
        ({}, "?lang=xx", "en", "How likely"),
    ):
        answer = reader.get(path + query, headers=headers)
        assert answer.status_code == 200
        assert f'<html lang="{lang}">' in answer.text
        assert word in answer.text
        assert answer.text.count('type="radio"') == 11
        assert "Set-Cookie" not in answer.headers
        assert "<script" not in answer.text
        assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "Spring" not in reader.get(path).text, "the survey's name is the company's own"


def test_anybody_answers_and_is_thanked_and_the_same_sent_twice_is_one(
    world: World, crm: Program, reader: FlaskClient
) -> None:
    survey = survey_of(crm, question="おすすめ <b>しますか</b>")
    page = reader.get(f"/nps/{survey}").text
    assert "&lt;b&gt;" in page
    once = re.findall(r'name="once" value="([^"]+)"', page)[0]
    form = {"score": "10", "comment": "Good.\r\nVery\x00 good.", "once": once}
    for _ in range(2):
        answer = reader.post(f"/nps/{survey}?lang=ja", data=form)
        assert (answer.status_code, "Set-Cookie" in answer.headers) == (303, False)
    assert "ありがとう" in reader.get(answer.headers["Location"]).text
    assert kept(world) == [(10, "", "Good.\nVery good.", survey)]


def test_without_a_score_it_asks_again_and_keeps_what_was_written(
    world: World, crm: Program, reader: FlaskClient
) -> None:
    survey = survey_of(crm)
    for score in ("", "11", "-1", "9.5", "ten", "１", "010"):
        answer = reader.post(f"/nps/{survey}", data={"score": score, "comment": "<i>still here</i>"})
        assert answer.status_code == 422
        assert "Choose a number from 0 to 10." in answer.text
        assert "&lt;i&gt;still here" in answer.text
    assert kept(world) == []


def test_an_invitation_makes_the_answer_its_persons_and_the_latest_counts(
    world: World, crm: Program, reader: FlaskClient
) -> None:
    survey, other = survey_of(crm, for_anybody=False), survey_of(crm, for_anybody=False)
    link = (crm.get(f"/surveys/{survey}/for?email=hana@kyoto.example").json or {})["link"]
    token = link.partition("?t=")[2]
    assert "hana" not in link
    assert token in reader.get(link).text
    for score in ("2", "9"):
        world.clock.forward(minutes=5)
        assert reader.post(f"/nps/{survey}", data={"score": score, "t": token}).status_code == 303
    assert [one[:2] for one in kept(world)] == [(2, "hana@kyoto.example"), (9, "hana@kyoto.example")]
    found = crm.get("/nps?from=2026-04-01&to=2026-04-01").json or {}
    assert (found["answers"], found["score"]) == (1, 100)
    for path, wrong in ((survey, ""), (survey, token[:-1]), (survey, "é" * 50), (other, token)):
        answer = reader.post(f"/nps/{path}", data={"score": "0", "t": wrong})
        assert (answer.status_code, 'type="radio"' in answer.text) == (403, False)
    assert len(kept(world)) == 2


def test_a_closed_survey_takes_nothing_and_an_unknown_one_is_not_there(
    world: World, crm: Program, reader: FlaskClient
) -> None:
    survey = survey_of(crm)
    with begin(world.store) as tx:
        tx.execute(surveys.update().values(is_open=False))
    assert "closed" in reader.get(f"/nps/{survey}").text
    assert reader.post(f"/nps/{survey}", data={"score": "9"}).status_code == 403
    for unknown in ("nothing", "x" * 300, "%00"):
        assert reader.get(f"/nps/{unknown}").status_code == 404
        assert reader.post(f"/nps/{unknown}", data={"score": "9"}).status_code == 404
    assert kept(world) == []


def test_one_address_answers_so_often_and_a_large_answer_is_refused(
    world: World, crm: Program, reader: FlaskClient
) -> None:
    survey = survey_of(crm)
    statuses = [reader.post(f"/nps/{survey}", data={"score": "0"}).status_code for _ in range(22)]
    assert statuses == [303] * 20 + [429] * 2
    world.clock.forward(minutes=1)
    assert reader.post(f"/nps/{survey}", data={"score": "9", "comment": "x" * 100_000}).status_code == 413
    assert len(kept(world)) == 20
