"""Two small servers for the tests of the snippet: the website that carries it, the collector it reports to.

Both listen on 127.0.0.1, each on a port of its own, so to the browser they are two origins. Both remember
what came, and the tests ask.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import SHUT_RDWR, socket
from threading import Condition, Event, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from api.website.snippet import compose
from tracker.collect.cookie import answer_headers

STATIC = Path(__file__).parents[2] / "static"
SNIPPET = compose(str(STATIC), {}, [])
PATIENCE_S = 20
# In the page: the hits that the collector has not answered yet, as the snippet keeps them.
UNANSWERED = "Object.keys(localStorage).flatMap((key) => JSON.parse(localStorage[key])[1])"
# A port is part of an origin: on one that was there before, a browser would still keep what an older page stored.
USED_PORTS: set[int] = set()
DOT = "GIF89a\x01\0\x01\0\0\0\0;"  # nothing to be seen, and taken for an image

Hit = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came; `body` is text, `status` what the server was to answer at that moment."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: str
    status: int = 200

    def form(self) -> dict[str, str]:
        """The fields that a browser has posted."""
        return {name: values[-1] for name, values in parse_qs(self.body, keep_blank_values=True).items()}

    def beacon(self) -> str | None:
        """The JSON of a beacon, by POST or in an image's address; None if the request is none."""
        path, _, query = self.path.partition("?")
        if not path.endswith("/m/e"):
            return None
        if self.method == "POST":
            return self.body if query == "" else None
        return parse_qs(query).get("b", [None])[0]


class Origin:
    """A server that remembers its requests and wakes whoever waits for one."""

    status = 200

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.news = Condition()
        self.connections: set[socket] = set()
        origin = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                origin.connections.add(self.connection)

            def finish(self) -> None:
                origin.connections.discard(self.connection)
                super().finish()

            def answer(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(size).decode("utf-8", "replace")
                request = Request(self.command, self.path, dict(self.headers), body, origin.status)
                with origin.news:
                    origin.requests.append(request)
                    origin.news.notify_all()
                origin.answer(request, self)

            do_GET = do_POST = do_OPTIONS = answer  # noqa: N815 - the names that http.server looks for

            def log_message(self, format: str, *values: object) -> None:
                """The tests speak; the server is silent."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                """A browser that hangs up is no error."""

        self.server = Server(("127.0.0.1", 0), Handler)
        while self.server.server_port in USED_PORTS:
            self.server.server_close()
            self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        USED_PORTS.add(self.port)
        self.origin = f"http://127.0.0.1:{self.port}"
        Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self, request: Request, to: BaseHTTPRequestHandler) -> None:
        raise NotImplementedError

    def send(self, to: BaseHTTPRequestHandler, status: int, body: str = "", **headers: str) -> None:
        content = body.encode()
        to.send_response(status)
        for name, value in headers.items():
            to.send_header(name.replace("_", "-"), value)
        to.send_header("Content-Length", str(len(content)))
        to.end_headers()
        to.wfile.write(content)

    def wait_for(self, what: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
        """Return as soon as `what()` is true; fail after patience_s with all that came."""
        with self.news:
            came = self.news.wait_for(what, patience_s)
        assert came, f"it never came; what came: {self.requests}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        # A browser keeps connections for its next request, each with a thread that waits for it.
        for connection in list(self.connections):
            with suppress(OSError):
                connection.shutdown(SHUT_RDWR)


@dataclass(frozen=True, slots=True)
class Document:
    html: str
    headers: Mapping[str, str] = field(default_factory=dict)


NOTHING = Document("<!doctype html><title>Nothing here</title>")


class Website(Origin):
    """Serves the pages that a test gives it, at any host name; other paths are pages without the snippet."""

    def __init__(self, collector: "Collector") -> None:
        super().__init__()
        self.collector = collector
        self.pages: dict[str, Document] = {}

    def put(
        self,
        path: str,
        body: str = "",
        *,
        head: str = "",
        title: str = "A page",
        prefix: str = "",
        csp: str = "",
        at: str | None = None,
        **tag: str,
    ) -> None:
        """A page with the snippet on it; `tag` adds attributes to its tag, `prefix` stands before /m.js.

        at  the collector's origin as the page knows it; '' if it is the page's own
        """
        attributes = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in tag.items())
        origin = self.collector.origin if at is None else at
        script = f'<script async src="{origin}{prefix}/m.js" data-site="KEY"{attributes}></script>'
        start = f"<!doctype html><html lang=en><head><meta charset=utf-8><title>{title}</title>"
        headers = {"Content_Security_Policy": csp} if csp else {}
        self.pages[path] = Document(f"{start}{head}{script}</head><body>{body}", headers)

    def at(self, path: str = "/", host: str = "www.shop.test") -> str:
        return f"http://{host}:{self.port}{path}"

    def answer(self, request: Request, to: BaseHTTPRequestHandler) -> None:
        path = urlsplit(request.path).path
        if path == "/favicon.ico":
            self.send(to, 204)
            return
        document = self.pages.get(path, NOTHING)
        self.send(to, 200, document.html, Content_Type="text/html; charset=utf-8", **document.headers)

    def posts(self) -> list[Request]:
        return [request for request in self.requests if request.method == "POST"]


class Collector(Origin):
    """Serves /m.js and takes beacons at /m/e, both under any prefix, and a page; can be broken in five ways.

    Its answers bear the headers of the real one's: those for other origins, and the visitor's cookie. Questions
    (/m/e?ask) are answered out of `answers`: by word a value, or a function of the question.
    """

    def __init__(self) -> None:
        super().__init__()
        self.page = ""
        self.script = SNIPPET
        self.answers: dict[str, Any] = {}
        self.taken: list[Request] = []  # beacons that it did not refuse, nor hang up on
        self.status = 204
        self.deaf = False  # hangs up without an answer
        self.sets_cookies = True  # False: as if a proxy took the cookie out of the answer
        self.for_everybody = False  # True: as if a proxy put "*" in place of the page's origin
        self.slow = Event()  # answers when it is set
        self.slow.set()

    def answer(self, request: Request, to: BaseHTTPRequestHandler) -> None:
        path, _, query = request.path.partition("?")
        if path.endswith("/m.js"):
            self.send(to, 200, self.script.decode(), Content_Type="text/javascript; charset=utf-8")
        elif request.path == "/page":
            self.send(to, 200, self.page, Content_Type="text/html; charset=utf-8")
        elif self.deaf and request.method == "POST":
            to.close_connection = True
        else:
            asked = json.loads(request.body).get("ask") if query == "ask" else None
            if asked is None:
                if request.beacon() is not None and request.status < 300:
                    with self.news:
                        self.taken.append(request)
                        self.news.notify_all()
                self.slow.wait(PATIENCE_S)
            visitor = json.loads(request.body)["visitor"] if request.body and request.status < 300 else None
            headers = answer_headers(
                request.headers.get("Origin"),
                request.headers["Host"],
                request.headers.get("Sec-Fetch-Site"),
                visitor if self.sets_cookies else None,
                "none",
                request.headers.get("X-Forwarded-Proto") == "https",
            )
            told = {"Access-Control-Allow-Origin": "*"} if self.for_everybody else dict(headers)
            if asked is not None:
                answer = self.answers.get(asked, {})
                known = answer(json.loads(request.body)) if callable(answer) else answer
                self.send(to, 200, json.dumps(known), Content_Type="application/json", **told)
            elif query.startswith("b=") and request.status == 204:
                self.send(to, 200, DOT, Content_Type="image/gif", **told)
            else:
                self.send(to, request.status, **told)

    def at(self, host: str) -> str:
        """Its origin under a name of its own."""
        return f"http://{host}:{self.port}"

    def beacons(self) -> list[Request]:
        return [request for request in self.requests if request.beacon() is not None]

    def offers(self) -> list[Hit]:
        """Every hit as often as it came, in order, also those that were answered with an error."""
        return [hit for beacon in self.told() for hit in beacon["hits"]]

    def told(self) -> list[dict[str, Any]]:
        """What each beacon says, in order of arrival."""
        return [json.loads(request.beacon() or "") for request in self.beacons()]

    def stored(self) -> list[Hit]:
        """The hits of beacons that were taken, by their ids, each with its beacon's `consent` and `visitor`."""
        told = [json.loads(request.beacon() or "") for request in self.taken]
        bearing = (
            {**hit, "consent": each["consent"], "visitor": each["visitor"]} for each in told for hit in each["hits"]
        )
        first: dict[str, Hit] = {}
        for hit in bearing:
            first.setdefault(hit["id"], hit)  # as the journal does
        return list(first.values())

    def hits(self, kind: str = "") -> list[Hit]:
        """The hits by their ids: a hit that came again is the same hit."""
        hits = {hit["id"]: hit for hit in self.offers()}
        return [hit for hit in hits.values() if kind in ("", hit["kind"])]

    def hit(self, kind: str, nth: int = 1) -> Hit:
        """Wait for the nth hit of this kind."""
        self.wait_for(lambda: len(self.hits(kind)) >= nth)
        return self.hits(kind)[nth - 1]

    def visitors(self) -> list[str]:
        """The visitor id of each beacon."""
        return [beacon["visitor"] for beacon in self.told()]

    def close(self) -> None:
        self.slow.set()
        super().close()
