"""What is credited again: exactly the conversions whose paths, moments or money changed, once, and no others."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from tests.walks import START, World, walk
from tracker.attribution.attribute import attribute, touches_of_given
from tracker.attribution.recredited import DAY as DAY_MARK
from tracker.attribution.recredited import EVERYTHING, seen, told_since
from tracker.db.schema import contacts, conversions, deals, metadata, recredited
from tracker.db.store import begin, connect, reading
from tracker.rebuild import rebuild

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Story(World):
    """A world that knows which conversions were credited again."""

    days: list[str]  # whose visits were marked, too

    def again(self, work: Callable[[], object]) -> list[tuple[str, str]]:
        """The conversions that are marked by this work, by kind and whose they are; '' for those that are gone."""
        with reading(self.store) as tx:
            before = seen(tx, self.site.site_id)
        work()
        with reading(self.store) as tx:
            told = told_since(tx, self.site.site_id, before, seen(tx, self.site.site_id))
            names = {row.contact_id: row.email for row in tx.execute(select(contacts))}
            names |= {row.deal_id: row.reference for row in tx.execute(select(deals))}
            known = {row.conversion_id: row for row in tx.execute(select(conversions))}
        ids = [one for one, _ in told if not one.startswith(DAY_MARK)]
        self.days = sorted(one.removeprefix(DAY_MARK) for one, _ in told if one.startswith(DAY_MARK))
        assert len(ids) == len(set(ids))  # each once
        found = [known.get(one) for one in ids]
        return sorted((row.kind, names[row.contact_id or row.deal_id]) if row else ("gone", "") for row in found)

    def page(self, visitor: str, after: timedelta, url: str = "/?utm_source=x&utm_medium=cpc") -> None:
        self.send(visitor, [self.hit(START + after, url)])
        self.fold()

    def form(self, visitor: str, after: timedelta, email: str) -> None:
        fields = {"form": {"id": "contact"}, "identifiers": {"email": email}}
        self.send(visitor, [self.hit(START + after, "/contact", kind="form", **fields)])
        self.fold()


@pytest.fixture
def story(store: Engine) -> Story:
    """Hana's walk (tests/walks.py), and Ken, a customer of another company, who is nobody's business here."""
    made = Story(store)
    walk(made)
    made.form("k", HOUR, "ken@osaka.example")
    made.deal("D-9", START + DAY, amount="5", status="won", contacts=[{"by": "email", "value": "ken@osaka.example"}])
    return made


HANA = "hana@kyoto.example"
HERS = [("customer", HANA), ("deal_created", "D-1"), ("deal_won", "D-1"), ("form", HANA), ("lead", HANA)]


def test_a_late_touch_recredits_what_came_after_it_and_nothing_else(story: Story) -> None:
    assert story.again(lambda: story.page("v", DAY)) == HERS
    # After the form, before the deal.
    assert story.again(lambda: story.page("v", 2 * DAY + 8 * HOUR)) == HERS[:3]


def test_a_touch_after_every_conversion_recredits_nothing(story: Story) -> None:
    assert story.again(lambda: story.page("v", 30 * DAY)) == []


def test_a_visitor_who_is_nobody_recredits_nothing(story: Story) -> None:
    assert story.again(lambda: story.page("n", DAY)) == []


def test_the_days_are_marked_whose_visits_came_or_went(story: Story) -> None:
    story.again(lambda: story.page("n", DAY))
    assert story.days == ["2026-04-02"]
    story.again(lambda: story.page("n", DAY + timedelta(minutes=5), "/more"))
    assert story.days == []
    # A page before midnight makes the visit begin before it, in Tokyo.
    story.again(lambda: story.page("m", 12 * HOUR + timedelta(minutes=5), "/more"))
    assert story.days == ["2026-04-02"]
    story.again(lambda: story.page("m", 12 * HOUR - timedelta(minutes=5), "/"))
    assert story.days == ["2026-04-01", "2026-04-02"]


def test_a_stitched_visitor_recredits_whose_way_it_lengthens(story: Story) -> None:
    story.page("w", HOUR)
    # Her second browser: its visits were hers; its form is a conversion of its own.
    assert story.again(lambda: story.form("w", 4 * DAY, HANA)) == sorted([*HERS, ("form", HANA)])


def test_an_amended_deal_recredits_its_win(story: Story) -> None:
    assert story.again(lambda: story.deal("D-1", START + 20 * DAY, amount="1500.00")) == [("deal_won", "D-1")]
    assert story.again(lambda: story.deal("D-1", START + 21 * DAY, refunded="100.00")) == [("deal_won", "D-1")]


def test_the_same_words_again_recredit_nothing(story: Story) -> None:
    assert story.again(lambda: story.deal("D-1", START + 20 * DAY, amount="1000.00")) == []


def test_a_deal_that_is_reopened_recredits_its_win(story: Story) -> None:
    # She is no customer any more, and one again.
    reopened = story.again(lambda: story.deal("D-1", START + 20 * DAY, status="open"))
    assert reopened == [("deal_won", "D-1"), ("gone", "")]
    won = story.again(lambda: story.deal("D-1", START + 22 * DAY, status="won"))
    assert won == [("customer", HANA), ("deal_won", "D-1")]


def test_an_open_deal_in_another_stage_recredits_nothing(story: Story) -> None:
    story.deal("D-2", START + 9 * DAY, contacts=[{"by": "email", "value": HANA}])
    assert story.again(lambda: story.deal("D-2", START + 10 * DAY, stage="demo")) == []


def test_a_deal_that_changes_hands_recredits_both_its_conversions(story: Story) -> None:
    ken = [{"by": "email", "value": "ken@osaka.example"}]
    moved = story.again(lambda: story.deal("D-1", START + 20 * DAY, contacts=ken))
    assert moved == [("deal_created", "D-1"), ("deal_won", "D-1"), ("gone", "")]  # he was a customer before


def test_crediting_again_writes_and_marks_nothing(story: Story) -> None:
    before = story.facts()

    def again() -> None:
        with begin(story.store) as tx:
            people = tx.execute(select(contacts.c.contact_id)).scalars().all()
            attribute(tx, story.site.site_id, story.site.timezone, people)

    assert story.again(again) == []
    assert story.facts() == before


def test_a_rebuild_marks_everything_once_and_gives_the_same_rows(story: Story) -> None:
    before = story.facts()
    with begin(story.store) as tx:
        rebuild(tx, 100)
        assert tx.execute(select(recredited.c.conversion_id)).scalars().all() == [EVERYTHING]
    assert story.facts() == before
    assert len(before["conversions"]) == 10


def test_sqlite_looks_the_touches_of_a_contact_up_by_its_browsers(tmp_path: Path) -> None:
    store = connect(f"sqlite:///{tmp_path / 'empty.sqlite3'}")
    metadata.create_all(store)
    query = touches_of_given("sqlite", ("touchpoint_id",)).compile(store)
    with reading(store) as tx:
        plan = tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", ("[]", "", "", "[]")).all()
    store.dispose()
    steps = " ".join(row.detail for row in plan)
    assert "touchpoints USING INDEX ix_touchpoints_visitor_no" in steps
    assert "SCAN touchpoints" not in steps
