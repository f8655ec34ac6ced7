"""The calls page: which calls came, how far each was followed, and the site's numbers, which owners manage."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from api.context import here
from api.pages.contacts import offset_asked, page_of
from api.pages.files import files_of
from api.pages.frame import site_named
from api.pages.masked import person_word, told
from api.pages.routes import routes
from api.trust import Audience, actor, audience, is_owner, sees_people, site_seen
from tracker import settling
from tracker.access.sites import Site
from tracker.calls.numbers import Number, list_numbers
from tracker.db.store import Tx, begin, reading
from tracker.errors import Conflict, Invalid, MinamotoError, NotFound
from tracker.phones import written
from tracker.reports.calls import Call, count_calls, list_calls
from tracker.vocabulary import Role

PAGE_ROWS = 50
PERIOD = timedelta(days=30)
MOST_MINUTES = 7 * 24 * 60


@dataclass(frozen=True, slots=True)
class ShownNumber:
    """A number as people write it; `source` … of one that is printed, else the numbers it stands in for."""

    number: str
    e164: str
    shown: tuple[str, ...]
    source: str | None
    medium: str | None
    campaign: str | None


@dataclass(frozen=True, slots=True)
class ShownCall:
    """A call as the template shows it; texts are strangers'."""

    started_at: datetime
    traced: str
    number: str
    caller: str | None
    duration_s: int | None
    answered: bool | None
    n_candidates: int
    contact: str | None
    href: str | None
    channel: str | None
    source: str | None
    medium: str | None
    campaign: str | None


@routes.get("/calls")
@audience(Audience.PEOPLE)
def calls() -> ResponseReturnValue:
    """Calls, newest first, and the numbers."""
    site = site_seen()
    if site is None:
        return render_template("no_site.html")
    offset = offset_asked()
    with reading(here().engine) as tx:
        found, n = list_calls(tx, site.site_id, offset, PAGE_ROWS)
        counts = count_calls(tx, site.site_id, here().now() - PERIOD)
        numbers = list_numbers(tx, site.site_id)
    return render_template(
        "calls.html",
        calls=[call_shown(one) for one in found],
        counts=counts,
        numbers=[number_shown(one) for one in numbers],
        lease_min=site.lease_s // 60,
        rest_min=site.lease_rest_s // 60,
        address=f"{request.host_url.rstrip('/')}/api/v1/calls",
        may_change=is_owner(),
        downloads=files_of("pages.calls_file") if sees_people() and n else None,
        page=page_of(offset, PAGE_ROWS, n),
    )


@routes.post("/calls/numbers")
@audience(Audience.PEOPLE, least=Role.OWNER)
def save_number() -> ResponseReturnValue:
    """Add a number; for owners."""

    def add(tx: Tx, site: Site) -> str:
        shown = [text for text in request.form.get("shown", "").replace("、", ",").split(",") if text.strip()]
        names = {name: request.form.get(name, "") for name in ("source", "medium", "campaign")}
        text = request.form.get("number", "")
        settling.settle_number(tx, site, text, actor=actor(), now=here().now(), shown=shown, **names)
        return str(gettext("Saved. Browsers have it within an hour."))

    return changed(add)


@routes.post("/calls/numbers/remove")
@audience(Audience.PEOPLE, least=Role.OWNER)
def take_number() -> ResponseReturnValue:
    """Remove a number; for owners."""

    def remove(tx: Tx, site: Site) -> str:
        settling.take_number(tx, site, request.form.get("number", ""), actor=actor(), now=here().now())
        return str(gettext("The number is removed."))

    return changed(remove)


@routes.post("/calls/terms")
@audience(Audience.PEOPLE, least=Role.OWNER)
def save_terms() -> ResponseReturnValue:
    """Set how long visitors hold a number and how long it rests; for owners."""

    def save(tx: Tx, site: Site) -> str:
        lease_s, rest_s = minutes("lease", 1), minutes("rest", 0)
        settling.settle_terms(tx, site.key, lease_s, rest_s, actor=actor(), now=here().now())
        return str(gettext("Saved."))

    return changed(save)


def changed(change: Callable[[Tx, Site], str]) -> ResponseReturnValue:
    """Do what an owner asks, and show the page again with what came of it."""
    site = site_named()
    try:
        with begin(here().engine) as tx:
            flash(change(tx, site), "success")
    except (Invalid, Conflict, NotFound) as error:
        flash(reason(error), "error")
    return redirect(url_for("pages.calls", site=site.key))


def reason(error: MinamotoError) -> str:
    """Why a change was refused, in the reader's language."""
    if isinstance(error, Conflict):
        return str(gettext("The site has this number already."))
    if error.field == "source":
        return str(gettext("A medium or a campaign needs a source."))
    if error.field == "minutes":
        return str(gettext("Give whole minutes, at most a week."))
    if "stands in" in error.message:
        return str(gettext("Name the number of your site that it stands in for, or a source; not both."))
    return str(gettext("This is no phone number of your country. Write it with its country: +81 3 1234 5678."))


def minutes(name: str, least: int) -> int:
    """A number of minutes of the form, in seconds; raises Invalid."""
    text = request.form.get(name, "")
    if not (text.isascii() and text.isdigit() and least <= int(text[:9]) <= MOST_MINUTES):
        raise Invalid("is not a number of minutes", field="minutes")
    return int(text) * 60


def plain(number: str) -> str:
    """A number as it is written abroad; what is none stays."""
    try:
        return written(number).international
    except ValueError:
        return number


def number_shown(one: Number) -> ShownNumber:
    """A number in the reader's form."""
    shown = tuple(plain(number) for number in one.shown)
    return ShownNumber(plain(one.number), one.number, shown, one.source, one.medium, one.campaign)


def call_shown(one: Call) -> ShownCall:
    """A call in the reader's form."""
    return ShownCall(
        started_at=one.started_at,
        traced=one.traced.value,
        number=plain(one.number),
        caller=told(plain(one.caller)) or None if one.caller else None,
        duration_s=one.duration_s,
        answered=one.answered,
        n_candidates=one.n_candidates,
        contact=person_word(one.contact_id, one.contact_name) if one.contact_id else None,
        href=url_for("pages.contact", contact_id=one.contact_id) if one.contact_id else None,
        channel=one.channel,
        source=one.source,
        medium=one.medium,
        campaign=one.campaign,
    )
