"""Saved views: kept under a name, listed for whom they are meant, and a link that leads nowhere else."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from api.pages.views import SAVABLE
from tests.people import ON_BOTH, SQLITE_ONLY, browser_of, send
from tests.world import World
from tracker.db.schema import audit, views
from tracker.db.store import begin, reading
from tracker.vocabulary import Role

pytestmark = SQLITE_ONLY
ASKED = "period=last_month&by=campaign,term&model=linear"


def saved(browser: FlaskClient, name: str = "Campaigns", query: str = ASKED, **more: str) -> str:
    """Save a view; gives its link."""
    form = {"page": "source", "query": query, "name": name, **more}
    answer = send(browser, "/views", form)
    assert answer.status_code == 302, answer.text
    page = browser.get("/views").text
    return re.findall(rf'<a href="(/v/[^"]+)"><bdi>{re.escape(name)}</bdi>', page)[0]


def pairs(address: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(address).query, keep_blank_values=True)


def test_a_view_is_listed_on_its_page_and_leads_back_to_it(world: World) -> None:
    alice = browser_of(world)
    link = saved(alice, query=f"{ASKED}&cursor=abc&lang=ja&site=other&only_source=a&only_source=b")
    went = alice.get(link).headers["Location"]
    assert went.startswith("/reports/source?")
    assert pairs(went) == {
        "period": ["last_month"],
        "by": ["campaign,term"],
        "model": ["linear"],
        "only_source": ["a", "b"],
        "site": ["acmekey"],
    }
    page = alice.get(f"/reports/source?{ASKED}&only_source=a&only_source=b").text
    assert f'<a href="{link}" aria-current="true">' in page
    assert re.search(r"<title>Source report: Campaigns · Minamoto</title>", page)
    assert f'<a href="{link}">' in alice.get("/reports/source?by=source").text
    assert link not in alice.get("/reports/paths").text


def test_a_view_of_ones_own_is_not_listed_for_others_but_its_link_works(world: World) -> None:
    alice, bob = browser_of(world), browser_of(world, Role.ANALYST)
    own, shared = saved(alice), saved(alice, "For all", shared="1")
    listed = bob.get("/views").text
    assert own not in listed
    assert shared in listed
    assert bob.get(own).status_code == bob.get(shared).status_code == 302
    assert send(bob, f"/views/{own[3:]}", {"name": "Mine now"}).status_code == 404
    assert send(bob, f"/views/{shared[3:]}", {"name": "Mine now"}).status_code == 403
    assert send(bob, f"/views/{shared[3:]}/delete", {}).status_code == 403


def test_who_may_not_see_the_site_is_led_nowhere(world: World) -> None:
    alice, nobody = browser_of(world), browser_of(world, None)
    link = saved(alice, shared="1")
    assert nobody.get(link).status_code == 404
    assert nobody.get("/v/unknown").status_code == 404
    assert world.app.test_client().get(link).headers["Location"].startswith("/login?next=")


@pytest.mark.parametrize("page", ["", "home", "login", "views", "//evil.example", "https://evil.example", "logout"])
def test_only_reports_can_be_saved(world: World, page: str) -> None:
    answer = send(browser_of(world), "/views", {"page": page, "query": "", "name": "x"})
    assert answer.status_code in (400, 422)


@pytest.mark.parametrize(
    "path", ["https://evil.example/", "//evil.example/", "/\\evil.example", "/logout", "javascript:1"]
)
def test_a_page_that_is_none_of_ours_is_never_led_to(world: World, path: str) -> None:
    alice = browser_of(world)
    link = saved(alice)
    with begin(world.store) as tx:
        tx.execute(views.update().values(page=path))
    assert alice.get(link).status_code == 404
    assert alice.get("/views").status_code == 200


def test_a_hostile_query_stays_a_query(world: World) -> None:
    alice = browser_of(world)
    link = saved(alice, query="//evil.example/?a=b\r\nSet-Cookie: x=1&by=source#top&%0d%0aX: y")
    went = alice.get(link)
    assert went.headers["Location"].startswith("/reports/source?")
    assert "\n" not in went.headers["Location"]
    assert "x=1" not in went.headers.get("Set-Cookie", "")


def test_a_viewer_keeps_views_for_themselves_and_is_told_nobodys_name(world: World) -> None:
    alice, viewer = browser_of(world), browser_of(world, Role.VIEWER)
    found = saved(alice, "Hana", query="q=hana%40kyoto.example&by=source", shared="1")
    assert "owner@acme.example" not in viewer.get("/views").text
    assert "q" not in pairs(viewer.get(found).headers["Location"])
    mine = saved(viewer, "Mine", shared="1")
    assert mine not in alice.get("/views").text


def test_a_name_that_will_not_do_is_said_beside_the_field(world: World) -> None:
    alice = browser_of(world)
    saved(alice)
    for name, why in (("Campaigns", "of this name"), ("  ", "Give it a name"), ("x" * 81, "at most 80")):
        answer = send(alice, "/views", {"page": "source", "query": ASKED, "name": name})
        assert answer.status_code == 422
        assert re.search(rf'class="field-error"[^>]*>[^<]*{why}', answer.text), name
    assert send(alice, "/views", {"page": "compare", "query": "", "name": "Campaigns"}).status_code == 302
    assert send(alice, "/views", {"page": "source", "query": "a=1&" * 2000, "name": "Long"}).status_code == 422


@ON_BOTH
def test_renaming_sharing_and_deleting_are_written_down_when_others_see_them(world: World) -> None:
    alice = browser_of(world)
    key = saved(alice)[3:]
    send(alice, f"/views/{key}", {"name": "Still mine"})
    send(alice, f"/views/{key}", {"name": "Ours", "shared": "1"})
    assert "Ours" in alice.get("/reports/source").text
    send(alice, f"/views/{key}/delete", {})
    assert alice.get(f"/v/{key}").status_code == 404
    with reading(world.store) as tx:
        written = tx.execute(select(audit.c.details).where(audit.c.action == "view").order_by(audit.c.audit_id))
        told = [row.details for row in written]
    assert told == [
        {"before": {"name": "Still mine", "is_shared": False}, "after": {"name": "Ours", "is_shared": True}},
        {"before": {"name": "Ours", "page": "/reports/source", "is_shared": True}},
    ]


def test_a_name_is_only_ever_text(world: World) -> None:
    alice = browser_of(world)
    send(alice, "/views", {"page": "source", "query": "", "name": '"><script>alert(1)</script>'})
    for path in ("/views", "/reports/source"):
        assert "<script>alert" not in alice.get(path).text


def test_every_page_that_can_be_saved_offers_it(world: World) -> None:
    alice = browser_of(world)
    known = {rule.endpoint: rule.rule for rule in world.app.url_map.iter_rules()}
    rows = {"source_rows": "?metric=visits", "pathways_rows": "?value=email&part=any"}
    for name in SAVABLE:
        if path := known.get(f"pages.{name}"):
            page = alice.get(path + rows.get(name, "")).text
            assert 'class="menu views-menu"' in page, name
