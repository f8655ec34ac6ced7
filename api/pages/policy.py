"""The attribution settings: what counts as what, tried on history before it is saved, and every version there was."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from api.context import here
from api.pages.frame import site_named
from api.pages.routes import routes
from api.pages.shown import NOTHING, PRESETS, count, money
from api.trust import Audience, actor, audience, is_owner, logged_in, site_seen
from tracker.access.sites import Site
from tracker.attribution.fits import fits_of
from tracker.attribution.policies import policy_in_force, versions_of
from tracker.attribution.policy import RULE_FIELDS, SHIPPED, Policy, written
from tracker.attribution.settled import UPSELLS, changed
from tracker.attribution.terms import DirectPolicy
from tracker.clock import local_day
from tracker.db.store import begin, reading
from tracker.errors import Conflict, Invalid
from tracker.reports.asking import ask, version_of
from tracker.reports.catalogue import Unit
from tracker.reports.table import UNATTRIBUTED, to_number
from tracker.reports.whatif import BeforeAfter, MovedDeal, Trial, try_policy
from tracker.settling import settle_policy
from tracker.vocabulary import Channel, ConversionKind, Model, PathScope, Role

PLAIN = ("direct", "scope", "upsells")
NUMBERS = ("lead_days", "money_days", "half_life_days", "markov_order")
SHARES = ("first", "lead", "deal", "close", "middle")
MOST_VERSIONS = 20
BLANK_RULES, PAIRS = 3, 2
PERIODS = ("last_28_days", "last_90_days", "last_12_months")
NUMBER = re.compile(r"[0-9]{1,6}")


@dataclass(frozen=True, slots=True)
class ShownVersion:
    """A saved version. `note` and `saved_by` are people's words."""

    version: int
    note: str
    saved_by: str
    saved_at: datetime
    is_shown: bool


@dataclass(frozen=True, slots=True)
class ShownMove:
    """Leads and revenue of a row before and after, and by how much they differ; texts for the reader."""

    channel: str
    leads: tuple[str, str, str]
    revenue: tuple[str, str, str]
    is_moved: bool


@dataclass(frozen=True, slots=True)
class ShownShift:
    """What a channel has of a deal before and after."""

    channel: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class ShownDeal:
    """A deal that would move. `text` is the CRM's."""

    text: str
    href: str
    moved: str
    shifts: tuple[ShownShift, ...]


@dataclass(frozen=True, slots=True)
class ShownTrial:
    """What a proposed policy would change."""

    period: str
    model: str
    rows: tuple[ShownMove, ...]
    moved: tuple[tuple[str, int], ...]
    deals: tuple[ShownDeal, ...]
    n_deals: int


@routes.get("/policy")
@audience(Audience.PEOPLE)
def policy() -> ResponseReturnValue:
    """The policy in force, or a version of it."""
    site = site_seen()
    return render_template("no_site.html") if site is None else page_of(site)


@routes.post("/policy/try")
@audience(Audience.PEOPLE)
def try_settings() -> ResponseReturnValue:
    """Try what the form says on history; for everybody, for nothing is saved."""
    site = site_named()
    told = told_by(request.form)
    try:
        return page_of(site, told, trial_of(site, told))
    except Invalid as error:
        flash(reason(error), "error")
        return page_of(site, told)


@routes.post("/policy")
@audience(Audience.PEOPLE, least=Role.OWNER)
def save_settings() -> ResponseReturnValue:
    """Save what the form says as a new version; for owners."""
    site, user = site_named(), logged_in()
    by = user.email if user else ""
    told, form = told_by(request.form), request.form
    try:
        with begin(here().engine) as tx:
            known, now = policy_in_force(tx, site.site_id)[1], here().now()
            based_on = version_of(form.get("based_on", ""))
            wanted = changed(known, told)
            version = settle_policy(
                tx, site.site_id, wanted, note=note_in(form), by=by, actor=actor(), now=now, based_on=based_on
            )
    except (Invalid, Conflict) as error:
        flash(reason(error), "error")
        return page_of(site, told)
    flash(gettext("Version %(n)s is in force, for all history.", n=version), "success")
    return redirect(url_for("pages.policy", site=site.key))


def page_of(site: Site, told: Mapping[str, Any] | None = None, trial: ShownTrial | None = None) -> str:
    """The page; `told` is what a form said, `trial` what came of it."""
    with reading(here().engine) as tx:
        in_force, _ = policy_in_force(tx, site.site_id)
        shown, known = policy_in_force(tx, site.site_id, version_of(request.args.get("version", "")))
        saved = versions_of(tx, site.site_id, MOST_VERSIONS)
        fits = fits_of(tx, site.site_id)[:MOST_VERSIONS]
    draft = {**written(known), **(told or {})}
    return render_template(
        "policy.html",
        draft=draft,
        rules=rules_shown(draft["rules"]),
        shares={name: percent_text(draft["custom"].get(name, 0)) for name in SHARES},
        experiments=[*draft["measured"], {}],
        channels=channels_known(draft),
        fields=RULE_FIELDS,
        words={"direct": tuple(DirectPolicy), "scope": tuple(PathScope), "upsells": UPSELLS},
        models=tuple(Model),
        periods=PERIODS,
        period=request.form.get("period", PERIODS[1]),
        model=request.form.get("model", Model.LAST_NON_DIRECT.value),
        note=request.form.get("note", ""),
        version=shown,
        in_force=in_force,
        based_on=request.form.get("based_on", str(in_force)),
        versions=[
            ShownVersion(one.version, one.note, one.saved_by, one.saved_at, one.version == shown) for one in saved
        ],
        fits=fits,
        trial=trial,
        may_change=is_owner(),
    )


# --- the form -------------------------------------------------------------------------------------------------------


def told_by(form: Any) -> dict[str, Any]:
    """What the form says, as settled.changed takes it; numbers that are none stay texts and are refused there."""
    told: dict[str, Any] = {name: form.get(name, "") for name in PLAIN}
    told |= {name: number(form.get(name, "")) for name in NUMBERS}
    told["capture"] = form.getlist("capture")
    told["custom"] = {name: share(form.get(f"custom_{name}", "")) for name in SHARES}
    told["rules"] = [rule for n in range(listed(form, "rules")) if (rule := rule_told(form, n))]
    told["measured"] = [one for n in range(listed(form, "measured")) if (one := experiment_told(form, n))]
    told["models"] = {name: own for name in Model if (own := own_told(form, name))}
    return told


def listed(form: Any, name: str) -> int:
    """How many rows of a list the form says it has."""
    found = number(form.get(f"n_{name}", ""))
    return min(found, 300) if isinstance(found, int) else 0


def rule_told(form: Any, n: int) -> dict[str, Any]:
    """One row of the channel rules; nothing where it has no pattern and no name."""
    where = {}
    for name, pattern in zip(form.getlist(f"rule_{n}_field"), form.getlist(f"rule_{n}_pattern"), strict=False):
        if pattern.strip():
            where[name] = pattern.strip()
    channel = form.get(f"rule_{n}_channel", "").strip()
    return {"where": where, "channel": channel} if where or channel else {}


def experiment_told(form: Any, n: int) -> dict[str, Any]:
    """One row of the results of experiments; nothing where it names no channel."""
    given = {name: form.get(f"measured_{n}_{name}", "").strip() for name in ("channel", "from_day", "to_day", "note")}
    numbers = {name: number(form.get(f"measured_{n}_{name}", "")) for name in ("percent", "low", "high")}
    return {**given, **numbers} if given["channel"] else {}


def own_told(form: Any, model: str) -> dict[str, Any]:
    """What one model does differently; nothing where all is as the policy says."""
    given = {name: form.get(f"{model}_{name}", "").strip() for name in ("direct", "lead_days", "money_days")}
    own = {name: number(text) for name, text in given.items() if text and name != "direct"}
    return {**own, **({"direct": given["direct"]} if given["direct"] else {})}


def number(text: str) -> int | str:
    """A whole number, or the text as it is."""
    text = text.strip()
    return int(text) if NUMBER.fullmatch(text) else text


def share(text: str) -> int | str:
    """Percent with at most two decimals as ten-thousandths, or the text as it is: '22.5' -> 2250."""
    whole, _, rest = (text.strip() or "0").partition(".")
    if NUMBER.fullmatch(whole) and re.fullmatch(r"[0-9]{0,2}", rest):
        return int(whole) * 100 + int(rest.ljust(2, "0"))
    return text


def percent_text(part: int | str) -> str:
    """Ten-thousandths as percent: 2250 -> '22.5'."""
    return f"{part / 100:g}" if isinstance(part, int) else part


def note_in(form: Any) -> str:
    """What the reader says has changed."""
    return " ".join(str(form.get("note", "")).split())


def rules_shown(rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rules as rows of the form: pairs of field and pattern, some of them empty; and some empty rows."""
    rows = []
    for rule in [*rules, *({"where": {}, "channel": ""} for _ in range(BLANK_RULES))]:
        pairs = list(rule["where"].items())
        pairs += [("", "")] * max(1, PAIRS - len(pairs))
        rows.append({"pairs": pairs, "channel": rule["channel"]})
    return rows


def channels_known(draft: Mapping[str, Any]) -> list[str]:
    """The channels that can be named: the shipped ones, those of the rules, and what is chosen already."""
    shipped = [word.value for word in Channel if word is not Channel.UNATTRIBUTED]
    own = [rule["channel"] for rule in draft["rules"] if rule["channel"]]
    return list(dict.fromkeys([*shipped, *own, *(one for one in draft["capture"] if isinstance(one, str))]))


def reason(error: Invalid | Conflict) -> str:
    """Why a policy was refused, in the reader's language, and where."""
    if isinstance(error, Conflict):
        return str(gettext("Somebody saved another version meanwhile. Look at it, then save again."))
    top, *rest = error.field.split(".")
    row = int(rest[0]) + 1 if rest and rest[0].isdigit() else 0
    texts = {
        "rules": gettext("Channel rule %(n)s is not complete, or its channel is not named in a–z, 0–9 and _.", n=row),
        "measured": gettext("Experiment %(n)s: give whole percents (low ≤ result ≤ high) and its days.", n=row),
        "custom": gettext("The shares of the own model must add up to the whole, 100."),
        "capture": gettext("A channel is named in a–z, 0–9 and _."),
        "half_life_days": gettext("The half-life is 1 to 365 days."),
        "note": gettext("The note is too long."),
        "model": gettext("This model has not been fitted on this site's paths yet."),
    }
    days = gettext("A look-back is 0 (no limit) to 36,500 days.")
    return str(
        texts.get(top, days if "days" in error.field else gettext("This cannot be saved: %(why)s", why=error.field))
    )


# --- what if --------------------------------------------------------------------------------------------------------


def trial_of(site: Site, told: Mapping[str, Any]) -> ShownTrial:
    """What the form's policy would change in the period that it names; raises Invalid."""
    now = here().now()
    today = local_day(now, site.timezone)
    word = request.form.get("period", "")
    word = word if word in PERIODS else PERIODS[1]
    first, last = PRESETS[word](datetime.fromisoformat(today).date())
    args = {"from": first.isoformat(), "to": last.isoformat(), "model": request.form.get("model", "")}
    with reading(here().engine) as tx:
        query = ask(tx, args, site, today)
        trial = try_policy(tx, query, changed(query.policy, told), now)
    return trial_shown(trial, word)


def trial_shown(trial: Trial, period: str) -> ShownTrial:
    """A trial in the reader's words."""
    meta = trial.before.meta
    return ShownTrial(
        period=period,
        model=meta.model.value,
        rows=tuple(move_shown(row, meta.currency) for row in trial.rows),
        moved=tuple((kind, trial.n_moved.get(kind, 0)) for kind in ConversionKind if trial.n_moved.get(kind)),
        deals=tuple(deal_shown(one, meta.currency) for one in trial.deals) if meta.currency else (),
        n_deals=trial.n_moved.get("revenue", 0),
    )


def move_shown(row: BeforeAfter, currency: str | None) -> ShownMove:
    """One row of the table."""
    leads = [one.lead_events for one in (row.before, row.after)]
    amounts = [one.revenue_minor for one in (row.before, row.after)]
    return ShownMove(
        channel_of(row.values),
        (credits_text(leads[0]), credits_text(leads[1]), signed(leads[1] - leads[0], credits_text)),
        (
            amount_text(amounts[0], currency),
            amount_text(amounts[1], currency),
            signed(amounts[1] - amounts[0], lambda minor: amount_text(minor, currency)),
        ),
        leads[0] != leads[1] or amounts[0] != amounts[1],
    )


def deal_shown(deal: MovedDeal, currency: str | None) -> ShownDeal:
    """A deal with where its revenue stands before and after."""
    return ShownDeal(
        deal.name or deal.reference,
        url_for("pages.deal", reference=deal.reference),
        amount_text(deal.moved_minor, currency),
        tuple(
            ShownShift(channel_of(one.values), amount_text(one.before, currency), amount_text(one.after, currency))
            for one in sorted(deal.shifts, key=lambda one: one.after - one.before)
        ),
    )


def signed(number: int, text: Callable[[int], str]) -> str:
    """A difference with its sign."""
    return f"+{text(number)}" if number > 0 and text(number) != NOTHING else text(number)


def channel_of(values: tuple[str, ...] | None) -> str:
    """The channel that a row is about."""
    return UNATTRIBUTED if values is None else values[0]


def credits_text(micro: int) -> str:
    """Millionths as a count."""
    return count(float(to_number(micro, Unit.CREDIT) or 0))


def amount_text(minor: int, currency: str | None) -> str:
    """An amount in the report's currency."""
    return NOTHING if currency is None else money(minor, currency)


assert set(NUMBERS) | set(PLAIN) <= set(Policy.__struct_fields__)
assert set(SHARES) == set(written(SHIPPED)["custom"])
