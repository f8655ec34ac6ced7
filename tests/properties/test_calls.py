"""Whatever visitors ask in whatever order: who is shown which number, and whose a call is, follow fixed rules."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from tracker.calls.match import Lease, find, shared
from tracker.calls.pool import Origin, Own, Standing, choose
from tracker.vocabulary import Traced

START = datetime(2026, 4, 1, tzinfo=UTC)
timeless = settings(deadline=None)  # the machine may be busy
LEASE, REST = timedelta(minutes=30), timedelta(hours=1)
ORIGINS = [
    Origin("paid_search", "google", "cpc", "spring"),
    Origin("paid_search", "google", "cpc", "brand"),
    Origin("paid_search", "bing", "cpc", "brand"),
    Origin("direct", "(direct)", "(none)", "(not set)"),
]
asks = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 6), st.sampled_from(ORIGINS)), max_size=40)
Held = dict[tuple[int, int], tuple[datetime, datetime, Origin]]  # by (number, visitor): since, until, origin


def standing(number: int, held: Held, now: datetime) -> Standing:
    own = [lease for (one, _), lease in held.items() if one == number]
    going = [origin for _, until, origin in own if until > now]
    return Standing(number, len(going), frozenset(going), max((until for _, until, _ in own), default=None))


def last_of(visitor: int, held: Held) -> Own | None:
    own = [(until, number) for (number, who), (_, until, _) in held.items() if who == visitor]
    return Own(max(own)[1], max(own)[0]) if own else None


def play(told: list[tuple[int, int, Origin]], n_numbers: int) -> list[tuple[datetime, int, int, list[Standing], Held]]:
    """The asks one after the other: when, who, the number given, how the numbers stood, and who held them before."""
    now, held, steps = START, dict[tuple[int, int], tuple[datetime, datetime, Origin]](), []
    for minutes, visitor, origin in told:
        now += timedelta(minutes=minutes)
        pool = [standing(number, held, now) for number in range(1, n_numbers + 1)]
        number = choose(pool, origin, last_of(visitor, held), now, REST)
        assert number is not None
        steps.append((now, visitor, number, pool, dict(held)))
        since = held.get((number, visitor), (now, now, origin))[0]
        held[number, visitor] = (since, now + LEASE, origin)
    return steps


@timeless
@given(asks, st.integers(1, 4))
def test_who_holds_a_number_keeps_it(told: list[tuple[int, int, Origin]], n_numbers: int) -> None:
    for now, visitor, number, _, held in play(told, n_numbers):
        own = last_of(visitor, held)
        assert own is None or own.until_at <= now or number == own.number_id


@timeless
@given(asks, st.integers(1, 4))
def test_a_number_is_shared_only_when_every_number_is_held(told: list[tuple[int, int, Origin]], n_numbers: int) -> None:
    for now, visitor, number, pool, held in play(told, n_numbers):
        others = [who for (one, who), (_, until, _) in held.items() if one == number and who != visitor and until > now]
        own = last_of(visitor, held)
        is_kept = own is not None and own.until_at > now and own.number_id == number
        assert not others or is_kept or all(one.n_holders for one in pool)


@timeless
@given(asks, st.integers(1, 4))
def test_a_number_that_rests_is_given_to_another_only_when_none_has_rested(
    told: list[tuple[int, int, Origin]], n_numbers: int
) -> None:
    for now, visitor, number, pool, held in play(told, n_numbers):
        given_one = next(one for one in pool if one.number_id == number)
        own = last_of(visitor, held)
        if own is not None and own.number_id == number:
            continue
        rests = not given_one.n_holders and given_one.until_at is not None and given_one.until_at + REST > now
        rested = [one for one in pool if not one.n_holders and (one.until_at is None or one.until_at + REST <= now)]
        assert not (rests and rested)


@timeless
@given(asks, st.integers(1, 4), st.randoms())
def test_the_order_in_which_numbers_are_listed_does_not_matter(told, n_numbers, random) -> None:  # type: ignore[no-untyped-def]
    for now, visitor, number, pool, held in play(told, n_numbers):
        shuffled = list(pool)
        random.shuffle(shuffled)
        origin = next(one for _, who, one in told if who == visitor)
        same = choose(pool, origin, last_of(visitor, held), now, REST)
        assert choose(shuffled, origin, last_of(visitor, held), now, REST) == same
        assert number in {one.number_id for one in pool}


leases = st.lists(
    st.builds(
        lambda who, start, length: Lease(
            who, "", None, START + timedelta(minutes=start), START + timedelta(minutes=start + length)
        ),
        st.sampled_from("abcd"),
        st.integers(0, 200),
        st.integers(1, 90),
    ),
    max_size=8,
)


@timeless
@given(leases, st.integers(0, 400))
def test_a_call_is_one_visitors_only_if_no_other_could_have_made_it(told: list[Lease], minute: int) -> None:
    at = START + timedelta(minutes=minute)
    found = find(told, at, REST)
    holding = {one.visitor_id for one in told if one.started_at <= at < one.until_at}
    lately = {one.visitor_id for one in told if one.started_at <= at < one.until_at + REST}
    assert {one.visitor_id for one in found.candidates} == (holding or lately)
    words = {0: Traced.UNKNOWN, 1: Traced.VISITOR}
    assert found.traced is words.get(len(holding or lately), Traced.AMBIGUOUS)
    assert find(reversed(told), at, REST).traced is found.traced


@timeless
@given(st.lists(st.sampled_from(ORIGINS), min_size=1, max_size=5))
def test_what_is_shared_is_true_of_every_candidate(origins: list[Origin]) -> None:
    told = shared(origins)
    for name, value in told.items():
        assert value == "(not set)" or {getattr(one, name) for one in origins} == {value}
    for name in ("channel", "source"):
        assert (name in told) == (len({getattr(one, name) for one in origins}) == 1)
    if len(set(origins)) == 1:
        assert told == {name: getattr(origins[0], name) for name in ("channel", "source", "medium", "campaign")}
