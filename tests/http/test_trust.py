"""Who may ask: every route names its audience, and each audience is asked for what it must show."""

import re

import pytest
from flask import Flask
from sqlalchemy import func, select

from api.trust import Audience, audience_of
from tests.world import ALICE, PASSWORD, START, Program, World
from tracker.access.tokens import revoke_token
from tracker.db.schema import contacts, crm_changes
from tracker.db.store import begin, reading

ID = "0" * 32
VALUES = {"contact_id": ID, "reference": "D-1", "filename": "app.css"}


def routes(app: Flask) -> list[tuple[str, str, Audience | None]]:
    """(method, path, audience) of every route, with something in its place for each variable."""
    found = []
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", lambda name: VALUES.get(name[1], "1"), rule.rule)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            found.append((method, path, audience_of(app, rule.endpoint)))
    return found


def test_every_route_names_its_audience(app_on: Flask) -> None:
    assert [one for one in routes(app_on) if one[2] is None] == []
    assert {one[2] for one in routes(app_on)} == set(Audience)


def test_the_api_is_a_crms_and_its_documentation_is_everybodys(app_on: Flask) -> None:
    own = {(path, who) for _, path, who in routes(app_on) if path.startswith("/api/")}
    assert {path for path, who in own if who is Audience.ANYONE} == {"/api/docs", "/api/openapi.json"}
    assert {who for path, who in own if path.startswith("/api/v1/")} == {Audience.CRM}


def test_a_crms_routes_answer_401_without_a_token(world: World, app_on: Flask) -> None:
    asked = [(method, path) for method, path, who in routes(app_on) if who is Audience.CRM]
    assert len(asked) >= 13
    for token in (None, "", "mnm_wrong", "mnm_\x00"):
        for method, path in asked:
            headers = {} if token is None else {"Authorization": f"Bearer {token}"}
            answer = app_on.test_client().open(path, method=method, headers=headers, data="{")
            assert answer.status_code == 401, (method, path, token)
            assert answer.mimetype == "application/problem+json"
            assert answer.headers["WWW-Authenticate"] == 'Bearer realm="Minamoto"'


def test_a_token_is_only_taken_as_a_bearer_token(world: World, app_on: Flask) -> None:
    client = app_on.test_client()
    for headers in (
        {"Authorization": world.token},
        {"Authorization": f"Basic {world.token}"},
        {"Authorization": f"Token {world.token}"},
        {"X-Api-Key": world.token},
        {"Cookie": f"token={world.token}"},
    ):
        assert client.get("/api/v1/contacts", headers=headers).status_code == 401
    assert client.get(f"/api/v1/contacts?token={world.token}").status_code == 401
    lower = {"Authorization": f"bearer {world.token}"}
    assert client.get("/api/v1/contacts", headers=lower).status_code == 200


def test_a_revoked_token_opens_nothing(world: World, crm: Program, carol: Program) -> None:
    assert crm.put("/contacts", {"crm_id": "1"}).status_code == 201
    with begin(world.store) as tx:
        revoke_token(tx, "crm", now=START)
    assert crm.put("/contacts", {"crm_id": "2"}).status_code == 401
    assert carol.get("/contacts").status_code == 200
    with reading(world.store) as tx:
        assert tx.execute(select(func.count()).select_from(contacts)).scalar() == 1


def test_a_log_in_is_no_token_and_a_token_no_log_in(world: World, app_on: Flask) -> None:
    world.people()
    client = app_on.test_client()
    page = client.get("/login").text
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token
    form = {"email": ALICE, "password": PASSWORD, "csrf_token": token[1]}
    assert client.post("/login", data=form).status_code == 302
    assert client.get("/contacts").status_code == 200
    assert client.get("/api/v1/contacts").status_code == 401
    as_program = {"Authorization": f"Bearer {world.token}"}
    assert app_on.test_client().get("/contacts", headers=as_program).status_code == 302


def test_a_sites_token_cannot_name_another_site(crm: Program) -> None:
    assert crm.get("/contacts?site=acmekey").status_code == 200
    for key in ("carolkey", "nobody", "%00", "é", "x" * 500):
        answer = crm.get(f"/contacts?site={key}")
        assert answer.status_code == 404, key
        assert answer.json is not None
        assert answer.json["errors"][0]["field"] == "site"


def test_a_token_of_all_sites_names_the_site_it_speaks_for(world: World) -> None:
    master = world.program(world.master_token)
    unnamed = master.get("/contacts")
    assert unnamed.status_code == 422
    assert unnamed.json is not None
    assert unnamed.json["errors"][0]["field"] == "site"
    assert master.get("/contacts?site=nobody").status_code == 404
    assert master.put("/contacts?site=carolkey", {"crm_id": "1"}).status_code == 201
    found = [master.get(f"/contacts?site={key}").json for key in ("acmekey", "carolkey")]
    assert [len(one["data"]) for one in found if one is not None] == [0, 1]


def test_peoples_routes_lead_to_the_log_in(app_on: Flask) -> None:
    asked = [(method, path) for method, path, who in routes(app_on) if who is Audience.PEOPLE]
    assert asked
    client = app_on.test_client()
    for method, path in asked:
        answer = client.open(path, method=method, headers={"Accept": "text/html"})
        if method == "GET":
            assert answer.status_code == 302, path
            assert answer.headers["Location"].startswith("/login?next="), path
        else:
            assert answer.status_code in (400, 401), (method, path)


def test_a_route_without_an_audience_answers_nobody(world: World) -> None:
    @world.app.get("/forgotten")
    def forgotten() -> str:
        return "secret"

    answer = world.app.test_client().get("/forgotten")
    assert answer.status_code in (401, 403)
    assert b"secret" not in answer.data


def test_every_answer_carries_the_strict_headers(world: World, crm: Program) -> None:
    client = world.app.test_client()
    for answer in (crm.get("/contacts"), crm.get("/nothing"), client.get("/api/docs"), client.get("/nothing")):
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(("method", "path"), [("POST", "/contacts"), ("DELETE", "/deals/D-1"), ("PATCH", "/costs")])
def test_another_method_is_405_and_says_which_are_known(crm: Program, method: str, path: str) -> None:
    answer = crm.call(method, path, {})
    assert answer.status_code == 405
    assert answer.mimetype == "application/problem+json"
    assert "GET" in answer.headers["Allow"]


def test_a_defect_tells_its_number_and_nothing_else(
    world: World, crm: Program, caplog: pytest.LogCaptureFixture
) -> None:
    with begin(world.store) as tx:
        tx.exec_driver_sql("DROP TABLE links")
        tx.exec_driver_sql("DROP TABLE identifications")
    answer = crm.put("/contacts", {"email": "secret@kyoto.example", "name": "Secret Name"})
    assert answer.status_code in (500, 503)
    problem = answer.json
    assert problem is not None
    assert problem["request_id"] in caplog.text
    assert "identifications" not in answer.text
    for text in (answer.text, caplog.text):
        assert "ecret" not in text.replace("secret_key", "")
    with reading(world.store) as tx:
        assert tx.execute(select(func.count()).select_from(crm_changes)).scalar() == 0


def test_an_error_is_a_page_for_people_and_a_document_for_programs(world: World) -> None:
    client = world.app.test_client()
    page = client.get("/nothing", headers={"Accept": "text/html", "Accept-Language": "ja"})
    assert (page.status_code, page.mimetype) == (404, "text/html")
    assert 'lang="ja"' in page.text
    document = client.get("/nothing", headers={"Accept": "application/json"})
    assert (document.status_code, document.mimetype) == (404, "application/problem+json")
    inside = client.get("/api/nothing", headers={"Accept": "text/html"})
    assert inside.mimetype == "application/problem+json"
    visitors = client.get("/m/nothing", headers={"Accept": "text/html"})
    assert (visitors.status_code, visitors.data, visitors.headers["X-Minamoto"]) == (404, b"", "error")
