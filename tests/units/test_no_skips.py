"""The gate's rule: what was skipped was not tested."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PASSES = "def test_it(): pass\n"
SKIPS = "import pytest\ndef test_it(): pass\ndef test_other(): pytest.skip('no browser here')\n"
SKIPS_ALL = "import pytest\npytest.skip('no server here', allow_module_level=True)\n"


def gate(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", f"--rootdir={folder}", "--config-file=/dev/null", "-rs"]
    return subprocess.run(
        [*command, "-p", "tests.no_skips", "-p", "no:cacheprovider", *arguments, str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("arguments", [(), ("-pxdist", "-n1")], ids=["one process", "xdist"])
@pytest.mark.parametrize("skipping", [SKIPS, SKIPS_ALL], ids=["a test", "a file"])
def test_a_skip_fails_the_gate_and_says_so(tmp_path, skipping, arguments):
    (tmp_path / "test_a.py").write_text(PASSES)
    (tmp_path / "test_b.py").write_text(skipping)
    run = gate(tmp_path, *arguments)
    assert run.returncode == 1, run.stdout
    assert "1 skipped, and the gate allows none" in run.stdout


def test_the_gate_opens_when_all_ran(tmp_path):
    (tmp_path / "test_a.py").write_text(PASSES)
    run = gate(tmp_path)
    assert run.returncode == 0, run.stdout
    assert "the gate allows" not in run.stdout


def test_the_gate_keeps_the_exit_code_of_a_failure(tmp_path):
    (tmp_path / "test_a.py").write_text(SKIPS + "def test_bad(): assert False\n")
    assert gate(tmp_path).returncode == 1


def test_the_gate_is_shut_when_nothing_ran(tmp_path):
    (tmp_path / "test_a.py").write_text("")
    assert gate(tmp_path).returncode == 5
