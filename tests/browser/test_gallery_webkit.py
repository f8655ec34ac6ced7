"""The gallery in WebKitGTK: on each page, what must and must not reach the collector. See gallery/README.md."""

from collections.abc import Iterator

import pytest

from tests.browser.engines import Engine, webkit_engine
from tests.browser.gallery.played import pages
from tests.browser.gallery.stage import perform

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """One profile for all pages."""
    with webkit_engine() as webkit:
        yield webkit


@pytest.mark.parametrize("name", pages("webkit"))
def test_what_must_reaches_the_collector_and_the_page_works_as_without(name: str, engine: Engine) -> None:
    wrong = perform(engine, name)
    assert not wrong, "\n".join(wrong)
