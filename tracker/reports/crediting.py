"""Who earned what: the conversions and ledgers of a scope, shared out over their paths by the reader's model.

One line per conversion (or ledger entry) and touch that earned; what no touch explains is a line without a touch.
So the lines of every conversion add up to one, and those of every entry to its amount. The Source report groups the
lines, a drill-down lists them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.attribution.credit import MICRO, Weighted, changes, exact, share, share_entries, with_rest
from tracker.attribution.models import weigh_all
from tracker.attribution.policy import channel_by
from tracker.attribution.terms import Terms
from tracker.attribution.touches import NEVER_MS, Ints, Paths
from tracker.reports.exchange import Exchange
from tracker.reports.query import Query
from tracker.reports.scans import Conversion, Engine, Entry, Scope, Touches
from tracker.vocabulary import Basis, ConversionKind

NOBODY = -1


@dataclass(frozen=True, slots=True)
class Walked:
    """The touches of all paths, path after path, each in its order.

    owners     per touch: the number of its conversion
    values     the different combinations of the scope's dimensions
    codes      per touch: the number of its combination; one place more, at the end, for NOBODY
    channels   per touch: the number of its channel in `names`, under the site's own rules
    days       per touch: its day; left out (empty) unless the scope is a touch cohort
    """

    owners: Ints
    touchpoint_ids: Sequence[str]
    touched_ms: Ints
    scopes: Ints
    ties: Ints
    names: Sequence[str]
    channels: Ints
    is_excluded: NDArray[np.bool_]
    days: Sequence[str]
    values: Sequence[tuple[str, ...]]
    codes: Ints


@dataclass(frozen=True, slots=True)
class Lines:
    """Credits, column by column.

    subjects  number of the conversion (or ledger entry)
    touches   number of the touch that earned it, NOBODY where no touch explains it
    amounts   micro-conversions (or minor units of the report's currency), never 0
    """

    subjects: Ints
    touches: Ints
    amounts: NDArray[Any]


@dataclass(frozen=True, slots=True)
class Credits:
    """Every credit of a scope. wins[i] is the number of the conversion that entry i's deal was won by, or NOBODY."""

    conversions: list[Conversion]
    entries: list[Entry]
    walked: Walked
    wins: Ints
    counts: Lines
    money: Lines


def credit(engine: Engine, query: Query, scope: Scope, exchange: Exchange) -> Credits:
    """Weigh the paths of a scope and share its conversions and ledgers over them."""
    conversions = engine.conversions(scope)
    entries = engine.entries(scope)
    walked = walk(scope, conversions, engine.touches(scope))
    weighted, places = _weighed(query.terms, conversions, walked)
    wins = _wins(conversions, entries)
    counts = _share_counts(scope, conversions, weighted, places)
    money = _share_money(scope, entries, wins, weighted, places, exchange)
    if scope.basis is Basis.TOUCH_COHORT:
        inside = np.array([*(scope.has(day) for day in walked.days), False], dtype=np.bool_)
        counts, money = (_only(lines, inside[lines.touches]) for lines in (counts, money))
    return Credits(conversions, entries, walked, wins, counts, money)


def walk(scope: Scope, conversions: list[Conversion], found: Touches) -> Walked:
    """The touches in the order of conversions and paths; those of conversions that are not there are left out."""
    numbers = {one.conversion_id: i for i, one in enumerate(conversions)}
    owners = np.array([numbers.get(one, NOBODY) for one in found.conversion_ids], dtype=np.int64)
    order = np.lexsort((np.array(found.positions, dtype=np.int64), owners))
    order = order[owners[order] >= 0]
    needs_days = scope.basis is Basis.TOUCH_COHORT
    named = _named(scope, found)
    return Walked(
        owners=owners[order],
        touchpoint_ids=[found.touchpoint_ids[i] for i in order.tolist()],
        touched_ms=np.array(found.touched_ms, dtype=np.int64)[order],
        scopes=np.array(found.scopes, dtype=np.int64)[order],
        ties=np.array(found.ties, dtype=np.int64)[order],
        names=named.channels,
        channels=named.channel_of[named.seen][order],
        is_excluded=named.is_excluded[named.seen][order],
        days=[found.touch_days[i] for i in order.tolist()] if needs_days else [],
        values=named.values,
        codes=np.append(named.value_of[named.seen][order], NOBODY),
    )


@dataclass(frozen=True, slots=True)
class Named:
    """The different combinations of words on the touches, named by the site's own rules.

    seen         per touch: the number of its combination
    channel_of   per combination: the number of its channel in `channels`; value_of: of its dimensions in `values`
    """

    seen: Ints
    channels: list[str]
    channel_of: Ints
    is_excluded: NDArray[np.bool_]
    values: list[tuple[str, ...]]
    value_of: Ints


def _named(scope: Scope, found: Touches) -> Named:
    """The words of the touches under the site's own rules, each combination once."""
    places: dict[tuple[str, ...], int] = {}
    columns = [found.words[name] for name in scope.words]
    seen = [places.setdefault(words, len(places)) for words in zip(*columns, strict=True)]
    channels: dict[str, int] = {}
    values: dict[tuple[str, ...], int] = {}
    channel_of, excluded, value_of = [], [], []
    for combination in places:
        words = dict(zip(scope.words, combination, strict=True))
        channel = channel_by(scope.rules, words)
        excluded.append(channel is None)
        words["channel"] = words["channel"] if channel is None else channel
        channel_of.append(channels.setdefault(words["channel"], len(channels)))
        value_of.append(values.setdefault(tuple(words[name.value] for name in scope.by), len(values)))
    return Named(
        np.array(seen, dtype=np.int64),
        list(channels),
        np.array(channel_of, dtype=np.int64),
        np.array(excluded, dtype=np.bool_),
        list(values),
        np.array(value_of, dtype=np.int64),
    )


def _weighed(terms: Terms, conversions: list[Conversion], walked: Walked) -> tuple[Weighted, Ints]:
    """Every path with the weights that the terms give it, and per place the number of its touch."""
    paths = ways(terms, conversions, walked)
    weights, rest = weigh_all(terms, paths)
    weighted = Weighted(paths.offsets, weights, walked.ties)
    if rest.any():
        return with_rest(weighted, rest)
    return weighted, np.arange(len(weights), dtype=np.int64)


def ways(terms: Terms, conversions: list[Conversion], walked: Walked) -> Paths:
    """The paths of the conversions as models see them."""
    converted = [one.converted_ms for one in conversions]
    closes = [one.converted_ms if one.kind == ConversionKind.DEAL_WON else None for one in conversions]
    earliest = [terms.earliest_ms(one.kind, one.converted_ms, one.last_win_ms) for one in conversions]

    def moments(found: Sequence[int | None]) -> Ints:
        known = np.array([NEVER_MS if one is None else one for one in found], dtype=np.int64)
        return np.where(known <= np.array(converted, dtype=np.int64), known, NEVER_MS)

    return Paths(
        offsets=np.searchsorted(walked.owners, np.arange(len(conversions) + 1)).astype(np.int64),
        touched_ms=walked.touched_ms,
        channels=walked.channels,
        names=walked.names,
        scopes=walked.scopes,
        is_excluded=walked.is_excluded,
        converted_ms=np.array(converted, dtype=np.int64),
        earliest_ms=np.array(earliest, dtype=np.int64),
        lead_ms=moments([one.lead_ms for one in conversions]),
        deal_ms=moments([one.deal_ms for one in conversions]),
        close_ms=moments(closes),
    )


def _wins(conversions: list[Conversion], entries: list[Entry]) -> Ints:
    """Per ledger entry: the number of its deal's win, or NOBODY."""
    won = {one.deal_id: i for i, one in enumerate(conversions) if one.kind == ConversionKind.DEAL_WON}
    return np.array([won.get(entry.deal_id, NOBODY) for entry in entries], dtype=np.int64)


def _share_counts(scope: Scope, conversions: list[Conversion], weighted: Weighted, places: Ints) -> Lines:
    """Each conversion that counts, as a million micro-conversions."""
    is_activity = scope.basis is Basis.ACTIVITY
    counted = np.array(
        [i for i, one in enumerate(conversions) if one.n and (not is_activity or scope.has(one.day))],
        dtype=np.int64,
    )
    explained = weighted.totals[counted] > 0
    chosen, lost = counted[explained], counted[~explained]
    shares = share([MICRO] * len(chosen), chosen, weighted)
    subjects = np.repeat(chosen, np.diff(shares.offsets))
    return _lines(subjects, places[shares.touches], shares.shares, lost, np.full(len(lost), MICRO))


def _share_money(
    scope: Scope, entries: list[Entry], wins: Ints, weighted: Weighted, places: Ints, exchange: Exchange
) -> Lines:
    """Each ledger entry that counts, converted once and shared as the change of its deal's net."""
    amounts = in_currency(scope, entries, exchange)
    before, after = _nets(entries, amounts)
    counted = np.array(
        [i for i, entry in enumerate(entries) if amounts[i] is not None and is_counted(scope, entry)],
        dtype=np.int64,
    )
    # The place after the last path, which NOBODY (-1) names, weighs nothing.
    explained = np.append(weighted.totals, 0)[wins[counted]] > 0
    chosen, lost = counted[explained], counted[~explained]
    shares = share_entries([before[i] for i in chosen], [after[i] for i in chosen], wins[chosen], weighted)
    subjects = np.repeat(chosen, np.diff(shares.offsets))
    return _lines(subjects, places[shares.touches], shares.shares, lost, exact([amounts[i] or 0 for i in lost]))


def is_counted(scope: Scope, entry: Entry) -> bool:
    """Whether an entry is in the report: by its own day, or, in a cohort, whenever it was."""
    return scope.basis is not Basis.ACTIVITY or scope.has(entry.day)


def in_currency(scope: Scope, entries: list[Entry], exchange: Exchange) -> list[int | None]:
    """Per entry its amount in the report's currency; what has no rate is left out and told."""
    amounts = [exchange.convert(entry.amount_minor, entry.currency, entry.day) for entry in entries]
    for entry, amount in zip(entries, amounts, strict=True):
        if amount is None and is_counted(scope, entry):
            exchange.leave_out(entry.currency, revenue_minor=entry.amount_minor)
    return amounts


def _nets(entries: list[Entry], amounts: Sequence[int | None]) -> tuple[list[int], list[int]]:
    """Per entry: its deal's net before and after it, in the report's currency, per currency of the deal."""
    ledgers: dict[tuple[str, str], list[int]] = {}
    for i, entry in enumerate(entries):
        ledgers.setdefault((entry.deal_id, entry.currency), []).append(i)
    before, after = [0] * len(entries), [0] * len(entries)
    for numbers in ledgers.values():
        earlier, later = changes([amounts[i] or 0 for i in numbers])
        for place, i in enumerate(numbers):
            before[i], after[i] = earlier[place], later[place]
    return before, after


def _lines(subjects: Ints, touches: Ints, amounts: NDArray[Any], lost: Ints, left: NDArray[Any]) -> Lines:
    """Lines with a touch, then lines without; those of nothing are left out."""
    lines = Lines(
        subjects=np.concatenate((subjects, lost)),
        touches=np.concatenate((touches, np.full(len(lost), NOBODY))),
        amounts=np.concatenate((amounts, left)),
    )
    return _only(lines, np.asarray(lines.amounts != 0, dtype=np.bool_))


def _only(lines: Lines, mask: NDArray[np.bool_]) -> Lines:
    """Some of the lines."""
    return Lines(lines.subjects[mask], lines.touches[mask], lines.amounts[mask])
