"""Target accounts: who is known there, what they do, how far each company is, what its deals promise; by tier.

A deal is of the company that the CRM names on it, else of those of its people; in a tier it counts once, whatever the
number of its accounts that it is of. Expected revenue is what the Opportunity report makes of an open deal: its amount
at today's rate times its own probability, or its stage's. Writes nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from tracker.access.sites import Site
from tracker.clock import local_day
from tracker.companies.accounts import Account, roles_of
from tracker.companies.roles import Role
from tracker.db.store import Tx
from tracker.errors import Invalid
from tracker.lifecycle.settled import stages_of
from tracker.lifecycle.stages import Stages
from tracker.reports.account_facts import (
    DealOn,
    Engaged,
    People,
    Standing,
    engaged_of,
    known_roles,
    people_of,
    read_accounts,
    read_deals,
)
from tracker.reports.companies import names_of

NO_STAGE = "none"
MOST_IN_FILE = 20_000


class AccountOrder(StrEnum):
    """What a list of accounts begins with; TIER is by tier, then by expected revenue."""

    TIER = "tier"
    NAME = "name"
    SCORE = "score"
    LAST = "last"
    PEOPLE = "people"
    COVERAGE = "coverage"
    EXPECTED = "expected"
    REVENUE = "revenue"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which accounts, and in what order. Empty texts and None: any; stage NO_STAGE: those of which nobody told one."""

    search: str = ""
    tier: str = ""
    stage: str = ""
    owner: str = ""
    without_people: bool = False
    order: AccountOrder = AccountOrder.TIER


@dataclass(frozen=True, slots=True)
class AccountRow:
    """One account.

    roles           the wanted roles that somebody known there is in, in the site's order
    score           the sum of its people's points (of the CRM's scores where the site's definitions give nobody any);
                    None where nobody has any; top_score: the highest of one person
    engaged         touches by week, the last one ends today; None where it was not asked for
    n_open, expected_minor, revenue_minor  in the site's currency
    """

    account: Account
    name: str
    stage: str | None
    stage_at: datetime | None
    n_people: int
    roles: tuple[str, ...]
    score: int | None
    top_score: int | None
    last_at: datetime | None
    n_open: int
    expected_minor: int
    revenue_minor: int
    engaged: Engaged | None = None

    @property
    def domain(self) -> str:
        return self.account.domain


@dataclass(frozen=True, slots=True)
class TierLine:
    """All accounts of a tier (None: all there are).

    n_known         those with a person who is known; n_active: with a touch within the weeks of engagement
    n_roles         how many of the wanted roles are known, of n_wanted: accounts times roles
    stages          how many stand in each stage, in the site's order; NO_STAGE last
    """

    tier: str | None
    n: int
    n_known: int
    n_active: int
    n_roles: int
    n_wanted: int
    stages: tuple[tuple[str, int], ...]
    n_open: int
    expected_minor: int
    revenue_minor: int

    @property
    def coverage(self) -> float | None:
        """The share of the wanted roles in which somebody is known; None without any."""
        return self.n_roles / self.n_wanted if self.n_wanted else None


@dataclass(frozen=True, slots=True)
class Accounts:
    """A site's target accounts: the rows that were asked for, in their order, and all of them by tier.

    deals       those of the accounts that are open: by id their accounts' tiers and what they promise
    n_blind     of these without a probability or a rate: nothing is expected of them
    unconverted the currencies without a rate
    """

    rows: tuple[AccountRow, ...]
    n_all: int
    tiers: tuple[TierLine, ...]
    total: TierLine
    owners: tuple[str, ...]
    stages: Stages
    roles: tuple[Role, ...]
    by_points: bool
    promised: Mapping[str, tuple[frozenset[str], int]] = field(default_factory=dict)
    n_blind: int = 0
    unconverted: tuple[str, ...] = ()


def wanted_by(args: Mapping[str, str]) -> Wanted:
    """Which accounts a request's parameters ask for; raises Invalid."""
    order = args.get("sort", "")
    if order and order not in set(AccountOrder):
        raise Invalid(f"{order[:40]!r} is no order; take one of {', '.join(AccountOrder)}", field="sort")
    return Wanted(
        search=args.get("q", "")[:200].strip(),
        tier=args.get("tier", "")[:100],
        stage=args.get("stage", "")[:100],
        owner=args.get("owner", "")[:300],
        without_people=args.get("people", "") == "none",
        order=AccountOrder(order or AccountOrder.TIER),
    )


def accounts_report(tx: Tx, site: Site, wanted: Wanted, now: datetime) -> Accounts:
    """A site's target accounts."""
    today = local_day(now, site.timezone)
    known = read_accounts(tx, site.site_id)
    stages, roles = stages_of(tx, site.site_id), roles_of(tx, site.site_id)
    people = people_of(tx, site.site_id)
    titled = known_roles(tx, site.site_id, roles)
    deals = read_deals(tx, site, today) if known else DealOn()
    by_points = any(one.n_points for one in people.values())
    told = {one.account.domain: row_of(one, people, titled, deals, roles, by_points=by_points) for one in known}
    named = names_of(tx, site, [domain for domain, one in told.items() if not one.name])
    rows = [replace(one, name=one.name or named.get(one.domain) or one.domain) for one in told.values()]
    return Accounts(
        rows=tuple(in_order([one for one in rows if is_wanted(one, wanted)], wanted.order)),
        n_all=len(rows),
        tiers=tuple(line_of(tier, rows, deals, stages, roles, today, site) for tier in tiers_of(rows)),
        total=line_of(None, rows, deals, stages, roles, today, site),
        owners=tuple(sorted({one.account.owner for one in rows if one.account.owner})),
        stages=stages,
        roles=roles,
        by_points=by_points,
        promised=promised(rows, deals),
        n_blind=deals.n_blind,
        unconverted=deals.unconverted,
    )


def row_of(
    one: Standing,
    people: Mapping[str, People],
    titled: Mapping[str, frozenset[str]],
    deals: DealOn,
    roles: Sequence[Role],
    *,
    by_points: bool,
) -> AccountRow:
    """An account with what is known of it; without a name where nobody told one."""
    domain = one.account.domain
    own = people.get(domain, People())
    on = deals.of_domain.get(domain, ())
    open_ones = [deal_id for deal_id in on if deal_id in deals.expected]
    return AccountRow(
        account=one.account,
        name=one.account.name or one.name or "",
        stage=one.stage,
        stage_at=one.stage_at,
        n_people=own.n,
        roles=tuple(role.name for role in roles if role.name in titled.get(domain, ())),
        score=own.points if by_points else own.score,
        top_score=own.top_points if by_points else own.top_score,
        last_at=own.last_at,
        n_open=len(open_ones),
        expected_minor=sum(deals.expected[deal_id] for deal_id in open_ones),
        revenue_minor=sum(deals.booked.get(deal_id, 0) for deal_id in on),
    )


def is_wanted(one: AccountRow, wanted: Wanted) -> bool:
    """Whether an account is asked for."""
    text = wanted.search.casefold()
    return (
        (not text or text in one.domain or text in one.name.casefold())
        and wanted.tier in ("", one.account.tier)
        and wanted.stage in ("", one.stage or NO_STAGE)
        and wanted.owner in ("", one.account.owner)
        and not (wanted.without_people and one.n_people)
    )


def in_order(rows: Iterable[AccountRow], order: AccountOrder) -> list[AccountRow]:
    """Accounts in an order; those without what is sorted by come last."""
    by_name = sorted(rows, key=lambda one: (one.name.casefold(), one.domain))
    if order is AccountOrder.NAME:
        return by_name
    if order is AccountOrder.TIER:
        return sorted(by_name, key=lambda one: (one.account.tier, -one.expected_minor, -(one.score or 0)))

    def value(one: AccountRow) -> float:
        found: float | None = {
            AccountOrder.SCORE: one.score,
            AccountOrder.LAST: one.last_at.timestamp() if one.last_at else None,
            AccountOrder.PEOPLE: one.n_people or None,
            AccountOrder.COVERAGE: len(one.roles) or None,
            AccountOrder.EXPECTED: one.expected_minor or None,
            AccountOrder.REVENUE: one.revenue_minor or None,
        }[order]
        return float("-inf") if found is None else found

    return sorted(by_name, key=value, reverse=True)


def tiers_of(rows: Iterable[AccountRow]) -> list[str]:
    """The tiers, in the order of their words."""
    return sorted({one.account.tier for one in rows})


def line_of(
    tier: str | None,
    rows: Sequence[AccountRow],
    deals: DealOn,
    stages: Stages,
    roles: Sequence[Role],
    today: str,
    site: Site,
) -> TierLine:
    """A tier, or all accounts."""
    own = [one for one in rows if tier in (None, one.account.tier)]
    since = deals.since(today)
    counts: dict[str, int] = {}
    for one in own:
        counts[one.stage or NO_STAGE] = counts.get(one.stage or NO_STAGE, 0) + 1
    on = {deal_id for one in own for deal_id in deals.of_domain.get(one.domain, ())}
    return TierLine(
        tier=tier,
        n=len(own),
        n_known=sum(one.n_people > 0 for one in own),
        n_active=sum(one.last_at is not None and local_day(one.last_at, site.timezone) >= since for one in own),
        n_roles=sum(len(one.roles) for one in own),
        n_wanted=len(own) * len(roles),
        stages=tuple(sorted(counts.items(), key=lambda pair: (pair[0] == NO_STAGE, stages.rank(pair[0]), pair[0]))),
        n_open=sum(deal_id in deals.expected for deal_id in on),
        expected_minor=sum(deals.expected.get(deal_id, 0) for deal_id in on),
        revenue_minor=sum(deals.booked.get(deal_id, 0) for deal_id in on),
    )


def promised(rows: Iterable[AccountRow], deals: DealOn) -> dict[str, tuple[frozenset[str], int]]:
    """By open deal of an account: the tiers of its accounts, and what it promises."""
    tiers: dict[str, set[str]] = {}
    for one in rows:
        for deal_id in deals.of_domain.get(one.domain, ()):
            if deal_id in deals.expected:
                tiers.setdefault(deal_id, set()).add(one.account.tier)
    return {deal_id: (frozenset(own), deals.expected[deal_id]) for deal_id, own in tiers.items()}


def with_engagement(tx: Tx, site: Site, rows: Sequence[AccountRow], now: datetime) -> list[AccountRow]:
    """These accounts with their touches by week."""
    found = engaged_of(tx, site, [one.domain for one in rows], local_day(now, site.timezone))
    return [replace(one, engaged=found[one.domain]) for one in rows]
