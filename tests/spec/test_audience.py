"""People as advertising platforms take them: equal to what their own libraries give, and nothing but hashes."""

import hashlib
import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker.segments.hashed import Platform, email_for, hashed, phone_for, row_for

VECTORS = json.loads(Path(__file__).with_name("audience_vectors.json").read_text("utf-8"))["vectors"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda one: one["input"])
def test_metas_library_gives_the_same(vector: dict[str, str]) -> None:
    spell = {"em": email_for, "ph": phone_for}[vector["field"]]
    assert spell(Platform.META, vector["input"]) == vector["normalised"]
    assert hashed(spell(Platform.META, vector["input"])) == vector["sha256"]


@pytest.mark.parametrize(
    ("told", "spelt"),
    [
        (" John.Smith@GMail.com ", "johnsmith@gmail.com"),
        ("j.o.h.n@googlemail.com", "john@googlemail.com"),
        ("User+Tag@Example.CO.JP", "user+tag@example.co.jp"),
        ("first.last@example.com", "first.last@example.com"),
        ("C-7", ""),
        ("@gmail.com", ""),
        ("...@gmail.com", ""),
        ("", ""),
    ],
)
def test_google_takes_gmails_periods_away(told: str, spelt: str) -> None:
    assert email_for(Platform.GOOGLE, told) == spelt


@pytest.mark.parametrize(
    ("told", "google", "meta"),
    [
        ("+819012345678", "+819012345678", "819012345678"),
        ("+81 (90) 1234-5678", "+819012345678", "819012345678"),
        ("090-1234-5678", "", "9012345678"),
        ("", "", ""),
        ("unknown", "", ""),
    ],
)
def test_a_phone_number_has_its_countrys_code(told: str, google: str, meta: str) -> None:
    assert (phone_for(Platform.GOOGLE, told), phone_for(Platform.META, told)) == (google, meta)


@settings(max_examples=40)
@given(st.sampled_from(Platform), st.none() | st.text() | st.emails(), st.none() | st.text())
def test_a_row_has_hashes_and_nothing_else(platform: Platform, email: str | None, phone: str | None) -> None:
    row = row_for(platform, email, phone)
    assert row is None or all(re.fullmatch("([0-9a-f]{64})?", one) for one in row)
    assert row is None or hashlib.sha256(b"").hexdigest() not in row
