"""Fetch a site's page as a stranger's browser would, and nothing that is not the site's.

The address comes from a person, so what it leads to is held: only hosts of the site, also after redirects; only public
network addresses, the very ones that were looked at, for a name may lead elsewhere a moment later; 10 seconds and
2 MB. A site on localhost may be fetched from localhost.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import requests

from tracker import __version__
from tracker.collect.filters import is_own
from tracker.connectors.guarded import Address, Allowed, Guarded, Refused, cause, is_public

WITHIN_S = 10.0
MOST_BYTES = 2 * 1024 * 1024
MOST_REDIRECTS = 5
AGENT = f"Mozilla/5.0 (compatible; Minamoto/{__version__}; checks the tag for the site's owner)"
LOCAL = ("localhost", "127.0.0.1", "[::1]", "::1")


@dataclass(frozen=True, slots=True)
class Fetched:
    """A page as it came; all of it is a stranger's."""

    url: str
    status: int
    policies: tuple[str, ...]
    html: str


def fetch_page(url: str, hosts: Sequence[str], *, may_be_local: bool) -> Fetched:
    """The page at an address of the site; raises Refused with the reason's key.

    hosts         the site's; what is below them is the site's, too
    may_be_local  whether a loopback address may be asked, for hosts that are local by name
    """
    until = time.monotonic() + WITHIN_S
    with requests.Session() as session:
        session.trust_env = False
        session.headers.update({"User-Agent": AGENT, "Accept": "text/html,*/*;q=0.5"})
        for _ in range(MOST_REDIRECTS + 1):
            is_local = may_be_local and (urlsplit(url).hostname or "") in LOCAL
            look_at(url, hosts, is_local=is_local)
            adapter = Guarded(allowed(is_local=is_local))
            session.mount("http://", adapter)
            session.mount("https://", adapter)
            with get(session, url, until) as answer:
                target = answer.headers.get("Location", "")
                if answer.is_redirect and target:
                    url = urljoin(url, target)
                    continue
                return read(answer, url, until)
    raise Refused("too_many_redirects")


def look_at(url: str, hosts: Sequence[str], *, is_local: bool) -> None:
    """Raise Refused unless the address is a web address of the site, on a port of the web."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        raise Refused("no_address") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.password:
        raise Refused("no_address")
    if not is_own(parts.hostname, hosts):
        raise Refused("foreign_host", parts.hostname)
    if port not in {None, 80, 443} and not is_local:
        raise Refused("other_port", str(port))


def get(session: requests.Session, url: str, until: float) -> requests.Response:
    """One answer, its body not read yet; raises Refused."""
    left = max(0.5, until - time.monotonic())
    try:
        return session.get(url, timeout=(min(5.0, left), left), allow_redirects=False, stream=True)
    except requests.exceptions.SSLError as error:
        raise Refused("tls") from error
    except requests.exceptions.Timeout as error:
        raise Refused("too_slow") from error
    except (requests.RequestException, UnicodeError, ValueError) as error:
        raise cause(error) from error


def read(answer: requests.Response, url: str, until: float) -> Fetched:
    """The body, at most MOST_BYTES of it, as text; raises Refused."""
    if answer.status_code >= 400:
        raise Refused("status", str(answer.status_code))
    if "html" not in answer.headers.get("Content-Type", "text/html").lower():
        raise Refused("no_page", answer.headers.get("Content-Type", "")[:80])
    parts, n_bytes = [], 0
    try:
        for part in answer.iter_content(16_384):
            parts.append(part)
            n_bytes += len(part)
            if n_bytes >= MOST_BYTES:
                break
            if time.monotonic() > until:
                raise Refused("too_slow")
    except requests.RequestException as error:
        raise Refused("unreachable") from error
    body = b"".join(parts)[:MOST_BYTES]
    encoding = answer.encoding if "charset" in answer.headers.get("Content-Type", "").lower() else "utf-8"
    policies = answer.headers.get("Content-Security-Policy", "")
    return Fetched(url, answer.status_code, (policies,) if policies else (), decoded(body, encoding or "utf-8"))


def decoded(body: bytes, encoding: str) -> str:
    """Bytes as text in an encoding that a stranger names."""
    try:
        return body.decode(encoding, "replace")
    except LookupError:
        return body.decode("utf-8", "replace")


def allowed(*, is_local: bool) -> Allowed:
    """Whom a connection may be made to, encrypted or not."""
    return lambda ip, _: may_ask(ip, is_local=is_local)


def may_ask(ip: Address, *, is_local: bool) -> bool:
    """Whether a network address may be asked: public ones, and this machine's where that is meant."""
    return (ip.is_loopback and is_local) or is_public(ip)
