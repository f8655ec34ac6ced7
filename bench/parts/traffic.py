"""Visitors of a made-up site who come back, click ads and newsletters, and now and then fill in a form.

The same seed gives the same hits. Nothing here is measured traffic: shares and lengths are chosen to resemble a
business site (most visits short, a third from search, campaigns on one visit in five, a form on one in forty).
"""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from tracker.collect.payload import Hit
from tracker.ids import uuid7
from tracker.vocabulary import HitKind, Origin

SITE_KEY = "benchbenchbb"
HOST = "www.acme.example"
START = datetime(2026, 6, 1, tzinfo=UTC)
DAYS = 90
SEED = 20_261_121

PAGES = ["/", "/pricing", "/contact", "/about", "/demo"] + [f"/blog/{n}-ways-to-know-your-customers" for n in range(60)]
REFERRERS = (
    ["https://www.google.com/"] * 8
    + ["https://www.bing.com/", "https://duckduckgo.com/", "https://search.yahoo.co.jp/search?p=crm"]
    + ["https://t.co/x1", "https://www.linkedin.com/feed/", "https://l.facebook.com/l.php?u=x", "https://chatgpt.com/"]
    + [f"https://blog{n}.example.net/post/{n}" for n in range(40)]
)
TAGS = [
    "utm_source=google&utm_medium=cpc&utm_campaign=brand&gclid=Cj0KCQ{n}",
    "utm_source=google&utm_medium=cpc&utm_campaign=crm_compare&utm_term=crm+tool&gclid=Cj0KCQ{n}",
    "utm_source=facebook&utm_medium=paid_social&utm_campaign=lookalike&fbclid=IwAR{n}",
    "utm_source=newsletter&utm_medium=email&utm_campaign=june-{month}",
    "msclkid=ab{n}",
]
AGENTS = [
    f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.{build}.0 {last}"
    for system, last in (
        ("Windows NT 10.0; Win64; x64", "Safari/537.36"),
        ("Macintosh; Intel Mac OS X 10_15_7", "Safari/537.36"),
        ("Linux; Android 14; Pixel 8", "Mobile Safari/537.36"),
    )
    for version in range(120, 141)
    for build in (6_099, 6_478)
]


def hits(n: int, seed: int = SEED) -> list[Hit]:
    """About n hits of returning visitors, in the order in which they happened, over DAYS days."""
    dice = random.Random(seed)
    found: list[Hit] = []
    visitor = 0
    while len(found) < n:
        visitor += 1
        found += way_of(dice, visitor)
    return sorted(found, key=lambda hit: (hit.occurred_at, hit.hit_id))[:n]


def newcomers(n: int, seed: int = SEED) -> list[Hit]:
    """n page views, each of another visitor who was never seen before: every hit is a visit and a touchpoint."""
    dice = random.Random(seed)
    step = DAYS * 86_400 / n
    return [first_of(dice, visitor, START + timedelta(seconds=visitor * step)) for visitor in range(n)]


def first_of(dice: random.Random, visitor: int, at: datetime) -> Hit:
    """The page view that a visitor's first visit begins with."""
    url, referrer, kind, details = next(visit(dice, visitor, 0))
    agent, country = dice.choice(AGENTS), dice.choice(["JP", "JP", "US", "DE", None])
    return hit_at(dice, visitor, at, url, referrer, kind, details, agent, country)


def hit_at(
    dice: random.Random,
    visitor: int,
    at: datetime,
    url: str,
    referrer: str | None,
    kind: HitKind,
    details: dict[str, object],
    agent: str,
    country: str | None,
) -> Hit:
    """A hit as the journal takes it."""
    milliseconds = int(at.timestamp() * 1000)
    return Hit(
        hit_id=uuid7(milliseconds, dice.randbytes(10)),
        visitor_id=f"visitor{visitor:015}",
        kind=kind,
        origin=Origin.BROWSER,
        occurred_at=datetime.fromtimestamp(milliseconds / 1000, UTC),
        received_at=datetime.fromtimestamp(milliseconds / 1000, UTC),
        url=url,
        referrer=referrer,
        title="Know your customers",
        user_agent=agent,
        country=country,
        consent="granted",
        details=details,
    )


def way_of(dice: random.Random, visitor: int) -> Iterator[Hit]:
    """All hits of one visitor: one visit for most, some more for few."""
    agent = dice.choice(AGENTS)
    country = dice.choice(["JP", "JP", "US", "DE", None])
    at = START + timedelta(seconds=dice.uniform(0, DAYS * 86_400))
    n_visits = min(1 + int(dice.expovariate(0.9)), 12)
    for nth in range(n_visits):
        for url, referrer, kind, details in visit(dice, visitor, nth):
            yield hit_at(dice, visitor, at, url, referrer, kind, details, agent, country)
            at += timedelta(seconds=dice.expovariate(1 / 45))
        at += timedelta(days=dice.expovariate(1 / 6), hours=1)


def visit(dice: random.Random, visitor: int, nth: int) -> Iterator[tuple[str, str | None, HitKind, dict[str, object]]]:
    """The hits of one visit: url, referrer, kind, details."""
    page = dice.choice(PAGES)
    tags, referrer = "", None
    came = dice.random()
    if came < 0.2:
        tags = "?" + dice.choice(TAGS).format(n=dice.getrandbits(60), month=dice.randrange(12))
    elif came < 0.65:
        referrer = dice.choice(REFERRERS)
    url = f"https://{HOST}{page}{tags}"
    yield url, referrer, HitKind.PAGE, {}
    for _ in range(min(int(dice.expovariate(0.55)), 20)):
        before, url = url, f"https://{HOST}{dice.choice(PAGES)}"
        yield url, before, HitKind.PAGE, {}
        if dice.random() < 0.05:
            yield url, None, HitKind.EVENT, {"name": "video_play", "props": {"second": 30}}
    if dice.random() < 0.025:
        named = {"email": f"person{visitor}@company{visitor % 997}.example"}
        yield url, None, HitKind.FORM, {"form": {"id": "contact", "name": "Contact"}, "identifiers": named}
