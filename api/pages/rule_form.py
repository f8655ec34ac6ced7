"""The rule builder's form: a definition as the fields of a form, and the fields as a definition.

Whatever the text form can say the fields can, and both ways nothing is lost: told_by(fields of d) is d. A field's name
says where it stands: `r0` is the first rule, `r0.w` its condition, `r0.w.1` the second one in it, `r0.w.1-times` how
often. Several texts stand in one field with | between them; a backslash takes a sign as it is.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any as Whatever

from tracker.errors import Invalid
from tracker.lifecycle import definition as text_form
from tracker.lifecycle.conditions import All, Any, Condition, Did, Has, Not, Scored
from tracker.lifecycle.definition import DEEDS, DEEPEST, MOST_OF_ONE, MOST_RULES
from tracker.lifecycle.rules import Definition, Rule
from tracker.lifecycle.score import PointRule
from tracker.vocabulary import Scope

GROUPS = ("all", "any", "not")
ATTRIBUTE, SCORE = "attribute", "score"
DEED_KINDS = tuple(kind.value for kind in DEEDS)
# What can be put into a group.
KINDS = (*DEED_KINDS, ATTRIBUTE, SCORE, *GROUPS)
LISTS = ("is", "is_not", "matches")
NUMBERS = ("at_least", "at_most")
DEED_FIELDS = ("texts", "times", "within_days", "where", *NUMBERS)
HAS_FIELDS = ("name", *LISTS, *NUMBERS, "known")
FIELDS: Mapping[str, tuple[str, ...]] = {ATTRIBUTE: HAS_FIELDS, SCORE: ("at_least",)}
# A form is a stranger's: so much is read of it, whatever it says.
MOST_DEEP = DEEPEST + 1
WHOLE = re.compile(r"[+-]?[0-9]{1,9}")
NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)(e[+-]?[0-9]{1,3})?", re.IGNORECASE)
Fields = Mapping[str, str]


@dataclass(slots=True)
class Node:
    """A condition as it is written in the form, whole or not.

    kind   a deed, 'attribute', 'score', or of GROUPS
    told   the texts of its fields, of a single condition
    ones   what stands in a group; is_bare: a group only for the form, which one condition in it makes needless
    error  what is wrong with it, in the words of the text form; '' where nothing is
    """

    kind: str
    told: dict[str, str] = field(default_factory=dict)
    ones: list["Node"] = field(default_factory=list)
    is_bare: bool = False
    error: str = ""

    @property
    def is_group(self) -> bool:
        """Whether others stand in it."""
        return self.kind in GROUPS

    @property
    def has_more(self) -> bool:
        """Whether anything is told in what the form keeps folded up."""
        names = ("where", *NUMBERS) if self.kind in DEED_KINDS else ("is_not", "matches", "known")
        return any(self.told.get(name) for name in names)


@dataclass(slots=True)
class RuleDraft:
    """A rule as it is written in the form."""

    name: str = ""
    stage: str = ""
    scope: str = Scope.CONTACT.value
    from_stages: list[str] = field(default_factory=list)
    when: Node = field(default_factory=lambda: Node("all", is_bare=True))
    error: str = ""


@dataclass(slots=True)
class PointsDraft:
    """What something is worth, as it is written in the form. each: a deed; None: while `when` holds"""

    name: str = ""
    points: str = ""
    each: Node | None = None
    when: Node = field(default_factory=lambda: Node("all", is_bare=True))
    cap: str = ""
    half_life_days: str = ""
    error: str = ""


@dataclass(slots=True)
class Draft:
    """A definition as it is written in the form. error: what is wrong with it as a whole"""

    rules: list[RuleDraft] = field(default_factory=list)
    points: list[PointsDraft] = field(default_factory=list)
    error: str = ""


# --- several texts in one field -----------------------------------------------------------------------------------


def joined(texts: Sequence[str]) -> str:
    """Texts as one field shows them: 'a | b'; parted() takes them apart again, whatever they are."""
    return " | ".join(kept(one, "|") for one in texts)


def parted(told: str) -> tuple[str, ...]:
    """The texts of a field; what is empty is left out."""
    return tuple(found for part in split_at(told, "|") if (found := taken(part)))


def kept(text: str, signs: str) -> str:
    """A text with a backslash before what would be taken for something else, and edges that stay."""
    found = "".join(
        f"\\{one}" if one in f"\\{signs}" else f"\\u{ord(one):04x}" if ord(one) < 32 or one == "\x7f" else one
        for one in text
    )
    left = len(found) - len(found.lstrip())
    found = "".join(f"\\u{ord(one):04x}" for one in found[:left]) + found[left:]
    right = len(found.rstrip())
    return found[:right] + "".join(f"\\u{ord(one):04x}" for one in found[right:])


def split_at(told: str, sign: str) -> list[str]:
    """A text cut at a sign, but not where a backslash stands before it."""
    found, one, place = list[str](), "", 0
    while place < len(told):
        if told[place] == "\\" and place + 1 < len(told):
            one, place = one + told[place : place + 2], place + 2
        elif told[place] == sign:
            found.append(one)
            one, place = "", place + 1
        else:
            one, place = one + told[place], place + 1
    return [*found, one]


def taken(told: str) -> str:
    """What a text of a field means, its backslashes taken away."""

    def meant(match: re.Match[str]) -> str:
        return chr(int(match[1], 16)) if match[1] else match[2]

    return re.sub(r"\\u([0-9a-fA-F]{4})|\\(.)", meant, told.strip(), flags=re.DOTALL)


def joined_where(where: Sequence[tuple[str, Sequence[str]]]) -> str:
    """What else a deed must fit, as one field shows it: 'kind = click | open; step = 2'."""
    return "; ".join(f"{kept(name, '=;|')} = {' | '.join(kept(one, '=;|') for one in ones)}" for name, ones in where)


def parted_where(told: str) -> dict[str, list[str]]:
    """The same, taken apart; raises Invalid where a part has no sign =."""
    found: dict[str, list[str]] = {}
    for part in split_at(told, ";"):
        if not part.strip():
            continue
        name, *rest = split_at(part, "=")
        if len(rest) != 1:
            raise Invalid("write name = text, with ; between several", field="where")
        found[taken(name)] = [one for text in split_at(rest[0], "|") if (one := taken(text))]
    return found


# --- a definition as a form ---------------------------------------------------------------------------------------


def drafted(definition: Definition) -> Draft:
    """A definition as the form shows it."""
    return Draft([drafted_rule(one) for one in definition.rules], [drafted_points(one) for one in definition.points])


def drafted_rule(rule: Rule) -> RuleDraft:
    """A rule as the form shows it."""
    return RuleDraft(rule.name, rule.stage, rule.scope.value, list(rule.from_stages), root_of(rule.when))


def drafted_points(one: PointRule) -> PointsDraft:
    """Points as the form shows them."""
    each = None if one.each is None else node_of(one.each)
    when = Node("all", is_bare=True) if one.when is None else root_of(one.when)
    return PointsDraft(one.name, str(one.points), each, when, number_text(one.cap), number_text(one.half_life_days))


def root_of(when: Condition) -> Node:
    """A whole condition: a group, so that more can be added beside it."""
    found = node_of(when)
    return found if found.kind in ("all", "any") else Node("all", ones=[found], is_bare=True)


def node_of(one: Condition) -> Node:
    """A condition as the form shows it."""
    match one:
        case All(of):
            return Node("all", ones=[node_of(each) for each in of])
        case Any(of):
            return Node("any", ones=[node_of(each) for each in of])
        case Not(of):
            return Node("not", ones=[node_of(of)])
        case Scored(at_least):
            return Node(SCORE, {"at_least": str(at_least)})
        case Has():
            lists = {name: joined(words) for name, words in zip(LISTS, (one.is_, one.is_not, one.matches), strict=True)}
            known = "" if one.is_known is None else "yes" if one.is_known else "no"
            bounds = {"at_least": number_text(one.at_least), "at_most": number_text(one.at_most)}
            return Node(ATTRIBUTE, {"name": kept(one.attribute, ""), **lists, **bounds, "known": known})
        case Did():
            return Node(
                one.kind.value,
                {
                    "texts": joined(one.patterns),
                    "times": "" if one.times == 1 else str(one.times),
                    "within_days": number_text(one.within_days),
                    "where": joined_where(one.where),
                    "at_least": number_text(one.at_least),
                    "at_most": number_text(one.at_most),
                },
            )


def number_text(number: float | None) -> str:
    """A number as a field shows it."""
    return "" if number is None else repr(number)


def fields_of(draft: Draft) -> dict[str, str | list[str]]:
    """All fields of a form with their values, as a browser would send them; read_draft reads them."""
    found: dict[str, str | list[str]] = {"n_rules": str(len(draft.rules)), "n_points": str(len(draft.points))}
    for n, rule in enumerate(draft.rules):
        found |= {f"r{n}-name": rule.name, f"r{n}-stage": rule.stage, f"r{n}-scope": rule.scope}
        found[f"r{n}-from"] = rule.from_stages
        put_node(found, f"r{n}.w", rule.when)
    for n, one in enumerate(draft.points):
        found |= {f"p{n}-name": one.name, f"p{n}-points": one.points}
        if one.each is None:
            put_node(found, f"p{n}.w", one.when)
        else:
            found |= {f"p{n}-cap": one.cap, f"p{n}-half_life_days": one.half_life_days}
            put_node(found, f"p{n}.e", one.each)
    return found


def put_node(found: dict[str, str | list[str]], path: str, node: Node) -> None:
    """The fields of a condition."""
    found[f"{path}-kind"] = node.kind
    if node.is_group:
        found |= {f"{path}-n": str(len(node.ones)), f"{path}-bare": "1" if node.is_bare else ""}
        for place, one in enumerate(node.ones):
            put_node(found, f"{path}.{place}", one)
    else:
        found |= {f"{path}-{name}": text for name, text in node.told.items()}


# --- a form as a definition ---------------------------------------------------------------------------------------


def read_draft(form: Fields, all_of: Callable[[str], Sequence[str]]) -> Draft:
    """What a form says, whole or not; all_of gives all values of a field."""
    rules = [
        RuleDraft(
            form.get(f"r{n}-name", ""),
            form.get(f"r{n}-stage", ""),
            form.get(f"r{n}-scope", ""),
            list(all_of(f"r{n}-from")),
            read_root(form, f"r{n}.w"),
        )
        for n in range(count_of(form, "n_rules", MOST_RULES))
    ]
    return Draft(rules, [read_points(form, n) for n in range(count_of(form, "n_points", MOST_RULES))])


def read_points(form: Fields, n: int) -> PointsDraft:
    """What a form says of points."""
    each = read_node(form, f"p{n}.e") if f"p{n}.e-kind" in form else None
    return PointsDraft(
        form.get(f"p{n}-name", ""),
        form.get(f"p{n}-points", ""),
        each,
        read_root(form, f"p{n}.w"),
        form.get(f"p{n}-cap", ""),
        form.get(f"p{n}-half_life_days", ""),
    )


def read_root(form: Fields, path: str) -> Node:
    """A whole condition; an empty group where the form has none."""
    found = read_node(form, path)
    return found if found.is_group else Node("all", ones=[found] if f"{path}-kind" in form else [], is_bare=True)


def read_node(form: Fields, path: str, depth: int = 0) -> Node:
    """A condition of a form."""
    kind = form.get(f"{path}-kind", "")
    if kind in GROUPS:
        n = count_of(form, f"{path}-n", MOST_OF_ONE) if depth < MOST_DEEP else 0
        ones = [read_node(form, f"{path}.{place}", depth + 1) for place in range(n)]
        return Node(kind, ones=ones, is_bare=form.get(f"{path}-bare") == "1")
    kind = kind if kind in KINDS else DEED_KINDS[0]
    return Node(kind, {name: form.get(f"{path}-{name}", "").strip() for name in FIELDS.get(kind, DEED_FIELDS)})


def count_of(form: Fields, name: str, most: int) -> int:
    """How many of something a form says it has."""
    told = form.get(name, "")
    return min(int(told), most) if WHOLE.fullmatch(told) and int(told) > 0 else 0


def told_by(draft: Draft) -> Definition | None:
    """The definition that a form says; None where something is wrong: it then stands beside what is wrong."""
    rules = [rule_told(one, n) for n, one in enumerate(draft.rules, 1)]
    points = [points_told(one, n) for n, one in enumerate(draft.points, 1)]
    if any(one is None for one in (*rules, *points)):
        return None
    return Definition(tuple(one for one in rules if one), tuple(one for one in points if one))


def rule_told(draft: RuleDraft, n: int) -> Rule | None:
    """The rule that a form says."""
    when = condition_told(draft.when)
    table: dict[str, Whatever] = {"name": draft.name, "stage": draft.stage, "scope": draft.scope}
    if draft.from_stages:
        table["from"] = draft.from_stages
    if when is None:
        return None
    try:
        # The condition is whole by now; what it is may still not go with the rule (points of a company).
        rule = text_form.read_rule({**table, "when": {"score": 0} if asks(when, Scored) else ALWAYS_FITS}, n, None)
    except Invalid as error:
        draft.error = error.message
        return None
    return Rule(rule.name, rule.stage, when, rule.scope, rule.from_stages)


def points_told(draft: PointsDraft, n: int) -> PointRule | None:
    """The points that a form says."""
    table: dict[str, Whatever] = {"name": draft.name, "points": whole(draft.points)}
    one = condition_told(draft.when if draft.each is None else draft.each)
    if one is None:
        return None
    if draft.each is not None:
        table["each"] = ALWAYS_FITS
        if not isinstance(one, Did) or one.times != 1 or one.within_days is not None:
            table["each"] = {**ALWAYS_FITS, "times": 2}
        for name in ("cap", "half_life_days"):
            if getattr(draft, name):
                table[name] = whole(getattr(draft, name))
    else:
        table["when"] = {"score": 0} if asks(one, Scored) else ALWAYS_FITS
    try:
        found = text_form.read_points(table, n)
    except Invalid as error:
        draft.error = error.message
        return None
    if isinstance(one, Did) and draft.each is not None:
        return PointRule(found.name, found.points, one, None, found.cap, found.half_life_days)
    return PointRule(found.name, found.points, None, one)


ALWAYS_FITS = {"page": "*"}


def asks(when: Condition, kind: type[Condition]) -> bool:
    """Whether a condition of a kind stands somewhere in another."""
    match when:
        case All(of) | Any(of):
            return any(asks(one, kind) for one in of)
        case Not(one):
            return asks(one, kind)
        case _:
            return isinstance(when, kind)


def condition_told(node: Node, depth: int = 0) -> Condition | None:
    """The condition that a form says; None where something is wrong with it, or with one in it."""
    if not node.is_group:
        try:
            return text_form.condition_of(table_of(node), "", depth)
        except Invalid as error:
            node.error = error.message.removeprefix(": ").removeprefix(", ")
            return None
    if not node.ones:
        node.error = "empty"
        return None
    if depth > DEEPEST:
        node.error = f"conditions stand at most {DEEPEST} deep in one another"
        return None
    is_needless = node.is_bare and len(node.ones) == 1 and node.kind != "not"
    below = depth if is_needless else depth + 1
    found = [condition_told(one, below + (node.kind == "not" and len(node.ones) > 1)) for one in node.ones]
    of = tuple(one for one in found if one is not None)
    if len(of) < len(found):
        return None
    if is_needless:
        return of[0]
    if node.kind == "not":
        return Not(of[0] if len(of) == 1 else All(of))
    return All(of) if node.kind == "all" else Any(of)


def table_of(node: Node) -> dict[str, Whatever]:
    """A single condition as the table that the text form would have."""
    told = node.told
    if node.kind == SCORE:
        return {"score": whole(told.get("at_least", ""))}
    if node.kind == ATTRIBUTE:
        table: dict[str, Whatever] = {"attribute": taken(told.get("name", ""))}
        table |= {name: list(parted(told[name])) for name in LISTS if told.get(name)}
        if told.get("known"):
            table["known"] = told["known"] == "yes"
    else:
        table = {node.kind: list(parted(told.get("texts", "")))}
        table |= {name: whole(told[name]) for name in ("times", "within_days") if told.get(name)}
        if told.get("where"):
            table["where"] = parted_where(told["where"])
    return table | {name: number(told[name]) for name in NUMBERS if told.get(name)}


def whole(told: str) -> int | str:
    """A whole number, or the text as it is, which is refused then."""
    return int(told) if WHOLE.fullmatch(told.strip()) else told


def number(told: str) -> float | int | str:
    """A number, or the text as it is; what is written as a whole number stays one."""
    plain = told.strip()
    if WHOLE.fullmatch(plain) or re.fullmatch(r"[+-]?[0-9]{1,15}", plain):
        return int(plain)
    return float(plain) if len(plain) <= 40 and NUMBER.fullmatch(plain) else told


# --- what buttons do ----------------------------------------------------------------------------------------------


def node_at(draft: Draft, path: str) -> Node | None:
    """The condition at a path such as 'r0.w.1'; None where there is none."""
    head, *places = path.split(".")
    match = re.fullmatch(r"([rp])([0-9]{1,3})", head)
    if not match or places[:1] not in (["w"], ["e"]):
        return None
    known: Sequence[RuleDraft | PointsDraft] = draft.rules if match[1] == "r" else draft.points
    if int(match[2]) >= len(known):
        return None
    found: Node | None = known[int(match[2])].when
    for place in places[1:]:
        if found is None or not place.isdecimal() or int(place[:4]) >= len(found.ones):
            return None
        found = found.ones[int(place[:4])]
    return found


def act(draft: Draft, deed: str, kind: str) -> str:
    """Do what a button says to a draft; returns where to look then, as a path; '' for what no button says.

    deed  'add:r0.w', 'remove:r0.w.1', 'rule', 'drop:r0', 'each', 'while', 'drop:p0'
    kind  what is added, of KINDS
    """
    what, _, path = deed.partition(":")
    if what == "rule" and len(draft.rules) < MOST_RULES:
        draft.rules.append(RuleDraft())
        return f"r{len(draft.rules) - 1}"
    if what in ("each", "while") and len(draft.points) < MOST_RULES:
        each = Node(DEED_KINDS[0], dict.fromkeys(DEED_FIELDS, "")) if what == "each" else None
        draft.points.append(PointsDraft(each=each))
        return f"p{len(draft.points) - 1}"
    if what == "drop" and (match := re.fullmatch(r"([rp])([0-9]{1,3})", path)):
        known: list[Whatever] = draft.rules if match[1] == "r" else draft.points
        if int(match[2]) < len(known):
            del known[int(match[2])]
            return f"{match[1]}{max(int(match[2]) - 1, 0)}"
    if what == "add" and kind in KINDS and (group := node_at(draft, path)) is not None and group.is_group:
        if len(group.ones) < MOST_OF_ONE and path.count(".") <= MOST_DEEP:
            is_group = kind in GROUPS
            group.ones.append(Node(kind, {} if is_group else dict.fromkeys(FIELDS.get(kind, DEED_FIELDS), "")))
            return f"{path}.{len(group.ones) - 1}"
        return path
    if what == "remove":
        above, _, place = path.rpartition(".")
        group = node_at(draft, above)
        if group is not None and place.isdecimal() and int(place[:4]) < len(group.ones):
            del group.ones[int(place[:4])]
            return above
    return ""
