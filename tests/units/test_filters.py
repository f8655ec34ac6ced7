"""What a site's own policy refuses and drops, before anything is written."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tracker.collect.accept import Arrived, Judged, SiteFacts, judge, read_beacon
from tracker.vocabulary import Refusal

NOW = datetime(2026, 4, 1, 3, 0, tzinfo=UTC)
BODY = b"""{"v": 1, "site": "k", "visitor": "vvvvvvvvvvvvvvvv", "sent_at": 1, "hits": [
  {"id": "01890a5d-ac96-774b-bcce-b302099a8057", "kind": "form", "at": 1, "url": "https://www.acme.example/",
   "identifiers": {"email": "jo@acme.example", "phone": "03-1234-5678"}, "fields": {"name": "Jo", "company": "Mo"}}]}"""


def judged(headers: dict[str, str], **policy: Any) -> Judged:
    site = SiteFacts(1, ("www.acme.example",), "Asia/Tokyo", **policy)
    return judge(Arrived(read_beacon(BODY), headers, "203.0.113.9", NOW), {"k": site}, timedelta(days=7))


@pytest.mark.parametrize(
    ("headers", "policy", "refusal"),
    [
        ({"sec-gpc": "1"}, {}, Refusal.OPTED_OUT),
        ({"sec-gpc": " 1 "}, {"gpc": True}, Refusal.OPTED_OUT),
        ({"sec-gpc": "1"}, {"gpc": False}, None),
        ({"sec-gpc": "0"}, {}, None),
        ({"dnt": "1"}, {}, None),
        ({"dnt": "1"}, {"dnt": True}, Refusal.OPTED_OUT),
        ({"dnt": "0"}, {"dnt": True}, None),
        ({"dnt": "1"}, {"gpc": True, "dnt": False}, None),
        ({"sec-gpc": "1", "dnt": "1"}, {"gpc": False, "dnt": True}, Refusal.OPTED_OUT),
        ({}, {"dnt": True}, None),
    ],
)
def test_what_the_browser_asks_for_is_heard_where_the_site_says_so(
    headers: dict[str, str], policy: dict[str, Any], refusal: Refusal | None
) -> None:
    found = judged(headers, **policy)
    assert (found.refusal, len(found.hits)) == (refusal, 0 if refusal else 1)


PHONE, NAME, COMPANY = {"phone": "03-1234-5678"}, {"name": "Jo"}, {"company": "Mo"}


@pytest.mark.parametrize(
    ("fields", "identifiers", "told"),
    [
        ((), {}, {}),
        (("phone",), PHONE, {}),
        (("name",), {}, {"fields": NAME}),
        (("company",), {}, {"fields": COMPANY}),
        (("phone", "name", "company"), PHONE, {"fields": {**NAME, **COMPANY}}),
        (("email", "message"), {}, {}),
    ],
)
def test_what_the_site_does_not_take_of_a_person_is_dropped_but_never_the_address(
    fields: tuple[str, ...], identifiers: dict[str, str], told: dict[str, Any]
) -> None:
    (hit,) = judged({}, fields=fields).hits
    assert hit.details == {"identifiers": {"email": "jo@acme.example", **identifiers}, **told}
