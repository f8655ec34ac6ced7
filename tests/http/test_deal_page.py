"""From a figure to the raw hits: each step by the links of the pages, and what stands on the way."""

import re
from datetime import timedelta
from html import unescape

import pytest
from flask.testing import FlaskClient
from sqlalchemy import insert

from tests.people import ON_BOTH, SQLITE_ONLY
from tests.tea import HANA, tea_house
from tests.world import ALICE, START, World
from tracker.attribution.policies import save_policy
from tracker.attribution.policy import ChannelRule, Measured, Policy
from tracker.db.schema import users
from tracker.db.store import begin

pytestmark = SQLITE_ONLY
HOSTILE = '"><script>alert(1)</script>'
REPORT = "/reports/source?site=acmekey&from=2026-04-01&to=2026-04-30&lang=en"


@pytest.fixture
def client(world: World) -> FlaskClient:
    """Alice's browser, as it is after she logged in (which takes its time, by intention)."""
    user = {"email": ALICE, "password_hash": "", "role": "owner", "language": "en", "created_at": START}
    with begin(world.store) as tx:
        user_id = tx.execute(insert(users).values(user).returning(users.c.user_id)).scalar_one()
    browser = world.app.test_client()
    with browser.session_transaction() as session:
        session["user_id"] = user_id
    return browser


def opened(client: FlaskClient, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, path
    policy = answer.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert not re.search(r"<[^>]+ (style|on[a-z]+)=", answer.text), "the policy refuses it"
    return answer.text


def links(html: str, text: str) -> list[str]:
    """Where the links lead whose text holds this."""
    found = re.findall(r'<a [^>]*href="([^"]+)"[^>]*>(.*?)</a>', html, re.DOTALL)
    return [unescape(href) for href, inside in found if text in unescape(re.sub(r"<[^>]*>", "", inside))]


def text_of(html: str) -> str:
    main = html.split("<main", 1)[1]
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", main)).split())


def test_a_figure_leads_to_its_rows_its_deal_its_touches_and_their_raw_hits(client: FlaskClient, world: World) -> None:
    tea_house(world)
    for model, shown in (("first", "€810.00"), ("linear", "€270.00"), ("time_decay", "€191.98")):
        follow(client, model, shown)


def follow(client: FlaskClient, model: str, shown: str) -> None:
    """From what the ad earned under a model down to what was received, by links alone."""
    report = opened(client, f"{REPORT}&model={model}")
    table = report[report.index("<tbody") :]
    row = table[table.index("Paid search") :]
    rows = opened(client, links(row, shown)[0])
    assert shown in rows.split("<h1>", 1)[1].split("</h1>")[0]
    deal = opened(client, links(rows, "Tea house")[0])
    assert "€810.00" in deal
    ad = re.search(r'<li class="step step-touch ch-paid_search">.*?</li>', deal, re.DOTALL)
    assert ad
    assert shown in ad[0], "the deal's page gives the touch what its row of the report has"
    touch = text_of(opened(client, links(ad[0], "Paid search")[0]))
    assert "paid_search" in touch
    assert "https://www.acme.example/?utm_source=google&utm_medium=cpc&utm_campaign=spring" in touch
    assert "019d46fb-cb80-7000-8000-000000000001" in touch
    assert "2026-04-01T03:00:00+00:00" in touch
    assert "https://www.acme.example/pricing" in touch


def test_a_lead_and_a_visit_lead_on_too(client: FlaskClient, world: World) -> None:
    tea_house(world)
    rows = opened(client, REPORT.replace("source?", "source/rows?") + "&metric=new_leads&model=lead_u")
    lead = text_of(opened(client, next(href for href in links(rows, "New lead") if "/conversions/" in href)))
    assert "50% First touch" in lead or "First touch 50%" in lead
    visits = opened(client, REPORT.replace("source?", "source/rows?") + "&metric=visits")
    assert "April" not in visits
    assert "Page view" in text_of(opened(client, links(visits, "/news")[0]))
    created = opened(client, REPORT.replace("source?", "source/rows?") + "&metric=deals")
    assert "Deal created 5 Apr 2026" in text_of(opened(client, links(created, "Tea house")[0]))


@ON_BOTH
def test_a_contacts_page_leads_to_its_deals_and_touches(client: FlaskClient, world: World) -> None:
    crm = tea_house(world)
    found = crm.get("/contacts?email=hana@kyoto.example").json
    assert found
    page = opened(client, f"/contacts/{found['data'][0]['id']}?site=acmekey")
    assert "/deals/D-1" in links(page, "Tea house")
    assert "Page view" in text_of(opened(client, links(page, "Email")[0]))


def test_the_page_shows_every_model_beside_the_chosen_one_and_what_it_needs(client: FlaskClient, world: World) -> None:
    tea_house(world)
    text = text_of(opened(client, "/deals/D-1?site=acmekey&lang=en&model=time_decay"))
    for part in (
        "Time decay Half as much credit for every half-life",
        "€234.05 28.9%",
        "Direct: others are on the path",
        "Became a lead",
        "Deal won 10 Apr 2026",
        "+€900.00",
        "-€90.00",
        "as shipped",
        "hana@kyoto.example",
        "Full path 22.5×4/10 €202.50 €405.00 — €202.50",
    ):
        assert part in text, part
    silent = text_of(opened(client, "/deals/D-1?site=acmekey&model=markov&lang=en"))
    assert "has not learned enough" in silent


def test_japanese_readers_have_it_in_japanese(client: FlaskClient, world: World) -> None:
    tea_house(world)
    html = opened(client, "/deals/D-1?site=acmekey&lang=ja")
    assert 'lang="ja"' in html
    text = text_of(html)
    for part in ("経路", "計上の内訳", "リードになった", "各接点 × 各モデル", "適用したルール"):
        assert part in text, part
    touch = re.search(r'href="(/touches/[0-9a-f]+)"', html)
    assert touch
    assert "受信したままの記録" in text_of(opened(client, f"{touch[1]}?lang=ja"))


def test_own_rules_and_what_an_experiment_left_stand_with_their_versions(client: FlaskClient, world: World) -> None:
    tea_house(world)
    rules = (ChannelRule({"source": "partner.*"}, HOSTILE), ChannelRule({"campaign": "april"}))
    policy = Policy(rules=rules, measured=(Measured("paid_search", 50, 30, 70, "2026-01-01", "2026-01-31"),))
    with begin(world.store) as tx:
        save_policy(tx, world.acme.site_id, policy, note="", by="alice", now=world.clock())
    html = opened(client, "/deals/D-1?site=acmekey&lang=en&model=first")
    text = text_of(html)
    assert "Unattributed: €405.00. An experiment did not confirm it." in text
    assert "Excluded by a rule of the site" in text
    assert "own rule 1 (Referral)" in text
    assert "version 1" in text
    assert "<script>alert" not in html
    before = text_of(opened(client, "/deals/D-1?site=acmekey&lang=en&model=first&policy=0"))
    assert "An experiment did not confirm it." not in before


def test_what_strangers_wrote_is_only_ever_text(client: FlaskClient, world: World) -> None:
    crm = world.program(world.token)
    hostile = (
        "/?utm_source=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&utm_medium=%22%3E%3Cscript%3E&utm_campaign=%27%3E%3Cimg"
    )
    form = {"form": {"id": HOSTILE, "name": HOSTILE}, "identifiers": {"email": HANA["email"]}}
    world.browse("v", world.hit("page", hostile, title=HOSTILE, referrer='https://evil.example/"><script>'))
    world.browse("v", world.hit("event", "/", title=HOSTILE, name=HOSTILE, props={HOSTILE[:50]: HOSTILE}))
    world.browse("v", world.hit("form", "/", title=HOSTILE, **form))
    world.fold()
    reference = "javascript:alert(1)"
    deal = {"amount": 1, "status": "won", "name": HOSTILE, "stage": HOSTILE, "contacts": [HANA]}
    assert crm.put(f"/deals/{reference}", deal).status_code == 201
    rows = opened(client, REPORT.replace("source?", "source/rows?") + "&metric=revenue")
    html = opened(client, links(rows, HOSTILE)[0])
    touch = re.search(r'href="(/touches/[0-9a-f]+)"', html)
    assert touch
    raw = opened(client, touch[1])
    for page in (rows, html, raw):
        assert "<script>alert" not in page
        assert "<img" not in page
        assert not re.search(r'(href|src)="(javascript|https?://evil)', page)
    assert "&lt;script&gt;alert" in html
    assert "&lt;script&gt;alert" in raw


def test_what_is_not_there_is_not_found_and_a_wrong_question_is_said(client: FlaskClient, world: World) -> None:
    crm = tea_house(world)
    found = crm.get("/deals/D-1/explain").json
    assert found
    touch, conversion = found["path"][0]["touch"]["id"], found["conversion_id"]
    for path in ("/deals/D-1", f"/conversions/{conversion}", f"/touches/{touch}"):
        assert client.get(f"{path}?site=acmekey").status_code == 200
        assert client.get(f"{path}?site=carolkey").status_code == 404
        assert client.get(f"{path}?site=acmekey").status_code == 200
    for path in ("/deals/none", "/conversions/none", "/touches/none", "/deals/D-1?policy=9"):
        assert client.get(path).status_code == 404
    for query in ("model=best", "currency=YEN", "of=lost", "scope=world"):
        assert client.get(f"/deals/D-1?{query}").status_code == 422
    assert client.get("/deals/D-1?model=first,linear&cursor=99999").status_code == 200


def test_a_long_path_is_read_page_by_page(client: FlaskClient, world: World) -> None:
    crm = world.program(world.token)
    for i in range(0, 102, 34):  # two hours apart, sent together
        world.clock.forward(hours=68)
        ago = [world.clock() - timedelta(hours=2 * (33 - j)) for j in range(34)]
        world.browse("v", *(world.hit("page", f"/?utm_source=s{i + j}&utm_medium=email", ago[j]) for j in range(34)))
    form = {"form": {"id": "c"}, "identifiers": {"email": HANA["email"]}}
    world.browse("v", world.hit("form", "/", **form))
    world.fold()
    world.clock.forward(days=1)
    crm.put("/deals/D-1", {"amount": "102", "status": "won", "contacts": [HANA]})
    first = opened(client, "/deals/D-1?site=acmekey&lang=en&model=linear")
    assert (first.count("step-touch"), "Became a lead" in first.split("</ol>")[0].split('class="journey"')[1]) == (
        100,
        False,
    )
    after = re.search(r'rel="next" href="([^"]+)"', first)
    assert after
    second = opened(client, unescape(after[1]))
    assert second.count("step-touch") == 2
    assert "102. Email" in text_of(second)
