"""The key that signs log-in cookies: given as a setting, or made once and kept beside the SQLite file."""

import os
import secrets
from pathlib import Path

from sqlalchemy.engine import make_url

from tracker.config import Settings
from tracker.errors import Unready

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
