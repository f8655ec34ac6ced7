"""Numbers, money and periods as the reader's language writes them."""

import calendar
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from babel.numbers import format_currency, format_decimal, format_percent
from sqlalchemy import func, select

from api.languages import chosen
from tracker.clock import parse_day
from tracker.db.schema import conversions, touchpoints
from tracker.db.store import Tx
from tracker.errors import Invalid
from tracker.money import exponent, plain

NOTHING = "—"


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure: its number, the text that shows it, and where the rows behind it are."""

    value: float | int | str | object | None
    text: str
    href: str | None = None


def money(amount_minor: int, currency: str) -> str:
    """An amount with its sign of currency: '¥1,500', '€1,500.00'."""
    amount = Decimal(plain(amount_minor, currency))
    text = format_currency(amount, currency, locale=chosen(), decimal_quantization=False)
    return text.replace("￥", "¥") if exponent(currency) == 0 else format_currency(amount, currency, locale=chosen())


def count(number: float) -> str:
    """A count, or a share of one with two decimals."""
    pattern = "#,##0" if float(number).is_integer() else "#,##0.00"
    return str(format_decimal(number, pattern, locale=chosen()))


def ratio(number: float) -> str:
    """A quotient with two decimals."""
    return str(format_decimal(number, "#,##0.00", locale=chosen()))


def percent(number: float) -> str:
    """A change as a share, with its sign: '+12.5%'."""
    text = str(format_percent(number, "#,##0.#%", locale=chosen()))
    return f"+{text}" if number > 0 else text


def period_of(tx: Tx, args: dict[str, str], site_id: int, today: str) -> tuple[str, str, str]:
    """The preset's word, the first and the last day that ?period=, ?from= and ?to= ask for; raises Invalid.

    today  the site's day now
    """
    word = args.get("period") or ("custom" if args.get("from") or args.get("to") else "last_90_days")
    now = date.fromisoformat(today)
    if word == "custom":
        to_day = parse_day(args.get("to") or today, "to")
        return word, parse_day(args.get("from") or to_day, "from"), to_day
    if word == "all_time":
        return word, first_day(tx, site_id) or today, today
    if word not in PRESETS:
        raise Invalid(f"unknown period {word[:40]!r}", field="period")
    first, last = PRESETS[word](now)
    return word, first.isoformat(), last.isoformat()


def first_day(tx: Tx, site_id: int) -> str | None:
    """The first day of which a site knows anything."""
    days = [
        tx.execute(select(func.min(table.c.day)).where(table.c.site_id == site_id)).scalar()
        for table in (touchpoints, conversions)
    ]
    return min((day for day in days if day), default=None)


def month_start(day: date, back: int = 0) -> date:
    """The first of the month so many months before."""
    months = day.year * 12 + day.month - 1 - back
    return date(months // 12, months % 12 + 1, 1)


def month_end(first: date) -> date:
    """The last day of a month."""
    return first.replace(day=calendar.monthrange(first.year, first.month)[1])


def quarter_start(day: date) -> date:
    """The first day of the quarter."""
    return month_start(day, (day.month - 1) % 3)


PRESETS: dict[str, Callable[[date], tuple[date, date]]] = {
    "today": lambda now: (now, now),
    "yesterday": lambda now: (now - timedelta(1), now - timedelta(1)),
    "last_7_days": lambda now: (now - timedelta(6), now),
    "last_28_days": lambda now: (now - timedelta(27), now),
    "last_90_days": lambda now: (now - timedelta(89), now),
    "this_month": lambda now: (month_start(now), now),
    "last_month": lambda now: (month_start(now, 1), month_start(now) - timedelta(1)),
    "this_quarter": lambda now: (quarter_start(now), now),
    "last_quarter": lambda now: (month_start(quarter_start(now), 3), quarter_start(now) - timedelta(1)),
    "this_year": lambda now: (date(now.year, 1, 1), now),
    "last_12_months": lambda now: (month_start(now, 11), now),
}
