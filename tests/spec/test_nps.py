"""tests/spec/nps.md: the score of a period, row by row."""

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.world import START
from tracker.survey.nps import Attitude, Scored, attitude_of, latest, nps_by_counts, nps_of

TABLE = Path(__file__).with_name("nps.md")


def rows() -> list[list[str]]:
    lines = [line for line in TABLE.read_text("utf-8").splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def answers_in(cell: str) -> list[Scored]:
    told = [one.split() for one in cell.split(",") if one.strip()]
    return [
        Scored(None if who == "-" else who, int(score), START + timedelta(hours=n))
        for n, (who, score) in enumerate(told)
    ]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_each_row_of_the_table(row: list[str]) -> None:
    _, answers, promoters, passives, detractors, score = row
    found = nps_of(answers_in(answers))
    assert [found.n_promoters, found.n_passives, found.n_detractors] == [int(promoters), int(passives), int(detractors)]
    assert found.score == (int(score) if score else None)


COUNTS = st.integers(0, 10_000)


@given(COUNTS, COUNTS, COUNTS)
def test_the_score_is_within_its_interval_and_turns_with_its_answers(up: int, middle: int, down: int) -> None:
    found, turned = nps_by_counts(up, middle, down), nps_by_counts(down, middle, up)
    if not up + middle + down:
        assert (found.score, found.low, found.high, found.shares) == (None, None, None, None)
        return
    assert found.score is not None
    assert found.low is not None
    assert found.high is not None
    assert -100 <= found.low <= found.score <= found.high <= 100
    assert turned.score == -found.score
    assert sum(found.shares or ()) == pytest.approx(1)


ANSWERS = st.builds(
    Scored,
    st.sampled_from([None, "hana", "ken", "rei"]),
    st.integers(0, 10),
    st.integers(0, 5).map(lambda hours: START + timedelta(hours=hours)),
    st.uuids().map(str),
)


@settings(max_examples=50)
@given(st.lists(ANSWERS, max_size=12), st.randoms(use_true_random=False))
def test_a_person_counts_once_with_the_latest_answer_in_whatever_order_they_came(
    answers: list[Scored], random: st.DataObject
) -> None:
    shuffled = list(answers)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert nps_of(shuffled) == nps_of(answers)
    counted = latest(answers)
    known = [one.person for one in counted if one.person]
    assert sorted(known) == sorted({one.person for one in answers if one.person})
    for one in counted:
        later = [other for other in answers if other.person == one.person and other.person]
        assert all((other.at, other.order) <= (one.at, one.order) for other in later)
    assert nps_of(answers).n == len(counted)


def test_the_borders_are_those_of_the_field() -> None:
    words = [attitude_of(score) for score in range(11)]
    assert words == [Attitude.DETRACTOR] * 7 + [Attitude.PASSIVE] * 2 + [Attitude.PROMOTER] * 2
    for wrong in (-1, 11):
        with pytest.raises(ValueError, match="no score"):
            attitude_of(wrong)
