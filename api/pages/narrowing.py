"""How a report's page is narrowed: its filters as links that take one away, and what a row can be split by next.

Everything is a plain link that says in its address what it shows, so going back is the browser's business.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from flask import request

from tracker.errors import Invalid
from tracker.reports.query import Query
from tracker.reports.where import FILTERS, NOT, ONLY, Filter
from tracker.vocabulary import Channel, Device, Dimension

Pairs = Sequence[tuple[str, str]]
# What the form that adds a filter sends.
BY, HOW, VALUE = "filter_by", "filter_how", "filter_value"
# Dimensions whose values are words of ours, which readers see in their own language.
OURS = {
    Dimension.CHANNEL: frozenset(one.value for one in Channel),
    Dimension.DEVICE: frozenset(one.value for one in Device),
}


@dataclass(frozen=True, slots=True)
class Chip:
    """One value of a filter; href: the page without it."""

    dimension: str
    value: str
    excludes: bool
    href: str


@dataclass(frozen=True, slots=True)
class Way:
    """A dimension that a row can be split by next, and where that is."""

    dimension: str
    href: str


@dataclass(frozen=True, slots=True)
class Drill:
    """What can be done with a row: its values as filters, split by other dimensions; or kept alone, or left out."""

    labels: tuple[tuple[str, str], ...]
    ways: tuple[Way, ...]
    only_href: str
    without_href: str


def pairs_kept(*without: str) -> list[tuple[str, str]]:
    """The parameters of this page's address in their order, without the cursor, the language, and these."""
    left_out = {"cursor", "lang", *without}
    return [(name, value) for name, value in request.args.items(multi=True) if name not in left_out]


def link(pairs: Iterable[tuple[str, str]]) -> str:
    """This page with other parameters."""
    return f"?{urlencode(list(pairs))}"


def chips_of(query: Query) -> tuple[Chip, ...]:
    """The filters of a report, value by value."""
    kept = pairs_kept()
    return tuple(
        Chip(
            one.dimension.value,
            value,
            one.excludes,
            link(pair for pair in kept if pair != (one.parameter, value)),
        )
        for one in query.where
        for value in one.values
    )


def cleared() -> str:
    """This page without any filter."""
    return link(pairs_kept(*FILTERS))


def filter_added() -> str | None:
    """The address with the filter that the form names; None where the form was not sent; raises Invalid."""
    if BY not in request.args:
        return None
    kept = pairs_kept(BY, HOW, VALUE)
    value = request.args.get(VALUE, "").strip()
    if not value:
        return link(kept)
    parameter = f"{NOT if request.args.get(HOW) == 'not' else ONLY}{request.args[BY]}"
    if parameter not in FILTERS:
        raise Invalid("there is no such dimension", field=BY)
    ours = OURS.get(FILTERS[parameter][0], frozenset())
    word = value.lower().replace(" ", "_")
    return link(dict.fromkeys([*kept, (parameter, word if word in ours else value)]))


class Drills:
    """What the rows of one report can be split by; each different beginning of a row's values once."""

    def __init__(self, query: Query, dimensions: Sequence[Dimension]) -> None:
        self._by = query.by
        self._free = [name for name in dimensions if not pinned(query.where, name)]
        named = {f"{ONLY}{name.value}" for name in query.by}
        self._kept = pairs_kept("by", "sort", "dir", "chart", *named)
        self._here = pairs_kept()
        self._numbers: dict[tuple[str, ...], int] = {}
        self.found: list[Drill] = []

    def number(self, values: tuple[str, ...]) -> int:
        """The number of a drill in `found`: of a row's first value, or of both."""
        if values not in self._numbers:
            self._numbers[values] = len(self.found)
            self.found.append(self._drill(values))
        return self._numbers[values]

    def _drill(self, values: tuple[str, ...]) -> Drill:
        by = self._by[: len(values)]
        own = [(f"{ONLY}{name.value}", value) for name, value in zip(by, values, strict=True)]
        # What was narrowed to by a dimension of the rows that is not meant here stays so.
        rest = [pair for pair in self._here if pair[0] in {f"{ONLY}{name.value}" for name in self._by[len(values) :]}]
        begun = urlencode([*self._kept, *rest, *own])
        ways = tuple(Way(name.value, f"?{begun}&by={name.value}") for name in self._free if name not in by)
        last, value = by[-1].value, values[-1]
        only = [pair for pair in self._here if pair[0] not in {name for name, _ in own}] + own
        return Drill(
            labels=tuple((name.value, value) for name, value in zip(by, values, strict=True)),
            ways=ways,
            only_href=link(only),
            without_href=link(dict.fromkeys([*self._here, (f"{NOT}{last}", value)])),
        )


def pinned(where: Iterable[Filter], name: Dimension) -> bool:
    """Whether a report is narrowed to one value of a dimension, so that it cannot be split by it."""
    return any(one.dimension is name and not one.excludes and len(one.values) == 1 for one in where)
