"""The menu of periods: each with its days in the site's zone, written as the reader's language writes them."""

import html
import re
from datetime import UTC, datetime

import pytest
from flask.testing import FlaskClient

from tests.people import SQLITE_ONLY, browser_of
from tests.world import World

pytestmark = SQLITE_ONLY


def offered(browser: FlaskClient, language: str) -> dict[str, str]:
    """The words of the menu and the days beside them."""
    page = browser.get(f"/reports/source?period=last_week&by=source&lang={language}").text
    menu = page.split('class="menu period-menu"')[1].split("</details>")[0]
    choices = re.findall(r'<a href="[^"]*"[^>]*>(.*?)</a>', menu, re.DOTALL)
    texts = [html.unescape(re.sub(r"<[^>]+>", "|", one)) for one in choices]
    return {parts[0]: "".join(parts[1:]) for parts in ([part for part in text.split("|") if part] for text in texts)}


@pytest.fixture
def late(world: World) -> World:
    """A Sunday evening in Greenwich, a Monday morning in Tokyo."""
    world.clock.forward(seconds=(datetime(2026, 5, 17, 22, 0, tzinfo=UTC) - world.clock()).total_seconds())
    return world


def test_each_period_is_offered_with_its_days(late: World) -> None:
    alice = browser_of(late)
    english, japanese = offered(alice, "en"), offered(alice, "ja")
    assert english["Today"] == "18 May 2026"
    assert english["This week"] == "18 May 2026"
    assert english["Last week"] == "11–17 May 2026"
    assert english["Last year"] == "1 Jan – 31 Dec 2025"
    assert english["All time"] == ""
    assert japanese["先週"] == "2026年5月11日～5月17日"
    assert len(english) == len(japanese) == 15


def test_a_choice_keeps_what_else_was_asked(late: World) -> None:
    page = browser_of(late).get("/reports/source?period=custom&from=2026-01-01&to=2026-02-01&by=source").text
    menu = page.split('class="menu period-menu"')[1].split("</details>")[0]
    assert 'href="?by=source&amp;period=last_month"' in menu
    assert '<input type="hidden" name="by" value="source">' in menu
    assert 'name="from" value="2026-01-01"' in menu
    assert 'aria-current="true"' not in menu
