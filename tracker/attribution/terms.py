"""(pure) The terms of a credit: the model and all that it is told besides the path.

A site's policy (policy.py) and what a reader asks for are brought together here; models and reports see nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tracker.attribution.touches import ALWAYS_MS, DAY_MS
from tracker.vocabulary import LEAD_EVENTS, ConversionKind, Model, PathScope

LEAD_LOOKBACK_DAYS = 90
HALF_LIFE_DAYS = 7
# Shares of milestones are in ten-thousandths; weights of fitted models in units of 2^-30.
WHOLE_SHARE = 10_000
SCALE = 1 << 30


class DirectPolicy(StrEnum):
    """What a direct touch may earn: LAST_RESORT only when nothing else is on the path, COUNTS like any other."""

    LAST_RESORT = "last_resort"
    COUNTS = "counts"


@dataclass(frozen=True, slots=True)
class Shares:
    """How a milestone model shares an outcome, in ten-thousandths that add up to 10,000."""

    first: int = 0
    lead: int = 0
    deal: int = 0
    close: int = 0
    middle: int = 0


@dataclass(frozen=True, slots=True)
class Hazard:
    """A fitted hazard: baseline and effect per channel in units of 2^-30, and how fast an effect halves."""

    half_life_ms: int
    baseline: int
    effects: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Fit:
    """What was learned from a site's own paths; frozen, a new fit is a new version.

    effects   per order of the chain: removal effect by channel in units of 2^-30
    refusals  by model: why it could not be fitted
    """

    version: int
    effects: Mapping[int, Mapping[str, int]]
    hazard: Hazard | None
    refusals: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Terms:
    """What a model is told.

    capture        channels that capture demand: their touches earn only when nothing else but direct is on the path
    scope          whose touches count for a deal
    lead_days      look-back of leads in days of 24 hours, None for no limit; money_days: of deals and revenue
    since_last_win upsell, cross-sell and renewal deals take only touches after the customer's last win
    half_life_ms   of time decay
    custom         shares of the site's own model
    effects        removal effect by channel in units of 2^-30, from the fit in force
    measured       by channel: how many percent of its credit an experiment confirmed
    """

    model: Model = Model.LAST_NON_DIRECT
    direct: DirectPolicy = DirectPolicy.LAST_RESORT
    capture: frozenset[str] = frozenset()
    scope: PathScope = PathScope.DEAL
    lead_days: int | None = LEAD_LOOKBACK_DAYS
    money_days: int | None = None
    since_last_win: bool = False
    half_life_ms: int = HALF_LIFE_DAYS * DAY_MS
    custom: Shares = Shares(first=3_000, lead=3_000, deal=3_000, middle=1_000)
    effects: Mapping[str, int] = field(default_factory=dict)
    hazard: Hazard | None = None
    measured: Mapping[str, int] = field(default_factory=dict)

    def days(self, kind: str) -> int | None:
        """The look-back of a kind of conversion in days; None for no limit."""
        return self.lead_days if kind in {*LEAD_EVENTS, ConversionKind.LEAD} else self.money_days

    def earliest_ms(self, kind: str, converted_ms: int, last_win_ms: int | None = None) -> int:
        """A touch earns only if it is later than this instant (milliseconds).

        last_win_ms  the customer's last win before an upsell, cross-sell or renewal deal was created
        """
        days = self.days(kind)
        earliest = ALWAYS_MS if days is None else converted_ms - days * DAY_MS
        return max(earliest, last_win_ms) if self.since_last_win and last_win_ms is not None else earliest
