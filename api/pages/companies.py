"""The companies of a site's people and deals, and one company with all that its people did."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from api.context import here
from api.pages.contact import BOOKED, Change, ShownStageTime, Step, change_of, stage_step, time_shown
from api.pages.contacts import ContactRow, offset_asked, page_of, row_of
from api.pages.files import FORMS, answer_file, files_of
from api.pages.frame import address, site_named
from api.pages.masked import deal_word, person_word, told
from api.pages.routes import routes
from api.pages.shown import NOTHING, Cell, count, money
from api.pages.stage_words import stages_seen
from api.trust import Audience, actor, audience, sees_people, site_seen
from tracker import flow
from tracker.access import audit
from tracker.access.sites import Site
from tracker.clock import local_day
from tracker.db.store import begin, reading
from tracker.errors import Invalid, NotFound
from tracker.lifecycle.settled import stages_of
from tracker.lifecycle.stages import one_of_the_sites
from tracker.reports.accounts_shown import role_word
from tracker.reports.companies import (
    MOST_IN_FILE,
    Company,
    CompanyOrder,
    all_companies,
    companies_sheet,
    company_order,
    list_companies,
    read_company,
)
from tracker.reports.company import MOST_DEALS, MOST_PEOPLE, CompanyDeal, CompanyStep, company_of
from tracker.reports.company_told import CompanyTold, company_told
from tracker.reports.people import Listed, ListedTouch
from tracker.vocabulary import Audited, Role, StageCause

PAGE_ROWS = 50
PAGE_STEPS = 100


@dataclass(frozen=True, slots=True)
class CompanyRow:
    """One company as the templates show it. stages: (stage, people)."""

    href: str
    domain: str
    name: str
    n_people: int
    stages: tuple[tuple[str, int], ...]
    n_deals: int
    open_amount: Cell | None
    revenue: Cell | None
    first_at: datetime | None
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class DealRow:
    """A deal of the company."""

    href: str
    reference: str
    name: str
    stage: str
    status: str
    amount: str
    created_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class ShownStep:
    """A step of the time line; who and who_href: whose it is."""

    kind: str
    at: datetime
    gap_days: int
    who: str = ""
    who_href: str = ""
    href: str = ""
    touch: ListedTouch | None = None
    deal: Change | None = None


@dataclass(frozen=True, slots=True)
class ShownTold:
    """What is told of the company.

    steps       the changes of its stage, the latest first
    properties  of the CRM, by name; nothing for readers who may not see people
    tier, owner, roles (name, n, number of people)  as a target account; tier '' for none
    """

    stage: str
    stage_at: datetime | None
    steps: tuple[Step, ...]
    times: tuple[ShownStageTime, ...]
    properties: tuple[tuple[str, str], ...]
    tier: str
    owner: str
    roles: tuple[tuple[str, int, str], ...]
    edit_href: str


@routes.get("/companies")
@audience(Audience.PEOPLE)
def companies() -> ResponseReturnValue:
    """Companies, the latest touch first; ?q= searches, ?sort= orders."""
    site = site_seen()
    if site is None:
        return render_template("no_site.html")
    search, order, offset = request.args.get("q", "")[:200], company_order(request.args.get("sort", "")), offset_asked()
    with reading(here().engine) as tx:
        found = list_companies(tx, site, search, order, offset, PAGE_ROWS)
    return render_template(
        "companies.html",
        q=search,
        sort=order.value,
        orders=[one.value for one in CompanyOrder],
        companies=[row_of_company(one, site) for one in found.companies],
        downloads=files_of("pages.companies_file") if sees_people() and found.n else None,
        page=page_of(offset, PAGE_ROWS, found.n),
    )


def row_of_company(one: Company, site: Site) -> CompanyRow:
    """A company in the reader's form."""
    return CompanyRow(
        href=url_for("pages.company", domain=one.domain),
        domain=one.domain,
        name=one.name or one.domain,
        n_people=one.n_people,
        stages=one.stages,
        n_deals=one.n_deals,
        open_amount=amount_cell(one.open_minor, site, one.n_deals),
        revenue=amount_cell(one.revenue_minor, site, one.n_deals),
        first_at=one.first_at,
        last_at=one.last_at,
    )


def amount_cell(minor: int, site: Site, n_deals: int) -> Cell | None:
    """An amount in the site's currency; None without any deal."""
    return Cell(minor, money(minor, site.currency)) if n_deals and site.currency else None


@routes.get("/companies/<path:domain>")
@audience(Audience.PEOPLE)
def company(domain: str) -> ResponseReturnValue:
    """One company: people, deals, and the time line of all of them."""
    site = site_seen()
    if site is None:
        raise NotFound("no company")
    offset = offset_asked()
    with reading(here().engine) as tx:
        found = company_of(tx, site, domain)
        told_of_it = company_told(tx, site, domain, here().now())
        stages = stages_seen(tx).names
    names = {one.contact_id: one for one in found.people}
    steps = steps_of(found.steps, names, site)
    return render_template(
        "company.html",
        company=row_of_company(found.company, site),
        told=told_shown(told_of_it, domain, site),
        stages=stages,
        people=people_rows(found.people),
        deals=[deal_row(one) for one in found.deals],
        steps=steps[offset : offset + PAGE_STEPS],
        most=(MOST_PEOPLE, MOST_DEALS),
        page=page_of(offset, PAGE_STEPS, len(steps)),
        back_href=url_for("pages.companies"),
    )


def told_shown(one: CompanyTold, domain: str, site: Site) -> ShownTold:
    """What is told of the company, in the reader's form."""
    account = one.account
    return ShownTold(
        stage=one.stage or "",
        stage_at=one.stage_at,
        steps=tuple(stage_step(step.at, 0, step) for step in reversed(one.steps)),
        times=tuple(time_shown(time) for time in one.times),
        properties=tuple((name, str(value)) for name, value in sorted(one.properties.items())) if sees_people() else (),
        tier=account.tier if account else "",
        owner=told(account.owner) if account else "",
        roles=tuple((role_word(role.name, gettext), n, count(n)) for role, n in one.roles),
        edit_href=address(url_for("pages.account_form"), {"domain": domain, "site": site.key}),
    )


@routes.post("/companies/<path:domain>/stage")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def move_company(domain: str) -> ResponseReturnValue:
    """Say in which stage a company is from now on."""
    site, stage, now = site_named(), request.form.get("stage", ""), here().now()
    with begin(here().engine) as tx:
        flow.take_turn(tx, site)
        before = company_told(tx, site, domain, now).stage
        read_company(tx, site, domain)
        try:
            one_of_the_sites(stages_of(tx, site.site_id), stage)
        except Invalid:
            flash(gettext("Choose one of the stages."), "error")
        else:
            if flow.company_said(tx, site, domain, None, now, now, stage, StageCause.USER, actor()):
                details = {"before": before, "after": stage}
                audit.note(tx, site.site_id, actor(), Audited.STAGE, domain, now=now, details=details)
                flash(gettext("Saved: the stage counts from now on."), "success")
            else:
                flash(gettext("The company is in this stage already."), "info")
    return redirect(url_for("pages.company", domain=domain, site=site.key))


def people_rows(people: Sequence[Listed]) -> list[ContactRow]:
    """The company's people, as the list of contacts shows them."""
    return [row_of(one) for one in people]


def deal_row(one: CompanyDeal) -> DealRow:
    """A deal in the reader's form."""
    return DealRow(
        href=url_for("pages.deal", reference=one.reference),
        reference=one.reference,
        name=deal_word(one.reference, one.name),
        stage=one.stage or "",
        status=one.status.value,
        amount=money(one.amount_minor, one.currency) if one.currency else NOTHING,
        created_at=one.created_at,
        closed_at=one.closed_at,
    )


def steps_of(steps: Sequence[CompanyStep], people: dict[str, Listed], site: Site) -> list[ShownStep]:
    """The time line, with the days between its steps; a win that is booked is not told twice."""
    booked = {(step.deal.reference, step.at) for step in steps if step.deal and step.deal.kind in BOOKED}
    found: list[ShownStep] = []
    before: date | None = None
    for step in steps:
        if step.deal and step.deal.kind == "status" and (step.deal.reference, step.at) in booked:
            continue
        day = date.fromisoformat(local_day(step.at, site.timezone))
        gap, before = (max(0, (day - before).days) if before else 0), day
        person = people.get(step.contact_id or "")
        found.append(
            ShownStep(
                kind=step.kind,
                at=step.at,
                gap_days=gap,
                who=person_word(person.contact_id, person.name, person.email) if person else "",
                who_href=url_for("pages.contact", contact_id=person.contact_id) if person else "",
                href=href_of(step),
                touch=step.touch,
                deal=change_of(step.deal) if step.deal else None,
            )
        )
    return found


def href_of(step: CompanyStep) -> str:
    """Where a step leads: a touch to its hits, a deal to why it is credited so."""
    if step.touch is not None:
        return url_for("pages.touch", touchpoint_id=step.key)
    return url_for("pages.deal", reference=step.deal.reference) if step.deal else ""


# --- as a file ------------------------------------------------------------------------------------------------------


@routes.get("/companies.<form>")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def companies_file(form: str) -> ResponseReturnValue:
    """The same companies as a file: csv, xlsx or json; of very many the first in their order."""
    site = site_seen()
    if site is None or form not in FORMS:
        raise NotFound("no such file", field="form")
    search, order, now = request.args.get("q", "")[:200], company_order(request.args.get("sort", "")), here().now()
    with reading(here().engine) as tx:
        rows = list(all_companies(tx, site, search, order, MOST_IN_FILE))
        stages = stages_seen(tx)
    sheet = companies_sheet(rows, site, stages, gettext)
    answer = answer_file(form, ["companies", local_day(now, site.timezone)], lambda: [sheet])
    with begin(here().engine) as tx:
        details = {"form": form, "rows": len(rows), "asked": {"q": search} if search else {}}
        audit.note(tx, site.site_id, actor(), Audited.EXPORT, "companies", now=now, details=details)
    return answer
