"""A real PostgreSQL for the tests: one throw-away server a process, started when a test first asks for it.

Programs: the folder $MINAMOTO_TEST_POSTGRES_BIN, else Debian's newest, else those on PATH, else those inside
the pgserver wheel. The server listens on a socket in a temporary folder of its own, never syncs to disk, and
sorts text as a person would (ICU) where it can, so that a missing COLLATE "C" shows. A watcher process stops
it and removes the folder as soon as this process is gone, however it went.
"""

import atexit
import importlib.util
import itertools
import os
import pwd
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import make_url

SETTINGS = """
autovacuum = off
fsync = off
full_page_writes = off
jit = off
listen_addresses = ''
max_connections = 100
max_wal_senders = 0
shared_buffers = 64MB
synchronous_commit = off
unix_socket_directories = '{folder}'
unix_socket_permissions = 0700
wal_level = minimal
"""

# Reads until our end of the pipe is closed: by stop(), or by the kernel when this process dies.
WATCHER = """
if "$1/pg_ctl" start --wait --timeout=60 --silent --pgdata="$2/data" --log="$2/log" </dev/null >/dev/null 2>&1
then
  echo ready
  cat >/dev/null
  "$1/pg_ctl" stop --mode=immediate --silent --pgdata="$2/data" >/dev/null 2>&1
fi
rm -rf "$2"
"""

ICU = ["--locale-provider=icu", "--icu-locale=en-US"]


SHAPE = """
SELECT coalesce(string_agg(c.relname || ' ' || a.attname, ',' ORDER BY c.relname, a.attnum), '')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
WHERE n.nspname = 'public' AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
"""
LEAVE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
# Deleting a test's few rows takes a tenth of truncating; what a large test leaves behind would slow down the next one.
EMPTY = """
DO $$ DECLARE one regclass; BEGIN
  SET LOCAL session_replication_role = replica;
  FOR one IN SELECT c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = 'public' AND c.relkind = 'r' AND c.relname <> 'alembic_version' LOOP
    IF pg_relation_size(one) > 500000 THEN
      EXECUTE format('TRUNCATE %s CASCADE', one);
    ELSE
      EXECUTE format('DELETE FROM %s', one);
    END IF;
  END LOOP;
  FOR one IN SELECT c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = 'public' AND c.relkind = 'S' LOOP
    EXECUTE format('ALTER SEQUENCE %s RESTART', one);
  END LOOP;
END $$
"""


class CannotStart(Exception):
    """These binaries give no server; the message says why."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running PostgreSQL. `url` names its maintenance database; `folder` holds all it keeps."""

    url: str
    folder: Path
    watcher: subprocess.Popen[str]

    def stop(self) -> None:
        """Stop the server and remove what it kept; a second call does nothing."""
        assert self.watcher.stdin
        self.watcher.stdin.close()
        self.watcher.wait(timeout=60)
        shutil.rmtree(self.folder, ignore_errors=True)


def postgres_url() -> str | None:
    """SQLAlchemy URL of this process's PostgreSQL, or None where there can be none; see `why_no_postgres`."""
    found = _this_process()
    return found.url if isinstance(found, Server) else None


def why_no_postgres() -> str:
    """Why `postgres_url` gives None, in one line; empty where it gives a URL."""
    found = _this_process()
    return "" if isinstance(found, Server) else found


def fresh_database(url: str, template: str | None = None) -> str:
    """Create an empty database on the server of `url`, or a copy of another one, and give its SQLAlchemy URL.

    template  URL of a database from this function; nobody may be connected to it: dispose of its engine
    """
    name = f"t{os.getpid()}_{next(_numbers)}"
    source = make_url(template).database if template else "template1"
    assert source
    _administer(url, sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(source)))
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def drop_database(url: str) -> None:
    """Drop a database that `fresh_database` made, and whoever is connected to it; gone already is fine."""
    name = make_url(url).database
    assert name
    _administer(url, sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def shape_of(url: str) -> str:
    """The tables of a database and their columns, as one text."""
    with _direct(url) as connection:
        found = connection.execute(SHAPE).fetchone()
        assert found
        return str(found[0])


def empty(url: str, shape: str) -> bool:
    """Take every row out of a database, whoever is connected to it; False where its tables are others than `shape`."""
    with suppress(psycopg.Error), _direct(url) as connection:
        connection.execute(LEAVE)
        found = connection.execute(SHAPE).fetchone()
        if found and found[0] == shape:
            connection.execute(EMPTY)
            return True
    return False


def start_first(folders: Iterable[Path]) -> Server:
    """Start the first of these folders' servers that starts; raises CannotStart with every reason."""
    reasons = []
    for folder in folders:
        try:
            return start(folder)
        except CannotStart as reason:
            reasons.append(f"{folder}: {reason}")
    raise CannotStart("; ".join(reasons) or "no initdb and postgres on this machine")


def server_folders(environ: Mapping[str, str]) -> list[Path]:
    """Folders with PostgreSQL's programs, best first. A folder named by the environment is the only one."""
    named = environ.get("MINAMOTO_TEST_POSTGRES_BIN")
    if named:
        return [Path(named)]
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    on_path = shutil.which("initdb", path=environ.get("PATH", os.defpath))
    wheel = importlib.util.find_spec("pgserver")
    folders = [
        *debian,
        *([Path(on_path).resolve().parent] if on_path else []),
        *([Path(wheel.origin).parent / "pginstall/bin"] if wheel and wheel.origin else []),
    ]
    return list(dict.fromkeys(folder for folder in folders if (folder / "initdb").exists()))


def start(programs: Path) -> Server:
    """Start a new, empty server from the folder `programs`; raises CannotStart."""
    folder = Path(tempfile.mkdtemp(prefix="minamoto-pg-"))
    try:
        owner = _owner()
        if owner:
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        programs = _within_reach(programs, folder, owner)
        _initdb(programs, folder, owner)
        watcher = _watch(programs, folder, owner)
    except (CannotStart, OSError, subprocess.SubprocessError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise CannotStart(_one_line(str(error))) from error
    return Server(f"postgresql+psycopg://postgres@/postgres?host={folder}", folder, watcher)


_numbers = itertools.count(1)
_lock = threading.Lock()
_found: list[Server | str] = []


def _this_process() -> Server | str:
    with _lock:
        if not _found:
            try:
                server = start_first(server_folders(os.environ))
                atexit.register(server.stop)
                _found.append(server)
            except CannotStart as reason:
                _found.append(f"no PostgreSQL: {reason}")
        return _found[0]


def _direct(url: str) -> psycopg.Connection[tuple[Any, ...]]:
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(plain, autocommit=True)


def _administer(url: str, statement: sql.Composed) -> None:
    server = make_url(url).set(drivername="postgresql", database="postgres")
    with psycopg.connect(server.render_as_string(hide_password=False), autocommit=True) as connection:
        connection.execute(statement)


def _version(folder: Path) -> float:
    number = re.search(r"/([0-9.]+)/bin$", str(folder))
    return float(number[1]) if number else 0.0


def _owner() -> pwd.struct_passwd | None:
    """Whom the server runs as: PostgreSQL refuses root, so root lends it to a user without rights."""
    if os.geteuid() != 0:
        return None
    users = {user.pw_name: user for user in pwd.getpwall()}
    owner = users.get("postgres") or users.get("nobody")
    if not owner:
        raise CannotStart("PostgreSQL refuses to run as root, and there is no user postgres or nobody")
    return owner


def _run(command: list[str], owner: pwd.struct_passwd | None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        **_as(owner),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
        check=False,
    )


def _as(owner: pwd.struct_passwd | None) -> dict[str, Any]:
    identity = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if owner else {}
    return {"cwd": "/", "env": {"LC_ALL": "C", "PATH": os.defpath, "TZ": "UTC"}, **identity}


def _within_reach(programs: Path, folder: Path, owner: pwd.struct_passwd | None) -> Path:
    """The programs themselves, or a copy where their owner-to-be may not read them (a home of root's)."""
    try:
        if _run([f"{programs}/initdb", "--version"], owner).returncode == 0:
            return programs
    except PermissionError:
        pass
    if not owner:
        raise CannotStart("initdb does not run")
    # A wheel keeps the libraries beside the package, and the programs look for them there.
    install, package = programs.parent, programs.parents[1]
    libraries = package.with_name(f"{package.name}.libs")
    copy = folder / "programs"
    shutil.copytree(install, copy / package.name / install.name, symlinks=True)
    if libraries.is_dir():
        shutil.copytree(libraries, copy / libraries.name, symlinks=True)
    return copy / package.name / install.name / programs.name


def _initdb(programs: Path, folder: Path, owner: pwd.struct_passwd | None) -> None:
    options = "--username=postgres --auth=trust --no-sync --encoding=UTF8 --locale=C".split()
    command = [f"{programs}/initdb", f"--pgdata={folder}/data", *options]
    made = _run([*command, *ICU], owner)
    if made.returncode != 0:  # older than 15, or built without ICU
        shutil.rmtree(folder / "data", ignore_errors=True)
        made = _run(command, owner)
    if made.returncode != 0:
        raise CannotStart(made.stderr)
    with (folder / "data/postgresql.conf").open("a") as settings:
        settings.write(SETTINGS.format(folder=str(folder).replace("'", "''")))


def _watch(programs: Path, folder: Path, owner: pwd.struct_passwd | None) -> subprocess.Popen[str]:
    # A session of its own: Ctrl-C in the terminal ends the tests, and they end the server.
    watcher: subprocess.Popen[str] = subprocess.Popen(
        ["/bin/sh", "-c", WATCHER, "watcher", str(programs), str(folder)],
        **_as(owner),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert watcher.stdout
    with watcher.stdout as said:
        ready = said.readline() == "ready\n"
    if not ready:
        log = folder / "log"
        raise CannotStart(log.read_text() if log.exists() else "pg_ctl did not start it")
    return watcher


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()[-500:] or "no reason given"
