"""Instants and days. Instants are aware datetimes in UTC, to the millisecond; a day is 'YYYY-MM-DD' in a site's zone.

Only `now` reads the clock, and only the edge (api, cli, jobs) calls it: everything below takes `now` as an argument.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tracker.errors import Invalid

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
Clock = Callable[[], datetime]


def now() -> datetime:
    """The present instant in UTC, whole milliseconds."""
    instant = datetime.now(UTC)
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def to_ms(instant: datetime) -> int:
    """Milliseconds since 1970 of an aware instant; raises ValueError for a naive one."""
    if instant.tzinfo is None:
        raise ValueError(f"naive instant: {instant!r}")
    return (instant - EPOCH) // MILLISECOND


def from_ms(milliseconds: int) -> datetime:
    """The instant that many milliseconds after 1970."""
    return EPOCH + timedelta(milliseconds=milliseconds)


def zone(name: str) -> ZoneInfo:
    """The time zone of an IANA name; raises Invalid for an unknown one."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Invalid(f"unknown time zone {name!r}; use an IANA name such as Asia/Tokyo", field="timezone") from error


def local_day(instant: datetime, zone_name: str) -> str:
    """The day, 'YYYY-MM-DD', that an instant falls on in a zone."""
    return instant.astimezone(zone(zone_name)).date().isoformat()


def parse_day(text: str, field: str = "day") -> str:
    """A day given by a person, checked; raises Invalid."""
    try:
        if len(text) != 10:
            raise ValueError(text)
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise Invalid(f"{text!r} is not a day; write YYYY-MM-DD", field=field) from error


def parse_instant(text: str, field: str = "at") -> datetime:
    """An RFC 3339 instant with its offset, as UTC in whole milliseconds; raises Invalid."""
    try:
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is None:
            raise ValueError("no offset")
        instant = instant.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Invalid(
            f"{text!r} is not an instant with an offset; write 2026-04-01T09:00:00+09:00", field=field
        ) from error
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def format_instant(instant: datetime) -> str:
    """An instant as RFC 3339 in UTC with milliseconds and Z."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant.microsecond // 1000:03d}Z"
