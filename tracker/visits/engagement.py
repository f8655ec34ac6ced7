"""How long a page was seen and how far down: what each leave of it told, and the largest of that for a page.

A page tells it whenever it is left or goes into the background, each time in all, so order and retries make no
difference. A leave begins, extends and cuts no visit and is no touch. Called by the fold; read by the journey.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, func, select

from tracker.db.schema import engagements, hits, visit_hits
from tracker.db.store import Tx
from tracker.db.writes import chunks, put
from tracker.visits.waiting import FoldedHit

ENGAGEMENT = ("hit_seq", "site_id", "visitor_no", "page_id", "engaged_ms", "scroll")
# The leaves of a page view that is in a visit. A visitor tells of their own pages only.
LEAVES_OF_PAGE = and_(
    engagements.c.site_id == hits.c.site_id,
    engagements.c.page_id == hits.c.hit_id,
    engagements.c.visitor_no == visit_hits.c.visitor_no,
)


@dataclass(frozen=True, slots=True)
class Engagement:
    """How long a page view was visible and focused in all, and how far down it was seen (percent, 0 to 100)."""

    engaged_ms: int
    scroll: int


def note(tx: Tx, leaves: Sequence[FoldedHit]) -> None:
    """Keep what these leaves of people told, each once."""
    rows = [
        (
            hit.seq,
            hit.site_id,
            hit.visitor_no,
            str(hit.details.get("page", "")),
            int(hit.details.get("engaged_ms", 0)),
            int(hit.details.get("scroll", 0)),
        )
        for hit in leaves
        if hit.visitor_no is not None
    ]
    put(tx, engagements, ENGAGEMENT, rows)


def engagement_of(tx: Tx, page_seqs: Iterable[int]) -> dict[int, Engagement]:
    """How long each of these page views was seen and how far down, by seq; those that never told are missing."""
    found: dict[int, Engagement] = {}
    for some in chunks(page_seqs):
        query = (
            select(hits.c.seq, func.max(engagements.c.engaged_ms), func.max(engagements.c.scroll))
            .select_from(hits)
            .join(visit_hits, visit_hits.c.hit_seq == hits.c.seq)
            .join(engagements, LEAVES_OF_PAGE)
            .where(hits.c.seq.in_(some))
            .group_by(hits.c.seq)
        )
        found |= {seq: Engagement(engaged_ms, scroll) for seq, engaged_ms, scroll in tx.execute(query)}
    return found
