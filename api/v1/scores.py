"""What points tell, for programs: the same figures as on the page."""

from datetime import date

from pydantic import Field

from api.context import here
from api.trust import token_site
from api.v1.contract import operation
from api.v1.fields import CONTROL, Args, Out
from tracker.clock import local_day, parse_day
from tracker.db.store import reading
from tracker.reports.lift import Lift
from tracker.reports.periods import days_of
from tracker.reports.scoring import MOST_PEOPLE, scoring_of

EVERYBODY = 1_000_000


class ScoresArgs(Args):
    """Whose points."""

    from_day: str | None = Field(
        None, alias="from", max_length=10, pattern=CONTROL, examples=["2026-01-01"],
        description="First day on which they became leads; a year ago when not given.",
    )  # fmt: skip
    to_day: str | None = Field(
        None, alias="to", max_length=10, pattern=CONTROL, description="Last day; today when not given.",
        examples=["2026-06-30"],
    )  # fmt: skip
    whole: bool = Field(False, description="Read everybody, also of more than 3,000 people.", examples=[False])


class LiftOut(Out):
    """How often who did something became a customer, beside those who did not. An association, no cause."""

    did: int = Field(description="People who did.", examples=[120])
    won_did: int = Field(description="Of them, customers later.", examples=[30])
    others: int = Field(description="People who did not.", examples=[900])
    won_others: int = Field(description="Of them, customers later.", examples=[45])
    lift: float | None = Field(description="Ratio of the two shares; null: fewer than ten in a group.", examples=[5.0])
    low: float | None = Field(description="Its interval of 95 %, from …", examples=[3.29])
    high: float | None = Field(description="… to.", examples=[7.6])


class PointsRuleOut(Out):
    """A rule of points in the period."""

    name: str = Field(description="The rule's name.", examples=["pricing"])
    points: int = Field(description="Points that it gave.", examples=[840])
    people: int = Field(description="To so many people.", examples=[120])
    share: float | None = Field(description="Of all points given, 0 to 1; null: none were.", examples=[0.4])
    lift: LiftOut = Field(description="Who got any, beside those who got none.")


class StageRuleOut(Out):
    """A rule of stages."""

    name: str = Field(description="The rule's name.", examples=["Demo request"])
    stage: str = Field(description="Where it leads.", examples=["salesqualifiedlead"])
    lift: LiftOut = Field(description="Of whom it had come true, beside the others.")


class SuggestionOut(Out):
    """Points that the site's own history suggests. Nothing applies them."""

    points: int = Field(description="How many, -20 to 20.", examples=[12])
    toml: str = Field(description="As a definition has them.", examples=['[[points]]\nname = "form demo"\n…'])
    lift: LiftOut = Field(description="Interval as wide as the number of things compared asks for.")


class ScoresOut(Out):
    """What points tell of the leads of a period, each looked at a month after."""

    version: int | None = Field(description="Of the definition in force; null: none is.", examples=[3])
    leads: int = Field(description="Who became a lead in the period.", examples=[1040])
    read: int = Field(description="Of them that were read: every n-th of very many.", examples=[1040])
    old_enough: int = Field(description="Of them that could have become customers by now.", examples=[1020])
    rules: list[PointsRuleOut] = Field(description="The rules of points.")
    stage_rules: list[StageRuleOut] = Field(description="The rules of stages.")
    suggestions: list[SuggestionOut] = Field(description="The clearest first, at most 20.")
    compared: int = Field(description="How many things were compared for them.", examples=[48])


@operation(
    "GET", "/definitions/scores", tag="Definitions", args=ScoresArgs, gives=ScoresOut, sample="/definitions/scores"
)
def get_scores(args: ScoresArgs) -> ScoresOut:
    """Which rules give points, what goes with becoming a customer, and points that history suggests."""
    context, site = here(), token_site()
    now = context.now()
    first, last = days_of("last_12_months", date.fromisoformat(local_day(now, site.timezone)))
    from_day = parse_day(args.from_day, "from") if args.from_day else first.isoformat()
    to_day = parse_day(args.to_day, "to") if args.to_day else last.isoformat()
    with reading(context.engine) as tx:
        found = scoring_of(tx, site, from_day, to_day, now, EVERYBODY if args.whole else MOST_PEOPLE)
    return ScoresOut(
        version=found.version,
        leads=found.n_leads,
        read=found.n_read,
        old_enough=found.n_old_enough,
        rules=[
            PointsRuleOut(name=one.name, points=one.points, people=one.n_people, share=one.share, lift=lift(one.lift))
            for one in found.rules
        ],
        stage_rules=[StageRuleOut(name=name, stage=stage, lift=lift(one)) for name, stage, one in found.stage_rules],
        suggestions=[SuggestionOut(points=one.points, toml=one.toml, lift=lift(one.lift)) for one in found.suggestions],
        compared=found.n_looked_at,
    )


def lift(one: Lift) -> LiftOut:
    """A lift as the API gives it."""
    return LiftOut(
        did=one.n_did,
        won_did=one.won_did,
        others=one.n_not,
        won_others=one.won_not,
        lift=one.ratio,
        low=one.low,
        high=one.high,
    )
