"""Identifiers: UUIDv7 for what is new, hashes for what is derived, random secrets for keys and tokens.

A derived id depends only on its parts, so deriving everything again gives the same rows.
"""

import hashlib
import re
import secrets

UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def uuid7(milliseconds: int, randomness: bytes) -> str:
    """A UUIDv7 (RFC 9562) of an instant and ten random bytes, in lower-case canonical form."""
    value = (milliseconds & ((1 << 48) - 1)) << 80 | int.from_bytes(randomness[:10], "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def new_uuid7(milliseconds: int) -> str:
    """A fresh UUIDv7 of an instant."""
    return uuid7(milliseconds, secrets.token_bytes(10))


def uuid7_of(*parts: str | int) -> str:
    """A UUIDv7 that depends on its parts and their order, and on nothing else; its time means nothing."""
    digest = hashlib.sha256("\x1f".join(str(part) for part in parts).encode()).digest()
    return uuid7(int.from_bytes(digest[:6], "big"), digest[6:16])


def is_uuid7(text: str) -> bool:
    """Whether the text is a UUIDv7 in lower-case canonical form."""
    return UUID7.fullmatch(text) is not None


def derive(*parts: str | int) -> str:
    """A 32-digit lower-case hex id that depends on its parts and their order, and on nothing else."""
    text = "\x1f".join(str(part) for part in parts)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def new_site_key() -> str:
    """A public site key: 12 lower-case letters and digits without look-alikes."""
    alphabet = "abcdefghjkmnpqrstuvwxyz23456789"
    return "".join(secrets.choice(alphabet) for _ in range(12))


def new_view_id() -> str:
    """A saved view's id, 16 characters (96 bits): who has a link with it was given it."""
    return secrets.token_urlsafe(12)


def new_link_id() -> str:
    """The id of a link in a mail or of a survey, 12 characters (72 bits): nobody finds one by trying."""
    return secrets.token_urlsafe(9)


def new_token() -> str:
    """A secret API token, 'mnm_' and 43 characters (256 bits)."""
    return "mnm_" + secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """What is stored of a token: SHA-256 suffices, for the token is 256 random bits."""
    return hashlib.sha256(token.encode()).hexdigest()
