"""Whose request it is, behind proxies and not: clients.csv, row by row."""

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.collect.address import client_of, country_of, is_loopback, networks_of, read_address, sender_of

with (Path(__file__).parent / "clients.csv").open(encoding="utf-8", newline="") as file:
    ROWS = list(csv.DictReader(file))


@pytest.mark.parametrize("row", ROWS, ids=[row["why"] for row in ROWS])
def test_the_client_is_known(row: dict[str, str]) -> None:
    assert client_of(row["peer"], row["x_forwarded_for"], networks_of(row["trusted"])) == row["client"]


@pytest.mark.parametrize(
    ("address", "sender"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("", ""),
        ("nobody", ""),
    ],
)
def test_of_ipv6_a_sender_is_its_network(address: str, sender: str) -> None:
    assert sender_of(address) == sender


def test_this_machine_is_known_by_its_addresses() -> None:
    assert [is_loopback(one) for one in ("127.0.0.1", "::1", "::ffff:127.0.0.5", "203.0.113.9", "")] == [
        True,
        True,
        True,
        False,
        False,
    ]


def test_a_word_that_is_no_network_is_refused() -> None:
    with pytest.raises(ValueError, match="nginx"):
        networks_of("127.0.0.1, nginx")


texts = st.text(max_size=60) | st.ip_addresses().map(str) | st.lists(st.ip_addresses().map(str)).map(", ".join)


@given(peer=texts, forwarded=texts)
def test_no_header_raises_or_gives_anything_but_an_address(peer: str, forwarded: str) -> None:
    client = client_of(peer, forwarded, networks_of("127.0.0.1, 10.0.0.0/8, ::/1"))
    assert client in ("", peer) or read_address(client) is not None
    country_of(client)
    sender_of(client)
