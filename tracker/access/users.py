"""Users: who logs in here; passwords are kept as argon2id hashes."""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Select, insert, select, update

from tracker.db.schema import users
from tracker.db.store import Tx
from tracker.errors import Conflict, Invalid
from tracker.vocabulary import Role

SHORTEST_PASSWORD = 10
LANGUAGES = ("en", "ja")


@dataclass(frozen=True, slots=True)
class User:
    """Someone who logs in. role: on every site; None: only on those where they are a member (roles.py)."""

    user_id: int
    email: str
    role: str | None
    language: str


@lru_cache(maxsize=1)
def hasher() -> PasswordHasher:
    """Argon2id with the library's parameters (RFC 9106, low memory)."""
    return PasswordHasher()


@lru_cache(maxsize=1)
def nobody_hash() -> str:
    """A hash that no password has, checked for unknown users so that they take as long as known ones."""
    return hasher().hash("\x00 nobody")


def add_user(
    tx: Tx, email: str, password: str, *, now: datetime, role: Role | None = Role.OWNER, language: str = "en"
) -> User:
    """A new user; raises Invalid (no address, short password) or Conflict (known).

    role  on every site; None: they see no site until they are made a member of one
    """
    address = email.strip().lower()
    if "@" not in address or len(address) > 320:
        raise Invalid(f"{email[:80]!r} is not an e-mail address", field="email")
    if len(password) < SHORTEST_PASSWORD:
        raise Invalid(f"a password has at least {SHORTEST_PASSWORD} characters", field="password")
    if language not in LANGUAGES:
        raise Invalid(f"languages are {', '.join(LANGUAGES)}", field="language")
    if tx.execute(select(users.c.user_id).where(users.c.email == address)).scalar() is not None:
        raise Conflict(f"there is a user {address}", field="email")
    row = {
        "email": address,
        "password_hash": hasher().hash(password),
        "role": None if role is None else role.value,
        "language": language,
        "created_at": now,
    }
    tx.execute(insert(users), [row])
    return find_user_by_email(tx, address)


def find_user_by_email(tx: Tx, email: str) -> User:
    """The user of an address that is known to exist."""
    return User(**tx.execute(select_user().where(users.c.email == email)).mappings().one())


def find_user(tx: Tx, user_id: int) -> User | None:
    """The user of a number, or None."""
    row = tx.execute(select_user().where(users.c.user_id == user_id)).mappings().one_or_none()
    return None if row is None else User(**row)


def select_user() -> Select[tuple[int, str, str | None, str]]:
    """The columns of User."""
    return select(users.c.user_id, users.c.email, users.c.role, users.c.language)


def check_password(tx: Tx, email: str, password: str) -> User | None:
    """The user whose password this is, or None; takes as long for unknown users as for known ones."""
    row = tx.execute(
        select(users.c.user_id, users.c.password_hash).where(users.c.email == email.strip().lower())
    ).one_or_none()
    try:
        hasher().verify(row.password_hash if row else nobody_hash(), password)
    except (VerificationError, InvalidHashError):
        return None
    return find_user(tx, row.user_id) if row else None


def set_language(tx: Tx, user_id: int, language: str) -> None:
    """Remember the language a user reads in."""
    if language in LANGUAGES:
        tx.execute(update(users).where(users.c.user_id == user_id).values(language=language))
