"""Amounts in bodies: major units as text or number, or minor units as an integer; exactly one of the two."""

from decimal import Decimal

from tracker.errors import Invalid
from tracker.money import parse_amount, plain


def minor_of(major: str | int | Decimal | None, minor: int | None, currency: str, field: str = "amount") -> int | None:
    """Minor units of an amount given either way, None if it is not given; raises Invalid(field=…).

    currency  ISO 4217, checked
    """
    if major is not None and minor is not None:
        raise Invalid(f"give {field} or {field}_minor, not both", field=f"{field}_minor")
    if major is None:
        return minor
    return parse_amount(major, currency, field)


def plain_of(major: str | int | Decimal | None, minor: int | None, currency: str, field: str = "amount") -> str | None:
    """The same as a plain decimal string in major units, as the journal keeps it."""
    found = minor_of(major, minor, currency, field)
    return None if found is None else plain(found, currency)
