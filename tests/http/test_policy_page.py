"""The attribution settings and the comparison as pages: who may save, what is tried, what texts cannot do."""

import re
from html import unescape

import pytest
from flask.testing import FlaskClient

from tests.http.test_calls_page import log_in, token_in
from tests.http.test_v1_reports import sold
from tests.people import ON_BOTH, SQLITE_ONLY
from tests.world import ALICE, BOB, Program, World
from tracker.attribution.fits import refit
from tracker.attribution.policies import policy_in_force
from tracker.attribution.policy import ChannelRule, Custom, Own
from tracker.db.store import begin, reading

# The API's tests ask the same of both databases.
pytestmark = SQLITE_ONLY
HOSTILE = '"><script>alert(1)</script>'
RULE = {"rule_0_field": ["campaign", "channel"], "rule_0_pattern": ["spr*", ""], "rule_0_channel": "brand_search"}
SETTINGS = {
    "direct": "last_resort",
    "scope": "deal",
    "upsells": "full",
    "lead_days": "90",
    "money_days": "0",
    "half_life_days": "7",
    "markov_order": "1",
    "custom_first": "30",
    "custom_lead": "30",
    "custom_deal": "30",
    "custom_close": "0",
    "custom_middle": "10",
    "n_rules": "3",
    "n_measured": "1",
    "period": "last_12_months",
    "model": "last_non_direct",
}


@pytest.fixture
def seen(world: World, crm: Program) -> World:
    world.people()
    sold(world, crm)
    return world


def send(client: FlaskClient, path: str, **form: object) -> str:
    token = token_in(client.get("/policy").text)
    answer = client.post(path, data={**SETTINGS, **form, "csrf_token": token}, follow_redirects=True)
    assert answer.status_code == 200
    return answer.text


def in_force(world: World) -> int:
    with reading(world.store) as tx:
        return policy_in_force(tx, world.acme.site_id)[0]


def test_settings_are_tried_then_saved_as_a_version(seen: World) -> None:
    client = log_in(seen)
    tried = send(client, "/policy/try", **RULE)
    assert "brand_search" in tried
    assert in_force(seen) == 0
    page = send(client, "/policy", **RULE, note="Brand apart", based_on="0")
    assert in_force(seen) == 1
    assert "Brand apart" in page
    assert "alice@acme.example" in page
    with reading(seen.store) as tx:
        assert policy_in_force(tx, seen.acme.site_id)[1].rules == (ChannelRule({"campaign": "spr*"}, "brand_search"),)
    report = client.get("/reports/source?period=last_12_months&model=first&lang=en").text
    assert "brand_search" in report
    assert "brand_search" not in client.get("/reports/source?period=last_12_months&model=first&policy=0").text


@ON_BOTH
def test_a_trial_names_the_deals_that_move_and_where_their_money_goes(seen: World) -> None:
    page = send(log_in(seen), "/policy/try?lang=en", capture=["email"])
    moved = page.partition("1 deal whose revenue moves")[2]
    assert re.search(r"Email.*?€800\.01 → €0\.00.*?Paid search.*?€0\.00 → €800\.01", moved, re.S)


def test_what_is_in_force_tried_again_changes_nothing(seen: World) -> None:
    assert "Nothing would change in this period." in send(log_in(seen), "/policy/try?lang=en")


def test_every_field_of_the_form_is_saved(seen: World) -> None:
    measured = {"channel": "email", "percent": "40", "low": "25", "high": "60", "from_day": "2026-03-01"}
    told = {f"measured_0_{name}": value for name, value in measured.items()} | {"measured_0_to_day": "2026-03-31"}
    shares = {"custom_first": "22.5", "custom_lead": "22.5", "custom_deal": "22.5", "custom_close": "22.5"}
    changes = {"direct": "counts", "scope": "company", "upsells": "since_last_win", "lead_days": "30"}
    send(log_in(seen), "/policy", **told, **shares, **changes, linear_lead_days="0", linear_direct="last_resort")
    with reading(seen.store) as tx:
        found = policy_in_force(tx, seen.acme.site_id)[1]
    assert (found.direct, found.scope, found.upsells, found.lead_days) == ("counts", "company", "since_last_win", 30)
    assert found.custom == Custom(2_250, 2_250, 2_250, 2_250, 1_000)
    assert found.models == {"linear": Own(direct="last_resort", lead_days=0)}  # type: ignore[arg-type]
    assert [(one.channel, one.percent, one.to_day) for one in found.measured] == [("email", 40, "2026-03-31")]


WRONG: list[dict[str, object]] = [
    {"custom_first": "31"},
    {"half_life_days": "0"},
    {"lead_days": "many"},
    {"rule_0_channel": "Brand Search", **{name: RULE[name] for name in ("rule_0_field", "rule_0_pattern")}},
    {"rule_0_channel": "x"},
    {"measured_0_channel": "email"},
    {"based_on": "7"},
    {"capture": [HOSTILE]},
    {"custom_first": "", "note": "x" * 501},
]


def test_what_cannot_be_saved_is_said_and_stands_in_the_form_still(seen: World) -> None:
    client = log_in(seen)
    for wrong in WRONG:
        page = send(client, "/policy", **{"lead_days": "31", **wrong})
        assert 'class="flash error"' in page, wrong
        assert "<script>alert" not in page
        assert in_force(seen) == 0
        assert 'value="31"' in page or "lead_days" in wrong


def test_a_viewer_tries_and_does_not_save(seen: World) -> None:
    client = log_in(seen, BOB)
    assert "brand_search" in send(client, "/policy/try", **RULE)
    token = token_in(client.get("/policy").text)
    assert "/policy?" not in unescape(client.get("/policy").text).partition("<form")[2].partition("formaction")[2]
    answer = client.post("/policy", data={**SETTINGS, **RULE, "csrf_token": token})
    assert answer.status_code == 403
    assert log_in(seen, ALICE).post("/policy", data=SETTINGS).status_code == 400, "without a token"
    assert in_force(seen) == 0


def test_texts_of_a_policy_are_only_ever_text(seen: World) -> None:
    client = log_in(seen)
    rule = {"rule_0_field": "campaign", "rule_0_pattern": HOSTILE, "rule_0_channel": ""}
    page = send(client, "/policy", **rule, note=HOSTILE)
    assert in_force(seen) == 1
    for text in (page, client.get("/policy?version=1").text, send(client, "/policy/try", **rule)):
        assert "<script>alert" not in text
        assert " style=" not in text


def test_answers_stand_side_by_side_and_lead_to_the_rows_behind(seen: World) -> None:
    client = log_in(seen)
    page = client.get("/reports/compare?period=last_12_months&columns=model:first;model:linear&lang=en").text
    row = re.search(r"<tr><th[^>]*>(?:(?!</tr>).)*Paid search.*?</tr>", page, re.S)
    assert row
    assert [text in row[0] for text in ("€800.01", "€400.00", "-€400.01", "-50%")] == [True] * 4
    link = re.search(r'href="(/reports/source/rows[^"]+model=linear[^"]+)"', row[0])
    assert link
    behind = client.get(unescape(link[1])).text
    assert "€400.00" in behind


def test_columns_are_chosen_in_a_form_too(seen: World) -> None:
    page = log_in(seen).get(
        "/reports/compare?period=last_12_months&model_0=first&model_1=first&basis_1=touch_cohort&lookback_days_1=30"
        "&policy_1=0&model_2=&lang=en"
    )
    assert page.status_code == 200
    assert "30 days" in page.text
    assert "version 0" in page.text
    assert "The totals differ" in page.text


STRANGE = [
    "columns=model:best;model:first",
    "columns=x",
    "columns=policy:9;policy:0",
    f"metric={HOSTILE}",
    "by=nothing",
    "model_0=first",
    "columns=" + "model:first;" * 100,
    "by=source&metric=roas",
]


def test_a_strange_comparison_is_answered_and_never_breaks(seen: World) -> None:
    client = log_in(seen)
    for query in STRANGE:
        answer = client.get(f"/reports/compare?{query}")
        assert answer.status_code == 200, query
        assert "<script>alert" not in answer.text


def test_the_page_tells_what_models_learned_and_why_not(seen: World) -> None:
    client = log_in(seen)
    assert "minamoto fit --site acmekey" in client.get("/policy").text
    with begin(seen.store) as tx:
        refit(tx, seen.acme.site_id, seen.acme.timezone, seen.clock())
    page = unescape(client.get("/policy").text)
    assert "minamoto fit" not in page
    assert "markov refused: it takes 100 won deals with a touch that may earn; here are 1" in page
