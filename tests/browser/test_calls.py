"""The part for calls on real pages: each way of writing the number, late pages, consent, what must stay as it was."""

import json
from typing import Any

import pytest
from playwright.sync_api import Page

from api.website.snippet import compose
from tests.browser.conftest import Noises
from tests.browser.origins import STATIC, Collector, Website
from tests.patience import wait_until
from tracker.clock import now, to_ms

pytestmark = pytest.mark.browser

OWN = ["03-1111-2222", "+81 3-1111-2222"]
TOKYO = {"replace": "03-1111-2222", "with": "+81355556666", "written": ["03-5555-6666", "+81 3-5555-6666"]}
MOBILE = {"replace": "03-1111-2222", "with": "+815012345678", "written": ["050-1234-5678", "+81 50-1234-5678"]}
FREE = {"replace": "03-1111-2222", "with": "+81120123456", "written": ["0120-123-456", "+81 120-123-456"]}


def serve(collector: Collector, number: dict[str, Any] | None, shown: list[list[str]] | None = None) -> None:
    """The snippet with the part for calls, and the collector's answer to it."""
    collector.script = compose(str(STATIC), {"numbers": shown or [OWN]}, ["kit", "calls"])
    answer = {"numbers": [number] if number else [], "until": to_ms(now()) + 1_800_000}
    collector.answers = {"number": answer}


def questions(collector: Collector) -> list[dict[str, Any]]:
    return [json.loads(one.body) for one in collector.requests if one.path.endswith("?ask") and one.method == "POST"]


WRITTEN = [
    ("03-1111-2222", TOKYO, "03-5555-6666"),
    ("03 1111 2222", TOKYO, "03 5555 6666"),
    ("(03) 1111-2222", TOKYO, "(03) 5555-6666"),
    ("(03)1111-2222", TOKYO, "(03)5555-6666"),
    ("03.1111.2222", TOKYO, "03.5555.6666"),
    ("0311112222", TOKYO, "0355556666"),
    ("03-11112222", TOKYO, "03-55556666"),
    ("+81 3 1111 2222", TOKYO, "+81 3 5555 6666"),
    ("+81-3-1111-2222", TOKYO, "+81-3-5555-6666"),
    ("+81311112222", TOKYO, "+81355556666"),
    ("+81 (0)3 1111 2222", TOKYO, "+81 (0)3 5555 6666"),
    ("０３－１１１１－２２２２", TOKYO, "０３－５５５５－６６６６"),
    ("０３（１１１１）２２２２", TOKYO, "０３（５５５５）６６６６"),
    ("TEL：03-1111-2222（平日9:00～18:00）", TOKYO, "TEL：03-5555-6666（平日9:00～18:00）"),
    ("03-1111-2222/03-1111-2222", TOKYO, "03-5555-6666/03-5555-6666"),
    ("03-1111-2222", MOBILE, "050-1234-5678"),
    ("(03) 1111-2222", MOBILE, "(050) 1234-5678"),
    ("+81 3 1111 2222", MOBILE, "+81 50 1234 5678"),
    ("0311112222", MOBILE, "05012345678"),
    ("03-11112222", MOBILE, "050-1234-5678"),
    ("03 1111 2222", FREE, "0120 123 456"),
    ("03-1111-22223", TOKYO, "03-1111-22223"),
    ("103-1111-2222", TOKYO, "103-1111-2222"),
    ("03-1111-2223", TOKYO, "03-1111-2223"),
]


def test_each_way_of_writing_the_number_is_kept(
    page: Page, website: Website, collector: Collector, noises: Noises
) -> None:
    for n, number in enumerate((TOKYO, MOBILE, FREE)):
        cases = [(old, new) for old, told, new in WRITTEN if told is number]
        serve(collector, number)
        body = "".join(f"<p>{old}</p><a href='tel:{old}'>call</a>" for old, _ in cases)
        website.put(f"/{n}", body + "<b id=mark>03-1111-2222</b>")
        page.goto(website.at(f"/{n}"))
        page.wait_for_function("document.querySelector('#mark').textContent !== '03-1111-2222'")
        texts = page.eval_on_selector_all("p", "all => all.map((one) => one.textContent)")
        assert texts == [new for _, new in cases]
        links = page.eval_on_selector_all("a", "all => all.map((one) => one.getAttribute('href'))")
        assert links == [f"tel:{new}" for _, new in cases]


def test_nothing_else_on_the_page_changes(page: Page, website: Website, collector: Collector, noises: Noises) -> None:
    serve(collector, TOKYO)
    body = """<p id=p>Call <b id=b>03-1111-2222</b></p><input value="03-1111-2222"><textarea>03-1111-2222</textarea>
    <div contenteditable>03-1111-2222</div><pre><code>const tel = '03-1111-2222';</code></pre>
    <script type="application/ld+json">{"telephone": "03-1111-2222"}</script>
    <select><option>03-1111-2222</option></select>
    <a id=mail href="mailto:03-1111-2222@shop.test">mail</a><a id=web href="/03-1111-2222">page</a>
    <form><input name="parentNode"><input name="nodeName"><input name="getAttribute"><span>03-1111-2222</span></form>"""
    website.put("/", body)
    page.goto(website.at())
    page.wait_for_function("document.querySelector('#b').textContent === '03-5555-6666'")
    assert page.input_value("input >> nth=0") == page.input_value("textarea") == "03-1111-2222"
    assert page.text_content("[contenteditable]") == "03-1111-2222"
    assert page.text_content("option") == "03-1111-2222"
    assert "03-1111-2222" in str(page.text_content("script[type='application/ld+json']"))
    assert page.get_attribute("#mail", "href") == "mailto:03-1111-2222@shop.test"
    assert page.get_attribute("#web", "href") == "/03-1111-2222"
    assert page.text_content("form span") == "03-5555-6666"


def test_a_number_that_is_rendered_late_is_replaced_and_nothing_goes_round_in_circles(
    page: Page, website: Website, collector: Collector, noises: Noises
) -> None:
    serve(collector, TOKYO)
    website.put("/", "<p id=p>Prices</p>")
    page.clock.install()
    page.goto(website.at())
    collector.hit("page")
    assert questions(collector) == []  # a page without the number asks for none
    page.evaluate("""() => {
      const box = document.createElement('div');
      box.innerHTML = '<a id=late href="tel:0311112222">03-1111-2222</a>';
      document.body.append(box);
    }""")
    page.wait_for_function("document.querySelector('#late').textContent === '03-5555-6666'")
    assert page.get_attribute("#late", "href") == "tel:0355556666"
    # What a framework writes anew is replaced anew.
    page.evaluate("document.querySelector('#late').firstChild.data = 'Tel. 03-1111-2222'")
    page.wait_for_function("document.querySelector('#late').textContent === 'Tel. 03-5555-6666'")
    page.evaluate("""() => {
      window.changes = 0;
      new MutationObserver((all) => { window.changes += all.length; })
        .observe(document, {subtree: true, childList: true, characterData: true, attributes: true});
      document.body.append('.');
    }""")
    page.clock.run_for(1_000)
    assert page.evaluate("changes") == 1
    assert len(questions(collector)) == 1


def test_what_is_asked_tells_where_the_visitor_landed_and_which_numbers_are_there(
    page: Page, website: Website, collector: Collector, noises: Noises
) -> None:
    serve(collector, TOKYO, [OWN, ["06-1111-2222", "+81 6-1111-2222"]])
    website.put("/", "<b>03-1111-2222</b>")
    page.goto(website.at("/?utm_source=google"))
    page.wait_for_function("document.querySelector('b').textContent === '03-5555-6666'")
    (asked,) = questions(collector)
    assert asked["shown"] == ["03-1111-2222"]
    assert asked["url"] == website.at("/?utm_source=google")
    collector.hit("page")
    assert asked["visitor"] == collector.visitors()[0]
    page.evaluate("history.pushState({}, '', '/next')")
    page.evaluate("document.body.append('.')")
    wait_until(lambda: len(questions(collector)) == 2)


def test_before_consent_the_page_keeps_its_number_and_nobody_is_asked(
    page: Page, website: Website, collector: Collector, noises: Noises
) -> None:
    serve(collector, TOKYO)
    website.put("/", "<b>03-1111-2222</b>", data_consent="opt-in")
    page.clock.install()
    page.goto(website.at())
    page.wait_for_function("window.minamoto && minamoto.loaded")
    page.evaluate("document.body.append('.')")
    page.clock.run_for(1_000)
    assert page.text_content("b") == "03-1111-2222"
    assert questions(collector) == []
    page.evaluate("minamoto('consent', true)")
    page.wait_for_function("document.querySelector('b').textContent === '03-5555-6666'")


@pytest.mark.parametrize("silent", ["nothing", "refused", "deaf"])
def test_without_an_answer_the_page_keeps_its_number(
    page: Page, website: Website, collector: Collector, noises: Noises, silent: str
) -> None:
    serve(collector, None)
    if silent == "refused":
        collector.answers = {"number": "not what was asked for"}
    if silent == "deaf":
        collector.deaf = True
        noises.expected = "ERR_EMPTY_RESPONSE"
    website.put("/", "<b>03-1111-2222</b>")
    page.clock.install()
    page.goto(website.at())
    collector.wait_for(lambda: questions(collector))
    page.evaluate("document.body.append('.')")
    page.clock.run_for(1_000)
    assert page.text_content("b") == "03-1111-2222"
    assert len(questions(collector)) == 1


def test_another_number_later_takes_the_place_of_the_first(
    page: Page, website: Website, collector: Collector, noises: Noises
) -> None:
    serve(collector, TOKYO)
    website.put("/", "<b>03-1111-2222</b>")
    page.goto(website.at())
    page.wait_for_function("document.querySelector('b').textContent === '03-5555-6666'")
    collector.answers["number"]["numbers"] = [MOBILE]
    page.evaluate("history.pushState({}, '', '/next')")
    page.evaluate("document.body.append('.')")
    page.wait_for_function("document.querySelector('b').textContent === '050-1234-5678'")
