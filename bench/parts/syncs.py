"""Counts flushes of the disk before each answer, and shows what a power cut would leave; see fsyncs.c."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from parts.machine import Store

SOURCE = Path(__file__).with_name("fsyncs.c")


@dataclass(frozen=True, slots=True)
class Watch:
    """A server's environment that has it watched, the log it will write, and what a power cut would leave."""

    environ: dict[str, str]
    log: Path
    left: Store

    def events(self) -> str:
        """The events so far, a letter each."""
        return self.log.read_text() if self.log.exists() else ""


def compiler() -> str | None:
    """A C compiler, if there is one."""
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


@contextmanager
def watched(made: Store, folder: Path) -> Iterator[Watch]:
    """Watch a server on a SQLite store."""
    library, shadow = folder / "fsyncs.so", folder / "shadow"
    found = compiler()
    assert found
    shadow.mkdir(parents=True, exist_ok=True)
    subprocess.run([found, "-shared", "-fPIC", "-O2", "-o", library, SOURCE, "-ldl", "-lpthread"], check=True)
    file = Path(made.url.removeprefix("sqlite:///"))
    shutil.copy(file, shadow / file.name)  # what is there before is on the disk
    environ = {
        "LD_PRELOAD": str(library),
        "FSYNCS_LOG": str(folder / "events"),
        "FSYNCS_SHADOW": str(shadow),
    }
    yield Watch(environ, folder / "events", Store("SQLite", f"sqlite:///{shadow / file.name}"))


def answered_after_flush(events: str) -> tuple[int, int]:
    """(answers before which what was written since the request was flushed, answers before which it was not).

    For one connection: a request, then its answer. The log's letters between the two tell whether the last thing
    written into the write-ahead log was flushed.
    """
    kept = lost = 0
    for turn in events.split("R")[1:]:
        before, answer, _ = turn.partition("A")
        if not answer or "W" not in before:
            continue
        if "S" in before[before.rindex("W") :]:
            kept += 1
        else:
            lost += 1
    return kept, lost
