"""How a database is opened: patience with a server that is cut off, unless its URL says otherwise."""

import pytest

from tracker.db.store import connect, reading
from tracker.errors import Invalid


def asked_of(url: str) -> dict[str, str]:
    """What the server's driver is asked for."""
    engine = connect(url)
    with reading(engine) as tx:
        info = tx.connection.driver_connection.info.get_parameters()  # type: ignore[union-attr]
    engine.dispose()
    return dict(info)


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_a_server_that_is_cut_off_is_noticed_soon(store_url: str) -> None:
    asked = asked_of(store_url)
    assert {name: asked[name] for name in ("connect_timeout", "tcp_user_timeout")} == {
        "connect_timeout": "10",
        "tcp_user_timeout": "30000",
    }
    joint = "&" if "?" in store_url else "?"
    assert asked_of(f"{store_url}{joint}connect_timeout=3")["connect_timeout"] == "3"


@pytest.mark.parametrize("url", ["mysql://localhost/x", "not a url", "sqlite"])
def test_another_database_is_refused_in_words(url: str) -> None:
    with pytest.raises(Invalid, match=r"database|SQLite"):
        connect(url)
