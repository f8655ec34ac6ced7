"""Files of advertising platforms in, costs out (cost_files.md, costs/*.csv)."""

import re
from pathlib import Path

import pytest

from tracker.costs.choices import guess
from tracker.costs.reading import read_sheet
from tracker.costs.understand import LeftOut, Understood, understand
from tracker.money import plain

FOLDER = Path(__file__).parent / "costs"
LAST_DAY = "2026-04-30"
SITE_CURRENCY = "EUR"
# Its columns' names are in no list: somebody has to say what they are.
BY_HAND = {"own_semicolon.csv"}


def tables() -> dict[str, list[list[dict[str, str]]]]:
    """The tables under each file's name, as rows by column."""
    text = (Path(__file__).parent / "cost_files.md").read_text(encoding="utf-8")
    found = {}
    for name, body in re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE):
        found[name] = [table(block) for block in re.findall(r"(?:^\|.*\n?)+", body, re.MULTILINE)]
    return found


def table(block: str) -> list[dict[str, str]]:
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in block.strip().splitlines()]
    return [dict(zip(head, row, strict=True)) for row in rows]


SPEC = tables()


def shown(out: LeftOut) -> str:
    return f"{out.line} {out.why.value}" + (f" {out.amount}" if out.amount is not None else "")


def cost_lines(found: Understood) -> list[dict[str, str]]:
    return [
        {
            "day": one.day,
            "source": one.source,
            "medium": one.medium,
            "campaign": one.campaign,
            "amount": plain(one.amount_minor, one.currency),
            "currency": one.currency,
            "clicks": "" if one.clicks is None else str(one.clicks),
            "impressions": "" if one.impressions is None else str(one.impressions),
        }
        for one in found.costs
    ]


@pytest.mark.parametrize("name", SPEC)
def test_an_export_is_known_and_read_without_help(name: str) -> None:
    (about,), costs = SPEC[name]
    sheet = read_sheet((FOLDER / name).read_bytes())
    choices = guess(sheet, SITE_CURRENCY)
    found = understand(sheet, choices, LAST_DAY)
    assert about == {
        "platform": choices.platform.value,
        "encoding": sheet.encoding,
        "between cells": sheet.delimiter,
        "columns named in line": str(sheet.lines[choices.header].number),
        "left out": ", ".join(map(shown, found.left_out)),
        "cannot be read": ", ".join(f"{one.line} {one.fault.value}" for one in found.faulty),
    }
    assert cost_lines(found) == costs


def test_every_file_stands_in_the_table() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(SPEC) | BY_HAND


@pytest.mark.parametrize("name", [name for name in SPEC if any("total" in row["left out"] for row in SPEC[name][0])])
def test_the_files_own_total_is_the_sum_of_what_was_read(name: str) -> None:
    sheet = read_sheet((FOLDER / name).read_bytes())
    found = understand(sheet, guess(sheet, SITE_CURRENCY), LAST_DAY)
    told = [out.amount for out in found.left_out if out.amount is not None]
    assert told == [sum(row.amount for row in found.rows)]
