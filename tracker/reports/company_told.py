"""What a company's page and the API tell of one company besides its people and deals: CRM, stage, account, roles."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, select

from tracker.access.sites import Site
from tracker.clock import from_ms
from tracker.companies.accounts import Account, read, roles_of
from tracker.companies.roles import Role, roles_in
from tracker.db.schema import companies, company_changes, contacts
from tracker.db.store import Tx
from tracker.lifecycle.times import StageTime, stage_times
from tracker.reports.account_facts import titles
from tracker.reports.stages import Proof, StageStep
from tracker.vocabulary import StageCause


@dataclass(frozen=True, slots=True)
class CompanyTold:
    """What is told of a company.

    is_told   whether a CRM or a stage has told of it, or it is a target account: it exists without people and deals
    steps     the changes of its stage, oldest first; times: how long it was in each
    account   as a target account; roles: those that the site wants to know there, and how many people are in each
    """

    is_told: bool
    name: str | None
    properties: Mapping[str, Any]
    stage: str | None
    stage_at: datetime | None
    steps: tuple[StageStep, ...]
    times: tuple[StageTime, ...]
    account: Account | None
    roles: tuple[tuple[Role, int], ...]


def company_told(tx: Tx, site: Site, domain: str, now: datetime) -> CompanyTold:
    """What is told of the company of a domain."""
    here = and_(companies.c.site_id == site.site_id, companies.c.domain == domain)
    row = tx.execute(select(companies).where(here)).mappings().one_or_none()
    account = read(tx, site.site_id, [domain]).get(domain)
    steps = steps_of(tx, site.site_id, domain) if row is not None else ()
    return CompanyTold(
        is_told=row is not None or account is not None,
        name=(account.name if account else None) or (row["name"] if row is not None else None),
        properties=row["properties"] if row is not None else {},
        stage=row["stage"] if row is not None else None,
        stage_at=row["stage_at"] if row is not None else None,
        steps=steps,
        times=tuple(stage_times([(step.at, step.stage) for step in steps], now)),
        account=account,
        roles=roles_known(tx, site, domain) if account else (),
    )


def steps_of(tx: Tx, site_id: int, domain: str) -> tuple[StageStep, ...]:
    """The changes of a company's stage, oldest first."""
    rows = company_changes.c
    query = select(company_changes).where(rows.site_id == site_id, rows.domain == domain).order_by(rows.position)
    return tuple(
        StageStep(
            position=row["position"],
            at=row["occurred_at"],
            before=row["stage_before"],
            stage=row["stage"],
            cause=StageCause(row["cause"]),
            by=row["decided_by"],
            version=row["version"],
            evidence=tuple(Proof(from_ms(ms), kind, text) for ms, kind, text in row["evidence"]),
        )
        for row in tx.execute(query).mappings()
    )


def roles_known(tx: Tx, site: Site, domain: str) -> tuple[tuple[Role, int], ...]:
    """The wanted roles, and how many of a company's people are in each."""
    roles, title = roles_of(tx, site.site_id), titles()
    query = select(title).where(
        contacts.c.site_id == site.site_id, contacts.c.company_domain == domain, title.is_not(None)
    )
    found = [roles_in(str(text), roles) for text in tx.execute(query).scalars()]
    return tuple((role, sum(role.name in own for own in found)) for role in roles)
