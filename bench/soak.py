"""Whether the figures are the truth after a million hits of a realistic mix, and whether the fold keeps up.

    python bench/soak.py [--hits 1000000] [--store PostgreSQL] [--per-s 0]

Invented people come back, share browsers, click ads, fill in forms; crawlers, copied tags and broken clients come
between; beacons are late, twice and out of order (parts/story.py). Their true story is known. At the end the store's
counts and the Source report must equal it, the fold must have kept up, and the server's memory must be flat. Ends with
one line; exits with 1 if anything is wrong.
"""

import argparse
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from parts import machine, traffic
from parts.sender import Sender
from parts.server import Killable
from parts.story import Story, Truth
from sqlalchemy import Engine, func, select

from tracker.access.sites import Site
from tracker.clock import now, to_ms
from tracker.db.schema import contacts, conversions, hits, hits_waiting, refusals, touchpoints, visits
from tracker.db.store import reading
from tracker.reports.query import parse_query
from tracker.reports.source import source_report
from tracker.vocabulary import ConversionKind

# The fold keeps up when what waits is worked off in so many seconds after the last beacon.
KEEPS_UP_WITHIN_S = 10.0
# Memory is flat when the last third of the run needs at most so much more than the second.
GROWS_BY_MB, GROWS_BY_RATIO = 24.0, 1.10
MICRO = 1_000_000
TABLES = {
    "hits in the journal": hits,
    "visits": visits,
    "touchpoints": touchpoints,
    "contacts": contacts,
}


@dataclass(slots=True)
class Samples:
    """What was seen of the server every few seconds: megabytes, hits that wait."""

    megabytes: list[float] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)


def sample(engine: Engine, pid: int, stop: threading.Event, into: Samples) -> None:
    """Look at a server every second until told to stop."""
    while not stop.wait(1.0):
        into.megabytes.append(machine.megabytes_of(pid))
        into.waiting.append(waiting(engine))


def waiting(engine: Engine) -> int:
    """How many hits wait for the fold."""
    with reading(engine) as tx:
        return tx.execute(select(func.count()).select_from(hits_waiting)).scalar_one()


def drained_in(engine: Engine, within_s: float = 3_600) -> float:
    """Wait until nothing waits for the fold; returns seconds."""
    started = time.monotonic()
    while waiting(engine) and time.monotonic() - started < within_s:
        time.sleep(0.05)
    return time.monotonic() - started


def compare(engine: Engine, truth: Truth, site: Site) -> Iterator[str]:
    """What differs between a store and the truth, in words."""
    with reading(engine) as tx:
        counted = {
            name: tx.execute(select(func.count()).select_from(table)).scalar_one() for name, table in TABLES.items()
        }
        n_crawlers = tx.execute(select(func.count()).where(visits.c.bot.is_not(None))).scalar_one()
        n_forms = tx.execute(select(func.count()).where(conversions.c.kind == ConversionKind.FORM.value)).scalar_one()
        by_reason = select(refusals.c.reason, func.sum(refusals.c.n)).group_by(refusals.c.reason)
        refused = {reason: int(n) for reason, n in tx.execute(by_reason) if reason != "busy"}
    yield from differing("hits in the journal", counted["hits in the journal"], truth.n_hits)
    yield from differing("visits", counted["visits"], truth.n_visits + truth.n_crawler_visits)
    yield from differing("visits of crawlers", n_crawlers, truth.n_crawler_visits)
    yield from differing("touchpoints", counted["touchpoints"], truth.n_visits)
    yield from differing("contacts", counted["contacts"], truth.n_contacts)
    yield from differing("forms", n_forms, truth.n_forms)
    for reason in sorted({*refused, *truth.refused}):
        yield from differing(f"refused as {reason}", refused.get(reason, 0), truth.refused[reason])
    for model, leads in (("first", truth.leads_first), ("last_non_direct", truth.leads_last)):
        reported = report(engine, site, model)
        for channel in sorted({*reported, *truth.visits}):
            n_visits, n_leads = reported.get(channel, (0, 0.0))
            yield from differing(f"report by {model}, visits of {channel}", n_visits, truth.visits[channel])
            yield from differing(f"report by {model}, leads of {channel}", n_leads, leads[channel])


def report(engine: Engine, site: Site, model: str) -> Mapping[str, tuple[int, float]]:
    """Visits and new leads by channel, as the Source report says."""
    today = now()
    args = {"by": "channel", "model": model, "from": (today - timedelta(days=9)).date().isoformat()}
    args["to"] = (today + timedelta(days=2)).date().isoformat()
    with reading(engine) as tx:
        table = source_report(tx, parse_query(args, site), today)
    return {row.values[0]: (row.figures.visits, row.figures.new_leads / MICRO) for row in table.rows}


def differing(what: str, found: float, true: float) -> Iterator[str]:
    """A sentence if two figures differ."""
    if abs(found - true) > 1e-6:
        yield f"{what}: {found:,} instead of {true:,}"


def memory(megabytes: list[float]) -> tuple[str, list[str]]:
    """What memory did over the run, in words, and what was wrong with it."""
    third = len(megabytes) // 3
    if third < 3:
        return "run too short to tell memory", []
    second, last = max(megabytes[third : 2 * third]), max(megabytes[2 * third :])
    wrong = [] if last <= max(second + GROWS_BY_MB, second * GROWS_BY_RATIO) else ["memory grew to the end"]
    return f"memory {max(megabytes[:third]):.0f}, {second:.0f}, {last:.0f} MB at most in each third", wrong


def run(name: str, asked: argparse.Namespace) -> tuple[str, list[str]] | None:
    """The whole run on one store; what was found, and what was wrong. None where there is no such store."""
    with machine.store(name) as made:
        if made is None:
            return None
        site = machine.site_in(made, traffic.SITE_KEY, traffic.HOST)
        engine, samples, stop = made.open(), Samples(), threading.Event()
        server = Killable(made, *(["--workers=2"] if name == "PostgreSQL" else []))
        watch = threading.Thread(target=sample, args=(engine, server.start(), stop, samples))
        story = Story(asked.seed, to_ms(now()), asked.hits_per_beacon)
        sender = Sender(server.port, story.beacons(asked.hits), asked.connections, per_s=asked.per_s, remembers=False)
        try:
            started, busy = time.monotonic(), machine.busy_seconds()
            watch.start()
            sender.start()
            is_done = sender.wait(asked.within_s)
            sent_s = time.monotonic() - started
            lag_s = drained_in(engine)
            own_s, busy = machine.seconds_of(server.pid), machine.busy_seconds() - busy
        finally:
            stop.set()
            watch.join()
            sender.is_giving_up = sender.is_ending = True
            server.stop()
        wrong = [] if is_done else ["not everything was answered in time"]
        wrong += [f"{len(sender.unexpected)} wrong answers, such as {one}" for one in sender.unexpected[:1]]
        wrong += compare(engine, story.truth, site)
        engine.dispose()
    said, grown = memory(samples.megabytes)
    wrong += grown
    if lag_s > KEEPS_UP_WITHIN_S:
        wrong.append(f"the fold did not keep up: {lag_s:.0f} s behind at the end")
    n = story.truth.n_hits
    print(
        f"{name}: {n:,} hits of {story.n:,} stories in {sender.n_beacons:,} beacons,"
        f" {sender.n_acked_hits:,} acknowledged with those sent twice, {sum(story.truth.refused.values()):,} refused,"
        f" {sender.answers[503]} told to come later\n"
        f"  {n / sent_s:,.0f} hits/s taken, {n / (sent_s + lag_s):,.0f}/s to the finished visit; at most"
        f" {max(samples.waiting, default=0):,} hits waited, worked off {lag_s:.1f} s after the last beacon\n"
        f"  {said}; server {own_s / n * 1e6:,.0f} us a hit; all else on this machine {busy - own_s:,.0f} s of"
        f" {sent_s + lag_s:,.0f} s",
        *(f"  WRONG: {one}" for one in wrong),
        sep="\n",
        flush=True,
    )
    return (
        f"{name} {n:,} hits, {n / (sent_s + lag_s):,.0f}/s to the finished visit, {lag_s:.1f} s behind, {said}",
        wrong,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hits", type=int, default=1_000_000)
    parser.add_argument("--hits-per-beacon", type=int, default=4, help="about so many hits of a visit in one beacon")
    parser.add_argument("--per-s", type=float, default=0, help="beacons a second; 0: as fast as they are taken")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--store", choices=["SQLite", "PostgreSQL"], action="append")
    parser.add_argument("--within-s", type=float, default=3_600)
    parser.add_argument("--seed", type=int, default=11)
    asked = parser.parse_args()
    print(machine.load_line(), flush=True)
    found = [one for name in asked.store or ["SQLite"] if (one := run(name, asked))]
    n_wrong = sum(len(wrong) for _, wrong in found)
    verdict = f"{n_wrong} figures or promises WRONG" if n_wrong else "every figure equals the truth"
    print(f"soak: {'; '.join(said for said, _ in found) or 'no such store here'}; {verdict}")
    sys.exit(bool(n_wrong) or not found)


if __name__ == "__main__":
    main()
