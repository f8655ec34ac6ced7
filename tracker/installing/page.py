"""(pure) What a site's page tells of the tag: there or not, whose, how often, where, held back by whom, let in or not.

Reads HTML that strangers wrote, as far as a tag can be seen without running scripts; a tag manager's tag cannot.
Gives findings; the pages have their words.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from html import unescape
from urllib.parse import parse_qs, urljoin, urlsplit

from tracker.installing.policy import CONNECT, SCRIPT, missing, origin_of, read_policies
from tracker.urls import clean_text

MOST_TAGS = 50
MOST_READ = 1_000_000  # characters
MOST_ATTRIBUTES = 20_000
RUNS = frozenset({"", "text/javascript", "application/javascript", "module"})
MANAGERS = re.compile(
    r"googletagmanager\.com/(gtm|gtag)|[?&]id=GTM-|_mtm|assets\.adobedtm\.com|/piwik/container_", re.I
)

# What matters of a page. Nothing in it looks twice at a character, whatever the text is.
_PIECE = re.compile(
    r"<!--.*?(?:-->|\Z)|</head\b|"
    r"<(script|style|textarea|title|xmp|body|base|meta)\b((?:[^<>\"']++|\"[^\"]*\"|'[^']*')*+)>?",
    re.IGNORECASE | re.DOTALL,
)
_ENDS = {
    name: re.compile(rf"</{name}\b[^>]*>?", re.IGNORECASE) for name in ("script", "style", "textarea", "title", "xmp")
}
_ATTRIBUTE = re.compile(r"""([^\s"'<>/=]++)(?:\s*+=\s*+(?:"([^"]*)"|'([^']*)'|([^\s"'<>]++)))?""")


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
class Read:
    """What stands on a page: tags in their order, policies of its meta elements, whether a tag manager is there."""

    tags: list[Tag] = field(default_factory=list)
    policies: list[str] = field(default_factory=list)
    has_manager: bool = False


def read_page(html: str, url: str) -> Read:
    """Read a page at this address, in one pass: the text may be made to keep a parser busy for ever."""
    html, read, base, in_head, at = html[:MOST_READ], Read(), url, True, 0
    while match := _PIECE.search(html, at):
        at = match.end()
        name = (match[1] or "").lower()
        named = attributes(match[2]) if name else {}
        text = ""
        if name in _ENDS:
            end = _ENDS[name].search(html, at)
            text, at = (html[at : end.start()], end.end()) if end else (html[at:], len(html))
        if name == "body" or match[0].startswith("</"):
            in_head = False
        elif name == "base" and named.get("href"):
            base = joined(base, named["href"])
        elif name == "meta" and named.get("http-equiv", "").lower() == "content-security-policy":
            read.policies.append(named.get("content", ""))
        elif name == "script":
            src = next((named[each] for each in ("src", "data-src", "data-rocket-src") if named.get(each)), "")
            read.has_manager |= MANAGERS.search(src or text[:10_000]) is not None
            found = tag_of(joined(base, src) if src else "", named, in_head)
            if found is not None and len(read.tags) < MOST_TAGS:
                read.tags.append(found)
    return read


def attributes(text: str) -> dict[str, str]:
    """The attributes of an element, names in lower case; of one that is there twice the first counts."""
    found: dict[str, str] = {}
    for match in _ATTRIBUTE.finditer(text[:MOST_ATTRIBUTES]):
        found.setdefault(match[1].lower(), unescape(match[2] or match[3] or match[4] or ""))
    return found


def tag_of(url: str, named: dict[str, str], in_head: bool) -> Tag | None:
    """The snippet's tag that a script element with this address is, or None."""
    if not url:
        return None
    parts = urlsplit(url)
    asked = parse_qs(parts.query).get("site", [""])[0]
    if not (parts.path.endswith("/m.js") or "data-site" in named or (asked and ".js" in parts.path)):
        return None
    kind = named.get("type", "").strip().lower()
    return Tag(
        src=url,
        key=clean_text(named.get("data-site") or asked, 40) or "",
        in_head=in_head,
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


def tags_found(page: Read, own: Sequence[Tag], key: str) -> list[Finding]:
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
