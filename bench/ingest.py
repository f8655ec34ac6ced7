"""How fast beacons are taken and become finished visits, beside what store, disk and Flask could do in the same run.

    python bench/ingest.py [--seconds 8] [--connections 64] [--rounds 1] [--store SQLite] [--hits 1000000]

Real servers, a client process with 64 busy connections, each hit in the journal before its answer. Beside them: the
disk's flushes, the same writing code without HTTP, one transaction per request, a Flask route that does nothing. Then
the targets as found, also where they are missed (docs/benchmarks.md). Ends with one line; exits with 1 if an
acknowledged hit is lost. On a busy machine: `chrt -r 1 python bench/ingest.py`.
"""

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from parts import machine, traffic
from parts.client import Templates
from parts.server import free_port, minamoto, server
from sqlalchemy import func, select

from tracker.access.sites import all_sites
from tracker.clock import now
from tracker.collect.accept import Arrived, SiteFacts, accept_all, judge, read_beacon
from tracker.collect.journal import append_all
from tracker.collect.payload import Hit
from tracker.db.schema import contacts, hits, hits_waiting, touchpoints, visits
from tracker.db.store import begin, reading
from tracker.ids import uuid7
from tracker.reports.query import parse_query
from tracker.reports.source import source_report

PARTS = Path(__file__).parent / "parts"
METRICS_TOKEN = "bench-bench-bench-bench-bench-bench"
# Finished visits a second of Umami on the machine where it was measured, and by how much ours shall be more.
UMAMI_PER_S, BETTER_BY = 122, 25
DURABLE_SHARE, GROUP_GAIN, P99_MS, AT_LOAD = 0.60, 5.0, 50.0, 0.8
MOST_ALONE = 30_000
GROWS_BY_MB, GROWS_BY_RATIO = 24.0, 1.15


@dataclass(frozen=True, slots=True)
class Round:
    """One run of the client against one server.

    n_batch       hits in the mean commit; 0 where the server does not tell
    missing       hits that were answered with 204 and are not in the journal
    *_us          processor time of server and client for one beacon; others_s: of all else meanwhile, seconds
    first_mb …    the server's memory early in the run and at its end
    finished_s    how long it took until the last hit was in its visit, from the start
    """

    per_s: float
    p50_ms: float
    p99_ms: float
    worst_ms: float
    n_acked: int
    n_errors: int
    statuses: dict[str, int]
    took_s: float
    started_at: float
    server_us: float
    client_us: float
    others_s: float
    first_mb: float
    last_mb: float
    n_batch: float = 0.0
    missing: int = 0
    finished_s: float = 0.0

    @property
    def is_flat(self) -> bool:
        """Whether memory was flat."""
        return self.last_mb <= max(self.first_mb + GROWS_BY_MB, self.first_mb * GROWS_BY_RATIO)


def load(port: int, pid: int, asked: argparse.Namespace, *flags: str) -> tuple[Round, list[str]]:
    """Let the client load a server; what it saw, and the ids of the hits that were acknowledged."""
    with tempfile.TemporaryDirectory() as folder:
        acked = Path(folder) / "acked"
        command = [PARTS / "client.py", f"--port={port}", f"--acked={acked}", f"--connections={asked.connections}"]
        command += [f"--seconds={asked.seconds}", f"--warm-up={asked.warm_up}", *flags]
        own, busy = machine.seconds_of(pid), machine.busy_seconds()
        stop, seen = threading.Event(), [machine.megabytes_of(pid)]
        watch = threading.Thread(target=watch_memory, args=(pid, stop, seen))
        watch.start()
        ran = subprocess.run([sys.executable, *command], stdout=subprocess.PIPE, check=True)
        stop.set()
        watch.join()
        own, busy = machine.seconds_of(pid) - own, machine.busy_seconds() - busy
        ids = acked.read_text().split()
    said = json.loads(ran.stdout)
    n = max(1, said["n_acked"] / hits_in_one(flags))
    cpu = said.pop("cpu_s")
    seen_by_client = Round(
        **said,
        server_us=own / n * 1e6,
        client_us=cpu / n * 1e6,
        others_s=max(0.0, busy - own - cpu),
        first_mb=max(seen[: max(1, len(seen) // 4)]),
        last_mb=max(seen[-max(1, len(seen) // 4) :]),
    )
    return seen_by_client, ids


def hits_in_one(flags: Sequence[str]) -> int:
    """The hits of a beacon that these flags of the client ask for."""
    return next((int(flag.partition("=")[2]) for flag in flags if flag.startswith("--hits-per-beacon=")), 1)


def watch_memory(pid: int, stop: threading.Event, seen: list[float]) -> None:
    """Note a server's memory twice a second."""
    while not stop.wait(0.5):
        seen.append(machine.megabytes_of(pid))


def lost(made: machine.Store, ids: list[str]) -> int:
    """How many of these hits are not in the journal."""
    engine = made.open()
    with reading(engine) as tx:
        there = set(tx.execute(select(hits.c.hit_id)).scalars())
    engine.dispose()
    return len(set(ids) - there)


def batch_of(port: int) -> float:
    """Hits in the mean commit of a server since it began, as its metrics say; 0 if they do not."""
    asked = urllib.request.Request(
        f"http://127.0.0.1:{port}/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"}
    )
    try:
        with urllib.request.urlopen(asked, timeout=10) as answer:
            text = answer.read().decode()
    except OSError:
        return 0.0
    found = {
        name: sum(map(float, re.findall(rf"^minamoto_commit_{name}_total\S* (\S+)$", text, re.MULTILINE)))
        for name in ("batches", "hits")
    }
    return found["hits"] / found["batches"] if found["batches"] else 0.0


def beacons(made: machine.Store, asked: argparse.Namespace, serve: Sequence[str], *flags: str) -> Round:
    """One round against `minamoto serve` on a store."""
    with minamoto(made, *serve, environ={"MINAMOTO_METRICS_TOKEN": METRICS_TOKEN}) as (port, pid):
        taken, ids = load(port, pid, asked, *flags)
        if "--no-work" not in serve:
            wait_until_folded(made)
            taken = replace(taken, finished_s=time.time() - taken.started_at)
        return replace(taken, n_batch=batch_of(port), missing=lost(made, ids))


def wait_until_folded(made: machine.Store) -> None:
    """Wait until no hit waits for the fold any more."""
    engine = made.open()
    waiting = 1
    while waiting:
        with reading(engine) as tx:
            waiting = tx.execute(select(func.count()).select_from(hits_waiting)).scalar_one()
        time.sleep(0.02)
    engine.dispose()


def compared(kind: str, asked: argparse.Namespace, made: machine.Store | None) -> Round:
    """One round against a server to compare with: 'nothing' or 'each' (one transaction per request)."""
    port = free_port()
    environ = {"MINAMOTO_DATABASE_URL": made.url} if made else {}
    with server([str(PARTS / "plain.py"), kind, str(port)], port, environ) as pid:
        taken, ids = load(port, pid, asked)
        return replace(taken, missing=lost(made, ids)) if made else taken


@dataclass(frozen=True, slots=True)
class Ready:
    """A beacon of one hit as the client sends it, and what the journal is told of it."""

    body: bytes
    headers: dict[str, str]
    site_id: int
    hit: Hit


def prepared(made: machine.Store, n: int) -> tuple[dict[str, SiteFacts], list[Ready]]:
    """Beacons that were not sent yet, and what must be known of the sites."""
    engine = made.open()
    with reading(engine) as tx:
        facts = {one.key: SiteFacts(one.site_id, one.hosts, one.timezone) for one in all_sites(tx)}
    engine.dispose()
    dice = random.Random(time.time_ns())
    templates = Templates("/m/e", 1, dice)
    found = []
    for nth in range(n):
        ms = time.time_ns() // 1_000_000
        told = {b"ms": ms, b"visitor": b"alone%015d" % nth, b"id0": uuid7(ms, dice.randbytes(10)).encode()}
        head, _, body = (dice.choice(templates.landings) % told).partition(b"\r\n\r\n")
        headers = {"user-agent": head.decode().split("User-Agent: ")[1].split("\r\n")[0]}
        judged = judge(Arrived(read_beacon(body), headers, "203.0.113.9", now()), facts, timedelta(days=7))
        found.append(Ready(body, headers, judged.site_id, judged.hits[0]))
    return facts, found


def alone(made: machine.Store, batch: int, seconds: float, *, whole: bool = False) -> float:
    """Hits per second of the product's own writing without HTTP, so many in a transaction, one after the other.

    whole  also reads the beacons' JSON and judges them; else only what the store does: append and commit
    """
    facts, ready = prepared(made, MOST_ALONE)
    engine = made.open()
    n, spent = 0, 0.0
    started = time.perf_counter()
    while spent < seconds and n + batch <= len(ready):
        some = ready[n : n + batch]
        if whole:
            came = [Arrived(read_beacon(one.body), one.headers, "203.0.113.9", now()) for one in some]
            with begin(engine) as tx:
                accept_all(tx, came, sites=facts, max_age=timedelta(days=7))
        else:
            with begin(engine) as tx:
                append_all(tx, [(one.site_id, one.hit) for one in some])
        n += batch
        spent = time.perf_counter() - started
    engine.dispose()
    return n / spent


def flushes(folder: Path, seconds: float = 1.5) -> float:
    """How often a second 700 bytes can be written and flushed to the disk, one after the other."""
    n, data = 0, os.urandom(700)
    number = os.open(folder / "flushes", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    started = time.perf_counter()
    while time.perf_counter() - started < seconds:
        os.write(number, data)
        os.fdatasync(number)
        n += 1
    os.close(number)
    return n / (time.perf_counter() - started)


def finished(name: str, asked: argparse.Namespace, serve: Sequence[str], *flags: str) -> tuple[Round, list[str]]:
    """Hits sent until the last is in its visit, on a store of its own; and what was wrong with what is there then."""
    with machine.store(name) as made:
        assert made
        site = machine.site_in(made, traffic.SITE_KEY, traffic.HOST)
        done = beacons(made, asked, serve, *flags)
        engine, today = made.open(), now()
        with reading(engine) as tx:
            n_hits, n_visits, n_touches, n_people = (
                tx.execute(select(func.count()).select_from(table)).scalar_one()
                for table in (hits, visits, touchpoints, contacts)
            )
            days = {"from": (today - timedelta(days=2)).date(), "to": (today + timedelta(days=2)).date()}
            asks = parse_query({**{word: str(day) for word, day in days.items()}, "by": "source"}, site)
            reported = sum(row.figures.visits for row in source_report(tx, asks, today).rows)
        engine.dispose()
    print(f"    there: {n_hits:,} hits, {n_visits:,} visits, {n_people:,} contacts, {reported:,} visits in the report")
    wrong = [] if reported == n_touches == n_visits else ["visits, touchpoints and the report are not the same number"]
    if "--mix=new" in flags and n_visits * hits_in_one(flags) != n_hits:
        wrong.append("not every new visitor has a visit")
    return done, wrong


def show(what: str, one: Round, per_beacon: int = 1) -> None:
    """One line about a round."""
    print(
        f"  {what:46} {one.per_s * per_beacon:8,.0f} hits/s  p50 {one.p50_ms:6.1f}  p99 {one.p99_ms:7.1f} ms"
        f"  server {one.server_us:5.0f} us  client {one.client_us:4.0f} us a beacon  others {one.others_s:4.1f} s"
        f"  {one.first_mb:.0f} -> {one.last_mb:.0f} MB"
        + (f"  {one.n_batch:.0f} hits a commit" if one.n_batch else "")
        + (f"  until finished {one.n_acked / one.finished_s:,.0f} hits/s" if one.finished_s else "")
        + (f"  ERRORS {one.n_errors} {one.statuses}" if one.n_errors else "")
        + (f"  MISSING {one.missing}" if one.missing else ""),
        flush=True,
    )


def middle(rounds: Sequence[Round]) -> Round:
    """The round with the median rate."""
    return sorted(rounds, key=lambda one: one.per_s)[len(rounds) // 2]


def verdicts(found: dict[str, Round], limit: float, limit_of_many: float) -> Iterator[str]:
    """The targets, as found.

    limit          hits a second that the store alone takes in batches as they occurred
    limit_of_many  the same where beacons had eight hits
    """
    best, each, paced, whole = found["best"], found["each"], found["paced"], found["new"]
    long, many = found.get("long", best), found["many"]
    done = whole.n_acked / whole.finished_s
    told = (
        (
            f"{best.per_s / limit:.0%} of the store's own limit for batches of {best.n_batch:.0f}",
            best.per_s >= DURABLE_SHARE * limit,
            f"{DURABLE_SHARE:.0%}",
        ),
        (
            f"with 8 hits a beacon {8 * many.per_s / limit_of_many:.0%} of it for batches of {many.n_batch:.0f}",
            8 * many.per_s >= DURABLE_SHARE * limit_of_many,
            f"{DURABLE_SHARE:.0%}",
        ),
        (
            f"{best.per_s / each.per_s:.1f} times one transaction per request",
            best.per_s >= GROUP_GAIN * each.per_s,
            f"{GROUP_GAIN:.0f} times",
        ),
        (f"p99 {paced.p99_ms:.0f} ms at {AT_LOAD:.0%} of the maximum", paced.p99_ms < P99_MS, f"{P99_MS:.0f} ms"),
        (
            f"{done:,.0f} finished visits a second, {done / UMAMI_PER_S:.0f} times Umami's {UMAMI_PER_S}",
            done >= BETTER_BY * UMAMI_PER_S,
            f"{BETTER_BY} times",
        ),
        (f"memory {long.first_mb:.0f} -> {long.last_mb:.0f} MB over {long.n_acked:,} hits", long.is_flat, "flat"),
    )
    for said, is_met, wanted in told:
        print(f"  {'met   ' if is_met else 'MISSED'} {said} (wanted: {wanted})", flush=True)
        yield f"{said}{'' if is_met else ' (missed)'}"


def measure(name: str, asked: argparse.Namespace) -> tuple[str, int] | None:
    """All rounds on one store; returns what was found, and how many acknowledged hits are missing or facts wrong."""
    found: dict[str, Round] = {}
    with machine.store(name) as made:
        if made is None:
            print(f"{name}: not on this machine")
            return None
        machine.site_in(made, traffic.SITE_KEY, traffic.HOST)
        print(f"{name}: {machine.load_line()}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            print(f"  {'write 700 bytes and flush the disk':46} {flushes(Path(folder)):8,.0f} /s", flush=True)

        def rounds(
            key: str, what: str, *flags: str, serve: Sequence[str] = ("--no-work",), per_beacon: int = 1
        ) -> Round:
            found[key] = middle([beacons(made, asked, serve, *flags) for _ in range(asked.rounds)])
            show(what, found[key], per_beacon)
            return found[key]

        found["nothing"] = middle([compared("nothing", asked, None) for _ in range(asked.rounds)])
        show("a Flask route that does nothing", found["nothing"])
        found["each"] = middle([compared("each", asked, made) for _ in range(asked.rounds)])
        show("a Flask route, a transaction per request", found["each"])
        best = rounds("best", "one process")
        many = rounds("many", "one process, 8 hits a beacon", "--hits-per-beacon=8", per_beacon=8)
        batch, large = max(1, round(best.n_batch)), max(1, round(many.n_batch))
        limits = {n: alone(made, n, asked.alone_s) for n in sorted({1, 64, batch, large})}
        for n, per_s in limits.items():
            print(f"  {f'the store alone, {n} hits a transaction':46} {per_s:8,.0f} hits/s", flush=True)
        whole = alone(made, batch, asked.alone_s, whole=True)
        print(f"  {f'reading and judging too, {batch} a transaction':46} {whole:8,.0f} hits/s", flush=True)
        rounds("paced", f"one process, paced at {AT_LOAD:.0%}", f"--per-s={AT_LOAD * best.per_s}")
        if name == "PostgreSQL":
            rounds("two", "two processes", serve=("--no-work", "--workers=2"))
    wrong: list[str] = []
    plans = (
        ("new", "folding meanwhile, each a new visitor", ("--mix=new",)),
        ("mix", "folding meanwhile, returning visitors", ("--mix=returning",)),
        ("mix 8", "folding meanwhile, 8 hits a beacon", ("--mix=returning", "--hits-per-beacon=8")),
    )
    for key, what, flags in plans:
        found[key], more = finished(name, asked, (), *flags)
        show(what, found[key], hits_in_one(flags))
        wrong += more
    half = found["new"].per_s * AT_LOAD
    found["calm"], more = finished(name, asked, (), "--mix=new", f"--per-s={half}")
    show(f"folding meanwhile, paced at {AT_LOAD:.0%} of that", found["calm"])
    if asked.hits:
        flags = (f"--hits={asked.hits}", "--mix=returning", "--hits-per-beacon=8")
        found["long"], more = finished(name, asked, (), *flags)
        show(f"{asked.hits:,} hits in one go", found["long"], 8)
    for one in wrong:
        print(f"  WRONG {one}")
    missing = sum(one.missing for one in found.values())
    said = "; ".join(verdicts(found, limits[batch], limits[large]))
    acked = sum(one.n_acked for one in found.values())
    return f"{name}: {said}; {missing} of {acked:,} acknowledged hits missing", missing + len(wrong)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--warm-up", type=float, default=2.0)
    parser.add_argument("--alone-s", type=float, default=1.5, help="how long the store alone is measured at each size")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--hits", type=int, default=0, help="at the end so many hits in one go, for memory")
    parser.add_argument("--store", choices=["SQLite", "PostgreSQL"], action="append")
    asked = parser.parse_args()
    found = [one for name in asked.store or ["SQLite", "PostgreSQL"] if (one := measure(name, asked))]
    print("ingest: " + "; ".join(said for said, _ in found))
    sys.exit(any(n for _, n in found))


if __name__ == "__main__":
    main()
