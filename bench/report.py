"""How long the Source report takes over a year of visits, people and deals in SQLite (parts/company.py).

Times the report for 30 and 365 days by channel and by source and campaign, read from the tables: what keeping paths in
memory saves is bench/paths.py's business. Run: python bench/report.py [--visits N] [--keep FILE]
"""

import argparse
import statistics
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from parts.company import NOW, build
from sqlalchemy import Engine

from tracker.db.store import connect, reading
from tracker.db.upgrade import upgrade
from tracker.reports.query import Query
from tracker.reports.source import source_report
from tracker.vocabulary import Basis, Dimension, Model


def timed(engine: Engine, query: Query, runs: int) -> tuple[float, float, int]:
    """Seconds and CPU seconds of the median run, and the number of rows. On a busy machine only the latter tell."""
    seconds, cpu_seconds, n_rows = [], [], 0
    for _ in range(runs):
        start, cpu_start = time.perf_counter(), time.process_time()
        with reading(engine) as tx:
            n_rows = len(source_report(tx, query, NOW).rows)
        seconds.append(time.perf_counter() - start)
        cpu_seconds.append(time.process_time() - cpu_start)
    return statistics.median(seconds), statistics.median(cpu_seconds), n_rows


def main() -> None:
    """Build, time, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--visits", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--keep", type=Path, help="keep the database in this file, or use it if it is there")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = given.keep or Path(folder) / "bench.sqlite3"
        is_there = file.exists()
        engine = connect(f"sqlite:///{file}")
        if not is_there:
            upgrade(engine)
            build(engine, given.visits, given.visits * 3 // 100, given.visits // 200, print)
        print(f"{'days':>5} {'by':<18} {'basis':<13} {'model':<16} {'rows':>6} {'seconds':>8} {'CPU':>6}")
        worst = 0.0
        for days in (30, 365):
            for by in ((Dimension.CHANNEL,), (Dimension.SOURCE, Dimension.CAMPAIGN)):
                for basis in (Basis.ACTIVITY,) if days == 30 else tuple(Basis):
                    for model in (Model.LAST_NON_DIRECT, Model.LINEAR):
                        query = Query(
                            site_id=1,
                            timezone="Asia/Tokyo",
                            from_day=(NOW - timedelta(days=days)).date().isoformat(),
                            to_day=NOW.date().isoformat(),
                            by=by,
                            model=model,
                            basis=basis,
                            currency="JPY",
                        )
                        seconds, cpu_seconds, n_rows = timed(engine, query, given.runs)
                        worst = max(worst, seconds)
                        print(
                            f"{days:>5} {','.join(by):<18} {basis:<13} {model:<16}"
                            f" {n_rows:>6} {seconds:>8.2f} {cpu_seconds:>6.2f}"
                        )
        engine.dispose()
    print(f"source report, {given.visits:,} visits, SQLite: {worst:.2f} s at the slowest (median of {given.runs} runs)")


if __name__ == "__main__":
    main()
