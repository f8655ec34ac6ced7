"""Path analysis: how people came to the conversions of a period, step by step, and what each source did on the way.

The same conversions, touches and amounts as in the Source report of the same query (reports/crediting.py): touches
that may not earn are on no path here, and what no touch explains stands apart. No model is asked, for nothing is
shared out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.access.sites import Site
from tracker.attribution.credit import exact, group_sums
from tracker.attribution.policies import policy_in_force
from tracker.attribution.policy import SHIPPED, Policy
from tracker.attribution.standing import eligible_all
from tracker.attribution.terms import DirectPolicy, Fit
from tracker.attribution.touches import Ints
from tracker.clock import parse_day, to_ms
from tracker.db.store import Tx
from tracker.errors import Invalid
from tracker.reports.asking import POLICY, version_of
from tracker.reports.columns import KINDS as COLUMN_KINDS
from tracker.reports.columns import Conversions, Scan, within
from tracker.reports.crediting import converted, counting, walk, ways, wins_of
from tracker.reports.exchange import Exchange, Unconverted
from tracker.reports.pathtables import (
    Groups,
    Move,
    Role,
    Spread,
    Steps,
    delays,
    flow,
    folded,
    frequent,
    lengths,
    only_counted,
    roles,
    transitions,
)
from tracker.reports.query import Query, SiteFacts, given_in, parse_query
from tracker.reports.scans import Conversion, Engine, Entry
from tracker.reports.source import scope_of
from tracker.vocabulary import Basis, ConversionKind

KINDS = (
    ConversionKind.LEAD,
    ConversionKind.MQL,
    ConversionKind.SQL,
    ConversionKind.DEAL_CREATED,
    ConversionKind.DEAL_WON,
    ConversionKind.CUSTOMER,
)
BASES = (Basis.ACTIVITY, Basis.LEAD_COHORT)
OF_QUERY = ("from", "to", "by", "basis", "currency", "direct", "lookback_days", "scope")
OWN = ("kind", "repeats", "sort", "limit", "values", "steps")
PARAMETERS = (*OF_QUERY, *OWN)
SORTS = ("conversions", "revenue")
LIMIT, MOST = 20, 200
VALUES, MOST_VALUES = 10, 30
STEPS, MOST_STEPS = 5, 10


class Repeats(StrEnum):
    """Equal touches after each other: MERGED into one step, or KEPT as many."""

    MERGED = "merged"
    KEPT = "kept"


@dataclass(frozen=True, slots=True)
class Asked:
    """One question to path analysis; `query` is that of the Source report, by one dimension.

    limit   how many paths and roles are listed before the rest is added up
    values  how many values are named in transitions and flow; steps: how many steps the flow shows
    """

    query: Query
    kind: ConversionKind = ConversionKind.LEAD
    repeats: Repeats = Repeats.MERGED
    by_revenue: bool = False
    limit: int = LIMIT
    values: int = VALUES
    steps: int = STEPS

    @property
    def has_money(self) -> bool:
        """Whether the conversions bring money that can be told."""
        return self.kind is ConversionKind.DEAL_WON and self.query.currency is not None


def parse_asked(
    args: Mapping[str, str],
    site: SiteFacts,
    today: str | None = None,
    *,
    policy: Policy = SHIPPED,
    policy_version: int = 0,
    fit: Fit | None = None,
) -> Asked:
    """A question from a request's parameters (PARAMETERS); raises Invalid(field=…). Arguments as for parse_query."""
    given = given_in(args, PARAMETERS)
    kept = {name: given[name] for name in OF_QUERY if name in given}
    query = parse_query(kept, site, today, policy=policy, policy_version=policy_version, fit=fit)
    if len(query.by) != 1:
        raise Invalid("paths are told by one dimension", field="by")
    if query.basis not in BASES:
        raise Invalid(f"{query.basis.value} cuts paths; use {_listed(BASES)}", field="basis")
    return Asked(
        query,
        ConversionKind(_one_of(given, "kind", [kind.value for kind in KINDS])),
        Repeats(_one_of(given, "repeats", [one.value for one in Repeats])),
        _one_of(given, "sort", SORTS) == "revenue",
        _number(given, "limit", LIMIT, MOST),
        _number(given, "values", VALUES, MOST_VALUES),
        _number(given, "steps", STEPS, MOST_STEPS),
    )


def ask_paths(tx: Tx, args: Mapping[str, str], site: Site, today: str | None = None) -> Asked:
    """A question under the site's policy, or the version that `policy` names; raises Invalid, NotFound."""
    version, policy = policy_in_force(tx, site.site_id, version_of(args.get(POLICY, "")))
    own = {name: value for name, value in args.items() if name != POLICY}
    return parse_asked(own, site, today, policy=policy, policy_version=version)


def _one_of(given: Mapping[str, str], name: str, words: Sequence[str]) -> str:
    """The word given, the first where none is."""
    word = given.get(name, words[0])
    if word not in words:
        raise Invalid(f"{word[:40]!r} is no {name}; use {', '.join(words)}", field=name)
    return word


def _number(given: Mapping[str, str], name: str, usual: int, most: int) -> int:
    text = given.get(name, str(usual))
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= most):
        raise Invalid(f"{text[:40]!r} is no number from 1 to {most}", field=name)
    return int(text)


def _listed(words: Sequence[StrEnum]) -> str:
    return ", ".join(word.value for word in words)


# --- the facts ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Trodden:
    """The conversions of a question with the touches on their paths that may earn, column by column.

    listed, numbers  all conversions that were scanned, and the numbers of those meant; strays stand behind them
    steps            one step a touch
    counted          1, or 0 where only money of the period is here (its win was earlier, or taken back)
    amounts          minor units of the report's currency; None without money
    converted_ms     when it happened
    waited_ms        from its first touch to it; 0 without a path
    """

    listed: Conversions
    numbers: Ints
    strays: Sequence[Conversion]
    steps: Steps
    counted: Ints
    amounts: NDArray[Any] | None
    converted_ms: Ints
    waited_ms: Ints
    exchange: Exchange

    def conversion(self, i: int) -> Conversion:
        """The conversion in place i."""
        return self.listed[int(self.numbers[i])] if i < len(self.numbers) else self.strays[i - len(self.numbers)]

    def conversion_id(self, i: int) -> str:
        """Its id."""
        return self.listed.ids[int(self.numbers[i])] if i < len(self.numbers) else self.conversion(i).conversion_id

    @property
    def walked(self) -> NDArray[np.bool_]:
        """Whether a conversion counts and has a path."""
        return np.asarray((self.counted > 0) & (np.diff(self.steps.offsets) > 0), dtype=np.bool_)


def tread(engine: Engine, asked: Asked) -> Trodden:
    """The paths of a question."""
    query, scope = asked.query, scope_of(asked.query)
    scan, exchange = engine.scan(scope), Exchange(query.currency)
    listed = scan.conversions
    is_meant = np.asarray(listed.kinds == COLUMN_KINDS.index(asked.kind.value), dtype=np.bool_)
    numbers = np.flatnonzero(is_meant)
    counts = (listed.counts > 0) & (within(scope, listed.days) if query.basis is Basis.ACTIVITY else True)
    counted, converted_ms = counts[numbers].astype(np.int64), listed.converted_ms[numbers]
    strays: list[Conversion] = []
    amounts: NDArray[Any] | None = None
    if asked.has_money:
        amounts, strays = _money(asked, scan, numbers, exchange)
        counted = np.concatenate((counted, np.zeros(len(strays), dtype=np.int64)))
        converted_ms = np.concatenate((converted_ms, np.array([one.converted_ms for one in strays], dtype=np.int64)))
    walked = walk(scope, scan.walks)
    owners = walked.owners
    kept = eligible_all(ways(query.terms, listed, walked), query.terms) & is_meant[owners]
    n_touches = np.bincount(owners[kept], minlength=len(listed))[numbers]
    n_touches = np.concatenate((n_touches, np.zeros(len(strays), dtype=np.int64))).astype(np.int64)
    offsets = np.concatenate(([0], np.cumsum(n_touches))).astype(np.int64)
    values, codes = _in_order([one for (one,) in walked.values], walked.codes[:-1][kept])
    waited_ms, some = np.zeros(len(converted_ms), dtype=np.int64), n_touches > 0
    waited_ms[some] = converted_ms[some] - walked.touched_ms[kept][offsets[:-1][some]]
    steps = Steps(offsets, codes, values)
    return Trodden(listed, numbers, strays, steps, counted, amounts, converted_ms, waited_ms, exchange)


def _in_order(values: Sequence[str], codes: NDArray[Any]) -> tuple[list[str], Ints]:
    """Values in the order of their texts, and the codes that they have then."""
    order = sorted(range(len(values)), key=values.__getitem__)
    places = np.zeros(len(values) + 1, dtype=np.int64)
    places[order] = np.arange(len(values))
    return [values[i] for i in order], places[codes]


def _money(asked: Asked, scan: Scan, numbers: Ints, exchange: Exchange) -> tuple[NDArray[Any], list[Conversion]]:
    """What the ledgers of the wins booked in the report; a ledger without a win stands as a stray behind them."""
    scope, entries = scope_of(asked.query), scan.entries
    amounts, known = converted(scope, entries, exchange)
    counts = np.flatnonzero(known & counting(scope, entries))
    places = np.full(len(scan.conversions) + 1, -1, dtype=np.int64)
    places[numbers] = np.arange(len(numbers))
    groups = places[wins_of(scan)[counts]]
    strays: dict[str, tuple[int, Conversion]] = {}
    for i in np.flatnonzero(groups < 0).tolist():
        entry = entries[int(counts[i])]
        place, _ = strays.setdefault(entry.deal_id, (len(numbers) + len(strays), stray(entry)))
        groups[i] = place
    sums = group_sums(amounts[counts], groups, len(numbers) + len(strays))
    return exact(sums), [one for _, one in strays.values()]


def stray(entry: Entry) -> Conversion:
    """What stands for the win of a ledger that has none."""
    at = datetime.fromisoformat(f"{parse_day(entry.day, 'day')}T00:00:00+00:00")
    kind = ConversionKind.DEAL_WON.value
    return Conversion(f"deal {entry.deal_id}", kind, to_ms(at), entry.day, None, None, entry.deal_id, 0, False)


# --- the report -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Totals:
    """All conversions: with a path, and without one (unattributed). Revenue is None where there is no money."""

    conversions: int
    explained: int
    revenue_minor: int | None


@dataclass(frozen=True, slots=True)
class PathReport:
    """Every table of a question.

    roles_rest  what the values beyond the limit add up to, None where all are listed; its value is ''
    unconverted amounts that have no rate and are in no figure
    """

    asked: Asked
    totals: Totals
    groups: Groups
    touches: Spread
    days: Spread
    roles: tuple[Role, ...]
    roles_rest: Role | None
    n_values: int
    transitions: tuple[Move, ...]
    flow: tuple[Move, ...]
    unconverted: tuple[Unconverted, ...]
    generated_at: datetime

    @property
    def direct(self) -> DirectPolicy:
        """What direct touches might earn."""
        return self.asked.query.terms.direct

    def share(self, n: int) -> float | None:
        """A part of all conversions; None where there is none."""
        return n / self.totals.conversions if self.totals.conversions else None


def path_report(engine: Engine, asked: Asked, now: datetime) -> PathReport:
    """The path analysis of a question."""
    trodden = tread(engine, asked)
    steps, counted, amounts = trodden.steps, trodden.counted, trodden.amounts
    shown = shown_steps(trodden, asked)
    everything = roles(steps, counted, amounts)
    listed, rest = everything[: asked.limit], everything[asked.limit :]
    named = [one.value for one in everything[: asked.values] if one.n]
    few = folded(only_counted(shown, counted), named)
    walked = trodden.walked
    return PathReport(
        asked=asked,
        totals=Totals(
            int(counted.sum()), int(walked.sum()), None if amounts is None else sum(int(one) for one in amounts)
        ),
        groups=frequent(shown, counted, amounts, asked.limit, asked.by_revenue and amounts is not None),
        touches=lengths(np.diff(steps.offsets)[walked]),
        days=delays(trodden.waited_ms[walked]),
        roles=tuple(listed),
        roles_rest=together(rest) if rest else None,
        n_values=len(everything),
        transitions=tuple(transitions(few)),
        flow=tuple(flow(few, asked.steps)),
        unconverted=trodden.exchange.unconverted,
        generated_at=now,
    )


def shown_steps(trodden: Trodden, asked: Asked) -> Steps:
    """The paths with their repeats as asked."""
    return trodden.steps.merged() if asked.repeats is Repeats.MERGED else trodden.steps


def together(found: Sequence[Role]) -> Role:
    """What roles add up to; a conversion that two of the values are on is in it twice."""
    total = replace(found[0], value="")
    for one in found[1:]:
        total = Role(
            "",
            total.n + one.n,
            total.first + one.first,
            total.assist + one.assist,
            total.last + one.last,
            total.only + one.only,
            None if total.assist_minor is None else total.assist_minor + (one.assist_minor or 0),
            None if total.closing_minor is None else total.closing_minor + (one.closing_minor or 0),
        )
    return total
