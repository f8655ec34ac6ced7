"""Whether an acknowledged hit can be lost: servers and databases are killed, stopped and starved under load.

    python bench/crash.py [--kills 20] [--seed 3] [--only server --only postgresql …]

Each scenario runs a load of many connections that send unanswered beacons again with the same hit ids. After it every
hit that was acknowledged (204) must be in the journal exactly once, and every derived row must equal those of an
undisturbed run over the same hits. Ends with one line; exits with 1 if a promise was broken.
"""

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from parts import derived, machine, traffic
from parts.postgres import postgres
from parts.sender import Sender
from parts.server import Killable
from parts.story import Beacon, Story

from tracker.clock import now, to_ms

SETTLES_WITHIN_S = 120.0


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
        return wrong

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


def proved(name: str, made: machine.Store, server: Killable, load: Load, more: str) -> Found:
    """End a scenario: settle the load, let the server fold, stop it, and compare the store."""
    wrong = load.settle()
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
        for _ in range(asked.kills):
            # One in five dies while it starts.
            time.sleep(dice.uniform(0.1, 1.0) if dice.random() < 0.2 else dice.uniform(1.0, asked.lives_s))
            server.kill()
            time.sleep(dice.uniform(0, 0.2))
            server.start(is_waited_for=False)
        return proved(f"server killed, {made.name}", made, server, load, f"killed {asked.kills} times")
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
            for _ in range(asked.kills):
                time.sleep(dice.uniform(0.3, asked.lives_s))
                own.kill()
                time.sleep(dice.uniform(0, 0.5))
                own.start()
            return proved(name, own.made, server, load, f"killed {asked.kills} times")
        finally:
            server.stop()


SCENARIOS: dict[str, Callable[[argparse.Namespace], Found]] = {
    "server": server_on_sqlite,
    "server-postgresql": server_on_postgres,
    "postgresql": killed_postgres,
}


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--kills", type=int, default=20)
    made.add_argument("--lives-s", type=float, default=3.5, help="the longest that a server lives between two kills")
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
