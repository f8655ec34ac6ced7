"""(pure) Which touches are on the way to a conversion, and in which order.

The whole way is kept: look-back and the rule for direct touches are the reader's choice and are applied by the models.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Touch:
    """A touchpoint as a path sees it."""

    touchpoint_id: str
    hit_id: str
    occurred_at: datetime


def path_of(touches: Iterable[Touch], conversion_at: datetime) -> list[Touch]:
    """The touches that started no later than the conversion, each once, by time and then by the sender's hit id.

    The hit id (UUIDv7) orders touches of one millisecond as their sender did, whatever order they arrived in.
    """
    distinct = {touch.touchpoint_id: touch for touch in touches if touch.occurred_at <= conversion_at}
    return sorted(distinct.values(), key=lambda touch: (touch.occurred_at, touch.hit_id, touch.touchpoint_id))
