"""(pure) Which number of a site's pool a visitor is shown.

The same visitor keeps the same number. Another one gets a number that has rested longest; if none has rested enough,
the one that rests longest; if every number is held, one is shared: first with visitors of the same source, so that a
call still tells the source, else the one that is free again soonest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Origin:
    """What brought a visitor, in the words of touchpoints."""

    channel: str
    source: str
    medium: str
    campaign: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How a number stands at a moment.

    n_holders  visitors who hold it
    origins    what brought those
    until_at   when its last lease ends or ended; None: it was never held
    """

    number_id: int
    n_holders: int = 0
    origins: frozenset[Origin] = frozenset()
    until_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Own:
    """The number that a visitor held last, and until when."""

    number_id: int
    until_at: datetime


def choose(pool: Sequence[Standing], origin: Origin, own: Own | None, now: datetime, rest: timedelta) -> int | None:
    """The id of the number for a visitor; None where the pool is empty. The same state gives the same number.

    pool    each number once, in any order
    origin  what brought the visitor
    own     the visitor's last lease, if there is one
    rest    how long a number should rest after a lease before another visitor is shown it
    """
    if own is not None and keeps(pool, own, now, rest):
        return own.number_id
    free = [one for one in pool if not one.n_holders]
    if free:
        rested = [one for one in free if one.until_at is None or one.until_at + rest <= now]
        return min(rested or free, key=lambda one: (one.until_at or NEVER, one.number_id)).number_id
    return min(pool, key=lambda one: order_of_sharing(one, origin)).number_id if pool else None


def keeps(pool: Sequence[Standing], own: Own, now: datetime, rest: timedelta) -> bool:
    """Whether a visitor is shown the number held last: while the lease goes on, or it rests and nobody else has it."""
    found = next((one for one in pool if one.number_id == own.number_id), None)
    if found is None:
        return False
    return own.until_at > now or (own.until_at + rest > now and not found.n_holders)


def order_of_sharing(one: Standing, origin: Origin) -> tuple[int, int, datetime, int, int]:
    """The least is shared first: of the same source, then the fewest holders; of another, the one that ends soonest."""
    alike = min((likeness(origin, other) for other in one.origins), default=0)
    return -alike, one.n_holders if alike else 0, one.until_at or NEVER, one.n_holders, one.number_id


def likeness(one: Origin, other: Origin) -> int:
    """2: the same in all; 1: the same channel and source; 0: neither."""
    if one == other:
        return 2
    return int((one.channel, one.source) == (other.channel, other.source))
