"""How likely people are to recommend the company: the net promoter score of a period and by month, and the comments.

In each period a person counts once, with their latest answer of it: so months do not add up to a year. Whose an answer
is, is asked when this is read, merged contacts included; an answer that names nobody is a person of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, case, func, select

from tracker.db.schema import contacts, identifiers, nps_answers
from tracker.db.store import Tx
from tracker.reports.mails import staying_ids
from tracker.survey.nps import Attitude, Nps, Scored, attitude_of, latest, nps_of
from tracker.vocabulary import IdentifierKind

A = nps_answers.c
MOST_ANSWERS = 200_000
MOST_COMMENTS = 10_000
BANDS = {Attitude.PROMOTER: (9, 10), Attitude.PASSIVE: (7, 8), Attitude.DETRACTOR: (0, 6)}


@dataclass(frozen=True, slots=True)
class AskedAnswers:
    """A site's answers of some days, both included; survey_id: to this survey only."""

    site_id: int
    from_day: str
    to_day: str
    survey_id: str | None = None


@dataclass(frozen=True, slots=True)
class Satisfaction:
    """The score of the period and of each of its months, 'YYYY-MM', also those without answers."""

    whole: Nps
    months: tuple[tuple[str, Nps], ...]


@dataclass(frozen=True, slots=True)
class Comment:
    """An answer as people read it. contact_id, name: None where nobody has the address; texts are strangers'."""

    answer_id: str
    contact_id: str | None
    name: str | None
    email: str
    score: int
    comment: str
    answered_at: datetime
    survey_id: str | None
    counts: bool

    @property
    def attitude(self) -> Attitude:
        """What the score says."""
        return attitude_of(self.score)


def satisfaction(tx: Tx, asked: AskedAnswers) -> Satisfaction:
    """The score of a period, and by month."""
    by_month: dict[str, list[Scored]] = {month: [] for month in months_between(asked.from_day, asked.to_day)}
    everything: list[Scored] = []
    for row in tx.execute(rows_of(asked).limit(MOST_ANSWERS)):
        one = scored_of(row)
        everything.append(one)
        by_month.setdefault(row.day[:7], []).append(one)
    months = tuple((month, nps_of(own)) for month, own in sorted(by_month.items()))
    return Satisfaction(nps_of(everything), months)


def comments(tx: Tx, asked: AskedAnswers, attitude: Attitude | None, *, with_text: bool = True) -> list[Comment]:
    """The answers of a period, the latest first, at most MOST_COMMENTS.

    attitude   only of promoters, passives or detractors
    with_text  only those with a comment
    """
    query = rows_of(asked)
    if attitude is not None:
        query = query.where(A.score.between(*BANDS[attitude]))
    if with_text:
        query = query.where(A.comment != "")
    rows = tx.execute(query.limit(MOST_COMMENTS)).all()
    # An answer that its person gave anew is there, and does not count; the newer one may be of another attitude.
    whole = [scored_of(row) for row in tx.execute(rows_of(asked).limit(MOST_ANSWERS))]
    counting = {one.order for one in latest(whole)}
    return [
        Comment(
            row.answer_id,
            row.known_id,
            row.name,
            row.email or row.known_email or "",
            row.score,
            row.comment,
            row.answered_at,
            row.survey_id,
            row.answer_id in counting,
        )
        for row in rows
    ]


def rows_of(asked: AskedAnswers) -> Any:
    """The answers with whose each is, the latest first."""
    stays = staying_ids(asked.site_id)
    owner = and_(
        identifiers.c.site_id == asked.site_id,
        identifiers.c.kind == IdentifierKind.EMAIL.value,
        identifiers.c.value == A.email,
    )
    contact_id = func.coalesce(identifiers.c.contact_id, stays.c.into_id, A.contact_id)
    query = (
        select(
            A.answer_id,
            A.score,
            A.comment,
            A.answered_at,
            A.day,
            A.survey_id,
            A.email,
            contact_id.label("contact_id"),
            contacts.c.contact_id.label("known_id"),
            contacts.c.name,
            contacts.c.email.label("known_email"),
            case((contact_id.is_(None), A.email)).label("address"),
        )
        .select_from(
            nps_answers.outerjoin(identifiers, owner)
            .outerjoin(stays, stays.c.contact_id == A.contact_id)
            .outerjoin(contacts, contacts.c.contact_id == contact_id)
        )
        .where(A.site_id == asked.site_id, A.day.between(asked.from_day, asked.to_day))
        .order_by(A.answered_at.desc(), A.answer_id)
    )
    return query if asked.survey_id is None else query.where(A.survey_id == asked.survey_id)


def scored_of(row: Any) -> Scored:
    """An answer as it counts."""
    person = f"contact {row.contact_id}" if row.contact_id else f"mail {row.address}" if row.address else None
    return Scored(person, row.score, row.answered_at, row.answer_id)


def first_answer_day(tx: Tx, site_id: int) -> str | None:
    """The day of a site's first answer."""
    day: str | None = tx.execute(select(func.min(A.day)).where(A.site_id == site_id)).scalar()
    return day


def months_between(from_day: str, to_day: str) -> list[str]:
    """The months of a period in order, at most ten years of them."""
    year, month = int(from_day[:4]), int(from_day[5:7])
    found: list[str] = []
    while (text := f"{year:04d}-{month:02d}") <= to_day[:7] and len(found) < 120:
        found.append(text)
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
    return found


def answers_by_survey(tx: Tx, site_id: int) -> Mapping[str, int]:
    """How many answers each survey of a site has."""
    query = select(A.survey_id, func.count()).where(A.site_id == site_id, A.survey_id.is_not(None))
    return {str(row[0]): int(row[1]) for row in tx.execute(query.group_by(A.survey_id))}
