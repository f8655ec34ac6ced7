"""(pure) A definition as text: TOML that people write, read and sign. read(written(d)) is d.

The text is checked wholly before anything counts; an error says where it is and what is allowed there.
"""

import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any as Whatever

from tracker.errors import Invalid
from tracker.lifecycle.conditions import All, Any, Condition, Did, Has, Not, Scored, asks_for_points
from tracker.lifecycle.rules import Definition, Rule
from tracker.lifecycle.score import PointRule
from tracker.vocabulary import FactKind, Scope

MOST_CHARACTERS = 100_000
MOST_RULES = 100
DEEPEST = 8
MOST_OF_ONE = 50
LONGEST_TEXT = 200
DEEDS = tuple(kind for kind in FactKind if kind is not FactKind.ATTRIBUTE)
# What only a filter may ask: to a rule it would be its own answer.
ONLY_IN_FILTERS = ("stage",)
HAS_KEYS = ("attribute", "is", "is_not", "matches", "at_least", "at_most", "known")
DID_KEYS = ("where", "times", "within_days", "at_least", "at_most")
Table = Mapping[str, Whatever]


def read_definition(text: str, stages: Iterable[str] | None) -> Definition:
    """The definition that a text says; raises Invalid(field="text").

    stages  those of the site; None: whatever it names will do
    """
    told = tables_of(text)
    refuse_unknown(told, ("rule", "points"), "the text")
    known = None if stages is None else tuple(stages)
    rules = [read_rule(one, place, known) for place, one in enumerate(list_of(told, "rule", "the text"), 1)]
    points = [read_points(one, place) for place, one in enumerate(list_of(told, "points", "the text"), 1)]
    for what, names in (("rule", [one.name for one in rules]), ("points", [one.name for one in points])):
        if double := next((name for name in names if names.count(name) > 1), None):
            raise wrong(f"there are two [[{what}]] named {double!r}")
    if not rules and not points:
        raise wrong("there is neither a [[rule]] nor [[points]]")
    equal: dict[Condition, Condition] = {}
    return Definition(
        tuple(replace(one, when=shared(one.when, equal)) for one in rules),
        tuple(replace(one, when=one.when and shared(one.when, equal)) for one in points),
    )


def shared(one: Condition, known: dict[Condition, Condition]) -> Condition:
    """The same condition, of equal ones one and the same: what is found of it is kept by which it is."""
    match one:
        case All(of):
            one = All(tuple(shared(each, known) for each in of))
        case Any(of):
            one = Any(tuple(shared(each, known) for each in of))
        case Not(of):
            one = Not(shared(of, known))
    return known.setdefault(one, one)


def read_condition(text: str) -> Condition:
    """The condition of a filter, written as `when = { … }` or `when.all = [ … ]`; raises Invalid(field="text")."""
    told = tables_of(text)
    refuse_unknown(told, ("when",), "the text")
    if "when" not in told:
        raise wrong("write when = { … } or when.all = [ … ]")
    return condition_of(told["when"], "when", is_filter=True)


def tables_of(text: str) -> Table:
    """The tables of a text."""
    if len(text) > MOST_CHARACTERS:
        raise wrong(f"{len(text)} characters; at most {MOST_CHARACTERS}")
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise wrong(f"this is no TOML: {str(error)[:200]}") from None


def wrong(message: str) -> Invalid:
    """What is wrong with a text."""
    return Invalid(message, field="text")


def refuse_unknown(told: Table, known: Sequence[str], where: str) -> None:
    """Raise Invalid for a key that has no meaning there."""
    if unknown := sorted(set(told) - set(known)):
        raise wrong(f"{where}: {unknown[0][:40]!r} means nothing here; there may be {', '.join(known)}")


def list_of(told: Table, key: str, where: str) -> list[Table]:
    """The tables under a key."""
    found = told.get(key, [])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise wrong(f"{where}: write [[{key}]]")
    if len(found) > MOST_RULES:
        raise wrong(f"{len(found)} [[{key}]]; at most {MOST_RULES}")
    return found


def read_rule(told: Table, place: int, stages: Sequence[str] | None) -> Rule:
    """One rule."""
    name = text_of(told, "name", f"rule {place}")
    where = f"rule {name!r}"
    refuse_unknown(told, ("name", "stage", "scope", "from", "when"), where)
    stage, scope = text_of(told, "stage", where), told.get("scope", Scope.CONTACT.value)
    if scope not in set(Scope):
        raise wrong(f"{where}: scope is {' or '.join(Scope)}")
    from_stages = texts_of(told["from"], f"{where}, from") if "from" in told else ()
    for one in (stage, *from_stages):
        if stages is not None and one not in stages:
            raise wrong(f"{where}: {one[:40]!r} is no stage of this site; there are {', '.join(stages)}")
    if "when" not in told:
        raise wrong(f"{where}: write when = {{ … }} or when.all = [ … ]")
    when = condition_of(told["when"], where)
    if Scope(scope) is Scope.COMPANY and asks_for_points(when):
        raise wrong(f"{where}: companies have no points of their own to ask for")
    return Rule(name, stage, when, Scope(scope), from_stages)


def read_points(told: Table, place: int) -> PointRule:
    """What something is worth."""
    name = text_of(told, "name", f"points {place}")
    where = f"points {name!r}"
    refuse_unknown(told, ("name", "points", "each", "when", "cap", "half_life_days"), where)
    if ("each" in told) == ("when" in told):
        raise wrong(f"{where}: write either each (a deed) or when (a condition)")
    points = whole_of(told, "points", where, -1_000, 1_000)
    if points in (None, 0):
        raise wrong(f"{where}: points is a whole number other than 0, from -1000 to 1000")
    cap = whole_of(told, "cap", where, 1, 100_000)
    half_life_days = whole_of(told, "half_life_days", where, 1, 3_650)
    if "when" in told:
        when = condition_of(told["when"], where)
        if half_life_days is not None or cap is not None:
            raise wrong(f"{where}: cap and half_life_days are for deeds (each)")
        if asks_for_points(when):
            raise wrong(f"{where}: points cannot depend on points")
        return PointRule(name, points or 0, None, when)
    each = condition_of(told["each"], where)
    if not isinstance(each, Did) or each.times != 1 or each.within_days is not None:
        raise wrong(f"{where}: each is one deed, without times and within_days")
    return PointRule(name, points or 0, each, None, cap, half_life_days)


def condition_of(told: object, where: str, depth: int = 0, *, is_filter: bool = False) -> Condition:
    """A condition by its table."""
    if not isinstance(told, dict) or not told:
        raise wrong(f"{where}: a condition is a table such as {{ page = '/pricing*' }}")
    if depth > DEEPEST:
        raise wrong(f"{where}: conditions stand at most {DEEPEST} deep in one another")
    for key in ("all", "any"):
        if key in told:
            refuse_unknown(told, (key,), where)
            ones = told[key]
            if not isinstance(ones, list) or not 1 <= len(ones) <= MOST_OF_ONE:
                raise wrong(f"{where}: {key} has 1 to {MOST_OF_ONE} conditions")
            of = tuple(condition_of(one, f"{where}, {key}", depth + 1, is_filter=is_filter) for one in ones)
            return All(of) if key == "all" else Any(of)
    if "not" in told:
        refuse_unknown(told, ("not",), where)
        return Not(condition_of(told["not"], f"{where}, not", depth + 1, is_filter=is_filter))
    if "score" in told:
        refuse_unknown(told, ("score",), where)
        at_least = whole_of(told, "score", where, -1_000_000, 1_000_000)
        assert at_least is not None
        return Scored(at_least)
    if "attribute" in told:
        return attribute_of(told, where, is_filter=is_filter)
    return deed_of(told, where)


def attribute_of(told: Table, where: str, *, is_filter: bool) -> Has:
    """What is asked of an attribute."""
    refuse_unknown(told, HAS_KEYS, where)
    name = text_of(told, "attribute", where)
    if name in ONLY_IN_FILTERS and not is_filter:
        raise wrong(f"{where}: a rule cannot ask for the {name}; write from = [ … ] beside when")
    if len(told) == 1:
        raise wrong(f"{where}: say what {name!r} is to be: {', '.join(HAS_KEYS[1:])}")
    is_known = told.get("known")
    if is_known is not None and not isinstance(is_known, bool):
        raise wrong(f"{where}: known is true or false")
    return Has(
        name,
        texts_of(told["is"], f"{where}, is") if "is" in told else (),
        texts_of(told["is_not"], f"{where}, is_not") if "is_not" in told else (),
        texts_of(told["matches"], f"{where}, matches") if "matches" in told else (),
        number_in(told, "at_least", where),
        number_in(told, "at_most", where),
        is_known,
    )


def deed_of(told: Table, where: str) -> Did:
    """What somebody is asked to have done."""
    named = [kind for kind in DEEDS if kind.value in told]
    if len(named) != 1:
        ways = ", ".join([*(kind.value for kind in DEEDS), "attribute", "score", "all", "any", "not"])
        raise wrong(f"{where}: a condition is one of {ways}")
    kind = named[0]
    refuse_unknown(told, (kind.value, *DID_KEYS), where)
    more = told.get("where", {})
    if not isinstance(more, dict) or len(more) > 10:
        raise wrong(f"{where}: where is a table of names and patterns")
    return Did(
        kind,
        texts_of(told[kind.value], f"{where}, {kind.value}"),
        tuple(sorted((name, texts_of(one, f"{where}, where.{name[:40]}")) for name, one in more.items())),
        whole_of(told, "times", where, 1, 1_000) or 1,
        whole_of(told, "within_days", where, 1, 3_650),
        number_in(told, "at_least", where),
        number_in(told, "at_most", where),
    )


def text_of(told: Table, key: str, where: str) -> str:
    """A short text that must be given."""
    found = told.get(key)
    if not isinstance(found, str) or not found.strip() or len(found) > LONGEST_TEXT:
        raise wrong(f"{where}: {key} is a text of 1 to {LONGEST_TEXT} characters")
    return found.strip()


def texts_of(told: object, where: str) -> tuple[str, ...]:
    """One text or several; numbers are taken as they are written."""
    ones = told if isinstance(told, list) else [told]
    found = [str(one) if isinstance(one, int | float) and not isinstance(one, bool) else one for one in ones]
    if not 1 <= len(found) <= MOST_OF_ONE * 4:
        raise wrong(f"{where}: 1 to {MOST_OF_ONE * 4} texts")
    for one in found:
        if not isinstance(one, str) or not one or len(one) > LONGEST_TEXT:
            raise wrong(f"{where}: a text of 1 to {LONGEST_TEXT} characters, or a list of them")
    return tuple(str(one) for one in found)


def whole_of(told: Table, key: str, where: str, least: int, most: int) -> int | None:
    """A whole number within bounds; None where none is given."""
    found = told.get(key)
    if found is None:
        return None
    if not isinstance(found, int) or isinstance(found, bool) or not least <= found <= most:
        raise wrong(f"{where}: {key} is a whole number from {least} to {most}")
    return found


def number_in(told: Table, key: str, where: str) -> float | None:
    """A number; None where none is given."""
    found = told.get(key)
    if found is None:
        return None
    if not isinstance(found, int | float) or isinstance(found, bool) or not abs(found) < 1e15:
        raise wrong(f"{where}: {key} is a number")
    return found


# --- writing ----------------------------------------------------------------------------------------------------------


def written(definition: Definition) -> str:
    """A definition as text, in the one form that is always the same."""
    blocks = [written_rule(rule) for rule in definition.rules] + [written_points(one) for one in definition.points]
    return "\n".join(blocks)


def written_rule(rule: Rule) -> str:
    """A rule as text."""
    lines = ["[[rule]]", f"name = {quoted(rule.name)}", f"stage = {quoted(rule.stage)}"]
    if rule.scope is not Scope.CONTACT:
        lines.append(f"scope = {quoted(rule.scope.value)}")
    if rule.from_stages:
        lines.append(f"from = {as_list(rule.from_stages)}")
    return "\n".join([*lines, written_condition(rule.when)])


def written_points(one: PointRule) -> str:
    """Points as text."""
    lines = ["[[points]]", f"name = {quoted(one.name)}", f"points = {one.points}"]
    if one.each is not None:
        lines.append(f"each = {inline(one.each)}")
    if one.cap is not None:
        lines.append(f"cap = {one.cap}")
    if one.half_life_days is not None:
        lines.append(f"half_life_days = {one.half_life_days}")
    if one.when is not None:
        lines.append(written_condition(one.when).rstrip("\n"))
    return "\n".join([*lines, ""])


def written_condition(when: Condition) -> str:
    """A condition as text, each of several on a line of its own; read_condition reads it."""
    if isinstance(when, All | Any):
        key = "all" if isinstance(when, All) else "any"
        return "\n".join([f"when.{key} = [", *(f"  {inline(one)}," for one in when.of), "]", ""])
    return f"when = {inline(when)}\n"


def inline(one: Condition) -> str:
    """A condition on one line."""
    match one:
        case All(of):
            return f"{{ all = [{', '.join(inline(each) for each in of)}] }}"
        case Any(of):
            return f"{{ any = [{', '.join(inline(each) for each in of)}] }}"
        case Not(of):
            return f"{{ not = {inline(of)} }}"
        case Scored(at_least):
            return f"{{ score = {at_least} }}"
        case Has():
            given = {"attribute": quoted(one.attribute)}
            for key, words in (("is", one.is_), ("is_not", one.is_not), ("matches", one.matches)):
                if words:
                    given[key] = as_text(words)
            given |= bounds_of(one)
            if one.is_known is not None:
                given["known"] = "true" if one.is_known else "false"
        case Did():
            given = {one.kind.value: as_text(one.patterns)}
            if one.where:
                ways = ", ".join(f"{quoted(name)} = {as_text(patterns)}" for name, patterns in one.where)
                given["where"] = f"{{ {ways} }}"
            if one.times != 1:
                given["times"] = str(one.times)
            if one.within_days is not None:
                given["within_days"] = str(one.within_days)
            given |= bounds_of(one)
    return f"{{ {', '.join(f'{key} = {value}' for key, value in given.items())} }}"


def bounds_of(one: Did | Has) -> dict[str, str]:
    """The bounds that are given."""
    told = {"at_least": one.at_least, "at_most": one.at_most}
    return {key: repr(value) for key, value in told.items() if value is not None}


def as_text(words: Sequence[str]) -> str:
    """One text as it is, several as a list."""
    return quoted(words[0]) if len(words) == 1 else as_list(words)


def as_list(words: Sequence[str]) -> str:
    """Texts as a list."""
    return f"[{', '.join(quoted(word) for word in words)}]"


def quoted(text: str) -> str:
    """A text in quotes; what JSON escapes TOML escapes alike, but for one character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
