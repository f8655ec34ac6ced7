"""A steady rate and a burst above it, by sender."""

from hypothesis import given
from hypothesis import strategies as st

from tracker.collect.rate import RateLimit


def test_a_burst_passes_and_then_the_steady_rate() -> None:
    limit = RateLimit(rate=10, burst_s=2)
    assert [limit.wait_s("a", 1, 0.0) for _ in range(20)] == [0.0] * 20
    assert limit.wait_s("a", 1, 0.0) > 0
    assert limit.wait_s("a", 1, 0.11) == 0
    assert limit.wait_s("a", 1, 0.12) > 0
    assert limit.wait_s("b", 1, 0.12) == 0, "another sender is not the first one's fault"


def test_what_it_says_to_wait_is_enough() -> None:
    limit = RateLimit(rate=10, burst_s=2)
    for _ in range(20):
        limit.wait_s("a", 1, 5.0)
    wait = limit.wait_s("a", 5, 5.0)
    assert limit.wait_s("a", 5, 5.0 + wait + 1e-6) == 0


def test_one_large_beacon_of_somebody_quiet_passes() -> None:
    limit = RateLimit(rate=1, burst_s=10)
    assert limit.wait_s("a", 64, 0.0) == 0
    assert limit.wait_s("a", 1, 1.0) > 0


def test_zero_is_no_limit() -> None:
    limit = RateLimit(rate=0)
    assert {limit.wait_s("a", 64, 0.0) for _ in range(1_000)} == {0.0}


def test_memory_is_bounded_however_many_senders_there_are() -> None:
    limit = RateLimit(rate=1, burst_s=10, n_keys=100)
    for number in range(10_000):
        limit.wait_s(number, 1, number / 1_000)
    assert len(limit._full_at) <= 100


@given(
    rate=st.floats(0.5, 100),
    burst_s=st.floats(0.5, 20),
    steps=st.lists(st.tuples(st.floats(0, 3), st.integers(1, 64)), max_size=80),
)
def test_over_any_time_no_more_passes_than_rate_and_burst_and_one_beacon(
    rate: float, burst_s: float, steps: list[tuple[float, int]]
) -> None:
    limit, at, passed = RateLimit(rate, burst_s), 0.0, 0
    for gap_s, n in steps:
        at += gap_s
        if limit.wait_s("a", n, at) == 0:
            passed += n
    assert passed <= rate * (at + burst_s) + 64 + 1e-6
