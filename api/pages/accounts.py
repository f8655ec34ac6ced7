"""Target accounts: by tier, by source, over time, and each with its stage, its people and its deals; and as a file."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from babel.numbers import format_percent
from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from api.context import here
from api.languages import chosen
from api.pages.contacts import offset_asked, page_of
from api.pages.files import FORMS, answer_file, files_of
from api.pages.frame import Note, address
from api.pages.routes import routes
from api.pages.shown import NOTHING, Cell, count, money
from api.trust import Audience, actor, audience, sees_people, site_seen
from tracker.access import audit
from tracker.access.sites import Site
from tracker.clock import local_day
from tracker.db.store import Tx, begin, reading
from tracker.errors import Invalid, NotFound
from tracker.reports.account_facts import Months, SourceLine, by_source, months_of
from tracker.reports.accounts import (
    MOST_IN_FILE,
    NO_STAGE,
    AccountOrder,
    AccountRow,
    Accounts,
    TierLine,
    Wanted,
    accounts_report,
    wanted_by,
    with_engagement,
)
from tracker.reports.accounts_shown import FIGURES, accounts_sheet, role_word, without_owners
from tracker.reports.opportunity_facts import ask_opportunities
from tracker.vocabulary import Audited, Dimension, Role

PAGE_ROWS = 50
MOST_SOURCES = 30
ASKED = ("q", "tier", "stage", "owner", "people", "sort")
BARS_HEIGHT = 20


@dataclass(frozen=True, slots=True)
class Bar:
    """A week of a row's little chart: how high, and where it begins."""

    x: int
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class ShownAccount:
    """One account. roles: how many of the wanted ones are known, and which; weeks: its chart and its words."""

    href: str
    edit_href: str
    domain: str
    name: str
    tier: str
    owner: str
    stage: str
    stage_at: datetime | None
    people: Cell
    roles: str
    role_names: str
    score: Cell | None
    top_score: str
    touches: Cell
    bars: tuple[Bar, ...]
    weeks: str
    last_at: datetime | None
    deals: Cell
    expected: Cell | None
    revenue: Cell | None


@dataclass(frozen=True, slots=True)
class ShownTier:
    """A tier; '' for all accounts together."""

    tier: str
    href: str
    cells: dict[str, Cell | None]
    stages: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class ShownSource:
    """What is expected by a source: by tier, and in all."""

    value: str
    is_unattributed: bool
    tiers: tuple[str, ...]
    total: str


@dataclass(frozen=True, slots=True)
class ShownMonth:
    """A month: how many accounts came into each stage for the first time."""

    day: date
    counts: tuple[Cell, ...]


@routes.get("/accounts")
@audience(Audience.PEOPLE)
def accounts() -> ResponseReturnValue:
    """The target accounts; ?tier=, ?stage=, ?owner=, ?people=none and ?q= narrow the list, ?sort= orders it."""
    site = site_seen()
    if site is None:
        return render_template("no_site.html")
    now, offset = here().now(), offset_asked()
    with reading(here().engine) as tx:
        wanted, report = report_asked(tx, site, now)
        by = dimension_asked()
        asked = ask_opportunities(tx, {"by": by}, site, local_day(now, site.timezone))
        tiers = [one.tier or "" for one in report.tiers]
        sources = by_source(tx, asked, report.promised, tiers) if report.promised else []
        months = months_of(tx, site.site_id, local_day(now, site.timezone))
        rows = with_engagement(tx, site, report.rows[offset : offset + PAGE_ROWS], now)
    return render_template(
        "accounts.html",
        wanted=wanted,
        report=report,
        figures={key: (gettext(one.label), gettext(one.definition)) for key, one in FIGURES.items()},
        orders=[one.value for one in AccountOrder],
        tiers=[tier_shown(one, site) for one in report.tiers],
        total=tier_shown(report.total, site),
        accounts=[account_shown(one, report, site) for one in rows],
        stages=[*(name for name in report.stages.names), NO_STAGE],
        by=by,
        dimensions=[one.value for one in Dimension],
        sources=[source_shown(one, site) for one in sources[:MOST_SOURCES]],
        n_left_out=max(0, len(sources) - MOST_SOURCES),
        months=months_shown(months, report),
        month_stages=[name for name in report.stages.names if name in months.stages],
        notes=list(notes_of(report, site)),
        page=page_of(offset, PAGE_ROWS, len(report.rows)),
        downloads=files_of("pages.accounts_file", "by", "cursor") if sees_people() and report.n_all else None,
    )


def report_asked(tx: Tx, site: Site, now: datetime) -> tuple[Wanted, Accounts]:
    """What this address asks for, as this reader may see it."""
    args = {name: request.args.get(name, "") for name in ASKED}
    if not sees_people():
        args["owner"] = ""
    wanted = wanted_by(args)
    report = accounts_report(tx, site, wanted, now)
    return wanted, report if sees_people() else without_owners(report)


def dimension_asked() -> str:
    """By which dimension expected revenue is shared; raises Invalid."""
    by = request.args.get("by", "") or Dimension.CHANNEL.value
    if by not in set(Dimension):
        raise Invalid(f"{by[:40]!r} is no dimension", field="by")
    return by


def account_shown(one: AccountRow, report: Accounts, site: Site) -> ShownAccount:
    """An account in the reader's form."""
    weeks = one.engaged.weeks if one.engaged else ()
    return ShownAccount(
        href=url_for("pages.company", domain=one.domain),
        edit_href=address(url_for("pages.account_form"), {"domain": one.domain, "site": site.key}),
        domain=one.domain,
        name=one.name,
        tier=one.account.tier,
        owner=one.account.owner or "",
        stage=one.stage or "",
        stage_at=one.stage_at,
        people=Cell(
            one.n_people,
            count(one.n_people),
            address(url_for("pages.contacts"), {"q": one.domain}) if one.n_people else None,
        ),
        roles=f"{count(len(one.roles))} / {count(len(report.roles))}",
        role_names=", ".join(role_word(name, gettext) for name in one.roles),
        score=None if one.score is None else Cell(one.score, count(one.score)),
        top_score="" if one.top_score is None else count(one.top_score),
        touches=Cell(sum(weeks), count(sum(weeks))),
        bars=bars_of(weeks),
        weeks=", ".join(count(n) for n in weeks),
        last_at=one.last_at,
        deals=Cell(one.n_open, count(one.n_open)),
        expected=amount(one.expected_minor, site) if one.n_open else None,
        revenue=amount(one.revenue_minor, site),
    )


def bars_of(weeks: Sequence[int]) -> tuple[Bar, ...]:
    """A little chart of a row's weeks, its highest as high as there is room."""
    most = max([*weeks, 1])
    heights = [round(BARS_HEIGHT * n / most, 1) for n in weeks]
    return tuple(Bar(5 * number, BARS_HEIGHT - height, height) for number, height in enumerate(heights) if height)


def amount(minor: int, site: Site) -> Cell | None:
    """An amount in the site's currency."""
    return Cell(minor, money(minor, site.currency)) if site.currency else None


def tier_shown(one: TierLine, site: Site) -> ShownTier:
    """A tier in the reader's form; its numbers lead to its accounts."""
    own = {"tier": one.tier} if one.tier is not None else {}

    def href(**more: str) -> str:
        return address(url_for("pages.accounts"), {**own, **more}) + "#list"

    covered = NOTHING if one.coverage is None else format_percent(one.coverage, "#,##0%", locale=chosen())
    cells = {
        "accounts": Cell(one.n, count(one.n), href()),
        "known": Cell(one.n_known, count(one.n_known)),
        "unknown": Cell(one.n - one.n_known, count(one.n - one.n_known), href(people="none")),
        "coverage": Cell(one.coverage, covered, href(sort="coverage") if one.n_wanted else None),
        "active": Cell(one.n_active, count(one.n_active), href(sort="last") if one.n_active else None),
        "deals": Cell(one.n_open, count(one.n_open)),
        "expected": with_href(amount(one.expected_minor, site), href(sort="expected")),
        "revenue": with_href(amount(one.revenue_minor, site), href(sort="revenue")),
    }
    stages = tuple((stage, count(n), href(stage=stage)) for stage, n in one.stages)
    return ShownTier(one.tier or "", href(), cells, stages)


def with_href(cell: Cell | None, href: str) -> Cell | None:
    """A figure that leads to its rows, where there is any."""
    return Cell(cell.value, cell.text, href) if cell and cell.value else cell


def source_shown(one: SourceLine, site: Site) -> ShownSource:
    """A source in the reader's form."""
    currency = site.currency or ""
    return ShownSource(
        one.source.value,
        one.source.is_unattributed,
        tuple(money(minor, currency) if minor else NOTHING for minor in one.tiers),
        money(one.total_minor, currency),
    )


def months_shown(months: Months, report: Accounts) -> list[ShownMonth]:
    """The months in the reader's form, the latest first."""
    own = [months.stages[name] for name in report.stages.names if name in months.stages]
    return [
        ShownMonth(date.fromisoformat(f"{month}-01"), tuple(Cell(n[place], count(n[place])) for n in own))
        for place, month in reversed(list(enumerate(months.months)))
    ]


def notes_of(report: Accounts, site: Site) -> Sequence[Note]:
    """What the reader must know of these figures."""
    found = []
    if report.n_all and not site.currency:
        found.append(Note(gettext("The site has no currency yet, so there are no amounts."), is_warning=True))
    if report.n_blind:
        text = gettext("Of %(n)s open deals nothing is expected: no probability or no rate.", n=count(report.n_blind))
        found.append(Note(text, is_warning=True))
    if report.unconverted:
        text = gettext("No exchange rate for %(currencies)s.", currencies=", ".join(report.unconverted))
        found.append(Note(text, is_warning=True))
    return found


@routes.get("/accounts.<form>")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def accounts_file(form: str) -> ResponseReturnValue:
    """The same accounts as a file: csv, xlsx or json."""
    site = site_seen()
    if site is None or form not in FORMS:
        raise NotFound("no such file", field="form")
    now = here().now()
    with reading(here().engine) as tx:
        _, report = report_asked(tx, site, now)
        rows = with_engagement(tx, site, report.rows[:MOST_IN_FILE], now)
    sheet = accounts_sheet(report, rows, site.currency, gettext)
    answer = answer_file(form, ["accounts", local_day(now, site.timezone)], lambda: [sheet])
    with begin(here().engine) as tx:
        asked = {name: value for name in ASKED if (value := request.args.get(name, "")[:200])}
        details = {"form": form, "rows": len(rows), "asked": asked}
        audit.note(tx, site.site_id, actor(), Audited.EXPORT, "accounts", now=now, details=details)
    return answer
