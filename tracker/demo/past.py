"""The years before the demo's story, told lightly: who became a lead, bought and left, what mails and answers said.

One visit or two a lead, a deal's three words, costs by the week; enough for every figure of the scorecard, and told in
one go. Knows no database: prepare.py writes it into the journals and derives all of it at once. The same anchor, base,
days and months give the same past.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any

from tracker.clock import to_ms, zone
from tracker.costs.rows import Cost
from tracker.demo.people import Person, invent_older
from tracker.demo.stages import steps_of
from tracker.demo.story import (
    CURRENCY,
    PIPELINE,
    PLANS,
    REASONS,
    SEED,
    STAGES,
    TIMEZONE,
    WON,
    Beacon,
    Day,
    Form,
    Teller,
)
from tracker.demo.ways import OPENERS, RETURNS, WAYS
from tracker.mailing.reading import MailEvent
from tracker.reports.periods import month_start
from tracker.survey.reading import Answer
from tracker.vocabulary import CrmChangeKind, MailKind, Stage

MONTHS = 19
LEADS_A_MONTH, GROWTH = 13, 9  # so many more at the end of two years
BUYERS, WINNERS = 0.26, 0.62
LEAVING, COMING_BACK, SELLING_MORE, PRAISING = 0.014, 0.3, 0.06, 0.012
# What campaigns cost a week, and a fair twice a year.
WEEKLY = {"google_generic": 32_000, "yahoo_generic": 12_000, "meta_video": 11_000, "linkedin_ad": 6_000}
FAIR = ("monozukuri-expo", "event", "ものづくりEXPO")
FAIR_COST, FAIR_MONTHS = 380_000, (5, 11)
WELCOME, NEWSLETTER, CUSTOMERS = "welcome-series", "newsletter", "customer-news"
# By step: after how many days, who opens it and who clicks in it.
STEPS = (
    ("1 ようこそ (welcome)", 1, 0.46, 0.16),
    ("2 事例集 (cases)", 5, 0.33, 0.1),
    ("3 無料相談 (a talk)", 12, 0.27, 0.07),
)
STOPPING = (0.2, 0.45)
MOST_READERS = 90
SCORES = ((10, 18), (9, 22), (8, 22), (7, 14), (6, 9), (5, 6), (3, 5), (0, 4))
SAID = {
    "good": (
        "棚卸しが半日で終わるようになりました。",
        "Stock is right for the first time.",
        "現場がすぐに使い始めました。",
    ),
    "even": ("帳票をもう少し自由に作りたいです。", "Good, but the reports take some getting used to."),
    "bad": ("問い合わせの返事に時間がかかります。", "Too dear for a plant of our size."),
}
TARGETS = {"mql": 15, "customers": 5, "churn": 200, "nps": 3000, "nurture_open": 3000}


@dataclass(frozen=True, slots=True)
class Word:
    """One row of the CRM's journal. key: a deal's reference, a company's domain, or an e-mail address."""

    at: datetime
    kind: CrmChangeKind
    key: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Past:
    """All that was told before the story, and by mails and answers up to its end, in order of time."""

    beacons: tuple[Beacon, ...]
    words: tuple[Word, ...]
    costs: tuple[Cost, ...]
    mails: tuple[MailEvent, ...]
    answers: tuple[Answer, ...]
    from_month: str

    @property
    def first_hit_id(self) -> str | None:
        """A hit that is in the journal if and only if the past was told."""
        return str(json.loads(self.beacons[0].body)["hits"][0]["id"]) if self.beacons else None


@dataclass(slots=True)
class Customer:
    """Somebody who bought, and until when they are a customer."""

    person: Person
    since: datetime
    until: datetime


def recall(anchor: datetime, base: str, story: Sequence[Day], months: int = MONTHS) -> Past:
    """The months before a story, as far back as the first of a month.

    anchor  the instant of the first seeding: nothing is later
    story   its days; the past ends where it begins, but for mails, answers and what becomes of customers
    """
    first_day = date.fromisoformat(story[0].day)
    since = month_start(first_day, months)
    until = datetime.combine(first_day, time(), zone(TIMEZONE)).astimezone(UTC)
    teller = Teller(until, base, (first_day - since).days, random=Random(f"{SEED} past"))  # noqa: S311
    teller.n_browsers = 1_000_000  # none of the story's
    return Recaller(anchor, since, until, teller, tuple(known_in(story))).tell()


def known_in(story: Sequence[Day]) -> Iterator[tuple[str, datetime]]:
    """Whom the story's CRM knows, and since when."""
    seen: set[str] = set()
    for said in (said for day in story for said in day.said):
        email = said.fields.get("email")
        if said.reference is None and email and email not in seen:
            seen.add(email)
            yield email, said.at


@dataclass(slots=True)
class Recaller:
    """Collects the past; every choice comes from one seeded generator, in a fixed order."""

    anchor: datetime
    since: date
    until: datetime
    teller: Teller
    newcomers: tuple[tuple[str, datetime], ...]
    words: list[Word] = field(default_factory=list)
    mails: list[MailEvent] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    readers: list[tuple[str, datetime]] = field(default_factory=list)
    customers: list[Customer] = field(default_factory=list)
    n_deals: int = 0

    @property
    def random(self) -> Random:
        """The generator."""
        return self.teller.random

    def tell(self) -> Past:
        """All of it."""
        for person, n in self.leads():
            self.tell_lead(person, n)
        for customer in self.customers:
            self.tell_customer(customer)
        for email, at in [*self.readers, *self.newcomers]:
            self.tell_welcome(email, at)
        for first in self.months():
            self.tell_issue(first)
            self.ask_customers(first)
        beacons = sorted((one for one in self.teller.beacons if one.at < self.until), key=lambda one: one.at)
        return Past(
            beacons=tuple(beacons),
            words=tuple(sorted((one for one in self.words if one.at < self.anchor), key=lambda one: one.at)),
            costs=tuple(self.costs()),
            mails=tuple(
                sorted((one for one in self.mails if one.occurred_at < self.anchor), key=lambda one: one.occurred_at)
            ),
            answers=tuple(one for one in self.answers if one.answered_at < self.anchor),
            from_month=self.since.isoformat()[:7],
        )

    def months(self) -> Iterator[date]:
        """The first of each month, up to the anchor's."""
        first, last = self.since, self.anchor.astimezone(zone(TIMEZONE)).date()
        while first <= last:
            yield first
            first = month_start(first, -1)

    def leads(self) -> list[tuple[Person, int]]:
        """Who becomes a lead, and on which day of the past."""
        days: list[int] = []
        for first in self.months():
            n_before = (first - self.since).days
            n_days = min((month_start(first, -1) - first).days, self.teller.days - n_before)
            share = n_days / (month_start(first, -1) - first).days
            wanted = LEADS_A_MONTH + GROWTH * n_before / 730 + self.random.uniform(-2, 2)
            days += sorted(n_before + self.random.randrange(n_days) for _ in range(round(wanted * max(share, 0))))
        return list(zip(invent_older(self.random, len(days)), days, strict=True))

    # -- people

    def tell_lead(self, person: Person, n: int) -> None:
        """One or two visits, a form, what the CRM says, and perhaps a deal."""
        teller, random = self.teller, self.random
        way = teller.pick(OPENERS)
        browser = teller.browser(way.browsers)
        if random.random() < 0.5 and n > 9:
            teller.visit(browser, n - random.randrange(2, 10), way)
            way = teller.pick(RETURNS)
        n = teller.workday(n)
        teller.visit(browser, n, way, Form("/demo/contact", "contact-form", person))
        known_at = teller.moment(teller.workday(n + 1), office=True)
        self.readers.append((person.email, known_at))
        named = {"email": person.email, "name": person.name, "company_name": person.company}
        crm_id = f"P-{len(self.readers):04d}"
        self.words.append(Word(known_at, CrmChangeKind.CONTACT, person.email, {**named, "crm_id": crm_id}))
        deal_at = self.tell_deal(person, n) if random.random() < BUYERS else None
        at = known_at
        for at, stage, score in steps_of(random, known_at, deal_at):
            told = {"email": person.email, "score": score}
            self.words.append(Word(at, CrmChangeKind.CONTACT, person.email, told))
            self.move(person.email, at, stage)
        if deal_at is None:
            self.tell_back(person, at, stage)

    def tell_back(self, person: Person, at: datetime, stage: Stage) -> None:
        """Some lose interest, and some of these come back; some that were not ready are, later."""
        random = self.random
        if stage is Stage.LEAD and random.random() < 0.2:
            at += self.some_days(25, 90)
            self.move(person.email, at, Stage.OTHER)
            if random.random() < COMING_BACK:
                self.move(person.email, at + self.some_days(40, 150), Stage.LEAD)
        elif stage is Stage.MQL and random.random() < 0.3:
            at += self.some_days(20, 50)
            self.move(person.email, at, Stage.LEAD)
            if random.random() < 2 * COMING_BACK:
                self.move(person.email, at + self.some_days(30, 120), Stage.MQL)

    def tell_deal(self, person: Person, n: int) -> datetime:
        """A deal that is won or lost; returns when it was opened."""
        teller, random = self.teller, self.random
        self.n_deals += 1
        n = teller.workday(n + random.randrange(3, 9))
        opened, closed = (
            teller.moment(n, office=True),
            teller.moment(teller.workday(n + random.randrange(10, 45)), office=True),
        )
        amount = PLANS[self.n_deals % len(PLANS)] + 6_000 * random.randrange(-4, 13)
        self.deal(opened, f"{person.company} 日の出プラン", person, amount, "new", PIPELINE, closed)
        if closed < self.anchor and self.words[-1].payload.get("status") == "won":
            self.customers.append(Customer(person, closed, self.leaves_at(closed)))
        return opened

    def deal(
        self, opened: datetime, name: str, person: Person, amount: int, kind: str, pipeline: str, closed: datetime
    ) -> None:
        """A deal's two words, its end last. Only a new one may be lost."""
        reference = f"P-{1000 + len(self.words)}"
        told: dict[str, Any] = {
            "name": name,
            "pipeline": pipeline,
            "type": kind,
            "stage": STAGES[0],
            "status": "open",
            "amount": str(amount),
            "currency": CURRENCY,
            "contacts": [{"by": "email", "value": person.email}],
        }
        self.words.append(Word(opened, CrmChangeKind.DEAL, reference, told))
        is_won = kind != "new" or self.random.random() < WINNERS
        end = (
            {"stage": WON, "status": "won"}
            if is_won
            else {"stage": "失注 (lost)", "status": "lost", "lost_reason": self.random.choice(REASONS)}
        )
        self.words.append(Word(closed, CrmChangeKind.DEAL, reference, end))

    def leaves_at(self, since: datetime) -> datetime:
        """When a customer leaves: a small chance each month; perhaps after the anchor."""
        n = 1
        while self.random.random() >= LEAVING and n < 60:
            n += 1
        return since + timedelta(days=30 * n + self.random.randrange(30))

    def tell_customer(self, one: Customer) -> None:
        """What a customer buys beside, whether they praise us, and when they leave."""
        random, at = self.random, one.since + timedelta(days=60)
        while at < min(one.until, self.anchor) - timedelta(days=20):
            if random.random() < SELLING_MORE:
                kind = random.choice(("upsell", "cross_sell"))
                amount = 60_000 + 6_000 * random.randrange(30)
                closed = at + self.some_days(5, 18)
                self.deal(
                    at,
                    f"{one.person.company} 追加 (more)",
                    one.person,
                    amount,
                    kind,
                    "既存 (existing business)",
                    closed,
                )
            if random.random() < PRAISING:
                self.move(one.person.email, at, Stage.EVANGELIST)
            at += timedelta(days=30)
        self.move(one.person.email, one.until, Stage.OTHER)
        self.move(one.person.domain, one.until + timedelta(hours=1), Stage.OTHER, of_company=True)
        if random.random() < 0.15:
            self.move(one.person.email, one.until + self.some_days(20, 90), Stage.LEAD)

    def move(self, key: str, at: datetime, stage: Stage, *, of_company: bool = False) -> None:
        """The CRM says that somebody, or a company, is in a stage."""
        kind = CrmChangeKind.COMPANY_STAGE if of_company else CrmChangeKind.STAGE
        self.words.append(Word(at, kind, key, {"stage": stage.value, "by": "crm", "cause": "crm"}))

    def some_days(self, least: int, most: int) -> timedelta:
        """Some days and some minutes."""
        return timedelta(days=self.random.randrange(least, most), minutes=self.random.randrange(600))

    # -- mails and answers

    def tell_welcome(self, email: str, at: datetime) -> None:
        """The steps that somebody gets, as far as they do not stop."""
        stops = self.random.random()
        for place, (step, after, opens, clicks) in enumerate(STEPS):
            self.mail(WELCOME, step, email, at + timedelta(days=after), opens, clicks)
            if place < len(STOPPING) and stops < STOPPING[place]:
                return

    def tell_issue(self, first: date) -> None:
        """The newsletter of a month, to leads, and the customers' own; the last whole month's had a dull subject."""
        at = datetime.combine(
            first + timedelta(days=(9 - first.weekday()) % 7 + 7), time(10), zone(TIMEZONE)
        ).astimezone(UTC)
        buyers = {one.person.email for one in self.customers if one.since < at}
        known = [email for email, since in [*self.readers, *self.newcomers] if since < at and email not in buyers]
        is_dull = first == month_start(self.anchor.astimezone(zone(TIMEZONE)).date(), 1)
        for email in self.random.sample(known, min(len(known), MOST_READERS)):
            self.mail(NEWSLETTER, first.isoformat()[:7], email, at, 0.06 if is_dull else 0.27, 0.05)
        for one in self.customers:
            if one.since < at < one.until:
                self.mail(CUSTOMERS, first.isoformat()[:7], one.person.email, at + timedelta(hours=1), 0.41, 0.12)

    def mail(self, programme: str, step: str, email: str, at: datetime, opens: float, clicks: float) -> None:
        """A mail that was delivered, and what became of it."""
        random = self.random
        name = f"demo {programme} {step} {email}"
        self.mails.append(MailEvent(f"{name} delivered", MailKind.DELIVERED, programme, step, email, at))
        if random.random() < 0.12:
            seen = at + timedelta(seconds=random.randrange(5, 60))
            self.mails.append(
                MailEvent(f"{name} machine", MailKind.OPEN, programme, step, email, seen, is_machine=True)
            )
        chance = random.random()
        if chance < opens:
            seen = at + timedelta(minutes=random.randrange(5, 2_000))
            self.mails.append(MailEvent(f"{name} open", MailKind.OPEN, programme, step, email, seen))
            if chance < clicks:
                seen += timedelta(minutes=1)
                self.mails.append(MailEvent(f"{name} click", MailKind.CLICK, programme, step, email, seen))

    def ask_customers(self, first: date) -> None:
        """Each customer is asked once a quarter; some answer, and some of these say why."""
        random = self.random
        numbers, weights = zip(*SCORES, strict=True)
        start = datetime.combine(first, time(11), zone(TIMEZONE)).astimezone(UTC)
        for place, one in enumerate(self.customers):
            if not one.since < start < one.until or (place + first.month) % 3 or random.random() > 0.45:
                continue
            score = random.choices(numbers, weights)[0]
            words = SAID["good" if score >= 9 else "bad" if score <= 6 else "even"]
            comment = random.choice(words) if random.random() < 0.6 else ""
            at = start + self.some_days(1, 24)
            self.answers.append(Answer(f"demo {one.person.email} {to_ms(at)}", one.person.email, score, comment, at))

    # -- costs

    def costs(self) -> Iterator[Cost]:
        """What campaigns cost, week by week, up to the story's first day."""
        last = self.until.astimezone(zone(TIMEZONE)).date()
        for first in self.months():
            for day in (first + timedelta(days=n) for n in (4, 11, 18, 25)):
                for key, usual in WEEKLY.items():
                    names = WAYS[key].tag("utm_source"), WAYS[key].tag("utm_medium"), WAYS[key].tag("utm_campaign")
                    amount = usual * self.random.randrange(82, 119) // 100
                    if day < last:
                        yield Cost(day.isoformat(), *names, amount, CURRENCY, amount // max(WAYS[key].click_minor, 1))
            if first.month in FAIR_MONTHS and first + timedelta(days=13) < last:
                yield Cost((first + timedelta(days=13)).isoformat(), *FAIR, FAIR_COST, CURRENCY)
