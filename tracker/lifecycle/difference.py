"""(pure) What one definition says otherwise than another, rule by rule; and where in a text something stands.

Two people sign what is changed: they are shown that, not two texts to compare.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from tracker.lifecycle.rules import Definition, Rule
from tracker.lifecycle.score import PointRule

HEAD = re.compile(r"\s*\[\[\s*(rule|points)\s*\]\]")
AT_LINE = re.compile(r"at line (\d+)")
IN_BLOCK = re.compile(r"(rule|points) (?:'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"|(\d+))")
NAME = re.compile(r"\s*name\s*=\s*(.*)")


class Verdict(StrEnum):
    """What became of a rule from one definition to the other."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Difference:
    """One rule, or one source of points, that is not the same; found again by its name."""

    verdict: Verdict
    before: Rule | PointRule | None
    after: Rule | PointRule | None

    @property
    def name(self) -> str:
        """What people call it."""
        one = self.after or self.before
        assert one is not None
        return one.name


def differences(before: Definition, after: Definition) -> list[Difference]:
    """What changed, rules before points, in the order of the later text; what was removed stands last of its kind."""
    return [*between(before.rules, after.rules), *between(before.points, after.points)]


def between(before: Iterable[Rule | PointRule], after: Iterable[Rule | PointRule]) -> list[Difference]:
    """The same of rules, or of points."""
    old: Mapping[str, Rule | PointRule] = {one.name: one for one in before}
    found, names = [], set()
    for one in after:
        names.add(one.name)
        if one.name not in old:
            found.append(Difference(Verdict.ADDED, None, one))
        elif old[one.name] != one:
            found.append(Difference(Verdict.CHANGED, old[one.name], one))
    return found + [Difference(Verdict.REMOVED, one, None) for name, one in old.items() if name not in names]


def line_of(message: str, text: str) -> int | None:
    """The line of a text, from 1, that an error of definition.py speaks of; None where it speaks of the whole."""
    if told := AT_LINE.search(message):
        return int(told[1])
    if not (named := IN_BLOCK.match(message)):
        return None
    kind, name, place = named[1], named[2] or named[3], named[4]
    n = 0
    head: int | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if found := HEAD.match(line):
            head = number if found[1] == kind else None
            n += head is not None
            if head is not None and place is not None and n == int(place):
                return head
        elif head is not None and name is not None and (told_name := NAME.match(line)) and name in told_name[1]:
            return head
    return None
