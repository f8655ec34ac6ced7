"""What the Source report says about itself, its order, its chart and its rows, beyond the spec's tables."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine as Store

from tests.facts import SITE_ID, facts_of, store_facts
from tracker.db.store import begin, reading
from tracker.errors import Invalid
from tracker.reports.engines.memory import Facts, Link, MemoryEngine
from tracker.reports.engines.sql import SqlEngine
from tracker.reports.query import Query
from tracker.reports.rows import (
    CostBehind,
    DealBehind,
    EntryBehind,
    LeadBehind,
    VisitBehind,
    make_cursor,
    rows_behind,
)
from tracker.reports.source import Source, source_report, source_series
from tracker.vocabulary import Basis, Dimension, Model

NOW = datetime(2026, 5, 10, tzinfo=UTC)

FACTS = facts_of(
    {
        "Visits": [
            {"visit": "ad", "at": "2026-04-01", "visitor": "1", "lead": "2026-04-03", "channel": "paid_search"},
            {"visit": "mail", "at": "2026-04-03", "visitor": "1", "channel": "email", "rules": "2"},
            {"visit": "blog", "at": "2026-05-01", "visitor": "2", "channel": "referral"},
        ],
        "Conversions": [
            {
                "conversion": "lead 1",
                "kind": "lead",
                "at": "2026-04-03",
                "contact": "person 1",
                "lead": "2026-04-03",
                "path": "ad > mail",
            },
            {
                "conversion": "won D1",
                "kind": "deal_won",
                "at": "2026-05-02",
                "deal": "D1",
                "lead": "2026-04-03",
                "path": "ad > mail",
                "by": "company",
            },
        ],
        "Ledger": [
            {"deal": "D1", "at": "2026-05-02", "kind": "won", "amount": "1001", "currency": "JPY"},
            {"deal": "D2", "at": "2026-05-03", "kind": "won", "amount": "9.00", "currency": "USD"},
        ],
        "Costs": [
            {"day": "2026-04-01", "channel": "paid_search", "source": "google", "amount": "200", "currency": "JPY"},
            {"day": "2026-05-01", "channel": "paid_search", "source": "google", "amount": "50", "currency": "JPY"},
            {"day": "2026-05-02", "channel": "email", "source": "news", "amount": "7", "currency": "VND"},
        ],
    }
)


def query(**asked: object) -> Query:
    given: dict[str, object] = {
        "from_day": "2026-04-01",
        "to_day": "2026-05-31",
        "currency": "JPY",
        "model": Model.LINEAR,
    }
    return Query(**{"site_id": SITE_ID, "timezone": "UTC", **given, **asked})  # type: ignore[arg-type]


def codes(asked: Query, facts: Facts = FACTS, now: datetime = NOW) -> list[str]:
    return [note.code for note in Source(MemoryEngine(facts), asked).table(now).meta.notes]


def test_it_says_by_which_rules_the_numbers_came() -> None:
    assert codes(query()) == ["direct_last_resort", "unconverted", "by_company", "several_rules"]
    meta = Source(MemoryEngine(FACTS), query()).table(NOW).meta
    assert meta.rules_versions == ("1", "2")
    assert [(one.currency, one.revenue_minor, one.cost_minor) for one in meta.unconverted] == [("VND", 0, 7)]
    assert "VND" in meta.notes[1].text()


def test_it_says_how_old_a_touch_cohort_is() -> None:
    asked = query(basis=Basis.TOUCH_COHORT, to_day="2026-04-30")
    note = Source(MemoryEngine(FACTS), asked).table(NOW).meta.notes[1]
    assert note.code == "touch_cohort"
    assert dict(note.values) == {"days": "10"}
    assert "lead_cohort" in codes(query(basis=Basis.LEAD_COHORT))


def test_it_says_when_rates_are_not_known_yet() -> None:
    facts = Facts(entries=[FACTS.entries[1]._replace(day="2099-01-01")])
    assert "late_rates" in codes(query(to_day="2099-12-31"), facts)


def test_a_site_without_a_currency_shows_no_money_and_says_so() -> None:
    table = Source(MemoryEngine(FACTS), query(currency=None)).table(NOW)
    assert "no_currency" in [note.code for note in table.meta.notes]
    assert table.to_json()["totals"]["revenue"] is None
    assert {one.currency for one in table.meta.unconverted} == {"JPY", "USD", "VND"}


def test_undefined_figures_stand_last_in_either_order_and_the_unattributed_row_at_the_end() -> None:
    for descending in (True, False):
        table = Source(MemoryEngine(FACTS), query(sort="roi", descending=descending)).table(NOW)
        assert [row.values[0] for row in table.rows] == ["paid_search", "email", "referral", "unattributed"]


def test_a_short_period_is_charted_by_day_and_a_long_one_by_month() -> None:
    short = Source(MemoryEngine(FACTS), query(from_day="2026-04-30", to_day="2026-05-02")).series("visits")
    assert short.buckets == ("2026-04-30", "2026-05-01", "2026-05-02")
    assert [(line.value, line.numbers) for line in short.lines if any(line.numbers)] == [("referral", (0, 1, 0))]
    long = Source(MemoryEngine(FACTS), query(from_day="2026-02-27")).series("revenue")
    assert long.buckets == ("2026-02", "2026-03", "2026-04", "2026-05")
    found = {line.value: line.numbers for line in long.lines}
    assert found["paid_search"] == ("0", "0", "0", "501")
    assert found["email"] == ("0", "0", "0", "500")
    assert found["unattributed"][-1] == "1409"


def test_a_chart_adds_up_what_stands_beyond_the_most_important() -> None:
    lines = Source(MemoryEngine(FACTS), query(by=(Dimension.CHANNEL, Dimension.TERM))).series("visits", most=2).lines
    assert [(line.value, line.is_rest, sum(int(n or 0) for n in line.numbers)) for line in lines] == [
        ("email", False, 1),
        ("(other)", True, 2),
    ]


def test_a_chart_of_two_dimensions_stacks_the_first() -> None:
    visits = [
        {"visit": name, "at": "2026-04-01", "visitor": "1", "channel": "email", "campaign": name} for name in ("a", "b")
    ]
    leads = [{"conversion": name, "kind": "lead", "at": "2026-04-01 13:00", "path": name} for name in ("a", "b")]
    asked = query(by=(Dimension.CHANNEL, Dimension.CAMPAIGN), to_day="2026-04-01")
    lines = Source(MemoryEngine(facts_of({"Visits": visits, "Conversions": leads})), asked).series("new_leads").lines
    assert [(line.value, line.numbers) for line in lines] == [("email", (2,))]


def test_cohorts_are_charted_by_the_touch_and_by_the_lead() -> None:
    by_touch = Source(MemoryEngine(FACTS), query(basis=Basis.TOUCH_COHORT)).series("revenue").lines
    assert {line.value: line.numbers[0] for line in by_touch if line.numbers[0] != "0"} == {"paid_search": "501"}
    by_lead = Source(MemoryEngine(FACTS), query(basis=Basis.LEAD_COHORT)).series("revenue").lines
    assert {line.value: line.numbers[2] for line in by_lead} == {"email": "500", "paid_search": "501"}


def test_an_unknown_metric_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        Source(MemoryEngine(FACTS), query()).series("profit")
    assert refused.value.field == "metric"


# --- rows -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def filled(store: Store) -> Store:
    with begin(store) as tx:
        store_facts(tx, FACTS)
    return store


def test_the_report_and_its_chart_are_read_from_the_store(filled: Store) -> None:
    with reading(filled) as tx:
        assert source_report(tx, query(), NOW) == Source(MemoryEngine(FACTS), query()).table(NOW)
        assert source_series(tx, query(), "sales") == Source(MemoryEngine(FACTS), query()).series("sales")


def test_behind_visits_stand_the_visits_with_whose_they_were(filled: Store) -> None:
    with reading(filled) as tx:
        found = rows_behind(tx, query(), "visits", ())
    assert [type(row) for row in found.rows] == [VisitBehind] * 3
    assert [(row.touchpoint_id, row.visitor_id) for row in found.rows if isinstance(row, VisitBehind)] == [
        ("blog", "browser-2"),
        ("mail", "browser-1"),
        ("ad", "browser-1"),
    ]
    owners = [row.contact.email if row.contact else None for row in found.rows if isinstance(row, VisitBehind)]
    assert owners == [None, "person1@example.org", "person1@example.org"]


def test_behind_a_lead_stands_the_contact_with_its_share(filled: Store) -> None:
    with reading(filled) as tx:
        (row,) = rows_behind(tx, query(), "new_leads", ("email",)).rows
    assert isinstance(row, LeadBehind)
    assert (row.conversion_id, row.credit_micro) == ("lead 1", 500_000)
    assert row.contact is not None
    assert row.contact.contact_id == "person 1"


def test_behind_sales_and_revenue_stand_deals_and_their_entries(filled: Store) -> None:
    with reading(filled) as tx:
        (sale,) = rows_behind(tx, query(), "sales", ("email",)).rows
        (entry,) = rows_behind(tx, query(), "revenue", ("email",)).rows
        (orphan,) = rows_behind(tx, query(), "revenue", None).rows
    assert isinstance(sale, DealBehind)
    assert (sale.reference, sale.credit_micro) == ("ref D1", 500_000)
    assert isinstance(entry, EntryBehind)
    assert (entry.reference, entry.amount_minor, entry.credit_minor) == ("ref D1", 1001, 500)
    assert isinstance(orphan, EntryBehind)
    assert (orphan.reference, orphan.amount_minor, orphan.currency, orphan.credit_minor) == ("ref D2", 900, "USD", 1409)


def test_behind_a_cost_stand_the_costs_also_under_not_set(filled: Store) -> None:
    with reading(filled) as tx:
        found = rows_behind(tx, query(by=(Dimension.TERM,)), "cost", ("(not set)",))
        other = rows_behind(tx, query(by=(Dimension.TERM,)), "cost", ("crm",))
    assert [(row.day, row.credit_minor) for row in found.rows if isinstance(row, CostBehind)] == [
        ("2026-05-01", 50),
        ("2026-04-01", 200),
    ]
    assert (found.figure, other.rows, other.figure) == (250, (), 0)


def test_nothing_stands_behind_a_value_that_is_not_there(filled: Store) -> None:
    with reading(filled) as tx:
        for metric in ("visits", "new_leads", "revenue", "cost"):
            found = rows_behind(tx, query(), metric, ("nowhere",))
            assert (found.rows, found.n_rows, found.figure, found.next_cursor) == ((), 0, 0, None)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"metric": "roi"}, "metric"),
        ({"metric": "profit"}, "metric"),
        ({"values": ("a", "b")}, "values"),
        ({"limit": 0}, "limit"),
        ({"limit": 501}, "limit"),
        ({"cursor": "%%%"}, "cursor"),
        ({"cursor": "é"}, "cursor"),
        ({"cursor": "eyJhIjoxfQ"}, "cursor"),
        ({"cursor": make_cursor([1])}, "cursor"),
        ({"cursor": make_cursor([True, 1, "a"])}, "cursor"),
        ({"cursor": make_cursor(["2026-04-01", 1 << 60, "a"])}, "cursor"),
        ({"metric": "revenue", "cursor": make_cursor([1, "a"])}, "cursor"),
        ({"metric": "cost", "cursor": make_cursor([1, "a"])}, "cursor"),
    ],
)
def test_a_wrong_question_is_refused_by_its_name(filled: Store, wrong: dict[str, object], field: str) -> None:
    asked: dict[str, object] = {"metric": "visits", "values": (), **wrong}
    with reading(filled) as tx, pytest.raises(Invalid) as refused:
        rows_behind(tx, query(), **asked)  # type: ignore[arg-type]
    assert refused.value.field == field


def test_pages_lose_and_repeat_no_visit_of_the_same_day_or_instant(store: Store) -> None:
    times = ["2026-04-01", "2026-04-01", "2026-04-01 11:00", "2026-04-01 13:00", "2026-04-02"]
    visits = [{"visit": f"v{i}", "at": time, "visitor": "1", "channel": "email"} for i, time in enumerate(times)]
    with begin(store) as tx:
        store_facts(tx, facts_of({"Visits": visits}))
    seen, cursor, n_pages = [], None, 0
    with reading(store) as tx:
        while n_pages == 0 or cursor:
            page = rows_behind(tx, query(), "visits", ("email",), cursor, limit=1)
            seen += [row.touchpoint_id for row in page.rows if isinstance(row, VisitBehind)]
            cursor, n_pages = page.next_cursor, n_pages + 1
            assert page.n_rows == len(times)
    assert (seen, n_pages) == (["v4", "v3", "v1", "v0", "v2"], 5)


def test_a_shared_browsers_visit_at_the_very_change_is_the_next_persons(store: Store) -> None:
    facts = facts_of({"Visits": [{"visit": "v", "at": "2026-04-05", "visitor": "1", "channel": "email"}]})
    change = facts.touchpoints[0].occurred_ms
    facts.links.append(Link(1, "first", "2026-04-01", None, change))
    facts.links.append(Link(1, "second", "2026-04-02", change, None))
    with begin(store) as tx:
        store_facts(tx, facts)
    with reading(store) as tx:
        for engine in (SqlEngine(tx), MemoryEngine(facts)):
            for day, n_visits in (("2026-04-01", 0), ("2026-04-02", 1)):
                asked = query(basis=Basis.LEAD_COHORT, from_day=day, to_day=day)
                assert Source(engine, asked).table(NOW).totals.visits == n_visits
        (row,) = rows_behind(tx, query(), "visits", ()).rows
    assert isinstance(row, VisitBehind)
    assert row.contact is not None
    assert row.contact.contact_id == "second"
