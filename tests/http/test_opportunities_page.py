"""The Opportunity report: page, deals behind figures, files, API and command alike; the stages that owners settle."""

import csv
import io
import json
import re
from datetime import timedelta
from typing import Any
from zipfile import ZipFile

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient
from openpyxl import load_workbook

from tests.people import ON_BOTH, SQLITE_ONLY, browser_of, send
from tests.world import START, Program, World
from tracker.access.audit import Asked, entries
from tracker.cli import main
from tracker.db.store import reading
from tracker.vocabulary import Audited, Role

pytestmark = SQLITE_ONLY
EVIL = "<script>alert(1)</script>"


@pytest.fixture
def told(world: World, crm: Program) -> World:
    """Hana came by an ad and a newsletter; three deals, one of them hers, one lost; 20 days later."""
    hana = world.walk()
    world.clock.at = START + timedelta(days=20)

    def say(reference: str, day: int, **fields: Any) -> None:
        body = {"changed_at": (START + timedelta(days=day)).isoformat(), **fields}
        assert crm.put(f"/deals/{reference}", body).status_code in (200, 201)

    say(
        "D-1",
        3,
        name="Hana Sato: tea house",
        amount="1000.01",
        pipeline="sales",
        stage="meeting",
        contacts=[{"id": hana}],
    )
    say("D-1", 6, stage="offer", probability="35.5")
    say("D-2", 3, name=EVIL, amount=200, pipeline="sales", stage="meeting")
    say("D-3", 3, name="Ken", amount=300, pipeline="sales", stage="meeting")
    say("D-3", 9, status="lost", lost_reason="=HYPERLINK(1)")
    return world


def page(browser: FlaskClient, query: str = "") -> str:
    answer = browser.get(f"/reports/opportunities{query}")
    assert answer.status_code == 200
    return answer.text


def test_without_deals_the_page_says_how_to_send_them(world: World) -> None:
    assert "/api/docs#put_deal" in page(browser_of(world))


@ON_BOTH
def test_each_figure_opens_its_deals_and_they_add_up_to_it(told: World) -> None:
    browser = browser_of(told)
    text = page(browser, "?model=linear")
    links = sorted(set(re.findall(r'href="(/reports/opportunities/rows[^"]+)"', text)))
    assert len(links) > 20
    for link in links:
        shown = browser.get(link.replace("&amp;", "&"))
        assert shown.status_code == 200
        assert "/deals/D-" in shown.text, link
    half = next(one for one in links if "metric=amount" in one and "is=email" in one and "stage=offer" in one)
    shown = browser.get(half.replace("&amp;", "&")).text
    assert "€500.01" in shown or "€500.00" in shown
    assert "D-1" in shown
    assert "D-2" not in shown


def test_of_many_stuck_deals_the_greatest_are_shown_and_all_can_be_opened(world: World, crm: Program) -> None:
    def say(reference: str, day: int, **fields: Any) -> None:
        body = {"changed_at": (START + timedelta(days=day)).isoformat(), "pipeline": "sales", **fields}
        assert crm.put(f"/deals/{reference}", body).status_code in (200, 201)

    world.clock.at = START + timedelta(days=30)
    for n in range(10):
        say(f"Q-{n}", 1, amount=1, stage="meeting")
        say(f"Q-{n}", 2, stage="offer")
    for n in range(22):
        say(f"D-{n}", 3, amount=100 + n, stage="meeting")
    browser = browser_of(world)
    card = page(browser)
    card = card[card.index('id="stuck"') :]
    card = card[: card.index("</section>")]
    assert re.findall(r"/deals/(D-\d+)", card) == [f"D-{n}" for n in range(21, 1, -1)]
    link = re.search(r'<a href="([^"]+)">All 22 stuck deals</a>', card)
    assert link
    rows = browser.get(link[1].replace("&amp;", "&")).text
    assert len(set(re.findall(r"/deals/(D-\d+)", rows))) == 22


def test_a_corrected_closing_date_is_that_of_the_sale_and_leaves_past_days_alone(told: World, crm: Program) -> None:
    def day(n: int) -> str:
        return (START + timedelta(days=n)).isoformat()

    for changed, said in ((6, {"status": "won"}), (12, {"closed_at": day(4)})):
        assert crm.put("/deals/D-2", {"changed_at": day(changed), **said}).status_code == 200

    def won(as_of: int, first: int, last: int) -> int:
        asked = f"as_of={day(as_of)[:10]}&from={day(first)[:10]}&to={day(last)[:10]}"
        return int((crm.get(f"/reports/opportunities?{asked}&pipeline=sales").json or {})["totals"]["won"])

    assert (won(20, 4, 4), won(20, 5, 20)) == (1, 0)
    assert (won(11, 4, 4), won(11, 5, 11)) == (0, 1)
    sales = crm.get(f"/reports/source?from={day(4)[:10]}&to={day(4)[:10]}").json or {}
    assert sales["totals"]["sales"] == 1
    asked = f"metric=won&pipeline=sales&period=custom&from={day(4)[:10]}&to={day(4)[:10]}"
    rows = browser_of(told).get(f"/reports/opportunities/rows?{asked}").text
    assert re.search(rf'D-2.*?datetime="{day(4)[:10]}"', rows, re.DOTALL), "since its closing day"


def test_names_and_reasons_of_strangers_are_shown_as_text(told: World) -> None:
    browser = browser_of(told)
    shown = browser.get("/reports/opportunities/rows?metric=deals").text
    assert EVIL not in shown
    assert "&lt;script&gt;" in shown
    assert "=HYPERLINK(1)" in page(browser)


def test_a_viewer_sees_references_but_no_names_and_no_single_reason(told: World) -> None:
    browser = browser_of(told, Role.VIEWER)
    shown = "".join(
        browser.get(f"/reports/opportunities{path}").text for path in ("", "/rows?metric=deals", ".json", ".csv")
    )
    by_reason = browser.get("/reports/opportunities/rows?metric=lost&reason=timing").text
    assert "D-1" in shown
    assert "D-3" in by_reason  # the reason that was asked for is passed over
    for secret in ("Hana", "Ken", "HYPERLINK"):
        assert secret not in shown + by_reason
    assert browser.get("/reports/opportunities/stages").status_code == 403


def test_the_figures_are_the_same_on_the_page_in_the_api_in_files_and_by_command(
    told: World, crm: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = browser_of(told)
    query = "as_of=2026-04-20&from=2026-04-01&to=2026-04-20&model=linear&pipeline=sales"
    given = crm.get(f"/reports/opportunities?{query}").json
    assert given is not None
    cells = {(one["stage"], one["channel"]): one for one in given["cells"]}
    assert cells["offer", "email"]["amount_minor"] + cells["offer", "paid_search"]["amount_minor"] == 100001
    assert given["totals"]["amount"] == "1200.01"
    shown = browser.get(f"/reports/opportunities.json?{query}").json
    assert shown is not None
    assert {**shown, "meta": None} == {**given, "meta": None}
    api = read_csv(crm.get(f"/reports/opportunities?{query}&format=csv").text)
    own = read_csv(browser.get(f"/reports/opportunities.csv?{query}").text)
    assert own[1:] == api[1:]
    names = api[0]
    assert [dict(zip(names, row, strict=True))["amount"] for row in api[1:]] == [
        one["amount"] for one in given["cells"]
    ]
    book = load_workbook(io.BytesIO(browser.get(f"/reports/opportunities.xlsx?{query}").data))
    rows = [[cell.value for cell in row] for row in book.worksheets[0].iter_rows(min_row=2)]
    at = names.index("amount")
    assert [f"{row[at]:.2f}" for row in rows] == [one["amount"] for one in given["cells"]]
    text = page(browser, f"?{query}")
    for one in given["stages"]:
        assert f"€{float(one['amount']):,.2f}" in text
    monkeypatch.setenv("MINAMOTO_DATABASE_URL", str(told.store.url))
    monkeypatch.setenv("MINAMOTO_SECRET_KEY", "s" * 40)
    arguments = "report opportunities --site acmekey --as-of 2026-04-20 --from 2026-04-01 --to 2026-04-20".split()
    run = CliRunner().invoke(main, [*arguments, "--model", "linear", "--pipeline", "sales", "--format", "json"])
    assert run.exit_code == 0, run.output
    assert {**json.loads(run.output), "meta": None} == {**given, "meta": None}


def read_csv(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text.lstrip("\ufeff"))))


def test_no_cell_of_a_file_is_a_formula(told: World, crm: Program) -> None:
    crm.put("/deals/D-2", {"stage": "=1+1", "changed_at": (START + timedelta(days=19)).isoformat()})
    browser = browser_of(told)
    assert "'=1+1" in browser.get("/reports/opportunities.csv").text
    with ZipFile(io.BytesIO(browser.get("/reports/opportunities.xlsx").data)) as book:
        assert not any(b"<f>" in book.read(name) for name in book.namelist())


def test_a_past_day_is_shown_as_it_was(told: World) -> None:
    browser = browser_of(told)
    given = browser.get("/reports/opportunities.json?as_of=2026-04-05").json
    assert given is not None
    assert [(one["stage"], one["deals"]) for one in given["stages"]] == [("meeting", 3)]
    assert page(browser, "?as_of=2026-03-01").count("Nothing was known") == 1


def test_a_day_to_come_is_taken_for_today_and_what_is_no_day_is_refused(told: World) -> None:
    browser = browser_of(told)
    assert browser.get("/reports/opportunities?as_of=2027-01-01").status_code == 200
    assert browser.get("/reports/opportunities?as_of=tomorrow").status_code == 422
    assert browser.get("/reports/opportunities?model=markov_global").status_code == 422


def test_an_owner_settles_the_stages_and_the_log_says_so(told: World) -> None:
    browser = browser_of(told)
    form = browser.get("/reports/opportunities/stages?pipeline=sales").text
    assert 'value="meeting"' in form
    rows = {
        "stage_0": "meeting", "order_0": "20", "label_0": "First talk", "probability_0": "12.5",
        "stage_1": "offer", "order_1": "10", "label_1": "", "probability_1": "",
        "stage_2": "", "order_2": "", "label_2": "", "probability_2": "", "new_2": "1",
    }  # fmt: skip
    answer = send(browser, "/reports/opportunities/stages?pipeline=sales", rows)
    assert answer.status_code == 302
    given = browser.get("/reports/opportunities.json?pipeline=sales").json
    assert given is not None
    assert [(one["stage"], one["label"], one["probability"]) for one in given["stages"]] == [
        ("offer", None, "0"),
        ("meeting", "First talk", "12.5"),
    ]
    with reading(told.store) as tx:
        log = [one for one in entries(tx, Asked(told.acme.site_id), 10) if one.action is Audited.PIPELINE]
    assert [(one.subject, len(one.details["after"])) for one in log] == [("sales", 2)]
    assert send(browser, "/reports/opportunities/stages?pipeline=sales", {"forget": "1"}).status_code == 302
    order = browser.get("/reports/opportunities.json?pipeline=sales").json
    assert order is not None
    assert [one["stage"] for one in order["stages"]] == ["meeting", "offer"]


def test_what_is_wrong_in_the_form_is_said_beside_its_field(told: World) -> None:
    browser = browser_of(told)
    rows = {"stage_0": "meeting", "order_0": "first", "label_0": "", "probability_0": "101"}
    answer = send(browser, "/reports/opportunities/stages?pipeline=sales", rows)
    assert answer.status_code == 422
    assert 'aria-describedby="wrong-order-0"' in answer.text
    assert 'id="wrong-probability-0"' in answer.text


def test_an_analyst_may_not_settle_stages(told: World) -> None:
    assert send(browser_of(told, Role.ANALYST), "/reports/opportunities/stages", {}).status_code == 403


def test_a_pipeline_is_told_by_a_program(told: World, crm: Program) -> None:
    body = {"stages": [{"stage": "offer", "probability": 40}, {"stage": "contract", "label": "Contract"}]}
    first, again = crm.put("/pipelines/sales", body).json, crm.put("/pipelines/sales", body).json
    assert first is not None
    assert again is not None
    assert (first["changed"], again["changed"]) == (True, False)
    found = crm.get("/pipelines/sales").json
    assert found is not None
    assert [(one["stage"], one["probability"], one["is_told"]) for one in found["stages"]] == [
        ("offer", "40", True),
        ("contract", None, True),
        ("meeting", None, False),
    ]
    assert crm.get("/pipelines/unknown").status_code == 404
    twice = crm.put("/pipelines/sales", {"stages": [{"stage": "a"}, {"stage": "a"}]})
    assert twice.status_code == 422
