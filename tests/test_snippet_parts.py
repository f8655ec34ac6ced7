"""Each adapter of the snippet is small, says whose documentation it follows, and is told of in docs/providers.md."""

import gzip
import re
from pathlib import Path
from typing import get_args

import brotli
import pytest

from tests.browser.gallery.situation import FOLDER, read
from tracker.access.tracking import ADAPTERS, Adapter

ROOT = Path(__file__).parents[1]
STATIC = ROOT / "static"
DOCS = (ROOT / "docs" / "providers.md").read_text(encoding="utf-8")
# The first word under `reaches:` that shows an adapter at work.
HEARD = {"gcm": "page", "tcf": "page"}
LIMIT = 544  # bytes by gzip; an adapter that needs more does too much


def source(name: str) -> str:
    return (STATIC / "parts" / f"{name}.js").read_text(encoding="utf-8")


def built(name: str) -> bytes:
    return (STATIC / "built" / f"{name}.js").read_bytes()


def row(name: str) -> str:
    """The adapter's row in the tables of docs/providers.md."""
    (found,) = [line for line in DOCS.splitlines() if line.startswith("|") and f" `{name}` |" in line]
    return found


def test_every_adapter_that_a_site_can_switch_on_is_there() -> None:
    assert set(get_args(Adapter)) <= {path.stem for path in (STATIC / "parts").glob("*.js")}


@pytest.mark.parametrize("name", ADAPTERS)
def test_it_is_small(name: str) -> None:
    assert len(gzip.compress(built(name), 9)) <= LIMIT
    assert len(brotli.compress(built(name))) <= LIMIT


@pytest.mark.parametrize("name", ADAPTERS)
def test_its_first_line_names_the_provider_and_its_documentation(name: str) -> None:
    first = source(name).splitlines()[0]
    assert re.match(r"// \S.*: https://\S+\.\S+/", first), first


@pytest.mark.parametrize("name", ADAPTERS)
def test_its_link_stands_in_the_docs_too(name: str) -> None:
    link = re.findall(r"https://\S+", source(name).splitlines()[0])[0]
    assert link in row(name)


@pytest.mark.parametrize("name", ADAPTERS)
def test_it_only_listens(name: str) -> None:
    does = (
        r"preventDefault|stop(?:Immediate)?Propagation|return false|addEventListener\(|fetch\(|XMLHttp|cookie|Storage"
    )
    assert re.findall(does, source(name)) == []


@pytest.mark.parametrize("name", ADAPTERS)
def test_a_page_of_the_gallery_shows_it_at_work(name: str) -> None:
    places = {"site": "s", "domain": "d", "port": "1", "collector": "c", "script": "s", "old": "o"}
    shown = [read(page, places) for page in FOLDER.glob("*.html")]
    kinds = {each.kind for page in shown if name in page.parts for each in page.reaches}
    assert kinds & ({HEARD[name]} if name in HEARD else {"form", "event", "chat"})


def test_the_docs_tell_of_no_adapter_that_is_not_there() -> None:
    told = re.findall(r"^\| [^|]+ \| `(\w+)` \|", DOCS, re.MULTILINE)
    assert sorted(told) == sorted(ADAPTERS)


def test_the_docs_tell_what_a_part_is_given() -> None:
    kit = (STATIC / "kit.js").read_text(encoding="utf-8").split("const kit = {")[1].split("\n  };")[0]
    given = {name for line in re.findall(r"(?m)^    (\w+(?:, \w+)*)[,:]", kit) for name in line.split(", ")}
    assert len(given) > 10
    assert set(re.findall(r"`kit\.(\w+)(?:\([^`]*)?` ", DOCS.split("What `kit` gives")[1])) == given
