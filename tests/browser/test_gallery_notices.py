"""What the gallery is there to notice, it notices: scripts that do what a snippet must not."""

import pytest
from playwright.sync_api import Browser

from tests.browser.engines import Engine, PlaywrightEngine
from tests.browser.gallery.stage import perform

pytestmark = pytest.mark.browser

TELL = """
    const { src } = document.currentScript;
    const tell = (kind, facts) => {
      const at = { url: location.href, title: document.title, referrer: document.referrer };
      const hits = [Object.assign({ id: String(Math.random()), kind, at: Date.now() }, at, facts)];
      const body = JSON.stringify({ v: 1, site: 'KEY', visitor: 'v'.repeat(20), consent: 'none', hits });
      fetch(new URL('m/e', src), { method: 'POST', keepalive: true, body });
    };
    const lead = (form, more) => {
      const identifiers = Object.assign({ email: form.elements.email.value }, more);
      tell('form', { form: { id: form.id, name: form.getAttribute('name'), action: '/thanks' }, identifiers });
    };
    const listen = (work) => addEventListener('submit', work, true);
    const on = (type, work) => document.addEventListener(type, work, true);
"""
GOOD = "tell('page', {}); listen((event) => lead(event.target));"
BAD = {
    "tells nothing of the form": ("tell('page', {});", "wanted:"),
    "tells of the form twice": (GOOD + "listen((event) => lead(event.target));", "wanted:"),
    "tells a phone number that nobody typed": (
        "tell('page', {}); listen((event) => lead(event.target, { phone: '0' }));",
        "wanted:",
    ),
    "leaks what was typed": (
        GOOD + "on('input', ({ target }) => fetch(new URL('x?' + target.value, src)));",
        "left the page",
    ),
    "keeps what was typed": (GOOD + "on('input', ({ target }) => { localStorage._mnm = target.value; });", "is kept"),
    "throws": (GOOD + "setTimeout(() => { throw new Error('mine'); });", "thrown: "),
    "complains": (GOOD + "console.warn('mine');", "console.warn mine"),
    "leaves a name in window": (GOOD + "window.mine = 1;", "new in window"),
    "changes a field": (GOOD + "listen(({ target }) => { target.elements.name.value = 'x'; });", "the page's posts"),
    "asks the website for something": (GOOD + "fetch('/something');", "the page's requests"),
    "holds the submit back": (
        GOOD
        + """listen((event) => {
            event.preventDefault();
            setTimeout(() => event.target.submit());
        });""",
        "submits and noises",
    ),
    "sends the form once more": (
        GOOD
        + "listen(({ target }) => fetch('/thanks', { method: 'POST', body: new FormData(target), keepalive: true }));",
        "the page's posts",
    ),
}


@pytest.fixture(scope="module")
def engine(chromium: Browser) -> Engine:
    """One profile for all scripts."""
    return PlaywrightEngine(chromium)


def script(work: str) -> bytes:
    return f"(() => {{ {TELL} {work} }})();".encode()


def test_a_script_that_does_what_it_must_is_praised(engine: Engine) -> None:
    assert perform(engine, "form-native", script(GOOD)) == []


@pytest.mark.parametrize("what", BAD)
def test_a_script_that_does_what_it_must_not_is_found(what: str, engine: Engine) -> None:
    work, said = BAD[what]
    # What these do is seen as soon as the page has been played; what they never tell is not worth a long wait.
    assert said in "\n".join(perform(engine, "form-native", script(work), patience_s=1))
