"""What leaves the journal and what stays, when, and what is refused thereafter; on both stores."""

import io
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console
from sqlalchemy import Engine, event, func, insert, select

from tests.units.conftest import Command
from tests.walks import START, World, walk
from tests.world import World as Served
from tracker.cli import main
from tracker.config import Settings, settings
from tracker.db.schema import (
    contacts,
    hits,
    hits_parked,
    hits_waiting,
    identifications,
    retention,
    touchpoints,
    visit_hits,
    visits,
)
from tracker.db.store import begin, reading
from tracker.lifecycle.settled import Lifecycle, restage, save_lifecycle
from tracker.lifecycle.versions import save_definition
from tracker.logimport import import_log
from tracker.rebuild import rebuild
from tracker.retention import horizon_for, kept_since, known, next_step, prune, take
from tracker.staging import restage_some
from tracker.vocabulary import HitKind, Origin

DAY = timedelta(days=1)
MIDNIGHT = START.replace(hour=0)


@pytest.fixture
def world(store: Engine) -> World:
    return World(store)


def count(store: Engine, table: object = hits) -> int:
    with reading(store) as tx:
        return int(tx.execute(select(func.count()).select_from(table)).scalar_one())  # type: ignore[arg-type]


def kinds(store: Engine) -> list[str]:
    with reading(store) as tx:
        return list(tx.execute(select(hits.c.kind).order_by(hits.c.seq)).scalars())


def prune_to(store: Engine, horizon: datetime, n_hits: int = 200) -> int:
    """Prune all from before a midnight; returns in how many steps."""
    n = 0
    while prune(store, 30, horizon + 30 * DAY + timedelta(hours=4), n_hits):
        n += 1
    return n


def visit(world: World, visitor: str, at: datetime, n: int = 2) -> None:
    """A visit of n page views, a minute apart."""
    world.send(visitor, [world.hit(at + timedelta(minutes=minute), f"/p{minute}") for minute in range(n)])


def test_the_horizon_is_the_beginning_of_a_day_and_nought_is_none() -> None:
    at = datetime.fromisoformat("2026-04-11T23:59:59+00:00")
    assert horizon_for(10, at) == MIDNIGHT
    assert horizon_for(10, at + timedelta(seconds=1)) == MIDNIGHT + DAY
    assert horizon_for(0, at) is None


def test_page_views_go_and_what_names_somebody_stays(world: World) -> None:
    walk(world)
    world.send("x", [world.hit(START, "/contact", kind="form", identifiers={"phone": "03-1234-5678"})])
    visit(world, "z", START + 20 * DAY)
    world.fold()
    before = {name: rows for name, rows in world.facts().items() if name != "visit_hits"}
    assert prune_to(world.store, MIDNIGHT + 10 * DAY) > 0
    assert kinds(world.store) == ["form", "page", "page"]
    after = {name: rows for name, rows in world.facts().items() if name != "visit_hits"}
    assert {name for name in after if after[name] != before[name]} == {"visits"}  # the mark of the sealed ones
    with reading(world.store) as tx:
        (state,) = known(tx).values()
        assert (state.n_pruned, state.horizon_at) == (4, MIDNIGHT + 10 * DAY)
        assert tx.execute(select(func.count()).where(visits.c.sealed)).scalar() == 3


def test_nought_days_prune_nothing(world: World) -> None:
    walk(world)
    assert prune(world.store, 0, START + 9_999 * DAY) == 0
    assert count(world.store, retention) == 0


def test_a_visit_across_the_horizon_is_kept_whole_until_it_is_over(world: World) -> None:
    late = MIDNIGHT + DAY - timedelta(minutes=20)
    visit(world, "v", late, n=3)  # ends less than the gap before midnight: a hit after it could go on with it
    visit(world, "w", late - timedelta(minutes=40), n=3)
    visit(world, "z", MIDNIGHT + 5 * DAY)
    world.fold()
    prune_to(world.store, MIDNIGHT + DAY)
    assert count(world.store) == 3 + 2
    world.send("v", [world.hit(MIDNIGHT + DAY, "/on")])
    world.fold()
    with reading(world.store) as tx:
        assert tx.execute(select(visits.c.n_hits).where(visits.c.started_at == late)).scalar() == 4
    world.send("z", [world.hit(MIDNIGHT + 5 * DAY + timedelta(minutes=5), "/newest")])
    world.fold()
    prune_to(world.store, MIDNIGHT + 2 * DAY)
    assert count(world.store) == 3


def test_no_day_is_pruned_while_a_hit_from_before_it_waits(world: World) -> None:
    visit(world, "v", START)
    visit(world, "w", START + 5 * DAY)
    assert prune_to(world.store, MIDNIGHT + 2 * DAY) == 0
    assert count(world.store) == 4
    world.fold()
    assert prune_to(world.store, MIDNIGHT + 2 * DAY) > 0
    assert count(world.store) == 2


def test_a_parked_hit_goes_with_its_time_and_holds_nothing_up(world: World) -> None:
    visit(world, "v", START, n=1)
    visit(world, "w", START + 5 * DAY, n=1)
    with begin(world.store) as tx:
        first = tx.execute(select(func.min(hits.c.seq))).scalar_one()
        tx.execute(hits_waiting.delete().where(hits_waiting.c.seq == first))
        tx.execute(insert(hits_parked), [{"seq": first, "error": "ValueError"}])
    world.fold()
    prune_to(world.store, MIDNIGHT + 2 * DAY)
    assert (count(world.store), count(world.store, hits_parked)) == (1, 0)


def test_a_parked_hit_from_before_the_horizon_is_not_folded_into_sealed_time(world: World) -> None:
    visit(world, "v", START, n=2)
    visit(world, "z", START + 5 * DAY)
    world.fold()
    prune_to(world.store, MIDNIGHT + 2 * DAY)
    before = world.facts()
    world.send("v", [world.hit(START + timedelta(minutes=1), "/late")])
    with begin(world.store) as tx:
        (late,) = tx.execute(select(hits_waiting.c.seq)).scalars()
        tx.execute(hits_waiting.delete())
        tx.execute(insert(hits_parked), [{"seq": late, "error": "ValueError"}])
        rebuild(tx, 100)
    assert world.facts() == before
    assert count(world.store, hits_parked) == 1


def test_a_call_of_nobody_goes_and_a_call_of_somebody_stays(store: Engine) -> None:
    served = Served(store)
    program = served.program(served.token)
    called = {"kind": "call", "occurred_at": START.isoformat(), "contact": {"email": "hana@kyoto.example"}}
    assert program.post("/events", {"events": [called, {**called, "reference": "2"}]}).status_code == 202
    with begin(store) as tx:  # one that a later release's rules would let name nobody
        tx.execute(hits.update().where(hits.c.seq == select(func.min(hits.c.seq)).scalar_subquery()).values(details={}))
    served.clock.forward(days=9)
    served.browse("v", served.hit("page", "/"))
    served.fold()
    prune_to(store, MIDNIGHT + 5 * DAY)
    assert kinds(store) == ["call", "page"]
    assert count(store, identifications) == 1


def test_a_visit_of_very_many_hits_goes_in_steps_that_hold_few(world: World) -> None:
    for n in range(3):
        visit(world, "v", START + timedelta(minutes=25 * n), n=25)
    visit(world, "z", START + 5 * DAY)
    world.fold()
    deleted: list[int] = []

    @event.listens_for(world.store, "after_cursor_execute")
    def note(_connection: object, cursor: object, statement: str, *_more: object) -> None:
        if statement.startswith("DELETE FROM hits "):
            deleted.append(cursor.rowcount)  # type: ignore[attr-defined]

    assert prune_to(world.store, MIDNIGHT + 2 * DAY, n_hits=10) >= 8
    assert (sum(deleted), max(deleted)) == (75, 10)
    assert count(world.store) == 2


def test_the_newest_hit_stays_so_that_no_number_is_given_twice(world: World) -> None:
    visit(world, "v", START, n=3)
    world.fold()
    prune_to(world.store, MIDNIGHT + 2 * DAY)
    with reading(world.store) as tx:
        newest = tx.execute(select(func.max(hits.c.seq))).scalar_one()
    assert count(world.store) == 3  # its visit is whole
    world.send("w", [world.hit(START + 5 * DAY, "/")])
    world.fold()
    with reading(world.store) as tx:
        assert tx.execute(select(func.max(hits.c.seq))).scalar_one() > newest
    prune_to(world.store, MIDNIGHT + 3 * DAY)
    assert count(world.store) == 1


def test_a_step_thought_out_before_somebody_elses_is_not_taken(world: World) -> None:
    for n in range(4):
        visit(world, f"v{n}", START + n * timedelta(hours=2))
    visit(world, "z", START + 5 * DAY)
    world.fold()
    horizon = MIDNIGHT + 2 * DAY
    assert prune(world.store, 30, horizon + 30 * DAY, 3) == 2
    with reading(world.store) as tx:
        step = next_step(tx, horizon, 3)
    assert step is not None
    with begin(world.store) as tx:
        assert take(tx, step) == 2
    with begin(world.store) as tx:
        assert take(tx, step) == 0
    assert count(world.store) == 2 + 4


def test_a_longer_period_stops_pruning_and_takes_nothing_back(world: World) -> None:
    for n in range(6):
        visit(world, f"v{n}", START + n * DAY)
    world.fold()
    prune_to(world.store, MIDNIGHT + 2 * DAY)
    assert count(world.store) == 8
    assert prune(world.store, 60, MIDNIGHT + 32 * DAY) == 0
    with begin(world.store) as tx:
        assert kept_since(tx, world.site.site_id) == MIDNIGHT + 2 * DAY


def test_a_year_is_pruned_day_by_day_and_every_figure_stays(world: World) -> None:
    world.send("v0", [world.hit(START + 100 * DAY, "/contact", kind="form", identifiers={"email": "a@kyoto.example"})])
    for n in range(0, 365, 5):
        visit(world, f"v{n % 3}", START + n * DAY, n=2)
    world.fold()
    with reading(world.store) as tx:
        before = tx.execute(select(touchpoints).order_by(touchpoints.c.touchpoint_id)).all()
        people = tx.execute(select(contacts)).all()
    for n in range(0, 360, 30):
        prune_to(world.store, MIDNIGHT + n * DAY, 50)
    prune_to(world.store, MIDNIGHT + 364 * DAY, 50)
    assert kinds(world.store) == ["form", "page", "page"]
    with begin(world.store) as tx:
        rebuild(tx, 50)
        assert tx.execute(select(touchpoints).order_by(touchpoints.c.touchpoint_id)).all() == before
        assert tx.execute(select(contacts)).all() == people
        assert tx.execute(select(func.count()).select_from(visit_hits)).scalar() == count(world.store)


# --- what is refused thereafter ---------------------------------------------------------------------------------------


def pruned_site(store: Engine) -> Served:
    """Acme with page views gone up to ten days after the start."""
    served = Served(store)
    served.browse("v", served.hit("page", "/"))
    served.clock.forward(days=20)
    served.browse("w", served.hit("page", "/"))
    served.fold()
    assert prune_to(store, MIDNIGHT + 10 * DAY) > 0
    return served


def test_the_api_refuses_what_happened_in_a_browser_before_and_takes_calls_of_any_age(store: Engine) -> None:
    served = pruned_site(store)
    program = served.program(served.token)
    page = {"kind": "page", "visitor": "v" * 22, "url": "https://www.acme.example/"}
    young = {**page, "occurred_at": (MIDNIGHT + 10 * DAY).isoformat()}
    old = {**page, "occurred_at": (MIDNIGHT + 10 * DAY - timedelta(milliseconds=1)).isoformat()}
    refused = program.post("/events", {"events": [young, old]})
    assert refused.status_code == 422
    assert refused.json is not None
    (error,) = refused.json["errors"]
    assert error["field"] == "events.1.occurred_at"
    assert "2026-04-11" in error["message"]
    assert program.post("/events", {"events": [young]}).status_code == 202
    called = {"kind": "call", "occurred_at": "2019-01-01T00:00:00Z", "contact": {"email": "hana@kyoto.example"}}
    assert program.post("/events", {"events": [called]}).status_code == 202
    served.fold()
    with begin(store) as tx:
        assert tx.execute(select(func.count()).select_from(contacts)).scalar() == 1
        before = tx.execute(select(visits).order_by(visits.c.visit_id)).all()
        rebuild(tx, 100)
        assert tx.execute(select(visits).order_by(visits.c.visit_id)).all() == before


def test_a_log_leaves_out_what_is_from_before_and_says_so(store: Engine, tmp_path: Path) -> None:
    served = pruned_site(store)
    lines = [
        f'203.0.113.9 - - [{day:02}/Apr/2026:10:05:03 +0000] "GET / HTTP/1.1" 200 512 "-" "Mozilla/5.0 Firefox/140.0"\n'
        for day in (2, 10, 11, 12)
    ]
    (tmp_path / "access.log").write_text("".join(lines))
    said: list[str] = []
    import_log(
        store,
        served.settings,
        served.acme,
        tmp_path / "access.log",
        "combined",
        served.clock(),
        Console(file=io.StringIO()),
        said.append,
    )
    assert {"page views: 2", "new: 2", "refused: 2", "  too_old: 2", "days: 2026-04-11 to 2026-04-12"} <= set(said)
    with reading(store) as tx:
        logged = tx.execute(select(func.count()).where(hits.c.origin == Origin.LOG.value)).scalar()
    assert logged == 2


def test_a_browsers_hits_are_refused_sooner_than_page_views_go() -> None:
    with pytest.raises(ValueError, match="MINAMOTO_MAX_HIT_AGE_DAYS"):
        Settings(hit_retention_days=7, max_hit_age_days=7)
    assert Settings(hit_retention_days=8, max_hit_age_days=7).hit_retention_days == 8
    assert Settings(hit_retention_days=0, max_hit_age_days=365).hit_retention_days == 0


def test_the_command_names_the_setting_and_shows_no_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MINAMOTO_DATABASE_URL", f"sqlite:///{tmp_path}/minamoto.sqlite3")
    for name, value, said in (
        ("MINAMOTO_HIT_RETENTION_DAYS", "5", "MINAMOTO_HIT_RETENTION_DAYS is '5': it must be 0 or more than"),
        ("MINAMOTO_METRICS_TOKEN", "too short", "MINAMOTO_METRICS_TOKEN is not shown: "),
    ):
        settings.cache_clear()
        with monkeypatch.context() as now:
            now.setenv(name, value)
            done = CliRunner().invoke(main, ["check"])
        assert done.exit_code == 1
        assert said in done.output
        assert "too short" not in done.output
    settings.cache_clear()


def test_work_once_prunes_what_is_too_old(store: Engine, command: Command) -> None:
    world = World(store)
    visit(world, "v", START - 3_000 * DAY)
    visit(world, "w", START - 2_990 * DAY)
    done = command("work", "--once")
    assert done.exit_code == 0, done.output
    assert count(store) == 2  # the newest visit's


def test_the_contacts_page_and_the_api_say_from_when_on_page_views_are_kept(store: Engine) -> None:
    served = Served(store)
    contact_id = served.walk()
    crm = served.program(served.token)
    told = crm.get(f"/contacts/{contact_id}/attribution").json
    assert told is not None
    assert "page_views_gone" not in [note["code"] for note in told["notes"]]
    served.clock.forward(days=20)
    served.browse("v", served.hit("page", "/"))
    served.fold()
    prune_to(store, MIDNIGHT + 10 * DAY)
    after = crm.get(f"/contacts/{contact_id}/attribution").json
    assert after is not None
    assert (after["visits"], after["pages_viewed"]) == (told["visits"], told["pages_viewed"])
    # The horizon is nine o'clock in Tokyo: of that day not all is there.
    assert [note["text"] for note in after["notes"] if note["code"] == "page_views_gone"] == [
        "Page views before 2026-04-12 are no longer kept; the visits of that time stand as they are."
    ]
    way = crm.get(f"/contacts/{contact_id}/journey").json
    assert way is not None
    assert HitKind.FORM.value in [item["kind"] for item in way["data"]]
    assert HitKind.PAGE.value not in [item["kind"] for item in way["data"]]


def test_what_rules_decided_by_page_views_stays_when_they_go(world: World) -> None:
    rule = '[[rule]]\nname = "looked at prices"\nstage = "marketingqualifiedlead"\nwhen = { page = "/p1" }'
    with begin(world.store) as tx:
        save_lifecycle(tx, world.site.site_id, Lifecycle(needs_sign_off=False))
        save_definition(tx, world.site.site_id, rule, reason="prices", by="ann", now=START, from_at=START)
    visit(world, "v", START)
    form = {"form": {"id": "contact"}, "identifiers": {"email": "hana@kyoto.example"}}
    world.send("v", [world.hit(START + timedelta(minutes=3), "/contact", kind="form", **form)])
    world.fold()
    kept = {name: world.facts()[name] for name in ("stage_changes", "contacts", "conversions", "paths")}
    assert len(kept["stage_changes"]) == 1
    visit(world, "z", START + 20 * DAY)
    world.fold()
    assert prune_to(world.store, MIDNIGHT + 10 * DAY) > 0
    assert "page" not in kinds(world.store)[:1]
    with begin(world.store) as tx:
        rebuild(tx, 100)
    assert {name: world.facts()[name] for name in kept} == kept
    with begin(world.store) as tx:  # and under definitions that say otherwise since then
        save_definition(tx, world.site.site_id, rule.replace("/p1", "/x"), reason="not", by="ann", now=START)
        restage(tx, world.site.site_id)
    with begin(world.store) as tx:
        while restage_some(tx, 10, START + 41 * DAY):
            pass
    assert {name: world.facts()[name] for name in kept} == kept
