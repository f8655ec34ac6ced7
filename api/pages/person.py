"""What analysts decide about a person: their stage, that two contacts are one, that they are two after all."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from api.context import here
from api.pages.contacts import ContactRow, row_of
from api.pages.frame import site_named
from api.pages.masked import person_word
from api.pages.routes import routes
from api.trust import Audience, actor, audience, logged_in
from tracker import flow
from tracker.access import audit
from tracker.access.sites import Site
from tracker.db.store import Tx, begin, reading
from tracker.errors import Conflict, Invalid, MinamotoError, NotFound
from tracker.identity.merge import Decision
from tracker.lifecycle.settled import stages_of
from tracker.lifecycle.stages import one_of_the_sites
from tracker.reports.people import Order, list_people, person_listed, wanted_by
from tracker.reports.records import Contact, read_contact
from tracker.vocabulary import Audited, Role, StageCause

MOST_FOUND = 20


@dataclass(frozen=True, slots=True)
class Side:
    """One of two contacts side by side."""

    contact_id: str
    row: ContactRow
    emails: tuple[str, ...]
    crm_id: str | None
    phone: str | None
    lead_at: datetime


@routes.post("/contacts/<contact_id>/stage")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def move_contact(contact_id: str) -> ResponseReturnValue:
    """Say in which stage a person is from now on."""

    def move(tx: Tx, site: Site) -> str:
        told = request.form.get("stage", "")
        one_of_the_sites(stages_of(tx, site.site_id), told)
        now, before = here().now(), read_contact(tx, site.site_id, contact_id)
        if before.stage == told:
            return str(gettext("The person is in this stage already."))
        flow.stage_said(tx, site, contact_id, told, actor(), StageCause.USER, now, now)
        details = {"before": before.stage, "after": told}
        audit.note(tx, site.site_id, actor(), Audited.STAGE, contact_id, now=now, details=details)
        return str(gettext("Saved: the stage counts from now on."))

    return changed(contact_id, move)


@routes.get("/contacts/<contact_id>/merge")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def merge_page(contact_id: str) -> ResponseReturnValue:
    """Find the other contact (?q=), and see both side by side (?other=)."""
    site = site_named()
    search = request.args.get("q", "").strip()[:200]
    with reading(here().engine) as tx:
        own = side_of(tx, site, contact_id)
        other = side_of(tx, site, request.args["other"]) if request.args.get("other") else None
        found = list_people(tx, site, wanted_by({"q": search}), Order.LEAD, None, MOST_FOUND + 1) if search else None
    if other is not None and other.contact_id == own.contact_id:
        other = None
    rows = [one for one in found.people if one.contact_id != own.contact_id][:MOST_FOUND] if found else []
    return render_template(
        "contact_merge.html",
        own=own,
        other=other,
        q=search,
        found=[(one.contact_id, row_of(one)) for one in rows],
        n_more=max(0, found.n - 1 - len(rows)) if found else 0,
        back_href=url_for("pages.contact", contact_id=own.contact_id),
    )


def side_of(tx: Tx, site: Site, contact_id: str) -> Side:
    """A contact as it stands beside another; raises NotFound."""
    who = read_contact(tx, site.site_id, contact_id)
    row = row_of(person_listed(tx, site, who.contact_id))
    return Side(who.contact_id, row, who.emails, who.crm_id, who.phone, who.lead_at)


@routes.post("/contacts/<contact_id>/merge")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def merge_contact(contact_id: str) -> ResponseReturnValue:
    """Two contacts are one person; `stays` is the one whose name and address come first."""
    other = request.form.get("other", "")
    stays = request.form.get("stays", contact_id)
    goes = other if stays == contact_id else contact_id

    def merge(tx: Tx, site: Site) -> str:
        if stays not in (contact_id, other):
            raise Invalid("is neither of the two", field="stays")
        now = here().now()
        first, second = (read_contact(tx, site.site_id, one) for one in (goes, stays))
        one = Decision(site.site_id, first.contact_id, second.contact_id, decider(), now)
        flow.contact_merged(tx, site, one, now)
        details = {"into": second.contact_id}
        audit.note(tx, site.site_id, actor(), Audited.MERGE, first.contact_id, now=now, details=details)
        return str(gettext("Merged: the two are one person now. It can be undone below."))

    return changed(stays if stays in (contact_id, other) else contact_id, merge, again=(contact_id, other))


@routes.post("/contacts/<contact_id>/split")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def split_contact(contact_id: str) -> ResponseReturnValue:
    """Somebody who was merged into this contact (`contact`) is another person after all."""
    gone = request.form.get("contact", "")

    def split(tx: Tx, site: Site) -> str:
        now = here().now()
        who: Contact = read_contact(tx, site.site_id, contact_id)
        if gone not in {one.contact_id for one in who.merged}:
            raise NotFound("is not merged into this contact", field="contact")
        flow.contact_split(tx, site, Decision(site.site_id, gone, None, decider(), now), now)
        details = {"from": who.contact_id}
        audit.note(tx, site.site_id, actor(), Audited.SPLIT, gone, now=now, details=details)
        return str(gettext("Split: %(name)s is a contact of their own again.", name=person_word(gone)))

    return changed(contact_id, split)


def decider() -> str:
    """Who decides, as the list of merged contacts names them."""
    user = logged_in()
    return user.email if user else actor()


def changed(
    contact_id: str, change: Callable[[Tx, Site], str], again: tuple[str, str] | None = None
) -> ResponseReturnValue:
    """Do what was decided, and show the person again with what came of it; of a refused merge both side by side."""
    site = site_named()
    try:
        with begin(here().engine) as tx:
            flow.take_turn(tx, site)
            flash(change(tx, site), "success")
    except (Invalid, Conflict, NotFound) as error:
        flash(reason(error), "error")
        if again is not None and again[1]:
            return redirect(url_for("pages.merge_page", contact_id=again[0], other=again[1], site=site.key))
    return redirect(url_for("pages.contact", contact_id=contact_id, site=site.key))


def reason(error: MinamotoError) -> str:
    """Why a decision was refused, in the reader's language."""
    if isinstance(error, NotFound):
        return str(gettext("This contact is not known any more: somebody may have merged or split it meanwhile."))
    if error.field == "stage":
        return str(gettext("Choose a stage."))
    if isinstance(error, Conflict):
        return str(gettext("One of the two is merged into somebody else. Split it off first, or merge that one."))
    return str(gettext("A contact cannot be merged with itself. Choose another one."))
