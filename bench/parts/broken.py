"""Requests as no good client sends them: broken HTTP, and bodies that are nearly beacons."""

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from parts.traffic import AGENTS, HOST, SITE_KEY
from tracker.ids import uuid7


@dataclass(frozen=True, slots=True)
class Thrown:
    """What a broken client sends: pieces, a rest after each; and whether it hangs up on its side then.

    patience_s  how long it waits for an answer; a request that is not whole need not get one
    """

    kind: str
    pieces: tuple[bytes, ...]
    rest_s: float = 0.0
    hangs_up: bool = False
    patience_s: float = 2.0


TEXTS = (
    "",
    "\x00",
    "\ud800",
    "\udfff\ud800",
    "𝕏" * 300,
    "<script>alert(1)</script>",
    "'; DROP TABLE hits; --",
    "%00%ff%u1234",
    "https://",
    "https://[::1",
    "https://[v1.x]/",
    "javascript:alert(1)",
    f"https://{HOST}:99999999/",
    "http://a\r\nX: y/",
    f"https://{HOST}/\ud800?utm_source=\udfff",
    "https://" + "a" * 5_000,
    f"https://{HOST}/?" + "&" * 3_000,
    "\u202e\u0000\ufeff",
    "file:///etc/passwd",
    "//",
    "🦊",
    f"https://xn--\u00ff.{HOST}/",
    f"https://user:pw@{HOST}/",
    f"https://{HOST}\\@evil.example/",
)
NUMBERS = (0, -1, 1, 2**31, 2**53, 2**63 - 1, 2**63, 2**64, 10**30, -(10**30), 1e308, -1e-308, 253_402_300_799_000)
ODD: tuple[Any, ...] = (*TEXTS, *NUMBERS, None, True, [], {}, [[]], {"a": {"b": [1, {"c": None}]}}, [1] * 200)
PATHS = (
    "/m/e",
    "/m/e",
    "/m/e",
    "/m/e?x=1",
    "/m/e/",
    "/m/../m/e",
    "/%6d/e",
    "/m/e%00",
    "/m.js",
    "/",
    "/nowhere",
    "*",
    "/é",
)
METHODS = ("POST", "POST", "POST", "GET", "PUT", "OPTIONS", "HEAD", "DELETE", "BREW", "post", "")
HEADERS = (
    b"Content-Type: text/plain",
    b"Content-Type: application/json; charset=utf-16",
    b"Content-Type: multipart/form-data",
    b"Content-Encoding: gzip",
    b"Expect: 100-continue",
    b"Sec-GPC: 1",
    b"Sec-Purpose: prefetch;prerender",
    b"Cookie: _mnm=",
    b"Cookie: minamoto=not.a.session; _mnm=\xff\xfe",
    b'X-Forwarded-For: 1.2.3.4, ::1, unknown, "[::1]:9"',
    b"Origin: null",
    b"Origin: https://" + b"a" * 3_000,
    b"Referer: \xff\xfe",
    b"User-Agent: \xe6\xba\x90",
    b"User-Agent: " + b"x" * 9_000,
    b"Accept-Language: " + b"xx," * 2_000,
    b"X-Forwarded-Host: ]]]",
    b"X-Forwarded-Proto: gopher",
    b"Forwarded: for=;;;",
    b"Host: ",
    b"Host: [",
    b"Range: bytes=0-",
    b'If-None-Match: "',
    b"Upgrade: websocket\r\nConnection: Upgrade",
    b"Connection: close",
    b": empty",
    b"No-Colon",
    b"Sp ace: x",
    b"Null: \x00",
    b" folded: x",
    b"X: " + b"y" * 70_000,
)


def hit(dice: random.Random) -> dict[str, Any]:
    """A good hit."""
    at = time.time_ns() // 1_000_000
    return {
        "id": uuid7(at, dice.randbytes(10)),
        "kind": dice.choice(["page", "form", "identify", "event", "leave", "chat"]),
        "at": at,
        "url": f"https://{HOST}/",
        "referrer": "https://www.google.com/",
        "title": "x",
        "name": "watched",
        "props": {"s": 1},
        "form": {"id": "f", "provider": "p"},
        "fields": {"name": "Jo", "company": "Mo"},
        "chat": {"provider": "p", "id": "7"},
        "page": uuid7(at, dice.randbytes(10)),
        "engaged": 42_000,
        "scroll": 80,
        "identifiers": {"email": "a@b.example", "phone": "+81312345678"},
    }


def beacon(dice: random.Random) -> dict[str, Any]:
    """A good beacon."""
    hits = [hit(dice) for _ in range(dice.choice([1, 1, 2, 64, 65]))]
    return {
        "v": 1,
        "site": SITE_KEY,
        "visitor": "v" * 20,
        "sent_at": time.time_ns() // 1_000_000,
        "consent": "granted",
        "hits": hits,
    }


def spoiled(dice: random.Random) -> bytes:
    """A beacon with something odd in some of its places, or JSON that is none."""
    told = beacon(dice)
    for _ in range(dice.randrange(1, 4)):
        place: Any = dice.choice([told, *told["hits"][:3]]) if isinstance(told.get("hits"), list) else told
        inner = [value for value in place.values() if isinstance(value, dict)] if isinstance(place, dict) else []
        place = dice.choice([place, *inner])
        if isinstance(place, dict) and place:
            place[dice.choice([*place, "extra"])] = dice.choice(ODD)
    body = json.dumps(told, ensure_ascii=dice.random() < 0.7).encode("utf-8", "surrogatepass")
    how = dice.random()
    if how < 0.15:
        at = dice.randrange(len(body))
        body = body[:at] + dice.randbytes(dice.randrange(1, 9)) + body[at + dice.randrange(4) :]
    elif how < 0.2:
        body = dice.choice(
            [b"", b"[" * 50_000, b"{" * 10, b'{"v":1' * 3, b"null", b"\xff\xfe{}", body * 2, b"\xef\xbb\xbf" + body]
        )
    return body


def head(dice: random.Random, length: bytes | int | None, method: str = "POST", path: str = "/m/e") -> bytes:
    """A request's head."""
    lines = [f"{method} {path} HTTP/1.1".encode("utf-8", "replace"), b"Host: 127.0.0.1"]
    lines += [b"User-Agent: " + dice.choice(AGENTS).encode()]
    if length is not None:
        lines.append(b"Content-Length: " + (length if isinstance(length, bytes) else str(length).encode()))
    return b"\r\n".join(lines) + b"\r\n\r\n"


def odd_body(dice: random.Random) -> Thrown:
    body = spoiled(dice)
    return Thrown("odd_body", (head(dice, len(body)) + body,))


def truncated(dice: random.Random) -> Thrown:
    body = spoiled(dice)
    whole = head(dice, len(body) + dice.choice([0, 1, 500])) + body
    return Thrown("truncated", (whole[: dice.randrange(1, len(whole))],))


def wrong_length(dice: random.Random) -> Thrown:
    body = spoiled(dice)
    lengths = [
        b"-1",
        b"+5",
        b"0x10",
        b"1e3",
        b"",
        b" ",
        b"9" * 30,
        b"0",
        b"12, 12",
        "١٢".encode(),
        str(len(body) // 2).encode(),
    ]
    return Thrown("wrong_length", (head(dice, dice.choice(lengths)) + body,))


def chunked(dice: random.Random) -> Thrown:
    body = spoiled(dice)
    size = dice.choice([b"%x" % len(body), b"ffffffffffffffffff", b"-1", b"zz", b"", b"%x;ext=1" % len(body), b"1"])
    coding = dice.choice([b"chunked", b"chunked, chunked", b"gzip, chunked", b"identity", b"cow"])
    more = b"Transfer-Encoding: " + coding + b"\r\n" + dice.choice([b"", b"Content-Length: 5\r\n"])
    start = head(dice, None)[:-2] + more + b"\r\n"
    return Thrown("chunked", (start + size + b"\r\n" + body + b"\r\n" + dice.choice([b"0\r\n\r\n", b""]),))


def odd_headers(dice: random.Random) -> Thrown:
    body = json.dumps(beacon(dice)).encode()
    more = b"\r\n".join(dice.choice(HEADERS) for _ in range(dice.choice([1, 2, 5, 150]))) + b"\r\n"
    return Thrown("odd_headers", (head(dice, len(body))[:-2] + more + b"\r\n" + body,))


def odd_request(dice: random.Random) -> Thrown:
    body = spoiled(dice)
    start = head(dice, len(body), dice.choice(METHODS), dice.choice(PATHS))
    if dice.random() < 0.2:
        start = start.replace(b"HTTP/1.1", dice.choice([b"HTTP/1.0", b"HTTP/0.9", b"HTTP/9", b"", b"http/1.1"]), 1)
    return Thrown("odd_request", (start + body,))


def pipelined(dice: random.Random) -> Thrown:
    bodies = [spoiled(dice) for _ in range(dice.randrange(2, 8))]
    return Thrown("pipelined", (b"".join(head(dice, len(body)) + body for body in bodies),))


def in_pieces(dice: random.Random) -> Thrown:
    body = json.dumps(beacon(dice)).encode()
    whole = head(dice, len(body)) + body
    step = max(1, len(whole) // dice.randrange(2, 12))
    return Thrown("in_pieces", tuple(whole[at : at + step] for at in range(0, len(whole), step)), rest_s=0.01)


def noise(dice: random.Random) -> Thrown:
    starts = [
        b"\x16\x03\x01\x02\x00\x01",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"",
        b"POST /m/e HTTP/1.1\r\n",
        b"\r\n\r\n",
    ]
    return Thrown("noise", (dice.choice(starts) + dice.randbytes(dice.randrange(1, 3_000)),))


def large(dice: random.Random) -> Thrown:
    n = dice.choice([65_536, 65_537, 200_000, 2_000_000])
    body = json.dumps(beacon(dice)).encode().ljust(n)
    return Thrown("large", (head(dice, n) + body,))


KINDS: tuple[Callable[[random.Random], Thrown], ...] = (
    odd_body,
    odd_body,
    odd_body,
    truncated,
    wrong_length,
    chunked,
    odd_headers,
    odd_request,
    pipelined,
    in_pieces,
    noise,
    large,
)


def broken(dice: random.Random) -> Thrown:
    """Something broken; one in five clients hangs up on its side when it has sent it."""
    thrown = dice.choice(KINDS)(dice)
    return replace(thrown, hangs_up=dice.random() < 0.2, patience_s=0.3 if thrown.kind == "truncated" else 0.8)
