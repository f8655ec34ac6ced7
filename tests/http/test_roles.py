"""Who may open and do what: docs/roles.md says it, each role tries each page, and the audit log tells what was done."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from api.trust import Audience, audience_of, least_role
from tests.doing import keep_actions, keep_segments
from tests.people import SQLITE_ONLY, add_cheap_user, browser_of
from tests.tea import tea_house
from tests.world import PASSWORD, START, World
from tracker.access.roles import set_role
from tracker.access.views import save_view
from tracker.calls.numbers import add_number
from tracker.companies.accounts import Told
from tracker.companies.accounts import save as save_accounts
from tracker.costs.load import cost_id_of
from tracker.db.schema import audit, contacts, conversions, metadata, touchpoints, users, views
from tracker.db.store import Tx, begin, reading
from tracker.lifecycle.stages import SHIPPED
from tracker.mailing.programmes import found_programmes
from tracker.survey.surveys import add_survey
from tracker.vocabulary import Audited, Role

pytestmark = SQLITE_ONLY
PAGE = Path(__file__).parents[2] / "docs/roles.md"
LINE = re.compile(r"\| `(?P<method>[A-Z]+) (?P<rule>/[^`]*)` \| (?P<least>\w+) \| (?:`(?P<logged>\w+)`|–) \|")
BOB, NEW = "bob@acme.example", "new@acme.example"
VIEW, OWN_VIEW, SURVEY = "acmes-view", "own-view", "acmes-survey"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table; logged: what a change is called in the audit log, None where it has no line there."""

    method: str
    rule: str
    least: Role
    logged: Audited | None

    @property
    def address(self) -> str:
        return f"{self.method} {self.rule}"


def told() -> list[Line]:
    """The table."""
    found = [match for match in map(LINE.fullmatch, PAGE.read_text("utf-8").splitlines()) if match]
    return [
        Line(one["method"], one["rule"], Role(one["least"]), Audited(one["logged"]) if one["logged"] else None)
        for one in found
    ]


# How each change succeeds: what the form says, for the lines of the table that are logged. {contact} … stand for ids.
COST = {
    "day": "2026-04-01",
    "source": "google",
    "medium": "cpc",
    "campaign": "spring",
    "amount": "5",
    "currency": "EUR",
}
RULE = {"told_source": "google", "told_medium": "cpc", "told_campaign": "spring", "campaign": "sakura"}
TASK = {"kind": "crm_task", "scope": "contact", "stage": "customer", "target": "Call", "name": "Call customers"}
FORMS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "POST /segments": ("/segments", {"name": "New", "kind": "list"}),
    "POST /segments/<segment_id>": (
        "/segments/segment1",
        {"name": "Renamed", "text": 'when = {{ attribute = "stage", is = "lead" }}'},
    ),
    "POST /segments/<segment_id>/remove": ("/segments/segment2/remove", {}),
    "GET /segments/<segment_id>/people.<form>": ("/segments/segment1/people.csv", {}),
    "GET /segments/<segment_id>/audience.csv": ("/segments/segment1/audience.csv", {}),
    "POST /actions": ("/actions", TASK),
    "POST /actions/<action_id>/remove": ("/actions/action1/remove", {}),
    "POST /actions/<action_id>/switch": ("/actions/action2/switch", {}),
    "POST /actions/<action_id>/test": ("/actions/action2/test", {}),
    "POST /actions/items/<int:outbox_id>/again": ("/actions/items/1/again", {}),
    "GET /accounts.<form>": ("/accounts.csv", {}),
    "POST /accounts/edit": ("/accounts/edit", {"domain": "kyoto.example", "tier": "A"}),
    "POST /accounts/import/load": ("/accounts/import/load", {"list": "domain,tier\nnara.example,A"}),
    "POST /accounts/remove": ("/accounts/remove", {"domain": "target.example"}),
    "POST /accounts/roles": ("/accounts/roles", {"name_0": "Buyer", "patterns_0": "buyer"}),
    "POST /companies/<path:domain>/stage": ("/companies/kyoto.example/stage", {"stage": "evangelist"}),
    "POST /calls/numbers": ("/calls/numbers", {"number": "+81355556666", "source": "brochure"}),
    "POST /calls/numbers/remove": ("/calls/numbers/remove", {"number": "+81355557777"}),
    "POST /calls/terms": ("/calls/terms", {"lease": "30", "rest": "10"}),
    "POST /costs/new": ("/costs/new", COST),
    "POST /costs/rows/<cost_id>": ("/costs/rows/{cost}", {**COST, "amount": "6"}),
    "POST /costs/rows/<cost_id>/remove": ("/costs/rows/{cost}/remove", {}),
    "POST /costs/names": ("/costs/names", {**RULE, "told_campaign": "autumn"}),
    "POST /costs/names/rules": ("/costs/names/rules", RULE),
    "POST /costs/names/rules/remove": ("/costs/names/rules/remove", RULE),
    "POST /install/settings": ("/install/settings", {"consent": "opt-out", "gpc": "1"}),
    "POST /definitions": (
        "/definitions",
        {
            "tab": "text",
            "reason": "agreed",
            "text": '[[rule]]\nname = "asked"\nstage = "lead"\nwhen = {{ form = "demo" }}\n',
        },
    ),
    "GET /definitions/<int:version>/try.<form>": ("/definitions/1/try.csv", {}),
    "POST /definitions/<int:version>/sign": ("/definitions/1/sign", {"side": "sales"}),
    "POST /definitions/<int:version>/withdraw": ("/definitions/1/withdraw", {}),
    "POST /mail": ("/mail", {"week": "1", "language": "ja"}),
    "POST /reports/opportunities/stages": (
        "/reports/opportunities/stages",
        {"stage_0": "offer", "order_0": "1", "label_0": "", "probability_0": "50"},
    ),
    "POST /reports/scorecard/target": (
        "/reports/scorecard/target",
        {"metric": "mql", "value": "3", "from_month": "2026-04"},
    ),
    "POST /password": ("/password", {"old": PASSWORD, "new": "another long password"}),
    "POST /policy": (
        "/policy",
        {
            "direct": "last_resort",
            "scope": "deal",
            "upsells": "full",
            "lead_days": "30",
            "money_days": "0",
            "half_life_days": "7",
            "markov_order": "1",
            "custom_first": "100",
        },
    ),
    "POST /team": ("/team", {"email": NEW, "role": "viewer"}),
    "POST /team/link": ("/team/link", {"email": BOB}),
    "POST /team/remove": ("/team/remove", {"email": BOB}),
    "POST /team/role": ("/team/role", {"email": BOB, "role": "analyst"}),
    "POST /programmes/links": ("/programmes/links", {"programme": "welcome", "url": "https://www.acme.example/"}),
    "POST /programmes/settings": ("/programmes/settings", {"programme": "welcome", "audience": "customer"}),
    "POST /surveys": ("/surveys", {"name": "Spring", "for_anybody": "1"}),
    "POST /surveys/of/<survey_id>": (f"/surveys/of/{SURVEY}", {"name": "Autumn", "is_open": "1"}),
    "GET /surveys/answers.<form>": ("/surveys/answers.csv", {}),
    "POST /views": ("/views", {"page": "source", "name": "Spring", "query": "by=source", "shared": "1"}),
    "POST /views/<view_id>": ("/views/{own_view}", {"name": "Renamed", "shared": "1"}),
    "POST /views/<view_id>/delete": ("/views/{own_view}/delete", {}),
    "GET /calls.<form>": ("/calls.csv", {}),
    "GET /contacts.<form>": ("/contacts.csv", {}),
    "GET /companies.<form>": ("/companies.csv", {}),
    "GET /reports/funnel/rows.<form>": ("/reports/funnel/rows.csv", {}),
    "POST /contacts/<contact_id>/merge": ("/contacts/{contact}/merge", {"other": "{other}"}),
    "POST /contacts/<contact_id>/split": ("/contacts/{contact}/split", {"contact": "{other}"}),
    "POST /contacts/<contact_id>/stage": ("/contacts/{contact}/stage", {"stage": "evangelist"}),
    "POST /stages": (
        "/stages",
        {f"stage_{n}": name for n, name in enumerate(SHIPPED.names)} | {"label_0": "Reader"},
    ),
    "POST /stages/settings": ("/stages/settings", {"needs_sign_off": "1", "people_follow_company": "1"}),
}


# These take a file of costs: tests/browser and the tests of costs go that way.
WITH_A_FILE = {
    "POST /programmes/import",
    "POST /surveys/import",
    "POST /costs/import/<draft_id>/load",
    "POST /stages/import/<draft_id>/load",
    "POST /costs/imports/<import_id>/undo",
}
NOT_LOGGED = {
    "POST /accounts/import",
    "POST /costs/import",
    "POST /costs/import/<draft_id>",
    "POST /costs/import/<draft_id>/drop",
    "POST /definitions/draft",
    "POST /install/check",
    "POST /logout",
    "POST /mail/now",
    "POST /policy/try",
    "POST /stages/import",
    "POST /stages/import/<draft_id>/drop",
}


@dataclass(frozen=True, slots=True)
class Known:
    """The ids of Acme's rows, by the name that a rule gives them."""

    ids: Mapping[str, str]

    def path(self, rule: str) -> str:
        return re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", lambda name: self.ids.get(name[1], "1"), rule)


@pytest.fixture
def acme(world: World) -> Known:
    """A person, a deal, touches, a phone number and two saved views at Acme; Bob reads there."""
    tea_house(world)
    bob = add_cheap_user(world, BOB, None)
    eve = add_cheap_user(world, "eve@acme.example", Role.ANALYST)
    with begin(world.store) as tx:
        set_role(tx, bob, world.acme.site_id, Role.VIEWER, world.clock())
        add_number(tx, world.acme.site_id, "Asia/Tokyo", "+81355557777", now=world.clock(), source="fair")
        save_accounts(tx, world.acme.site_id, [Told("target.example", "A")], "user eve@acme.example", world.clock())
        keep_view(tx, VIEW, eve)
        found_programmes(tx, world.acme.site_id, ["welcome"])
        add_survey(tx, world.acme.site_id, SURVEY, "Acmes", "", for_anybody=True, now=world.clock())
        keep_actions(tx, world)
        keep_segments(tx, world)
        ids = [
            tx.execute(select(column).where(column.table.c.site_id == world.acme.site_id)).scalars().first()
            for column in (contacts.c.contact_id, conversions.c.conversion_id, touchpoints.c.touchpoint_id)
        ]
    names = ("contact_id", "conversion_id", "touchpoint_id")
    told_ids = {name: str(found) for name, found in zip(names, ids, strict=True)}
    return Known(
        {
            **told_ids,
            "reference": "D-1",
            "view_id": VIEW,
            "form": "csv",
            "nonce": "x",
            "page": "1",
            "name": "welcome",
            "survey_id": SURVEY,
        }
    )


def ask(browser: FlaskClient, method: str, path: str, form: Mapping[str, Any] | None = None) -> TestResponse:
    """Ask for a page, or send a form with the token that the browser's pages bear."""
    if method == "GET":
        return browser.get(path)
    token = re.search(r'name="csrf_token" value="([^"]+)"', browser.get("/login").text)
    assert token
    return browser.post(path, data={"csrf_token": token[1], **(form or {})})


def test_the_table_names_every_page_of_people_with_its_least_role(app_on: Flask) -> None:
    real = {
        (method, rule.rule): least_role(app_on, rule.endpoint)
        for rule in app_on.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if audience_of(app_on, rule.endpoint) is Audience.PEOPLE
    }
    assert {(one.method, one.rule): one.least for one in told()} == real
    silent = {one.address for one in told() if one.method != "GET" and one.logged is None}
    assert silent == NOT_LOGGED


def test_whoever_may_less_is_refused_and_whoever_may_enough_is_not(world: World, acme: Known) -> None:
    for role in Role:
        user = browser_of(world, role)
        with user.session_transaction() as session:
            kept = dict(session)
        for line in told():
            with user.session_transaction() as session:
                session.update(kept)
            answer = ask(user, line.method, f"{acme.path(line.rule)}?site=acmekey", {"email": "no@where.example"})
            is_enough = list(Role).index(role) <= list(Role).index(line.least)
            assert (answer.status_code != 403) == is_enough, (role, line.address, answer.status_code)
            assert answer.status_code < 500, (role, line.address)


@pytest.mark.parametrize("role", [Role.OWNER, None])
def test_who_has_no_role_at_a_site_sees_and_changes_nothing_of_it(world: World, acme: Known, role: Role | None) -> None:
    carol = browser_of(world, None, email="carol@carol.example")
    with carol.session_transaction() as session:
        user_id, kept = session["user_id"], dict(session)
    with begin(world.store) as tx:
        set_role(tx, user_id, world.other.site_id, role, world.clock())
    before = counted(world)
    for line in told():
        for query in ("?site=acmekey", ""):
            with carol.session_transaction() as session:
                session.update(kept)
            form = dict(FORMS.get(line.address, ("", {}))[1]) if line.rule != "/password" else {}
            if line.method != "GET" and not query:
                continue  # her own site, which is hers to change; the ids in the addresses are Acme's
            text = ask(carol, line.method, acme.path(line.rule) + query, form).text
            leaked = [word for word in ("Acme<", "www.acme", "Tea house", "kyoto", "newsletter") if word in text]
            assert leaked == [], (line.address, query)
    assert counted(world) == before
    with reading(world.store) as tx:
        assert tx.execute(select(func.count()).where(audit.c.site_id == world.acme.site_id)).scalar() == 1


def counted(world: World) -> dict[str, int]:
    """How many rows each of Acme's tables has."""
    kept = [one for one in metadata.tables.values() if "site_id" in one.c and one.name != "audit"]
    with reading(world.store) as tx:
        return {
            one.name: tx.execute(select(func.count()).where(one.c.site_id == world.acme.site_id)).scalar_one()
            for one in kept
        }


def test_each_change_has_its_line_in_the_audit_log(world: World, acme: Known) -> None:
    owner = browser_of(world, Role.OWNER)
    second = world.program(world.token).put("/contacts", {"email": "rei@kyoto.example"}).json
    assert second is not None
    other = second["id"]
    with owner.session_transaction() as session:
        owner_id = session["user_id"]
    for line in told():
        if line.logged is None or line.address in WITH_A_FILE:
            continue
        assert line.address in FORMS, f"say how {line.address} succeeds"
        path, form = FORMS[line.address]
        make_ready(world, owner_id)
        newest = logged(world)[-1].audit_id
        cost = cost_id_of(world.acme.site_id, *(COST[name] for name in ("day", "source", "medium", "campaign")))
        ids = {"cost": cost, "own_view": OWN_VIEW, "contact": acme.ids["contact_id"], "other": other}
        path, form = path.format(**ids), {name: value.format(**ids) for name, value in form.items()}
        answer = ask(owner, line.method, f"{path}?site=acmekey", form)
        assert answer.status_code in (200, 302), (line.address, answer.text)
        new = [one for one in logged(world) if one.audit_id > newest]
        about = None if line.rule == "/password" else world.acme.site_id
        assert [(one.action, one.actor, one.site_id) for one in new] == [
            (line.logged, "user owner@acme.example", about)
        ], line.address
        for secret in (PASSWORD, "another long password", "link="):
            assert secret not in str(new[0].details)


def make_ready(world: World, owner_id: int) -> None:
    """Bob reads at Acme, and the owner has a saved view there."""
    with begin(world.store) as tx:
        set_role(
            tx, tx.execute(select(users.c.user_id).where(users.c.email == BOB)).scalar_one(), 1, Role.VIEWER, START
        )
        if tx.execute(select(views).where(views.c.view_id == OWN_VIEW)).first() is None:
            keep_view(tx, OWN_VIEW, owner_id)


def keep_view(tx: Tx, view_id: str, user_id: int) -> None:
    """A saved view of Acme's Source report that its other users see, too."""
    save_view(
        tx,
        view_id,
        1,
        user_id,
        name="Acmes",
        page="/reports/source",
        query="by=campaign",
        is_shared=True,
        actor="user eve@acme.example",
        now=START,
    )


def logged(world: World) -> list[Any]:
    """The audit log, oldest first."""
    with reading(world.store) as tx:
        return list(tx.execute(select(audit).order_by(audit.c.audit_id)).all())
