"""Fetching a site's page: only the site's hosts, only public addresses, no further than the limits, and reasons."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tracker.connectors.guarded import inner_of
from tracker.installing.fetch import MOST_BYTES, Refused, fetch_page, look_at, may_ask

HOSTS = ["localhost"]
PUBLIC = ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "8.8.8.8"]
INSIDE = [
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "fe80::1%eth0",
    "fc00::1",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "::",
    "ff02::1",
    "64:ff9b::a00:1",
    "2002:a00:1::1",
    "::10.0.0.1",
]


def is_allowed(address: str, *, is_local: bool) -> bool:
    return all(may_ask(ip, is_local=is_local) for ip in inner_of(address))


@pytest.mark.parametrize("is_local", [True, False])
def test_only_public_addresses_may_be_asked(is_local: bool) -> None:
    assert [one for one in PUBLIC if not is_allowed(one, is_local=is_local)] == []
    inside = [one for one in INSIDE if one != "::ffff:127.0.0.1"]
    assert [one for one in inside if is_allowed(one, is_local=is_local)] == []
    assert {is_allowed(one, is_local=is_local) for one in ("127.0.0.1", "::1", "127.9.9.9")} == {is_local}


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("https://www.evil.example/", "foreign_host"),
        ("https://localhost.evil.example/", "foreign_host"),
        ("https://localhost@evil.example/", "no_address"),
        ("https://me:secret@localhost/", "no_address"),
        ("file:///etc/passwd", "no_address"),
        ("gopher://localhost/", "no_address"),
        ("https://localhost:99999/", "no_address"),
        ("https://localhost:6379/", "other_port"),
        ("//localhost/", "no_address"),
        ("", "no_address"),
    ],
)
def test_only_web_addresses_of_the_site_are_asked(url: str, key: str) -> None:
    with pytest.raises(Refused) as refused:
        look_at(url, HOSTS, is_local=False)
    assert refused.value.key == key


class Site(http.server.BaseHTTPRequestHandler):
    """Answers each path in its own way."""

    asked: list[str] = []  # noqa: RUF012 - the server makes a handler for each request

    def do_GET(self) -> None:
        Site.asked.append(self.path)
        ways: dict[str, Any] = {
            "/": (200, {"Content-Type": "text/html; charset=shift_jis"}, "<p>料金".encode("shift_jis")),
            "/policy": (200, {"Content-Type": "text/html", "Content-Security-Policy": "script-src 'self'"}, b"<p>"),
            "/strange": (200, {"Content-Type": "text/html; charset=nonsense"}, "é".encode()),
            "/moved": (302, {"Location": "/?a=b"}, b""),
            "/away": (302, {"Location": "https://www.evil.example/"}, b""),
            "/inside": (302, {"Location": "http://169.254.169.254/"}, b""),
            "/round": (302, {"Location": "/round"}, b""),
            "/gone": (404, {"Content-Type": "text/html"}, b"no"),
            "/image": (200, {"Content-Type": "image/png"}, b"\x89PNG"),
            "/huge": (200, {"Content-Type": "text/html"}, b"x" * (MOST_BYTES + 100_000)),
            "/bomb": (200, {"Content-Type": "text/html", "Content-Encoding": "gzip"}, b"no gzip"),
        }
        status, headers, body = ways[self.path.partition("?")[0]]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            self.close_connection = True

    def log_message(self, format: str, *values: object) -> None:
        """The tests speak."""


@contextmanager
def serving() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://localhost:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def site() -> Iterator[str]:
    with serving() as origin:
        Site.asked.clear()
        yield origin


def test_a_page_comes_in_its_own_encoding_with_its_policies(site: str) -> None:
    page = fetch_page(f"{site}/moved", HOSTS, may_be_local=True)
    assert (page.url, page.html, page.policies) == (f"{site}/?a=b", "<p>料金", ())
    assert fetch_page(f"{site}/policy", HOSTS, may_be_local=True).policies == ("script-src 'self'",)
    assert fetch_page(f"{site}/strange", HOSTS, may_be_local=True).html == "é"


def test_a_page_is_read_to_its_limit(site: str) -> None:
    assert len(fetch_page(f"{site}/huge", HOSTS, may_be_local=True).html) == MOST_BYTES


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/away", "foreign_host"),
        ("/inside", "foreign_host"),
        ("/round", "too_many_redirects"),
        ("/gone", "status"),
        ("/image", "no_page"),
        ("/bomb", "unreachable"),
    ],
)
def test_what_keeps_a_page_from_being_read_is_told(site: str, path: str, key: str) -> None:
    with pytest.raises(Refused) as refused:
        fetch_page(f"{site}{path}", HOSTS, may_be_local=True)
    assert refused.value.key == key


def test_this_machine_is_not_asked_where_it_is_not_meant(site: str) -> None:
    with pytest.raises(Refused) as refused:
        fetch_page(site.replace("http://localhost", "http://localhost").rsplit(":", 1)[0], HOSTS, may_be_local=False)
    assert refused.value.key == "private_address"
    assert Site.asked == []


def test_who_does_not_answer_is_told_apart(site: str) -> None:
    free = site.rsplit(":", 1)[0] + ":1"
    with pytest.raises(Refused) as refused:
        fetch_page(f"{free}/", HOSTS, may_be_local=True)
    assert refused.value.key == "unreachable"
