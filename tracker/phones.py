"""(pure) Phone numbers: read as people write them, kept in E.164, shown as their country does.

A number without its country's code is read as of the site's country, which follows from the site's time zone.
"""

from dataclasses import dataclass

import phonenumbers
from babel.core import get_global

# What telephone systems send when the caller withholds the number. Twilio spells it on the keypad: ANONYMOUS,
# RESTRICTED, BLOCKED, UNKNOWN, UNAVAILABLE.
WITHHELD = frozenset("+266696687 +7378742833 +2562533 +8656696 +86282452253".split())


@dataclass(frozen=True, slots=True)
class Written:
    """A number in E.164, and as it is shown: '03-1111-2222' and '+81 3-1111-2222'."""

    number: str
    national: str
    international: str


def phone_of(text: str, timezone: str) -> str | None:
    """A phone number in E.164 ('+81312345678'), read as of the zone's country; None for what is none."""
    region = get_global("zone_territories").get(timezone)
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def caller_of(text: str, timezone: str) -> str | None:
    """The number that called, in E.164; None where it is withheld or cannot be read."""
    return None if text.strip() in WITHHELD else phone_of(text, timezone)


def written(number: str) -> Written:
    """How an E.164 number is written in its country and abroad; raises ValueError for what is no number."""
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException as error:
        raise ValueError(f"{number!r} is no number in E.164") from error
    return Written(
        number,
        phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL),
        phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL),
    )
