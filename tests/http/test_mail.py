"""Reports by mail, over a real SMTP server: their figures, once, again after a failure, and to nobody who may not."""

import pickle
import re
from collections.abc import Iterator
from datetime import datetime
from email.message import EmailMessage

import pytest
from sqlalchemy import Engine, insert, select, update

from api.mail.sending import SEND_REPORTS, Sent, send_due
from tests.http.test_overview_page import sold, text_of, tiles
from tests.mailserver import MailServer, mail_server
from tests.people import add_cheap_user, browser_of, send
from tests.world import Program, World
from tracker.config import Settings
from tracker.db.schema import audit, digests, sites, users
from tracker.db.store import begin, reading
from tracker.digests.orders import claim, due_orders, orders_of, set_orders
from tracker.vocabulary import Every, Role

HANA = "hana@acme.example"
MONDAY = datetime.fromisoformat("2026-04-06T08:00:00+09:00")


@pytest.fixture
def post() -> Iterator[tuple[MailServer, int]]:
    with mail_server() as found:
        yield found


@pytest.fixture
def mails(post: tuple[MailServer, int]) -> MailServer:
    return post[0]


@pytest.fixture
def world(store: Engine, post: tuple[MailServer, int]) -> World:
    """The known world, with a mail server."""
    own = Settings(
        secret_key="s" * 40,
        fold_batch=100,
        smtp_url=f"smtp://minamoto:p%40ss@127.0.0.1:{post[1]}",
        mail_from="Minamoto <reports@acme.example>",
        base_url="https://minamoto.acme.example",
    )
    return World(store, settings=own)


def order(world: World, role: Role | None = Role.VIEWER, language: str = "en") -> int:
    """Hana orders the weekly report."""
    user_id = add_cheap_user(world, HANA, role, language)
    with begin(world.store) as tx:
        set_orders(tx, user_id, world.acme.site_id, [Every.WEEK], world.clock())
    return user_id


def sent(world: World) -> Sent:
    return send_due(world.store, world.settings, world.clock(), lambda: world.app)


def text(mail: EmailMessage, kind: str = "plain") -> str:
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content())


def error_of(world: World, user_id: int) -> str | None:
    with reading(world.store) as tx:
        return orders_of(tx, user_id, world.acme.site_id)[Every.WEEK].error


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_the_mails_figures_are_the_pages_and_the_apis(world: World, crm: Program, mails: MailServer) -> None:
    sold(world, crm)
    order(world, Role.VIEWER)
    assert sent(world) == Sent()
    world.clock.at = MONDAY
    assert sent(world) == Sent(n_sent=1)
    assert mails.recipients == [HANA]
    assert mails.passwords == [(b"minamoto", b"p@ss")]
    (mail,) = mails.taken
    assert mail["Subject"] == "Acme: the week 30 Mar 2026 – 5 Apr 2026"
    assert mail["From"] == "Minamoto <reports@acme.example>"
    plain, rich = text(mail), text(mail, "html")
    page_link = "https://minamoto.acme.example/overview?site=acmekey&period=custom&from=2026-03-30&to=2026-04-05"
    assert page_link in plain
    assert "https://minamoto.acme.example/mail?site=acmekey" in plain
    page = browser_of(world, Role.VIEWER).get(page_link.removeprefix("https://minamoto.acme.example")).text
    shown = tiles(page)
    assert shown["Revenue"] == "€1,500.01"
    for label, figure in shown.items():
        assert re.search(rf"^{label}: {re.escape(figure)}(?:[ \r]|$)", plain, re.MULTILINE), label
        assert re.search(rf"{label} {re.escape(figure)} ", text_of(rich)), label
    told = crm.get("/reports/overview?from=2026-03-30&to=2026-04-05").json or {}
    assert told["totals"]["revenue"] == "1500.01"
    for row in told["channels"]:
        assert f"Visits {row['visits']}, New leads {row['new_leads']}" in plain
    assert "The last cost" not in plain
    assert "Much of the revenue cannot be traced to a source." in plain
    assert not re.search(r"<(img|script|link|iframe)", rich)
    assert "hana@kyoto.example" not in plain + rich


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_a_mail_speaks_its_readers_language_and_no_site_writes_its_headers(world: World, mails: MailServer) -> None:
    evil = "Acme\r\nBcc: eve@evil.example\r\n\r\n<script>alert(1)</script>"
    with begin(world.store) as tx:
        tx.execute(update(sites).where(sites.c.site_id == world.acme.site_id).values(name=evil))
    order(world, language="ja")
    world.browse("v", world.hit("page", "/?utm_source=%3Cb%3Ex%3C/b%3E&utm_medium=email"))
    world.fold()
    world.clock.at = MONDAY
    assert sent(world) == Sent(n_sent=1)
    (mail,) = mails.taken
    assert mail["Bcc"] is None
    assert mails.recipients == [HANA]
    assert "週次レポート 2026年3月30日～2026年4月5日" in mail["Subject"]
    assert mail["Content-Language"] == "ja"
    assert "訪問数: 1" in text(mail) or "訪問: 1" in text(mail)
    assert "<script" not in text(mail, "html")
    assert "<b>x" not in text(mail, "html")
    assert "New leads" not in text(mail) + text(mail, "html")


def test_of_two_workers_one_sends_it_and_only_once_a_period(world: World, mails: MailServer) -> None:
    order(world)
    world.clock.at = MONDAY
    with reading(world.store) as tx:
        seen_by_both = due_orders(tx, world.clock())
    assert len(seen_by_both) == 1
    with begin(world.store) as tx:
        assert claim(tx, seen_by_both[0], world.clock())
    with begin(world.store) as tx:
        assert not claim(tx, seen_by_both[0], world.clock())
    assert sent(world) == Sent()
    world.clock.forward(minutes=5)
    assert sent(world) == Sent(n_sent=1)
    world.clock.forward(days=1)
    assert sent(world) == Sent()
    world.clock.forward(days=6)
    assert sent(world) == Sent(n_sent=1)
    first, second = mails.taken
    assert first["Message-ID"] != second["Message-ID"]


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_what_fails_is_tried_again_and_what_is_refused_is_given_up(world: World, mails: MailServer) -> None:
    user_id = order(world)
    world.clock.at = MONDAY
    mails.answer = "451 busy: hana@acme.example"
    assert sent(world) == Sent(n_failed=1)
    assert error_of(world, user_id) == "SMTP 451"
    assert sent(world) == Sent()
    world.clock.forward(minutes=5)
    away = world.settings.model_copy(update={"smtp_url": "smtp://127.0.0.1:1"})
    assert send_due(world.store, away, world.clock(), lambda: world.app) == Sent(n_failed=1)
    assert error_of(world, user_id) == "ConnectionRefusedError"
    world.clock.forward(minutes=10)
    wrong = world.settings.model_copy(update={"smtp_url": world.settings.smtp_url.replace("p%40ss", "guess")})
    assert send_due(world.store, wrong, world.clock(), lambda: world.app) == Sent(n_failed=1)
    assert error_of(world, user_id) == "log-in"
    world.clock.forward(minutes=20)
    mails.answer = "250 OK"
    assert sent(world) == Sent(n_sent=1)
    assert error_of(world, user_id) is None
    world.clock.forward(days=7)
    mails.answer = "550 no such mailbox"
    assert sent(world) == Sent(n_failed=1)
    world.clock.forward(days=1)
    assert sent(world) == Sent()
    browser = world.app.test_client()
    with browser.session_transaction() as session:
        session["user_id"], session["language"], session["site"] = user_id, "en", "acmekey"
    page = browser.get("/mail").text
    assert "refuses your address for good (SMTP 550)" in page
    world.clock.forward(days=7)
    mails.answer = "250 OK"
    assert sent(world) == Sent(n_sent=1)


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_whose_role_is_gone_gets_nothing_more(world: World, mails: MailServer) -> None:
    user_id = order(world)
    with begin(world.store) as tx:
        tx.execute(update(users).where(users.c.user_id == user_id).values(role=None))
        row = {"user_id": user_id, "site_id": world.other.site_id, "every": "week", "since_at": world.clock()}
        tx.execute(insert(digests), [row])
    world.clock.at = MONDAY
    assert sent(world) == Sent()
    assert mails.taken == []


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_a_user_orders_gets_one_now_and_stops(world: World, mails: MailServer) -> None:
    browser = browser_of(world, Role.VIEWER, HANA)
    assert "checked" not in browser.get("/mail").text
    assert send(browser, "/mail", {"week": "1", "month": "1", "language": "ja"}).status_code == 302
    page = browser.get("/mail").text
    assert page.count("checked") == 2
    assert '<option value="ja" lang="ja" selected>' in page
    assert send(browser, "/mail/now", {"every": "month"}).status_code == 302
    assert "The report is on its way to hana@acme.example." in browser.get("/mail").text
    assert mails.recipients == [HANA]
    assert "月次レポート 2026年3月1日" in mails.taken[0]["Subject"]
    assert re.search(r"2026年2月1日\D+2026年2月28日", text(mails.taken[0])), "March against February"
    mails.answer = "550 no"
    send(browser, "/mail/now", {"every": "week"})
    assert "did not take it (SMTP 550)" in browser.get("/mail").text
    assert send(browser, "/mail/now", {"every": "year"}).status_code == 422
    assert send(browser, "/mail", {"language": "xx"}).status_code == 422
    assert send(browser, "/mail", {"language": "ja"}).status_code == 302
    assert "checked" not in browser.get("/mail").text
    with reading(world.store) as tx:
        assert tx.execute(select(digests)).all() == []
        notes = tx.execute(select(audit.c.details)).scalars().all()
    assert notes == [{"before": [], "after": ["week", "month"]}, {"before": ["week", "month"], "after": []}]


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_while_the_mail_server_is_away_no_other_report_is_tried(world: World, mails: MailServer) -> None:
    order(world)
    second = add_cheap_user(world, "jun@acme.example", Role.VIEWER)
    with begin(world.store) as tx:
        set_orders(tx, second, world.acme.site_id, [Every.WEEK], world.clock())
    world.clock.at = MONDAY
    away = world.settings.model_copy(update={"smtp_url": "smtp://127.0.0.1:1"})
    assert send_due(world.store, away, world.clock(), lambda: world.app) == Sent(n_failed=1)
    assert sent(world) == Sent(n_sent=1)
    assert mails.recipients == ["jun@acme.example"]


def test_the_job_can_be_handed_to_a_process_of_its_own() -> None:
    assert pickle.loads(pickle.dumps(SEND_REPORTS)) == SEND_REPORTS
