"""Where one visit ends and the next begins: a visitor's hits in, the visits out. `|` is the cut."""

from datetime import UTC, datetime, timedelta

import pytest

from tracker.visits.boundary import Step, cut

START = datetime(2026, 4, 1, 23, 50, tzinfo=UTC)

# minute:what … what is a page, +ad a page with that campaign, <site a page reached from that site, e an event
CASES = {
    "pages within half an hour are one visit": ("0:page 10:page 40:page", "0 10 40"),
    "a gap of more than half an hour ends it": ("0:page 31:page", "0 | 31"),
    "exactly half an hour does not": ("0:page 30:page", "0 30"),
    "midnight does not": ("0:page 9:page 11:page", "0 9 11"),
    "a new campaign begins a new visit at once": ("0:page 5:+ad", "0 | 5"),
    "a reload of the same ad page does not": ("0:+ad 1:+ad", "0 1"),
    "the next page without tags does not": ("0:+ad 1:page 2:page", "0 1 2"),
    "another campaign does": ("0:+ad 5:+mail", "0 | 5"),
    "coming from another site does": ("0:page 5:<google", "0 | 5"),
    "a reload of the page reached from there does not": ("0:<google 1:<google", "0 1"),
    "an event never begins one by itself": ("0:page 5:e 34:e 60:page", "0 5 34 60"),
    "an event after a gap does": ("0:page 45:e", "0 | 45"),
}


def steps_of(told: str) -> list[Step]:
    found = []
    for word in told.split():
        minute, what = word.split(":")
        found.append(
            Step(
                hit_id=minute,
                occurred_at=START + timedelta(minutes=int(minute)),
                is_page=what != "e",
                campaign=what[1:] if what.startswith("+") else None,
                other_site=what[1:] if what.startswith("<") else None,
            )
        )
    return found


@pytest.mark.parametrize("case", CASES)
def test_a_visit_is_cut(case: str) -> None:
    told, expected = CASES[case]
    visits = cut(steps_of(told), timedelta(minutes=30))
    assert " | ".join(" ".join(step.hit_id for step in visit) for visit in visits) == expected
