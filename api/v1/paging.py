"""Cursors: where a list goes on. Opaque to the client, a list's name and the last row's key to us."""

import base64
import json
from datetime import datetime
from typing import Any

from pydantic import Field

from api.v1.fields import CONTROL, Args, Out
from tracker.clock import from_ms, to_ms
from tracker.errors import Invalid

MOST = 200
USUAL = 50
LAST_MS = 253_402_300_799_000  # the year 9999


class PageArgs(Args):
    """A list's query."""

    limit: int = Field(USUAL, ge=1, le=MOST, description="How many rows at the most.", examples=[50])
    cursor: str | None = Field(
        None,
        max_length=500,
        pattern=CONTROL,
        description="`next_cursor` of the page before; leave the other parameters as they were.",
    )


class PageOut(Out):
    """A page of a list."""

    next_cursor: str | None = Field(
        description="Where the next page goes on; null on the last page.", examples=["WyJjb250YWN0cyIsMTc3NV0"]
    )


def cursor_of(name: str, *key: str | int | datetime) -> str:
    """A cursor of the list `name` after the row with this key."""
    parts = [to_ms(part) if isinstance(part, datetime) else part for part in key]
    return base64.urlsafe_b64encode(json.dumps([name, *parts]).encode()).decode().rstrip("=")


def key_of(name: str, cursor: str | None, *kinds: type[Any]) -> tuple[Any, ...] | None:
    """The key inside a cursor, None without one; raises Invalid for what is no cursor of this list.

    kinds  what the key's parts are: str, int or datetime
    """
    if cursor is None:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        found = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        listed, *parts = found
        if listed != name or len(parts) != len(kinds):
            raise ValueError(cursor)
        return tuple(part_of(part, kind) for part, kind in zip(parts, kinds, strict=True))
    except (ValueError, TypeError, RecursionError) as error:
        raise Invalid("is no cursor of this list; take next_cursor as it came", field="cursor") from error


def part_of(part: Any, kind: type[Any]) -> Any:
    """One part of a key, checked; raises ValueError."""
    if kind is datetime:
        if type(part) is not int or not -LAST_MS <= part <= LAST_MS:
            raise ValueError(part)
        return from_ms(part)
    if type(part) is not kind or (kind is int and abs(part) > LAST_MS) or (kind is str and "\x00" in part):
        raise ValueError(part)
    return part
