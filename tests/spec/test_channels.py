"""tests/spec/channels.csv, row by row: where a visitor came from, in the words of a marketer."""

import csv
from pathlib import Path

import pytest

from tracker.channels.rules import RULES_VERSION, classify
from tracker.urls import read_arrival
from tracker.vocabulary import Channel

OWN_HOSTS = frozenset({"acme.co.jp"})

with Path(__file__).with_name("channels.csv").open(encoding="utf-8", newline="") as file:
    ROWS = list(csv.DictReader(file, strict=True))


@pytest.mark.parametrize("row", ROWS, ids=[f"{number}: {row['why']}" for number, row in enumerate(ROWS, 2)])
def test_an_arrival_gets_the_names_and_the_channel_of_its_row(row: dict[str, str]) -> None:
    found = classify(read_arrival(row["url"], row["referrer"] or None, OWN_HOSTS))
    assert (found.channel, found.source, found.medium, found.campaign) == (
        row["channel"],
        row["source"],
        row["medium"],
        row["campaign"],
    ), f"{row['why']} (decided by {found.rule})"
    assert found.rules_version == RULES_VERSION


def test_every_channel_has_a_row() -> None:
    assert {row["channel"] for row in ROWS} == set(Channel) - {Channel.UNATTRIBUTED}


def test_no_arrival_stands_there_twice() -> None:
    arrivals = [(row["url"], row["referrer"]) for row in ROWS]
    assert sorted(arrivals) == sorted(set(arrivals))


def test_every_row_says_why() -> None:
    assert all(row["why"] for row in ROWS)
