"""(pure) The usual periods of reports, by the days of a site: what 'last month' means on a given day, what a month is.

A period ends today at the latest; 'last 7 days' has today in it. What today is, the site's zone says (clock.local_day).
"""

from calendar import monthrange
from datetime import date, timedelta

from tracker.errors import Invalid

MONDAY = 0
# In the order in which they are offered. 'all_time' begins with the first day that a site knows, so it is not here.
PERIODS = (
    "today",
    "yesterday",
    "last_7_days",
    "last_28_days",
    "last_90_days",
    "this_week",
    "last_week",
    "this_month",
    "last_month",
    "this_quarter",
    "last_quarter",
    "this_year",
    "last_year",
    "last_12_months",
)


def days_of(word: str, today: date, first_weekday: int = MONDAY) -> tuple[date, date]:
    """The first and the last day of a usual period; raises Invalid for a word that is none of PERIODS.

    today          the site's day now
    first_weekday  the day that weeks begin with, 0 for Monday … 6 for Sunday
    """
    day = timedelta(1)
    match word:
        case "today":
            return today, today
        case "yesterday":
            return today - day, today - day
        case "last_7_days" | "last_28_days" | "last_90_days":
            return today - timedelta(int(word.split("_")[1]) - 1), today
        case "this_week":
            return week_start(today, first_weekday), today
        case "last_week":
            end = week_start(today, first_weekday) - day
            return end - timedelta(6), end
        case "this_month":
            return month_start(today), today
        case "last_month":
            return month_start(today, 1), month_start(today) - day
        case "this_quarter":
            return quarter_start(today), today
        case "last_quarter":
            return month_start(quarter_start(today), 3), quarter_start(today) - day
        case "this_year":
            return date(today.year, 1, 1), today
        case "last_year":
            return date(today.year - 1, 1, 1), date(today.year - 1, 12, 31)
        case "last_12_months":
            return month_start(today, 11), today
        case _:
            raise Invalid(f"unknown period {word[:40]!r}", field="period")


def week_start(day: date, first_weekday: int) -> date:
    """The first day of the week."""
    return day - timedelta((day.weekday() - first_weekday) % 7)


def month_start(day: date, back: int = 0) -> date:
    """The first of the month so many months before."""
    months = day.year * 12 + day.month - 1 - back
    return date(months // 12, months % 12 + 1, 1)


def quarter_start(day: date) -> date:
    """The first day of the quarter."""
    return month_start(day, (day.month - 1) % 3)


def month_end(day: date) -> date:
    """The last of the month."""
    return day.replace(day=monthrange(day.year, day.month)[1])


def whole_months(first: date, last: date) -> int:
    """How many calendar months a period is from first to last, both in it; 0 where it is anything else."""
    if first > last or first.day != 1 or last != month_end(last):
        return 0
    return (last.year - first.year) * 12 + last.month - first.month + 1
