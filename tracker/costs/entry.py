"""(pure) Costs entered by hand: one amount for a day, or shared out exactly over the days from one to another."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from tracker.channels.rules import canonical_names
from tracker.clock import parse_day
from tracker.costs.amounts import COMMA, number, numbers_of, whole_number
from tracker.costs.rows import Cost
from tracker.costs.understand import MOST_DAYS, days_between
from tracker.errors import Invalid
from tracker.money import check_currency, parse_amount, split, tie_key
from tracker.urls import clean_text
from tracker.vocabulary import NOT_SET

LONGEST = 255


@dataclass(frozen=True, slots=True)
class Entered:
    """What was entered: the costs, one a day, and the sum that they make."""

    costs: tuple[Cost, ...]
    amount_minor: int
    currency: str


class Unentered(Invalid):
    """What was entered cannot be taken."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        self.errors = dict(errors)
        field, message = next(iter(errors.items()))
        super().__init__(message, field=field)


def entered(form: Mapping[str, str], last_day: str) -> Entered:
    """Costs from the texts of a form: day, until, source, medium, campaign, amount, currency, clicks, impressions.

    last_day  the last day that may have begun
    raises    Unentered, with a word for each field that is wrong: 'missing', 'day', 'ahead', 'range', 'amount',
              'currency', 'count', 'long'
    """
    errors: dict[str, str] = {}
    day = day_of(form, "day", last_day, errors)
    until = day_of(form, "until", last_day, errors) if form.get("until", "").strip() else day
    if day and until and not 0 <= (date.fromisoformat(until) - date.fromisoformat(day)).days < MOST_DAYS:
        errors["until"] = "range"
    names = {name: name_of(form, name, errors) for name in ("source", "medium", "campaign")}
    currency = currency_of(form, errors)
    amount_minor = amount_of(form, currency, errors)
    counts = {name: count_of(form, name, errors) for name in ("clicks", "impressions")}
    if errors:
        raise Unentered(errors)
    assert day is not None
    assert until is not None
    assert currency is not None
    assert amount_minor is not None
    source, medium = canonical_names(names["source"], names["medium"])
    span = days_between(day, until)
    keys = [tie_key(names["campaign"], one) for one in span]
    shares = split(amount_minor, [1] * len(span), keys)
    parts = {
        name: [None] * len(span) if n is None else list(split(n, [1] * len(span), keys)) for name, n in counts.items()
    }
    costs = tuple(
        Cost(
            one,
            source,
            medium,
            names["campaign"] or NOT_SET,
            shares[n],
            currency,
            parts["clicks"][n],
            parts["impressions"][n],
        )
        for n, one in enumerate(span)
    )
    return Entered(costs, amount_minor, currency)


def day_of(form: Mapping[str, str], field: str, last_day: str, errors: dict[str, str]) -> str | None:
    """A day of the form."""
    text = form.get(field, "").strip()
    try:
        day = parse_day(text, field)
    except Invalid:
        errors[field] = "day" if text else "missing"
        return None
    if day > last_day or day < "2000-01-01":
        errors[field] = "ahead" if day > last_day else "day"
        return None
    return day


def name_of(form: Mapping[str, str], field: str, errors: dict[str, str]) -> str:
    """A name; only the campaign may be missing."""
    text = clean_text(form.get(field, ""), LONGEST + 1) or ""
    if len(text) > LONGEST:
        errors[field] = "long"
    elif not text and field != "campaign":
        errors[field] = "missing"
    return text if field == "campaign" else text.lower()


def currency_of(form: Mapping[str, str], errors: dict[str, str]) -> str | None:
    """The currency."""
    text = form.get("currency", "").strip()
    try:
        return check_currency(text)
    except Invalid:
        errors["currency"] = "currency" if text else "missing"
        return None


def amount_of(form: Mapping[str, str], currency: str | None, errors: dict[str, str]) -> int | None:
    """The amount in minor units."""
    text = form.get("amount", "").strip()
    try:
        how = numbers_of([text])
        found = number(text, how) if how else None  # 1.234 may be either
        if found is None:
            raise ValueError(text)
        return parse_amount(found, currency) if currency else None
    except (ValueError, Invalid):
        errors["amount"] = "amount" if text else "missing"
        return None


def count_of(form: Mapping[str, str], field: str, errors: dict[str, str]) -> int | None:
    """Clicks or impressions, if given."""
    text = form.get(field, "").strip()
    try:
        return whole_number(text, numbers_of([text]) or COMMA)  # nobody clicks a part of a time
    except ValueError:
        errors[field] = "count"
        return None
