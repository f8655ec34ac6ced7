"""docs/definitions.md: each example can be read, and shows every deed and key that there is."""

import re
from pathlib import Path

from tracker.lifecycle.definition import DEEDS, DID_KEYS, HAS_KEYS, read_condition, read_definition
from tracker.lifecycle.difference import Verdict, differences, line_of
from tracker.lifecycle.draft import draft_text
from tracker.lifecycle.rules import Definition
from tracker.lifecycle.stages import SHIPPED

PAGE = (Path(__file__).parents[2] / "docs/definitions.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
OLD = "\n".join(f'[[rule]]\nname = "{name}"\nstage = "lead"\nwhen = {{ page = "/{name}" }}\n' for name in "ab")


def test_each_example_can_be_read_and_every_kind_of_condition_has_one() -> None:
    for text in EXAMPLES:
        if text.startswith("when"):
            read_condition(text)
        else:
            read_definition(text, SHIPPED.names)
    shown = "".join(EXAMPLES)
    words = (
        *DEEDS,
        *HAS_KEYS,
        *DID_KEYS,
        "score",
        "all",
        "any",
        "not",
        "each",
        "cap",
        "half_life_days",
        "scope",
        "from",
    )
    assert [word for word in words if not re.search(rf"\b{word}\b *=|\.{word} =", shown)] == []


def test_the_draft_can_be_read_and_leads_to_the_stages_that_it_names() -> None:
    draft = read_definition(draft_text(), SHIPPED.names)
    assert [rule.stage for rule in draft.rules] == [
        "lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity"
    ]  # fmt: skip


def test_two_definitions_differ_by_what_was_added_removed_and_changed() -> None:
    before = read_definition(OLD, None)
    after = read_definition(OLD.replace("/b", "/c").replace('"a"', '"c"'), None)
    assert [(one.verdict, one.name) for one in differences(before, after)] == [
        (Verdict.ADDED, "c"), (Verdict.CHANGED, "b"), (Verdict.REMOVED, "a")
    ]  # fmt: skip
    assert differences(before, before) == []
    assert [one.verdict for one in differences(Definition(), before)] == [Verdict.ADDED] * 2


def test_an_error_is_found_in_the_text() -> None:
    assert line_of("this is no TOML: Invalid value (at line 3, column 5)", OLD) == 3
    assert line_of("rule 'b': 'x' means nothing here", OLD) == 6
    assert line_of("rule 2: name is a text of 1 to 200 characters", OLD) == 6
    assert line_of("rule 'b', all: a condition is one of", OLD) == 6
    assert line_of("points 'b': say", OLD) is None
    assert line_of("there is neither a [[rule]] nor [[points]]", OLD) is None
