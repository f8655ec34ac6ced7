"""A path in, the credit of each touch out: by the plain models and by their vectorised twins (attribution.md)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.facts import Cells, instant_ms, sections
from tracker.attribution.credit import Weighted, share
from tracker.attribution.models import (
    DirectPolicy,
    Paths,
    Touch,
    earliest_ms,
    lookback_days,
    weigh,
    weigh_all,
)
from tracker.money import split, tie_key
from tracker.vocabulary import Model

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs" / "attribution.md"
CONVERSION = "conversion 1"


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the table. `credit` is None where nothing explains the outcome."""

    path: list[Touch]
    earliest: int
    amount: int
    model: Model
    direct: DirectPolicy
    credit: list[int] | None


def case_of(cells: Cells) -> Case:
    path = []
    for i, step in enumerate(cells["path"].split(" > ") if cells["path"] else ()):
        channel, day = step.split()
        path.append(Touch(f"touch {i + 1}", instant_ms(f"2026-{day}"), channel))
    kind, day = cells["outcome"].split()
    days = lookback_days(kind, int(cells["look-back"]) if cells["look-back"] else None)
    return Case(
        path=path,
        earliest=earliest_ms(instant_ms(f"2026-{day}"), days),
        amount=int(cells["amount"]),
        model=Model(cells["model"]),
        direct=DirectPolicy(cells["direct"]),
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
    weights = weigh(case.model, case.path, case.earliest, case.direct)
    if case.credit is None:
        assert sum(weights) == 0
        return
    keys = [tie_key(CONVERSION, touch.touchpoint_id) for touch in case.path]
    assert split(case.amount, weights, keys) == case.credit


@pytest.mark.parametrize("case", cases())
def test_its_vectorised_twin_credits_the_same(case: Case) -> None:
    offsets = np.array([0, len(case.path)], dtype=np.int64)
    paths = Paths(
        offsets,
        np.array([touch.touched_ms for touch in case.path], dtype=np.int64),
        np.array([touch.is_direct for touch in case.path], dtype=np.bool_),
    )
    weights = weigh_all(case.model, paths, np.array([case.earliest], dtype=np.int64), case.direct)
    weighted = Weighted(offsets, weights, [CONVERSION], [touch.touchpoint_id for touch in case.path])
    shares = share([case.amount], np.array([0], dtype=np.int64), weighted).shares.tolist()
    assert shares == (case.credit or [0] * len(case.path))
    assert bool(weighted.totals[0]) is (case.credit is not None)
