"""Small worlds in, what the data-driven models learn from them out, as fractions (data_driven.md)."""

import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.facts import Cells, table
from tracker.attribution import hazard, markov, shapley
from tracker.attribution.touches import DAY_MS

Ints = NDArray[np.int64]

TEXT = (Path(__file__).parent / "data_driven.md").read_text("utf-8")


def cases(heading: str) -> list[object]:
    rows = table(TEXT, heading)
    assert rows
    return [pytest.param(cells, id=next(iter(cells.values())) + f" ({i})") for i, cells in enumerate(rows)]


def csr(paths: list[list[int]]) -> tuple[Ints, Ints]:
    offsets = np.cumsum([0, *map(len, paths)], dtype=np.int64)
    return offsets, np.array([code for path in paths for code in path], dtype=np.int64)


class World:
    """`search > email: 1 of 3, search: 0 of 1` as arrays; the channels are numbered by name."""

    def __init__(self, text: str) -> None:
        told = [re.fullmatch(r"(.+): (\d+) of (\d+)", one) for one in text.split(", ")]
        found = [(one[1].split(" > "), int(one[2]), int(one[3])) for one in told if one]
        assert len(found) == len(told)
        self.names = sorted({name for path, _, _ in found for name in path})
        self.offsets, self.codes = csr([[self.names.index(name) for name in path] for path, _, _ in found])
        self.converted = np.array([yes for _, yes, _ in found], dtype=np.int64)
        self.nulls = np.array([of - yes for _, yes, of in found], dtype=np.int64)

    def told(self, text: str) -> list[float]:
        """`search 1/2, email 1` as a number per channel; 0 for one that is not told."""
        given = dict(one.split() for one in text.split(", "))
        assert set(given) <= set(self.names)
        return [float(Fraction(given.get(name, "0"))) for name in self.names]


@pytest.mark.parametrize("cells", cases("Removal effects"))
def test_removing_a_channel_loses_this_share_of_conversions(cells: Cells) -> None:
    world = World(cells["paths"])
    n, order = len(world.names), int(cells["order"])
    chain = markov.count(world.offsets, world.codes, world.converted, n, order, world.nulls)
    assert markov.p_conversion(chain) == pytest.approx(float(Fraction(cells["conversion"])), abs=1e-15)
    found = markov.removal_effects(chain)
    assert found.tolist() == pytest.approx(world.told(cells["removal effects"]), abs=1e-14)


@pytest.mark.parametrize("cells", cases("Shapley"))
def test_each_channel_has_this_shapley_value(cells: Cells) -> None:
    world = World(cells["paths"])
    found = shapley.totals(world.offsets, world.codes, world.converted, len(world.names))
    assert found.tolist() == pytest.approx(world.told(cells["values"]), abs=1e-15)


@pytest.mark.parametrize("cells", cases("Shapley by position"))
def test_each_channel_has_this_value_at_each_position(cells: Cells) -> None:
    world = World(cells["paths"])
    expected = [world.told(line) for line in cells["values"].split("; ")]
    found = shapley.totals_by_position(
        world.offsets, world.codes, world.converted, len(world.names), n_positions=len(expected)
    )
    by_position = found.T.tolist()
    assert by_position == [pytest.approx(line, abs=1e-15) for line in expected]


@pytest.mark.parametrize("cells", cases("Shapley of one path"))
def test_the_touches_of_one_path_weigh_this(cells: Cells) -> None:
    names = cells["path"].split(" > ") if cells["path"] else []
    codes = [sorted(set(names)).index(name) for name in names]
    expected = [int(one) for one in cells["weights"].split(" > ")] if cells["weights"] else []
    assert shapley.weights(codes) == expected
    assert shapley.weights_all(*csr([codes])).tolist() == expected


@pytest.mark.parametrize("cells", cases("Hazard with baseline"))
def test_days_without_and_with_touches_give_this_hazard(cells: Cells) -> None:
    people: list[tuple[list[str], int, bool]] = []
    for one in cells["people"].split(", "):
        told = re.fullmatch(r"(\d+) x (.+) (converted|until) (\d+)", one)
        assert told
        people += [(told[2].split(), int(told[4]), told[3] == "converted")] * int(told[1])
    names = sorted({name for touches, _, _ in people for name in touches[::2]})
    offsets, codes = csr([[names.index(name) for name in touches[::2]] for touches, _, _ in people])
    days = np.array([int(day) for touches, _, _ in people for day in touches[1::2]], dtype=np.int64)
    ends = np.array([end for _, end, _ in people], dtype=np.int64)
    converted = np.array([is_converted for _, _, is_converted in people], dtype=np.int64)
    found = hazard.fit(offsets, codes, days * DAY_MS, ends * DAY_MS, converted, len(names), half_lives_days=(1,))
    assert found.baseline == pytest.approx(float(Fraction(cells["baseline"])), abs=1e-14)
    effects = dict(one.split() for one in cells["effects"].split(", "))
    assert found.betas.tolist() == pytest.approx([float(Fraction(effects[name])) for name in names], abs=1e-14)
