"""Letting people in: links that set a password, roles, the last owner, log-ins that end; what the log shows of it."""

import re
from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from tests.people import ON_BOTH, SQLITE_ONLY, add_cheap_user, browser_of, send
from tests.world import CHEAP, PASSWORD, START, World
from tracker.access.audit import note
from tracker.access.roles import members_of, set_role
from tracker.access.users import check_password
from tracker.db.store import begin, reading
from tracker.vocabulary import Audited, Role

pytestmark = SQLITE_ONLY
NEW, KNOWN, OWNER = "new@acme.example", "known@elsewhere.example", "owner@acme.example"
HOSTILE = '"><script>alert(1)</script>'


def member(world: World, email: str, role: Role, *, site: int = 1) -> FlaskClient:
    """The browser of somebody with a role on one site."""
    browser = browser_of(world, None, email=email)
    with browser.session_transaction() as session:
        user_id = session["user_id"]
    with begin(world.store) as tx:
        set_role(tx, user_id, site, role, START)
    return browser


def roles(world: World) -> dict[str, Role]:
    with reading(world.store) as tx:
        return {one.email: one.role for one in members_of(tx, world.acme.site_id)}


def let_in(browser: FlaskClient, email: str, role: str = "viewer", **more: str) -> str:
    """Let somebody in; gives the link's path."""
    answer = send(browser, "/team?site=acmekey", {"email": email, "role": role, **more}, follow_redirects=True)
    return link_in(answer.text)


def link_in(page: str) -> str:
    found = re.search(r'<code id="made-link">http://localhost(/password/new\?link=[\w-]+)</code>', page)
    assert found
    return found[1]


def set_by(link: str, world: World, new: str = "a password of their own") -> str:
    """Follow a link and set a password; gives the page that comes of it."""
    form = {"link": link.partition("=")[2], "new": new}
    return send(world.app.test_client(), "/password/new?lang=en", form, follow_redirects=True).text


def has_password(world: World, email: str, password: str) -> bool:
    with reading(world.store) as tx:
        return check_password(tx, email, password, CHEAP) is not None


def test_who_is_let_in_sets_a_password_once_and_sees_the_site(world: World) -> None:
    owner = browser_of(world)
    link = let_in(owner, "New@Acme.example ", "analyst")
    assert roles(world)[NEW] is Role.ANALYST
    assert "made-link" not in owner.get("/team").text
    assert NEW in world.app.test_client().get(link).text
    assert "at least 10 characters" in set_by(link, world, "short").lower()
    assert "You can log in now" in set_by(link, world)
    assert "no longer good" in set_by(link, world, "another try of somebody")
    guest = world.app.test_client()
    assert send(guest, "/login", {"email": NEW, "password": "a password of their own"}).status_code == 302
    assert "Acme" in guest.get("/contacts").text
    assert guest.get("/team").status_code == 403


def test_nothing_tells_whether_an_address_was_known(world: World) -> None:
    member(world, KNOWN, Role.VIEWER, site=2)
    owner = member(world, "boss@acme.example", Role.OWNER)
    seen = []
    for email in (NEW, KNOWN):
        answer = send(owner, "/team", {"email": email, "role": "viewer"})
        listed = owner.get("/team").text
        link = link_in(listed)
        pages = (listed, world.app.test_client().get(link).text, set_by(link, world), set_by(link, world))
        plain = [re.sub(r'link=[\w-]+|csrf_token" value="[^"]+"|name="link" value="[^"]+"', "", one) for one in pages]
        send(owner, "/team/remove", {"email": email})
        seen.append([answer.status_code, *(one.replace(email, "SOMEBODY") for one in plain)])
    assert seen[0] == seen[1]
    assert has_password(world, NEW, "a password of their own")
    assert has_password(world, KNOWN, PASSWORD)


@pytest.mark.parametrize("days", [6, 8])
def test_a_link_is_good_for_seven_days(world: World, days: int) -> None:
    link = let_in(browser_of(world), NEW)
    world.clock.forward(days=days)
    assert world.app.test_client().get(link).status_code == (200 if days < 7 else 404)
    assert has_password(world, NEW, "a password of their own") is False
    set_by(link, world)
    assert has_password(world, NEW, "a password of their own") is (days < 7)


def test_only_an_owner_of_all_sites_makes_a_link_that_replaces_a_password(world: World) -> None:
    add_cheap_user(world, KNOWN, None)
    everywhere, here = browser_of(world), member(world, "boss@acme.example", Role.OWNER)
    let_in(here, KNOWN)
    set_by(link_in(send(here, "/team/link", {"email": KNOWN}, follow_redirects=True).text), world)
    assert has_password(world, KNOWN, PASSWORD)
    told = set_by(link_in(send(everywhere, "/team/link", {"email": KNOWN}, follow_redirects=True).text), world)
    assert "Your password is set" in told
    assert not has_password(world, KNOWN, PASSWORD)


def test_a_role_is_changed_and_taken_away_at_once(world: World) -> None:
    owner, guest = browser_of(world), member(world, NEW, Role.VIEWER)
    assert guest.get("/team").status_code == 403
    send(owner, "/team/role", {"email": NEW, "role": "owner"})
    assert guest.get("/team").status_code == 200
    send(owner, "/team/remove", {"email": NEW})
    gone = guest.get("/contacts?lang=en")
    assert "No site is open to you" in gone.text
    assert "Acme" not in gone.text.replace(NEW, "")
    assert guest.get("/team").status_code == 403


def test_a_site_keeps_its_last_owner(world: World) -> None:
    owner = browser_of(world)
    for path, form in (("/team/role", {"role": "viewer"}), ("/team/remove", {})):
        page = send(owner, path, {"email": OWNER, **form})
        assert page.status_code == 302
        assert "last owner" in owner.get("/team?lang=en").text
        assert roles(world) == {OWNER: Role.OWNER}
    member(world, "boss@acme.example", Role.OWNER)
    refused = send(owner, "/team/role", {"email": OWNER, "role": "viewer"})
    assert refused.status_code == 302  # Carol's site would have none
    assert roles(world)[OWNER] is Role.OWNER


def test_an_owner_may_go_when_another_stays(world: World) -> None:
    boss = member(world, "boss@acme.example", Role.OWNER)
    member(world, "next@acme.example", Role.OWNER)
    assert (
        send(boss, "/team/role", {"email": "boss@acme.example", "role": "viewer"}).headers["Location"]
        == "/?site=acmekey"
    )
    assert roles(world) == {"boss@acme.example": Role.VIEWER, "next@acme.example": Role.OWNER}
    assert send(boss, "/team/role", {"email": "boss@acme.example", "role": "owner"}).status_code == 403
    assert roles(world)["boss@acme.example"] is Role.VIEWER


def test_an_owner_of_one_site_touches_nobody_with_a_role_on_all(world: World) -> None:
    browser_of(world)
    boss = member(world, "boss@acme.example", Role.OWNER)
    for path, form in (("/team/role", {"role": "viewer"}), ("/team/remove", {}), ("/team/link", {})):
        send(boss, path, {"email": OWNER, **form})
        assert "only an owner of all sites" in boss.get("/team?lang=en").text
    assert send(boss, "/team", {"email": NEW, "role": "owner", "where": "all"}).status_code == 403
    assert roles(world) == {OWNER: Role.OWNER, "boss@acme.example": Role.OWNER}


def test_an_owner_of_all_sites_lets_somebody_see_all(world: World) -> None:
    let_in(browser_of(world), NEW, "viewer", where="all")
    with reading(world.store) as tx:
        assert [one.everywhere for one in members_of(tx, world.other.site_id) if one.email == NEW] == [True]


@pytest.mark.parametrize(
    ("email", "role", "why"),
    [
        ("nobody", "viewer", "no e-mail address"),
        (f"{HOSTILE}@x y", "viewer", "no e-mail address"),
        ("a@\x00b.example", "viewer", "no e-mail address"),
        (NEW, "emperor", "Choose a role"),
        (OWNER, "viewer", "in the list already"),
    ],
)
def test_a_form_that_is_wrong_says_why_beside_the_field(world: World, email: str, role: str, why: str) -> None:
    answer = send(browser_of(world), "/team?lang=en", {"email": email, "role": role})
    assert answer.status_code == 422
    assert re.search(rf'id="add-error"[^>]*>[^<]*{why}', answer.text)
    assert "<script>alert" not in answer.text
    assert list(roles(world)) == [OWNER]


def test_a_changed_password_asks_for_the_old_one_and_ends_other_log_ins(world: World) -> None:
    here = browser_of(world)
    there = world.app.test_client()
    send(there, "/login", {"email": OWNER, "password": PASSWORD})
    assert there.get("/calls").status_code == 200
    wrong = send(here, "/password?lang=en", {"old": "not this one", "new": "another long password"})
    assert (wrong.status_code, "This is not your password" in wrong.text) == (422, True)
    short = send(here, "/password?lang=en", {"old": PASSWORD, "new": "short"})
    assert (short.status_code, "at least 10" in short.text) == (422, True)
    assert there.get("/calls").status_code == 200
    assert send(here, "/password", {"old": PASSWORD, "new": "another long password"}).status_code == 302
    assert here.get("/calls").status_code == 200
    assert there.get("/calls").headers["Location"].startswith("/login")
    assert has_password(world, OWNER, "another long password")


def test_who_was_let_in_and_has_no_password_yet_cannot_log_in(world: World) -> None:
    let_in(browser_of(world), NEW)
    for password in ("", " ", "None"):
        assert send(world.app.test_client(), "/login", {"email": NEW, "password": password}).status_code == 401


def test_another_site_is_looked_at_on_the_same_page(world: World) -> None:
    owner = browser_of(world)
    kept = owner.get("/reports/source?period=last_28_days&by=source&policy=0&cursor=3").text
    assert 'href="/reports/source?period=last_28_days&amp;by=source&amp;site=carolkey"' in kept
    assert 'href="/contacts?site=carolkey"' in owner.get("/contacts?q=hana").text
    assert 'href="/team?site=carolkey"' in owner.get("/team").text
    guest = member(world, "boss@acme.example", Role.OWNER)
    assert "carolkey" not in guest.get("/team").text
    with begin(world.store) as tx:
        set_role(tx, 2, world.other.site_id, Role.VIEWER, START)
    assert 'href="/reports/source?site=carolkey"' in guest.get("/team").text


# --- the log --------------------------------------------------------------------------------------------------------


def noted(world: World, subject: str, n: int = 1, site: int | None = 1, actor: str = "token crm") -> None:
    with begin(world.store) as tx:
        for i in range(n):
            details = {"before": {"name": HOSTILE}, "after": {"name": "=1+1"}, "hosts": ["a", "b"], "is_shared": False}
            now = START + timedelta(minutes=i)
            note(tx, site, actor, Audited.COSTS, subject.format(i), now=now, details=details)


def test_the_log_shows_before_and_after_and_no_markup_of_strangers(world: World) -> None:
    noted(world, f"{HOSTILE}.csv")
    owner = browser_of(world)
    page = owner.get("/audit?lang=en").text
    assert "<script>alert" not in page
    text = " ".join(re.sub(r"<[^>]+>", " ", page.split("<tbody", 1)[1].partition(">")[2].split("</tbody>")[0]).split())
    assert text.startswith("1 Apr 2026, 12:00 token crm Costs")
    assert "Name : &#34;&gt;&lt;script&gt;alert(1)&lt;/script&gt; → =1+1" in text
    assert "Hosts : a, b is_shared : no" in text
    table = owner.get("/audit.csv?lang=ja").text.splitlines()
    assert table[0].removeprefix("\ufeff") == "日時,変更者,種類,対象,変更内容"
    assert len(table) == 2


@ON_BOTH
def test_the_log_is_filtered_paged_and_taken_as_a_file(world: World) -> None:
    noted(world, "file {}", 120)
    noted(world, "other", actor="command line")
    owner = browser_of(world)

    def shown(path: str) -> list[str]:
        page = owner.get(path).text
        owner.newer, owner.older = (  # type: ignore[attr-defined]
            (re.search(rf'rel="{way}" href="([^"]+)"', page) or ["", ""])[1].replace("&amp;", "&")
            for way in ("prev", "next")
        )
        return re.findall(r"<bdi>(file \d+|other)</bdi>", page)

    assert shown("/audit?action=costs&actor=token+crm")[0] == "file 119"
    assert shown(owner.older)[::49] == ["file 69", "file 20"]  # type: ignore[attr-defined]
    assert len(shown(owner.older)) == 20  # type: ignore[attr-defined]
    assert shown(owner.newer)[::49] == ["file 69", "file 20"]  # type: ignore[attr-defined]
    assert shown(owner.newer)[0] == "file 119"  # type: ignore[attr-defined]
    assert owner.newer == ""  # type: ignore[attr-defined]
    assert shown("/audit?actor=command+line") == ["other"]
    assert shown("/audit?action=merge") == []
    assert len(owner.get("/audit.csv?actor=token+crm").text.splitlines()) == 121
    assert len(shown("/audit?action=nonsense&cursor=b")) == 50


def test_who_owns_one_site_reads_nothing_of_others_and_of_the_installation(world: World) -> None:
    for site, subject in ((1, "of acme"), (2, "of carol"), (None, "of all")):
        noted(world, subject, site=site, actor=f"user {site}@x.example")
    boss = member(world, "boss@acme.example", Role.OWNER)
    for path in ("/audit", "/audit.csv", "/audit.json"):
        text = boss.get(path).text
        assert [one for one in ("of acme", "of carol", "of all", "2@x", "None@x") if one in text] == ["of acme"]
    everywhere = browser_of(world).get("/audit").text
    assert [one for one in ("of acme", "of carol", "of all") if one in everywhere] == ["of acme", "of all"]
