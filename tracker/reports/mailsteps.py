"""The steps of one programme: who got each in a period, who went on to a later one, and where people stop.

Whoever got a step and no later one has stopped there, unless they left (unsubscribed, called it spam, mails came back),
or it is too early to say: nine of ten who went on had done so after a longer time.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import groupby
from typing import Any

from sqlalchemy import and_, case, func, or_, select

from tracker.clock import from_ms, to_ms
from tracker.db.schema import contacts, mail_events
from tracker.db.store import Tx
from tracker.db.writes import among, chunks
from tracker.mailing.programmes import MailProgramme, in_order
from tracker.reports.mails import BASE, Asked, MailFigures, figures_by_step, mails, person_of
from tracker.vocabulary import MailKind

E = mail_events.c
UNTIL_KNOWN = timedelta(days=14)  # how long to wait where nobody went on yet
LEFT = (MailKind.UNSUBSCRIBE, MailKind.SPAM, MailKind.BOUNCE)
MOST_PEOPLE = 10_000
DAY_MS = 86_400_000


class After(StrEnum):
    """What came after somebody got a step."""

    WENT_ON = "went_on"
    ON_THE_WAY = "on_the_way"
    LEFT = "left"
    STOPPED = "stopped"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class StepLine:
    """A step in the programme's order.

    figures  of the period
    after    how many of those who got it in the period went on, stopped …
    days     in which nine of ten went on who did, None where nobody did
    """

    step: str
    figures: MailFigures
    after: Mapping[After, int]
    days: float | None


@dataclass(slots=True)
class Stopping:
    """What is gathered of a step: the times to the next one, and who has none."""

    gaps_ms: list[int] = field(default_factory=list)
    waiting: list[tuple[int, str, str]] = field(default_factory=list)  # (when they got it, contact id, address)
    counts: Counter[After] = field(default_factory=Counter)
    people: list[tuple[After, str, str, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Behind:
    """Somebody behind a number: contact_id is None where nobody has the address."""

    contact_id: str | None
    address: str
    name: str | None
    step: str
    at: datetime


def step_lines(tx: Tx, asked: Asked, programme: MailProgramme, now: datetime) -> list[StepLine]:
    """The steps that were got in the period, in the programme's order."""
    by_step = {step: figures for (_, step), figures in figures_by_step(tx, asked).items()}
    order = step_order(tx, asked.site_id, programme)
    gathered = gather(tx, asked, order, now)
    lines = []
    for step in order:
        if step in by_step:
            own = gathered.get(step, Stopping())
            days = None if not own.gaps_ms else ninth(own.gaps_ms) / DAY_MS
            lines.append(StepLine(step, by_step[step], {one: own.counts[one] for one in After}, days))
    return lines


def step_order(tx: Tx, site_id: int, programme: MailProgramme) -> list[str]:
    """A programme's steps: as they were told, then by when the first of each went out."""
    query = (
        select(E.step, func.min(E.occurred_at).label("first_at"))
        .where(E.site_id == site_id, E.programme == programme.name)
        .group_by(E.step)
    )
    seen = [row.step for row in sorted(tx.execute(query), key=lambda row: (row.first_at, row.step))]
    return in_order(programme.steps, seen)


def gather(tx: Tx, asked: Asked, order: Sequence[str], now: datetime, keep: bool = False) -> dict[str, Stopping]:
    """What came after each step for those who got it in the period; keep: also who they are."""
    place = {step: number for number, step in enumerate(order)}
    found = {step: Stopping() for step in order}
    for whose, rows in each_person(tx, asked):
        has_left = any(row.has_left for row in rows)
        got = sorted((place[row.step], row.step, to_ms(row.base_at), row.in_period) for row in rows if row.base_at)
        for number, (_, step, at, in_period) in enumerate(got):
            if not in_period:
                continue
            own = found[step]
            later = [other for _, _, other, _ in got[number + 1 :]]
            if later:
                own.gaps_ms.append(max(0, min(later) - at))
                count_in(own, After.WENT_ON, whose, at, keep)
            elif step == order[-1]:
                count_in(own, After.FINISHED, whose, at, keep)
            elif has_left:
                count_in(own, After.LEFT, whose, at, keep)
            else:
                own.waiting.append((at, *whose))
    for own in found.values():
        patience = ninth(own.gaps_ms) if own.gaps_ms else UNTIL_KNOWN // timedelta(milliseconds=1)
        for at, contact_id, address in own.waiting:
            is_early = to_ms(now) - at < patience
            count_in(own, After.ON_THE_WAY if is_early else After.STOPPED, (contact_id, address), at, keep)
    return found


def count_in(own: Stopping, after: After, whose: tuple[str, str], at: int, keep: bool) -> None:
    """Count somebody under what came after."""
    own.counts[after] += 1
    if keep:
        own.people.append((after, *whose, at))


def each_person(tx: Tx, asked: Asked) -> Iterator[tuple[tuple[str, str], list[Any]]]:
    """Per person of a programme, as (contact id or '', address or ''), the steps that were told since the period began.

    A person's rows stand together, and one person's are looked at at a time.
    """
    person = person_of(asked.site_id)
    is_base = E.kind.in_([kind.value for kind in BASE])
    in_period = and_(is_base, E.day <= asked.to_day)
    query = (
        select(
            person.contact_id.label("contact_id"),
            person.address.label("address"),
            E.step,
            func.min(case((is_base, E.occurred_at))).label("base_at"),
            func.max(case((in_period, 1), else_=0)).label("in_period"),
            func.max(case((E.kind.in_([kind.value for kind in LEFT]), 1), else_=0)).label("has_left"),
        )
        .select_from(person.source)
        .where(E.site_id == asked.site_id, E.programme == asked.programme, E.day >= asked.from_day, person.is_known)
        .group_by(person.contact_id, person.address, E.step)
        .order_by("contact_id", "address")
    )
    rows = tx.execute(query)
    for (contact_id, address), own in groupby(rows, key=lambda row: (row.contact_id or "", row.address or "")):
        yield (contact_id, address), list(own)


def ninth(gaps_ms: Sequence[int]) -> int:
    """The time within which nine of ten are."""
    ordered = sorted(gaps_ms)
    return ordered[max(0, -(-9 * len(ordered) // 10) - 1)]


# --- who is behind a number -----------------------------------------------------------------------------------------

# What can be asked for, by the flags of mails(): see MailFigures.
WHAT = ("sent", "delivered", "opened", "machine", "clicked", "bounced", "unsubscribed", "spam")


def people_behind(
    tx: Tx, asked: Asked, programme: MailProgramme, what: str, step: str | None, now: datetime
) -> list[Behind]:
    """Who is behind a number, the latest first, at most MOST_PEOPLE.

    what  one of WHAT or After; step None: of all steps, a person once for each
    """
    if what in set(After):
        order = step_order(tx, asked.site_id, programme)
        gathered = gather(tx, asked, order, now, keep=True)
        found = [
            (contact_id, address, name, at)
            for name, own in gathered.items()
            if step is None or name == step
            for after, contact_id, address, at in own.people
            if after == what
        ]
        return named(tx, found)
    mail = mails(asked).subquery()
    flag = mail.c
    engaged = or_(flag.opened == 1, flag.machine == 1, flag.unsubscribed == 1, flag.spam == 1)
    tells = tx.execute(select(func.max(flag.delivered)).where(flag.base == 1)).scalar()
    arrived = or_(engaged, and_(flag.delivered == 1, flag.bounced == 0)) if tells else or_(engaged, flag.bounced == 0)
    condition = {
        "sent": flag.base == 1,
        "delivered": arrived,
        "machine": and_(flag.machine == 1, flag.opened == 0),
        "bounced": and_(flag.bounced == 1, ~engaged),
    }.get(what)
    if condition is None:
        condition = flag[what] == 1
    query = select(flag.contact_id, flag.address, flag.step, flag.first_at).where(flag.base == 1, condition)
    if step is not None:
        query = query.where(flag.step == step)
    rows = tx.execute(query.order_by(flag.first_at.desc()).limit(MOST_PEOPLE))
    return named(tx, [(row.contact_id or "", row.address or "", row.step, to_ms(row.first_at)) for row in rows])


def named(tx: Tx, people: Iterable[tuple[str, str, str, int]]) -> list[Behind]:
    """People with their names, the latest first; (contact id, address, step, milliseconds)."""
    newest = sorted(people, key=lambda one: (-one[3], one[0], one[1], one[2]))[:MOST_PEOPLE]
    known: dict[str, tuple[str | None, str | None]] = {}
    for some in chunks({contact_id for contact_id, *_ in newest if contact_id}, 5_000):
        query = select(contacts.c.contact_id, contacts.c.name, contacts.c.email)
        for row in tx.execute(query.where(among(tx, contacts.c.contact_id, some))):
            known[row.contact_id] = (row.name, row.email)
    return [
        Behind(
            contact_id if contact_id in known else None,
            address or known.get(contact_id, (None, None))[1] or "",
            known.get(contact_id, (None, None))[0],
            step,
            from_ms(at),
        )
        for contact_id, address, step, at in newest
    ]
