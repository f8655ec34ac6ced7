"""A link's token opens for whom it was made, for two minutes; changed, or for anybody else, it opens for nobody."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tracker.collect.address import surroundings_of
from tracker.collect.crossing import LEEWAY, LIFE, issue, open_token

NOW = datetime(2026, 4, 1, 3, 0, tzinfo=UTC)
SECRET = "s" * 48
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
visitors = st.from_regex(re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII), fullmatch=True)
words = st.text(max_size=300)
moments = st.timedeltas(timedelta(0), LIFE)


@given(visitors, words, words, words, moments)
def test_it_opens_for_whom_it_was_made_and_is_fit_for_an_address(
    visitor: str, site: str, agent: str, network: str, later: timedelta
) -> None:
    token = issue(SECRET, site, visitor, agent, network, NOW)
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,160}", token)
    assert open_token(SECRET, token, site, agent, network, NOW + later) == visitor


@given(visitors, words, words, words, st.data())
def test_no_other_site_agent_network_or_secret_opens_it(
    visitor: str, site: str, agent: str, network: str, data: st.DataObject
) -> None:
    token = issue(SECRET, site, visitor, agent, network, NOW)
    whom = [SECRET, site, agent, network]
    place = data.draw(st.integers(0, 3))
    other = data.draw(words)
    assume(other != whom[place])
    whom[place] = other
    secret, *others = whom
    assert open_token(secret, token, *others, NOW) is None


@given(visitors, words, words)
def test_what_is_told_of_whom_cannot_be_shifted_from_one_part_to_another(visitor: str, one: str, other: str) -> None:
    token = issue(SECRET, one + other, visitor, "", "x", NOW)
    assume(other)
    assert open_token(SECRET, token, one, other, "x", NOW) is None


@given(visitors, st.data())
def test_with_any_character_changed_put_in_or_left_out_it_opens_for_nobody(visitor: str, data: st.DataObject) -> None:
    token = issue(SECRET, "k", visitor, "agent", "203.0.113.0/24", NOW)
    at = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.sampled_from(LETTERS) | st.characters())
    changed = data.draw(
        st.sampled_from(
            [token[:at] + letter + token[at + 1 :], token[:at] + letter + token[at:], token[:at] + token[at + 1 :]]
        )
    )
    assume(changed != token)
    assert open_token(SECRET, changed, "k", "agent", "203.0.113.0/24", NOW) is None


@given(st.text() | st.text(LETTERS, max_size=200))
def test_what_is_no_token_opens_for_nobody(text: str) -> None:
    assert open_token(SECRET, text, "k", "agent", "", NOW) is None


@given(visitors, st.timedeltas(timedelta(milliseconds=1), timedelta(days=3_000)))
def test_it_opens_neither_later_nor_before_it_was_made(visitor: str, much: timedelta) -> None:
    token = issue(SECRET, "k", visitor, "agent", "", NOW)
    assert open_token(SECRET, token, "k", "agent", "", NOW + LIFE + much) is None
    assert open_token(SECRET, token, "k", "agent", "", NOW - LEEWAY - much) is None


@given(visitors)
def test_it_does_not_tell_the_visitor_and_no_two_are_alike(visitor: str) -> None:
    one, other = (issue(SECRET, "k", visitor, "agent", "", NOW) for _ in range(2))
    assert visitor not in one
    assert one.split(".")[2] != other.split(".")[2]


@pytest.mark.parametrize("visitor", ["", "short", "v" * 65, "v" * 20 + "\n", "ü" * 20, "v.v" * 8])
def test_none_is_made_for_what_is_no_visitor(visitor: str) -> None:
    with pytest.raises(ValueError, match="visitor"):
        issue(SECRET, "k", visitor, "agent", "", NOW)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.9", "203.0.113.0/24"),
        ("203.0.113.254", "203.0.113.0/24"),
        ("::ffff:203.0.113.9", "203.0.113.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("2001:db8:1:ffff::1", "2001:db8:1::/48"),
        ("unknown", ""),
        ("", ""),
    ],
)
def test_a_network_is_what_stays_of_an_address(address: str, network: str) -> None:
    assert surroundings_of(address) == network
