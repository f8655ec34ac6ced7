"""A real web server on loopback that takes what is posted to it, and answers as a test tells it to."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Receiver:
    """What came, as (path, headers, body); `status` and `headers` of the answers from now on."""

    origin: str = ""
    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    taken: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    is_mute: bool = False
    leave: threading.Event = field(default_factory=threading.Event)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver that runs until the test ends."""
    receiver = Receiver()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            named = {name.lower(): value for name, value in self.headers.items()}
            receiver.taken.append((self.path, named, body))
            if receiver.is_mute:
                receiver.leave.wait(20)
                return
            self.send_response(receiver.status)
            for name, value in receiver.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *values: Any) -> None:
            """The tests speak."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    receiver.origin = f"http://127.0.0.1:{server.server_port}"
    try:
        yield receiver
    finally:
        receiver.leave.set()
        server.shutdown()
        thread.join()
        server.server_close()
