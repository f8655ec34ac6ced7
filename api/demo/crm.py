"""A CRM as small as can be: the newest contacts, and deals that a newcomer makes for them, wins, amends and refunds.

Each button says to flow.py what a CRM says by PUT /api/v1/deals/REFERENCE, and the page shows that call as a command.
"""

import json
import shlex
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_currency

from api.context import here
from api.demo.routes import demo_site, routes, say
from api.trust import Audience, audience
from tracker import flow
from tracker.access.sites import Site
from tracker.clock import zone
from tracker.db.store import Tx, begin, reading
from tracker.demo.prepare import folder_of, token_of
from tracker.demo.story import STAGES, WON
from tracker.errors import Invalid, MinamotoError
from tracker.money import plain
from tracker.reports import records
from tracker.vocabulary import DealStatus

MOST_CONTACTS = 12
MOST_DEALS = 20
CURRENCIES = ("JPY", "USD", "EUR")
PIPELINE = "新規 (new business)"
LOST = "失注 (lost)"
PREFIX = "DEMO-"
NO_TOKEN = "$MINAMOTO_TOKEN"  # noqa: S105


@dataclass(frozen=True, slots=True)
class DealShown:
    """A deal as the page shows it; amounts as text for the reader, `given` the amount as it is typed."""

    reference: str
    stage: str
    status: str
    amount: str
    refunded: str
    net: str
    given: str
    currency: str
    command: str


@dataclass(frozen=True, slots=True)
class ContactShown:
    """A contact as the page shows it; `is_new` if it came after the demo's history was told."""

    contact_id: str
    name: str
    email: str
    company: str
    lead_at: datetime
    is_new: bool
    deals: tuple[DealShown, ...]


@routes.get("/crm")
@audience(Audience.ANYONE)
def crm() -> str:
    """The newest contacts with their deals."""
    with reading(here().engine) as tx:
        site = demo_site(tx)
        token = token_shown(site)
        people = [contact_shown(tx, site, token, one) for one in records.list_contacts(tx, site.site_id, MOST_CONTACTS)]
    return render_template(
        "demo/crm.html",
        title=say("Demo CRM", "デモCRM"),
        people=people,
        currencies=CURRENCIES,
        zone=zone(site.timezone),
    )


def token_shown(site: Site) -> str:
    """The demo's token, to a browser that came to this machine by its own name; else a word in its place."""
    host = request.host.rsplit(":", 1)[0]
    token = token_of(folder_of(here().settings)) if host in site.hosts else None
    return token or NO_TOKEN


def contact_shown(tx: Tx, site: Site, token: str, one: records.Contact) -> ContactShown:
    """One contact with its deals, the newest deal first."""
    deals = records.list_deals(tx, site.site_id, MOST_DEALS, contact_id=one.contact_id)
    return ContactShown(
        contact_id=one.contact_id,
        name=one.name or "",
        email=one.email or "",
        company=one.company_name or one.company_domain or "",
        lead_at=one.lead_at,
        is_new=one.lead_at > site.created_at,
        deals=tuple(deal_shown(tx, site, token, deal) for deal in reversed(deals)),
    )


def deal_shown(tx: Tx, site: Site, token: str, deal: records.DealRecord) -> DealShown:
    """One deal, and the command that says what was said of it last."""
    told = [step for step in records.deal_history(tx, site.site_id, deal.reference) if isinstance(step, records.Told)]
    return DealShown(
        reference=deal.reference,
        stage=deal.stage or "",
        status=deal.status.value,
        amount=money(deal.amount_minor, deal.currency),
        refunded=money(deal.refunded_minor, deal.currency) if deal.refunded_minor else "",
        net=money(deal.amount_minor - deal.refunded_minor, deal.currency),
        given=plain(deal.amount_minor, deal.currency),
        currency=deal.currency,
        command=command_of(deal.reference, told[-1].fields, token),
    )


def money(amount_minor: int, currency: str) -> str:
    """An amount for the reader."""
    return str(format_currency(Decimal(plain(amount_minor, currency)), currency))


def command_of(reference: str, fields: Mapping[str, Any], token: str) -> str:
    """The call of the API that says this of a deal, as a command for a shell."""
    body = dict(fields)
    if "contacts" in body:
        body["contacts"] = [{ref["by"]: ref["value"]} for ref in body["contacts"]]
    authorization = f"Authorization: Bearer {token}"
    return " \\\n  ".join(
        [
            f"curl -X PUT {shlex.quote(f'{request.host_url}api/v1/deals/{reference}')}",
            f'-H "{authorization}"' if token == NO_TOKEN else f"-H {shlex.quote(authorization)}",
            "-H 'Content-Type: application/json'",
            f"-d {shlex.quote(json.dumps(body, ensure_ascii=False))}",
        ]
    )


@routes.post("/crm/deals")
@audience(Audience.ANYONE)
def make() -> ResponseReturnValue:
    """A new deal for a contact."""
    contact_id = request.form.get("contact", "")[:64]

    def fields_of(tx: Tx, site: Site) -> tuple[str, dict[str, Any]]:
        by, value = flow.name_of(tx, site, contact_id=contact_id)
        person = records.read_contact(tx, site.site_id, contact_id)
        return free_reference(tx, site), {
            "name": f"{person.company_name or person.company_domain or person.name or value} Hinode Plan",
            "pipeline": PIPELINE,
            "type": "new",
            "stage": STAGES[0],
            "status": "open",
            "amount": typed("amount"),
            "currency": request.form.get("currency", "")[:3],
            "contacts": [{"by": by, "value": value}],
        }

    return told(fields_of)


@routes.post("/crm/deals/<reference>")
@audience(Audience.ANYONE)
def move(reference: str) -> ResponseReturnValue:
    """Win, lose, amend or refund a deal, or take it a stage on."""

    def fields_of(tx: Tx, site: Site) -> tuple[str, dict[str, Any]]:
        deal = records.read_deal(tx, site.site_id, reference)
        return reference, moved(deal, request.form.get("to", ""))

    return told(fields_of)


def moved(deal: records.DealRecord, to: str) -> dict[str, Any]:
    """What a CRM says when a deal is moved; raises Invalid."""
    match to:
        case "next":
            place = STAGES.index(deal.stage) + 1 if deal.stage in STAGES else 0
            return {"stage": STAGES[min(place, len(STAGES) - 1)], "status": "open"}
        case "won":
            return {"stage": WON, "status": "won"}
        case "lost":
            return {"stage": LOST, "status": "lost"}
        case "amend":
            return {"amount": typed("amount")}
        case "refund" if deal.status is DealStatus.WON:
            return {"refunded": typed("refunded")}
    raise Invalid(say("this deal cannot go there", "この商談はそこへ動かせません"), field="to")


def typed(name: str) -> str:
    """An amount as a person types it: full-width digits, commas and signs of currencies are no mistake."""
    text = unicodedata.normalize("NFKC", request.form.get(name, "")[:40])
    return "".join(character for character in text if character not in ", ¥$€円")


def told(fields_of: Callable[[Tx, Site], tuple[str, dict[str, Any]]]) -> ResponseReturnValue:
    """Say it, as PUT /api/v1/deals/REFERENCE does, and go back to the list; what is refused is told there."""
    context = here()
    now = context.now()
    reference = ""
    try:
        with begin(context.engine) as tx:
            site = demo_site(tx)
            flow.take_turn(tx, site)
            reference, fields = fields_of(tx, site)
            changed = flow.deal_said(tx, site, reference, fields, now, now)
    except MinamotoError as error:
        flash(f"{error.field}: {error.message}" if error.field else error.message, "error")
    else:
        if changed:
            flash(say(f"{reference} was told to Minamoto.", f"{reference} を Minamoto に送りました。"), "success")
        else:
            flash(say(f"{reference} stands like this already.", f"{reference} はすでにその状態です。"), "info")
    return redirect(url_for("demo.crm", deal=reference or None, _anchor=reference or None), 303)


def free_reference(tx: Tx, site: Site) -> str:
    """The next reference that no deal has."""
    n = 1
    while records.find_deal(tx, site.site_id, f"{PREFIX}{n}") is not None:
        n += 1
    return f"{PREFIX}{n}"
