"""Target accounts on the pages: by hand and from a list, changed and taken off; a company's stage; who sees what."""

import csv
import io
import re

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from tests.people import SQLITE_ONLY, browser_of, send
from tests.world import Program, World
from tracker.db.schema import account_roles, accounts, audit, companies
from tracker.db.store import reading
from tracker.vocabulary import Role

pytestmark = SQLITE_ONLY


@pytest.fixture
def alice(world: World, crm: Program) -> FlaskClient:
    """An analyst's browser; Hana of Kyoto is a marketer with a deal."""
    world.walk()
    told = {"name": "Hana Sato", "score": 12, "properties": {"title": "Marketing manager"}}
    crm.put("/contacts", {"email": "hana@kyoto.example", **told})
    crm.put("/deals/D-1", {"amount": "100", "probability": "50", "contacts": [{"email": "hana@kyoto.example"}]})
    crm.put("/companies/kyoto.example", {"properties": {"buyer": "Mari Mori"}})
    world.clock.forward(minutes=5)
    return browser_of(world, Role.ANALYST)


def text_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def logged(world: World) -> list[tuple[str, str]]:
    with reading(world.store) as tx:
        return [tuple(row) for row in tx.execute(select(audit.c.action, audit.c.subject).order_by(audit.c.audit_id))]


def known(world: World) -> dict[str, tuple[str, str | None, str | None]]:
    with reading(world.store) as tx:
        return {row.domain: (row.tier, row.name, row.owner) for row in tx.execute(select(accounts))}


def test_an_account_is_added_changed_and_taken_off(world: World, alice: FlaskClient) -> None:
    assert "No target accounts yet" in alice.get("/accounts").text
    told = {"domain": "https://www.kyoto.example/tea", "tier": "A", "name": "Kyoto <b>Tea</b>", "owner": "Ken"}
    answer = send(alice, "/accounts/edit", told)
    assert answer.location == "/companies/kyoto.example?site=acmekey"
    page = alice.get("/accounts").text
    assert "Kyoto &lt;b&gt;Tea" in page
    assert "A Ken — 1 1 / 5 Marketing 12 highest 12 2 3 Apr 2026 1 €50.00 €0.00" in text_of(page)
    assert "Email €50.00 €50.00" in text_of(page)
    send(alice, "/accounts/edit", {**told, "tier": "B", "owner": ""})
    send(alice, "/accounts/edit", {**told, "tier": "B", "owner": ""})
    assert known(world) == {"kyoto.example": ("B", "Kyoto <b>Tea</b>", None)}
    send(alice, "/accounts/remove", {"domain": "kyoto.example"})
    assert known(world) == {}
    assert alice.get("/companies/kyoto.example").status_code == 200
    assert logged(world) == [("account", "kyoto.example")] * 3


WRONG = (
    ({"domain": "", "tier": "A"}, "There is no domain."),
    ({"domain": "ken@gmail.com", "tier": "A"}, "Everybody can have an address there"),
    ({"domain": "=cmd()", "tier": "A"}, "This is no company’s domain"),
    ({"domain": "nara.example", "tier": " "}, "Give it a tier"),
    ({"domain": "nara.example", "tier": "A" * 41}, "At most 40 characters"),
)


def test_what_is_wrong_is_said_beside_its_field(world: World, alice: FlaskClient) -> None:
    for told, why in WRONG:
        answer = send(alice, "/accounts/edit", told)
        assert answer.status_code == 422
        assert why in answer.text
        assert f'value="{told["domain"]}"' in answer.text
    assert known(world) == {}


def test_a_list_is_looked_at_before_it_is_taken_in(world: World, alice: FlaskClient) -> None:
    send(alice, "/accounts/edit", {"domain": "kyoto.example", "tier": "A", "owner": "Ken"})
    rows = "ドメイン,会社名,ランク\nkyoto.example,,B\n<script>alert(1)</script>,x,A\nnara.example,=HYPERLINK(1),\n"
    file = (io.BytesIO(rows.encode("cp932")), "list.csv")
    page = send(alice, "/accounts/import", {"file": file, "tier": "C"})
    assert "New 1 Changed 1 Unchanged 0 Refused 1" in text_of(page.text)
    assert "<script>alert" not in page.text
    assert known(world) == {"kyoto.example": ("A", None, "Ken")}
    kept = re.search(r'name="list" value="([^"]*)"', page.text)
    assert kept
    answer = send(alice, "/accounts/import/load", {"list": rows, "tier": "C"})
    assert answer.location == "/accounts?site=acmekey"
    assert known(world) == {"kyoto.example": ("B", None, "Ken"), "nara.example": ("C", "=HYPERLINK(1)", None)}
    assert logged(world)[-1] == ("account", "import")
    cells = next(row for row in csv.reader(io.StringIO(alice.get("/accounts.csv").text)) if "nara.example" in row)
    assert cells[0] == "'=HYPERLINK(1)"
    assert logged(world)[-1] == ("export", "accounts")
    for wrong in ({"list": ""}, {"list": "name\nx\n"}, {"list": "domain\n" + "a.example\n" * 5_001}):
        assert send(alice, "/accounts/import", wrong).status_code == 422


def test_the_wanted_roles_are_settled_and_the_usual_ones_come_back(world: World, alice: FlaskClient) -> None:
    wrong = send(alice, "/accounts/roles", {"name_0": "Boss", "patterns_0": " , *", "order_0": "x"})
    assert wrong.status_code == 422
    assert 'value="Boss"' in wrong.text
    form = {"name_0": "Boss", "patterns_0": "社長、CEO", "order_0": "2", "name_1": "Buyer", "patterns_1": "購買\nbuyer"}
    assert send(alice, "/accounts/roles", {**form, "order_1": "1"}).status_code == 302
    with reading(world.store) as tx:
        rows = tx.execute(select(account_roles.c.role, account_roles.c.patterns).order_by(account_roles.c.position))
        assert [tuple(row) for row in rows] == [("Buyer", ["購買", "buyer"]), ("Boss", ["社長", "CEO"])]
    send(alice, "/accounts/edit", {"domain": "kyoto.example", "tier": "A"})
    assert "0 / 2" in alice.get("/accounts").text
    send(alice, "/accounts/roles", {"shipped": "1"})
    assert "1 / 5" in alice.get("/accounts").text


def test_an_analyst_sets_a_companys_stage_and_sees_how_long_it_was_there(world: World, alice: FlaskClient) -> None:
    send(alice, "/companies/kyoto.example/stage", {"stage": "lead"})
    world.clock.forward(days=3)
    send(alice, "/companies/kyoto.example/stage", {"stage": "salesqualifiedlead"})
    send(alice, "/companies/kyoto.example/stage", {"stage": "no stage"})
    assert send(alice, "/companies/nowhere.example/stage", {"stage": "lead"}).status_code == 404
    world.clock.forward(days=2)
    page = text_of(alice.get("/companies/kyoto.example").text)
    assert "SQL from Lead 6 Apr 2026 set by a user analyst@acme.example" in page
    assert "Lead 3 Apr 2026 6 Apr 2026 3 3 SQL 6 Apr 2026 is in it 2 2" in page
    assert logged(world) == [("stage", "kyoto.example")] * 2
    with reading(world.store) as tx:
        assert tx.execute(select(companies.c.stage)).scalar_one() == "salesqualifiedlead"


def test_a_viewer_sees_companies_but_no_person(world: World, alice: FlaskClient) -> None:
    send(alice, "/accounts/edit", {"domain": "kyoto.example", "tier": "A", "owner": "Ken Ito"})
    viewer = browser_of(world, Role.VIEWER)
    for path in ("/accounts?sort=score", "/accounts?owner=Nobody", "/companies/kyoto.example"):
        page = viewer.get(path).text
        assert "kyoto.example" in page
        for word in ("Ken", "Hana", "hana@", "Mari", "Marketing manager"):
            assert word not in page, (path, word)
    assert "Ken Ito" in alice.get("/accounts").text
    assert viewer.get("/accounts.csv").status_code == 403
