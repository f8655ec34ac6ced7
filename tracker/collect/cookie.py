"""(pure) The headers of a beacon's answer that a visitor's browser acts on: CORS, and the visitor's cookie.

The snippet keeps the visitor's id in a cookie that it writes itself, and Safari lets such a cookie live for 7 days.
If the collector is of the same site as the page, its answer sets the same cookie for 395 days: same name, domain and
path, so that there is one. Its value is the id alone; what the snippet has written has a dot and more behind it.
The id comes from the beacon: the Cookie header of the request is not read. See docs/first-party.md.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from tldextract import TLDExtract

from tracker.vocabulary import Consent

NAME = "_mnm"
MAX_AGE_S = 395 * 86_400  # Chrome's limit is 400 days

# The list that the package brings, never the network; with its private part, as browsers read it: of
# shop.github.io the site is shop.github.io.
SUFFIXES = TLDExtract(suffix_list_urls=(), cache_dir=None, include_psl_private_domains=True)

# A name of 253 characters, scheme and port. What is longer is no origin, and nothing to remember.
_LONGEST = 300
_NAME = r"(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?|\[[0-9a-f:.]+\]"
_ORIGIN = re.compile(rf"(https?)://({_NAME})(?::\d{{1,5}})?", re.ASCII)
_HOST = re.compile(rf"({_NAME})(?::\d{{1,5}})?", re.ASCII)
_ADDRESS = re.compile(r"\[.*|(?:.*\.)?(?:\d+|0x[0-9a-f]*)", re.ASCII)
_VISITOR = re.compile(r"[A-Za-z0-9_-]{16,64}")
_ASKED = frozenset({Consent.NONE.value, Consent.GRANTED.value})

_ANYONE = (("Access-Control-Allow-Origin", "*"), ("Access-Control-Expose-Headers", "X-Minamoto"))


class _Answer(NamedTuple):
    cors: tuple[tuple[str, str], ...]
    attributes: str | None  # of the cookie; None where there may be none


def answer_headers(
    origin: str | None, host: str, fetch_site: str | None, visitor: str | None, consent: str, is_https: bool
) -> list[tuple[str, str]]:
    """All CORS and Set-Cookie headers of a beacon's answer; made to be called for each beacon.

    origin      the request's Origin header, None without one
    host        the host that the browser asked, with its port if any: Host, or X-Forwarded-Host of a trusted proxy
    fetch_site  the request's Sec-Fetch-Site header, None without one (plain http, older browsers)
    visitor     the id of a beacon that was taken; None for one that was refused, whose answer sets no cookie
    consent     the beacon's consent
    is_https    whether the browser asked by https: of the connection, or X-Forwarded-Proto of a trusted proxy
    returns     (name, value) of each header; at most one Set-Cookie
    raises      nothing: all six are a stranger's text
    """
    if len(origin or "") > _LONGEST or len(host) > _LONGEST or len(fetch_site or "") > _LONGEST:
        return list(_ANYONE)
    answer = _answer(origin, host, fetch_site, is_https)
    headers = list(answer.cors)
    if answer.attributes is not None and visitor is not None and consent in _ASKED and _VISITOR.fullmatch(visitor):
        headers.append(("Set-Cookie", f"{NAME}={visitor}{answer.attributes}"))
    return headers


def server_cookie(
    *, origin: str | None, host: str, visitor: str, consent: str, is_https: bool, fetch_site: str | None = None
) -> str | None:
    """The Set-Cookie value of a beacon's answer, or None: see `answer_headers`."""
    headers = answer_headers(origin, host, fetch_site, visitor, consent, is_https)
    return next((value for name, value in headers if name == "Set-Cookie"), None)


@lru_cache(maxsize=4_096)
def registrable_domain(host: str) -> str | None:
    """The widest domain that a cookie of this host may have ('www.shop.co.jp' -> 'shop.co.jp'), as browsers reckon it.

    host     lower-case, without port
    returns  None for an address, a single name (localhost) and a public suffix: their cookies are the host's own
    """
    if _ADDRESS.fullmatch(host) or "." not in host:
        return None
    found = SUFFIXES(host)
    if found.suffix:
        return found.top_domain_under_public_suffix or None
    # A name that is on no list (shop.test, intranet.local): browsers take its last label for the suffix.
    return ".".join(host.split(".")[-2:])


@lru_cache(maxsize=4_096)
def _answer(origin: str | None, host: str, fetch_site: str | None, is_https: bool) -> _Answer:
    """What every beacon of this page origin to this host is answered.

    The browser's own word goes first where there is one: a page cannot write Sec-Fetch-Site, and a proxy that
    rewrites the host does not change it. Without it the origin and the host decide.
    """
    page, asked = _ORIGIN.fullmatch(origin or ""), _HOST.fullmatch(host.lower())
    if page is None:
        # No origin, or "null": a sandboxed frame, a redirect, a referrer policy. Only of the last one may be our own.
        is_own = origin in {None, "null"} and fetch_site == "same-origin"
        return _Answer(_ANYONE, _attributes(asked[1], is_https) if is_own and asked else None)
    is_own = fetch_site in {"same-origin", "same-site"}
    if not is_own and not (asked and _site(page[2]) == _site(asked[1])):
        return _Answer(_ANYONE, None)
    cors = (
        ("Access-Control-Allow-Origin", page[0]),
        ("Access-Control-Allow-Credentials", "true"),
        ("Access-Control-Expose-Headers", "X-Minamoto"),
        ("Vary", "Origin"),
    )
    is_secure = page[1] == "https"
    # To a browser http and https are two sites: a page of one gets no cookie from the other. (A page of https asks
    # by https only, whatever a proxy says of it.)
    if not is_own and (fetch_site or (is_https and not is_secure)):
        return _Answer(cors, None)
    return _Answer(cors, _attributes(page[2], is_secure))


def _site(host: str) -> str:
    return registrable_domain(host) or host


def _attributes(host: str, is_secure: bool) -> str:
    domain = registrable_domain(host)
    named = f"; Domain={domain}" if domain else ""
    return f"; Max-Age={MAX_AGE_S}; Path=/; SameSite=Lax{named}{'; Secure' if is_secure else ''}"
