"""minamoto import mail, minamoto import nps: what came of a file, line by line, and the same again adds nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from tracker.access.sites import add_site
from tracker.cli import main
from tracker.clock import from_ms
from tracker.config import settings
from tracker.db.store import begin, connect
from tracker.db.upgrade import upgrade

MAILS = "kind,programme,email,occurred_at\nopen,news,a@b.example,2026-04-01\nread,news,a@b.example,2026-04-01\n"
ANSWERS = "score,date\n9,2026-04-01\n12,2026-04-01\n"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    url = f"sqlite:///{tmp_path / 'cli.sqlite3'}"
    monkeypatch.setenv("MINAMOTO_DATABASE_URL", url)
    settings.cache_clear()
    store = connect(url)
    upgrade(store)
    with begin(store) as tx:
        add_site(tx, "Acme", ["www.acme.example"], now=from_ms(0), key="acmekey")
    store.dispose()
    yield tmp_path
    settings.cache_clear()


@pytest.mark.parametrize(("kind", "content", "fault"), [("mail", MAILS, "kind_unknown"), ("nps", ANSWERS, "no_score")])
def test_a_file_is_taken_in_once_and_says_what_was_left_out(
    installed: Path, kind: str, content: str, fault: str
) -> None:
    file = installed / "told.csv"
    file.write_text(content, "utf-8")
    first, again = (CliRunner().invoke(main, ["import", kind, str(file), "--site", "acmekey"]) for _ in range(2))
    assert (first.exit_code, first.output.splitlines()) == (
        0,
        ["rows: 1", "new: 1", "known: 0", f"refused, {fault}: 1 (line 3)"],
    )
    assert again.output.splitlines()[1:3] == ["new: 0", "known: 1"]
    file.write_text("a,b\n1,2\n", "utf-8")
    wrong = CliRunner().invoke(main, ["import", kind, str(file), "--site", "acmekey"])
    assert (wrong.exit_code, "no line names the columns" in wrong.output) == (1, True)
