"""(pure) A web server's access log: what a line says, whether it is a page view, and the hit it becomes.

Reads the combined format of Apache and nginx, with or without a virtual host in front. Knows no files, no
database, no crawlers; the import (tracker/logimport.py) composes those. Nothing in here raises for any bytes.
https://httpd.apache.org/docs/2.4/mod/mod_log_config.html#formats and
https://nginx.org/en/docs/http/ngx_http_log_module.html, read 2026-11-21.
"""

import hashlib
import hmac
import ipaddress
import re
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

from tracker.clock import EPOCH, to_ms
from tracker.collect.address import network_part
from tracker.collect.filters import is_own
from tracker.collect.payload import AGENT_LIMIT, URL_LIMIT, Hit
from tracker.ids import uuid7
from tracker.urls import clean_text, is_page, read_arrival
from tracker.vocabulary import HitKind, Origin, Refusal

LINE_LIMIT = 65_536  # a longer line is no line that a server has written
QUOTED = rb'"((?:[^"\\]++|\\.)*+)"'
LINE = re.compile(
    rb"(\S+) (.{1,300}?) ?\[(\d\d/[A-Za-z]{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\] "
    + QUOTED
    + rb" (\d{3}) (?:\d+|-) "
    + QUOTED
    + b" "
    + QUOTED
    + rb"(?:\s.*)?",
    re.DOTALL,
)
REQUEST = re.compile(rb"([A-Z]{1,20}) (\S.*?)(?: HTTP/[\d.]{1,3})?", re.DOTALL)
ABSOLUTE = re.compile(r"(https?)://([^/?#]*)(.*)", re.IGNORECASE)
# Apache writes \" \\ \n \t \xHH, nginx \xHH for all of them.
ESCAPE = re.compile(rb"\\(x[0-9A-Fa-f]{2}|.)", re.DOTALL)
PLAIN_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v", b"f": b"\f", b"b": b"\b", b"a": b"\a"}
NOT_IN_A_URL = re.compile(rb'[^\x21-\x7e]|["<>]')  # https://url.spec.whatwg.org/#query-percent-encode-set
# WordPress, Joomla and Blosxom serve feeds on the page's own address, told apart by a parameter.
FEED_QUERY = re.compile(r"(?:^|&)(?:feed|flav|format)=(?:rss|rdf|atom|feed|xml|json)", re.IGNORECASE)
MONTHS = {name: n for n, name in enumerate("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)}


@dataclass(frozen=True, slots=True)
class LogLine:
    """What one line of an access log says.

    host, scheme  of the page, where the line names them (a virtual host, a proxied request); else empty
    address       of the client: an IP address or, with host name look-ups on, a name; never stored
    method        '' where the request was no HTTP request
    target        path and query as asked for, ASCII (other bytes percent-encoded), not cut
    referrer      None where the client named none ('-')
    user_agent    '' where the client named none ('-')
    content       all of the line but who asked: no address, no log-in name
    """

    host: str
    scheme: str
    address: str
    occurred_at: datetime
    method: str
    target: str
    status: int
    referrer: str | None
    user_agent: str
    content: bytes


def parse_line(line: bytes) -> LogLine | None:
    """One line in the combined format; None for what is none. Fields after the user agent are let be."""
    match = LINE.fullmatch(line.rstrip(b"\r\n")) if len(line) <= LINE_LIMIT else None
    if match is None:
        return None
    first, names, time, request, status, referrer, agent = match.groups()
    occurred_at = read_time(time)
    if occurred_at is None:
        return None
    vhost, address = b"", first
    second = names.split(b" ", 1)[0]
    if names.count(b" ") >= 2 and is_address(second) and not is_address(first):
        vhost, address = first, second
    host, scheme = read_vhost(vhost)
    method, target = read_request(unescape(request))
    asked = ABSOLUTE.match(target)
    if asked:
        scheme, host, target = asked[1].lower(), asked[2].lower(), asked[3] or "/"
    return LogLine(
        host=host,
        scheme=scheme,
        address=address.decode("ascii", "replace"),
        occurred_at=occurred_at,
        method=method,
        target=target,
        status=int(status),
        referrer=None if referrer in (b"-", b"") else as_url(unescape(referrer)),
        user_agent="" if agent == b"-" else unescape(agent).decode("utf-8", "replace"),
        content=vhost + line[match.start(3) : match.end(7)],
    )


@lru_cache(maxsize=1_024)
def read_time(text: bytes) -> datetime | None:
    """The instant of '17/May/2015:10:05:03 +0000' in UTC; None for one that does not exist."""
    day, month, rest = text.decode("ascii").split("/")
    year, hour, minute, second_zone = rest.split(":")
    second, zone = second_zone.split(" ")
    east = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:])) * (-1 if zone[0] == "-" else 1)
    try:
        local = datetime(
            int(year),
            MONTHS[month.title()],
            int(day),
            int(hour),
            int(minute),
            int(second),
            tzinfo=timezone(east),
        )
        instant = local.astimezone(UTC)
    except (KeyError, ValueError, OverflowError):
        return None
    return instant if instant >= EPOCH else None


@lru_cache(maxsize=4_096)
def is_address(text: bytes) -> bool:
    """Whether the bytes are an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(text.decode("ascii", "replace"))
    except ValueError:
        return False
    return True


def read_vhost(text: bytes) -> tuple[str, str]:
    """Host and scheme of 'www.example.com:443'; the scheme is known by the two usual ports only."""
    host, _, port = text.decode("ascii", "replace").lower().partition(":")
    return host, {"80": "http", "443": "https"}.get(port, "")


def read_request(request: bytes) -> tuple[str, str]:
    """Method and target of 'GET /path?query HTTP/1.1'; both empty for what is no HTTP request."""
    match = REQUEST.fullmatch(request)
    return (match[1].decode("ascii"), as_url(match[2])) if match else ("", "")


def unescape(text: bytes) -> bytes:
    """The bytes that the client sent, without the server's escapes."""
    return ESCAPE.sub(escaped, text) if b"\\" in text else text


def escaped(match: re.Match[bytes]) -> bytes:
    """What one escape stands for; an unknown one for the character itself."""
    found = match[1]
    return bytes.fromhex(found[1:].decode("ascii")) if len(found) == 3 else PLAIN_ESCAPES.get(found, found)


def as_url(text: bytes) -> str:
    """The bytes of a URL as ASCII, as a browser would have written it."""
    return NOT_IN_A_URL.sub(lambda match: b"%%%02X" % match[0][0], text).decode("ascii")


def refuse_line(line: LogLine, site_hosts: Sequence[str], now: datetime) -> Refusal | None:
    """Why a line is no page view of the site, or None. Whether a crawler asked is not decided here."""
    if line.occurred_at > now:
        return Refusal.MALFORMED  # a clock or a zone is wrong
    if line.host and not is_own(line.host.partition(":")[0], site_hosts):
        return Refusal.FOREIGN_HOST
    path, _, query = line.target.partition("?")
    if line.method != "GET" or not path.startswith("/") or not is_page(path) or FEED_QUERY.search(query):
        return Refusal.NOT_A_PAGE
    if not (200 <= line.status < 300 or line.status == 304):
        return Refusal.NOT_SUCCESSFUL
    return None


def page_hit(
    line: LogLine,
    occurrence: int,
    *,
    site_hosts: Sequence[str],
    salt: bytes,
    country: str | None,
    received_at: datetime,
) -> Hit:
    """The hit that a page view's line becomes; the same line gives the same hit, whichever file it stands in.

    occurrence  how many lines with the same content came before it in its file
    salt        a secret of this installation and site, which visitor ids are derived with
    """
    url = f"{line.scheme or 'https'}://{line.host or site_hosts[0]}{line.target}"
    return Hit(
        hit_id=hit_id_of(line, occurrence, order_of(url, line.referrer, site_hosts)),
        visitor_id=visitor_id_of(line.address, line.user_agent, salt),
        kind=HitKind.PAGE,
        origin=Origin.LOG,
        occurred_at=line.occurred_at,
        received_at=received_at,
        url=clean_text(url, URL_LIMIT) or "",
        referrer=clean_text(line.referrer, URL_LIMIT),
        title=None,
        user_agent=clean_text(line.user_agent, AGENT_LIMIT),
        country=country,
        consent="none",
        details={},
    )


def hit_id_of(line: LogLine, occurrence: int, order: int) -> str:
    """A UUIDv7 of the line's second, derived from its content; `order` sorts the hits of one second."""
    digest = hashlib.sha256(occurrence.to_bytes(4, "big") + line.content).digest()
    return uuid7(to_ms(line.occurred_at), bytes([order]) + digest[:9])


def order_of(url: str, referrer: str | None, site_hosts: Sequence[str]) -> int:
    """0 for an arrival from outside, 1 for a page without a referrer, 2 for a page reached from an own page.

    A log counts in seconds. Someone who clicks on within the second of landing must have landed first.
    """
    if read_arrival(url, referrer, tuple(site_hosts)).starts_visit:
        return 0
    return 2 if referrer else 1


def visitor_id_of(address: str, user_agent: str, salt: bytes) -> str:
    """22 characters for an address and a browser; without the salt nobody finds the address by trying."""
    text = f"{network_of(address)}\x1f{user_agent}".encode("utf-8", "surrogatepass")
    return urlsafe_b64encode(hmac.digest(salt, text, "sha256")[:16]).rstrip(b"=").decode("ascii")


def network_of(address: str) -> str:
    """What of a client's address stays a visitor's; a host name as it is."""
    try:
        return network_part(ipaddress.ip_address(address))
    except ValueError:
        return address  # a host name
