"""What the command says of settings that cannot be."""

import pytest
from click.testing import CliRunner

from tracker.cli import main
from tracker.config import settings


@pytest.fixture
def say(monkeypatch, tmp_path):
    def run(*command: str, **variables: str) -> tuple[int, str]:
        monkeypatch.setenv("MINAMOTO_DATABASE_URL", f"sqlite:///{tmp_path}/minamoto.sqlite3")
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        settings.cache_clear()
        done = CliRunner().invoke(main, command)
        return done.exit_code, done.output

    yield run
    settings.cache_clear()


@pytest.mark.parametrize(("name", "value"), [("MINAMOTO_FOLD_BATCH", "many"), ("MINAMOTO_SQLITE_SYNCHRONOUS", "OFF")])
def test_a_value_that_a_setting_cannot_have_is_named_in_one_line(say, name, value):
    code, output = say("check", **{name: value})
    assert code == 1
    assert output.startswith(f"Error: {name} is '{value}': ")
    assert output.count("\n") == 1


def test_the_server_does_not_start_with_a_key_that_is_too_short(say):
    assert say("serve", MINAMOTO_SECRET_KEY="short") == (
        1,
        "Error: E002 MINAMOTO_SECRET_KEY is shorter than 32 characters\n",
    )


def test_a_report_is_printed_as_a_table(say):
    assert say("site", "add", "Acme", "--host", "www.acme.example")[0] == 0
    key = say("site", "list")[1].split("\t")[0]
    code, output = say("report", "source", "--site", key, "--from", "2026-04-01", "--to", "2026-04-30")
    assert (code, "Revenue" in output, "Total" in output) == (0, True, True)
