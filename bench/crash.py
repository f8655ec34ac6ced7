"""Whether an acknowledged hit can be lost: servers and databases are killed, stopped and starved under load.

    python bench/crash.py [--kills 20] [--seed 3] [--only server --only postgresql …]

Each scenario runs a load of many connections that send unanswered beacons again with the same hit ids. After it every
hit that was acknowledged (204) must be in the journal exactly once, and every derived row must equal those of an
undisturbed run over the same hits. Ends with one line; exits with 1 if a promise was broken.
"""

import argparse
import random
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from parts import derived, machine, traffic
from parts.disks import MEGABYTE, disk
from parts.postgres import postgres
from parts.sender import Sender
from parts.server import Killable
from parts.story import Beacon, Story
from parts.syncs import answered_after_flush, compiler, watched

from tracker.clock import now, to_ms

SETTLES_WITHIN_S = 120.0
ANSWERED_WITHIN_S = 8.0  # a little more than MINAMOTO_ANSWER_WITHIN_S as shipped
GROWS_BY_MB = 96.0  # more than what two hundred waiting beacons and a pool of connections can take


@dataclass(frozen=True, slots=True)
class Found:
    """What a scenario showed: in words, and what was wrong."""

    name: str
    said: str
    wrong: tuple[str, ...] = ()
    is_skipped: bool = False


class Load:
    """Beacons of a story on their way to a server, and what was sent."""

    def __init__(self, port: int, seed: int, *, connections: int = 64, skewed: bool = False, per_s: float = 0) -> None:
        self.sent: dict[str, Beacon] = {}
        self.story = Story(seed, to_ms(now()))
        self.sender = Sender(port, self._noted(), connections, skewed=skewed, per_s=per_s)
        self.sender.start()

    def _noted(self) -> Iterator[Beacon]:
        for beacon in self.story.beacons():
            self.sent |= dict.fromkeys(beacon.hit_ids, beacon)
            yield beacon

    def settle(self) -> list[str]:
        """Take nothing new and wait for every answer; returns what was wrong with the answers."""
        wrong = [] if self.sender.finish(SETTLES_WITHIN_S) else ["the service did not answer everybody in the end"]
        if self.sender.unexpected:
            wrong.append(f"{len(self.sender.unexpected)} wrong answers, such as {self.sender.unexpected[0]}")
        if self.sender.n_restless:
            wrong.append(f"{self.sender.n_restless} answers 503 or 429 did not say when to come again")
        return wrong

    def until(self, what: Callable[[Sender], bool], within_s: float) -> bool:
        """Wait until something is so; False if it does not come about in time."""
        ends = time.monotonic() + within_s
        while time.monotonic() < ends:
            if what(self.sender):
                return True
            time.sleep(0.05)
        return False

    def goes_on(self, within_s: float = SETTLES_WITHIN_S, n: int = 100) -> list[str]:
        """Wait until n hits more are acknowledged; returns what was wrong if they are not."""
        before = self.sender.n_acked_hits
        if self.until(lambda sender: sender.n_acked_hits >= before + n, within_s):
            return []
        return [f"the service did not resume within {within_s:.0f} s"]

    def said(self) -> str:
        """What came of it, in words."""
        busy = self.sender.answers[503]
        return f"{len(self.sender.acked):,} hits acknowledged, {self.sender.n_unanswered} beacons without an answer" + (
            f", {busy} told to come later" if busy else ""
        )


def wait_until_folded(made: machine.Store) -> None:
    """Wait until the server has folded what waits."""
    engine = made.open()
    ends = time.monotonic() + SETTLES_WITHIN_S
    while derived.waiting(engine) and time.monotonic() < ends:
        time.sleep(0.1)
    engine.dispose()


def proved(name: str, made: machine.Store, server: Killable, load: Load, more: str, wrong: Iterable[str] = ()) -> Found:
    """End a scenario: settle the load, let the server fold, stop it, and compare the store."""
    wrong = [*wrong, *load.settle()]
    wait_until_folded(made)
    server.stop()
    found = derived.check(made, load.sender.acked, load.sent)
    if not load.sender.acked:
        wrong.append("nothing was acknowledged, so nothing is proved")
    said = f"{more}, {load.said()}, {found.n_hits:,} in the journal, {found.n_facts:,} derived rows compared"
    return Found(name, said, (*wrong, *found.wrong))


def killed_server(made: machine.Store, asked: argparse.Namespace, *flags: str) -> Found:
    """The server's process group is killed at random moments and started again on the same store."""
    dice = random.Random(asked.seed)
    machine.site_in(made, traffic.SITE_KEY, traffic.HOST)
    server = Killable(made, *flags)
    server.start()
    load = Load(server.port, asked.seed, connections=asked.connections)
    try:
        wrong: list[str] = []
        for _ in range(asked.kills):
            # One in five dies while it starts, the others while they take hits and fold them.
            if dice.random() < 0.2:
                time.sleep(dice.uniform(0.1, 1.5))
            else:
                wrong += load.goes_on(n=1)
                time.sleep(dice.uniform(0.05, asked.lives_s))
            server.kill()
            time.sleep(dice.uniform(0, 0.2))
            server.start(is_waited_for=False)
        return proved(f"server killed, {made.name}", made, server, load, f"killed {asked.kills} times", wrong)
    finally:
        server.stop()


def server_on_sqlite(asked: argparse.Namespace) -> Found:
    """The server is killed; SQLite."""
    with machine.store("SQLite") as made:
        assert made
        return killed_server(made, asked)


def server_on_postgres(asked: argparse.Namespace) -> Found:
    """The server is killed, two processes of it; PostgreSQL."""
    with postgres() as own:
        if own is None:
            return Found("server killed, PostgreSQL", "no PostgreSQL on this machine", is_skipped=True)
        return killed_server(own.made, asked, "--workers=2")


def killed_postgres(asked: argparse.Namespace) -> Found:
    """PostgreSQL itself is killed, all its processes, and started again; the server goes on by itself."""
    name, dice = "PostgreSQL killed", random.Random(asked.seed + 1)
    with postgres() as own:
        if own is None:
            return Found(name, "no PostgreSQL on this machine", is_skipped=True)
        machine.site_in(own.made, traffic.SITE_KEY, traffic.HOST)
        server = Killable(own.made, "--workers=2")
        server.start()
        load = Load(server.port, asked.seed + 1, connections=asked.connections)
        try:
            wrong: list[str] = []
            for _ in range(asked.kills):
                wrong += load.goes_on(n=1)
                time.sleep(dice.uniform(0.05, asked.lives_s))
                own.kill()
                time.sleep(dice.uniform(0, 0.5))
                own.start()
            return proved(name, own.made, server, load, f"killed {asked.kills} times", wrong)
        finally:
            server.stop()


def full_disk(asked: argparse.Namespace) -> Found:
    """SQLite's disk gets full under load, stays so for a while, and gets space again; nobody touches the server."""
    name = "disk full, SQLite"
    with disk(96) as own:
        if own is None:
            return full_file(asked)
        made = machine.sqlite_in(own.mounted)
        machine.site_in(made, traffic.SITE_KEY, traffic.HOST)
        server = Killable(made)
        server.start()
        own.fill(left=8 * MEGABYTE)
        load = Load(server.port, asked.seed + 2, connections=asked.connections)
        try:
            is_full = load.until(lambda sender: sender.answers[503] > 3 * asked.connections, SETTLES_WITHIN_S)
            wrong = [] if is_full else ["a full disk was not answered with 503"]
            time.sleep(2)
            own.empty()
            wrong += load.goes_on()
            return proved(name, made, server, load, "full, then not", wrong)
        finally:
            load.sender.is_giving_up = True
            server.stop()


def full_file(asked: argparse.Namespace) -> Found:
    """As full_disk where we may mount nothing: the server's files may not grow beyond a limit for a while."""
    with machine.store("SQLite") as made:
        assert made
        machine.site_in(made, traffic.SITE_KEY, traffic.HOST)
        server = Killable(made)
        server.start()
        everyone = [server.pid, *machine.children_of(server.pid)]
        for pid in everyone:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (3 * MEGABYTE, resource.RLIM_INFINITY))
        load = Load(server.port, asked.seed + 2, connections=asked.connections)
        try:
            is_full = load.until(lambda sender: sender.answers[503] > 3 * asked.connections, SETTLES_WITHIN_S)
            wrong = [] if is_full else ["a full disk was not answered with 503"]
            for pid in everyone:
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            wrong += load.goes_on()
            return proved("disk full, SQLite", made, server, load, "no file may grow, then again", wrong)
        finally:
            load.sender.is_giving_up = True
            server.stop()


def read_only_disk(asked: argparse.Namespace) -> Found:
    """SQLite's disk becomes read-only under load, as ext4 does at an error; repaired, the server is started again."""
    name = "disk read-only, SQLite"
    with disk(96) as own:
        if own is None:
            return Found(name, "no disk may be mounted here", is_skipped=True)
        made = machine.sqlite_in(own.mounted)
        machine.site_in(made, traffic.SITE_KEY, traffic.HOST)
        server = Killable(made)
        server.start()
        load = Load(server.port, asked.seed + 3, connections=asked.connections)
        try:
            wrong = load.goes_on()
            own.break_()
            is_told = load.until(lambda sender: sender.answers[503] > 3 * asked.connections, SETTLES_WITHIN_S)
            wrong += [] if is_told else ["a read-only disk was not answered with 503"]
            server.kill()
            own.repair()
            server.start()
            wrong += load.goes_on()
            return proved(name, made, server, load, "read-only, then repaired", wrong)
        finally:
            load.sender.is_giving_up = True
            server.stop()


def stopped_postgres(asked: argparse.Namespace) -> Found:
    """PostgreSQL stands still for a while under load, then is away for a while; memory stays bounded meanwhile."""
    name = "PostgreSQL stopped"
    with postgres() as own:
        if own is None:
            return Found(name, "no PostgreSQL on this machine", is_skipped=True)
        machine.site_in(own.made, traffic.SITE_KEY, traffic.HOST)
        server = Killable(own.made, environ={"MINAMOTO_QUEUE_BEACONS": "200"})
        server.start()
        load = Load(server.port, asked.seed + 4, connections=6 * asked.connections)
        try:
            wrong = load.goes_on()
            before, most = machine.megabytes_of(server.pid), 0.0
            pauses: tuple[tuple[str, Callable[[], None], Callable[[], None]], ...] = (
                ("held", lambda: own.signal(signal.SIGSTOP), lambda: own.signal(signal.SIGCONT)),
                ("away", own.stop, own.start),
            )
            for word, begin, end in pauses:
                busy, acked = load.sender.answers[503], 0
                begin()
                acked, ends = load.sender.n_acked_hits, time.monotonic() + asked.pause_s
                while time.monotonic() < ends:
                    most = max(most, machine.megabytes_of(server.pid))
                    time.sleep(0.5)
                if load.sender.n_acked_hits > acked + 64 * load.sender.connections:
                    wrong.append(f"hits were acknowledged while PostgreSQL was {word}")
                if asked.pause_s > ANSWERED_WITHIN_S and load.sender.answers[503] == busy:
                    wrong.append(f"nobody was told 503 while PostgreSQL was {word}")
                end()
                wrong += load.goes_on()
            if most > before + GROWS_BY_MB:
                wrong.append(f"memory grew from {before:.0f} to {most:.0f} MB")
            more = f"held and away for {asked.pause_s:.0f} s each, memory {before:.0f} MB before and {most:.0f} at most"
            return proved(name, own.made, server, load, more, wrong)
        finally:
            load.sender.is_giving_up = True
            server.stop()


def jumping_clocks(asked: argparse.Namespace) -> Found:
    """The server's clock jumps by up to a day every second, and the senders' from beacon to beacon."""
    with machine.store("SQLite") as made:
        assert made
        machine.site_in(made, traffic.SITE_KEY, traffic.HOST)
        server = Killable(made, command=(str(Path(__file__).parent / "parts/jumping.py"),))
        server.start()
        load = Load(server.port, asked.seed + 5, connections=asked.connections, skewed=True)
        try:
            wrong = []
            for _ in range(3):
                time.sleep(asked.lives_s)
                wrong += load.goes_on()
            return proved("clocks jump, SQLite", made, server, load, "server's and senders' clocks jumped", wrong)
        finally:
            load.sender.is_giving_up = True
            server.stop()


def power_cut(asked: argparse.Namespace) -> Found:
    """What a power cut leaves with FULL and with NORMAL, and the flushes before answers; a kill alone shows neither."""
    name, wrong, said = "power cut, SQLite", [], []
    if compiler() is None:
        return Found(name, "no C compiler here, so flushes cannot be watched", is_skipped=True)
    for mode in ("FULL", "NORMAL"):
        with tempfile.TemporaryDirectory() as folder, machine.store("SQLite") as made:
            assert made
            machine.site_in(made, traffic.SITE_KEY, traffic.HOST)
            with watched(made, Path(folder)) as watch:
                server = Killable(made, "--no-work", environ={**watch.environ, "MINAMOTO_SQLITE_SYNCHRONOUS": mode})
                server.start()
                # One after the other: between a request and its answer stands what belongs to it.
                single = Load(server.port, asked.seed + 6, connections=1, per_s=40)
                single.until(lambda sender: sender.answers[204] >= 50, 60)
                wrong += single.settle()
                flushed, unflushed = answered_after_flush(watch.events())
                n_flushes, n_single = watch.events().count("S"), single.sender.answers[204]
                server.stop()
                # Many at once, and the fold beside, which writes the log back into the file.
                server = Killable(made, environ={**watch.environ, "MINAMOTO_SQLITE_SYNCHRONOUS": mode})
                server.start()
                load = Load(server.port, asked.seed + 7, connections=asked.connections)
                load.until(lambda sender: sender.n_acked_hits >= 3_000, 60)
                server.kill()
                load.sender.is_giving_up = load.sender.is_ending = True
                load.sender.wait(60)
                there = {hit.hit_id for _, hit in derived.journal(watch.left.open())}
            acked = single.sender.acked | load.sender.acked
            lost = sum(hit_id not in there for hit_id in acked)
            said.append(
                f"{mode}: {flushed} of {flushed + unflushed} answers after a flush of their own, {n_flushes} flushes"
                f" for {n_single} beacons one after the other; a power cut loses {lost} of {len(acked):,} hits"
            )
            if mode == "FULL" and (lost or unflushed or not flushed):
                wrong.append("with FULL, answers went out before a flush of the disk")
    return Found(name, "; ".join(said), tuple(wrong))


def flushed_postgres(asked: argparse.Namespace) -> Found:
    """PostgreSQL's flushes of its write-ahead log while beacons come one after the other."""
    name, said, wrong = "flushes, PostgreSQL", [], []
    with postgres() as own:
        if own is None:
            return Found(name, "no PostgreSQL on this machine", is_skipped=True)
        machine.site_in(own.made, traffic.SITE_KEY, traffic.HOST)
        for mode in ("on", "off"):
            own.set("synchronous_commit", mode)
            server = Killable(own.made, "--no-work")
            server.start()
            before = own.flushes()
            load = Load(server.port, asked.seed + 8, connections=1, per_s=40)
            load.until(lambda sender: sender.answers[204] >= 50, 60)
            wrong += load.settle()
            server.stop()  # its connections tell PostgreSQL's statistics at their end
            n, flushes = load.sender.answers[204], own.flushes() - before
            said.append(f"synchronous_commit={mode}: {flushes} flushes for {n} answers one after the other")
            if mode == "on" and flushes < n:
                wrong.append("an answer went out before a flush of the write-ahead log")
    return Found(name, "; ".join(said), tuple(wrong))


SCENARIOS: dict[str, Callable[[argparse.Namespace], Found]] = {
    "server": server_on_sqlite,
    "server-postgresql": server_on_postgres,
    "postgresql": killed_postgres,
    "stopped": stopped_postgres,
    "full": full_disk,
    "read-only": read_only_disk,
    "clocks": jumping_clocks,
    "power": power_cut,
    "flushes": flushed_postgres,
}


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--kills", type=int, default=20)
    made.add_argument(
        "--lives-s", type=float, default=2.5, help="the longest that a server lives after it has answered"
    )
    made.add_argument("--pause-s", type=float, default=30, help="how long PostgreSQL stands still")
    made.add_argument("--connections", type=int, default=64)
    made.add_argument("--seed", type=int, default=3)
    made.add_argument("--only", action="append", choices=list(SCENARIOS))
    return made


def main() -> None:
    asked = parser().parse_args()
    print(machine.load_line(), flush=True)
    found: list[Found] = []
    for name in asked.only or SCENARIOS:
        one = SCENARIOS[name](asked)
        found.append(one)
        print(f"{one.name}: {one.said}", *(f"  BROKEN: {wrong}" for wrong in one.wrong), sep="\n", flush=True)
    broken = [one.name for one in found if one.wrong]
    skipped = [one.name for one in found if one.is_skipped]
    kept = len(found) - len(broken) - len(skipped)
    print(
        f"crash test: {kept} of {len(found)} scenarios kept every promise"
        + (f"; BROKEN in {', '.join(broken)}" if broken else "")
        + (f"; not possible here: {', '.join(skipped)}" if skipped else "")
    )
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
