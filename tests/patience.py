"""Waiting for what another thread or process does, without guessing how long it takes."""

import threading
from collections.abc import Callable

import pytest


def wait_until(
    what: Callable[[], object],
    pause_s: float = 0.001,
    patience_s: float = 30,
    why: Callable[[], str] = lambda: "it never happened",
) -> None:
    """Return as soon as what() is true, looked at every pause_s; fail the test after patience_s and say why()."""
    pause = threading.Event()
    for _ in range(int(patience_s / pause_s)):
        if what():
            return
        pause.wait(pause_s)
    pytest.fail(why())
