"""GET /api/v1/companies: the companies of people and deals, found and ordered as on the page."""

import csv
import io
from typing import Any

import pytest
from openpyxl import load_workbook

from tests.people import browser_of
from tests.world import Program, World

PEOPLE = {
    "hana@kyoto.example": ("Kyoto Tea", "lead"),
    "ken@kyoto.example": ("Kyoto Tea", "customer"),
    "mari@osaka.example": ("=Osaka", "lead"),
    "jun@gmail.com": (None, "lead"),
}


@pytest.fixture
def told(world: World, crm: Program) -> Program:
    """Two companies with people and a deal each, and one that only a deal names."""
    for email, (name, stage) in PEOPLE.items():
        crm.put("/contacts", {"email": email, "company_name": name, "stage": stage})
    crm.put("/deals/D-1", {"amount": "100.50", "contacts": [{"email": "hana@kyoto.example"}]})
    crm.put("/deals/D-2", {"amount": "70", "status": "won", "company_domain": "osaka.example"})
    crm.put("/deals/D-3", {"amount": "30", "company_domain": "nara.example"})
    return crm


def companies(program: Program, query: str = "") -> list[dict[str, Any]]:
    found = program.get(f"/companies{query}").json
    assert found is not None
    return list(found["data"])


def test_a_company_has_its_people_by_stage_its_deals_and_their_amounts(told: Program) -> None:
    (kyoto,) = companies(told, "?q=KYOTO")
    assert kyoto == {
        "domain": "kyoto.example",
        "name": "Kyoto Tea",
        "people": 2,
        "stages": {"lead": 1, "customer": 1},
        "deals": 1,
        "open_amount": "100.50",
        "open_amount_minor": 10_050,
        "revenue": "0.00",
        "revenue_minor": 0,
        "currency": "EUR",
        "first_at": None,
        "last_at": None,
    }
    assert [one["domain"] for one in companies(told, "?q=osaka")] == ["osaka.example"]
    assert companies(told, "?q=gmail") == []


@pytest.mark.parametrize(
    ("order", "domains"),
    [
        ("people", ["kyoto", "osaka", "nara"]),
        ("open", ["kyoto", "nara", "osaka"]),
        ("revenue", ["osaka", "kyoto", "nara"]),
    ],
)
def test_pages_follow_the_order_and_end(told: Program, order: str, domains: list[str]) -> None:
    seen: list[str] = []
    cursor = ""
    for _ in domains:
        page = told.get(f"/companies?sort={order}&limit=1{cursor}").json
        assert page is not None
        assert page["n_companies"] == 3
        seen += [one["domain"].split(".")[0] for one in page["data"]]
        cursor = f"&cursor={page['next_cursor']}"
    assert (seen, cursor) == (domains, "&cursor=None")


def test_files_hold_the_whole_list_and_no_formula(told: Program) -> None:
    answer = told.get("/companies?format=csv&sort=people&limit=1")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="companies-2026-04-01.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text.lstrip("\ufeff"))))
    assert [(row["domain"], row["name"], row["people"], row["lead"], row["open"]) for row in rows] == [
        ("kyoto.example", "Kyoto Tea", "2", "1", "100.50"),
        ("osaka.example", "'=Osaka", "1", "1", "0.00"),
        ("nara.example", "", "0", "0", "30.00"),
    ]
    sheet = load_workbook(io.BytesIO(told.get("/companies?format=xlsx&q=osaka").data)).worksheets[0]
    assert [cell.value for cell in sheet[2]][:3] == ["=Osaka", "osaka.example", 1]
    assert sheet["A2"].data_type == "s"


def test_what_is_no_order_form_or_cursor_is_refused(told: Program) -> None:
    for query in ("sort=name", "format=pdf", "cursor=x", "q=" + "x" * 201, "order=last"):
        assert told.get(f"/companies?{query}").status_code == 422, query


def test_another_site_and_a_stranger_see_none(told: Program, carol: Program, world: World) -> None:
    assert companies(carol) == []
    assert world.program(None).get("/companies").status_code == 401


def test_the_api_gives_what_the_page_gives(told: Program, world: World) -> None:
    page = browser_of(world).get("/companies.json?sort=revenue").get_json()["rows"]
    assert [one["domain"] for one in page] == [one["domain"] for one in companies(told, "?sort=revenue")]
    assert [one["revenue"] for one in page] == [one["revenue"] for one in companies(told, "?sort=revenue")]
