"""The list of contacts."""

from dataclasses import dataclass
from datetime import datetime

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue

from api.context import here
from api.pages.frame import Page, address, kept_arguments
from api.pages.routes import routes
from api.pages.shown import Cell, money
from api.trust import Audience, audience, site_seen
from tracker.db.store import reading
from tracker.reports.people import Listed, ListedTouch, list_people

PAGE_ROWS = 50


@dataclass(frozen=True, slots=True)
class ContactRow:
    """One contact as the template shows it."""

    href: str
    name: str | None
    email: str | None
    company: str | None
    first: ListedTouch | None
    last: ListedTouch | None
    lead_at: datetime
    n_visits: int
    n_deals: int
    revenue: Cell | None


def offset_asked() -> int:
    """Which row the page begins with."""
    text = request.args.get("cursor", "0")
    return min(int(text), 10_000_000) if text.isascii() and text.isdigit() else 0


def page_of(offset: int, size: int, n: int) -> Page:
    """The links to the pages before and after."""
    kept = kept_arguments()
    before = address(request.path, {**kept, "cursor": max(0, offset - size)}) if offset else None
    after = address(request.path, {**kept, "cursor": offset + size}) if offset + size < n else None
    return Page(before, after, n)


@routes.get("/contacts")
@audience(Audience.PEOPLE)
def contacts() -> ResponseReturnValue:
    """Everybody who can be named, newest lead first; ?q= searches."""
    site = site_seen()
    if site is None:
        return render_template("no_site.html")
    search, offset = request.args.get("q", "")[:200], offset_asked()
    with reading(here().engine) as tx:
        found, n = list_people(tx, site, search, offset, PAGE_ROWS)
    return render_template(
        "contacts.html", q=search, contacts=[row_of(one) for one in found], page=page_of(offset, PAGE_ROWS, n)
    )


def row_of(one: Listed) -> ContactRow:
    """A contact in the reader's language."""
    texts = [money(total, currency) for currency, total in one.revenue]
    return ContactRow(
        href=url_for("pages.contact", contact_id=one.contact_id),
        name=one.name,
        email=one.email,
        company=one.company,
        first=one.first,
        last=one.last,
        lead_at=one.lead_at,
        n_visits=one.n_visits,
        n_deals=one.n_deals,
        revenue=Cell(one.revenue[0][1], " + ".join(texts)) if texts else None,
    )
