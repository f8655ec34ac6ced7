"""A year of a made-up company: visits, people, what its CRM said, what its campaigns cost; all derived as usual.

One visitor in seven comes four times and leaves an address, the others come once. The same seed gives the same year.
"""

import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import Engine, insert

from parts.traffic import AGENTS, HOST, PAGES, REFERRERS, SEED, TAGS, hit_at
from tracker.access.sites import Site, add_site
from tracker.collect.journal import append
from tracker.collect.payload import Hit
from tracker.costs.load import Cost, load
from tracker.db.schema import crm_changes
from tracker.db.store import Tx, begin
from tracker.ids import derive
from tracker.rebuild import rebuild
from tracker.vocabulary import CrmChangeKind, HitKind

NOW = datetime(2026, 11, 1, 3, tzinfo=UTC)
DAYS = 365
VISITS_OF_PEOPLE = 4
STAGES = ("subscriber", "lead", "marketingqualifiedlead", "salesqualifiedlead", "customer")
# The CRM's stages of a deal, and how likely it is won from there.
PIPELINE = (("inquiry", "10"), ("proposal", "30"), ("negotiation", "60"), ("signing", "90"))
AT_A_TIME = 5_000


def build(engine: Engine, n_visits: int, n_contacts: int, n_deals: int, say: Callable[[str], None]) -> Site:
    """Fill an empty store with the year before NOW; takes some minutes for a million visits."""
    started = time.perf_counter()
    with begin(engine) as tx:
        since = NOW - timedelta(days=DAYS + 1)
        site = add_site(tx, "Bench", [HOST], now=since, timezone="Asia/Tokyo", currency="JPY", key="benchbenchbb")
    stream = hits_of_all(n_visits, n_contacts)
    while some := list(islice(stream, AT_A_TIME)):
        with begin(engine) as tx:
            append(tx, site.site_id, some)
    with begin(engine) as tx:
        tell_crm(tx, site, n_contacts, n_deals)
        tell_costs(tx, site)
    say(f"journal written after {time.perf_counter() - started:.0f} s")
    with begin(engine) as tx:
        n_hits = rebuild(tx, AT_A_TIME)
    say(f"{n_hits:,} hits derived after {time.perf_counter() - started:.0f} s")
    return site


def email_of(person: int) -> str:
    """The address of a visitor who left one."""
    return f"person{person}@company{person % 9_973}.example"


def hits_of_all(n_visits: int, n_contacts: int) -> Iterator[Hit]:
    """The year's hits, visitor by visitor: first those who leave an address."""
    dice = random.Random(SEED)
    for visitor in range(n_visits - n_contacts * (VISITS_OF_PEOPLE - 1)):
        is_person = visitor < n_contacts
        yield from hits_of(dice, visitor, VISITS_OF_PEOPLE if is_person else 1, is_person)


def hits_of(dice: random.Random, visitor: int, n_visits: int, is_person: bool) -> Iterator[Hit]:
    """What one visitor does: a page a visit, and on one of the last visits a form."""
    agent, country = dice.choice(AGENTS), dice.choice(["JP", "JP", "US", "DE", None])
    at = NOW - timedelta(seconds=dice.uniform(0, (DAYS - n_visits * 8) * 86_400) + (n_visits - 1) * 8 * 86_400)
    asks = dice.randrange(n_visits // 2, n_visits)
    for nth in range(n_visits):
        came, tags, referrer = dice.random(), "", None
        if came < 0.35:
            tags = "?" + dice.choice(TAGS).format(n=dice.getrandbits(60), month=dice.randrange(60))
        elif came < 0.75:
            referrer = dice.choice(REFERRERS)
        url = f"https://{HOST}{dice.choice(PAGES)}{tags}"
        yield hit_at(dice, visitor, at, url, referrer, HitKind.PAGE, {}, agent, country)
        if is_person and nth == asks:
            told: dict[str, object] = {"form": {"id": "contact"}, "identifiers": {"email": email_of(visitor)}}
            yield hit_at(dice, visitor, at + timedelta(minutes=3), url, None, HitKind.FORM, told, agent, country)
        at += timedelta(days=dice.uniform(1, 8))


def tell_crm(tx: Tx, site: Site, n_contacts: int, n_deals: int) -> None:
    """What the CRM said: of every fifth person a name, a stage and a score; of some a deal."""
    dice = random.Random(SEED + 1)
    rows: list[dict[str, Any]] = []

    def tell(kind: CrmChangeKind, key: str, payload: dict[str, Any], at: datetime) -> None:
        row = {"site_id": site.site_id, "kind": kind.value, "key": key, "payload": payload}
        rows.append({**row, "changed_at": at, "received_at": at})

    for person in range(0, n_contacts, 5):
        email = email_of(person)
        own_id = derive("contact", site.site_id, "email", email)
        at = NOW - timedelta(seconds=dice.uniform(0, 300 * 86_400))
        tell(
            CrmChangeKind.CONTACT, own_id, {"email": email, "name": f"Name {person}", "score": dice.randrange(100)}, at
        )
        for nth, stage in enumerate(STAGES[1 : 1 + dice.choice([0, 1, 1, 2, 2, 3])]):
            moved = min(NOW, at + timedelta(days=9 * nth + 1))
            tell(CrmChangeKind.STAGE, own_id, {"stage": stage, "by": "crm", "cause": "crm"}, moved)
    for deal in range(n_deals):
        tell_deal(dice, deal, n_contacts, tell)
    for start in range(0, len(rows), AT_A_TIME):
        tx.execute(insert(crm_changes), rows[start : start + AT_A_TIME])


def tell_deal(dice: random.Random, deal: int, n_contacts: int, tell: Callable[..., None]) -> None:
    """A deal through its stages, to its end or not yet."""
    at = NOW - timedelta(seconds=dice.uniform(0, 300 * 86_400))
    who = [{"by": "email", "value": email_of(dice.randrange(n_contacts))}]
    fields: dict[str, Any] = {
        "name": f"Deal {deal}", "pipeline": "sales", "amount": str(dice.randrange(50, 5_000) * 1_000),
        "currency": "JPY", "contacts": who, "created_at": at.isoformat(),
    }  # fmt: skip
    for stage, probability in PIPELINE[: dice.randrange(1, 5)]:
        tell(CrmChangeKind.DEAL, f"D-{deal}", {**fields, "stage": stage, "probability": probability}, at)
        fields = {}
        at += timedelta(days=dice.uniform(2, 30))
        if at > NOW:
            return
    end = dice.choice(["won", "won", "lost", "lost", "open"])
    if end != "open":
        reason = {"lost_reason": dice.choice(["price", "timing", "no answer"])} if end == "lost" else {}
        tell(CrmChangeKind.DEAL, f"D-{deal}", {"status": end, **reason}, at)


def tell_costs(tx: Tx, site: Site) -> None:
    """What the campaigns cost, day by day."""
    named = [("google", "cpc", "brand"), ("google", "cpc", "crm_compare"), ("facebook", "paid_social", "lookalike")]
    named += [("newsletter", "email", f"june-{month}") for month in range(60)]
    for offset in range(DAYS):
        day = (NOW - timedelta(days=DAYS - offset)).date().isoformat()
        rows = [Cost(day, source, medium, campaign, 1_000 + offset, "JPY") for source, medium, campaign in named]
        load(tx, site.site_id, rows, NOW)
