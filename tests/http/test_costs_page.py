"""The pages about costs: the list, entry by hand, import and undo, names of campaigns; and who may."""

import io
import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, func, select
from werkzeug.test import TestResponse

from tests.people import ON_BOTH, SQLITE_ONLY, browser_of, send
from tests.world import START, World
from tracker.costs.load import load
from tracker.costs.rows import Cost
from tracker.db.schema import audit, cost_drafts, cost_imports, costs
from tracker.db.store import begin, reading
from tracker.vocabulary import Role

pytestmark = SQLITE_ONLY
FILES = Path(__file__).parents[1] / "spec" / "costs"
ENTRY = {"day": "2026-04-01", "source": "fair", "medium": "event", "campaign": "x", "amount": "100", "currency": "EUR"}


@pytest.fixture
def world(store: Engine) -> World:
    made = World(store)
    made.clock.forward(days=20)
    return made


def upload(browser: FlaskClient, content: bytes, name: str = "april.csv") -> TestResponse:
    return send(browser, "/costs/import", {"file": (io.BytesIO(content), name)})


def take_in(browser: FlaskClient, content: bytes, *, name: str = "april.csv", **more: str) -> TestResponse:
    """Upload, look, and confirm."""
    place = upload(browser, content, name).headers["Location"]
    seen = re.search(r'name="seen" value="([^"]+)"', browser.get(place).text)
    assert seen
    return send(browser, place.split("?")[0] + "/load", {"seen": seen[1], **more})


def known(world: World) -> list[tuple[str, str, str, int]]:
    with reading(world.store) as tx:
        query = select(costs.c.day, costs.c.source, costs.c.campaign, costs.c.amount_minor)
        return [(row[0], row[1], row[2], row[3]) for row in tx.execute(query.order_by(*query.selected_columns))]


def count(world: World, table: object) -> int:
    with reading(world.store) as tx:
        return int(tx.execute(select(func.count()).select_from(table)).scalar_one())  # type: ignore[arg-type]


@ON_BOTH
def test_a_file_is_shown_then_taken_in_then_taken_back(world: World) -> None:
    browser = browser_of(world, Role.ANALYST)
    content = (FILES / "google_ads_en.csv").read_bytes()
    place = upload(browser, content).headers["Location"]
    page = browser.get(place).text
    assert "€2,259.75" in page
    assert "the same as the file’s own total" in page
    assert known(world) == []
    done = take_in(browser, content)
    assert done.status_code == 302
    assert sum(row[3] for row in known(world)) == 225_975
    assert "3 rows imported: €2,259.75." in browser.get("/costs/import").text
    with reading(world.store) as tx:
        import_id = tx.execute(select(cost_imports.c.import_id)).scalar_one()
    send(browser, f"/costs/imports/{import_id}/undo", {})
    assert known(world) == []
    assert "taken back already" in send(browser, f"/costs/imports/{import_id}/undo", {}, follow_redirects=True).text
    with reading(world.store) as tx:
        assert tx.execute(select(audit.c.actor).distinct()).scalars().all() == ["user analyst@acme.example"]


def test_what_a_later_word_replaced_stays_when_an_import_is_taken_back(world: World) -> None:
    browser = browser_of(world)
    take_in(browser, b"date,source,medium,campaign,cost\n2026-04-01,a,b,c,5\n2026-04-02,a,b,c,6\n")
    row = {"day": "2026-04-02", "source": "a", "medium": "b", "campaign": "c", "amount": "9"}
    world.program(world.token).put("/costs", {"costs": [row]})
    with reading(world.store) as tx:
        import_id = tx.execute(select(cost_imports.c.import_id)).scalar_one()
    send(browser, f"/costs/imports/{import_id}/undo", {})
    assert known(world) == [("2026-04-02", "a", "c", 900)]


def test_taking_an_import_back_says_that_what_it_replaced_stands_again(world: World) -> None:
    browser = browser_of(world)
    take_in(browser, b"date,source,medium,campaign,cost\n2026-04-01,a,b,c,5\n")
    take_in(browser, b"date,source,medium,campaign,cost\n2026-04-01,a,b,c,7\n2026-04-02,a,b,c,6\n", name="may.csv")
    with reading(world.store) as tx:
        import_id = tx.execute(select(cost_imports.c.import_id).where(cost_imports.c.name == "may.csv")).scalar_one()
    page = send(browser, f"/costs/imports/{import_id}/undo", {}, follow_redirects=True).text
    assert "2 costs are gone. What it had replaced stands again: one cost." in page
    assert known(world) == [("2026-04-01", "a", "c", 500)]


def test_rows_that_cannot_be_read_stop_all_unless_somebody_goes_on(world: World) -> None:
    browser = browser_of(world)
    content = (FILES / "own_faulty.csv").read_bytes()
    refused = take_in(browser, content)
    assert refused.status_code == 422
    assert "Line 3" in refused.text
    assert known(world) == []
    assert take_in(browser, content, without_faulty="1").status_code == 302
    assert known(world) == [("2026-04-01", "line", "a", 10_000)]


def test_the_file_counts_and_not_what_a_browser_says(world: World) -> None:
    browser = browser_of(world)
    place = upload(browser, b"date,source,medium,campaign,cost\n2026-04-01,a,b,c,5\n").headers["Location"]
    path = place.split("?")[0]
    stale = send(browser, f"{path}/load", {"seen": "0", "amount": "999"})
    assert stale.headers["Location"].startswith(path)
    assert known(world) == []
    send(browser, f"{path}/drop", {})
    assert count(world, cost_drafts) == 0
    assert browser.get(place).status_code == 404


def test_columns_that_nobody_knows_are_said_on_the_page(world: World) -> None:
    browser = browser_of(world)
    place = upload(browser, (FILES / "own_semicolon.csv").read_bytes()).headers["Location"]
    assert "Say below which is what" in browser.get(place).text
    form = {"platform": "own", "encoding": "utf-8", "delimiter": "semicolon", "header": "1", "currency": "EUR"}
    form |= {"column_day": "0", "column_source": "1", "column_medium": "2", "column_campaign": "3", "column_cost": "4"}
    assert send(browser, place.split("?")[0], {**form, "column_cost": "0"}).status_code == 422
    assert send(browser, place.split("?")[0], form).status_code == 302
    assert "€1,247.06" in browser.get(place).text


@pytest.mark.parametrize(
    "content", [b"", b"\x00\x01", b'a,b\n"open', b"," * 10_000], ids=["empty", "nul", "quote", "wide"]
)
def test_a_hostile_file_is_refused_and_changes_nothing(world: World, content: bytes) -> None:
    answer = upload(browser_of(world), content)
    assert answer.status_code == 422
    assert 'id="file-error"' in answer.text
    assert count(world, cost_drafts) == 0


def test_names_from_strangers_are_shown_as_text(world: World) -> None:
    browser = browser_of(world)
    content = b'date,source,medium,campaign,cost\n2026-04-01,a,b,"<script>alert(1)</script>",5\n'
    place = upload(browser, content, "<img src=x>.csv").headers["Location"]
    take_in(browser, content)
    for page in (
        browser.get(place).text,
        *(browser.get(path).text for path in ("/costs", "/costs/import", "/costs/names")),
    ):
        assert "<script>alert" not in page
        assert "<img" not in page


def test_an_amount_of_several_days_is_shared_out_and_changed_by_hand(world: World) -> None:
    browser = browser_of(world)
    assert send(browser, "/costs/new", {**ENTRY, "until": "2026-04-03"}).status_code == 302
    assert sorted(row[3] for row in known(world)) == [3_333, 3_333, 3_334]
    wrong = send(browser, "/costs/new", {**ENTRY, "amount": "ten"})
    assert wrong.status_code == 422
    assert 'id="error-amount"' in wrong.text
    assert send(browser, "/costs/new", ENTRY).status_code == 409
    assert send(browser, "/costs/new", {**ENTRY, "replace": "1"}).status_code == 302
    href = re.search(r'href="(/costs/rows/\w+)"', browser.get("/costs?from=2026-04-01&to=2026-04-01").text)
    assert href
    assert 'value="100.00"' in browser.get(href[1]).text
    assert send(browser, href[1], {**ENTRY, "campaign": "y"}).status_code == 302
    assert known(world)[0] == ("2026-04-01", "fair", "y", 10_000)


def test_a_campaign_without_visits_gets_the_name_that_visits_have_and_its_own_again(world: World) -> None:
    world.walk()
    browser = browser_of(world)
    row = {"day": "2026-04-20", "source": "google", "medium": "cpc", "campaign": "Spring!", "amount": "7"}
    world.program(world.token).put("/costs", {"costs": [row]})
    page = browser.get("/costs/names").text
    assert "Spring!" in page
    assert 'name="campaign" value="spring"' in page
    told = {"told_source": "google", "told_medium": "cpc", "told_campaign": "Spring!"}
    send(browser, "/costs/names", {**told, "source": "google", "medium": "cpc", "campaign": "spring"})
    assert known(world) == [("2026-04-20", "google", "spring", 700)]
    assert "have the name of 1 campaign" in browser.get("/costs/names").text
    send(browser, "/costs/names/rules/remove", told)
    assert known(world) == [("2026-04-20", "google", "Spring!", 700)]


@ON_BOTH
def test_the_list_adds_up_by_each_view_and_opens_its_rows(world: World) -> None:
    browser = browser_of(world)
    take_in(browser, (FILES / "google_ads_en.csv").read_bytes())
    days = "period=custom&from=2026-04-01&to=2026-04-02"
    for view in ("row", "day", "source", "campaign"):
        page = browser.get(f"/costs?{days}&view={view}&sort=amount").text
        assert "<strong>€2,259.75</strong>" in page
    href = re.search(r'class="figure" href="([^"]+)">€2,214.75', browser.get(f"/costs?{days}&view=campaign").text)
    assert href
    assert "<strong>€2,214.75</strong>" in browser.get(href[1].replace("&amp;", "&")).text
    assert browser.get("/costs?view=nonsense").status_code == 422


def test_a_viewer_sees_sums_and_changes_nothing(world: World) -> None:
    take_in(browser_of(world), (FILES / "google_ads_en.csv").read_bytes())
    viewer = browser_of(world, Role.VIEWER)
    page = viewer.get("/costs?period=all_time").text
    assert "€2,259.75" in page
    assert "/costs/import" not in page
    assert "/costs/rows/" not in page
    assert viewer.get("/costs/names").status_code == 200
    assert viewer.get("/costs/import").status_code == 403
    for path in ("/costs/new", "/costs/import", "/costs/names", "/costs/names/rules", "/costs/rows/x/remove"):
        assert send(viewer, path, ENTRY).status_code == 403


def test_the_list_as_a_file_holds_what_the_page_shows(world: World) -> None:
    with begin(world.store) as tx:
        rows = [
            Cost("2026-03-30", "google", "cpc", "=spring", 120_50, "EUR", 7, None),
            Cost("2026-03-31", "facebook", "paid_social", "tea", 30_00, "EUR"),
        ]
        load(tx, world.acme.site_id, rows, START)
    viewer = browser_of(world, Role.VIEWER)
    whole = viewer.get("/costs.json?from=2026-03-01&to=2026-04-01").get_json()
    assert [(row["day"], row["campaign"], row["amount"], row["clicks"]) for row in whole["rows"]] == [
        ("2026-03-31", "tea", "30.00", None),
        ("2026-03-30", "=spring", "120.50", 7),
    ]
    named = viewer.get("/costs.csv?from=2026-03-01&to=2026-04-01&source=google").text
    assert "'=spring" in named
    assert "120.50" in named
    assert "tea" not in named
    page = viewer.get("/costs?from=2026-03-01&to=2026-04-01").text
    assert "€120.50" in page
    assert "€30.00" in page
    assert "/costs.xlsx?from=2026-03-01" in page
