"""How fast beacons are taken: a real server, 64 busy connections, each hit in the journal before its answer.

    python bench/ingest.py [--seconds 8] [--connections 64] [--rounds 3] [--store SQLite]

In the same run, for comparison: a route that does nothing on the same server (what Flask and granian cost), and the
transaction alone without HTTP (what the journal costs). See docs/benchmarks.md.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from parts import machine, traffic
from parts.server import free_port, minamoto, server
from sqlalchemy import func, select

from tracker.clock import now, to_ms
from tracker.collect.accept import SiteFacts, accept
from tracker.db.schema import hits, hits_waiting
from tracker.db.store import begin, reading

CLIENT = Path(__file__).parent / "parts/client.py"
WITHOUT_FOLD, WITH_FOLD, NOTHING = "beacons", "beacons, folded meanwhile", "a Flask route that does nothing"


@dataclass(frozen=True, slots=True)
class Round:
    """One run of the client against one server.

    missing    hits that were answered with 204 and are not in the journal
    *_us       processor time of server and client for one beacon; others_s: of all else meanwhile, seconds
    drained_s  how long the fold worked on after the last beacon
    """

    per_s: float
    p50_ms: float
    p99_ms: float
    worst_ms: float
    n_acked: int
    n_errors: int
    missing: int
    server_us: float
    client_us: float
    others_s: float
    drained_s: float = 0.0


def load(port: int, pid: int, path: str, asked: argparse.Namespace, made: machine.Store | None) -> Round:
    """Let the client load a server; compare what was acknowledged with the journal."""
    with tempfile.TemporaryDirectory() as folder:
        acked = Path(folder) / "acked"
        command = [CLIENT, f"--port={port}", f"--path={path}", f"--acked={acked}"]
        command += [f"--connections={asked.connections}", f"--seconds={asked.seconds}", f"--warm-up={asked.warm_up}"]
        own, busy = machine.seconds_of(pid), machine.busy_seconds()
        ran = subprocess.run([sys.executable, *command], stdout=subprocess.PIPE, check=True)
        own, busy = machine.seconds_of(pid) - own, machine.busy_seconds() - busy
        ids = acked.read_text().split()
    said = json.loads(ran.stdout)
    n = max(1, said["n_acked"])
    others = max(0.0, busy - own - said["cpu_s"])
    cpu = said.pop("cpu_s")
    return Round(**said, missing=lost(made, ids), server_us=own / n * 1e6, client_us=cpu / n * 1e6, others_s=others)


def lost(made: machine.Store | None, ids: list[str]) -> int:
    """How many of these hits are not in the journal."""
    if made is None:
        return 0
    engine = made.open()
    with reading(engine) as tx:
        there = set(tx.execute(select(hits.c.hit_id)).scalars())
    engine.dispose()
    return len(set(ids) - there)


def beacons(made: machine.Store, asked: argparse.Namespace, *flags: str) -> Round:
    """One round against `minamoto serve` on a store."""
    with minamoto(made, *flags) as (port, pid):
        taken = load(port, pid, "/m/e", asked, made)
        started = time.perf_counter()
        if "--no-work" not in flags:
            wait_until_folded(made)
        return replace(taken, drained_s=time.perf_counter() - started)


def wait_until_folded(made: machine.Store) -> None:
    """Wait until no hit waits for the fold any more."""
    engine = made.open()
    waiting = 1
    while waiting:
        with reading(engine) as tx:
            waiting = tx.execute(select(func.count()).select_from(hits_waiting)).scalar_one()
        time.sleep(0.05)
    engine.dispose()


def nothing(asked: argparse.Namespace) -> Round:
    """One round against a Flask route that does nothing, on the same server with the same number of threads."""
    port = free_port()
    with server([str(Path(__file__)), f"--empty-server={port}"], port, {}) as pid:
        return load(port, pid, "/nothing", asked, None)


def empty_server(port: int) -> None:
    """Serve one route that answers 204 and does nothing."""
    from flask import Flask
    from granian import Granian
    from granian.constants import Interfaces

    from api.serving import THREADS

    def made(*_: object) -> Flask:
        app = Flask("nothing")
        app.post("/nothing")(lambda: ("", 204))
        return app

    Granian(
        "nothing", port=port, interface=Interfaces.WSGI, workers=1, blocking_threads=THREADS, log_access=False
    ).serve(target_loader=made, wrap_loader=False)


def alone(made: machine.Store, seconds: float) -> float:
    """Beacons per second of accept and its transaction alone: one after the other, without HTTP."""
    engine = made.open()
    site = machine.site_in(made, "alonealoneal", traffic.HOST)
    facts = {site.key: SiteFacts(site.site_id, site.hosts, site.timezone)}
    bodies = []
    for hit in traffic.hits(20_000):
        wire = {
            "id": hit.hit_id,
            "kind": "page",
            "at": to_ms(hit.occurred_at),
            "url": hit.url,
            "referrer": hit.referrer or "",
        }
        beacon = {
            "v": 1,
            "site": site.key,
            "visitor": hit.visitor_id,
            "sent_at": to_ms(hit.occurred_at),
            "hits": [wire],
        }
        bodies.append((json.dumps(beacon).encode(), {"user-agent": hit.user_agent or ""}))
    started, n = time.perf_counter(), 0
    while n < len(bodies) and time.perf_counter() - started < seconds:
        body, headers = bodies[n]
        with begin(engine) as tx:
            taken = accept(
                tx, body, headers=headers, address="203.0.113.9", sites=facts, now=now(), max_age=timedelta(days=7)
            )
        assert taken.n_new == 1
        n += 1
    seconds = time.perf_counter() - started
    engine.dispose()
    return n / seconds


def show(what: str, rounds: Sequence[Round]) -> None:
    """One line: the medians of some rounds."""
    middle = {name: statistics.median(getattr(one, name) for one in rounds) for name in Round.__slots__}
    print(
        f"  {what:32} {middle['per_s']:7,.0f}/s  p50 {middle['p50_ms']:6.1f} ms  p99 {middle['p99_ms']:7.1f} ms"
        f"  worst {max(one.worst_ms for one in rounds):7.0f} ms  server {middle['server_us']:5.0f} us each"
        f"  client {middle['client_us']:4.0f} us  others {middle['others_s']:4.1f} s"
        f"  errors {sum(one.n_errors for one in rounds)}  acked {sum(one.n_acked for one in rounds)}"
        f"  missing {sum(one.missing for one in rounds)}",
        flush=True,
    )


def measure(name: str, asked: argparse.Namespace, empty: Sequence[Round]) -> str | None:
    """All rounds on one store; returns what was found."""
    with machine.store(name) as made:
        if made is None:
            print(f"{name}: not on this machine")
            return None
        machine.site_in(made, traffic.SITE_KEY, traffic.HOST)
        print(f"{name}: {machine.load_line()}", flush=True)
        plain = alone(made, asked.seconds / 2)
        print(f"  {'accept and commit without HTTP':32} {plain:7,.0f}/s, one connection", flush=True)
        taken = [beacons(made, asked, "--no-work") for _ in range(asked.rounds)]
        show(WITHOUT_FOLD, taken)
        folded = [beacons(made, asked) for _ in range(asked.rounds)]
        show(WITH_FOLD, folded)
        finished = statistics.median(one.n_acked / (asked.warm_up + asked.seconds + one.drained_s) for one in folded)
        print(f"  {'until the last is in its visit':32} {finished:7,.0f}/s")
    rate, p99 = (statistics.median(getattr(one, field) for one in folded) for field in ("per_s", "p99_ms"))
    empty_rate = statistics.median(one.per_s for one in empty)
    every = [*taken, *folded]
    missing, acked, errors = (sum(getattr(one, field) for one in every) for field in ("missing", "n_acked", "n_errors"))
    return (
        f"{name} {rate:,.0f} beacons/s with p99 {p99:,.0f} ms while folding ({rate / empty_rate:.0%} of empty), "
        f"{finished:,.0f}/s to the finished visit, {missing} of {acked} acknowledged hits missing, {errors} errors"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--warm-up", type=float, default=2.0)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--store", choices=["SQLite", "PostgreSQL"], action="append")
    parser.add_argument("--empty-server", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.empty_server:
        empty_server(asked.empty_server)
        return
    empty = [nothing(asked) for _ in range(asked.rounds)]
    show(NOTHING, empty)
    found = [measure(name, asked, empty) for name in asked.store or ["SQLite", "PostgreSQL"]]
    print("ingest: " + "; ".join(line for line in found if line))


if __name__ == "__main__":
    main()
