"""(pure) Whose request it is: the client's address behind proxies that are known, and what of an address is one sender.

Only a proxy that the settings name is believed; whatever else stands in X-Forwarded-For was written by a stranger.
"""

import ipaddress
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import iptocc

Network = IPv4Network | IPv6Network


def networks_of(text: str) -> tuple[Network, ...]:
    """The networks in '127.0.0.1, 10.0.0.0/8'; raises ValueError for what is none."""
    return tuple(ipaddress.ip_network(one.strip(), strict=False) for one in text.split(",") if one.strip())


@lru_cache(maxsize=4_096)
def read_address(text: str) -> IPv4Address | IPv6Address | None:
    """An address as proxies write it: bare, with a port, or in brackets; None for what is none."""
    bare = text.strip().strip('"')
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address = ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def is_trusted(peer: str, trusted: Sequence[Network]) -> bool:
    """Whether a peer is one of the proxies that the settings name."""
    address = read_address(peer)
    return address is not None and any(address in network for network in trusted)


@lru_cache(maxsize=4_096)
def client_of(peer: str, forwarded_for: str, trusted: tuple[Network, ...]) -> str:
    """The client's address: the last one in X-Forwarded-For that no trusted proxy has; '' if it cannot be read.

    peer           who is connected to us
    forwarded_for  the header's value, '' without one; each proxy has added who was connected to it
    """
    if not is_trusted(peer, trusted):
        return peer
    known = peer
    for text in reversed(forwarded_for.split(",")[-32:]):
        if not text.strip():
            continue
        address = read_address(text)
        if address is None:
            return ""  # a proxy that is trusted says it does not know ("unknown", RFC 7239 6.1)
        known = str(address)
        if not is_trusted(known, trusted):
            break
    return known


@lru_cache(maxsize=4_096)
def sender_of(address: str) -> str:
    """What counts as one sender for the rate limit: an IPv4 address, of IPv6 the first 64 bits."""
    known = read_address(address)
    return network_part(known) if known else ""


def network_part(address: IPv4Address | IPv6Address) -> str:
    """What of an address stays a visitor's: of IPv6 the first 64 bits, as devices change the rest daily."""
    if isinstance(address, IPv4Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address), 64), strict=False).network_address)


@lru_cache(maxsize=4_096)
def surroundings_of(address: str) -> str:
    """The network around an address: of IPv4 the first 24 bits, of IPv6 the first 48; '' where it cannot be read."""
    known = read_address(address)
    if known is None:
        return ""
    return str(ipaddress.ip_network((str(known), 24 if known.version == 4 else 48), strict=False))


def is_loopback(address: str) -> bool:
    """Whether the request came from this very machine: a developer's test, not a visitor from outside."""
    known = read_address(address)
    return known is not None and known.is_loopback


@lru_cache(maxsize=16_384)
def country_of(address: str) -> str | None:
    """The ISO 3166 code of the country an address is registered in; None for private and unknown ones."""
    known = read_address(address)
    if known is None:
        return None
    try:
        country = iptocc.country_code(str(known))
    except (ValueError, OverflowError):
        return None
    return str(country) if country else None
