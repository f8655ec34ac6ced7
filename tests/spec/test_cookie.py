"""tests/spec/cookie.csv, row by row: which page's beacon may have its visitor's cookie set by the collector."""

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.collect.cookie import answer_headers, registrable_domain, server_cookie

VISITOR = "0c6f3ab2d4e51978aa03f7"

with Path(__file__).with_name("cookie.csv").open(encoding="utf-8", newline="") as file:
    ROWS = list(csv.DictReader(file, strict=True))

rows = pytest.mark.parametrize("row", ROWS, ids=[f"{number}: {row['why']}" for number, row in enumerate(ROWS, 2)])
origins = st.sampled_from(
    ["https://www.shop.test", "http://www.shop.test", "https://other.test", "null", "http://[::1]:1"]
)
hosts = st.sampled_from(["www.shop.test", "m.shop.test:1", "shop.test", "other.test", "[::1]", "localhost"])
sites = st.sampled_from(["same-origin", "same-site", "cross-site", "none", None])


def cookie(row: dict[str, str]) -> str | None:
    return server_cookie(
        origin=row["origin"] or None,
        host=row["host"],
        fetch_site=row["fetch_site"] or None,
        visitor=VISITOR,
        consent="none",
        is_https=row["is_https"] == "yes",
    )


def names(headers: list[tuple[str, str]]) -> dict[str, str]:
    found = dict(headers)
    assert len(found) == len(headers), "a header stands there twice"
    return found


@rows
def test_a_beacon_gets_the_cookie_of_its_row(row: dict[str, str]) -> None:
    always = f"_mnm={VISITOR}; Max-Age=34128000; Path=/; SameSite=Lax"
    expected = {"none": None, "host only": always}.get(row["expected"], f"{always}; {row['expected']}")
    assert cookie(row) == expected


@rows
def test_only_a_page_of_the_same_site_may_ask_with_credentials(row: dict[str, str]) -> None:
    is_https = row["is_https"] == "yes"
    origin, host, fetch_site = row["origin"] or None, row["host"], row["fetch_site"] or None
    headers = names(answer_headers(origin, host, fetch_site, None, "none", is_https))
    assert "Set-Cookie" not in headers
    assert headers["Access-Control-Expose-Headers"] == "X-Minamoto"
    if headers["Access-Control-Allow-Origin"] == "*":
        assert "Access-Control-Allow-Credentials" not in headers
    else:
        assert headers["Access-Control-Allow-Origin"] == row["origin"]
        assert headers["Access-Control-Allow-Credentials"] == "true"
        assert headers["Vary"] == "Origin"
        assert "evil" not in row["origin"]
    if row["expected"] != "none" and origin not in {None, "null"}:
        assert headers["Access-Control-Allow-Origin"] == origin


def test_no_row_stands_there_twice_and_every_row_says_why() -> None:
    asked = [tuple(row[name] for name in ("origin", "host", "fetch_site", "is_https")) for row in ROWS]
    assert sorted(asked) == sorted(set(asked))
    assert all(row["why"] for row in ROWS)


@pytest.mark.parametrize("consent", ["denied", "", "NONE"])
def test_no_consent_no_cookie(consent: str) -> None:
    assert (
        server_cookie(origin="https://a.test", host="a.test", visitor=VISITOR, consent=consent, is_https=True) is None
    )


def test_a_beacon_that_was_refused_sets_no_cookie() -> None:
    headers = names(answer_headers("https://a.test", "a.test", "same-origin", None, "none", True))
    assert headers["Access-Control-Allow-Origin"] == "https://a.test"
    assert "Set-Cookie" not in headers


@pytest.mark.parametrize(
    "visitor", ["short", "x" * 65, "x" * 20 + "; Domain=jp", "x" * 20 + "\r\nX: y", "x" * 20 + "\n", "ü" * 20, ""]
)
def test_what_is_no_visitor_id_is_in_no_cookie(visitor: str) -> None:
    assert server_cookie(origin="https://a.test", host="a.test", visitor=visitor, consent="none", is_https=True) is None


@pytest.mark.parametrize("end", ["shop.test", "shop.test.evil.test"])
def test_what_is_too_long_for_an_origin_is_none_and_is_not_cut_to_one(end: str) -> None:
    long = "https://" + "a." * 141 + "shop.test"
    assert len(long) < 300
    assert "Access-Control-Allow-Credentials" in names(answer_headers(long, "shop.test", None, None, "none", True))
    longer = long.removesuffix("shop.test") + "a.a." + end
    assert answer_headers(longer, "shop.test", None, VISITOR, "none", True) == [
        ("Access-Control-Allow-Origin", "*"),
        ("Access-Control-Expose-Headers", "X-Minamoto"),
    ]


@given(
    origin=st.one_of(st.none(), origins, st.text(max_size=400), st.from_regex(r"\Ahttps?://.{0,40}\Z")),
    host=st.one_of(hosts, st.text(max_size=400)),
    fetch_site=st.one_of(sites, st.text(max_size=20)),
    visitor=st.one_of(st.none(), st.just(VISITOR), st.text(max_size=70)),
    consent=st.one_of(st.just("none"), st.just("granted"), st.text(max_size=9)),
    is_https=st.booleans(),
)
def test_a_strangers_text_never_breaks_out_of_its_header(origin, host, fetch_site, visitor, consent, is_https) -> None:  # type: ignore[no-untyped-def]
    headers = names(answer_headers(origin, host, fetch_site, visitor, consent, is_https))
    for value in headers.values():
        assert value.isascii()
        assert value.isprintable()
    if "Set-Cookie" in headers:
        assert headers["Set-Cookie"].startswith(f"_mnm={visitor}; Max-Age=")
        assert fetch_site in {None, "same-origin", "same-site"}
    if headers["Access-Control-Allow-Origin"] != "*":
        assert headers["Access-Control-Allow-Origin"] == origin


@given(origin=origins, host=hosts, fetch_site=sites, is_https=st.booleans())
def test_a_cookie_is_of_a_domain_that_the_page_is_in(origin, host, fetch_site, is_https) -> None:  # type: ignore[no-untyped-def]
    found = server_cookie(
        origin=origin, host=host, fetch_site=fetch_site, visitor=VISITOR, consent="none", is_https=is_https
    )
    if found and "Domain=" in found:
        domain = found.partition("Domain=")[2].partition(";")[0]
        page = host.partition(":")[0] if origin == "null" else origin.rpartition("/")[2]
        assert page == domain or page.endswith(f".{domain}")
        assert registrable_domain(domain) == domain
