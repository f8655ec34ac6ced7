"""What models learn from a site's stored paths, when they refuse to, and that they keep still until asked again."""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from msgspec import structs
from sqlalchemy import Engine, insert, update

from tests.databases import drop_database, fresh_database, postgres_url, why_no_postgres
from tests.facts import flat
from tests.units.conftest import Command
from tracker.access.sites import Site, add_site, find_site
from tracker.attribution.attribute import attribute
from tracker.attribution.fits import fit_in_force, fits_of, refit
from tracker.attribution.fitting import MOST_CHANNELS, Journeys, learn, read, written
from tracker.attribution.policies import save_policy
from tracker.attribution.policy import SHIPPED, ChannelRule, Measured, Policy, terms_of
from tracker.attribution.terms import SCALE
from tracker.attribution.touches import ALWAYS_MS, DAY_MS, Touch, Way, paths_of
from tracker.db.schema import contacts, deal_contacts, deal_entries, deals, touchpoints
from tracker.db.store import Tx, begin, connect
from tracker.errors import Invalid
from tracker.ids import derive
from tracker.reports.asking import ask
from tracker.reports.engines.memory import Arrival
from tracker.reports.source import source_report
from tracker.vocabulary import Model

NOW = datetime(2026, 11, 1, tzinfo=UTC)
HALF = SCALE // 2
START = datetime(2026, 4, 1, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class People:
    """So many people who came by these channels, a day apart, and what became of their deal; none: there is no deal.

    start     when they first came
    company   of the people and of the deal; is_named: whether the deal names them
    """

    n: int
    channels: str
    deal: str = ""
    start: datetime = START
    company: str = ""
    is_named: bool = True


def settle(tx: Tx, groups: Sequence[People], key: str = "acme") -> Site:
    """A site with these people, their touches and their deals."""
    site = add_site(tx, "Acme", ["acme.example"], now=NOW, key=key, timezone="UTC", currency="JPY")
    add(tx, site, groups)
    return site


def add(tx: Tx, site: Site, groups: Sequence[People], prefix: str = "") -> None:
    """More people."""
    rows: dict[Any, list[dict[str, Any]]] = {
        contacts: [],
        touchpoints: [],
        deals: [],
        deal_contacts: [],
        deal_entries: [],
    }
    for i, group in enumerate(groups):
        for j in range(group.n):
            add_person(rows, site.site_id, group, f"{prefix}{i}.{j}")
    for table, some in rows.items():
        if some:
            tx.execute(insert(table), some)
    attribute(
        tx, site.site_id, "UTC", [row["contact_id"] for row in rows[contacts]], [row["deal_id"] for row in rows[deals]]
    )


def add_person(rows: dict[Any, list[dict[str, Any]]], site_id: int, group: People, name: str) -> None:
    """One person, their touches, and their deal."""
    steps = group.channels.split(" > ") if group.channels else []
    contact_id = derive("contact", site_id, name)
    rows[contacts].append({
        "contact_id": contact_id, "site_id": site_id, "email": f"{contact_id}@acme.example", "properties": {},
        "lead_at": group.start, "lead_day": "2026-04-01", "updated_at": NOW, "company_domain": group.company or None,
    })  # fmt: skip
    for i, channel in enumerate(steps):
        at = group.start + timedelta(days=i)
        rows[touchpoints].append({
            "touchpoint_id": f"{contact_id} {i}", "site_id": site_id, "kind": "offline", "hit_seq": 1,
            "hit_id": f"{i}", "visitor_no": None, "contact_id": contact_id, "occurred_at": at,
            "day": at.date().isoformat(), **flat(Arrival(channel, campaign=f"{channel} campaign")),
            "landing_url": "", "click_ids": [], "browser": "", "os": "", "rule": "", "rules_version": "1",
        })  # fmt: skip
    if not group.deal:
        return
    deal_id = derive("deal", site_id, name)
    closed_at = group.start + timedelta(days=max(1, len(steps)), hours=1)
    rows[deals].append({
        "deal_id": deal_id, "site_id": site_id, "reference": name, "status": group.deal, "type": "new",
        "amount_minor": 1000, "refunded_minor": 0, "currency": "JPY", "created_at": closed_at, "changed_at": NOW,
        "closed_at": None if group.deal == "open" else closed_at, "company_domain": group.company or None,
    })  # fmt: skip
    if group.is_named:
        rows[deal_contacts].append({"deal_id": deal_id, "contact_id": contact_id})
    if group.deal == "won":
        rows[deal_entries].append({
            "deal_id": deal_id, "position": 0, "site_id": site_id, "kind": "won", "amount_minor": 1000,
            "currency": "JPY", "occurred_at": closed_at, "day": closed_at.date().isoformat(),
        })  # fmt: skip


# Without search 150 of 400 begin with email, and of the 270 who stood on email 120 converted: 1/6 of 3/10 is left.
WORLD = (
    People(120, "paid_search > email", "won"),
    People(130, "paid_search"),
    People(150, "email", "lost"),
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A store with the world in it, settled once."""
    template, server, made = None, None, None
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('fits') / 'store.sqlite3'}"
        shutil.copy(request.getfixturevalue("sqlite_template"), url.removeprefix("sqlite:///"))
    else:
        template, server = request.getfixturevalue("postgres_template"), postgres_url()
        if template is None or server is None:
            if os.environ.get("CI"):
                pytest.fail(why_no_postgres())
            pytest.skip(why_no_postgres())
        url = made = fresh_database(server, template=template)
    engine = connect(url)
    with begin(engine) as tx:
        settle(tx, WORLD)
    yield engine
    engine.dispose()
    if made:
        drop_database(made)


@pytest.fixture
def tx(world: Engine) -> Iterator[Tx]:
    """A transaction in the world that leaves nothing behind."""
    with world.connect() as connection, connection.begin() as transaction:
        yield connection
        transaction.rollback()


@pytest.fixture
def site(tx: Tx) -> Site:
    return find_site(tx, "acme")


def test_a_site_learns_from_its_won_deals_and_from_who_bought_nothing(tx: Tx, site: Site) -> None:
    made = refit(tx, site.site_id, "UTC", NOW)
    known = fit_in_force(tx, site.site_id)
    assert [version.data for version in fits_of(tx, site.site_id)] == [made.data]
    assert known == made.fit
    assert known.version == 1
    assert known.effects[1] == {"paid_search": round(SCALE * 4 / 9), "email": SCALE}
    assert known.effects[2] == known.effects[3] == {"paid_search": SCALE, "email": SCALE}
    assert known.refusals == {}
    assert (made.data.n_paths, made.data.n_converted, made.data.n_touches) == (400, 120, 520)
    assert (made.data.from_day, made.data.to_day, made.data.policy_version) == ("2026-04-01", "2026-11-01", 0)


def test_the_hazard_is_that_of_the_days_at_risk(tx: Tx, site: Site) -> None:
    found = refit(tx, site.site_id, "UTC", NOW).fit.hazard
    assert found is not None
    # All conversions are a day after an email that follows a search: both help, and nobody converts untouched.
    assert found.effects["email"] == SCALE
    assert 0 < found.effects["paid_search"] < SCALE
    assert found.baseline < SCALE // 100


@pytest.mark.parametrize(
    "left_out",
    [
        pytest.param(People(5, "email", "open"), id="open deals: nobody knows yet"),
        pytest.param(People(5, "email", start=NOW - timedelta(days=80)), id="people who may still buy"),
        pytest.param(People(5, ""), id="people without a touch"),
        pytest.param(People(5, "", "won"), id="won deals without a touch"),
    ],
)
def test_these_teach_nothing(tx: Tx, site: Site, left_out: People) -> None:
    expected = refit(tx, site.site_id, "UTC", NOW)
    add(tx, site, [left_out], "more")
    found = refit(tx, site.site_id, "UTC", NOW)
    assert found.data == expected.data
    assert found.fit.effects == expected.fit.effects


def test_colleagues_of_a_customer_did_not_buy_nothing(tx: Tx, site: Site) -> None:
    buyer = People(1, "email", "won", company="buyer.example")
    add(tx, site, [buyer, People(7, "email", company="buyer.example")], "more")
    found = refit(tx, site.site_id, "UTC", NOW)
    assert (found.data.n_paths, found.data.n_converted) == (401, 121)


def test_people_of_a_company_whose_deal_names_nobody_are_on_it(tx: Tx, site: Site) -> None:
    add(tx, site, [People(1, "email", "won", company="buyer.example", is_named=False)], "more")
    found = refit(tx, site.site_id, "UTC", NOW)
    assert (found.data.n_paths, found.data.n_converted, found.data.n_touches) == (401, 121, 521)


def test_a_shorter_look_back_closes_sooner_and_hides_old_touches(tx: Tx, site: Site) -> None:
    save_policy(tx, site.site_id, replaced(money_days=2), note="", by="hana", now=NOW)
    add(tx, site, [People(5, "email", start=NOW - timedelta(days=80))], "more")
    found = refit(tx, site.site_id, "UTC", NOW)
    assert found.data.n_paths == 405
    assert found.data.policy_version == 1
    # A search a day and an hour before the close is out of sight.
    assert found.fit.effects[1] == {"paid_search": 0, "email": SCALE}


def replaced(**changes: Any) -> Policy:
    return structs.replace(SHIPPED, **changes)


def test_direct_visits_and_channels_that_capture_demand_are_seen_only_where_they_may_earn(tx: Tx, site: Site) -> None:
    add(tx, site, [People(10, "direct > email > organic_search > direct"), People(10, "direct")], "more")
    save_policy(tx, site.site_id, replaced(capture=("organic_search",)), note="", by="hana", now=NOW)
    found = refit(tx, site.site_id, "UTC", NOW)
    assert set(found.fit.effects[1]) == {"paid_search", "email", "direct"}
    assert (found.data.n_paths, found.data.n_touches) == (420, 540)


def test_channels_are_the_sites_own(tx: Tx, site: Site) -> None:
    rules = (
        ChannelRule({"campaign": "paid_search *"}, "brand <b>"),
        ChannelRule({"channel": "referral"}),
    )
    add(tx, site, [People(3, "referral"), People(3, "referral > email")], "more")
    save_policy(tx, site.site_id, replaced(rules=rules), note="", by="hana", now=NOW)
    found = refit(tx, site.site_id, "UTC", NOW)
    assert set(found.fit.effects[1]) == {"brand <b>", "email"}
    assert (found.data.n_paths, found.data.n_touches) == (403, 523)


# --- refusals -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Walked:
    """So many paths by these channels, a day apart."""

    n: int
    channels: str
    is_won: bool = False


def journeys(*groups: Walked) -> Journeys:
    """Paths that are learned from, without a store."""
    each = [group for group in groups for _ in range(group.n)]
    ways = []
    for group in each:
        steps = group.channels.split(" > ") if group.channels else []
        touches = [Touch(f"{i}", i * DAY_MS, channel) for i, channel in enumerate(steps)]
        ways.append(Way(touches, touches[-1].touched_ms if touches else 0))
    ends = np.array([way.converted_ms for way in ways], dtype=np.int64)
    is_won = np.array([group.is_won for group in each], dtype=np.bool_)
    until_ms = np.where(is_won, ends, 300 * DAY_MS)
    return Journeys(paths_of(ways), np.full(len(ways), ALWAYS_MS, dtype=np.int64), until_ms, is_won)


@pytest.mark.parametrize(
    ("seen", "model", "why"),
    [
        ([], "markov", "it takes 100 won deals with a touch that may earn; here are 0"),
        ([Walked(99, "email > sms", True), Walked(200, "email")], "markov", "with a touch that may earn; here are 99"),
        ([Walked(99, "email > sms", True), Walked(200, "email")], "hazard", "with a touch that may earn; here are 99"),
        ([Walked(100, "", True), Walked(200, "email > sms")], "markov", "with a touch that may earn; here are 0"),
        (
            [Walked(100, "email", True), Walked(200, "email")],
            "markov",
            "it takes 2 channels; all touches came by email",
        ),
        ([Walked(100, "email > sms", True), Walked(99, "sms")], "hazard", "who bought nothing; here are 99"),
        ([Walked(100, "email > sms", True), Walked(100, "")], "hazard", "who bought nothing; here are 0"),
    ],
)
def test_a_model_is_refused_with_the_reason(seen: list[Walked], model: str, why: str) -> None:
    found = learn(journeys(*seen), SHIPPED)
    assert found.refusals[model].endswith(why)
    assert found.hazard is None
    assert ("markov" in found.refusals) is not bool(found.effects)


def test_a_hundred_of_each_is_enough() -> None:
    found = learn(journeys(Walked(100, "email > sms", True), Walked(100, "sms")), SHIPPED)
    assert found.refusals == {}
    assert set(found.effects) == {1, 2, 3}
    assert found.hazard is not None


def test_removing_a_channel_leads_to_nowhere_and_not_past_it() -> None:
    """Tools differ by default: some strip the channel and join what is left: the largest gets nothing."""
    seen = journeys(Walked(100, "email > sms", True), Walked(100, "email"), Walked(100, "sms"))
    effects = learn(seen, SHIPPED).effects[1]
    assert effects == {"email": HALF, "sms": SCALE}


def test_many_wins_long_after_the_last_touch_tell_the_hazard_nothing() -> None:
    seen = journeys(Walked(120, "email > sms", True), Walked(120, "email"))
    late = replace(seen, until_ms=seen.until_ms + np.where(seen.converted, 200 * DAY_MS, 0))
    found = learn(late, SHIPPED)
    assert found.refusals == {"hazard": "it takes 100 deals won within 90 days after a touch; here are 0"}


def test_long_chains_are_for_few_channels() -> None:
    many = [Walked(2, f"channel_{i} > email", True) for i in range(MOST_CHANNELS)]
    found = learn(journeys(*many), SHIPPED)
    assert set(found.effects) == {1}
    fit = read(1, written(found), found.refusals)
    with pytest.raises(Invalid, match="orders 2 and 3 are fitted for up to 50 channels; here are 51"):
        terms_of(replaced(markov_order=2), Model.MARKOV, fit)
    assert terms_of(replaced(markov_order=1), Model.MARKOV, fit).effects == found.effects[1]


def test_what_is_stored_is_what_was_learned() -> None:
    found = learn(journeys(Walked(100, "email > sms", True), Walked(100, "sms")), SHIPPED)
    fit = read(7, json.loads(json.dumps(written(found))), found.refusals)
    assert (fit.version, fit.effects, fit.hazard) == (7, found.effects, found.hazard)
    nothing = learn(journeys(), SHIPPED)
    assert nothing.is_nothing
    fit = read(1, json.loads(json.dumps(written(nothing))), nothing.refusals)
    assert (fit.effects, fit.hazard) == ({}, None)


@pytest.mark.parametrize("model", [Model.MARKOV, Model.HAZARD])
def test_a_report_by_a_refused_model_says_why(tx: Tx, model: Model) -> None:
    small = settle(tx, [People(3, "email > referral", "won")], "small")
    refit(tx, small.site_id, "UTC", NOW)
    with pytest.raises(Invalid, match="it takes 100 won deals with a touch that may earn; here are 3") as refused:
        ask(tx, {"model": model.value}, small, "2026-10-31")
    assert refused.value.field == "model"


def test_a_model_that_was_never_fitted_says_how_to(tx: Tx, site: Site) -> None:
    with pytest.raises(Invalid, match="run `minamoto fit` first"):
        ask(tx, {"model": "markov"}, site, "2026-10-31")


# --- frozen ---------------------------------------------------------------------------------------------------------


def test_what_was_learned_stays_until_somebody_asks_again(tx: Tx, site: Site) -> None:
    first = refit(tx, site.site_id, "UTC", NOW)
    add(tx, site, [People(50, "referral > email", "won")], "more")
    assert fit_in_force(tx, site.site_id) == first.fit
    second = refit(tx, site.site_id, "UTC", NOW + timedelta(days=1))
    assert fit_in_force(tx, site.site_id) == second.fit
    assert [(one.fit, one.is_in_force) for one in fits_of(tx, site.site_id)] == [
        (second.fit, True),
        (first.fit, False),
    ]
    assert second.fit.version == 2
    assert "referral" in second.fit.effects[1]


def test_fitting_the_same_paths_again_gives_the_same_to_the_last_bit(tx: Tx, site: Site) -> None:
    """Nothing is drawn at random, so rare channels have no noise."""
    found = [refit(tx, site.site_id, "UTC", NOW).fit for _ in range(2)]
    assert found[0] == replace(found[1], version=1)


def test_a_fit_that_learned_nothing_does_not_take_the_place_of_one_that_did(tx: Tx, site: Site) -> None:
    first = refit(tx, site.site_id, "UTC", NOW)
    tx.execute(update(deals).values(status="lost"))
    attribute(tx, site.site_id, "UTC", [], [row.deal_id for row in tx.execute(deals.select())])
    second = refit(tx, site.site_id, "UTC", NOW)
    assert second.is_in_force is False
    assert "here are 0" in second.fit.refusals["markov"]
    assert fit_in_force(tx, site.site_id) == first.fit


def test_one_sites_paths_teach_no_other_site(tx: Tx, site: Site) -> None:
    other = settle(tx, [People(3, "email > referral", "won")], "other")
    assert refit(tx, other.site_id, "UTC", NOW).data.n_paths == 3
    assert refit(tx, site.site_id, "UTC", NOW).data.n_paths == 400
    refit(tx, other.site_id, "UTC", NOW)
    assert fit_in_force(tx, site.site_id) != fit_in_force(tx, other.site_id)


@pytest.mark.parametrize("model", [Model.MARKOV, Model.HAZARD])
def test_a_report_by_a_fitted_model_has_the_whole_ledger(tx: Tx, site: Site, model: Model) -> None:
    refit(tx, site.site_id, "UTC", NOW)
    query = ask(tx, {"model": model.value, "from": "2026-04-01", "to": "2026-04-30"}, site)
    table = source_report(tx, query, NOW)
    revenue = {row.values[0]: row.figures.revenue_minor for row in table.rows if row.figures.revenue_minor}
    assert sum(revenue.values()) == table.totals.revenue_minor == 120_000
    assert revenue["email"] > revenue["paid_search"] > 0


# --- the command ----------------------------------------------------------------------------------------------------


def test_a_fit_tells_what_was_learned_the_strongest_channel_first(tx: Tx, site: Site) -> None:
    made = refit(tx, site.site_id, "UTC", NOW)
    assert made.headline == (
        "fit 1, 2026-04-01 to 2026-11-01, 120 won deals, 280 people who bought nothing, 520 touches"
    )
    assert made.lines[0] == "markov, order 1: email 1.000, paid_search 0.444"
    assert made.lines[3].startswith("hazard: baseline 0.00")


def test_the_command_fits_every_site_or_one(store: Engine, command: Command) -> None:
    with begin(store) as tx:
        for key in ("acme", "other"):
            settle(tx, [People(2, "email > referral", "won")], key)
    told = [command(*words).output for words in (["fit", "--site", "other"], ["fit"])]
    assert told[0].startswith("other: fit 1, 2026-04-01 to ")
    assert "acme: fit 1" in told[1]
    assert "other: fit 2" in told[1]
    assert "  markov refused: it takes 100 won deals with a touch that may earn; here are 2\n" in told[1]


@pytest.mark.parametrize(
    ("model", "notes"),
    [
        (Model.LINEAR, {"measured": "email, referral"}),
        (Model.SHAPLEY, {"data_driven": "", "measured": "email, referral"}),
        (Model.MARKOV, {"data_driven": "", "fitted": "1", "measured": "email, referral"}),
        (Model.HAZARD, {"incremental": "", "fitted": "1", "measured": "email, referral"}),
    ],
)
def test_a_report_says_what_its_figures_may_be_called(tx: Tx, site: Site, model: Model, notes: dict[str, str]) -> None:
    measured = tuple(Measured(name, 50, 40, 60, "2026-01-01", "2026-01-31") for name in ("referral", "email"))
    save_policy(tx, site.site_id, replaced(measured=measured), note="", by="hana", now=NOW)
    refit(tx, site.site_id, "UTC", NOW)
    table = source_report(tx, ask(tx, {"model": model.value}, site, "2026-10-31"), NOW)
    found = {note.code: "".join(text for _, text in note.values) for note in table.meta.notes}
    assert {code: text for code, text in found.items() if code != "direct_last_resort"} == notes
