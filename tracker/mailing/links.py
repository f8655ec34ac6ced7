"""Links of mails over our own redirect, which counts their clicks; and whom a personal one is for."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select

from tracker.db.schema import mail_links
from tracker.db.store import Tx
from tracker.errors import NotFound
from tracker.ids import derive
from tracker.mailing.address import checked_url
from tracker.mailing.programmes import found_programmes
from tracker.mailing.reading import MailEvent
from tracker.sealed import seal, unseal
from tracker.vocabulary import MailKind

PURPOSE = "mail link"
MOST_LISTED = 200


@dataclass(frozen=True, slots=True)
class MailLink:
    """A link of a mail; `url` is where it leads."""

    link_id: str
    site_id: int
    programme: str
    step: str
    url: str
    saved_at: datetime


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom a link or an invitation is for: an e-mail address, a contact, or both; ('', None) is nobody known."""

    email: str = ""
    contact_id: str | None = None


def add_link(tx: Tx, site_id: int, programme: str, step: str, url: str, *, link_id: str, now: datetime) -> MailLink:
    """A link of a programme's step to an address; the same again is the same link. Raises Invalid for the address.

    link_id  of a new one: what nobody can guess
    """
    url = checked_url(url)
    found_programmes(tx, site_id, [programme])
    same = select(mail_links).where(
        mail_links.c.site_id == site_id,
        mail_links.c.programme == programme,
        mail_links.c.step == step,
        mail_links.c.url == url,
    )
    known = tx.execute(same).mappings().first()
    if known is not None:
        return MailLink(**known)
    made = MailLink(link_id, site_id, programme, step, url, now)
    tx.execute(insert(mail_links), [{name: getattr(made, name) for name in MailLink.__dataclass_fields__}])
    return made


def find_link(tx: Tx, link_id: str, site_id: int | None = None) -> MailLink:
    """A link by its id, of any site or of this one; raises NotFound."""
    query = select(mail_links).where(mail_links.c.link_id == link_id)
    if site_id is not None:
        query = query.where(mail_links.c.site_id == site_id)
    row = tx.execute(query).mappings().one_or_none()
    if row is None:
        raise NotFound("there is no such link")
    return MailLink(**row)


def links_of(tx: Tx, site_id: int, programme: str) -> list[MailLink]:
    """A programme's links, the newest first, at most MOST_LISTED."""
    query = select(mail_links).where(mail_links.c.site_id == site_id, mail_links.c.programme == programme)
    newest = query.order_by(mail_links.c.saved_at.desc(), mail_links.c.link_id).limit(MOST_LISTED)
    return [MailLink(**row) for row in tx.execute(newest).mappings()]


def token_for(secret: str, link_id: str, recipient: Recipient) -> str:
    """Whom a link is for, as only the installation can read it."""
    return seal(secret, PURPOSE, link_id, f"{recipient.contact_id or ''} {recipient.email}")


def recipient_of(secret: str, link_id: str, token: str) -> Recipient:
    """Whom a link's token names; nobody where it is not this link's."""
    words = unseal(secret, PURPOSE, link_id, token)
    if words is None:
        return Recipient()
    contact_id, _, email = words.partition(" ")
    return Recipient(email, contact_id or None)


def click_of(link: MailLink, recipient: Recipient, now: datetime, chance: str) -> MailEvent:
    """A click on a link, now. chance: what tells it from others at the same instant."""
    event_id = "link " + derive(link.link_id, now.isoformat(), chance)
    return MailEvent(
        event_id, MailKind.CLICK, link.programme, link.step, recipient.email, now, link.url, False, recipient.contact_id
    )
