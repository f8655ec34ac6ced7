"""(pure) A cost as everything outside the database speaks of it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cost:
    """Spend of one source and campaign on one day; amount in minor units of its currency."""

    day: str
    source: str
    medium: str
    campaign: str
    amount_minor: int
    currency: str
    clicks: int | None = None
    impressions: int | None = None
