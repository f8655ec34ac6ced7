"""What if: a policy that is not saved, tried on history beside the one in force. What moves, by row and deal by deal.

Nothing is written. Both sides answer the same question over the same facts, so what moves is the policy's doing alone,
and the totals of credit and money are the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np

from tracker.attribution.credit import group_sums
from tracker.attribution.policy import Policy
from tracker.db.store import Tx
from tracker.reports.crediting import Credits, Lines
from tracker.reports.query import Query
from tracker.reports.rows import deal_names
from tracker.reports.source import open_source
from tracker.reports.table import Figures, Table

# A row's values; None for what no touch explains.
Values = tuple[str, ...] | None
REVENUE = "revenue"
MOST_DEALS = 100


@dataclass(frozen=True, slots=True)
class BeforeAfter:
    """A row of the report under both policies."""

    values: Values
    before: Figures
    after: Figures


@dataclass(frozen=True, slots=True)
class Shift:
    """What a row has of one deal before and after: minor units of the report's currency."""

    values: Values
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class MovedDeal:
    """A deal whose revenue stands elsewhere. `moved_minor` is what went from one row to another."""

    deal_id: str
    reference: str
    name: str | None
    moved_minor: int
    shifts: tuple[Shift, ...]


@dataclass(frozen=True, slots=True)
class Trial:
    """A policy tried on history.

    rows     of both reports, those that move most first
    n_moved  how many conversions of each kind, and deals under `revenue`, are credited otherwise
    deals    those whose revenue moves, the greatest moves first, at most MOST_DEALS
    """

    before: Table
    after: Table
    rows: tuple[BeforeAfter, ...]
    n_moved: dict[str, int]
    deals: tuple[MovedDeal, ...]


def try_policy(tx: Tx, query: Query, proposed: Policy, now: datetime) -> Trial:
    """What a proposed policy would change in the answer to a query; raises Invalid where the model has no fit."""
    after_query = replace(query, policy=proposed)
    _ = after_query.terms
    before, after = open_source(tx, query), open_source(tx, after_query)
    tables = before.table(now), after.table(now)
    counts = shifts_of(before.credits, after.credits, is_money=False)
    money = shifts_of(before.credits, after.credits, is_money=True)
    kinds = {one.conversion_id: one.kind for one in before.credits.conversions if one.conversion_id in counts}
    n_moved: dict[str, int] = {}
    for conversion_id in counts:
        n_moved[kinds[conversion_id]] = n_moved.get(kinds[conversion_id], 0) + 1
    if money:
        n_moved[REVENUE] = len(money)
    return Trial(*tables, beside(*tables), n_moved, greatest(tx, money))


def beside(before: Table, after: Table) -> tuple[BeforeAfter, ...]:
    """The rows of two reports beside each other, those whose revenue moves most first, then by lead events and name."""
    sides = [
        {None if row.is_unattributed else row.values: row.figures for row in table.rows} for table in (before, after)
    ]
    rows = [
        BeforeAfter(values, sides[0].get(values, Figures()), sides[1].get(values, Figures()))
        for values in dict.fromkeys([*sides[0], *sides[1]])
    ]

    def weight(row: BeforeAfter) -> tuple[int, int, tuple[str, ...]]:
        return (
            -abs(row.after.revenue_minor - row.before.revenue_minor),
            -abs(row.after.lead_events - row.before.lead_events),
            row.values or (),
        )

    return tuple(sorted(rows, key=weight))


def greatest(tx: Tx, money: dict[str, tuple[Shift, ...]]) -> tuple[MovedDeal, ...]:
    """The deals that move most."""
    moved = {deal_id: sum(max(0, one.after - one.before) for one in shifts) for deal_id, shifts in money.items()}
    chosen = sorted(money, key=lambda deal_id: (-moved[deal_id], deal_id))[:MOST_DEALS]
    names = deal_names(tx, chosen)
    return tuple(MovedDeal(deal_id, *names[deal_id], moved[deal_id], money[deal_id]) for deal_id in chosen)


def shifts_of(before: Credits, after: Credits, *, is_money: bool) -> dict[str, tuple[Shift, ...]]:
    """By conversion (in millionths), or by deal (its revenue): what its rows have of it, where that is not the same."""
    subjects: dict[str, int] = {}
    rows: dict[Values, int] = {}
    sides = [placed(one, subjects, rows, is_money=is_money) for one in (before, after)]
    names, values = list(subjects), list(rows)
    width = max(1, len(values))
    keys = np.concatenate([owners * width + codes for owners, codes, _ in sides])
    found, groups = np.unique(keys, return_inverse=True)
    cut = len(sides[0][0])
    earlier = group_sums(sides[0][2], groups[:cut], len(found))
    later = group_sums(sides[1][2], groups[cut:], len(found))
    owners = (found // width).tolist()
    moved = {owner for owner, one, other in zip(owners, earlier, later, strict=True) if one != other}
    shifts: dict[str, list[Shift]] = {}
    for owner, place, one, other in zip(owners, (found % width).tolist(), earlier, later, strict=True):
        if owner in moved and (one or other):
            shifts.setdefault(names[owner], []).append(Shift(values[place], one, other))
    return {name: tuple(ones) for name, ones in shifts.items()}


def placed(
    credits_: Credits, subjects: dict[str, int], rows: dict[Values, int], *, is_money: bool
) -> tuple[Any, Any, Any]:
    """The credit lines of one side as arrays: number of the subject, number of the row, amount.

    subjects, rows  the numbers given so far, for both sides alike; new ones are added
    """
    lines: Lines = credits_.money if is_money else credits_.counts
    ids: Sequence[str] = credits_.entries.deal_ids if is_money else credits_.conversions.ids
    owners = np.array([subjects.setdefault(one, len(subjects)) for one in ids], dtype=np.int64)
    places = [rows.setdefault(values, len(rows)) for values in (*credits_.walked.values, None)]
    codes = np.array(places, dtype=np.int64)[credits_.walked.codes[lines.touches]]
    return owners[lines.subjects], codes, lines.amounts
