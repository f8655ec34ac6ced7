"""A path in, the credit of each touch out: by the plain models and by their vectorised twins (attribution.md)."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from tests.facts import Cells, instant_ms, sections
from tracker.attribution.credit import Weighted, share
from tracker.attribution.models import weigh, weigh_all
from tracker.attribution.terms import DirectPolicy, Terms
from tracker.attribution.touches import Touch, Way, paths_of
from tracker.money import split, tie_number
from tracker.vocabulary import Model

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs" / "attribution.md"
CONVERSION = "conversion 1"


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the table. `credit` is None where nothing explains the outcome."""

    way: Way
    terms: Terms
    amount: int
    credit: list[int] | None


def case_of(cells: Cells) -> Case:
    path = []
    for i, step in enumerate(cells["path"].split(" > ") if cells["path"] else ()):
        channel, day = step.split()
        path.append(Touch(f"touch {i + 1}", instant_ms(f"2026-{day}"), channel))
    kind, day = cells["outcome"].split()
    terms = Terms(Model(cells["model"]), DirectPolicy(cells["direct"]))
    if cells["look-back"]:
        terms = replace(terms, lead_days=int(cells["look-back"]), money_days=int(cells["look-back"]))
    converted_ms = instant_ms(f"2026-{day}")
    return Case(
        way=Way(path, converted_ms, terms.earliest_ms(kind, converted_ms)),
        terms=terms,
        amount=int(cells["amount"]),
        credit=None if cells["credit"] == "-" else [int(one) for one in cells["credit"].split(" > ")],
    )


def cases() -> list[object]:
    return [
        pytest.param(case_of(cells), id=f"{section.name}: {cells['model']} {cells['path']} ({i})")
        for file in (HERE / "attribution.md", DOCS)
        for section in sections(file.read_text("utf-8"))
        for i, cells in enumerate(section.tables.get("Table", ()))
    ]


@pytest.mark.parametrize("case", cases())
def test_the_plain_model_credits_each_touch(case: Case) -> None:
    weights, rest = weigh(case.terms, case.way)
    assert rest == 0
    if case.credit is None:
        assert sum(weights) == 0
        return
    assert split(case.amount, weights, ties_of(case)) == case.credit


def ties_of(case: Case) -> list[int]:
    return [tie_number(CONVERSION, touch.touchpoint_id) for touch in case.way.touches]


@pytest.mark.parametrize("case", cases())
def test_its_vectorised_twin_credits_the_same(case: Case) -> None:
    paths = paths_of([case.way])
    weights, _ = weigh_all(case.terms, paths)
    weighted = Weighted(paths.offsets, weights, np.array(ties_of(case), dtype=np.int64))
    shares = share([case.amount], np.array([0], dtype=np.int64), weighted).shares.tolist()
    assert shares == (case.credit or [0] * len(case.way.touches))
    assert bool(weighted.totals[0]) is (case.credit is not None)
