"""Whoever watches asks: alive, ready, how much. The figures are for the bearer of one token."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine, text

from api import create_app
from tests.world import START, World
from tracker.config import Settings
from tracker.db.store import begin, connect, reading
from tracker.db.upgrade import head
from tracker.health import Doctor, backlog

TOKEN = "a token of sixteen and more"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


def watched(store: Engine, **more: object) -> World:
    return World(store, settings=Settings(secret_key="s" * 40, metrics_token=TOKEN, **more))


@contextmanager
def held(store: Engine) -> Iterator[None]:
    """The store takes no write: somebody else holds it, and does not let go."""
    other = connect(store.url.render_as_string(hide_password=False))
    with other.begin() as tx:
        if store.dialect.name == "postgresql":
            tx.execute(text("LOCK TABLE pulse IN ACCESS EXCLUSIVE MODE"))
        yield
    other.dispose()


def test_alive_is_answered_with_nothing_asked(store: Engine) -> None:
    world = watched(store)
    with begin(store) as tx:
        tx.execute(text("DROP TABLE pulse"))
        tx.execute(text("DROP TABLE hits_waiting"))
    answer = world.app.test_client().get("/healthz")
    assert (answer.status_code, answer.json) == (200, {"status": "ok"})


def test_ready_names_its_checks_to_all_and_its_figures_to_the_bearer(store: Engine) -> None:
    client = watched(store).app.test_client()
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json == {
        "status": "ready",
        "checks": {name: {"ok": True} for name in ("store", "schema", "fold", "disk")},
    }
    told = client.get("/readyz", headers=BEARER).json
    assert told is not None
    assert told["checks"]["fold"] == {
        "ok": True,
        "lag_s": 0.0,
        "limit_s": 900.0,
        "n_waiting": 0,
        "n_parked": 0,
    }
    assert told["checks"]["schema"]["revision"] == told["checks"]["schema"]["head"]
    assert told["checks"]["store"]["answer_s"] >= 0
    assert (told["checks"]["disk"]["free_mb"] is None) == (store.dialect.name == "postgresql")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer wrong wrong wrong wrong"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": TOKEN},
        {"Authorization": "Bearer träge äöü träge äöü"},
    ],
)
def test_without_the_token_there_are_no_figures(store: Engine, headers: dict[str, str]) -> None:
    client = watched(store).app.test_client()
    told = client.get("/readyz", headers=headers).json
    assert told is not None
    assert all(set(check) == {"ok"} for check in told["checks"].values())


def test_where_no_token_is_set_no_token_opens(store: Engine) -> None:
    client = World(store).app.test_client()
    for secret in ("", " ", "None", TOKEN):
        told = client.get("/readyz", headers={"Authorization": f"Bearer {secret}"}).json
        assert told is not None
        assert told["checks"]["fold"] == {"ok": True}


def test_hits_that_wait_too_long_make_it_unready_until_they_are_folded(store: Engine) -> None:
    world = watched(store, ready_fold_lag_s=60)
    world.browse("v", world.hit("page", "/"))
    world.clock.forward(seconds=30)
    world.browse("w", world.hit("page", "/"))
    doctor = Doctor(store, world.settings, world.clock)
    assert doctor.readiness().ok
    world.clock.forward(seconds=31)
    late = Doctor(store, world.settings, world.clock).readiness()
    (fold,) = (check for check in late.checks if not check.ok)
    assert (fold.name, dict(fold.figures)) == (
        "fold",
        {"lag_s": 61.0, "limit_s": 60.0, "n_waiting": 2, "n_parked": 0},
    )
    world.fold()
    assert Doctor(store, world.settings, world.clock).readiness().ok


def test_the_backlog_is_as_old_as_its_oldest_hit(store: Engine) -> None:
    world = watched(store)
    with reading(store) as tx:
        assert (backlog(tx).n_waiting, backlog(tx).lag_s(START)) == (0, 0.0)
    world.browse("v", world.hit("page", "/"))
    world.clock.forward(hours=1)
    world.browse("v", world.hit("page", "/b"))
    with reading(store) as tx:
        found = backlog(tx)
    assert (found.n_waiting, found.oldest_at) == (2, START)
    assert found.lag_s(world.clock()) == 3600


def test_too_little_disk_makes_it_unready_where_the_disk_is_ours(store: Engine) -> None:
    answer = watched(store, ready_disk_mb=10**9).app.test_client().get("/readyz")
    assert answer.status_code == (503 if store.dialect.name == "sqlite" else 200)
    assert answer.json is not None
    assert answer.json["checks"]["disk"]["ok"] == (store.dialect.name == "postgresql")


def test_tables_of_another_release_make_it_unready(store: Engine) -> None:
    world = watched(store)
    with begin(store) as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    told = world.app.test_client().get("/readyz", headers=BEARER)
    assert told.status_code == 503
    assert told.json is not None
    assert told.json["status"] == "not_ready"
    assert told.json["checks"]["schema"] == {"ok": False, "revision": "0000", "head": head()}


def test_a_store_that_hangs_is_told_in_time_and_holds_one_thread(store: Engine) -> None:
    world = watched(store)
    doctor = Doctor(store, world.settings, world.clock)
    with held(store):
        for _ in range(5):
            found = doctor.readiness(within_s=0.05)
            assert not found.ok
            assert [check.name for check in found.checks] == ["store", "schema", "fold", "disk"]
        watching = [one for one in threading.enumerate() if one.name == "minamoto-watch"]
        assert len(watching) == 1
    watching[0].join(60)
    assert doctor.readiness(within_s=60).checks[0].ok


def test_a_store_without_its_tables_is_not_ready_and_tells_no_more(store: Engine) -> None:
    world = watched(store)
    with begin(store) as tx:
        tx.execute(text("DROP TABLE pulse"))
    answer = world.app.test_client().get("/readyz", headers=BEARER)
    assert answer.status_code == 503
    assert b"pulse" not in answer.data
    assert answer.json is not None
    assert answer.json["checks"]["store"]["ok"] is False


def test_the_answers_are_nobodys_to_keep_and_give_no_cookie(store: Engine) -> None:
    client = watched(store).app.test_client()
    for path in ("/healthz", "/readyz", "/metrics"):
        answer = client.get(path, headers=BEARER)
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Set-Cookie" not in answer.headers


def scraped(world: World) -> dict[str, float]:
    """Every sample that Prometheus would read, by its name and labels."""
    answer = world.app.test_client().get("/metrics", headers=BEARER)
    assert answer.status_code == 200
    found = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sample.labels.items() if name != "process")
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def test_figures_are_for_the_bearer_alone(store: Engine) -> None:
    world = watched(store)
    world.people()
    client = world.app.test_client()
    assert client.get("/metrics").status_code == 401
    for secret in (world.token, world.master_token, "", TOKEN[:-1]):
        answer = client.get("/metrics", headers={"Authorization": f"Bearer {secret}"})
        assert answer.status_code == 401
        assert b"minamoto_" not in answer.data


def test_hits_are_counted_by_what_became_of_them(store: Engine) -> None:
    world = watched(store)
    world.browse("v", world.hit("page", "/"), world.hit("page", "/b"))
    world.browse("v", world.hit("page", "/"), site="nobody")
    world.browse("v", world.hit("page", "/"), site="carolkey")
    world.clock.forward(seconds=90)
    found = scraped(world)
    assert found["minamoto_hits_refused_total{reason=unknown_site}"] == 1
    assert found["minamoto_hits_refused_total{reason=foreign_host}"] == 1
    assert found["minamoto_hits_refused_total{reason=busy}"] == 0
    assert found["minamoto_hits_waiting"] == 2
    assert found["minamoto_fold_lag_seconds"] == 90
    assert found["minamoto_journal_oldest_timestamp_seconds"] == START.timestamp()
    assert found["minamoto_store_up"] == 1
    assert found["minamoto_commit_beacons_total"] == 3
    assert found["minamoto_commit_hits_total"] == 4
    if store.dialect.name == "sqlite":
        assert (found["minamoto_hits_taken_total"], found["minamoto_journal_hits"]) == (2, 2)


def test_what_another_process_counted_is_counted_here(store: Engine) -> None:
    world = watched(store)
    world.browse("v", world.hit("page", "/"), site="nobody")
    other = World.__new__(World)
    other.app = create_app(world.settings, engine=store, now=world.clock)
    found = scraped(other)
    assert found["minamoto_hits_refused_total{reason=unknown_site}"] == 1
    assert found["minamoto_commit_beacons_total"] == 0


def test_figures_tell_a_store_that_is_away_and_nothing_more_of_it(store: Engine) -> None:
    world = watched(store)
    with begin(store) as tx:
        tx.execute(text("DROP TABLE refusals"))
    found = scraped(world)
    assert found["minamoto_store_up"] == 0
    assert "minamoto_hits_waiting" not in found
    assert "minamoto_commit_beacons_total" in found


def test_no_figure_names_a_site_or_anybody(store: Engine) -> None:
    world = watched(store)
    world.walk()
    told = world.app.test_client().get("/metrics", headers=BEARER).text
    for secret in ("acme", "hana", "kyoto", "203.0.113", TOKEN):
        assert secret not in told
