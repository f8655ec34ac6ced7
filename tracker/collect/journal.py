"""Append hits to the journal, each once, and count what was refused.

The statements go to the driver as they stand: they run for every hit, and building them costs more than they do.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Self

import msgspec
from msgspec import Struct

from tracker.clock import local_day, to_ms
from tracker.collect.payload import Hit
from tracker.db.schema import hits, refusals
from tracker.db.store import Tx
from tracker.db.writes import add_up, insert_in_sqlite
from tracker.vocabulary import Refusal

COLUMNS = """site_id hit_id visitor_id kind origin occurred_at received_at url referrer title user_agent country
    consent details""".split()
PG_TYPES = "int text text text text bigint bigint text text text text text text text".split()
NAMES = ", ".join(COLUMNS)
WAIT_IN_SQLITE = "INSERT INTO hits_waiting (seq) SELECT seq FROM hits WHERE seq > ?"
NEW_IN_SQLITE = "SELECT site_id FROM hits WHERE seq > ?"
INTO_POSTGRESQL = f"""
WITH new AS (
    INSERT INTO hits ({NAMES}) SELECT {NAMES.replace("details", "details::json")}
    FROM unnest({", ".join(f"%s::{kind}[]" for kind in PG_TYPES)}) AS came({NAMES})
    ON CONFLICT DO NOTHING RETURNING seq, site_id
), wait AS (INSERT INTO hits_waiting (seq) SELECT seq FROM new)
SELECT site_id, count(*) FROM new GROUP BY site_id
"""  # noqa: S608 - names of columns alone
encode = msgspec.json.Encoder().encode


def append(tx: Tx, site_id: int, new: Sequence[Hit]) -> int:
    """Write the hits of one site that are not in the journal yet; return how many were new."""
    return append_all(tx, [(site_id, hit) for hit in new]).get(site_id, 0)


def append_all(tx: Tx, new: Sequence[tuple[int, Hit]]) -> dict[int, int]:
    """Write hits, each with its site's number, and that they wait for the fold; return how many were new, by site.

    A hit id that is there already, or twice in `new`, is the same hit: nothing changes.
    """
    # In the order of the unique index: two processes that bring the same hits wait for one another in turn.
    rows = [row_of(site_id, hit) for site_id, hit in sorted(new, key=lambda one: (one[0], one[1].hit_id))]
    if not rows:
        return {}
    if tx.dialect.name == "postgresql":
        columns = tuple(list(column) for column in zip(*rows, strict=True))
        return {int(site_id): int(n) for site_id, n in tx.exec_driver_sql(INTO_POSTGRESQL, columns)}
    # There is one writer, so the next numbers are ours; what was there already leaves a gap.
    last: int = tx.exec_driver_sql("SELECT coalesce(max(seq), 0) FROM hits").scalar_one()
    numbered = [(seq, *row) for seq, row in enumerate(rows, last + 1)]
    insert_in_sqlite(tx, hits, ("seq", *COLUMNS), numbered, "ON CONFLICT DO NOTHING")
    n_new = tx.exec_driver_sql(WAIT_IN_SQLITE, (last,)).rowcount
    if n_new == len(rows):
        return Counter(site_id for site_id, _ in new)
    return Counter(site_id for (site_id,) in tx.exec_driver_sql(NEW_IN_SQLITE, (last,)))


def row_of(site_id: int, hit: Hit) -> tuple[Any, ...]:
    """The values of COLUMNS, as the driver takes them."""
    return (
        site_id,
        hit.hit_id,
        hit.visitor_id,
        hit.kind.value,
        hit.origin.value,
        to_ms(hit.occurred_at),
        to_ms(hit.received_at),
        hit.url,
        hit.referrer,
        hit.title,
        hit.user_agent,
        hit.country,
        hit.consent,
        encode(hit.details).decode() if hit.details else "{}",
    )


class Refused(Struct, frozen=True):
    """What refusals are counted by; site 0: the site was not known."""

    site_id: int
    day: str
    reason: Refusal

    @classmethod
    def on(cls, site_id: int, reason: Refusal, at: datetime, zone: str = "UTC") -> Self:
        """The counter of an instant."""
        return cls(site_id, day_of(at.replace(minute=at.minute // 15 * 15, second=0, microsecond=0), zone), reason)


# Zones differ from UTC by whole quarters of an hour, so an instant's quarter has its day.
day_of = lru_cache(maxsize=1_024)(local_day)


def count_refusals(tx: Tx, refused: Mapping[Refused, int]) -> None:
    """Add to the counters of refused hits, always in one order, so that two processes do not block each other."""
    for one, n in sorted(refused.items(), key=lambda item: (item[0].site_id, item[0].day, item[0].reason.value)):
        add_up(tx, refusals, {"site_id": one.site_id, "day": one.day, "reason": one.reason.value, "n": n}, "n")
