"""Leases in the store: two who ask at the same moment, numbers that come and go, and what is forgotten."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, func, select

from tracker.access.sites import Site, add_site
from tracker.calls.leases import Asking, Terms, forget_leases, has_old_leases, lend, trace
from tracker.calls.numbers import add_number, list_numbers, remove_number, shown_numbers
from tracker.db.schema import leases
from tracker.db.store import begin, reading
from tracker.errors import Conflict, Invalid, NotFound
from tracker.vocabulary import Traced

NOW = datetime(2026, 4, 1, 3, 0, tzinfo=UTC)
SHOWN, OSAKA = "03-1111-2222", "06-1111-2222"
POOL = ["+81355550001", "+81355550002", "+81355550003", "+81355550004"]


@pytest.fixture
def site(store: Engine) -> Site:
    with begin(store) as tx:
        return add_site(tx, "Acme", ["www.acme.example"], now=NOW, timezone="Asia/Tokyo")


def add(store: Engine, site: Site, number: str, *shown: str, **names: str) -> None:
    with begin(store) as tx:
        add_number(tx, site.site_id, site.timezone, number, now=NOW, shown=shown, **names)


def terms_of(site: Site) -> Terms:
    return Terms(site.site_id, site.hosts, timedelta(minutes=30), timedelta(hours=1))


def ask(store: Engine, site: Site, who: str, at: datetime = NOW, shown: set[str] | None = None) -> dict[str, str]:
    with begin(store) as tx:
        asking = Asking(who, "https://www.acme.example/", None, shown)
        return {one.shown: one.number for one in lend(tx, terms_of(site), asking, at)}


def test_visitors_who_ask_at_once_get_different_numbers_while_there_are_some(store: Engine, site: Site) -> None:
    for number in POOL:
        add(store, site, number, SHOWN)
    start, given = threading.Barrier(len(POOL)), []

    def visitor(name: str) -> None:
        start.wait()
        given.append(ask(store, site, name)["+81311112222"])

    threads = [threading.Thread(target=visitor, args=(f"visitor-{n}",)) for n in range(len(POOL))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(given) == POOL


def test_a_visitor_who_asks_twice_at_once_has_one_number(store: Engine, site: Site) -> None:
    for number in POOL:
        add(store, site, number, SHOWN)
    start, given = threading.Barrier(4), []

    def tab() -> None:
        start.wait()
        given.append(ask(store, site, "hana")["+81311112222"])

    threads = [threading.Thread(target=tab) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(given)) == 1
    with reading(store) as tx:
        assert tx.execute(select(func.count()).select_from(leases)).scalar() == 1


def test_each_number_on_the_page_has_one_in_its_place_and_the_others_none(store: Engine, site: Site) -> None:
    add(store, site, POOL[0], SHOWN)
    add(store, site, POOL[1], OSAKA)
    assert ask(store, site, "hana") == {"+81311112222": POOL[0], "+81611112222": POOL[1]}
    assert ask(store, site, "ken", shown={"+81611112222"}) == {"+81611112222": POOL[1]}
    assert ask(store, site, "emi", shown={"+81699999999"}) == {}


def test_one_number_may_stand_in_for_two(store: Engine, site: Site) -> None:
    add(store, site, POOL[0], SHOWN, OSAKA)
    add(store, site, POOL[1], SHOWN, OSAKA)
    assert set(ask(store, site, "hana").values()) == {POOL[0]}


def test_a_removed_number_is_shown_to_nobody_and_still_tells_whose_a_call_was(store: Engine, site: Site) -> None:
    add(store, site, POOL[0], SHOWN)
    ask(store, site, "hana")
    with begin(store) as tx:
        remove_number(tx, site.site_id, site.timezone, "03-5555-0001", now=NOW)
    assert ask(store, site, "ken") == {}
    with reading(store) as tx:
        found, _ = trace(tx, site.site_id, POOL[0], NOW + timedelta(minutes=5), timedelta(hours=1))
        assert (found.traced, found.visitor_id) == (Traced.VISITOR, "hana")
        assert list_numbers(tx, site.site_id) == shown_numbers(tx, site.site_id) == []
    with pytest.raises(NotFound), begin(store) as tx:
        remove_number(tx, site.site_id, site.timezone, POOL[0], now=NOW)
    add(store, site, POOL[0], OSAKA)
    with reading(store) as tx:
        assert shown_numbers(tx, site.site_id) == [["06-1111-2222", "+81 6-1111-2222"]]


@pytest.mark.parametrize(
    ("number", "shown", "names", "field"),
    [
        ("reception", [SHOWN], {}, "number"),
        ("12", [SHOWN], {}, "number"),
        (POOL[0], ["reception"], {}, "shown"),
        (POOL[0], [], {}, "shown"),
        (POOL[0], [SHOWN], {"source": "brochure"}, "shown"),
        (POOL[0], [], {"source": " "}, "shown"),
        (POOL[0], [SHOWN], {"campaign": "fair"}, "source"),
    ],
)
def test_a_number_that_makes_no_sense_is_refused_by_its_field(
    store: Engine, site: Site, number: str, shown: list[str], names: dict[str, str], field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        add(store, site, number, *shown, **names)
    assert refused.value.field == field
    with reading(store) as tx:
        assert list_numbers(tx, site.site_id) == []


def test_a_number_is_added_once(store: Engine, site: Site) -> None:
    add(store, site, POOL[0], SHOWN)
    with pytest.raises(Conflict):
        add(store, site, "０３－５５５５－０００１", SHOWN)


def test_leases_are_forgotten_a_month_after_their_end_and_no_sooner(store: Engine, site: Site) -> None:
    add(store, site, POOL[0], SHOWN)
    ask(store, site, "hana")
    end = NOW + timedelta(minutes=30) + timedelta(days=30)
    with begin(store) as tx:
        assert not has_old_leases(tx, end)
        assert forget_leases(tx, end) == 0
        assert has_old_leases(tx, end + timedelta(seconds=1))
        assert forget_leases(tx, end + timedelta(seconds=1)) == 1
        assert tx.execute(select(leases)).all() == []
