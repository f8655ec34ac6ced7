"""The installation's secret: given as a setting, or made once and kept beside the SQLite file.

It signs log-in cookies, and what is derived from it encrypts what has to be kept and is nobody's to read: the secrets
of webhooks. `cryptography` is slow to import, so only who seals or unseals does.
"""

import base64
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.engine import make_url

from tracker.config import Settings
from tracker.errors import Unready

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

SHORTEST = 32


def secret_key(settings: Settings) -> str:
    """The installation's secret; raises Unready where it must be set and is not, or is too short."""
    if settings.secret_key:
        if len(settings.secret_key) < SHORTEST:
            raise Unready(f"E002 MINAMOTO_SECRET_KEY is shorter than {SHORTEST} characters")
        return settings.secret_key
    url = make_url(settings.database_url)
    if url.get_backend_name() != "sqlite":
        raise Unready("E001 MINAMOTO_SECRET_KEY is not set; with PostgreSQL every process needs the same one")
    if not url.database or url.database == ":memory:":
        return secrets.token_urlsafe(48)
    path = Path(url.database + ".secret")
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return path.read_text("ascii").strip()
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(48))
    return path.read_text("ascii").strip()


def seal(secret: str, text: str) -> bytes:
    """A text that has to be kept and read again, encrypted with the installation's secret."""
    return boxed(secret).encrypt(text.encode())


def unsealed(secret: str, sealed: bytes) -> str:
    """What was sealed; raises Unready where the installation has another secret by now."""
    from cryptography.fernet import InvalidToken

    try:
        return boxed(secret).decrypt(bytes(sealed)).decode()
    except InvalidToken:
        raise Unready("MINAMOTO_SECRET_KEY is another one than when this was kept; write it anew") from None


def boxed(secret: str) -> "Fernet":
    """What encrypts: its key is derived from the secret, which signs cookies and is used for nothing as it is."""
    from cryptography.fernet import Fernet
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    derived = HKDF(SHA256(), 32, salt=None, info=b"minamoto: what is kept sealed").derive(secret.encode())
    return Fernet(base64.urlsafe_b64encode(derived))
