"""The overview: the same figures on the page, in the API and in files; what changed adds up; a new site is led on."""

import csv
import html
import io
import re
from datetime import timedelta
from typing import Any

from markupsafe import escape
from openpyxl import load_workbook
from sqlalchemy import insert

from tests.people import ON_BOTH, SQLITE_ONLY, browser_of
from tests.statements import counted
from tests.world import Program, World
from tracker.clock import local_day
from tracker.collect.journal import Refused, count_refusals
from tracker.db.schema import crm_changes
from tracker.db.store import begin
from tracker.reports.overview import LOOP
from tracker.vocabulary import Refusal, Role

pytestmark = SQLITE_ONLY
APRIL = "period=custom&from=2026-04-01&to=2026-04-30"
ASKED = "from=2026-04-01&to=2026-04-30"
HOSTILE = '"><script>alert(1)</script>'
MOST_STATEMENTS = 40


def sold(world: World, crm: Program) -> None:
    """In March a visit from a hostile source and its cost; in April Hana's way to a deal won, and one of nobody."""
    world.clock.at -= timedelta(days=20)
    world.browse("eve", world.hit("page", f"/?utm_source={HOSTILE}&utm_medium=email"))
    world.fold()
    world.clock.forward(days=20)
    contact_id = world.walk()
    world.clock.forward(days=1)
    deal = {"amount": "1000.01", "currency": "EUR", "status": "won", "contacts": [{"id": contact_id}]}
    crm.put("/deals/D-1", deal)
    crm.put("/deals/D-2", {"amount": "500", "currency": "EUR", "status": "won"})
    rows = [
        {"day": "2026-03-20", "source": HOSTILE, "medium": "cpc", "campaign": "x", "amount": "70.00"},
        {"day": "2026-04-01", "source": "google", "medium": "cpc", "campaign": "spring", "amount": "100.00"},
    ]
    crm.put("/costs", {"costs": rows})


def given(program: Program, path: str) -> dict[str, Any]:
    answer = program.get(path)
    assert answer.status_code == 200, answer.text
    return dict(answer.json or {})


def text_of(piece: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", piece)).split())


def tiles(page: str) -> dict[str, str]:
    """The figures of the loop by their labels."""
    found = re.findall(r'<span class="tile-label">(.*?)</span> <strong>(.*?)</strong>', page)
    return {html.unescape(label): html.unescape(figure) for label, figure in found}


def test_page_api_files_and_source_report_give_the_same_figures(world: World, crm: Program) -> None:
    sold(world, crm)
    browser = browser_of(world, Role.VIEWER)
    page = browser.get(f"/overview?{APRIL}&lang=en")
    assert page.status_code == 200
    assert tiles(page.text) == {
        "Visits": "2", "New leads": "1", "MQL": "0", "SQL": "0", "Opportunities": "2", "Sales": "2",
        "Revenue": "€1,500.01", "Cost": "€100.00", "ROAS": "15.00",
    } | {key: tiles(page.text)[key] for key in ("MQL", "SQL")}  # fmt: skip
    told = given(crm, f"/reports/overview?{ASKED}")
    report = given(crm, f"/reports/source?{ASKED}&compare=previous")
    assert told["totals"] == {key: report["totals"][key] for key in told["totals"]}
    assert told["before"] == {key: report["totals"]["before"][key] for key in told["before"]}
    assert told["totals"]["revenue"] == "1500.01"
    assert {one["channel"]: one["revenue_minor"] for one in told["channels"] if one["revenue_minor"]} == {
        one["channel"]: one["revenue_minor"] for one in report["rows"] if one["revenue_minor"]
    }
    for key in LOOP:
        days = [float(number or 0) for number in told["trend"][key]]
        assert key == "roas" or round(sum(days), 2) == float(told["totals"][key] or 0), key
    lines = list(csv.reader(io.StringIO(browser.get(f"/overview.csv?{APRIL}&lang=en").data.decode("utf-8-sig"))))
    assert lines[0][:2] == ["Channel", "Visits"]
    assert lines[1][:1] == ["Total"]
    assert lines[1][1 + LOOP.index("revenue")] == "1500.01"
    api_lines = list(csv.reader(io.StringIO(crm.get(f"/reports/overview?{ASKED}&format=csv").data.decode("utf-8-sig"))))
    assert [line[1:] for line in api_lines[1:]] == [line[1:] for line in lines[1:]]
    sheet = load_workbook(io.BytesIO(browser.get(f"/overview.xlsx?{APRIL}&lang=en").data)).worksheets[0]
    totals = [row for row in sheet.iter_rows(values_only=True) if row[0] == "Total"]
    assert totals[0][1 + LOOP.index("revenue")] == 1500.01
    assert browser.get(f"/overview.json?{APRIL}").json["totals"] == told["totals"]
    assert browser.get("/overview.txt").status_code == 404


@ON_BOTH
def test_what_changed_adds_up_and_leads_to_its_rows(world: World, crm: Program) -> None:
    sold(world, crm)
    browser = browser_of(world, Role.VIEWER)
    told = given(crm, f"/reports/overview?{ASKED}")
    for change in told["changes"]:
        amount = "change_minor" if "change_minor" in change else "change"
        for parts in ("channels", "sources"):
            assert sum(part[amount] for part in change[parts]) == change[amount], (change["metric"], parts)
    cost = next(change for change in told["changes"] if change["metric"] == "cost")
    assert [(part["source"][:6], part["change"]) for part in cost["sources"]] == [
        ("google", "100.00"),
        (HOSTILE[:6], "-70.00"),
    ]
    page = browser.get(f"/overview?{APRIL}&lang=en").text
    assert "<script>alert" not in page
    assert escape(HOSTILE) in page
    links = {html.unescape(one) for one in re.findall(r'href="(/reports/source[^"]+)"', page)}
    assert len(links) > 20
    assert {browser.get(link).status_code for link in sorted(links)[::9]} == {200}
    hostile = next(link for link in sorted(links) if "script" in link)
    assert "€70.00" in browser.get(hostile).text


def test_however_much_there_is_the_page_asks_the_store_a_few_things(world: World, crm: Program) -> None:
    sold(world, crm)
    browser = browser_of(world)
    browser.get(f"/overview?{APRIL}")
    with counted(world.store) as few:
        assert browser.get(f"/overview?{APRIL}").status_code == 200
    for i in range(12):
        world.browse(f"v{i}", world.hit("page", f"/?utm_source=s{i}&utm_medium=email&utm_campaign=c{i}"))
    world.fold()
    browser.get(f"/overview?{APRIL}")
    with counted(world.store) as many:
        assert browser.get(f"/overview?{APRIL}").status_code == 200
    assert len(many) == len(few) <= MOST_STATEMENTS, len(few)


def test_a_new_site_is_told_what_to_do_next_and_what_is_done(world: World, crm: Program) -> None:
    browser = browser_of(world)
    page = browser.get("/overview?lang=en").text
    assert "To close the loop" in page
    assert "No hit has come yet." not in page
    assert page.count("is-done") == 0
    world.browse("v", world.hit("page", "/"))
    world.fold()
    page = browser.get("/overview?lang=en").text
    assert page.count('class="is-done"') == 1
    assert tiles(page)["Visits"] == "1"
    assert "No deal has been told yet." in page
    crm.put("/deals/D-1", {"amount": "5", "currency": "EUR"})
    row = {"day": "2026-04-01", "source": "google", "medium": "cpc", "campaign": "spring", "amount": "1"}
    crm.put("/costs", {"costs": [row]})
    page = browser.get("/overview?lang=en").text
    assert "To close the loop" not in page
    assert "All is well." in page
    assert "Nothing in this period yet" in browser.get("/overview?period=custom&from=2025-01-01&to=2025-01-02").text


def test_what_is_wrong_with_the_tracking_is_told_with_where_to_look(world: World, crm: Program) -> None:
    sold(world, crm)
    with begin(world.store) as tx:
        lost = {Refused.on(world.acme.site_id, Refusal.FOREIGN_HOST, world.clock(), "Asia/Tokyo"): 200}
        count_refusals(tx, lost)
    world.clock.forward(days=10)
    browser = browser_of(world)
    seen = given(crm, "/reports/overview")["health"]
    assert seen["signs"] == ["quiet", "refused", "unattributed", "crm_silent", "costs_end"]
    assert seen["refused"] == {"foreign_host": 200}
    assert seen["days"][-1] == local_day(world.clock(), "Asia/Tokyo")
    page = browser.get("/overview?lang=en").text
    for text in ("No hit has come for more than a day.", "More than a tenth of the hits is refused."):
        assert text in page
    japanese = browser.get("/overview?lang=ja").text
    assert "1日以上ヒットがありません。" in japanese
    assert "Tracking health" not in japanese


def test_another_sites_figures_are_never_shown(world: World, crm: Program, carol: Program) -> None:
    sold(world, crm)
    with begin(world.store) as tx:
        row = {"site_id": world.acme.site_id, "kind": "deal", "key": "x", "payload": {}}
        tx.execute(insert(crm_changes), [row | {"changed_at": world.clock(), "received_at": world.clock()}])
    told = given(carol, f"/reports/overview?{ASKED}")
    assert told["totals"]["visits"] == 0
    assert told["channels"] == []
    assert told["health"]["crm_at"] is None
    assert told["health"]["last_cost_day"] is None


def test_a_strange_question_is_refused(world: World) -> None:
    browser = browser_of(world)
    world.browse("v", world.hit("page", "/"))
    world.fold()
    for query in (
        "compare=never",
        "model=markov_global",
        "from=2026-05-01&to=2026-04-01",
        "currency=XXY",
        "chart=roas",
        "period=x",
        "from=0001-01-01&to=0001-01-02",
    ):
        assert browser.get(f"/overview?{query}").status_code == 422, query


def test_it_is_the_front_page(world: World) -> None:
    assert browser_of(world).get("/").headers["Location"] == "/overview"
