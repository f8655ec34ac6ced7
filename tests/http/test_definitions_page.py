"""Definitions as pages: built without JavaScript, tried, signed by two people, and people move."""

from html.parser import HTMLParser

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from tests.people import SQLITE_ONLY, browser_of, send
from tests.world import World
from tracker.db.schema import contacts, stage_changes
from tracker.db.store import begin, reading
from tracker.lifecycle.versions import saved_versions
from tracker.staging import n_left, restage_some
from tracker.vocabulary import Role

pytestmark = SQLITE_ONLY
HOSTILE = '"><script>alert(1)</script>'
RULE = '[[rule]]\nname = "asked"\nstage = "marketingqualifiedlead"\nwhen = { form = "contact" }\n'


class Fields(HTMLParser):
    """The fields of the page's form as a browser would send them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.inside = self.is_text = False
        self.select: str | None = None
        self.found: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if tag == "form":
            self.inside = "definition-form" in (told.get("class") or "")
        if not self.inside:
            return
        name, kind = told.get("name") or "", told.get("type")
        if tag == "input" and (kind not in ("radio", "checkbox") or "checked" in told):
            self.found[name] = told.get("value") or ""
        if tag == "select":
            self.select = name
        if tag == "option" and self.select and ("selected" in told or self.select not in self.found):
            self.found[self.select] = told.get("value") or ""
        if tag == "textarea":
            self.text, self.is_text, self.found[name] = name, True, ""

    def handle_data(self, data: str) -> None:
        if self.is_text:
            self.found[self.text] += data.removeprefix("\n") if not self.found[self.text] else data

    def handle_endtag(self, tag: str) -> None:
        self.is_text = self.is_text and tag != "textarea"


def pressed(browser: FlaskClient, page: str, deed: str, **more: str) -> str:
    """The page that comes back when a button of the form is pressed."""
    answer = send(browser, "/definitions/draft?lang=en", {**Fields(page).found, **more, "do": deed})
    assert answer.status_code in (200, 422)
    return answer.text


def saved(browser: FlaskClient, text: str, reason: str = "agreed", **more: str) -> int:
    """Save a definition by its text; the status of the answer."""
    form = {"tab": "text", "text": text, "reason": reason, "when": "now", **more}
    return send(browser, "/definitions", form).status_code


def stage_of(world: World, contact_id: str) -> str | None:
    with reading(world.store) as tx:
        return tx.execute(select(contacts.c.stage).where(contacts.c.contact_id == contact_id)).scalar()


def test_a_rule_is_built_tried_signed_by_two_and_people_move(world: World) -> None:
    hana = world.walk()
    mika, kenji = browser_of(world, email="mika@acme.example"), browser_of(world, Role.ANALYST, "kenji@acme.example")
    page = mika.get("/definitions/new?lang=en").text
    for _ in range(4):
        page = pressed(mika, page, "drop:r0")
    for _ in range(6):
        page = pressed(mika, page, "drop:p0")
    assert "Add a rule, or something that gives points." in pressed(mika, page, "try")
    page = pressed(mika, page, "rule")
    page = pressed(mika, page, "add:r0.w", **{"r0.w-new": "any"})
    page = pressed(mika, page, "add:r0.w.0", **{"r0.w.0-new": "form"})
    page = pressed(mika, page, "add:r0.w.0", **{"r0.w.0-new": "attribute"})
    filled = {"r0-name": "asked", "r0-stage": "marketingqualifiedlead", "r0.w.0.0-texts": "contact | demo"}
    assert "Name the attribute." in pressed(mika, page, "try", **filled)
    filled |= {"r0.w.0.1-name": "employees", "r0.w.0.1-at_least": "100"}
    text = Fields(pressed(mika, page, "text", **filled)).found["text"]
    assert text == (
        '[[rule]]\nname = "asked"\nstage = "marketingqualifiedlead"\nwhen.any = [\n'
        '  { form = ["contact", "demo"] },\n  { attribute = "employees", at_least = 100 },\n]\n'
    )
    tried = pressed(mika, page, "try", **filled)
    assert "1 person would stand in another stage." in tried
    assert "the form “contact” or “demo” was sent, or employees ≥ 100" in tried
    answer = send(mika, "/definitions", {**Fields(page).found, **filled, "reason": "agreed in March"})
    assert answer.headers["Location"].startswith("/definitions/1?")
    assert stage_of(world, hana) is None
    send(mika, "/definitions/1/sign", {"side": "marketing"})
    assert (
        "signed for by two people"
        in send(mika, "/definitions/1/sign?lang=en", {"side": "sales"}, follow_redirects=True).text
    )
    assert stage_of(world, hana) is None
    done = send(kenji, "/definitions/1/sign?lang=en", {"side": "sales"}, follow_redirects=True).text
    assert "Everybody is being counted anew: 1 person is left." in done
    with begin(world.store) as tx:
        while restage_some(tx, 100, world.clock()):
            pass
        assert n_left(tx, world.acme.site_id) == 0
        evidence = tx.execute(select(stage_changes.c.evidence, stage_changes.c.version)).one()
    assert stage_of(world, hana) == "marketingqualifiedlead"
    assert (evidence.version, [one[1:] for one in evidence.evidence]) == (1, [["form", "contact"]])
    assert 'href="/definitions/1"' in mika.get(f"/contacts/{hana}").text
    assert "In force" in mika.get("/definitions?lang=en").text


def test_an_error_of_the_text_names_its_line_and_nothing_is_saved(world: World) -> None:
    mika = browser_of(world)
    wrong = {
        RULE + '\n[[rule]]\nname = "b"\nstage = "nowhere"\nwhen = { page = "/x" }\n': "Line 6",
        RULE + "x = = 1\n": "Line 5",
        "": "neither a [[rule]]",
    }
    for text, says in wrong.items():
        answer = send(mika, "/definitions?lang=en", {"tab": "text", "text": text, "reason": "x"})
        assert (answer.status_code, says in answer.text) == (422, True), text
    for more, says in (({"reason": " "}, "Say why"), ({"when": "day", "day": "2026-02-31"}, "Give a day")):
        answer = send(mika, "/definitions?lang=en", {"tab": "text", "text": RULE, "reason": "x", **more})
        assert (answer.status_code, says in answer.text) == (422, True), more
    page = mika.get("/definitions/new?tab=text").text
    kept = pressed(mika, page, "builder", text="[[rule")
    assert Fields(kept).found["text"] == "[[rule", "who turns to the builder with a text that cannot be read stays"
    with reading(world.store) as tx:
        assert saved_versions(tx, world.acme.site_id) == []


def test_comments_are_kept_as_long_as_the_builder_changes_nothing(world: World) -> None:
    mika = browser_of(world)
    page = mika.get("/definitions/new?tab=text&base=draft").text
    built = pressed(mika, page, "builder", text="# why\n" + RULE)
    assert Fields(pressed(mika, built, "text")).found["text"] == "# why\n" + RULE
    changed = pressed(mika, built, "text", **{"r0-name": "other"})
    assert Fields(changed).found["text"] == RULE.replace("asked", "other")


def test_a_version_is_withdrawn_until_both_have_signed_and_a_past_day_is_warned_of(world: World) -> None:
    mika = browser_of(world)
    assert saved(mika, RULE, when="day", day="2026-01-01") == 302
    assert "Its day is in the past" in mika.get("/definitions/1?lang=en").text
    send(mika, "/definitions/1/withdraw", {})
    again = send(mika, "/definitions/1/withdraw?lang=en", {}, follow_redirects=True).text
    assert "signed by both sides already, or withdrawn" in again
    assert send(mika, "/definitions/1/sign", {"side": "both"}).status_code == 422
    assert mika.get("/definitions/2").status_code == 404


def test_texts_of_a_definition_are_only_ever_text_and_a_viewer_sees_nobody(world: World) -> None:
    world.walk(email="hana-secret@kyoto.example")
    mika, bob = browser_of(world), browser_of(world, Role.VIEWER)
    text = RULE.replace("asked", HOSTILE.replace('"', '\\"'))
    assert saved(mika, text, reason=HOSTILE) == 302
    for path in (
        "/definitions",
        "/definitions/1",
        "/definitions/1/try",
        "/definitions/new?base=1",
        "/definitions/new?base=1&tab=text",
    ):
        assert "<script>alert" not in mika.get(path).text, path
    assert "hana-secret" in mika.get("/definitions/1/try").text
    assert "hana-secret" not in bob.get("/definitions/1/try").text
    assert bob.get("/definitions/1/try.csv").status_code == 403
    assert "hana-secret@kyoto.example" in mika.get("/definitions/1/try.csv").text


def test_the_drift_of_a_count_is_a_page_and_a_file(world: World) -> None:
    world.walk()
    mika, kenji = browser_of(world), browser_of(world, email="kenji@acme.example")
    assert "Nobody has come into this stage" in mika.get("/definitions/drift?lang=en").text
    assert saved(mika, RULE, when="day", day="2026-01-01") == 302
    send(mika, "/definitions/1/sign", {"side": "marketing"})
    send(kenji, "/definitions/1/sign", {"side": "sales"})
    world.clock.forward(days=1)
    assert saved(mika, RULE.replace("contact", "demo")) == 302
    page = mika.get("/definitions/drift?lang=en").text
    assert "2026-04" in page
    assert "Version 2" not in page.partition("<table")[2], "nobody signed it"
    rows = mika.get("/definitions/drift.csv?lang=en").text.splitlines()
    assert rows[1:2] == ["2026-04,1,1"]
    try_page = mika.get("/definitions/2/try?lang=en&reading=as_dated").text
    assert "Nothing would change." in try_page
    assert "1 person would stand in another stage." in mika.get("/definitions/2/try?lang=en&against=1").text
    assert mika.get("/definitions/2/try?against=9").status_code == 404


@pytest.mark.parametrize("language", ["en", "ja"])
def test_every_kind_of_condition_has_its_sentence(world: World, language: str) -> None:
    kinds = ("page", "form", "event", "call", "chat", "offline", "touch", "mail", "nps", "deal", "person")
    deeds = [f'{{ {kind} = "{text}", times = 2, within_days = 30 }}' for kind in kinds for text in ("*", "x")]
    more = '{ attribute = "a", is = "b", is_not = "c", matches = "d*", at_least = 1.5, known = true }, { score = 9 }'
    text = f"{RULE.partition('when')[0]}when.all = [ {', '.join(deeds)}, {{ not = {{ any = [ {more} ] }} }} ]\n"
    browser = browser_of(world, language=language)
    assert saved(browser, text) == 302
    page = browser.get("/definitions/1").text
    sentence = page.partition('<dl class="rule-list">')[2].partition("</dl>")[0]
    assert "None" not in sentence
    assert ("≥ 1.5" in sentence, "％" in sentence, "%(" in sentence) == (True, False, False)
    assert ("was seen" in sentence) == (language == "en")
    assert ("を閲覧" in sentence) == (language == "ja")
