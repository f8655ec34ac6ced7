"""The conversions behind one figure of path analysis, each with its path; newest first, a page at a time.

The same question as the report's, so the conversions of all pages add up to the figure, and their amounts to its
revenue.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import numpy as np

from tracker.attribution.credit import group_sums
from tracker.attribution.touches import DAY_MS, NEVER_MS, Ints
from tracker.clock import from_ms
from tracker.db.store import Tx
from tracker.errors import Invalid
from tracker.reports.keeping import engine_of
from tracker.reports.pathshown import path_key
from tracker.reports.pathtables import DAY_BANDS, TOUCH_BANDS, Steps, path_bytes, values_in
from tracker.reports.pathways import Asked, Trodden, shown_steps, tread
from tracker.reports.rows import MOST_ROWS, ContactSeen, contacts_seen, deal_names, paged, parse_cursor, wrong_cursor
from tracker.reports.scans import Conversion


class Part(StrEnum):
    """Which part a value plays in a figure of the roles; closing is last or only."""

    ANY = "any"
    FIRST = "first"
    ASSIST = "assist"
    LAST = "last"
    ONLY = "only"
    CLOSING = "closing"


@dataclass(frozen=True, slots=True)
class Which:
    """The figure that is meant; nothing given: all conversions. What is given must all be true.

    path             a path's key (path_key)
    is_unattributed  without a path
    value, part      with the value on the path, in this part
    touches, days    the first number of a band
    before, after    with this move on the path: values, or `start` and `conversion` where is_start, is_end
    step             of a flow: the move leaves this step, from 1
    """

    path: str | None = None
    is_unattributed: bool = False
    value: str | None = None
    part: Part = Part.ANY
    touches: int | None = None
    days: int | None = None
    before: str | None = None
    after: str | None = None
    is_start: bool = False
    is_end: bool = False
    step: int | None = None

    @property
    def is_move(self) -> bool:
        """Whether a transition or a part of the flow is meant."""
        return self.is_start or self.is_end or self.before is not None or self.after is not None


WHICH = ("path", "unattributed", "value", "part", "touches", "days", "before", "after", "start", "end", "step")


def parse_which(args: Mapping[str, str]) -> Which:
    """The figure that a request's parameters (WHICH) mean; raises Invalid(field=…)."""
    part = args.get("part") or Part.ANY.value
    if part not in set(Part):
        raise Invalid(f"{part[:40]!r} is no part; use {', '.join(Part)}", field="part")

    def number(name: str) -> int | None:
        text = args.get(name, "").strip()
        if text and not (text.isascii() and text.isdigit() and len(text) < 8):
            raise Invalid(f"{text[:40]!r} is no number", field=name)
        return int(text) if text else None

    return Which(
        path=args.get("path") or None,
        is_unattributed=args.get("unattributed", "") in {"1", "true"},
        value=args.get("value"),
        part=Part(part),
        touches=number("touches"),
        days=number("days"),
        before=args.get("before"),
        after=args.get("after"),
        is_start=args.get("start", "") in {"1", "true"},
        is_end=args.get("end", "") in {"1", "true"},
        step=number("step"),
    )


@dataclass(frozen=True, slots=True)
class PathBehind:
    """A conversion with its path; texts are strangers'.

    times          how often it is in the figure: 1, of a move as often as its path goes it; 0 where only its amount is
    values         the path as the report tells it, repeats merged or kept; n_touches on it
    days           from its first touch, None without a path
    revenue_minor  what its ledger booked in the report, None where there is no money
    """

    conversion_id: str
    kind: str
    occurred_at: datetime
    contact: ContactSeen | None
    deal_id: str | None
    reference: str | None
    name: str | None
    times: int
    values: tuple[str, ...]
    n_touches: int
    days: float | None
    revenue_minor: int | None


@dataclass(frozen=True, slots=True)
class PathRows:
    """One page. n_rows, n (the figure) and revenue_minor are those of all pages."""

    rows: tuple[PathBehind, ...]
    n_rows: int
    n: int
    revenue_minor: int | None
    next_cursor: str | None


def conversions_behind(tx: Tx, asked: Asked, which: Which, cursor: str | None = None, limit: int = 50) -> PathRows:
    """The conversions of a figure. cursor: `next_cursor` of the page before; raises Invalid for a wrong one."""
    if not 1 <= limit <= MOST_ROWS:
        raise Invalid(f"{limit} rows; ask for 1 to {MOST_ROWS}", field="limit")
    after = parse_cursor(cursor)
    trodden = tread(engine_of(tx), asked)
    steps = shown_steps(trodden, asked)
    times = chosen(trodden, steps, which)
    amounts, counted = trodden.amounts, times * trodden.counted
    brings = counted > 0 if amounts is None else np.asarray(amounts != 0, dtype=np.bool_)
    is_counted_only = which.is_move or which.touches is not None or which.days is not None
    is_there = (counted > 0) if is_counted_only else (times > 0) & ((counted > 0) | brings)
    numbers = np.flatnonzero(is_there)
    found = [
        ([int(trodden.converted_ms[i]), trodden.conversion_id(i)], i) for i in _near(trodden, numbers, after, limit)
    ]
    page, next_cursor = paged(found, after, limit)
    return PathRows(
        tuple(_named(tx, trodden, steps, counted, page)),
        len(numbers),
        int(counted[numbers].sum()),
        None if amounts is None else group_sums(amounts[numbers], np.zeros(len(numbers), dtype=np.int64), 1)[0],
        next_cursor,
    )


def _near(trodden: Trodden, numbers: Ints, after: list[Any], limit: int) -> list[int]:
    """Of many conversions those that can be on the page: from the cursor's instant on, with all of the last one's."""
    if after and [type(part) for part in after] != [int, str]:
        raise wrong_cursor()
    happened = trodden.converted_ms[numbers]
    if after:
        last = max(-NEVER_MS, min(after[0], NEVER_MS))
        n_there = int(np.count_nonzero(happened == last))
        numbers, happened = numbers[happened <= last], happened[happened <= last]
        limit += n_there
    if len(numbers) > limit + 1:
        numbers = numbers[happened >= np.partition(happened, -limit - 1)[-limit - 1]]
    return [int(i) for i in numbers]


def _named(tx: Tx, trodden: Trodden, steps: Steps, counted: Ints, page: list[int]) -> list[PathBehind]:
    """A page of conversions with the names of their people and deals."""
    those = [trodden.conversion(i) for i in page]
    people = contacts_seen(tx, (one.contact_id for one in those))
    deals = deal_names(tx, (one.deal_id for one in those if one.deal_id))
    n_touches = np.diff(trodden.steps.offsets)

    def behind(i: int, one: Conversion) -> PathBehind:
        reference, name = deals.get(one.deal_id or "", (None, None))
        first, end = int(steps.offsets[i]), int(steps.offsets[i + 1])
        return PathBehind(
            one.conversion_id,
            one.kind,
            from_ms(one.converted_ms),
            people.get(one.contact_id or ""),
            one.deal_id,
            reference,
            name,
            int(counted[i]),
            tuple(steps.values[code] for code in steps.codes[first:end].tolist()),
            int(n_touches[i]),
            round(int(trodden.waited_ms[i]) / DAY_MS, 2) if n_touches[i] else None,
            None if trodden.amounts is None else int(trodden.amounts[i]),
        )

    return [behind(i, one) for i, one in zip(page, those, strict=True)]


# --- which ----------------------------------------------------------------------------------------------------------


def chosen(trodden: Trodden, steps: Steps, which: Which) -> Ints:
    """Per conversion how often a figure has it, counting or not."""
    n_touches = np.diff(trodden.steps.offsets)
    times = np.ones(len(steps), dtype=np.int64)
    if which.is_unattributed:
        times[n_touches > 0] = 0
    if which.path is not None:
        times *= _on_path(steps, which.path)
    if which.value is not None:
        times *= _with_value(steps, which.value, which.part)
    if which.touches is not None:
        times *= _in_band(n_touches, TOUCH_BANDS, which.touches)
    if which.days is not None:
        times *= _in_band(trodden.waited_ms // DAY_MS, DAY_BANDS, which.days) * (n_touches > 0)
    if which.is_move:
        times *= _moving(steps, which)
    return times


def _on_path(steps: Steps, key: str) -> Ints:
    paths = path_bytes(steps)
    meant = next((path for path in set(paths) if path_key(values_in(path, steps.values)) == key), None)
    return np.array([int(bool(path) and path == meant) for path in paths], dtype=np.int64)


def _with_value(steps: Steps, value: str, part: Part) -> Ints:
    """Whether a path has a value in a part (pathtables.Role)."""
    if value not in steps.values:
        return np.zeros(len(steps), dtype=np.int64)
    is_it = steps.codes == list(steps.values).index(value)
    walked = np.diff(steps.offsets) > 0
    on = np.bincount(steps.owners[is_it], minlength=len(steps))
    is_only = walked & (on == np.diff(steps.offsets))
    first, last = np.zeros(len(steps), dtype=np.bool_), np.zeros(len(steps), dtype=np.bool_)
    first[walked] = is_it[steps.offsets[:-1][walked]]
    last[walked] = is_it[steps.offsets[1:][walked] - 1]
    found: dict[Part, Any] = {
        Part.ANY: on > 0,
        Part.FIRST: first & ~is_only,
        Part.ASSIST: (on > 0) & ~last,
        Part.LAST: last & ~is_only,
        Part.ONLY: is_only,
        Part.CLOSING: last,
    }
    return np.asarray(found[part], dtype=np.int64)


def _in_band(sizes: Ints, bands: Sequence[tuple[int, int | None]], first: int) -> Ints:
    last = next((last for begin, last in bands if begin == first), -1)
    return np.asarray((sizes >= first) & ((last is None) | (sizes <= (last or 0))), dtype=np.int64)


def _moving(steps: Steps, which: Which) -> Ints:
    """How often a path goes from one place to another."""
    places = {value: i for i, value in enumerate(steps.values)}
    start, end, nowhere = len(places), len(places) + 1, len(places) + 2
    before = start if which.is_start else places.get(which.before or "", nowhere)
    after = end if which.is_end else places.get(which.after or "", nowhere)
    owners, sizes = steps.owners, np.diff(steps.offsets)
    walked = sizes > 0
    place = np.arange(len(steps.codes), dtype=np.int64) - steps.offsets[:-1][owners] + 1
    followers = np.append(steps.codes[1:], end)
    followers[steps.offsets[1:][walked] - 1] = end
    goes = (steps.codes == before) & (followers == after)
    if which.step is not None:
        goes &= place == which.step
    times = np.bincount(owners[goes], minlength=len(steps)).astype(np.int64)
    if which.is_start and which.step is None:
        times[walked] += steps.codes[steps.offsets[:-1][walked]] == after
    return times
