"""The house's own rules: floors, sizes, names. docs/architecture.md says why."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAX_FILE_LINES = 600
MAX_FUNCTION_LINES = 60
NAMES_THAT_SAY_NOTHING = {
    *(
        "base",
        "common",
        "helper",
        "helpers",
        "manager",
        "managers",
        "misc",
        "service",
        "services",
        "util",
        "utils",
    ),
}
CLOCK_READS = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.time_ns"}

SOURCES = sorted(path for package in ("tracker", "api") for path in (ROOT / package).rglob("*.py"))
# Each folder of tracker is a noun, but for db, whose __init__ is the way to connect.
NOUNS = sorted(path.parent for path in SOURCES if path.match("tracker/*/__init__.py") and path.parent.name != "db")


def _place(path: Path, line: int = 1) -> str:
    return f"{path.relative_to(ROOT)}:{line}" if path.is_relative_to(ROOT) else f"{path.name}:{line}"


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def long_files(paths: list[Path]) -> list[str]:
    counts = [(path, path.read_text(encoding="utf-8").count("\n")) for path in paths]
    return [f"{_place(path)} has {n} lines" for path, n in counts if n > MAX_FILE_LINES]


def long_functions(paths: list[Path]) -> Iterator[str]:
    for path in paths:
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                n = (node.end_lineno or node.lineno) - node.lineno + 1
                if n > MAX_FUNCTION_LINES:
                    yield f"{_place(path, node.lineno)} {node.name} has {n} lines"


def clock_reads(paths: list[Path]) -> Iterator[str]:
    for path in paths:
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.Call):
                called = ".".join(ast.unparse(node.func).split(".")[-2:])
                if called in CLOCK_READS:
                    yield f"{_place(path, node.lineno)} calls {called}"


def more_than_a_docstring(path: Path) -> bool:
    body = _tree(path).body
    return not (len(body) == 1 and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant))


def test_a_file_imports_only_from_floors_below():
    command = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run([command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_no_file_is_longer_than_600_lines():
    assert long_files([*SOURCES, ROOT / "static/m.js"]) == []


def test_no_function_is_longer_than_60_lines():
    assert list(long_functions(SOURCES)) == []


@pytest.mark.parametrize("noun", NOUNS, ids=lambda noun: noun.name)
def test_a_nouns_init_holds_only_a_docstring(noun):
    assert not more_than_a_docstring(noun / "__init__.py")


def test_every_folder_with_code_is_a_package():
    # Alembic reads migrations by path, and their names begin with a number.
    folders = {path.parent for path in SOURCES} - {ROOT / "tracker/db/migrations/versions"}
    assert [_place(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


def test_no_module_has_a_name_that_says_nothing():
    assert [_place(path) for path in SOURCES if path.stem in NAMES_THAT_SAY_NOTHING] == []
    assert [_place(path) for path in SOURCES if path.parent.name in NAMES_THAT_SAY_NOTHING] == []


def test_only_the_clock_reads_the_clock():
    assert list(clock_reads([path for path in SOURCES if path != ROOT / "tracker/clock.py"])) == []


def test_the_rules_find_what_breaks_them(tmp_path):
    path = tmp_path / "planted.py"
    path.write_text(
        "import datetime\n"
        "def long():\n"
        + "    pass\n" * MAX_FUNCTION_LINES
        + "def fine():\n"
        + "    pass\n" * 59
        + "\n" * 500
        + "now = datetime.datetime.now(datetime.UTC)\n",
        encoding="utf-8",
    )
    assert long_files([path]) == ["planted.py:1 has 623 lines"]
    assert list(long_functions([path])) == ["planted.py:2 long has 61 lines"]
    assert list(clock_reads([path])) == ["planted.py:623 calls datetime.now"]
    assert more_than_a_docstring(path)
