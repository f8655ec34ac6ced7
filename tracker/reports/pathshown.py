"""(pure) Path analysis as JSON and as CSV. Values are strangers': formulas are defused in a spreadsheet's cells."""

import csv
import io
from collections.abc import Sequence
from typing import Any

from tracker.clock import format_instant
from tracker.ids import derive
from tracker.money import plain
from tracker.reports.pathtables import Band, Group, Move, Place, Role, Spread
from tracker.reports.pathways import PathReport
from tracker.reports.table import BOM, defused

# How many steps of a path are told; `n_steps` says how many it has.
MOST_TOLD = 100
ARROW = " > "


def path_key(values: Sequence[str]) -> str:
    """What names a path in an address: 32 hex digits of its values."""
    return derive("path", *values)


def to_json(report: PathReport) -> dict[str, Any]:
    """Every table as plain data; money as a decimal string beside `…_minor`, ratios with six decimals or null."""
    groups, totals = report.groups, report.totals
    return {
        "totals": {
            "conversions": totals.conversions,
            "with_path": totals.explained,
            **money(report, "revenue", totals.revenue_minor),
        },
        "paths": [
            {
                "path": path_key(group.values),
                "steps": list(group.values[:MOST_TOLD]),
                "n_steps": len(group.values),
                **figures(report, group),
            }
            for group in groups.shown
        ],
        "rest": {"paths": groups.n_rest, **figures(report, groups.rest)},
        "unattributed": figures(report, groups.unattributed),
        "touches": spread(report.touches),
        "days": spread(report.days),
        "roles": [role(report, one) for one in report.roles],
        "roles_rest": {
            "values": report.n_values - len(report.roles),
            **(role(report, report.roles_rest) if report.roles_rest else {}),
        },
        "transitions": [move(one) for one in report.transitions],
        "flow": [{"step": one.step, **move(one)} for one in report.flow],
        "meta": meta(report),
    }


def figures(report: PathReport, group: Group) -> dict[str, Any]:
    """The figures of one or several paths."""
    share = report.share(group.n)
    return {
        "conversions": group.n,
        "share": None if share is None else round(share, 6),
        **money(report, "revenue", group.revenue_minor),
    }


def money(report: PathReport, name: str, amount_minor: int | None) -> dict[str, Any]:
    """An amount in major and in minor units."""
    currency = report.asked.query.currency
    told = None if amount_minor is None or currency is None else plain(amount_minor, currency)
    return {name: told, f"{name}_minor": amount_minor}


def spread(found: Spread) -> dict[str, Any]:
    """A distribution."""
    return {"median": found.median, "p90": found.p90, "bands": [band(one) for one in found.bands]}


def band(one: Band) -> dict[str, Any]:
    """How many conversions lie between two numbers, both included; `last` null: no end."""
    return {"first": one.first, "last": one.last, "conversions": one.n}


def role(report: PathReport, one: Role) -> dict[str, Any]:
    """What a value did."""
    return {
        "value": one.value,
        "conversions": one.n,
        "first": one.first,
        "assist": one.assist,
        "last": one.last,
        "only": one.only,
        "closing": one.closing,
        "assist_per_closing": None if one.ratio is None else round(one.ratio, 6),
        **money(report, "assist_revenue", one.assist_minor),
        **money(report, "closing_revenue", one.closing_minor),
    }


def move(one: Move) -> dict[str, Any]:
    """From one place to the next."""
    return {
        "before": place(one.before),
        "after": place(one.after),
        "n": one.n,
        "share": round(one.share, 6),
    }


def place(one: Place) -> dict[str, Any]:
    """A value or a stop; the other is null, so that no value can pass for a stop."""
    return {"value": one.value, "stop": one.stop.value if one.stop else None}


def meta(report: PathReport) -> dict[str, Any]:
    """The rule that the numbers carry."""
    asked = report.asked
    query, terms = asked.query, asked.query.terms
    return {
        "kind": asked.kind.value,
        "by": query.by[0].value,
        "basis": query.basis.value,
        "from": query.from_day,
        "to": query.to_day,
        "timezone": query.timezone,
        "currency": query.currency,
        "direct": terms.direct.value,
        "lookback_days": terms.days(asked.kind.value),
        "scope": terms.scope.value,
        "policy_version": query.policy_version,
        "repeats": asked.repeats.value,
        "limit": asked.limit,
        "values": asked.values,
        "steps": asked.steps,
        "unconverted": [
            {
                "currency": one.currency,
                "revenue": plain(one.revenue_minor, one.currency),
                "revenue_minor": one.revenue_minor,
            }
            for one in report.unconverted
        ],
        "generated_at": format_instant(report.generated_at),
    }


def to_csv(report: PathReport) -> str:
    """The frequent paths: UTF-8 with a byte order mark, CRLF, a line a path, then the rest and the unattributed."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["path", "is_path", "n_steps", "conversions", "share", "revenue"])
    groups = report.groups
    lines = [(ARROW.join(one.values[:MOST_TOLD]), True, len(one.values), one) for one in groups.shown]
    lines += [("rest", False, 0, groups.rest)] if groups.n_rest else []
    lines += [("unattributed", False, 0, groups.unattributed)]
    for name, is_path, n_steps, group in lines:
        told = figures(report, group)
        cells = [defused(name), int(is_path), n_steps if is_path else "", group.n, told["share"], told["revenue"]]
        writer.writerow(["" if cell is None else cell for cell in cells])
    return BOM + text.getvalue()
