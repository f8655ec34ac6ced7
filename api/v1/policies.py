"""A site's attribution policy for programs: read it, save a new version, try one on history, compare answers."""

from typing import Any, Literal

from flask import g
from pydantic import Field

from api.context import here
from api.trust import actor, token_site
from api.v1.contract import operation
from api.v1.fields import CONTROL, Args, At, Body, Day, Out
from api.v1.narrowed import report_args
from api.v1.paging import PageArgs, PageOut, cursor_of, key_of
from api.v1.reports import AskArgs
from tracker.access.tokens import Token
from tracker.attribution import policies
from tracker.attribution.policy import Policy, written
from tracker.attribution.settled import (
    LONGEST_NOTE,
    LONGEST_PATTERN,
    MOST_CHANNELS,
    MOST_DAYS,
    MOST_HALF_LIFE_DAYS,
    MOST_PERCENT,
    MOST_RULES,
    changed,
)
from tracker.attribution.terms import WHOLE_SHARE, DirectPolicy
from tracker.clock import format_instant, local_day
from tracker.db.store import Tx, begin, reading
from tracker.money import plain
from tracker.reports.asking import ask, version_of
from tracker.reports.compare import compare, to_json
from tracker.reports.table import to_numbers
from tracker.reports.whatif import MovedDeal, Trial, Values, try_policy
from tracker.settling import settle_policy
from tracker.vocabulary import PathScope

LIST = "policies"
OWN = ("site",)
CHANNEL = r"^[a-z][a-z0-9_]{0,39}$"
RULE_EXAMPLE = {"where": {"channel": "paid_search", "campaign": "*brand*"}, "channel": "brand_search"}
EXAMPLE = {
    "policy": {"capture": ["brand_search"], "rules": [RULE_EXAMPLE]},
    "note": "Brand search apart; it captures demand",
}
TRIAL = {"policy": {"lead_days": 30, "rules": [RULE_EXAMPLE]}}


def pattern(what: str, example: str) -> Any:
    """A pattern of a rule."""
    return Field(
        None,
        min_length=1,
        max_length=LONGEST_PATTERN,
        pattern=CONTROL,
        description=f"{what}: the whole text, * for any characters, A to Z in any case.",
        examples=[example],
    )


class WhereIn(Body):
    """What a rule looks at; all that are given must match, and at least one is given."""

    channel: str | None = pattern("The channel by the shipped rules", "paid_search")
    source: str | None = pattern("Source", "google")
    medium: str | None = pattern("Medium", "cpc")
    campaign: str | None = pattern("Campaign", "*brand*")
    term: str | None = pattern("Term", "acme*")
    content: str | None = pattern("Content", "banner-*")
    landing_page: str | None = pattern("Landing page", "/careers*")
    referring_host: str | None = pattern("Referring host", "*.example.org")
    device: str | None = pattern("Device", "mobile")
    country: str | None = pattern("Country", "JP")


class RuleIn(Body):
    """One channel rule of the site's own; the first that matches decides."""

    where: WhereIn = Field(description="By field a pattern.")
    channel: str = Field(
        "", pattern=r"^([a-z][a-z0-9_]{0,39})?$", description="The channel's name; empty: the touch is excluded.",
        examples=["brand_search"],
    )  # fmt: skip


class CustomIn(Body):
    """Shares of the site's own model in ten-thousandths; what is not given is 0."""

    first: int = Field(0, ge=0, le=WHOLE_SHARE, description="The first touch.", examples=[3000])
    lead: int = Field(0, ge=0, le=WHOLE_SHARE, description="The touch that made the lead.", examples=[3000])
    deal: int = Field(0, ge=0, le=WHOLE_SHARE, description="The touch that made the deal.", examples=[3000])
    close: int = Field(0, ge=0, le=WHOLE_SHARE, description="The last touch before the win.", examples=[0])
    middle: int = Field(0, ge=0, le=WHOLE_SHARE, description="Shared by all others.", examples=[1000])


def days(what: str, example: int) -> Any:
    """A look-back."""
    return Field(None, ge=0, le=MOST_DAYS, description=f"Look-back of {what}; 0: no limit.", examples=[example])


class OwnIn(Body):
    """What one model does differently; what is not given is as the policy says."""

    direct: Literal["last_resort", "counts"] | None = Field(None, description="What direct touches earn.")
    lead_days: int | None = days("leads in days", 30)
    money_days: int | None = days("deals and revenue in days", 0)


class MeasuredIn(Body):
    """What an experiment found for a channel."""

    channel: str = Field(pattern=CHANNEL, description="The channel.", examples=["brand_search"])
    percent: int = Field(
        ge=0, le=MOST_PERCENT, description="How many percent of its credit was confirmed.", examples=[40]
    )
    low: int = Field(ge=0, le=MOST_PERCENT, description="The lower end of the interval.", examples=[25])
    high: int = Field(ge=0, le=MOST_PERCENT, description="The upper end of the interval.", examples=[60])
    from_day: Day = Field(description="The experiment's first day.")
    to_day: Day = Field(description="Its last day.", examples=["2026-04-30"])
    note: str = Field(
        "", max_length=LONGEST_NOTE, pattern=CONTROL, description="How it was found.", examples=["Geo test, 8 weeks"]
    )


class PolicyIn(Body):
    """What to settle; what is not given stays as it is, what is given takes its place as a whole."""

    direct: Literal["last_resort", "counts"] | None = Field(
        None, description="What direct touches earn: only as a last resort, or like any other."
    )
    capture: list[str] | None = Field(
        None,
        max_length=MOST_CHANNELS,
        description="Channels that capture demand: they earn when nothing but direct is beside them.",
        examples=[["brand_search"]],
    )
    scope: Literal["contact", "deal", "company"] | None = Field(None, description="Whose touches count for a deal.")
    lead_days: int | None = days("leads in days", 90)
    money_days: int | None = days("deals and revenue in days", 0)
    half_life_days: int | None = Field(
        None, ge=1, le=MOST_HALF_LIFE_DAYS, description="Half-life of time decay.", examples=[7]
    )
    custom: CustomIn | None = Field(None, description="Shares of the model `custom`; they add up to 10,000.")
    upsells: Literal["full", "since_last_win"] | None = Field(
        None, description="Which touches count for upsell, cross-sell and renewal deals."
    )
    markov_order: int | None = Field(
        None, ge=1, le=3, description="How many touches the Markov chain remembers.", examples=[1]
    )
    models: dict[str, OwnIn] | None = Field(
        None, description="By model what it does differently.", examples=[{"time_decay": {"lead_days": 30}}]
    )
    rules: list[RuleIn] | None = Field(
        None, max_length=MOST_RULES, description="Channel rules of the site's own, in their order."
    )
    measured: list[MeasuredIn] | None = Field(None, max_length=MOST_CHANNELS, description="Results of experiments.")


class PolicySave(Body):
    """A policy to save."""

    policy: PolicyIn = Field(description="What to settle.")
    note: str = Field(
        "", max_length=policies.LONGEST_NOTE, pattern=CONTROL, description="What changed, in a sentence.",
        examples=["Brand search apart"],
    )  # fmt: skip
    based_on: int | None = Field(
        None,
        ge=0,
        le=2**31 - 1,
        description="The version that was read; 409 where another has come into force since.",
        examples=[0],
    )


class PolicyTry(Body):
    """A policy to try; nothing is saved."""

    policy: PolicyIn = Field(description="What would be settled, beside what is in force.")


class PolicyOut(Out):
    """A version of the policy."""

    version: int = Field(description="0 is that of a new site.", examples=[1])
    policy: dict[str, Any] = Field(
        description="The whole policy, field by field as it can be told.",
        examples=[{"direct": "last_resort", "lead_days": 90, "rules": [RULE_EXAMPLE]}],
    )
    note: str = Field(description="What changed, as who saved it said.", examples=["Brand search apart"])
    saved_by: str | None = Field(description="Who saved it; null for version 0.", examples=["alice@acme.example"])
    saved_at: At | None = Field(description="When; null for version 0.")


class Policies(PageOut):
    """Saved policies, the newest first."""

    data: list[PolicyOut] = Field(description="The versions.")


class PolicyArgs(Args):
    """Which version."""

    policy: str | None = Field(
        None, max_length=40, pattern=CONTROL, description="A version; the one in force when not given.", examples=["0"]
    )


@operation("GET", "/policy", tag="Policy", args=PolicyArgs, gives=PolicyOut, sample="/policy")
def get_policy(args: PolicyArgs) -> PolicyOut:
    """The site's attribution policy: the one in force, or a version of it."""
    with reading(here().engine) as tx:
        return shown(tx, token_site().site_id, version_of(args.policy or ""))


@operation("GET", "/policies", tag="Policy", args=PageArgs, gives=Policies, sample="/policies?limit=10")
def list_policies(args: PageArgs) -> Policies:
    """List the saved versions of the policy, the newest first."""
    after = key_of(LIST, args.cursor, int)
    with reading(here().engine) as tx:
        found = policies.versions_of(tx, token_site().site_id, args.limit + 1, after[0] if after else None)
    page = found[: args.limit]
    more = cursor_of(LIST, page[-1].version) if len(found) > args.limit else None
    return Policies(data=[policy_out(one) for one in page], next_cursor=more)


@operation(
    "PUT",
    "/policy",
    tag="Policy",
    body=PolicySave,
    gives=PolicyOut,
    refuses=(409,),
    sample="/policy",
    example=EXAMPLE,
)
def put_policy(body: PolicySave, args: Args) -> PolicyOut:
    """Save a policy: it is in force at once, for all history.

    What is not told stays as it is. The policy that is in force already makes no new version.
    """
    context, site_id = here(), token_site().site_id
    token = g.token
    assert isinstance(token, Token)
    with begin(context.engine) as tx:
        _, known = policies.policy_in_force(tx, site_id)
        version = settle_policy(
            tx,
            site_id,
            changed(known, told(body.policy)),
            note=body.note,
            by=token.name,
            actor=actor(),
            now=context.now(),
            based_on=body.based_on,
        )
        return shown(tx, site_id, version)


def told(policy: PolicyIn) -> dict[str, Any]:
    """What a body settles; null is as if it were not given."""
    return policy.model_dump(exclude_none=True, exclude_unset=True)


def shown(tx: Tx, site_id: int, version: int | None) -> PolicyOut:
    """A version as the API gives it."""
    number, policy = policies.policy_in_force(tx, site_id, version)
    saved = policies.version_of(tx, site_id, number)
    return policy_out(saved) if saved else policy_zero(number, policy)


def policy_zero(number: int, policy: Policy) -> PolicyOut:
    """The policy of a new site, which nobody saved."""
    return PolicyOut(version=number, policy=written(policy), note="", saved_by=None, saved_at=None)


def policy_out(one: policies.Version) -> PolicyOut:
    """A saved version as the API gives it."""
    return PolicyOut(
        version=one.version,
        policy=written(one.policy),
        note=one.note,
        saved_by=one.saved_by,
        saved_at=format_instant(one.saved_at),
    )


# --- what if --------------------------------------------------------------------------------------------------------


class ShiftOut(Out):
    """What one row has of a deal."""

    values: list[str] | None = Field(description="The row; null: what no touch explains.", examples=[["email"]])
    before: str = Field(description="Under the policy in force, in major units.", examples=["500.00"])
    before_minor: int = Field(description="The same in minor units.", examples=[50000])
    after: str = Field(description="Under the policy that is tried.", examples=["0.00"])
    after_minor: int = Field(description="The same in minor units.", examples=[0])


class MovedDealOut(Out):
    """A deal whose revenue would stand elsewhere."""

    reference: str = Field(description="The deal's reference.", examples=["D-1"])
    name: str | None = Field(description="Its name.", examples=["Kyoto Tea"])
    moved: str = Field(description="How much goes from one row to another, in major units.", examples=["500.00"])
    moved_minor: int = Field(description="The same in minor units.", examples=[50000])
    shifts: list[ShiftOut] = Field(description="The rows that have a part of it.")


class TrialOut(Out):
    """What a policy would change."""

    rows: list[dict[str, Any]] = Field(
        description="One object a row of the report: its values, and its metrics before and after.",
        examples=[[{"values": ["email"], "before": {"revenue": "500.00"}, "after": {"revenue": "0.00"}}]],
    )
    totals: dict[str, Any] = Field(
        description="The metrics over all rows, before and after.",
        examples=[{"before": {"revenue": "500.00"}, "after": {"revenue": "500.00"}}],
    )
    moved: dict[str, int] = Field(
        description="By kind of conversion how many are credited otherwise; under revenue: deals.",
        examples=[{"lead": 3, "revenue": 1}],
    )
    deals: list[MovedDealOut] = Field(description="The deals whose revenue moves most, at most 100.")
    meta: dict[str, Any] = Field(
        description="The rule behind the numbers before; after differs in the policy alone.",
        examples=[{"model": "last_non_direct", "policy_version": 0}],
    )


@operation(
    "POST",
    "/policy/try",
    tag="Policy",
    args=AskArgs,
    body=PolicyTry,
    gives=TrialOut,
    sample="/policy/try?from=2026-04-01&to=2026-04-30&model=linear",
    example=TRIAL,
)
def try_a_policy(body: PolicyTry, args: AskArgs) -> TrialOut:
    """Try a policy on history without saving it: the difference by row, and the deals that would move.

    The question is the Source report's; without a period it is the last 30 days.
    """
    context, site = here(), token_site()
    now = context.now()
    with reading(context.engine) as tx:
        query = ask(tx, asked_of(), site, local_day(now, site.timezone))
        trial = try_policy(tx, query, changed(query.policy, told(body.policy)), now)
    return trial_out(trial)


def asked_of() -> dict[str, str | list[str]]:
    """The request's parameters that are the report's."""
    return report_args(without=OWN)


def trial_out(trial: Trial) -> TrialOut:
    """A trial as the API gives it; without a currency there is no money."""
    currency = trial.before.meta.currency
    return TrialOut(
        rows=[
            {
                "values": values_out(row.values),
                "before": to_numbers(row.before, currency),
                "after": to_numbers(row.after, currency),
            }
            for row in trial.rows
        ],
        totals={
            "before": to_numbers(trial.before.totals, currency),
            "after": to_numbers(trial.after.totals, currency),
        },
        moved=trial.n_moved,
        deals=[deal_out(one, currency) for one in trial.deals] if currency else [],
        meta=trial.before.meta.to_json(),
    )


def values_out(values: Values) -> list[str] | None:
    """A row's values."""
    return None if values is None else list(values)


def deal_out(deal: MovedDeal, currency: str) -> MovedDealOut:
    """A deal that moves."""
    return MovedDealOut(
        reference=deal.reference,
        name=deal.name,
        moved=plain(deal.moved_minor, currency),
        moved_minor=deal.moved_minor,
        shifts=[
            ShiftOut(
                values=values_out(one.values),
                before=plain(one.before, currency),
                before_minor=one.before,
                after=plain(one.after, currency),
                after_minor=one.after,
            )
            for one in deal.shifts
        ],
    )


# --- side by side ---------------------------------------------------------------------------------------------------


class CompareArgs(AskArgs):
    """What is asked of every column, and what of each alone."""

    columns: str = Field(
        max_length=600,
        pattern=CONTROL,
        examples=["model:first;model:linear,lookback_days:30"],
        description="Two to four columns with semicolons between; each is name:value with commas between, of model, "
        "basis, direct, lookback_days, scope and policy.",
    )
    metric: str | None = Field(
        None,
        max_length=40,
        pattern=CONTROL,
        examples=["revenue"],
        description="The figure that is compared: any metric of the report; revenue when not given.",
    )


class ComparisonOut(Out):
    """Answers side by side."""

    metric: str = Field(description="The figure that is compared.", examples=["revenue"])
    currency: str | None = Field(description="Of the figures, where they are money.", examples=["EUR"])
    columns: list[dict[str, Any]] = Field(
        description="What was asked of each column alone, and the rule behind its numbers.",
        examples=[[{"asked": {"model": "first"}, "meta": {"model": "first"}}, {"asked": {"model": "linear"}}]],
    )
    rows: list[dict[str, Any]] = Field(
        description="One object a row: the dimensions; is_unattributed; figures, changes and change_ratios, a list "
        "each with one entry a column. Changes are against the first column; a ratio is null where that is 0.",
        examples=[
            [{"channel": "email", "figures": ["0.00", "500.00"], "changes": ["0.00", "500.00"], "change_ratios": []}]
        ],
    )
    totals: dict[str, Any] = Field(
        description="The same over all rows.", examples=[{"figures": ["500.00", "500.00"], "changes": ["0.00", "0.00"]}]
    )
    is_whole: bool = Field(
        description="Whether the columns' totals are the same. A visit cohort leaves out what no touch explains.",
        examples=[True],
    )


@operation(
    "GET",
    "/reports/compare",
    tag="Reports",
    args=CompareArgs,
    gives=ComparisonOut,
    sample="/reports/compare?from=2026-04-01&to=2026-04-30&columns=model:first;model:linear,lookback_days:30",
)
def get_comparison(args: CompareArgs) -> ComparisonOut:
    """One question in two to four ways side by side, with the change: models, date bases, look-backs, policies."""
    context = here()
    with reading(context.engine) as tx:
        found = compare(tx, asked_of(), token_site(), context.now())
    return ComparisonOut(**to_json(found))


assert set(DirectPolicy) == {"last_resort", "counts"}
assert set(PathScope) == {"contact", "deal", "company"}
