"""Many connections that send beacons and give none up: what is not answered is sent again with the same hit ids.

For the proofs, not for speed: it keeps what was acknowledged, what came instead of an answer, and waits as it is told.
"""

import asyncio
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator

from parts.client import length_of
from parts.story import DAY, Beacon

HEAD = (
    "POST /m/e HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: {agent}\r\nAccept: */*\r\n"
    "Content-Type: text/plain;charset=UTF-8\r\nOrigin: https://www.acme.example\r\n{more}Content-Length: {n}\r\n\r\n"
)
PATIENCE_S = 45.0  # without an answer for so long a connection is given up and the beacon sent again
REST_S = 0.5  # the longest rest after 503 or 429, whatever Retry-After says: the proofs must end


class Sender:
    """Sends a stream of beacons over N connections in a thread of its own.

    skewed      clocks of the senders jump by up to a day either way, from beacon to beacon
    per_s       beacons a second at the most; 0: as fast as they are answered
    remembers   keep every acknowledged hit with its beacon (for proofs of some ten thousand hits)
    """

    def __init__(
        self,
        port: int,
        beacons: Iterator[Beacon],
        connections: int = 64,
        *,
        skewed: bool = False,
        per_s: float = 0.0,
        remembers: bool = True,
    ) -> None:
        self.port, self.stream, self.connections = port, beacons, connections
        self.skewed, self.per_s, self.remembers = skewed, per_s, remembers
        self.dice = random.Random(connections)
        self.acked: dict[str, Beacon] = {}
        self.answers: Counter[int] = Counter()
        self.reasons: Counter[str] = Counter()
        self.unexpected: list[str] = []
        self.n_acked_hits = self.n_unanswered = self.n_beacons = self.n_restless = 0
        self.is_ending = self.is_giving_up = False
        self.slowest_s = 0.0
        self.gaps_s: list[float] = []
        self._acked_at = time.monotonic()
        self._started = 0.0
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._started = self._acked_at = time.monotonic()
        self._thread.start()

    def finish(self, within_s: float) -> bool:
        """Take nothing new, wait until all that was begun is answered; False if that does not come about in time."""
        self.is_ending = True
        return self.wait(within_s)

    def wait(self, within_s: float) -> bool:
        """Wait until the stream is at its end and all is answered."""
        self._thread.join(within_s)
        done = not self._thread.is_alive()
        self.is_giving_up = True
        self._thread.join(10)
        return done

    @property
    def is_alive(self) -> bool:
        """Whether something is still to be sent."""
        return self._thread.is_alive()

    async def _run(self) -> None:
        await asyncio.gather(*(self._talk() for _ in range(self.connections)))

    async def _talk(self) -> None:
        """One connection: each beacon until it is answered for good."""
        talking: socket.socket | None = None
        while not self.is_ending and (beacon := next(self.stream, None)) is not None:
            self.n_beacons += 1
            if self.per_s:
                await asyncio.sleep(max(0.0, self._started + self.n_beacons / self.per_s - time.monotonic()))
            while not self.is_giving_up:
                try:
                    talking = talking or await self._connect()
                except (OSError, TimeoutError):
                    await asyncio.sleep(0.05)
                    continue
                try:
                    async with asyncio.timeout(PATIENCE_S):
                        status, reason, rest_s, is_over = await self._ask(talking, beacon)
                except (OSError, TimeoutError):
                    self.n_unanswered += 1
                    talking.close()
                    talking = None
                    await asyncio.sleep(0.05)
                    continue
                if is_over:
                    talking.close()
                    talking = None
                if self._is_settled(beacon, status, reason, rest_s):
                    break
                await asyncio.sleep(min(REST_S, rest_s or 0.05))
        if talking:
            talking.close()

    async def _connect(self) -> socket.socket:
        loop = asyncio.get_running_loop()
        made = socket.socket()
        made.setblocking(False)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            async with asyncio.timeout(5):
                await loop.sock_connect(made, ("127.0.0.1", self.port))
        except (OSError, TimeoutError):
            made.close()
            raise
        return made

    async def _ask(self, talking: socket.socket, beacon: Beacon) -> tuple[int, str, float, bool]:
        """Send one beacon; returns status, X-Minamoto, Retry-After, and whether the server ends the connection."""
        loop = asyncio.get_running_loop()
        skew = self.dice.randrange(-DAY, DAY) if self.skewed else 0
        body = beacon.body(time.time_ns() // 1_000_000, skew)
        head = HEAD.format(agent=beacon.agent, more=beacon.headers, n=len(body)).encode()
        started = time.monotonic()
        await loop.sock_sendall(talking, head + body)
        answer = b""
        while True:
            some = await loop.sock_recv(talking, 65_536)
            if not some:
                raise ConnectionResetError
            answer += some
            top, found, rest = answer.partition(b"\r\n\r\n")
            if found and len(rest) >= length_of(top):
                break
        self.slowest_s = max(self.slowest_s, time.monotonic() - started)
        fields = dict(line.split(": ", 1) for line in top.decode("latin-1").lower().split("\r\n")[1:] if ": " in line)
        is_over = fields.get("connection") == "close"
        return int(top[9:12]), fields.get("x-minamoto", ""), float(fields.get("retry-after") or 0), is_over

    def _is_settled(self, beacon: Beacon, status: int, reason: str, rest_s: float) -> bool:
        """Note an answer; False: to be sent again."""
        self.answers[status] += 1
        self.reasons[reason or "-"] += 1
        if status in (503, 429):
            self.n_restless += not rest_s
            return False
        if status == 204 and beacon.refusal is None:
            self.n_acked_hits += len(beacon.hits)
            now = time.monotonic()
            if now - self._acked_at > 1:
                self.gaps_s.append(now - self._acked_at)
            self._acked_at = now
            if self.remembers:
                self.acked |= dict.fromkeys(beacon.hit_ids, beacon)
            return True
        if reason != (beacon.refusal or ""):
            self.unexpected.append(f"{status} {reason or '-'} instead of {beacon.refusal or 204}")
        return status < 500 or self.is_ending
