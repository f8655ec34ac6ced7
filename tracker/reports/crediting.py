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

from tracker.attribution.credit import MICRO, Weighted, exact, share, share_entries, with_rest, without_idle
from tracker.attribution.models import weigh_all
from tracker.attribution.policy import namer
from tracker.attribution.terms import Terms
from tracker.attribution.touches import ALWAYS_MS, DAY_MS, NEVER_MS, Bools, Ints, Paths
from tracker.reports.columns import (
    KINDS,
    NOBODY,
    Conversions,
    Entries,
    Scan,
    Walks,
    conversions_of,
    day_text,
    within,
)
from tracker.reports.exchange import Exchange
from tracker.reports.query import Query
from tracker.reports.scans import Conversion, Engine, Scope
from tracker.reports.where import meets
from tracker.vocabulary import Basis


@dataclass(frozen=True, slots=True)
class Walked:
    """The touches of all paths, path after path, each in its order.

    offsets    path i is touches offsets[i] .. offsets[i + 1] - 1
    takes      per touch whether it meets the scope's filters; one place more, at the end, for NOBODY; None: no filters
    values     the different combinations of the scope's dimensions
    codes      per touch: the number of its combination; one place more, at the end, for NOBODY
    channels   per touch: the number of its channel in `names`, under the site's own rules
    days       per touch: its day as a number; 0 unless the scope is a touch cohort
    touchpoint_ids  left out (empty) where paths are kept in memory
    """

    offsets: Ints
    touchpoint_ids: Sequence[str]
    touched_ms: Ints
    scopes: NDArray[Any]
    ties: Ints
    names: Sequence[str]
    channels: NDArray[Any]
    is_excluded: Bools
    days: NDArray[Any]
    values: Sequence[tuple[str, ...]]
    codes: NDArray[Any]
    takes: Bools | None = None

    @property
    def owners(self) -> Ints:
        """Per touch: the number of its conversion."""
        return np.repeat(np.arange(len(self.offsets) - 1, dtype=np.int64), np.diff(self.offsets))


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

    conversions: Conversions
    entries: Entries
    walked: Walked
    wins: Ints
    counts: Lines
    money: Lines


def credit(engine: Engine, query: Query, scope: Scope, exchange: Exchange) -> Credits:
    """Weigh the paths of a scope and share its conversions and ledgers over them."""
    scan = engine.scan(scope)
    walked = walk(scope, scan.walks)
    weighted, places = _weighed(query.terms, scan.conversions, walked)
    wins = wins_of(scan)
    counts = _share_counts(scope, scan.conversions, weighted, places)
    money = _share_money(scope, scan.entries, wins, weighted, places, exchange)
    if scope.basis is Basis.TOUCH_COHORT:
        inside = np.append(within(scope, walked.days), False)
        counts, money = (_only(lines, inside[lines.touches]) for lines in (counts, money))
    if (takes := walked.takes) is not None:
        counts, money = (_only(lines, takes[lines.touches]) for lines in (counts, money))
    return Credits(scan.conversions, scan.entries, walked, wins, counts, money)


def walk(scope: Scope, walks: Walks) -> Walked:
    """The touches of all paths under the site's own rules."""
    named = _named(scope, walks.words)
    return Walked(
        offsets=walks.offsets,
        touchpoint_ids=walks.touchpoint_ids,
        touched_ms=walks.touched_ms,
        scopes=walks.scopes,
        ties=walks.ties,
        names=named.channels,
        channels=named.channel_of[walks.seen],
        is_excluded=named.is_excluded[walks.seen],
        days=walks.days,
        values=named.values,
        codes=np.append(named.value_of[walks.seen], NOBODY),
        takes=np.append(named.takes[walks.seen], False) if scope.where else None,
    )


@dataclass(frozen=True, slots=True)
class Named:
    """The different combinations of words on the touches, named by the site's own rules.

    channel_of   per combination: the number of its channel in `channels`; value_of: of its dimensions in `values`
    takes        per combination: whether it meets the scope's filters
    """

    channels: list[str]
    channel_of: Ints
    is_excluded: Bools
    values: list[tuple[str, ...]]
    value_of: Ints
    takes: Bools


def _named(scope: Scope, combinations: Sequence[tuple[str, ...]]) -> Named:
    """Combinations of the scope's words under the site's own rules."""
    channels: dict[str, int] = {}
    values: dict[tuple[str, ...], int] = {}
    channel_of, excluded, value_of, takes = [], [], [], []
    name = namer(scope.rules)
    for combination in combinations:
        words = dict(zip(scope.words, combination, strict=True))
        channel = name(words)
        excluded.append(channel is None)
        words["channel"] = words["channel"] if channel is None else channel
        channel_of.append(channels.setdefault(words["channel"], len(channels)))
        value_of.append(values.setdefault(tuple(words[name.value] for name in scope.by), len(values)))
        takes.append(meets(scope.where, words))
    return Named(
        list(channels),
        np.array(channel_of, dtype=np.int64),
        np.array(excluded, dtype=np.bool_),
        list(values),
        np.array(value_of, dtype=np.int64),
        np.array(takes, dtype=np.bool_),
    )


def _weighed(terms: Terms, conversions: Conversions, walked: Walked) -> tuple[Weighted, Ints]:
    """Every path with the weights that the terms give it, and per place the number of its touch.

    Touches that weigh nothing have no place.
    """
    paths = ways(terms, conversions, walked)
    weights, rest = weigh_all(terms, paths)
    weighted = Weighted(paths.offsets, weights, walked.ties)
    if not rest.any():
        return without_idle(weighted)
    weighted, places = with_rest(weighted, rest)
    weighted, kept = without_idle(weighted)
    return weighted, places[kept]


def ways(terms: Terms, conversions: Sequence[Conversion] | Conversions, walked: Walked) -> Paths:
    """The paths of the conversions as models see them."""
    found = conversions if isinstance(conversions, Conversions) else conversions_of(conversions)
    converted = found.converted_ms

    def by_then(moments: Ints) -> Ints:
        return np.where(moments <= converted, moments, NEVER_MS)

    return Paths(
        offsets=walked.offsets,
        touched_ms=walked.touched_ms,
        channels=walked.channels,
        names=walked.names,
        scopes=walked.scopes,
        is_excluded=walked.is_excluded,
        converted_ms=converted,
        earliest_ms=earliest(terms, found),
        lead_ms=by_then(found.lead_ms),
        deal_ms=by_then(found.deal_ms),
        close_ms=np.where(found.is_win, converted, NEVER_MS),
    )


def earliest(terms: Terms, conversions: Conversions) -> Ints:
    """`terms.earliest_ms` of each conversion."""
    days = [terms.days(kind) for kind in KINDS]
    back = np.array([0 if n is None else n * DAY_MS for n in days], dtype=np.int64)[conversions.kinds]
    has_limit = np.array([n is not None for n in days], dtype=np.bool_)[conversions.kinds]
    found = np.where(has_limit, conversions.converted_ms - back, ALWAYS_MS)
    if terms.since_last_win:
        last = conversions.last_win_ms
        found = np.where(last == NEVER_MS, found, np.maximum(found, last))
    return found


def wins_of(scan: Scan) -> Ints:
    """Per ledger entry: the number of its deal's win, or NOBODY."""
    deals, entries = scan.conversions.deals, scan.entries.deals
    most = max(int(deals.max(initial=NOBODY)), int(entries.max(initial=NOBODY)))
    won = np.full(most + 1, NOBODY, dtype=np.int64)
    places = np.flatnonzero(scan.conversions.is_win & (deals >= 0))
    won[deals[places]] = places
    return won[entries]


def _share_counts(scope: Scope, conversions: Conversions, weighted: Weighted, places: Ints) -> Lines:
    """Each conversion that counts, as a million micro-conversions."""
    counts = conversions.counts > 0
    if scope.basis is Basis.ACTIVITY:
        counts &= within(scope, conversions.days)
    explained = weighted.totals > 0
    chosen, lost = np.flatnonzero(counts & explained), np.flatnonzero(counts & ~explained)
    shares = share(np.full(len(chosen), MICRO, dtype=np.int64), chosen, weighted)
    subjects = np.repeat(chosen, np.diff(shares.offsets))
    return _lines(subjects, places[shares.touches], shares.shares, lost, np.full(len(lost), MICRO))


def _share_money(
    scope: Scope, entries: Entries, wins: Ints, weighted: Weighted, places: Ints, exchange: Exchange
) -> Lines:
    """Each ledger entry that counts, converted once and shared as the change of its deal's net."""
    amounts, known = converted(scope, entries, exchange)
    before, after = nets(entries, amounts)
    counted = np.flatnonzero(known & counting(scope, entries))
    # The place after the last path, which NOBODY (-1) names, weighs nothing.
    explained = np.append(weighted.totals, 0)[wins[counted]] > 0
    chosen, lost = counted[explained], counted[~explained]
    shares = share_entries(before[chosen], after[chosen], wins[chosen], weighted)
    subjects = np.repeat(chosen, np.diff(shares.offsets))
    return _lines(subjects, places[shares.touches], shares.shares, lost, amounts[lost])


def counting(scope: Scope, entries: Entries) -> Bools:
    """Per entry whether it is in the report: by its own day, or, in a cohort, whenever it was."""
    if scope.basis is Basis.ACTIVITY:
        return within(scope, entries.days)
    return np.ones(len(entries), dtype=np.bool_)


def converted(scope: Scope, entries: Entries, exchange: Exchange) -> tuple[NDArray[Any], Bools]:
    """Per entry its amount in the report's currency, and whether there is a rate; what has none is 0, and told."""
    known = np.zeros(len(entries), dtype=np.bool_)
    amounts: NDArray[Any] = np.zeros(len(entries), dtype=np.int64)
    counts = counting(scope, entries)
    for number, code in enumerate(entries.codes):
        own = entries.currencies == number
        if code == exchange.currency:
            known |= own
            amounts = np.where(own, entries.amounts, amounts)
            continue
        places = np.flatnonzero(own)
        given = zip(entries.amounts[places].tolist(), entries.days[places].tolist(), strict=True)
        found = [exchange.convert(amount, code, day_text(day)) for amount, day in given]
        has_rate = np.array([one is not None for one in found], dtype=np.bool_)
        changed = exact([one or 0 for one in found])
        if changed.dtype == object:
            amounts = amounts.astype(object)
        amounts[places] = changed
        known[places] = has_rate
        if (left := places[~has_rate & counts[places]]).size:
            exchange.leave_out(code, revenue_minor=sum(entries.amounts[left].tolist()))
    return amounts, known


def nets(entries: Entries, amounts: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Per entry: its deal's net before and after it, in the report's currency, per currency of the deal."""
    if not len(amounts):
        return amounts, amounts
    if float(np.abs(amounts.astype(np.float64)).sum()) >= NEVER_MS:
        amounts = amounts.astype(object)
    ledgers = entries.deals.astype(np.int64) * len(entries.codes) + entries.currencies
    order = np.argsort(ledgers, kind="stable")
    running = np.cumsum(amounts[order])
    is_first = np.concatenate(([True], np.diff(ledgers[order]) != 0))
    starts = np.flatnonzero(is_first)
    earlier = (running - amounts[order])[starts]
    after = np.empty_like(amounts)
    after[order] = running - np.repeat(earlier, np.diff(np.append(starts, len(order))))
    return after - amounts, after


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
