"""What became of check hits: noted as they come, taken or refused, for the page that waits for them. Kept for a day."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select

from tracker.db.schema import checks
from tracker.db.store import Tx

KEPT = timedelta(days=1)
MOST = 20  # of one nonce


@dataclass(frozen=True, slots=True)
class Heard:
    """One beacon with a check hit in it.

    site_key     the key that the page's tag bears, whichever that is
    refusal      why it was refused; None: it is in the journal
    sets_cookie  whether the answer sets the visitor's cookie; else the snippet writes it, if the browser lets it
    All text is a stranger's.
    """

    nonce: str
    heard_at: datetime
    site_key: str
    host: str
    visitor_id: str
    consent: str
    user_agent: str
    refusal: str | None
    sets_cookie: bool


def note(tx: Tx, heard: Iterable[Heard]) -> None:
    """Write down what was heard, and forget what is older than a day."""
    rows = [asdict(one) for one in heard]
    if rows:
        tx.execute(delete(checks).where(checks.c.heard_at < max(row["heard_at"] for row in rows) - KEPT))
        tx.execute(insert(checks), rows)


def heard_of(tx: Tx, nonce: str) -> list[Heard]:
    """What was heard of a nonce, oldest first."""
    columns = [checks.c[name] for name in Heard.__slots__]
    query = select(*columns).where(checks.c.nonce == nonce).order_by(checks.c.check_id).limit(MOST)
    return [Heard(*row) for row in tx.execute(query)]
