"""Fixtures for every test: an empty store with today's tables, on SQLite and on a real PostgreSQL."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

# Small matrices: threads of the linear algebra would only wait for each other, and workers for them. Before NumPy.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from tests.databases import drop_database, fresh_database, postgres_url, why_no_postgres
from tracker.db.store import connect
from tracker.db.upgrade import upgrade


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


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty store of its own."""
    if request.param == "sqlite":
        path = tmp_path / "store.sqlite3"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    template, url = request.getfixturevalue("postgres_template"), postgres_url()
    if template is None or url is None:
        if os.environ.get("CI"):
            pytest.fail(why_no_postgres())
        pytest.skip(why_no_postgres())
    made = fresh_database(url, template=template)
    yield made
    drop_database(made)


@pytest.fixture
def store(store_url: str) -> Iterator[Engine]:
    """An empty store of its own."""
    engine = connect(store_url)
    yield engine
    engine.dispose()
