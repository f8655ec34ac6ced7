"""A call's whole way: an ad click, a number of the visitor's own, Twilio's word, and later the visitor's name."""

import re
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
import requests
from playwright.sync_api import BrowserContext, Page, expect
from sqlalchemy import select

from tests.browser.origins import Document, Website
from tests.live import Live
from tests.patience import wait_until
from tests.world import CHEAP
from tracker.access.sites import add_site, set_tracking
from tracker.access.tokens import add_token
from tracker.access.tracking import Tracking
from tracker.access.users import add_user
from tracker.calls.numbers import add_number
from tracker.db.schema import conversions, hits, paths
from tracker.db.store import begin, reading

pytestmark = pytest.mark.browser

HOST, POOL = "www.acme.test", "+81355556666"
FORM = '<form action="/thanks"><input type=email name=email><button>Send</button></form>'


@pytest.fixture
def token(live: Live) -> str:
    """Acme has one number in its pool; the token is the telephone system's."""
    with begin(live.store) as tx:
        site = add_site(tx, "Acme", [HOST], now=live.clock(), timezone="Asia/Tokyo", key="KEY")
        set_tracking(tx, site, Tracking(consent="none"))
        add_number(tx, site.site_id, site.timezone, POOL, now=live.clock(), shown=["03-1111-2222"])
        add_user(tx, "alice@acme.test", "correct horse", now=live.clock(), hasher=CHEAP)
        return add_token(tx, "twilio", site_id=site.site_id, now=live.clock())


@pytest.fixture
def shop(live: Live) -> Iterator[Website]:
    site = Website(SimpleNamespace(origin=live.origin))  # type: ignore[arg-type]
    tag = f'<script async src="{live.origin}/m.js?site=KEY"></script>'
    site.pages["/"] = Document(f"<!doctype html><title>Acme</title>{tag}<b>TEL 03-1111-2222</b>{FORM}")
    yield site
    site.close()


def counted(live: Live) -> list[tuple[bool, str]]:
    """Per call whether a contact is known, and the source of its last touch."""
    with reading(live.store) as tx:
        rows = tx.execute(
            select(conversions.c.contact_id, paths.c.source)
            .join(paths, paths.c.conversion_id == conversions.c.conversion_id)
            .where(conversions.c.kind == "call")
        )
        return [(contact_id is not None, source) for contact_id, source in rows]


def wait_for_hit(live: Live, kind: str) -> None:
    """Until the journal holds a hit of the kind; a page's hits may come after its questions."""

    def taken() -> bool:
        with reading(live.store) as tx:
            return tx.execute(select(hits.c.hit_id).where(hits.c.kind == kind)).first() is not None

    wait_until(taken)


def test_a_call_is_credited_to_the_ad_and_later_to_the_person(
    page: Page, context: BrowserContext, live: Live, token: str, shop: Website
) -> None:
    page.goto(shop.at("/?utm_source=google&utm_medium=cpc&utm_campaign=spring", host=HOST))
    expect(page.locator("b")).to_have_text("TEL 03-5555-6666")
    wait_for_hit(live, "page")
    live.clock.at += timedelta(minutes=2)
    form = {"CallSid": "CA1", "From": "+819012345678", "To": POOL, "CallStatus": "completed", "CallDuration": "5"}
    with_password = live.origin.replace("//", f"//minamoto:{token}@")
    told = requests.post(f"{with_password}/api/v1/calls", data=form, timeout=20)
    assert (told.status_code, told.json()["status"]) == (202, "accepted")
    live.fold()
    traced = told.json()["traced"]
    page.fill("input", "hana@kyoto.example")
    page.click("button")
    page.wait_for_url(lambda url: urlsplit(url).path == "/thanks")
    wait_for_hit(live, "form")
    page.goto(f"{live.origin}/login")
    page.fill("[name=email]", "alice@acme.test")
    page.fill("[name=password]", "correct horse")
    page.click("button[type=submit]:not(.plain)")
    page.wait_for_url(re.compile("/overview"))
    live.fold()
    assert traced == "visitor"
    assert counted(live) == [(True, "google")]
    page.goto(f"{live.origin}/calls")
    expect(page.locator("tbody >> nth=0")).to_contain_text("hana@kyoto.example")
    expect(page.locator("tbody >> nth=0")).to_contain_text("+81 90-1234-5678")
