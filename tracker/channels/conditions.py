"""(pure) A rule's conditions: read from a file, refused when they could run away, made into tests.

Decides whether one rule fits one arrival's names; the order of rules is in rules. Conditions come from our
own channels.toml and from sites, so a pattern is checked before it is ever tried.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, NamedTuple

from tracker.errors import Invalid
from tracker.urls import TAG_LIMIT, clean_text
from tracker.vocabulary import NOT_SET

PATTERN_LIMIT = 300


@dataclass(frozen=True, slots=True)
class When:
    """A rule's conditions; all that are given must hold.

    source, medium, campaign, …  one of these words; case does not matter
    *_like                       a pattern for the whole value; case does not matter
    referring_host               a host, or a host above it
    """

    source: tuple[str, ...] = ()
    source_like: str | None = None
    source_kind: tuple[str, ...] = ()
    medium: tuple[str, ...] = ()
    medium_like: str | None = None
    campaign: tuple[str, ...] = ()
    campaign_like: str | None = None
    paid: bool | None = None
    click_id: tuple[str, ...] = ()
    click_kind: tuple[str, ...] = ()
    referring_host: tuple[str, ...] = ()
    landing_page_like: str | None = None


class Names(NamedTuple):
    """What rules look at: an arrival's names, or those of a cost row or an offline event."""

    source: str
    kind: str  # of the source; '' if unknown
    medium: str
    campaign: str
    paid: bool
    click_kind: str = ""  # of the network whose ad the click id proves
    click_ids: tuple[str, ...] = ()
    referring_host: str = ""
    landing_page: str = ""


Test = Callable[[Names], bool]


@lru_cache(maxsize=8_192)
def plain_word(text: str) -> str:
    """A source or medium as rules compare it: full-width letters made plain, lower-case, at most 255."""
    return clean_text(unicodedata.normalize("NFKC", text).lower(), TAG_LIMIT) or NOT_SET


def read_when(rule: str, table: Any) -> When:
    """The conditions in a rule file's table; raises Invalid with the rule's name."""
    if not isinstance(table, dict):
        raise Invalid(f"rule {rule!r}: when must be a table of conditions")
    known = {field.name for field in fields(When)}
    conditions: dict[str, Any] = {}
    for key, value in table.items():
        if key not in known:
            raise Invalid(f"rule {rule!r}: {key!r} is no condition")
        if key == "paid":
            if not isinstance(value, bool):
                raise Invalid(f"rule {rule!r}: paid must be true or false, not {value!r}")
            conditions[key] = value
        elif key.endswith("_like"):
            conditions[key] = safe_pattern(rule, value)
        else:
            words = [value] if isinstance(value, str) else value
            if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
                raise Invalid(f"rule {rule!r}: {key} must be a word or a list of words, not {value!r}")
            conditions[key] = tuple(map(plain_word, words))
    return When(**conditions)


_SET = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]")
_ESCAPE = re.compile(r"\\.")
_REPETITION = re.compile(r"[*+?]|\{[^}]*\}")
_REPEATED_GROUP = re.compile(r"\)(?:[*+?]|\{)")


def safe_pattern(rule: str, pattern: Any) -> str:
    """A pattern that cannot run away on a stranger's text; raises Invalid with the rule's name.

    Python's patterns go back and try again, so nested or many repetitions take exponential time. Allowed: no
    repeated group, reference or look-around, three repetitions without end, six in all.
    """
    if not isinstance(pattern, str) or not 0 < len(pattern) <= PATTERN_LIMIT:
        raise Invalid(f"rule {rule!r}: a pattern has 1 to {PATTERN_LIMIT} characters: {pattern!r}")
    try:
        re.compile(pattern, re.IGNORECASE)
    except (re.error, OverflowError, RecursionError) as wrong:
        raise Invalid(f"rule {rule!r}: {pattern!r} is no pattern: {wrong}") from wrong
    if re.search(r"\\[1-9]", pattern):
        raise Invalid(f"rule {rule!r}: {pattern!r} refers back")
    skeleton = _SET.sub("x", _ESCAPE.sub("x", pattern)).replace("(?:", "(")
    if "(?" in skeleton or _REPEATED_GROUP.search(skeleton):
        raise Invalid(f"rule {rule!r}: {pattern!r} repeats a group or looks around")
    repetitions = _REPETITION.findall(skeleton)
    if len(repetitions) > 6 or sum(each != "?" for each in repetitions) > 3:
        raise Invalid(f"rule {rule!r}: {pattern!r} repeats too often: * + {{}} at most 3 times, with ? at most 6")
    return pattern


def tests_of(when: When) -> tuple[Test, ...]:
    """The tests for the conditions that are given, cheapest first; none means that the rule always fits."""
    tests: list[Test] = []
    if when.paid is not None:
        tests.append(_one_of("paid", frozenset({when.paid})))
    one_of: Mapping[str, tuple[str, ...]] = {
        "kind": when.source_kind,
        "medium": when.medium,
        "source": when.source,
        "click_kind": when.click_kind,
    }
    tests += [_one_of(field, frozenset(words)) for field, words in one_of.items() if words]
    if when.campaign:
        tests.append(_campaign_in(frozenset(when.campaign)))
    if when.click_id:
        tests.append(_clicked(frozenset(when.click_id)))
    if when.referring_host:
        tests.append(_below(when.referring_host))
    like = {
        "medium": when.medium_like,
        "source": when.source_like,
        "campaign": when.campaign_like,
        "landing_page": when.landing_page_like,
    }
    tests += [_like(field, pattern) for field, pattern in like.items() if pattern is not None]
    return tuple(tests)


def _one_of(field: str, words: frozenset[object]) -> Test:
    place = Names._fields.index(field)
    return lambda names: names[place] in words


def _campaign_in(words: frozenset[str]) -> Test:
    return lambda names: plain_word(names.campaign) in words


def _clicked(params: frozenset[str]) -> Test:
    return lambda names: not params.isdisjoint(names.click_ids)


def _below(hosts: Sequence[str]) -> Test:
    ends = tuple(f".{host}" for host in hosts)
    return lambda names: f".{names.referring_host}".endswith(ends)


def _like(field: str, pattern: str) -> Test:
    place = Names._fields.index(field)
    fits = re.compile(pattern, re.IGNORECASE).fullmatch
    return lambda names: fits(str(names[place])) is not None
