"""The work loop in a process of its own: it works, begins again when it is killed, and ends with who began it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from tests.live import SECRET
from tests.patience import wait_until
from tests.walks import START, World
from tracker.config import Settings
from tracker.db.schema import hits_waiting
from tracker.db.store import connect, reading
from tracker.db.upgrade import ensure
from tracker.jobs import WorkBeside

PARENT = """
import os, sys, threading
from tracker.config import Settings
from tracker.jobs import WorkBeside
if __name__ == "__main__":
    with WorkBeside(Settings()):
        print("up", flush=True)
        threading.Event().wait()
"""


def eventually(what: Callable[[], object]) -> None:
    """Processes take a while to begin, and it takes a while to look through all of them."""
    wait_until(what, pause_s=0.1, patience_s=60)


def children_of(pid: int) -> set[int]:
    """The processes that a process has begun and that run."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(") ")[2].split()[:2]
        except OSError:
            continue
        if int(parent) == pid and state not in "ZX":
            found.add(int(stat.parent.name))
    return found


def workers_of(pid: int) -> set[int]:
    """Those of them that work; multiprocessing has one more, which counts its resources."""
    found = set()
    for child in children_of(pid):
        try:
            command = Path(f"/proc/{child}/cmdline").read_bytes()
        except OSError:
            continue
        if b"spawn_main" in command:
            found.add(child)
    return found


def nothing_waits(store: Engine) -> bool:
    with reading(store) as tx:
        return tx.execute(select(func.count()).select_from(hits_waiting)).scalar_one() == 0


@pytest.fixture
def world(store: Engine) -> World:
    return World(store)


def test_it_works_and_begins_again_when_it_is_killed(world: World, store: Engine, store_url: str) -> None:
    before = workers_of(os.getpid())
    with WorkBeside(Settings(database_url=store_url, secret_key=SECRET, fold_interval_s=0.05)):
        world.send("ann", [world.hit(START, "/")])
        eventually(lambda: nothing_waits(store))
        (first,) = workers_of(os.getpid()) - before
        os.kill(first, signal.SIGKILL)
        eventually(lambda: workers_of(os.getpid()) - before - {first})
        world.send("ann", [world.hit(START, "/prices")])
        eventually(lambda: nothing_waits(store))
    eventually(lambda: workers_of(os.getpid()) == before)


def test_it_ends_when_the_process_that_began_it_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT, encoding="utf-8")
    url = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    ensure(connect(url))
    environ = {"MINAMOTO_DATABASE_URL": url, "MINAMOTO_SECRET_KEY": SECRET, "PYTHONPATH": str(Path.cwd())}
    parent = subprocess.Popen([sys.executable, script], env=os.environ | environ, stdout=subprocess.PIPE, cwd=tmp_path)
    try:
        assert parent.stdout
        assert parent.stdout.readline() == b"up\n"
        eventually(lambda: workers_of(parent.pid))
        (worker,) = workers_of(parent.pid)
    finally:
        parent.kill()
        parent.communicate()
    wait_until(
        lambda: not Path(f"/proc/{worker}/cmdline").exists() or not Path(f"/proc/{worker}/cmdline").read_bytes(), 0.1
    )
