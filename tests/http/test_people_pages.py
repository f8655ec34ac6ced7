"""The pages of people and companies: finding, narrowing, merging, splitting, stages, files, and who sees nobody."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from openpyxl import load_workbook
from werkzeug.exceptions import HTTPException

from api.trust import Audience, audience_of
from tests.people import ON_BOTH, SQLITE_ONLY, browser_of, send
from tests.world import World
from tracker.access.audit import Asked, entries
from tracker.access.sites import set_tracking
from tracker.access.tracking import changed
from tracker.db.store import begin, reading
from tracker.vocabulary import Audited, Role

pytestmark = SQLITE_ONLY

# What only the person told: none of it may stand on a page of a reader who may not see people.
MARKS = (
    "Markname",
    "markmail",
    "90-7654-3210",
    "9076543210",
    "markmessage",
    "mark-crm",
    "markdeal",
    "markprop",
    "markquery",
)


def read(browser: FlaskClient, path: str) -> str:
    answer = browser.get(path)
    assert answer.status_code == 200, (path, answer.status_code)
    return answer.text


def listed(html: str) -> list[str]:
    """The names in a list of contacts or companies, from above."""
    rows = re.findall(r'<a class="row-link"[^>]*>(.*?)</a>', html)
    return [re.sub(r"<[^>]*>", "", row) for row in rows]


def put(world: World, name: str, **fields: Any) -> str:
    body = {"email": f"{name.lower()}@{name.lower()}.example", "name": name, **fields}
    found = world.program(world.token).put("/contacts", body).json
    assert found is not None, body
    return str(found["id"])


@pytest.fixture
def marked(world: World) -> World:
    """A person whose every word is marked: a form, a call, a chat, a booth, a deal of theirs."""
    with begin(world.store) as tx:
        set_tracking(tx, world.acme, changed(world.acme.tracking, {"fields": ["phone", "name", "company"]}))
    landing = "/?utm_source=google&utm_medium=cpc&gclid=markquery1&email=markquery%40x.example"
    email = {"email": "markmail@kyoto.example"}
    world.browse("v", world.hit("page", landing, title="Tea", referrer="https://www.google.com/?q=markquery"))
    world.clock.forward(minutes=1)
    fields = {"name": "Markname", "company": "Kyoto Tea", "message": "markmessage"}
    form = {"form": {"id": "f", "name": "Contact us"}, "identifiers": {**email, "phone": "+819076543210"}}
    world.browse(
        "v", world.hit("form", "/contact?to=markquery", title="Contact", fields=fields, props={"p": "markprop"}, **form)
    )
    world.browse("v", world.hit("event", "/x", name="download", props={"for": "markprop"}))
    crm = world.program(world.token)
    crm.put(
        "/contacts",
        {
            **email,
            "crm_id": "mark-crm",
            "name": "Markname",
            "phone": "+819076543210",
            "properties": {"n": "markmessage"},
        },
    )
    crm.post("/calls", {"reference": "1", "number": "+81311112222", "caller": "+819076543210", "contact": email})
    crm.post(
        "/events",
        {
            "kind": "offline",
            "name": "Booth",
            "contact": email,
            "source": {"source": "fair", "medium": "event"},
            "props": {"note": "markprop"},
        },
    )
    deal = {
        "name": "markdeal",
        "amount": "900.00",
        "currency": "EUR",
        "contacts": [email],
        "status": "won",
        "closed_at": "2026-04-01T03:01:00Z",
    }
    assert crm.put("/deals/D-1", deal).status_code < 300
    lost = {
        "name": "markdeal two",
        "amount": "9.00",
        "contacts": [email],
        "status": "lost",
        "lost_reason": "markmessage",
    }
    assert crm.put("/deals/D-2", lost).status_code < 300
    world.fold()
    return world


MOST_OF_A_PAGE = 3


def endpoint_of(world: World, path: str) -> str:
    """Which page a path leads to; '' for none."""
    try:
        return str(world.app.url_map.bind("localhost").match(path.partition("?")[0], method="GET")[0])
    except HTTPException:
        return ""


def walk(world: World, browser: FlaskClient, query: str) -> Iterator[tuple[str, str, str]]:
    """(endpoint, path, text) of every page of people: those without arguments, and what the links on them lead to.

    Of each page a few; spreadsheets are left out, for they are packed: the same rows come as text.
    """
    rules = [one for one in world.app.url_map.iter_rules() if audience_of(world.app, one.endpoint) is Audience.PEOPLE]
    waiting = [f"{one.rule}?{query}" for one in rules if "GET" in (one.methods or ()) and not one.arguments]
    waiting.sort(reverse=True)
    seen: set[str] = set()
    times: Counter[str] = Counter()
    while waiting:
        path = waiting.pop()
        endpoint = endpoint_of(world, path)
        if not endpoint.startswith("pages.") or endpoint in ("pages.logout", "pages.static") or path in seen:
            continue
        if times[endpoint] >= MOST_OF_A_PAGE or ".xlsx" in path:
            continue
        seen.add(path)
        times[endpoint] += 1
        answer = browser.get(path)
        assert answer.status_code in (200, 302, 403, 404, 422), (path, answer.status_code)
        if answer.status_code != 200:
            continue
        yield endpoint, path, answer.get_data(as_text=True)
        for href in re.findall(r'href="([^"#]+)', answer.get_data(as_text=True)):
            target = href.replace("&amp;", "&")
            if re.search(r"[?&](site|lang)=", target):  # another site, or the same page in Japanese
                continue
            waiting.insert(0, path.partition("?")[0] + target if target.startswith("?") else target)


def test_who_may_not_see_people_finds_no_word_of_theirs_on_any_page(marked: World) -> None:
    analyst, viewer = browser_of(marked, Role.ANALYST), browser_of(marked, Role.VIEWER)
    read_by_viewer: set[str] = set()
    shown: list[str] = []
    for endpoint, path, text in walk(marked, viewer, "period=custom&from=2026-01-01&to=2026-12-31"):
        leaks = [mark for mark in MARKS if mark in text]
        assert leaks == [], (path, text[max(0, text.find(leaks[0]) - 200) :][:300])
        read_by_viewer.add(endpoint.removeprefix("pages."))
        shown.append(text)
    assert {"contact", "contacts", "companies", "company", "deal", "touch", "calls", "source_rows"} <= read_by_viewer
    assert "pathways_rows" in read_by_viewer
    assert any(">Contact " in text for text in shown)
    for path in ("/contacts", "/calls", "/companies/kyoto.example"):  # the marks are there for who may see them
        assert any(mark in read(analyst, path) for mark in MARKS), path


def test_who_may_not_see_people_searches_companies_only_and_takes_no_file(marked: World) -> None:
    viewer, analyst = browser_of(marked, Role.VIEWER), browser_of(marked, Role.ANALYST)
    for search, for_analyst, for_viewer in (
        ("Markname", 1, 0),
        ("markmail", 1, 0),
        ("mark-crm", 1, 0),
        ("kyoto", 1, 1),
    ):
        assert len(listed(read(analyst, f"/contacts?q={search}"))) == for_analyst, search
        assert len(listed(read(viewer, f"/contacts?q={search}"))) == for_viewer, search
    for path in ("/contacts.csv", "/companies.xlsx"):
        assert viewer.get(path).status_code == 403
        assert path not in read(viewer, path.split(".")[0])
        assert path in read(analyst, path.split(".")[0])
    contact_id = re.findall(r'href="/contacts/([0-9a-f]{32})"', read(viewer, "/contacts"))[0]
    assert listed(read(viewer, f"/contacts?q={contact_id[:6]}")) == [f"Contact {contact_id[:6]}"]
    assert viewer.get(f"/contacts/{contact_id}/merge").status_code == 403
    assert send(viewer, f"/contacts/{contact_id}/stage", {"stage": "customer"}).status_code == 403


def test_the_list_is_narrowed_ordered_and_goes_on_both_ways(world: World) -> None:
    for number in range(120):
        put(world, f"P{number:03d}", stage="customer" if number % 60 == 7 else "lead")
        world.clock.forward(minutes=1)
    browser = browser_of(world, Role.ANALYST)
    first = read(browser, "/contacts")
    assert listed(first)[0] == "P119"
    assert len(listed(first)) == 50
    second = read(browser, re.findall(r'rel="next" href="([^"]+)"', first)[0].replace("&amp;", "&"))
    assert listed(second)[0] == "P069"
    back = read(browser, re.findall(r'rel="prev" href="([^"]+)"', second)[0].replace("&amp;", "&"))
    assert listed(back) == listed(first)
    assert 'rel="prev"' not in back
    assert listed(read(browser, "/contacts?stage=customer")) == ["P067", "P007"]
    assert listed(read(browser, "/contacts?stage=customer&q=p067")) == ["P067"]
    page = read(browser, "/contacts?stage=opportunity")
    assert "Nobody found" in page
    assert 'class="button chip" href="?"' in page
    for wrong in (
        "stage=best",
        "score_from=x",
        "country=Japan",
        "cursor=zzz",
        "sort=name",
        "deal=maybe",
        "touch=middle",
    ):
        assert browser.get(f"/contacts?{wrong}").status_code == 422, wrong


def test_files_have_the_rows_of_the_page_and_are_written_down(world: World) -> None:
    put(world, "Hana", company_name="=cmd|' /C calc'!A0", stage="lead")
    put(world, "Ken")
    browser = browser_of(world, Role.ANALYST)
    rows = list(
        csv.DictReader(io.StringIO(browser.get("/contacts.csv?q=hana").get_data(as_text=True).removeprefix("\ufeff")))
    )
    assert [(row["Name"], row["E-mail"], row["Company"], row["Stage"]) for row in rows] == [
        ("Hana", "hana@hana.example", "'=cmd|' /C calc'!A0", "lead")
    ]
    sheet = load_workbook(io.BytesIO(browser.get("/contacts.xlsx?sort=last").data)).worksheets[0]
    assert sheet.max_row == 3
    assert {cell.data_type for row in sheet.iter_rows() for cell in row} <= {"s", "n", "d"}
    assert len(browser.get("/companies.json").json["rows"]) == 2
    with reading(world.store) as tx:
        log = [one for one in entries(tx, Asked(world.acme.site_id), 10) if one.action is Audited.EXPORT]
    assert [(one.subject, one.details["form"], one.details["rows"]) for one in log] == [
        ("companies", "json", 2),
        ("contacts", "xlsx", 2),
        ("contacts", "csv", 1),
    ]


@ON_BOTH
def test_two_people_are_merged_side_by_side_and_split_again(world: World) -> None:
    hana, rei = put(world, "Hana", stage="lead"), put(world, "Rei", crm_id="7")
    browser = browser_of(world, Role.ANALYST)
    found = read(browser, f"/contacts/{hana}/merge?q=rei")
    assert f"other={rei}" in found
    assert f"other={hana}" not in found
    sides = read(browser, f"/contacts/{hana}/merge?other={rei}")
    assert "hana@hana.example" in sides
    assert "rei@rei.example" in sides
    page = send(browser, f"/contacts/{hana}/merge", {"other": rei, "stays": rei}, follow_redirects=True).text
    assert "Merged: the two are one person now" in page
    assert listed(read(browser, "/contacts")) == ["Rei"]
    assert browser.get(f"/contacts/{hana}").status_code == 302
    page = send(browser, f"/contacts/{rei}/split", {"contact": hana}, follow_redirects=True).text
    assert "is a contact of their own again" in page
    assert sorted(listed(read(browser, "/contacts"))) == ["Hana", "Rei"]
    for path, form, told in (
        (f"/contacts/{rei}/split", {"contact": hana}, "is not known any more"),
        (f"/contacts/{rei}/merge", {"other": rei}, "cannot be merged with itself"),
        (f"/contacts/{rei}/merge", {"other": "0" * 32}, "is not known any more"),
        (f"/contacts/{rei}/stage", {"stage": "best"}, "Choose a stage"),
    ):
        answer = send(browser, path, form)
        assert answer.status_code == 302, path
        assert told in read(browser, f"/contacts/{rei}"), (path, form)
    with reading(world.store) as tx:
        log = [(one.action.value, one.subject) for one in entries(tx, Asked(world.acme.site_id), 10)]
    assert log == [("split", hana), ("merge", hana)]


def test_a_stage_that_is_set_stands_in_the_journey_and_in_the_log(world: World) -> None:
    hana = put(world, "Hana", stage="lead")
    world.clock.forward(days=2)
    browser = browser_of(world, Role.ANALYST)
    page = send(browser, f"/contacts/{hana}/stage", {"stage": "salesqualifiedlead"}, follow_redirects=True).text
    steps = [
        " ".join(re.sub(r"<[^>]*>", " ", one).split())
        for one in re.findall(r'<li class="step step-stage.*?</li>', page, re.DOTALL)
    ]
    assert steps == [
        "Lead 1 Apr 2026, 12:00 told by the CRM",
        "SQL from Lead 3 Apr 2026, 12:00 set by a user analyst@acme.example",
    ]
    again = send(browser, f"/contacts/{hana}/stage", {"stage": "salesqualifiedlead"}, follow_redirects=True).text
    assert "is in this stage already" in again
    with reading(world.store) as tx:
        log = [
            (one.subject, one.details)
            for one in entries(tx, Asked(world.acme.site_id), 10)
            if one.action is Audited.STAGE
        ]
    assert log == [(hana, {"before": "lead", "after": "salesqualifiedlead"})]


def test_a_company_has_its_people_its_deals_and_one_time_line(marked: World) -> None:
    crm = marked.program(marked.token)
    crm.put("/contacts", {"email": "ken@kyoto.example", "name": "Ken", "company_name": "Kyoto Tea", "stage": "lead"})
    crm.put("/deals/D-3", {"name": "Cups", "amount": "50.00", "company_domain": "osaka.example"})
    browser = browser_of(marked, Role.ANALYST)
    assert listed(read(browser, "/companies")) == ["Kyoto Tea", "osaka.example"]
    assert listed(read(browser, "/companies?sort=open")) == ["osaka.example", "Kyoto Tea"]
    assert listed(read(browser, "/companies?q=tea")) == ["Kyoto Tea"]
    assert "No company found" in read(browser, "/companies?q=nobody")
    page = read(browser, "/companies/kyoto.example")
    for told in ("Markname", "Ken", "markdeal", "€900.00", "Deal won", "New lead", "Paid search"):
        assert told in page, told
    assert browser.get("/companies/nowhere.example").status_code == 404
