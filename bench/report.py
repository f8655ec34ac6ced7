"""How long the Source report takes: a million visits, thirty thousand contacts and five thousand deals in SQLite.

Writes the facts straight into their tables (the fold is bench/ingest.py's business), then times the report for 30 and
365 days by channel and by source and campaign. Run: python bench/report.py [--visits N] [--keep FILE]
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Engine, insert

from tracker.attribution.touches import DAY_MS
from tracker.clock import EPOCH, from_ms, to_ms
from tracker.db.schema import (
    contacts,
    conversions,
    costs,
    deal_entries,
    deals,
    links,
    metadata,
    paths,
    sites,
    touchpoints,
    visitors,
)
from tracker.db.store import begin, connect, reading
from tracker.ids import derive
from tracker.reports.query import Query
from tracker.reports.source import source_report
from tracker.vocabulary import NOT_SET, Basis, Dimension, Model

NOW = datetime(2026, 11, 1, tzinfo=UTC)
DAYS = 365
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
WITH_CAMPAIGNS = {"paid_search", "paid_social", "email", "display"}
N_CAMPAIGNS = 60
FLAT = [column.name for column in paths.columns if column.name in touchpoints.c and column.name != "site_id"]

Row = dict[str, Any]


def day_of(instant_ms: int) -> str:
    """The day of an instant in UTC, the site's zone here."""
    return (EPOCH + timedelta(days=instant_ms // DAY_MS)).date().isoformat()


def visits(n: int, n_visitors: int, random: np.random.Generator) -> Iterator[Row]:
    """Visits as touchpoints, oldest first."""
    span = DAYS * DAY_MS
    start = to_ms(NOW) - span
    shares = np.array([share for *_, share in CHANNELS])
    chosen = random.choice(len(CHANNELS), size=n, p=shares / shares.sum())
    whose = random.integers(1, n_visitors + 1, size=n)
    campaigns = random.integers(0, N_CAMPAIGNS, size=n)
    pages = random.integers(0, 300, size=n)
    times = np.sort(random.integers(start, start + span, size=n))
    for i in range(n):
        channel, source, medium, _ = CHANNELS[chosen[i]]
        hit_id, occurred_ms = derive("hit", i), int(times[i])
        campaign = f"campaign_{campaigns[i]}" if channel in WITH_CAMPAIGNS else NOT_SET
        yield {
            "touchpoint_id": derive("visit", i),
            "site_id": 1,
            "kind": "visit",
            "hit_seq": i + 1,
            "hit_id": f"{hit_id[:8]}-{hit_id[8:12]}-{hit_id[12:16]}-{hit_id[16:20]}-{hit_id[20:]}",
            "visitor_no": int(whose[i]),
            "contact_id": None,
            "occurred_at": from_ms(occurred_ms),
            "day": day_of(occurred_ms),
            "channel": channel,
            "source": source,
            "medium": medium,
            "campaign": campaign,
            "term": NOT_SET,
            "content": NOT_SET,
            "landing_page": f"/page/{pages[i]}",
            "referring_host": NOT_SET,
            "device": "desktop",
            "country": "JP",
            "landing_url": f"https://www.example.com/page/{pages[i]}?utm_source={source}&utm_campaign={campaign}",
            "referrer": None,
            "click_ids": [],
            "browser": "Chrome",
            "os": "Windows",
            "rule": channel,
            "rules_version": "2026-11-01",
        }


def conversion(kind: str, key: str, at: datetime, **facts: Any) -> Row:
    """A conversion's row."""
    return {
        "conversion_id": derive(kind, key),
        "site_id": 1,
        "kind": kind,
        "contact_id": None,
        "deal_id": None,
        "hit_seq": None,
        "occurred_at": at,
        "day": day_of(to_ms(at)),
        "n": 1,
        "by_company": False,
        **facts,
    }


def path_rows(one: Row, touches: list[Row]) -> Iterator[Row]:
    """The path of a conversion."""
    for position, touch in enumerate(touch for touch in touches if touch["occurred_at"] <= one["occurred_at"]):
        yield {
            **{name: touch[name] for name in FLAT if name not in {"position", "kind"}},
            "conversion_id": one["conversion_id"],
            "position": position,
            "site_id": 1,
            "kind": one["kind"],
            "conversion_at": one["occurred_at"],
            "conversion_day": one["day"],
            "lead_day": one["lead_day"],
            "touched_at": touch["occurred_at"],
            "touch_day": touch["day"],
        }


def people(journeys: dict[int, list[Row]], n_deals: int, random: np.random.Generator) -> dict[str, list[Row]]:
    """A contact per journey, each with a form, a new lead and perhaps a deal, and all their paths."""
    rows: dict[str, list[Row]] = {
        table.name: [] for table in (contacts, links, deals, deal_entries, conversions, paths)
    }
    for i, (visitor_no, touches) in enumerate(journeys.items()):
        contact_id, last = derive("contact", i), touches[random.integers(0, len(touches))]
        lead_at = last["occurred_at"] + timedelta(minutes=5)
        lead = {"contact_id": contact_id, "lead_day": day_of(to_ms(lead_at))}
        rows["contacts"].append({
            **lead, "site_id": 1, "email": f"p{i}@example.org", "properties": {}, "lead_at": lead_at,
            "updated_at": lead_at,
        })  # fmt: skip
        rows["links"].append({"visitor_no": visitor_no, "position": 0, "contact_id": contact_id})
        own = [conversion("form", contact_id, lead_at, **lead), conversion("lead", contact_id, lead_at, **lead)]
        if i < n_deals:
            deal_id, won_at = derive("deal", i), lead_at + timedelta(days=int(random.integers(1, 60)))
            amount = int(random.integers(50_000, 5_000_000))
            on_deal = {"deal_id": deal_id, "lead_day": lead["lead_day"]}
            rows["deals"].append({
                "deal_id": deal_id, "site_id": 1, "reference": f"D-{i}", "status": "won", "type": "new",
                "amount_minor": amount, "refunded_minor": 0, "currency": "JPY", "created_at": lead_at,
                "closed_at": won_at, "changed_at": won_at,
            })  # fmt: skip
            entries = [(won_at, amount, "won"), (won_at + timedelta(days=9), -amount // 10, "refunded")]
            for position, (at, minor, kind) in enumerate(entries[: 1 + (i % 10 == 0)]):
                rows["deal_entries"].append({
                    "deal_id": deal_id, "position": position, "site_id": 1, "kind": kind, "amount_minor": minor,
                    "currency": "JPY", "occurred_at": at, "day": day_of(to_ms(at)),
                })  # fmt: skip
            own.append(conversion("deal_created", deal_id, lead_at, **on_deal))
            own.append(conversion("deal_won", deal_id, won_at, **on_deal))
        rows["conversions"] += own
        rows["paths"] += [row for one in own for row in path_rows(one, touches)]
    return rows


def spend() -> Iterator[Row]:
    """What the campaigns cost, by day."""
    first = (NOW - timedelta(days=DAYS)).date()
    for offset in range(DAYS):
        day = (first + timedelta(days=offset)).isoformat()
        for channel, source, medium, _ in CHANNELS:
            for number in range(N_CAMPAIGNS if channel in {"paid_search", "paid_social", "display"} else 0):
                yield {
                    "cost_id": derive("cost", day, channel, number), "site_id": 1, "day": day, "channel": channel,
                    "source": source, "medium": medium, "campaign": f"campaign_{number}",
                    "told_source": source, "told_medium": medium, "told_campaign": f"campaign_{number}",
                    "amount_minor": 1_000 + number, "currency": "JPY", "updated_at": NOW,
                }  # fmt: skip


def build(engine: Engine, n_visits: int, n_contacts: int, n_deals: int) -> None:
    """Fill an empty database."""
    random = np.random.default_rng(2026)
    n_visitors = n_visits * 7 // 10
    metadata.create_all(engine)
    # A contact has four visits or so: the visitors with low numbers come again.
    journeys: dict[int, list[Row]] = {}
    with begin(engine) as tx:
        tx.execute(insert(sites), [{
            "site_id": 1, "key": "bench", "name": "Bench", "hosts": ["www.example.com"], "timezone": "UTC",
            "currency": "JPY", "visit_gap_s": 1800, "lease_s": 1800, "lease_rest_s": 3600, "created_at": NOW,
            "tracking": {},
        }])  # fmt: skip
        everybody = ({"visitor_no": n, "site_id": 1, "visitor_id": f"v{n}"} for n in range(1, n_visitors + 1))
        while some := list(islice(everybody, 20_000)):
            tx.execute(insert(visitors), some)
        stream = visits(n_visits, n_visitors, random)
        while some := list(islice(stream, 20_000)):
            for row in some:
                if random.random() < 0.12:
                    row["visitor_no"] = int(random.integers(1, n_contacts + 1))
                if row["visitor_no"] <= n_contacts:
                    journeys.setdefault(row["visitor_no"], []).append(row)
            tx.execute(insert(touchpoints), some)
        made = people(journeys, n_deals, random)
        for table in (contacts, links, deals, deal_entries, conversions, paths):
            rows = iter(made[table.name])
            while some := list(islice(rows, 20_000)):
                tx.execute(insert(table), some)
        tx.execute(insert(costs), list(spend()))


def timed(engine: Engine, query: Query, runs: int) -> tuple[float, float, int]:
    """Seconds and CPU seconds of the median run, and the number of rows. On a busy machine only the latter tell."""
    seconds, cpu_seconds, n_rows = [], [], 0
    for _ in range(runs):
        start, cpu_start = time.perf_counter(), time.process_time()
        with reading(engine) as tx:
            n_rows = len(source_report(tx, query, NOW).rows)
        seconds.append(time.perf_counter() - start)
        cpu_seconds.append(time.process_time() - cpu_start)
    return statistics.median(seconds), statistics.median(cpu_seconds), n_rows


def main() -> None:
    """Build, time, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--visits", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--keep", type=Path, help="keep the database in this file, or use it if it is there")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = given.keep or Path(folder) / "bench.sqlite3"
        is_there = file.exists()
        engine = connect(f"sqlite:///{file}")
        if not is_there:
            start = time.perf_counter()
            build(engine, given.visits, given.visits * 3 // 100, given.visits // 200)
            print(f"built {given.visits:,} visits in {time.perf_counter() - start:.0f} s")
        print(f"{'days':>5} {'by':<18} {'basis':<13} {'model':<16} {'rows':>6} {'seconds':>8} {'CPU':>6}")
        worst = 0.0
        for days in (30, 365):
            for by in ((Dimension.CHANNEL,), (Dimension.SOURCE, Dimension.CAMPAIGN)):
                for basis in (Basis.ACTIVITY,) if days == 30 else tuple(Basis):
                    for model in (Model.LAST_NON_DIRECT, Model.LINEAR):
                        query = Query(
                            site_id=1,
                            timezone="UTC",
                            from_day=(NOW - timedelta(days=days)).date().isoformat(),
                            to_day=NOW.date().isoformat(),
                            by=by,
                            model=model,
                            basis=basis,
                            currency="JPY",
                        )
                        seconds, cpu_seconds, n_rows = timed(engine, query, given.runs)
                        worst = max(worst, seconds)
                        print(
                            f"{days:>5} {','.join(by):<18} {basis:<13} {model:<16}"
                            f" {n_rows:>6} {seconds:>8.2f} {cpu_seconds:>6.2f}"
                        )
        engine.dispose()
    print(f"source report, {given.visits:,} visits, SQLite: {worst:.2f} s at the slowest (median of {given.runs} runs)")


if __name__ == "__main__":
    main()
