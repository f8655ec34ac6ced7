"""What a line of a web server's access log is: a page view, or refused with a reason (log_lines.csv)."""

import csv
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tracker.access.sites import Site
from tracker.collect.logfile import LINE_LIMIT, LogLine, page_hit, parse_line, refuse_line, visitor_id_of
from tracker.collect.payload import Hit
from tracker.ids import is_uuid7
from tracker.logimport import outcome

HOSTS = ("www.example.com", "shop.example.jp")
TABLE = Path(__file__).with_name("log_lines.csv")
NOW = datetime(2026, 11, 21, tzinfo=UTC)
SITE = Site(1, "key", "Example", HOSTS, "UTC", None, 1_800, False, NOW)
WHOLE = (
    b'203.0.113.9 - - [17/May/2026:10:05:03 +0000] "GET /pricing?gclid=a HTTP/1.1" 200 5120 '
    b'"https://www.google.com/" "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"'
)


def rows() -> list[dict[str, str]]:
    with TABLE.open(encoding="utf-8", newline="") as table:
        return list(csv.DictReader(table))


def read(line: bytes) -> LogLine:
    found = parse_line(line)
    assert found is not None
    return found


def hit_of(line: bytes, occurrence: int = 0, salt: bytes = b"salt") -> Hit:
    return page_hit(read(line), occurrence, site_hosts=HOSTS, salt=salt, country=None, received_at=NOW)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["why"])
def test_a_line_is_a_page_view_or_refused_with_a_reason(row: dict[str, str]) -> None:
    line = parse_line(row["line"].encode())
    reason = outcome(line, SITE, NOW)
    assert (reason.value if reason else "page") == row["outcome"]
    if line is not None and reason is None:
        hit = hit_of(row["line"].encode())
        assert (hit.url, hit.referrer or "") == (row["url"], row["referrer"])
        assert hit.occurred_at == datetime(2026, 5, 17, 10, 5, 3, tzinfo=UTC)
        assert is_uuid7(hit.hit_id)


def test_the_table_has_every_reason_that_a_line_can_have() -> None:
    reasons = "malformed foreign_host not_a_page not_successful bot".split()
    assert {row["outcome"] for row in rows()} == {"page", *reasons}


PIECES = (
    b'"|\\|\\x|\\xZZ|[|] | - - |\x00|\xff|GET | HTTP/1.1|%|?|://|[17/May/2026:10:05:03 +0000]|'
    b' "GET / HTTP/1.1" | 200 |-|2001:db8::7|' + b"\n|\xe6\xba\x90"
).split(b"|")
JUNK = st.binary(max_size=300) | st.lists(st.sampled_from(PIECES) | st.binary(max_size=8)).map(b"".join)


@given(JUNK)
@example(b"\\" * 10_000)
@example(WHOLE[:60] + b'"' + b"\\\\" * 30_000)
@example(b"a " + b"[" * 60_000)
@example(b"a" * (LINE_LIMIT + 1))
def test_no_bytes_make_it_raise(junk: bytes) -> None:
    path, referrer = WHOLE.replace(b"/pricing", junk), WHOLE.replace(b"https:", junk)
    for line in (junk, junk + WHOLE, WHOLE + junk, path, referrer):
        found = parse_line(line)
        if found is not None:
            refuse_line(found, HOSTS, NOW)
            hit = page_hit(found, 0, site_hosts=HOSTS, salt=b"salt", country=None, received_at=NOW)
            assert is_uuid7(hit.hit_id)
            assert found.target.isascii()


def test_the_same_line_is_the_same_hit_and_its_repetition_another() -> None:
    assert hit_of(WHOLE).hit_id == hit_of(WHOLE + b"\r\n").hit_id
    assert hit_of(WHOLE).hit_id != hit_of(WHOLE, 1).hit_id
    assert hit_of(WHOLE).hit_id != hit_of(WHOLE.replace(b"/pricing", b"/prices")).hit_id


def test_the_hit_id_tells_nothing_of_the_address_and_the_visitor_id_only_to_who_has_the_salt() -> None:
    other = hit_of(WHOLE.replace(b"203.0.113.9", b"203.0.113.10"))
    assert other.hit_id == hit_of(WHOLE).hit_id
    assert other.visitor_id != hit_of(WHOLE).visitor_id
    assert hit_of(WHOLE, salt=b"another").visitor_id != hit_of(WHOLE).visitor_id


def test_a_visitor_is_an_address_and_a_browser() -> None:
    same = visitor_id_of("203.0.113.9", "Firefox", b"salt")
    assert same == visitor_id_of("::ffff:203.0.113.9", "Firefox", b"salt")
    assert same != visitor_id_of("203.0.113.9", "Chrome", b"salt")
    assert same != visitor_id_of("::ffff:203.0.113.8", "Firefox", b"salt")


def test_of_an_ipv6_address_the_network_counts() -> None:
    same = visitor_id_of("2001:db8:0:1::1", "Firefox", b"salt")
    assert same == visitor_id_of("2001:db8:0:1:ffff:ffff:ffff:ffff", "Firefox", b"salt")
    assert same != visitor_id_of("2001:db8:0:2::1", "Firefox", b"salt")


def test_within_one_second_the_landing_comes_before_the_click_that_follows() -> None:
    landing = hit_of(WHOLE)
    typed = hit_of(WHOLE.replace(b"?gclid=a", b"").replace(b"https://www.google.com/", b"-"))
    next_page = hit_of(WHOLE.replace(b"?gclid=a", b"").replace(b"www.google.com", b"www.example.com"))
    assert landing.hit_id < typed.hit_id < next_page.hit_id
