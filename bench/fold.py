"""How fast hits become visits, people and credit: fills a journal, folds it, rebuilds it; see docs/benchmarks.md.

At the end the whole chain: how long after a beacon its visit is there, on a server that has nothing else to do.

    python bench/fold.py [--hits 200000] [--batch 500] [--store SQLite] [--mix newcomers] [--profile]
"""

import argparse
import cProfile
import json
import pstats
import statistics
import sys
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from parts import machine, traffic
from parts.server import minamoto
from sqlalchemy import Connection, Engine, event, func, select

from tracker.clock import now, to_ms
from tracker.collect.journal import append
from tracker.collect.payload import Hit
from tracker.config import Settings
from tracker.db.schema import contacts, paths, visits
from tracker.db.store import begin, reading
from tracker.ids import new_uuid7
from tracker.jobs import fold_batch
from tracker.rebuild import rebuild

APPENDED_AT_A_TIME = 5_000
# Visitors who come back, or page views of which each is another new visitor's.
MIXES = {"returning": traffic.hits, "newcomers": traffic.newcomers}


def fill(engine: Engine, site_id: int, hits: list[Hit]) -> float:
    """Write the hits into the journal; returns seconds."""
    started = time.perf_counter()
    for at in range(0, len(hits), APPENDED_AT_A_TIME):
        with begin(engine) as tx:
            append(tx, site_id, hits[at : at + APPENDED_AT_A_TIME])
    return time.perf_counter() - started


def fold_all(engine: Engine, batch: int) -> list[tuple[int, float]]:
    """Fold what waits; returns (hits, seconds) of each batch."""
    took: list[tuple[int, float]] = []
    while True:
        started = time.perf_counter()
        n = fold_batch(engine, batch)
        if not n:
            return took
        took.append((n, time.perf_counter() - started))


def held(engine: Engine) -> list[float]:
    """Note from now on how long each writing transaction lasts, in seconds: on SQLite nobody else writes meanwhile."""
    took: list[float] = []
    began: dict[int, float] = {}

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        if not connection.get_execution_options().get("reading", False):
            began[id(connection)] = time.perf_counter()

    # The event comes before the commit; what follows on the connection comes after it.
    @event.listens_for(engine, "checkin")
    def ended(*_: object) -> None:
        if began:
            took.append(time.perf_counter() - began.popitem()[1])

    return took


def measure(name: str, mix: str, hits: list[Hit], batch: int, profile: bool) -> str | None:
    """Fill, fold and rebuild one store; returns the line that says what was found."""
    with machine.store(name) as made:
        if made is None:
            print(f"{name}: not on this machine")
            return None
        site = machine.site_in(made, traffic.SITE_KEY, traffic.HOST)
        engine = made.open()
        filled = fill(engine, site.site_id, hits)
        lasted = held(engine)
        own, busy = time.process_time(), machine.busy_seconds()
        took = profiled(lambda: fold_all(engine, batch)) if profile else fold_all(engine, batch)
        own, busy = time.process_time() - own, machine.busy_seconds() - busy
        lasted = sorted(lasted)[:-1] or [0.0]
        seconds = sum(second for _, second in took)
        tenth = max(1, len(took) // 10)
        first, last = rate(took[:tenth]), rate(took[-tenth:])
        with reading(engine) as tx:
            counted = [
                tx.execute(select(func.count()).select_from(table)).scalar_one() for table in (visits, contacts, paths)
            ]
        started = time.perf_counter()
        with begin(engine) as tx:
            n = rebuild(tx, batch)
        rebuilt = time.perf_counter() - started
        engine.dispose()
    print(f"{name}, {mix}: {len(hits)} hits -> {counted[0]} visits, {counted[1]} contacts, {counted[2]} path rows")
    print(f"  append to the journal    {len(hits) / filled:8,.0f} hits/s, {APPENDED_AT_A_TIME} to a transaction")
    print(f"  fold, whole              {len(hits) / seconds:8,.0f} hits/s, {batch} to a transaction")
    print(f"  fold, median batch       {statistics.median(n / s for n, s in took):8,.0f} hits/s")
    print(f"  fold, first / last tenth {first:8,.0f} / {last:,.0f} hits/s")
    print(
        f"  a transaction lasts      {statistics.median(lasted) * 1000:8.1f} ms in the median, "
        f"{lasted[len(lasted) * 95 // 100] * 1000:.1f} ms at 95 %, {lasted[-1] * 1000:.1f} ms the longest"
    )
    print(f"  own processor time       {own / len(hits) * 1e6:8,.0f} us/hit; others used {max(0, busy - own):.0f} s")
    print(f"  rebuild                  {n / rebuilt:8,.0f} hits/s")
    each = f"{own / len(hits) * 1e6:,.0f} us each"
    return f"{name}, {mix} {len(hits) / seconds:,.0f} hits/s ({each}), rebuild {n / rebuilt:,.0f}/s"


def chain(name: str, n: int) -> str | None:
    """Send one beacon after another and wait each time for its visit's row; returns what was found."""
    with machine.store(name) as made:
        if made is None:
            return None
        machine.site_in(made, traffic.SITE_KEY, traffic.HOST)
        engine = made.open()
        took: list[float] = []
        with minamoto(made) as (port, _):
            for nth in range(n + 1):
                time.sleep(0.2)
                started = time.perf_counter()
                send(port, nth)
                while True:
                    with reading(engine) as tx:
                        if tx.execute(select(func.count()).select_from(visits)).scalar_one() > nth:
                            break
                    time.sleep(0.002)
                took.append(time.perf_counter() - started)
        engine.dispose()
    ordered = sorted(took[1:])  # the first waits for the crawler list to be read
    middle, worst = statistics.median(ordered) * 1000, ordered[-1] * 1000
    print(f"{name}: beacon sent -> visit in the store: median {middle:,.0f} ms, worst of {n} {worst:,.0f} ms")
    return f"a visit is there {middle:,.0f} ms after its beacon"


def send(port: int, nth: int) -> None:
    """One beacon of a new visitor."""
    at = to_ms(now())
    hit = {"id": new_uuid7(at), "kind": "page", "at": at, "url": f"https://{traffic.HOST}/", "referrer": ""}
    beacon = {"v": 1, "site": traffic.SITE_KEY, "visitor": f"visitor{nth:015}", "sent_at": at, "hits": [hit]}
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(
        "POST", "/m/e", json.dumps(beacon), {"User-Agent": traffic.AGENTS[0], "Content-Type": "text/plain"}
    )
    status = connection.getresponse().status
    connection.close()
    assert status == 204, status


def rate(took: list[tuple[int, float]]) -> float:
    """Hits per second over some batches."""
    return sum(n for n, _ in took) / sum(second for _, second in took)


def profiled(run: Callable[[], list[tuple[int, float]]]) -> list[tuple[int, float]]:
    """Run with the profiler, and print where the time went."""
    profiler = cProfile.Profile()
    took = profiler.runcall(run)
    stats = pstats.Stats(profiler)
    stats.sort_stats("cumulative").print_stats("tracker|sqlalchemy.engine.base|execute", 45)
    stats.sort_stats("tottime").print_stats(25)
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hits", type=int, default=200_000)
    parser.add_argument("--batch", type=int, default=Settings.model_fields["fold_batch"].default)
    parser.add_argument("--store", choices=["SQLite", "PostgreSQL"], action="append")
    parser.add_argument("--mix", choices=list(MIXES), action="append", help="both unless named")
    parser.add_argument("--chain", type=int, default=30, help="beacons sent one by one at the end")
    parser.add_argument("--profile", action="store_true")
    asked = parser.parse_args()
    print(machine.load_line())
    found: list[str | None] = []
    for mix in asked.mix or MIXES:
        hits = MIXES[mix](asked.hits)
        for name in asked.store or ["SQLite", "PostgreSQL"]:
            found.append(measure(name, mix, hits, asked.batch, asked.profile))
    found += [chain(name, asked.chain) for name in asked.store or ["SQLite"] if asked.chain]
    print("fold: " + "; ".join(line for line in found if line))


if __name__ == "__main__":
    main()
