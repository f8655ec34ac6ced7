"""What definitions make of people (definitions.md): asked of a whole history at once, and day by day."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tracker.clock import from_ms, to_ms
from tracker.errors import Invalid
from tracker.lifecycle.changes import Change, Word, changes_of
from tracker.lifecycle.conditions import Fact, Facts
from tracker.lifecycle.definition import read_condition, read_definition, written, written_condition
from tracker.lifecycle.rules import Asked, Version
from tracker.lifecycle.stages import SHIPPED
from tracker.vocabulary import FactKind, Scope, StageCause

PAGE = (Path(__file__).parent / "definitions.md").read_text(encoding="utf-8")
CASES = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))
AT_THE_END = to_ms(datetime(2026, 12, 31, tzinfo=UTC))
Rows = list[list[str]]


def at(day: str) -> int:
    return to_ms(datetime.fromisoformat(f"2026-{day}T03:00:00").replace(tzinfo=UTC))


def tables(text: str) -> tuple[Rows, Rows]:
    lines = [line for line in text.splitlines() if line.startswith("|") and not line.startswith("| ---")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    place = cells.index(["on", "from", "to", "by"])
    return cells[1:place], cells[place + 1 :]


def versions_of(text: str) -> list[Version]:
    found = []
    for number, block in enumerate(re.findall(r"```toml\n(.*?)```", text, re.DOTALL), 1):
        since = re.match(r"from = (\d\d-\d\d)\n", block)
        definition = read_definition(block[since.end() :] if since else block, SHIPPED.names)
        assert read_definition(written(definition), SHIPPED.names) == definition
        found.append(Version(number, at(since[1]) if since else 0, definition))
    return found


def fact_of(day: str, what: str) -> Fact | Word | None:
    """What one line says: a fact, somebody's word on the stage, or only that the person is known."""
    kind, _, rest = what.partition(" ")
    if kind in {"crm", "user"}:
        return Word(from_ms(at(day)), rest, StageCause(kind), kind, "")
    if what == "known":
        return None
    if rest.startswith("= "):
        return Fact(at(day), FactKind.ATTRIBUTE, kind, {"value": rest[2:]})
    if kind == "mail":
        programme, deed, step = rest.split()
        return Fact(at(day), kind, programme, {"kind": deed, "step": step})
    if kind == "deal":
        status, amount = rest.split()
        return Fact(at(day), kind, status, {"amount": amount})
    return Fact(at(day), FactKind(kind), rest)


def known_since(told: Rows) -> int:
    """From the line that says so, else from the first."""
    return at(next((day for day, what in told if what == "known"), told[0][0]))


def derived(versions: list[Version], told: Rows, now: int) -> list[Change]:
    """The changes by then, of what had happened by then."""
    lines = [fact_of(day, what) for day, what in told if at(day) <= now]
    if not lines or known_since(told) > now:
        return []
    words = [line for line in lines if isinstance(line, Word)]
    asked = Asked(versions, Scope.CONTACT, known_since(told), Facts([line for line in lines if isinstance(line, Fact)]))
    spoken = [one for one in asked.firings(again=bool(words)) if one.at <= now]
    return changes_of(words, (), spoken)


@pytest.mark.parametrize("case", CASES)
def test_definitions_move_people(case: str) -> None:
    told, expected = tables(CASES[case])
    found = derived(versions_of(CASES[case]), told, AT_THE_END)
    assert [[f"{one.at:%m-%d}", one.before or "", one.stage, one.by] for one in found] == expected


@pytest.mark.parametrize("case", CASES)
def test_asked_each_day_they_say_the_same_as_asked_at_the_end(case: str) -> None:
    """What was decided on a day stands on every later one: nothing of the past changes when more happens."""
    told, _ = tables(CASES[case])
    versions = versions_of(CASES[case])
    at_the_end = derived(versions, told, AT_THE_END)
    for day in range(at("03-01"), at("06-01"), 86_400_000):
        assert derived(versions, told, day) == [one for one in at_the_end if to_ms(one.at) <= day], day


def test_each_change_shows_the_facts_that_decided_it() -> None:
    told, _ = tables(CASES["Both have to hold, and the later one decides when"])
    versions = versions_of(CASES["Both have to hold, and the later one decides when"])
    facts = [line for day, what in told if isinstance(line := fact_of(day, what), Fact)]
    asked = Asked(versions, Scope.CONTACT, at("04-01"), Facts(facts))
    (firing,) = asked.firings(again=False)
    assert asked.proof(firing) == [
        [at("04-01"), "event", "download"],
        [at("04-09"), "attribute", "employees = 1,200"],
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "neither a [[rule]] nor [[points]]"),
        ("rule = 1", "write [[rule]]"),
        ("[[rule]", "this is no TOML"),
        ('[[rule]]\nname = "a"\nstage = "mql"\nwhen = { form = "x" }', "'mql' is no stage of this site"),
        ('[[rule]]\nname = "a"\nstage = "lead"', "write when"),
        ('[[rule]]\nname = "a"\nstage = "lead"\nwhen = {}', "a condition is a table"),
        ('[[rule]]\nname = "a"\nstage = "lead"\nwhen = { form = "x", page = "y" }', "a condition is one of"),
        ('[[rule]]\nname = "a"\nstage = "lead"\nwhen = { form = "x", time = 2 }', "'time' means nothing here"),
        ('[[rule]]\nname = "a"\nstage = "lead"\nwhen = { form = "x", times = 0 }', "times is a whole number from 1"),
        ('[[rule]]\nname = "a"\nstage = "lead"\nwhen = { form = "x", times = true }', "times is a whole number"),
        ('[[rule]]\nname = "a"\nstage = "lead"\nwhen = { attribute = "stage", is = "lead" }', "a rule cannot ask"),
        ('[[rule]]\nname = "a"\nstage = "lead"\nwhen = { attribute = "x" }', "say what 'x' is to be"),
        ('[[rule]]\nname = "a"\nstage = "lead"\nscope = "deal"\nwhen = { form = "x" }', "scope is contact or company"),
        ('[[rule]]\nname = "a"\nstage = "lead"\nwhen = { all = [] }', "all has 1 to 50 conditions"),
        ('[[rule]]\nname = "a"\nstage = "lead"\nwhen = ' + "{ not = " * 12 + '{ form = "x" }' + " }" * 12, "deep"),
        ('[[points]]\nname = "a"\npoints = 0\neach = { form = "x" }', "other than 0"),
        ('[[points]]\nname = "a"\npoints = 5\neach = { form = "x", times = 2 }', "each is one deed"),
        ('[[points]]\nname = "a"\npoints = 5\nwhen = { score = 5 }', "points cannot depend on points"),
        ('[[points]]\nname = "a"\npoints = 5', "either each (a deed) or when"),
        ('[[points]]\nname = "a"\npoints = 5\neach = {form = "x"}\n' * 2, "two [[points]] named 'a'"),
        ("x = 1" * 50_000, "at most 100000"),
    ],
)
def test_a_text_that_cannot_be_meant_is_refused_with_where_and_why(text: str, says: str) -> None:
    with pytest.raises(Invalid) as error:
        read_definition(text, SHIPPED.names)
    assert says in str(error.value)


def test_a_filter_may_ask_for_the_stage() -> None:
    condition = read_condition('when = { attribute = "stage", is = ["lead", "customer"] }')
    assert read_condition(written_condition(condition)) == condition
