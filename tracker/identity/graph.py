"""(pure) Whose a browser was, when: identifications in time become spans. Any order of arrival gives the same spans."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

MOMENT = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Named:
    """A contact named on a visitor's browser, and when the visit in which that happened began."""

    occurred_at: datetime
    visit_started_at: datetime
    contact_id: str


@dataclass(frozen=True, slots=True)
class Span:
    """The browser was the contact's from from_at on and before to_at; None is open."""

    contact_id: str
    from_at: datetime | None
    to_at: datetime | None


def spans(named: Sequence[Named]) -> list[Span]:
    """Share a visitor's time among the contacts named on it.

    The first contact has everything before; another contact has the browser from the visit on in which it was named.
    A visit in which both were named is on the way of both, so it is in both spans.
    """
    runs: list[tuple[Named, Named]] = []
    for one in sorted(named, key=lambda one: (one.occurred_at, one.contact_id)):
        if runs and runs[-1][1].contact_id == one.contact_id:
            runs[-1] = (runs[-1][0], one)
        else:
            runs.append((one, one))
    found: list[Span] = []
    for position, (first, last) in enumerate(runs):
        to_at: datetime | None = None
        if position + 1 < len(runs):
            next_start = runs[position + 1][0].visit_started_at
            to_at = next_start + MOMENT if last.visit_started_at == next_start else next_start
        found.append(Span(first.contact_id, first.visit_started_at if position else None, to_at))
    return found


def following(merged: Mapping[str, str], contact_id: str) -> set[str]:
    """A contact and all that are merged into it, at once or by way of others.

    merged  which contact is merged into which
    """
    found = {contact_id}
    while more := {one for one, into in merged.items() if into in found} - found:
        found |= more
    return found
