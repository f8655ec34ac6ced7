"""The Funnel report: page, people behind figures, files, API and command alike, and what a viewer may not see."""

import csv
import html
import io
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask import Flask
from flask.testing import FlaskClient
from openpyxl import load_workbook
from sqlalchemy import Engine, delete, select, update

from api import create_app
from tests.funnels import scenarios, store_scenario
from tests.people import ON_BOTH, SQLITE_ONLY, browser_of
from tests.world import CHEAP, START, Clock, Program
from tracker.access.tokens import add_token
from tracker.attribution.policies import save_policy
from tracker.attribution.policy import ChannelRule, Policy
from tracker.cli import main
from tracker.config import Settings
from tracker.db.schema import audit, contacts, stage_changes
from tracker.db.store import begin, reading
from tracker.vocabulary import Role

pytestmark = SQLITE_ONLY
EVIL = "=HYPERLINK(1)<script>alert(1)</script>"
PERIOD = "from=2026-04-01&to=2026-04-30"
SPEC = {one.name: one for one in scenarios(Path(__file__).parents[1] / "spec" / "funnel.md")}
STUCK, TOUCHED, COMPANIES = (
    next(one for name, one in SPEC.items() if name.startswith(begun))
    for begun in ("Stuck", "By the first", "Companies")
)


@dataclass
class Told:
    """What browser_of needs of a world."""

    store: Engine
    app: Flask
    clock: Clock


@pytest.fixture
def empty(store: Engine, store_url: str) -> Told:
    """The site Acme, on the 28th of April."""
    clock = Clock(datetime(2026, 4, 28, 12, tzinfo=UTC))
    settings = Settings(database_url=store_url, secret_key="s" * 40)
    return Told(store, create_app(settings, engine=store, now=clock, hasher=CHEAP), clock)


@pytest.fixture
def told(empty: Told) -> Told:
    """Those of the spec who are stuck and who dropped off; one bears a formula for a name."""
    with begin(empty.store) as tx:
        store_scenario(tx, STUCK)
        tx.execute(update(contacts).where(contacts.c.contact_id == "w3").values(name=EVIL))
        tx.execute(update(contacts).where(contacts.c.contact_id == "slow").values(name="Sachi Slow"))
    return empty


def page(browser: FlaskClient, query: str = PERIOD) -> str:
    answer = browser.get(f"/reports/funnel?{query}")
    assert answer.status_code == 200
    return answer.text


@ON_BOTH
def test_each_figure_opens_as_many_people_as_it_says(told: Told) -> None:
    browser = browser_of(told, site="acme")
    text = html.unescape(page(browser, "from=2026-03-01&to=2026-04-30&compare=previous"))
    counts = set(re.findall(r'href="(/reports/funnel/rows[^"]+)"[^>]*>([0-9,]+)</a>', text))
    shares = {(link, "") for link in re.findall(r'href="(/reports/funnel/rows[^"]+)"[^>]*>[0-9.]+%</a>', text)}
    assert {"entered", "reached", "converted", "standing", "stuck"} <= {
        match[1] for link, _ in counts if (match := re.search("metric=([a-z]+)", link))
    }
    assert any("metric=dropped" in link for link, _ in shares)
    links = sorted(counts | shares)
    for link, number in links[:: max(1, len(links) // 10)]:
        shown = browser.get(link)
        assert shown.status_code == 200
        assert f'<strong class="figure-text">{number}' in shown.text, link
        assert 'href="/contacts/' in shown.text, link
    for name in ("stuck", "dropped"):
        listed = text.split(f'id="{name}-title"', 1)[1].split("</section>", 1)[0]
        assert "Sachi Slow" in listed
        assert "late@" not in listed


def test_names_that_are_markup_or_formulas_stay_texts_and_files_are_noted(told: Told) -> None:
    browser = browser_of(told, site="acme")
    rows = f"{PERIOD}&metric=standing&stage=marketingqualifiedlead"
    shown = browser.get(f"/reports/funnel/rows?{rows}").text
    assert "<script>alert" not in shown
    assert "&lt;script&gt;alert" in shown
    lines = list(csv.DictReader(io.StringIO(browser.get(f"/reports/funnel/rows.csv?{rows}").text)))
    assert len(lines) == 9
    assert [line["Name"] for line in lines if "HYPERLINK" in line["Name"]] == ["'" + EVIL]
    with reading(told.store) as tx:
        [noted] = tx.execute(select(audit).where(audit.c.action == "export")).mappings().all()
    assert (noted["subject"], noted["details"]["rows"]) == ("funnel", 9)


def test_a_viewer_sees_short_ids_and_takes_no_file_of_people(told: Told) -> None:
    browser = browser_of(told, Role.VIEWER, site="acme")
    rows = f"{PERIOD}&metric=reached&stage=lead"
    for path in (f"funnel?{PERIOD}", f"funnel/rows?{rows}", f"funnel.json?{PERIOD}"):
        answer = browser.get(f"/reports/{path}")
        assert answer.status_code == 200
        assert not re.search("Sachi|HYPERLINK|@example.org", answer.text), path
    assert "Contact slow" in page(browser)
    assert browser.get(f"/reports/funnel/rows.csv?{rows}").status_code == 403


def test_what_cannot_be_meant_is_refused(told: Told) -> None:
    browser = browser_of(told, site="acme")
    for query in (
        "from_stage=nowhere",
        "from_stage=other",
        "from_stage=evangelist",
        "from_stage=customer&to_stage=lead",
        "touch=any",
        "scope=deal",
        "by=channel,source",
        "from=2026-02-30",
    ):
        assert browser.get(f"/reports/funnel?{query}").status_code == 422, query
    for query in (
        "metric=visitors&stage=lead",
        "metric=reached&stage=x",
        "metric=reached&stage=",
        "metric=converted&stage=lead",
        "metric=reached&stage=lead&month=2026-13",
        "metric=reached&stage=lead&cursor=nonsense",
        "metric=named&stage=lead&scope=company",
    ):
        assert browser.get(f"/reports/funnel/rows?{query}").status_code == 422, query


def test_page_files_api_and_command_say_the_same(empty: Told, store_url: str) -> None:
    with begin(empty.store) as tx:
        store_scenario(tx, TOUCHED)
        crm = Program(empty.app.test_client(), add_token(tx, "crm", site_id=1, now=START))
    browser = browser_of(empty, site="acme")
    answer = crm.get(f"/reports/funnel?{PERIOD}&compare=year").json
    given = browser.get(f"/reports/funnel.json?{PERIOD}&compare=year").json
    assert answer is not None
    assert given is not None
    assert answer["totals"]["reached"] == 5
    for whole in (given, answer):
        whole["meta"].pop("generated_at")
    assert given == answer
    text = crm.get(f"/reports/funnel?{PERIOD}&format=csv").text
    lines = list(csv.DictReader(io.StringIO(text.lstrip("\ufeff"))))
    assert [(line["channel"], line["reached_lead"]) for line in lines][-1] == ("unattributed", "1")
    book = load_workbook(io.BytesIO(crm.get(f"/reports/funnel?{PERIOD}&format=xlsx&compare=year").data))
    assert book.sheetnames == ["Funnel by source", "Stages", "From stage to stage", "By month", "About"]
    own = ["report", "funnel", "--site", "acme", "--from", "2026-04-01", "--to", "2026-04-30"]
    run = CliRunner().invoke(main, [*own, "--format", "json"], env={"MINAMOTO_DATABASE_URL": store_url})
    assert run.exit_code == 0, run.output
    assert json.loads(run.output)["totals"] == {n: v for n, v in answer["totals"].items() if n != "before"}
    run = CliRunner().invoke(main, [*own, "--only", "channel=email"], env={"MINAMOTO_DATABASE_URL": store_url})
    assert "Narrowed by filters" in run.output


def test_a_touch_that_a_rule_takes_away_names_nobodys_source(empty: Told) -> None:
    with begin(empty.store) as tx:
        store_scenario(tx, TOUCHED)
        rules = (ChannelRule({"channel": "email"}), ChannelRule({"channel": "paid_search"}, "brand_search"))
        save_policy(tx, 1, Policy(rules=rules), note="", by="alice", now=START)
    found = browser_of(empty, site="acme").get(f"/reports/funnel.json?{PERIOD}").json
    assert found is not None
    assert {one["channel"]: one["reached"] for one in found["sources"] if one["reached"]} == {
        "direct": 2,
        "brand_search": 1,
        "referral": 1,
        "unattributed": 1,
    }


def test_companies_go_their_own_way_and_without_stages_the_page_says_what_to_do(empty: Told) -> None:
    with begin(empty.store) as tx:
        store_scenario(tx, COMPANIES)
    browser = browser_of(empty, site="acme")
    text = page(browser, f"{PERIOD}&scope=company")
    assert (
        'href="/companies/osaka.example"'
        in browser.get(f"/reports/funnel/rows?{PERIOD}&scope=company&metric=reached&stage=customer").text
    )
    assert "A company stands under the touch of its oldest contact." in text
    with begin(empty.store) as tx:
        tx.execute(delete(stage_changes))
    text = page(browser)
    assert "Nobody is in a stage yet" in text
    assert "/api/docs#put_contact" in text
