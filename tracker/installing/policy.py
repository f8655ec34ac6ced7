"""(pure) Content-Security-Policy, Level 3: whether a page's policies let a script load and a beacon leave.

As browsers read it (https://www.w3.org/TR/CSP3/, sections 2.2, 6.7; read 2026-11): every policy of a page must allow;
within one the first directive that is there decides; its words are sources of which one must fit.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

SCRIPT = ("script-src-elem", "script-src", "default-src")
CONNECT = ("connect-src", "default-src")
MOST_POLICIES = 20
_PORTS = {"http": 80, "https": 443}
_HOST_SOURCE = re.compile(
    r"(?:(?P<scheme>[a-z][a-z0-9+.-]*)://)?(?P<host>\*|(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])"
    r"(?::(?P<port>\d+|\*))?(?P<path>/[^?#]*)?",
    re.IGNORECASE,
)

Policy = dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Missing:
    """A directive that keeps something out, as it stands, and with what it lacks."""

    directive: str
    line: str


def read_policies(texts: Sequence[str]) -> list[Policy]:
    """The policies of header values and meta elements; of a directive that is there twice the first counts."""
    found = []
    for text in [one for value in texts for one in value.split(",")][:MOST_POLICIES]:
        policy: Policy = {}
        for part in text.split(";"):
            name, *sources = part.split() or [""]
            if name:
                policy.setdefault(name.lower(), tuple(sources))
        if policy:
            found.append(policy)
    return found


def missing(
    policies: Sequence[Policy], chain: Sequence[str], url: str, page_url: str, nonce: str = ""
) -> list[Missing]:
    """What each policy lacks for this address to be loaded or asked; empty if all allow it.

    chain  SCRIPT or CONNECT
    nonce  of the script element; '' without one
    """
    lacks = []
    for policy in policies:
        name = next((name for name in chain if name in policy), None)
        if name is None or allows(policy[name], url, page_url, nonce if chain is SCRIPT else ""):
            continue
        own = [word for word in policy[name] if word.lower() != "'none'"]
        # Where default-src decides, a directive of its own leaves the others as they are.
        wanted = chain[-2] if name == "default-src" else name
        lacks.append(Missing(name, " ".join([wanted, *own, origin_of(url)])))
    return lacks


def allows(sources: Sequence[str], url: str, page_url: str, nonce: str) -> bool:
    """Whether one of the sources fits the address."""
    words = [word.lower() for word in sources]
    if nonce and f"'nonce-{nonce}'" in sources:
        return True
    if "'strict-dynamic'" in words and any(word.startswith(("'nonce-", "'sha")) for word in words):
        return False  # then hosts are not looked at, and only what a trusted script adds is let in
    return any(fits(word, url, page_url) for word in words)


def fits(source: str, url: str, page_url: str) -> bool:
    """Whether a source, in lower case, fits an address."""
    asked, page = urlsplit(url), urlsplit(page_url)
    if source == "*":
        return asked.scheme in {"http", "https", page.scheme}
    if source == "'self'":
        same = (asked.hostname, port_of(url)) == (page.hostname, port_of(page_url))
        upgraded = asked.hostname == page.hostname and asked.scheme == "https" and port_of(url) == 443
        return (same and asked.scheme == page.scheme) or upgraded
    if source.endswith(":") and source[:-1].isascii():
        return asked.scheme == source[:-1] or (source == "http:" and asked.scheme == "https")
    match = _HOST_SOURCE.fullmatch(source)
    return match is not None and _host_fits(match, url, page.scheme)


def _host_fits(source: re.Match[str], url: str, page_scheme: str) -> bool:
    asked = urlsplit(url)
    scheme = source["scheme"] or page_scheme
    if asked.scheme != scheme and not (scheme == "http" and asked.scheme == "https"):
        return False
    host, wanted = asked.hostname or "", source["host"]
    if wanted != "*" and not (host.endswith(wanted[1:]) if wanted.startswith("*.") else host == wanted):
        return False
    port = port_of(url)
    if source["port"] not in {None, "*"} and int(source["port"]) != port:
        return False
    if source["port"] is None and port != _PORTS.get(asked.scheme):
        return False
    path = source["path"] or ""
    whole = asked.path.lower() or "/"
    return path in {"", "/"} or (whole.startswith(path) if path.endswith("/") else whole == path)


def port_of(url: str) -> int | None:
    """The port that an address leads to."""
    parts = urlsplit(url)
    try:
        return parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None


def origin_of(url: str) -> str:
    """Scheme, host and port of an address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
