"""Read conversions, paths and ledgers as columns, fast: all of a site, or those of some conversions.

All rows of a site come as text, some thousand at a time (SQLite joins them, PostgreSQL copies them out), which is cut
at its tabs; numbers are read by NumPy. Each row fetched would hand the interpreter's lock to another thread.
Words come as JSON, which has no control characters, whatever strangers wrote.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Column, ColumnElement, Table, literal_column, select, text

from tracker.attribution.touches import NEVER_MS, Ints
from tracker.db.schema import conversions, deal_entries, paths, touchpoints
from tracker.db.store import Tx
from tracker.db.writes import chunks, is_postgresql
from tracker.vocabulary import FLAT, TouchKind

# Rows of SQLite read with one statement; of PostgreSQL cut at a time.
MOST = 5_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is read of a table: texts first, then whole numbers.

    key    the column that some rows are found by
    where  which rows: SQL
    """

    table: Table
    key: Column[Any]
    texts: tuple[str, ...]
    numbers: tuple[str, ...]
    where: str = "true"


@dataclass(frozen=True, slots=True)
class Read:
    """Rows as columns: a list per text, an array per number."""

    texts: Sequence[Sequence[str]]
    numbers: NDArray[np.int64]

    def number(self, i: int) -> Ints:
        """The i-th number of every row."""
        return np.ascontiguousarray(self.numbers[:, i])


def as_number(day: str) -> str:
    """'2026-04-01' as 20260401, 0 for none: SQL."""
    return f"coalesce(replace({day}, '-', ''), '0')"


def or_never(instant: str) -> str:
    """An instant that may be empty: SQL."""
    return f"coalesce({instant}, {NEVER_MS})"


CONVERSIONS = Wanted(
    conversions,
    conversions.c.conversion_id,
    ("conversion_id", "coalesce(contact_id, '')", "coalesce(deal_id, '')", "kind"),
    (
        "occurred_at",
        as_number("day"),
        as_number("lead_day"),
        "n",
        "CAST(by_company AS INTEGER)",
        or_never("lead_at"),
        or_never("deal_at"),
        or_never("last_win_at"),
    ),
)
WORDS = "{words}"
PATHS = Wanted(
    paths,
    paths.c.conversion_id,
    ("conversion_id", WORDS),
    ("position", "touched_at", as_number("touch_day"), "scope", "tie"),
)
ENTRIES = Wanted(
    deal_entries,
    deal_entries.c.deal_id,
    ("deal_id", "kind", "currency"),
    ("position", "amount_minor", as_number("day")),
)
VISITS = Wanted(
    touchpoints,
    touchpoints.c.day,
    (WORDS, "rules_version"),
    ("visitor_no", as_number("day")),
    f"kind = '{TouchKind.VISIT.value}' AND visitor_no IS NOT NULL",
)


def cells_of(tx: Tx, wanted: Wanted) -> list[str]:
    """The expressions that are read, the numbers as one text."""
    listed = ", ".join(FLAT)
    words = f"CAST(json_build_array({listed}) AS TEXT)" if is_postgresql(tx) else f"json_array({listed})"
    return [*(words if cell == WORDS else cell for cell in wanted.texts), " || ' ' || ".join(wanted.numbers)]


def read_all(tx: Tx, wanted: Wanted, site_id: int) -> Iterator[Read]:
    """All rows of a site, some thousand at a time, in any order."""
    texts = copied(tx, wanted, site_id) if is_postgresql(tx) else joined(tx, wanted, site_id)
    n = len(wanted.texts) + 1
    for one in texts:
        cells = one.replace("\n", "\t").split("\t")
        yield read_of(wanted, [cells[i::n] for i in range(n)])


def joined(tx: Tx, wanted: Wanted, site_id: int) -> Iterator[str]:
    """SQLite: each text holds the rows of a stretch of row numbers."""
    cells = " || char(9) || ".join(cells_of(tx, wanted))
    name = wanted.table.name
    first, last = tx.exec_driver_sql(f"SELECT min(rowid), max(rowid) FROM {name}").one()  # noqa: S608 - our own name
    statement = (
        f"SELECT group_concat({cells}, char(10)) FROM {name}"  # noqa: S608 - our own columns
        f" WHERE rowid BETWEEN ? AND ? AND +site_id = ? AND {wanted.where}"
    )
    for start in range(first or 0, (last or -1) + 1, MOST):
        found = tx.exec_driver_sql(statement, (start, start + MOST - 1, site_id)).scalar()
        if found:
            yield found


def copied(tx: Tx, wanted: Wanted, site_id: int) -> Iterator[str]:
    """PostgreSQL: COPY, which writes a backslash twice."""
    query = f"SELECT {', '.join(cells_of(tx, wanted))} FROM {wanted.table.name}"  # noqa: S608 - our own columns
    query += f" WHERE site_id = {site_id:d} AND {wanted.where}"
    driver: Any = tx.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY ({query}) TO STDOUT") as copy:
        rows: list[bytes] = []
        for row in copy:
            rows.append(bytes(row))
            if len(rows) == 4 * MOST:
                yield b"".join(rows)[:-1].decode().replace("\\\\", "\\")
                rows = []
        if rows:
            yield b"".join(rows)[:-1].decode().replace("\\\\", "\\")


def read_some(tx: Tx, wanted: Wanted, keys: Sequence[str], site_id: int) -> Iterator[Read]:
    """A site's rows with these keys."""
    cells: list[ColumnElement[Any]] = [literal_column(cell) for cell in cells_of(tx, wanted)]
    query = select(*cells).select_from(wanted.table).where(text(wanted.where))
    if not wanted.key.primary_key:  # ids are the site's own, and SQLite would walk the whole site
        query = query.where(wanted.table.c.site_id == site_id)
    for some in chunks(keys):
        if rows := tx.execute(query.where(wanted.key.in_(some))).all():
            yield read_of(wanted, list(zip(*rows, strict=True)))


def read_of(wanted: Wanted, columns: Sequence[Sequence[str]]) -> Read:
    """Columns of text, the last of them with the numbers."""
    numbers = np.fromstring(" ".join(columns[-1]), dtype=np.int64, sep=" ")
    return Read(columns[:-1], numbers.reshape(-1, len(wanted.numbers)))
