"""Content-Security-Policy as browsers read it: what lets our script in and our hits out, and the missing line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.installing.policy import CONNECT, SCRIPT, Missing, fits, missing, read_policies

PAGE = "https://www.acme.example/shop/"
OURS = "https://track.acme.example/m.js?site=KEY"

# policy, the script loads, the line to write
SCRIPTS = [
    ("", True, ""),
    ("img-src 'none'", True, ""),
    ("script-src *", True, ""),
    ("script-src https:", True, ""),
    ("SCRIPT-SRC https://track.acme.example", True, ""),
    ("script-src track.acme.example", True, ""),
    ("script-src *.acme.example", True, ""),
    ("script-src https://*.acme.example:443", True, ""),
    ("script-src https://track.acme.example:*", True, ""),
    ("script-src http://track.acme.example", True, ""),
    ("script-src https://track.acme.example/m.js", True, ""),
    ("script-src 'nonce-abc'", True, ""),
    ("script-src 'nonce-abc' 'strict-dynamic'", True, ""),
    ("default-src *", True, ""),
    ("default-src 'none'; script-src-elem https:", True, ""),
    ("script-src 'self'; script-src *", False, "script-src 'self' https://track.acme.example"),
    ("script-src 'none'", False, "script-src https://track.acme.example"),
    ("script-src", False, "script-src https://track.acme.example"),
    ("default-src 'self'", False, "script-src 'self' https://track.acme.example"),
    ("script-src acme.example", False, "script-src acme.example https://track.acme.example"),
    ("script-src *.track.acme.example", False, "script-src *.track.acme.example https://track.acme.example"),
    ("script-src https://track.acme.example:8443", False, None),
    ("script-src https://track.acme.example/js/", False, None),
    ("script-src https://track.acme.example/M.js", True, ""),
    ("script-src 'unsafe-inline' 'unsafe-eval'", False, None),
    ("script-src 'nonce-other'", False, None),
    ("script-src 'nonce-other' 'strict-dynamic' https:", False, None),
    ("script-src https:; script-src-elem 'self'", False, "script-src-elem 'self' https://track.acme.example"),
]


@pytest.mark.parametrize(("policy", "loads", "line"), SCRIPTS, ids=[one[0] for one in SCRIPTS])
def test_a_script_is_let_in_as_browsers_do(policy: str, loads: bool, line: str | None) -> None:
    found = missing(read_policies([policy]), SCRIPT, OURS, PAGE, "abc")
    assert (found == []) is loads
    if line:
        assert [one.line for one in found] == [line]


CONNECTS = [
    ("script-src 'none'", True, ""),
    ("connect-src https://track.acme.example", True, ""),
    ("default-src 'self'", False, "connect-src 'self' https://track.acme.example"),
    ("connect-src 'self' wss:", False, "connect-src 'self' wss: https://track.acme.example"),
    ("default-src 'nonce-abc'", False, None),
]


@pytest.mark.parametrize(("policy", "leaves", "line"), CONNECTS, ids=[one[0] for one in CONNECTS])
def test_a_beacon_is_let_out_as_browsers_do(policy: str, leaves: bool, line: str | None) -> None:
    found = missing(read_policies([policy]), CONNECT, "https://track.acme.example/m/e", PAGE)
    assert (found == []) is leaves
    if line:
        assert [one.line for one in found] == [line]


def test_every_policy_must_allow_and_each_that_does_not_is_named() -> None:
    policies = read_policies(["script-src https:, script-src 'self'", "default-src 'none'"])
    assert missing(policies, SCRIPT, OURS, PAGE) == [
        Missing("script-src", "script-src 'self' https://track.acme.example"),
        Missing("default-src", "script-src https://track.acme.example"),
    ]


@pytest.mark.parametrize(
    ("source", "url", "is_own"),
    [
        ("'self'", "https://www.acme.example/tea/m.js", True),
        ("'self'", "https://www.acme.example:8443/m.js", False),
        ("'self'", "https://acme.example/m.js", False),
        ("'self'", "http://www.acme.example/m.js", False),
        ("'none'", "https://www.acme.example/m.js", False),
        ("data:", "https://www.acme.example/m.js", False),
        ("http:", "https://www.acme.example/m.js", True),
    ],
)
def test_self_and_schemes(source: str, url: str, is_own: bool) -> None:
    assert fits(source, url, PAGE) is is_own


@given(st.text(max_size=200), st.text(max_size=60))
def test_no_policy_breaks_it_and_what_it_tells_to_add_is_enough(text: str, nonce: str) -> None:
    policies = read_policies([text, f"script-src {text}"])
    for one in missing(policies, SCRIPT, OURS, PAGE, nonce):
        assert "'strict-dynamic'" in one.line.lower() or missing(read_policies([one.line]), SCRIPT, OURS, PAGE) == []
