"""What campaigns are called, for programs: the rules, and the campaigns with costs that no visit names."""

from datetime import date, timedelta
from typing import Any

from pydantic import Field

from api.context import here
from api.trust import actor, token_site
from api.v1.contract import operation
from api.v1.fields import Args, Body, Day, Line, Out
from api.v1.paging import MOST, USUAL
from tracker.access.audit import note
from tracker.clock import local_day
from tracker.costs.load import rules_of, save_rules
from tracker.costs.naming import ANY, MOST_RULES, CostRule, read_rules
from tracker.db.store import Tx, begin, reading
from tracker.money import plain
from tracker.reports.unmatched import LOOK_BACK_DAYS, Unmatched, unmatched_costs
from tracker.vocabulary import Audited

EXAMPLE = {
    "rules": [
        {"told_source": "google", "told_medium": "cpc", "told_campaign": "Spring Sale 2026", "campaign": "spring"},
        {"told_source": "facebook", "told_campaign": "LAL_*", "medium": "paid_social", "campaign": "lookalike"},
    ]
}


def pattern(what: str, example: str) -> Any:
    """A pattern of a rule."""
    return Field(
        ANY,
        description=f"{what} as told: the whole of it, * for any characters, A to Z in any case, \\* for a *.",
        examples=[example],
    )


class CostRuleIn(Body):
    """Costs told under such names are called so; at least one name is given."""

    told_source: Line | None = pattern("Source", "google")
    told_medium: Line | None = pattern("Medium", "cpc")
    told_campaign: Line | None = pattern("Campaign", "Spring Sale *")
    source: Line | None = Field(None, description="Source it is called; else as told.", examples=["google"])
    medium: Line | None = Field(None, description="Medium it is called; else as told.", examples=["cpc"])
    campaign: Line | None = Field(None, description="Campaign it is called; else as told.", examples=["spring"])


class CostRulesIn(Body):
    """All rules of a site, in order: the first that fits names a cost."""

    rules: list[CostRuleIn] = Field(max_length=MOST_RULES, description="The rules; [] for none.")


class CostRuleOut(Out):
    """Costs told under such names are called so."""

    told_source: str = Field(description="Pattern of the source as told.", examples=["google"])
    told_medium: str = Field(description="Pattern of the medium as told.", examples=["*"])
    told_campaign: str = Field(description="Pattern of the campaign as told.", examples=["Spring Sale *"])
    source: str | None = Field(description="Source it is called; null: as told.", examples=["google"])
    medium: str | None = Field(description="Medium it is called; null: as told.", examples=["cpc"])
    campaign: str | None = Field(description="Campaign it is called; null: as told.", examples=["spring"])


class CostRules(Out):
    """The rules of a site, in order."""

    rules: list[CostRuleOut] = Field(description="The rules.")


class CostRulesSaved(Out):
    """The rules that are in force, and what they did."""

    rules: list[CostRuleOut] = Field(description="The rules.")
    renamed: int = Field(description="Costs that have other names, or another channel, than before.", examples=[12])


class UnmatchedArgs(Args):
    """Which campaigns."""

    since: Day | None = Field(None, description=f"First day looked at; else {LOOK_BACK_DAYS} days ago.")
    limit: int = Field(USUAL, ge=1, le=MOST, description="How many at the most.", examples=[50])


class NamesOut(Out):
    """What visits are called."""

    source: str = Field(description="Source.", examples=["google"])
    medium: str = Field(description="Medium.", examples=["cpc"])
    campaign: str = Field(description="Campaign.", examples=["spring"])


class UnmatchedOut(Out):
    """A campaign with costs that no visit names."""

    told_source: str = Field(description="Source as told.", examples=["google"])
    told_medium: str = Field(description="Medium as told.", examples=["cpc"])
    told_campaign: str = Field(description="Campaign as told.", examples=["Spring Sale 2026"])
    source: str = Field(description="Source by the rules.", examples=["google"])
    medium: str = Field(description="Medium by the rules.", examples=["cpc"])
    campaign: str = Field(description="Campaign by the rules.", examples=["Spring Sale 2026"])
    amount: str = Field(description="Spend in major units.", examples=["120.50"])
    amount_minor: int = Field(description="Spend in minor units.", examples=[12050])
    currency: str = Field(description="ISO 4217.", examples=["EUR"])
    costs: int = Field(description="How many rows.", examples=[30])
    from_day: Day = Field(description="First of its days.")
    to_day: Day = Field(description="Last of its days.")
    nearest: list[NamesOut] = Field(description="Names of visits of this source that are like it, the likest first.")


class UnmatchedCosts(Out):
    """Campaigns that no visit names."""

    since: Day = Field(description="First day looked at.")
    n_unmatched: int = Field(description="How many there are in all.", examples=[3])
    n_campaigns: int = Field(description="How many campaigns have costs.", examples=[20])
    data: list[UnmatchedOut] = Field(description="Those with the most money first.")


def rules_out(rules: tuple[CostRule, ...]) -> list[CostRuleOut]:
    """Rules as the API gives them."""
    return [CostRuleOut(**{name: getattr(rule, name) for name in CostRuleOut.model_fields}) for rule in rules]


@operation("GET", "/costs/rules", tag="Costs", gives=CostRules, sample="/costs/rules")
def get_cost_rules(args: Args) -> CostRules:
    """Read the rules that give the campaigns of platforms the names that visits have."""
    with reading(here().engine) as tx:
        return CostRules(rules=rules_out(rules_of(tx, token_site().site_id)))


@operation(
    "PUT", "/costs/rules", tag="Costs", body=CostRulesIn, gives=CostRulesSaved, sample="/costs/rules", example=EXAMPLE
)
def put_cost_rules(body: CostRulesIn, args: Args) -> CostRulesSaved:
    """Put rules in the place of all that a site has, and name all its costs by them, at once.

    What was told stays known: without a rule its costs have their own names again.
    """
    context, site = here(), token_site()
    rules = read_rules([one.model_dump() for one in body.rules])
    now = context.now()
    with begin(context.engine) as tx:
        before = rules_of(tx, site.site_id)
        renamed = save_rules(tx, site.site_id, rules, actor(), now)
        if rules != before:
            details = {"before": len(before), "after": len(rules), "renamed": renamed}
            note(tx, site.site_id, actor(), Audited.COST_RULES, "all rules", now=now, details=details)
    return CostRulesSaved(rules=rules_out(rules), renamed=renamed)


@operation(
    "GET",
    "/costs/unmatched",
    tag="Costs",
    args=UnmatchedArgs,
    gives=UnmatchedCosts,
    sample="/costs/unmatched?since=2026-02-01",
)
def get_unmatched_costs(args: UnmatchedArgs) -> UnmatchedCosts:
    """List the campaigns with costs that no visit names, with the names of visits that are like theirs."""
    site = token_site()
    today = date.fromisoformat(local_day(here().now(), site.timezone))
    since = args.since or (today - timedelta(days=LOOK_BACK_DAYS)).isoformat()
    with reading(here().engine) as tx:
        return answer(tx, site.site_id, since, args.limit)


def answer(tx: Tx, site_id: int, since: str, limit: int) -> UnmatchedCosts:
    """What no visit names."""
    found = unmatched_costs(tx, site_id, since, limit)
    return UnmatchedCosts(
        since=since,
        n_unmatched=found.n_unmatched,
        n_campaigns=found.n_campaigns,
        data=[unmatched_out(one) for one in found.unmatched],
    )


def unmatched_out(one: Unmatched) -> UnmatchedOut:
    """A campaign as the API gives it."""
    return UnmatchedOut(
        told_source=one.told_source,
        told_medium=one.told_medium,
        told_campaign=one.told_campaign,
        source=one.source,
        medium=one.medium,
        campaign=one.campaign,
        amount=plain(one.amount_minor, one.currency),
        amount_minor=one.amount_minor,
        currency=one.currency,
        costs=one.n_costs,
        from_day=one.from_day,
        to_day=one.to_day,
        nearest=[NamesOut(source=names[0], medium=names[1], campaign=names[2]) for names in one.nearest],
    )
