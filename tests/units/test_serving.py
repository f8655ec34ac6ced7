"""Starting the server where it would not serve alone."""

import socket
from collections.abc import Iterator

import pytest

from api.serving import check_port, serve
from tracker.config import Settings
from tracker.errors import Invalid


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody listens, as willing to share it as granian is."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_port_is_not_shared_with_another_server(taken: int) -> None:
    with pytest.raises(Invalid, match=f"127.0.0.1:{taken}"):
        check_port("127.0.0.1", taken)
    with pytest.raises(Invalid, match="choose another --port"):
        serve(Settings(database_url="sqlite:///nowhere.sqlite3"), "127.0.0.1", taken, workers=1, with_work=True)


def test_a_free_port_may_be_used(taken: int) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        free = other.getsockname()[1]
    check_port("127.0.0.1", free)
    check_port("localhost", free)


def test_a_host_that_is_nobodys_is_refused() -> None:
    with pytest.raises(Invalid, match="cannot listen on"):
        check_port("203.0.113.7", 8000)
