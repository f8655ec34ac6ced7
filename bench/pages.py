"""How long each page takes the server, over a million visits and a hundred thousand contacts; and what browsers load.

The year is written into the journals and derived by the product itself (some minutes; --keep FILE keeps it). Then each
page is asked for as a logged-in owner: the first time, after something was credited anew, and again; its statements
are counted. At the end JavaScript by size, and in a real browser the time to the first useful paint.
Run: python bench/pages.py [--visits N] [--keep FILE]
"""

import argparse
import gzip
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from flask import Flask
from flask.testing import FlaskClient
from parts.company import NOW, build
from parts.machine import ROOT
from parts.server import free_port, server
from sqlalchemy import Engine, insert, select

from api import create_app
from tests.people import cheap_hash
from tests.statements import counted
from tracker.attribution.recredited import tell
from tracker.config import Settings
from tracker.db.schema import contacts, deals, users
from tracker.db.store import begin, connect, reading
from tracker.db.upgrade import upgrade

EMAIL, PASSWORD = "bench@minamoto.example", "correct horse battery"
SECRET = "s" * 40
RUNS, SITE_ID = 5, 1


@dataclass(frozen=True, slots=True)
class Timed:
    """One page: milliseconds of the first time, and medians of the others; SQL statements, kilobytes of HTML.

    anew_ms   after a credit was told of, so that nothing found before may be used
    """

    path: str
    first_ms: float
    anew_ms: float
    again_ms: float
    n_statements: int
    kilobytes: float


def pages_of(engine: Engine) -> list[str]:
    """The pages that people keep open, and those behind them."""
    with reading(engine) as tx:
        contact = tx.execute(select(contacts.c.contact_id).order_by(contacts.c.lead_at.desc()).limit(1)).scalar_one()
        deal = tx.execute(select(deals.c.reference).order_by(deals.c.created_at.desc()).limit(1)).scalar_one()
    return [
        "/overview",
        "/overview?period=last_12_months",
        "/reports/source",
        "/reports/source?period=last_12_months",
        "/reports/source?by=source,campaign&model=linear",
        "/reports/source?compare=previous",
        "/reports/source/rows?metric=new_leads",
        "/reports/opportunities",
        "/reports/compare",
        "/reports/paths",
        "/contacts",
        "/contacts?q=person1",
        "/contacts?stage=marketingqualifiedlead",
        "/companies",
        f"/contacts/{contact}",
        f"/deals/{deal}",
        "/costs",
        "/calls",
        "/tracking",
        "/policy",
        "/views",
        "/mail",
        "/team",
        "/audit",
    ]


def timed(client: FlaskClient, engine: Engine, path: str, runs: int) -> Timed | None:
    """Ask for a page; None where there is none such."""
    anew, again = [], []
    for run in range(2 * runs + 1):
        if is_anew := 0 < run <= runs:
            with begin(engine) as tx:
                tell(tx, SITE_ID, [f"{run:032x}"])
        with counted(engine) as statements:
            started = time.perf_counter()
            answer = client.get(path)
            (anew if is_anew else again).append(1_000 * (time.perf_counter() - started))
        if answer.status_code != 200:
            print(f"{path}: answered {answer.status_code}")
            return None
    first, *others = again
    medians = map(statistics.median, (anew, others))
    return Timed(path, first, *medians, len(statements), len(answer.data) / 1_024)


def logged_in(app: Flask, engine: Engine) -> FlaskClient:
    """The browser of an owner."""
    client = app.test_client()
    with reading(engine) as tx:
        user_id = tx.execute(select(users.c.user_id).where(users.c.email == EMAIL)).scalar_one()
    with client.session_transaction() as session:
        session["user_id"], session["language"] = user_id, "en"
    return client


def scripts() -> list[tuple[str, float]]:
    """What a page can load as a script, and its kilobytes when compressed."""
    files = [
        *(ROOT / "static").glob("*.js"),
        *(ROOT / "static/vendor").rglob("*.js"),
        *(ROOT / "static/pages").glob("*.js"),
    ]
    own = [file for file in files if file.name not in {"m.js", "kit.js"} and "build" not in file.parts]
    return [(str(file.relative_to(ROOT)), len(gzip.compress(file.read_bytes())) / 1_024) for file in own]


def paints(file: Path) -> None:
    """In a real browser, over a real server: when the first useful thing of each main page is painted."""
    from playwright.sync_api import sync_playwright

    from tests.browser.conftest import chromium_path

    port = free_port()
    environ = {"MINAMOTO_DATABASE_URL": f"sqlite:///{file}", "MINAMOTO_SECRET_KEY": SECRET}
    command = ["-m", "tracker", "serve", "--port", str(port), "--no-work"]
    with server(command, port, environ), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path())
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{port}/login")
        page.fill("[name=email]", EMAIL)
        page.fill("[name=password]", PASSWORD)
        page.click("main button[type=submit]")
        page.wait_for_url(lambda url: "/login" not in url, timeout=300_000)  # reads the paths into memory
        print(f"\n{'page':<40} {'first paint':>12} {'largest':>9}  ms in Chromium, median of {RUNS}")
        for path in ("/overview", "/reports/source", "/reports/opportunities", "/contacts"):
            found = [painted(page, f"http://127.0.0.1:{port}{path}") for _ in range(RUNS)]
            first, largest = (statistics.median(one) for one in zip(*found, strict=True))
            print(f"{path:<40} {first:>12.0f} {largest:>9.0f}")
        browser.close()


def painted(page: object, address: str) -> tuple[float, float]:
    """Milliseconds from the click to the first and to the largest contentful paint."""
    page.goto(address)  # type: ignore[attr-defined]
    return tuple(page.evaluate(  # type: ignore[attr-defined, return-value]
        """() => new Promise((done) => {
          let largest = 0;
          new PerformanceObserver((list) => list.getEntries().forEach((one) => (largest = one.startTime)))
            .observe({ type: 'largest-contentful-paint', buffered: true });
          setTimeout(() => {
            const first = performance.getEntriesByName('first-contentful-paint')[0];
            done([first ? first.startTime : 0, largest]);
          }, 300);
        })"""
    ))  # fmt: skip


def filled(file: Path, n_visits: int) -> Engine:
    """The store in a file, made if it is not there."""
    is_there = file.exists()
    engine = connect(f"sqlite:///{file}")
    if not is_there:
        upgrade(engine)
        build(engine, n_visits, n_visits // 10, n_visits // 100, lambda text: print(text, flush=True))
        row = {"email": EMAIL, "password_hash": cheap_hash(PASSWORD), "role": "owner", "language": "en"}
        with begin(engine) as tx:
            tx.execute(insert(users), [{**row, "created_at": NOW}])
    return engine


def main() -> None:
    """Build, time, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--visits", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--keep", type=Path, help="keep the database in this file, or use it if it is there")
    parser.add_argument("--no-browser", action="store_true", help="leave out what needs a Chromium")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = given.keep or Path(folder) / "pages.sqlite3"
        engine = filled(file, given.visits)
        own = Settings(database_url=f"sqlite:///{file}", secret_key=SECRET)
        app = create_app(own, engine=engine, now=lambda: NOW)
        client = logged_in(app, engine)
        started = time.perf_counter()
        client.get("/reports/source")
        print(
            f"the first report of the process, which reads all paths into memory: {time.perf_counter() - started:.1f} s"
        )
        print(f"\n{'page':<48} {'first ms':>9} {'anew ms':>9} {'again ms':>9} {'statements':>11} {'kB':>6}")
        found = [one for path in pages_of(engine) if (one := timed(client, engine, path, given.runs))]
        for one in found:
            took = f"{one.first_ms:>9.0f} {one.anew_ms:>9.0f} {one.again_ms:>9.0f}"
            print(f"{one.path[:48]:<48} {took} {one.n_statements:>11} {one.kilobytes:>6.0f}")
        print()
        for name, kilobytes in scripts():
            print(f"{name:<48} {kilobytes:>6.1f} kB gzip")
        print(f"all scripts: {sum(size for _, size in scripts()):.0f} kB gzip")
        engine.dispose()
        if not given.no_browser:
            paints(file)
    for name in ("again_ms", "anew_ms"):
        slow = [one.path for one in found if getattr(one, name) > 200]
        within = f"{len(found) - len(slow)} of {len(found)} within 200 ms; not: {', '.join(slow) or 'none'}"
        print(f"pages over {given.visits:,} visits, {name.removesuffix('_ms')}: {within}")


if __name__ == "__main__":
    main()
