"""(pure) What a campaign of an advertising platform is called on the site: ordered rules, the first that fits.

A rule's patterns are words with * for anything, without regard to case; a backslash takes the meaning from a * behind
it. Which of three names a rule leaves empty stays as it was told.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from tracker.channels.rules import canonical_names
from tracker.errors import Invalid
from tracker.urls import clean_text

LONGEST = 255
MOST_RULES = 1_000
ANY = "*"
ALIKE = 0.55  # of two names, from 0 to 1, so that one is offered for the other
Names = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class CostRule:
    """Costs told under such names are of this source, medium and campaign; None: as they were told."""

    told_source: str
    told_medium: str
    told_campaign: str
    source: str | None = None
    medium: str | None = None
    campaign: str | None = None

    @property
    def told(self) -> Names:
        """What it looks for."""
        return (self.told_source, self.told_medium, self.told_campaign)


def parts_of(pattern: str) -> list[str]:
    """A pattern's words between its stars: 'jp_*' -> ['jp_', '']."""
    parts, word, escaped = [], "", False
    for letter in pattern:
        if escaped:
            word, escaped = word + (letter if letter in "*\\" else f"\\{letter}"), False
        elif letter == "\\":
            escaped = True
        elif letter == "*":
            parts.append(word)
            word = ""
        else:
            word += letter
    return [*parts, word + ("\\" if escaped else "")]


def exactly(name: str) -> str:
    """The pattern that fits this name alone."""
    return name.replace("\\", "\\\\").replace("*", "\\*")


def fits(parts: Sequence[str], name: str) -> bool:
    """Whether a name is of a pattern, both in small letters; in time proportional to the name, whatever the pattern."""
    if len(parts) == 1:
        return parts[0] == name
    first, *middle, last = parts
    if len(name) < len(first) + len(last) or not name.startswith(first) or not name.endswith(last):
        return False
    at, end = len(first), len(name) - len(last)
    for part in middle:
        found = name.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


class Naming:
    """A site's rules, ready to name many costs."""

    def __init__(self, rules: Iterable[CostRule]) -> None:
        self._rules = [(rule, [parts_of(pattern.lower()) for pattern in rule.told]) for rule in rules]
        self._known: dict[Names, Names] = {}

    def name(self, told: Names) -> Names:
        """The source, the medium and the campaign of a cost, by how it was told."""
        if told not in self._known:
            self._known[told] = self._name(told)
        return self._known[told]

    def _name(self, told: Names) -> Names:
        small = [word.lower() for word in told]
        for rule, patterns in self._rules:
            if all(fits(parts, word) for parts, word in zip(patterns, small, strict=True)):
                source, medium = canonical_names(rule.source or told[0], rule.medium or told[1])
                return source, medium, rule.campaign or told[2]
        return told


def read_rules(told: Sequence[Mapping[str, Any]]) -> tuple[CostRule, ...]:
    """Rules as a form or a program tells them; raises Invalid under 'rules.N.field'."""
    if len(told) > MOST_RULES:
        raise Invalid(f"{len(told)} rules; at most {MOST_RULES} are kept", field="rules")
    rules = tuple(read_rule(one, n) for n, one in enumerate(told))
    seen: dict[Names, int] = {}
    for n, rule in enumerate(rules):
        small: Names = (rule.told_source.lower(), rule.told_medium.lower(), rule.told_campaign.lower())
        if small in seen:
            raise Invalid(f"looks for the same as rule {seen[small]}, which comes first", field=f"rules.{n}")
        seen[small] = n
    return rules


def read_rule(told: Mapping[str, Any], n: int = 0) -> CostRule:
    """One rule."""
    words = {name: text_of(told.get(name), f"rules.{n}.{name}") for name in CostRule.__dataclass_fields__}
    rule = CostRule(
        told_source=words["told_source"] or ANY,
        told_medium=words["told_medium"] or ANY,
        told_campaign=words["told_campaign"] or ANY,
        source=lower(words["source"]),
        medium=lower(words["medium"]),
        campaign=words["campaign"],
    )
    if not (rule.source or rule.medium or rule.campaign):
        raise Invalid("says no name: give a source, a medium or a campaign", field=f"rules.{n}")
    return rule


def text_of(value: Any, field: str) -> str | None:
    """A name or a pattern."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise Invalid("is no text", field=field)
    found = clean_text(value, LONGEST + 1)
    if found is not None and len(found) > LONGEST:
        raise Invalid(f"has more than {LONGEST} characters", field=field)
    return found


def lower(word: str | None) -> str | None:
    """In small letters, as sources and media are."""
    return word.lower() if word else None


def nearest(name: str, known: Iterable[str], most: int = 3) -> tuple[str, ...]:
    """The names most like this one, the likest first; those that are not at all like it are left out.

    Case and what stands between words do not count: 'Spring Sale 2026' and 'spring_sale_2026' are alike.
    """
    wanted = squeezed(name)
    matcher = SequenceMatcher(autojunk=False)
    matcher.set_seq2(wanted)
    found: list[tuple[float, str]] = []
    for other in known:
        matcher.set_seq1(squeezed(other))
        if matcher.real_quick_ratio() >= ALIKE and matcher.quick_ratio() >= ALIKE and (how := matcher.ratio()) >= ALIKE:
            found.append((how, other))
    return tuple(other for _, other in sorted(found, key=lambda one: (-one[0], one[1]))[:most])


def squeezed(name: str) -> str:
    """A name's letters and digits."""
    return "".join(letter for letter in name[:100].casefold() if letter.isalnum())
