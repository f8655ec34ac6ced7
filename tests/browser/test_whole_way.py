"""One visitor in a real browser, all the way: from an ad click to the deal's money in the Source report.

Ad click with gclid and UTM, two pages, gone; back two days later by a newsletter, a form; a deal in three stages by the
API, won; then an amendment and a refund. Page, JSON and command line must tell the same, to the cent.
"""

import json
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from click.testing import CliRunner
from playwright.sync_api import BrowserContext, Page, expect
from sqlalchemy import func, select

from tests.browser.origins import Website
from tests.live import Live
from tests.world import CHEAP
from tracker.access.sites import add_site
from tracker.access.tokens import add_token
from tracker.access.users import add_user
from tracker.cli import main
from tracker.config import settings
from tracker.db.schema import hits
from tracker.db.store import begin, reading

pytestmark = pytest.mark.browser

HOST = "www.acme.test"
AD = "/?utm_source=google&utm_medium=cpc&utm_campaign=spring&gclid=Cj0-Abc_1"
NEWS = "/news?utm_source=newsletter&utm_medium=email&utm_campaign=april"
PERIOD = {"from": "2026-04-01", "to": "2026-12-31"}
FORM = (
    '<form id=contact method=post action="/thanks">'
    "<input type=email name=email><input name=pin autocomplete=cc-number><button>Send</button></form>"
)


@pytest.fixture
def shop(live: Live) -> Iterator[Website]:
    site = Website(SimpleNamespace(origin=live.origin))  # type: ignore[arg-type]
    for path in ("/", "/pricing", "/news"):
        site.put(path, FORM, title=f"Acme {path}")
    yield site
    site.close()


class Office:
    """The CRM and the marketer, with their keys."""

    def __init__(self, live: Live) -> None:
        self.live = live
        with begin(live.store) as tx:
            site = add_site(tx, "Acme", [HOST], now=live.clock(), timezone="Asia/Tokyo", currency="EUR", key="KEY")
            self.token = add_token(tx, "crm", site_id=site.site_id, now=live.clock())
            add_user(tx, "alice@acme.test", "correct horse", now=live.clock(), hasher=CHEAP)

    def call(self, method: str, path: str, **more: Any) -> Any:
        answer = requests.request(
            method,
            f"{self.live.origin}/api/v1{path}",
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=20,
            **more,
        )
        assert answer.status_code < 300, answer.text
        return answer.json()

    def revenue(self, model: str) -> dict[str, str]:
        """Revenue by channel, as the API tells it, after it was found equal to what the command line tells."""
        report = self.call("GET", "/reports/source", params={**PERIOD, "by": "channel", "model": model})
        told = CliRunner().invoke(
            main,
            f"report source --site KEY --from {PERIOD['from']} --to {PERIOD['to']} --model {model} --format json",
        )
        assert told.exit_code == 0, told.output
        same = json.loads(told.output)
        assert (same["rows"], same["totals"]) == (report["rows"], report["totals"])
        shares = {row["channel"]: row["revenue"] for row in report["rows"] if row["revenue_minor"]}
        assert report["totals"]["revenue_minor"] == sum(row["revenue_minor"] for row in report["rows"])
        return shares | {"total": report["totals"]["revenue"]}


def wait_for_hits(live: Live, page: Page, n: int) -> None:
    """Until the journal holds n hits; the page goes on meanwhile."""
    for _ in range(200):
        with reading(live.store) as tx:
            if tx.execute(select(func.count()).select_from(hits)).scalar_one() >= n:
                return
        page.wait_for_timeout(50)
    raise AssertionError(f"never {n} hits")


def browse(live: Live, shop: Website, page: Page) -> None:
    """The visitor's part of the story."""
    page.goto(shop.at(AD, HOST), referer="https://www.google.com/")
    wait_for_hits(live, page, 1)
    page.goto(shop.at("/pricing", HOST))
    wait_for_hits(live, page, 2)
    page.goto("about:blank")
    live.clock.at += timedelta(days=2)
    page.goto(shop.at(NEWS, HOST))
    wait_for_hits(live, page, 3)
    page.fill("input[name=email]", "Hana@Kyoto.example")
    page.fill("input[name=pin]", "secret-9876")
    page.click("button")
    page.wait_for_url("**/thanks")
    wait_for_hits(live, page, 4)
    live.fold()


def sell(live: Live, office: Office) -> None:
    """The salesman's part: three stages, the last one won."""
    people = [{"email": "hana@kyoto.example"}]
    live.clock.at += timedelta(days=1)
    office.call("PUT", "/deals/D-1", json={"amount": "1000.01", "stage": "demo", "contacts": people})
    live.clock.at += timedelta(days=3)
    office.call("PUT", "/deals/D-1", json={"stage": "offer"})
    live.clock.at += timedelta(days=5)
    office.call("PUT", "/deals/D-1", json={"stage": "closed", "status": "won"})


def test_an_ad_click_becomes_money_in_the_report(
    live: Live, shop: Website, context: BrowserContext, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINAMOTO_DATABASE_URL", live.settings.database_url)
    settings.cache_clear()
    office = Office(live)
    browse(live, shop, page)
    sell(live, office)

    assert office.revenue("first") == {"paid_search": "1000.01", "total": "1000.01"}
    assert office.revenue("last") == {"email": "1000.01", "total": "1000.01"}
    assert office.revenue("last_non_direct") == {"email": "1000.01", "total": "1000.01"}
    halves = office.revenue("linear")
    assert sorted(halves.values()) == ["1000.01", "500.00", "500.01"]

    live.clock.at += timedelta(days=10)
    assert office.call("PUT", "/deals/D-1", json={"amount": "1200.51"})["changed"]
    assert office.revenue("first") == {"paid_search": "1200.51", "total": "1200.51"}
    live.clock.at += timedelta(days=1)
    office.call("PUT", "/deals/D-1", json={"refunded": "200.50"})
    assert not office.call("PUT", "/deals/D-1", json={"refunded": "200.50"})["changed"]
    assert office.revenue("last") == {"email": "1000.01", "total": "1000.01"}
    assert len(office.call("GET", "/deals")["data"]) == 1

    fields = office.call("GET", "/contacts", params={"email": "hana@kyoto.example"})["data"][0]
    told = office.call("GET", f"/contacts/{fields['id']}/attribution")
    assert (told["first_channel"], told["lead_channel"], told["gclid"]) == ("paid_search", "email", "Cj0-Abc_1")
    with reading(live.store) as tx:
        journal = "".join(str(row) for row in tx.execute(select(hits)))
    assert "secret-9876" not in journal

    look(live, page)
    settings.cache_clear()


def look(live: Live, page: Page) -> None:
    """The marketer's part: log in, read the figure, open it, follow it to the person's journey; in both languages."""
    noises: list[str] = []
    page.on("console", lambda message: noises.append(message.text) if message.type == "error" else None)
    page.goto(f"{live.origin}/reports/source?from=2026-04-01&to=2026-12-31&model=first&lang=en")
    page.fill("input[name=email]", "alice@acme.test")
    page.fill("input[name=password]", "correct horse")
    page.click("main button[type=submit]")
    row = page.locator("table.report tbody tr").filter(has_text="Paid search")
    expect(row).to_contain_text("1,000.01")
    expect(page.locator("table.report tr.total")).to_contain_text("1,000.01")
    row.get_by_role("link", name="€1,000.01").click()
    expect(page.locator("h1")).to_contain_text("1,000.01")
    page.locator("table.report tbody a").first.click()
    expect(page.locator("main")).to_contain_text("hana@kyoto.example")
    expect(page.locator("main")).to_contain_text("spring")
    page.goto(f"{page.url.split('?')[0]}?lang=ja")
    expect(page.locator("html")).to_have_attribute("lang", "ja")
    assert noises == []
