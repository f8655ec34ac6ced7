"""Where a contact came from: the flat fields that a CRM stores (docs/crm-fields.md), and the whole journey."""

from typing import Any

from pydantic import Field, create_model

from api.context import here
from api.trust import token_site
from api.v1.contacts import ContactPath, journey_url
from api.v1.contract import operation
from api.v1.fields import Args, At, Out
from api.v1.paging import PageArgs, PageOut, cursor_of, key_of
from tracker.clock import format_instant, to_ms
from tracker.db.store import reading
from tracker.money import plain
from tracker.reports import journey as way
from tracker.reports.stages import StageStep
from tracker.vocabulary import NOT_SET

LIST = "journey"
# Click ids that CRMs and ad connectors have fields of their own for; all others stand under click_ids.
FLAT_CLICK_IDS = (
    "gclid",
    "gbraid",
    "wbraid",
    "dclid",
    "msclkid",
    "fbclid",
    "li_fat_id",
    "ttclid",
    "twclid",
    "yclid",
)
ROLES = {
    "first": "the first touch, as it is stored",
    "lead": "the last touch at or before the lead that was not direct, else the last one",
    "last": "the last touch until now that was not direct, else the last one",
}
# Suffix of the field, what it is, an example.
TOUCH_FIELDS = {
    "channel": ("Channel", "paid_search"),
    "source": ("Source", "google"),
    "medium": ("Medium", "cpc"),
    "campaign": ("Campaign", "spring"),
    "term": ("Term (keyword)", "green tea"),
    "content": ("Content (which ad or link)", "banner-b"),
    "landing_page": ("Path of the landing page", "/pricing"),
    "landing_url": ("Full address of the landing page", "https://www.kyoto.example/pricing?gclid=Abc-1"),
    "referrer": ("Address of the page before", "https://www.google.com/"),
    "date": ("Instant", "2026-04-01T03:00:00.000Z"),
}


def touch_fields() -> dict[str, Any]:
    """The fields first_channel … last_date."""
    return {
        f"{role}_{name}": (
            str | None,
            Field(
                description=f"{what} of {which}; null where nothing said it.",
                examples=[example],
                json_schema_extra={"format": "date-time"} if name == "date" else None,
            ),
        )
        for role, which in ROLES.items()
        for name, (what, example) in TOUCH_FIELDS.items()
    }


def click_id_fields() -> dict[str, Any]:
    """The fields gclid, msclkid …"""
    return {
        name: (
            str | None,
            Field(description=f"The latest {name} among the touches, as it came.", examples=["Abc-1"]),
        )
        for name in FLAT_CLICK_IDS
    }


class NoteOut(Out):
    """Something to know about the fields."""

    code: str = Field(description="For programs.", examples=["last_direct_skipped"])
    text: str = Field(description="For people, in English.", examples=[way.NOTES["last_direct_skipped"]])


class Counted(Out):
    """What was counted on the way."""

    click_ids: dict[str, str] = Field(
        description="Every click id among the touches: parameter to its latest value.",
        examples=[{"gclid": "Abc-1"}],
    )
    visits: int = Field(description="Visits until now.", examples=[4])
    pages_viewed: int = Field(description="Pages seen in them.", examples=[11])
    days_to_convert: int | None = Field(
        description="Days, in the site's zone, from the first touch to the lead; null without a touch before it.",
        examples=[2],
    )
    days_to_win: int | None = Field(
        description="Days from the first touch to the first deal won; null before that.", examples=[30]
    )
    lead_at: At = Field(description="When the person became a lead.")
    lead_type: str = Field(
        description="What made them one: form, identify, call, chat, offline or crm.", examples=["form"]
    )
    lead_form: str | None = Field(
        description="Name, else id, else provider, of the form that did.", examples=["contact"]
    )
    stage: str | None = Field(
        description="The person's stage in the life cycle; null: nobody told.", examples=["marketingqualifiedlead"]
    )
    stage_at: At | None = Field(description="Since when the person is in it.")
    score: int | None = Field(description="The person's score, as the CRM says.", examples=[42])
    journey_url: str = Field(
        description="The page with the journey.",
        examples=["https://minamoto.example/contacts/5f0c1f0e8a0b4c1d9e2f3a4b5c6d7e8f?site=demo"],
    )
    notes: list[NoteOut] = Field(description="What the reader should know.")


def attribution_model() -> Any:
    """The answer with its flat fields."""
    contact_id = Field(description="The contact's id.", examples=["5f0c1f0e8a0b4c1d9e2f3a4b5c6d7e8f"])
    return create_model(
        "Attribution",
        __base__=Counted,
        __doc__="The flat attribution fields of a contact, as a CRM stores them.",
        contact_id=(str, contact_id),
        **touch_fields(),
        **click_id_fields(),
    )


Attribution = attribution_model()


class TouchOut(Out):
    """A touch: how a visit began, or a contact that was no web visit. Names are as the reports show them."""

    id: str = Field(description="The touch.", examples=["0c6a9e7b1f2d4c3b8a9f0e1d2c3b4a59"])
    kind: str = Field(description="visit, call, chat or offline.", examples=["visit"])
    channel: str = Field(description="Channel.", examples=["paid_search"])
    source: str = Field(description="Source.", examples=["google"])
    medium: str = Field(description="Medium.", examples=["cpc"])
    campaign: str = Field(description="Campaign; (not set) where nothing said it.", examples=["spring"])
    term: str = Field(description="Term; (not set) where nothing said it.", examples=["green tea"])
    content: str = Field(description="Content; (not set) where nothing said it.", examples=["banner-b"])
    landing_page: str = Field(description="Path of the landing page.", examples=["/pricing"])
    landing_url: str = Field(description="Its full address.", examples=["https://www.kyoto.example/pricing"])
    referring_host: str = Field(description="Host of the page before.", examples=["google.com"])
    referrer: str | None = Field(description="Address of the page before.", examples=["https://google.com/"])
    click_ids: dict[str, str] = Field(description="Click ids, as they came.", examples=[{"gclid": "Abc-1"}])
    device: str = Field(description="desktop, mobile, tablet or other.", examples=["desktop"])
    country: str = Field(description="ISO 3166 code, or (not set).", examples=["JP"])
    rule: str = Field(description="Which channel rule decided.", examples=["paid_search"])


class DealStepOut(Out):
    """What happened to a deal."""

    reference: str = Field(description="The deal's reference.", examples=["D-1"])
    kind: str = Field(
        description="created, stage, status or amount (as the CRM told it), or what was booked: won, amended, "
        "refunded, lost_after_won, reopened, redated.",
        examples=["stage"],
    )
    name: str | None = Field(description="The deal's name today.", examples=["Tea house"])
    amount: str | None = Field(
        description="The amount, or the signed entry, in major units; null where it is not what changed.",
        examples=["1500.00"],
    )
    amount_minor: int | None = Field(description="The same in minor units.", examples=[150000])
    currency: str = Field(description="ISO 4217.", examples=["EUR"])
    from_stage: str | None = Field(description="Of a stage change.", examples=["demo"])
    to_stage: str | None = Field(description="Of a stage change.", examples=["offer"])
    from_status: str | None = Field(description="Of a status change.", examples=["open"])
    to_status: str | None = Field(description="Of a status change.", examples=["lost"])
    by_company: bool = Field(
        description="The CRM names nobody on the deal; it is here by the company.", examples=[False]
    )


class ProofOut(Out):
    """A fact that decided a change of stage."""

    at: At = Field(description="When it was.")
    kind: str = Field(description="What kind of fact it is.", examples=["form"])
    text: str = Field(description="What it says.", examples=["demo request"])


class StageStepOut(Out):
    """A change of the person's stage in the life cycle."""

    from_stage: str | None = Field(
        description="Where they came from; null: nobody had told of a stage.", examples=["lead"]
    )
    to_stage: str = Field(description="Where they are since.", examples=["marketingqualifiedlead"])
    cause: str = Field(
        description="crm, user, import or api: somebody said so; deal: one that names the person was won; rule: of a "
        "definition; company: theirs moved.",
        examples=["rule"],
    )
    by: str = Field(
        description="Who decided it: crm, a user, a file, the deal's reference, the rule's name.",
        examples=["asked for a demo"],
    )
    version: int | None = Field(description="By rule: the version of the definition.", examples=[3])
    evidence: list[ProofOut] = Field(description="By rule: the facts that decided it.")


class VisitOut(Out):
    """The visit that an item was in."""

    id: str = Field(description="The visit; equal for all its items.", examples=["0c6a9e7b1f2d4c3b8a9f0e1d2c3b4a59"])
    number: int = Field(description="1 for the contact's first visit.", examples=[1])
    started_at: At = Field(description="When it began.")
    ended_at: At = Field(description="When its last hit came.")
    pages: int = Field(description="Pages seen in it.", examples=[3])


class Moment(Out):
    """One moment of a journey."""

    at: At = Field(description="When it happened.")
    kind: str = Field(
        description="visit, call, chat, offline (touches; a visitor's call is none); page, event, form, identify, "
        "and a chat without a touch "
        "(hits in a visit); identified (by a CRM); deal; stage (of the life cycle).",
        examples=["page"],
    )
    title: str = Field(description="Page title, form or event name; may be empty.", examples=["Pricing"])
    url: str = Field(description="Address of the page; may be empty.", examples=["https://www.kyoto.example/"])
    detail: str = Field(description="Form or event name beside a title, or whom it named.", examples=["contact"])
    props: dict[str, str] = Field(
        description="What else an event or call carried; how far a call was `traced`.", examples=[{"plan": "team"}]
    )
    visit: VisitOut | None = Field(description="The visit it was in.")
    touch: TouchOut | None = Field(description="Of a touch: where it came from.")
    deal: DealStepOut | None = Field(description="Of a deal: what happened.")
    stage: StageStepOut | None = Field(description="Of a change of stage: the change.")
    engaged_s: float | None = Field(
        description="Of a page: for how many seconds it was visible and had the focus; null where it told nothing.",
        examples=[42.5],
    )
    scroll: int | None = Field(description="Of a page: how far down it was seen, in percent.", examples=[80])


class JourneyPage(PageOut):
    """A contact's journey, oldest first."""

    data: list[Moment] = Field(description="The moments.")


@operation(
    "GET",
    "/contacts/<contact_id>/attribution",
    tag="Contacts",
    path=ContactPath,
    gives=Attribution,
    sample="/contacts/$CONTACT/attribution",
)
def get_attribution(contact_id: str, args: Args) -> Any:
    """The attribution fields of a contact, flat, as a CRM stores them.

    Touches are given as stored. first_ is the first of them; lead_ and last_ pass over direct visits unless there is
    nothing else. docs/crm-fields.md maps the names to those of HubSpot, Salesforce and others.
    """
    with reading(here().engine) as tx:
        found = way.attribution_fields(tx, token_site(), contact_id)
    flat: dict[str, str | None] = {}
    for role, touch in (("first", found.first), ("lead", found.lead), ("last", found.last)):
        flat |= {f"{role}_{name}": touch_field(touch, name) for name in TOUCH_FIELDS}
    click_ids = dict(found.click_ids)
    return Attribution(
        contact_id=found.contact_id,
        **flat,
        **{name: click_ids.get(name) for name in FLAT_CLICK_IDS},
        click_ids=click_ids,
        visits=found.n_visits,
        pages_viewed=found.n_pages,
        days_to_convert=found.days_to_convert,
        days_to_win=found.days_to_win,
        lead_at=format_instant(found.lead_at),
        lead_type=found.lead_type.value,
        lead_form=found.lead_form,
        stage=found.stage,
        stage_at=None if found.stage_at is None else format_instant(found.stage_at),
        score=found.score,
        journey_url=journey_url(found.contact_id),
        notes=[NoteOut(code=code, text=way.NOTES[code] % {"day": found.kept_since}) for code in found.notes],
    )


def touch_field(touch: way.Touch | None, name: str) -> str | None:
    """One field of a touch as a CRM wants it: empty where nothing said it."""
    if touch is None:
        return None
    if name == "date":
        return format_instant(touch.occurred_at)
    value: str | None = getattr(touch, name)
    return None if value in (NOT_SET, "") else value


@operation(
    "GET",
    "/contacts/<contact_id>/journey",
    tag="Contacts",
    path=ContactPath,
    args=PageArgs,
    gives=JourneyPage,
    sample="/contacts/$CONTACT/journey",
)
def get_journey(contact_id: str, args: PageArgs) -> JourneyPage:
    """A contact's journey: every touch, page, form, event, naming, deal change, ledger entry and stage, oldest first.

    Items of one visit carry the same visit. A form that names the contact is one item; `identified` is a CRM's word.
    """
    after = key_of(LIST, args.cursor, int, int, str)
    with reading(here().engine) as tx:
        found = way.journey(tx, token_site(), contact_id)
    visits = {
        visit.visit_id: VisitOut(
            id=visit.visit_id,
            number=number,
            started_at=format_instant(visit.started_at),
            ended_at=format_instant(visit.ended_at),
            pages=visit.n_pages,
        )
        for number, visit in enumerate(found.visits, 1)
    }
    items = [item for item in found.items if after is None or order_of(item) > after]
    shown = items[: args.limit]
    more = cursor_of(LIST, *order_of(shown[-1])) if len(items) > args.limit else None
    return JourneyPage(data=[moment(item, visits) for item in shown], next_cursor=more)


def order_of(item: way.JourneyItem) -> tuple[int, int, str]:
    """An item's place as a cursor keeps it."""
    at, rank, key = item.order
    return to_ms(at), rank, key


def moment(item: way.JourneyItem, visits: dict[str, VisitOut]) -> Moment:
    """An item as the API gives it."""
    return Moment(
        at=format_instant(item.at),
        kind=item.kind,
        title=item.title,
        url=item.url,
        detail=item.detail,
        props=dict(item.props),
        visit=visits.get(item.visit_id or ""),
        touch=None if item.touch is None else touch_out(item.touch),
        deal=None if item.deal is None else step_out(item.deal),
        stage=None if item.stage is None else stage_out(item.stage),
        engaged_s=None if item.engaged is None else item.engaged.engaged_ms / 1000,
        scroll=None if item.engaged is None else item.engaged.scroll,
    )


def touch_out(touch: way.Touch) -> TouchOut:
    """A touch as the API gives it."""
    return TouchOut(
        id=touch.touchpoint_id,
        kind=touch.kind.value,
        channel=touch.channel,
        source=touch.source,
        medium=touch.medium,
        campaign=touch.campaign,
        term=touch.term,
        content=touch.content,
        landing_page=touch.landing_page,
        landing_url=touch.landing_url,
        referring_host=touch.referring_host,
        referrer=touch.referrer,
        click_ids=dict(touch.click_ids),
        device=touch.device,
        country=touch.country,
        rule=touch.rule,
    )


def stage_out(step: StageStep) -> StageStepOut:
    """A change of stage as the API gives it."""
    return StageStepOut(
        from_stage=step.before,
        to_stage=step.stage,
        cause=step.cause.value,
        by=step.by,
        version=step.version,
        evidence=[ProofOut(at=format_instant(one.at), kind=one.kind, text=one.text) for one in step.evidence],
    )


def step_out(step: way.DealStep) -> DealStepOut:
    """A deal's step as the API gives it."""
    amount = None if step.amount_minor is None else plain(step.amount_minor, step.currency)
    return DealStepOut(
        reference=step.reference,
        kind=step.kind,
        name=step.name,
        amount=amount,
        amount_minor=step.amount_minor,
        currency=step.currency,
        from_stage=step.from_stage,
        to_stage=step.to_stage,
        from_status=None if step.from_status is None else step.from_status.value,
        to_status=None if step.to_status is None else step.to_status.value,
        by_company=step.by_company,
    )
