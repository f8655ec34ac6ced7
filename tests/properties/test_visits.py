"""Why the fold may leave a visit alone that ended more than the gap before a visitor's new hits."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from tracker.visits.boundary import Step, cut
from tracker.visits.fold import arrived_by, brought_by

START = datetime(2026, 4, 1, tzinfo=UTC)
GAP = timedelta(minutes=30)

moments = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 29, 30, 31, 60]),  # minutes since the one before
        st.booleans(),
        st.sampled_from([None, "ad", "mail"]),
        st.sampled_from([None, "google", "note"]),
    ),
    max_size=12,
)


def steps_of(told: list[tuple[int, bool, str | None, str | None]], start: datetime) -> list[Step]:
    steps, at = [], start
    for n, (minutes, is_page, campaign, site) in enumerate(told):
        at += timedelta(minutes=minutes)
        steps.append(Step(f"{at.isoformat()} {n:03}", at, is_page, campaign, site))
    return steps


@settings(deadline=None)
@given(before=moments, after=moments, more=st.sampled_from([1, 60_000, 86_400_000]))
def test_after_a_gap_it_does_not_matter_what_was_before(before, after, more) -> None:
    first = steps_of(before, START)
    end = first[-1].occurred_at if first else START
    second = steps_of(after, end + GAP + timedelta(milliseconds=more))
    assert cut(first + second, GAP) == cut(first, GAP) + cut(second, GAP)


@settings(deadline=None)
@given(told=moments)
def test_from_where_a_visit_began_it_does_not_matter_what_was_before(told) -> None:
    steps = steps_of(told, START)
    visits = cut(steps, GAP)
    for n, visit in enumerate(visits):
        assert cut(steps[steps.index(visit[0]) :], GAP) == visits[n:]


ORIGINS = [
    "https://www.acme.example/",
    "https://www.acme.example",
    "http://acme.example/",
    "//acme.example/",
    "/",
    "https://",
]
words = st.lists(
    st.sampled_from([*ORIGINS, "a", "/", "?", "#", "utm_source=x", "@", "\\", " ", ":8080", "evil.example"]), max_size=5
)


@settings(deadline=None)
@given(url=words.map("".join), referrer=words.map("".join), start=st.sampled_from(ORIGINS))
def test_the_short_way_to_what_a_hit_came_by_is_the_long_one(url: str, referrer: str, start: str) -> None:
    for one, before in ((url, referrer), (start + url, start + referrer), (start + url, referrer)):
        assert brought_by(one, before, ("acme.example",)) == arrived_by(one, before, ("acme.example",))
