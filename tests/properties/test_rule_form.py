"""The rule builder says what the text says, and nothing is lost on the way from one to the other and back."""

from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from api.pages.rule_form import act, drafted, fields_of, joined, joined_where, parted, parted_where, read_draft, told_by
from tracker.lifecycle.conditions import All, Any, Condition, Did, Has, Not, Scored
from tracker.lifecycle.definition import DEEDS, read_definition, written
from tracker.lifecycle.rules import Definition, Rule
from tracker.lifecycle.score import PointRule
from tracker.vocabulary import Scope, Stage

# What fields are cut at, what a browser takes away, and what people write.
SIGNS = st.text(st.sampled_from(list("ab*|\\;= \n\r\t\u3000資u0020'\"/")), min_size=1, max_size=8)
TEXTS = SIGNS | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
LISTS = st.lists(TEXTS, min_size=1, max_size=3).map(tuple)
NAMES = TEXTS.map(str.strip).filter(bool)
NUMBERS = st.none() | st.integers(-(10**14), 10**14) | st.floats(-1e14, 1e14)
DAYS = st.none() | st.integers(1, 3_650)
STAGES = st.sampled_from([stage.value for stage in Stage])
WHERE = st.dictionaries(NAMES, LISTS, max_size=2).map(lambda told: tuple(sorted(told.items())))
DEED = st.builds(Did, st.sampled_from(DEEDS), LISTS, WHERE, st.just(1), st.none(), NUMBERS, NUMBERS)
DID = st.builds(Did, st.sampled_from(DEEDS), LISTS, WHERE, st.integers(1, 1_000), DAYS, NUMBERS, NUMBERS)
EMPTY = st.just(())
HAS = st.builds(
    Has,
    NAMES.filter(lambda name: name != "stage"),
    EMPTY | LISTS,
    EMPTY | LISTS,
    EMPTY | LISTS,
    NUMBERS,
    NUMBERS,
    st.none() | st.booleans(),
).filter(lambda has: has != Has(has.attribute))


def nested(leaves: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    def more(inner: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
        some = st.lists(inner, min_size=1, max_size=3).map(tuple)
        return st.builds(All, some) | st.builds(Any, some) | st.builds(Not, inner)

    return st.recursive(leaves, more, max_leaves=5)


WITHOUT_POINTS = nested(DID | HAS)
WITH_POINTS = nested(DID | HAS | st.builds(Scored, st.integers(-(10**6), 10**6)))
FROM = st.lists(STAGES, max_size=2, unique=True).map(tuple)
RULES = st.builds(Rule, NAMES, STAGES, WITH_POINTS, st.just(Scope.CONTACT), FROM) | st.builds(
    Rule, NAMES, STAGES, WITHOUT_POINTS, st.just(Scope.COMPANY), FROM
)
WORTH = st.integers(-1_000, 1_000).filter(bool)
POINTS = st.builds(PointRule, NAMES, WORTH, DEED, st.none(), st.none() | st.integers(1, 100_000), DAYS) | st.builds(
    PointRule, NAMES, WORTH, st.none(), WITHOUT_POINTS
)


def once(strategy: st.SearchStrategy[Rule] | st.SearchStrategy[PointRule], least: int) -> st.SearchStrategy[tuple]:
    return st.lists(strategy, min_size=least, max_size=2, unique_by=lambda one: one.name).map(tuple)


DEFINITIONS = st.builds(Definition, once(RULES, 1), once(POINTS, 0))


def is_flat(one: Condition, depth: int = 0) -> bool:
    """Whether it stands no deeper than the text form allows."""
    match one:
        case All(of) | Any(of):
            return all(is_flat(each, depth + 1) for each in of)
        case Not(each):
            return is_flat(each, depth + 1)
        case _:
            return depth <= 8


@settings(max_examples=30, deadline=None)
@given(DEFINITIONS)
def test_switching_between_builder_and_text_keeps_everything(definition: Definition) -> None:
    conditions = [one.when for one in (*definition.rules, *definition.points) if one.when is not None]
    if not all(map(is_flat, conditions)):
        return
    told = read_definition(written(definition), None)
    assert told == definition
    sent = MultiDict(fields_of(drafted(told)))
    draft = read_draft(sent, sent.getlist)
    assert told_by(draft) == definition, draft
    assert MultiDict(fields_of(draft)) == sent


@settings(max_examples=40, deadline=None)
@given(LISTS, WHERE)
def test_several_texts_in_one_field_are_taken_apart_again(texts: tuple[str, ...], where: tuple) -> None:
    assert parted(joined(texts)) == texts
    assert not set(joined(texts)) & set("\r\n\0"), "a browser would take these away"
    assert tuple(sorted((name, tuple(ones)) for name, ones in parted_where(joined_where(where)).items())) == where


@settings(max_examples=30, deadline=None)
@given(
    st.dictionaries(st.text(st.sampled_from("rpwen0123.-kidbax_"), max_size=12), st.text(max_size=6), max_size=12),
    st.lists(st.tuples(st.sampled_from(["add", "remove", "drop", "rule", "each", "while", "x"]), st.text(max_size=8))),
)
def test_whatever_a_form_says_it_is_read_and_buttons_do_no_harm(form: dict[str, str], deeds: list) -> None:
    sent = MultiDict({"n_rules": "3", "n_points": "2", "r0.w-kind": "any", "r0.w-n": "4", "p0.e-kind": "form", **form})
    draft = read_draft(sent, sent.getlist)
    for what, path in [*deeds, ("add", "r0.w"), ("remove", "r0.w.0")]:
        act(draft, f"{what}:{path}", "any")
    told = told_by(draft)
    assert told is None or read_definition(written(told), None) == told
    again = MultiDict(fields_of(draft))
    assert fields_of(read_draft(again, again.getlist)) == fields_of(draft)
