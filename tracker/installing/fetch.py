"""Fetch a site's page as a stranger's browser would, and nothing that is not the site's.

The address comes from a person, so what it leads to is held: only hosts of the site, also after redirects; only public
network addresses, looked at again on the open connection, for a name may lead elsewhere a moment later; 10 seconds and
2 MB. A site on localhost may be fetched from localhost.
"""

import ipaddress
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

from tracker import __version__
from tracker.collect.filters import is_own

WITHIN_S = 10.0
MOST_BYTES = 2 * 1024 * 1024
MOST_REDIRECTS = 5
AGENT = f"Mozilla/5.0 (compatible; Minamoto/{__version__}; checks the tag for the site's owner)"
LOCAL = ("localhost", "127.0.0.1", "[::1]", "::1")


class Refused(Exception):
    """The address may not be fetched; `key` says why."""

    def __init__(self, key: str, value: str = "") -> None:
        super().__init__(key)
        self.key, self.value = key, value


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
            adapter = Guarded(is_local=is_local)
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


def cause(error: BaseException) -> Refused:
    """The Refused that a connection raised somewhere below, or that nothing answers."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, Refused):
            return seen
        reason = getattr(seen, "reason", None)
        inner = next((arg for arg in getattr(seen, "args", ()) if isinstance(arg, BaseException)), None)
        seen = reason if isinstance(reason, BaseException) else inner or seen.__cause__ or seen.__context__
    return Refused("unreachable")


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


def is_allowed(address: str, *, is_local: bool) -> bool:
    """Whether a network address may be asked: public ones, and this machine's where that is meant."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None)
    ip = mapped or ip
    return (ip.is_loopback and is_local) or (ip.is_global and not ip.is_multicast)


class Guarded(HTTPAdapter):
    """Connects to allowed network addresses only."""

    def __init__(self, *, is_local: bool) -> None:
        self.is_local = is_local
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        self.poolmanager = PoolManager(*args[:1])
        is_local = self.is_local

        class Plain(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                return guarded(super()._new_conn, self.host, self.port, is_local=is_local)

        class Secure(HTTPSConnection):
            def _new_conn(self) -> socket.socket:
                return guarded(super()._new_conn, self.host, self.port, is_local=is_local)

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}


def guarded(connect: Callable[[], socket.socket], host: str, port: int | None, *, is_local: bool) -> socket.socket:
    """A connection to a host all of whose addresses are allowed, and that ends at one; raises Refused."""
    try:
        found = {str(one[4][0]) for one in socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)}
    except OSError as error:
        raise Refused("no_name", host) from error
    if not all(is_allowed(address, is_local=is_local) for address in found):
        raise Refused("private_address", host)
    connection = connect()
    if not is_allowed(str(connection.getpeername()[0]), is_local=is_local):
        connection.close()
        raise Refused("private_address", host)
    return connection
