"""Servers of our own on loopback, each in a process group of its own."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from parts.machine import ROOT, Store, children_of

# One address sends all; what a single visitor may send is not what is proved here.
UNLIMITED = {"MINAMOTO_RATE_PER_ADDRESS": "0", "MINAMOTO_RATE_PER_SITE": "0"}


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def server(command: Sequence[str], port: int, environ: dict[str, str]) -> Iterator[int]:
    """Start a server in a process group of its own, wait until it listens, and stop it; gives its process id."""
    with tempfile.TemporaryFile() as log:
        started = subprocess.Popen(
            [sys.executable, *command],
            env=os.environ | environ | {"PYTHONPATH": str(ROOT)},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            wait_for(port, started)
            yield started.pid
        finally:
            started.send_signal(signal.SIGINT)
            try:
                started.wait(timeout=30)
            except subprocess.TimeoutExpired:
                os.killpg(started.pid, signal.SIGKILL)
            if started.returncode not in (0, -signal.SIGINT):
                log.seek(0)
                print(log.read().decode(errors="replace")[-2_000:])


def wait_for(port: int, started: subprocess.Popen[bytes]) -> None:
    """Wait until somebody answers on a port."""
    for _ in range(600):
        if started.poll() is not None:
            raise SystemExit("the server ended before it listened")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("the server did not listen within a minute")


class Killable:
    """`minamoto serve` on a store and always the same port, killed and started again as a proof wants it.

    command  what to run instead of the command line, given `serve` and its flags
    """

    def __init__(
        self,
        made: Store,
        *flags: str,
        environ: dict[str, str] | None = None,
        command: Sequence[str] = ("-m", "tracker"),
    ) -> None:
        self.port = free_port()
        self.command = [sys.executable, *command, "serve", f"--port={self.port}", *flags]
        own = {"MINAMOTO_DATABASE_URL": made.url, "MINAMOTO_SECRET_KEY": "bench" * 8, **UNLIMITED, **(environ or {})}
        self.environ = os.environ | own | {"PYTHONPATH": str(ROOT)}
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the server
        self.started: subprocess.Popen[bytes] | None = None

    def start(self, *, is_waited_for: bool = True) -> int:
        """Start it; gives its process id."""
        self.started = subprocess.Popen(
            self.command, env=self.environ, stdout=self.log, stderr=self.log, start_new_session=True
        )
        if is_waited_for:
            wait_for(self.port, self.started)
        return self.started.pid

    @property
    def pid(self) -> int:
        """Its first process."""
        assert self.started
        return self.started.pid

    def kill(self) -> None:
        """Kill -9 its whole process group, and wait until all of it is gone."""
        assert self.started
        everyone = [self.pid, *children_of(self.pid)]
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.started.wait()
        while any(is_there(pid) for pid in everyone):
            time.sleep(0.005)
        self.started = None

    def stop(self) -> None:
        """Stop it as an operator does."""
        if self.started is None:
            return
        self.started.send_signal(signal.SIGINT)
        try:
            self.started.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.kill()
        self.started = None

    def said(self) -> str:
        """What it wrote to its log."""
        self.log.seek(0)
        return self.log.read().decode(errors="replace")


def is_there(pid: int) -> bool:
    """Whether a process runs; one that only waits to be buried does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except OSError:
        return False


@contextmanager
def minamoto(made: Store, *flags: str, environ: dict[str, str] | None = None) -> Iterator[tuple[int, int]]:
    """`minamoto serve` on a store; gives port and process id."""
    port = free_port()
    own = {"MINAMOTO_DATABASE_URL": made.url, "MINAMOTO_SECRET_KEY": "bench" * 8, **UNLIMITED, **(environ or {})}
    with server(["-m", "tracker", "serve", f"--port={port}", *flags], port, own) as pid:
        yield port, pid
