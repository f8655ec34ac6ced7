"""(pure) Conversions, paths and ledgers column by column: what crediting computes with, a million at a time.

Days are numbers that read as they are written (20260401), instants are milliseconds, words are numbers of a list.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.attribution.touches import NEVER_MS, Ints
from tracker.reports.scans import Conversion, Entry, Scope, Touches
from tracker.vocabulary import ConversionKind

KINDS = tuple(kind.value for kind in ConversionKind)
WON = KINDS.index(ConversionKind.DEAL_WON)
NOBODY = -1

Numbers = NDArray[Any]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Conversions:
    """Conversions; like a list of them.

    ids, contact_ids, deal_ids     the latter empty where there is none
    kinds                          numbers in KINDS
    days, lead_days                as numbers; 0: none
    deals                          numbers of deals, the same as in Entries; NOBODY: none
    counts                         1, or 0 for a win that was taken back
    lead_ms, deal_ms, last_win_ms  NEVER_MS: none
    """

    ids: Sequence[str]
    contact_ids: Sequence[str]
    deal_ids: Sequence[str]
    kinds: Numbers
    converted_ms: Ints
    days: Numbers
    lead_days: Numbers
    deals: Numbers
    counts: Numbers
    by_company: Bools
    lead_ms: Ints
    deal_ms: Ints
    last_win_ms: Ints

    def __len__(self) -> int:
        return len(self.kinds)

    def __getitem__(self, i: int) -> Conversion:
        return Conversion(
            self.ids[i],
            KINDS[self.kinds[i]],
            int(self.converted_ms[i]),
            day_text(self.days[i]),
            day_text(self.lead_days[i]) or None,
            self.contact_ids[i] or None,
            self.deal_ids[i] or None,
            int(self.counts[i]),
            bool(self.by_company[i]),
            *(None if moment == NEVER_MS else int(moment) for moment in self._moments(i)),
        )

    def __iter__(self) -> Iterator[Conversion]:
        return (self[i] for i in range(len(self)))

    def _moments(self, i: int) -> tuple[Any, ...]:
        return self.lead_ms[i], self.deal_ms[i], self.last_win_ms[i]

    @property
    def is_win(self) -> Bools:
        """Per conversion: whether it is a deal's win."""
        return np.asarray(self.kinds == WON, dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class Entries:
    """Entries of ledgers, in the order of deal and position; like a list of them.

    deals             numbers of deals, the same as in Conversions
    kinds             numbers in `kind_names`; currencies: in `codes`
    amounts           minor units, int64; days: as numbers
    """

    deal_ids: Sequence[str]
    deals: Numbers
    positions: Numbers
    kinds: Numbers
    kind_names: Sequence[str]
    amounts: Ints
    currencies: Numbers
    codes: Sequence[str]
    days: Numbers

    def __len__(self) -> int:
        return len(self.amounts)

    def __getitem__(self, i: int) -> Entry:
        return Entry(
            self.deal_ids[i],
            int(self.positions[i]),
            self.kind_names[self.kinds[i]],
            int(self.amounts[i]),
            self.codes[self.currencies[i]],
            day_text(self.days[i]),
        )

    def __iter__(self) -> Iterator[Entry]:
        return (self[i] for i in range(len(self)))


@dataclass(frozen=True, slots=True)
class Walks:
    """The paths of conversions, one after the other, each in its order: path i is offsets[i] .. offsets[i + 1] - 1.

    days    as numbers
    seen    per touch: the number of its words in `words`, each a value of every one of the scope's words
    touchpoint_ids  left out (empty) by an engine that does not keep them
    """

    offsets: Ints
    touched_ms: Ints
    days: Numbers
    scopes: Numbers
    ties: Ints
    seen: Numbers
    words: Sequence[tuple[str, ...]]
    touchpoint_ids: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Scan:
    """All that is credited in a scope."""

    conversions: Conversions
    walks: Walks
    entries: Entries


def scan_of(scope: Scope, found: Sequence[Conversion], touches: Touches, ledgers: Sequence[Entry]) -> Scan:
    """What an engine listed, column by column."""
    places: dict[str, int] = {}
    columns = conversions_of(found, places)
    return Scan(columns, walks_of(scope, found, touches), entries_of(ledgers, places))


def conversions_of(found: Sequence[Conversion], places: dict[str, int] | None = None) -> Conversions:
    """Listed conversions. places: the numbers of deals, to which theirs are added."""
    if isinstance(found, Conversions):
        return found
    numbers = {} if places is None else places
    rows = list(zip(*found, strict=True)) or [()] * len(Conversion._fields)
    ids, kinds, converted, days, lead_days, contacts, deals, counts, by_company, *moments = rows
    kind_of = {name: i for i, name in enumerate(KINDS)}
    lead, deal, last_win = (
        np.array([NEVER_MS if one is None else one for one in column], dtype=np.int64) for column in moments
    )
    return Conversions(
        ids,
        [one or "" for one in contacts],
        [one or "" for one in deals],
        np.array([kind_of[kind] for kind in kinds], dtype=np.int8),
        np.array(converted, dtype=np.int64),
        day_numbers(days),
        day_numbers(lead_days),
        np.array([numbers.setdefault(one, len(numbers)) if one else NOBODY for one in deals], dtype=np.int64),
        np.array(counts, dtype=np.int8),
        np.array(by_company, dtype=np.bool_),
        lead,
        deal,
        last_win,
    )


def entries_of(found: Sequence[Entry], places: dict[str, int]) -> Entries:
    """Listed entries. places: the numbers of deals, to which theirs are added."""
    deals, positions, kinds, amounts, codes, days = list(zip(*found, strict=True)) or [()] * len(Entry._fields)
    kind_of: dict[str, int] = {}
    code_of: dict[str, int] = {}
    return Entries(
        deals,
        np.array([places.setdefault(one, len(places)) for one in deals], dtype=np.int64),
        np.array(positions, dtype=np.int64),
        np.array([kind_of.setdefault(kind, len(kind_of)) for kind in kinds], dtype=np.int64),
        list(kind_of),
        np.array(amounts, dtype=np.int64),
        np.array([code_of.setdefault(code, len(code_of)) for code in codes], dtype=np.int64),
        list(code_of),
        day_numbers(days),
    )


def walks_of(scope: Scope, found: Sequence[Conversion], touches: Touches) -> Walks:
    """Listed touches in the order of these conversions; those of conversions that are not there are left out."""
    numbers = {one.conversion_id: i for i, one in enumerate(found)}
    owners = np.array([numbers.get(one, NOBODY) for one in touches.conversion_ids], dtype=np.int64)
    order = np.lexsort((np.array(touches.positions, dtype=np.int64), owners))
    order = order[owners[order] >= 0]
    places: dict[tuple[str, ...], int] = {}
    columns = [touches.words[name] for name in scope.words]
    seen = np.array([places.setdefault(words, len(places)) for words in zip(*columns, strict=True)], dtype=np.int64)
    return Walks(
        np.searchsorted(owners[order], np.arange(len(found) + 1)).astype(np.int64),
        np.array(touches.touched_ms, dtype=np.int64)[order],
        day_numbers(touches.touch_days)[order],
        np.array(touches.scopes, dtype=np.int64)[order],
        np.array(touches.ties, dtype=np.int64)[order],
        seen[order],
        list(places),
        [touches.touchpoint_ids[i] for i in order.tolist()],
    )


def day_number(day: str | None) -> int:
    """'2026-04-01' as 20260401; 0 for none."""
    return int(day.replace("-", "")) if day else 0


def day_text(number: int) -> str:
    """20260401 as '2026-04-01'; '' for none."""
    return f"{number // 10_000:04}-{number // 100 % 100:02}-{number % 100:02}" if number else ""


def day_numbers(days: Sequence[str | None]) -> Numbers:
    """Days as numbers, each different one read once."""
    known = {day: day_number(day) for day in set(days)}
    return np.array([known[day] for day in days], dtype=np.int32)


def within(scope: Scope, days: Numbers) -> Bools:
    """Per day whether it is in the scope's period."""
    return np.asarray((days >= day_number(scope.from_day)) & (days <= day_number(scope.to_day)), dtype=np.bool_)


def only(column: NDArray[Any], mask: Bools) -> NDArray[Any]:
    """The rows of a mask; the very column if it has all."""
    return column if mask.all() else column[mask]
