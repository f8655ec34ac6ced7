"""The deals behind one figure of the Opportunity report, each leading to why it is credited so."""

from dataclasses import dataclass
from datetime import date

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue

from api.context import here
from api.pages.deal import CREDITED_BY
from api.pages.frame import Page, address, kept_arguments
from api.pages.opportunities import ShownFigure, asked, figure_of, share
from api.pages.routes import routes
from api.pages.shown import NOTHING, Cell, count, money
from api.trust import Audience, audience, sees_people, site_seen
from tracker.attribution.credit import MICRO
from tracker.clock import local_day
from tracker.db.store import reading
from tracker.deals.probability import WHOLE_BP
from tracker.errors import NotFound
from tracker.reports.catalogue import Unit
from tracker.reports.opportunity import Asked
from tracker.reports.opportunity_rows import COUNTED_BY, DealBehind, Rows, Which, deals_behind
from tracker.reports.opportunity_shown import FIGURES

PAGE_ROWS = 50
OWN = ("metric", "stage", "is", "unattributed", "reason")


@dataclass(frozen=True, slots=True)
class ShownDeal:
    """A deal. `name` and `reason` are empty for who may not see people."""

    name: str
    reference: str
    href: str
    stage: str
    status: str
    since: date
    days: int | None
    amount: str
    probability: str
    n_people: int
    reason: str
    credit: Cell


@dataclass(frozen=True, slots=True)
class ShownWhich:
    """Which figure it is, in the reader's words."""

    figure: ShownFigure
    text: str
    stage: str | None
    by: str
    value: str | None
    is_unattributed: bool
    reason: str | None


def which_asked() -> Which:
    """The figure that the address names; who may not see people is not told what single reasons stand behind."""
    args = request.args
    return Which(
        metric=args.get("metric", "deals"),
        stage=args.get("stage"),
        value=args.get("is"),
        is_unattributed=args.get("unattributed") == "1",
        reason=args.get("reason") if sees_people() else None,
    )


@routes.get("/reports/opportunities/rows")
@audience(Audience.PEOPLE)
def opportunities_rows() -> ResponseReturnValue:
    """A page of the deals behind ?metric= of a stage and a source."""
    site = site_seen()
    if site is None:
        raise NotFound("no site")
    which = which_asked()
    with reading(here().engine) as tx:
        _, question = asked(tx, site, local_day(here().now(), site.timezone))
        found = deals_behind(tx, question, which, request.args.get("cursor") or None, PAGE_ROWS)
    query = question.query
    return render_template(
        "opportunities_rows.html",
        which=shown_which(which, question, found),
        as_of=date.fromisoformat(question.as_of),
        from_day=date.fromisoformat(query.from_day),
        to_day=date.fromisoformat(query.to_day),
        model=query.model.value,
        rows=[shown_deal(one, which, query.currency) for one in found.rows],
        labels=found.labels,
        page=page_of(found),
        back_href=address(url_for("pages.opportunities"), kept_arguments(*OWN)),
    )


def shown_which(which: Which, question: Asked, found: Rows) -> ShownWhich:
    """The figure in words."""
    text = (
        count(found.n_people) if which.metric == "people" else credit_text(found.figure, which, question.query.currency)
    )
    return ShownWhich(
        figure_of(which.metric),
        text,
        which.stage,
        question.query.by[0].value,
        which.value,
        which.is_unattributed,
        which.reason,
    )


def credit_text(amount: int, which: Which, currency: str | None) -> str:
    """A figure, or one deal's part in it."""
    if FIGURES[COUNTED_BY.get(which.metric, which.metric)].unit is Unit.MONEY:
        return NOTHING if currency is None else money(amount, currency)
    return count(amount / MICRO)


def shown_deal(one: DealBehind, which: Which, currency: str | None) -> ShownDeal:
    """A deal in the reader's language."""
    kept = {name: value for name in CREDITED_BY if (value := request.args.get(name))} | {"of": "created"}
    return ShownDeal(
        name=one.name or "" if sees_people() else "",
        reference=one.reference,
        href=address(url_for("pages.deal", reference=one.reference), kept),
        stage=one.stage,
        status=one.status,
        since=date.fromisoformat(one.since),
        days=one.days,
        amount=money(one.amount_minor, one.currency),
        probability=NOTHING if one.probability_bp is None else share(one.probability_bp / WHOLE_BP),
        n_people=one.n_people,
        reason=(one.lost_reason or "") if sees_people() and one.status == "lost" else "",
        credit=Cell(one.credit, credit_text(one.credit, which, currency)),
    )


def page_of(found: Rows) -> Page:
    """Paging: on by cursor, back to the first page."""
    kept = kept_arguments()
    first = address(request.path, kept) if request.args.get("cursor") else None
    after = address(request.path, {**kept, "cursor": found.next_cursor}) if found.next_cursor else None
    return Page(first, after, found.n_rows)
