"""Fixtures of the units: the command line on the test's own store, and the two sites that most commands need."""

from collections.abc import Iterator
from typing import Protocol

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine

from tests.world import START
from tracker.access.sites import add_site
from tracker.cli import main
from tracker.config import settings
from tracker.db.store import begin


class Command(Protocol):
    """A command line of `minamoto`, words apart; `given` is what stands in its input."""

    def __call__(self, *words: str, given: str = "") -> Result: ...


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, store_url: str) -> Iterator[Command]:
    """Gives command lines to an installation whose store is the test's."""
    monkeypatch.setenv("MINAMOTO_DATABASE_URL", store_url)
    monkeypatch.setenv("MINAMOTO_SECRET_KEY", "s" * 40)
    settings.cache_clear()
    yield lambda *words, given="": CliRunner().invoke(main, words, input=given)
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
def two_sites(store: Engine) -> None:
    """Acme, which counts in yen, and another one: `acmekey` and `otherkey`."""
    with begin(store) as tx:
        add_site(tx, "Acme", ["acme.example"], now=START, currency="JPY", key="acmekey")
        add_site(tx, "Other", ["other.example"], now=START, key="otherkey")
