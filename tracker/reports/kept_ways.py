"""The ways of a site's deals, kept as paths are (keeping.py) as long as nothing was told or derived since.

Reading them takes most of the Opportunity report's time, and people ask it again with another source or model. A way
never changes once it is made; what is kept is right for a transaction that sees just as many words of the CRM.
"""

from collections.abc import Callable
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, func, select

from tracker.attribution.recredited import EVERYTHING
from tracker.db.schema import crm_changes, recredited
from tracker.db.store import Tx
from tracker.reports.keeping import is_kept
from tracker.reports.opportunity_ways import Ways
from tracker.reports.remembered import Remembered
from tracker.vocabulary import CrmChangeKind

# How many days of sites are kept; each takes about a megabyte for a thousand deals.
MOST = 4
KEPT: WeakKeyDictionary[Engine, Remembered] = WeakKeyDictionary()


def ways_kept(tx: Tx, site_id: int, day: str, read: Callable[[], Ways]) -> Ways:
    """The ways of a site's deals up to a day, from `read` where something was told since; for readers alone."""
    if not is_kept(tx):
        return read()
    return KEPT.setdefault(tx.engine, Remembered(MOST)).once((site_id, day, *words_on_deals(tx, site_id)), read)


def words_on_deals(tx: Tx, site_id: int) -> tuple[int, int, int]:
    """How many words on deals there are, the last of them, and the last write that derived everything anew.

    Words are only ever added, so that as many words are the same words; a rebuild marks everything, and the mark that
    takes the place of forgotten ones is never an older one (attribution/recredited.py).
    """
    words = select(func.count(), func.coalesce(func.max(crm_changes.c.seq), 0)).where(
        crm_changes.c.site_id == site_id, crm_changes.c.kind == CrmChangeKind.DEAL.value
    )
    n, last = tx.execute(words).one()
    mark = select(func.coalesce(func.max(recredited.c.revision), 0)).where(
        recredited.c.site_id == site_id, recredited.c.conversion_id == EVERYTHING
    )
    return int(n), int(last), int(tx.execute(mark).scalar_one())
