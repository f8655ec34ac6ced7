"""(pure) Which roles a site wants to know at an account, and in which of them somebody is by the words of their title.

A pattern is looked for anywhere in a title, whatever its capitals and widths. A Latin letter or digit at its edge must
be the edge of a word there, so that `CTO` is not found in "director"; `*` stands for anything: `market*` is found in
"Marketing manager". Japanese has no such edges: `営業` is found in "営業部長".
"""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from tracker.errors import Invalid

MOST_ROLES = 20
MOST_PATTERNS = 40
LONGEST_ROLE = 60
LONGEST_PATTERN = 60
LONGEST_TITLE = 200
# Where CRMs keep what somebody is at their company, the first that is told counts.
TITLES = ("title", "jobtitle", "job_title", "役職")


@dataclass(frozen=True, slots=True)
class Role:
    """A role that a site wants to know somebody in, and the patterns of titles by which it knows them."""

    name: str
    patterns: tuple[str, ...]


# What a site has that settled nothing.
SHIPPED = (
    Role(
        "Executive",
        (
            *("CEO", "COO", "president", "founder", "co-founder", "owner", "managing director", "chief executive*"),
            *("代表", "社長", "取締役", "執行役員", "会長"),
        ),
    ),
    Role("Marketing", ("CMO", "market*", "brand*", "communications", "マーケ", "販促", "宣伝", "広報", "ブランド")),
    Role("Sales department", ("CRO", "CSO", "sales", "account executive", "business development", "営業", "セールス")),
    Role(
        "IT", ("CIO", "CTO", "IT", "information technology", "engineering", "情報システム", "システム", "情シス", "DX")
    ),
    Role("Finance and purchasing", ("CFO", "financ*", "procure*", "purchas*", "経理", "財務", "購買", "調達")),
)


def checked(roles: Iterable[Role]) -> tuple[Role, ...]:
    """These roles, if a site may have them; raises Invalid with what is wrong."""
    found = tuple(
        Role(one.name.strip(), tuple(dict.fromkeys(text.strip() for text in one.patterns if text.strip("* \t"))))
        for one in roles
    )
    if len(found) > MOST_ROLES:
        raise Invalid(f"{len(found)} roles; at most {MOST_ROLES}", field="roles")
    names = [one.name for one in found]
    for one in found:
        if not one.name or len(one.name) > LONGEST_ROLE:
            raise Invalid(f"a role's name has 1 to {LONGEST_ROLE} characters", field="role")
        if not one.patterns:
            raise Invalid(f"{one.name!r} has no words to know it by", field="patterns")
        if len(one.patterns) > MOST_PATTERNS or any(len(text) > LONGEST_PATTERN for text in one.patterns):
            raise Invalid(f"at most {MOST_PATTERNS} words of {LONGEST_PATTERN} characters each", field="patterns")
    if double := next((name for name in names if names.count(name) > 1), None):
        raise Invalid(f"{double!r} is there twice", field="role")
    return found


def roles_in(title: str, roles: Sequence[Role]) -> frozenset[str]:
    """The roles that a title is of."""
    return _roles_in(spelled(title[:LONGEST_TITLE]), tuple(roles))


@lru_cache(maxsize=16_384)
def _roles_in(title: str, roles: tuple[Role, ...]) -> frozenset[str]:
    return frozenset(role.name for role in roles if any(holds(title, spelled(text)) for text in role.patterns))


def spelled(text: str) -> str:
    """One spelling of letters that look alike."""
    return unicodedata.normalize("NFKC", text).casefold()


def holds(title: str, pattern: str) -> bool:
    """Whether a title holds a pattern, both spelled alike.

    Parts between stars are looked for one after the other, each as early as it can be; the last one anywhere after.
    """
    parts = [part for part in pattern.split("*") if part]
    if not parts:
        return False
    starts, ends = pattern[0] != "*", pattern[-1] != "*"
    at = 0
    for number, part in enumerate(parts):
        needs_start, needs_end = starts and number == 0, ends and number == len(parts) - 1
        at = found_at(title, part, at, needs_start=needs_start, needs_end=needs_end)
        if at < 0:
            return False
        at += len(part)
    return True


def found_at(title: str, part: str, start: int, *, needs_start: bool, needs_end: bool) -> int:
    """Where a part is in a title, at the edges of words where need be; -1: nowhere."""
    at = title.find(part, start)
    while at >= 0:
        end = at + len(part)
        is_cut = (needs_start and at > 0 and is_latin(part[0]) and is_latin(title[at - 1])) or (
            needs_end and end < len(title) and is_latin(part[-1]) and is_latin(title[end])
        )
        if not is_cut:
            return at
        at = title.find(part, at + 1)
    return -1


def is_latin(letter: str) -> bool:
    """Whether a character is a Latin letter or a digit, which words are made of."""
    return letter.isdigit() or (letter.isalpha() and letter < "\u0250")
