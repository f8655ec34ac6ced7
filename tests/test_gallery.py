"""Which pages of the snippet's gallery are played: all, unless they were with just this snippet."""

import json
from pathlib import Path

import pytest

from tests.browser.gallery.played import OF_THE_ENGINE, OTHERS, WHOLE, pages, state, write_down
from tests.browser.gallery.situation import names


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The record of a whole gallery played with today's snippet."""
    monkeypatch.delenv(WHOLE, raising=False)
    write_down(tmp_path / "played.json")
    return tmp_path / "played.json"


@pytest.mark.parametrize("engine", OTHERS)
def test_a_gallery_that_was_played_whole_is_played_where_the_engine_matters(engine: str, record: Path) -> None:
    played = pages(engine, record)
    assert played == [name for name in names(engine) if name.startswith(OF_THE_ENGINE)]
    assert {one for one in OF_THE_ENGINE if not any(name.startswith(one) for name in played)} == set()
    assert pages("chromium", record) == names("chromium")


@pytest.mark.parametrize("engine", OTHERS)
def test_a_snippet_or_a_page_that_was_changed_since_is_played_everywhere(engine: str, record: Path) -> None:
    record.write_text(json.dumps({engine: state()[::-1]}))
    assert pages(engine, record) == names(engine)
    record.unlink()
    assert pages(engine, record) == names(engine)


@pytest.mark.parametrize("engine", OTHERS)
def test_whoever_asks_for_the_whole_gallery_gets_it(engine: str, record: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WHOLE, "1")
    assert pages(engine, record) == names(engine)
