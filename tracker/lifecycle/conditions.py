"""(pure) What a rule asks of a person or a company, and from when to when it is so.

A condition is about facts: what somebody did, what was told of them, how many points they have. It is looked at for all
of a history at once: its spans are the times during which it holds, so that a rule comes true at the same instant
whether it is asked each second or years later. definition.py reads and writes conditions as text.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from operator import itemgetter
from typing import Any as Whatever
from typing import NamedTuple

from tracker.vocabulary import FactKind

DAY_MS = 86_400_000
BEFORE_ALL, AFTER_ALL = -(1 << 62), 1 << 62
# [from, to) in milliseconds, sorted, apart from one another.
Spans = list[tuple[int, int]]
ALWAYS: Spans = [(BEFORE_ALL, AFTER_ALL)]
NEVER: Spans = []
NOTHING: Mapping[str, str] = {}
WHEN = itemgetter(0)
folded = lru_cache(maxsize=200_000)(str.casefold)


class Fact(NamedTuple):
    """One thing that happened or was told.

    at    milliseconds since 1970
    kind  a FactKind
    text  what a pattern is held to: the page's path, the form's id, the event's name, the channel, the programme, the
          score of an answer, 'created', 'won' or 'lost' of a deal, a title, the attribute's name
    more  what else is known of it, by name; of an attribute its `value`
    """

    at: int
    kind: str
    text: str
    more: Mapping[str, str] = NOTHING


class Facts:
    """All facts of one person or company, found by kind and text, in order of time.

    memo  what was found of them already, by the identity of a condition, which the caller keeps alive meanwhile
    """

    __slots__ = ("_attributes", "_by_kind", "memo")

    def __init__(self, facts: Iterable[Fact]) -> None:
        self._by_kind: dict[str, dict[str, list[Fact]]] = {}
        self._attributes: dict[str, list[tuple[int, str]]] = {}
        self.memo: dict[tuple[str, int], list[Whatever]] = {}
        for fact in sorted(facts, key=WHEN):
            if fact.kind == FactKind.ATTRIBUTE:
                self._attributes.setdefault(fact.text, []).append((fact.at, fact.more["value"]))
            else:
                self._by_kind.setdefault(fact.kind, {}).setdefault(folded(fact.text), []).append(fact)

    def of(self, kind: str) -> Mapping[str, Sequence[Fact]]:
        """The facts of a kind by their text without regard to case, oldest first."""
        return self._by_kind.get(kind, {})

    def told(self, attribute: str) -> Sequence[tuple[int, str]]:
        """What was told of an attribute, as (since, value), oldest first; '' where it was taken back."""
        return self._attributes.get(attribute, ())


@dataclass(frozen=True, slots=True)
class Did:
    """Something happened so many times.

    patterns     of which the text fits one: * stands for anything, without regard to case
    where        more patterns, by the name of what else is known; all must fit
    times        at least so often
    within_days  in so many days; None: ever
    at_least …   bounds of the text or, of a deal, of its amount
    """

    kind: FactKind
    patterns: tuple[str, ...] = ("*",)
    where: tuple[tuple[str, tuple[str, ...]], ...] = ()
    times: int = 1
    within_days: int | None = None
    at_least: float | None = None
    at_most: float | None = None


@dataclass(frozen=True, slots=True)
class Has:
    """An attribute is so. Of the bounds and lists those that are given must all hold.

    is_known  whether it was told at all; None: only what the others ask
    """

    attribute: str
    is_: tuple[str, ...] = ()
    is_not: tuple[str, ...] = ()
    matches: tuple[str, ...] = ()
    at_least: float | None = None
    at_most: float | None = None
    is_known: bool | None = None


@dataclass(frozen=True, slots=True)
class Scored:
    """The points come to so many at least."""

    at_least: int


@dataclass(frozen=True, slots=True)
class All:
    """Each of these holds."""

    of: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Any:
    """One of these holds."""

    of: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """This does not hold."""

    of: "Condition"


Condition = Did | Has | Scored | All | Any | Not
# Gives the points over time, as (since, points).
Points = Callable[[], Sequence[tuple[int, int]]]


@lru_cache(maxsize=200_000)
def fits(patterns: tuple[str, ...], text: str) -> bool:
    """Whether a text fits one of these patterns."""
    return any(fits_one(pattern.casefold(), text.casefold()) for pattern in patterns)


@lru_cache(maxsize=10_000)
def words_in(patterns: tuple[str, ...]) -> tuple[str, ...] | None:
    """The words, folded, that alone fit these patterns; None where something else may stand in for a *."""
    return None if any("*" in pattern for pattern in patterns) else tuple({one.casefold(): 0 for one in patterns})


def fits_one(pattern: str, text: str) -> bool:
    """Whether a text fits a pattern, both folded; takes the text's length at the most, whatever the pattern."""
    first, *rest = pattern.split("*")
    if not rest:
        return text == pattern
    *middle, last = rest
    if len(text) < len(first) + len(last) or not text.startswith(first) or not text.endswith(last):
        return False
    place, end = len(first), len(text) - len(last)
    for part in middle:
        found = text.find(part, place, end)
        if found < 0:
            return False
        place = found + len(part)
    return True


def number_of(text: str) -> float | None:
    """A number as people write it: '1,200', '１２０'; None for anything else."""
    try:
        found = float(text.replace(",", "").strip())
    except ValueError:
        return None
    return found if found - found == 0 else None


def is_within(value: str, at_least: float | None, at_most: float | None) -> bool:
    """Whether a value is a number between two bounds; without bounds any value is."""
    if at_least is None and at_most is None:
        return True
    number = number_of(value)
    return number is not None and (at_least is None or number >= at_least) and (at_most is None or number <= at_most)


def is_one(did: Did, fact: Fact) -> bool:
    """Whether a fact whose text fits is one that a condition counts."""
    for name, patterns in did.where:
        if not fits(patterns, fact.more.get(name, "")):
            return False
    return is_within(fact.more.get("amount", "") if did.kind is FactKind.DEAL else fact.text, did.at_least, did.at_most)


def counted(did: Did, facts: Facts) -> list[Fact]:
    """The facts that a condition counts, oldest first."""
    key = ("counted", id(did))
    known: list[Fact] | None = facts.memo.get(key)
    if known is None:
        known = facts.memo[key] = found_of(did, facts)
    return known


def found_of(did: Did, facts: Facts) -> list[Fact]:
    """The same, looked for."""
    by_text = facts.of(did.kind)
    if not by_text:
        return []
    words = words_in(did.patterns)
    if words is None:
        found = [own for text, own in by_text.items() if fits(did.patterns, text)]
    else:
        found = [by_text[word] for word in words if word in by_text]
    listed = list(found[0]) if len(found) == 1 else sorted((fact for own in found for fact in own), key=WHEN)
    if did.where or did.at_least is not None or did.at_most is not None:
        return [fact for fact in listed if is_one(did, fact)]
    return listed


@lru_cache(maxsize=200_000)
def is_so(has: Has, value: str | None) -> bool:
    """Whether an attribute's value is as it is asked for; None or '': nobody told."""
    if not value:
        return has.is_known is False or (has.is_known is None and bool(has.is_not) and not asks_for_value(has))
    if has.is_known is False:
        return False
    return (
        (not has.is_ or fits_any(has.is_, value))
        and not (has.is_not and fits_any(has.is_not, value))
        and (not has.matches or fits(has.matches, value))
        and is_within(value, has.at_least, has.at_most)
    )


def asks_for_value(has: Has) -> bool:
    """Whether only a value that was told can be so."""
    return bool(has.is_ or has.matches) or has.at_least is not None or has.at_most is not None


def fits_any(words: tuple[str, ...], value: str) -> bool:
    """Whether a value is one of these words, without regard to case."""
    folded = value.casefold().strip()
    return any(folded == word.casefold().strip() for word in words)


def spans_of(condition: Condition, facts: Facts, points: Points) -> Spans:
    """The times during which a condition holds, also those that are yet to come if nothing more happens."""
    key = ("spans", id(condition))
    known: Spans | None = facts.memo.get(key)
    if known is None:
        known = facts.memo[key] = spans_found(condition, facts, points)
    return known


def spans_found(condition: Condition, facts: Facts, points: Points) -> Spans:
    """The same, looked for."""
    match condition:
        case Did():
            return spans_of_did(condition, facts)
        case Has():
            return spans_of_values(condition, facts.told(condition.attribute))
        case Scored(at_least):
            return spans_of_points(points(), at_least)
        case All(of):
            found = ALWAYS
            for one in of:
                found = both(found, spans_of(one, facts, points))
                if not found:
                    break
            return found
        case Any(of):
            return either([span for one in of for span in spans_of(one, facts, points)])
        case Not(one):
            return without(spans_of(one, facts, points))


def spans_of_did(did: Did, facts: Facts) -> Spans:
    """When something had happened often enough."""
    found = counted(did, facts)
    if len(found) < did.times:
        return NEVER
    if did.within_days is None:
        return [(found[did.times - 1].at, AFTER_ALL)]
    window = did.within_days * DAY_MS
    # The n-th from then on has it for as long as the first of the n is in the window.
    firsts = zip(found, found[did.times - 1 :], strict=False)
    return either([(last.at, first.at + window) for first, last in firsts if last.at < first.at + window])


def spans_of_values(has: Has, told: Sequence[tuple[int, str]]) -> Spans:
    """When an attribute was as it is asked for; before it was told it was nothing."""
    found: Spans = []
    since, is_right = BEFORE_ALL, is_so(has, None)
    for at, value in told:
        if is_right and at > since:
            found.append((since, at))
        since, is_right = at, is_so(has, value)
    if is_right:
        found.append((since, AFTER_ALL))
    return either(found) if len(found) > 1 else found


def spans_of_points(points: Sequence[tuple[int, int]], at_least: int) -> Spans:
    """When the points came to so many; before the first fact there are none."""
    found: Spans = []
    since = BEFORE_ALL if at_least <= 0 else None
    for at, n in points:
        if n >= at_least and since is None:
            since = at
        elif n < at_least and since is not None:
            found.append((since, at))
            since = None
    if since is not None:
        found.append((since, AFTER_ALL))
    return found


def either(spans: Iterable[tuple[int, int]]) -> Spans:
    """These spans as one list, those that meet joined."""
    found: Spans = []
    for since, until in sorted(spans):
        if found and since <= found[-1][1]:
            if until > found[-1][1]:
                found[-1] = (found[-1][0], until)
        else:
            found.append((since, until))
    return found


def both(some: Spans, others: Spans) -> Spans:
    """When both hold."""
    if some is ALWAYS:
        return others
    found: Spans = []
    i = j = 0
    while i < len(some) and j < len(others):
        since, until = max(some[i][0], others[j][0]), min(some[i][1], others[j][1])
        if since < until:
            found.append((since, until))
        if some[i][1] < others[j][1]:
            i += 1
        else:
            j += 1
    return found


def without(spans: Spans) -> Spans:
    """When it does not hold."""
    found: Spans = []
    since = BEFORE_ALL
    for one, until in spans:
        if since < one:
            found.append((since, one))
        since = until
    if since < AFTER_ALL:
        found.append((since, AFTER_ALL))
    return found


def holds_at(spans: Spans, at: int) -> bool:
    """Whether it holds at an instant."""
    place = bisect_right(spans, (at, AFTER_ALL))
    return place > 0 and at < spans[place - 1][1]


def deeds_of(condition: Condition, facts: Facts) -> set[int]:
    """When somebody did what a condition asks for, not what it must not find."""
    match condition:
        case Did():
            return {fact.at for fact in counted(condition, facts)}
        case All(of) | Any(of):
            return {at for one in of for at in deeds_of(one, facts)}
        case _:
            return set()


def kinds_of(condition: Condition) -> set[FactKind]:
    """Which kinds of facts a condition looks at."""
    match condition:
        case Did():
            return {condition.kind}
        case Has():
            return {FactKind.ATTRIBUTE}
        case All(of) | Any(of):
            return {kind for one in of for kind in kinds_of(one)}
        case Not(one):
            return kinds_of(one)
        case _:
            return set()


def asks_for_points(condition: Condition) -> bool:
    """Whether the points decide, somewhere in it."""
    match condition:
        case Scored():
            return True
        case All(of) | Any(of):
            return any(asks_for_points(one) for one in of)
        case Not(one):
            return asks_for_points(one)
        case _:
            return False


@dataclass(slots=True)
class Proof:
    """What decided, for people to read: [milliseconds, kind, text], each once, the latest of many."""

    at: int
    most_of_one: int = 3
    found: dict[tuple[int, str, str], None] = field(default_factory=dict)

    def add(self, condition: Condition, facts: Facts, points: Points) -> None:
        """Add what of a condition holds at that instant."""
        match condition:
            case Did():
                since = BEFORE_ALL if condition.within_days is None else self.at - condition.within_days * DAY_MS
                seen = [fact for fact in counted(condition, facts) if since < fact.at <= self.at]
                for fact in seen[-max(self.most_of_one, min(condition.times, 5)) :]:
                    self.found[fact.at, fact.kind, shown(fact)] = None
            case Has():
                told = facts.told(condition.attribute)
                place = bisect_right([at for at, _ in told], self.at)
                if place:
                    at, value = told[place - 1]
                    self.found[at, FactKind.ATTRIBUTE.value, f"{condition.attribute} = {value}"[:200]] = None
            case Scored():
                over_time = points()
                place = bisect_right([at for at, _ in over_time], self.at)
                n = over_time[place - 1][1] if place else 0
                self.found[self.at, "score", str(n)] = None
            case All(of) | Any(of):
                for one in of:
                    if holds_at(spans_of(one, facts, points), self.at):
                        self.add(one, facts, points)
            case Not():
                pass

    def listed(self, most: int = 12) -> list[list[int | str]]:
        """The facts, oldest first; the latest of them where there are very many."""
        listed: list[list[int | str]] = [[at, kind, text] for at, kind, text in sorted(self.found)]
        return listed[-most:]


def shown(fact: Fact) -> str:
    """A fact's own words, as a proof quotes them."""
    more = fact.more.get("kind") or fact.more.get("campaign") or ""
    return f"{fact.text} {more}".strip()[:200]
