"""A real Chromium for the tests of this folder: `chromium`, `new_context`, `locale`, `context`, `page`.

The browser is Debian's (or the one that MINAMOTO_TEST_CHROMIUM names); Playwright brings the driver only.
Every host name leads to this machine: no test reaches the network, and `www.shop.test` is a host like any.

For the tests of the snippet also two small servers, `website` and `collector`, and an ear for `noises`.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, Playwright, sync_playwright
from sqlalchemy import Engine

from tests.browser.engines import missing
from tests.browser.origins import Collector, Website
from tests.live import Live, running

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGS = (
    "--no-sandbox",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * 127.0.0.1",
)

NewContext = Callable[..., BrowserContext]


def chromium_path() -> str:
    """Where Chromium is; skips the test if the machine has none, fails it in CI."""
    named = os.environ.get("MINAMOTO_TEST_CHROMIUM")
    path = named or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        missing("no Chromium here: apt-get install chromium, or name one in MINAMOTO_TEST_CHROMIUM")
    return path


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """The driver of Chromium and Firefox; a process can have only one."""
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    """One browser for the run (with xdist: for the worker)."""
    browser = playwright.chromium.launch(executable_path=chromium_path(), args=list(ARGS))
    yield browser
    browser.close()


@pytest.fixture
def new_context(chromium: Browser) -> Iterator[NewContext]:
    """Makes browser contexts, each a visitor of its own; takes Playwright's options."""
    contexts: list[BrowserContext] = []

    def make(**options: Any) -> BrowserContext:
        contexts.append(chromium.new_context(**options))
        contexts[-1].set_default_timeout(15_000)
        return contexts[-1]

    yield make
    for context in contexts:
        # Closed on the way from one page to another, it may never close.
        for page in context.pages:
            with suppress(Error):
                page.goto("about:blank", timeout=5_000)
        context.close()


@pytest.fixture
def locale() -> str:
    """The language of `context`; for another one: @pytest.mark.parametrize("locale", ["ja-JP"])."""
    return "en-US"


@pytest.fixture
def context(new_context: NewContext, locale: str) -> BrowserContext:
    """One visitor, with nothing in the browser yet."""
    return new_context(locale=locale)


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """One empty tab of `context`."""
    return context.new_page()


@pytest.fixture
def collector() -> Iterator[Collector]:
    """What the snippet reports to."""
    with closing(Collector()) as collector:
        yield collector


@pytest.fixture
def website(collector: Collector) -> Iterator[Website]:
    """A site that is to carry the snippet."""
    with closing(Website(collector)) as website:
        yield website


class Noises(list[str]):
    """What the pages of a test said on the console, and what they threw."""

    expected: str | None = None


@pytest.fixture
def noises(context: BrowserContext) -> Iterator[Noises]:
    """No page may make a noise; a test that breaks something on purpose says what it expects."""
    noises = Noises()

    def listen(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            noises.append(f"{message.type}: {message.text}")

    context.on("console", listen)
    context.on("weberror", lambda error: noises.append(f"thrown: {error.error}"))
    yield noises
    assert [noise for noise in noises if noises.expected is None or noises.expected not in noise] == []


@pytest.fixture
def beacons(context: BrowserContext) -> list[str]:
    """The address of each request to a collector, whether it arrived or not."""
    beacons: list[str] = []
    context.on("request", lambda request: beacons.append(request.url) if "/m/e" in request.url else None)
    return beacons


@pytest.fixture
def live(store: Engine, store_url: str) -> Iterator[Live]:
    """The real application on a socket, with a clock that the test sets."""
    with running(store, store_url) as live:
        yield live
