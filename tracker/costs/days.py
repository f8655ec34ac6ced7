"""(pure) Days as advertising platforms and spreadsheets write them.

Decides what a column of days means: in 01/04/2026 the day or the month may come first, which is one answer for all
of it, and is asked for where no row tells.
"""

import re
import unicodedata
from collections.abc import Iterable
from datetime import date

DMY, MDY = "dmy", "mdy"
ORDERS = (DMY, MDY)
LONGEST = 60
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
TIME = r"(?:[T ]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?: ?[AP]M)?Z?)?"
WEEKDAY = r"(?: ?\((?:[月火水木金土日]|[A-Za-z]{3})\))?"
YEAR_FIRST = re.compile(
    rf"(\d{{4}})(?:([-/.])(\d{{1,2}})\2(\d{{1,2}})|年 ?(\d{{1,2}})月 ?(\d{{1,2}})日){WEEKDAY}{TIME}"
)
COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})")
YEAR_LAST = re.compile(rf"(\d{{1,2}})([-/.])(\d{{1,2}})\2(\d{{4}}){TIME}")
WORDED = re.compile(
    r"(?:[A-Za-z]{3,9},? )?(?:(?P<d1>\d{1,2})(?:[ -])(?P<m1>[A-Za-z]{3,9})\.?|(?P<m2>[A-Za-z]{3,9})\.? (?P<d2>\d{1,2}))"
    r",?[ -](?P<year>\d{4})"
)


def order_of(texts: Iterable[str]) -> str | None:
    """Which comes first in days such as 25/04/2026, DMY or MDY; None where no row tells.

    Days with points, 25.04.2026, are written day first everywhere.
    """
    found = None
    for text in texts:
        match = YEAR_LAST.fullmatch(plain(text))
        if match is None or match[2] == ".":
            continue
        if int(match[1]) > 12:
            return DMY
        if int(match[3]) > 12:
            found = MDY
    return found


def is_unclear(text: str) -> bool:
    """Whether a day needs an order to be read."""
    match = YEAR_LAST.fullmatch(plain(text))
    return match is not None and match[2] != "." and match[1] != match[3]


def day(text: str, order: str | None) -> str:
    """A day as YYYY-MM-DD; raises ValueError.

    order  DMY or MDY, for days such as 01/04/2026
    """
    word = plain(text)
    if match := YEAR_FIRST.fullmatch(word):
        return iso(match[1], match[3] or match[5], match[4] or match[6])
    if match := COMPACT.fullmatch(word):
        return iso(match[1], match[2], match[3])
    if match := YEAR_LAST.fullmatch(word):
        is_day_first = match[2] == "." or order == DMY or match[1] == match[3]
        if not is_day_first and order is None:
            raise ValueError(text)
        return iso(match[4], *((match[3], match[1]) if is_day_first else (match[1], match[3])))
    if match := WORDED.fullmatch(word):
        month = (match["m1"] or match["m2"]).lower()
        return iso(match["year"], str(MONTHS.index(month[:3]) + 1), match["d1"] or match["d2"])
    raise ValueError(text)


def plain(text: str) -> str:
    """A day in ordinary characters, cut where it is too long to be one."""
    return unicodedata.normalize("NFKC", text[:LONGEST]).strip()


def iso(year: str, month: str, day_of_month: str) -> str:
    """YYYY-MM-DD of numbers; raises ValueError."""
    found = date(int(year), int(month), int(day_of_month))
    if not 2000 <= found.year <= 2100:
        raise ValueError(found)
    return found.isoformat()
