"""Group commit: what many bring at the same time shares one transaction, and nobody is told before it is committed.

A commit costs a flush of the disk, whether it holds one hit or a hundred. What comes while one batch is being committed
makes up the next, so batches grow with the load by themselves. The queue is bounded: beyond it, whoever comes is told
at once that there is no room. Knows nothing of hits or databases; api/website/door.py gives it both.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

One = TypeVar("One")
Outcome = TypeVar("Outcome")
log = logging.getLogger("minamoto.collect")


class Away(Exception):
    """The store cannot take anything now: everybody in the batch is told so, and nothing of it was kept."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is gathered and how much may wait.

    n_batch    weight (hits) at which a batch is full, >= 1; one thing of more weight is a batch of its own
    wait_s     how long a batch waits for company, >= 0; 0: it holds what came during the commit before
    n_waiting  things that may wait, >= 1
    n_bytes    bytes that all which wait may have together, >= 1
    """

    n_batch: int
    wait_s: float
    n_waiting: int
    n_bytes: int


@dataclass(slots=True)
class Figures:
    """What a group commit has done since it was made, for the metrics of this process; the totals only grow."""

    n_batches: int = 0
    n_taken: int = 0
    weight: int = 0
    n_away: int = 0
    n_turned_away: int = 0
    seconds: float = 0.0
    slowest_s: float = 0.0


class Waiting(Generic[One, Outcome]):
    """One thing's place in the queue.

    told  called once, in the committing thread, when the batch is committed (with the outcome) or was not (None)
    """

    __slots__ = ("given_up", "n_bytes", "one", "told", "weight")

    def __init__(self, one: One, weight: int, n_bytes: int, told: Callable[[Outcome | None], None]) -> None:
        self.one, self.weight, self.n_bytes, self.told = one, weight, n_bytes, told
        self.given_up = False


class GroupCommit(Generic[One, Outcome]):
    """Gathers what threads and event loops bring, and commits it in batches, one at a time, in order.

    work  takes a batch and gives an outcome for each, in order, after all of it is committed; raises Away when the
          store takes nothing now, anything else when something in the batch cannot be done. It keeps all or nothing.
          May be called with an empty batch (see `kick`).
    fail  what becomes of one thing that cannot be done even alone
    """

    def __init__(
        self, work: Callable[[Sequence[One]], Sequence[Outcome]], fail: Callable[[One], Outcome], bounds: Bounds
    ) -> None:
        self._work, self._fail, self._bounds = work, fail, bounds
        self._queue: deque[Waiting[One, Outcome]] = deque()
        self._guard = threading.Lock()
        self._running = False
        self._n_bytes = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="minamoto-commit")
        self.figures = Figures()

    @property
    def n_waiting(self) -> int:
        """How many things wait, without those in the batch being committed."""
        return len(self._queue)

    def put(self, place: Waiting[One, Outcome]) -> bool:
        """Queue one thing; False when there is no room, and nobody will be told."""
        with self._guard:
            if len(self._queue) >= self._bounds.n_waiting or self._n_bytes + place.n_bytes > self._bounds.n_bytes:
                self.figures.n_turned_away += 1
                return False
            self._queue.append(place)
            self._n_bytes += place.n_bytes
            start, self._running = not self._running, True
        if start:
            self._thread.submit(self._run)
        return True

    def kick(self) -> None:
        """Have `work` called soon, with whatever waits, be it nothing."""
        with self._guard:
            start, self._running = not self._running, True
        if start:
            self._thread.submit(self._run)

    def close(self) -> None:
        """Commit what waits and end the thread."""
        self._thread.shutdown(wait=True)

    def _run(self) -> None:
        """Commit batch after batch until nothing waits."""
        while True:
            if self._bounds.wait_s:
                time.sleep(self._bounds.wait_s)
            self._commit(self._take())
            with self._guard:
                if not self._queue:
                    self._running = False
                    return

    def _take(self) -> list[Waiting[One, Outcome]]:
        """The next batch, without those who have given up."""
        batch: list[Waiting[One, Outcome]] = []
        weight = 0
        with self._guard:
            while self._queue and (not batch or weight + self._queue[0].weight <= self._bounds.n_batch):
                place = self._queue.popleft()
                self._n_bytes -= place.n_bytes
                if not place.given_up:
                    batch.append(place)
                    weight += place.weight
        return batch

    def _commit(self, batch: list[Waiting[One, Outcome]]) -> None:
        """Commit a batch and tell everybody in it; one thing that cannot be done does not spoil the others'."""
        started = time.monotonic()
        try:
            outcomes: Sequence[Outcome | None] = self._work([place.one for place in batch])
        except Away:
            self.figures.n_away += 1
            outcomes = [None] * len(batch)
        except Exception as error:  # noqa: BLE001 - the thread must go on; who brought it is told
            if len(batch) > 1:
                for place in batch:
                    self._commit([place])
                return
            log.error("a beacon could not be taken: %s", type(error).__name__)  # not its message: it may quote values
            outcomes = [self._fail(place.one) for place in batch]
        took = time.monotonic() - started
        figures = self.figures
        figures.n_batches += 1
        figures.n_taken += len(batch)
        figures.weight += sum(place.weight for place in batch)
        figures.seconds += took
        figures.slowest_s = max(figures.slowest_s, took)
        for place, outcome in zip(batch, outcomes, strict=True):
            place.told(outcome)
