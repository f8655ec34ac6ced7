"""Whatever is imported, told and taken back: of each cost the newest word that was not taken back stands."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from shutil import copy

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.costs import Book
from tracker.costs.naming import CostRule
from tracker.db.store import connect
from tracker.ids import derive

IMPORT, TELL, TAKE_AWAY, TAKE_BACK, CALL = "import", "tell", "take away", "take back", "call"
CAMPAIGNS = ("a", "b", "c")
amounts = st.dictionaries(st.sampled_from(CAMPAIGNS), st.integers(0, 999), min_size=1)
imports = st.tuples(st.just(IMPORT), amounts)
# Which import is taken back: so many before the last that still is in.
backs = st.tuples(st.just(TAKE_BACK), st.integers(0, 3))
told = st.one_of(st.tuples(st.just(TELL), amounts), st.tuples(st.just(TAKE_AWAY), st.sampled_from(CAMPAIGNS)))
calls = st.tuples(st.just(CALL), st.sampled_from(["", "x", "y"]))
PROPERTY = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@dataclass(frozen=True)
class Word:
    """What was said of a campaign, when and by which import; no amount: it was taken away."""

    by: str | None
    amount: int | None
    at: datetime


@pytest.fixture
def book(sqlite_template: Path, tmp_path: Path) -> Iterator[Book]:
    """One store for all examples, which each have a site of their own."""
    store = connect(f"sqlite:///{copy(sqlite_template, tmp_path / 'store.sqlite3')}")
    yield Book(store)
    store.dispose()


class Plain:
    """The same with lists: all words are kept, and the newest is looked for."""

    def __init__(self) -> None:
        self.words: dict[str, list[Word]] = {campaign: [] for campaign in CAMPAIGNS}
        self.inside: list[str] = []
        self.name = ""

    def say(self, by: str | None, told: dict[str, int | None], at: datetime) -> None:
        for campaign, amount in told.items():
            self.words[campaign].append(Word(by, amount, at))

    def take_back(self, name: str) -> None:
        self.inside.remove(name)
        self.words = {campaign: [one for one in said if one.by != name] for campaign, said in self.words.items()}

    def standing(self, site_id: int) -> dict[str, tuple[object, ...]]:
        newest = {campaign: said[-1] for campaign, said in self.words.items() if said}
        return {
            campaign: (self.name or campaign, one.amount, one.amount, one.at, import_id(site_id, one.by))
            for campaign, one in newest.items()
            if one.amount is not None
        }


def import_id(site_id: int, name: str | None) -> str | None:
    return None if name is None else derive("cost import", site_id, name)


def shown(book: Book) -> dict[str, tuple[object, ...]]:
    return {
        row.told_campaign: (row.campaign, row.amount_minor, row.clicks, row.updated_at, row.import_id)
        for row in book.rows()
    }


def happen(book: Book, plain: Plain, step: tuple[str, object], n: int) -> None:
    """One step, in the store and in the lists."""
    kind, what = step
    if kind == IMPORT:
        book.take_in(str(n), what)  # type: ignore[arg-type]
        plain.say(str(n), what, book.now)  # type: ignore[arg-type]
        plain.inside.append(str(n))
    elif kind == TELL:
        book.tell(what)  # type: ignore[arg-type]
        plain.say(None, what, book.now)  # type: ignore[arg-type]
    elif kind == TAKE_AWAY:
        if str(what) in book.standing():
            book.take_away(str(what))
            plain.say(None, {str(what): None}, book.now)
    elif kind == CALL:
        plain.name = str(what)
        book.call([CostRule("google", "*", "*", campaign=plain.name)] if plain.name else [])
    elif plain.inside:
        name = plain.inside[-1 - int(what) % len(plain.inside)]  # type: ignore[call-overload]
        book.take_back(name)
        plain.take_back(name)


@settings(PROPERTY, max_examples=30)
@given(steps=st.lists(st.one_of(imports, imports, backs, told, calls), max_size=9))
def test_the_newest_word_that_was_not_taken_back_stands(book: Book, steps: list[tuple[str, object]]) -> None:
    book.anew()
    plain = Plain()
    for n, step in enumerate(steps):
        happen(book, plain, step, n)
        assert shown(book) == plain.standing(book.site_id)


@PROPERTY
@given(steps=st.lists(st.one_of(imports, imports, backs, told), max_size=5), last=amounts)
def test_taking_the_last_import_back_gives_the_costs_of_before_it(
    book: Book, steps: list[tuple[str, object]], last: dict[str, int]
) -> None:
    book.anew()
    plain = Plain()
    for n, step in enumerate(steps):
        happen(book, plain, step, n)
    before, n_kept = book.rows(), book.n_kept()
    book.take_in("last", last)
    assert {name: book.standing()[name] for name in last} == last
    book.take_back("last")
    assert (book.rows(), book.n_kept()) == (before, n_kept)


@PROPERTY
@given(files=st.lists(amounts, min_size=1, max_size=5), data=st.data())
def test_when_all_imports_are_taken_back_nothing_is_left(
    book: Book, files: list[dict[str, int]], data: st.DataObject
) -> None:
    book.anew()
    before = book.n_kept()
    for n, told in enumerate(files):
        book.take_in(str(n), told)
    for n in data.draw(st.permutations(range(len(files)))):
        book.take_back(str(n))
    assert book.rows() == []
    assert book.n_kept() == before
