"""The list of contacts: searched, narrowed, ordered, and as a file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from api.context import here
from api.pages.files import FORMS, answer_file, files_of
from api.pages.frame import Page, address, kept_arguments
from api.pages.masked import person_word
from api.pages.routes import routes
from api.pages.shown import Cell, money, period_of
from api.pages.stage_words import stages_seen
from api.trust import Audience, actor, audience, sees_people, site_seen
from tracker.access import audit
from tracker.access.sites import Site
from tracker.clock import local_day
from tracker.db.store import Tx, begin, reading
from tracker.errors import NotFound
from tracker.reports.people import (
    Listed,
    ListedTouch,
    Order,
    Wanted,
    Which,
    all_people,
    is_narrow,
    list_people,
    order_by,
    wanted_by,
)
from tracker.reports.sheet import Amount, CellKind, CellValue, Sheet, SheetColumn
from tracker.vocabulary import Audited, Channel, Role

PAGE_ROWS = 50
# Of more than these a file has the first in their order.
MOST_IN_FILE = 50_000
ASKED = (
    "q",
    "stage",
    "touch",
    "channel",
    "source",
    "score_from",
    "score_to",
    "deal",
    "country",
    "period",
    "from",
    "to",
)


@dataclass(frozen=True, slots=True)
class ContactRow:
    """One contact as the template shows it."""

    href: str
    name: str
    email: str | None
    company: str | None
    company_href: str | None
    stage: str | None
    score: int | None
    first: ListedTouch | None
    last: ListedTouch | None
    lead_at: datetime
    n_visits: int
    n_deals: int
    revenue: Cell | None


@dataclass(frozen=True, slots=True)
class ShownWanted:
    """What was asked. period: a preset's word, 'custom' or 'all_time'; its days in the site's zone."""

    q: str
    stage: str
    touch: str
    channel: str
    source: str
    score_from: int | None
    score_to: int | None
    deal: str
    country: str
    period: str
    from_day: date
    to_day: date
    sort: str
    is_narrow: bool
    stages: tuple[str, ...]
    channels: tuple[str, ...] = tuple(one.value for one in Channel if one is not Channel.UNATTRIBUTED)
    touches: tuple[str, ...] = tuple(which.value for which in Which)
    orders: tuple[str, ...] = tuple(order.value for order in Order)


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


def page_by(previous_cursor: str | None, next_cursor: str | None, n: int) -> Page:
    """The links to the pages before and after, by cursors."""
    kept = kept_arguments()
    before = address(request.path, {**kept, "cursor": previous_cursor}) if previous_cursor else None
    after = address(request.path, {**kept, "cursor": next_cursor}) if next_cursor else None
    return Page(before, after, n)


@routes.get("/contacts")
@audience(Audience.PEOPLE)
def contacts() -> ResponseReturnValue:
    """Everybody who can be named, the newest lead first."""
    site = site_seen()
    if site is None:
        return render_template("no_site.html")
    order = order_by(request.args.get("sort", ""))
    with reading(here().engine) as tx:
        wanted, shown = wanted_asked(tx, site)
        found = list_people(tx, site, wanted, order, request.args.get("cursor"), PAGE_ROWS)
    return render_template(
        "contacts.html",
        wanted=shown,
        contacts=[row_of(one) for one in found.people],
        page=page_by(found.previous_cursor, found.next_cursor, found.n),
        downloads=files_of("pages.contacts_file") if sees_people() and found.n else None,
        most_in_file=MOST_IN_FILE,
    )


def wanted_asked(tx: Tx, site: Site) -> tuple[Wanted, ShownWanted]:
    """Which people this page's address asks for, and how that is shown; raises Invalid."""
    args = {name: request.args.get(name, "") for name in ASKED}
    if not (args["period"] or args["from"] or args["to"]):
        args["period"] = "all_time"
    word, from_day, to_day = period_of(tx, args, site.site_id, local_day(here().now(), site.timezone))
    days = {"from": "", "to": ""} if word == "all_time" else {"from": from_day, "to": to_day}
    stages = stages_seen(tx)
    wanted = replace(wanted_by({**args, **days}, stages), by_company=not sees_people())
    return wanted, ShownWanted(
        q=wanted.search,
        stage=wanted.stage,
        touch=wanted.which.value,
        channel=wanted.channel,
        source=wanted.source,
        score_from=wanted.score_from,
        score_to=wanted.score_to,
        deal=args["deal"],
        country=wanted.country,
        period=word,
        from_day=date.fromisoformat(from_day),
        to_day=date.fromisoformat(to_day),
        sort=order_by(request.args.get("sort", "")).value,
        is_narrow=is_narrow(wanted),
        stages=stages.names,
    )


def row_of(one: Listed) -> ContactRow:
    """A contact in the reader's form."""
    is_named = sees_people()
    revenue = None
    if one.revenue:
        text = " + ".join(money(total, currency) for currency, total in one.revenue)
        revenue = Cell(sum(abs(total) for _, total in one.revenue), text)
    return ContactRow(
        href=url_for("pages.contact", contact_id=one.contact_id),
        name=person_word(one.contact_id, one.name, one.email),
        email=one.email if is_named and one.name else None,
        company=one.company,
        company_href=url_for("pages.company", domain=one.company_domain) if one.company_domain else None,
        stage=one.stage,
        score=one.score,
        first=one.first,
        last=one.last,
        lead_at=one.lead_at,
        n_visits=one.n_visits,
        n_deals=one.n_deals,
        revenue=revenue,
    )


# --- as a file ------------------------------------------------------------------------------------------------------


@routes.get("/contacts.<form>")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def contacts_file(form: str) -> ResponseReturnValue:
    """The same people as a file: csv, xlsx or json; of very many the first in their order."""
    site = site_seen()
    if site is None or form not in FORMS:
        raise NotFound("no such file", field="form")
    order, now = order_by(request.args.get("sort", "")), here().now()
    with reading(here().engine) as tx:
        wanted, _ = wanted_asked(tx, site)
        rows = [list(cells_of(one, site)) for one in all_people(tx, site, wanted, order, MOST_IN_FILE)]
    sheet = Sheet(gettext("Contacts"), columns_of(site), rows)
    answer = answer_file(form, ["contacts", local_day(now, site.timezone)], lambda: [sheet])
    told = {name: value for name, value in request.args.items() if name in {*ASKED, "sort"} and value}
    with begin(here().engine) as tx:
        details = {"form": form, "rows": len(rows), "asked": told}
        audit.note(tx, site.site_id, actor(), Audited.EXPORT, "contacts", now=now, details=details)
    return answer


def columns_of(site: Site) -> Sequence[SheetColumn]:
    """The columns of the file; money in the site's currency, and what is in others as text."""
    first, last = gettext("First touch"), gettext("Latest touch")

    def touch(word: str, key: str) -> list[SheetColumn]:
        return [
            SheetColumn(f"{word}: {gettext('Channel')}", key=f"{key}_channel"),
            SheetColumn(f"{word}: {gettext('Source')}", key=f"{key}_source"),
            SheetColumn(f"{word}: {gettext('Medium')}", key=f"{key}_medium"),
            SheetColumn(f"{word}: {gettext('Campaign')}", key=f"{key}_campaign"),
            SheetColumn(f"{word}: {gettext('Date')}", CellKind.INSTANT, f"{key}_at"),
        ]

    return [
        SheetColumn(gettext("Contact"), key="id"),
        SheetColumn(gettext("Name"), key="name"),
        SheetColumn(gettext("E-mail"), key="email"),
        SheetColumn(gettext("Phone number"), key="phone"),
        SheetColumn(gettext("CRM id"), key="crm_id"),
        SheetColumn(gettext("Company"), key="company"),
        SheetColumn(gettext("Company’s domain"), key="company_domain"),
        SheetColumn(gettext("Stage"), key="stage"),
        SheetColumn(gettext("Score"), CellKind.COUNT, "score"),
        SheetColumn(gettext("Country"), key="country"),
        SheetColumn(gettext("Lead since"), CellKind.INSTANT, "lead_at"),
        *touch(first, "first"),
        *touch(last, "last"),
        SheetColumn(gettext("Visits"), CellKind.COUNT, "visits"),
        SheetColumn(gettext("Deals"), CellKind.COUNT, "deals"),
        SheetColumn(gettext("Revenue"), CellKind.MONEY, "revenue", currency=site.currency),
        SheetColumn(gettext("Revenue in other currencies"), key="revenue_other"),
    ]


def cells_of(one: Listed, site: Site) -> Iterator[CellValue]:
    """One contact's cells."""
    yield from (one.contact_id, one.name, one.email, one.phone, one.crm_id, one.company, one.company_domain)
    yield from (one.stage, one.score, one.country, one.lead_at)
    for touch in (one.first, one.last):
        yield from (
            (None,) * 5
            if touch is None
            else (
                touch.channel,
                touch.source,
                touch.medium,
                touch.campaign,
                touch.at,
            )
        )
    yield from (one.n_visits, one.n_deals)
    own = {currency: total for currency, total in one.revenue if currency == site.currency}
    yield from (Amount(total, currency) for currency, total in own.items()) if own else (None,)
    yield " + ".join(money(total, currency) for currency, total in one.revenue if currency not in own) or None
