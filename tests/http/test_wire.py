"""Whatever comes over the wire, the real server answers it or hangs up, and goes on: no input gives a 500."""

import json
import random
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from parts import machine, traffic
from parts.broken import KINDS, NUMBERS, TEXTS, Thrown, beacon
from parts.server import Killable

OUR_ANSWERS = {204, 400, 403, 404, 413}
# What a server that speaks HTTP may say of HTTP that is none; 501: a coding of the body that it does not know.
HTTP_ANSWERS = OUR_ANSWERS | {100, 200, 301, 302, 308, 401, 405, 408, 411, 414, 415, 417, 422, 429, 431, 501, 505}
SLOW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

odd = st.recursive(
    st.none() | st.booleans() | st.sampled_from(NUMBERS) | st.sampled_from(TEXTS) | st.text(max_size=40) | st.floats(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=8,
)
header_lines = st.lists(
    st.tuples(
        st.sampled_from(
            "User-Agent Cookie Origin Referer X-Forwarded-For Sec-GPC Sec-Purpose Accept-Language Content-Type "
            "Content-Encoding Expect X-Forwarded-Host If-None-Match Range".split()
        ),
        st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=200),
    ),
    max_size=6,
)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server as `minamoto serve` starts it, on a store of its own."""
    with machine.store("SQLite") as made:
        assert made
        machine.site_in(made, traffic.SITE_KEY, traffic.HOST)
        server = Killable(made)
        server.start()
        try:
            yield server.port
        finally:
            server.stop()
        assert "Traceback" not in server.said()


def exchange(port: int, thrown: Thrown) -> list[int]:
    """The statuses that come back for what is sent on one connection."""
    answer = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=60) as talking:
            for piece in thrown.pieces:
                talking.sendall(piece)
            if thrown.hangs_up:
                talking.shutdown(socket.SHUT_WR)
            talking.settimeout(thrown.patience_s)
            while some := talking.recv(65_536):
                answer += some
                if b"\r\n\r\n" in answer:
                    talking.settimeout(0.02)
    except OSError:
        pass
    return [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]


def post(port: int, body: bytes, headers: list[tuple[str, str]]) -> int:
    """The status of one whole request."""
    lines = [b"POST /m/e HTTP/1.1", b"Host: 127.0.0.1", b"Content-Length: %d" % len(body)]
    lines += [f"{name}: {value}".encode("latin-1") for name, value in headers]
    thrown = Thrown("whole", (b"\r\n".join(lines) + b"\r\n\r\n" + body,), patience_s=60)
    return next(iter(exchange(port, thrown)))


def still_answers(port: int) -> bool:
    """Whether a good beacon is taken."""
    told = {**beacon(random.Random()), "hits": beacon(random.Random())["hits"][:1]}
    return post(port, json.dumps(told).encode(), [("User-Agent", traffic.AGENTS[0])]) == 204


@SLOW
@given(body=st.binary(max_size=400) | odd.map(lambda value: json.dumps(value).encode()), headers=header_lines)
def test_no_body_and_no_header_give_a_500(port: int, body: bytes, headers: list[tuple[str, str]]) -> None:
    assert post(port, body, headers) in HTTP_ANSWERS
    assert still_answers(port)


@SLOW
@given(seed=st.integers(0, 2**32), data=st.data())
def test_no_value_in_any_place_of_a_beacon_gives_a_500(port: int, seed: int, data: st.DataObject) -> None:
    told: Any = beacon(random.Random(seed))
    place: Any = data.draw(
        st.sampled_from(
            [told, told["hits"][0], *(told["hits"][0][part] for part in ("form", "props", "fields", "chat"))]
        )
    )
    place[data.draw(st.sampled_from([*place, "extra"]))] = data.draw(odd)
    body = json.dumps(told).encode()
    assert post(port, body, [("User-Agent", "x")]) in OUR_ANSWERS
    assert still_answers(port)


@pytest.mark.parametrize("kind", sorted(set(KINDS), key=lambda kind: kind.__name__), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("hangs_up", [False, True], ids=["stays", "hangs up"])
def test_broken_http_gives_no_500(port: int, kind: Any, hangs_up: bool) -> None:
    dice = random.Random(kind.__name__)
    for _ in range(12):
        thrown = kind(dice)
        once = Thrown(thrown.kind, thrown.pieces, hangs_up=hangs_up, patience_s=0.15)
        assert set(exchange(port, once)) <= HTTP_ANSWERS
    assert still_answers(port)
