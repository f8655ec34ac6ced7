"""Imports of costs one over the other, and taken back in any order (costs_taken_back.md): on both databases."""

import re
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.costs import Book

PAGE = (Path(__file__).parent / "costs_taken_back.md").read_text(encoding="utf-8")
CASES = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))
Lines = list[dict[str, str]]


def lines(text: str) -> Lines:
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


def amounts(text: str) -> dict[str, int]:
    """'a 100, b 50' by campaign."""
    return {campaign: int(amount) for campaign, amount in (one.split() for one in text.split(", "))}


@pytest.mark.parametrize("case", CASES)
def test_the_newest_word_that_was_not_taken_back_stands(store: Engine, case: str) -> None:
    book = Book(store)
    for line in lines(CASES[case]):
        what, rest = re.fullmatch(r"(import \w|tell|take back|take away):? (.*)", line["step"]).groups()  # type: ignore[union-attr]
        gone = back = ""
        if what == "tell":
            book.tell(amounts(rest))
        elif what == "take away":
            book.take_away(rest)
        elif what == "take back":
            gone, back = map(str, book.take_back(rest))
        else:
            book.take_in(what.split()[1], amounts(rest))
        shown = {campaign: str(amount) for campaign, amount in book.standing().items()}
        found = {name: shown.get(name, "") for name in line if len(name) == 1}
        assert {"step": line["step"], **found, "gone": gone, "back": back} == line
