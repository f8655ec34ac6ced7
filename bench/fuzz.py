"""Broken HTTP over real sockets, thrown at a real server: no input may give a 500, and it must still answer after.

    python bench/fuzz.py [--n 3000] [--seed 1] [--store SQLite]

Truncated bodies, wrong lengths, chunks, huge and strange headers, pipelining, clients that send a byte at a time or go
away; and bodies that are nearly beacons. Meanwhile a good client keeps sending, and must be answered 204 every time.
Ends with one line; exits with 1 if anything gave a 5xx, or if the server did not answer after.
"""

import argparse
import random
import socket
import sys
import threading
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from parts import machine, traffic
from parts.broken import KINDS, Thrown, broken
from parts.server import Killable
from parts.story import Story

from tracker.clock import now, to_ms

ANSWERED_WITHIN_S = 15.0
BROKEN = (500, 502, 504)  # 501 and 505 say what HTTP the server does not speak, 503 that it is busy


def throw(port: int, thrown: Thrown) -> bytes:
    """Send what a broken client sends on a connection of its own and read what comes for a while."""
    answer = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=ANSWERED_WITHIN_S) as talking:
            for piece in thrown.pieces:
                talking.sendall(piece)
                time.sleep(thrown.rest_s)
            if thrown.hangs_up:
                talking.shutdown(socket.SHUT_WR)
            # Who waits for more of a request need not answer; the first byte of an answer is waited for longer.
            talking.settimeout(thrown.patience_s)
            while some := talking.recv(65_536):
                answer += some
                talking.settimeout(0.05)
    except OSError:
        pass
    return answer


def statuses(answer: bytes) -> list[int]:
    """The status of each answer that came."""
    return [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:] if part[:3].isdigit()]


def good(port: int, story: Story) -> int:
    """Send one good beacon; returns the status, 0 without an answer."""
    beacon = next(one for one in story.beacons() if one.refusal is None)
    body = beacon.body(to_ms(now()))
    head = f"POST /m/e HTTP/1.1\r\nHost: x\r\nUser-Agent: {beacon.agent}\r\nContent-Length: {len(body)}\r\n\r\n"
    thrown = Thrown("good", (head.encode() + body,), patience_s=ANSWERED_WITHIN_S)
    return next(iter(statuses(throw(port, thrown))), 0)


def slow_clients(port: int, n: int, stop: threading.Event) -> list[threading.Thread]:
    """Clients that hold a connection and send a byte now and then (slowloris), until told to stop."""

    def crawl(head: bytes) -> None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as talking:
                for byte in head * 1_000:
                    if stop.wait(0.3):
                        return
                    talking.sendall(bytes([byte]))
        except OSError:
            return

    heads = [b"POST /m/e HTTP/1.1\r\nX-A: b\r\n", b"POST /m/e HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n{"]
    threads = [threading.Thread(target=crawl, args=(heads[i % 2],), daemon=True) for i in range(n)]
    for thread in threads:
        thread.start()
    return threads


def run(port: int, asked: argparse.Namespace) -> tuple[Counter[int], list[str]]:
    """Throw it all; returns the answers by status, and what was wrong."""
    dice, story, wrong = random.Random(asked.seed), Story(asked.seed, to_ms(now())), []
    seen: Counter[int] = Counter()
    stop = threading.Event()
    crawling = slow_clients(port, asked.slow, stop)

    def volley(seed: int, n: int) -> None:
        own = random.Random(seed)
        for _ in range(n):
            thrown = broken(own)
            came = statuses(throw(port, thrown))
            seen.update(came or [0])
            shown = b" ... ".join(thrown.pieces)[-160:]
            wrong.extend(f"{thrown.kind}: {status} for ...{shown!r}" for status in came if status in BROKEN)

    throwers = [
        threading.Thread(target=volley, args=(dice.getrandbits(32), asked.n // asked.threads), daemon=True)
        for _ in range(asked.threads)
    ]
    for thrower in throwers:
        thrower.start()
    n_good = 0
    while any(thrower.is_alive() for thrower in throwers) or n_good < 20:
        status, n_good = good(port, story), n_good + 1
        if status not in (204, 503):  # busy is an answer, too
            wrong.append(f"a good beacon was answered {status} meanwhile")
    stop.set()
    for one in (*throwers, *crawling):
        one.join(30)
    if (status := good(port, story)) != 204:
        wrong.append(f"a good beacon was answered {status} after it")
    return seen, wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=3_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--slow", type=int, default=40, help="clients that send a byte now and then meanwhile")
    parser.add_argument("--store", choices=["SQLite", "PostgreSQL"], default="SQLite")
    asked = parser.parse_args()
    with machine.store(asked.store) as made:
        if made is None:
            raise SystemExit("fuzz: no such store here")
        machine.site_in(made, traffic.SITE_KEY, traffic.HOST)
        server = Killable(made)
        server.start()
        try:
            seen, wrong = run(server.port, asked)
        finally:
            server.stop()
        if "Traceback" in (said := server.said()):
            wrong.append("the server's log has a traceback: " + said[said.index("Traceback") :][:1_500])
    for one in sorted(set(wrong))[:20]:
        print(f"  WRONG: {one}")
    told = ", ".join(f"{n} {status or 'without an answer'}" for status, n in sorted(seen.items()))
    print(f"fuzz: {asked.n} broken requests of {len(KINDS)} kinds on {asked.store}: {told}; {len(wrong)} wrong")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
