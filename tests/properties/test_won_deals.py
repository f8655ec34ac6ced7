"""Whatever a CRM tells of deals, in any order: those won in a period are the sales of the Source report."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from tests.walks import START, World
from tracker import flow
from tracker.access.sites import site_by_id
from tracker.attribution.credit import MICRO
from tracker.clock import local_day
from tracker.db.schema import deals
from tracker.db.store import Tx, begin, connect
from tracker.errors import Invalid
from tracker.rebuild import DERIVED, rebuild
from tracker.reports.opportunity_facts import ask_opportunities, opportunity_report
from tracker.reports.query import parse_query
from tracker.reports.source import source_report
from tracker.vocabulary import NOT_SET, DealStatus

FIRST, LAST = date(2026, 4, 1), date(2026, 5, 31)
NOW = START + timedelta(days=90)
HANA = "hana@kyoto.example"
PIPELINES = ("new", "")

hours = st.integers(0, 40 * 24)
words = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(["open", "won", "won", "lost"]),
        "closed_at": hours.map(lambda n: (START + timedelta(hours=n)).isoformat()),
        "pipeline": st.sampled_from(PIPELINES).map(lambda name: name or None),
        "stage": st.sampled_from(["offer", "done"]),
        "amount": st.sampled_from(["100", "250.50"]),
        "refunded": st.sampled_from(["0", "100"]),
        "contacts": st.just([{"by": "email", "value": HANA}]),
    },
)
told = st.lists(st.tuples(st.sampled_from(["D-1", "D-2", "D-3"]), hours, words), min_size=1, max_size=9)

Told = Sequence[tuple[str, int, dict[str, Any]]]
CORRECTED: Told = (
    ("D-1", 48, {"status": "won", "amount": "100", "refunded": "100"}),
    ("D-1", 480, {"closed_at": START.isoformat()}),
    ("D-2", 240, {"status": "won"}),
    ("D-2", 480, {"closed_at": (START + timedelta(hours=720)).isoformat()}),
)


@pytest.fixture(scope="module")
def world(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Hana's way, who is on some of the deals; the examples leave nothing behind."""
    path = tmp_path_factory.mktemp("won") / "store"
    shutil.copy(sqlite_template, path)
    world = World(connect(f"sqlite:///{path}"))
    visit = world.hit(START, "/?utm_source=news&utm_medium=email")
    form = world.hit(START, "/contact", kind="form", identifiers={"email": HANA})
    world.send("a", [visit, form])
    world.fold()
    yield world
    world.store.dispose()


class TakenBack(Exception):
    """Ends a transaction without a trace."""


@contextmanager
def taken_back(world: World) -> Iterator[Tx]:
    with suppress(TakenBack), begin(world.store) as tx:
        yield tx
        raise TakenBack


def tell(tx: Tx, site_id: int, words: Told) -> None:
    """What the CRM says, in this order."""
    for reference, n, fields in words:
        at = START + timedelta(hours=n)
        with suppress(Invalid):  # more refunded than the amount: nothing is kept
            flow.deal_said(tx, site_by_id(tx, site_id), reference, fields, at, at)


def facts(tx: Tx) -> dict[str, list[tuple[object, ...]]]:
    """All derived rows."""
    return {table.name: sorted(map(tuple, tx.execute(select(table))), key=repr) for table in DERIVED}


def won_deals(tx: Tx, site_id: int, first: date, last: date) -> tuple[int, int, int]:
    """The deals won in a period: by the Opportunity reports of today over all pipelines, as sales, and in truth."""
    site = site_by_id(tx, site_id)
    asked = {"from": first.isoformat(), "to": last.isoformat(), "model": "linear"}
    won = 0
    for name in PIPELINES:
        one = ask_opportunities(tx, {**asked, "pipeline": name or NOT_SET}, site, local_day(NOW, site.timezone))
        won += opportunity_report(tx, one, NOW).totals.won
    sales = source_report(tx, parse_query(asked, site), NOW).totals.sales
    closed = tx.execute(select(deals.c.closed_at).where(deals.c.status == DealStatus.WON.value)).scalars()
    days = [local_day(at, site.timezone) for at in closed if at is not None]
    return won, sales, MICRO * sum(asked["from"] <= day <= asked["to"] for day in days)


@settings(max_examples=20, deadline=None, phases=(Phase.explicit, Phase.generate))
@given(told, st.integers(0, 45))
@example(CORRECTED, 5)
@example(CORRECTED[::-1], 5)
def test_deals_won_in_a_period_are_its_sales_also_after_a_rebuild(world: World, told: Told, cut: int) -> None:
    end, site_id = FIRST + timedelta(cut), world.site.site_id
    with taken_back(world) as tx:
        tell(tx, site_id, told)
        for period in ((FIRST, end), (end + timedelta(1), LAST)):
            won, sales, true = won_deals(tx, site_id, *period)
            assert won == sales == true
        before = facts(tx)
        rebuild(tx, 5)
        assert facts(tx) == before
