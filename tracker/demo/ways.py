"""(pure) How people come to the demo company's site: links with their tags, the pages before, browsers, prices.

Each way (ways.csv) is what a browser would really show, so that channels are found by the same rules as anybody's.
Called by story.py; the pages that let a newcomer arrive "as if from an ad" use the same ways (api/demo).
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from urllib.parse import urlencode

# Path under the site -> title in Japanese and in English; the pages themselves are in api/demo.
PAGES = {
    "/demo/": (
        "日の出システムズ（デモ）｜現場の在庫と計画をひとつに",
        "Hinode Systems (demo) | Stock and plan in one place",
    ),
    "/demo/product": ("製品｜日の出プラン（デモ）", "Product | Hinode Plan (demo)"),
    "/demo/pricing": ("料金｜日の出プラン（デモ）", "Pricing | Hinode Plan (demo)"),
    "/demo/guide": (
        "在庫を2割減らす5つの手順｜日の出システムズ（デモ）",
        "Five steps to a fifth less stock | Hinode Systems (demo)",
    ),
    "/demo/seminar": ("無料セミナー｜日の出システムズ（デモ）", "Free seminar | Hinode Systems (demo)"),
    "/demo/contact": ("お問い合わせ｜日の出システムズ（デモ）", "Contact | Hinode Systems (demo)"),
    "/demo/thanks": ("ありがとうございます｜日の出システムズ（デモ）", "Thank you | Hinode Systems (demo)"),
}


@dataclass(frozen=True, slots=True)
class Way:
    """One way to arrive.

    tags         what the link carries, in order; {click} is a click id of its own, {issue} the newsletter's day
    referrer     the page before; '' for none
    landings     where the link leads; a path that is there twice is twice as likely
    browsers     group of AGENTS that opens it
    bounce       share of its visits that see one page only, 0-1
    click_minor  yen paid for a click; 0: costs nothing
    """

    key: str
    tags: tuple[tuple[str, str], ...]
    referrer: str
    landings: tuple[str, ...]
    browsers: str
    bounce: float
    click_minor: int = 0

    def url(self, base: str, landing: str, click: str = "", issue: str = "") -> str:
        """The whole address of the landing: base is scheme, host and port, landing one of PAGES."""
        tags = [(name, value.format(click=click, issue=issue)) for name, value in self.tags]
        return f"{base}{landing}?{urlencode(tags)}" if tags else f"{base}{landing}"

    def tag(self, name: str) -> str:
        """One tag's value; '' if the link has none."""
        return dict(self.tags).get(name, "")


def _way(row: Mapping[str, str]) -> Way:
    names = ("source", "medium", "campaign", "term")
    tags = [(f"utm_{name}", row[name]) for name in names if row[name]]
    if row["click_parameter"]:
        parameter, _, prefix = row["click_parameter"].partition("=")
        tags.append((parameter, prefix + "{click}"))
    return Way(
        key=row["key"],
        tags=tuple(tags),
        referrer=row["referrer"],
        landings=tuple("/demo/" + path.strip("/") for path in row["landings"].split()),
        browsers=row["browsers"],
        bounce=float(row["bounce"]),
        click_minor=int(row["click_minor"]),
    )


def table(name: str) -> list[dict[str, str]]:
    """The rows of one of this folder's CSV files."""
    return list(csv.DictReader(files("tracker.demo").joinpath(name).read_text("utf-8").splitlines()))


WAYS = {way.key: way for way in map(_way, table("ways.csv"))}

# What brings a browser for the first time, what brings it back, and what brings back a person who gets our mails.
OPENERS = {
    "google_organic": 22, "yahoo_organic": 8, "bing_organic": 2, "google_generic": 13, "google_stock": 5,
    "yahoo_generic": 8, "youtube_ad": 4, "meta_video": 9, "meta_story": 6, "linkedin_ad": 4, "x_post": 5,
    "note_article": 4, "hatena": 1, "youtube_video": 3, "line_account": 1, "chatgpt": 3, "perplexity": 1,
    "gemini": 1, "trade_press": 3, "partner": 1, "direct": 5,
}  # fmt: skip
RETURNS = {
    "direct": 34, "google_organic": 20, "yahoo_organic": 6, "google_brand": 14, "google_remarket": 12,
    "line_account": 5, "x_post": 3, "note_article": 2, "meta_video": 2, "newsletter": 2,
}  # fmt: skip
NURTURE = {
    "newsletter": 30, "direct": 28, "google_brand": 20, "welcome_mail": 8, "google_remarket": 5, "line_account": 6,
    "google_organic": 3,
}  # fmt: skip

_WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
_MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) "
_IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
_ANDROID = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) "
_DESK = (
    _WINDOWS + "Chrome/140.0.0.0 Safari/537.36",
    _WINDOWS + "Chrome/141.0.0.0 Safari/537.36",
    _WINDOWS + "Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0",
    _WINDOWS + "Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0",
    _MAC + "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15",
    _MAC + "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0",
)
_PHONE = (
    _IPHONE + "Version/18.6 Mobile/15E148 Safari/604.1",
    _IPHONE + "CriOS/141.0.7390.41 Mobile/15E148 Safari/604.1",
    _ANDROID + "Chrome/141.0.0.0 Mobile Safari/537.36",
    _ANDROID + "SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
)
_PAD = (_IPHONE.replace("iPhone; CPU iPhone", "iPad; CPU") + "Version/18.6 Mobile/15E148 Safari/604.1",)
_INSTAGRAM = "Mobile/22G86 Instagram 400.0.0.27.106 (iPhone14,7; iOS 18_6; ja_JP; ja; scale=3.00; 1170x2532)"
_IN_ANDROID_APP = _ANDROID.replace("K)", "Pixel 8; wv)") + "Version/4.0 Chrome/141.0.0.0 Mobile Safari/537.36 "
AGENTS = {
    "desk": _DESK,
    "phone": _PHONE,
    "any": _DESK * 3 + _PHONE * 3 + _PAD,
    "insta": (_IPHONE + _INSTAGRAM,),
    "line": (_IPHONE + "Safari Line/15.14.0", _IN_ANDROID_APP + "Line/15.14.0"),
}
_BOT = "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; "
BOTS = (
    _BOT + "Googlebot/2.1; +http://www.google.com/bot.html) Chrome/141.0.0.0 Safari/537.36",
    _BOT + "bingbot/2.0; +http://www.bing.com/bingbot.htm) Chrome/140.0.0.0 Safari/537.36",
    "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
)
# Any address of the country's providers: it gives the country, and is dropped.
ADDRESSES = {"JP": "126.0.0.1", "US": "12.0.0.1", "DE": "80.128.0.1", "SG": "116.86.0.1"}
