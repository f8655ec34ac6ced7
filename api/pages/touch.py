"""One touch down to the raw hits: the rule that named it, its visit, and what the journal has of it."""

from dataclasses import dataclass, replace
from datetime import datetime

from flask import render_template, url_for
from flask.typing import ResponseReturnValue

from api.context import here
from api.pages.contact import ShownTouch, touch_shown
from api.pages.contacts import offset_asked, page_of
from api.pages.masked import address_seen, person_word
from api.pages.routes import routes
from api.trust import Audience, audience, sees_people, site_seen
from tracker.db.store import reading
from tracker.errors import NotFound
from tracker.reports.touch import OPEN_WORDS, RawHit, TouchRead, read_touch

PAGE_HITS = 100
# Of what a hit tells these are of no person.
OF_NOBODY = ("form.id", "form.name", "form.provider", "chat.provider", *OPEN_WORDS)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of the touch besides where it came from."""

    kind: str
    rule: str
    rules_version: str
    landing_url: str
    referrer: str
    click_ids: tuple[tuple[str, str], ...]
    device: str
    browser: str
    os: str
    country: str
    touch_id: str
    hit_id: str
    started_at: datetime
    ended_at: datetime | None
    n_pages: int
    sealed: bool


@routes.get("/touches/<touchpoint_id>")
@audience(Audience.PEOPLE)
def touch(touchpoint_id: str) -> ResponseReturnValue:
    """A touch of the site that is looked at, with the hits of its visit."""
    site = site_seen()
    if site is None:
        raise NotFound("no touch")
    offset = offset_asked()
    with reading(here().engine) as tx:
        found = read_touch(tx, site, touchpoint_id)
    who = found.contact
    return render_template(
        "touch.html",
        touch=shown(found),
        facts=facts_of(found),
        who=person_word(who.contact_id, who.name, who.email) if who else None,
        who_href=url_for("pages.contact", contact_id=who.contact_id) if who else None,
        hits=[hit_seen(one) for one in found.hits[offset : offset + PAGE_HITS]],
        page=page_of(offset, PAGE_HITS, len(found.hits)),
    )


def shown(found: TouchRead) -> ShownTouch:
    """Where the touch came from."""
    one = touch_shown(found.touch)
    assert one is not None
    return one


def hit_seen(one: RawHit) -> RawHit:
    """A hit as the reader may see it: who may not see people sees what is of nobody."""
    if sees_people():
        return one
    details = tuple((name, text if name in OF_NOBODY else None) for name, text in one.details)
    return replace(one, url=address_seen(one.url), referrer=address_seen(one.referrer), details=details)


def facts_of(found: TouchRead) -> Facts:
    """The other facts of the touch."""
    one, visit = found.touch, found.visit
    return Facts(
        kind=one.kind.value,
        rule=one.rule,
        rules_version=one.rules_version,
        landing_url=address_seen(one.landing_url),
        referrer=address_seen(one.referrer),
        click_ids=one.click_ids if sees_people() else (),
        device=one.device,
        browser=one.browser,
        os=one.os,
        country=one.country if len(one.country) == 2 else "",
        touch_id=one.touchpoint_id,
        hit_id=one.hit_id,
        started_at=one.occurred_at,
        ended_at=visit.ended_at if visit else None,
        n_pages=visit.n_pages if visit else 0,
        sealed=visit.sealed if visit else False,
    )
