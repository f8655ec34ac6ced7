"""A site's hosted surveys: a page with one question, and the invitations to it."""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import insert, select, update

from tracker.db.schema import surveys
from tracker.db.store import Tx
from tracker.errors import Invalid, NotFound
from tracker.sealed import seal, unseal
from tracker.urls import clean_text

PURPOSE = "survey invitation"
MOST_NAME = 200
MOST_QUESTION = 500
MOST_SURVEYS = 200


@dataclass(frozen=True, slots=True)
class Survey:
    """A survey. question: None for the usual one, in the reader's language; for_anybody: also without an invitation."""

    survey_id: str
    site_id: int
    name: str
    question: str | None
    is_open: bool
    for_anybody: bool
    saved_at: datetime


def add_survey(
    tx: Tx, site_id: int, survey_id: str, name: str, question: str, *, for_anybody: bool, now: datetime
) -> Survey:
    """A new survey, open; raises Invalid for a name that is empty or too long, or when there are very many.

    survey_id  what nobody can guess
    """
    known = tx.execute(select(surveys.c.survey_id).where(surveys.c.site_id == site_id)).scalars().all()
    if len(known) >= MOST_SURVEYS:
        raise Invalid(f"a site has at most {MOST_SURVEYS} surveys", field="name")
    made = Survey(survey_id, site_id, named(name), asked(question), True, for_anybody, now)
    tx.execute(insert(surveys), [{field: getattr(made, field) for field in Survey.__dataclass_fields__}])
    return made


def change_survey(
    tx: Tx, site_id: int, survey_id: str, *, name: str, question: str, is_open: bool, for_anybody: bool
) -> tuple[Survey, Survey]:
    """Change a survey; gives what it was and what it is. Raises NotFound, Invalid."""
    before = find_survey(tx, survey_id, site_id)
    after = replace(before, name=named(name), question=asked(question), is_open=is_open, for_anybody=for_anybody)
    told = {"name": after.name, "question": after.question, "is_open": is_open, "for_anybody": for_anybody}
    tx.execute(update(surveys).where(surveys.c.survey_id == survey_id).values(**told))
    return before, after


def find_survey(tx: Tx, survey_id: str, site_id: int | None = None) -> Survey:
    """A survey by its id, of any site or of this one; raises NotFound."""
    query = select(surveys).where(surveys.c.survey_id == survey_id)
    if site_id is not None:
        query = query.where(surveys.c.site_id == site_id)
    row = tx.execute(query).mappings().one_or_none()
    if row is None:
        raise NotFound("there is no such survey")
    return Survey(**row)


def surveys_of(tx: Tx, site_id: int) -> list[Survey]:
    """A site's surveys, the newest first."""
    query = select(surveys).where(surveys.c.site_id == site_id)
    return [
        Survey(**row) for row in tx.execute(query.order_by(surveys.c.saved_at.desc(), surveys.c.survey_id)).mappings()
    ]


def written(one: Survey) -> dict[str, str | bool | None]:
    """A survey as the audit log keeps it."""
    return {"name": one.name, "question": one.question, "is_open": one.is_open, "for_anybody": one.for_anybody}


def named(text: str) -> str:
    """A survey's name; raises Invalid."""
    name = clean_text(text, MOST_NAME + 1)
    if name is None or len(name) > MOST_NAME:
        raise Invalid(f"give a name of at most {MOST_NAME} characters", field="name")
    return name


def asked(text: str) -> str | None:
    """A survey's question, None for the usual one; raises Invalid."""
    question = clean_text(text, MOST_QUESTION + 1)
    if question is not None and len(question) > MOST_QUESTION:
        raise Invalid(f"at most {MOST_QUESTION} characters", field="question")
    return question


def invitation(secret: str, survey_id: str, email: str, contact_id: str | None) -> str:
    """Who is invited, as only the installation can read it."""
    return seal(secret, PURPOSE, survey_id, f"{contact_id or ''} {email}")


def invited(secret: str, survey_id: str, token: str) -> tuple[str, str | None] | None:
    """Whose invitation to this survey it is, (e-mail, contact id); None where it is none."""
    words = unseal(secret, PURPOSE, survey_id, token)
    if words is None:
        return None
    contact_id, _, email = words.partition(" ")
    return email, contact_id or None
