"""How people react to what they are sent and asked: keep it, then have the rules look at them again.

Every way in ends here: the API, SendGrid's webhook, our own redirect, the survey's page, files. Nobody becomes a
contact by this: whose an address is, is asked when it is read.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy import select

from tracker.access.audit import COMMAND_LINE, note
from tracker.access.sites import Site
from tracker.db.schema import contacts
from tracker.db.store import Tx
from tracker.errors import Invalid
from tracker.identity.normalise import email_of
from tracker.identity.stitch import find_contact, staying
from tracker.mailing import events as mails
from tracker.mailing import reading as of_mails
from tracker.mailing.reading import MailEvent, ReadEvents
from tracker.staging import facts_told
from tracker.survey import answers as nps
from tracker.survey import reading as of_answers
from tracker.survey.reading import Answer, ReadAnswers
from tracker.uploaded import MOST_BYTES, read_rows
from tracker.vocabulary import Audited, Origin

MOST_TOLD = 10


def mails_told(tx: Tx, site: Site, events: Sequence[MailEvent], now: datetime) -> int:
    """Keep what became of mails; returns how many events were not there yet."""
    new = mails.keep(tx, site.site_id, site.timezone, events, now)
    people_told(tx, site, [(one.email, one.contact_id) for one in new], now)
    return len(new)


def answers_told(tx: Tx, site: Site, answers: Sequence[Answer], origin: Origin, now: datetime) -> int:
    """Keep answers to surveys; returns how many were not there yet."""
    new = nps.keep(tx, site.site_id, site.timezone, answers, origin, now)
    people_told(tx, site, [(one.email, one.contact_id) for one in new], now)
    return len(new)


def people_told(tx: Tx, site: Site, whose: Collection[tuple[str, str | None]], now: datetime) -> None:
    """There are new facts about these people, (e-mail or '', contact id or None): rules may move them."""
    emails = {email for email, _ in whose if email}
    stays = {staying(tx, contact_id) for contact_id in {one for _, one in whose if one}}
    if emails or stays:
        facts_told(tx, site, emails=emails, contact_ids=stays, now=now)


def recipient_by(tx: Tx, site: Site, email: str | None, contact_id: str | None) -> tuple[str, str | None]:
    """Who a personal link is for, as (e-mail or '', contact id or None), named by one of the two; raises NotFound."""
    if contact_id is None:
        return email or "", None
    stays = find_contact(tx, site.site_id, contact_id=contact_id)
    known = tx.execute(select(contacts.c.email).where(contacts.c.contact_id == stays)).scalar()
    return known or "", stays


def mail_file(content: bytes, site: Site, now: datetime) -> ReadEvents:
    """What a file of events holds; raises Invalid where it cannot be read."""
    rows = read_rows(content, of_mails.COLUMNS, of_mails.NEEDED)
    return of_mails.from_rows(rows, site.timezone, now, email_of)


def answers_file(content: bytes, site: Site, now: datetime) -> ReadAnswers:
    """What a file of answers holds; raises Invalid where it cannot be read."""
    rows = read_rows(content, of_answers.COLUMNS, of_answers.NEEDED)
    return of_answers.from_rows(rows, site.timezone, now, email_of)


def take_mail_file(tx: Tx, site: Site, name: str, found: ReadEvents, by: str, now: datetime) -> int:
    """Take a file's events in, and write down who did; returns how many were new."""
    n_new = mails_told(tx, site, found.events, now)
    details = {"file": name[:200], "rows": len(found.events), "new": n_new, "refused": sum(found.refused.values())}
    note(tx, site.site_id, by, Audited.PROGRAMME, name[:200] or "mails.csv", now=now, details=details)
    return n_new


def take_answers_file(tx: Tx, site: Site, name: str, found: ReadAnswers, by: str, now: datetime) -> int:
    """Take a file's answers in, and write down who did; returns how many were new."""
    n_new = answers_told(tx, site, found.answers, Origin.API, now)
    details = {"file": name[:200], "rows": len(found.answers), "new": n_new, "refused": sum(found.refused.values())}
    note(tx, site.site_id, by, Audited.SURVEY, name[:200] or "answers.csv", now=now, details=details)
    return n_new


def import_mail(tx: Tx, site: Site, file: Path, now: datetime) -> Iterator[str]:
    """Take a file of events in from the command line, and say what came of it, line by line."""
    found = mail_file(content_of(file), site, now)
    n_new = take_mail_file(tx, site, file.name, found, COMMAND_LINE, now)
    yield from told(len(found.events), n_new, found.refused.items(), found.lines)


def import_answers(tx: Tx, site: Site, file: Path, now: datetime) -> Iterator[str]:
    """The same of a file of answers."""
    found = answers_file(content_of(file), site, now)
    n_new = take_answers_file(tx, site, file.name, found, COMMAND_LINE, now)
    yield from told(len(found.answers), n_new, found.refused.items(), found.lines)


def content_of(file: Path) -> bytes:
    """A file's bytes; raises Invalid for one that is too large."""
    if file.stat().st_size > MOST_BYTES:
        raise Invalid(f"the file has more than {MOST_BYTES // 1024 // 1024} MB", field="file")
    return file.read_bytes()


def told(
    n_read: int, n_new: int, refused: Iterable[tuple[str, int]], lines: Sequence[tuple[int, str]]
) -> Iterator[str]:
    """What came of a file."""
    yield f"rows: {n_read}"
    yield f"new: {n_new}"
    yield f"known: {n_read - n_new}"
    for reason, n in sorted(refused):
        at = [str(line) for line, why in lines if why == reason][:MOST_TOLD]
        yield f"refused, {reason}: {n} (line {', '.join(at)}{', …' if n > MOST_TOLD else ''})"
