"""The main use of each room in a real browser, in Japanese and English, on one site of one owner.

What other modules of this folder walk in one language only (reports, costs, contacts) is walked in the other one here.
"""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.browser.conftest import NewContext
from tests.browser.test_every_page import Seen
from tests.live import Live, running
from tests.people import browser_of
from tests.walks import START, World, walk
from tests.world import PASSWORD
from tracker.collect.journal import Refused, count_refusals
from tracker.db.store import begin, connect
from tracker.db.upgrade import upgrade
from tracker.vocabulary import Refusal

pytestmark = pytest.mark.browser

NOW = START + timedelta(days=20)
APRIL = "period=custom&from=2026-04-01&to=2026-04-30"
EXPORT = "Day,Campaign,Currency code,Cost,Clicks,Impr.\n2026-04-01,Spring!,EUR,12.50,3,40\n"
# What a marketer reads in Japanese for what is written below in English.
JAPANESE = {
    "Add a number": "番号を追加",
    "All saved views": "保存したビューの一覧",
    "Analyst": "アナリスト",
    "Apply": "適用",
    "As of": "基準日",
    "Audit log": "操作履歴",
    "Busy": "混雑",
    "Campaign": "キャンペーン",
    "Check my site": "サイトを確認",
    "Deal amount": "商談金額",
    "Delete": "削除",
    "E-mail": "メールアドレス",
    "Edit": "編集",
    "End of the day": "この日の終わり",
    "Export": "エクスポート",
    "Hits are coming in": "計測中です",
    "Import 1 cost": "1件の費用を取り込む",
    "Import a file": "ファイルを取り込む",
    "Install": "設置",
    "Language of the mails": "メールの言語",
    "Let in": "追加",
    "Log in": "ログイン",
    "Look at it": "内容を確認",
    "New number": "新しい番号",
    "New password": "新しいパスワード",
    "Next on": "次回は",
    "Opportunities": "商談",
    "Or printed somewhere: source": "または印刷物などの番号：参照元",
    "Overview": "概要",
    "Paid search": "検索広告",
    "Password": "パスワード",
    "Refused, by reason": "除外したヒットの内訳",
    "Remove": "削除",
    "Revenue": "売上",
    "Role": "権限",
    "Save": "保存",
    "Save the role of": "の権限を保存",
    "Save this view": "このビューを保存",
    "Save this view as": "ビューの名前",
    "Saved.": "保存しました。",
    "Set the password": "パスワードを設定する",
    "Source report": "流入元レポート",
    "Stages": "ステージ",
    "The conversions behind it": "内訳のコンバージョン",
    "The deals behind it": "内訳の商談",
    "The view is deleted.": "ビューを削除しました。",
    "The view is saved.": "ビューを保存しました。",
    "Viewer": "閲覧者",
    "Views": "ビュー",
    "Visits": "訪問",
    "Weekly": "週次",
    "You get no more reports of this site.": "このサイトのレポートは今後届きません。",
    "Your account": "アカウント",
}


@dataclass(frozen=True)
class Site:
    """A running Minamoto, and an owner's browser."""

    live: Live
    context: BrowserContext


@dataclass(frozen=True)
class Reader:
    """The owner at a page, reading one of the languages."""

    page: Page
    origin: str
    language: str

    def word(self, english: str) -> str:
        return english if self.language == "en" else JAPANESE[english]

    def open(self, path: str) -> None:
        self.page.goto(f"{self.origin}{path}{'&' if '?' in path else '?'}lang={self.language}")

    def reads(self, english: str) -> None:
        """The words stand on the page, and can be seen."""
        expect(self.page.get_by_text(self.word(english)).locator("visible=true").first).to_be_visible()

    def press(self, english: str) -> None:
        self.page.get_by_role("button", name=self.word(english), exact=True).locator("visible=true").click()

    def follow(self, english: str) -> None:
        self.page.get_by_role("link", name=self.word(english), exact=True).locator("visible=true").first.click()

    def unfold(self, english: str) -> None:
        """Open a menu, or what more there is."""
        self.page.locator("summary", has_text=self.word(english)).first.click()

    def field(self, english: str) -> Locator:
        return self.page.get_by_label(self.word(english)).locator("visible=true")

    def table(self, english: str) -> Locator:
        """The rows of the table of this name."""
        region = self.page.get_by_role("region", name=re.compile(f"^{re.escape(self.word(english))}"))
        return region.first.locator("tbody tr")

    def is_at(self, english: str) -> None:
        expect(self.page.get_by_role("heading", level=1)).to_contain_text(self.word(english))

    def taken(self, label: str) -> str:
        """What the menu of exports gives for a label."""
        self.unfold("Export")
        with self.page.expect_download() as download:
            self.page.get_by_role("link", name=label).click()
        return Path(download.value.path()).read_text(encoding="utf-8-sig")


@pytest.fixture(scope="module")
def site(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Hana's way to a deal won, and to one that is open; a hit just now, and some that were refused."""
    url = f"sqlite:///{tmp_path_factory.mktemp('rooms') / 'store.sqlite3'}"
    store = connect(url, synchronous="OFF")
    with ExitStack() as left:
        left.callback(store.dispose)
        upgrade(store)
        world = World(store)
        walk(world)
        buyer = [{"by": "email", "value": "hana@kyoto.example"}]
        asked, offered = START + timedelta(days=4), START + timedelta(days=9)
        world.deal("D-2", asked, amount="500.00", currency="EUR", stage="demo", contacts=buyer)
        world.deal("D-2", offered, stage="offer")
        world.send("w", [world.hit(NOW, "/")])
        world.fold()
        with begin(store) as tx:
            count_refusals(tx, {Refused.on(world.site.site_id, Refusal.BUSY, NOW, "Asia/Tokyo"): 3})
        live = left.enter_context(running(store, url))
        live.clock.at = NOW
        app = live.server.app
        assert isinstance(app, Flask)
        owner: Any = browser_of(Seen(store, app))  # type: ignore[arg-type]
        context = chromium.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
        left.callback(context.close)
        context.set_default_timeout(15_000)
        cookie = {"name": "minamoto", "value": owner.get_cookie("minamoto").value, "url": live.origin}
        context.add_cookies([cookie])  # type: ignore[list-item]
        yield Site(live, context)


@pytest.fixture
def reader(site: Site, language: str) -> Iterator[Reader]:
    """The owner at an empty tab; the browser must have nothing to complain of in the end."""
    page, noises = site.context.new_page(), list[str]()
    page.on("console", lambda said: noises.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: noises.append(str(error)))
    yield Reader(page, site.live.origin, language)
    page.close()
    assert noises == []


def in_both_languages(test: Any) -> Any:
    return pytest.mark.parametrize("language", ["en", "ja"])(test)


@in_both_languages
def test_the_pipeline_is_read_opened_taken_away_and_seen_as_it_was(reader: Reader) -> None:
    reader.open(f"/reports/opportunities?{APRIL}")
    reader.is_at("Opportunities")
    offer = reader.table("Stages").filter(has=reader.page.get_by_role("rowheader", name="offer"))
    offer.get_by_role("link", name="€500.00").first.click()
    reader.is_at("Deal amount")
    behind = reader.table("The deals behind it")
    expect(behind).to_have_count(1)
    expect(behind).to_contain_text("D-2")
    reader.page.go_back()
    reader.is_at("Opportunities")
    kept = reader.taken("CSV")
    assert "offer" in kept
    assert "500.00" in kept
    reader.unfold("As of")
    reader.field("End of the day").fill("2026-04-06")
    reader.page.locator("details[open]").get_by_role("button", name=reader.word("Apply")).click()
    reader.page.wait_for_url("**as_of=2026-04-06*")
    shown = reader.table("Stages").filter(has_text="€500.00")
    expect(shown).to_have_count(1)
    expect(shown.get_by_role("rowheader")).to_have_text("demo")


@in_both_languages
def test_a_view_is_saved_opened_by_its_link_and_deleted(reader: Reader) -> None:
    page, name = reader.page, f"四月 April {reader.language}"
    reader.open(f"/reports/source?{APRIL}&by=campaign")
    reader.unfold("Views")
    reader.field("Save this view as").fill(name)
    reader.press("Save this view")
    reader.reads("The view is saved.")
    page.locator("summary", has_text=name).click()
    reader.follow("All saved views")
    link = page.get_by_role("link", name=name)
    href = link.get_attribute("href")
    assert href
    assert re.fullmatch(r"/v/[\w-]+", href)
    link.click()
    reader.is_at("Source report")
    assert "by=campaign" in page.url
    expect(page.get_by_role("rowheader", name="spring")).to_be_visible()
    page.goto(f"{reader.origin}/views")
    reader.unfold("Edit")
    page.get_by_role("button", name=re.compile(f"^{reader.word('Delete')}.*{name}")).click()
    reader.reads("The view is deleted.")
    expect(page.get_by_role("link", name=name)).to_have_count(0)
    answer = page.request.get(f"{reader.origin}{href}")
    assert answer.status == 404


@in_both_languages
def test_a_weekly_mail_is_ordered_kept_and_stopped(reader: Reader) -> None:
    reader.open("/mail")
    reader.field("Weekly").check()
    reader.field("Language of the mails").select_option(reader.language)
    reader.press("Save")
    reader.reads("Saved.")
    reader.page.goto(f"{reader.origin}/mail")
    expect(reader.field("Weekly")).to_be_checked()
    expect(reader.field("Language of the mails")).to_have_value(reader.language)
    reader.reads("Next on")
    reader.field("Weekly").uncheck()
    reader.press("Save")
    reader.reads("You get no more reports of this site.")
    expect(reader.field("Weekly")).not_to_be_checked()


@in_both_languages
def test_a_colleague_is_let_in_given_another_role_and_found_in_the_log(reader: Reader, new_context: NewContext) -> None:
    page, email = reader.page, f"rei.{reader.language}@acme.example"
    reader.open("/team")
    reader.field("E-mail").fill(email)
    page.get_by_role("combobox", name=reader.word("Role"), exact=True).select_option(label=reader.word("Analyst"))
    reader.press("Let in")
    link = page.locator("#made-link").inner_text()
    page.get_by_label(re.compile(f"{email}.*権限$|^Role of {email}")).select_option(label=reader.word("Viewer"))
    page.get_by_role(
        "button", name=re.compile(f"{email}の権限を保存|{reader.word('Save the role of')} {email}")
    ).click()
    reader.reads("Saved.")
    page.get_by_label(reader.word("Your account")).click()
    reader.follow("Audit log")
    reader.is_at("Audit log")
    line = reader.table("Audit log").filter(has_text=email).first
    expect(line).to_contain_text(re.compile(f"{reader.word('Analyst')}.*{reader.word('Viewer')}"))
    colleague = new_context(locale=reader.language).new_page()
    colleague.goto(link)
    colleague.get_by_label(reader.word("New password")).fill(PASSWORD)
    colleague.get_by_role("button", name=reader.word("Set the password")).click()
    colleague.get_by_label(reader.word("E-mail")).fill(email)
    colleague.get_by_label(reader.word("Password"), exact=True).fill(PASSWORD)
    colleague.locator("main").get_by_role("button", name=reader.word("Log in")).click()
    colleague.wait_for_url("**/overview*")
    colleague.get_by_label(reader.word("Your account")).click()
    expect(colleague.get_by_text(email)).to_be_visible()
    expect(colleague.get_by_role("link", name=reader.word("Audit log"))).to_have_count(0)


@in_both_languages
def test_what_comes_in_and_what_is_refused_is_read_and_taken_away(reader: Reader) -> None:
    reader.open("/tracking")
    reader.reads("Hits are coming in")
    refused = reader.table("Refused, by reason").filter(has_text=reader.word("Busy"))
    expect(refused.get_by_role("cell").first).to_have_text("3")
    rows = {row["reason"]: row for row in json.loads(reader.taken("JSON"))["rows"]}
    assert (rows["busy"]["name"], rows["busy"]["today"]) == (reader.word("Busy"), 3)
    reader.follow("Check my site")
    reader.is_at("Install")


@in_both_languages
def test_a_printed_number_is_added_and_removed(reader: Reader) -> None:
    reader.open("/calls")
    reader.field("New number").fill("03-5555-6666")
    reader.field("Or printed somewhere: source").fill("brochure")
    reader.press("Add a number")
    line = reader.page.get_by_role("row", name="brochure")
    expect(line).to_be_visible()
    line.get_by_role("button", name=reader.word("Remove")).click()
    expect(line).to_have_count(0)


@pytest.mark.parametrize("language", ["ja"])
def test_a_channel_is_drilled_into_and_its_figure_opened(reader: Reader) -> None:
    reader.open(f"/reports/source?{APRIL}&by=channel&model=first")
    page = reader.page
    page.get_by_role("button", name=reader.word("Paid search")).click()
    reader.follow("Campaign")
    rows = page.locator("table.report tbody tr")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("spring")
    expect(page.locator(".chip")).to_contain_text(reader.word("Paid search"))
    rows.get_by_role("link", name="€1,000.00").first.click()
    reader.is_at("Revenue")
    expect(page.locator("main")).to_contain_text("D-1")
    page.go_back()
    reader.is_at("Source report")


@pytest.mark.parametrize("language", ["ja"])
def test_the_loop_is_read_by_visits_and_its_revenue_opened(reader: Reader) -> None:
    reader.open(f"/overview?{APRIL}")
    reader.is_at("Overview")
    reader.page.locator(".switch").get_by_role("link", name=reader.word("Visits"), exact=True).click()
    expect(reader.page.locator("#chart-title")).to_contain_text(reader.word("Visits"))
    expect(reader.page.locator("#chart .chart svg")).to_be_visible()
    reader.page.locator(".loop").get_by_role("link", name=reader.word("Revenue")).click()
    reader.is_at("Revenue")
    expect(reader.page.locator("main")).to_contain_text("D-1")


@pytest.mark.parametrize("language", ["ja"])
def test_a_figure_of_the_paths_opens_its_conversions(reader: Reader) -> None:
    reader.open(f"/reports/paths?{APRIL}&kind=lead")
    expect(reader.page.locator(".sankey svg text", has_text=reader.word("Paid search")).first).to_be_visible()
    reader.page.locator("table.paths a.figure").first.click()
    expect(reader.table("The conversions behind it")).to_have_count(1)


@pytest.mark.parametrize("language", ["ja"])
def test_a_file_of_costs_is_looked_at_and_imported(reader: Reader, tmp_path: Path) -> None:
    (tmp_path / "april.csv").write_text(EXPORT, encoding="utf-8")
    reader.open(f"/costs?{APRIL}")
    reader.follow("Import a file")
    reader.page.locator("input[type=file]").set_input_files(tmp_path / "april.csv")
    reader.press("Look at it")
    reader.press("Import 1 cost")
    expect(reader.page.get_by_text("1行を取り込みました（合計€12.50）。")).to_be_visible()


@pytest.mark.parametrize("language", ["en"])
def test_a_person_is_found_and_moved_to_another_stage(reader: Reader) -> None:
    page = reader.page
    reader.open("/contacts")
    page.get_by_role("searchbox").fill("hana@")
    page.get_by_role("searchbox").press("Enter")
    page.get_by_role("link", name="hana@kyoto.example").click()
    page.locator("main").get_by_role("combobox", name="Stage", exact=True).select_option(label="Evangelist")
    page.get_by_role("button", name="Set the stage").click()
    expect(page.locator("li.step-stage").filter(has_text="Evangelist")).to_contain_text("set by a user")
