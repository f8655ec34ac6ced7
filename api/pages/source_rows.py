"""The rows behind one figure of the Source report; each leads on: a deal or a lead to why it is credited so, a visit to
its raw hits."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from api.context import here
from api.pages.deal import CREDITED_BY
from api.pages.frame import Page, address
from api.pages.masked import deal_word, person_word
from api.pages.narrowing import Chip, chips_of, link, pairs_kept
from api.pages.routes import routes
from api.pages.shown import Cell, count, money
from api.pages.source import Label, ShownColumn, asked, shown_meta
from api.trust import Audience, audience, site_seen
from tracker.attribution.credit import MICRO
from tracker.clock import local_day
from tracker.db.store import reading
from tracker.errors import NotFound
from tracker.reports.catalogue import METRIC, Unit, message
from tracker.reports.explain import models_asked
from tracker.reports.query import Query
from tracker.reports.rows import (
    Behind,
    ContactSeen,
    CostBehind,
    DealBehind,
    EntryBehind,
    LeadBehind,
    Rows,
    VisitBehind,
    rows_behind,
)
from tracker.reports.source import source_report
from tracker.reports.table import UNATTRIBUTED
from tracker.vocabulary import ConversionKind

PAGE_ROWS = 50
VISIT = (
    ("at", message("Began"), "instant"),
    ("channel", message("Channel"), "channel"),
    ("origin", message("Source / medium"), "text"),
    ("campaign", message("Campaign"), "text"),
    ("landing_page", message("Landing page"), "text"),
    ("contact", message("Contact"), "text"),
)
LEAD = (
    ("at", message("When"), "instant"),
    ("kind", message("Kind"), "text"),
    ("contact", message("Contact"), "text"),
    ("credit", message("Credit"), "count"),
)
DEAL = (
    ("at", message("When"), "instant"),
    ("deal", message("Deal"), "text"),
    ("reference", message("Reference"), "text"),
    ("credit", message("Credit"), "count"),
)
ENTRY = (
    ("day", message("Day"), "day"),
    ("deal", message("Deal"), "text"),
    ("reference", message("Reference"), "text"),
    ("kind", message("Entry"), "text"),
    ("amount", message("Amount"), "money"),
    ("credit", message("Credit"), "money"),
)
COST = (
    ("day", message("Day"), "day"),
    ("channel", message("Channel"), "channel"),
    ("origin", message("Source / medium"), "text"),
    ("campaign", message("Campaign"), "text"),
    ("clicks", message("Clicks"), "count"),
    ("amount", message("Amount"), "money"),
    ("credit", message("Cost"), "money"),
)
KINDS = {
    "form": message("Form"),
    "call": message("Call"),
    "chat": message("Chat"),
    "offline": message("Offline"),
    "lead": message("New lead"),
    "mql": message("New MQL"),
    "sql": message("New SQL"),
    "customer": message("New customer"),
    "won": message("Won"),
    "amended": message("Amended"),
    "refunded": message("Refunded"),
    "lost_after_won": message("Lost after it was won"),
    "reopened": message("Reopened"),
    "redated": message("Closing date corrected"),
}


@dataclass(frozen=True, slots=True)
class Figure:
    """The figure whose rows these are."""

    metric: str
    text: str
    unit: str
    filters: tuple[Label, ...]
    total: bool
    narrowed: tuple[Chip, ...] = ()


@dataclass(frozen=True, slots=True)
class ShownRow:
    """One row by its column's key."""

    cells: Mapping[str, Cell]


def values_asked(query: Query) -> tuple[str, ...] | None:
    """Which row of the report is meant: (): the totals; None: what no touch explains."""
    if request.args.get("unattributed") == "1":
        return None
    given = [request.args.get(f"is_{name.value}") for name in query.by]
    return tuple(value for value in given if value is not None) if all(value is not None for value in given) else ()


@routes.get("/reports/source/rows")
@audience(Audience.PEOPLE)
def source_rows() -> ResponseReturnValue:
    """A page of the rows behind ?metric= of the row that is_… name."""
    site = site_seen()
    if site is None:
        raise NotFound("no site")
    now = here().now()
    metric = request.args.get("metric", "")
    with reading(here().engine) as tx:
        _, query = asked(tx, site, local_day(now, site.timezone))
        values = values_asked(query)
        found = rows_behind(tx, query, metric, values, request.args.get("cursor") or None, PAGE_ROWS)
        meta = source_report(tx, replace(query, against=None), now).meta
    return render_template(
        "source_rows.html",
        figure=figure_of(query, metric, values, found),
        meta=shown_meta(meta),
        columns=[ShownColumn(key, gettext(label), unit) for key, label, unit in columns_of(metric)],
        rows=[ShownRow(cells_of(row, query)) for row in found.rows],
        sums=sums_of(metric, found, query),
        page=page_of(found),
        back_href=back(query),
    )


def columns_of(metric: str) -> tuple[tuple[str, str, str], ...]:
    """The columns that the rows of a metric have."""
    if metric in ("visits", "visitors"):
        return VISIT
    return {"deals": DEAL, "sales": DEAL, "revenue": ENTRY, "cost": COST}.get(metric, LEAD)


def figure_of(query: Query, metric: str, values: tuple[str, ...] | None, found: Rows) -> Figure:
    """The figure in words."""
    if values is None:
        filters: tuple[Label, ...] = (Label(query.by[0].value, UNATTRIBUTED, ""),)
    else:
        filters = tuple(Label(name.value, value, value) for name, value in zip(query.by, values, strict=False))
    unit = METRIC[metric].unit
    return Figure(
        gettext(METRIC[metric].label),
        credit_text(found.figure, metric, query),
        unit.value,
        filters,
        not filters,
        chips_of(query),
    )


def credit_text(amount: int, metric: str, query: Query) -> str:
    """A figure, or one row's share in it."""
    unit = METRIC[metric].unit
    if unit is Unit.MONEY:
        return money(amount, query.currency or "")
    return count(amount / MICRO if unit is Unit.CREDIT else amount)


def sums_of(metric: str, found: Rows, query: Query) -> dict[str, Cell]:
    """What the credited column adds up to: the figure."""
    if metric in ("visits", "visitors"):
        return {}
    return {"credit": Cell(found.figure, credit_text(found.figure, metric, query))}


def back(query: Query) -> str:
    """The report that the figure stands in."""
    named = {f"is_{name.value}" for name in query.by}
    return url_for("pages.source") + link(pairs_kept("metric", "unattributed", *named))


def page_of(found: Rows) -> Page:
    """Paging: on by cursor, back to the first page."""
    kept = pairs_kept()
    first = request.path + link(kept) if request.args.get("cursor") else None
    after = request.path + link([*kept, ("cursor", found.next_cursor)]) if found.next_cursor else None
    return Page(first, after, found.n_rows)


def contact_cell(contact: ContactSeen | None) -> Cell:
    """A contact by name, leading to its page."""
    if contact is None:
        return Cell(None, "")
    text = person_word(contact.contact_id, contact.name, contact.email)
    return Cell(text, text, url_for("pages.contact", contact_id=contact.contact_id))


def deal_cells(row: DealBehind | EntryBehind) -> dict[str, Cell]:
    """A deal by name, leading to why it is credited so."""
    text = deal_word(row.reference, row.name)
    kept = credited_alike() | (
        {"of": "created"} if isinstance(row, DealBehind) and row.kind == ConversionKind.DEAL_CREATED.value else {}
    )
    href = address(url_for("pages.deal", reference=row.reference), kept)
    return {"deal": Cell(text, text, href), "reference": Cell(row.reference, row.reference)}


def credited_alike() -> dict[str, str]:
    """The parameters of this page's address under which what is explained is what stands here.

    A model that shares all outcomes together says nothing of one of them.
    """
    kept = {name: value for name in CREDITED_BY if (value := request.args.get(name))}
    return kept if kept.get("model") in {None, *models_asked(None)} else kept | {"model": ""}


def cells_of(row: Behind, query: Query) -> dict[str, Cell]:
    """One row in the reader's language."""
    if isinstance(row, VisitBehind):
        return {
            "at": Cell(row.started_at, ""),
            "channel": Cell(row.channel, row.channel),
            "origin": Cell(row.source, f"{row.source} / {row.medium}"),
            "campaign": Cell(row.campaign, row.campaign),
            "landing_page": Cell(
                row.landing_page, row.landing_page, url_for("pages.touch", touchpoint_id=row.touchpoint_id)
            ),
            "contact": contact_cell(row.contact),
        }
    if isinstance(row, LeadBehind):
        return {
            "at": Cell(row.occurred_at, ""),
            "kind": lead_cell(row),
            "contact": contact_cell(row.contact),
            "credit": Cell(row.credit_micro, count(row.credit_micro / MICRO)),
        }
    if isinstance(row, DealBehind):
        shares = {"credit": Cell(row.credit_micro, count(row.credit_micro / MICRO))}
        return {"at": Cell(row.occurred_at, ""), **deal_cells(row), **shares}
    currency = query.currency or row.currency
    money_cells = {
        "day": Cell(date.fromisoformat(row.day), row.day),
        "amount": Cell(row.amount_minor, money(row.amount_minor, row.currency)),
        "credit": Cell(row.credit_minor, money(row.credit_minor, currency)),
    }
    if isinstance(row, EntryBehind):
        return {**deal_cells(row), "kind": kind_cell(row.kind), **money_cells}
    return cost_cells(row) | money_cells


def cost_cells(row: CostBehind) -> dict[str, Cell]:
    """What only a cost has."""
    clicks = Cell(None, "") if row.clicks is None else Cell(row.clicks, count(row.clicks))
    return {
        "channel": Cell(row.channel, row.channel),
        "origin": Cell(row.source, f"{row.source} / {row.medium}"),
        "campaign": Cell(row.campaign, row.campaign),
        "clicks": clicks,
    }


def lead_cell(row: LeadBehind) -> Cell:
    """What a lead event is, leading to why it is credited so."""
    href = address(url_for("pages.conversion", conversion_id=row.conversion_id), credited_alike())
    return replace(kind_cell(row.kind), href=href)


def kind_cell(kind: str) -> Cell:
    """A stored word as a word on the page."""
    text = gettext(KINDS[kind]) if kind in KINDS else kind
    return Cell(kind, text)
