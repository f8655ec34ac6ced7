"""The facts in lists: the oracle that the SQL engine is held to. Plain loops, no cleverness, any size a test needs."""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field

from tracker.money import tie_number
from tracker.reports.catalogue import COST_WORDS
from tracker.reports.columns import Scan, scan_of
from tracker.reports.remembered import Found
from tracker.reports.scans import Conversion, Cost, Entry, Scope, Touches, VisitCount, VisitCounts
from tracker.vocabulary import NOT_SET, Basis, ConversionKind, Dimension, TouchKind


@dataclass(frozen=True, slots=True)
class Arrival:
    """The dimensions of a touch."""

    channel: str
    source: str = NOT_SET
    medium: str = NOT_SET
    campaign: str = NOT_SET
    term: str = NOT_SET
    content: str = NOT_SET
    landing_page: str = NOT_SET
    referring_host: str = NOT_SET
    device: str = "desktop"
    country: str = NOT_SET


@dataclass(frozen=True, slots=True)
class Touchpoint:
    """A row of touchpoints."""

    touchpoint_id: str
    kind: str
    visitor_no: int | None
    occurred_ms: int
    day: str
    arrival: Arrival
    rules_version: str = "1"


@dataclass(frozen=True, slots=True)
class PathRow:
    """A row of paths."""

    conversion_id: str
    position: int
    touchpoint: Touchpoint
    scope: int = 0


@dataclass(frozen=True, slots=True)
class Link:
    """A browser was a contact's from an instant to another, either open; and the day the contact became a lead."""

    visitor_no: int
    contact_id: str
    lead_day: str
    from_ms: int | None = None
    to_ms: int | None = None


@dataclass(frozen=True, slots=True)
class CostRow:
    """A row of costs."""

    day: str
    arrival: Arrival
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class Facts:
    """All facts of one site."""

    touchpoints: list[Touchpoint] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    conversions: list[Conversion] = field(default_factory=list)
    paths: list[PathRow] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    costs: list[CostRow] = field(default_factory=list)


def values_of(arrival: Arrival, by: Iterable[Dimension]) -> tuple[str, ...]:
    """The values of some dimensions."""
    return tuple(str(getattr(arrival, name.value)) for name in by)


def words_of(arrival: Arrival, names: Iterable[str]) -> tuple[str, ...]:
    """Some flat words of an arrival."""
    return tuple(str(getattr(arrival, name)) for name in names)


class MemoryEngine:
    """The facts of one site, whatever the scope's site is."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts

    def visits(self, scope: Scope) -> VisitCounts:
        """See reports/scans.py."""
        found: dict[tuple[str, tuple[str, ...]], list[int]] = {}
        everybody: list[int] = []
        versions: set[str] = set()
        named, takes = scope.naming(), scope.takes()
        for touch in self.facts.touchpoints:
            day = self._lead_day(touch) if scope.basis is Basis.LEAD_COHORT else touch.day
            if touch.kind != TouchKind.VISIT or touch.visitor_no is None or day is None or not scope.has(day):
                continue
            if not takes(words_of(touch.arrival, scope.words)):
                continue
            key = (day[: scope.bucket], named(words_of(touch.arrival, scope.grouped)))
            found.setdefault(key, []).append(touch.visitor_no)
            everybody.append(touch.visitor_no)
            versions.add(touch.rules_version)
        rows = [
            VisitCount(bucket, values, len(numbers), len(set(numbers))) for (bucket, values), numbers in found.items()
        ]
        return VisitCounts(tuple(sorted(rows)), len(everybody), len(set(everybody)), tuple(sorted(versions)))

    def conversions(self, scope: Scope) -> list[Conversion]:
        """See reports/scans.py."""
        if scope.basis is Basis.TOUCH_COHORT:
            ids = {row.conversion_id for row in self.facts.paths if scope.has(row.touchpoint.day)}
            return [one for one in self.facts.conversions if one.conversion_id in ids]
        if scope.basis is Basis.LEAD_COHORT:
            return [one for one in self.facts.conversions if scope.has(one.lead_day)]
        moved = {entry.deal_id for entry in self.facts.entries if scope.has(entry.day)}
        return [
            one
            for one in self.facts.conversions
            if scope.has(one.day) or (one.kind == ConversionKind.DEAL_WON and one.deal_id in moved)
        ]

    def touches(self, scope: Scope) -> Touches:
        """See reports/scans.py."""
        ids = {one.conversion_id for one in self.conversions(scope)}
        rows = [row for row in self.facts.paths if row.conversion_id in ids]
        return Touches(
            conversion_ids=[row.conversion_id for row in rows],
            positions=[row.position for row in rows],
            touchpoint_ids=[row.touchpoint.touchpoint_id for row in rows],
            touched_ms=[row.touchpoint.occurred_ms for row in rows],
            touch_days=[row.touchpoint.day for row in rows],
            scopes=[row.scope for row in rows],
            ties=[tie_number(row.conversion_id, row.touchpoint.touchpoint_id) for row in rows],
            words={name: [str(getattr(row.touchpoint.arrival, name)) for row in rows] for name in scope.words},
        )

    def entries(self, scope: Scope) -> list[Entry]:
        """See reports/scans.py."""
        if scope.basis is Basis.ACTIVITY:
            deals = {entry.deal_id for entry in self.facts.entries if scope.has(entry.day)}
        else:
            deals = {
                one.deal_id for one in self.conversions(scope) if one.kind == ConversionKind.DEAL_WON and one.deal_id
            }
        return sorted(entry for entry in self.facts.entries if entry.deal_id in deals)

    def scan(self, scope: Scope) -> Scan:
        """See reports/scans.py."""
        return scan_of(scope, self.conversions(scope), self.touches(scope), self.entries(scope))

    def once(self, site_id: int, question: Hashable, find: Callable[[], Found]) -> Found:
        """See reports/scans.py."""
        return find()

    def costs(self, scope: Scope, currency: str | None) -> list[Cost]:
        """See reports/scans.py."""
        found: list[Cost] = []
        sums: dict[tuple[str, tuple[str, ...]], int] = {}
        named, takes = scope.naming(), scope.takes()
        for row in self.facts.costs:
            words, looked = (
                [
                    word if name in COST_WORDS else NOT_SET
                    for name, word in zip(names, words_of(row.arrival, names), strict=True)
                ]
                for names in (scope.grouped, scope.words)
            )
            values = named(words)
            if not scope.has(row.day) or not takes(looked):
                continue
            if row.currency == currency:
                key = (row.day[: scope.bucket], values)
                sums[key] = sums.get(key, 0) + row.amount_minor
            else:
                found.append(Cost(row.day, values, row.amount_minor, row.currency))
        found += [Cost(cut, values, amount, currency or "") for (cut, values), amount in sums.items()]
        return sorted(found)

    def _lead_day(self, touch: Touchpoint) -> str | None:
        """When the contact that a visit's browser belonged to became a lead; None for nobody's visit."""
        for link in self.facts.links:
            if (
                link.visitor_no == touch.visitor_no
                and (link.from_ms is None or touch.occurred_ms >= link.from_ms)
                and (link.to_ms is None or touch.occurred_ms < link.to_ms)
            ):
                return link.lead_day
        return None
