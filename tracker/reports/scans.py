"""(pure) What an engine is asked and what it gives: the seam between the facts and the reports.

An engine only filters, groups and counts. It weighs no path and converts no money; that is done once, for every
engine alike, in reports/crediting.py. Instants are milliseconds since 1970 here, for NumPy's sake.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from tracker.attribution.policy import ChannelRule, fields_of, namer
from tracker.reports.remembered import Found
from tracker.reports.where import Where, costs_meet, meets
from tracker.vocabulary import Basis, Dimension

if TYPE_CHECKING:
    from tracker.reports.columns import Scan

# How many characters of a day name its bucket.
WHOLE, MONTH, DAY = 0, 7, 10


@dataclass(frozen=True, slots=True)
class Scope:
    """Which facts a report is about. Days are in the site's zone, both inclusive.

    bucket  WHOLE, MONTH or DAY: what a series cuts the period into
    rules   the site's own channel rules. Engines name visits and costs by them; of touches they give the words that the
            rules look at, for whoever weighs them
    where   which visits and costs are counted, by the site's own channels. Of touches engines give all, for a path is
            weighed as a whole
    """

    site_id: int
    basis: Basis
    from_day: str
    to_day: str
    by: tuple[Dimension, ...]
    bucket: int = WHOLE
    rules: tuple[ChannelRule, ...] = ()
    where: Where = ()

    @property
    def words(self) -> tuple[str, ...]:
        """The flat words of a touch that the report needs: its dimensions, the channel, what rules and filters see."""
        named = [name.value for name in self.by] + [one.dimension.value for one in self.where]
        return tuple(dict.fromkeys([*named, "channel", *fields_of(self.rules)]))

    @property
    def grouped(self) -> tuple[str, ...]:
        """The flat words by which visits and costs are grouped before `naming` makes the values of them."""
        return self.words if self.rules and Dimension.CHANNEL in self.by else tuple(name.value for name in self.by)

    def naming(self) -> Callable[[Sequence[str]], tuple[str, ...]]:
        """What makes of a combination of `grouped` its values: its channel is the site's own, unless it is excluded."""
        words = self.grouped
        places = [words.index(name.value) for name in self.by]
        if not self.rules or Dimension.CHANNEL not in self.by:
            return tuple
        name, at = namer(self.rules), words.index("channel")

        def named(combination: Sequence[str]) -> tuple[str, ...]:
            channel = name(dict(zip(words, combination, strict=True))) or combination[at]
            return tuple(channel if place == at else combination[place] for place in places)

        return named

    def takes(self) -> Callable[[Sequence[str]], bool]:
        """Whether a visit with a combination of `words` is counted, its channel being the site's own."""
        words = self.words
        has_own = bool(self.rules) and any(one.dimension is Dimension.CHANNEL for one in self.where)
        name = namer(self.rules)

        def takes(combination: Sequence[str]) -> bool:
            own = dict(zip(words, combination, strict=True))
            if has_own:
                own["channel"] = name(own) or own["channel"]
            return meets(self.where, own)

        return takes

    @property
    def has_costs(self) -> bool:
        """Whether costs can be counted at all: dimensions that they do not know are (not set) of them."""
        return costs_meet(self.where)

    def has(self, day: str | None) -> bool:
        """Whether a day is in the period."""
        return day is not None and self.from_day <= day <= self.to_day


class VisitCount(NamedTuple):
    """Visits of one bucket and one combination of values, and the different browsers among them."""

    bucket: str
    values: tuple[str, ...]
    n_visits: int
    n_visitors: int


@dataclass(frozen=True, slots=True)
class VisitCounts:
    """The visits of a scope, in the order of (bucket, values), and the different browsers among all of them.

    rules_versions  of the channel rules that classed them, in order
    """

    rows: tuple[VisitCount, ...]
    n_visits: int
    n_visitors: int
    rules_versions: tuple[str, ...]


class Conversion(NamedTuple):
    """One conversion. `n` is 1, or 0 for a win that was taken back.

    lead_ms      when its (oldest) contact became a lead; deal_ms: when its deal was created
    last_win_ms  the customer's last win before an upsell, cross-sell or renewal deal was created
    """

    conversion_id: str
    kind: str
    converted_ms: int
    day: str
    lead_day: str | None
    contact_id: str | None
    deal_id: str | None
    n: int
    by_company: bool
    lead_ms: int | None = None
    deal_ms: int | None = None
    last_win_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Touches:
    """The paths of conversions, column by column, one entry per conversion and touch, in any order.

    touch_days  of a touch cohort only, else empty texts
    scopes      the narrowest scope a touch belongs to: its index in attribution.touches.SCOPES
    ties        the tie-breakers of (conversion, touch): money.tie_number
    words       by each of the scope's words: its value at each touch
    """

    conversion_ids: Sequence[str]
    positions: Sequence[int]
    touchpoint_ids: Sequence[str]
    touched_ms: Sequence[int]
    touch_days: Sequence[str]
    scopes: Sequence[int]
    ties: Sequence[int]
    words: Mapping[str, Sequence[str]]


class Entry(NamedTuple):
    """One entry of a deal's ledger, signed."""

    deal_id: str
    position: int
    kind: str
    amount_minor: int
    currency: str
    day: str


class Cost(NamedTuple):
    """What was paid on a day (or in a bucket of days); a dimension that costs do not know is (not set)."""

    day: str
    values: tuple[str, ...]
    amount_minor: int
    currency: str


class Engine(Protocol):
    """Who scans the facts of a scope."""

    def visits(self, scope: Scope) -> VisitCounts:
        """Visits of the period; in a lead cohort the visits, whenever, of the people who became leads in it."""
        ...

    def conversions(self, scope: Scope) -> list[Conversion]:
        """In any order. By activity: those of the period, and the wins of the deals that `entries` gives.

        Touch cohort: those with a touch in the period. Lead cohort: those whose contact became a lead in it.
        """
        ...

    def touches(self, scope: Scope) -> Touches:
        """The whole paths of the conversions that `conversions` gives."""
        ...

    def entries(self, scope: Scope) -> list[Entry]:
        """Whole ledgers in the order of (deal_id, position). By activity: of deals that moved in the period.

        Cohorts: of the deals whose win `conversions` gives.
        """
        ...

    def scan(self, scope: Scope) -> "Scan":
        """What conversions, touches and entries give, column by column."""
        ...

    def once(self, site_id: int, question: Hashable, find: Callable[[], Found]) -> Found:
        """What `find` makes of a site's visits, paths and ledgers alone; perhaps what it made of the same before."""
        ...

    def costs(self, scope: Scope, currency: str | None) -> list[Cost]:
        """The costs of the period, ordered by all their fields.

        Those in `currency` are added up by bucket and values, `day` being the bucket; each of the others stands alone.
        """
        ...
