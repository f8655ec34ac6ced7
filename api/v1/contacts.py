"""People, as a CRM tells of them and as it finds them again."""

from dataclasses import replace
from datetime import datetime
from typing import Any, Literal, Self

from flask import current_app, g, request, url_for
from pydantic import Field, model_validator

from api.context import here
from api.trust import actor, token_site
from api.v1.contract import operation
from api.v1.fields import (
    Args,
    At,
    Body,
    ContactId,
    Day,
    Domain,
    Email,
    Flat,
    Instant,
    Key,
    KnownContact,
    Line,
    Out,
    Path,
    Short,
    StageName,
    Word,
    not_in_future,
    refuse,
)
from api.v1.paging import PageArgs, PageOut, cursor_of, key_of
from tracker import flow
from tracker.access import audit
from tracker.access.sites import Site
from tracker.clock import format_instant
from tracker.db.store import Tx, begin, reading
from tracker.errors import Invalid, NotFound
from tracker.identity.merge import Decision
from tracker.identity.stitch import find_contact
from tracker.lifecycle.settled import stages_of
from tracker.lifecycle.stages import Stages
from tracker.lifecycle.times import StageTime
from tracker.phones import phone_of
from tracker.reports import people, records
from tracker.reports.points import points_of
from tracker.reports.stages import times_of
from tracker.vocabulary import Audited, IdentifierKind

LIST = "contacts"
NAMES = ("email", "crm_id", "phone", "name", "company_name", "company_domain", "created_at", "properties", "score")
# A null for these takes the value away; for any other field it is the same as not giving it.
CLEARABLE = ("phone", "name", "company_name", "company_domain", "score")
MOST_SCORE = 1_000_000_000


class ContactPath(Path):
    """Which contact."""

    contact_id: KnownContact = Field(description="The contact's id.")


class ContactIn(Body):
    """What a CRM knows of a person. Fields that are not given stay as they are."""

    email: Email | None = Field(None, description="E-mail address; trimmed and lower-cased.")
    crm_id: Key | None = Field(None, description="The CRM's own id of the person.", examples=["003-17"])
    phone: Short | None = Field(
        None,
        description="Phone number, kept in E.164; without a country code it is one of the site's country. "
        "It joins nobody. Null takes it away.",
        examples=["+81 3 1234 5678"],
    )
    name: Line | None = Field(None, description="Full name. Null takes it away.", examples=["Hana Sato"])
    company_name: Line | None = Field(
        None, description="The company's name. Null takes it away.", examples=["Kyoto Tea K.K."]
    )
    company_domain: Domain | None = Field(
        None, description="The company's domain; null: the one of the e-mail address, unless that is free mail."
    )
    created_at: Instant | None = Field(
        None,
        description="When the CRM came to know the person, who was a lead from then on at the latest. "
        "When not given: `changed_at`.",
    )
    changed_at: Instant | None = Field(
        None,
        description="When this became true in the CRM; now when not given. Older words never win; an older `stage` "
        "takes its place in the person's history.",
    )
    stage: StageName | None = Field(
        None,
        description="The person's stage in the life cycle, since `changed_at`: one of the site's own. As shipped these "
        "are HubSpot's internal names.",
        examples=["marketingqualifiedlead"],
    )
    score: int | None = Field(
        None,
        ge=-MOST_SCORE,
        le=MOST_SCORE,
        description="The lead score, on the CRM's own scale. Null takes it away.",
        examples=[42],
    )
    properties: Flat | None = Field(None, description="More of the person, flat; added to what is known, name by name.")

    @model_validator(mode="after")
    def somebody(self) -> Self:
        """A contact has a name that is theirs alone."""
        if self.email is None and self.crm_id is None:
            raise refuse("give email or crm_id", "email")
        return self


class StayingContact(Body):
    """The contact that stays: exactly one of the three; it must be known."""

    email: Email | None = Field(None, description="E-mail address.")
    crm_id: Key | None = Field(None, description="The CRM's id of the person.", examples=["003-17"])
    id: ContactId | None = Field(None, description="The contact's id.")

    @model_validator(mode="after")
    def one_name(self) -> Self:
        """Two names might be two people's."""
        if sum(value is not None for value in (self.email, self.crm_id, self.id)) != 1:
            raise refuse("give exactly one of email, crm_id and id")
        return self


class SplitIn(Body):
    """Who decided it, and when."""

    decided_by: Word | None = Field(
        None,
        description="Who decided it, for people to read: a user's e-mail address, or the CRM that merged its own "
        "records. The token's name when not given.",
        examples=["alice@acme.example"],
    )
    decided_at: Instant | None = Field(
        None, description="When it was decided; now when not given. An older decision never wins over a later one."
    )


class MergeIn(SplitIn):
    """Which contact stays, who decided it, and when."""

    into: StayingContact = Field(description="The contact that stays.")


class MergedOut(Out):
    """A contact that is merged into another."""

    id: str = Field(description="Its own id, by which it can be split off.", examples=["0a" * 16])
    into: str = Field(description="The contact that it was merged into.", examples=["5f0c1f0e8a0b4c1d9e2f3a4b5c6d7e8f"])
    decided_by: str = Field(description="Who decided it.", examples=["alice@acme.example"])
    decided_at: At = Field(description="When it was decided.")


class Contact(Out):
    """A person with at least one identifier."""

    id: str = Field(description="Made by Minamoto; never changes.", examples=["5f0c1f0e8a0b4c1d9e2f3a4b5c6d7e8f"])
    email: str | None = Field(
        description="The address the CRM gave last, else the first known.", examples=["hana@kyoto.example"]
    )
    emails: list[str] = Field(description="All addresses that name the person.", examples=[["hana@kyoto.example"]])
    crm_id: str | None = Field(description="The CRM's own id.", examples=["003-17"])
    phone: str | None = Field(description="Phone number in E.164.", examples=["+81312345678"])
    name: str | None = Field(description="Full name.", examples=["Hana Sato"])
    company_name: str | None = Field(description="The company's name.", examples=["Kyoto Tea K.K."])
    company_domain: str | None = Field(
        description="The company's domain: told, else the e-mail's.", examples=["kyoto.example"]
    )
    properties: dict[str, Any] = Field(description="What else the CRM told, flat.", examples=[{"plan": "team"}])
    stage: str | None = Field(
        description="Stage in the life cycle; null: nobody told.", examples=["marketingqualifiedlead"]
    )
    stage_at: At | None = Field(description="Since when the person is in it.")
    score: int | None = Field(description="The lead score, as the CRM says.", examples=[42])
    lead_at: At = Field(description="When the person could first be named.")
    lead_day: Day = Field(description="The day of lead_at in the site's zone.")
    updated_at: At = Field(description="When what is known last changed, by the CRM's clock.")
    merged: list[MergedOut] = Field(
        description="The contacts that are merged into it, the first merged first; their ids give this contact, too."
    )
    journey_url: str = Field(
        description="The page with the person's journey, for people who log in.",
        examples=["https://minamoto.example/contacts/5f0c1f0e8a0b4c1d9e2f3a4b5c6d7e8f?site=demo"],
    )


class StageTimeOut(Out):
    """The person's time in one stage."""

    stage: str = Field(description="The stage.", examples=["marketingqualifiedlead"])
    times_entered: int = Field(description="How often they came into it.", examples=[1])
    first_entered_at: At = Field(description="When for the first time.")
    entered_at: At = Field(description="When for the last time.")
    exited_at: At | None = Field(description="When they left it for the last time; null: they are in it.")
    this_time_s: float = Field(
        description="Seconds from `entered_at` until they left it, or until now.", examples=[172800.0]
    )
    in_all_s: float = Field(
        description="Seconds of all their stays in it. Of all stages together: the time since they first had one.",
        examples=[259200.0],
    )


class PointsPartOut(Out):
    """What one rule gives."""

    name: str = Field(description="The rule's name.", examples=["pricing"])
    points: int = Field(description="Its points now.", examples=[20])
    times: int = Field(description="How often it was done; 0 for what is so.", examples=[2])


class PointsOut(Out):
    """Points by the definition in force."""

    points: int = Field(description="The sum.", examples=[35])
    version: int = Field(description="Of the definition.", examples=[3])
    parts: list[PointsPartOut] = Field(description="By rule; what gives nothing now is left out.")


class ContactWithTimes(Contact):
    """A person, how long they were in each stage, and their points."""

    points: PointsOut | None = Field(description="Points, part by part; null: no definition with points is in force.")
    stage_times: list[StageTimeOut] = Field(
        description="The stages they were in, in the order in which they first came into them."
    )


class Contacts(PageOut):
    """Contacts, the newest lead first."""

    data: list[Contact] = Field(description="The contacts.")


class ContactsArgs(PageArgs):
    """Which contacts."""

    email: Email | None = Field(None, description="Only the contact that this address names.")
    crm_id: Key | None = Field(None, description="Only the contact that this CRM id names.")
    stage: StageName | None = Field(None, description="Of the list: who is in this stage, one of the site's own.")
    touch: Literal["first", "last", "any"] = Field(
        "first", description="Of which touch `channel` and `source` are asked: the first, the latest, or any."
    )
    channel: Word | None = Field(
        None, description="Of the list: whose touch came by this channel.", examples=["paid_search"]
    )
    source: Word | None = Field(
        None, description="Of the list: whose touch came from this source.", examples=["google"]
    )
    score_from: int | None = Field(
        None, ge=-MOST_SCORE, le=MOST_SCORE, description="Of the list: a score of this or more."
    )
    score_to: int | None = Field(
        None, ge=-MOST_SCORE, le=MOST_SCORE, description="Of the list: a score of this or less."
    )
    changed_since: Instant | None = Field(
        None, description="Of the list: of whom something changed at this time or later, by the CRM's clock."
    )

    @model_validator(mode="after")
    def one_name(self) -> Self:
        """Two names might be two people's."""
        if self.email is not None and self.crm_id is not None:
            raise refuse("look up by email or by crm_id, not by both", "email")
        return self


EXAMPLE = {
    "email": "hana@kyoto.example",
    "crm_id": "003-17",
    "name": "Hana Sato",
    "company_name": "Kyoto Tea K.K.",
    "stage": "marketingqualifiedlead",
    "score": 42,
    "properties": {"plan": "team"},
}


@operation(
    "PUT",
    "/contacts",
    tag="Contacts",
    body=ContactIn,
    gives=Contact,
    also={201: "The contact is new."},
    refuses=(409,),
    sample="/contacts",
    example=EXAMPLE,
)
def put_contact(body: ContactIn, args: Args) -> tuple[Contact, int]:
    """Tell of a contact: found it or amend it.

    The person is found by e-mail address or CRM id. Both given tie the two together; where they already name two
    people, that is a conflict (409): send one of the two, or, if they are one person, merge them first.

    Who first comes into the stage marketingqualifiedlead, salesqualifiedlead or customer is counted as MQL, SQL or
    customer, with credit like a lead. A deal that is won makes customers of the people it names.
    """
    context, site = here(), token_site()
    now = context.now()
    not_in_future(body.changed_at, now, "changed_at")
    not_in_future(body.created_at, now, "created_at")
    fields = fields_of(body, site)
    with begin(context.engine) as tx:
        contact_id, is_new = flow.contact_said(tx, site, fields, body.changed_at or now, now, body.stage)
        contact = records.read_contact(tx, site.site_id, contact_id)
    return contact_out(contact), 201 if is_new else 200


def fields_of(body: ContactIn, site: Site) -> dict[str, Any]:
    """What was said, as the journal keeps it; raises Invalid for a phone number that is none."""
    given = [name for name in NAMES if name in body.model_fields_set]
    fields: dict[str, Any] = {name: getattr(body, name) for name in given}
    if fields.get("phone"):
        phone = phone_of(fields["phone"], site.timezone)
        if phone is None:
            raise Invalid(f"{fields['phone'][:40]!r} is not a phone number; write +81 3 1234 5678", field="phone")
        fields["phone"] = phone
    return {
        name: format_instant(value) if isinstance(value, datetime) else value
        for name, value in fields.items()
        if value is not None or name in CLEARABLE
    }


@operation(
    "GET",
    "/contacts",
    tag="Contacts",
    args=ContactsArgs,
    gives=Contacts,
    sample="/contacts?email=hana@kyoto.example",
)
def list_contacts(args: ContactsArgs) -> Contacts:
    """Find a contact by e-mail address or CRM id, or list all or some, the newest lead first."""
    site = token_site()
    after = key_of(LIST, args.cursor, datetime, str)
    with reading(here().engine) as tx:
        if args.email is not None:
            rows = records.named_contacts(tx, site.site_id, IdentifierKind.EMAIL, args.email)
        elif args.crm_id is not None:
            rows = records.named_contacts(tx, site.site_id, IdentifierKind.CRM_ID, args.crm_id)
        else:
            given = people.conditions(tx, site, wanted(args, stages_of(tx, site.site_id)))
            rows = records.list_contacts(tx, site.site_id, args.limit + 1, after, given)
    shown = rows[: args.limit]
    more = cursor_of(LIST, shown[-1].lead_at, shown[-1].contact_id) if len(rows) > args.limit else None
    return Contacts(data=[contact_out(row) for row in shown], next_cursor=more)


def wanted(args: ContactsArgs, stages: Stages) -> people.Wanted:
    """Which contacts a list asks for; raises Invalid."""
    told = {"stage": args.stage, "touch": args.touch, "channel": args.channel, "source": args.source}
    return replace(
        people.wanted_by({name: value for name, value in told.items() if value}, stages),
        score_from=args.score_from,
        score_to=args.score_to,
        changed_since=args.changed_since,
    )


@operation(
    "GET",
    "/contacts/<contact_id>",
    tag="Contacts",
    path=ContactPath,
    gives=ContactWithTimes,
    sample="/contacts/$CONTACT",
)
def get_contact(contact_id: str, args: Args) -> ContactWithTimes:
    """One contact, with the time in each stage; of one that is merged the one that stays."""
    with reading(here().engine) as tx:
        found = records.read_contact(tx, token_site().site_id, contact_id)
        times = times_of(tx, found.contact_id, here().now())
        scored = points_of(tx, token_site().site_id, found.contact_id, here().now())
    told = contact_out(found).model_dump()
    points = scored and PointsOut(
        points=scored.points,
        version=scored.version,
        parts=[PointsPartOut(name=one.name, points=one.points, times=one.n) for one in scored.parts],
    )
    return ContactWithTimes(**told, stage_times=[time_out(one) for one in times], points=points)


def time_out(one: StageTime) -> StageTimeOut:
    """A time in a stage as the API gives it."""
    return StageTimeOut(
        stage=one.stage,
        times_entered=one.n_entered,
        first_entered_at=format_instant(one.first_entered_at),
        entered_at=format_instant(one.entered_at),
        exited_at=None if one.exited_at is None else format_instant(one.exited_at),
        this_time_s=one.this_time.total_seconds(),
        in_all_s=one.in_all.total_seconds(),
    )


MERGE_EXAMPLE = {"into": {"email": "hana@kyoto.example"}, "decided_by": "alice@acme.example"}
SPLIT_EXAMPLE = {"decided_by": "alice@acme.example"}


@operation(
    "POST",
    "/contacts/<contact_id>/merge",
    tag="Contacts",
    path=ContactPath,
    body=MergeIn,
    gives=Contact,
    refuses=(409,),
    sample="/contacts/$OTHER/merge",
    example=MERGE_EXAMPLE,
)
def merge_contact(contact_id: str, body: MergeIn, args: Args) -> Contact:
    """Merge a contact into another: they are one person. Gives the one that stays.

    It takes over all that named the other, its browsers, touches, calls and deals, and all credit is derived anew; its
    lead is the earlier one. Splitting undoes it. What is one person already stays as it is. A contact that is merged
    into a third one is a conflict (409).
    """
    site = token_site()
    with begin(here().engine) as tx:
        flow.take_turn(tx, site)
        before = find_contact(tx, site.site_id, contact_id=contact_id)
        one = decision(body, site, contact_id, staying_id(tx, site, body.into))
        stays = flow.contact_merged(tx, site, one, here().now())
        if stays != before:
            details = {"into": stays, "decided_by": one.decided_by}
            audit.note(tx, site.site_id, actor(), Audited.MERGE, contact_id, now=here().now(), details=details)
        return contact_out(records.read_contact(tx, site.site_id, stays))


@operation(
    "POST",
    "/contacts/<contact_id>/split",
    tag="Contacts",
    path=ContactPath,
    body=SplitIn,
    gives=Contact,
    refuses=(409,),
    sample="/contacts/$OTHER/split",
    example=SPLIT_EXAMPLE,
)
def split_contact(contact_id: str, body: SplitIn, args: Args) -> Contact:
    """Split a contact off again that was merged: they are two people. Gives the contact.

    The path has its own id, as `merged` of the contact that stays tells it. It gets back all that was its own and what
    its names were told of since, with those that had been merged into it. A contact that is not merged stays as it is;
    one into which others are merged is a conflict (409): split them.
    """
    site = token_site()
    with begin(here().engine) as tx:
        flow.take_turn(tx, site)
        before = find_contact(tx, site.site_id, contact_id=contact_id)
        one = decision(body, site, contact_id, None)
        found = flow.contact_split(tx, site, one, here().now())
        if found != before:
            details = {"from": before, "decided_by": one.decided_by}
            audit.note(tx, site.site_id, actor(), Audited.SPLIT, contact_id, now=here().now(), details=details)
        return contact_out(records.read_contact(tx, site.site_id, found))


def staying_id(tx: Tx, site: Site, into: StayingContact) -> str:
    """The contact that is to stay; raises Invalid where nobody is named like that."""
    by = next(name for name in ("email", "crm_id", "id") if getattr(into, name))
    names = {"contact_id" if by == "id" else by: getattr(into, by)}
    try:
        found = find_contact(tx, site.site_id, **names)
    except NotFound as error:
        raise Invalid(error.message, field=f"into.{by}") from error
    return into.id or found


def decision(body: SplitIn, site: Site, contact_id: str, into_id: str | None) -> Decision:
    """What was decided; raises Invalid for a clock that is ahead."""
    now = here().now()
    not_in_future(body.decided_at, now, "decided_at")
    return Decision(
        site_id=site.site_id,
        contact_id=contact_id,
        into_id=into_id,
        decided_by=body.decided_by or g.token.name,
        decided_at=min(body.decided_at or now, now),
    )


def contact_out(contact: records.Contact) -> Contact:
    """A contact as the API gives it."""
    return Contact(
        id=contact.contact_id,
        email=contact.email,
        emails=list(contact.emails),
        crm_id=contact.crm_id,
        phone=contact.phone,
        name=contact.name,
        company_name=contact.company_name,
        company_domain=contact.company_domain,
        properties=dict(contact.properties),
        stage=contact.stage,
        stage_at=None if contact.stage_at is None else format_instant(contact.stage_at),
        score=contact.score,
        lead_at=format_instant(contact.lead_at),
        lead_day=contact.lead_day,
        updated_at=format_instant(contact.updated_at),
        merged=[
            MergedOut(
                id=one.contact_id,
                into=one.into_id,
                decided_by=one.decided_by,
                decided_at=format_instant(one.decided_at),
            )
            for one in contact.merged
        ],
        journey_url=journey_url(contact.contact_id),
    )


def journey_url(contact_id: str) -> str:
    """The address of the contact's page."""
    if "pages.contact" in current_app.view_functions:
        return url_for("pages.contact", contact_id=contact_id, site=token_site().key, _external=True)
    return f"{request.host_url}contacts/{contact_id}"
