"""What is served of the snippet is what its sources say, small, and in syntax that browsers of 2019 read."""

import gzip
import re
import shutil
import subprocess
import sys
from pathlib import Path

import brotli
import pytest

from api.website.snippet import compose

ROOT = Path(__file__).parents[1]
STATIC = ROOT / "static"
SOURCES = [STATIC / "m.js", STATIC / "kit.js", *sorted((STATIC / "parts").glob("*.js"))]
NEWER = re.compile(
    r"\?\.[a-z\[(]|\?\?|&&=|\|\|=|\(\?<"
    r"|\b(eval|instanceof|globalThis|innerHTML)\b|\.(at|replaceAll|fromEntries)\("
)


def code_of(path: Path) -> str:
    """A source without its comments."""
    return re.sub(r"(?m)(^|\s)//.*", "", path.read_text(encoding="utf-8"))


def test_what_is_built_is_what_the_sources_say(tmp_path: Path) -> None:
    shutil.copytree(STATIC, tmp_path / "static", ignore=shutil.ignore_patterns("vendor"))
    subprocess.run([sys.executable, ROOT / ".ci/snippet", tmp_path / "static"], check=True)
    anew = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "static/built").iterdir()}
    assert {path.name: path.read_text(encoding="utf-8") for path in (STATIC / "built").iterdir()} == anew
    assert set(anew) == {path.name for path in SOURCES}


def test_all_that_a_plain_site_needs_fits_in_five_kilobytes() -> None:
    script = compose(str(STATIC), {"site": "s_0123456789abcdef", "consent": "opt-in"}, [])
    assert len(gzip.compress(script, 9)) <= 5 * 1024
    assert len(brotli.compress(script)) <= 4.6 * 1024


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_it_uses_no_syntax_newer_than_2018(source: Path) -> None:
    assert NEWER.findall(code_of(source)) == []


def test_newer_syntax_would_be_found() -> None:
    for line in ("a?.b", "a ?? b", "a ||= b", "x instanceof Y", "[1].at(-1)", "/(?<=a)b/"):
        assert NEWER.search(line), line


def test_settings_cannot_leave_their_place() -> None:
    script = compose(str(STATIC), {"site": "</script><b>\u2028"}, []).decode()
    assert "</script>" not in script
    assert "\u2028" not in script


def test_the_types_name_every_command() -> None:
    types = (STATIC / "m.d.ts").read_text(encoding="utf-8")
    body = re.search(r"const commands = \{(.*?)\n  \};", (STATIC / "m.js").read_text(encoding="utf-8"), re.DOTALL)
    assert body is not None
    commands = re.findall(r"^    (\w+)(?:,|:)", body[1], re.MULTILINE)
    assert sorted(commands) == sorted(re.findall(r"\(command: '(\w+)'", types))
