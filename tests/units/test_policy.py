"""A site's attribution policy: what may stand in it, and its versions in the store."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from tests.world import START
from tracker.access.sites import Site, add_site
from tracker.attribution.policies import policy_in_force, save_policy, versions_of
from tracker.attribution.policy import RULE_FIELDS, SHIPPED, ChannelRule, Custom, Own, Policy, channel_by, written
from tracker.attribution.settled import changed
from tracker.attribution.terms import DirectPolicy
from tracker.db.store import begin, reading
from tracker.errors import Conflict, Invalid, NotFound
from tracker.vocabulary import PathScope

BRAND = {"where": {"campaign": "*brand*"}, "channel": "brand_search"}
TEST = {"channel": "email", "percent": 40, "low": 25, "high": 60, "from_day": "2026-04-01", "to_day": "2026-04-30"}

CHANGES = [
    ({}, SHIPPED),
    ({"direct": "counts", "scope": "company"}, Policy(direct=DirectPolicy.COUNTS, scope=PathScope.COMPANY)),
    (
        {"lead_days": 0, "money_days": 36_500, "half_life_days": 365},
        Policy(lead_days=0, money_days=36_500, half_life_days=365),
    ),
    ({"custom": {"first": 10_000}}, Policy(custom=Custom(10_000, 0, 0, 0, 0))),
    ({"models": {"linear": {"lead_days": 0}}}, Policy(models={"linear": Own(lead_days=0)})),
    ({"rules": [BRAND]}, Policy(rules=(ChannelRule({"campaign": "*brand*"}, "brand_search"),))),
]


@pytest.mark.parametrize(("told", "expected"), CHANGES, ids=str)
def test_a_policy_is_changed_field_by_field(told: dict[str, Any], expected: Policy) -> None:
    assert changed(SHIPPED, told) == expected


def test_what_is_not_told_stays() -> None:
    once = changed(SHIPPED, {"rules": [BRAND], "measured": [TEST]})
    assert changed(once, {"lead_days": 1}) == changed(
        changed(SHIPPED, {"lead_days": 1}), written(once) | {"lead_days": 1}
    )
    assert changed(once, {"rules": []}).rules == ()


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"colour": "red"}, "colour"),
    ({"direct": "never"}, "direct"),
    ({"direct": ["last_resort"]}, "direct"),
    ({"scope": "family"}, "scope"),
    ({"upsells": "some"}, "upsells"),
    ({"lead_days": -1}, "lead_days"),
    ({"money_days": 36_501}, "money_days"),
    ({"half_life_days": 0}, "half_life_days"),
    ({"half_life_days": 366}, "half_life_days"),
    ({"half_life_days": True}, "half_life_days"),
    ({"lead_days": 1.5}, "lead_days"),
    ({"lead_days": "90"}, "lead_days"),
    ({"markov_order": 4}, "markov_order"),
    ({"custom": {"first": 10_001}}, "custom.first"),
    ({"custom": {"first": 5_000, "close": 4_999}}, "custom"),
    ({"custom": {"last": 10_000}}, "custom.last"),
    ({"custom": 1}, "custom"),
    ({"models": {"best": {}}}, "models.best"),
    ({"models": {"linear": {"lead_days": 36_501}}}, "models.linear.lead_days"),
    ({"models": {"linear": {"half_life": 3}}}, "models.linear.half_life"),
    ({"capture": ["Brand"]}, "capture"),
    ({"capture": ["a" * 41]}, "capture"),
    ({"capture": ["email", "email"]}, "capture"),
    ({"capture": ["unattributed"]}, "capture"),
    ({"capture": [f"c{n}" for n in range(101)]}, "capture"),
    ({"capture": "email"}, "capture"),
    ({"rules": [BRAND] * 201}, "rules"),
    ({"rules": [BRAND, {"where": {}, "channel": "x"}]}, "rules.1.where"),
    ({"rules": [{"where": {"colour": "x"}}]}, "rules.0.where"),
    ({"rules": [{"where": {"source": " "}}]}, "rules.0.where.source"),
    ({"rules": [{"where": {"source": "x" * 201}}]}, "rules.0.where.source"),
    ({"rules": [{"where": {"source": "a\x00b"}}]}, "rules.0.where.source"),
    ({"rules": [{"where": {"source": "x"}, "channel": "Not Set"}]}, "rules.0.channel"),
    ({"rules": [{"where": {"source": "x"}, "then": "y"}]}, "rules.0.then"),
    ({"rules": [{"channel": "y"}]}, "rules.0"),
    ({"measured": [{**TEST, "percent": 61}]}, "measured.0.percent"),
    ({"measured": [{**TEST, "high": 1_001}]}, "measured.0.high"),
    ({"measured": [{**TEST, "low": -1}]}, "measured.0.low"),
    ({"measured": [TEST, TEST]}, "measured"),
    ({"measured": [{**TEST, "from_day": "2026-02-30"}]}, "measured.0.from_day"),
    ({"measured": [{**TEST, "to_day": "2026-03-31"}]}, "measured.0.from_day"),
    ({"measured": [{**TEST, "note": "x" * 501}]}, "measured.0.note"),
]


@pytest.mark.parametrize(("told", "field"), WRONG, ids=lambda one: str(one)[:60])
def test_what_may_not_stand_there_is_refused_with_the_name_of_its_field(told: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        changed(SHIPPED, told)
    assert refused.value.field == field
    assert refused.value.message
    assert len(refused.value.message) < 400


@given(
    st.dictionaries(
        st.sampled_from([*Policy.__struct_fields__, "x"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
            max_leaves=6,
        ),
    )
)
def test_whatever_is_told_is_a_policy_or_refused(told: dict[str, Any]) -> None:
    try:
        found = changed(SHIPPED, told)
    except Invalid:
        return
    assert changed(SHIPPED, written(found)) == found


# --- channel rules --------------------------------------------------------------------------------------------------

RULES = [
    # where, channel, a touch's words, its channel
    ({"campaign": "*brand*"}, "brand_search", {"campaign": "JP-Brand-Exact"}, "brand_search"),
    ({"campaign": "*brand*"}, "brand_search", {"campaign": "spring"}, "paid_search"),
    ({"campaign": "brand"}, "brand_search", {"campaign": "brand exact"}, "paid_search"),
    ({"campaign": "*brand*", "source": "bing"}, "x", {"campaign": "brand", "source": "google"}, "paid_search"),
    ({"landing_page": "/careers*"}, "", {"landing_page": "/careers/tokyo"}, None),
    ({"campaign": "50%_[a-c]?"}, "sale", {"campaign": "50%_[a-c]?"}, "sale"),
    ({"campaign": "50%_[a-c]?"}, "sale", {"campaign": "50 _ab"}, "paid_search"),
    ({"campaign": "春*"}, "spring", {"campaign": "春の\nセール"}, "spring"),
    ({"campaign": "É*"}, "x", {"campaign": "été"}, "paid_search"),
    ({"term": "(not set)"}, "x", {}, "x"),
]


@pytest.mark.parametrize(("where", "channel", "words", "expected"), RULES, ids=str)
def test_a_rule_names_the_touches_whose_words_all_match(
    where: dict[str, str], channel: str, words: dict[str, str], expected: str | None
) -> None:
    arrival = dict.fromkeys(RULE_FIELDS, "(not set)") | {"channel": "paid_search"} | words
    assert channel_by([ChannelRule(where, channel)], arrival) == expected


def test_the_first_rule_that_matches_decides() -> None:
    rules = [ChannelRule({"source": "g*"}, "one"), ChannelRule({"source": "*"}, "two")]
    found = [channel_by(rules, {"source": source, "channel": "email"}) for source in ("google", "bing")]
    assert found == ["one", "two"]
    assert channel_by([], {"channel": "email"}) == "email"


# --- versions -------------------------------------------------------------------------------------------------------


@pytest.fixture
def acme(store: Engine) -> Site:
    with begin(store) as tx:
        return add_site(tx, "Acme", ["acme.example"], now=START, key="acmekey")


def save(store: Engine, site: Site, policy: Policy, days: int = 0, **more: Any) -> int:
    given = {"note": "", "by": "alice", "now": START + timedelta(days=days), **more}
    with begin(store) as tx:
        return save_policy(tx, site.site_id, policy, **given)


def test_versions_are_added_and_never_changed(store: Engine, acme: Site) -> None:
    quick, slow = Policy(lead_days=7), changed(SHIPPED, {"rules": [BRAND], "measured": [TEST]})
    assert save(store, acme, SHIPPED) == 0
    assert save(store, acme, quick, note=" quick leads ") == 1
    assert save(store, acme, quick, days=1) == 1
    assert save(store, acme, slow, days=2, by="bob") == 2
    assert save(store, acme, quick, days=3) == 3
    with reading(store) as tx:
        assert policy_in_force(tx, acme.site_id) == (3, quick)
        assert [policy_in_force(tx, acme.site_id, n) for n in (0, 1, 2)] == [(0, SHIPPED), (1, quick), (2, slow)]
        found = versions_of(tx, acme.site_id)
        with pytest.raises(NotFound):
            policy_in_force(tx, acme.site_id, 4)
    assert [(one.version, one.note, one.saved_by, one.saved_at) for one in found[1:]] == [
        (2, "", "bob", START + timedelta(days=2)),
        (1, "quick leads", "alice", START),
    ]


def test_a_policy_that_another_took_the_place_of_is_not_saved_over_it(store: Engine, acme: Site) -> None:
    save(store, acme, Policy(lead_days=7), based_on=0)
    with pytest.raises(Conflict):
        save(store, acme, Policy(lead_days=8), based_on=0)
    assert save(store, acme, Policy(lead_days=8), based_on=1) == 2


def test_a_note_is_a_sentence_and_not_a_book(store: Engine, acme: Site) -> None:
    with pytest.raises(Invalid) as refused:
        save(store, acme, Policy(lead_days=7), note="x" * 501)
    assert refused.value.field == "note"
