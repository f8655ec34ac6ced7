"""The demo's history: told once, whole, through the pipeline, and only about people whom nobody can reach."""

import json
import re
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from tracker.access.sites import add_site, find_site
from tracker.access.tokens import find_token
from tracker.access.users import check_password
from tracker.attribution.credit import MICRO
from tracker.attribution.terms import SCALE, Fit, Hazard
from tracker.attribution.touches import DAY_MS
from tracker.channels.rules import classify
from tracker.config import Settings, settings
from tracker.db.schema import (
    contacts,
    costs,
    deal_entries,
    deals,
    hits,
    metadata,
    sites,
    stage_changes,
    tokens,
    users,
    visits,
)
from tracker.db.store import begin, connect, reading
from tracker.db.upgrade import upgrade
from tracker.demo import prepare as demo
from tracker.demo.past import recall
from tracker.demo.prepare import prepare, seed
from tracker.demo.story import CURRENCY, SITE_KEY, Day, tell
from tracker.demo.ways import WAYS
from tracker.errors import Invalid
from tracker.rebuild import DERIVED, rebuild
from tracker.reports.exchange import Exchange
from tracker.reports.query import parse_query
from tracker.reports.scorecard_around import profiles_of, spent_by, stops_of
from tracker.reports.scorecard_facts import Score, ask_scorecard, read_scorecard
from tracker.reports.source import source_report
from tracker.urls import EXCLUDED_REFERRERS, read_arrival
from tracker.vocabulary import Basis, Channel, Model, Stage

NOW = datetime(2026, 4, 15, 8, 30, tzinfo=UTC)
BASE = "http://127.0.0.1:8000"
DAYS = 50


# The demo has too few deals to learn from.
EFFECTS = {Channel.PAID_SEARCH.value: SCALE, Channel.EMAIL.value: SCALE // 3}
FIT = Fit(1, {1: EFFECTS}, Hazard(7 * DAY_MS, SCALE // 9, EFFECTS), {})


def ignore(_: int) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True)
class Demo:
    """A prepared demo."""

    folder: Path
    own: Settings
    links: dict[str, str]
    engine: Engine


def prepared(folder: Path, now: datetime = NOW, days: int = DAYS, months: int = 0) -> tuple[Settings, dict[str, str]]:
    """Prepare a demo, and put back the process's environment, which preparing sets for the server."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINAMOTO_DATABASE_URL", "")
        patch.setenv("MINAMOTO_DEMO", "")
        own, links = prepare(folder, 8000, now, ignore, days=days, months=months)
        assert settings() == own  # what the server's process will read
    settings.cache_clear()
    return own, dict(links)


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo with a short history, to be read only."""
    folder = tmp_path_factory.mktemp("demo")
    own, links = prepared(folder)
    engine = connect(own.database_url)
    yield Demo(folder, own, links, engine)
    engine.dispose()


def counts(engine: Engine) -> dict[str, int]:
    """How many rows each table has."""
    with reading(engine) as tx:
        return {
            table.name: tx.execute(select(func.count()).select_from(table)).scalar_one()
            for table in metadata.sorted_tables
        }


def facts(engine: Engine) -> dict[str, list[str]]:
    """Every derived row, as text, in order."""
    with reading(engine) as tx:
        return {table.name: sorted(map(repr, tx.execute(select(table)))) for table in DERIVED}


@pytest.mark.parametrize(
    ("key", "channel"),
    [
        ("google_organic", Channel.ORGANIC_SEARCH),
        ("yahoo_organic", Channel.ORGANIC_SEARCH),
        ("google_generic", Channel.PAID_SEARCH),
        ("google_brand", Channel.PAID_SEARCH),
        ("yahoo_generic", Channel.PAID_SEARCH),
        ("google_remarket", Channel.DISPLAY),
        ("youtube_ad", Channel.PAID_VIDEO),
        ("youtube_video", Channel.ORGANIC_VIDEO),
        ("meta_video", Channel.PAID_SOCIAL),
        ("linkedin_ad", Channel.PAID_SOCIAL),
        ("x_post", Channel.ORGANIC_SOCIAL),
        ("note_article", Channel.ORGANIC_SOCIAL),
        ("line_account", Channel.ORGANIC_SOCIAL),
        ("newsletter", Channel.EMAIL),
        ("chatgpt", Channel.AI_ASSISTANT),
        ("perplexity", Channel.AI_ASSISTANT),
        ("trade_press", Channel.REFERRAL),
        ("direct", Channel.DIRECT),
    ],
)
def test_each_way_of_the_demo_is_the_channel_it_looks_like(key: str, channel: Channel) -> None:
    way = WAYS[key]
    url = way.url(BASE, way.landings[0], "Cj0abc", "2026-04-15")
    assert classify(read_arrival(url, way.referrer, ("127.0.0.1",), EXCLUDED_REFERRERS)).channel == channel


def emails_of(days: tuple[Day, ...]) -> set[str]:
    """Every address of the story."""
    found = {said.fields["email"] for day in days for said in day.said if "email" in said.fields}
    found |= {meeting.details["identifiers"]["email"] for day in days for meeting in day.meetings}
    for beacon in (beacon for day in days for beacon in day.beacons):
        for hit in json.loads(beacon.body)["hits"]:
            found |= {hit["identifiers"]["email"]} if "identifiers" in hit else set()
    return found


def test_the_story_is_the_same_for_the_same_anchor() -> None:
    assert tell(NOW, BASE, 30) == tell(NOW, BASE, 30)


def test_every_address_of_the_story_is_at_a_reserved_domain() -> None:
    found = emails_of(tell(NOW, BASE))
    assert len(found) > 100
    assert [email for email in found if not re.fullmatch(r"[a-z.]+@[a-z-]+\.example", email)] == []


@pytest.mark.parametrize("at", [NOW, NOW.replace(hour=15, minute=1), NOW + timedelta(days=3), NOW - timedelta(days=60)])
def test_nothing_in_the_story_is_later_than_the_first_seeding(at: datetime) -> None:
    days = tell(at, BASE, 40)
    times = [thing.at for day in days for thing in (*day.beacons, *day.meetings, *day.said)]
    assert max(times) < at
    assert min(times) > at - timedelta(days=42)
    assert len(days) == 41


def test_each_day_is_in_the_order_in_which_it_happened() -> None:
    for day in tell(NOW, BASE, 30):
        for things in (day.beacons, day.meetings, day.said):
            times = [thing.at for thing in things]
            assert times == sorted(times)


def test_the_site_is_labelled_as_demo(ready: Demo) -> None:
    with reading(ready.engine) as tx:
        site = find_site(tx, SITE_KEY)
    assert site.is_demo
    assert "(demo)" in site.name
    assert (site.hosts, site.timezone, site.currency) == (("127.0.0.1", "localhost"), "Asia/Tokyo", CURRENCY)


def test_the_settings_lead_the_server_to_the_demos_store(ready: Demo) -> None:
    assert ready.own.demo
    assert ready.own.database_url == f"sqlite:///{ready.folder}/demo.sqlite3"
    assert ready.links["Demo site"] == "http://127.0.0.1:8000/demo/"


def test_the_history_has_what_reports_are_about(ready: Demo) -> None:
    n = counts(ready.engine)
    assert n["hits"] > 1_500
    assert n["hits_waiting"] == 0
    assert n["visits"] > 800
    with reading(ready.engine) as tx:
        kinds = set(tx.execute(select(deal_entries.c.kind)).scalars())
        statuses = set(tx.execute(select(deals.c.status)).scalars())
        currencies = set(tx.execute(select(deals.c.currency)).scalars())
        by_company = tx.execute(select(deals.c.company_domain).where(deals.c.company_domain.is_not(None))).all()
        ever = select(stage_changes.c.stage, func.count(stage_changes.c.contact_id.distinct()))
        reached = {Stage(stage): n for stage, n in tx.execute(ever.group_by(stage_changes.c.stage))}
        scores = tx.execute(select(contacts.c.score).where(contacts.c.score.is_not(None))).scalars().all()
        bots = tx.execute(select(func.count()).where(visits.c.bot.is_not(None))).scalar_one()
        named = tx.execute(select(func.count()).select_from(contacts)).scalar_one()
    assert {"won", "amended"} <= kinds
    assert reached[Stage.LEAD] > reached[Stage.MQL] > reached[Stage.SQL] > reached[Stage.CUSTOMER] > 2
    assert all(0 <= score <= 100 for score in scores)
    assert len(scores) > reached[Stage.MQL]
    assert statuses == {"open", "won", "lost"}
    assert currencies == {"JPY", "USD"}
    assert len(by_company) == 1
    assert bots > 5
    assert named > 30


def test_a_second_run_adds_nothing(ready: Demo) -> None:
    before = counts(ready.engine)
    _, again = prepared(ready.folder, NOW + timedelta(days=9))
    assert counts(ready.engine) == before
    assert again == ready.links


class Killed(Exception):
    """The run was interrupted."""


def killed_after(chapters: int, calls: list[int]) -> demo.Progress:
    """A progress that ends the run after so many chapters."""

    def progress(done: int) -> None:
        calls.append(done)
        if len(calls) == chapters:
            raise Killed

    return progress


def test_a_killed_seeding_goes_on_to_the_same_history(store: Engine) -> None:
    with pytest.raises(Killed):
        seed(store, NOW, BASE, killed_after(3, []), days=14)
    half = counts(store)
    seed(store, NOW + timedelta(hours=5), BASE, ignore, days=14)
    resumed = counts(store)
    assert half["hits"] < resumed["hits"]
    whole = sum(len(json.loads(beacon.body)["hits"]) for day in tell(NOW, BASE, 14) for beacon in day.beacons)
    meetings = sum(len(day.meetings) for day in tell(NOW, BASE, 14))
    assert resumed["hits"] == whole + meetings
    said = [said for day in tell(NOW, BASE, 14) for said in day.said]
    assert resumed["crm_changes"] == len(said) + sum("score" in one.fields for one in said)  # and a stage beside


def test_a_rebuild_of_the_demo_gives_the_same_rows(ready: Demo, tmp_path: Path) -> None:
    with reading(ready.engine) as tx:
        tx.exec_driver_sql("SELECT 1")
    shutil.copy(ready.folder / demo.STORE, tmp_path / "copy.sqlite3")
    wal = ready.folder / f"{demo.STORE}-wal"
    if wal.exists():
        shutil.copy(wal, tmp_path / "copy.sqlite3-wal")
    engine = connect(f"sqlite:///{tmp_path}/copy.sqlite3")
    before = facts(engine)
    with begin(engine) as tx:
        rebuild(tx, 1_000)
    after = facts(engine)
    engine.dispose()
    assert {name: len(rows) for name, rows in after.items()} == {name: len(rows) for name, rows in before.items()}
    assert after == before


@pytest.mark.parametrize("model", Model)
def test_the_reports_revenue_equals_the_ledger_under_each_model(ready: Demo, model: Model) -> None:
    exchange = Exchange(CURRENCY)
    with reading(ready.engine) as tx:
        entries = tx.execute(select(deal_entries.c.amount_minor, deal_entries.c.currency, deal_entries.c.day)).all()
        args = {"from": "2026-01-01", "to": "2026-04-15", "model": model.value}
        table = source_report(tx, parse_query(args, find_site(tx, SITE_KEY), fit=FIT), NOW)
    ledger = sum(exchange.convert(*entry) or 0 for entry in entries)
    assert ledger > 0
    assert table.totals.revenue_minor == ledger
    assert sum(row.figures.revenue_minor for row in table.rows) == ledger


def test_models_tell_different_stories(ready: Demo) -> None:
    with reading(ready.engine) as tx:
        site = find_site(tx, SITE_KEY)
        stories = [
            source_report(tx, parse_query({"from": "2026-01-01", "to": "2026-04-15", "model": model}, site), NOW)
            for model in (Model.FIRST, Model.LAST, Model.LINEAR)
        ]
    revenues = [{row.values: row.figures.revenue_minor for row in story.rows} for story in stories]
    assert revenues[0] != revenues[1]
    assert revenues[1] != revenues[2]


def test_a_lead_cohort_counts_every_lead_once(ready: Demo) -> None:
    with reading(ready.engine) as tx:
        site = find_site(tx, SITE_KEY)
        args = {"from": "2026-01-01", "to": "2026-04-15", "basis": Basis.LEAD_COHORT.value}
        table = source_report(tx, parse_query(args, site), NOW)
        known = tx.execute(select(func.count()).select_from(contacts)).scalar_one()
    assert table.totals.new_leads == known * MICRO


def test_password_and_token_are_kept_for_the_owner_and_work(ready: Demo) -> None:
    for name in (demo.LOGIN_FILE, demo.TOKEN_FILE):
        assert stat.S_IMODE((ready.folder / name).stat().st_mode) == 0o600
    with reading(ready.engine) as tx:
        user = check_password(tx, demo.USER, ready.links["Password"])
        token = find_token(tx, ready.links["API token"])
        site = find_site(tx, SITE_KEY)
    assert user is not None
    assert token is not None
    assert token.site_id == site.site_id


def test_lost_files_get_a_new_password_and_a_new_token(tmp_path: Path, sqlite_template: Path) -> None:
    shutil.copy(sqlite_template, tmp_path / demo.STORE)
    _, old = prepared(tmp_path, days=3)
    (tmp_path / demo.LOGIN_FILE).unlink()
    (tmp_path / demo.TOKEN_FILE).unlink()
    own, new = prepared(tmp_path, days=3)
    engine = connect(own.database_url)
    with reading(engine) as tx:
        assert check_password(tx, demo.USER, old["Password"]) is None
        assert check_password(tx, demo.USER, new["Password"]) is not None
        assert find_token(tx, old["API token"]) is None
        assert find_token(tx, new["API token"]) is not None
        assert tx.execute(select(func.count()).select_from(users)).scalar_one() == 1
        assert tx.execute(select(func.count()).where(tokens.c.revoked_at.is_(None))).scalar_one() == 1
    engine.dispose()


def test_a_store_with_another_site_is_left_alone(tmp_path: Path) -> None:
    engine = connect(f"sqlite:///{tmp_path}/{demo.STORE}")
    upgrade(engine)
    with begin(engine) as tx:
        add_site(tx, "Acme", ["www.acme.example"], now=NOW)
    with pytest.raises(Invalid, match="other sites"):
        prepared(tmp_path, days=3)
    with reading(engine) as tx:
        assert tx.execute(select(func.count()).select_from(hits)).scalar_one() == 0
        assert tx.execute(select(func.count()).select_from(sites)).scalar_one() == 1
    engine.dispose()


# --- the past, and the scorecard ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A demo with more than a year of past and next to no story, to be read only."""
    own, _ = prepared(tmp_path_factory.mktemp("past"), days=2, months=13)
    engine = connect(own.database_url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def score(company: Engine) -> Score:
    """Its scorecard of March."""
    with reading(company) as tx:
        return read_scorecard(tx, ask_scorecard({}, find_site(tx, SITE_KEY), "2026-04-15"), NOW)


def test_each_figure_of_the_scorecard_is_there_for_a_year(company: Engine, score: Score) -> None:
    assert score.asked.month == "2026-03"
    unknown = {one.metric.key: sum(point.value is None for point in one.points) for one in score.series}
    # Who is new must buy before anybody can be lost, and answer before there is a score.
    assert {key: n for key, n in unknown.items() if n > (4 if key in {"churn", "company_churn", "nps"} else 2)} == {}
    assert {one.metric.key for one in score.series if one.now.value is None or one.band is None} == set()
    assert {one.programme for one in score.mails} == {"welcome-series", "newsletter", "customer-news"}
    assert "nurture_open" in {one.metric.key for one in score.alerts}
    with reading(company) as tx:
        site = find_site(tx, SITE_KEY)
        assert stops_of(tx, score.asked)
        assert sum(profiles_of(tx, score.asked)[0].n_by_band) == score.of("new_leads").now.value
        assert all(spent_by(tx, site, score.asked, NOW).values())


def test_churn_is_what_the_changes_of_stage_come_to_by_hand(company: Engine, score: Score) -> None:
    with reading(company) as tx:
        rows = tx.execute(select(stage_changes.c.contact_id, stage_changes.c.day, stage_changes.c.stage)
                          .order_by(stage_changes.c.contact_id, stage_changes.c.position)).all()  # fmt: skip
    for point in score.of("churn").points:
        first, after = f"{point.month}-01", f"{point.month}-32"
        at_start = {who: stage for who, day, stage in rows if day < first}
        at_end = {who: stage for who, day, stage in rows if day < after}
        before = {who for who, stage in at_start.items() if stage in {"customer", "evangelist"}}
        lost = {who for who in before if at_end[who] not in {"customer", "evangelist"}}
        assert (point.part, point.whole) == (len(lost), len(before)), point.month
    assert any(point.part for point in score.of("churn").points)


def test_cost_per_mql_is_what_costs_and_stages_come_to_by_hand(company: Engine, score: Score) -> None:
    with reading(company) as tx:
        paid = tx.execute(select(costs.c.day, costs.c.amount_minor, costs.c.currency)).all()
        rows = tx.execute(select(stage_changes.c.contact_id, stage_changes.c.day)
                          .where(stage_changes.c.stage == Stage.MQL.value)).all()  # fmt: skip
    assert {currency for _, _, currency in paid} == {CURRENCY}
    first: dict[str, str] = {}
    for who, day in rows:
        first[who] = min(day, first.get(who, day))
    for point in score.of("cost_per_mql").points:
        cost = sum(amount for day, amount, _ in paid if day[:7] == point.month)
        n = sum(day[:7] == point.month for day in first.values())
        assert point.value == int(Decimal(cost) / n + Decimal("0.5")), point.month
        assert (cost, n) == (point.part, point.whole)


def test_the_past_is_the_same_for_the_same_anchor_and_nobody_of_it_is_in_the_story() -> None:
    story = tell(NOW, BASE, 2)
    past = recall(NOW, BASE, story, 4)
    assert past == recall(NOW, BASE, story, 4)
    emails = {word.payload["email"] for word in past.words if "email" in word.payload}
    assert not emails & emails_of(tell(NOW, BASE))
    assert [one for one in emails if not re.fullmatch(r"[a-z.]+@[a-z-]+\.example", one)] == []
    times = [*(one.at for one in past.words), *(one.occurred_at for one in past.mails)]
    assert max([*times, *(one.answered_at for one in past.answers)]) < NOW
    assert max(one.at for one in past.beacons) < NOW - timedelta(days=2)


def test_a_newer_release_tells_no_other_story_into_a_told_history(tmp_path: Path) -> None:
    now = datetime(2026, 6, 1, 3, 0, tzinfo=UTC)
    own, _ = prepared(tmp_path, now, days=6)
    told = connect(own.database_url)
    with reading(told) as tx:
        before = tx.execute(select(func.count()).select_from(hits)).scalar_one()
    prepared(tmp_path, now, days=9)
    with reading(told) as tx:
        assert tx.execute(select(func.count()).select_from(hits)).scalar_one() == before
    told.dispose()
