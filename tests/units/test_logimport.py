"""An access log through the whole house, on both stores."""

import gzip
import io
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console
from sqlalchemy import Engine, func, select

from tracker.access.sites import Site, add_site
from tracker.collect.logfile import LINE_LIMIT
from tracker.config import Settings
from tracker.db.schema import hits, metadata, refusals, touchpoints, visits
from tracker.db.store import begin, reading
from tracker.errors import Invalid
from tracker.logimport import SAME_LINES_KEPT, Occurrences, import_log
from tracker.rebuild import rebuild

NOW = datetime(2026, 11, 21, tzinfo=UTC)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
GOOGLE, OWN = "https://www.google.com/", "https://www.acme.example/"


def line(
    time: str, path: str, referrer: str = "-", *, address: str = "203.0.113.9", agent: str = FIREFOX, status: int = 200
) -> str:
    return f'{address} - - [{time} +0000] "GET {path} HTTP/1.1" {status} 512 "{referrer}" "{agent}"\n'


# Hana finds the site by Google, looks around, and comes back the next day; Ken comes by a newsletter.
WEEK = [
    line("17/May/2026:10:05:03", "/", GOOGLE),
    line("17/May/2026:10:05:03", "/logo.png", OWN),
    line("17/May/2026:10:05:04", "/old", OWN, status=301),
    line("17/May/2026:10:05:05", "/pricing", OWN),
    line("17/May/2026:11:00:00", "/", agent="Googlebot/2.1"),
    "203.0.113.9 - - nonsense\n",
    line("18/May/2026:09:00:00", "/pricing"),
    line("18/May/2026:09:30:00", "/?utm_source=news&utm_medium=email", address="203.0.113.77"),
]
SAID = """\
lines read: 8
page views: 4
new: 4
known before: 0
refused: 4
  not_a_page: 1
  not_successful: 1
  bot: 1
  malformed: 1
days: 2026-05-17 to 2026-05-18
visits: 3
visitors: 2
top sources (visits, channel, source / medium):
       1 direct          (direct) / (none)
       1 email           news / email
       1 organic_search  google / organic
"""


class Importing:
    """A store with a site, and a folder for logs."""

    def __init__(self, store: Engine, url: str, folder: Path) -> None:
        self.store, self.folder = store, folder
        self.settings = Settings(database_url=url, secret_key="s" * 32)
        with begin(store) as tx:
            self.site: Site = add_site(tx, "Acme", ["www.acme.example"], now=NOW, key="acmekey")

    def log(self, *lines: str, packed: bool = False) -> Path:
        body = "".join(lines).encode()
        path = self.folder / ("access.log.1" if packed else "access.log")
        path.write_bytes(gzip.compress(body) if packed else body)
        return path

    def run(self, file: Path) -> str:
        said: list[str] = []
        console = Console(file=io.StringIO())
        import_log(self.store, self.settings, self.site, file, "combined", NOW, console, said.append)
        return "".join(f"{text}\n" for text in said)

    def n_hits(self) -> int:
        with reading(self.store) as tx:
            return tx.execute(select(func.count()).select_from(hits)).scalar_one()

    def facts(self) -> dict[str, list[tuple[object, ...]]]:
        with reading(self.store) as tx:
            # A rebuild tells readers with paths in memory that everything is new.
            tables = {table.name: table for table in metadata.sorted_tables if table.name != "recredited"}
            return {name: sorted(map(tuple, tx.execute(select(table))), key=repr) for name, table in tables.items()}


@pytest.fixture
def importing(store: Engine, store_url: str, tmp_path: Path) -> Importing:
    return Importing(store, store_url, tmp_path)


def test_it_says_what_it_read_and_which_visits_came_of_it(importing: Importing) -> None:
    assert importing.run(importing.log(*WEEK)) == SAID


def test_importing_twice_adds_nothing(importing: Importing) -> None:
    importing.run(importing.log(*WEEK))
    before = importing.facts()
    assert len(before["hits"]) == 4
    said = importing.run(importing.log(*WEEK))
    assert "new: 0\nknown before: 4\n" in said
    assert said.splitlines()[4:] == SAID.splitlines()[4:]
    assert importing.facts() == before


def test_a_longer_file_adds_only_its_new_lines(importing: Importing) -> None:
    importing.run(importing.log(*WEEK[:4]))
    assert "new: 2\nknown before: 2\n" in importing.run(importing.log(*WEEK))
    assert importing.n_hits() == 4


def test_a_packed_file_gives_the_same_as_a_plain_one(importing: Importing) -> None:
    assert importing.run(importing.log(*WEEK, packed=True)) == SAID
    assert "new: 0\nknown before: 4\n" in importing.run(importing.log(*WEEK))


def test_files_may_come_in_any_order(importing: Importing) -> None:
    importing.run(importing.log(*WEEK[6:]))
    importing.run(importing.log(*WEEK[:6]))
    with reading(importing.store) as tx:
        ways = tx.execute(select(touchpoints.c.source).order_by(touchpoints.c.occurred_at)).scalars().all()
    assert ways == ["google", "(direct)", "news"]


def test_a_rebuild_gives_the_same_visits(importing: Importing) -> None:
    importing.run(importing.log(*WEEK))
    before = importing.facts()
    with begin(importing.store) as tx:
        rebuild(tx, 2)
    assert importing.facts() == before


def test_a_reload_within_the_second_is_another_page_view_of_the_same_visit(importing: Importing) -> None:
    importing.run(importing.log(WEEK[0], WEEK[0]))
    with reading(importing.store) as tx:
        assert tx.execute(select(visits.c.n_pages)).scalars().all() == [2]


def test_the_clients_address_is_nowhere_in_the_store(importing: Importing) -> None:
    importing.run(importing.log(*WEEK))
    assert "203.0.113" not in repr(importing.facts())


def test_refusals_are_told_and_not_added_to_the_counts_of_beacons(importing: Importing) -> None:
    importing.run(importing.log(*WEEK))
    with reading(importing.store) as tx:
        assert tx.execute(select(refusals)).all() == []


def test_a_file_in_another_format_is_refused_as_a_whole(importing: Importing) -> None:
    with pytest.raises(Invalid, match=r"none of the 2 lines of access\.log is in the combined format"):
        importing.run(importing.log('{"request": "GET / HTTP/1.1"}\n', "\n"))
    assert importing.n_hits() == 0


def test_an_empty_file_is_no_error(importing: Importing) -> None:
    assert importing.run(importing.log()).startswith("lines read: 0\npage views: 0\n")


@pytest.mark.parametrize("damage", ["cut short", "overwritten"])
def test_of_a_damaged_packed_file_nothing_is_imported(importing: Importing, damage: str) -> None:
    path = importing.log(*(line("17/May/2026:10:05:03", f"/{n * 7919}") for n in range(500)), packed=True)
    whole = path.read_bytes()
    half = len(whole) // 2
    path.write_bytes(whole[:half] if damage == "cut short" else whole[:half] + b"\xff" * 64 + whole[half + 64 :])
    with pytest.raises(Invalid, match="the gzip file is damaged or cut short"):
        importing.run(path)
    assert importing.n_hits() == 0


def test_a_line_that_never_ends_is_one_malformed_line(importing: Importing) -> None:
    endless = "x" * (3 * LINE_LIMIT) + WEEK[0]
    assert "lines read: 2\npage views: 1\n" in importing.run(importing.log(endless, WEEK[0]))


def test_a_file_without_a_last_line_end_is_read_to_its_end(importing: Importing) -> None:
    assert "page views: 1\n" in importing.run(importing.log(WEEK[0].rstrip()))


def test_it_remembers_only_the_latest_lines() -> None:
    same = Occurrences()
    assert [same.before(b"first"), same.before(b"first")] == [0, 1]
    for n in range(SAME_LINES_KEPT):
        same.before(b"%d" % n)
    assert same.before(b"first") == 0


def test_a_wrong_site_is_one_line_on_the_terminal_and_nothing_is_read(sqlite_template: Path, tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_text("".join(WEEK))
    ran = subprocess.run(
        [sys.executable, "-m", "tracker", "import", "log", str(path), "--site", "nosuchkey"],
        env=os.environ | {"MINAMOTO_DATABASE_URL": f"sqlite:///{tmp_path}/store.sqlite3"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert ran.stderr.strip().splitlines()[-1] == "Error: site: no site with key 'nosuchkey'"
    assert ran.stdout == ""
