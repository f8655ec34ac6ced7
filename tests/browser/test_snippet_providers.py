"""Adapters of providers that live in frames of another host: real frames, real messages, impostors beside them."""

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Page, Route

from api.website.snippet import compose
from tests.browser.origins import STATIC, Collector, Website

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("noises")]

BOOKED = {"event": {"uri": "https://api.calendly.com/E"}, "invitee": {"uri": "https://api.calendly.com/E/I"}}
MAIL = [{"type": "INPUT_EMAIL", "title": "E-mail", "answer": {"value": "a@b.test"}}]
ANSWERS = {"submissionValues": {"email": "a@b.test", "message": "Please call me"}}

# Adapter, address of its frame, an impostor's, what both tell, and what of it reaches the collector.
FRAMES: list[tuple[str, str, str, Any, dict[str, Any]]] = [
    (
        "calendly",
        "https://calendly.com/acme/30min?embed_type=Inline",
        "https://calendly.com.evil.test/",
        {"event": "calendly.event_scheduled", "payload": BOOKED},
        {"provider": "calendly", "form": "acme/30min", "response": "https://api.calendly.com/E/I"},
    ),
    (
        "typeform",
        "https://form.typeform.com/to/HLjqXS5W",
        "https://eviltypeform.com/",
        {"type": "form-submit", "embedId": "1", "formId": "HLjqXS5W", "responseId": "r1"},
        {"provider": "typeform", "form": "HLjqXS5W", "response": "r1"},
    ),
    (
        "calcom",
        "https://app.cal.com/acme/30min/embed",
        "https://cal.com.evil.test/",
        {"originator": "CAL", "type": "bookingSuccessfulV2", "data": {"uid": "u1", "eventTypeId": 42}},
        {"provider": "calcom", "form": 42, "response": "u1"},
    ),
    (
        "tally",
        "https://tally.so/embed/mRoDv3",
        "https://tally.so.evil.test/",
        json.dumps({"event": "Tally.FormSubmitted", "payload": {"formId": "m", "formName": "News", "fields": MAIL}}),
        {"id": "m", "name": "News", "provider": "tally"},
    ),
    (
        "hubspot",
        "https://share-eu1.hsforms.com/1abc",
        "https://hsforms.com.evil.test/",
        {"type": "hsFormCallback", "eventName": "onFormSubmitted", "id": "0aa2", "data": ANSWERS},
        {"id": "0aa2", "name": "", "provider": "hubspot"},
    ),
]


def serve(route: Route) -> None:
    """The provider's page: its button tells the page around it what the address says behind '#'."""
    script = "parent.postMessage(JSON.parse(decodeURIComponent(location.hash.slice(1))), '*')"
    route.fulfill(body=f'<!doctype html><button onclick="{script}">Send</button>', content_type="text/html")


@pytest.mark.parametrize(("adapter", "theirs", "impostor", "told", "reaches"), FRAMES, ids=[each[0] for each in FRAMES])
def test_the_providers_frame_is_heard_and_an_impostors_is_not(
    adapter: str,
    theirs: str,
    impostor: str,
    told: object,
    reaches: dict[str, Any],
    page: Page,
    website: Website,
    collector: Collector,
) -> None:
    collector.script = compose(str(STATIC), {"site": "KEY", "consent": "none"}, [adapter])
    page.context.route(re.compile("^https:"), serve)
    website.put("/", '<iframe id="evil"></iframe><iframe id="true"></iframe>')
    page.goto(website.at())
    for name, address in (("evil", impostor), ("true", theirs)):
        page.evaluate(
            "([name, src, told]) => { document.getElementById(name).src = src + '#' + encodeURIComponent(told); }",
            [name, address, json.dumps(told)],
        )
    for name in ("evil", "true", "true"):
        page.frame_locator(f"#{name}").locator("button").click()
    # Messages come in order: when this one has come, all have.
    page.evaluate("() => new Promise((done) => { addEventListener('message', done); postMessage('last', '*'); })")
    page.evaluate("() => minamoto('event', 'closing')")
    collector.wait_for(lambda: any(hit.get("name") == "closing" for hit in collector.hits("event")))
    hits = [hit for hit in collector.hits() if hit["kind"] in {"form", "event"} and hit.get("name") != "closing"]
    assert [hit.get("form", hit.get("props")) for hit in hits] == [reaches]
    assert hits[0].get("identifiers", {}) == ({"email": "a@b.test"} if hits[0]["kind"] == "form" else {})
    assert "Please call me" not in "".join(request.body for request in collector.beacons())
