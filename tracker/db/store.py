"""Open a database by its URL and hand out transactions.

SQLite has one writer at a time: a writing transaction takes the lock at its start (BEGIN IMMEDIATE) and waits its turn,
so that no transaction fails half-way because another wrote meanwhile. PostgreSQL runs READ COMMITTED, and REPEATABLE
READ where it only reads.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from fcntl import LOCK_EX, LOCK_UN, flock
from pathlib import Path
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry

from tracker.errors import Invalid

Tx = Connection
BUSY_TIMEOUT_MS = 30_000
# A server that is cut off is noticed within half a minute, and not when TCP gives up, a quarter of an hour later.
# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS, read 2026-11-22.
PATIENCE = {"connect_timeout": 10, "keepalives_idle": 15, "keepalives_interval": 5, "tcp_user_timeout": 30_000}
# Of a transaction of PostgreSQL: it reads, and sees what was committed before its first statement.
ONE_STATE: dict[str, Any] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
CACHE_KIB = 65_536  # of a SQLite database in memory, for each connection
MOST_LOG_PAGES = 16_384  # 64 MiB
TURNS: WeakKeyDictionary[Engine, "Turn"] = WeakKeyDictionary()
TURNS_GUARD = Lock()


def connect(url: str, *, synchronous: str = "FULL") -> Engine:
    """An engine for a SQLAlchemy URL: sqlite:///file or postgresql+psycopg://…; opens nothing yet.

    synchronous  SQLite only: FULL or NORMAL (docs/operate.md)
    raises       Invalid for another database or a URL that cannot be read
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise Invalid("MINAMOTO_DATABASE_URL is not a database URL; write sqlite:///minamoto.sqlite3") from error
    if parsed.get_backend_name() == "postgresql":
        return create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            pool_pre_ping=True,
            pool_size=10,
            hide_parameters=True,
            connect_args={name: value for name, value in PATIENCE.items() if name not in parsed.query},
        )
    if parsed.get_backend_name() != "sqlite":
        raise Invalid(f"{parsed.get_backend_name()} is not supported; use SQLite or PostgreSQL")
    engine = create_engine(parsed, hide_parameters=True)  # no personal data in error messages

    @event.listens_for(engine, "connect")
    def prepare(dbapi_connection: Any, _record: ConnectionPoolEntry) -> None:
        dbapi_connection.isolation_level = None  # transactions begin where we say
        cursor = dbapi_connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute(f"PRAGMA synchronous = {synchronous}")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute(f"PRAGMA cache_size = {-CACHE_KIB}")
        # In memory, SQLite goes through all that a savepoint has kept at the end of each statement within it.
        cursor.execute("PRAGMA temp_store = FILE")
        # Whoever commits when the log is full copies it into the database while the others wait: see `checkpoint`.
        cursor.execute(f"PRAGMA wal_autocheckpoint = {MOST_LOG_PAGES}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        deferred = connection.get_execution_options().get("reading", False)
        connection.exec_driver_sql("BEGIN" if deferred else "BEGIN IMMEDIATE")

    return engine


@contextmanager
def begin(engine: Engine) -> Iterator[Tx]:
    """One writing transaction: committed at the end, rolled back on any error.

    On SQLite threads and processes take turns here: by itself SQLite has them look again and again whether its one
    writer's place is free, and whoever sleeps longest between two looks may never find it so.
    """
    with turn_of(engine), engine.begin() as tx:
        yield tx


@contextmanager
def roomy(tx: Tx) -> Iterator[None]:
    """Keep up to a quarter of the machine's memory of a SQLite database while a transaction rewrites most of it.

    What does not fit is written out each time it changes: many times what is there in the end.
    """
    if tx.dialect.name != "sqlite":
        yield
        return
    quarter = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4
    tx.exec_driver_sql(f"PRAGMA cache_size = {-max(CACHE_KIB, quarter // 1024)}")
    try:
        yield
    finally:
        tx.exec_driver_sql(f"PRAGMA cache_size = {-CACHE_KIB}")


class Turn:
    """The turn to write to one SQLite file, among all threads and processes of this machine.

    Two locks within the process, two locked files beside the database: whoever wants the turn first becomes the next
    one, so that who has had it cannot have it again while another waits. The kernel unlocks the files of a process
    that dies.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._next, self._turn = path, Lock(), Lock()
        self._files: tuple[int, int, int] | None = None

    def __enter__(self) -> None:
        with self._next:
            self._turn.acquire()
        try:
            next_one, turn = self._open()
            flock(next_one, LOCK_EX)
            try:
                flock(turn, LOCK_EX)
            finally:
                flock(next_one, LOCK_UN)
        except BaseException:
            self._turn.release()
            raise

    def __exit__(self, *_: object) -> None:
        flock(self._open()[1], LOCK_UN)
        self._turn.release()

    def _open(self) -> tuple[int, int]:
        """The two files, opened by this very process: a lock belongs to whoever has opened the file."""
        if self._files is None or self._files[0] != os.getpid():
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            next_one = os.open(f"{self._path}-next", flags, 0o600)
            self._files = (os.getpid(), next_one, os.open(f"{self._path}-turn", flags, 0o600))
        return self._files[1:]

    def __del__(self) -> None:
        if self._files is not None and self._files[0] == os.getpid():
            for file in self._files[1:]:
                os.close(file)


def turn_of(engine: Engine) -> AbstractContextManager[Any]:
    """What a writing thread holds; nothing on PostgreSQL, which has many writers."""
    if engine.dialect.name != "sqlite" or not engine.url.database:
        return nullcontext()
    with TURNS_GUARD:
        if engine not in TURNS:
            TURNS[engine] = Turn(Path(engine.url.database).resolve())
        return TURNS[engine]


def checkpoint(engine: Engine) -> None:
    """Copy SQLite's write-ahead log into its database, beside whoever writes; nothing to do on PostgreSQL.

    Left to itself, SQLite does this within somebody's commit, whom it costs a tenth of a second. A log that has grown
    long is begun anew, for which writers wait; unless a reader still needs it: then another time.
    """
    if engine.dialect.name != "sqlite":
        return
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        _, n_pages, _ = cursor.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if n_pages > MOST_LOG_PAGES // 4:
            cursor.execute("PRAGMA busy_timeout = 0")
            with turn_of(engine):
                cursor.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
            cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        cursor.close()
    finally:
        connection.close()


@contextmanager
def reading(engine: Engine) -> Iterator[Tx]:
    """One reading transaction: it waits for no writer and sees one state throughout."""
    options = {} if engine.dialect.name == "sqlite" else ONE_STATE
    with engine.connect().execution_options(reading=True, **options) as tx, tx.begin():
        yield tx
