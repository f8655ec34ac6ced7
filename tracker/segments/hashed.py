"""(pure) People as advertising platforms take them for an audience: no address leaves, only SHA-256 of one spelling.

Google: https://developers.google.com/doubleclick-advertisers/guides/conversions_ec, read 2026-11-22: lower case, no
white space, of gmail.com and googlemail.com no periods before the @; phone numbers in E.164 with their plus.
Meta: lower case, trimmed; phone numbers as digits with the country's code. tests/spec/audience_vectors.json is what its
own library gives.
"""

import hashlib
from enum import StrEnum

GMAIL = ("gmail.com", "googlemail.com")


class Platform(StrEnum):
    """Whose spelling."""

    GOOGLE = "google"
    META = "meta"


# How each platform's file calls its columns.
HEADERS = {Platform.GOOGLE: ("Email", "Phone"), Platform.META: ("email", "phone")}


def email_for(platform: Platform, email: str) -> str:
    """An address as the platform spells it; '' for none."""
    found = "".join(email.split()).lower()
    local, at, host = found.rpartition("@")
    if not at or not local or not host:
        return ""
    if platform is Platform.GOOGLE and host in GMAIL:
        local = local.replace(".", "")
    return f"{local}@{host}" if local else ""


def phone_for(platform: Platform, phone: str) -> str:
    """A number in E.164 ('+81901234…', or with punctuation) as the platform spells it; '' for none.

    Without its country's code Google matches nothing, so a number that does not begin with + is none to it.
    """
    digits = "".join(one for one in phone if one.isascii() and one.isdigit()).lstrip("0")
    if not digits:
        return ""
    if platform is Platform.META:
        return digits
    return f"+{digits}" if phone.strip().startswith("+") else ""


def hashed(text: str) -> str:
    """SHA-256 in lower-case hexadecimal digits; '' of nothing."""
    return hashlib.sha256(text.encode()).hexdigest() if text else ""


def row_for(platform: Platform, email: str | None, phone: str | None) -> tuple[str, str] | None:
    """One person's row; None of whom the platform can match nothing."""
    found = (hashed(email_for(platform, email or "")), hashed(phone_for(platform, phone or "")))
    return found if any(found) else None
