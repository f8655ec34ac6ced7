"""A site's segments: saved filters, whose people are whoever fits now, and lists that actions put people into."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, insert, select, update

from tracker.db.schema import actions, segment_people, segments
from tracker.db.store import Tx
from tracker.db.writes import among, insert_once
from tracker.errors import Conflict, Invalid, NotFound
from tracker.vocabulary import ActionKind

MOST_SEGMENTS = 100
LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class Segment:
    """A list of people. text: the condition that they fit, as TOML; '': a list that actions put people into."""

    segment_id: str
    site_id: int
    name: str
    text: str
    saved_by: str
    saved_at: datetime

    @property
    def is_filter(self) -> bool:
        """Whether whoever fits is in it, now."""
        return bool(self.text)


def segments_of(tx: Tx, site_id: int) -> list[Segment]:
    """A site's segments by name."""
    query = select(segments).where(segments.c.site_id == site_id)
    found = [Segment(**row) for row in tx.execute(query).mappings()]
    return sorted(found, key=lambda one: (one.name.casefold(), one.segment_id))


def find_segment(tx: Tx, site_id: int, segment_id: str) -> Segment:
    """One segment of a site; raises NotFound."""
    query = select(segments).where(segments.c.site_id == site_id, segments.c.segment_id == segment_id)
    row = tx.execute(query).mappings().one_or_none()
    if row is None:
        raise NotFound(f"no segment {segment_id[:40]!r}")
    return Segment(**row)


def clean_name(tx: Tx, site_id: int, name: str, but: str = "") -> str:
    """A segment's name, trimmed. but: the segment that is renamed; raises Invalid, Conflict where another has it."""
    found = " ".join(name.split())
    if not found or len(found) > LONGEST_NAME or not found.isprintable():
        raise Invalid(f"needs a name of at most {LONGEST_NAME} characters", field="name")
    if any(one.name == found and one.segment_id != but for one in segments_of(tx, site_id)):
        raise Conflict("another segment has this name", field="name")
    return found


def save_segment(tx: Tx, one: Segment) -> None:
    """Keep a new segment, whose text the caller has read; raises Invalid, Conflict."""
    name = clean_name(tx, one.site_id, one.name)
    if len(segments_of(tx, one.site_id)) >= MOST_SEGMENTS:
        raise Conflict(f"a site has at most {MOST_SEGMENTS} segments", field="segments")
    row = {of: getattr(one, of) for of in Segment.__dataclass_fields__}
    tx.execute(insert(segments), [{**row, "name": name}])


def change_segment(tx: Tx, one: Segment, name: str, text: str, by: str, now: datetime) -> Segment:
    """Give a segment another name or filter; raises Invalid, Conflict. A list stays one, a filter a filter."""
    if bool(text) != one.is_filter:
        raise Invalid("a list has no filter, and a filter needs one", field="text")
    found = Segment(one.segment_id, one.site_id, clean_name(tx, one.site_id, name, one.segment_id), text, by, now)
    values = {"name": found.name, "text": text, "saved_by": by, "saved_at": now}
    tx.execute(update(segments).where(segments.c.segment_id == one.segment_id).values(**values))
    return found


def remove_segment(tx: Tx, one: Segment) -> None:
    """Delete a segment; raises Conflict while an action puts people into it."""
    query = select(actions.c.name).where(
        actions.c.site_id == one.site_id,
        actions.c.kind == ActionKind.SEGMENT.value,
        actions.c.target == one.segment_id,
    )
    if used := tx.execute(query.limit(1)).scalar():
        raise Conflict(f"the action {used[:80]!r} puts people into it", field="segment")
    tx.execute(delete(segment_people).where(segment_people.c.segment_id == one.segment_id))
    tx.execute(delete(segments).where(segments.c.segment_id == one.segment_id))


def count_listed(tx: Tx, site_id: int) -> dict[str, int]:
    """How many people are in each list of a site."""
    query = (
        select(segment_people.c.segment_id, func.count())
        .join(segments, segments.c.segment_id == segment_people.c.segment_id)
        .where(segments.c.site_id == site_id)
        .group_by(segment_people.c.segment_id)
    )
    return {row[0]: row[1] for row in tx.execute(query)}


def put_in(tx: Tx, one: Segment, contact_id: str, now: datetime) -> None:
    """Put somebody into a list."""
    insert_once(tx, segment_people, [{"segment_id": one.segment_id, "contact_id": contact_id, "added_at": now}])


def take_out(tx: Tx, one: Segment, contact_ids: list[str]) -> None:
    """Take people out of a list."""
    mine = segment_people.c.segment_id == one.segment_id
    tx.execute(delete(segment_people).where(mine, among(tx, segment_people.c.contact_id, contact_ids)))
