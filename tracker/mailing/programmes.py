"""A site's programmes of mails: whom each is for, what the pages call it, its steps in their order."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from tracker.db.schema import mail_programmes
from tracker.db.store import Tx
from tracker.db.writes import insert_once, upsert
from tracker.errors import Invalid, NotFound
from tracker.urls import clean_text
from tracker.vocabulary import Programme

MOST_STEPS = 100
MOST_NAME = 255


@dataclass(frozen=True, slots=True)
class MailProgramme:
    """A programme. label: what the pages call it, None: its name; steps: their order as told, may lack some."""

    name: str
    audience: Programme
    label: str | None = None
    steps: tuple[str, ...] = ()


def found_programmes(tx: Tx, site_id: int, names: Iterable[str]) -> None:
    """Make the programmes that are not there yet; until somebody says otherwise they are for people who are to buy."""
    insert_once(
        tx, mail_programmes, [row_of(site_id, MailProgramme(name, Programme.NURTURE)) for name in sorted(names)]
    )


def programmes_of(tx: Tx, site_id: int) -> dict[str, MailProgramme]:
    """A site's programmes by name, in order of name."""
    query = select(mail_programmes).where(mail_programmes.c.site_id == site_id).order_by(mail_programmes.c.programme)
    return {row.programme: programme_of(row) for row in tx.execute(query)}


def find_programme(tx: Tx, site_id: int, name: str) -> MailProgramme:
    """A programme by its name; raises NotFound."""
    query = select(mail_programmes).where(mail_programmes.c.site_id == site_id, mail_programmes.c.programme == name)
    row = tx.execute(query).one_or_none()
    if row is None:
        raise NotFound(f"no programme {name[:40]!r}")
    return programme_of(row)


def tell_programme(tx: Tx, site_id: int, told: MailProgramme) -> MailProgramme | None:
    """Say what a programme is; gives what it was, None where it is new.

    raises  Invalid: a step stands there twice, there are more than MOST_STEPS, or a name is too long
    """
    names = [told.name, told.label or "", *told.steps]
    if any(len(name) > MOST_NAME for name in names):
        raise Invalid(f"a name has more than {MOST_NAME} characters", field="steps")
    if len(told.steps) > MOST_STEPS or len(set(told.steps)) < len(told.steps):
        raise Invalid(f"give at most {MOST_STEPS} steps, each once", field="steps")
    try:
        before = find_programme(tx, site_id, told.name)
    except NotFound:
        before = None
    if before != told:
        upsert(tx, mail_programmes, [row_of(site_id, told)])
    return before


def written(one: MailProgramme | None) -> dict[str, Any]:
    """A programme as the audit log keeps it."""
    return {} if one is None else {"audience": one.audience.value, "label": one.label, "steps": list(one.steps)}


def steps_in(text: str) -> tuple[str, ...]:
    """The steps of a text with one in a line."""
    return tuple(step for line in text.splitlines() if (step := clean_text(line, MOST_NAME + 1)))


def in_order(told: Sequence[str], seen: Sequence[str]) -> list[str]:
    """Steps as told, then those that were only seen, in their order; of those told that nobody got, none."""
    return [*(step for step in told if step in seen), *(step for step in seen if step not in told)]


def row_of(site_id: int, one: MailProgramme) -> dict[str, Any]:
    """A programme as a row."""
    return {
        "site_id": site_id,
        "programme": one.name,
        "audience": one.audience.value,
        "label": one.label,
        "steps": list(one.steps),
    }


def programme_of(row: Any) -> MailProgramme:
    """A row as a record."""
    return MailProgramme(row.programme, Programme(row.audience), row.label, tuple(str(step) for step in row.steps))
