"""A real server is killed under load, and one is soaked in hits whose story is known; bench/ has both at length."""

import pytest
from crash import killed_server
from crash import parser as crash_options
from parts import machine, traffic
from parts.sender import Sender
from parts.server import Killable
from parts.story import Story
from parts.syncs import answered_after_flush
from soak import compare, drained_in

from tracker.clock import now, to_ms

pytestmark = pytest.mark.slow


def test_a_server_that_is_killed_three_times_loses_nothing_it_has_answered() -> None:
    asked = crash_options().parse_args(["--kills=3", "--lives-s=1.5", "--connections=8"])
    with machine.store("SQLite") as made:
        assert made
        found = killed_server(made, asked)
    assert found.wrong == ()


def test_figures_equal_the_true_story_of_a_few_thousand_hits() -> None:
    with machine.store("SQLite") as made:
        assert made
        site = machine.site_in(made, traffic.SITE_KEY, traffic.HOST)
        server, story = Killable(made), Story(23, to_ms(now()))
        server.start()
        sender = Sender(server.port, story.beacons(3_000), connections=8)
        engine = made.open()
        try:
            sender.start()
            assert sender.wait(240)
            drained_in(engine, within_s=120)
        finally:
            sender.is_giving_up = sender.is_ending = True
            server.stop()
        assert sender.unexpected == []
        assert list(compare(engine, story.truth, site)) == []
        engine.dispose()


@pytest.mark.parametrize(
    ("events", "kept_and_lost"),
    [("RWWSA", (1, 0)), ("RWA", (0, 1)), ("RWSWA", (0, 1)), ("RWSARWA", (1, 1)), ("RA", (0, 0)), ("RWS", (0, 0))],
)
def test_a_flush_counts_when_it_comes_after_the_last_word_and_before_the_answer(
    events: str, kept_and_lost: tuple[int, int]
) -> None:
    assert answered_after_flush(events) == kept_and_lost
