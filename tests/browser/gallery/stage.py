"""Plays a page of the gallery in an engine, without the snippet and with it, and says what differs from what is wanted.

Each play has a website and a collector of its own on new ports, so nothing that one leaves behind meets another.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

from playwright.sync_api import Error

from api.website.snippet import compose
from tests.browser.engines import Engine
from tests.browser.gallery.situation import FOLDER, Expected, Situation, Step, read
from tests.browser.origins import PATIENCE_S, STATIC, Collector, Hit, Origin, Request
from tests.browser.webdriver import DriverError
from tests.patience import wait_until

PROBE = '<script src="/gallery/probe.js"></script>'
GONE = (Error, DriverError)  # the page was just going
MOVES = frozenset({"goto", "lands on", "back", "forward", "reload", "new tab", "until"})
# What the snippet adds to links: the way in before consent, and the token of a journey to another of the site's hosts.
DECORATION = re.compile(r"[?&]_mn[ml]=[^&]*")


class Stage(Origin):
    """The website of one play: its documents under any name, and a plain page with the snippet at all other addresses.

    /api/…  answers {"ok": true}; /api/refuse answers 422
    """

    def __init__(self, collector: Collector, is_bare: bool, domain: str) -> None:
        super().__init__()
        self.collector = collector
        self.is_bare = is_bare
        self.domain = domain
        self.site = f"{self.domain}:{self.port}"
        self.situation: Situation | None = None
        self.documents: dict[str, str] = {}

    def places(self) -> dict[str, str]:
        """What stands for {{…}} in a page."""
        script = "/gallery/bare.js" if self.is_bare else f"{self.collector.origin}/m.js?site=KEY"
        return {
            "site": self.site,
            "domain": self.domain,
            "port": str(self.port),
            "collector": self.collector.origin,
            "script": script,
            "old": "/gallery/bare.js" if self.is_bare else f"{self.collector.origin}/m.js",
        }

    def at(self, path: str) -> str:
        """The whole address of a path, or of //host/path."""
        return f"http:{path}" if path.startswith("//") else f"http://www.{self.site}{path}"

    def document(self, request: Request) -> str:
        """The HTML at this address, with the watching script and the snippet's tag in it."""
        path = request.path.split("?")[0]
        html = self.documents.get(f"//{request.headers['Host']}{path}") or self.documents.get(path)
        if html is None:
            html = f"<!doctype html><html><head><title>{path}</title><!-- snippet --></head><body>{path}</body></html>"
        attributes = self.situation.tag if self.situation else ""
        tag = f'<script async src="{self.places()["script"]}" {attributes}></script>'
        html = html.replace("<!-- snippet -->", tag)
        start = "<head>" if "<head>" in html else "<!doctype html>"
        return html.replace(start, start + PROBE, 1)

    def answer(self, request: Request, to: BaseHTTPRequestHandler) -> None:
        path = request.path.split("?")[0]
        if path == "/favicon.ico":
            self.send(to, 204)
        elif path == "/gallery/probe.js":
            self.send(to, 200, (FOLDER / "probe.js").read_text(encoding="utf-8"), Content_Type="text/javascript")
        elif path == "/gallery/bare.js":
            stub = "window.minamoto = window.minamoto || function () {};"
            self.send(to, 200, stub, Content_Type="text/javascript")
        elif path.startswith("/api/"):
            refused = path == "/api/refuse"
            self.send(to, 422 if refused else 200, json.dumps({"ok": not refused}), Content_Type="application/json")
        else:
            told = self.situation.headers if self.situation and path == self.situation.at.split("?")[0] else {}
            headers = {name.replace("-", "_"): value for name, value in told.items()}
            self.send(to, 200, self.document(request), **{"Content_Type": "text/html; charset=utf-8", **headers})

    def own(self) -> list[Request]:
        """The page's own requests."""
        return [
            each
            for each in self.requests
            if not each.path.startswith("/gallery/") and each.path.split("?")[0] not in {"/favicon.ico", "/closing"}
        ]

    def posts(self) -> list[dict[str, str]]:
        return [dict(fields(each)) for each in self.own() if each.method == "POST"]


def fields(request: Request) -> list[tuple[str, str]]:
    """What a browser has posted, whatever the form's enctype."""
    kind = request.headers.get("Content-Type", "")
    if kind.startswith("application/x-www-form-urlencoded"):
        return parse_qsl(request.body, keep_blank_values=True)
    if kind.startswith("multipart/form-data"):
        boundary = kind.split("boundary=")[1].strip('"')
        parts = [part.partition("\r\n\r\n") for part in request.body.split("--" + boundary)[1:-1]]
        return [(head.split('name="')[1].split('"')[0], value.removesuffix("\r\n")) for head, _, value in parts]
    return [("", request.body)]


@dataclass(frozen=True, slots=True)
class Play:
    """What was to be seen when a page had been played.

    log       submits and noises in order, as the watching script heard them; `noises` are the engine's own
    kept      what was on the device, by kind and name
    """

    stage: Stage
    log: tuple[str, ...]
    noises: tuple[str, ...]
    names: frozenset[str]
    kept: Mapping[str, str]

    def went(self) -> tuple[list[Any], list[str]]:
        """The page's own requests: posts with their fields in order, and the set of all other addresses."""
        own = self.stage.own()
        posts = [[each.path, sorted(fields(each))] for each in own if each.method == "POST"]
        gets = sorted(
            {f"{each.headers['Host']}{DECORATION.sub('', each.path)}" for each in own if each.method != "POST"}
        )
        told = json.dumps([posts, gets], ensure_ascii=False)
        for place, name in ((self.stage.site, "SITE"), (str(self.stage.port), "PORT"), (self.stage.domain, "DOMAIN")):
            told = told.replace(place, name)
        posts, gets = json.loads(told)
        return posts, gets


class Player:
    """The hands that do a page's steps."""

    def __init__(self, engine: Engine, stage: Stage, situation: Situation, patience_s: float) -> None:
        self.engine = engine
        self.patience_s = patience_s
        self.stage = stage
        self.collector = stage.collector
        self.situation = situation
        self.n_tabs = 1

    def do(self, step: Step) -> None:
        engine, what = self.engine, step.what
        verbs: dict[str, Callable[[], object]] = {
            "goto": lambda: engine.goto(self.stage.at(what)),
            "click": lambda: engine.click(what),
            "doubleclick": lambda: engine.doubleclick(what),
            "hover": lambda: engine.hover(what),
            "fill": lambda: engine.fill(what, step.text),
            "press": lambda: engine.press(what),
            "type": lambda: engine.type(what),
            "back": lambda: engine.move("back"),
            "forward": lambda: engine.move("forward"),
            "reload": lambda: engine.move("reload"),
            "new tab": lambda: self.open_tab(what),
            "close tab": self.close_tab,
            "do": lambda: engine.run(f"void (() => {{ {what} }})()"),
            "wait": lambda: self.wait(what),
            "expect": lambda: self.expect(what, step.text),
            "lands on": lambda: self.lands(what),
            "until": lambda: self.until(what),
            "collector": lambda: self.treat(what),
            "keeps": lambda: self.keeps(what),
        }
        verbs[step.verb]()
        if step.verb in MOVES:
            self.let_go()

    def let_go(self) -> None:
        """A slow collector answers what it was asked so far: the page has got its own answer."""
        if self.situation.collector == "slow":
            self.collector.slow.set()
            self.collector.slow.clear()

    def open_tab(self, path: str) -> None:
        self.engine.new_tab()
        self.n_tabs += 1
        self.engine.goto(self.stage.at(path))

    def close_tab(self) -> None:
        self.engine.close_tab()
        self.n_tabs -= 1

    def wait(self, script: str) -> None:
        def holds() -> bool:
            with suppress(*GONE):
                return bool(self.engine.run(f"!!({script})"))
            return False

        wait_until(holds, 0.02, 20)

    def expect(self, selector: str, text: str) -> None:
        if self.stage.is_bare:
            return
        seen: list[str | None] = [None]

        def shows() -> bool:
            with suppress(*GONE):
                seen[0] = self.engine.read(selector)
            return seen[0] == text

        wait_until(shows, 0.02, 10, lambda: f"{selector} shows {seen[0]!r}, not {text!r}")

    def lands(self, path: str) -> None:
        end = json.dumps(self.stage.at(path) if path.startswith("//") else path)
        place = "location.href" if path.startswith("//") else "location.pathname"
        self.wait(f"{place}.startsWith({end}) && document.readyState === 'complete'")

    def until(self, what: str) -> None:
        """`page 2`: that many hits of the kind have come; `/thanks 2`: that many requests to the path."""
        name, _, n_wanted = what.partition(" ")
        n = int(n_wanted or 1)
        if name.startswith("/"):
            self.stage.wait_for(lambda: len([1 for each in self.stage.own() if each.path.startswith(name)]) >= n)
        elif not self.stage.is_bare:
            self.collector.wait_for(lambda: len(self.collector.hits(name)) >= n)

    def treat(self, how: str) -> None:
        """The collector from now on: `deaf`, a status, `quick` or `slow`."""
        self.collector.deaf = how == "deaf"
        self.collector.status = int(how) if how.isdigit() else 204
        (self.collector.slow.clear if how == "slow" else self.collector.slow.set)()

    def keeps(self, what: str) -> None:
        """`nothing`; `refusal`: that there was one, and no more; or the name of what is kept."""
        if self.stage.is_bare:
            return
        kept = self.kept()
        if what == "refusal":
            assert kept == {"cookie _mnmoff": "1"}, f"on the device: {kept}"
            return
        assert (kept == {}) == (what == "nothing"), f"on the device: {kept}"
        assert what == "nothing" or any(name.endswith(f" {what}") for name in kept), f"on the device: {kept}"

    def kept(self) -> dict[str, str]:
        kept: dict[str, str] = json.loads(self.engine.run("gallery.kept()"))
        return kept

    def begin(self) -> None:
        """The visitor comes, from another page if the situation says so."""
        if self.situation.came_from:
            self.engine.goto(self.stage.at(self.situation.came_from))
            self.engine.click("#go")
            self.wait("document.readyState === 'complete' && document.querySelector('#go') === null")
        else:
            self.engine.goto(self.stage.at(self.situation.at))

    def end(self) -> None:
        """All has been done: let what waits come, then close the list."""
        self.collector.slow.set()
        while self.n_tabs > 1:
            self.close_tab()
        if self.stage.is_bare:
            return
        self.engine.goto(self.stage.at("/closing"))
        with suppress(AssertionError):  # what is missing is told by name later
            self.collector.wait_for(lambda: len(self.hits()) >= len(self.situation.reaches), self.patience_s)
        # As if the visitor left: whatever still waits goes now, and the mark behind it.
        # The collector goes as soon as the mark has come, perhaps before it is answered: nobody's error.
        mark = f"fetch('{self.collector.origin}/closing').catch(() => 0)"
        self.engine.run(f"(dispatchEvent(new Event('pagehide')), void {mark})")
        self.collector.wait_for(lambda: any(each.path == "/closing" for each in self.collector.requests))

    def hits(self) -> list[Hit]:
        return counted(self.collector, self.situation, self.stage)


def counted(collector: Collector, situation: Situation, stage: Stage) -> list[Hit]:
    """The hits in order of time; not those of the closing page, and `leave` only where the situation lists one."""
    closing_page = stage.at("/closing")
    listed = {each.kind for each in situation.reaches}
    hits = [hit for hit in collector.stored() if hit["url"] != closing_page]
    return sorted((hit for hit in hits if hit["kind"] != "leave" or "leave" in listed), key=lambda hit: hit["at"])


def links() -> dict[str, Callable[[dict[str, Any]], dict[str, str]]]:
    """Link tokens as the collector gives them: each good for one visitor, and once."""
    given: dict[str, str] = {}

    def link(question: dict[str, Any]) -> dict[str, str]:
        token = f"token{len(given)}"
        given[token] = question["visitor"]
        return {"link": token}

    def join(question: dict[str, Any]) -> dict[str, str]:
        visitor = given.pop(question["token"], None)
        return {"visitor": visitor} if visitor else {}

    return {"link": link, "join": join}


@contextmanager
def staged(engine: Engine, name: str, is_bare: bool, patience_s: float = PATIENCE_S) -> Iterator[Player]:
    with ExitStack() as stack:
        collector = stack.enter_context(closing(Collector()))
        stage = stack.enter_context(closing(Stage(collector, is_bare, engine.fresh_domain())))
        situation = read(FOLDER / f"{name}.html", stage.places())
        stage.situation = situation
        stage.documents |= situation.documents
        if situation.came_from:
            link = f'<a id="go" referrerpolicy="unsafe-url" href="{stage.at(situation.at)}">go</a>'
            stage.documents[situation.came_from.split("?")[0]] = f"<!doctype html><title>from</title>{link}"
        collector.script = compose(str(STATIC), situation.settings, situation.parts)
        collector.answers = {**links(), **situation.asks}
        if situation.collector == "slow":
            collector.slow.clear()
        yield Player(engine, stage, situation, patience_s)


def play(player: Player) -> Play:
    """Do the steps and look at what is left."""
    player.engine.noises()
    player.begin()
    for step in player.situation.steps:
        player.do(step)
    kept = player.kept()
    log = json.loads(player.engine.run("gallery.log()"))
    names = str(player.engine.run("gallery.names()")).split()
    player.end()
    return Play(player.stage, tuple(log), tuple(player.engine.noises()), frozenset(names), kept)


def perform(engine: Engine, name: str, script: bytes | None = None, patience_s: float = PATIENCE_S) -> list[str]:
    """Play the page without the snippet, then with it, or with this script; all that is not as it must be, in words.

    Whether a page works as without is looked at in Chromium on every page, elsewhere where a page's own working is at
    stake: it takes as long again. For hits that are missing in the end it waits patience_s.
    """
    bare = None
    if engine.name == "chromium" or name.startswith(("form-", "safe-")):
        with staged(engine, name, is_bare=True) as player:
            bare = play(player)
    with staged(engine, name, False, patience_s) as player:
        player.collector.script = player.collector.script if script is None else script
        full = play(player)
        found = [*wrong_hits(player), *leaks(player, full)]
        if bare is None:
            noises = quiet((*full.noises, *(said for said in full.log if said.startswith("thrown"))), player.situation)
            return [*(f"on the console: {noise}" for noise in noises), *found]
        return [*differences(bare, full, player.situation), *found]


def differences(bare: Play, full: Play, situation: Situation) -> list[str]:
    """Whether the page works as it does without the snippet."""
    found = []
    (posts, gets), (bare_posts, bare_gets) = full.went(), bare.went()
    if situation.posts is not None:
        posts, bare_posts = full.stage.posts(), [dict(each) for each in situation.posts]
    for what, now, before in (
        ("the page's posts", posts, bare_posts),
        ("the page's requests", gets, bare_gets),
        ("submits and noises", quiet(full.log, situation), quiet(bare.log, situation)),
    ):
        if now != before:
            found.append(f"{what}: {now}, without the snippet {before}")
    said = [noise for noise in quiet(full.noises, situation) if noise not in bare.noises]
    if said:
        found.append(f"on the console: {said}")
    if full.names - bare.names - {"minamoto"}:
        found.append(f"new in window: {sorted(full.names - bare.names)}")
    return found


def quiet(noises: tuple[str, ...], situation: Situation) -> list[str]:
    return [noise for noise in noises if not any(allowed in noise for allowed in situation.noises)]


def shown(hit: Hit) -> dict[str, Any]:
    """A hit as the pages write it."""
    named = hit.get("form") or hit.get("chat") or {}
    facts: dict[str, Any] = {
        "on": hit["url"],
        "consent": hit["consent"],
        **{name: hit[name] for name in ("title", "referrer", "name", "page", "engaged", "scroll") if name in hit},
        **{str(name): value for name, value in hit.get("props", {}).items()},
        **{{"name": "form"}.get(name, name): value for name, value in named.items()},
        **{name: value for name, value in (hit.get("fields") or {}).items() if value},
        **{name: value for name, value in (hit.get("identifiers") or {}).items() if value},
    }
    return facts


PERSONAL = ("email", "phone", "name", "company")


def fits(expected: Expected, hit: Hit, stage: Stage) -> bool:
    """Whether the hit is the one that is wanted: all that is listed, and nothing personal that is not."""
    if expected.kind != hit["kind"]:
        return False
    facts = shown(hit)
    wanted = dict(expected.facts)
    for name in ("on", "referrer"):
        if wanted.get(name, "").startswith("/"):
            wanted[name] = stage.at(wanted[name])
    if hit["kind"] in {"form", "identify", "chat"}:
        wanted |= {name: "" for name in PERSONAL if name not in wanted}
    return all(str(facts.get(name, "")) == value for name, value in wanted.items())


def wrong_hits(player: Player) -> list[str]:
    """What has reached the collector and must not have, and the other way round."""
    hits, reaches = player.hits(), player.situation.reaches
    found = []
    if len(hits) != len(reaches) or not all(
        fits(expected, hit, player.stage) for expected, hit in zip(reaches, hits, strict=True)
    ):
        came = "".join(f"\n    {hit['kind']} {shown(hit)}" for hit in hits) or " nothing"
        wanted = "".join(f"\n    {each.kind} {dict(each.facts)}" for each in reaches) or " nothing"
        found.append(f"wanted:{wanted}\n  came:{came}")
    n_visitors = len({hit["visitor"] for hit in hits})
    if reaches and n_visitors != player.situation.n_visitors:
        found.append(f"{n_visitors} visitors, not {player.situation.n_visitors}")
    if not reaches and player.collector.beacons():
        stray = [hit for hit in player.collector.offers() if not hit["url"].endswith("/closing")]
        found.extend(f"a beacon of which nothing was wanted: {hit}" for hit in stray)
    return found


def leaks(player: Player, full: Play) -> list[str]:
    """Values that must not leave the page, in any request to the collector or on the device, in any spelling."""
    situation = player.situation
    listed = json.dumps([dict(each.facts) for each in situation.reaches], ensure_ascii=False) + situation.at
    typed = [step.text or step.what for step in situation.steps if step.verb in {"fill", "type"}]
    secret = [*situation.never, *(text for text in typed if len(text) > 3 and text not in listed)]
    found = []
    asked = list(player.collector.requests)
    for value in secret:
        in_json = json.dumps(value)[1:-1]
        for request in asked:
            spoken = f"{request.path} {request.headers} {request.body}"
            if value in spoken or in_json in spoken or value in unquote_plus(spoken):
                found.append(f"{value!r} has left the page: {spoken[:300]}")
        found.extend(
            f"{value!r} is kept as {name}" for name, kept in full.kept.items() if value in kept and "_mnm" in name
        )
    return found
