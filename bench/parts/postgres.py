"""A PostgreSQL of our own that can be killed, held and started again, and that syncs every commit to the disk."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
from sqlalchemy import make_url

from parts.machine import Store, children_of, sync_to_disk
from parts.server import is_there
from tests.databases import CannotStart, Server, fresh_database, server_folders, start_first
from tracker.db.upgrade import upgrade


class Postgres:
    """A running server; `made` is an empty store in it with today's tables."""

    def __init__(self, server: Server) -> None:
        self.server, self.data = server, server.folder / "data"
        self.programs = Path(f"/proc/{self.pid}/exe").readlink().parent
        owner = self.data.stat()
        self.owner = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
        sync_to_disk(server.url)
        self.made = Store("PostgreSQL", fresh_database(server.url))
        engine = self.made.open()
        upgrade(engine)
        engine.dispose()

    @property
    def pid(self) -> int:
        """The postmaster's process id."""
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def everyone(self) -> list[int]:
        """The postmaster and all its processes."""
        return [self.pid, *children_of(self.pid)]

    def kill(self) -> None:
        """Kill -9 all of it at once."""
        everyone = self.everyone()
        self.signal(signal.SIGKILL)
        while any(is_there(pid) for pid in everyone):
            time.sleep(0.005)

    def signal(self, which: signal.Signals) -> None:
        """Send a signal to all of it, the postmaster first."""
        for pid in self.everyone():
            with suppress(ProcessLookupError):
                os.kill(pid, which)

    def stop(self) -> None:
        """Stop it as an operator does who does not wait for its clients."""
        self._pg_ctl("stop", "--mode=fast")

    def start(self) -> None:
        """Start it again on the same data, and wait until it takes connections."""
        self._pg_ctl("start", f"--log={self.server.folder}/log")

    def figures(self) -> tuple[int, int]:
        """(transactions committed in the store, flushes of the write-ahead log) since it was made."""
        url = make_url(self.made.url).set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(url, autocommit=True) as tx:
            tx.execute("SELECT pg_stat_force_next_flush()")
            row = tx.execute(
                "SELECT (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()), wal_sync"
                " FROM pg_stat_wal"
            ).fetchone()
        assert row
        return int(row[0]), int(row[1])

    def _pg_ctl(self, word: str, *more: str) -> None:
        command = [f"{self.programs}/pg_ctl", word, "--wait", "--timeout=120", f"--pgdata={self.data}", *more]
        environ = {"LC_ALL": "C", "PATH": os.defpath, "TZ": "UTC"}
        done = subprocess.run(
            command, cwd="/", env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            check=False, **self.owner,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"PostgreSQL did not {word}: {done.stderr.decode(errors='replace')}")


@contextmanager
def postgres() -> Iterator[Postgres | None]:
    """A server that only this proof uses; None where there is no PostgreSQL."""
    try:
        server = start_first(server_folders(os.environ))
    except CannotStart:
        yield None
        return
    try:
        yield Postgres(server)
    finally:
        server.stop()
