"""Whether a year's journal slows down today's hits: the same batches into an empty and into a long one, in turns.

Then page views that are too old leave the long one: how long each step keeps the writer's place.

    python bench/journal.py [--hits 1000000] [--seconds 12] [--batch 64]
"""

import argparse
import statistics
import sys
import time
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from parts import machine, traffic
from sqlalchemy import Engine, text

from tracker.clock import to_ms
from tracker.collect.journal import append
from tracker.collect.payload import Hit
from tracker.db.store import begin, reading
from tracker.retention import HITS_AT_A_TIME, horizon_for, move_horizons, next_step, take

DAY_MS = 86_400_000
HITS_A_VISIT = 4
FILLED_AT_A_TIME = 100_000
N_OLD = 20_000  # of the hits filled in, so many are folded, and prunable
KEPT_DAYS = 360

# A year of page views, ascending in time, as the collector writes them: about as long, each with an id of its own.
HITS = """
WITH RECURSIVE n(i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i < :last)
INSERT INTO hits (seq, site_id, hit_id, visitor_id, kind, origin, occurred_at, received_at, url, referrer, title,
                  user_agent, country, consent, details)
SELECT i, :site,
       printf('%08x-%04x-7%03x-%s', (:since + i * :step) >> 16, (:since + i * :step) & 65535, i & 4095,
              lower(hex(randomblob(8)))),
       hex(randomblob(11)), 'page', 'browser', :since + i * :step, :since + i * :step,
       'https://www.acme.example/products/' || (i % 5000) || '?utm_source=news&utm_campaign=' || (i % 300),
       'https://www.google.com/', 'Products – Acme',
       'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36', 'JP', 'none', '{}'
FROM n
"""
OLD = """
INSERT INTO visitors (visitor_no, site_id, visitor_id)
SELECT DISTINCT seq / :per, :site, 'v' || (seq / :per) FROM hits WHERE seq <= :old;

INSERT INTO visits (visit_id, site_id, visitor_no, started_at, ended_at, n_hits, n_pages)
SELECT 'v' || (seq / :per), :site, seq / :per, min(occurred_at), max(occurred_at), count(*), count(*)
FROM hits WHERE seq <= :old GROUP BY seq / :per;

INSERT INTO visit_hits (hit_seq, visit_id, visitor_no, occurred_at)
SELECT seq, 'v' || (seq / :per), seq / :per, occurred_at FROM hits WHERE seq <= :old
"""


def fill(engine: Engine, site_id: int, n_hits: int, at: datetime) -> float:
    """Write a year's hits, the oldest of them folded, in large transactions; returns seconds."""
    started = time.perf_counter()
    since = to_ms(at) - 365 * DAY_MS
    for first in range(1, n_hits + 1, FILLED_AT_A_TIME):
        last = min(first + FILLED_AT_A_TIME - 1, n_hits)
        known = {"first": first, "last": last, "site": site_id, "since": since, "step": 364 * DAY_MS // n_hits}
        with begin(engine) as tx:
            tx.execute(text(HITS), known)
    with begin(engine) as tx:
        for statement in OLD.split(";"):
            tx.execute(text(statement), {"per": HITS_A_VISIT, "site": site_id, "old": min(N_OLD, n_hits // 2)})
    return time.perf_counter() - started


def write(engine: Engine, site_id: int, batch: list[Hit]) -> float:
    """One transaction of the collector; returns seconds."""
    started = time.perf_counter()
    with begin(engine) as tx:
        append(tx, site_id, batch)
    return time.perf_counter() - started


def prune_all(engine: Engine, at: datetime) -> tuple[int, list[float]]:
    """Prune what is older than KEPT_DAYS; returns how many hits, and how long each step kept the writer's place."""
    aim = horizon_for(KEPT_DAYS, at)
    assert aim is not None
    with begin(engine) as tx:
        tx.execute(text("DELETE FROM hits_waiting"))  # as if they were folded
    move_horizons(engine, aim)
    n = 0
    held: list[float] = []
    while True:
        with reading(engine) as tx:
            step = next_step(tx, aim, HITS_AT_A_TIME)
        if step is None:
            return n, held
        started = time.perf_counter()
        with begin(engine) as tx:
            take(tx, step)
        held.append(time.perf_counter() - started)
        n += len(step.seqs)


def told(some: list[float]) -> str:
    """Seconds as milliseconds: the middle, and what one in a hundred takes longer than."""
    ordered = sorted(some)
    return (
        f"{statistics.median(some) * 1000:.1f} ms in the median, {ordered[len(some) * 99 // 100] * 1000:.1f} ms at p99"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hits", type=int, default=1_000_000, help="in the long journal")
    parser.add_argument("--seconds", type=float, default=12, help="of writing, both journals together")
    parser.add_argument("--batch", type=int, default=64, help="hits in a transaction")
    asked = parser.parse_args()
    with machine.store("SQLite") as empty, machine.store("SQLite") as long:
        assert empty is not None
        assert long is not None
        engines = [empty.open(), long.open()]
        at = traffic.START
        site_id = machine.site_in(empty, traffic.SITE_KEY, traffic.HOST).site_id
        machine.site_in(long, traffic.SITE_KEY, traffic.HOST)
        took = fill(engines[1], site_id, asked.hits, at)
        print(f"{asked.hits} hits of a year filled in, {took:.0f} s")
        with begin(engines[1]) as tx:
            tx.exec_driver_sql("ANALYZE")
        times: list[list[float]] = [[], []]
        made = traffic.hits(60_000)
        until = time.perf_counter() + asked.seconds
        for start in range(0, len(made) - asked.batch, asked.batch):
            if time.perf_counter() > until:
                break
            batch = made[start : start + asked.batch]
            for which in (0, 1) if start // asked.batch % 2 else (1, 0):
                times[which].append(write(engines[which], site_id, batch))
        for name, some in zip(("empty", "long"), times, strict=True):
            rate = asked.batch * len(some) / sum(some)
            print(f"{name:>6} journal: {rate:8.0f} hits/s; a batch {told(some)}")
        n, held = prune_all(engines[1], at)
        print(
            f"pruned {n} hits in {len(held)} steps; the writer's place kept {told(held)}, "
            f"{max(held) * 1000:.1f} ms at most"
        )
        ratio = statistics.median(times[1]) / statistics.median(times[0])
        for engine in engines:
            engine.dispose()
    print(machine.load_line())
    print(f"a batch into {asked.hits} hits takes {ratio:.2f} times what it takes into none")


if __name__ == "__main__":
    main()
