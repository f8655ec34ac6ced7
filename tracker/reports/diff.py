"""Two runs of a report beside each other: what is credited otherwise, and why.

A run is a report with the credit of every conversion and deal, and what it was made of: path, milestones, contact,
ledger, terms. Causes are named from what differs between the two, and never guessed: where facts and terms both differ,
both are named, for from two runs alone nobody can tell how much each of them moved.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec
import numpy as np

from tracker.attribution.credit import group_sums
from tracker.clock import format_instant
from tracker.db.store import Tx
from tracker.errors import Invalid
from tracker.money import plain
from tracker.reports.catalogue import Unit
from tracker.reports.crediting import Credits, Lines
from tracker.reports.engines.sql import SqlEngine
from tracker.reports.query import Query
from tracker.reports.rows import deal_names
from tracker.reports.scans import Touches
from tracker.reports.source import Source, scope_of
from tracker.reports.table import printable, to_number

FORMAT = 1
REVENUE = "revenue"
Values = tuple[str, ...] | None
# Ids of touches in their order, and how each stands in the facts.
Path = tuple[tuple[str, ...], tuple[str, ...]]

# Why something is credited otherwise, in the order in which causes are told.
CAUSES = {
    "new": "it is only in the later run",
    "gone": "it is only in the earlier run",
    "ledger": "its ledger changed: won, amended, refunded, redated",
    "contact": "it belongs to another contact: merged, split or recognised",
    "touches_added": "touches joined its path: late, or of a visitor or contact recognised since",
    "touches_gone": "touches left its path",
    "touches_renamed": "touches of its path stand under other names",
    "moved_in_time": "the conversion, its lead, its deal or the customer's last win has another time",
    "policy": "another version of the policy",
    "fit": "another fit of the model",
    "question": "the two runs ask differently",
    "unexplained": "none of what the runs keep differs: the release, or what else is on the report",
}


@dataclass(frozen=True, slots=True)
class Share:
    """What one row has of a conversion (in millionths) or of a deal's revenue (in minor units)."""

    values: Values
    amount: int


@dataclass(frozen=True, slots=True)
class Credited:
    """One conversion, or the revenue of one deal, with all that its credit was made of.

    name     the deal's reference; empty for leads
    moments  conversion, lead, deal, last win in milliseconds
    path     ids of touches in their order; names: the words each stands under, before any rule of the site
    ledger   what was booked: 'position kind day amount currency'
    """

    kind: str
    subject_id: str
    name: str
    contact_id: str | None
    moments: tuple[int | None, ...]
    path: tuple[str, ...]
    names: tuple[str, ...]
    ledger: tuple[str, ...]
    shares: tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """A report as it was made. `asked`: its question; amounts in minor units of `currency`."""

    format: int
    site: str
    made_at: str
    asked: Mapping[str, str]
    currency: str | None
    policy_version: int
    fit_version: int | None
    credited: tuple[Credited, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """One conversion or deal that is credited otherwise. `shares`: by row before and after."""

    kind: str
    subject_id: str
    name: str
    causes: tuple[str, ...]
    shares: tuple[tuple[Values, int, int], ...]

    @property
    def moved(self) -> int:
        """How much went from one row to another, came or went."""
        changes = [after - before for _, before, after in self.shares]
        return max(sum(one for one in changes if one > 0), -sum(one for one in changes if one < 0))


def record(tx: Tx, site_key: str, query: Query, now: datetime) -> Run:
    """A report's run, to be kept and set against another."""
    engine = SqlEngine(tx)
    source = Source(engine, query)
    meta = source.table(now).meta
    found = source.credits
    paths = paths_of(engine.touches(replace(scope_of(query), rules=())))
    asked = {
        "from": query.from_day,
        "to": query.to_day,
        "by": ",".join(query.by),
        "model": query.model.value,
        "basis": query.basis.value,
        "currency": query.currency or "",
        "direct": query.terms.direct.value,
        "scope": query.terms.scope.value,
        "lookback_days": str(query.lookback_days or ""),
    }
    return Run(
        FORMAT,
        site_key,
        format_instant(now),
        asked,
        query.currency,
        meta.policy_version,
        meta.fit_version,
        (*conversions_of(found, paths, tx), *deals_of(found, paths, tx)),
    )


def conversions_of(found: Credits, paths: Mapping[str, Path], tx: Tx) -> Iterable[Credited]:
    """Every conversion that earned or was left over, with what its credit was made of."""
    shares = shares_of(found, found.counts)
    conversions = {i: found.conversions[i] for i in shares}
    names = deal_names(tx, {one.deal_id for one in conversions.values() if one.deal_id})
    for i, one in conversions.items():
        path, stood = paths.get(one.conversion_id, ((), ()))
        moments = (one.converted_ms, one.lead_ms, one.deal_ms, one.last_win_ms)
        name = names[one.deal_id][0] if one.deal_id else ""
        yield Credited(one.kind, one.conversion_id, name, one.contact_id, moments, path, stood, (), shares[i])


def deals_of(found: Credits, paths: Mapping[str, Path], tx: Tx) -> Iterable[Credited]:
    """The revenue of every deal, with the path of its win and its ledger."""
    entries: dict[str, list[int]] = {}
    for i, entry in enumerate(found.entries):
        entries.setdefault(entry.deal_id, []).append(i)
    shares = shares_of(found, found.money)
    names = deal_names(tx, entries)
    for deal_id, numbers in entries.items():
        mine: dict[Values, int] = {}
        for share in (share for i in numbers for share in shares.get(i, ())):
            mine[share.values] = mine.get(share.values, 0) + share.amount
        win = int(found.wins[numbers[0]])
        won = found.conversions[win] if win >= 0 else None
        path, stood = paths.get(won.conversion_id, ((), ())) if won else ((), ())
        ledger = tuple(
            f"{one.position} {one.kind} {one.day} {one.amount_minor} {one.currency}"
            for one in (found.entries[i] for i in numbers)
        )
        moments = (won.converted_ms, won.lead_ms, won.deal_ms, won.last_win_ms) if won else ()
        kept = tuple(Share(values, amount) for values, amount in sorted(mine.items(), key=by_row) if amount)
        yield Credited(REVENUE, deal_id, names[deal_id][0], None, moments, path, stood, ledger, kept)


def shares_of(found: Credits, lines: Lines) -> dict[int, tuple[Share, ...]]:
    """By number of the conversion or entry: what each row has of it."""
    values: list[Values] = [*found.walked.values, None]
    width = len(values)
    codes = np.asarray(found.walked.codes[lines.touches], dtype=np.int64) % width
    keys, groups = np.unique(lines.subjects * width + codes, return_inverse=True)
    shares: dict[int, list[tuple[Values, int]]] = {}
    for key, amount in zip(keys.tolist(), group_sums(lines.amounts, groups, len(keys)), strict=True):
        if amount:
            shares.setdefault(key // width, []).append((values[key % width], amount))
    return {one: tuple(Share(*pair) for pair in sorted(pairs, key=by_row)) for one, pairs in shares.items()}


def by_row(pair: tuple[Values, int]) -> tuple[bool, tuple[str, ...]]:
    """The order of rows: by value, what no touch explains at the end."""
    return pair[0] is None, pair[0] or ()


def paths_of(touches: Touches) -> dict[str, Path]:
    """By conversion the touches of its path in order, and the words they stand under before any rule of the site."""
    rows: dict[str, list[tuple[int, str, str]]] = {}
    columns = zip(*touches.words.values(), strict=True)
    ids = zip(touches.conversion_ids, touches.positions, touches.touchpoint_ids, columns, strict=True)
    for conversion_id, position, touchpoint_id, words in ids:
        rows.setdefault(conversion_id, []).append((position, touchpoint_id, " | ".join(words)))
    return {
        one: (tuple(touch for _, touch, _ in path), tuple(name for _, _, name in path))
        for one, path in ((one, sorted(found)) for one, found in rows.items())
    }


def written(run: Run) -> bytes:
    """A run as a file."""
    return msgspec.json.encode(run)


def read(text: bytes, name: str) -> Run:
    """A run from a file; raises Invalid."""
    try:
        run = msgspec.json.decode(text, type=Run)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise Invalid(f"{name} is no run of a report: {str(error)[:200]}", field="file") from error
    if run.format != FORMAT:
        raise Invalid(f"{name} is of another release (format {run.format}); make it again", field="file")
    return run


def differences(before: Run, after: Run) -> list[Difference]:
    """What is credited otherwise, the greatest moves first; of the same kind and size by id."""
    if before.site != after.site:
        raise Invalid(f"the runs are of two sites, {before.site[:40]} and {after.site[:40]}", field="file")
    if before.currency != after.currency:
        raise Invalid("the runs are in two currencies", field="file")
    earlier, later = ({(one.kind, one.subject_id): one for one in run.credited} for run in (before, after))
    terms = differing_terms(before, after)
    found = []
    for key in dict.fromkeys([*earlier, *later]):
        one, other = earlier.get(key), later.get(key)
        shares = beside(one, other)
        if any(was != now for _, was, now in shares):
            some = one or other
            assert some is not None
            facts = differing_facts(one, other)
            causes = (*facts, *terms) or ("unexplained",)
            found.append(Difference(some.kind, some.subject_id, some.name, causes, shares))
    return sorted(found, key=lambda one: (one.kind != REVENUE, one.kind, -one.moved, one.subject_id))


def beside(one: Credited | None, other: Credited | None) -> tuple[tuple[Values, int, int], ...]:
    """By row what it had and what it has."""
    sides = [{share.values: share.amount for share in side.shares} if side else {} for side in (one, other)]
    rows = sorted({*sides[0], *sides[1]}, key=lambda values: by_row((values, 0)))
    return tuple((values, sides[0].get(values, 0), sides[1].get(values, 0)) for values in rows)


def differing_facts(one: Credited | None, other: Credited | None) -> tuple[str, ...]:
    """Which of the facts behind a credit differ."""
    if one is None or other is None:
        return ("new",) if one is None else ("gone",)
    was, now = set(one.path), set(other.path)
    stood = dict(zip(one.path, one.names, strict=False))
    checks = {
        "ledger": one.ledger != other.ledger,
        "contact": one.contact_id != other.contact_id,
        "touches_added": bool(now - was),
        "touches_gone": bool(was - now),
        "touches_renamed": any(
            stood.get(touch, name) != name for touch, name in zip(other.path, other.names, strict=False)
        ),
        "moved_in_time": one.moments != other.moments,
    }
    return tuple(cause for cause, differs in checks.items() if differs)


def differing_terms(before: Run, after: Run) -> tuple[str, ...]:
    """Which of the terms of two runs differ."""
    checks = {
        "policy": before.policy_version != after.policy_version,
        "fit": before.fit_version != after.fit_version,
        "question": before.asked != after.asked,
    }
    return tuple(cause for cause, differs in checks.items() if differs)


def to_json(before: Run, after: Run, found: list[Difference]) -> dict[str, Any]:
    """{"before", "after", "causes": {cause: n}, "rows": […], "differences": […]}."""
    return {
        "before": about(before),
        "after": about(after),
        "causes": counted(found),
        "rows": [
            {"values": values, "before_minor": was, "after_minor": now}
            for values, (was, now) in revenue_of(found).items()
        ],
        "differences": [
            {
                "kind": one.kind,
                "id": one.subject_id,
                "deal": one.name or None,
                "causes": list(one.causes),
                "shares": [{"values": values, "before": was, "after": now} for values, was, now in one.shares],
            }
            for one in found
        ],
    }


def about(run: Run) -> dict[str, Any]:
    """What a run says of itself."""
    return {
        "made_at": run.made_at,
        "policy_version": run.policy_version,
        "fit_version": run.fit_version,
        "asked": dict(run.asked),
        "currency": run.currency,
    }


def counted(found: list[Difference]) -> dict[str, int]:
    """How many differences each cause has a part in, in the order of CAUSES."""
    return {cause: n for cause in CAUSES if (n := sum(cause in one.causes for one in found))}


def to_text(before: Run, after: Run, found: list[Difference], most: int = 50) -> str:
    """For the terminal: the two runs, the causes, the rows, and what moved most."""
    runs = [headline("before", before), headline("after", after)]
    if not found:
        return "\n".join([*runs, "Nothing is credited otherwise.", ""])
    causes = [f"  {n:>6}  {cause}: {CAUSES[cause]}" for cause, n in counted(found).items()]
    rows = [
        f"  {label(values)}: {amount_of(was, REVENUE, before.currency)} -> {amount_of(now, REVENUE, before.currency)}"
        for values, (was, now) in revenue_of(found).items()
    ]
    lines = [line_of(one, before.currency) for one in found[:most]]
    left = [f"  and {len(found) - most} more; --format json has them all"] if len(found) > most else []
    titles = (
        "Credited otherwise, by cause (one can have several):",
        "Revenue of what moved, by row:",
        "What moved most:",
    )
    parts = [*runs, titles[0], *causes, *([titles[1], *rows] if rows else []), titles[2], *lines, *left]
    return "\n".join([*parts, ""])


def headline(word: str, run: Run) -> str:
    """A run in a line."""
    fit = "" if run.fit_version is None else f", fit {run.fit_version}"
    asked = " ".join(f"{name}={printable(value)}" for name, value in run.asked.items() if value)
    return f"{word}: made {printable(run.made_at)}, policy {run.policy_version}{fit}, {asked}"


def line_of(one: Difference, currency: str | None) -> str:
    """One difference in a line."""
    shifts = ", ".join(
        f"{label(values)} {amount_of(was, one.kind, currency)} -> {amount_of(now, one.kind, currency)}"
        for values, was, now in one.shares
        if was != now
    )
    return f"  {one.kind} {printable(one.name or one.subject_id)} [{', '.join(one.causes)}]: {shifts}"


def label(values: Values) -> str:
    """A row in words that cannot steer a terminal."""
    return "unattributed" if values is None else printable(" / ".join(values))


def amount_of(amount: int, kind: str, currency: str | None) -> str:
    """Minor units in major ones, or millionths as a count."""
    if kind == REVENUE:
        return plain(amount, currency) if currency else str(amount)
    return str(to_number(amount, Unit.CREDIT))


def revenue_of(found: list[Difference]) -> dict[Values, tuple[int, int]]:
    """By row the revenue of all that moved, before and after."""
    sums: dict[Values, tuple[int, int]] = {}
    for one in found:
        for values, was, now in one.shares if one.kind == REVENUE else ():
            before, after = sums.get(values, (0, 0))
            sums[values] = (before + was, after + now)
    return sums
