"""A small HTTP client that keeps N connections busy: sends beacons as m.js does and notes each answer's time.

Runs as a process of its own (`python bench/parts/client.py …`), so that it competes with the server as visitors'
browsers would not: on two cores its processor time must be read beside the result. Prints one JSON object.
"""

import argparse
import asyncio
import json
import random
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1]))

from parts.traffic import AGENTS, HOST, PAGES, REFERRERS, SITE_KEY, TAGS
from tracker.ids import uuid7

HEAD = (
    "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: {agent}\r\nAccept: */*\r\n"
    "Accept-Language: ja,en;q=0.8\r\nContent-Type: text/plain;charset=UTF-8\r\nOrigin: https://{host}\r\n"
    "Referer: https://{host}/\r\nSec-Fetch-Mode: no-cors\r\nContent-Length: {n}\r\n\r\n"
)


class Visitor(asyncio.Protocol):
    """One connection: sends a beacon, waits for the answer, sends the next."""

    def __init__(self, run: "Run", seed: int) -> None:
        self.run, self.dice, self.seed = run, random.Random(seed), seed
        self.answer, self.left, self.sent, self.url = b"", 0, 0.0, None
        self.who, self.agent, self.hit_id = "", "", ""
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.send()

    def send(self) -> None:
        """The next page view; after some pages another visitor sits at this connection."""
        if self.left == 0:
            self.left = 1 + int(self.dice.expovariate(0.5))
            self.who, self.url = f"visitor{self.seed}_{self.dice.getrandbits(60):x}".ljust(16, "0"), None
            self.agent = self.dice.choice(AGENTS)
        self.left -= 1
        at = time.time_ns() // 1_000_000
        self.hit_id = uuid7(at, self.dice.randbytes(10))
        tags = "?" + self.dice.choice(TAGS).format(n=at, month=6) if self.url is None and self.left % 3 == 0 else ""
        before = self.url or self.dice.choice(["", *REFERRERS])
        self.url = f"https://{HOST}{self.dice.choice(PAGES)}{tags}"
        hit = {
            "id": self.hit_id,
            "kind": "page",
            "at": at,
            "url": self.url,
            "referrer": before,
            "title": "Know your customers",
        }
        beacon = {"v": 1, "site": SITE_KEY, "visitor": self.who, "sent_at": at, "consent": "granted", "hits": [hit]}
        body = json.dumps(beacon).encode()
        head = HEAD.format(path=self.run.path, agent=self.agent, host=HOST, n=len(body)).encode()
        self.sent = time.perf_counter()
        self.transport.write(head + body)

    def data_received(self, data: bytes) -> None:
        self.answer += data
        head, found, body = self.answer.partition(b"\r\n\r\n")
        if not found or len(body) < length_of(head):
            return
        self.answer = b""
        self.run.note(head[9:12] == b"204", self.hit_id, self.sent)
        if time.perf_counter() < self.run.ends:
            self.send()
        else:
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if self.answer or error:
            self.run.n_errors += 1
        if not self.done.done():
            self.done.set_result(None)


class Run:
    """What all connections share, and what came of it. What is answered in the warm-up is not in the figures."""

    def __init__(self, path: str, warm_up_s: float, seconds: float) -> None:
        self.path = path
        self.begins = time.perf_counter() + warm_up_s
        self.ends = self.begins + seconds
        self.acked: list[str] = []
        self.latencies: list[float] = []
        self.n_errors = 0

    def note(self, is_taken: bool, hit_id: str, sent: float) -> None:
        """Note an answer."""
        now = time.perf_counter()
        if is_taken:
            self.acked.append(hit_id)
        else:
            self.n_errors += 1
        if self.begins <= now <= self.ends:
            self.latencies.append(now - sent)


def length_of(head: bytes) -> int:
    """The Content-Length of an answer's head; 0 without one."""
    for line in head.lower().split(b"\r\n")[1:]:
        if line.startswith(b"content-length:"):
            return int(line[15:])
    return 0


async def load(port: int, path: str, connections: int, warm_up_s: float, seconds: float) -> Run:
    """Keep that many connections busy for a while."""
    run = Run(path, warm_up_s, seconds)
    loop = asyncio.get_running_loop()
    visitors: list[Visitor] = []
    for seed in range(connections):
        _, visitor = await loop.create_connection(lambda seed=seed: Visitor(run, seed), "127.0.0.1", port)
        visitors.append(visitor)
    await asyncio.wait([visitor.done for visitor in visitors], timeout=warm_up_s + seconds + 60)
    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", default="/m/e")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--warm-up", type=float, default=2.0)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--acked", type=Path, help="write the ids of the hits that were answered with 204 here")
    asked = parser.parse_args()
    run = asyncio.run(load(asked.port, asked.path, asked.connections, asked.warm_up, asked.seconds))
    if asked.acked:
        asked.acked.write_text("\n".join(run.acked))
    used = resource.getrusage(resource.RUSAGE_SELF)
    ordered = sorted(run.latencies)
    percentile = {
        p: ordered[min(len(ordered) - 1, len(ordered) * p // 100)] * 1000 if ordered else 0.0 for p in (50, 99)
    }
    print(
        json.dumps(
            {
                "per_s": len(ordered) / asked.seconds,
                "p50_ms": percentile[50],
                "p99_ms": percentile[99],
                "worst_ms": ordered[-1] * 1000 if ordered else 0.0,
                "n_acked": len(run.acked),
                "n_errors": run.n_errors,
                "cpu_s": used.ru_utime + used.ru_stime,
            }
        )
    )


if __name__ == "__main__":
    main()
