"""Rows straight into the tables of an empty database, as fast as it takes them."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Engine

from tracker.db.store import Tx

Row = tuple[Any, ...]


def put(tx: Tx, name: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Rows of these columns into a table; instants in milliseconds, JSON as text."""
    driver: Any = tx.connection.driver_connection
    if tx.dialect.name == "sqlite":
        places = ", ".join("?" * len(columns))
        driver.executemany(f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({places})", rows)
        return
    with driver.cursor().copy(f"COPY {name} ({', '.join(columns)}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def put_all(tx: Tx, columns: Mapping[str, Sequence[str]], rows: Mapping[str, Sequence[Row]]) -> None:
    """The rows of several tables, in the order of these."""
    for name, own in rows.items():
        put(tx, name, columns[name], own)


def counted(engine: Engine) -> None:
    """Have PostgreSQL count its rows, as its autovacuum does; nobody does on SQLite."""
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("ANALYZE")
