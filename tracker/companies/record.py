"""Record what CRMs say of companies: keep their words, and derive name and properties from all of them.

The later word counts, by when it became true and not by when it came. How far a company is on its way is the life
cycle's (lifecycle/company.py), which writes to the same rows.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update

from tracker.db.schema import companies, crm_changes
from tracker.db.store import Tx
from tracker.db.writes import chunks, insert_once
from tracker.vocabulary import CrmChangeKind


@dataclass(frozen=True, slots=True)
class CompanySaid:
    """What one call said of a company: `fields` are those of name and properties that it gave; name None takes away."""

    site_id: int
    domain: str
    fields: Mapping[str, Any]
    changed_at: datetime
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a company."""

    name: str | None
    properties: Mapping[str, Any]


def hear(tx: Tx, said: CompanySaid) -> bool:
    """Keep what was said unless it adds nothing to what is known by then; return whether it was kept.

    The first word of a company is always kept: it says that there is one.
    """
    words = words_of(tx, said.site_id, [said.domain]).get(said.domain, [])
    until = [fields for at, fields in words if at <= said.changed_at]
    if words and known_of([*until, said.fields]) == known_of(until):
        return False
    row = {
        "site_id": said.site_id,
        "kind": CrmChangeKind.COMPANY.value,
        "key": said.domain,
        "payload": dict(said.fields),
        "changed_at": said.changed_at,
        "received_at": said.received_at,
    }
    tx.execute(insert(crm_changes), [row])
    return True


def known_of(words: Iterable[Mapping[str, Any]]) -> Known:
    """What words in order of time make known: of properties only those given change."""
    name: str | None = None
    properties: dict[str, Any] = {}
    for fields in words:
        name = fields.get("name", name)
        properties |= fields.get("properties", {})
    return Known(name, properties)


def words_of(tx: Tx, site_id: int, domains: Iterable[str]) -> dict[str, list[tuple[datetime, Mapping[str, Any]]]]:
    """Per company what was said of it and when that became true, in order of time."""
    found: dict[str, list[tuple[datetime, Mapping[str, Any]]]] = {}
    row = crm_changes.c
    for some in chunks(sorted(set(domains))):
        query = select(row.key, row.changed_at, row.payload).where(
            row.site_id == site_id, row.kind == CrmChangeKind.COMPANY.value, row.key.in_(some)
        )
        for domain, at, fields in tx.execute(query.order_by(row.changed_at, row.seq)):
            found.setdefault(domain, []).append((at, fields))
    return found


def record(tx: Tx, site_id: int, domains: Iterable[str]) -> None:
    """Derive these companies' names and properties; a company that nothing is known of any more has no row."""
    for some in chunks(sorted(set(domains))):
        words = words_of(tx, site_id, some)
        told = {domain: known_of(fields for _, fields in own) for domain, own in words.items()}
        new = [
            {"site_id": site_id, "domain": domain, "name": one.name, "properties": dict(one.properties)}
            for domain, one in told.items()
        ]
        insert_once(tx, companies, new)
        here = (companies.c.site_id == site_id, companies.c.domain.in_(some))
        rows = tx.execute(select(companies).where(*here)).mappings().all()
        others = [
            {"whose": row["domain"], "now_called": one.name, "now_with": dict(one.properties)}
            for row in rows
            if (one := told.get(row["domain"], Known(None, {}))) != Known(row["name"], row["properties"])
        ]
        if others:
            which = (companies.c.site_id == site_id, companies.c.domain == bindparam("whose"))
            now = update(companies).where(*which).values(name=bindparam("now_called"), properties=bindparam("now_with"))
            tx.execute(now, others)
        bare = [row["domain"] for row in rows if row["domain"] not in told and row["stage"] is row["points"] is None]
        tx.execute(delete(companies).where(companies.c.site_id == site_id, companies.c.domain.in_(bare)))


def read(tx: Tx, site_id: int, domains: Iterable[str]) -> dict[str, Known]:
    """What is known of those of these companies of which anything is."""
    found: dict[str, Known] = {}
    for some in chunks(sorted(set(domains))):
        query = select(companies.c.domain, companies.c.name, companies.c.properties)
        query = query.where(companies.c.site_id == site_id, companies.c.domain.in_(some))
        found |= {domain: Known(name, properties) for domain, name, properties in tx.execute(query)}
    return found


def all_told(tx: Tx, site_id: int) -> list[str]:
    """The domains of all companies that CRMs told a site of."""
    query = select(crm_changes.c.key).where(
        crm_changes.c.site_id == site_id, crm_changes.c.kind == CrmChangeKind.COMPANY.value
    )
    return list(tx.execute(query.distinct()).scalars())
