"""The only dialect-aware writes: insert once, upsert, and claims that other workers skip.

Everything else is plain SQLAlchemy Core and the same on SQLite and PostgreSQL.

The fold writes thousands of rows a second, and SQLAlchemy's work on each value would cost more than the database's.
So `put` and its like take rows as the database keeps them (instants in milliseconds, `raw` columns when read), and
lists of values travel as one JSON parameter, which makes one statement of them, however long they are.
"""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

from msgspec import Raw
from msgspec.json import decode, encode
from sqlalchemy import (
    JSON,
    BigInteger,
    BindParameter,
    Column,
    ColumnElement,
    Dialect,
    Engine,
    FromClause,
    Integer,
    Select,
    Table,
    Text,
    bindparam,
    cast,
    column,
    delete,
    func,
    literal,
    literal_column,
    select,
    true,
    type_coerce,
)
from sqlalchemy.dialects import postgresql, sqlite

from tracker.db.columns import Instant
from tracker.db.store import Tx

Row = Mapping[str, Any]
# A transaction, or a dialect's name: for a query that is built once and kept, as building costs more than running it.
On = Tx | str
# The values of such a query, given as {"given": as_one(values)} when it runs.
GIVEN = bindparam("given", type_=Text)
# Of PostgreSQL's advisory locks: our own first key, and how many second keys the names share.
NAME_LOCK_SPACE = 6_789
NAME_LOCKS = 1_024
# The same for sites.
SITE_LOCK_SPACE = 6_790
# Put at once in SQLite, which binds at most 32,766 values in one statement.
MOST_ROWS = 256
POSTGRESQL: Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]


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


def skip_claimed(on: On, query: Select[Any]) -> Select[Any]:
    """Lock the rows that a query finds and leave out those that another worker holds; SQLite has one writer anyway."""
    return query.with_for_update(skip_locked=True) if is_postgresql(on) else query


def lock(tx: Tx, query: Select[Any], given: Iterable[int | str] = ()) -> None:
    """Wait for and hold the rows that a query finds until the transaction ends; order the query to avoid deadlock.

    Whoever only refers to such a row (a foreign key) is not kept waiting. SQLite has one writer anyway.
    """
    if tx.dialect.name == "postgresql":
        tx.execute(query.with_for_update(key_share=True), {"given": as_one(given)} if given else {}).all()


def lock_names(tx: Tx, names: Iterable[str]) -> None:
    """Wait for and hold these names until the transaction ends: for what has no row yet that could be locked.

    Names share NAME_LOCKS locks, for a server has room for some thousands only; a transaction takes all it needs at
    once, in order, so that no two wait for each other.
    """
    if tx.dialect.name == "postgresql":
        numbers = sorted({zlib.crc32(name.encode("utf-8", "surrogatepass")) % NAME_LOCKS for name in names})
        if numbers:
            tx.execute(select(func.pg_advisory_xact_lock(NAME_LOCK_SPACE, cast(listed(tx, numbers).c.value, Integer))))


def lock_sites(tx: Tx, site_ids: Iterable[int], *, alone: bool) -> None:
    """Wait for and hold these sites until the transaction ends: one that is alone there, or any number that are not.

    Before anything else of a site is held. Whoever comes later waits behind those that wait already. A transaction that
    holds a site may ask for it again.
    """
    if tx.dialect.name == "postgresql":
        hold = func.pg_advisory_xact_lock if alone else func.pg_advisory_xact_lock_shared
        for site_id in sorted(site_ids):
            tx.execute(select(hold(SITE_LOCK_SPACE, cast(site_id, Integer))))


def has_one_writer(of: Tx | Engine) -> bool:
    """Whether a writing transaction keeps all others waiting, so that what can be done before it should be."""
    return of.dialect.name != "postgresql"


def plan_anew(tx: Tx) -> None:
    """Have each statement of this transaction planned for the tables as they are, and rows looked up by index.

    PostgreSQL keeps the plans of a connection's prepared statements, and of its foreign keys. One made while a table
    was small reads all of it, until the table is next analysed, however much came in since.
    """
    if is_postgresql(tx):
        tx.connection.driver_connection.prepare_threshold = None  # type: ignore[union-attr]
        tx.exec_driver_sql("SET LOCAL enable_seqscan = off")


def holds(on: On, column: ColumnElement[Any], text: str) -> ColumnElement[bool]:
    """Whether a column holds a text, whatever its capitals; SQLite compares so by itself, for A to Z."""
    return column.icontains(text, autoescape=True) if is_postgresql(on) else column.contains(text, autoescape=True)


def is_postgresql(on: On) -> bool:
    """Whether a query is for PostgreSQL; the others are for SQLite."""
    return (on if isinstance(on, str) else on.dialect.name) == "postgresql"


def as_one(values: Iterable[int | str] | Iterable[Sequence[int | str]]) -> str:
    """Any number of values as one parameter."""
    return encode(list(values)).decode()


def raw(on: On, of: Column[Any]) -> ColumnElement[Any]:
    """A column to be read as the database keeps it: instants in milliseconds, JSON as text."""
    if isinstance(of.type, JSON):
        return cast(of, Text).label(of.name) if is_postgresql(on) else type_coerce(of, Text)
    return type_coerce(of, BigInteger) if isinstance(of.type, Instant) else of


def listed(on: On, values: Iterable[int | str] | BindParameter[str]) -> FromClause:
    """These values as rows of one column `value`, to be read or joined."""
    given = values if isinstance(values, BindParameter) else literal(as_one(values), Text)
    if is_postgresql(on):
        return func.json_array_elements_text(cast(given, postgresql.JSON)).table_valued("value")
    return func.json_each(given).table_valued("value")


def listed_rows(
    on: On, rows: Iterable[Sequence[int]] | BindParameter[str], names: Sequence[str], *, words: Sequence[str] = ()
) -> FromClause:
    """Rows of whole numbers, and of text in the columns `words`, as a table with these column names."""
    given = rows if isinstance(rows, BindParameter) else literal(as_one(rows), Text)
    kinds: list[Any] = [Text if name in words else BigInteger for name in names]
    cells: list[ColumnElement[Any]]
    if is_postgresql(on):
        each = func.json_array_elements(cast(given, postgresql.JSON))
        whole = each.table_valued(column("value", postgresql.JSON)).c.value
        texts = [whole.op("->>", return_type=Text())(literal_column(str(place))) for place in range(len(names))]
        cells = [text if kind is Text else cast(text, kind) for text, kind in zip(texts, kinds, strict=True)]
    else:
        whole = func.json_each(given).table_valued("value").c.value
        cells = [func.json_extract(whole, f"$[{place}]", type_=kind) for place, kind in enumerate(kinds)]
    return select(*[cell.label(name) for name, cell in zip(names, cells, strict=True)]).subquery()


def each_found(on: On, wanted: FromClause, query: Select[Any]) -> Select[Any]:
    """What a query finds for each row of `wanted`, which its conditions name: looked up one by one, by index.

    Left to itself, PostgreSQL reads the whole table where it has not counted its rows lately.
    """
    if is_postgresql(on):
        one = query.correlate(wanted).offset(0).lateral()
        return select(*one.c).select_from(wanted.join(one, true()))
    return query.select_from(wanted)


def among(on: On, of: Column[Any], values: Iterable[int | str] | BindParameter[str]) -> ColumnElement[bool]:
    """That a column has one of these values; any number of them is one parameter, and the column's index serves."""
    source = listed(on, values)
    if is_postgresql(on):
        wanted = cast(source.c.value, BigInteger) if of.type.python_type is int else source.c.value
        return of == func.any(func.array(select(wanted).scalar_subquery()))
    return of.in_(select(source.c.value))


def drop(tx: Tx, of: Column[Any], values: Sequence[int | str]) -> None:
    """Delete the rows of a column's table in which it has one of these values."""
    if values:
        tx.execute(drop_by(tx.dialect.name, of), {"given": as_one(values)})


@lru_cache(maxsize=64)
def drop_by(dialect: str, of: Column[Any]) -> Any:
    """The statement that drop runs."""
    return delete(of.table).where(among(dialect, of, GIVEN))


def put(tx: Tx, table: Table, names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows, or replace these columns of those whose primary key is there.

    rows  each with the values of the columns `names`, as the database keeps them: JSON as text
    """
    if not rows:
        return
    if tx.dialect.name == "postgresql":
        documents = [dict(zip(names, row, strict=True)) for row in rows]
        for name in names:
            if isinstance(table.c[name].type, JSON):
                for document in documents:
                    document[name] = Raw(document[name].encode())
        tx.exec_driver_sql(put_in_postgresql(table, tuple(names)), (encode(documents).decode(),))
        return
    insert_in_sqlite(tx, table, tuple(names), rows, or_replace(table, names))


def insert_in_sqlite(
    tx: Tx, table: Table, names: tuple[str, ...], rows: Sequence[tuple[Any, ...]], on_conflict: str
) -> None:
    """Insert rows into SQLite, many with one statement; on_conflict is how the statement ends."""
    start = 0
    while start < len(rows):
        n = min(MOST_ROWS, 1 << (len(rows) - start).bit_length() - 1)
        values = tuple(chain.from_iterable(rows[start : start + n]))
        tx.exec_driver_sql(insert_of(table, names, n, on_conflict), values)
        start += n


@lru_cache(maxsize=64)
def put_in_postgresql(table: Table, names: tuple[str, ...]) -> str:
    """The statement that puts the rows of one JSON parameter: a list of objects."""
    types = ", ".join(f"{name} {plain_type(table.c[name])}" for name in names)
    source = f"SELECT {', '.join(names)} FROM json_to_recordset(%s::json) AS given ({types})"  # noqa: S608 - our names
    return f"INSERT INTO {table.name} ({', '.join(names)}) {source} {or_replace(table, names)}"


@lru_cache(maxsize=256)
def insert_of(table: Table, names: tuple[str, ...], n: int, on_conflict: str) -> str:
    """The statement that inserts n rows into SQLite.

    A statement a row would hand the interpreter's lock to the event loop's thread and wait for it again at each, and
    the database's lock is held meanwhile. Powers of two, so that the driver keeps few statements.
    """
    row = f"({', '.join('?' * len(names))})"
    values = ", ".join([row] * n)
    return f"INSERT INTO {table.name} ({', '.join(names)}) VALUES {values} {on_conflict}"  # noqa: S608


def or_replace(table: Table, names: Sequence[str]) -> str:
    """What becomes of a row whose primary key is there."""
    key = [of.name for of in table.primary_key.columns]
    rest = [f"{name} = excluded.{name}" for name in names if name not in key]
    return f"ON CONFLICT ({', '.join(key)}) DO " + (f"UPDATE SET {', '.join(rest)}" if rest else "NOTHING")


def read(tx: Tx, query: Select[Any], given: Iterable[int | str] | Iterable[Sequence[int | str]] = ()) -> list[Any]:
    """The rows of a query, whose columns are whole numbers and plain words, in its order.

    query  one that is kept, for SQLite has another built of it
    given  what GIVEN stands for in it

    On SQLite they come as one value: fetching each would hand the interpreter's lock to another thread at each.
    """
    values = {"given": as_one(given)}
    if tx.dialect.name == "postgresql":
        return list(tx.execute(query, values).all())
    found: list[Any] = decode(tx.execute(as_one_value(query), values).scalar_one())
    return found


@lru_cache(maxsize=64)
def as_one_value(query: Select[Any]) -> Select[Any]:
    """A query of SQLite that gives the rows of this one as JSON."""
    return select(func.json_group_array(func.json_array(*query.subquery().c)))


def plain_type(of: Column[Any]) -> str:
    """A column's type on PostgreSQL, without its collation."""
    return str(of.type.compile(dialect=POSTGRESQL)).partition(" COLLATE")[0]


def insert_new(
    tx: Tx, table: Table, names: Sequence[str], rows: Sequence[tuple[int | str, ...]]
) -> set[tuple[int | str, ...]]:
    """Insert the rows that are not there yet, in this order; give those of which it is certain that we inserted them.

    Waits for another worker that is inserting one of them.
    """
    if not rows:
        return set()
    text, listing = encode(rows).decode(), ", ".join(names)
    start = f"INSERT INTO {table.name} ({listing})"
    if tx.dialect.name == "postgresql":
        cells = ", ".join(f"(value ->> {n})::{plain_type(table.c[name])}" for n, name in enumerate(names))
        source = f"SELECT {cells} FROM json_array_elements(%s::json) AS given (value)"  # noqa: S608 - our own names
        statement = f"{start} {source} ON CONFLICT DO NOTHING RETURNING {listing}"
        return {tuple(row) for row in tx.exec_driver_sql(statement, (text,))}
    cells = ", ".join(f"json_extract(value, '$[{n}]')" for n in range(len(names)))
    source = f"SELECT {cells} FROM json_each(?) WHERE true"  # noqa: S608 - our own names
    done = tx.exec_driver_sql(f"{start} {source} ON CONFLICT DO NOTHING", (text,))
    return set(rows) if done.rowcount == len(rows) else set()


def chunks(values: Iterable[Any], size: int = 500) -> Iterable[list[Any]]:
    """The values in lists short enough for an IN (…)."""
    listed = list(values)
    for start in range(0, len(listed), size):
        yield listed[start : start + size]
