"""(pure) What a site's page tells of the tag: there or not, whose, how often, where, held back by whom, let in or not.

Reads HTML that strangers wrote, as far as a tag can be seen without running scripts; a tag manager's tag cannot.
Gives findings; the pages have their words.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from html.parser import HTMLParser
from urllib.parse import parse_qs, urljoin, urlsplit

from tracker.installing.policy import CONNECT, SCRIPT, missing, origin_of, read_policies
from tracker.urls import clean_text

MOST_TAGS = 50
MOST_READ = 1_000_000  # characters
RUNS = frozenset({"", "text/javascript", "application/javascript", "module"})
MANAGERS = re.compile(
    r"googletagmanager\.com/(gtm|gtag)|[?&]id=GTM-|_mtm|assets\.adobedtm\.com|/piwik/container_", re.I
)


class Level(StrEnum):
    """What a finding asks of its reader: nothing, a thought, or to change something."""

    GOOD = "good"
    NOTE = "note"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found; `value` and `line` are what it is about, a stranger's text."""

    level: Level
    key: str
    value: str = ""
    line: str = ""


@dataclass(frozen=True, slots=True)
class Tag:
    """A script element that is, or was, a snippet's: its whole address, its site's key, and how it stands."""

    src: str
    key: str
    in_head: bool
    waits: bool
    runs: bool
    nonce: str
    is_old: bool


@dataclass(slots=True)
class Reader(HTMLParser):
    """Collects tags and policies while the page is read."""

    base: str
    tags: list[Tag] = field(default_factory=list)
    policies: list[str] = field(default_factory=list)
    has_manager: bool = False
    in_head: bool = True
    in_script: bool = False

    def __post_init__(self) -> None:
        HTMLParser.__init__(self, convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in reversed(attrs)}
        if tag == "body":
            self.in_head = False
        elif tag == "base" and named.get("href"):
            self.base = joined(self.base, named["href"])
        elif tag == "meta" and named.get("http-equiv", "").lower() == "content-security-policy":
            self.policies.append(named.get("content", ""))
        elif tag == "script":
            self.in_script = True
            src = next((named[name] for name in ("src", "data-src", "data-rocket-src") if named.get(name)), "")
            self.has_manager |= MANAGERS.search(src) is not None
            found = self.tag_of(src, named)
            if found is not None and len(self.tags) < MOST_TAGS:
                self.tags.append(found)

    def handle_endtag(self, tag: str) -> None:
        if tag == "head":
            self.in_head = False
        self.in_script = self.in_script and tag != "script"

    def handle_data(self, data: str) -> None:
        self.has_manager |= self.in_script and MANAGERS.search(data) is not None

    def tag_of(self, src: str, named: dict[str, str]) -> Tag | None:
        """The snippet's tag that a script element is, or None."""
        url = joined(self.base, src) if src else ""
        parts = urlsplit(url)
        asked = parse_qs(parts.query).get("site", [""])[0]
        if not url or not (parts.path.endswith("/m.js") or ("data-site" in named) or (asked and ".js" in parts.path)):
            return None
        kind = named.get("type", "").strip().lower()
        return Tag(
            src=url,
            key=clean_text(named.get("data-site") or asked, 40) or "",
            in_head=self.in_head,
            waits="async" in named or "defer" in named or kind == "module",
            runs=kind in RUNS and bool(named.get("src")),
            nonce=named.get("nonce", ""),
            is_old=not asked,
        )


def joined(base: str, address: str) -> str:
    """An address on a page as a whole one; '' if it is none."""
    try:
        url = urljoin(base, address.strip())
        return url if urlsplit(url).hostname else ""
    except ValueError:
        return ""


def read_page(html: str, url: str) -> Reader:
    """The tags and policies of a page at this address."""
    reader = Reader(url)
    reader.feed(html[:MOST_READ])
    reader.close()
    return reader


def judge_page(html: str, url: str, headers: Sequence[str], *, key: str, tag_src: str) -> list[Finding]:
    """What the page says of the tag of the site with this key.

    url      where the page was found in the end
    headers  values of its headers Content-Security-Policy
    tag_src  address of the script in the tag as it is given out
    """
    page = read_page(html, url)
    own = [tag for tag in page.tags if tag.key == key]
    found = [*tags_found(page, own, key), *hosts_found(own, url, tag_src)]
    src = own[0].src if own else tag_src
    policies = read_policies([*headers, *page.policies])
    if not policies:
        return [*found, Finding(Level.GOOD, "no_policy")]
    lacks = [
        *missing(policies, SCRIPT, src, url, own[0].nonce if own else ""),
        *missing(policies, CONNECT, joined(src, "m/e"), url),
    ]
    if not lacks:
        return [*found, Finding(Level.GOOD, "policy_allows")]
    lines = dict.fromkeys((one.directive, one.line) for one in lacks)
    return found + [Finding(Level.BAD, "policy_forbids", directive, line) for directive, line in lines]


def tags_found(page: Reader, own: Sequence[Tag], key: str) -> list[Finding]:
    """Whether the tag is there, once, in its place, and free to run."""
    others = [tag for tag in page.tags if tag.key != key]
    found = [Finding(Level.BAD, "other_key", tag.key or "–") for tag in others[:3]]
    if not own:
        seen = Finding(Level.NOTE, "tag_manager") if page.has_manager else Finding(Level.BAD, "no_tag")
        return [*found, *([] if others else [seen])]
    first = own[0]
    found.append(Finding(Level.GOOD, "tag_found", first.src))
    if len(own) > 1:
        found.append(Finding(Level.NOTE, "twice", str(len(own))))
    if not first.runs:
        found.append(Finding(Level.BAD, "held_back"))
    if not first.in_head:
        found.append(Finding(Level.NOTE, "not_in_head"))
    if first.is_old:
        found.append(Finding(Level.NOTE, "old_tag"))
    if not first.waits:
        found.append(Finding(Level.NOTE, "not_async"))
    return found


def hosts_found(own: Sequence[Tag], url: str, tag_src: str) -> list[Finding]:
    """Whether the tag leads to this Minamoto, or to a path of the site's own."""
    if not own or origin_of(own[0].src) in {origin_of(tag_src), origin_of(url)}:
        return []
    return [Finding(Level.NOTE, "leads_elsewhere", origin_of(own[0].src), origin_of(tag_src))]
