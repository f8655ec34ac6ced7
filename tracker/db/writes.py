"""The only dialect-aware writes: insert once, upsert, and claims that other workers skip.

Everything else is plain SQLAlchemy Core and the same on SQLite and PostgreSQL.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Select, Table, func, select
from sqlalchemy.dialects import postgresql, sqlite

from tracker.db.store import Tx

Row = Mapping[str, Any]
# SQLite binds at most 32,766 values in one statement.
MOST_VALUES = 30_000


def insert_for(tx: Tx, table: Table) -> Any:
    """The dialect's INSERT, which knows ON CONFLICT."""
    return insert_by(tx.dialect.name, table)


def insert_by(dialect: str, table: Table) -> Any:
    """The INSERT of a dialect by its name."""
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


def insert_once(tx: Tx, table: Table, rows: Sequence[Row]) -> None:
    """Insert the rows whose key is not there yet; the others are left as they stand."""
    if rows:
        tx.execute(insert_for(tx, table).on_conflict_do_nothing(), list(rows))


def upsert(tx: Tx, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows, or replace the columns given of those whose primary key is there. All rows have the same columns."""
    if rows:
        tx.execute(upsert_by(tx.dialect.name, table, tuple(rows[0])), list(rows))


@lru_cache(maxsize=256)
def upsert_by(dialect: str, table: Table, given: tuple[str, ...]) -> Any:
    """The statement that upsert runs; remembered, for building it costs more than a small batch of rows."""
    statement = insert_by(dialect, table)
    key = [column.name for column in table.primary_key.columns]
    return statement.on_conflict_do_update(
        index_elements=key, set_={name: statement.excluded[name] for name in given if name not in key}
    )


def add_up(tx: Tx, table: Table, row: Row, counter: str) -> None:
    """Add row[counter] to the counter of the row with the same primary key, which is made if need be."""
    statement = insert_for(tx, table).values(**row)
    key = [column.name for column in table.primary_key.columns]
    tx.execute(
        statement.on_conflict_do_update(
            index_elements=key, set_={counter: table.c[counter] + statement.excluded[counter]}
        )
    )


def skip_claimed(tx: Tx, query: Select[Any]) -> Select[Any]:
    """Lock the rows that a query finds and leave out those that another worker holds; SQLite has one writer anyway."""
    return query.with_for_update(skip_locked=True) if tx.dialect.name == "postgresql" else query


def lock(tx: Tx, query: Select[Any]) -> None:
    """Wait for and hold the rows that a query finds until the transaction ends; order the query to avoid deadlock.

    Whoever only refers to such a row (a foreign key) is not kept waiting. SQLite has one writer anyway.
    """
    if tx.dialect.name == "postgresql":
        tx.execute(query.with_for_update(key_share=True)).all()


def lock_names(tx: Tx, names: Iterable[str]) -> None:
    """Wait for and hold these names until the transaction ends: for what has no row yet that could be locked."""
    if tx.dialect.name == "postgresql":
        for name in sorted(set(names)):
            tx.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))


def chunks(values: Iterable[Any], size: int = 500) -> Iterable[list[Any]]:
    """The values in lists short enough for an IN (…)."""
    listed = list(values)
    for start in range(0, len(listed), size):
        yield listed[start : start + size]
