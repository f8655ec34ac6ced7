"""The PostgreSQL that the tests start for themselves: found, fresh, thrown away."""

import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.databases import (
    CannotStart,
    drop_database,
    empty,
    fresh_database,
    postgres_url,
    server_folders,
    shape_of,
    start,
    start_first,
    why_no_postgres,
)

ROOT = Path(__file__).parents[2]
WHEEL = next((bin.parents[1] for bin in server_folders(os.environ) if bin.match("pginstall/bin")), None)


@pytest.fixture(scope="module")
def server() -> str:
    url = postgres_url()
    if url is None:
        pytest.skip(why_no_postgres())
    return url


@pytest.fixture
def engine_of() -> Iterator[object]:
    engines: list[sa.Engine] = []

    def make(url: str) -> sa.Engine:
        engines.append(sa.create_engine(url))
        return engines[-1]

    yield make
    for engine in engines:
        engine.dispose()


def test_a_fresh_database_is_empty_and_speaks_utf8(server, engine_of):
    with engine_of(fresh_database(server)).begin() as connection:
        assert sa.inspect(connection).get_table_names() == []
        assert connection.scalar(sa.text("SHOW server_encoding")) == "UTF8"
        assert connection.scalar(sa.text("SELECT '源氏'")) == "源氏"


def test_two_fresh_databases_do_not_see_each_other(server, engine_of):
    one, other = fresh_database(server), fresh_database(server)
    with engine_of(one).begin() as connection:
        connection.execute(sa.text("CREATE TABLE hits (id int)"))
    assert sa.inspect(engine_of(other)).get_table_names() == []


def test_a_copy_has_the_rows_of_its_template_and_goes_its_own_way(server, engine_of):
    template = fresh_database(server)
    engine = engine_of(template)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE hits AS SELECT 7 AS id"))
    engine.dispose()
    copy = fresh_database(server, template=template)
    with engine_of(copy).begin() as connection:
        assert connection.scalar(sa.text("SELECT id FROM hits")) == 7
        connection.execute(sa.text("DELETE FROM hits"))
    with engine.begin() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM hits")) == 1


def test_an_emptied_database_is_as_new_though_somebody_was_connected(server, engine_of):
    url = fresh_database(server)
    with engine_of(url).begin() as connection:
        connection.execute(sa.text("CREATE TABLE sites (id serial PRIMARY KEY)"))
        connection.execute(sa.text("CREATE TABLE hits (id serial, site int REFERENCES sites, note text)"))
    shape = shape_of(url)
    for n_rows in (1, 20_000):
        somebody = engine_of(url).connect()
        somebody.execute(sa.text("INSERT INTO sites DEFAULT VALUES"))
        rows = sa.text("INSERT INTO hits (site, note) SELECT 1, repeat('x', 99) FROM generate_series(1, :n)")
        somebody.execute(rows, {"n": n_rows})
        somebody.commit()
        somebody.execute(sa.text("UPDATE sites SET id = id"))  # and holds the row
        assert empty(url, shape)
        with engine_of(url).begin() as connection:
            assert connection.scalar(sa.text("SELECT (SELECT count(*) FROM sites) + (SELECT count(*) FROM hits)")) == 0
            assert connection.scalar(sa.text("SELECT nextval('sites_id_seq') + nextval('hits_id_seq')")) == 2
            connection.execute(sa.text("ALTER SEQUENCE sites_id_seq RESTART"))
            connection.execute(sa.text("ALTER SEQUENCE hits_id_seq RESTART"))
        somebody.invalidate()


@pytest.mark.parametrize("change", ["DROP TABLE hits", "ALTER TABLE hits ADD n int", "CREATE TABLE theirs (n int)"])
def test_a_database_with_other_tables_is_not_emptied_but_said_to_be_another(server, engine_of, change):
    url = fresh_database(server)
    with engine_of(url).begin() as connection:
        connection.execute(sa.text("CREATE TABLE hits (id int)"))
    shape = shape_of(url)
    with engine_of(url).begin() as connection:
        connection.execute(sa.text(change))
    assert not empty(url, shape)


def test_a_dropped_database_is_gone_though_somebody_was_connected(server, engine_of):
    url = fresh_database(server)
    engine = engine_of(url)
    with engine.connect():
        drop_database(url)
    drop_database(url)
    with pytest.raises(sa.exc.OperationalError, match="does not exist"):
        engine_of(url).connect()


def test_the_url_is_the_same_each_time(server):
    assert postgres_url() == server
    assert why_no_postgres() == ""


def test_the_folder_named_by_the_environment_is_the_only_one():
    assert server_folders({"MINAMOTO_TEST_POSTGRES_BIN": "/opt/pg/bin", "PATH": "/usr/bin"}) == [Path("/opt/pg/bin")]


def test_programs_on_the_path_are_found_behind_their_links(tmp_path):
    (tmp_path / "pg/bin").mkdir(parents=True)
    (tmp_path / "pg/bin/initdb").touch(mode=0o755)
    (tmp_path / "link").mkdir()
    (tmp_path / "link/initdb").symlink_to(tmp_path / "pg/bin/initdb")
    assert tmp_path / "pg/bin" in server_folders({"PATH": str(tmp_path / "link")})


def test_without_programs_the_reason_says_so():
    with pytest.raises(CannotStart, match="no initdb and postgres on this machine"):
        start_first([])


def test_a_broken_folder_is_passed_over_and_named_in_the_reason(tmp_path):
    broken = tmp_path / "bin"
    broken.mkdir()
    (broken / "initdb").write_text("#!/bin/sh\necho no shared memory here >&2\nexit 1\n")
    (broken / "initdb").chmod(0o755)
    with pytest.raises(CannotStart, match=f"{broken}: .+"):
        start_first([broken])


@pytest.mark.parametrize("programs", server_folders(os.environ), ids=str)
def test_every_server_on_this_machine_starts_and_stops_and_leaves_nothing(programs, engine_of):
    started = start(programs)
    with engine_of(started.url).connect() as connection:
        assert connection.scalar(sa.text("SHOW fsync")) == "off"
    started.stop()
    started.stop()
    assert not started.folder.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root lends its server to another user")
@pytest.mark.skipif(not WHEEL, reason="pgserver has no wheel for this Python")
def test_programs_in_a_home_of_roots_are_copied_for_the_server(tmp_path):
    shutil.copytree(WHEEL / "pginstall", tmp_path / "home/pgserver/pginstall", symlinks=True)
    shutil.copytree(WHEEL.with_name("pgserver.libs"), tmp_path / "home/pgserver.libs", symlinks=True)
    (tmp_path / "home").chmod(0o700)
    started = start(tmp_path / "home/pgserver/pginstall/bin")
    assert (started.folder / "programs").is_dir()
    started.stop()
    assert not started.folder.exists()


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="only Linux tells when another process ends")
def test_the_server_dies_with_the_tests_though_they_were_killed(server):
    script = (
        "import os, time\n"
        "from tests.databases import server_folders, start_first\n"
        "server = start_first(server_folders(os.environ))\n"
        "print(server.watcher.pid, server.folder, flush=True)\n"
        "input()\n"
    )
    tests = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with tests:
        watcher, folder = tests.stdout.readline().split()
        handle = os.pidfd_open(int(watcher))
        tests.send_signal(signal.SIGKILL)
    ended, _, _ = select.select([handle], [], [], 30)
    os.close(handle)
    assert ended, "the watcher is still there"
    assert not Path(folder).exists()
