"""How long it takes to count a million people anew under other definitions, and one person's change beside them.

Writes contacts with eight page views in two visits each, a form, and what a CRM says of them, straight into their
tables. Then a definition of twenty rules and ten kinds of points comes into force, and everybody is derived anew, as
the work loop does it, in its steps. Then one of them sends a form, and the change of the stage is waited for.

Run: python bench/lifecycle.py [--contacts N] [--url postgresql+psycopg://…] [--keep FILE]
"""

import argparse
import json
import resource
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from parts.bulk import Row, counted, put, put_all
from sqlalchemy import Engine, func, select

from tracker import flow
from tracker.access.sites import site_by_id
from tracker.attribution.touches import DAY_MS
from tracker.clock import from_ms, to_ms
from tracker.collect.journal import append
from tracker.collect.payload import Hit
from tracker.db.schema import contacts, metadata, stage_changes
from tracker.db.store import begin, connect, reading
from tracker.ids import derive, uuid7
from tracker.lifecycle.settled import Lifecycle, restage, save_lifecycle
from tracker.lifecycle.versions import save_definition
from tracker.staging import restage_some
from tracker.vocabulary import FLAT, NOT_SET, HitKind, Origin

NOW = datetime(2026, 11, 1, tzinfo=UTC)
NOW_MS = to_ms(NOW)
PAGES = ("/", "/pricing", "/pricing/enterprise", "/product", "/blog/one", "/blog/two", "/docs", "/about", "/cases/tea")
FORMS = ("newsletter", "whitepaper", "seminar", "demo")
INDUSTRIES = ("retail", "manufacturing", "software", "finance")
VIEWS, VISITS = 8, 2
AT_A_TIME = 500
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

COLUMNS: dict[str, tuple[str, ...]] = {
    "sites": (
        "site_id", "key", "name", "hosts", "timezone", "currency", "visit_gap_s", "lease_s", "lease_rest_s",
        "created_at", "tracking",
    ),
    "visitors": ("visitor_no", "site_id", "visitor_id"),
    "hits": (
        "seq", "site_id", "hit_id", "visitor_id", "kind", "origin", "occurred_at", "received_at", "url", "consent",
        "details",
    ),
    "visits": ("visit_id", "site_id", "visitor_no", "started_at", "ended_at", "n_hits", "n_pages"),
    "visit_hits": ("hit_seq", "visit_id", "visitor_no", "occurred_at"),
    "touchpoints": (
        "touchpoint_id", "site_id", "kind", "hit_seq", "hit_id", "visitor_no", "occurred_at", "day", *FLAT,
        "landing_url", "click_ids", "browser", "os", "rule", "rules_version",
    ),
    "contacts": (
        "contact_id", "site_id", "email", "company_domain", "properties", "lead_at", "lead_day", "updated_at",
        "touch_channels", "touch_sources", "n_visits", "n_deals", "revenue_minor",
    ),
    "identifiers": ("site_id", "kind", "value", "contact_id", "own_id"),
    "identifications": (
        "identification_id", "site_id", "contact_id", "own_id", "visitor_no", "hit_seq", "kind", "occurred_at",
    ),
    "links": ("visitor_no", "position", "contact_id"),
    "crm_changes": ("site_id", "kind", "key", "payload", "changed_at", "received_at"),
}  # fmt: skip


def definition() -> str:
    """Twenty rules and ten kinds of points, as a site might have them."""
    rules = [
        ("subscriber", '{ form = "newsletter" }'),
        ("lead", '{ form = ["whitepaper", "seminar"] }'),
        ("lead", '{ page = "/cases/*", times = 2, within_days = 30 }'),
        ("lead", '{ touch = "paid_search" }'),
        ("marketingqualifiedlead", "{ score = 60 }"),
        ("salesqualifiedlead", '{ form = "demo" }'),
        ("salesqualifiedlead", '{ page = "/pricing/enterprise", times = 3, within_days = 7 }'),
    ]
    for n in range(13):
        fits = f'{{ attribute = "employees", at_least = {50 + 50 * n} }}'
        where = f'{{ attribute = "industry", is = "{INDUSTRIES[n % 4]}" }}'
        keen = f'{{ page = "{PAGES[n % len(PAGES)]}", times = {2 + n % 2}, within_days = {7 + n} }}'
        rules.append(
            ("marketingqualifiedlead", f"{{ all = [{fits}, {{ any = [{where}, {keen}] }}, {{ score = 30 }}] }}")
        )
    lines = []
    for n, (stage, when) in enumerate(rules):
        lines += ["[[rule]]", f'name = "rule {n}"', f'stage = "{stage}"', f"when = {when}"]
    for n, page in enumerate(PAGES):
        lines += ["[[points]]", f'name = "{page}"', f"points = {2 + n}", f'each = {{ page = "{page}" }}']
        lines += ["cap = 20", "half_life_days = 60"]
    lines += ["[[points]]", 'name = "large"', "points = 15", 'when = { attribute = "employees", at_least = 200 }']
    return "\n".join(lines)


def people(n: int, first: int, random: np.random.Generator) -> dict[str, list[Row]]:
    """Contacts first .. first + n - 1 with all their rows."""
    rows: dict[str, list[Row]] = {name: [] for name in COLUMNS if name != "sites"}
    starts = random.integers(NOW_MS - 365 * DAY_MS, NOW_MS - 60 * DAY_MS, size=n)
    gaps = random.integers(DAY_MS, 40 * DAY_MS, size=n)
    pages = random.integers(0, len(PAGES), size=(n, VIEWS))
    forms = random.integers(0, len(FORMS), size=n)
    sizes = random.integers(1, 1_000, size=n)
    for i in range(n):
        number, begun = first + i, int(starts[i])
        rows["visitors"].append((number, 1, f"v{number}"))
        for j in range(VISITS):
            seqs = range((number * 10) + j * 5, (number * 10) + j * 5 + VIEWS // VISITS)
            visit(rows, number, begun + j * int(gaps[i]), seqs, [PAGES[pages[i, j * 4 + k]] for k in range(4)])
        person(rows, number, begun + int(gaps[i]) + 600_000, FORMS[forms[i]], int(sizes[i]))
    return rows


def visit(rows: dict[str, list[Row]], number: int, at: int, seqs: range, pages: list[str]) -> None:
    """A visit of some pages, a minute each."""
    visit_id, day = derive("visit", number, at), from_ms(at).date().isoformat()
    for n, (seq, page) in enumerate(zip(seqs, pages, strict=True)):
        hit(rows, seq, number, at + n * 60_000, "page", page, "{}")
        rows["visit_hits"].append((seq, visit_id, number, at + n * 60_000))
    rows["visits"].append((visit_id, 1, number, at, at + 180_000, len(pages), len(pages)))
    channel = ("paid_search", "google", "cpc") if number % 5 == 0 else ("organic_search", "google", "organic")
    words = (*channel, NOT_SET, NOT_SET, NOT_SET, pages[0], NOT_SET, "desktop", "JP")
    rows["touchpoints"].append((
        visit_id, 1, "visit", seqs[0], f"h{seqs[0]}", number, at, day, *words,
        f"https://www.example.com{pages[0]}", "[]", "Chrome", "Windows", channel[0], "2026-11-01",
    ))  # fmt: skip


def hit(rows: dict[str, list[Row]], seq: int, number: int, at: int, kind: str, page: str, details: str) -> None:
    """A line of the journal."""
    url = f"https://www.example.com{page}"
    rows["hits"].append((seq, 1, f"h{seq}", f"v{number}", kind, "browser", at, at, url, "none", details))


def person(rows: dict[str, list[Row]], number: int, at: int, form: str, n_employees: int) -> None:
    """Who sends a form at the end of the second visit, and is in the CRM a day later."""
    email, seq = f"p{number}@c{number % 50_000}.example", number * 10 + 9
    contact_id, visit_id = derive("contact", 1, "email", email), rows["visits"][-1][0]
    told = {"form": {"id": form}, "identifiers": {"email": email}}
    hit(rows, seq, number, at, "form", "/contact", json.dumps(told))
    rows["visit_hits"].append((seq, visit_id, number, at))
    day = from_ms(at).date().isoformat()
    company = email.partition("@")[2]
    rows["contacts"].append((contact_id, 1, email, company, "{}", at, day, at, "", "", 2, 0, 0))
    rows["identifiers"].append((1, "email", email, contact_id, contact_id))
    rows["identifications"].append((
        derive("form", seq), 1, contact_id, contact_id, number, seq, "form", at
    ))  # fmt: skip
    rows["links"].append((number, 0, contact_id))
    properties = {"employees": str(n_employees), "industry": INDUSTRIES[number % 4]}
    said = {"email": email, "properties": properties}
    rows["crm_changes"].append((1, "contact", contact_id, json.dumps(said), at + DAY_MS, at + DAY_MS))


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


def replay(engine: Engine, reason: str) -> tuple[float, float, int]:
    """Have a definition count, and everybody derived anew; seconds, the longest step, and of how many people."""
    with begin(engine) as tx:
        save_lifecycle(tx, 1, Lifecycle(needs_sign_off=False))
        since = NOW - timedelta(days=400)
        save_definition(tx, 1, definition(), reason=reason, by="bench", now=NOW, from_at=since)
        restage(tx, 1)
    start, longest, n = time.perf_counter(), 0.0, 0
    while True:
        began = time.perf_counter()
        with begin(engine) as tx:
            done = restage_some(tx, AT_A_TIME, NOW)
        if not done:
            return time.perf_counter() - start, longest, n
        n += done
        longest = max(longest, time.perf_counter() - began)
        if n % 100_000 < AT_A_TIME:
            print(f"  {n:,} people in {time.perf_counter() - start:.0f} s", flush=True)


def one_change(engine: Engine, number: int, at: datetime) -> float:
    """Seconds from a form in the journal until its sender is in another stage, or looked at at least."""
    email = f"p{number}@c{number % 50_000}.example"
    told = {"form": {"id": "demo"}, "identifiers": {"email": email}}
    form = Hit(
        hit_id=uuid7(to_ms(at), number.to_bytes(10, "big")), visitor_id=f"v{number}", kind=HitKind.FORM,
        origin=Origin.BROWSER, occurred_at=at, received_at=at, url="https://www.example.com/demo", referrer=None,
        title=None, user_agent=AGENT, country=None, consent="none", details=told,
    )  # fmt: skip
    start = time.perf_counter()
    with begin(engine) as tx:
        append(tx, 1, [form])
    with begin(engine) as tx:
        flow.hits_arrived(tx, AT_A_TIME)
    seconds = time.perf_counter() - start
    with reading(engine) as tx:
        contact = tx.execute(select(contacts.c.stage).where(contacts.c.email == email)).scalar_one()
    assert contact == "salesqualifiedlead", contact
    return seconds


def crm_change(engine: Engine, number: int, at: datetime) -> float:
    """Seconds that a CRM waits which tells of another number of employees."""
    email = f"p{number}@c{number % 50_000}.example"
    start = time.perf_counter()
    with begin(engine) as tx:
        said = {"email": email, "properties": {"employees": str(number % 900 + 1_000)}}
        flow.contact_said(tx, site_by_id(tx, 1), said, at, at)
    return time.perf_counter() - start


def main() -> None:
    """Build, time, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contacts", type=int, default=1_000_000)
    parser.add_argument("--replays", type=int, default=2, choices=(1, 2))
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
            print(f"built {given.contacts:,} people in {time.perf_counter() - start:.0f} s", flush=True)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        for reason in ("the first definition", "the same text as another version")[: given.replays]:
            seconds, longest, n = replay(engine, reason)
            print(f"{reason}: {n:,} people, 20 rules: {seconds:.0f} s, the longest step {longest:.2f} s", flush=True)
        with reading(engine) as tx:
            changes = tx.execute(select(func.count()).select_from(stage_changes)).scalar_one()
        print(f"changes of stage: {changes:,}")
        numbers = range(7, min(given.contacts, 2_000), 97)
        for name, change in (("a form, folded", one_change), ("a CRM's word", crm_change)):
            took = [change(engine, number, NOW + timedelta(seconds=i)) for i, number in enumerate(numbers)]
            print(f"{name}: median {statistics.median(took):.3f} s, longest {max(took):.3f} s")
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        print(f"memory of the process: {before} MiB before the replay, {after} MiB at most")
        engine.dispose()


if __name__ == "__main__":
    main()
