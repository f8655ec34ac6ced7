"""Every page that a person can open, in both languages, on a computer and on a phone, light and dark.

Each has one heading, a title and its language; axe finds nothing against WCAG 2.2 AA; the browser says nothing
(no error, nothing that the Content-Security-Policy refused); the page is no wider than the screen; and it speaks one
language only, data apart.
"""

import io
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from pprint import pformat
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from babel.messages.pofile import read_po
from flask import Flask
from playwright.sync_api import BrowserContext, Page
from playwright.sync_api import TimeoutError as Timeout
from sqlalchemy import Engine, select

from api.trust import Audience, audience_of
from tests.browser.conftest import NewContext
from tests.live import Live, running
from tests.people import browser_of, send
from tracker.db.schema import contacts, conversions, costs, deal_contacts, deals, segments, stage_drafts, touchpoints
from tracker.db.store import connect, reading
from tracker.db.upgrade import upgrade
from tracker.demo.prepare import seed
from tracker.demo.story import SITE_KEY
from tracker.lifecycle.draft import draft_text

pytestmark = pytest.mark.browser

NOW = datetime(2026, 4, 15, 8, 30, tzinfo=UTC)
DAYS = 16
PERIOD = "period=last_28_days"
TASK = {"kind": "crm_task", "scope": "contact", "stage": "lead", "target": "電話 Call", "name": "電話 Call"}
SEGMENT = {"kind": "filter", "name": "見込み Leads", "channel": "paid_search"}
CSV = b"Reporting starts,Campaign name,Amount spent (JPY)\n2026-04-01,spring,1200\n2026-04-02,summer,800\n"
MAILS = b"""kind,programme,step,email,occurred_at
delivered,welcome,1 hello,hana@kyoto.example,2026-04-01
click,welcome,1 hello,hana@kyoto.example,2026-04-02
delivered,welcome,2 the tour,hana@kyoto.example,2026-04-03
delivered,welcome,1 hello,ken@kyoto.example,2026-04-01
delivered,welcome,1 hello,rei@kyoto.example,2026-04-14
"""
ANSWERS = "score,answered_at,email,comment\n9,2026-03-10,hana@kyoto.example,早い\n3,2026-04-01,,Slow\n".encode()
# Each page by its endpoint, with what its address needs (examples of Examples).
PAGES = {
    "answers_import": "/surveys/import",
    "account_form": "/accounts/edit?domain={domain}",
    "account_roles": "/accounts/roles",
    "accounts": "/accounts",
    "accounts_import": "/accounts/import",
    "actions": "/actions",
    "audit_log": "/audit",
    "calls": "/calls",
    "companies": "/companies",
    "company": "/companies/{domain}",
    "compare": f"/reports/compare?{PERIOD}",
    "contact": "/contacts/{contact}",
    "contacts": "/contacts",
    "conversion": "/conversions/{conversion}",
    "cost": "/costs/rows/{cost}",
    "cost_new": "/costs/new",
    "costs": f"/costs?{PERIOD}",
    "costs_draft": "/costs/import/{draft}",
    "costs_import": "/costs/import",
    "costs_names": "/costs/names",
    "deal": "/deals/{deal}",
    "definition": "/definitions/1",
    "definition_drift": "/definitions/drift",
    "definition_new": "/definitions/new",
    "definition_try": "/definitions/1/try",
    "definitions": "/definitions",
    "scores": "/definitions/scores",
    "digests": "/mail",
    "funnel": f"/reports/funnel?{PERIOD}&compare=previous",
    "funnel_rows": f"/reports/funnel/rows?{PERIOD}&metric=reached&stage=lead",
    "install": "/install",
    "login": "/login",
    "mails_import": "/programmes/import",
    "merge_page": "/contacts/{contact}/merge?other={other}",
    "new_password": "/password/new?link=none",
    "opportunities": f"/reports/opportunities?{PERIOD}",
    "opportunities_rows": f"/reports/opportunities/rows?{PERIOD}",
    "opportunity_stages": "/reports/opportunities/stages",
    "overview": f"/overview?{PERIOD}",
    "password": "/password",
    "pathways": f"/reports/paths?{PERIOD}&kind=lead",
    "pathways_rows": f"/reports/paths/rows?{PERIOD}&kind=lead&value=paid_search&part=any",
    "policy": "/policy",
    "programme": f"/programmes/of/welcome?{PERIOD}",
    "programme_rows": f"/programmes/rows?{PERIOD}&programme=welcome&what=delivered",
    "programmes": f"/programmes?{PERIOD}",
    "scorecard": "/reports/scorecard",
    "scorecard_rows": "/reports/scorecard/rows?metric=days_to_customer",
    "stage_file": "/stages/import/{stage_draft}",
    "stages": "/stages",
    "stages_import": "/stages/import",
    "segment": "/segments/{segment}",
    "segments": "/segments",
    "source": f"/reports/source?{PERIOD}&by=channel,campaign",
    "source_rows": f"/reports/source/rows?{PERIOD}&metric=visits",
    "surveys": "/surveys",
    "team": "/team",
    "touch": "/touches/{touch}",
    "tracking": "/tracking",
    "views": "/views",
}
# What is asked for by GET and is no page: it leads elsewhere, is a file, or answers a script.
NO_PAGES = {"home", "open_view", "check_heard", "segment_audience"}
NOT_FOUND = "/nowhere"
STATUS = {"new_password": 404, "error page": 404}
# What does not depend on the width or the look is tried once; the rest on the phone and in the dark, too.
WCAG = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
SIGHT = {"type": "rule", "values": ["color-contrast", "target-size", "scrollable-region-focusable"]}
# Each language on both screens, opened on one and turned into the other. On the second one, every page has to have room
# for its words; axe, which takes its time, looks at the main pages in Japanese, where words are broken otherwise.
SCREENS = ((1280, "light"), (390, "dark"))
# Files with many tests are begun first: in one part a language, this one would be the last that all wait for.
PARTS = 4
MAIN = {"overview", "source", "opportunities", "contacts", "costs"}
# Rows of one table are made alike: the first ones, the last, and those that are marked are looked at.
ALIKE = {"exclude": [["tbody tr:nth-child(n+10):not(:last-child):not([class])"]]}
PO = Path(__file__).parents[2] / "api" / "translations" / "ja" / "LC_MESSAGES" / "messages.po"
JAPANESE = re.compile("[\u3040-\u30ff\u3400-\u9fff]")
# What is nobody's wording: code, times, names that people gave (<bdi>), what stands in a field, what is marked as of
# another language.
SAID = """() => {
  const data = "bdi, code, pre, textarea, time, script, style, template, .term";
  const own = document.documentElement.lang, found = [];
  const told = (node) => !node.closest(data) && (node.closest("[lang]")?.lang || own) === own;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.data.trim().replace(/\\s+/g, " ");
    if (text && told(walker.currentNode.parentElement)) found.push(text);
  }
  for (const name of ["aria-label", "title", "placeholder", "alt", "data-done", "data-loading", "data-label"])
    for (const node of document.querySelectorAll(`[${name}]`))
      if (!node.closest(data) && told(node)) found.push(node.getAttribute(name).trim());
  return [...new Set(found)];
}"""

FITS = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
TO_THE_LEFT = "document.querySelectorAll('.scroll').forEach((box) => { box.scrollLeft = 0; })"


@dataclass(frozen=True)
class Walked:
    """The site that is walked over, and where its pages are."""

    live: Live
    cookie: str
    paths: dict[str, str]


@dataclass(frozen=True)
class Seen:
    """What tests.people needs of a world."""

    store: Engine
    app: Flask


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walked]:
    """A small demo with one view, one file of costs that waits, and an owner who is logged in."""
    url = f"sqlite:///{tmp_path_factory.mktemp('every') / 'store.sqlite3'}"
    store = connect(url, synchronous="OFF")
    with ExitStack() as left:
        left.callback(store.dispose)
        upgrade(store)
        seed(store, NOW, "http://127.0.0.1:8000", lambda _: None, days=DAYS)
        with running(store, url) as live:
            live.clock.at = NOW
            app = live.server.app
            assert isinstance(app, Flask)
            owner: Any = browser_of(Seen(store, app), site=SITE_KEY)  # type: ignore[arg-type]
            send(owner, "/actions", TASK)
            send(owner, "/segments", SEGMENT)
            send(owner, "/views", {"page": "source", "query": PERIOD, "name": "四月 April", "shared": "1"})
            send(owner, "/definitions", {"tab": "text", "text": draft_text(), "reason": "四月 April"})
            send(owner, "/programmes/import", {"file": (io.BytesIO(MAILS), "mails.csv")})
            link = {"programme": "welcome", "url": "https://www.hinode.example/tour", "step": "2 the tour"}
            send(owner, "/programmes/links", link)
            send(owner, "/surveys/import", {"file": (io.BytesIO(ANSWERS), "answers.csv")})
            send(owner, "/surveys", {"name": "四月 April"})
            sent = send(owner, "/costs/import", {"file": (io.BytesIO(CSV), "spend.csv")})
            draft = sent.headers.get("Location", "").partition("?")[0].rpartition("/")[2]
            send(owner, "/stages/import", {"file": (io.BytesIO(stage_file_of(store)), "stages.csv")})
            send(owner, "/accounts/import/load", {"list": accounts_in(store)})
            cookie = owner.get_cookie("minamoto")
            yield Walked(live, cookie.value, paths_of(store, draft))


def accounts_in(store: Engine) -> str:
    """A list of target accounts, of companies that have people and of one that has none."""
    with reading(store) as tx:
        query = select(contacts.c.company_domain).where(contacts.c.company_domain.is_not(None)).distinct()
        domains = tx.execute(query.order_by(contacts.c.company_domain)).scalars().all()
    rows = [f"{domain},{'AB'[n % 2]},田中 Hana" for n, domain in enumerate([*domains, "target.example"])]
    return "\n".join(["domain,tier,owner", *rows])


def stage_file_of(store: Engine) -> bytes:
    """A file with somebody who moves on, somebody who goes back, and somebody whom nobody knows."""
    with reading(store) as tx:
        query = select(contacts.c.crm_id, contacts.c.stage).where(
            contacts.c.crm_id.is_not(None), contacts.c.stage.is_not(None)
        )
        known = tx.execute(query.order_by(contacts.c.stage).limit(20)).all()
    rows = [f"{known[0].crm_id},evangelist", f"{known[-1].crm_id},subscriber", "nobody@example.com,lead"]
    return "\n".join(["CRM ID,Stage", *rows]).encode()


def paths_of(store: Engine, draft: str) -> dict[str, str]:
    """Every page's address with examples of the site."""
    with reading(store) as tx:

        def one(column: Any, number: int = 0) -> Any:
            return tx.execute(select(column).order_by(column).offset(number).limit(1)).scalar_one()

        buyer = tx.execute(select(deal_contacts.c.contact_id).order_by(deal_contacts.c.contact_id)).scalar()
        lead = tx.execute(select(conversions.c.conversion_id).where(conversions.c.kind == "lead")).scalar()
        examples = {
            "contact": buyer,
            "other": tx.execute(select(contacts.c.contact_id).where(contacts.c.contact_id != buyer)).scalar(),
            "conversion": lead,
            "cost": one(costs.c.cost_id),
            "deal": one(deals.c.reference),
            "domain": tx.execute(select(contacts.c.company_domain).where(contacts.c.contact_id == buyer)).scalar(),
            "draft": draft,
            "stage_draft": one(stage_drafts.c.draft_id),
            "segment": one(segments.c.segment_id),
            "touch": tx.execute(select(touchpoints.c.touchpoint_id).limit(1)).scalar(),
        }
    return {name: path.format(**examples) for name, path in PAGES.items()}


def test_every_page_is_walked(walked: Walked) -> None:
    """A new page that is not among PAGES is not looked at: so this fails until it is."""
    app = walked.live.server.app
    assert isinstance(app, Flask)
    pages = {
        rule.endpoint.removeprefix("pages.")
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("pages.")
        and "GET" in (rule.methods or ())
        and "form" not in rule.arguments
        and audience_of(app, rule.endpoint) in (Audience.PEOPLE, Audience.ANYONE)
    }
    assert sorted(pages - NO_PAGES) == sorted(PAGES)


def english() -> list[tuple[str, str]]:
    """What the pages say in English and otherwise in Japanese."""
    with PO.open("rb") as file:
        return [
            (text, said)
            for message in read_po(file, locale="ja")
            for text, said in zip(
                message.id if isinstance(message.id, tuple) else (message.id,),
                (message.string if isinstance(message.string, tuple) else (message.string,)) * 2,
                strict=False,
            )
            if text and text != said
        ]


@cache
def matcher() -> tuple[frozenset[str], list[re.Pattern[str]]]:
    """English messages as they stand, and as patterns where something is filled in."""
    plain, filled = set(), []
    for text, _ in english():
        if "%(" not in text:
            plain.add(" ".join(text.split()))
        elif len(re.findall("[a-z]{3,}", re.sub(r"%\(\w+\)s", "", text))) > 1:
            filled.append(re.compile(re.sub(r"%\\\(\w+\\\)s", ".*", re.escape(text))))
    return frozenset(plain), filled


def wrong_words(page: Page, language: str, known: tuple[frozenset[str], list[re.Pattern[str]]]) -> list[str]:
    """What the page says in the other language."""
    said: list[str] = page.evaluate(SAID)
    if language == "en":
        return [text for text in said if JAPANESE.search(text)]
    plain, filled = known
    return [text for text in said if text in plain or any(one.fullmatch(text) for one in filled)]


def violations(page: Page, rules: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """What axe finds against WCAG 2.2 AA, and where."""
    options = {"resultTypes": ["violations"], "runOnly": rules, "preload": False}
    found = Axe().run(page, context=ALIKE, options=options).response["violations"]
    return [
        (one["id"], [f"{node['html'][:150]} {node['any'][:1]}"[:400] for node in one["nodes"][:4]]) for one in found
    ]


def faults(page: Page, path: str, status: int, language: str, rules: dict[str, Any], known: Any) -> list[object]:
    """All that is wrong with a page."""
    answer = page.goto(path)
    if answer is None or answer.status != status:
        return [f"answers {answer and answer.status}"]
    wrong: list[object] = []
    facts = page.evaluate(
        "document.fonts.ready.then(() => ({h1: document.querySelectorAll('h1').length, title: document.title,"
        " lang: document.documentElement.lang,"
        " wide: document.documentElement.scrollWidth - document.documentElement.clientWidth}))"
    )
    if facts["h1"] != 1 or facts["lang"] != language or not re.fullmatch(r"\S.* · Minamoto", facts["title"]):
        wrong.append(facts)
    if facts["wide"] > 0:
        wrong.append(f"{facts['wide']} px wider than the screen")
    if words := wrong_words(page, language, known):
        wrong.append(("the other language", words))
    # A table that was scrolled sideways has columns under the one that stays: that is no small target.
    page.evaluate(TO_THE_LEFT)
    return wrong + violations(page, rules)


def faults_beside(page: Page, width: int, scheme: str, by_axe: bool) -> list[object]:
    """What is wrong with the page that is open when the screen becomes another one."""
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    wrong: list[object] = []
    try:
        page.wait_for_function(FITS, timeout=2_000)
    except Timeout:
        wrong.append(f"wider than a screen of {width} px")
    page.evaluate(TO_THE_LEFT)
    return wrong + (violations(page, SIGHT) if by_axe else [])


def visitor(walked: Walked, new_context: NewContext, language: str, width: int, scheme: str) -> BrowserContext:
    """The owner's browser."""
    screen = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme, "reduced_motion": "reduce"}
    context = new_context(locale=language, **screen)
    origin = {"name": "minamoto", "value": walked.cookie, "url": walked.live.origin}
    context.add_cookies([origin])  # type: ignore[list-item]
    return context


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize(("language", "rules"), [("ja", WCAG), ("en", SIGHT)], ids=["ja", "en"])
def test_every_page_is_well_made(
    walked: Walked, new_context: NewContext, language: str, rules: dict[str, Any], part: int
) -> None:
    """Each language on a computer, light, and on a phone, dark: as it is opened first, and turned into the other."""
    first, second = SCREENS if language == "ja" else SCREENS[::-1]
    context = visitor(walked, new_context, language, *first)
    page, noises = context.new_page(), list[str]()
    page.on("console", lambda said: noises.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: noises.append(str(error)))
    page.goto(f"{walked.live.origin}/login?lang={language}")
    known, found = matcher(), {}
    for name, path in [*walked.paths.items(), ("error page", NOT_FOUND)][part::PARTS]:
        noises.clear()
        status = STATUS.get(name, 200)
        page.set_viewport_size({"width": first[0], "height": 900})
        page.emulate_media(color_scheme=first[1], reduced_motion="reduce")  # type: ignore[arg-type]
        wrong = faults(page, f"{walked.live.origin}{path}", status, language, rules, known)
        wrong += faults_beside(page, *second, by_axe=language == "ja" and name in MAIN)
        wrong += [noise for noise in noises if status == 200 or str(status) not in noise]
        if wrong:
            found[name] = wrong
    assert not found, pformat(found, width=160)
