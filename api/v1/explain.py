"""Why a deal or a lead is credited as it is, and each of its touches down to the raw hits."""

from decimal import Decimal

from flask import request
from pydantic import Field

from api.context import here
from api.trust import token_site
from api.v1.contract import operation
from api.v1.deals import Deal, DealPath, deal_out
from api.v1.fields import CONTROL, Args, At, Day, Out, Path
from api.v1.journeys import TouchOut, touch_out
from api.v1.paging import PageArgs, PageOut, cursor_of, key_of
from tracker.clock import format_instant, from_ms, local_day, to_ms
from tracker.db.store import reading
from tracker.money import plain
from tracker.reports.asking import ask
from tracker.reports.explain import (
    Explanation,
    LedgerLine,
    SeenTouch,
    explain_conversion,
    explain_deal,
    models_asked,
)
from tracker.reports.touch import RawHit, read_touch
from tracker.reports.verdicts import Judged, Part

LIST = "touch"
# What of the query is the report's; the rest is the explanation's own.
OF_THE_REPORT = ("currency", "direct", "lookback_days", "scope", "policy")


class ExplainArgs(Args):
    """Which models, and under what."""

    model: str | None = Field(
        None,
        max_length=400,
        pattern=CONTROL,
        examples=["first,linear"],
        description="Models, separated by commas; all when not given.",
    )
    currency: str | None = Field(
        None,
        max_length=40,
        pattern=CONTROL,
        examples=["EUR"],
        description="ISO 4217 currency of the credits; the site's when not given.",
    )
    policy: str | None = Field(
        None,
        max_length=40,
        pattern=CONTROL,
        examples=["0"],
        description="The version of the site's attribution policy to explain as of; the one in force when not given.",
    )
    direct: str | None = Field(
        None,
        max_length=40,
        pattern=CONTROL,
        examples=["last_resort"],
        description="last_resort or counts; when not given, what the site's policy says.",
    )
    lookback_days: str | None = Field(
        None,
        max_length=40,
        pattern=CONTROL,
        examples=["90"],
        description="Days before the conversion within which touches count; when not given, what the policy says.",
    )
    scope: str | None = Field(
        None,
        max_length=40,
        pattern=CONTROL,
        examples=["deal"],
        description="Whose touches count: contact, deal or company; when not given, what the policy says.",
    )


class ExplainDealArgs(ExplainArgs):
    """Which of the deal's conversions, which models, and under what."""

    of: str | None = Field(
        None,
        max_length=40,
        pattern=CONTROL,
        examples=["won"],
        description="won or created; when not given its win if it ever had one, else its creation.",
    )


class ConversionPath(Path):
    """Which conversion."""

    conversion_id: str = Field(
        max_length=100, pattern=CONTROL, description="The conversion.", examples=["0c6a9e7b1f2d4c3b8a9f0e1d2c3b4a59"]
    )


class TouchPath(Path):
    """Which touch."""

    touchpoint_id: str = Field(
        max_length=100, pattern=CONTROL, description="The touch.", examples=["0c6a9e7b1f2d4c3b8a9f0e1d2c3b4a59"]
    )


class PersonOnOut(Out):
    """Somebody whose touches are on the path."""

    id: str = Field(description="The contact's id.", examples=["5f0c1f0e8a0b4c1d9e2f3a4b5c6d7e8f"])
    email: str | None = Field(description="E-mail address.", examples=["hana@kyoto.example"])
    name: str | None = Field(description="Full name.", examples=["Hana Sato"])
    lead_at: At = Field(description="When the person became a lead.")
    how: str = Field(
        description="own (the lead itself), named (by the CRM on the deal), company (the deal names nobody), "
        "colleague (of the deal's company; counts only in the scope company).",
        examples=["named"],
    )
    is_oldest: bool = Field(
        description="Became a lead first: the scope contact is this person's touches.", examples=[True]
    )


class RateOut(Out):
    """An exchange rate."""

    value: str = Field(description="What one unit of the entry's currency was worth, 12 digits.", examples=["0.92166"])
    day: Day = Field(description="The banking day of the quotes.")
    source: str = Field(description="Whose quotes.", examples=["ECB"])
    is_late: bool = Field(
        description="The entry's day is later than the known rates; the last were taken.", examples=[False]
    )


class LedgerOut(Out):
    """An entry of the ledger, as it was booked and as it is credited."""

    kind: str = Field(description="won, amended, refunded, redated, lost_after_won or reopened.", examples=["won"])
    at: At = Field(description="When it happened.")
    day: Day = Field(description="The day it counts on, in the site's zone.")
    amount: str = Field(description="Signed, in major units of its own currency.", examples=["1500.00"])
    amount_minor: int = Field(description="The same in minor units.", examples=[150000])
    currency: str = Field(description="ISO 4217.", examples=["EUR"])
    rate: RateOut | None = Field(description="The rate used; null where none was needed, or there is none.")
    credited: str | None = Field(
        description="In the currency of the credits, in major units; null where there is no rate: it is in no figure.",
        examples=["1500.00"],
    )
    credited_minor: int | None = Field(description="The same in minor units.", examples=[150000])


class MilestoneOut(Out):
    """A moment that models may look at."""

    name: str = Field(description="lead, deal (its creation) or close.", examples=["lead"])
    at: At = Field(description="When it came.")
    on_way: bool = Field(
        description="Whether it had come by the conversion; if not, no model sees it.", examples=[True]
    )


class PathTouch(Out):
    """A touch of the path, in its place."""

    at: At = Field(description="When it came.")
    day: Day = Field(description="The day, in the site's zone.")
    channel: str = Field(description="The channel as the site's policy names it.", examples=["paid_search"])
    is_excluded: bool = Field(description="A rule of the policy takes it off every path.", examples=[False])
    own_rule: int | None = Field(
        description="Which rule of the policy named or excluded it, from 1; null: the shipped rules' word stands.",
        examples=[1],
    )
    scope: str = Field(
        description="The narrowest scope it belongs to: contact (the oldest contact's), deal (another's on it), "
        "company (a colleague's).",
        examples=["contact"],
    )
    contact_id: str | None = Field(
        description="Whose; null where they cannot be named.", examples=["5f0c1f0e8a0b4c1d9e2f3a4b5c6d7e8f"]
    )
    hit_id: str = Field(description="The hit it began with.", examples=["019d4b2a-7c00-7a3e-8b1f-2d3c4b5a6978"])
    rules_version: str = Field(
        description="Version of the shipped channel rules that classed it; touch.rule is the rule.", examples=["1"]
    )
    touch: TouchOut = Field(description="The touch as it is stored, under the shipped channel rules.")


class PartOut(Out):
    """What fell to a touch, or to nobody."""

    weight: int = Field(description="The model's weight, a whole number.", examples=[1])
    share: str = Field(description="Of the whole, six decimals; those of a path add up to 1.", examples=["0.500000"])
    amount: str | None = Field(
        description="Credit from the ledger in major units; null while the site has no currency.", examples=["750.00"]
    )
    amount_minor: int = Field(description="The same in minor units.", examples=[75000])
    by_entry_minor: list[int] = Field(
        description="Credit from each ledger entry in its order: the share of the net after it less the share of the "
        "net before it.",
        examples=[[85013, -10013]],
    )


class CreditOut(PartOut):
    """What a model makes of one touch."""

    touch_id: str = Field(description="The touch.", examples=["0c6a9e7b1f2d4c3b8a9f0e1d2c3b4a59"])
    standing: str = Field(
        description="earns, or what bars it: excluded, out_of_scope, too_early, capture, direct.", examples=["earns"]
    )
    holds: list[str] = Field(
        description="The milestones it stands at: first, lead, deal, close.", examples=[["first", "lead"]]
    )


class NobodyOut(PartOut):
    """What no touch explains: the report's unattributed row."""

    reasons: list[str] = Field(
        description="no_touch (none may earn), baseline (the model's), not_confirmed (by the experiment).",
        examples=[["no_touch"]],
    )


class ModelOut(Out):
    """What one model makes of the path."""

    model: str = Field(description="The model.", examples=["linear"])
    label: str = Field(description="Its name.", examples=["Linear"])
    formula: str = Field(description="Its rule in words.", examples=["the same share to every touch"])
    family: str = Field(
        description="rule (credit), data_driven (an association) or incremental (estimated).", examples=["rule"]
    )
    refusal: str | None = Field(
        description="Why it cannot be asked; then it gives no credit here.",
        examples=["markov has not been fitted on this site's paths"],
    )
    direct: str | None = Field(description="Its direct policy.", examples=["last_resort"])
    scope: str | None = Field(description="Whose touches count.", examples=["deal"])
    earliest_at: At | None = Field(description="A touch earns only if it is later; null without a look-back.")
    touches: list[CreditOut] = Field(description="One for each touch of the path, in its order.")
    nobody: NobodyOut = Field(description="What no touch explains.")


class Explained(Out):
    """Why a conversion is credited as it is."""

    conversion_id: str = Field(description="The conversion.", examples=["0c6a9e7b1f2d4c3b8a9f0e1d2c3b4a59"])
    kind: str = Field(
        description="deal_won, deal_created, lead, mql, sql, customer, form, call, chat or offline.",
        examples=["deal_won"],
    )
    at: At = Field(description="When it came.")
    day: Day = Field(description="The day it counts on, in the site's zone.")
    counts: bool = Field(
        description="False: a win that was taken back; it is no sale, and its ledger is still credited.",
        examples=[True],
    )
    by_company: bool = Field(
        description="The CRM names nobody on the deal; its company's people are taken.", examples=[False]
    )
    deal: Deal | None = Field(description="The deal as it stands; null for a lead.")
    people: list[PersonOnOut] = Field(description="Whose touches are on the path.")
    ledger: list[LedgerOut] = Field(description="What was booked; of a deal's win only.")
    currency: str | None = Field(description="Of all credits.", examples=["EUR"])
    total: str | None = Field(description="What the ledger comes to in it: what is shared.", examples=["1299.75"])
    total_minor: int = Field(description="The same in minor units.", examples=[129975])
    milestones: list[MilestoneOut] = Field(description="Lead, deal, close.")
    last_win_at: At | None = Field(description="Of an upsell and its like: the customer's win before it.")
    path: list[PathTouch] = Field(description="The touches in the order of the path.")
    models: list[ModelOut] = Field(description="What each model makes of it.")
    policy_version: int = Field(description="Of the site's attribution policy; 0: as shipped.", examples=[3])
    fit_version: int | None = Field(description="Of what models learned; null: nothing yet.", examples=[2])


class TouchVisit(Out):
    """The visit that a touch began."""

    started_at: At = Field(description="When it began.")
    ended_at: At = Field(description="When its last hit came.")
    pages: int = Field(description="Pages seen in it.", examples=[3])
    sealed: bool = Field(description="Its page views are no longer kept.", examples=[False])


class HitOut(Out):
    """A hit as the journal has it."""

    hit_id: str = Field(description="Made by the sender.", examples=["019d4b2a-7c00-7a3e-8b1f-2d3c4b5a6978"])
    kind: str = Field(description="page, form, identify, event, call, chat or offline.", examples=["page"])
    origin: str = Field(description="Who wrote it: browser, api, log or demo.", examples=["browser"])
    occurred_at: At = Field(description="When it happened.")
    received_at: At = Field(description="When it came.")
    url: str = Field(description="Address of the page; may be empty.", examples=["https://www.kyoto.example/?gclid=A"])
    referrer: str | None = Field(description="Address of the page before.", examples=["https://www.google.com/"])
    title: str | None = Field(description="Title of the page.", examples=["Pricing"])
    user_agent: str | None = Field(description="As the browser names itself.", examples=["Mozilla/5.0 …"])
    country: str | None = Field(description="ISO 3166; the address it came from is not kept.", examples=["JP"])
    consent: str = Field(description="The consent it was sent under: none or granted.", examples=["granted"])
    details: dict[str, str | None] = Field(
        description="What only some kinds carry, by its name: form.id, props.plan, identifiers.email …; null: kept, "
        "and not shown.",
        examples=[{"form.id": "contact", "identifiers.email": "hana@kyoto.example"}],
    )


class TouchRead(PageOut):
    """A touch with what was received, oldest first."""

    touch: TouchOut = Field(description="The touch.")
    at: At = Field(description="When it came.")
    day: Day = Field(description="The day, in the site's zone.")
    rules_version: str = Field(description="Version of the channel rules that classed it.", examples=["1"])
    contact_id: str | None = Field(
        description="Whose; null where they cannot be named.", examples=["5f0c1f0e8a0b4c1d9e2f3a4b5c6d7e8f"]
    )
    visit: TouchVisit | None = Field(description="The visit it began; null for what was no web visit.")
    data: list[HitOut] = Field(description="The hits of the visit, or the call, chat or event itself.")


@operation(
    "GET",
    "/deals/<reference>/explain",
    tag="Deals",
    path=DealPath,
    args=ExplainDealArgs,
    gives=Explained,
    sample="/deals/D-1/explain?model=first,linear",
)
def explain_deal_credit(reference: str, args: ExplainDealArgs) -> Explained:
    """Why a deal is credited as it is: path, ledger, rates, milestones, and each model's weights and money.

    The money is the Source report's, to the minor unit: per model the parts of the touches and of nobody add up to
    the ledger.
    """
    context, site = here(), token_site()
    models = models_asked(args.model)
    with reading(context.engine) as tx:
        query = ask(tx, report_args(), site, local_day(context.now(), site.timezone))
        return explained_out(explain_deal(tx, site, reference, query, models, args.of))


@operation(
    "GET",
    "/conversions/<conversion_id>/explain",
    tag="Reports",
    path=ConversionPath,
    args=ExplainArgs,
    gives=Explained,
    sample="/conversions/$CONVERSION/explain",
)
def explain_conversion_credit(conversion_id: str, args: ExplainArgs) -> Explained:
    """Why a lead, a form, a call … is credited as it is; the same as of a deal, without a ledger."""
    context, site = here(), token_site()
    models = models_asked(args.model)
    with reading(context.engine) as tx:
        query = ask(tx, report_args(), site, local_day(context.now(), site.timezone))
        return explained_out(explain_conversion(tx, site, conversion_id, query, models))


@operation(
    "GET",
    "/touches/<touchpoint_id>",
    tag="Reports",
    path=TouchPath,
    args=PageArgs,
    gives=TouchRead,
    sample="/touches/$TOUCH",
)
def get_touch(touchpoint_id: str, args: PageArgs) -> TouchRead:
    """A touch down to the raw hits: the rule that named it, its visit, and what the journal has of it."""
    after = key_of(LIST, args.cursor, int, str)
    with reading(here().engine) as tx:
        found = read_touch(tx, token_site(), touchpoint_id)
    left = [hit for hit in found.hits if after is None or (to_ms(hit.occurred_at), hit.hit_id) > after]
    shown = left[: args.limit]
    more = cursor_of(LIST, shown[-1].occurred_at, shown[-1].hit_id) if len(left) > args.limit else None
    visit = found.visit
    return TouchRead(
        touch=touch_out(found.touch),
        at=format_instant(found.touch.occurred_at),
        day=found.touch.day,
        rules_version=found.touch.rules_version,
        contact_id=found.contact.contact_id if found.contact else None,
        visit=None
        if visit is None
        else TouchVisit(
            started_at=format_instant(visit.started_at),
            ended_at=format_instant(visit.ended_at),
            pages=visit.n_pages,
            sealed=visit.sealed,
        ),
        data=[hit_out(hit) for hit in shown],
        next_cursor=more,
    )


def report_args() -> dict[str, str]:
    """The parameters that are the report's, as they were given."""
    return {name: request.args[name] for name in OF_THE_REPORT if name in request.args}


def explained_out(found: Explanation) -> Explained:
    """An explanation as the API gives it."""
    currency = found.currency
    return Explained(
        conversion_id=found.conversion_id,
        kind=found.kind.value,
        at=format_instant(found.converted_at),
        day=found.day,
        counts=bool(found.n),
        by_company=found.by_company,
        deal=deal_out(found.deal) if found.deal else None,
        people=[
            PersonOnOut(
                id=one.contact_id,
                email=one.email,
                name=one.name,
                lead_at=format_instant(one.lead_at),
                how=one.how,
                is_oldest=one.is_oldest,
            )
            for one in found.people
        ],
        ledger=[ledger_out(line, currency) for line in found.ledger],
        currency=currency,
        total=plain(found.total_minor, currency) if currency else None,
        total_minor=found.total_minor,
        milestones=[
            MilestoneOut(name=one.name, at=format_instant(one.at), on_way=one.on_way) for one in found.milestones
        ],
        last_win_at=format_instant(found.last_win_at) if found.last_win_at else None,
        path=[path_touch(one) for one in found.touches],
        models=[model_out(one, found) for one in found.models],
        policy_version=found.policy_version,
        fit_version=found.fit_version,
    )


def ledger_out(line: LedgerLine, currency: str | None) -> LedgerOut:
    """A ledger entry as the API gives it."""
    rate = line.rate
    credited = None if line.converted_minor is None or not currency else plain(line.converted_minor, currency)
    return LedgerOut(
        kind=line.kind.value,
        at=format_instant(line.occurred_at),
        day=line.day,
        amount=plain(line.amount_minor, line.currency),
        amount_minor=line.amount_minor,
        currency=line.currency,
        rate=None
        if rate is None
        else RateOut(value=f"{rate.value:f}", day=rate.rate_day, source=rate.source, is_late=rate.is_late),
        credited=credited,
        credited_minor=line.converted_minor,
    )


def path_touch(one: SeenTouch) -> PathTouch:
    """A touch of the path as the API gives it."""
    return PathTouch(
        at=format_instant(one.touch.occurred_at),
        day=one.touch.day,
        channel=one.channel,
        is_excluded=one.is_excluded,
        own_rule=one.own_rule,
        scope=one.scope.value,
        contact_id=one.contact_id,
        hit_id=one.touch.hit_id,
        rules_version=one.touch.rules_version,
        touch=touch_out(one.touch),
    )


def model_out(one: Judged, found: Explanation) -> ModelOut:
    """A model's verdicts as the API gives them."""
    nobody = part_out(one.nobody, found.currency)
    return ModelOut(
        model=one.model.value,
        label=one.label,
        formula=one.formula,
        family=one.family.value,
        refusal=one.refusal,
        direct=one.terms.direct.value if one.terms else None,
        scope=one.terms.scope.value if one.terms else None,
        earliest_at=None if one.earliest_ms is None else format_instant(from_ms(one.earliest_ms)),
        touches=[
            CreditOut(
                **part_out(verdict.part, found.currency).model_dump(),
                touch_id=seen.touch.touchpoint_id,
                standing=verdict.standing.value,
                holds=list(verdict.holds),
            )
            for seen, verdict in zip(found.touches, one.verdicts, strict=False)
        ],
        nobody=NobodyOut(**nobody.model_dump(), reasons=list(one.reasons)),
    )


def part_out(part: Part, currency: str | None) -> PartOut:
    """A part as the API gives it."""
    return PartOut(
        weight=part.weight,
        share=f"{Decimal(part.share_micro).scaleb(-6):.6f}",
        amount=plain(part.amount_minor, currency) if currency else None,
        amount_minor=part.amount_minor,
        by_entry_minor=list(part.by_entry),
    )


def hit_out(hit: RawHit) -> HitOut:
    """A hit as the API gives it."""
    return HitOut(
        hit_id=hit.hit_id,
        kind=hit.kind.value,
        origin=hit.origin.value,
        occurred_at=format_instant(hit.occurred_at),
        received_at=format_instant(hit.received_at),
        url=hit.url,
        referrer=hit.referrer,
        title=hit.title,
        user_agent=hit.user_agent,
        country=hit.country,
        consent=hit.consent,
        details=dict(hit.details),
    )
