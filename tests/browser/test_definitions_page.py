"""A rule is written in the builder, tried on history, signed by two people; then somebody moves. In two languages."""

from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewContext
from tests.browser.test_policy_page import is_well_made
from tests.live import Live
from tests.walks import START, World
from tests.world import CHEAP
from tracker.access.users import add_user
from tracker.db.store import begin
from tracker.staging import restage_some

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)]
PASSWORD = "correct horse"
WORDS = {
    "en": ("Remove the rule", "Add a rule", "Add a condition", "Try on history", "Save", "Text", "Rule builder"),
    "ja": (
        "ルールを削除", "ルールを追加", "条件を追加", "過去のデータで試算", "保存", "テキスト", "ルールビルダー"
    ),
}  # fmt: skip
MOVES = {"en": "1 person would stand in another stage.", "ja": "1人のステージが変わります。"}
SIGN = {
    "en": ("Sign for marketing", "Sign for sales", "In force"),
    "ja": ("マーケティングとして承認", "営業として承認", "有効"),
}


def log_in(new_context: NewContext, live: Live, name: str, language: str, width: int) -> Page:
    with begin(live.store) as tx:
        add_user(tx, f"{name}@acme.example", PASSWORD, now=START, hasher=CHEAP)
    page = new_context(viewport={"width": width, "height": 900}).new_page()
    page.goto(f"{live.origin}/login?next=/definitions/new&lang={language}")
    page.locator("input[name=email]").fill(f"{name}@acme.example")
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("form button").first.click()
    page.wait_for_url("**/definitions/new*")
    return page


@pytest.mark.parametrize(("language", "width"), [("en", 1280), ("ja", 390)])
def test_a_rule_is_written_tried_signed_twice_and_somebody_moves(
    live: Live, new_context: NewContext, language: str, width: int
) -> None:
    world = World(live.store)
    form = {"form": {"id": "demo"}, "identifiers": {"email": "hana@kyoto.example"}}
    world.send("hana", [world.hit(START, "/demo", kind="form", **form)])
    world.fold()
    live.clock.at = datetime(2026, 5, 1, 3, tzinfo=UTC)
    drop, rule, condition, try_it, save, text, builder = WORDS[language]
    mika = log_in(new_context, live, "mika", language, width)
    mika.get_by_role("button", name=text, exact=True).click()
    mika.locator("textarea[name=text]").fill('[[rule]]\nname = "Any"\nstage = "lead"\nwhen = { page = "/a" }\n')
    mika.get_by_role("button", name=builder, exact=True).click()
    expect(mika.locator("[name='r0.w.0-texts']")).to_have_value("/a")
    mika.get_by_role("button", name=drop, exact=True).click()
    expect(mika.get_by_role("button", name=drop, exact=True)).to_have_count(0)
    mika.get_by_role("button", name=rule, exact=True).click()
    mika.locator("select[name='r0.w-new']").select_option("form")
    mika.get_by_role("button", name=condition, exact=True).click()
    expect(mika.locator("[name='r0.w.0-texts']")).to_be_visible()
    mika.locator("[name=r0-name]").fill("Demo")
    mika.locator("[name=r0-stage]").select_option("salesqualifiedlead")
    mika.locator("[name='r0.w.0-texts']").fill("demo | trial-*")
    if language == "ja":
        is_well_made(mika)
    mika.get_by_role("button", name=text, exact=True).click()
    expect(mika.locator("textarea[name=text]")).to_have_value(
        '[[rule]]\nname = "Demo"\nstage = "salesqualifiedlead"\nwhen = { form = ["demo", "trial-*"] }\n'
    )
    mika.locator("textarea[name=reason]").fill("四月 April")
    mika.locator("input[name=when][value=day]").check()
    mika.locator("input[name=day]").fill("2026-01-01")
    mika.get_by_role("button", name=try_it, exact=True).click()
    expect(mika.locator("#trial").get_by_text(MOVES[language])).to_be_visible()
    if language == "en":
        is_well_made(mika)
    mika.get_by_role("button", name=save, exact=True).click()
    mika.get_by_role("button", name=SIGN[language][0]).click()
    expect(mika.get_by_role("button", name=SIGN[language][1])).to_have_count(0)
    kenji = log_in(new_context, live, "kenji", language, width)
    kenji.goto(f"{live.origin}/definitions/1")
    kenji.get_by_role("button", name=SIGN[language][1]).click()
    expect(kenji.locator("h1").get_by_text(SIGN[language][2], exact=True)).to_be_visible()
    with begin(live.store) as tx:
        while restage_some(tx, 100, live.clock()):
            pass
    kenji.goto(f"{live.origin}/contacts")
    kenji.get_by_text("hana@kyoto.example").first.click()
    expect(kenji.locator(".badge.role", has_text="SQL").first).to_be_visible()
