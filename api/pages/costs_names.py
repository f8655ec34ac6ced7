"""What campaigns are called: those with costs that no visit names, and the rules that give them the visits' names."""

from dataclasses import dataclass
from datetime import date, timedelta

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext

from api.context import here
from api.pages.costs import may_tell
from api.pages.frame import Page, address, kept_arguments, site_named
from api.pages.routes import routes
from api.pages.shown import count, money
from api.trust import Audience, actor, audience, site_seen
from tracker.access.audit import note
from tracker.access.sites import Site
from tracker.clock import local_day
from tracker.costs.load import rules_of, save_rules
from tracker.costs.naming import CostRule, exactly, read_rule, read_rules
from tracker.db.store import begin, reading
from tracker.errors import Invalid
from tracker.reports.unmatched import LOOK_BACK_DAYS, Unmatched, campaigns_known, unmatched_costs
from tracker.vocabulary import Audited, Role

PAGE_ROWS = 25
MOST_OFFSET = 100_000
MOST_KNOWN = 500
FIELDS = tuple(CostRule.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class ShownUnmatched:
    """A campaign that no visit names; texts are the platform's. nearest: (source, medium, campaign) of visits."""

    told_source: str
    told_medium: str
    told_campaign: str
    source: str
    medium: str
    campaign: str
    amount: str
    from_day: date
    to_day: date
    nearest: tuple[tuple[str, str, str], ...]
    href: str


@routes.get("/costs/names")
@audience(Audience.PEOPLE)
def costs_names() -> ResponseReturnValue:
    """Campaigns that no visit names, and the rules."""
    site = site_seen()
    if site is None:
        return render_template("no_site.html")
    return names_page(site)


@routes.post("/costs/names")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def name_campaign() -> ResponseReturnValue:
    """Give one campaign, as it was told, the name that visits have; the rule comes before those with patterns."""
    site = site_named()
    told = {name: request.form.get(name, "")[:400] for name in FIELDS}
    literal = {name: exactly(told[name]) if name.startswith("told_") else told[name] for name in FIELDS}
    return settle(site, literal, place=0)


@routes.post("/costs/names/rules")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def add_cost_rule() -> ResponseReturnValue:
    """Add a rule with patterns, behind the others."""
    return settle(site_named(), {name: request.form.get(name, "")[:400] for name in FIELDS}, place=None)


@routes.post("/costs/names/rules/remove")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def remove_cost_rule() -> ResponseReturnValue:
    """Take a rule away: its costs are called again as they were told."""
    site, now = site_named(), here().now()
    wanted = tuple(request.form.get(name, "")[:400] for name in FIELDS[:3])
    with begin(here().engine) as tx:
        known = rules_of(tx, site.site_id)
        kept = tuple(rule for rule in known if rule.told != wanted)
        if len(kept) < len(known):
            n = save_rules(tx, site.site_id, kept, actor(), now)
            details = {"removed": " / ".join(wanted), "renamed": n}
            note(tx, site.site_id, actor(), Audited.COST_RULES, " / ".join(wanted), now=now, details=details)
            flash(gettext("The rule is gone."), "success")
    return redirect(url_for("pages.costs_names", site=site.key) + "#rules")


def settle(site: Site, told: dict[str, str], place: int | None) -> ResponseReturnValue:
    """Save a rule in front of the others or behind them, in the place of one that looks for the same."""
    now = here().now()
    try:
        new = read_rule(told)
        with begin(here().engine) as tx:
            kept = [rule for rule in rules_of(tx, site.site_id) if small(rule) != small(new)]
            kept.insert(len(kept) if place is None else place, new)
            n = save_rules(tx, site.site_id, read_rules([fields_of(rule) for rule in kept]), actor(), now)
            details = {"after": fields_of(new), "renamed": n}
            note(tx, site.site_id, actor(), Audited.COST_RULES, " / ".join(new.told), now=now, details=details)
    except Invalid as error:
        return names_page(site, rule_error(error), told), 422
    text = ngettext(
        "The rule is saved. It names one cost anew.", "The rule is saved. It names %(n)s costs anew.", n, n=count(n)
    )
    flash(text, "success")
    return redirect(url_for("pages.costs_names", site=site.key))


def small(rule: CostRule) -> tuple[str, ...]:
    """What a rule looks for, without regard to case."""
    return tuple(word.lower() for word in rule.told)


def fields_of(rule: CostRule) -> dict[str, str | None]:
    """A rule as plain data."""
    return {name: getattr(rule, name) for name in FIELDS}


def rule_error(error: Invalid) -> str:
    """Why a rule was refused, in the reader's language."""
    if "no name" in error.message:
        return str(gettext("Say what these costs are called: a source, a medium or a campaign."))
    if "characters" in error.message:
        return str(gettext("A name has at most 255 characters."))
    return str(gettext("There are at most 1,000 rules. Use * to catch several campaigns with one."))


def names_page(site: Site, error: str | None = None, told: dict[str, str] | None = None) -> str:
    """The page; `told` is what a form said that was refused."""
    today = date.fromisoformat(local_day(here().now(), site.timezone))
    since = (today - timedelta(days=LOOK_BACK_DAYS)).isoformat()
    cursor = request.args.get("cursor", "")[:6]
    offset = min(int(cursor), MOST_OFFSET) if cursor.isdecimal() else 0
    with reading(here().engine) as tx:
        found = unmatched_costs(tx, site.site_id, since, PAGE_ROWS, offset)
        rules = rules_of(tx, site.site_id)
        known = campaigns_known(tx, site.site_id, since, MOST_KNOWN) if may_tell() else []
    kept = kept_arguments()
    back = address(request.path, {**kept, "cursor": offset - PAGE_ROWS}) if offset else None
    has_more = found.n_unmatched > offset + PAGE_ROWS
    on = address(request.path, {**kept, "cursor": offset + PAGE_ROWS}) if has_more else None
    return render_template(
        "costs_names.html",
        unmatched=[unmatched_shown(one, since, today) for one in found.unmatched],
        n_unmatched=found.n_unmatched,
        n_campaigns=found.n_campaigns,
        n_days=LOOK_BACK_DAYS,
        rules=rules,
        known=known,
        told=told or {},
        error=error,
        page=Page(back, on, found.n_unmatched),
        may_tell=may_tell(),
    )


def unmatched_shown(one: Unmatched, since: str, today: date) -> ShownUnmatched:
    """An unmatched campaign in the reader's form; its money opens the costs."""
    days = {"period": "custom", "from": since, "to": (today + timedelta(days=1)).isoformat()}
    names = {"source": one.source, "medium": one.medium, "campaign": one.campaign, "currency": one.currency}
    return ShownUnmatched(
        told_source=one.told_source,
        told_medium=one.told_medium,
        told_campaign=one.told_campaign,
        source=one.source,
        medium=one.medium,
        campaign=one.campaign,
        amount=money(one.amount_minor, one.currency),
        from_day=date.fromisoformat(one.from_day),
        to_day=date.fromisoformat(one.to_day),
        nearest=one.nearest,
        href=address(url_for("pages.costs"), {**days, **names}),
    )
