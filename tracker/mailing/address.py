"""(pure) Where a link of a mail leads: to the one address that was stored with it, tagged, and nowhere else."""

import re
from urllib.parse import quote, urlsplit

from tracker.errors import Invalid

MOST_URL = 2_000
UNFIT = re.compile(r"[\x00-\x20\x7f-\xa0\\<>\"\u2028\u2029\ud800-\udfff]")


def checked_url(text: str) -> str:
    """An address that a link may lead to, as it was given; raises Invalid."""
    url = text.strip()
    if len(url) > MOST_URL:
        raise Invalid(f"the address has more than {MOST_URL} characters", field="url")
    if UNFIT.search(url):
        raise Invalid("the address holds characters that an address cannot have", field="url")
    try:
        parts = urlsplit(url)
        is_fit = parts.scheme.lower() in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_fit = False
    if not is_fit:
        raise Invalid("write a whole address that begins with https:// or http://", field="url")
    if "@" in parts.netloc:
        raise Invalid("the address must not hold a name or a password", field="url")
    return url


def tagged(url: str, programme: str, step: str) -> str:
    """The address with what tells the visit's source, where the address does not say it itself.

    utm_source and utm_medium are email, utm_campaign is the programme, utm_content the step.
    """
    rest, mark, fragment = url.partition("#")
    base, _, query = rest.partition("?")
    there = {part.partition("=")[0].lower() for part in query.split("&")}
    tags = {"utm_source": "email", "utm_medium": "email", "utm_campaign": programme, "utm_content": step}
    more = [f"{name}={quote(value, safe='')}" for name, value in tags.items() if value and name not in there]
    whole = "&".join(part for part in (query, *more) if part)
    return base + (f"?{whole}" if whole else "") + mark + fragment
