"""What was spent: the costs of a period, by row, day, source or campaign, and their entry by hand."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext

from api.context import here
from api.pages.files import files_of
from api.pages.frame import Page, address, kept_arguments, site_named
from api.pages.routes import routes
from api.pages.shown import count, money, period_of
from api.trust import Audience, actor, audience, role_seen, site_seen
from tracker.access.audit import note
from tracker.access.roles import may
from tracker.access.sites import Site, settle_currency
from tracker.clock import local_day
from tracker.costs.entry import Entered, Unentered, entered
from tracker.costs.importing import to_replace
from tracker.costs.listing import (
    GROUPS,
    ROW,
    SORTS,
    VIEWS,
    CostLine,
    CostsAsked,
    Spent,
    cost_lines,
    cost_of,
    first_day,
    read_asked,
    sources_of,
    spent,
)
from tracker.costs.load import cost_id_of, load, take_away
from tracker.costs.rows import Cost
from tracker.db.store import Tx, begin, reading
from tracker.money import plain
from tracker.vocabulary import NOT_SET, Audited, Role

PAGE_ROWS = 50
MOST_OFFSET = 1_000_000
FIELDS = ("day", "until", "source", "medium", "campaign", "amount", "currency", "clicks", "impressions")
NARROWED = ("source", "medium", "campaign", "currency", "q")


@dataclass(frozen=True, slots=True)
class ShownPeriod:
    """What the page's period menu shows."""

    period: str
    from_day: date
    to_day: date


@dataclass(frozen=True, slots=True)
class ShownCost:
    """A cost, or a sum of several; texts are strangers'. href opens the rows of a sum, or the one cost."""

    day: date | None
    channel: str | None
    source: str | None
    medium: str | None
    campaign: str | None
    told: str | None
    amount: str
    clicks: str | None
    impressions: str | None
    n_costs: str
    href: str | None


@dataclass(frozen=True, slots=True)
class ShownSum:
    """The money of the list in one currency; href narrows the list to it."""

    currency: str
    amount: str
    n_costs: int
    clicks: str | None
    href: str


def last_day_of(site: Site) -> str:
    """The last day that may have begun somewhere."""
    today = date.fromisoformat(local_day(here().now(), site.timezone))
    return (today + timedelta(days=1)).isoformat()


def may_tell() -> bool:
    """Whether the reader may enter and import costs."""
    return may(role_seen(), Role.ANALYST)


@routes.get("/costs")
@audience(Audience.PEOPLE)
def costs() -> ResponseReturnValue:
    """The costs of a period, a page at a time, with their sums by currency."""
    site = site_seen()
    if site is None:
        return render_template("no_site.html")
    args = request.args
    offset = min(int(cursor), MOST_OFFSET) if (cursor := args.get("cursor", "")[:9]).isdecimal() else 0
    with reading(here().engine) as tx:
        period, asked = asked_by(tx, site, dict(args.items()))
        sums = spent(tx, site.site_id, asked)
        found = cost_lines(tx, site.site_id, asked, offset, PAGE_ROWS + 1)
        sources = sources_of(tx, site.site_id, asked.from_day, asked.to_day)
        is_known = bool(sums) or first_day(tx, site.site_id) is not None
    return render_template(
        "costs.html",
        query=period,
        asked=asked,
        views=VIEWS,
        sources=sources,
        sums=[sum_shown(one) for one in sums],
        rows=[cost_shown(one, asked) for one in found[:PAGE_ROWS]],
        columns=columns_of(asked.view),
        page=page_of(offset, len(found) > PAGE_ROWS, sum(one.n_costs for one in sums), asked),
        is_known=is_known,
        is_narrowed=any(args.get(name) for name in NARROWED),
        may_tell=may_tell(),
        downloads=files_of("pages.costs_file") if found else None,
    )


def asked_by(tx: Tx, site: Site, args: dict[str, str]) -> tuple[ShownPeriod, CostsAsked]:
    """What the address asks for."""
    today = local_day(here().now(), site.timezone)
    word, from_day, to_day = period_of(tx, args, site.site_id, today)
    if word == "all_time":  # costs may be older than the first visit
        from_day = min(filter(None, (from_day, first_day(tx, site.site_id))))
    period = ShownPeriod(word, date.fromisoformat(from_day), date.fromisoformat(to_day))
    asked = read_asked(
        from_day,
        to_day,
        view=args.get("view") or ROW,
        sort=args.get("sort") or "day",
        is_rising=args.get("dir") == "asc",
        source=args.get("source"),
        medium=args.get("medium"),
        campaign=args.get("campaign"),
        currency=args.get("currency"),
        search=args.get("q"),
    )
    return period, asked


def columns_of(view: str) -> tuple[str, ...]:
    """The columns of a list that it can be sorted by, in order."""
    names = SORTS[:3] if view == ROW else tuple(name for name in SORTS[:3] if name in GROUPS[view])
    return (*names, *SORTS[3:])


def sum_shown(one: Spent) -> ShownSum:
    """A sum in the reader's form."""
    href = address(url_for("pages.costs"), {**kept_arguments("currency"), "currency": one.currency})
    clicks = None if one.clicks is None else count(one.clicks)
    return ShownSum(one.currency, money(one.amount_minor, one.currency), one.n_costs, clicks, href)


def cost_shown(line: CostLine, asked: CostsAsked) -> ShownCost:
    """A line of the list in the reader's form."""
    if line.cost_id is not None:
        href = url_for("pages.cost", cost_id=line.cost_id) if may_tell() else None
    else:
        names = {name: str(getattr(line, name)) for name in GROUPS[asked.view] if name not in ("channel", "day")}
        if line.day:
            names |= {"period": "custom", "from": line.day, "to": line.day}
        kept = kept_arguments("view", "sort", "dir", *names)
        href = address(url_for("pages.costs"), {**kept, **names, "currency": line.currency})
    told = (line.told_source, line.told_medium, line.told_campaign)
    is_renamed = line.cost_id is not None and told != (line.source, line.medium, line.campaign)
    return ShownCost(
        day=date.fromisoformat(line.day) if line.day else None,
        channel=line.channel,
        source=line.source,
        medium=line.medium,
        campaign=line.campaign,
        told=" / ".join(str(word) for word in told) if is_renamed else None,
        amount=money(line.amount_minor, line.currency),
        clicks=None if line.clicks is None else count(line.clicks),
        impressions=None if line.impressions is None else count(line.impressions),
        n_costs=count(line.n_costs),
        href=href,
    )


def page_of(offset: int, has_more: bool, n_costs: int, asked: CostsAsked) -> Page:
    """Paging: the cursor is how many lines come before."""
    kept = kept_arguments()
    before = max(0, offset - PAGE_ROWS)
    back = None
    if offset:
        back = address(request.path, {**kept, "cursor": before} if before else kept)
    on = address(request.path, {**kept, "cursor": offset + PAGE_ROWS}) if has_more else None
    return Page(back, on, n_costs if asked.view == ROW else None)


# --- by hand --------------------------------------------------------------------------------------------------------


@routes.get("/costs/new")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def cost_new() -> ResponseReturnValue:
    """The form of a new cost."""
    site = site_named()
    form = {"day": local_day(here().now(), site.timezone), "currency": site.currency or ""}
    return entry_page(site, form)


@routes.post("/costs/new")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def save_cost() -> ResponseReturnValue:
    """Take a cost, of one day or shared out over several."""
    site = site_named()
    form = told_by_form()
    try:
        new = entered(form, last_day_of(site))
    except Unentered as error:
        return entry_page(site, form, error.errors), 422
    with begin(here().engine) as tx:
        known = to_replace(tx, site.site_id, new.costs)
        if known.n_costs and not request.form.get("replace"):
            return entry_page(site, form, {"replace": str(known.n_costs)}), 409
        keep(tx, site, new, {"replaced": known.n_costs})
    amount = money(new.amount_minor, new.currency)
    flash(
        ngettext(
            "%(amount)s entered for %(num)s day.",
            "%(amount)s shared out over %(num)s days.",
            len(new.costs),
            amount=amount,
        ),
        "success",
    )
    return redirect(list_of(site, new))


@routes.get("/costs/rows/<cost_id>")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def cost(cost_id: str) -> ResponseReturnValue:
    """One cost, to be changed or taken away."""
    site = site_named()
    with reading(here().engine) as tx:
        line = cost_of(tx, site.site_id, cost_id)
    form = {
        "day": line.day or "",
        "source": line.told_source or "",
        "medium": line.told_medium or "",
        "campaign": "" if line.told_campaign == NOT_SET else line.told_campaign or "",
        "amount": plain(line.amount_minor, line.currency),
        "currency": line.currency,
        "clicks": "" if line.clicks is None else str(line.clicks),
        "impressions": "" if line.impressions is None else str(line.impressions),
    }
    return entry_page(site, form, line=line)


@routes.post("/costs/rows/<cost_id>")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def change_cost(cost_id: str) -> ResponseReturnValue:
    """Change a cost; under another day or name it takes that place."""
    site = site_named()
    form = {**told_by_form(), "until": ""}
    with begin(here().engine) as tx:
        line = cost_of(tx, site.site_id, cost_id)
        try:
            new = entered(form, last_day_of(site))
        except Unentered as error:
            return entry_page(site, form, error.errors, line), 422
        ids = {cost_id_of(site.site_id, one.day, one.source, one.medium, one.campaign) for one in new.costs}
        known = to_replace(tx, site.site_id, new.costs)
        if cost_id not in ids and known.n_costs and not request.form.get("replace"):
            return entry_page(site, form, {"replace": str(known.n_costs)}, line), 409
        take_away(tx, site.site_id, cost_id)
        keep(tx, site, new, {"before": told_of(line)})
    flash(gettext("The cost was changed."), "success")
    return redirect(list_of(site, new))


@routes.post("/costs/rows/<cost_id>/remove")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def remove_cost(cost_id: str) -> ResponseReturnValue:
    """Take a cost away."""
    site = site_named()
    with begin(here().engine) as tx:
        line = cost_of(tx, site.site_id, cost_id)
        take_away(tx, site.site_id, cost_id)
        details = {"before": told_of(line)}
        note(tx, site.site_id, actor(), Audited.COSTS, "by hand", now=here().now(), details=details)
    flash(gettext("The cost of %(amount)s was taken away.", amount=money(line.amount_minor, line.currency)), "success")
    return redirect(url_for("pages.costs", site=site.key))


def told_by_form() -> dict[str, str]:
    """The fields of the form."""
    return {name: request.form.get(name, "")[:400] for name in FIELDS}


def keep(tx: Tx, site: Site, new: Entered, details: dict[str, Any]) -> None:
    """Load what was entered, and write down who did."""
    now = here().now()
    load(tx, site.site_id, new.costs, now)
    settle_currency(tx, site, new.currency)
    whole = {**cost_told(new.costs[0]), "until": new.costs[-1].day, "amount": plain(new.amount_minor, new.currency)}
    note(tx, site.site_id, actor(), Audited.COSTS, "by hand", now=now, details={**details, "after": whole})


def cost_told(one: Cost) -> dict[str, str]:
    """A cost for the audit log."""
    return {
        "day": one.day,
        "source": one.source,
        "medium": one.medium,
        "campaign": one.campaign,
        "currency": one.currency,
    }


def told_of(line: CostLine) -> dict[str, str]:
    """A cost that stands, for the audit log."""
    names = ("day", "told_source", "told_medium", "told_campaign", "currency")
    known = {name.removeprefix("told_"): str(getattr(line, name)) for name in names}
    return {**known, "amount": plain(line.amount_minor, line.currency)}


def list_of(site: Site, new: Entered) -> str:
    """The list with what was just entered in it."""
    days = {"period": "custom", "from": new.costs[0].day, "to": new.costs[-1].day}
    return address(url_for("pages.costs"), {"site": site.key, **days})


def entry_page(
    site: Site, form: dict[str, str], errors: dict[str, str] | None = None, line: CostLine | None = None
) -> str:
    """The form, with a word beside each field that is wrong."""
    shown = None if line is None else cost_shown(line, CostsAsked("", ""))
    n_known = int((errors or {}).get("replace", "0"))
    return render_template(
        "costs_entry.html", form=form, errors=errors or {}, line=line, shown=shown, n_known=n_known, site=site
    )
