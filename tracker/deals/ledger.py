"""(pure) A deal's changes become its state and a ledger of signed entries, each with its own date.

Nothing is edited away: won, amended, refunded, redated, lost after won and reopened each add entries, so "as
closed" and "as of today" both add up. The outcome depends on when the changes happened, not on when they arrived.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from tracker.clock import parse_instant
from tracker.deals.probability import parse_probability
from tracker.errors import Invalid
from tracker.money import check_currency, parse_amount
from tracker.vocabulary import DealStatus, DealType, EntryKind


@dataclass(frozen=True, slots=True)
class Change:
    """What the CRM said of a deal at one moment: only the fields it gave, in the API's words and spelling."""

    changed_at: datetime
    seq: int
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Deal:
    """A deal after its changes; amounts in minor units of its currency, the probability in ten-thousandths."""

    currency: str
    created_at: datetime
    changed_at: datetime
    status: DealStatus = DealStatus.OPEN
    type: DealType = DealType.NEW
    name: str | None = None
    pipeline: str | None = None
    stage: str | None = None
    probability_bp: int | None = None
    lost_reason: str | None = None
    amount_minor: int = 0
    refunded_minor: int = 0
    closed_at: datetime | None = None
    company_domain: str | None = None
    contacts: tuple[tuple[str, str], ...] = ()

    @property
    def net_minor(self) -> int:
        return self.amount_minor - self.refunded_minor


@dataclass(frozen=True, slots=True)
class Entry:
    """One signed entry of the ledger."""

    kind: EntryKind
    amount_minor: int
    currency: str
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class Recorded:
    """A deal, its ledger, when it was last won (None: never), and the deal after each of its changes."""

    deal: Deal
    entries: tuple[Entry, ...]
    won_at: datetime | None
    steps: tuple[Deal, ...]


def replay(changes: Iterable[Change], default_currency: str) -> Recorded:
    """The deal and its ledger after all its changes, in (changed_at, seq) order.

    raises  Invalid(field=…): an amount the currency cannot have, refunds above the amount, an unknown currency
    """
    ordered = sorted(changes, key=lambda change: (change.changed_at, change.seq))
    deal = Deal(currency=default_currency, created_at=ordered[0].changed_at, changed_at=ordered[0].changed_at)
    entries: list[Entry] = []
    won_at: datetime | None = None
    steps: list[Deal] = []
    for change in ordered:
        after = apply(deal, change)
        if after.status == DealStatus.WON:
            won_at = after.closed_at
        entries += booked(deal, after, change.changed_at)
        deal = after
        steps.append(deal)
    return Recorded(deal, tuple(entries), won_at, tuple(steps))


def apply(deal: Deal, change: Change) -> Deal:
    """The deal after one change; a field that is not given stays as it was."""
    fields = change.fields
    currency = check_currency(fields["currency"]) if fields.get("currency") else deal.currency
    after = replace(deal, changed_at=change.changed_at, currency=currency)
    for name in ("name", "pipeline", "stage", "lost_reason", "company_domain"):
        if name in fields:
            after = replace(after, **{name: fields[name]})
    if "probability" in fields:
        told = fields["probability"]
        after = replace(after, probability_bp=None if told is None else parse_probability(told))
    if currency != deal.currency and "amount" not in fields and deal.amount_minor:
        raise Invalid("a new currency needs the amount in it", field="amount")
    if currency != deal.currency and "refunded" not in fields:
        after = replace(after, refunded_minor=0)
    if fields.get("amount") is not None:
        after = replace(after, amount_minor=parse_amount(fields["amount"], currency))
    if fields.get("refunded") is not None:
        after = replace(after, refunded_minor=parse_amount(fields["refunded"], currency, "refunded"))
    if after.refunded_minor > after.amount_minor:
        raise Invalid("more refunded than the amount", field="refunded")
    if fields.get("status"):
        after = replace(after, status=DealStatus(fields["status"]))
    if fields.get("type"):
        after = replace(after, type=DealType(fields["type"]))
    if fields.get("created_at"):
        after = replace(after, created_at=parse_instant(fields["created_at"], "created_at"))
    if "contacts" in fields:
        after = replace(after, contacts=tuple((ref["by"], ref["value"]) for ref in fields["contacts"]))
    return replace(after, closed_at=closing(deal, after, change))


def closing(deal: Deal, after: Deal, change: Change) -> datetime | None:
    """When the deal closed: as the CRM says, else when it was first said to be won or lost; open deals have not."""
    if after.status == DealStatus.OPEN:
        return None
    if change.fields.get("closed_at"):
        return parse_instant(change.fields["closed_at"], "closed_at")
    return deal.closed_at if deal.status == after.status else change.changed_at


def booked(before: Deal, after: Deal, changed_at: datetime) -> list[Entry]:
    """The entries that one change adds to the ledger."""
    was_won, is_won = before.status == DealStatus.WON, after.status == DealStatus.WON
    if not was_won and not is_won:
        return []
    if is_won and after.closed_at is None:
        raise ValueError("a won deal has a closing date")
    if not was_won:
        closed_at = after.closed_at or changed_at
        won = [Entry(EntryKind.WON, after.amount_minor, after.currency, closed_at)]
        if after.refunded_minor:
            won.append(Entry(EntryKind.REFUNDED, -after.refunded_minor, after.currency, max(changed_at, closed_at)))
        return won
    at = max(changed_at, before.closed_at or changed_at)
    if not is_won:
        kind = EntryKind.LOST_AFTER_WON if after.status == DealStatus.LOST else EntryKind.REOPENED
        return [Entry(kind, -before.net_minor, before.currency, at)]
    return amended(before, after, at)


def amended(before: Deal, after: Deal, at: datetime) -> list[Entry]:
    """The entries of a deal that stays won: a corrected date, another currency, another amount, a refund."""
    entries: list[Entry] = []
    if before.closed_at != after.closed_at and before.closed_at and after.closed_at:
        entries.append(Entry(EntryKind.REDATED, -before.net_minor, before.currency, before.closed_at))
        entries.append(Entry(EntryKind.REDATED, before.net_minor, before.currency, after.closed_at))
        at = max(at, after.closed_at)
    if before.currency != after.currency:
        entries.append(Entry(EntryKind.AMENDED, -before.net_minor, before.currency, at))
        entries.append(Entry(EntryKind.AMENDED, after.net_minor, after.currency, at))
    else:
        entries.append(Entry(EntryKind.AMENDED, after.amount_minor - before.amount_minor, after.currency, at))
        entries.append(Entry(EntryKind.REFUNDED, before.refunded_minor - after.refunded_minor, after.currency, at))
    return [entry for entry in entries if entry.amount_minor]
