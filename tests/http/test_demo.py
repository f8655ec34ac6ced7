"""The demo company's site and its small CRM, as a newcomer's browser meets them."""

import json
import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from api import create_app
from tests.world import AGENT, Clock, World
from tracker import jobs
from tracker.channels.rules import classify
from tracker.config import settings
from tracker.db.schema import contacts, crm_changes, deal_entries, hits, metadata
from tracker.db.store import connect, reading
from tracker.demo.prepare import prepare
from tracker.demo.story import SITE_KEY
from tracker.demo.ways import PAGES
from tracker.ids import uuid7
from tracker.urls import read_arrival

NOW = datetime(2026, 4, 15, 8, 30, tzinfo=UTC)
HOST = "http://127.0.0.1:8000"
TAG = f'<script async src="/m.js?site={SITE_KEY}"></script>'
TRACKED = list(PAGES)
UNTRACKED = ["/demo/arrive", "/demo/crm"]


class Newcomer:
    """A browser at the demo, and what is behind it."""

    def __init__(self, folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:  # preparing sets them for the server
            patch.setenv("MINAMOTO_DATABASE_URL", "")
            patch.setenv("MINAMOTO_DEMO", "")
            own, links = prepare(folder, 8000, NOW, lambda _: None, days=10, months=0)
        settings.cache_clear()
        self.own, self.links = own, dict(links)
        self.store = connect(own.database_url)
        self.clock = Clock(NOW + timedelta(hours=1))
        self.app = create_app(own, engine=self.store, now=self.clock)
        self.client: FlaskClient = self.app.test_client()
        self.n_hits = 0

    def get(self, path: str, **more: str) -> str:
        """A page's text; it must be there."""
        answer = self.client.get(path, base_url=HOST, headers={"Accept-Language": "en", **more})
        assert answer.status_code == 200, (path, answer.status_code)
        return answer.get_data(as_text=True)

    def post(self, path: str, page: str = "/demo/crm", **fields: str) -> TestResponse:
        """Send a form of a page, with the page's CSRF token."""
        found = re.search(r'name="csrf_token" value="([^"]+)"', self.get(page))
        assert found
        self.clock.forward(seconds=1)
        return self.client.post(path, base_url=HOST, data={"csrf_token": found[1], **fields})

    def browse(self, url: str, **more: object) -> None:
        """Send what the tag on a page would send."""
        at = int(self.clock.forward(minutes=1).timestamp() * 1000)
        self.n_hits += 1
        hit = {"id": uuid7(at, self.n_hits.to_bytes(10, "big")), "kind": "page", "at": at, "url": HOST + url, **more}
        body = {"v": 1, "site": SITE_KEY, "visitor": "newcomer-000000000000", "sent_at": at, "hits": [hit]}
        answer = self.client.post(
            "/m/e", base_url=HOST, data=json.dumps(body), content_type="text/plain", headers={"User-Agent": AGENT}
        )
        assert answer.status_code == 204
        jobs.drain(self.store, self.own)

    def arrivals(self) -> dict[str, str]:
        """The links of the page `arrive`, by how they are drawn."""
        page = self.get("/demo/arrive")
        found = re.findall(r'<a class="mock ([a-z]+)[a-z -]*" href="([^"]+)"', page)
        return {look: unescape(href) for look, href in reversed(found)}

    def count(self, table: str) -> int:
        with reading(self.store) as tx:
            return tx.execute(select(func.count()).select_from(metadata.tables[table])).scalar_one()


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newcomer]:
    """A demo of ten days; its tests leave nothing behind that another one of them would stumble over."""
    one = Newcomer(tmp_path_factory.mktemp("demo"))
    yield one
    one.store.dispose()


class Inline(HTMLParser):
    """Finds what the Content-Security-Policy would refuse."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        self.found += [f"{tag} {name}" for name in names if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in names):
            self.found.append(tag)


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("path", [*TRACKED, *UNTRACKED])
def test_each_page_stands_under_the_policy_and_says_that_it_is_a_demo(
    newcomer: Newcomer, path: str, language: str
) -> None:
    answer = newcomer.client.get(f"{path}?lang={language}", base_url=HOST)
    page = answer.get_data(as_text=True)
    newcomer.client.get("/demo/?lang=en", base_url=HOST)
    inline = Inline()
    inline.feed(page)
    assert answer.status_code == 200
    assert "script-src 'self'; style-src 'self'" in answer.headers["Content-Security-Policy"]
    assert inline.found == []
    assert f'<html lang="{language}">' in page
    assert {"en": "Hinode Systems is invented", "ja": "架空の会社です"}[language] in page


@pytest.mark.parametrize("path", TRACKED)
def test_the_companys_pages_bear_the_tag_and_the_title_of_their_history(newcomer: Newcomer, path: str) -> None:
    page = newcomer.get(path)
    assert page.count(TAG) == 1
    assert f"<title>{PAGES[path][1]}</title>" in page


@pytest.mark.parametrize("path", UNTRACKED)
def test_the_pages_around_the_site_are_not_tracked(newcomer: Newcomer, path: str) -> None:
    assert "m.js" not in newcomer.get(path)


def test_there_is_no_demo_without_the_setting(world: World) -> None:
    answer = world.app.test_client().get("/demo/")
    assert answer.status_code == 404
    assert [rule.rule for rule in world.app.url_map.iter_rules() if rule.rule.startswith("/demo")] == []


def test_a_demo_without_its_site_says_what_to_do(world: World) -> None:
    app = create_app(world.settings.model_copy(update={"demo": True}), engine=world.store, now=world.clock)
    answer = app.test_client().get("/demo/")
    assert answer.status_code == 503


@pytest.mark.parametrize(
    ("look", "channel"),
    [
        ("search", "paid_search"),
        ("mail", "email"),
        ("assistant", "ai_assistant"),
        ("post", "organic_social"),
        ("story", "paid_social"),
    ],
)
def test_a_link_leads_to_a_page_and_counts_as_what_it_looks_like(newcomer: Newcomer, look: str, channel: str) -> None:
    href = newcomer.arrivals()[look]
    assert classify(read_arrival(HOST + href, f"{HOST}/demo/arrive", ("127.0.0.1",))).channel == channel
    assert TAG in newcomer.get(href)


def test_each_click_on_an_ad_has_a_click_id_of_its_own(newcomer: Newcomer) -> None:
    assert newcomer.arrivals()["search"] != newcomer.arrivals()["search"]


def test_a_browser_that_opted_out_is_told_so(newcomer: Newcomer) -> None:
    warning = "Global Privacy Control"
    assert warning not in newcomer.get("/demo/arrive")
    assert warning in newcomer.get("/demo/arrive", **{"Sec-GPC": "1"})


def test_a_form_is_thanked_for_and_not_kept(newcomer: Newcomer) -> None:
    before = {table: newcomer.count(table) for table in metadata.tables}
    answer = newcomer.post("/demo/thanks", page="/demo/contact", email="hana@kyoto.example", name="Hana")
    assert answer.status_code == 303
    assert answer.headers["Location"].endswith("/demo/thanks")
    assert {table: newcomer.count(table) for table in metadata.tables} == before


@pytest.mark.parametrize("path", ["/demo/thanks", "/demo/anew", "/demo/crm/deals", "/demo/crm/deals/D-2001"])
def test_a_form_from_another_site_is_refused(newcomer: Newcomer, path: str) -> None:
    before = newcomer.count("crm_changes")
    answer = newcomer.client.post(path, base_url=HOST, data={"to": "won"})
    assert answer.status_code == 400
    assert newcomer.count("crm_changes") == before


def test_a_new_visitor_has_no_cookie_any_more(newcomer: Newcomer) -> None:
    newcomer.client.set_cookie("_mnm", "abcdefghijklmnop", domain="127.0.0.1")
    assert "abcdefgh…" in newcomer.get("/demo/arrive")
    assert newcomer.post("/demo/anew", page="/demo/arrive").status_code == 303
    assert "abcdefgh" not in newcomer.get("/demo/arrive")


def test_a_newcomers_deal_is_money_under_the_source_that_brought_them(newcomer: Newcomer) -> None:
    links = newcomer.arrivals()
    newcomer.browse(links["search"])
    newcomer.clock.forward(days=2)
    newcomer.browse(links["mail"])
    email = {"identifiers": {"email": "hana@kyoto.example"}}
    newcomer.browse("/demo/contact", kind="form", form={"id": "contact-form"}, **email)
    with reading(newcomer.store) as tx:
        contact = tx.execute(select(contacts.c.contact_id).where(contacts.c.email == "hana@kyoto.example")).scalar_one()
    assert newcomer.get("/demo/crm").index("hana@kyoto.example") < newcomer.get("/demo/crm").index("Journey")

    made = newcomer.post("/demo/crm/deals", contact=contact, amount="￥４８０，０００", currency="JPY")
    reference = "DEMO-1"
    assert made.headers["Location"].endswith(f"/demo/crm?deal={reference}#{reference}")
    page = newcomer.get(f"/demo/crm?deal={reference}")
    assert f"{reference} was told to Minamoto." in page
    newcomer.post(f"/demo/crm/deals/{reference}", to="next")
    newcomer.post(f"/demo/crm/deals/{reference}", to="won")
    assert revenue(newcomer, "first")["paid_search"] - told_before(newcomer, "first")["paid_search"] == 480_000
    assert revenue(newcomer, "last")["email"] - told_before(newcomer, "last")["email"] == 480_000

    newcomer.post(f"/demo/crm/deals/{reference}", to="amend", amount="520,000")
    newcomer.post(f"/demo/crm/deals/{reference}", to="refund", refunded="20000")
    with reading(newcomer.store) as tx:
        query = select(deal_entries.c.kind, deal_entries.c.amount_minor).order_by(deal_entries.c.occurred_at.desc())
        newest = [tuple(row) for row in tx.execute(query.limit(3))]
    assert newest == [("refunded", -20_000), ("amended", 40_000), ("won", 480_000)]
    assert "¥500,000" in newcomer.get("/demo/crm")


def revenue(newcomer: Newcomer, model: str) -> dict[str, int]:
    """Revenue by channel, as the API's report tells it, in yen."""
    return reported(newcomer, model, "2026-01-01", "2026-12-31")


def told_before(newcomer: Newcomer, model: str) -> dict[str, int]:
    """The same of the demo's own history."""
    return reported(newcomer, model, "2026-01-01", "2026-04-15")


def reported(newcomer: Newcomer, model: str, since: str, until: str) -> dict[str, int]:
    answer = newcomer.client.get(
        f"/api/v1/reports/source?from={since}&to={until}&model={model}",
        base_url=HOST,
        headers={"Authorization": f"Bearer {newcomer.links['API token']}"},
    )
    assert answer.status_code == 200, answer.get_data(as_text=True)
    found = dict.fromkeys(["paid_search", "email"], 0)
    return found | {row["channel"]: int(float(row["revenue"])) for row in answer.get_json()["rows"]}


def test_the_command_that_is_shown_says_what_was_said(newcomer: Newcomer) -> None:
    with reading(newcomer.store) as tx:
        contact = tx.execute(select(contacts.c.contact_id).order_by(contacts.c.lead_at.desc())).scalars().first()
    location = newcomer.post("/demo/crm/deals", contact=str(contact), amount="1500.50", currency="USD").headers[
        "Location"
    ]
    reference = location.rpartition("#")[2]
    page = newcomer.get("/demo/crm")
    commands = [unescape(found) for found in re.findall(r"<code>(curl .*?)</code>", page, re.DOTALL)]
    words = shlex.split(next(one for one in commands if f"/deals/{reference} " in one).replace("\\\n", " "))
    url = words[words.index("PUT") + 1]
    body = words[words.index("-d") + 1]
    answer = newcomer.client.put(
        url.removeprefix(HOST),
        base_url=HOST,
        data=body,
        headers={"Authorization": words[words.index("-H") + 1].partition(": ")[2], "Content-Type": "application/json"},
    )
    assert answer.status_code == 200, answer.get_data(as_text=True)
    assert answer.get_json()["changed"] is False
    assert answer.get_json()["amount"] == "1500.50"


def test_the_token_is_shown_to_this_machines_own_names_only(newcomer: Newcomer) -> None:
    token = newcomer.links["API token"]
    with reading(newcomer.store) as tx:
        contact = tx.execute(select(contacts.c.contact_id).order_by(contacts.c.lead_at.desc())).scalars().first()
    newcomer.post("/demo/crm/deals", contact=str(contact), amount="1000", currency="JPY")
    assert token in newcomer.get("/demo/crm")
    elsewhere = newcomer.client.get("/demo/crm", base_url="http://rebound.example:8000").get_data(as_text=True)
    assert token not in elsewhere
    assert "$MINAMOTO_TOKEN" in elsewhere


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"to": "refund", "refunded": "1"}, "cannot go there"),
        ({"to": "fly"}, "cannot go there"),
        ({"to": "amend", "amount": "-5"}, "negative"),
        ({"to": "amend", "amount": "12.345"}, "finer than the smallest unit"),
        ({"to": "amend", "amount": "<script>"}, "is not an amount"),
    ],
)
def test_what_a_deal_cannot_be_is_told_and_nothing_is_kept(
    newcomer: Newcomer, fields: dict[str, str], why: str
) -> None:
    with reading(newcomer.store) as tx:
        contact = tx.execute(select(contacts.c.contact_id).order_by(contacts.c.lead_at.desc())).scalars().first()
    location = newcomer.post("/demo/crm/deals", contact=str(contact), amount="9000", currency="JPY").headers["Location"]
    newcomer.get(location.partition("#")[0].removeprefix(HOST))
    before = newcomer.count("crm_changes")
    answer = newcomer.post(f"/demo/crm/deals/{location.rpartition('#')[2]}", **fields)
    page = newcomer.get(answer.headers["Location"].partition("#")[0].removeprefix(HOST))
    assert why in page
    assert "<script>" not in page
    assert newcomer.count("crm_changes") == before


@pytest.mark.parametrize("reference", ["NO-SUCH-DEAL", "../../etc", "D 1"])
def test_a_deal_that_is_not_there_is_told(newcomer: Newcomer, reference: str) -> None:
    before = newcomer.count("crm_changes")
    answer = newcomer.post(f"/demo/crm/deals/{quote(reference, safe='')}", to="won")
    assert answer.status_code in {303, 404}
    assert newcomer.count("crm_changes") == before


def test_a_contact_that_is_not_there_gets_no_deal(newcomer: Newcomer) -> None:
    before = newcomer.count("crm_changes")
    assert newcomer.post("/demo/crm/deals", contact="f" * 32, amount="1", currency="JPY").status_code == 303
    assert "no contact" in newcomer.get("/demo/crm")
    assert newcomer.count("crm_changes") == before


def test_a_strangers_name_is_text_on_the_page(newcomer: Newcomer) -> None:
    newcomer.browse("/demo/contact", kind="form", form={"id": "x"}, identifiers={"email": "o'brien+<b>@kyoto.example"})
    newcomer.browse("/demo/contact", kind="form", form={"id": "x"}, identifiers={"email": "o'brien+x@kyoto.example"})
    page = newcomer.get("/demo/crm")
    assert "<b>@" not in page
    assert "o&#39;brien+x@kyoto.example" in page


def test_the_history_and_the_newcomer_are_in_one_journal(newcomer: Newcomer) -> None:
    with reading(newcomer.store) as tx:
        assert tx.execute(select(func.count()).select_from(hits)).scalar_one() > 100
        assert tx.execute(select(func.count()).select_from(crm_changes)).scalar_one() > 0
