"""Numbers, money and periods as the reader's language writes them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache, partial

from babel import Locale
from babel.numbers import format_currency, format_decimal, format_percent
from flask import Flask, current_app
from markupsafe import Markup
from sqlalchemy import func, select

from api.context import here
from api.languages import chosen
from api.trust import site_seen
from tracker.clock import local_day, parse_day
from tracker.db.schema import conversions, touchpoints
from tracker.db.store import Tx
from tracker.money import exponent, plain
from tracker.reports.periods import PERIODS, days_of

NOTHING = "—"


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure: its number, the text that shows it, and where the rows behind it are."""

    value: float | int | str | object | None
    text: str
    href: str | None = None


def money(amount_minor: int, currency: str) -> str:
    """An amount with its sign of currency: '¥1,500', '€1,500.00'."""
    return money_in(chosen(), amount_minor, currency)


# A page has hundreds of figures, many of them the same; to write one takes a tenth of a millisecond or two.
@lru_cache(maxsize=16_384)
def money_in(language: str, amount_minor: int, currency: str) -> str:
    """The same in a language."""
    amount = Decimal(plain(amount_minor, currency))
    if exponent(currency):
        return str(format_currency(amount, currency, locale=language))
    return str(format_currency(amount, currency, locale=language, decimal_quantization=False)).replace("￥", "¥")


def count(number: float) -> str:
    """A count, or a share of one with two decimals."""
    return count_in(chosen(), number)


@lru_cache(maxsize=16_384)
def count_in(language: str, number: float) -> str:
    """The same in a language."""
    pattern = "#,##0" if float(number).is_integer() else "#,##0.00"
    return str(format_decimal(number, pattern, locale=language))


def ratio(number: float) -> str:
    """A quotient with two decimals."""
    return str(format_decimal(number, "#,##0.00", locale=chosen()))


def percent(number: float) -> str:
    """A change as a share, with its sign: '+12.5%'."""
    text = str(format_percent(number, "#,##0.#%", locale=chosen()))
    return f"+{text}" if number > 0 else text


def word(macro: str, key: str) -> str:
    """A stored word in the reader's language, by a macro of _words.html: ('model_word', 'first') -> 'First touch'."""
    said: Markup = getattr(current_app.jinja_env.get_template("_words.html").module, macro)(key)
    return said.striptags()


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
    first, last = days_of(word, now, first_weekday())
    return word, first.isoformat(), last.isoformat()


def first_day(tx: Tx, site_id: int) -> str | None:
    """The first day of which a site knows anything."""
    days = [
        tx.execute(select(func.min(table.c.day)).where(table.c.site_id == site_id)).scalar()
        for table in (touchpoints, conversions)
    ]
    return min((day for day in days if day), default=None)


def first_weekday() -> int:
    """The day with which the reader's weeks begin, 0 for Monday."""
    return int(Locale.parse(chosen()).first_week_day)


PRESETS: dict[str, Callable[[date], tuple[date, date]]] = {word: partial(days_of, word) for word in PERIODS}


@dataclass(frozen=True, slots=True)
class PeriodChoice:
    """A usual period as it is offered; without days where they are not known beforehand."""

    word: str
    from_day: date | None = None
    to_day: date | None = None


def period_choices() -> tuple[PeriodChoice, ...]:
    """The usual periods in the order of the menu, with their days on the site that is looked at."""
    site = site_seen()
    today = date.fromisoformat(local_day(here().now(), site.timezone if site else "UTC"))
    dated = (PeriodChoice(word, *days_of(word, today, first_weekday())) for word in PERIODS)
    return (*dated, PeriodChoice("all_time"))


def register(app: Flask) -> None:
    """Give the templates the periods of the date menu."""
    app.context_processor(lambda: {"period_choices": period_choices})
