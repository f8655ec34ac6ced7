"""The pages' tables as files: the same figures in each, safe names, and no calls for who may not see people."""

import csv
import io
import re
from typing import Any

import pytest
from openpyxl import load_workbook
from sqlalchemy import select

from api.pages.files import FORMS, file_name
from tests.people import ON_BOTH, SQLITE_ONLY, browser_of
from tests.world import World
from tracker import flow
from tracker.db.schema import audit
from tracker.db.store import begin, reading
from tracker.vocabulary import Role

pytestmark = SQLITE_ONLY
PERIOD = "from=2026-04-01&to=2026-12-31"


@pytest.fixture
def walked(world: World) -> World:
    """The known world after a walk: an ad, a newsletter, a form, a sale of 1,000 euros."""
    world.walk()
    world.fold()
    at = world.clock.forward(days=1)
    contacts = [{"by": "email", "value": "hana@kyoto.example"}]
    deal = {"amount": "1000.00", "currency": "EUR", "status": "won", "contacts": contacts}
    with begin(world.store) as tx:
        flow.deal_said(tx, world.acme, "D-1", deal, at, at)
    return world


def rows_in(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


def sheet_in(data: bytes, number: int = 0) -> list[list[Any]]:
    return [[cell.value for cell in row] for row in load_workbook(io.BytesIO(data)).worksheets[number].iter_rows()]


def test_paths_are_the_same_on_the_page_and_in_every_file(walked: World) -> None:
    alice = browser_of(walked)
    asked = f"{PERIOD}&kind=deal_won&by=source"
    page = alice.get(f"/reports/paths?{asked}").text
    hrefs = dict(re.findall(r'href="(/reports/paths\.(\w+)\?[^"]+)" download', page))
    assert sorted(hrefs.values()) == sorted(FORMS)
    told = alice.get(f"/reports/paths.json?{asked}").get_json()
    lines = rows_in(alice.get(f"/reports/paths.csv?{asked}").text)
    sheet = sheet_in(alice.get(f"/reports/paths.xlsx?{asked}").data)
    first = told["paths"][0]
    assert lines[0]["Path"] == sheet[1][0] == " > ".join(first["steps"])
    assert float(lines[0]["Revenue"]) == sheet[1][5] == float(first["revenue"]) == 1000
    assert int(lines[0]["Conversions"]) == sheet[1][3] == first["conversions"] == 1
    assert sheet[-1][0] == "Total"
    assert sheet[-1][5] == float(told["totals"]["revenue"])
    assert "€1,000.00" in page


def test_a_comparison_is_the_same_on_the_page_and_in_every_file(walked: World) -> None:
    alice = browser_of(walked, language="ja")
    asked = f"{PERIOD}&by=source&columns=model:first;model:last"
    told = alice.get(f"/reports/compare.json?{asked}").get_json()
    sheet = sheet_in(alice.get(f"/reports/compare.xlsx?{asked}").data)
    lines = list(csv.reader(io.StringIO(alice.get(f"/reports/compare.csv?{asked}").text.removeprefix("\ufeff"))))
    assert sheet[0] == lines[0]
    assert sheet[0][1].startswith("初回接点")
    figures = {row["source"]: [float(one) for one in row["figures"]] for row in told["rows"]}
    assert {cells[0]: [cells[1], cells[2]] for cells in sheet[1:-1]} == figures
    assert {line[0]: [float(line[1]), float(line[2])] for line in lines[1:]} == figures
    assert figures == {"google": [1000, 0], "newsletter": [0, 1000]}
    assert [sheet[-1][1], sheet[-1][2]] == [float(one) for one in told["totals"]["figures"]] == [1000, 1000]
    assert "€1,000.00" in alice.get(f"/reports/compare?{asked}").text


@ON_BOTH
def test_calls_are_taken_by_who_may_see_people_and_it_is_written_down(walked: World) -> None:
    viewer, bob = browser_of(walked, Role.VIEWER), browser_of(walked, Role.ANALYST)
    assert viewer.get("/calls.csv").status_code == 403
    assert "/calls.csv" not in viewer.get("/calls").text
    for form in FORMS:
        assert bob.get(f"/calls.{form}").status_code == 200
    with reading(walked.store) as tx:
        written = [tuple(row) for row in tx.execute(select(audit.c.action, audit.c.subject, audit.c.actor))]
    assert written == [("export", "calls", "user analyst@acme.example")] * 3


@pytest.mark.parametrize("path", ["/reports/paths.exe", "/reports/compare.html", "/calls.pdf"])
def test_other_kinds_of_files_there_are_not(world: World, path: str) -> None:
    assert browser_of(world).get(path).status_code == 404


def test_a_files_name_is_plain(world: World) -> None:
    for parts, name in (
        (("source", "2026-01-01", "2026-03-31"), "source-2026-01-01-2026-03-31.csv"),
        (("a\r\nb", '"; filename=x.exe', "../../etc"), "a-b-filename-x.exe-etc.csv"),
        (("経路", ""), "table.csv"),
        (("x" * 200,), f"{'x' * 100}.csv"),
    ):
        assert file_name(parts, "csv") == name
    disposition = browser_of(world).get("/reports/paths.xlsx?period=last_7_days").headers["Content-Disposition"]
    assert re.fullmatch(r"attachment; filename=paths-[0-9-]{10}-[0-9-]{10}\.xlsx", disposition)
