"""The demo company's last months, told from a seed: what browsers sent, whom it met, what its CRM and its ad
accounts said, day by day.

The same anchor, base and number of days give the same story, ids included, so telling it twice tells nothing new.
Knows no database: prepare.py puts each day through the real pipeline.
"""

import json
from bisect import bisect
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256
from random import Random
from typing import Any

from tracker.clock import local_day, to_ms, zone
from tracker.costs.rows import Cost
from tracker.demo.people import Person, invent
from tracker.demo.roads import Road, deal_out
from tracker.demo.stages import steps_of
from tracker.demo.ways import ADDRESSES, AGENTS, BOTS, NURTURE, OPENERS, PAGES, RETURNS, WAYS, Way
from tracker.ids import uuid7
from tracker.vocabulary import HitKind

SEED = "hinode"
SITE_KEY = "hinodedemo"
TIMEZONE = "Asia/Tokyo"
CURRENCY = "JPY"
DAYS = 150
PASSERS_BY_A_DAY = 15.5
PEOPLE_A_DAY = 1
DEALS_IN_TEN = 3
BOTS_A_DAY = 0.3
# Visits by hour of the day, 0 to 23: an office's day, and telephones in the evening.
HOURS = (2, 1, 1, 0, 0, 1, 3, 8, 16, 30, 34, 32, 18, 28, 32, 30, 26, 20, 12, 9, 9, 10, 8, 5)
VISITS = ((1, 62), (2, 20), (3, 9), (4, 5), (5, 3), (7, 1))
WON = "受注 (won)"
STAGES = ("商談 (meeting)", "提案 (proposal)", "交渉 (negotiation)")
PIPELINE = "新規 (new business)"
# What the CRM tells of it: the middle one's probability is left to the history.
PIPELINE_STAGES = ((STAGES[0], None, 1_500), (STAGES[1], None, None), (STAGES[2], None, 7_000))
# Why deals are lost; and those of which nothing more is heard once they have an offer.
REASONS = ("価格 (price)", "時期尚早 (timing)", "競合 (competitor)", "価格 (price)", "予算 (budget)")
STALLED = frozenset({20, 33})
PLANS = (432_000, 216_000, 432_000, 216_000, 1_176_000, 432_000, 216_000)  # twelve months of the plans on /demo/pricing
TOLD_BY_TOOLS = {"call": (HitKind.CALL, "代表電話 (main line)"), "chat": (HitKind.CHAT, "サイト内チャット (site chat)")}
BOOTH = ("monozukuri-expo", "event", "ものづくりEXPO")


@dataclass(frozen=True, slots=True)
class Beacon:
    """A beacon in the wire format, when it came, and from what browser and address."""

    at: datetime
    body: bytes
    agent: str
    address: str


@dataclass(frozen=True, slots=True)
class Meeting:
    """A call, or a meeting at a booth or a seminar, as an API client reports it."""

    at: datetime
    hit_id: str
    kind: HitKind
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """What the CRM said, in the API's words: of a deal by its reference, or of a contact if there is none."""

    at: datetime
    reference: str | None
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Day:
    """One day of the story, each list in the order in which it happened."""

    day: str
    beacons: tuple[Beacon, ...]
    meetings: tuple[Meeting, ...]
    said: tuple[Said, ...]
    costs: tuple[Cost, ...]

    @property
    def first_hit_id(self) -> str | None:
        """A hit that is in the journal if and only if the day was told."""
        if self.beacons:
            return str(json.loads(self.beacons[0].body)["hits"][0]["id"])
        return self.meetings[0].hit_id if self.meetings else None


def tell(anchor: datetime, base: str, days: int = DAYS) -> tuple[Day, ...]:
    """The story of so many days up to the anchor, oldest day first; nothing in it is later than the anchor.

    anchor  the instant of the first seeding
    base    scheme, host and port of the demo site
    """
    teller = Teller(anchor, base, days)
    teller.tell_passers_by()
    teller.tell_bots()
    teller.tell_people()
    return teller.by_day()


@dataclass(frozen=True, slots=True)
class Form:
    """A form that is sent at the end of a visit."""

    path: str
    form_id: str
    person: Person


@dataclass(slots=True)
class Browser:
    """One browser of the story."""

    visitor: str
    agent: str
    address: str
    title: int  # place of its language in PAGES
    n_hits: int = 0

    def hit(self, at: datetime, url: str, kind: str = "page", **more: object) -> dict[str, object]:
        """One hit in the wire format; its id follows from the visitor and its number."""
        self.n_hits += 1
        randomness = sha256(f"{SEED} {self.visitor} {self.n_hits}".encode()).digest()
        title = PAGES["/demo/" + url.split("?", 1)[0].rpartition("/demo/")[2]][self.title]
        return {"id": uuid7(to_ms(at), randomness), "kind": kind, "at": to_ms(at), "url": url, "title": title, **more}


@dataclass(slots=True)
class Teller:
    """Collects what happens; every choice comes from one seeded generator, in a fixed order."""

    anchor: datetime
    base: str
    days: int
    random: Random = field(default_factory=lambda: Random(SEED))  # noqa: S311
    beacons: list[Beacon] = field(default_factory=list)
    meetings: list[Meeting] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    clicks: Counter[tuple[str, str]] = field(default_factory=Counter)
    today: date = date.min
    busyness: list[float] = field(default_factory=list)
    n_browsers: int = 0

    def __post_init__(self) -> None:
        self.today = self.anchor.astimezone(zone(TIMEZONE)).date()
        self.busyness = [
            (1.0 if self.date_of(n).weekday() < 5 else 0.35) * (0.75 + 0.5 * n / self.days)
            for n in range(self.days + 1)
        ]

    # -- time

    def date_of(self, n: int) -> date:
        """The local date of day n; day `days` is the anchor's."""
        return self.today - timedelta(days=self.days - n)

    def moment(self, n: int, *, office: bool = False) -> datetime:
        """Some instant of day n: by the hours of visits, or while the office is open."""
        hour = self.random.randrange(9, 18) if office else self.random.choices(range(24), HOURS)[0]
        at = time(hour, self.random.randrange(60), self.random.randrange(60))
        return datetime.combine(self.date_of(n), at, zone(TIMEZONE)).astimezone(UTC)

    def some_day(self, since: int, until: int) -> int:
        """A day in [since, until], workdays likelier than week-ends, later days a little likelier."""
        return self.random.choices(range(since, until + 1), self.busyness[since : until + 1])[0]

    def workday(self, n: int) -> int:
        """Day n, or the Monday after it."""
        return n + max(0, 7 - self.date_of(n).weekday()) if self.date_of(n).weekday() > 4 else n

    def issue(self, n: int) -> str:
        """The day of the newsletter's last issue: every second Wednesday."""
        today = self.date_of(n)
        return (today - timedelta(days=(today.toordinal() - 3) % 14)).isoformat()

    # -- choices

    def pick(self, weights: Mapping[str, int]) -> Way:
        """A way by weight."""
        return WAYS[self.random.choices(list(weights), list(weights.values()))[0]]

    def browser(self, group: str, country: str = "JP") -> Browser:
        """A new browser of a group of AGENTS."""
        self.n_browsers += 1
        visitor = sha256(f"{SEED} browser {self.n_browsers}".encode()).hexdigest()[:22]
        agent = self.random.choice(BOTS if group == "bot" else AGENTS[group])
        return Browser(visitor, agent, ADDRESSES[country], 0 if country == "JP" else 1)

    # -- what happens

    def visit(self, browser: Browser, n: int, way: Way, form: Form | None = None) -> datetime:
        """A visit on day n by a way; returns its end. With a form it goes to the form's page and sends it."""
        at = self.moment(n, office=form is not None)
        click = "".join(self.random.choices("ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz0123456789_-", k=40))
        landing = self.random.choice(way.landings)
        url = way.url(self.base, landing, click, self.issue(n))
        hits = [browser.hit(at, url, referrer=way.referrer)]
        for path in self.pages_after(landing, way, form):
            at += timedelta(seconds=self.random.randrange(9, 140), milliseconds=self.random.randrange(1000))
            hits.append(browser.hit(at, self.base + path, referrer=url))
            url = self.base + path
        if form is not None:
            at += timedelta(seconds=self.random.randrange(40, 200))
            told = {"email": form.person.email} | ({"phone": form.person.phone} if form.person.phone else {})
            about = {"id": form.form_id, "name": "", "action": "/demo/thanks"}
            hits.append(browser.hit(at, url, "form", form=about, identifiers=told))
            at += timedelta(seconds=1)
            hits.append(browser.hit(at, f"{self.base}/demo/thanks", referrer=url))
        self.send(browser, hits, at)
        if way.click_minor and at < self.anchor:
            self.clicks[local_day(at, TIMEZONE), way.key] += 1
        return at

    def pages_after(self, landing: str, way: Way, form: Form | None) -> list[str]:
        """The pages seen after the landing, the form's own last."""
        if form is None and self.random.random() < way.bounce:
            return []
        others = [path for path in list(PAGES)[:-2] if path != landing]
        seen = self.random.sample(others, self.random.choices((1, 2, 3, 4), (5, 4, 2, 1))[0])
        if form is None:
            return seen
        seen = [path for path in seen if path != form.path]
        return seen if landing == form.path and not seen else [*seen, form.path]

    def send(self, browser: Browser, hits: Sequence[Mapping[str, object]], at: datetime) -> None:
        """The beacon with these hits, as the snippet sends it."""
        body = {"v": 1, "site": SITE_KEY, "visitor": browser.visitor, "sent_at": to_ms(at), "hits": hits}
        self.beacons.append(Beacon(at, json.dumps(body, ensure_ascii=False).encode(), browser.agent, browser.address))

    def tell_passers_by(self) -> None:
        """The visitors who never say who they are."""
        for _ in range(round(PASSERS_BY_A_DAY * self.days)):
            way = self.pick(OPENERS)
            browser = self.browser(way.browsers, self.random.choices(("JP", "US", "SG", "DE"), (93, 4, 2, 1))[0])
            n = self.some_day(0, self.days)
            self.visit(browser, n, way)
            counts, weights = zip(*VISITS, strict=True)
            for _ in range(self.random.choices(counts, weights)[0] - 1):
                n += 1 + int(self.random.expovariate(1 / 6))
                if n > self.days:
                    break
                self.visit(browser, n, self.pick(RETURNS))

    def tell_bots(self) -> None:
        """The crawlers that run the snippet, too."""
        for _ in range(round(BOTS_A_DAY * self.days)):
            self.visit(self.browser("bot", "US"), self.some_day(0, self.days), WAYS["direct"])

    def tell_people(self) -> None:
        """The people who become leads, what follows, and the deals of some of them."""
        people = invent(self.random, round(PEOPLE_A_DAY * self.days))
        # The oldest leads come first: their deals have come to an end, those of the newest are open.
        starts = sorted(self.some_day(0, self.days - 1) for _ in people)
        roads = deal_out(self.random, len(people))
        dollars = next((i for i, one in enumerate(people) if one.country == "US"), -1)
        buyers = self.choose_buyers(roads, dollars)
        for i, (one, start, road) in enumerate(zip(people, starts, roads, strict=True)):
            browser = self.browser(WAYS[road.steps[0][0]].browsers if road.steps else "desk", one.country)
            lead = self.workday(self.tell_road(browser, one, start, road) if road.steps else start)
            ended = lead + 30
            if i in buyers:
                ended = self.tell_deal(one, i, lead, buyers[i], currency="USD" if i == dollars else CURRENCY)
            elif self.random.random() < 0.6:
                self.say_contact(one, i, lead)
            self.say_stages(one, buyers.get(i))
            if road.steps:
                self.tell_nurture(browser, lead, ended, 5 if i in buyers else 2)

    def choose_buyers(self, roads: Sequence[Road], sure: int) -> dict[int, int]:
        """The people with a deal, and its number: in each ten those with the best chances, and the one who is sure."""
        chances = [road.chance + self.random.random() + 9 * (i == sure) for i, road in enumerate(roads)]
        tens = [range(start, min(start + 10, len(roads))) for start in range(0, len(roads), 10)]
        best = [i for ten in tens for i in sorted(ten, key=lambda i: -chances[i])[:DEALS_IN_TEN]]
        return {i: k for k, i in enumerate(sorted(best))}

    def tell_road(self, browser: Browser, person: Person, n: int, road: Road) -> int:
        """A person's way up to being named; returns the day of that."""
        if road.end == "booth":
            met = self.workday(self.days * 2 // 5 + self.random.randrange(3))
            arrival = {"source": BOOTH[0], "medium": BOOTH[1], "campaign": BOOTH[2]}
            self.meet(met, person, HitKind.OFFLINE, BOOTH[2], arrival)
            n = met + self.random.randrange(1, 10)
        for step in road.steps[:-1]:
            self.visit(browser, n, WAYS[self.random.choice(step)])
            n += 1 + int(self.random.expovariate(1 / 4))
        n = self.workday(n)
        way = WAYS[self.random.choice(road.steps[-1])]
        if road.end in TOLD_BY_TOOLS:
            kind, name = TOLD_BY_TOOLS[road.end]
            self.visit(browser, n, way)
            self.meet(n, person, kind, name, {})
        elif road.end == "seminar":
            self.visit(browser, n, way, Form("/demo/seminar", "seminar-form", person))
            if self.random.random() < 0.5:
                campaign = {"source": "seminar", "medium": "seminar", "campaign": "在庫削減セミナー"}
                self.meet(self.workday(n + 9), person, HitKind.OFFLINE, "在庫削減セミナー", campaign)
        else:
            self.visit(browser, n, way, Form("/demo/contact", "contact-form", person))
        return n

    def meet(self, n: int, person: Person, kind: HitKind, name: str, arrival: Mapping[str, str]) -> None:
        """A call or a meeting with a person."""
        at = self.moment(n, office=True)
        randomness = sha256(f"{SEED} {person.email} {name}".encode()).digest()
        details = {
            "name": name,
            "identifiers": {"email": person.email},
            **({"arrival": dict(arrival)} if arrival else {}),
        }
        self.meetings.append(Meeting(at, uuid7(to_ms(at), randomness), kind, details))

    def tell_nurture(self, browser: Browser, since: int, until: int, most: int) -> None:
        """The visits of somebody who gets our mails, until there is nothing more to decide."""
        n = since
        for _ in range(self.random.randrange(most + 1)):
            n += 2 + int(self.random.expovariate(1 / 6))
            if n >= min(until, self.days + 1):
                break
            self.visit(browser, n, self.pick(NURTURE))

    # -- the CRM

    def say(self, n: int, reference: str | None, **fields: Any) -> None:
        """The CRM says something on day n, or the workday after."""
        self.said.append(Said(self.moment(self.workday(n), office=True), reference, fields))

    def say_contact(self, person: Person, i: int, n: int) -> None:
        """Sales puts a lead into the CRM, the workday after."""
        known = {
            "email": person.email,
            "crm_id": f"C-{10_001 + i}",
            "name": person.name,
            "company_name": person.company,
        }
        if person.phone:
            known["phone"] = "+81" + person.phone.replace("-", "")[1:]
        self.say(n + 1, None, **known)

    def say_stages(self, person: Person, k: int | None) -> None:
        """How far somebody comes whom the CRM knows; k: the number of their deal, None: they have none."""
        told = [one for one in self.said if one.reference is None and one.fields["email"] == person.email]
        if not told:
            return
        deal_at = (
            next((one.at for one in self.said if one.reference == f"D-{2001 + k}"), None) if k is not None else None
        )
        random = Random(f"{SEED} stages {person.email}")  # noqa: S311 - of its own: the rest of the story stays
        for at, stage, score in steps_of(random, told[0].at, deal_at):
            self.said.append(Said(at, None, {"email": person.email, "stage": stage.value, "score": score}))

    def tell_deal(self, person: Person, i: int, lead: int, k: int, currency: str) -> int:
        """A deal from its first meeting to its end, as far as the story goes; returns the day of its end."""
        self.say_contact(person, i, lead)
        reference = f"D-{2001 + k}"
        n = self.workday(lead + self.random.randrange(2, 9))
        amount = PLANS[k % len(PLANS)] + 6_000 * self.random.randrange(-4, 13)
        amount = amount // 150 if currency == "USD" else amount
        # The eighth deal names nobody, as in a CRM where sales works by company.
        who: dict[str, Any] = {"contacts": [{"by": "email", "value": person.email}]}
        if k == 7:
            who = {"company_domain": person.domain}
        opened: dict[str, Any] = {
            "name": f"{person.company} 日の出プラン" if person.is_japanese else f"{person.company} Hinode Plan",
            "pipeline": PIPELINE,
            "type": "new",
            "stage": STAGES[0],
            "status": "open",
            "amount": str(amount),
            "currency": currency,
        }
        chance = Random(f"{SEED} chance {reference}")  # noqa: S311 - of its own: the rest of the story stays
        self.say(n, reference, **opened, **who, **told_chance(chance, 0))
        lost_at = self.random.randrange(1, 4) if k % 3 == 1 and k not in SPECIAL else 0
        for place in (1, 2):
            n = self.workday(n + self.random.randrange(3, 12))
            if lost_at == place:
                break
            if place == 1 or k not in STALLED:
                self.say(n, reference, stage=STAGES[place], **told_chance(chance, place))
        n = self.workday(n + self.random.randrange(3, 14))
        if lost_at:
            reason = {} if chance.random() < 0.15 else {"lost_reason": chance.choice(REASONS)}
            self.say(n, reference, stage="失注 (lost)", status="lost", **reason)
            return n
        if k in STALLED:
            return n
        self.say(n, reference, stage=WON, status="won")
        self.tell_after(person, reference, k, n, amount)
        return n

    def tell_after(self, person: Person, reference: str, k: int, won: int, amount: int) -> None:
        """What happens to some deals after they were won."""
        match SPECIAL.get(k):
            case "amended":
                amended = amount * self.random.choice((85, 110, 125)) // 100
                self.say(won + self.random.randrange(4, 20), reference, amount=str(amended))
            case "refunded":
                self.say(won + 24, reference, refunded=str(amount // 4))
            case "lost_after_won":
                self.say(won + 17, reference, stage="解約 (cancelled)", status="lost")
            case "upsell":
                opened: dict[str, Any] = {
                    "name": f"{person.company} 追加拠点 (second site)",
                    "pipeline": "既存 (existing business)",
                    "type": "upsell",
                    "stage": STAGES[1],
                    "status": "open",
                    "amount": str(amount // 2),
                    "currency": CURRENCY,
                    "contacts": [{"by": "email", "value": person.email}],
                }
                self.say(won + 30, f"{reference}-U", **opened)
                self.say(won + 41, f"{reference}-U", stage=WON, status="won")

    # -- the days

    def costs_of(self, day: str) -> list[Cost]:
        """What the ad accounts report for a day, the day after: prices vary, and not every click arrives."""
        rows: list[Cost] = []
        for key, way in WAYS.items():
            n = self.clicks[day, key]
            if not way.click_minor or not n:
                continue
            n += self.random.randrange(0, 2 + n // 4)
            amount = n * way.click_minor * self.random.randrange(85, 116) // 100
            impressions = n * self.random.randrange(18, 60)
            names = (way.tag("utm_source"), way.tag("utm_medium"), way.tag("utm_campaign"))
            rows.append(Cost(day, *names, amount, CURRENCY, n, impressions))
        if day == self.date_of(self.workday(self.days * 2 // 5)).isoformat():
            rows.append(Cost(day, *BOOTH, 380_000, CURRENCY))
        return rows

    def by_day(self) -> tuple[Day, ...]:
        """All that happened before the anchor, by local day."""
        days = [self.date_of(n) for n in range(self.days + 1)]
        starts = [datetime.combine(one, time(), zone(TIMEZONE)) for one in days]

        def split(things: Sequence[Any]) -> list[list[Any]]:
            found: list[list[Any]] = [[] for _ in days]
            for thing in sorted(things, key=lambda thing: thing.at):
                if starts[0] <= thing.at < self.anchor:
                    found[bisect(starts, thing.at) - 1].append(thing)
            return found

        parts = zip(days, split(self.beacons), split(self.meetings), split(self.said), strict=True)
        last = days[-1]
        return tuple(
            Day(
                one.isoformat(),
                tuple(beacons),
                tuple(meetings),
                tuple(said),
                tuple(self.costs_of(one.isoformat())) if one != last else (),
            )
            for one, beacons, meetings, said in parts
        )


def told_chance(random: Random, place: int) -> dict[str, str]:
    """The probability that sales gives a deal when it enters a stage: of four deals in ten, and never a round one."""
    said = random.random() < 0.4
    percent = (15, 40, 70)[place] + random.randrange(-20, 21) / 2
    return {"probability": f"{percent:g}"} if said else {}


# The deals, by number, to which more happens than being won or lost.
SPECIAL = {
    2: "amended", 4: "upsell", 5: "amended", 7: "by_company", 9: "refunded", 11: "amended", 13: "lost_after_won",
    15: "upsell", 18: "amended",
}  # fmt: skip
