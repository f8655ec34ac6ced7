"""(pure) Links between a site's domains: a token that lets one browser keep its visitor id on the other domain.

A cookie ends at its domain. A link from one of the site's domains to another carries a token, which the page there
gives back to the collector. It opens for two minutes, for the same site, user agent and network, and once
(tracker/collect/spent.py): whoever else is shown the address keeps an id of their own. The visitor id does not stand
in it readably, for addresses get into logs, histories, other scripts. docs/adr/0029 says what it withstands.

A token is four parts, each [A-Za-z0-9_-]: a nonce, when it was made, the visitor id under a pad, the signature of all.
"""

import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import blake2b, sha256
from secrets import token_bytes

from tracker.clock import to_ms

LIFE = timedelta(minutes=2)
LEEWAY = timedelta(seconds=5)  # of one server's clock before another's
LONGEST = 160
NONCE_BYTES = 12
VISITOR = re.compile(rb"[A-Za-z0-9_-]{16,64}")
TOKEN = re.compile(r"([A-Za-z0-9_-]{16})\.([0-9a-f]{1,12})\.([A-Za-z0-9_-]{22,86})\.([A-Za-z0-9_-]{43})")


def issue(
    secret: str,
    site: str,
    visitor: str,
    agent: str,
    network: str,
    now: datetime,
    random: Callable[[int], bytes] = token_bytes,
) -> str:
    """A token of at most 160 characters from [A-Za-z0-9._-] for one link of this visitor.

    secret   the installation's
    site     the site's key
    visitor  16 to 64 of [A-Za-z0-9_-]; raises ValueError for what is none
    agent    the browser's User-Agent header
    network  what tracker/collect/address.py calls the surroundings of the client's address
    random   gives so many random bytes
    """
    plain = visitor.encode()
    if not VISITOR.fullmatch(plain):
        raise ValueError("no visitor id")
    nonce = random(NONCE_BYTES)
    told = f"{text_of(nonce)}.{to_ms(now):x}.{text_of(covered(secret, nonce, plain))}"
    return f"{told}.{signature(secret, told, site, agent, network)}"


def open_token(secret: str, token: str, site: str, agent: str, network: str, now: datetime) -> str | None:
    """The visitor id in a token, if it was made for this site, user agent and network at most two minutes ago."""
    parts = TOKEN.fullmatch(token) if len(token) <= LONGEST else None
    if parts is None:
        return None
    told, _, signed = token.rpartition(".")
    if not hmac.compare_digest(signed, signature(secret, told, site, agent, network)):
        return None
    age_ms = to_ms(now) - int(parts[2], 16)
    if not -LEEWAY <= timedelta(milliseconds=age_ms) <= LIFE:
        return None
    return covered(secret, bytes_of(parts[1]), bytes_of(parts[3])).decode()


def signature(secret: str, told: str, site: str, agent: str, network: str) -> str:
    """What only the installation can write under a token's other parts and whom it is for."""
    parts = [part.encode("utf-8", "surrogatepass") for part in (told, site, agent, network)]
    whole = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return text_of(hmac.digest(key_of(secret, "signature"), whole, sha256))


def covered(secret: str, nonce: bytes, text: bytes) -> bytes:
    """A visitor id under the pad of its nonce, which is used once; the same again uncovers it."""
    pad = blake2b(nonce, key=key_of(secret, "pad")).digest()  # 64 bytes, as many as a visitor id has at most
    return bytes(one ^ other for one, other in zip(text, pad, strict=False))


def key_of(secret: str, purpose: str) -> bytes:
    """A key for this purpose alone, so that nothing signed here is good for anything else."""
    return hmac.digest(secret.encode(), f"minamoto link {purpose}".encode(), sha256)


def text_of(given: bytes) -> str:
    """Bytes as [A-Za-z0-9_-]."""
    return urlsafe_b64encode(given).rstrip(b"=").decode()


def bytes_of(text: str) -> bytes:
    """What text_of was given; of characters that it never wrote at the end, none."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
