"""(pure) Of which period a report is due, and when a mail that did not go out is tried again."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as time_of_day

from tracker.clock import zone
from tracker.vocabulary import Every

SENT_FROM = time_of_day(7)
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=5), timedelta(hours=4)


@dataclass(frozen=True, slots=True)
class Period:
    """A whole week or month. Days are the site's, both inclusive; its report goes out from `due_at` on."""

    from_day: str
    to_day: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class State:
    """How far an order is: settled_day is the last day of the last period that was sent or given up."""

    since_at: datetime
    settled_day: str | None = None
    tried_at: datetime | None = None
    n_failed: int = 0


def last_whole(every: Every, now: datetime, timezone: str) -> Period:
    """The last period whose report may have gone out by now: on the Monday or the first after it, from 07:00."""
    local = now.astimezone(zone(timezone))
    day = local.date() if local.timetz().replace(tzinfo=None) >= SENT_FROM else local.date() - timedelta(1)
    if every is Every.WEEK:
        begins = day - timedelta(day.weekday())
        first = begins - timedelta(7)
    else:
        begins = day.replace(day=1)
        first = (begins - timedelta(1)).replace(day=1)
    due_at = datetime.combine(begins, SENT_FROM, zone(timezone))
    return Period(first.isoformat(), (begins - timedelta(1)).isoformat(), due_at)


def next_due(every: Every, now: datetime, timezone: str) -> date:
    """The day on which the next report goes out, in the site's zone."""
    begun = last_whole(every, now, timezone).due_at.date()
    if every is Every.WEEK:
        return begun + timedelta(7)
    return (begun.replace(day=28) + timedelta(4)).replace(day=1)


def is_due(period: Period, state: State, now: datetime) -> bool:
    """Whether a period's report is to be sent now: not before it was ordered, once, and after a pause if it failed."""
    if period.due_at < state.since_at or period.to_day <= (state.settled_day or ""):
        return False
    if state.tried_at is None or state.tried_at < period.due_at:
        return True
    return now >= state.tried_at + pause_after(state.n_failed)


def pause_after(n_failed: int) -> timedelta:
    """How long to wait after so many tries that failed: 5, 10, 20 … minutes, 4 hours at the most."""
    times: int = 1 << min(max(0, n_failed - 1), 10)
    return min(LONGEST_PAUSE, FIRST_PAUSE * times)
