"""The gallery in Firefox: on each page, what must and must not reach the collector. See gallery/README.md."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Playwright

from tests.browser.engines import Engine, PlaywrightEngine, firefox_browser
from tests.browser.gallery.played import pages
from tests.browser.gallery.stage import perform

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def engine(playwright: Playwright) -> Iterator[Engine]:
    """One profile for all pages."""
    with firefox_browser(playwright) as firefox:
        yield PlaywrightEngine(firefox)


@pytest.mark.parametrize("name", pages("firefox"))
def test_what_must_reaches_the_collector_and_the_page_works_as_without(name: str, engine: Engine) -> None:
    wrong = perform(engine, name)
    assert not wrong, "\n".join(wrong)
