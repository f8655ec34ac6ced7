"""The snippet and forms in a real browser: whose form it was, and that nothing else of what was typed leaves."""

import json
import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Noises
from tests.browser.origins import UNANSWERED, Collector, Hit, Website

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("noises")]

SECRETS = (
    "hunter2-hunter2",
    "no@b.test",
    "decoy@b.test",
    "hidden@b.test",
    "c@d.test",
    "12345678",
    "4111 1111 1111 1111",
    "4111111111111111",
    "Please call me",
    "Taro",
    "Yamada",
)


def form(fields: str, **attributes: str) -> str:
    """A form that posts to /thanks, with a button."""
    given = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items())
    return f'<form method="post" action="/thanks"{given}>{fields}<button>Send</button></form>'


def put(website: Website, *bodies: str) -> None:
    """The page with the form, and the page that its post leads to: a page view that closes the list of hits."""
    website.put("/", "".join(bodies), title="Contact")
    website.put("/thanks", title="closing")


def sent(page: Page, collector: Collector) -> list[Hit]:
    """Press the button, follow the page's own post, and return the form hits."""
    page.click("button")
    page.wait_for_url("**/thanks*")
    return formed(collector)


def formed(collector: Collector) -> list[Hit]:
    """The form hits, now that the closing page has been seen; no beacon holds what nobody may know."""
    collector.wait_for(lambda: any(hit["title"] == "closing" for hit in collector.hits("page")))
    assert secrets_told(collector) == []
    return collector.hits("form")


def secrets_told(collector: Collector) -> list[str]:
    """Which of the SECRETS are in a beacon, in any spelling of JSON."""
    told = "".join(body + json.dumps(json.loads(body)) for body in (each.body for each in collector.beacons()))
    return [secret for secret in SECRETS if secret in told]


A = {"email": "a@b.test"}
DECOY = '<input name="memo" value="decoy@b.test">'
LOG_IN = '<input type="password" name="p" value="hunter2-hunter2">'
BOTH = '<input name="email" value="a@b.test"><input type="tel" name="tel" value="090-1234-5678">'

# What a form holds, and whom it names. The decoy has an address too: another field wins by what it says of itself.
WHOSE = [
    ("type", DECOY + '<input type="email" name="f" value="a@b.test">', A),
    ("autocomplete", DECOY + '<input name="f" autocomplete="section-x billing email" value="a@b.test">', A),
    ("name", DECOY + '<input name="your-mail" value="a@b.test">', A),
    ("label", DECOY + '<label for="ID">Your e-mail</label><input id="ID" name="f" value="a@b.test">', A),
    ("label around it", DECOY + '<label>E-Mail-Adresse <input name="f" value="a@b.test"></label>', A),
    ("メール", DECOY + '<label for="ID">メールアドレス</label><input id="ID" name="f" value="a@b.test">', A),
    ("placeholder", DECOY + '<input name="f" placeholder="例）メール" value="a@b.test">', A),
    ("aria-label", DECOY + '<input name="f" aria-label="Email" value="a@b.test">', A),
    ("outside", f'{DECOY}<button>Go</button></form><input form="FORM" name="email" value="a@b.test">', A),
    ("value only", '<table><tr><th>連絡先<td><input name="field_3" value="a@b.test"></table>', A),
    ("wide characters", '<input name="mail" value=" ａ＠ｂ．ｔｅｓｔ ">', A),
    (
        "in company",
        """<input name="last" value="Yamada"><input name="first" value="Taro"><input type="email" name="email"
        value="a@b.test"><textarea name="body">Please call me: c@d.test</textarea><select name="s"><option>Yamada
        </select><input type="hidden" name="h" value="hidden@b.test">""",
        A,
    ),
    ("again", '<input name="email" value="a@b.test"><input type="email" name="email_confirm" value="no@b.test">', A),
    ("again first", '<label>Confirm e-mail <input type="email" value="no@b.test"></label><input value="a@b.test">', A),
    (
        "確認",
        """<label>メールアドレス（確認用）<input type="email" name="f2" value="no@b.test"></label>
        <label>メールアドレス<input name="f1" value="a@b.test"></label>""",
        A,
    ),
    ("friend loses", '<input type="email" name="friend_email" value="no@b.test"><input value="a@b.test">', A),
    ("phone", '<input type="tel" name="phone" value="+81 90-1234-5678">', {"phone": "+81 90-1234-5678"}),
    ("tel", '<input name="f" autocomplete="tel" value="(415) 555-0132">', {"phone": "(415) 555-0132"}),
    ("電話", '<label>電話番号<input value="０９０ー１２３４ー５６７８"></label>', {"phone": "090ー1234ー5678"}),
    (
        "fax",
        '<input name="your_tel" value="03-1234-5678"><input name="fax" value="1-234-999">',
        {"phone": "03-1234-5678"},
    ),
    (
        "two phones",
        '<input name="tel" value="03-1234-5678"><input name="mobile" value="090-1-2-3">',
        {"phone": "03-1234-5678"},
    ),
    ("both", BOTH, {"email": "a@b.test", "phone": "090-1234-5678"}),
    ("two passwords", BOTH + LOG_IN + LOG_IN, A),
    ("new password", BOTH + '<input type="password" autocomplete="new-password" value="hunter2-hunter2">', A),
    ("register", BOTH + LOG_IN, A),
    # Nobody:
    ("log-in", BOTH + LOG_IN, None),
    ("no field", "", None),
    ("nothing filled", '<input type="email" name="email">', None),
    ("no address", '<input name="email" value="at home">', None),
    ("search", '<input type="search" name="email" value="a@b.test">', None),
    ("search box", '<label>Search <input name="q" value="a@b.test"></label>', None),
    ("検索", '<input placeholder="サイト内検索" value="a@b.test">', None),
    ("textarea", '<textarea name="email">a@b.test</textarea>', None),
    ("hidden", '<input type="hidden" name="email" value="a@b.test">', None),
    ("password", '<input type="password" name="email" value="a@b.test">', None),
    ("disabled", '<fieldset disabled><input type="email" name="email" value="a@b.test"></fieldset>', None),
    ("friend", '<input type="email" name="friend_email" value="a@b.test">', None),
    ("友達", '<label>お友達のメール<input type="email" name="f" value="a@b.test"></label>', None),
    ("trap: not displayed", '<p style="display:none"><input name="email" value="a@b.test"></p>', None),
    ("trap: invisible", '<p style="visibility:hidden"><input name="email" value="a@b.test"></p>', None),
    ("trap: transparent", '<input style="opacity:0" name="email" value="a@b.test">', None),
    ("trap: far away", '<p style="position:absolute;left:-9999px"><input name="email" value="a@b.test"></p>', None),
    ("trap: tiny", '<input style="width:1px;padding:0;border:0" name="email" value="a@b.test">', None),
    ("trap: out of reach", '<input tabindex="-1" autocomplete="off" name="email" value="a@b.test">', None),
    ("card", '<input type="tel" name="card" autocomplete="cc-number" value="4111 1111 1111 1111">', None),
    ("card as phone", '<input type="tel" name="phone" value="4111111111111111">', None),
    ("one-time code", '<input type="tel" name="otp" value="12345678">', None),
    ("off", BOTH, None),
]


def test_it_finds_whose_form_it_was_and_nothing_else(page: Page, website: Website, collector: Collector) -> None:
    """All of WHOSE on one page, each form sent by its own button into a frame."""
    body = '<iframe name="void"></iframe>'
    for nth, (case, fields, _) in enumerate(WHOSE):
        here = fields.replace("ID", f"id{nth}").replace("FORM", f"form{nth}")
        more = ' data-m-form="off"' if case == "off" else ""
        start = f'<form id="form{nth}" method="post" target="void" action="/{case}?no#no"{more}>'
        body += f"{start}{here}<button>Go</button></form>"
    website.put("/", body, title="Forms")
    page.goto(website.at())
    collector.hit("page")
    for nth in range(len(WHOSE)):
        page.evaluate("nth => document.querySelector(`#form${nth} button`).click()", nth)
    page.goto(website.at("/?closing"))
    collector.hit("page", 2)

    # Beacons overtake one another: each is looked up by its form.
    collector.hit("form", sum(whose is not None for *_, whose in WHOSE))
    found = {hit["form"]["id"]: hit for hit in collector.hits("form")}
    expected = [(case, whose) for case, _, whose in WHOSE]
    read = [(case, found.get(f"form{nth}", {}).get("identifiers")) for nth, (case, *_) in enumerate(WHOSE)]
    assert read == expected
    assert found["form0"]["form"] == {"id": "form0", "name": "", "action": "/type"}
    assert found["form0"]["url"] == website.at()
    assert found["form0"]["title"] == "Forms"
    assert secrets_told(collector) == []


def test_a_field_of_an_earlier_step_counts(page: Page, website: Website, collector: Collector) -> None:
    step = '<div id="one"><input type="email" name="email"></div>'
    put(website, form(step))
    page.goto(website.at())
    collector.hit("page")
    page.fill("input", "a@b.test")
    page.evaluate("one.style.display = 'none'")
    assert [hit["identifiers"] for hit in sent(page, collector)] == [A]


FULL = """
    <input name="name" value="Taro Yamada"><input type="email" name="email" value="a@b.test">
    <input name="cc" autocomplete="cc-number" value="4111 1111 1111 1111"><input name="cvc" value="737">
    <input type="hidden" name="utm_source" value="x"><textarea name="message">Please call me</textarea>
"""


def test_the_pages_own_post_arrives_whole(page: Page, website: Website, collector: Collector) -> None:
    put(website, form(FULL))
    page.goto(website.at())
    collector.hit("page")
    assert len(sent(page, collector)) == 1
    assert website.posts()[0].form() == {
        "name": "Taro Yamada",
        "email": "a@b.test",
        "cc": "4111 1111 1111 1111",
        "cvc": "737",
        "utm_source": "x",
        "message": "Please call me",
    }


@pytest.mark.parametrize("how", ["button", "script"])
def test_what_a_get_form_puts_into_the_next_address_does_not_leave(
    page: Page, website: Website, collector: Collector, how: str
) -> None:
    put(website, form(FULL).replace('method="post"', ""))
    website.put("/thanks", '<a href="/closing">on</a>', title="thanks")
    website.put("/closing", title="closing")
    page.goto(website.at())
    collector.hit("page")
    if how == "button":
        page.click("button")
    else:
        page.evaluate("document.forms[0].submit()")
    page.wait_for_url("**/thanks?*")
    assert "4111" in page.url
    assert collector.hit("page", 2)["url"] == website.at("/thanks?utm_source=x")
    page.click("a")
    assert len(formed(collector)) == 1
    assert collector.hit("page", 3)["referrer"] == website.at("/thanks?utm_source=x")


def test_inputs_that_hide_the_forms_own_properties_do_no_harm(
    page: Page, website: Website, collector: Collector
) -> None:
    names = ("action", "submit", "id", "elements", "method", "name", "children")
    hiding = "".join(f'<input name="{name}" value="{name}">' for name in names)
    put(website, form(f'{hiding}<input type="email" name="email" value="a@b.test">', id="lead", name="n"))
    page.goto(website.at())
    collector.hit("page")
    (hit,) = sent(page, collector)
    assert hit["form"] == {"id": "lead", "name": "n", "action": "/thanks"}
    assert website.posts()[0].form()["submit"] == "submit"


FETCH = """<script>
    document.forms[0].addEventListener('submit', (event) => {
      event.preventDefault();
      event.stopPropagation();
      const body = new URLSearchParams(new FormData(event.target));
      event.target.reset();
      fetch('/api', { method: 'POST', body }).then(() => { document.title = 'done' });
    });
</script>"""


def test_a_form_that_posts_by_fetch_counts_once_per_view(page: Page, website: Website, collector: Collector) -> None:
    put(website, form('<input type="email" name="email" required>') + FETCH)
    page.goto(website.at())
    collector.hit("page")
    for _ in range(2):
        page.evaluate("document.title = 'again'")
        page.fill("input", "a@b.test")
        page.click("button")
        page.wait_for_function("document.title === 'done'")
    page.fill("input", "other@b.test")
    page.click("button")
    page.evaluate("history.pushState({}, '', '/later')")
    page.fill("input", "a@b.test")
    page.click("button")
    page.goto(website.at("/thanks"))
    told = [(hit["url"], hit["identifiers"]["email"]) for hit in formed(collector)]
    here, later = website.at("/"), website.at("/later")
    assert told == [(here, "a@b.test"), (here, "other@b.test"), (later, "a@b.test")]
    assert website.posts()[0].form() == {"email": "a@b.test"}


def test_a_form_that_the_page_finds_wanting_does_not_count(page: Page, website: Website, collector: Collector) -> None:
    fields = '<input type="email" name="email" value="a@b.test"><input id="name" name="name" required>'
    put(website, form(fields, novalidate="") + FETCH)
    page.goto(website.at())
    collector.hit("page")
    page.click("button")
    page.wait_for_function("document.title === 'done'")
    page.goto(website.at("/thanks"))
    assert formed(collector) == []


def test_a_form_that_the_browser_finds_wanting_does_not_count(
    page: Page, website: Website, collector: Collector
) -> None:
    fields = '<input type="email" name="email" value="a@b.test"><input id="name" name="name" required>'
    listener = "addEventListener('invalid', () => { window.invalid = (window.invalid || 0) + 1 }, true)"
    put(website, form(fields), f"<script>{listener}</script>")
    page.goto(website.at())
    collector.hit("page")
    page.click("button")
    assert page.evaluate("invalid") == 1
    page.evaluate("minamoto('event', 'end')")
    collector.hit("event")
    assert collector.hits("form") == []
    page.fill("#name", "Taro")
    assert len(sent(page, collector)) == 1


def test_a_double_click_counts_once(page: Page, website: Website, collector: Collector) -> None:
    put(website, form('<input type="email" name="email" value="a@b.test">'))
    page.goto(website.at())
    collector.hit("page")
    page.dblclick("button")
    # The second click may break off the navigation that the first one began.
    expect(page).to_have_url(re.compile("/thanks"))
    assert len(formed(collector)) == 1


@pytest.mark.parametrize("prevented", [True, False])
def test_a_form_that_a_script_submits_counts_once(
    page: Page, website: Website, collector: Collector, prevented: bool
) -> None:
    again = "onsubmit='event.preventDefault(); HTMLFormElement.prototype.submit.call(this)'" if prevented else ""
    fields = '<input type="email" name="email" value="a@b.test"><input name="submit" value="x">'
    put(website, form(fields).replace("<form", f"<form {again}"))
    page.goto(website.at())
    collector.hit("page")
    if prevented:
        page.click("button")
    else:
        page.evaluate("HTMLFormElement.prototype.submit.call(document.forms[0])")
    page.wait_for_url("**/thanks")
    assert len(formed(collector)) == 1
    assert len(website.posts()) == 1


def test_a_form_counts_even_if_the_page_goes_in_the_same_moment(
    page: Page, website: Website, collector: Collector
) -> None:
    put(website, form('<input type="email" name="email" value="a@b.test">'))
    page.goto(website.at())
    collector.hit("page")
    told = page.evaluate("""() => {
        const told = [];
        window.fetch = (address, how) => { told.push(how.body); return Promise.reject(new Error('gone')) };
        document.forms[0].requestSubmit();
        dispatchEvent(new Event('pagehide'));
        return told;
    }""")
    assert [json.loads(body)["hits"][0]["kind"] for body in told] == ["form"]
    page.wait_for_url("**/thanks*")


def test_a_late_form_counts(page: Page, website: Website, collector: Collector) -> None:
    put(website)
    page.goto(website.at())
    collector.hit("page")
    late = form('<input type="email" name="email" value="a@b.test">')
    page.evaluate("html => document.body.insertAdjacentHTML('beforeend', html)", late)
    assert len(sent(page, collector)) == 1


def test_a_form_sent_to_a_collector_that_is_down_comes_with_the_next_page(
    page: Page, noises: Noises, website: Website, collector: Collector
) -> None:
    noises.expected = "Failed to load resource"
    put(website, form('<input type="email" name="email" value="a@b.test">'))
    website.put("/thanks", title="thanks")
    page.goto(website.at())
    collector.hit("page")
    page.wait_for_function(f"{UNANSWERED}.length === 0")
    collector.deaf = True
    page.click("button")
    lost = collector.hit("form")
    page.wait_for_url("**/thanks")
    n_lost = collector.offers().count(lost)
    collector.deaf = False
    page.reload()
    collector.wait_for(lambda: collector.offers().count(lost) > n_lost)
    assert collector.hits("form") == [lost]
