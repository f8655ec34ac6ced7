"""Reads a page of the gallery: what its opening comment says, and the documents behind it. See README.md."""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
WORDS = (
    "settings",
    "parts",
    "tag",
    "at",
    "from",
    "header",
    "collector",
    "ask",
    "noise",
    "not on",
    "visitors",
    "steps",
    "reaches",
    "posts",
    "never",
)
_WORD = re.compile(rf"({'|'.join(WORDS)}):\s*(.*)")
_DOCUMENT = re.compile(r"<!-- page: (\S+) -->\n?")
# What a page of the gallery is served with if it says nothing else: a site whose owner asks nobody for consent.
SETTINGS: Mapping[str, Any] = {
    "site": "KEY",
    "consent": "none",
    "gpc": True,
    "dnt": False,
    "fields": ["phone"],
    "hash": False,
    "clicks": [],
}


@dataclass(frozen=True, slots=True)
class Step:
    verb: str
    what: str  # a selector, an address, a word
    text: str = ""


@dataclass(frozen=True, slots=True)
class Expected:
    """One hit that must come: its kind, and what it must say."""

    kind: str
    facts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Situation:
    """One page of the gallery.

    settings   as served to the snippet, whole
    tag        attributes of the snippet's tag, as they stand in HTML
    at         the address that is opened; `came_from` is where the visitor clicked, "" for nowhere
    headers    of the page's answers
    collector  how the collector answers: slow (nothing before the page has got its own answer) or quick
    asks       what it answers to kit.ask, by question
    noises     parts of what the console may say
    n_visitors how many visitors the hits may come from
    posts      fields of the page's own posts if the snippet changes them: it fills hidden fields; None: it must not
    documents  HTML by path, or by //host/path
    """

    name: str
    story: str
    settings: Mapping[str, Any]
    parts: tuple[str, ...]
    tag: str
    at: str
    came_from: str
    headers: Mapping[str, str]
    collector: str
    asks: Mapping[str, Any]
    noises: tuple[str, ...]
    n_visitors: int
    steps: tuple[Step, ...]
    reaches: tuple[Expected, ...]
    posts: tuple[Mapping[str, str], ...] | None
    never: tuple[str, ...]
    documents: Mapping[str, str]


VERBS = (
    "goto",
    "click",
    "doubleclick",
    "hover",
    "fill",
    "press",
    "type",
    "back",
    "forward",
    "reload",
    "new tab",
    "close tab",
    "do",
    "wait",
    "expect",
    "lands on",
    "until",
    "collector",
    "keeps",
)


def step(line: str) -> Step:
    """One line of the steps; raises ValueError for a verb that there is not."""
    verb = next((verb for verb in VERBS if line == verb or line.startswith(verb + " ")), None)
    if verb is None:
        raise ValueError(f"no such step: {line}")
    rest = line[len(verb) :].strip()
    if verb in {"fill", "expect"}:
        selector, sign, text = rest.partition(" = ")
        if not sign:
            selector, text = rest.removesuffix(" ="), ""
        return Step(verb, selector.strip(), text.strip())
    return Step(verb, rest)


def facts(line: str) -> dict[str, str]:
    """`email=a@b.test name="Taro Yamada"` by name."""
    return dict(each.split("=", 1) for each in shlex.split(line))


def expected(line: str) -> Expected:
    kind, _, rest = line.partition(" ")
    return Expected(kind, facts(rest))


def told(comment: str) -> tuple[str, dict[str, list[str]]]:
    """The story in words, and the lines under each word."""
    story: list[str] = []
    lines: dict[str, list[str]] = {}
    into: list[str] = story
    for line in map(str.strip, comment.strip().splitlines()):
        match = _WORD.fullmatch(line)
        if match:
            into = lines.setdefault(match[1], [])
        said = match[2] if match else line
        if said:
            into.append(said)
    return " ".join(story), lines


def read(path: Path, places: Mapping[str, str]) -> Situation:
    """The page in this file; `places` replaces {{site}} and the like in all of it. Raises ValueError: it is not one."""
    text = path.read_text(encoding="utf-8")
    for name, place in places.items():
        text = text.replace("{{" + name + "}}", place)
    match = re.match(r"<!--(.*?)-->\s*", text, re.S)
    if not match:
        raise ValueError(f"{path.name} does not begin with a comment that tells the situation")
    story, lines = told(match[1])
    missing = {"steps", "reaches"} - lines.keys()
    if missing or not story:
        raise ValueError(f"{path.name}: the comment lacks {sorted(missing) or 'the story'}")
    first, *more = _DOCUMENT.split(text[match.end() :])
    one = {word: " ".join(each) for word, each in lines.items()}
    at = one.get("at", "/")
    reaches = [line for line in lines["reaches"] if line != "nothing"]
    posts = lines.get("posts")
    return Situation(
        name=path.stem,
        story=story,
        settings={**SETTINGS, **json.loads(one.get("settings", "{}"))},
        parts=tuple(one.get("parts", "").replace(",", " ").split()),
        tag=one.get("tag", ""),
        at=at,
        came_from=one.get("from", ""),
        headers=dict(line.split(": ", 1) for line in lines.get("header", [])),
        collector=one.get("collector", "slow"),
        asks={line.split(" = ")[0]: json.loads(line.split(" = ", 1)[1]) for line in lines.get("ask", [])},
        noises=tuple(lines.get("noise", [])),
        n_visitors=int(one.get("visitors", "1")),
        steps=tuple(map(step, lines["steps"])),
        reaches=tuple(map(expected, reaches)),
        posts=None if posts is None else tuple(facts(line) for line in posts if line != "nothing"),
        never=tuple(lines.get("never", [])),
        documents={
            re.split(r"[?#]", at)[0]: first,
            **dict(zip(more[::2], more[1::2], strict=True)),
        },
    )


def names(engine: str) -> list[str]:
    """Every page of the gallery that is played in this engine."""
    pages = sorted(FOLDER.glob("*.html"))
    return [path.stem for path in pages if f"\nnot on: {engine}, " not in path.read_text(encoding="utf-8")]
