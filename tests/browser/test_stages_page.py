"""An owner gives the site a stage of its own and puts somebody into it by a file: on a phone, without JavaScript."""

from playwright.sync_api import expect

from tests.browser.conftest import NewContext
from tests.browser.test_policy_page import PASSWORD, is_well_made, pytestmark
from tests.live import Live
from tests.walks import START, World, walk
from tests.world import CHEAP
from tracker.access.users import add_user
from tracker.db.store import begin

__all__ = ["pytestmark"]
FILE = "メールアドレス,ステージ\nhana@kyoto.example,体験\nnobody@kyoto.example,MQL\n".encode("cp932")


def test_a_stage_is_added_moved_and_filled_by_a_file_without_javascript(live: Live, new_context: NewContext) -> None:
    walk(World(live.store))
    with begin(live.store) as tx:
        add_user(tx, "alice@acme.example", PASSWORD, now=START, hasher=CHEAP)
    page = new_context(viewport={"width": 390, "height": 844}, java_script_enabled=False).new_page()
    page.goto(f"{live.origin}/login?next=/stages&lang=ja")
    page.locator("input[name=email]").fill("alice@acme.example")
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("form button").first.click()
    page.wait_for_url("**/stages*")
    page.locator("input[name=stage_8]").fill("trial")
    page.locator("input[name=label_8]").fill("体験")
    page.locator("input[name=label_8]").press("Enter")
    expect(page.locator(".flash.success")).to_be_visible()
    names = page.locator(".stage-list th code")
    expect(names).to_have_text([*NAMES[:7], "trial", "other"])
    page.get_by_role("button", name="体験を上へ").click()
    expect(names).to_have_text([*NAMES[:6], "trial", "evangelist", "other"])
    page.get_by_role("link", name="ステージのインポート").click()
    page.locator("input[type=file]").set_input_files({"name": "段階.csv", "mimeType": "text/csv", "buffer": FILE})
    page.get_by_role("button", name="内容を確認").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("段階.csv")
    expect(page.locator(".tally strong")).to_have_text(["2", "1", "0", "0", "1"])
    page.get_by_role("button", name="1件のステージを設定").click()
    page.locator("a[href*='stage=trial']").click()
    expect(page.locator("a.row-link")).to_have_count(1)
    page.locator("a.row-link").click()
    expect(page.locator(".stage-times th[scope=row]")).to_contain_text(["体験"])
    expect(page.locator(".facts .badge")).to_have_text("体験")
    seen = new_context(viewport={"width": 390, "height": 844}, storage_state=page.context.storage_state()).new_page()
    for path in ("/stages", "/stages/import"):
        seen.goto(f"{live.origin}{path}")
        is_well_made(seen)


NAMES = [
    "subscriber",
    "lead",
    "marketingqualifiedlead",
    "salesqualifiedlead",
    "opportunity",
    "customer",
    "evangelist",
]
