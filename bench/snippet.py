"""What the snippet costs the browser's main thread while a page loads, beside the same page with an empty script.

Chromium's own clocks: processor time of the main thread in tasks and in scripts, from the navigation until the page has
been at rest for a third of a second: the beacon has left by then. Pages with and without take turns.

    python bench/snippet.py [--rounds 40]
"""

import argparse
import statistics
import sys
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from parts import machine
from playwright.sync_api import Browser, Page, sync_playwright

from api.website.snippet import compose
from tests.browser.conftest import ARGS, chromium_path
from tests.browser.origins import STATIC, Collector, Website

MS = 1000
AT_REST_MS = 300
WANTED_MS = 10.0
LONG_TASKS = """
    window.longTasks = 0;
    const heard = new PerformanceObserver((list) => { window.longTasks += list.getEntries().length; });
    heard.observe({ entryTypes: ['longtask'] });
"""
FORM = """<form><input name="name"><input type="email" name="email"><input type="hidden" name="utm_source">
    <textarea name="message"></textarea><button>Send</button></form>"""
BASE = {"site": "KEY", "consent": "none", "fields": ["phone"], "clicks": []}
FULL = {
    **BASE,
    "fields": ["phone", "name", "company"],
    "clicks": ["outbound", "download"],
    "hosts": ["a.test", "b.test"],
}


@dataclass(frozen=True, slots=True)
class Load:
    """One load of a page: the main thread's processor time in milliseconds; tasks of more than 50 ms."""

    tasks_ms: float
    script_ms: float
    n_long: int


def parts() -> list[str]:
    """Every part that there is but `calls`, which asks the collector for numbers."""
    return sorted(path.stem for path in (STATIC / "parts").glob("*.js") if path.stem != "calls")


def clocks(session: Any) -> dict[str, float]:
    told = session.send("Performance.getMetrics")["metrics"]
    return {each["name"]: each["value"] * MS for each in told}


def load(page: Page, address: str) -> Load:
    """Load the page in a process that has shown another one before, and let it come to rest."""
    page.goto("about:blank")
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    before = clocks(session)
    page.goto(address, wait_until="load")
    page.wait_for_timeout(AT_REST_MS)
    after = clocks(session)
    n_long = int(page.evaluate("window.longTasks"))
    session.detach()
    return Load(
        after["TaskDuration"] - before["TaskDuration"], after["ScriptDuration"] - before["ScriptDuration"], n_long
    )


def measured(
    browser: Browser, website: Website, body: str, scripts: dict[str, bytes], rounds: int
) -> dict[str, list[Load]]:
    """Every script on the same page, in turns; the first turn is not counted."""
    website.put("/", body)
    page = browser.new_page()
    page.add_init_script(LONG_TASKS)
    loads: dict[str, list[Load]] = {name: [] for name in scripts}
    for nth in range(rounds + 1):
        for name, script in scripts.items():
            website.collector.script = script
            found = load(page, website.at("/"))
            if nth:
                loads[name].append(found)
    page.close()
    return loads


def median(loads: list[Load], clock: str) -> float:
    return statistics.median(getattr(each, clock) for each in loads)


def main() -> None:
    told = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    told.add_argument("--rounds", type=int, default=40)
    asked = told.parse_args()
    scripts = {
        "an empty script": b"",
        "the core": compose(str(STATIC), BASE, []),
        "with every part": compose(str(STATIC), FULL, parts()),
    }
    with ExitStack() as stack:
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=list(ARGS))
        website = stack.enter_context(closing(Website(stack.enter_context(closing(Collector())))))
        worst = 0.0
        for what, body in (("an empty page", ""), ("a page with a hundred forms", FORM * 100)):
            print(f"{what}, {asked.rounds} loads each: processor time of the main thread, median")
            loads = measured(browser, website, body, scripts, asked.rounds)
            empty = {clock: median(loads["an empty script"], clock) for clock in ("tasks_ms", "script_ms")}
            for name, some in loads.items():
                tasks, script = median(some, "tasks_ms"), median(some, "script_ms")
                slow = statistics.quantiles([each.tasks_ms for each in some], n=10)[-1]
                print(
                    f"{name:>18}: tasks {tasks:6.1f} ms (+{tasks - empty['tasks_ms']:.1f}, "
                    f"{tasks / empty['tasks_ms']:.2f} times), nine of ten below {slow:.1f}; "
                    f"scripts {script:5.1f} ms (+{script - empty['script_ms']:.1f}); "
                    f"tasks of more than 50 ms: {sum(each.n_long for each in some)}"
                )
                if not body:
                    worst = max(worst, tasks - empty["tasks_ms"])
        browser.close()
    print(machine.load_line())
    verdict = "below" if worst < WANTED_MS else "NOT below"
    print(
        f"on an empty page the snippet takes the main thread {worst:.1f} ms at the most: {verdict} {WANTED_MS:.0f} ms"
    )


if __name__ == "__main__":
    main()
