"""(pure) Words in an address that only the installation can write and read: who a link or an invitation is for.

The same words about the same thing give the same text (AES-SIV, RFC 5297), so a mail that is sent again has the same
link. A text is good for one purpose and one thing only: of another it does not open. `cryptography` is slow to import,
so only who seals or unseals does.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha512

LONGEST = 700


def seal(secret: str, purpose: str, about: str, words: str) -> str:
    """The words as [A-Za-z0-9_-], unreadable to others.

    secret   the installation's
    purpose  what the text is for: 'mail link'
    about    the one thing that it belongs to: a link's id
    words    at least one character
    """
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

    sealed = AESSIV(key_of(secret, purpose)).encrypt(words.encode(), [about.encode()])
    return urlsafe_b64encode(sealed).rstrip(b"=").decode()


def unseal(secret: str, purpose: str, about: str, text: str) -> str | None:
    """The words in a text that was sealed for this purpose and thing; None for anything else."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

    if not text or len(text) > LONGEST or not text.isascii():
        return None
    try:
        sealed = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        words = AESSIV(key_of(secret, purpose)).decrypt(sealed, [about.encode("utf-8", "surrogatepass")]).decode()
    except (InvalidTag, ValueError):
        return None
    return words if seal(secret, purpose, about, words) == text else None


def key_of(secret: str, purpose: str) -> bytes:
    """A key for this purpose alone, so that nothing sealed here is good for anything else."""
    return hmac.digest(secret.encode(), f"minamoto seal {purpose}".encode(), sha512)
