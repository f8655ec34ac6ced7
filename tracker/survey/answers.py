"""Keep answers to surveys. A journal: the same answer is kept once, nothing is changed afterwards."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from tracker.clock import local_day
from tracker.db.schema import nps_answers
from tracker.db.store import Tx
from tracker.db.writes import among, chunks, insert_once
from tracker.ids import derive
from tracker.survey.reading import Answer
from tracker.vocabulary import Origin


def keep(tx: Tx, site_id: int, timezone: str, answers: Sequence[Answer], origin: Origin, now: datetime) -> list[Answer]:
    """Keep the answers that are not there yet, and give these."""
    by_id = {derive("nps", site_id, one.reference): one for one in reversed(answers)}
    known: set[str] = set()
    for some in chunks(by_id, 5_000):
        query = select(nps_answers.c.answer_id).where(among(tx, nps_answers.c.answer_id, some))
        known |= set(tx.execute(query).scalars())
    new = {answer_id: one for answer_id, one in by_id.items() if answer_id not in known}
    rows = [
        {
            "answer_id": answer_id,
            "site_id": site_id,
            "survey_id": one.survey_id,
            "email": one.email,
            "contact_id": one.contact_id,
            "score": one.score,
            "comment": one.comment,
            "origin": origin.value,
            "answered_at": one.answered_at,
            "day": local_day(one.answered_at, timezone),
            "received_at": now,
        }
        for answer_id, one in new.items()
    ]
    for part in chunks(rows, 5_000):
        insert_once(tx, nps_answers, part)
    return list(new.values())
