"""A PostgreSQL of our own that can be killed, held and started again, and that syncs every commit to the disk."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from parts.machine import Store, children_of, sync_to_disk
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
        os.kill(self.pid, signal.SIGSTOP)  # or it would start new processes meanwhile
        everyone = self.everyone()
        for pid in everyone:
            os.kill(pid, signal.SIGKILL)
        # Also until it is buried: a new one would take the dead postmaster for a living one.
        while any(Path(f"/proc/{pid}").exists() for pid in everyone):
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

    def set(self, setting: str, value: str) -> None:
        """Change a setting for who connects from now on."""
        with self._connected() as tx:
            tx.execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(setting), sql.Literal(value)))
            tx.execute("SELECT pg_reload_conf()")

    def flushes(self) -> int:
        """How often the write-ahead log was flushed since the server was made, as far as its processes have told."""
        time.sleep(1.5)  # they tell at their end, or once in a while
        with self._connected() as tx:
            row = tx.execute("SELECT wal_sync FROM pg_stat_wal").fetchone()
        assert row
        return int(row[0])

    def _connected(self) -> psycopg.Connection[tuple[object, ...]]:
        url = make_url(self.server.url).set(drivername="postgresql").render_as_string(hide_password=False)
        return psycopg.connect(url, autocommit=True)

    def _pg_ctl(self, word: str, *more: str) -> None:
        command = [f"{self.programs}/pg_ctl", word, "--wait", "--timeout=120", f"--pgdata={self.data}", *more]
        environ = {"LC_ALL": "C", "PATH": os.defpath, "TZ": "UTC"}
        done = subprocess.run(
            command, cwd="/", env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            check=False, **self.owner,
        )  # fmt: skip
        if done.returncode:
            log = (self.server.folder / "log").read_text(errors="replace")[-2_000:]
            raise SystemExit(f"PostgreSQL did not {word}: {done.stderr.decode(errors='replace')}\n{log}")


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
