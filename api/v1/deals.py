"""Deals, as the CRM tells of them; the money is a ledger in which nothing is edited away."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from api.context import here
from api.errors import FieldError, InvalidFields
from api.trust import token_site
from api.v1.contract import operation
from api.v1.fields import (
    Amount,
    Args,
    At,
    Body,
    ContactId,
    Currency,
    Day,
    Domain,
    Email,
    Instant,
    Key,
    Line,
    Minor,
    Out,
    Path,
    Percent,
    not_in_future,
)
from api.v1.money import plain_of
from api.v1.paging import PageArgs, PageOut, cursor_of, key_of
from tracker import flow
from tracker.access.sites import Site
from tracker.clock import format_instant, to_ms
from tracker.db.store import Tx, begin, reading
from tracker.deals.probability import percent_text
from tracker.errors import Invalid, NotFound
from tracker.money import plain
from tracker.reports import records
from tracker.vocabulary import DealStatus

LIST, HISTORY = "deals", "history"
MOST_CONTACTS = 100
TEXTS = ("name", "pipeline", "stage", "probability", "lost_reason", "company_domain")  # a null takes them away
WORDS = ("status", "type", "currency")
INSTANTS = ("created_at", "closed_at")
Status = Literal["open", "won", "lost"]
Type = Literal["new", "upsell", "cross_sell", "renewal"]
EXAMPLE = {
    "name": "Tea house",
    "amount": "1500.00",
    "currency": "EUR",
    "pipeline": "sales",
    "stage": "offer",
    "contacts": [{"email": "hana@kyoto.example"}],
}


class DealPath(Path):
    """Which deal."""

    reference: Key = Field(
        description="The CRM's own id of the deal: at most 200 characters, no slash.", examples=["D-1"]
    )


class ContactRef(Body):
    """A person on a deal: exactly one of the three."""

    email: Email | None = Field(None, description="E-mail address; founds the contact if nobody has it.")
    crm_id: Key | None = Field(
        None, description="The CRM's id of the person; founds the contact if nobody has it.", examples=["003-17"]
    )
    id: ContactId | None = Field(None, description="The contact's id; must be known.")


class DealIn(Body):
    """What a CRM says of a deal. Fields that are not given stay as they are."""

    name: Line | None = Field(None, description="The deal's name. Null takes it away.", examples=["Tea house"])
    amount: Amount | None = Field(
        None,
        description="Amount before refunds in major units, as a decimal string or a number, read exactly and never "
        "finer than the currency's smallest unit. Give this or amount_minor.",
    )
    amount_minor: Minor | None = Field(
        None, description="Amount before refunds in minor units (yen, cents).", examples=[150000]
    )
    refunded: Amount | None = Field(
        None,
        description="All that was refunded so far, in major units; never more than the amount. "
        "Give this or refunded_minor.",
    )
    refunded_minor: Minor | None = Field(
        None, description="All that was refunded so far, in minor units.", examples=[20025]
    )
    currency: Currency | None = Field(
        None,
        description="ISO 4217. When not given: the deal's, else the site's. A new currency needs the amount in it.",
    )
    pipeline: Line | None = Field(None, description="The CRM's pipeline. Null takes it away.", examples=["sales"])
    stage: Line | None = Field(None, description="The CRM's stage. Null takes it away.", examples=["offer"])
    probability: Percent | None = Field(
        None,
        description="The CRM's chance that it will be won, in percent: 0 to 100 with at most two decimals, read "
        "exactly. Null takes it away; then the stage's counts.",
    )
    status: Status | None = Field(None, description="Where it stands; a new deal is open.", examples=["won"])
    lost_reason: Line | None = Field(
        None, description="Why it was lost, in the CRM's words. Null takes it away.", examples=["Too expensive"]
    )
    type: Type | None = Field(
        None, description="What it is to the customer base. A new deal is `new`.", examples=["new"]
    )
    created_at: Instant | None = Field(
        None, description="When the deal was made in the CRM. When not given: the first changed_at."
    )
    closed_at: Instant | None = Field(
        None,
        description="When it was won or lost; when not given: the changed_at of that. For an open deal it is the "
        "CRM's guess, kept in the history and used for nothing. Not in the future for a closed deal.",
    )
    changed_at: Instant | None = Field(
        None,
        description="When this became true in the CRM; now when not given. Words that come late are sorted in.",
    )
    company_domain: Domain | None = Field(
        None,
        description="The company's domain: where the deal names no contact, the company's people are credited. "
        "Null takes it away.",
    )
    contacts: list[ContactRef] | None = Field(
        None,
        max_length=MOST_CONTACTS,
        description="The people on the deal; replaces those named before. An empty list names nobody.",
    )


class PersonOut(Out):
    """A contact on a deal."""

    id: str = Field(description="The contact's id.", examples=["5f0c1f0e8a0b4c1d9e2f3a4b5c6d7e8f"])
    email: str | None = Field(description="E-mail address.", examples=["hana@kyoto.example"])
    crm_id: str | None = Field(description="The CRM's id of the person.", examples=["003-17"])


class Deal(Out):
    """A deal as it stands."""

    reference: str = Field(description="The CRM's own id.", examples=["D-1"])
    name: str | None = Field(description="Name.", examples=["Tea house"])
    amount: str = Field(description="Amount before refunds, in major units.", examples=["1500.00"])
    amount_minor: int = Field(description="The same in minor units.", examples=[150000])
    refunded: str = Field(description="Refunded so far, in major units.", examples=["200.25"])
    refunded_minor: int = Field(description="The same in minor units.", examples=[20025])
    net: str = Field(description="Amount less refunds, in major units.", examples=["1299.75"])
    net_minor: int = Field(description="The same in minor units.", examples=[129975])
    currency: str = Field(description="ISO 4217.", examples=["EUR"])
    pipeline: str | None = Field(description="The CRM's pipeline.", examples=["sales"])
    stage: str | None = Field(description="The CRM's stage.", examples=["offer"])
    probability: str | None = Field(description="The CRM's chance of winning it, in percent.", examples=["35.5"])
    status: Status = Field(description="open, won or lost.", examples=["open"])
    lost_reason: str | None = Field(description="Why it was lost, as told.", examples=["Too expensive"])
    type: Type = Field(description="new, upsell, cross_sell or renewal.", examples=["new"])
    company_domain: str | None = Field(description="The company's domain, as told.", examples=["acme.co.jp"])
    contacts: list[PersonOut] = Field(description="The people the CRM names on it.")
    created_at: At = Field(description="When it was made in the CRM.")
    closed_at: At | None = Field(description="When it was won or lost; null while it is open.")
    changed_at: At = Field(description="When it was last told of, by the CRM's clock.")


class DealChanged(Deal):
    """A deal after it was told of."""

    changed: bool = Field(description="False: it stood like this already; nothing was written.", examples=[True])


class Deals(PageOut):
    """Deals, the one changed the longest ago first."""

    data: list[Deal] = Field(description="The deals.")


class DealsArgs(PageArgs):
    """Which deals."""

    status: Status | None = Field(None, description="Only deals that stand so.", examples=["won"])
    contact: ContactId | None = Field(None, description="Only deals that name this contact.")
    changed_since: Instant | None = Field(None, description="Only deals changed then or later.")


class ToldOut(Out):
    """What one call said."""

    received_at: At = Field(description="When it came.")
    fields: dict[str, Any] = Field(
        description="The fields that it gave, in normal form; contacts as {by, value}.",
        examples=[{"stage": "offer", "amount": "1500.00"}],
    )


class EntryOut(Out):
    """One entry of the ledger."""

    kind: str = Field(description="won, amended, refunded, redated, lost_after_won or reopened.", examples=["refunded"])
    day: Day = Field(description="The day it counts on, in the site's zone.")
    amount: str = Field(description="Signed, in major units.", examples=["-200.25"])
    amount_minor: int = Field(description="The same in minor units.", examples=[-20025])
    net: str = Field(description="Sum of this currency's entries up to this one.", examples=["1299.75"])
    net_minor: int = Field(description="The same in minor units.", examples=[129975])
    currency: str = Field(description="ISO 4217.", examples=["EUR"])


class HistoryItem(Out):
    """One step of a deal's history."""

    at: At = Field(description="When it happened.")
    kind: Literal["told", "booked"] = Field(
        description="told: what the CRM said; booked: an entry of the ledger.", examples=["booked"]
    )
    told: ToldOut | None = Field(description="What was said.")
    entry: EntryOut | None = Field(description="What was booked.")


class History(PageOut):
    """A deal's history, oldest first."""

    data: list[HistoryItem] = Field(description="The steps.")


@operation(
    "PUT",
    "/deals/<reference>",
    tag="Deals",
    path=DealPath,
    body=DealIn,
    gives=DealChanged,
    also={201: "The deal is new."},
    refuses=(409,),
    sample="/deals/D-1",
    example=EXAMPLE,
)
def put_deal(reference: str, body: DealIn, args: Args) -> tuple[DealChanged, int]:
    """Tell of a deal: make it or amend it.

    The same reference again amends the same deal. Winning it books its amount on the closing day; a later amount
    books the difference, a refund a negative entry, both on the day of their change; losing or reopening a won deal
    books its net amount back. Sums over the ledger are therefore what the CRM says, on any day.
    """
    context, site = here(), token_site()
    now = context.now()
    not_in_future(body.changed_at, now, "changed_at")
    not_in_future(body.created_at, now, "created_at")
    with begin(context.engine) as tx:
        flow.take_turn(tx, site)
        known = records.find_deal(tx, site.site_id, reference)
        fields = fields_of(tx, site, body, known)
        changed = flow.deal_said(tx, site, reference, fields, body.changed_at or now, now)
        deal = records.read_deal(tx, site.site_id, reference)
        if deal.status is not DealStatus.OPEN:
            not_in_future(deal.closed_at, now, "closed_at")
    return DealChanged(**deal_out(deal).model_dump(), changed=changed), 200 if known else 201


def fields_of(tx: Tx, site: Site, body: DealIn, known: records.DealRecord | None) -> dict[str, Any]:
    """What was said, as the journal keeps it; raises Invalid."""
    fields: dict[str, Any] = {name: getattr(body, name) for name in TEXTS if name in body.model_fields_set}
    fields |= {name: value for name in WORDS if (value := getattr(body, name)) is not None}
    fields |= {name: format_instant(at) for name in INSTANTS if (at := getattr(body, name)) is not None}
    currency = body.currency or (known.currency if known else site.currency)
    sums = {
        "amount": (body.amount, body.amount_minor),
        "refunded": (body.refunded, body.refunded_minor),
    }
    for name, (major, minor) in sums.items():
        if major is None and minor is None:
            continue
        if currency is None:
            raise Invalid("the first deal of a site needs a currency", field="currency")
        fields[name] = plain_of(major, minor, currency, name)
    if body.contacts is not None:
        fields["contacts"] = people_of(tx, site, body.contacts)
    return fields


def people_of(tx: Tx, site: Site, refs: list[ContactRef]) -> list[dict[str, str]]:
    """The people named, each once and in one order, as the journal names them; raises InvalidFields."""
    found: set[tuple[str, str]] = set()
    for n, ref in enumerate(refs):
        given = {name: value for name in ("email", "crm_id", "id") if (value := getattr(ref, name))}
        if len(given) != 1:
            raise InvalidFields([FieldError(f"contacts.{n}", "give exactly one of email, crm_id and id")])
        try:
            found.add(
                flow.name_of(
                    tx,
                    site,
                    contact_id=given.get("id", ""),
                    email=given.get("email", ""),
                    crm_id=given.get("crm_id", ""),
                )
            )
        except NotFound as error:
            raise InvalidFields([FieldError(f"contacts.{n}.id", error.message)]) from error
    return [{"by": by, "value": value} for by, value in sorted(found)]


@operation("GET", "/deals", tag="Deals", args=DealsArgs, gives=Deals, sample="/deals?status=won")
def list_deals(args: DealsArgs) -> Deals:
    """List deals, the one changed the longest ago first.

    To keep in step, read on from the last page's end with changed_since: no change is missed.
    """
    after = key_of(LIST, args.cursor, datetime, str)
    with reading(here().engine) as tx:
        rows = records.list_deals(
            tx,
            token_site().site_id,
            args.limit + 1,
            status=DealStatus(args.status) if args.status else None,
            contact_id=args.contact,
            changed_since=args.changed_since,
            after=after,
        )
    shown = rows[: args.limit]
    more = cursor_of(LIST, shown[-1].changed_at, shown[-1].deal_id) if len(rows) > args.limit else None
    return Deals(data=[deal_out(row) for row in shown], next_cursor=more)


@operation("GET", "/deals/<reference>", tag="Deals", path=DealPath, gives=Deal, sample="/deals/D-1")
def get_deal(reference: str, args: Args) -> Deal:
    """One deal as it stands."""
    with reading(here().engine) as tx:
        return deal_out(records.read_deal(tx, token_site().site_id, reference))


@operation(
    "GET",
    "/deals/<reference>/history",
    tag="Deals",
    path=DealPath,
    args=PageArgs,
    gives=History,
    sample="/deals/D-1/history",
)
def get_deal_history(reference: str, args: PageArgs) -> History:
    """A deal's history: what the CRM said, and what was booked for it with the running net; oldest first."""
    after = key_of(HISTORY, args.cursor, int, int, int)
    with reading(here().engine) as tx:
        steps = records.deal_history(tx, token_site().site_id, reference)
    left = [step for step in steps if after is None or order_of(step) > after]
    shown = left[: args.limit]
    more = cursor_of(HISTORY, *order_of(shown[-1])) if len(left) > args.limit else None
    return History(data=[step_out(step) for step in shown], next_cursor=more)


def order_of(step: records.Told | records.Booked) -> tuple[int, int, int]:
    """A step's place as a cursor keeps it."""
    at, rank, number = records.place(step)
    return to_ms(at), rank, number


def deal_out(deal: records.DealRecord) -> Deal:
    """A deal as the API gives it."""
    net_minor = deal.amount_minor - deal.refunded_minor
    return Deal(
        reference=deal.reference,
        name=deal.name,
        amount=plain(deal.amount_minor, deal.currency),
        amount_minor=deal.amount_minor,
        refunded=plain(deal.refunded_minor, deal.currency),
        refunded_minor=deal.refunded_minor,
        net=plain(net_minor, deal.currency),
        net_minor=net_minor,
        currency=deal.currency,
        pipeline=deal.pipeline,
        stage=deal.stage,
        probability=None if deal.probability_bp is None else percent_text(deal.probability_bp),
        status=deal.status.value,
        lost_reason=deal.lost_reason,
        type=deal.type.value,
        company_domain=deal.company_domain,
        contacts=[PersonOut(id=one.contact_id, email=one.email, crm_id=one.crm_id) for one in deal.people],
        created_at=format_instant(deal.created_at),
        closed_at=None if deal.closed_at is None else format_instant(deal.closed_at),
        changed_at=format_instant(deal.changed_at),
    )


def step_out(step: records.Told | records.Booked) -> HistoryItem:
    """A step of a history as the API gives it."""
    if isinstance(step, records.Told):
        told = ToldOut(received_at=format_instant(step.received_at), fields=dict(step.fields))
        return HistoryItem(at=format_instant(step.changed_at), kind="told", told=told, entry=None)
    entry = EntryOut(
        kind=step.kind.value,
        day=step.day,
        amount=plain(step.amount_minor, step.currency),
        amount_minor=step.amount_minor,
        net=plain(step.net_minor, step.currency),
        net_minor=step.net_minor,
        currency=step.currency,
    )
    return HistoryItem(at=format_instant(step.occurred_at), kind="booked", told=None, entry=entry)
