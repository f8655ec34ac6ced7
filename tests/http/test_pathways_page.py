"""The page of path analysis and the conversions behind its figures: true, in both languages, and safe to look at."""

import html
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from api import create_app
from tests.facts import scenarios, store_facts
from tests.http.test_pages import log_in
from tests.live import SECRET, Clock
from tests.people import ON_BOTH, SQLITE_ONLY
from tests.world import CHEAP, START
from tracker.access.users import add_user
from tracker.config import Settings
from tracker.db.store import begin
from tracker.reports.engines.memory import Facts

pytestmark = SQLITE_ONLY
SPEC = Path(__file__).parents[1] / "spec" / "pathways.md"
WON = "kind=deal_won&from=2026-04-01&to=2026-04-30"
HOSTILE = "</script><script>alert(1)</script>"


def facts() -> Facts:
    """Those of the spec; the newsletter's source is hostile."""
    found = scenarios(SPEC)[0].facts
    for i, row in enumerate(found.paths):
        if row.touchpoint.arrival.source == "news":
            arrival = replace(row.touchpoint.arrival, source=HOSTILE)
            found.paths[i] = replace(row, touchpoint=replace(row.touchpoint, arrival=arrival))
    return found


@pytest.fixture
def client(store: Engine, store_url: str) -> Iterator[FlaskClient]:
    with begin(store) as tx:
        store_facts(tx, facts())
        add_user(tx, "alice@acme.example", "correct horse", now=START, hasher=CHEAP)
    app = create_app(Settings(database_url=store_url, secret_key=SECRET), engine=store, now=Clock(START), hasher=CHEAP)
    with app.test_client() as client:
        yield client


def cells(page: str, caption: str) -> list[list[str]]:
    """The rows of the table under a heading, as text."""
    table = page.split(f">{caption}", 1)[1].split("<tbody>", 1)[1].split("</tbody>", 1)[0]
    rows = re.findall(r"<tr.*?</tr>", table, re.DOTALL)
    return [
        [
            " ".join(html.unescape(re.sub(r"<[^>]+>", " ", cell)).split())
            for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL)
        ]
        for row in rows
    ]


def links(page: str, caption: str) -> list[str]:
    """The addresses in the table under a heading."""
    table = page.split(f">{caption}", 1)[1].split("</table>", 1)[0]
    return [html.unescape(one) for one in re.findall(r'<a class="figure[^"]*" href="([^"]+)"', table)]


@ON_BOTH
def test_the_page_tells_the_tables_and_every_count_leads_to_its_conversions(client: FlaskClient) -> None:
    for path in ("/reports/paths", "/reports/paths.csv", "/reports/paths/rows"):
        assert client.get(path).headers["Location"].startswith("/login?next=")
    log_in(client)
    page = client.get(f"/reports/paths?{WON}&lang=en").text
    assert cells(page, "Frequent paths")[:2] == [
        ["Paid search Email", "2", "33.3%", "¥170,001"],
        ["Organic search Email", "1", "16.7%", "¥20,000"],
    ]
    assert cells(page, "Who opens, who helps, who closes")[0] == [
        "Email", "4", "0", "1", "3", "0", "0.33", "¥1,000", "¥185,001",
    ]  # fmt: skip
    assert cells(page, "What follows what")[0] == ["Email", "Conversion", "3", "75.0%"]
    for caption in ("Frequent paths", "Who opens", "Touches on the path", "Days from the first", "What follows what"):
        behind = links(page, caption)
        assert behind
        for href in behind:
            assert "The conversions behind it" in client.get(href).text, href
    rows = client.get(links(page, "Frequent paths")[0]).text
    assert [row[1:4] for row in cells(rows, "The conversions behind it")] == [
        ["ref D3", "Paid search Email", "2"],
        ["ref D1", "Paid search Email", "3"],
    ]
    (deal,) = re.findall(r'href="(/deals/[^"]+)"[^>]*><bdi[^>]*>ref D3<', rows)
    assert "ref D3" in client.get(html.unescape(deal)).text
    lead = client.get("/reports/paths/rows?kind=lead&from=2026-04-01&to=2026-04-30&scope=contact").text
    (explained,) = re.findall(r'href="(/conversions/[^"]+)"', lead)
    assert html.unescape(explained).endswith("?scope=contact")
    assert client.get(html.unescape(explained)).status_code == 200
    japanese = client.get(f"/reports/paths?{WON}&lang=ja").text
    assert "経路分析" in japanese
    assert "Frequent paths" not in japanese
    assert "All other paths" in client.get(f"/reports/paths?{WON}&limit=1&lang=en").text
    assert "Nothing in this period yet" in client.get("/reports/paths?from=2026-01-01&to=2026-01-02").text


def test_hostile_values_are_only_ever_text(client: FlaskClient) -> None:
    log_in(client)
    for asked in ("by=source", "by=source&repeats=kept", "by=source&kind=lead&steps=1"):
        page = client.get(f"/reports/paths?{WON}&{asked}")
        assert page.status_code == 200
        assert "<script>alert" not in page.text
        assert html.escape(HOSTILE) in page.text
    behind = links(client.get(f"/reports/paths?{WON}&by=source").text, "What follows what")
    assert [client.get(href).status_code for href in behind] == [200] * len(behind)
    rows = client.get(f"/reports/paths/rows?{WON}&by=source")
    assert "<script>alert" not in rows.text
    named = client.get("/reports/paths/rows", query_string={"kind": "deal_won", "from": "2026-04-01", "value": HOSTILE})
    assert "<script>alert" not in named.text
    assert client.get(f"/reports/paths?{WON}&limit=many").status_code == 422
    table = client.get(f"/reports/paths.csv?{WON}&by=source")
    assert table.mimetype == "text/csv"
    assert table.headers["Content-Disposition"] == "attachment; filename=paths-2026-04-01-2026-04-30.csv"
