"""Users: who logs in here; passwords are kept as argon2id hashes, and set by whoever bears a link."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Select, delete, insert, select, update

from tracker.db.schema import password_links, users
from tracker.db.store import Tx
from tracker.errors import Conflict, Invalid, NotFound
from tracker.ids import new_token, token_hash
from tracker.vocabulary import Role

SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 1_000
LANGUAGES = ("en", "ja")
LINK_LIVES = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class User:
    """Someone who logs in. role: on every site; None: only on those where they are a member (roles.py).

    session_no  a log-in that was opened under another number has ended
    """

    user_id: int
    email: str
    role: str | None
    language: str
    session_no: int = 0


@dataclass(frozen=True, slots=True)
class PasswordLink:
    """A link that is still good. replaces: it also sets anew a password that is there."""

    user_id: int
    email: str
    replaces: bool


# Argon2id with the library's parameters (RFC 9106, low memory): what hashes passwords unless a caller brings its own.
STRONG = PasswordHasher()


@lru_cache(maxsize=4)
def nobody_hash(hasher: PasswordHasher) -> str:
    """A hash that no password has, checked for unknown users so that they take as long as known ones."""
    return hasher.hash("\x00 nobody")


def add_user(
    tx: Tx,
    email: str,
    password: str | None,
    *,
    now: datetime,
    role: Role | None = Role.OWNER,
    language: str = "en",
    hasher: PasswordHasher = STRONG,
) -> User:
    """A new user; raises Invalid (no address, short password) or Conflict (known).

    password  None: nobody logs in as them before a link has set one
    role      on every site; None: they see no site until they are made a member of one
    """
    address = clean_email(email)
    if password is not None:
        check_length(password)
    if language not in LANGUAGES:
        raise Invalid(f"languages are {', '.join(LANGUAGES)}", field="language")
    if find_user_by_email(tx, address) is not None:
        raise Conflict(f"there is a user {address}", field="email")
    row = {
        "email": address,
        "password_hash": "" if password is None else hasher.hash(password),
        "role": None if role is None else role.value,
        "language": language,
        "created_at": now,
    }
    tx.execute(insert(users), [row])
    return known_user(tx, address)


def clean_email(email: str) -> str:
    """An address as it is kept, in lower case; raises Invalid."""
    address = email.strip().lower()
    name, _, host = address.rpartition("@")
    if not name or not host or len(address) > 320 or not address.isprintable() or " " in address:
        raise Invalid(f"{email[:80]!r} is not an e-mail address", field="email")
    return address


def check_length(password: str) -> None:
    """Raise Invalid for a password that is too short, or so long that hashing it is work."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise Invalid(f"a password has at least {SHORTEST_PASSWORD} characters", field="password")


def known_user(tx: Tx, email: str) -> User:
    """The user of an address; raises NotFound."""
    found = find_user_by_email(tx, email.strip().lower())
    if found is None:
        raise NotFound(f"there is no user {email[:80]}", field="email")
    return found


def find_user_by_email(tx: Tx, email: str) -> User | None:
    """The user of an address in lower case, or None."""
    row = tx.execute(select_user().where(users.c.email == email)).mappings().one_or_none()
    return None if row is None else User(**row)


def find_user(tx: Tx, user_id: int) -> User | None:
    """The user of a number, or None."""
    row = tx.execute(select_user().where(users.c.user_id == user_id)).mappings().one_or_none()
    return None if row is None else User(**row)


def all_users(tx: Tx) -> list[User]:
    """Everybody who logs in, by address."""
    return [User(**row) for row in tx.execute(select_user().order_by(users.c.email)).mappings()]


def select_user() -> Select[tuple[int, str, str | None, str, int]]:
    """The columns of User."""
    return select(users.c.user_id, users.c.email, users.c.role, users.c.language, users.c.session_no)


def check_password(tx: Tx, email: str, password: str, hasher: PasswordHasher = STRONG) -> User | None:
    """The user whose password this is, or None; takes as long for unknown users as for known ones."""
    row = tx.execute(
        select(users.c.user_id, users.c.password_hash).where(users.c.email == email.strip().lower())
    ).one_or_none()
    try:
        hasher.verify((row.password_hash if row else "") or nobody_hash(hasher), password)
    except (VerificationError, InvalidHashError):
        return None
    return find_user(tx, row.user_id) if row and row.password_hash else None


def set_password(tx: Tx, user_id: int, password: str, hasher: PasswordHasher = STRONG) -> User:
    """Give a user a password: log-ins under the old one end, and so do their links; raises Invalid."""
    check_length(password)
    changes = {"password_hash": hasher.hash(password), "session_no": users.c.session_no + 1}
    tx.execute(update(users).where(users.c.user_id == user_id).values(**changes))
    tx.execute(delete(password_links).where(password_links.c.user_id == user_id))
    found = find_user(tx, user_id)
    assert found is not None
    return found


def add_link(tx: Tx, user_id: int, *, replaces: bool, now: datetime) -> str:
    """A secret that lets who bears it set a user's password, given this once.

    replaces  also one that is there; else it only helps who has none, and nothing tells which it is
    """
    tx.execute(delete(password_links).where(password_links.c.expires_at <= now))
    secret = new_token().removeprefix("mnm_")
    row = {
        "link_hash": token_hash(secret),
        "user_id": user_id,
        "replaces": replaces,
        "expires_at": now + LINK_LIVES,
    }
    tx.execute(insert(password_links), [row])
    return secret


def find_link(tx: Tx, secret: str, *, now: datetime) -> PasswordLink | None:
    """The link of a secret; None if there is none, it was used or its time is over."""
    link = password_links.c
    query = (
        select(link.user_id, users.c.email, link.replaces)
        .join_from(password_links, users)
        .where(link.link_hash == token_hash(secret), link.expires_at > now)
    )
    row = tx.execute(query).one_or_none()
    return None if row is None else PasswordLink(*row)


def use_link(tx: Tx, secret: str, password: str, *, now: datetime, hasher: PasswordHasher = STRONG) -> bool:
    """Set the password of a link's user, and end all their links; whether it was set. Raises Invalid or NotFound.

    Who has a password keeps it, unless the link replaces it. That takes as long: whoever made the link for an address
    does not learn from it whether the address was known.
    """
    found = find_link(tx, secret, now=now)
    if found is None:
        raise NotFound("this link is no longer good", field="link")
    check_length(password)
    known = tx.execute(select(users.c.password_hash).where(users.c.user_id == found.user_id)).scalar_one()
    if known and not found.replaces:
        hasher.hash(password)
        tx.execute(delete(password_links).where(password_links.c.user_id == found.user_id))
        return False
    set_password(tx, found.user_id, password, hasher)
    return True


def set_language(tx: Tx, user_id: int, language: str) -> None:
    """Remember the language a user reads in."""
    if language in LANGUAGES:
        tx.execute(update(users).where(users.c.user_id == user_id).values(language=language))
