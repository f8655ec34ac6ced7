"""A site's phone numbers: each stands in for a number that the site shows, or has a source of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update

from tracker.db.schema import numbers
from tracker.db.store import Tx
from tracker.errors import Conflict, Invalid, NotFound
from tracker.phones import phone_of, written
from tracker.urls import clean_text


@dataclass(frozen=True, slots=True)
class Number:
    """A number (E.164). With a source it is printed somewhere; else it is shown to visitors in the place of `shown`."""

    number_id: int
    number: str
    shown: tuple[str, ...]
    source: str | None
    medium: str | None
    campaign: str | None
    added_at: datetime
    removed_at: datetime | None

    @property
    def is_pooled(self) -> bool:
        """Whether visitors are shown it."""
        return self.source is None and self.removed_at is None


def read_number(text: str, timezone: str, field: str) -> str:
    """A phone number in E.164; raises Invalid that tells how to write one."""
    found = phone_of(text, timezone)
    if found is None:
        raise Invalid(f"{text[:40]!r} is no phone number; write it with its country, +81 3 1234 5678", field=field)
    return found


def add_number(
    tx: Tx,
    site_id: int,
    timezone: str,
    text: str,
    *,
    now: datetime,
    shown: Sequence[str] = (),
    source: str = "",
    medium: str = "",
    campaign: str = "",
) -> Number:
    """Add a number to a site, or bring back one that was removed.

    shown   the numbers on the site's pages that it stands in for; or
    source  where it is printed, with medium and campaign
    raises  Invalid: no phone number, neither of both, or both; Conflict: the site has it
    """
    number = read_number(text, timezone, "number")
    instead = sorted({read_number(one, timezone, "shown") for one in shown})
    names = {
        name: clean_text(value, 255) for name, value in (("source", source), ("medium", medium), ("campaign", campaign))
    }
    if bool(instead) == bool(names["source"]):
        raise Invalid("name the number of your site that it stands in for, or its source; not both", field="shown")
    if not names["source"] and (names["medium"] or names["campaign"]):
        raise Invalid("a medium or campaign needs a source", field="source")
    known = find_number(tx, site_id, number)
    if known is not None and known.removed_at is None:
        raise Conflict(f"the site has {number} already", field="number")
    row = {"shown": instead, **names, "added_at": now, "removed_at": None}
    if known is None:
        tx.execute(insert(numbers), [{"site_id": site_id, "number": number, **row}])
    else:
        tx.execute(update(numbers).where(numbers.c.number_id == known.number_id).values(**row))
    found = find_number(tx, site_id, number)
    assert found is not None
    return found


def remove_number(tx: Tx, site_id: int, timezone: str, text: str, *, now: datetime) -> Number:
    """Show a number to nobody from now on; calls to it are still traced by the leases it had. Raises NotFound."""
    number = phone_of(text, timezone) or text
    found = find_number(tx, site_id, number)
    if found is None or found.removed_at is not None:
        raise NotFound(f"the site has no number {number[:40]!r}", field="number")
    tx.execute(update(numbers).where(numbers.c.number_id == found.number_id).values(removed_at=now))
    return found


def find_number(tx: Tx, site_id: int, number: str) -> Number | None:
    """A number of a site by its E.164, also one that was removed."""
    query = select(numbers).where(numbers.c.site_id == site_id, numbers.c.number == number)
    row = tx.execute(query).mappings().one_or_none()
    return None if row is None else number_of(row)


def list_numbers(tx: Tx, site_id: int) -> list[Number]:
    """The numbers that a site has, in order."""
    query = select(numbers).where(numbers.c.site_id == site_id, numbers.c.removed_at.is_(None))
    return [number_of(row) for row in tx.execute(query.order_by(numbers.c.number)).mappings()]


def shown_numbers(tx: Tx, site_id: int) -> list[list[str]]:
    """The numbers on the site's pages that others stand in for, for the snippet: each as its country and as others
    write it ('03-1111-2222', '+81 3-1111-2222'); empty where there is no pool."""
    shown = {one for number in list_numbers(tx, site_id) if number.is_pooled for one in number.shown}
    return [[both.national, both.international] for both in map(written, sorted(shown))]


def number_of(row: Any) -> Number:
    """A row as a record."""
    told = {name: row[name] for name in Number.__dataclass_fields__}
    return Number(**{**told, "shown": tuple(row["shown"])})
