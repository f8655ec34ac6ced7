"""Fixtures for every test: an empty store with today's tables, on SQLite and on a real PostgreSQL."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

# Small matrices: threads of the linear algebra would only wait for each other, and workers for them. Before NumPy.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from tests.databases import drop_database, empty, fresh_database, postgres_url, shape_of, why_no_postgres
from tests.routes import share_routes
from tracker.db.store import connect
from tracker.db.upgrade import upgrade

STORES = ("sqlite", "postgresql")
share_routes()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that needs a store runs on those that it names, by its own mark or else its module's, else on each."""
    given = {mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")}
    if "store_url" in metafunc.fixturenames and "store_url" not in given:
        mark = metafunc.definition.get_closest_marker("stores")
        metafunc.parametrize("store_url", mark.args if mark else STORES, indirect=True)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty SQLite file with today's tables, made once and copied."""
    path = tmp_path_factory.mktemp("template") / "empty.sqlite3"
    engine = connect(f"sqlite:///{path}")
    upgrade(engine)
    engine.dispose()
    return path


@pytest.fixture(scope="session")
def postgres_template() -> Iterator[str | None]:
    """A PostgreSQL database with today's tables, made once and copied; None where there is no PostgreSQL."""
    url = postgres_url()
    if url is None:
        yield None
        return
    made = fresh_database(url)
    engine = connect(made)
    upgrade(engine)
    engine.dispose()
    yield made
    drop_database(made)


class Kept:
    """The PostgreSQL database that this process's tests use one after the other, each emptied for the next.

    One that a test has left otherwise is dropped, and a new one copied: that takes three times as long.
    """

    def __init__(self, server: str, template: str) -> None:
        self.server, self.template = server, template
        self.shape = shape_of(template)
        self.url = fresh_database(server, template=template)

    def leave(self) -> None:
        """Let the next test find it empty."""
        if not empty(self.url, self.shape):
            drop_database(self.url)
            self.url = fresh_database(self.server, template=self.template)


@pytest.fixture(scope="session")
def kept_postgres(postgres_template: str | None) -> Iterator[Kept | None]:
    """The database for one test after the other; None where there is no PostgreSQL."""
    url = postgres_url()
    if url is None or postgres_template is None:
        yield None
        return
    kept = Kept(url, postgres_template)
    yield kept
    drop_database(kept.url)


@pytest.fixture
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty store of its own."""
    if request.param == "sqlite":
        path = tmp_path / "store.sqlite3"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    kept = request.getfixturevalue("kept_postgres")
    if kept is None:
        if os.environ.get("CI"):
            pytest.fail(why_no_postgres())
        pytest.skip(why_no_postgres())
    yield kept.url
    kept.leave()


@pytest.fixture
def store(store_url: str) -> Iterator[Engine]:
    """An empty store of its own."""
    engine = connect(store_url)
    yield engine
    engine.dispose()
