"""What became of a site's mails: figures by programme and step, where people stop, and who is behind each number.

A mail is a person who got a programme's step: whoever gets the same step twice in a period, opens it five times and
clicks twice is one who opened and one who clicked. Rates are of people, over those whom it was delivered to. A mail
counts in a period when it was sent, delivered or came back in it; opens and clicks are of that period, too, and those
of mails from before it are counted apart. Whose an address is, is asked when this is read, merged contacts included.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, not_, or_, select
from sqlalchemy.sql.selectable import CTE

from tracker.db.schema import identifiers, mail_events, merges
from tracker.db.store import Tx
from tracker.mailing.programmes import MailProgramme, programmes_of
from tracker.vocabulary import IdentifierKind, MailKind, Programme

E = mail_events.c
BASE = (MailKind.SENT, MailKind.DELIVERED, MailKind.BOUNCE)


@dataclass(frozen=True, slots=True)
class MailFigures:
    """Of a period, people per step, added up over steps.

    n_sent           mails that were sent, delivered or came back
    n_delivered      of these the ones that arrived; where a service never says, those that did not come back
    n_opened         opened or clicked by a person; a hint, for many programs hide or feign it
    n_machine        opened by machines alone, as the service says
    n_clicked, n_bounced, n_unsubscribed, n_spam
    n_other_clicks   clicks of nobody known, or on mails of another period
    """

    n_sent: int = 0
    n_delivered: int = 0
    n_opened: int = 0
    n_machine: int = 0
    n_clicked: int = 0
    n_bounced: int = 0
    n_unsubscribed: int = 0
    n_spam: int = 0
    n_other_clicks: int = 0

    @property
    def open_ratio(self) -> float | None:
        """Opened over delivered."""
        return quotient(self.n_opened, self.n_delivered)

    @property
    def click_ratio(self) -> float | None:
        """Clicked over delivered."""
        return quotient(self.n_clicked, self.n_delivered)

    @property
    def click_to_open_ratio(self) -> float | None:
        """Clicked over opened."""
        return quotient(self.n_clicked, self.n_opened)

    @property
    def unsubscribe_ratio(self) -> float | None:
        """Unsubscribed over delivered."""
        return quotient(self.n_unsubscribed, self.n_delivered)

    @property
    def bounce_ratio(self) -> float | None:
        """Came back over sent."""
        return quotient(self.n_bounced, self.n_sent)

    def __add__(self, other: "MailFigures") -> "MailFigures":
        return MailFigures(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(MailFigures)))


def first_mail_day(tx: Tx, site_id: int) -> str | None:
    """The first day of which anything is known of a site's mails."""
    day: str | None = tx.execute(select(func.min(E.day)).where(E.site_id == site_id)).scalar()
    return day


def quotient(part: int, whole: int) -> float | None:
    """A share; None without anything to share."""
    return part / whole if whole else None


@dataclass(frozen=True, slots=True)
class ProgrammeLine:
    """A programme with its figures of a period."""

    programme: MailProgramme
    figures: MailFigures


@dataclass(frozen=True, slots=True)
class Asked:
    """A site's mails of some days, 'YYYY-MM-DD', both included; programme: of this one only."""

    site_id: int
    from_day: str
    to_day: str
    programme: str | None = None


def programme_lines(tx: Tx, asked: Asked) -> list[ProgrammeLine]:
    """Every programme of a site with its figures, those with most people first; also those without mails then."""
    known = programmes_of(tx, asked.site_id)
    by_step = figures_by_step(tx, asked)
    lines = []
    for name, programme in known.items():
        own = [figures for (of, _), figures in by_step.items() if of == name]
        lines.append(ProgrammeLine(programme, sum(own, MailFigures())))
    return sorted(lines, key=lambda one: (-one.figures.n_sent, one.programme.name))


def total_of(lines: Sequence[ProgrammeLine], audience: Programme) -> MailFigures:
    """The figures of all programmes for these people."""
    return sum((one.figures for one in lines if one.programme.audience is audience), MailFigures())


def figures_by_step(tx: Tx, asked: Asked) -> dict[tuple[str, str], MailFigures]:
    """The figures of each (programme, step) in the period."""
    mail = mails(asked).subquery()
    flag = mail.c
    has_base = flag.base == 1
    engaged = or_(flag.opened == 1, flag.machine == 1, flag.unsubscribed == 1, flag.spam == 1)
    arrived = or_(engaged, and_(flag.delivered == 1, flag.bounced == 0))
    presumed = or_(engaged, flag.bounced == 0)

    def n(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
        return func.coalesce(func.sum(case((and_(has_base, *conditions), 1), else_=0)), 0)

    query = select(
        flag.programme,
        flag.step,
        n().label("sent"),
        n(flag.delivered == 1).label("told"),
        n(arrived).label("arrived"),
        n(presumed).label("presumed"),
        n(flag.opened == 1).label("opened"),
        n(flag.machine == 1, flag.opened == 0).label("machine"),
        n(flag.clicked == 1).label("clicked"),
        n(flag.bounced == 1, not_(engaged)).label("bounced"),
        n(flag.unsubscribed == 1).label("unsubscribed"),
        n(flag.spam == 1).label("spam"),
        func.coalesce(func.sum(case((not_(has_base), flag.n_clicks), else_=0)), 0).label("others"),
    ).group_by(flag.programme, flag.step)
    rows = tx.execute(query).all()
    tells = {row.programme for row in rows if row.told}
    return {
        (row.programme, row.step): MailFigures(
            n_sent=int(row.sent),
            n_delivered=int(row.arrived if row.programme in tells else row.presumed),
            n_opened=int(row.opened),
            n_machine=int(row.machine),
            n_clicked=int(row.clicked),
            n_bounced=int(row.bounced),
            n_unsubscribed=int(row.unsubscribed),
            n_spam=int(row.spam),
            n_other_clicks=int(row.others),
        )
        for row in rows
    }


def mails(asked: Asked) -> Select[Any]:
    """The mails of a period: one row per programme, step and person, with what was told of it."""
    person = person_of(asked.site_id)

    def seen(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
        return func.max(case((and_(*conditions), 1), else_=0))

    opened = or_(and_(E.kind == MailKind.OPEN.value, not_(E.is_machine)), E.kind == MailKind.CLICK.value)
    is_known = person.is_known
    query = (
        select(
            E.programme,
            E.step,
            person.contact_id.label("contact_id"),
            person.address.label("address"),
            seen(is_known, E.kind.in_([kind.value for kind in BASE])).label("base"),
            seen(E.kind == MailKind.DELIVERED.value).label("delivered"),
            seen(E.kind == MailKind.BOUNCE.value).label("bounced"),
            seen(opened).label("opened"),
            seen(E.kind == MailKind.OPEN.value, E.is_machine).label("machine"),
            seen(E.kind == MailKind.CLICK.value).label("clicked"),
            seen(E.kind == MailKind.UNSUBSCRIBE.value).label("unsubscribed"),
            seen(E.kind == MailKind.SPAM.value).label("spam"),
            func.sum(case((E.kind == MailKind.CLICK.value, 1), else_=0)).label("n_clicks"),
            func.min(E.occurred_at).label("first_at"),
        )
        .select_from(person.source)
        .where(E.site_id == asked.site_id, E.day.between(asked.from_day, asked.to_day))
        .group_by(E.programme, E.step, person.contact_id, person.address)
    )
    return query if asked.programme is None else query.where(E.programme == asked.programme)


@dataclass(frozen=True, slots=True)
class Person:
    """Whose an event is, in columns of `source`: a contact's id, else an address, which is '' of nobody known."""

    contact_id: ColumnElement[str]
    address: ColumnElement[str]
    is_known: ColumnElement[bool]
    source: Any


def person_of(site_id: int) -> Person:
    """Whose each event of a site is: by its address, else by the contact that a link named, as they are merged now."""
    stays = staying_ids(site_id)
    owner = and_(
        identifiers.c.site_id == site_id,
        identifiers.c.kind == IdentifierKind.EMAIL.value,
        identifiers.c.value == E.email,
    )
    source = mail_events.outerjoin(identifiers, owner).outerjoin(stays, stays.c.contact_id == E.contact_id)
    contact_id = func.coalesce(identifiers.c.contact_id, stays.c.into_id, E.contact_id)
    # Apart, for the two are in different collations.
    address = case((contact_id.is_(None), E.email))
    return Person(contact_id, address, or_(contact_id.is_not(None), E.email != ""), source)


def staying_ids(site_id: int) -> Any:
    """Into whom each merged contact of a site was merged in the end."""
    way: CTE = (
        select(merges.c.contact_id, merges.c.into_id).where(merges.c.site_id == site_id).cte("ways", recursive=True)
    )
    onward = select(way.c.contact_id, merges.c.into_id).join(merges, merges.c.contact_id == way.c.into_id)
    way = way.union(onward)
    gone = select(merges.c.contact_id).where(merges.c.site_id == site_id)
    return select(way.c.contact_id, way.c.into_id).where(way.c.into_id.not_in(gone)).subquery("stays")
