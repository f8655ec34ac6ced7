"""Target accounts: the companies that a site wants to win, each in a tier, and the roles it wants to know there."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, insert, select

from tracker.companies.roles import SHIPPED, Role
from tracker.db.schema import account_roles, accounts
from tracker.db.store import Tx
from tracker.db.writes import chunks, upsert
from tracker.errors import Invalid, NotFound
from tracker.urls import clean_text

MOST_ACCOUNTS = 20_000
LONGEST_TIER = 40
LONGEST_NAME = 255


@dataclass(frozen=True, slots=True)
class Told:
    """What is said of an account. name, owner None: as it was; '' takes it away. tier None: as it was."""

    domain: str
    tier: str | None = None
    name: str | None = None
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """A target account. tier: the site's own word; owner: who looks after it, for people to read."""

    domain: str
    name: str | None
    tier: str
    owner: str | None
    added_by: str
    added_at: datetime


def checked(told: Told) -> Told:
    """The same with clean texts; raises Invalid with the field and what is wrong."""
    texts: dict[str, str | None] = {}
    for field, longest in (("tier", LONGEST_TIER), ("name", LONGEST_NAME), ("owner", LONGEST_NAME)):
        value: str | None = getattr(told, field)
        texts[field] = None if value is None else clean_text(value, longest + 1) or ""
        if len(texts[field] or "") > longest:
            raise Invalid(f"at most {longest} characters", field=field)
    return Told(told.domain, texts["tier"] or None, texts["name"], texts["owner"])


def with_word(known: Account | None, told: Told, by: str, now: datetime) -> Account:
    """The account as it is after a word; raises Invalid for a new one without a tier."""
    tier = told.tier or (known.tier if known else None)
    if tier is None:
        raise Invalid("a new account needs a tier, such as A", field="tier")
    name = told.name if told.name is not None else known.name if known else None
    owner = told.owner if told.owner is not None else known.owner if known else None
    added_by, added_at = (known.added_by, known.added_at) if known else (by, now)
    return Account(told.domain, name or None, tier, owner or None, added_by, added_at)


def save(tx: Tx, site_id: int, told: Sequence[Told], by: str, now: datetime) -> list[tuple[Account | None, Account]]:
    """Keep what is said of accounts, each domain once; returns those that changed, before (None: new) and after."""
    known = read(tx, site_id, [one.domain for one in told])
    decided = [(known.get(one.domain), with_word(known.get(one.domain), checked(one), by, now)) for one in told]
    others = [(before, after) for before, after in decided if before != after]
    n_new = sum(before is None for before, _ in others)
    if n_new and count(tx, site_id) + n_new > MOST_ACCOUNTS:
        raise Invalid(f"at most {MOST_ACCOUNTS} accounts", field="domain")
    upsert(tx, accounts, [row_of(site_id, after) for _, after in others])
    return others


def row_of(site_id: int, one: Account) -> dict[str, Any]:
    """An account's row."""
    return {"site_id": site_id, **plain(one), "added_by": one.added_by, "added_at": one.added_at}


def plain(one: Account | None) -> dict[str, str | None]:
    """What people decided of an account, as the audit log writes it."""
    return {} if one is None else {"domain": one.domain, "name": one.name, "tier": one.tier, "owner": one.owner}


def remove(tx: Tx, site_id: int, domain: str) -> Account:
    """A company is no target any more; what is known of it stays. Returns what it was; raises NotFound."""
    known = read(tx, site_id, [domain]).get(domain)
    if known is None:
        raise NotFound(f"{domain[:80]!r} is no target account")
    tx.execute(delete(accounts).where(accounts.c.site_id == site_id, accounts.c.domain == domain))
    return known


def read(tx: Tx, site_id: int, domains: Iterable[str]) -> dict[str, Account]:
    """Those of these companies that are target accounts."""
    found: dict[str, Account] = {}
    for some in chunks(sorted(set(domains))):
        query = select(accounts).where(accounts.c.site_id == site_id, accounts.c.domain.in_(some))
        found |= {row["domain"]: account_of(row) for row in tx.execute(query).mappings()}
    return found


def account_of(row: Mapping[Any, Any]) -> Account:
    """A row of accounts."""
    return Account(**{name: row[name] for name in Account.__dataclass_fields__})


def count(tx: Tx, site_id: int) -> int:
    """How many accounts a site has."""
    return tx.execute(select(func.count()).select_from(accounts).where(accounts.c.site_id == site_id)).scalar_one()


# --- roles ----------------------------------------------------------------------------------------------------------


def roles_of(tx: Tx, site_id: int) -> tuple[Role, ...]:
    """The roles that a site wants to know at an account, in its order; the shipped ones where it settled nothing."""
    query = select(account_roles.c.role, account_roles.c.patterns).where(account_roles.c.site_id == site_id)
    rows = tx.execute(query.order_by(account_roles.c.position)).all()
    return tuple(Role(name, tuple(patterns)) for name, patterns in rows) or SHIPPED


def save_roles(tx: Tx, site_id: int, roles: Sequence[Role]) -> None:
    """Settle a site's roles (roles.checked); none: the shipped ones again."""
    tx.execute(delete(account_roles).where(account_roles.c.site_id == site_id))
    rows = [
        {"site_id": site_id, "role": one.name, "position": position, "patterns": list(one.patterns)}
        for position, one in enumerate(roles)
    ]
    if rows:
        tx.execute(insert(account_roles), rows)
