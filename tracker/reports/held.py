"""A site's conversions, paths and ledgers kept in memory, as columns, and brought up to date by what was recredited.

Rows are only ever put to the end: one that is credited anew gets a new row, and its old one is no longer alive. So
whoever reads a View is not disturbed by those who bring the columns up to date.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.attribution.touches import Bools, Ints
from tracker.db.store import Tx
from tracker.reports.columns import KINDS, NOBODY, WON, Conversions, Entries, Scan, Walks, only, within
from tracker.reports.heldvisits import HeldVisits, VisitView
from tracker.reports.heldwords import Words
from tracker.reports.loading import CONVERSIONS, ENTRIES, PATHS, Read, read_all, read_some
from tracker.reports.packed import Finder, Grown, Ids, Packed, Packer
from tracker.reports.remembered import Remembered
from tracker.reports.scans import Scope
from tracker.vocabulary import Basis

Column = NDArray[Any]
# Of each conversion, touch and entry what is kept, and in how many bytes.
OF_CONVERSION = {
    "contacts": np.uint64,
    "deals": np.int64,
    "kinds": np.int8,
    "converted_ms": np.int64,
    "days": np.int32,
    "lead_days": np.int32,
    "counts": np.int8,
    "by_company": np.bool_,
    "lead_ms": np.int64,
    "deal_ms": np.int64,
    "last_win_ms": np.int64,
}
OF_TOUCH = {"touched_ms": np.int64, "days": np.int32, "scopes": np.int8, "ties": np.int64, "seen": np.int32}
OF_ENTRY = {
    "deals": np.int64,
    "kinds": np.int16,
    "currencies": np.int16,
    "positions": np.int32,
    "amounts": np.int64,
    "days": np.int32,
}
# Everything is read again rather than keep, or read one by one, more than one in so many, and some.
MOST_DEAD, SPARE = 4, 1_000
MOST_ANSWERS = 32
# About what a conversion and a touch take, to tell beforehand.
CONVERSION_BYTES, TOUCH_BYTES = 130, 28


@dataclass(frozen=True, slots=True)
class View:
    """The columns as they were at a moment.

    alive, entries_alive  per row whether it still holds
    offsets               the touches of conversion i are offsets[i] .. offsets[i + 1] - 1
    answers               what was found of just these columns
    """

    packer: Packer
    words: Words
    n_deals: int
    ids: Packed
    deal_ids: Packed
    kind_names: Sequence[str]
    codes: Sequence[str]
    alive: Bools
    entries_alive: Bools
    offsets: Ints
    of_conversion: dict[str, Column]
    of_touch: dict[str, Column]
    of_entry: dict[str, Column]
    visits: VisitView
    answers: Remembered

    def scan(self, scope: Scope) -> Scan:
        """What is credited in a scope."""
        wanted = self._conversions(scope)
        return Scan(self._listed(wanted), self._walks(scope, wanted), self._entries(scope, wanted))

    def _conversions(self, scope: Scope) -> Bools:
        """See scans.Engine.conversions."""
        own = self.of_conversion
        if scope.basis is Basis.TOUCH_COHORT:
            running = np.concatenate(([0], np.cumsum(within(scope, self.of_touch["days"]))))
            return np.asarray(self.alive & (np.diff(running[self.offsets]) > 0), dtype=np.bool_)
        if scope.basis is Basis.LEAD_COHORT:
            return self.alive & within(scope, own["lead_days"])
        is_win = own["kinds"] == WON
        return np.asarray(
            self.alive & (within(scope, own["days"]) | (is_win & self._moved(scope)[own["deals"]])), dtype=np.bool_
        )

    def _moved(self, scope: Scope) -> Bools:
        """Per deal whether its ledger moved in the period; one place more, at the end, for no deal."""
        return self._marked(self.of_entry["deals"][self.entries_alive & within(scope, self.of_entry["days"])])

    def _marked(self, deals: Column) -> Bools:
        """Per deal whether it is one of these; one place more, at the end, for no deal."""
        found = np.zeros(self.n_deals + 1, dtype=np.bool_)
        found[deals] = True
        found[NOBODY] = False
        return found

    def _listed(self, wanted: Bools) -> Conversions:
        places = np.flatnonzero(wanted)
        own = {name: only(column, wanted) for name, column in self.of_conversion.items()}
        return Conversions(
            ids=Ids(self.packer, self.ids, places),
            contact_ids=Ids(self.packer, own.pop("contacts")),
            deal_ids=Ids(self.packer, self.deal_ids, own["deals"]),
            **own,
        )

    def _walks(self, scope: Scope, wanted: Bools) -> Walks:
        lengths = np.diff(self.offsets)
        touches = np.repeat(wanted, lengths)
        own = {name: only(column, touches) for name, column in self.of_touch.items()}
        codes, words = self.words.only(scope.words)
        return Walks(
            np.concatenate(([0], np.cumsum(lengths[wanted]))).astype(np.int64),
            own["touched_ms"],
            own["days"],
            own["scopes"],
            own["ties"],
            codes[own["seen"]],
            words,
        )

    def _entries(self, scope: Scope, wanted: Bools) -> Entries:
        """See scans.Engine.entries."""
        if scope.basis is Basis.ACTIVITY:
            deals = self._moved(scope)
        else:
            is_win = wanted & (self.of_conversion["kinds"] == WON)
            deals = self._marked(self.of_conversion["deals"][is_win])
        mask = self.entries_alive & deals[self.of_entry["deals"]]
        own = {name: only(column, mask) for name, column in self.of_entry.items()}
        return Entries(
            deal_ids=Ids(self.packer, self.deal_ids, own["deals"]),
            kind_names=self.kind_names,
            codes=self.codes,
            **own,
        )


class Held:
    """One site's columns. Used by one thread at a time; the views that it gives, by any number."""

    def __init__(self, tx: Tx, site_id: int) -> None:
        """Read everything of a site; raises Ambiguous."""
        self._packer, self._words, self._site_id = Packer(), Words(), site_id
        self._kinds: dict[str, int] = {}
        self._codes: dict[str, int] = {}
        self._deals = Finder(self._packer.pack([]))
        found = [self._rows(read) for read in read_all(tx, CONVERSIONS, site_id)]
        ids, deals, own = merged(found, OF_CONVERSION)
        known = deals[deals.any(axis=1)]
        self._deals = Finder(known[np.unique(known[:, 0], return_index=True)[1]])
        own["deals"] = self._deal_numbers(deals)
        self._finder = Finder(ids)
        self._own = {name: Grown(column) for name, column in own.items()}
        self._alive = np.ones(len(ids), dtype=np.bool_)
        parts = []
        for read in read_all(tx, PATHS, site_id):
            parts.append((self._finder.find(self._packer.pack(read.texts[0])), *self._touches(read)))
        offsets, touches = in_order(parts, len(ids))
        self._offsets = Grown(offsets)
        self._of_touch = {name: Grown(column) for name, column in touches.items()}
        entries = stacked([self._entries(read) for read in read_all(tx, ENTRIES, site_id)], OF_ENTRY)
        order = np.lexsort((entries["positions"], entries["deals"]))
        self._of_entry = {name: Grown(column[order]) for name, column in entries.items()}
        self._entries_alive = np.ones(len(order), dtype=np.bool_)
        self._visits = HeldVisits(tx, site_id)

    def is_worn(self, n_more: int) -> bool:
        """Whether so much holds no more, with this many conversions more, that all should be read again."""
        return int(np.count_nonzero(~self._alive)) + n_more > len(self._alive) // MOST_DEAD + SPARE

    @property
    def nbytes(self) -> int:
        """About what it takes in memory."""
        columns = [*self._own.values(), *self._of_touch.values(), *self._of_entry.values(), self._offsets]
        return (
            sum(one.nbytes for one in columns)
            + self._words.nbytes
            + self._finder.nbytes
            + self._deals.nbytes
            + self._visits.nbytes
        )

    def view(self) -> View:
        """The columns as they are now."""
        return View(
            self._packer,
            self._words,
            len(self._deals.ids),
            self._finder.ids,
            self._deals.ids,
            list(self._kinds),
            list(self._codes),
            self._alive,
            self._entries_alive,
            self._offsets.now,
            {name: column.now for name, column in self._own.items()},
            {name: column.now for name, column in self._of_touch.items()},
            {name: column.now for name, column in self._of_entry.items()},
            self._visits.view(),
            Remembered(MOST_ANSWERS),
        )

    def read_again(self, tx: Tx, conversion_ids: Iterable[str], days: Iterable[str] = ()) -> None:
        """Bring these conversions, their paths, their deals' ledgers and the visits of these days up to date.

        raises  Ambiguous
        """
        listed = sorted(conversion_ids)
        self._visits.read_again(tx, sorted(days))
        if not listed:
            return
        before = self._finder.find(self._packer.pack(listed))
        before = before[before >= 0]
        found = [self._rows(read) for read in read_some(tx, CONVERSIONS, listed, self._site_id)]
        ids, deals, own = merged(found, OF_CONVERSION)
        own["deals"] = self._deal_numbers(deals)
        moved = np.unique(np.concatenate((own["deals"], self._own["deals"].now[before])))
        moved = moved[moved >= 0]
        alive, first = self._alive.copy(), len(self._alive)
        alive[before] = False
        self._finder.put(ids)
        parts = []
        for read in read_some(tx, PATHS, listed, self._site_id):
            owners = self._finder.find(self._packer.pack(read.texts[0]))
            parts.append((owners - first, *self._touches(read)))
        offsets, touches = in_order(parts, len(ids))
        last = self._offsets.now[-1]
        for name, column in own.items():
            self._own[name].put(column)
        for name, column in touches.items():
            self._of_touch[name].put(column)
        self._offsets.put(offsets[1:] + last)
        self._alive = np.concatenate((alive, np.ones(len(ids), dtype=np.bool_)))
        self._read_ledgers(tx, moved)

    def _read_ledgers(self, tx: Tx, deals: Ints) -> None:
        """Read the ledgers of these deals again."""
        if not len(deals):
            return
        texts = [self._packer.text(one) for one in self._deals.ids[deals]]
        entries = stacked([self._entries(read) for read in read_some(tx, ENTRIES, texts, self._site_id)], OF_ENTRY)
        order = np.lexsort((entries["positions"], entries["deals"]))
        alive = self._entries_alive & ~np.isin(self._of_entry["deals"].now, deals)
        for name, column in entries.items():
            self._of_entry[name].put(column[order])
        self._entries_alive = np.concatenate((alive, np.ones(len(order), dtype=np.bool_)))

    def _rows(self, read: Read) -> tuple[Packed, Packed, dict[str, Column]]:
        """Conversions: their ids, those of their deals, their columns but for the deals."""
        ids, contacts, deals, kinds = read.texts
        number = {name: i for i, name in enumerate(KINDS)}
        names = ("converted_ms", "days", "lead_days", "counts", "by_company", "lead_ms", "deal_ms", "last_win_ms")
        return (
            self._packer.pack(ids),
            self._packer.pack(deals),
            {
                "contacts": self._packer.pack(contacts),
                "kinds": np.array([number[kind] for kind in kinds], dtype=np.int8),
                **{name: read.number(i).astype(OF_CONVERSION[name]) for i, name in enumerate(names)},
            },
        )

    def _deal_numbers(self, deals: Packed) -> Ints:
        """The number of each deal, NOBODY for none; new ones get theirs."""
        numbers = np.full(len(deals), NOBODY, dtype=np.int64)
        has_deal = deals.any(axis=1)
        numbers[has_deal] = self._deals.settle(deals[has_deal])
        return numbers

    def _touches(self, read: Read) -> tuple[Ints, dict[str, Column]]:
        """Touches: their positions, their columns."""
        names = ("touched_ms", "days", "scopes", "ties")
        own = {name: read.number(i).astype(OF_TOUCH[name]) for i, name in enumerate(names, 1)}
        return read.number(0), {**own, "seen": self._words.number(read.texts[1])}

    def _entries(self, read: Read) -> dict[str, Column]:
        """Entries of ledgers."""
        deals, kinds, currencies = read.texts
        return {
            "deals": self._deal_numbers(self._packer.pack(deals)),
            "kinds": numbered(self._kinds, kinds),
            "currencies": numbered(self._codes, currencies),
            "positions": read.number(0).astype(np.int32),
            "amounts": read.number(1),
            "days": read.number(2).astype(np.int32),
        }


def numbered(known: dict[str, int], texts: Sequence[str]) -> Column:
    """The number of each text; new ones get theirs."""
    return np.array([known.setdefault(text, len(known)) for text in texts], dtype=np.int16)


def merged(
    found: Sequence[tuple[Packed, Packed, dict[str, Column]]], kinds: dict[str, Any]
) -> tuple[Packed, Packed, dict[str, Column]]:
    """Conversions read one lot after the other, together."""
    none = np.zeros((0, 2), dtype=np.uint64)
    ids = np.concatenate([none, *(ids for ids, _, _ in found)])
    deals = np.concatenate([none, *(deals for _, deals, _ in found)])
    own = stacked([columns for *_, columns in found], {name: kind for name, kind in kinds.items() if name != "deals"})
    return ids, deals, own


def stacked(found: Sequence[dict[str, Column]], kinds: dict[str, Any]) -> dict[str, Column]:
    """Columns read one lot after the other, together."""
    empty = {name: np.zeros((0, 2) if name == "contacts" else 0, dtype=kind) for name, kind in kinds.items()}
    return {name: np.concatenate([none, *(own[name] for own in found)]) for name, none in empty.items()}


def in_order(parts: Sequence[tuple[Ints, Ints, dict[str, Column]]], n: int) -> tuple[Ints, dict[str, Column]]:
    """Touches (owner, position, columns) path after path; n: how many conversions there are.

    Those of conversions that are not there (owner below 0) are left out.
    """
    none = np.zeros(0, dtype=np.int64)
    owners = np.concatenate([none, *(owners for owners, _, _ in parts)])
    positions = np.concatenate([none, *(positions for _, positions, _ in parts)])
    own = stacked([columns for *_, columns in parts], OF_TOUCH)
    keys = owners * (int(positions.max(initial=0)) + 1) + positions
    if len(keys) and (keys[0] < 0 or (keys[1:] <= keys[:-1]).any()):
        order = np.argsort(keys, kind="stable")
        order = order[owners[order] >= 0]
        owners, own = owners[order], {name: column[order] for name, column in own.items()}
    offsets = np.concatenate(([0], np.cumsum(np.bincount(owners, minlength=n)))).astype(np.int64)
    return offsets, own
