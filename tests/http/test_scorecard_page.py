"""The scorecard's page and API: what it says, what its figures open, its targets, and what a viewer does not see."""

import re
from datetime import UTC, datetime

import pytest
from flask.testing import FlaskClient
from sqlalchemy import insert, select

from tests.people import SQLITE_ONLY, browser_of, send
from tests.world import Program, World
from tracker.db.schema import audit, mail_events, mail_programmes, nps_answers, targets
from tracker.db.store import begin, reading
from tracker.vocabulary import Role

pytestmark = SQLITE_ONLY
NOW = datetime(2026, 6, 5, 3, 0, tzinfo=UTC)
EVIL = "<script>alert(1)</script>"


def told(crm: Program, email: str, stage: str, at: str) -> None:
    assert (
        crm.put("/contacts", {"email": email, "stage": stage, "changed_at": f"2026-{at}T03:00:00Z"}).status_code < 300
    )


@pytest.fixture
def month(world: World, crm: Program) -> World:
    """A company in May 2026: somebody lost, somebody reopened, an upsell, mails and answers."""
    world.clock.at = NOW
    for email, *way in (
        ("hana@kyoto.example", "lead 04-02", "customer 04-20", "other 05-06"),
        (
            "ken@kyoto.example",
            "lead 04-02",
            "marketingqualifiedlead 04-09",
            "lead 04-20",
            "marketingqualifiedlead 05-09",
        ),
    ):
        for step in way:
            told(crm, email, *step.split())
    deal = {"amount": "500.00", "currency": "EUR", "type": "upsell", "status": "won", "name": f"Hana {EVIL}"}
    crm.put("/deals/U-1", {**deal, "changed_at": "2026-05-12T03:00:00Z", "closed_at": "2026-05-12T03:00:00Z"})
    cost = {"source": "google", "medium": "cpc", "campaign": f"=1+1{EVIL}", "amount": "200.00", "currency": "EUR"}
    crm.put("/costs", {"costs": [{**cost, "day": "2026-05-10"}]})
    site_id, day = world.acme.site_id, {"day": "2026-05-20", "received_at": NOW}
    mail = {"site_id": site_id, "programme": EVIL, "step": "one", "occurred_at": NOW, **day}
    with begin(world.store) as tx:
        programme = {"site_id": site_id, "programme": EVIL, "audience": "nurture", "steps": ["one", f"two {EVIL}"]}
        tx.execute(insert(mail_programmes), [programme])
        tx.execute(insert(mail_events), [
            {**mail, "event_id": f"{kind}{email}", "kind": kind, "email": email}
            for email in ("a@x.example", "b@x.example") for kind in ("delivered", "open")[: 1 + (email[0] == "a")]
        ])  # fmt: skip
        answer = {"site_id": site_id, "origin": "api", "answered_at": NOW, **day}
        tx.execute(insert(nps_answers), [
            {**answer, "answer_id": "1", "email": "hana@kyoto.example", "score": 10, "comment": f"Dear me {EVIL}"},
        ])  # fmt: skip
    return world


@pytest.fixture
def analyst(month: World) -> FlaskClient:
    return browser_of(month, Role.ANALYST)


def row(page: str, key: str) -> str:
    """One figure's row, without its tags."""
    found = re.search(rf'<tr id="figure-{key}".*?</tr>', page, re.DOTALL)
    assert found, key
    return " ".join(re.sub(r"<[^>]+>", " ", found[0]).split())


def test_the_page_tells_each_figure_of_the_last_whole_month(analyst: FlaskClient) -> None:
    answer = analyst.get("/reports/scorecard")
    page = answer.text
    assert answer.status_code == 200
    assert "May 2026" in page
    assert " 1 / 1 " in row(page, "churn")
    assert row(page, "reopened_leads").startswith("Reopened leads 1 ")
    assert "€200.00" in row(page, "cost")
    assert "1.50" in row(page, "roi")
    assert "100%" in row(page, "upsell_share")
    assert "50%" in row(page, "nurture_open")
    assert "+100" in row(page, "nps")
    assert "1 of 2 people" not in page
    assert "2 of 2 people got no later step" in page


def test_what_strangers_wrote_is_shown_as_text(analyst: FlaskClient) -> None:
    pages = [analyst.get("/reports/scorecard").text, analyst.get("/reports/scorecard/rows?metric=upsell_share").text]
    assert all(EVIL not in page and "&lt;script&gt;" in page for page in pages)
    assert "alert(1)" not in analyst.get("/reports/scorecard.csv").text


def test_each_link_of_a_figure_opens(analyst: FlaskClient) -> None:
    page = analyst.get("/reports/scorecard").text
    links = {one.replace("&amp;", "&") for one in re.findall(r'<a class="figure[^"]*" href="([^"#][^"]*)"', page)}
    assert len(links) > 8
    assert {link: analyst.get(link).status_code for link in links if analyst.get(link).status_code != 200} == {}


def test_the_rows_behind_a_figure(analyst: FlaskClient) -> None:
    expected = {
        "reopened_leads": "ken@kyoto",
        "churn": "hana@kyoto",
        "upsell_share": "€500.00",
        "days_to_customer": "No rows",
    }
    for metric, text in expected.items():
        assert text in analyst.get(f"/reports/scorecard/rows?metric={metric}&month=2026-05").text, metric
    assert analyst.get("/reports/scorecard/rows?metric=visits").status_code == 422


def test_a_viewer_reads_no_person_and_no_comment(month: World) -> None:
    viewer = browser_of(month, Role.VIEWER)
    for path in ("", "/rows?metric=reopened_leads", "/rows?metric=churn", "/rows?metric=upsell_share"):
        page = viewer.get(f"/reports/scorecard{path}")
        assert page.status_code == 200
        assert not re.search("hana|ken@|Dear me", page.text, re.IGNORECASE), path
    assert 'name="value"' not in viewer.get("/reports/scorecard").text
    assert send(viewer, "/reports/scorecard/target?site=acmekey", {"metric": "mql"}).status_code == 403


def test_an_analyst_sets_a_target_changes_it_and_takes_it_away(month: World, analyst: FlaskClient) -> None:
    def told_so(value: str) -> str:
        form = {"metric": "mql", "value": value, "from_month": "2026-05"}
        assert send(analyst, "/reports/scorecard/target?month=2026-05&site=acmekey", form).status_code == 302
        return row(analyst.get("/reports/scorecard?month=2026-05").text, "mql")

    assert "40 missed" in told_so("40")
    assert "0 met" in told_so("0")
    assert "missed" not in told_so("")
    with reading(month.store) as tx:
        notes = tx.execute(select(audit.c.subject, audit.c.details).where(audit.c.action == "target")).all()
        assert tx.execute(select(targets)).all() == []
    assert [(one.subject, one.details["before"], one.details["after"]) for one in notes] == [
        ("mql", None, 40), ("mql", 40, 0), ("mql", 0, None),
    ]  # fmt: skip


def test_what_is_wrong_with_a_target_is_said_beside_its_field(analyst: FlaskClient) -> None:
    right = {"metric": "mql", "value": "3", "from_month": "2026-05"}
    for field, wrong in (("metric", "visits"), ("value", "many"), ("value", "1.5"), ("from_month", "05/2026")):
        answer = send(analyst, "/reports/scorecard/target?site=acmekey", right | {field: wrong})
        assert answer.status_code == 422
        assert f'id="wrong-{field.removeprefix("from_")}"' in answer.text
        assert f'value="{wrong}"' in answer.text or field == "metric"


def test_without_any_fact_the_page_says_what_to_do(world: World) -> None:
    assert "Nothing to count yet" in browser_of(world).get("/reports/scorecard").text


def test_a_month_that_is_none_is_refused(analyst: FlaskClient, crm: Program) -> None:
    for wrong in ("2026-06", "2026-13", EVIL):
        assert analyst.get("/reports/scorecard", query_string={"month": wrong}).status_code == 422
        assert crm.get("/reports/scorecard", query_string={"month": wrong}).status_code == 422


def test_the_api_gives_what_the_page_shows(month: World, crm: Program) -> None:
    assert crm.put("/targets", {"metric": "churn", "from_month": "2026-04", "value": "2.5"}).json == {
        "metric": "churn", "from_month": "2026-04", "value": "2.5", "changed": True,
    }  # fmt: skip
    assert crm.put("/targets", {"metric": "churn", "from_month": "2026-04", "value": 2.5}).json["changed"] is False  # type: ignore[index]
    assert crm.get("/targets").json == {"targets": [{"metric": "churn", "from_month": "2026-04", "value": "2.5"}]}
    found = crm.get("/reports/scorecard?month=2026-05").json
    assert found is not None
    figures = {one["figure"]: one for one in found["figures"]}
    assert (figures["churn"]["value"], figures["churn"]["part"], figures["churn"]["whole"]) == (1.0, 1, 1)
    assert (figures["churn"]["target"], figures["churn"]["target_met"], figures["churn"]["alert"]) == (
        0.025,
        False,
        None,
    )
    assert (figures["cost"]["value"], figures["roi"]["value"], figures["nps"]["value"]) == ("200.00", 1.5, 100.0)
    assert found["stops"] == [{"programme": EVIL, "step": "one", "got": 2, "stopped": 2}]

    assert found["channels"][0]["cost"] == "200.00"
    assert len(found["months"]) == len(figures["mql"]["values"]) == 13
    assert [one["comment"] for one in found["comments"]] == [f"Dear me {EVIL}"]


def test_files_hold_thirteen_months(analyst: FlaskClient, crm: Program) -> None:
    lines = analyst.get("/reports/scorecard.csv?month=2026-05").text.splitlines()
    assert len(lines) == 14
    assert lines[-1].startswith("2026-05,")
    assert analyst.get("/reports/scorecard.xlsx").data[:2] == b"PK"
    assert analyst.get("/reports/scorecard.json").json["rows"][-1]["churn"] == 1.0  # type: ignore[index]
    assert crm.get("/reports/scorecard?format=csv").text.splitlines()[0].lstrip("\ufeff").startswith("month,new_leads,")
    assert crm.get("/reports/scorecard?format=xlsx").data[:2] == b"PK"
    assert crm.get("/reports/scorecard?format=pdf").status_code == 422
