"""What browsers are given: vendored libraries as they were built, pages that the strict policy lets through."""

import gzip
import hashlib
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "static"
VENDOR = STATIC / "vendor"
TEMPLATES = ROOT / "api" / "pages" / "templates"
SCRIPT_BUDGET = 300_000

templates = pytest.mark.parametrize("template", sorted(TEMPLATES.glob("*.html")), ids=lambda path: path.name)


def markup(template: Path) -> str:
    """A template without its comments."""
    return re.sub(r"\{#.*?#\}", "", template.read_text(), flags=re.DOTALL)


def test_vendored_files_are_as_they_were_built() -> None:
    sums = dict(reversed(line.split("  ")) for line in (VENDOR / "SHA256SUMS").read_text().splitlines())
    found = {
        path.relative_to(VENDOR).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in VENDOR.iterdir()
        if folder.is_dir() and folder.name != "build"
        for path in folder.iterdir()
    }
    assert found == sums


def test_every_vendored_library_brings_its_licence() -> None:
    libraries = [folder for folder in VENDOR.iterdir() if folder.is_dir() and folder.name != "build"]
    assert libraries
    assert [folder.name for folder in libraries if not (folder / "LICENSE").is_file()] == []


def test_vendored_folders_bear_the_locked_versions() -> None:
    packages = json.loads((VENDOR / "build" / "package-lock.json").read_text())["packages"]
    for name, package in (("echarts", "echarts"), ("inter", "@fontsource-variable/inter")):
        assert (VENDOR / f"{name}-{packages[f'node_modules/{package}']['version']}").is_dir()


def test_the_lock_names_no_registry() -> None:
    lock = (VENDOR / "build" / "package-lock.json").read_text()
    assert "resolved" not in lock
    assert "registry" not in lock


def test_all_scripts_together_stay_small() -> None:
    scripts = [path for path in STATIC.rglob("*.js") if "build" not in path.parts]
    assert scripts
    assert sum(len(gzip.compress(path.read_bytes())) for path in scripts) < SCRIPT_BUDGET


@templates
def test_a_template_runs_no_inline_script(template: Path) -> None:
    for attributes in re.findall(r"<script([^>]*)>", markup(template)):
        assert "src=" in attributes or 'type="application/json"' in attributes


@templates
def test_a_template_writes_no_inline_style_and_no_handler(template: Path) -> None:
    text = markup(template)
    assert re.findall(r"<style\b", text) == []
    assert re.findall(r"\sstyle\s*=", text) == []
    assert re.findall(r"<[^>]*\son\w+\s*=(?!=)", text) == []


@templates
def test_a_template_says_what_it_is_given(template: Path) -> None:
    assert template.read_text().startswith("{#-")


def test_every_static_file_that_a_template_asks_for_is_there() -> None:
    asked = {name for path in TEMPLATES.glob("*.html") for name in re.findall(r"asset\('([^']+)'\)", path.read_text())}
    assert {"app.css", "app.js"} <= asked
    assert sorted(name for name in asked if not (STATIC / name).is_file()) == []


def test_the_stylesheet_loads_only_what_is_vendored() -> None:
    addresses = re.findall(r"url\(([^)]+)\)", (STATIC / "app.css").read_text())
    assert addresses
    assert sorted(address for address in addresses if not (STATIC / address).is_file()) == []
