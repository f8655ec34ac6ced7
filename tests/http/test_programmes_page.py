"""Pages of mails and of surveys: every number leads to its people, viewers see nobody, strangers' words stay words."""

import io
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from tests.people import SQLITE_ONLY, browser_of, send
from tests.world import START, Program, World
from tracker.db.schema import audit, mail_events, mail_links, nps_answers, surveys
from tracker.db.store import reading
from tracker.mailing.programmes import find_programme
from tracker.vocabulary import Programme, Role

pytestmark = SQLITE_ONLY
EVIL = '<img src=x onerror="a">=1+1'
PERIOD = "period=custom&from=2026-04-01&to=2026-04-30"


@pytest.fixture
def told(world: World, crm: Program) -> World:
    """Three people got a mail of a programme with a strange name, one opened it, one is known; two answered."""
    world.clock.forward(days=30)

    def event(kind: str, email: str, hours: int = 0) -> dict[str, str]:
        at = (START + timedelta(hours=hours)).isoformat()
        return {"kind": kind, "programme": EVIL, "step": EVIL, "email": f"{email}@kyoto.example", "occurred_at": at}

    events = [event("delivered", who) for who in ("hana", "ken", "rei")] + [event("open", "hana", 1)]
    assert crm.post("/mail/events", {"events": events}).status_code == 200
    assert crm.put("/contacts", {"email": "hana@kyoto.example", "name": "Hana Sato"}).status_code == 201
    answers = [
        {"email": "hana@kyoto.example", "score": 10, "comment": EVIL, "answered_at": START.isoformat()},
        {"email": "ken@kyoto.example", "score": 2, "comment": "Slow.", "answered_at": START.isoformat()},
    ]
    assert crm.post("/nps", {"answers": answers}).status_code == 200
    return world


def links_in(page: str, part: str) -> list[str]:
    return [one.partition('"')[0].replace("&amp;", "&") for one in page.split('href="')[1:] if one.startswith(part)]


def test_every_number_leads_to_so_many_people(told: World) -> None:
    owner = browser_of(told)
    page = owner.get(f"/programmes?{PERIOD}").text
    assert EVIL not in page
    assert "33.3%" in page
    found = {link.partition("what=")[2].partition("&")[0]: link for link in links_in(page, "/programmes/rows")}
    assert set(found) == {"sent", "delivered", "opened"}
    assert "<h1>Opened <small>1</small>" in owner.get(found["opened"]).text
    assert "Hana Sato" in owner.get(found["opened"]).text
    assert "<h1>Delivered <small>3</small>" in owner.get(found["delivered"]).text
    (own,) = links_in(page, "/programmes/of/")
    one = owner.get(own).text
    assert EVIL not in one
    behind = {link.partition("what=")[2].partition("&")[0] for link in links_in(one, "/programmes/rows")}
    assert behind == {"sent", "delivered", "opened", "finished"}


def test_a_viewer_sees_figures_and_nobody(told: World) -> None:
    viewer = browser_of(told, Role.VIEWER)
    pages = {path: viewer.get(path).text for path in (f"/programmes?{PERIOD}", "/surveys?period=all_time")}
    (own,) = links_in(pages[f"/programmes?{PERIOD}"], "/programmes/of/")
    pages[own] = viewer.get(own).text
    for path, page in pages.items():
        for secret in ("kyoto.example", "Hana", "Slow", "onerror", "/programmes/rows", "<textarea"):
            assert secret not in page or (secret == "onerror" and path != "/surveys?period=all_time"), (path, secret)
    assert "33.3%" in pages[f"/programmes?{PERIOD}"]
    assert "+0" not in pages["/surveys?period=all_time"]
    for path in ("/programmes/rows?programme=x", "/surveys/answers.csv", "/programmes/import", "/surveys/import"):
        assert viewer.get(path).status_code == 403


def test_files_hold_what_the_page_shows_and_no_formula(told: World) -> None:
    owner = browser_of(told)
    rows = owner.get(f"/programmes.json?{PERIOD}").json["rows"]
    assert [(one["programme"], one["delivered"], one["opened"], one["open_ratio"]) for one in rows] == [
        (EVIL, 3, 1, 0.333333)
    ]
    told_by = owner.get("/surveys/answers.json?period=all_time").json["rows"]
    assert {(one["score"], one["email"], one["name"]) for one in told_by} == {
        (10, "hana@kyoto.example", "Hana Sato"),
        (2, "ken@kyoto.example", None),
    }
    mails = "種別,シナリオ,メールアドレス,日時\n送信,=1+1,a@b.example,2026/4/1\n"
    send(owner, "/programmes/import", {"file": (io.BytesIO(mails.encode("cp932")), "x.csv")})
    assert "\r\n'=1+1," in owner.get("/programmes.csv?period=all_time").text
    with reading(told.store) as tx:
        exports = tx.execute(select(audit.c.subject).where(audit.c.action == "export")).scalars().all()
    assert exports == ["answers"]


def test_an_analyst_settles_a_programme_and_makes_a_link(told: World) -> None:
    analyst = browser_of(told, Role.ANALYST)
    form = {"programme": EVIL, "audience": "customer", "label": "News", "steps": "one\n two \n\none"}
    wrong = send(analyst, "/programmes/settings", form)
    assert (wrong.status_code, "each once" in wrong.text) == (422, True)
    assert send(analyst, "/programmes/settings", {**form, "steps": "one\n two \n"}).status_code == 302
    with reading(told.store) as tx:
        found = find_programme(tx, told.acme.site_id, EVIL)
    assert (found.audience, found.label, found.steps) == (Programme.CUSTOMER, "News", ("one", "two"))
    bad = send(analyst, "/programmes/links", {"programme": EVIL, "url": "javascript:alert(1)"})
    assert (bad.status_code, 'id="wrong-url"' in bad.text) == (422, True)
    made = send(analyst, "/programmes/links", {"programme": EVIL, "step": "one", "url": "https://www.acme.example/"})
    assert made.status_code == 302
    with reading(told.store) as tx:
        link = tx.execute(select(mail_links.c.link_id)).scalar_one()
    assert f"/r/{link}" in analyst.get(made.headers["Location"]).text
    assert send(analyst, "/programmes/settings", {**form, "programme": "none", "steps": ""}).status_code == 404


def test_comments_are_found_by_what_their_people_think(told: World) -> None:
    owner = browser_of(told)
    whole, low = (owner.get(f"/surveys?period=all_time&who={who}").text for who in ("", "detractor"))
    assert EVIL not in whole
    assert ("Slow." in whole, "Slow." in low, "Hana Sato" in whole, "Hana Sato" in low) == (True, True, True, False)
    assert "2 people answered" in low, "the score is of all"
    assert "2 people answered" in owner.get(f"/surveys?{PERIOD}&who=nobody").text
    assert "No answers in this period" in owner.get("/surveys?period=custom&from=2020-01-01&to=2020-01-31").text


def test_a_survey_is_made_changed_and_closed(told: World) -> None:
    analyst = browser_of(told, Role.ANALYST)
    wrong = send(analyst, "/surveys", {"name": " ", "question": "Why?"})
    assert (wrong.status_code, "at most 200 characters" in wrong.text, "Why?" in wrong.text) == (422, True, True)
    assert send(analyst, "/surveys", {"name": "Spring", "question": ""}).status_code == 302
    with reading(told.store) as tx:
        made = tx.execute(select(surveys)).one()
    assert (made.is_open, made.for_anybody, made.question) == (True, False, None)
    assert f"/nps/{made.survey_id}" in analyst.get("/surveys").text
    path = f"/surveys/of/{made.survey_id}"
    assert send(analyst, path, {"name": "Autumn", "for_anybody": "1"}).status_code == 302
    with reading(told.store) as tx:
        now = tx.execute(select(surveys)).one()
    assert (now.name, now.is_open, now.for_anybody) == ("Autumn", False, True)
    carol = browser_of(told, None, email="carol@carol.example")
    assert send(carol, path, {"name": "Mine"}).status_code in (403, 404)


def import_by(browser: FlaskClient, path: str, content: str) -> tuple[int, str]:
    answer = send(browser, path, {"file": (io.BytesIO(content.encode()), "told.csv")})
    return answer.status_code, browser.get("/programmes").text if answer.status_code == 302 else answer.text


def test_files_are_taken_in_and_what_is_left_out_is_told(told: World) -> None:
    owner = browser_of(told)
    mails = "kind,programme,email,occurred_at\nopen,news,a@b.example,2026-04-01\nread,news,a@b.example,2026-04-01\n"
    status, page = import_by(owner, "/programmes/import", mails)
    assert (status, "One row was read; 1 of them are new." in page) == (302, True)
    assert "Of an unknown kind: 1 (line 3)." in page
    assert "0 of them are new." in import_by(owner, "/programmes/import", mails)[1]
    status, page = import_by(owner, "/surveys/import", "score,date\n9,2026-04-01\n12,2026-04-01\n")
    assert (status, "Without a score of 0 to 10: 1 (line 3)." in page) == (302, True)
    for path in ("/programmes/import", "/surveys/import"):
        for wrong in ("", "a,b\n1,2\n", "score,date,kind,programme,email,occurred_at\nx,x,x,x,x,x\n"):
            status, page = import_by(owner, path, wrong)
            assert (status, 'role="alert"' in page) == (422, True)
    with reading(told.store) as tx:
        assert len(tx.execute(select(mail_events)).all()) == 5
        assert len(tx.execute(select(nps_answers)).all()) == 3
