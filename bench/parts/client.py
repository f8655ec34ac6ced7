"""A small HTTP client that keeps N connections busy, or sends at a steady pace, and notes each answer's time.

Requests are built once; visitors, times and hit ids are patched in, so that a beacon costs some twenty microseconds. It
runs as a process of its own (`python bench/parts/client.py …`) and competes with the server as visitors' browsers would
not: its processor time must be read beside the result. Prints one JSON object.
"""

import argparse
import json
import random
import resource
import select
import socket
import sys
import time
from collections import deque
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1]))

from parts.traffic import AGENTS, HOST, PAGES, REFERRERS, SITE_KEY, TAGS

HEAD = (
    "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: {agent}\r\nAccept: */*\r\n"
    "Accept-Language: ja,en;q=0.8\r\nContent-Type: text/plain;charset=UTF-8\r\nOrigin: https://{host}\r\n"
    "Referer: https://{host}/\r\nSec-Fetch-Mode: no-cors\r\nContent-Length: {n}\r\n\r\n"
)
N_TEMPLATES = 500
SEED_BITS, COUNT_BITS = 24, 48
PATIENCE_S = 60.0


class Templates:
    """Requests with places for visitor, times and ids: landings from everywhere, pages after them, and forms."""

    def __init__(self, path: str, hits_per_beacon: int, dice: random.Random) -> None:
        self.path, self.n, self.dice = path, hits_per_beacon, dice
        self.landings = [self.page(is_landing=True) for _ in range(N_TEMPLATES)]
        self.pages = [self.page(is_landing=False) for _ in range(N_TEMPLATES)]
        self.forms = [self.form() for _ in range(N_TEMPLATES // 10)]

    def page(self, *, is_landing: bool) -> bytes:
        """Page views; the first hit of a landing came by a campaign or from somewhere."""
        came, tags, before = self.dice.random(), "", f"https://{HOST}{self.dice.choice(PAGES)}"
        if is_landing:
            tags = "?" + self.dice.choice(TAGS).format(n=self.dice.getrandbits(40), month=6) if came < 0.2 else ""
            before = self.dice.choice(REFERRERS) if 0.2 <= came < 0.65 else ""
        hits = []
        for _ in range(self.n):
            url = f"https://{HOST}{self.dice.choice(PAGES)}{tags}"
            hits.append({"kind": "page", "url": url, "referrer": before, "title": "Know your customers"})
            before, tags = url, ""
        return self.request(hits)

    def form(self) -> bytes:
        """A form that names its visitor."""
        form = {"id": "contact", "name": "Contact"}
        named = {"email": "p-VISITOR@company.example"}
        return self.request(
            [{"kind": "form", "url": f"https://{HOST}/contact", "form": form, "identifiers": named}] * self.n
        )

    def request(self, hits: list[dict[str, object]]) -> bytes:
        """A whole request, with %b and %d where something is patched in: visitor, sent, then id and time a hit."""
        told = {"v": 1, "site": SITE_KEY, "visitor": "VISITOR", "sent_at": "MS", "consent": "granted"}
        text = json.dumps({**told, "hits": [{"id": "ID", "at": "MS", **hit} for hit in hits]}, separators=(",", ":"))
        n = len(text.replace('"MS"', "0" * 13).replace("VISITOR", "v" * 20).replace("ID", "0" * 36).encode())
        body = text.replace("%", "%%").replace('"MS"', "%(ms)d").replace("VISITOR", "%(visitor)b")
        for position in range(len(hits)):
            body = body.replace('"ID"', f'"%(id{position})b"', 1)
        head = HEAD.format(path=self.path, agent=self.dice.choice(AGENTS), host=HOST, n=n).replace("%", "%%")
        return (head + body).encode()


class Talk:
    """One connection and whoever sits at it."""

    __slots__ = ("answer", "ids", "left", "named", "sent", "socket", "visitor")

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.answer, self.ids, self.visitor = b"", [b""], b""
        self.left, self.sent, self.named = 0, 0.0, False


class Run:
    """All connections and what came of them. What is answered in the warm-up is not in the figures."""

    def __init__(self, asked: argparse.Namespace) -> None:
        self.asked, self.dice = asked, random.Random(asked.seed)
        self.templates = Templates(asked.path, asked.hits_per_beacon, self.dice)
        self.seed = time.time_ns() & ((1 << SEED_BITS) - 1)  # another run's ids are others
        self.places = [f"id{position}".encode() for position in range(asked.hits_per_beacon)]
        self.count = self.n_errors = self.n_answers = 0
        self.acked: list[bytes] = []
        self.latencies: list[float] = []
        self.statuses: dict[str, int] = {}
        self.talks = {(talk := Talk(asked.port)).socket.fileno(): talk for _ in range(asked.connections)}
        self.poll = select.epoll()
        for number in self.talks:
            self.poll.register(number, select.EPOLLIN)

    def send(self, talk: Talk, due: float) -> None:
        """The next beacon on a connection; its time is counted from when it was due."""
        if talk.left <= 0:
            self.count += 1
            talk.visitor = b"v%06x_%012x" % (self.seed, self.count)
            talk.left = 1 if self.asked.mix == "new" else 1 + int(self.dice.expovariate(0.45))
            talk.named = self.asked.mix == "returning" and self.dice.random() < 0.03
            template = self.dice.choice(self.templates.landings)
        elif talk.named and talk.left == 1:
            template = self.dice.choice(self.templates.forms)
        else:
            template = self.dice.choice(self.templates.pages)
        talk.left -= 1
        ms = time.time_ns() // 1_000_000
        first = b"%08x-%04x-7" % (ms >> 16, ms & 0xFFFF)
        told: dict[bytes, object] = {b"ms": ms, b"visitor": talk.visitor}
        talk.ids = []
        for place in self.places:
            self.count += 1
            # Ascending within the millisecond, as a good clock's are, and never twice.
            hit_id = first + b"%03x-%04x-%06x%06x" % (
                self.count & 0xFFF,
                0x8000 | (self.count >> 12) & 0x3FFF,
                (self.count >> 26) & 0xFFFFFF,
                self.seed,
            )
            told[place] = hit_id
            talk.ids.append(hit_id)
        talk.sent = due
        talk.socket.send(template % told)

    def heard(self, number: int, now: float) -> Talk | None:
        """Read an answer; the connection if it is whole and it may send the next."""
        talk = self.talks[number]
        try:
            some = talk.socket.recv(65_536)
        except OSError:
            some = b""
        if not some:
            self.n_errors += 1
            self.poll.unregister(number)
            del self.talks[number]
            return None
        talk.answer += some
        head, found, body = talk.answer.partition(b"\r\n\r\n")
        if not found or len(body) < length_of(head):
            return None
        talk.answer = b""
        status = head[9:12]
        self.n_answers += 1
        if status == b"204":
            self.acked += talk.ids
        else:
            self.n_errors += 1
            name = status.decode()
            self.statuses[name] = self.statuses.get(name, 0) + 1
        if self.begins <= now <= self.ends:
            self.latencies.append(now - talk.sent)
        return talk

    def closed(self) -> None:
        """Every connection sends its next beacon as soon as it is answered."""
        clock, most = time.perf_counter, self.asked.hits
        self.begins = clock() + self.asked.warm_up
        self.ends = self.begins + self.asked.seconds
        for talk in self.talks.values():
            self.send(talk, clock())
        n_out = len(self.talks)
        while n_out and clock() < self.ends + PATIENCE_S:
            for number, _ in self.poll.poll(1):
                now = clock()
                before = len(self.talks)
                talk = self.heard(number, now)
                n_out -= before - len(self.talks)
                if talk is None:
                    continue
                if (now < self.ends and not most) or len(self.acked) < most:
                    self.send(talk, clock())
                else:
                    n_out -= 1
        if most:
            self.ends = clock()

    def paced(self) -> None:
        """So many beacons a second, whatever the answers do: who has to wait for a connection waits in the figures."""
        clock, step = time.perf_counter, 1 / self.asked.per_s
        start = clock()
        self.begins = start + self.asked.warm_up
        self.ends = self.begins + self.asked.seconds
        idle: deque[Talk] = deque(self.talks.values())
        nth, n_out = 0, 0
        while (now := clock()) < self.ends or (n_out and now < self.ends + PATIENCE_S):
            due = start + nth * step
            while idle and due <= now and due < self.ends:
                self.send(idle.popleft(), due)
                nth, n_out = nth + 1, n_out + 1
                due = start + nth * step
            wait = max(0.0, due - clock()) if idle and due < self.ends else 0.05
            for number, _ in self.poll.poll(wait):
                talk = self.heard(number, clock())
                if talk is not None:
                    idle.append(talk)
                    n_out -= 1


def length_of(head: bytes) -> int:
    """The Content-Length of an answer's head; 0 without one."""
    for line in head.lower().split(b"\r\n")[1:]:
        if line.startswith(b"content-length:"):
            return int(line[15:])
    return 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", default="/m/e")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--warm-up", type=float, default=2.0)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--hits", type=int, default=0, help="until so many hits are acknowledged, however long")
    parser.add_argument("--per-s", type=float, default=0, help="beacons a second; 0: as fast as they are answered")
    parser.add_argument("--hits-per-beacon", type=int, default=1)
    parser.add_argument("--mix", choices=["new", "returning"], default="returning")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--acked", type=Path, help="write the ids of the hits that were answered with 204 here")
    asked = parser.parse_args()
    run = Run(asked)
    started, started_at = time.perf_counter(), time.time()
    run.paced() if asked.per_s else run.closed()
    took = time.perf_counter() - started
    if asked.acked:
        asked.acked.write_bytes(b"\n".join(run.acked))
    used = resource.getrusage(resource.RUSAGE_SELF)
    ordered = sorted(run.latencies)
    percentile = {
        p: ordered[min(len(ordered) - 1, len(ordered) * p // 100)] * 1000 if ordered else 0.0 for p in (50, 99)
    }
    print(
        json.dumps(
            {
                "per_s": len(ordered) / (asked.seconds if not asked.hits else took - asked.warm_up),
                "p50_ms": percentile[50],
                "p99_ms": percentile[99],
                "worst_ms": ordered[-1] * 1000 if ordered else 0.0,
                "n_acked": len(run.acked),
                "n_errors": run.n_errors,
                "statuses": run.statuses,
                "took_s": took,
                "started_at": started_at,
                "cpu_s": used.ru_utime + used.ru_stime,
            }
        )
    )


if __name__ == "__main__":
    main()
