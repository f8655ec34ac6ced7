"""Invented people whose true story is known: who came when, from where, who they turned out to be, what is refused.

People have one or two browsers, come back, share a browser, click ads in the middle of a visit, reload, fill in forms.
Their beacons come late, twice and out of order; crawlers, copied tags and broken clients come between. The rules by
which the truth is told here are written down anew: nothing of the product's fold, channels or reports is used. The same
seed tells the same story; times lie in the six days before `base_ms`.
"""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from parts.traffic import AGENTS, HOST, PAGES, SITE_KEY
from tracker.ids import uuid7

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
# Name, weight, the page before, what the address carries, the channel that a marketer would say it is.
PAID = "utm_source=google&utm_medium=cpc&utm_campaign=c{n}&gclid=Cj0K{n}"
ARRIVALS = (
    ("direct", 24, "", "", "direct"),
    ("google", 30, "https://www.google.com/", "", "organic_search"),
    ("bing", 5, "https://www.bing.com/", "", "organic_search"),
    ("ad", 12, "https://www.google.com/", PAID, "paid_search"),
    ("bing ad", 3, "https://www.bing.com/", "msclkid=ab{n}", "paid_search"),
    ("social ad", 5, "", "utm_source=facebook&utm_medium=paid_social&utm_campaign=l{n}&fbclid=IwAR{n}", "paid_social"),
    ("mail", 8, "", "utm_source=newsletter&utm_medium=email&utm_campaign=june{n}", "email"),
    ("x", 6, "https://t.co/x{n}", "", "organic_social"),
    ("assistant", 3, "https://chatgpt.com/", "", "ai_assistant"),
    ("blog", 9, "https://blog{n}.example.net/post", "", "referral"),
)  # fmt: skip
TAGGED = tuple(one for one in ARRIVALS if one[3])
CRAWLERS = (
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "curl/8.5.0",
    "python-requests/2.32.3",
)
REFUSED = ("foreign_host", "opted_out", "prefetch", "unknown_site", "malformed", "too_large", "too_old")
OLD_PAGE = "/left-open-for-days"  # of hits that are too old beside others that are not
CAMPAIGNS = 900  # of each kind
BACKLOG = 1_500  # people who are on the site at the same time


@dataclass(frozen=True, slots=True)
class Beacon:
    """One message to send; its times are by a right clock.

    refusal  why it will be refused as a whole; None: it will be taken
    """

    visitor: str
    agent: str
    hits: tuple[dict[str, Any], ...]
    refusal: str | None = None
    site: str = SITE_KEY
    headers: str = ""
    padding: int = 0

    @property
    def hit_ids(self) -> tuple[str, ...]:
        """The ids of its hits that will be taken."""
        return tuple(hit["id"] for hit in self.hits if not hit["url"].endswith(OLD_PAGE))

    def body(self, sent_ms: int, skew_ms: int = 0) -> bytes:
        """The wire format as sent at an instant, by a clock that is wrong by skew_ms."""
        hits = [{**hit, "at": hit["at"] + skew_ms} for hit in self.hits] if skew_ms else self.hits
        told = {
            "v": 1,
            "site": self.site,
            "visitor": self.visitor,
            "sent_at": sent_ms + skew_ms,
            "consent": "granted",
            "hits": hits,
        }
        body = msgspec.json.encode(told)
        if self.refusal == "malformed":
            return body[:-2]
        return body + b" " * self.padding


@dataclass(slots=True)
class Truth:
    """What will be true when all is folded: counts, and by channel."""

    n_hits: int = 0
    n_visits: int = 0
    n_crawler_visits: int = 0
    n_contacts: int = 0
    n_forms: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    visits: Counter[str] = field(default_factory=Counter)
    leads_first: Counter[str] = field(default_factory=Counter)
    leads_last: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Visit:
    """One visit as it truly was: whose browser, when it began, its channel, who was named in it and when."""

    browser: int
    started_ms: int
    channel: str
    hits: list[dict[str, Any]]
    named: str = ""


class Story:
    """An endless stream of beacons, and the truth about those that were given out."""

    def __init__(self, seed: int, base_ms: int, hits_per_beacon: int = 4) -> None:
        self.dice = random.Random(seed)
        self.base_ms, self.hits_per_beacon, self.seed = base_ms, hits_per_beacon, seed
        self.truth = Truth()
        self.weights = [weight for _, weight, *_ in ARRIVALS]
        self.n = 0

    def beacons(self, n_hits: int | None = None) -> Iterator[Beacon]:
        """Beacons in the order in which they are sent; after n_hits no new people come, and those there finish."""
        open_: list[list[Beacon]] = []
        while True:
            is_over = n_hits is not None and self.truth.n_hits >= n_hits
            while len(open_) < BACKLOG and not is_over:
                open_.append(self.somebody()[::-1])
                is_over = n_hits is not None and self.truth.n_hits >= n_hits
            if not open_:
                return
            place = self.dice.randrange(len(open_))
            own = open_[place]
            # Now and then a beacon is overtaken by a later one of the same browser.
            at = self.dice.randrange(len(own)) if self.dice.random() < 0.06 else -1
            beacon = own.pop(at)
            if beacon.refusal is None and self.dice.random() < 0.03 and len(beacon.hit_ids) == len(beacon.hits):
                own.insert(0, beacon)  # sent again, when the rest was
                self.truth.refused["duplicate"] += len(beacon.hits)
            if not own:
                open_[place] = open_[-1]
                open_.pop()
            yield beacon

    def somebody(self) -> list[Beacon]:
        """All beacons of one story, in the order in which they happened; the truth about it is noted."""
        self.n += 1
        what = self.dice.random()
        if what < 0.03:
            return [self.refused_beacon()]
        if what < 0.08:
            return self.crawler()
        return self.person(n_browsers=2 if what < 0.14 else 1, is_shared=what > 0.985)

    def person(self, n_browsers: int, is_shared: bool) -> list[Beacon]:
        """A person with one or two browsers, or two people at one browser."""
        ids = [f"v{self.seed}_{self.n}_{browser}".ljust(20, "x") for browser in range(n_browsers)]
        agents = [self.dice.choice(AGENTS) for _ in ids]
        visits = self.visits(n_browsers)
        named = is_shared or self.dice.random() < (0.6 if n_browsers == 2 else 0.06)
        if named:
            self.name(visits, is_shared)
        self.note(visits)
        found: list[Beacon] = []
        for visit in visits:
            rest = list(visit.hits)
            while rest:
                n = min(len(rest), 1 + self.dice.randrange(2 * self.hits_per_beacon - 1))
                some, rest = rest[:n], rest[n:]
                self.truth.n_hits += len(some)
                if self.dice.random() < 0.005:
                    some.insert(0, self.hit(self.base_ms - 9 * DAY, "page", OLD_PAGE, ""))
                    self.truth.refused["too_old"] += 1
                found.append(Beacon(ids[visit.browser], agents[visit.browser], tuple(some)))
        return found

    def visits(self, n_browsers: int) -> list[Visit]:
        """The visits of a person, one after the other; on each browser they are cut by time or by a new campaign."""
        at = self.base_ms - 6 * DAY + self.dice.randrange(3 * DAY)
        found: list[Visit] = []
        for _ in range(1 + min(int(self.dice.expovariate(0.8)), 8)):
            browser = self.dice.randrange(n_browsers)
            visit, at = self.visit(browser, at, ARRIVALS, self.weights)
            found.append(visit)
            if self.dice.random() < 0.05:  # an ad clicked in the middle of a visit begins another
                again, at = self.visit(browser, at + 2 * MINUTE, TAGGED, None, CAMPAIGNS)
                found.append(again)
            at += 45 * MINUTE + int(self.dice.expovariate(1 / (10 * HOUR)))
            if at > self.base_ms - 3 * HOUR:
                break
        return found

    def visit(
        self, browser: int, at: int, arrivals: tuple[Any, ...], weights: list[int] | None, first: int = 1
    ) -> tuple[Visit, int]:
        """One visit and when its last hit was. A reload and an event belong to it like any page.

        first  of the CAMPAIGNS that it may have come by: the same one twice within a visit would begin no other
        """
        _, _, referrer, tags, channel = self.dice.choices(arrivals, weights)[0]
        n = self.dice.randrange(first, first + CAMPAIGNS - 1)
        page = self.dice.choice(PAGES)
        url = page + ("?" + tags.format(n=n) if tags else "")
        visit = Visit(browser, at, channel, [self.hit(at, "page", url, referrer.format(n=n))])
        if self.dice.random() < 0.06:
            at += 30_000
            visit.hits.append(self.hit(at, "page", url, referrer.format(n=n)))
        before = url
        for _ in range(min(int(self.dice.expovariate(0.45)), 12)):
            at += 20_000 + self.dice.randrange(8 * MINUTE)
            page = self.dice.choice(PAGES)
            visit.hits.append(self.hit(at, "page", page, f"https://{HOST}{before}"))
            before = page
            if self.dice.random() < 0.04:
                at += 5_000
                visit.hits.append(self.hit(at, "event", page, "", name="video_play", props={"second": 30}))
        return visit, at

    def name(self, visits: list[Visit], is_shared: bool) -> None:
        """Let people say who they are: at the end of a visit on each browser, or two people on one."""
        if is_shared:
            if len(visits) < 2:
                return
            first = self.dice.randrange(len(visits) - 1)
            chosen = [(visits[first], "a"), (visits[self.dice.randrange(first + 1, len(visits))], "b")]
        else:
            browsers = sorted({visit.browser for visit in visits})
            chosen = [
                (self.dice.choice([one for one in visits if one.browser == browser]), "a") for browser in browsers
            ]
        for visit, who in chosen:
            visit.named = f"person{self.seed}.{self.n}{who}@company{self.n % 997}.example"
            self.truth.n_forms += 1
            form = {"form": {"id": "contact", "name": "Contact"}, "identifiers": {"email": visit.named}}
            # The form ends the visit, so that nothing that comes after can be cut off by it.
            visit.hits.append(self.hit(visit.hits[-1]["at"] + 15_000, "form", "/contact", "", **form))

    def note(self, visits: list[Visit]) -> None:
        """Note what is true of a person's visits: whose they were, and which touch brought the lead."""
        self.truth.n_visits += len(visits)
        self.truth.visits.update(visit.channel for visit in visits)
        names = sorted({visit.named for visit in visits if visit.named})
        self.truth.n_contacts += len(names)
        for name in names:
            mine = [visit for visit in visits if visit.named == name]
            browsers = {visit.browser for visit in mine}
            first = mine[0]
            since = first.started_ms if name != names[0] else 0  # the second at a browser has it from that visit on
            path = [
                visit.channel
                for visit in visits
                if visit.browser in browsers and since <= visit.started_ms <= first.started_ms
            ]
            telling = [channel for channel in path if channel != "direct"] or ["direct"]
            self.truth.leads_first[telling[0]] += 1
            self.truth.leads_last[telling[-1]] += 1

    def crawler(self) -> list[Beacon]:
        """A crawler that runs the snippet: kept and flagged, nobody's touchpoint; its forms name nobody."""
        who, agent = f"b{self.seed}_{self.n}".ljust(20, "x"), self.dice.choice(CRAWLERS)
        visits = self.visits(1)
        self.truth.n_crawler_visits += len(visits)
        if self.dice.random() < 0.1:
            form = {"form": {"id": "contact"}, "identifiers": {"email": f"bot{self.n}@spam.example"}}
            visits[-1].hits.append(self.hit(visits[-1].hits[-1]["at"] + 5_000, "form", "/contact", "", **form))
        found = [Beacon(who, agent, tuple(visit.hits)) for visit in visits]
        self.truth.n_hits += sum(len(one.hits) for one in found)
        return found

    def refused_beacon(self) -> Beacon:
        """A beacon that must not get in; the reasons that are counted by hit count its hits."""
        reason = self.dice.choice(REFUSED)
        at = self.base_ms - (9 * DAY if reason == "too_old" else HOUR)
        hits = tuple(self.hit(at + n * MINUTE, "page", "/", "") for n in range(self.dice.randrange(1, 4)))
        if reason == "foreign_host":
            hits = tuple({**hit, "url": "https://copied.example.com/"} for hit in hits)
        by_hit = reason in ("foreign_host", "opted_out", "prefetch", "too_old")
        self.truth.refused[reason] += len(hits) if by_hit else 1
        return Beacon(
            f"r{self.seed}_{self.n}".ljust(20, "x"),
            self.dice.choice(AGENTS),
            hits,
            reason,
            "nositehasthis" if reason == "unknown_site" else SITE_KEY,
            {"opted_out": "Sec-GPC: 1\r\n", "prefetch": "Sec-Purpose: prefetch\r\n"}.get(reason, ""),
            70_000 if reason == "too_large" else 0,
        )

    def hit(self, at: int, kind: str, path: str, referrer: str, **more: Any) -> dict[str, Any]:
        """One hit of the wire format."""
        return {
            "id": uuid7(at, self.dice.randbytes(10)),
            "kind": kind,
            "at": at,
            "url": f"https://{HOST}{path}",
            "referrer": referrer,
            "title": "Know your customers",
            **more,
        }
