"""How long a report over a million paths takes, and crediting one deal beside them.

Writes 400,000 contacts with four visits each, a form, a lead, and for every fourth a won deal (1,000,000 conversions,
4,000,000 touches on their paths) straight into their tables. Then times the Source report of the whole year: read from
the tables, the first time that paths are kept in memory, from memory with every model, and after one deal has changed.

Run: python bench/paths.py [--contacts N] [--url postgresql+psycopg://…] [--keep FILE]
"""

import argparse
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from parts.bulk import Row, counted, put, put_all
from sqlalchemy import Engine

from tracker.access.sites import site_by_id
from tracker.attribution.attribute import attribute
from tracker.attribution.touches import DAY_MS
from tracker.clock import EPOCH, from_ms, to_ms
from tracker.db.schema import metadata
from tracker.db.store import begin, connect, reading
from tracker.flow import deal_said
from tracker.ids import derive, uuid7
from tracker.money import tie_number
from tracker.reports.crediting import credit
from tracker.reports.exchange import Exchange
from tracker.reports.keeping import engine_of, keep_paths
from tracker.reports.query import Query
from tracker.reports.source import scope_of, source_report
from tracker.vocabulary import FLAT, NOT_SET, Basis, Dimension, Model

NOW = datetime(2026, 11, 1, tzinfo=UTC)
NOW_MS = to_ms(NOW)
START_MS = NOW_MS - 365 * DAY_MS
CHANNELS = (
    ("direct", "(direct)", "(none)", 0.30),
    ("organic_search", "google", "organic", 0.25),
    ("paid_search", "google", "cpc", 0.15),
    ("paid_social", "facebook", "paid_social", 0.08),
    ("organic_social", "linkedin.com", "social", 0.06),
    ("email", "newsletter", "email", 0.06),
    ("referral", "blog.example.org", "referral", 0.05),
    ("ai_assistant", "chatgpt.com", "ai_assistant", 0.03),
    ("display", "dv360", "display", 0.02),
)
SHARES = np.array([share for *_, share in CHANNELS])
N_CAMPAIGNS, N_PAGES = 60, 300
VISITS = 4
# Every fourth contact has a deal.
DEALS = 4

COLUMNS: dict[str, tuple[str, ...]] = {
    "sites": (
        "site_id", "key", "name", "hosts", "timezone", "currency", "visit_gap_s", "lease_s", "lease_rest_s",
        "created_at", "tracking",
    ),
    "visitors": ("visitor_no", "site_id", "visitor_id"),
    "touchpoints": (
        "touchpoint_id", "site_id", "kind", "hit_seq", "hit_id", "visitor_no", "occurred_at", "day", *FLAT,
        "landing_url", "click_ids", "browser", "os", "rule", "rules_version",
    ),
    "contacts": ("contact_id", "site_id", "email", "properties", "lead_at", "lead_day", "updated_at"),
    "identifiers": ("site_id", "kind", "value", "contact_id", "own_id"),
    "identifications": (
        "identification_id", "site_id", "contact_id", "own_id", "visitor_no", "hit_seq", "kind", "occurred_at",
    ),
    "links": ("visitor_no", "position", "contact_id"),
    "crm_changes": ("site_id", "kind", "key", "payload", "changed_at", "received_at"),
    "deals": (
        "deal_id", "site_id", "reference", "status", "type", "amount_minor", "refunded_minor", "currency",
        "created_at", "closed_at", "changed_at",
    ),
    "deal_contacts": ("deal_id", "contact_id"),
    "deal_entries": ("deal_id", "position", "site_id", "kind", "amount_minor", "currency", "occurred_at", "day"),
    "conversions": (
        "conversion_id", "site_id", "kind", "contact_id", "deal_id", "hit_seq", "occurred_at", "day", "lead_day",
        "lead_at", "deal_at", "n", "by_company",
    ),
    "paths": (
        "conversion_id", "position", "site_id", "kind", "conversion_at", "conversion_day", "lead_day",
        "touchpoint_id", "touched_at", "touch_day", "scope", "tie", *FLAT,
    ),
}  # fmt: skip


def day_of(instant_ms: int, days: dict[int, str] = {}) -> str:  # noqa: B006 - remembered between calls
    """The day of an instant in UTC, the site's zone here."""
    n = instant_ms // DAY_MS
    if n not in days:
        days[n] = (EPOCH + timedelta(days=n)).date().isoformat()
    return days[n]


def people(n: int, first: int, random: np.random.Generator) -> dict[str, list[Row]]:
    """Contacts first .. first + n - 1 with all their rows."""
    rows: dict[str, list[Row]] = {name: [] for name in COLUMNS if name != "sites"}
    times = np.sort(random.integers(START_MS, NOW_MS - 90 * DAY_MS, size=(n, 1)) + random.integers(
        0, 60 * DAY_MS, size=(n, VISITS)), axis=1)  # fmt: skip
    chosen = random.choice(len(CHANNELS), size=(n, VISITS), p=SHARES / SHARES.sum())
    campaigns = random.integers(0, N_CAMPAIGNS, size=(n, VISITS))
    pages = random.integers(0, N_PAGES, size=(n, VISITS))
    amounts = random.integers(50_000, 5_000_000, size=n)
    for i in range(n):
        number = first + i
        touches = []
        rows["visitors"].append((number, 1, f"v{number}"))
        for j in range(VISITS):
            channel, source, medium, _ = CHANNELS[chosen[i, j]]
            campaign = f"campaign_{campaigns[i, j]}" if medium in {"cpc", "email", "display"} else NOT_SET
            at, touch_id = int(times[i, j]), derive("visit", number, j)
            words = (channel, source, medium, campaign, NOT_SET, NOT_SET, f"/page/{pages[i, j]}", NOT_SET)
            words = (*words, "desktop", "JP")
            touches.append((touch_id, at, day_of(at), words))
            hit_id = uuid7(at, derive("hit", number, j)[:20].encode()[:10])
            rows["touchpoints"].append((
                touch_id, 1, "visit", number * VISITS + j, hit_id, number, at, day_of(at), *words,
                f"https://www.example.com/page/{pages[i, j]}", "[]", "Chrome", "Windows", channel, "2026-11-01",
            ))  # fmt: skip
        add_person(rows, number, touches, int(amounts[i]))
    return rows


def add_person(rows: dict[str, list[Row]], number: int, touches: list[Row], amount: int) -> None:
    """A contact, who filled in a form five minutes after the last visit, and perhaps a deal, with their paths."""
    contact_id, lead_at, email = derive("contact", number), touches[-1][1] + 300_000, f"p{number}@p{number}.example"
    lead = (day_of(lead_at), lead_at)
    rows["contacts"].append((contact_id, 1, email, "{}", lead_at, lead[0], lead_at))
    rows["identifiers"].append((1, "email", email, contact_id, contact_id))
    form_id = derive("form", number)
    rows["identifications"].append((form_id, 1, contact_id, contact_id, number, number * VISITS, "form", lead_at))
    rows["links"].append((number, 0, contact_id))
    own: list[Row] = [
        (form_id, 1, "form", contact_id, None, number * VISITS, lead_at, lead[0], *lead, None, 1, False),
        (derive("lead", contact_id), 1, "lead", contact_id, None, None, lead_at, lead[0], *lead, None, 1, False),
    ]
    if number % DEALS == 0:
        reference = f"D-{number}"
        deal_id, created = derive("deal", 1, reference), lead_at + DAY_MS
        won_at = created + (1 + number % 20) * DAY_MS
        said = {"amount": str(amount), "currency": "JPY", "contacts": [{"by": "email", "value": email}]}
        rows["crm_changes"].append((1, "deal", reference, json.dumps(said), created, created))
        rows["crm_changes"].append((1, "deal", reference, '{"status": "won"}', won_at, won_at))
        rows["deals"].append((deal_id, 1, reference, "won", "new", amount, 0, "JPY", created, won_at, won_at))
        rows["deal_contacts"].append((deal_id, contact_id))
        rows["deal_entries"].append((deal_id, 0, 1, "won", amount, "JPY", won_at, day_of(won_at)))
        for kind, at in (("deal_created", created), ("deal_won", won_at)):
            own.append((
                derive(kind, deal_id), 1, kind, None, deal_id, None, at, day_of(at), *lead, created, 1, False,
            ))  # fmt: skip
    rows["conversions"] += own
    rows["paths"] += [
        (
            one[0], position, 1, one[2], one[6], one[7], lead[0], touch_id, at, day, 0, tie_number(one[0], touch_id),
            *words,
        )
        for one in own
        for position, (touch_id, at, day, words) in enumerate(touches)
    ]  # fmt: skip


def build(engine: Engine, n_contacts: int) -> None:
    """Fill an empty database."""
    random = np.random.default_rng(2026)
    metadata.create_all(engine)
    site = (1, "bench", "Bench", '["www.example.com"]', "UTC", "JPY", 1800, 1800, 3600, NOW_MS, "{}")
    with begin(engine) as tx:
        put(tx, "sites", COLUMNS["sites"], [site])
        for first in range(1, n_contacts + 1, 20_000):
            put_all(tx, COLUMNS, people(min(20_000, n_contacts + 1 - first), first, random))
    counted(engine)


def query_of(model: Model = Model.LAST_NON_DIRECT, basis: Basis = Basis.ACTIVITY) -> Query:
    """The whole year by channel."""
    first = (NOW - timedelta(days=365)).date().isoformat()
    return Query(1, "UTC", first, NOW.date().isoformat(), (Dimension.CHANNEL,), model, basis=basis, currency="JPY")


def report(engine: Engine, query: Query) -> Any:
    """The report as a page asks for it."""
    with reading(engine) as tx:
        return source_report(tx, query, NOW)


def timed(work: Callable[[], object], runs: int = 1) -> tuple[float, float]:
    """Seconds and processor seconds of the median run."""
    found = []
    for _ in range(runs):
        start, cpu = time.perf_counter(), time.process_time()
        work()
        found.append((time.perf_counter() - start, time.process_time() - cpu))
    return statistics.median(one for one, _ in found), statistics.median(one for _, one in found)


def change(engine: Engine, number: int, amount: int) -> None:
    """A CRM tells of another amount of a deal."""
    with begin(engine) as tx:
        site, at = site_by_id(tx, 1), from_ms(amount * 1_000)
        assert deal_said(tx, site, f"D-{number}", {"amount": str(amount)}, at, at)


def credit_again(engine: Engine, number: int) -> None:
    """One deal credited anew, beside all others."""
    with begin(engine) as tx:
        attribute(tx, 1, "UTC", (), [derive("deal", 1, f"D-{number}")])


def paths_only(engine: Engine, query: Query) -> None:
    """What the report does with paths, without visits and costs."""
    with reading(engine) as tx:
        credit(engine_of(tx), query, scope_of(query), Exchange(query.currency))


def measured(engine: Engine, runs: int) -> Iterator[tuple[str, float, float]]:
    """What is measured: its name, seconds, processor seconds."""
    year, deal = query_of(), DEALS * 7
    yield "paths of the year from the tables", *timed(lambda: paths_only(engine, year))
    keep_paths(engine, 4_096)
    yield "the first time, into memory", *timed(lambda: paths_only(engine, year))
    for model in (Model.LAST_NON_DIRECT, Model.LINEAR, Model.TIME_DECAY, Model.W_SHAPE):
        yield f"from memory, {model}", *timed(lambda model=model: paths_only(engine, query_of(model)), runs)
    for basis in (Basis.TOUCH_COHORT, Basis.LEAD_COHORT):
        query = query_of(Model.LINEAR, basis)
        yield f"from memory, linear, {basis}", *timed(lambda query=query: paths_only(engine, query), runs)
    amounts = count(int(time.time()))  # another one each time, also on a database that was kept
    yield "one deal told of anew, all that follows", *timed(lambda: change(engine, deal, next(amounts)), runs)
    yield "one deal credited again, unchanged", *timed(lambda: credit_again(engine, deal), runs)
    yield "from memory after one changed deal", *timed(lambda: paths_only(engine, year), 1)
    for model in (Model.LAST_NON_DIRECT, Model.LINEAR):
        yield f"the whole report, {model}", *timed(lambda model=model: report(engine, query_of(model)), runs)
    keep_paths(engine, 0)


def main() -> None:
    """Build, time, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contacts", type=int, default=400_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--url", help="an empty PostgreSQL database")
    parser.add_argument("--keep", type=Path, help="keep the SQLite database in this file, or use it if it is there")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = given.keep or Path(folder) / "bench.sqlite3"
        is_there = given.url is None and file.exists()
        engine = connect(given.url or f"sqlite:///{file}")
        if not is_there:
            start = time.perf_counter()
            build(engine, given.contacts)
            print(f"built {given.contacts:,} contacts in {time.perf_counter() - start:.0f} s")
        for name, seconds, cpu_seconds in measured(engine, given.runs):
            print(f"{name:<60} {seconds:>8.3f} s {cpu_seconds:>8.3f} s CPU", flush=True)
        print(f"memory of the process at most: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB")
        engine.dispose()


if __name__ == "__main__":
    main()
