"""API tokens: random secrets of which only a hash is kept; each is for one site, or for all."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select, update

from tracker.db.schema import tokens
from tracker.db.store import Tx
from tracker.errors import Invalid, NotFound
from tracker.ids import new_token, token_hash


@dataclass(frozen=True, slots=True)
class Token:
    """A token that may be used; site_id None means every site, and the request names one."""

    token_id: int
    name: str
    site_id: int | None


def add_token(tx: Tx, name: str, *, site_id: int | None, now: datetime) -> str:
    """A new token, returned this once."""
    if not name.strip():
        raise Invalid("a token needs a name", field="name")
    secret = new_token()
    row = {
        "name": name.strip()[:200],
        "token_hash": token_hash(secret),
        "site_id": site_id,
        "created_at": now,
    }
    tx.execute(insert(tokens), [row])
    return secret


def find_token(tx: Tx, secret: str) -> Token | None:
    """The token of a secret; None if there is none or it was revoked."""
    row = tx.execute(
        select(tokens.c.token_id, tokens.c.name, tokens.c.site_id).where(
            tokens.c.token_hash == token_hash(secret), tokens.c.revoked_at.is_(None)
        )
    ).one_or_none()
    return None if row is None else Token(*row)


def sites_of_tokens(tx: Tx, name: str) -> list[int | None]:
    """The site of each token of a name that may be used; None: it is for every site."""
    query = select(tokens.c.site_id).where(tokens.c.name == name, tokens.c.revoked_at.is_(None))
    return list(tx.execute(query.order_by(tokens.c.token_id)).scalars())


def revoke_token(tx: Tx, name: str, *, now: datetime) -> int:
    """Revoke every token of a name at once; return how many; raises NotFound."""
    found = tx.execute(
        update(tokens).where(tokens.c.name == name, tokens.c.revoked_at.is_(None)).values(revoked_at=now)
    ).rowcount
    if not found:
        raise NotFound(f"no token named {name!r}")
    return found
