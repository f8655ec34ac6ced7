"""No page asks the store more the more there is to be shown: every page, and the deals, people and rows behind it."""

from datetime import timedelta

from flask.testing import FlaskClient
from werkzeug.routing import Rule

from tests.people import SQLITE_ONLY, browser_of
from tests.statements import counted
from tests.world import START, Program, World

pytestmark = SQLITE_ONLY
MOST = 50
PERIOD = "period=custom&from=2026-01-01&to=2026-12-31"
# They lead on, or need what a mail says.
OPENED_BY_OTHERS = {"/", "/login", "/password/new"}
# What the address of a page names, where it names something.
BEHIND = (
    f"/reports/source/rows?metric=new_leads&{PERIOD}",
    f"/reports/source/rows?metric=revenue&{PERIOD}",
    f"/reports/source/rows?metric=visits&{PERIOD}",
    "/reports/opportunities/rows?metric=deals",
    f"/reports/funnel/rows?metric=reached&stage=lead&{PERIOD}",
    "/contacts/{hana}",
    "/companies/kyoto.example",
    "/deals/D-0",
    "/definitions/1",
    "/definitions/1/try",
    "/definitions/scores",
)


def pages_of(world: World, hana: str) -> list[str]:
    """All pages that can be opened by themselves, over a year where they take a period, and some behind them."""

    def is_page(rule: Rule) -> bool:
        return rule.endpoint.startswith("pages.") and "GET" in (rule.methods or ()) and not rule.arguments

    alone = sorted({rule.rule for rule in world.app.url_map.iter_rules() if is_page(rule)} - OPENED_BY_OTHERS)
    found = [f"{page}?{PERIOD}" for page in alone if not page.endswith("/rows")]
    return found + [page.format(hana=hana) for page in BEHIND]


def grow(world: World, crm: Program, start: int, n: int) -> str:
    """So many people of one company, each with visits, a form, a stage, and a deal that is open, won or lost."""
    for number in range(start, start + n):
        who = world.walk(f"person{number}@kyoto.example", f"visitor{number}")
        now = world.clock().isoformat()
        told = {"email": f"person{number}@kyoto.example", "name": f"Person {number}", "stage": "lead", "score": number}
        assert crm.put("/contacts", {"changed_at": now, **told}).status_code < 300
        deal = {"amount": 100 + number, "pipeline": "sales", "stage": "offer", "contacts": [{"id": who}]}
        end = {"status": ["open", "won", "lost"][number % 3], "closed_at": now} if number % 3 else {}
        assert crm.put(f"/deals/D-{number}", {"changed_at": now, **deal, **end}).status_code < 300
    return who


def statements(world: World, browser: FlaskClient, page: str) -> int:
    answer = browser.get(page)
    assert answer.status_code == 200, page
    with counted(world.store) as heard:
        browser.get(page)
    return len(heard)


def test_each_page_asks_the_store_a_bounded_number_of_times_however_much_there_is(world: World, crm: Program) -> None:
    hana = grow(world, crm, 0, 2)
    browser = browser_of(world)
    rule = '[[rule]]\nname = "asked"\nstage = "marketingqualifiedlead"\nwhen = { form = "contact" }\n'
    assert crm.post("/definitions", {"text": rule, "reason": "agreed"}).status_code == 201
    pages = pages_of(world, hana)
    assert len(pages) > 20
    few = {page: statements(world, browser, page) for page in pages}
    grow(world, crm, 2, 8)
    world.clock.at = START + timedelta(days=60)
    many = {page: statements(world, browser, page) for page in pages}
    assert {page: n for page, n in many.items() if n > MOST} == {}
    # A branch more where there is something at all; never one a row.
    assert {page: (few[page], n) for page, n in many.items() if n > few[page] + 3} == {}
