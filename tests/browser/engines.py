"""Three browser engines behind the same few verbs: what the gallery's steps need, and no more.

Chromium and Firefox are driven by Playwright, WebKitGTK by its WebDriver. All three are Debian's own. Names under
`localhost` lead to this machine in each of them, without any set-up.

A selector may reach into an open shadow tree or a frame of the same origin: `x-form >>> input`, `iframe#f >>> input`.
"""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, NoReturn, Protocol

import pytest
import requests
from playwright.sync_api import Browser, ConsoleMessage, Error, Locator, Page, Playwright, WebError

from tests.browser.webdriver import DriverError, Session
from tests.patience import wait_until

FIREFOX = ("firefox-esr",)
PATIENCE_MS = 15_000
# What Firefox does beside showing pages takes it twice the time that the pages take.
QUICK: Mapping[str, str | float | bool] = {
    "accessibility.force_disabled": 1,
    "browser.formfill.enable": False,
    "dom.ipc.keepProcessesAlive.web": 1,
    "dom.ipc.processCount": 1,
    "fission.autostart": False,
    "layout.frame_rate": 10,
    "network.dns.disablePrefetch": True,
    "network.http.speculative-parallel-limit": 0,
    "network.predictor.enabled": False,
    "signon.autofillForms": False,
    "signon.rememberSignons": False,
}
# WebDriver's own names for keys, in its private plane: https://www.w3.org/TR/webdriver2/#keyboard-actions
KEYS = {"Enter": "\ue007", "Tab": "\ue004", "Space": " ", "Escape": "\ue00c", "Backspace": "\ue003", "End": "\ue010"}

WITHIN = " >>> "
FOREIGN = "foreign"
# `found` is what the selector finds, `frames` those that it is in.
FIND = f"""
    let root = document, found = null;
    const frames = [];
    for (const way of ways) {{
        found = root.querySelector(way);
        if (!found) return null;
        if (found.tagName === 'IFRAME' && way !== ways[ways.length - 1]) {{
            frames.push(found);
            root = found.contentDocument;
            if (!root) return '{FOREIGN}';
        }} else {{
            root = found.shadowRoot || found;
        }}
    }}"""
CENTRE = """(() => {
    found.scrollIntoView({ block: 'center', behavior: 'instant' });
    const { width, height, left, top } = found.getClientRects()[0] || {};
    if (!width || !height) return null;
    const boxes = frames.map((frame) => [frame.getBoundingClientRect(), frame]);
    const add = (size, side) => boxes.reduce((sum, [box, frame]) => sum + box[side] + frame[size], 0);
    return [left + width / 2 + add('clientLeft', 'left'), top + height / 2 + add('clientTop', 'top')];
})()"""
SHOWN = "found.value !== undefined && found.tagName !== 'LI' ? found.value : found.textContent.trim()"


class Engine(Protocol):
    """A browser with tabs, of which one is in front; a visitor's hands and eyes."""

    name: str

    def goto(self, address: str) -> None:
        """Go there and wait until the page has loaded."""

    def click(self, selector: str) -> None: ...

    def doubleclick(self, selector: str) -> None: ...

    def hover(self, selector: str) -> None:
        """Bring the pointer there."""

    def fill(self, selector: str, text: str) -> None:
        """Replace what the field holds, by keys."""

    def press(self, key: str) -> None:
        """One of KEYS, to whatever has the focus."""

    def type(self, text: str) -> None:
        """To whatever has the focus."""

    def run(self, script: str) -> Any:
        """The value of an expression in the page; raises what the engine raises if the page is just going."""

    def read(self, selector: str) -> str | None:
        """What the element shows: a field's value, else its text; None if it is not there."""

    def move(self, how: str) -> None:
        """`back`, `forward` or `reload`; back and forward may still be on their way."""

    def new_tab(self) -> None:
        """An empty tab, in front from now on."""

    def close_tab(self) -> None:
        """The tab in front goes, the one before it comes."""

    def fresh_domain(self) -> str:
        """A domain under `localhost` of which the browser keeps no cookie."""

    def noises(self) -> list[str]:
        """Errors and warnings that the engine itself has told of since the last call; empty where it tells none."""


def missing(what: str) -> NoReturn:
    """Skips the test on a person's machine, fails it in CI."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(what)


def firefox_path() -> str:
    """Where Firefox is: Debian's, or the one that MINAMOTO_TEST_FIREFOX names."""
    path = os.environ.get("MINAMOTO_TEST_FIREFOX") or next(filter(None, map(shutil.which, FIREFOX)), None)
    if path is None:
        missing("no Firefox here: apt-get install firefox-esr, or name one in MINAMOTO_TEST_FIREFOX")
    return path


@contextmanager
def firefox_browser(playwright: Playwright) -> Iterator[Browser]:
    """Debian's Firefox, spoken to by WebDriver BiDi: Playwright's own build is not needed."""
    browser = playwright.firefox.launch(
        executable_path=firefox_path(), channel="moz-firefox", firefox_user_prefs=dict(QUICK)
    )
    yield browser
    browser.close()


class PlaywrightEngine:
    """Chromium or Firefox: one profile, so the tabs share cookies."""

    def __init__(self, browser: Browser) -> None:
        self.name = browser.browser_type.name
        self.context = browser.new_context(locale="en-US", viewport={"width": 800, "height": 600})
        self.context.set_default_timeout(PATIENCE_MS)
        self.heard: list[str] = []
        self.context.on("console", self.listen)
        self.context.on("weberror", self.thrown)
        self.tabs: list[Page] = [self.context.new_page()]

    def listen(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.heard.append(f"{message.type}: {message.text}")

    def thrown(self, error: WebError) -> None:
        # Firefox tells as an error that a domain was too wide for a cookie, which is what is being tried out.
        if "rejected for invalid domain" not in str(error.error):
            self.heard.append(f"thrown: {error.error}")

    @property
    def page(self) -> Page:
        return self.tabs[-1]

    def locate(self, selector: str) -> Locator:
        *frames, last = selector.split(WITHIN)
        place: Any = self.page
        for each in frames:
            place = place.frame_locator(each) if each.startswith("iframe") else place.locator(each)
        return place.locator(last).first  # type: ignore[no-any-return]

    def find(self, selector: str, use: str) -> Any:
        """What `use`, an expression of `found` and `frames`, gives; waits until that is something.

        Playwright's own way takes Firefox a fifth of a second each time. FOREIGN: only Playwright can reach it.
        """
        got: list[Any] = [None]

        def look() -> bool:
            with suppress(Error):  # the page was just going
                got[0] = self.page.evaluate(f"(ways) => {{ {FIND} return {use}; }}", selector.split(WITHIN))
            return got[0] is not None

        wait_until(look, 0.01, PATIENCE_MS / 1000, lambda: f"{selector} never came")
        return got[0]

    def goto(self, address: str) -> None:
        self.page.goto(address)

    def click(self, selector: str) -> None:
        self.hit(selector, 1)

    def doubleclick(self, selector: str) -> None:
        self.hit(selector, 2)

    def hover(self, selector: str) -> None:
        self.page.mouse.move(*self.find(selector, CENTRE))

    def hit(self, selector: str, n_times: int) -> None:
        place = self.find(selector, CENTRE)
        if place == FOREIGN:
            self.locate(selector).click(click_count=n_times)
        else:
            self.page.mouse.click(*place, click_count=n_times)

    def fill(self, selector: str, text: str) -> None:
        if self.find(selector, "(found.focus(), found.select(), found.value !== '')") == FOREIGN:
            self.locate(selector).click()
        else:
            self.page.keyboard.press("Backspace")
        # As from a phone's keyboard: most in one go, then a key, so that listeners to keys have something to hear.
        self.page.keyboard.insert_text(text[:-1])
        self.type(text[-1:])

    def type(self, text: str) -> None:
        self.page.keyboard.type(text)

    def press(self, key: str) -> None:
        self.page.keyboard.press(key)

    def run(self, script: str) -> Any:
        return self.page.evaluate(script)

    def read(self, selector: str) -> str | None:
        shown: str | None = self.page.evaluate(f"(ways) => {{ {FIND} return {SHOWN}; }}", selector.split(WITHIN))
        return shown

    def move(self, how: str) -> None:
        # Playwright waits for a load, which a page out of Firefox's back-forward cache does not have.
        self.page.reload() if how == "reload" else self.page.evaluate(f"void history.{how}()")

    def new_tab(self) -> None:
        self.tabs.append(self.context.new_page())

    def close_tab(self) -> None:
        self.tabs.pop().close(run_before_unload=True)

    def fresh_domain(self) -> str:
        # Always the same: a new process for each new site takes these browsers a second.
        self.context.clear_cookies()
        return "shop.localhost"

    def noises(self) -> list[str]:
        heard, self.heard = self.heard, []
        return heard


class WebKitEngine:
    """WebKitGTK's small browser; it has one profile, too, and tells nothing of its console."""

    name = "webkit"

    def __init__(self, session: Session) -> None:
        self.session = session
        self.tabs = session.windows()
        self.domains = count(1)

    def locate(self, selector: str) -> dict[str, str]:
        """The element, waited for; afterwards the commands go to the frame that it is in."""
        found: list[dict[str, str]] = []

        def look() -> bool:
            with suppress(DriverError):
                found.append(self.look(selector))
            return bool(found)

        wait_until(look, 0.01, PATIENCE_MS / 1000)
        return found[0]

    def look(self, selector: str) -> dict[str, str]:
        *ways, last = selector.split(WITHIN)
        self.session.enter(None)
        shadow = None
        for each in ways:
            element = self.session.find(each, shadow)
            shadow = None if each.startswith("iframe") else self.session.shadow(element)
            if shadow is None:
                self.session.enter(element)
        return self.session.find(last, shadow)

    def goto(self, address: str) -> None:
        self.session.go(address)

    def click(self, selector: str) -> None:
        self.hit(self.locate(selector))

    def hit(self, element: dict[str, str], n_times: int = 1) -> None:
        """By the mouse: the driver's own click finds that an element of a shadow tree is covered by its host."""
        self.session.run("arguments[0].scrollIntoView({ block: 'center' })", element)
        move = {"type": "pointerMove", "x": 0, "y": 0, "origin": element}
        press = [{"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp")]
        self.session.act("pointer", move, *press * n_times, parameters={"pointerType": "mouse"})

    def doubleclick(self, selector: str) -> None:
        self.hit(self.locate(selector), 2)

    def hover(self, selector: str) -> None:
        self.hit(self.locate(selector), 0)

    def fill(self, selector: str, text: str) -> None:
        field = self.locate(selector)
        self.session.run("arguments[0].focus(); arguments[0].select();", field)
        try:
            self.session.type(field, KEYS["Backspace"] + text)
        except DriverError:  # it sees no focus in a frame of another site
            self.hit(field)
            self.type(text)
        self.session.enter(None)

    def type(self, text: str) -> None:
        keys = [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]
        self.session.act("key", *keys)

    def press(self, key: str) -> None:
        self.type(KEYS[key])

    def run(self, script: str) -> Any:
        self.session.enter(None)
        return self.session.run(f"return ({script})")

    def read(self, selector: str) -> str | None:
        try:
            found = self.look(selector)
            shown: str = self.session.run(f"const found = arguments[0]; return {SHOWN};", found)
        except DriverError:
            return None
        return shown

    def move(self, how: str) -> None:
        self.session.ask("POST", f"/{'refresh' if how == 'reload' else how}")

    def new_tab(self) -> None:
        self.tabs.append(self.session.ask("POST", "/window/new", {"type": "tab"})["handle"])
        self.show()

    def close_tab(self) -> None:
        self.session.ask("DELETE", "/window")
        self.tabs.pop()
        self.show()

    def show(self) -> None:
        self.session.ask("POST", "/window", {"handle": self.tabs[-1]})

    def fresh_domain(self) -> str:
        # Its driver clears the cookies of the page in front, and of no other.
        return f"shop{next(self.domains)}.localhost"

    def noises(self) -> list[str]:
        return []


def webkit_paths() -> tuple[str, str, str]:
    """Xvfb, the driver, the browser."""
    browsers = sorted(Path("/usr/lib").glob("*/webkit2gtk-4.*/MiniBrowser"))
    tools = [shutil.which(name) for name in ("Xvfb", "WebKitWebDriver", "dbus-run-session")]
    if not (browsers and all(tools)):
        missing("no WebKitGTK here: apt-get install webkit2gtk-driver xvfb dbus-daemon")
    return str(tools[0]), str(tools[1]), str(browsers[-1])


@contextmanager
def webkit_engine() -> Iterator[WebKitEngine]:
    """WebKitGTK on a screen that nobody sees, with a message bus of its own."""
    xvfb, driver, browser = webkit_paths()
    reading, writing = os.pipe()
    told = [xvfb, "-displayfd", str(writing), "-screen", "0", "1280x800x24", "-nolisten", "tcp"]
    screen = subprocess.Popen(told, pass_fds=[writing], stderr=subprocess.DEVNULL)
    os.close(writing)
    with os.fdopen(reading) as lines:
        display = lines.readline().strip()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    served = subprocess.Popen(
        ["dbus-run-session", "--", driver, f"--port={port}"],
        env={**os.environ, "DISPLAY": f":{display}", "NO_AT_BRIDGE": "1", "LANG": "C.UTF-8"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        wait_until(lambda: listens(address), 0.02)
        wanted = {
            "browserName": "MiniBrowser",
            "webkitgtk:browserOptions": {"binary": browser, "args": ["--automation"]},
        }
        session = Session(address, wanted)
        yield WebKitEngine(session)
        with suppress(DriverError, requests.RequestException):
            session.end()
    finally:
        os.killpg(served.pid, signal.SIGTERM)
        screen.terminate()
        served.wait()
        screen.wait()


def listens(address: str) -> bool:
    with suppress(requests.RequestException):
        return requests.get(f"{address}/status", timeout=1).ok
    return False
