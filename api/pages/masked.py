"""What stands in the place of a person where the reader may not see people: their names, addresses, phone numbers.

Every page that shows somebody asks here; a test walks all pages as such a reader.
"""

from urllib.parse import urlsplit

from flask_babel import gettext

from api.trust import sees_people


def person_word(contact_id: str, *names: str | None) -> str:
    """What to call a contact: the first of these names that there is, for who may see people; else its short id."""
    if sees_people() and (name := next(filter(None, names), None)):
        return name
    return short_word(contact_id)


def short_word(contact_id: str) -> str:
    """A contact without a name: 'Contact 5f0c1f'."""
    return str(gettext("Contact %(id)s", id=contact_id[:6]))


def deal_word(reference: str, name: str | None) -> str:
    """What to call a deal: whoever named it may have named it for a person."""
    return (name if sees_people() else None) or reference


def told(text: str | None) -> str:
    """What a person told, or '' for a reader who may not see people."""
    return (text or "") if sees_people() else ""


def address_seen(url: str | None) -> str:
    """An address, without its query and what follows where the reader may not see people: either may name them."""
    if not url or sees_people():
        return url or ""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
