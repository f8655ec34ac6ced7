"""Numbers on the Source report's page, which are written without Babel, are what Babel writes."""

from collections.abc import Iterator

import pytest
from flask import Flask
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from api.languages import register
from api.pages.figures import shown_change, written
from api.pages.shown import count, money, percent, ratio
from tracker.money import CURRENCIES
from tracker.reports.catalogue import Unit

AMOUNTS = (0, 1, -1, 5, 99, -100, 1_000, 123_456_789, -9_876_543_210)
briefly = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(params=("en", "ja"))
def language(request: pytest.FixtureRequest) -> Iterator[str]:
    app = Flask(__name__)
    app.secret_key = "s" * 40
    register(app)
    with app.test_request_context(f"/?lang={request.param}"):
        yield str(request.param)


def test_money_of_every_currency_is_what_babel_writes(language: str) -> None:
    for currency in {"JPY", "USD", "EUR", "KWD", *sorted(CURRENCIES)[::7]}:
        for amount in AMOUNTS:
            assert written(amount, Unit.MONEY, currency, language) == money(amount, currency), (currency, amount)


@briefly
@example(333_333)
@example(-5_000)
@given(st.integers(-(10**13), 10**13))
def test_counts_and_credits_are_what_babel_writes(language: str, kept: int) -> None:
    assert written(kept, Unit.COUNT, "", language) == count(kept)
    micro = kept / 1_000_000
    assert written(kept, Unit.CREDIT, "", language) == count(int(micro) if micro.is_integer() else round(micro, 6))


@briefly
@example(-0.004)
@example(0.125)
@example(0.0005)
@given(st.floats(-1e6, 1e6, allow_nan=False))
def test_ratios_and_changes_are_what_babel_writes(language: str, share: float) -> None:
    assert written(share, Unit.RATIO, "", language) == ratio(share)
    if share:
        assert shown_change(share) == percent(share).replace("-", "−")
