"""(pure) The exports of advertising platforms: which words head which column, and how their visits are usually tagged.

A platform is known by the names of its day, campaign and cost columns; docs/costs.md says where each export is made.
Headers as the platforms' help pages and exports have them, in English and Japanese, read 2026-11-22.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tracker.vocabulary import AdPlatform

# What a column can be.
DAY, UNTIL, CAMPAIGN, COST, CURRENCY = "day", "until", "campaign", "cost", "currency"
CLICKS, IMPRESSIONS, ACCOUNT, SOURCE, MEDIUM = "clicks", "impressions", "account", "source", "medium"
ROLES = (DAY, UNTIL, CAMPAIGN, COST, CURRENCY, CLICKS, IMPRESSIONS, SOURCE, MEDIUM, ACCOUNT)
NEEDED = (DAY, COST)
TOTALS = ("total", "grand total", "summary", "合計", "総計", "小計", "全体")
UNIT = re.compile(r"\s*[(（][A-Za-z]{3}[)）]\s*$|\s*[(（]円[)）]\s*$")


@dataclass(frozen=True, slots=True)
class Layout:
    """A platform's export. `columns`: what names each column may have, the likeliest first, in plain words.

    source, medium  how the visits of its ads are tagged on most sites
    marks           names of other columns that only this platform has
    currency        in which it always bills, though no column says so
    """

    platform: AdPlatform
    source: str
    medium: str
    columns: Mapping[str, Sequence[str]]
    marks: tuple[str, ...] = ()
    currency: str | None = None


YAHOO_COLUMNS = {
    DAY: ("日", "day", "daily"),
    CAMPAIGN: ("キャンペーン名", "campaign name"),
    COST: ("コスト", "cost"),
    CLICKS: ("クリック数", "clicks"),
    IMPRESSIONS: ("インプレッション数", "impressions"),
    ACCOUNT: ("アカウント名", "account name", "アカウントid", "account id"),
}
LAYOUTS = (
    Layout(
        AdPlatform.GOOGLE_ADS,
        "google",
        "cpc",
        {
            DAY: ("day", "日", "date", "日付"),
            CAMPAIGN: ("campaign", "キャンペーン"),
            COST: ("cost", "費用"),
            CURRENCY: ("currency code", "通貨コード", "currency"),
            CLICKS: ("clicks", "クリック数"),
            IMPRESSIONS: ("impr.", "表示回数", "impressions", "インプレッション数"),
            ACCOUNT: ("account", "アカウント", "account name", "アカウント名", "customer id", "お客様id"),
        },
        ("campaign type", "campaign state", "campaign status", "キャンペーンの状態", "budget", "予算"),
    ),
    Layout(
        AdPlatform.META_ADS,
        "facebook",
        "paid_social",
        {
            DAY: ("day", "日", "reporting starts", "レポート開始日"),
            UNTIL: ("reporting ends", "レポート終了日"),
            CAMPAIGN: ("campaign name", "キャンペーン名", "キャンペーンの名前"),
            COST: ("amount spent", "消化金額"),
            CURRENCY: ("currency", "通貨"),
            CLICKS: ("link clicks", "リンクのクリック", "リンククリック", "clicks (all)", "クリック(すべて)"),
            IMPRESSIONS: ("impressions", "インプレッション"),
            ACCOUNT: ("account name", "アカウント名", "account id", "アカウントid"),
        },
        ("reporting starts", "レポート開始日", "reach", "リーチ", "ad set name", "広告セット名"),
    ),
    Layout(
        AdPlatform.MICROSOFT_ADS,
        "bing",
        "cpc",
        {
            DAY: ("gregorian date", "time period", "day", "date", "日付", "日", "期間"),
            CAMPAIGN: ("campaign name", "campaign", "キャンペーン名", "キャンペーン"),
            COST: ("spend", "支出", "使用額", "利用額"),
            CURRENCY: ("currency code", "通貨コード"),
            CLICKS: ("clicks", "クリック数", "クリック"),
            IMPRESSIONS: ("impr.", "impressions", "表示回数", "インプレッション"),
            ACCOUNT: ("account name", "アカウント名", "account number", "アカウント番号"),
        },
        ("account number", "アカウント番号", "campaign status"),
    ),
    Layout(
        AdPlatform.LINKEDIN_ADS,
        "linkedin",
        "paid_social",
        {
            DAY: ("start date (in utc)", "start date (utc)", "date", "day", "開始日(utc)", "開始日"),
            CAMPAIGN: ("campaign name", "キャンペーン名", "campaign group name", "キャンペーングループ名"),
            COST: ("total spent", "合計費用", "総費用", "消化額"),
            CURRENCY: ("currency", "通貨"),
            CLICKS: ("clicks", "クリック数", "クリック"),
            IMPRESSIONS: ("impressions", "インプレッション数", "インプレッション"),
            ACCOUNT: ("account name", "アカウント名"),
        },
        ("campaign group name", "キャンペーングループ名", "campaign id"),
    ),
    Layout(
        AdPlatform.YAHOO_ADS_SEARCH,
        "yahoo",
        "cpc",
        YAHOO_COLUMNS,
        ("広告掲載方式の指定", "network", "インプレッションシェア", "impression share", "キーワード", "検索クエリー"),
        "JPY",
    ),
    Layout(
        AdPlatform.YAHOO_ADS_DISPLAY,
        "yahoo",
        "display",
        YAHOO_COLUMNS,
        (
            *("広告掲載方式", "ad distribution", "daily", "ビューインプレッション数", "viewable impressions"),
            *("ビューアブルインプレッション数", "掲載フォーマット", "キャンペーン目的", "動画の再生数"),
        ),
        "JPY",
    ),
)
OWN = Layout(
    AdPlatform.OWN,
    "",
    "",
    {
        DAY: ("day", "date", "日", "日付", "年月日", "配信日", "start date", "開始日", "from"),
        UNTIL: ("until", "to", "end date", "終了日", "last day"),
        CAMPAIGN: ("campaign", "campaign name", "utm_campaign", "キャンペーン", "キャンペーン名", "施策", "施策名"),
        COST: ("cost", "spend", "amount", "amount spent", "費用", "コスト", "広告費", "金額", "利用金額", "ご利用額"),
        CURRENCY: ("currency", "currency code", "通貨", "通貨コード"),
        CLICKS: ("clicks", "クリック数", "クリック"),
        IMPRESSIONS: ("impressions", "impr.", "インプレッション数", "インプレッション", "表示回数"),
        ACCOUNT: ("account", "account name", "アカウント", "アカウント名"),
        SOURCE: ("source", "utm_source", "参照元", "流入元", "媒体"),
        MEDIUM: ("medium", "utm_medium", "メディア"),
    },
)
BY_PLATFORM = {layout.platform: layout for layout in (*LAYOUTS, OWN)}


def plain_name(name: str) -> str:
    """A column's name to compare: ordinary characters, small letters, no currency behind it, no marks around it."""
    word = " ".join(unicodedata.normalize("NFKC", UNIT.sub("", name[:120])).casefold().split())
    return word.replace("( ", "(").replace(" (", "(") if not word.isascii() else word


def columns_of(layout: Layout, names: Sequence[str]) -> dict[str, int]:
    """Which column of a header is what, by a layout; what it does not find is left out. No column is two things."""
    words = [plain_name(name) for name in names]
    found: dict[str, int] = {}
    for role, wanted in layout.columns.items():
        place = next((words.index(word) for word in wanted if word in words), None)
        if place is not None and place not in found.values():
            found[role] = place
    return found


def score(layout: Layout, names: Sequence[str]) -> int:
    """How well a header is a platform's; 0 if it is not."""
    found = columns_of(layout, names)
    if any(role not in found for role in (DAY, COST, CAMPAIGN)):
        return 0
    words = {plain_name(name) for name in names}
    return 10 * len(found) + 5 * sum(mark in words for mark in layout.marks)


def known_by(names: Sequence[str]) -> AdPlatform | None:
    """The platform whose header this is; of two, the one that explains more columns. None if it is nobody's."""
    best = max(LAYOUTS, key=lambda layout: score(layout, names))
    is_own = len(columns_of(OWN, names)) > len(columns_of(best, names))  # it says sources, or the like
    return best.platform if score(best, names) and not is_own else None


def is_total(cell: str) -> bool:
    """Whether a cell begins a line of totals: 'Total: account', '合計', '合計: キャンペーン'."""
    word = plain_name(cell.lstrip("-—– "))
    return any(word == total or word.startswith((f"{total}:", f"{total} -", f"{total}(")) for total in TOTALS)
