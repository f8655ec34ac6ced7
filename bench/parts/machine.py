"""Throw-away stores, and how much processor time was used, by us and by others on this machine."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from sqlalchemy import Engine, make_url

from tests.databases import drop_database, fresh_database, postgres_url
from tracker.access.sites import Site, add_site
from tracker.clock import now
from tracker.db.store import begin, connect
from tracker.db.upgrade import upgrade

ROOT = Path(__file__).parents[2]
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Store:
    """An empty store with today's tables."""

    name: str
    url: str

    def open(self) -> Engine:
        """An engine of its own."""
        return connect(self.url)


def sqlite_in(folder: Path) -> Store:
    """An empty SQLite store in a folder."""
    made = Store("SQLite", f"sqlite:///{folder}/bench.sqlite3")
    engine = made.open()
    upgrade(engine)
    engine.dispose()
    return made


@contextmanager
def store(name: str) -> Iterator[Store | None]:
    """A throw-away 'SQLite' or 'PostgreSQL'; None where there is no PostgreSQL. Both sync every commit to the disk."""
    if name == "SQLite":
        folder = Path(tempfile.mkdtemp(prefix="minamoto-bench-"))
        made = Store(name, f"sqlite:///{folder}/bench.sqlite3")
    else:
        server = postgres_url()
        if server is None:
            yield None
            return
        sync_to_disk(server)
        made = Store(name, fresh_database(server))
    engine = made.open()
    upgrade(engine)
    engine.dispose()
    try:
        yield made
    finally:
        if name == "SQLite":
            shutil.rmtree(folder, ignore_errors=True)
        else:
            drop_database(made.url)


def sync_to_disk(url: str) -> None:
    """The tests' server never syncs; a benchmark's must."""
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as server:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            server.execute(f"ALTER SYSTEM SET {setting} = on")
        server.execute("SELECT pg_reload_conf()")


def site_in(made: Store, key: str, host: str) -> Site:
    """A site in a new store."""
    engine = made.open()
    with begin(engine) as tx:
        site = add_site(tx, "Bench", [host], now=now(), timezone="Asia/Tokyo", currency="JPY", key=key)
    engine.dispose()
    return site


def busy_seconds() -> float:
    """Processor seconds that all processes of this machine have used since it started."""
    fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    user, nice, system, _idle, _iowait, irq, softirq = map(int, fields[:7])
    return (user + nice + system + irq + softirq) / TICKS


def seconds_of(pid: int) -> float:
    """Processor seconds that a process and its living children have used."""
    total = 0.0
    for one in [pid, *children_of(pid)]:
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(") ")[2].split()
        except OSError:
            continue
        total += (int(fields[11]) + int(fields[12])) / TICKS
    return total


def children_of(pid: int) -> list[int]:
    """The processes below one, all of them."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *children_of(child)]
    return found


def megabytes_of(pid: int) -> float:
    """Memory that a process and those below it hold, in megabytes; what they share is counted once."""
    total = 0
    for one in [pid, *children_of(pid)]:
        try:
            rollup = Path(f"/proc/{one}/smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return total / 1024


def load_line() -> str:
    """How busy the machine was with other work: the reader should know."""
    return f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
