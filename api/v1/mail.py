"""Mails, told by the service that sends them: what became of each, programmes, and links that count their clicks.

SendGrid's event webhook is taken as it posts it; its signature is asked for where the installation knows the key.
"""

from datetime import timedelta
from typing import Annotated, Any

from flask import current_app, request
from pydantic import AfterValidator, Field, RootModel, WithJsonSchema

from api.context import here
from api.trust import actor, token_site
from api.v1.contract import operation
from api.v1.fields import (
    CONTROL,
    Args,
    Body,
    Day,
    Email,
    ForOne,
    Instant,
    Key,
    Line,
    Out,
    Path,
    Word,
    refuse,
)
from tracker.access import audit
from tracker.clock import local_day
from tracker.db.store import begin, reading
from tracker.errors import Denied, Invalid
from tracker.identity.normalise import email_of
from tracker.ids import derive, new_link_id
from tracker.mailing.address import MOST_URL, checked_url
from tracker.mailing.links import Recipient, add_link, find_link, token_for
from tracker.mailing.programmes import MOST_STEPS, MailProgramme, tell_programme, written
from tracker.mailing.reading import MailEvent, from_sendgrid, is_signed
from tracker.reactions import mails_told, recipient_by
from tracker.reports.mails import Asked, MailFigures, programme_lines
from tracker.vocabulary import Audited, MailKind, Programme

MOST_EVENTS = 500
MOST_SENDGRID = 10_000
NINETY_DAYS = timedelta(days=89)
EXAMPLE = {
    "events": [
        {
            "event_id": "mail-2026-0417-0031-click",
            "kind": "click",
            "programme": "welcome",
            "step": "2 the tour",
            "email": "hana@kyoto.example",
            "url": "https://www.example.com/tour",
            "occurred_at": "2026-04-17T10:30:00+09:00",
        }
    ]
}
SENDGRID_EXAMPLE: Any = [
    {
        "email": "hana@kyoto.example",
        "timestamp": 1776389400,
        "event": "open",
        "sg_event_id": "c2VuZGdyaWQtZXZlbnQtMDAwMQ",
        "sg_machine_open": False,
        "category": ["welcome"],
        "minamoto_step": "2 the tour",
    }
]
PROGRAMME_EXAMPLE = {"audience": "nurture", "label": "Welcome", "steps": ["1 hello", "2 the tour", "3 your trial"]}
LINK_EXAMPLE = {"programme": "welcome", "step": "2 the tour", "url": "https://www.example.com/tour"}


def url_or_refuse(value: str) -> str:
    """An address that a link may lead to."""
    try:
        return checked_url(value)
    except Invalid as error:
        raise refuse(error.message) from None


class MailEventIn(Body):
    """What became of one mail."""

    event_id: Key | None = Field(
        None,
        description="The mail service's id of the event: the same again is kept once. Derived from the rest when not "
        "given.",
        examples=["mail-2026-0417-0031-click"],
    )
    kind: MailKind = Field(strict=False, description="What became of it.", examples=["click"])
    programme: Word = Field(description="The programme that the mail is of.", examples=["welcome"])
    step: Line | None = Field(None, description="Which of its mails.", examples=["2 the tour"])
    email: Email = Field(description="Whom it was sent to.")
    url: Annotated[str, Field(max_length=MOST_URL, pattern=CONTROL)] | None = Field(
        None, description="Of a click: where it led.", examples=["https://www.example.com/tour"]
    )
    is_machine: bool = Field(False, description="It was opened by a machine, as the service says.", examples=[False])
    occurred_at: Instant = Field(description="When, at most a day ahead.")


class MailEventsIn(Body):
    """What became of mails."""

    events: list[MailEventIn] = Field(min_length=1, max_length=MOST_EVENTS, description="The events, in any order.")


class MailEventsTaken(Out):
    """How many events were kept."""

    accepted: int = Field(description="Kept.", examples=[1])
    duplicates: int = Field(description="Known already, by their id.", examples=[0])


SENDGRID_SCHEMA = {"type": "object", "additionalProperties": True, "description": "An event as SendGrid posts it."}
SendGridEvent = Annotated[dict[str, Any], WithJsonSchema(SENDGRID_SCHEMA)]


class SendGridIn(RootModel[Annotated[list[SendGridEvent], Field(max_length=MOST_SENDGRID)]]):
    """SendGrid's events: a list, as it posts them."""


class SendGridTaken(Out):
    """How many of SendGrid's events were kept. Those that cannot be used are counted, and never refused as a whole."""

    accepted: int = Field(description="Kept.", examples=[1])
    duplicates: int = Field(description="Known already, by sg_event_id.", examples=[0])
    ignored: dict[str, int] = Field(
        description="Not kept, by reason: no_programme, no_email, no_time, ahead, kind_unknown, other_kind.",
        examples=[{"no_programme": 2}],
    )


class ProgrammePath(Path):
    """Which programme."""

    name: Key = Field(description="The programme's name, without a slash.", examples=["welcome"])


class ProgrammeIn(Body):
    """What a programme is."""

    audience: Programme = Field(
        strict=False, description="Whom it is for: people who are to buy, or customers.", examples=["nurture"]
    )
    label: Line | None = Field(None, description="What the pages call it; its name when not given.", examples=["Hi"])
    steps: list[Word] = Field(
        default_factory=list,
        max_length=MOST_STEPS,
        description="Its steps in their order, each once. Steps that are not named come after, as they went out.",
        examples=[["1 hello", "2 the tour"]],
    )


class ProgrammeOut(Out):
    """A programme."""

    name: str = Field(description="Its name.", examples=["welcome"])
    audience: Programme = Field(description="Whom it is for.", examples=["nurture"])
    label: str | None = Field(description="What the pages call it.", examples=["Welcome"])
    steps: list[str] = Field(description="Its steps as told, in their order.", examples=[["1 hello", "2 the tour"]])


class ProgrammeChanged(ProgrammeOut):
    """A programme after it was told of."""

    changed: bool = Field(description="False: it was like this already; nothing was written.", examples=[True])


class MailArgs(Args):
    """Of which days."""

    from_: Day | None = Field(None, alias="from", description="First day, in the site's zone; 90 days back.")
    to: Day | None = Field(None, description="Last day; today.")


class ProgrammeFigures(ProgrammeOut):
    """A programme with its figures: people per step, added up over steps."""

    sent: int = Field(description="Mails that were sent, delivered or came back.", examples=[120])
    delivered: int = Field(description="Of these, those that arrived.", examples=[117])
    opened: int = Field(description="Opened or clicked by a person; a hint, no proof.", examples=[40])
    machine_opened: int = Field(description="Opened by machines alone, as the service says.", examples=[12])
    clicked: int = Field(description="Clicked.", examples=[9])
    bounced: int = Field(description="Came back.", examples=[3])
    unsubscribed: int = Field(description="Wanted no more.", examples=[1])
    spam: int = Field(description="Called it spam.", examples=[0])
    other_clicks: int = Field(description="Clicks of nobody known, or on mails of another period.", examples=[2])
    open_ratio: float | None = Field(description="opened / delivered; null without any.", examples=[0.342])
    click_ratio: float | None = Field(description="clicked / delivered.", examples=[0.077])
    click_to_open_ratio: float | None = Field(description="clicked / opened.", examples=[0.225])
    unsubscribe_ratio: float | None = Field(description="unsubscribed / delivered.", examples=[0.009])
    bounce_ratio: float | None = Field(description="bounced / sent.", examples=[0.025])


class Programmes(Out):
    """The site's programmes, those with most mails first."""

    from_day: Day = Field(description="First day.")
    to_day: Day = Field(description="Last day.")
    data: list[ProgrammeFigures] = Field(description="The programmes.")


class LinkIn(Body):
    """A link of a mail."""

    programme: Word = Field(description="The programme that it is in.", examples=["welcome"])
    step: Line | None = Field(None, description="Which of its mails.", examples=["2 the tour"])
    url: Annotated[str, Field(min_length=1, max_length=MOST_URL), AfterValidator(url_or_refuse)] = Field(
        description="Where it leads: http or https.", examples=["https://www.example.com/tour"]
    )


class LinkOut(Out):
    """A link that counts its clicks."""

    id: str = Field(description="Its id.", examples=["dGhlLWxpbms"])
    link: str = Field(description="What stands in the mail.", examples=["https://minamoto.example.com/r/dGhlLWxpbms"])
    url: str = Field(description="Where it leads.", examples=["https://www.example.com/tour"])
    programme: str = Field(description="The programme.", examples=["welcome"])
    step: str = Field(description="The mail.", examples=["2 the tour"])


class LinkPath(Path):
    """Which link."""

    link_id: str = Field(description="The link's id.", max_length=40, pattern=CONTROL, examples=["dGhlLWxpbms"])


class PersonalOut(Out):
    """A personal link; who it is for cannot be read in it."""

    link: str = Field(
        description="The link for this person.", examples=["https://minamoto.example.com/r/dGhlLWxpbms?c=7Qm…"]
    )


@operation(
    "POST",
    "/mail/events",
    tag="Mail",
    body=MailEventsIn,
    gives=MailEventsTaken,
    sample="/mail/events",
    example=EXAMPLE,
)
def post_mail_events(body: MailEventsIn, args: Args) -> MailEventsTaken:
    """Tell what became of mails: sent, delivered, opened, clicked, bounced, unsubscribed, called spam.

    An event that was told before is counted and not kept again. A programme that nobody told of is made, for people who
    are to buy. An address that nobody has makes no contact; it counts in the rates, and is a contact's once it is one.
    """
    context, site = here(), token_site()
    now = context.now()
    events = []
    for place, one in enumerate(body.events):
        if (one.occurred_at - now).total_seconds() > 86_400:
            raise Invalid("is more than a day ahead", field=f"events.{place}.occurred_at")
        step, url = one.step or "", one.url or None
        event_id = one.event_id or derive(
            "mail event", one.kind.value, one.programme, step, one.email, one.occurred_at.isoformat(), url or ""
        )
        events.append(
            MailEvent(event_id, one.kind, one.programme, step, one.email, one.occurred_at, url, one.is_machine)
        )
    with begin(context.engine) as tx:
        n_new = mails_told(tx, site, events, now)
    return MailEventsTaken(accepted=n_new, duplicates=len(events) - n_new)


@operation(
    "POST",
    "/mail/sendgrid",
    tag="Mail",
    body=SendGridIn,
    gives=SendGridTaken,
    refuses=(403,),
    password=True,
    sample="/mail/sendgrid",
    example=SENDGRID_EXAMPLE,
)
def post_sendgrid(body: SendGridIn, args: Args) -> SendGridTaken:
    """Take SendGrid's event webhook as it posts it.

    Its address is https://minamoto:TOKEN@…/api/v1/mail/sendgrid: the token comes as the password of HTTP Basic. Where
    MINAMOTO_SENDGRID_PUBLIC_KEY is set, the post must bear SendGrid's signature, too. The programme of a mail is its
    argument minamoto_programme, else its first category, else its campaign's name; the step is minamoto_step.
    """
    context, site = here(), token_site()
    key = context.settings.sendgrid_public_key
    if key:
        signature = request.headers.get("X-Twilio-Email-Event-Webhook-Signature", "")
        timestamp = request.headers.get("X-Twilio-Email-Event-Webhook-Timestamp", "")
        if not is_signed(key, signature, timestamp, request.get_data()):
            raise Denied("the signature is not SendGrid's; check MINAMOTO_SENDGRID_PUBLIC_KEY")
    now = context.now()
    found = from_sendgrid(body.root, now, email_of)
    with begin(context.engine) as tx:
        n_new = mails_told(tx, site, found.events, now)
    ignored = dict(sorted(found.refused.items()))
    return SendGridTaken(accepted=n_new, duplicates=len(found.events) - n_new, ignored=ignored)


@operation(
    "PUT",
    "/mail/programmes/<name>",
    tag="Mail",
    path=ProgrammePath,
    body=ProgrammeIn,
    gives=ProgrammeChanged,
    sample="/mail/programmes/welcome",
    example=PROGRAMME_EXAMPLE,
)
def put_mail_programme(name: str, body: ProgrammeIn, args: Args) -> ProgrammeChanged:
    """Say what a programme is: whom it is for, what it is called, the order of its steps."""
    context, site = here(), token_site()
    told = MailProgramme(name, body.audience, body.label or None, tuple(body.steps))
    with begin(context.engine) as tx:
        before = tell_programme(tx, site.site_id, told)
        if before != told:
            details = audit.difference(written(before), written(told))
            audit.note(tx, site.site_id, actor(), Audited.PROGRAMME, name, now=context.now(), details=details)
    return ProgrammeChanged(**programme_fields(told), changed=before != told)


@operation(
    "GET",
    "/mail/programmes",
    tag="Mail",
    args=MailArgs,
    gives=Programmes,
    sample="/mail/programmes?from=2026-04-01&to=2026-04-30",
)
def get_mail_programmes(args: MailArgs) -> Programmes:
    """The programmes with what became of their mails in a period.

    Figures are of unique people per step, rates over those whom it was delivered to: docs/programmes.md.
    """
    site = token_site()
    to_day = args.to or local_day(here().now(), site.timezone)
    from_day = args.from_ or local_day(here().now() - NINETY_DAYS, site.timezone)
    if from_day > to_day:
        raise Invalid("the first day is after the last", field="from")
    with reading(here().engine) as tx:
        lines = programme_lines(tx, Asked(site.site_id, from_day, to_day))
    data = [ProgrammeFigures(**programme_fields(one.programme), **figures_of(one.figures)) for one in lines]
    return Programmes(from_day=from_day, to_day=to_day, data=data)


@operation(
    "POST",
    "/mail/links",
    tag="Mail",
    body=LinkIn,
    gives=LinkOut,
    status=201,
    sample="/mail/links",
    example=LINK_EXAMPLE,
)
def post_mail_link(body: LinkIn, args: Args) -> LinkOut:
    """Make a link for a mail that counts its clicks and leads to one address only.

    utm_source=email, utm_medium=email, utm_campaign and utm_content are added where the address does not say them. The
    same programme, step and address is the same link.
    """
    context, site = here(), token_site()
    now, link_id = context.now(), new_link_id()
    with begin(context.engine) as tx:
        link = add_link(tx, site.site_id, body.programme, body.step or "", body.url, link_id=link_id, now=now)
        if link.link_id == link_id:
            details = {"link": link.link_id, "url": link.url, "step": link.step}
            audit.note(tx, site.site_id, actor(), Audited.PROGRAMME, link.programme, now=now, details=details)
    return LinkOut(
        id=link.link_id, link=address_of(link.link_id), url=link.url, programme=link.programme, step=link.step
    )


@operation(
    "GET",
    "/mail/links/<link_id>/for",
    tag="Mail",
    path=LinkPath,
    args=ForOne,
    gives=PersonalOut,
    sample="/mail/links/$LINK/for?email=hana@kyoto.example",
)
def get_personal_link(link_id: str, args: ForOne) -> PersonalOut:
    """A link for one person, so that the click is theirs. Nothing personal can be read in it."""
    context, site = here(), token_site()
    with reading(context.engine) as tx:
        link = find_link(tx, link_id, site.site_id)
        email, contact_id = recipient_by(tx, site, args.email, args.contact)
    token = token_for(str(current_app.config["SECRET_KEY"]), link.link_id, Recipient(email, contact_id))
    return PersonalOut(link=f"{address_of(link.link_id)}?c={token}")


def programme_fields(one: MailProgramme) -> dict[str, Any]:
    """A programme as the API gives it."""
    return {"name": one.name, "audience": one.audience, "label": one.label, "steps": list(one.steps)}


def figures_of(one: MailFigures) -> dict[str, Any]:
    """Figures as the API gives them; ratios to six digits."""
    counts = {
        "sent": one.n_sent,
        "delivered": one.n_delivered,
        "opened": one.n_opened,
        "machine_opened": one.n_machine,
        "clicked": one.n_clicked,
        "bounced": one.n_bounced,
        "unsubscribed": one.n_unsubscribed,
        "spam": one.n_spam,
        "other_clicks": one.n_other_clicks,
    }
    ratios = ("open_ratio", "click_ratio", "click_to_open_ratio", "unsubscribe_ratio", "bounce_ratio")
    return counts | {name: None if (found := getattr(one, name)) is None else round(found, 6) for name in ratios}


def address_of(link_id: str) -> str:
    """What stands in a mail."""
    return f"{(here().settings.base_url or request.url_root).rstrip('/')}/r/{link_id}"
