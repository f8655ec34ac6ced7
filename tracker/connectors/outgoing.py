"""Hand a JSON document over to an address that a person wrote, by one POST.

https only, or http to this machine where the installation allows it; only allowed network addresses; no redirect is
followed, 10 seconds in all, and nothing of the answer is kept but its status.
"""

import ipaddress
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests

from tracker import __version__
from tracker.connectors.guarded import Address, Guarded, Refused, cause, is_public
from tracker.errors import Invalid

WITHIN_S = 10.0
AGENT = f"Minamoto/{__version__}"
LONGEST_URL = 2_000
LONGEST_PAUSE_S = 4 * 3_600


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a POST. status: None where nothing answered; fault: then why, a word; after_s: when to come again.

    is_final  it was not even tried, and never will be: the address may not be asked
    """

    status: int | None = None
    fault: str = ""
    is_final: bool = False
    after_s: int | None = None


def check_url(url: str, *, may_be_private: bool) -> str:
    """An address that may be posted to, trimmed; raises Invalid for another. Where it leads is looked at when sending.

    may_be_private  whether this machine and its networks may be asked
    """
    url = url.strip()
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it checks it
    except ValueError:
        raise Invalid("is no address of the web", field="target") from None
    if parts.scheme not in {"https", "http"} or not parts.hostname or not url.isprintable() or " " in url:
        raise Invalid("is no address of the web", field="target")
    if len(url) > LONGEST_URL or parts.username or parts.password or "\\" in url:
        raise Invalid("is no address that can be used here", field="target")
    if parts.scheme == "http" and not may_be_private:
        raise Invalid("has to begin with https://", field="target")
    if not may_be_private and is_inside(parts.hostname):
        raise Invalid("is not on the internet", field="target")
    return url


def is_inside(host: str) -> bool:
    """Whether a host is one of this machine or its networks by the look of it."""
    try:
        return not is_public(ipaddress.ip_address(host))
    except ValueError:
        return host.lower().rstrip(".").rpartition(".")[2] in {"localhost", "local", "internal"}


def may_ask(ip: Address, is_encrypted: bool, *, may_be_private: bool) -> bool:
    """Whether an address may be asked: public ones, by https; private ones where that is allowed, http on this machine.

    Never one of the link (a cloud's metadata), of many, or of none.
    """
    if is_public(ip):
        return is_encrypted
    if not may_be_private or ip.is_link_local or ip.is_multicast or ip.is_unspecified:
        return False
    return ip.is_loopback or (ip.is_private and is_encrypted and not ip.is_reserved)


def post(
    url: str, body: bytes, headers: Mapping[str, str], *, may_be_private: bool, within_s: float = WITHIN_S
) -> Answer:
    """Hand a JSON document over; raises nothing."""
    try:
        check_url(url, may_be_private=may_be_private)
    except Invalid:
        return Answer(fault="no_address", is_final=True)
    with requests.Session() as session:
        session.trust_env = False
        session.headers.update({"User-Agent": AGENT, "Accept": "*/*", "Content-Type": "application/json", **headers})
        adapter = Guarded(lambda ip, is_encrypted: may_ask(ip, is_encrypted, may_be_private=may_be_private))
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        # A server that sends a byte now and then is never silent for long.
        cut = threading.Timer(within_s, adapter.cut)
        cut.daemon = True
        cut.start()
        try:
            return asked(session, url, body, within_s)
        finally:
            cut.cancel()


def asked(session: requests.Session, url: str, body: bytes, within_s: float) -> Answer:
    """One request, and what its answer's head says."""
    try:
        limits = (min(5.0, within_s), within_s)
        with session.post(url, data=body, timeout=limits, allow_redirects=False, stream=True) as answer:
            return Answer(answer.status_code, after_s=pause_of(answer.headers.get("Retry-After", "")))
    except requests.exceptions.SSLError:
        return Answer(fault="tls")
    except requests.exceptions.Timeout:
        return Answer(fault="too_slow")
    except (requests.RequestException, UnicodeError, ValueError, OSError) as error:
        refused = cause(error)
        return Answer(fault=refused.key, is_final=refused.key == "private_address")
    except Refused as refused:
        return Answer(fault=refused.key, is_final=refused.key == "private_address")


def pause_of(told: str) -> int | None:
    """How many seconds a server asks to be left alone, four hours at the most; a date is not understood."""
    told = told.strip()
    return min(int(told), LONGEST_PAUSE_S) if told.isascii() and told.isdigit() and len(told) < 8 else None
