"""What points tell: the page, its file, the API, and how a suggestion comes into a new version."""

import json
from datetime import timedelta
from html import unescape
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from lifecycle import COLUMNS, people
from parts.bulk import put_all
from sqlalchemy import insert, select, update

from tests.people import ON_BOTH, SQLITE_ONLY, browser_of
from tests.world import Program, World
from tracker.db.schema import contacts, hits, identifications, stage_changes
from tracker.db.store import begin
from tracker.lifecycle.definition import read_definition
from tracker.lifecycle.settled import Lifecycle, save_lifecycle
from tracker.lifecycle.versions import save_definition
from tracker.vocabulary import Role, Stage

pytestmark = SQLITE_ONLY
EVIL = '"><script>alert(1)</script>'
DEFINITION = '[[points]]\nname = "<b>paper</b>"\npoints = 10\neach = { form = "whitepaper" }\n'
YEAR = "from=2025-01-01&to=2026-12-31"


@pytest.fixture
def scored(world: World) -> World:
    """People each of whom sent one form; the form with a hostile name goes with becoming a customer."""
    with begin(world.store) as tx:
        put_all(tx, COLUMNS, people(160, 1, np.random.default_rng(7)))
        sent = select(identifications.c.contact_id, hits.c.seq, hits.c.details).join(
            hits, hits.c.seq == identifications.c.hit_seq
        )
        won = []
        for contact_id, seq, details in tx.execute(sent).all():
            if details["form"]["id"] == "demo":
                won.append(contact_id)
                told = {**details, "form": {"id": EVIL}}
                tx.execute(update(hits).where(hits.c.seq == seq).values(details=told))
        leads = {row.contact_id: row.lead_at for row in tx.execute(select(contacts.c.contact_id, contacts.c.lead_at))}
        rows = [
            {
                "contact_id": one, "position": 0, "site_id": 1, "stage": Stage.CUSTOMER.value, "day": "2026-01-01",
                "occurred_at": leads[one] + timedelta(days=40), "cause": "crm", "decided_by": "crm", "evidence": [],
            }
            for one in won
        ]  # fmt: skip
        tx.execute(insert(stage_changes), rows)
        save_lifecycle(tx, 1, Lifecycle(needs_sign_off=False))
        since = min(leads.values())
        save_definition(tx, 1, DEFINITION, reason="so", by="ann", now=since, from_at=since)
    world.clock.at = max(leads.values()) + timedelta(days=100)
    return world


@ON_BOTH
def test_the_page_the_file_and_the_api_tell_the_same(scored: World, crm: Program) -> None:
    page = browser_of(scored).get(f"/definitions/scores?{YEAR}")
    told = crm.get(f"/definitions/scores?{YEAR}").json
    assert page.status_code == 200
    assert told is not None
    assert (told["version"], told["leads"], told["read"]) == (1, 160, 160)
    (rule,) = told["rules"]
    assert f"{rule['points']:+,}" in page.text
    (suggestion,) = (one for one in told["suggestions"] if "script" in one["toml"])
    assert f"×{suggestion['lift']['lift']:.2f}" in page.text
    file = json.loads(browser_of(scored, email="b@acme.example").get(f"/definitions/scores.json?{YEAR}").text)
    assert str(suggestion["lift"]["did"]) in json.dumps(file)


def test_what_strangers_wrote_stays_text(scored: World) -> None:
    page = browser_of(scored, language="ja").get(f"/definitions/scores?{YEAR}").text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<b>paper" not in page


def test_a_suggestion_comes_into_a_new_version_and_counts_nothing(scored: World) -> None:
    browser = browser_of(scored, Role.ANALYST)
    page = browser.get(f"/definitions/scores?{YEAR}").text
    href = next(
        unescape(part.partition('"')[0]) for part in page.split('href="') if part.startswith("/definitions/new?")
    )
    added = parse_qs(urlsplit(href).query)["add"][0]
    assert read_definition(added, ()).points[0].name.startswith("form ")
    form = browser.get(href).text
    assert "<script>alert" not in form
    assert "paper" in unescape(form)
    assert "each = { form =" in unescape(form)
    assert browser.get("/definitions/new?tab=text&add=%5B%5Bnonsense").status_code in {400, 422}
    assert "version 2" not in browser.get("/definitions").text.lower()


def test_a_viewer_reads_and_cannot_add(scored: World) -> None:
    page = browser_of(scored, Role.VIEWER).get(f"/definitions/scores?{YEAR}").text
    assert "×" in page
    assert "/definitions/new" not in page


def test_a_contact_shows_its_points_part_by_part(scored: World, crm: Program) -> None:
    browser = browser_of(scored)
    with begin(scored.store) as tx:
        sent = select(identifications.c.contact_id, hits.c.details).join(hits, hits.c.seq == identifications.c.hit_seq)
        form_of = {row.contact_id: row.details["form"]["id"] for row in tx.execute(sent)}
    paper = next(one for one, form in form_of.items() if form == "whitepaper")
    other = next(one for one, form in form_of.items() if form == "seminar")
    told = [crm.get(f"/contacts/{one}").json for one in (paper, other)]
    assert told[0] is not None
    assert told[1] is not None
    parts = [{"name": "<b>paper</b>", "points": 10, "times": 1}]
    assert told[0]["points"] == {"points": 10, "version": 1, "parts": parts}
    assert told[1]["points"] == {"points": 0, "version": 1, "parts": []}
    page = browser.get(f"/contacts/{paper}").text
    assert "&lt;b&gt;paper&lt;/b&gt;" in page
    assert "No rule gives any points now." in browser.get(f"/contacts/{other}").text
