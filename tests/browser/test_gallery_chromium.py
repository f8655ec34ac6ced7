"""The gallery in Chromium: on each page, what must and must not reach the collector. See gallery/README.md."""

import pytest
from playwright.sync_api import Browser

from tests.browser.engines import Engine, PlaywrightEngine
from tests.browser.gallery.played import pages
from tests.browser.gallery.stage import perform

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def engine(chromium: Browser) -> Engine:
    """One profile for all pages."""
    return PlaywrightEngine(chromium)


@pytest.mark.parametrize("name", pages("chromium"))
def test_what_must_reaches_the_collector_and_the_page_works_as_without(name: str, engine: Engine) -> None:
    wrong = perform(engine, name)
    assert not wrong, "\n".join(wrong)
