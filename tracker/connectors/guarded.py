"""Connections to addresses that a person wrote: only to network addresses that are allowed.

A name is looked up once and the very address that was looked at is connected to, for a name may lead elsewhere a moment
later. No proxy of the environment is asked.
"""

import ipaddress
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
# Whether an address may be connected to; told also whether the connection is encrypted.
Allowed = Callable[[Address, bool], bool]
CONNECT_S = 5.0
# Addresses of IPv6 that lead to one of IPv4, through a translator (RFC 6052), or by themselves.
TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
COMPATIBLE = ipaddress.IPv6Network("::/96")


class Refused(Exception):
    """The address may not be asked; `key` says why."""

    def __init__(self, key: str, value: str = "") -> None:
        super().__init__(key)
        self.key, self.value = key, value


def inner_of(address: str) -> list[Address]:
    """A network address, and the one of IPv4 that it leads to, if any."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv4Address):
        return [ip]
    if ip.ipv4_mapped is not None:
        return [ip.ipv4_mapped]
    found: list[Address] = [ip]
    if ip.sixtofour is not None:
        found.append(ip.sixtofour)
    if ip.teredo is not None:
        found.append(ip.teredo[1])
    if ip in TRANSLATED or (ip in COMPATIBLE and int(ip) > 1):
        found.append(ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF))
    return found


def is_public(ip: Address) -> bool:
    """Whether an address is anybody's on the internet."""
    return ip.is_global and not ip.is_multicast


class Guarded(HTTPAdapter):
    """Connects to allowed network addresses only; raises Refused from within the request."""

    def __init__(self, allowed: Allowed) -> None:
        self._allowed = allowed
        self._opened: list[socket.socket] = []
        super().__init__(max_retries=0)

    def cut(self) -> None:
        """End what is under way: whoever waits for the other side is told that it went away."""
        for one in self._opened:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of all connections."""
        for one in self._opened:
            one.close()
        self._opened.clear()
        super().close()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        self.poolmanager = PoolManager(*args[:1])
        allowed, opened = self._allowed, self._opened

        def reach(of: HTTPConnection, *, is_encrypted: bool) -> socket.socket:
            found = connected(of.host, of.port, seconds(of.timeout), allowed, is_encrypted=is_encrypted)
            # TLS takes the socket over; another one of the same connection can still end it.
            opened.append(found.dup())
            return found

        class Plain(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                return reach(self, is_encrypted=False)

        class Secure(HTTPSConnection):
            def _new_conn(self) -> socket.socket:
                return reach(self, is_encrypted=True)

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}


def seconds(timeout: Any) -> float:
    """How long connecting may take."""
    return float(timeout) if isinstance(timeout, int | float) else CONNECT_S


def connected(host: str, port: int | None, timeout_s: float, allowed: Allowed, *, is_encrypted: bool) -> socket.socket:
    """A connection to a host all of whose addresses are allowed; raises Refused, or OSError where none answers."""
    try:
        looked_up = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Refused("no_name", host) from error
    found = list(dict.fromkeys((family, one[:2]) for family, _, _, _, one in looked_up))
    if not all(allowed(ip, is_encrypted) for _, (address, *_) in found for ip in inner_of(str(address))):
        raise Refused("private_address", host)
    last: OSError = OSError("no address")
    for family, target in found:
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(timeout_s)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.connect(target)
        except OSError as error:
            connection.close()
            last = error
        else:
            return connection
    raise last


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
