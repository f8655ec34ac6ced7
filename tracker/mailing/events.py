"""Keep what became of mails. A journal: the same event is kept once, nothing is changed afterwards."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from tracker.clock import local_day
from tracker.db.schema import mail_events
from tracker.db.store import Tx
from tracker.db.writes import among, chunks, insert_once
from tracker.mailing.programmes import found_programmes
from tracker.mailing.reading import MailEvent


def keep(tx: Tx, site_id: int, timezone: str, events: Sequence[MailEvent], now: datetime) -> list[MailEvent]:
    """Keep the events that are not there yet, and give these; programmes that nobody told of are founded.

    timezone  the site's, for the day of each
    """
    by_id = {one.event_id: one for one in reversed(events)}
    known: set[str] = set()
    for some in chunks(by_id, 5_000):
        query = select(mail_events.c.event_id).where(mail_events.c.site_id == site_id)
        known |= set(tx.execute(query.where(among(tx, mail_events.c.event_id, some))).scalars())
    new = [one for one in dict.fromkeys(by_id[one.event_id] for one in events) if one.event_id not in known]
    found_programmes(tx, site_id, {one.programme for one in new})
    rows = [
        {
            "site_id": site_id,
            "event_id": one.event_id,
            "kind": one.kind.value,
            "programme": one.programme,
            "step": one.step,
            "email": one.email,
            "contact_id": one.contact_id,
            "url": one.url,
            "is_machine": one.is_machine,
            "occurred_at": one.occurred_at,
            "day": local_day(one.occurred_at, timezone),
            "received_at": now,
        }
        for one in new
    ]
    for part in chunks(rows, 5_000):
        insert_once(tx, mail_events, part)
    return new
