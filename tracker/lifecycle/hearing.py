"""Hear many words on stages at once: keep those that the journal has not got."""

from collections.abc import Sequence

from sqlalchemy import insert

from tracker.db.schema import crm_changes
from tracker.db.store import Tx
from tracker.db.writes import chunks
from tracker.lifecycle.changes import Word
from tracker.lifecycle.record import StageSaid, words_of
from tracker.vocabulary import CrmChangeKind


def hear_all(tx: Tx, said: Sequence[StageSaid]) -> set[str]:
    """Keep words of one site that say anything new, as their sender knows; those that stand there already are left.

    returns  the own ids of the contacts of which any was kept
    """
    if not said:
        return set()
    site_id = said[0].site_id
    known: set[Word] = set()
    for some in chunks(sorted({one.own_id for one in said})):
        words = words_of(tx, site_id, {own_id: (own_id,) for own_id in some})
        known |= {word for own in words.values() for word in own}
    new = [one for one in said if word_of(one) not in known]
    rows = [
        {
            "site_id": one.site_id,
            "kind": CrmChangeKind.STAGE.value,
            "key": one.own_id,
            "payload": {"stage": str(one.stage), "by": one.by, "cause": one.cause.value},
            "changed_at": one.at,
            "received_at": one.received_at,
        }
        for one in new
    ]
    if rows:
        tx.execute(insert(crm_changes), rows)
    return {one.own_id for one in new}


def word_of(said: StageSaid) -> Word:
    """What was said, as it is read from the journal."""
    return Word(said.at, said.stage, said.cause, said.by, said.own_id)
