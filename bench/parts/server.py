"""Servers of our own on loopback, each in a process group of its own."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from parts.machine import ROOT, Store


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


@contextmanager
def minamoto(made: Store, *flags: str) -> Iterator[tuple[int, int]]:
    """`minamoto serve` on a store; gives port and process id."""
    port = free_port()
    environ = {"MINAMOTO_DATABASE_URL": made.url, "MINAMOTO_SECRET_KEY": "bench" * 8}
    with server(["-m", "tracker", "serve", f"--port={port}", *flags], port, environ) as pid:
        yield port, pid
